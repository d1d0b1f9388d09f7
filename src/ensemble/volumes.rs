//! Groups of independent realisations of one well-mixed volume.

use super::{Control, Group, GroupRunner, Plan};
use crate::grid::Grid;
use crate::kernel::reactions::{ReactionError, WellMixed};
use crate::kernel::{Caution, KernelError, LegLaw, Span};
use crate::model::Mixture;
use crate::volume::Volume;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The realisations of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Realisations {
    /// Number of species.
    pub species: usize,
    /// Counts of all species, one realisation after the other.
    pub counts: Vec<u64>,
    /// Reactions that happened in all of them.
    pub events: u64,
    /// What was seen at every observation time so far.
    pub seen: Vec<Census>,
}

/// How many realisations hold how many particles: per species, numbers in increasing order with how often each was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Census(pub Vec<Vec<(u64, u64)>>);

impl Realisations {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.counts.len() / self.species
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The numbers of all species now.
    pub fn census(&self) -> Census {
        let of = |s: usize| {
            let mut found = BTreeMap::new();
            for counts in self.counts.chunks(self.species) {
                *found.entry(counts[s]).or_insert(0) += 1;
            }
            found.into_iter().collect()
        };
        Census((0..self.species).map(of).collect())
    }
}

/// The [`GroupRunner`] of a well-mixed volume.
#[derive(Clone, Debug)]
pub struct Volumes {
    kernel: WellMixed,
    start: Vec<u64>,
    realisations: u64,
    grid: Grid,
}

impl Volumes {
    /// So many realisations over all groups.
    ///
    /// # Errors
    /// As [`WellMixed::new`].
    pub fn new(
        mixture: &Mixture,
        volume: &Volume,
        realisations: u64,
        grid: &Grid,
    ) -> Result<Self, ReactionError> {
        let kernel = WellMixed::new(mixture, volume.x, volume.size, &volume.start)?;
        Ok(Volumes { kernel, start: volume.start.clone(), realisations, grid: *grid })
    }

    fn go(&self, group: &mut Group, duration: f64) -> Result<(), KernelError> {
        let Group { realisations, stream, .. } = group;
        let Some(Realisations { species, counts, events, .. }) = realisations else { return Ok(()) };
        let mut volume = self.kernel.clone();
        for counts in counts.chunks_mut(*species) {
            volume.resume(counts);
            *events += volume.advance(duration, stream)?;
            counts.copy_from_slice(volume.counts());
        }
        Ok(())
    }
}

impl GroupRunner for Volumes {
    fn begin(&self, plan: &Plan, group: usize) -> Group {
        let (groups, number) = (plan.groups as u64, group as u64);
        let share = self.realisations / groups + u64::from(number < self.realisations % groups);
        let species = self.start.len();
        Group {
            realisations: Some(Realisations {
                species,
                counts: self.start.repeat(share as usize),
                events: 0,
                seen: Vec::new(),
            }),
            ..Group::without_walkers(plan, group, species, &self.grid)
        }
    }

    fn burn_in(
        &self,
        plan: &Plan,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        self.go(group, plan.burn_in)?;
        after(1.0);
        self.forget(group);
        Ok(())
    }

    fn forget(&self, group: &mut Group) {
        group.clock = 0.0;
        if let Some(realisations) = &mut group.realisations {
            realisations.events = 0;
            realisations.seen.clear();
        }
    }

    fn advance(&self, group: &mut Group, span: Span) -> Result<(), KernelError> {
        self.go(group, span.amount())?;
        let number = group.realisations.as_ref().map_or(0, Realisations::len);
        group.clock += span.amount() * number as f64;
        Ok(())
    }

    fn observe(&self, _plan: &Plan, group: &mut Group) {
        if let Some(realisations) = &mut group.realisations {
            let census = realisations.census();
            realisations.seen.push(census);
        }
    }

    fn dwell(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.grid.cells()]; self.start.len()]
    }

    fn leg_law(&self) -> Vec<Option<LegLaw>> {
        vec![None; self.start.len()]
    }

    fn flux_excess(&self) -> f64 {
        0.0
    }

    fn cautions(&self) -> Vec<Caution> {
        Vec::new()
    }
}
