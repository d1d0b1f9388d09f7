//! The equations of a model as sums over the time that was spent in each cell.
//!
//! `J_i = -(1/g_i) d_x(w_i P_i)`, multiplied by a test function `psi` that vanishes at the walls and
//! integrated by parts, is `int psi J_i dx = int (psi/g_i)' w_i P_i dx`: no gradient of a noisy density is
//! left. A force adds `int psi h_i D_i P_i dx`, with `h_i` its ratio to the thermal energy. On a ring waves are whole
//! periods, and vanish at `x = 0` as well. Within a cell the density is taken as `P ~ 1/w`, because `w P` is continuous even where a
//! temperature or a diffusivity jumps; the error is of second order in the width of the cell.

use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Boundary, Channel, Exchange, Model, RateLaw};

/// A model on the cells of a grid.
pub(crate) struct Weak<'a> {
    model: &'a Model,
    grid: Grid,
    /// Places in each cell with their weights, which sum to one.
    nodes: Vec<Vec<(f64, f64)>>,
    /// Mean of `1/w` per state and cell.
    inverse_weight: Vec<Vec<f64>>,
}

impl<'a> Weak<'a> {
    pub fn new(model: &'a Model, grid: &Grid) -> Self {
        let kinks = kinks(model);
        let nodes: Vec<Vec<(f64, f64)>> = (0..grid.cells()).map(|c| nodes(grid, c, &kinks)).collect();
        let inverse = |s: usize| {
            let mean = |n: &Vec<(f64, f64)>| n.iter().map(|(x, share)| share / model.weight(s, *x)).sum();
            nodes.iter().map(mean).collect()
        };
        let inverse_weight = (0..model.network.states().len()).map(inverse).collect();
        Weak { model, grid: *grid, nodes, inverse_weight }
    }

    pub fn model(&self) -> &'a Model {
        self.model
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Mean of `1/w` of a state over each cell.
    pub fn inverse_weight(&self, state: usize) -> &[f64] {
        &self.inverse_weight[state]
    }

    /// Mean of `f` over the particles of a state in each cell.
    pub fn mean(&self, state: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let cells = self.nodes.iter().zip(&self.inverse_weight[state]);
        let mean = |(nodes, inverse): (&Vec<(f64, f64)>, &f64)| {
            let weighted = nodes.iter().map(|(x, share)| share * f(*x) / self.model.weight(state, *x));
            weighted.sum::<f64>() / inverse
        };
        cells.map(mean).collect()
    }

    /// Mean of `f` over each cell.
    pub fn plain(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        self.nodes.iter().map(|nodes| nodes.iter().map(|(x, share)| share * f(*x)).sum()).collect()
    }

    /// Rate constant of a channel in each cell, as the particles of the state that it leaves see it.
    pub fn rate(&self, channel: Channel) -> Vec<f64> {
        self.mean(channel.from, |x| self.model.rate(channel, x))
    }

    /// What a slope of `w P` along a cell adds to the transitions of a channel in it: the mean of `(k - mean k)(x - x_c)/w`.
    pub fn lean(&self, channel: Channel) -> Vec<f64> {
        let rate = |x: f64| self.model.rate(channel, x);
        let means = self.rate(channel);
        let lean = |(c, mean): (usize, f64)| -> f64 {
            let middle = self.grid.cell_middle(c);
            let part = |(x, share): &(f64, f64)| {
                share * (rate(*x) - mean) * (x - middle) / self.model.weight(channel.from, *x)
            };
            self.nodes[c].iter().map(part).sum()
        };
        means.into_iter().enumerate().map(lean).collect()
    }

    /// Rate constant times a part of the exchange of a channel; zero where the exchange is not known.
    pub fn exchanged(&self, channel: Channel, part: fn(Exchange) -> f64) -> Vec<f64> {
        let each = |x: f64| self.model.exchange(channel, x).map_or(0.0, part) * self.model.rate(channel, x);
        self.mean(channel.from, each)
    }

    /// What a unit of time in each cell adds to `int psi J_i dx`, for `psi` that vanishes at the walls:
    /// the mean of `(psi/g_i)' w_i`, and of `psi h_i D_i` where a force acts.
    pub fn transport(&self, state: usize, psi: impl Fn(f64) -> f64) -> Vec<f64> {
        let height = |face: usize| {
            let x = self.grid.cell_face(face);
            psi(x) / self.model.resistance(state, x)
        };
        let faces: Vec<f64> = (0..=self.grid.cells()).map(height).collect();
        let slope = |pair: &[f64]| (pair[1] - pair[0]) / self.grid.cell_width();
        let mut moved: Vec<f64> = faces
            .windows(2)
            .map(slope)
            .zip(&self.inverse_weight[state])
            .map(|(s, inverse)| s / inverse)
            .collect();
        if self.model.has_force(state) {
            let pushed = |x: f64| {
                psi(x) * self.model.force_over_thermal_energy(state, x) * self.model.diffusivity(state, x)
            };
            moved.iter_mut().zip(self.mean(state, pushed)).for_each(|(m, p)| *m += p);
        }
        moved
    }

    /// Wave number of a mode: `n pi/L`, on a ring `2 n pi/L`.
    pub fn wave_number(&self, mode: usize) -> f64 {
        let halves = match self.model.domain.walls {
            Boundary::Reflecting => mode,
            Boundary::Periodic => 2 * mode,
        };
        std::f64::consts::PI * halves as f64 / self.grid.length
    }

    /// Wave number times `x`.
    pub fn phase(&self, mode: usize, x: f64) -> f64 {
        self.wave_number(mode) * x
    }

    /// Mean of the cosine of a mode over each cell.
    pub fn cosine(&self, mode: usize) -> Vec<f64> {
        self.wave(mode, 0.0)
    }

    /// The same of the cosine shifted by an angle.
    pub fn wave(&self, mode: usize, shift: f64) -> Vec<f64> {
        let mean = |nodes: &Vec<(f64, f64)>| {
            nodes.iter().map(|(x, share)| share * libm::cos(self.phase(mode, *x) - shift)).sum()
        };
        self.nodes.iter().map(mean).collect()
    }

    /// `1/kT` averaged over each cell.
    pub fn inverse_temperature(&self) -> Vec<f64> {
        let mean = |nodes: &Vec<(f64, f64)>| {
            nodes.iter().map(|(x, share)| share / self.model.thermal_energy(*x)).sum()
        };
        self.nodes.iter().map(mean).collect()
    }
}

/// Where the temperature, a diffusivity, a friction or a free rate has a kink or jumps, in increasing order.
fn kinks(model: &Model) -> Vec<f64> {
    let domain = Interval::new(0.0, model.domain.length);
    let mut places = model.temperature.kinks(domain);
    for state in model.network.states() {
        places.extend(state.motility.parts().1.kinks(domain));
    }
    for s in 0..model.network.states().len() {
        if model.has_force(s) {
            places.extend(model.force_kinks(s));
        }
    }
    for edge in model.network.edges() {
        if let RateLaw::Free { forward, backward } = &edge.law {
            places.extend([forward, backward].into_iter().flatten().flat_map(|f| f.kinks(domain)));
        }
    }
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
}

/// Two Gauss points in every piece of a cell between kinks.
fn nodes(grid: &Grid, cell: usize, kinks: &[f64]) -> Vec<(f64, f64)> {
    let (start, end) = (grid.cell_face(cell), grid.cell_face(cell + 1));
    let mut faces = vec![start];
    faces.extend(kinks.iter().filter(|k| **k > start && **k < end));
    faces.push(end);
    let piece = |pair: &[f64]| {
        let (middle, length) = (0.5 * (pair[0] + pair[1]), pair[1] - pair[0]);
        let offset = 0.5 * length / libm::sqrt(3.0);
        let share = 0.5 * length / (end - start);
        [(middle - offset, share), (middle + offset, share)]
    };
    faces.windows(2).flat_map(piece).collect()
}
