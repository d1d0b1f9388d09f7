//! Closures as fields, for users of the library.

use super::{Field, Interval};
use std::fmt;
use std::sync::Arc;

/// A function of position as a closure.
type Closure = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

/// What the author of a closure promises, so that bounds can be given.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Promise {
    /// `|f(x) - f(y)| <= constant |x - y|`.
    Lipschitz(f64),
    /// Never decreasing, or never increasing.
    Monotone,
}

/// A closure with a promise about it. Exact kernels rely on the bounds that follow from the promise and
/// end with an error when they see it broken.
///
/// ```
/// use soret::expression::Interval;
/// use soret::model::{Field, Function};
/// let bump = Function::lipschitz(|x: f64| 1.0 + 0.3 * (5.0 * x).sin(), 1.5);
/// assert!(bump.bounds(Interval::new(0.0, 0.1)).contains(bump.value(0.07)));
/// let ramp = Function::monotone(|x: f64| 1.0 + x * x).with_slope(|x| 2.0 * x);
/// assert_eq!(ramp.slope(0.5), 1.0);
/// ```
#[derive(Clone)]
pub struct Function {
    value: Closure,
    slope: Option<Closure>,
    promise: Promise,
    length: f64,
    kinks: Vec<f64>,
    name: String,
}

/// Rounding of the closure itself, relative to its value.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

impl Function {
    fn new(value: Closure, promise: Promise) -> Self {
        Function { value, slope: None, promise, length: 1.0, kinks: Vec::new(), name: "function".into() }
    }

    /// A function that changes by at most `constant` per unit of length.
    pub fn lipschitz(f: impl Fn(f64) -> f64 + Send + Sync + 'static, constant: f64) -> Self {
        Self::new(Arc::new(f), Promise::Lipschitz(constant.abs()))
    }

    /// A function that never decreases, or never increases.
    pub fn monotone(f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(Arc::new(f), Promise::Monotone)
    }

    /// Gives the derivative; without it, slopes are differences over a hundred-thousandth of the length.
    pub fn with_slope(self, slope: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Function { slope: Some(Arc::new(slope)), ..self }
    }

    /// Length of the domain, outside of which the closure is never called (default 1).
    pub fn with_length(self, length: f64) -> Self {
        Function { length, ..self }
    }

    /// Announces jumps of the value or of the slope, in increasing order.
    pub fn with_kinks(self, kinks: Vec<f64>) -> Self {
        Function { kinks, ..self }
    }

    /// A name for messages and manifests.
    pub fn named(self, name: impl Into<String>) -> Self {
        Function { name: name.into(), ..self }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("promise", &self.promise)
            .field("length", &self.length)
            .field("kinks", &self.kinks)
            .finish_non_exhaustive()
    }
}

impl Field for Function {
    fn value(&self, x: f64) -> f64 {
        (self.value)(x)
    }

    fn slope(&self, x: f64) -> f64 {
        if let Some(slope) = &self.slope {
            return slope(x);
        }
        let step = 1e-5 * self.length;
        let (lo, hi) = ((x - step).max(0.0), (x + step).min(self.length));
        let f = &self.value;
        if x - lo == hi - x {
            (f(hi) - f(lo)) / (hi - lo)
        } else {
            // At a wall: one-sided, of second order.
            let h = if x + step <= self.length { step } else { -step };
            let (near, far) = (x + 0.5 * h, x + h);
            let (near_step, far_step) = (near - x, far - x);
            let (a, b) = ((f(near) - f(x)) / near_step, (f(far) - f(x)) / far_step);
            (a * far_step - b * near_step) / (far_step - near_step)
        }
    }

    fn slope_bounds(&self, _x: Interval) -> Interval {
        match self.promise {
            Promise::Lipschitz(constant) => Interval::new(-constant, constant),
            Promise::Monotone => Interval::whole(),
        }
    }

    fn bounds(&self, x: Interval) -> Interval {
        let f = |x| (self.value)(x);
        let (lo, hi) = match self.promise {
            Promise::Lipschitz(constant) => {
                let middle = x.midpoint();
                let (value, reach) = (f(middle), constant * (middle - x.lo).max(x.hi - middle));
                (value - reach, value + reach)
            }
            Promise::Monotone => {
                let (a, b) = (f(x.lo), f(x.hi));
                if a.is_nan() || b.is_nan() { (f64::NAN, f64::NAN) } else { (a.min(b), a.max(b)) }
            }
        };
        let margin = ROUNDING * lo.abs().max(hi.abs());
        let (lo, hi) = (lo - margin, hi + margin);
        if lo <= hi { Interval::new(lo, hi) } else { Interval::whole() }
    }

    fn kinks(&self, range: Interval) -> Vec<f64> {
        super::knots::inside(&self.kinks, range)
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::tests::{bounds_hold, slope_holds};

    #[test]
    fn promises_make_bounds() {
        let wave = Function::lipschitz(|x| 2.0 + libm::sin(7.0 * x), 7.0);
        bounds_hold(&wave, 1.0);
        slope_holds(&wave, 1.0);
        let wide = wave.bounds(Interval::new(0.2, 0.4));
        assert!(wide.width() < 1.5, "{wide:?}");
        let fall = Function::monotone(|x| libm::exp(-x)).with_length(3.0).named("fall");
        bounds_hold(&fall, 3.0);
        slope_holds(&fall, 3.0);
        assert_eq!(fall.describe(), "fall");
        assert!(format!("{fall:?}").contains("Monotone"));
    }

    #[test]
    fn a_closure_is_never_called_outside_its_domain() {
        let inside = Function::monotone(|x| if (0.0..=2.0).contains(&x) { x * x } else { f64::NAN });
        let inside = inside.with_length(2.0).with_kinks(vec![0.5, 1.5]);
        for (x, slope) in [(0.0, 0.0), (1e-6, 2e-6), (2.0, 4.0), (2.0 - 1e-6, 4.0)] {
            assert!((inside.slope(x) - slope).abs() < 1e-5, "{x}: {}", inside.slope(x));
        }
        assert_eq!(inside.kinks(Interval::new(0.5, 2.0)), [1.5]);
        assert_eq!(inside.bounds(Interval::new(1.0, 5.0)), Interval::whole());
    }

    // Negative controls of the helpers that the other tests trust.
    #[test]
    #[should_panic(expected = "in Interval")]
    fn a_broken_promise_is_visible() {
        bounds_hold(&Function::lipschitz(|x| 10.0 * x, 1.0), 1.0);
    }

    #[test]
    #[should_panic(expected = ": 2 ")]
    fn a_wrong_slope_is_visible() {
        slope_holds(&Function::monotone(|x| x + 1e-9).with_slope(|_| 2.0), 1.0);
    }
}
