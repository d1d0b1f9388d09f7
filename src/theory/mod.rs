//! The deterministic continuum reference: what a simulation is compared with.
//!
//! Nothing here sees a random number, a kernel or an estimator; the only things shared with a
//! simulation are the [`Model`] and the vocabulary of
//! [`Observable`](crate::observable::Observable)s. Lengths, times and energies are those of the
//! experiment file; `kT` stands for `k_B T(x)`, an energy; densities are normalised to one particle.
//!
//! - [`stationary`]: the stationary law of n states at any rates (Eqs 3-4, 7, A16), diffusivities or
//!   frictions that vary in x, potentials, states that propel themselves, driven and one-way transitions,
//!   jumps of `T`, between walls or on a ring; with an error estimate.
//! - [`spreading`]: how a particle on a ring spreads in the long run.
//! - [`functionals`]: every observable, evaluated on that law.
//! - [`relaxation`]: the densities at given times from a given start, with an error estimate.
//! - [`kramers`]: the stationary law of positions, velocities and states of a particle with inertia
//!   (Eqs 17-22), with an error estimate.
//! - [`overdamped`]: closed forms of the same for a short mean free path, and where they hold.
//! - [`reaction`]: particles that react with each other: stationary and relaxing concentrations, the limit of
//!   fast reactions (Eqs 23-24, D1-D7), and the master equation of small systems.
//! - [`chain`]: the law of Euler-Maruyama's own chain of steps, constant diffusivities.
//! - [`coordinate`]: the stationary law of positions and one continuous internal coordinate (Eq 14), with
//!   an error estimate.
//! - [`coordinate_chain`]: the law of the chains of steps of one internal coordinate.
//! - [`coordinate_times`]: what such a particle does in time where nothing depends on x: its displacement.
//! - [`coordinate_limit`]: closed forms for internal coordinates that relax fast (Eq 16).
//! - [`fast_limit`]: closed forms for transitions much faster than diffusion (Eqs 9-13), and the
//!   thickness of the wall layers where they fail.
//!
//! # Example
//! ```
//! use soret::grid::Grid;
//! use soret::model::{Boundary, Domain, Edge, Model, Network, State, Uniform};
//! use soret::observable::Observable;
//! use soret::theory::stationary::{self, Options};
//! use std::sync::Arc;
//!
//! let model = Model {
//!     domain: Domain { length: 1.0, walls: Boundary::Reflecting },
//!     temperature: Arc::new(Uniform(1.0)),
//!     boltzmann: 1.0,
//!     potential: None,
//!     network: Network::new(
//!         vec![State::new("excited", 1.0, 1e-2), State::new("ground", 0.0, 1e-3)],
//!         vec![Edge::new([0, 1], 1.0, 1.5)],
//!     )?,
//!     coordinates: None,
//!     mixture: None,
//! };
//! let solution = stationary::solve(&model, &Options::default())?;
//! let density = solution.reference(Observable::Density, &Grid::new(1.0, 4));
//! let bins = density.into_iter().flatten().flatten();
//! assert!(bins.into_iter().all(|p| (p - 1.0).abs() < 1e-14));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod band;
pub mod chain;
pub mod coordinate;
pub mod coordinate_chain;
pub mod coordinate_limit;
pub mod coordinate_times;
pub mod displacement;
mod element;
mod evolution;
pub mod fast_limit;
pub mod functionals;
mod hermite;
pub mod kramers;
mod linear;
mod modes;
pub mod overdamped;
mod phase_functionals;
pub mod reaction;
pub mod relaxation;
pub mod spreading;
pub mod stationary;
mod tilt;
mod twofold;

pub use coordinate::CoordinateLaw;
pub use coordinate_limit::CoordinateLimit;
pub use coordinate_times::CoordinateTimes;
pub use fast_limit::FastLimit;
pub use kramers::Kramers;
pub use overdamped::Overdamped;
pub use relaxation::Relaxation;
pub use stationary::{Options, Stationary};

use crate::expression::Interval;
use crate::model::{CoordinateError, Field, Model, RateLaw};
use std::sync::Arc;

/// Why there is no continuum reference.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TheoryError {
    /// The domain has no usable length.
    #[error("the length of the domain must be positive and finite, found {found}")]
    Length {
        /// The length given.
        found: f64,
    },
    /// As many masses as states are needed.
    #[error("{expected} states need as many masses, found {found}")]
    Masses {
        /// Number of states.
        expected: usize,
        /// Number of masses.
        found: usize,
    },
    /// A mass is out of range.
    #[error("the mass of state {state} must be positive and finite, found {found}")]
    Mass {
        /// Index of the state.
        state: usize,
        /// The mass given.
        found: f64,
    },
    /// Inertia needs frictions: a diffusivity has no equation with velocities behind it.
    #[error("state {state} has a diffusivity, and a particle with inertia needs a friction")]
    NoFriction {
        /// Index of the state.
        state: usize,
    },
    /// A closed form does not hold for this model.
    #[error("this closed form needs {must}")]
    Premise {
        /// What the model must have.
        must: &'static str,
    },
    /// Forces along x, or a ring.
    #[error("the continuum theory does not know forces or rings yet")]
    Unsupported,
    /// An option is out of range.
    #[error("option {option} must be {must}, found {found}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What it must be.
        must: &'static str,
        /// What it is.
        found: f64,
    },
    /// The temperature is not positive and finite somewhere.
    #[error("the temperature must be positive and finite, found {found} at x = {x}")]
    Temperature {
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// A rate constant is too large to compute with somewhere.
    #[error("the rate constant of channel {channel} must be at most 1e100, found {found} at x = {x}")]
    Rate {
        /// Index of the channel.
        channel: usize,
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// A force over the thermal energy is not finite somewhere.
    #[error("the force on state {state} over the thermal energy must be finite, found {found} at x = {x}")]
    Force {
        /// Index of the state.
        state: usize,
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// A potential does not close on a ring.
    #[error("the potential of state {state} must be the same at both ends of a ring, found a step of {step}")]
    Closure {
        /// Index of the state.
        state: usize,
        /// `U(L) - U(0)`, an energy.
        step: f64,
    },
    /// A diffusivity or friction is not positive and finite somewhere.
    #[error("the {what} of state {state} must be positive and finite, found {found} at x = {x}")]
    Motility {
        /// Index of the state.
        state: usize,
        /// `diffusivity` or `friction`.
        what: &'static str,
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// A diffusivity or friction of a species is not positive and finite somewhere.
    #[error("the {what} of species {species} must be positive and finite, found {found} at x = {x}")]
    SpeciesMotility {
        /// Index of the species.
        species: usize,
        /// `diffusivity` or `friction`.
        what: &'static str,
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// A rate constant of a reaction is out of range somewhere.
    #[error(
        "the {} rate constant of reaction {reaction} must be from 0 to 1e100, found {found} at x = {x}",
        if *forward { "forward" } else { "backward" }
    )]
    RateConstant {
        /// Index of the reaction.
        reaction: usize,
        /// Which way.
        forward: bool,
        /// Where.
        x: f64,
        /// The value there.
        found: f64,
    },
    /// No stationary concentrations were found.
    #[error("no stationary concentrations were found: {why}")]
    Unsteady {
        /// Why, as far as it is known.
        why: &'static str,
    },
    /// The linear system cannot be solved in double precision: rates (times length^2 over
    /// diffusivity) that span too many orders of magnitude, or that vanish in a region.
    #[error("the equation is singular to working precision on {elements} elements")]
    Singular {
        /// Elements in use.
        elements: usize,
    },
    /// Refinement ended above the largest error that the caller accepts.
    #[error(
        "the estimated relative error {estimate:.1e} is above the accepted {limit:.1e} on {elements} elements"
    )]
    NotConverged {
        /// Estimated relative error of the best solution.
        estimate: f64,
        /// Largest accepted.
        limit: f64,
        /// Elements in use.
        elements: usize,
    },
    /// A closed form holds for detailed balance only, and a net flux runs along an edge.
    #[error("transition {edge} carries a net flux, and this closed form needs detailed balance")]
    Driven {
        /// Index of the edge.
        edge: usize,
    },
    /// The law at time 0 is out of range.
    #[error("the start: {what} must be {must}, found {found}")]
    Start {
        /// What of it.
        what: &'static str,
        /// What it must be.
        must: &'static str,
        /// What it is.
        found: f64,
    },
    /// A closed form does not exist in general.
    #[error("there is no closed form of {of}: {why}")]
    NoClosedForm {
        /// Of what.
        of: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// Internal coordinates that cannot be used.
    #[error("{0}")]
    Coordinate(CoordinateError),
    /// There is no closed form across a place where frictions of different states jump by different
    /// factors and the local occupancies jump too: the densities on both sides depend on the rates.
    #[error(
        "frictions of different states and the local occupancies jump together at x = {x}: no fast limit"
    )]
    Jump {
        /// Where.
        x: f64,
    },
}

/// The temperature at `x`, checked.
fn temperature(model: &Model, x: f64) -> Result<f64, TheoryError> {
    let found = model.temperature.value(x);
    if found > 0.0 && found.is_finite() { Ok(found) } else { Err(TheoryError::Temperature { x, found }) }
}

/// `w` and `g` of every state at `x` (see [`Motility`](crate::model::Motility)), checked.
/// With inertia a friction may vanish in places.
fn motilities(model: &Model, x: f64) -> Result<Vec<[f64; 2]>, TheoryError> {
    temperature(model, x)?;
    let inertia = model.is_underdamped();
    let of_state = |state: usize| {
        let (what, field) = model.network.states()[state].motility.parts();
        let pair = [model.weight(state, x), model.resistance(state, x)];
        let free = |k: usize, v: f64| k == 1 && v == 0.0 && inertia;
        let positive = |v: f64| v > 0.0 && v.is_finite() && (1.0 / v).is_finite();
        let usable = pair.iter().enumerate().all(|(k, v)| positive(*v) || free(k, *v));
        usable.then_some(pair).ok_or_else(|| TheoryError::Motility { state, what, x, found: field.value(x) })
    };
    (0..model.network.states().len()).map(of_state).collect()
}

/// Forward and backward rate constant of every edge at `x`, checked.
fn rates(model: &Model, x: f64) -> Result<Vec<[f64; 2]>, TheoryError> {
    temperature(model, x)?;
    let mut pairs = vec![[0.0; 2]; model.network.edges().len()];
    for channel in model.network.channels() {
        let found = model.rate(channel, x);
        if !(0.0..=1e100).contains(&found) {
            return Err(TheoryError::Rate { channel: channel.index, x, found });
        }
        pairs[channel.edge][channel.index % 2] = found;
    }
    Ok(pairs)
}

/// `h_i` of every state at `x` (see [`Model::force_over_thermal_energy`]), checked; zeros without forces.
fn forces(model: &Model, x: f64) -> Result<Vec<f64>, TheoryError> {
    let of_state = |state: usize| {
        if !model.has_force(state) {
            return Ok(0.0);
        }
        let found = model.force_over_thermal_energy(state, x);
        if found.is_finite() { Ok(found) } else { Err(TheoryError::Force { state, x, found }) }
    };
    (0..model.network.states().len()).map(of_state).collect()
}

/// Every function of position that a model is made of, the temperature first.
fn fields(model: &Model) -> Vec<&Arc<dyn Field>> {
    let mut fields = vec![&model.temperature];
    fields.extend(&model.potential);
    for state in model.network.states() {
        fields.push(state.motility.parts().1);
        fields.extend(state.potential.iter().chain(&state.drift));
    }
    for edge in model.network.edges() {
        if let RateLaw::Free { forward, backward } = &edge.law {
            fields.extend(forward.iter().chain(backward));
        }
    }
    fields
}

/// Walls (on a ring, its seam) and kinks: the positions between which every coefficient is smooth.
fn breakpoints(model: &Model) -> Result<Vec<f64>, TheoryError> {
    let forced = (0..model.network.states().len()).flat_map(|state| model.force_kinks(state));
    between(model.domain.length, fields(model).into_iter(), forced)
}

/// Both ends of the domain, the kinks of `fields` and `more`, sorted.
fn between<'a>(
    length: f64,
    fields: impl Iterator<Item = &'a Arc<dyn Field>>,
    more: impl Iterator<Item = f64>,
) -> Result<Vec<f64>, TheoryError> {
    if !(length > 0.0 && length.is_finite()) {
        return Err(TheoryError::Length { found: length });
    }
    let inside = |x: &f64| *x > 1e-12 * length && *x < (1.0 - 1e-12) * length;
    let range = Interval::new(0.0, length);
    let mut points: Vec<f64> =
        fields.flat_map(|field| field.kinks(range)).chain(more).filter(inside).collect();
    points.extend([0.0, length]);
    points.sort_by(f64::total_cmp);
    points.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * length);
    Ok(points)
}

/// The limit at `x` of a function that is smooth between breakpoints, from the side of `inner`.
fn one_sided(breakpoints: &[f64], x: f64, inner: f64, f: impl Fn(f64) -> f64) -> f64 {
    let walls = [breakpoints[0], breakpoints[breakpoints.len() - 1]];
    let near = |b: &f64| (b - x).abs() <= 1e-12 * (walls[1] - walls[0]);
    let after = breakpoints.partition_point(|b| *b < x);
    let neighbours = &breakpoints[after.saturating_sub(1)..(after + 1).min(breakpoints.len())];
    if !neighbours.iter().any(|b| !walls.contains(b) && near(b)) {
        return f(x);
    }
    // Linear extrapolation over a distance whose square is lost in rounding.
    let others = breakpoints.iter().filter(|b| !near(b)).map(|b| (b - x).abs());
    let step = 1e-8 * others.fold((inner - x).abs(), f64::min) * (inner - x).signum();
    2.0 * f(x + step) - f(x + 2.0 * step)
}
