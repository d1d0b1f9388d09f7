//! Observation at given times that begins after a burn-in: times of the run are times of the theory.

use crate::common::note;
use soret::comparison::compare;
use soret::continuum::Continuum;
use soret::experiment::Experiment;
use soret::sampling;

/// Family-wise probability of a false alarm of each comparison.
const ALPHA: f64 = 1e-8;

fn read(text: &str) -> Experiment {
    Experiment::from_str("t", "t.json", text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Runs a file and compares it with the theory of the same file and with that of another.
fn verdicts(own: &str, other: &str) -> [bool; 2] {
    let own = read(own);
    let sampled = sampling::sample(&own, &()).expect("a run");
    [own.clone(), read(other)].map(|theirs| {
        let continuum = Continuum::solve(&theirs).expect("a solution");
        let grid = theirs.grid();
        let comparison = compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid));
        note(format!("{:?} of {} entries", comparison.worst, comparison.entries));
        comparison.agrees
    })
}

/// The burn-in takes away three quarters of the excited particles that the start makes.
#[test]
fn states_relax_during_the_burn_in() {
    let file = |burn_in: &str| {
        format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "1 + 0.5*x",
                "states": [ {{ "name": "excited", "energy": 1, "diffusivity": 0.05 }},
                            {{ "name": "ground", "energy": 0, "diffusivity": 0.005 }} ],
                "transitions": [ {{ "between": ["excited", "ground"], "attempt_rate": 1, "barrier": 1 }} ],
                "method": {{ "exact": {{}} }},
                "run": {{ "particles": 20000, "start": {{ "profile": "exp(-10*x)", "state": "excited" }}, {burn_in}
                         "seed": 1 }},
                "measure": {{ "bins": 10, "times": [0.1, 0.4, 1, 3] }} }}"#
        )
    };
    assert_eq!(verdicts(&file(r#""burn_in": 1,"#), &file("")), [true, false]);
}

/// Particles that react: half of the monomers have met when observation begins.
#[test]
fn particles_react_during_the_burn_in() {
    let file = |burn_in: &str| {
        format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "0.75 + 0.5*x",
                "species": [ {{ "name": "M", "diffusivity": 1, "concentration": 1 }},
                             {{ "name": "D", "diffusivity": 0.4, "energy": -2, "content": 2 }} ],
                "reactions": [ {{ "equation": "2 M <-> D", "forward": 4, "prefactor": 7.4 }} ],
                "method": {{ "pairs": {{ "cells": 16, "dt": 1e-3 }} }},
                "run": {{ "system_size": 300, "groups": 48, {burn_in} "seed": 2 }},
                "measure": {{ "bins": 8, "times": [0.02, 0.2] }} }}"#
        )
    };
    assert_eq!(verdicts(&file(r#""burn_in": 0.1,"#), &file("")), [true, false]);
}
