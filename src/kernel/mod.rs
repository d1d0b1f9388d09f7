//! How a group of walkers advances, one method a file.

mod bounds;
mod exact;
pub mod start;

pub use bounds::{CandidateRates, RateTable};
pub use exact::Exact;

use crate::event::{Tally, Walkers};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// How far a group is advanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// So many untimed legs of every walker.
    Legs(u64),
    /// A physical duration of every walker.
    Duration(f64),
}

/// Why a kernel could not be made or could not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// A rate lies outside the bound it was promised to obey.
    #[error(
        "the rate of {channel} at x = {x} is {rate:e}, outside its proven bounds [{low:e}, {high:e}]; \
         the field that it depends on breaks its promise, and the run would be biased"
    )]
    BoundViolated {
        /// Which channel, in words.
        channel: String,
        /// Where.
        x: f64,
        /// The value found.
        rate: f64,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// A rate has no finite bound.
    #[error("the rate of {channel} has no finite bound near x = {x}: bounds [{low:e}, {high:e}]")]
    Unbounded {
        /// Which channel, in words.
        channel: String,
        /// Where.
        x: f64,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
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

/// A Markov transition of a group of walkers.
///
/// A kernel owns its inner loop over the columns of a group and is generic in the tally, so that the
/// finished pair is compiled as one loop. It holds nothing that changes: walkers, stream and tally are
/// the caller's plain data, and the same data give the same bits on any thread.
pub trait Kernel: Sync {
    /// Number of internal states.
    fn states(&self) -> usize;

    /// Physical time that one visit in `state` stands for: the expected time between two candidate
    /// transitions for exact legs, the step for a stepped method.
    fn dwell(&self, state: usize) -> f64;

    /// Decay length `sqrt(D/K)` of the Laplace law of a leg in `state`, if the kernel's moves are
    /// exact untimed or timed legs; point densities can then be had without a bin.
    fn leg_length(&self, _state: usize) -> Option<f64> {
        None
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
