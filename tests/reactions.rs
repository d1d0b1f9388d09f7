//! Kernels of particles that react against the master equation and the deterministic theory.
//!
//! Every statistical test states its alpha, over all that it compares.

mod common;

use common::note;
use soret::kernel::reactions::{ReactionError, WellMixed};
use soret::model::{Equation, Kinetics, Mixture, Reaction, Species, Uniform};
use soret::rng::{Purpose, Stream, exponential, open_unit, stream};
use soret::stats::chi_squared_survival;
use soret::theory::reaction::Extent;
use std::sync::Arc;

fn given(forward: f64, backward: f64) -> Kinetics {
    let rate =
        |k: f64| -> Option<Arc<dyn soret::model::Field>> { (k > 0.0).then(|| Arc::new(Uniform(k)) as _) };
    Kinetics::Given { forward: rate(forward), backward: rate(backward) }
}

fn mixture(species: &[(&str, f64, u32)], reactions: &[(&str, Kinetics)]) -> Mixture {
    let species: Vec<Species> = species.iter().map(|(name, d, m)| Species::new(*name, 0.0, *d, *m)).collect();
    let read = |(equation, kinetics): &(&str, Kinetics)| {
        let equation = Equation::parse(equation).expect("an equation");
        Reaction::from_equation(&equation, &species, kinetics.clone()).expect("known species")
    };
    let reactions = reactions.iter().map(read).collect();
    Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture")
}

/// `2 M <-> D` with `k_+ = 1` and `k_- = 2`.
fn dimers() -> Mixture {
    mixture(&[("M", 0.04, 1), ("D", 0.01, 2)], &[("2 M <-> D", given(1.0, 2.0))])
}

/// Counts of dimers by a loop that has nothing in common with the kernels; `pairs` gives the number of choices of
/// two monomers.
fn plain(monomers: u64, volume: f64, duration: f64, pairs: fn(f64) -> f64, stream: &mut Stream) -> u64 {
    let (mut n, mut dimers, mut time) = (monomers as f64, 0u64, 0.0);
    loop {
        let up = if n < 2.0 { 0.0 } else { pairs(n) / volume };
        let down = 2.0 * dimers as f64;
        time += exponential(stream.word()) / (up + down);
        if time > duration {
            return dimers;
        }
        if open_unit(stream.word()) * (up + down) < up {
            n -= 2.0;
            dimers += 1;
        } else {
            n += 2.0;
            dimers -= 1;
        }
    }
}

/// Deviates of mean and variance of a sample from those of a law, in standard errors of the law.
fn deviates(extent: &Extent, law: &[f64], sample: &[u64]) -> [f64; 2] {
    let [mean, variance] = extent.moments(law, 1);
    let fourth: f64 =
        law.iter().enumerate().map(|(i, p)| p * (extent.counts_at(i)[1] as f64 - mean).powi(4)).sum();
    let n = sample.len() as f64;
    let found = sample.iter().map(|d| *d as f64).sum::<f64>() / n;
    let spread = sample.iter().map(|d| (*d as f64 - mean).powi(2)).sum::<f64>() / n;
    [
        (found - mean) / (variance / n).sqrt(),
        (spread - variance) / ((fourth - variance * variance) / n).sqrt(),
    ]
}

/// Mean and variance of the number of dimers at three times, 100 and 1000 monomers, table and network: 24
/// deviates, alpha 2e-8 in all with the limit 6.2. Seen are shifts of 6.2/sqrt(runs) standard deviations of the law.
/// The control, `n^2` for `n (n - 1)`, shifts the mean by 1/6 dimer, 0.06 of them for 100 monomers.
#[test]
fn counts_in_time_follow_the_master_equation() {
    let mixture = dimers();
    let mut worst = 0.0f64;
    for (monomers, runs) in [(100, 80_000), (1000, 6_000)] {
        let volume = 0.5 * monomers as f64;
        let extent = Extent::new(&mixture, 0.5, volume, &[monomers, 0]).expect("a line");
        let laws: Vec<Vec<f64>> = [0.05, 0.2, 1.0]
            .map(|t| extent.after(&extent.start(), t, 1e-10).expect("a law").probabilities)
            .into();
        for table in [true, false] {
            let mut random = stream(11, Purpose::Advance, monomers + u64::from(table));
            let mut volume = WellMixed::new(&mixture, 0.5, volume, &[monomers, 0]).expect("a volume");
            if !table {
                volume = volume.without_table();
            }
            let mut samples = vec![Vec::new(); 3];
            for _ in 0..runs {
                volume.restart();
                for (duration, sample) in [0.05, 0.15, 0.8].into_iter().zip(&mut samples) {
                    volume.advance(duration, &mut random).expect("a finite duration");
                    let counts = volume.counts();
                    assert_eq!(counts[0] + 2 * counts[1], monomers);
                    sample.push(counts[1]);
                }
            }
            for (law, sample) in laws.iter().zip(&samples) {
                for z in deviates(&extent, law, sample) {
                    worst = worst.max(z.abs());
                    assert!(z.abs() < 6.2, "{monomers} monomers, table {table}: {z}");
                }
            }
        }
        // The control, seen in the mean at the last time.
        let mut random = stream(12, Purpose::Advance, monomers);
        let wrong = |_| plain(monomers, volume, 1.0, |n| n * n, &mut random);
        let z = deviates(&extent, &laws[2], &(0..runs).map(wrong).collect::<Vec<_>>())[0];
        note(format!("{monomers} monomers: n^2 is seen at {z:.1}"));
        assert!(monomers > 100 || z > 8.0, "{z}");
    }
    note(format!("largest deviate {worst:.2}"));
}

/// p-value of chi^2 of counts against a law, entries pooled to at least ten expected.
fn chi_squared(law: &[f64], found: &[u64]) -> f64 {
    let sum = found.iter().sum::<u64>() as f64;
    let (mut chi2, mut cells, mut pool) = (0.0, 0, [0.0; 2]);
    let mut left = 1.0;
    for (p, n) in law.iter().zip(found) {
        pool[0] += p * sum;
        pool[1] += *n as f64;
        left -= p;
        if pool[0] >= 10.0 && left * sum >= 10.0 {
            chi2 += (pool[1] - pool[0]).powi(2) / pool[0];
            cells += 1;
            pool = [0.0; 2];
        }
    }
    chi2 += (pool[1] - pool[0]).powi(2) / pool[0];
    chi_squared_survival(chi2, f64::from(cells))
}

/// Even and odd numbers of monomers, few and many, at moments ten relaxation times apart. Six p-values
/// above 1e-9 each; the control is `n^2`, seen up to 25 monomers.
#[test]
fn the_stationary_law_is_that_of_detailed_balance() {
    let mixture = dimers();
    for (k, monomers) in [1u64, 2, 3, 25, 100, 101].into_iter().enumerate() {
        let volume = 0.5 * monomers as f64;
        let extent = Extent::new(&mixture, 0.5, volume, &[monomers, 0]).expect("a line");
        let law = extent.stationary().expect("both ways are open");
        let mut random = stream(13, Purpose::Advance, k as u64);
        let mut found = [vec![0u64; law.len()], vec![0u64; law.len()]];
        let mut mixed = WellMixed::new(&mixture, 0.5, volume, &[monomers, 0]).expect("a volume");
        for _ in 0..20_000 {
            mixed.advance(2.0, &mut random).expect("a finite duration");
            found[0][mixed.counts()[1] as usize] += 1;
            found[1][plain(monomers, volume, 2.0, |n| n * n, &mut random) as usize] += 1;
        }
        if monomers > 1 {
            let p = chi_squared(&law, &found[0]);
            assert!(p > 1e-9, "{monomers} monomers: p = {p:e}");
            assert!(monomers > 25 || chi_squared(&law, &found[1]) < 1e-9, "{monomers} monomers: the control");
        } else {
            assert_eq!(found[0], [20_000]);
        }
    }
}

/// `E + S <-> ES -> E + P`: the mean of what the network form does agrees with the master equation of its first
/// step alone where the second is closed; what is conserved stays. alpha 1e-9.
#[test]
fn networks_conserve_what_they_must() {
    let species = [("E", 0.1, 0), ("S", 0.1, 1), ("ES", 0.1, 1), ("P", 0.1, 1)];
    let first = ("E + S <-> ES", given(2.0, 1.0));
    let whole = mixture(&species, &[first.clone(), ("ES -> E + P", given(3.0, 0.0))]);
    let mut random = stream(14, Purpose::Advance, 0);
    let mut volume = WellMixed::new(&whole, 0.5, 10.0, &[7, 40, 0, 0]).expect("a volume");
    let mut events = 0;
    for _ in 0..100 {
        events += volume.advance(0.1, &mut random).expect("a finite duration");
        let n = volume.counts();
        assert_eq!([n[0] + n[2], n[1] + n[2] + n[3]], [7, 40]);
    }
    assert!(events > 40, "{events}");
    // All is turned over in the end, and then nothing happens.
    volume.advance(1e3, &mut random).expect("a finite duration");
    assert_eq!(volume.counts(), [7, 0, 0, 40]);
    assert_eq!(volume.advance(1e300, &mut random), Ok(0));

    let half = mixture(&species, &[first]);
    let extent = Extent::new(&half, 0.5, 10.0, &[7, 40, 0, 0]).expect("a line");
    let law = extent.after(&extent.start(), 0.1, 1e-10).expect("a law").probabilities;
    let mut found = vec![0u64; law.len()];
    let mut volume = WellMixed::new(&half, 0.5, 10.0, &[7, 40, 0, 0]).expect("a volume").without_table();
    for _ in 0..20_000 {
        volume.restart();
        volume.advance(0.1, &mut random).expect("a finite duration");
        found[volume.counts()[2] as usize] += 1;
    }
    let p = chi_squared(&law, &found);
    assert!(p > 1e-9, "{p:e}");
}

#[test]
fn nothing_happens_where_nothing_can() {
    let mut random = stream(15, Purpose::Advance, 0);
    let closed = mixture(&[("M", 0.1, 1), ("D", 0.1, 2)], &[("2 M <-> D", given(0.0, 0.0))]);
    let mut volume = WellMixed::new(&closed, 0.5, 10.0, &[9, 3]).expect("a volume");
    assert_eq!(volume.advance(1e9, &mut random), Ok(0));
    assert_eq!(volume.counts(), [9, 3]);
    for counts in [[0, 0], [1, 0]] {
        for table in [true, false] {
            let mut volume = WellMixed::new(&dimers(), 0.5, 10.0, &counts).expect("a volume");
            volume = if table { volume } else { volume.without_table() };
            assert_eq!(volume.advance(1e9, &mut random), Ok(0));
            assert_eq!(volume.counts(), counts);
        }
    }
    let never =
        WellMixed::new(&dimers(), 0.5, 10.0, &[9, 3]).expect("a volume").advance(f64::NAN, &mut random);
    assert!(matches!(never, Err(ReactionError::Range { .. })));
    assert!(WellMixed::new(&dimers(), 0.5, 0.0, &[9, 3]).is_err());
    assert!(WellMixed::new(&dimers(), 0.5, 1.0, &[9]).is_err());
}
