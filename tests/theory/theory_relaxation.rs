//! The continuum theory in time against exact solutions, limits and an independent discretisation.

use crate::common;
use crate::common::{field, model};
use soret::grid::Grid;
use soret::model::{Boundary, Edge, Field, Function, Model, Motility, Network, RateLaw, State, Uniform};
use soret::observable::{Instant, Observable};
use soret::theory::TheoryError;
use soret::theory::relaxation::{self, Initial, Occupancy, Options, Positions, Relaxation, Snapshot};
use soret::theory::stationary;
use std::f64::consts::PI;
use std::sync::Arc;

fn solve(model: &Model, initial: &Initial, times: &[f64]) -> Relaxation {
    relaxation::solve(model, initial, times, &Options::default()).expect("a solution")
}

fn point(x: f64) -> Initial {
    Initial { positions: Positions::Point(x), states: Occupancy::LocalEquilibrium }
}

fn profile(expression: &str, weights: &[f64]) -> Initial {
    Initial { positions: Positions::Profile(field(expression)), states: Occupancy::Weights(weights.to_vec()) }
}

/// One state with a diffusivity.
fn one_state(length: f64, diffusivity: f64) -> Model {
    Model::new(length, Uniform(1.0), vec![State::new("only", 0.0, diffusivity)], vec![]).expect("a model")
}

fn bins(snapshot: &Snapshot<'_>, state: Option<usize>) -> Vec<f64> {
    let length = 1.0;
    snapshot.density(state, &Grid::new(length, 20)).expect("known")
}

/// Largest difference of two profiles relative to the largest value of the second.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], relative: f64) {
    let distance = distance(found, expected);
    assert!(distance <= relative, "differ by {distance:e}: {found:?}, expected {expected:?}");
}

/// `exp(m t) v` for a small matrix, by scaling and squaring of the Taylor series.
fn exponential(m: &[Vec<f64>], t: f64, v: &[f64]) -> Vec<f64> {
    let n = m.len();
    let product = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let entry = |i: usize, j: usize| (0..n).map(|k| a[i][k] * b[k][j]).sum();
        (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
    };
    let size = m.iter().flatten().fold(0.0, |s: f64, e| s.max(e.abs())) * t * n as f64;
    let halvings = size.max(1e-3).log2().ceil().max(0.0) as i32 + 4;
    let small: Vec<Vec<f64>> =
        m.iter().map(|row| row.iter().map(|e| e * t / 2f64.powi(halvings)).collect()).collect();
    let unit = |i: usize| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let mut sum: Vec<Vec<f64>> = (0..n).map(unit).collect();
    let mut term = sum.clone();
    for k in 1..20 {
        term = product(&term, &small);
        term.iter_mut().flatten().for_each(|e| *e /= f64::from(k));
        sum.iter_mut().flatten().zip(term.iter().flatten()).for_each(|(s, e)| *s += e);
    }
    for _ in 0..halvings {
        sum = product(&sum, &sum);
    }
    sum.iter().map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
}

/// `K - q^2 diag(D)` at a uniform temperature.
fn mode_matrix(model: &Model, q: f64) -> Vec<Vec<f64>> {
    let n = model.network.states().len();
    let mut m = vec![vec![0.0; n]; n];
    for channel in model.network.channels() {
        let k = model.rate(channel, 0.5);
        m[channel.to][channel.from] += k;
        m[channel.from][channel.from] -= k;
    }
    for (i, row) in m.iter_mut().enumerate() {
        row[i] -= q * q * model.diffusivity(i, 0.5);
    }
    m
}

/// Bin averages of the heat kernel between walls at 0 and 1, by images.
fn heat_kernel(variance: f64, x0: f64, bins: usize) -> Vec<f64> {
    let root = (2.0 * variance).sqrt();
    // Differences of erfc on the side where it is small keep digits in the tails.
    let between = |a: f64, b: f64| {
        if a > 0.0 {
            0.5 * (libm::erfc(a / root) - libm::erfc(b / root))
        } else {
            0.5 * (libm::erfc(-b / root) - libm::erfc(-a / root))
        }
    };
    let edge = |k: usize| k as f64 / bins as f64;
    let images = (-12..=12).flat_map(|m| [2.0 * f64::from(m) + x0, 2.0 * f64::from(m) - x0]);
    let of_bin = |b: usize| -> f64 {
        images.clone().map(|c| between(edge(b) - c, edge(b + 1) - c)).sum::<f64>() * bins as f64
    };
    (0..bins).map(of_bin).collect()
}

#[test]
fn modes_of_two_states_decay_as_two_exponentials() {
    for nu in [0.01, 1.0, 1e6] {
        let system = model("1", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, nu, 1.5)]);
        let start = profile("1 + 0.5*cos(pi*x) + 0.3*cos(3*pi*x)", &[3.0, 1.0]);
        let times = [1e-2, 0.7, 20.0, 300.0];
        let relaxation = solve(&system, &start, &times);
        assert!(relaxation.is_converged());
        for snapshot in relaxation.snapshots() {
            for (mode, amplitude) in [(0, 1.0), (1, 0.25), (2, 0.0), (3, 0.15)] {
                let matrix = mode_matrix(&system, PI * mode as f64);
                let [[a, b], [c, d]] = [[matrix[0][0], matrix[0][1]], [matrix[1][0], matrix[1][1]]];
                // exp(Mt) = e^{mt} [cosh(st) + (M - m) sinh(st)/s], as two exponentials.
                let (mean, s) = (0.5 * (a + d), (0.25 * (a - d) * (a - d) + b * c).sqrt());
                let det = a * d - b * c;
                let fast = mean - s;
                let slow = if fast == 0.0 { 0.0 } else { det / fast };
                let slow = if mode == 0 { 0.0 } else { slow };
                let [ef, es] = [fast, slow].map(|rate| (rate * snapshot.time()).exp());
                let start = [0.75 * amplitude, 0.25 * amplitude];
                let apply = |v: [f64; 2]| [a * v[0] + b * v[1], c * v[0] + d * v[1]];
                let moved = apply(start);
                let expected: Vec<f64> = (0..2)
                    .map(|i| {
                        let on_fast = (moved[i] - slow * start[i]) / (fast - slow);
                        ef * on_fast + es * (start[i] - on_fast)
                    })
                    .collect();
                let found = snapshot.cosine_mode(mode);
                for (f, e) in found.iter().zip(&expected) {
                    assert!((f - e).abs() < 1e-8, "nu {nu}, t {}, mode {mode}: {f} {e}", snapshot.time());
                }
            }
        }
    }
}

#[test]
fn a_point_spreads_as_the_heat_kernel() {
    let system = one_state(1.0, 0.05);
    for x0 in [0.0, 0.3, 0.5, 0.9999] {
        let relaxation = solve(&system, &point(x0), &[1e-6, 1e-4, 1e-2, 0.3, 100.0]);
        assert!(relaxation.error_estimate() < 1e-8, "{:e}", relaxation.error_estimate());
        for snapshot in relaxation.snapshots() {
            let exact = heat_kernel(2.0 * 0.05 * snapshot.time(), x0, 20);
            assert_near(&bins(&snapshot, None), &exact, 1e-9);
        }
    }
}

#[test]
fn a_point_in_one_state_spreads_and_relaxes() {
    // Equal diffusivities: position and state are independent.
    let system =
        model("1", &[(1.0, 0.02), (0.0, 0.02), (0.3, 0.02)], &[(0, 1, 5.0, 1.5), (1, 2, 300.0, 1.0)]);
    let start =
        Initial { positions: Positions::Point(0.62), states: Occupancy::Weights(vec![0.0, 2.0, 0.0]) };
    for snapshot in solve(&system, &start, &[1e-3, 0.03, 0.5]).snapshots() {
        let states = exponential(&mode_matrix(&system, 0.0), snapshot.time(), &[0.0, 1.0, 0.0]);
        assert_near(&snapshot.populations(), &states, 1e-9);
        let positions = heat_kernel(0.04 * snapshot.time(), 0.62, 20);
        for (i, share) in states.iter().enumerate() {
            let expected: Vec<f64> = positions.iter().map(|p| share * p).collect();
            assert_near(&bins(&snapshot, Some(i)), &expected, 1e-8);
        }
    }
}

#[test]
fn hard_driven_states_oscillate() {
    // Three states in a circle, one way: eigenvalues with imaginary parts.
    let states = (0..3).map(|i| State::new(format!("s{i}"), 0.0, 0.01 * f64::from(i + 1))).collect();
    let one_way = |a: usize, b: usize| Edge {
        between: [a, b],
        law: RateLaw::Free { forward: Some(Arc::new(Uniform(10.0))), backward: None },
    };
    let edges = vec![one_way(0, 1), one_way(1, 2), one_way(2, 0)];
    let system = Model::new(1.0, Uniform(1.0), states, edges).expect("a model");
    let start = profile("1 + cos(2*pi*x)", &[1.0, 0.0, 0.0]);
    for snapshot in solve(&system, &start, &[0.05, 0.2, 1.0]).snapshots() {
        for (mode, amplitude) in [(0, 1.0), (2, 0.5)] {
            let matrix = mode_matrix(&system, PI * mode as f64);
            let expected = exponential(&matrix, snapshot.time(), &[amplitude, 0.0, 0.0]);
            assert_near(&snapshot.cosine_mode(mode), &expected, 1e-8);
        }
    }
}

/// Models whose stationary law is not flat.
fn varied() -> Vec<Model> {
    let three = [(1.0, 1e-2), (0.0, 1e-3), (0.5, 4e-3)];
    let ring = [(0, 1, 2.0, 1.5), (1, 2, 1e-2, 0.8), (2, 0, 50.0, 1.2)];
    let mut frictions = model("1 + 0.3*sin(3*x) + 0.2*x", &three, &ring[..2]);
    let shapes = ["100*exp(x/2)", "600*(1 + x^2)", "250"];
    let states = frictions.network.states().iter().zip(shapes).map(|(state, friction)| {
        let mut state = state.clone();
        state.motility = Motility::Friction(field(friction));
        state
    });
    frictions.network =
        Network::new(states.collect(), frictions.network.edges().to_vec()).expect("a network");
    vec![
        model("1 + 0.3*sin(3*x) + 0.2*x", &three, &ring),
        frictions,
        model("1 + 0.7*step(x - 0.43)", &three, &ring),
    ]
}

#[test]
fn late_densities_are_stationary() {
    for system in varied() {
        let late = 40.0 * system.relaxation_time();
        let initial =
            Initial { positions: Positions::Uniform, states: Occupancy::Weights(vec![0.2, 0.5, 0.3]) };
        let relaxation = solve(&system, &initial, &[late]);
        let law = stationary::solve(&system, &stationary::Options::default()).expect("a solution");
        let last = relaxation.snapshots().last().expect("one time");
        for i in 0..3 {
            let expected = law.reference(Observable::StateDensity(i), &Grid::new(1.0, 20)).expect("known");
            let expected: Vec<f64> = expected.into_iter().flatten().collect();
            assert_near(&bins(&last, Some(i)), &expected, 1e-8);
        }
    }
}

#[test]
fn probability_is_conserved() {
    for system in varied() {
        for initial in [
            point(0.43),
            Initial { positions: Positions::InverseDiffusivity, states: Occupancy::LocalEquilibrium },
        ] {
            for snapshot in solve(&system, &initial, &[0.0, 1e-2, 1e3]).snapshots() {
                let total: f64 = snapshot.populations().iter().sum();
                assert!((total - 1.0).abs() < 1e-11, "{:e} at {}", total - 1.0, snapshot.time());
                assert!((snapshot.cosine_mode(0).iter().sum::<f64>() - total).abs() < 1e-14);
                assert!((0.0..=1.0).contains(&snapshot.mean_position()));
                let largest = bins(&snapshot, None).into_iter().fold(0.0, f64::max);
                assert!(bins(&snapshot, None).into_iter().all(|p| p > -1e-8 * largest));
            }
        }
    }
}

#[test]
fn two_spans_make_one() {
    let system = &varied()[0];
    let whole = solve(system, &point(0.2), &[1.0, 5.0]);
    let share = |i: usize| {
        let relaxation = whole.clone();
        let at = move |x: f64| {
            let first = relaxation.snapshots().next().expect("two times");
            first.density_at(x).expect("not at time 0")[i].max(0.0)
        };
        Arc::new(Function::lipschitz(at, 100.0)) as Arc<dyn Field>
    };
    let between =
        Initial { positions: Positions::Uniform, states: Occupancy::Varying((0..3).map(share).collect()) };
    let second = solve(system, &between, &[4.0]);
    let (last, direct) =
        (second.snapshots().last().expect("a time"), whole.snapshots().last().expect("a time"));
    for i in 0..3 {
        assert_near(&bins(&last, Some(i)), &bins(&direct, Some(i)), 2e-8);
    }
}

#[test]
fn fast_transitions_leave_one_diffusivity() {
    let system = model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1e6, 1.5)]);
    let mut limit = model("1 + 0.8*x", &[(0.0, 1.0)], &[]);
    let mut state = State::new("mean", 0.0, 1.0);
    // exp(-1/T) against 1.
    let mean = "(1e-3 + 1e-2*exp(-1/(1 + 0.8*x)))/(1 + exp(-1/(1 + 0.8*x)))";
    state.motility = Motility::Diffusivity(field(mean));
    limit.network = Network::new(vec![state], vec![]).expect("a network");
    let times = [0.1, 10.0, 1000.0];
    let (found, expected) = (solve(&system, &point(0.4), &times), solve(&limit, &point(0.4), &times));
    for (found, expected) in found.snapshots().zip(expected.snapshots()) {
        assert_near(&bins(&found, None), &bins(&expected, None), 1e-6);
    }
    // At 1e3 the difference can be seen: the test does not compare a code with itself.
    let slower = model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1e2, 1.5)]);
    let slower = solve(&slower, &point(0.4), &times);
    let (a, b) = (slower.snapshots().next().expect("a time"), expected.snapshots().next().expect("a time"));
    assert!(distance(&bins(&a, None), &bins(&b, None)) > 1e-4);
}

#[test]
fn estimates_are_honest() {
    for system in &varied()[1..] {
        for initial in [point(0.3), profile("step(0.5 - x)", &[1.0, 0.0, 0.0])] {
            let times = [0.5, 30.0];
            let options = |tolerance: f64| Options { tolerance, limit: 1e-2, ..Options::default() };
            let best = relaxation::solve(system, &initial, &times, &options(1e-9)).expect("a solution");
            for tolerance in [1e-3, 1e-5] {
                let rough = relaxation::solve(system, &initial, &times, &options(tolerance));
                let rough = rough.expect("a solution");
                assert!(rough.is_converged());
                for (a, b) in rough.snapshots().zip(best.snapshots()) {
                    for i in 0..3 {
                        let error = distance(&bins(&a, Some(i)), &bins(&b, Some(i)));
                        assert!(
                            error <= rough.error_estimate() + 2e-9,
                            "{error:e}, {:e}",
                            rough.error_estimate()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_point_beside_a_jump_is_reflected_in_part() {
    // Ito diffusivities 1 and 4 on the sides of x = 1/2, long before the walls are seen: the image has weight
    // R = (sqrt(D2) - sqrt(D1))/(sqrt(D2) + sqrt(D1)), from the continuity of D P and of its slope.
    let (d1, d2, x0) = (1.0f64, 4.0f64, 0.45);
    let mut system = one_state(1.0, 1.0);
    let mut state = State::new("only", 0.0, 1.0);
    state.motility = Motility::Diffusivity(field("1 + 3*step(x - 0.5)"));
    system.network = Network::new(vec![state], vec![]).expect("a network");
    for snapshot in solve(&system, &point(x0), &[1e-4, 5e-4]).snapshots() {
        let t = snapshot.time();
        let r = (d2.sqrt() - d1.sqrt()) / (d2.sqrt() + d1.sqrt());
        let s = 2.0 * d1.sqrt() / (d2.sqrt() * (d1.sqrt() + d2.sqrt()));
        let gauss = |y: f64| (-y * y / (4.0 * t)).exp() / (4.0 * PI * t).sqrt();
        for k in 1..40 {
            let x = k as f64 / 40.0 + 1e-4;
            let (y, y0) = (x - 0.5, x0 - 0.5);
            let expected = if y < 0.0 {
                (gauss((y - y0) / d1.sqrt()) + r * gauss((y + y0) / d1.sqrt())) / d1.sqrt()
            } else {
                s * gauss(y / d2.sqrt() - y0 / d1.sqrt())
            };
            let found = snapshot.density_at(x).expect("not at time 0")[0];
            assert!((found - expected).abs() < 1e-7 * gauss(0.0), "{found} {expected} at {x}, {t}");
        }
    }
}

#[test]
fn a_parabola_makes_an_ornstein_uhlenbeck_process() {
    let mut system = one_state(10.0, 0.5);
    system.temperature = field("2");
    system.potential = Some(field("4*(x - 5)^2"));
    // Force over kT = -4 (x - 5), rate 0.5*4 = 2, variance 1/4.
    for snapshot in solve(&system, &point(6.0), &[0.01, 0.3, 2.0, 50.0]).snapshots() {
        let decay = (-2.0 * snapshot.time()).exp();
        let (mean, variance) = (5.0 + decay, 0.25 * (1.0 - decay * decay));
        assert!((snapshot.mean_position() - mean).abs() < 1e-8);
        for k in 0..50 {
            let x = 0.2 * f64::from(k);
            let gauss = (-(x - mean).powi(2) / (2.0 * variance)).exp();
            let found = snapshot.density_at(x).expect("not at time 0")[0] * (2.0 * PI * variance).sqrt();
            assert!((found - gauss).abs() < 1e-7, "{found} {gauss} at {x}");
        }
    }
}

#[test]
fn a_drift_goes_round_a_ring() {
    let mut system = one_state(1.0, 0.05);
    system.domain.walls = Boundary::Periodic;
    let mut state = State::new("only", 0.0, 0.05);
    state.drift = Some(Arc::new(Uniform(3.0)));
    system.network = Network::new(vec![state], vec![]).expect("a network");
    for snapshot in solve(&system, &point(0.8), &[0.01, 0.1, 0.5]).snapshots() {
        let (t, variance) = (snapshot.time(), 0.1 * snapshot.time());
        let peak = 1.0 / (2.0 * PI * variance).sqrt();
        for k in 0..=20 {
            let x = f64::from(k) / 20.0;
            let image =
                |m: i32| (-(x - 0.8 - 3.0 * t + f64::from(m)).powi(2) / (2.0 * variance)).exp() * peak;
            let expected: f64 = (-10..20).map(image).sum();
            let found = snapshot.density_at(x).expect("not at time 0")[0];
            assert!((found - expected).abs() < 1e-7 * peak, "{found} {expected} at {x}, {t}");
        }
        assert!((snapshot.populations()[0] - 1.0).abs() < 1e-11);
    }
}

#[test]
fn run_and_tumble_on_a_ring_obeys_the_telegraph_equation() {
    let (d, v, k) = (0.01f64, 0.7f64, 3.0f64);
    let swimmer = |name: &str, v: f64| {
        let mut state = State::new(name, 0.0, d);
        state.drift = Some(Arc::new(Uniform(v)));
        state
    };
    let edge = Edge::new([0, 1], k, 0.0);
    let states = vec![swimmer("right", v), swimmer("left", -v)];
    let mut system = Model::new(1.0, Uniform(1.0), states, vec![edge]).expect("a model");
    system.domain.walls = Boundary::Periodic;
    for snapshot in solve(&system, &point(0.25), &[0.02, 0.3, 1.0]).snapshots() {
        for n in 1..4 {
            let q = 2.0 * PI * f64::from(n);
            let (t, square) = (snapshot.time(), k * k - v * v * q * q);
            let s = square.abs().sqrt();
            let (even, odd) =
                if square > 0.0 { ((s * t).cosh(), (s * t).sinh()) } else { ((s * t).cos(), (s * t).sin()) };
            let amplitude = (-(d * q * q + k) * t).exp() * (even + k / s * odd);
            let found = |f: &dyn Fn(f64) -> f64| snapshot.integral([0.0, 1.0], f).iter().sum::<f64>();
            assert!((found(&|x| (q * (x - 0.25)).cos()) - amplitude).abs() < 1e-8);
            assert!(found(&|x| (q * (x - 0.25)).sin()).abs() < 1e-8);
        }
    }
}

#[test]
fn densities_agree_with_an_independent_discretisation() {
    let mut system = model("1 + 0.3*sin(3*x) + 0.2*x", &[(1.0, 1.0), (0.0, 1.0)], &[(0, 1, 4.0, 1.5)]);
    let mut states = system.network.states().to_vec();
    states[0].motility = Motility::Diffusivity(field("0.02*(1 + x^2)"));
    states[1].motility = Motility::Friction(field("60*exp(x/2)"));
    system.network = Network::new(states, system.network.edges().to_vec()).expect("a network");
    let rows: Vec<Vec<f64>> = include_str!("../data/relaxation.csv")
        .lines()
        .skip(2)
        .map(|line| line.split(',').map(|v| v.parse().expect("a number")).collect())
        .collect();
    let times = [0.02, 0.3, 2.0, 20.0];
    let relaxation = solve(&system, &profile("1 + 0.5*cos(pi*x)", &[1.0, 0.0]), &times);
    assert_eq!(rows.len(), 80);
    for snapshot in relaxation.snapshots() {
        for i in 0..2 {
            let of = |row: &&Vec<f64>| row[0] == snapshot.time() && row[1] == i as f64;
            let expected: Vec<f64> = rows.iter().filter(of).map(|row| row[3]).collect();
            assert_near(&snapshot.density(Some(i), &Grid::new(1.0, 10)).expect("known"), &expected, 1e-8);
        }
    }
}

#[test]
fn time_zero_is_the_start() {
    let system = common::two_states();
    let at_point = solve(&system, &point(0.25), &[0.0]);
    let snapshot = at_point.snapshots().next().expect("a time");
    assert_eq!(snapshot.density_at(0.25), None);
    assert!((snapshot.mean_position() - 0.25).abs() < 1e-15);
    let density = snapshot.density(None, &Grid::new(1.0, 4)).expect("known");
    assert_near(&density, &[0.0, 4.0, 0.0, 0.0], 1e-15);
    assert_eq!(snapshot.density(Some(2), &Grid::new(1.0, 4)), None);
    assert_eq!(snapshot.density(None, &Grid::new(2.0, 4)), None);

    let spread = solve(&system, &profile("x", &[1.0, 3.0]), &[0.0, 1e-9]);
    for snapshot in spread.snapshots() {
        assert_near(&snapshot.populations(), &[0.25, 0.75], 1e-6);
        assert_near(&snapshot.density(None, &Grid::new(1.0, 2)).expect("known"), &[0.5, 1.5], 1e-6);
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let system = common::two_states();
    let fails = |initial: &Initial, times: &[f64]| {
        relaxation::solve(&system, initial, times, &Options::default()).expect_err("out of range")
    };
    for times in [&[-1.0][..], &[f64::NAN], &[2.0, 1.0], &[f64::INFINITY]] {
        assert!(matches!(fails(&point(0.5), times), TheoryError::Option { option: "times", .. }));
    }
    for initial in [
        point(1.1),
        point(f64::NAN),
        profile("1", &[1.0]),
        profile("1", &[1.0, -1.0]),
        profile("1", &[0.0, 0.0]),
        profile("x - 0.5", &[1.0, 0.0]),
        profile("0", &[1.0, 0.0]),
    ] {
        let error = fails(&initial, &[1.0]);
        assert!(matches!(error, TheoryError::Start { .. }), "{error}");
    }
    let options = Options { tolerance: 1e-20, ..Options::default() };
    let error = relaxation::solve(&system, &point(0.5), &[1.0], &options).expect_err("out of range");
    assert!(matches!(error, TheoryError::Option { option: "tolerance", .. }));
}

#[test]
fn somebody_who_looks_later_sees_the_same() {
    let model = model("1 + 0.8*x", &[(1.0, 0.05), (0.0, 0.005)], &[(0, 1, 1.0, 1.0)]);
    let start = profile("exp(-10*x)", &[1.0, 0.0]);
    let grid = Grid::new(1.0, 20);
    for (opening, times) in [(0.4, vec![0.0, 0.3, 1.0]), (0.4, vec![0.3, 1.0])] {
        let options = Options::default();
        let late = relaxation::solve_from(&model, &start, opening, &times, &options).expect("a solution");
        let shifted: Vec<f64> = times.iter().map(|t| opening + t).collect();
        let whole = solve(&model, &start, &shifted);
        for k in 0..times.len() {
            for what in [Instant::StateDensity(0), Instant::Population(1), Instant::MeanPosition] {
                let of = |law: &Relaxation| -> Vec<f64> {
                    let values = law.reference(Observable::At(k, what), &grid).expect("known");
                    values.into_iter().map(|v| v.expect("a value")).collect()
                };
                assert_near(&of(&late), &of(&whole), 1e-7);
            }
        }
        assert!(late.reference(Observable::At(times.len(), Instant::MeanPosition), &grid).is_none());
    }
}

/// `<d^2> = 2 int sum_i D_i p_i(s) ds` from the moment at which somebody begins to look.
#[test]
fn displacements_count_from_the_first_look() {
    let mut ring = model("1", &[(1.0, 0.05), (0.0, 0.005)], &[(0, 1, 1.0, 1.0)]);
    ring.domain.walls = Boundary::Periodic;
    let start = Initial { positions: Positions::Uniform, states: Occupancy::Weights(vec![1.0, 0.0]) };
    let (opening, time) = (0.7, 0.9);
    let square = |opening: f64| {
        let late = relaxation::solve_from(&ring, &start, opening, &[time], &Options::default());
        let at = Observable::At(0, Instant::SquareDisplacement);
        let square = late.expect("a solution").reference(at, &Grid::new(1.0, 4)).expect("a ring");
        square[0].expect("a value")
    };
    let k = mode_matrix(&ring, 0.0);
    let mean = |s: f64| {
        let p = exponential(&k, s, &[1.0, 0.0]);
        0.05 * p[0] + 0.005 * p[1]
    };
    // Simpson's rule: an error below 1e-9 of it here.
    let (n, h) = (64, time / 64.0);
    let weight = |j: usize| if j == 0 || j == n { 1.0 } else { 2.0 + 2.0 * (j % 2) as f64 };
    let expected: f64 =
        2.0 * h / 3.0 * (0..=n).map(|j| weight(j) * mean(opening + h * j as f64)).sum::<f64>();
    assert!((square(opening) / expected - 1.0).abs() < 1e-7, "{} {expected}", square(opening));
    // From the start on it is another number.
    assert!((square(0.0) / expected - 1.0).abs() > 0.1);
}
