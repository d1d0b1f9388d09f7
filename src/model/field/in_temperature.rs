//! Functions of position and local temperature: `D(x, T(x))`, `gamma(x, T(x))`, rates.

use super::{Field, Interval};
use crate::expression::Expression;
use std::sync::Arc;

/// An expression in `x` and `T`, evaluated at the local temperature.
///
/// ```
/// use soret::expression::Expression;
/// use soret::model::{Field, InTemperature, Uniform};
/// use std::sync::Arc;
/// let law = Expression::parse("3*T + x", &["x", "T"], &[])?;
/// let diffusivity = InTemperature::new(law, Arc::new(Uniform(2.0)));
/// assert_eq!((diffusivity.value(1.0), diffusivity.slope(1.0)), (7.0, 1.0));
/// # Ok::<(), soret::expression::ExpressionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct InTemperature {
    law: Expression,
    temperature: Arc<dyn Field>,
}

/// Places of the variables in the expression.
const X: usize = 0;
const T: usize = 1;

impl InTemperature {
    /// `law` must be in the variables `x` and `T`, in this order.
    pub fn new(law: Expression, temperature: Arc<dyn Field>) -> Self {
        InTemperature { law, temperature }
    }

    /// The expression.
    pub fn law(&self) -> &Expression {
        &self.law
    }

    /// Where the temperature passes through a value at which the law has a kink: signs between samples,
    /// then bisection. Best effort, like [`Expression::kinks`].
    fn crossings(&self, range: Interval) -> Vec<f64> {
        const SAMPLES: u32 = 1024;
        if !self.law.reads(T) || !range.is_finite() || self.temperature.constant().is_some() {
            return Vec::new();
        }
        let levels = self.law.kinks(T, self.temperature.bounds(range));
        let at = |i: u32| range.lo + (range.hi - range.lo) * f64::from(i) / f64::from(SAMPLES);
        let mut found = Vec::new();
        for level in levels {
            let below = |x: f64| self.temperature.value(x) < level;
            for i in 0..SAMPLES {
                let (mut lo, mut hi) = (at(i), at(i + 1));
                let side = below(lo);
                if side == below(hi) {
                    continue;
                }
                loop {
                    let middle = 0.5 * (lo + hi);
                    if middle <= lo || middle >= hi {
                        break;
                    }
                    if below(middle) == side { lo = middle } else { hi = middle }
                }
                found.push(hi);
            }
        }
        found
    }
}

impl Field for InTemperature {
    fn value(&self, x: f64) -> f64 {
        self.law.eval(&[x, self.temperature.value(x)])
    }
    fn slope(&self, x: f64) -> f64 {
        let at = [x, self.temperature.value(x)];
        let explicit = if self.law.reads(X) { self.law.eval_with_derivative(&at, X).1 } else { 0.0 };
        let thermal = if self.law.reads(T) { self.law.eval_with_derivative(&at, T).1 } else { 0.0 };
        // A law that does not read T has no slope through it, whatever the temperature's is.
        if thermal == 0.0 { explicit } else { explicit + thermal * self.temperature.slope(x) }
    }
    fn bounds(&self, x: Interval) -> Interval {
        self.law.eval_bounds(&[x, self.temperature.bounds(x)])
    }
    fn kinks(&self, range: Interval) -> Vec<f64> {
        let mut all = self.law.kinks(X, range);
        if self.law.reads(T) {
            all.extend(self.temperature.kinks(range));
            all.extend(self.crossings(range));
        }
        all.retain(|&x| range.lo < x && x < range.hi);
        all.sort_by(f64::total_cmp);
        all.dedup_by(|later, earlier| *later - *earlier <= 1e-9 * range.width());
        all
    }
    fn constant(&self) -> Option<f64> {
        if let Some(value) = self.law.constant() {
            return Some(value);
        }
        let temperature = self.temperature.constant()?;
        (!self.law.reads(X)).then(|| self.law.eval(&[0.0, temperature]))
    }
    fn describe(&self) -> String {
        self.law.source().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::tests::{bounds_hold, slope_holds};
    use crate::model::{Interpolation, Steps, Table, Uniform};

    fn law(source: &str, temperature: Arc<dyn Field>) -> InTemperature {
        InTemperature::new(Expression::parse(source, &["x", "T"], &[]).unwrap(), temperature)
    }

    #[test]
    fn values_slopes_and_bounds_follow_the_temperature() {
        let table = Table::new(&[(0.0, 1.0), (0.3, 1.7), (1.0, 1.2)], Interpolation::MonotoneCubic).unwrap();
        let line = Expression::parse("1 + 0.8*x", &["x"], &[]).unwrap();
        let temperatures: [Arc<dyn Field>; 4] = [
            Arc::new(table),
            Arc::new(line),
            Arc::new(Steps::new(vec![0.4], vec![1.0, 2.0]).unwrap()),
            Arc::new(Uniform(1.3)),
        ];
        for temperature in temperatures {
            for source in ["T", "0.1*T*exp(-2/T)", "x*T + 1", "abs(T - 1.4) + x^2", "(1 + x)/T", "2"] {
                let field = law(source, temperature.clone());
                bounds_hold(&field, 1.0);
                slope_holds(&field, 1.0);
            }
        }
    }

    #[test]
    fn kinks_are_those_of_the_law_and_of_the_temperature() {
        let steps: Arc<dyn Field> = Arc::new(Steps::new(vec![0.4], vec![1.0, 2.0]).unwrap());
        let range = Interval::new(0.0, 1.0);
        assert_eq!(law("T + abs(x - 0.5)", steps.clone()).kinks(range), [0.4, 0.5]);
        assert_eq!(law("1 + abs(x - 0.5)", steps).kinks(range), [0.5]);
        let line: Arc<dyn Field> = Arc::new(Expression::parse("1 + x", &["x"], &[]).unwrap());
        let crossing = law("max(T, 1.25)", line).kinks(range);
        assert!(crossing.len() == 1 && (crossing[0] - 0.25).abs() < 1e-9, "{crossing:?}");
    }

    #[test]
    fn constants_are_known() {
        assert_eq!(
            law("2*3", Arc::new(Steps::new(vec![0.5], vec![1.0, 2.0]).unwrap())).constant(),
            Some(6.0)
        );
        assert_eq!(law("2*T", Arc::new(Uniform(1.5))).constant(), Some(3.0));
        assert_eq!(law("2*T + x", Arc::new(Uniform(1.5))).constant(), None);
    }
}
