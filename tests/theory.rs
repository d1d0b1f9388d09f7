//! The continuum reference against things that share no code with it.

use soret::expression::Interval;
use soret::grid::Grid;
use soret::model::{Boundary, Domain, Edge, Field, Model, Network, State, Uniform};
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
    Arc::new(Profile {
        of,
        kinks: Vec::new(),
    })
}

fn linear(rise: f64) -> Arc<dyn Field> {
    profile(move |x| (1.0 + rise * x, rise))
}

/// `(E_i, D_i)` of each state and `(from, to, nu, B)` of each edge, on `[0, 1]`.
fn model(
    temperature: Arc<dyn Field>,
    states: &[(f64, f64)],
    edges: &[(usize, usize, f64, f64)],
) -> Model {
    let state = |(i, (energy, diffusivity)): (usize, &(f64, f64))| State {
        name: format!("s{i}"),
        energy: *energy,
        diffusivity: *diffusivity,
    };
    let edge = |(a, b, attempt_rate, barrier): &(usize, usize, f64, f64)| Edge {
        between: [*a, *b],
        attempt_rate: *attempt_rate,
        barrier: *barrier,
    };
    let network = Network::new(
        states.iter().enumerate().map(state).collect(),
        edges.iter().map(edge).collect(),
    );
    Model {
        domain: Domain {
            length: 1.0,
            walls: Boundary::Reflecting,
        },
        temperature,
        network: network.expect("a valid network"),
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
    let values = law
        .reference(observable, &Grid::new(1.0, 10))
        .expect("known");
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
        (
            u / self.norm,
            sign * self.amplitude[side] * k * sinh / self.norm,
        )
    }

    fn density(&self, x: f64) -> [f64; 2] {
        let u = self.first(x).0;
        [
            u / self.diffusivities[0],
            (1.0 / self.norm - u) / self.diffusivities[1],
        ]
    }
}

fn boxes_field() -> Arc<dyn Field> {
    let of = |x: f64| (if x < 0.5 { 1.0 } else { 1.7 }, 0.0);
    Arc::new(Profile {
        of,
        kinks: vec![0.5],
    })
}

#[test]
fn two_boxes_of_different_temperature_agree_with_the_closed_form() {
    for nu in [1e-6, 1e-3, 1.0, 1e3, 1e5] {
        let start = std::time::Instant::now();
        let law = solve(&two_states(boxes_field(), nu));
        println!(
            "{nu:e} time {:?} elements {} est {:e}",
            start.elapsed(),
            law.vertices().len(),
            law.error_estimate()
        );
        let exact = TwoBoxes::new(nu, [1.0, 1.7]);
        let largest = exact.first(0.5).1.abs();
        let (mut wj, mut wp) = (0.0f64, 0.0f64);
        for k in 0..=1000 {
            let x = k as f64 / 1000.0;
            let (p, q) = (law.density_at(x), exact.density(x));
            wp = wp
                .max((p[0] / q[0] - 1.0).abs())
                .max((p[1] / q[1] - 1.0).abs());
            wj = wj.max((law.current_at(x)[0] - exact.first(x).1).abs() / largest);
        }
        println!("   P {wp:e} J {wj:e}");
    }
}
