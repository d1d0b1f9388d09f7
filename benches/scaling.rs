//! How cost grows with threads, particles, the length of a run, and what a file may say.
//!
//! `cargo bench --bench scaling` prints nanoseconds of wall time per leg or step of a whole run, tallies and the merging of
//! groups included, burn-in not; medians of interleaved rounds, and ratios *of the same round* (median, least, largest).

use soret::ensemble::{Control, Ensemble, Plan};
use soret::experiment::{Experiment, registry};
use soret::kernel::Span;
use std::io;
use std::time::Instant;

fn main() -> io::Result<()> {
    // `cargo bench` says so; anything else (a test run over all targets) only wants to see it work.
    let measured = std::env::args().any(|a| a == "--bench");
    let (rounds, legs) = if measured { (15, 1e8) } else { (1, 1e5) };
    let mut out = io::stdout().lock();

    let mut cases = Vec::new();
    for threads in [1, 2] {
        cases.push(Case::new(
            format!("two states, {threads} threads"),
            &two("1 + 0.8*x"),
            8192,
            legs,
            threads,
        )?);
    }
    table(&mut out, "threads (the same run)", &cases, rounds)?;

    let mut cases = Vec::new();
    for particles in [1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let legs = legs.max(8.0 * particles as f64 * if measured { 1.0 } else { 1e-3 });
        let name = format!("two states, {particles} particles");
        cases.push(Case::new(name, &two("1 + 0.8*x"), particles, legs, 1)?);
    }
    table(&mut out, "particles (one thread)", &cases, rounds)?;

    let mut cases = Vec::new();
    for times in [1.0, 10.0, 100.0] {
        let name = format!("two states, {times} times as long");
        cases.push(Case::new(name, &two("1 + 0.8*x"), 8192, legs / 50.0 * times, 1)?);
    }
    table(&mut out, "length of the run (one thread)", &cases, rounds)?;

    let mut cases = Vec::new();
    for (name, system) in language() {
        cases.push(Case::new(name.into(), &system, 8192, legs, 1)?);
    }
    table(&mut out, "what a file may say (one thread)", &cases, rounds)
}

/// States, transitions and temperature of a file.
fn system(temperature: &str, states: &[&str], edges: &[String]) -> String {
    format!(
        r#""temperature": {temperature}, "states": [ {} ], "transitions": [ {} ]"#,
        states.join(", "),
        edges.join(", ")
    )
}

const TWO: [&str; 2] = [
    r#"{ "name": "a", "energy": 1, "diffusivity": 1e-2 }"#,
    r#"{ "name": "b", "energy": 0, "diffusivity": 1e-3 }"#,
];

fn edge(a: &str, b: &str, rest: &str) -> String {
    format!(r#"{{ "between": ["{a}", "{b}"], "attempt_rate": 1, "barrier": 1.5 {rest} }}"#)
}

fn two(temperature: &str) -> String {
    system(&format!("\"{temperature}\""), &TWO, &[edge("a", "b", "")])
}

fn language() -> Vec<(&'static str, String)> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let eight: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let (energy, diffusivity) = (0.15 * k as f64, 1e-3 * (k + 1) as f64);
            format!(r#"{{ "name": "{name}", "energy": {energy}, "diffusivity": {diffusivity} }}"#)
        })
        .collect();
    let eight: Vec<&str> = eight.iter().map(String::as_str).collect();
    let ring: Vec<String> = (0..8).map(|k| edge(names[k], names[(k + 1) % 8], "")).collect();
    let table = r#"{ "table": { "points": [[0, 1], [0.3, 1.1], [0.5, 1.45], [1, 1.8]] } }"#;
    let ito = [
        r#"{ "name": "a", "energy": 1, "diffusivity": "1e-2*T" }"#,
        r#"{ "name": "b", "energy": 0, "diffusivity": "1e-3*T" }"#,
    ];
    let friction = [
        r#"{ "name": "a", "energy": 1, "friction": "100/(1 + x)" }"#,
        r#"{ "name": "b", "energy": 0, "friction": "1000/(1 + x)" }"#,
    ];
    let linear = "\"1 + 0.8*x\"";
    let two = |temperature: &str, states: &[&str]| system(temperature, states, &[edge("a", "b", "")]);
    vec![
        ("two states", two(linear, &TWO)),
        ("temperature from a table", two(table, &TWO)),
        ("a driven edge beside", {
            let driven = [edge("a", "b", ""), edge("a", "b", r#", "affinity": 0.5"#)];
            system(linear, &TWO, &driven)
        }),
        ("eight states on a ring", system(linear, &eight, &ring)),
        ("eight states, all driven, T from a table", {
            let driven: Vec<String> =
                (0..8).map(|k| edge(names[k], names[(k + 1) % 8], r#", "affinity": 0.5"#)).collect();
            system(table, &eight, &driven)
        }),
        ("Ito diffusivities, a clock", two(linear, &ito)),
        ("frictions, clock and natural scale", two(linear, &friction)),
    ]
}

/// A run that is timed.
struct Case {
    name: String,
    experiment: Experiment,
    particles: u64,
    legs: u64,
    pool: rayon::ThreadPool,
}

impl Case {
    fn new(name: String, system: &str, particles: u64, legs: f64, threads: usize) -> io::Result<Self> {
        let text = format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, {system}, "method": {{ "exact": {{}} }},
                "run": {{ "particles": {particles}, "legs": 1000 }}, "measure": {{ "bins": 50 }} }}"#
        );
        let experiment = Experiment::from_str(&name, &name, &text).map_err(io::Error::other)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
        let legs = (legs / particles as f64).ceil() as u64;
        Ok(Case { name, experiment, particles, legs, pool })
    }

    /// Nanoseconds per leg.
    fn go(&self) -> io::Result<f64> {
        let experiment = &self.experiment;
        let runner = registry::runner(experiment, &experiment.grid(), None).map_err(io::Error::other)?;
        let plan = Plan {
            particles: self.particles,
            groups: experiment.run.groups,
            span: Span::Legs(self.legs),
            burn_in: 0.0,
            rounds: 1,
            times: Vec::new(),
            start: experiment.run.start.clone(),
            seed: 1,
        };
        self.pool.install(|| {
            let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).map_err(io::Error::other)?;
            let begun = Instant::now();
            ensemble.run(&|_| (), &mut |_| Control::Continue).map_err(io::Error::other)?;
            Ok(begun.elapsed().as_secs_f64() * 1e9 / (self.particles * self.legs) as f64)
        })
    }
}

fn table(out: &mut impl io::Write, title: &str, cases: &[Case], rounds: usize) -> io::Result<()> {
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..=rounds {
        for (case, times) in cases.iter().zip(&mut times) {
            let time = case.go()?;
            // The first round warms caches.
            if round > 0 || rounds == 1 {
                times.push(time);
            }
        }
    }
    writeln!(out, "\n{title:<45} {:>8} {:>8}   least, largest", "ns", "ratio")?;
    for (case, series) in cases.iter().zip(&times) {
        let ratios: Vec<f64> = series.iter().zip(&times[0]).map(|(t, first)| t / first).collect();
        let ([_, middle, _], [low, ratio, high]) = (order(series), order(&ratios));
        writeln!(out, "{:<45} {middle:>8.2} {ratio:>8.3}   {low:.3}, {high:.3}", case.name)?;
    }
    Ok(())
}

/// Least, median and largest.
fn order(series: &[f64]) -> [f64; 3] {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]]
}
