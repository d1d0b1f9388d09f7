//! What is proven about functions of position on the whole domain.

use super::reader::{Cursor, brief};
use super::schema::{FieldPart, LawPart};
use crate::expression::Interval;
use crate::model::{Boundary, Domain, Field};
use std::sync::Arc;

/// What is needed to prove something about a law on the whole domain.
pub(super) struct Proof<'p> {
    pub temperature: &'p Arc<dyn Field>,
    pub length: f64,
}

impl Proof<'_> {
    /// The function of position that a law is, once it is proven to be `what` it must be.
    pub fn field(&self, part: &LawPart<'_>, what: &str, must: Sign) -> Option<Arc<dyn Field>> {
        let field = part.law.field(self.temperature);
        if let Some(value) = field.constant().filter(|v| !must.holds(*v)) {
            // An expression whose value is known only now, at a uniform temperature.
            let title = format!("the {what} is {} everywhere", must.violated());
            part.at.push(part.at.mistake(title).expected(must.words()).found(brief(value)));
            return None;
        }
        match proven_range(field.as_ref(), self.length, must) {
            Ok(_) => Some(field),
            Err(fault) => {
                fault.report(&part.at, what, self.length, must);
                None
            }
        }
    }
}

/// A potential, once it is proven to be finite and continuous, and on a ring to close.
pub(super) fn potential(part: &FieldPart<'_>, domain: Domain) -> Option<Arc<dyn Field>> {
    const ROUNDING: f64 = 1e-9;
    let (field, at, length) = (&part.field, &part.at, domain.length);
    let range = match proven_range(field.as_ref(), length, Sign::Finite) {
        Ok(range) => range,
        Err(fault) => {
            fault.report(at, "potential", length, Sign::Finite);
            return None;
        }
    };
    if let Some((x, [left, right])) = jump(field.as_ref(), length, range.width()) {
        at.push(
            at.mistake("the potential jumps")
                .expected("a continuous function of x; kinks are allowed")
                .found(format!("{} left and {} right of x = {}", brief(left), brief(right), brief(x)))
                .hint("at a jump there is no force to move with; write a steep slope, as with tanh"),
        );
        return None;
    }
    let [first, last] = [0.0, length].map(|x| field.value(x));
    let closes = (first - last).abs() <= ROUNDING * range.magnitude();
    if domain.walls == Boundary::Periodic && !closes {
        at.push(
            at.mistake("the potential does not close on the ring")
                .expected(format!("the same value at x = 0 and at x = {}", brief(length)))
                .found(format!("{} and {}", brief(first), brief(last)))
                .hint("a constant force on a ring is a \"drift\" of the states: it has no potential"),
        );
        return None;
    }
    Some(field.clone())
}

/// Where a finite function jumps, and its values on both sides; `span` is the range of its values.
///
/// A function whose slopes have proven bounds on a piece is continuous there. Other pieces are halved; where
/// slopes have no bound however small the piece, its ends are compared: across a jump they differ as much
/// as those of a piece a thousand times as wide, across a steep place such as that of `sqrt(x)` they do not.
pub(super) fn jump(field: &dyn Field, length: f64, span: f64) -> Option<(f64, [f64; 2])> {
    const MOST_PIECES: usize = 20_000;
    const DEEPEST: u32 = 40;
    const COARSER: u32 = 10;
    const NOTICEABLE: f64 = 1e-9;
    // A piece, how often it was halved, and the difference across the piece that holds it at another depth.
    let mut open = vec![(Interval::new(0.0, length), 0u32, f64::INFINITY)];
    let mut pieces = 0;
    while let Some((piece, depth, coarse)) = open.pop() {
        pieces += 1;
        if field.slope_bounds(piece).is_finite() || pieces > MOST_PIECES {
            continue;
        }
        let ends = [piece.lo, piece.hi].map(|x| field.value(x));
        let difference = (ends[1] - ends[0]).abs();
        let x = piece.midpoint();
        if depth == DEEPEST || x <= piece.lo || x >= piece.hi {
            if difference > NOTICEABLE * span && difference > 0.9 * coarse {
                return Some((x, ends));
            }
            continue;
        }
        let coarse = if depth == DEEPEST - COARSER { difference } else { coarse };
        open.push((Interval::new(x, piece.hi), depth + 1, coarse));
        open.push((Interval::new(piece.lo, x), depth + 1, coarse));
    }
    None
}

/// The temperatures that occur, once all are proven to be positive and finite.
pub(super) fn temperatures(field: &dyn Field, at: &Cursor<'_>, length: f64) -> Option<Interval> {
    match proven_range(field, length, Sign::Positive) {
        Ok(range) => Some(range),
        Err(fault) => {
            fault.report(at, "temperature", length, Sign::Positive);
            None
        }
    }
}

/// Which values a field may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Positive,
    NotNegative,
    Finite,
}

impl Sign {
    fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Sign::Positive => value > 0.0,
                Sign::NotNegative => value >= 0.0,
                Sign::Finite => true,
            }
    }

    fn holds_on(self, bounds: Interval) -> bool {
        self.holds(bounds.lo) && bounds.hi.is_finite()
    }

    fn words(self) -> &'static str {
        match self {
            Sign::Positive => "a positive number",
            Sign::NotNegative => "a number that is not negative",
            Sign::Finite => "a finite number",
        }
    }

    fn violated(self) -> &'static str {
        match self {
            Sign::Positive => "not positive",
            Sign::NotNegative => "negative",
            Sign::Finite => "not finite",
        }
    }

    fn proof(self) -> &'static str {
        match self {
            Sign::Positive => "positive",
            Sign::NotNegative => "not to be negative",
            Sign::Finite => "finite",
        }
    }

    /// What a quantity of this name must be.
    fn claim(self, symbol: &str) -> String {
        match self {
            Sign::Positive => format!("{symbol} > 0"),
            Sign::NotNegative => format!("{symbol} >= 0"),
            Sign::Finite => format!("a finite {symbol}"),
        }
    }
}

/// Why a field is not what it must be.
#[derive(Debug)]
pub(super) enum Fault {
    /// It has this value here.
    At { x: f64, value: f64 },
    /// Nothing wrong was found, but these are the tightest bounds here.
    Unproven { x: Interval, bounds: Interval },
}

impl Fault {
    /// Tells it at the place where the field is given.
    fn report(&self, at: &Cursor<'_>, what: &str, length: f64, must: Sign) {
        let symbol = if what == "temperature" { "T(x)" } else { what };
        let claim = must.claim(symbol);
        at.push(match *self {
            Fault::At { x, value } => {
                let title = if !value.is_finite() {
                    format!("the {what} is not finite everywhere")
                } else if must == Sign::Positive {
                    format!("the {what} is not positive everywhere")
                } else {
                    format!("the {what} is negative somewhere")
                };
                let found = if what == "temperature" {
                    format!("T({}) = {}", brief(x), brief(value))
                } else {
                    format!("{} at x = {}", brief(value), brief(x))
                };
                at.mistake(title).expected(format!("{claim} for 0 <= x <= {length}")).found(found)
            }
            Fault::Unproven { x, bounds } => at
                .mistake(format!("the {what} cannot be proven {} everywhere", must.proof()))
                .expected(match must {
                    Sign::Finite => format!("{claim} for 0 <= x <= {length}"),
                    _ => format!("{claim} and finite for 0 <= x <= {length}"),
                })
                .found(format!(
                    "bounds from {} to {} for x from {} to {}",
                    brief(bounds.lo),
                    brief(bounds.hi),
                    brief(x.lo),
                    brief(x.hi)
                ))
                .hint(match must {
                    Sign::Positive => {
                        "write the expression so that x occurs fewer times, or stay further from zero"
                    }
                    Sign::Finite => "write the expression so that x occurs fewer times",
                    Sign::NotNegative => {
                        "write the expression so that x occurs fewer times, or as max(0, ...)"
                    }
                }),
        });
    }
}

/// The lowest and highest sample of a field that is finite and has the right sign on `[0, length]`. Samples
/// find mistakes; the proof is by interval bounds on pieces that are halved until every piece is proven.
pub(super) fn proven_range(field: &dyn Field, length: f64, must: Sign) -> Result<Interval, Fault> {
    const SAMPLES: u32 = 1024;
    const MOST_PIECES: usize = 20_000;
    const DEEPEST: u32 = 40;
    let sample = |i| {
        let x = length * f64::from(i) / f64::from(SAMPLES);
        (x, field.value(x))
    };
    // The lowest bad value is shown; one that is not a number stands below all others.
    let order = |value: f64| {
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    };
    let worst = (0..=SAMPLES)
        .map(sample)
        .filter(|&(_, value)| !must.holds(value))
        .min_by(|a, b| order(a.1).total_cmp(&order(b.1)));
    if let Some((x, value)) = worst {
        return Err(Fault::At { x, value });
    }
    let mut open = vec![(Interval::new(0.0, length), 0u32)];
    let mut pieces = 0;
    while let Some((piece, depth)) = open.pop() {
        pieces += 1;
        let bounds = field.bounds(piece);
        if must.holds_on(bounds) {
            continue;
        }
        let x = 0.5 * (piece.lo + piece.hi);
        let value = field.value(x);
        if !must.holds(value) {
            return Err(Fault::At { x, value });
        }
        if depth == DEEPEST || pieces >= MOST_PIECES || x <= piece.lo || x >= piece.hi {
            return Err(Fault::Unproven { x: piece, bounds });
        }
        open.push((Interval::new(x, piece.hi), depth + 1));
        open.push((Interval::new(piece.lo, x), depth + 1));
    }
    // Beside the samples, both sides of every jump.
    let kinks = field.kinks(Interval::new(0.0, length));
    let sides = kinks.iter().flat_map(|x| [x.next_down(), *x]).map(|x| field.value(x));
    let values = (0..=SAMPLES).map(|i| sample(i).1).chain(sides);
    let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    Ok(Interval::new(lo, hi))
}
