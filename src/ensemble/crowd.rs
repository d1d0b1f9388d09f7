//! What a group of particles that react holds and has scored, and what anybody may ask of it.

use crate::grid::Grid;
use crate::kernel::reactions::{PairTally, Population, UnitTally, Units};
use crate::model::Mixture;
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// The particles of a group. Sums of events are per unit of concentration and length once they are divided by
/// [`Crowd::omega`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Crowd {
    /// A population that meets.
    Pairs(Pairing),
    /// Units in the mean field of each other.
    Units(Fielded),
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

/// Units that react with the concentrations which they show, and what they have scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fielded {
    /// The units.
    pub units: Units,
    /// What was scored since the end of the burn-in.
    pub tally: UnitTally,
    /// Length of the domain.
    pub length: f64,
}

impl Fielded {
    /// Time scored: that of a unit, where kinds differ their mean, because legs of one last longer than those of another.
    pub fn time(&self) -> f64 {
        let each = (0..self.units.kinds.len()).filter_map(|kind| self.tally.duration(kind, &self.units));
        let (sum, count) = each.fold((0.0, 0u32), |(sum, count), time| (sum + time, count + 1));
        sum / f64::from(count.max(1))
    }

    /// Values per length and time over bins as sums over the time scored.
    fn over_time(&self, mut rates: Vec<Vec<f64>>, bins: usize) -> Vec<Vec<f64>> {
        let each = self.time() * self.length / bins as f64;
        rates.iter_mut().flatten().for_each(|rate| *rate *= each);
        rates
    }
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
            Crowd::Units(units) => units.tally.cells(),
        }
    }

    /// Events that make up one unit of concentration and length.
    pub fn omega(&self) -> f64 {
        match self {
            Crowd::Pairs(pairs) => pairs.omega,
            Crowd::Units(_) => 1.0,
        }
    }

    /// Time scored.
    pub fn time(&self) -> f64 {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.steps() as f64 * pairs.dt,
            Crowd::Units(units) => units.time(),
        }
    }

    /// Steps or legs scored, of all particles.
    pub fn moves(&self) -> u64 {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.sightings() / 2,
            Crowd::Units(units) => units.tally.legs(),
        }
    }

    /// Reactions scored; where units react, how often they changed their species.
    pub fn events(&self, mixture: &Mixture) -> u64 {
        match self {
            Crowd::Pairs(pairs) => mixture.ways().map(|way| pairs.tally.events(way)).sum(),
            Crowd::Units(units) => units.tally.turns(),
        }
    }

    /// Concentration times time, `[species][bin]`. Like all that follows nothing for bins that are no whole number of cells.
    pub fn concentrations(&self, grid: &Grid) -> Vec<Vec<f64>> {
        let time = self.time();
        let mut c = match self {
            Crowd::Pairs(pairs) => pairs.tally.concentrations(grid, pairs.omega).unwrap_or_default(),
            Crowd::Units(units) => units.tally.concentrations(grid.bins).unwrap_or_default(),
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
            Crowd::Units(units) => {
                let mut currents = units.tally.currents(bins).unwrap_or_default();
                let time = units.time();
                currents.iter_mut().flatten().for_each(|j| *j *= time);
                currents
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
            Crowd::Units(units) => units.over_time(units.tally.rates(bins).unwrap_or_default(), bins),
        }
    }

    /// Energy taken from the bath in every bin.
    pub fn heat(&self, mixture: &Mixture, bins: usize) -> Vec<f64> {
        match self {
            Crowd::Pairs(pairs) => pairs.tally.heat(mixture, bins).unwrap_or_default(),
            Crowd::Units(units) => {
                let heat = units.over_time(vec![units.tally.heat(bins).unwrap_or_default()], bins);
                heat.into_iter().flatten().collect()
            }
        }
    }

    /// Concentrations in a snapshot of its particles, `[species][bin]` one after the other.
    pub fn seen_in(&self, snapshot: &Snapshot, grid: &Grid) -> Vec<f64> {
        match self {
            Crowd::Pairs(pairs) => {
                let unit = pairs.omega * grid.bin_width();
                snapshot.counts.iter().map(|n| f64::from(*n) / unit).collect()
            }
            Crowd::Units(units) => units.tally.concentrations_of(&snapshot.counts, grid.bins).concat(),
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
            Crowd::Units(units) => {
                let said = units.tally.broken();
                let leaks = said.iter().filter(|what| what.contains("wall")).count();
                Broken { leaks: leaks as u64, changed: (said.len() - leaks) as u64 }
            }
        }
    }
}
