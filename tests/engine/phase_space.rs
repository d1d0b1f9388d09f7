//! Underdamped particles from the file to the verdict: everything that their run measures, against Kramers' equation.
//!
//! Without noise: the functionals of velocities that an estimator applies to counts, applied to the law itself, against
//! integrals of the law; sums that must agree exactly. With noise, fixed seeds: runs at `gamma/m` = 1, 5, 10 and 50, of two
//! states with different masses, in a potential and at uniform temperature, each a family of comparisons at alpha = 1e-7
//! (7 of them: below 1e-6 altogether); each is compared with the theory of a neighbouring system too, which must be refused.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::estimator::speeds;
use soret::experiment::Experiment;
use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Model, Motility, State, Uniform};
use soret::observable::Observable;
use soret::phase_space::{SPEEDS, edge};
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::stats::Sample;
use soret::theory::kramers::{self, Kramers, Options};
use soret::theory::overdamped::{LAYER, Overdamped};
use std::sync::Arc;

/// Family-wise probability of a false alarm of each run.
const ALPHA: f64 = 1e-7;

fn model(temperature: &str, friction: f64) -> Model {
    let mut state = State::new("only", 0.0, 1.0);
    state.motility = Motility::Friction(Arc::new(Uniform(friction)));
    state.mass = Some(1.0);
    let temperature = Expression::parse(temperature, &["x"], &[]).expect("a formula");
    Model::new(1.0, temperature, vec![state], vec![]).expect("a model")
}

fn law(model: &Model) -> Kramers {
    let masses: Vec<f64> = model.network.states().iter().map(|s| s.mass.unwrap()).collect();
    kramers::solve(model, &masses, &Options::default()).expect("a solution")
}

fn of(law: &Kramers, observable: Observable, grid: &Grid) -> Vec<Option<f64>> {
    law.reference(observable, grid).expect("known to theory")
}

fn numbers(law: &Kramers, observable: Observable, grid: &Grid) -> Vec<f64> {
    of(law, observable, grid).into_iter().map(|v| v.expect("defined")).collect()
}

fn near(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance, "{what}: {a}, not {b} within {tolerance:.1e}");
}

#[test]
fn functionals_of_counts_are_those_of_the_law() {
    use Observable::*;
    for friction in [1.0, 10.0, 50.0] {
        let model = model("1 + 0.8*x", friction);
        let law = law(&model);
        let grid = Grid::new(1.0, 10).with_across(SPEEDS);
        let density = numbers(&law, PhaseDensity(0), &grid);
        let [slow, fast] = [SlowCurrent(0), FastCurrent(0)].map(|o| numbers(&law, o, &grid));
        let largest = numbers(&law, PeakSlowCurrent(0), &grid);
        let speed = of(&law, CrossoverSpeed(0), &grid);
        let current = law.bin_averages(&grid, |x| law.current_at(x)[0]).unwrap();
        let of_bins = numbers(&law, Density, &grid);
        let most = slow.iter().fold(0.0, |m: f64, j| m.max(j.abs()));
        let (half, mut worst) = (SPEEDS / 2, [0.0f64; 2]);
        for b in 0..10 {
            let width = edge(&model, &grid, 0, b, half + 1);
            let cells: Vec<f64> = density[b * SPEEDS..][..SPEEDS].iter().map(|p| p * width).collect();
            near(cells.iter().sum(), of_bins[b], 1e-12, "cells add up to the density");
            let net: Vec<f64> = (0..half).map(|k| cells[half + k] - cells[half - 1 - k]).collect();
            let found = speeds::slow_currents(&net, width);
            for (k, found) in found.iter().enumerate() {
                let exact = slow[b * half + k];
                worst[0] = worst[0].max((found - exact).abs() / most);
                near(exact + fast[b * half + k], current[b], 1e-15, "slow and fast are all");
            }
            near(speeds::peak(&found), largest[b], 1e-4 * most, "largest");
            if let (Some(found), Some(exact)) = (speeds::crossover(&net), speed[b]) {
                worst[1] = worst[1].max((found * width / exact - 1.0).abs());
            }
            // The same integrals by another way: at points, averaged over the bin.
            let v = edge(&model, &grid, 0, b, half + 17);
            let averaged = law.bin_averages(&grid, |x| law.slow_current_at(x, v)).unwrap()[b];
            near(slow[b * half + 16], averaged, 1e-12, "slow current");
        }
        note(format!(
            "gamma/m = {friction}: slow currents within {:.1e}, v* within {:.1e}",
            worst[0], worst[1]
        ));
        assert!(worst[0] < 1e-4 && worst[1] < 2e-3, "{worst:?}");
    }
}

#[test]
fn closed_forms_hold_where_they_say() {
    use Observable::*;
    // A mean free path of 1/400: five of them are a bin.
    let model = model("1 + 0.8*x", 400.0);
    let law = law(&model);
    let closed = Overdamped::new(&model, 1.0).expect("one state between walls");
    let grid = Grid::new(1.0, 20).with_across(SPEEDS);
    let profiles = [
        Density,
        KineticTemperature(0),
        MomentumFlux,
        PhaseHeatCurrent,
        KineticHeatCurrent,
        CarriedHeatCurrent,
        PeakSlowCurrent(0),
        CrossoverSpeed(0),
        MaxwellDeviation(0),
        SlowCurrent(0),
        FastCurrent(0),
        PhaseDensity(0),
        Soret,
        MeanTemperature,
        MeanHeatCurrent,
        EntropyProduction,
    ];
    for observable in profiles {
        let exact = numbers(&law, observable, &grid);
        let most = exact.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let found = closed.reference(observable, &grid).expect("a closed form");
        assert_eq!(found.len(), exact.len());
        let whole = found.len() == 1;
        let mut answered = 0;
        for (found, exact) in found.iter().zip(&exact) {
            let Some(found) = found else { continue };
            answered += 1;
            // Layers at the walls are a part of what is integrated over the domain.
            near(*found, *exact, if whole { 0.03 } else { 0.01 } * most, &format!("{observable:?}"));
        }
        assert!(answered > found.len() * 8 / 10, "{observable:?}: {answered} of {}", found.len());
        let at_walls = whole || observable == CarriedHeatCurrent;
        assert!(at_walls || answered < found.len(), "{observable:?}: silent at the walls");
    }
    assert_eq!(LAYER, 5.0);
    near(closed.layers()[0], 5.0 / 400.0, 1e-12, "a layer");
    assert_eq!(closed.reference(Population(0), &grid), None);
}

/// An experiment with these parts.
fn experiment(temperature: &str, system: &str, dt: f64, duration: f64) -> Experiment {
    let text = format!(
        r#"{{ "format_version": 1, "title": "t", "domain": {{ "length": 1.0 }},
        "temperature": "{temperature}", {system}, "motion": "underdamped",
        "method": {{ "baoab_flux": {{ "dt": {dt} }} }},
        "run": {{ "particles": 2048, "duration": {duration}, "seed": 5 }}, "measure": {{ "bins": 12 }} }}"#
    );
    Experiment::from_str("t", "t.json", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn one(friction: f64) -> String {
    format!(r#""mass": 1.0, "friction": {friction}"#)
}

/// Compares with the theory of another system; only what is measured in the same cells of velocity.
fn against(sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    let own = &sampled.context.model;
    let same = (0..own.network.states().len()).all(|s| {
        (0..grid.bins).all(|b| edge(own, &grid, s, b, SPEEDS) == edge(&other.model, &grid, s, b, SPEEDS))
    });
    let in_cells = |o: Observable| {
        use Observable::*;
        matches!(o, PhaseDensity(_) | SlowCurrent(_) | FastCurrent(_) | PeakSlowCurrent(_))
    };
    let reference = |o: Observable| continuum.reference(o, &grid).filter(|_| same || !in_cells(o));
    compare(sampled.measure(), &grid, ALPHA, &reference)
}

/// Agrees with its own theory, and not with that of the others.
fn judge(own: &Experiment, others: &[(&str, Experiment)]) -> Comparison {
    let sampled = sampling::sample(own, &()).expect("a run");
    let broken: Vec<_> = soret::estimator::invariants(&sampled.context, &sampled.groups)
        .into_iter()
        .filter(|c| !c.holds)
        .map(|c| (c.name, c.detail))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
    let comparison = against(&sampled, own);
    let worst = comparison.worst.expect("something was compared");
    let observable = comparison.compared[worst.0].measured.observable;
    note(format!(
        "{} comparisons, largest z {:.2} of {:.2} ({observable:?}, entry {}), joint {:?}",
        comparison.entries,
        worst.2,
        comparison.critical_z,
        worst.1,
        comparison.joint.iter().map(|j| format!("{:?} {:.0e}", j.observable, j.p_value)).collect::<Vec<_>>()
    ));
    assert!(comparison.agrees);
    for (name, other) in others {
        let against = against(&sampled, other);
        let (c, k, z) = against.worst.expect("something was compared");
        let joint = against.joint.iter().map(|j| j.p_value).fold(1.0, f64::min);
        note(format!(
            "  {name}: {z:.1} ({:?}, {k}), joint {joint:.0e}",
            against.compared[c].measured.observable
        ));
        assert!(!against.agrees, "{name} goes unnoticed");
    }
    comparison
}

#[test]
fn one_particle_in_a_gradient_at_any_friction() {
    for (friction, dt, duration) in
        [(1.0, 0.02, 60.0), (5.0, 0.02, 60.0), (10.0, 0.01, 40.0), (50.0, 0.008, 160.0)]
    {
        let of = |temperature: &str, friction: f64| experiment(temperature, &one(friction), dt, duration);
        let others =
            [("friction x 2", of("1 + 0.8*x", 2.0 * friction)), ("slope + 5 %", of("1 + 0.84*x", friction))];
        note(format!("gamma/m = {friction}"));
        let comparison = judge(&of("1 + 0.8*x", friction), &others);
        // What is not compared is not proved.
        for observable in [
            Observable::PhaseHeatCurrent,
            Observable::CarriedHeatCurrent,
            Observable::HeatAbsorbed,
            Observable::MaxwellDeviation(0),
            Observable::PeakSlowCurrent(0),
            Observable::SlowCurrent(0),
            Observable::FastCurrent(0),
            Observable::PhaseDensity(0),
            Observable::Current(0),
        ] {
            let found = comparison.compared.iter().find(|c| c.measured.observable == observable);
            let z = &found.expect("measured").z;
            let share = z.iter().flatten().count() as f64 / z.len() as f64;
            assert!(share > 0.25, "{observable:?}: {share}");
        }
    }
}

/// Two states of different mass, friction and energy.
fn two(masses: [f64; 2], attempt_rate: f64) -> String {
    let state = |name: &str, energy: f64, mass: f64, friction: f64| {
        format!(r#"{{ "name": "{name}", "energy": {energy}, "mass": {mass}, "friction": {friction} }}"#)
    };
    format!(
        r#""states": [{}, {}], "transitions": [{{ "between": ["light", "heavy"], "attempt_rate": {attempt_rate}, "barrier": 1.5 }}]"#,
        state("light", 1.0, masses[0], 4.0),
        state("heavy", 0.0, masses[1], 20.0)
    )
}

#[test]
fn two_states_with_masses_of_their_own() {
    let of = |masses, rate| experiment("1 + 0.8*x", &two(masses, rate), 0.02, 60.0);
    let others = [("other masses", of([3.0, 12.0], 2.0)), ("rate x 1.2", of([1.0, 3.0], 2.4))];
    let comparison = judge(&of([1.0, 3.0], 2.0), &others);
    // The hidden currents are there, and what velocities say of them agrees with what is counted.
    let find = |o: Observable| {
        let found = comparison.compared.iter().find(|c| c.measured.observable == o);
        &found.expect("measured").measured.samples
    };
    for state in 0..2 {
        let current = find(Observable::MeanCurrent(state))[0].as_ref().expect("a current");
        note(format!("J_{state} = {} ± {}", current.value, current.std_error()));
        assert!(current.value.abs() > 5.0 * current.std_error());
        let (slow, fast) = (find(Observable::SlowCurrent(state)), find(Observable::FastCurrent(state)));
        let windows = find(Observable::WindowCurrent(state));
        for (b, window) in windows.iter().enumerate() {
            let at = b * SPEEDS / 2 + 16;
            let (Some(slow), Some(fast), Some(window)) = (&slow[at], &fast[at], window) else { continue };
            let difference = Sample {
                value: slow.value + fast.value - window.value,
                pseudo: (0..slow.pseudo.len())
                    .map(|g| slow.pseudo[g] + fast.pseudo[g] - window.pseudo[g])
                    .collect(),
            };
            if b == 6 {
                let (seen, counted) = (difference.std_error(), window.std_error());
                note(format!(
                    "bin {b}: error of the count {counted:.1e}, of velocities less counts {seen:.1e}"
                ));
            }
            assert!(difference.value.abs() < 7.0 * difference.std_error());
        }
    }
}

#[test]
fn a_potential_carries_energy_too() {
    let system = |depth: f64| format!(r#"{}, "potential": "{depth}*cos(3*x)""#, one(5.0));
    let of = |temperature: &str, depth| experiment(temperature, &system(depth), 0.01, 30.0);
    let others = [("depth + 15 %", of("1 + 0.8*x", 0.805)), ("slope + 5 %", of("1 + 0.84*x", 0.7))];
    judge(&of("1 + 0.8*x", 0.7), &others);
}

#[test]
fn nothing_flows_at_uniform_temperature_and_threads_do_not_matter() {
    let own = experiment("1.3", &one(5.0), 0.02, 20.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let summary = pool.install(|| simulation::run(&own, &())).expect("a run");
        serde_json::to_string(&summary).expect("a summary")
    };
    assert_eq!(run(1), run(3));
    let comparison = judge(&own, &[("gradient", experiment("1.3 + 0.08*x", &one(5.0), 0.02, 20.0))]);
    for c in &comparison.compared {
        match c.measured.observable {
            Observable::CrossoverSpeed(_) | Observable::Soret | Observable::LocalSoret => {
                let null = |k: usize| c.measured.outcome(k).estimate().is_none() && c.theory[k].is_none();
                assert!((0..c.theory.len()).all(null), "{:?}", c.measured.observable);
            }
            Observable::PhaseHeatCurrent | Observable::SlowCurrent(_) | Observable::HeatAbsorbed => {
                assert!(c.theory.iter().flatten().all(|v| v.abs() < 1e-9), "{:?}", c.measured.observable);
            }
            _ => {}
        }
    }
}
