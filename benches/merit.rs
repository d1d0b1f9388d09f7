//! What precision costs: the time in which `soret`, and the hidden current in the middle, become known to 1 %, against the
//! loop that a physicist writes in an afternoon, run at the step at which its own bias of `soret` is a tenth of that.
//!
//! `cargo bench --bench merit` prints, for slow, fast and very fast transitions (`k0 L^2/D_1` = 1, 100, 1e4), how many
//! seconds of one core each method needs, `(standard error/value)^2` times seconds over `1e-4`; the median of seeds, and
//! its ratio to the loop. A variance from 64 groups is known to 18 %. Burn-ins are not counted, for nobody. The current
//! is `J_1`, the mean over the faces of [`WINDOW`]; the loop counts what passes them, and its time is that of both.
//!
//! With array_rqmc groups are 16 randomisations (a variance is known to 37 %) of 3 seeds. Its error falls faster than the
//! root of the number of walkers, so that its seconds are a statement about the number that is printed.
//!
//! The bias of the loop is computed without noise, from the law of its own chain of steps in cosine modes.

use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use soret::assisted::assist;
use soret::ensemble::{Control, Ensemble, Plan};
use soret::estimator::{self, Context};
use soret::experiment::{Experiment, registry};
use soret::kernel::Span;
use soret::observable::Observable;
use soret::stats::{Outcome, jackknife};
use soret::theory::stationary;
use soret::verification;
use std::f64::consts::PI;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Instant;

/// `D_i` of the two states.
const DIFFUSIVITY: [f64; 2] = [1.0, 0.1];

/// Energy of the first above the second.
const GAP: f64 = 0.5;

/// Groups of every method.
const GROUPS: usize = 64;

/// Bins of the histogram of the loop.
const BINS: usize = 50;

/// Where currents are averaged, and which bin of how many that is.
const WINDOW: [f64; 2] = [0.4, 0.6];
const MIDDLE: usize = 2;
const WINDOWS: usize = 5;

/// Randomisations of array_rqmc, and their seeds.
const RANDOMISATIONS: usize = 16;
const FEW_SEEDS: u64 = 3;

/// Bias of the loop, of `soret`.
const BIAS: f64 = 1e-3;

/// `T = 0.2 (1 + x)`.
fn temperature(x: f64) -> f64 {
    0.2 * (1.0 + x)
}

/// `k_-` out of the upper, `k_+` out of the lower state.
fn rates(k0: f64, x: f64) -> [f64; 2] {
    [k0, k0 * (-GAP / temperature(x)).exp()]
}

fn main() -> io::Result<()> {
    // `cargo bench` says so; anything else (a test run over all targets) only wants to see it work.
    let measured = std::env::args().any(|a| a == "--bench");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(io::Error::other)?;
    pool.install(|| study(measured))
}

fn study(measured: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (seeds, effort) = if measured { (9, 1.0) } else { (1, 1e-3) };
    for k0 in [1.0, 100.0, 1e4] {
        let theory = Model::new(k0, 1, 64, "").theory();
        let dt = honest_step(k0);
        let [soret, current] = theory;
        writeln!(
            out,
            "\nk0 L^2/D_1 = {k0}: soret = {soret:.5}, J_1 = {current:.6}; the loop has a bias of 0.1 % at dt = {dt:.2e}"
        )?;
        let mut costs: Vec<(String, Both<Vec<Cost>>)> = Vec::new();
        for seed in 0..seeds {
            let mut add = |name: &str, cost: Both<Cost>| match costs.iter_mut().find(|(n, _)| n == name) {
                Some((_, all)) => all.iter_mut().zip(cost).for_each(|(all, cost)| all.push(cost)),
                None => costs.push((name.to_owned(), cost.map(|cost| vec![cost]))),
            };
            add("Euler-Maruyama loop", Loop::cost(k0, dt, seed, effort));
            // Legs of a time 1/k0 each: dozens of relaxations of 0.2.
            let legs = (6e4 * effort) as u64 + 100;
            let plain = Model::new(k0, legs, 64 * 64, "").costs(GROUPS, legs, seed);
            for (name, cost) in ["exact legs, raw", "exact legs, assisted"].into_iter().zip(plain) {
                add(name, cost);
            }
            if seed < FEW_SEEDS {
                // A net costs what independent words gain by a burn-in; of two relaxations it sees as much as it will.
                let walkers: u64 = if measured { 1 << 12 } else { 1 << 6 };
                let sampling = r#", "sampling": "array_rqmc""#;
                let net = Model::new(k0, 1, GROUPS as u64 * walkers, sampling);
                let legs = (2.0 * effort * net.relaxation()) as u64 + 100;
                let net = net.costs(RANDOMISATIONS, legs, seed);
                if let Some(raw) = net.into_iter().next() {
                    add(&format!("array_rqmc, {walkers} walkers a group"), raw);
                }
            }
        }
        for (which, what) in ["soret", "J_1"].into_iter().enumerate() {
            let known_to = format!("seconds to {what} within 1 %");
            writeln!(out, "{known_to:<44} {:>12} {:>10} {:>22}", "median", "loop/it", "")?;
            let reference = median(costs[0].1[which].iter().map(|c| c.seconds));
            for (name, all) in &costs {
                let (all, theory) = (&all[which], theory[which]);
                let seconds = median(all.iter().map(|c| c.seconds));
                let off = all.iter().map(|c| c.value / theory - 1.0).sum::<f64>() / all.len() as f64;
                let known =
                    all.iter().map(|c| (c.error / theory).powi(2)).sum::<f64>().sqrt() / all.len() as f64;
                let ratio = reference / seconds;
                let text = format!("off by {:.3}({:.3}) %", 100.0 * off, 100.0 * known);
                writeln!(out, "{name:<44} {seconds:>12.3e} {ratio:>10.1} {text:>22}")?;
            }
        }
    }
    Ok(())
}

/// Of `soret`, and of the current.
type Both<T> = [T; 2];

/// What a run has found and what it would take to know that to 1 %.
#[derive(Clone, Copy)]
struct Cost {
    value: f64,
    error: f64,
    seconds: f64,
}

impl Cost {
    fn new(value: f64, error: f64, seconds: f64) -> Self {
        Cost { value, error, seconds: seconds * (error / value).powi(2) / 1e-4 }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The engine, by a file.
struct Model {
    experiment: Experiment,
}

impl Model {
    fn new(k0: f64, legs: u64, particles: u64, rest: &str) -> Self {
        let text = format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "0.2*(1 + x)",
                "states": [ {{ "name": "up", "energy": {GAP}, "diffusivity": {} }},
                            {{ "name": "down", "energy": 0, "diffusivity": {} }} ],
                "transitions": [ {{ "between": ["up", "down"], "attempt_rate": {k0}, "barrier": {GAP} }} ],
                "method": {{ "exact": {{}} }},
                "run": {{ "particles": {particles}, "groups": {GROUPS}, "legs": {legs} {rest} }},
                "measure": {{ "bins": {WINDOWS} }} }}"#,
            DIFFUSIVITY[0], DIFFUSIVITY[1]
        );
        Model { experiment: Experiment::from_str("merit", "merit", &text).expect("a sound file") }
    }

    fn theory(&self) -> Both<f64> {
        let law = stationary::solve(&self.experiment.model, &stationary::Options::default());
        let law = law.expect("a solution");
        let of = |(observable, place): (Observable, usize)| {
            law.reference(observable, &self.experiment.grid()).and_then(|v| v[place]).expect("a gradient")
        };
        Self::QUANTITIES.map(of)
    }

    const QUANTITIES: Both<(Observable, usize)> =
        [(Observable::Soret, 0), (Observable::WindowCurrent(0), MIDDLE)];

    /// Legs of a relaxation time, of the state that makes most of them.
    fn relaxation(&self) -> f64 {
        let experiment = &self.experiment;
        let runner = registry::runner(experiment, &experiment.grid(), None).expect("bounded rates");
        let pace: f64 = runner.dwell().iter().map(|cells| 1.0 / cells[0]).fold(0.0, f64::max);
        experiment.model.relaxation_time() * pace
    }

    /// Of the raw quantities and, if there are any, of the assisted ones; groups are as large as the file says.
    fn costs(&self, groups: usize, legs: u64, seed: u64) -> Vec<Both<Cost>> {
        let experiment = &self.experiment;
        let grid = experiment.grid();
        let runner = registry::runner(experiment, &grid, None).expect("bounded rates");
        let context = Context::new(runner.as_ref(), &experiment.model, &grid, false);
        let plan = Plan {
            particles: experiment.run.particles / GROUPS as u64 * groups as u64,
            groups,
            span: Span::Legs(legs),
            burn_in: (8.0 * self.relaxation()).ceil().min(5.0 * legs as f64),
            rounds: 1,
            times: Vec::new(),
            start: experiment.run.start.clone(),
            seed,
        };
        let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).expect("a burn-in");
        let begun = Instant::now();
        ensemble.run(&|_| (), &mut |_| Control::Continue).expect("rates within their bounds");
        let mut raw = estimator::measure(&estimator::Soret, &context, ensemble.groups());
        raw.extend(estimator::measure(&estimator::Currents, &context, ensemble.groups()));
        let seconds = begun.elapsed().as_secs_f64();
        let of = |outcome: Option<Outcome>, seconds: f64| match outcome {
            Some(Outcome::Estimate(e)) => Some(Cost::new(e.value, e.std_error, seconds)),
            _ => None,
        };
        let both = |[a, b]: Both<Option<Cost>>| Some([a?, b?]);
        let plain = Self::QUANTITIES.map(|(observable, place)| {
            of(raw.iter().find(|m| m.observable == observable).map(|m| m.outcome(place)), seconds)
        });
        let questions = verification::questions(&context, ensemble.groups());
        let made = assist(&context, ensemble.groups(), &questions).ok();
        let seconds = begun.elapsed().as_secs_f64();
        let assisted = Self::QUANTITIES.map(|(observable, place)| {
            let all = made.iter().flat_map(|made| &made.quantities);
            let mut found = all.filter(|(o, _)| *o == observable);
            of(found.next().and_then(|(_, outcomes)| outcomes.get(place).cloned()), seconds)
        });
        [plain, assisted].into_iter().map_while(both).collect()
    }
}

/// The loop: floats, a normal deviate, one exponential function and one uniform deviate a step, a histogram, and what
/// passes the window.
struct Loop {
    position: Vec<f64>,
    state: Vec<usize>,
    histogram: [[u64; BINS]; 2],
    passed: [f64; 2],
    random: Xoshiro256PlusPlus,
}

impl Loop {
    const PARTICLES: usize = 32;

    fn go(&mut self, k0: f64, dt: f64, steps: u64) {
        let sigma = DIFFUSIVITY.map(|d| (2.0 * d * dt).sqrt());
        for _ in 0..steps {
            for (x, state) in self.position.iter_mut().zip(&mut self.state) {
                let before = x.clamp(WINDOW[0], WINDOW[1]);
                let noise: f64 = StandardNormal.sample(&mut self.random);
                *x += sigma[*state] * noise;
                if *x < 0.0 {
                    *x = -*x;
                }
                if *x > 1.0 {
                    *x = 2.0 - *x;
                }
                self.passed[*state] += x.clamp(WINDOW[0], WINDOW[1]) - before;
                let climb = if *state == 0 { 0.0 } else { GAP };
                let rate = k0 * (-climb / temperature(*x)).exp();
                let uniform = (self.random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
                if uniform < rate * dt {
                    *state = 1 - *state;
                }
                let bin = ((*x * BINS as f64) as usize).min(BINS - 1);
                self.histogram[*state][bin] += 1;
            }
        }
        black_box((&self.histogram, &self.passed));
    }

    /// All groups, one after the other.
    fn cost(k0: f64, dt: f64, seed: u64, effort: f64) -> Both<Cost> {
        let mut seconds = 0.0;
        let rows: Vec<Vec<f64>> = (0..GROUPS as u64)
            .map(|group| {
                let n = Self::PARTICLES;
                let mut it = Loop {
                    position: (0..n).map(|k| (k as f64 + 0.5) / n as f64).collect(),
                    state: vec![1; n],
                    histogram: [[0; BINS]; 2],
                    passed: [0.0; 2],
                    random: Xoshiro256PlusPlus::seed_from_u64(seed * 1000 + group),
                };
                // A time of 2 is several relaxations.
                let steps = (2.0 * effort / dt) as u64 + 1;
                it.go(k0, dt, steps);
                (it.histogram, it.passed) = ([[0; BINS]; 2], [0.0; 2]);
                let begun = Instant::now();
                it.go(k0, dt, 2 * steps);
                seconds += begun.elapsed().as_secs_f64();
                let middle = |b: usize| (b as f64 + 0.5) / BINS as f64;
                let count = |b: usize| (it.histogram[0][b] + it.histogram[1][b]) as f64;
                let heat = (0..BINS).map(|b| count(b) * temperature(middle(b))).sum();
                vec![(0..BINS).map(count).sum(), heat, it.passed[0] / (WINDOW[1] - WINDOW[0])]
            })
            .collect();
        let found = |row: &[f64]| vec![Some(matched(row[1] / row[0])), Some(row[2] / (row[0] * dt))];
        let samples = jackknife(&rows, &found);
        [0, 1].map(|k| {
            let sample = samples[k].as_ref().expect("visits");
            Cost::new(sample.value, sample.std_error(), seconds)
        })
    }
}

/// `S` of the density `exp(-S T)` whose mean temperature this is.
fn matched(mean: f64) -> f64 {
    let [low, high] = [0.0, 1.0].map(temperature);
    let of = |s: f64| {
        if s.abs() < 1e-6 {
            0.5 * (low + high) - s * (high - low).powi(2) / 12.0
        } else {
            // T is uniform on [low, high] without the weight.
            low + 1.0 / s - (high - low) / (s * (high - low)).exp_m1()
        }
    };
    let (mut a, mut b) = (-100.0, 100.0);
    for _ in 0..100 {
        let s = 0.5 * (a + b);
        if of(s) > mean { a = s } else { b = s }
    }
    0.5 * (a + b)
}

/// The step at which `soret` of the loop is off by [`BIAS`], or the longest at which its probabilities are below one.
fn honest_step(k0: f64) -> f64 {
    let limit = 0.99 / k0;
    // Without a step on the same points: what these cannot resolve cancels.
    let bias = |dt: f64| (chain(k0, dt) / chain(k0, 1e-3 * dt) - 1.0).abs();
    let (mut long, mut short) = (limit, limit);
    while bias(short) > BIAS {
        long = short;
        short *= 0.5;
    }
    for _ in 0..12 {
        let middle = (long * short).sqrt();
        if bias(middle) > BIAS { long = middle } else { short = middle }
    }
    short
}

/// `soret` of the loop's own chain: modes `cos(n pi x)` are damped by moves, states change at each of as many points.
fn chain(k0: f64, dt: f64) -> f64 {
    const N: usize = 96;
    let place = |j: usize| (j as f64 + 0.5) / N as f64;
    let damped = |d: f64, i: usize, j: usize| -> f64 {
        let mode = |m: usize| {
            let q = PI * m as f64;
            let norm = if m == 0 { 1.0 } else { 2.0 } / N as f64;
            norm * (q * place(i)).cos() * (q * place(j)).cos() * (-d * q * q * dt).exp()
        };
        (0..N).map(mode).sum()
    };
    // Stationary in front of the move: M (1 + E) P = P, with sum P = 1 for the last equation.
    let mut system = vec![vec![0.0; 2 * N + 1]; 2 * N];
    for to in 0..2 {
        for i in 0..N {
            for j in 0..N {
                let kernel = damped(DIFFUSIVITY[to], i, j);
                let k = rates(k0, place(j)).map(|k| k * dt);
                system[to * N + i][to * N + j] += kernel * (1.0 - k[to]);
                system[to * N + i][(1 - to) * N + j] += kernel * k[1 - to];
            }
            system[to * N + i][to * N + i] -= 1.0;
        }
    }
    system[2 * N - 1] = vec![1.0; 2 * N + 1];
    let law = solve(system);
    matched((0..2 * N).map(|k| law[k] * temperature(place(k % N))).sum())
}

/// Gauss's elimination with the largest pivot of a column; the right side is the last column.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs())).unwrap_or(k);
        rows.swap(k, pivot);
        let row = rows[k].clone();
        for below in &mut rows[k + 1..] {
            let factor = below[k] / row[k];
            below[k..].iter_mut().zip(&row[k..]).for_each(|(b, r)| *b -= factor * r);
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * x[j]).sum();
        x[k] = (rows[k][n] - known) / rows[k][k];
    }
    x
}
