//! Where walkers begin.

use super::Kernel;
use crate::event::{Position, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use crate::rng::{Stream, open_unit};
use serde::{Deserialize, Serialize};

/// The law of the initial positions and states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// States at local equilibrium, positions from the fast-reaction profile `P_tot ~ 1/<D>`: near the
    /// stationary law, not equal to it, so that a comparison with theory is not circular.
    #[default]
    LocalEquilibrium,
    /// Positions uniform, states at local equilibrium.
    Uniform,
}

/// A group of `n` walkers from `stream`, stratified in the law: walker `k` takes the quantile `(k + U)/n` of the joint
/// law of cell and state, ordered by cell, and a uniform place in the cell.
///
/// When legs are untimed a walker is seen at candidates, not at given times: states are then weighted
/// by their candidate rate, `1/dwell`.
pub fn start<K: Kernel>(
    kernel: &K,
    model: &Model,
    grid: &Grid,
    law: Start,
    untimed: bool,
    n: usize,
    stream: &mut Stream,
) -> Walkers {
    let cells = grid.cells();
    let states = model.network.states().len();
    let mut cumulative = Vec::with_capacity(cells * states);
    let mut sum = 0.0;
    for cell in 0..cells {
        let x = grid.cell_middle(cell);
        let occupancy = model.local_equilibrium(x);
        let mean: f64 = occupancy.iter().enumerate().map(|(s, p)| p * model.diffusivity(s, x)).sum();
        for (state, p) in occupancy.iter().enumerate() {
            let density = match law {
                Start::LocalEquilibrium => p / mean,
                Start::Uniform => *p,
            };
            sum += if untimed { density / kernel.dwell(state, cell) } else { density };
            cumulative.push(sum);
        }
    }
    let (mut positions, mut occupied) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for k in 0..n {
        let quantile = (k as f64 + open_unit(stream.word())) / n as f64 * sum;
        let entry = cumulative.partition_point(|c| *c <= quantile).min(cumulative.len() - 1);
        let (cell, state) = (entry / states, entry % states);
        let x = (cell as f64 + open_unit(stream.word())) / cells as f64;
        positions.push(Position::from_fraction(x));
        occupied.push(state as u16);
    }
    Walkers::new(positions, occupied)
}
