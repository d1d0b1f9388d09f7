//! Units in a mean field against the deterministic theory, and against particles that meet.
//!
//! Every statistical test states its alpha, over all that it compares.

use crate::common::{field, note};
use soret::grid::Grid;
use soret::kernel::reactions::{
    MeanField, PairTally, Pairs, Population, ReactionError, Resolution, UnitTally, Units,
};
use soret::kernel::{KernelError, Span};
use soret::model::{Boundary, Equation, Field, Kinetics, Mixture, Motility, Reaction, Species, Uniform, Way};
use soret::rng::{Purpose, Stream, stream};
use soret::stats::t_deviate;
use soret::theory::reaction::{Amounts, Profiles, steady, transient};
use std::sync::Arc;

/// Species with their energy and diffusivity, and reactions with both rate constants, at `T = 1 + 0.8 x`.
fn mixture(species: &[(&str, f64, f64)], reactions: &[(&str, &str, &str)]) -> Mixture {
    let species: Vec<Species> = species.iter().map(|(name, h, d)| Species::new(*name, *h, *d, 1)).collect();
    let read = |(equation, forward, backward): &(&str, &str, &str)| {
        let rate = |k: &str| (k != "0").then(|| field(k));
        let kinetics = Kinetics::Given { forward: rate(forward), backward: rate(backward) };
        let equation = Equation::parse(equation).expect("an equation");
        Reaction::from_equation(&equation, &species, kinetics).expect("known species")
    };
    let reactions = reactions.iter().map(read).collect();
    let mut mixture = Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture");
    mixture.temperature = field("1 + 0.8*x");
    mixture
}

/// Dimers that heat takes apart.
fn dimers(association: &str) -> Mixture {
    let backward = "3*exp(-2/(1 + 0.8*x))";
    mixture(&[("M", 0.5, 0.1), ("D", -1.0, 0.04)], &[("2 M <-> D", association, backward)])
}

/// Enzymes that turn substrate over where it is hot.
fn catalysis() -> Mixture {
    let species = [("E", 0.0, 0.02), ("S", 0.3, 0.1), ("ES", -0.7, 0.01), ("P", 0.0, 0.08)];
    let second = ("ES <-> E + P", "8*exp(-1/(1 + 0.8*x))", "1.5*exp(-0.3/(1 + 0.8*x))");
    mixture(&species, &[("E + S <-> ES", "2", "3*exp(-1/(1 + 0.8*x))"), second])
}

fn uniform(concentrations: &[f64]) -> Vec<Arc<dyn Field>> {
    concentrations.iter().map(|c| -> Arc<dyn Field> { Arc::new(Uniform(*c)) }).collect()
}

fn random(purpose: u64, group: u64) -> Stream {
    stream(purpose, Purpose::Advance, group)
}

/// `z` of the mean of independent groups.
fn deviate(groups: &[f64], expected: f64) -> f64 {
    let n = groups.len() as f64;
    let mean = groups.iter().sum::<f64>() / n;
    let variance = groups.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0) / n;
    t_deviate((mean - expected) / variance.sqrt(), n - 1.0)
}

/// What a group has measured of the steady state.
struct Found {
    c: Vec<Vec<f64>>,
    currents: Vec<Vec<f64>>,
    heat: Vec<f64>,
    rates: Vec<Vec<f64>>,
}

const GROUPS: u64 = 32;
const BINS: usize = 10;

fn steady_groups(mixture: &Mixture, concentrations: &[f64], seed: u64) -> Vec<Found> {
    let method = MeanField::new(mixture, &uniform(concentrations), 10).expect("units");
    let group = |group: u64| {
        let mut random = random(seed, group);
        let mut units = method.start(100, &mut random).expect("units");
        let mut tally = UnitTally::new(&method);
        method.advance(&mut units, 60, Span::Legs(48), &mut random, &mut tally).expect("legs");
        let mut tally = UnitTally::new(&method);
        // Two calls are as good as one.
        for windows in [40, 60] {
            method.advance(&mut units, windows, Span::Legs(48), &mut random, &mut tally).expect("legs");
        }
        assert!(tally.broken().is_empty());
        let heat = tally.heat(BINS).expect("whole cells");
        let currents = tally.currents(BINS).expect("whole cells");
        Found {
            c: tally.concentrations(BINS).expect("whole cells"),
            currents,
            heat,
            rates: tally.rates(BINS).expect("whole cells"),
        }
    };
    (0..GROUPS).map(group).collect()
}

/// Largest deviates of concentrations, currents, heat and rates of ways from a theory.
fn against(found: &[Found], law: &Profiles) -> [f64; 4] {
    let grid = Grid::new(1.0, BINS);
    let (c, heat, rates) = (law.bin_means(&grid), law.heat_absorbed(&grid), law.bin_rates(&grid));
    let mut worst = [0.0f64; 4];
    let z = |of: &dyn Fn(&Found) -> f64, expected: f64| {
        deviate(&found.iter().map(of).collect::<Vec<f64>>(), expected).abs()
    };
    for bin in 0..BINS {
        let currents = law.current_at(0.1 * bin as f64);
        for (s, expected) in currents.into_iter().enumerate() {
            worst[0] = worst[0].max(z(&|f| f.c[s][bin], c[s][bin]));
            if bin > 0 {
                worst[1] = worst[1].max(z(&|f| f.currents[s][bin], expected));
            }
        }
        worst[2] = worst[2].max(z(&|f| f.heat[bin], heat[bin]));
        for (way, rate) in found[0].rates.iter().enumerate().map(|(w, _)| (w, rates[w / 2][bin][w % 2])) {
            worst[3] = worst[3].max(z(&|f| f.rates[way][bin], rate));
        }
    }
    worst
}

fn law(mixture: &Mixture, concentrations: &[f64]) -> steady::Steady {
    let amounts = Amounts::Concentrations(concentrations.to_vec());
    steady::solve(mixture, &amounts, &steady::Options::default()).expect("a law")
}

/// Dimers with constant diffusivities, with frictions at `T(x)` (a clock that varies), and catalysis, which has two kinds
/// of units: concentrations, currents, heat and rates, 68 + 68 + 126 deviates of 32 groups below 6.2 (alpha 1.5e-7).
/// Errors of bins are about 0.4 %, of currents 2 %. The control is the law of units that bind at `k_+ c_1`.
#[test]
fn steady_profiles_follow_the_deterministic_theory() {
    let mut rough = dimers("1");
    let mut species = rough.species().to_vec();
    species[0].motility = Motility::Friction(Arc::new(Uniform(12.0)));
    species[1].motility = Motility::Friction(field("25 + 5*x"));
    let reactions = rough.reactions().to_vec();
    rough = Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture");
    rough.temperature = field("1 + 0.8*x");

    let plain = steady_groups(&dimers("1"), &[1.0, 0.5], 61);
    let cases = [
        ("dimers", &plain, dimers("1"), vec![1.0, 0.5]),
        ("frictions", &steady_groups(&rough, &[1.0, 0.5], 62), rough, vec![1.0, 0.5]),
        (
            "catalysis",
            &steady_groups(&catalysis(), &[0.5, 2.0, 0.3, 0.5], 63),
            catalysis(),
            vec![0.5, 2.0, 0.3, 0.5],
        ),
    ];
    for (name, found, mixture, concentrations) in cases {
        let worst = against(found, law(&mixture, &concentrations).profiles());
        note(format!("{name}: largest |z| of c, J, heat, rates {worst:.2?}"));
        assert!(worst.iter().all(|z| *z < 6.2), "{name}: {worst:?}");
    }
    let control = against(&plain, law(&dimers("0.5"), &[1.0, 0.5]).profiles());
    note(format!("k_+ c_1 for 2 k_+ c_1 is seen at {control:.1?}"));
    assert!(control[0] > 6.2, "{control:?}");
}

/// Concentrations by bin at the present moment, `[species][bin]`, of the only kind.
fn snapshot(units: &Units, content: &[f64], total: f64) -> Vec<Vec<f64>> {
    let walkers = &units.kinds[0];
    let mut c = vec![vec![0.0; BINS]; content.len()];
    for (position, state) in walkers.position.iter().zip(&walkers.state) {
        let s = usize::from(*state);
        c[s][position.cell(BINS)] += total * BINS as f64 / (content[s] * walkers.len() as f64);
    }
    c
}

/// Monomers that begin to pair, at two times against the theory: 2 x 2 x 10 bins and 2 numbers of dimers, 42 deviates of 16
/// groups below 6.4 (alpha 7e-9). Errors are 0.1 % of the number of dimers. Two controls: binding at `k_+ c_1`, and
/// the same time in a single window.
#[test]
fn what_changes_in_time_follows_the_deterministic_theory() {
    const UNITS: u64 = 20_000;
    let times = [0.1, 0.4];
    let start = uniform(&[2.0, 0.0]);
    let solve = |mixture: &Mixture| {
        transient::solve(mixture, &start, &times, &transient::Options::default()).expect("a law")
    };
    let (theory, other) = (solve(&dimers("1")), solve(&dimers("0.5")));
    let method = MeanField::new(&dimers("1"), &start, 20).expect("units");
    let dimers = |c: &[Vec<f64>]| c[1].iter().sum::<f64>() / BINS as f64;
    let (mut found, mut single) = (vec![], vec![]);
    for group in 0..16 {
        let mut random = random(64, group);
        let mut units = method.start(UNITS, &mut random).expect("units");
        let (mut once, mut tally) = (units.clone(), UnitTally::new(&method));
        let mut frames = Vec::new();
        for (windows, duration) in [(8, 0.1 / 8.0), (16, 0.3 / 16.0)] {
            let length = Span::Duration(duration);
            method.advance(&mut units, windows, length, &mut random, &mut tally).expect("legs");
            frames.push(snapshot(&units, &[1.0, 2.0], 2.0));
        }
        found.push(frames);
        let length = Span::Duration(0.4);
        method.advance(&mut once, 1, length, &mut random, &mut UnitTally::new(&method)).expect("legs");
        single.push(dimers(&snapshot(&once, &[1.0, 2.0], 2.0)));
        assert!(tally.broken().is_empty());
    }
    let grid = Grid::new(1.0, BINS);
    let (mut worst, mut control) = (0.0f64, 0.0f64);
    for frame in 0..2 {
        let expected = theory.frames()[frame].bin_means(&grid);
        let column = |of: &dyn Fn(&Vec<Vec<f64>>) -> f64| {
            found.iter().map(|frames| of(&frames[frame])).collect::<Vec<f64>>()
        };
        for (s, bins) in expected.iter().enumerate() {
            for (bin, c) in bins.iter().enumerate() {
                worst = worst.max(deviate(&column(&|f| f[s][bin]), *c).abs());
            }
        }
        let all = column(&|c| dimers(c));
        worst = worst.max(deviate(&all, dimers(&expected)).abs());
        control = control.max(deviate(&all, dimers(&other.frames()[frame].bin_means(&grid))).abs());
    }
    let coarse = deviate(&single, dimers(&theory.frames()[1].bin_means(&grid))).abs();
    note(format!("largest |z| {worst:.2}; k_+ c_1 is seen at {control:.1}, one window at {coarse:.1}"));
    assert!(worst < 6.4, "{worst}");
    assert!(control > 7.0 && coarse > 7.0, "{control} {coarse}");
}

/// The number of dimers after the same time by particles that meet and by units that do not: one deviate of 2 x 16 groups
/// below 7 (alpha 3e-12); seen are 2 %.
#[test]
fn many_particles_and_their_mean_field_agree() {
    const OMEGA: f64 = 2000.0;
    let mixture = dimers("1");
    let resolution = Resolution::automatic(&mixture, &[2.0, 0.5], OMEGA).expect("a resolution");
    let steps = (0.4 / resolution.dt).ceil() as u64;
    let resolution = Resolution::new(resolution.cells, 0.4 / steps as f64);
    let pairs = Pairs::new(&mixture, OMEGA, resolution).expect("steps");
    let method = MeanField::new(&mixture, &uniform(&[2.0, 0.0]), 20).expect("units");
    let differences: Vec<f64> = (0..16)
        .map(|group| {
            let mut random = random(65, group);
            let mut population = Population::uniform(&[4000, 0], &mut random);
            let mut tally = PairTally::new(&mixture, pairs.cells());
            pairs.advance(&mut population, steps, &mut random, &mut tally).expect("steps");
            let mut units = method.start(10_000, &mut random).expect("units");
            let mut tally = UnitTally::new(&method);
            method.advance(&mut units, 20, Span::Duration(0.02), &mut random, &mut tally).expect("legs");
            let bound = units.kinds[0].state.iter().filter(|s| **s == 1).count() as f64;
            population.counts(2)[1] as f64 / OMEGA - bound / 10_000.0
        })
        .collect();
    let z = deviate(&differences, 0.0);
    note(format!("difference of the numbers of dimers: z = {z:.2}"));
    assert!(z.abs() < 7.0, "{z}");
}

/// A run cut in two, saved in between, has the same bits; units stay to the last; integers of both kinds agree.
#[test]
fn units_are_never_lost_and_runs_go_on_with_the_same_bits() {
    let mixture = catalysis();
    let method = MeanField::new(&mixture, &uniform(&[0.5, 2.0, 0.0, 0.0]), 8).expect("units");
    for length in [Span::Legs(20), Span::Duration(0.05)] {
        let mut first = random(66, 0);
        let mut whole = method.start(300, &mut first).expect("units");
        let (mut parts, mut second) = (whole.clone(), first.clone());
        let (mut one, mut two) = (UnitTally::new(&method), UnitTally::new(&method));
        method.advance(&mut whole, 100, length, &mut first, &mut one).expect("legs");
        method.advance(&mut parts, 37, length, &mut second, &mut two).expect("legs");
        let saved = serde_json::to_string(&(&parts, &second)).expect("text");
        (parts, second) = serde_json::from_str(&saved).expect("the same");
        method.advance(&mut parts, 63, length, &mut second, &mut two).expect("legs");
        assert_eq!((&whole, &first, one.turns()), (&parts, &second, two.turns()));
        assert!(one.turns() > 1000);
        assert!(one.broken().is_empty() && two.broken().is_empty());
        for (k, (law, species)) in method.units().enumerate() {
            assert_eq!((law, species.len(), whole.kinds[k].len()), (k, k + 2, 300));
            // Faces: what passed them is what became of the sides.
            let faces = one.crossings(k, 8).expect("whole cells");
            let through: i64 = faces.iter().map(|f| f[4]).sum();
            let left =
                |units: &Units| units.kinds[k].position.iter().filter(|p| p.cell(2) == 0).count() as i64;
            let begun = method.start(300, &mut random(66, 0)).expect("units");
            assert_eq!(through, left(&begun) - left(&whole));
        }
        // Concentrations keep the totals of both laws.
        let c = one.concentrations(1).expect("whole cells");
        assert!((c[0][0] + c[2][0] - 0.5).abs() < 0.1 && (c[1][0] + c[2][0] + c[3][0] - 2.0).abs() < 0.1);
    }
}

#[test]
fn nothing_happens_where_nothing_can() {
    let still = mixture(&[("M", 0.0, 0.1), ("D", 0.0, 0.1)], &[("2 M <-> D", "0", "0")]);
    let run = |mixture: &Mixture, c: &[f64], units: u64, length: Span| {
        let method = MeanField::new(mixture, &uniform(c), 5).expect("units");
        let mut random = random(67, 0);
        let mut all = method.start(units, &mut random).expect("units");
        let mut tally = UnitTally::new(&method);
        method.advance(&mut all, 50, length, &mut random, &mut tally).expect("legs");
        assert!(tally.broken().is_empty());
        assert!(tally.concentrations(5).expect("cells").iter().flatten().all(|c| c.is_finite()));
        assert!(tally.currents(5).expect("cells").iter().flatten().all(|c| c.is_finite()));
        (all, tally.turns())
    };
    for length in [Span::Legs(10), Span::Duration(0.1)] {
        assert_eq!(run(&still, &[1.0, 0.0], 7, length).1, 0);
        // Nobody there; one unit, which meets what is known of itself.
        assert_eq!(run(&dimers("1"), &[0.0, 0.0], 7, length).1, 0);
        assert!(run(&dimers("1"), &[1.0, 0.0], 1, length).1 > 0);
        // Dimers that nobody makes fall apart, and those that nothing takes apart stay.
        let falling = mixture(&[("M", 0.0, 0.1), ("D", 0.0, 0.1)], &[("D -> 2 M", "50", "0")]);
        let (units, turns) = run(&falling, &[0.0, 1.0], 90, length);
        assert_eq!(turns, 90);
        assert!(units.kinds[0].state.iter().all(|s| *s == 0));
        assert_eq!(run(&falling, &[1.0, 0.0], 90, length).1, 0);
        // An enzyme without substrate, and substrate without enzyme.
        assert_eq!(run(&catalysis(), &[1.0, 0.0, 0.0, 0.0], 20, length).1, 0);
        assert_eq!(run(&catalysis(), &[0.0, 1.0, 0.0, 1.0], 20, length).1, 0);
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let new = |mixture: &Mixture, c: &[f64], cells| MeanField::new(mixture, &uniform(c), cells).map(|_| ());
    let open = mixture(&[("A", 0.0, 0.1), ("B", 0.0, 0.1)], &[("0 <-> A", "1", "1")]);
    assert_eq!(new(&open, &[1.0, 0.0], 5), Err(ReactionError::Unconserved { species: "A".into() }));
    let mut ring = dimers("1");
    ring.domain.walls = Boundary::Periodic;
    assert_eq!(new(&ring, &[1.0, 0.0], 5), Err(ReactionError::Ring));
    for (c, cells) in [(&[1.0, 0.0][..], 0), (&[1.0], 5), (&[-1.0, 0.0], 5), (&[f64::NAN, 0.0], 5)] {
        assert!(matches!(new(&dimers("1"), c, cells), Err(ReactionError::Range { .. })), "{c:?} {cells}");
    }
    let negative = new(&dimers("x - 0.5"), &[1.0, 0.0], 5);
    assert!(matches!(negative, Err(ReactionError::RateConstant { forward: true, .. })), "{negative:?}");

    let method = MeanField::new(&dimers("1"), &uniform(&[1.0, 0.0]), 5).expect("units");
    let mut random = random(68, 0);
    assert!(method.start(0, &mut random).is_err());
    let mut units = method.start(10, &mut random).expect("units");
    let mut tally = UnitTally::new(&method);
    for length in [Span::Legs(0), Span::Duration(0.0), Span::Duration(f64::NAN)] {
        let refused = method.advance(&mut units, 1, length, &mut random, &mut tally);
        assert!(matches!(refused, Err(ReactionError::Range { .. })), "{length:?}");
    }
    let nobody = method.advance(&mut Units::default(), 1, Span::Legs(1), &mut random, &mut tally);
    assert!(matches!(nobody, Err(ReactionError::Range { .. })));
    let finer = MeanField::new(&dimers("1"), &uniform(&[1.0, 0.0]), 6).expect("units");
    let mut other = UnitTally::new(&finer);
    assert!(method.advance(&mut units, 1, Span::Legs(1), &mut random, &mut other).is_err());
    assert_eq!((tally.heat(7), tally.rates(0)), (None, None));
    assert_eq!(tally.turns_along(0, Way { reaction: 0, forward: true }), 0);

    let mut species = dimers("1").species().to_vec();
    species[0].motility = Motility::Diffusivity(field("0.1*(1 + x)"));
    let uneven =
        Mixture::new(1.0, Uniform(1.0), species, dimers("1").reactions().to_vec()).expect("a mixture");
    let method = MeanField::new(&uneven, &uniform(&[1.0, 0.0]), 5).expect("units");
    let mut units = method.start(10, &mut random).expect("units");
    let timed = method.advance(&mut units, 1, Span::Duration(0.1), &mut random, &mut UnitTally::new(&method));
    assert_eq!(timed, Err(KernelError::NoElapsedTime.into()));
}
