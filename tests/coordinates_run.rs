//! From an experiment to the verdict: everything that a run with an internal coordinate measures, against the law on the plane
//! of x and q.

mod common;

use common::{field, note};
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::experiment::{Experiment, Method, RunPlan};
use soret::kernel::Span;
use soret::model::{Axis, Coordinates, Landscape, Model};
use soret::observable::Observable;
use soret::sampling::{self, Sampled};
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

#[test]
fn a_double_well_at_any_speed_along_x() {
    for (alpha, dt, duration) in [(0.01, 0.0125, 60.0), (1.0, 0.008, 30.0), (10.0, 0.0025, 6.0)] {
        note(format!(
            "alpha {alpha}: automatic step {}",
            soret::kernel::automatic_step(&double_well("0.5 + 0.5*x", alpha, 0.0))
        ));
        let of = |t: &str, a: f64| experiment(double_well(t, a, 0.0), dt, 2048, duration);
        judge(&of("0.5 + 0.5*x", alpha), &[("alpha x 1.1", of("0.5 + 0.5*x", 1.1 * alpha))]);
    }
}
