//! The equations of a system and nothing else: no time step, no random number, no bin.
//!
//! A model is what the experiment file says about nature: a [`Domain`], a temperature [`Field`], and a
//! [`Network`] of internal states joined by reversible [`Edge`]s. Kernels and theory both read it and
//! share nothing else, which is what makes their agreement evidence.

mod domain;
mod field;
mod network;

pub use domain::{Boundary, Domain};
pub use field::{Field, Uniform};
pub use network::{Channel, Edge, Network, NetworkError, State};

use std::sync::Arc;

/// A particle with internal states in a temperature field, overdamped in x (Eqs 3-4 of the paper):
/// `d_t P_i = d_x^2(D_i P_i) + sum_j (k_ij P_j - k_ji P_i)`.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where the particle moves.
    pub domain: Domain,
    /// `k_B T(x)` as an energy; positive on the whole domain.
    pub temperature: Arc<dyn Field>,
    /// Internal states and the edges between them.
    pub network: Network,
}
