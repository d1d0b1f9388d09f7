//! How particles that react advance: their number changes, and they need each other.
//!
//! - [`WellMixed`]: counts of species in one volume, Gillespie's direct method, exact.
//! - [`Pairs`]: a whole population between walls: free moves, and reactions in cells.
//! - [`MeanField`]: units that react with the concentrations of all others, on exact legs.
//! - [`Resolution`]: cells and step that suit a mixture.
//! - [`relaxation_time`], [`settled`]: how long a mixture remembers, and about where it comes to rest.
//!
//! # Units
//! A [`Mixture`](crate::model::Mixture) counts in concentrations. `omega` particles make up one unit of concentration times length, so
//! that a cell of width `h` is a volume `V = h omega`, and a way that takes `a_s` particles of each species happens
//! `k V prod_s n_s (n_s - 1)...(n_s - a_s + 1)/V^a_s` times per time ([`propensity`](crate::model::Mixture::propensity)).

mod kinds;
mod mean_field;
mod network;
mod pairs;
mod relaxation;
mod resolution;
mod tally;
mod unit_rate;
mod unit_tally;
mod well_mixed;

pub(crate) use mean_field::FINE;
pub use mean_field::{MOST_UNITS, MeanField, Units};
pub use pairs::{Pairs, Population};
pub use relaxation::{relaxation_time, settled};
pub(crate) use resolution::fastest;
pub use resolution::{Limit, Resolution};
pub use tally::PairTally;
pub use unit_tally::UnitTally;
pub use well_mixed::WellMixed;

/// Why particles that react could not be advanced.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReactionError {
    /// A number out of range.
    #[error("{what} must be {must}, found {found}")]
    Range {
        /// What.
        what: &'static str,
        /// What it must be.
        must: &'static str,
        /// The value found.
        found: f64,
    },
    /// A rate constant that is none.
    #[error("reaction {reaction}: its rate constant {} at x = {x} must be finite and not negative, found {found}",
            if *forward { "forward" } else { "backward" })]
    RateConstant {
        /// Index of the reaction.
        reaction: usize,
        /// Whether it is the one forward.
        forward: bool,
        /// Where.
        x: f64,
        /// The value found.
        found: f64,
    },
    /// A diffusivity without positive bounds.
    #[error("{species}: its diffusivity must be positive and finite, found bounds [{low:e}, {high:e}]")]
    Diffusivity {
        /// Name of the species.
        species: String,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// A friction that varies along x.
    #[error(
        "{species}: a friction that varies with x has no Ito diffusivity, which these steps need; give a \
         diffusivity, or a constant friction"
    )]
    Friction {
        /// Name of the species.
        species: String,
    },
    /// A domain without walls.
    #[error("particles that react need walls at both ends of the domain")]
    Ring,
    /// Particles that are made of nothing that stays.
    #[error(
        "{species} is part of nothing that reactions conserve, so that it has no units to follow in a mean field; \
         take pairs"
    )]
    Unconserved {
        /// Name of the species.
        species: String,
    },
    /// What exact legs could not do.
    #[error(transparent)]
    Legs(Box<super::KernelError>),
    /// More particles than can be counted.
    #[error("there are more than {limit:e} particles: does something multiply without end?")]
    TooMany {
        /// How many are possible.
        limit: f64,
    },
}

impl From<super::KernelError> for ReactionError {
    fn from(error: super::KernelError) -> Self {
        ReactionError::Legs(Box::new(error))
    }
}

/// Checks a number.
fn in_range(
    what: &'static str,
    must: &'static str,
    found: f64,
    fits: impl Fn(f64) -> bool,
) -> Result<(), ReactionError> {
    if fits(found) { Ok(()) } else { Err(ReactionError::Range { what, must, found }) }
}
