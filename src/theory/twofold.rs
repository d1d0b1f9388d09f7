//! Numbers carried as unevaluated sums of two doubles, about 32 significant digits.
//!
//! Fast transitions multiply a tiny difference of two densities by a huge rate, and slow ones leave
//! densities that are flat up to a tiny slope. Keeping the unknowns in this form, and forming those
//! differences before anything is rounded, is what keeps currents accurate in both limits.

/// `hi + lo` with `|lo| <= ulp(hi)/2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Twofold {
    hi: f64,
    lo: f64,
}

/// The exact sum of two doubles.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// A double as the sum of two halves of 26 bits each.
fn split(a: f64) -> (f64, f64) {
    let c = 134_217_729.0 * a;
    let hi = c - (c - a);
    (hi, a - hi)
}

/// The exact product of two doubles (no overflow below 1e150 each).
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    let (ah, al) = split(a);
    let (bh, bl) = split(b);
    (p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

impl Twofold {
    pub(super) fn value(self) -> f64 {
        self.hi
    }

    pub(super) fn plus(self, b: f64) -> Self {
        let (s, e) = two_sum(self.hi, b);
        let (hi, lo) = two_sum(s, e + self.lo);
        Twofold { hi, lo }
    }

    pub(super) fn minus(self, b: Self) -> Self {
        let (s, e) = two_sum(self.hi, -b.hi);
        let (t, f) = two_sum(self.lo, -b.lo);
        let (s, e) = two_sum(s, e + t);
        let (hi, lo) = two_sum(s, e + f);
        Twofold { hi, lo }
    }

    pub(super) fn times(self, b: f64) -> Self {
        let (p, e) = two_product(self.hi, b);
        let (hi, lo) = two_sum(p, e + self.lo * b);
        Twofold { hi, lo }
    }
}

impl From<f64> for Twofold {
    fn from(hi: f64) -> Self {
        Twofold { hi, lo: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_cancellation() {
        let third = 1.0 / 3.0;
        let a = Twofold::from(1.0).plus(1e-25);
        assert_eq!(a.minus(Twofold::from(1.0)).value(), 1e-25);
        // (1/3)^2 as a double product has a rounding error that the twofold product keeps.
        let exact = Twofold::from(third).times(third);
        let error = exact.minus(Twofold::from(third * third)).value();
        assert!(error != 0.0 && error.abs() < 1e-16);
        let back = exact.times(3.0).minus(Twofold::from(third));
        assert!(back.value().abs() < 1e-16);
    }
}
