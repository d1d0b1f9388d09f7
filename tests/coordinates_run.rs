//! From an experiment to the verdict: everything that a run with an internal coordinate measures, against the law on the plane
//! of x and q.

mod common;

use common::{field, note};
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::estimator::{self, Measured};
use soret::experiment::{Experiment, Method, RunPlan};
use soret::kernel::Span;
use soret::model::{Axis, Coordinates, Landscape, Model};
use soret::observable::Observable;
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::verification::{self, Verdict, Verification};
use std::sync::Arc;

/// Family-wise probability of a false alarm of each run.
const ALPHA: f64 = 1e-7;

fn model(temperature: &str, axes: &[&str], potential: &str, diffusivity: &str) -> Model {
    let mut model = common::model(temperature, &[(0.0, 1.0)], &[]);
    let u = Landscape::new(potential, axes, &[], field(temperature)).expect("a potential");
    let d = Landscape::of_potential(diffusivity, axes, &[], field(temperature), Arc::new(u.clone()));
    let all = axes.iter().map(|name| Axis::new(*name, 1.0)).collect();
    model.coordinates = Some(Coordinates::new(all, u, d.expect("a diffusivity")));
    model
}

fn experiment(model: Model, dt: f64, particles: u64, duration: f64) -> Experiment {
    let mut run = RunPlan::legs(particles, 10);
    run.span = Span::Duration(duration);
    run.rounds = 4;
    run.groups = 64;
    let mut experiment = Experiment::new("q", model, run);
    experiment.method = Method::Midpoint { dt };
    experiment.measure.bins = 16;
    experiment
}

fn double_well(temperature: &str, alpha: f64, tilt: f64) -> Model {
    model(temperature, &["q"], &format!("q^4 - 2*q^2 + {tilt}*q"), &format!("{alpha}*(U + 2.5 + 0.5*{tilt})"))
}

/// Compares with the theory of another system; maps only where their cells are the same.
fn against(sampled: &Sampled, own: &Experiment, other: &Experiment) -> Comparison {
    use Observable::*;
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    let same = own.reach == other.reach;
    let on_plane = |o: Observable| {
        matches!(o, PlaneDensity | PlaneCurrentAlong | PlaneCurrentAcross | WellPopulation(_))
    };
    let reference = |o: Observable| continuum.reference(o, &grid).filter(|_| same || !on_plane(o));
    compare(sampled.measure(), &grid, ALPHA, &reference)
}

/// Agrees with its own theory, and not with that of another.
fn judge(own: &Experiment, (name, other): (&str, Experiment)) -> (Sampled, Comparison) {
    let sampled = sampling::sample(own, &()).expect("a run");
    let invariants = estimator::invariants(&sampled.context, &sampled.groups);
    assert!(invariants.len() == 5 && invariants.iter().all(|c| c.holds), "{invariants:?}");
    let comparison = against(&sampled, own, own);
    let describe = |c: &Comparison| {
        let (k, entry, z) = c.worst.expect("something was compared");
        let joint: Vec<String> =
            c.joint.iter().map(|j| format!("{:?} {:.0e}", j.observable, j.p_value)).collect();
        let worst = c.compared[k].measured.observable;
        format!(
            "{} entries, largest z {z:.1} of {:.1} ({worst:?}, {entry}), joint {joint:?}",
            c.entries, c.critical_z
        )
    };
    note(describe(&comparison));
    for c in comparison.compared.iter().filter(|c| c.z.len() == 1) {
        if let Some(found) = c.measured.outcome(0).estimate() {
            let Measured { observable, .. } = &c.measured;
            note(format!(
                "  {observable:?} {:.5} ± {:.5}, theory {:?}",
                found.value, found.std_error, c.theory[0]
            ));
        }
    }
    assert!(comparison.agrees);
    // What is not compared is not proved.
    for observable in [
        Observable::LocalSoret,
        Observable::HeatCurrent,
        Observable::HeatAbsorbed,
        Observable::MeanEnergy,
        Observable::WellPopulation(1),
        Observable::PlaneDensity,
        Observable::PlaneCurrentAlong,
        Observable::PlaneCurrentAcross,
    ] {
        let found = comparison.compared.iter().find(|c| c.measured.observable == observable);
        let z = &found.expect("measured").z;
        let share = z.iter().flatten().count() as f64 / z.len() as f64;
        let uniform = own.model.temperature.constant().is_some() && observable == Observable::LocalSoret;
        assert!(share > 0.3 || uniform, "{observable:?}: {share}");
    }
    let refused = against(&sampled, own, &other);
    note(format!("  {name}: {}", describe(&refused)));
    assert!(!refused.agrees, "{name} goes unnoticed");
    (sampled, comparison)
}

/// What trajectories are asked.
fn checks(sampled: &Sampled) -> Verification {
    let questions = verification::questions(&sampled.context, &sampled.groups);
    verification::judge(&questions, ALPHA)
}

fn verdict(judged: &Verification, name: &str) -> Verdict {
    judged
        .checks
        .iter()
        .find(|c| c.name.contains(name))
        .unwrap_or_else(|| panic!("{name} is not asked"))
        .verdict
}

#[test]
fn a_double_well_at_any_speed_along_x() {
    for (alpha, dt, duration) in [(0.01, 0.0125, 40.0), (1.0, 0.008, 20.0), (10.0, 0.0025, 5.0)] {
        let of = |t: &str, a: f64| experiment(double_well(t, a, 0.0), dt, 1024, duration);
        let (sampled, comparison) =
            judge(&of("0.5 + 0.5*x", alpha), ("slope - 40 %", of("0.6 + 0.3*x", alpha)));
        let judged = checks(&sampled);
        assert!(judged.passes, "{:?}", judged.checks);
        for name in ["mean diffusivity times density", "entropy production is not"] {
            assert_eq!(verdict(&judged, name), Verdict::Holds, "{name} at alpha {alpha}");
        }
        assert_eq!(verdict(&judged, "hidden heat current"), Verdict::Seen);
        assert_eq!(verdict(&judged, "hidden current of energetic"), Verdict::Seen);
        assert!(comparison.joint.iter().any(|j| j.observable == Observable::PlaneCurrentAcross));
    }
}

#[test]
fn a_tilted_well() {
    let of = |tilt: f64| experiment(double_well("0.5 + 0.5*x", 1.0, tilt), 0.008, 1024, 20.0);
    let (sampled, _) = judge(&of(0.5), ("tilt + 30 %", of(0.65)));
    assert!(checks(&sampled).passes);
}

#[test]
fn a_noise_that_does_not_know_the_temperature_is_refused() {
    // Noise 1 with mobility 1 is kT = 1 everywhere: nothing gathers, and nothing flows.
    let captioned = experiment(double_well("0.75", 1.0, 0.3), 0.01, 1024, 20.0);
    let (sampled, _) =
        judge(&captioned, ("kT", experiment(double_well("0.5 + 0.5*x", 1.0, 0.3), 0.01, 1024, 20.0)));
    let judged = checks(&sampled);
    assert!(judged.passes, "{:?}", judged.checks);
    for name in
        ["no hidden heat current", "no hidden current in energy", "no entropy production", "Boltzmann"]
    {
        assert_eq!(verdict(&judged, name), Verdict::Holds, "{name}");
    }
    // Without a judge a long step leaves Boltzmann's law.
    let mut naive = captioned.clone();
    naive.method = Method::EulerMaruyama { dt: 0.02 };
    let judged = checks(&sampling::sample(&naive, &()).expect("a run"));
    assert_eq!(verdict(&judged, "Boltzmann"), Verdict::Fails);
}

#[test]
fn two_coordinates_have_identities_and_a_limit() {
    let two = model("0.5 + 0.5*x", &["q", "r"], "q^2 + (r - q)^2", "0.02*(1 + q^2 + r^2)");
    let own = experiment(two, 0.02, 512, 20.0);
    let summary = simulation::run(&own, &()).expect("a run");
    let verdict = summary.comparison.expect("a verdict");
    note(format!("{:?}", verdict.sentences));
    assert_eq!(verdict.agrees, None);
    assert!(verdict.sentences[0].contains("no full solution exists for several coordinates"));
    assert!(summary.invariants.iter().all(|i| i.holds), "{:?}", summary.invariants);
    assert!(summary.checks.expect("checks").passes);
    let find = |o: Observable| summary.quantities.iter().find(|q| q.observable == o).expect("measured");
    assert!(summary.quantities.iter().flat_map(|q| &q.rows).all(|r| r.theory.is_none()));
    // <D> is small against mu: the middle of the domain is in the limit.
    for observable in [Observable::Density, Observable::HeatCurrent, Observable::MeanEnergy] {
        let row = &find(observable).rows[8];
        let (found, limit) = (row.estimate.estimate().expect("a value"), row.fast_limit.expect("a limit"));
        note(format!("{observable:?} {} ± {}, limit {limit}", found.value, found.std_error));
        let room = 6.0 * found.std_error + 0.1 * limit.abs();
        assert!((found.value - limit).abs() < room, "{observable:?}: {} {limit}", found.value);
    }
}

#[test]
fn threads_do_not_matter() {
    let own = experiment(double_well("0.5 + 0.5*x", 1.0, 0.0), 0.02, 256, 4.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let summary = pool.install(|| simulation::run(&own, &())).expect("a run");
        note(format!("{:?}", summary.theory.as_ref().map(|t| &t.resolution)));
        note(format!("{:?}", summary.comparison.as_ref().map(|c| &c.sentences)));
        serde_json::to_string(&summary).expect("a summary")
    };
    assert_eq!(run(1), run(3));
}
