//! Densities at points from the law of single legs, against the continuum theory and against histograms.
//!
//! Statistics: every comparison has a family-wise alpha of `ALPHA`; there are four, so that the file gives a false alarm in
//! 4e-9 of all choices of seeds. Runs see densities wrong by 5 %.

use crate::common::*;
use soret::ensemble::{Group, GroupRunner};
use soret::estimator::{Estimator, Points, measure};
use soret::grid::Grid;
use soret::kernel::EulerMaruyama;
use soret::model::{Boundary, Model};
use soret::observable::Observable;
use soret::stats::t_two_sided;
use soret::theory::stationary::Stationary;

const ALPHA: f64 = 1e-9;

const GROUPS: usize = 64;

fn finished(runner: &dyn GroupRunner, model: &Model, grid: &Grid, timed: bool, legs: u64) -> Finished {
    let size = Size { particles: 4096, groups: GROUPS, legs, seed: 31 };
    let plan = plan(runner, model, grid, timed, size);
    run(runner, model, grid, &plan).expect("bounds that hold")
}

/// The smallest p-value of all densities at points against `theory(state, x)`, no state for the sum; with their number.
fn smallest_p(finished: &Finished, theory: &dyn Fn(Option<usize>, f64) -> f64) -> (f64, usize) {
    let mut all = Vec::new();
    for measured in measure(&Points, &finished.context, &finished.groups) {
        let state = match measured.observable {
            Observable::PointDensity => None,
            Observable::PointStateDensity(s) => Some(s),
            other => panic!("{other:?}"),
        };
        for k in 0..measured.samples.len() {
            let e = *measured.outcome(k).estimate().expect("an estimate");
            let off = (e.value - theory(state, finished.context.grid.face(k))) / e.std_error;
            all.push(t_two_sided(off, GROUPS as f64 - 1.0));
        }
    }
    (all.iter().copied().fold(1.0, f64::min), all.len())
}

fn density(law: &Stationary, state: Option<usize>, x: f64) -> f64 {
    let all = law.density_at(x.clamp(0.0, law.model().domain.length));
    state.map_or_else(|| all.iter().sum(), |s| all[s])
}

#[test]
fn points_agree_with_theory_walls_included() {
    let boxes =
        Model { domain: soret::model::Domain { length: 2.5, walls: Boundary::Reflecting }, ..two_states() };
    for (name, model) in [("unit box", two_states()), ("longer box", boxes)] {
        let grid = Grid::new(model.domain.length, 20);
        let law = solve(&model);
        for timed in [false, true] {
            let runner = exact(&model, &grid);
            let finished = finished(runner.as_ref(), &model, &grid, timed, 2000);
            let (p, n) = smallest_p(&finished, &|s, x| density(&law, s, x));
            note(format!("{name}, timed {timed}: {n} points, smallest p {p:.1e}"));
            assert_eq!(n, 3 * 21);
            assert!(p > ALPHA / n as f64, "{name}, timed {timed}: {p}");
            // Negative control: densities larger by 5 %.
            let (p, n) = smallest_p(&finished, &|s, x| 1.05 * density(&law, s, x));
            assert!(p < ALPHA / n as f64, "{name}, timed {timed}: {p}");
        }
    }
}

/// Groups that have counted what is expected, cell by cell.
fn expected_counts(finished: &Finished, law: &Stationary) -> Vec<Group> {
    let context = &finished.context;
    let cells = Grid { bins: context.grid.cells(), cells_per_bin: 1, ..context.grid };
    let counts = |observable: Observable, worth: &dyn Fn(usize) -> f64| -> Vec<u64> {
        let values = law.reference(observable, &cells).expect("known").into_iter().enumerate();
        values.map(|(c, v)| (1e13 * v.expect("defined") / worth(c)).round() as u64).collect()
    };
    let states = 0..context.model.network.states().len();
    let visits: Vec<u64> =
        states.flat_map(|s| counts(Observable::StateDensity(s), &|c| context.dwell[s][c])).collect();
    let channels = 0..2 * context.model.network.edges().len();
    let passages: Vec<u64> = channels.flat_map(|c| counts(Observable::TransitionRate(c), &|_| 1.0)).collect();
    let with = |(g, group): (usize, &Group)| {
        let mut value = serde_json::to_value(group).expect("plain data");
        // Groups that are not all alike, so that there is an error: of different lengths.
        let scaled = |n: &u64| n / 2 * (1 + g as u64 % 2);
        value["profile"]["visits"] = visits.iter().map(scaled).collect::<Vec<_>>().into();
        value["profile"]["passages"] = passages.iter().map(scaled).collect::<Vec<_>>().into();
        serde_json::from_value(value).expect("a group")
    };
    finished.groups.iter().enumerate().map(with).collect()
}

#[test]
fn cells_bias_nothing_by_more_than_a_millionth() {
    // Without statistics: what a very long run would count.
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let law = solve(&model);
    let runner = exact(&model, &grid);
    let mut finished = finished(runner.as_ref(), &model, &grid, false, 10);
    finished.groups = expected_counts(&finished, &law);
    let mut worst = 0.0f64;
    for measured in measure(&Points, &finished.context, &finished.groups) {
        let theory = law.reference(measured.observable, &grid).expect("known");
        for (sample, theory) in measured.samples.iter().zip(theory) {
            let value = sample.as_ref().expect("a value").value;
            worst = worst.max((value / theory.expect("defined") - 1.0).abs());
        }
    }
    note(format!("points are off by {worst:.1e} of themselves at most"));
    assert!(worst < 1e-6, "{worst:e}");
}

#[test]
fn points_know_more_than_histograms() {
    // Slow transitions, k L^2/D_1 of order one, and faster ones: at equal runs, 50 bins.
    let slow = model("0.2*(1 + x)", &[(0.5, 1.0), (0.0, 0.1)], &[(0, 1, 1.0, 0.5)]);
    let fast = model("0.2*(1 + x)", &[(0.5, 1.0), (0.0, 0.1)], &[(0, 1, 100.0, 0.5)]);
    let mut gains = Vec::new();
    for (name, model) in [("slow", slow), ("fast", fast)] {
        let grid = Grid::new(1.0, 50);
        let runner = exact(&model, &grid);
        let finished = finished(runner.as_ref(), &model, &grid, false, 1000);
        let variance = |estimator: &dyn Estimator, observable: Observable, entries: [usize; 2]| -> f64 {
            let all = measure(estimator, &finished.context, &finished.groups);
            let measured = all.iter().find(|m| m.observable == observable).expect("measured");
            let error = |k: usize| measured.samples[k].as_ref().expect("a sample").std_error().powi(2);
            (entries[0]..entries[1]).map(error).sum::<f64>() / (entries[1] - entries[0]) as f64
        };
        let histogram = variance(&soret::estimator::Density, Observable::Density, [0, 50]);
        let points = variance(&Points, Observable::PointDensity, [0, 51]);
        let time: f64 = finished.groups.iter().map(|g| finished.context.exposure(g)).sum();
        note(format!(
            "{name}: variance times time {:.1} of bins, {:.1} of points: {:.1} times less",
            histogram * time,
            points * time,
            histogram / points
        ));
        gains.push(histogram / points);
    }
    assert!(gains[0] > 5.0 && gains[1] > 1.2, "{gains:?}");
}

#[test]
fn what_has_no_law_of_legs_has_no_points() {
    let (model, grid) = (two_states(), Grid::new(1.0, 10));
    let kernel = EulerMaruyama::new(&model, &grid, 0.1).expect("rates with bounds");
    let runner = pair(kernel, &model, &grid);
    let stepped = finished(runner.as_ref(), &model, &grid, true, 10);
    let measured = measure(&Points, &stepped.context, &stepped.groups);
    assert_eq!(measured.len(), 3);
    assert!(measured.iter().all(|m| m.outcome(0).estimate().is_none() && m.reason.contains("steps")));
    let mut ring = two_states();
    ring.domain.walls = Boundary::Periodic;
    ring.temperature = field("1.4 + 0.4*sin(2*pi*x)");
    let runner = exact(&ring, &grid);
    let round = finished(runner.as_ref(), &ring, &grid, false, 10);
    assert!(measure(&Points, &round.context, &round.groups).is_empty());
}
