//! The stationary law of a particle with internal states, at any rates (Eqs 3-4 of the paper).
//!
//! # Equation
//! With `u_i = w_i P_i` and the particle current `J_i = -(1/g_i) (d_x u_i - h_i u_i)`, where `w = D`, `g =
//! 1` for a diffusivity (Ito), `w = kT`, `g = gamma` for a friction (the overdamped limit of Kramers'
//! equation; see [`Motility`](crate::model::Motility)), and `h_i` is the force over the thermal energy
//! ([`Model::force_over_thermal_energy`]),
//! ```text
//! J_i' = sum_edges (+-) net_e,           net_e = k_f P_from - k_b P_to,           (1)
//! J_i = 0 at both walls,                 int sum_i P_i dx = 1 .                    (2)
//! ```
//! `u_i` and `J_i` are continuous; where `w_i` jumps, as `kT` does between two boxes of different
//! temperature, `P_i` jumps. The columns of the rate matrix sum to zero, so
//! ```text
//! sum_i J_i(x) = 0                                                                 (3)
//! ```
//! at every x, whatever the rates and forces, driven or not. On a ring there are no walls, everything in
//! (1) is periodic, and (3) says that a net current is the same at every x. Without forces and where all
//! `g_i = gamma_i f(x)` have one shape, among them all diffusivities, (3) has the first integral `sum_i
//! u_i/gamma_i = C`, the same at every x. For constant diffusivities that is the one behind Eq 7 (which
//! needs a minus sign before `P_tot''`; A8 has it), `<D> P_tot - (D_1 D_2/k_sum) P_tot'' = C` for two
//! states.
//!
//! Without forces every state has wall layers of thickness `l = sqrt(D_1 D_2/(k_sum <D>))` in which the currents
//! fall to zero.
//!
//! # Method
//! Spectral elements: polynomials of degree 10 on Gauss-Lobatto nodes, weak form with Gauss
//! quadrature, element boundaries at the kinks of every function of position, elements that grow geometrically away from
//! walls and kinks starting from the layer thickness there, and bisection wherever the Legendre
//! coefficients of a current have not decayed. With `v_i = u_i/g_i(x_0)` at a fixed `x_0`, the unknowns
//! are sums of `v_i` over clusters of states, joined in the order of their rates: fast edges then
//! cancel exactly, by integers, from the equations of the slow sums. The last sum, over all states, is
//! the known constant `C` where the `g_i` have one shape; otherwise it is an unknown too, whose equation
//! is (3), with forces in any case. On a ring the first vertex is also the last, and eliminated after all
//! others. A current is the projection of `-(1/g_i) u_i'` on the polynomials of one degree less than
//! `u_i`, for which (3) holds exactly and not up to the error of the method. Interiors are eliminated
//! element by element, the vertices by a block tridiagonal elimination. Iterative refinement with
//! unknowns of twice the working precision, and residuals in which the two terms of every `net_e`
//! cancel before they are rounded, makes currents accurate for very fast and very slow rates alike.
//! The derivative of `u_i` is then as good as the integral of `net_e` at slow rates and better at
//! fast ones (1e-14 against 1e-10 of the largest current for piecewise constant `T` and
//! `k L^2/D = 1e12`), so it is what is reported.
//!
//! A force may spread densities over many orders of magnitude. The unknowns are then `y_i = exp(-phi) v_i`, where
//! `phi` is linear on every element and follows the logarithm of the density: first that of fast transitions,
//! then that of the law found on the mesh before. Rows are scaled likewise, so that errors are relative to the
//! density at the same place and not to the largest: behind 20 kT Boltzmann's law comes out with 14 digits.
//!
//! The error is estimated by solving again on the same elements with degree 14; the difference of
//! the two solutions is reported for the better one, which is the one returned.
//!
//! # When not to trust it
//! Rates below about `k L^2/D = 1e-11` are refused as singular, and so are networks whose slowest
//! rate is more than some 16 to 20 orders of magnitude below the fastest. At relative temperature
//! differences of 1e-7 and less, rounding of `T(x)` itself leaves fewer digits than the estimate, whose
//! scale is then not the tiny current, says.
//! Barriers above some 25 kT between two wells leave too little that ties them together in double precision and
//! are refused as singular (not so on a ring with one well, nor the height of a wall around wells). Rates
//! below about `k L^2/D = 1e-6` are refused on a ring with forces. A state that is at one place much rarer than another has its digits relative to the
//! commoner one.
//! Occupancies below about 1e-28 are lost. Rates beyond `k L^2/D = 1e10` make layers thinner than
//! 1e-5 L, in which the rounding of `T(x)` itself limits currents to about nine digits. Both show
//! up in the estimate as far as they matter.
//!
//! A jump of a friction that [`Field::kinks`] does not report is refused as
//! not converged: `u_i` bends there inside an element. Undeclared kinks, and jumps of anything else, are
//! found by bisection.
//!
//! The equations hold for what the file says. Ito diffusivities of different shapes, `D_i != d_i f(x)`,
//! have currents even at uniform `T` with detailed balance: they are no limit of a dynamics in contact
//! with a bath, and [`Stationary::quadratic_entropy_production`] shows it.
//!
//! # Reference
//! Liang, Busiello and De Los Rios, "The intrinsic non-equilibrium nature of thermophoresis",
//! arXiv:2102.03197, Eqs 3-7 and A1-A16.

use super::element::{Reference, series, series_derivative};
use super::linear::{Chain, Matrix};
use super::twofold::Twofold;
use super::{TheoryError, breakpoints, fields, forces, motilities, rates, temperature, tilt};
use crate::model::{Boundary, Field, Model};
use std::sync::Arc;

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
    closes(model)?;
    let (coarse, fine) = (Reference::new(DEGREE), Reference::new(DEGREE + 4));
    let mut mesh = first_mesh(model)?;
    let mut tilt = tilt::guess(model, &mesh)?;
    let mut best: Option<(Law, f64)> = None;
    let mut stagnant = 0;
    loop {
        let rough = Law::new(model, &mesh, &tilt, &coarse)?;
        let mut marked = rough.unresolved(model, options.tolerance)?;
        let finer = bisect(&mesh, &marked);
        // Resolved as far as the decay of coefficients tells, or as far as it goes.
        if finer.len() == mesh.len() || mesh.len() > options.max_elements {
            let law = Law::new(model, &mesh, &tilt, &fine)?;
            let differences = law.differences(&rough);
            let around = law.net_difference(&rough);
            let estimate = differences.iter().copied().fold(around, f64::max);
            let previous = best.as_ref().map_or(f64::INFINITY, |b| b.1);
            stagnant = if estimate > 0.3 * previous { stagnant + 1 } else { 0 };
            if estimate < previous {
                best = Some((law, estimate));
            }
            if estimate <= options.tolerance || stagnant == 2 || mesh.len() > options.max_elements {
                break;
            }
            let all = around > options.tolerance;
            marked = differences.iter().map(|d| all || *d > 0.1 * options.tolerance).collect();
        }
        let finer = bisect(&mesh, &marked);
        if finer.len() == mesh.len() {
            break;
        }
        tilt = rough.logarithms(&finer);
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
    /// in densities `P_i` relative to the largest `P_i` (with forces to that of `P_i exp(-phi)`, which is to say
    /// to the density at the same place, summed over states), and in currents `J_i`, heat flux `J_E` and the
    /// slope `sum_i u_i'/w_i` (`P_tot'` where `w` is constant) relative to their largest values. Currents
    /// that vanish (uniform T) or drown in the rounding of the rates are taken relative to
    /// `1e-6 min(D_i P_i/L, throughput)` or to `1e9` times that rounding, or where forces balance diffusion to
    /// `1e-4` of either. On a ring the net current counts by itself.
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
    /// nearer wall, or round the ring; at a jump of `T` or of a diffusivity the density is that of the side whose value the
    /// jumping function takes there.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        let x = self.inside(x);
        let (e, s) = self.law.locate(x);
        (0..self.states()).map(|i| self.law.transported(e, i, s) / self.capacity(i, x)).collect()
    }

    /// Total density `P_tot(x)`, 1/length.
    pub fn total_density_at(&self, x: f64) -> f64 {
        self.density_at(x).iter().sum()
    }

    /// Currents `J_i(x) = -(1/g_i) [d_x(w_i P_i) - h_i w_i P_i]` of all states, 1/time, positive towards larger
    /// x; exactly zero at walls and beyond.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        let between = x > 0.0 && x < self.model.domain.length;
        if !(self.is_ring() || between) {
            return vec![0.0; self.states()];
        }
        let (e, s) = self.law.locate(self.inside(x));
        self.law.current[e].iter().map(|c| series(c, s)).collect()
    }

    /// Heat flux `J_E(x) = sum_i E_i J_i` (Eq 11) with the energies of [`Model::energy`], enthalpies where
    /// states have entropies, energy/time. Where a net current runs round a ring it depends on the zero
    /// of energy.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let x = self.inside(x);
        let pairs = self.current_at(x).into_iter().enumerate();
        pairs.map(|(i, current)| self.law.energy(&self.model, i, x) * current).sum()
    }

    /// Net current `sum_i J_i`, the same at every x, 1/time; zero between walls.
    pub fn net_current(&self) -> f64 {
        if self.is_ring() { self.law.net_current() } else { 0.0 }
    }

    /// The solution at `points` equally spaced positions, both walls among them (at least two).
    pub fn profile(&self, points: usize) -> Vec<ProfilePoint> {
        let last = points.max(2) - 1;
        let position = |k: usize| self.model.domain.length * k as f64 / last as f64;
        let point = |x: f64| ProfilePoint { x, density: self.density_at(x), current: self.current_at(x) };
        (0..=last).map(|k| point(position(k))).collect()
    }

    pub(super) fn states(&self) -> usize {
        self.law.reference.len()
    }

    pub(super) fn is_ring(&self) -> bool {
        self.model.domain.walls == Boundary::Periodic
    }

    /// `x`, or the place in the domain that stands for it.
    fn inside(&self, x: f64) -> f64 {
        let length = self.model.domain.length;
        match self.model.domain.walls {
            Boundary::Periodic if !(0.0..=length).contains(&x) => x.rem_euclid(length),
            _ => x.clamp(0.0, length),
        }
    }

    /// `c_i(x) = v_i/P_i`, that is `w_i(x)/g_i(x_0)`.
    pub(super) fn capacity(&self, state: usize, x: f64) -> f64 {
        self.model.weight(state, x) / self.law.reference[state]
    }
}

/// Degree of the solution whose distance from the returned one, of degree four more, is the
/// estimated error.
pub(super) const DEGREE: usize = 10;

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

/// On a ring, whether every potential is the same at both ends: a step would be an infinite force.
fn closes(model: &Model) -> Result<(), TheoryError> {
    if model.domain.walls == Boundary::Reflecting {
        return Ok(());
    }
    let length = model.domain.length;
    for state in 0..model.network.states().len() {
        let ends = [0.0, length].map(|x| model.potential_energy(state, x));
        let step = ends[1] - ends[0];
        if step.abs() > 1e-9 * (ends[0].abs() + ends[1].abs() + model.thermal_energy(0.0)) {
            return Err(TheoryError::Closure { state, step });
        }
    }
    Ok(())
}

/// Elements that grow by factors of two away from walls and kinks, the first as wide as two layers.
fn first_mesh(model: &Model) -> Result<Vec<f64>, TheoryError> {
    gentle(model, graded(&breakpoints(model)?, |x| thinnest_layer(model, x))?)
}

/// Elements that grow by factors of two away from every one of `points`, the first as wide as two
/// layers, whose thickness is asked for beside each point.
pub(super) fn graded(
    points: &[f64],
    thickness: impl Fn(f64) -> Result<f64, TheoryError>,
) -> Result<Vec<f64>, TheoryError> {
    let length = points[points.len() - 1];
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
        let left = grade(a, thickness(a + inside)?);
        let right = grade(b, thickness(b - inside)?);
        mesh.extend(left.iter().map(|d| a + d));
        mesh.push(middle);
        mesh.extend(right.iter().rev().map(|d| b - d));
        mesh.push(b);
    }
    Ok(mesh)
}

/// Halves elements until no force changes a density by much more than a factor of `exp(4)` across one.
fn gentle(model: &Model, mut mesh: Vec<f64>) -> Result<Vec<f64>, TheoryError> {
    for _ in 0..if model.has_forces() { 20 } else { 0 } {
        let steep = |ends: &[f64]| -> Result<bool, TheoryError> {
            let (at, width) = (|s: f64| ends[0] + s * (ends[1] - ends[0]), ends[1] - ends[0]);
            let mut largest = 0.0f64;
            for s in [0.01, 0.25, 0.5, 0.75, 0.99] {
                largest = forces(model, at(s))?.iter().fold(largest, |m, h| m.max(h.abs()));
            }
            Ok(largest * width > 4.0)
        };
        let marked = mesh.windows(2).map(steep).collect::<Result<Vec<bool>, _>>()?;
        if !marked.contains(&true) || mesh.len() > 4000 {
            break;
        }
        mesh = bisect(&mesh, &marked);
    }
    Ok(mesh)
}

/// A lower bound on the thickness of the layers at `x` that transitions form: Gershgorin's circles
/// for the matrix `K D^-1`, whose eigenvalues are `1/l^2` without a force. With one, `1/l` grows by at most
/// `|h|`. At least 1e-9 of the domain.
pub(super) fn thinnest_layer(model: &Model, x: f64) -> Result<f64, TheoryError> {
    let states = model.network.states();
    let motility = motilities(model, x)?;
    let mut leaving = vec![0.0; states.len()];
    for (edge, [forward, backward]) in model.network.edges().iter().zip(rates(model, x)?) {
        let [a, b] = edge.between;
        leaving[a] += forward * motility[a][1] / motility[a][0];
        leaving[b] += backward * motility[b][1] / motility[b][0];
    }
    let largest = leaving.into_iter().fold(0.0, f64::max);
    let length = model.domain.length;
    let force = forces(model, x)?.iter().fold(0.0, |m: f64, h| m.max(h.abs()));
    Ok((1.0 / (force + libm::sqrt(2.0 * largest))).clamp(1e-9 * length, length))
}

pub(super) fn bisect(mesh: &[f64], marked: &[bool]) -> Vec<f64> {
    let mut finer = vec![mesh[0]];
    for (pair, split) in mesh.windows(2).zip(marked) {
        if *split && pair[1] - pair[0] > 1e-12 * mesh[mesh.len() - 1] {
            finer.push(0.5 * (pair[0] + pair[1]));
        }
        finer.push(pair[1]);
    }
    finer
}

/// The coefficients of the equation at a point.
#[derive(Clone, Debug)]
pub(super) struct Coefficients {
    /// Per edge the two factors in `net = forward v_from - backward v_to`, that is `k_f/c_from` and
    /// `k_b/c_to` with `c_i = w_i/g_i(x_0)`.
    pub(super) edges: Vec<[f64; 2]>,
    /// Per state `a_i = g_i(x_0)/g_i`, so that `J_i = -a_i (v_i' - h_i v_i)`.
    pub(super) mobility: Vec<f64>,
    /// Per state `w_i/g_i(x_0)`.
    pub(super) capacity: Vec<f64>,
    /// Per state `h_i - phi'`, so that `J_i = -a_i exp(phi) (y_i' - force_i y_i)` for `v_i = exp(phi) y_i`.
    pub(super) force: Vec<f64>,
    /// `exp(phi)` relative to the left end of the element.
    pub(super) factor: f64,
}

impl Coefficients {
    fn at(model: &Model, reference: &[f64], x: f64) -> Result<Self, TheoryError> {
        let motility = motilities(model, x)?;
        let pairs = || motility.iter().zip(reference);
        let capacity: Vec<f64> = pairs().map(|([w, _], g)| w / g).collect();
        let mobility = pairs().map(|([_, g], at_reference)| at_reference / g).collect();
        let constants = rates(model, x)?.into_iter().zip(model.network.edges());
        let edges = constants.map(|([f, b], e)| [f / capacity[e.between[0]], b / capacity[e.between[1]]]);
        let (edges, force) = (edges.collect(), forces(model, x)?);
        Ok(Coefficients { edges, mobility, capacity, force, factor: 1.0 })
    }
}

/// A discrete solution, normalised.
#[derive(Clone, Debug)]
pub(super) struct Law {
    pub(super) mesh: Vec<f64>,
    /// Walls, kinks and jumps.
    pub(super) breakpoints: Vec<f64>,
    /// `g_i(x_0)`.
    reference: Vec<f64>,
    /// `phi` at the vertices (see [`tilt`]); all zero without forces.
    pub(super) tilt: Vec<f64>,
    /// Energies as the heat flux needs them, without potentials: between walls relative to the middle of
    /// their range, because `sum_i J_i = 0` makes `J_E` independent of the zero of energy, and a large offset
    /// would only add rounding.
    energies: Vec<f64>,
    /// Whether the common potential counts in the heat flux: where a net current may run.
    ring: bool,
    /// `y_i(0)`, where `v_i = exp(phi) y_i`.
    pub(super) base: Vec<f64>,
    /// Per element and state, Legendre coefficients of `y_i(x) - y_i(0)`.
    pub(super) deviation: Vec<Vec<Vec<f64>>>,
    /// Per element and state, Legendre coefficients of `J_i`.
    pub(super) current: Vec<Vec<Vec<f64>>>,
    /// Per element and edge, Legendre coefficients of `net_e`, formed from unknowns of twice the
    /// working precision: for fast edges it is a tiny difference of two large fluxes.
    pub(super) net: Vec<Vec<Vec<f64>>>,
    /// Per element and state, `c_i` at the sample points, one-sided at the ends.
    capacity: Vec<Vec<Vec<f64>>>,
    /// Per element and state, the energy there.
    sampled: Vec<Vec<Vec<f64>>>,
    /// Per state, the current relative to which its errors are measured.
    scale: Vec<f64>,
    /// Per state, all transitions into and out of it per unit time: no current can be larger.
    gross: Vec<f64>,
    /// Per state, the largest `a_i`.
    fastest: Vec<f64>,
    /// Per state, the largest `|h_i|`.
    steepest: Vec<f64>,
}

/// Where `g_i(x_0)` is taken, as a fraction of the length.
const REFERENCE: f64 = 0.4321;

impl Law {
    /// Solves on a given mesh with a given polynomial degree.
    fn new(model: &Model, mesh: &[f64], tilt: &[f64], reference: &Reference) -> Result<Self, TheoryError> {
        let system = System::new(model, mesh, tilt, reference, model.has_forces())?;
        let at_reference = system.at_reference.clone();
        let ring = system.ring;
        let nodes = system.solve()?;
        let energies = model.network.states().iter().map(|s| s.energy);
        let lowest = energies.clone().fold(f64::INFINITY, f64::min);
        let highest = energies.clone().fold(f64::NEG_INFINITY, f64::max);
        let middle = if ring { 0.0 } else { 0.5 * lowest + 0.5 * highest };
        let energies = energies.map(|e| e - middle).collect();
        let sampled = |ends: &[f64]| -> Result<Vec<Vec<f64>>, TheoryError> {
            let (middle, half) = (0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0]));
            let inside = 1.0 - 1e-9;
            let at = |s: &f64| Coefficients::at(model, &at_reference, middle + half * s * inside);
            let samples = SAMPLES.iter().map(at).collect::<Result<Vec<_>, _>>()?;
            let of_state = |i: usize| samples.iter().map(|c| c.capacity[i]).collect();
            Ok((0..at_reference.len()).map(of_state).collect())
        };
        let elements = 0..mesh.len() - 1;
        let mut law = Law {
            mesh: mesh.to_vec(),
            tilt: tilt.to_vec(),
            breakpoints: breakpoints(model)?,
            energies,
            ring,
            base: system.base(&nodes),
            deviation: elements.clone().map(|e| system.legendre(&nodes, e)).collect(),
            current: elements.clone().map(|e| system.currents(&nodes, e)).collect(),
            net: elements.map(|e| system.net(&nodes, e)).collect(),
            capacity: mesh.windows(2).map(sampled).collect::<Result<_, _>>()?,
            sampled: Vec::new(),
            scale: Vec::new(),
            gross: Vec::new(),
            fastest: Vec::new(),
            steepest: vec![0.0; at_reference.len()],
            reference: at_reference,
        };
        for x in mesh.windows(2).flat_map(|ends| reference.rule.on(ends[0], ends[1])).map(|(x, _)| x) {
            for (steepest, h) in law.steepest.iter_mut().zip(forces(model, x)?) {
                *steepest = steepest.max(h.abs());
            }
        }
        let energy = |ends: &[f64]| -> Vec<Vec<f64>> {
            let at = |s: &f64| 0.5 * (ends[0] + ends[1]) + 0.5 * s * (ends[1] - ends[0]);
            (0..law.base.len())
                .map(|i| SAMPLES.iter().map(|s| law.energy(model, i, at(s))).collect())
                .collect()
        };
        law.sampled = mesh.windows(2).map(energy).collect();
        law.finish(&system);
        Ok(law)
    }

    /// Normalises and measures.
    fn finish(&mut self, system: &System<'_>) {
        let states = self.base.len();
        let length = self.mesh[self.mesh.len() - 1];
        let mut norm = 0.0;
        for (e, coefficients) in system.coefficients.iter().enumerate() {
            let points = system.reference.rule.points.iter();
            let rule = system.reference.rule.on(self.mesh[e], self.mesh[e + 1]);
            for (((_, w), s), at) in rule.zip(points).zip(coefficients) {
                let of_state = |(i, h): (usize, &f64)| self.transported(e, i, *s) / h;
                norm += w * at.capacity.iter().enumerate().map(of_state).sum::<f64>();
            }
        }
        self.base.iter_mut().for_each(|b| *b /= norm);
        let coefficients = self.deviation.iter_mut().chain(&mut self.current).chain(&mut self.net);
        coefficients.flatten().flatten().for_each(|c| *c /= norm);

        // Sizes relative to which errors are measured.
        self.gross = vec![0.0; states];
        self.fastest = vec![0.0; states];
        for (e, coefficients) in system.coefficients.iter().enumerate() {
            let rule = system.reference.rule.on(self.mesh[e], self.mesh[e + 1]);
            let points = system.reference.rule.points.iter();
            for (((_, w), s), at) in rule.zip(points).zip(coefficients) {
                for ([f, b], &[i, j]) in at.edges.iter().zip(&system.pairs) {
                    let flow = w * (f * self.transported(e, i, *s) + b * self.transported(e, j, *s));
                    self.gross[i] += flow.abs();
                    self.gross[j] += flow.abs();
                }
                self.fastest.iter_mut().zip(&at.mobility).for_each(|(m, a)| *m = m.max(*a));
            }
        }
        self.scale = (0..states)
            .map(|i| {
                let largest = self.largest(|e, k| series(&self.current[e][i], SAMPLES[k]));
                let size = self.largest(|e, k| self.transported(e, i, SAMPLES[k]));
                let floor = (1e-6 * self.natural(i, length)).max(1e9 * self.rounding(i));
                largest.max(floor).max(1e-4 * self.pushed(i, size))
            })
            .collect();
    }

    /// A current of state `i` that no profile can exceed whose features are as wide as `width`.
    fn natural(&self, i: usize, width: f64) -> f64 {
        let size = self.largest(|e, k| self.transported(e, i, SAMPLES[k]));
        self.gross[i].min(self.fastest[i] * size / width)
    }

    /// A current of state `i` of the size of those that force and diffusion drive against each other.
    fn pushed(&self, i: usize, size: f64) -> f64 {
        self.fastest[i] * self.steepest[i] * size
    }

    /// An upper bound on the error of a current that rounding of the rates causes.
    fn rounding(&self, i: usize) -> f64 {
        let widths = self.mesh.windows(2).map(|ends| ends[1] - ends[0]);
        let size = self.largest(|e, k| self.transported(e, i, SAMPLES[k]));
        let narrowest = widths.fold(f64::INFINITY, f64::min);
        f64::EPSILON * (self.natural(i, narrowest) + self.pushed(i, size))
    }

    /// `exp(phi)` at `s` in element `e`.
    pub(super) fn scale_at(&self, e: usize, s: f64) -> f64 {
        let (left, right) = (self.tilt[e], self.tilt[e + 1]);
        libm::exp(left + 0.5 * (s + 1.0) * (right - left))
    }

    /// `y_i` at `s` in element `e`.
    pub(super) fn scaled(&self, e: usize, i: usize, s: f64) -> f64 {
        self.base[i] + series(&self.deviation[e][i], s)
    }

    /// `v_i` at `s` in element `e`.
    pub(super) fn transported(&self, e: usize, i: usize, s: f64) -> f64 {
        self.scale_at(e, s) * self.scaled(e, i, s)
    }

    /// The energy of a state as the heat flux needs it.
    pub(super) fn energy(&self, model: &Model, i: usize, x: f64) -> f64 {
        let state = &model.network.states()[i];
        let own = state.potential.as_ref().map_or(0.0, |u| u.value(x));
        let common = model.potential.as_ref().filter(|_| self.ring).map_or(0.0, |u| u.value(x));
        self.energies[i] + own + common
    }

    /// Its derivative.
    pub(super) fn energy_slope(&self, model: &Model, i: usize, x: f64) -> f64 {
        let varies = |u: &&Arc<dyn Field>| u.constant().is_none();
        let own = model.network.states()[i].potential.as_ref().filter(varies);
        let common = model.potential.as_ref().filter(varies).filter(|_| self.ring);
        own.into_iter().chain(common).map(|u| u.slope(x)).sum()
    }

    /// `sum_i J_i`, taken where the densities are lowest: elsewhere it is a small difference of large terms.
    fn net_current(&self) -> f64 {
        let height = |e: usize| self.tilt[e].max(self.tilt[e + 1]);
        let elements = 0..self.mesh.len() - 1;
        let lowest = elements.fold(0, |low, e| if height(e) < height(low) { e } else { low });
        self.current[lowest].iter().map(|c| c[0]).sum()
    }

    /// The relative difference of the net current round a ring from that of another law. Where it vanishes,
    /// the currents that force and diffusion drive against each other at the lowest density are the measure.
    fn net_difference(&self, other: &Law) -> f64 {
        if !self.ring {
            return 0.0;
        }
        let length = self.mesh[self.mesh.len() - 1];
        let lowest = self.tilt.iter().copied().fold(f64::INFINITY, f64::min);
        let size = |i: usize| self.fastest[i] * (self.steepest[i] + 1.0 / length) * self.base[i].abs();
        let natural = libm::exp(lowest) * (0..self.base.len()).map(size).sum::<f64>();
        let (found, before) = (self.net_current(), other.net_current());
        (found - before).abs() / found.abs().max(1e-4 * natural).max(f64::MIN_POSITIVE)
    }

    /// `phi` for another mesh: the logarithm of the sum of all `v_i` of this law, largest zero, and zero
    /// everywhere if this law needed none.
    pub(super) fn logarithms(&self, mesh: &[f64]) -> Vec<f64> {
        if self.steepest.iter().all(|h| *h == 0.0) {
            return vec![0.0; mesh.len()];
        }
        let last = mesh[mesh.len() - 1];
        let logarithm = |x: &f64| {
            let (e, s) = self.locate(if self.ring && *x == last { 0.0 } else { *x });
            let (left, right) = (self.tilt[e], self.tilt[e + 1]);
            let sum: f64 = (0..self.base.len()).map(|i| self.scaled(e, i, s)).sum();
            // A law that is not resolved yet need not be positive.
            left + 0.5 * (s + 1.0) * (right - left) + libm::log(sum.clamp(1e-12, 1e12))
        };
        tilt::from_largest(mesh.iter().map(logarithm).collect())
    }

    /// Element that holds `x`, and the position in it.
    pub(super) fn locate(&self, x: f64) -> (usize, f64) {
        let after = self.mesh.partition_point(|v| *v <= x);
        let e = after.clamp(1, self.mesh.len() - 1) - 1;
        let (a, b) = (self.mesh[e], self.mesh[e + 1]);
        (e, ((x - a) / (b - a) * 2.0 - 1.0).clamp(-1.0, 1.0))
    }

    /// Largest magnitude over the sample points, given by index, of all elements.
    fn largest(&self, value: impl Fn(usize, usize) -> f64) -> f64 {
        let elements = 0..self.mesh.len() - 1;
        let points = elements.flat_map(|e| (0..SAMPLES.len()).map(move |k| (e, k)));
        points.map(|(e, k)| value(e, k).abs()).fold(0.0, f64::max)
    }

    /// Which elements do not resolve a current, or a function of position, to the tolerance.
    fn unresolved(&self, model: &Model, tolerance: f64) -> Result<Vec<bool>, TheoryError> {
        let reference = Reference::new(DEGREE);
        let elements = || self.mesh.windows(2);
        let mut rough = vec![false; self.mesh.len() - 1];
        for ends in elements() {
            reference.rule.on(ends[0], ends[1]).try_for_each(|(x, _)| temperature(model, x).map(drop))?;
        }
        for field in fields(model).into_iter().filter(|f| f.constant().is_none()) {
            let profile = |ends: &[f64]| -> Vec<f64> {
                reference.rule.on(ends[0], ends[1]).map(|(x, _)| field.value(x)).collect()
            };
            let profiles: Vec<_> = elements().map(profile).collect();
            let all = profiles.iter().flatten();
            let highest = all.clone().copied().fold(f64::NEG_INFINITY, f64::max);
            let lowest = all.copied().fold(f64::INFINITY, f64::min);
            let fine = tolerance * (highest - lowest) + 32.0 * f64::EPSILON * highest.abs().max(lowest.abs());
            for ((ends, values), rough) in elements().zip(&profiles).zip(&mut rough) {
                let tail = |l: usize| -> f64 {
                    reference.projection[l].iter().zip(values).map(|(p, v)| p * v).sum()
                };
                let last = reference.projection.len() - 1;
                // A jump nobody declared matters as little as the element that holds it is narrow.
                let share = (ends[1] - ends[0]) / model.domain.length;
                *rough |= share * tail(last).abs().max(tail(last - 1).abs()) > fine;
            }
        }
        let rounding: Vec<f64> = (0..self.base.len()).map(|i| self.rounding(i)).collect();
        let bent = self.current.iter().map(|currents| {
            currents.iter().enumerate().any(|(i, c)| {
                let tail = c.iter().rev().take(2).fold(0.0, |m: f64, v| m.max(v.abs()));
                tail > (tolerance * self.scale[i]).max(50.0 * rounding[i])
            })
        });
        Ok(rough.into_iter().zip(bent).map(|(rough, bent)| rough || bent).collect())
    }

    /// Per element, the largest relative difference from another solution on the same mesh.
    fn differences(&self, other: &Law) -> Vec<f64> {
        let states = self.base.len();
        let length = self.mesh[self.mesh.len() - 1];
        let heat = |law: &Law, e: usize, k: usize| -> f64 {
            (0..states).map(|i| self.sampled[e][i][k] * series(&law.current[e][i], SAMPLES[k])).sum()
        };
        let slope = |law: &Law, e: usize, k: usize| -> f64 {
            let half = 0.5 * (law.mesh[e + 1] - law.mesh[e]);
            // Relative to exp(phi).
            let fall = (law.tilt[e + 1] - law.tilt[e]) / (2.0 * half);
            let of_state = |i: usize| {
                let derivative = series(&series_derivative(&law.deviation[e][i]), SAMPLES[k]);
                (derivative / half + fall * law.scaled(e, i, SAMPLES[k])) / self.capacity[e][i][k]
            };
            (0..states).map(of_state).sum()
        };
        let sum = |f: &dyn Fn(usize) -> f64| -> f64 { (0..states).map(f).sum() };
        let floor = |weight: &dyn Fn(usize) -> f64| {
            sum(&|i| {
                let size = self.base[i].abs();
                let natural = self.gross[i].min(self.fastest[i] * size / length);
                let floor = (1e-6 * natural).max(1e9 * self.rounding(i));
                weight(i) * floor.max(1e-4 * self.pushed(i, size))
            })
        };
        let smallest = |i: usize| {
            let all = self.capacity.iter().flat_map(|of_element| &of_element[i]);
            all.copied().fold(f64::INFINITY, f64::min)
        };
        let heat_scale = self
            .largest(|e, k| heat(self, e, k))
            .max(floor(&|i| self.largest(|e, k| self.sampled[e][i][k])))
            .max(f64::MIN_POSITIVE);
        let slope_scale = self
            .largest(|e, k| slope(self, e, k))
            .max(floor(&|i| 1.0 / (self.fastest[i] * smallest(i))))
            .max(f64::MIN_POSITIVE);
        let density = |e: usize, i: usize, k: usize, v: f64| v / self.capacity[e][i][k];
        let sizes: Vec<f64> = (0..states)
            .map(|i| {
                let largest = self.largest(|e, k| density(e, i, k, self.scaled(e, i, SAMPLES[k])));
                largest.max(f64::MIN_POSITIVE)
            })
            .collect();
        let at = |e: usize, k: usize| -> f64 {
            let mut worst = (heat(self, e, k) - heat(other, e, k)).abs() / heat_scale;
            worst = worst.max((slope(self, e, k) - slope(other, e, k)).abs() / slope_scale);
            let s = SAMPLES[k];
            for (i, size) in sizes.iter().enumerate() {
                let v = self.scaled(e, i, s) - other.scaled(e, i, s);
                let current = series(&self.current[e][i], s) - series(&other.current[e][i], s);
                let scale = self.scale[i].max(f64::MIN_POSITIVE);
                worst = worst.max(density(e, i, k, v).abs() / size).max(current.abs() / scale);
            }
            worst
        };
        let points = 0..SAMPLES.len();
        (0..self.mesh.len() - 1).map(|e| points.clone().map(|k| at(e, k)).fold(0.0, f64::max)).collect()
    }
}

/// Points of an element at which solutions are compared.
pub(super) const SAMPLES: [f64; 9] = [-1.0, -0.93, -0.71, -0.38, 0.0, 0.38, 0.71, 0.93, 1.0];

/// Combinations of states with integer coefficients, in which slow sums are unknowns of their own.
///
/// Edges are taken in the order of their rates, fastest first; each that joins two clusters of
/// states makes one unknown, the sum of `u_i` over the smaller of the two, and one equation, the sum
/// of the equations over it. Edges inside a cluster drop out of its equation. What is left at the
/// end is the sum over all states: known where the mobilities have one shape, otherwise the last
/// unknown, fixed at the first vertex.
#[derive(Debug)]
pub(super) struct Clusters {
    /// The states summed in each unknown.
    pub(super) members: Vec<Vec<bool>>,
    /// `restore[i][m]`: by how much `v_i` changes with unknown `m`.
    pub(super) restore: Vec<Vec<f64>>,
    /// Per edge, the equations that it enters: `+1` with its second state, `-1` with its first.
    crossing: Vec<Vec<(usize, f64)>>,
    /// The state that carries the whole sum when all unknowns are zero.
    last: usize,
    /// Whether the sum over all states is the last unknown.
    total: bool,
}

impl Clusters {
    fn new(pairs: &[[usize; 2]], coefficients: &[Vec<Coefficients>], states: usize, one_shape: bool) -> Self {
        let mut strength = vec![0.0; pairs.len()];
        for at in coefficients.iter().flatten() {
            strength.iter_mut().zip(&at.edges).for_each(|(s, [f, b])| *s += f + b);
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
        let (last, total) = (name[0], !one_shape);
        if total {
            members.push(vec![true; states]);
            for (i, row) in restore.iter_mut().enumerate() {
                row.push(if i == last { 1.0 } else { 0.0 });
            }
        }
        let enters = |&[i, j]: &[usize; 2]| {
            let all = members.iter().enumerate();
            let crossed = all.filter(|(_, of)| of[i] != of[j]);
            crossed.map(|(m, of)| (m, if of[j] { 1.0 } else { -1.0 })).collect()
        };
        let crossing = pairs.iter().map(enters).collect();
        Clusters { members, restore, crossing, last, total }
    }
}

/// The discrete equations.
pub(super) struct System<'a> {
    pub(super) mesh: &'a [f64],
    /// `phi` at the vertices.
    tilt: &'a [f64],
    /// Whether the last vertex is the first again.
    ring: bool,
    pub(super) reference: &'a Reference,
    /// The two states of every edge.
    pub(super) pairs: Vec<[usize; 2]>,
    /// Per element and Gauss point.
    pub(super) coefficients: Vec<Vec<Coefficients>>,
    /// `g_i(x_0)`.
    at_reference: Vec<f64>,
    pub(super) states: usize,
    pub(super) clusters: Clusters,
}

/// Values at all nodes: per vertex, and per element at its interior nodes; states vary fastest.
#[derive(Clone)]
struct Nodes {
    vertices: Vec<Twofold>,
    interiors: Vec<Vec<Twofold>>,
}

impl<'a> System<'a> {
    /// The equations on a mesh. The sum over all states is an unknown too if `total`, and where it is not
    /// known.
    pub(super) fn new(
        model: &Model,
        mesh: &'a [f64],
        tilt: &'a [f64],
        reference: &'a Reference,
        total: bool,
    ) -> Result<Self, TheoryError> {
        let at_reference: Vec<f64> =
            motilities(model, REFERENCE * model.domain.length)?.into_iter().map(|[_, g]| g).collect();
        let pairs: Vec<[usize; 2]> = model.network.edges().iter().map(|e| e.between).collect();
        let mut coefficients = mesh
            .windows(2)
            .zip(tilt.windows(2))
            .map(|(ends, phi)| {
                let points = reference.rule.on(ends[0], ends[1]).zip(&reference.rule.points);
                let rise = phi[1] - phi[0];
                let at = |((x, _), s): ((f64, f64), &f64)| -> Result<Coefficients, TheoryError> {
                    let mut at = Coefficients::at(model, &at_reference, x)?;
                    at.force.iter_mut().for_each(|h| *h -= rise / (ends[1] - ends[0]));
                    at.factor = libm::exp(0.5 * (s + 1.0) * rise);
                    Ok(at)
                };
                points.map(at).collect()
            })
            .collect::<Result<Vec<Vec<Coefficients>>, _>>()?;
        // Mobilities of one shape: equal up to the rounding of their functions.
        let alike = |c: &Coefficients| c.mobility.iter().all(|a| (a - c.mobility[0]).abs() <= 1e-13 * a);
        let one_shape = coefficients.iter().flatten().all(alike);
        if one_shape {
            coefficients.iter_mut().flatten().for_each(|c| {
                let first = c.mobility[0];
                c.mobility.fill(first);
            });
        }
        let clusters = Clusters::new(&pairs, &coefficients, at_reference.len(), one_shape && !total);
        let states = at_reference.len();
        let ring = model.domain.walls == Boundary::Periodic;
        Ok(System { mesh, tilt, ring, reference, pairs, coefficients, at_reference, states, clusters })
    }

    /// How many vertices hold unknowns of their own.
    fn vertices(&self) -> usize {
        if self.ring { self.mesh.len() - 1 } else { self.mesh.len() }
    }

    /// The vertex at which the sum of all unknowns is fixed: where the density is highest, because the
    /// rounding of all other equations gathers there.
    fn pinned(&self) -> usize {
        (0..self.vertices()).fold(0, |best, v| if self.tilt[v] > self.tilt[best] { v } else { best })
    }

    /// What the row of node `a` of element `e` is multiplied with, so that no row is large or small because
    /// the density is, and relative to the left end, as [`Coefficients::factor`].
    pub(super) fn row_scale(&self, e: usize, a: usize) -> f64 {
        let s = self.reference.nodes[a];
        libm::exp(-0.5 * (s + 1.0) * (self.tilt[e + 1] - self.tilt[e]))
    }

    /// Unknowns per node.
    pub(super) fn width(&self) -> usize {
        self.clusters.members.len()
    }

    fn solve(&self) -> Result<Nodes, TheoryError> {
        let (n, elements) = (self.states, self.mesh.len() - 1);
        let start = |i: usize| Twofold::from(if i % n == self.clusters.last { 1.0 } else { 0.0 });
        let inner = (self.reference.degree - 1) * n;
        let mut nodes = Nodes {
            vertices: (0..self.vertices() * n).map(start).collect(),
            interiors: vec![(0..inner).map(start).collect(); elements],
        };
        if self.width() == 0 {
            return Ok(nodes);
        }
        let singular = TheoryError::Singular { elements };
        let matrices = (0..elements).map(|e| self.matrix(e));
        let chain = Chain::new(matrices, self.width(), self.ring).ok_or(singular.clone())?;
        if !self.is_regular(&chain, &nodes) {
            return Err(singular);
        }
        // With forces a first guess of `phi` may be far off, and the unknowns as large; and the balance of
        // force and diffusion is rounded like the force itself, which limits what refinement can do.
        let forced = self.coefficients.iter().flatten().any(|at| at.force.iter().any(|h| *h != 0.0));
        let (most, least) = if forced { (1e15, 1e-8) } else { (1e6, 1e-14) };
        let (mut before, mut largest) = (f64::INFINITY, 1.0f64);
        for _ in 0..20 {
            let (mut vertices, mut interiors) = self.residual(&nodes);
            chain.solve(&mut vertices, &mut interiors);
            let numbers = vertices.iter().chain(interiors.iter().flatten());
            let size = numbers.fold(0.0, |m: f64, d| if d.is_nan() { f64::NAN } else { m.max(d.abs()) });
            if size.is_nan() || size >= most {
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
            largest = largest.max(size);
            if size < 1e-25 {
                break;
            }
        }
        if before > least * largest { Err(singular) } else { Ok(nodes) }
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

    /// Adds a correction of the unknowns.
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
            let vertex = if a == 0 { e } else { (e + 1) % self.vertices() };
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

    /// `-int phi_a' a_i v_i' + int phi_a source_i` for every node, summed over every cluster.
    fn residual(&self, nodes: &Nodes) -> (Vec<f64>, Vec<Vec<f64>>) {
        let (n, w, degree) = (self.states, self.width(), self.reference.degree);
        let elements = self.mesh.len() - 1;
        let mut vertices = vec![0.0; self.vertices() * w];
        let mut interiors = vec![vec![0.0; (degree - 1) * w]; elements];
        for e in 0..elements {
            let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
            let differences = self.differences(nodes, e);
            let left = self.node(nodes, e, 0);
            let mut rows = vec![vec![0.0; w]; degree + 1];
            for (q, at) in self.coefficients[e].iter().enumerate() {
                let (basis, slope) = (&self.reference.basis[q], &self.reference.slope[q]);
                let mut value = vec![0.0; n];
                let mut gradient = vec![0.0; n];
                for (a, d) in differences.iter().enumerate() {
                    for i in 0..n {
                        value[i] += basis[a] * d[i];
                        gradient[i] += slope[a] * d[i];
                    }
                }
                for (i, (g, force)) in gradient.iter_mut().zip(&at.force).enumerate() {
                    *g -= half * force * (left[i].value() + value[i]);
                }
                let sum = |of: &Vec<bool>| -> f64 {
                    let each = gradient.iter().zip(&at.mobility).zip(of).filter(|(_, inside)| **inside);
                    each.map(|((g, a), _)| a * g).sum()
                };
                let slopes: Vec<f64> = self.clusters.members.iter().map(sum).collect();
                let mut source = vec![0.0; w];
                let edges = self.pairs.iter().zip(&self.clusters.crossing);
                for ([f, b], (&[i, j], crossing)) in at.edges.iter().zip(edges) {
                    let constant = left[i].times(*f).minus(left[j].times(*b)).value();
                    let net = constant + (f * value[i] - b * value[j]);
                    for (m, sign) in crossing {
                        source[*m] += sign * net;
                    }
                }
                let weight = self.reference.rule.weights[q] * at.factor;
                for (a, row) in rows.iter_mut().enumerate() {
                    let (of_source, of_gradient) = (weight * half * basis[a], weight / half * slope[a]);
                    for (r, (s, g)) in row.iter_mut().zip(source.iter().zip(&slopes)) {
                        *r += of_source * s - of_gradient * g;
                    }
                }
            }
            let next = (e + 1) % self.vertices();
            for (a, row) in rows.iter().enumerate() {
                let target = match a {
                    0 => &mut vertices[e * w..(e + 1) * w],
                    _ if a == degree => &mut vertices[next * w..(next + 1) * w],
                    _ => &mut interiors[e][(a - 1) * w..a * w],
                };
                let scale = self.row_scale(e, a);
                target.iter_mut().zip(row).for_each(|(t, r)| *t += scale * r);
            }
        }
        if self.clusters.total {
            let pinned = self.pinned();
            let here = &nodes.vertices[pinned * self.states..(pinned + 1) * self.states];
            let sum = here.iter().fold(Twofold::from(1.0), |rest, v| rest.minus(*v));
            vertices[(pinned + 1) * w - 1] = sum.value();
        }
        (vertices, interiors)
    }

    /// Minus the derivative of the residual of element `e`; local order: left vertex, right vertex,
    /// interior.
    pub(super) fn matrix(&self, e: usize) -> Matrix {
        let (w, degree) = (self.width(), self.reference.degree);
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        let place = |a: usize| match a {
            0 => 0,
            _ if a == degree => 1,
            _ => a + 1,
        };
        let mut matrix = Matrix::zeros((degree + 1) * w, (degree + 1) * w);
        let restore = &self.clusters.restore;
        let scales: Vec<f64> = (0..=degree).map(|a| self.row_scale(e, a)).collect();
        for (q, at) in self.coefficients[e].iter().enumerate() {
            // d(flux of a cluster)/d(slope of an unknown).
            let flux = |of: &Vec<bool>| -> Vec<f64> {
                let inside = || (0..self.states).filter(|i| of[*i]);
                (0..w).map(|c| inside().map(|i| at.mobility[i] * restore[i][c]).sum()).collect()
            };
            let stiff: Vec<Vec<f64>> = self.clusters.members.iter().map(flux).collect();
            // The same of an unknown itself.
            let push = |of: &Vec<bool>| -> Vec<f64> {
                let inside = || (0..self.states).filter(|i| of[*i]);
                let each = |c: usize| inside().map(move |i| at.mobility[i] * at.force[i] * restore[i][c]);
                (0..w).map(|c| half * each(c).sum::<f64>()).collect()
            };
            let pushed: Vec<Vec<f64>> = self.clusters.members.iter().map(push).collect();
            let (basis, slope) = (&self.reference.basis[q], &self.reference.slope[q]);
            let weight = self.reference.rule.weights[q] / half * at.factor;
            for a in 0..=degree {
                let weight = weight * scales[a] * slope[a];
                for (i, (entries, pushed)) in stiff.iter().zip(&pushed).enumerate() {
                    let row = matrix.row_mut(place(a) * w + i);
                    for (c, (entry, push)) in entries.iter().zip(pushed).enumerate() {
                        if *entry != 0.0 || *push != 0.0 {
                            for b in 0..=degree {
                                row[place(b) * w + c] += weight * (slope[b] * entry - basis[b] * push);
                            }
                        }
                    }
                }
            }
            // d(source of a cluster)/d(unknown).
            let mut reduced = vec![vec![0.0; w]; w];
            let edges = self.pairs.iter().zip(&self.clusters.crossing);
            for ([f, b], (&[i, j], crossing)) in at.edges.iter().zip(edges) {
                for (m, sign) in crossing {
                    for (c, entry) in reduced[*m].iter_mut().enumerate() {
                        *entry += sign * (f * restore[i][c] - b * restore[j][c]);
                    }
                }
            }
            let weight = self.reference.rule.weights[q] * half * at.factor;
            for a in 0..=degree {
                for (i, entries) in reduced.iter().enumerate() {
                    let row = matrix.row_mut(place(a) * w + i);
                    for b in 0..=degree {
                        let factor = weight * scales[a] * basis[a] * basis[b];
                        let block = &mut row[place(b) * w..(place(b) + 1) * w];
                        block.iter_mut().zip(entries).for_each(|(m, r)| *m -= factor * r);
                    }
                }
            }
        }
        if self.clusters.total {
            // The sum over all equations of all nodes is empty; this one fixes the sum of all y instead.
            let (pinned, last) = (self.pinned(), self.mesh.len() - 2);
            for (vertex, row) in [(e, w - 1), ((e + 1) % self.vertices(), 2 * w - 1)] {
                if vertex == pinned {
                    let entries = matrix.row_mut(row);
                    entries.fill(0.0);
                    // Two elements share the vertex, unless it is a wall.
                    if row == w - 1 || (e == last && !self.ring) {
                        entries[row] = 1.0;
                    }
                }
            }
        }
        matrix
    }

    /// `y_i(0)`.
    fn base(&self, nodes: &Nodes) -> Vec<f64> {
        self.node(nodes, 0, 0).iter().map(|u| u.value()).collect()
    }

    /// Legendre coefficients of `y_i(x) - y_i(0)` on element `e`, per state.
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

    /// Legendre coefficients of `J_i = -a_i exp(phi) (y_i' - force_i y_i)` on element `e`, per state: projected on
    /// the degree of `y_i'`, so that the equation of the sum over all states makes them cancel exactly, or
    /// agree in all elements of a ring.
    fn currents(&self, nodes: &Nodes, e: usize) -> Vec<Vec<f64>> {
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        let differences = self.differences(nodes, e);
        let derivative = |i: usize| -> Vec<f64> {
            let row = |t: &Vec<f64>| t.iter().zip(&differences).map(|(t, d)| t * d[i]).sum();
            let c: Vec<f64> = self.reference.transform.iter().map(row).collect();
            series_derivative(&c).into_iter().map(|d| -d / half).collect()
        };
        let (left, here) = (self.node(nodes, e, 0), &self.coefficients[e]);
        let project = |i: usize, slope: Vec<f64>| -> Vec<f64> {
            let first = here[0].mobility[i];
            if here.iter().all(|at| at.mobility[i] == first && at.force[i] == 0.0 && at.factor == 1.0) {
                return slope.into_iter().map(|c| self.scale(e) * first * c).collect();
            }
            let flux = |(q, at): (usize, &Coefficients)| {
                let basis = self.reference.basis[q].iter().zip(&differences);
                let value = left[i].value() + basis.map(|(b, d)| b * d[i]).sum::<f64>();
                let gradient = series(&slope, self.reference.rule.points[q]) + at.force[i] * value;
                self.scale(e) * at.factor * at.mobility[i] * gradient
            };
            let values: Vec<f64> = here.iter().enumerate().map(flux).collect();
            let row = |p: &Vec<f64>| p.iter().zip(&values).map(|(p, v)| p * v).sum();
            self.reference.projection[..slope.len()].iter().map(row).collect()
        };
        (0..self.states).map(|i| project(i, derivative(i))).collect()
    }

    /// `exp(phi)` at the left end of element `e`.
    fn scale(&self, e: usize) -> f64 {
        libm::exp(self.tilt[e])
    }

    /// Legendre coefficients of `net_e` on element `e`, per edge.
    fn net(&self, nodes: &Nodes, e: usize) -> Vec<Vec<f64>> {
        let differences = self.differences(nodes, e);
        let left = self.node(nodes, e, 0);
        let points = self.coefficients[e].iter().zip(&self.reference.basis);
        let values: Vec<Vec<f64>> = points
            .map(|(at, basis)| {
                let value = |i: usize| -> f64 { basis.iter().zip(&differences).map(|(b, d)| b * d[i]).sum() };
                let net = |([f, b], &[i, j]): (&[f64; 2], &[usize; 2])| {
                    let constant = left[i].times(*f).minus(left[j].times(*b)).value();
                    self.scale(e) * at.factor * (constant + (f * value(i) - b * value(j)))
                };
                at.edges.iter().zip(&self.pairs).map(net).collect()
            })
            .collect();
        let coefficient =
            |k: usize, row: &Vec<f64>| -> f64 { row.iter().zip(&values).map(|(p, v)| p * v[k]).sum() };
        let of_edge = |k: usize| self.reference.projection.iter().map(|row| coefficient(k, row)).collect();
        (0..self.pairs.len()).map(of_edge).collect()
    }
}
