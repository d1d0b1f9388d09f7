//! `J_E` of the interior in the systems of Fig 2 to 1 %: a symmetric and a tilted double well, slow, as fast and fast along x. Each is
//! known to a standard error of a third of a per cent, against the law on the plane of x and q, corrected for what the step does to the
//! mean heat current by the law of the chain of steps (at most 0.8 %).
//!
//! Minutes of processor time, so not among the usual tests: `cargo test --release --test engine coordinates_precision:: -- --ignored`. Seen
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
        let chain = |dt: f64| {
            let law = CoordinateChain::on(&own.model, Steps::Midpoint, dt, Resolution::USUAL).expect("a law");
            let mean = law.reference(Observable::MeanHeatCurrent, &grid).expect("known");
            mean[0].expect("a number")
        };
        let bias = chain(dt) / chain(0.0) - 1.0;
        assert!(bias.abs() < 0.008, "{bias}");
        let measured = sampling::sample(&own, &()).expect("a run").measure();
        let both = [Observable::InteriorHeatCurrent, Observable::ItoHeatCurrent].map(|observable| {
            let found = measured.iter().find(|m| m.observable == observable).expect("measured").outcome(0);
            let theory = law.reference(observable, &grid).expect("known")[0].expect("a number");
            let found = *found.estimate().expect("a value");
            (found.value / theory - 1.0, (found.std_error / theory).abs())
        });
        for (name, (off, error)) in ["counted", "Ito's form"].iter().zip(both) {
            note(format!(
                "alpha {alpha}, tilt {tilt}, {name}: {:+.2} % ± {:.2} %, of the step {:+.2} %",
                100.0 * off,
                100.0 * error,
                100.0 * bias
            ));
        }
        let (off, error) = if both[0].1 < both[1].1 { both[0] } else { both[1] };
        assert!(error < KNOWN, "alpha {alpha}, tilt {tilt}: {error}");
        assert!((off - bias).abs() < WITHIN * error, "alpha {alpha}, tilt {tilt}: {off} {bias} {error}");
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
