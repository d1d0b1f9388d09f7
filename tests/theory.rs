//! The continuum reference against things that share no code with it.

use soret::expression::Interval;
use soret::grid::Grid;
use soret::model::{Boundary, Domain, Edge, Field, Model, Motility, Network, RateLaw, State, Uniform};
use soret::observable::Observable;
use soret::theory::stationary::{self, Options, Stationary};
use soret::theory::{FastLimit, TheoryError};
use std::fmt;
use std::sync::Arc;

/// A temperature given by a function and its derivative.
struct Profile<F> {
    /// Value and slope.
    of: F,
    kinks: Vec<f64>,
}

impl<F> fmt::Debug for Profile<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile")
    }
}

impl<F: Fn(f64) -> (f64, f64) + Send + Sync> Field for Profile<F> {
    fn value(&self, x: f64) -> f64 {
        (self.of)(x).0
    }
    fn slope(&self, x: f64) -> f64 {
        (self.of)(x).1
    }
    fn bounds(&self, _x: Interval) -> Interval {
        Interval::new(0.0, f64::INFINITY)
    }
    fn kinks(&self, _range: Interval) -> Vec<f64> {
        self.kinks.clone()
    }
    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

fn profile(of: impl Fn(f64) -> (f64, f64) + Send + Sync + 'static) -> Arc<dyn Field> {
    Arc::new(Profile { of, kinks: Vec::new() })
}

fn linear(rise: f64) -> Arc<dyn Field> {
    profile(move |x| (1.0 + rise * x, rise))
}

/// `(E_i, D_i)` of each state and `(from, to, nu, B)` of each edge, on `[0, 1]`.
fn model(temperature: Arc<dyn Field>, states: &[(f64, f64)], edges: &[(usize, usize, f64, f64)]) -> Model {
    let state = |(i, (energy, d)): (usize, &(f64, f64))| State::new(format!("s{i}"), *energy, *d);
    let edge = |(a, b, nu, barrier): &(usize, usize, f64, f64)| Edge::new([*a, *b], *nu, *barrier);
    build(temperature, states.iter().enumerate().map(state).collect(), edges.iter().map(edge).collect())
}

/// Any network on `[0, 1]` with `k_B = 1`.
fn build(temperature: Arc<dyn Field>, states: Vec<State>, edges: Vec<Edge>) -> Model {
    Model {
        domain: Domain { length: 1.0, walls: Boundary::Reflecting },
        temperature,
        boltzmann: 1.0,
        network: Network::new(states, edges).expect("a valid network"),
    }
}

/// The two states of Fig 1 with attempt rate `nu`.
fn two_states(temperature: Arc<dyn Field>, nu: f64) -> Model {
    model(temperature, &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, nu, 1.5)])
}

fn solve(model: &Model) -> Stationary {
    stationary::solve(model, &Options::default()).expect("a solution")
}

fn whole(law: &Stationary, observable: Observable) -> f64 {
    let values = law.reference(observable, &Grid::new(1.0, 10)).expect("known");
    values[0].expect("defined")
}

#[track_caller]
fn assert_close(found: f64, expected: f64, relative: f64) {
    let size = expected.abs().max(f64::MIN_POSITIVE);
    assert!(
        (found - expected).abs() <= relative * size,
        "found {found:e}, expected {expected:e}, relative difference {:e}",
        (found - expected) / size
    );
}

/// Two states in a box whose left half has one temperature and the right half another: constant
/// coefficients in each half, so that `D_1 P_1` is a constant plus a hyperbolic cosine there.
struct TwoBoxes {
    equilibrium: [f64; 2],
    decay: [f64; 2],
    amplitude: [f64; 2],
    diffusivities: [f64; 2],
    norm: f64,
}

impl TwoBoxes {
    fn new(nu: f64, temperatures: [f64; 2]) -> Self {
        let diffusivities = [1e-2, 1e-3];
        let side = |t: f64| {
            let (down, up) = (nu * (-0.5 / t).exp(), nu * (-1.5 / t).exp());
            let squared = down / diffusivities[0] + up / diffusivities[1];
            (up / diffusivities[1] / squared, squared.sqrt())
        };
        let ((left, k), (right, m)) = (side(temperatures[0]), side(temperatures[1]));
        // u = left + A cosh(k x)/cosh(k/2), u = right + B cosh(m (1-x))/cosh(m/2).
        let (tk, tm) = (k * (k / 2.0).tanh(), m * (m / 2.0).tanh());
        // left + A = right + B and A tk = -B tm.
        let b = (left - right) / (1.0 + tm / tk);
        let a = -b * tm / tk;
        let mut boxes = TwoBoxes {
            equilibrium: [left, right],
            decay: [k, m],
            amplitude: [a, b],
            diffusivities,
            norm: 1.0,
        };
        let half = |e: f64, amplitude: f64, k: f64| 0.5 * e + amplitude * (k / 2.0).tanh() / k;
        let mean = half(left, a, k) + half(right, b, m);
        boxes.norm = mean / diffusivities[0] + (1.0 - mean) / diffusivities[1];
        boxes
    }

    /// `D_1 P_1` and `J_1`.
    fn first(&self, x: f64) -> (f64, f64) {
        let side = usize::from(x > 0.5);
        let (from_wall, sign) = if side == 0 { (x, -1.0) } else { (1.0 - x, 1.0) };
        let k = self.decay[side];
        // cosh(k y)/cosh(k/2) without overflow.
        let e = |y: f64| (k * (y - 0.5)).exp();
        let below = 1.0 + (-k).exp();
        let cosh = (e(from_wall) + e(-from_wall)) / below;
        let sinh = (e(from_wall) - e(-from_wall)) / below;
        let u = self.equilibrium[side] + self.amplitude[side] * cosh;
        (u / self.norm, sign * self.amplitude[side] * k * sinh / self.norm)
    }

    fn density(&self, x: f64) -> [f64; 2] {
        let u = self.first(x).0;
        [u / self.diffusivities[0], (1.0 / self.norm - u) / self.diffusivities[1]]
    }
}

fn boxes_field() -> Arc<dyn Field> {
    let of = |x: f64| (if x < 0.5 { 1.0 } else { 1.7 }, 0.0);
    Arc::new(Profile { of, kinks: vec![0.5] })
}

#[test]
fn two_boxes_of_different_temperature_agree_with_the_closed_form() {
    // Layers from 500 to 3e-5 times the length of the domain.
    for nu in [1e-8, 1e-6, 1e-3, 1.0, 1e3, 1e6] {
        let law = solve(&two_states(boxes_field(), nu));
        let exact = TwoBoxes::new(nu, [1.0, 1.7]);
        let largest = exact.first(0.5).1.abs();
        for k in 0..=2000 {
            let x = k as f64 / 2000.0;
            for (found, expected) in law.density_at(x).iter().zip(exact.density(x)) {
                assert_close(*found, expected, 1e-12);
            }
            let error = law.current_at(x)[0] - exact.first(x).1;
            assert!(error.abs() < 1e-11 * largest, "nu = {nu}, x = {x}: {error:e}");
        }
        assert!(law.is_converged());
    }
}

/// Two states, a prescribed `D_1 P_1`, and the temperature for which it is stationary, found point
/// by point from Eq 7: `u'' = k_f u/D_1 - k_b (C - u)/D_2`.
#[test]
fn manufactured_temperature_gives_back_the_prescribed_density() {
    let (d1, d2, nu) = (1e-2, 1e-3, 1.0);
    let u = |x: f64| 0.78 + 0.02 * (std::f64::consts::PI * x).cos();
    let temperature = move |x: f64| {
        let bend = 0.02 * std::f64::consts::PI.powi(2) * (std::f64::consts::PI * x).cos();
        let excess = |t: f64| {
            let (forward, backward) = (nu * (-0.5 / t).exp(), nu * (-1.5 / t).exp());
            forward * u(x) / d1 - backward * (1.0 - u(x)) / d2 + bend
        };
        let (mut lo, mut hi) = (0.5f64, 2.0f64);
        let sign = excess(lo).signum();
        assert!(sign * excess(hi) < 0.0);
        for _ in 0..100 {
            let middle = 0.5 * (lo + hi);
            if sign * excess(middle) > 0.0 { lo = middle } else { hi = middle }
        }
        0.5 * (lo + hi)
    };
    let field = profile(move |x| (temperature(x), (temperature(x + 1e-6) - temperature(x)) / 1e-6));
    let law = solve(&two_states(field, nu));
    let mean = 0.78;
    let norm = mean / d1 + (1.0 - mean) / d2;
    for k in 0..=100 {
        let x = k as f64 / 100.0;
        let p = law.density_at(x);
        assert_close(p[0], u(x) / d1 / norm, 1e-11);
        assert_close(p[1], (1.0 - u(x)) / d2 / norm, 1e-11);
        let current = 0.02 * std::f64::consts::PI * (std::f64::consts::PI * x).sin() / norm;
        assert!((law.current_at(x)[0] - current).abs() < 1e-10 * 0.063 / norm);
    }
}

/// The cases of `scripts/oracle_stationary.py`, written down a second time.
fn oracle_model(case: &str) -> Model {
    let wave = || profile(|x| (1.0 + 0.3 * (3.0 * x).sin() + 0.2 * x, 0.9 * (3.0 * x).cos() + 0.2));
    let square = profile(|x| (1.0 + 0.5 * x * x, x));
    let three = [(1.0, 1e-2), (0.0, 1e-3), (0.5, 4e-3)];
    match case {
        "two_slow" => two_states(linear(0.8), 1e-6),
        "two_medium" => two_states(linear(0.8), 1.0),
        "two_fast" => two_states(linear(0.8), 100.0),
        "three_slow" => model(wave(), &three, &[(0, 1, 1e-4, 1.5), (1, 2, 2e-4, 0.8)]),
        "three_mixed" => model(wave(), &three, &[(0, 1, 20.0, 1.5), (2, 1, 1e-3, 0.8), (0, 2, 0.1, 1.2)]),
        _ => model(
            square,
            &[(1.0, 1e-2), (0.0, 1e-3), (0.5, 4e-3), (-0.7, 2e-2), (1.6, 7e-4)],
            &[
                (0, 1, 0.3, 1.5),
                (1, 2, 2.0, 1.1),
                (2, 3, 0.01, 0.9),
                (3, 4, 0.5, 2.0),
                (4, 0, 1.0, 1.8),
                (1, 0, 0.2, 0.4),
            ],
        ),
    }
}

const ORACLE_CASES: [&str; 6] =
    ["two_slow", "two_medium", "two_fast", "three_slow", "three_mixed", "five_ring"];

/// Largest difference from the oracle per quantity and index, relative to its largest value.
fn oracle_differences(law: &Stationary, case: &str) -> Vec<(String, f64)> {
    use std::collections::BTreeMap;
    let path = format!("{}/tests/data/stationary_{case}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the oracle's table");
    let grid = Grid::new(1.0, 10);
    let mut worst: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text.lines().skip(2) {
        let cells: Vec<&str> = line.split(',').collect();
        let (name, place) = (cells[0], cells[2].parse::<usize>().expect("a place"));
        let index = cells[1].parse::<usize>().unwrap_or(0);
        let expected: f64 = cells[3].parse().expect("a value");
        let observable = match name {
            "point_density" | "point_current" => None,
            "density" => Some(Observable::Density),
            "state_density" => Some(Observable::StateDensity(index)),
            "population" => Some(Observable::Population(index)),
            "current" => Some(Observable::Current(index)),
            "heat_current" => Some(Observable::HeatCurrent),
            "heat_absorbed" => Some(Observable::HeatAbsorbed),
            "transition_rate" => Some(Observable::TransitionRate(index)),
            "local_soret" => Some(Observable::LocalSoret),
            "soret" => Some(Observable::Soret),
            "soret_wall" => Some(Observable::SoretWall),
            "mean_temperature" => Some(Observable::MeanTemperature),
            "entropy_production" => Some(Observable::EntropyProduction),
            "quadratic_entropy_production" => None,
            other => panic!("the oracle's {other} is not an observable"),
        };
        let found = match observable {
            Some(o) => law.reference(o, &grid).expect("known")[place].expect("defined"),
            None if name == "quadratic_entropy_production" => {
                law.quadratic_entropy_production().expect("defined")
            }
            None if name == "point_density" => law.density_at(place as f64 / 40.0)[index],
            None => law.current_at(place as f64 / 40.0)[index],
        };
        let entry = worst.entry(format!("{name} {index}")).or_default();
        entry.0 = entry.0.max((found - expected).abs());
        entry.1 = entry.1.max(expected.abs());
    }
    worst.into_iter().map(|(name, (error, size))| (name, error / size)).collect()
}

#[test]
fn every_functional_agrees_with_chebyshev_collocation() {
    for case in ORACLE_CASES {
        let law = solve(&oracle_model(case));
        let differences = oracle_differences(&law, case);
        assert!(differences.len() >= 15, "{case}: {differences:?}");
        for (name, difference) in differences {
            assert!(difference < 1e-12, "{case}, {name}: {difference:e}");
        }
    }
}

#[test]
fn the_oracle_catches_wrong_rates() {
    let worst = |law: &Stationary, case: &str| {
        oracle_differences(law, case).into_iter().map(|d| d.1).fold(0.0, f64::max)
    };
    // Forward and backward exchanged: B - E_1 <-> B - E_2.
    let exchanged = model(linear(0.8), &[(0.0, 1e-2), (1.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    assert!(worst(&solve(&exchanged), "two_medium") > 0.1);
    // A rate wrong by one part in a million.
    let slightly = two_states(linear(0.8), 1.000001);
    let difference = worst(&solve(&slightly), "two_medium");
    assert!(difference > 1e-7 && difference < 1e-5, "{difference:e}");
}

#[test]
fn uniform_temperature_gives_boltzmann_occupancies_and_no_currents() {
    let eight: Vec<(f64, f64)> = (0..8).map(|i| (0.3 * i as f64 - 1.0, 1e-3 * (1 + i * i) as f64)).collect();
    let ring: Vec<(usize, usize, f64, f64)> =
        (0..8).map(|i| (i, (i + 1) % 8, 10f64.powi(i as i32 - 4), 1.5)).collect();
    for m in [
        two_states(Arc::new(Uniform(0.7)), 1e-6),
        two_states(Arc::new(Uniform(0.7)), 1e6),
        model(Arc::new(Uniform(0.7)), &eight, &ring),
    ] {
        let law = solve(&m);
        let p = m.local_equilibrium(0.5);
        for point in law.profile(41) {
            for (found, expected) in point.density.iter().zip(&p) {
                assert_close(*found, *expected, 1e-12);
            }
            assert!(point.current.iter().all(|j| j.abs() < 1e-12), "{point:?}");
        }
        assert!(whole(&law, Observable::EntropyProduction).abs() < 1e-20);
        let grid = Grid::new(1.0, 7);
        for undefined in [Observable::Soret, Observable::SoretWall, Observable::LocalSoret] {
            let values = law.reference(undefined, &grid).expect("known");
            assert!(values.iter().all(Option::is_none));
        }
    }
}

#[test]
fn one_state_is_spread_evenly() {
    let law = solve(&model(linear(2.0), &[(1.0, 1e-2)], &[]));
    assert_close(law.total_density_at(0.3), 1.0, 1e-15);
    assert_eq!(law.current_at(0.3), [0.0]);
    assert_close(whole(&law, Observable::MeanTemperature), 2.0, 1e-14);
    assert!(whole(&law, Observable::Soret).abs() < 1e-14);
}

/// `int_0^1 f dx` by Simpson's rule on the elements of the solution, each cut in 200.
fn simpson(law: &Stationary, f: impl Fn(f64) -> f64) -> f64 {
    let element = |ends: &[f64]| -> f64 {
        let h = (ends[1] - ends[0]) / 200.0;
        (0..100)
            .map(|k| {
                let x = ends[0] + 2.0 * h * k as f64;
                h / 3.0 * (f(x) + 4.0 * f(x + h) + f(x + 2.0 * h))
            })
            .sum()
    };
    law.vertices().windows(2).map(element).sum()
}

#[test]
fn exact_identities_hold_at_any_rate() {
    for nu in [1e-6, 1e-3, 1.0, 1e3, 1e6] {
        let m = two_states(profile(|x| (1.0 + 0.5 * (2.0 * x).sin(), (2.0 * x).cos())), nu);
        let law = solve(&m);
        let sum = |x: f64| law.density_at(x)[0] * 1e-2 + law.density_at(x)[1] * 1e-3;
        // A16, with P_tot' from central differences of densities; their steps must resolve layers
        // and leave digits, so the tolerance here is that of the differences.
        let slope = |x: f64, h: f64| {
            let p = |y: f64| law.total_density_at(y);
            (p(x - 2.0 * h) - 8.0 * p(x - h) + 8.0 * p(x + h) - p(x + 2.0 * h)) / (12.0 * h)
        };
        let largest = (1..100).map(|k| law.heat_current_at(k as f64 / 100.0).abs());
        let largest = largest.fold(0.0, f64::max);
        for k in 0..=50 {
            let x = k as f64 / 50.0;
            assert_close(sum(x), sum(0.5), 1e-13);
            let [a, b] = law.current_at(x)[..] else { panic!("two states") };
            assert!((a + b).abs() <= 1e-12 * a.abs());
            if (0.1..=0.9).contains(&x) {
                let carried = 1e-2 * 1e-3 / (1e-2 - 1e-3) * slope(x, 5e-3);
                let error = (law.heat_current_at(x) - carried).abs();
                // Fourth-order differences of values rounded at 1e-16.
                assert!(error < 1e-6 * largest + 1e-16, "nu = {nu}, x = {x}: {error:e}");
            }
        }
        // The flux vanishes at the walls as a limit too, not by decree only.
        assert!(law.heat_current_at(1e-12).abs() < 1e-5 * largest);
        assert!(law.heat_current_at(1.0 - 1e-12).abs() < 1e-5 * largest);
        let dissipated = simpson(&law, |x| {
            let t = m.temperature.value(x);
            -law.heat_current_at(x) * m.temperature.slope(x) / (t * t)
        });
        assert_close(whole(&law, Observable::EntropyProduction), dissipated, 1e-9);
    }
}

#[test]
fn entropy_balance_holds_for_many_states() {
    for case in ["three_slow", "three_mixed", "five_ring"] {
        let m = oracle_model(case);
        let law = solve(&m);
        let absorbed = simpson(&law, |x| {
            let t = m.temperature.value(x);
            -law.heat_current_at(x) * m.temperature.slope(x) / (t * t)
        });
        assert_close(whole(&law, Observable::EntropyProduction), absorbed, 1e-9);
    }
}

/// Two pairs of states, fast inside and slowly joined: the slow sum over a pair must not drown in
/// the rounding of the fast rates, whichever states are fast.
#[test]
fn slow_and_fast_edges_live_together() {
    let states = [(1.0, 1e-2), (0.0, 1e-3), (0.5, 4e-3), (-0.3, 2e-3)];
    for (first, bridge, second) in [(1e6, 1e-6, 1e6), (1e-6, 1e6, 1e-6), (1e4, 1e-3, 1e-6)] {
        let edges = [(0, 1, first, 1.5), (1, 2, bridge, 0.8), (3, 2, second, 1.0)];
        let m = model(linear(0.8), &states, &edges);
        let law = solve(&m);
        let absorbed = simpson(&law, |x| {
            let t = m.temperature.value(x);
            -law.heat_current_at(x) * 0.8 / (t * t)
        });
        assert_close(whole(&law, Observable::EntropyProduction), absorbed, 1e-9);
        // What passes the bridge in a bin leaves the pair {0, 1} by moves: both sides independent,
        // the right one far smaller than the currents it is the sum of.
        if bridge < 1e-4 {
            let grid = Grid::new(1.0, 4);
            let get = |o| law.reference(o, &grid).expect("known")[1].expect("defined");
            let net = get(Observable::TransitionRate(2)) - get(Observable::TransitionRate(3));
            let pair = |x: f64| law.current_at(x)[0] + law.current_at(x)[1];
            let left = (pair(0.25) - pair(0.5)) * 4.0;
            assert!((net - left).abs() < 1e-4 * net.abs(), "{net:e} {left:e}");
        }
        assert!(law.error_estimate() < 1e-9);
    }
}

#[test]
fn functionals_are_consistent_with_each_other() {
    let law = solve(&oracle_model("five_ring"));
    let grid = Grid::new(1.0, 37);
    let get = |o| -> Vec<f64> {
        law.reference(o, &grid).expect("known").into_iter().map(|v| v.expect("defined")).collect()
    };
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert_close(mean(&get(Observable::Density)), 1.0, 1e-13);
    assert!(mean(&get(Observable::HeatAbsorbed)).abs() < 1e-17);
    let energies = [1.0, 0.0, 0.5, -0.7, 1.6];
    let diffusivities = [1e-2, 1e-3, 4e-3, 2e-2, 7e-4];
    let mut heat = 0.0;
    for i in 0..5 {
        let population = get(Observable::Population(i))[0];
        assert_close(mean(&get(Observable::StateDensity(i))), population, 1e-13);
        let current = get(Observable::MeanCurrent(i))[0];
        assert_close(mean(&get(Observable::WindowCurrent(i))), current, 1e-12);
        heat += energies[i] * current;
        // int J_i dx = D_i [P_i(0) - P_i(L)], up to the trapezoidal rule on 1036 cells.
        let drop = diffusivities[i] * (law.density_at(0.0)[i] - law.density_at(1.0)[i]);
        let largest = get(Observable::Current(i)).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!((current - drop).abs() < 1e-5 * largest);
    }
    assert_close(get(Observable::MeanHeatCurrent)[0], heat, 1e-12);
    // Continuity: what enters a bin in state i by transitions leaves it by moves.
    let channels: Vec<_> = law.model().network.channels().collect();
    for i in 0..5 {
        let j = get(Observable::Current(i));
        let rates: Vec<_> = channels.iter().map(|c| get(Observable::TransitionRate(c.index))).collect();
        let size = j.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for b in 1..36 {
            let gain = |c: &soret::model::Channel| f64::from(c.to == i) - f64::from(c.from == i);
            let source: f64 = channels.iter().zip(&rates).map(|(c, r)| gain(c) * r[b]).sum();
            assert!((source / 37.0 - (j[b] - j[b - 1])).abs() < 1e-11 * size);
        }
    }
    assert_eq!(law.reference(Observable::StateDensity(5), &grid), None);
    assert_eq!(law.reference(Observable::TransitionRate(12), &grid), None);
    assert_eq!(law.reference(Observable::Density, &Grid::new(2.0, 3)), None);
}

#[test]
fn the_fast_limit_is_reached_with_the_first_power_of_the_rate() {
    let field = || profile(|x: f64| (1.0 + 0.6 * x * x, 1.2 * x));
    let states = [(1.0, 1e-2), (0.0, 1e-3), (0.4, 5e-3)];
    let build = |nu: f64| model(field(), &states, &[(0, 1, nu, 1.5), (1, 2, nu, 1.2)]);
    let limit = FastLimit::new(&build(1.0)).expect("a limit");
    let (x, h) = (0.55, 1e-3);
    let errors: Vec<[f64; 3]> = [1e3, 1e4, 1e5]
        .into_iter()
        .map(|nu| {
            let law = solve(&build(nu));
            let p = |y: f64| law.total_density_at(y).ln();
            let slope = (p(x - 2.0 * h) - 8.0 * p(x - h) + 8.0 * p(x + h) - p(x + 2.0 * h)) / (12.0 * h);
            let soret = -slope / (1.2 * x);
            let heat = law.heat_current_at(x) / law.density_at(x)[0];
            let expected = limit.heat_current_at(x) / limit.density_at(x)[0];
            let whole = |v: Option<Vec<Option<f64>>>| v.expect("known")[0].expect("defined");
            let grid = Grid::new(1.0, 1);
            let global = whole(law.reference(Observable::Soret, &grid));
            let of_limit = whole(limit.reference(Observable::Soret, &grid));
            [
                (soret / limit.soret_at(x).expect("T varies") - 1.0).abs(),
                (heat / expected - 1.0).abs(),
                (global / of_limit - 1.0).abs(),
            ]
        })
        .collect();
    for pair in errors.windows(2) {
        // In the interior the first correction is of order l^2 ~ 1/nu; the global coefficient sees
        // the wall layers, of relative order l ~ nu^(-1/2) or smaller.
        assert!((8.0..12.5).contains(&(pair[0][0] / pair[1][0])), "{errors:?}");
        assert!((8.0..12.5).contains(&(pair[0][1] / pair[1][1])), "{errors:?}");
        assert!((3.0..12.5).contains(&(pair[0][2] / pair[1][2])), "{errors:?}");
    }
    assert!(errors[2][0] < 1e-4);
}

#[test]
fn fast_limit_of_two_states_in_closed_form() {
    let m = two_states(linear(0.8), 3.0);
    let limit = FastLimit::new(&m).expect("a limit");
    let (x, t) = (0.4, 1.32f64);
    let p = (-1.0 / t).exp() / (1.0 + (-1.0 / t).exp());
    let mean = 1e-2 * p + 1e-3 * (1.0 - p);
    assert_close(limit.mean_diffusivity(x), mean, 1e-14);
    // Covariance of a variable with two values: p (1 - p) dE dD.
    let covariance = p * (1.0 - p) * 9e-3 / (mean * t * t);
    assert_close(limit.soret_at(x).expect("T varies"), covariance, 1e-13);
    assert_close(limit.covariance_soret_at(x), covariance, 1e-13);
    let k = 3.0 * ((-0.5 / t).exp() + (-1.5 / t).exp());
    let layers = limit.layer_lengths(x).expect("finite rates");
    assert_eq!(layers.len(), 1);
    assert_close(layers[0], (1e-5 / (k * mean)).sqrt(), 1e-13);
    // Wall to wall, <D> alone decides.
    let grid = Grid::new(1.0, 5);
    let wall = limit.reference(Observable::SoretWall, &grid).expect("known")[0].expect("defined");
    let ratio = limit.mean_diffusivity(1.0) / limit.mean_diffusivity(0.0);
    assert_close(wall, ratio.ln() / 0.8, 1e-13);
    let bins = limit.reference(Observable::Density, &grid).expect("known");
    assert_close(bins.into_iter().flatten().sum::<f64>() / 5.0, 1.0, 1e-13);
    assert_eq!(limit.reference(Observable::TransitionRate(0), &grid), None);
    let sigma = limit.reference(Observable::EntropyProduction, &grid).expect("known")[0];
    let heat = |x: f64| -limit.heat_current_at(x) * 0.8 / (1.0 + 0.8 * x).powi(2);
    let simpson: f64 = (0..500)
        .map(|k| {
            let (a, b) = (k as f64 / 500.0, (k + 1) as f64 / 500.0);
            (heat(a) + 4.0 * heat(0.5 * (a + b)) + heat(b)) / 3000.0
        })
        .sum();
    assert_close(sigma.expect("defined"), simpson, 1e-11);
}

#[test]
fn the_error_estimate_is_honest() {
    let rough = |x: f64| (1.0 + 0.4 * (9.0 * x).sin() * x, 0.0);
    for nu in [1e-3, 0.3, 30.0, 3e3] {
        let m = two_states(profile(rough), nu);
        let precise = Options { tolerance: 1e-12, ..Options::default() };
        let precise = stationary::solve(&m, &precise).expect("a solution");
        for tolerance in [1e-2, 1e-4, 1e-6, 1e-8] {
            let options = Options { tolerance, limit: 1.0, ..Options::default() };
            let law = stationary::solve(&m, &options).expect("a solution");
            let (mut error, mut size) = (0.0f64, 0.0f64);
            for k in 0..=2000 {
                let x = k as f64 / 2000.0;
                let (a, b) = (law.current_at(x)[0], precise.current_at(x)[0]);
                error = error.max((a - b).abs());
                size = size.max(b.abs());
            }
            let error = error / size;
            assert!(law.is_converged());
            let slack = 1e-11;
            assert!(
                error <= law.error_estimate() + slack,
                "nu = {nu}: true {error:e}, estimated {:e}",
                law.error_estimate()
            );
        }
    }
}

#[test]
fn more_elements_never_hurt_and_the_cap_is_reported() {
    let m = two_states(profile(|x| (1.0 + 0.3 * (200.0 * x).sin(), 60.0 * (200.0 * x).cos())), 1.0);
    let options = Options { max_elements: 8, limit: 1e-10, ..Options::default() };
    let refused = stationary::solve(&m, &options);
    assert!(matches!(refused, Err(TheoryError::NotConverged { estimate, .. }) if estimate > 1e-10));
    assert!(solve(&m).is_converged());
}

#[test]
fn a_kink_nobody_declared_is_found() {
    let bent = |x: f64| (1.0 + 0.5 * (x - 0.3f64).abs(), 0.5 * (x - 0.3f64).signum());
    let unknown = solve(&two_states(profile(bent), 10.0));
    let declared = Arc::new(Profile { of: bent, kinks: vec![0.3] });
    let known = solve(&two_states(declared, 10.0));
    assert!(known.vertices().len() < unknown.vertices().len());
    for k in 0..=100 {
        let x = k as f64 / 100.0;
        assert_close(unknown.total_density_at(x), known.total_density_at(x), 1e-9);
    }
    let (a, b) = (whole(&unknown, Observable::Soret), whole(&known, Observable::Soret));
    assert_close(a, b, 1e-9);
}

#[test]
fn weak_gradients_keep_their_digits() {
    // At linear order S is that of the limit T' -> 0, whatever the gradient.
    let of = |rise: f64| whole(&solve(&two_states(linear(rise), 1.0)), Observable::Soret);
    let (small, smaller) = (of(1e-5), of(1e-6));
    assert_close(small, smaller, 3e-5);
    let even = 0.5 * (of(1e-3) + of(-1e-3));
    assert_close(0.5 * (of(1e-4) + of(-1e-4)), even, 1e-6);
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let options = Options::default();
    let negative = stationary::solve(&two_states(linear(-2.0), 1.0), &options);
    assert!(matches!(negative, Err(TheoryError::Temperature { x, .. }) if x > 0.49));
    let undefined = two_states(profile(|_| (f64::NAN, 0.0)), 1.0);
    assert!(matches!(stationary::solve(&undefined, &options), Err(TheoryError::Temperature { .. })));
    assert!(matches!(FastLimit::new(&undefined), Err(TheoryError::Temperature { .. })));
    let huge = model(linear(0.1), &[(0.0, 1.0), (0.0, 2.0)], &[(0, 1, 1.0, -1e4)]);
    assert!(matches!(stationary::solve(&huge, &options), Err(TheoryError::Rate { .. })));
    let gone = model(linear(0.1), &[(0.0, 1.0), (0.0, 2.0)], &[(0, 1, 1.0, 1e4)]);
    assert!(matches!(stationary::solve(&gone, &options), Err(TheoryError::Singular { .. })));
    let mut endless = two_states(linear(0.1), 1.0);
    endless.domain.length = f64::INFINITY;
    assert!(matches!(stationary::solve(&endless, &options), Err(TheoryError::Length { .. })));
    for bad in [
        Options { tolerance: 0.0, ..options },
        Options { tolerance: f64::NAN, ..options },
        Options { limit: 1e-12, ..options },
        Options { max_elements: 2, ..options },
    ] {
        let refused = stationary::solve(&two_states(linear(0.1), 1.0), &bad);
        assert!(matches!(refused, Err(TheoryError::Option { .. })));
    }
}
