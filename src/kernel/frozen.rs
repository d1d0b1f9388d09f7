//! Transitions for a given time at a fixed place: what stepped methods do between their moves.

use super::KernelError;
use super::bounds::widened;
use super::taken::Taken;
use crate::event::{Position, Tally};
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Channel, Model};
use crate::rng::{Stream, exponential, open_unit};

/// Gillespie's method with the rates frozen at `x`: the law of `exp(K(x) dt)`, edges and heat included.
/// Gillespie, J. Comput. Phys. 22, 403 (1976).
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    model: Model,
    cells: usize,
    dt: f64,
    /// Channels out of each state.
    exits: Vec<Vec<Channel>>,
    /// Upper bound of the exit rate times `dt`, per (state, cell): most steps are decided by it alone.
    ceiling: Vec<f64>,
    /// Words below this draw waiting times above the ceiling.
    shortest: Vec<u64>,
}

impl Frozen {
    /// Prepares steps of length `dt`.
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Self, KernelError> {
        let states = 0..model.network.states().len();
        let exits: Vec<Vec<Channel>> =
            states.map(|s| model.network.channels().filter(|c| c.from == s).collect()).collect();
        let mut ceiling = Vec::with_capacity(exits.len() * grid.cells());
        for exits in &exits {
            for cell in 0..grid.cells() {
                let x = widened(grid, cell);
                let sum = exits.iter().fold(Interval::point(0.0), |sum, c| sum + model.rate_bounds(*c, x));
                if !sum.hi.is_finite() {
                    let what = "the rate of leaving a state".into();
                    return Err(KernelError::Unbounded { what, x: x.lo, low: sum.lo, high: sum.hi });
                }
                ceiling.push((sum.hi * dt).next_up());
            }
        }
        // The upper 52 bits of a word are u = exp(-time); well beyond the rounding of the logarithm.
        let word = |ceiling: &f64| ((libm::exp(-ceiling) * (1.0 - 1e-13) * (1u64 << 52) as f64) as u64) << 12;
        let shortest = ceiling.iter().map(word).collect();
        Ok(Frozen { model: model.clone(), cells: grid.cells(), dt, exits, ceiling, shortest })
    }

    /// No waiting time, in units of the mean, above this ends within `dt`.
    #[inline]
    pub fn ceiling(&self, state: u16, cell: u32) -> f64 {
        self.ceiling[usize::from(state) * self.cells + cell as usize]
    }

    /// The waiting time that a word draws, in units of the mean, if it may end within `dt`.
    #[inline]
    pub fn wait(&self, state: u16, cell: u32, word: u64) -> Option<f64> {
        let here = usize::from(state) * self.cells + cell as usize;
        // The logarithm is spared nearly always.
        let near = word >= self.shortest[here];
        Some(word).filter(|_| near).map(exponential).filter(|time| *time < self.ceiling[here])
    }

    /// The largest rate of leaving a state, times `dt`.
    pub fn fastest(&self) -> f64 {
        self.ceiling.iter().copied().fold(0.0, f64::max)
    }

    /// All transitions within `time` at a fixed place, the first waiting time (in units of the mean) already
    /// drawn. Returns what is left of the last one, with which to go on.
    #[inline(never)]
    pub fn pass<T: Tally>(
        &self,
        (mut waiting, time): (f64, f64),
        state: &mut u16,
        (walker, position, cell): (u32, Position, u32),
        stream: &mut Stream,
        taken: &mut Taken,
        tally: &mut T,
    ) -> Result<f64, KernelError> {
        let x = position.fraction() * self.model.domain.length;
        let mut left = time;
        loop {
            let exits = &self.exits[usize::from(*state)];
            let exit: f64 = exits.iter().map(|c| self.model.rate(*c, x)).sum();
            let high = self.ceiling(*state, cell) / self.dt;
            // Negated, so that a rate that is not a number is a violation too.
            let within = exit <= high;
            if !within {
                let what =
                    format!("the rate of leaving {}", self.model.network.states()[usize::from(*state)].name);
                return Err(KernelError::BoundViolated { what, x, value: exit, low: 0.0, high });
            }
            left -= waiting / exit;
            if exit == 0.0 || left.is_nan() {
                return Ok(f64::INFINITY);
            }
            if left <= 0.0 {
                return Ok(-left * exit);
            }
            let mut target = open_unit(stream.word()) * exit;
            let mut chosen = exits[exits.len() - 1];
            for channel in exits {
                target -= self.model.rate(*channel, x);
                if target < 0.0 {
                    chosen = *channel;
                    break;
                }
            }
            *state = chosen.to as u16;
            let exchange = self.model.exchange(chosen, x).map_or((0.0, 0.0), |e| (e.heat, e.work));
            if taken.is_full() {
                taken.hand_on(tally);
            }
            taken.push(walker, chosen.index as u16, (position, cell), exchange);
            waiting = exponential(stream.word());
        }
    }
}
