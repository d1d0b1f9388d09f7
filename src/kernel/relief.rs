//! Tables of functions of one internal coordinate that steps ask for.

/// A function of one coordinate and its slope, as a cubic on each of `2^k` equal parts of a box.
///
/// A cubic has the values and slopes of the function at both ends of its part. It is kept where it meets the
/// function within a tolerance at points in between; elsewhere, wherever a kink lies and outside of the box the table does
/// not know. Value and slope belong together: the slope is that of the cubic.
#[derive(Clone, Debug)]
pub(super) struct Relief {
    low: f64,
    /// Parts per length.
    density: f64,
    /// Coefficients of the powers of the place in the part, from 0 to 1; not a number where the part is rough.
    parts: Vec<[f64; 4]>,
}

/// Fewest and most parts, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 9..=13;

/// One part in so many may be rough.
const ROUGH: usize = 64;

impl Relief {
    /// The table of a function that returns value and slope, with kinks at these places.
    pub fn new(
        function: &dyn Fn(f64) -> (f64, f64),
        [low, high]: [f64; 2],
        kinks: &[f64],
        tolerance: f64,
    ) -> Self {
        let mut relief = Relief { low, density: 0.0, parts: Vec::new() };
        for bits in BITS {
            let n = 1usize << bits;
            let width = (high - low) / n as f64;
            let part = |k: usize| {
                let start = low + k as f64 * width;
                let near = |kink: &f64| ((kink - start) / width - 0.5).abs() < 0.5 + 1e-6;
                let place = |t: f64| function(start + t * width);
                let cubic = Some(place).filter(|_| !kinks.iter().any(near));
                cubic.and_then(|place| hermite(&place, width, tolerance)).unwrap_or([f64::NAN; 4])
            };
            relief = Relief { low, density: 1.0 / width, parts: (0..n).map(part).collect() };
            let rough = relief.parts.iter().filter(|c| c[0].is_nan()).count();
            if rough * ROUGH <= n {
                break;
            }
        }
        relief
    }

    /// Value and slope; the value is not a number where the table does not know.
    #[inline(always)]
    pub fn look_up(&self, q: f64) -> (f64, f64) {
        let place = (q - self.low) * self.density;
        // Saturates at 0, from where the cubic would be wrong.
        let part = place as usize;
        let Some([c0, c1, c2, c3]) = self.parts.get(part).filter(|_| place >= 0.0) else {
            return (f64::NAN, f64::NAN);
        };
        let t = place - part as f64;
        (c0 + t * (c1 + t * (c2 + t * c3)), (c1 + t * (2.0 * c2 + t * (3.0 * c3))) * self.density)
    }
}

/// The cubic with the values and slopes of `f` at both ends of a part, if it is good in between.
fn hermite(f: &dyn Fn(f64) -> (f64, f64), width: f64, tolerance: f64) -> Option<[f64; 4]> {
    let ((a, s), (b, r)) = (f(0.0), f(1.0));
    let (s, r) = (s * width, r * width);
    let cubic = [a, s, 3.0 * (b - a) - 2.0 * s - r, 2.0 * (a - b) + s + r];
    let enough = tolerance + 1e-14 * a.abs().max(b.abs());
    let good = |t: f64| {
        let value = cubic[0] + t * (cubic[1] + t * (cubic[2] + t * cubic[3]));
        (value - f(t).0).abs() <= enough
    };
    [0.25, 0.5, 0.75].into_iter().all(good).then_some(cubic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_are_known_within_the_tolerance() {
        let well = |q: f64| (q.powi(4) - 2.0 * q * q, 4.0 * q.powi(3) - 4.0 * q);
        let relief = Relief::new(&well, [-3.0, 3.0], &[], 1e-8);
        let (mut value, mut slope) = (0.0f64, 0.0f64);
        for k in 0..=10_000 {
            let q = -3.0 + 0.000_599_9 * f64::from(k);
            let (found, exact) = (relief.look_up(q), well(q));
            value = value.max((found.0 - exact.0).abs());
            slope = slope.max((found.1 - exact.1).abs());
        }
        assert!(value < 1.2e-8 && slope < 1e-5, "{value:e} {slope:e}");
    }

    #[test]
    fn what_is_not_known_is_no_number() {
        let kinked = |q: f64| (q.abs(), q.signum());
        let relief = Relief::new(&kinked, [-1.0, 1.0], &[0.0], 1e-8);
        assert!(relief.look_up(1e-4).0.is_nan() && relief.look_up(-1.1).0.is_nan());
        assert!(relief.look_up(1.1).0.is_nan() && relief.look_up(f64::NAN).0.is_nan());
        assert!((relief.look_up(0.3).0 - 0.3).abs() < 1e-15);
    }
}
