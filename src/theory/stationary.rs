//! The stationary law of a particle with internal states, at any rates (Eqs 3-4 of the paper).
//!
//! # Equation
//! With `u_i = D_i P_i` and the particle current `J_i = -d_x u_i`,
//! ```text
//! u_i'' + sum_edges (+-) net_e = 0,      net_e = k_f P_from - k_b P_to,
//! u_i' = 0 at both walls,                int sum_i P_i dx = 1 .
//! ```
//! The columns of the rate matrix sum to zero, so the sum of all equations is
//! `(sum_i u_i)'' = 0`: with no-flux walls `sum_i D_i P_i(x) = C`, the same at every x. That is the
//! first integral behind Eq 7 (which needs a minus sign before `P_tot''`; A8 has it),
//! `<D> P_tot - (D_1 D_2/k_sum) P_tot'' = C` for two states.
//!
//! Every state has wall layers of thickness `l = sqrt(D_1 D_2/(k_sum <D>))` in which the currents
//! fall to zero.
//!
//! # Method
//! Spectral elements: polynomials of degree 10 on Gauss-Lobatto nodes, weak form with Gauss
//! quadrature, element boundaries at the kinks of `T(x)`, elements that grow geometrically away from
//! walls and kinks starting from the layer thickness there, and bisection wherever the Legendre
//! coefficients of a current have not decayed. The unknowns are sums of `u_i` over clusters of
//! states, joined in the order of their rates, the last sum being the known constant `C`: fast edges
//! then cancel exactly, by integers, from the equations of the slow sums. Interiors are eliminated
//! element by element, the vertices by a block tridiagonal elimination. Iterative refinement with
//! unknowns of twice the working precision, and residuals in which the two terms of every `net_e`
//! cancel before they are rounded, makes currents accurate for very fast and very slow rates alike.
//! The derivative of `u_i` is then as good as the integral of `net_e` at slow rates and better at
//! fast ones (1e-14 against 1e-10 of the largest current for piecewise constant `T` and
//! `k L^2/D = 1e12`), so it is what is reported.
//!
//! The error is estimated by solving again on the same elements with degree 14; the difference of
//! the two solutions is reported for the better one, which is the one returned.
//!
//! # When not to trust it
//! Rates below about `k L^2/D = 1e-11` are refused as singular, and so are networks whose slowest
//! rate is more than some 16 to 20 orders of magnitude below the fastest. At relative temperature differences of 1e-7 and less, rounding of `T(x)`
//! itself leaves fewer digits than the estimate, whose scale is then not the tiny current, says.
//! Occupancies below about 1e-28 are lost. Rates beyond `k L^2/D = 1e10` make layers thinner than
//! 1e-5 L, in which the rounding of `T(x)` itself limits currents to about nine digits. Both show
//! up in the estimate as far as they matter.
//!
//! # Reference
//! Liang, Busiello and De Los Rios, "The intrinsic non-equilibrium nature of thermophoresis",
//! arXiv:2102.03197, Eqs 3-7 and A1-A16.

use super::element::{Reference, series, series_derivative};
use super::linear::{Chain, Matrix};
use super::twofold::Twofold;
use super::{TheoryError, breakpoints, rates, temperature};
use crate::model::{Boundary, Model};

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-13 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused
    /// ([`TheoryError::NotConverged`]). Between the two it is returned with its estimate.
    pub limit: f64,
    /// Elements beyond which the mesh is not refined; at least 8.
    pub max_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-10, limit: 1e-6, max_elements: 2000 }
    }
}

/// A stationary law: densities and currents as piecewise polynomials.
#[derive(Clone, Debug)]
pub struct Stationary {
    pub(super) model: Model,
    pub(super) law: Law,
    estimate: f64,
    tolerance: f64,
}

/// One point of a profile, for plots.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfilePoint {
    /// Position.
    pub x: f64,
    /// Densities `P_i`, 1/length.
    pub density: Vec<f64>,
    /// Currents `J_i`, 1/time.
    pub current: Vec<f64>,
}

/// Solves for the stationary law.
///
/// # Errors
/// [`TheoryError`]: an option, a length, a temperature or a rate out of range; a system that is
/// singular to working precision; an estimated error above `options.limit`.
pub fn solve(model: &Model, options: &Options) -> Result<Stationary, TheoryError> {
    check(options)?;
    match model.domain.walls {
        Boundary::Reflecting => {}
    }
    let (coarse, fine) = (Reference::new(DEGREE), Reference::new(DEGREE + 4));
    let mut mesh = first_mesh(model)?;
    let mut best: Option<(Law, f64)> = None;
    let mut stagnant = 0;
    loop {
        let rough = Law::new(model, &mesh, &coarse)?;
        let mut marked = rough.unresolved(model, options.tolerance)?;
        let finer = bisect(&mesh, &marked);
        // Resolved as far as the decay of coefficients tells, or as far as it goes.
        if finer.len() == mesh.len() || mesh.len() > options.max_elements {
            let law = Law::new(model, &mesh, &fine)?;
            let differences = law.differences(&rough, model);
            let estimate = differences.iter().copied().fold(0.0, f64::max);
            let previous = best.as_ref().map_or(f64::INFINITY, |b| b.1);
            stagnant = if estimate > 0.3 * previous { stagnant + 1 } else { 0 };
            if estimate < previous {
                best = Some((law, estimate));
            }
            if estimate <= options.tolerance || stagnant == 2 || mesh.len() > options.max_elements {
                break;
            }
            marked = differences.iter().map(|d| *d > 0.1 * options.tolerance).collect();
        }
        let finer = bisect(&mesh, &marked);
        if finer.len() == mesh.len() {
            break;
        }
        mesh = finer;
    }
    let elements = mesh.len() - 1;
    match best {
        Some((law, estimate)) if estimate <= options.limit => {
            Ok(Stationary { model: model.clone(), law, estimate, tolerance: options.tolerance })
        }
        Some((_, estimate)) => Err(TheoryError::NotConverged { estimate, limit: options.limit, elements }),
        None => Err(TheoryError::Singular { elements }),
    }
}

impl Stationary {
    /// The model that was solved.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Estimated relative error: the largest difference between the solutions of degree 10 and 14,
    /// in densities `P_i` relative to the largest `P_i`, and in currents `J_i`, heat flux `J_E` and
    /// slope `P_tot'` relative to their largest values. Currents that vanish (uniform T) or drown
    /// in the rounding of the rates are taken relative to `1e-6 min(D_i P_i/L, throughput)` or to
    /// `1e9` times that rounding.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether the estimated error is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }

    /// Element boundaries, from wall to wall; they crowd where the solution bends.
    pub fn vertices(&self) -> &[f64] {
        &self.law.mesh
    }

    /// Densities `P_i(x)` of all states, 1/length. Positions outside the domain are moved to the
    /// nearer wall.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        let (e, s) = self.law.locate(x);
        (0..self.states()).map(|i| self.law.density(e, i, s)).collect()
    }

    /// Total density `P_tot(x)`, 1/length.
    pub fn total_density_at(&self, x: f64) -> f64 {
        self.density_at(x).iter().sum()
    }

    /// Currents `J_i(x) = -d_x(D_i P_i)` of all states, 1/time, positive towards larger x; exactly
    /// zero at the walls and beyond.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        if !(x > 0.0 && x < self.model.domain.length) {
            return vec![0.0; self.states()];
        }
        let (e, s) = self.law.locate(x);
        self.law.current[e].iter().map(|c| series(c, s)).collect()
    }

    /// Heat flux `J_E(x) = sum_i E_i J_i` (Eq 11), energy/time.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let pairs = self.law.energies.iter().zip(self.current_at(x));
        pairs.map(|(energy, current)| energy * current).sum()
    }

    /// The solution at `points` equally spaced positions, both walls among them (at least two).
    pub fn profile(&self, points: usize) -> Vec<ProfilePoint> {
        let last = points.max(2) - 1;
        let position = |k: usize| self.model.domain.length * k as f64 / last as f64;
        let point = |x: f64| ProfilePoint { x, density: self.density_at(x), current: self.current_at(x) };
        (0..=last).map(|k| point(position(k))).collect()
    }

    pub(super) fn states(&self) -> usize {
        self.law.diffusivities.len()
    }
}

/// Degree of the solution whose distance from the returned one, of degree four more, is the
/// estimated error.
const DEGREE: usize = 10;

fn check(options: &Options) -> Result<(), TheoryError> {
    let Options { tolerance, limit, max_elements } = *options;
    if !(1e-13..=1e-2).contains(&tolerance) {
        let must = "between 1e-13 and 1e-2";
        return Err(TheoryError::Option { option: "tolerance", must, found: tolerance });
    }
    if !(limit >= tolerance && limit <= 1.0) {
        let must = "between the tolerance and 1";
        return Err(TheoryError::Option { option: "limit", must, found: limit });
    }
    if max_elements < 8 {
        let found = max_elements as f64;
        return Err(TheoryError::Option { option: "max_elements", must: "at least 8", found });
    }
    Ok(())
}

/// Elements that grow by factors of two away from walls and kinks, the first as wide as two layers.
fn first_mesh(model: &Model) -> Result<Vec<f64>, TheoryError> {
    let points = breakpoints(model)?;
    let length = model.domain.length;
    let mut mesh = vec![0.0];
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (middle, widest) = (0.5 * (a + b), if b - a > 0.125 * length { 0.25 } else { 0.5 });
        let widest = widest * (b - a);
        let grade = |from: f64, layer: f64| {
            let mut offsets = Vec::new();
            let mut step = (2.0 * layer).min(widest);
            let mut at = step;
            while at + 0.5 * step < (middle - from).abs() {
                offsets.push(at);
                step = (2.0 * step).min(widest);
                at += step;
            }
            offsets
        };
        let inside = 1e-9 * (b - a);
        let left = grade(a, thinnest_layer(model, a + inside)?);
        let right = grade(b, thinnest_layer(model, b - inside)?);
        mesh.extend(left.iter().map(|d| a + d));
        mesh.push(middle);
        mesh.extend(right.iter().rev().map(|d| b - d));
        mesh.push(b);
    }
    Ok(mesh)
}

/// A lower bound on the thickness of the layers that transitions form at `x`: Gershgorin's circles
/// for the matrix `K D^-1`, whose eigenvalues are `1/l^2`. At least 1e-9 of the domain.
fn thinnest_layer(model: &Model, x: f64) -> Result<f64, TheoryError> {
    let states = model.network.states();
    let mut leaving = vec![0.0; states.len()];
    for (edge, [forward, backward]) in model.network.edges().iter().zip(rates(model, x)?) {
        let [a, b] = edge.between;
        leaving[a] += forward / model.diffusivity(a, 0.0);
        leaving[b] += backward / model.diffusivity(b, 0.0);
    }
    let largest = leaving.into_iter().fold(0.0, f64::max);
    let length = model.domain.length;
    Ok((1.0 / libm::sqrt(2.0 * largest)).clamp(1e-9 * length, length))
}

fn bisect(mesh: &[f64], marked: &[bool]) -> Vec<f64> {
    let mut finer = vec![mesh[0]];
    for (pair, split) in mesh.windows(2).zip(marked) {
        if *split && pair[1] - pair[0] > 1e-12 * mesh[mesh.len() - 1] {
            finer.push(0.5 * (pair[0] + pair[1]));
        }
        finer.push(pair[1]);
    }
    finer
}

/// Coefficients of the transition part at a point: per edge the two factors in
/// `net = forward u_from - backward u_to`, that is `k_f/D_from` and `k_b/D_to`.
type Coupling = Vec<[f64; 2]>;

/// A discrete solution, normalised.
#[derive(Clone, Debug)]
pub(super) struct Law {
    pub(super) mesh: Vec<f64>,
    pub(super) diffusivities: Vec<f64>,
    /// Energies relative to the middle of their range: `sum_i J_i = 0` makes `J_E` independent of
    /// the zero of energy, and a large offset would only add rounding.
    pub(super) energies: Vec<f64>,
    /// `u_i(0)`.
    pub(super) base: Vec<f64>,
    /// Per element and state, Legendre coefficients of `u_i(x) - u_i(0)`.
    pub(super) deviation: Vec<Vec<Vec<f64>>>,
    /// Per element and state, Legendre coefficients of `J_i`.
    pub(super) current: Vec<Vec<Vec<f64>>>,
    /// Per vertex and state, `int_0^x (u_i - u_i(0)) dx`.
    pub(super) integral: Vec<Vec<f64>>,
    /// Per state, the current relative to which its errors are measured.
    scale: Vec<f64>,
    /// Per state, all transitions into and out of it per unit time: no current can be larger.
    gross: Vec<f64>,
}

impl Law {
    /// Solves on a given mesh with a given polynomial degree.
    fn new(model: &Model, mesh: &[f64], reference: &Reference) -> Result<Self, TheoryError> {
        let diffusivities: Vec<f64> =
            (0..model.network.states().len()).map(|s| model.diffusivity(s, 0.0)).collect();
        let pairs: Vec<[usize; 2]> = model.network.edges().iter().map(|e| e.between).collect();
        let couplings = mesh
            .windows(2)
            .map(|ends| {
                let sample = |(x, _): (f64, f64)| -> Result<Coupling, TheoryError> {
                    let edges = rates(model, x)?.into_iter().zip(&pairs);
                    Ok(edges.map(|([f, b], [i, j])| [f / diffusivities[*i], b / diffusivities[*j]]).collect())
                };
                reference.rule.on(ends[0], ends[1]).map(sample).collect()
            })
            .collect::<Result<Vec<Vec<Coupling>>, _>>()?;
        let clusters = Clusters::new(&pairs, &couplings, diffusivities.len());
        let system = System {
            mesh,
            reference,
            pairs: &pairs,
            couplings: &couplings,
            states: diffusivities.len(),
            clusters: &clusters,
        };
        let nodes = system.solve()?;
        let energies = model.network.states().iter().map(|s| s.energy);
        let lowest = energies.clone().fold(f64::INFINITY, f64::min);
        let highest = energies.clone().fold(f64::NEG_INFINITY, f64::max);
        let energies = energies.map(|e| e - (0.5 * lowest + 0.5 * highest)).collect();
        let mut law = Law {
            mesh: mesh.to_vec(),
            energies,
            base: system.base(&nodes),
            deviation: (0..mesh.len() - 1).map(|e| system.legendre(&nodes, e)).collect(),
            current: Vec::new(),
            integral: Vec::new(),
            scale: Vec::new(),
            gross: Vec::new(),
            diffusivities,
        };
        law.finish(&system);
        Ok(law)
    }

    /// Normalises and derives everything else from `base` and `deviation`.
    fn finish(&mut self, system: &System<'_>) {
        let states = self.base.len();
        let length = self.mesh[self.mesh.len() - 1];
        let integrate = |deviation: &[Vec<Vec<f64>>], mesh: &[f64]| {
            let mut at = vec![vec![0.0; states]];
            for (ends, element) in mesh.windows(2).zip(deviation) {
                let before = &at[at.len() - 1];
                let width = ends[1] - ends[0];
                let next = before.iter().zip(element).map(|(sum, c)| sum + width * c[0]).collect();
                at.push(next);
            }
            at
        };
        let integral = integrate(&self.deviation, &self.mesh);
        let whole = &integral[integral.len() - 1];
        let norm: f64 = (0..states).map(|i| (self.base[i] * length + whole[i]) / self.diffusivities[i]).sum();
        self.base.iter_mut().for_each(|b| *b /= norm);
        self.deviation.iter_mut().flatten().flatten().for_each(|c| *c /= norm);
        self.integral = integrate(&self.deviation, &self.mesh);
        let widths = self.mesh.windows(2).map(|ends| ends[1] - ends[0]);
        self.current = widths
            .zip(&self.deviation)
            .map(|(width, element)| {
                let flux = |c: &Vec<f64>| -> Vec<f64> {
                    series_derivative(c).into_iter().map(|d| -2.0 * d / width).collect()
                };
                element.iter().map(flux).collect()
            })
            .collect();

        // Sizes relative to which errors are measured.
        self.gross = vec![0.0; states];
        for (e, couplings) in system.couplings.iter().enumerate() {
            let rule = system.reference.rule.on(self.mesh[e], self.mesh[e + 1]);
            let points = system.reference.rule.points.iter();
            for (((_, w), s), coupling) in rule.zip(points).zip(couplings) {
                for ([f, b], &[i, j]) in coupling.iter().zip(system.pairs) {
                    let flow = w * (f * self.transported(e, i, *s) + b * self.transported(e, j, *s));
                    self.gross[i] += flow.abs();
                    self.gross[j] += flow.abs();
                }
            }
        }
        self.scale = (0..states)
            .map(|i| {
                let largest = self.largest(|e, s| series(&self.current[e][i], s));
                let size = self.largest(|e, s| self.transported(e, i, s));
                let natural = self.gross[i].min(size / length);
                largest.max(1e-6 * natural).max(1e9 * self.rounding(i))
            })
            .collect();
    }

    /// An upper bound on the error of a current that rounding of the rates causes.
    fn rounding(&self, i: usize) -> f64 {
        let size = self.largest(|e, s| self.transported(e, i, s));
        let widths = self.mesh.windows(2).map(|ends| ends[1] - ends[0]);
        let narrowest = widths.fold(f64::INFINITY, f64::min);
        f64::EPSILON * self.gross[i].min(size / narrowest)
    }

    /// `u_i = D_i P_i` at `s` in element `e`.
    pub(super) fn transported(&self, e: usize, i: usize, s: f64) -> f64 {
        self.base[i] + series(&self.deviation[e][i], s)
    }

    /// `P_i` at `s` in element `e`.
    pub(super) fn density(&self, e: usize, i: usize, s: f64) -> f64 {
        self.transported(e, i, s) / self.diffusivities[i]
    }

    /// Element that holds `x`, and the position in it.
    pub(super) fn locate(&self, x: f64) -> (usize, f64) {
        let after = self.mesh.partition_point(|v| *v <= x);
        let e = after.clamp(1, self.mesh.len() - 1) - 1;
        let (a, b) = (self.mesh[e], self.mesh[e + 1]);
        (e, ((x - a) / (b - a) * 2.0 - 1.0).clamp(-1.0, 1.0))
    }

    /// Largest magnitude over sample points of all elements.
    fn largest(&self, value: impl Fn(usize, f64) -> f64) -> f64 {
        let elements = 0..self.mesh.len() - 1;
        let points = elements.flat_map(|e| SAMPLES.iter().map(move |s| (e, *s)));
        points.map(|(e, s)| value(e, s).abs()).fold(0.0, f64::max)
    }

    /// Which elements do not resolve a current, or the temperature, to the tolerance.
    fn unresolved(&self, model: &Model, tolerance: f64) -> Result<Vec<bool>, TheoryError> {
        let points = DEGREE + 3;
        let reference = Reference::new(DEGREE);
        let profile = |ends: &[f64]| -> Result<Vec<f64>, TheoryError> {
            reference.rule.on(ends[0], ends[1]).map(|(x, _)| temperature(model, x)).collect()
        };
        let profiles = self.mesh.windows(2).map(profile).collect::<Result<Vec<_>, _>>()?;
        let all = profiles.iter().flatten();
        let hottest = all.clone().copied().fold(f64::NEG_INFINITY, f64::max);
        let coldest = all.copied().fold(f64::INFINITY, f64::min);
        let fine = tolerance * (hottest - coldest) + 32.0 * f64::EPSILON * hottest;
        let rounding: Vec<f64> = (0..self.base.len()).map(|i| self.rounding(i)).collect();
        Ok(profiles
            .iter()
            .enumerate()
            .map(|(e, values)| {
                let tail = |l: usize| -> f64 {
                    reference.projection[l].iter().zip(values).map(|(p, v)| p * v).sum()
                };
                // A jump nobody declared matters as little as the element that holds it is narrow.
                let share = (self.mesh[e + 1] - self.mesh[e]) / model.domain.length;
                let rough = share * tail(points - 1).abs().max(tail(points - 2).abs()) > fine;
                let currents = self.current[e].iter().enumerate();
                rough
                    || currents.into_iter().any(|(i, c)| {
                        let tail = c.iter().rev().take(2).fold(0.0, |m: f64, v| m.max(v.abs()));
                        tail > (tolerance * self.scale[i]).max(50.0 * rounding[i])
                    })
            })
            .collect())
    }

    /// Per element, the largest relative difference from another solution on the same mesh.
    fn differences(&self, other: &Law, model: &Model) -> Vec<f64> {
        let states = self.base.len();
        let heat = |law: &Law, e: usize, s: f64| -> f64 {
            (0..states).map(|i| law.energies[i] * series(&law.current[e][i], s)).sum()
        };
        let slope = |law: &Law, e: usize, s: f64| -> f64 {
            (0..states).map(|i| -series(&law.current[e][i], s) / law.diffusivities[i]).sum()
        };
        let sum = |f: &dyn Fn(usize) -> f64| -> f64 { (0..states).map(f).sum() };
        let length = model.domain.length;
        let floor = |weight: &dyn Fn(usize) -> f64| {
            sum(&|i| {
                let natural = self.gross[i].min(self.base[i].abs() / length);
                weight(i) * (1e-6 * natural).max(1e9 * self.rounding(i))
            })
        };
        let heat_scale = self
            .largest(|e, s| heat(self, e, s))
            .max(floor(&|i| self.energies[i].abs()))
            .max(f64::MIN_POSITIVE);
        let slope_scale = self
            .largest(|e, s| slope(self, e, s))
            .max(floor(&|i| 1.0 / self.diffusivities[i]))
            .max(f64::MIN_POSITIVE);
        let sizes: Vec<f64> = (0..states)
            .map(|i| self.largest(|e, s| self.transported(e, i, s)).max(f64::MIN_POSITIVE))
            .collect();
        let at = |e: usize, s: f64| -> f64 {
            let mut worst = (heat(self, e, s) - heat(other, e, s)).abs() / heat_scale;
            worst = worst.max((slope(self, e, s) - slope(other, e, s)).abs() / slope_scale);
            for (i, size) in sizes.iter().enumerate() {
                let density = self.transported(e, i, s) - other.transported(e, i, s);
                let current = series(&self.current[e][i], s) - series(&other.current[e][i], s);
                let scale = self.scale[i].max(f64::MIN_POSITIVE);
                worst = worst.max(density.abs() / size).max(current.abs() / scale);
            }
            worst
        };
        (0..self.mesh.len() - 1).map(|e| SAMPLES.iter().map(|s| at(e, *s)).fold(0.0, f64::max)).collect()
    }
}

/// Points of an element at which solutions are compared.
const SAMPLES: [f64; 9] = [-1.0, -0.93, -0.71, -0.38, 0.0, 0.38, 0.71, 0.93, 1.0];

/// Combinations of states with integer coefficients, in which slow sums are unknowns of their own.
///
/// Edges are taken in the order of their rates, fastest first; each that joins two clusters of
/// states makes one unknown, the sum of `u_i` over the smaller of the two, and one equation, the sum
/// of the equations over it. Edges inside a cluster drop out of its equation. What is left at the
/// end is the sum over all states, which is known.
#[derive(Debug)]
struct Clusters {
    /// The states summed in each unknown.
    members: Vec<Vec<bool>>,
    /// `restore[i][m]`: by how much `u_i` changes with unknown `m`, the sum of all held fixed.
    restore: Vec<Vec<f64>>,
    /// Per edge, the equations that it enters: `+1` with its second state, `-1` with its first.
    crossing: Vec<Vec<(usize, f64)>>,
    /// The state that carries the whole sum when all unknowns are zero.
    last: usize,
}

impl Clusters {
    fn new(pairs: &[[usize; 2]], couplings: &[Vec<Coupling>], states: usize) -> Self {
        let points = couplings.iter().flatten();
        let mut strength = vec![0.0; pairs.len()];
        for coupling in points {
            strength.iter_mut().zip(coupling).for_each(|(s, [f, b])| *s += f + b);
        }
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by(|a, b| strength[*b].total_cmp(&strength[*a]));

        // Cluster of every state, named by the state that will take up the cluster's sum.
        let mut name: Vec<usize> = (0..states).collect();
        let (mut members, mut joins) = (Vec::new(), Vec::new());
        for edge in order {
            let (a, b) = (name[pairs[edge][0]], name[pairs[edge][1]]);
            if a == b {
                continue;
            }
            let size = |c: usize| name.iter().filter(|n| **n == c).count();
            let (small, large) = if size(a) < size(b) { (a, b) } else { (b, a) };
            members.push(name.iter().map(|n| *n == small).collect::<Vec<bool>>());
            joins.push((small, large));
            name.iter_mut().filter(|n| **n == small).for_each(|n| *n = large);
        }
        // Undone from the last join on, `sum_large = sum_both - unknown`: in the end a state holds
        // its own unknown, less those of the clusters that joined it.
        let mut restore = vec![vec![0.0; joins.len()]; states];
        for (m, (small, large)) in joins.iter().enumerate() {
            restore[*small][m] += 1.0;
            restore[*large][m] -= 1.0;
        }
        let enters = |&[i, j]: &[usize; 2]| {
            let all = members.iter().enumerate();
            let crossed = all.filter(|(_, of)| of[i] != of[j]);
            crossed.map(|(m, of)| (m, if of[j] { 1.0 } else { -1.0 })).collect()
        };
        let crossing = pairs.iter().map(enters).collect();
        Clusters { members, restore, crossing, last: name[0] }
    }
}

/// The discrete equations.
struct System<'a> {
    mesh: &'a [f64],
    reference: &'a Reference,
    /// The two states of every edge.
    pairs: &'a [[usize; 2]],
    /// Per element and Gauss point.
    couplings: &'a [Vec<Coupling>],
    states: usize,
    clusters: &'a Clusters,
}

/// Values at all nodes: per vertex, and per element at its interior nodes; states vary fastest.
#[derive(Clone)]
struct Nodes {
    vertices: Vec<Twofold>,
    interiors: Vec<Vec<Twofold>>,
}

impl System<'_> {
    /// Unknowns per node.
    fn width(&self) -> usize {
        self.states - 1
    }

    fn solve(&self) -> Result<Nodes, TheoryError> {
        let (n, elements) = (self.states, self.mesh.len() - 1);
        let start = |i: usize| Twofold::from(if i % n == self.clusters.last { 1.0 } else { 0.0 });
        let inner = (self.reference.degree - 1) * n;
        let mut nodes = Nodes {
            vertices: (0..(elements + 1) * n).map(start).collect(),
            interiors: vec![(0..inner).map(start).collect(); elements],
        };
        if n == 1 {
            return Ok(nodes);
        }
        let singular = TheoryError::Singular { elements };
        let matrices = (0..elements).map(|e| self.matrix(e));
        let chain = Chain::new(matrices, self.width()).ok_or(singular.clone())?;
        if !self.is_regular(&chain, &nodes) {
            return Err(singular);
        }
        let mut before = f64::INFINITY;
        for _ in 0..20 {
            let (mut vertices, mut interiors) = self.residual(&nodes);
            chain.solve(&mut vertices, &mut interiors);
            let numbers = vertices.iter().chain(interiors.iter().flatten());
            let size = numbers.fold(0.0, |m: f64, d| if d.is_nan() { f64::NAN } else { m.max(d.abs()) });
            if size.is_nan() || size >= 1e6 {
                return Err(singular);
            }
            if size > 0.5 * before {
                break;
            }
            self.correct(&mut nodes.vertices, &vertices);
            for (values, correction) in nodes.interiors.iter_mut().zip(&interiors) {
                self.correct(values, correction);
            }
            before = size;
            if size < 1e-25 {
                break;
            }
        }
        if before > 1e-14 { Err(singular) } else { Ok(nodes) }
    }

    /// Whether the factors give back a known vector. The directions in which the system can be
    /// singular are constants in x, one per state: rates too small to tie the states together.
    fn is_regular(&self, chain: &Chain, nodes: &Nodes) -> bool {
        let probe = |i: usize| 1.0 - 0.5 * libm::sin((i + 1) as f64);
        let known = |numbers: usize| -> Vec<f64> { (0..numbers).map(|k| probe(k % self.width())).collect() };
        let (mut vertices, mut interiors) = self.residual(nodes);
        let mut moved = nodes.clone();
        self.correct(&mut moved.vertices, &known(vertices.len()));
        for (values, residual) in moved.interiors.iter_mut().zip(&interiors) {
            self.correct(values, &known(residual.len()));
        }
        let (v, i) = self.residual(&moved);
        vertices.iter_mut().zip(v).for_each(|(a, b)| *a -= b);
        let pairs = interiors.iter_mut().flatten().zip(i.into_iter().flatten());
        pairs.for_each(|(a, b)| *a -= b);
        chain.solve(&mut vertices, &mut interiors);
        let mut all = vertices.iter().enumerate();
        all.all(|(k, found)| (found - probe(k % self.width())).abs() < 0.1)
    }

    /// Adds a correction of the unknowns; the sum over all states stays as it is.
    fn correct(&self, values: &mut [Twofold], correction: &[f64]) {
        let nodes = values.chunks_exact_mut(self.states);
        for (node, change) in nodes.zip(correction.chunks_exact(self.width())) {
            for (u, row) in node.iter_mut().zip(&self.clusters.restore) {
                for (r, d) in row.iter().zip(change).filter(|(r, _)| **r != 0.0) {
                    *u = u.plus(r * d);
                }
            }
        }
    }

    /// Values of all states at node `a` of element `e`.
    fn node<'n>(&self, nodes: &'n Nodes, e: usize, a: usize) -> &'n [Twofold] {
        let n = self.states;
        if a == 0 || a == self.reference.degree {
            let vertex = if a == 0 { e } else { e + 1 };
            &nodes.vertices[vertex * n..(vertex + 1) * n]
        } else {
            &nodes.interiors[e][(a - 1) * n..a * n]
        }
    }

    /// Per node of element `e` and state, the difference from the left vertex, rounded only after
    /// it was formed.
    fn differences(&self, nodes: &Nodes, e: usize) -> Vec<Vec<f64>> {
        let left = self.node(nodes, e, 0);
        (0..=self.reference.degree)
            .map(|a| {
                let here = self.node(nodes, e, a).iter().zip(left);
                here.map(|(u, u0)| u.minus(*u0).value()).collect()
            })
            .collect()
    }

    /// `-int phi_a' u_i' + int phi_a source_i` for every node and cluster.
    fn residual(&self, nodes: &Nodes) -> (Vec<f64>, Vec<Vec<f64>>) {
        let (n, w, degree) = (self.states, self.width(), self.reference.degree);
        let elements = self.mesh.len() - 1;
        let mut vertices = vec![0.0; (elements + 1) * w];
        let mut interiors = vec![vec![0.0; (degree - 1) * w]; elements];
        for e in 0..elements {
            let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
            let differences = self.differences(nodes, e);
            let left = self.node(nodes, e, 0);
            let mut rows = vec![vec![0.0; w]; degree + 1];
            for (q, coupling) in self.couplings[e].iter().enumerate() {
                let (basis, slope) = (&self.reference.basis[q], &self.reference.slope[q]);
                let mut value = vec![0.0; n];
                let mut gradient = vec![0.0; n];
                for (a, d) in differences.iter().enumerate() {
                    for i in 0..n {
                        value[i] += basis[a] * d[i];
                        gradient[i] += slope[a] * d[i];
                    }
                }
                let sum = |of: &Vec<bool>| -> f64 {
                    let each = gradient.iter().zip(of).filter(|(_, inside)| **inside);
                    each.map(|(g, _)| g).sum()
                };
                let slopes: Vec<f64> = self.clusters.members.iter().map(sum).collect();
                let mut source = vec![0.0; w];
                let edges = self.pairs.iter().zip(&self.clusters.crossing);
                for ([f, b], (&[i, j], crossing)) in coupling.iter().zip(edges) {
                    let constant = left[i].times(*f).minus(left[j].times(*b)).value();
                    let net = constant + (f * value[i] - b * value[j]);
                    for (m, sign) in crossing {
                        source[*m] += sign * net;
                    }
                }
                let weight = self.reference.rule.weights[q];
                for (a, row) in rows.iter_mut().enumerate() {
                    let (of_source, of_gradient) = (weight * half * basis[a], weight / half * slope[a]);
                    for (r, (s, g)) in row.iter_mut().zip(source.iter().zip(&slopes)) {
                        *r += of_source * s - of_gradient * g;
                    }
                }
            }
            for (a, row) in rows.iter().enumerate() {
                let target = match a {
                    0 => &mut vertices[e * w..(e + 1) * w],
                    _ if a == degree => &mut vertices[(e + 1) * w..(e + 2) * w],
                    _ => &mut interiors[e][(a - 1) * w..a * w],
                };
                target.iter_mut().zip(row).for_each(|(t, r)| *t += r);
            }
        }
        (vertices, interiors)
    }

    /// Minus the derivative of the residual of element `e`; local order: left vertex, right vertex,
    /// interior.
    fn matrix(&self, e: usize) -> Matrix {
        let (w, degree) = (self.width(), self.reference.degree);
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        let place = |a: usize| match a {
            0 => 0,
            _ if a == degree => 1,
            _ => a + 1,
        };
        let mut matrix = Matrix::zeros((degree + 1) * w, (degree + 1) * w);
        for (a, row) in self.reference.stiffness.iter().enumerate() {
            for (b, value) in row.iter().enumerate() {
                for i in 0..w {
                    matrix.row_mut(place(a) * w + i)[place(b) * w + i] += value / half;
                }
            }
        }
        let restore = &self.clusters.restore;
        for (q, coupling) in self.couplings[e].iter().enumerate() {
            // d(source of a cluster)/d(unknown).
            let mut reduced = vec![vec![0.0; w]; w];
            let edges = self.pairs.iter().zip(&self.clusters.crossing);
            for ([f, b], (&[i, j], crossing)) in coupling.iter().zip(edges) {
                for (m, sign) in crossing {
                    for (c, entry) in reduced[*m].iter_mut().enumerate() {
                        *entry += sign * (f * restore[i][c] - b * restore[j][c]);
                    }
                }
            }
            let basis = &self.reference.basis[q];
            let weight = self.reference.rule.weights[q] * half;
            for a in 0..=degree {
                for (i, entries) in reduced.iter().enumerate() {
                    let row = matrix.row_mut(place(a) * w + i);
                    for b in 0..=degree {
                        let factor = weight * basis[a] * basis[b];
                        let block = &mut row[place(b) * w..(place(b) + 1) * w];
                        block.iter_mut().zip(entries).for_each(|(m, r)| *m -= factor * r);
                    }
                }
            }
        }
        matrix
    }

    /// `u_i(0)`.
    fn base(&self, nodes: &Nodes) -> Vec<f64> {
        self.node(nodes, 0, 0).iter().map(|u| u.value()).collect()
    }

    /// Legendre coefficients of `u_i(x) - u_i(0)` on element `e`, per state.
    fn legendre(&self, nodes: &Nodes, e: usize) -> Vec<Vec<f64>> {
        let differences = self.differences(nodes, e);
        let (first, left) = (self.node(nodes, 0, 0), self.node(nodes, e, 0));
        (0..self.states)
            .map(|i| {
                let coefficient =
                    |row: &Vec<f64>| -> f64 { row.iter().zip(&differences).map(|(t, d)| t * d[i]).sum() };
                let mut c: Vec<f64> = self.reference.transform.iter().map(coefficient).collect();
                c[0] += left[i].minus(first[i]).value();
                c
            })
            .collect()
    }
}
