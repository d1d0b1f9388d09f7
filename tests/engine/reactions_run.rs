//! From an experiment file with species and reactions to the verdict, and what is wrong with such files.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::ensemble::Crowd;
use soret::error::Error;
use soret::estimator;
use soret::experiment::{Experiment, Method};
use soret::observable::Observable;
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::stats::Outcome;
use soret::verification::{self, Verdict};

/// Family-wise probability of a false alarm of each run.
const ALPHA: f64 = 1e-7;

/// A file about dimers; `rest` are further keys.
fn dimers(temperature: &str, species: &str, reaction: &str, run: &str, measure: &str) -> String {
    format!(
        r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "{temperature}",
            "species": [ {species} ],
            "reactions": [ {{ "equation": "2 M <-> D", {reaction} }} ],
            "method": {{ "pairs": {{ "cells": 32, "dt": 5e-4 }} }},
            "run": {{ {run} }}, "measure": {{ "bins": 8 {measure} }} }}"#
    )
}

/// Dimers whose diffusivity and energy are these.
fn pair(diffusivity: f64, energy: f64) -> String {
    format!(
        r#"{{ "name": "M", "diffusivity": 1, "concentration": 1 }},
           {{ "name": "D", "diffusivity": {diffusivity}, "energy": {energy}, "content": 2 }}"#
    )
}

const VANT_HOFF: &str = r#""forward": 4, "prefactor": 7.4"#;
const RUN: &str = r#""system_size": 300, "duration": 1.5, "groups": 48, "rounds": 4, "seed": 1"#;

fn read(text: &str) -> Experiment {
    Experiment::from_str("t", "t.json", text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn against(sampled: &Sampled, other: &Experiment) -> Comparison {
    let continuum = Continuum::solve(other).expect("a solution");
    let grid = other.grid();
    compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid))
}

fn describe(name: &str, c: &Comparison) {
    let worst = c.worst.map(|(k, entry, z)| (c.compared[k].measured.observable, entry, z));
    note(format!("{name}: {} entries, limit {:.1}, worst {worst:?}, {:?}", c.entries, c.critical_z, c.joint));
}

#[test]
fn dimers_in_a_gradient_are_those_of_the_equations_and_no_others() {
    let file = |d: f64, h: f64| read(&dimers("0.75 + 0.5*x", &pair(d, h), VANT_HOFF, RUN, ""));
    let own = file(0.4, -2.0);
    let sampled = sampling::sample(&own, &()).expect("a run");
    let invariants = estimator::invariants(&sampled.context, &sampled.groups);
    assert!(invariants.len() == 2 && invariants.iter().all(|c| c.holds), "{invariants:?}");
    let comparison = against(&sampled, &own);
    describe("dimers", &comparison);
    assert!(comparison.agrees);
    // What is not compared is not proved.
    use Observable::*;
    for observable in [
        Soret,
        SoretWall,
        LocalSoret,
        MeanConcentration(1),
        Concentration(0),
        Content,
        TransportedContent,
        ContentCurrent,
        Current(1),
        MeanCurrent(0),
        MeanHeatCurrent,
        HeatCurrent,
        HeatAbsorbed,
        EntropyProduction,
        NetRate(0),
    ] {
        let found = comparison.compared.iter().find(|c| c.measured.observable == observable);
        let z = &found.unwrap_or_else(|| panic!("{observable:?}")).z;
        assert!(z.iter().all(Option::is_some), "{observable:?} {z:?}");
    }
    // Dimers that move as fast as monomers, or that heat makes, would have been seen.
    for (name, other) in [("as fast", file(1.0, -2.0)), ("warm", file(0.4, 2.0))] {
        let refused = against(&sampled, &other);
        describe(name, &refused);
        assert!(!refused.agrees, "{name} goes unnoticed");
    }
    let judged = verification::judge(&verification::questions(&sampled.context, &sampled.groups), ALPHA);
    for check in &judged.checks {
        note(format!("{} {:?} {:?} {}", check.name, check.verdict, check.p_value, check.words));
    }
    assert!(judged.passes);
    let holds = judged.checks.iter().filter(|c| c.verdict == Verdict::Holds).count();
    assert!(holds >= 5, "{holds}");
    // At uniform temperature the balance of both ways is asked, and in a gradient it is not.
    let balance = |v: &verification::Verification| {
        v.checks.iter().find(|c| c.name.starts_with("both ways")).map(|c| c.verdict)
    };
    assert_eq!(balance(&judged), Some(Verdict::NotApplicable));
    let uniform = read(&dimers("1", &pair(0.4, -2.0), VANT_HOFF, RUN, ""));
    let sampled = sampling::sample(&uniform, &()).expect("a run");
    let judged = verification::judge(&verification::questions(&sampled.context, &sampled.groups), ALPHA);
    assert!(judged.passes && balance(&judged) == Some(Verdict::Holds));
    let comparison = against(&sampled, &uniform);
    describe("uniform", &comparison);
    assert!(comparison.agrees);
}

#[test]
fn relaxation_is_that_of_the_equations() {
    let file = |forward: f64| {
        let run = r#""system_size": 300, "groups": 48, "seed": 2"#;
        let rates = format!(r#""forward": {forward}, "ratio": "exp(2 - 2/T)""#);
        read(&dimers("0.75 + 0.5*x", &pair(0.4, 0.0), &rates, run, r#", "times": [0.02, 0.2, 1]"#))
    };
    let own = file(4.0);
    let sampled = sampling::sample(&own, &()).expect("a run");
    let comparison = against(&sampled, &own);
    describe("relaxation", &comparison);
    assert!(comparison.agrees && comparison.entries > 60);
    let refused = against(&sampled, &file(8.0));
    describe("twice the rate", &refused);
    assert!(!refused.agrees, "twice the rate goes unnoticed");
}

#[test]
fn the_bits_do_not_depend_on_threads() {
    let short = r#""system_size": 40, "duration": 0.1, "burn_in": 0.05, "groups": 33, "rounds": 3"#;
    let experiment = read(&dimers("0.75 + 0.5*x", &pair(0.4, -2.0), VANT_HOFF, short, ""));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let sampled = pool.install(|| sampling::sample(&experiment, &())).expect("a run");
        serde_json::to_string(&sampled.groups).expect("plain data")
    };
    assert_eq!(run(1), run(3));
}

/// A run of a file, every number of which must be finite or absent with a reason.
fn runs(text: &str) -> soret::report::summary::Summary {
    let summary = simulation::run(&read(text), &()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert!(summary.invariants.iter().all(|i| i.holds));
    for row in summary.quantities.iter().flat_map(|q| &q.rows) {
        match &row.estimate {
            Outcome::Estimate(e) => assert!(e.value.is_finite() && e.std_error.is_finite()),
            Outcome::Null { reason, .. } => assert!(!reason.is_empty()),
        }
        assert!(row.theory.is_none_or(f64::is_finite));
    }
    summary
}

#[test]
fn few_particles_no_reactions_and_none_that_are_made() {
    let tiny = |size: f64| format!(r#""system_size": {size}, "duration": 0.2, "groups": 32, "rounds": 2"#);
    // A single monomer never finds another; of three one is left over or none is bound.
    let one = runs(&dimers("1 + 0.2*x", &pair(0.4, -2.0), VANT_HOFF, &tiny(1.0), ""));
    assert_eq!(one.run.transitions, 0);
    let three = read(&dimers("1 + 0.2*x", &pair(0.4, -2.0), VANT_HOFF, &tiny(3.0), ""));
    let sampled = sampling::sample(&three, &()).expect("a run");
    for group in &sampled.groups {
        let Some(Crowd::Pairs(crowd)) = &group.population else { panic!("no population") };
        let counts = crowd.population.counts(2);
        assert!(counts == [3, 0] || counts == [1, 1], "{counts:?}");
    }
    // Rates of zero: nothing happens, and the theory knows.
    let none = dimers("1 + 0.2*x", &pair(0.4, -2.0), r#""forward": 0, "backward": 0"#, &tiny(50.0), "");
    let summary = runs(&none);
    assert_eq!(summary.run.transitions, 0);
    assert!(summary.warnings.iter().any(|w| w.seen.contains("rate of zero")));
    let mean = summary.quantities.iter().find(|q| q.observable == Observable::MeanConcentration(0));
    let mean = &mean.expect("measured").rows[0];
    assert!(mean.theory.is_some_and(|c| (c - 1.0).abs() < 1e-9));
    assert!(matches!(&mean.estimate, Outcome::Null { reason, .. } if reason.contains("same value")));
    assert_eq!(summary.comparison.and_then(|c| c.agrees), Some(true));
    // Dimers that nobody makes fall apart.
    let species = r#"{ "name": "M", "diffusivity": 1 },
        { "name": "D", "diffusivity": 0.4, "content": 2, "concentration": 1 }"#;
    let apart = dimers("1", species, r#""forward": 0, "backward": 50"#, &tiny(50.0), "");
    let summary = runs(&apart);
    assert!(summary.warnings.iter().any(|w| w.seen.contains("nothing makes it")), "{:?}", summary.warnings);
    // Most cells are empty.
    let sparse = dimers("1 + 0.2*x", &pair(0.4, -2.0), VANT_HOFF, &tiny(4.0), "");
    assert!(runs(&sparse).run.legs > 0);
}

#[test]
fn what_is_left_out_is_chosen_and_said() {
    let text = dimers("0.75 + 0.5*x", &pair(0.4, -2.0), VANT_HOFF, RUN, "")
        .replace(r#"{ "pairs": { "cells": 32, "dt": 5e-4 } }"#, r#""auto""#);
    let experiment = read(&text);
    let Method::Pairs { cells, dt } = experiment.method else { panic!("{:?}", experiment.method) };
    assert!(cells % 8 == 0 && (16..100).contains(&cells) && dt > 1e-5 && dt < 2e-3, "{cells} {dt}");
    assert!(experiment.warnings().iter().any(|w| w.meaning.contains(&format!("{cells} cells"))));
    assert_eq!(experiment.counts(), [300, 0]);
    assert_eq!(experiment.run.particles, 48 * 300);
    let canonical = experiment.canonical();
    assert!(canonical["run"].get("particles").is_none() && canonical.get("states").is_none());
    assert_eq!(read(&canonical.to_string()).canonical(), canonical);
    let conventions = simulation::conventions(&experiment).join("\n");
    assert!(conventions.contains("300 M") && conventions.contains("per such unit"), "{conventions}");
}

#[test]
fn mistakes_are_told() {
    let good = dimers("0.75 + 0.5*x", &pair(0.4, -2.0), VANT_HOFF, RUN, "");
    let told = |from: &str, to: &str, words: &[&str]| {
        assert!(good.contains(from), "{from}");
        match Experiment::from_str("t", "t.json", &good.replacen(from, to, 1)) {
            Err(Error::Input(diagnostics)) => {
                let text = diagnostics.render(false);
                words.iter().for_each(|w| assert!(text.contains(w), "{w} not in\n{text}"));
            }
            other => panic!("{to}: {:?}", other.map(|e| e.canonical())),
        }
    };
    told("2 M <-> D", "2 M <-> Dim", &["no species has this name", "Dim"]);
    told("2 M <-> D", "2 M = D", &["arrow", "write `<->`"]);
    told("2 M <-> D", "2 M -> D", &["`prefactor` of a reaction that goes one way"]);
    told("2 M <-> D", "3 M <-> D", &["too many particles would have to meet", "3 forward"]);
    told(r#""prefactor": 7.4"#, r#""prefactor": 7.4, "ratio": 1"#, &["both `ratio` and `prefactor`"]);
    told(r#", "prefactor": 7.4"#, "", &["the way back has no rate"]);
    told(r#""forward": 4, "#, "", &["\"forward\" is missing"]);
    told(r#""forward": 4"#, r#""forward": "x - 0.5""#, &["the rate is negative somewhere"]);
    told(r#""name": "D""#, r#""name": "M""#, &["two species have the same name"]);
    told(r#""name": "D""#, r#""name": "2D""#, &["not a name for a species"]);
    told(r#""diffusivity": 0.4"#, r#""diffusivity": "0.5 - T""#, &["diffusivity is not positive"]);
    told(r#""diffusivity": 0.4"#, r#""friction": "1 + x""#, &["friction of \"D\" varies with x"]);
    told(r#""diffusivity": 0.4, "#, "", &["neither \"diffusivity\" nor \"friction\""]);
    told(r#""concentration": 1"#, r#""concentration": -1"#, &["`concentration` is out of range"]);
    told(r#""concentration": 1"#, r#""concentration": 0.001"#, &["fewer than half a particle"]);
    told(r#", "concentration": 1"#, "", &["there are no particles"]);
    told(r#""system_size": 300, "#, "", &["\"system_size\" is missing"]);
    told(
        r#""system_size": 300"#,
        r#""system_size": 300, "particles": 100"#,
        &["`particles` stands beside `species`"],
    );
    told(r#""duration": 1.5"#, r#""legs": 10"#, &["`legs` stands beside", "\"duration\" is missing"]);
    told(r#""cells": 32"#, r#""cells": 30"#, &["no whole number of cells", "measure.bins = 8"]);
    told(r#"{ "pairs": { "cells": 32, "dt": 5e-4 } }"#, r#""exact""#, &["knows no reactions"]);
    told(r#"{ "length": 1 }"#, r#"{ "length": 1, "walls": "periodic" }"#, &["on a ring"]);
    told(r#""temperature""#, r#""states": [], "temperature""#, &["`states` stands beside `species`"]);
    told(
        r#""bins": 8"#,
        r#""bins": 8, "trajectories": { "segment": 1 }"#,
        &["trajectories of particles that react"],
    );
    // All at once.
    told(
        r#""energy": -2, "content": 2"#,
        r#""energy": "a", "content": 0.5"#,
        &["`content` is out of range", "a"],
    );
    let walkers = r#"{ "format_version": 1, "domain": { "length": 1 }, "temperature": 1, "diffusivity": 1,
        "run": { "particles": 64, "duration": 1, "system_size": 3 }, "method": "pairs" }"#;
    let error = Experiment::from_str("t", "t.json", walkers).expect_err("two mistakes").to_string();
    assert!(
        error.contains("`system_size` without `species`") && error.contains("method of particles that react")
    );
}
