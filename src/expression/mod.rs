//! The model's small language: `T(x)`, potentials, rates and barriers as text.
//!
//! # The language
//! | written | meaning |
//! |---|---|
//! | `1.5`, `2`, `.5`, `1e-3` | numbers; the decimal sign is a point |
//! | `x`, `dT`, `γ_1` | variables and parameters: letters, digits, `_`; a parameter is a constant |
//! | `pi`, `e` | 3.14159..., 2.71828..., unless a variable or parameter has that name |
//! | `+ - * /` | left associative; multiplication is always written out |
//! | `a^b` | power, right associative, binds tighter than a sign: `-x^2` is `-(x^2)`, `2^-x` is allowed |
//! | `exp ln log10 sqrt` | natural exponential, natural and decimal logarithm, square root |
//! | `sin cos tan atan` | radians |
//! | `sinh cosh tanh erf` | hyperbolic functions, error function |
//! | `abs(a)`, `min(a, b)`, `max(a, b)`, `step(a)` | `step` is 0 for `a < 0` and 1 for `a >= 0` |
//! | `pow(a, b)` | the same as `a^b` |
//!
//! There is no `log`, because half of the readers would be wrong about its base. Constant parts are
//! computed once, in double precision; one without a finite value is an error.
//!
//! # What an expression can do
//! ```
//! use soret::expression::{Expression, Interval};
//!
//! let parameters = [("dT".to_owned(), 0.8)];
//! let temperature = Expression::parse("1 + dT*x", &["x"], &parameters)?;
//! assert_eq!(temperature.eval(&[0.5]), 1.4);
//! assert_eq!(temperature.eval_with_derivative(&[0.5], 0), (1.4, 0.8));
//!
//! // Bounds are proofs: this temperature is positive everywhere in [0, 1].
//! let bounds = temperature.eval_bounds(&[Interval::new(0.0, 1.0)]);
//! assert!(bounds.lo > 0.99 && bounds.hi < 1.81);
//!
//! let error = Expression::parse("1 + dT x", &["x"], &parameters).unwrap_err();
//! assert_eq!(error.span, 7..8);
//! assert_eq!(error.hint.as_deref(), Some("multiplication is written out: `* x`"));
//! # Ok::<(), soret::expression::ExpressionError>(())
//! ```
//!
//! # Numbers
//! Elementary functions come from `libm`, never from the system, and nothing is contracted into fused
//! operations, so the bits of a result are the same on every machine. Integer exponents up to 16 are
//! multiplied out. An undefined argument (NaN) makes every result undefined, also that of `min` and
//! `max`.
//!
//! # Bounds
//! [`Expression::eval_bounds`] returns an interval that contains both the real function, with the
//! double-precision constants of the program, and what [`Expression::eval`] computes for it, everywhere
//! on a box. Where the expression may be undefined the answer is the whole line, so that
//! `bounds.lo > 0.0 && bounds.hi.is_finite()` proves that it is defined, finite and positive.

mod bounds;
mod dual;
mod error;
mod interval;
mod kinks;
mod parse;
mod program;

pub use error::ExpressionError;
pub use interval::Interval;

use dual::Dual;
use program::Program;

/// A compiled expression in a fixed list of variables. See the [module](self) for the language.
///
/// Methods take one value, column or interval for each variable, in the order given to
/// [`parse`](Expression::parse), and panic if one that is read is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    source: String,
    program: Program,
}

impl Expression {
    /// Compiles a source text. Of variables, parameters and built-in constants with the same name the
    /// first in this order is meant.
    ///
    /// # Errors
    /// An [`ExpressionError`] with the place of the first mistake.
    pub fn parse(
        source: &str,
        variables: &[&str],
        parameters: &[(String, f64)],
    ) -> Result<Expression, ExpressionError> {
        Ok(Expression { source: source.to_owned(), program: parse::parse(source, variables, parameters)? })
    }

    /// The text that was compiled.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value of an expression in which no variable occurs.
    pub fn constant(&self) -> Option<f64> {
        self.program.constant()
    }

    /// Whether a variable occurs.
    pub fn reads(&self, variable: usize) -> bool {
        self.program.reads(variable)
    }

    /// The value; NaN where the expression is undefined.
    #[inline]
    pub fn eval(&self, vars: &[f64]) -> f64 {
        self.program.run(|i| vars[i])
    }

    /// The values for columns of variables, bit for bit those of [`eval`](Expression::eval).
    ///
    /// # Panics
    /// If a column that is read is shorter than `out`.
    pub fn eval_slice(&self, vars: &[&[f64]], out: &mut [f64]) {
        self.program.run_slice(vars, out);
    }

    /// The value and the partial derivative with respect to variable number `wrt`. At a kink one of the
    /// one-sided derivatives is returned, at a jump of `step` that of its flat sides.
    pub fn eval_with_derivative(&self, vars: &[f64], wrt: usize) -> (f64, f64) {
        let result =
            self.program.run(|i| Dual { value: vars[i], derivative: if i == wrt { 1.0 } else { 0.0 } });
        (result.value, result.derivative)
    }

    /// An interval that contains every value on a box of variables, both as a real function and as
    /// computed by [`eval`](Expression::eval). The whole line if the expression may be undefined
    /// somewhere on the box; hence `lo > 0` together with a finite `hi` is a proof that it is defined,
    /// finite and positive everywhere.
    ///
    /// The excess over the true range shrinks with the square of the width of the box, and vanishes
    /// (but for rounding) where the expression is monotone or reads each variable once.
    pub fn eval_bounds(&self, vars: &[Interval]) -> Interval {
        bounds::enclose(&self.program, vars)
    }

    /// An interval that contains every partial derivative of the real function, restricted to a box, with
    /// respect to variable number `wrt`; at kinks inside the box all slopes between the one-sided ones.
    /// The whole line where the expression may be undefined or may jump. So `abs(x)` on `[0, 1]` has the
    /// slope 1: a piece between two kinks is smooth up to its ends.
    pub fn derivative_bounds(&self, vars: &[Interval], wrt: usize) -> Interval {
        bounds::enclose_slope(&self.program, vars, wrt)
    }

    /// Bounds as in [`eval_bounds`](Expression::eval_bounds) for an expression in one variable, but
    /// sharp: `x` is subdivided until both ends are within `tolerance`, relative to the largest value, of
    /// values that are taken, or until a fixed effort (some thousand evaluations) is spent. Rigorous in
    /// either case.
    pub fn range(&self, x: Interval, tolerance: f64) -> Interval {
        self.range_on(&[x], tolerance)
    }

    /// [`range`](Expression::range) on a box of several variables.
    pub fn range_on(&self, vars: &[Interval], tolerance: f64) -> Interval {
        bounds::range(&self.program, vars, tolerance)
    }

    /// Positions strictly inside `range` at which the argument of an `abs` or `step`, or the difference
    /// of those of a `min` or `max`, changes sign; sorted. Best effort: positions closer together than
    /// 1e-9 of the range count as one or cancel, and a kink may be listed that a surrounding `min` or
    /// `max` hides. Arguments that read other variables than `wrt` have no fixed position and are left
    /// out.
    pub fn kinks(&self, wrt: usize, range: Interval) -> Vec<f64> {
        kinks::kinks(&self.program, wrt, range)
    }
}

#[cfg(test)]
mod tests;
