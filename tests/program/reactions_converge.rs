//! Orders of the bias of cells, steps and finite numbers of particles that react: without noise, and in studies.
//!
//! Statements about samples hold within 6.5 standard errors or at the alpha of 1e-4 over a study, with seeds that are fixed.

use crate::common::note;
use soret::convergence::{Axis, Kind, Options, Series, Study, study};
use soret::experiment::Experiment;
use soret::grid::Grid;
use soret::model::Mixture;
use soret::observable::Observable;
use soret::theory::reaction::steps::{Meeting, solve};
use soret::theory::reaction::{Amounts, Steady, StepLaw, steady};
use std::sync::Arc;

const SIGMAS: f64 = 6.5;

const GRADIENT: &str = "\"0.75 + 0.5*x\"";

/// Dimers in a temperature; both rates of order ten.
fn file(temperature: &str, cells: usize, dt: f64) -> Experiment {
    let text = format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": {temperature},
            "species": [
                {{ "name": "M", "energy": 0, "diffusivity": 1, "concentration": 1 }},
                {{ "name": "D", "energy": -2, "diffusivity": 0.4, "content": 2 }} ],
            "reactions": [ {{ "equation": "2 M <-> D", "forward": 10, "prefactor": 7.4 }} ],
            "method": {{ "pairs": {{ "cells": {cells}, "dt": {dt} }} }},
            "run": {{ "system_size": 256, "duration": 4, "groups": 32, "seed": 3 }}, "measure": {{ "bins": 4 }} }}"#
    );
    Experiment::from_str("t", "t.json", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn law(experiment: &Experiment) -> (Arc<Mixture>, Steady) {
    let mixture = experiment.model.mixture.clone().expect("a mixture");
    let amounts = Amounts::Concentrations(experiment.mean_concentrations());
    let law = steady::solve(&mixture, &amounts, &steady::Options::default()).expect("a law");
    (mixture, law)
}

const LOOKED_AT: [Observable; 4] = [
    Observable::Soret,
    Observable::MeanConcentration(1),
    Observable::MeanCurrent(0),
    Observable::MeanHeatCurrent,
];

fn values(law: &StepLaw) -> [f64; 4] {
    let grid = Grid::new(1.0, 4);
    LOOKED_AT.map(|o| law.reference(o, &grid).expect("known")[0].expect("defined"))
}

/// Orders between neighbours of a ladder of halves, quantity by quantity, from values and their limit.
fn orders(ladder: &[[f64; 4]], limit: [f64; 4]) -> Vec<[f64; 4]> {
    let order = |pair: &[[f64; 4]]| {
        std::array::from_fn(|k| ((pair[0][k] - limit[k]) / (pair[1][k] - limit[k])).abs().log2())
    };
    ladder.windows(2).map(order).collect()
}

#[test]
fn cells_and_steps_have_order_two_without_noise() {
    let experiment = file(GRADIENT, 16, 1e-3);
    let (_, steady) = law(&experiment);
    let near = steady.profiles();
    let steps = |cells, dt, meeting| values(&solve(near, cells, dt, meeting).expect("a law"));
    // Width of cells, the step kept: bias against cells of no width.
    let dt = 1e-3;
    let limit = steps(48, dt, Meeting::AtPoints);
    let cells = orders(&[8, 16, 32, 64].map(|cells| steps(cells, dt, Meeting::InCells)), limit);
    note(format!("cells: {cells:.3?}"));
    for (k, order) in cells[cells.len() - 1].iter().enumerate() {
        assert!((order - 2.0).abs() < 0.03, "{:?}: {cells:?}", LOOKED_AT[k]);
    }
    // The step, no cells: bias against the continuum, which is another method.
    let exact = LOOKED_AT.map(|o| near.reference(o, &Grid::new(1.0, 4)).expect("known")[0].expect("defined"));
    let dts = [8e-3, 4e-3, 2e-3, 1e-3].map(|dt| steps(48, dt, Meeting::AtPoints));
    let short = orders(&dts, exact);
    note(format!("dt: {short:.3?}"));
    for (k, order) in short[short.len() - 1].iter().enumerate() {
        assert!((order - 2.0).abs() < 0.05, "{:?}: {short:?}", LOOKED_AT[k]);
    }
    let closest = steps(48, 2.5e-4, Meeting::AtPoints);
    assert!(closest.iter().zip(exact).all(|(a, b)| (a / b - 1.0).abs() < 5e-6), "{closest:?} {exact:?}");
    // In cells and with short steps an order of 3/2 comes in, small.
    let limit = {
        let law = |dt| solve(near, 16, dt, Meeting::InCells).expect("a law");
        values(&law(6.25e-5).limit(&law(3.125e-5)))
    };
    let dts = [8e-3, 4e-3, 2e-3, 1e-3].map(|dt| steps(16, dt, Meeting::InCells));
    let both = orders(&dts, limit);
    note(format!("dt in 16 cells: {both:.3?}"));
    assert!(both.iter().all(|orders| (1.3..2.0).contains(&orders[2])), "{both:?}");
    let bias = (dts[3][2] / limit[2] - 1.0).abs();
    assert!(bias < 2e-4, "{bias}");
}

/// First moment of the dimers at rest on a lattice of well-mixed cells, by moves and reactions in turn: the mean of before and
/// after the reactions, and after them alone. Shares nothing with the program.
fn lattice(dt: f64) -> [f64; 2] {
    const N: usize = 16;
    let hop = |c: &[f64; N], rate: f64| -> [f64; N] {
        // Small steps of the method of Runge and Kutta would do as well; these are exact enough at 1e-12.
        let mut c = *c;
        let pieces = (rate * dt * 40.0).ceil().max(1.0);
        for _ in 0..pieces as u32 {
            let mut term = c;
            for order in 1..=12 {
                let before = term;
                for i in 0..N {
                    let left = before[i.saturating_sub(1)] - before[i];
                    let right = before[(i + 1).min(N - 1)] - before[i];
                    term[i] = rate * dt / pieces / f64::from(order) * (left + right);
                }
                (0..N).for_each(|i| c[i] += term[i]);
            }
        }
        c
    };
    let moment = |d: &[f64; N]| d.iter().enumerate().map(|(i, d)| d * i as f64).sum::<f64>();
    let (mut m, mut d) = ([0.6; N], [0.2; N]);
    let mut sums = [0.0; 2];
    for _ in 0..(6.0 / dt) as u32 {
        (m, d) = (hop(&m, 256.0), hop(&d, 0.4 * 256.0));
        let before = moment(&d);
        for i in 0..N {
            let t = 0.75 + 0.5 * (i as f64 + 0.5) / N as f64;
            let back = 10.0 * 7.4 * f64::exp(-2.0 / t);
            let f = |m: f64, d: f64| 10.0 * m * m - back * d;
            for _ in 0..32 {
                let h = dt / 32.0;
                let a = f(m[i], d[i]);
                let b = f(m[i] - h * a, d[i] + 0.5 * h * a);
                (m[i], d[i]) = (m[i] - 2.0 * h * b, d[i] + h * b);
            }
        }
        let after = moment(&d);
        sums = [0.5 * (before + after), after];
    }
    sums
}

/// The control: what is seen only after the reactions has order 1, with numbers of another program.
#[test]
fn particles_seen_after_reactions_only_have_order_one() {
    let found = [4e-3, 2e-3, 1e-3, 5e-4].map(lattice);
    let order = |k: usize| ((found[0][k] - found[1][k]) / (found[1][k] - found[2][k])).abs().log2();
    let last = |k: usize| ((found[1][k] - found[2][k]) / (found[2][k] - found[3][k])).abs().log2();
    note(format!("{found:?}, orders {} {}, {} {}", order(0), order(1), last(0), last(1)));
    assert!((last(0) - 2.0).abs() < 0.2, "{}", last(0));
    assert!((last(1) - 1.0).abs() < 0.1, "{}", last(1));
}

fn done(experiment: &Experiment, axis: Axis, effort: f64) -> Study {
    let options = Options { axes: vec![axis], effort, repeats: 64, ..Options::default() };
    study(experiment, &options, &()).expect("a study").expect("not ended early")
}

fn find<'a>(study: &'a Study, kind: Kind, label: &str) -> &'a Series {
    let found = study.series.iter().find(|s| s.kind == kind && s.label() == label);
    found.unwrap_or_else(|| {
        panic!("{label}: {:?}", study.series.iter().map(Series::label).collect::<Vec<_>>())
    })
}

/// What a study has seen, for a reader of the log.
fn tell(study: &Study) {
    for s in &study.series {
        let points: Vec<String> =
            s.points.iter().map(|p| format!("{:.2e}({:.0e})", p.value, p.std_err)).collect();
        note(format!(
            "{:?} {} {:?} {} {}",
            s.kind,
            s.label(),
            s.fit.map(|f| f.slope),
            s.note,
            points.join(" ")
        ));
    }
}

/// Slope with its standard error.
fn slope(series: &Series) -> [f64; 2] {
    let fit = series.fit.unwrap_or_else(|| panic!("nothing seen: {series:?}"));
    let (low, high) = (fit.ci_low.expect("an end"), fit.ci_high.expect("an end"));
    note(format!(
        "{} against {}: {:.3} ({low:.3} to {high:.3})",
        series.label(),
        series.axis.name(),
        fit.slope
    ));
    [fit.slope, (high - low) / 3.92]
}

#[test]
fn samples_in_cells_agree_with_their_law_and_its_order() {
    let gradient = file(GRADIENT, 16, 4e-3);
    let cells = done(&gradient, Axis::Cells, 3e7);
    tell(&cells);
    assert!(cells.agrees);
    for label in ["soret", "concentration_contrast D"] {
        let exact = find(&cells, Kind::ChainBias, label);
        assert!((exact.fit.expect("a bias").slope + 2.0).abs() < 0.05, "{exact:?}");
        let sampled = find(&cells, Kind::Bias, label);
        assert_eq!((sampled.agrees, sampled.expected), (Some(true), Some(-2.0)));
    }
    assert!(find(&cells, Kind::Bias, "current_weighed M").agrees == Some(true));
}

#[test]
fn steps_agree_with_their_law() {
    let steps = done(&file(GRADIENT, 16, 1e-3), Axis::Dt, 6e7);
    tell(&steps);
    assert!(steps.agrees);
    let label = "mean_concentration D";
    let [exact, sampled] = [Kind::ChainBias, Kind::Bias].map(|kind| find(&steps, kind, label));
    assert_eq!((sampled.agrees, sampled.expected), (Some(true), Some(2.0)));
    let seen = exact.fit.expect("a bias").slope;
    note(format!("order of the law {seen:.3}"));
    assert!((1.4..2.3).contains(&seen), "{exact:?}");
}

#[test]
fn finite_numbers_shift_means_by_their_inverse() {
    // At uniform temperature any step and any cells have the same law.
    let found = done(&file("1", 4, 0.02), Axis::SystemSize, 6e7);
    tell(&found);
    let [exact, sampled] =
        [Kind::ChainBias, Kind::Bias].map(|kind| find(&found, kind, "mean_concentration D"));
    let [slope, error] = slope(sampled);
    assert_eq!(sampled.expected, Some(-1.0));
    // The next order of the expansion bends the fit by 0.05 or so; neither -1/2 nor -2 would do.
    assert!((slope + 1.0).abs() < SIGMAS * error + 0.06 && error < 0.25, "{slope} {error}");
    assert!(slope < -0.5 - 2.0 * error && slope > -2.0 + 2.0 * error, "{slope} {error}");
    // The master equation to the last digit, and its order.
    assert!((exact.fit.expect("a shift").slope + 1.0).abs() < 0.02, "{exact:?}");
    for (p, q) in sampled.points.iter().zip(&exact.points) {
        let z = (p.value - q.value) / p.std_err;
        assert!(z.abs() < SIGMAS, "{} {z}", p.at);
    }
    // The control: no shift at all is refused.
    let point = sampled.points[0];
    assert!(point.value.abs() > SIGMAS * point.std_err, "{point:?}");
}

#[test]
fn sampling_errors_fall_with_populations_and_time() {
    let experiment = file(GRADIENT, 16, 1e-3);
    for (axis, effort) in [(Axis::Groups, 6e7), (Axis::Legs, 6e7)] {
        let found = done(&experiment, axis, effort);
        assert!(found.agrees);
        for label in ["mean_concentration D", "mean_heat_current"] {
            let [slope, error] = slope(find(&found, Kind::SamplingError, label));
            assert!((slope + 0.5).abs() < SIGMAS * error && error < 0.12, "{label}: {slope} {error}");
        }
    }
}

#[test]
fn axes_that_do_not_fit_are_refused() {
    let refused = |axis: Axis| {
        let options = Options { axes: vec![axis], ..Options::default() };
        study(&file("1", 4, 0.02), &options, &()).expect_err("no such axis").to_string()
    };
    assert!(refused(Axis::Particles).contains("groups, legs, dt, cells, system_size"));
    assert!(refused(Axis::Bins).contains("particles that react"));
}
