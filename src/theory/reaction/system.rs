//! The equations of a mixture on a mesh of spectral elements: residual, derivative, solution of linear systems.
//!
//! Unknowns are `v_k = w_k c_k/g_k(x_0)`, continuous also where `w_k` jumps, at Lobatto nodes; with `a_k =
//! g_k(x_0)/g_k` and `s_k = w_k/g_k(x_0)`
//! ```text
//! int phi d_t v_k/s_k dx = int [ -phi' a_k v_k' + phi R_k(v/s) ] dx .                                (1)
//! ```
//! For every conservation law the equation of one of its species is replaced by the sum `sum_k m_lk` of all
//! equations, from which reactions drop out by integers, however fast they are.

use super::super::element::{Reference, series_derivative};
use super::super::linear::{Chain, Matrix};
use super::{TheoryError, constants, motilities};
use crate::model::{Boundary, Mixture};

/// Where `g_k(x_0)` is taken, as a fraction of the length.
const REFERENCE: f64 = 0.4321;

/// A way of a reaction: particles taken, and the change of every species.
#[derive(Debug)]
struct Step {
    taken: Vec<(usize, u32)>,
    change: Vec<f64>,
}

/// The coefficients at a Gauss point.
#[derive(Debug)]
struct Point {
    capacity: Vec<f64>,
    mobility: Vec<f64>,
    constants: Vec<f64>,
}

/// What to build of (1): `storage` times its left side less `stiffness` times the derivative of its right side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) storage: f64,
    pub(super) stiffness: f64,
}

/// The discrete equations.
#[derive(Debug)]
pub(super) struct System<'a> {
    pub(super) mesh: &'a [f64],
    pub(super) reference: &'a Reference,
    pub(super) species: usize,
    pub(super) ring: bool,
    /// `g_k(x_0)`.
    pub(super) scale: Vec<f64>,
    points: Vec<Vec<Point>>,
    steps: Vec<Step>,
    /// Per row of a node the weights of the species in it.
    rows: Vec<Vec<f64>>,
    /// The row that stands for a conservation law, per law.
    pub(super) law_rows: Vec<usize>,
}

/// `g_k(x_0)`.
pub(super) fn scales(mixture: &Mixture) -> Result<Vec<f64>, TheoryError> {
    let motility = motilities(mixture, REFERENCE * mixture.domain.length)?;
    Ok(motility.iter().map(|[_, g]| *g).collect())
}

impl<'a> System<'a> {
    pub(super) fn new(
        mixture: &Mixture,
        mesh: &'a [f64],
        reference: &'a Reference,
    ) -> Result<Self, TheoryError> {
        let species = mixture.species().len();
        let scale = scales(mixture)?;
        let point = |x: f64| -> Result<Point, TheoryError> {
            let motility = motilities(mixture, x)?;
            let pairs = || motility.iter().zip(&scale);
            Ok(Point {
                capacity: pairs().map(|([w, _], g)| w / g).collect(),
                mobility: pairs().map(|([_, g], at)| at / g).collect(),
                constants: constants(mixture, x)?,
            })
        };
        let element = |ends: &[f64]| reference.rule.on(ends[0], ends[1]).map(|(x, _)| point(x)).collect();
        let points = mesh.windows(2).map(element).collect::<Result<_, _>>()?;
        let step = |way: crate::model::Way| {
            let reaction = &mixture.reactions()[way.reaction];
            let sign = if way.forward { 1.0 } else { -1.0 };
            let change = reaction.change(species).into_iter().map(|d| sign * d as f64).collect();
            Step { taken: reaction.taken(way.forward).to_vec(), change }
        };
        let steps = mixture.ways().map(step).collect();
        let unit = |k: usize| (0..species).map(|j| if j == k { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        let mut rows: Vec<Vec<f64>> = (0..species).map(unit).collect();
        let law_rows = pivots(mixture.laws());
        for (law, row) in mixture.laws().iter().zip(&law_rows) {
            rows[*row] = law.iter().map(|m| *m as f64).collect();
        }
        let ring = mixture.domain.walls == Boundary::Periodic;
        Ok(System { mesh, reference, species, ring, scale, points, steps, rows, law_rows })
    }

    pub(super) fn elements(&self) -> usize {
        self.mesh.len() - 1
    }

    pub(super) fn nodes(&self) -> usize {
        self.elements() * self.reference.degree + usize::from(!self.ring)
    }

    /// The node `a` of element `e`.
    fn node(&self, e: usize, a: usize) -> usize {
        (e * self.reference.degree + a) % self.nodes()
    }

    /// Positions of the nodes of element `e`.
    pub(super) fn positions(&self, e: usize) -> Vec<f64> {
        let (a, b) = (self.mesh[e], self.mesh[e + 1]);
        self.reference.nodes.iter().map(|s| 0.5 * (a + b) + 0.5 * (b - a) * s).collect()
    }

    /// `v_k` at all nodes of a function of element and position.
    pub(super) fn interpolate(&self, value: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
        let mut v = vec![0.0; self.nodes() * self.species];
        for e in 0..self.elements() {
            for (a, x) in self.positions(e).into_iter().enumerate() {
                let node = self.node(e, a) * self.species;
                v[node..node + self.species].copy_from_slice(&value(x));
            }
        }
        v
    }

    /// Nodal values of species `k` on element `e`, less the first of them, and that one.
    fn differences(&self, v: &[f64], e: usize, k: usize) -> (f64, Vec<f64>) {
        let at = |a: usize| v[self.node(e, a) * self.species + k];
        let first = at(0);
        (first, (0..=self.reference.degree).map(|a| at(a) - first).collect())
    }

    /// `R_k(c)`: particles made per length and time.
    fn sources(&self, constants: &[f64], c: &[f64]) -> Vec<f64> {
        let mut sources = vec![0.0; self.species];
        for (step, constant) in self.steps.iter().zip(constants).filter(|(_, k)| **k > 0.0) {
            let rate = step.taken.iter().fold(*constant, |rate, (s, n)| rate * c[*s].powi(*n as i32));
            sources.iter_mut().zip(&step.change).for_each(|(r, d)| *r += d * rate);
        }
        sources
    }

    /// `d R_k/d c_j`.
    fn source_slopes(&self, constants: &[f64], c: &[f64]) -> Vec<Vec<f64>> {
        let mut slopes = vec![vec![0.0; self.species]; self.species];
        for (step, constant) in self.steps.iter().zip(constants).filter(|(_, k)| **k > 0.0) {
            for (j, n) in &step.taken {
                let others = step.taken.iter().filter(|(s, _)| s != j);
                let rest = others.fold(*constant, |rate, (s, n)| rate * c[*s].powi(*n as i32));
                let slope = rest * f64::from(*n) * c[*j].powi(*n as i32 - 1);
                for (row, d) in slopes.iter_mut().zip(&step.change) {
                    row[*j] += d * slope;
                }
            }
        }
        slopes
    }

    /// Adds `int [phi source - phi' flux] dx` of every species to the rows of element `e`; `of(q)` gives both
    /// at Gauss point `q`, the flux as the derivative on `[-1, 1]`. Reactions are left out of the rows of laws.
    fn assemble(&self, e: usize, out: &mut [f64], stored: bool, of: impl Fn(usize) -> (Vec<f64>, Vec<f64>)) {
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        for q in 0..self.reference.rule.points.len() {
            let weight = self.reference.rule.weights[q];
            let (source, flux) = of(q);
            let combine = |row: &Vec<f64>, v: &[f64]| row.iter().zip(v).map(|(m, v)| m * v).sum::<f64>();
            for (i, row) in self.rows.iter().enumerate() {
                let made = if stored || !self.law_rows.contains(&i) { combine(row, &source) } else { 0.0 };
                let (made, carried) = (weight * half * made, weight / half * combine(row, &flux));
                for a in 0..=self.reference.degree {
                    let change = made * self.reference.basis[q][a] - carried * self.reference.slope[q][a];
                    out[self.node(e, a) * self.species + i] += change;
                }
            }
        }
    }

    /// The right side of (1).
    pub(super) fn residual(&self, v: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        for e in 0..self.elements() {
            let nodal: Vec<_> = (0..self.species).map(|k| self.differences(v, e, k)).collect();
            self.assemble(e, &mut out, false, |q| {
                let point = &self.points[e][q];
                let (c, flux) = (0..self.species)
                    .map(|k| {
                        let dot = |t: &[f64]| t.iter().zip(&nodal[k].1).map(|(t, d)| t * d).sum::<f64>();
                        let value = nodal[k].0 + dot(&self.reference.basis[q]);
                        (value / point.capacity[k], point.mobility[k] * dot(&self.reference.slope[q]))
                    })
                    .unzip::<f64, f64, Vec<f64>, Vec<f64>>();
                (self.sources(&point.constants, &c), flux)
            });
        }
        out
    }

    /// The left side of (1) for `d_t v = v`.
    pub(super) fn stored(&self, v: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        for e in 0..self.elements() {
            let nodal: Vec<_> = (0..self.species).map(|k| self.differences(v, e, k)).collect();
            self.assemble(e, &mut out, true, |q| {
                let value = |k: usize| {
                    let basis = self.reference.basis[q].iter().zip(&nodal[k].1);
                    (nodal[k].0 + basis.map(|(t, d)| t * d).sum::<f64>()) / self.points[e][q].capacity[k]
                };
                ((0..self.species).map(value).collect(), vec![0.0; self.species])
            });
        }
        out
    }

    /// `int phi c_k dx` of given concentrations.
    pub(super) fn load(&self, concentrations: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.nodes() * self.species];
        for e in 0..self.elements() {
            let places: Vec<f64> =
                self.reference.rule.on(self.mesh[e], self.mesh[e + 1]).map(|(x, _)| x).collect();
            self.assemble(e, &mut out, true, |q| (concentrations(places[q]), vec![0.0; self.species]));
        }
        out
    }

    /// `int sum_k m_lk c_k dx` per law.
    pub(super) fn totals(&self, v: &[f64]) -> Vec<f64> {
        let stored = self.stored(v);
        let total = |row: &usize| stored.chunks(self.species).map(|node| node[*row]).sum();
        self.law_rows.iter().map(total).collect()
    }

    /// The matrix of element `e`; local order: left vertex, right vertex, interior. Without storage the laws at the
    /// first node say `sum_k m_lk v_k = ...` instead of what follows from all other equations.
    fn matrix(&self, v: &[f64], e: usize, shift: Shift) -> Matrix {
        let (n, degree) = (self.species, self.reference.degree);
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        let place = |a: usize| match a {
            0 => 0,
            _ if a == degree => 1,
            _ => a + 1,
        };
        let mut matrix = Matrix::zeros((degree + 1) * n, (degree + 1) * n);
        let nodal: Vec<_> = (0..n).map(|k| self.differences(v, e, k)).collect();
        for (q, point) in self.points[e].iter().enumerate() {
            let (basis, slope) = (&self.reference.basis[q], &self.reference.slope[q]);
            let value = |k: usize| {
                (nodal[k].0 + basis.iter().zip(&nodal[k].1).map(|(t, d)| t * d).sum::<f64>())
                    / point.capacity[k]
            };
            let c: Vec<f64> = (0..n).map(value).collect();
            let slopes = self.source_slopes(&point.constants, &c);
            let weight = self.reference.rule.weights[q];
            for (i, row) in self.rows.iter().enumerate() {
                let law = self.law_rows.contains(&i);
                for j in 0..n {
                    let made = match law {
                        true => 0.0,
                        false => (0..n).map(|k| row[k] * slopes[k][j]).sum::<f64>(),
                    };
                    let local =
                        (shift.storage * row[j] - shift.stiffness * made) * weight * half / point.capacity[j];
                    let carried = shift.stiffness * row[j] * point.mobility[j] * weight / half;
                    if local == 0.0 && carried == 0.0 {
                        continue;
                    }
                    for a in 0..=degree {
                        let (local, carried) = (local * basis[a], carried * slope[a]);
                        let entries = matrix.row_mut(place(a) * n + i);
                        for b in 0..=degree {
                            entries[place(b) * n + j] += local * basis[b] + carried * slope[b];
                        }
                    }
                }
            }
        }
        if shift.storage == 0.0 {
            let pinned = [(e == 0).then_some(0), (self.ring && e + 1 == self.elements()).then_some(n)];
            for (corner, row) in
                pinned.into_iter().flatten().flat_map(|c| self.law_rows.iter().map(move |r| (c, *r)))
            {
                let entries = matrix.row_mut(corner + row);
                entries.fill(0.0);
                if corner == 0 {
                    entries[..n].copy_from_slice(&self.rows[row]);
                }
            }
        }
        matrix
    }

    /// The factored system.
    pub(super) fn factor(&self, v: &[f64], shift: Shift) -> Result<Chain, TheoryError> {
        let elements = self.elements();
        let matrices = (0..elements).map(|e| self.matrix(v, e, shift));
        Chain::new(matrices, self.species, self.ring).ok_or(TheoryError::Singular { elements })
    }

    /// Solves it for a right-hand side given at all nodes.
    pub(super) fn solve(&self, chain: &Chain, rhs: &[f64]) -> Vec<f64> {
        let (n, degree) = (self.species, self.reference.degree);
        let at = |node: usize| &rhs[node * n..(node + 1) * n];
        let places = self.elements() + usize::from(!self.ring);
        let mut vertices: Vec<f64> = (0..places).flat_map(|e| at(e * degree).to_vec()).collect();
        let inner = |e: usize| rhs[(e * degree + 1) * n..(e * degree + degree) * n].to_vec();
        let mut interiors: Vec<Vec<f64>> = (0..self.elements()).map(inner).collect();
        chain.solve(&mut vertices, &mut interiors);
        let mut solution = vec![0.0; rhs.len()];
        for (e, vertex) in vertices.chunks(n).enumerate() {
            solution[e * degree * n..(e * degree + 1) * n].copy_from_slice(vertex);
        }
        for (e, values) in interiors.iter().enumerate() {
            solution[(e * degree + 1) * n..(e * degree + degree) * n].copy_from_slice(values);
        }
        solution
    }

    /// Per element and species, Legendre coefficients of `v_k` and of `J_k = -a_k v_k'`.
    pub(super) fn series(&self, v: &[f64]) -> [Vec<Vec<Vec<f64>>>; 2] {
        let transform = |e: usize, k: usize| -> Vec<f64> {
            let (first, differences) = self.differences(v, e, k);
            let dot = |t: &Vec<f64>| t.iter().zip(&differences).map(|(t, d)| t * d).sum();
            let mut c: Vec<f64> = self.reference.transform.iter().map(dot).collect();
            c[0] += first;
            c
        };
        let current = |e: usize, k: usize| -> Vec<f64> {
            let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
            let points = &self.points[e];
            if points.iter().all(|p| p.mobility[k] == points[0].mobility[k]) {
                let factor = -points[0].mobility[k] / half;
                return series_derivative(&transform(e, k)).into_iter().map(|d| factor * d).collect();
            }
            let differences = self.differences(v, e, k).1;
            let slope = |q: usize| -> f64 {
                self.reference.slope[q].iter().zip(&differences).map(|(t, d)| t * d).sum()
            };
            let values: Vec<f64> =
                points.iter().enumerate().map(|(q, p)| -p.mobility[k] * slope(q) / half).collect();
            let row = |p: &Vec<f64>| p.iter().zip(&values).map(|(p, v)| p * v).sum();
            self.reference.projection[..self.reference.degree].iter().map(row).collect()
        };
        let all = |of: &dyn Fn(usize, usize) -> Vec<f64>| -> Vec<Vec<Vec<f64>>> {
            (0..self.elements()).map(|e| (0..self.species).map(|k| of(e, k)).collect()).collect()
        };
        [all(&transform), all(&current)]
    }
}

/// For every law a species of its own, such that the matrix of laws and these species can be inverted.
fn pivots(laws: &[Vec<i64>]) -> Vec<usize> {
    let mut rows: Vec<Vec<f64>> = laws.iter().map(|l| l.iter().map(|m| *m as f64).collect()).collect();
    let mut pivots: Vec<usize> = Vec::new();
    for l in 0..rows.len() {
        let row = rows[l].clone();
        let free = (0..row.len()).filter(|k| !pivots.contains(k));
        let best = free.max_by(|a, b| row[*a].abs().total_cmp(&row[*b].abs())).unwrap_or(0);
        for other in &mut rows[l + 1..] {
            let factor = other[best] / row[best];
            other.iter_mut().zip(&row).for_each(|(a, b)| *a -= factor * b);
        }
        pivots.push(best);
    }
    pivots
}

/// A lower bound on the thickness of the layers that reactions form at `x` with concentrations `c`: Gershgorin's
/// circles for `-dR/dc D^-1`.
pub(super) fn thinnest_layer(mixture: &Mixture, x: f64, c: &[f64]) -> Result<f64, TheoryError> {
    let motility = motilities(mixture, x)?;
    let constants = constants(mixture, x)?;
    let mut leaving = vec![0.0; c.len()];
    for (way, constant) in mixture.ways().zip(constants) {
        let taken = mixture.reactions()[way.reaction].taken(way.forward);
        for (j, n) in taken {
            let rest = taken
                .iter()
                .fold(constant, |rate, (s, n)| rate * c[*s].max(0.0).powi(*n as i32 - i32::from(s == j)));
            leaving[*j] += f64::from(*n) * f64::from(*n) * rest * motility[*j][1] / motility[*j][0];
        }
    }
    let largest = leaving.into_iter().fold(0.0, f64::max);
    let length = mixture.domain.length;
    Ok((1.0 / libm::sqrt(2.0 * largest)).clamp(1e-9 * length, length))
}
