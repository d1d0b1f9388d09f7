//! Dense blocks and the block tridiagonal system that is left when the interior unknowns of every
//! element are eliminated (static condensation).

/// A dense matrix, row by row.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    rows: usize,
    columns: usize,
    entries: Vec<f64>,
}

impl Matrix {
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Matrix { rows, columns, entries: vec![0.0; rows * columns] }
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.entries[i * self.columns..(i + 1) * self.columns]
    }

    pub(super) fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.entries[i * self.columns..(i + 1) * self.columns]
    }

    pub(super) fn swap_rows(&mut self, i: usize, k: usize) {
        if i != k {
            for j in 0..self.columns {
                self.entries.swap(i * self.columns + j, k * self.columns + j);
            }
        }
    }

    /// Row `i` less `factor` times another row `k`.
    pub(super) fn subtract_row(&mut self, i: usize, k: usize, factor: f64) {
        if factor == 0.0 {
            return;
        }
        let (c, middle) = (self.columns, i.max(k) * self.columns);
        let (head, tail) = self.entries.split_at_mut(middle);
        let (to, from) = match i > k {
            true => (&mut tail[..c], &head[k * c..(k + 1) * c]),
            false => (&mut head[i * c..(i + 1) * c], &tail[..c]),
        };
        to.iter_mut().zip(from).for_each(|(a, b)| *a -= factor * b);
    }

    /// The block of `rows` x `columns` entries whose corner is `(i, j)`.
    pub(super) fn block(&self, i: usize, j: usize, rows: usize, columns: usize) -> Self {
        let mut b = Matrix::zeros(rows, columns);
        for r in 0..rows {
            b.row_mut(r).copy_from_slice(&self.row(i + r)[j..j + columns]);
        }
        b
    }

    /// `self += other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.entries.iter_mut().zip(&other.entries).for_each(|(a, b)| *a += b);
    }

    /// `self -= a b`.
    pub(super) fn subtract_product(&mut self, a: &Self, b: &Self) {
        for i in 0..self.rows {
            for (k, &f) in a.row(i).iter().enumerate() {
                if f != 0.0 {
                    self.row_mut(i).iter_mut().zip(b.row(k)).for_each(|(s, v)| *s -= f * v);
                }
            }
        }
    }

    /// `y -= self x`.
    pub(super) fn subtract_apply(&self, x: &[f64], y: &mut [f64]) {
        for (i, out) in y.iter_mut().enumerate() {
            *out -= self.row(i).iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        }
    }
}

/// A matrix factored with partial pivoting.
#[derive(Clone, Debug)]
pub(super) struct Factored {
    lu: Matrix,
    /// At step `k` row `k` was exchanged with row `pivots[k]`.
    pivots: Vec<usize>,
}

impl Factored {
    /// `None` if the matrix is singular to working precision or holds a value that is not finite.
    pub(super) fn new(mut lu: Matrix) -> Option<Self> {
        let n = lu.rows;
        let mut pivots = Vec::with_capacity(n);
        for k in 0..n {
            let size = |i: usize| lu.row(i)[k].abs();
            let pivot = (k..n).fold(k, |best, i| if size(i) > size(best) { i } else { best });
            if !(size(pivot) > 0.0 && size(pivot).is_finite()) {
                return None;
            }
            pivots.push(pivot);
            if pivot != k {
                for j in 0..n {
                    lu.entries.swap(k * n + j, pivot * n + j);
                }
            }
            let (above, below) = lu.entries.split_at_mut((k + 1) * n);
            let top = &above[k * n..];
            for row in below.chunks_exact_mut(n) {
                let f = row[k] / top[k];
                row[k] = f;
                if f != 0.0 {
                    row[k + 1..].iter_mut().zip(&top[k + 1..]).for_each(|(a, b)| *a -= f * b);
                }
            }
        }
        Some(Factored { lu, pivots })
    }

    /// Overwrites the columns of `b` with the solutions.
    pub(super) fn solve_columns(&self, b: &mut Matrix) {
        let (n, c) = (self.lu.rows, b.columns);
        for (k, &pivot) in self.pivots.iter().enumerate() {
            if pivot != k {
                for j in 0..c {
                    b.entries.swap(k * c + j, pivot * c + j);
                }
            }
        }
        for i in 0..n {
            let (done, rest) = b.entries.split_at_mut(i * c);
            for (k, row) in done.chunks_exact(c).enumerate() {
                let f = self.lu.row(i)[k];
                rest[..c].iter_mut().zip(row).for_each(|(a, v)| *a -= f * v);
            }
        }
        for i in (0..n).rev() {
            let (head, done) = b.entries.split_at_mut((i + 1) * c);
            let now = &mut head[i * c..];
            for (k, row) in done.chunks_exact(c).enumerate() {
                let f = self.lu.row(i)[i + 1 + k];
                now.iter_mut().zip(row).for_each(|(a, v)| *a -= f * v);
            }
            let pivot = self.lu.row(i)[i];
            now.iter_mut().for_each(|a| *a /= pivot);
        }
    }

    /// Overwrites `b` with the solution.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let n = self.lu.rows;
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap(k, pivot);
        }
        for i in 0..n {
            let row = self.lu.row(i);
            b[i] -= row[..i].iter().zip(&b[..i]).map(|(a, v)| a * v).sum::<f64>();
        }
        for i in (0..n).rev() {
            let row = self.lu.row(i);
            let sum: f64 = row[i + 1..].iter().zip(&b[i + 1..]).map(|(a, v)| a * v).sum();
            b[i] = (b[i] - sum) / row[i];
        }
    }
}

/// One element after elimination of its interior unknowns. Its local unknowns are ordered: left
/// vertex, right vertex, interior.
#[derive(Debug)]
struct Condensed {
    interior: Factored,
    /// Interior response to the vertices, `A_ii^-1 A_iv`.
    response: Matrix,
    /// `A_vi`.
    back: Matrix,
}

/// A chain of elements joined at vertices, factored.
#[derive(Debug)]
pub(super) struct Chain {
    /// Unknowns at a vertex.
    width: usize,
    elements: Vec<Condensed>,
    /// Per vertex: the diagonal block left by the elimination of the vertices before it.
    diagonal: Vec<Factored>,
    /// Per element: `diagonal^-1 upper`.
    upper: Vec<Matrix>,
    /// Per element: the block below the diagonal.
    lower: Vec<Matrix>,
}

impl Chain {
    /// Factors the chain of these element matrices with `width` unknowns at each vertex.
    /// `None` if it is singular to working precision.
    pub(super) fn new(matrices: impl Iterator<Item = Matrix>, width: usize) -> Option<Self> {
        let mut chain =
            Chain { width, elements: Vec::new(), diagonal: Vec::new(), upper: Vec::new(), lower: Vec::new() };
        let mut corner = Matrix::zeros(width, width);
        for a in matrices {
            let (outer, inner) = (2 * width, a.rows - 2 * width);
            let interior = Factored::new(a.block(outer, outer, inner, inner))?;
            let mut response = a.block(outer, 0, inner, outer);
            interior.solve_columns(&mut response);
            let back = a.block(0, outer, outer, inner);
            let mut schur = a.block(0, 0, outer, outer);
            schur.subtract_product(&back, &response);
            chain.elements.push(Condensed { interior, response, back });

            corner.add(&schur.block(0, 0, width, width));
            let diagonal = Factored::new(corner)?;
            let mut upper = schur.block(0, width, width, width);
            diagonal.solve_columns(&mut upper);
            let lower = schur.block(width, 0, width, width);
            corner = schur.block(width, width, width, width);
            corner.subtract_product(&lower, &upper);
            chain.diagonal.push(diagonal);
            chain.upper.push(upper);
            chain.lower.push(lower);
        }
        chain.diagonal.push(Factored::new(corner)?);
        Some(chain)
    }

    /// Solves for the right-hand side given at the vertices (`vertices * width` numbers) and in the
    /// interiors of the elements; both are overwritten with the solution.
    pub(super) fn solve(&self, vertices: &mut [f64], interiors: &mut [Vec<f64>]) {
        let w = self.width;
        let pairs = self.elements.iter().zip(interiors.iter_mut());
        for (v, (element, inner)) in pairs.enumerate() {
            element.interior.solve(inner);
            element.back.subtract_apply(inner, &mut vertices[v * w..(v + 2) * w]);
        }
        for v in 0..=self.elements.len() {
            let (before, now) = vertices.split_at_mut(v * w);
            if v > 0 {
                self.lower[v - 1].subtract_apply(&before[(v - 1) * w..], &mut now[..w]);
            }
            self.diagonal[v].solve(&mut now[..w]);
        }
        for v in (0..self.elements.len()).rev() {
            let (now, after) = vertices.split_at_mut((v + 1) * w);
            self.upper[v].subtract_apply(&after[..w], &mut now[v * w..]);
        }
        let pairs = self.elements.iter().zip(interiors.iter_mut());
        for (v, (element, inner)) in pairs.enumerate() {
            element.response.subtract_apply(&vertices[v * w..(v + 2) * w], inner);
        }
    }
}

/// Eigenvalues of a symmetric matrix in increasing order, by Jacobi rotations.
pub(super) fn symmetric_eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        let mut off = 0.0;
        for p in 0..n {
            for q in p + 1..n {
                off += a[p][q] * a[p][q];
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + libm::sqrt(theta * theta + 1.0));
                let c = 1.0 / libm::sqrt(t * t + 1.0);
                let s = t * c;
                for row in a.iter_mut() {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (head, tail) = a.split_at_mut(q);
                for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
        let diagonal: f64 = (0..n).map(|i| a[i][i] * a[i][i]).sum();
        if off <= 1e-32 * diagonal {
            break;
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence of numbers in (-1, 1) without structure.
    fn numbers() -> impl FnMut() -> f64 {
        let mut k = 0.0;
        move || {
            k += 1.0;
            libm::sin(k * k * 1.7 + k)
        }
    }

    #[test]
    fn chain_solves_the_assembled_system() {
        let (width, inner, elements) = (2, 3, 4);
        let mut next = numbers();
        let size = 2 * width + inner;
        let matrices: Vec<Matrix> = (0..elements)
            .map(|_| {
                let mut a = Matrix::zeros(size, size);
                for i in 0..size {
                    a.row_mut(i).iter_mut().for_each(|e| *e = next());
                    a.row_mut(i)[i] += 4.0;
                }
                a
            })
            .collect();
        let chain = Chain::new(matrices.iter().cloned(), width).expect("regular");
        let x: Vec<f64> = (0..(elements + 1) * width).map(|_| next()).collect();
        let y: Vec<Vec<f64>> = (0..elements).map(|_| (0..inner).map(|_| next()).collect()).collect();
        let mut vertices = vec![0.0; x.len()];
        let mut interiors = vec![vec![0.0; inner]; elements];
        for (v, a) in matrices.iter().enumerate() {
            let local: Vec<f64> = x[v * width..(v + 2) * width].iter().chain(&y[v]).copied().collect();
            for i in 0..size {
                let sum: f64 = a.row(i).iter().zip(&local).map(|(a, b)| a * b).sum();
                if i < 2 * width {
                    vertices[v * width + i] += sum;
                } else {
                    interiors[v][i - 2 * width] += sum;
                }
            }
        }
        chain.solve(&mut vertices, &mut interiors);
        let flat = |i: &[Vec<f64>]| i.concat();
        let pairs = vertices.iter().zip(&x);
        for (found, expected) in pairs.chain(flat(&interiors).iter().zip(&flat(&y))) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn singular_systems_are_refused() {
        assert!(Factored::new(Matrix::zeros(2, 2)).is_none());
        let mut a = Matrix::zeros(1, 1);
        a.row_mut(0)[0] = f64::NAN;
        assert!(Factored::new(a).is_none());
    }

    #[test]
    fn eigenvalues_of_the_discrete_laplacian() {
        let n = 7;
        let entry = |i: usize, j: usize| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let a = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
        for (k, value) in symmetric_eigenvalues(a).into_iter().enumerate() {
            let angle = std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64;
            assert!((value - (2.0 - 2.0 * libm::cos(angle))).abs() < 1e-14);
        }
    }
}
