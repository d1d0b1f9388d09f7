//! Kernels that are wrong on purpose, written through the public trait in the way in which one would
//! write them in an afternoon. Each must be caught by the comparison with theory (or by an identity),
//! and the same plain kernel without a mistake must pass, so that they fail for the right reason.
//!
//! The family-wise alpha of every comparison is `ALPHA`; what the mistakes amount to in standard errors
//! is asserted with a margin of about two below what was seen, so that a comparison that goes blind
//! fails here.

use crate::common::*;
use soret::comparison::Comparison;
use soret::event::{Moves, Position, Tally, Transitions, Visits, Walkers};
use soret::expression::Interval;
use soret::grid::Grid;
use soret::kernel::{CandidateRates, Exact, Kernel, KernelError, Span};
use soret::model::{Channel, Field, Model};
use soret::observable::Observable;
use soret::rng::{Stream, exponential, open_unit, standard_normal};
use std::sync::Arc;

/// Probability of a false alarm of one comparison: three are made of a correct kernel here.
const ALPHA: f64 = 1e-9;

/// What a kernel does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    None,
    /// The rate is read where a state is entered and kept until it is left.
    FrozenRate,
    /// A walker that would leave the domain is put on the wall.
    ClampedWalls,
    /// `k_12` and `k_21` are exchanged.
    ExchangedRates,
    /// Heat given to the bath is booked as heat absorbed.
    HeatSign,
}

/// Waiting times and Gaussian displacements walker by walker in floating point, rates by a call for
/// each candidate: no table, no fixed-point positions, no blocks.
#[derive(Clone)]
struct Plain {
    model: Model,
    cells: usize,
    candidates: Vec<f64>,
    mistake: Mistake,
}

impl Plain {
    fn new(model: &Model, grid: &Grid, mistake: Mistake) -> Self {
        // Rates are monotone in T and the temperatures used here are monotone in x, so the largest exit
        // rate is at an end.
        let largest = |x: f64, s: usize| {
            let channels = model.network.channels().filter(|c| c.from == s);
            channels.map(|c| model.rate(c, x).max(model.rate(reverse(model, c), x))).sum::<f64>()
        };
        let states = 0..model.network.states().len();
        let candidates = states.map(|s| 1.001 * largest(0.0, s).max(largest(grid.length, s))).collect();
        Plain { model: model.clone(), cells: grid.cells(), candidates, mistake }
    }

    fn rate(&self, channel: Channel, x: f64) -> f64 {
        match self.mistake {
            Mistake::ExchangedRates => self.model.rate(reverse(&self.model, channel), x),
            _ => self.model.rate(channel, x),
        }
    }

    /// One leg of one walker; what is left of `remaining`.
    fn leg<T: Tally>(
        &self,
        position: &mut Position,
        state: &mut u16,
        entered: &mut Position,
        remaining: f64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> f64 {
        let length = self.model.domain.length;
        let s = usize::from(*state);
        let waiting = exponential(stream.word()) / self.candidates[s];
        let elapsed = waiting.min(remaining);
        let d = self.model.diffusivity(s, 0.0);
        let step = (2.0 * d * elapsed).sqrt() * standard_normal(stream.word()) / length;
        let from = *position;
        let landed = from.fraction() + step;
        let fraction = match self.mistake {
            Mistake::ClampedWalls => landed.clamp(0.0, 1.0),
            _ => {
                let around = landed.rem_euclid(2.0);
                if around > 1.0 { 2.0 - around } else { around }
            }
        };
        *position = Position::from_fraction(fraction);
        let cell = [position.cell(self.cells) as u32];
        let cut = elapsed < waiting;
        let visits = if cut { Visits::None } else { Visits::All };
        tally.moves(&Moves {
            visits,
            state: &[*state],
            from: &[from],
            to: &[*position],
            cell: &cell,
            laps: &[],
            coordinate: &[],
            heat: &[],
        });
        if cut {
            return 0.0;
        }
        let seen = if self.mistake == Mistake::FrozenRate { *entered } else { *position };
        let mut u = open_unit(stream.word()) * self.candidates[s];
        for channel in self.model.network.channels().filter(|c| c.from == s) {
            let rate = self.rate(channel, seen.fraction() * length);
            if u < rate {
                let sign = if self.mistake == Mistake::HeatSign { -1.0 } else { 1.0 };
                tally.transitions(&Transitions {
                    walker: &[0],
                    channel: &[channel.index as u16],
                    position: &[*position],
                    cell: &cell,
                    heat: &[sign * self.model.constant_exchange(channel).expect("a passive edge").heat],
                    work: &[0.0],
                });
                *state = channel.to as u16;
                *entered = *position;
                break;
            }
            u -= rate;
        }
        remaining - waiting
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
        for (position, state) in walkers.position.iter_mut().zip(&mut walkers.state) {
            let mut entered = *position;
            match span {
                Span::Legs(legs) => {
                    for _ in 0..legs {
                        self.leg(position, state, &mut entered, f64::INFINITY, stream, tally);
                    }
                }
                Span::Duration(duration) => {
                    let mut remaining = duration;
                    while remaining > 0.0 {
                        remaining = self.leg(position, state, &mut entered, remaining, stream, tally);
                    }
                }
            }
        }
        Ok(())
    }
}

const SIZE: Size = Size { particles: 4096, groups: 64, legs: 5000, seed: 20 };

/// The system of `experiments/two_state.json` with another attempt rate. At 1 legs cover a tenth of the
/// box, at 0.03 half of it.
fn system(attempt_rate: f64) -> Model {
    model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, attempt_rate, 1.5)])
}

/// What the comparison says of a kernel, and the identities that it breaks.
fn verdict(model: &Model, mistake: Mistake, timed: bool) -> (Comparison, Vec<&'static str>) {
    let grid = Grid::new(1.0, 20);
    let runner = pair(Plain::new(model, &grid, mistake), model, &grid);
    let plan = plan(runner.as_ref(), model, &grid, timed, SIZE);
    let finished = run(runner.as_ref(), model, &grid, &plan).expect("a run");
    let comparison = finished.compare(&solve(model), ALPHA);
    note(format!("{mistake:?}, timed {timed}: {}", worst(&comparison)));
    for o in [Observable::Soret, Observable::MeanCurrent(0), Observable::EntropyProduction] {
        note(format!("    {o:?}: z = {:.1}", z_of(&comparison, o).unwrap_or(f64::NAN)));
    }
    (comparison, finished.broken())
}

/// The smallest p-value of a joint test.
fn joint(comparison: &Comparison) -> f64 {
    comparison.joint.iter().map(|j| j.p_value).fold(1.0, f64::min)
}

#[test]
fn the_plain_kernel_passes() {
    for (attempt_rate, timed) in [(1.0, false), (1.0, true), (0.03, false)] {
        let (comparison, broken) = verdict(&system(attempt_rate), Mistake::None, timed);
        assert!(comparison.agrees, "{}", worst(&comparison));
        assert_eq!(broken, Vec::<&str>::new());
    }
}

#[test]
fn a_rate_frozen_over_the_waiting_time_is_caught() {
    // At short legs it shows at the walls only, where the places that a walker may come from lie on one
    // side; at long legs most of the effect is gone. Its book-keeping is right: only the physics is wrong.
    for (attempt_rate, entropy) in [(1.0, 0.0), (0.03, 8.0)] {
        let (comparison, broken) = verdict(&system(attempt_rate), Mistake::FrozenRate, false);
        assert!(!comparison.agrees);
        assert!(z_of(&comparison, Observable::EntropyProduction).unwrap_or(0.0).abs() >= entropy);
        assert_eq!(broken, Vec::<&str>::new());
    }
}

#[test]
fn walls_that_clamp_are_caught() {
    let (comparison, broken) = verdict(&system(1.0), Mistake::ClampedWalls, false);
    assert!(!comparison.agrees);
    assert!(joint(&comparison) < 1e-40, "particles pile up at the walls");
    assert_eq!(broken, Vec::<&str>::new());
}

#[test]
fn exchanged_rates_are_caught() {
    let (comparison, broken) = verdict(&system(1.0), Mistake::ExchangedRates, false);
    assert!(!comparison.agrees);
    assert!(joint(&comparison) < 1e-40, "the states have each other's populations");
    assert!(z_of(&comparison, Observable::Soret).is_some_and(|z| z < -10.0), "and S_T the wrong sign");
    assert_eq!(broken, Vec::<&str>::new());
}

#[test]
fn heat_of_the_wrong_sign_is_caught_twice() {
    let (comparison, broken) = verdict(&system(1.0), Mistake::HeatSign, false);
    assert!(!comparison.agrees);
    assert!(z_of(&comparison, Observable::EntropyProduction).is_some_and(|z| z < -10.0));
    assert!(z_of(&comparison, Observable::MeanHeatCurrent).is_some_and(|z| z.abs() < 6.0), "a count");
    assert_eq!(broken, ["first law cell by cell"]);
}

/// A temperature whose bounds are those of another.
#[derive(Debug)]
struct Liar {
    value: fn(f64) -> f64,
    bounds: fn(Interval) -> Interval,
}

impl Field for Liar {
    fn value(&self, x: f64) -> f64 {
        (self.value)(x)
    }
    fn slope(&self, _x: f64) -> f64 {
        0.0
    }
    fn bounds(&self, x: Interval) -> Interval {
        (self.bounds)(x)
    }
    fn describe(&self) -> String {
        "a field that breaks its promise".into()
    }
}

fn lying(value: fn(f64) -> f64, bounds: fn(Interval) -> Interval) -> Model {
    Model { temperature: Arc::new(Liar { value, bounds }), ..system(1.0) }
}

/// Bounds of `1 + 0.8 x`, a little wide.
fn honest(x: Interval) -> Interval {
    Interval::new(0.999 + 0.8 * x.lo, 1.001 + 0.8 * x.hi)
}

#[test]
fn bounds_that_lie_end_in_an_error() {
    let grid = Grid::new(1.0, 20);
    // Seen when the table is made: too high, and taken from one point of the cell.
    let elsewhere = lying(|x| 1.0 + 0.8 * x, |x| Interval::new(1.1 + 0.8 * x.lo, 1.2 + 0.8 * x.hi));
    let one_point = lying(|x| 1.0 + 0.8 * x, |x| Interval::point(1.0 + 0.4 * (x.lo + x.hi)));
    for model in [elsewhere, one_point] {
        let error = Exact::new(&model, &grid).expect_err("a violated bound");
        assert!(matches!(error, KernelError::BoundViolated { .. }), "{error}");
    }
    // A spike between the points that are looked at is seen only by a walker, who ends the run.
    let spike = lying(
        |x| {
            let within = (x * 1040.0).fract();
            1.0 + 0.8 * x + if (0.3..0.45).contains(&within) { 0.5 } else { 0.0 }
        },
        honest,
    );
    let runner = exact(&spike, &grid);
    for timed in [false, true] {
        let plan = plan(runner.as_ref(), &system(1.0), &grid, timed, Size { legs: 500, ..SIZE });
        let error = run(runner.as_ref(), &spike, &grid, &plan).err().expect("a violated bound");
        assert!(matches!(error, KernelError::BoundViolated { .. }), "{error}");
    }
    // The same bounds of a field that keeps to them are no error.
    let truthful = lying(|x| 1.0 + 0.8 * x, honest);
    let runner = exact(&truthful, &grid);
    let plan = plan(runner.as_ref(), &truthful, &grid, false, Size { legs: 500, ..SIZE });
    assert!(run(runner.as_ref(), &truthful, &grid, &plan).is_ok());
}

#[test]
fn too_few_candidates_are_refused() {
    let (model, grid) = (system(1.0), Grid::new(1.0, 20));
    let proven = CandidateRates::new(&model, &grid).expect("bounds");
    let scaled = |states: f64, channels: f64| {
        let mut rates = proven.clone();
        rates.state.iter_mut().for_each(|k| *k *= states);
        rates.channel.iter_mut().for_each(|k| *k *= channels);
        Exact::with_rates(&model, &grid, rates)
    };
    assert!(scaled(1.0, 1.0).is_ok());
    assert!(scaled(2.0, 2.0).is_ok(), "more candidates than needed cost time and nothing else");
    let error = scaled(0.99, 0.99).expect_err("missed transitions");
    assert!(matches!(error, KernelError::TooFewCandidates { .. }), "{error}");
    for (states, channels) in [(2.0, 1.0), (1.0, 2.0), (f64::NAN, 1.0)] {
        let error = scaled(states, channels).expect_err("shares that do not add up");
        assert!(matches!(error, KernelError::UnevenCandidates { .. }), "{error}");
    }
}
