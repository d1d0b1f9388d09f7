//! Assisted estimates: what they gain, that their intervals cover, and the trap that they set.
//!
//! Statistics: every comparison has a family-wise alpha of `ALPHA`; there are fewer than twenty, so that the file gives a
//! false alarm in 2e-8 of all choices of seeds.

use crate::common::*;
use rayon::prelude::*;
use soret::assisted::{Assisted, assist};
use soret::ensemble::Group;
use soret::estimator::Context;
use soret::experiment::Experiment;
use soret::grid::Grid;
use soret::kernel::EulerMaruyama;
use soret::model::Model;
use soret::observable::Observable;
use soret::sampling::sample_weighed;
use soret::stats::{CONFIDENCE, Estimate, normal_survival, t_quantile, t_two_sided};
use soret::theory::stationary::Stationary;
use soret::verification::{self, Evidence, Question, STATIONARY};

const ALPHA: f64 = 1e-9;

fn check(context: &Context, groups: &[Group]) -> Question {
    let all = verification::questions(context, groups);
    all.into_iter().find(|q| q.name == STATIONARY).expect("asked")
}

fn assisted(context: &Context, groups: &[Group]) -> Assisted {
    assist(context, groups, &[check(context, groups)]).expect("controls")
}

/// The assisted estimate of a quantity that is one number.
fn one(assisted: &Assisted, observable: Observable) -> Estimate {
    let found = assisted.quantities.iter().find(|(o, _)| *o == observable).expect("assisted");
    *found.1[0].estimate().expect("an estimate")
}

/// The smallest p-value of all assisted numbers against theory, with their number.
fn smallest_p(assisted: &Assisted, law: &Stationary, grid: &Grid) -> (f64, usize) {
    let dof = (assisted.residual.dof[1] - 1) as f64;
    let mut all = Vec::new();
    for (observable, outcomes) in &assisted.quantities {
        let theory = law.reference(*observable, grid).expect("known");
        assert_eq!(theory.len(), outcomes.len(), "{observable:?}");
        for (outcome, theory) in outcomes.iter().zip(theory) {
            if let (Some(e), Some(theory)) = (outcome.estimate(), theory) {
                all.push(t_two_sided((e.value - theory) / e.std_error, dof));
            }
        }
    }
    (all.iter().copied().fold(1.0, f64::min), all.len())
}

/// A run of the two states of `experiments/two_state.json`.
fn two_state_run(legs: u64, seed: u64) -> Finished {
    let (model, grid) = (two_states(), Grid::new(1.0, 50));
    let runner = exact(&model, &grid);
    let size = Size { particles: 2048, groups: 64, legs, seed };
    let plan = plan(runner.as_ref(), &model, &grid, false, size);
    run(runner.as_ref(), &model, &grid, &plan).expect("bounds that hold")
}

#[test]
fn errors_fall_and_numbers_stay_right() {
    let finished = two_state_run(2000, 1);
    let (context, law) = (&finished.context, solve(&finished.context.model));
    let assisted = assisted(context, &finished.groups);
    let raw = finished.compare(&law, ALPHA);
    let gain = |observable: Observable| {
        let same = raw.compared.iter().find(|c| c.measured.observable == observable).expect("measured");
        let raw = same.measured.samples[0].as_ref().expect("a sample").std_error();
        (raw / one(&assisted, observable).std_error).powi(2)
    };
    // An error of a variance from 47 and 63 degrees of freedom is about a quarter: the limits are far away.
    for (observable, least) in [
        (Observable::Soret, 3000.0),
        (Observable::MeanTemperature, 3000.0),
        (Observable::Population(0), 3000.0),
        (Observable::MeanCurrent(0), 20.0),
        (Observable::MeanHeatCurrent, 20.0),
        (Observable::EntropyProduction, 20.0),
    ] {
        let gain = gain(observable);
        note(format!("{observable:?}: {gain:.0} times less variance"));
        assert!(gain > least, "{observable:?}: {gain}");
    }
    let (p, n) = smallest_p(&assisted, &law, &context.grid);
    note(format!("{n} assisted numbers, smallest p {p:.1e}; {:?}", assisted.residual));
    assert!(n > 500 && p > ALPHA / n as f64, "{p}");
    // Negative control: the neighbouring theory, of a diffusivity that is larger by a hundredth.
    let neighbour = solve(&model("1 + 0.8*x", &[(1.0, 1.01e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]));
    let (p, n) = smallest_p(&assisted, &neighbour, &context.grid);
    assert!(p < ALPHA / n as f64, "{p}");
}

#[test]
fn the_residual_is_the_check_of_the_stationary_equation() {
    let finished = two_state_run(200, 2);
    let question = check(&finished.context, &finished.groups);
    let judged = verification::judge(std::slice::from_ref(&question), 1e-4);
    let residual = assist(&finished.context, &finished.groups, std::slice::from_ref(&question))
        .expect("controls")
        .residual;
    let statistic = judged.checks[0].statistic.expect("tested");
    assert!((residual.t_squared / statistic - 1.0).abs() < 1e-9, "{} {statistic}", residual.t_squared);
    assert_eq!(residual.dof, [judged.checks[0].contrasts, 64 - judged.checks[0].contrasts]);
    assert_eq!(judged.checks[0].contrasts, 16, "a quarter of the groups");
}

/// Groups whose time, so much in each of them, is mostly that of the exact law, with a little of a run on top.
pub fn nearly_exact(finished: &Finished, law: &Stationary, time: f64) -> Vec<Group> {
    let context = &finished.context;
    let grid = &context.grid;
    let cells = Grid { bins: grid.cells(), cells_per_bin: 1, ..*grid };
    let mut exact = Vec::new();
    for s in 0..context.model.network.states().len() {
        let density = law.reference(Observable::StateDensity(s), &cells).expect("known");
        for (p, dwell) in density.into_iter().zip(&context.dwell[s]) {
            exact.push((time * p.expect("defined") / dwell) as u64);
        }
    }
    let with = |group: &Group| {
        let mut value = serde_json::to_value(group).expect("plain data");
        let visits = value["profile"]["visits"].as_array_mut().expect("counts");
        for (visits, exact) in visits.iter_mut().zip(&exact) {
            *visits = (visits.as_u64().expect("a count") + exact).into();
        }
        serde_json::from_value(value).expect("a group")
    };
    finished.groups.iter().map(with).collect()
}

#[test]
fn cells_bias_nothing_by_more_than_a_millionth() {
    // Without statistics: the densities that a very long run would have. What is left comes from densities within cells,
    // h^2/12 int P' (L phi)' dx and its likes, h = 1/1050.
    let finished = two_state_run(200, 3);
    let law = solve(&finished.context.model);
    let groups = nearly_exact(&finished, &law, 1e7);
    let question = check(&finished.context, &groups);
    let Evidence::Contrasts { sums, scale, .. } = &question.evidence else { panic!("no contrasts") };
    let time: f64 = scale.iter().sum();
    for k in 0..16 {
        let mean = sums.iter().map(|s| s[k]).sum::<f64>() / time;
        // Cosines relax at 0.7 by transitions, and faster by motion.
        assert!(mean.abs() < 1e-6, "control {k}: {mean:e} per time");
    }
    let assisted = assisted(&finished.context, &groups);
    let grid = &finished.context.grid;
    let mut worst = 0.0f64;
    for observable in [
        Observable::Soret,
        Observable::MeanTemperature,
        Observable::Population(0),
        Observable::MeanCurrent(0),
    ] {
        let theory = law.reference(observable, grid).expect("known")[0].expect("defined");
        let off = one(&assisted, observable).value / theory - 1.0;
        note(format!("{observable:?}: off by {off:.1e} of itself"));
        worst = worst.max(off.abs());
    }
    assert!(worst < 1e-6, "{worst:e}");
}

/// Intervals that contain the theory, of how many, and how many would if they were half as long.
#[derive(Default)]
struct Covered {
    inside: [usize; 2],
    of: usize,
}

#[test]
fn intervals_cover_the_theory_in_95_of_100_runs() {
    // Small runs: 4 walkers a group, soret known to a tenth of itself without assistance.
    let runs = std::env::var("SORET_COVERAGE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(120usize);
    let (model, grid) = (two_states(), Grid { length: 1.0, bins: 10, cells_per_bin: 50, across: 0 });
    let law = solve(&model);
    let runner = exact(&model, &grid);
    let all: Vec<(Assisted, bool)> = (0..runs as u64)
        .into_par_iter()
        .map(|k| {
            let size = Size { particles: 256, groups: 64, legs: 600, seed: 2_000_000 + k };
            let plan = plan(runner.as_ref(), &model, &grid, false, size);
            let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds that hold");
            let made = assisted(&finished.context, &finished.groups);
            let rare = made.residual.p_value < 1.0 - CONFIDENCE;
            (made, rare)
        })
        .collect();
    let spread = (CONFIDENCE * (1.0 - CONFIDENCE) / runs as f64).sqrt();
    let p = |share: f64| 2.0 * normal_survival((share - CONFIDENCE).abs() / spread);
    let mut failed = Vec::new();
    let mut shortened = Covered::default();
    let families = [
        ("soret", vec![Observable::Soret]),
        ("populations", vec![Observable::Population(0)]),
        ("mean currents", vec![Observable::MeanCurrent(0)]),
        ("entropy production", vec![Observable::EntropyProduction]),
        ("P_tot, 10 bins", vec![Observable::Density]),
        ("P_i, 10 bins each", vec![Observable::StateDensity(0), Observable::StateDensity(1)]),
        ("J_i, windows", vec![Observable::WindowCurrent(0), Observable::WindowCurrent(1)]),
    ];
    for (name, observables) in families {
        let mut covered = Covered::default();
        for observable in observables {
            let theory = law.reference(observable, &grid).expect("known");
            for (made, _) in &all {
                let (_, outcomes) = made.quantities.iter().find(|(o, _)| *o == observable).expect("assisted");
                for (outcome, theory) in outcomes.iter().zip(&theory) {
                    let e = outcome.estimate().expect("an estimate");
                    let off = (e.value - theory.expect("defined")).abs() / (e.high - e.value);
                    covered.inside[0] += usize::from(off <= 1.0);
                    covered.inside[1] += usize::from(off <= 0.5);
                    covered.of += 1;
                }
            }
        }
        let share = covered.inside[0] as f64 / covered.of as f64;
        note(format!("{name:<20} {:>7} intervals, covered {share:.4}", covered.of));
        if p(share) < ALPHA {
            failed.push(format!("{name}: {share}"));
        }
        shortened.inside[1] += covered.inside[1];
        shortened.of += covered.of;
    }
    assert!(failed.is_empty(), "{failed:?}");
    let rare = all.iter().filter(|(_, rare)| *rare).count() as f64 / runs as f64;
    note(format!("residual below p = 0.05 in {rare:.4} of {runs} runs"));
    assert!(p(1.0 - rare) > ALPHA, "{rare}");
    // Negative control.
    let share = shortened.inside[1] as f64 / shortened.of as f64;
    assert!(p(share) < ALPHA, "{share}");
}

/// What a sampler of something else looks like: raw and assisted, both over theory, and the residual.
fn trap(name: &str, context: &Context, groups: &[Group], observable: Observable) -> ([f64; 2], Assisted) {
    let made = assisted(context, groups);
    let theory = solve(&context.model).reference(observable, &context.grid).expect("known")[0];
    let theory = theory.expect("defined");
    let finished = Finished { context: context.clone(), groups: groups.to_vec() };
    let measured = finished.measure();
    let raw = measured.iter().find(|m| m.observable == observable).expect("measured").outcome(0);
    let off = [raw.estimate().expect("an estimate"), &one(&made, observable)].map(|e| e.value / theory - 1.0);
    note(format!(
        "{name}: {observable:?} off by {:.2} % raw, {:.3} % assisted; T^2 {:.0} on {:?}, p = {:.0e}",
        100.0 * off[0],
        100.0 * off[1],
        made.residual.t_squared,
        made.residual.dof,
        made.residual.p_value
    ));
    (off, made)
}

#[test]
fn a_wrong_sampler_looks_right_and_is_told_by_the_residual() {
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let size = Size { particles: 2048, groups: 64, legs: 1500, seed: 7 };
    // Right: nothing to tell.
    let runner = exact(&model, &grid);
    let plan_of =
        |runner: &dyn soret::ensemble::GroupRunner, timed: bool| plan(runner, &model, &grid, timed, size);
    let right = run(runner.as_ref(), &model, &grid, &plan_of(runner.as_ref(), false)).expect("bounds");
    let (_, made) = trap("exact", &right.context, &right.groups, Observable::Population(0));
    assert!(made.residual.p_value > ALPHA);

    // Rates out of the excited state too high by 2 %, for the energy that enters them is: populations are off by 1 %, and
    // assisted by the generator of the right model they are right.
    let wrong = model_with_energy(1.02);
    let runner = exact(&wrong, &grid);
    let finished = run(runner.as_ref(), &wrong, &grid, &plan_of(runner.as_ref(), false)).expect("bounds");
    let context = Context { model: model.clone(), ..finished.context };
    let (off, made) = trap("rates 2 % off", &context, &finished.groups, Observable::Population(0));
    assert!(off[0].abs() > 5e-3 && off[1].abs() < 5e-4, "{off:?}");
    assert!(made.residual.p_value < ALPHA, "{:?}", made.residual);

    // Steps far too long: soret off by some per cent, right when assisted, to a few tenths.
    let dt = 4.0;
    let kernel = EulerMaruyama::new(&model, &grid, dt).expect("rates with bounds");
    let runner = pair(kernel, &model, &grid);
    let long = Size { legs: 3000, ..size };
    let plan = plan(runner.as_ref(), &model, &grid, true, long);
    let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds that hold");
    let (off, made) = trap("dt = 4", &finished.context, &finished.groups, Observable::MeanHeatCurrent);
    assert!(off[0].abs() > 4e-2 && off[1].abs() < 2e-2, "{off:?}");
    assert!(made.residual.p_value < ALPHA && made.residual.t_squared > 200.0, "{:?}", made.residual);
}

/// The two states, the energy of one of them another one.
fn model_with_energy(energy: f64) -> Model {
    model("1 + 0.8*x", &[(energy, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)])
}

#[test]
fn frictions_forces_drifts_and_rings_are_assisted_too() {
    let states = r#""states": [{"name": "a", "energy": 1, "diffusivity": 1e-2},
        {"name": "b", "diffusivity": 1e-3}]"#;
    let frictions = r#""states": [{"name": "a", "energy": 1, "friction": "60 + 40*x"},
        {"name": "b", "friction": "500 + 200*x"}]"#;
    let edges = r#""transitions": [{"between": ["a", "b"], "attempt_rate": 1, "barrier": 1.5}]"#;
    let systems = [
        format!(r#""domain": {{"length": 1}}, "temperature": "1 + 0.8*x", {frictions}, {edges}"#),
        format!(
            r#""domain": {{"length": 1}}, "temperature": "1 + 0.5*x", "potential": "0.4*cos(pi*x)", {states}, {edges}"#
        ),
        format!(
            r#""domain": {{"length": 1, "walls": "periodic"}}, "temperature": "1.4 + 0.5*sin(2*pi*x) + 0.2*cos(4*pi*x)", {states}, {edges}"#
        ),
        r#""domain": {"length": 1, "walls": "periodic"}, "temperature": "1.4 + 0.5*sin(2*pi*x)",
           "states": [{"name": "a", "energy": 1, "diffusivity": 1e-2, "drift": 0.02}, {"name": "b", "diffusivity": 1e-2}],
           "transitions": [{"between": ["a", "b"], "attempt_rate": 1, "barrier": 1.5}]"#
            .into(),
        format!(r#""domain": {{"length": 1}}, "temperature": "1 + 0.8*x", {states}, {edges}, "method": {{"exact": {{}}}}"#),
    ];
    for (k, system) in systems.iter().enumerate() {
        // The last one with timed legs.
        let span = if k == 4 { r#""duration": 3000"# } else { r#""legs": 1500"# };
        let text = format!(
            r#"{{"format_version": 1, {system}, "run": {{"particles": 2048, {span}, "seed": {}}}, "measure": {{"bins": 20}}}}"#,
            20 + k
        );
        let experiment = Experiment::from_str("t", "t.json", &text).unwrap_or_else(|e| panic!("{e}"));
        let sampled = sample_weighed(&experiment, None, &()).expect("bounds that hold");
        let made = assisted(&sampled.context, &sampled.groups);
        let law = solve(&experiment.model);
        let (p, n) = smallest_p(&made, &law, &sampled.context.grid);
        let limit = t_quantile(CONFIDENCE, 40.0);
        let sharp =
            made.quantities.iter().find(|(o, _)| *o == Observable::MeanTemperature).expect("assisted");
        let sharp = sharp.1[0].estimate().expect("an estimate");
        note(format!(
            "system {k}: {n} numbers, smallest p {p:.1e}; {:?}; mean T {} +- {:.1e}",
            made.residual, sharp.value, sharp.std_error
        ));
        assert!(n > 100 && p > ALPHA / n as f64, "system {k}: {p}");
        assert!(made.residual.p_value > ALPHA, "system {k}: {:?}", made.residual);
        assert!(limit * sharp.std_error < 2e-4 * sharp.value, "system {k}: {sharp:?}");
    }
}

#[test]
fn what_cannot_be_assisted_says_why() {
    let text = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 + 0.8*x",
        "states": [{"name": "a", "energy": 1, "diffusivity": 1e-2}, {"name": "b", "diffusivity": 1e-3}],
        "transitions": [{"between": ["a", "b"], "attempt_rate": 1, "barrier": 1.5}],
        "run": {"particles": 64}, "measure": {"bins": 10, "times": [1, 2]}}"#;
    let experiment = Experiment::from_str("t", "t.json", text).unwrap_or_else(|e| panic!("{e}"));
    let sampled = sample_weighed(&experiment, None, &()).expect("bounds that hold");
    let question = check(&sampled.context, &sampled.groups);
    let refused = assist(&sampled.context, &sampled.groups, &[question]).expect_err("not stationary");
    assert!(refused.contains("not stationary"), "{refused}");
}
