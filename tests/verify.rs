//! Checks of hidden currents and sum rules.

mod common;

use common::*;
use soret::grid::Grid;
use soret::model::Model;
use soret::verification::{self, Verdict, Verification};

fn verify(finished: &Finished) -> Verification {
    verification::judge(&verification::questions(&finished.context, &finished.groups), 1e-9)
}

fn show(v: &Verification) {
    note(format!("tests {} p {:e}", v.tests, v.critical_p));
    for c in &v.checks {
        note(format!(
            "{:<52} {:?} {:?} m{} stat {:.2?} p {:.2e} see {} {}",
            c.name,
            c.verdict,
            c.value.map(|v| format!("{:.3e}+-{:.1e}", v[0], v[1])),
            c.contrasts,
            c.statistic.unwrap_or(0.0),
            c.p_value.unwrap_or(-1.0),
            c.effect.replace("{}", &format!("{:.2e}", c.smallest_effect.unwrap_or(0.0))),
            c.words
        ));
    }
}

fn exactly(model: &Model, timed: bool, size: Size) -> Verification {
    let grid = Grid::new(1.0, 20);
    let runner = exact(model, &grid);
    let plan = plan(runner.as_ref(), model, &grid, timed, size);
    verify(&run(runner.as_ref(), model, &grid, &plan).unwrap())
}

#[test]
fn explore() {
    let size = Size { particles: 2048, groups: 64, legs: 5000, seed: 1 };
    for timed in [false, true] {
        show(&exactly(&two_states(), timed, size));
    }
    show(&exactly(&model("1", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]), false, size));
    for name in ["friction", "five_states_slow", "two_temperatures", "three_states", "kelvin"] {
        let m = experiment(name).model;
        note(name);
        show(&exactly(&m, false, size));
    }
    let _ = Verdict::Holds;
}
