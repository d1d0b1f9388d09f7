//! The equations of a system and nothing else: no time step, no random number, no bin.
//!
//! A model is what the experiment file says about nature: a [`Domain`], a temperature [`Field`], potentials, and a
//! [`Network`] of internal states joined by [`Edge`]s, passive, driven or one-way. Kernels and theory both read it and
//! share nothing else, which is what makes their agreement evidence.

mod confinement;
mod conservation;
mod coordinate;
mod domain;
mod equation;
mod field;
mod force;
mod mixing;
mod mixture;
mod motility;
mod network;
mod reaction;
mod surface;
mod units;

pub use confinement::{Reach, THRESHOLD, Well};
pub use coordinate::{Axis, CoordinateError, Coordinates, OwnSurfaces, Range, Response};
pub use domain::{Boundary, Domain};
pub use equation::{Equation, Term};
pub use field::{Field, Function, InTemperature, Interpolation, KnotError, Steps, Table, Uniform};
pub use mixture::{Doubt, Mixture, Way};
pub use motility::Motility;
pub use network::{Channel, Edge, Exchange, Network, NetworkError, RateLaw, State};
pub use reaction::{Kinetics, MixtureError, Reaction, Species};
pub use surface::{Landscape, Surface};
pub use units::{EnergyUnit, Units};

use crate::expression::Interval;
use std::sync::Arc;

/// A particle with internal states in a temperature field, overdamped in x (Eqs 3-4 of the paper):
/// `d_t P_i = d_x^2(D_i P_i) + sum_j (k_ij P_j - k_ji P_i)`; or, with a [`Mixture`], many particles that react.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where the particle moves.
    pub domain: Domain,
    /// `T(x)` in the unit of the file; positive on the whole domain.
    pub temperature: Arc<dyn Field>,
    /// `k_B` in the file's unit of energy per unit of temperature; 1 in reduced units.
    pub boltzmann: f64,
    /// A potential `U(x)` that acts alike in all states, an energy, if there is one.
    pub potential: Option<Arc<dyn Field>>,
    /// Internal states and the edges between them.
    pub network: Network,
    /// Continuous internal coordinates, if there are any.
    pub coordinates: Option<Coordinates>,
    /// Particles that react, if they do: then [`Model::network`] names the species, one state each, and nothing else
    /// may be read from it.
    pub mixture: Option<Arc<Mixture>>,
}

impl Model {
    /// A model in reduced units (`k_B = 1`) between reflecting walls at 0 and `length`.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn new(
        length: f64,
        temperature: impl Field + 'static,
        states: Vec<State>,
        edges: Vec<Edge>,
    ) -> Result<Self, NetworkError> {
        Ok(Model {
            domain: Domain { length, walls: Boundary::Reflecting },
            temperature: Arc::new(temperature),
            boltzmann: 1.0,
            potential: None,
            network: Network::new(states, edges)?,
            coordinates: None,
            mixture: None,
        })
    }

    /// The model of particles that react: grid, temperature and names are those of the mixture, whose species are
    /// the states of a network without edges.
    ///
    /// # Errors
    /// As [`Network::new`], connections apart.
    pub fn of_mixture(mixture: Mixture) -> Result<Self, NetworkError> {
        let state =
            |s: &Species| State { motility: s.motility.clone(), ..State::new(s.name.clone(), s.energy, 1.0) };
        Ok(Model {
            domain: mixture.domain,
            temperature: mixture.temperature.clone(),
            boltzmann: mixture.boltzmann,
            potential: None,
            network: Network::apart(mixture.species().iter().map(state).collect())?,
            coordinates: None,
            mixture: Some(Arc::new(mixture)),
        })
    }

    /// `k_B T(x)`, an energy.
    pub fn thermal_energy(&self, x: f64) -> f64 {
        self.boltzmann * self.temperature.value(x)
    }

    /// Whether the temperature jumps anywhere in the domain.
    pub fn temperature_jumps(&self) -> bool {
        let length = self.domain.length;
        let sides =
            |x: f64| [-1e-9, 1e-9].map(|d| self.temperature.value((x + d * length).clamp(0.0, length)));
        let kinks = self.temperature.kinks(Interval::new(0.0, length));
        kinks.into_iter().map(sides).any(|[a, b]| (a - b).abs() > 1e-6 * (a + b))
    }

    /// An interval that contains `k_B T` everywhere on `x`.
    pub fn thermal_energy_bounds(&self, x: Interval) -> Interval {
        Interval::point(self.boltzmann) * self.temperature.bounds(x)
    }
}
