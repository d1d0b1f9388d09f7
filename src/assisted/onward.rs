//! Where the particles of a group are expected to be a while later.
//!
//! Not the time `P` that a group spent in each state and cell is looked at, but what the equation makes of it in two
//! exponential times, whose mean `tau` is a quarter of the relaxation time:
//!
//! `(1 - tau L*)^2 P' = P`,  `(L* P)_i = -d_x J_i + rho_i`,  `rho_i = sum_j (k_{i<-j} P_j - k_{j<-i} P_i)`.
//!
//! The stationary law goes over into itself, so that nothing that is linear in `P` changes its expectation; what relaxes with
//! the rate `lambda` becomes smaller by `(1 + lambda tau)^2`. What is left are long and slow waves, which is what controls
//! explain.
//!
//! **Cells.** Between cells of width h particles go with the rates `w B(-z)/(g h^2)` to the right and `w B(z)/(g h^2)` to the left,
//! `B(z) = z/(e^z - 1)`, `z` the force over kT times h (Scharfetter & Gummel, IEEE Trans. Electron Devices 16, 64 (1969)), `1/w` and `g`
//! as means over cells. A difference of means of cells is `h d_x + h^3/12 d_x^3` of what they are means of, and `d_x J_i = rho_i` in the
//! stationary law. So a twelfth of `rho_i` counts in each of the cells beside it: layers of a few cells, where transitions are
//! fast, are resolved to fourth order (Numerov's rule), and where they are thinner they do no harm: it is the balance of fast
//! transitions that holds in every cell, and the net rate that is left of it is what flows.
//!
//! Particles are conserved, and every column of `1 - tau L*` has a dominant block: nothing has to be exchanged as it is factored.

use super::flows::{Flow, beside};
use crate::model::Boundary;
use crate::verification::Weak;

/// Exponential times that follow each other.
const TIMES: usize = 2;

/// Their mean over the relaxation time.
const SHARE: f64 = 0.25;

/// The most that `tau` may be, over the shortest time that anything takes: rounding leaves 1e-16 of that much of each density.
const LONGEST: f64 = 1e8;

/// Of what transitions bring into a state, the share that counts in each of the cells beside it.
const BESIDE: f64 = 1.0 / 12.0;

/// The factored equation `1 - tau L*` on cells.
pub(super) struct Onward {
    states: usize,
    cells: usize,
    ring: bool,
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
        let band = Band::zeros(states * cells, reach);
        let mut onward = Onward { states, cells, ring, band };
        for s in 0..states {
            onward.motion(weak, s);
        }
        for flow in flows {
            onward.transitions(flow);
        }
        let fastest = (0..states * cells).map(|i| *onward.band.at(i, i)).fold(0.0, f64::max);
        let tau = (SHARE * model.relaxation_time()).min(LONGEST / fastest);
        onward.band.add_to_one(tau);
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
        *self.band.at(into, of) -= rate;
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

/// A banded matrix that needs no pivots.
struct Band {
    reach: usize,
    /// Row by row, `2 reach + 1` entries around the diagonal.
    rows: Vec<f64>,
}

impl Band {
    fn zeros(size: usize, reach: usize) -> Self {
        Band { reach, rows: vec![0.0; size * (2 * reach + 1)] }
    }

    /// Makes it one and so many times itself.
    fn add_to_one(&mut self, factor: f64) {
        self.rows.iter_mut().for_each(|entry| *entry *= factor);
        (0..self.size()).for_each(|i| *self.at(i, i) += 1.0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::model::{Edge, Model, RateLaw, State, Uniform};
    use std::f64::consts::PI;
    use std::sync::Arc;

    const CELLS: usize = 30;

    /// Two states at a temperature of one, with the rates `a` and `b` between them.
    fn two(diffusivity: f64, a: f64, b: f64, walls: Boundary) -> Model {
        let states = vec![State::new("a", 0.0, diffusivity), State::new("b", 0.0, diffusivity)];
        let rate = |k: f64| Some(Arc::new(Uniform(k)) as Arc<dyn crate::model::Field>);
        let edge = Edge { between: [0, 1], law: RateLaw::Free { forward: rate(a), backward: rate(b) } };
        let mut model = Model::new(1.0, Uniform(1.0), states, vec![edge]).expect("a model");
        model.domain.walls = walls;
        model
    }

    fn onward(model: &Model) -> Onward {
        let grid = Grid { length: 1.0, bins: CELLS, cells_per_bin: 1, across: 0 };
        let weak = Weak::new(model, &grid);
        let flows: Vec<Flow> = model.network.channels().map(|c| Flow::new(&weak, c)).collect();
        Onward::new(&weak, &flows)
    }

    /// The largest difference of what is carried on from `factor` times itself.
    fn off(model: &Model, wave: impl Fn(usize) -> [f64; 2], factor: f64) -> f64 {
        let time: Vec<Vec<f64>> = (0..2).map(|s| (0..CELLS).map(|c| wave(c)[s]).collect()).collect();
        let later = onward(model).carry(&time);
        let pairs = later.iter().flatten().zip(time.iter().flatten());
        pairs.map(|(l, t)| (l - factor * t).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn waves_decay_as_their_rates_say() {
        // Waves of cells are eigenvectors: of motion with 4 D/h^2 sin^2(q h/2), of the transitions between states that move
        // alike with (a + b)(1 - (1 - cos q h)/6).
        let (d, a, b) = (0.7, 3.0, 40.0);
        for (walls, q) in [(Boundary::Reflecting, 5.0 * PI), (Boundary::Periodic, 6.0 * PI)] {
            let model = two(d, a, b, walls);
            let h = 1.0 / CELLS as f64;
            let tau = SHARE * model.relaxation_time();
            let motion = 4.0 * d / (h * h) * (0.5 * q * h).sin().powi(2);
            let mixing = (a + b) * (1.0 - (1.0 - (q * h).cos()) / 6.0);
            let wave = |c: usize| (q * h * (c as f64 + 0.5)).cos();
            // Both states at equilibrium with each other, and one against the other.
            let slow = off(&model, |c| [b, a].map(|p| p * wave(c)), (1.0 + tau * motion).powi(-2));
            let fast = off(&model, |c| [wave(c), -wave(c)], (1.0 + tau * (motion + mixing)).powi(-2));
            assert!(slow < 1e-12 && fast < 1e-14, "{walls:?}: {slow:e} {fast:e}");
            // What is stationary stays, at any rates.
            for k in [1e-12, 1.0, 1e12] {
                let still = off(&two(d, a * k, b * k, walls), |_| [b, a], 1.0);
                assert!(still < 1e-6, "{walls:?} {k}: {still:e}");
            }
        }
    }

    #[test]
    fn boltzmann_s_law_stays_and_nothing_is_lost() {
        let mut model = two(0.7, 3.0, 40.0, Boundary::Reflecting);
        model.potential =
            Some(Arc::new(crate::expression::Expression::parse("6*x", &["x"], &[]).expect("a slope")));
        let at = |c: usize| (-6.0 * (c as f64 + 0.5) / CELLS as f64).exp();
        let still = off(&model, |c| [40.0 * at(c), 3.0 * at(c)], 1.0);
        assert!(still < 1e-11, "{still:e}");
        let mut time = vec![vec![0.0; CELLS]; 2];
        time[1][7] = 1.0;
        let later = onward(&model).carry(&time);
        let (sum, least) =
            (later.iter().flatten().sum::<f64>(), later.iter().flatten().fold(1.0, |a: f64, b| a.min(*b)));
        assert!((sum - 1.0).abs() < 1e-12 && least > 0.0, "{sum} {least}");
    }
}
