//! Euler-Maruyama steps in vector lanes: the same bits with any instructions and any number of threads, the law of the
//! chain that the scalar kernel says, transitions at their rates, integers that add up.

use super::lane_models::{driven, five_states};
use crate::common::*;
use soret::ensemble::{Control, Ensemble, Group, GroupRunner, Plan};
use soret::event::{Occupancy, Position, Profile, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Instructions, Kernel, LaneSteps, Span};
use soret::model::{Boundary, Edge, Model, Motility, Network, State};
use soret::observable::Observable;
use soret::rng::{Purpose, stream};
use soret::theory::chain::Chain;

fn steps(model: &Model, grid: &Grid, dt: f64) -> LaneSteps {
    LaneSteps::new(model, grid, dt).expect("bounds").expect("constant diffusivities, few transitions a step")
}

/// With steps of which many hold several transitions.
fn models() -> [(&'static str, Model, f64); 4] {
    let lonely = model("1 + 0.8*x", &[(0.3, 1e-2)], &[]);
    [
        ("two", two_states(), 0.6),
        ("five", five_states(), 0.15),
        ("driven", driven(), 0.15),
        ("lonely", lonely, 0.5),
    ]
}

/// Walkers and stream of a group after some spans, its counts, and heat and work.
fn after(kernel: &LaneSteps, model: &Model, grid: &Grid, n: usize, spans: &[u64]) -> [String; 2] {
    let mut random = stream(3, Purpose::Start, 0);
    let mut walkers = start(kernel, model, grid, &Start::LocalEquilibrium, false, n, &mut random);
    let mut random = stream(3, Purpose::Advance, 0);
    let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), grid);
    for steps in spans {
        kernel.advance(&mut walkers, Span::Legs(*steps), &mut random, &mut profile).expect("bounds");
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
    for (name, model, dt) in models() {
        for n in [1, 64, 150] {
            let bits = |most| after(&steps(&model, &grid, dt).at_most(most), &model, &grid, n, &[203]);
            let widest = bits(Instructions::Avx512);
            assert!(widest == bits(Instructions::Avx2), "{name}, {n} walkers");
            assert!(widest == bits(Instructions::Common), "{name}, {n} walkers");
        }
        // Negative control: one step more is seen.
        let kernel = steps(&model, &grid, dt);
        assert!(after(&kernel, &model, &grid, 64, &[203]) != after(&kernel, &model, &grid, 64, &[204]));
    }
}

#[test]
fn cutting_the_span_of_a_block_changes_nothing() {
    // Sums of heat are floats, which may round differently.
    let grid = Grid::new(1.0, 20);
    for (name, model, dt) in models() {
        let kernel = steps(&model, &grid, dt);
        let [whole, _] = after(&kernel, &model, &grid, 50, &[301]);
        assert!(whole == after(&kernel, &model, &grid, 50, &[4, 1, 2, 94, 200])[0], "{name}");
    }
}

fn finished(runner: &dyn GroupRunner, dt: f64, threads: usize) -> Vec<Group> {
    let plan = Plan {
        particles: 5 * 150,
        groups: 5,
        span: Span::Duration(500.0 * dt),
        burn_in: 100.0 * dt,
        rounds: 3,
        times: vec![10.0 * dt, 11.0 * dt, 500.0 * dt],
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
    for (name, model, dt) in models() {
        let runner = pair(steps(&model, &grid, dt), &model, &grid);
        let text = |groups: &[Group]| serde_json::to_string(groups).expect("plain data");
        let one = finished(runner.as_ref(), dt, 1);
        assert!(text(&one) == text(&finished(runner.as_ref(), dt, 2)), "{name}");
        // Written down and read again, a group goes on with the same bits.
        let mut group = one[4].clone();
        let mut copy: Group =
            serde_json::from_str(&text(&one[4..])[1..text(&one[4..]).len() - 1]).expect("a group");
        for group in [&mut group, &mut copy] {
            runner.advance(group, Span::Duration(77.0 * dt)).expect("bounds");
        }
        assert!(text(&[group]) == text(&[copy]), "{name}");
    }
}

/// 4200 particles for so many steps.
fn sampled(model: &Model, grid: &Grid, dt: f64, steps_done: f64, burn_in: f64, seed: u64) -> Finished {
    let runner = pair(steps(model, grid, dt), model, grid);
    let plan = Plan {
        particles: 4200,
        groups: 42,
        span: Span::Duration(steps_done * dt),
        burn_in,
        rounds: 3,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed,
    };
    run(runner.as_ref(), model, grid, &plan).expect("bounds that hold")
}

#[test]
fn integers_add_up() {
    let grid = Grid::new(1.0, 20);
    for (name, model, dt) in models() {
        // From places off the coarse lattice: no burn-in.
        let finished = sampled(&model, &grid, dt, 300.0, 0.0, 6);
        assert_eq!(finished.broken(), Vec::<&str>::new(), "{name}");
        for group in &finished.groups {
            let states = 0..model.network.states().len();
            let visits: u64 = states.clone().map(|s| group.profile.visits(s).iter().sum::<u64>()).sum();
            assert_eq!(visits, 100 * 300);
            assert!((group.clock - 30_000.0 * dt).abs() < 1e-6);
            let closing = Occupancy::of(&group.walkers, states.len(), &grid);
            for s in states {
                // Walkers in a state change by those who come less those who go.
                let all = |o: &Occupancy| o.state(s).iter().sum::<u64>() as i64;
                let through = |way: fn(&soret::model::Channel) -> usize| -> i64 {
                    let channels = model.network.channels().filter(|c| way(c) == s);
                    channels.map(|c| group.profile.passages(c.index).iter().sum::<u64>() as i64).sum()
                };
                assert_eq!(all(&closing) - all(&group.opening), through(|c| c.to) - through(|c| c.from));
            }
        }
        // A visit is where a step ends: after one step, visits are where the walkers are.
        let kernel = steps(&model, &grid, dt);
        let mut random = stream(4, Purpose::Start, 0);
        let mut walkers = start(&kernel, &model, &grid, &Start::LocalEquilibrium, false, 300, &mut random);
        let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid);
        kernel.advance(&mut walkers, Span::Duration(dt), &mut random, &mut profile).expect("bounds");
        let now = Occupancy::of(&walkers, kernel.states(), &grid);
        assert!((0..kernel.states()).all(|s| profile.visits(s) == now.state(s)), "{name}");
    }
}

/// Expected passages along every channel in a time `dt` at `x`, for a walker that begins in `state`: `k_c` times the time
/// spent in its state, by the series of the matrix exponential.
fn passages(law: &Model, x: f64, state: usize, dt: f64) -> Vec<f64> {
    let n = law.network.states().len();
    let rates: Vec<f64> = law.network.channels().map(|c| law.rate(c, x)).collect();
    let mut term: Vec<f64> = (0..n).map(|s| if s == state { dt } else { 0.0 }).collect();
    let mut spent = term.clone();
    for k in 2..20 {
        let mut next = vec![0.0; n];
        for c in law.network.channels() {
            let flow = rates[c.index] * term[c.from] * dt / f64::from(k);
            next[c.from] -= flow;
            next[c.to] += flow;
        }
        term = next;
        spent.iter_mut().zip(&term).for_each(|(sum, t)| *sum += t);
    }
    law.network.channels().map(|c| rates[c.index] * spent[c.from]).collect()
}

/// Of each channel how far the number of transitions is from that expected of the places and states in which steps began,
/// in standard deviations (at most) of a sum of independent steps.
fn deviates(finished: &Finished, expected: &dyn Fn(f64, usize) -> Vec<f64>) -> Vec<f64> {
    let (model, grid) = (&finished.context.model, finished.context.grid);
    let channels = 2 * model.network.edges().len();
    let (mut made, mut mean) = (vec![0.0; channels], vec![0.0; channels]);
    let mut begun = vec![vec![0; grid.cells()]; model.network.states().len()];
    for group in &finished.groups {
        let closing = Occupancy::of(&group.walkers, model.network.states().len(), &grid);
        for (s, begun) in begun.iter_mut().enumerate() {
            let visits = group.profile.visits(s).iter().zip(group.opening.state(s)).zip(closing.state(s));
            // Steps begin where they end, but for the first and the last.
            begun
                .iter_mut()
                .zip(visits)
                .for_each(|(sum, ((v, opening), closing))| *sum += v + opening - closing);
        }
        for (c, made) in made.iter_mut().enumerate() {
            *made += group.profile.passages(c).iter().sum::<u64>() as f64;
        }
    }
    for (s, begun) in begun.iter().enumerate() {
        for (cell, &begun) in begun.iter().enumerate() {
            let expected = expected(grid.cell_middle(cell), s);
            mean.iter_mut().zip(expected).for_each(|(sum, e)| *sum += begun as f64 * e);
        }
    }
    // Passages of one step are not more dispersed than 1.3 times a Poisson number in these networks.
    made.iter().zip(&mean).map(|(made, mean)| (made - mean) / (1.3 * mean).max(1.0).sqrt()).collect()
}

#[test]
fn transitions_are_made_at_their_rates() {
    // 28 channels, alpha 1e-7 over all of them: |z| < 5.9. Half a million passages of a channel or more show 0.9 % of
    // its rate at this limit, 8 million of the two states 0.2 %.
    for (name, model, dt) in models() {
        let grid = Grid::new(1.0, 20);
        let finished = sampled(&model, &grid, dt, 4000.0, 10.0, 8);
        let z = deviates(&finished, &|x, s| passages(&model, x, s, dt));
        for (channel, z) in z.iter().enumerate() {
            assert!(z.abs() < 5.9, "{name}, channel {channel}: {z}");
        }
        if name == "lonely" {
            continue;
        }
        // Negative controls: never more than one transition a step; a step two per cent longer.
        let single = deviates(&finished, &|x, s| {
            let exit: f64 = model.network.channels().filter(|c| c.from == s).map(|c| model.rate(c, x)).sum();
            let share = |c: soret::model::Channel| model.rate(c, x) * -libm::expm1(-exit * dt) / exit;
            model.network.channels().map(|c| if c.from == s { share(c) } else { 0.0 }).collect()
        });
        assert!(single.iter().any(|z| z.abs() > 5.9), "{name}: {single:?}");
        let longer = deviates(&finished, &|x, s| passages(&model, x, s, 1.02 * dt));
        assert!(longer.iter().any(|z| z.abs() > 5.9), "{name}: {longer:?}");
    }
}

#[test]
fn the_first_step_from_one_state_is_the_matrix_exponential() {
    // All walkers in one state and place, far from balance, for one step: passages along every channel. 2 + 20 + 18 numbers,
    // alpha 1e-7: 5.9 standard deviations (at most), 1 to 3 % of what a channel expects from its own state.
    const N: usize = 200_000;
    for (name, model, dt) in models().into_iter().take(3) {
        let grid = Grid::new(1.0, 20);
        let kernel = steps(&model, &grid, dt);
        for state in 0..kernel.states() {
            let mut walkers = Walkers::new(vec![Position::from_fraction(0.7); N], vec![state as u16; N]);
            let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid);
            let mut random = stream(14, Purpose::Advance, state as u64);
            kernel.advance(&mut walkers, Span::Legs(1), &mut random, &mut profile).expect("bounds");
            profile.flush();
            let z = |expected: Vec<f64>| -> f64 {
                let made = |c: usize| profile.passages(c).iter().sum::<u64>() as f64;
                let each = expected.iter().map(|e| e * N as f64).enumerate();
                each.map(|(c, e)| (made(c) - e).abs() / (1.3 * e).max(1.0).sqrt()).fold(0.0, f64::max)
            };
            let right = z(passages(&model, 0.7, state, dt));
            assert!(right < 5.9, "{name}, state {state}: {right}");
            // Negative control: rates that do not tire, as in a step of first order.
            let first =
                model.network.channels().map(|c| if c.from == state { model.rate(c, 0.7) * dt } else { 0.0 });
            let first = z(first.collect());
            assert!(first > 5.9, "{name}, state {state}: {first}");
        }
    }
}

#[test]
fn modes_decay_as_they_should() {
    // One state from one place: the mean of cos(q x) after n steps is cos(q x_0) exp(-D q^2 n dt). 9 numbers, alpha 1e-7:
    // 5.6 standard errors, 1 % of a standard deviation.
    const N: usize = 400_000;
    let (lonely, grid, dt) = (model("1 + 0.8*x", &[(0.3, 1e-2)], &[]), Grid::new(1.0, 20), 0.5);
    let kernel = steps(&lonely, &grid, dt);
    let mut walkers = Walkers::new(vec![Position::from_fraction(0.3); N], vec![0; N]);
    let mut random = stream(11, Purpose::Advance, 0);
    let mut done = 0.0;
    let mut worst = [0.0f64; 2];
    for more in [1, 2, 7] {
        kernel.advance(&mut walkers, Span::Legs(more), &mut random, &mut ()).expect("bounds");
        done += more as f64;
        for wave in [1.0, 2.0, 5.0] {
            let q = wave * std::f64::consts::PI;
            let values = || walkers.position.iter().map(|x| (q * x.fraction()).cos());
            let mean = values().sum::<f64>() / N as f64;
            let square = values().map(|v| v * v).sum::<f64>() / N as f64;
            let error = ((square - mean * mean) / N as f64).sqrt();
            // Negative control: a diffusivity 5 % larger.
            for (worst, d) in worst.iter_mut().zip([0.01, 0.0105]) {
                let law = (q * 0.3).cos() * (-d * q * q * done * dt).exp();
                *worst = worst.max((mean - law).abs() / error);
            }
        }
    }
    assert!(worst[0] < 5.6 && worst[1] > 5.6, "{worst:?}");
}

#[test]
fn the_lanes_sample_the_chain_of_their_steps() {
    // Steps so long that they show: first moments and currents of every state and the Soret coefficient against the law
    // of the chain, which knows no random number. 7 and 10 numbers, t deviates with 41 degrees of freedom beyond 8.8 have
    // a p-value of 6e-11.
    let two = model("0.4 + 1.2*x", &[(1.0, 0.5), (0.0, 0.02)], &[(0, 1, 8.0, 1.2)]);
    let states = [(1.0, 1.0), (0.0, 0.02), (0.5, 0.1)];
    let three = model("0.3 + 1.7*x", &states, &[(0, 1, 8.0, 1.2), (1, 2, 5.0, 1.1)]);
    for (name, model, dt) in [("two", two, 0.07), ("three", three, 0.06)] {
        let grid = Grid::new(1.0, 20);
        let states = model.network.states().len();
        let finished = sampled(&model, &grid, dt, 5e4, 8.0 * model.relaxation_time(), 21);
        let measured = finished.measure();
        let moment = |group: &Group, s: usize| -> f64 {
            let cells = group.profile.visits(s).iter().enumerate();
            let sum: f64 = cells.map(|(c, &n)| n as f64 * grid.cell_middle(c)).sum();
            sum * dt / group.clock
        };
        let mut seen: Vec<[f64; 2]> = Vec::new();
        for s in 0..states {
            let each: Vec<f64> = finished.groups.iter().map(|g| moment(g, s)).collect();
            let n = each.len() as f64;
            let mean = each.iter().sum::<f64>() / n;
            let square = each.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
            seen.push([mean, (square / (n * (n - 1.0))).sqrt()]);
        }
        let single = (0..states).map(Observable::MeanCurrent).chain([Observable::Soret]);
        for observable in single {
            let found = measured.iter().find(|m| m.observable == observable).expect("measured");
            let estimate = *found.outcome(0).estimate().expect("defined");
            seen.push([estimate.value, estimate.std_error]);
        }
        let worst = |dt: f64| -> f64 {
            let law = Chain::on(&model, dt, 128).expect("constant diffusivities");
            let numbers = law.first_moments.iter().chain(&law.mean_currents).copied().chain(law.soret);
            seen.iter().zip(numbers).map(|(seen, law)| (seen[0] - law).abs() / seen[1]).fold(0.0, f64::max)
        };
        let (right, others) = (worst(dt), [worst(0.0), worst(2.0 * dt)]);
        note(format!("{name}: worst {right:.1}, of other chains {others:.1?}"));
        assert!(right < 8.8, "{name}: {right}");
        // Negative controls: the continuum, and the chain of other steps.
        assert!(others.iter().all(|z| *z > 8.8), "{name}: {others:?}");
    }
}

#[test]
fn what_lanes_cannot_do_they_leave() {
    let grid = Grid::new(1.0, 20);
    let none = |model: &Model, dt: f64| LaneSteps::new(model, &grid, dt).expect("bounds").is_none();
    let mut ring = two_states();
    ring.domain.walls = Boundary::Periodic;
    ring.temperature = field("1.2 + 0.2*cos(6.283185307179586*x)");
    assert!(!none(&ring, 0.1));
    let mut states = ring.network.states().to_vec();
    states[0].drift = Some(field("0.05"));
    ring.network = Network::new(states, ring.network.edges().to_vec()).expect("a network");
    assert!(none(&ring, 0.1), "a drift");
    let mut varying = two_states();
    let mut states = vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3)];
    states[0].motility = Motility::Diffusivity(field("0.01*(1 + x)"));
    varying.network = Network::new(states, vec![Edge::new([0, 1], 1.0, 1.5)]).expect("a network");
    assert!(none(&varying, 0.1));
    // Steps with many transitions, and steps so short that the lattice would be felt.
    assert!(none(&two_states(), 1.0) && none(&two_states(), 1e-9));
    assert!(!none(&two_states(), 0.1));
}
