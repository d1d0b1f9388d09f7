//! Power laws from points with known errors: slopes of logarithms, and orders of a difference that may be
//! lost in noise.

use super::t_quantile;
use statrs::function::gamma::gamma_ur;

/// Degrees of freedom from which on Student's law is the normal one to four digits.
const MANY: f64 = 1e5;

/// The half-width of a 95 % interval in standard errors that are known.
pub fn normal_reach() -> f64 {
    t_quantile(super::CONFIDENCE, MANY)
}

/// Probability that chi-squared with `dof` degrees of freedom exceeds `chi_squared`.
pub fn chi_squared_survival(chi_squared: f64, dof: f64) -> f64 {
    if chi_squared <= 0.0 || dof <= 0.0 { 1.0 } else { gamma_ur(0.5 * dof, 0.5 * chi_squared) }
}

/// The standard deviation of independent values, with the error of its logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation, `n - 1` in the denominator.
    pub deviation: f64,
    /// Standard error of `ln deviation`, `sqrt((kappa - (n - 3)/(n - 1))/(4 n))` with the sample kurtosis
    /// `kappa = m_4/m_2^2`; `1/sqrt(2 (n - 1))` for a normal law, more where tails are heavy.
    pub log_error: f64,
}

impl Spread {
    /// Of independent, equally distributed values. `None` for fewer than 8 of them or without any spread.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 8 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let moment = |k: i32| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / n;
        let second = moment(2);
        let kurtosis = moment(4) / (second * second);
        let log_error = libm::sqrt((kurtosis - (n - 3.0) / (n - 1.0)).max(0.0) / (4.0 * n));
        let deviation = libm::sqrt(second * n / (n - 1.0));
        let usable = deviation > 1e-13 * mean.abs() && deviation.is_finite() && log_error > 0.0;
        (usable && log_error.is_finite()).then_some(Spread { deviation, log_error })
    }
}

/// A straight line through points whose errors are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Slope.
    pub slope: f64,
    /// Its standard error.
    pub slope_error: f64,
    /// Value at the weighted middle of the points, where it is independent of the slope.
    pub level: f64,
    /// Its standard error.
    pub level_error: f64,
    /// That middle.
    pub middle: f64,
    /// P-value of the sum of squares about the line: small if the points lie on no line.
    pub fits: f64,
}

impl Line {
    /// The line of least squares through `(x, y, standard error of y)`. `None` for fewer than two different
    /// places or an error that is not positive.
    pub fn through(points: &[(f64, f64, f64)]) -> Option<Self> {
        let weight = |error: f64| 1.0 / (error * error);
        if points
            .iter()
            .any(|p| !(p.2 > 0.0 && weight(p.2).is_finite() && p.0.is_finite() && p.1.is_finite()))
        {
            return None;
        }
        let sum =
            |f: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(|p| weight(p.2) * f(p)).sum::<f64>();
        let total = sum(&|_| 1.0);
        let (middle, level) = (sum(&|p| p.0) / total, sum(&|p| p.1) / total);
        let width = sum(&|p| (p.0 - middle) * (p.0 - middle));
        if points.len() < 2 || width.is_nan() || width <= 1e-12 * total * middle * middle {
            return None;
        }
        let slope = sum(&|p| (p.0 - middle) * (p.1 - level)) / width;
        let chi_squared = sum(&|p| {
            let rest = p.1 - level - slope * (p.0 - middle);
            rest * rest
        });
        Some(Line {
            slope,
            slope_error: 1.0 / libm::sqrt(width),
            level,
            level_error: 1.0 / libm::sqrt(total),
            middle,
            fits: chi_squared_survival(chi_squared, points.len() as f64 - 2.0),
        })
    }

    /// The line at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.level + self.slope * (x - self.middle)
    }
}

/// `b(x) = amplitude x^order` fitted to values with errors, signs and unresolved points included: no
/// logarithm is taken of anything noisy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// The order of least squares.
    pub order: f64,
    /// Ends of its 95 % interval, where the sum of squares is 3.84 above its least; `None` where it stays
    /// below that as far as [`ORDERS`] reaches.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Amplitude at that order.
    pub amplitude: f64,
    /// P-value of the sum of squares: small if no power law holds.
    pub fits: f64,
}

/// Orders among which a fit looks.
pub const ORDERS: (f64, f64) = (-1.0, 6.0);

/// The amplitude of `amplitude x^order` at a given order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amplitude {
    /// Weighted least squares.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Sum of squares that is left.
    pub chi_squared: f64,
}

impl Amplitude {
    /// From `(x, b, standard error of b)`, `x > 0`.
    pub fn at_order(order: f64, points: &[(f64, f64, f64)]) -> Self {
        let (mut top, mut bottom) = (0.0, 0.0);
        for (x, b, error) in points {
            let (model, weight) = (libm::pow(*x, order), 1.0 / (error * error));
            top += weight * model * b;
            bottom += weight * model * model;
        }
        let value = top / bottom;
        let rest = |(x, b, error): &(f64, f64, f64)| {
            let z = (b - value * libm::pow(*x, order)) / error;
            z * z
        };
        Amplitude { value, error: 1.0 / libm::sqrt(bottom), chi_squared: points.iter().map(rest).sum() }
    }
}

impl Power {
    /// The fit to `(x, b, standard error of b)`, `x > 0`. `None` for fewer than two points, or where even
    /// the best order leaves an amplitude below three of its errors: then nothing is seen whose order could
    /// be told.
    pub fn through(points: &[(f64, f64, f64)]) -> Option<Self> {
        let usable = |p: &(f64, f64, f64)| p.0 > 0.0 && p.2 > 0.0 && p.1.is_finite() && p.2.is_finite();
        if points.len() < 2 || !points.iter().all(usable) {
            return None;
        }
        // In units of the largest x, so that amplitudes of all orders are of one size.
        let unit = points.iter().map(|p| p.0).fold(0.0, f64::max);
        let scaled: Vec<_> = points.iter().map(|p| (p.0 / unit, p.1, p.2)).collect();
        let chi = |order: f64| Amplitude::at_order(order, &scaled).chi_squared;
        const STEPS: usize = 1400;
        let order_of = |k: usize| ORDERS.0 + (ORDERS.1 - ORDERS.0) * k as f64 / STEPS as f64;
        let best = (0..=STEPS).min_by(|a, b| chi(order_of(*a)).total_cmp(&chi(order_of(*b))))?;
        let (mut lo, mut hi) = (order_of(best.saturating_sub(1)), order_of((best + 1).min(STEPS)));
        for _ in 0..60 {
            let (a, b) = (lo + (hi - lo) / 3.0, hi - (hi - lo) / 3.0);
            if chi(a) < chi(b) { hi = b } else { lo = a }
        }
        let order = 0.5 * (lo + hi);
        let least = chi(order);
        let amplitude = Amplitude::at_order(order, &scaled);
        if amplitude.value.abs() < 3.0 * amplitude.error {
            return None;
        }
        let reach = normal_reach() * normal_reach();
        let crossing = |end: f64| {
            if chi(end) < least + reach {
                return None;
            }
            let (mut inside, mut outside) = (order, end);
            for _ in 0..60 {
                let middle = 0.5 * (inside + outside);
                if chi(middle) < least + reach { inside = middle } else { outside = middle }
            }
            Some(0.5 * (inside + outside))
        };
        Some(Power {
            order,
            low: crossing(ORDERS.0),
            high: crossing(ORDERS.1),
            amplitude: amplitude.value / libm::pow(unit, order),
            fits: chi_squared_survival(least, points.len() as f64 - 2.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, standard_normal, stream};

    #[test]
    fn a_line_is_found_and_its_error_is_the_known_one() {
        // Four points with unit errors at -3, -1, 1, 3: the slope has variance 1/20.
        let points: Vec<_> = [-3.0, -1.0, 1.0, 3.0].map(|x| (x, 2.0 - 0.5 * x, 1.0)).into();
        let line = Line::through(&points).unwrap();
        assert!((line.slope + 0.5).abs() < 1e-14 && (line.at(1.0) - 1.5).abs() < 1e-14);
        assert!(
            (line.slope_error - 1.0 / 20f64.sqrt()).abs() < 1e-14 && (line.level_error - 0.5).abs() < 1e-14
        );
        assert_eq!(line.fits, 1.0);
        // A point ten errors off a line through four: chi^2 = 100 (1 - 0.7) with two degrees of freedom.
        let mut bent = points.clone();
        bent[0].1 += 10.0;
        let p = Line::through(&bent).unwrap().fits;
        assert!((p / (-15f64).exp() - 1.0).abs() < 1e-9, "{p}");
        assert_eq!(Line::through(&points[..1]), None);
    }

    #[test]
    fn chi_squared_at_known_places() {
        // Two degrees of freedom: exp(-x/2); one: the normal law.
        assert!((chi_squared_survival(3.0, 2.0) - (-1.5f64).exp()).abs() < 1e-12);
        let normal = 2.0 * crate::stats::normal_survival(1.7);
        assert!((chi_squared_survival(1.7 * 1.7, 1.0) - normal).abs() < 1e-10);
    }

    #[test]
    fn the_spread_of_normal_values_has_the_error_of_chi_squared() {
        // 400 samples of 256 values: the deviates of ln s have unit variance. The mean of their squares has
        // the error sqrt(2/400) = 0.07; six of them.
        let mut s = stream(5, Purpose::Start, 0);
        let mut deviate = || {
            let values: Vec<f64> = (0..256).map(|_| standard_normal(s.word())).collect();
            let spread = Spread::of(&values).unwrap();
            spread.deviation.ln() / spread.log_error
        };
        let square = (0..400).map(|_| deviate().powi(2)).sum::<f64>() / 400.0;
        assert!((square - 1.0).abs() < 0.42, "{square}");
        assert_eq!(Spread::of(&[1.0; 100]), None);
    }

    #[test]
    fn orders_come_with_their_intervals() {
        // b = 3 x^2 with errors that hide the smaller half of the points.
        let at = |noise: &dyn Fn(usize) -> f64| -> Vec<(f64, f64, f64)> {
            (0..8)
                .map(|k| (0.5f64.powi(k as i32), k))
                .map(|(x, k)| (x, 3.0 * x * x + 0.01 * noise(k), 0.01))
                .collect()
        };
        let exact = Power::through(&at(&|_| 0.0)).unwrap();
        assert!((exact.order - 2.0).abs() < 1e-6 && (exact.amplitude - 3.0).abs() < 1e-6, "{exact:?}");
        // 400 noisy repeats: the interval covers in 95 % of them, within six errors of 1.1 %.
        let mut s = stream(6, Purpose::Start, 0);
        let covered = (0..400).filter(|_| {
            let noise: Vec<f64> = (0..8).map(|_| standard_normal(s.word())).collect();
            let fit = Power::through(&at(&|k| noise[k])).unwrap();
            fit.low.unwrap() < 2.0 && 2.0 < fit.high.unwrap()
        });
        let covered = covered.count() as f64 / 400.0;
        assert!((covered - 0.95).abs() < 0.066, "{covered}");
        // Nothing but noise has no order.
        let nothing: Vec<_> =
            (0..8).map(|k| (0.5f64.powi(k), 0.01 * f64::from(k % 2 * 2 - 1), 0.01)).collect();
        assert_eq!(Power::through(&nothing), None);
    }
}
