//! Models on which lanes are tried.

use crate::common::model;
use soret::expression::Expression;
use soret::model::{Edge, Model, Network, RateLaw, State};
use std::sync::Arc;

/// Five states, each of which leads to every other.
pub fn five_states() -> Model {
    let states = [(1.0, 1e-2), (0.7, 3e-3), (0.4, 6e-3), (0.2, 2e-3), (0.0, 1e-3)];
    let edges: Vec<_> = (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b, 1.0, 1.5))).collect();
    model("1 + 0.8*x", &states, &edges)
}

/// Three states: an edge with an affinity, one with free rates in both directions, one that leads one way; a temperature
/// with a step inside a cell.
pub fn driven() -> Model {
    let states = [(0.4, 1e-2), (0.0, 2e-3), (0.9, 5e-2)];
    let states = states.iter().enumerate().map(|(k, s)| State::new(format!("s{k}"), s.0, s.1)).collect();
    let rate = |text: &str| Some(Arc::new(Expression::parse(text, &["x"], &[]).expect("a rate")) as _);
    let edges = vec![
        Edge { between: [0, 1], law: RateLaw::Activated { attempt_rate: 2.0, barrier: 1.2, affinity: 0.8 } },
        Edge { between: [1, 2], law: RateLaw::Free { forward: rate("0.3 + x"), backward: rate("2 - x") } },
        Edge { between: [2, 0], law: RateLaw::Free { forward: rate("0.5"), backward: None } },
    ];
    let mut model = model("0.5 + 0.5*x + 0.4*step(x - 0.3333)", &[(0.0, 1.0)], &[]);
    model.network = Network::new(states, edges).expect("a network");
    model
}
