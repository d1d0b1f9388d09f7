//! What is scored where velocities matter: moments and histograms of the velocity, heat and stored energy.

use crate::event::{Kicks, Sightings, Tally, Transitions, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use serde::{Deserialize, Serialize};

/// Bins of the velocity, from `-V` to `V` with `V =` [`REACH`]` sqrt(kT/m)`; the outer ones hold what is beyond.
pub const SPEEDS: usize = 128;

/// Half the width of the histogram in units of `sqrt(kT/m)` at the middle of the bin.
pub const REACH: f64 = 6.4;

/// Edge number `k`, of [`SPEEDS`]` + 1`, of the cells of velocity of a state in a bin.
pub fn edge(model: &Model, grid: &Grid, state: usize, bin: usize, k: usize) -> f64 {
    (k as f64 - 0.5 * SPEEDS as f64) / scale(model, grid, state, bin)
}

/// Cells of velocity per velocity.
fn scale(model: &Model, grid: &Grid, state: usize, bin: usize) -> f64 {
    let mass = model.network.states()[state].mass.unwrap_or(1.0);
    let middle = (bin as f64 + 0.5) * grid.bin_width();
    0.5 * SPEEDS as f64 / (REACH * libm::sqrt(model.thermal_energy(middle) / mass))
}

/// A group of underdamped walkers.
///
/// Per state and bin: sums of `v^0 .. v^3` at the end of every step, and a histogram of `v`. Per fine cell: heat and
/// work of all events, and the gain of stored energy between [`PhaseSpace::open`] and [`PhaseSpace::close`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSpace {
    grid: Grid,
    states: usize,
    /// Mass and enthalpy of each state.
    properties: Vec<(f64, f64)>,
    moments: Vec<[f64; 4]>,
    // As in `Profile`: what is scored in every step lies close together and is added to the rest now and then,
    // counters of 32 bits before they can overflow. How many were seen is in the histogram.
    hot: Vec<Hot>,
    hot_speeds: Vec<u16>,
    room: u16,
    speeds: Vec<u64>,
    heat: Vec<f64>,
    work: Vec<f64>,
    gain: Vec<f64>,
}

/// A state and bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Hot {
    /// Cells of velocity per velocity.
    scale: f64,
    /// Sums of `v`, `v^2`, `v^3`.
    sums: [f64; 3],
}

impl PhaseSpace {
    /// Empty tallies; a state without a mass counts with mass one.
    pub fn new(model: &Model, grid: &Grid) -> Self {
        let states = model.network.states();
        let properties: Vec<(f64, f64)> = states.iter().map(|s| (s.mass.unwrap_or(1.0), s.energy)).collect();
        let entries = (0..states.len()).flat_map(|state| (0..grid.bins).map(move |bin| (state, bin)));
        let rows = states.len() * grid.bins;
        PhaseSpace {
            grid: *grid,
            states: states.len(),
            hot: entries
                .map(|(state, bin)| Hot { scale: scale(model, grid, state, bin), sums: [0.0; 3] })
                .collect(),
            properties,
            moments: vec![[0.0; 4]; rows],
            hot_speeds: vec![0; rows * SPEEDS],
            room: u16::MAX,
            speeds: vec![0; rows * SPEEDS],
            heat: vec![0.0; grid.cells()],
            work: vec![0.0; grid.cells()],
            gain: vec![0.0; grid.cells()],
        }
    }

    /// Bytes of the tallies.
    pub fn bytes(&self) -> u64 {
        let hot = size_of_val(&self.hot[..]) + size_of_val(&self.hot_speeds[..]);
        let of_rows = size_of_val(&self.moments[..]) + size_of_val(&self.speeds[..]);
        (hot + of_rows + 3 * size_of_val(&self.heat[..])) as u64
    }

    /// Begins with these walkers: their energy was there before.
    pub fn open(&mut self, walkers: &Walkers) {
        self.store(walkers, -1.0);
    }

    /// Ends with these walkers. Scoring may go on after they have been opened again.
    pub fn close(&mut self, walkers: &Walkers) {
        self.store(walkers, 1.0);
        self.flush();
    }

    /// Adds what was scored of late to the histogram and the moments.
    pub fn flush(&mut self) {
        let counts = self.speeds.chunks_mut(SPEEDS).zip(self.hot_speeds.chunks_mut(SPEEDS));
        for ((totals, hot), (speeds, hot_speeds)) in self.moments.iter_mut().zip(&mut self.hot).zip(counts) {
            let mut seen = 0;
            for (total, hot) in speeds.iter_mut().zip(hot_speeds) {
                let count = u64::from(std::mem::take(hot));
                *total += count;
                seen += count;
            }
            let [first, second, third] = std::mem::take(&mut hot.sums);
            for (total, sum) in totals.iter_mut().zip([seen as f64, first, second, third]) {
                *total += sum;
            }
        }
        self.room = u16::MAX;
    }

    fn store(&mut self, walkers: &Walkers, sign: f64) {
        let entries = walkers.position.iter().zip(&walkers.state).zip(&walkers.velocity);
        for ((position, state), v) in entries {
            let (mass, enthalpy) = self.properties[usize::from(*state)];
            self.gain[position.cell(self.grid.cells())] += sign * (0.5 * mass * v * v + enthalpy);
        }
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.states
    }

    /// Mass of a state.
    pub fn mass(&self, state: usize) -> f64 {
        self.properties[state].0
    }

    /// Enthalpy of a state.
    pub fn enthalpy(&self, state: usize) -> f64 {
        self.properties[state].1
    }

    /// Sums of `v^0 .. v^3` over the walkers of a state seen in each bin, up to the last [`PhaseSpace::flush`] or
    /// [`PhaseSpace::close`].
    pub fn moments(&self, state: usize) -> &[[f64; 4]] {
        &self.moments[state * self.grid.bins..(state + 1) * self.grid.bins]
    }

    /// Histogram of the velocity in a state and bin of x, up to the last [`PhaseSpace::flush`] or [`PhaseSpace::close`].
    pub fn speeds(&self, state: usize, bin: usize) -> &[u64] {
        let row = (state * self.grid.bins + bin) * SPEEDS;
        &self.speeds[row..row + SPEEDS]
    }

    /// Width of the bins of that histogram, a velocity.
    pub fn speed_width(&self, state: usize, bin: usize) -> f64 {
        1.0 / self.hot[state * self.grid.bins + bin].scale
    }

    /// Heat absorbed from the bath in each cell, in kicks and transitions.
    pub fn heat(&self) -> &[f64] {
        &self.heat
    }

    /// Heat absorbed and work done in each cell, the latter by forces in kicks and by drives in transitions.
    pub fn exchanged(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        self.heat.iter().zip(&self.work).map(|(heat, work)| [*heat, *work])
    }

    /// Kinetic energy and enthalpy that walkers closed in each cell have more than those opened there.
    pub fn gain(&self) -> &[f64] {
        &self.gain
    }
}

impl Tally for PhaseSpace {
    #[inline]
    fn transitions(&mut self, t: &Transitions<'_>) {
        for (&cell, (&heat, &work)) in t.cell.iter().zip(t.heat.iter().zip(t.work)) {
            self.heat[cell as usize] += heat;
            self.work[cell as usize] += work;
        }
    }

    #[inline]
    fn kicks(&mut self, kicks: &Kicks<'_>) {
        let (heats, works) = (&mut self.heat[..], &mut self.work[..]);
        for (&cell, &heat) in kicks.cell.iter().zip(kicks.heat) {
            heats[cell as usize] += heat;
        }
        for (&cell, &work) in kicks.cell.iter().zip(kicks.work) {
            works[cell as usize] += work;
        }
    }

    #[inline]
    fn sightings(&mut self, seen: &Sightings<'_>) {
        // No counter can grow by more than the number of walkers; a block is far below 2^16.
        let n = seen.state.len() as u16;
        if self.room < n {
            self.flush();
        }
        self.room -= n;
        // Slices of their own: what is stored in them cannot change where they are.
        let bins = self.grid.bins;
        let (hot, (speeds, _)) = (&mut self.hot[..], self.hot_speeds.as_chunks_mut::<SPEEDS>());
        let speeds = &mut speeds[..hot.len()];
        let entries = seen.position.iter().zip(seen.velocity).zip(seen.state);
        for ((position, &v), &state) in entries {
            let row = usize::from(state) * bins + position.cell(bins);
            let (hot, speeds) = (&mut hot[row], &mut speeds[row]);
            let square = v * v;
            hot.sums[0] += v;
            hot.sums[1] += square;
            hot.sums[2] += square * v;
            speeds[speed(v * hot.scale)] += 1;
        }
    }
}

/// The bin of a velocity in units of their width.
#[inline]
fn speed(v: f64) -> usize {
    // Added to this, a number is rounded to a whole one in the lower bits: to the nearest, and the bins are around
    // the halves.
    const WHOLE: f64 = (1u64 << 52) as f64;
    const LAST: f64 = (SPEEDS - 1) as f64;
    (((v + 0.5 * LAST).clamp(0.0, LAST) + WHOLE).to_bits() & (SPEEDS as u64 - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_fall_into_their_bins() {
        for (v, bin) in [
            (0.1, 64),
            (-0.1, 63),
            (0.99, 64),
            (1.01, 65),
            (-1.01, 62),
            (62.9, 126),
            (63.1, 127),
            (1e9, 127),
            (-63.1, 0),
            (-62.9, 1),
            (-1e9, 0),
        ] {
            assert_eq!(speed(v), bin, "{v}");
        }
    }
}
