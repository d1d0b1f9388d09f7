//! Functions of position: temperature now, diffusivities and potentials as they are added.

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
