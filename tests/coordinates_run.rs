//! From an experiment to the verdict: everything that a run with an internal coordinate measures, against the law on the plane
//! of x and q.

mod common;

use common::{field, note};
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::experiment::{Experiment, Method, RunPlan};
use soret::kernel::Span;
use soret::model::{Axis, Coordinates, Landscape, Model};
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::verification::{self, Verification};
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

fn against(sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    let begin = std::time::Instant::now();
    let comparison = compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid));
    note(format!("compared in {:?}", begin.elapsed()));
    comparison
}

fn judge(own: &Experiment, others: &[(&str, Experiment)]) -> (Sampled, Comparison) {
    let begin = std::time::Instant::now();
    let sampled = sampling::sample(own, &()).expect("a run");
    note(format!("sampled in {:?}, burn-in {}", begin.elapsed(), sampled.plan.burn_in));
    let broken: Vec<_> = soret::estimator::invariants(&sampled.context, &sampled.groups);
    note(format!("{broken:?}"));
    assert!(broken.iter().all(|c| c.holds), "{broken:?}");
    let comparison = against(&sampled, own);
    let worst = comparison.worst.expect("something was compared");
    for c in &comparison.compared {
        let z: Vec<f64> = c.z.iter().flatten().copied().collect();
        let chi: f64 = z.iter().map(|z| z * z).sum::<f64>() / z.len().max(1) as f64;
        let most = z.iter().fold(0.0, |m: f64, z| m.max(z.abs()));
        note(format!(
            "{:?}: {} of {}, mean z^2 {chi:.2}, most {most:.1}",
            c.measured.observable,
            z.len(),
            c.z.len()
        ));
        if c.z.len() == 1 {
            note(format!("    {:?} theory {:?}", c.measured.outcome(0).estimate(), c.theory[0]));
        }
    }
    note(format!(
        "{} comparisons, largest z {:.2} of {:.2} ({:?}, entry {}), joint {:?}",
        comparison.entries,
        worst.2,
        comparison.critical_z,
        comparison.compared[worst.0].measured.observable,
        worst.1,
        comparison.joint.iter().map(|j| format!("{:?} {:.0e}", j.observable, j.p_value)).collect::<Vec<_>>()
    ));
    assert!(comparison.agrees);
    for (name, other) in others {
        let against = against(&sampled, other);
        let (c, k, z) = against.worst.expect("something was compared");
        let joint = against.joint.iter().map(|j| format!("{:?} {:.0e}", j.observable, j.p_value));
        note(format!(
            "  {name}: {z:.1} ({:?}, {k}), joint {:?}",
            against.compared[c].measured.observable,
            joint.collect::<Vec<_>>()
        ));
        assert!(!against.agrees, "{name} goes unnoticed");
    }
    (sampled, comparison)
}

/// What trajectories are asked.
fn checks(sampled: &Sampled) -> Verification {
    let questions = verification::questions(&sampled.context, &sampled.groups);
    let judged = verification::judge(&questions, ALPHA);
    for c in &judged.checks {
        note(format!("  {}: {:?} {:?} {} {:?}", c.name, c.verdict, c.p_value, c.words, c.smallest_effect));
    }
    judged
}

#[test]
fn a_double_well_at_any_speed_along_x() {
    for (alpha, dt, duration) in [(0.01, 0.0125, 60.0), (1.0, 0.008, 30.0), (10.0, 0.0025, 6.0)] {
        note(format!(
            "alpha {alpha}: automatic step {}",
            soret::kernel::automatic_step(&double_well("0.5 + 0.5*x", alpha, 0.0))
        ));
        let of = |t: &str, a: f64| experiment(double_well(t, a, 0.0), dt, 2048, duration);
        let (sampled, _) = judge(&of("0.5 + 0.5*x", alpha), &[("slope + 10 %", of("0.475 + 0.55*x", alpha))]);
        let judged = checks(&sampled);
        assert!(judged.passes);
    }
}

#[test]
fn a_tilted_well() {
    let of = |tilt: f64| experiment(double_well("0.5 + 0.5*x", 1.0, tilt), 0.008, 2048, 30.0);
    let (sampled, _) = judge(&of(0.5), &[("tilt + 10 %", of(0.55))]);
    assert!(checks(&sampled).passes);
}

#[test]
fn at_uniform_temperature_nothing_flows() {
    let own = experiment(double_well("0.7", 1.0, 0.3), 0.02, 2048, 30.0);
    let mut naive = own.clone();
    naive.method = Method::EulerMaruyama { dt: 0.02 };
    let (sampled, _) =
        judge(&own, &[("gradient", experiment(double_well("0.65 + 0.1*x", 1.0, 0.3), 0.02, 2048, 30.0))]);
    let judged = checks(&sampled);
    assert!(judged.passes);
    let sampled = sampling::sample(&naive, &()).expect("a run");
    assert!(!checks(&sampled).passes);
}

#[test]
fn two_coordinates_have_identities_and_a_limit() {
    let two = model("0.5 + 0.5*x", &["q", "r"], "q^2 + (r - q)^2", "0.02*(1 + q^2 + r^2)");
    let own = experiment(two, 0.02, 1024, 20.0);
    let begin = std::time::Instant::now();
    let summary = simulation::run(&own, &()).expect("a run");
    note(format!("{:?}", begin.elapsed()));
    let verdict = summary.comparison.expect("a verdict");
    note(format!("{:?}", verdict.sentences));
    assert_eq!(verdict.agrees, None);
    assert!(verdict.sentences[0].contains("several coordinates"));
    assert!(summary.invariants.iter().all(|i| i.holds), "{:?}", summary.invariants);
    let checks = summary.checks.expect("checks");
    for c in &checks.checks {
        note(format!("  {}: {:?} {:?} {}", c.name, c.verdict, c.p_value, c.words));
    }
    assert!(checks.passes);
    for q in &summary.quantities {
        if q.rows.len() < 100 && q.rows.iter().any(|r| r.fast_limit.is_some()) {
            note(format!(
                "{:?} {:?}",
                q.observable,
                q.rows
                    .iter()
                    .map(|r| (r.estimate.estimate().map(|e| (e.value, e.std_error)), r.fast_limit))
                    .nth(q.rows.len() / 2)
            ));
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let own = experiment(double_well("0.5 + 0.5*x", 1.0, 0.0), 0.02, 256, 4.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let summary = pool.install(|| simulation::run(&own, &())).expect("a run");
        note(format!("{:?} {:?}", summary.theory, summary.comparison.as_ref().map(|c| &c.sentences)));
        serde_json::to_string(&summary).expect("a summary")
    };
    assert_eq!(run(1), run(3));
}
