//! Where the particles of a group are expected to be a while later.
//!
//! Not the time `P` that a group spent in each state and cell is looked at, but what the equation makes of it in two
//! exponential times of mean `tau`, a relaxation time each:
//!
//! `(1 - tau L*)^2 P' = P`,  `(L* P)_i = -d_x J_i + sum_j (k_{i<-j} P_j - k_{j<-i} P_i)`.
//!
//! The stationary law goes over into itself, so that nothing that is linear in `P` changes its expectation; what decays with
//! a rate `lambda` becomes smaller by `(1 + lambda tau)^2`. What is left are long and slow waves, and those are what controls
//! explain.
//!
//! The equation is that of jumps between cells and states. Through a face between cells of width h particles go with the rates
//!
//! `w B(-z)/(g h^2)` to the right, `w B(z)/(g h^2)` to the left, `B(z) = z/(e^z - 1)`, `z = h F/kT`,
//!
//! `1/w` and `g` means over cells (Scharfetter & Gummel, IEEE Trans. Electron Devices 16, 64 (1969)): no density becomes
//! negative, and none is lost. Its stationary law differs from that of the continuum by `O(h^2)` of itself, **at any rates of
//! transitions**: where these are fast their balance holds in every cell, and the net rate that is left of it is what flows
//! through the faces.

use crate::model::{Boundary, Channel};
use crate::verification::Weak;

/// Exponential times that follow each other.
const TIMES: usize = 2;

/// The factored equation `1 - tau L*` on cells.
pub(super) struct Onward {
    states: usize,
    cells: usize,
    ring: bool,
    band: Band,
}

impl Onward {
    /// Takes the rates of all channels in each cell.
    pub(super) fn new(weak: &Weak<'_>, rates: &[(Channel, Vec<f64>)]) -> Self {
        let (model, grid) = (weak.model(), weak.grid());
        let (states, cells) = (model.network.states().len(), grid.cells());
        let ring = model.domain.walls == Boundary::Periodic;
        let tau = model.relaxation_time();
        // Neighbours on a folded ring are two cells apart.
        let reach = if ring { 2 * states } else { states };
        let mut onward = Onward { states, cells, ring, band: Band::identity(states * cells, reach) };
        for s in 0..states {
            let width = grid.cell_width();
            let weight = weak.plain(|x| 1.0 / model.weight(s, x));
            let drag = weak.plain(|x| model.resistance(s, x));
            let push = match model.has_force(s) {
                true => weak.plain(|x| width * model.force_over_thermal_energy(s, x)),
                false => vec![0.0; cells],
            };
            for left in 0..if ring { cells } else { cells - 1 } {
                let right = (left + 1) % cells;
                let z = 0.5 * (push[left] + push[right]);
                let pace = tau / (0.5 * (drag[left] + drag[right]) * width * width);
                onward.jump([left, right], [s, s], pace * bernoulli(-z) / weight[left]);
                onward.jump([right, left], [s, s], pace * bernoulli(z) / weight[right]);
            }
        }
        for (channel, rate) in rates {
            for (cell, k) in rate.iter().enumerate() {
                onward.jump([cell, cell], [channel.from, channel.to], tau * k);
            }
        }
        onward.band.factor();
        onward
    }

    /// Adds a jump, how often it happens in a time tau.
    fn jump(&mut self, cells: [usize; 2], states: [usize; 2], rate: f64) {
        let [from, to] = [0, 1].map(|k| self.place(states[k], cells[k]));
        *self.band.at(from, from) += rate;
        *self.band.at(to, from) -= rate;
    }

    /// Cell by cell, from both sides of `x = 0` on a ring.
    fn place(&self, state: usize, cell: usize) -> usize {
        let place = match (self.ring, cell < self.cells.div_ceil(2)) {
            (false, _) => cell,
            (true, true) => 2 * cell,
            (true, false) => 2 * (self.cells - 1 - cell) + 1,
        };
        place * self.states + state
    }

    /// The time in each state and cell, a while later.
    pub(super) fn carry(&self, time: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut all = vec![0.0; self.states * self.cells];
        for (s, cells) in time.iter().enumerate() {
            cells.iter().enumerate().for_each(|(c, t)| all[self.place(s, c)] = *t);
        }
        for _ in 0..TIMES {
            self.band.solve(&mut all);
        }
        (0..self.states).map(|s| (0..self.cells).map(|c| all[self.place(s, c)]).collect()).collect()
    }
}

/// `z/(e^z - 1)`.
fn bernoulli(z: f64) -> f64 {
    if z == 0.0 { 1.0 } else { z / libm::expm1(z) }
}

/// A banded matrix whose columns are dominated by their diagonals: it needs no pivots.
struct Band {
    reach: usize,
    /// Row by row, `2 reach + 1` entries around the diagonal.
    rows: Vec<f64>,
}

impl Band {
    fn identity(size: usize, reach: usize) -> Self {
        let mut band = Band { reach, rows: vec![0.0; size * (2 * reach + 1)] };
        (0..size).for_each(|i| *band.at(i, i) = 1.0);
        band
    }

    fn size(&self) -> usize {
        self.rows.len() / (2 * self.reach + 1)
    }

    fn place(&self, i: usize, j: usize) -> usize {
        i * (2 * self.reach + 1) + j + self.reach - i
    }

    fn at(&mut self, i: usize, j: usize) -> &mut f64 {
        let place = self.place(i, j);
        &mut self.rows[place]
    }

    /// Below the diagonal the factors of the rows, the rest as elimination leaves it.
    fn factor(&mut self) {
        for k in 0..self.size() {
            let last = (k + self.reach).min(self.size() - 1);
            for i in k + 1..=last {
                let factor = *self.at(i, k) / *self.at(k, k);
                *self.at(i, k) = factor;
                if factor != 0.0 {
                    for j in k + 1..=last {
                        let above = *self.at(k, j);
                        *self.at(i, j) -= factor * above;
                    }
                }
            }
        }
    }

    fn solve(&self, b: &mut [f64]) {
        let last = |k: usize| (k + self.reach).min(self.size() - 1);
        for i in 0..self.size() {
            let first = i.saturating_sub(self.reach);
            let row = &self.rows[self.place(i, first)..self.place(i, i)];
            b[i] -= row.iter().zip(&b[first..]).map(|(a, v)| a * v).sum::<f64>();
        }
        for i in (0..self.size()).rev() {
            let row = &self.rows[self.place(i, i)..=self.place(i, last(i))];
            let sum: f64 = row[1..].iter().zip(&b[i + 1..]).map(|(a, v)| a * v).sum();
            b[i] = (b[i] - sum) / row[0];
        }
    }
}
