//! Exact legs in vector lanes where diffusivities vary (Ito): the same bits with any instructions, the law of theory, and
//! visits that are scored as often as they should be.

use crate::common::*;
use soret::grid::Grid;
use soret::kernel::Lanes;
use soret::model::{Edge, Interpolation, Model, Motility, Network, RateLaw, State, Table};
use soret::observable::Observable;
use std::sync::Arc;

fn lanes(model: &Model, grid: &Grid) -> Lanes {
    Lanes::new(model, grid).expect("bounds").expect("no force, walls")
}

fn varying(diffusivities: &[(f64, &str)], edges: Vec<Edge>) -> Model {
    let state = |(k, (energy, d)): (usize, &(f64, &str))| State {
        motility: Motility::Diffusivity(field(d)),
        ..State::new(format!("s{k}"), *energy, 1.0)
    };
    let states = diffusivities.iter().enumerate().map(state).collect();
    let mut model = model("1 + 0.8*x", &[(0.0, 1.0)], &[]);
    model.network = Network::new(states, edges).expect("a network");
    model
}

/// Two states whose diffusivities vary in different ways.
fn two() -> Model {
    varying(&[(1.0, "0.02*(1 + x)"), (0.0, "0.004*exp(-x)")], vec![Edge::new([0, 1], 1.0, 1.5)])
}

/// Eight states on a ring of edges, three of them driven, a table of temperatures; one diffusivity is constant.
fn eight() -> Model {
    let diffusivities = ["0.02*(1 + x)", "0.01", "0.005*(2 - x)", "0.01*(1 + 0.5*x^2)"];
    let states: Vec<_> = (0..8).map(|k| (0.15 * k as f64, diffusivities[k % 4])).collect();
    let edge = |k: usize| Edge {
        between: [k, (k + 1) % 8],
        law: RateLaw::Activated {
            attempt_rate: 1.0,
            barrier: 1.5,
            affinity: if k.is_multiple_of(3) { 0.6 } else { 0.0 },
        },
    };
    let mut model = varying(&states, (0..8).map(edge).collect());
    let points: Vec<_> = (0..=20).map(|k| (k as f64 / 20.0, 1.0 + 0.8 * (k as f64 / 20.0).powi(2))).collect();
    model.temperature = Arc::new(Table::new(&points, Interpolation::Linear).expect("a table"));
    model
}

#[test]
fn the_same_bits_with_any_instructions_and_cuts() {
    let grid = Grid::new(1.0, 20);
    for (name, model) in [("two", two()), ("eight", eight())] {
        same_legs(name, &lanes(&model, &grid), &model, &grid, &[4, 1, 998]);
    }
}

#[test]
fn the_stationary_law_is_that_of_theory() {
    // All quantities of each system, alpha 1e-7 each; errors of densities of a few per mille.
    for (name, model) in [("two", two()), ("eight", eight())] {
        let grid = Grid::new(1.0, 20);
        let runner = pair(lanes(&model, &grid), &model, &grid);
        let size = Size { particles: 4096, groups: 64, legs: 3000, seed: 9 };
        let plan = plan(runner.as_ref(), &model, &grid, false, size);
        let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds");
        assert_eq!(finished.broken(), Vec::<&str>::new());
        let comparison = finished.compare(&solve(&model), 1e-7);
        note(format!("{name}: error {:.1e}, {}", density_error(&comparison), worst(&comparison)));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        // Negative control: a diffusivity that varies less.
        let mut wrong = model.clone();
        let mut states = model.network.states().to_vec();
        states[0].motility = Motility::Diffusivity(field("0.02*(1 + 0.9*x)"));
        wrong.network = Network::new(states, model.network.edges().to_vec()).expect("a network");
        assert!(!finished.compare(&solve(&wrong), 1e-7).agrees, "{name}");
    }
}

/// The largest deviate of the densities of states in 20 bins from theory, each bin one cell: a diffusivity changes by up to
/// 5 % in it, and as many visits are not scored.
fn worst_on_coarse_cells(model: &Model, law: &Model) -> f64 {
    let grid = Grid { cells_per_bin: 1, ..Grid::new(1.0, 20) };
    let runner = pair(lanes(model, &grid), model, &grid);
    let size = Size { particles: 4096, groups: 64, legs: 20_000, seed: 12 };
    let plan = plan(runner.as_ref(), model, &grid, false, size);
    let finished = run(runner.as_ref(), model, &grid, &plan).expect("bounds");
    let compared = finished.compare(&solve(law), 1e-7).compared;
    let densities = compared.iter().filter(|c| matches!(c.measured.observable, Observable::StateDensity(_)));
    densities.flat_map(|c| c.z.iter().flatten()).fold(0.0, |worst: f64, z| worst.max(z.abs()))
}

#[test]
fn visits_are_scored_as_often_as_they_should_be() {
    // 40 bins, alpha 1e-7 over all of them: 5.9. Errors of bins are half a per mille and more.
    let model = two();
    let right = worst_on_coarse_cells(&model, &model);
    assert!(right < 5.9, "{right}");
    // Negative control: a diffusivity 2 % too small at the hot wall.
    let mut wrong = model.clone();
    let mut states = model.network.states().to_vec();
    states[0].motility = Motility::Diffusivity(field("0.02*(1 + 0.96*x)"));
    wrong.network = Network::new(states, model.network.edges().to_vec()).expect("a network");
    let wrong = worst_on_coarse_cells(&model, &wrong);
    assert!(wrong > 5.9, "{wrong}");
}
