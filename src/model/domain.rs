//! The interval in which particles move.

use serde::{Deserialize, Serialize};

/// What happens at the ends of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// No flux through either end: `d_x(D_i P_i) = 0` at `x = 0` and `x = length` for every state.
    Reflecting,
    /// A ring: `x = length` is `x = 0` again, and particles may go round.
    Periodic,
}

/// The domain `[0, length]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Length of the domain, positive and finite.
    pub length: f64,
    /// What happens at its ends.
    pub walls: Boundary,
}
