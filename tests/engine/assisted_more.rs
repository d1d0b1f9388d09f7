//! Assisted estimates of particles that are seen once a step: what they gain, what the steps leave of them, and the trap.
//!
//! Statistics: every comparison has an alpha of `ALPHA`; there are fewer than fifty, so that the file gives a false alarm in 5e-8
//! of all choices of seeds. Steps have a bias; where a comparison has room for one, it is that of the chain of the same step, known
//! without a random number.

use super::underdamped_chain::{self as inertia, FRICTION};
use crate::common::{field, note};
use soret::assisted::{Assisted, assist};
use soret::continuum::Continuum;
use soret::estimator::Context;
use soret::event::{Sightings, Tally};
use soret::experiment::Experiment;
use soret::grid::Grid;
use soret::internal_space::{InternalSpace, SHAPES};
use soret::kernel::start::{Start, start};
use soret::kernel::{Continuous, Kernel, Scheme, Span};
use soret::model::{Model, Response};
use soret::observable::Observable;
use soret::rng::{Purpose, stream};
use soret::sampling::{Sampled, sample};
use soret::simulation;
use soret::stats::{Estimate, t_two_sided};
use soret::theory::coordinate_chain::{CoordinateChain, Resolution, Steps};

const ALPHA: f64 = 1e-9;

/// An experiment of 64 groups without its frame.
fn read(system: &str, run: &str) -> Experiment {
    between("reflecting", system, run)
}

fn between(walls: &str, system: &str, run: &str) -> Experiment {
    let text = format!(
        r#"{{"format_version": 1, "domain": {{"length": 1, "walls": "{walls}"}}, {system}, "run": {{{run}}}, "measure": {{"bins": 10}}}}"#
    );
    Experiment::from_str("t", "t.json", &text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn run(experiment: &Experiment) -> Sampled {
    sample(experiment, &()).expect("a run")
}

fn assisted(sampled: &Sampled) -> Assisted {
    assist(&sampled.context, &sampled.groups, &[]).expect("controls")
}

/// The same groups judged by the equation of another model.
fn of(model: &Model, sampled: &Sampled) -> Assisted {
    let context = Context { model: model.clone(), ..sampled.context.clone() };
    assist(&context, &sampled.groups, &[]).expect("controls")
}

fn one(assisted: &Assisted, observable: Observable) -> Estimate {
    let found = assisted.quantities.iter().find(|(o, _)| *o == observable).expect("assisted");
    *found.1[0].estimate().expect("an estimate")
}

fn raw(sampled: &Sampled, observable: Observable) -> Estimate {
    let all = sampled.measure();
    let found = all.iter().find(|m| m.observable == observable).expect("measured").outcome(0);
    *found.estimate().expect("an estimate")
}

/// How many times less variance, at least; and an assisted value as near to `theory` as its error and `room` allow.
#[track_caller]
fn gains(sampled: &Sampled, made: &Assisted, observable: Observable, theory: f64, (room, least): (f64, f64)) {
    let (raw, sharp) = (raw(sampled, observable), one(made, observable));
    let gain = (raw.std_error / sharp.std_error).powi(2);
    let beyond = (sharp.value - theory).abs() - room;
    let p = t_two_sided(beyond.max(0.0) / sharp.std_error, (made.residual.dof[1] - 1) as f64);
    note(format!(
        "{observable:?}: {:.6} +- {:.1e} raw, {:.6} +- {:.1e} assisted, theory {theory:.6}, room {room:.1e}, p {p:.1e}: {gain:.0} \
         times less variance",
        raw.value, raw.std_error, sharp.value, sharp.std_error
    ));
    assert!(p > ALPHA, "{observable:?}: p = {p:e}");
    assert!(gain > least, "{observable:?}: {gain}");
}

#[test]
fn inertia_gains_what_its_chain_allows() {
    // gamma dt/m = 0.1, the temperature of the chain that is known without noise. 5e6 steps.
    let dt = 0.1 / FRICTION;
    let system = format!(
        r#""temperature": "1 - 0.4*cos(pi*x)", "mass": 1, "friction": {FRICTION}, "motion": "underdamped",
           "method": {{"baoab_flux": {{"dt": {dt}}}}}"#
    );
    let experiment = read(&system, r#""particles": 2048, "duration": 30, "burn_in": 5, "seed": 31"#);
    let sampled = run(&experiment);
    let made = assisted(&sampled);
    note(format!("{} controls, {:?}", made.controls, made.residual));
    assert_eq!(made.controls, 16, "a quarter of the groups");
    assert!(made.residual.p_value > ALPHA);
    let continuum = Continuum::solve(&experiment).expect("a law");
    let theory = |o| continuum.reference(o, &experiment.grid()).expect("known")[0].expect("a number");
    let (chain, law) = (inertia::chain(inertia::Scheme::Flux, FRICTION, dt), inertia::continuum(FRICTION));
    let mean = theory(Observable::MeanTemperature);
    assert!((mean - 1.0 + 0.4 * law.density).abs() < 1e-6, "two solutions of one equation");
    gains(
        &sampled,
        &made,
        Observable::MeanTemperature,
        mean,
        (0.4 * (chain.density - law.density).abs(), 25.0),
    );
    let heat = theory(Observable::MeanHeatCurrent);
    let room = (heat * (chain.phase / law.phase - 1.0)).abs();
    gains(&sampled, &made, Observable::MeanHeatCurrent, heat, (room, 5.0));
    // Negative control: the mean temperature of particles with a friction less by a twentieth, which the raw number allows.
    let other = inertia::continuum(0.95 * FRICTION);
    let (sharp, plain) =
        (one(&made, Observable::MeanTemperature), raw(&sampled, Observable::MeanTemperature));
    let off = |e: Estimate| (e.value - 1.0 + 0.4 * other.density).abs() / e.std_error;
    note(format!(
        "another friction: {:.1} errors of the assisted number, {:.1} of the raw one",
        off(sharp),
        off(plain)
    ));
    assert!(t_two_sided(off(sharp), 47.0) < ALPHA && off(plain) < 6.0);
}

#[test]
fn a_double_well_gains_what_its_chain_allows() {
    let experiment =
        well("0.5 + 0.5*x", "mobility", r#""particles": 2048, "duration": 12, "burn_in": 4, "seed": 32"#);
    let sampled = run(&experiment);
    let made = assisted(&sampled);
    note(format!("{} controls, {:?}", made.controls, made.residual));
    assert!(made.controls == 16 && made.residual.p_value > ALPHA);
    let chain = |dt| {
        CoordinateChain::on(&experiment.model, Steps::Midpoint, dt, Resolution { modes: 8, degrees: 20 })
            .expect("a law")
    };
    let (still, stepping) = (chain(0.0), chain(WELL_DT));
    let value =
        |law: &CoordinateChain, o| law.reference(o, &experiment.grid()).expect("known")[0].expect("a number");
    let continuum = Continuum::solve(&experiment).expect("a law");
    for (observable, least) in [(Observable::Soret, 25.0), (Observable::ItoHeatCurrent, 5.0)] {
        let theory =
            continuum.reference(observable, &experiment.grid()).expect("known")[0].expect("a number");
        let room = (theory * (value(&stepping, observable) / value(&still, observable) - 1.0)).abs();
        gains(&sampled, &made, observable, theory, (room, least));
    }
    // Negative control: the theory of half the diffusivity.
    let other = well_of("0.5 + 0.5*x", "mobility", "0.5*(U + 2.5)", r#""particles": 64, "duration": 1"#);
    let other = Continuum::solve(&other).expect("a law").reference(Observable::Soret, &experiment.grid());
    let other = other.expect("known")[0].expect("a number");
    let sharp = one(&made, Observable::Soret);
    assert!(t_two_sided((sharp.value - other) / sharp.std_error, 47.0) < ALPHA, "{sharp:?} {other}");
}

/// Short enough for Ito's form of the heat current.
const WELL_DT: f64 = 0.0075;

/// The double well of Fig 2.
fn well(temperature: &str, response: &str, run: &str) -> Experiment {
    well_of(temperature, response, "U + 2.5", run)
}

fn well_of(temperature: &str, response: &str, diffusivity: &str, run: &str) -> Experiment {
    let system = format!(
        r#""temperature": "{temperature}", "coordinates": [{{"name": "q", "{response}": 1}}], "potential": "q^4 - 2*q^2",
           "diffusivity": "{diffusivity}", "motion": "overdamped", "method": {{"midpoint": {{"dt": {WELL_DT}}}}}"#
    );
    read(&system, run)
}

/// One number that is wrong in the run, and right with the equation of another model; T^2 tells.
#[track_caller]
fn trapped(sampled: &Sampled, right: &Experiment, observable: Observable, share: f64) {
    let made = of(&right.model, sampled);
    let theory = Continuum::solve(right).expect("a law").reference(observable, &right.grid());
    let theory = theory.expect("known")[0].expect("a number");
    let moved = Sampled {
        context: Context { model: right.model.clone(), ..sampled.context.clone() },
        ..sampled.clone()
    };
    let off = [raw(&moved, observable), one(&made, observable)].map(|e| e.value - theory);
    note(format!("{observable:?}: off by {:.1e} raw, {:.1e} assisted; {:?}", off[0], off[1], made.residual));
    assert!(made.residual.p_value < ALPHA, "{:?}", made.residual);
    assert!(off[1].abs() < share * off[0].abs(), "{off:?}");
}

#[test]
fn noise_of_another_temperature_looks_right_and_is_told_by_the_residual() {
    let inertial = |temperature: &str, run: &str| {
        let system = format!(
            r#""temperature": "{temperature}", "mass": 1, "friction": 10, "motion": "underdamped",
               "method": {{"baoab_flux": {{"dt": 0.01}}}}"#
        );
        read(&system, run)
    };
    let length = r#""particles": 1024, "duration": 20, "burn_in": 4, "seed": 33"#;
    let right = inertial("1 + 0.8*x", length);
    let made = assisted(&run(&right));
    assert!(made.residual.p_value > ALPHA, "{:?}", made.residual);
    trapped(&run(&inertial("1 + x", length)), &right, Observable::MeanTemperature, 0.3);
    // As if there were no gradient: the density is flat.
    let uniform = run(&inertial("1.4", length));
    let flat = of(&right.model, &uniform);
    note(format!("uniform noise: {:?}", flat.residual));
    assert!(flat.residual.p_value < 1e-20);

    let length = r#""particles": 1024, "duration": 12, "burn_in": 2, "seed": 34"#;
    let right = well("0.5 + 0.5*x", "mobility", length);
    trapped(&run(&well("0.75", "mobility", length)), &right, Observable::Soret, 0.5);
}

#[test]
fn a_bath_in_the_wrong_place_and_a_long_step_are_told() {
    // Noise of the place before the flight: a lead of minus half a step, order 1 in dt. And the exact bath at gamma dt/m = 0.8, whose
    // heat current is 44 % too large in the bulk.
    let system = |dt: f64| {
        format!(
            r#""temperature": "1 + 0.8*x", "mass": 1, "friction": 20, "motion": "underdamped", "method": {{"baoab": {{"dt": {dt}}}}}"#
        )
    };
    let right = read(&system(0.04), r#""particles": 4096, "duration": 60, "burn_in": 8, "seed": 35"#);
    trapped(&run(&right), &right, Observable::MeanHeatCurrent, 0.5);
}

/// Controls vanish, and those of a neighbouring model do not.
#[track_caller]
fn vanish(name: &str, experiment: &Experiment, tamper: impl Fn(&mut Model)) {
    let sampled = run(experiment);
    let right = assisted(&sampled).residual;
    let mut model = experiment.model.clone();
    tamper(&mut model);
    let wrong = of(&model, &sampled).residual;
    note(format!("{name}: {right:?}, of another model T^2 {:.0}, p {:.0e}", wrong.t_squared, wrong.p_value));
    assert!(right.p_value > ALPHA, "{name}: {right:?}");
    assert!(wrong.p_value < ALPHA, "{name}: {wrong:?}");
}

#[test]
fn controls_of_inertia_vanish_for_right_samplers_only() {
    let length = r#""particles": 1024, "duration": 20, "burn_in": 3, "seed": 36"#;
    let system =
        |of: &str| format!(r#"{of}, "motion": "underdamped", "method": {{"baoab": {{"dt": 0.004}}}}"#);
    let one = r#""mass": 1, "friction": "8 + 4*x""#;
    let two = r#""states": [{"name": "a", "energy": 1, "mass": 1, "friction": 10}, {"name": "b", "mass": 4, "friction": 30}],
        "transitions": [{"between": ["a", "b"], "attempt_rate": 8, "barrier": 1.5}]"#;
    let experiment = read(&system(&format!(r#""temperature": "1 + 0.8*x", {one}"#)), length);
    vanish("friction", &experiment, |m| m.temperature = field("1 + 0.96*x"));
    let experiment = read(&system(&format!(r#""temperature": "1 + 0.8*x", {two}"#)), length);
    vanish("two masses", &experiment, |m| m.network = heavier(&m.network));
    let force = format!(r#""temperature": "1 + 0.5*x", "potential": "0.6*cos(2*pi*x)", {one}"#);
    vanish("force", &read(&system(&force), length), |m| m.potential = Some(field("0.4*cos(2*pi*x)")));
    let ring = system(&format!(r#""temperature": "1 + 0.3*sin(2*pi*x)", {one}"#)).replace("8 + 4*x", "10");
    vanish("ring", &between("periodic", &ring, length), |m| m.temperature = field("1 + 0.4*sin(2*pi*x)"));
}

/// The second mass larger by a third.
fn heavier(network: &soret::model::Network) -> soret::model::Network {
    let mut states = network.states().to_vec();
    states[1].mass = states[1].mass.map(|m| 1.33 * m);
    soret::model::Network::new(states, network.edges().to_vec()).expect("a network")
}

#[test]
fn controls_of_coordinates_vanish_for_right_samplers_only() {
    let length = r#""particles": 1024, "duration": 9, "burn_in": 2, "seed": 37"#;
    // Without tables steps are slow.
    let short = &length.replace("1024", "512");
    let warmer = |m: &mut Model| m.temperature = field("0.5 + 0.9*x");
    vanish("diffusivity", &well("0.5 + 0.5*x", "diffusivity", length), warmer);
    let system = |q: &str, u: &str, d: &str| {
        format!(
            r#""temperature": "0.5 + 0.5*x", "coordinates": [{q}], "potential": "{u}", "diffusivity": "{d}",
               "motion": "overdamped", "method": {{"midpoint": {{"dt": 0.01}}}}"#
        )
    };
    // A steep temperature, read the other way: nothing but the pace of q differs, by kT(x).
    let steep = system(r#"{"name": "q", "diffusivity": 1}"#, "q^2", "0.2*(1 + q^2)");
    let steep = read(&steep.replace("0.5 + 0.5*x", "0.4 + 1.6*x"), length);
    vanish("reading", &steep, |m| {
        m.coordinates.as_mut().expect("coordinates").axes[0].response = Response::Mobility(1.0);
    });
    let walls = system(r#"{"name": "q", "mobility": 1, "walls": [-1, 1]}"#, "q", "0.2*(2 + q)");
    vanish("walls", &read(&walls, length), warmer);
    let circle =
        system(r#"{"name": "q", "mobility": 0.5, "periodic": [-1, 1]}"#, "cos(pi*q)", "0.2*(2 + sin(pi*q))");
    vanish("circle", &read(&circle, length), warmer);
    let two = system(
        r#"{"name": "q", "mobility": 1}, {"name": "r", "mobility": 2}"#,
        "q^2 + r^2/2 + 0.5*q*r",
        "0.2*(1 + q^2 + r^2)",
    );
    vanish("two coordinates", &read(&two, short), warmer);
    let states = r#""temperature": "0.5 + 0.5*x", "coordinates": [{"name": "q", "mobility": 1}], "potential": "q^2",
        "diffusivity": "0.2*(1 + q^2)", "states": [{"name": "a", "energy": 0.5}, {"name": "b", "potential": "q"}],
        "transitions": [{"between": ["a", "b"], "attempt_rate": 2, "barrier": 1}], "motion": "overdamped",
        "method": {"midpoint": {"dt": 0.01}}"#;
    vanish("states", &read(states, short), warmer);
}

#[test]
fn moments_in_cells_are_those_of_their_bins() {
    let system = r#""temperature": "1 + 0.8*x", "mass": 2, "friction": 10, "motion": "underdamped",
        "method": {"baoab": {"dt": 0.02}}"#;
    let sampled = run(&read(system, r#""particles": 256, "duration": 5, "burn_in": 1, "seed": 38"#));
    let grid = &sampled.context.grid;
    let (mut fourth, mut expected) = (0.0, 0.0);
    for group in &sampled.groups {
        let phase = group.phase.as_ref().expect("velocities");
        let cells = phase.powers(0).chunks(grid.cells_per_bin);
        for ((b, moments), cells) in phase.moments(0).iter().enumerate().zip(cells) {
            let visits = &group.profile.visits(0)[b * grid.cells_per_bin..(b + 1) * grid.cells_per_bin];
            assert_eq!(moments[0], visits.iter().sum::<u64>() as f64);
            let from_cells = |p: usize| cells.iter().map(|sums| sums[p - 1]).sum::<f64>();
            (1..4).for_each(|p| assert_eq!(moments[p], from_cells(p)));
            // The fourth from the histogram, with Sheppard's correction: cells are a tenth of a thermal velocity wide.
            let (counts, width) = (phase.speeds(0, b), phase.speed_width(0, b));
            let middle = |k: usize| (k as f64 + 0.5 - 0.5 * counts.len() as f64) * width;
            let grouped: f64 = counts.iter().enumerate().map(|(k, n)| *n as f64 * middle(k).powi(4)).sum();
            fourth += grouped - 0.5 * width * width * from_cells(2);
            expected += from_cells(4);
        }
    }
    assert!((fourth / expected - 1.0).abs() < 5e-3, "{fourth} {expected}");
}

/// The sums of shapes by their definitions, derivatives by differences, surfaces from closed forms.
struct ByHand {
    grid: Grid,
    ends: [f64; 2],
    shape: fn(usize, f64) -> f64,
    slope: fn(f64) -> f64,
    diffusivity: fn(f64) -> f64,
    sums: Vec<[[f64; 3]; SHAPES]>,
    seen: u64,
}

impl Tally for ByHand {
    fn sightings(&mut self, seen: &Sightings<'_>) {
        const STEP: f64 = 1e-4;
        let half = 0.5 * (self.ends[1] - self.ends[0]);
        for (position, q) in seen.position.iter().zip(seen.coordinate) {
            let h = |k: usize, q: f64| (self.shape)(k + 1, (q - 0.5 * (self.ends[0] + self.ends[1])) / half);
            for (k, sums) in self.sums[position.cell(self.grid.cells())].iter_mut().enumerate() {
                let [below, here, above] = [-STEP, 0.0, STEP].map(|d| h(k, q + d * half));
                sums[0] += (self.diffusivity)(*q) * here;
                sums[1] += (self.slope)(*q) * (above - below) / (2.0 * STEP * half);
                sums[2] += (above - 2.0 * here + below) / (STEP * half).powi(2);
            }
            self.seen += 1;
        }
    }
}

#[test]
fn sums_of_shapes_are_those_of_every_sighting() {
    let powers = |k: usize, u: f64| u.powi(k as i32);
    let walled = |k: usize, u: f64| u.powi(k as i32) / k as f64 - u.powi(k as i32 + 2) / (k as f64 + 2.0);
    let waves = |k: usize, u: f64| {
        let angle = std::f64::consts::PI * k.div_ceil(2) as f64 * u;
        if k % 2 == 1 { angle.cos() } else { angle.sin() }
    };
    type Law = fn(f64) -> f64;
    type Case = (&'static str, &'static str, fn(usize, f64) -> f64, Law, Law);
    let cases: [Case; 3] = [
        ("", "q^4 - 2*q^2", powers, |q| 4.0 * q.powi(3) - 4.0 * q, |q| q.powi(4) - 2.0 * q * q + 2.5),
        (r#", "walls": [-1, 2]"#, "q^2", walled, |q| 2.0 * q, |q| q * q + 2.5),
        (
            r#", "periodic": [-1, 1]"#,
            "cos(pi*q)",
            waves,
            |q| -std::f64::consts::PI * (std::f64::consts::PI * q).sin(),
            |q| (std::f64::consts::PI * q).cos() + 2.5,
        ),
    ];
    for (range, potential, shape, slope, diffusivity) in cases {
        let system = format!(
            r#""temperature": "0.5 + 0.5*x", "coordinates": [{{"name": "q", "mobility": 1{range}}}], "potential": "{potential}",
               "diffusivity": "U + 2.5", "motion": "overdamped", "method": {{"midpoint": {{"dt": 0.01}}}}"#
        );
        let experiment = read(&system, r#""particles": 64, "duration": 1"#);
        let (model, grid) = (&experiment.model, experiment.grid());
        let kernel =
            Continuous::new(model, &grid, 0.01, Scheme::Midpoint).expect("a potential that confines");
        let ends = kernel.coordinate_ends()[0];
        let sums = vec![[[0.0; 3]; SHAPES]; grid.cells()];
        let by_hand = ByHand { grid, ends, shape, slope, diffusivity, sums, seen: 0 };
        let mut tally = (InternalSpace::new(model, &grid, 0, ends), by_hand);
        let mut random = stream(39, Purpose::Advance, 0);
        let mut walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, false, 64, &mut random);
        kernel.advance(&mut walkers, Span::Legs(100), &mut random, &mut tally).expect("a step");
        let (tally, by_hand) = tally;
        assert_eq!(by_hand.seen, 6400);
        for (found, expected) in tally.generated().iter().zip(&by_hand.sums) {
            for (found, expected) in found.shapes.iter().flatten().zip(expected.iter().flatten()) {
                assert!(
                    (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{range}: {found} {expected}"
                );
            }
        }
        let mobile: f64 = tally.generated().iter().map(|cell| cell.mobile).sum();
        let known: f64 = tally.mobile().iter().map(|[alone, _]| alone).sum();
        assert!((mobile / known - 1.0).abs() < 1e-12);
    }
}

#[test]
fn what_is_not_assisted_says_why() {
    let forced = r#""temperature": "0.5 + 0.5*x", "coordinates": [{"name": "q", "mobility": 1}],
        "potential": "q^2*(1 + x)", "diffusivity": "0.1", "motion": "overdamped", "method": {"midpoint": {"dt": 0.01}}"#;
    let summary = simulation::run(&read(forced, r#""particles": 64, "duration": 1, "groups": 32"#), &())
        .expect("a run");
    let reason = summary.unassisted.as_deref().expect("a reason");
    assert!(summary.assisted.is_none() && reason.contains("force along x"), "{reason}");
}
