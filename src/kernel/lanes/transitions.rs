//! Transitions of walkers with velocities, in the middle of their steps.
//!
//! Uniformisation (Jensen, Skand. Aktuarietidskr. 36, 87 (1953)): candidates come at one rate `K` for all states, and each
//! becomes a transition along channel `c` with probability `k_c(x)/K`. Because they come at the same rate whatever the states
//! are, those of all 64 walkers of a block are one Poisson process: half a step brings a number of them of mean `64 K dt/2`,
//! each at a walker drawn evenly, one after the other. That is the law of `exp(K(x) dt/2)` for every walker, edges taken
//! included, and a walker without a candidate costs nothing: no word, no threshold, no comparison.

use super::super::bounds::CandidateRates;
use super::super::exact::Exact;
use super::super::scale::Clocks;
use super::super::{BLOCK, KernelError};
use super::block::{cell, folded};
use super::decisions::book;
use super::velocity::{Block, Law, Passes};
use crate::event::Position;
use crate::grid::Grid;
use crate::model::{Model, Motility, Network, State, Uniform};
use crate::rng::Single;
use std::sync::Arc;

/// With more candidates a step than this, and walker, steps are too long to be of use, and so are tables of numbers.
const MOST_CANDIDATES: f64 = 4.0;

/// The same where states have wells of their own: most candidates may come for a place where hardly anybody is, and with more of them
/// lanes cost as much as the scalar kernel, which draws them where walkers are.
const MOST_IN_WELLS: f64 = 1.0;

/// Candidates of half a step.
#[derive(Clone, Debug)]
pub(super) struct Transitions {
    /// Who decides: legs of particles with the same transitions.
    exact: Exact,
    /// A word below entry `n` brings more than `n` candidates to a block.
    more: Vec<u64>,
    /// Of each channel whether its heat and work depend on x.
    varies: Vec<bool>,
}

impl Transitions {
    /// Those of steps of length `dt`; `None` if there are too many of them.
    ///
    /// # Errors
    /// [`KernelError::BoundViolated`] if a rate does not keep to its bounds.
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Option<Self>, KernelError> {
        // Candidates are counted by the clock of a diffusivity, which runs evenly: `clock` of it in a time dt.
        let clock = 0.01 * grid.length * grid.length;
        let model = moving_alike(model, clock / dt);
        // Every rate has been found bounded; what may fail here are limits of their number.
        let clocks = Clocks::still(&model);
        let Ok(mut rates) = CandidateRates::with_clocks(&model, grid, &clocks) else { return Ok(None) };
        let fastest = rates.state.iter().copied().fold(0.0, f64::max);
        let mean = fastest * clock;
        let most = if model.has_own_potentials() { MOST_IN_WELLS } else { MOST_CANDIDATES };
        if mean > most {
            return Ok(None);
        }
        for state in 0..rates.state.len() {
            rates.raise(&model, state, fastest);
        }
        let exact = Exact::with_clocks(&model, grid, clocks, rates)?;
        let varies = model.network.channels().map(|c| model.constant_exchange(c).is_none()).collect();
        Ok(Some(Transitions { exact, more: poisson(0.5 * mean * BLOCK as f64), varies }))
    }

    /// Begins to count.
    pub fn passing<'a>(&'a self, single: &'a mut Single) -> Passing<'a> {
        let cells = self.exact.cells();
        Passing {
            transitions: self,
            single,
            passages: vec![0; self.varies.len() * cells],
            heat: vec![0.0; cells],
            work: vec![0.0; cells],
        }
    }
}

/// The same transitions of particles that diffuse evenly: potentials of single states enter their rates and heats only.
fn moving_alike(model: &Model, diffusivity: f64) -> Model {
    let motility = Motility::Diffusivity(Arc::new(Uniform(diffusivity)));
    let state = |s: &State| State { motility: motility.clone(), mass: None, ..s.clone() };
    let states = model.network.states().iter().map(state).collect();
    let network = Network::of_units(states, model.network.edges().to_vec());
    Model { network, potential: None, ..model.clone() }
}

/// Entry `n` is the probability of more than `n` under Poisson's law, in units of `2^-64`; small ones are as good as large ones.
fn poisson(mean: f64) -> Vec<u64> {
    const UNIT: f64 = 18_446_744_073_709_551_616.0;
    let (mut share, mut shares) = (libm::exp(-mean), Vec::new());
    while UNIT * share >= 0.125 || (shares.len() as f64) < mean {
        shares.push(share);
        share *= mean / shares.len() as f64;
    }
    let tails = shares.iter().rev().scan(share, |above, share| {
        let tail = *above;
        *above += share;
        Some((UNIT * tail) as u64)
    });
    let mut tails: Vec<u64> = tails.collect();
    tails.reverse();
    tails
}

/// Passages of a span.
pub(super) struct Passing<'a> {
    transitions: &'a Transitions,
    single: &'a mut Single,
    passages: Vec<u64>,
    heat: Vec<f64>,
    work: Vec<f64>,
}

impl Passing<'_> {
    /// Passages channel by channel and cell by cell; heat and work cell by cell.
    pub fn counts(self) -> (Vec<u64>, [Vec<f64>; 2]) {
        let Passing { transitions, passages, mut heat, mut work, .. } = self;
        book(transitions.exact.model(), &passages, &mut heat, &mut work);
        (passages, [heat, work])
    }
}

impl Passes for Passing<'_> {
    fn half(&mut self, law: &Law, block: &mut Block) -> Result<(), KernelError> {
        let Transitions { exact, more, varies } = self.transitions;
        let word = self.single.word();
        let candidates = more.iter().take_while(|more| word < **more).count();
        for _ in 0..candidates {
            let i = (self.single.word() >> 58) as usize % BLOCK;
            let place = block.position[i];
            let (cell, position) = (cell(folded(place), law.cells) as usize, Position::from_coarse(place));
            let state = block.state[i] as usize;
            let passage = exact.candidate(state, cell, position, self.single.word())?;
            let Some(channel) = passage.filter(|_| i < block.walkers) else { continue };
            self.passages[channel.index * exact.cells() + cell] += 1;
            // What is not known is booked as zero, and estimators say so.
            if varies[channel.index]
                && let x = position.fraction() * exact.model().domain.length
                && let Some(exchange) = exact.model().exchange(channel, x)
            {
                self.heat[cell] += exchange.heat;
                self.work[cell] += exchange.work;
            }
            block.enter(law, i, channel.to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_poissons_law() {
        for mean in [0.0, 1e-9, 0.03, 2.0, 128.0] {
            let more = poisson(mean);
            // E N = sum P(N > n), E N^2 = sum (2 n + 1) P(N > n).
            let moment = |weight: fn(f64) -> f64| -> f64 {
                let terms = more.iter().zip(0..).map(|(m, n)| weight(f64::from(n)) * *m as f64);
                terms.sum::<f64>() / 18_446_744_073_709_551_616.0
            };
            let (first, second) = (moment(|_| 1.0), moment(|n| 2.0 * n + 1.0));
            let size = 1e-13 * mean + 1e-18;
            assert!((first - mean).abs() <= size, "{mean}: {first:e}");
            assert!((second - mean * (1.0 + mean)).abs() <= size * (1.0 + mean), "{mean}: {second:e}");
            assert!(more.first().is_none_or(|m| {
                (*m as f64 / 18_446_744_073_709_551_616.0 + libm::expm1(-mean)).abs() <= size
            }));
            assert!(more.is_sorted_by(|a, b| a >= b));
        }
    }
}
