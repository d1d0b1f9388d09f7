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

use super::{Flow, beside};
use crate::model::Boundary;
use crate::verification::Weak;

/// Exponential times that follow each other.
fn times() -> usize { std::env::var("TIMES").ok().and_then(|t| t.parse().ok()).unwrap_or(2) }

/// Of what transitions bring into a state, the share that counts in each of the cells beside it.
const BESIDE: f64 = 1.0 / 12.0;

/// The factored equation `1 - tau L*` on cells.
pub(super) struct Onward {
    states: usize,
    cells: usize,
    ring: bool,
    tau: f64,
    band: Band,
}

impl Onward {
    /// Takes what transitions of all channels bring.
    pub(super) fn new(weak: &Weak<'_>, flows: &[Flow]) -> Self {
        let (model, grid) = (weak.model(), weak.grid());
        let (states, cells) = (model.network.states().len(), grid.cells());
        let ring = model.domain.walls == Boundary::Periodic;
        // Neighbours on a folded ring are two cells apart.
        let reach = if ring { 3 * states - 1 } else { 2 * states - 1 };
        let band = Band::identity(states * cells, reach);
        let f: f64 = std::env::var("TAU").ok().and_then(|t| t.parse().ok()).unwrap_or(1.0);
        let mut onward = Onward { states, cells, ring, tau: f * model.relaxation_time(), band };
        for s in 0..states {
            onward.motion(weak, s);
        }
        for flow in flows {
            onward.transitions(flow);
        }
        onward.band.factor();
        onward
    }

    fn motion(&mut self, weak: &Weak<'_>, s: usize) {
        let (model, width) = (weak.model(), weak.grid().cell_width());
        let weight = weak.inverse_weight(s);
        let drag = weak.plain(|x| model.resistance(s, x));
        let push = weak.plain(|x| match model.has_force(s) {
            true => width * model.force_over_thermal_energy(s, x),
            false => 0.0,
        });
        for left in 0..self.cells {
            let [_, right] = beside(left, self.cells, self.ring);
            if right == left {
                continue;
            }
            let z = 0.5 * (push[left] + push[right]);
            let pace = 1.0 / (0.5 * (drag[left] + drag[right]) * width * width);
            let ways = [(left, right, bernoulli(-z)), (right, left, bernoulli(z))];
            for (from, to, share) in ways {
                let rate = pace * share / weight[from];
                self.add((s, from), (s, from), -rate);
                self.add((s, to), (s, from), rate);
            }
        }
    }

    fn transitions(&mut self, flow: &Flow) {
        let (from, to) = (flow.channel.from, flow.channel.to);
        for cell in 0..self.cells {
            let beside = beside(cell, self.cells, self.ring);
            let spread = beside.map(|c| (c, BESIDE));
            for (place, share) in spread.into_iter().chain([(cell, 1.0 - 2.0 * BESIDE)]) {
                let rate = share * flow.rate[cell];
                self.add((from, place), (from, cell), -rate);
                self.add((to, place), (from, cell), rate);
            }
            for (place, rate) in beside.into_iter().zip(flow.lean[cell]) {
                self.add((from, cell), (from, place), -rate);
                self.add((to, cell), (from, place), rate);
            }
        }
    }

    /// Adds what flows into a state and cell per time spent in another one.
    fn add(&mut self, into: (usize, usize), of: (usize, usize), rate: f64) {
        let [into, of] = [into, of].map(|(state, cell)| self.place(state, cell));
        *self.band.at(into, of) -= self.tau * rate;
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
        for _ in 0..times() {
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
