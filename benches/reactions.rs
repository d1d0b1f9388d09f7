//! Cost of a reaction and of a particle's step against the loop that a physicist writes in an afternoon.
//!
//! `cargo bench --bench reactions` prints nanoseconds per event or per particle and step as the median, least
//! and largest of interleaved rounds, and the ratio to the reference *of the same round* (median). One thread.
//!
//! Then what precision costs in the steady state of dimers in a gradient: variance over groups times their time, for pairs
//! and for units in a mean field, and the ratio. A variance from 32 groups is known to 25 %.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use soret::grid::Grid;
use soret::kernel::Span;
use soret::kernel::reactions::{
    MeanField, PairTally, Pairs, Population, Resolution, UnitTally, Units, WellMixed,
};
use soret::model::{Field, Function, Kinetics, Mixture, Reaction, Species, Uniform};
use soret::rng::{Purpose, Stream, stream};
use std::hint::black_box;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

/// Monomers, if all were free.
const MONOMERS: u64 = 1000;

fn main() -> io::Result<()> {
    // `cargo bench` says so; anything else (a test run over all targets) only wants to see it work.
    let measured = std::env::args().any(|a| a == "--bench");
    let (rounds, amount) = if measured { (41, 1.0) } else { (1, 1e-3) };

    let mut cases: Vec<(&str, Box<dyn Case>)> = vec![
        ("plain loop, 2 P <-> P2, event (reference)", Box::new(Plain::new())),
        ("well mixed, 2 P <-> P2, table, event", Box::new(Mixed::new(&dimers(), &[MONOMERS, 0], true))),
        ("well mixed, 2 P <-> P2, network, event", Box::new(Mixed::new(&dimers(), &[MONOMERS, 0], false))),
        (
            "well mixed, E + S <-> ES <-> E + P, event",
            Box::new(Mixed::new(&catalysis(), &[200, 800, 0, 0], true)),
        ),
        ("population, 10 a cell, particle and step", Box::new(Crowd::new(0.1))),
        ("population, hardly any reaction, the same", Box::new(Crowd::new(1e-6))),
    ];
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..=rounds {
        for ((_, case), times) in cases.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            let done = case.go(amount);
            let nanoseconds = begun.elapsed().as_secs_f64() * 1e9 / done.max(1) as f64;
            // The first round warms caches and branch predictors.
            if round > 0 {
                times.push(nanoseconds);
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{:<45} {:>8} {:>8} {:>8} {:>7}", "ns", "median", "min", "max", "ratio")?;
    for ((name, _), series) in cases.iter().zip(&times) {
        let ratios: Vec<f64> = series.iter().zip(&times[0]).map(|(t, reference)| t / reference).collect();
        let (low, middle, high) = order(series);
        let ratio = order(&ratios).1;
        writeln!(out, "{name:<45} {middle:>8.2} {low:>8.2} {high:>8.2} {ratio:>7.2}")?;
    }
    windows(measured, &mut out)?;
    precision(measured, &mut out)
}

/// Nanoseconds of a leg in a mean field, tables included, without lanes and with them.
fn windows(measured: bool, out: &mut impl io::Write) -> io::Result<()> {
    let (rounds, amount) = if measured { (21, 1.0) } else { (1, 1e-3) };
    writeln!(out, "{:<45} {:>8} {:>8} {:>7}", "mean field, ns per leg", "without", "lanes", "ratio")?;
    let legs = |n| (format!("{n} legs"), Span::Legs(n));
    let timed = |t| (format!("a time of {t}"), Span::Duration(t));
    for (units, (length, window)) in [
        (20, legs(24)),
        (200, legs(24)),
        (200, legs(96)),
        (200, legs(256)),
        (2000, legs(96)),
        (200, timed(0.3)),
        (200, timed(3.0)),
        (5000, timed(0.3)),
    ] {
        let mut cases = [false, true].map(|lanes| Windows::new(units, window, lanes));
        let mut times = [const { Vec::new() }; 2];
        for round in 0..=rounds {
            for (case, times) in cases.iter_mut().zip(&mut times) {
                let begun = Instant::now();
                let done = case.go(amount);
                if round > 0 {
                    times.push(begun.elapsed().as_secs_f64() * 1e9 / done.max(1) as f64);
                }
            }
        }
        let ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(without, with)| without / with).collect();
        let name = format!("{units} units, windows of {length}");
        let [without, with, ratio] = [&times[0], &times[1], &ratios].map(|series| order(series).1);
        writeln!(out, "{name:<45} {without:>8.2} {with:>8.2} {ratio:>7.2}")?;
    }
    Ok(())
}

/// Variance times seconds of the mean concentration of dimers and of their current in the middle, by both methods.
fn precision(measured: bool, out: &mut impl io::Write) -> io::Result<()> {
    let (groups, amount) = if measured { (32, 1.0) } else { (2, 1e-2) };
    writeln!(out, "{:<45} {:>12} {:>12}", "variance of a group times seconds", "mean c_2", "J_2(1/2)")?;
    for rate in [1.0, 10.0] {
        let mixture = heated(rate);
        let mut costs = Vec::new();
        for (name, go) in [("pairs", meeting as fn(&Mixture, f64, u64) -> [f64; 2]), ("mean field", alone)] {
            let begun = Instant::now();
            let found: Vec<[f64; 2]> = (0..groups).map(|group| go(&mixture, amount, group)).collect();
            let seconds = begun.elapsed().as_secs_f64() / groups as f64;
            let cost = [0, 1].map(|k| {
                let mean = found.iter().map(|f| f[k]).sum::<f64>() / groups as f64;
                let squares = found.iter().map(|f| (f[k] - mean).powi(2)).sum::<f64>();
                squares / (groups - 1) as f64 * seconds
            });
            writeln!(out, "{:<45} {:>12.2e} {:>12.2e}", format!("{name}, k_+ = {rate}"), cost[0], cost[1])?;
            costs.push(cost);
        }
        let ratio = [0, 1].map(|k| costs[0][k] / costs[1][k]);
        writeln!(out, "{:<45} {:>12.0} {:>12.0}", "pairs over mean field", ratio[0], ratio[1])?;
    }
    Ok(())
}

/// Dimers that heat takes apart, `K_d = 3 exp(-1.5/T)`, `T = 1 + 0.8 x`.
fn heated(rate: f64) -> Mixture {
    let species = vec![Species::new("M", 0.25, 0.1, 1), Species::new("D", -1.0, 0.04, 2)];
    let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(rate)), prefactor: 3.0 };
    let temperature = Function::lipschitz(|x| 1.0 + 0.8 * x, 0.8);
    Mixture::new(1.0, temperature, species, vec![Reaction::new(&[0, 0], &[1], kinetics)]).expect("a mixture")
}

/// A group of particles that meet.
fn meeting(mixture: &Mixture, amount: f64, group: u64) -> [f64; 2] {
    const OMEGA: f64 = 200.0;
    let random = &mut stream(2, Purpose::Advance, group);
    let fine = Resolution::automatic(mixture, &[1.0, 0.5], OMEGA).expect("a resolution");
    let pairs = Pairs::new(mixture, OMEGA, Resolution::new(fine.cells.next_multiple_of(2), fine.dt));
    let pairs = pairs.expect("steps");
    let mut population = Population::uniform(&[200, 100], random);
    let mut found = [0.0; 2];
    // The first to forget the start.
    for time in [5.0 * amount, 10.0 * amount] {
        let steps = (time / pairs.dt()).ceil();
        let mut tally = PairTally::new(mixture, pairs.cells());
        pairs.advance(&mut population, steps as u64, random, &mut tally).expect("steps");
        let duration = steps * pairs.dt();
        let c = tally.concentrations(&Grid::new(1.0, 1), OMEGA).expect("whole cells");
        let passed = tally.crossings(mixture, 2).expect("whole cells")[1][1];
        found = [c[1][0], passed as f64 / (OMEGA * duration)];
    }
    found
}

/// A group of units that do not.
fn alone(mixture: &Mixture, amount: f64, group: u64) -> [f64; 2] {
    let random = &mut stream(3, Purpose::Advance, group);
    let start: [Arc<dyn Field>; 2] = [Arc::new(Uniform(1.0)), Arc::new(Uniform(0.5))];
    let method = MeanField::new(mixture, &start, 20).expect("units");
    let mut units: Units = method.start(200, random).expect("units");
    let mut found = [0.0; 2];
    for windows in [50.0 * amount, 100.0 * amount] {
        let mut tally = UnitTally::new(&method);
        method.advance(&mut units, windows.ceil() as u64, Span::Legs(128), random, &mut tally).expect("legs");
        let c = tally.concentrations(1).expect("whole cells");
        found = [c[1][0], tally.currents(2).expect("whole cells")[1][1]];
    }
    found
}

/// Least, median and largest.
fn order(series: &[f64]) -> (f64, f64, f64) {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}

/// Something that is timed; returns how many events or steps of particles were done.
trait Case {
    fn go(&mut self, amount: f64) -> u64;
}

fn given(forward: f64, backward: f64) -> Kinetics {
    Kinetics::Given { forward: Some(Arc::new(Uniform(forward))), backward: Some(Arc::new(Uniform(backward))) }
}

fn dimers() -> Mixture {
    let species = vec![Species::new("P", 0.0, 0.01, 1), Species::new("P2", 0.0, 0.005, 2)];
    let reactions = vec![Reaction::new(&[0, 0], &[1], given(1.0, 1.0))];
    Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture")
}

fn catalysis() -> Mixture {
    let species = ["E", "S", "ES", "P"].map(|name| Species::new(name, 0.0, 0.01, 1)).to_vec();
    let reactions =
        vec![Reaction::new(&[0, 1], &[2], given(1.0, 1.0)), Reaction::new(&[2], &[0, 3], given(1.0, 1.0))];
    Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture")
}

/// Gillespie's method as it stands in textbooks, with a library's logarithm.
struct Plain {
    monomers: f64,
    dimers: f64,
    random: Xoshiro256PlusPlus,
}

impl Plain {
    fn new() -> Self {
        Plain { monomers: MONOMERS as f64, dimers: 0.0, random: Xoshiro256PlusPlus::seed_from_u64(1) }
    }
}

impl Case for Plain {
    fn go(&mut self, amount: f64) -> u64 {
        let (duration, volume) = (200.0 * amount, MONOMERS as f64);
        let (mut time, mut events) = (0.0, 0);
        loop {
            let up = self.monomers * (self.monomers - 1.0) / volume;
            let total = up + self.dimers;
            let (first, second): (f64, f64) = (self.random.random(), self.random.random());
            time -= (1.0 - first).ln() / total;
            if time > duration {
                return events;
            }
            if second * total < up {
                self.monomers -= 2.0;
                self.dimers += 1.0;
            } else {
                self.monomers += 2.0;
                self.dimers -= 1.0;
            }
            events += 1;
        }
    }
}

struct Mixed {
    volume: WellMixed,
    random: Stream,
}

impl Mixed {
    fn new(mixture: &Mixture, counts: &[u64], table: bool) -> Self {
        let volume = WellMixed::new(mixture, 0.5, MONOMERS as f64, counts).expect("a volume");
        let volume = if table { volume } else { volume.without_table() };
        Mixed { volume, random: stream(1, Purpose::Advance, 0) }
    }
}

impl Case for Mixed {
    fn go(&mut self, amount: f64) -> u64 {
        let events = self.volume.advance(200.0 * amount, &mut self.random).expect("a finite duration");
        black_box(self.volume.counts());
        events
    }
}

/// Units in the mean field of dimers that heat takes apart, on 20 cells, window after window.
struct Windows {
    method: MeanField,
    units: Units,
    window: Span,
    tally: UnitTally,
    random: Stream,
}

impl Windows {
    fn new(units: u64, window: Span, lanes: bool) -> Self {
        let random = &mut stream(4, Purpose::Advance, 0);
        let start: [Arc<dyn Field>; 2] = [Arc::new(Uniform(1.0)), Arc::new(Uniform(0.5))];
        let method = MeanField::new(&heated(1.0), &start, 20).expect("units");
        let units = method.start(units, random).expect("units");
        let tally = UnitTally::new(&method);
        let method = if lanes { method } else { method.at_most(None) };
        Windows { method, units, window, tally, random: random.clone() }
    }
}

impl Case for Windows {
    fn go(&mut self, amount: f64) -> u64 {
        let Windows { method, units, window, tally, random } = self;
        let before = tally.legs();
        method.advance(units, (20.0 * amount).ceil() as u64, *window, random, tally).expect("legs");
        tally.legs() - before
    }
}

/// A population of dimers.
struct Crowd {
    pairs: Pairs,
    population: Population,
    tally: PairTally,
    random: Stream,
}

impl Crowd {
    /// Of about `rate` reactions per particle and step.
    fn new(rate: f64) -> Self {
        const CELLS: usize = 200;
        let mixture = dimers();
        let random = &mut stream(1, Purpose::Start, 0);
        let pairs = Pairs::new(&mixture, 1500.0, Resolution::new(CELLS, rate)).expect("steps");
        let population = Population::uniform(&[1000, 1000], random);
        Crowd { pairs, population, tally: PairTally::new(&mixture, CELLS), random: random.clone() }
    }
}

impl Case for Crowd {
    fn go(&mut self, amount: f64) -> u64 {
        let steps = (200.0 * amount).max(1.0) as u64;
        let Crowd { pairs, population, tally, random } = self;
        pairs.advance(population, steps, random, tally).expect("steps");
        steps * population.at.len() as u64
    }
}
