//! Transitions in each cell, and what they exchange, from the time that was spent around it.
//!
//! Fast transitions go to and fro at rates of which next to nothing is left, and that is what flows; so they are wanted to a higher
//! order in the width `h` of a cell than densities are. Along a cell `u = w P` has a slope, known from the cells on both sides:
//!
//! `int k P dx = <k> int P dx + <(k - <k>)(x - x_c)/w> h d_x u`,
//!
//! `<k>` the mean with `P ~ 1/w`; next in order is `h^4`. What an edge exchanges is the same function of x for both directions, so that
//! going to and fro exchanges nothing.

use crate::model::{Boundary, Channel};
use crate::verification::Weak;

/// What transitions of a channel bring from the time in the state that they leave, cell by cell.
pub(super) struct Flow {
    pub(super) channel: Channel,
    /// Per time in the same cell, as the particles of the state see it.
    pub(super) rate: Vec<f64>,
    /// Per time in the cells on both sides, at a wall in the cell itself: what the slope of the density adds.
    pub(super) lean: Vec<[f64; 2]>,
    ring: bool,
}

impl Flow {
    pub(super) fn new(weak: &Weak<'_>, channel: Channel) -> Self {
        let ring = weak.model().domain.walls == Boundary::Periodic;
        let inverse = weak.inverse_weight(channel.from);
        let per_cells = 0.5 / weak.grid().cell_width();
        let lean = weak.lean(channel).into_iter().enumerate().map(|(c, lean)| {
            let [before, after] = beside(c, inverse.len(), ring);
            [-lean * per_cells / inverse[before], lean * per_cells / inverse[after]]
        });
        Flow { channel, rate: weak.rate(channel), lean: lean.collect(), ring }
    }

    /// Transitions in each cell.
    pub(super) fn of(&self, time: &[f64]) -> Vec<f64> {
        let at = |c: usize| {
            let [before, after] = beside(c, time.len(), self.ring);
            self.rate[c] * time[c] + self.lean[c][0] * time[before] + self.lean[c][1] * time[after]
        };
        (0..time.len()).map(at).collect()
    }

    /// What one of them adds to the particles in a state.
    pub(super) fn sign(&self, state: usize) -> f64 {
        f64::from(u8::from(self.channel.to == state)) - f64::from(u8::from(self.channel.from == state))
    }
}

/// Something that each transition adds, a function of x.
pub(super) struct Exchanged {
    /// Its mean over each cell, and by how much it grows along it.
    cells: Vec<[f64; 2]>,
}

impl Exchanged {
    pub(super) fn new(weak: &Weak<'_>, each: impl Fn(f64) -> f64) -> Self {
        let grid = weak.grid();
        let moments = weak.plain(|x| x * each(x));
        let with_growth = |(c, (mean, moment)): (usize, (f64, f64))| {
            [mean, 12.0 * (moment - grid.cell_middle(c) * mean) / grid.cell_width()]
        };
        let cells = weak.plain(&each).into_iter().zip(moments).enumerate();
        Exchanged { cells: cells.map(with_growth).collect() }
    }

    /// The sum over the transitions in each cell: the mean times their number, and a twelfth of both growths along it.
    pub(super) fn of(&self, passed: &[f64], ring: bool) -> Vec<f64> {
        let at = |(c, [mean, growth]): (usize, &[f64; 2])| {
            let sides @ [before, after] = beside(c, passed.len(), ring);
            let between = sides.iter().filter(|side| **side != c).count().max(1) as f64;
            mean * passed[c] + growth / 12.0 * (passed[after] - passed[before]) / between
        };
        self.cells.iter().enumerate().map(at).collect()
    }
}

/// The cells on both sides of one of so many; at a wall the cell itself.
pub(super) fn beside(cell: usize, cells: usize, ring: bool) -> [usize; 2] {
    match ring {
        true => [(cell + cells - 1) % cells, (cell + 1) % cells],
        false => [cell.saturating_sub(1), (cell + 1).min(cells - 1)],
    }
}
