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
            // Rows of narrow matrices end early.
            let end = top.iter().rposition(|v| *v != 0.0).map_or(0, |last| last + 1).max(k + 1);
            for row in below.chunks_exact_mut(n) {
                let f = row[k] / top[k];
                row[k] = f;
                if f != 0.0 {
                    row[k + 1..end].iter_mut().zip(&top[k + 1..end]).for_each(|(a, b)| *a -= f * b);
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
                if f != 0.0 {
                    rest[..c].iter_mut().zip(row).for_each(|(a, v)| *a -= f * v);
                }
            }
        }
        for i in (0..n).rev() {
            let (head, done) = b.entries.split_at_mut((i + 1) * c);
            let now = &mut head[i * c..];
            for (k, row) in done.chunks_exact(c).enumerate() {
                let f = self.lu.row(i)[i + 1 + k];
                if f != 0.0 {
                    now.iter_mut().zip(row).for_each(|(a, v)| *a -= f * v);
                }
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

/// A chain of elements joined at vertices, factored. It is open, or closed to a ring whose first vertex is
/// also its last.
#[derive(Debug)]
pub(super) struct Chain {
    /// Unknowns at a vertex.
    width: usize,
    elements: Vec<Condensed>,
    /// Per vertex, in the order of elimination: the diagonal block left by the vertices before it.
    diagonal: Vec<Factored>,
    /// Per vertex that has a next one: `diagonal^-1 upper`.
    upper: Vec<Matrix>,
    /// Per vertex that has a next one: the block below the diagonal.
    lower: Vec<Matrix>,
    /// For a ring, which is opened at its first vertex and has that one eliminated last: per other vertex,
    /// `diagonal^-1` times its coupling to the first, and the coupling of the first to it.
    links: Vec<[Matrix; 2]>,
}

impl Chain {
    /// Factors the chain of these element matrices with `width` unknowns at each vertex.
    /// `None` if it is singular to working precision.
    pub(super) fn new(matrices: impl Iterator<Item = Matrix>, width: usize, ring: bool) -> Option<Self> {
        let mut elements = Vec::new();
        let mut vertices = Vec::new();
        for a in matrices {
            let (outer, inner) = (2 * width, a.rows - 2 * width);
            let interior = Factored::new(a.block(outer, outer, inner, inner))?;
            let mut response = a.block(outer, 0, inner, outer);
            interior.solve_columns(&mut response);
            let back = a.block(0, outer, outer, inner);
            let mut schur = a.block(0, 0, outer, outer);
            schur.subtract_product(&back, &response);
            elements.push(Condensed { interior, response, back });
            vertices.push(
                [[0, 0], [0, 1], [1, 0], [1, 1]]
                    .map(|[i, j]| schur.block(i * width, j * width, width, width)),
            );
        }
        let (diagonal, upper, lower, links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut chain = Chain { width, elements, diagonal, upper, lower, links };
        if ring {
            chain.eliminate_ring(vertices)?
        } else {
            chain.eliminate(vertices)?
        }
        Some(chain)
    }

    fn eliminate(&mut self, elements: Vec<[Matrix; 4]>) -> Option<()> {
        let mut corner = Matrix::zeros(self.width, self.width);
        for [here, mut upper, lower, next] in elements {
            corner.add(&here);
            let diagonal = Factored::new(corner)?;
            diagonal.solve_columns(&mut upper);
            corner = next;
            corner.subtract_product(&lower, &upper);
            self.diagonal.push(diagonal);
            self.upper.push(upper);
            self.lower.push(lower);
        }
        self.diagonal.push(Factored::new(corner)?);
        Some(())
    }

    fn eliminate_ring(&mut self, elements: Vec<[Matrix; 4]>) -> Option<()> {
        let count = elements.len();
        let mut elements = elements.into_iter();
        let [mut first, mut from_first, mut to_first, mut corner] = elements.next()?;
        for (k, [here, mut upper, lower, next]) in elements.enumerate() {
            corner.add(&here);
            let diagonal = Factored::new(corner)?;
            if k + 2 == count {
                to_first.add(&upper);
                from_first.add(&lower);
                first.add(&next);
                diagonal.solve_columns(&mut to_first);
                first.subtract_product(&from_first, &to_first);
                self.diagonal.push(diagonal);
                self.links.push([to_first, from_first]);
                self.diagonal.push(Factored::new(first)?);
                return Some(());
            }
            diagonal.solve_columns(&mut upper);
            diagonal.solve_columns(&mut to_first);
            first.subtract_product(&from_first, &to_first);
            corner = next;
            corner.subtract_product(&lower, &upper);
            let mut coupling = [Matrix::zeros(self.width, self.width), Matrix::zeros(self.width, self.width)];
            coupling[0].subtract_product(&lower, &to_first);
            coupling[1].subtract_product(&from_first, &upper);
            self.diagonal.push(diagonal);
            self.upper.push(upper);
            self.lower.push(lower);
            let [to, from] = coupling;
            self.links.push([std::mem::replace(&mut to_first, to), std::mem::replace(&mut from_first, from)]);
        }
        None
    }

    /// Solves for the right-hand side given at the vertices (`vertices * width` numbers) and in the
    /// interiors of the elements; both are overwritten with the solution.
    pub(super) fn solve(&self, vertices: &mut [f64], interiors: &mut [Vec<f64>]) {
        let w = self.width;
        let pairs = self.elements.iter().zip(interiors.iter_mut());
        for (v, (element, inner)) in pairs.enumerate() {
            element.interior.solve(inner);
            self.add_outer(vertices, v, |outer| element.back.subtract_apply(inner, outer));
        }
        // A ring is solved as the open chain of all vertices but the first.
        let (first, open) = vertices.split_at_mut(if self.links.is_empty() { 0 } else { w });
        for v in 0..open.len() / w {
            let (before, now) = open.split_at_mut(v * w);
            if v > 0 {
                self.lower[v - 1].subtract_apply(&before[(v - 1) * w..], &mut now[..w]);
            }
            self.diagonal[v].solve(&mut now[..w]);
            if let Some([_, from_first]) = self.links.get(v) {
                from_first.subtract_apply(&now[..w], first);
            }
        }
        if !self.links.is_empty() {
            self.diagonal[self.links.len()].solve(first);
        }
        for v in (0..open.len() / w).rev() {
            let (now, after) = open.split_at_mut((v + 1) * w);
            if let Some(upper) = self.upper.get(v) {
                upper.subtract_apply(&after[..w], &mut now[v * w..]);
            }
            if let Some([to_first, _]) = self.links.get(v) {
                to_first.subtract_apply(first, &mut now[v * w..]);
            }
        }
        let pairs = self.elements.iter().zip(interiors.iter_mut());
        for (v, (element, inner)) in pairs.enumerate() {
            let outer = self.outer(vertices, v);
            element.response.subtract_apply(&outer, inner);
        }
    }

    /// The unknowns at both vertices of element `e`.
    fn outer(&self, vertices: &[f64], e: usize) -> Vec<f64> {
        let w = self.width;
        let right = (e + 1) * w % vertices.len();
        [&vertices[e * w..(e + 1) * w], &vertices[right..right + w]].concat()
    }

    /// Lets `change` work on them.
    fn add_outer(&self, vertices: &mut [f64], e: usize, change: impl FnOnce(&mut [f64])) {
        let w = self.width;
        let mut outer = self.outer(vertices, e);
        change(&mut outer);
        let right = (e + 1) * w % vertices.len();
        vertices[e * w..(e + 1) * w].copy_from_slice(&outer[..w]);
        vertices[right..right + w].copy_from_slice(&outer[w..]);
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
        for (elements, ring) in [(4, false), (1, false), (2, true), (3, true), (6, true)] {
            let (width, inner) = (2, 3);
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
            let chain = Chain::new(matrices.iter().cloned(), width, ring).expect("regular");
            let places = if ring { elements } else { elements + 1 };
            let x: Vec<f64> = (0..places * width).map(|_| next()).collect();
            let y: Vec<Vec<f64>> = (0..elements).map(|_| (0..inner).map(|_| next()).collect()).collect();
            let mut vertices = vec![0.0; x.len()];
            let mut interiors = vec![vec![0.0; inner]; elements];
            let place = |v: usize, i: usize| (v * width + i) % (places * width);
            for (v, a) in matrices.iter().enumerate() {
                let outer = (0..2 * width).map(|i| x[place(v, i)]);
                let local: Vec<f64> = outer.chain(y[v].iter().copied()).collect();
                for i in 0..size {
                    let sum: f64 = a.row(i).iter().zip(&local).map(|(a, b)| a * b).sum();
                    if i < 2 * width {
                        vertices[place(v, i)] += sum;
                    } else {
                        interiors[v][i - 2 * width] += sum;
                    }
                }
            }
            chain.solve(&mut vertices, &mut interiors);
            let flat = |i: &[Vec<f64>]| i.concat();
            let pairs = vertices.iter().zip(&x);
            for (found, expected) in pairs.chain(flat(&interiors).iter().zip(&flat(&y))) {
                assert!((found - expected).abs() < 1e-12, "{elements} {ring}");
            }
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
