//! Cost of an exact leg against the Euler-Maruyama step that a physicist writes in an afternoon.
//!
//! `cargo bench --bench legs` prints, for every case, nanoseconds per leg or step as the median, least and
//! largest of interleaved rounds, and the ratio to the reference *of the same round* (median): whatever
//! else the machine is doing slows both. One thread; vector lanes with at most the instructions that are named, on a
//! processor without them with what it has. How many steps replace one leg is another matter: a leg covers a time
//! `1/K`, a step a few per cent of it.
//! `cargo bench --bench legs -- lanes timed` prints cases with one of these words in their names.

use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use soret::event::{Profile, Tally, Walkers};
use soret::expression::Expression;
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{ArrayRqmc, EulerMaruyama, Exact, Instructions, Kernel, LaneSteps, Lanes, Span};
use soret::model::{Boundary, Domain, Edge, Interpolation, Model, Motility, Network, RateLaw, State, Table};
use soret::rng::{Purpose, Stream, stream};
use std::hint::black_box;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

/// Walkers of a group, as in `experiments/two_state.json`.
const WALKERS: usize = 128;

/// Length of a step.
const DT: f64 = 0.05;

/// Bins of the histograms.
const BINS: usize = 50;

fn main() -> io::Result<()> {
    // `cargo bench` says so; anything else (a test run over all targets) only wants to see it work.
    let measured = std::env::args().any(|a| a == "--bench");
    let (rounds, legs) = if measured { (61, 8192) } else { (1, 8) };

    let two = model(&[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1)]);
    let all: Vec<(usize, usize)> = (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b))).collect();
    let five = model(&[(1.0, 1e-2), (0.7, 3e-3), (0.4, 6e-3), (0.2, 2e-3), (0.0, 1e-3)], &all);
    let grid = Grid::new(1.0, BINS);
    let cases: [(&str, Box<dyn Case>); 9] = [
        ("Euler-Maruyama step, histogram (reference)", Box::new(Plain::new(WALKERS))),
        ("two states, untimed, tallies", Box::new(Legs::new(&two, false, true))),
        ("two states, untimed, no tally", Box::new(Legs::new(&two, false, false))),
        ("two states, timed, tallies", Box::new(Legs::new(&two, true, true))),
        ("two states, timed, no tally", Box::new(Legs::new(&two, true, false))),
        ("five states, 20 channels, untimed, tallies", Box::new(Legs::new(&five, false, true))),
        ("five states, 20 channels, untimed, no tally", Box::new(Legs::new(&five, false, false))),
        ("five states, 20 channels, timed, tallies", Box::new(Legs::new(&five, true, true))),
        ("five states, 20 channels, timed, no tally", Box::new(Legs::new(&five, true, false))),
    ];

    let mut cases: Vec<_> = cases.into_iter().map(|(name, case)| (name.to_owned(), case)).collect();
    for (states, model) in [("two states", &two), ("five states, 20 channels", &five)] {
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            let kernel = Lanes::new(model, &grid).expect("bounded rates").expect("constant diffusivities");
            let case = InLanes::new(kernel.at_most(most), model, true);
            cases.push((format!("{states}, lanes, tallies, {most:?}"), Box::new(case)));
        }
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            let kernel = Lanes::new(model, &grid).expect("bounded rates").expect("constant diffusivities");
            let case = Legs::of(kernel.at_most(most), model, true, true);
            cases.push((format!("{states}, timed, lanes, tallies, {most:?}"), Box::new(case)));
        }
        let scalar = EulerMaruyama::new(model, &grid, DT).expect("bounded rates");
        cases.push((format!("{states}, steps, tallies"), Box::new(InLanes::new(scalar, model, false))));
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            let kernel = LaneSteps::new(model, &grid, DT).expect("bounded rates").expect("few candidates");
            let case = InLanes::new(kernel.at_most(most), model, false);
            cases.push((format!("{states}, steps in lanes, tallies, {most:?}"), Box::new(case)));
        }
    }

    for (states, model) in [("two states", &two), ("five states, 20 channels", &five)] {
        let round = round(model);
        let scalar = Exact::new(&round, &grid).expect("bounded rates");
        cases.push((
            format!("{states} on a ring, untimed, tallies"),
            Box::new(InLanes::new(scalar, &round, true)),
        ));
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            let kernel = Lanes::new(&round, &grid).expect("bounded rates").expect("constant diffusivities");
            let case = InLanes::new(kernel.clone().at_most(most), &round, true);
            cases.push((format!("{states} on a ring, lanes, tallies, {most:?}"), Box::new(case)));
            let case = Legs::of(kernel.at_most(most), &round, true, true);
            cases.push((format!("{states} on a ring, timed, lanes, tallies, {most:?}"), Box::new(case)));
            let kernel = LaneSteps::new(&round, &grid, DT).expect("bounded rates").expect("few candidates");
            let case = InLanes::new(kernel.at_most(most), &round, false);
            cases.push((format!("{states} on a ring, steps in lanes, tallies, {most:?}"), Box::new(case)));
        }
    }

    let varying = [
        ("eight states, D(x)", eight()),
        ("two states, frictions", frictions(two.clone())),
        ("two states, potential", potential(two.clone())),
        ("five states, frictions, potential", potential(frictions(five.clone()))),
    ];
    for (name, model) in &varying {
        let scalar = Exact::new(model, &grid).expect("bounded rates");
        cases.push((format!("{name}, untimed, tallies"), Box::new(InLanes::new(scalar, model, true))));
        for most in [Instructions::Common, Instructions::Avx2, Instructions::Avx512] {
            let kernel = Lanes::new(model, &grid).expect("bounded rates").expect("one natural scale");
            let case = InLanes::new(kernel.at_most(most), model, true);
            cases.push((format!("{name}, lanes, tallies, {most:?}"), Box::new(case)));
        }
    }

    for (states, model) in [("two states", &two), ("five states, 20 channels", &five)] {
        for bits in [8, 12, 16] {
            let name = format!("{states}, array_rqmc, tallies, 2^{bits}");
            cases.push((name, Box::new(OnANet::new(model, 1 << bits))));
        }
    }

    // Words on the command line: only cases whose names hold one of them, and the reference.
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut first = true;
    cases.retain(|(name, _)| {
        std::mem::take(&mut first) || words.is_empty() || words.iter().any(|w| name.contains(w))
    });

    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..=rounds {
        for ((_, case), times) in cases.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            let done = case.go(legs);
            let nanoseconds = begun.elapsed().as_secs_f64() * 1e9 / done as f64;
            // The first round warms caches and branch predictors.
            if round > 0 {
                times.push(nanoseconds);
            }
        }
    }

    let mut out = io::stdout().lock();
    writeln!(out, "{:<45} {:>8} {:>8} {:>8} {:>7}", "ns per leg or step", "median", "min", "max", "ratio")?;
    for ((name, _), series) in cases.iter().zip(&times) {
        let ratios: Vec<f64> = series.iter().zip(&times[0]).map(|(t, reference)| t / reference).collect();
        let (low, middle, high) = order(series);
        let ratio = order(&ratios).1;
        writeln!(out, "{name:<45} {middle:>8.2} {low:>8.2} {high:>8.2} {ratio:>7.3}")?;
    }
    Ok(())
}

/// Least, median and largest.
fn order(series: &[f64]) -> (f64, f64, f64) {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

/// Something that is timed: about `legs` legs or steps of every walker; returns how many in all.
trait Case {
    fn go(&mut self, legs: u64) -> u64;
}

fn model(states: &[(f64, f64)], edges: &[(usize, usize)]) -> Model {
    let states = states
        .iter()
        .enumerate()
        .map(|(k, &(energy, diffusivity))| State::new(k.to_string(), energy, diffusivity))
        .collect();
    let edges = edges.iter().map(|&(a, b)| Edge::new([a, b], 1.0, 1.5)).collect();
    let temperature = Expression::parse("1 + 0.8*x", &["x"], &[]).expect("an expression");
    Model {
        domain: Domain { length: 1.0, walls: Boundary::Reflecting },
        temperature: Arc::new(temperature),
        boltzmann: 1.0,
        potential: None,
        network: Network::new(states, edges).expect("a sound network"),
        coordinates: None,
        mixture: None,
    }
}

/// The same states on a ring, on which the temperature is a wave.
fn round(model: &Model) -> Model {
    let wave = Expression::parse("1.4 + 0.4*sin(6.283185307179586*x)", &["x"], &[]).expect("an expression");
    let domain = Domain { walls: Boundary::Periodic, ..model.domain };
    Model { domain, temperature: Arc::new(wave), ..model.clone() }
}

/// Eight states in a circle, some edges driven, a table of temperatures, diffusivities that vary (Ito).
fn eight() -> Model {
    let d = |text: &str| Expression::parse(text, &["x"], &[]).expect("an expression");
    let texts = ["0.01*(1 + x)", "0.003*exp(-x)", "0.006*(2 - x)", "0.002*(1 + 0.5*x^2)"];
    let state = |k: usize| State {
        motility: Motility::Diffusivity(Arc::new(d(texts[k % 4]))),
        ..State::new(k.to_string(), 0.15 * k as f64, 1.0)
    };
    let edge = |k: usize| Edge {
        between: [k, (k + 1) % 8],
        law: RateLaw::Activated {
            attempt_rate: 1.0,
            barrier: 1.5,
            affinity: if k.is_multiple_of(3) { 0.6 } else { 0.0 },
        },
    };
    let points: Vec<_> = (0..=20).map(|k| f64::from(k) / 20.0).map(|x| (x, 1.0 + 0.8 * x * x)).collect();
    let temperature = Table::new(&points, Interpolation::Linear).expect("a table");
    let network = Network::new((0..8).map(state).collect(), (0..8).map(edge).collect());
    Model {
        temperature: Arc::new(temperature),
        network: network.expect("a sound network"),
        ..model(&[(0.0, 1.0)], &[])
    }
}

/// The same with frictions `1/((1 + x) D)`, as of a liquid that is thinner where it is hot.
fn frictions(model: Model) -> Model {
    let states = model.network.states().iter().map(|state| {
        let (_, diffusivity) = state.motility.parts();
        let text = format!("{}/(1 + x)", 1.0 / diffusivity.value(0.0));
        let friction = Expression::parse(&text, &["x"], &[]).expect("an expression");
        State { motility: Motility::Friction(Arc::new(friction)), ..state.clone() }
    });
    let network = Network::new(states.collect(), model.network.edges().to_vec());
    Model { network: network.expect("a sound network"), ..model }
}

/// The same with a potential that acts on all states.
fn potential(model: Model) -> Model {
    let potential = Expression::parse("0.6*sin(6.283185307179586*x)", &["x"], &[]).expect("an expression");
    Model { potential: Some(Arc::new(potential)), ..model }
}

#[inline(never)]
fn advance<K: Kernel, T: Tally>(
    kernel: &K,
    walkers: &mut Walkers,
    span: Span,
    stream: &mut Stream,
    tally: &mut T,
) {
    kernel.advance(walkers, span, stream, tally).expect("rates within their bounds");
}

/// Exact legs.
struct Legs<K> {
    kernel: K,
    walkers: Walkers,
    stream: Stream,
    profile: Profile,
    timed: bool,
    scored: bool,
    /// Legs per walker and unit of time.
    rate: f64,
}

impl Legs<Exact> {
    fn new(model: &Model, timed: bool, scored: bool) -> Self {
        let kernel = Exact::new(model, &Grid::new(1.0, BINS)).expect("bounded rates");
        Legs::of(kernel, model, timed, scored)
    }
}

impl<K: Kernel> Legs<K> {
    fn of(kernel: K, model: &Model, timed: bool, scored: bool) -> Self {
        let grid = Grid::new(1.0, BINS);
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, !timed, WALKERS, &mut random);
        let states = model.network.states().len();
        let mut profile = Profile::new(states, 2 * model.network.edges().len(), &grid);
        let mut random = stream(1, Purpose::Advance, 0);
        // Legs of a timed run are counted once, with tallies, and are then known per unit of time.
        const PROBE: f64 = 2000.0;
        advance(&kernel, &mut walkers.clone(), Span::Duration(PROBE), &mut random, &mut profile);
        profile.flush();
        let visits: u64 = (0..states).map(|s| profile.visits(s).iter().sum::<u64>()).sum();
        let rate = visits as f64 / (PROBE * WALKERS as f64);
        Legs { kernel, walkers, stream: random, profile, timed, scored, rate }
    }
}

impl<K: Kernel> Case for Legs<K> {
    fn go(&mut self, legs: u64) -> u64 {
        let span = if self.timed { Span::Duration(legs as f64 / self.rate) } else { Span::Legs(legs) };
        if self.scored {
            advance(&self.kernel, &mut self.walkers, span, &mut self.stream, &mut self.profile);
            self.profile.flush();
        } else {
            advance(&self.kernel, &mut self.walkers, span, &mut self.stream, &mut ());
        }
        black_box(&self.walkers);
        legs * WALKERS as u64
    }
}

/// A kernel with tallies, so many untimed legs or steps at once.
struct InLanes<K> {
    kernel: K,
    walkers: Walkers,
    stream: Stream,
    profile: Profile,
}

impl<K: Kernel> InLanes<K> {
    fn new(kernel: K, model: &Model, untimed: bool) -> Self {
        let grid = Grid::new(1.0, BINS);
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, untimed, WALKERS, &mut random);
        let states = model.network.states().len();
        let profile = Profile::new(states, 2 * model.network.edges().len(), &grid);
        let random = stream(1, Purpose::Advance, 0);
        InLanes { kernel, walkers, stream: random, profile }
    }
}

impl<K: Kernel> Case for InLanes<K> {
    #[inline(never)]
    fn go(&mut self, legs: u64) -> u64 {
        let InLanes { kernel, walkers, stream, profile } = self;
        kernel.advance(walkers, Span::Legs(legs), stream, profile).expect("rates within their bounds");
        profile.flush();
        black_box(&self.profile);
        legs * WALKERS as u64
    }
}

/// Untimed exact legs of walkers that are put in order and share a net, with tallies.
struct OnANet {
    kernel: ArrayRqmc,
    walkers: Walkers,
    stream: Stream,
    profile: Profile,
}

impl OnANet {
    fn new(model: &Model, walkers: usize) -> Self {
        let grid = Grid::new(1.0, BINS);
        let kernel = ArrayRqmc::new(model, &grid).expect("bounded rates");
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, &Start::LocalEquilibrium, true, walkers, &mut random);
        let states = model.network.states().len();
        let profile = Profile::new(states, 2 * model.network.edges().len(), &grid);
        OnANet { kernel, walkers, stream: stream(1, Purpose::Advance, 0), profile }
    }
}

impl Case for OnANet {
    fn go(&mut self, legs: u64) -> u64 {
        let OnANet { kernel, walkers, stream, profile } = self;
        // As many legs in all as in the other cases, or a leg of each.
        let each = (legs * WALKERS as u64 / walkers.len() as u64).max(1);
        kernel.advance(walkers, Span::Legs(each), stream, profile).expect("rates within their bounds");
        profile.flush();
        black_box(&self.profile);
        each * self.walkers.len() as u64
    }
}

/// The reference: positions as floats, one normal deviate, one exponential function and one uniform
/// deviate a step, a histogram of 50 bins per state. Whether particles or steps run in the inner loop
/// made no difference that could be measured.
struct Plain {
    position: Vec<f64>,
    state: Vec<usize>,
    histogram: [[u64; BINS]; 2],
    random: Xoshiro256PlusPlus,
}

impl Plain {
    fn new(particles: usize) -> Self {
        Plain {
            position: (0..particles).map(|k| (k as f64 + 0.5) / particles as f64).collect(),
            state: (0..particles).map(|k| k % 2).collect(),
            histogram: [[0; BINS]; 2],
            random: Xoshiro256PlusPlus::seed_from_u64(1),
        }
    }
}

impl Case for Plain {
    fn go(&mut self, steps: u64) -> u64 {
        const ENERGY: [f64; 2] = [1.0, 0.0];
        let sigma = [1e-2f64, 1e-3].map(|d| (2.0 * d * DT).sqrt());
        for _ in 0..steps {
            for (x, state) in self.position.iter_mut().zip(&mut self.state) {
                let noise: f64 = StandardNormal.sample(&mut self.random);
                *x += sigma[*state] * noise;
                if *x < 0.0 {
                    *x = -*x;
                }
                if *x > 1.0 {
                    *x = 2.0 - *x;
                }
                let rate = (-(1.5 - ENERGY[*state]) / (1.0 + 0.8 * *x)).exp();
                let uniform = (self.random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
                if uniform < rate * DT {
                    *state = 1 - *state;
                }
                let bin = ((*x * BINS as f64) as usize).min(BINS - 1);
                self.histogram[*state][bin] += 1;
            }
        }
        black_box(&self.histogram);
        steps * self.position.len() as u64
    }
}
