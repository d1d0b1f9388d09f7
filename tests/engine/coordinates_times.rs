//! Internal coordinates at times of observation where nothing depends on x: Brownian yet not Gaussian displacements, populations and
//! waves, against closed forms and against runs.
//!
//! Identities have no noise. Each run agrees with its theory within a family-wise probability [`ALPHA`] of a false alarm (the
//! displacements are heavy-tailed: with their skewness at most 1e-7), and does not agree with that of a system that has a number wrong
//! by a factor of 2 or less.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::estimator;
use soret::experiment::Experiment;
use soret::model::{Boundary, Edge, Model, RateLaw, State, Uniform};
use soret::observable::{Instant, Observable};
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::theory::coordinate_times::{self, CoordinateTimes, Options, solve};
use soret::theory::displacement;
use soret::theory::relaxation::{Initial, Occupancy, Positions};
use std::sync::Arc;

/// Family-wise probability of a false alarm of each run, with normal deviates.
const ALPHA: f64 = 1e-9;

fn read(text: &str) -> Result<Experiment, String> {
    Experiment::from_str("q", "q.json", text).map_err(|error| error.to_string())
}

/// A ring at a uniform temperature; `run` holds what differs.
fn ring(temperature: &str, system: &str, run: &str, times: &str) -> Experiment {
    let text = format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1, "walls": "periodic" }}, "temperature": {temperature}, {system},
              "run": {{ {run} }}, "measure": {{ "bins": 4, "times": {times} }} }}"#
    );
    read(&text).unwrap_or_else(|error| panic!("{error}"))
}

const FEW: &str = r#""particles": 64, "groups": 32"#;

/// `U = q^2/2`, `D = a q^2`.
fn harmonic(temperature: &str, response: &str) -> Model {
    let system = format!(
        r#""coordinates": [{{ "name": "q", {response} }}], "potential": "q^2/2", "diffusivity": "0.3*q^2""#
    );
    ring(temperature, &system, FEW, "[1]").model
}

/// An even start in the states of local equilibrium.
fn even() -> Initial {
    Initial { positions: Positions::Uniform, states: Occupancy::LocalEquilibrium }
}

fn number(law: &CoordinateTimes, time: usize, what: Instant) -> f64 {
    let grid = soret::grid::Grid::new(law.model().domain.length, 4);
    let entries = law.reference(Observable::At(time, what), &grid).expect("known");
    entries[0].expect("a number")
}

/// `3 + 6 c (rt - 1 + exp(-rt))/(rt)^2`, with `c = Var(D)/<D>^2` and a memory `exp(-rt)` of the diffusivity.
fn kurtosis(spread: f64, rt: f64) -> f64 {
    // The series, where the difference would lose digits.
    let share = if rt < 1e-2 {
        0.5 - rt / 6.0 + rt * rt / 24.0 - rt * rt * rt / 120.0
    } else {
        (rt - 1.0 + (-rt).exp()) / (rt * rt)
    };
    3.0 + 6.0 * spread * share
}

const DECADES: [f64; 8] = [1e-4, 1e-3, 0.01, 0.1, 0.5, 3.0, 20.0, 3e3];

#[test]
fn a_harmonic_coordinate_forgets_its_diffusivity_twice_as_fast_as_itself() {
    // q^2 relaxes at 2 mu: a covariance of 2 (a T)^2 exp(-2 mu t).
    let cases = [("1", r#""mobility": 1"#, 2.0), ("0.6", r#""mobility": 2.5"#, 5.0)];
    for (t, response, rate) in cases.into_iter().chain([("0.6", r#""diffusivity": 0.9"#, 3.0)]) {
        let temperature: f64 = t.parse().expect("a number");
        let law = solve(&harmonic(t, response), &even(), 0.0, &DECADES, &Options::default()).expect("a law");
        assert!(law.is_converged(), "{:e}", law.error_estimate());
        for (k, time) in DECADES.into_iter().enumerate() {
            let square = number(&law, k, Instant::SquareDisplacement) / (2.0 * 0.3 * temperature * time);
            let found = number(&law, k, Instant::Kurtosis);
            let exact = kurtosis(2.0, rate * time);
            assert!((square - 1.0).abs() < 1e-8, "{time}: {square}");
            assert!((found / exact - 1.0).abs() < 1e-7, "{t}, {response}, {time}: {found} {exact}");
            assert_eq!(number(&law, k, Instant::Displacement), 0.0);
        }
        // What the agreement can tell: mobility or temperature left out would be seen.
        assert!((kurtosis(2.0, 0.5 * rate) / kurtosis(2.0, rate) - 1.0).abs() > 0.05);
    }
}

#[test]
fn a_circle_has_a_single_rate() {
    // <cos q(0) cos q(t)> = exp(-mu T t)/2.
    let system = r#""coordinates": [{ "name": "q", "mobility": 2, "periodic": [0, "2*pi"] }], "potential": "0*q",
                    "diffusivity": "0.1*(1 + 0.8*cos(q))""#;
    let model = ring("0.7", system, FEW, "[1]").model;
    let law = solve(&model, &even(), 0.0, &DECADES, &Options::default()).expect("a law");
    for (k, time) in DECADES.into_iter().enumerate() {
        let square = number(&law, k, Instant::SquareDisplacement) / (2.0 * 0.1 * time);
        let (found, exact) = (number(&law, k, Instant::Kurtosis), kurtosis(0.5 * 0.64, 1.4 * time));
        assert!((square - 1.0).abs() < 1e-8 && (found / exact - 1.0).abs() < 1e-7, "{time}: {found} {exact}");
    }
}

/// `<exp(-lambda int_0^t q^2)>` of a stationary harmonic coordinate: `exp(-B)/sqrt(1 + 2 T A)` with Riccati's equation `A' = lambda -
/// 2 mu A - 4 mu T A^2`, `B' = 2 mu T A`, by Runge and Kutta's steps.
fn left_of_wave(lambda: f64, mobility: f64, temperature: f64, time: f64) -> f64 {
    let slope = |a: f64| lambda - 2.0 * mobility * a - 4.0 * mobility * temperature * a * a;
    let steps = 4000;
    let h = time / f64::from(steps);
    let (mut a, mut b) = (0.0, 0.0);
    for _ in 0..steps {
        let k1 = slope(a);
        let k2 = slope(a + 0.5 * h * k1);
        let k3 = slope(a + 0.5 * h * k2);
        let k4 = slope(a + h * k3);
        let next = a + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0;
        // Simpson's rule, the middle by Hermite's polynomial.
        let middle = 0.5 * (a + next) + 0.125 * h * (slope(a) - slope(next));
        b += 2.0 * mobility * temperature * h * (a + 4.0 * middle + next) / 6.0;
        a = next;
    }
    (-b).exp() / (1.0 + 2.0 * temperature * a).sqrt()
}

#[test]
fn waves_decay_as_the_formula_of_feynman_and_kac_has_it() {
    let start = Initial { positions: Positions::Point(0.2), states: Occupancy::LocalEquilibrium };
    let times = [0.01, 0.1, 1.0];
    let opening = 0.05;
    let mut model = harmonic("0.6", r#""mobility": 2.5"#);
    for (walls, turn) in [(Boundary::Periodic, 2.0), (Boundary::Reflecting, 1.0)] {
        model.domain.walls = walls;
        let law = solve(&model, &start, opening, &times, &Options::default()).expect("a law");
        for n in [1, 2] {
            let kappa = turn * std::f64::consts::PI * f64::from(n);
            for (k, time) in times.into_iter().enumerate() {
                let exact = (0.2 * kappa).cos() * left_of_wave(0.3 * kappa * kappa, 2.5, 0.6, opening + time);
                let found = number(&law, k, Instant::Mode(0, n as usize));
                assert!((found - exact).abs() < 1e-8, "{walls:?} {n} {time}: {found} {exact}");
            }
        }
        // Nothing is said of densities that remember a point.
        let grid = soret::grid::Grid::new(1.0, 4);
        assert!(law.reference(Observable::At(0, Instant::Density), &grid).is_none());
    }
}

/// Two states with constant diffusivities and potentials of their own: their displacement is that of a network without a coordinate.
#[test]
fn states_without_a_coordinate_are_switching_diffusion() {
    let system = r#""coordinates": [{ "name": "q", "mobility": 1 }], "potential": "q^2/2",
        "states": [{ "name": "a", "diffusivity": 0.2 }, { "name": "b", "diffusivity": 0.02 }],
        "transitions": [{ "between": ["a", "b"], "rate": { "forward": 0.7, "backward": 0.4 } }]"#;
    let model = ring("0.8", system, FEW, "[1]").model;
    let free = |k: f64| Some(Arc::new(Uniform(k)) as Arc<dyn soret::model::Field>);
    let edge = Edge { between: [0, 1], law: RateLaw::Free { forward: free(0.7), backward: free(0.4) } };
    let states = vec![State::new("a", 0.0, 0.2), State::new("b", 0.0, 0.02)];
    let mut plain = Model::new(1.0, Uniform(0.8), states, vec![edge]).expect("a model");
    plain.domain.walls = Boundary::Periodic;
    let times = [0.01, 0.3, 4.0];
    let opening = 1.5;
    let start = Initial { positions: Positions::Uniform, states: Occupancy::Weights(vec![1.0, 0.0]) };
    let law = solve(&model, &start, opening, &times, &Options::default()).expect("a law");
    // Occupancy after a time, from the first state.
    let first = |t: f64| 4.0 / 11.0 + 7.0 / 11.0 * (-1.1 * t).exp();
    for (k, time) in times.into_iter().enumerate() {
        let p = [first(opening), 1.0 - first(opening)];
        let [_, m2, _, m4] = displacement::moments(&plain, &p, time).expect("moments");
        let found = [Instant::SquareDisplacement, Instant::Kurtosis].map(|what| number(&law, k, what));
        assert!((found[0] / m2 - 1.0).abs() < 1e-8, "{time}: {} {m2}", found[0]);
        assert!((found[1] / (m4 / (m2 * m2)) - 1.0).abs() < 1e-7, "{time}");
        let population = number(&law, k, Instant::Population(0));
        assert!((population - first(opening + time)).abs() < 1e-9, "{population}");
        assert!((number(&law, k, Instant::StateDensity(0)) - population).abs() < 1e-12);
    }
}

#[test]
fn what_theory_does_not_know() {
    let premise = |system: &str, temperature: &str| {
        let model = ring(temperature, system, FEW, "[1]").model;
        coordinate_times::premise(&model).expect_err("refused").to_string()
    };
    let one = r#""coordinates": [{ "name": "q", "mobility": 1 }], "potential": "q^2""#;
    for (system, temperature, words) in [
        (format!(r#"{one}, "diffusivity": "q^2""#), r#""1 + 0.1*cos(2*pi*x)""#, "a uniform temperature"),
        (format!(r#"{one}, "diffusivity": "1 + cos(2*pi*x)*cos(q)""#), "1", "diffusivities"),
        (r#""coordinates": [{ "name": "q", "mobility": 1 }], "potential": "q^2 + q*sin(2*pi*x)", "diffusivity": 1"#.into(), "1", "potentials"),
        (
            r#""coordinates": [{ "name": "q", "mobility": 1 }, { "name": "r", "mobility": 1 }], "potential": "q^2 + r^2", "diffusivity": "1 + q^2""#.into(),
            "1",
            "a single internal coordinate",
        ),
    ] {
        let text = premise(&system, temperature);
        assert!(text.contains(words), "{text}");
    }
    let model = harmonic("1", r#""mobility": 1"#);
    for times in [&[0.0][..], &[1.0, 1.0], &[f64::NAN]] {
        assert!(solve(&model, &even(), 0.0, times, &Options::default()).is_err());
    }
    assert!(solve(&model, &even(), -1.0, &[1.0], &Options::default()).is_err());
}

/// Compares with the theory of a system.
fn against(sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a theory");
    let grid = other.grid();
    compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid))
}

fn describe(c: &Comparison) -> String {
    let (k, entry, z) = c.worst.expect("something was compared");
    let worst = c.compared[k].measured.observable;
    format!("{} entries, largest z {z:.1} of {:.1} ({worst:?}, {entry})", c.entries, c.critical_z)
}

/// Agrees with its own theory and with none of the others.
fn judge(own: &Experiment, others: &[(&str, Experiment)]) -> (Sampled, Comparison) {
    let sampled = sampling::sample(own, &()).expect("a run");
    let invariants = estimator::invariants(&sampled.context, &sampled.groups);
    assert!(invariants.iter().all(|c| c.holds), "{invariants:?}");
    let found = against(&sampled, own);
    note(describe(&found));
    for c in found.compared.iter().filter(|c| c.z.len() == 1) {
        if let Some(e) = c.measured.outcome(0).estimate() {
            let observable = c.measured.observable;
            note(format!("  {observable:?} {:.5} ± {:.5}, theory {:?}", e.value, e.std_error, c.theory[0]));
        }
    }
    assert!(found.agrees, "{}", describe(&found));
    for (name, other) in others {
        let refused = against(&sampled, other);
        note(format!("  {name}: {}", describe(&refused)));
        assert!(!refused.agrees, "{name} goes unnoticed");
    }
    (sampled, found)
}

fn compared(found: &Comparison, what: Instant) -> usize {
    let of = |o: Observable| matches!(o, Observable::At(_, seen) if seen == what);
    let z = found.compared.iter().filter(|c| of(c.measured.observable)).flat_map(|c| &c.z);
    z.flatten().count()
}

/// A kurtosis that falls from 4.2, known to about 0.6 %.
#[test]
fn a_ring_on_which_displacements_become_gaussian() {
    let of = |temperature: &str, mobility: f64, swing: f64| {
        let system = format!(
            r#""coordinates": [{{ "name": "q", "mobility": {mobility}, "periodic": [0, "2*pi"] }}],
               "potential": "0*q", "diffusivity": "0.2*(1 + {swing}*cos(q))", "method": {{ "midpoint": {{ "dt": 0.04 }} }}"#
        );
        let run = r#""particles": 196608, "groups": 64, "seed": 3"#;
        ring(temperature, &system, run, "[0.08, 0.8, 2.4]")
    };
    let others = [
        ("twice the mobility", of("0.4", 4.0, 0.9)),
        ("half the mobility", of("0.4", 1.0, 0.9)),
        ("a temperature of 1", of("1", 2.0, 0.9)),
        ("a diffusivity that varies less", of("0.4", 2.0, 0.7)),
    ];
    let (_, found) = judge(&of("0.4", 2.0, 0.9), &others);
    for what in [Instant::Displacement, Instant::SquareDisplacement, Instant::Kurtosis, Instant::Mode(0, 2)] {
        assert_eq!(compared(&found, what), 3, "{what:?}");
    }
    assert_eq!(compared(&found, Instant::Density), 12);
}

/// States with potentials and diffusivities of their own, in a double well, from a point and one state; what remains to be seen after
/// a burn-in, which times are counted from.
#[test]
fn states_and_waves_between_walls_and_on_a_ring() {
    let of = |walls: &str, own: &str, burn_in: f64| {
        let text = format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1, "walls": "{walls}" }}, "temperature": 0.8,
                  "coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^4 - 2*q^2",
                  "diffusivity": "0.1*(q + 3)",
                  "states": [{{ "name": "a" }}, {{ "name": "b", "potential": "{own}*q", "diffusivity": "0.02*(1 + q^2)" }}],
                  "transitions": [{{ "between": ["a", "b"], "attempt_rate": 1.5, "barrier": 0.3 }}],
                  "method": {{ "midpoint": {{ "dt": 0.02 }} }},
                  "run": {{ "particles": 49152, "groups": 64, "seed": 4, "burn_in": {burn_in},
                           "start": {{ "point": 0.3, "state": "a" }} }},
                  "measure": {{ "bins": 4, "times": [0.04, 0.4, 1] }} }}"#
        );
        read(&text).unwrap_or_else(|error| panic!("{error}"))
    };
    for walls in ["periodic", "reflecting"] {
        let others = [("a weaker tilt", of(walls, "0.5", 0.1)), ("no burn-in", of(walls, "1.5", 0.0))];
        let (sampled, found) = judge(&of(walls, "1.5", 0.1), &others);
        for what in [Instant::Mode(0, 1), Instant::Mode(1, 2), Instant::Population(1)] {
            assert_eq!(compared(&found, what), 3, "{what:?}");
        }
        let ring = if walls == "periodic" { 3 } else { 0 };
        assert_eq!(compared(&found, Instant::Kurtosis), ring);
        // Densities are measured without a reference.
        assert_eq!(compared(&found, Instant::Density), 0);
        let measured = sampled.measure();
        let density = measured.iter().find(|m| m.observable == Observable::At(0, Instant::Density));
        assert!(density.expect("measured").outcome(1).estimate().is_some());
    }
}

/// In a gradient densities are measured; that there is no theory is told.
#[test]
fn a_gradient_is_measured_without_a_reference() {
    let text = |more: &str, times: &str| {
        format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "0.5 + 0.5*x",
                  "coordinates": [{{ "name": "q", "mobility": 1 }}], "potential": "q^2", "diffusivity": "0.2 + q^2"{more},
                  "run": {{ "particles": 256, "groups": 32, "start": {{ "point": 0.5 }} }},
                  "measure": {{ "bins": 4, "times": {times} }} }}"#
        )
    };
    let own = read(&text("", "[0.1, 0.5]")).expect("an experiment");
    // A tenth of the first time at most.
    assert!(own.method.dt().expect("a step") <= 0.01);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| simulation::run(&own, &())).expect("a run")
    };
    let summary = run(1);
    assert_eq!(serde_json::to_string(&summary).unwrap(), serde_json::to_string(&run(3)).unwrap());
    let density = summary.quantities.iter().filter(|q| q.name == "density_at");
    let rows: Vec<_> = density.flat_map(|q| &q.rows).collect();
    assert!(rows.len() == 8 && rows.iter().all(|r| r.theory.is_none() && r.estimate.estimate().is_some()));
    let told = summary.warnings.iter().any(|w| w.seen.contains("it needs a uniform temperature"));
    assert!(told, "{:?}", summary.warnings);
    let verdict = summary.comparison.expect("a verdict");
    assert!(verdict.agrees.is_none() && verdict.sentences[0].contains("do in time"), "{verdict:?}");
    // Mistakes.
    for (more, times, words) in [
        (
            r#", "method": { "midpoint": { "dt": 0.2 } }"#,
            "[0.1, 0.5]",
            "the first time is shorter than a step",
        ),
        (r#", "method": "exact""#, "[0.1, 0.5]", "knows no internal coordinates"),
        (
            "",
            r#"[0.1, 0.5], "trajectories": { "segment": 0.1 }"#,
            "trajectories of particles with internal coordinates",
        ),
    ] {
        let error = read(&text(more, times)).expect_err("a mistake");
        assert!(error.contains(words), "{error}");
    }
}
