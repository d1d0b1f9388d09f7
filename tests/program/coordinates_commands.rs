//! Continuous internal coordinates under every command: the chain of steps as a law of its own, studies of convergence, wanted
//! errors, sweeps, wells as states, mistakes in expressions.
//!
//! Statements about samples hold within 6.5 standard errors, alpha 1e-10 each, or at the alpha of a study (1e-4, divided among
//! its series) with a fixed seed; laws of chains have no noise.

use serde_json::Value;
use soret::convergence::{Axis, Kind, Options, study};
use soret::experiment::Experiment;
use soret::observable::Observable;
use soret::report::{csv, json, sweep};
use soret::simulation;
use soret::theory::coordinate;
use soret::theory::coordinate_chain::{CoordinateChain, Resolution, Steps};
use std::process::Command;

const FIG2: &str = include_str!("../../experiments/fig2.json");
const TILTED: &str = include_str!("../../experiments/fig2_tilted.json");

fn read(text: &str) -> Experiment {
    Experiment::from_str("test", "test.json", text).unwrap_or_else(|e| panic!("{e}"))
}

fn chain(e: &Experiment, steps: Steps, dt: f64) -> CoordinateChain {
    CoordinateChain::on(&e.model, steps, dt, Resolution::USUAL).expect("a law")
}

fn entries(values: Option<Vec<Option<f64>>>) -> Vec<f64> {
    values.expect("known").into_iter().map(|v| v.expect("a number")).collect()
}

/// `sum a b/sum b b`.
fn contrast(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / dot(b, b)
}

/// Averages, then currents.
const LOOKED_AT: [Observable; 7] = [
    Observable::Soret,
    Observable::WellPopulation(0),
    Observable::MeanEnergy,
    Observable::MeanHeatCurrent,
    Observable::HeatCurrent,
    Observable::PlaneCurrentAlong,
    Observable::PlaneCurrentAcross,
];

#[test]
fn chain_without_steps_is_the_equation() {
    let e = read(TILTED);
    let grid = e.grid();
    let law = coordinate::solve(&e.model, &coordinate::Options::default()).expect("a solution");
    let none = chain(&e, Steps::Midpoint, 0.0);
    for (observable, limit) in LOOKED_AT.into_iter().zip([1e-5, 1e-6, 1e-5, 1e-3, 1e-3, 5e-3, 2e-2]) {
        let known = entries(law.reference(observable, &grid));
        let found = entries(none.reference(observable, &grid));
        let off: Vec<f64> = found.iter().zip(&known).map(|(a, b)| a - b).collect();
        let size = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(size(&off) < limit * size(&known), "{observable:?}: {:e}", size(&off) / size(&known));
    }
}

/// Orders between neighbouring steps, from long to short, of everything that is looked at.
fn orders(e: &Experiment, steps: Steps, longest: f64) -> [Vec<f64>; 7] {
    let grid = e.grid();
    let none = chain(e, steps, 0.0);
    let laws = [1.0, 0.5, 0.25].map(|share| chain(e, steps, longest * share));
    LOOKED_AT.map(|observable| {
        let limit = entries(none.reference(observable, &grid));
        let bias = |law: &CoordinateChain| contrast(&entries(law.reference(observable, &grid)), &limit) - 1.0;
        let biases = laws.each_ref().map(bias);
        biases.windows(2).map(|pair| (pair[0] / pair[1]).abs().log2()).collect()
    })
}

#[test]
fn orders_of_averages_and_hidden_currents() {
    let e = read(TILTED);
    // Judged midpoints: 2 of what follows the force, 3/2 of what is refused, and less where their signs differ.
    let midpoints = orders(&e, Steps::Midpoint, 0.01);
    let euler = orders(&e, Steps::Euler, 0.01);
    for ((observable, midpoint), euler) in LOOKED_AT.into_iter().zip(&midpoints).zip(&euler) {
        assert!(
            midpoint.iter().all(|o| (1.2..2.6).contains(o)),
            "{observable:?}: {midpoint:?}\n{midpoints:?}"
        );
        // The negative control: no order of Euler's would pass for one of midpoints.
        assert!(euler.iter().all(|o| (0.3..1.15).contains(o)), "{observable:?}: {euler:?}");
    }
    // Langevin proposals keep Boltzmann's law, and have currents of first order.
    let langevin = &orders(&e, Steps::Langevin, 0.0025)[4];
    assert!((0.7..1.15).contains(&langevin[1]), "{langevin:?}");
}

/// Biases that were found for `docs/decisions/coordinates.md` with points of q in place of polynomials.
#[test]
fn biases_are_those_of_another_basis() {
    let e = read(FIG2);
    let middle = e.grid().bins / 2 - 1;
    let bias = |steps, dt| {
        let at = |dt| entries(chain(&e, steps, dt).reference(Observable::HeatCurrent, &e.grid()))[middle];
        100.0 * (at(dt) / at(0.0) - 1.0)
    };
    for (steps, dt, known) in [
        (Steps::Midpoint, 0.0125, -1.4),
        (Steps::Midpoint, 0.025, -4.9),
        (Steps::Langevin, 0.0125, 5.2),
        (Steps::Langevin, 0.025, 4.5),
    ] {
        let found = bias(steps, dt);
        assert!((found - known).abs() < 0.11, "{steps:?} at {dt}: {found} %");
    }
}

#[test]
fn kernels_have_the_biases_of_their_chains() {
    let of = |method: &str| {
        read(&TILTED.replace("\"midpoint\": { \"dt\": 0.006 }", &format!("\"{method}\": {{ \"dt\": 0.02 }}")))
    };
    let options = Options {
        axes: vec![Axis::Dt],
        points: Some(2),
        from: Some(0.01),
        to: Some(0.02),
        effort: 4e6,
        ..Options::default()
    };
    let midpoints = of("midpoint");
    for method in ["midpoint", "euler_maruyama"] {
        let e = of(method);
        let found = study(&e, &options, &()).expect("a study").expect("not ended early");
        let sampled: Vec<_> = found.series.iter().filter(|s| s.kind == Kind::Bias).collect();
        let names: Vec<String> = sampled.iter().map(|s| s.label()).collect();
        for name in ["soret", "mean_energy", "heat_current_middle", "plane_current_x", "plane_current_q"] {
            // Maps need more passages in each of their entries than there are here.
            let seen = name.starts_with("plane_") || names.iter().any(|n| n == name);
            assert!(seen, "{method}: {name} not in {names:?}");
            let chain = found.series.iter().find(|s| s.kind == Kind::ChainBias && s.label() == name);
            assert!(chain.is_some_and(|s| !s.points.is_empty()), "{method}: {name}");
        }
        assert!(names.iter().any(|n| n == "well_population well 1"), "{names:?}");
        for series in &sampled {
            assert_eq!(series.agrees, Some(true), "{method}: {} {:?}", series.label(), series.points);
        }
        assert!(found.agrees);
        // The negative control: the currents of Euler's steps are not those of the chain of midpoints.
        let grid = e.grid();
        let point = sampled.iter().find(|s| s.label() == "mean_heat_current").expect("measured").points[0];
        let other =
            chain(&midpoints, Steps::Midpoint, point.at).reference(Observable::MeanHeatCurrent, &grid);
        let z = (point.estimate.expect("an estimate") - entries(other)[0]) / point.std_err;
        assert_eq!(z.abs() > 6.5, method == "euler_maruyama", "{method}: {z}");
    }
}

#[test]
fn a_run_ends_at_the_wanted_error_of_a_well() {
    let with = |quantity: &str| {
        let run = format!(
            r#""run": {{ "particles": 512, "duration": 60, "seed": 5, "burn_in": 1, "start": "local_equilibrium",
                "until": {{ "quantity": "{quantity}", "absolute_error": 0.02 }} }}"#
        );
        let [head, tail] = FIG2.split_once("\"run\"").map(|(a, b)| [a, b]).expect("a run");
        let rest = tail.split_once('}').expect("its end").1;
        Experiment::from_str("test", "test.json", &format!("{head}{run}{rest}"))
    };
    let summary = simulation::run(&with("well_population:2").expect("no mistakes"), &()).expect("a run");
    let until = summary.run.until.as_ref().expect("an ending");
    assert_eq!((until.quantity.as_str(), until.of.as_deref()), ("well_population", Some("well 2")));
    assert!(until.reached && until.std_err.is_some_and(|e| e > 0.0 && e <= 0.02), "{until:?}");
    for wrong in ["well_population:3", "well_population:0", "well_population"] {
        let text = with(wrong).expect_err("no such well").to_string();
        assert!(text.contains("\"well_population:") && text.contains("unknown quantity"), "{text}");
    }
    // A single well is no choice.
    let single = include_str!("../../experiments/diffusing_diffusivity.json").replace(
        "\"seed\": 1",
        "\"seed\": 1, \"until\": { \"quantity\": \"well_population:1\", \"relative_error\": 0.01 }",
    );
    assert!(Experiment::from_str("test", "test.json", &single).is_err());
}

#[test]
fn wells_are_states_with_numbers() {
    let wells = |text: &str| {
        let summary = simulation::theory_only(&read(text)).expect("a theory");
        let all: Value = serde_json::from_str(&json::summary(&summary).expect("finite")).expect("JSON");
        all["theory"]["wells"].clone()
    };
    let number = |v: &Value| v.as_f64().unwrap_or_else(|| panic!("{v} is no number"));
    let tilted = wells(TILTED);
    let states = tilted["states"].as_array().expect("states");
    assert_eq!(states.len(), 2);
    let of = |key: &str| states.iter().map(|s| number(&s[key])).collect::<Vec<f64>>();
    let (p, energy, d) = (of("population"), of("energy"), of("diffusivity"));
    assert!((p[0] + p[1] - 1.0).abs() < 1e-12);
    let (up, down) = (number(&states[0]["rate_up"]), number(&states[1]["rate_down"]));
    assert!((p[0] * up / (p[1] * down) - 1.0).abs() < 1e-9);
    // Eq 13 for two states at T = 0.75.
    let mean = p[0] * d[0] + p[1] * d[1];
    let fast = p[0] * p[1] * (energy[0] - energy[1]) * (d[0] - d[1]) / (mean * 0.75 * 0.75);
    assert!((number(&tilted["soret_fast"]) / fast - 1.0).abs() < 1e-9);
    // Rates of 0.44 together are slow beside D pi^2: A8 with the layer length sqrt(D_1 D_2/(k <D>)) far beyond the domain.
    let layer = (d[0] * d[1] / ((up + down) * mean)).sqrt();
    let soret = number(&tilted["soret"]);
    assert!(
        soret > 0.0
            && soret < fast
            && (soret / fast - 1.0 / (12.0 * layer * layer)).abs() < 0.3 * soret / fast
    );
    // Both wells of the double well are alike: as two states it would not move, and it does.
    let alike = wells(FIG2);
    assert!(number(&alike["soret"]).abs() < 1e-9 && number(&alike["soret_fast"]).abs() < 1e-9);
    assert!(wells(include_str!("../../experiments/diffusing_diffusivity.json")).is_null());
}

#[test]
fn a_sweep_shows_the_profiles_of_its_points() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("sweep");
    let output = Command::new(env!("CARGO_BIN_EXE_mc"))
        .args(["sweep", "experiments/fig2.json", "--scan", "parameters.alpha=0.01,1,10", "--quiet"])
        .args(["--set", "run.particles=256", "--set", "run.duration=2"])
        .args(["--set", "run.burn_in=1", "--set", "measure.bins=4", "--out"])
        .arg(&out)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs");
    let page = String::from_utf8(output.stdout).expect("text");
    for name in ["P_tot alpha = 0.01 ", "P_tot alpha = 1 ", "P_tot alpha = 10 "] {
        let line = page.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {page}"));
        assert_eq!(line.chars().filter(|c| ('▁'..='█').contains(c)).count(), 4, "{line}");
    }
    let figure = std::fs::read_to_string(out.join("sweep.svg")).expect("a figure");
    assert!(
        figure.contains("alpha = 0.01") && figure.contains("P_tot") && !figure.contains("hidden currents")
    );
    // What is read back from the table of a run is what it measured.
    let e =
        read(&FIG2.replace("12288", "64").replace("\"duration\": 60, \"burn_in\": 20", "\"duration\": 1"));
    let summary = simulation::run(&e, &()).expect("a run");
    let bins = sweep::density(&csv::profiles(&summary).expect("a table"));
    let density = summary.quantities.iter().find(|q| q.name == "density").expect("measured");
    assert_eq!(bins.len(), density.rows.len());
    for (bin, row) in bins.iter().zip(&density.rows) {
        assert_eq!((bin.estimate.as_ref(), bin.theory), (row.estimate.estimate(), row.theory));
    }
    assert!(sweep::density("no table").is_empty());
}

#[test]
fn mistakes_are_underlined_inside_the_expression() {
    let mistakes = [
        ("q^4 - 2*qq^2", "qq", "unknown name `qq`"),
        ("q^4 - 2*(q^2", "(", "this parenthesis is never closed"),
        ("q^4 - sin(q, 2)", "sin(q, 2)", "`sin` takes 1 argument"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mistake.json");
    for (law, place, words) in mistakes {
        let text = FIG2.replace("\"q^4 - 2*q^2\"", &format!("\"{law}\""));
        std::fs::write(&file, text).expect("written");
        let mut check = Command::new(env!("CARGO_BIN_EXE_mc"));
        let output = check.arg("check").arg(&file).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(3));
        let error = String::from_utf8(output.stderr).expect("text");
        assert!(error.contains(words) && error.contains("at potential"), "{error}");
        let lines: Vec<&str> = error.lines().collect();
        let k = lines.iter().position(|l| l.contains(law)).unwrap_or_else(|| panic!("{error}"));
        let column = |line: &str, part: &str| line.find(part).map(|at| line[..at].chars().count());
        let begin = column(lines[k], law).expect("shown") + column(law, place).expect("in it");
        assert_eq!(column(lines[k + 1], "^"), Some(begin), "{error}");
        let marks = lines[k + 1].chars().filter(|c| *c == '^').count();
        assert_eq!(marks, place.chars().count(), "{error}");
    }
}
