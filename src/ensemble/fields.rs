//! Groups of units in a mean field: each feeds on its own concentrations only, so that groups are independent.

use super::crowd::{Crowd, Fielded};
use super::{Control, Group, GroupRunner, Plan};
use crate::event::Walkers;
use crate::grid::Grid;
use crate::kernel::reactions::{MeanField, ReactionError, UnitTally, settled};
use crate::kernel::{Caution, KernelError, LegLaw, Span};
use crate::model::{Field, Mixture, Uniform};
use crate::rng::{Purpose, stream};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Relative error of windows of a duration times the number of units in a cell, because a unit meets itself in the counts: of
/// the number of dimers of `2 M <-> D` 0.24 at 5 units and 0.26 at 20 (docs/decisions/reactions.md).
const MEETS_ITSELF: f64 = 0.25;

/// Errors below this are not told.
const NOTICED: f64 = 1e-3;

/// The [`GroupRunner`] of units in a mean field.
#[derive(Clone, Debug)]
pub struct Fields {
    method: MeanField,
    window: Span,
    grid: Grid,
    /// Units of each kind in a group.
    units: u64,
    /// Mean time of a leg.
    leg: f64,
}

impl Fields {
    /// Units of `mixture`, which is uniform at the start, with concentrations on `cells` cells that hold for a `window`; about
    /// so many `units` of each kind in a group.
    ///
    /// # Errors
    /// As [`MeanField::new`] and [`MeanField::legs_per_time`].
    pub fn new(
        mixture: &Mixture,
        concentrations: &[f64],
        cells: usize,
        window: Span,
        units: u64,
        grid: &Grid,
    ) -> Result<Self, ReactionError> {
        let start: Vec<Arc<dyn Field>> =
            concentrations.iter().map(|c| -> Arc<dyn Field> { Arc::new(Uniform(*c)) }).collect();
        let method = MeanField::new(mixture, &start, cells)?;
        let pace = method.legs_per_time(&settled(mixture, concentrations))?;
        let leg = if pace > 0.0 { 1.0 / pace } else { 1.0 };
        Ok(Fields { method, window, grid: *grid, units, leg })
    }

    /// States of all kinds.
    fn states(&self) -> usize {
        self.method.units().map(|(_, species)| species.len()).sum()
    }

    /// Windows of about the length that was asked for, which fill the span.
    fn go(&self, group: &mut Group, span: Span, scored: bool) -> Result<(), KernelError> {
        let Some(Crowd::Units(crowd)) = &mut group.population else { return Ok(()) };
        let mut unseen = (!scored).then(|| UnitTally::new(&self.method));
        let tally = unseen.as_mut().unwrap_or(&mut crowd.tally);
        let window = self.window.amount();
        let pieces = match span {
            Span::Legs(legs) => {
                let windows = (libm::round(legs as f64 / window) as u64).clamp(1, legs.max(1));
                let (length, longer) = (legs / windows, legs % windows);
                [(longer, Span::Legs(length + 1)), (windows - longer, Span::Legs(length))]
            }
            Span::Duration(duration) => {
                let windows = libm::ceil(duration / window * (1.0 - 1e-12)).max(1.0);
                [(windows as u64, Span::Duration(duration / windows)), (0, span)]
            }
        };
        for (windows, length) in
            pieces.into_iter().filter(|(windows, length)| *windows > 0 && length.amount() > 0.0)
        {
            self.method.advance(&mut crowd.units, windows, length, &mut group.stream, tally)?;
        }
        Ok(())
    }
}

impl GroupRunner for Fields {
    fn begin(&self, plan: &Plan, group: usize) -> Group {
        let mut random = stream(plan.seed, Purpose::Start, group as u64);
        // There is no plan with an empty group.
        let units = self.method.start(plan.walkers_in(group).max(1) as u64, &mut random).unwrap_or_default();
        let length = self.method.grid().length;
        Group {
            population: Some(Crowd::Units(Fielded { units, tally: UnitTally::new(&self.method), length })),
            ..Group::without_walkers(plan, group, self.method.mixture().species().len(), &self.grid)
        }
    }

    fn forget(&self, group: &mut Group) {
        group.snapshots.clear();
        group.clock = 0.0;
        if let Some(Crowd::Units(crowd)) = &mut group.population {
            crowd.tally = UnitTally::new(&self.method);
        }
    }

    /// Units of all kinds, a state of each kind on its own.
    fn observe(&self, plan: &Plan, group: &mut Group) {
        if plan.times.is_empty() {
            return;
        }
        if let Some(Crowd::Units(crowd)) = &group.population {
            let (mut at, mut states, mut before) = (Vec::new(), Vec::new(), 0);
            for (walkers, (_, species)) in crowd.units.kinds.iter().zip(self.method.units()) {
                at.extend(&walkers.position);
                states.extend(walkers.state.iter().map(|s| before + s));
                before += species.len() as u16;
            }
            let seen = Walkers::new(at, states);
            group.snapshots.push(Snapshot::of(&seen, None, false, self.states(), &self.grid));
        }
    }

    fn burn_in(
        &self,
        plan: &Plan,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        let pieces = plan.burn_in_pieces();
        for piece in 0..pieces {
            let span = match plan.span {
                Span::Legs(_) => {
                    let legs = plan.burn_in as u64;
                    Span::Legs(legs / pieces + u64::from(piece < legs % pieces))
                }
                Span::Duration(_) => Span::Duration(plan.burn_in / pieces as f64),
            };
            self.go(group, span, false)?;
            if after(1.0 / pieces as f64) == Control::Stop {
                break;
            }
        }
        self.forget(group);
        Ok(())
    }

    fn advance(&self, group: &mut Group, span: Span) -> Result<(), KernelError> {
        self.go(group, span, true)?;
        if let Some(Crowd::Units(crowd)) = &group.population {
            let units: usize = crowd.units.kinds.iter().map(Walkers::len).sum();
            group.clock = crowd.time() * units as f64;
        }
        Ok(())
    }

    /// The mean time of a leg, whatever the species and the place.
    fn dwell(&self) -> Vec<Vec<f64>> {
        vec![vec![self.leg; self.grid.cells()]; self.method.mixture().species().len()]
    }

    fn leg_law(&self) -> Vec<Option<LegLaw>> {
        vec![None; self.method.mixture().species().len()]
    }

    fn flux_excess(&self) -> f64 {
        0.0
    }

    fn arithmetic(&self) -> &'static str {
        self.method.arithmetic()
    }

    /// In windows of a duration concentrations are those at hand, in which every unit finds itself.
    fn cautions(&self) -> Vec<Caution> {
        let mixture = self.method.mixture();
        let meets = mixture.open_ways().any(|way| mixture.reactions()[way.reaction].order(way.forward) > 1);
        let cells = self.method.grid().bins;
        let here = self.units as f64 / cells as f64;
        let error = MEETS_ITSELF / here;
        if matches!(self.window, Span::Legs(_)) || !meets || error <= NOTICED {
            return Vec::new();
        }
        vec![Caution {
            seen: format!("a group has {} units of a kind in {cells} cells", self.units),
            meaning: format!(
                "a unit meets itself in the counts of its cell: what takes two particles is about {error:.0e} of itself too \
                 frequent, an error of order one over the units in a cell"
            ),
            remedy: format!(
                "give run.particles {:.0} units a group, or take fewer groups",
                libm::ceil(MEETS_ITSELF / NOTICED * cells as f64)
            ),
        }]
    }
}
