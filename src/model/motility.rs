//! How a state moves in x, and in which convention.

use super::{Field, Model};
use crate::expression::Interval;
use std::sync::Arc;

/// What a file gives for the motion of a state. The two conventions agree for `D = kT/gamma` with a
/// constant `gamma` and differ otherwise.
#[derive(Clone, Debug)]
pub enum Motility {
    /// A diffusivity `D(x) > 0`, length^2/time, read as Ito: `J = -d_x(D P)`.
    Diffusivity(Arc<dyn Field>),
    /// A friction `gamma(x) > 0`, mass/time, the overdamped limit of Kramers' equation:
    /// `J = -(1/gamma) d_x(kT P)`, Ito in `T` and kinetic (anti-Ito) in `gamma`.
    Friction(Arc<dyn Field>),
}

impl Motility {
    /// Its name in the file, and its field.
    pub fn parts(&self) -> (&'static str, &Arc<dyn Field>) {
        match self {
            Motility::Diffusivity(d) => ("diffusivity", d),
            Motility::Friction(g) => ("friction", g),
        }
    }
}

/// Without a force both conventions are `J = -(1/g) d_x(w P)` with `w = D`, `g = 1` (Ito) or `w = kT`, `g = gamma`
/// (friction), and `D = w/g`. What kernels, estimators and theory need follows from `w` and `g`.
impl Model {
    /// `D(x) = w/g` of a state, length^2/time.
    pub fn diffusivity(&self, state: usize, x: f64) -> f64 {
        self.weight(state, x) / self.resistance(state, x)
    }

    /// `w(x)`: the factor under the derivative, `J = -(1/g) d_x(w P)`.
    pub fn weight(&self, state: usize, x: f64) -> f64 {
        match &self.network.states()[state].motility {
            Motility::Diffusivity(d) => d.value(x),
            Motility::Friction(_) => self.thermal_energy(x),
        }
    }

    /// `g(x)`: the factor before the derivative, `J = -(1/g) d_x(w P)`.
    pub fn resistance(&self, state: usize, x: f64) -> f64 {
        match &self.network.states()[state].motility {
            Motility::Diffusivity(_) => 1.0,
            Motility::Friction(g) => g.value(x),
        }
    }

    /// The friction of a state where it varies with x: the derivative of its natural scale,
    /// `s'(x) = exp(-int b/D) = gamma(x)` up to a factor. `None` where the scale is x itself.
    pub fn scale_slope(&self, state: usize) -> Option<&Arc<dyn Field>> {
        match &self.network.states()[state].motility {
            Motility::Friction(g) if g.constant().is_none() => Some(g),
            _ => None,
        }
    }

    /// Whether every state is given by a friction, so that an underdamped system stands behind the model.
    pub fn has_frictions(&self) -> bool {
        self.network.states().iter().all(|s| matches!(s.motility, Motility::Friction(_)))
    }

    /// The friction of an underdamped state, mass/time; `None` for a state without a mass, or given by a
    /// diffusivity.
    pub fn friction(&self, state: usize) -> Option<&Arc<dyn Field>> {
        let state = &self.network.states()[state];
        match &state.motility {
            Motility::Friction(g) => state.mass.and(Some(g)),
            Motility::Diffusivity(_) => None,
        }
    }

    /// An interval that contains `D` of a state everywhere on `x`.
    pub fn diffusivity_bounds(&self, state: usize, x: Interval) -> Interval {
        match &self.network.states()[state].motility {
            Motility::Diffusivity(d) => d.bounds(x),
            Motility::Friction(g) => self.thermal_energy_bounds(x) / g.bounds(x),
        }
    }

    /// `D` of a state if it is the same everywhere.
    pub fn constant_diffusivity(&self, state: usize) -> Option<f64> {
        match &self.network.states()[state].motility {
            Motility::Diffusivity(d) => d.constant(),
            Motility::Friction(g) => Some(self.boltzmann * self.temperature.constant()? / g.constant()?),
        }
    }
}
