//! What is scored where velocities matter: moments and histograms of the velocity, heat and stored energy.

use crate::event::{Counts, Kicks, Sightings, SpeedCells, Tally, Transitions, Walkers};
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

/// Powers of the velocity that are summed in fine cells, `v .. v^4`.
pub const POWERS: usize = 4;

/// A group of underdamped walkers.
///
/// Per state and bin: sums of `v^0 .. v^3` at the end of every step, and a histogram of `v`. Per state and fine cell: sums of
/// `v .. v^4`. Per fine cell: heat and work of all events, and the gain of stored energy between [`PhaseSpace::open`] and
/// [`PhaseSpace::close`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSpace {
    grid: Grid,
    states: usize,
    /// Mass and enthalpy of each state.
    properties: Vec<(f64, f64)>,
    moments: Vec<[f64; 4]>,
    /// Cells of velocity per velocity, per state and bin.
    scale: Vec<f64>,
    /// Sums of `v .. v^4` per state and fine cell.
    powers: Vec<[f64; POWERS]>,
    // As in `Profile`: what is scored in every step lies close together and is added to the rest now and then,
    // counters of 16 bits before they can overflow.
    hot_speeds: Vec<u16>,
    room: u16,
    speeds: Vec<u64>,
    heat: Vec<f64>,
    work: Vec<f64>,
    gain: Vec<f64>,
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
            scale: entries.map(|(state, bin)| scale(model, grid, state, bin)).collect(),
            powers: vec![[0.0; POWERS]; states.len() * grid.cells()],
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
        let hot = size_of_val(&self.powers[..]) + size_of_val(&self.hot_speeds[..]);
        let of_rows =
            size_of_val(&self.moments[..]) + size_of_val(&self.speeds[..]) + size_of_val(&self.scale[..]);
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
        let rows = self.moments.iter_mut().zip(self.powers.chunks(self.grid.cells_per_bin));
        for ((moments, cells), (speeds, hot_speeds)) in rows.zip(counts) {
            for (total, hot) in speeds.iter_mut().zip(hot_speeds) {
                let count = u64::from(std::mem::take(hot));
                *total += count;
                moments[0] += count as f64;
            }
            for (power, moment) in moments[1..].iter_mut().enumerate() {
                *moment = cells.iter().map(|sums| sums[power]).sum();
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

    /// Sums of `v .. v^4` over the walkers of a state seen in each fine cell.
    pub fn powers(&self, state: usize) -> &[[f64; POWERS]] {
        let cells = self.grid.cells();
        &self.powers[state * cells..(state + 1) * cells]
    }

    /// Histogram of the velocity in a state and bin of x, up to the last [`PhaseSpace::flush`] or [`PhaseSpace::close`].
    pub fn speeds(&self, state: usize, bin: usize) -> &[u64] {
        let row = (state * self.grid.bins + bin) * SPEEDS;
        &self.speeds[row..row + SPEEDS]
    }

    /// Width of the bins of that histogram, a velocity.
    pub fn speed_width(&self, state: usize, bin: usize) -> f64 {
        1.0 / self.scale[state * self.grid.bins + bin]
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
    const EVENTS: bool = false;

    fn speed_cells(&self) -> Option<SpeedCells<'_>> {
        Some(SpeedCells { cells: SPEEDS, scale: &self.scale })
    }

    fn counted(&mut self, counts: &Counts<'_>) {
        add(&mut self.heat, counts.heat);
        add(&mut self.work, counts.work);
        let Some(sighted) = counts.sighted else { return };
        add(&mut self.heat, sighted.heat);
        add(&mut self.work, sighted.work);
        add(self.powers.as_flattened_mut(), sighted.powers.as_flattened());
        for (sum, count) in self.speeds.iter_mut().zip(sighted.speeds) {
            *sum += count;
        }
        for (moments, speeds) in self.moments.iter_mut().zip(sighted.speeds.chunks(SPEEDS)) {
            moments[0] += speeds.iter().sum::<u64>() as f64;
        }
    }

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
        let (bins, cells) = (self.grid.bins, self.grid.cells());
        let (scale, (speeds, _)) = (&self.scale[..], self.hot_speeds.as_chunks_mut::<SPEEDS>());
        let (powers, speeds) = (&mut self.powers[..], &mut speeds[..scale.len()]);
        let entries = seen.position.iter().zip(seen.velocity).zip(seen.state);
        for ((position, &v), &state) in entries {
            let state = usize::from(state);
            let row = state * bins + position.cell(bins);
            let square = v * v;
            let sums = &mut powers[state * cells + position.cell(cells)];
            for (sum, power) in sums.iter_mut().zip([v, square, square * v, square * square]) {
                *sum += power;
            }
            speeds[row][speed(v * scale[row])] += 1;
        }
    }
}

fn add(sums: &mut [f64], more: &[f64]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
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
