//! Checks of hidden currents and sum rules: kernels that are wrong on purpose are caught by name, right ones
//! pass, and at uniform temperature nothing is found.
//!
//! Wrong kernels are written through the public trait, walker by walker in floating point. What a mistake
//! amounts to is asserted with p-values far above those seen, so that a check that goes blind fails here.

use crate::common::*;
use rayon::prelude::*;
use soret::event::{Moves, Position, Tally, Transitions, Visits, Walkers};
use soret::grid::Grid;
use soret::kernel::start::Start;
use soret::kernel::{EulerMaruyama, Kernel, KernelError, Span};
use soret::model::{Channel, Edge, Model, Motility, RateLaw, State};
use soret::rng::{Purpose, Stream, exponential, open_unit, standard_normal, stream};
use soret::stats::kolmogorov_smirnov_uniform;
use soret::verification::{self, Check, Evidence, Expected, Question, Verdict, Verification};

/// Family-wise alpha of every verification: some thirty are made of correct kernels here.
const ALPHA: f64 = 1e-9;

const SIZE: Size = Size { particles: 2048, groups: 64, legs: 5000, seed: 40 };

fn judged(finished: &Finished) -> Verification {
    let verification =
        verification::judge(&verification::questions(&finished.context, &finished.groups), ALPHA);
    for c in &verification.checks {
        let statistic = c.statistic.map_or(String::new(), |s| format!("{s:.1} p {:.1e}", c.p_value.unwrap()));
        note(format!("    {:?} {}: {statistic} {}", c.verdict, c.name, c.words));
    }
    verification
}

/// Exact legs of one model, judged by another.
fn verify_as(walked: &Model, judge: &Model, timed: bool, size: Size) -> Verification {
    let grid = Grid::new(walked.domain.length, 20);
    let runner = exact(walked, &grid);
    let plan = plan(runner.as_ref(), walked, &grid, timed, size);
    judged(&run(runner.as_ref(), judge, &grid, &plan).expect("a run"))
}

fn verify(model: &Model, timed: bool, size: Size) -> Verification {
    verify_as(model, model, timed, size)
}

fn check<'a>(verification: &'a Verification, name: &str) -> &'a Check {
    verification.checks.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("there is no check {name}"))
}

fn failed(verification: &Verification) -> Vec<&str> {
    verification.with(Verdict::Fails).map(|c| c.name.as_str()).collect()
}

// ------------------------------------------------------------------------------------- kernels by hand

/// What a kernel does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    None,
    /// The rate is read where the move began.
    RateAtWrongEnd,
    /// The noise is read with half of the drift of `D(x)`, or with all of it.
    Stratonovich,
    AntiIto,
    /// A walker that would leave the domain is put on the wall.
    ClampedWalls,
    /// `k_12` and `k_21` are exchanged.
    ExchangedRates,
    /// Passages are booked along the reverse channel, heat with them: the sign of every current is wrong.
    CurrentSign,
    /// Heat is the energy of the state entered; the rest is called work, so that the first law holds.
    EnergyOfWrongState,
}

/// Waiting times at a rate of candidates and a Gaussian displacement for each, diffusivity and rates by a call:
/// exact for constant diffusivities, Euler-Maruyama with random steps otherwise.
#[derive(Clone)]
struct Plain {
    model: Model,
    cells: usize,
    candidates: Vec<f64>,
    mistake: Mistake,
}

impl Plain {
    /// Candidates come `often` times as often as they must.
    fn new(model: &Model, grid: &Grid, often: f64, mistake: Mistake) -> Self {
        // Rates and temperatures are monotone here: the largest exit rate is at an end.
        let largest = |x: f64, s: usize| {
            let channels = model.network.channels().filter(|c| c.from == s);
            channels.map(|c| model.rate(c, x).max(model.rate(reverse(model, c), x))).sum::<f64>()
        };
        let bound = |s: usize| 1.001 * often * largest(0.0, s).max(largest(grid.length, s));
        let candidates = (0..model.network.states().len()).map(bound).collect();
        Plain { model: model.clone(), cells: grid.cells(), candidates, mistake }
    }

    fn displacement(&self, state: usize, x: f64, time: f64, word: u64) -> f64 {
        let d = self.model.diffusivity(state, x);
        let share = match self.mistake {
            Mistake::Stratonovich => 0.5,
            Mistake::AntiIto => 1.0,
            _ => 0.0,
        };
        let Motility::Diffusivity(field) = &self.model.network.states()[state].motility else {
            panic!("this kernel knows diffusivities only")
        };
        share * field.slope(x) * time + (2.0 * d * time).sqrt() * standard_normal(word)
    }

    fn book<T: Tally>(&self, channel: Channel, position: Position, cell: u32, tally: &mut T) {
        let states = self.model.network.states();
        let gained = states[channel.to].energy - states[channel.from].energy;
        let (index, heat) = match self.mistake {
            Mistake::CurrentSign => (channel.index ^ 1, -gained),
            Mistake::EnergyOfWrongState => (channel.index, states[channel.to].energy),
            _ => (channel.index, gained),
        };
        let work = if self.mistake == Mistake::EnergyOfWrongState { gained - heat } else { 0.0 };
        tally.transitions(&Transitions {
            walker: &[0],
            channel: &[index as u16],
            position: &[position],
            cell: &[cell],
            heat: &[heat],
            work: &[work],
        });
    }

    fn leg<T: Tally>(&self, position: &mut Position, state: &mut u16, stream: &mut Stream, tally: &mut T) {
        let length = self.model.domain.length;
        let s = usize::from(*state);
        let time = exponential(stream.word()) / self.candidates[s];
        let from = *position;
        let x = from.fraction() * length;
        let landed = from.fraction() + self.displacement(s, x, time, stream.word()) / length;
        let fraction = match self.mistake {
            Mistake::ClampedWalls => landed.clamp(0.0, 1.0),
            _ => {
                let around = landed.rem_euclid(2.0);
                if around > 1.0 { 2.0 - around } else { around }
            }
        };
        *position = Position::from_fraction(fraction);
        let cell = position.cell(self.cells) as u32;
        let (to, cells) = ([*position], [cell]);
        tally.moves(&Moves {
            visits: Visits::All,
            state: &[*state],
            from: &[from],
            to: &to,
            cell: &cells,
            laps: &[],
            coordinate: &[],
            heat: &[],
        });
        let seen = if self.mistake == Mistake::RateAtWrongEnd { x } else { position.fraction() * length };
        let mut u = open_unit(stream.word()) * self.candidates[s];
        for channel in self.model.network.channels().filter(|c| c.from == s) {
            let read =
                if self.mistake == Mistake::ExchangedRates { reverse(&self.model, channel) } else { channel };
            u -= self.model.rate(read, seen);
            if u < 0.0 {
                self.book(channel, *position, cell, tally);
                *state = channel.to as u16;
                break;
            }
        }
    }
}

fn reverse(model: &Model, channel: Channel) -> Channel {
    model.network.channel(channel.index ^ 1)
}

impl Kernel for Plain {
    fn states(&self) -> usize {
        self.candidates.len()
    }

    fn dwell(&self, state: usize, _cell: usize) -> f64 {
        1.0 / self.candidates[state]
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let Span::Legs(legs) = span else { panic!("this kernel knows no elapsed times") };
        for (position, state) in walkers.position.iter_mut().zip(&mut walkers.state) {
            for _ in 0..legs {
                self.leg(position, state, stream, tally);
            }
        }
        Ok(())
    }
}

/// The system of `experiments/two_state.json` with another attempt rate: legs cover a fraction of the box.
fn constant(attempt_rate: f64) -> Model {
    model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, attempt_rate, 1.5)])
}

/// The same with diffusivities that grow towards the hot wall.
fn varying() -> Model {
    let state = |name: &str, energy: f64, d: &str| State {
        motility: Motility::Diffusivity(field(d)),
        ..State::new(name, energy, 1.0)
    };
    let states = vec![state("s0", 1.0, "0.01*(1 + 2*x)"), state("s1", 0.0, "0.001*(1 + 2*x)")];
    Model { network: network(states, constant(1.0).network.edges().to_vec()), ..constant(1.0) }
}

fn network(states: Vec<State>, edges: Vec<Edge>) -> soret::model::Network {
    soret::model::Network::new(states, edges).expect("a network")
}

/// A kernel by hand, its checks, and the identities of the book-keeping that it breaks.
fn by_hand(model: &Model, often: f64, mistake: Mistake) -> (Verification, Vec<&'static str>) {
    let grid = Grid::new(1.0, 20);
    let runner = pair(Plain::new(model, &grid, often, mistake), model, &grid);
    let size = Size { legs: if often > 1.0 { 2 * SIZE.legs } else { SIZE.legs }, ..SIZE };
    let plan = plan(runner.as_ref(), model, &grid, false, size);
    let finished = run(runner.as_ref(), model, &grid, &plan).expect("a run");
    note(format!("{mistake:?}"));
    (judged(&finished), finished.broken())
}

const CURRENTS: [&str; 2] =
    ["current of s0 follows from its density", "current of s1 follows from its density"];
const RATES: [&str; 2] = ["rate of s0 -> s1", "rate of s1 -> s0"];
const SUM: &str = "sum of D_i P_i is flat";
const HEAT: &str = "heat absorbed follows from rates and energies";
const BOOKED: &str = "heat and work booked";
const EQUATION: &str = "densities solve the stationary equation";
const SECOND_LAW: &str = "entropy production is not negative";

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

// --------------------------------------------------------------------------------- wrong kernels are caught

#[test]
fn kernels_by_hand_without_a_mistake_pass() {
    for (model, often) in [(constant(1.0), 1.0), (constant(0.03), 1.0), (varying(), 16.0)] {
        let (verification, broken) = by_hand(&model, often, Mistake::None);
        assert!(verification.passes && broken.is_empty());
        assert_eq!(verification.with(Verdict::NotApplicable).count(), 0);
        assert_eq!(verification.with(Verdict::Seen).count(), 3, "hidden currents of a gradient");
    }
}

#[test]
fn a_rate_read_at_the_wrong_end_of_the_move_is_caught() {
    // Legs of the ground state are short at the larger rate: its channel shows the mistake weakly.
    for (attempt_rate, limit, by) in [(1.0, 1e-30, &RATES[..1]), (0.03, 1e-50, &RATES[..])] {
        let (verification, broken) = by_hand(&constant(attempt_rate), 1.0, Mistake::RateAtWrongEnd);
        caught(&verification, limit, by, &CURRENTS);
        assert!(broken.is_empty(), "its book-keeping is right");
    }
}

#[test]
fn noise_that_is_not_ito_is_caught() {
    for mistake in [Mistake::Stratonovich, Mistake::AntiIto] {
        let (verification, broken) = by_hand(&varying(), 16.0, mistake);
        caught(&verification, 1e-14, &[SUM, CURRENTS[0], CURRENTS[1], EQUATION], &RATES);
        assert!(broken.is_empty());
    }
}

#[test]
fn walls_that_clamp_are_caught() {
    let (verification, broken) = by_hand(&constant(1.0), 1.0, Mistake::ClampedWalls);
    caught(&verification, 1e-40, &[SUM, CURRENTS[0], CURRENTS[1], EQUATION], &RATES);
    assert!(broken.is_empty());
}

#[test]
fn exchanged_rates_are_caught() {
    let (verification, broken) = by_hand(&constant(1.0), 1.0, Mistake::ExchangedRates);
    caught(&verification, 1e-50, &[RATES[0], RATES[1], HEAT, EQUATION], &CURRENTS);
    // Heat then flows from cold to hot.
    caught(&verification, 1e-15, &[SECOND_LAW], &[SUM, BOOKED]);
    assert!(broken.is_empty());
}

#[test]
fn a_current_of_the_wrong_sign_is_caught() {
    let (verification, _) = by_hand(&constant(1.0), 1.0, Mistake::CurrentSign);
    caught(&verification, 1e-15, &[CURRENTS[0], CURRENTS[1], RATES[0]], &[SUM, EQUATION]);
    caught(&verification, 1e-20, &[SECOND_LAW], &[BOOKED]);
}

#[test]
fn energy_booked_from_the_wrong_state_is_caught_though_the_first_law_holds() {
    let (verification, broken) = by_hand(&constant(1.0), 1.0, Mistake::EnergyOfWrongState);
    caught(&verification, 1e-50, &[BOOKED, HEAT, SECOND_LAW], &[SUM, CURRENTS[0], CURRENTS[1], RATES[0]]);
    assert!(broken.is_empty(), "energy is conserved");
}

#[test]
fn particles_of_another_system_are_caught() {
    // Frictions that vary are not the Ito diffusivities kT/gamma; an energy that is off by 2 %.
    let ito = varying();
    let friction = |d: &str, energy: f64| {
        let motility = Motility::Friction(field(&format!("(1 + 0.8*x)/({d})")));
        State { motility, ..State::new("", energy, 1.0) }
    };
    let states = vec![friction("0.01*(1 + 2*x)", 1.0), friction("0.001*(1 + 2*x)", 0.0)];
    let kinetic = Model { network: network(states, ito.network.edges().to_vec()), ..ito.clone() };
    caught(&verify_as(&kinetic, &ito, false, SIZE), 1e-20, &[SUM, CURRENTS[0], CURRENTS[1]], &RATES);
    let other = model("1 + 0.8*x", &[(0.98, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    caught(&verify_as(&other, &constant(1.0), false, SIZE), 1e-30, &[RATES[0], BOOKED], &CURRENTS);
}

#[test]
fn a_step_that_is_too_long_is_caught() {
    let (model, grid) = (constant(1.0), Grid::new(1.0, 20));
    for (dt, passes) in [(0.05, true), (4.0, false)] {
        let runner = pair(EulerMaruyama::new(&model, &grid, dt).expect("bounds"), &model, &grid);
        let plan = plan(runner.as_ref(), &model, &grid, true, Size { legs: 1000, ..SIZE });
        let verification = judged(&run(runner.as_ref(), &model, &grid, &plan).expect("a run"));
        assert_eq!(verification.passes, passes, "{:?}", failed(&verification));
    }
}

// --------------------------------------------------------------------------------- right systems pass

#[test]
fn exact_legs_pass_on_every_kind_of_system() {
    let names = ["five_states_slow", "friction", "kelvin", "three_states", "two_temperatures"];
    let mut systems: Vec<(Model, bool)> = names.map(|name| (experiment(name).model, false)).to_vec();
    // Free rates, whose heat depends on x; one of them in one direction only.
    let free = |forward: &str, backward: Option<&str>| RateLaw::Free {
        forward: Some(field(forward)),
        backward: backward.map(field),
    };
    let edges = |law| vec![Edge { between: [0, 1], law }, Edge::new([0, 1], 0.5, 1.0)];
    for law in [free("1 + x", Some("2 - x")), free("step(x - 0.40004)", None)] {
        let network = network(constant(1.0).network.states().to_vec(), edges(law));
        systems.push((Model { network, ..constant(1.0) }, false));
    }
    systems.extend([(constant(1.0), false), (constant(1.0), true), (varying(), false)]);
    systems.push((model("1 + x", &[(0.0, 0.1)], &[]), false));
    for (model, timed) in systems {
        let verification = verify(&model, timed, SIZE);
        assert!(verification.passes, "{:?}", failed(&verification));
    }
}

// ----------------------------------------------------------------------- uniform temperature, and premises

#[test]
fn at_uniform_temperature_nothing_is_found() {
    let states = [(1.0, 1e-2), (0.0, 1e-3)];
    let edges = [(0, 1, 1.0, 1.5)];
    let isothermal = model("1.4", &states, &edges);
    let null =
        ["no hidden current of s0", "no hidden current of s1", "no hidden heat current", "no gathering"];
    for timed in [false, true] {
        let verification = verify(&isothermal, timed, SIZE);
        assert!(verification.passes, "{:?}", failed(&verification));
        for name in null.iter().chain(&["no entropy production"]) {
            assert_eq!(check(&verification, name).verdict, Verdict::Holds, "{name}");
        }
        assert_eq!(verification.with(Verdict::Seen).count(), 0);
    }
    // Negative control: walkers in a gradient of which the model knows nothing.
    let gradient = model("1 + 0.8*x", &states, &edges);
    caught(&verify_as(&gradient, &isothermal, false, SIZE), 1e-15, &null[..3], &CURRENTS);
}

#[test]
fn a_fuel_drives_no_current_at_uniform_temperature_but_dissipates() {
    let affinity = RateLaw::Activated { attempt_rate: 1.0, barrier: 1.5, affinity: 1.0 };
    let edges = vec![Edge::new([0, 1], 1.0, 1.5), Edge { between: [0, 1], law: affinity }];
    let driven = Model {
        network: network(two_states().network.states().to_vec(), edges),
        ..model("1", &[(0.0, 1.0)], &[])
    };
    let verification = verify(&driven, false, SIZE);
    assert!(verification.passes, "{:?}", failed(&verification));
    assert_eq!(check(&verification, "no hidden current of s0").verdict, Verdict::Holds);
    let dissipation = check(&verification, "no entropy production");
    assert!(dissipation.verdict == Verdict::NotApplicable && dissipation.words.contains("driven"));
    let production = check(&verification, SECOND_LAW);
    assert!(production.statistic.is_some_and(|t| t > 50.0), "{production:?}");
}

#[test]
fn diffusivities_of_different_shapes_flow_at_uniform_temperature_and_are_told_why() {
    let state = |name: &str, energy: f64, d: &str| State {
        motility: Motility::Diffusivity(field(d)),
        ..State::new(name, energy, 1.0)
    };
    let states = vec![state("a", 1.0, "0.01*(1 + 4*x)"), state("b", 0.0, "0.01")];
    let model = Model {
        network: network(states, constant(1.0).network.edges().to_vec()),
        ..model("1", &[(0.0, 1.0)], &[])
    };
    let verification = verify(&model, false, SIZE);
    assert!(verification.passes, "{:?}", failed(&verification));
    for name in ["nothing flows at uniform temperature", SECOND_LAW] {
        let check = check(&verification, name);
        assert!(check.verdict == Verdict::NotApplicable && check.words.contains("friction"), "{check:?}");
    }
    assert_eq!(check(&verification, "hidden current of a").verdict, Verdict::Seen);
    // The same as frictions is an equilibrium.
    let kinetic = |name: &str, energy: f64, g: &str| State {
        motility: Motility::Friction(field(g)),
        ..state(name, energy, "1")
    };
    let states = vec![kinetic("a", 1.0, "100/(1 + 4*x)"), kinetic("b", 0.0, "100")];
    let verification =
        verify(&Model { network: network(states, model.network.edges().to_vec()), ..model }, false, SIZE);
    assert!(verification.passes, "{:?}", failed(&verification));
    for name in ["no hidden current of a", "no gathering", "no entropy production", SECOND_LAW] {
        assert_eq!(check(&verification, name).verdict, Verdict::Holds, "{name}");
    }
}

#[test]
fn a_run_that_remembers_its_start_is_told() {
    let (model, grid) =
        (model("1 + 4*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]), Grid::new(1.0, 20));
    let runner = exact(&model, &grid);
    let stationary = "run is stationary";
    let size = Size { particles: 32768, legs: 600, ..SIZE };
    let burnt = plan(runner.as_ref(), &model, &grid, false, size);
    let verdict = |plan| judged(&run(runner.as_ref(), &model, &grid, plan).expect("a run"));
    assert_eq!(check(&verdict(&burnt), stationary).verdict, Verdict::Holds);
    let mut raw = burnt.clone();
    (raw.burn_in, raw.start) = (0.0, Start::Uniform);
    caught(&verdict(&raw), 1e-15, &[stationary], &CURRENTS);
    // A run far too short sees nothing, and says how long it should be.
    let mut short = burnt.clone();
    short.span = Span::Legs(20);
    let verdict = verdict(&short);
    let check = check(&verdict, stationary);
    assert!(check.verdict == Verdict::NotApplicable && check.words.contains("times as long"), "{check:?}");
}

// --------------------------------------------------------------------------------- the numbers themselves

/// P-values of every check that expects zero, over seeds.
fn p_values(walked: &Model, judge: &Model, seeds: u64) -> Vec<(String, Vec<f64>)> {
    let grid = Grid::new(1.0, 20);
    let runner = exact(walked, &grid);
    let size = |seed| Size { particles: 512, groups: 64, legs: 400, seed };
    let each: Vec<Verification> = (0..seeds)
        .into_par_iter()
        .map(|seed| {
            let plan = plan(runner.as_ref(), judge, &grid, false, size(900 + seed));
            let finished = run(runner.as_ref(), judge, &grid, &plan).expect("a run");
            verification::judge(&verification::questions(&finished.context, &finished.groups), ALPHA)
        })
        .collect();
    let names = each[0].checks.iter().map(|c| c.name.clone());
    let of = |name: &str| each.iter().filter_map(|v| check(v, name).p_value).collect::<Vec<f64>>();
    names.map(|name| (name.clone(), of(&name))).filter(|(_, p)| !p.is_empty()).collect()
}

#[test]
fn p_values_are_uniform_over_seeds() {
    // 40 seeds; Kolmogorov-Smirnov with alpha 1e-9 for each of some 16 checks sees a distance of 0.51. Groups are
    // small here, 8 walkers and 3200 legs, so that laws that are not normal would show. Currents are looked for
    // in a gradient; at uniform temperature every check expects zero, but rates leave nothing to chance.
    let isothermal = model("1.4", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    let gradient = two_states();
    let mut sets = p_values(&isothermal, &isothermal, 40);
    assert!(sets.len() >= 10);
    let looked_for = |name: &str| name.starts_with("hidden") || name == SECOND_LAW;
    sets.extend(p_values(&gradient, &gradient, 40).into_iter().filter(|(name, _)| !looked_for(name)));
    for (name, p) in &sets {
        let test = kolmogorov_smirnov_uniform(p);
        note(format!("{name}: distance {:.2}, p = {:.1e}", test.distance, test.p_value));
        assert!(test.p_value > 1e-9, "{name}");
    }
    // Negative control: the excited state lies a tenth lower than the judge believes.
    let other = model("1 + 0.8*x", &[(0.9, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    let sets = p_values(&other, &gradient, 20);
    let rate = sets.iter().find(|(name, _)| name == RATES[0]).expect("asked");
    assert!(kolmogorov_smirnov_uniform(&rate.1).p_value < 1e-9);
}

#[test]
fn the_smallest_effect_is_seen_with_the_probability_stated() {
    // 300 made-up questions of four correlated contrasts from 40 groups, the third shifted by what the check says
    // it sees. The share seen is 0.95 or more within 0.075, six standard errors; half of the shift must not be.
    let question = |seed: u64, shift: f64| {
        let mut random = stream(seed, Purpose::Start, 0);
        let row = |_| {
            let common = standard_normal(random.word());
            let mut row: Vec<f64> = (0..4).map(|_| common + standard_normal(random.word())).collect();
            row[2] += shift;
            row
        };
        Question {
            name: "made up".into(),
            law: String::new(),
            expected: Expected::Zero,
            effect: "{}".into(),
            evidence: Evidence::Contrasts {
                sums: (0..40).map(row).collect(),
                scale: vec![1.0; 40],
                grain: None,
                room: Vec::new(),
                blind: None,
            },
        }
    };
    let alpha = 1e-4;
    let effects = (0..20).map(|k| verification::judge(&[question(k, 0.0)], alpha).checks[0].smallest_effect);
    let effect = effects.map(|e| e.expect("tested")).sum::<f64>() / 20.0;
    let share = |factor: f64| {
        let seen = |k: &u64| !verification::judge(&[question(1000 + k, factor * effect)], alpha).passes;
        (0..300).filter(seen).count() as f64 / 300.0
    };
    let (whole, half) = (share(1.0), share(0.5));
    note(format!("effect {effect:.2}: seen {whole}, at half of it {half}"));
    // The largest of four that differ by chance: seen a little more often than stated.
    assert!((0.95 - 0.075..=1.0).contains(&whole) && half < 0.5, "{whole} {half}");
}

#[test]
fn a_law_of_inequality_fails_on_one_side_only() {
    let question = |shift: f64| Question {
        name: "made up".into(),
        law: String::new(),
        expected: Expected::NotNegative,
        effect: "{}".into(),
        evidence: Evidence::Contrasts {
            sums: (0..40).map(|g| vec![shift + f64::from(g % 5) - 2.0]).collect(),
            scale: vec![1.0; 40],
            grain: None,
            room: Vec::new(),
            blind: None,
        },
    };
    let verdict = |shift: f64| verification::judge(&[question(shift)], 1e-4).checks[0].verdict;
    assert_eq!([-9.0, 0.0, 9.0].map(verdict), [Verdict::Fails, Verdict::Holds, Verdict::Holds]);
    // No spread, no verdict; a state that nobody visits is no mistake.
    let mut still = question(0.0);
    still.evidence = Evidence::Contrasts {
        sums: vec![vec![0.0]; 40],
        scale: vec![1.0; 40],
        grain: None,
        room: Vec::new(),
        blind: None,
    };
    assert_eq!(verification::judge(&[still], 1e-4).checks[0].verdict, Verdict::NotApplicable);
}
