//! Tables of points with an interpolation that never overshoots.

use super::knots::{KnotError, increasing, inside};
use super::{Field, Interval};
use serde::{Deserialize, Serialize};

/// What a table does between its points. Both kinds stay between the values of neighbouring points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Cubic on every piece, with a continuous slope, monotone where the points are: Fritsch & Butland,
    /// SIAM J. Sci. Stat. Comput. 5, 300 (1984), with three-point slopes at the ends (PCHIP).
    MonotoneCubic,
    /// Straight between the points.
    Linear,
}

/// A function through points. Outside of them it keeps the value of the nearest one.
///
/// ```
/// use soret::model::{Field, Interpolation, Table};
/// let points = [(0.0, 1.0), (0.5, 1.2), (1.0, 2.0)];
/// let smooth = Table::new(&points, Interpolation::MonotoneCubic)?;
/// let straight = Table::new(&points, Interpolation::Linear)?;
/// assert_eq!((smooth.value(0.5), straight.value(0.75)), (1.2, 1.6));
/// # Ok::<(), soret::model::KnotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    interpolation: Interpolation,
    x: Vec<f64>,
    y: Vec<f64>,
    /// Slope at each point of the cubic; slope of the piece that follows of the linear kind.
    slope: Vec<f64>,
}

/// Rounding error of a value on a piece over the larger of the values at its ends: some twenty
/// operations on numbers of at most ten times that size, doubled.
const ROUNDING: f64 = 512.0 * f64::EPSILON;

impl Table {
    /// A function through `(x, y)` points with increasing `x`.
    ///
    /// # Errors
    /// [`KnotError`] if the points do not describe a function.
    pub fn new(points: &[(f64, f64)], interpolation: Interpolation) -> Result<Self, KnotError> {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        if x.len() < 2 {
            return Err(KnotError::TooFew { found: x.len() });
        }
        increasing(&x)?;
        if let Some(index) = y.iter().position(|v| !v.is_finite()) {
            return Err(KnotError::NotFinite { index });
        }
        let h: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
        let secant: Vec<f64> = y.windows(2).zip(&h).map(|(w, h)| (w[1] - w[0]) / h).collect();
        // Room for three times the slope and for products with h.
        let usable = |(h, s): (&f64, &f64)| h.is_finite() && s.abs() < 1e300 && (s * h).abs() < 1e300;
        if let Some(before) = h.iter().zip(&secant).position(|pair| !usable(pair)) {
            return Err(KnotError::TooSteep { index: before + 1 });
        }
        let slope = match interpolation {
            Interpolation::Linear => secant,
            Interpolation::MonotoneCubic => monotone_slopes(&h, &secant),
        };
        Ok(Table { interpolation, x, y, slope })
    }

    /// The points, in order.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.x.iter().copied().zip(self.y.iter().copied())
    }

    /// What it does between its points.
    pub fn interpolation(&self) -> Interpolation {
        self.interpolation
    }

    /// The piece `[x_k, x_(k+1)]` that holds `x`; the one on the right at a point.
    fn piece(&self, x: f64) -> usize {
        self.x[1..self.x.len() - 1].partition_point(|&knot| knot <= x)
    }

    fn clamp(&self, x: f64) -> f64 {
        x.clamp(self.x[0], self.x[self.x.len() - 1])
    }

    /// Coefficients of the piece in powers of `t = (x - x_k)/h`, beyond the constant one.
    fn cubic(&self, k: usize, h: f64) -> [f64; 3] {
        let (rise, left, right) = (self.y[k + 1] - self.y[k], h * self.slope[k], h * self.slope[k + 1]);
        [left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise]
    }
}

/// Slopes at the points from the widths and secants of the pieces.
fn monotone_slopes(h: &[f64], secant: &[f64]) -> Vec<f64> {
    let n = h.len() + 1;
    let mut slope = vec![secant[0]; n];
    if n == 2 {
        return slope;
    }
    for k in 1..n - 1 {
        let (left, right) = (secant[k - 1], secant[k]);
        slope[k] = if left != 0.0 && right != 0.0 && (left > 0.0) == (right > 0.0) {
            // Harmonic mean, weighted; at most three times the smaller secant.
            let (a, b) = (2.0 * h[k] + h[k - 1], h[k] + 2.0 * h[k - 1]);
            let mean = (a + b) / (a / left + b / right);
            let most = 3.0 * left.abs().min(right.abs());
            mean.clamp(-most, most)
        } else {
            0.0
        };
    }
    let end = |h0: f64, h1: f64, s0: f64, s1: f64| {
        let three_point = ((2.0 * h0 + h1) * s0 - h0 * s1) / (h0 + h1);
        if s0 == 0.0 || three_point * s0 <= 0.0 {
            0.0
        } else {
            three_point.clamp(-3.0 * s0.abs(), 3.0 * s0.abs())
        }
    };
    slope[0] = end(h[0], h[1], secant[0], secant[1]);
    slope[n - 1] = end(h[n - 2], h[n - 3], secant[n - 2], secant[n - 3]);
    slope
}

impl Field for Table {
    fn value(&self, x: f64) -> f64 {
        let x = self.clamp(x);
        let k = self.piece(x);
        let (x0, y0, y1) = (self.x[k], self.y[k], self.y[k + 1]);
        if x == self.x[k + 1] {
            return y1;
        }
        let h = self.x[k + 1] - x0;
        let t = (x - x0) / h;
        let y = match self.interpolation {
            Interpolation::Linear => y0 + t * (y1 - y0),
            Interpolation::MonotoneCubic => {
                let [a, b, c] = self.cubic(k, h);
                y0 + t * (a + t * (b + t * c))
            }
        };
        // Exact arithmetic would stay between the points.
        y.clamp(y0.min(y1), y0.max(y1))
    }

    fn slope(&self, x: f64) -> f64 {
        let (first, last) = (self.x[0], self.x[self.x.len() - 1]);
        if x < first || x > last {
            return 0.0;
        }
        let k = self.piece(x);
        match self.interpolation {
            Interpolation::Linear => self.slope[k],
            Interpolation::MonotoneCubic => {
                let h = self.x[k + 1] - self.x[k];
                let t = (x - self.x[k]) / h;
                let [a, b, c] = self.cubic(k, h);
                (a + t * (2.0 * b + t * 3.0 * c)) / h
            }
        }
    }

    /// Every piece is monotone, so the values at the ends and at the points between them bound all
    /// others, up to rounding.
    fn bounds(&self, x: Interval) -> Interval {
        let (lo, hi) = (self.clamp(x.lo), self.clamp(x.hi));
        let (first, last) = (self.piece(lo), self.piece(hi));
        let mut range = Interval::point(self.value(lo)).hull(Interval::point(self.value(hi)));
        for &y in &self.y[first + 1..=last] {
            range = range.hull(Interval::point(y));
        }
        let ends = [first, first + 1, last, last + 1].map(|k| self.y[k].abs());
        let margin = ROUNDING * ends.into_iter().fold(range.magnitude(), f64::max);
        // No value lies outside those at the points around.
        let points = self.y[first..=last + 1].iter();
        let (least, most) =
            points.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), y| (a.min(*y), b.max(*y)));
        Interval::new((range.lo - margin).max(least), (range.hi + margin).min(most))
    }

    fn kinks(&self, range: Interval) -> Vec<f64> {
        inside(&self.x[1..self.x.len() - 1], range)
    }

    fn constant(&self) -> Option<f64> {
        self.y.iter().all(|y| *y == self.y[0]).then_some(self.y[0])
    }

    fn describe(&self) -> String {
        let kind = match self.interpolation {
            Interpolation::Linear => "linear",
            Interpolation::MonotoneCubic => "monotone cubic",
        };
        format!("{kind} table of {} points", self.x.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::tests::{Random, bounds_hold, slope_holds};

    const RAGGED: [(f64, f64); 7] =
        [(0.0, 1.0), (0.1, 1.1), (0.15, 3.0), (0.4, 3.0), (0.55, 2.0), (0.9, 2.5), (1.0, 2.6)];

    /// `(x, value, slope)`.
    const SCIPY: [(f64, f64, f64); 14] = [
        (0.0, 1.0, 0.0),
        (0.03, 1.0078764331210193, 0.5411464968152871),
        (0.1, 1.1, 2.1783439490445877),
        (0.12, 1.784484076433121, 54.45859872611465),
        (0.149, 2.9977930955414007, 4.384280254777053),
        (0.2, 3.0, 0.0),
        (0.41, 2.9872592592592593, -2.4888888888888774),
        (0.5, 2.2592592592592595, -8.888888888888893),
        (0.55, 2.0, 0.0),
        (0.6, 2.0207218511274307, 0.7938148134479821),
        (0.77, 2.2857880946230207, 1.9193268627523339),
        (0.9, 2.5, 1.1392405063291149),
        (0.95, 2.55293098251959, 0.9889993972272465),
        (1.0, 2.6, 0.9047619047619062),
    ];

    #[test]
    fn monotone_cubic_agrees_with_scipy() {
        // scipy.interpolate.PchipInterpolator(x, y)(p) and its derivative, SciPy 1.17.
        let table = Table::new(&RAGGED, Interpolation::MonotoneCubic).unwrap();
        for (x, value, slope) in SCIPY {
            assert!((table.value(x) - value).abs() < 4e-15 * value, "{x}: {}", table.value(x));
            assert!((table.slope(x) - slope).abs() < 1e-12, "{x}: {}", table.slope(x));
        }
    }

    #[test]
    fn bounds_hold_on_random_tables() {
        let mut random = Random(7);
        for round in 0..200 {
            let n = 2 + random.below(12);
            let mut x = 0.0;
            let points: Vec<(f64, f64)> = (0..n)
                .map(|_| {
                    let here = x;
                    x += libm::pow(10.0, -4.0 * random.uniform());
                    let y = libm::pow(10.0, 6.0 * random.uniform() - 3.0);
                    (here, if round % 3 == 0 { -y } else { y })
                })
                .collect();
            for interpolation in [Interpolation::Linear, Interpolation::MonotoneCubic] {
                bounds_hold(&Table::new(&points, interpolation).unwrap(), points[n - 1].0);
            }
        }
    }

    #[test]
    fn points_are_met_and_slopes_are_derivatives() {
        for interpolation in [Interpolation::Linear, Interpolation::MonotoneCubic] {
            let table = Table::new(&RAGGED, interpolation).unwrap();
            assert!(RAGGED.iter().all(|&(x, y)| table.value(x) == y));
            assert!(table.points().eq(RAGGED));
            assert_eq!((table.value(-1.0), table.value(2.0), table.slope(2.0)), (1.0, 2.6, 0.0));
            assert_eq!(table.kinks(Interval::new(0.1, 0.9)), [0.15, 0.4, 0.55]);
            slope_holds(&table, 1.0);
            // Monotone where the points are.
            let values: Vec<f64> = (0..=1000).map(|i| table.value(0.15 * f64::from(i) / 1000.0)).collect();
            assert!(values.is_sorted());
        }
        let flat = Table::new(&[(0.0, 2.0), (1.0, 2.0)], Interpolation::MonotoneCubic).unwrap();
        assert_eq!(flat.constant(), Some(2.0));
    }

    #[test]
    fn points_that_are_no_function_are_refused() {
        let make = |points: &[(f64, f64)]| Table::new(points, Interpolation::Linear).unwrap_err();
        assert_eq!(make(&[(0.0, 1.0)]), KnotError::TooFew { found: 1 });
        assert_eq!(make(&[(0.0, 1.0), (0.0, 2.0)]), KnotError::NotIncreasing { index: 1 });
        assert_eq!(make(&[(0.0, 1.0), (1.0, f64::NAN)]), KnotError::NotFinite { index: 1 });
        assert_eq!(make(&[(0.0, 1.0), (1e-310, 2.0)]), KnotError::TooSteep { index: 1 });
        assert_eq!(make(&[(0.0, -1e308), (1.0, 1e308)]), KnotError::TooSteep { index: 1 });
    }
}
