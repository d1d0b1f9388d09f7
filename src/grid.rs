//! The grid on which everything measured and everything computed is reported.
//!
//! Events are scored on fine **cells**; estimates are reported on **bins**, each a whole number of
//! cells, and on **faces**, the boundaries between bins. Theory answers on the same grid, so that a
//! simulated bin is compared with a bin *average* of the continuum solution and not with its value
//! at the middle of the bin.

use serde::{Deserialize, Serialize};

/// A uniform partition of `[0, length]` into bins, each split into equal cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Length of the domain.
    pub length: f64,
    /// Number of reported bins.
    pub bins: usize,
    /// Number of fine cells in each bin.
    pub cells_per_bin: usize,
    /// Number of reported cells of a second coordinate (a velocity) in each bin, an even number; 0 where there is
    /// none.
    pub across: usize,
}

impl Grid {
    /// Fewest fine cells on which events are scored. At 1024 cells the difference between a cell
    /// average and a point value of a smooth profile is of relative order 1e-7.
    pub const MIN_CELLS: usize = 1024;

    /// The grid for `bins` reported bins: the fewest cells that are a multiple of `bins` and at
    /// least [`Grid::MIN_CELLS`].
    ///
    /// # Panics
    /// If `bins` is zero or `length` is not positive and finite; the experiment file is checked
    /// before a grid is made from it.
    pub fn new(length: f64, bins: usize) -> Self {
        assert!(bins > 0 && length > 0.0 && length.is_finite());
        Grid { length, bins, cells_per_bin: Self::MIN_CELLS.div_ceil(bins), across: 0 }
    }

    /// The same with so many cells of a second coordinate.
    pub fn with_across(self, across: usize) -> Self {
        Grid { across, ..self }
    }

    /// Number of fine cells, `bins * cells_per_bin`.
    pub fn cells(&self) -> usize {
        self.bins * self.cells_per_bin
    }

    /// Width of a bin.
    pub fn bin_width(&self) -> f64 {
        self.length / self.bins as f64
    }

    /// Width of a fine cell.
    pub fn cell_width(&self) -> f64 {
        self.length / self.cells() as f64
    }

    /// Position of the `k`-th bin boundary, `k` in `0..=bins`; `0` and `bins` are the walls.
    pub fn face(&self, k: usize) -> f64 {
        self.length * k as f64 / self.bins as f64
    }

    /// Position of the `k`-th cell boundary, `k` in `0..=cells()`.
    pub fn cell_face(&self, k: usize) -> f64 {
        self.length * k as f64 / self.cells() as f64
    }

    /// Mean of a function over cell `c`: two-point Gauss rule, exact for cubics.
    pub fn cell_mean(&self, c: usize, f: impl Fn(f64) -> f64) -> f64 {
        let offset = 0.5 * self.cell_width() / libm::sqrt(3.0);
        let middle = self.cell_middle(c);
        0.5 * (f(middle - offset) + f(middle + offset))
    }

    /// Middle of cell `c`.
    pub fn cell_middle(&self, c: usize) -> f64 {
        self.length * (c as f64 + 0.5) / self.cells() as f64
    }
}
