//! Internal states and the edges between them (Eqs 3, 8 of the paper).

use super::{Field, Model, Motility, Uniform};
use crate::expression::Interval;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An internal state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, unique in the network.
    pub name: String,
    /// Enthalpy `H_i`; the energy `E_i` where the state has no entropy.
    pub energy: f64,
    /// Entropy `s_i` in units of k_B: the state weighs in with the free energy `F_i = H_i - k_B T s_i`.
    pub entropy: f64,
    /// How it moves in x.
    pub motility: Motility,
    /// A potential `U_i(x)` of this state alone, an energy that adds to `H_i`.
    pub potential: Option<Arc<dyn Field>>,
    /// A drift velocity `v_i(x)`, length/time: the state propels itself.
    pub drift: Option<Arc<dyn Field>>,
    /// Its mass, where velocities matter; without one the state is overdamped.
    pub mass: Option<f64>,
}

impl State {
    /// A state with an energy and a constant diffusivity.
    pub fn new(name: impl Into<String>, energy: f64, diffusivity: f64) -> Self {
        let motility = Motility::Diffusivity(Arc::new(Uniform(diffusivity)));
        State { name: name.into(), energy, entropy: 0.0, motility, potential: None, drift: None, mass: None }
    }
}

/// How fast the two directions of an edge are.
#[derive(Clone, Debug)]
pub enum RateLaw {
    /// Over a barrier, `k = nu exp(-(B - F_from - U_from(x) -+ f/2)/(k_B T))` (Eq 8 with an affinity): detailed
    /// balance for `f = 0`, work `f` per forward passage otherwise.
    Activated {
        /// Attempt rate `nu >= 0`, 1/time.
        attempt_rate: f64,
        /// Barrier `B` on the absolute energy scale.
        barrier: f64,
        /// Affinity `f`, an energy: forward times `exp(+f/2kT)`, backward times `exp(-f/2kT)`.
        affinity: f64,
    },
    /// Given as functions of position, 1/time; a direction that is not given has rate zero.
    Free {
        /// `between[0] -> between[1]`.
        forward: Option<Arc<dyn Field>>,
        /// `between[1] -> between[0]`.
        backward: Option<Arc<dyn Field>>,
    },
}

/// One channel between two states. Several edges may join the same two states: their rates add, but
/// counts, heat and work are kept per edge.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The two states; forward is `between[0] -> between[1]`.
    pub between: [usize; 2],
    /// Its rates.
    pub law: RateLaw,
}

impl Edge {
    /// A passive edge over a barrier.
    pub fn new(between: [usize; 2], attempt_rate: f64, barrier: f64) -> Self {
        Edge { between, law: RateLaw::Activated { attempt_rate, barrier, affinity: 0.0 } }
    }

    /// Whether each direction, forward and backward, can be taken at all.
    pub fn open(&self) -> [bool; 2] {
        match &self.law {
            RateLaw::Activated { attempt_rate, .. } => [*attempt_rate > 0.0; 2],
            RateLaw::Free { forward, backward } => {
                [forward, backward].map(|f| f.as_ref().is_some_and(|f| f.constant() != Some(0.0)))
            }
        }
    }
}

/// A directed edge: what a particle takes when it makes a transition. Channel `2 e` is edge `e`
/// forward, channel `2 e + 1` is edge `e` backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Index `2 e` or `2 e + 1`.
    pub index: usize,
    /// The edge.
    pub edge: usize,
    /// State left.
    pub from: usize,
    /// State entered.
    pub to: usize,
}

/// What is wrong with a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// No state at all.
    #[error("a model needs at least one state")]
    NoState,
    /// A parameter of a state is out of range.
    #[error("state {state}: {what} must be {must}, found {found}")]
    State {
        /// Index of the state.
        state: usize,
        /// Which parameter.
        what: &'static str,
        /// What it must be.
        must: &'static str,
        /// What it is.
        found: f64,
    },
    /// A parameter of an edge is out of range.
    #[error("transition {edge}: {what} must be {must}")]
    Edge {
        /// Index of the edge.
        edge: usize,
        /// Which parameter.
        what: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// The states do not all lead to each other, so the stationary law is not unique or not positive.
    #[error("there is no way {direction} state {state}")]
    Disconnected {
        /// The first state without one.
        state: usize,
        /// `to` or `back from`: between the first state and this one.
        direction: &'static str,
    },
}

impl Channel {
    /// Whether it is the forward direction of its edge.
    pub fn is_forward(self) -> bool {
        self.index.is_multiple_of(2)
    }
}

/// States and edges, checked once when the network is made.
#[derive(Clone, Debug)]
pub struct Network {
    states: Vec<State>,
    edges: Vec<Edge>,
}

impl Network {
    /// Checks and makes a network.
    ///
    /// # Errors
    /// One [`NetworkError`] per violated condition: finite energies and entropies, positive constant
    /// diffusivities or frictions (a state with a mass may be free of friction), positive masses, finite parameters of edges between two different existing states, and
    /// a way from every state to every other.
    pub fn new(states: Vec<State>, edges: Vec<Edge>) -> Result<Self, NetworkError> {
        let network = Network { edges, ..Network::apart(states)? };
        network.check_edges()?;
        Ok(network)
    }

    /// States between which nothing leads: the species of a [`Mixture`](super::Mixture).
    pub(super) fn apart(states: Vec<State>) -> Result<Self, NetworkError> {
        if states.is_empty() {
            return Err(NetworkError::NoState);
        }
        for (state, s) in states.iter().enumerate() {
            let (what, field) = s.motility.parts();
            let checks = [
                ("energy", "finite", s.energy, s.energy.is_finite()),
                ("entropy", "finite", s.entropy, s.entropy.is_finite()),
                // Fields that vary are proven positive by whoever knows the domain.
                (what, "positive and finite", field.constant().unwrap_or(1.0), {
                    let free = s.mass.is_some() && matches!(s.motility, Motility::Friction(_));
                    field.constant().is_none_or(|d| (d > 0.0 || free && d == 0.0) && d.is_finite())
                }),
                ("mass", "positive and finite", s.mass.unwrap_or(1.0), {
                    s.mass.is_none_or(|m| m > 0.0 && m.is_finite())
                }),
            ];
            for (what, must, found, holds) in checks {
                if !holds {
                    return Err(NetworkError::State { state, what, must, found });
                }
            }
        }
        Ok(Network { states, edges: Vec::new() })
    }

    fn check_edges(&self) -> Result<(), NetworkError> {
        let Network { states, edges } = self;
        for (edge, e) in edges.iter().enumerate() {
            if e.between[0] == e.between[1] || e.between.iter().any(|&s| s >= states.len()) {
                let must = "two different states of the model";
                return Err(NetworkError::Edge { edge, what: "between", must });
            }
            if let RateLaw::Activated { attempt_rate, barrier, affinity } = e.law {
                if !(attempt_rate.is_finite() && attempt_rate >= 0.0) {
                    let must = "finite and not negative";
                    return Err(NetworkError::Edge { edge, what: "attempt_rate", must });
                }
                for (what, value) in [("barrier", barrier), ("affinity", affinity)] {
                    if !value.is_finite() {
                        return Err(NetworkError::Edge { edge, what, must: "finite" });
                    }
                }
            }
        }
        for (direction, back) in [("to", false), ("back from", true)] {
            if let Some(state) = unreached(states.len(), edges, back) {
                return Err(NetworkError::Disconnected { state, direction });
            }
        }
        Ok(())
    }

    /// A network whose states need not lead to each other, made from what has been checked.
    pub(crate) fn of_units(states: Vec<State>, edges: Vec<Edge>) -> Self {
        Network { states, edges }
    }

    /// The states, in file order.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The edges, in file order.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// All channels, `2 * edges().len()` of them, by index.
    pub fn channels(&self) -> impl Iterator<Item = Channel> + '_ {
        self.edges.iter().enumerate().flat_map(|(edge, e)| {
            let [a, b] = e.between;
            [
                Channel { index: 2 * edge, edge, from: a, to: b },
                Channel { index: 2 * edge + 1, edge, from: b, to: a },
            ]
        })
    }

    /// The channel with this index.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn channel(&self, index: usize) -> Channel {
        let edge = index / 2;
        let [a, b] = self.edges[edge].between;
        let (from, to) = if index.is_multiple_of(2) { (a, b) } else { (b, a) };
        Channel { index, edge, from, to }
    }
}

/// The first state that cannot be reached from the first (or, `back`, from which it cannot be reached).
fn unreached(states: usize, edges: &[Edge], back: bool) -> Option<usize> {
    let mut reached = vec![false; states];
    let mut open = vec![0];
    reached[0] = true;
    while let Some(s) = open.pop() {
        for e in edges {
            let [forward, backward] = e.open();
            let ways = [(e.between, forward), ([e.between[1], e.between[0]], backward)];
            for ([from, to], possible) in ways {
                let (from, to) = if back { (to, from) } else { (from, to) };
                if possible && from == s && !reached[to] {
                    reached[to] = true;
                    open.push(to);
                }
            }
        }
    }
    reached.iter().position(|r| !r)
}

/// Heat and work of a passage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// Heat absorbed from the bath: energy gained less work.
    pub heat: f64,
    /// Work done on the particle.
    pub work: f64,
}

impl Model {
    /// Whether all states have a mass: particles then have a velocity.
    pub fn is_underdamped(&self) -> bool {
        self.network.states.iter().all(|s| s.mass.is_some())
    }

    /// Rate constant of a channel at `x`, 1/time (Eq 8; see [`RateLaw`]).
    pub fn rate(&self, channel: Channel, x: f64) -> f64 {
        match &self.network.edges[channel.edge].law {
            RateLaw::Activated { attempt_rate, barrier, affinity } => {
                let (height, factor) = self.activation(channel, *barrier, *affinity);
                let own = self.own_potential(channel.from).map_or(0.0, |u| u.value(x));
                attempt_rate * factor * libm::exp((own - height) / self.thermal_energy(x))
            }
            RateLaw::Free { forward, backward } => {
                let field = if channel.is_forward() { forward } else { backward };
                field.as_ref().map_or(0.0, |f| f.value(x))
            }
        }
    }

    /// An interval that contains the rate constant of a channel everywhere on `x`.
    pub fn rate_bounds(&self, channel: Channel, x: Interval) -> Interval {
        match &self.network.edges[channel.edge].law {
            RateLaw::Activated { attempt_rate, barrier, affinity } => {
                // The rate is monotone in T, so bounds on T give the tightest bounds on k; products and
                // quotients are taken in interval arithmetic so that rounding is covered as well.
                let (height, factor) = self.activation(channel, *barrier, *affinity);
                let mut height = Interval::point(height);
                if let Some(own) = self.own_potential(channel.from) {
                    height = height - own.bounds(x);
                }
                let exponent = -(height / self.thermal_energy_bounds(x));
                Interval::point(*attempt_rate) * Interval::point(factor) * exponent.exp()
            }
            RateLaw::Free { forward, backward } => {
                let field = if channel.is_forward() { forward } else { backward };
                field.as_ref().map_or(Interval::point(0.0), |f| f.bounds(x))
            }
        }
    }

    /// Height above the enthalpy of the state left, less the share of the affinity, and the factor
    /// `exp(-s_from)`: `exp(F_from/kT) = exp(H_from/kT) exp(-s_from)`.
    fn activation(&self, channel: Channel, barrier: f64, affinity: f64) -> (f64, f64) {
        let from = &self.network.states[channel.from];
        let driven = if channel.is_forward() { 0.5 * affinity } else { -0.5 * affinity };
        (barrier - from.energy - driven, libm::exp(-from.entropy))
    }

    /// The potential of a state alone, where it has one.
    fn own_potential(&self, state: usize) -> Option<&dyn Field> {
        self.network.states[state].potential.as_deref()
    }

    /// Total rate of leaving `state` at `x`, 1/time.
    pub fn exit_rate(&self, state: usize, x: f64) -> f64 {
        self.network.channels().filter(|c| c.from == state).map(|c| self.rate(c, x)).sum()
    }

    /// Heat and work of one passage along a channel at `x`; `None` for a free rate whose other direction
    /// is not given, because nothing is then known about the heat.
    ///
    /// Over a barrier, work `+f` forward and `-f` backward; for free rates heat `-kT ln(k_f/k_b)`. The
    /// rest of the enthalpy gained is the other of the two.
    pub fn exchange(&self, channel: Channel, x: f64) -> Option<Exchange> {
        let own =
            |s: usize| self.network.states[s].energy + self.own_potential(s).map_or(0.0, |u| u.value(x));
        let gained = own(channel.to) - own(channel.from);
        match &self.network.edges[channel.edge].law {
            RateLaw::Activated { affinity, .. } => {
                let work = if channel.is_forward() { *affinity } else { -affinity };
                Some(Exchange { heat: gained - work, work })
            }
            RateLaw::Free { forward: Some(f), backward: Some(b) } => {
                let (f, b) = (f.value(x), b.value(x));
                let ratio = if channel.is_forward() { f / b } else { b / f };
                let heat = -self.thermal_energy(x) * libm::log(ratio);
                heat.is_finite().then_some(Exchange { heat, work: gained - heat })
            }
            RateLaw::Free { .. } => None,
        }
    }

    /// The same where it does not depend on x.
    pub fn constant_exchange(&self, channel: Channel) -> Option<Exchange> {
        match &self.network.edges[channel.edge].law {
            RateLaw::Activated { .. } if !self.has_own_potentials() => self.exchange(channel, 0.0),
            _ => None,
        }
    }

    /// Whether they are known and depend on x.
    pub fn exchange_varies(&self, channel: Channel) -> bool {
        match &self.network.edges[channel.edge].law {
            RateLaw::Activated { .. } => self.has_own_potentials(),
            RateLaw::Free { forward, backward } => forward.is_some() && backward.is_some(),
        }
    }

    /// Whether heat is defined on every edge.
    pub fn has_heat(&self) -> bool {
        self.network.edges.iter().all(|e| match &e.law {
            RateLaw::Activated { .. } => true,
            RateLaw::Free { forward, backward } => forward.is_some() && backward.is_some(),
        })
    }

    /// Occupancies at which the transitions balance at `x` without motion: the null vector `p` of the
    /// rate matrix, `K(x) p = 0`, normalised. With detailed balance these are the Boltzmann weights
    /// `exp(-F_i/kT)`; in a driven network they are not.
    pub fn local_equilibrium(&self, x: f64) -> Vec<f64> {
        let n = self.network.states.len();
        let mut rate = vec![vec![0.0; n]; n];
        for channel in self.network.channels() {
            rate[channel.from][channel.to] += self.rate(channel, x);
        }
        // Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985): elimination of states one by one
        // without any subtraction, accurate to rounding whatever the spread of the rates.
        for k in (1..n).rev() {
            let exit: f64 = rate[k][..k].iter().sum();
            let (rest, eliminated) = rate.split_at_mut(k);
            for (i, row) in rest.iter_mut().enumerate() {
                let share = if exit > 0.0 { row[k] / exit } else { 0.0 };
                row[k] = share;
                for (j, (to, via)) in row[..k].iter_mut().zip(&eliminated[0]).enumerate() {
                    if j != i {
                        *to += share * via;
                    }
                }
            }
        }
        let mut p = vec![1.0; n];
        for k in 1..n {
            p[k] = (0..k).map(|i| p[i] * rate[i][k]).sum();
        }
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|w| *w /= sum);
        p
    }
}
