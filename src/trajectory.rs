//! Entropy and counts along single trajectories, cut into segments of equal duration.
//!
//! With the stationary densities `P_i(x)` a piece of trajectory produces the total entropy (in units of k_B)
//!
//! `ds_tot = sum_moves ln[psi_i(x)/psi_i(x')] + sum_transitions ln[k_f P_from/(k_b P_to)](x)`,
//!
//! the **diffusive** and the **reactive** part, with `psi_i = w_i exp(-phi_i) P_i` where
//! `J_i = -(exp(phi_i)/g_i) d_x psi_i` (see [`crate::model::Motility`]; `phi_i` is the tilt of a force). Their
//! means per time are the two parts of `sigma = int [sum_i J_i^2/(D_i P_i) + sum_edges ...] dx`; and over every
//! segment of a stationary run `<exp(-ds_tot)> = 1`, the integral fluctuation theorem (Seifert, Phys. Rev. Lett.
//! 95, 040602 (2005)).
//!
//! The densities must be given: this room knows no theory. Moves telescope over a sojourn, so that only
//! transitions and the ends of segments are looked at.

use crate::event::{Position, Tally, Transitions, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `ln psi_i` and the logarithm of the ratio of the fluxes along every channel, at the faces of the fine
/// cells.
#[derive(Clone, Debug, PartialEq)]
pub struct PathWeights {
    cells: usize,
    psi: Vec<f64>,
    /// Of `psi` from the state left to the state entered.
    hop: Vec<f64>,
    ratio: Vec<f64>,
}

impl PathWeights {
    /// Tabulates the logarithms for given densities `P_i(x)`; `None` where a transition has no way back or a
    /// density vanishes, so that entropies along a trajectory are not defined.
    pub fn new(model: &Model, grid: &Grid, densities: &dyn Fn(f64) -> Vec<f64>) -> Option<Self> {
        let (cells, states) = (grid.cells(), model.network.states().len());
        let x = |face: usize| grid.cell_face(face).min(model.domain.length);
        let at: Vec<Vec<f64>> = (0..=cells).map(|k| densities(x(k))).collect();
        let mut psi = Vec::with_capacity(states * (cells + 1));
        for s in 0..states {
            let mut tilt = 0.0;
            for (k, p) in at.iter().enumerate() {
                if k > 0 && model.has_force(s) {
                    let h = |x: f64| model.force_over_thermal_energy(s, x);
                    tilt += grid.cell_mean(k - 1, h) * grid.cell_width();
                }
                psi.push(libm::log(model.weight(s, x(k)) * p[s]) - tilt);
            }
        }
        let (mut ratio, mut hop) = (Vec::new(), Vec::new());
        for channel in model.network.channels() {
            let back = model.network.channel(channel.index ^ 1);
            for (k, p) in at.iter().enumerate() {
                let forth = model.rate(channel, x(k)) * p[channel.from];
                hop.push(psi[channel.to * (cells + 1) + k] - psi[channel.from * (cells + 1) + k]);
                ratio.push(libm::log(forth / (model.rate(back, x(k)) * p[channel.to])));
            }
        }
        let finite = psi.iter().chain(&ratio).all(|v| v.is_finite());
        finite.then_some(PathWeights { cells, psi, hop, ratio })
    }

    /// Between faces, linearly.
    fn look_up(&self, table: &[f64], row: usize, position: Position) -> f64 {
        let place = position.fraction() * self.cells as f64;
        let cell = (place as usize).min(self.cells - 1);
        let values = &table[row * (self.cells + 1) + cell..];
        let share = place - cell as f64;
        (1.0 - share) * values[0] + share * values[1]
    }
}

/// Sums over the finished segments of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PathSums {
    /// Number of segments, over all walkers.
    pub segments: u64,
    /// Duration of one segment.
    pub duration: f64,
    /// Diffusive entropy.
    pub diffusive: f64,
    /// Reactive entropy.
    pub reactive: f64,
    /// Square of the total.
    pub square: f64,
    /// `exp(-total)`.
    pub exponential: f64,
    /// Per edge: passages forward and back, squares of both, and square of the net number.
    pub counts: Vec<[f64; 5]>,
}

/// The tally of the segments that are under way.
#[derive(Clone, Debug)]
pub struct Paths {
    weights: Arc<PathWeights>,
    edges: usize,
    diffusive: Vec<f64>,
    reactive: Vec<f64>,
    /// Passages along each channel, walker by walker.
    passages: Vec<u32>,
}

impl Paths {
    /// A tally for so many walkers.
    pub fn new(weights: Arc<PathWeights>, walkers: usize, edges: usize) -> Self {
        let passages = vec![0; walkers * 2 * edges];
        Paths { weights, edges, diffusive: vec![0.0; walkers], reactive: vec![0.0; walkers], passages }
    }

    /// Begins a segment of every walker.
    pub fn open(&mut self, walkers: &Walkers) {
        for (w, (position, state)) in walkers.position.iter().zip(&walkers.state).enumerate() {
            self.diffusive[w] = self.weights.look_up(&self.weights.psi, usize::from(*state), *position);
        }
        self.reactive.fill(0.0);
        self.passages.fill(0);
    }

    /// Ends the segments and adds them to the sums.
    pub fn close(&self, walkers: &Walkers, duration: f64, sums: &mut PathSums) {
        sums.counts.resize(self.edges, [0.0; 5]);
        sums.duration = duration;
        for (w, (position, state)) in walkers.position.iter().zip(&walkers.state).enumerate() {
            let end = self.weights.look_up(&self.weights.psi, usize::from(*state), *position);
            let (diffusive, reactive) = (self.diffusive[w] - end, self.reactive[w]);
            let total = diffusive + reactive;
            sums.segments += 1;
            sums.diffusive += diffusive;
            sums.reactive += reactive;
            sums.square += total * total;
            // A single segment far below zero must not end in infinity; none is, in a stationary run.
            sums.exponential += libm::exp((-total).min(600.0));
            let passages = self.passages[w * 2 * self.edges..][..2 * self.edges].chunks(2);
            for (count, both) in sums.counts.iter_mut().zip(passages) {
                let [forward, back] = [both[0], both[1]].map(f64::from);
                let net = forward - back;
                for (sum, value) in
                    count.iter_mut().zip([forward, back, forward * forward, back * back, net * net])
                {
                    *sum += value;
                }
            }
        }
    }
}

impl Tally for Paths {
    #[inline]
    fn transitions(&mut self, t: &Transitions<'_>) {
        for ((&walker, &channel), &position) in t.walker.iter().zip(t.channel).zip(t.position) {
            let (w, c) = (walker as usize, usize::from(channel));
            self.diffusive[w] += self.weights.look_up(&self.weights.hop, c, position);
            self.reactive[w] += self.weights.look_up(&self.weights.ratio, c, position);
            self.passages[w * 2 * self.edges + c] += 1;
        }
    }
}
