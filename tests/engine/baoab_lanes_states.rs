//! Underdamped steps of several states in vector lanes: the same bits with any instructions, counts that add up, the first law to the last
//! digits, energies that transitions keep, the law of a step, Boltzmann's and Maxwell's laws, Kramers' equation.
//!
//! Statistics are over 64 groups, a limit of 7.5 standard errors each (Student's t with 63 degrees of freedom: alpha 3e-10); there
//! are fewer than 300 such comparisons, 1e-7 altogether.

use crate::common;
use crate::common::{field, note};
use soret::event::{Occupancy, Position, Profile, Sightings, Tally, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Kernel, KernelError, LaneBaoab, Span};
use soret::model::{Edge, Model, Motility, Network, RateLaw, State};
use soret::phase_space::{PhaseSpace, REACH, SPEEDS};
use soret::rng::{Purpose, Stream, stream};
use soret::stats::Sample;
use soret::theory::kramers::{self, Options};
use std::f64::consts::PI;

pub const SIGMAS: f64 = 7.5;

/// `(mass, friction, enthalpy)` of each state.
pub fn model(temperature: &str, states: &[(f64, &str, f64)], edges: Vec<Edge>) -> Model {
    let state = |(k, (mass, friction, energy)): (usize, &(f64, &str, f64))| State {
        motility: Motility::Friction(field(friction)),
        mass: Some(*mass),
        ..State::new(format!("s{k}"), *energy, 1.0)
    };
    let network = Network::new(states.iter().enumerate().map(state).collect(), edges).expect("a network");
    Model { network, ..common::model(temperature, &[(0.0, 1.0)], &[]) }
}

/// Rates as functions of x.
pub fn free(between: [usize; 2], forward: &str, backward: Option<&str>) -> Edge {
    Edge { between, law: RateLaw::Free { forward: Some(field(forward)), backward: backward.map(field) } }
}

/// Makes lanes, if they serve.
pub type Make = fn(&Model, &Grid, f64) -> Result<Option<LaneBaoab>, KernelError>;

pub fn lanes(make: Make, model: &Model, grid: &Grid, dt: f64) -> LaneBaoab {
    make(model, grid, dt).expect("masses, frictions and bounds").expect("a plain model")
}

/// Two states alike and two unlike; five; driven and one-way edges, a state without friction; three in a potential.
fn models() -> [(&'static str, Make, Model, f64); 5] {
    let all = |n: usize| (0..n).flat_map(move |a| (a + 1..n).map(move |b| [a, b]));
    let driven = RateLaw::Activated { attempt_rate: 6.0, barrier: 1.2, affinity: 0.8 };
    let five = [(1.0, "8", 1.0), (0.6, "3", 0.7), (2.0, "10", 0.4), (1.5, "1", 0.2), (3.0, "20", 0.0)];
    let mut well = model(
        "1.2",
        &[(1.0, "5", 0.3), (2.0, "4", 0.0), (0.7, "6", 0.6)],
        all(3).map(|between| Edge::new(between, 3.0, 1.0)).collect(),
    );
    well.potential = Some(field("2*sin(3*x) + x^4"));
    [
        (
            "alike",
            LaneBaoab::with_exact_flux,
            model("1 + 0.8*x", &[(2.0, "10", 0.5), (2.0, "10", 0.0)], vec![Edge::new([0, 1], 5.0, 1.0)]),
            0.04,
        ),
        (
            "unlike",
            LaneBaoab::new,
            model(
                "1 - 0.4*cos(pi*x)",
                &[(3.0, "2", 0.2), (1.0, "12", 0.0)],
                vec![Edge::new([0, 1], 8.0, 1.0), Edge::new([1, 0], 2.0, 0.5)],
            ),
            0.05,
        ),
        (
            "five",
            LaneBaoab::with_exact_flux,
            model("1 + 0.8*x", &five, all(5).map(|between| Edge::new(between, 2.0, 1.5)).collect()),
            0.03,
        ),
        (
            "driven",
            LaneBaoab::new,
            model(
                "1 + 0.5*x",
                &[(1.0, "5", 0.4), (0.5, "0", 0.0), (2.0, "9", 0.4)],
                vec![
                    Edge { between: [0, 1], law: driven },
                    free([1, 2], "3 + 10*x", Some("20 - 8*x")),
                    free([2, 0], "2 + x", None),
                ],
            ),
            0.04,
        ),
        ("well", LaneBaoab::with_exact_flux, well, 0.03),
    ]
}

pub fn walkers_of(kernel: &impl Kernel, model: &Model, grid: &Grid, n: usize, group: u64) -> Walkers {
    let mut random = stream(41, Purpose::Start, group);
    start(kernel, model, grid, &Start::LocalEquilibrium, false, n, &mut random)
}

/// What a group has scored.
pub type Group = (Profile, PhaseSpace);

pub fn tallies(model: &Model, grid: &Grid) -> Group {
    let channels = 2 * model.network.edges().len();
    (Profile::new(model.network.states().len(), channels, grid), PhaseSpace::new(model, grid))
}

/// Everything that there is after some spans.
#[derive(PartialEq)]
pub struct After {
    pub walkers: Walkers,
    pub stream: Stream,
    pub tally: Group,
}

pub fn after(kernel: &LaneBaoab, (model, grid): (&Model, &Grid), n: usize, spans: &[u64]) -> After {
    let mut walkers = walkers_of(kernel, model, grid, n, 0);
    let mut stream = stream(41, Purpose::Advance, 0);
    let mut tally = tallies(model, grid);
    tally.1.open(&walkers);
    for steps in spans {
        kernel.advance(&mut walkers, Span::Legs(*steps), &mut stream, &mut tally).expect("bounds");
    }
    tally.0.flush();
    tally.1.close(&walkers);
    After { walkers, stream, tally }
}

/// What lanes make of a model at a step.
pub type Case = (&'static str, Make, Model, f64);

/// Asks that instructions change no bit.
pub fn same_bits(models: &[Case]) {
    let grid = Grid::new(1.0, 20);
    for (name, make, model, dt) in models {
        let kernel = lanes(*make, model, &grid, *dt);
        for n in [1, 150] {
            let bits = |most, steps| after(&kernel.clone().at_most(most), (model, &grid), n, &[steps]);
            common::same_bits(&format!("{name}, {n} walkers"), 1103, bits);
        }
    }
}

/// Asks that a span may be cut anywhere.
pub fn same_in_parts(models: &[Case]) {
    let grid = Grid::new(1.0, 20);
    for (name, make, model, dt) in models {
        let kernel = lanes(*make, model, &grid, *dt);
        let whole = after(&kernel, (model, &grid), 50, &[2301]);
        let parts = after(&kernel, (model, &grid), 50, &[4, 1, 2, 1094, 1200]);
        assert!(whole.walkers == parts.walkers && whole.stream == parts.stream, "{name}");
        let [(profile, phase), (profile_of_parts, phase_of_parts)] = [&whole.tally, &parts.tally];
        for state in 0..kernel.states() {
            assert_eq!(profile.visits(state), profile_of_parts.visits(state), "{name}");
            for bin in 0..grid.bins {
                assert_eq!(phase.speeds(state, bin), phase_of_parts.speeds(state, bin), "{name}");
            }
        }
        for channel in model.network.channels() {
            assert_eq!(profile.passages(channel.index), profile_of_parts.passages(channel.index), "{name}");
        }
        let all: u64 = model.network.channels().flat_map(|c| profile.passages(c.index)).sum();
        assert!(all > 500, "{name}: {all}");
    }
}

#[test]
fn the_same_bits_with_any_instructions() {
    same_bits(&models());
}

#[test]
fn cutting_the_span_of_a_block_changes_no_walker_and_no_count() {
    same_in_parts(&models());
}

#[test]
fn counts_are_those_of_the_walkers() {
    let grid = Grid::new(1.0, 20);
    for (name, make, model, dt) in models() {
        let kernel = lanes(make, &model, &grid, dt);
        let states = kernel.states();
        // After one step: visits, powers and cells of velocity are those of the walkers that are there.
        for n in [1, 300] {
            let opening = Occupancy::of(&walkers_of(&kernel, &model, &grid, n, 0), states, &grid);
            let After { walkers, tally: (profile, phase), .. } = after(&kernel, (&model, &grid), n, &[1]);
            let closing = Occupancy::of(&walkers, states, &grid);
            let mut powers = vec![[0.0; 4]; states * grid.cells()];
            let mut speeds = vec![[0u64; SPEEDS]; states * grid.bins];
            for ((position, v), state) in walkers.position.iter().zip(&walkers.velocity).zip(&walkers.state) {
                let state = usize::from(*state);
                let sums = &mut powers[state * grid.cells() + position.cell(grid.cells())];
                (1..).zip(sums).for_each(|(power, sum)| *sum += v.powi(power));
                let bin = position.cell(grid.bins);
                let cell = (v / phase.speed_width(state, bin) + 0.5 * SPEEDS as f64).floor();
                speeds[state * grid.bins + bin][cell.clamp(0.0, 127.0) as usize] += 1;
            }
            for state in 0..states {
                assert_eq!(profile.visits(state), closing.state(state), "{name}");
                for (found, sums) in phase.powers(state).iter().zip(&powers[state * grid.cells()..]) {
                    let size = sums[1] + sums[3];
                    let off = found.iter().zip(sums).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(off <= 1e-6 * size, "{name}: {found:?} {sums:?}");
                }
                for bin in 0..grid.bins {
                    assert_eq!(phase.speeds(state, bin), speeds[state * grid.bins + bin], "{name}");
                }
                // Walkers in a state change by those who come less those who go.
                let all = |o: &Occupancy| o.state(state).iter().sum::<u64>() as i64;
                let through = |way: fn(&soret::model::Channel) -> usize| -> i64 {
                    let channels = model.network.channels().filter(|c| way(c) == state);
                    channels.map(|c| profile.passages(c.index).iter().sum::<u64>() as i64).sum()
                };
                assert_eq!(all(&closing) - all(&opening), through(|c| c.to) - through(|c| c.from), "{name}");
            }
        }
        let After { tally: (profile, phase), .. } = after(&kernel, (&model, &grid), 150, &[2000]);
        let visits: Vec<u64> = (0..states).map(|s| profile.visits(s).iter().sum()).collect();
        assert_eq!(visits.iter().sum::<u64>(), 150 * 2000);
        for (s, visits) in visits.iter().enumerate() {
            assert!(*visits > 1000, "{name}: {visits}");
            let speeds: u64 = (0..grid.bins).map(|b| phase.speeds(s, b).iter().sum::<u64>()).sum();
            assert_eq!(speeds, *visits, "{name}");
        }
        let passages = model.network.channels().map(|c| profile.passages(c.index).iter().sum::<u64>());
        assert!(passages.sum::<u64>() > 10_000, "{name}");
    }
}

#[test]
fn heat_and_work_are_the_energy_gained() {
    let grid = Grid::new(1.0, 20);
    for (name, make, model, dt) in models() {
        let kernel = lanes(make, &model, &grid, dt);
        for spans in [&[1u64][..], &[3000], &[500, 1, 1700]] {
            let After { tally: (_, phase), .. } = after(&kernel, (&model, &grid), 150, spans);
            let heat: f64 = phase.heat().iter().sum();
            let gain: f64 = phase.gain().iter().sum();
            let states = 0..kernel.states();
            let seen: f64 =
                states.map(|s| phase.mass(s) * phase.moments(s).iter().map(|m| m[2]).sum::<f64>()).sum();
            let work: f64 = phase.exchanged().map(|[_, work]| work).sum();
            // Besides the kinetic energy seen, heats of some thousand transitions of the order of one.
            assert!((heat + work - gain).abs() <= 1e-13 * seen, "{name}: {heat} {work} {gain}");
            assert_eq!(work != 0.0, ["driven", "well"].contains(&name), "{name}: {work}");
        }
    }
}

#[test]
fn transitions_keep_kinetic_energy_and_place() {
    // Without friction nothing else changes velocities: m v^2 stays, rounded once, and the two flights of a step are those of the
    // state before and the state after it.
    let (grid, dt) = (Grid::new(1.0, 20), 0.03);
    let all = [[0, 1], [1, 2], [2, 0]].map(|between| free(between, "9", Some("7")));
    let model = model("1 + x", &[(1.0, "0", 0.0), (4.0, "0", 0.0), (2.3, "0", 0.0)], all.to_vec());
    let kernel = lanes(LaneBaoab::new, &model, &grid, dt);
    let masses = [1.0, 4.0, 2.3];
    let energy = |w: &Walkers, i: usize| masses[usize::from(w.state[i])] * w.velocity[i].powi(2);
    let mut walkers = walkers_of(&kernel, &model, &grid, 150, 0);
    let mut random = stream(41, Purpose::Advance, 0);
    let first = walkers.clone();
    let (mut changed, mut turned) = (0, 0);
    for _ in 0..300 {
        let before = walkers.clone();
        kernel.advance(&mut walkers, Span::Legs(1), &mut random, &mut ()).expect("bounds");
        for i in 0..walkers.len() {
            assert!((energy(&walkers, i) / energy(&first, i) - 1.0).abs() < 1.3e-7, "walker {i}");
            // Along the circle a wall changes no sign.
            let speed = before.velocity[i].abs() + walkers.velocity[i].abs();
            let end = before.position[i].fraction() + before.velocity[i].signum() * 0.5 * dt * speed;
            let back = end.rem_euclid(2.0) > 1.0;
            let place = if back { 2.0 - end.rem_euclid(2.0) } else { end.rem_euclid(2.0) };
            assert!((walkers.position[i].fraction() - place).abs() < 1e-8, "walker {i}");
            changed += u64::from(walkers.state[i] != before.state[i]);
            turned += u64::from(back);
        }
    }
    assert!(changed > 5000 && turned > 500, "{changed} {turned}");
}

/// How far the mean of some values is from a number, in standard errors.
pub fn deviate(values: Vec<f64>, expected: f64) -> f64 {
    let (value, error) = mean_and_error(values);
    (value - expected) / error
}

pub fn mean_and_error(values: Vec<f64>) -> (f64, f64) {
    let value = values.iter().sum::<f64>() / values.len() as f64;
    (value, Sample { value, pseudo: values }.std_error())
}

/// A matrix of two states.
pub type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
}

/// `exp(Q t)` of two states with these rates.
fn change(rates: [f64; 2], time: f64) -> Matrix {
    let all = rates[0] + rates[1];
    let gone = -f64::exp_m1(-all * time) / all;
    [[1.0 - rates[0] * gone, rates[0] * gone], [rates[1] * gone, 1.0 - rates[1] * gone]]
}

/// A step of two states with constant rates, from one place and one `u = v sqrt(m)`.
pub struct OneStep {
    pub model: Model,
    pub grid: Grid,
    pub dt: f64,
    pub masses: [f64; 2],
    pub rates: [f64; 2],
    pub place: f64,
    pub begun: f64,
}

/// Populations, sums of u and of u^2, state by state; passages by channel.
pub type Sums = [[f64; 2]; 4];

impl OneStep {
    /// Means of `u^power` in each state after a step: transitions for a share of dt, the exchange of the state that there is
    /// then, transitions for the rest. The exchange makes `c u + sqrt((1 - c^2) kT) N` of u.
    pub fn law(&self, power: i32, before: f64, bath: impl Fn(usize) -> (f64, f64)) -> Matrix {
        let moment = |state: usize| {
            let (c, t) = bath(state);
            match power {
                0 => 1.0,
                1 => c * self.begun,
                _ => (c * self.begun).powi(2) + (1.0 - c * c) * t,
            }
        };
        let bath = [[moment(0), 0.0], [0.0, moment(1)]];
        let [first, second] = [before, 1.0 - before].map(|share| change(self.rates, share * self.dt));
        product(product(first, bath), second)
    }

    /// 64 groups of 16 384 walkers after a step from a state, by lanes and by the scalar kernel.
    pub fn sampled(&self, lanes: &LaneBaoab, from: usize) -> [Vec<Sums>; 2] {
        let n = 16_384;
        let mut groups = [Vec::new(), Vec::new()];
        for g in 0..64 {
            let walkers = Walkers {
                velocity: vec![self.begun / self.masses[from].sqrt(); n],
                ..Walkers::new(vec![Position::from_fraction(self.place); n], vec![from as u16; n])
            };
            let mut both = [walkers.clone(), walkers];
            let mut tallies = [(); 2].map(|()| tallies(&self.model, &self.grid));
            let mut random = stream(43, Purpose::Advance, 2 * g + from as u64);
            lanes.advance(&mut both[0], Span::Legs(1), &mut random, &mut tallies[0]).expect("bounds");
            lanes
                .scalar()
                .advance(&mut both[1], Span::Legs(1), &mut random, &mut tallies[1])
                .expect("bounds");
            for ((walkers, (mut profile, _)), groups) in both.into_iter().zip(tallies).zip(&mut groups) {
                let mut sums = [[0.0; 2]; 4];
                for (state, v) in walkers.state.iter().map(|s| usize::from(*s)).zip(&walkers.velocity) {
                    let u = v * self.masses[state].sqrt();
                    (0..3).for_each(|power| sums[power][state] += u.powi(power as i32) / n as f64);
                }
                profile.flush();
                sums[3] = [0, 1].map(|c| profile.passages(c).iter().sum::<u64>() as f64 / n as f64);
                groups.push(sums);
            }
        }
        groups
    }
}

pub fn column(groups: &[Sums], k: usize, state: usize, expected: f64) -> f64 {
    deviate(groups.iter().map(|sums| sums[k][state]).collect(), expected)
}

#[test]
fn a_step_has_the_law_of_its_parts() {
    // Transitions for dt/2, the exchange, transitions for dt/2; u^n is known to some 0.1 % of u_0^n.
    let (grid, dt) = (Grid::new(1.0, 10), 0.04);
    let (masses, frictions, rates) = ([1.0, 4.0], [2.5, 200.0], [10.0, 6.0]);
    let states = [(1.0, "2.5", 0.0), (4.0, "200", 0.0)];
    let model = model("1.5", &states, vec![free([0, 1], "10", Some("6"))]);
    let lanes = lanes(LaneBaoab::new, &model, &grid, dt);
    let step = OneStep { model, grid, dt, masses, rates, place: 0.4, begun: 2.0 };
    let bath = |s: usize| (f64::exp(-frictions[s] * dt / masses[s]), 1.5);
    for from in [0usize, 1] {
        for (kernel, groups) in ["lanes", "scalar"].into_iter().zip(step.sampled(&lanes, from)) {
            for power in 0..3 {
                for to in [0, 1] {
                    let [own, before, after] = [0.5, 1.0, 0.0].map(|share| {
                        column(&groups, power, to, step.law(power as i32, share, bath)[from][to])
                    });
                    note(format!("{kernel}, u^{power}, {from} to {to}: {own:.1}, {before:.1} {after:.1}"));
                    assert!(own.abs() < SIGMAS, "{kernel}, u^{power}, {from} to {to}: {own}");
                    // Negative controls: all transitions before the exchange, or all after it.
                    assert!(power == 0 || before.abs() > SIGMAS && after.abs() > SIGMAS, "{before} {after}");
                }
            }
            // Passages are rates times the time spent in the state left: by Simpson's rule in twenty parts.
            let spent = |s: usize| -> f64 {
                let weight = |k: u32| if k.is_multiple_of(20) { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
                let at = |k: u32| weight(k) * change(rates, f64::from(k) * dt / 20.0)[from][s];
                (0..=20).map(at).sum::<f64>() * dt / 60.0
            };
            for channel in [0, 1] {
                let found = column(&groups, 3, channel, rates[channel] * spent(channel));
                assert!(found.abs() < SIGMAS, "{kernel}, channel {channel}: {found}");
                let at_once = if channel == from { rates[channel] * dt } else { 0.0 };
                let at_once = column(&groups, 3, channel, at_once);
                assert!(at_once.abs() > SIGMAS, "negative control: {at_once}");
            }
        }
    }
}

#[test]
fn the_exact_flux_feels_the_temperature_ahead_of_its_own_velocity() {
    // theta = gamma dt/2m = 0.442 in both states: u^2 grows by (1 - c^2) kT at x + v dt/2 + v' dt 2 theta/(3 (1 - theta)), v the
    // velocity of the first flight and v' that of the state in which the exchange happens.
    let (grid, dt, theta) = (Grid::new(1.0, 10), 0.034, 0.442);
    let (masses, rates) = ([1.0, 4.0], [10.0, 6.0]);
    let states = [(1.0, "26", 0.0), (4.0, "104", 0.0)];
    let model = model("1 + 2*x", &states, vec![free([0, 1], "10", Some("6"))]);
    let lanes = lanes(LaneBaoab::with_exact_flux, &model, &grid, dt);
    let step = OneStep { model, grid, dt, masses, rates, place: 0.4, begun: 6.0 };
    let c = (1.0 - theta) / (1.0 + theta);
    for from in [0usize, 1] {
        for (kernel, groups) in ["lanes", "scalar"].into_iter().zip(step.sampled(&lanes, from)) {
            let velocity = |s: usize| step.begun / masses[s].sqrt();
            let felt = |ahead: &dyn Fn(usize) -> f64, s: usize| {
                let x = step.place
                    + 0.5 * dt * velocity(from)
                    + 2.0 * theta / (3.0 * (1.0 - theta)) * dt * ahead(s);
                (c, 1.0 + 2.0 * x)
            };
            let z = |ahead: &dyn Fn(usize) -> f64, to: usize| {
                column(&groups, 2, to, step.law(2, 0.5, |s| felt(ahead, s))[from][to])
            };
            for to in [0, 1] {
                assert!(z(&velocity, to).abs() < SIGMAS, "{kernel}, {from} to {to}: {}", z(&velocity, to));
            }
            // Negative controls: no lead, and that of the other state.
            let others = [z(&|_| 0.0, from), z(&|s| velocity(1 - s), from)];
            note(format!("{kernel}, {from}: {:.1}, {others:.1?}", z(&velocity, from)));
            assert!(others.iter().all(|z| z.abs() > SIGMAS), "{others:?}");
        }
    }
}

/// 64 groups of 64 walkers, so many steps without and then with scoring, on both threads.
pub fn sample(kernel: &impl Kernel, model: &Model, grid: &Grid, burn_in: u64, steps: u64) -> Vec<Group> {
    let group = |g: u64| {
        let mut walkers = walkers_of(kernel, model, grid, 64, g);
        let mut random = stream(41, Purpose::Advance, g);
        kernel.advance(&mut walkers, Span::Legs(burn_in), &mut random, &mut ()).expect("bounds");
        let mut tally = tallies(model, grid);
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

/// Mean of `f(x) v^power` over those seen in a state, of all that were seen anywhere.
pub fn mean((profile, phase): &Group, state: usize, power: usize, f: impl Fn(f64) -> f64) -> f64 {
    let all: u64 = (0..phase.states()).map(|s| profile.visits(s).iter().sum::<u64>()).sum();
    let visits = profile.visits(state);
    let sum = |c: usize| if power == 0 { visits[c] as f64 } else { phase.powers(state)[c][power - 1] };
    let sums = (0..visits.len()).map(|c| sum(c) * f(phase.grid().cell_middle(c)));
    sums.sum::<f64>() / all as f64
}

#[test]
fn uniform_temperature_gives_boltzmann_and_maxwell_in_every_state() {
    // Exact at any step, and passages are balanced. 64 * 64 * 6000 looks at a walker.
    let (grid, dt, t) = (Grid::new(1.0, 10), 0.04, 1.3);
    let (_, _, five, _) = models().into_iter().find(|case| case.0 == "five").expect("it");
    let model = Model { temperature: field("1.3"), ..five };
    let states = model.network.states();
    let weights: Vec<f64> = states.iter().map(|s| f64::exp(-s.energy / t)).collect();
    let population = |s: usize| weights[s] / weights.iter().sum::<f64>();
    for make in [LaneBaoab::new as Make, LaneBaoab::with_exact_flux] {
        let groups = sample(&lanes(make, &model, &grid, dt), &model, &grid, 400, 6000);
        let z =
            |of: &dyn Fn(&Group) -> f64, expected: f64| deviate(groups.iter().map(of).collect(), expected);
        for (s, state) in states.iter().enumerate() {
            let square = t / state.mass.expect("a mass");
            for (power, moment) in [1.0, 0.0, square, 0.0, 3.0 * square * square].into_iter().enumerate() {
                let found = z(&|g| mean(g, s, power, |_| 1.0), population(s) * moment);
                note(format!("state {s}, v^{power}: z = {found:.1}"));
                assert!(found.abs() < SIGMAS, "state {s}, v^{power}: {found}");
                let hot = z(&|g| mean(g, s, power, |_| 1.0), 1.04 * population(s) * moment);
                assert!(moment == 0.0 || power == 0 || hot.abs() > SIGMAS, "negative control: {hot}");
            }
            for power in [0, 2] {
                let wave = z(&|g| mean(g, s, power, |x| (PI * x).cos()), 0.0);
                assert!(wave.abs() < SIGMAS, "state {s}, wave of v^{power}: {wave}");
            }
            // What lies beyond two thermal velocities of the state: cells of 0.1 of them.
            let outside = |(_, g): &Group, more: usize| {
                let edge = (2.0 / REACH * SPEEDS as f64 / 2.0).round() as usize + more;
                let inner = SPEEDS / 2 - edge..SPEEDS / 2 + edge;
                let count = |b: usize| g.speeds(s, b)[inner.clone()].iter().sum::<u64>() as f64;
                let all = (0..10).map(|b| g.speeds(s, b).iter().sum::<u64>() as f64).sum::<f64>();
                1.0 - (0..10).map(count).sum::<f64>() / all
            };
            let beyond = z(&|g| outside(g, 0), 0.045_500_3);
            assert!(beyond.abs() < SIGMAS, "state {s}, beyond two: {beyond}");
            assert!(z(&|g| outside(g, 1), 0.045_500_3).abs() > SIGMAS, "negative control");
        }
        // With the populations what they are at any time, passages are rates times these; both ways alike.
        let steps = (64 * 6000) as f64;
        for c in model.network.channels() {
            let passages = |g: &Group, c: usize| g.0.passages(c).iter().sum::<u64>() as f64 / steps;
            let expected = model.rate(c, 0.0) * dt * population(c.from);
            let found = z(&|g| passages(g, c.index), expected);
            assert!(found.abs() < SIGMAS, "channel {}: {found}", c.index);
            if c.is_forward() {
                let net = z(&|g| passages(g, c.index) - passages(g, c.index + 1), 0.0);
                assert!(net.abs() < SIGMAS, "edge {}: {net}", c.edge);
            }
        }
        let first = model.network.channel(0);
        let expected = 1.02 * model.rate(first, 0.0) * dt * population(first.from);
        let steps = |g: &Group| g.0.passages(0).iter().sum::<u64>() as f64 / steps;
        assert!(z(&steps, expected).abs() > SIGMAS, "negative control");
    }
}

/// Two states with unlike masses and frictions in a potential, across a gradient.
fn gradient() -> (Model, [f64; 2]) {
    let masses = [1.0, 3.0];
    let states = [(masses[0], "10", 1.0), (masses[1], "20", 0.0)];
    let mut model = model("1 + 1.5*x", &states, vec![Edge::new([0, 1], 10.0, 1.5)]);
    model.potential = Some(field("0.8*x^2"));
    (model, masses)
}

#[test]
fn a_gradient_gives_the_law_of_kramers_and_that_of_the_scalar_kernel() {
    // Steps of gamma dt/m = 0.3 and 0.2. What depends on the internal state: populations, currents of a state, passages; what
    // depends on masses: momentum flux and heat.
    let (grid, dt, steps) = (Grid::new(1.0, 10), 0.03, 4000);
    let (model, masses) = gradient();
    let options = Options { tolerance: 1e-3, ..Options::default() };
    let law = kramers::solve(&model, &masses, &options).expect("a law");
    let over =
        |of: &dyn Fn(f64) -> f64| (0..1000).map(|k| of((f64::from(k) + 0.5) / 1000.0) / 1000.0).sum::<f64>();
    let (cos, sin) = (|x: f64| (PI * x).cos(), |x: f64| (PI * x).sin());
    let [forth, back] = [0, 1].map(|c| model.network.channel(c));
    let first = |x: f64| law.density_at(x)[0];
    // With what steps of that length and Kramers' equation may differ by.
    let expected = [
        (over(&first), 0.002),
        (over(&|x| first(x) * cos(x)), 0.002),
        (over(&|x| law.density_at(x)[1] * cos(x)), 0.002),
        (over(&|x| law.current_at(x)[0] * sin(x)), 0.0003),
        (over(&|x| law.momentum_flux_at(x)[0] * cos(x)), 0.002),
        (over(&|x| law.momentum_flux_at(x)[1] * cos(x)), 0.002),
        (over(&|x| model.rate(forth, x) * first(x) * cos(x)), 0.005),
        (over(&|x| model.rate(back, x) * law.density_at(x)[1] * cos(x)), 0.005),
        (over(&|x| law.kinetic_heat_current_at(x) * sin(x)), 0.001),
    ];
    let heat = |g: &Group, s: usize| 0.5 * masses[s] * mean(g, s, 3, sin);
    let columns: [&dyn Fn(&Group) -> f64; 9] = [
        &|g| mean(g, 0, 0, |_| 1.0),
        &|g| mean(g, 0, 0, cos),
        &|g| mean(g, 1, 0, cos),
        &|g| mean(g, 0, 1, sin),
        &|g| masses[0] * mean(g, 0, 2, cos),
        &|g| masses[1] * mean(g, 1, 2, cos),
        &|g| passed(g, 0, cos) / (dt * 64.0 * steps as f64),
        &|g| passed(g, 1, cos) / (dt * 64.0 * steps as f64),
        &|g| heat(g, 0) + heat(g, 1),
    ];
    let lanes = lanes(LaneBaoab::with_exact_flux, &model, &grid, dt);
    let groups =
        [sample(&lanes, &model, &grid, 800, steps), sample(lanes.scalar(), &model, &grid, 800, steps)];
    for (k, column) in columns.into_iter().enumerate() {
        let [(value, error), (scalar, error_of_scalar)] =
            [0, 1].map(|kernel: usize| mean_and_error(groups[kernel].iter().map(column).collect()));
        let (law, allowed) = expected[k];
        note(format!("{k}: {value:.5} ± {error:.5}, {scalar:.5} ± {error_of_scalar:.5}, {law:.5}"));
        assert!((value - scalar).abs() < SIGMAS * error.hypot(error_of_scalar), "{k}: the scalar kernel");
        assert!((value - law).abs() < SIGMAS * error + allowed, "{k}: Kramers' equation");
    }
}

/// Passages along a channel, times `f(x)`.
pub fn passed((profile, _): &Group, channel: usize, f: impl Fn(f64) -> f64) -> f64 {
    let cells = profile.passages(channel);
    let at = |(c, n): (usize, &u64)| *n as f64 * f((c as f64 + 0.5) / cells.len() as f64);
    cells.iter().enumerate().map(at).sum()
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
    let states = [(1.0, "10", 0.5), (2.0, "5", 0.0)];
    let edge = |rate| vec![Edge::new([0, 1], rate, 1.0)];
    let none = |model: &Model| LaneBaoab::new(model, &grid, 0.02).expect("bounds").is_none();
    let plain = model("1 + 0.8*x", &states, edge(2.0));
    assert!(!none(&plain));
    // More than four candidates a step; a friction that varies, or is lost in rounding; a mass that is too light or too heavy.
    assert!(none(&model("1 + 0.8*x", &states, edge(500.0))));
    for second in [(2.0, "5 + x", 0.0), (2.0, "1e-6", 0.0), (1e-3, "0.01", 0.0), (1e9, "1e9", 0.0)] {
        assert!(none(&model("1 + 0.8*x", &[states[0], second], edge(2.0))), "{second:?}");
    }
    // A force common to all without friction, more cells than bins are found of.
    let pushed = |second| {
        let model = model("1 + 0.8*x", &[states[0], second], edge(2.0));
        none(&Model { potential: Some(field("x")), ..model })
    };
    assert!(!pushed(states[1]) && pushed((2.0, "0", 0.0)));
    let fine = Grid { cells_per_bin: 820, ..grid };
    assert!(LaneBaoab::new(&plain, &fine, 0.02).expect("bounds").is_none());
    // Events, and a walker that is too fast for its state, go by the scalar kernel.
    let kernel = lanes(LaneBaoab::with_exact_flux, &plain, &grid, 0.02);
    for (events, fast) in [(true, 0.0), (false, 20.0), (false, 0.0)] {
        let mut walkers = walkers_of(&kernel, &plain, &grid, 70, 0);
        (walkers.velocity[3], walkers.state[3]) = (fast, 1);
        let mut both = [walkers.clone(), walkers];
        let mut streams = [0, 1].map(|_| stream(1, Purpose::Advance, 0));
        let span = Span::Legs(50);
        if events {
            kernel.advance(&mut both[0], span, &mut streams[0], &mut Seen::default()).expect("bounds");
        } else {
            kernel.advance(&mut both[0], span, &mut streams[0], &mut ()).expect("bounds");
        }
        kernel.scalar().advance(&mut both[1], span, &mut streams[1], &mut ()).expect("bounds");
        // Negative control: lanes have words of their own.
        let alike = both[0] == both[1] && streams[0] == streams[1];
        assert_eq!(alike, events || fast > 0.0);
    }
}
