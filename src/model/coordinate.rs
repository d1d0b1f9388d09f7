//! Continuous internal coordinates (Eq 14 of the paper, with several coordinates and with states).
//!
//! With the energy `E_i(x, q)` of state i ([`Model::energy_within`]) a particle obeys
//! ```text
//! d_t P_i = sum_a d_a [ mu_a (P_i d_a E_i + kT(x) d_a P_i) ]
//!           + d_x [ (D_i/kT) P_i d_x E_i ] + d_x^2 (D_i(x, q) P_i) + sum_j (k_ij P_j - k_ji P_i) ,
//! ```
//! `d_a` for the derivative in `q_a`. The noise of a coordinate is `mu_a kT(x)` (Einstein; B9 of the paper): the paper's
//! `Delta` is `mu_a kT` and varies with x where `mu_a` does not. A diffusivity along x is Ito's, and a
//! potential that depends on x exerts the force `-d_x E_i` there.

use super::{Channel, Model, RateLaw, Surface};
use crate::expression::Interval;
use std::sync::Arc;

/// How a coordinate answers to forces: the two readings of Eq 14.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Response {
    /// `mu_a`, the same everywhere; the noise is `mu_a kT(x)`.
    Mobility(f64),
    /// `D_a = mu_a kT(x)`, the same everywhere; the mobility is `D_a/kT(x)`.
    Diffusivity(f64),
}

impl Response {
    /// Its name in the file, and its value.
    pub fn parts(&self) -> (&'static str, f64) {
        match self {
            Response::Mobility(value) => ("mobility", *value),
            Response::Diffusivity(value) => ("diffusivity", *value),
        }
    }
}

/// Where a coordinate takes its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// On the whole line; the potential must confine it.
    Unbounded,
    /// Between two walls that reflect.
    Walls([f64; 2]),
    /// On a circle: the second end is the first again.
    Periodic([f64; 2]),
}

impl Range {
    /// The ends, where there are any.
    pub fn ends(&self) -> Option<[f64; 2]> {
        match self {
            Range::Unbounded => None,
            Range::Walls(ends) | Range::Periodic(ends) => Some(*ends),
        }
    }
}

/// A continuous internal coordinate `q_a`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name, unique.
    pub name: String,
    /// Its mobility or its diffusivity.
    pub response: Response,
    /// Where it takes its values.
    pub range: Range,
}

impl Axis {
    /// A coordinate on the whole line with the same mobility everywhere.
    pub fn new(name: impl Into<String>, mobility: f64) -> Self {
        Axis { name: name.into(), response: Response::Mobility(mobility), range: Range::Unbounded }
    }
}

/// What a state has of its own.
#[derive(Clone, Debug, Default)]
pub struct OwnSurfaces {
    /// A potential `U_i(x, q)` of this state alone, an energy that adds to all others.
    pub potential: Option<Arc<dyn Surface>>,
    /// A diffusivity `D_i(x, q)` in place of the common one.
    pub diffusivity: Option<Arc<dyn Surface>>,
}

/// The continuous internal coordinates of a particle.
#[derive(Clone, Debug)]
pub struct Coordinates {
    /// The coordinates.
    pub axes: Vec<Axis>,
    /// A potential `U(x, q)`, an energy, that acts alike in all states and moves barriers between states along.
    pub potential: Arc<dyn Surface>,
    /// `D(x, q) >= 0`, length^2/time, Ito. It takes the place of the motilities of the states.
    pub diffusivity: Arc<dyn Surface>,
    /// What states have of their own; states beyond the end of the list have nothing.
    pub states: Vec<OwnSurfaces>,
}

/// What is wrong with internal coordinates.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CoordinateError {
    /// There is no coordinate.
    #[error("at least one coordinate is needed")]
    None,
    /// A name occurs twice, or is taken.
    #[error("the name {name} of a coordinate is taken")]
    Name {
        /// The name.
        name: String,
    },
    /// A parameter of a coordinate is out of range.
    #[error("coordinate {axis}: {what} must be {must}, found {found}")]
    Axis {
        /// Name of the coordinate.
        axis: String,
        /// Which parameter.
        what: &'static str,
        /// What it must be.
        must: &'static str,
        /// What it is.
        found: f64,
    },
    /// More lists of own surfaces than states.
    #[error("{expected} states have surfaces of their own for {found}")]
    States {
        /// Number of states.
        expected: usize,
        /// Number of entries.
        found: usize,
    },
    /// A potential or a diffusivity is not usable somewhere.
    #[error("the {what} of state {state} must be {must}, found {found} at x = {x}, q = {q:?}")]
    Surface {
        /// `potential` or `diffusivity`.
        what: &'static str,
        /// Index of the state.
        state: usize,
        /// What it must be.
        must: &'static str,
        /// Position.
        x: f64,
        /// Coordinates.
        q: Vec<f64>,
        /// The value there.
        found: f64,
    },
    /// The potential does not grow without end in some direction.
    #[error(
        "the potential of state {state} does not confine {axis} towards {direction} values: beyond {axis} = {beyond} it stays \
         within {reach} kT of its minimum at x = {x}"
    )]
    DoesNotConfine {
        /// Index of the state.
        state: usize,
        /// Name of the coordinate.
        axis: String,
        /// `larger` or `smaller`.
        direction: &'static str,
        /// Where it is highest, seen from the minimum.
        beyond: f64,
        /// How high that is, in kT.
        reach: f64,
        /// Position.
        x: f64,
    },
    /// A potential does not close on a circle.
    #[error(
        "the potential of state {state} must be the same at both ends of the circle {axis}, found a step of {step}"
    )]
    Closure {
        /// Index of the state.
        state: usize,
        /// Name of the coordinate.
        axis: String,
        /// The step, an energy.
        step: f64,
    },
}

impl Coordinates {
    /// Coordinates of particles without states.
    pub fn new(
        axes: Vec<Axis>,
        potential: impl Surface + 'static,
        diffusivity: impl Surface + 'static,
    ) -> Self {
        Coordinates {
            axes,
            potential: Arc::new(potential),
            diffusivity: Arc::new(diffusivity),
            states: Vec::new(),
        }
    }

    fn own(&self, state: usize) -> Option<&dyn Surface> {
        self.states.get(state)?.potential.as_deref()
    }

    /// The potentials that act in a state.
    pub fn potentials(&self, state: usize) -> impl Iterator<Item = &dyn Surface> {
        std::iter::once(&*self.potential).chain(self.own(state))
    }

    /// The diffusivity of a state.
    pub fn diffusivity(&self, state: usize) -> &dyn Surface {
        self.states.get(state).and_then(|own| own.diffusivity.as_deref()).unwrap_or(&*self.diffusivity)
    }

    /// `U(x, q) + U_i(x, q)`, an energy.
    pub fn energy(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        self.potentials(state).map(|u| u.value(x, q)).sum()
    }

    /// The part of it that belongs to the state alone.
    pub fn own_energy(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        self.own(state).map_or(0.0, |u| u.value(x, q))
    }

    /// `d_x (U + U_i)`, minus a force along x.
    pub fn energy_slope_x(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        self.potentials(state).map(|u| u.slope_x(x, q)).sum()
    }

    /// `d_a (U + U_i)`, minus a force along a coordinate.
    pub fn energy_slope_q(&self, state: usize, x: f64, q: &[f64], axis: usize) -> f64 {
        self.potentials(state).map(|u| u.slope_q(x, q, axis)).sum()
    }

    /// An interval that contains `U + U_i` on a box.
    pub fn energy_bounds(&self, state: usize, x: Interval, q: &[Interval]) -> Interval {
        self.potentials(state).fold(Interval::point(0.0), |sum, u| sum + u.bounds(x, q))
    }

    /// Whether any potential of the coordinates exerts a force along x.
    pub fn has_force(&self) -> bool {
        let own = self.states.iter().filter_map(|own| own.potential.as_ref());
        std::iter::once(&self.potential).chain(own).any(|u| u.depends_on_x())
    }

    /// Checks what does not depend on the rest of a model: names, numbers, ranges.
    ///
    /// # Errors
    /// [`CoordinateError::None`], [`CoordinateError::Name`], [`CoordinateError::Axis`],
    /// [`CoordinateError::States`].
    pub fn check(&self, states: usize) -> Result<(), CoordinateError> {
        if self.axes.is_empty() {
            return Err(CoordinateError::None);
        }
        if self.states.len() > states {
            return Err(CoordinateError::States { expected: states, found: self.states.len() });
        }
        for (k, axis) in self.axes.iter().enumerate() {
            let taken = ["x", "T", "U"].contains(&axis.name.as_str());
            if taken || self.axes[..k].iter().any(|other| other.name == axis.name) {
                return Err(CoordinateError::Name { name: axis.name.clone() });
            }
            let mistake =
                |what, must, found| CoordinateError::Axis { axis: axis.name.clone(), what, must, found };
            let (what, value) = axis.response.parts();
            if !(value > 0.0 && value.is_finite()) {
                return Err(mistake(what, "positive and finite", value));
            }
            if let Some([lo, hi]) = axis.range.ends() {
                if !lo.is_finite() {
                    return Err(mistake("the lower end", "finite", lo));
                }
                if !(hi > lo && hi.is_finite()) {
                    return Err(mistake("the upper end", "finite and above the lower one", hi));
                }
            }
        }
        Ok(())
    }
}

impl Model {
    /// `mu_a(x)` of a coordinate (Einstein): length of the coordinate squared per time and energy.
    ///
    /// # Panics
    /// If there is no such coordinate.
    pub fn internal_mobility(&self, axis: usize, x: f64) -> f64 {
        match self.axis(axis).response {
            Response::Mobility(mobility) => mobility,
            Response::Diffusivity(diffusivity) => diffusivity / self.thermal_energy(x),
        }
    }

    /// `mu_a kT(x)`, the noise of a coordinate: the paper's `Delta(x)`.
    ///
    /// # Panics
    /// If there is no such coordinate.
    pub fn internal_diffusivity(&self, axis: usize, x: f64) -> f64 {
        match self.axis(axis).response {
            Response::Mobility(mobility) => mobility * self.thermal_energy(x),
            Response::Diffusivity(diffusivity) => diffusivity,
        }
    }

    fn axis(&self, axis: usize) -> &Axis {
        let axes = self.coordinates.as_ref().map_or(&[][..], |c| &c.axes);
        axes.get(axis).expect("a coordinate of the model")
    }

    /// Energy of a state with internal coordinates `q` at `x`: `H_i + U(x) + U_i(x) + U(x, q) + U_i(x, q)`.
    pub fn energy_within(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        self.energy(state, x) + self.coordinates.as_ref().map_or(0.0, |c| c.energy(state, x, q))
    }

    /// Its slope in x: minus the force along x.
    pub fn energy_slope_within(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        let outer: f64 = self.potentials(state).map(|u| u.slope(x)).sum();
        outer + self.coordinates.as_ref().map_or(0.0, |c| c.energy_slope_x(state, x, q))
    }

    /// `D_i(x, q)`, length^2/time.
    pub fn diffusivity_within(&self, state: usize, x: f64, q: &[f64]) -> f64 {
        match &self.coordinates {
            Some(c) => c.diffusivity(state).value(x, q),
            None => self.diffusivity(state, x),
        }
    }

    /// Rate constant of a channel for a particle with coordinates `q`, 1/time: the barrier does not follow the
    /// state's own potential, so that detailed balance holds at every q. Free rates do not depend on q.
    pub fn rate_within(&self, channel: Channel, x: f64, q: &[f64]) -> f64 {
        let rate = self.rate(channel, x);
        match (&self.coordinates, &self.network.edges()[channel.edge].law) {
            (Some(c), RateLaw::Activated { .. }) => {
                rate * libm::exp(c.own_energy(channel.from, x, q) / self.thermal_energy(x))
            }
            _ => rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{Edge, Field, Landscape, State};

    fn temperature() -> Arc<dyn Field> {
        Arc::new(Expression::parse("1 + x", &["x"], &[]).unwrap())
    }

    fn surface(source: &str) -> Landscape {
        Landscape::new(source, &["q"], &[], temperature()).unwrap()
    }

    fn model(response: Response) -> Model {
        let states = vec![State::new("a", 1.0, 1.0), State::new("b", 0.0, 1.0)];
        let t = Expression::parse("1 + x", &["x"], &[]).unwrap();
        let mut model = Model::new(1.0, t, states, vec![Edge::new([0, 1], 1.0, 2.0)]).unwrap();
        let axis = Axis { response, ..Axis::new("q", 1.0) };
        let mut c = Coordinates::new(vec![axis], surface("q^2"), surface("0.1"));
        let own = OwnSurfaces { potential: Some(Arc::new(surface("x*q"))), diffusivity: None };
        c.states = vec![OwnSurfaces::default(), own];
        model.coordinates = Some(c);
        model
    }

    #[test]
    fn noise_is_einsteins_in_both_readings() {
        let (a, b) = (model(Response::Mobility(0.5)), model(Response::Diffusivity(0.5)));
        assert_eq!((a.internal_mobility(0, 1.0), a.internal_diffusivity(0, 1.0)), (0.5, 1.0));
        assert_eq!((b.internal_mobility(0, 1.0), b.internal_diffusivity(0, 1.0)), (0.25, 0.5));
    }

    #[test]
    fn rates_balance_in_detail_at_every_coordinate() {
        let model = model(Response::Mobility(1.0));
        for (x, q) in [(0.0, 0.3), (0.4, -2.0), (1.0, 1.5)] {
            let ratio = model.rate_within(model.network.channel(0), x, &[q])
                / model.rate_within(model.network.channel(1), x, &[q]);
            let step = model.energy_within(0, x, &[q]) - model.energy_within(1, x, &[q]);
            assert!((ratio / libm::exp(step / model.thermal_energy(x)) - 1.0).abs() < 1e-13);
            assert!((model.energy_slope_within(1, x, &[q]) - q).abs() < 1e-14);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let c = |axes: Vec<Axis>| Coordinates::new(axes, surface("q^2"), surface("1"));
        let q = || Axis::new("q", 1.0);
        let message = |axes: Vec<Axis>| c(axes).check(1).unwrap_err().to_string();
        assert_eq!(message(vec![]), "at least one coordinate is needed");
        assert_eq!(message(vec![q(), q()]), "the name q of a coordinate is taken");
        assert_eq!(message(vec![Axis::new("T", 1.0)]), "the name T of a coordinate is taken");
        let slow = message(vec![Axis::new("q", 0.0)]);
        assert_eq!(slow, "coordinate q: mobility must be positive and finite, found 0");
        let empty = Axis { range: Range::Walls([1.0, 1.0]), ..q() };
        assert!(message(vec![empty]).contains("above the lower one, found 1"));
        let mut many = c(vec![q()]);
        many.states = vec![OwnSurfaces::default(); 2];
        assert!(many.check(1).is_err() && many.check(2).is_ok());
    }
}
