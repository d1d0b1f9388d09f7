//! Regression on controls: quantities whose expectation is known to be zero.

use super::{CONFIDENCE, Estimate, Outcome, Sample, f_survival, t_quantile};

/// Quantities with expectation zero, measured in the same groups as what they are to explain.
///
/// With `y_g` the pseudo-values of a quantity and `x_g` those of `q` controls, the regression
/// `y_g = a + b' x_g + e_g` has the expectation of the quantity as its intercept `a`, because that of the controls is
/// zero. Its error follows from what is left over: with `s^2 = sum e_g^2/(G - q - 1)`
///
/// `Var(a) = s^2/G (1 + T^2/(G - 1))`,  `T^2` Hotelling's for the controls against zero,
///
/// where the bracket is the price of coefficients that are estimated; `a` has a t interval with `G - q - 1` degrees of
/// freedom, exact where `y` and `x` are jointly normal. Lavenberg & Welch, Management Sci. 27, 322 (1981).
///
/// The intercept is right as far as the expectation of the controls *is* zero. If it is not, the estimate is drawn to
/// where it would be if it were: [`Controls::against_zero`] belongs beside it.
#[derive(Clone, Debug)]
pub struct Controls {
    groups: usize,
    /// Centred pseudo-values of the controls, made orthonormal.
    columns: Vec<Vec<f64>>,
    /// The same combinations of the means of their pseudo-values, and of their values.
    means: Vec<f64>,
    values: Vec<f64>,
}

/// Controls, or what they leave of a quantity, below this part of their own size depend on others linearly.
const DEPENDENT: f64 = 1e-9;

/// Hotelling's T^2 of controls against zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// `T^2`.
    pub t_squared: f64,
    /// Degrees of freedom of `F = T^2 (G - q)/(q (G - 1))`: `q` and `G - q`.
    pub dof: [usize; 2],
    /// P-value.
    pub p_value: f64,
}

impl Controls {
    /// Controls from their samples; those that depend on others linearly are left out. `None` where there is none, or too
    /// few groups to leave as many degrees of freedom as there are controls.
    pub fn new(samples: &[Sample]) -> Option<Self> {
        let groups = samples.first()?.pseudo.len();
        let mut controls = Controls { groups, columns: Vec::new(), means: Vec::new(), values: Vec::new() };
        for sample in samples {
            let (mut mean, mut column) = centred(&sample.pseudo);
            let mut value = sample.value;
            let size = norm(&column);
            // Twice, so that rounding leaves nothing of the earlier ones.
            for _ in 0..2 {
                let offsets = controls.means.iter().zip(&controls.values);
                for (before, (of_mean, of_value)) in controls.columns.iter().zip(offsets) {
                    let along = inner(before, &column);
                    column.iter_mut().zip(before).for_each(|(c, b)| *c -= along * b);
                    mean -= along * of_mean;
                    value -= along * of_value;
                }
            }
            let rest = norm(&column);
            // Written so that a spread that is zero or no number is left out too.
            if rest > libm::sqrt(DEPENDENT) * size {
                column.iter_mut().for_each(|c| *c /= rest);
                controls.columns.push(column);
                controls.means.push(mean / rest);
                controls.values.push(value / rest);
            }
        }
        (!controls.columns.is_empty() && groups > 2 * controls.columns.len() + 1).then_some(controls)
    }

    /// Number of controls that do not depend on others.
    pub fn count(&self) -> usize {
        self.columns.len()
    }

    /// Degrees of freedom that are left to a quantity.
    pub fn dof(&self) -> f64 {
        (self.groups - self.columns.len() - 1) as f64
    }

    /// Whether the controls have the expectation zero, all of them together.
    pub fn against_zero(&self) -> Residual {
        let (g, q) = (self.groups as f64, self.count() as f64);
        let t_squared = g * (g - 1.0) * self.values.iter().map(|v| v * v).sum::<f64>();
        let p_value = f_survival(t_squared * (g - q) / (q * (g - 1.0)), q, g - q);
        Residual { t_squared, dof: [self.count(), self.groups - self.count()], p_value }
    }

    fn leverage(&self) -> f64 {
        self.means.iter().map(|m| m * m).sum()
    }

    /// The intercept of the regression of pseudo-values on the controls, with what these leave of the differences from it.
    fn regress(&self, pseudo: &[f64]) -> (f64, Vec<f64>) {
        let (mut value, mut rest) = centred(pseudo);
        for _ in 0..2 {
            for (column, mean) in self.columns.iter().zip(&self.means) {
                let along = inner(column, &rest);
                rest.iter_mut().zip(column).for_each(|(r, c)| *r -= along * c);
                value -= along * mean;
            }
        }
        (value, rest)
    }

    /// The intercept alone.
    pub fn intercept(&self, pseudo: &[f64]) -> f64 {
        self.regress(pseudo).0
    }

    /// The intercept of the regression of a quantity on the controls, with its standard error and 95 % interval.
    pub fn assist(&self, sample: &Sample) -> Outcome {
        let size = norm(&centred(&sample.pseudo).1);
        let (value, rest) = self.regress(&sample.pseudo);
        let left = norm(&rest);
        if !(left.is_finite() && value.is_finite()) {
            return Outcome::null("the estimate is not a finite number");
        }
        // Rounding of sums of counts leaves about 1e-13 of them.
        if left <= DEPENDENT * size || left <= 1e-12 * value.abs() {
            return Outcome::null("the controls explain all of it: it follows from the model without a run");
        }
        let variance = left * left / self.dof();
        let std_error = libm::sqrt(variance * (1.0 / self.groups as f64 + self.leverage()));
        let reach = t_quantile(CONFIDENCE, self.dof()) * std_error;
        Outcome::Estimate(Estimate { value, std_error, low: value - reach, high: value + reach })
    }
}

/// The mean, and the differences from it.
fn centred(values: &[f64]) -> (f64, Vec<f64>) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|v| v - mean).collect())
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    libm::sqrt(inner(a, a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, standard_normal, stream};
    use crate::stats::hotelling;

    /// A quantity of mean 3 in 40 groups, `y = 3 + x_1 - 2 x_2 + noise/10`, with its controls.
    fn samples(shift: f64, seed: u64) -> (Sample, Vec<Sample>) {
        let mut s = stream(seed, Purpose::Start, 0);
        let mut columns = vec![Vec::new(); 4];
        for _ in 0..40 {
            let [a, b, e] = [0; 3].map(|_| standard_normal(s.word()));
            let (x, y) = (a + shift, 1e3 * b);
            let values = [3.0 + x - 2e-3 * y + 0.1 * e, x, y, x - y];
            columns.iter_mut().zip(values).for_each(|(column, v)| column.push(v));
        }
        let sample = |v: Vec<f64>| Sample { value: v.iter().sum::<f64>() / 40.0, pseudo: v };
        let mut all = columns.into_iter().map(sample);
        (all.next().expect("a quantity"), all.collect())
    }

    #[test]
    fn controls_take_away_what_they_explain() {
        let (quantity, controls) = samples(0.0, 1);
        let regression = Controls::new(&controls).expect("controls");
        assert_eq!(regression.count(), 2, "the third depends on the others");
        let assisted = *regression.assist(&quantity).estimate().expect("an estimate");
        let gain = quantity.std_error() / assisted.std_error;
        assert!((10.0..40.0).contains(&gain), "{gain}");
        assert!((assisted.value - 3.0).abs() < 5.0 * assisted.std_error);
        let residual = regression.against_zero();
        let test = hotelling(&controls[..2], &[0.0, 0.0]).expect("two contrasts");
        assert!((residual.t_squared / test.t_squared - 1.0).abs() < 1e-9);
        assert!((residual.p_value / test.p_value - 1.0).abs() < 1e-9);
        // What is a combination of controls has nothing left.
        assert!(regression.assist(&controls[2]).estimate().is_none());
        assert!(Controls::new(&[]).is_none());
    }

    #[test]
    fn intervals_cover_and_a_shift_is_seen() {
        // 2000 repetitions: the binomial spread is 0.0049, 6.5 of it has p = 8e-11.
        let covered = |shift: f64, short: f64| {
            let inside = |seed: u64| {
                let (quantity, controls) = samples(shift, seed);
                let assisted = Controls::new(&controls).expect("controls").assist(&quantity);
                let e = assisted.estimate().expect("an estimate");
                (e.value - 3.0).abs() <= short * (e.high - e.value)
            };
            (0..2000).filter(|k| inside(*k)).count() as f64 / 2000.0
        };
        assert!((covered(0.0, 1.0) - 0.95).abs() < 6.5 * 0.0049);
        // The trap: controls that do not vanish leave the estimate where it would be if they did...
        assert!((covered(1.0, 1.0) - 0.95).abs() < 6.5 * 0.0049);
        // ... and only their own test tells.
        let (_, controls) = samples(2.0, 1);
        assert!(Controls::new(&controls).expect("controls").against_zero().p_value < 1e-5);
        // Negative control: intervals too short by a sixth.
        assert!((covered(0.0, 0.83) - 0.95).abs() > 6.5 * 0.0049);
    }
}
