//! The report: what a run writes and prints, from a made-up summary with noise of known size.

use soret::observable::{Instant, Observable, Support};
use soret::report::folder::{self, Target};
use soret::report::manifest::{Circumstances, Identity, Manifest, Stopwatch, sha256};
use soret::report::summary::{
    ComparisonSummary, Contrast, FORMAT_VERSION, Invariant, Quantity, Row, RunSummary, Summary,
    TheorySummary, Warning,
};
use soret::report::{
    CHECKS_FILE, CURRENTS_FILE, MANIFEST_FILE, MAPS_FILE, Output, PHASE_SPACE_PNG_FILE, PHASE_SPACE_SVG_FILE,
    PLANE_PNG_FILE, PLANE_SVG_FILE, PROFILES_FILE, ReportError, SUMMARY_FILE, TIMES_FILE, csv, json, outputs,
    plot, terminal,
};
use soret::stats::{Estimate, Outcome};
use soret::verification::{Evidence, Expected, Question, judge};
use std::fs;
use std::path::Path;

const BINS: usize = 50;
const CRITICAL_Z: f64 = 4.4;

/// Noise for made-up data: roughly normal, the same on every machine. Not a generator for physics.
struct Noise(u64);

impl Noise {
    fn normal(&mut self) -> f64 {
        let uniform = (0..12).map(|_| {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        });
        uniform.sum::<f64>() - 6.0
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Simulation beside theory.
    Compared,
    /// Theory alone.
    Theory,
    /// Simulation alone.
    Measured,
}

fn null() -> Outcome {
    Outcome::Null { value: None, reason: "not simulated".into() }
}

/// A run that could have been: energies fall with the index of the state, T = 1 + 0.8 x.
fn fake(states: usize, kind: Kind) -> Summary {
    let mut noise = Noise(17);
    let names: Vec<String> = match states {
        2 => vec!["excited".into(), "ground".into()],
        n => (0..n).map(|i| format!("s{i}")).collect(),
    };
    let temperature = |x: f64| 1.0 + 0.8 * x;
    let total = |x: f64| 1.5 * (-0.85 * x).exp() / 1.01;
    let weight = |i: usize, x: f64| {
        let boltzmann = |j: usize| (-((states - 1 - j) as f64) / temperature(x)).exp();
        boltzmann(i) / (0..states).map(boltzmann).sum::<f64>()
    };
    let layer = |x: f64| 1.0 - (-x / 0.06).exp() - (-(1.0 - x) / 0.06).exp();
    let share = |i: usize| match states {
        1 => 0.0,
        n => 2.0 * i as f64 / (n - 1) as f64 - 1.0,
    };
    let current = |i: usize, x: f64| 1.25e-4 * share(i) * layer(x) * (1.0 + 0.3 * x);

    let mut quantities = Vec::new();
    let mut push =
        |observable: Observable, of: Option<&str>, unit: &str, error: f64, f: &dyn Fn(f64) -> f64| {
            let step = 1.0 / BINS as f64;
            let places: Vec<(Option<f64>, Option<f64>)> = match observable.support() {
                Support::Whole => vec![(None, None)],
                Support::Bins => {
                    (0..BINS).map(|k| (Some(k as f64 * step), Some((k + 1) as f64 * step))).collect()
                }
                Support::Points => {
                    (0..=BINS).map(|k| (Some(k as f64 * step), Some(k as f64 * step))).collect()
                }
                Support::Faces => (1..BINS).map(|k| (Some(k as f64 * step), Some(k as f64 * step))).collect(),
                Support::Plane
                | Support::Speeds
                | Support::PlaneFaces
                | Support::PlaneEdges
                | Support::Numbers => Vec::new(),
            };
            let rows = places
                .into_iter()
                .map(|(x_lo, x_hi)| {
                    let theory = f(0.5 * (x_lo.unwrap_or(0.5) + x_hi.unwrap_or(0.5)));
                    let deviate = noise.normal();
                    let value = theory + error * deviate;
                    Row {
                        x_lo,
                        x_hi,
                        across: None,
                        estimate: if kind == Kind::Theory {
                            null()
                        } else {
                            Outcome::Estimate(Estimate {
                                value,
                                std_error: error,
                                low: value - 2.0 * error,
                                high: value + 2.0 * error,
                            })
                        },
                        theory: (kind != Kind::Measured).then_some(theory),
                        z: (kind == Kind::Compared).then_some(deviate),
                        fast_limit: (kind != Kind::Measured).then_some(1.02 * theory),
                    }
                })
                .collect();
            quantities.push(Quantity {
                observable,
                name: observable.name().into(),
                of: of.map(Into::into),
                time: None,
                unit: unit.into(),
                rows,
            });
        };
    push(Observable::Density, None, "1/length", 0.004, &total);
    for (i, name) in names.iter().enumerate() {
        let density = |x: f64| total(x) * weight(i, x);
        push(Observable::StateDensity(i), Some(name), "1/length", 0.003, &density);
        let population = |_: f64| weight(i, 0.45);
        push(Observable::Population(i), Some(name), "1", 2e-4, &population);
        let j = |x: f64| current(i, x);
        push(Observable::Current(i), Some(name), "1/time", 6e-6, &j);
        push(Observable::WindowCurrent(i), Some(name), "1/time", 2e-6, &j);
        let mean = |_: f64| 1.19e-4 * share(i);
        push(Observable::MeanCurrent(i), Some(name), "1/time", 5.3e-7, &mean);
    }
    push(Observable::HeatCurrent, None, "energy/time", 9e-6, &|x| current(0, x));
    push(Observable::MeanHeatCurrent, None, "energy/time", 6.1e-7, &|_| -1.19e-4);
    push(Observable::HeatAbsorbed, None, "energy/(time length)", 3e-5, &|x| -2e-3 * (x - 0.5));
    if states > 1 {
        let channel = format!("{} -> {}", names[0], names[1]);
        push(Observable::TransitionRate(0), Some(&channel), "1/(time length)", 1e-3, &|x| 0.2 * total(x));
    }
    push(Observable::LocalSoret, None, "1/temperature", 0.25, &|x| 1.06 + 0.2 * (x - 0.5));
    push(Observable::Soret, None, "1/temperature", 0.0045, &|_| 1.0612);
    push(Observable::SoretWall, None, "1/temperature", 0.031, &|_| 1.047);
    push(Observable::MeanTemperature, None, "temperature", 2.4e-4, &|_| 1.3452);
    push(Observable::EntropyProduction, None, "1/time", 3e-7, &|_| 4.9e-5);

    Summary {
        format_version: FORMAT_VERSION,
        name: "two_state".into(),
        title: "Two states in a linear temperature gradient".into(),
        claim: "Eqs 3-13, Fig 1: particles gather on the cold side and the states carry opposite currents".into(),
        conventions: vec!["currents are positive towards larger x".into()],
        run: RunSummary {
            complete: true,
            method: "exact".into(),
            sampling: soret::experiment::Sampling::MonteCarlo,
            clock: "legs".into(),
            arithmetic: Some("double precision".into()),
            seed: 1,
            particles: 100_000,
            groups: 64,
            until: None,
            legs_per_particle: Some(10_000),
            duration: None,
            burn_in: 500.0,
            rounds_planned: 20,
            rounds_done: 20,
            legs: 1_000_000_000,
            transitions: 412_345_678,
            particle_time: 5.1e8,
        },
        length: 1.0,
        bins: BINS,
        states: names,
        coordinates: Vec::new(),
        quantities,
        theory: (kind != Kind::Measured).then(|| TheorySummary {
            equation: "stationary reaction-diffusion with reflecting walls".into(),
            error_estimate: 3e-11,
            resolution: "160 elements of degree 8".into(),
            wall_layers: Some([0.05, 0.06]),
            wells: None,
        }),
        comparison: (kind == Kind::Compared).then(|| ComparisonSummary {
            alpha: 0.01,
            comparisons: 348,
            critical_z: CRITICAL_Z,
            worst_z: -2.94,
            worst: "density, bin 17".into(),
            contrasts: vec![Contrast {
                name: "density, cosine modes 1..8".into(),
                t_squared: 9.3,
                contrasts: 8,
                p_value: 0.41,
                agrees: true,
            }],
            agrees: Some(true),
            sentences: vec![
                "particles gather on the cold side: soret 1.061(5), 236 standard errors from zero, agrees with the continuum, z = 0.6".into(),
                "hidden current J_excited: -1.190(5)e-4, 225 standard errors from zero, agrees with the continuum, z = 0.6".into(),
            ],
        }),
        checks: None,
        questions: Vec::new(),
        assisted: None,
        unassisted: None,
        invariants: vec![
            Invariant { name: "sum of currents".into(), holds: true, detail: "0 of 49 faces differ".into() },
            Invariant { name: "first law".into(), holds: true, detail: "0 of 50 bins differ".into() },
        ],
        warnings: vec![],
    }
}

fn warning(seen: &str) -> Warning {
    Warning {
        seen: seen.into(),
        meaning: "the burn-in is shorter than the relaxation time of the density, so that the first legs still remember the start".into(),
        remedy: "set \"burn_in\" to at least 4e4 legs".into(),
    }
}

fn manifest(summary: &Summary, configuration: serde_json::Value) -> Manifest {
    let circumstances = Circumstances {
        git_commit: Some("0123abc".into()),
        configuration,
        generator: "xoshiro256++".into(),
        threads: 2,
        command_line: vec!["mc".into(), "run".into(), "two_state.json".into()],
    };
    Manifest::new(summary, circumstances, Stopwatch::start())
}

fn width(line: &str) -> usize {
    line.chars().count()
}

/// Files of a folder, sorted, hidden ones included.
fn listing(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

// ---------------------------------------------------------------------------------------- terminal

#[test]
fn a_page_fits_one_screen_and_is_plain_without_colour() {
    for states in [1, 2, 5, 30] {
        for kind in [Kind::Compared, Kind::Measured] {
            let mut summary = fake(states, kind);
            summary.warnings = (0..5).map(|i| warning(&format!("warning {i}"))).collect();
            if let Some(comparison) = &mut summary.comparison {
                comparison.sentences = vec![comparison.sentences[0].clone(); 30];
            }
            for columns in [60, 80, 100, 140] {
                let page = terminal::page(&summary, columns, false);
                assert!(page.lines().count() <= terminal::LINES, "{page}");
                assert!(page.lines().all(|line| width(line) <= columns), "{columns}\n{page}");
                assert!(!page.contains('\u{1b}'));
                assert!(page.contains("soret"));
            }
        }
    }
}

#[test]
fn a_page_says_what_matters() {
    let mut summary = fake(2, Kind::Compared);
    summary.warnings = vec![warning("short burn-in")];
    let page = terminal::page(&summary, 100, false);
    for word in [
        "Two states in a linear temperature gradient",
        "100000 particles in 64 groups, seed 1",
        "mc ± s.e.",
        "mean_current excited",
        "mean_heat_current",
        "entropy_production",
        "population ground",
        "P_tot theory",
        "AGREES with theory: 348 comparisons at family-wise alpha 0.01",
        "hidden current J_excited",
        "invariants: all hold (sum of currents; first law)",
        "warning: short burn-in",
        "  hint: set \"burn_in\" to at least 4e4 legs",
    ] {
        assert!(page.contains(word), "{word}\n{page}");
    }
    assert!(!page.contains("INCOMPLETE"));

    summary.run.complete = false;
    summary.run.rounds_done = 7;
    summary.invariants[1].holds = false;
    let page = terminal::page(&summary, 100, false);
    assert!(page.contains("INCOMPLETE: stopped after 7 of 20 rounds"), "{page}");
    assert!(page.contains("invariants: BROKEN: first law (0 of 50 bins differ)"), "{page}");
}

#[test]
fn colour_adds_nothing_but_escape_sequences() {
    let mut summary = fake(2, Kind::Compared);
    summary.quantities.last_mut().expect("quantities").rows[0].z = Some(2.0 * CRITICAL_Z);
    summary.warnings = vec![warning("short burn-in")];
    let plain = terminal::page(&summary, 100, false);
    let coloured = terminal::page(&summary, 100, true);
    assert!(coloured.contains("\u{1b}[32m"));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').expect("an SGR sequence").1;
    }
    stripped.push_str(rest);
    let trimmed =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.trim_end().to_owned()).collect() };
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let mut summary = fake(2, Kind::Compared);
    summary.title = "bad \u{1b}[2J title".into();
    summary.claim = "bad\u{7}claim\nnext".into();
    for quantity in &mut summary.quantities {
        quantity.of = quantity.of.as_ref().map(|of| format!("{of}\u{1b}[31m"));
    }
    summary.warnings = vec![warning("x\u{1b}]0;y")];
    let page = terminal::page(&summary, 100, false);
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
}

#[test]
fn theory_alone_makes_a_page_without_empty_columns() {
    let summary = fake(2, Kind::Theory);
    let page = terminal::theory_page(&summary, 90, false);
    assert!(page.contains("continuum theory, no simulation"), "{page}");
    assert!(page.contains("1.0612"), "{page}");
    assert!(page.contains("P_tot theory"), "{page}");
    for word in ["mc", "n/a", " z ", "invariants", "particles in"] {
        assert!(!page.contains(word), "{word}\n{page}");
    }
    // The page of a run shows the missing estimates as such.
    let page = terminal::page(&summary, 90, false);
    assert!(page.contains("n/a"), "{page}");
}

// ------------------------------------------------------------------------------------------ tables

#[test]
fn tables_hold_every_number_and_read_back_to_the_same_bits() {
    let summary = fake(2, Kind::Compared);
    let tables =
        [(csv::profiles(&summary).expect("finite"), false), (csv::currents(&summary).expect("finite"), true)];
    let mut read = 0;
    for (text, currents) in tables {
        assert!(text.starts_with(
            "x_lo,x_hi,x_mid,time,state,quantity,value,std_err,ci_low,ci_high,theory,z,fast_limit,unit,reason\n"
        ));
        let mut lines = text.lines().skip(1);
        for quantity in &summary.quantities {
            let window = matches!(quantity.observable, Observable::WindowCurrent(_));
            let here = match quantity.observable.support() {
                Support::Whole => false,
                Support::Bins => window == currents,
                Support::Points => !currents,
                Support::Faces => currents,
                Support::Plane
                | Support::Speeds
                | Support::PlaneFaces
                | Support::PlaneEdges
                | Support::Numbers => false,
            };
            if !here {
                continue;
            }
            for row in &quantity.rows {
                let line = lines.next().expect("a line for every row");
                let fields: Vec<&str> = line.split(',').collect();
                assert_eq!(fields.len(), csv::HEADER.len());
                let Outcome::Estimate(estimate) = &row.estimate else { panic!("an estimate") };
                let numbers = [
                    (0, row.x_lo),
                    (1, row.x_hi),
                    (6, Some(estimate.value)),
                    (7, Some(estimate.std_error)),
                    (8, Some(estimate.low)),
                    (9, Some(estimate.high)),
                    (10, row.theory),
                    (11, row.z),
                ];
                for (column, number) in numbers {
                    let back: f64 = fields[column].parse().expect("a number");
                    assert_eq!(Some(back.to_bits()), number.map(f64::to_bits), "{line}");
                }
                assert_eq!(fields[3], "", "averages have no time");
                assert_eq!(fields[4], quantity.of.as_deref().unwrap_or(""));
                assert_eq!(fields[5], quantity.name);
                read += 1;
            }
        }
        assert_eq!(lines.next(), None);
    }
    // density, 2 state densities, heat absorbed, transition rate, local soret, 2 window currents on bins;
    // 2 currents, heat current on faces.
    assert_eq!(read, 8 * BINS + 3 * (BINS - 1));
}

#[test]
fn a_missing_estimate_is_an_empty_field_and_odd_names_are_quoted() {
    let mut summary = fake(2, Kind::Theory);
    for quantity in &mut summary.quantities {
        quantity.of = quantity.of.as_ref().map(|_| "a,\"b\"".into());
    }
    let text = csv::currents(&summary).expect("finite");
    let line = text.lines().nth(1).expect("a row");
    let head = "0.02,0.02,0.02,,\"a,\"\"b\"\"\",current,,,,,";
    assert!(line.starts_with(head), "{line}");
}

// -------------------------------------------------------------------------------------------- JSON

#[test]
fn the_summary_is_flat_ordered_and_complete() {
    let mut summary = fake(2, Kind::Compared);
    let soret =
        summary.quantities.iter_mut().find(|q| q.observable == Observable::SoretWall).expect("there is one");
    soret.rows[0].estimate = null();
    soret.rows[0].z = None;
    let text = json::summary(&summary).expect("finite");
    assert!(text.ends_with("}\n"));
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "format_version",
            "name",
            "title",
            "claim",
            "conventions",
            "run",
            "length",
            "bins",
            "states",
            "quantities",
            "theory",
            "comparison",
            "checks",
            "invariants",
            "warnings",
            "tables"
        ]
    );
    let rows = value["quantities"].as_array().expect("an array");
    // Two populations, two mean currents, five single numbers.
    assert_eq!(rows.len(), 9);
    let wall = rows.iter().find(|row| row["quantity"] == "soret_wall").expect("a row");
    assert!(wall["value"].is_null() && wall["std_err"].is_null());
    assert_eq!(wall["reason"], "not simulated");
    assert_eq!(wall["theory"], 1.047);
    let soret = rows.iter().find(|row| row["quantity"] == "soret").expect("a row");
    assert!(soret.get("reason").is_none());
    assert_eq!(soret["std_err"], 0.0045);
}

#[test]
fn what_is_not_finite_is_refused_everywhere() {
    type Break = fn(&mut Summary);
    let breaks: [(&str, Break); 9] = [
        ("length", |s| s.length = f64::INFINITY),
        ("run: particle_time", |s| s.run.particle_time = f64::NAN),
        ("density, row 3: theory", |s| s.quantities[0].rows[3].theory = Some(f64::NAN)),
        ("density, row 0: std_err", |s| {
            if let Outcome::Estimate(e) = &mut s.quantities[0].rows[0].estimate {
                e.std_error = f64::NAN;
            }
        }),
        ("entropy_production: z", |s| {
            s.quantities.last_mut().expect("quantities").rows[0].z = Some(f64::NEG_INFINITY);
        }),
        ("theory: error_estimate", |s| {
            s.theory.as_mut().expect("theory").error_estimate = f64::NAN;
        }),
        ("comparison: density, cosine modes 1..8: p_value", |s| {
            s.comparison.as_mut().expect("comparison").contrasts[0].p_value = f64::NAN;
        }),
        ("contrasts of: made up", |s| s.questions = vec![question(f64::NAN)]),
        ("check: made up: statistic", |s| {
            let mut checks = judge(&[question(9.0)], 1e-4);
            checks.checks[0].statistic = Some(f64::NAN);
            s.checks = Some(checks);
        }),
    ];
    for (expected, spoil) in breaks {
        let mut summary = fake(2, Kind::Compared);
        spoil(&mut summary);
        let errors = [
            outputs(&summary).err(),
            json::summary(&summary).err(),
            csv::profiles(&summary).err(),
            csv::currents(&summary).err(),
            plot::profiles(&summary).err(),
        ];
        for error in errors {
            match error {
                Some(ReportError::NotFinite { place, .. }) => assert_eq!(place, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}

/// A run with eight observation times: a density in bins, its mean, populations and modes at each.
fn fake_times(states: usize, kind: Kind) -> Summary {
    let mut summary = fake(states, kind);
    let find =
        |o: Observable| summary.quantities.iter().find(|q| q.observable == o).expect("there is one").clone();
    let (density, number) = (find(Observable::Density), find(Observable::Soret));
    let mut quantities = Vec::new();
    for k in 0..8 {
        let mut push = |what: Instant, of: Option<&str>, like: &Quantity| {
            let observable = Observable::At(k, what);
            quantities.push(Quantity {
                observable,
                name: observable.name().into(),
                of: of.map(Into::into),
                time: Some(0.1 * 2f64.powi(k as i32)),
                ..like.clone()
            });
        };
        push(Instant::Density, None, &density);
        for (i, name) in summary.states.iter().enumerate() {
            push(Instant::StateDensity(i), Some(name), &density);
            push(Instant::Population(i), Some(name), &number);
            push(Instant::Mode(i, 1), Some(&format!("{name}, n = 1")), &number);
        }
        push(Instant::MeanPosition, None, &number);
    }
    summary.quantities = quantities;
    summary
}

#[test]
fn times_have_a_table_a_figure_and_a_page() {
    for (states, panels) in [(1, 4), (2, 6), (30, 6)] {
        let summary = fake_times(states, Kind::Compared);
        assert_eq!(summary.times_among(3), [0.1, 0.8, 12.8]);
        let page = terminal::page(&summary, 80, false);
        assert!(page.lines().count() <= terminal::LINES && page.lines().all(|l| width(l) <= 80), "{page}");
        for word in ["mean x", "largest |z|", "\n  12.8  ", "P_tot t=0.1"] {
            assert!(page.contains(word), "{word}\n{page}");
        }

        // Quantity by quantity, each in the order of the times.
        let text = csv::times(&summary).expect("finite");
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
        assert_eq!(rows.len(), 8 * (2 * states + 1));
        for block in text.lines().filter(|l| l.contains("mean_position_at")).zip(0..) {
            let (line, k): (&str, i32) = block;
            assert_eq!(line.split(',').nth(3).and_then(|t| t.parse().ok()), Some(0.1 * 2f64.powi(k)));
        }
        assert!(rows[..8].iter().all(|row| row[5] == rows[0][5]));
        assert!(rows.iter().all(|row| row[0].is_empty()));

        let files = outputs(&summary).expect("finite");
        assert!(files.iter().any(|file| file.name == TIMES_FILE));
        let figure = plot::profiles(&summary).expect("finite");
        for (k, letter) in ('a'..='f').enumerate() {
            assert_eq!(figure.svg.contains(&format!("({letter}) ")), k < panels, "{letter}");
        }
        assert!(!figure.svg.contains("not measured") && figure.svg.contains("t = 12.8"));
    }
    let averages = fake(2, Kind::Compared);
    assert!(outputs(&averages).expect("finite").iter().all(|file| file.name != TIMES_FILE));
}

/// Cells of velocity of made-up underdamped particles in every bin, between these shares of `sqrt(kT/m)`.
const CELLS: usize = 16;
const REACH: f64 = 6.4;

/// Underdamped particles in the same temperature, gamma = 50: the closed forms of the overdamped limit with noise.
/// State i has the mass `1 + i`.
fn fake_underdamped(states: usize, kind: Kind) -> Summary {
    let mut summary = fake(states, kind);
    let mut noise = Noise(23);
    let like = summary.quantities[0].clone();
    let temperature = |x: f64| 1.0 + 0.8 * x;
    let slow = |i: usize, x: f64, v: f64| {
        let (m, t) = (1.0 + i as f64, temperature(x));
        let maxwell = (-0.5 * m * v * v / t).exp() / (2.0 * std::f64::consts::PI * t / m).sqrt();
        m * 0.8 * v.powi(3) / (3.0 * 50.0 * t) * maxwell * (1.36 / t)
    };
    let speed = |i: usize, x: f64| (temperature(x) / (1.0 + i as f64)).sqrt();
    let mut push = |observable: Observable, error: f64, f: &dyn Fn(f64, f64) -> f64| {
        use Observable::*;
        let state = match observable {
            KineticTemperature(i) | SlowCurrent(i) | FastCurrent(i) | PeakSlowCurrent(i) => Some(i),
            CrossoverSpeed(i) | PhaseDensity(i) => Some(i),
            _ => None,
        };
        let bins = || like.rows.iter().map(|row| (row, None));
        let cells = |from: usize, width: usize| {
            like.rows.iter().flat_map(move |row| {
                let x = 0.5 * (row.x_lo.unwrap() + row.x_hi.unwrap());
                let edge = move |k: usize| {
                    REACH * (2.0 * k as f64 / CELLS as f64 - 1.0) * speed(state.unwrap_or(0), x)
                };
                (from..CELLS).map(move |k| (row, Some([edge(k + 1 - width), edge(k + 1)])))
            })
        };
        let places: Vec<(&Row, Option<[f64; 2]>)> = match observable.support() {
            Support::Plane => cells(0, 1).collect(),
            Support::Speeds => cells(CELLS / 2, 0).collect(),
            Support::Faces => bins().skip(1).collect(),
            _ => bins().collect(),
        };
        let rows = places.into_iter().map(|(row, across)| {
            let x = 0.5 * (row.x_lo.unwrap() + row.x_hi.unwrap());
            let theory = f(x, across.map_or(0.0, |[low, high]| 0.5 * (low + high)));
            let deviate = noise.normal();
            let value = theory + error * deviate;
            let estimate =
                Estimate { value, std_error: error, low: value - 2.0 * error, high: value + 2.0 * error };
            Row {
                x_hi: if observable.support() == Support::Faces { row.x_lo } else { row.x_hi },
                across,
                estimate: if kind == Kind::Theory { null() } else { Outcome::Estimate(estimate) },
                theory: (kind != Kind::Measured).then_some(theory),
                z: (kind == Kind::Compared).then_some(deviate),
                fast_limit: (kind != Kind::Measured && (0.1..0.9).contains(&x)).then_some(theory),
                ..row.clone()
            }
        });
        let rows = rows.collect();
        let of = state.map(|i| summary.states[i].clone());
        let (name, unit) = (observable.name().into(), observable.dimension().into());
        summary.quantities.push(Quantity { observable, name, of, time: None, unit, rows });
    };
    push(Observable::PhaseHeatCurrent, 2e-4, &|_, _| -0.0109);
    push(Observable::CarriedHeatCurrent, 3e-4, &|_, _| -0.0109);
    for i in 0..states {
        push(Observable::KineticTemperature(i), 2e-3, &|x, _| temperature(x));
        push(Observable::PeakSlowCurrent(i), 4e-5, &|x, _| slow(i, x, 3f64.sqrt() * speed(i, x)));
        push(Observable::CrossoverSpeed(i), 0.03, &|x, _| 3f64.sqrt() * speed(i, x));
        push(Observable::SlowCurrent(i), 4e-5, &|x, v| slow(i, x, v));
        push(Observable::FastCurrent(i), 4e-5, &|x, v| -slow(i, x, v));
        push(Observable::PhaseDensity(i), 1e-3, &|x, v| {
            let u = v / speed(i, x);
            (-0.5 * u * u).exp() / (2.0 * std::f64::consts::PI).sqrt() / speed(i, x)
        });
    }
    summary
}

#[test]
fn planes_have_a_table_and_it_reads_back_to_the_same_bits() {
    let summary = fake_underdamped(2, Kind::Compared);
    let text = csv::maps(&summary).expect("finite");
    assert!(text.starts_with(
        "x_lo,x_hi,x_mid,axis,y_lo,y_hi,time,state,quantity,value,std_err,ci_low,ci_high,theory,z,fast_limit,unit,reason\n"
    ));
    let mut lines = text.lines().skip(1);
    let planes = || summary.quantities.iter().filter(|q| q.observable.axis().is_some());
    for (quantity, row) in planes().flat_map(|q| q.rows.iter().map(move |row| (q, row))) {
        let fields: Vec<&str> = lines.next().expect("a line for every row").split(',').collect();
        assert_eq!(fields.len(), csv::HEADER.len() + csv::MAP_HEADER.len());
        let [low, high] = row.across.expect("a cell");
        let value = row.estimate.estimate().expect("an estimate").value;
        for (column, number) in [
            (0, row.x_lo),
            (1, row.x_hi),
            (4, Some(low)),
            (5, Some(high)),
            (9, Some(value)),
            (13, row.theory),
        ] {
            let back: f64 = fields[column].parse().expect("a number");
            assert_eq!(Some(back.to_bits()), number.map(f64::to_bits), "{fields:?}");
        }
        let speeds = quantity.observable.support() == Support::Speeds;
        assert_eq!(fields[3], if speeds { "speed" } else { "v" });
        assert_eq!((speeds, fields[8]), (low == high, quantity.name.as_str()));
        assert_eq!(fields[7], quantity.of.as_deref().expect("a state"));
    }
    assert_eq!(lines.next(), None);
    assert_eq!(text.lines().count() - 1, 2 * 2 * CELLS * BINS);

    // Nothing of it is in the other tables; they have what lives on bins and faces.
    let (profiles, currents) =
        (csv::profiles(&summary).expect("finite"), csv::currents(&summary).expect("finite"));
    for name in ["slow_current", "fast_current", "phase_density"] {
        assert!(![&profiles, &currents].iter().any(|t| t.contains(&format!(",{name},"))), "{name}");
    }
    for name in ["kinetic_temperature", "peak_slow_current", "crossover_speed", "heat_current"] {
        assert!(
            profiles.contains(&format!(",{name},")) && !profiles.contains("heat_current_carried"),
            "{name}"
        );
    }
    assert!(currents.contains(",heat_current_carried,"));
}

#[test]
fn phase_space_has_figures_and_files_of_underdamped_runs_only() {
    let names = [MAPS_FILE, PHASE_SPACE_PNG_FILE, PHASE_SPACE_SVG_FILE];
    for (states, kind, panels) in [
        (1, Kind::Compared, 6),
        (1, Kind::Theory, 6),
        (1, Kind::Measured, 6),
        (2, Kind::Compared, 6),
        (5, Kind::Measured, 10),
    ] {
        let summary = fake_underdamped(states, kind);
        let files = outputs(&summary).expect("finite");
        for name in names {
            assert!(files.iter().any(|file| file.name == name && !file.bytes.is_empty()), "{name}");
        }
        let tables = json::summary(&summary).expect("finite");
        assert!(tables.contains("\"maps.csv\""));
        let figure = plot::phase_space(&summary).expect("finite");
        assert!(figure.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        for (k, letter) in ('a'..='l').enumerate() {
            assert_eq!(figure.svg.contains(&format!("({letter}) ")), k < panels, "{letter}");
        }
        // Beside the simulation its theory, alone the density.
        let single = states == 1;
        assert_eq!(figure.svg.contains("J_slow(x, V), theory"), single && kind == Kind::Compared);
        assert_eq!(figure.svg.contains("density P(x, v)"), single && kind != Kind::Compared);
        assert_eq!(figure.svg.contains("overdamped limit"), kind != Kind::Measured);
        for word in ["not measured", "NaN", "inf", "fast-reaction"] {
            assert!(!figure.svg.contains(word), "{word}");
        }
        let profiles = plot::profiles(&summary).expect("finite").svg;
        assert!(
            profiles.contains("(b) ")
                && profiles.contains(") heat flux")
                && !profiles.contains("fast-reaction")
        );
        // A single state has no current.
        assert_eq!(profiles.contains("(b) current"), !single);
        if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
            let name = format!("phase_{states}_{}.png", kind as u8);
            fs::write(Path::new(&folder).join(name), &figure.png).expect("written");
        }
    }
    let overdamped = fake(2, Kind::Compared);
    let files = outputs(&overdamped).expect("finite");
    assert!(files.iter().all(|file| !names.contains(&file.name.as_str())));
    assert!(!json::summary(&overdamped).expect("finite").contains("maps.csv"));
    assert_eq!(csv::maps(&overdamped).expect("finite").lines().count(), 1);
}

#[test]
fn a_map_with_holes_or_without_a_number_is_told_apart() {
    // Speeds at which too few were seen are left blank.
    let mut summary = fake_underdamped(1, Kind::Measured);
    let slow = |q: &&mut Quantity| matches!(q.observable, Observable::SlowCurrent(_));
    for row in summary.quantities.iter_mut().find(slow).expect("there is one").rows.iter_mut().step_by(3) {
        row.estimate = null();
    }
    let figure = plot::phase_space(&summary).expect("finite");
    assert!(!figure.svg.contains("NaN") && figure.svg.contains("v*"));
    let text = csv::maps(&summary).expect("finite");
    assert_eq!(
        text.lines().filter(|line| line.ends_with("not simulated")).count(),
        (BINS * CELLS / 2).div_ceil(3)
    );

    // What is not a number is refused by all that reads it.
    let row = &mut summary.quantities.iter_mut().find(slow).expect("there is one").rows[7];
    row.across = Some([f64::NAN; 2]);
    for error in [csv::maps(&summary).err(), plot::phase_space(&summary).err(), outputs(&summary).err()] {
        match error {
            Some(ReportError::NotFinite { place, .. }) => assert_eq!(place, "slow_current s0, row 7: across"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_page_of_an_underdamped_run_says_where_slow_and_fast_particles_part() {
    for states in [1, 2, 30] {
        let summary = fake_underdamped(states, Kind::Compared);
        for columns in [60, 80, 100] {
            let page = terminal::page(&summary, columns, false);
            assert!(page.lines().count() <= terminal::LINES, "{page}");
            assert!(page.lines().all(|line| width(line) <= columns), "{columns}\n{page}");
            assert!(page.contains("J_E   mc") && page.contains("P_tot theory"), "{page}");
        }
        let page = terminal::page(&summary, 100, false);
        // sqrt(3 T) of the first state in the bin right of the middle, T = 1.408.
        assert!(page.contains("sqrt(3 kT/m) = 2.0552"), "{page}");
    }
    let mut summary = fake_underdamped(1, Kind::Compared);
    for quantity in &mut summary.quantities {
        if quantity.observable == Observable::SoretWall {
            quantity.rows[0].estimate = null();
        }
    }
    let page = terminal::page(&summary, 100, false);
    for word in
        ["soret ", "mean_heat_current", "peak_slow_current at x = 0.51 ", "crossover_speed at x = 0.51 "]
    {
        assert!(page.contains(word), "{word}\n{page}");
    }
    for word in ["soret_wall", "population", "n/a"] {
        assert!(!page.contains(word), "{word}\n{page}");
    }
    let theory = terminal::theory_page(&fake_underdamped(1, Kind::Theory), 100, false);
    for word in ["overdamped", "soret_wall", "crossover_speed at x = 0.51 ", "J_E   theory"] {
        assert!(theory.contains(word), "{word}\n{theory}");
    }
    assert!(!theory.contains("mean_current") && !theory.contains("fast limit"), "{theory}");
    // Of overdamped particles nothing of this is said.
    let page = terminal::page(&fake(1, Kind::Compared), 100, false);
    assert!(page.contains("soret_wall") && !page.contains("sqrt(3"), "{page}");
}

/// Cells of an internal coordinate s between -3 and 3.
const COORDINATE_CELLS: usize = 24;
const COORDINATE_REACH: f64 = 3.0;

/// A density that is Gaussian in a coordinate and a circulation in the plane with the stream function
/// `psi = 0.05 sin(pi x) exp(-s^2/2)`, exact on faces and edges: both currents are differences of psi.
fn stream(x: f64, s: f64) -> f64 {
    0.05 * (std::f64::consts::PI * x).sin() * (-0.5 * s * s).exp()
}

/// A run with so many internal coordinates; of several there is no theory.
fn fake_coordinates(coordinates: usize, kind: Kind) -> Summary {
    let mut summary = fake(1, kind);
    summary.coordinates = ["s", "r"].iter().take(coordinates).map(|name| name.to_string()).collect();
    summary.quantities.retain(|q| q.observable != Observable::HeatCurrent);
    if let Some(theory) = &mut summary.theory {
        theory.wall_layers = None;
    }
    let mut noise = Noise(29);
    let like = summary.quantities[0].rows.clone();
    let step = 2.0 * COORDINATE_REACH / COORDINATE_CELLS as f64;
    let edge = |k: usize| k as f64 * step - COORDINATE_REACH;
    let mut push = |observable: Observable, error: f64, f: &dyn Fn([f64; 2], [f64; 2]) -> f64| {
        let ends = |row: &Row| [row.x_lo.unwrap(), row.x_hi.unwrap()];
        let cells = |x: [f64; 2]| (0..COORDINATE_CELLS).map(move |k| (x, Some([edge(k), edge(k + 1)])));
        let face = |row: &Row| [row.x_lo.unwrap(); 2];
        let places: Vec<([f64; 2], Option<[f64; 2]>)> = match observable.support() {
            Support::Plane => like.iter().flat_map(|row| cells(ends(row))).collect(),
            Support::PlaneFaces => like.iter().skip(1).flat_map(|row| cells(face(row))).collect(),
            Support::PlaneEdges => like
                .iter()
                .flat_map(|row| (1..COORDINATE_CELLS).map(move |k| (ends(row), Some([edge(k); 2]))))
                .collect(),
            Support::Whole => vec![([0.0; 2], None)],
            Support::Faces => like.iter().skip(1).map(|row| (face(row), None)).collect(),
            _ => like.iter().map(|row| (ends(row), None)).collect(),
        };
        let rows = places.into_iter().map(|(x, across)| {
            let theory = f(x, across.unwrap_or_default());
            let deviate = noise.normal();
            let value = theory + error * deviate;
            let estimate =
                Estimate { value, std_error: error, low: value - 2.0 * error, high: value + 2.0 * error };
            let placed = observable.support() != Support::Whole;
            Row {
                x_lo: placed.then_some(x[0]),
                x_hi: placed.then_some(x[1]),
                across,
                estimate: if kind == Kind::Theory { null() } else { Outcome::Estimate(estimate) },
                theory: (kind != Kind::Measured).then_some(theory),
                z: (kind == Kind::Compared).then_some(deviate),
                fast_limit: None,
            }
        });
        let rows = rows.collect();
        let of = match observable {
            Observable::WellPopulation(well) => Some(format!("well {}", well + 1)),
            _ => None,
        };
        let (name, unit) = (observable.name().into(), observable.dimension().into());
        summary.quantities.push(Quantity { observable, name, of, time: None, unit, rows });
    };
    let gauss = |s: f64| (-0.5 * s * s).exp() / (2.0 * std::f64::consts::PI).sqrt();
    push(Observable::WellPopulation(0), 1e-3, &|_, _| 0.45);
    push(Observable::WellPopulation(1), 1e-3, &|_, _| 0.55);
    push(Observable::HeatCurrent, 3e-3, &|x, _| -0.1 * (std::f64::consts::PI * x[0]).sin());
    push(Observable::MeanEnergy, 1e-3, &|x, _| 0.5 * (1.0 + 0.8 * x[0]));
    push(Observable::PlaneDensity, 2e-3, &|x, s| (1.1 - 0.2 * x[0]) * gauss(0.5 * (s[0] + s[1])));
    let along = |x: [f64; 2], s: [f64; 2]| (stream(x[0], s[1]) - stream(x[0], s[0])) / (s[1] - s[0]);
    push(Observable::PlaneCurrentAlong, 2e-3, &along);
    let across = |x: [f64; 2], s: [f64; 2]| (stream(x[0], s[0]) - stream(x[1], s[0])) / (x[1] - x[0]);
    push(Observable::PlaneCurrentAcross, 6e-3, &across);
    summary
}

#[test]
fn the_plane_of_a_coordinate_has_a_table_figures_and_files() {
    let phase_space = [PHASE_SPACE_PNG_FILE, PHASE_SPACE_SVG_FILE];
    for (coordinates, kind, panels) in [(1, Kind::Compared, 6), (1, Kind::Theory, 5), (2, Kind::Measured, 5)]
    {
        let summary = fake_coordinates(coordinates, kind);
        assert!(summary.in_plane() && summary.has_maps() && !summary.in_phase_space());
        let files = outputs(&summary).expect("finite");
        for name in [MAPS_FILE, PLANE_PNG_FILE, PLANE_SVG_FILE] {
            assert!(files.iter().any(|file| file.name == name && !file.bytes.is_empty()), "{name}");
        }
        assert!(files.iter().all(|file| !phase_space.contains(&file.name.as_str())));
        let text = json::summary(&summary).expect("finite");
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["coordinates"], serde_json::json!(summary.coordinates));
        assert!(document["tables"].as_array().expect("a list").contains(&MAPS_FILE.into()));

        let figure = plot::plane(&summary).expect("finite");
        assert!(figure.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        for (k, letter) in ('a'..='h').enumerate() {
            assert_eq!(figure.svg.contains(&format!("({letter}) ")), k < panels, "{letter}");
        }
        // Axes have the name of the coordinate; theory stands beside the simulation where there is one.
        for text in ["s  (coordinate)", "P(x, s)", "J_s", "x = 0.24", "s = 0<", "total density", "heat flux"]
        {
            assert!(figure.svg.contains(text), "{text}");
        }
        let both = kind == Kind::Compared;
        assert_eq!(
            figure.svg.contains("current, simulation") && figure.svg.contains("current, theory"),
            both
        );
        assert_eq!(figure.svg.contains("fast-coordinate limit"), kind != Kind::Measured);
        let profiles = plot::profiles(&summary).expect("finite").svg;
        for text in [") heat flux", ") mean energy", ") deviation"] {
            assert!(profiles.contains(text), "{text}");
        }
        for svg in [&figure.svg, &profiles] {
            for word in ["not measured", "NaN", "inf", "fast-reaction", "overdamped limit"] {
                assert!(!svg.contains(word), "{word}");
            }
        }
        if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
            let name = format!("plane_{coordinates}_{}.png", kind as u8);
            fs::write(Path::new(&folder).join(name), &figure.png).expect("written");
        }
    }
    // Nothing of it without coordinates, and nothing of coordinates where velocities were looked at.
    for other in [fake(2, Kind::Compared), fake_underdamped(1, Kind::Compared)] {
        assert!(!other.in_plane());
        let files = outputs(&other).expect("finite");
        assert!(files.iter().all(|file| ![PLANE_PNG_FILE, PLANE_SVG_FILE].contains(&file.name.as_str())));
        assert!(!json::summary(&other).expect("finite").contains("\"coordinates\""));
    }
}

#[test]
fn the_table_of_a_plane_names_its_edges() {
    let summary = fake_coordinates(1, Kind::Compared);
    let text = csv::maps(&summary).expect("finite");
    let lines = |name: &str| -> Vec<Vec<&str>> {
        let all = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        all.filter(|fields| fields[8] == name && fields[3] == "q").collect()
    };
    let [density, along, across] = ["plane_density", "plane_current_x", "plane_current_q"].map(lines);
    assert_eq!(density.len(), BINS * COORDINATE_CELLS);
    assert_eq!(along.len(), (BINS - 1) * COORDINATE_CELLS);
    assert_eq!(across.len(), BINS * (COORDINATE_CELLS - 1));
    assert_eq!(text.lines().count() - 1, density.len() + along.len() + across.len());
    assert!(density.iter().all(|f| f[0] != f[1] && f[4] != f[5]));
    // On faces both ends along x are the same, on edges both along q.
    assert!(along.iter().all(|f| f[0] == f[1] && f[4] != f[5]));
    assert!(across.iter().all(|f| f[0] != f[1] && f[4] == f[5]));
    // What flows into a cell flows out of it: J_x through faces and J_q through edges, as the table has them.
    let number = |f: &Vec<&str>, k: usize| f[k].parse::<f64>().expect("a number");
    let dq = 2.0 * COORDINATE_REACH / COORDINATE_CELLS as f64;
    for (b, k) in [(1, 1), (7, 11), (30, 13), (48, 20)] {
        let through = |face: usize| number(&along[(face - 1) * COORDINATE_CELLS + k], 13) * dq;
        let over = |e: usize| number(&across[b * (COORDINATE_CELLS - 1) + e - 1], 13) / BINS as f64;
        assert!((through(b + 1) - through(b) + over(k + 1) - over(k)).abs() < 1e-15);
    }
    let (profiles, currents) =
        (csv::profiles(&summary).expect("finite"), csv::currents(&summary).expect("finite"));
    assert!(![&profiles, &currents].iter().any(|t| t.contains(",plane_")));
    assert!(profiles.contains(",mean_energy,"));
}

#[test]
fn arrows_and_missing_currents_are_told_apart() {
    // Where nothing passed nothing is drawn; a plane without any current is a map of the density.
    let mut summary = fake_coordinates(1, Kind::Measured);
    for quantity in &mut summary.quantities {
        if matches!(quantity.observable, Observable::PlaneCurrentAlong | Observable::PlaneCurrentAcross) {
            quantity.rows.iter_mut().for_each(|row| row.estimate = null());
        }
    }
    let figure = plot::plane(&summary).expect("finite");
    assert!(!figure.svg.contains("NaN"));
    let all = plot::plane(&fake_coordinates(1, Kind::Measured)).expect("finite");
    assert!(all.svg.len() > figure.svg.len());

    // What is not a number is refused by all that reads it.
    let plane = |q: &&mut Quantity| q.observable == Observable::PlaneCurrentAcross;
    summary.quantities.iter_mut().find(plane).expect("there is one").rows[7].across =
        Some([f64::INFINITY; 2]);
    for error in [csv::maps(&summary).err(), plot::plane(&summary).err(), outputs(&summary).err()] {
        match error {
            Some(ReportError::NotFinite { place, .. }) => assert_eq!(place, "plane_current_q, row 7: across"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_page_of_a_run_with_coordinates_names_them() {
    for coordinates in [1, 2] {
        let summary = fake_coordinates(coordinates, Kind::Compared);
        for columns in [60, 80, 100] {
            let page = terminal::page(&summary, columns, false);
            assert!(page.lines().count() <= terminal::LINES, "{page}");
            assert!(page.lines().all(|line| width(line) <= columns), "{columns}\n{page}");
            for text in ["J_E   mc", "P_tot theory", "well_population well 1", "well_population well 2"] {
                assert!(page.contains(text), "{text}\n{page}");
            }
        }
        let page = terminal::page(&summary, 100, false);
        let names =
            if coordinates == 1 { "1 state with the coordinate s on" } else { "the coordinates s, r on" };
        assert!(page.contains(names), "{page}");
        // A single state between walls carries nothing, and there are no speeds.
        for word in ["mean_current", "population s0", "sqrt(3", "overdamped"] {
            assert!(!page.contains(word), "{word}\n{page}");
        }
    }
    let theory = terminal::theory_page(&fake_coordinates(1, Kind::Theory), 100, false);
    assert!(theory.contains("fast limit") && theory.contains("J_E   theory"), "{theory}");
    for word in ["mean_current", "fast-reaction"] {
        assert!(!theory.contains(word), "{word}\n{theory}");
    }
}

// ------------------------------------------------------------------------------------------- plots

#[test]
fn the_same_data_give_the_same_bytes() {
    let summary = fake(2, Kind::Compared);
    assert_eq!(outputs(&summary).expect("finite"), outputs(&summary.clone()).expect("finite"));
}

#[test]
fn figures_are_what_they_claim_to_be() {
    for (states, kind) in [
        (1, Kind::Compared),
        (2, Kind::Compared),
        (8, Kind::Compared),
        (2, Kind::Theory),
        (2, Kind::Measured),
    ] {
        let figure = plot::profiles(&fake(states, kind)).expect("finite");
        assert!(figure.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(figure.svg.starts_with("<svg ") && figure.svg.trim_end().ends_with("</svg>"));
        for text in ["(a) density", "(b) current", "(c) local Soret", "(d) deviation", "1/length"] {
            assert!(figure.svg.contains(text), "{text}");
        }
        assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf"));
        if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
            let name = format!("{states}_{}", kind as u8);
            let folder = Path::new(&folder);
            fs::write(folder.join(format!("{name}.png")), &figure.png).expect("written");
            fs::write(folder.join(format!("{name}.svg")), &figure.svg).expect("written");
        }
    }
}

/// The same run in other units, or with another scatter.
fn rescaled(length: f64, factor: f64, offset: f64) -> Summary {
    let mut summary = fake(2, Kind::Compared);
    summary.length *= length;
    for row in summary.quantities.iter_mut().flat_map(|q| &mut q.rows) {
        row.x_lo = row.x_lo.map(|x| x * length);
        row.x_hi = row.x_hi.map(|x| x * length);
        row.theory = row.theory.map(|t| offset + t * factor);
        if let Outcome::Estimate(e) = &mut row.estimate {
            for number in [&mut e.value, &mut e.low, &mut e.high] {
                *number = offset + *number * factor;
            }
            e.std_error *= factor;
        }
    }
    summary
}

#[test]
fn any_scale_can_be_reported() {
    for (index, (length, factor, offset)) in [
        (1e-6, 1e6, 0.0),
        (2e5, 3e-7, 0.0),
        (1.0, 0.0, 0.0),
        (1.0, 1e-13, 1.0),
        (1.0, 1e-300, 0.0),
        (1.0, 1e300, 0.0),
    ]
    .into_iter()
    .enumerate()
    {
        let summary = rescaled(length, factor, offset);
        let files = outputs(&summary).expect("finite");
        if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
            let path = Path::new(&folder).join(format!("scale_{index}.png"));
            fs::write(path, &files[4].bytes).expect("written");
        }
        let page = terminal::page(&summary, 80, false);
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        assert!(page.lines().count() <= terminal::LINES, "{page}");
    }
}

/// A question whose contrast is the number given, with noise of size one over six.
fn question(value: f64) -> Question {
    let mut noise = Noise(5);
    Question {
        name: "made up".into(),
        law: "x = 0".into(),
        expected: Expected::Zero,
        effect: "a fault of {}".into(),
        evidence: Evidence::Contrasts {
            sums: (0..36).map(|_| vec![value + noise.normal()]).collect(),
            scale: vec![1.0; 36],
            grain: None,
            room: Vec::new(),
            blind: None,
        },
    }
}

#[test]
fn checks_stand_on_the_page_in_the_summary_and_in_a_file_of_their_own() {
    let mut summary = fake(2, Kind::Compared);
    for (value, line) in [(0.0, "checks: 1 of 1 pass"), (9.0, "checks: 1 of 1 FAIL: made up")] {
        summary.questions = vec![question(value)];
        summary.checks = Some(judge(&summary.questions, 1e-4));
        assert!(terminal::page(&summary, 80, false).contains(line), "{line}");
        let text = json::summary(&summary).expect("finite");
        let check = &serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["checks"]["checks"][0];
        assert_eq!(check["verdict"], if value == 0.0 { "holds" } else { "fails" });
        let effect = check["smallest_effect"].as_f64().expect("a number");
        assert!((0.7..1.4).contains(&effect), "(4.4 + 1.6)/6 or so: {effect}");
        let files = outputs(&summary).expect("finite");
        assert!(files.iter().any(|file| file.name == CHECKS_FILE) && files.len() == 6);
    }
}

#[test]
fn where_nothing_was_compared_the_page_gives_no_verdict() {
    let mut summary = fake(2, Kind::Compared);
    assert!(terminal::page(&summary, 80, false).contains("AGREES with theory"));
    let comparison = summary.comparison.as_mut().expect("comparison");
    comparison.agrees = None;
    comparison.comparisons = 0;
    comparison.sentences = vec!["nothing was compared with theory: because".into()];
    let page = terminal::page(&summary, 80, false);
    assert!(page.contains("NO VERDICT\n- nothing was compared with theory: because\n"), "{page}");
    assert!(!page.contains("AGREES"), "{page}");
}

#[test]
fn a_summary_without_quantities_is_still_reported() {
    let mut summary = fake(2, Kind::Measured);
    summary.quantities.clear();
    summary.invariants.clear();
    assert_eq!(outputs(&summary).expect("finite").len(), 5);
    assert!(terminal::page(&summary, 80, false).contains("particles in 64"));
}

// ------------------------------------------------------------------------------------------ folder

struct Place {
    _root: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("runs").join("two_state");
        Self { _root: root, path }
    }

    fn parent(&self) -> &Path {
        self.path.parent().expect("a parent")
    }
}

fn small() -> Vec<Output> {
    vec![Output::new("a.txt", "one"), Output::new("b.txt", "two")]
}

fn write(path: &Path, outputs: &[Output], seed: u64, force: bool) -> Result<Manifest, ReportError> {
    let mut summary = fake(1, Kind::Measured);
    summary.run.seed = seed;
    folder::write(path, outputs, manifest(&summary, serde_json::json!({"bins": 50})), force)
}

#[test]
fn a_run_folder_holds_the_files_and_their_hashes() {
    let place = Place::new();
    let summary = fake(2, Kind::Compared);
    let files = outputs(&summary).expect("finite");
    let configuration = serde_json::json!({"states": 2});
    let written =
        folder::write(&place.path, &files, manifest(&summary, configuration), false).expect("written");
    assert_eq!(
        listing(&place.path),
        [CURRENTS_FILE, MANIFEST_FILE, PROFILES_FILE, "profiles.png", "profiles.svg", SUMMARY_FILE]
    );
    assert_eq!(listing(place.parent()), ["two_state"]);
    assert_eq!(written.outputs.len(), 5);
    let text = fs::read_to_string(place.path.join(MANIFEST_FILE)).expect("a manifest");
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    for output in value["outputs"].as_array().expect("an array") {
        let bytes = fs::read(place.path.join(output["name"].as_str().expect("a name"))).expect("a file");
        assert_eq!(output["sha256"], sha256(&bytes));
        assert_eq!(output["bytes"], bytes.len());
    }
    assert_eq!(value["configuration"]["states"], 2);
    assert_eq!(value["seed"], 1);
    assert!(value["started"].as_str().is_some_and(|t| t.ends_with('Z')));
}

#[test]
fn only_the_manifest_depends_on_when_and_where() {
    let place = Place::new();
    let summary = fake(2, Kind::Compared);
    let files = outputs(&summary).expect("finite");
    for file in &files {
        let text = String::from_utf8_lossy(&file.bytes);
        let root = place.path.to_string_lossy().into_owned();
        assert!(!text.contains(&root) && !text.contains("threads"), "{}", file.name);
    }
}

#[cfg(unix)]
#[test]
fn files_have_the_usual_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let place = Place::new();
    fs::create_dir_all(place.parent()).expect("a folder");
    let (file, sub) = (place.parent().join("plain"), place.parent().join("plain.d"));
    fs::write(&file, "").expect("written");
    fs::create_dir(&sub).expect("created");
    for _ in 0..2 {
        write(&place.path, &small(), 1, false).expect("written");
        assert_eq!(mode(&place.path), mode(&sub));
        for name in ["a.txt", "b.txt", MANIFEST_FILE] {
            assert_eq!(mode(&place.path.join(name)), mode(&file), "{name}");
        }
    }
}

#[test]
fn who_may_overwrite_whom() {
    let place = Place::new();
    let identity = |seed| Identity::new(&serde_json::json!({"bins": 50}), seed);
    let check = |seed, force| folder::check(&place.path, &identity(seed), force);

    assert_eq!(check(1, false).expect("allowed"), Target::Absent);
    fs::create_dir_all(&place.path).expect("created");
    assert_eq!(check(1, false).expect("allowed"), Target::Empty);
    write(&place.path, &small(), 1, false).expect("written");
    assert_eq!(check(1, false).expect("allowed"), Target::SameRun);
    assert_eq!(check(2, true).expect("allowed"), Target::OtherRun);

    let error = write(&place.path, &small(), 2, false).expect_err("another seed");
    assert!(matches!(error, ReportError::OtherRun { .. }));
    assert!(error.to_string().contains("seed 1 instead of 2"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
    let other = Identity::new(&serde_json::json!({"bins": 51}), 1);
    let error = folder::check(&place.path, &other, false).expect_err("another configuration");
    assert!(error.to_string().contains("another configuration"), "{error}");

    write(&place.path, &small(), 2, true).expect("forced");
    assert_eq!(check(2, false).expect("allowed"), Target::SameRun);
}

#[test]
fn replacing_a_run_keeps_what_a_run_did_not_write() {
    let place = Place::new();
    write(&place.path, &small(), 1, false).expect("written");
    fs::write(place.path.join("notes.md"), "mine").expect("written");
    write(&place.path, &[Output::new("a.txt", "new")], 1, false).expect("written");
    // b.txt was written by the old run and not by the new one.
    assert_eq!(listing(&place.path), ["a.txt", MANIFEST_FILE, "notes.md"]);
    assert_eq!(fs::read(place.path.join("a.txt")).expect("a file"), b"new");

    // An output that somebody changed is theirs.
    write(&place.path, &small(), 1, false).expect("written");
    fs::write(place.path.join("b.txt"), "edited").expect("written");
    write(&place.path, &[Output::new("a.txt", "new")], 1, false).expect("written");
    assert_eq!(fs::read(place.path.join("b.txt")).expect("a file"), b"edited");
}

#[test]
fn a_manifest_cannot_make_us_delete_files_elsewhere() {
    let place = Place::new();
    write(&place.path, &small(), 1, false).expect("written");
    let outside = place.parent().join("outside.txt");
    fs::write(&outside, "one").expect("written");
    let path = place.path.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, text.replace("\"a.txt\"", "\"../outside.txt\"")).expect("written");
    write(&place.path, &[Output::new("c.txt", "new")], 1, false).expect("written");
    assert!(outside.exists());
}

#[test]
fn a_folder_that_is_not_a_run_is_never_damaged() {
    let place = Place::new();
    fs::create_dir_all(&place.path).expect("created");
    fs::write(place.path.join("thesis.tex"), "years").expect("written");
    fs::write(place.path.join(MANIFEST_FILE), "{\"name\": \"a web page\"}").expect("written");

    let error = write(&place.path, &small(), 1, false).expect_err("not a run folder");
    assert!(matches!(error, ReportError::NotARunFolder { .. }), "{error}");
    let error = write(&place.path, &small(), 1, true).expect_err("a file in the way");
    assert!(matches!(error, ReportError::NotOurs { .. }), "{error}");
    assert_eq!(listing(&place.path), [MANIFEST_FILE, "thesis.tex"]);

    fs::remove_file(place.path.join(MANIFEST_FILE)).expect("removed");
    write(&place.path, &small(), 1, true).expect("forced");
    assert_eq!(listing(&place.path), ["a.txt", "b.txt", MANIFEST_FILE, "thesis.tex"]);
    assert_eq!(fs::read(place.path.join("thesis.tex")).expect("a file"), b"years");
}

#[test]
fn a_file_at_the_output_path_is_refused() {
    let place = Place::new();
    fs::create_dir_all(place.parent()).expect("created");
    fs::write(&place.path, "a file").expect("written");
    for force in [false, true] {
        let error = write(&place.path, &small(), 1, force).expect_err("a file");
        assert!(matches!(error, ReportError::NotAFolder { .. }), "{error}");
    }
    assert_eq!(fs::read(&place.path).expect("a file"), b"a file");
}

#[test]
fn a_failing_write_leaves_nothing_behind() {
    let place = Place::new();
    let broken = [Output::new("a.txt", "one"), Output::new("missing/b.txt", "two")];
    let error = write(&place.path, &broken, 1, false).expect_err("no such folder");
    assert!(matches!(error, ReportError::Io { .. }), "{error}");
    assert_eq!(listing(place.parent()), Vec::<String>::new());

    // In a folder that exists, everything stays as it was.
    write(&place.path, &small(), 1, false).expect("written");
    let before = fs::read(place.path.join(MANIFEST_FILE)).expect("a manifest");
    write(&place.path, &broken, 1, false).expect_err("no such folder");
    assert_eq!(listing(&place.path), ["a.txt", "b.txt", MANIFEST_FILE]);
    assert_eq!(fs::read(place.path.join(MANIFEST_FILE)).expect("a manifest"), before);

    // A folder in the place of a file is found before anything is moved.
    fs::create_dir(place.path.join("c.txt")).expect("created");
    let more = [Output::new("a.txt", "new"), Output::new("c.txt", "three")];
    let error = write(&place.path, &more, 1, true).expect_err("a folder in the way");
    assert!(matches!(error, ReportError::NotOurs { .. }), "{error}");
    assert_eq!(fs::read(place.path.join("a.txt")).expect("a file"), b"one");
    assert_eq!(listing(&place.path), ["a.txt", "b.txt", "c.txt", MANIFEST_FILE]);
}
