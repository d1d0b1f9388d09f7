//! The equations of a system and nothing else: no time step, no random number, no bin.
//!
//! A model is what the experiment file says about nature: a [`Domain`], a temperature [`Field`], and a
//! [`Network`] of internal states joined by [`Edge`]s, passive, driven or one-way. Kernels and theory both read it and
//! share nothing else, which is what makes their agreement evidence.

mod domain;
mod field;
mod motility;
mod network;
mod units;

pub use domain::{Boundary, Domain};
pub use field::{Field, Function, InTemperature, Interpolation, KnotError, Steps, Table, Uniform};
pub use motility::Motility;
pub use network::{Channel, Edge, Exchange, Network, NetworkError, RateLaw, State};
pub use units::{EnergyUnit, Units};

use crate::expression::Interval;
use std::sync::Arc;

/// A particle with internal states in a temperature field, overdamped in x (Eqs 3-4 of the paper):
/// `d_t P_i = d_x^2(D_i P_i) + sum_j (k_ij P_j - k_ji P_i)`.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where the particle moves.
    pub domain: Domain,
    /// `T(x)` in the unit of the file; positive on the whole domain.
    pub temperature: Arc<dyn Field>,
    /// `k_B` in the file's unit of energy per unit of temperature; 1 in reduced units.
    pub boltzmann: f64,
    /// Internal states and the edges between them.
    pub network: Network,
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
            network: Network::new(states, edges)?,
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

    /// How long the slowest part of the system remembers its beginning, roughly:
    /// `L^2/(pi^2 min <D>) + sum_edges 1/(k_f + k_b)` at the place where each is slowest.
    ///
    /// The first term is the slowest diffusive mode when states mix fast, the second bounds how long
    /// they take to mix. An order of magnitude for burn-in and warnings, **not** a spectral gap.
    pub fn relaxation_time(&self) -> f64 {
        const SAMPLES: usize = 65;
        let (mut slowest_diffusion, mut slowest_mixing) = (f64::INFINITY, 0.0f64);
        for k in 0..SAMPLES {
            let x = self.domain.length * k as f64 / (SAMPLES - 1) as f64;
            let p = self.local_equilibrium(x);
            slowest_diffusion =
                slowest_diffusion.min(p.iter().enumerate().map(|(i, p)| p * self.diffusivity(i, x)).sum());
            let rates: Vec<f64> = self.network.channels().map(|c| self.rate(c, x)).collect();
            let mixing =
                rates.chunks(2).map(|pair| 1.0 / (pair[0] + pair[1])).filter(|t| t.is_finite()).sum();
            slowest_mixing = slowest_mixing.max(mixing);
        }
        let mode = std::f64::consts::PI / self.domain.length;
        1.0 / (mode * mode * slowest_diffusion) + slowest_mixing
    }
}
