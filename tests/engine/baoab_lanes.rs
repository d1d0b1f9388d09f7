//! Underdamped steps in vector lanes: the same bits with any instructions, the first law to the last digits, free flight by hand, the
//! laws of the steps' own chain.
//!
//! Statistics are over 64 groups, a limit of 7.5 standard errors each (Student's t with 63 degrees of freedom: alpha 3e-10); there
//! are fewer than 100 such comparisons, 3e-8 altogether.

use super::underdamped_chain::{self as inertia, FRICTION, Scheme};
use crate::common;
use crate::common::{field, note};
use soret::estimator::velocities::{Samples, Velocities};
use soret::event::{Occupancy, Profile, Sightings, Tally, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Baoab, Kernel, KernelError, LaneBaoab, Span};
use soret::model::{Boundary, Model, Motility, Network, State};
use soret::phase_space::{PhaseSpace, REACH, SPEEDS};
use soret::rng::{Purpose, Stream, stream};
use soret::stats::Sample;
use soret::theory::kramers::{self, Options};
use std::f64::consts::PI;

const SIGMAS: f64 = 7.5;

fn model(temperature: &str, friction: &str) -> Model {
    let motility = Motility::Friction(field(friction));
    let state = State { motility, mass: Some(2.0), ..State::new("only", 0.3, 1.0) };
    let network = Network::new(vec![state], vec![]).expect("a network");
    Model { network, ..common::model(temperature, &[(0.0, 1.0)], &[]) }
}

/// Makes lanes, if they serve.
type Make = fn(&Model, &Grid, f64) -> Result<Option<LaneBaoab>, KernelError>;

fn lanes(make: Make, model: &Model, grid: &Grid, dt: f64) -> LaneBaoab {
    make(model, grid, dt).expect("masses, frictions and bounds").expect("a plain model")
}

/// A constant, a linear and a curved temperature, no friction and much, wells with a linear force and another.
fn cases() -> [(&'static str, LaneBaoab, Model, Grid); 6] {
    let grid = Grid::new(1.0, 20);
    let case = |name, make: Make, temperature, friction, dt| {
        let mut model = model(temperature, friction);
        model.potential = match name {
            "harmonic" => Some(field("30*(x - 0.4)^2")),
            "hilly" => Some(field("2*sin(3*x) + x^4")),
            _ => None,
        };
        (name, lanes(make, &model, &grid, dt), model, grid)
    };
    [
        ("constant", LaneBaoab::new as Make, "1.3", "8", 0.04),
        ("linear", LaneBaoab::with_exact_flux, "1 + 0.8*x", "20", 0.02),
        ("curved", LaneBaoab::with_exact_flux, "1 - 0.4*cos(pi*x)", "6", 0.05),
        ("frictionless", LaneBaoab::new, "1 + x", "0", 0.03),
        ("harmonic", LaneBaoab::new, "1 + x", "5", 0.03),
        ("hilly", LaneBaoab::with_exact_flux, "1.2", "5", 0.04),
    ]
    .map(|(name, make, temperature, friction, dt)| case(name, make, temperature, friction, dt))
}

fn walkers_of(kernel: &impl Kernel, model: &Model, grid: &Grid, n: usize, group: u64) -> Walkers {
    let mut random = stream(31, Purpose::Start, group);
    start(kernel, model, grid, &Start::LocalEquilibrium, false, n, &mut random)
}

/// Everything that there is after some spans.
#[derive(PartialEq)]
struct After {
    walkers: Walkers,
    stream: Stream,
    tally: (Profile, PhaseSpace),
}

fn after(kernel: &LaneBaoab, (model, grid): (&Model, &Grid), n: usize, spans: &[u64]) -> After {
    let mut walkers = walkers_of(kernel, model, grid, n, 0);
    let mut stream = stream(31, Purpose::Advance, 0);
    let mut tally = (Profile::new(1, 0, grid), PhaseSpace::new(model, grid));
    tally.1.open(&walkers);
    for steps in spans {
        kernel.advance(&mut walkers, Span::Legs(*steps), &mut stream, &mut tally).expect("bounds");
    }
    tally.0.flush();
    tally.1.close(&walkers);
    After { walkers, stream, tally }
}

#[test]
fn the_same_bits_with_any_instructions() {
    for (name, kernel, model, grid) in cases() {
        for n in [1, 64, 150] {
            let bits = |most, steps| after(&kernel.clone().at_most(most), (&model, &grid), n, &[steps]);
            common::same_bits(&format!("{name}, {n} walkers"), 1203, bits);
        }
    }
}

#[test]
fn cutting_the_span_of_a_block_changes_no_walker_and_no_count() {
    for (name, kernel, model, grid) in cases() {
        let whole = after(&kernel, (&model, &grid), 50, &[2301]);
        let parts = after(&kernel, (&model, &grid), 50, &[4, 1, 2, 1094, 1200]);
        assert!(whole.walkers == parts.walkers && whole.stream == parts.stream, "{name}");
        let [(profile, phase), (profile_of_parts, phase_of_parts)] = [&whole.tally, &parts.tally];
        assert_eq!(profile.visits(0), profile_of_parts.visits(0), "{name}");
        for bin in 0..grid.bins {
            assert_eq!(phase.speeds(0, bin), phase_of_parts.speeds(0, bin), "{name}");
        }
        // Sums of floats may round differently.
        let sizes: Vec<f64> = phase.powers(0).iter().map(|sums| sums[1] + sums[3]).collect();
        for (a, b) in phase.powers(0).iter().zip(phase_of_parts.powers(0)) {
            let size = a[1] + a[3];
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * size), "{name}: {a:?} {b:?}");
        }
        assert!(sizes.iter().sum::<f64>() > 1000.0);
    }
}

#[test]
fn counts_are_those_of_the_walkers() {
    for (name, kernel, model, grid) in cases() {
        // After one step: visits, powers and cells of velocity are those of the walkers that are there.
        for n in [1, 64, 300] {
            let After { walkers, tally: (profile, phase), .. } = after(&kernel, (&model, &grid), n, &[1]);
            assert_eq!(profile.visits(0), Occupancy::of(&walkers, 1, &grid).state(0), "{name}");
            let mut powers = vec![[0.0; 4]; grid.cells()];
            let mut speeds = vec![[0u64; SPEEDS]; grid.bins];
            for (position, v) in walkers.position.iter().zip(&walkers.velocity) {
                let sums = &mut powers[position.cell(grid.cells())];
                (1..).zip(sums).for_each(|(power, sum)| *sum += v.powi(power));
                let bin = position.cell(grid.bins);
                let cell = (v / phase.speed_width(0, bin) + 0.5 * SPEEDS as f64).floor();
                speeds[bin][cell.clamp(0.0, 127.0) as usize] += 1;
            }
            for (found, sums) in phase.powers(0).iter().zip(&powers) {
                let size = sums[1] + sums[3];
                let off = found.iter().zip(sums).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off <= 1e-6 * size, "{name}: {found:?} {sums:?}");
            }
            let moved = |bin: usize| -> u64 {
                phase.speeds(0, bin).iter().zip(&speeds[bin]).map(|(a, b)| a.abs_diff(*b)).sum()
            };
            assert_eq!((0..grid.bins).map(moved).sum::<u64>(), 0, "{name}");
        }
        let After { tally: (profile, phase), .. } = after(&kernel, (&model, &grid), 150, &[2000]);
        assert_eq!(profile.visits(0).iter().sum::<u64>(), 150 * 2000);
        assert_eq!((0..grid.bins).map(|b| phase.speeds(0, b).iter().sum::<u64>()).sum::<u64>(), 150 * 2000);
        assert_eq!(phase.moments(0).iter().map(|m| m[0]).sum::<f64>(), 150.0 * 2000.0);
    }
}

#[test]
fn heat_and_work_are_the_energy_gained() {
    for (name, kernel, model, grid) in cases() {
        for spans in [&[1u64][..], &[3000], &[500, 1, 1700]] {
            let After { tally: (_, phase), .. } = after(&kernel, (&model, &grid), 150, spans);
            let heat: f64 = phase.heat().iter().sum();
            let gain: f64 = phase.gain().iter().sum();
            let exchanged: f64 = phase.heat().iter().map(|heat| heat.abs()).sum();
            let seen: f64 = phase.moments(0).iter().map(|m| m[2]).sum();
            let work: f64 = phase.exchanged().map(|[_, work]| work).sum();
            assert!((heat + work - gain).abs() <= 1e-13 * seen, "{name}: {heat} {work} {gain}");
            assert_eq!(work != 0.0, model.potential.is_some(), "{name}: {work}");
            // Energies are whole numbers of units: a ten-thousandth at the beginning and at the end.
            assert_eq!(exchanged > 1e-3 * seen, name != "frictionless", "{name}: {exchanged} {seen}");
        }
    }
}

#[test]
fn free_flight_is_folded_by_hand() {
    // Flights are rounded to 2^-31 of the length, always the same way as long as a velocity stays.
    let (_, kernel, model, grid) = cases().into_iter().find(|case| case.0 == "frictionless").expect("it");
    let steps = 3000;
    let After { walkers, tally: (_, phase), .. } = after(&kernel, (&model, &grid), 150, &[steps]);
    let before = walkers_of(&kernel, &model, &grid, 150, 0);
    let mut bounced = 0;
    for i in 0..150 {
        let (x, v) = (before.position[i].fraction(), before.velocity[i]);
        // A velocity becomes a float, once.
        assert!((walkers.velocity[i].abs() / v.abs() - 1.0).abs() < 6e-8);
        let free = x + v.signum() * walkers.velocity[i].abs() * 0.03 * steps as f64;
        let turned = free.rem_euclid(2.0) > 1.0;
        bounced += u64::from(turned);
        let place = if turned { 2.0 - free.rem_euclid(2.0) } else { free.rem_euclid(2.0) };
        assert_eq!(walkers.velocity[i] * v < 0.0, turned, "walker {i}");
        let lattice = (2.0 * steps as f64 + 2.0) / 4_294_967_296.0;
        assert!((walkers.position[i].fraction() - place).abs() < lattice, "walker {i}");
    }
    assert!(bounced > 30);
    // Every step sees the same speeds.
    let [second, fourth] = [2, 4].map(|power| {
        let per_step: f64 = walkers.velocity.iter().map(|v| v.powi(power)).sum();
        phase.powers(0).iter().map(|sums| sums[power as usize - 1]).sum::<f64>() / (per_step * steps as f64)
    });
    assert!((second - 1.0).abs() < 1e-7 && (fourth - 1.0).abs() < 1e-7, "{second} {fourth}");
}

/// What a group has scored.
type Group = (Profile, PhaseSpace);

/// 64 groups of 64 walkers, so many steps without and then with scoring, on both threads.
fn sample(kernel: &LaneBaoab, model: &Model, grid: &Grid, burn_in: u64, steps: u64) -> Vec<Group> {
    let group = |g: u64| {
        let mut walkers = walkers_of(kernel, model, grid, 64, g);
        let mut random = stream(31, Purpose::Advance, g);
        kernel.advance(&mut walkers, Span::Legs(burn_in), &mut random, &mut ()).expect("bounds");
        let mut tally = (Profile::new(1, 0, grid), PhaseSpace::new(model, grid));
        tally.1.open(&walkers);
        kernel.advance(&mut walkers, Span::Legs(steps), &mut random, &mut tally).expect("bounds");
        tally.0.flush();
        tally.1.close(&walkers);
        tally
    };
    std::thread::scope(|scope| {
        let half = |of: std::ops::Range<u64>| scope.spawn(move || of.map(group).collect::<Vec<_>>());
        let halves = [half(0..32), half(32..64)];
        halves.into_iter().flat_map(|h| h.join().expect("a thread that ends")).collect()
    })
}

/// How far the mean over groups is from a number, in standard errors.
fn deviate(groups: &[Group], of: impl Fn(&Group) -> f64, expected: f64) -> f64 {
    let values: Vec<f64> = groups.iter().map(of).collect();
    let value = values.iter().sum::<f64>() / values.len() as f64;
    let error = Sample { value, pseudo: values }.std_error();
    (value - expected) / error
}

/// Mean of `f(x) v^power` over everybody seen.
fn mean((profile, phase): &Group, power: usize, f: impl Fn(f64) -> f64) -> f64 {
    let visits = profile.visits(0);
    let sum = |c: usize| if power == 0 { visits[c] as f64 } else { phase.powers(0)[c][power - 1] };
    let sums = (0..visits.len()).map(|c| sum(c) * f(phase.grid().cell_middle(c)));
    sums.sum::<f64>() / visits.iter().sum::<u64>() as f64
}

/// Heat absorbed per walker and step, times `f(x)`.
fn heated((profile, phase): &Group, f: impl Fn(f64) -> f64) -> f64 {
    let cells = phase.heat().iter().enumerate();
    let sum: f64 = cells.map(|(c, q)| q * f(phase.grid().cell_middle(c))).sum();
    sum / profile.visits(0).iter().sum::<u64>() as f64
}

#[test]
fn uniform_temperature_gives_maxwell() {
    // A step far too long and one that forgets little; 64 * 64 * 6000 velocities know <v^2> to 5e-4 and better. Maxwell's law is
    // exact at any step.
    let (grid, t) = (Grid::new(1.0, 10), 1.3 / 2.0);
    for (make, friction, dt) in
        [(LaneBaoab::new as Make, "24", 0.05), (LaneBaoab::with_exact_flux, "10", 0.05)]
    {
        let model = model("1.3", friction);
        let groups = sample(&lanes(make, &model, &grid, dt), &model, &grid, 300, 6000);
        let moments = [0.0, t, 0.0, 3.0 * t * t];
        for (power, expected) in (1..).zip(moments) {
            let z = deviate(&groups, |g| mean(g, power, |_| 1.0), expected);
            note(format!("<v^{power}>: z = {z:.1}"));
            assert!(z.abs() < SIGMAS, "<v^{power}>: {z}");
            if expected > 0.0 {
                let hot = deviate(&groups, |g| mean(g, power, |_| 1.0), 1.01 * expected);
                assert!(hot.abs() > SIGMAS, "negative control: {hot}");
            }
        }
        for mode in 1..5 {
            let wave = |x: f64| (PI * f64::from(mode) * x).cos();
            for (what, power) in [("density", 0), ("pressure", 2)] {
                let z = deviate(&groups, |g| mean(g, power, wave), 0.0);
                assert!(z.abs() < SIGMAS, "{what}, mode {mode}: {z}");
            }
            let z = deviate(&groups, |g| heated(g, wave), 0.0);
            assert!(z.abs() < SIGMAS, "heat, mode {mode}: {z}");
        }
        // What lies beyond one, two and three thermal velocities: cells of 0.1 of them.
        for (k, beyond) in [(1, 0.317_310_5), (2, 0.045_500_3), (3, 0.002_699_8)] {
            let outside = |(_, g): &Group, more: usize| {
                let edge = (f64::from(k) / REACH * SPEEDS as f64 / 2.0).round() as usize + more;
                let inner = SPEEDS / 2 - edge..SPEEDS / 2 + edge;
                let count = |b: usize| g.speeds(0, b)[inner.clone()].iter().sum::<u64>() as f64;
                let all = (0..10).map(|b| g.speeds(0, b).iter().sum::<u64>() as f64).sum::<f64>();
                1.0 - (0..10).map(count).sum::<f64>() / all
            };
            let z = deviate(&groups, |g| outside(g, 0), beyond);
            assert!(z.abs() < SIGMAS, "beyond {k}: {z}");
            assert!(deviate(&groups, |g| outside(g, 1), beyond).abs() > SIGMAS, "negative control");
        }
    }
}

#[test]
fn the_lanes_sample_the_law_of_their_chain() {
    // gamma dt/m = 0.5: no bias is left in this comparison. Sampled to 0.05 % (density, pressure) and half a per cent (heat).
    let (model, dt, grid) = (inertia::model(FRICTION), 0.5 / FRICTION, Grid::new(1.0, 10));
    let laws = [Scheme::Exact, Scheme::Flux, Scheme::OldTemperature].map(|scheme| {
        let seen = inertia::chain(scheme, FRICTION, dt);
        [seen.density, seen.pressure, seen.phase, seen.carried]
    });
    for (which, make) in [LaneBaoab::new as Make, LaneBaoab::with_exact_flux].into_iter().enumerate() {
        let groups = sample(&lanes(make, &model, &grid, dt), &model, &grid, 240, 20_000);
        let columns: [&dyn Fn(&Group) -> f64; 4] = [
            &|g| mean(g, 0, |x| (PI * x).cos()),
            &|g| mean(g, 2, |_| 1.0),
            &|g| mean(g, 3, |x| (PI * x).sin()),
            &|g| 2.0 / PI * heated(g, |x| (PI * x).cos()) / dt,
        ];
        for (k, column) in columns.into_iter().enumerate() {
            let z = laws.map(|law| deviate(&groups, column, law[k]));
            note(format!("{k}: z = {:.1}, of the three chains {z:.1?}", z[which]));
            assert!(z[which].abs() < SIGMAS, "{k}: {z:?}");
            // Negative controls: the other bath, and the temperature before the flight.
            assert!(k < 2 || z[1 - which].abs() > SIGMAS && z[2].abs() > SIGMAS, "{k}: {z:?}");
        }
    }
}

#[test]
fn a_harmonic_well_has_the_variances_of_the_scheme() {
    // omega dt = 0.8, walls ten standard deviations away. The Hamiltonian part of a step is velocity Verlet; what it conserves
    // gives <x^2> = kT/k and m <v^2> = kT (1 - (omega dt)^2/4), whatever the bath.
    let (k, dt, grid) = (800.0, 0.04, Grid::new(1.0, 10));
    let mut model = model("1", "30");
    model.potential = Some(field("400*(x - 0.5)^2"));
    let narrowed = 1.0 - k / 2.0 * dt * dt / 4.0;
    // The mean of a square over a cell.
    let cell = (1.0 / grid.cells() as f64).powi(2) / 12.0;
    for make in [LaneBaoab::new as Make, LaneBaoab::with_exact_flux] {
        let groups = sample(&lanes(make, &model, &grid, dt), &model, &grid, 200, 4000);
        for (power, factor, expected, wrong) in
            [(0, k, 1.0, narrowed), (2, 2.0, narrowed, 1.0), (1, 2.0, 0.0, 0.01), (3, 2.0, 0.0, 0.01)]
        {
            let square = |x: f64| if power == 0 { (x - 0.5).powi(2) + cell } else { 1.0 };
            let [z, other] =
                [expected, wrong].map(|e| deviate(&groups, |g| factor * mean(g, power, square), e));
            note(format!("well, v^{power}: z = {z:.1}, of another law {other:.1}"));
            assert!(z.abs() < SIGMAS, "v^{power}: {z}");
            assert!(power % 2 == 1 || other.abs() > SIGMAS, "negative control: {other}");
        }
    }
}

/// The mean over a range of bins over another number, with its standard error.
fn mean_over(samples: &Samples, range: std::ops::Range<usize>, unit: f64) -> (f64, f64) {
    let all: Vec<&Sample> = samples[range].iter().map(|s| s.as_ref().expect("seen")).collect();
    let share = 1.0 / (all.len() as f64 * unit);
    let pseudo =
        (0..all[0].pseudo.len()).map(|g| share * all.iter().map(|s| s.pseudo[g]).sum::<f64>()).collect();
    let sample = Sample { value: share * all.iter().map(|s| s.value).sum::<f64>(), pseudo };
    (sample.value, sample.std_error())
}

#[test]
fn heat_flows_along_a_linear_temperature_as_in_the_continuum() {
    // gamma dt/m = 0.5 in a box of 30 mean free paths: in the middle the exact flux is that of Kramers' equation, solved in
    // modes, within 1 %, with the exact bath z coth z = 1.181 of it (z = 3/4). The pressure is flat at any step.
    let grid = Grid::new(1.0, 20);
    let mut model = model("1 + 2*x", "30");
    let plain = State { mass: Some(1.0), ..model.network.states()[0].clone() };
    model.network = Network::new(vec![plain], vec![]).expect("a network");
    let law = kramers::solve(&model, &[1.0], &Options::default()).expect("a law");
    let dt = 0.5 / 30.0;
    for (make, factor) in [(LaneBaoab::new as Make, 0.75 / 0.75f64.tanh()), (LaneBaoab::with_exact_flux, 1.0)]
    {
        let groups = sample(&lanes(make, &model, &grid, dt), &model, &grid, 720, 24_000);
        let phases: Vec<PhaseSpace> = groups.iter().map(|g| g.1.clone()).collect();
        let run = Velocities { groups: &phases };
        let (value, error) = mean_over(&run.heat_current(), 8..12, law.kinetic_heat_current_at(0.5));
        note(format!("heat current {value:.4} ± {error:.4} of {factor:.4}"));
        assert!((value - factor).abs() < SIGMAS * error + 0.01);
        assert_eq!((value - 1.0).abs() > SIGMAS * error + 0.01, factor > 1.01, "the other bath");
        for mode in 1..5 {
            let wave = |x: f64| (PI * f64::from(mode) * x).cos();
            let z = deviate(&groups, |g| mean(g, 2, wave), 0.0);
            assert!(z.abs() < SIGMAS, "pressure, mode {mode}: {z}");
        }
        // Negative control: with every power of v the same law would not be flat.
        assert!(deviate(&groups, |g| mean(g, 4, |x| (PI * x).cos()), 0.0).abs() > SIGMAS);
        for bin in [0, 10, 19] {
            let (current, error) = mean_over(&run.current(0), bin..bin + 1, 1.0);
            assert!(current.abs() < SIGMAS * error, "current, bin {bin}");
        }
    }
}

/// Sees velocities one by one.
#[derive(Default)]
struct Seen(f64);

impl Tally for Seen {
    fn sightings(&mut self, s: &Sightings<'_>) {
        self.0 += s.velocity.iter().sum::<f64>();
    }
}

#[test]
fn what_lanes_cannot_do_they_leave() {
    let grid = Grid::new(1.0, 20);
    let none = |model: &Model, dt: f64| LaneBaoab::new(model, &grid, dt).expect("bounds").is_none();
    let plain = model("1 + 0.8*x", "20");
    assert!(!none(&plain, 0.02));
    let ring =
        Model { domain: soret::model::Domain { walls: Boundary::Periodic, ..plain.domain }, ..plain.clone() };
    let ring = Model { temperature: field("1.2"), ..ring };
    assert!(none(&ring, 0.02));
    // Forces that jump, that are too rough or too deep, and any without friction.
    let pushed = |potential: &str, friction: &str| {
        let model = Model { potential: Some(field(potential)), ..model("1 + 0.8*x", friction) };
        none(&model, 0.02)
    };
    assert!(!pushed("x^2", "20") && !pushed("sin(pi*x)", "20"));
    assert!(pushed("abs(x - 0.5)", "20") && pushed("tanh((x - 0.3)/0.02)", "20"));
    assert!(pushed("400*x", "20") && pushed("x^2", "0") && pushed("9000*(x - 0.5)^2", "20"));
    assert!(none(&model("1 + 0.8*x", "20 + x"), 0.02));
    // Kinks of the temperature, one too rough for a polynomial, steps too long, too short, and a friction that is lost in rounding.
    assert!(none(&model("1 + 0.4*step(x - 0.3)", "20"), 0.02));
    assert!(none(&model("1.5 + tanh((x - 0.3)/0.01)", "20"), 0.02));
    assert!(none(&plain, 0.2) && none(&plain, 1e-6) && none(&model("1", "0.0001"), 1e-3));
    assert!(LaneBaoab::with_exact_flux(&plain, &grid, 0.21).is_err());
    // Events, and a walker that is too fast, go by the scalar kernel.
    let kernel = lanes(LaneBaoab::with_exact_flux, &plain, &grid, 0.02);
    for fast in [0.0, 40.0] {
        let mut both = [walkers_of(&kernel, &plain, &grid, 70, 0), walkers_of(&kernel, &plain, &grid, 70, 0)];
        let [lanes, scalar] = &mut both;
        (lanes.velocity[3], scalar.velocity[3]) = (fast, fast);
        let mut streams = [0, 1].map(|_| stream(1, Purpose::Advance, 0));
        let scalar_kernel: &Baoab = kernel.scalar();
        let span = Span::Legs(50);
        if fast > 0.0 {
            kernel.advance(lanes, span, &mut streams[0], &mut ()).expect("bounds");
        } else {
            let mut seen = Seen::default();
            kernel.advance(lanes, span, &mut streams[0], &mut seen).expect("bounds");
            assert!(seen.0 != 0.0);
        }
        scalar_kernel.advance(scalar, span, &mut streams[1], &mut ()).expect("bounds");
        assert!(both[0] == both[1] && streams[0] == streams[1]);
    }
    // Negative control: lanes have words of their own.
    let mut both = [walkers_of(&kernel, &plain, &grid, 70, 0), walkers_of(&kernel, &plain, &grid, 70, 0)];
    let mut streams = [0, 1].map(|_| stream(1, Purpose::Advance, 0));
    kernel.advance(&mut both[0], Span::Legs(50), &mut streams[0], &mut ()).expect("bounds");
    kernel.scalar().advance(&mut both[1], Span::Legs(50), &mut streams[1], &mut ()).expect("bounds");
    assert!(both[0] != both[1]);
}
