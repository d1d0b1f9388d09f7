//! Underdamped particles from the file to the verdict: everything that their run measures, against Kramers' equation.
//!
//! Without noise: the functionals of velocities that an estimator applies to counts, applied to the law itself, against
//! integrals of the law; sums that must agree exactly. With noise, fixed seeds: runs at `gamma/m` = 1, 5, 10 and 50, of two
//! states with different masses, in a potential and at uniform temperature, each a family of comparisons at alpha = 1e-7
//! (7 of them: below 1e-6 altogether); each is compared with the theory of a neighbouring system too, which must be refused.

use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::estimator::speeds;
use soret::experiment::Experiment;
use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Model, Motility, State, Uniform};
use soret::observable::Observable;
use soret::phase_space::{REACH, SPEEDS, edge};
use soret::sampling::{self, Sampled};
use soret::simulation;
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
        println!("gamma/m = {friction}: slow currents within {:.1e}, v* within {:.1e}", worst[0], worst[1]);
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
        assert!(whole || answered < found.len(), "{observable:?}: silent at the walls");
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

fn against(sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid))
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
    println!(
        "{} comparisons, largest z {:.2} of {:.2} ({observable:?}, entry {}), joint {:?}",
        comparison.entries,
        worst.2,
        comparison.critical_z,
        worst.1,
        comparison.joint.iter().map(|j| format!("{:?} {:.0e}", j.observable, j.p_value)).collect::<Vec<_>>()
    );
    assert!(comparison.agrees);
    for (name, other) in others {
        let against = against(&sampled, other);
        let (c, k, z) = against.worst.expect("something was compared");
        println!("  {name}: {z:.1} ({:?}, {k})", against.compared[c].measured.observable);
        assert!(!against.agrees, "{name} goes unnoticed");
    }
    comparison
}

#[test]
fn one_particle_in_a_gradient_at_any_friction() {
    for (friction, dt, duration) in
        [(1.0, 0.02, 40.0), (5.0, 0.02, 40.0), (10.0, 0.01, 20.0), (50.0, 0.008, 20.0)]
    {
        let of = |temperature: &str, friction: f64| experiment(temperature, &one(friction), dt, duration);
        let others = [("friction", of("1 + 0.8*x", 1.05 * friction)), ("slope", of("1 + 0.84*x", friction))];
        println!("gamma/m = {friction}");
        judge(&of("1 + 0.8*x", friction), &others);
    }
}
