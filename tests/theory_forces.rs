//! The continuum reference with potentials, propulsion and rings, against closed forms and an independent
//! discretisation.

use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Boundary, Edge, Field, Model, Motility, State, Uniform};
use soret::observable::Observable;
use soret::theory::stationary::{self, Options, Stationary};
use std::sync::Arc;

fn field(source: &str) -> Arc<dyn Field> {
    Arc::new(Expression::parse(source, &["x"], &[]).expect("a valid expression"))
}

fn state(name: &str, energy: f64, motility: Motility) -> State {
    State { motility, ..State::new(name, energy, 1.0) }
}

/// `k_B = 1`, between walls at 0 and 1.
fn model(temperature: &str, potential: &str, states: Vec<State>, edges: Vec<Edge>) -> Model {
    let mut model = Model::new(1.0, Uniform(1.0), states, edges).expect("a valid model");
    model.temperature = field(temperature);
    model.potential = Some(field(potential));
    model
}

fn ring(mut model: Model) -> Model {
    model.domain.walls = Boundary::Periodic;
    model
}

fn friction(gamma: &str) -> Motility {
    Motility::Friction(field(gamma))
}

fn diffusivity(d: &str) -> Motility {
    Motility::Diffusivity(field(d))
}

fn own(state: State, potential: &str) -> State {
    State { potential: Some(field(potential)), ..state }
}

fn drifting(state: State, drift: &str) -> State {
    State { drift: Some(field(drift)), ..state }
}

fn solve(model: &Model) -> Stationary {
    stationary::solve(model, &Options::default()).expect("a solution")
}

fn whole(law: &Stationary, observable: Observable) -> f64 {
    law.reference(observable, &Grid::new(law.model().domain.length, 10)).expect("known")[0].expect("defined")
}

/// `int_a^b f dx` by Simpson's rule.
fn integral(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let at = |k: usize| a + (b - a) * k as f64 / n as f64;
    let weight = |k: usize| if k == 0 || k == n { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
    (0..=n).map(|k| weight(k) * f(at(k))).sum::<f64>() * (b - a) / (3.0 * n as f64)
}

/// Largest error of the densities relative to `expected`, which need not be normalised, at its place.
fn local_error(law: &Stationary, expected: impl Fn(f64) -> Vec<f64>) -> f64 {
    let norm = integral(0.0, 1.0, |x| expected(x).iter().sum());
    let at = |k: usize| 0.002 + 0.996 * k as f64 / 500.0;
    let error = |x: f64| {
        let pairs = law.density_at(x).into_iter().zip(expected(x));
        pairs.map(|(p, e)| (p / (e / norm) - 1.0).abs()).fold(0.0, f64::max)
    };
    (0..=500).map(at).map(error).fold(0.0, f64::max)
}

#[test]
fn uniform_temperature_gives_boltzmann() {
    for (height, motility) in
        [(0.5, friction("2")), (4.0, diffusivity("0.3")), (20.0, friction("1 + 0.5*sin(3*x)"))]
    {
        let potential = format!("{height}*(cos(7*x) + 0.3*x)");
        let law = solve(&model("0.7", &potential, vec![state("only", 0.0, motility)], vec![]));
        let boltzmann = |x: f64| vec![(-height * ((7.0 * x).cos() + 0.3 * x) / 0.7).exp()];
        let error = local_error(&law, boltzmann);
        eprintln!("{height} {error:e} {:e} {}", law.error_estimate(), law.vertices().len());
        assert!(error < 1e-12 || height > 10.0, "{height}: {error:e}");
    }
}

#[test]
fn landauers_blowtorch() {
    let law = solve(&model(
        "1 + 0.5*exp(-((x - 0.6)/0.1)^2)",
        "8*cos(4*pi*x)",
        vec![state("only", 0.0, friction("3"))],
        vec![],
    ));
    let pi = std::f64::consts::PI;
    let t = |x: f64| 1.0 + 0.5 * (-((x - 0.6) / 0.1f64).powi(2)).exp();
    let rise = |x: f64| integral(0.0, x, |y| -32.0 * pi * (4.0 * pi * y).sin() / t(y));
    let error = local_error_coarse(&law, |x| vec![(-rise(x)).exp() / t(x)]);
    eprintln!("{error:e} {:e} {}", law.error_estimate(), law.vertices().len());
    assert!(error < 1e-10, "{error:e}");
}

/// Ratios to the density at 0.3, at a few places.
fn local_error_coarse(law: &Stationary, expected: impl Fn(f64) -> Vec<f64>) -> f64 {
    let (p, e) = (law.density_at(0.3), expected(0.3));
    let error = |x: f64| {
        let pairs = law.density_at(x).into_iter().zip(expected(x)).zip(p.iter().zip(&e));
        pairs.map(|((a, b), (p, e))| (a / p / (b / e) - 1.0).abs()).fold(0.0, f64::max)
    };
    (0..20).map(|k| error(0.025 + 0.05 * k as f64)).fold(0.0, f64::max)
}

#[test]
fn detailed_balance_is_joint_boltzmann() {
    for (attempt, height) in [(1e-3, 3.0), (1.0, 3.0), (1e4, 3.0), (1.0, 10.0)] {
        let own_of_first = format!("{height}*sin(5*x)^2");
        let states = vec![
            own(state("a", 1.0, friction("2")), &own_of_first),
            own(state("b", 0.0, friction("0.5 + x")), "1.5*x"),
        ];
        let law = solve(&model("0.8", "2*cos(3*x)", states, vec![Edge::new([0, 1], attempt, 2.0)]));
        let common = |x: f64| 2.0 * (3.0 * x).cos();
        let first = |x: f64| 1.0 + height * (5.0 * x).sin().powi(2) + common(x);
        let expected = |x: f64| vec![(-first(x) / 0.8).exp(), (-(1.5 * x + common(x)) / 0.8).exp()];
        let error = local_error(&law, expected);
        let largest =
            law.profile(200).iter().flat_map(|p| p.current.clone()).fold(0.0f64, |m, j| m.max(j.abs()));
        eprintln!("{attempt} {error:e} {largest:e} {:e} {}", law.error_estimate(), law.vertices().len());
        assert!(error < 1e-8 && largest < 1e-11, "{attempt}: {error:e} {largest:e}");
    }
}
