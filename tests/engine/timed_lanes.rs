//! Timed legs in vector lanes: the same bits with any instructions and any number of threads, the laws that are known in
//! closed form, the law of the scalar kernel.

use super::lane_models::{driven, five_states};
use crate::common::*;
use soret::ensemble::{Control, Ensemble, Group, GroupRunner, Plan};
use soret::event::{Position, Profile, Tally, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Exact, Instructions, Kernel, Lanes, Span};
use soret::model::Model;
use soret::rng::{Purpose, Stream, stream};
use std::f64::consts::PI;

fn grid() -> Grid {
    Grid::new(1.0, 20)
}

fn lanes(model: &Model) -> Lanes {
    Lanes::new(model, &grid()).expect("bounds").expect("constant diffusivities between walls")
}

/// Whether a stream has been used by lanes: it is written down with their generators.
fn in_lanes(random: &Stream) -> bool {
    serde_json::to_string(random).expect("plain data").len() > 1000
}

fn models() -> [(&'static str, Model); 4] {
    let lonely = model("1 + 0.8*x", &[(0.3, 1e-2)], &[]);
    [("two", two_states()), ("five", five_states()), ("driven", driven()), ("lonely", lonely)]
}

/// Walkers and stream of a group after some durations, its counts, heat and work.
fn after(kernel: &Lanes, model: &Model, n: usize, durations: &[f64]) -> String {
    let grid = grid();
    let mut random = stream(3, Purpose::Start, 0);
    let mut walkers = start(kernel, model, &grid, &Start::LocalEquilibrium, false, n, &mut random);
    let mut random = stream(3, Purpose::Advance, 0);
    let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid);
    for duration in durations {
        kernel.advance(&mut walkers, Span::Duration(*duration), &mut random, &mut profile).expect("bounds");
    }
    profile.flush();
    format!("{walkers:?} {random:?} {profile:?}")
}

#[test]
fn the_same_bits_with_any_instructions() {
    // Some hundred legs of a walker, and, of few walkers, spans of more than one piece.
    for (name, model) in models() {
        for (n, durations) in [(64, [1000.0, 700.0]), (150, [500.0, 700.0]), (20, [60_000.0, 3000.0])] {
            let bits = |most| after(&lanes(&model).at_most(most), &model, n, &durations);
            let widest = bits(Instructions::Avx512);
            assert!(widest == bits(Instructions::Avx2), "{name}, {n} walkers");
            assert!(widest == bits(Instructions::Common), "{name}, {n} walkers");
        }
        // Negative control: a longer duration is seen.
        let kernel = lanes(&model);
        assert!(after(&kernel, &model, 64, &[900.0]) != after(&kernel, &model, 64, &[900.0 * (1.0 + 1e-6)]));
    }
}

fn finished(runner: &dyn GroupRunner, threads: usize) -> Vec<Group> {
    let plan = Plan {
        particles: 5 * 150,
        groups: 5,
        span: Span::Duration(300.0),
        burn_in: 20.0,
        rounds: 3,
        times: vec![10.0, 40.0, 300.0],
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
    for (name, model) in models() {
        let runner = pair(lanes(&model), &model, &grid());
        let text = |groups: &[Group]| serde_json::to_string(groups).expect("plain data");
        let one = finished(runner.as_ref(), 1);
        assert!(text(&one) == text(&finished(runner.as_ref(), 3)), "{name}");
        assert!(one.iter().all(|group| group.snapshots.len() == 3), "{name}");
        // Written down and read again, a group goes on with the same bits.
        let mut group = one[4].clone();
        let mut copy: Group =
            serde_json::from_str(&serde_json::to_string(&group).expect("plain")).expect("a group");
        for group in [&mut group, &mut copy] {
            runner.advance(group, Span::Duration(77.0)).expect("bounds");
        }
        assert!(text(&[group]) == text(&[copy]), "{name}");
    }
}

#[test]
fn the_stationary_law_is_that_of_theory_and_integers_add_up() {
    // All quantities of each system, alpha 1e-8 each.
    for (name, model) in [("two", two_states()), ("five", five_states()), ("driven", driven())] {
        let runner = pair(lanes(&model), &model, &grid());
        let size = Size { particles: 4096, groups: 64, legs: 3000, seed: 9 };
        let plan = Plan { rounds: 3, ..plan(runner.as_ref(), &model, &grid(), true, size) };
        let finished = run(runner.as_ref(), &model, &grid(), &plan).expect("bounds");
        assert_eq!(finished.broken(), Vec::<&str>::new(), "{name}");
        let comparison = finished.compare(&solve(&model), 1e-8);
        note(format!("{name}: error {:.1e}, {}", density_error(&comparison), worst(&comparison)));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        assert!(density_error(&comparison) < 2e-2);
        // Negative control: the theory of rates that are the same everywhere.
        let frozen = Model { temperature: field("1.4"), ..model };
        assert!(!finished.compare(&solve(&frozen), 1e-8).agrees, "{name}");
    }
}

/// Two states with these diffusivities at a uniform temperature, in which everything is known: the rates up and down.
fn uniform(diffusivities: [f64; 2]) -> (Model, [f64; 2]) {
    let [a, b] = diffusivities;
    let model = model("1.3", &[(0.0, a), (0.5, b)], &[(0, 1, 2.0, 1.0)]);
    let mut rates = [0.0; 2];
    model.network.channels().for_each(|c| rates[c.from] = model.rate(c, 0.3));
    (model, rates)
}

/// `E[cos(q x) 1(state)]` at time t after a start in state 0 at `x`: `d_t c = (K - q^2 diag D) c`, two exponentials.
fn waves([d0, d1]: [f64; 2], [up, down]: [f64; 2], q: f64, x: f64, t: f64) -> [f64; 2] {
    let (a, d) = (-up - q * q * d0, -down - q * q * d1);
    let (middle, half) = (0.5 * (a + d), 0.5 * (a - d));
    let root = half.hypot((up * down).sqrt());
    let (slow, fast) = (((middle + root) * t).exp(), ((middle - root) * t).exp());
    let (even, odd) = (0.5 * (slow + fast), 0.5 * (slow - fast) / root);
    [(even + odd * half) * (q * x).cos(), odd * up * (q * x).cos()]
}

/// Means over walkers that began in state 0 at one place, after each of some times: wave number and time, and for each state
/// mean and variance of the mean of `cos(n pi x)` there, n = 0, 1, 2, 5.
fn means(kernel: &Lanes, n: usize, times: &[f64]) -> Vec<([f64; 2], [[f64; 2]; 2])> {
    let mut walkers = Walkers::new(vec![Position::from_fraction(X); n], vec![0; n]);
    let mut random = stream(21, Purpose::Advance, 0);
    let (mut now, mut means) = (0.0, Vec::new());
    for &time in times {
        kernel.advance(&mut walkers, Span::Duration(time - now), &mut random, &mut ()).expect("bounds");
        assert!(in_lanes(&random));
        now = time;
        for q in [0.0, 1.0, 2.0, 5.0].map(|wave| wave * PI) {
            let of = |state: usize| {
                let all = walkers.position.iter().zip(&walkers.state);
                let there = all.filter(|(_, s)| usize::from(**s) == state);
                let (sum, square) = there.fold((0.0, 0.0), |(sum, square), (x, _)| {
                    let v = (q * x.fraction()).cos();
                    (sum + v, square + v * v)
                });
                let mean = sum / n as f64;
                [mean, (square / n as f64 - mean * mean) / n as f64]
            };
            means.push(([q, time], [of(0), of(1)]));
        }
    }
    means
}

/// Where those walkers begin.
const X: f64 = 0.2;

/// The largest deviate of such means from what `law` says of wave number and time.
fn off(means: &[([f64; 2], [[f64; 2]; 2])], law: impl Fn(f64, f64) -> [f64; 2]) -> f64 {
    let z = means.iter().flat_map(|([q, time], found)| {
        found.iter().zip(law(*q, *time)).map(|([mean, variance], law)| (mean - law) / variance.sqrt())
    });
    largest(&z.collect::<Vec<_>>())
}

fn largest(z: &[f64]) -> f64 {
    z.iter().fold(0.0, |most, z| most.max(z.abs()))
}

#[test]
fn waves_and_populations_relax_as_they_must() {
    // Spans from a tenth of a mean duration to eleven, and one of more than two pieces; 24 and 8 deviates, alpha 4e-9 over
    // all of them. 2e5 walkers see 1.5 % of a standard deviation.
    let limit = 6.5;
    let d = [0.04, 0.01];
    let (model, rates) = uniform(d);
    let found = means(&lanes(&model), 200_000, &[0.1, 1.0, 12.0]);
    let z = |d, rates, shift| off(&found, |q, t| waves(d, rates, q, X, t - shift));
    note(format!("{:.2} of {limit}", z(d, rates, 0.0)));
    assert!(z(d, rates, 0.0) < limit, "{}", z(d, rates, 0.0));
    // Negative controls: diffusivities 3 % too small, rates 8 % too high, a time that is shorter by 0.005 mean durations.
    assert!(z(d.map(|d| 0.97 * d), rates, 0.0) > limit, "{}", z(d.map(|d| 0.97 * d), rates, 0.0));
    assert!(z(d, rates.map(|k| 1.08 * k), 0.0) > limit);
    assert!(z(d, rates, 0.005) > limit, "{}", z(d, rates, 0.005));

    let slow = d.map(|d| d * 1e-4);
    let (model, rates) = uniform(slow);
    let kernel = lanes(&model);
    let fastest = (0..2).map(|s| kernel.dwell(s, 0)).fold(f64::INFINITY, f64::min);
    let found = means(&kernel, 8192, &[17_000.0 * fastest]);
    let z = |share: f64| off(&found, |q, t| waves(slow, rates, q, X, share * t));
    note(format!("{:.2} of {limit}", z(1.0)));
    assert!(z(1.0) < limit, "{}", z(1.0));
    // Negative control: two pieces of three.
    assert!(z(0.667) > limit, "{}", z(0.667));
}

#[test]
fn visits_stand_for_the_time_in_a_state() {
    // Expected visits in a state times what one stands for are the integral of its population, over spans of 0.1 to
    // 100 mean durations; 64 batches, |t| < 9 with 63 degrees of freedom in 6 comparisons, alpha 4e-12. Errors of some 0.2 %.
    let (model, [up, down]) = uniform([0.04, 0.01]);
    let kernel = lanes(&model);
    let t_of = |duration: f64, factor: f64| -> [f64; 2] {
        let k = up + down;
        let second = up / k * (duration + (-k * duration).exp_m1() / k);
        let expected = [(duration - second) * factor, second];
        let mut sums = [[0.0; 2]; 2];
        const BATCHES: u64 = 64;
        let n = (128.0 * (50.0 / duration).max(1.0)) as usize;
        for batch in 0..BATCHES {
            let mut walkers = Walkers::new(vec![Position::from_fraction(0.4); n], vec![0; n]);
            let mut profile = Profile::new(2, 2, &grid());
            let mut random = stream(31, Purpose::Advance, batch);
            kernel
                .advance(&mut walkers, Span::Duration(duration), &mut random, &mut profile)
                .expect("bounds");
            profile.flush();
            assert!(in_lanes(&random));
            for (s, sums) in sums.iter_mut().enumerate() {
                let visits = profile.visits(s).iter().sum::<u64>() as f64;
                let time = visits * kernel.dwell(s, 0) / n as f64;
                sums[0] += time;
                sums[1] += time * time;
            }
        }
        let batches = BATCHES as f64;
        std::array::from_fn(|s| {
            let mean = sums[s][0] / batches;
            let variance = (sums[s][1] / batches - mean * mean) / (batches - 1.0);
            (mean - expected[s]) / variance.sqrt()
        })
    };
    for duration in [0.03, 1.0, 30.0] {
        let t = t_of(duration, 1.0);
        assert!(largest(&t) < 9.0, "{duration}: {t:?}");
    }
    // Negative control: time that is 3 % longer.
    assert!(largest(&t_of(30.0, 1.03)) > 9.0, "{:?}", t_of(30.0, 1.03));
}

#[test]
fn lanes_and_scalar_legs_agree_where_rates_vary() {
    // Means of cos(n pi x), n = 1, 2, 5, and of the state number after some durations from one place; 24 differences below
    // 6.5 standard errors, alpha 2e-9. 1e5 walkers see 2 % of a standard deviation.
    fn sample<K: Kernel>(kernel: &K, seed: u64) -> Vec<[f64; 2]> {
        const N: usize = 100_000;
        let mut walkers = Walkers::new(vec![Position::from_fraction(0.1); N], vec![0; N]);
        let mut random = stream(seed, Purpose::Advance, 0);
        let mut numbers = Vec::new();
        for duration in [0.7, 5.0, 20.0] {
            kernel.advance(&mut walkers, Span::Duration(duration), &mut random, &mut ()).expect("bounds");
            for wave in [0.0, 1.0, 2.0, 5.0] {
                let values = walkers.position.iter().zip(&walkers.state);
                let values = values
                    .map(|(x, s)| if wave == 0.0 { f64::from(*s) } else { (wave * PI * x.fraction()).cos() });
                let (sum, square) = values.fold((0.0, 0.0), |(a, b), v| (a + v, b + v * v));
                let mean = sum / N as f64;
                numbers.push([mean, (square / N as f64 - mean * mean) / N as f64]);
            }
        }
        numbers
    }
    let z = |a: &[[f64; 2]], b: &[[f64; 2]]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| (a[0] - b[0]) / (a[1] + b[1]).sqrt()).collect()
    };
    for model in [five_states(), driven()] {
        let kernel = lanes(&model);
        let found = sample(&kernel, 11);
        let differences = z(&found, &sample(kernel.exact(), 12));
        assert!(largest(&differences) < 6.5, "{differences:?}");
        // Negative control: another temperature.
        let mut wrong = model.clone();
        wrong.temperature = field("1.5 + 0.2*x");
        let wrong = Exact::new(&wrong, &grid()).expect("bounds");
        assert!(largest(&z(&found, &sample(&wrong, 13))) > 6.5);
    }
}

#[test]
fn what_lanes_cannot_time_they_leave() {
    struct Seen;
    impl Tally for Seen {}
    let goes = |model: &Model, n: usize, duration: f64, seen: bool| {
        let kernel = lanes(model);
        let mut walkers = Walkers::new(vec![Position::from_fraction(0.5); n], vec![0; n]);
        let mut random = stream(1, Purpose::Advance, 0);
        let span = Span::Duration(duration);
        if seen {
            kernel.advance(&mut walkers, span, &mut random, &mut Seen).expect("bounds");
        } else {
            kernel.advance(&mut walkers, span, &mut random, &mut ()).expect("bounds");
        }
        in_lanes(&random)
    };
    let two = two_states();
    assert!(goes(&two, 64, 1000.0, false));
    assert!(!goes(&two, 64, 1000.0, true), "a tally that must see events");
    assert!(!goes(&two, 64, 1e-3, false), "hardly a leg");
    assert!(!goes(&two, 8, 1e5, false), "few walkers");
    let uneven = model("1", &[(0.0, 0.01), (9.0, 0.01)], &[(0, 1, 1.0, 9.0)]);
    assert!(!goes(&uneven, 64, 1e6, false), "legs of 1 and 8000");
}
