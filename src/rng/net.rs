//! Points that fill a cube evenly, in place of independent words: nets in base 2 with a random shift.
//!
//! With `N = 2^m` points, point `k` of a net is `(k/N, y_1(k), ..., y_d(k))`, `y_j` the coordinates of Sobol's sequence
//! (I. M. Sobol', USSR Comput. Math. Math. Phys. 7(4), 86 (1967)) with the direction numbers of S. Joe and F. Y. Kuo
//! (SIAM J. Sci. Comput. 30, 2635 (2008)). Every elementary interval of volume `2^(t-m)` holds `2^t` of them,
//! with `t = 0, 0, 1, 3` for `d = 1, ..., 4`.
//!
//! A digital shift adds the same random word to a coordinate of all points, digit by digit: every coordinate of every
//! point is then uniform on all words, and the net is one still (P. L'Ecuyer and C. Lemieux, in *Modeling Uncertainty*,
//! Springer (2002), 419).

/// Coordinates beside `k/N` at most.
pub const MOST_COORDINATES: usize = 4;

/// Degree of the primitive polynomial, its inner coefficients, and the first direction numbers; the first coordinate
/// is that of van der Corput.
const JOE_KUO: [(usize, u64, &[u64]); MOST_COORDINATES - 1] =
    [(1, 0, &[1]), (2, 1, &[1, 3]), (3, 1, &[1, 3, 1])];

/// A net.
#[derive(Clone, Debug)]
pub struct Net {
    /// Of every coordinate: what is to be added to point `k` to have point `k + 1`, where `k` ends in so many ones.
    steps: Vec<Vec<u64>>,
}

impl Net {
    /// A net of `2^bits` points, `bits` at most 64, with so many coordinates beside `k/N`, at most
    /// [`MOST_COORDINATES`].
    pub fn new(bits: u32, coordinates: usize) -> Self {
        let bits = bits.min(u64::BITS) as usize;
        let corput = (0..bits).map(|j| 1 << (63 - j)).collect();
        let others = JOE_KUO.iter().map(|(degree, inner, first)| columns(bits, *degree, *inner, first));
        let all = std::iter::once(corput).chain(others).take(coordinates);
        Net { steps: all.map(sums).collect() }
    }

    /// One coordinate of the points from `first` on, in units of `2^-64`, shifted. There are none after the last.
    pub fn fill(&self, coordinate: usize, shift: u64, first: usize, words: &mut [u64]) {
        let steps = &self.steps[coordinate];
        let (mut point, mut before) = (shift, 0);
        for (j, step) in steps.iter().enumerate() {
            if first >> j & 1 == 1 {
                point ^= step ^ before;
            }
            before = *step;
        }
        for (k, word) in (first..).zip(words) {
            *word = point;
            point ^= steps.get(k.trailing_ones() as usize).unwrap_or(&0);
        }
    }
}

/// Columns of the generator matrix of a coordinate, the first digit in the highest bit.
fn columns(bits: usize, degree: usize, inner: u64, first: &[u64]) -> Vec<u64> {
    let mut columns: Vec<u64> = Vec::with_capacity(bits);
    for j in 0..bits {
        columns.push(match first.get(j) {
            Some(number) => number << (63 - j),
            None => {
                let terms =
                    (1..degree).filter(|i| inner >> (degree - 1 - i) & 1 == 1).map(|i| columns[j - i]);
                let far = columns[j - degree];
                terms.fold(far ^ far >> degree, |sum, term| sum ^ term)
            }
        });
    }
    columns
}

/// Sums of the first so many, digit by digit.
fn sums(columns: Vec<u64>) -> Vec<u64> {
    let mut sum = 0;
    let add = |column| {
        sum ^= column;
        sum
    };
    columns.into_iter().map(add).collect()
}
