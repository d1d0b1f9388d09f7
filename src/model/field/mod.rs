//! Functions of position: temperatures, diffusivities, frictions, rates.
//!
//! One kind of field is one file: [`Uniform`] and [`Expression`] here, [`Table`], [`Steps`],
//! [`InTemperature`], and [`Function`] for closures of library users.

mod function;
mod in_temperature;
mod knots;
mod steps;
mod table;

pub use function::Function;
pub use in_temperature::InTemperature;
pub use knots::KnotError;
pub use steps::Steps;
pub use table::{Interpolation, Table};

use crate::expression::{Expression, Interval};
use std::fmt;

/// A function of position that can also *prove* bounds on itself.
///
/// # Contract
/// - `value(x)` is finite for every `x` in the domain.
/// - `bounds(i)` contains `value(x)` for every `x` in `i`. Exact kernels reject candidate transitions
///   against these bounds, so a bound that is too tight would bias them; they re-check every value
///   that they evaluate and end with an error when a bound turns out to be violated.
/// - Between two neighbouring `kinks` the function is smooth (as far as its author knows); theory puts
///   element boundaries there.
pub trait Field: fmt::Debug + Send + Sync {
    /// The value at `x`.
    fn value(&self, x: f64) -> f64;
    /// The derivative with respect to `x` (either one-sided value at a kink).
    fn slope(&self, x: f64) -> f64;
    /// An interval that contains every value taken on `x`.
    fn bounds(&self, x: Interval) -> Interval;
    /// An interval that contains every slope on `x`, at kinks all between the one-sided ones; the whole line
    /// where none is known.
    fn slope_bounds(&self, _x: Interval) -> Interval {
        Interval::whole()
    }
    /// Positions of jumps of the value or slope within `range`, in increasing order; may be empty.
    fn kinks(&self, _range: Interval) -> Vec<f64> {
        Vec::new()
    }
    /// The value, if it is the same everywhere.
    fn constant(&self) -> Option<f64> {
        None
    }
    /// How the field is written, for manifests and messages.
    fn describe(&self) -> String;
}

/// A field with the same value everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniform(pub f64);

impl Field for Uniform {
    fn value(&self, _x: f64) -> f64 {
        self.0
    }
    fn slope(&self, _x: f64) -> f64 {
        0.0
    }
    fn bounds(&self, _x: Interval) -> Interval {
        Interval::point(self.0)
    }
    fn slope_bounds(&self, _x: Interval) -> Interval {
        Interval::point(0.0)
    }
    fn constant(&self) -> Option<f64> {
        Some(self.0)
    }
    fn describe(&self) -> String {
        format!("{}", self.0)
    }
}

/// An expression in the single variable `x`.
impl Field for Expression {
    fn value(&self, x: f64) -> f64 {
        self.eval(&[x])
    }
    fn slope(&self, x: f64) -> f64 {
        self.eval_with_derivative(&[x], 0).1
    }
    fn bounds(&self, x: Interval) -> Interval {
        self.eval_bounds(&[x])
    }
    fn slope_bounds(&self, x: Interval) -> Interval {
        self.derivative_bounds(&[x], 0)
    }
    fn kinks(&self, range: Interval) -> Vec<f64> {
        Expression::kinks(self, 0, range)
    }
    fn constant(&self) -> Option<f64> {
        Expression::constant(self)
    }
    fn describe(&self) -> String {
        self.source().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator; its quality does not matter, its repeatability does.
    pub(super) struct Random(pub u64);

    impl Random {
        pub fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }
        pub fn below(&mut self, n: usize) -> usize {
            (self.uniform() * n as f64) as usize
        }
    }

    /// Random values lie within the bounds on random intervals around them, ends and kinks included.
    pub(super) fn bounds_hold(field: &dyn Field, length: f64) {
        let mut random = Random(3);
        let kinks = field.kinks(Interval::new(0.0, length));
        for _ in 0..300 {
            let width = length * libm::pow(10.0, -8.0 * random.uniform());
            let lo = match random.below(4) {
                0 if !kinks.is_empty() => kinks[random.below(kinks.len())] - width * random.uniform(),
                _ => length * random.uniform(),
            };
            let lo = lo.max(0.0);
            let range = Interval::new(lo, (lo + width).min(length).max(lo));
            let bounds = field.bounds(range);
            let inner = (0..20).map(|_| range.lo + (range.hi - range.lo) * random.uniform());
            let near = kinks.iter().flat_map(|k| [k.next_down(), *k, k.next_up()]);
            for x in inner.chain(near).chain([range.lo, range.hi]).filter(|x| range.contains(*x)) {
                let value = field.value(x);
                assert!(bounds.contains(value), "{field:?} at {x} in {range:?}: {value} in {bounds:?}");
            }
        }
    }

    /// The slope is the limit of differences wherever no kink is near.
    pub(super) fn slope_holds(field: &dyn Field, length: f64) {
        let mut random = Random(5);
        let kinks = field.kinks(Interval::new(0.0, length));
        let h = 1e-6 * length;
        for _ in 0..200 {
            let x = h + (length - 2.0 * h) * random.uniform();
            if kinks.iter().any(|k| (k - x).abs() < 3.0 * h) {
                continue;
            }
            let difference = (field.value(x + h) - field.value(x - h)) / (2.0 * h);
            let slope = field.slope(x);
            assert!((slope - difference).abs() < 1e-4 * (1.0 + slope.abs()), "{x}: {slope} {difference}");
        }
    }
}
