//! What a group looks like at one moment: where its walkers are, and how far they have come.

use crate::event::Walkers;
use crate::grid::Grid;
use serde::{Deserialize, Serialize};

/// Waves whose amplitudes are kept for every state.
pub const MODES: usize = 2;

/// Walkers of a group at one moment, reduced to sums that add over groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of walkers per state and bin.
    pub counts: Vec<u32>,
    /// Sum of `x/L`.
    pub position: f64,
    /// Sum of `cos(n pi x/L)` (on a ring `cos(2 pi n x/L)`) per state and `n = 1 ..= MODES`.
    pub modes: Vec<f64>,
    /// Sums of the first four powers of the displacement over `L`, laps included.
    pub displacement: [f64; 4],
}

impl Snapshot {
    /// The walkers as they are, displaced from where they were in `origin`.
    pub fn of(walkers: &Walkers, origin: Option<&Walkers>, ring: bool, states: usize, grid: &Grid) -> Self {
        let mut snapshot = Snapshot {
            counts: vec![0; states * grid.bins],
            position: 0.0,
            modes: vec![0.0; states * MODES],
            displacement: [0.0; 4],
        };
        let wave = if ring { 2.0 } else { 1.0 } * std::f64::consts::PI;
        for (i, (position, state)) in walkers.position.iter().zip(&walkers.state).enumerate() {
            let (x, state) = (position.fraction(), usize::from(*state));
            snapshot.counts[state * grid.bins + position.cell(grid.bins)] += 1;
            snapshot.position += x;
            for n in 1..=MODES {
                snapshot.modes[state * MODES + n - 1] += libm::cos(wave * n as f64 * x);
            }
            if let Some(origin) = origin {
                let way = x + f64::from(walkers.laps[i]) - origin.position[i].fraction();
                let mut power = 1.0;
                for sum in &mut snapshot.displacement {
                    power *= way;
                    *sum += power;
                }
            }
        }
        snapshot
    }

    /// Number of walkers in the bins of one state.
    pub fn state(&self, state: usize, bins: usize) -> &[u32] {
        &self.counts[state * bins..(state + 1) * bins]
    }
}
