//! The continuum equation in time on a mesh of spectral elements: method of lines, and the rational
//! approximation of the exponential that moves it.

use super::element::{Reference, legendre, series};
use super::linear::{Chain, Factored, Matrix};
use super::stationary::SAMPLES;
use super::{TheoryError, motilities, rates};
use crate::model::{Boundary, Model};

/// The coefficients of the equation at the Gauss points of an element. The last index is the point; those under
/// an integral are multiplied by its weight on `[-1, 1]`.
struct Coefficients {
    /// Per edge the two factors in `net = forward u_from - backward u_to`, that is `k_f/w_from` and
    /// `k_b/w_to`, times the weight.
    edges: Vec<[Vec<f64>; 2]>,
    /// Per state `1/w_i`, times the weight.
    storage: Vec<Vec<f64>>,
    /// Per state `1/g_i`, times the weight.
    mobility: Vec<Vec<f64>>,
    /// Per state `h_i/g_i` with the force over `kT`, times the weight.
    drift: Vec<Vec<f64>>,
}

impl Coefficients {
    fn on(model: &Model, ends: &[f64], reference: &Reference) -> Result<Self, TheoryError> {
        let (states, edges) = (model.network.states().len(), model.network.edges());
        let mut all = Coefficients {
            edges: vec![[Vec::new(), Vec::new()]; edges.len()],
            storage: vec![Vec::new(); states],
            mobility: vec![Vec::new(); states],
            drift: vec![Vec::new(); states],
        };
        let points = reference.rule.on(ends[0], ends[1]).map(|(x, _)| x);
        for (x, weight) in points.zip(&reference.rule.weights) {
            let motility = motilities(model, x)?;
            for (i, [w, g]) in motility.iter().enumerate() {
                all.storage[i].push(weight / w);
                all.mobility[i].push(weight / g);
                all.drift[i].push(weight * force(model, i, x)? / g);
            }
            for ((rates, edge), both) in rates(model, x)?.into_iter().zip(edges).zip(&mut all.edges) {
                for ((rate, from), values) in rates.into_iter().zip(edge.between).zip(both) {
                    values.push(weight * rate / motility[from][0]);
                }
            }
        }
        Ok(all)
    }

    /// Every function of the position in it.
    fn functions(&self) -> impl Iterator<Item = &Vec<f64>> {
        let of_states = self.storage.iter().chain(&self.mobility).chain(&self.drift);
        self.edges.iter().flatten().chain(of_states)
    }
}

/// `h_i(x)`, checked.
pub(super) fn force(model: &Model, state: usize, x: f64) -> Result<f64, TheoryError> {
    let found = if model.has_force(state) { model.force_over_thermal_energy(state, x) } else { 0.0 };
    if found.abs() <= 1e100 { Ok(found) } else { Err(TheoryError::Force { state, x, found }) }
}

/// The equation on a mesh: with `u_i = w_i P_i`, continuous in x, and every nodal function `phi_a`
/// ```text
/// d_t int phi_a u_i/w_i = int phi_a' J_i + int phi_a sum_edges (+-) net_e .                        (1)
/// ```
/// The left side is the **load** `b = M u`. Loads are what moves in time: the load of a point at `x_0` is
/// `phi_a(x_0)`, a finite number. The sum of all loads is the total probability, and (1) keeps it,
/// because the `phi_a` sum to one.
///
/// A vector holds nodes in the order of x, states fastest; neighbouring elements share a node.
pub(super) struct Discretisation<'a> {
    mesh: &'a [f64],
    reference: &'a Reference,
    /// The two states of every edge.
    pairs: Vec<[usize; 2]>,
    states: usize,
    ring: bool,
    /// Per element.
    coefficients: Vec<Coefficients>,
    /// `basis[a][q]` and `slope[a][q]`: those of the reference element with their indices exchanged.
    by_node: [Vec<Vec<f64>>; 2],
}

impl<'a> Discretisation<'a> {
    pub(super) fn new(model: &Model, mesh: &'a [f64], reference: &'a Reference) -> Result<Self, TheoryError> {
        let network = &model.network;
        let exchanged = |table: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            (0..=reference.degree).map(|a| table.iter().map(|row| row[a]).collect()).collect()
        };
        let of_element = |ends: &[f64]| Coefficients::on(model, ends, reference);
        Ok(Discretisation {
            mesh,
            reference,
            pairs: network.edges().iter().map(|e| e.between).collect(),
            states: network.states().len(),
            ring: model.domain.walls == Boundary::Periodic,
            coefficients: mesh.windows(2).map(of_element).collect::<Result<_, _>>()?,
            by_node: [exchanged(&reference.basis), exchanged(&reference.slope)],
        })
    }

    fn elements(&self) -> usize {
        self.mesh.len() - 1
    }

    /// Where the numbers of element `e` stand in a vector.
    fn span(&self, e: usize) -> std::ops::Range<usize> {
        let (n, degree) = (self.states, self.reference.degree);
        e * degree * n..((e + 1) * degree + 1) * n
    }

    fn zeros(&self) -> Vec<f64> {
        vec![0.0; (self.elements() * self.reference.degree + 1) * self.states]
    }

    /// Half the width of element `e`.
    fn half(&self, e: usize) -> f64 {
        0.5 * (self.mesh[e + 1] - self.mesh[e])
    }

    /// On a ring the last node is the first: its loads are moved there.
    fn close(&self, load: &mut [f64]) {
        if self.ring {
            let (first, last) = load.split_at_mut(load.len() - self.states);
            first.iter_mut().zip(last).for_each(|(a, b)| *a += std::mem::take(b));
        }
    }

    /// The load of densities given at every point, normalised.
    pub(super) fn spread(
        &self,
        density: &dyn Fn(f64) -> Result<Vec<f64>, TheoryError>,
    ) -> Result<Vec<f64>, TheoryError> {
        let mut load = self.zeros();
        for (e, ends) in self.mesh.windows(2).enumerate() {
            let rows = &mut load[self.span(e)];
            let points = self.reference.rule.on(ends[0], ends[1]);
            for ((x, weight), basis) in points.zip(&self.reference.basis) {
                let density = density(x)?;
                for (row, phi) in rows.chunks_exact_mut(self.states).zip(basis) {
                    row.iter_mut().zip(&density).for_each(|(b, p)| *b += weight * phi * p);
                }
            }
        }
        Ok(self.normalised(load))
    }

    /// The load of a point at `x` with these occupancies, normalised.
    pub(super) fn point(&self, x: f64, occupancy: &[f64]) -> Vec<f64> {
        let mut load = self.zeros();
        let (e, s) = locate(self.mesh, x);
        let polynomials = legendre(self.reference.degree, s);
        for (a, row) in load[self.span(e)].chunks_exact_mut(self.states).enumerate() {
            let pairs = self.reference.transform.iter().zip(&polynomials);
            let phi: f64 = pairs.map(|(t, p)| t[a] * p).sum();
            row.iter_mut().zip(occupancy).for_each(|(b, p)| *b += phi * p);
        }
        self.normalised(load)
    }

    fn normalised(&self, mut load: Vec<f64>) -> Vec<f64> {
        let total: f64 = load.iter().sum();
        load.iter_mut().for_each(|b| *b /= total);
        self.close(&mut load);
        load
    }

    /// `M u`.
    fn mass(&self, u: &[f64]) -> Vec<f64> {
        let (n, [basis, _]) = (self.states, &self.by_node);
        let mut load = self.zeros();
        let mut stored = vec![0.0; self.reference.rule.points.len()];
        let mut rows = vec![0.0; self.reference.degree + 1];
        for (e, at) in self.coefficients.iter().enumerate() {
            let half = self.half(e);
            for i in 0..n {
                combine(basis, u[self.span(e)].iter().skip(i).step_by(n), &mut stored);
                stored.iter_mut().zip(&at.storage[i]).for_each(|(p, s)| *p *= half * s);
                combine(&self.reference.basis, stored.iter(), &mut rows);
                let target = load[self.span(e)].iter_mut().skip(i).step_by(n);
                target.zip(&rows).for_each(|(b, row)| *b += row);
            }
        }
        self.close(&mut load);
        load
    }

    /// The right side of (1). What one state loses in a transition is, to the last bit, what the other
    /// gains.
    fn rate(&self, u: &[f64]) -> Vec<f64> {
        let (n, [basis, slope]) = (self.states, &self.by_node);
        let points = self.reference.rule.points.len();
        let mut load = self.zeros();
        let mut rows = [vec![0.0; self.reference.degree + 1], vec![0.0; self.reference.degree + 1]];
        let mut current = vec![0.0; points];
        let (mut value, mut source) = (vec![vec![0.0; points]; n], vec![vec![0.0; points]; n]);
        for (e, at) in self.coefficients.iter().enumerate() {
            let half = self.half(e);
            for (i, value) in value.iter_mut().enumerate() {
                combine(basis, u[self.span(e)].iter().skip(i).step_by(n), value);
                source[i].fill(0.0);
            }
            for ([forward, backward], &[i, j]) in at.edges.iter().zip(&self.pairs) {
                for q in 0..points {
                    let net = half * (forward[q] * value[i][q] - backward[q] * value[j][q]);
                    source[i][q] -= net;
                    source[j][q] += net;
                }
            }
            for i in 0..n {
                combine(slope, u[self.span(e)].iter().skip(i).step_by(n), &mut current);
                for q in 0..points {
                    current[q] = at.drift[i][q] * value[i][q] - at.mobility[i][q] * current[q] / half;
                }
                combine(&self.reference.slope, current.iter(), &mut rows[0]);
                combine(&self.reference.basis, source[i].iter(), &mut rows[1]);
                let target = load[self.span(e)].iter_mut().skip(i).step_by(n);
                let pairs = rows[0].iter().zip(&rows[1]);
                target.zip(pairs).for_each(|(b, (moved, changed))| *b += moved + changed);
            }
        }
        self.close(&mut load);
        load
    }

    /// `M - tau A` of element `e`, where `A u` is [`Discretisation::rate`]; local order: left vertex, right
    /// vertex, interior.
    fn matrix(&self, e: usize, tau: f64) -> Matrix {
        let (n, degree, half) = (self.states, self.reference.degree, self.half(e));
        let place = |a: usize| match a {
            0 => 0,
            _ if a == degree => 1,
            _ => a + 1,
        };
        let mut matrix = Matrix::zeros((degree + 1) * n, (degree + 1) * n);
        let at = &self.coefficients[e];
        for (q, (basis, slope)) in self.reference.basis.iter().zip(&self.reference.slope).enumerate() {
            // What stays and what reacts, per pair of states.
            let mut local = vec![vec![0.0; n]; n];
            for (i, row) in local.iter_mut().enumerate() {
                row[i] = half * at.storage[i][q];
            }
            for ([forward, backward], &[i, j]) in at.edges.iter().zip(&self.pairs) {
                let (f, b) = (half * tau * forward[q], half * tau * backward[q]);
                local[i][i] += f;
                local[i][j] -= b;
                local[j][i] -= f;
                local[j][j] += b;
            }
            for a in 0..=degree {
                for (i, entries) in local.iter().enumerate() {
                    let row = matrix.row_mut(place(a) * n + i);
                    let (along, tilt) = (at.mobility[i][q] / half, at.drift[i][q]);
                    for b in 0..=degree {
                        let block = &mut row[place(b) * n..(place(b) + 1) * n];
                        let factor = basis[a] * basis[b];
                        block.iter_mut().zip(entries).for_each(|(m, r)| *m += factor * r);
                        block[i] += tau * slope[a] * (along * slope[b] - tilt * basis[b]);
                    }
                }
            }
        }
        matrix
    }

    /// The solution at each of `times` (positive, none before its predecessor) from a load at time 0.
    ///
    /// Steps grow with the time that has passed: what changes fast has decayed by then. `per_octave` steps
    /// are made in `[0, first/16]`, and as many whenever the time doubles.
    pub(super) fn evolve(
        &self,
        mut load: Vec<f64>,
        times: &[f64],
        per_octave: usize,
    ) -> Result<Vec<Profile>, TheoryError> {
        let mut stepper: Option<Stepper<'_>> = None;
        let (mut now, mut u) = (0.0, self.zeros());
        let mut profiles = Vec::with_capacity(times.len());
        for &time in times {
            while now < time {
                let octave = if now == 0.0 { time / 16.0 } else { now };
                let span = octave.min(time - now);
                let steps = libm::ceil(per_octave as f64 * span / octave - 1e-9).max(1.0);
                let dt = span / steps;
                let ready = stepper.take().filter(|s| (s.dt - dt).abs() <= 1e-14 * dt);
                let current = match ready {
                    Some(stepper) => stepper,
                    None => Stepper::new(self, dt).ok_or(self.singular())?,
                };
                for _ in 0..steps as usize {
                    (load, u) = current.step(&load)?;
                }
                stepper = Some(current);
                now = if span < time - now { now + span } else { time };
            }
            profiles.push(self.profile(&u));
        }
        Ok(profiles)
    }

    fn singular(&self) -> TheoryError {
        TheoryError::Singular { elements: self.elements() }
    }

    fn profile(&self, u: &[f64]) -> Profile {
        let (n, transform) = (self.states, &self.reference.transform);
        let of_state = |values: &[f64], i: usize| -> Vec<f64> {
            let row = |t: &Vec<f64>| t.iter().zip(values.chunks_exact(n)).map(|(t, u)| t * u[i]).sum();
            transform.iter().map(row).collect()
        };
        let of_element = |e: usize| (0..n).map(|i| of_state(&u[self.span(e)], i)).collect();
        Profile { transported: (0..self.elements()).map(of_element).collect() }
    }

    /// Which elements do not resolve a profile, a coefficient or the densities at the start to the
    /// tolerance, as far as the decay of Legendre coefficients tells.
    pub(super) fn unresolved(
        &self,
        profiles: &[Profile],
        start: &dyn Fn(f64) -> Result<Vec<f64>, TheoryError>,
        tolerance: f64,
    ) -> Result<Vec<bool>, TheoryError> {
        let mut rough = vec![false; self.elements()];
        for profile in profiles {
            for i in 0..self.states {
                let scale = profile.largest(i);
                for (rough, of_states) in rough.iter_mut().zip(&profile.transported) {
                    let c = &of_states[i];
                    let tail = c[c.len() - 1].abs().max(c[c.len() - 2].abs());
                    *rough |= tail > tolerance * scale + 64.0 * f64::EPSILON * scale;
                }
            }
        }
        let last = self.reference.projection.len() - 1;
        let length = self.mesh[self.elements()] - self.mesh[0];
        // Per element, every function of the position at its Gauss points, free of their weights.
        let mut functions: Vec<Vec<Vec<f64>>> = Vec::with_capacity(self.elements());
        for (ends, coefficients) in self.mesh.windows(2).zip(&self.coefficients) {
            let weights = &self.reference.rule.weights;
            let free = |values: &Vec<f64>| values.iter().zip(weights).map(|(v, w)| v / w).collect();
            let mut all: Vec<Vec<f64>> = coefficients.functions().map(free).collect();
            let points = self.reference.rule.on(ends[0], ends[1]);
            let densities = points.map(|(x, _)| start(x)).collect::<Result<Vec<_>, _>>()?;
            all.extend((0..densities[0].len()).map(|i| densities.iter().map(|p| p[i]).collect()));
            functions.push(all);
        }
        for k in 0..functions[0].len() {
            let size = |values: &Vec<f64>| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let largest = functions.iter().map(|all| size(&all[k])).fold(0.0, f64::max);
            for ((ends, all), rough) in self.mesh.windows(2).zip(&functions).zip(&mut rough) {
                let tail = |l: usize| -> f64 {
                    self.reference.projection[l].iter().zip(&all[k]).map(|(p, v)| p * v).sum()
                };
                // A jump nobody declared matters as little as the element that holds it is narrow.
                let share = (ends[1] - ends[0]) / length;
                let size = tail(last).abs().max(tail(last - 1).abs());
                *rough |= share * size > (tolerance + 64.0 * f64::EPSILON) * largest;
            }
        }
        Ok(rough)
    }

    /// Per element, the largest difference of densities `P_i` between two solutions, relative to the
    /// largest `P_i` at the same time; for states that are almost empty relative to 1e-6 of the largest
    /// density of all.
    pub(super) fn differences(&self, model: &Model, one: &[Profile], other: &[Profile]) -> Vec<f64> {
        // 1/w_i, one-sided at the ends of elements.
        let storage: Vec<Vec<Vec<f64>>> = self
            .mesh
            .windows(2)
            .map(|ends| {
                let (middle, half) = (0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0]));
                let at = |s: &f64| {
                    let x = middle + half * s * (1.0 - 1e-9);
                    (0..self.states).map(|i| 1.0 / model.weight(i, x)).collect()
                };
                SAMPLES.iter().map(at).collect()
            })
            .collect();
        let value = |p: &Profile, e: usize, k: usize, i: usize| {
            storage[e][k][i] * series(&p.transported[e][i], SAMPLES[k])
        };
        let points = || (0..self.elements()).flat_map(|e| (0..SAMPLES.len()).map(move |k| (e, k)));
        let mut worst = vec![0.0; self.elements()];
        for (one, other) in one.iter().zip(other) {
            let largest = |i: usize| points().map(|(e, k)| value(one, e, k, i).abs()).fold(0.0, f64::max);
            let sizes: Vec<f64> = (0..self.states).map(largest).collect();
            let floor = 1e-6 * sizes.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            for (e, k) in points() {
                for (i, size) in sizes.iter().enumerate() {
                    let difference = (value(one, e, k, i) - value(other, e, k, i)).abs();
                    worst[e] = f64::max(worst[e], difference / size.max(floor));
                }
            }
        }
        worst
    }
}

/// `sum = sum_k factors[k] rows[k]`.
fn combine<'v>(rows: &[Vec<f64>], factors: impl Iterator<Item = &'v f64>, sum: &mut [f64]) {
    sum.fill(0.0);
    for (row, factor) in rows.iter().zip(factors) {
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += factor * r);
    }
}

/// Element that holds `x`, and the position in it.
pub(super) fn locate(mesh: &[f64], x: f64) -> (usize, f64) {
    let after = mesh.partition_point(|v| *v <= x);
    let e = after.clamp(1, mesh.len() - 1) - 1;
    let (a, b) = (mesh[e], mesh[e + 1]);
    (e, ((x - a) / (b - a) * 2.0 - 1.0).clamp(-1.0, 1.0))
}

/// The solution at one time.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// Per element and state, Legendre coefficients of `u_i = w_i P_i`.
    pub(super) transported: Vec<Vec<Vec<f64>>>,
}

impl Profile {
    /// The largest `|u_i|` at the ends of elements.
    fn largest(&self, i: usize) -> f64 {
        let ends = |c: &Vec<f64>| series(c, -1.0).abs().max(series(c, 1.0).abs());
        self.transported.iter().map(|of_states| ends(&of_states[i])).fold(0.0, f64::max)
    }
}

/// The pole of [`RESIDUES`]: the root of the Laguerre polynomial `L_8(1/gamma) = 0` that makes it L-stable.
pub(super) const POLE: f64 = 0.234_373_159_605_583_57;

/// `exp(z) = sum_k RESIDUES[k-1] (1 - POLE z)^-k + O(z^9)`, Nørsett's restricted Padé approximation with
/// one real pole: order 8, no larger than 1 in the left half plane, 0 at infinity.
///
/// Hairer & Wanner, Solving Ordinary Differential Equations II, section IV.6.
pub(super) const RESIDUES: [f64; 8] = [
    -2.651_236_043_626_946,
    20.588_509_780_610_515,
    -64.583_821_043_850_2,
    103.059_075_850_762_74,
    -88.969_398_121_187_2,
    44.209_023_713_760_41,
    -12.066_157_796_321_303,
    1.414_003_659_851_983_6,
];

/// Steps of one length.
struct Stepper<'a> {
    of: &'a Discretisation<'a>,
    dt: f64,
    /// `M - POLE dt A` with walls at both ends.
    walls: Chain,
    seam: Option<Seam>,
}

/// What joins the two ends of a ring: a flux, one number per state, that leaves at one end, enters at the
/// other, and is such that both ends have the same values.
struct Seam {
    /// Per state, the response to a unit of it.
    responses: Vec<Vec<f64>>,
    /// Values at the last node less those at the first, per unit of it.
    gap: Factored,
}

impl<'a> Stepper<'a> {
    /// `None` if the system is singular to working precision.
    fn new(of: &'a Discretisation<'a>, dt: f64) -> Option<Self> {
        let n = of.states;
        let matrices = (0..of.elements()).map(|e| of.matrix(e, POLE * dt));
        let mut stepper = Stepper { of, dt, walls: Chain::new(matrices, n, false)?, seam: None };
        if of.ring {
            let last = of.zeros().len() - n;
            let response = |i: usize| {
                let mut flux = of.zeros();
                (flux[i], flux[last + i]) = (1.0, -1.0);
                stepper.backsolve(flux)
            };
            let responses: Vec<Vec<f64>> = (0..n).map(response).collect();
            let mut gap = Matrix::zeros(n, n);
            for (j, of_unit) in responses.iter().enumerate() {
                for i in 0..n {
                    gap.row_mut(i)[j] = of_unit[last + i] - of_unit[i];
                }
            }
            stepper.seam = Some(Seam { responses, gap: Factored::new(gap)? });
        }
        Some(stepper)
    }

    /// One backward substitution.
    fn backsolve(&self, mut load: Vec<f64>) -> Vec<f64> {
        let (n, block) = (self.of.states, self.of.states * self.of.reference.degree);
        let elements = self.of.elements();
        let mut vertices: Vec<f64> = (0..=elements).flat_map(|v| load[v * block..][..n].to_vec()).collect();
        let inside = |e: usize| e * block + n..(e + 1) * block;
        let mut interiors: Vec<Vec<f64>> = (0..elements).map(|e| load[inside(e)].to_vec()).collect();
        self.walls.solve(&mut vertices, &mut interiors);
        for (v, values) in vertices.chunks_exact(n).enumerate() {
            load[v * block..][..n].copy_from_slice(values);
        }
        for (e, values) in interiors.iter().enumerate() {
            load[inside(e)].copy_from_slice(values);
        }
        if let Some(seam) = &self.seam {
            let last = load.len() - n;
            let mut flux: Vec<f64> = (0..n).map(|i| load[i] - load[last + i]).collect();
            seam.gap.solve(&mut flux);
            for (response, f) in seam.responses.iter().zip(flux) {
                load.iter_mut().zip(response).for_each(|(u, r)| *u += f * r);
            }
            load.copy_within(0..n, last);
        }
        load
    }

    /// The `u` with `(M - POLE dt A) u = load`. Refined with residuals in which transitions conserve
    /// probability exactly: the rounding of a fast rate in the matrix would not.
    fn solve(&self, load: &[f64]) -> Result<Vec<f64>, TheoryError> {
        let tau = POLE * self.dt;
        let size =
            |u: &[f64]| u.iter().fold(0.0, |m: f64, v| if v.is_nan() { f64::NAN } else { m.max(v.abs()) });
        let mut u = self.backsolve(load.to_vec());
        for _ in 0..6 {
            let (mass, rate) = (self.of.mass(&u), self.of.rate(&u));
            let terms = load.iter().zip(mass.iter().zip(&rate));
            let correction = self.backsolve(terms.map(|(b, (m, r))| b - m + tau * r).collect());
            u.iter_mut().zip(&correction).for_each(|(u, c)| *u += c);
            let (change, whole) = (size(&correction), size(&u));
            if change <= 1e-13 * whole {
                return Ok(u);
            }
            if change.is_nan() || change > 0.1 * whole {
                break;
            }
        }
        Err(self.of.singular())
    }

    /// Load and solution one step later.
    fn step(&self, load: &[f64]) -> Result<(Vec<f64>, Vec<f64>), TheoryError> {
        let mut power = load.to_vec();
        let (mut moved, mut solution) = (load.to_vec(), self.of.zeros());
        for c in RESIDUES {
            let u = self.solve(&power)?;
            power = self.of.mass(&u);
            // The residues sum to one; written so, their rounding does not touch the total.
            moved
                .iter_mut()
                .zip(power.iter().zip(load))
                .for_each(|(sum, (b, start))| *sum += c * (b - start));
            solution.iter_mut().zip(&u).for_each(|(sum, u)| *sum += c * u);
        }
        Ok((moved, solution))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The approximation of `exp(z)` for a complex `z`, and its magnitude.
    fn rational([re, im]: [f64; 2]) -> [f64; 2] {
        let (a, b) = (1.0 - POLE * re, -POLE * im);
        let inverse = [a / (a * a + b * b), -b / (a * a + b * b)];
        let (mut power, mut sum) = ([1.0, 0.0], [0.0, 0.0]);
        for c in RESIDUES {
            power = [
                power[0] * inverse[0] - power[1] * inverse[1],
                power[0] * inverse[1] + power[1] * inverse[0],
            ];
            sum = [sum[0] + c * power[0], sum[1] + c * power[1]];
        }
        sum
    }

    #[test]
    fn approximation_has_order_eight() {
        let error = |z: f64| (rational([-z, 0.0])[0] - libm::exp(-z)).abs();
        assert!((RESIDUES.iter().sum::<f64>() - 1.0).abs() < 1e-13);
        for z in [0.4, 0.8] {
            // The constant of the error is 2.7e-6.
            assert!(error(z) < 3e-6 * z.powi(9), "{z}: {:e}", error(z));
        }
        // Order 8: 2^9 for twice the step, less the growth of the denominators, (1.19/1.09)^8.
        let growth = error(0.8) / error(0.4);
        assert!((200.0..400.0).contains(&growth), "{growth}");
    }

    #[test]
    fn approximation_is_l_stable() {
        for k in 0..4000 {
            let y = 1e-2 * libm::exp(k as f64 * 5e-3);
            let [re, im] = rational([0.0, y]);
            assert!(re * re + im * im < 1.0 + 1e-11, "at {y}i");
        }
        assert!(rational([-1e9, 0.0])[0].abs() < 1e-7);
    }
}
