//! Runs of files with an internal coordinate in every kind of surroundings, against the law on the plane of x and q: states with
//! potentials of their own, circles and walls of the coordinate, rings of x, forces along x, both readings of the paper's noise,
//! diffusivities that depend on x. Each run agrees with its own theory within a family-wise probability [`ALPHA`] of a false
//! alarm, over all bins, faces, maps and contrasts, and does not agree with that of a system which leaves out what it is about,
//! or has it by 30 to 40 % weaker.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::estimator;
use soret::experiment::Experiment;
use soret::kernel::{Continuous, Kernel, Scheme};
use soret::observable::Observable;
use soret::sampling::{self, Sampled};
use soret::theory::coordinate::{CoordinateLaw, Options, solve};

/// Family-wise probability of a false alarm of each run.
const ALPHA: f64 = 1e-9;

/// A file: what is common to all, for so long, with these entries.
fn file(duration: f64, entries: &str) -> Experiment {
    let text = format!(
        r#"{{ "format_version": 1, {entries},
              "run": {{ "particles": 4096, "duration": {duration}, "burn_in": 4, "groups": 64, "start": "local_equilibrium", "seed": 7 }},
              "measure": {{ "bins": 12 }} }}"#
    );
    Experiment::from_str("q", "q.json", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Walls, a temperature of `0.5 + 0.5 x`, and steps.
fn walled((duration, dt): (f64, f64), entries: &str) -> Experiment {
    file(
        duration,
        &format!(
            r#""domain": {{ "length": 1 }}, "temperature": "0.5 + 0.5*x", "method": {{ "midpoint": {{ "dt": {dt} }} }}, {entries}"#
        ),
    )
}

/// The theory of a system, to 1e-3 of the largest values.
fn theory(of: &Experiment) -> CoordinateLaw {
    let options = Options { tolerance: 1e-3, limit: 3e-3, ..Options::default() };
    solve(&of.model, &options).expect("a solution")
}

/// Compares with a theory; with that of another system without what lives on the plane, whose cells may be others.
fn against(sampled: &Sampled, law: &CoordinateLaw, whole: bool) -> Comparison {
    use Observable::*;
    let grid = sampled.context.grid;
    let on_plane = |o: Observable| {
        matches!(o, PlaneDensity | PlaneCurrentAlong | PlaneCurrentAcross | WellPopulation(_))
    };
    let reference =
        |o: Observable| Some(o).filter(|o| whole || !on_plane(*o)).and_then(|o| law.reference(o, &grid));
    compare(sampled.measure(), &grid, ALPHA, &reference)
}

fn describe(c: &Comparison) -> String {
    let (k, entry, z) = c.worst.expect("something was compared");
    let worst = c.compared[k].measured.observable;
    let least = c.joint.iter().map(|j| j.p_value).fold(1.0, f64::min);
    format!(
        "{} entries, largest z {z:.1} of {:.1} ({worst:?}, {entry}), joint p {least:.0e} of {:.0e}",
        c.entries, c.critical_z, c.critical_p
    )
}

/// Agrees with its own theory, and not with that of another; what was asked for is measured and compared.
fn judge(name: &str, own: &Experiment, other: &Experiment, asked: &[Observable]) -> Sampled {
    held(name, own, [&theory(own), &theory(other)], asked)
}

/// The same with both theories.
fn held(name: &str, own: &Experiment, [law, other]: [&CoordinateLaw; 2], asked: &[Observable]) -> Sampled {
    let sampled = sampling::sample(own, &()).expect("a run");
    let invariants = estimator::invariants(&sampled.context, &sampled.groups);
    assert!(invariants.iter().all(|c| c.holds), "{name}: {invariants:?}");
    let found = against(&sampled, law, true);
    note(format!("{name}: {}", describe(&found)));
    assert!(found.agrees, "{name}: {}", describe(&found));
    for observable in asked {
        let z = &found.compared.iter().find(|c| c.measured.observable == *observable).expect("measured").z;
        let share = z.iter().flatten().count() as f64 / z.len() as f64;
        assert!(share > 0.1, "{name}, {observable:?}: {share}");
    }
    let refused = against(&sampled, other, false);
    note(format!("  without it: {}", describe(&refused)));
    assert!(!refused.agrees, "{name}: goes unnoticed");
    sampled
}

const PLANE: [Observable; 6] = [
    Observable::Density,
    Observable::HeatAbsorbed,
    Observable::MeanEnergy,
    Observable::PlaneDensity,
    Observable::PlaneCurrentAlong,
    Observable::PlaneCurrentAcross,
];

const BETWEEN_WALLS: [Observable; 3] =
    [Observable::HeatCurrent, Observable::InteriorHeatCurrent, Observable::ItoHeatCurrent];

#[test]
fn states_with_potentials_of_their_own() {
    let of = |own: &str| {
        walled(
            (10.0, 0.02),
            &format!(
                r#""coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^2", "diffusivity": "0.3 + 0.2*q^2",
                   "states": [{{ "name": "a", "energy": 0.5 }},
                              {{ "name": "b", "potential": "{own}", "diffusivity": 0.05 }}],
                   "transitions": [{{ "between": ["a", "b"], "attempt_rate": 3, "barrier": 0.8 }}]"#
            ),
        )
    };
    let asked = [Observable::Current(0), Observable::StateDensity(1), Observable::TransitionRate(0)];
    let asked = [&PLANE[..], &BETWEEN_WALLS, &asked].concat();
    judge("states", &of("1.2*q"), &of("0.8*q"), &asked);
}

#[test]
fn circles_and_walls_of_the_coordinate() {
    let circle = |height: f64| {
        let entries = r#""coordinates": [{ "name": "q", "mobility": 1, "periodic": [0, "2*pi"] }],
                         "diffusivity": "0.3*(1.2 + cos(q))""#;
        walled((10.0, 0.02), &format!(r#"{entries}, "potential": "{height}*cos(q)""#))
    };
    let asked = [&PLANE[..], &BETWEEN_WALLS].concat();
    judge("circle", &circle(1.0), &circle(0.7), &asked);
    let walls = |slope: f64| {
        let entries = r#""coordinates": [{ "name": "q", "mobility": 1, "walls": [-1, 1] }],
                         "diffusivity": "0.3*(1.5 + q)""#;
        walled((10.0, 0.01), &format!(r#"{entries}, "potential": "{slope}*q""#))
    };
    judge("walls", &walls(1.0), &walls(0.7), &asked);
}

#[test]
fn a_ring() {
    let of = |amplitude: f64| {
        file(
            10.0,
            &format!(
                r#""domain": {{ "length": 1, "walls": "periodic" }}, "temperature": "0.75 + {amplitude}*sin(2*pi*x)",
               "coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^4 - 2*q^2",
               "diffusivity": "0.1*(U + 2.5)", "method": {{ "midpoint": {{ "dt": 0.0125 }} }}"#
            ),
        )
    };
    judge("ring", &of(0.25), &of(0.15), &PLANE);
}

#[test]
fn a_force_along_x() {
    let of = |coupling: f64| {
        walled(
            (4.0, 0.02),
            &format!(
                r#""coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^2 + {coupling}*x*q + 0.5*x",
                   "diffusivity": "0.2*(1 + q^2)""#
            ),
        )
    };
    let asked = [&PLANE[..], &[Observable::HeatCurrent, Observable::InteriorHeatCurrent]].concat();
    let sampled = judge("force", &of(1.5), &of(1.0), &asked);
    // Ito's form leaves out what the force moves, and says so.
    let measured = sampled.measure();
    let ito = measured.iter().find(|m| m.observable == Observable::ItoHeatCurrent).expect("listed");
    assert!(ito.outcome(0).estimate().is_none());
}

#[test]
fn both_readings_of_the_noise() {
    let of = |response: &str| {
        walled(
            (10.0, 0.01),
            &format!(
                r#""coordinates": [{{ "name": "q", "{response}": 1 }}], "potential": "q^2", "diffusivity": "0.4 + q^2""#
            ),
        )
    };
    let asked = [&PLANE[..], &BETWEEN_WALLS].concat();
    let both = [of("mobility"), of("diffusivity")];
    let [mobility, diffusivity] = both.each_ref().map(theory);
    held("mobility", &both[0], [&mobility, &diffusivity], &asked);
    held("diffusivity", &both[1], [&diffusivity, &mobility], &asked);
}

#[test]
fn a_diffusivity_that_depends_on_x() {
    let of = |dt: f64, along: &str| {
        walled(
            (5.0, dt),
            &format!(
                r#""coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^2",
                   "diffusivity": "({along})*(0.1 + 0.1*q^2)""#
            ),
        )
    };
    let own = of(0.004, "0.4 + x");
    let asked = [&PLANE[..], &BETWEEN_WALLS].concat();
    judge("D(x, q)", &own, &of(0.004, "0.9"), &asked);
    // What its moves do at walls is told, with a number that falls by half with a quarter of the step.
    let told = |dt: f64| {
        let own = of(dt, "0.4 + x");
        let kernel = Continuous::new(&own.model, &own.grid(), dt, Scheme::Midpoint).expect("a kernel");
        let cautions = kernel.cautions();
        let caution = cautions.iter().find(|c| c.seen.contains("depends on x")).expect("a caution");
        let words = caution.meaning.split("off by up to ").nth(1).expect("a number");
        words.split(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number")
    };
    let (long, short) = (told(0.004), told(0.001));
    assert!((long / short - 2.0).abs() < 0.1, "{long} {short}");
    // <(d_x D)^2/D> at the cold wall: <0.1 + 0.1 q^2>/0.4, with <q^2> = kT/2.
    let expected = 0.57 * (0.004f64 * 0.125 / 0.4).sqrt();
    assert!((long / expected - 1.0).abs() < 0.05, "{long} {expected}");
    let even = of(0.004, "0.9");
    let kernel = Continuous::new(&even.model, &even.grid(), 0.004, Scheme::Midpoint).expect("a kernel");
    assert!(kernel.cautions().is_empty());
}

/// An automatic step follows what varies along x.
#[test]
fn automatic_steps_look_along_x() {
    let step = |potential: &str, diffusivity: &str| {
        let own = walled(
            (10.0, 0.001),
            &format!(
                r#""coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "{potential}", "diffusivity": "{diffusivity}""#
            ),
        );
        soret::kernel::automatic_step(&own.model)
    };
    let (plain, slow) = (step("q^2", "1"), step("q^2", "0.01"));
    assert!((slow * 2.0 - 0.1).abs() < 0.01 && plain < slow);
    // Narrow valleys along x, a force, steep diffusivities.
    assert!(step("q^2 + 200*(q - x)^2", "1") < 0.1 * plain);
    assert!(step("q^2 + 20*x", "1") < 0.7 * plain);
    assert!(step("q^2", "1 + 0.9*sin(20*x)") < 0.05 * plain);
    // It is the smaller the faster x is.
    assert!(step("q^2", "10") < 0.4 * plain);
}
