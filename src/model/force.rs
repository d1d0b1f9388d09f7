//! Forces along x: potentials, and states that propel themselves.
//!
//! Both conventions of [`super::Motility`] are `J = -(1/g) [(w P)' - h w P]` with the force over the
//! thermal energy
//!
//! `h(x) = -(U' + U_i')/kT + v_i/D_i`, 1/length:
//!
//! for a friction this is `J = (1/gamma) [-(U + U_i)' P - (kT P)'] + v_i P`, for a diffusivity
//! `J = -(D/kT) (U + U_i)' P - (D P)' + v_i P` (the mobility is Einstein's, `D/kT`).
//!
//! `U` is common to all states and moves the barriers along with them; `U_i` belongs to state `i`, adds to
//! its energy, and so enters rates and heat. A drift velocity `v_i` stands for a force `v_i kT/D_i` that does
//! work on the particle and is no gradient of a state function.

use super::{Field, Model};
use crate::expression::Interval;

impl Model {
    /// Energy (enthalpy) of a state at `x`: `H_i + U(x) + U_i(x)`.
    pub fn energy(&self, state: usize, x: f64) -> f64 {
        self.network.states()[state].energy + self.potential_energy(state, x)
    }

    /// `U(x) + U_i(x)`: the part of the energy that depends on x.
    pub fn potential_energy(&self, state: usize, x: f64) -> f64 {
        self.potentials(state).map(|u| u.value(x)).sum()
    }

    /// The potentials that act on a state: the common one and its own.
    pub fn potentials(&self, state: usize) -> impl Iterator<Item = &dyn Field> {
        let own = self.network.states()[state].potential.as_deref();
        self.potential.as_deref().into_iter().chain(own).filter(|u| u.constant().is_none())
    }

    /// Whether a force acts along x in a state.
    pub fn has_force(&self, state: usize) -> bool {
        self.potentials(state).next().is_some() || self.has_drift(state)
    }

    /// Whether a force acts along x in any state.
    pub fn has_forces(&self) -> bool {
        (0..self.network.states().len()).any(|s| self.has_force(s))
    }

    /// Whether a state propels itself.
    pub fn has_drift(&self, state: usize) -> bool {
        self.network.states()[state].drift.as_ref().is_some_and(|v| v.constant() != Some(0.0))
    }

    /// Whether the energies of some state depend on x apart from the common potential, so that rates and
    /// heat do.
    pub fn has_own_potentials(&self) -> bool {
        self.network.states().iter().any(|s| s.potential.as_ref().is_some_and(|u| u.constant().is_none()))
    }

    /// `v_i(x)`, length/time.
    pub fn drift(&self, state: usize, x: f64) -> f64 {
        self.network.states()[state].drift.as_ref().map_or(0.0, |v| v.value(x))
    }

    /// The force that does work along x without being a gradient: `v_i kT/D_i`, energy/length.
    pub fn propulsion(&self, state: usize, x: f64) -> f64 {
        if self.has_drift(state) {
            self.drift(state, x) * self.thermal_energy(x) / self.diffusivity(state, x)
        } else {
            0.0
        }
    }

    /// `h(x)` of a state, 1/length.
    pub fn force_over_thermal_energy(&self, state: usize, x: f64) -> f64 {
        let slope: f64 = self.potentials(state).map(|u| u.slope(x)).sum();
        let drift =
            if self.has_drift(state) { self.drift(state, x) / self.diffusivity(state, x) } else { 0.0 };
        drift - slope / self.thermal_energy(x)
    }

    /// An interval that contains `h` everywhere on `x`.
    pub fn force_over_thermal_energy_bounds(&self, state: usize, x: Interval) -> Interval {
        let slope = self.potentials(state).fold(Interval::point(0.0), |sum, u| sum + u.slope_bounds(x));
        let drift = match &self.network.states()[state].drift {
            Some(v) if self.has_drift(state) => v.bounds(x) / self.diffusivity_bounds(state, x),
            _ => Interval::point(0.0),
        };
        drift - slope / self.thermal_energy_bounds(x)
    }

    /// Drift of a state as an Ito equation has it: `dx = b dt + sqrt(2 D) dW`, `b = D h - w g'/g^2`.
    pub fn ito_drift(&self, state: usize, x: f64) -> f64 {
        let d = self.diffusivity(state, x);
        let force = if self.has_force(state) { d * self.force_over_thermal_energy(state, x) } else { 0.0 };
        match self.scale_slope(state) {
            Some(friction) => force - d * friction.slope(x) / friction.value(x),
            None => force,
        }
    }

    /// Where `h` may jump, within the domain, in increasing order.
    pub fn force_kinks(&self, state: usize) -> Vec<f64> {
        let domain = Interval::new(0.0, self.domain.length);
        let mut all: Vec<f64> = self.potentials(state).flat_map(|u| u.kinks(domain)).collect();
        all.extend(self.temperature.kinks(domain));
        if let Some(v) = self.network.states()[state].drift.as_ref().filter(|_| self.has_drift(state)) {
            all.extend(v.kinks(domain));
            all.extend(self.network.states()[state].motility.parts().1.kinks(domain));
        }
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    }
}
