//! What is scored while a population moves and reacts, all of it in integers.

use super::network::Passage;
use crate::grid::Grid;
use crate::model::{Mixture, Way};
use serde::{Deserialize, Serialize};

/// Sums over the steps of a population, cell by cell.
///
/// Particles cross from cell to cell only when they move, so that the passages of species `k` through a face are
/// what reactions made on its left less what became of it there:
/// ```text
/// passages_k = sum_(cells left) [sum_r nu_kr (forward_r - backward_r) - change of n_k],
/// ```
/// an identity between integers; nothing is counted at a face.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairTally {
    species: usize,
    cells: usize,
    /// Steps scored.
    steps: u64,
    /// Per cell and species, particles just before plus particles just after the reactions of every step.
    sightings: Vec<u64>,
    /// Per cell and species, by how many particles they changed in all.
    gains: Vec<i64>,
    /// Per way of the mixture and cell, how often it was gone.
    passages: Vec<u64>,
}

impl PairTally {
    /// An empty tally of a mixture in so many cells.
    pub fn new(mixture: &Mixture, cells: usize) -> Self {
        let species = mixture.species().len();
        PairTally {
            species,
            cells,
            steps: 0,
            sightings: vec![0; cells * species],
            gains: vec![0; cells * species],
            passages: vec![0; 2 * mixture.reactions().len() * cells],
        }
    }

    /// Cells in which particles react.
    pub fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn step(&mut self) {
        self.steps += 1;
    }

    #[inline]
    pub(super) fn see(&mut self, cell: usize, counts: &[u32]) {
        let here = &mut self.sightings[cell * self.species..][..self.species];
        here.iter_mut().zip(counts).for_each(|(s, n)| *s += u64::from(*n));
    }

    #[inline]
    pub(super) fn pass(&mut self, passage: &Passage, cell: usize) {
        self.passages[passage.way.index() * self.cells + cell] += 1;
    }

    /// Occupations by cell and species, at the start with the sign -1, at the end with 1.
    pub(super) fn change(&mut self, counts: &[u32], sign: i64) {
        self.gains.iter_mut().zip(counts).for_each(|(g, n)| *g += sign * i64::from(*n));
    }

    /// Steps scored.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Particles seen, before and after the reactions of every step: twice the number of particle steps.
    pub fn sightings(&self) -> u64 {
        self.sightings.iter().sum()
    }

    /// How often a way was gone, in all cells.
    pub fn events(&self, way: Way) -> u64 {
        self.passages[way.index() * self.cells..][..self.cells].iter().sum()
    }

    /// Cells per bin; `None` unless that is a whole number.
    fn width(&self, bins: usize) -> Option<usize> {
        (bins > 0 && self.cells.is_multiple_of(bins)).then(|| self.cells / bins)
    }

    /// How often each way was gone, `[way][bin]`. Like all that follows `None` for bins that are no whole number of
    /// cells.
    pub fn passages(&self, bins: usize) -> Option<Vec<Vec<u64>>> {
        let width = self.width(bins)?;
        let of = |way: &[u64]| way.chunks(width).map(|c| c.iter().sum()).collect();
        Some(self.passages.chunks(self.cells).map(of).collect())
    }

    /// Mean concentrations over the steps scored, `[species][bin]`, with `omega` particles per unit of
    /// concentration and length. `None` before any step.
    ///
    /// Particles are seen before and after the reactions of a step; the mean of the two is that of the middle of
    /// the move, up to the second order of the step.
    pub fn concentrations(&self, grid: &Grid, omega: f64) -> Option<Vec<Vec<f64>>> {
        let width = self.width(grid.bins).filter(|_| self.steps > 0)?;
        let scale = 0.5 / (self.steps as f64 * omega * grid.bin_width());
        let of = |species: usize, bin: usize| {
            let cells = bin * width..(bin + 1) * width;
            scale * cells.map(|c| self.sightings[c * self.species + species]).sum::<u64>() as f64
        };
        Some((0..self.species).map(|s| (0..grid.bins).map(|b| of(s, b)).collect()).collect())
    }

    /// Net passages of every species through the faces of bins towards larger x, `[species][face]`, the walls
    /// included.
    pub fn crossings(&self, mixture: &Mixture, bins: usize) -> Option<Vec<Vec<i64>>> {
        let width = self.width(bins)?;
        let changes: Vec<Vec<i64>> = mixture.reactions().iter().map(|r| r.change(self.species)).collect();
        let made = |species: usize, cell: usize| -> i64 {
            let of = |(r, change): (usize, &Vec<i64>)| {
                let count = |way: usize| self.passages[way * self.cells + cell] as i64;
                change[species] * (count(2 * r) - count(2 * r + 1))
            };
            changes.iter().enumerate().map(of).sum()
        };
        let through = |species: usize| {
            let mut faces = vec![0];
            let mut sum = 0;
            for cell in 0..self.cells {
                sum += made(species, cell) - self.gains[cell * self.species + species];
                if (cell + 1).is_multiple_of(width) {
                    faces.push(sum);
                }
            }
            faces
        };
        Some((0..self.species).map(through).collect())
    }

    /// Energy taken from the bath in every bin, `sum_r dH_r (forward_r - backward_r)`.
    pub fn heat(&self, mixture: &Mixture, bins: usize) -> Option<Vec<f64>> {
        let passages = self.passages(bins)?;
        let of = |bin: usize| {
            let reactions = 0..mixture.reactions().len();
            let net = |r: usize| passages[2 * r][bin] as f64 - passages[2 * r + 1][bin] as f64;
            reactions.map(|r| mixture.reaction_enthalpy(r) * net(r)).sum()
        };
        Some((0..bins).map(of).collect())
    }

    /// What must hold for integers and does not, in words: no particle passes a wall, and no law of the mixture is
    /// broken.
    pub fn broken(&self, mixture: &Mixture) -> Vec<&'static str> {
        let mut broken = Vec::new();
        if self.crossings(mixture, 1).iter().flatten().any(|faces| faces[1] != 0) {
            broken.push("particles passed a wall");
        }
        let gain = |species: usize| self.gains.iter().skip(species).step_by(self.species).sum::<i64>();
        let gains: Vec<i64> = (0..self.species).map(gain).collect();
        let kept = |law: &Vec<i64>| law.iter().zip(&gains).map(|(m, g)| m * g).sum::<i64>() == 0;
        if !mixture.laws().iter().all(kept) {
            broken.push("reactions changed what they conserve");
        }
        broken
    }
}
