//! Internal states and the edges between them (Eqs 3, 8 of the paper).

use super::Model;
use crate::expression::Interval;
use serde::{Deserialize, Serialize};

/// An internal state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its name, unique in the network.
    pub name: String,
    /// Energy `E_i`.
    pub energy: f64,
    /// Diffusivity `D_i >= 0`, length^2/time.
    pub diffusivity: f64,
}

/// One reversible channel between two states. Several edges may join the same two states: their rates
/// add, but counts, heat and work are kept per edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// The two states; forward is `between[0] -> between[1]`.
    pub between: [usize; 2],
    /// Attempt rate `nu >= 0`, 1/time.
    pub attempt_rate: f64,
    /// Barrier `B` on the absolute energy scale.
    pub barrier: f64,
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
    /// The states fall into groups that no transition joins, so the stationary law is not unique.
    #[error("state {state} cannot be reached from state 0")]
    Disconnected {
        /// The first state out of reach.
        state: usize,
    },
}

/// States and edges, checked once when the network is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    states: Vec<State>,
    edges: Vec<Edge>,
}

impl Network {
    /// Checks and makes a network.
    ///
    /// # Errors
    /// One [`NetworkError`] per violated condition: finite energies, finite positive diffusivities,
    /// finite non-negative attempt rates, edges between two different existing states, and every
    /// state reachable from the first along edges with a positive attempt rate.
    pub fn new(states: Vec<State>, edges: Vec<Edge>) -> Result<Self, NetworkError> {
        if states.is_empty() {
            return Err(NetworkError::NoState);
        }
        for (state, s) in states.iter().enumerate() {
            if !s.energy.is_finite() {
                return Err(NetworkError::State { state, what: "energy", must: "finite", found: s.energy });
            }
            if !(s.diffusivity.is_finite() && s.diffusivity > 0.0) {
                return Err(NetworkError::State {
                    state,
                    what: "diffusivity",
                    must: "positive and finite",
                    found: s.diffusivity,
                });
            }
        }
        for (edge, e) in edges.iter().enumerate() {
            if e.between[0] == e.between[1] || e.between.iter().any(|&s| s >= states.len()) {
                return Err(NetworkError::Edge {
                    edge,
                    what: "between",
                    must: "two different states of the model",
                });
            }
            if !(e.attempt_rate.is_finite() && e.attempt_rate >= 0.0) {
                return Err(NetworkError::Edge {
                    edge,
                    what: "attempt_rate",
                    must: "finite and not negative",
                });
            }
            if !e.barrier.is_finite() {
                return Err(NetworkError::Edge { edge, what: "barrier", must: "finite" });
            }
        }
        let mut reached = vec![false; states.len()];
        let mut open = vec![0];
        reached[0] = true;
        while let Some(s) = open.pop() {
            for e in edges.iter().filter(|e| e.attempt_rate > 0.0 && e.between.contains(&s)) {
                let other = if e.between[0] == s { e.between[1] } else { e.between[0] };
                if !reached[other] {
                    reached[other] = true;
                    open.push(other);
                }
            }
        }
        match reached.iter().position(|r| !r) {
            Some(state) => Err(NetworkError::Disconnected { state }),
            None => Ok(Network { states, edges }),
        }
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

impl Model {
    /// Rate constant of a channel at `x`, `k = nu exp(-(B - E_from)/T(x))` (Eq 8), 1/time.
    pub fn rate(&self, channel: Channel, x: f64) -> f64 {
        let edge = &self.network.edges[channel.edge];
        let height = edge.barrier - self.network.states[channel.from].energy;
        edge.attempt_rate * libm::exp(-height / self.temperature.value(x))
    }

    /// An interval that contains the rate constant of a channel everywhere on `x`.
    pub fn rate_bounds(&self, channel: Channel, x: Interval) -> Interval {
        let edge = &self.network.edges[channel.edge];
        let height = edge.barrier - self.network.states[channel.from].energy;
        // The rate is monotone in T, so bounds on T give the tightest bounds on k; the division is
        // done in interval arithmetic so that rounding is covered as well.
        let exponent = -(Interval::point(height) / self.temperature.bounds(x));
        Interval::point(edge.attempt_rate) * exponent.exp()
    }

    /// Total rate of leaving `state` at `x`, 1/time.
    pub fn exit_rate(&self, state: usize, x: f64) -> f64 {
        self.network.channels().filter(|c| c.from == state).map(|c| self.rate(c, x)).sum()
    }

    /// Heat absorbed from the bath in one passage along a channel: the energy gained, `E_to - E_from`.
    pub fn heat(&self, channel: Channel) -> f64 {
        self.network.states[channel.to].energy - self.network.states[channel.from].energy
    }

    /// Work done on the particle in one passage along a channel; zero for an edge that is not driven.
    pub fn work(&self, _channel: Channel) -> f64 {
        0.0
    }

    /// Occupancies at local equilibrium, `p_i(x) = exp(-E_i/T(x)) / sum_j exp(-E_j/T(x))`.
    pub fn local_equilibrium(&self, x: f64) -> Vec<f64> {
        let t = self.temperature.value(x);
        let lowest = self.network.states.iter().map(|s| s.energy).fold(f64::INFINITY, f64::min);
        let mut p: Vec<f64> =
            self.network.states.iter().map(|s| libm::exp(-(s.energy - lowest) / t)).collect();
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|w| *w /= sum);
        p
    }
}
