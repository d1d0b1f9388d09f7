//! Proven bounds on an expression over a box of variables.
//!
//! Three enclosures are intersected:
//! 1. the *natural extension*: every operation replaced by its interval version;
//! 2. *monotonicity*: in a variable with a derivative of known sign the extremes sit at its ends;
//! 3. the *mean-value form* `f(m) + f'(X) (X - m)`, whose excess shrinks with the square of the width.
//!
//! The first encloses computed values step by step. The other two reason about the real function, so
//! they are widened by a bound on the rounding error of the evaluation, which is carried through the
//! program together with the derivative ([`Slope`]). Derivatives are enclosed as convex hulls of all
//! one-sided slopes; at kinks of `abs`, `min` and `max` this is the generalised gradient, for which the
//! mean-value theorem still holds, and at a jump of `step` it is everything, which switches 2 and 3 off.
//!
//! A number that may be undefined (NaN) would be hidden by later operations: `min(1, ln(x))` is never
//! above 1. So whether each step is defined travels beside its interval, and a result in doubt is
//! reported as the whole line.

use super::interval::{Interval, LIBM_ULPS, power_ulps};
use super::program::{Binary, Number, Program, Unary};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Half an ulp relative to the number: the error of one correctly rounded operation.
const ROUNDING: f64 = f64::EPSILON / 2.0;

/// Absolute error of an operation whose result underflows; generous, it never matters otherwise.
const UNDERFLOW: f64 = 64.0 * f64::from_bits(1);

/// Boxes that [`range`] looks at for each of the two ends before it settles for what it has.
const MOST_BOXES: usize = 2000;

/// An enclosure of real and computed values, and whether they all exist.
#[derive(Clone, Copy, Debug)]
struct Bound {
    interval: Interval,
    defined: bool,
}

impl Number for Bound {
    fn constant(value: f64) -> Self {
        Bound { interval: Interval::point(value), defined: true }
    }

    fn unary(self, function: Unary) -> Self {
        let x = self.interval;
        let (interval, defined) = match function {
            Unary::Negate => (-x, true),
            Unary::Abs => (x.abs(), true),
            Unary::Step => (x.step(), true),
            Unary::Sqrt => (x.sqrt(), x.lo >= 0.0),
            Unary::Exp => (x.exp(), true),
            Unary::Ln => (x.ln(), x.lo > 0.0),
            Unary::Log10 => (x.log10(), x.lo > 0.0),
            Unary::Sin => (x.sin(), x.is_finite()),
            Unary::Cos => (x.cos(), x.is_finite()),
            Unary::Tan => (x.tan(), !x.has_tangent_pole()),
            Unary::Sinh => (x.sinh(), true),
            Unary::Cosh => (x.cosh(), true),
            Unary::Tanh => (x.tanh(), true),
            Unary::Atan => (x.atan(), true),
            Unary::Erf => (x.erf(), true),
            Unary::Power(n) => (x.powi(n), n >= 0 || !x.powi(n.saturating_abs()).contains(0.0)),
        };
        Bound { interval, defined: self.defined && defined }
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        let (a, b) = (self.interval, other.interval);
        // Infinite ends may be overflowed results, which can meet as inf - inf, 0 * inf or inf / inf.
        let (interval, defined) = match function {
            Binary::Add => (a + b, !opposite_infinities(a, b)),
            Binary::Subtract => (a - b, !opposite_infinities(a, -b)),
            Binary::Multiply => {
                let lost = |a: Interval, b: Interval| a.contains(0.0) && !b.is_finite();
                (a * b, !lost(a, b) && !lost(b, a))
            }
            Binary::Divide => (a / b, !b.contains(0.0) && (a.is_finite() || b.is_finite())),
            Binary::Power => (a.pow(b), a.has_power(b)),
            Binary::Min => (a.min(b), true),
            Binary::Max => (a.max(b), true),
        };
        Bound { interval, defined: self.defined && other.defined && defined }
    }
}

fn opposite_infinities(a: Interval, b: Interval) -> bool {
    let plus = |i: Interval| i.hi == f64::INFINITY;
    let minus = |i: Interval| i.lo == f64::NEG_INFINITY;
    (plus(a) && minus(b)) || (minus(a) && plus(b))
}

/// A bound together with an enclosure of one partial derivative of the real function and a bound on
/// the difference between real and computed values.
#[derive(Clone, Copy, Debug)]
struct Slope {
    bound: Bound,
    derivative: Interval,
    error: f64,
}

impl Slope {
    fn variable(interval: Interval, derivative: f64) -> Slope {
        Slope {
            bound: Bound { interval, defined: true },
            derivative: Interval::point(derivative),
            error: 0.0,
        }
    }
}

/// An upper bound on a sum of a few products of non-negative numbers, given its rounded value.
fn rounded_up(sum: f64) -> f64 {
    // The few operations err by less than this factor. NaN comes from 0 * inf: nothing is known.
    if sum.is_nan() { f64::INFINITY } else { sum * (1.0 + 32.0 * f64::EPSILON) + UNDERFLOW }
}

/// Largest change of a result when an argument is off by `error` and slopes lie in `slope`.
fn passed_on(slope: Interval, error: f64) -> f64 {
    if error == 0.0 { 0.0 } else { slope.magnitude() * error }
}

/// Slopes of a function on `x`, where its values `y` are all defined.
fn slopes(function: Unary, x: Interval, y: Interval) -> Interval {
    let one = Interval::point(1.0);
    match function {
        Unary::Negate => -one,
        Unary::Abs => {
            Interval { lo: if x.lo >= 0.0 { 1.0 } else { -1.0 }, hi: if x.hi <= 0.0 { -1.0 } else { 1.0 } }
        }
        Unary::Step if y.lo == y.hi => Interval::point(0.0),
        Unary::Step => Interval::whole(),
        Unary::Sqrt => Interval::point(0.5) / y,
        Unary::Exp => y,
        Unary::Ln => one / x,
        Unary::Log10 => one / (x * around(std::f64::consts::LN_10)),
        Unary::Sin => x.cos(),
        Unary::Cos => -x.sin(),
        Unary::Tan => one + y.powi(2),
        Unary::Sinh => x.cosh(),
        Unary::Cosh => x.sinh(),
        Unary::Tanh => one / x.cosh().powi(2),
        Unary::Atan => one / (one + x.powi(2)),
        Unary::Erf => around(std::f64::consts::FRAC_2_SQRT_PI) * (-x.powi(2)).exp(),
        Unary::Power(0) => Interval::point(0.0),
        Unary::Power(n) => Interval::point(f64::from(n)) * x.powi(n.saturating_sub(1)),
    }
}

/// An interval that contains the number for which the nearest double stands.
fn around(constant: f64) -> Interval {
    Interval { lo: constant.next_down(), hi: constant.next_up() }
}

impl Number for Slope {
    fn constant(value: f64) -> Self {
        Slope::variable(Interval::point(value), 0.0)
    }

    fn unary(self, function: Unary) -> Self {
        let bound = self.bound.unary(function);
        if !bound.defined {
            return Slope { bound, derivative: Interval::whole(), error: f64::INFINITY };
        }
        let slope = slopes(function, self.bound.interval, bound.interval);
        let passed = passed_on(slope, self.error);
        let ulps = match function {
            Unary::Power(n) => power_ulps(n),
            _ => LIBM_ULPS,
        };
        let error = match function {
            Unary::Negate | Unary::Abs | Unary::Step => passed,
            _ => rounded_up(passed + ulps * f64::EPSILON * bound.interval.magnitude()),
        };
        Slope { bound, derivative: slope * self.derivative, error }
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        let (a, b) = (self.bound.interval, other.bound.interval);
        let bound = self.bound.binary(function, other.bound);
        if !bound.defined {
            return Slope { bound, derivative: Interval::whole(), error: f64::INFINITY };
        }
        if let Binary::Min | Binary::Max = function {
            let (first, second) = match function {
                Binary::Min => (a.hi <= b.lo, b.hi <= a.lo),
                _ => (a.lo >= b.hi, b.lo >= a.hi),
            };
            let derivative = if first {
                self.derivative
            } else if second {
                other.derivative
            } else {
                self.derivative.hull(other.derivative)
            };
            return Slope { bound, derivative, error: self.error.max(other.error) };
        }
        let (y, one) = (bound.interval, Interval::point(1.0));
        let (by_a, by_b, own) = match function {
            Binary::Subtract => (one, -one, ROUNDING),
            Binary::Multiply => (b, a, ROUNDING),
            Binary::Divide => (one / b, -(y / b), ROUNDING),
            Binary::Power => {
                // Below zero only single integers are exponents: there is no slope.
                let by_b = if a.lo > 0.0 { y * a.ln() } else { Interval::whole() };
                (b * a.pow(b - one), by_b, LIBM_ULPS * f64::EPSILON)
            }
            Binary::Add | Binary::Min | Binary::Max => (one, one, ROUNDING),
        };
        Slope {
            bound,
            derivative: by_a * self.derivative + by_b * other.derivative,
            error: rounded_up(
                passed_on(by_a, self.error) + passed_on(by_b, other.error) + own * y.magnitude(),
            ),
        }
    }
}

/// An interval that contains every value of the program on a box; everything if it may be undefined.
pub(super) fn enclose(program: &Program, variables: &[Interval]) -> Interval {
    let natural = program.run(|i| Bound { interval: variables[i], defined: true });
    if !natural.defined {
        return Interval::whole();
    }
    // Where every variable is read once, no dependence is lost and the natural extension is sharp.
    if !program.repeats() || !natural.interval.is_finite() {
        return natural.interval;
    }
    refine(program, variables, natural.interval)
}

/// An interval that contains every slope of the program in one variable; everything if it may be
/// undefined or may jump.
pub(super) fn enclose_slope(program: &Program, variables: &[Interval], wrt: usize) -> Interval {
    slope(program, variables, wrt).derivative
}

fn slope(program: &Program, variables: &[Interval], wrt: usize) -> Slope {
    program.run(|i| Slope::variable(variables[i], if i == wrt { 1.0 } else { 0.0 }))
}

/// Intersects the natural extension with the two enclosures that use derivatives.
fn refine(program: &Program, variables: &[Interval], natural: Interval) -> Interval {
    let middle: Vec<f64> = variables.iter().map(|x| x.midpoint()).collect();
    let (mut lowest, mut highest) = (variables.to_vec(), variables.to_vec());
    let mut deviation = Interval::point(0.0);
    let mut error = 0.0;
    let (mut monotone, mut open) = (false, false);
    for (i, &x) in variables.iter().enumerate() {
        if x.lo == x.hi || !program.reads(i) {
            continue;
        }
        let slope = slope(program, variables, i);
        error = slope.error;
        deviation = deviation + slope.derivative * (x - Interval::point(middle[i]));
        let (at_lo, at_hi) = (Interval::point(x.lo), Interval::point(x.hi));
        if slope.derivative.lo >= 0.0 {
            (lowest[i], highest[i], monotone) = (at_lo, at_hi, true);
        } else if slope.derivative.hi <= 0.0 {
            (lowest[i], highest[i], monotone) = (at_hi, at_lo, true);
        } else {
            open = true;
        }
    }
    if !error.is_finite() {
        return natural;
    }
    let rounding = Interval { lo: -error, hi: error };
    let at = |corner: &[Interval]| {
        program.run(|i| Bound { interval: corner[i], defined: true }).interval + rounding
    };
    let mut result = natural;
    let mut tighten = |by: Interval| result = result.intersect(by).unwrap_or(result);
    if monotone {
        tighten(Interval { lo: at(&lowest).lo, hi: at(&highest).hi });
    }
    // Where all variables are monotone the corners are already sharp.
    if open && deviation.is_finite() {
        let middle: Vec<Interval> = middle.into_iter().map(Interval::point).collect();
        tighten(at(&middle) + deviation);
    }
    result
}

/// Bounds by branch and bound: boxes are halved until both ends are within `tolerance`, relative to the
/// largest value met, of values that are taken.
pub(super) fn range(program: &Program, variables: &[Interval], tolerance: f64) -> Interval {
    if !variables.iter().all(|x| x.is_finite()) {
        return enclose(program, variables);
    }
    // An end near zero must not be chased to many digits: a few samples tell what is large here.
    let sample = |at: f64| program.run(|i| variables[i].lo + at * (variables[i].hi - variables[i].lo)).abs();
    let scale = [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().map(sample).fold(0.0, f64::max);
    let allowed = tolerance * scale;
    let hi = supremum(program, variables, allowed, |bounds| bounds);
    let lo = -supremum(program, variables, allowed, |bounds| -bounds);
    Interval { lo, hi }
}

/// A box in the queue, ordered by its upper bound.
struct Candidate {
    upper: f64,
    variables: Vec<Interval>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.upper.total_cmp(&other.upper)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// An upper bound on the program, or on its negative, as `side` chooses, at most `allowed` above a value
/// that is taken if the effort suffices.
fn supremum(
    program: &Program,
    variables: &[Interval],
    allowed: f64,
    side: impl Fn(Interval) -> Interval,
) -> f64 {
    let mut attained = f64::NEG_INFINITY;
    let mut queue = BinaryHeap::new();
    let mut consider = |queue: &mut BinaryHeap<Candidate>, variables: Vec<Interval>| {
        let middle: Vec<Interval> = variables.iter().map(|x| Interval::point(x.midpoint())).collect();
        attained = attained.max(side(enclose(program, &middle)).lo);
        queue.push(Candidate { upper: side(enclose(program, &variables)).hi, variables });
        attained
    };
    let mut attained = consider(&mut queue, variables.to_vec());
    let mut boxes = 1;
    loop {
        let Some(Candidate { upper, variables: parent }) = queue.pop() else {
            return f64::INFINITY;
        };
        // The queue is ordered, so no other box reaches higher than this one.
        if upper - attained <= allowed || boxes >= MOST_BOXES {
            return upper;
        }
        let relative = |i: usize| parent[i].width() / variables[i].width();
        let split = (0..parent.len())
            .filter(|&i| {
                program.reads(i) && parent[i].lo < parent[i].midpoint() && parent[i].midpoint() < parent[i].hi
            })
            .max_by(|&i, &j| relative(i).total_cmp(&relative(j)));
        let Some(split) = split else {
            return upper;
        };
        let middle = parent[split].midpoint();
        for half in [Interval::new(parent[split].lo, middle), Interval::new(middle, parent[split].hi)] {
            let mut child = parent.clone();
            child[split] = half;
            attained = consider(&mut queue, child);
            boxes += 1;
        }
    }
}
