//! Functions of position and internal coordinates: potentials `U(x, q)` and diffusivities `D(x, q)`.

use super::Field;
use crate::expression::{Expression, ExpressionError, Interval};
use std::fmt;
use std::sync::Arc;

/// A function of `x`, internal coordinates `q` and, through it, the local temperature `T(x)`, that can also prove
/// bounds on itself. The slope in x is the total one, `d_x + T'(x) d_T`.
///
/// # Contract
/// - `value` is finite for every `x` in the domain and every `q` within the ranges of the coordinates, as far
///   as numbers reach.
/// - `bounds` contains every value on a box.
/// - Between two neighbouring kinks in a variable the function is smooth in it, as far as its author knows.
pub trait Surface: fmt::Debug + Send + Sync {
    /// The value.
    fn value(&self, x: f64, q: &[f64]) -> f64;
    /// The total derivative with respect to x.
    fn slope_x(&self, x: f64, q: &[f64]) -> f64;
    /// The derivative with respect to a coordinate.
    fn slope_q(&self, x: f64, q: &[f64], axis: usize) -> f64;
    /// An interval that contains every value on a box; the whole line where none is known.
    fn bounds(&self, _x: Interval, _q: &[Interval]) -> Interval {
        Interval::whole()
    }
    /// An interval that contains every slope in a coordinate on a box; the whole line where none is known.
    fn slope_q_bounds(&self, _x: Interval, _q: &[Interval], _axis: usize) -> Interval {
        Interval::whole()
    }
    /// Whether the value changes with x (or with the temperature there).
    fn depends_on_x(&self) -> bool;
    /// Positions of kinks and jumps in x within `range`, in increasing order.
    fn kinks_x(&self, _range: Interval) -> Vec<f64> {
        Vec::new()
    }
    /// Positions of kinks and jumps in a coordinate within `range`, in increasing order.
    fn kinks_q(&self, _axis: usize, _range: Interval) -> Vec<f64> {
        Vec::new()
    }
    /// How the function is written, for manifests and messages.
    fn describe(&self) -> String;
}

/// An expression in `x`, `T`, the names of the coordinates and, for functions of a potential, its value `U`.
///
/// ```
/// use soret::model::{Landscape, Surface, Uniform};
/// use std::sync::Arc;
/// let temperature = Arc::new(Uniform(2.0));
/// let potential = Arc::new(Landscape::new("q^4 - 2*q^2", &["q"], &[], temperature.clone())?);
/// let diffusivity = Landscape::of_potential("0.1*(U + 2.5)", &["q"], &[], temperature, potential)?;
/// assert!((diffusivity.value(0.3, &[1.0]) - 0.15).abs() < 1e-15);
/// # Ok::<(), soret::expression::ExpressionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Landscape {
    law: Expression,
    axes: usize,
    temperature: Arc<dyn Field>,
    potential: Option<Arc<dyn Surface>>,
}

/// Places of the variables in the expression; the coordinates follow, then `U`.
const X: usize = 0;
const T: usize = 1;
const FIRST: usize = 2;

/// Most coordinates for which values need no allocation.
const FEW: usize = 6;

impl Landscape {
    /// Compiles a source text in `x`, `T` and the coordinates named.
    ///
    /// # Errors
    /// As [`Expression::parse`].
    pub fn new(
        source: &str,
        axes: &[&str],
        parameters: &[(String, f64)],
        temperature: Arc<dyn Field>,
    ) -> Result<Self, ExpressionError> {
        let variables: Vec<&str> = ["x", "T"].into_iter().chain(axes.iter().copied()).collect();
        let law = Expression::parse(source, &variables, parameters)?;
        Ok(Landscape { law, axes: axes.len(), temperature, potential: None })
    }

    /// The same with `U` for the value of a potential at the same place.
    ///
    /// # Errors
    /// As [`Expression::parse`].
    pub fn of_potential(
        source: &str,
        axes: &[&str],
        parameters: &[(String, f64)],
        temperature: Arc<dyn Field>,
        potential: Arc<dyn Surface>,
    ) -> Result<Self, ExpressionError> {
        let variables: Vec<&str> = ["x", "T"].into_iter().chain(axes.iter().copied()).chain(["U"]).collect();
        let law = Expression::parse(source, &variables, parameters)?;
        let potential = law.reads(FIRST + axes.len()).then_some(potential);
        Ok(Landscape { law, axes: axes.len(), temperature, potential })
    }

    /// The expression.
    pub fn law(&self) -> &Expression {
        &self.law
    }

    /// Lets `f` see the variables at a point.
    fn with<R>(&self, x: f64, q: &[f64], f: impl FnOnce(&[f64]) -> R) -> R {
        let count = FIRST + self.axes + 1;
        let (mut few, mut many) = ([0.0; FIRST + FEW + 1], Vec::new());
        let variables = if self.axes <= FEW {
            &mut few[..count]
        } else {
            many.resize(count, 0.0);
            &mut many[..]
        };
        variables[X] = x;
        variables[T] = if self.law.reads(T) { self.temperature.value(x) } else { 0.0 };
        variables[FIRST..count - 1].copy_from_slice(&q[..self.axes]);
        variables[count - 1] = self.potential.as_ref().map_or(0.0, |u| u.value(x, q));
        f(variables)
    }

    /// The derivative in one variable of the expression times the slope of that variable; zero if it is not read.
    fn chain(&self, variables: &[f64], wrt: usize, slope: impl FnOnce() -> f64) -> f64 {
        let partial = if self.law.reads(wrt) { self.law.eval_with_derivative(variables, wrt).1 } else { 0.0 };
        if partial == 0.0 { 0.0 } else { partial * slope() }
    }

    fn box_of(&self, x: Interval, q: &[Interval]) -> Vec<Interval> {
        let t = if self.law.reads(T) { self.temperature.bounds(x) } else { Interval::point(0.0) };
        let u = self.potential.as_ref().map_or(Interval::point(0.0), |u| u.bounds(x, q));
        [x, t].into_iter().chain(q[..self.axes].iter().copied()).chain([u]).collect()
    }
}

impl Surface for Landscape {
    fn value(&self, x: f64, q: &[f64]) -> f64 {
        self.with(x, q, |variables| self.law.eval(variables))
    }

    fn slope_x(&self, x: f64, q: &[f64]) -> f64 {
        if !self.depends_on_x() {
            return 0.0;
        }
        self.with(x, q, |variables| {
            let through = |u: &Arc<dyn Surface>| self.chain(variables, FIRST + self.axes, || u.slope_x(x, q));
            self.chain(variables, X, || 1.0)
                + self.chain(variables, T, || self.temperature.slope(x))
                + self.potential.as_ref().map_or(0.0, through)
        })
    }

    fn slope_q(&self, x: f64, q: &[f64], axis: usize) -> f64 {
        self.with(x, q, |variables| {
            let through =
                |u: &Arc<dyn Surface>| self.chain(variables, FIRST + self.axes, || u.slope_q(x, q, axis));
            self.chain(variables, FIRST + axis, || 1.0) + self.potential.as_ref().map_or(0.0, through)
        })
    }

    fn bounds(&self, x: Interval, q: &[Interval]) -> Interval {
        self.law.eval_bounds(&self.box_of(x, q))
    }

    fn slope_q_bounds(&self, x: Interval, q: &[Interval], axis: usize) -> Interval {
        let variables = self.box_of(x, q);
        let part = |wrt: usize| {
            if self.law.reads(wrt) {
                self.law.derivative_bounds(&variables, wrt)
            } else {
                Interval::point(0.0)
            }
        };
        let through = |u: &Arc<dyn Surface>| part(FIRST + self.axes) * u.slope_q_bounds(x, q, axis);
        part(FIRST + axis) + self.potential.as_ref().map_or(Interval::point(0.0), through)
    }

    fn depends_on_x(&self) -> bool {
        self.law.reads(X)
            || self.law.reads(T) && self.temperature.constant().is_none()
            || self.potential.as_ref().is_some_and(|u| u.depends_on_x())
    }

    fn kinks_x(&self, range: Interval) -> Vec<f64> {
        let mut all = self.law.kinks(X, range);
        if self.law.reads(T) {
            all.extend(self.temperature.kinks(range));
        }
        all.extend(self.potential.iter().flat_map(|u| u.kinks_x(range)));
        sorted(all)
    }

    fn kinks_q(&self, axis: usize, range: Interval) -> Vec<f64> {
        let mut all = self.law.kinks(FIRST + axis, range);
        all.extend(self.potential.iter().flat_map(|u| u.kinks_q(axis, range)));
        sorted(all)
    }

    fn describe(&self) -> String {
        self.law.source().to_owned()
    }
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temperature() -> Arc<dyn Field> {
        Arc::new(Expression::parse("1 + 0.5*x^2", &["x"], &[]).unwrap())
    }

    #[test]
    fn slopes_are_total() {
        let potential: Arc<dyn Surface> =
            Arc::new(Landscape::new("(1 + x)*a^2 + T*b", &["a", "b"], &[], temperature()).unwrap());
        let of = Landscape::of_potential("U^2 + T*sin(b) + x", &["a", "b"], &[], temperature(), potential);
        let of = of.unwrap();
        let (x, q, h) = (0.7, [0.4, -1.3], 1e-5);
        let difference = (of.value(x + h, &q) - of.value(x - h, &q)) / (2.0 * h);
        assert!((of.slope_x(x, &q) - difference).abs() < 1e-8, "{difference}");
        for axis in 0..2 {
            let moved = |by: f64| {
                let mut q = q;
                q[axis] += by;
                of.value(x, &q)
            };
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((of.slope_q(x, &q, axis) - difference).abs() < 1e-8);
        }
    }

    #[test]
    fn bounds_contain_values_and_slopes() {
        let potential: Arc<dyn Surface> =
            Arc::new(Landscape::new("q^4 - 2*q^2 + x*q", &["q"], &[], temperature()).unwrap());
        let of = Landscape::of_potential("T*(U + 2.5)", &["q"], &[], temperature(), potential).unwrap();
        let (x, q) = (Interval::new(0.2, 0.6), [Interval::new(-0.5, 1.5)]);
        let (bounds, slopes) = (of.bounds(x, &q), of.slope_q_bounds(x, &q, 0));
        for k in 0..=20 {
            let s = f64::from(k) / 20.0;
            for l in 0..=20 {
                let at = [q[0].lo + 2.0 * f64::from(l) / 20.0];
                let x = x.lo + 0.4 * s;
                assert!(bounds.contains(of.value(x, &at)));
                assert!(slopes.contains(of.slope_q(x, &at, 0)));
            }
        }
    }

    #[test]
    fn it_is_known_what_varies_with_x() {
        let uniform: Arc<dyn Field> = Arc::new(crate::model::Uniform(2.0));
        let varies = |source: &str, temperature: &Arc<dyn Field>| {
            Landscape::new(source, &["q"], &[], temperature.clone()).unwrap().depends_on_x()
        };
        assert!(!varies("q^2", &temperature()) && varies("x*q", &uniform));
        assert!(varies("T*q^2", &temperature()) && !varies("T*q^2", &uniform));
        assert!(Landscape::new("U", &["q"], &[], uniform).is_err());
    }
}
