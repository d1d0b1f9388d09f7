//! How a group of walkers advances, one method a file.

mod array_rqmc;
mod baoab;
mod boltzmann;
mod bounds;
mod coordinate;
mod curve;
mod euler_maruyama;
mod exact;
mod frozen;
mod lanes;
pub mod reactions;
mod relief;
mod scale;
pub mod start;
mod taken;
mod tilt;

pub use array_rqmc::ArrayRqmc;
pub use baoab::Baoab;
pub use bounds::CandidateRates;
pub use coordinate::{Continuous, MOST_AXES, Scheme, automatic_step};
pub use euler_maruyama::EulerMaruyama;
pub use exact::Exact;
pub use lanes::{Instructions, LaneBaoab, LaneCoordinate, LaneSteps, Lanes};

use crate::event::{Tally, Walkers};
use crate::model::CoordinateError;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Walkers advanced side by side, so that the latency of one hides behind the others.
pub(crate) const BLOCK: usize = 64;

/// Most channels that may lead out of one state.
pub const MOST_EXITS: usize = 64;

/// How far a group is advanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// So many untimed legs of every walker.
    Legs(u64),
    /// A physical duration of every walker.
    Duration(f64),
}

impl Span {
    /// The number of legs, or the duration.
    pub fn amount(self) -> f64 {
        match self {
            Span::Legs(legs) => legs as f64,
            Span::Duration(duration) => duration,
        }
    }
}

/// Why a kernel could not be made or could not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// A rate or a diffusivity lies outside the bound it was promised to obey.
    #[error(
        "{what} (per clock of its state) at x = {x} is {value:e}, outside its proven bounds [{low:e}, \
         {high:e}]; the field that it depends on breaks its promise, and the run would be biased"
    )]
    BoundViolated {
        /// What, in words.
        what: String,
        /// Where.
        x: f64,
        /// The value found.
        value: f64,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// A rate has no finite bound, or a diffusivity no positive one.
    #[error("{what} has no usable bounds near x = {x}: [{low:e}, {high:e}]")]
    Unbounded {
        /// What, in words.
        what: String,
        /// Where.
        x: f64,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// A friction varies too roughly for its natural scale to be tabulated.
    #[error("the friction of {state} varies too roughly: its natural scale is known to {error:.0e} only")]
    RoughScale {
        /// Which state.
        state: String,
        /// Error as a fraction of the domain.
        error: f64,
    },
    /// A ring on which the natural scale of a state does not close: a force drives it round.
    #[error(
        "exact legs cannot go round this ring: the force on {state} does not add up to zero (its tilt over one \
         turn is {tilt:.3}); use euler_maruyama"
    )]
    OpenScale {
        /// Which state.
        state: String,
        /// `int h dx` over one turn.
        tilt: f64,
    },
    /// A state without what velocities need.
    #[error("{state} needs a mass and a friction, and no drift, for its velocity to matter")]
    Overdamped {
        /// Which state.
        state: String,
    },
    /// Steps in which a velocity is forgotten at once.
    #[error(
        "dt = {dt} is too long for {state}: the exact flux of baoab_flux needs gamma dt < 2 m everywhere, dt below \
         {limit:.3e}; take a shorter dt, or baoab, which has no limit and a bias"
    )]
    StepTooLong {
        /// Which state.
        state: String,
        /// The step.
        dt: f64,
        /// Where it would have to be below.
        limit: f64,
    },
    /// Internal coordinates that a kernel cannot advance.
    #[error(transparent)]
    Coordinates(#[from] CoordinateError),
    /// Particles that react cannot be advanced.
    #[error(transparent)]
    Reactions(#[from] reactions::ReactionError),
    /// A step has thrown an internal coordinate out of its potential.
    #[error(
        "a step has thrown an internal coordinate to {value:e}, far outside of [{low:.3}, {high:.3}], at x = {x}: \
         dt = {dt:e} is too long for so steep a potential; take less, or the scheme mala"
    )]
    Astray {
        /// Where.
        x: f64,
        /// The coordinate.
        value: f64,
        /// Lower end of its box.
        low: f64,
        /// Upper end.
        high: f64,
        /// The step.
        dt: f64,
    },
    /// Elapsed times are not known where the clock varies.
    #[error(
        "exact legs know elapsed times only where diffusivities are constant; give the run \"legs\", or use \
         euler_maruyama"
    )]
    NoElapsedTime,
    /// Candidates come less often than the transitions that some of them become.
    #[error(
        "candidates for {channel} come at the rate {candidates:e}, but its rate may be as high as {high:e} \
         near x = {x}: some transitions would be missed"
    )]
    TooFewCandidates {
        /// Which channel, in words.
        channel: String,
        /// Where.
        x: f64,
        /// Rate of its candidates.
        candidates: f64,
        /// Upper bound on its rate.
        high: f64,
    },
    /// The candidates of a channel are not its share of those of its state.
    #[error(
        "candidates for {channel} are given the rate {given:e}, but its share of the candidates of its \
         state is {share:e}"
    )]
    UnevenCandidates {
        /// Which channel, in words.
        channel: String,
        /// The rate given.
        given: f64,
        /// What the rate of the state and the slots of the channel make of it.
        share: f64,
    },
    /// More states or edges than a walker's columns can name.
    #[error("at most {limit} {what} are possible, found {found}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are possible.
        limit: usize,
        /// How many there are.
        found: usize,
    },
}

/// How an exact leg in one state ends: Laplace distributed around its start, in the natural scale `y` of
/// the state.
#[derive(Clone, Debug, PartialEq)]
pub struct LegLaw {
    /// Scale of the law over the length of the domain.
    pub length: f64,
    /// `y/L` at the faces of the fine cells, from 0 to 1.
    pub faces: Vec<f64>,
    /// Candidates per physical time in each fine cell.
    pub candidates: Vec<f64>,
    /// Density in x of physical time per leg that ends there, over the density in y/L of ends: at the left
    /// and the right wall.
    pub weight: [f64; 2],
}

/// Something about the settings of a method that its user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caution {
    /// What was seen.
    pub seen: String,
    /// What it means.
    pub meaning: String,
    /// What to do about it.
    pub remedy: String,
}

/// A Markov transition of a group of walkers.
///
/// A kernel owns its inner loop over the columns of a group and is generic in the tally, so that the
/// finished pair is compiled as one loop. It holds nothing that changes: walkers, stream and tally are
/// the caller's plain data, and the same data give the same bits on any thread.
pub trait Kernel: Sync {
    /// Number of internal states.
    fn states(&self) -> usize;

    /// Physical time that one scored visit in `state` and fine cell `cell` stands for: the expected time
    /// between two candidate transitions for exact legs, the step for a stepped method.
    fn dwell(&self, state: usize, cell: usize) -> f64;

    /// Physical time that `span` takes every walker, where that is known: a stepped method does whole
    /// steps, untimed legs do not know.
    fn elapsed(&self, span: Span) -> Option<f64> {
        match span {
            Span::Legs(_) => None,
            Span::Duration(duration) => Some(duration),
        }
    }

    /// The law of a leg in `state`, if legs are exact; point densities can then be had without a bin.
    fn leg_law(&self, _state: usize) -> Option<LegLaw> {
        None
    }

    /// Whether the walkers of a group must be advanced together, leg by leg, because they know of each other.
    fn together(&self) -> bool {
        false
    }

    /// The box of each internal coordinate; empty where the kernel advances none.
    fn coordinate_ends(&self) -> &[[f64; 2]] {
        &[]
    }

    /// By which share of itself the step makes currents along x too large in the bulk; zero unless a kernel says so.
    fn flux_excess(&self) -> f64 {
        0.0
    }

    /// In what numbers it works, and what bias they may bring.
    fn arithmetic(&self) -> &'static str {
        "double precision"
    }

    /// What a user should know about the bias of this method at these settings.
    fn cautions(&self) -> Vec<Caution> {
        Vec::new()
    }

    /// Advances every walker by `span`, drawing from `stream`, and scores every event.
    ///
    /// # Errors
    /// [`KernelError`]; walkers and tally are then of no further use.
    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError>;
}
