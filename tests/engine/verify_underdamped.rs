//! Checks of particles with a velocity: right kernels pass, wrong ones are caught by name.
//!
//! The wrong kernel is a step written by hand, walker by walker in floating point. Family-wise alpha of every verification 1e-9;
//! what a mistake amounts to is asserted with p-values far above those seen, so that a check that goes blind fails here.

use crate::common;
use crate::common::{Finished, Size, field, note, pair, plan, run};
use rayon::prelude::*;
use soret::event::{Kicks, Moves, Position, Sightings, Tally, Transitions, Visits, Walkers};
use soret::grid::Grid;
use soret::kernel::{Baoab, Kernel, KernelError, Span};
use soret::model::{Channel, Edge, Model, Motility, Network, State};
use soret::rng::{Stream, exponential, open_unit, standard_normal};
use soret::verification::{self, Check, Verdict, Verification};

const ALPHA: f64 = 1e-9;

const SIZE: Size = Size { particles: 2048, groups: 64, legs: 3000, seed: 50 };

const FLAT: &str = "P <v^2> is flat";
const MOMENTUM: &str = "momentum balances";
const ENERGY: &str = "kinetic energy balances";
const FOURTH: &str = "heat current follows from the fourth moment";
const MAXWELL: &str = "velocities follow Maxwell's law";
const NO_FLOW: &str = "no particles flow";
const CARRIED: &str = "heat absorbed leaves as heat current";
const NO_HEAT: &str = "no hidden heat current";
const SLOW: &str = "hidden current of slow particles";
const CROSSOVER: &str = "slow and fast currents part at sqrt(3 kT/m)";
const SECOND_LAW: &str = "entropy production is not negative";

/// `(mass, friction, enthalpy)` of each state; all states are joined to the first.
fn model(temperature: &str, states: &[(f64, &str, f64)]) -> Model {
    let state = |(k, (mass, friction, energy)): (usize, &(f64, &str, f64))| State {
        motility: Motility::Friction(field(friction)),
        mass: Some(*mass),
        ..State::new(format!("s{k}"), *energy, 1.0)
    };
    let edges = (1..states.len()).map(|k| Edge::new([0, k], 20.0, 1.0)).collect();
    let network = Network::new(states.iter().enumerate().map(state).collect(), edges).expect("a network");
    Model { network, ..common::model(temperature, &[(0.0, 1.0)], &[]) }
}

/// Thirty mean free paths or less between the walls.
fn gradient() -> Model {
    model("1 + x", &[(1.0, "30", 0.0)])
}

fn uniform() -> Model {
    model("1.3", &[(1.0, "20*(1 + x)", 0.0)])
}

/// A heavy and a light state.
fn two() -> Model {
    model("1 + x", &[(1.0, "20", 0.0), (4.0, "60", 0.5)])
}

fn well() -> Model {
    Model { potential: Some(field("40*(x - 0.4)^2")), ..model("1", &[(1.0, "15", 0.0)]) }
}

fn judged(finished: &Finished) -> Verification {
    let verification =
        verification::judge(&verification::questions(&finished.context, &finished.groups), ALPHA);
    for c in &verification.checks {
        let statistic = c.statistic.map_or(String::new(), |s| format!("{s:.1} p {:.1e}", c.p_value.unwrap()));
        let effect = c.smallest_effect.map_or(String::new(), |e| c.effect.replace("{}", &format!("{e:.2e}")));
        note(format!("    {:?} {}: {statistic}; {effect} {} {:?}", c.verdict, c.name, c.words, c.value));
    }
    verification
}

fn verify(kernel: impl Kernel + Send + 'static, model: &Model, size: Size) -> Verification {
    let grid = Grid::new(1.0, 20);
    let runner = pair(kernel, model, &grid);
    let plan = plan(runner.as_ref(), model, &grid, true, size);
    judged(&run(runner.as_ref(), model, &grid, &plan).expect("a run"))
}

fn check<'a>(verification: &'a Verification, name: &str) -> &'a Check {
    verification.checks.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("there is no check {name}"))
}

fn failed(verification: &Verification) -> Vec<&str> {
    verification.with(Verdict::Fails).map(|c| c.name.as_str()).collect()
}

#[track_caller]
fn passes(verification: &Verification) {
    assert!(verification.passes, "{:?}", failed(verification));
}

/// The checks that must fail with a p-value below `limit`, and those that must not fail.
#[track_caller]
fn caught(verification: &Verification, limit: f64, by: &[&str], not_by: &[&str]) {
    for name in by {
        let check = check(verification, name);
        assert!(check.verdict == Verdict::Fails && check.p_value.is_none_or(|p| p < limit), "{check:?}");
    }
    for name in not_by {
        assert_eq!(check(verification, name).verdict, Verdict::Holds, "{name}");
    }
}

// ------------------------------------------------------------------------------------- a kernel by hand

/// Mistakes that are easily made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    None,
    /// `1 - c` in place of `1 - c^2`.
    Variance,
    /// A wall folds the place and forgets the velocity.
    Wall,
    /// The temperature is that of the place before the flight.
    OldTemperature,
    /// Velocities are read between exchange and flight, before the step is over, at the place of its end.
    Phase,
    /// A transition keeps the velocity.
    KeepsVelocity,
    /// The heat of a kick is booked with the wrong sign.
    HeatSign,
    /// The friction is twice as large.
    Friction,
}

/// The step of `baoab`, walker by walker.
#[derive(Clone)]
struct ByHand {
    model: Model,
    cells: usize,
    dt: f64,
    mistake: Mistake,
}

/// A walker.
struct One {
    x: f64,
    v: f64,
    state: u16,
}

impl ByHand {
    fn place(&self, one: &One) -> ([Position; 1], [u32; 1], [u16; 1]) {
        let position = Position::from_fraction(one.x);
        ([position], [position.cell(self.cells) as u32], [one.state])
    }

    fn mass(&self, state: u16) -> f64 {
        self.model.network.states()[usize::from(state)].mass.expect("a mass")
    }

    fn fly<T: Tally>(&self, one: &mut One, visits: Visits<'_>, tally: &mut T) {
        let (from, ..) = self.place(one);
        one.x += 0.5 * self.dt * one.v;
        while !(0.0..=1.0).contains(&one.x) {
            one.x = if one.x < 0.0 { -one.x } else { 2.0 - one.x };
            if self.mistake != Mistake::Wall {
                one.v = -one.v;
            }
        }
        let (to, cell, state) = self.place(one);
        tally.moves(&Moves {
            visits,
            state: &state,
            from: &from,
            to: &to,
            cell: &cell,
            laps: &[],
            coordinate: &[],
            heat: &[],
        });
    }

    fn react<T: Tally>(&self, one: &mut One, stream: &mut Stream, tally: &mut T) {
        let mut left = 0.5 * self.dt;
        while !self.model.network.edges().is_empty() {
            let channels: Vec<Channel> =
                self.model.network.channels().filter(|c| c.from == usize::from(one.state)).collect();
            let rates: Vec<f64> = channels.iter().map(|c| self.model.rate(*c, one.x)).collect();
            let sum: f64 = rates.iter().sum();
            left -= exponential(stream.word()) / sum;
            if left < 0.0 {
                return;
            }
            let mut u = open_unit(stream.word()) * sum;
            let taken = rates.iter().position(|r| {
                u -= r;
                u < 0.0
            });
            let channel = channels[taken.unwrap_or(0)];
            let (position, cell, _) = self.place(one);
            let exchange = self.model.exchange(channel, one.x).expect("heat");
            let index = [channel.index as u16];
            let (heat, work) = ([exchange.heat], [exchange.work]);
            tally.transitions(&Transitions {
                walker: &[0],
                channel: &index,
                position: &position,
                cell: &cell,
                heat: &heat,
                work: &work,
            });
            let to = channel.to as u16;
            if self.mistake != Mistake::KeepsVelocity {
                one.v *= (self.mass(one.state) / self.mass(to)).sqrt();
            }
            one.state = to;
        }
    }

    fn step<T: Tally>(&self, one: &mut One, stream: &mut Stream, tally: &mut T) {
        let old = one.x;
        self.fly(one, Visits::None, tally);
        self.react(one, stream, tally);
        let mass = self.mass(one.state);
        let mut friction = self.model.friction(usize::from(one.state)).expect("a friction").value(one.x);
        if self.mistake == Mistake::Friction {
            friction *= 2.0;
        }
        let c = (-friction * self.dt / mass).exp();
        let forgotten = 1.0 - if self.mistake == Mistake::Variance { c } else { c * c };
        let felt = if self.mistake == Mistake::OldTemperature { old } else { one.x };
        let noise = (forgotten * self.model.thermal_energy(felt) / mass).sqrt();
        let before = one.v;
        one.v = c * before + noise * standard_normal(stream.word());
        let sign = if self.mistake == Mistake::HeatSign { -0.5 } else { 0.5 };
        let (position, cell, state) = self.place(one);
        tally.kicks(&Kicks {
            state: &state,
            position: &position,
            cell: &cell,
            before: &[before],
            after: &[one.v],
            heat: &[sign * mass * (one.v * one.v - before * before)],
            work: &[],
        });
        self.react(one, stream, tally);
        let early = one.v;
        self.fly(one, Visits::All, tally);
        let (position, _, state) = self.place(one);
        let seen = if self.mistake == Mistake::Phase { early } else { one.v };
        tally.sightings(&Sightings {
            state: &state,
            position: &position,
            velocity: &[seen],
            coordinate: &[],
            energy: &[],
            slope: &[],
            diffusivity: &[],
        });
    }
}

impl Kernel for ByHand {
    fn states(&self) -> usize {
        self.model.network.states().len()
    }
    fn dwell(&self, _state: usize, _cell: usize) -> f64 {
        self.dt
    }
    fn elapsed(&self, span: Span) -> Option<f64> {
        Some((span.amount() / self.dt).round() * self.dt)
    }
    fn flux_excess(&self) -> f64 {
        let damping = |s: &State| s.motility.parts().1.value(0.5) * self.dt / s.mass.expect("a mass");
        let z = 1.5 * self.model.network.states().iter().map(damping).fold(0.0, f64::max);
        z / z.tanh() - 1.0
    }
    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        for i in 0..walkers.len() {
            let (x, v) = (walkers.position[i].fraction(), walkers.velocity[i]);
            let mut one = One { x, v, state: walkers.state[i] };
            for _ in 0..(span.amount() / self.dt).round() as u64 {
                self.step(&mut one, stream, tally);
            }
            walkers.position[i] = Position::from_fraction(one.x);
            (walkers.velocity[i], walkers.state[i]) = (one.v, one.state);
        }
        Ok(())
    }
}

fn by_hand(model: &Model, dt: f64, mistake: Mistake) -> Verification {
    note(format!("{mistake:?}"));
    let cells = Grid::new(1.0, 20).cells();
    let size = Size { particles: 1024, legs: 1500, ..SIZE };
    verify(ByHand { model: model.clone(), cells, dt, mistake }, model, size)
}

/// The length of a step of one fifth of the time in which a velocity is forgotten.
const DT: f64 = 0.2 / 30.0;

// ------------------------------------------------------------------------------------- right kernels pass

#[test]
fn right_kernels_pass() {
    let systems = [("gradient", gradient()), ("uniform", uniform()), ("two masses", two()), ("well", well())];
    let all: Vec<(&str, Model, bool)> =
        systems.into_iter().flat_map(|(name, m)| [(name, m.clone(), false), (name, m, true)]).collect();
    let done: Vec<(&str, bool, Verification)> = all
        .into_par_iter()
        .map(|(name, model, flux)| {
            let grid = Grid::new(1.0, 20);
            let make = if flux { Baoab::with_exact_flux } else { Baoab::new };
            let dt = if flux { 1.5 * DT } else { DT };
            let kernel = make(&model, &grid, dt).expect("a kernel");
            let verification = verify(kernel, &model, SIZE);
            (name, flux, verification)
        })
        .collect();
    for (name, flux, verification) in &done {
        note(format!("{name}, exact flux {flux}: {:?}", failed(verification)));
        passes(verification);
        let flows = *name == "gradient" || *name == "two masses";
        let heat = check(verification, if flows { "hidden heat current" } else { NO_HEAT });
        assert_eq!(heat.verdict, if flows { Verdict::Seen } else { Verdict::Holds }, "{name}");
    }
}

#[test]
fn the_kernel_by_hand_passes_without_a_mistake() {
    for model in [gradient(), uniform()] {
        passes(&by_hand(&model, DT, Mistake::None));
    }
}

// --------------------------------------------------------------------------------- wrong kernels are caught

#[test]
fn a_wrong_bath_is_caught_at_uniform_temperature() {
    // kT too high by 1/(1 + c) - 1/2, as m <v^2> says; nothing flows all the same.
    let verification = by_hand(&uniform(), DT, Mistake::Variance);
    caught(&verification, 1e-60, &[ENERGY, MAXWELL], &[FLAT, NO_FLOW, CARRIED, NO_HEAT]);
}

#[test]
fn a_wall_that_forgets_the_velocity_is_caught() {
    for model in [uniform(), gradient()] {
        let verification = by_hand(&model, DT, Mistake::Wall);
        caught(&verification, 1e-15, &[FLAT, ENERGY, FOURTH, NO_FLOW, CARRIED], &[]);
    }
}

#[test]
fn velocities_read_before_the_step_is_over_are_caught() {
    for model in [uniform(), gradient()] {
        caught(&by_hand(&model, DT, Mistake::Phase), 1e-25, &[NO_FLOW, CARRIED], &[FLAT, ENERGY, FOURTH]);
    }
}

#[test]
fn a_transition_that_keeps_the_velocity_is_caught() {
    let verification = by_hand(&two(), DT, Mistake::KeepsVelocity);
    caught(&verification, 1e-30, &[ENERGY, CARRIED], &["rate of s0 -> s1", "rate of s1 -> s0", NO_FLOW]);
    let right = by_hand(&two(), DT, Mistake::None);
    passes(&right);
    assert_eq!(check(&right, MOMENTUM).verdict, Verdict::Holds);
}

#[test]
fn heat_of_the_wrong_sign_is_caught() {
    caught(&steep(Mistake::HeatSign), 1e-12, &[CARRIED, SECOND_LAW], &[FLAT, ENERGY, FOURTH, NO_FLOW]);
}

/// Seven to fourteen mean free paths between the walls, and much heat.
fn steep(mistake: Mistake) -> Verification {
    let model = model("1 + x", &[(1.0, "10", 0.0)]);
    note(format!("{mistake:?}"));
    let cells = Grid::new(1.0, 20).cells();
    let size = Size { particles: 4096, legs: 5000, ..SIZE };
    verify(ByHand { model: model.clone(), cells, dt: 0.03, mistake }, &model, size)
}

#[test]
fn noise_of_another_place_and_another_friction_are_caught_by_the_heat_that_flows() {
    passes(&steep(Mistake::None));
    for mistake in [Mistake::OldTemperature, Mistake::Friction] {
        caught(&steep(mistake), 1e-11, &[FOURTH], &[FLAT, NO_FLOW, CARRIED, SECOND_LAW]);
    }
}

#[test]
fn slow_and_fast_currents_of_another_mass_are_caught() {
    // Twice the mass, of which the model knows nothing.
    let heavy = model("1 + x", &[(2.0, "30", 0.0)]);
    let grid = Grid::new(1.0, 20);
    let runner = pair(Baoab::with_exact_flux(&heavy, &grid, 0.01).expect("a kernel"), &heavy, &grid);
    let size = Size { particles: 4096, legs: 5000, ..SIZE };
    let plan = plan(runner.as_ref(), &heavy, &grid, true, size);
    let [right, wrong] =
        [&heavy, &gradient()].map(|judge| judged(&run(runner.as_ref(), judge, &grid, &plan).expect("a run")));
    passes(&right);
    assert_eq!(check(&right, SLOW).verdict, Verdict::Seen);
    assert_eq!(check(&right, CROSSOVER).verdict, Verdict::Holds);
    caught(&wrong, 1e-11, &[CROSSOVER, ENERGY], &[NO_FLOW]);
}
