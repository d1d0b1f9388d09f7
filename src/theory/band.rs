//! Banded matrices, factored with partial pivoting.

use super::linear::Matrix;

/// A square matrix whose entries vanish beyond `below` diagonals under and `above` over the main one.
#[derive(Clone, Debug)]
pub(super) struct Band {
    size: usize,
    below: usize,
    above: usize,
    /// Row by row the columns from `i - below` to `i + above + below`: pivoting fills the last ones.
    entries: Vec<f64>,
}

impl Band {
    pub(super) fn zeros(size: usize, below: usize, above: usize) -> Self {
        Band { size, below, above, entries: vec![0.0; size * (2 * below + above + 1)] }
    }

    fn width(&self) -> usize {
        2 * self.below + self.above + 1
    }

    fn place(&self, i: usize, j: usize) -> usize {
        i * self.width() + j + self.below - i
    }

    /// Adds to the entry in row `i` and column `j`, which must lie in the band.
    pub(super) fn add(&mut self, i: usize, j: usize, value: f64) {
        let place = self.place(i, j);
        self.entries[place] += value;
    }

    /// Factors the matrix; `None` if it is singular to working precision or holds a value that is not
    /// finite.
    pub(super) fn factor(mut self) -> Option<FactoredBand> {
        let mut pivots = Vec::with_capacity(self.size);
        for k in 0..self.size {
            let last_row = (k + self.below).min(self.size - 1);
            let last_column = (k + self.below + self.above).min(self.size - 1);
            let size = |i: usize| self.entries[self.place(i, k)].abs();
            let pivot = (k..=last_row).fold(k, |best, i| if size(i) > size(best) { i } else { best });
            if !(size(pivot) > 0.0 && size(pivot).is_finite()) {
                return None;
            }
            pivots.push(pivot);
            if pivot != k {
                for j in k..=last_column {
                    let (a, b) = (self.place(k, j), self.place(pivot, j));
                    self.entries.swap(a, b);
                }
            }
            let (start, end) = (self.place(k, k), self.place(k, last_column) + 1);
            let width = self.width();
            let (above, below) = self.entries.split_at_mut((k + 1) * width);
            let top = &above[start..end];
            for i in k + 1..=last_row {
                let from = (i - k - 1) * width + k + self.below - i;
                let row = &mut below[from..from + top.len()];
                let f = row[0] / top[0];
                row[0] = f;
                if f != 0.0 {
                    row[1..].iter_mut().zip(&top[1..]).for_each(|(a, b)| *a -= f * b);
                }
            }
        }
        Some(FactoredBand { lu: self, pivots })
    }
}

/// A factored [`Band`].
#[derive(Clone, Debug)]
pub(super) struct FactoredBand {
    lu: Band,
    /// At step `k` row `k` was exchanged with row `pivots[k]`.
    pivots: Vec<usize>,
}

impl FactoredBand {
    /// Overwrites the columns of `b` with the solutions.
    pub(super) fn solve_columns(&self, b: &mut Matrix) {
        let lu = &self.lu;
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap_rows(k, pivot);
            for i in k + 1..=(k + lu.below).min(lu.size - 1) {
                b.subtract_row(i, k, lu.entries[lu.place(i, k)]);
            }
        }
        for k in (0..lu.size).rev() {
            for j in k + 1..=(k + lu.below + lu.above).min(lu.size - 1) {
                b.subtract_row(k, j, lu.entries[lu.place(k, j)]);
            }
            let pivot = lu.entries[lu.place(k, k)];
            b.row_mut(k).iter_mut().for_each(|v| *v /= pivot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banded_system_gives_back_what_it_was_made_from() {
        let number = |k: usize| libm::sin((k * k) as f64 * 1.7 + k as f64);
        let (size, columns) = (23, 3);
        for (below, above) in [(0, 0), (1, 4), (5, 2), (30, 30)] {
            let mut band = Band::zeros(size, below, above);
            let mut known = Matrix::zeros(size, columns);
            let mut b = Matrix::zeros(size, columns);
            for i in 0..size {
                known.row_mut(i).iter_mut().enumerate().for_each(|(c, v)| *v = number(7 * i + c));
            }
            for i in 0..size {
                for j in i.saturating_sub(below)..=(i + above).min(size - 1) {
                    // A small diagonal, so that rows are exchanged.
                    let entry = if i == j && below > 0 { 0.01 } else { 2.0 + number(size * i + j) };
                    band.add(i, j, entry);
                    let row = known.row(j).to_vec();
                    b.row_mut(i).iter_mut().zip(row).for_each(|(s, v)| *s += entry * v);
                }
            }
            band.factor().expect("regular").solve_columns(&mut b);
            for i in 0..size {
                for (found, expected) in b.row(i).iter().zip(known.row(i)) {
                    assert!((found - expected).abs() < 1e-9, "{below} {above}: {found}, not {expected}");
                }
            }
        }
        assert!(Band::zeros(3, 1, 1).factor().is_none());
    }
}
