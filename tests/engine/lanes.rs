//! Exact legs in vector lanes: the same bits with any instructions and any number of threads, the same law as the
//! scalar kernel, integers that add up.

use super::lane_models::{driven, five_states};
use crate::common;
use crate::common::*;
use soret::ensemble::{Control, Ensemble, Group, GroupRunner, Plan};
use soret::event::{Occupancy, Profile, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Exact, Instructions, Kernel, Lanes, Span};
use soret::model::{Boundary, Edge, Model, Motility, Network, State};
use soret::rng::{Purpose, stream};

fn lanes(model: &Model, grid: &Grid) -> Lanes {
    Lanes::new(model, grid).expect("bounds").expect("constant diffusivities between walls")
}

fn models() -> [(&'static str, Model); 4] {
    let lonely = model("1 + 0.8*x", &[(0.3, 1e-2)], &[]);
    [("two", two_states()), ("five", five_states()), ("driven", driven()), ("lonely", lonely)]
}

/// Walkers and stream of a group after some spans, its counts, and heat and work.
fn after(kernel: &Lanes, model: &Model, grid: &Grid, n: usize, spans: &[u64]) -> [String; 2] {
    let mut random = stream(3, Purpose::Start, 0);
    let mut walkers = start(kernel, model, grid, &Start::LocalEquilibrium, true, n, &mut random);
    let mut random = stream(3, Purpose::Advance, 0);
    let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), grid);
    for legs in spans {
        kernel.advance(&mut walkers, Span::Legs(*legs), &mut random, &mut profile).expect("bounds");
    }
    profile.flush();
    let visits: Vec<_> = (0..kernel.states()).map(|s| profile.visits(s)).collect();
    let passages: Vec<_> = model.network.channels().map(|c| profile.passages(c.index)).collect();
    let counts = format!("{walkers:?} {random:?} {visits:?} {passages:?}");
    [counts, format!("{:?} {:?}", profile.heat(), profile.work())]
}

#[test]
fn the_same_bits_with_any_instructions() {
    let grid = Grid::new(1.0, 20);
    for (name, model) in models() {
        for n in [1, 64, 150] {
            let bits = |most| after(&lanes(&model, &grid).at_most(most), &model, &grid, n, &[203]);
            let widest = bits(Instructions::Avx512);
            assert!(widest == bits(Instructions::Avx2), "{name}, {n} walkers");
            assert!(widest == bits(Instructions::Common), "{name}, {n} walkers");
        }
        // Negative control: one leg more is seen.
        let kernel = lanes(&model, &grid);
        assert!(after(&kernel, &model, &grid, 64, &[203]) != after(&kernel, &model, &grid, 64, &[204]));
    }
}

#[test]
fn cutting_the_span_of_a_block_changes_nothing() {
    // Sums of heat are floats, which may round differently.
    let grid = Grid::new(1.0, 20);
    for (name, model) in models() {
        let kernel = lanes(&model, &grid);
        let [whole, _] = after(&kernel, &model, &grid, 50, &[301]);
        assert!(whole == after(&kernel, &model, &grid, 50, &[4, 1, 2, 94, 200])[0], "{name}");
    }
}

fn finished(runner: &dyn GroupRunner, threads: usize) -> Vec<Group> {
    let plan = Plan {
        particles: 5 * 150,
        groups: 5,
        span: Span::Legs(500),
        burn_in: 100.0,
        rounds: 3,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed: 5,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| {
        let mut ensemble = Ensemble::begin(runner, &plan, &|_| ()).expect("bounds");
        ensemble.run(&|_| (), &mut |_| Control::Continue).expect("bounds");
        ensemble.into_groups()
    })
}

#[test]
fn the_same_bits_on_any_number_of_threads_and_from_paper() {
    let grid = Grid::new(1.0, 20);
    for (name, model) in models() {
        let runner = pair(lanes(&model, &grid), &model, &grid);
        let text = |groups: &[Group]| serde_json::to_string(groups).expect("plain data");
        let one = finished(runner.as_ref(), 1);
        assert!(text(&one) == text(&finished(runner.as_ref(), 3)), "{name}");
        // Written down and read again, a group goes on with the same bits.
        let mut group = one[4].clone();
        let mut copy: Group =
            serde_json::from_str(&text(&one[4..])[1..text(&one[4..]).len() - 1]).expect("a group");
        for group in [&mut group, &mut copy] {
            runner.advance(group, Span::Legs(77)).expect("bounds");
        }
        assert!(text(&[group]) == text(&[copy]), "{name}");
    }
}

#[test]
fn integers_add_up() {
    let grid = Grid::new(1.0, 20);
    for (name, model) in models() {
        let kernel = lanes(&model, &grid);
        // From places off the coarse lattice: no burn-in.
        let size = Size { particles: 700, groups: 2, legs: 400, seed: 6 };
        let runner = pair(kernel, &model, &grid);
        let plan = Plan { burn_in: 0.0, rounds: 3, ..plan(runner.as_ref(), &model, &grid, false, size) };
        let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds");
        assert_eq!(finished.broken(), Vec::<&str>::new(), "{name}");
        for group in &finished.groups {
            let states = 0..model.network.states().len();
            let visits: u64 = states.clone().map(|s| group.profile.visits(s).iter().sum::<u64>()).sum();
            assert_eq!(visits, 350 * 400);
            let closing = Occupancy::of(&group.walkers, states.len(), &grid);
            for s in states {
                // Walkers in a state change by those who come less those who go.
                let all = |o: &Occupancy| o.state(s).iter().sum::<u64>() as i64;
                let through = |way: fn(&soret::model::Channel) -> usize| -> i64 {
                    let channels = model.network.channels().filter(|c| way(c) == s);
                    channels.map(|c| group.profile.passages(c.index).iter().sum::<u64>() as i64).sum()
                };
                let change = through(|c| c.to) - through(|c| c.from);
                assert_eq!(all(&closing) - all(&group.opening), change, "{name}");
            }
        }
    }
}

/// Of each channel how far the number of transitions is from `sum visits dwell k`, in standard deviations of a sum of
/// independent decisions. Given where candidates are, decisions are independent; the mean of k over the visits of a
/// cell differs from that over the cell by 1e-7 of it.
fn deviates(model: &Model, law: &Model, legs: u64) -> Vec<f64> {
    let grid = Grid::new(1.0, 20);
    let runner = pair(lanes(model, &grid), model, &grid);
    let size = Size { particles: 4096, groups: 8, legs, seed: 8 };
    let plan = plan(runner.as_ref(), model, &grid, false, size);
    let finished = run(runner.as_ref(), model, &grid, &plan).expect("bounds");
    let dwell = runner.dwell();
    law.network
        .channels()
        .map(|c| {
            let (mut made, mut expected, mut variance) = (0.0, 0.0, 0.0);
            for group in &finished.groups {
                let visits = group.profile.visits(c.from);
                for (cell, (&n, &m)) in visits.iter().zip(group.profile.passages(c.index)).enumerate() {
                    let p = dwell[c.from][cell] * grid.cell_mean(cell, |x| law.rate(c, x));
                    made += m as f64;
                    expected += n as f64 * p;
                    variance += n as f64 * p * (1.0 - p);
                }
            }
            (made - expected) / f64::max(variance, 1.0).sqrt()
        })
        .collect()
}

#[test]
fn transitions_are_made_at_their_rates() {
    // 24 channels (one of them closed), alpha 1e-7 over all of them: |z| < 5.9. Three million candidates of a channel
    // or more show 0.4 % of its rate at this limit.
    for (name, model) in [("two", two_states()), ("five", five_states()), ("driven", driven())] {
        for (channel, z) in deviates(&model, &model, 5000).into_iter().enumerate() {
            assert!(z.abs() < 5.9, "{name}, channel {channel}: {z}");
        }
    }
    // Negative control: rates a thousandth too high are seen in 50 million candidates.
    let (model, mut law) = (two_states(), two_states());
    law.network = common::model("1", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.001, 1.5)]).network;
    let z = deviates(&model, &law, 25_000);
    assert!(z.iter().any(|z| z.abs() > 5.9), "{z:?}");
}

#[test]
fn the_stationary_law_is_that_of_theory() {
    // All quantities of each system, alpha 1e-7 each; errors of densities of a few per mille.
    for (name, model) in [("two", two_states()), ("five", five_states()), ("driven", driven())] {
        let grid = Grid::new(1.0, 20);
        let runner = pair(lanes(&model, &grid), &model, &grid);
        let size = Size { particles: 4096, groups: 64, legs: 4000, seed: 9 };
        let plan = plan(runner.as_ref(), &model, &grid, false, size);
        let finished = run(runner.as_ref(), &model, &grid, &plan).expect("bounds");
        assert_eq!(finished.broken(), Vec::<&str>::new());
        let comparison = finished.compare(&solve(&model), 1e-7);
        note(format!("{name}: error {:.1e}, {}", density_error(&comparison), worst(&comparison)));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        assert!(density_error(&comparison) < 1e-2);
        // Negative control: the theory of rates that are the same everywhere.
        let frozen = Model { temperature: field("1.4"), ..model };
        let wrong = finished.compare(&solve(&frozen), 1e-7);
        assert!(!wrong.agrees, "{name}");
    }
}

#[test]
fn lanes_and_scalar_legs_agree() {
    // After 1, 3 and 40 legs from one place: mean of cos(n pi x) and population, n = 1, 2, 5. 12 numbers a kernel, all
    // differences below 5.8 standard errors (alpha 1e-7); 2e5 walkers see 0.7 % of a standard deviation.
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let lanes = lanes(&model, &grid);
    const N: usize = 200_000;
    let sample = |kernel: &dyn Fn(&mut Walkers, u64)| -> Vec<[f64; 2]> {
        let at = soret::event::Position::from_fraction(0.1);
        let mut walkers = Walkers::new(vec![at; N], vec![0; N]);
        let mut numbers = Vec::new();
        for legs in [1, 2, 37] {
            kernel(&mut walkers, legs);
            let x = |i: usize| walkers.position[i].fraction();
            let mode = |n: f64| move |x: f64| (n * std::f64::consts::PI * x).cos();
            let functions: [&dyn Fn(usize) -> f64; 4] =
                [&|i| mode(1.0)(x(i)), &|i| mode(2.0)(x(i)), &|i| mode(5.0)(x(i)), &|i| {
                    f64::from(walkers.state[i])
                }];
            for f in functions {
                let mean = (0..N).map(f).sum::<f64>() / N as f64;
                let square = (0..N).map(|i| f(i) * f(i)).sum::<f64>() / N as f64;
                numbers.push([mean, (square - mean * mean) / N as f64]);
            }
        }
        numbers
    };
    let in_lanes = sample(&|walkers: &mut Walkers, legs| {
        let mut random = stream(11, Purpose::Advance, legs);
        lanes.advance(walkers, Span::Legs(legs), &mut random, &mut ()).expect("bounds");
    });
    let of = |kernel: &Exact, group: u64| {
        sample(&|walkers: &mut Walkers, legs| {
            let mut random = stream(12 + group, Purpose::Advance, legs);
            kernel.advance(walkers, Span::Legs(legs), &mut random, &mut ()).expect("bounds");
        })
    };
    let largest = |other: &[[f64; 2]]| -> f64 {
        let z = in_lanes.iter().zip(other).map(|(a, b)| (a[0] - b[0]).abs() / (a[1] + b[1]).sqrt());
        z.fold(0.0, f64::max)
    };
    let z = largest(&of(lanes.exact(), 0));
    assert!(z < 5.8, "{z}");
    // Negative control: a diffusivity 5 % too large.
    let mut wrong = model.clone();
    wrong.network = common::model("1", &[(1.0, 1.05e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]).network;
    let z = largest(&of(
        &Exact::with_rates(&wrong, &grid, Exact::new(&wrong, &grid).expect("bounds").rates().clone())
            .expect("bounds"),
        1,
    ));
    assert!(z > 5.8, "{z}");
}

#[test]
fn what_lanes_cannot_do_they_leave() {
    let grid = Grid::new(1.0, 20);
    let none = |model: &Model| Lanes::new(model, &grid).expect("bounds").is_none();
    let mut ring = two_states();
    ring.domain.walls = Boundary::Periodic;
    ring.temperature = field("1.2 + 0.2*cos(6.283185307179586*x)");
    assert!(!none(&ring));
    let mut states = ring.network.states().to_vec();
    states[0].drift = Some(field("0.05"));
    ring.network = Network::new(states, ring.network.edges().to_vec()).expect("a network");
    assert!(none(&ring), "a drift that legs carry along");
    let varying = |motility: Motility| {
        let mut model = two_states();
        let mut states = vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3)];
        states[0].motility = motility;
        model.network = Network::new(states, vec![Edge::new([0, 1], 1.0, 1.5)]).expect("a network");
        model
    };
    assert!(none(&varying(Motility::Friction(field("100*(1 + x)")))));
    // A clock that jumps inside a cell.
    assert!(none(&varying(Motility::Diffusivity(field("0.01*(1 + step(x - 0.3333))")))));
    assert!(!none(&varying(Motility::Diffusivity(field("0.01*(1 + x)")))));
    // Legs so short that the lattice would be felt.
    assert!(none(&model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1e12, 1.5)])));
    assert!(!none(&two_states()));
}
