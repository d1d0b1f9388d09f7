//! Euler-Maruyama steps: what everybody writes first, and the subject of convergence studies.
//!
//! One step of length `dt` for a walker in state `i` at `x`:
//!
//! 1. transitions by Gillespie's method for a time `dt` with the rates frozen at `x`: the law of
//!    `exp(K(x) dt)`, edges and heat included;
//! 2. a move `x -> x + b dt + sqrt(2 D dt) N(0, 1)` in the new state, folded at the walls (exact for any
//!    step length), Ito: `b = 0` for a diffusivity `D(x)`, `b = -kT gamma'/gamma^2` for a friction;
//! 3. the visit is scored.
//!
//! **Errors.** Constant `D`: the moves are exact, all bias is in the coupling with the transitions; `P_i` is
//! off at order 1 in `dt`, `P_tot`, means and currents at order 2. `D(x)`: order 1 in the bulk, and the
//! density *at* a wall is off at order 1/2 (by about `-0.57 (d ln D/dn) sqrt(2 D dt)`, n inward).
//!
//! **When not to use it:** for answers. [`super::Exact`] has no bias and is cheaper unless rates are
//! extremely fast. Use this to compare with the literature, and where elapsed times matter and
//! diffusivities vary.
//!
//! Maruyama, Rend. Circ. Mat. Palermo 4, 48 (1955); Gillespie, J. Comput. Phys. 22, 403 (1976).

use super::frozen::Frozen;
use super::taken::Taken;
use super::{BLOCK, Caution, Kernel, KernelError, Span};
use crate::event::{Moves, Position, Tally, Visits, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Model};
use crate::rng::{Stream, exponential, standard_normal};

/// Transitions per step beyond which a user is cautioned.
const MOST_TRANSITIONS: f64 = 0.05;

/// Length of a step over that of the domain beyond which a user is cautioned.
const LONGEST_STRIDE: f64 = 0.05;

/// The method `euler_maruyama`.
#[derive(Clone, Debug)]
pub struct EulerMaruyama {
    model: Model,
    grid: Grid,
    dt: f64,
    frozen: Frozen,
    /// `sqrt(2 D dt)/L` where it does not depend on x.
    stride: Vec<Option<f64>>,
}

impl EulerMaruyama {
    /// Prepares steps of length `dt` for `model`.
    ///
    /// # Errors
    /// [`KernelError::Unbounded`] if a rate has no finite bound, or `dt` is not positive and finite.
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Self, KernelError> {
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(KernelError::Unbounded { what: "the step dt".into(), x: 0.0, low: dt, high: dt });
        }
        let states = 0..model.network.states().len();
        let free = |s: &usize| !model.has_force(*s);
        let stride = |s| {
            Some(s)
                .filter(free)
                .and_then(|s| model.constant_diffusivity(s))
                .map(|d| libm::sqrt(2.0 * d * dt) / model.domain.length)
        };
        Ok(EulerMaruyama {
            stride: states.map(stride).collect(),
            model: model.clone(),
            grid: *grid,
            dt,
            frozen: Frozen::new(model, grid, dt)?,
        })
    }

    /// The step.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Longest standard deviation of a move, over the length of the domain.
    fn longest_stride(&self) -> f64 {
        let stride = |s: usize, c: usize| {
            let x = self.grid.cell_middle(c);
            let noise = libm::sqrt(2.0 * self.model.diffusivity(s, x) * self.dt);
            (noise + self.model.ito_drift(s, x).abs() * self.dt) / self.model.domain.length
        };
        let states = 0..self.stride.len();
        states.flat_map(|s| (0..self.grid.cells()).map(move |c| stride(s, c))).fold(0.0, f64::max)
    }

    /// `sqrt(2 D dt)/L` of each state, where it does not depend on x and no force acts.
    pub(super) fn strides(&self) -> &[Option<f64>] {
        &self.stride
    }

    /// Whole steps in a span.
    pub(super) fn steps(&self, span: Span) -> u64 {
        match span {
            Span::Legs(steps) => steps,
            Span::Duration(duration) => libm::round(duration / self.dt).max(1.0) as u64,
        }
    }

    /// Displacement over the length of the domain.
    #[inline]
    fn displacement(&self, state: usize, position: Position, word: u64) -> f64 {
        let normal = standard_normal(word);
        if let Some(stride) = self.stride[state] {
            return stride * normal;
        }
        let length = self.model.domain.length;
        let x = position.fraction() * length;
        let noise = libm::sqrt(2.0 * self.model.diffusivity(state, x) * self.dt) * normal;
        (noise + self.model.ito_drift(state, x) * self.dt) / length
    }
}

impl Kernel for EulerMaruyama {
    fn states(&self) -> usize {
        self.stride.len()
    }

    fn dwell(&self, _state: usize, _cell: usize) -> f64 {
        self.dt
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        Some(self.steps(span) as f64 * self.dt)
    }

    fn cautions(&self) -> Vec<Caution> {
        let mut cautions = Vec::new();
        let fastest = self.frozen.fastest();
        if fastest > MOST_TRANSITIONS {
            cautions.push(Caution {
                seen: format!("the fastest rate times dt is {fastest:.2}"),
                meaning:
                    "transitions and moves are split: the density of each state is off at first order in \
                          that, P_tot and the currents at second; populations hardly at all"
                        .into(),
                remedy: format!(
                    "take dt below {:.1e}, or the method exact, which has no step",
                    self.dt * MOST_TRANSITIONS / fastest
                ),
            });
        }
        let longest = self.longest_stride();
        if longest > LONGEST_STRIDE {
            cautions.push(Caution {
                seen: format!("one step covers {longest:.2} of the domain"),
                meaning: "a walker does not see how the temperature changes on its way".into(),
                remedy: format!(
                    "take dt below {:.1e}, or the method exact, which has no step",
                    self.dt * (LONGEST_STRIDE / longest) * (LONGEST_STRIDE / longest)
                ),
            });
        }
        if (0..self.stride.len()).any(|s| self.model.constant_diffusivity(s).is_none()) {
            cautions.push(Caution {
                seen: "a diffusivity varies in space".into(),
                meaning: format!(
                    "within about {:.1e} of a wall the density is off by order sqrt(dt)",
                    2.0 * longest * self.model.domain.length
                ),
                remedy: "read bins away from the walls, or take the method exact".into(),
            });
        }
        cautions
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        let mut words = [0u64; 2 * BLOCK];
        let mut from = [Position::default(); BLOCK];
        let mut cell = [0u32; BLOCK];
        let mut taken = Taken::new();
        let ring = self.model.domain.walls == Boundary::Periodic;
        let mut turns = [0i32; BLOCK];
        let columns = walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK));
        for ((position, state), (first, laps)) in
            columns.zip((0u32..).step_by(BLOCK).zip(walkers.laps.chunks_mut(BLOCK)))
        {
            let n = state.len();
            for (cell, position) in cell.iter_mut().zip(position.iter()) {
                *cell = position.cell(cells) as u32;
            }
            for _ in 0..self.steps(span) {
                stream.fill(&mut words[..2 * n]);
                from[..n].copy_from_slice(position);
                for i in 0..n {
                    let waiting = exponential(words[i]);
                    if waiting < self.frozen.ceiling(state[i], cell[i]) {
                        let (place, wait) = ((first + i as u32, position[i], cell[i]), (waiting, self.dt));
                        self.frozen.pass(wait, &mut state[i], place, stream, &mut taken, tally)?;
                    }
                    let displacement = self.displacement(usize::from(state[i]), position[i], words[n + i]);
                    if ring {
                        (position[i], turns[i]) = position[i].turned_by(displacement);
                        laps[i] = laps[i].wrapping_add(turns[i]);
                    } else {
                        position[i] = position[i].moved(displacement);
                    }
                    cell[i] = position[i].cell(cells) as u32;
                }
                taken.hand_on(tally);
                tally.moves(&Moves {
                    visits: Visits::All,
                    state,
                    from: &from[..n],
                    to: position,
                    cell: &cell[..n],
                    laps: if ring { &turns[..n] } else { &[] },
                    coordinate: &[],
                    heat: &[],
                });
            }
        }
        Ok(())
    }
}
