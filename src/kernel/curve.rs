//! Tables of functions of position that a stepped method asks for at every step.

use crate::event::Position;

/// A function of position as a cubic on each of `2^k` equal parts of the domain.
///
/// The cubic through four points of a part is kept where it meets the function to [`TOLERANCE`] at points in
/// between; elsewhere, and wherever a kink lies, the function itself is asked. More parts are taken as long as
/// too many of them are rough.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Coefficients of the powers of the place in the part, from 0 to 1; not a number where the part is rough.
    parts: Vec<[f64; 4]>,
    bits: u32,
    constant: Option<f64>,
}

/// Largest error over the largest value on the part.
const TOLERANCE: f64 = 1e-10;

/// Fewest and most parts, as powers of two. The fewest fit into the nearest cache.
const BITS: std::ops::RangeInclusive<u32> = 8..=12;

/// One part in so many may be rough.
const ROUGH: usize = 64;

impl Curve {
    /// The table of `function`, of `x/L`, that has kinks at these places.
    pub fn new(function: &dyn Fn(f64) -> f64, kinks: &[f64]) -> Self {
        let mut curve = Curve { parts: Vec::new(), bits: 0, constant: None };
        for bits in BITS {
            let n = 1 << bits;
            let near = |k: usize, kink: &f64| (kink * n as f64 - (k as f64 + 0.5)).abs() < 0.5 + 1e-6;
            let part = |k: usize| {
                let kinked = kinks.iter().any(|kink| near(k, kink));
                let place = |t: f64| function((k as f64 + t) / n as f64);
                Some(place).filter(|_| !kinked).and_then(|place| cubic(&place)).unwrap_or([f64::NAN; 4])
            };
            curve = Curve { parts: (0..n).map(part).collect(), bits, constant: None };
            let rough = curve.parts.iter().filter(|c| c[0].is_nan()).count();
            if rough * ROUGH <= n {
                break;
            }
        }
        let first = curve.parts[0];
        let constant = first[1..] == [0.0; 3] && curve.parts.iter().all(|part| *part == first);
        curve.constant = constant.then_some(first[0]);
        curve
    }

    /// The value, if it is the same everywhere.
    pub fn constant(&self) -> Option<f64> {
        self.constant
    }

    /// The value at a position; `function` is asked where the table does not know.
    #[inline(always)]
    pub fn at(&self, position: Position, function: impl Fn() -> f64) -> f64 {
        match self.constant {
            Some(constant) => constant,
            None => {
                let value = self.look_up(position);
                if value.is_nan() { asked(&function) } else { value }
            }
        }
    }

    /// The values at some positions.
    #[inline(always)]
    pub fn fill(&self, values: &mut [f64], positions: &[Position], function: impl Fn(Position) -> f64) {
        if let Some(constant) = self.constant {
            return values.fill(constant);
        }
        let mut rough = false;
        for (value, position) in values.iter_mut().zip(positions) {
            *value = self.look_up(*position);
            rough |= value.is_nan();
        }
        if rough {
            for (value, position) in values.iter_mut().zip(positions).filter(|(value, _)| value.is_nan()) {
                *value = asked(&|| function(*position));
            }
        }
    }

    #[inline(always)]
    fn look_up(&self, position: Position) -> f64 {
        let (part, t) = position.part(self.bits);
        let [c0, c1, c2, c3] = self.parts[part];
        (c0 + t * c1) + (t * t) * (c2 + t * c3)
    }
}

/// Kept out of the loops that ask.
#[cold]
#[inline(never)]
fn asked(function: &dyn Fn() -> f64) -> f64 {
    function()
}

/// The cubic through `f` at 0, 1/3, 2/3 and 1, if it is good in between.
fn cubic(f: &dyn Fn(f64) -> f64) -> Option<[f64; 4]> {
    let [a, b, c, d] = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0].map(f);
    let cubic = [
        a,
        0.5 * (18.0 * (b - a) - 9.0 * (c - a) + 2.0 * (d - a)),
        0.5 * (-45.0 * (b - a) + 36.0 * (c - a) - 9.0 * (d - a)),
        4.5 * (3.0 * (b - a) - 3.0 * (c - a) + (d - a)),
    ];
    let largest = [a, b, c, d].iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let good = |t: f64| {
        let value = cubic[0] + t * (cubic[1] + t * (cubic[2] + t * cubic[3]));
        (value - f(t)).abs() <= TOLERANCE * largest
    };
    [1.0 / 6.0, 0.5, 5.0 / 6.0].into_iter().all(good).then_some(cubic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(function: &dyn Fn(f64) -> f64, kinks: &[f64]) -> (Curve, f64, usize) {
        let curve = Curve::new(function, kinks);
        let (mut worst, asked) = (0.0f64, std::cell::Cell::new(0));
        for k in 0..=40_000 {
            let position = Position::from_fraction(f64::from(k) / 40_000.0);
            let exact = || {
                asked.set(asked.get() + 1);
                function(position.fraction())
            };
            let value = curve.at(position, exact);
            worst = worst.max((value - function(position.fraction())).abs());
        }
        (curve, worst, asked.get())
    }

    #[test]
    fn smooth_functions_are_known_and_rough_ones_asked() {
        let (curve, error, asked) = worst(&|x| (1.0 + 0.8 * x).sqrt(), &[]);
        assert!(error < 1e-11 && asked == 0 && curve.bits == 8, "{error:e}");
        let (_, error, _) = worst(&|x| (1.5 + ((x - 0.3) / 0.004).tanh()).sqrt(), &[]);
        assert!(error < 1e-9, "{error:e}");
        let step = |x: f64| if x < 0.37 { 1.0 } else { 2.0 };
        let (curve, error, asked) = worst(&step, &[0.37]);
        assert!(error == 0.0 && asked > 0 && curve.constant.is_none());
        let (curve, error, _) = worst(&|_| 0.3, &[]);
        assert!(error == 0.0 && curve.constant == Some(0.3));
    }
}
