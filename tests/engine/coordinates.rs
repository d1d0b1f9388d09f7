//! Particles with continuous internal coordinates: what their steps must obey exactly, and what they must sample.
//!
//! Exact: the currents by counts against a count of every passage of every event, the first law bin by bin, folding of
//! coordinates, the same bits again. Sampled, from groups, against quadrature written here: Boltzmann's law at uniform
//! temperature whatever the step, flat `int D P dq`, the fast limit and the flat limit. A statement about samples holds within
//! [`SIGMAS`] standard errors of 64 groups (Student's t with 63 degrees of freedom: alpha 3e-10); there are about 150.

use crate::common;
use crate::common::{field, note};
use soret::estimator::coordinates::Plane;
use soret::event::{Moves, Position, Shifts, Sightings, Tally, Transitions, Walkers};
use soret::grid::Grid;
use soret::internal_space::InternalSpace;
use soret::kernel::start::{Start, start};
use soret::kernel::{Continuous, Kernel, Scheme, Span, automatic_step};
use soret::model::{
    Axis, Boundary, Coordinates, Edge, Landscape, Model, Network, OwnSurfaces, Range, RateLaw, Response,
    State,
};
use soret::rng::{Purpose, stream};
use soret::stats::Sample;
use std::sync::Arc;

const SIGMAS: f64 = 7.5;
const GROUPS: usize = 64;

/// One state, on `[0, 1]`; the diffusivity may be written with `U`.
fn model(temperature: &str, axes: Vec<Axis>, potential: &str, diffusivity: &str) -> Model {
    let names: Vec<String> = axes.iter().map(|a| a.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut model = common::model(temperature, &[(0.0, 1.0)], &[]);
    let u = Landscape::new(potential, &names, &[], field(temperature)).expect("a potential");
    let d = Landscape::of_potential(diffusivity, &names, &[], field(temperature), Arc::new(u.clone()));
    model.coordinates = Some(Coordinates::new(axes, u, d.expect("a diffusivity")));
    model
}

fn q() -> Vec<Axis> {
    vec![Axis::new("q", 1.0)]
}

/// A double well as in Fig 2 of the paper, with the noise of Einstein.
fn double_well(temperature: &str, alpha: f64) -> Model {
    model(temperature, q(), "q^4 - 2*q^2", &format!("{alpha}*(U + 2.5)"))
}

/// Two states, one of which has potentials and a diffusivity of its own.
fn two_states() -> Model {
    let mut model = model("0.5 + 0.5*x", q(), "q^2 + 0.3*cos(3*q)", "0.3 + 0.1*q^2");
    let states = vec![State::new("a", 0.5, 1.0), State::new("b", 0.0, 1.0)];
    model.network = Network::new(states, vec![Edge::new([0, 1], 3.0, 0.8)]).expect("a network");
    let own = |source: &str| {
        Some(Arc::new(Landscape::new(source, &["q"], &[], field("0.5 + 0.5*x")).unwrap()) as Arc<_>)
    };
    if let Some(c) = &mut model.coordinates {
        c.states =
            vec![OwnSurfaces::default(), OwnSurfaces { potential: own("0.7*q"), diffusivity: own("0.05") }];
    }
    model
}

fn kernel(model: &Model, grid: &Grid, dt: f64, scheme: Scheme) -> Continuous {
    Continuous::new(model, grid, dt, scheme).expect("potentials that confine")
}

fn walkers_of(kernel: &impl Kernel, model: &Model, grid: &Grid, n: usize, group: u64) -> Walkers {
    let mut random = stream(17, Purpose::Start, group);
    start(kernel, model, grid, &Start::LocalEquilibrium, false, n, &mut random)
}

/// 64 groups, so many steps without and then with scoring, on both threads.
fn sample(
    kernel: &Continuous,
    model: &Model,
    grid: &Grid,
    (walkers, burn_in, steps): (usize, u64, u64),
) -> (Vec<InternalSpace>, f64) {
    let group = |g: usize| {
        let mut walkers = walkers_of(kernel, model, grid, walkers, g as u64);
        let mut random = stream(17, Purpose::Advance, g as u64);
        kernel.advance(&mut walkers, Span::Legs(burn_in), &mut random, &mut ()).expect("no mistake");
        let mut tally = InternalSpace::new(model, grid, 0, kernel.coordinate_ends()[0]);
        tally.open(model, &walkers);
        kernel.advance(&mut walkers, Span::Legs(steps), &mut random, &mut tally).expect("no mistake");
        tally.close(model, &walkers);
        tally
    };
    let groups = std::thread::scope(|scope| {
        let half = |of: std::ops::Range<usize>| scope.spawn(move || of.map(group).collect::<Vec<_>>());
        let halves = [half(0..GROUPS / 2), half(GROUPS / 2..GROUPS)];
        halves.into_iter().flat_map(|h| h.join().expect("a thread that ends")).collect()
    });
    (groups, steps as f64 * kernel.dt() * walkers as f64)
}

/// `sum_k weight(k) sample_k` with its groups.
fn contrast(samples: &[Option<Sample>], weight: impl Fn(usize) -> f64) -> Sample {
    let all: Vec<(f64, &Sample)> = samples
        .iter()
        .enumerate()
        .filter(|(k, _)| weight(*k) != 0.0)
        .map(|(k, s)| (weight(k), s.as_ref().expect("something was seen")))
        .collect();
    let groups = all.first().map_or(0, |(_, s)| s.pseudo.len());
    let pseudo = (0..groups).map(|g| all.iter().map(|(w, s)| w * s.pseudo[g]).sum()).collect();
    Sample { value: all.iter().map(|(w, s)| w * s.value).sum(), pseudo }
}

fn deviate(sample: &Sample, expected: f64) -> f64 {
    (sample.value - expected) / sample.std_error()
}

/// The largest of the first four cosine modes of a profile, in standard errors.
fn unevenness(samples: &[Option<Sample>]) -> f64 {
    let bins = samples.len() as f64;
    let mode = |n: usize| {
        let wave = |k: usize| (std::f64::consts::PI * n as f64 * (k as f64 + 0.5) / bins).cos();
        deviate(&contrast(samples, wave), 0.0).abs()
    };
    (1..=4).map(mode).fold(0.0, f64::max)
}

/// Means over Boltzmann's law of one coordinate at temperature `t`.
fn mean(t: f64, [low, high]: [f64; 2], potential: impl Fn(f64) -> f64, of: impl Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let (mut norm, mut sum) = (0.0, 0.0);
    for k in 0..n {
        let q = low + (high - low) * (k as f64 + 0.5) / n as f64;
        let weight = (-potential(q) / t).exp();
        norm += weight;
        sum += weight * of(q);
    }
    sum / norm
}

fn well(q: f64) -> f64 {
    q.powi(4) - 2.0 * q * q
}

/// Counts every passage of every event by itself.
struct Ledger {
    bins: usize,
    cells: usize,
    axes: usize,
    ends: [f64; 2],
    circle: bool,
    along_x: Vec<i64>,
    along_q: Vec<i64>,
    heat: f64,
    work: f64,
    seen: u64,
}

impl Ledger {
    fn new(tally: &InternalSpace, axes: usize, circle: bool) -> Self {
        let (bins, cells) = (tally.grid().bins, tally.cells());
        Ledger {
            bins,
            cells,
            axes,
            ends: [tally.edge(0), tally.edge(cells)],
            circle,
            along_x: vec![0; (bins + 1) * cells],
            along_q: vec![0; bins * (cells + 1)],
            heat: 0.0,
            work: 0.0,
            seen: 0,
        }
    }

    fn cell(&self, q: f64) -> usize {
        let place = (q - self.ends[0]) / (self.ends[1] - self.ends[0]) * self.cells as f64;
        (place.max(0.0) as usize).min(self.cells - 1)
    }
}

impl Tally for Ledger {
    fn moves(&mut self, m: &Moves<'_>) {
        for i in 0..m.state.len() {
            let cell = self.cell(m.coordinate[i * self.axes]);
            let bin = |p: Position| (p.fraction() * self.bins as f64).min(self.bins as f64 - 0.5) as i64;
            let laps = m.laps.get(i).copied().unwrap_or(0);
            let (from, to) = (bin(m.from[i]), bin(m.to[i]) + i64::from(laps) * self.bins as i64);
            let sign = (to - from).signum();
            for face in from.min(to) + 1..=from.max(to) {
                let face = face.rem_euclid(self.bins as i64) as usize;
                // On a ring the first face is the last one.
                let faces = if face == 0 { vec![0, self.bins] } else { vec![face] };
                for face in faces {
                    self.along_x[face * self.cells + cell] += sign;
                }
            }
            self.heat += m.heat.get(i).copied().unwrap_or(0.0);
        }
    }

    fn shifts(&mut self, s: &Shifts<'_>) {
        for i in 0..s.state.len() {
            let bin = (s.position[i].fraction() * self.bins as f64) as usize;
            let (before, after) = (s.before[i * self.axes], s.after[i * self.axes]);
            let (from, mut to) = (self.cell(before) as i64, self.cell(after) as i64);
            let half = 0.5 * (self.ends[1] - self.ends[0]);
            if self.circle && (after - before).abs() > half {
                to += if after < before { self.cells as i64 } else { -(self.cells as i64) };
            }
            let sign = (to - from).signum();
            for edge in from.min(to) + 1..=from.max(to) {
                let edge = edge.rem_euclid(self.cells as i64) as usize;
                let edges = if edge == 0 { vec![0, self.cells] } else { vec![edge] };
                for edge in edges {
                    self.along_q[bin * (self.cells + 1) + edge] += sign;
                }
            }
            self.heat += s.heat[i];
        }
    }

    fn transitions(&mut self, t: &Transitions<'_>) {
        self.heat += t.heat.iter().sum::<f64>();
        self.work += t.work.iter().sum::<f64>();
    }

    fn sightings(&mut self, s: &Sightings<'_>) {
        self.seen += s.energy.len() as u64;
    }
}

#[test]
fn counts_are_those_of_every_passage_and_energy_is_conserved() {
    let circle = || {
        let range = Range::Periodic([-1.0, 1.0]);
        vec![Axis { range, response: Response::Diffusivity(0.5), ..Axis::new("q", 1.0) }]
    };
    let walled = || vec![Axis { range: Range::Walls([-0.5, 1.0]), ..Axis::new("q", 1.0) }];
    let pair =
        || vec![Axis::new("q", 1.0), Axis { response: Response::Diffusivity(0.3), ..Axis::new("r", 1.0) }];
    let mut driven = two_states();
    driven.network = {
        let law = RateLaw::Activated { attempt_rate: 3.0, barrier: 0.8, affinity: 0.6 };
        let edge = Edge { law, ..Edge::new([0, 1], 3.0, 0.8) };
        Network::new(driven.network.states().to_vec(), vec![edge]).expect("a network")
    };
    let models: Vec<(&str, Model)> = vec![
        ("double well", double_well("0.5 + 0.5*x", 1.0)),
        ("circle", model("0.5 + 0.5*x", circle(), "0.5*cos(pi*q)", "0.3 + 0.1*q^2")),
        ("walls", model("0.5 + 0.5*x", walled(), "q", "0.3 + 0.1*q^2")),
        ("two coordinates", model("0.5 + 0.5*x", pair(), "q^2 + (r - q)^2", "0.3 + 0.1*r^2")),
        ("force", model("0.5 + 0.5*x", q(), "(q - x)^2 + 2*x", "0.3 + 0.1*q^2")),
        ("a diffusivity of x", model("0.5 + 0.5*x", q(), "(q - x)^2", "T*(0.3 + 0.1*q^2)")),
        ("driven states", driven),
    ];
    for ring in [false, true] {
        for (name, model) in &models {
            let mut model = model.clone();
            if ring {
                model.domain.walls = Boundary::Periodic;
                model.temperature = field("0.75 + 0.25*sin(2*pi*x)");
            }
            let axes = model.coordinates.as_ref().map_or(0, |c| c.axes.len());
            for scheme in [Scheme::Midpoint, Scheme::Mala, Scheme::Heun, Scheme::EulerMaruyama] {
                let grid = Grid::new(1.0, 7);
                let kernel = kernel(&model, &grid, 0.01, scheme);
                let mut walkers = walkers_of(&kernel, &model, &grid, 100, 0);
                let mut random = stream(3, Purpose::Advance, 0);
                let mut tally = InternalSpace::new(&model, &grid, 0, kernel.coordinate_ends()[0]);
                let mut ledger = Ledger::new(&tally, axes, *name == "circle");
                tally.open(&model, &walkers);
                let stored = |walkers: &Walkers| {
                    let entries =
                        walkers.position.iter().zip(&walkers.state).zip(walkers.coordinate.chunks(axes));
                    entries
                        .map(|((p, s), q)| model.energy_within(usize::from(*s), p.fraction(), q))
                        .sum::<f64>()
                };
                let before = stored(&walkers);
                for _ in 0..2 {
                    kernel
                        .advance(&mut walkers, Span::Legs(400), &mut random, &mut (&mut tally, &mut ledger))
                        .unwrap();
                }
                tally.close(&model, &walkers);
                let what = format!("{name}, ring {ring}, {scheme:?}");
                assert_eq!(tally.move_passages(), ledger.along_x, "{what}");
                assert_eq!(tally.shift_passages(), ledger.along_q, "{what}");
                assert_eq!(tally.seen().iter().sum::<u64>(), 100 * 800, "{what}");
                assert_eq!(ledger.seen, 100 * 800);
                // Tabulated energies are good to 1e-8 kT an event.
                let gained = stored(&walkers) - before;
                assert!(
                    (ledger.heat + ledger.work - gained).abs() < 1e-3,
                    "{what}: {} {gained}",
                    ledger.heat
                );
                let (heat, gain) = (
                    tally.exchanged().iter().map(|e| e[0] + e[1]).sum::<f64>(),
                    tally.gain().iter().sum::<f64>(),
                );
                assert!((heat - gain).abs() < 1e-3 && (gain - gained).abs() < 1e-9, "{what}");
                let net: i64 = ledger.along_x.iter().map(|n| n.abs()).sum();
                assert!(net > 100, "{what}: something moves");
            }
        }
    }
}

fn plane(groups: &(Vec<InternalSpace>, f64)) -> Plane<'_> {
    Plane { groups: &groups.0, duration: groups.1 }
}

/// Deviates of the mean energy, the density's first modes, and the mean of cells `q > 0` less those below.
fn off_equilibrium(model: &Model, dt: f64, scheme: Scheme, energy: f64, skew: f64) -> [f64; 2] {
    let grid = Grid::new(1.0, 10).with_across(16);
    let groups = sample(&kernel(model, &grid, dt, scheme), model, &grid, (64, 200, 2000));
    let plane = plane(&groups);
    let first = &groups.0[0];
    let middle = |k: usize| 0.5 * (first.edge(k % 16) + first.edge(k % 16 + 1));
    let side = contrast(&plane.plane_density(), |k| middle(k) * first.cell_width() * grid.bin_width());
    let found = plane.mean_energy().expect("walkers");
    note(format_args!(
        "{scheme:?} dt {dt}: E {:.5} +- {:.5} for {energy:.5}",
        found.value,
        found.std_error()
    ));
    [deviate(&found, energy), deviate(&side, skew)]
}

#[test]
fn boltzmanns_law_is_kept_whatever_the_step() {
    let ends = [-4.0, 4.0];
    let (energy, flat) = (mean(0.75, ends, well, well), 0.0);
    let model = double_well("0.75", 0.2);
    for (dt, scheme) in
        [(0.02, Scheme::Midpoint), (0.15, Scheme::Midpoint), (0.02, Scheme::Mala), (0.15, Scheme::Mala)]
    {
        let [e, side] = off_equilibrium(&model, dt, scheme, energy, flat);
        assert!(e.abs() < SIGMAS && side.abs() < SIGMAS, "{scheme:?} {dt}: {e} {side}");
    }
    // Negative controls: the same step without a judge.
    for (dt, scheme, least) in [(0.05, Scheme::EulerMaruyama, 30.0), (0.05, Scheme::Heun, 10.0)] {
        let [e, _] = off_equilibrium(&model, dt, scheme, energy, flat);
        assert!(e.abs() > least, "{scheme:?} {dt}: {e}");
    }
}

#[test]
fn ranges_forces_states_and_several_coordinates_keep_it_too() {
    let within = |range| vec![Axis { range, ..Axis::new("q", 1.0) }];
    let harmonic = |name: &str| Axis::new(name, 0.7);
    // Mean energies by quadrature.
    let walls = mean(0.5, [-0.5, 1.0], |q| q, |q| q);
    let circle =
        mean(0.5, [-1.0, 1.0], |q| (std::f64::consts::PI * q).cos(), |q| (std::f64::consts::PI * q).cos());
    let pushed = 0.25 + mean(0.5, [0.0, 1.0], |x| 2.0 * x, |x| 2.0 * x);
    let (a, b) =
        (|q: f64| 0.5 + q * q + 0.3 * (3.0 * q).cos(), |q: f64| q * q + 0.3 * (3.0 * q).cos() + 0.7 * q);
    let weigh = |u: &dyn Fn(f64) -> f64| mean(0.5, [-6.0, 6.0], |_| 0.0, |q| (-u(q) / 0.5).exp());
    let (wa, wb) = (weigh(&a), weigh(&b));
    let states = (wa * mean(0.5, [-6.0, 6.0], a, a) + wb * mean(0.5, [-6.0, 6.0], b, b)) / (wa + wb);
    let mut both = two_states();
    both.temperature = field("0.5");
    for (name, model, energy) in [
        ("walls", model("0.5", within(Range::Walls([-0.5, 1.0])), "q", "0.1 + q^2"), walls),
        ("circle", model("0.5", within(Range::Periodic([-1.0, 1.0])), "cos(pi*q)", "0.1 + q^2"), circle),
        ("two", model("0.5", vec![harmonic("q"), harmonic("r")], "q^2 + (r - q)^2", "0.1 + r^2"), 0.5),
        ("force", model("0.5", q(), "(q - x)^2 + 2*x", "0.1 + q^2"), pushed),
        ("states", both, states),
    ] {
        let grid = Grid::new(1.0, 10);
        let groups = sample(&kernel(&model, &grid, 0.1, Scheme::Midpoint), &model, &grid, (16, 100, 300));
        let e = plane(&groups).mean_energy().expect("walkers");
        let z = deviate(&e, energy);
        note(format_args!("{name}: {:.5} +- {:.5} for {energy:.5}", e.value, e.std_error()));
        assert!(z.abs() < SIGMAS && e.std_error() < 0.02, "{name}: {z}");
        let density = plane(&groups).density();
        if name != "force" {
            assert!(unevenness(&density) < SIGMAS, "{name}");
            continue;
        }
        let norm = 1.0 - (-4.0f64).exp();
        for (k, p) in density.iter().enumerate() {
            let exact = ((-0.4 * k as f64).exp() - (-0.4 * (k + 1) as f64).exp()) / norm / 0.1;
            assert!(deviate(p.as_ref().unwrap(), exact).abs() < SIGMAS, "{name}, bin {k}");
        }
    }
}

/// Deviates from the continuum of the density's modes, the heat current and both maps; relative errors of these.
fn against_theory(model: &Model, run: &Model, size: (usize, u64, u64)) -> ([f64; 5], [f64; 3]) {
    let grid = Grid::new(1.0, 8).with_across(24);
    let kernel = kernel(run, &grid, automatic_step(run), Scheme::Midpoint);
    let groups = sample(&kernel, run, &grid, size);
    let plane = plane(&groups);
    let law = soret::theory::coordinate::solve(model, &Default::default()).expect("a solution");
    let tally = &groups.0[0];
    let edges: Vec<f64> = (0..=tally.cells()).map(|k| tally.edge(k)).collect();
    let cell = tally.cell_width();
    let total: Vec<f64> =
        law.cell_density(&grid, &edges).unwrap().iter().map(|row| row.iter().sum()).collect();
    let wave = |n: f64| move |k: usize| (std::f64::consts::PI * n * (k as f64 + 0.5) / 8.0).cos();
    let exact = |w: &dyn Fn(usize) -> f64| total.iter().enumerate().map(|(k, p)| w(k) * p).sum::<f64>();
    let modes = [1.0, 2.0].map(|n| deviate(&contrast(&plane.density(), wave(n)), exact(&wave(n))));
    // What is expected is the best weight for what is seen.
    let matched = |samples: &[Option<Sample>], exact: &[f64]| {
        let norm: f64 = exact.iter().map(|j| j * j).sum();
        contrast(samples, |k| exact[k] / norm)
    };
    let heat: Vec<f64> = (0..=8).map(|k| law.heat_current_at(grid.face(k))).collect();
    let mut along = vec![0.0; 24];
    along.extend(law.plane_current_along(&grid, &edges).unwrap().into_iter().flatten().map(|j| j / cell));
    along.extend([0.0; 24]);
    let across = law.plane_current_across(&grid, &edges).unwrap();
    let across: Vec<f64> = across.into_iter().flatten().map(|j| j / grid.bin_width()).collect();
    let found = [
        matched(&plane.heat_current(), &heat),
        matched(&plane.current_along_x(), &along),
        matched(&plane.current_along_q(), &across),
    ];
    for (name, sample) in ["J_E", "J_x", "J_q"].iter().zip(&found) {
        note(format_args!("{name}: {:.4} +- {:.4} of what is expected", sample.value, sample.std_error()));
    }
    let [a, b, c] = [0, 1, 2].map(|k| deviate(&found[k], 1.0));
    ([modes[0], modes[1], a, b, c], [0, 1, 2].map(|k| found[k].std_error()))
}

#[test]
fn the_stationary_law_is_that_of_the_continuum() {
    for (model, size) in [
        (double_well("0.5 + 0.5*x", 0.01), (32, 800, 4000)),
        (double_well("0.5 + 0.5*x", 1.0), (32, 400, 4000)),
        (double_well("0.5 + 0.5*x", 10.0), (32, 2000, 8000)),
        (model("0.5 + 0.5*x", q(), "q^4 - 2*q^2 + 0.5*q", "U + 2.5"), (32, 400, 4000)),
    ] {
        let (deviates, errors) = against_theory(&model, &model, size);
        note(format_args!("{deviates:.2?} {errors:.4?}"));
        assert!(deviates.iter().all(|z| z.abs() < SIGMAS), "{deviates:?}");
    }
}

#[test]
fn a_noise_that_does_not_know_the_temperature_is_caught() {
    // The paper's Fig 2 as it is captioned, noise 1 with mobility 1, is a coordinate at kT = 1 everywhere.
    let captioned = double_well("1", 0.1);
    let (deviates, _) = against_theory(&double_well("0.5 + x", 0.1), &captioned, (32, 400, 6000));
    assert!(deviates[0].abs() > SIGMAS && deviates[2].abs() > 3.0 * SIGMAS, "{deviates:?}");
}

#[test]
fn the_mean_diffusivity_is_the_same_everywhere_and_the_density_is_not() {
    let model = double_well("0.3 + x", 0.1);
    let grid = Grid::new(1.0, 8).with_across(256);
    let groups = sample(&kernel(&model, &grid, 0.0125, Scheme::Midpoint), &model, &grid, (32, 800, 6000));
    let plane = plane(&groups);
    let tally = &groups.0[0];
    let d = |k: usize| well(0.5 * (tally.edge(k) + tally.edge(k + 1))) + 2.5;
    let density = plane.plane_density();
    let mobile: Vec<Option<Sample>> =
        (0..8).map(|b| Some(contrast(&density[b * 256..(b + 1) * 256], d))).collect();
    assert!(unevenness(&mobile) < SIGMAS, "{}", unevenness(&mobile));
    assert!(unevenness(&plane.density()) > SIGMAS, "negative control: {}", unevenness(&plane.density()));
    // Fast shifts: S_T = Cov(U, D)/(<D> T^2), between its values at both ends.
    let local = |t: f64| {
        let [u, du] = [mean(t, [-4.0, 4.0], well, well), mean(t, [-4.0, 4.0], well, |q| well(q) * well(q))];
        (du - u * u) / ((u + 2.5) * t * t)
    };
    let soret = plane.soret(&*field("0.3 + x")).expect("a gradient");
    let all: Vec<f64> = (0..=20).map(|k| local(0.3 + 0.05 * f64::from(k))).collect();
    let (low, high) =
        (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(0.0, f64::max));
    note(format_args!("soret {:.4} +- {:.4} in {low:.4} .. {high:.4}", soret.value, soret.std_error()));
    // Shifts are not infinitely fast: walls flatten the density somewhat.
    let margin = SIGMAS * soret.std_error();
    assert!(soret.value > 0.6 * low - margin && soret.value < high + margin && soret.value > margin);
}

#[test]
fn no_particle_is_lost_and_mistakes_are_named() {
    let model = double_well("0.5 + 0.5*x", 1.0);
    let grid = Grid::new(1.0, 8);
    let kernel = kernel(&model, &grid, 0.01, Scheme::Midpoint);
    let run = |pieces: u64| {
        let mut walkers = walkers_of(&kernel, &model, &grid, 64, 0);
        let mut random = stream(3, Purpose::Advance, 0);
        let mut tally = InternalSpace::new(&model, &grid, 0, kernel.coordinate_ends()[0]);
        tally.open(&model, &walkers);
        for _ in 0..pieces {
            kernel.advance(&mut walkers, Span::Legs(600 / pieces), &mut random, &mut tally).unwrap();
        }
        tally.close(&model, &walkers);
        (walkers, tally)
    };
    // The same words, the same bits, whether in one piece or in three.
    let (whole, parts) = (run(1), run(3));
    assert_eq!(whole.0, parts.0);
    assert_eq!(whole.1.move_passages(), parts.1.move_passages());
    // Through the last wall nothing goes.
    let passages = whole.1.move_passages();
    assert!(passages[8 * whole.1.cells()..].iter().all(|n| *n == 0));
    let mut bare = walkers_of(&kernel, &model, &grid, 4, 0);
    bare.coordinate.clear();
    let mut random = stream(3, Purpose::Advance, 0);
    assert!(kernel.advance(&mut bare, Span::Legs(1), &mut random, &mut ()).is_err());
    let plain = common::model("1", &[(0.0, 1.0)], &[]);
    let message = Continuous::new(&plain, &grid, 0.01, Scheme::Midpoint).unwrap_err().to_string();
    assert_eq!(message, "at least one coordinate is needed");
    let naive = Continuous::new(&model, &grid, 0.5, Scheme::EulerMaruyama).unwrap();
    let mut walkers = walkers_of(&kernel, &model, &grid, 64, 0);
    let thrown = naive.advance(&mut walkers, Span::Legs(2000), &mut random, &mut ()).unwrap_err();
    assert!(thrown.to_string().contains("too long for so steep a potential"), "{thrown}");
    // An automatic step follows the stiffest well, and a fast motion along x.
    let step = |alpha: f64| automatic_step(&double_well("0.5 + 0.5*x", alpha));
    assert!((step(0.01) * 8.0 - 0.1).abs() < 0.01 && step(10.0) < 0.3 * step(0.01));
    assert_eq!(automatic_step(&plain), 0.0);
}
