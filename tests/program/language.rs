//! Everything the model language can say, against the continuum theory: simulation and solver share the
//! fields and rates of the model and nothing else.
//!
//! Each file runs once with a fixed seed. Every bin and face is compared at the program's own family-wise
//! alpha for one file, lowered here to 1e-9 by recomputing the limit, and the density of every bin must be
//! known to 0.3 %: a bin that is off by 2 % (seven standard errors) is seen. Negative control: the same
//! comparison sees a diffusivity read in the other convention.

use soret::experiment::Experiment;
use soret::observable::Observable;
use soret::report::summary::Summary;
use soret::simulation;
use soret::stats::{Estimate, deviate_from_p};

/// Probability of a false alarm in one file.
const ALPHA: f64 = 1e-9;

/// Relative standard error asked of every bin of the density.
const PRECISION: f64 = 0.003;

fn run(name: &str, text: &str) -> Summary {
    let experiment = Experiment::from_str(name, name, text).unwrap_or_else(|e| panic!("{name}: {e}"));
    simulation::run(&experiment, &()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Largest |z| over all entries, with its place, and the limit at [`ALPHA`].
fn worst(summary: &Summary) -> (f64, String, f64) {
    let mut worst = (0.0, String::new());
    let mut entries = 0;
    for quantity in &summary.quantities {
        for (k, row) in quantity.rows.iter().enumerate() {
            if let Some(z) = row.z {
                entries += 1;
                if z.abs() > worst.0 {
                    worst = (z.abs(), format!("{} {:?} entry {k}", quantity.name, quantity.of));
                }
            }
        }
    }
    (worst.0, worst.1, deviate_from_p(0.5 * ALPHA / f64::from(entries)))
}

fn agrees(name: &str, text: &str) -> Summary {
    let summary = run(name, text);
    let (z, place, limit) = worst(&summary);
    assert!(z < limit, "{name}: |z| = {z:.1} at {place}, limit {limit:.1}");
    let comparison = summary.comparison.as_ref().unwrap();
    let joint = comparison.contrasts.iter().map(|c| c.p_value).fold(1.0, f64::min);
    assert!(joint > 0.5 * ALPHA / comparison.contrasts.len() as f64, "{name}: joint p-value {joint:e}");
    assert!(summary.invariants.iter().all(|i| i.holds), "{name}: {:?}", summary.invariants);
    let density = summary.quantities.iter().find(|q| q.observable == Observable::Density).unwrap();
    for row in &density.rows {
        let estimate = row.estimate.estimate().unwrap();
        let relative = estimate.std_error / estimate.value;
        assert!(relative < PRECISION, "{name}: density known to {relative:.1e} only");
        assert!(row.theory.is_some(), "{name}: no theory");
    }
    summary
}

fn estimate(summary: &Summary, observable: Observable) -> Estimate {
    let quantity = summary.quantities.iter().find(|q| q.observable == observable).unwrap();
    *quantity.rows[0].estimate.estimate().unwrap()
}

/// A file of two states with these parts in place of the usual ones.
fn two_states(temperature: &str, excited: &str, ground: &str, transitions: &str, more: &str) -> String {
    format!(
        r#"{{ "format_version": 1, {more}
          "domain": {{ "length": 1.0, "walls": "reflecting" }},
          "temperature": {temperature},
          "states": [ {{ "name": "excited", {excited} }}, {{ "name": "ground", {ground} }} ],
          "transitions": [ {transitions} ],
          "run": {{ "particles": 4096, "legs": 6000, "seed": 11 }},
          "measure": {{ "bins": 20 }} }}"#
    )
}

const EXCITED: &str = r#""energy": 1.0, "diffusivity": 1e-1"#;
const GROUND: &str = r#""energy": 0.0, "diffusivity": 2e-2"#;
const EDGE: &str = r#"{ "between": ["excited", "ground"], "attempt_rate": 4.0, "barrier": 1.5 }"#;

#[test]
fn a_table_of_temperatures() {
    for interpolation in ["monotone_cubic", "linear"] {
        let table = format!(
            r#"{{ "table": {{ "points": [[0, 1.0], [0.2, 1.05], [0.45, 1.6], [0.7, 1.65], [1, 2.0]],
                "interpolation": "{interpolation}" }} }}"#
        );
        agrees("table", &two_states(&table, EXCITED, GROUND, EDGE, ""));
    }
}

#[test]
fn a_box_of_two_temperatures() {
    let steps = r#"{ "steps": { "at": [0.4], "values": [1.0, 1.8] } }"#;
    agrees("two temperatures", &two_states(steps, EXCITED, GROUND, EDGE, ""));
    // Diffusivities that follow the temperature: the density jumps where it does.
    let excited = r#""energy": 1.0, "diffusivity": "0.1*T""#;
    let ground = r#""energy": 0.0, "diffusivity": "0.02*T""#;
    agrees("two temperatures, D ~ T", &two_states(steps, excited, ground, EDGE, ""));
}

#[test]
fn entropies_of_states() {
    let excited = r#""energy": 1.0, "entropy": 0.7, "diffusivity": 1e-1"#;
    agrees("entropy", &two_states(r#""1 + 0.8*x""#, excited, GROUND, EDGE, ""));
}

#[test]
fn diffusivities_that_depend_on_position_and_temperature() {
    let excited = r#""energy": 1.0, "diffusivity": "0.1*T*(1 + 0.5*sin(3*x))""#;
    let ground = r#""energy": 0.0, "diffusivity": "0.02*exp(x)""#;
    agrees("D(x,T)", &two_states(r#""1 + 0.8*x""#, excited, ground, EDGE, ""));
}

#[test]
fn frictions_that_depend_on_position() {
    let excited = r#""energy": 1.0, "friction": "10*(1 + 2*x^2)""#;
    let ground = r#""energy": 0.0, "friction": "50*exp(-x)""#;
    let frictions = agrees("friction", &two_states(r#""1 + 0.8*x""#, excited, ground, EDGE, ""));
    // The negative control: the same frictions read as Ito diffusivities are another system.
    let excited = r#""energy": 1.0, "diffusivity": "T/(10*(1 + 2*x^2))""#;
    let ground = r#""energy": 0.0, "diffusivity": "T/(50*exp(-x))""#;
    let diffusivities = run("Ito", &two_states(r#""1 + 0.8*x""#, excited, ground, EDGE, ""));
    let mut largest = 0.0f64;
    for (a, b) in frictions.quantities.iter().zip(&diffusivities.quantities) {
        if matches!(a.observable, Observable::StateDensity(_)) {
            for (a, b) in a.rows.iter().zip(&b.rows) {
                let error = b.estimate.estimate().unwrap().std_error;
                let theory_of_frictions = a.theory.unwrap();
                let z = (b.estimate.estimate().unwrap().value - theory_of_frictions) / error;
                largest = largest.max(z.abs());
            }
        }
    }
    assert!(largest > 20.0, "the other convention is {largest:.1} standard errors away only");
}

#[test]
fn free_rates() {
    let both = r#"{ "between": ["excited", "ground"],
        "rate": { "forward": "2*exp(-0.5/T)*(1 + 0.3*x)", "backward": "2*exp(-1.5/T)" } }"#;
    agrees("free rates", &two_states(r#""1 + 0.8*x""#, EXCITED, GROUND, both, ""));
    let one_way = r#"{ "between": ["excited", "ground"], "rate": { "forward": "1 + x" } },
        { "between": ["ground", "excited"], "rate": { "forward": "0.7*T" } }"#;
    let summary = agrees("one-way rates", &two_states(r#""1 + 0.8*x""#, EXCITED, GROUND, one_way, ""));
    let heat = summary.quantities.iter().find(|q| q.observable == Observable::EntropyProduction).unwrap();
    assert!(heat.rows[0].estimate.estimate().is_none(), "the heat of a one-way rate is not known");
}

#[test]
fn a_driven_ring_with_two_parallel_edges() {
    let text = r#"{ "format_version": 1,
        "domain": { "length": 1.0, "walls": "reflecting" },
        "temperature": "1 + 0.8*x",
        "states": [
          { "name": "a", "energy": 0.0, "diffusivity": 2e-2 },
          { "name": "b", "energy": 0.5, "diffusivity": 5e-2 },
          { "name": "c", "energy": 1.0, "diffusivity": 1e-1 } ],
        "transitions": [
          { "between": ["a", "b"], "attempt_rate": 4.0, "barrier": 1.5, "affinity": 2.0 },
          { "name": "passive", "between": ["a", "b"], "attempt_rate": 2.0, "barrier": 1.2 },
          { "between": ["b", "c"], "attempt_rate": 4.0, "barrier": 1.5 },
          { "between": ["c", "a"], "attempt_rate": 4.0, "barrier": 1.5 } ],
        "run": { "particles": 4096, "legs": 8000, "seed": 12 },
        "measure": { "bins": 20 } }"#;
    let summary = agrees("driven ring", text);
    // A driven ring turns, and turning costs.
    assert!(estimate(&summary, Observable::EntropyProduction).value > 0.1);
}

#[test]
fn diffusivities_proportional_to_temperature_gather_up_to_the_walls() {
    // D = d T with one state: P = 1/(N T) in closed form at every point, N = ln(1.8)/0.8; exact legs have
    // no wall layer, so the bins at the walls are as good as all others.
    let text = r#"{ "format_version": 1,
        "domain": { "length": 1.0, "walls": "reflecting" },
        "temperature": "1 + 0.8*x",
        "states": [ { "name": "only", "diffusivity": "0.5*T" } ],
        "run": { "particles": 4096, "legs": 6000, "seed": 14 },
        "measure": { "bins": 50 } }"#;
    let summary = agrees("D = d T", text);
    let density = summary.quantities.iter().find(|q| q.observable == Observable::Density).unwrap();
    let limit = deviate_from_p(ALPHA / density.rows.len() as f64) + 1.0;
    for row in &density.rows {
        let (lo, hi) = (row.x_lo.unwrap(), row.x_hi.unwrap());
        let exact = ((1.0 + 0.8 * hi) / (1.0 + 0.8 * lo)).ln() / 1.8f64.ln() / (hi - lo);
        let estimate = row.estimate.estimate().unwrap();
        let t = (estimate.value - exact) / estimate.std_error;
        assert!(t.abs() < limit, "{lo} < x < {hi}: {} for {exact}", estimate.value);
    }
}

#[test]
fn one_state_with_friction_gathers_as_one_over_temperature() {
    // Whatever the friction, P ~ 1/T up to the walls, so soret_wall is ln(T_hot/T_cold)/(T_hot - T_cold).
    let text = r#"{ "format_version": 1,
        "domain": { "length": 1.0, "walls": "reflecting" },
        "temperature": "1 + 0.8*x",
        "states": [ { "name": "only", "friction": "1 + 3*x^2" } ],
        "run": { "particles": 4096, "legs": 6000, "seed": 13 },
        "measure": { "bins": 20 } }"#;
    let summary = agrees("one state", text);
    let wall = estimate(&summary, Observable::SoretWall);
    let exact = 1.8f64.ln() / 0.8;
    assert!((wall.value - exact).abs() < 6.0 * wall.std_error, "{wall:?} {exact}");
    assert!(wall.std_error < 0.002);
}

#[test]
fn kelvin_and_kilojoules() {
    // The same system twice: k_B T from 1 to 1.8 in units of 2.5 kJ/mol.
    let boltzmann = 1.380649e-23 * 6.02214076e23 / 1000.0;
    let unit = 2.5;
    let (cold, rise) = (unit / boltzmann, 0.8 * unit / boltzmann);
    let reduced = two_states(r#""1 + 0.8*x""#, EXCITED, GROUND, EDGE, "");
    let molar = two_states(
        &format!(r#""{cold:?} + {rise:?}*x""#),
        r#""energy": 2.5, "diffusivity": 1e-1"#,
        GROUND,
        r#"{ "between": ["excited", "ground"], "attempt_rate": 4.0, "barrier": 3.75 }"#,
        r#""units": { "temperature": "K", "energy": "kJ/mol" },"#,
    );
    let (reduced, molar) = (agrees("reduced", &reduced), agrees("molar", &molar));
    let scale = |q: &str| match q {
        "soret" | "soret_wall" | "local_soret" => boltzmann / unit,
        "mean_temperature" => unit / boltzmann,
        "heat_current" | "mean_heat_current" | "heat_absorbed" => unit,
        _ => 1.0,
    };
    for (a, b) in reduced.quantities.iter().zip(&molar.quantities) {
        for (a_row, b_row) in a.rows.iter().zip(&b.rows) {
            let pairs = [
                (a_row.estimate.estimate().map(|e| e.value), b_row.estimate.estimate().map(|e| e.value)),
                (a_row.theory, b_row.theory),
            ];
            for (x, y) in pairs {
                let (Some(x), Some(y)) = (x, y) else {
                    assert_eq!(x.is_some(), y.is_some(), "{}", a.name);
                    continue;
                };
                let x = x * scale(&a.name);
                let tolerance = 1e-8 * x.abs().max(1e-6 * scale(&a.name));
                assert!((x - y).abs() <= tolerance, "{}: {x} and {y}", a.name);
            }
        }
    }
}
