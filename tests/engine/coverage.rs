//! Do the 95 % intervals contain the theory in 95 % of all runs?
//!
//! Many small runs of one system, all alike but for the seed: each gives its intervals for the density
//! in every bin, the current of every state through every face and in the mean, the heat flux and the
//! Soret coefficient; counted is how often they contain the value of the continuum theory.
//!
//! The number of runs is `SORET_COVERAGE_RUNS`. By default it is small: the mean coverage of a family of
//! intervals is then held against 0.95 by a binomial test of `ALPHA`, as if all intervals of a run were
//! one (a family of several intervals varies less), and sees intervals too short by a third. From 16000
//! runs on every family must also lie within 94 to 96 %. (With 4000 runs that limit is 2.9 standard
//! errors of a family of one interval: it gives a false alarm in one of 270 cases, and did, see
//! `docs/statistics.md`; with 16000 it is 5.8.) `scripts/coverage` makes the full study. Run `k` has the
//! seed `SORET_COVERAGE_SEED + k`.

use crate::common::*;
use rayon::prelude::*;
use soret::estimator::{Currents, Density, Estimator, Soret, measure};
use soret::grid::Grid;
use soret::observable::Observable;
use soret::stats::{CONFIDENCE, Estimate, normal_survival};

/// Alpha of one family; there are fewer than ten, so the file has an alpha of 1e-8.
const ALPHA: f64 = 1e-9;

/// From so many runs on a coverage within 94 to 96 % is asked for.
const LARGE: usize = 16_000;

/// 10 bins of 10 cells: with statistical errors of a few per cent the finer cells of real runs would only
/// cost time.
const GRID: Grid = Grid { length: 1.0, bins: 10, cells_per_bin: 10, across: 0 };

/// Seed of the first run, if not said otherwise.
const SEED: u64 = 1_000_000;

/// One of the runs: 256 particles in 32 groups of 8, 600 legs each after a burn-in of 8 relaxation times.
const SIZE: Size = Size { particles: 256, groups: 32, legs: 600, seed: 0 };

/// Intervals that are counted together.
struct Family {
    name: &'static str,
    /// Intervals that contain the theory, and intervals.
    inside: usize,
    of: usize,
}

/// A whole number from the environment.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no whole number")))
}

fn family(observable: Observable) -> Option<&'static str> {
    Some(match observable {
        Observable::Density => "P_tot, 10 bins",
        Observable::StateDensity(_) => "P_i, 10 bins each",
        Observable::Current(_) => "J_i, 9 faces each",
        Observable::MeanCurrent(_) => "mean J_i",
        Observable::HeatCurrent => "J_E, 9 faces",
        Observable::MeanHeatCurrent => "mean J_E",
        Observable::Soret => "soret",
        _ => return None,
    })
}

/// Every interval of every run with its theory.
fn intervals(runs: usize, seed: u64) -> Vec<(&'static str, Estimate, f64)> {
    let (model, grid) = (two_states(), GRID);
    let law = solve(&model);
    let runner = exact(&model, &grid);
    let estimators: [&dyn Estimator; 3] = [&Soret, &Density, &Currents];
    (0..runs)
        .into_par_iter()
        .flat_map_iter(|k| {
            let size = Size { seed: seed + k as u64, ..SIZE };
            let plan = plan(runner.as_ref(), &model, &grid, false, size);
            let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds that hold");
            let mut list = Vec::new();
            for estimator in estimators {
                for measured in measure(estimator, &finished.context, &finished.groups) {
                    let Some(name) = family(measured.observable) else { continue };
                    let theory = law.reference(measured.observable, &grid).expect("known");
                    for (k, theory) in theory.into_iter().enumerate() {
                        let estimate = *measured.outcome(k).estimate().expect("an estimate");
                        list.push((name, estimate, theory.expect("defined")));
                    }
                }
            }
            list
        })
        .collect()
}

/// Counts, with intervals made longer by `factor`.
fn count(intervals: &[(&'static str, Estimate, f64)], factor: f64) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for &(name, estimate, theory) in intervals {
        let at = families.iter().position(|f| f.name == name).unwrap_or_else(|| {
            families.push(Family { name, inside: 0, of: 0 });
            families.len() - 1
        });
        let reach = factor * (estimate.high - estimate.value);
        families[at].inside += usize::from((theory - estimate.value).abs() <= reach);
        families[at].of += 1;
    }
    families
}

/// Two-sided p-value of so large a distance from 0.95, by the normal law, intervals of a run taken as one.
fn p_value(coverage: f64, runs: usize) -> f64 {
    let spread = (CONFIDENCE * (1.0 - CONFIDENCE) / runs as f64).sqrt();
    2.0 * normal_survival((coverage - CONFIDENCE).abs() / spread)
}

#[test]
fn intervals_cover_the_theory_in_95_of_100_runs() {
    let runs = asked("SORET_COVERAGE_RUNS").map_or(300, |n| n as usize);
    let seed = asked("SORET_COVERAGE_SEED").unwrap_or(SEED);
    let intervals = intervals(runs, seed);
    note(format!("{runs} runs of {:?} and the seeds after it", Size { seed, ..SIZE }));
    note(format!("{:<20} {:>9} {:>9} {:>12} {:>9}", "intervals", "number", "covered", "within", "shortened"));
    let factor = if runs >= LARGE { 0.8 } else { 0.67 };
    let mut failed = Vec::new();
    let shortened = count(&intervals, factor);
    for (family, short) in count(&intervals, 1.0).iter().zip(&shortened) {
        let coverage = family.inside as f64 / family.of as f64;
        let control = short.inside as f64 / short.of as f64;
        let error = (coverage * (1.0 - coverage) / runs as f64).sqrt();
        let (name, of) = (family.name, family.of);
        note(format!("{name:<20} {of:>9} {coverage:>9.4} {error:>12.4} {control:>9.4}"));
        let within = runs < LARGE || (0.94..=0.96).contains(&coverage);
        if !(within && p_value(coverage, runs) > ALPHA) {
            failed.push(format!("{name}: {coverage}"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    // Negative control: the same intervals, shortened, are seen to fail: all together in a small study,
    // each family by itself in a large one.
    let inside: usize = shortened.iter().map(|f| f.inside).sum();
    let of: usize = shortened.iter().map(|f| f.of).sum();
    let p = p_value(inside as f64 / of as f64, runs);
    note(format!("all intervals, times {factor}: {:.4}, p = {p:.1e}", inside as f64 / of as f64));
    assert!(p < ALPHA, "{p}");
    if runs >= LARGE {
        assert!(shortened.iter().all(|f| !(0.94..=0.96).contains(&(f.inside as f64 / f.of as f64))));
    }
}
