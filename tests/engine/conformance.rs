//! What every kernel must do, whatever its method: one row in [`kernels`], and it is held against the
//! continuum theory on all systems here; and checks of single legs that share no code with the theory.
//!
//! Statistics: every comparison has a family-wise alpha of `ALPHA` over all its bins, faces and joint
//! tests; there are fewer than twenty, so that the file gives a false alarm in 1e-8 of all choices of
//! seeds. A single entry is then out of bounds beyond about 7 standard errors: with `PRECISE` runs a
//! density wrong by 2 % in one bin does not pass. Smooth misfits, smaller in every bin, are what the joint
//! tests are for.

use crate::common::*;
use soret::ensemble::GroupRunner;
use soret::event::{Moves, Position, Tally, Walkers};
use soret::grid::Grid;
use soret::kernel::{Exact, Kernel, Span};
use soret::model::Model;
use soret::observable::Observable;
use soret::rng::{Purpose, stream};
use soret::stats::kolmogorov_smirnov_uniform;

/// Family-wise alpha of one comparison.
const ALPHA: f64 = 5e-10;

/// Largest relative standard error of a density bin where a run is to be precise.
const PRECISE: f64 = 0.003;

/// A kernel under test.
struct Row {
    name: &'static str,
    timed: bool,
    make: fn(&Model, &Grid) -> Box<dyn GroupRunner>,
}

/// All kernels: a new one is one row.
fn kernels() -> Vec<Row> {
    vec![
        Row { name: "exact, untimed", timed: false, make: exact },
        Row { name: "exact, timed", timed: true, make: exact },
    ]
}

/// Holds every kernel against theory on one system.
fn conform(system: &str, model: &Model, bins: usize, size: Size, precision: Option<f64>) {
    let grid = Grid::new(model.domain.length, bins);
    let law = solve(model);
    assert!(law.is_converged());
    for row in kernels() {
        let runner = (row.make)(model, &grid);
        let plan = plan(runner.as_ref(), model, &grid, row.timed, size);
        let finished = run(runner.as_ref(), model, &grid, &plan).expect("bounds that hold");
        let comparison = finished.compare(&law, ALPHA);
        let error = density_error(&comparison);
        note(format!("{system}, {}: density to {:.2} %; {}", row.name, 100.0 * error, worst(&comparison)));
        assert!(comparison.agrees, "{system}, {}: {}", row.name, worst(&comparison));
        assert_eq!(finished.broken(), Vec::<&str>::new(), "{system}, {}", row.name);
        if let Some(precision) = precision {
            assert!(error <= precision, "{system}, {}: density known to {error} only", row.name);
        }
    }
}

/// One of the experiments, precisely.
fn conform_precisely(name: &str, legs: u64, seed: u64) {
    let experiment = experiment(name);
    let size = Size { particles: 8192, groups: 64, legs, seed };
    conform(name, &experiment.model, experiment.measure.bins, size, Some(PRECISE));
}

#[test]
fn two_states_agree_with_theory() {
    conform_precisely("two_state", 4500, 101);
}

#[test]
fn three_states_agree_with_theory() {
    conform_precisely("three_states", 9500, 102);
}

#[test]
fn five_states_with_slow_reactions_agree_with_theory() {
    conform_precisely("five_states_slow", 8000, 103);
}

#[test]
fn five_states_with_fast_reactions_agree_with_theory() {
    conform_precisely("five_states_fast", 36_000, 104);
}

const SMALL: Size = Size { particles: 4096, groups: 64, legs: 1500, seed: 105 };

#[test]
fn several_edges_between_two_states_agree_with_theory() {
    let edges = [(0, 1, 1.0, 1.5), (0, 1, 0.3, 1.2), (1, 0, 2.0, 3.0)];
    let model = model("1.8 - 0.8*x", &[(1.0, 2e-2), (0.0, 5e-3)], &edges);
    conform("three edges", &model, 20, SMALL, None);
}

#[test]
fn a_ring_with_a_kink_in_the_temperature_agrees_with_theory() {
    let edges = [(0, 1, 1.0, 1.4), (1, 2, 3.0, 1.9), (2, 0, 0.5, 1.3)];
    let model = model("1 + abs(x - 0.37)", &[(0.0, 1e-2), (0.6, 4e-2), (1.1, 1e-1)], &edges);
    conform("ring", &model, 25, SMALL, None);
}

#[test]
fn a_single_state_is_flat() {
    // Nothing but diffusion: legs are half a box long, and the density is uniform at any T(x).
    let one = model("1 + 0.8*x", &[(0.3, 1e-2)], &[]);
    conform("one state", &one, 20, SMALL, None);
}

#[test]
fn uniform_temperature_is_the_null() {
    // Detailed balance: no current, no heat, a flat density, populations of Boltzmann. Soret coefficients
    // are not defined.
    let model = model("1.3", &[(1.0, 3e-2), (0.0, 5e-3), (0.4, 1e-2)], &[(0, 1, 1.0, 1.5), (1, 2, 1.0, 1.2)]);
    conform("uniform T", &model, 20, SMALL, None);
    let grid = Grid::new(1.0, 20);
    let law = solve(&model);
    let currents = law.reference(Observable::MeanCurrent(0), &grid).expect("a state");
    assert!(currents[0].expect("a number").abs() < 1e-12, "{currents:?}");
    for row in kernels() {
        let runner = (row.make)(&model, &grid);
        let plan = plan(runner.as_ref(), &model, &grid, row.timed, SMALL);
        let finished = run(runner.as_ref(), &model, &grid, &plan).expect("a run");
        let measured = finished.measure();
        let of = |o: Observable| measured.iter().find(|m| m.observable == o).expect("measured");
        assert!(of(Observable::Soret).outcome(0).estimate().is_none());
        assert!(of(Observable::LocalSoret).samples.iter().all(Option::is_none));
    }
}

#[test]
fn another_length_scales_away() {
    // The same system in a box of length 250 with diffusivities to match: fixed-point positions know no
    // length.
    let mut large = two_states();
    large.domain.length = 250.0;
    let states = [(1.0, 1e-2 * 62_500.0), (0.0, 1e-3 * 62_500.0)];
    large.network = model("1", &states, &[(0, 1, 1.0, 1.5)]).network;
    large.temperature = field("1 + 0.8*x/250");
    conform("length 250", &large, 20, SMALL, None);
}

/// Walkers all in one place and state.
fn walkers(n: usize, fraction: f64, state: u16) -> Walkers {
    Walkers::new(vec![Position::from_fraction(fraction); n], vec![state; n])
}

/// `exp(t A)` times `v` for a 2 x 2 matrix with real eigenvalues, in closed form.
fn propagate(a: [[f64; 2]; 2], t: f64, v: [f64; 2]) -> [f64; 2] {
    let half_trace = 0.5 * (a[0][0] + a[1][1]);
    let root = (0.25 * (a[0][0] - a[1][1]).powi(2) + a[0][1] * a[1][0]).sqrt();
    let (even, odd) = ((root * t).cosh(), (root * t).sinh() / root);
    let factor = (half_trace * t).exp();
    [0, 1].map(|i| {
        let other = a[i][0] * v[0] + a[i][1] * v[1];
        factor * (even * v[i] + odd * (other - half_trace * v[i]))
    })
}

/// Largest deviation, in standard errors, of `<cos(n pi x) 1_state>` from `exp(t(K - q^2 D))` for walkers
/// that began in state 0 at `x = 0.3`: 3 times, 4 modes (0 to 3), 2 states.
fn cosine_decay(model: &Model, diffusivities: [f64; 2]) -> f64 {
    const N: usize = 200_000;
    let kernel = Exact::new(model, &Grid::new(1.0, 20)).expect("bounds");
    let mut random = stream(201, Purpose::Advance, 0);
    let mut group = walkers(N, 0.3, 0);
    let (down, up) = (model.rate(model.network.channel(0), 0.5), model.rate(model.network.channel(1), 0.5));
    let (mut now, mut worst) = (0.0f64, 0.0f64);
    // In pieces, so that legs cut at the end of a span are put to the test.
    for piece in [0.4, 1.1, 3.5] {
        kernel.advance(&mut group, Span::Duration(piece), &mut random, &mut ()).expect("bounds that hold");
        now += piece;
        for mode in 0..4 {
            let q = std::f64::consts::PI * f64::from(mode);
            let [d0, d1] = diffusivities;
            let law = propagate([[-down - q * q * d0, up], [down, -up - q * q * d1]], now, [1.0, 0.0]);
            for (state, amplitude) in law.into_iter().enumerate() {
                let of = |(p, s): (&Position, &u16)| {
                    if usize::from(*s) == state { (q * p.fraction()).cos() } else { 0.0 }
                };
                let values = || group.position.iter().zip(&group.state).map(of);
                let mean = values().sum::<f64>() / N as f64;
                let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64;
                let expected = amplitude * (q * 0.3).cos();
                worst = worst.max((mean - expected).abs() / (variance / N as f64).sqrt());
            }
        }
    }
    worst
}

#[test]
fn cosine_modes_of_timed_legs_decay_as_the_equation_says() {
    // 24 values; |z| < 6.5 for all has alpha 2e-9. Visible: 1.5 % of a mode's amplitude.
    let (d0, d1) = (2e-2, 5e-3);
    let model = model("1.3", &[(1.0, d0), (0.0, d1)], &[(0, 1, 1.0, 1.5)]);
    let worst = cosine_decay(&model, [d0, d1]);
    note(format!("largest z {worst:.1}"));
    assert!(worst < 6.5, "{worst}");
    // Negative control: the law of a diffusivity 5 % larger.
    let wrong = cosine_decay(&model, [1.05 * d0, d1]);
    note(format!("with another diffusivity {wrong:.1}"));
    assert!(wrong > 6.5, "{wrong}");
}

#[test]
fn cosine_modes_of_untimed_legs_decay_as_the_laplace_law_says() {
    // One state: a leg multiplies <cos(q x)> by 1/(1 + q^2 l^2), folds included. 3 lengths, 3 modes:
    // |z| < 6.5 for all has alpha 1e-9.
    const N: usize = 200_000;
    let model = model("1", &[(0.0, 1e-2)], &[]);
    let kernel = Exact::new(&model, &Grid::new(1.0, 20)).expect("bounds");
    let length = kernel.leg_law(0).expect("legs").length;
    let mut random = stream(202, Purpose::Advance, 0);
    let mut group = walkers(N, 0.1, 0);
    for legs in 1..=3 {
        kernel.advance(&mut group, Span::Legs(1), &mut random, &mut ()).expect("bounds that hold");
        for mode in 1..=3 {
            let q = std::f64::consts::PI * f64::from(mode);
            let expected = (q * 0.1).cos() * (1.0 + q * q * length * length).powi(-legs);
            let values = || group.position.iter().map(|p| (q * p.fraction()).cos());
            let mean = values().sum::<f64>() / N as f64;
            let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64;
            let z = (mean - expected) / (variance / N as f64).sqrt();
            assert!(z.abs() < 6.5, "{legs} legs, mode {mode}: {mean} for {expected}, z = {z}");
        }
    }
}

#[test]
fn mean_square_displacement_grows_as_the_populations_say() {
    // From the middle of a box too wide to be felt: <(x - x0)^2> = 2 int sum_i D_i p_i(t) dt, with
    // p_1 = p_eq (1 - exp(-k t)) for walkers that began in state 0. 4 times; |z| < 6.5 has alpha 4e-10.
    // Visible: 2 %.
    const N: usize = 200_000;
    let (d0, d1) = (1e-4, 1e-5);
    let model = model("1.3", &[(1.0, d0), (0.0, d1)], &[(0, 1, 1.0, 1.5)]);
    let kernel = Exact::new(&model, &Grid::new(1.0, 20)).expect("bounds");
    let (down, up) = (model.rate(model.network.channel(0), 0.5), model.rate(model.network.channel(1), 0.5));
    let (k, p1) = (down + up, down / (down + up));
    let mut random = stream(203, Purpose::Advance, 0);
    let mut group = walkers(N, 0.5, 0);
    let mut now = 0.0f64;
    for piece in [0.2, 0.8, 3.0, 10.0] {
        kernel.advance(&mut group, Span::Duration(piece), &mut random, &mut ()).expect("bounds that hold");
        now += piece;
        let in_other = p1 * (now - (1.0 - (-k * now).exp()) / k);
        let expected = 2.0 * (d0 * (now - in_other) + d1 * in_other);
        let values = || group.position.iter().map(|p| (p.fraction() - 0.5).powi(2));
        let mean = values().sum::<f64>() / N as f64;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64;
        let z = (mean - expected) / (variance / N as f64).sqrt();
        assert!(z.abs() < 6.5, "t = {now}: {mean:e} for {expected:e}, z = {z}");
    }
}

/// Keeps displacements as multiples of the length of a leg.
struct Displacements {
    leg_length: f64,
    list: Vec<f64>,
}

impl Tally for Displacements {
    fn moves(&mut self, moves: &Moves<'_>) {
        for (from, to) in moves.from.iter().zip(moves.to) {
            self.list.push((to.fraction() - from.fraction()) / self.leg_length);
        }
    }
}

#[test]
fn untimed_legs_are_laplace_distributed() {
    // One leg from the middle of the box, 60 leg lengths from either wall. 10^6 legs, alpha 1e-9; visible:
    // a distribution function off by 0.0033.
    let model = model("1", &[(0.0, 1e-4), (0.0, 1e-4)], &[(0, 1, 1.0, 0.0)]);
    let kernel = Exact::new(&model, &Grid::new(1.0, 20)).expect("bounds");
    let leg_length = kernel.leg_law(0).expect("legs").length;
    assert!(leg_length < 0.5 / 40.0, "the walls are out of reach: {leg_length}");
    let mut tally = Displacements { leg_length, list: Vec::new() };
    let mut random = stream(204, Purpose::Advance, 0);
    kernel
        .advance(&mut walkers(1_000_000, 0.5, 0), Span::Legs(1), &mut random, &mut tally)
        .expect("bounds that hold");
    let law = |factor: f64| {
        let values = tally.list.iter().map(|d| {
            let half = 0.5 * (-(d * factor).abs()).exp();
            if *d < 0.0 { half } else { 1.0 - half }
        });
        kolmogorov_smirnov_uniform(&values.collect::<Vec<_>>()).p_value
    };
    assert!(law(1.0) > 1e-9, "{}", law(1.0));
    // Negative control: a scale wrong by 3 %.
    assert!(law(1.03) < 1e-9);
}
