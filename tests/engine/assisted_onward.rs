//! Assisted currents, and what else is narrow or fast: what the equation makes of the time of a group takes its noise away and
//! leaves its mean where it was, at any rates of transitions.
//!
//! Statistics: every comparison has a family-wise alpha of `ALPHA`; there are fewer than twenty, so that the file gives a
//! false alarm in 2e-8 of all choices of seeds.

use super::assisted::nearly_exact;
use crate::common::*;
use rayon::prelude::*;
use soret::assisted::{Assisted, assist};
use soret::ensemble::Group;
use soret::estimator::Context;
use soret::grid::Grid;
use soret::model::Model;
use soret::observable::Observable;
use soret::stats::{CONFIDENCE, Estimate, normal_survival, t_two_sided};
use soret::theory::stationary::Stationary;
use soret::verification::{self, STATIONARY};

const ALPHA: f64 = 1e-9;

/// `k0 L^2/D_1`: layers as wide as the box, of 60, and of 4 to 8 cells.
const PACES: [f64; 3] = [1.0, 100.0, 1e4];

fn assisted(context: &Context, groups: &[Group]) -> Assisted {
    let all = verification::questions(context, groups);
    let check = all.into_iter().find(|q| q.name == STATIONARY).expect("asked");
    assist(context, groups, &[check]).expect("controls")
}

fn entries(assisted: &Assisted, observable: Observable) -> impl Iterator<Item = Option<&Estimate>> {
    let found = assisted.quantities.iter().find(|(o, _)| *o == observable).expect("assisted");
    found.1.iter().map(|outcome| outcome.estimate())
}

/// The system of `benches/merit.rs`.
fn fast(k0: f64) -> Model {
    model("0.2*(1 + x)", &[(0.5, 1.0), (0.0, 0.1)], &[(0, 1, k0, 0.5)])
}

/// Groups of so few legs that most of what they see is noise.
fn short_run(model: &Model, grid: &Grid, legs: u64, seed: u64) -> Finished {
    let runner = exact(model, grid);
    let size = Size { particles: 256, groups: 64, legs, seed };
    // Local equilibrium differs from the stationary law by what the test is about: half a relaxation time brings that up.
    let mut plan = plan(runner.as_ref(), model, grid, false, size);
    plan.burn_in *= 0.5;
    run(runner.as_ref(), model, grid, &plan).expect("bounds that hold")
}

#[test]
fn cells_bias_no_current_at_any_rate() {
    // Without statistics: what is left of the cells, h = 1/1024, over the largest entry of each quantity.
    let grid = Grid::new(1.0, 16);
    for k0 in PACES {
        let model = fast(k0);
        let law = solve(&model);
        let finished = short_run(&model, &grid, 50, 1);
        // As many visits as relaxation takes legs, many times over.
        let time = 1e10 * finished.context.dwell[0][0].min(finished.context.dwell[1][0]);
        let made = assisted(&finished.context, &nearly_exact(&finished, &law, time));
        let mut worst = (0.0f64, None);
        for (observable, outcomes) in &made.quantities {
            let theory = law.reference(*observable, &grid).expect("known");
            let size = theory.iter().flatten().fold(0.0, |a: f64, t| a.max(t.abs()));
            for (k, outcome) in outcomes.iter().enumerate() {
                let Some(e) = outcome.estimate() else { continue };
                let off = (e.value - theory[k].expect("defined")).abs() / size;
                if off > worst.0 {
                    worst = (off, Some((*observable, k)));
                }
            }
        }
        note(format!("k0 = {k0}: {worst:?}"));
        assert!(worst.0 < 2e-6, "k0 = {k0}: {worst:?}");
    }
}

#[test]
fn what_is_narrow_or_fast_gains_as_well() {
    let grid = Grid::new(1.0, 16);
    for (k, k0) in PACES.into_iter().enumerate() {
        let model = fast(k0);
        let law = solve(&model);
        let finished = short_run(&model, &grid, 600, 20 + k as u64);
        let made = assisted(&finished.context, &finished.groups);
        let measured = finished.measure();
        let mut all = Vec::new();
        for (observable, outcomes) in &made.quantities {
            let theory = law.reference(*observable, &grid).expect("known");
            let raw = measured.iter().find(|m| m.observable == *observable).expect("measured");
            let mut gains = Vec::new();
            for (entry, outcome) in outcomes.iter().enumerate() {
                let e = outcome.estimate().expect("an estimate");
                let off = (e.value - theory[entry].expect("defined")) / e.std_error;
                all.push((t_two_sided(off, 47.0), *observable, entry));
                let error = raw.samples[entry].as_ref().expect("a sample").std_error();
                gains.push((error / e.std_error).powi(2));
            }
            gains.sort_by(f64::total_cmp);
            let flows = matches!(
                observable,
                Observable::WindowCurrent(_)
                    | Observable::Current(_)
                    | Observable::MeanCurrent(_)
                    | Observable::HeatCurrent
                    | Observable::MeanHeatCurrent
                    | Observable::HeatAbsorbed
                    | Observable::EntropyProduction
            );
            let [least, median] = [0, gains.len() / 2].map(|k| gains[k]);
            note(format!(
                "k0 = {k0}: {observable:?}, {least:.1e} to median {median:.1e} times less variance"
            ));
            // An error of a variance from 47 and 63 degrees of freedom is about a quarter.
            assert!(!flows || median > 1000.0, "k0 = {k0}: {observable:?} {median}");
        }
        let n = all.len() as f64;
        let worst = all.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("numbers");
        note(format!("k0 = {k0}: {n} numbers, {worst:?}"));
        assert!(worst.0 > ALPHA / n, "k0 = {k0}: {worst:?}");
        assert!(made.residual.p_value > ALPHA, "{:?}", made.residual);
    }
}

#[test]
fn tiny_gradients_have_a_soret_coefficient_too() {
    // The range of T is a millionth of T: what is a small step for a function of its mean is smaller still.
    let grid = Grid::new(1.0, 16);
    let model = model("1 + 1e-6*x", &[(0.5, 1.0), (0.0, 0.1)], &[(0, 1, 10.0, 0.5)]);
    let theory = solve(&model).reference(Observable::Soret, &grid).expect("known")[0].expect("a gradient");
    let finished = short_run(&model, &grid, 600, 31);
    let made = assisted(&finished.context, &finished.groups);
    let raw = finished.measure();
    let raw = raw.iter().find(|m| m.observable == Observable::Soret).expect("measured");
    let raw = raw.samples[0].as_ref().expect("a sample").std_error();
    let e = entries(&made, Observable::Soret).next().flatten().expect("an estimate");
    let p = t_two_sided((e.value - theory) / e.std_error, 47.0);
    note(format!("{e:?}, theory {theory}, raw error {raw:e}"));
    assert!(p > ALPHA, "{e:?} {theory} {p}");
    // The error is that of a linear function of the mean temperature: as many times smaller as that of this is.
    let measured = finished.measure();
    let mean = measured.iter().find(|m| m.observable == Observable::MeanTemperature).expect("measured");
    let mean = mean.samples[0].as_ref().expect("a sample").std_error();
    let assisted_mean = entries(&made, Observable::MeanTemperature).next().flatten().expect("an estimate");
    let [gain, of_mean] = [raw / e.std_error, mean / assisted_mean.std_error];
    assert!((gain / of_mean - 1.0).abs() < 0.05, "{gain} {of_mean}");
}

/// Shares of intervals that contain the theory, as they are and a quarter as long.
fn covered(all: &[Assisted], law: &Stationary, grid: &Grid, observables: &[Observable]) -> [f64; 2] {
    let (mut inside, mut of) = ([0.0; 2], 0.0);
    for observable in observables {
        let theory = law.reference(*observable, grid).expect("known");
        for made in all {
            for (e, theory) in entries(made, *observable).zip(&theory) {
                let e = e.expect("an estimate");
                let off = (e.value - theory.expect("defined")).abs() / (e.high - e.value);
                inside[0] += f64::from(u8::from(off <= 1.0));
                inside[1] += f64::from(u8::from(off <= 0.25));
                of += 1.0;
            }
        }
    }
    inside.map(|n| n / of)
}

#[test]
fn intervals_of_currents_cover_at_any_rate() {
    // Entries of one run depend on each other: the spread is that of the number of runs.
    let runs = std::env::var("SORET_COVERAGE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(60usize);
    let grid = Grid { length: 1.0, bins: 8, cells_per_bin: 128, across: 0 };
    let spread = (CONFIDENCE * (1.0 - CONFIDENCE) / runs as f64).sqrt();
    let p = |share: f64| 2.0 * normal_survival((share - CONFIDENCE).abs() / spread);
    for k0 in [1.0, 100.0] {
        let model = fast(k0);
        let law = solve(&model);
        let all: Vec<Assisted> = (0..runs as u64)
            .into_par_iter()
            .map(|k| {
                let finished = short_run(&model, &grid, 200, 3_000_000 + k);
                assisted(&finished.context, &finished.groups)
            })
            .collect();
        let mut shortened = 0.0f64;
        for observables in [
            vec![Observable::WindowCurrent(0), Observable::WindowCurrent(1)],
            vec![Observable::Current(0)],
            vec![Observable::MeanHeatCurrent],
            vec![Observable::EntropyProduction],
            vec![Observable::HeatAbsorbed],
            vec![Observable::PointDensity],
        ] {
            let [share, quarter] = covered(&all, &law, &grid, &observables);
            note(format!("k0 = {k0}: {observables:?} covered {share:.4}"));
            assert!(p(share) > ALPHA, "k0 = {k0}: {observables:?} {share}");
            shortened = shortened.max(quarter);
        }
        // Negative control: a quarter as long.
        assert!(p(shortened) < ALPHA, "{shortened}");
    }
}

#[test]
fn the_trap_stays_open() {
    // Energies that make rates out of the excited state 2 % too large: currents are drawn to the equation that was meant.
    let grid = Grid::new(1.0, 16);
    let meant = two_states();
    let sampled = model("1 + 0.8*x", &[(1.02, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    let runner = exact(&sampled, &grid);
    let size = Size { particles: 2048, groups: 64, legs: 1000, seed: 7 };
    let plan = plan(runner.as_ref(), &sampled, &grid, false, size);
    let finished = run(runner.as_ref(), &sampled, &grid, &plan).expect("bounds that hold");
    let context = Context { model: meant.clone(), ..finished.context };
    let made = assisted(&context, &finished.groups);
    let current = entries(&made, Observable::MeanCurrent(0)).next().flatten().expect("an estimate").value;
    let of = |model: &Model| {
        solve(model).reference(Observable::MeanCurrent(0), &grid).expect("known")[0].expect("defined")
    };
    let (off, from_sampled) = (current / of(&meant) - 1.0, current / of(&sampled) - 1.0);
    note(format!("{off:e} from what was meant, {from_sampled:e} from what was sampled; {:?}", made.residual));
    assert!(off.abs() < 3e-3 && from_sampled.abs() > 1e-2, "{off} {from_sampled}");
    assert!(made.residual.p_value < ALPHA, "{:?}", made.residual);
}
