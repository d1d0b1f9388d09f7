//! What a group of particles that react holds and has scored, and what anybody may ask of it.

use crate::grid::Grid;
use crate::kernel::reactions::{PairTally, Population};
use crate::model::Mixture;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// The particles of a group. Sums of events are per unit of concentration and length once they are divided by
/// [`Crowd::omega`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Crowd {
    /// A population that meets.
    Pairs(Pairing),
}

/// A population that moves and reacts in cells, and what it has scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pairing {
    /// Its particles.
    pub population: Population,
    /// What was scored since the end of the burn-in.
    pub tally: PairTally,
    /// Particles per unit of concentration and length.
    pub omega: f64,
    /// Time of a step.
    pub dt: f64,
    /// `sum_k m_lk n_k` of every law when scoring began.
    pub totals: Vec<i64>,
}

/// What must hold for integers and does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// Walls that particles passed.
    pub leaks: u64,
    /// Totals that changed.
    pub changed: u64,
}

impl Crowd {
    /// Cells in which events are scored.
    pub fn cells(&self) -> usize {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.cells(),
        }
    }

    /// Events that make up one unit of concentration and length.
    pub fn omega(&self) -> f64 {
        match self {
            Crowd::Pairs(pairs) => pairs.omega,
        }
    }

    /// Time scored.
    pub fn time(&self) -> f64 {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.steps() as f64 * pairs.dt,
        }
    }

    /// Steps or legs scored, of all particles.
    pub fn moves(&self) -> u64 {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.sightings() / 2,
        }
    }

    /// Reactions scored.
    pub fn events(&self, mixture: &Mixture) -> u64 {
        match self {
            Crowd::Pairs(pairs) => mixture.ways().map(|way| pairs.tally.events(way)).sum(),
        }
    }

    /// Concentration times time, `[species][bin]`. Like all that follows nothing for bins that are no whole number of cells.
    pub fn concentrations(&self, grid: &Grid) -> Vec<Vec<f64>> {
        let time = self.time();
        let mut c = match self {
            Crowd::Pairs(pairs) => pairs.tally.concentrations(grid, pairs.omega).unwrap_or_default(),
        };
        c.iter_mut().flatten().for_each(|c| *c *= time);
        c
    }

    /// Net passages through the faces of bins towards larger x, `[species][face]`, the walls included.
    pub fn crossings(&self, mixture: &Mixture, bins: usize) -> Vec<Vec<f64>> {
        match self {
            Crowd::Pairs(pairs) => {
                let faces = pairs.tally.crossings(mixture, bins).unwrap_or_default();
                faces.into_iter().map(|faces| faces.into_iter().map(|n| n as f64).collect()).collect()
            }
        }
    }

    /// Passages of every way, `[way][bin]`.
    pub fn passages(&self, bins: usize) -> Vec<Vec<f64>> {
        match self {
            Crowd::Pairs(pairs) => {
                let ways = pairs.tally.passages(bins).unwrap_or_default();
                ways.into_iter().map(|bins| bins.into_iter().map(|n| n as f64).collect()).collect()
            }
        }
    }

    /// Energy taken from the bath in every bin.
    pub fn heat(&self, mixture: &Mixture, bins: usize) -> Vec<f64> {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.heat(mixture, bins).unwrap_or_default(),
        }
    }

    /// Concentrations in a snapshot of its particles, `[species][bin]` one after the other.
    pub fn seen_in(&self, snapshot: &Snapshot, grid: &Grid) -> Vec<f64> {
        match self {
            Crowd::Pairs(pairs) => {
                let unit = pairs.omega * grid.bin_width();
                snapshot.counts.iter().map(|n| f64::from(*n) / unit).collect()
            }
        }
    }

    /// Walls that were passed and totals that changed, in the tally and in the particles themselves.
    pub fn broken(&self, mixture: &Mixture) -> Broken {
        match self {
            Crowd::Pairs(pairs) => {
                let said = pairs.tally.broken(mixture);
                let leaks = said.iter().filter(|what| what.contains("wall")).count();
                let now = pairs.population.totals(mixture);
                let changed = pairs.totals.iter().zip(now).filter(|(before, now)| **before != *now).count();
                Broken { leaks: leaks as u64, changed: (said.len() - leaks + changed) as u64 }
            }
        }
    }
}
