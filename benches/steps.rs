//! Cost of an underdamped BAOAB step, and of one of an internal coordinate, against those that a physicist writes in an afternoon.
//!
//! `cargo bench --bench steps` prints, for every case, nanoseconds per step as the median, least and largest of
//! interleaved rounds, and the ratio to the reference *of the same round* (median): whatever else the machine
//! is doing slows both. One thread.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use soret::event::{Profile, Tally, Walkers};
use soret::expression::Expression;
use soret::grid::Grid;
use soret::internal_space::InternalSpace;
use soret::kernel::start::{Start, start};
use soret::kernel::{
    Baoab, Continuous, Instructions, Kernel, KernelError, LaneBaoab, LaneCoordinate, Scheme, Span,
};
use soret::model::{Axis, Coordinates, Edge, Landscape, Model, Motility, Network, State, Uniform};
use soret::phase_space::PhaseSpace;
use soret::rng::{Purpose, Stream, stream};
use std::hint::black_box;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

const WALKERS: usize = 128;
const BINS: usize = 50;
const GAMMA: f64 = 10.0;
const DT: f64 = 0.02;

fn main() -> io::Result<()> {
    // `cargo bench` says so; anything else (a test run over all targets) only wants to see it work.
    let measured = std::env::args().any(|a| a == "--bench");
    let (rounds, steps) = if measured { (61, 8192) } else { (1, 8) };

    let (one, two) = (model(1, false), model(2, false));
    let cases: Vec<(&str, Box<dyn Case>)> = vec![
        ("plain BAOAB step, no tally (reference)", Box::new(Plain::new())),
        ("one state, no tally", Box::new(Steps::new(&one, Baoab::new, false))),
        ("one state, tallies", Box::new(Steps::new(&one, Baoab::new, true))),
        ("one state, exact flux, no tally", Box::new(Steps::new(&one, Baoab::with_exact_flux, false))),
        ("one state, exact flux, tallies", Box::new(Steps::new(&one, Baoab::with_exact_flux, true))),
        (
            "the same in a well, no tally",
            Box::new(Steps::new(&model(1, true), Baoab::with_exact_flux, false)),
        ),
        ("the same in a well, tallies", Box::new(Steps::new(&model(1, true), Baoab::with_exact_flux, true))),
        ("two states, exact flux, no tally", Box::new(Steps::new(&two, Baoab::with_exact_flux, false))),
        ("two states, exact flux, tallies", Box::new(Steps::new(&two, Baoab::with_exact_flux, true))),
    ];
    let mut cases: Vec<_> = cases.into_iter().map(|(name, case)| (name.to_owned(), case)).collect();

    let five = model(5, false);
    cases.push((
        "five states, exact flux, tallies".into(),
        Box::new(Steps::new(&five, Baoab::with_exact_flux, true)),
    ));
    let own = [["2*(x - 0.3)^2", "(x - 0.7)^2"], ["0.3*sin(3*x)", "0.2*cos(2*x)"]].map(with_own);
    for (what, model) in ["harmonic wells", "hills"].into_iter().zip(&own) {
        let name = format!("two states, own {what}, tallies");
        cases.push((name, Box::new(Steps::new(model, Baoab::with_exact_flux, true))));
    }
    for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
        for (what, model, scored) in [
            ("no tally", &one, false),
            ("tallies", &one, true),
            ("in a well, tallies", &model(1, true), true),
            ("two states, tallies", &two, true),
            ("two in a well, tallies", &model(2, true), true),
            ("two in own harmonic wells, tallies", &own[0], true),
            ("two on own hills, tallies", &own[1], true),
            ("five states, tallies", &five, true),
        ] {
            let kernel = LaneBaoab::with_exact_flux(model, &Grid::new(1.0, BINS), DT);
            let kernel = kernel.expect("bounded rates").expect("a plain model").at_most(most);
            let name = format!("the same in lanes, {what}, {most:?}");
            cases.push((name, Box::new(Steps::of(kernel, model, scored))));
        }
    }

    table(cases, rounds, steps)?;

    let mut cases: Vec<(String, Box<dyn Case>)> =
        vec![("plain Euler step of x and q, no tally (reference)".into(), Box::new(PlainShifts::new()))];
    let grid = Grid::new(1.0, BINS);
    for (what, potential, diffusivity, dt) in
        [("spring", "q^2/2", "0.01*q^2", 0.05), ("two wells", "q^4 - 2*q^2", "U + 2.5", 0.006)]
    {
        let model = with_coordinate(potential, diffusivity);
        for (how, scored) in [("no tally", false), ("tallies", true)] {
            let kernel =
                Continuous::new(&model, &grid, dt, Scheme::Midpoint).expect("a potential that confines");
            cases.push((format!("{what}, {how}"), Box::new(Shifted::of(kernel, &model, scored))));
        }
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            for (how, scored) in [("no tally", false), ("tallies", true)] {
                let kernel = LaneCoordinate::new(&model, &grid, dt).expect("a potential that confines");
                let kernel = kernel.expect("a plain model").at_most(most);
                let name = format!("{what} in lanes, {how}, {most:?}");
                cases.push((name, Box::new(Shifted::of(kernel, &model, scored))));
            }
        }
    }
    table(cases, rounds, steps)
}

/// Times cases in turns; the first is the reference.
fn table(mut cases: Vec<(String, Box<dyn Case>)>, rounds: usize, steps: u64) -> io::Result<()> {
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..=rounds {
        for ((_, case), times) in cases.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            case.go(steps);
            let nanoseconds = begun.elapsed().as_secs_f64() * 1e9 / (steps * WALKERS as u64) as f64;
            // The first round warms caches and branch predictors.
            if round > 0 {
                times.push(nanoseconds);
            }
        }
    }

    let mut out = io::stdout().lock();
    writeln!(out, "{:<45} {:>8} {:>8} {:>8} {:>7}", "ns per step", "median", "min", "max", "ratio")?;
    for ((name, _), series) in cases.iter().zip(&times) {
        let ratios: Vec<f64> = series.iter().zip(&times[0]).map(|(t, reference)| t / reference).collect();
        let (low, middle, high) = order(series);
        let ratio = order(&ratios).1;
        writeln!(out, "{name:<45} {middle:>8.2} {low:>8.2} {high:>8.2} {ratio:>7.3}")?;
    }
    Ok(())
}

/// Walkers with a coordinate and its tallies.
struct Shifted<K> {
    kernel: K,
    walkers: Walkers,
    stream: Stream,
    tally: (Profile, InternalSpace),
    scored: bool,
}

impl<K: Kernel> Shifted<K> {
    fn of(kernel: K, model: &Model, scored: bool) -> Self {
        let grid = Grid::new(1.0, BINS);
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, false, WALKERS, &mut random);
        let internal = InternalSpace::new(model, &grid, 0, kernel.coordinate_ends()[0]);
        let tally = (Profile::new(1, 0, &grid), internal);
        Shifted { kernel, walkers, stream: stream(1, Purpose::Advance, 0), tally, scored }
    }
}

impl<K: Kernel> Case for Shifted<K> {
    fn go(&mut self, steps: u64) {
        if self.scored {
            advance(&self.kernel, &mut self.walkers, steps, &mut self.stream, &mut self.tally);
        } else {
            advance(&self.kernel, &mut self.walkers, steps, &mut self.stream, &mut ());
        }
        black_box(&self.walkers);
    }
}

/// One state with a coordinate.
fn with_coordinate(potential: &str, diffusivity: &str) -> Model {
    let temperature = || Expression::parse("0.5 + 0.5*x", &["x"], &[]).expect("an expression");
    let state = vec![State::new("only", 0.0, 1.0)];
    let mut model = Model::new(1.0, temperature(), state, vec![]).expect("a sound network");
    let u = Landscape::new(potential, &["q"], &[], Arc::new(temperature())).expect("a potential");
    let d = Landscape::of_potential(diffusivity, &["q"], &[], Arc::new(temperature()), Arc::new(u.clone()));
    let d = d.expect("a diffusivity");
    model.coordinates = Some(Coordinates::new(vec![Axis::new("q", 1.0)], u, d));
    model
}

/// The reference with a coordinate: floats, two ziggurat deviates and two square roots a step, walls by ifs.
struct PlainShifts {
    position: Vec<f64>,
    coordinate: Vec<f64>,
    random: Xoshiro256PlusPlus,
}

impl PlainShifts {
    fn new() -> Self {
        PlainShifts {
            position: (0..WALKERS).map(|k| (k as f64 + 0.5) / WALKERS as f64).collect(),
            coordinate: (0..WALKERS).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect(),
            random: Xoshiro256PlusPlus::seed_from_u64(1),
        }
    }
}

impl Case for PlainShifts {
    fn go(&mut self, steps: u64) {
        let dt = 0.006;
        for _ in 0..steps {
            for (x, q) in self.position.iter_mut().zip(&mut self.coordinate) {
                let sideways: f64 = StandardNormal.sample(&mut self.random);
                let along: f64 = StandardNormal.sample(&mut self.random);
                let energy = (*q * *q - 2.0) * *q * *q;
                *x += (2.0 * dt * (energy + 2.5)).sqrt() * along;
                *x = x.abs();
                if *x > 1.0 {
                    *x = 2.0 - *x;
                }
                *q += (dt * (1.0 + *x)).sqrt() * sideways - 4.0 * (*q * *q - 1.0) * *q * dt;
            }
        }
        black_box(&self.position);
    }
}

/// Least, median and largest.
fn order(series: &[f64]) -> (f64, f64, f64) {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

/// Something that is timed: so many steps of every walker.
trait Case {
    fn go(&mut self, steps: u64);
}

fn model(states: usize, well: bool) -> Model {
    let friction = Motility::Friction(Arc::new(Uniform(GAMMA)));
    let state = |k: usize| State {
        motility: friction.clone(),
        mass: Some(1.0 + k as f64),
        ..State::new(k.to_string(), 0.5 * k as f64, 1.0)
    };
    // Every state leads to the first.
    let edges = (1..states).map(|k| Edge::new([0, k], 1.0, 1.0)).collect();
    let field = |law: &str| Expression::parse(law, &["x"], &[]).expect("an expression");
    let states = (0..states).map(state).collect();
    let mut model = Model::new(1.0, field("1 + 0.8*x"), states, edges).expect("a sound network");
    if well {
        model.potential = Some(Arc::new(field("(x - 0.5)^2")));
    }
    model
}

/// Two states with potentials of their own.
fn with_own(potentials: [&str; 2]) -> Model {
    let plain = model(2, false);
    let own = |(state, law): (&State, &str)| State {
        potential: Some(Arc::new(Expression::parse(law, &["x"], &[]).expect("an expression"))),
        ..state.clone()
    };
    let states = plain.network.states().iter().zip(potentials).map(own).collect();
    let network = Network::new(states, plain.network.edges().to_vec()).expect("a sound network");
    Model { network, ..plain }
}

#[inline(never)]
fn advance<T: Tally>(
    kernel: &impl Kernel,
    walkers: &mut Walkers,
    steps: u64,
    stream: &mut Stream,
    tally: &mut T,
) {
    kernel.advance(walkers, Span::Legs(steps), stream, tally).expect("rates within their bounds");
}

/// Makes a kernel.
type Make = fn(&Model, &Grid, f64) -> Result<Baoab, KernelError>;

/// The kernel.
struct Steps<K> {
    kernel: K,
    walkers: Walkers,
    stream: Stream,
    tally: (Profile, PhaseSpace),
    scored: bool,
}

impl Steps<Baoab> {
    fn new(model: &Model, make: Make, scored: bool) -> Self {
        let kernel = make(model, &Grid::new(1.0, BINS), DT).expect("bounded rates");
        Steps::of(kernel, model, scored)
    }
}

impl<K: Kernel> Steps<K> {
    fn of(kernel: K, model: &Model, scored: bool) -> Self {
        let grid = Grid::new(1.0, BINS);
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, false, WALKERS, &mut random);
        let states = model.network.states().len();
        let profile = Profile::new(states, 2 * model.network.edges().len(), &grid);
        let tally = (profile, PhaseSpace::new(model, &grid));
        Steps { kernel, walkers, stream: stream(1, Purpose::Advance, 0), tally, scored }
    }
}

impl<K: Kernel> Case for Steps<K> {
    fn go(&mut self, steps: u64) {
        if self.scored {
            advance(&self.kernel, &mut self.walkers, steps, &mut self.stream, &mut self.tally);
        } else {
            advance(&self.kernel, &mut self.walkers, steps, &mut self.stream, &mut ());
        }
        black_box(&self.walkers);
    }
}

/// The reference: floats, one ziggurat deviate and one square root a step, walls by ifs.
struct Plain {
    position: Vec<f64>,
    velocity: Vec<f64>,
    random: Xoshiro256PlusPlus,
}

impl Plain {
    fn new() -> Self {
        Plain {
            position: (0..WALKERS).map(|k| (k as f64 + 0.5) / WALKERS as f64).collect(),
            velocity: (0..WALKERS).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect(),
            random: Xoshiro256PlusPlus::seed_from_u64(1),
        }
    }
}

impl Case for Plain {
    fn go(&mut self, steps: u64) {
        let decay = (-GAMMA * DT).exp();
        let forgotten = 1.0 - decay * decay;
        for _ in 0..steps {
            for (x, v) in self.position.iter_mut().zip(&mut self.velocity) {
                fly(x, v);
                let noise: f64 = StandardNormal.sample(&mut self.random);
                *v = decay * *v + (forgotten * (1.0 + 0.8 * *x)).sqrt() * noise;
                fly(x, v);
            }
        }
        black_box(&self.position);
    }
}

fn fly(x: &mut f64, v: &mut f64) {
    *x += *v * (0.5 * DT);
    if *x < 0.0 {
        *x = -*x;
        *v = -*v;
    }
    if *x > 1.0 {
        *x = 2.0 - *x;
        *v = -*v;
    }
}
