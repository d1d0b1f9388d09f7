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

use super::{Boundary, Field, Model};
use crate::expression::Interval;

impl Model {
    /// Energy (enthalpy) of a state at `x`: `H_i + U(x) + U_i(x)`.
    pub fn energy(&self, state: usize, x: f64) -> f64 {
        self.network.states()[state].energy + self.potential_energy(state, x)
    }

    /// `U(x) + U_i(x)`: the part of the energy that depends on x.
    pub fn potential_energy(&self, state: usize, x: f64) -> f64 {
        let own = self.network.states()[state].potential.as_deref();
        self.potential.as_deref().into_iter().chain(own).map(|u| u.value(x)).sum()
    }

    /// The potentials that exert a force on a state: the common one and its own.
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

    /// The drift velocity of a state that is carried along by a free diffusion, exactly and at known times:
    /// constant, on a ring, with a constant diffusivity and no other force.
    pub fn carried_drift(&self, state: usize) -> Option<f64> {
        let alone = self.domain.walls == Boundary::Periodic
            && self.potentials(state).next().is_none()
            && self.constant_diffusivity(state).is_some();
        let drift = self.network.states()[state].drift.as_ref()?.constant()?;
        (alone && drift != 0.0).then_some(drift)
    }

    /// The tilt `phi(x) = int_0^x h` of a state at equally spaced points and kinks from end to end, by
    /// quadrature; `exp(phi)` is what the density of a single state at uniform temperature would be.
    fn tilt(&self, state: usize) -> Vec<f64> {
        const PIECES: usize = 1024;
        // Gauss-Legendre rule with three points.
        const POINTS: [(f64, f64); 3] = [
            (0.112_701_665_379_258_31, 0.277_777_777_777_777_8),
            (0.5, 0.444_444_444_444_444_4),
            (0.887_298_334_620_741_7, 0.277_777_777_777_777_8),
        ];
        if !self.has_force(state) {
            return vec![0.0];
        }
        let length = self.domain.length;
        let mut nodes: Vec<f64> = (0..=PIECES).map(|k| length * k as f64 / PIECES as f64).collect();
        nodes.extend(self.force_kinks(state));
        nodes.sort_by(f64::total_cmp);
        let mut sum = 0.0;
        let pieces = nodes.windows(2).map(|w| {
            let width = w[1] - w[0];
            let force = |at: f64| self.force_over_thermal_energy(state, w[0] + at * width);
            sum += width * POINTS.iter().map(|(at, weight)| weight * force(*at)).sum::<f64>();
            sum
        });
        std::iter::once(0.0).chain(pieces).collect()
    }

    /// How far the tilt `int_0^x h` of a state spans over the domain: legs that are uniform in its natural
    /// scale fall off by `exp` of it.
    pub fn tilt_span(&self, state: usize) -> f64 {
        let tilt = self.tilt(state);
        let (lo, hi) = tilt.iter().fold((0.0f64, 0.0f64), |(lo, hi), t| (lo.min(*t), hi.max(*t)));
        if tilt.iter().all(|t| t.is_finite()) { hi - lo } else { f64::INFINITY }
    }

    /// The tilt over the whole domain, `int_0^L h`: on a ring, what drives a state round it.
    pub fn tilt_around(&self, state: usize) -> f64 {
        self.tilt(state).last().copied().unwrap_or(0.0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{State, Steps, Uniform};
    use std::sync::Arc;

    fn model(temperature: impl Field + 'static, potential: &str) -> Model {
        let states = vec![State::new("only", 0.0, 0.1)];
        let mut model = Model::new(2.0, temperature, states, vec![]).unwrap();
        model.potential = Some(Arc::new(Expression::parse(potential, &["x"], &[]).unwrap()));
        model
    }

    #[test]
    fn tilts_are_integrals_of_the_force() {
        // At uniform temperature the tilt is -(U - U(0))/kT, with a kink as without.
        let smooth = model(Uniform(0.5), "3*sin(pi*x)");
        assert!((smooth.tilt_span(0) - 12.0).abs() < 1e-5, "{}", smooth.tilt_span(0));
        assert!(smooth.tilt_around(0).abs() < 1e-12, "{}", smooth.tilt_around(0));
        let kinked = model(Uniform(0.5), "abs(x - 0.3)");
        assert!((kinked.tilt_span(0) - 3.4).abs() < 1e-9);
        assert!((kinked.tilt_around(0) + 2.8).abs() < 1e-9);
        // A hot half does not close: U falls by 3 where kT is 2, rises by 3 where it is 1.
        let hot = model(Steps::new(vec![1.0], vec![2.0, 1.0]).unwrap(), "3*abs(x - 1)");
        assert!((hot.tilt_around(0) + 1.5).abs() < 1e-9, "{}", hot.tilt_around(0));
        assert!((hot.tilt_span(0) - 3.0).abs() < 1e-9);
        let free = model(Uniform(0.5), "7");
        assert_eq!((free.tilt_span(0), free.tilt_around(0), free.energy(0, 0.3)), (0.0, 0.0, 7.0));
    }
}
