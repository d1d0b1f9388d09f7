//! Cost of a reaction and of a particle's step against the loop that a physicist writes in an afternoon.
//!
//! `cargo bench --bench reactions` prints nanoseconds per event or per particle and step as the median, least
//! and largest of interleaved rounds, and the ratio to the reference *of the same round* (median). One thread.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use soret::kernel::reactions::{PairTally, Pairs, Population, Resolution, WellMixed};
use soret::model::{Kinetics, Mixture, Reaction, Species, Uniform};
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
    Ok(())
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
