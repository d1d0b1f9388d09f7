//! How a particle on a ring spreads in the long run, beyond its mean velocity.
//!
//! # Equations
//! `X` is the displacement counted round the ring without end. Its mean grows with `V = L sum_i J_i`
//! ([`Stationary::mean_velocity`]), its variance with `2 D_eff t`. With the backward operator
//! `L* f_i = D_i f_i'' + b_i f_i' + sum_j k_{j<-i} (f_j - f_i)` and the solution of
//! ```text
//! L* f_i + b_i = V,      f_i periodic,                                                     (1)
//! ```
//! `X + f - V t` is a martingale, and the mean rate at which its square grows is that of the variance,
//! ```text
//! D_eff = int [ sum_i D_i P_i (1 + f_i')^2 + (1/2) sum_edges (k_f P_from + k_b P_to) (f_to - f_from)^2 ] dx . (2)
//! ```
//! Every term is positive, so that little is lost where barriers make `D_eff` small, and without a net flux
//! an error of `f` enters squared.
//!
//! # Method
//! In its weak form (1) is the transpose of the equation of [`stationary`](super::stationary): for every
//! trial density `v` of one state, `int (1 + f_i') J_i[v] dx + sum_edges int (f_to - f_from) net_e[v] dx =
//! V int v/c_i dx`. Where frictions, diffusivities or `T` jump it holds without a change. It is solved with
//! polynomials of degree 10 and 14 on the elements of the stationary law, halved where the two differ: `1 +
//! f'` is large where the density is small. What still differs by more than 1e-6 is no value.
//!
//! # Reference
//! Pavliotis and Stuart, *Multiscale Methods* (Springer, 2008), for one state; for jumps
//! between states Kipnis and Varadhan, Commun. Math. Phys. 104, 1 (1986), has the martingale.

use super::element::Reference;
use super::linear::{Chain, Matrix};
use super::stationary::{DEGREE, Stationary, System, bisect};
use crate::model::Boundary;

/// Relative difference between the two degrees at which refinement ends, and above which there is no value.
const TOLERANCE: f64 = 1e-10;
const LIMIT: f64 = 1e-6;

/// When refinement ends in any case.
const ROUNDS: usize = 12;
const MOST_ELEMENTS: usize = 2000;

impl Stationary {
    /// Mean velocity `L sum_i J_i` of a particle on a ring, length/time; `None` between walls.
    pub fn mean_velocity(&self) -> Option<f64> {
        let domain = self.model().domain;
        (domain.walls == Boundary::Periodic).then(|| domain.length * self.net_current())
    }

    /// `D_eff = lim Var(X)/(2 t)` of the displacement of a particle on a ring, length^2/time; `None` between
    /// walls, and where (1) is not resolved.
    pub fn effective_diffusion(&self) -> Option<f64> {
        let velocity = self.mean_velocity()?;
        let (mut mesh, mut tilt) = (self.law.mesh.clone(), self.law.tilt.clone());
        let mut best: Option<(f64, f64)> = None;
        let mut stagnant = 0;
        for _ in 0..ROUNDS {
            let [rough, fine] =
                [DEGREE, DEGREE + 4].map(|degree| self.spread(&mesh, &tilt, velocity, degree));
            let (rough, fine) = (rough?, fine?);
            let value: f64 = fine.iter().sum();
            let differences: Vec<f64> = rough.iter().zip(&fine).map(|(r, f)| (r - f).abs() / value).collect();
            let estimate: f64 = differences.iter().sum();
            let least = best.map_or(f64::INFINITY, |b| b.1);
            stagnant = if estimate > 0.3 * least { stagnant + 1 } else { 0 };
            if estimate < least {
                best = Some((value, estimate));
            }
            let marked: Vec<bool> = differences.iter().map(|d| *d > TOLERANCE / mesh.len() as f64).collect();
            if estimate <= TOLERANCE || stagnant == 2 || mesh.len() > MOST_ELEMENTS {
                break;
            }
            mesh = bisect(&mesh, &marked);
            tilt = self.law.logarithms(&mesh);
        }
        best.and_then(|(value, estimate)| (estimate <= LIMIT).then_some(value))
    }

    /// (2) element by element, with polynomials of this degree.
    fn spread(&self, mesh: &[f64], tilt: &[f64], velocity: f64, degree: usize) -> Option<Vec<f64>> {
        let (law, model) = (&self.law, self.model());
        let reference = Reference::new(degree);
        let system = System::new(model, mesh, tilt, &reference, true).ok()?;
        let corrector = Adjoint { system: &system }.solve(velocity)?;
        let of_element = |(e, ends): (usize, &[f64])| {
            let half = 0.5 * (ends[1] - ends[0]);
            let mut sum = 0.0;
            let points = reference.rule.on(ends[0], ends[1]).zip(&system.coefficients[e]);
            for (q, ((x, weight), at)) in points.enumerate() {
                let (value, slope) = corrector.at(&reference, e, q);
                let (inside, s) = law.locate(x);
                let transported: Vec<f64> =
                    (0..self.states()).map(|i| law.transported(inside, i, s)).collect();
                for (i, v) in transported.iter().enumerate() {
                    let stretched = 1.0 + slope[i] / half;
                    sum += weight * at.mobility[i] * v * stretched * stretched;
                }
                for ([f, b], &[i, j]) in at.edges.iter().zip(&system.pairs) {
                    let jump = value[j] - value[i];
                    sum += weight * 0.5 * (f * transported[i] + b * transported[j]) * jump * jump;
                }
            }
            sum
        };
        let sums: Vec<f64> = mesh.windows(2).enumerate().map(of_element).collect();
        sums.iter().all(|s| s.is_finite()).then_some(sums)
    }
}

/// `f_i` at all nodes, the states fastest.
struct Corrector {
    states: usize,
    vertices: Vec<f64>,
    interiors: Vec<Vec<f64>>,
}

impl Corrector {
    /// `f_i` and their derivatives on the reference element at a Gauss point.
    fn at(&self, reference: &Reference, e: usize, q: usize) -> (Vec<f64>, Vec<f64>) {
        let n = self.states;
        let right = (e + 1) * n % self.vertices.len();
        let left = &self.vertices[e * n..(e + 1) * n];
        let mut value = left.to_vec();
        let mut slope = vec![0.0; n];
        for a in 1..=reference.degree {
            let node = match a {
                _ if a == reference.degree => &self.vertices[right..right + n],
                _ => &self.interiors[e][(a - 1) * n..a * n],
            };
            for i in 0..n {
                value[i] += reference.basis[q][a] * (node[i] - left[i]);
                slope[i] += reference.slope[q][a] * (node[i] - left[i]);
            }
        }
        (value, slope)
    }
}

/// The transposed equations. Rows are scaled like those of the stationary law, and the unknowns are `f`
/// itself: their sums over states stand for the equations of clusters.
struct Adjoint<'a> {
    system: &'a System<'a>,
}

impl Adjoint<'_> {
    fn solve(&self, velocity: f64) -> Option<Corrector> {
        let system = self.system;
        let elements = system.coefficients.len();
        let chain = Chain::new((0..elements).map(|e| self.matrix(e)), system.width(), true)?;
        let (mut vertices, mut interiors) = self.load(velocity);
        let mut known = (vec![0.0; vertices.len()], interiors.clone());
        known.1.iter_mut().for_each(|inner| inner.fill(0.0));
        let load = (vertices.clone(), interiors.clone());
        // Twice more with what is left over.
        for _ in 0..3 {
            chain.solve(&mut vertices, &mut interiors);
            known.0.iter_mut().zip(&vertices).for_each(|(k, c)| *k += c);
            let pairs = known.1.iter_mut().flatten().zip(interiors.iter().flatten());
            pairs.for_each(|(k, c)| *k += c);
            (vertices, interiors) = self.rest(&load, &known);
        }
        let spread = |values: &[f64]| -> Vec<f64> {
            let of_state = |node: &[f64], i: usize| -> f64 {
                let members = system.clusters.members.iter().zip(node);
                members.filter(|(of, _)| of[i]).map(|(_, z)| z).sum()
            };
            let nodes = values.chunks_exact(system.width());
            nodes.flat_map(|node| (0..system.states).map(move |i| of_state(node, i))).collect()
        };
        Some(Corrector {
            states: system.states,
            vertices: spread(&known.0),
            interiors: known.1.iter().map(|inner| spread(inner)).collect(),
        })
    }

    /// The transposed matrix of an element, with `exp(phi)` moved from the unknowns to the rows.
    fn matrix(&self, e: usize) -> Matrix {
        let (system, w) = (self.system, self.system.width());
        let degree = system.reference.degree;
        let node = |place: usize| match place {
            0 => 0,
            1 => degree,
            _ => place - 1,
        };
        let scales: Vec<f64> = (0..=degree).map(|place| system.row_scale(e, node(place))).collect();
        let matrix = system.matrix(e);
        let mut transposed = Matrix::zeros((degree + 1) * w, (degree + 1) * w);
        for a in 0..(degree + 1) * w {
            for (b, entry) in matrix.row(a).iter().enumerate() {
                transposed.row_mut(b)[a] = entry * (scales[b / w] / scales[a / w]);
            }
        }
        transposed
    }

    /// `int J_i[v] dx - V int v/c_i dx` for the trial functions `v` of all unknowns.
    fn load(&self, velocity: f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let system = self.system;
        let (w, reference) = (system.width(), system.reference);
        let elements = system.coefficients.len();
        let mut vertices = vec![0.0; elements * w];
        let mut interiors = vec![vec![0.0; (reference.degree - 1) * w]; elements];
        for (e, coefficients) in system.coefficients.iter().enumerate() {
            let half = 0.5 * (system.mesh[e + 1] - system.mesh[e]);
            for a in 0..=reference.degree {
                let mut of_state = vec![0.0; system.states];
                for (q, at) in coefficients.iter().enumerate() {
                    let (basis, slope) = (reference.basis[q][a], reference.slope[q][a]);
                    let weight = reference.rule.weights[q] * half * at.factor;
                    for (i, sum) in of_state.iter_mut().enumerate() {
                        let current = -at.mobility[i] * (slope / half - at.force[i] * basis);
                        *sum += weight * (current - velocity * basis / at.capacity[i]);
                    }
                }
                let target = match a {
                    0 => &mut vertices[e * w..(e + 1) * w],
                    _ if a == reference.degree => {
                        let next = (e + 1) % elements;
                        &mut vertices[next * w..(next + 1) * w]
                    }
                    _ => &mut interiors[e][(a - 1) * w..a * w],
                };
                let scale = system.row_scale(e, a);
                for (c, sum) in target.iter_mut().enumerate() {
                    let restore = system.clusters.restore.iter().zip(&of_state);
                    *sum += scale * restore.map(|(row, value)| row[c] * value).sum::<f64>();
                }
            }
        }
        (vertices, interiors)
    }

    /// `load - matrix known`.
    fn rest(
        &self,
        load: &(Vec<f64>, Vec<Vec<f64>>),
        known: &(Vec<f64>, Vec<Vec<f64>>),
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let w = self.system.width();
        let (mut vertices, mut interiors) = load.clone();
        for (e, inner) in interiors.iter_mut().enumerate() {
            let right = (e + 1) * w % vertices.len();
            let outer = [&known.0[e * w..(e + 1) * w], &known.0[right..right + w]];
            let local = [outer[0], outer[1], &known.1[e]].concat();
            let mut product = vec![0.0; local.len()];
            self.matrix(e).subtract_apply(&local, &mut product);
            vertices[e * w..(e + 1) * w].iter_mut().zip(&product[..w]).for_each(|(v, p)| *v += p);
            vertices[right..right + w].iter_mut().zip(&product[w..]).for_each(|(v, p)| *v += p);
            inner.iter_mut().zip(&product[2 * w..]).for_each(|(v, p)| *v += p);
        }
        (vertices, interiors)
    }
}
