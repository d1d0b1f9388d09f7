//! `J_E` of the interior in the systems of Fig 2 to 1 %: a symmetric and a tilted double well, slow, as fast and fast along x. Each is
//! known to a standard error of a third of a per cent, by counts or by Ito's form, both against the law on the plane of x and q, corrected
//! for what the step does to each of them by the law of the chain of steps (at most 0.8 %).
//!
//! The runs take minutes of processor time and are not among the usual tests: `cargo test --release --test engine coordinates_precision:: -- --ignored`. Seen
//! numbers stand in `docs/statistics.md`. A false alarm has a probability of 6e-7 each; `J_E` off by 1.7 % would be seen.

use crate::common;
use crate::common::{field, note};
use soret::experiment::{Experiment, Method, RunPlan};
use soret::kernel::Span;
use soret::model::{Axis, Coordinates, Landscape};
use soret::observable::Observable;
use soret::sampling;
use soret::theory::coordinate::{Options, solve};
use soret::theory::coordinate_chain::{CoordinateChain, Resolution, Steps};
use std::sync::Arc;

/// What standard errors must be, relative to `J_E`.
const KNOWN: f64 = 1.0 / 300.0;

/// Standard errors within which it must agree.
const WITHIN: f64 = 5.0;

fn double_well(alpha: f64, tilt: f64, dt: f64, (particles, duration): (u64, f64)) -> Experiment {
    let temperature = "0.5 + 0.5*x";
    let mut model = common::model(temperature, &[(0.0, 1.0)], &[]);
    let potential = format!("q^4 - 2*q^2 + {tilt}*q");
    let u = Landscape::new(&potential, &["q"], &[], field(temperature)).expect("a potential");
    let law = format!("{alpha}*(U + 2.5)");
    let d = Landscape::of_potential(&law, &["q"], &[], field(temperature), Arc::new(u.clone()));
    model.coordinates = Some(Coordinates::new(vec![Axis::new("q", 1.0)], u, d.expect("a diffusivity")));
    let mut run = RunPlan::legs(particles, 10);
    run.span = Span::Duration(duration);
    run.rounds = 4;
    run.groups = 64;
    let mut experiment = Experiment::new("q", model, run);
    experiment.method = Method::Midpoint { dt };
    experiment.measure.bins = 16;
    experiment
}

fn at_speed(alpha: f64, dt: f64, efforts: [(u64, f64); 2]) {
    for (tilt, effort) in [0.0, 0.5].into_iter().zip(efforts) {
        let own = double_well(alpha, tilt, dt, effort);
        let grid = own.grid();
        let options = Options { tolerance: 1e-4, limit: 1e-3, ..Options::default() };
        let law = solve(&own.model, &options).expect("a solution");
        let chain =
            |dt: f64| CoordinateChain::on(&own.model, Steps::Midpoint, dt, Resolution::USUAL).expect("a law");
        let (stepping, still) = (chain(dt), chain(0.0));
        let measured = sampling::sample(&own, &()).expect("a run").measure();
        let mut best = f64::INFINITY;
        for (name, observable) in
            [("counted", Observable::InteriorHeatCurrent), ("Ito's form", Observable::ItoHeatCurrent)]
        {
            let of = |law: &CoordinateChain| {
                law.reference(observable, &grid).expect("known")[0].expect("a number")
            };
            // The same number without steps: Ito's form knows bins.
            let bias = of(&stepping) / of(&still) - 1.0;
            let found = measured.iter().find(|m| m.observable == observable).expect("measured").outcome(0);
            // Not told where steps are too long for it.
            let Some(found) = found.estimate().copied() else {
                note(format!(
                    "alpha {alpha}, tilt {tilt}, {name}: not told, of the step {:+.2} %",
                    100.0 * bias
                ));
                assert!(bias.abs() > 0.008);
                continue;
            };
            let theory = law.reference(observable, &grid).expect("known")[0].expect("a number");
            let (off, error) = (found.value / theory - 1.0, (found.std_error / theory).abs());
            note(format!(
                "alpha {alpha}, tilt {tilt}, {name}: {:+.2} % ± {:.2} %, of the step {:+.2} %",
                100.0 * off,
                100.0 * error,
                100.0 * bias
            ));
            assert!(bias.abs() < 0.008, "{bias}");
            assert!((off - bias).abs() < WITHIN * error, "alpha {alpha}, tilt {tilt}: {off} {bias} {error}");
            best = best.min(error);
        }
        assert!(best < KNOWN, "alpha {alpha}, tilt {tilt}: {best}");
    }
}

#[test]
#[ignore = "a minute of processor time"]
fn slow_along_x() {
    at_speed(0.01, 0.0125, [(65_536, 24.0), (262_144, 24.0)]);
}

#[test]
#[ignore = "a minute of processor time"]
fn as_fast() {
    at_speed(1.0, 0.005, [(69_632, 36.0), (69_632, 36.0)]);
}

#[test]
#[ignore = "a minute of processor time"]
fn fast_along_x() {
    at_speed(10.0, 0.0025, [(81_920, 17.0), (81_920, 17.0)]);
}

#[test]
fn itos_form_is_that_of_short_moves() {
    // Of the law of the chain, no noise: what both forms of J_E say, 64 bins.
    let well = double_well(10.0, 0.5, 0.0025, (64, 0.5));
    let mut fine = well.clone();
    fine.measure.bins = 64;
    let both = |dt: f64| {
        let law = CoordinateChain::on(&well.model, Steps::Midpoint, dt, Resolution::USUAL).expect("a law");
        [Observable::InteriorHeatCurrent, Observable::ItoHeatCurrent]
            .map(|o| law.reference(o, &fine.grid()).expect("known")[0].expect("a number"))
    };
    let apart = |[counted, ito]: [f64; 2]| ito / counted - 1.0;
    let still = both(0.0);
    assert!(apart(still).abs() < 1e-4, "{still:?}");
    let options = Options { tolerance: 1e-3, limit: 1e-2, ..Options::default() };
    let law = solve(&well.model, &options).expect("a solution");
    let other = law.reference(Observable::InteriorHeatCurrent, &fine.grid()).expect("known")[0];
    assert!((still[0] / other.expect("a number") - 1.0).abs() < 1e-3, "{still:?} {other:?}");
    // What is left out of sinh(z)/z is z^2/6 and more, of the second order in dt.
    let [short, long] = [0.00125, 0.0025].map(|dt| apart(both(dt)));
    assert!(long < -0.02 && (3.4..4.1).contains(&(long / short)), "{short} {long}");
    // It is told where it holds.
    let told = |dt: f64| {
        let own = double_well(10.0, 0.5, dt, (64, 0.5));
        let measured = sampling::sample(&own, &()).expect("a run").measure();
        let found =
            measured.into_iter().find(|m| m.observable == Observable::ItoHeatCurrent).expect("measured");
        found.outcome(0).estimate().is_some()
    };
    assert!(told(0.0005) && !told(0.0025));
}
