//! Legs and steps in vector lanes on a ring: the same bits with any instructions, threads and cuts, laps of walkers and of
//! states as integers, displacements against closed forms, everything that is measured against theory, and the law of the
//! scalar kernels.

use crate::common::*;
use soret::ensemble::{Control, Ensemble, Group, Plan, Runner};
use soret::estimator::Context;
use soret::event::{Position, Profile, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Instructions, Kernel, LaneSteps, Lanes, Span};
use soret::model::{Boundary, Edge, Model, Motility, Network, RateLaw, State};
use soret::observable::Observable;
use soret::rng::{Purpose, Stream, stream};

fn grid() -> Grid {
    Grid::new(1.0, 20)
}

fn lanes(model: &Model) -> Lanes {
    Lanes::new(model, &grid()).expect("bounds").expect("no force")
}

fn steps(model: &Model, dt: f64) -> LaneSteps {
    LaneSteps::new(model, &grid(), dt)
        .expect("bounds")
        .expect("constant diffusivities, few transitions a step")
}

/// A step of which few hold several candidates.
const DT: f64 = 0.1;

/// Whether a stream has been used by lanes: it is written down with their generators.
fn in_lanes(random: &Stream) -> bool {
    serde_json::to_string(random).expect("plain data").len() > 1000
}

/// Not the same to the left and to the right of x = 0.
const WAVE: &str = "1 + 0.4*sin(2*pi*x) + 0.2*cos(4*pi*x)";

fn ring(temperature: &str, states: Vec<State>, edges: Vec<Edge>) -> Model {
    let mut model = model(temperature, &[(0.0, 1.0)], &[]);
    model.domain.walls = Boundary::Periodic;
    model.network = Network::new(states, edges).expect("a network");
    model
}

fn state(energy: f64, motility: Motility) -> State {
    State { motility, ..State::new(format!("{energy}"), energy, 1.0) }
}

fn constant(energy: f64, diffusivity: f64) -> State {
    State::new(format!("{energy}"), energy, diffusivity)
}

fn two() -> Model {
    ring(WAVE, vec![constant(1.0, 1e-2), constant(0.0, 1e-3)], vec![Edge::new([0, 1], 1.0, 1.5)])
}

/// An edge with an affinity, one with free rates, one that leads one way.
fn three() -> Model {
    let rate = |text: &str| Some(field(text));
    let driven = RateLaw::Activated { attempt_rate: 2.0, barrier: 1.2, affinity: 0.8 };
    let free = RateLaw::Free { forward: rate("0.6 + 0.5*cos(2*pi*x)"), backward: rate("2 - sin(2*pi*x)") };
    let one_way = RateLaw::Free { forward: rate("0.5"), backward: None };
    let edges = [([0, 1], driven), ([1, 2], free), ([2, 0], one_way)];
    let edges = edges.into_iter().map(|(between, law)| Edge { between, law });
    ring(WAVE, vec![constant(0.4, 1e-2), constant(0.0, 2e-3), constant(0.9, 5e-2)], edges.collect())
}

/// Diffusivities that vary (Ito).
fn varying() -> Model {
    let d = |text: &str| Motility::Diffusivity(field(text));
    let states = vec![
        state(1.0, d("0.02*(1 + 0.5*sin(2*pi*x))")),
        state(0.0, d("0.004*exp(-cos(2*pi*x))")),
        state(0.4, d("0.01")),
    ];
    let edge = |between| Edge {
        between,
        law: RateLaw::Activated { attempt_rate: 1.0, barrier: 1.5, affinity: 0.5 },
    };
    ring(WAVE, states, vec![edge([0, 1]), edge([1, 2]), edge([2, 0])])
}

/// Walkers and stream of a group after some spans, its counts, heat, work and laps.
fn after<K: Kernel>(kernel: &K, model: &Model, n: usize, spans: &[Span]) -> String {
    let mut random = stream(3, Purpose::Start, 0);
    let mut walkers = start(kernel, model, &grid(), &Start::LocalEquilibrium, false, n, &mut random);
    let mut random = stream(3, Purpose::Advance, 0);
    let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid());
    for span in spans {
        kernel.advance(&mut walkers, *span, &mut random, &mut profile).expect("bounds");
    }
    profile.flush();
    assert!(in_lanes(&random) && walkers.laps.iter().any(|laps| *laps != 0));
    format!("{walkers:?} {random:?} {profile:?}")
}

#[test]
fn the_same_bits_with_any_instructions_threads_and_cuts() {
    for (name, model) in [("two", two()), ("three", three()), ("varying", varying())] {
        same_legs(name, &lanes(&model), &model, &grid(), &[4, 1, 998]);
    }
    for (name, model) in [("two", two()), ("three", three())] {
        let timed = |most, time| {
            after(
                &lanes(&model).at_most(most),
                &model,
                150,
                &[Span::Duration(time as f64), Span::Duration(7e2)],
            )
        };
        same_bits(&format!("{name}, timed"), 300, timed);
        let stepped = |most, n| after(&steps(&model, DT).at_most(most), &model, 150, &[Span::Legs(n)]);
        same_bits(&format!("{name}, steps"), 203, stepped);
        // From paper, and on any number of threads.
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
        let groups = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let runner = pair(lanes(&model), &model, &grid());
                let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).expect("bounds");
                ensemble.run(&|_| (), &mut |_| Control::Continue).expect("bounds");
                ensemble.into_groups()
            })
        };
        let text = |groups: &[Group]| serde_json::to_string(groups).expect("plain data");
        let one = text(&groups(1));
        assert!(one == text(&groups(3)), "{name}");
        let read: Vec<Group> = serde_json::from_str(&one).expect("groups");
        assert!(one == text(&read), "{name}");
    }
}

/// Laps by states after so many spans of one leg or step each, from the laps of walkers and their states before a span or
/// after it; and those that the kernel has counted.
fn by_walkers<K: Kernel>(kernel: &K, model: &Model, spans: usize, before: bool) -> (Vec<i64>, Vec<i64>) {
    let mut random = stream(7, Purpose::Start, 0);
    let mut walkers = start(kernel, model, &grid(), &Start::Uniform, true, 200, &mut random);
    let mut random = stream(7, Purpose::Advance, 0);
    let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid());
    let mut seen = vec![0i64; kernel.states()];
    for _ in 0..spans {
        let old = walkers.clone();
        kernel.advance(&mut walkers, Span::Legs(1), &mut random, &mut profile).expect("bounds");
        let states = if before { &old.state } else { &walkers.state };
        for ((now, old), state) in walkers.laps.iter().zip(&old.laps).zip(states) {
            seen[usize::from(*state)] += i64::from(now - old);
        }
    }
    (seen, (0..kernel.states()).map(|s| profile.laps(s)).collect())
}

#[test]
fn laps_are_those_of_the_state_that_moves() {
    // A leg moves before its transition, a step after its transitions; as integers. Cutting a span changes nothing.
    for model in [two(), three()] {
        let (seen, counted) = by_walkers(&lanes(&model), &model, 40, true);
        assert!(seen == counted && seen.iter().all(|n| *n != 0), "{seen:?} {counted:?}");
        let (seen, counted) = by_walkers(&steps(&model, DT), &model, 40, false);
        assert!(seen == counted && seen.iter().any(|n| *n != 0), "{seen:?} {counted:?}");
        // Negative control: the other state is another number.
        let (seen, counted) = by_walkers(&lanes(&model), &model, 40, false);
        assert_ne!(seen, counted);
        let (seen, counted) = by_walkers(&steps(&model, DT), &model, 40, true);
        assert_ne!(seen, counted);
        // Of a duration the sums.
        let kernel = lanes(&model);
        let mut walkers = Walkers::new(vec![Position::from_fraction(0.9); 200], vec![0; 200]);
        let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), &grid());
        let mut random = stream(7, Purpose::Advance, 1);
        kernel.advance(&mut walkers, Span::Duration(200.0), &mut random, &mut profile).expect("bounds");
        assert!(in_lanes(&random));
        let all: i64 = walkers.laps.iter().map(|laps| i64::from(*laps)).sum();
        assert_eq!(all, (0..kernel.states()).map(|s| profile.laps(s)).sum::<i64>());
        assert!(walkers.laps.iter().any(|laps| *laps > 1) && walkers.laps.iter().any(|laps| *laps < -1));
    }
}

type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
}

fn power(a: Matrix, n: u64) -> Matrix {
    (0..n).fold([[1.0, 0.0], [0.0, 1.0]], |p, _| product(a, p))
}

/// `exp(a t)`: 20 terms of the series, squared 20 times.
fn exponential(a: Matrix, t: f64) -> Matrix {
    let small = t / f64::from(1 << 20);
    let (mut term, mut sum) = ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]);
    for k in 1..20 {
        term = product(a, term).map(|row| row.map(|v| v * small / f64::from(k)));
        sum = std::array::from_fn(|i| std::array::from_fn(|j| sum[i][j] + term[i][j]));
    }
    (0..20).fold(sum, |s, _| product(s, s))
}

/// Two states at a uniform temperature, `cos(q d)` of whose displacements `d` is known for every `q`.
struct Uniform {
    model: Model,
    diffusivity: [f64; 2],
    /// Rates out of either.
    exit: [f64; 2],
}

fn uniform(diffusivity: [f64; 2], attempt_rate: f64) -> Uniform {
    let states = vec![constant(0.0, diffusivity[0]), constant(0.5, diffusivity[1])];
    let model = ring("1.3", states, vec![Edge::new([0, 1], attempt_rate, 1.0)]);
    let mut exit = [0.0; 2];
    model.network.channels().for_each(|c| exit[c.from] = model.rate(c, 0.3));
    Uniform { model, diffusivity, exit }
}

impl Uniform {
    /// `d_t c_i = (K c)_i - q^2 D_i c_i`.
    fn equation(&self, q: f64) -> Matrix {
        let ([up, down], [a, b]) = (self.exit, self.diffusivity);
        [[-up - q * q * a, down], [up, -down - q * q * b]]
    }

    /// After a duration.
    fn timed(&self, q: f64, time: f64) -> Matrix {
        exponential(self.equation(q), time)
    }

    /// After legs that last so long on average: a leg keeps `1/(1 + q^2 D w)`, then one in `k w` changes its state.
    fn legs(&self, wait: [f64; 2], q: f64, legs: u64) -> Matrix {
        let kept: [f64; 2] = std::array::from_fn(|s| 1.0 / (1.0 + q * q * self.diffusivity[s] * wait[s]));
        let gone: [f64; 2] = std::array::from_fn(|s| self.exit[s] * wait[s]);
        let leg =
            [[(1.0 - gone[0]) * kept[0], gone[1] * kept[1]], [gone[0] * kept[0], (1.0 - gone[1]) * kept[1]]];
        power(leg, legs)
    }

    /// After steps: transitions, then `exp(-D q^2 dt)`.
    fn steps(&self, dt: f64, q: f64, steps: u64) -> Matrix {
        let passed = exponential(self.equation(0.0), dt);
        let kept = self.diffusivity.map(|d| (-d * q * q * dt).exp());
        power(std::array::from_fn(|i| passed[i].map(|p| kept[i] * p)), steps)
    }
}

/// Mean and variance of the mean of `cos(q d)` and `sin(q d)` in either state, of walkers that began in state 0 at one place
/// near the end of the ring; with the laps of the displacement, or without.
fn phases(walkers: &Walkers, q: f64, laps: bool) -> [[f64; 2]; 4] {
    std::array::from_fn(|k| {
        let (mut sum, mut square) = (0.0, 0.0);
        for ((x, state), round) in walkers.position.iter().zip(&walkers.state).zip(&walkers.laps) {
            let way = x.fraction() - FROM + if laps { f64::from(*round) } else { 0.0 };
            let (sin, cos) = (q * way).sin_cos();
            if usize::from(*state) == k / 2 {
                let v = if k % 2 == 0 { cos } else { sin };
                sum += v;
                square += v * v;
            }
        }
        let n = walkers.len() as f64;
        let mean = sum / n;
        [mean, (square / n - mean * mean) / n]
    })
}

const FROM: f64 = 0.93;

fn gone<K: Kernel>(kernel: &K, spans: &[Span], seed: u64) -> Walkers {
    const N: usize = 150_000;
    let mut walkers = Walkers::new(vec![Position::from_fraction(FROM); N], vec![0; N]);
    let mut random = stream(seed, Purpose::Advance, 0);
    for span in spans {
        kernel.advance(&mut walkers, *span, &mut random, &mut ()).expect("bounds");
    }
    assert!(in_lanes(&random));
    walkers
}

/// The largest deviate of phases from a law, whose first column counts.
fn off(walkers: &Walkers, waves: &[f64], laps: bool, law: impl Fn(f64) -> Matrix) -> f64 {
    let deviates = waves.iter().flat_map(|&q| {
        let law = law(q);
        let expected = [law[0][0], 0.0, law[1][0], 0.0];
        phases(walkers, q, laps)
            .into_iter()
            .zip(expected)
            .map(|([mean, variance], e)| (mean - e) / variance.sqrt())
    });
    deviates.fold(0.0, |most: f64, z| most.max(z.abs()))
}

#[test]
fn displacements_have_their_law_laps_included() {
    // cos(q d) and sin(q d) for q that no ring knows of; short legs, and such of some ten lengths of the ring. 72 deviates,
    // alpha 6e-9 over all of them. 1.5e5 walkers see 1.7 % of a standard deviation.
    let limit = 6.5;
    for (system, unit, seed) in [(uniform([0.04, 0.01], 2.0), 1.0, 21), (uniform([4.0, 1.0], 0.04), 0.02, 31)]
    {
        let waves = [1.3, 4.0, 9.0].map(|q| q * if unit < 1.0 { 0.02 } else { 1.0 });
        let (wrong, dt) = (
            Uniform { diffusivity: system.diffusivity.map(|d| 1.08 * d), ..uniform([1.0; 2], 1.0) },
            0.1 / unit,
        );
        let wrong = Uniform { exit: system.exit, ..wrong };
        let (kernel, stepped) = (lanes(&system.model), steps(&system.model, dt));
        let wait = [0, 1].map(|s| kernel.dwell(s, 0));
        let held = |name: &str, walkers: &Walkers, law: &dyn Fn(&Uniform, f64) -> Matrix| {
            let z = off(walkers, &waves, true, |q| law(&system, q));
            let others = [
                off(walkers, &waves, false, |q| law(&system, q)),
                off(walkers, &waves, true, |q| law(&wrong, q)),
            ];
            note(format!(
                "{name}: {z:.2} of {limit}, without laps and with another diffusivity {others:.1?}"
            ));
            assert!(z < limit, "{name}: {z}");
            // Negative controls: laps that are forgotten, diffusivities 8 % too large.
            assert!(others.iter().all(|z| *z > limit), "{name}: {others:?}");
        };
        let spans = [0.3, 5.0].map(|t| Span::Duration(t / unit));
        held("timed", &gone(&kernel, &spans, seed), &|s, q| s.timed(q, 5.3 / unit));
        held("legs", &gone(&kernel, &[Span::Legs(1), Span::Legs(6)], seed + 1), &|s, q| s.legs(wait, q, 7));
        held("steps", &gone(&stepped, &[Span::Legs(9), Span::Legs(11)], seed + 2), &|s, q| {
            s.steps(dt, q, 20)
        });
    }
}

/// A run with a look in the middle.
fn sampled<K: Kernel + Send + 'static>(kernel: K, model: &Model, span: Span, burn_in: f64) -> Finished {
    let runner = Runner { kernel, model: model.clone(), grid: grid(), trajectories: None };
    let plan = Plan {
        particles: 4096,
        groups: 64,
        span,
        burn_in,
        rounds: 2,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed: 9,
    };
    run(&runner, model, &grid(), &plan).expect("bounds")
}

#[test]
fn what_is_measured_agrees_with_theory() {
    // All quantities of each system, alpha 1e-8 each: densities, currents of states through every face, heat, on average over the
    // ring; of timed legs velocity and spreading too. Errors of densities of a few per mille.
    let timed = |model: &Model| sampled(lanes(model), model, Span::Duration(2500.0), 400.0);
    let untimed = |model: &Model| sampled(lanes(model), model, Span::Legs(2000), 300.0);
    let runs: [(&str, Model, Finished); 4] = [
        ("two", two(), untimed(&two())),
        ("three", three(), untimed(&three())),
        ("varying", varying(), untimed(&varying())),
        ("three, timed", three(), timed(&three())),
    ];
    for (name, model, finished) in runs {
        assert_eq!(finished.broken(), Vec::<&str>::new(), "{name}");
        let law = solve(&model);
        let comparison = finished.compare(&law, 1e-8);
        note(format!("{name}: error {:.1e}, {}", density_error(&comparison), worst(&comparison)));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        assert!(density_error(&comparison) < 2e-2, "{name}");
        if name == "three, timed" {
            assert!(z_of(&comparison, Observable::MeanVelocity).is_some());
            assert!(z_of(&comparison, Observable::EffectiveDiffusion).is_some());
        }
        // Negative controls: rates that are the same everywhere; laps that nobody counts, which currents show.
        let frozen = Model { temperature: field("1"), ..model.clone() };
        assert!(!finished.compare(&solve(&frozen), 1e-8).agrees, "{name}");
        let comparison = without_laps(finished).compare(&law, 1e-8);
        assert!(!comparison.agrees, "{name}");
        let z = z_of(&comparison, Observable::MeanCurrent(0)).expect("a current");
        assert!(z.abs() > 7.0, "{name}: {z}");
    }
}

/// The same run if passages through x = 0 had not been counted.
fn without_laps(finished: Finished) -> Finished {
    let forget = |group: &Group| -> Group {
        let mut plain = serde_json::to_value(group).expect("plain data");
        let laps = plain["profile"]["laps"].as_array_mut().expect("a column");
        laps.fill(0.into());
        serde_json::from_value(plain).expect("a group")
    };
    let context: Context = finished.context.clone();
    Finished { context, groups: finished.groups.iter().map(forget).collect() }
}

#[test]
fn lanes_and_scalar_kernels_agree_where_rates_vary() {
    // Means of the state number, of waves of x, and of the phase of the displacement with its laps after some spans; 36
    // differences below 6.5 standard errors, alpha 3e-9. 1e5 walkers see 2 % of a standard deviation.
    fn sample<K: Kernel>(kernel: &K, spans: &[Span], seed: u64) -> Vec<[f64; 2]> {
        const N: usize = 100_000;
        let mut walkers = Walkers::new(vec![Position::from_fraction(FROM); N], vec![0; N]);
        let mut random = stream(seed, Purpose::Advance, 0);
        let mut numbers = Vec::new();
        for span in spans {
            kernel.advance(&mut walkers, *span, &mut random, &mut ()).expect("bounds");
            for kind in 0..6 {
                let columns = walkers.position.iter().zip(&walkers.laps).zip(&walkers.state);
                let values = columns.map(|((x, laps), state)| {
                    let (x, turn) = (x.fraction(), 2.0 * std::f64::consts::PI);
                    let way = x + f64::from(*laps) - FROM;
                    match kind {
                        0 => f64::from(*state),
                        1 => (turn * x).cos(),
                        2 => (turn * x).sin(),
                        3 => (2.0 * turn * x).sin(),
                        4 => (1.7 * way).cos(),
                        _ => (1.7 * way).sin(),
                    }
                });
                let (sum, square) = values.fold((0.0, 0.0), |(a, b), v| (a + v, b + v * v));
                let mean = sum / N as f64;
                numbers.push([mean, (square / N as f64 - mean * mean) / N as f64]);
            }
        }
        numbers
    }
    let largest = |a: &[[f64; 2]], b: &[[f64; 2]]| -> f64 {
        let z = a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).abs() / (a[1] + b[1]).sqrt());
        z.fold(0.0, f64::max)
    };
    let model = three();
    let wrong = Model { temperature: field("1.6 - 0.3*sin(2*pi*x)"), ..model.clone() };
    let durations = [0.7, 20.0].map(Span::Duration);
    let (kernel, other) = (lanes(&model), lanes(&wrong));
    let found = sample(&kernel, &durations, 11);
    let z = [
        largest(&found, &sample(kernel.exact(), &durations, 12)),
        largest(&found, &sample(other.exact(), &durations, 13)),
    ];
    note(format!("timed: {z:.1?}"));
    assert!(z[0] < 6.5 && z[1] > 6.5, "timed: {z:?}");
    let legs = [1, 15].map(Span::Legs);
    let found = sample(&kernel, &legs, 14);
    let z = [
        largest(&found, &sample(kernel.exact(), &legs, 15)),
        largest(&found, &sample(other.exact(), &legs, 16)),
    ];
    note(format!("legs: {z:.1?}"));
    assert!(z[0] < 6.5 && z[1] > 6.5, "legs: {z:?}");
    let legs = [1, 100].map(Span::Legs);
    let (kernel, other) = (steps(&model, DT), steps(&wrong, DT));
    let found = sample(&kernel, &legs, 17);
    let z = [
        largest(&found, &sample(kernel.scalar(), &legs, 18)),
        largest(&found, &sample(other.scalar(), &legs, 19)),
    ];
    note(format!("steps: {z:.1?}"));
    assert!(z[0] < 6.5 && z[1] > 6.5, "steps: {z:?}");
}

#[test]
fn what_lanes_cannot_do_on_a_ring_they_leave() {
    let none = |model: &Model| Lanes::new(model, &grid()).expect("bounds").is_none();
    assert!(!none(&two()));
    let friction = |text: &str| Motility::Friction(field(text));
    let states =
        vec![state(1.0, friction("100*(2 + sin(2*pi*x))")), state(0.0, friction("900*(2 + sin(2*pi*x))"))];
    assert!(none(&ring(WAVE, states, vec![Edge::new([0, 1], 1.0, 1.5)])));
    assert!(none(&Model {
        potential: Some(field("0.4*sin(2*pi*x)")),
        ..ring("1", two().network.states().to_vec(), vec![Edge::new([0, 1], 1.0, 1.5)])
    }));
    // More entries than 16 bits tell: five states with twenty edges in 4000 cells.
    let states = (0..5).map(|k| constant(0.2 * f64::from(k), 1e-2)).collect();
    let edges = (0..5).flat_map(|a| (a + 1..5).map(move |b| Edge::new([a, b], 1.0, 1.5))).collect();
    let five = ring(WAVE, states, edges);
    let on = |cells: usize| Lanes::new(&five, &Grid { cells_per_bin: cells / 20, ..grid() }).expect("bounds");
    assert!(on(1000).is_some() && on(4000).is_none());
    // Instructions change nothing of what is served.
    assert!(on(1000).is_some_and(|kernel| kernel.at_most(Instructions::Common).states() == 5));
}
