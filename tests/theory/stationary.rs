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
        potential: None,
        network: Network::new(states, edges).expect("a valid network"),
        coordinates: None,
        mixture: None,
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

/// A field by its value alone; nothing in `stationary` asks for slopes.
fn value(of: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Arc<dyn Field> {
    profile(move |x| (of(x), f64::NAN))
}

/// A state with enthalpy, entropy and motility.
fn state(name: &str, energy: f64, entropy: f64, motility: Motility) -> State {
    State { entropy, motility, ..State::new(name, energy, 1.0) }
}

fn diffusivity(of: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Motility {
    Motility::Diffusivity(value(of))
}

fn friction(of: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Motility {
    Motility::Friction(value(of))
}

fn driven(between: [usize; 2], attempt_rate: f64, barrier: f64, affinity: f64) -> Edge {
    Edge { between, law: RateLaw::Activated { attempt_rate, barrier, affinity } }
}

fn free(between: [usize; 2], forward: Option<Arc<dyn Field>>, backward: Option<Arc<dyn Field>>) -> Edge {
    Edge { between, law: RateLaw::Free { forward, backward } }
}

/// `low` to the left of 0.43, `high` to the right.
fn step(low: f64, high: f64) -> Arc<dyn Field> {
    let of = move |x: f64| (if x < 0.43 { low } else { high }, 0.0);
    Arc::new(Profile { of, kinks: vec![0.43] })
}

/// Cases of the oracle for the whole model language. `twist` is what a wrong reading would change: the
/// sign of every affinity, and frictions read as the diffusivities `kT/gamma`.
fn full_model(case: &str, twist: bool) -> Model {
    let wave = |x: f64| 1.0 + 0.3 * (3.0 * x).sin() + 0.2 * x;
    let warm = |x: f64| 1.0 + 0.8 * x;
    let sign = if twist { -1.0 } else { 1.0 };
    let resisting = |of: fn(f64) -> f64, kt: fn(f64) -> f64| match twist {
        false => friction(of),
        true => diffusivity(move |x| kt(x) / of(x)),
    };
    let three = || vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3), State::new("c", 0.5, 4e-3)];
    match case {
        "einstein" => build(
            value(warm),
            vec![
                state("a", 1.0, 0.7, diffusivity(move |x| 1e-2 * warm(x))),
                state("b", 0.0, 0.0, diffusivity(move |x| 1e-3 * warm(x))),
            ],
            vec![Edge::new([0, 1], 0.3, 1.5)],
        ),
        "ito_shapes" => build(
            value(wave),
            vec![
                state("a", 1.0, 0.0, diffusivity(|x| 1e-2 * (1.0 + x))),
                state("b", 0.0, -0.4, diffusivity(|x| 2e-3 * (-x * x).exp())),
            ],
            vec![Edge::new([0, 1], 0.1, 1.5)],
        ),
        "friction_common" => build(
            value(wave),
            vec![
                state("a", 1.0, 0.5, resisting(|x| 100.0 * (1.0 + 0.5 * (2.0 * x).sin()), wave)),
                state("b", 0.0, 0.0, resisting(|x| 900.0 * (1.0 + 0.5 * (2.0 * x).sin()), wave)),
            ],
            vec![Edge::new([0, 1], 0.05, 1.5)],
        ),
        "friction_shapes" => build(
            value(wave),
            vec![
                state("a", 1.0, 0.5, resisting(|x| 100.0 * (x / 2.0).exp(), wave)),
                state("b", 0.0, 0.0, resisting(|x| 600.0 * (1.0 + x * x), wave)),
                state("c", 0.4, -0.3, resisting(|_| 250.0, wave)),
            ],
            vec![Edge::new([0, 1], 0.02, 1.5), Edge::new([1, 2], 0.05, 0.8), Edge::new([2, 0], 0.002, 1.1)],
        ),
        "driven_ring" => build(
            value(warm),
            three(),
            vec![
                Edge::new([0, 1], 0.2, 1.5),
                driven([0, 1], 0.05, 1.3, sign * 2.5),
                Edge::new([1, 2], 0.1, 0.9),
                Edge::new([2, 0], 0.3, 1.6),
            ],
        ),
        "free_both" => build(
            value(warm),
            vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3)],
            vec![
                free([0, 1], Some(value(|x| 0.1 * (-x).exp())), Some(value(|x| 0.05 * (1.0 + x * x)))),
                Edge::new([0, 1], 0.02, 1.5),
            ],
        ),
        "free_one_way" => build(
            value(wave),
            three(),
            vec![
                free([0, 1], Some(value(|x| 0.05 * (1.0 + x))), None),
                free([1, 2], Some(value(|x| 0.02 * x.exp())), None),
                free([0, 2], None, Some(Arc::new(Uniform(0.03)))),
            ],
        ),
        "kelvin" => {
            let kt = |x: f64| 0.0083 * (300.0 + 60.0 * x);
            let mut model = build(
                value(|x| 300.0 + 60.0 * x),
                vec![
                    state("a", 2.5, 0.3, resisting(|x| 250.0 * (1.0 + x), kt)),
                    state("b", 0.0, 0.0, resisting(|x| 2500.0 * (-x).exp(), kt)),
                ],
                vec![driven([0, 1], 0.05, 3.5, sign * 0.6), Edge::new([0, 1], 0.1, 4.0)],
            );
            model.boltzmann = 0.0083;
            model
        }
        "two_boxes" => build(
            step(1.0, 1.7),
            vec![
                state("a", 1.0, 0.0, Motility::Diffusivity(step(1e-2, 1.7e-2))),
                state("b", 0.0, 0.0, Motility::Diffusivity(step(1e-3, 1.7e-3))),
            ],
            vec![Edge::new([0, 1], 0.1, 1.5), driven([0, 1], 0.04, 1.2, sign * -0.8)],
        ),
        other => panic!("no case {other}"),
    }
}

const FULL_CASES: [&str; 9] = [
    "einstein",
    "ito_shapes",
    "friction_common",
    "friction_shapes",
    "driven_ring",
    "free_both",
    "free_one_way",
    "kelvin",
    "two_boxes",
];

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
    worst
        .into_iter()
        .map(|(name, (error, size))| (name, if error == 0.0 { 0.0 } else { error / size }))
        .collect()
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
fn every_functional_of_the_whole_model_agrees_with_chebyshev_collocation() {
    for case in FULL_CASES {
        let law = solve(&full_model(case, false));
        assert!(law.is_converged());
        let differences = oracle_differences(&law, case);
        assert!(differences.len() >= 15, "{case}: {differences:?}");
        for (name, difference) in &differences {
            assert!(*difference < 1e-12, "{case}, {name}: {difference:e}");
        }
    }
}

fn worst(law: &Stationary, case: &str) -> f64 {
    oracle_differences(law, case).into_iter().map(|d| d.1).fold(0.0, f64::max)
}

/// Negative controls: a friction read as the Ito diffusivity `kT/gamma`, an affinity of the wrong sign.
#[test]
fn the_oracle_catches_wrong_readings() {
    for case in ["friction_common", "friction_shapes", "driven_ring", "kelvin", "two_boxes"] {
        let difference = worst(&solve(&full_model(case, true)), case);
        assert!(difference > 0.05, "{case}: {difference:e}");
    }
    // A constant friction is its Ito diffusivity where T is uniform or not: D = kT/gamma.
    let edges = || vec![Edge::new([0, 1], 0.2, 1.5)];
    let with = |of: fn(f64) -> Motility| {
        let states = vec![state("a", 1.0, 0.0, of(100.0)), state("b", 0.0, 0.0, of(900.0))];
        solve(&build(value(|x| 1.0 + 0.8 * x), states, edges()))
    };
    let one = with(|gamma| Motility::Friction(Arc::new(Uniform(gamma))));
    let other = with(|gamma| diffusivity(move |x| (1.0 + 0.8 * x) / gamma));
    for k in 0..=20 {
        let x = k as f64 / 20.0;
        assert_close(one.total_density_at(x), other.total_density_at(x), 1e-12);
    }
}

#[test]
fn the_oracle_catches_wrong_rates() {
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

/// The same where everything varies, for densities, currents and their functionals.
#[test]
fn the_error_estimate_is_honest_for_the_whole_model() {
    let of = |nu: f64| {
        build(
            value(|x| 1.0 + 0.4 * (9.0 * x).sin() * x),
            vec![
                state("a", 1.0, 0.0, friction(|x| 100.0 * (1.0 + 0.5 * (25.0 * x).sin()))),
                state("b", 0.0, 0.7, diffusivity(|x| 1e-3 * (2.0 + (15.0 * x).cos()))),
                state("c", 0.3, 0.0, friction(|x| 300.0 * (2.0 * x).exp())),
            ],
            vec![
                driven([0, 1], nu, 1.5, 1.0),
                free([1, 2], Some(value(move |x| nu * x)), Some(value(move |_| 0.3 * nu))),
                Edge::new([0, 2], 0.01 * nu, 1.0),
            ],
        )
    };
    for nu in [1e-3, 0.3, 30.0, 3e3] {
        let m = of(nu);
        let precise = Options { tolerance: 1e-12, ..Options::default() };
        let precise = stationary::solve(&m, &precise).expect("a solution");
        for tolerance in [1e-2, 1e-4, 1e-6, 1e-8] {
            let options = Options { tolerance, limit: 1.0, ..Options::default() };
            let law = stationary::solve(&m, &options).expect("a solution");
            assert!(law.is_converged());
            let (mut errors, mut sizes) = ([0.0f64; 6], [0.0f64; 6]);
            for k in 0..=2000 {
                let x = k as f64 / 2000.0;
                let both = |law: &Stationary| [law.density_at(x), law.current_at(x)].concat();
                for (i, (a, b)) in both(&law).into_iter().zip(both(&precise)).enumerate() {
                    errors[i] = errors[i].max((a - b).abs());
                    sizes[i] = sizes[i].max(b.abs());
                }
            }
            for (error, size) in errors.iter().zip(sizes) {
                let (error, estimate) = (error / size, law.error_estimate());
                assert!(error <= estimate + 1e-11, "nu = {nu}: true {error:e}, estimated {estimate:e}");
            }
        }
    }
}

/// A friction with a kink that nobody declares is resolved by bisection. A jump bends `u` within an element
/// however narrow, and no current there is right: refused, not returned.
#[test]
fn a_friction_whose_kink_nobody_declared() {
    let with = |of: fn(f64) -> f64, kinks: Vec<f64>| {
        let field: Arc<dyn Field> = Arc::new(Profile { of: move |x| (of(x), 0.0), kinks });
        let states = vec![
            state("a", 1.0, 0.0, Motility::Friction(field)),
            state("b", 0.0, 0.0, Motility::Friction(Arc::new(Uniform(700.0)))),
        ];
        let m = build(linear(0.8), states, vec![Edge::new([0, 1], 0.1, 1.5)]);
        stationary::solve(&m, &Options::default())
    };
    let bent = |x: f64| 100.0 + 300.0 * (x - 0.31).abs();
    let (unknown, declared) = (with(bent, vec![]), with(bent, vec![0.31]));
    let (unknown, declared) = (unknown.expect("a solution"), declared.expect("a solution"));
    for k in 0..=50 {
        let x = k as f64 / 50.0;
        assert_close(unknown.total_density_at(x), declared.total_density_at(x), 1e-9);
    }
    let jump = |x: f64| if x < 0.31 { 100.0 } else { 250.0 };
    assert!(with(jump, vec![0.31]).expect("a solution").is_converged());
    assert!(matches!(with(jump, vec![]), Err(TheoryError::NotConverged { .. })));
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

/// `P ~ 1/w` for one state, whatever the friction: nothing flows, so `w P` is constant (Landauer's
/// blowtorch needs a force).
#[test]
fn one_state_in_closed_form() {
    let t = |x: f64| 1.0 + 0.5 * (3.0 * x).sin();
    let field = || profile(move |x| (t(x), 1.5 * (3.0 * x).cos()));
    let linear_in_t = diffusivity(move |x| 1e-2 * t(x));
    let pushed = friction(|x| 100.0 * (3.0 * x).exp());
    let constant = Motility::Friction(Arc::new(Uniform(30.0)));
    for motility in [linear_in_t, pushed, constant] {
        let law = solve(&build(field(), vec![state("a", 1.0, 0.3, motility)], vec![]));
        let norm = simpson(&law, |x| 1.0 / t(x));
        for k in 0..=40 {
            let x = k as f64 / 40.0;
            assert_close(law.total_density_at(x), 1.0 / (norm * t(x)), 1e-12);
            assert_eq!(law.current_at(x), [0.0]);
        }
        assert_eq!(whole(&law, Observable::EntropyProduction), 0.0);
        assert_close(whole(&law, Observable::MeanTemperature), 1.0 / norm, 1e-12);
        let wall = (t(1.0) / t(0.0)).ln() / (t(1.0) - t(0.0));
        assert_close(whole(&law, Observable::SoretWall), wall, 1e-12);
    }
    // Ito: the diffusivity alone decides, T has no say.
    let d = |x: f64| 1e-2 * (1.0 + x * x);
    let law = solve(&build(field(), vec![state("a", 1.0, 0.3, diffusivity(d))], vec![]));
    assert_eq!(law.kinetic_entropy_production(), None);
    for k in 0..=40 {
        let x = k as f64 / 40.0;
        assert_close(law.total_density_at(x), 1e-2 / (d(x) * std::f64::consts::FRAC_PI_4), 1e-12);
    }
    // The entropic anomaly: int P T'^2/(2 gamma T), with T = 1 + x: P = 1/(T ln 2).
    let states = vec![state("a", 0.0, 0.0, friction(|_| 40.0))];
    let law = solve(&build(linear(1.0), states, vec![]));
    let expected = 0.5 / (80.0 * std::f64::consts::LN_2);
    assert_close(law.kinetic_entropy_production().expect("smooth"), expected, 1e-13);
    let states = vec![state("a", 0.0, 0.0, friction(|_| 40.0))];
    assert_eq!(solve(&build(step(1.0, 2.0), states, vec![])).kinetic_entropy_production(), None);
}

/// The same bits of `P = 1/(N T)` at both sides of a jump of `T`: each bin sees its own side.
#[test]
fn a_jump_at_a_face_belongs_to_neither_bin() {
    let t = |x: f64| if x < 0.43 { 1.0 + x } else { 2.0 + 0.5 * x };
    let field =
        Arc::new(Profile { of: move |x| (t(x), if x < 0.43 { 1.0 } else { 0.5 }), kinks: vec![0.43] });
    let law = solve(&build(field, vec![state("a", 0.0, 0.0, friction(|x| 10.0 + x))], vec![]));
    let norm = (1.43f64).ln() + 2.0 * (2.5f64 / 2.215).ln();
    // Bins of width 0.01: the face at 0.43 is the jump.
    let grid = Grid::new(1.0, 100);
    let found = law.reference(Observable::LocalSoret, &grid).expect("known");
    let bin = |lo: f64, hi: f64, slope: f64| {
        let mean = (hi / lo).ln() / slope / 0.01;
        -(1.0 / hi - 1.0 / lo) / ((hi - lo) * mean)
    };
    for (b, found) in found.iter().enumerate() {
        let (x, y) = (b as f64 / 100.0, (b + 1) as f64 / 100.0);
        let expected = match b {
            0..43 => bin(1.0 + x, 1.0 + y, 1.0),
            _ => bin(2.0 + 0.5 * x, 2.0 + 0.5 * y, 0.5),
        };
        assert_close(found.expect("T varies"), expected, 1e-9);
    }
    assert_close(law.total_density_at(0.2), 1.0 / (1.2 * norm), 1e-12);
    let (left, right) = (law.total_density_at(0.43 - 1e-9), law.total_density_at(0.43));
    assert_close(left / right, 2.215 / 1.43, 1e-8);
}

/// Three states with frictions of different shapes and entropies.
fn shaped(temperature: Arc<dyn Field>, nu: f64) -> Model {
    let of = |f: fn(f64) -> (f64, f64)| Motility::Friction(profile(f));
    build(
        temperature,
        vec![
            state("a", 1.0, 0.5, of(|x| (100.0 * (x / 2.0).exp(), 50.0 * (x / 2.0).exp()))),
            state("b", 0.0, 0.0, of(|x| (600.0 * (1.0 + x * x), 1200.0 * x))),
            state("c", 0.4, -0.3, Motility::Friction(Arc::new(Uniform(250.0)))),
        ],
        vec![Edge::new([0, 1], nu, 1.5), Edge::new([1, 2], 0.5 * nu, 0.8), Edge::new([2, 0], 0.1 * nu, 1.1)],
    )
}

#[test]
fn currents_cancel_exactly_at_any_rate() {
    for nu in [1e-7, 1e-4, 1e-1, 1e2, 1e5, 1e7] {
        let law = solve(&shaped(linear(0.8), nu));
        let currents: Vec<Vec<f64>> = (1..200).map(|k| law.current_at(k as f64 / 200.0)).collect();
        let largest = currents.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
        for j in currents {
            assert!(j.iter().sum::<f64>().abs() <= 1e-13 * largest, "nu = {nu}: {j:?}");
        }
        assert!(law.error_estimate() < 1e-9, "{:e}", law.error_estimate());
        let (linear, quadratic) =
            (whole(&law, Observable::EntropyProduction), law.quadratic_entropy_production());
        assert_close(linear, quadratic.expect("every passage has a reverse"), 1e-9);
    }
    // One shape: the first integral.
    let law = solve(&full_model("friction_common", false));
    let sum = |x: f64| {
        let kt = 1.0 + 0.3 * (3.0 * x).sin() + 0.2 * x;
        let p = law.density_at(x);
        kt * (p[0] / 100.0 + p[1] / 900.0)
    };
    for k in 0..=50 {
        assert_close(sum(k as f64 / 50.0), sum(0.5), 1e-14);
    }
}

/// Free rates equal to those of an edge over a barrier: the same law and, by local detailed balance, the
/// same heat. It comes from the rates alone here, so the work, `H_b - H_a` less the heat, must vanish.
#[test]
fn free_rates_with_detailed_balance_are_an_activated_edge() {
    for nu in [1e-8, 1e-3, 1.0, 1e3, 1e6] {
        let t = |x: f64| 1.0 + 0.8 * x;
        let rates = [0.5, 1.5].map(|height| value(move |x| nu * (-height / t(x)).exp()));
        let [forward, backward] = rates.map(Some);
        let states = vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3)];
        let freely = solve(&build(linear(0.8), states, vec![free([0, 1], forward, backward)]));
        let activated = solve(&two_states(linear(0.8), nu));
        let grid = Grid::new(1.0, 10);
        let heat = |law: &Stationary| law.reference(Observable::HeatAbsorbed, &grid).expect("known");
        let pairs = heat(&freely).into_iter().zip(heat(&activated));
        let pairs: Vec<(f64, f64)> = pairs.map(|(a, b)| (a.expect("known"), b.expect("known"))).collect();
        let largest = pairs.iter().fold(0.0f64, |m, p| m.max(p.1.abs()));
        for (found, expected) in pairs {
            assert!((found - expected).abs() < 1e-11 * largest, "nu = {nu}: {found:e} {expected:e}");
        }
        let sigma = whole(&activated, Observable::EntropyProduction);
        assert_close(whole(&freely, Observable::EntropyProduction), sigma, 1e-12);
    }
}

#[test]
fn first_law_with_work() {
    let m = full_model("driven_ring", false);
    let law = solve(&m);
    let grid = Grid::new(1.0, 20);
    let get = |o| -> Vec<f64> {
        law.reference(o, &grid).expect("known").into_iter().map(|v| v.expect("defined")).collect()
    };
    let heat = get(Observable::HeatAbsorbed);
    let rates: Vec<_> = m.network.channels().map(|c| get(Observable::TransitionRate(c.index))).collect();
    let carried = get(Observable::HeatCurrent);
    let largest = heat.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let mut work = 0.0;
    for b in 0..20 {
        let exchange = |c| m.exchange(c, 0.0).expect("known");
        let channels = || m.network.channels().zip(&rates);
        let absorbed: f64 = channels().map(|(c, r)| r[b] * exchange(c).heat).sum();
        let done: f64 = channels().map(|(c, r)| r[b] * exchange(c).work).sum();
        assert!((heat[b] - absorbed).abs() < 1e-12 * largest);
        let left = if b == 0 { 0.0 } else { carried[b - 1] };
        let right = if b == 19 { 0.0 } else { carried[b] };
        assert!((20.0 * (right - left) - heat[b] - done).abs() < 1e-12 * largest);
        work += done / 20.0;
    }
    // Work is dissipated: what is absorbed is less than nothing.
    assert!(work > 0.0);
    assert_close(heat.iter().sum::<f64>() / 20.0, -work, 1e-12);
}

#[test]
fn entropy_of_the_bath_and_the_quadratic_form() {
    for case in FULL_CASES {
        let law = solve(&full_model(case, false));
        let quadratic = law.quadratic_entropy_production();
        let Some(quadratic) = quadratic else {
            assert_eq!(case, "free_one_way");
            let grid = Grid::new(1.0, 5);
            for unknown in [Observable::EntropyProduction, Observable::HeatAbsorbed] {
                let values = law.reference(unknown, &grid).expect("known");
                assert!(values.iter().all(Option::is_none));
            }
            continue;
        };
        assert!(quadratic > 0.0);
        let linear = whole(&law, Observable::EntropyProduction);
        match case {
            // (5): Ito diffusivities of different shapes are in contact with no bath.
            "ito_shapes" => {
                assert!((quadratic - linear).abs() > 0.05 * quadratic, "{quadratic:e} {linear:e}");
                let apart = simpson(&law, |x| {
                    let j = law.current_at(x);
                    -j[0] / (1.0 + x) + j[1] * 2.0 * x
                });
                assert_close(quadratic - linear, apart, 1e-10);
            }
            _ => assert_close(linear, quadratic, 1e-11),
        }
    }
}

#[test]
fn uniform_temperature_is_null_for_frictions_only() {
    let (t, nu) = (0.8, 0.1);
    let m = shaped(Arc::new(Uniform(t)), nu);
    let law = solve(&m);
    let free = [1.0 - 0.5 * t, 0.0, 0.4 + 0.3 * t];
    let weights: Vec<f64> = free.iter().map(|f| (-f / t).exp()).collect();
    let sum: f64 = weights.iter().sum();
    for point in law.profile(31) {
        for (p, w) in point.density.iter().zip(&weights) {
            assert_close(*p, w / sum, 1e-12);
        }
        assert!(point.current.iter().all(|j| j.abs() < 1e-15), "{point:?}");
    }
    // Not so for Ito diffusivities of different shapes: currents without any cause.
    let states = vec![
        state("a", 1.0, 0.0, diffusivity(|x| 1e-2 * (1.0 + x))),
        state("b", 0.0, 0.0, diffusivity(|x| 2e-3 * (-x * x).exp())),
    ];
    let law = solve(&build(Arc::new(Uniform(t)), states, vec![Edge::new([0, 1], nu, 1.5)]));
    assert!(law.current_at(0.5)[0].abs() > 1e-5);
    assert_close(whole(&law, Observable::EntropyProduction), 0.0, 1e-12);
    assert!(law.quadratic_entropy_production().expect("reversible") > 1e-6);
}

#[test]
fn two_systems_of_units_give_the_same_physics() {
    // Energies in units of 2.5, temperatures in kelvin with k_B = 2.5/300.
    let one = build(
        linear(0.3),
        vec![state("a", 1.0, 0.2, friction(|x| 50.0 + x)), state("b", 0.0, 0.0, friction(|x| 500.0 - x * x))],
        vec![driven([0, 1], 0.1, 1.4, 0.4), Edge::new([0, 1], 0.05, 1.8)],
    );
    let mut other = build(
        profile(|x| (300.0 * (1.0 + 0.3 * x), 90.0)),
        vec![
            state("a", 2.5, 0.2, friction(|x| 2.5 * (50.0 + x))),
            state("b", 0.0, 0.0, friction(|x| 2.5 * (500.0 - x * x))),
        ],
        vec![driven([0, 1], 0.1, 3.5, 1.0), Edge::new([0, 1], 0.05, 4.5)],
    );
    other.boltzmann = 2.5 / 300.0;
    let (law, kelvin) = (solve(&one), solve(&other));
    for k in 0..=20 {
        let x = k as f64 / 20.0;
        for (a, b) in law.density_at(x).iter().zip(kelvin.density_at(x)) {
            assert_close(b, *a, 1e-12);
        }
    }
    for (observable, factor) in [
        (Observable::Soret, 1.0 / 300.0),
        (Observable::SoretWall, 1.0 / 300.0),
        (Observable::MeanTemperature, 300.0),
        (Observable::MeanHeatCurrent, 2.5),
        (Observable::EntropyProduction, 1.0),
    ] {
        assert_close(whole(&kelvin, observable), factor * whole(&law, observable), 1e-11);
    }
    let kinetic = |law: &Stationary| law.kinetic_entropy_production().expect("smooth");
    assert_close(kinetic(&kelvin), kinetic(&law), 1e-12);
}

#[test]
fn fast_limit_of_frictions_of_different_shapes() {
    let field = || profile(|x: f64| (1.0 + 0.6 * x * x, 1.2 * x));
    let limit = FastLimit::new(&shaped(field(), 1.0)).expect("a limit");
    let ratio = |p: &dyn Fn(f64) -> f64| (p(0.75) / p(0.35)).ln();
    let expected = ratio(&|x| limit.total_density_at(x));
    let errors: Vec<[f64; 2]> = [3e2, 3e3, 3e4]
        .into_iter()
        .map(|nu| {
            let law = solve(&shaped(field(), nu));
            let heat = law.heat_current_at(0.6) / law.total_density_at(0.6);
            [
                (ratio(&|x| law.total_density_at(x)) / expected - 1.0).abs(),
                (heat * limit.total_density_at(0.6) / limit.heat_current_at(0.6) - 1.0).abs(),
            ]
        })
        .collect();
    for pair in errors.windows(2) {
        assert!((8.0..12.5).contains(&(pair[0][0] / pair[1][0])), "{errors:?}");
        assert!((8.0..12.5).contains(&(pair[0][1] / pair[1][1])), "{errors:?}");
    }
    // The local coefficient is the slope of the density.
    let p = |x: f64| limit.total_density_at(x).ln();
    let (x, h) = (0.5, 1e-3);
    let slope = (p(x - 2.0 * h) - 8.0 * p(x - h) + 8.0 * p(x + h) - p(x + 2.0 * h)) / (12.0 * h);
    assert_close(limit.soret_at(x).expect("T varies"), -slope / 0.6, 1e-9);
    assert!(limit.current_at(x).iter().sum::<f64>().abs() < 1e-15);
    assert_eq!(FastLimit::new(&shaped(Arc::new(Uniform(1.0)), 1.0)).expect("a limit").soret_at(0.3), None);
}

#[test]
fn fast_limit_across_a_jump() {
    // Between the boxes a layer, of thickness nu^(-1/2), in which sum_i u_i/gamma_i is conserved.
    let limit = FastLimit::new(&shaped(step(1.0, 1.6), 1.0)).expect("a limit");
    let ratio = |p: &dyn Fn(f64) -> f64| p(0.8) / p(0.2);
    let expected = ratio(&|x| limit.total_density_at(x));
    let error = |nu: f64| {
        let law = solve(&shaped(step(1.0, 1.6), nu));
        (ratio(&|x| law.total_density_at(x)) / expected - 1.0).abs()
    };
    let (fast, faster) = (error(1e5), error(1e7));
    assert!((8.0..12.5).contains(&(fast / faster)) && faster < 1e-3, "{fast:e} {faster:e}");
    let grid = Grid::new(1.0, 4);
    assert_eq!(limit.reference(Observable::EntropyProduction, &grid), Some(vec![None]));
    // Frictions that jump by different factors where T jumps: the rates decide.
    let mut m = shaped(step(1.0, 1.6), 1.0);
    let mut states = m.network.states().to_vec();
    states[2].motility = Motility::Friction(step(250.0, 500.0));
    m.network = Network::new(states, m.network.edges().to_vec()).expect("a valid network");
    assert!(matches!(FastLimit::new(&m), Err(TheoryError::Jump { x }) if x == 0.43));
}

/// Driven, the covariance form has the wrong sign: the passage over the driven edge pays `H_a - H_b + f`
/// and not `H_a - H_b`.
#[test]
fn fast_limit_of_a_driven_network() {
    let build = |nu: f64, affinity: f64| {
        build(
            linear(0.5),
            vec![State::new("a", 1.0, 1e-2), State::new("b", 0.0, 1e-3)],
            vec![Edge::new([0, 1], 0.01 * nu, 1.5), driven([0, 1], nu, 1.5, affinity)],
        )
    };
    let passive = FastLimit::new(&build(1.0, 0.0)).expect("a limit");
    let x = 0.5;
    assert_close(passive.soret_at(x).expect("T varies"), passive.covariance_soret_at(x), 1e-13);
    let limit = FastLimit::new(&build(1.0, -2.5)).expect("a limit");
    let soret = limit.soret_at(x).expect("T varies");
    assert!(soret < -0.1 && limit.covariance_soret_at(x) > 0.1, "{soret}");
    let of = |nu: f64| {
        let law = solve(&build(nu, -2.5));
        let p = |y: f64| law.total_density_at(y).ln();
        let h = 4e-3;
        -(p(x - 2.0 * h) - 8.0 * p(x - h) + 8.0 * p(x + h) - p(x + 2.0 * h)) / (6.0 * h)
    };
    let (fast, faster) = ((of(1e2) / soret - 1.0).abs(), (of(1e3) / soret - 1.0).abs());
    assert!((8.0..12.5).contains(&(fast / faster)) && faster < 1e-4, "{fast:e} {faster:e}");
    let grid = Grid::new(1.0, 4);
    for unknown in [Observable::HeatAbsorbed, Observable::EntropyProduction] {
        assert!(limit.reference(unknown, &grid).expect("known").iter().all(Option::is_none));
    }
    let ring = full_model("driven_ring", false);
    let refused = FastLimit::new(&ring).expect("smooth").layer_lengths(0.5);
    assert!(matches!(refused, Err(TheoryError::Driven { edge: 0 })));
}

#[test]
fn bad_motilities_are_refused_with_their_place() {
    for motility in [
        diffusivity(|x| 0.5 - x),
        friction(|x| 0.5 - x),
        friction(|_| f64::NAN),
        diffusivity(|x| if x > 0.7 { f64::INFINITY } else { 1.0 }),
    ] {
        let m = build(linear(0.1), vec![state("a", 0.0, 0.0, motility)], vec![]);
        let refused = stationary::solve(&m, &Options::default());
        assert!(matches!(refused, Err(TheoryError::Motility { state: 0, .. })), "{refused:?}");
        assert!(matches!(FastLimit::new(&m), Err(TheoryError::Motility { .. })));
    }
    // Free rates that vanish everywhere, and one that is negative.
    let with = |of: fn(f64) -> f64| {
        let states = vec![State::new("a", 0.0, 1.0), State::new("b", 0.0, 2.0)];
        build(linear(0.1), states, vec![free([0, 1], Some(value(of)), Some(value(of)))])
    };
    let refused = stationary::solve(&with(|_| 0.0), &Options::default());
    assert!(matches!(refused, Err(TheoryError::Singular { .. })));
    let refused = stationary::solve(&with(|x| x - 0.5), &Options::default());
    assert!(matches!(refused, Err(TheoryError::Rate { .. })));
    // Zero in a region only: nothing passes there, and nothing is absorbed.
    let law = solve(&with(|x| if x < 0.5 { 0.0 } else { 0.1 }));
    assert!(law.reference(Observable::HeatAbsorbed, &Grid::new(1.0, 4)).expect("known")[0].is_some());
}
