//! Euler-Maruyama steps in vector lanes: the law of [`EulerMaruyama`] for constant diffusivities, between walls or on
//! a ring.
//!
//! Positions, cells and counts are kept as for legs. A displacement is a normal deviate times `sqrt(2 D dt)/L`, a float, so
//! that a diffusivity may be off by 1.2e-7 of itself.
//! Transitions at a fixed place for a time `dt` are made by uniformisation (Jensen, Skand. Aktuarietidskr. 36, 87 (1953)):
//! candidates come at one rate `K` for all states, their number in a step is Poisson distributed with mean `K dt`, and
//! each becomes a transition along channel `c` with probability `k_c(x)/K`. That is the law of `exp(K(x) dt)`, edges taken
//! included. One choice of 26 bits holds all of it: below `K dt exp(-K dt) k_c(x)/K_c` a single candidate is accepted,
//! beyond `1 - exp(-K dt)(1 + K dt)` from above there are several, which go one by one.
//!
//! **When not to use it:** it is chosen by itself where it serves; all else goes by [`EulerMaruyama`].

use super::super::bounds::CandidateRates;
use super::super::euler_maruyama::EulerMaruyama;
use super::super::exact::Exact;
use super::super::{Caution, Kernel, KernelError, Span};
use super::SHORTEST;
use super::block::Instructions;
use super::decisions::{Candidates, Decisions, suits};
use crate::event::{Tally, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use crate::rng::Stream;

/// The method `euler_maruyama`, in vector lanes.
#[derive(Clone, Debug)]
pub struct LaneSteps {
    /// The same without lanes.
    scalar: EulerMaruyama,
    decisions: Decisions,
    most: Instructions,
}

/// With more candidates a step than this, several in one step are too frequent for lanes to serve.
const MOST_CANDIDATES: f64 = 0.5;

/// Displacements of a larger scale, in lengths of the domain, are not worth lanes.
pub(super) const LONGEST: f64 = 64.0;

impl LaneSteps {
    /// Prepares steps of length `dt`; `None` where only [`EulerMaruyama`] will do.
    ///
    /// # Errors
    /// As [`EulerMaruyama::new`].
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Option<Self>, KernelError> {
        let scalar = EulerMaruyama::new(model, grid, dt)?;
        let strides: Option<Vec<f64>> = scalar.strides().iter().copied().collect();
        let Some(strides) = strides.filter(|_| suits(model, grid.cells())) else { return Ok(None) };
        if !strides.iter().all(|stride| (SHORTEST..LONGEST).contains(stride)) {
            return Ok(None);
        }
        // The scalar kernel has found every rate bounded; what may fail here are limits of their number.
        let Ok(mut rates) = CandidateRates::new(model, grid) else { return Ok(None) };
        let diffusivity = |s: usize| model.diffusivity(s, 0.0);
        let fastest = (0..strides.len())
            .filter(|s| model.network.channels().any(|c| c.from == *s && rates.channel[c.index] > 0.0))
            .map(|s| rates.state[s] * diffusivity(s))
            .fold(0.0, f64::max);
        if fastest * dt > MOST_CANDIDATES {
            return Ok(None);
        }
        if fastest > 0.0 {
            for state in 0..strides.len() {
                rates.raise(model, state, fastest / diffusivity(state));
            }
        }
        let exact = Exact::with_rates(model, grid, rates)?;
        let scale = strides.iter().map(|stride| (*stride as f32).to_bits()).collect();
        let decisions = Decisions::new(exact, scale, Candidates::Poisson(fastest * dt));
        Ok(decisions.map(|decisions| LaneSteps { scalar, decisions, most: Instructions::Avx512 }))
    }

    /// The same with at most these instructions; which are used changes no bit of any result.
    pub fn at_most(self, most: Instructions) -> Self {
        LaneSteps { most, ..self }
    }

    /// The same steps without lanes.
    pub fn scalar(&self) -> &EulerMaruyama {
        &self.scalar
    }
}

impl Kernel for LaneSteps {
    fn states(&self) -> usize {
        self.scalar.states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.scalar.dwell(state, cell)
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        self.scalar.elapsed(span)
    }

    fn cautions(&self) -> Vec<Caution> {
        self.scalar.cautions()
    }

    fn arithmetic(&self) -> &'static str {
        "32-bit vector lanes; what a step forgets of a mode is off by 1.5e-7 of itself (1e-6 where nothing is left of it), estimates by less than 1e-6 \
         of themselves"
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        if T::EVENTS {
            return self.scalar.advance(walkers, span, stream, tally);
        }
        self.decisions.run(self.most, walkers, self.scalar.steps(span), stream, tally)
    }
}
