//! Units of a mean field from the experiment file to the verdict: against theory, and against particles that meet.
//!
//! Every statistical test states its alpha, over all that it compares.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::convergence;
use soret::estimator;
use soret::experiment::{Experiment, Method};
use soret::kernel::Span;
use soret::observable::{Instant, Observable};
use soret::pilot;
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::stats::t_deviate;
use soret::verification::{self, Verdict};

/// Family-wise probability of a false alarm of each comparison with theory.
const ALPHA: f64 = 1e-8;

/// A file about the dimers of `experiments/fig4.json` with other rates.
fn dimers(temperature: &str, rates: &str, method: &str, run: &str, measure: &str) -> String {
    format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "{temperature}",
            "species": [ {{ "name": "M", "diffusivity": 1, "concentration": 1 }},
                {{ "name": "D", "diffusivity": 0.4, "energy": -2, "content": 2 }} ],
            "reactions": [ {{ "equation": "2 M <-> D", {rates} }} ],
            "method": {method}, "run": {{ {run} }}, "measure": {{ "bins": 8 {measure} }} }}"#
    )
}

const WARM: &str = "0.75 + 0.5*x";
const RATES: &str = r#""forward": 10, "prefactor": 7.38905609893065"#;
const FIELD: &str = r#"{ "mean_field": { "cells": 24 } }"#;

/// Monomers that bind at `k_+ c_1` in place of `2 k_+ c_1`: half the way forward, the same way back.
const HALF: &str = r#""forward": 5, "prefactor": 14.7781121978613"#;

/// An enzyme, its substrate and what becomes of it: two kinds of units.
fn catalysis(second: f64, run: &str, measure: &str) -> String {
    format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "1 + 0.8*x",
            "species": [ {{ "name": "E", "diffusivity": 0.2, "concentration": 0.5, "content": 0 }},
                {{ "name": "S", "energy": 0.3, "diffusivity": 1, "concentration": 2 }},
                {{ "name": "ES", "energy": -0.7, "diffusivity": 0.1 }},
                {{ "name": "P", "diffusivity": 0.8, "concentration": 0.5 }} ],
            "reactions": [
                {{ "equation": "E + S <-> ES", "forward": 20, "backward": "30*exp(-1/T)" }},
                {{ "equation": "ES <-> E + P", "forward": {second}, "backward": "15*exp(-0.3/T)" }} ],
            "method": {FIELD}, "run": {{ {run} }}, "measure": {{ "bins": 8 {measure} }} }}"#
    )
}

fn read(text: &str) -> Experiment {
    Experiment::from_str("t", "t.json", text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A run whose integers hold.
fn sample(experiment: &Experiment) -> Sampled {
    let sampled = sampling::sample(experiment, &()).expect("a run");
    let invariants = estimator::invariants(&sampled.context, &sampled.groups);
    assert!(invariants.len() == 2 && invariants.iter().all(|c| c.holds), "{invariants:?}");
    sampled
}

fn against(name: &str, sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    let c = compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid));
    let worst = c.worst.map(|(k, entry, z)| (c.compared[k].measured.observable, entry, z));
    note(format!("{name}: {} entries, limit {:.1}, worst {worst:?}", c.entries, c.critical_z));
    c
}

/// The system of `fig4.json` with fewer bins, by units and by pairs. Units against theory (alpha 1e-8): the number of dimers is
/// known to 0.02 %, their current to 1 %. Units less pairs: 22 deviates of 32 + 32 groups below 6.5 (alpha 2e-9); joint errors are 0.25 % of
/// the number of dimers and 6 % of the heat current, of which seven would be seen. Control: units that bind at `k_+ c_1`.
#[test]
fn dimers_are_those_of_the_equations_and_of_pairs() {
    let units = r#""particles": 3200, "legs": 4800, "groups": 32, "seed": 71"#;
    let own = read(&dimers(WARM, RATES, FIELD, units, ""));
    let sampled = sample(&own);
    let comparison = against("dimers", &sampled, &own);
    assert!(comparison.agrees);
    // What is not compared is not proved.
    use Observable::*;
    let whole =
        [Soret, SoretWall, MeanConcentration(0), MeanConcentration(1), MeanHeatCurrent, EntropyProduction];
    let profiles = [LocalSoret, Concentration(0), Content, TransportedContent, ContentCurrent, Current(1)];
    let more = [MeanCurrent(0), HeatCurrent, HeatAbsorbed, NetRate(0)];
    for observable in whole.iter().chain(&profiles).chain(&more) {
        let found = comparison.compared.iter().find(|c| c.measured.observable == *observable);
        let z = &found.unwrap_or_else(|| panic!("{observable:?}")).z;
        assert!(z.iter().all(Option::is_some), "{observable:?} {z:?}");
    }
    let half = read(&dimers(WARM, HALF, FIELD, units, ""));
    assert!(!against("binding at half the rate", &sampled, &half).agrees);
    let judged = verification::judge(&verification::questions(&sampled.context, &sampled.groups), ALPHA);
    for check in &judged.checks {
        note(format!("{} {:?} {:?} {}", check.name, check.verdict, check.p_value, check.words));
    }
    let holds = judged.checks.iter().filter(|c| c.verdict == Verdict::Holds).count();
    assert!(judged.passes && holds >= 5, "{holds}");

    let pairs = r#"{ "pairs": { "cells": 40, "dt": 4e-4 } }"#;
    let run = r#""system_size": 500, "duration": 1, "groups": 32, "seed": 72"#;
    let pairs = sample(&read(&dimers(WARM, RATES, pairs, run, "")));
    let found = |sampled: &Sampled| {
        let all = sampled.measure();
        let of = |o: &Observable| all.iter().find(|m| m.observable == *o).expect("measured").clone();
        whole.iter().chain(&[Concentration(0), Concentration(1)]).map(of).collect::<Vec<_>>()
    };
    let (mut worst, mut count) = (0.0f64, 0);
    for (a, b) in found(&sampled).iter().zip(found(&pairs)) {
        for entry in 0..a.samples.len() {
            let (one, other) = (a.outcome(entry), b.outcome(entry));
            let (one, other) = (one.estimate().expect("known"), other.estimate().expect("known"));
            let error = one.std_error.hypot(other.std_error);
            let z = t_deviate((one.value - other.value) / error, 31.0);
            worst = worst.max(z.abs());
            count += 1;
            if entry == 0 {
                let (own, a) = (one.std_error, a.observable);
                note(format!(
                    "{a:?}: {:.4e} +- {own:.1e}, {:.4e}, error of both {error:.1e}",
                    one.value, other.value
                ));
            }
        }
    }
    note(format!("units less pairs: {count} deviates, worst {worst:.2}"));
    assert!(count == 22 && worst < 6.5, "{worst}");
}

/// Monomers that pair at three times against theory, 3 x (2 + 8 + 16) entries at an alpha of 1e-8. The number of dimers is known to 0.3 %.
/// Control: units that bind at `k_+ c_1`.
#[test]
fn what_changes_in_time_is_that_of_the_equations() {
    let run = r#""particles": 128000, "groups": 32, "seed": 73"#;
    let times = r#", "times": [0.03, 0.1, 0.3]"#;
    let own = read(&dimers(WARM, RATES, r#""mean_field""#, run, times));
    let Method::MeanField { cells: 24, window: Span::Duration(window) } = own.method else {
        panic!("{:?}", own.method)
    };
    assert!((2e-3..=3e-3).contains(&window), "{window}");
    let sampled = sample(&own);
    let comparison = against("relaxation", &sampled, &own);
    assert!(comparison.agrees && comparison.entries >= 78, "{}", comparison.entries);
    let half = read(&dimers(WARM, HALF, FIELD, run, times));
    assert!(!against("binding at half the rate", &sampled, &half).agrees);
}

/// Two kinds of units, in the steady state and in time, at an alpha of 1e-8 each; a second step at twice its rate is seen.
#[test]
fn a_species_of_two_kinds_is_that_of_the_equations() {
    let steady = r#""particles": 1280, "legs": 4800, "groups": 32, "seed": 74"#;
    let timed = r#""particles": 64000, "groups": 32, "seed": 75"#;
    for (run, measure) in [(steady, ""), (timed, r#", "times": [0.02, 0.1]"#)] {
        let own = read(&catalysis(8.0, run, measure));
        let sampled = sample(&own);
        assert!(against("catalysis", &sampled, &own).agrees);
        assert!(!against("at twice the rate", &sampled, &read(&catalysis(16.0, run, measure))).agrees);
        // Enzymes are conserved at every moment, of their own kind exactly.
        if !measure.is_empty() {
            // As many units of either kind, for a time of 0.1.
            let time = sampled.particle_time() / (2.0 * 64_000.0 * 0.1);
            assert!((time - 1.0).abs() < 0.05, "{time}");
            let all = sampled.measure();
            let mean = |s: usize| {
                let at = Observable::At(0, Instant::MeanConcentration(s));
                let measured = all.iter().find(|m| m.observable == at).expect("measured");
                measured.outcome(0).estimate().expect("known").value
            };
            let off = mean(0) + mean(2) - 0.5;
            // The other kind has a say in ES: 64000 units of each know it to 3e-3 at most.
            assert!(off.abs() < 0.02, "{off}");
        }
    }
}

#[test]
fn equilibrium_is_in_balance() {
    let run = r#""particles": 3200, "legs": 2400, "groups": 32, "seed": 76"#;
    let own = read(&dimers("1", RATES, FIELD, run, ""));
    let sampled = sample(&own);
    assert!(against("uniform", &sampled, &own).agrees);
    let judged = verification::judge(&verification::questions(&sampled.context, &sampled.groups), ALPHA);
    let balance = judged.checks.iter().find(|c| c.name.starts_with("both ways")).map(|c| c.verdict);
    assert!(judged.passes && balance == Some(Verdict::Holds), "{balance:?}");
}

#[test]
fn the_bits_do_not_depend_on_threads() {
    let steady = r#""particles": 330, "legs": 960, "burn_in": 480, "groups": 33, "rounds": 3"#;
    for (run, measure) in [(steady, ""), (r#""particles": 330, "groups": 33"#, r#", "times": [0.01, 0.02]"#)]
    {
        let experiment = read(&dimers(WARM, RATES, FIELD, run, measure));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let sampled = pool.install(|| sampling::sample(&experiment, &())).expect("a run");
            serde_json::to_string(&sampled.groups).expect("plain data")
        };
        assert_eq!(run(1), run(2));
    }
}

/// What the program chooses stands in the file that it writes; what it cannot do it says.
#[test]
fn choices_are_stated() {
    let own = read(&dimers(WARM, RATES, r#""mean_field""#, r#""particles": 640, "legs": 960"#, ""));
    assert_eq!(own.method, Method::MeanField { cells: 24, window: Span::Legs(96) });
    assert_eq!(own.canonical()["method"], serde_json::json!({ "mean_field": { "cells": 24, "window": 96 } }));
    assert_eq!(own.run.rounds, 10);
    assert_eq!(own.warnings().len(), 1, "{:?}", own.warnings());
    let summary = simulation::run(&own, &()).expect("a run");
    // The burn-in is fifty windows at least, longer than this run.
    assert!(summary.run.burn_in >= 4800.0, "{}", summary.run.burn_in);
    assert_eq!((summary.run.legs, summary.run.method.as_str()), (640 * 960, "mean_field"));
    assert!(summary.conventions.iter().any(|c| c.contains("M, 2 in D") && c.contains("96 legs")));
    let short =
        dimers(WARM, RATES, FIELD, r#""particles": 640, "legs": 1005, "rounds": 3, "burn_in": 480"#, "");
    let hasty = simulation::run(&read(&short), &()).expect("a run");
    // Whole windows of about 96 legs, and not a leg lost.
    assert_eq!(hasty.run.legs, 640 * 1005);
    assert!(hasty.warnings.iter().any(|w| w.seen.contains("fewer than 50 windows")));

    // Few units in a cell are told in time, and do not matter in legs.
    let warned = |run: &str, measure: &str| {
        let experiment = read(&dimers(WARM, RATES, FIELD, run, measure));
        pilot::warnings(&experiment).expect("warnings").iter().any(|w| w.meaning.contains("meets itself"))
    };
    assert!(warned(r#""particles": 64000"#, r#", "times": [0.1]"#));
    assert!(!warned(r#""particles": 640000"#, r#", "times": [0.1]"#));
    assert!(!warned(r#""particles": 640, "legs": 960"#, ""));

    let forecast = pilot::forecast(&own).expect("a forecast");
    let legs = 640.0 * (960.0 + summary.run.burn_in);
    assert!(forecast.soret.is_some_and(|s| s.error > 0.0), "{forecast:?}");
    assert!((forecast.legs / legs - 1.0).abs() < 0.2, "{forecast:?}, {legs}");
    let refused = convergence::study(&own, &convergence::Options::default(), &());
    assert!(refused.is_err_and(|e| e.to_string().contains("mean field")));
}
