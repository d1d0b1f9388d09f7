//! Kernels of particles that react against the master equation and the deterministic theory.
//!
//! Every statistical test states its alpha, over all that it compares.

use crate::common::{field, note};
use soret::expression::Expression;
use soret::grid::Grid;
use soret::kernel::reactions::{Limit, PairTally, Pairs, Population, ReactionError, Resolution, WellMixed};
use soret::model::{Boundary, Equation, Field, Kinetics, Mixture, Motility, Reaction, Species, Uniform, Way};
use soret::rng::{Purpose, Stream, exponential, open_unit, standard_normal, stream};
use soret::stats::{chi_squared_survival, t_deviate};
use soret::theory::reaction::{Amounts, Extent, steady};
use std::sync::Arc;

fn given(forward: f64, backward: f64) -> Kinetics {
    let rate = |k: f64| -> Option<Arc<dyn Field>> { (k > 0.0).then(|| Arc::new(Uniform(k)) as _) };
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

/// What a simple simulation of a population does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Right,
    /// Both monomers of a dimer at its place.
    OnePoint,
    /// `n^2` for `n (n - 1)`.
    Squares,
}

/// Steps of the tests of the stationary law, and their length.
const STEPS: u64 = 40;
const STEP: f64 = 0.05;

/// Number of dimers after some steps, by a simulation that has nothing in common with the kernel but the method.
fn simple(start: [u64; 2], cells: usize, volume: f64, rule: Rule, random: &mut Stream) -> u64 {
    let width = 1.0 / cells as f64;
    let mut particles: Vec<(bool, f64)> = Vec::new();
    for (dimer, count) in [(false, start[0]), (true, start[1])] {
        (0..count).for_each(|_| particles.push((dimer, open_unit(random.word()))));
    }
    for _ in 0..STEPS {
        for (dimer, x) in &mut particles {
            let d = if *dimer { 0.01 } else { 0.04 };
            let to = *x + f64::sqrt(2.0 * d * STEP) * standard_normal(random.word());
            let turned = to.rem_euclid(2.0);
            *x = if turned > 1.0 { 2.0 - turned } else { turned };
        }
        for cell in 0..cells {
            let mut time = 0.0;
            loop {
                let here = |dimer: bool| -> Vec<usize> {
                    let inside = |(_, p): &(usize, &(bool, f64))| {
                        p.0 == dimer && ((p.1 / width) as usize).min(cells - 1) == cell
                    };
                    particles.iter().enumerate().filter(inside).map(|(i, _)| i).collect()
                };
                let (mut monomers, dimers) = (here(false), here(true));
                let n = monomers.len() as f64;
                let choices = if rule == Rule::Squares { n * n } else { n * (n - 1.0) };
                let up = if n < 2.0 { 0.0 } else { choices / (volume * width) };
                let down = 2.0 * dimers.len() as f64;
                if up + down == 0.0 {
                    break;
                }
                time += exponential(random.word()) / (up + down);
                if time > STEP {
                    break;
                }
                let mut unit = || open_unit(random.word());
                if unit() * (up + down) < up {
                    let a = monomers.swap_remove((unit() * n) as usize);
                    let b = monomers[(unit() * (n - 1.0)) as usize];
                    particles[a].0 = true;
                    particles.remove(b);
                } else {
                    let a = dimers[(unit() * dimers.len() as f64) as usize];
                    particles[a].0 = false;
                    let there = (cell as f64 + unit()) * width;
                    let x = if rule == Rule::OnePoint { particles[a].1 } else { there };
                    particles.push((false, x));
                }
            }
        }
    }
    particles.iter().filter(|p| p.0).count() as u64
}

/// Counts dealt from the exact stationary law, the index of its entry by inversion.
fn dealt(extent: &Extent, law: &[f64], random: &mut Stream) -> [u64; 2] {
    let mut goal = open_unit(random.word());
    let entry = law.iter().position(|p| {
        goal -= p;
        goal < 0.0
    });
    let counts = extent.counts_at(entry.unwrap_or(law.len() - 1));
    [counts[0], counts[1]]
}

/// Uniform temperature: the exact law of the total number stays what it is, whatever the cells. Samples are independent:
/// each begins with counts from that law and uniform places, which is the whole stationary law. Seven p-values above
/// 1e-9; wrong rules are seen at it.
#[test]
fn total_numbers_do_not_depend_on_cells() {
    let mixture = dimers();
    for monomers in [24, 25] {
        let volume = 0.5 * monomers as f64;
        let extent = Extent::new(&mixture, 0.5, volume, &[monomers, 0]).expect("a line");
        let law = extent.stationary().expect("both ways are open");
        for cells in [1, 4, 16] {
            let pairs = Pairs::new(&mixture, volume, Resolution::new(cells, STEP)).expect("steps");
            let mut tally = PairTally::new(&mixture, cells);
            let mut random = stream(21, Purpose::Advance, 100 * monomers + cells as u64);
            let mut found = vec![0; law.len()];
            for _ in 0..8000 {
                let start = dealt(&extent, &law, &mut random);
                let mut population = Population::uniform(&start, &mut random);
                pairs.advance(&mut population, STEPS, &mut random, &mut tally).expect("steps");
                assert_eq!(population.totals(&mixture), [monomers as i64]);
                found[population.counts(2)[1] as usize] += 1;
            }
            assert!(tally.broken(&mixture).is_empty());
            let p = chi_squared(&law, &found);
            note(format!("{monomers} monomers, {cells} cells: p = {p:.3}"));
            assert!(p > 1e-9, "{monomers} monomers, {cells} cells: p = {p:e}");
        }
    }
    // The controls: few particles, because it is those of one dimer that meet again.
    let volume = 1.0;
    let extent = Extent::new(&mixture, 0.5, volume, &[6, 0]).expect("a line");
    let law = extent.stationary().expect("both ways are open");
    for (rule, runs) in [(Rule::Right, 40_000), (Rule::OnePoint, 120_000), (Rule::Squares, 10_000)] {
        let mut random = stream(22, Purpose::Advance, rule as u64);
        let mut found = vec![0; law.len()];
        for _ in 0..runs {
            let start = dealt(&extent, &law, &mut random);
            found[simple(start, 8, volume, rule, &mut random) as usize] += 1;
        }
        let p = chi_squared(&law, &found);
        note(format!("{rule:?}: p = {p:e}"));
        assert_eq!(p > 1e-9, rule == Rule::Right, "{rule:?}: p = {p:e}");
    }
}

/// Dimers that heat takes apart, `K_d = 3 exp(-2/T)`, `T = 1 + 0.8 x`.
fn heated(diffusivities: [f64; 2], rate: f64) -> Mixture {
    let mut species = vec![Species::new("M", 0.5, 1.0, 1), Species::new("D", -1.0, 1.0, 2)];
    species
        .iter_mut()
        .zip(diffusivities)
        .for_each(|(s, d)| s.motility = Motility::Diffusivity(Arc::new(Uniform(d))));
    let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(rate)), prefactor: 3.0 };
    let temperature = Expression::parse("1 + 0.8*x", &["x"], &[]).expect("a temperature");
    Mixture::new(1.0, temperature, species, vec![Reaction::new(&[0, 0], &[1], kinetics)]).expect("a mixture")
}

/// `z` of the mean of independent groups.
fn deviate(groups: &[f64], expected: f64) -> f64 {
    let n = groups.len() as f64;
    let mean = groups.iter().sum::<f64>() / n;
    let variance = groups.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0) / n;
    t_deviate((mean - expected) / variance.sqrt(), n - 1.0)
}

/// Concentrations, the flat sum `D_1 c_1 + 2 D_2 c_2`, currents, and heat in a gradient against the deterministic theory:
/// 10 bins of two species, 10 contrasts, 9 faces of two species, 10 heats, 58 deviates below 6.2 (alpha 4e-8) of 32
/// groups; errors of bins are about 1 %, and the biases of cells, step and finite numbers below what is seen.
#[test]
fn profiles_in_a_gradient_follow_the_deterministic_theory() {
    const GROUPS: u64 = 32;
    let diffusivities = [0.1, 0.04];
    let mixture = heated(diffusivities, 1.0);
    let omega = 200.0;
    let law =
        steady::solve(&mixture, &Amounts::Totals(vec![2.0]), &steady::Options::default()).expect("a law");
    let grid = Grid::new(1.0, 10);
    let automatic = Resolution::automatic(&mixture, &[1.0, 0.5], omega).expect("a resolution");
    assert_eq!(automatic.limit, Limit::Reactions);
    let resolution = Resolution::new(automatic.cells.next_multiple_of(10), automatic.dt);
    let pairs = Pairs::new(&mixture, omega, resolution).expect("steps");
    let time = |t: f64| (t / pairs.dt()) as u64;
    let (mut c, mut flows, mut heats) = (vec![], vec![], vec![]);
    let mut events = 0;
    for group in 0..GROUPS {
        let mut random = stream(31, Purpose::Advance, group);
        let mut population = Population::uniform(&[200, 100], &mut random);
        let mut tally = PairTally::new(&mixture, pairs.cells());
        // Five times the slowest relaxation time, 1/(pi^2 0.05).
        pairs.advance(&mut population, time(10.0), &mut random, &mut tally).expect("steps");
        let mut tally = PairTally::new(&mixture, pairs.cells());
        let mut duration = 0.0;
        for _ in 0..2 {
            pairs.advance(&mut population, time(10.0), &mut random, &mut tally).expect("steps");
            duration += time(10.0) as f64 * pairs.dt();
        }
        assert!(tally.broken(&mixture).is_empty());
        assert_eq!(population.totals(&mixture), [400]);
        c.push(tally.concentrations(&grid, omega).expect("bins of whole cells"));
        let current = |n: &i64| *n as f64 / (omega * duration);
        let crossings = tally.crossings(&mixture, 10).expect("bins of whole cells");
        let of = |faces: &Vec<i64>| faces.iter().map(current).collect();
        flows.push(crossings.iter().map(of).collect::<Vec<Vec<f64>>>());
        let heat = tally.heat(&mixture, 10).expect("bins of whole cells");
        heats.push(heat.iter().map(|q| q / (omega * duration * 0.1)).collect::<Vec<f64>>());
        events += tally.events(Way { reaction: 0, forward: true });
    }
    let theory = law.profiles().bin_means(&grid);
    let absorbed = law.profiles().heat_absorbed(&grid);
    let mut worst = [0.0f64; 4];
    for bin in 0..10 {
        let column = |of: &dyn Fn(usize) -> f64| (0..GROUPS as usize).map(of).collect::<Vec<f64>>();
        for species in 0..2 {
            let z = deviate(&column(&|g| c[g][species][bin]), theory[species][bin]);
            worst[0] = worst[0].max(z.abs());
            if bin > 0 {
                let expected = law.profiles().current_at(0.1 * bin as f64)[species];
                let z = deviate(&column(&|g| flows[g][species][bin]), expected);
                worst[2] = worst[2].max(z.abs());
            }
        }
        let sum = |g: usize, b: usize| diffusivities[0] * c[g][0][b] + 2.0 * diffusivities[1] * c[g][1][b];
        let contrast = |g: usize| sum(g, bin) - (0..10).map(|b| sum(g, b)).sum::<f64>() / 10.0;
        worst[1] = worst[1].max(deviate(&column(&contrast), 0.0).abs());
        worst[3] = worst[3].max(deviate(&column(&|g| heats[g][bin]), absorbed[bin]).abs());
    }
    note(format!("{resolution:?}, {events} events, largest |z|: c, flat, J, heat {worst:.2?}"));
    assert!(worst.iter().all(|z| *z < 6.2), "{worst:?}");
    // The control: the same bins against the law of 5 % more particles.
    let other =
        steady::solve(&heated(diffusivities, 1.0), &Amounts::Totals(vec![2.1]), &steady::Options::default());
    let other = other.expect("a law").profiles().bin_means(&grid);
    let z = |bin: usize| deviate(&c.iter().map(|c| c[1][bin]).collect::<Vec<f64>>(), other[1][bin]).abs();
    let seen = (0..10).map(z).fold(0.0, f64::max);
    note(format!("a total 5 % higher is seen at {seen:.1}"));
    assert!(seen > 6.2, "{seen}");
}

/// So many reactions of one population; integers.
fn conserved(most: u64) {
    let mixture = heated([0.1, 0.04], 500.0);
    let pairs = Pairs::new(&mixture, 1000.0, Resolution::new(20, 1e-3)).expect("steps");
    let mut random = stream(41, Purpose::Advance, 0);
    let mut population = Population::uniform(&[1001, 500], &mut random);
    let mut tally = PairTally::new(&mixture, 20);
    let way = |forward| Way { reaction: 0, forward };
    let mut events = 0;
    while events < most {
        pairs.advance(&mut population, 1000, &mut random, &mut tally).expect("steps");
        assert_eq!(population.totals(&mixture), [2001]);
        assert!(tally.broken(&mixture).is_empty());
        events = tally.events(way(true)) + tally.events(way(false));
    }
    note(format!("{events} reactions, {:?} particles", population.counts(2)));
}

#[test]
fn what_is_conserved_stays_to_the_last_particle() {
    conserved(10_000_000);
}

/// For minutes: `cargo test --release --test engine reactions:: -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn what_is_conserved_stays_over_a_thousand_million_reactions() {
    conserved(1_000_000_000);
}

/// Open systems, catalysts, frictions of temperature, nothing at all.
#[test]
fn populations_come_and_go() {
    // 0 <-> A: Poisson with the mean k_+/k_- omega = 60, whatever moves; alpha 1e-9.
    let open = mixture(&[("A", 0.05, 1)], &[("0 <-> A", given(3.0, 1.0))]);
    let pairs = Pairs::new(&open, 20.0, Resolution::new(5, 0.1)).expect("steps");
    let mut random = stream(51, Purpose::Advance, 0);
    let mut found = vec![0u64; 200];
    let mut tally = PairTally::new(&open, 5);
    let mut population = Population::default();
    for _ in 0..4000 {
        pairs.advance(&mut population, 120, &mut random, &mut tally).expect("steps");
        found[population.at.len()] += 1;
    }
    let mut poisson = vec![f64::exp(-60.0)];
    (1..200).for_each(|n| poisson.push(poisson[n - 1] * 60.0 / n as f64));
    let p = chi_squared(&poisson, &found);
    assert!(p > 1e-9, "{p:e}");
    assert!(tally.broken(&open).is_empty());
    assert_eq!((tally.crossings(&open, 0), tally.heat(&open, 2)), (None, None));

    // An enzyme at a place keeps it, and what it works on too.
    let still =
        mixture(&[("E", 1e-30, 0), ("S", 1e-30, 1), ("P", 1e-30, 1)], &[("E + S -> E + P", given(9.0, 0.0))]);
    let pairs = Pairs::new(&still, 1.0, Resolution::new(2, 0.5)).expect("steps");
    let mut population = Population::default();
    [(0, 0.1), (1, 0.2), (1, 0.3), (1, 0.8)].iter().for_each(|(s, x)| population.push(*s, *x));
    let mut tally = PairTally::new(&still, 2);
    pairs.advance(&mut population, 100, &mut random, &mut tally).expect("steps");
    let mut places: Vec<(u16, f64)> = population
        .species
        .iter()
        .zip(&population.at)
        .map(|(s, at)| (*s, (at.fraction() * 1e6).round()))
        .collect();
    places.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    assert_eq!(places, [(0, 1e5), (1, 8e5), (2, 2e5), (2, 3e5)]);
    assert_eq!(tally.events(Way { reaction: 0, forward: true }), 2);

    // Nobody there; nothing asked for; what cannot be done.
    let mut nobody = Population::default();
    pairs.advance(&mut nobody, 10, &mut random, &mut tally).expect("steps");
    assert!(nobody.at.is_empty());
    let mut stranger = Population::default();
    stranger.push(3, 0.5);
    assert!(pairs.advance(&mut stranger, 1, &mut random, &mut tally).is_err());
    assert!(pairs.advance(&mut nobody, 1, &mut random, &mut PairTally::new(&still, 3)).is_err());
    assert!(Pairs::new(&still, 1.0, Resolution::new(0, 0.5)).is_err());
    assert!(Pairs::new(&still, 1.0, Resolution::new(2, f64::NAN)).is_err());
    let mut ring = still.clone();
    ring.domain.walls = Boundary::Periodic;
    assert_eq!(Pairs::new(&ring, 1.0, Resolution::new(2, 0.5)).unwrap_err(), ReactionError::Ring);
    let mut species = still.species().to_vec();
    species[0].motility = Motility::Friction(field("1 + x"));
    let rough = Mixture::new(1.0, Uniform(1.0), species, vec![]).expect("a mixture");
    let refused = Pairs::new(&rough, 1.0, Resolution::new(2, 0.5)).unwrap_err();
    assert!(matches!(refused, ReactionError::Friction { .. }));
}
