//! Rates of units as functions of position: a rate constant times a concentration known on cells.

use super::ReactionError;
use crate::expression::Interval;
use crate::grid::Grid;
use crate::kernel::bounds::{check, widened};
use crate::model::{Field, Mixture, Way};
use std::sync::Arc;

/// A concentration that is known as means over the bins of a grid: straight between their middles, level
/// in the outer halves of the first and the last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Concentration {
    means: Vec<f64>,
    length: f64,
}

/// More than the rounding of an interpolation, relative.
const ROUNDING: f64 = 1e-14;

impl Concentration {
    pub fn new(means: Vec<f64>, length: f64) -> Self {
        Concentration { means, length }
    }

    /// The place in units of bins from the first middle, cut at the last.
    fn place(&self, x: f64) -> f64 {
        let bins = self.means.len() as f64;
        (x / self.length * bins - 0.5).clamp(0.0, bins - 1.0)
    }

    fn value(&self, x: f64) -> f64 {
        let place = self.place(x);
        let left = (place as usize).min(self.means.len().saturating_sub(2));
        let (a, b) = (self.means[left], self.means[(left + 1).min(self.means.len() - 1)]);
        a + (b - a) * (place - left as f64)
    }

    pub fn bounds(&self, x: Interval) -> Interval {
        let knots = libm::ceil(self.place(x.lo)) as usize..=libm::floor(self.place(x.hi)) as usize;
        let inside = knots.filter_map(|k| self.means.get(k).copied());
        let (mut lo, mut hi) = (f64::INFINITY, 0.0f64);
        for value in inside.chain([self.value(x.lo), self.value(x.hi)]) {
            (lo, hi) = (lo.min(value), hi.max(value));
        }
        // Rounding is relative to the larger end of a piece, not to the value.
        let piece = [self.place(x.lo), self.place(x.hi)].map(|p| [libm::floor(p), libm::ceil(p)]);
        let ends = piece.iter().flatten().filter_map(|p| self.means.get(*p as usize));
        let margin = ROUNDING * ends.fold(hi, |m, v| m.max(*v));
        Interval::new((lo - margin).max(0.0), hi + margin)
    }
}

/// The rate constant of a way, with its bounds on the cells of a grid at hand.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    mixture: Arc<Mixture>,
    way: Way,
    grid: Grid,
    bounds: Vec<Interval>,
    /// The value, where it is the same everywhere.
    level: Option<f64>,
}

impl Constant {
    pub fn new(mixture: &Arc<Mixture>, way: Way, grid: &Grid) -> Result<Self, ReactionError> {
        let mut bounds = Vec::with_capacity(grid.cells());
        for cell in 0..grid.cells() {
            let found = mixture.rate_constant_bounds(way, widened(grid, cell));
            let at = mixture.rate_constant(way, grid.cell_middle(cell));
            if !(at >= 0.0 && found.lo >= 0.0 && found.hi.is_finite()) {
                let Way { reaction, forward } = way;
                let (x, found) = (grid.cell_middle(cell), if at >= 0.0 { found.hi } else { at });
                return Err(ReactionError::RateConstant { reaction, forward, x, found });
            }
            let what = || format!("a rate constant of reaction {}", way.reaction);
            check(grid, cell, found, &what, &|x| mixture.rate_constant(way, x))?;
            bounds.push(found);
        }
        let first = bounds[0];
        let level = (first.width() == 0.0 && bounds.iter().all(|b| *b == first)).then_some(first.lo);
        Ok(Constant { mixture: Arc::clone(mixture), way, grid: *grid, bounds, level })
    }

    fn value(&self, x: f64) -> f64 {
        self.level.unwrap_or_else(|| self.mixture.rate_constant(self.way, x))
    }

    /// Those on the cell whose middle is that of `x`, if that holds `x`.
    fn bounds(&self, x: Interval) -> Interval {
        let cell = (x.midpoint() / self.grid.cell_width()) as usize;
        let known = widened(&self.grid, cell.min(self.grid.cells() - 1));
        if known.lo <= x.lo && x.hi <= known.hi {
            self.bounds[cell.min(self.grid.cells() - 1)]
        } else {
            self.mixture.rate_constant_bounds(self.way, x)
        }
    }
}

/// `factor k(x) c(x)`, 1/time.
#[derive(Clone, Debug)]
pub(super) struct UnitRate {
    pub constant: Arc<Constant>,
    pub factor: f64,
    pub partner: Option<Arc<Concentration>>,
}

impl Field for UnitRate {
    fn value(&self, x: f64) -> f64 {
        let partner = self.partner.as_ref().map_or(1.0, |c| c.value(x));
        self.constant.value(x) * (self.factor * partner)
    }

    fn slope(&self, x: f64) -> f64 {
        let h = 1e-6 * self.constant.grid.length;
        let (lo, hi) = ((x - h).max(0.0), (x + h).min(self.constant.grid.length));
        (self.value(hi) - self.value(lo)) / (hi - lo)
    }

    fn bounds(&self, x: Interval) -> Interval {
        let partner = self.partner.as_ref().map_or(Interval::point(1.0), |c| c.bounds(x));
        self.constant.bounds(x) * (Interval::point(self.factor) * partner)
    }

    fn describe(&self) -> String {
        let Way { reaction, forward } = self.constant.way;
        format!("the rate of reaction {reaction} {}", if forward { "forward" } else { "backward" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_within_their_bounds() {
        let c = Concentration::new(vec![1.0, 0.0, 3.0, 1e-9, 0.3], 2.0);
        assert_eq!([0.0, 0.2, 0.4, 1.0, 2.0].map(|x| c.value(x)), [1.0, 1.0, 0.5, 3.0, 0.3]);
        let mut seed = 5u64;
        let mut random = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        for _ in 0..2000 {
            let width = libm::pow(10.0, -6.0 * random());
            let lo = 2.0 * random() * (1.0 - 0.5 * width);
            let range = Interval::new(lo, lo + width * random() * (2.0 - lo));
            let bounds = c.bounds(range);
            for _ in 0..20 {
                let x = range.lo + (range.hi - range.lo) * random();
                assert!(bounds.contains(c.value(x)), "{x} in {range:?}: {} in {bounds:?}", c.value(x));
            }
        }
        let one = Concentration::new(vec![2.5], 1.0);
        assert_eq!(one.value(0.7), 2.5);
        assert!(one.bounds(Interval::new(0.0, 1.0)).contains(2.5));
    }
}
