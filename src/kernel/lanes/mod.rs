//! Exact legs in vector lanes: the legs of [`Exact`], untimed and timed, many walkers at once.
//!
//! For constant diffusivities, or, untimed, such that vary (Ito), between reflecting walls or on a ring; between walls untimed
//! also with frictions that vary and with forces, where they give all states the same natural scale. Law, candidates and transitions are those of
//! [`Exact`], which is the readable form and what every test of the lanes is made against; what differs is how
//! numbers are kept:
//!
//! - **positions** are 32-bit integers on the unfolded circle, `2^-31 L` each, with the same fold for nothing; in the natural
//!   scale `y`, `2^-31 L` of y each, see `places`: x is only known by its cell, and where something asks for more. On a ring
//!   they are `2^-32 L` each, and how often a walker goes round is counted leg by leg, see `ring`;
//! - **displacements** are 32-bit floats, rounded once to whole units. Over all words the mean square of the
//!   exponential is 1.3e-8 of itself too small, its mean 7e-9. What a leg of length `l` forgets of the mode
//!   `cos(q x)`, `(q l)^2/(1 + (q l)^2)`, is off by less than 2e-8 of itself for `q l < 6` and by less than 1e-6
//!   beyond, where nearly all is forgotten. A scale is a float without rounding, because the rate of candidates is
//!   raised until it is;
//! - **transitions** are decided by 26 bits against a table per cell that encloses the probability; a word inside the
//!   enclosure asks for the rate itself, with 32 more bits. They are exact like those of [`Exact`];
//! - **visits** are scored with a probability where diffusivities vary, see `bounds`: of the same 26 bits the topmost, as many
//!   as may be left out anywhere, ask for the clock itself. They also decide the transition, which comes after the visit
//!   and may depend on it;
//! - **durations** of timed legs are subtracted from what is left of a piece of the span, a float that goes from 1 to 0:
//!   spans take as long as they should, and the clock of a state is off by less than 7e-8 of itself (6e-8 of its mean
//!   duration as a float, 1e-8 of the lattice of times);
//! - **counts** are kept here, per (channel, cell) of the grid of the run, and handed on at the end of a span.
//!
//! **When not to use it:** it is chosen by itself where it serves. Tallies that must see every event, short durations,
//! timed legs of states that are very unlike, states with scales of their own, on a ring any friction that varies, force or
//! drift and more than 2^15 entries of tables, and all that is not said above go by [`Exact`].

mod baoab;
mod block;
mod coordinate;
mod decisions;
mod normal;
mod places;
mod ring;
mod shifts;
mod steps;
mod timed;
mod transitions;
mod velocity;

use super::bounds::CandidateRates;
use super::exact::Exact;
use super::scale::Clocks;
use super::{Kernel, KernelError, LegLaw, Span};
use crate::event::{Tally, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Model};
use crate::rng::Stream;
pub use baoab::LaneBaoab;
pub use block::Instructions;
use block::SCALE;
pub use coordinate::LaneCoordinate;
use decisions::{Candidates, Decisions, suits};
use places::Places;
pub use steps::LaneSteps;

/// The method `exact`, in vector lanes.
#[derive(Clone, Debug)]
pub struct Lanes {
    decisions: Decisions,
    /// Mean durations of legs in each state, if timed legs can be done.
    waits: Option<Vec<f64>>,
    most: Instructions,
}

/// Displacements of a smaller scale than this, in lengths of the domain, would feel the lattice of positions.
const SHORTEST: f64 = 1.0 / 262_144.0;

/// Of fewer walkers that are timed, more lanes are idle than serve. Nor are spans worth their tables that have fewer legs
/// than these have entries.
const FEWEST_WALKERS: usize = 16;

impl Lanes {
    /// Prepares lanes for `model`, with tables on the cells of `grid`; `None` where only [`Exact`] will do.
    ///
    /// # Errors
    /// As [`Exact::new`].
    pub fn new(model: &Model, grid: &Grid) -> Result<Option<Self>, KernelError> {
        let clocks = Clocks::new(model)?;
        if !suits(model, grid.cells()) {
            return Ok(None);
        }
        let walls = model.domain.walls == Boundary::Reflecting;
        let places = match clocks.shared() {
            Some(scale) if walls => Places::new(scale, grid.cells()).map(Some),
            _ => Self::suit(model, grid, &clocks).then_some(None),
        };
        let Some(places) = places else { return Ok(None) };
        let rates = CandidateRates::with_clocks(model, grid, &clocks)?;
        Self::at((places, true), model, rates, |rates| Exact::with_rates(model, grid, rates))
    }

    pub(in crate::kernel) const ARITHMETIC: &str = "32-bit vector lanes; what a leg forgets of a mode is off by 2e-8 of itself (8e-7 where hardly any is left), \
         what a timed one forgets by 5e-8 (2e-6) and its duration by 7e-8, estimates by less than 1e-6 of themselves";

    /// Whether lanes may serve the legs of a model in x itself, whatever its rates are.
    pub(in crate::kernel) fn suit(model: &Model, grid: &Grid, clocks: &Clocks) -> bool {
        let plain = |s: usize| clocks.scale[s].is_none() && !model.has_force(s);
        suits(model, grid.cells()) && (0..model.network.states().len()).all(plain)
    }

    /// Lanes of legs at these rates of candidates or little higher ones, for a model that suits them, and for so few legs that
    /// making tables must not take long.
    ///
    /// # Errors
    /// Those of `exact`.
    pub(in crate::kernel) fn raising(
        model: &Model,
        rates: CandidateRates,
        exact: impl FnOnce(CandidateRates) -> Result<Exact, KernelError>,
    ) -> Result<Option<Self>, KernelError> {
        Self::at((None, false), model, rates, exact)
    }

    fn at(
        tables: (Option<Places>, bool),
        model: &Model,
        mut rates: CandidateRates,
        exact: impl FnOnce(CandidateRates) -> Result<Exact, KernelError>,
    ) -> Result<Option<Self>, KernelError> {
        let Some(scale) = representable(model, &mut rates) else { return Ok(None) };
        let exact = exact(rates)?;
        let waits = exact.waits().filter(|waits| timed::even(waits)).map(<[f64]>::to_vec);
        let decisions = Decisions::at(tables, exact, scale, Candidates::One);
        Ok(decisions.map(|decisions| Lanes { decisions, waits, most: Instructions::Avx512 }))
    }

    /// The same with at most these instructions; which are used changes no bit of any result.
    pub fn at_most(self, most: Instructions) -> Self {
        Lanes { most, ..self }
    }

    /// Mean durations of legs, if a span has enough of them for lanes to serve.
    fn timed(&self, span: Span, walkers: usize) -> Option<&[f64]> {
        let waits = self.waits.as_deref().filter(|_| walkers >= FEWEST_WALKERS)?;
        let slowest = waits.iter().copied().fold(0.0, f64::max);
        let fewest = self.decisions.entries() as f64 * slowest;
        (span.amount() * walkers as f64 >= fewest).then_some(waits)
    }

    /// The same legs without lanes.
    pub fn exact(&self) -> &Exact {
        &self.decisions.exact
    }
}

/// Raises the rates of candidates until the scales of legs have few enough digits; the bits of the scales, unless a
/// leg is too short.
fn representable(model: &Model, rates: &mut CandidateRates) -> Option<Vec<u32>> {
    let mut scales = Vec::with_capacity(rates.state.len());
    let longest = if model.domain.walls == Boundary::Periodic { ring::LONGEST } else { f64::INFINITY };
    for state in 0..rates.state.len() {
        let rate = rates.state[state];
        let wanted = (1.0 / (libm::sqrt(rate) * model.domain.length)).min(longest);
        // Rounded down: candidates must not become fewer. A float may have rounded up by less than a digit.
        let mut bits = (wanted as f32).to_bits() & SCALE;
        if f64::from(f32::from_bits(bits)) > wanted {
            bits -= 1 << SCALE.trailing_zeros();
        }
        let scale = f64::from(f32::from_bits(bits));
        if scale < SHORTEST {
            return None;
        }
        rates.raise(model, state, 1.0 / (scale * model.domain.length).powi(2));
        scales.push(bits);
    }
    Some(scales)
}

impl Kernel for Lanes {
    fn states(&self) -> usize {
        self.exact().states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.exact().dwell(state, cell) * self.decisions.share(cell)
    }

    fn leg_law(&self, state: usize) -> Option<LegLaw> {
        self.exact().leg_law(state)
    }

    fn arithmetic(&self) -> &'static str {
        if self.decisions.scaled() {
            return "32-bit vector lanes in the natural scale of all states, which is known to 1e-12 (1e-9 where it is rough) and in \
                    which cells begin within 3e-10 of where they should; what a leg forgets of a mode is off by 2e-8 of itself (8e-7 \
                    where hardly any is left), estimates by less than 1e-6 of themselves";
        }
        Self::ARITHMETIC
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        match (span, self.timed(span, walkers.len())) {
            (Span::Legs(legs), _) if !T::EVENTS => {
                self.decisions.run(self.most, walkers, legs, stream, tally)
            }
            (Span::Duration(duration), Some(waits)) if !T::EVENTS => {
                self.decisions.run_timed(self.most, walkers, (duration, waits), stream, tally)
            }
            _ => self.exact().advance(walkers, span, stream, tally),
        }
    }
}
