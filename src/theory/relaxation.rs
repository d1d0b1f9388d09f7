//! Relaxation: the densities of a particle with internal states at given times, from a given start
//! (Eqs 3-4 of the paper in time).
//!
//! # Equation
//! ```text
//! d_t P_i = -J_i' + sum_edges (+-) net_e,      net_e = k_f P_from - k_b P_to,                     (1)
//! J_i = -(1/g_i) [d_x(w_i P_i) - h_i w_i P_i],   J_i = 0 at both walls,                           (2)
//! ```
//! with `w = D`, `g = 1` for a diffusivity (Ito) and `w = kT`, `g = gamma` for a friction (see
//! [`Motility`](crate::model::Motility)), `h` the force over `kT` ([`Model::force_over_thermal_energy`]);
//! `P_i` a density, 1/length, of one particle. On a ring the ends are one point instead of two walls. (1) is linear and its
//! coefficients do not depend on time. At uniform `T` the amplitudes `a_i = int cos(q x) P_i dx` of a mode
//! `q = pi n/L` obey `d_t a = (K - q^2 diag(D)) a`.
//!
//! # Method
//! In x the spectral elements of [`stationary`](super::stationary): `u_i = w_i P_i` is continuous and a
//! polynomial of degree 10 (14 for the solution that is returned) on every element, in the weak form whose
//! total probability is kept exactly. Element boundaries lie at kinks of every function of position and of
//! the start, and crowd there and at the walls: the first elements are as wide as two layers of the
//! transitions, or as the way that the slowest state diffuses until the first time asked for.
//!
//! In time Nørsett's restricted Padé approximation of the exponential, of order 8 with one real pole and
//! L-stable: one real matrix a step length, 8 backward substitutions a step. Steps grow in proportion to the
//! time that has passed, from 1/16 of the first time on. Fast transitions and the fine structure of the start are
//! damped in the first steps and need no small ones; refined residuals keep probability through fast
//! transitions to rounding.
//!
//! A particle that starts at a point enters as what it is: the equations ask for `int phi P_i dx` with smooth
//! `phi` only, which is `phi(x_0)`. No width is given to it. What an element cannot resolve of it has decayed
//! at the first time asked for, since elements at `x_0` are chosen for that time.
//!
//! # Error
//! Elements are bisected until Legendre coefficients decay, steps halved until halving changes nothing,
//! and the result is computed again with polynomials of degree 14 and half the step. The estimate is the
//! sum of the last two changes. Densities may be negative by as much.
//!
//! # When not to trust it
//! Rates times the longest step beyond about 1e13 are refused as singular. Networks that are driven hard and
//! drifts round a ring, with many oscillations before they decay, need as many steps. Where the law has died out, far from where the
//! particle began, a density is good to the estimate times the largest density and not relative to itself.
//!
//! # Example
//! ```
//! use soret::grid::Grid;
//! use soret::model::{Edge, Model, State, Uniform};
//! use soret::theory::relaxation::{self, Initial, Occupancy, Options, Positions};
//!
//! let states = vec![State::new("excited", 1.0, 1e-2), State::new("ground", 0.0, 1e-3)];
//! let model = Model::new(1.0, Uniform(1.0), states, vec![Edge::new([0, 1], 1.0, 1.5)])?;
//! let start = Initial { positions: Positions::Point(0.3), states: Occupancy::LocalEquilibrium };
//! let relaxation = relaxation::solve(&model, &start, &[1.0, 1e5], &Options::default())?;
//! let late = relaxation.snapshots().last().expect("two times");
//! let bins = late.density(None, &Grid::new(1.0, 4)).expect("a grid of the model's length");
//! assert!(bins.iter().all(|p| (p - 1.0).abs() < 1e-8));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reference
//! Nørsett, BIT 14, 99 (1974); Hairer & Wanner, Solving Ordinary Differential Equations II, section IV.6.

use super::displacement;
use super::element::{Reference, series};
use super::evolution::{Discretisation, Profile, force, locate};
use super::functionals::quadrature;
use super::stationary::{DEGREE, bisect, graded, thinnest_layer};
use super::{TheoryError, breakpoints, motilities};
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Boundary, Field, Model};
use crate::observable::{Instant, Observable};
use std::sync::Arc;

/// The law of position and state at time 0: `P_i(x, 0)` in proportion to `positions(x) states_i(x)`.
#[derive(Clone, Debug)]
pub struct Initial {
    /// Where the particle is.
    pub positions: Positions,
    /// In which state it is there.
    pub states: Occupancy,
}

/// The law of the position at time 0.
#[derive(Clone, Debug)]
pub enum Positions {
    /// The same density everywhere.
    Uniform,
    /// `1/<D>(x)`, averaged with the occupancies at local equilibrium: the stationary density for fast
    /// transitions and diffusivities.
    InverseDiffusivity,
    /// All at one position.
    Point(f64),
    /// A density up to a factor.
    Profile(Arc<dyn Field>),
}

/// The law of the state at time 0.
#[derive(Clone, Debug)]
pub enum Occupancy {
    /// Local equilibrium, see [`Model::local_equilibrium`].
    LocalEquilibrium,
    /// The same everywhere, one weight per state.
    Weights(Vec<f64>),
    /// One weight per state that varies in x; only the product with the density of positions matters.
    Varying(Vec<Arc<dyn Field>>),
}

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-11 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused
    /// ([`TheoryError::NotConverged`]). Between the two it is returned with its estimate.
    pub limit: f64,
    /// Elements beyond which the mesh is not refined; at least 8.
    pub max_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-8, limit: 1e-6, max_elements: 1000 }
    }
}

/// When somebody begins to look, later than the start: the first of the times.
#[derive(Clone, Copy, Debug)]
struct Opening {
    time: f64,
    /// Where the first time asked for is, 1 if it is a later one.
    seen: usize,
}

/// The densities at every time asked for, as piecewise polynomials.
#[derive(Clone, Debug)]
pub struct Relaxation {
    model: Model,
    start: Start,
    times: Vec<f64>,
    opening: Option<Opening>,
    mesh: Vec<f64>,
    /// Per positive time.
    profiles: Vec<Profile>,
    estimate: f64,
    tolerance: f64,
}

/// Solves for the densities at `times`, in increasing order; time 0 is the start itself.
///
/// # Errors
/// [`TheoryError`]: an option, a time, the start, a length, a temperature or a rate out of range; a system
/// that is singular to working precision; an estimated error above `options.limit`.
pub fn solve(
    model: &Model,
    initial: &Initial,
    times: &[f64],
    options: &Options,
) -> Result<Relaxation, TheoryError> {
    check(times, options)?;
    let mut start = Start { model: model.clone(), initial: initial.clone(), norm: 1.0 };
    start.check()?;
    let positive: Vec<f64> = times.iter().copied().filter(|t| *t > 0.0).collect();
    let mut mesh = first_mesh(&start, positive.first().copied())?;
    start.norm = start.total(&mesh)?;
    let mut found = Relaxation {
        model: model.clone(),
        start,
        times: times.to_vec(),
        opening: None,
        mesh: mesh.clone(),
        profiles: Vec::new(),
        estimate: f64::INFINITY,
        tolerance: options.tolerance,
    };
    if positive.is_empty() {
        found.estimate = 0.0;
        return Ok(found);
    }
    let (coarse, fine) = (Reference::new(DEGREE), Reference::new(DEGREE + 4));
    let density = |x: f64| found.start.density(x);
    let [mut steps, most] = STEPS;
    let (mut halved_before, mut stagnant) = (f64::INFINITY, 0);
    let mut best: Option<(Vec<f64>, Vec<Profile>)> = None;
    loop {
        let rough = Discretisation::new(model, &mesh, &coarse)?;
        let load = found.start.load(&rough)?;
        let wide = rough.evolve(load.clone(), &positive, steps)?;
        let finer = bisect(&mesh, &rough.unresolved(&wide, &density, options.tolerance)?);
        if finer.len() > mesh.len() && finer.len() <= options.max_elements + 1 {
            mesh = finer;
            continue;
        }
        let halved = rough.evolve(load, &positive, 2 * steps)?;
        let in_time = rough.differences(model, &halved, &wide).into_iter().fold(0.0, f64::max);
        if in_time > 0.5 * options.tolerance && in_time < 0.5 * halved_before && 2 * steps <= most {
            (steps, halved_before) = (2 * steps, in_time);
            continue;
        }
        let better = Discretisation::new(model, &mesh, &fine)?;
        let profiles = better.evolve(found.start.load(&better)?, &positive, 2 * steps)?;
        let differences = better.differences(model, &profiles, &halved);
        let estimate = in_time + differences.iter().copied().fold(0.0, f64::max);
        stagnant = if estimate > 0.3 * found.estimate { stagnant + 1 } else { 0 };
        if estimate < found.estimate {
            found.estimate = estimate;
            best = Some((mesh.clone(), profiles));
        }
        let marked: Vec<bool> = differences.iter().map(|d| *d > 0.1 * options.tolerance).collect();
        let finer = bisect(&mesh, &marked);
        let full = finer.len() == mesh.len() || finer.len() > options.max_elements + 1;
        if estimate <= options.tolerance || stagnant == 2 || full {
            break;
        }
        mesh = finer;
    }
    let (estimate, limit) = (found.estimate, options.limit);
    match best {
        Some(best) if estimate <= limit => {
            (found.mesh, found.profiles) = best;
            Ok(found)
        }
        _ => Err(TheoryError::NotConverged { estimate, limit, elements: mesh.len() - 1 }),
    }
}

/// The same for somebody who begins to look at `opening`: times and displacements count from there.
///
/// # Errors
/// As [`solve`].
pub fn solve_from(
    model: &Model,
    initial: &Initial,
    opening: f64,
    times: &[f64],
    options: &Options,
) -> Result<Relaxation, TheoryError> {
    if opening == 0.0 {
        return solve(model, initial, times, options);
    }
    let first = (times.first() != Some(&0.0)).then_some(0.0);
    let all: Vec<f64> = first.into_iter().chain(times.iter().copied()).map(|t| opening + t).collect();
    let seen = all.len() - times.len();
    Ok(Relaxation { opening: Some(Opening { time: opening, seen }), ..solve(model, initial, &all, options)? })
}

/// Steps that are made while the time doubles, at first and at most.
const STEPS: [usize; 2] = [4, 512];

fn check(times: &[f64], options: &Options) -> Result<(), TheoryError> {
    let Options { tolerance, limit, max_elements } = *options;
    let found = max_elements as f64;
    for (option, must, found, holds) in [
        ("tolerance", "between 1e-11 and 1e-2", tolerance, (1e-11..=1e-2).contains(&tolerance)),
        ("limit", "between the tolerance and 1", limit, limit >= tolerance && limit <= 1.0),
        ("max_elements", "at least 8", found, max_elements >= 8),
    ] {
        if !holds {
            return Err(TheoryError::Option { option, must, found });
        }
    }
    let mut before = 0.0;
    for &found in times {
        if !(found >= before && found.is_finite()) {
            let must = "finite, not negative and in increasing order";
            return Err(TheoryError::Option { option: "times", must, found });
        }
        before = found;
    }
    Ok(())
}

/// Elements that grow away from walls, kinks and the point of the start; as wide at first as two layers
/// or as the slowest state diffuses in `first`.
fn first_mesh(start: &Start, first: Option<f64>) -> Result<Vec<f64>, TheoryError> {
    let model = &start.model;
    let length = model.domain.length;
    let states = 0..model.network.states().len();
    let mut points = breakpoints(model)?;
    let inside = |x: &f64| *x > 1e-9 * length && *x < (1.0 - 1e-9) * length;
    let of_forces = states.clone().flat_map(|i| model.force_kinks(i));
    points.extend(of_forces.chain(start.places()).filter(inside));
    points.sort_by(f64::total_cmp);
    points.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * length);
    graded(&points, |x| {
        let motility = motilities(model, x)?;
        let slowest = motility.iter().map(|[w, g]| w / g).fold(f64::INFINITY, f64::min);
        let way = libm::sqrt(2.0 * slowest * first.unwrap_or(f64::INFINITY));
        let steepest = states.clone().try_fold(0.0, |m: f64, i| Ok(m.max(force(model, i, x)?.abs())))?;
        Ok(thinnest_layer(model, x)?.min(way).min(1.0 / steepest).max(1e-9 * length))
    })
}

/// The law at time 0, with what it is divided by.
#[derive(Clone, Debug)]
struct Start {
    model: Model,
    initial: Initial,
    norm: f64,
}

impl Start {
    fn check(&self) -> Result<(), TheoryError> {
        let states = self.model.network.states().len();
        let of_states = match &self.initial.states {
            Occupancy::LocalEquilibrium => states,
            Occupancy::Weights(weights) => {
                for &found in weights {
                    not_negative("the weight of a state", found)?;
                }
                weights.len()
            }
            Occupancy::Varying(fields) => fields.len(),
        };
        if of_states != states {
            let what = "the number of weights";
            return Err(TheoryError::Start { what, must: "that of the states", found: of_states as f64 });
        }
        match self.initial.positions {
            Positions::Point(found) if !(0.0..=self.model.domain.length).contains(&found) => {
                Err(TheoryError::Start { what: "the position", must: "inside the domain", found })
            }
            _ => Ok(()),
        }
    }

    /// Where the law at time 0 is not smooth.
    fn places(&self) -> Vec<f64> {
        let range = Interval::new(0.0, self.model.domain.length);
        let mut places = match &self.initial.positions {
            Positions::Point(x) => vec![*x],
            Positions::Profile(field) => field.kinks(range),
            Positions::Uniform | Positions::InverseDiffusivity => Vec::new(),
        };
        if let Occupancy::Varying(fields) = &self.initial.states {
            places.extend(fields.iter().flat_map(|field| field.kinks(range)));
        }
        places
    }

    /// Weights of the states at `x`.
    fn occupancy(&self, x: f64) -> Result<Vec<f64>, TheoryError> {
        match &self.initial.states {
            Occupancy::LocalEquilibrium => Ok(self.model.local_equilibrium(x)),
            Occupancy::Weights(weights) => Ok(weights.clone()),
            Occupancy::Varying(fields) => {
                fields.iter().map(|field| not_negative("the weight of a state", field.value(x))).collect()
            }
        }
    }

    /// The densities, up to the norm; nothing for a point.
    fn density(&self, x: f64) -> Result<Vec<f64>, TheoryError> {
        let along = match &self.initial.positions {
            Positions::Point(_) => return Ok(Vec::new()),
            Positions::Uniform => 1.0,
            Positions::InverseDiffusivity => {
                let occupancy = self.model.local_equilibrium(x).into_iter().enumerate();
                1.0 / occupancy.map(|(i, p)| p * self.model.diffusivity(i, x)).sum::<f64>()
            }
            Positions::Profile(field) => not_negative("the density of positions", field.value(x))?,
        };
        Ok(self.occupancy(x)?.into_iter().map(|p| along * p).collect())
    }

    /// `sum_i int P_i`, which must be usable as a norm.
    fn total(&self, mesh: &[f64]) -> Result<f64, TheoryError> {
        let mut found = 0.0;
        if let Positions::Point(x) = self.initial.positions {
            found = self.occupancy(x)?.iter().sum();
        } else {
            let mut failed = None;
            quadrature(mesh, 0.0, mesh[mesh.len() - 1], |x, weight| match self.density(x) {
                Ok(density) => found += weight * density.iter().sum::<f64>(),
                Err(error) => failed = Some(error),
            });
            failed.map_or(Ok(()), Err)?;
        }
        if found > 0.0 && found.is_finite() {
            Ok(found)
        } else {
            Err(TheoryError::Start { what: "the total weight", must: "positive and finite", found })
        }
    }

    fn load(&self, on: &Discretisation<'_>) -> Result<Vec<f64>, TheoryError> {
        match self.initial.positions {
            Positions::Point(x) => Ok(on.point(x, &self.occupancy(x)?)),
            _ => on.spread(&|x| self.density(x)),
        }
    }
}

fn not_negative(what: &'static str, found: f64) -> Result<f64, TheoryError> {
    if found >= 0.0 && found.is_finite() {
        Ok(found)
    } else {
        Err(TheoryError::Start { what, must: "finite and not negative", found })
    }
}

impl Relaxation {
    /// The model that was solved.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The times asked for.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The solution at every time asked for, in their order.
    pub fn snapshots(&self) -> impl ExactSizeIterator<Item = Snapshot<'_>> {
        let starts = self.times.len() - self.profiles.len();
        self.times.iter().enumerate().map(move |(k, time)| Snapshot {
            of: self,
            time: *time,
            profile: k.checked_sub(starts).map(|k| &self.profiles[k]),
        })
    }

    /// What is seen at one of the times, in the terms of the estimators: one value per bin, or one. `None` for
    /// averages over time, and for displacements where the equations depend on x.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let Observable::At(time, what) = observable else {
            return None;
        };
        let snapshot = self.snapshots().nth(time + self.opening.map_or(0, |o| o.seen))?;
        let some = |values: Vec<f64>| values.into_iter().map(Some).collect::<Vec<_>>();
        let ring = self.model.domain.walls == Boundary::Periodic;
        let values = match what {
            Instant::MeanConcentration(_) | Instant::Concentration(_) | Instant::Content => return None,
            Instant::Number(_) | Instant::NumberVariance(_) | Instant::NumberLaw(_) => return None,
            Instant::Density => some(snapshot.density(None, grid)?),
            Instant::StateDensity(s) => some(snapshot.density(Some(s), grid)?),
            Instant::Population(s) => vec![Some(*snapshot.populations().get(s)?)],
            Instant::MeanPosition => vec![Some(snapshot.mean_position())],
            Instant::Mode(s, n) => {
                vec![Some(*snapshot.cosine_mode(if ring { 2 * n } else { n }).get(s)?)]
            }
            Instant::Displacement | Instant::SquareDisplacement | Instant::Kurtosis => {
                let weights = match &self.start.initial.states {
                    _ if self.opening.is_some() => self.snapshots().next()?.populations(),
                    Occupancy::LocalEquilibrium => self.model.local_equilibrium(0.0),
                    Occupancy::Weights(weights) => {
                        let sum: f64 = weights.iter().sum();
                        weights.iter().map(|w| w / sum).collect()
                    }
                    Occupancy::Varying(_) => return None,
                };
                let elapsed = snapshot.time() - self.opening.map_or(0.0, |o| o.time);
                let [m1, m2, m3, m4] = displacement::moments(&self.model, &weights, elapsed)?;
                let variance = m2 - m1 * m1;
                let fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1.powi(4);
                vec![match what {
                    Instant::Displacement => Some(m1),
                    Instant::SquareDisplacement => Some(m2),
                    _ => Some(fourth / (variance * variance)).filter(|k| k.is_finite()),
                }]
            }
        };
        Some(values)
    }

    /// Estimated relative error: the largest change of a density `P_i` anywhere and at any time when steps are
    /// halved plus that when the degree is raised from 10 to 14, relative to the largest value of `P_i` at
    /// the same time (for states that are almost empty, to 1e-6 of the largest density of all).
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether the estimated error is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }

    /// Element boundaries, from wall to wall; they crowd where a solution bends.
    pub fn vertices(&self) -> &[f64] {
        &self.mesh
    }
}

/// The solution at one time.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    of: &'a Relaxation,
    time: f64,
    /// `None` at time 0.
    profile: Option<&'a Profile>,
}

impl Snapshot<'_> {
    /// When.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Densities `P_i(x, t)` of all states, 1/length. Positions outside the domain are moved to the nearer
    /// wall. `None` where a particle that starts at a point has not left it.
    pub fn density_at(&self, x: f64) -> Option<Vec<f64>> {
        let (model, start) = (&self.of.model, &self.of.start);
        let x = x.clamp(0.0, model.domain.length);
        let Some(profile) = self.profile else {
            let density = start.density(x).ok().filter(|density| !density.is_empty())?;
            return Some(density.into_iter().map(|p| p / start.norm).collect());
        };
        let (e, s) = locate(&self.of.mesh, x);
        let each = profile.transported[e].iter().enumerate();
        Some(each.map(|(i, c)| series(c, s) / model.weight(i, x)).collect())
    }

    /// `int_lo^hi f P_i dx` of all states. A start at a point belongs to `[lo, hi)`, at the far wall to the
    /// interval that ends there.
    pub fn integral(&self, [lo, hi]: [f64; 2], f: impl Fn(f64) -> f64) -> Vec<f64> {
        let (start, length) = (&self.of.start, self.of.model.domain.length);
        let mut sums = vec![0.0; self.of.model.network.states().len()];
        let mut add = |density: &[f64], factor: f64| {
            sums.iter_mut().zip(density).for_each(|(sum, p)| *sum += factor * p);
        };
        if let (None, Positions::Point(x)) = (self.profile, &start.initial.positions) {
            let holds = (lo..hi).contains(x) || (*x == length && hi >= length);
            let occupancy = start.occupancy(*x).unwrap_or_default();
            add(&occupancy, if holds { f(*x) / start.norm } else { 0.0 });
        } else {
            quadrature(&self.of.mesh, lo, hi, |x, weight| {
                add(&self.density_at(x).unwrap_or_default(), weight * f(x));
            });
        }
        sums
    }

    /// Bin averages of the density of a state, or of all together. `None`: no such state, or a grid of
    /// another length.
    pub fn density(&self, state: Option<usize>, grid: &Grid) -> Option<Vec<f64>> {
        let length = self.of.model.domain.length;
        if (grid.length - length).abs() > 1e-12 * length {
            return None;
        }
        let bin = |b: usize| {
            // The last face of a grid may differ from the wall by rounding.
            let ends = [grid.face(b).min(length), grid.face(b + 1).min(length)];
            let inside = self.integral(ends, |_| 1.0);
            let sum = match state {
                Some(i) => inside.get(i).copied()?,
                None => inside.iter().sum(),
            };
            Some(sum / (ends[1] - ends[0]))
        };
        (0..grid.bins).map(bin).collect()
    }

    /// Populations: the probability of every state.
    pub fn populations(&self) -> Vec<f64> {
        self.integral([0.0, self.of.model.domain.length], |_| 1.0)
    }

    /// Mean position `<x>`, a length.
    pub fn mean_position(&self) -> f64 {
        self.integral([0.0, self.of.model.domain.length], |x| x).iter().sum()
    }

    /// Amplitudes `int cos(n pi x/L) P_i dx` of all states.
    pub fn cosine_mode(&self, n: usize) -> Vec<f64> {
        let length = self.of.model.domain.length;
        let q = std::f64::consts::PI * n as f64 / length;
        self.integral([0.0, length], |x| libm::cos(q * x))
    }
}
