//! The continuum reference with potentials, propulsion and rings, against closed forms and an independent
//! discretisation.

use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Boundary, Edge, Field, Model, Motility, Network, RateLaw, State, Steps, Uniform};
use soret::observable::Observable;
use soret::theory::stationary::{self, Options, Stationary};
use soret::theory::{FastLimit, TheoryError};
use std::collections::BTreeMap;
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
        assert!(error < 1e-12, "{height}: {error:e}");
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
    let error = ratio_error(&law, |x| vec![(-rise(x)).exp() / t(x)]);
    assert!(error < 1e-10, "{error:e}");
}

/// Ratios to the density at 0.3, at a few places.
fn ratio_error(law: &Stationary, expected: impl Fn(f64) -> Vec<f64>) -> f64 {
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
        // Where one state is much rarer than the other it has fewer digits.
        let fewest = if height > 5.0 { 1e-9 } else { 1e-12 };
        assert!(error < fewest && largest < 1e-12, "{attempt}: {error:e} {largest:e}");
    }
}

/// `int_0^x f dx` on a uniform grid with this many steps, by Simpson's rule on each.
fn cumulative(steps: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let h = 1.0 / steps as f64;
    let mut sums = vec![0.0];
    for k in 0..steps {
        let x = k as f64 * h;
        let step = (f(x) + 4.0 * f(x + 0.5 * h) + f(x + h)) * h / 6.0;
        sums.push(sums[k] + step);
    }
    sums
}

#[test]
fn run_and_tumble_between_walls() {
    for (v, d, k) in [(0.5f64, 0.05, 1.0), (1.0, 0.02, 3.0), (2.0, 0.05, 0.3)] {
        let run = |drift: f64| drifting(state("run", 0.0, diffusivity(&d.to_string())), &drift.to_string());
        let rate = || Some(field(&k.to_string()));
        let edge = Edge { between: [0, 1], law: RateLaw::Free { forward: rate(), backward: rate() } };
        let law = solve(&model("1", "0", vec![run(v), run(-v)], vec![edge]));
        // sigma'' = kappa^2 sigma and rho' = v sigma/D for the sum rho and the difference sigma.
        let kappa: f64 = (v * v / (d * d) + 2.0 * k / d).sqrt();
        let offset = (0.5 * kappa).cosh() * (d * kappa - v * v / (d * kappa)) / v;
        let expected = |x: f64| {
            let y = kappa * (x - 0.5);
            let (sum, difference) = (v / (d * kappa) * y.cosh() + offset, y.sinh());
            vec![0.5 * (sum + difference), 0.5 * (sum - difference)]
        };
        let error = local_error(&law, expected);
        assert!(error < 1e-9, "{error:e}");
    }
}

#[test]
fn free_drift_on_a_ring() {
    let mut free =
        ring(model("0.4", "0", vec![drifting(state("only", 0.0, diffusivity("0.3")), "-0.7")], vec![]));
    free.domain.length = 2.5;
    let law = solve(&free);
    assert!((whole(&law, Observable::MeanVelocity) + 0.7).abs() < 1e-13);
    assert!((whole(&law, Observable::EffectiveDiffusion) - 0.3).abs() < 1e-13);
    for x in [0.0, 0.3, 2.5, 7.9, -1.0] {
        assert!((law.density_at(x)[0] - 0.4).abs() < 1e-13);
        assert!((law.current_at(x)[0] + 0.28).abs() < 1e-13);
    }
    // The work against friction, f^2/gamma, goes to the bath: f = v kT/D.
    let heat = 0.7 * 0.7 * 0.4 / 0.3;
    assert!((whole(&law, Observable::HeatAbsorbed) + heat / 2.5).abs() < 1e-12);
    assert!((whole(&law, Observable::EntropyProduction) - heat / 0.4).abs() < 1e-12);
}

#[test]
fn lifson_and_jackson() {
    for (height, t) in [(0.5, 1.0), (6.0, 0.7), (8.0, 0.7)] {
        let potential = format!("{height}*(cos(2*pi*x) + 0.4*sin(4*pi*x))");
        let law =
            solve(&ring(model(&t.to_string(), &potential, vec![state("only", 0.0, friction("2"))], vec![])));
        let w = 2.0 * std::f64::consts::PI;
        let u = |x: f64| height * ((w * x).cos() + 0.4 * (2.0 * w * x).sin()) / t;
        let expected = 0.5 * t / (integral(0.0, 1.0, |x| u(x).exp()) * integral(0.0, 1.0, |x| (-u(x)).exp()));
        let found = whole(&law, Observable::EffectiveDiffusion);
        let velocity = whole(&law, Observable::MeanVelocity);
        assert!((found / expected - 1.0).abs() < 1e-8);
        assert!(velocity.abs() < 1e-8 * expected);
    }
}

/// `v` and `D` in a tilted periodic potential, P. Reimann et al., Phys. Rev. Lett. 87, 010602 (2001).
#[test]
fn tilted_washboard() {
    for (height, t, pull) in [(0.4, 0.5, 1.0), (1.5, 0.4, 3.0), (1.0, 0.1, 6.0), (2.0, 0.3, 2.0)] {
        let gamma = 2.0;
        let drift = drifting(state("only", 0.0, friction("2")), &format!("{}", pull / gamma));
        let law = solve(&ring(model(&t.to_string(), &format!("{height}*sin(2*pi*x)"), vec![drift], vec![])));
        let w = 2.0 * std::f64::consts::PI;
        let v = |x: f64| (height * (w * x).sin() - pull * x) / t;
        let n = 400;
        let sum = |f: &dyn Fn(f64) -> f64| {
            // Periodic integrands: the trapezoidal rule.
            (0..n).map(|k| f(k as f64 / n as f64)).sum::<f64>() / n as f64
        };
        // Gauss with three points on each of many pieces.
        let gauss = |f: &dyn Fn(f64) -> f64| {
            let pieces = 400;
            let h = 0.5 / f64::from(pieces);
            let at = |k: i32, s: f64| f(h * (f64::from(2 * k + 1) + s));
            let root = 0.6f64.sqrt();
            let piece = |k: i32| h / 9.0 * (5.0 * (at(k, -root) + at(k, root)) + 8.0 * at(k, 0.0));
            (0..pieces).map(piece).sum::<f64>()
        };
        let plus: Vec<f64> =
            (0..n).map(|k| k as f64 / n as f64).map(|x| gauss(&|y| (v(x) - v(x - y)).exp())).collect();
        let minus: Vec<f64> =
            (0..n).map(|k| k as f64 / n as f64).map(|x| gauss(&|y| (v(x + y) - v(x)).exp())).collect();
        let at = |x: f64| (x * n as f64).round() as usize;
        let mean = sum(&|x| plus[at(x)]);
        let free = t / gamma;
        let velocity = free * (1.0 - (-pull / t).exp()) / mean;
        let spread = free * sum(&|x| plus[at(x)].powi(2) * minus[at(x)]) / mean.powi(3);
        let found = [whole(&law, Observable::MeanVelocity), whole(&law, Observable::EffectiveDiffusion)];
        assert!((found[0] / velocity - 1.0).abs() < 1e-8 && (found[1] / spread - 1.0).abs() < 1e-8);
    }
}

/// Buettiker, Z. Phys. B 68, 161 (1987); Landauer, J. Stat. Phys. 53, 233 (1988): `U` and `T` out of phase.
#[test]
fn buettiker_landauer_motor() {
    for (height, phase) in [(1.0, 0.25), (5.0, 0.25), (5.0, 0.0)] {
        let law = solve(&ring(model(
            &format!("1 + 0.6*cos(2*pi*(x - {phase}))"),
            &format!("{height}*cos(2*pi*x)"),
            vec![state("only", 0.0, friction("3"))],
            vec![],
        )));
        let w = 2.0 * std::f64::consts::PI;
        let t = |x: f64| 1.0 + 0.6 * (w * (x - phase)).cos();
        let n = 4000;
        // T P = exp(-psi) (C - gamma J int_0^x exp(psi)), psi' = U'/T.
        let psi = cumulative(2 * n, |x| -height * w * (w * x).sin() / t(x));
        let grown = |k: usize| (psi[2 * k + 2].exp() + 4.0 * psi[2 * k + 1].exp() + psi[2 * k].exp()) / 6.0;
        let mut inner = vec![0.0];
        (0..n).for_each(|k| inner.push(inner[k] + grown(k) / n as f64));
        let (turn, all) = (psi[2 * n], inner[n]);
        let constant = -3.0 * all / libm::expm1(turn);
        // For J = 1; the trapezoidal rule is that of a periodic function.
        let norm: f64 = (0..n)
            .map(|k| (-psi[2 * k]).exp() * (constant - 3.0 * inner[k]) / t(k as f64 / n as f64) / n as f64)
            .sum();
        let found = whole(&law, Observable::MeanVelocity);
        let expected = if phase == 0.0 { 0.0 } else { 1.0 / norm };
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1e-2), "{found:e} {expected:e}");
        assert!(phase == 0.0 || expected.abs() > 1e-4);
    }
}

#[test]
fn switching_on_a_ring() {
    // D_eff = <D> + p_1 p_2 (v_1 - v_2)^2/(k_1 + k_2), V = <v>.
    for (k, v) in [
        ([1.0, 1.0], [0.0, 0.0]),
        ([2.0, 2.0], [0.8, -0.8]),
        ([0.3, 1e3], [1.0, -0.2]),
        ([1e-4, 3e-4], [0.1, 0.3]),
    ] {
        let d = [0.05, 0.4f64];
        let states =
            [0, 1].map(|i| drifting(state("s", 0.0, diffusivity(&d[i].to_string())), &v[i].to_string()));
        let rate = |i: usize| Some(field(&k[i].to_string()));
        let edge = Edge { between: [0, 1], law: RateLaw::Free { forward: rate(0), backward: rate(1) } };
        let law = solve(&ring(model("1", "0", states.to_vec(), vec![edge])));
        let p = [k[1] / (k[0] + k[1]), k[0] / (k[0] + k[1])];
        let mean = |of: [f64; 2]| p[0] * of[0] + p[1] * of[1];
        let spread = mean(d) + p[0] * p[1] * f64::powi(v[0] - v[1], 2) / (k[0] + k[1]);
        let found = [whole(&law, Observable::MeanVelocity), whole(&law, Observable::EffectiveDiffusion)];
        assert!((found[0] - mean(v)).abs() < 1e-12, "{found:?}");
        assert!((found[1] / spread - 1.0).abs() < 1e-8, "{found:?} {spread}");
    }
}

/// The cases of `scripts/oracle_forces.py`, written down a second time; `sign` turns all potentials over.
fn oracle_model(case: &str, sign: f64, pull: f64) -> Model {
    let turned = |u: &str| format!("{sign}*({u})");
    let driven = |nu: f64, barrier: f64, affinity: f64| Edge {
        between: [0, 1],
        law: RateLaw::Activated { attempt_rate: nu, barrier, affinity },
    };
    if case == "walls" {
        let a = own(state("a", 1.0, friction("2*(1 + 0.4*sin(2*x))")), &turned("1.5*cos(4*x)"));
        let b = own(state("b", 0.0, friction("5*exp(x/2)")), &turned("x^2"));
        let states = vec![drifting(a, &format!("{pull}*0.8*(1 - x)")), State { entropy: 0.3, ..b }];
        let edges = vec![driven(1.0, 2.5, 0.0), driven(0.3, 2.2, 1.5)];
        return model("1 + 0.5*x + 0.2*sin(3*x)", &turned("2*sin(5*x)"), states, edges);
    }
    let a = own(state("a", 0.5, friction("1")), &turned("2*sin(2*pi*x) + 0.5*sin(4*pi*x)"));
    let b = state("b", 0.0, friction("2*(1 + 0.3*cos(2*pi*x))"));
    let free = RateLaw::Free { forward: Some(field("1 + 0.5*cos(2*pi*x)")), backward: Some(field("0.7")) };
    let states = vec![a, drifting(b, &format!("{pull}*0.2*(1 + sin(2*pi*x))"))];
    let edges = vec![Edge { between: [0, 1], law: free }, driven(0.2, 1.4, 0.6)];
    ring(model("1 + 0.4*cos(2*pi*x + 1)", &turned("0.3*cos(2*pi*x)"), states, edges))
}

/// Largest difference from the oracle per quantity and index, relative to its largest value.
fn oracle_differences(law: &Stationary, case: &str) -> BTreeMap<String, f64> {
    let path = format!("{}/tests/data/forces_{case}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the oracle's table");
    let grid = Grid::new(1.0, 10);
    let mut worst: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text.lines().skip(2) {
        let cells: Vec<&str> = line.split(',').collect();
        let (name, place) = (cells[0], cells[2].parse::<usize>().expect("a place"));
        let index = cells[1].parse::<usize>().unwrap_or(0);
        let expected: f64 = cells[3].parse().expect("a value");
        let of = |observable| law.reference(observable, &grid).expect("known")[place].expect("defined");
        let found = match name {
            "point_density" => law.density_at(place as f64 / 40.0)[index],
            "point_current" => law.current_at(place as f64 / 40.0)[index],
            "density" => of(Observable::Density),
            "state_density" => of(Observable::StateDensity(index)),
            "current" => of(Observable::Current(index)),
            "heat_current" => of(Observable::HeatCurrent),
            "heat_absorbed" => of(Observable::HeatAbsorbed),
            "transition_rate" => of(Observable::TransitionRate(index)),
            "mean_temperature" => of(Observable::MeanTemperature),
            "entropy_production" => of(Observable::EntropyProduction),
            "mean_velocity" => of(Observable::MeanVelocity),
            "effective_diffusion" => of(Observable::EffectiveDiffusion),
            other => panic!("the oracle's {other} is not an observable"),
        };
        let entry = worst.entry(format!("{name} {index}")).or_default();
        *entry = (entry.0.max((found - expected).abs()), entry.1.max(expected.abs()));
    }
    worst.into_iter().map(|(name, (error, size))| (name, error / size)).collect()
}

#[test]
fn every_functional_agrees_with_collocation() {
    for case in ["walls", "ring"] {
        let law = solve(&oracle_model(case, 1.0, 1.0));
        assert!(law.is_converged(), "{case}: {:e}", law.error_estimate());
        let differences = oracle_differences(&law, case);
        assert!(differences.len() >= 16, "{differences:?}");
        for (name, difference) in &differences {
            assert!(*difference < 1e-9, "{case}, {name}: {difference:e}");
        }
        // Forces turned over, and a drift that is half a percent off.
        for (sign, pull) in [(-1.0, 1.0), (1.0, 1.005)] {
            let wrong = oracle_differences(&solve(&oracle_model(case, sign, pull)), case);
            let seen = wrong.values().filter(|d| **d > 1e-4).count();
            assert!(seen >= 10, "{case} {sign} {pull}: {wrong:?}");
        }
    }
}

/// First and second law: heat absorbed is minus the work, entropy production is the positive quadratic form.
#[test]
fn heat_work_and_entropy_balance() {
    for case in ["walls", "ring"] {
        let model = oracle_model(case, 1.0, 1.0);
        let law = solve(&model);
        let grid = Grid::new(1.0, 16);
        let heat: f64 = law
            .reference(Observable::HeatAbsorbed, &grid)
            .expect("known")
            .into_iter()
            .map(|q| q.expect("defined") / 16.0)
            .sum();
        let work = integral(0.0, 1.0, |x| {
            let (density, current) = (law.density_at(x), law.current_at(x));
            let pushed: f64 = (0..2).map(|i| model.propulsion(i, x) * current[i]).sum();
            let passed: f64 = model
                .network
                .channels()
                .map(|c| model.rate(c, x) * density[c.from] * model.exchange(c, x).expect("known").work)
                .sum();
            pushed + passed
        });
        assert!(work > 1e-3 && (heat + work).abs() < 1e-9 * work, "{case}: {heat:e} {work:e}");
        let linear = whole(&law, Observable::EntropyProduction);
        let quadratic = law.quadratic_entropy_production().expect("known");
        // For frictions, by (5) of `quadratic_entropy_production`: w is the same for all states. Where a net
        // current runs, sum_i J_i is constant and its derivative still zero.
        assert!((linear - quadratic).abs() < 1e-9 * quadratic, "{case}: {linear:e} {quadratic:e}");
    }
}

#[test]
fn functionals_on_a_ring() {
    let law = solve(&oracle_model("ring", 1.0, 1.0));
    let grid = Grid::new(1.0, 10);
    assert_eq!(law.reference(Observable::SoretWall, &grid), Some(vec![None]));
    assert!(whole(&law, Observable::Soret).is_finite());
    let velocity = whole(&law, Observable::MeanVelocity);
    for x in [-0.4, 0.0, 0.17, 0.6, 1.0, 3.3] {
        let net: f64 = law.current_at(x).iter().sum();
        assert!((net - velocity).abs() < 1e-11, "{x}: {net} {velocity}");
        let turn = |x: f64| law.density_at(x + 2.0)[0] - law.density_at(x)[0];
        assert!(turn(x).abs() < 1e-9);
    }
    // Between walls nothing goes round.
    let walls = solve(&oracle_model("walls", 1.0, 1.0));
    for observable in [Observable::MeanVelocity, Observable::EffectiveDiffusion] {
        assert_eq!(walls.reference(observable, &grid), Some(vec![None]));
    }
}

/// A ring cut at a jump of the temperature: `T P` is continuous there, and moving the cut changes nothing.
#[test]
fn jumps_at_the_seam_are_jumps_anywhere() {
    let boxes = |from: f64| {
        let places = vec![from, from + 0.4];
        let steps = Steps::new(places, vec![1.0, 1.8, 1.0]).expect("steps");
        let a = own(state("a", 1.0, friction("1")), "0.7*sin(2*pi*x)");
        let edges = vec![Edge::new([0, 1], 1.0, 1.5)];
        let mut boxes = ring(model("1", "0", vec![a, state("b", 0.0, friction("3"))], edges));
        boxes.temperature = Arc::new(steps);
        boxes
    };
    let mut shifted = boxes(0.3);
    shifted.temperature = Arc::new(Steps::new(vec![0.4], vec![1.8, 1.0]).expect("steps"));
    shifted.network = {
        let a = own(state("a", 1.0, friction("1")), "0.7*sin(2*pi*(x + 0.3))");
        let states = vec![a, state("b", 0.0, friction("3"))];
        Network::new(states, vec![Edge::new([0, 1], 1.0, 1.5)]).expect("a network")
    };
    let (inside, seam) = (solve(&boxes(0.3)), solve(&shifted));
    for observable in
        [Observable::MeanVelocity, Observable::EffectiveDiffusion, Observable::EntropyProduction]
    {
        let (a, b) = (whole(&inside, observable), whole(&seam, observable));
        assert!((a - b).abs() < 1e-9 * b.abs() && b.abs() > 1e-4, "{observable:?}: {a:e} {b:e}");
    }
    for x in [0.05, 0.2, 0.5, 0.65] {
        let pairs = inside.density_at(x + 0.3).into_iter().zip(seam.density_at(x));
        pairs.for_each(|(a, b)| assert!((a / b - 1.0).abs() < 1e-9));
    }
}

#[test]
fn a_potential_that_does_not_close_is_refused() {
    let open = ring(model("1", "x", vec![state("only", 0.0, friction("1"))], vec![]));
    let error = stationary::solve(&open, &Options::default()).expect_err("a step");
    assert!(matches!(error, TheoryError::Closure { state: 0, .. }), "{error}");
}

#[test]
fn fast_limit_with_forces() {
    // One state: the limit is the law.
    let one = vec![drifting(state("only", 0.0, friction("1 + x")), "0.4*x")];
    let one = model("1 + 0.3*x", "3*sin(6*x)", one, vec![]);
    let (limit, law) = (FastLimit::new(&one).expect("a limit"), solve(&one));
    for k in 0..=20 {
        let x = f64::from(k) / 20.0;
        assert!((limit.density_at(x)[0] / law.density_at(x)[0] - 1.0).abs() < 1e-10);
    }
    // Two states with forces of their own: reached with the first power of the rate.
    let two = |nu: f64| {
        let a = own(drifting(state("a", 1.0, friction("2 + sin(4*x)")), "0.5"), "1.5*cos(3*x)");
        let b = drifting(state("b", 0.0, friction("0.8")), "-0.3");
        model("1 + 0.4*x", "2*sin(4*x)", vec![a, b], vec![Edge::new([0, 1], nu, 1.5)])
    };
    let far = |nu: f64| {
        let (limit, law) = (FastLimit::new(&two(nu)).expect("a limit"), solve(&two(nu)));
        let mut worst = [0.0f64; 2];
        for x in [0.3, 0.45, 0.6, 0.7] {
            let ratio = limit.total_density_at(x) / law.total_density_at(x);
            let [found, expected] = [law.heat_current_at(x), limit.heat_current_at(x)];
            worst[0] = worst[0].max((ratio - 1.0).abs());
            worst[1] = worst[1].max((found / expected - 1.0).abs());
        }
        worst
    };
    let (slow, fast) = (far(1e4), far(1e6));
    for (slow, fast) in slow.into_iter().zip(fast) {
        // Layers at the walls carry a share of sqrt(rate) at worst.
        assert!(fast < 2e-3 && fast < 0.2 * slow, "{slow:e} {fast:e}");
    }
    let around = ring(two(1.0));
    assert!(matches!(FastLimit::new(&around), Err(TheoryError::NoClosedForm { .. })));
}
