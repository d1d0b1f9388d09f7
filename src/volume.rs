//! One well-mixed volume in place of a domain: what it holds at the start, and the cells in which numbers of particles are
//! counted, shared by tallies and theory.

use crate::model::Mixture;

/// Most cells in which the number of a species is counted.
pub const MOST_CELLS: u64 = 128;

/// A volume in which everything meets everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// The place whose temperature and rate constants hold.
    pub x: f64,
    /// Particles per unit of concentration.
    pub size: f64,
    /// Particles of every species at the start.
    pub start: Vec<u64>,
    /// Cells of the number of every species.
    pub scales: Vec<Scale>,
}

/// Numbers of one species in cells of equal width, those of the last cell and beyond in the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The least number.
    pub first: u64,
    /// Between numbers that are possible.
    pub step: u64,
    /// Between the first numbers of two cells, a multiple of `step`.
    pub width: u64,
    /// How many cells there are.
    pub cells: usize,
}

impl Volume {
    /// A volume of `size` particles per unit of concentration that holds `start` of every species, with the rates of `mixture`
    /// at `x`; `typical` concentrations tell how far numbers without a bound may be expected.
    pub fn new(mixture: &Mixture, x: f64, size: f64, start: Vec<u64>, typical: &[f64]) -> Self {
        let expected = |s: usize| typical.get(s).map_or(0, |c| libm::ceil(c * size).max(0.0) as u64);
        let scale = |s: usize| {
            let (first, step, last) = reach(mixture, &start, s).unwrap_or_else(|| {
                let most = start[s].max(expected(s));
                (0, 1, bound(mixture, &start, s).unwrap_or(most.saturating_mul(2).saturating_add(20)))
            });
            let numbers = (last - first) / step + 1;
            let width = step * numbers.div_ceil(MOST_CELLS);
            Scale { first, step, width, cells: (step * numbers).div_ceil(width) as usize }
        };
        let scales = (0..start.len()).map(scale).collect();
        Volume { x, size, start, scales }
    }

    /// Most cells of any species.
    pub fn cells(&self) -> usize {
        self.scales.iter().map(|s| s.cells).max().unwrap_or(0)
    }
}

impl Scale {
    /// The cell of a number.
    pub fn cell(&self, number: u64) -> usize {
        let cell = number.saturating_sub(self.first) / self.width;
        usize::try_from(cell).map_or(self.cells - 1, |c| c.min(self.cells - 1))
    }

    /// The least and the largest number of a cell; the last also holds what is beyond.
    pub fn ends(&self, cell: usize) -> [u64; 2] {
        let first = self.first + self.width * cell as u64;
        [first, first + self.width - self.step]
    }
}

/// First, step and last of the numbers that the only reaction can reach; `None` for several, or without end.
fn reach(mixture: &Mixture, start: &[u64], species: usize) -> Option<(u64, u64, u64)> {
    let [reaction] = mixture.reactions() else { return None };
    let change = reaction.change(start.len());
    let extent = |sign: i64| {
        if !reaction.open()[usize::from(sign < 0)] {
            return Some(0);
        }
        let used = start.iter().zip(&change).filter(|(_, d)| sign * **d < 0);
        used.map(|(n, d)| n / d.unsigned_abs()).min()
    };
    let (forward, backward) = (extent(1)?, extent(-1)?);
    let (now, step) = (start[species], change[species].unsigned_abs());
    let (more, less) = if change[species] > 0 { (forward, backward) } else { (backward, forward) };
    Some((now - step * less, step.max(1), now + step * more))
}

/// The largest number that what is conserved allows.
fn bound(mixture: &Mixture, start: &[u64], species: usize) -> Option<u64> {
    let of = |law: &Vec<i64>| {
        let own = u64::try_from(law[species]).ok().filter(|m| *m > 0)?;
        let weights: Vec<u64> = law.iter().map(|m| u64::try_from(*m).ok()).collect::<Option<_>>()?;
        let total: u64 = weights.iter().zip(start).map(|(m, n)| m.saturating_mul(*n)).sum();
        Some(total / own)
    };
    mixture.laws().iter().filter_map(of).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kinetics, Reaction, Species, Uniform};
    use std::sync::Arc;

    fn mixture(reactions: &[(&[usize], &[usize])]) -> Mixture {
        let species = ["A", "B", "C"].map(|name| Species::new(name, 0.0, 1.0, 1)).to_vec();
        let kinetics = || Kinetics::VantHoff { forward: Arc::new(Uniform(1.0)), prefactor: 1.0 };
        let reactions = reactions.iter().map(|(a, b)| Reaction::new(a, b, kinetics())).collect();
        Mixture::new(1.0, Uniform(1.0), species, reactions).unwrap()
    }

    #[test]
    fn every_number_has_one_cell() {
        let dimers = mixture(&[(&[0, 0], &[1])]);
        for monomers in [0, 1, 2, 7, 100, 1001] {
            let volume = Volume::new(&dimers, 0.0, 1.0, vec![monomers, 3, 5], &[0.0; 3]);
            let [m, d, other] = volume.scales[..] else { panic!() };
            assert_eq!((m.first, m.step, d.first, d.step), (monomers % 2, 2, 0, 1));
            assert_eq!((other.first, other.cells), (5, 1));
            for scale in [m, d] {
                assert!(scale.cells <= MOST_CELLS as usize && scale.cells > 0);
                for cell in 0..scale.cells {
                    let [low, high] = scale.ends(cell);
                    assert!(low <= high && scale.cell(low) == cell && scale.cell(high) == cell);
                }
            }
            assert_eq!(m.cell(monomers + 6), m.cells - 1);
            assert_eq!(d.cell(3 + monomers / 2), d.cells - 1);
        }
        // Several reactions: what is conserved bounds numbers, and what has no bound is taken as far as is expected.
        let several = mixture(&[(&[0], &[1]), (&[], &[2])]);
        let volume = Volume::new(&several, 0.0, 10.0, vec![4, 6, 0], &[0.0, 0.0, 3.0]);
        assert_eq!(volume.scales.iter().map(|s| s.ends(s.cells - 1)[1]).collect::<Vec<_>>(), [10, 10, 80]);
        assert_eq!(volume.scales[2].cell(1_000_000), volume.scales[2].cells - 1);
    }
}
