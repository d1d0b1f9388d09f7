//! Groups of particles that react: each is one population, whose number of particles varies.

use super::crowd::{Crowd, Pairing};
use super::{Control, Group, GroupRunner, Plan};
use crate::event::Walkers;
use crate::grid::Grid;
use crate::kernel::reactions::{PairTally, Pairs, Population, ReactionError, Resolution};
use crate::kernel::{Caution, KernelError, LegLaw, Span};
use crate::model::{Mixture, Model};
use crate::rng::{Purpose, stream};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Relative error of the density at a wall where a diffusivity varies, over `|d ln D/dn| sqrt(2 D dt)`, as for single
/// particles: see [`crate::kernel::EulerMaruyama`].
const WALL_LAYER: f64 = 0.57;

/// Errors below this are not told.
const NOTICED: f64 = 1e-3;

/// The [`GroupRunner`] of populations.
#[derive(Clone, Debug)]
pub struct Populations {
    pairs: Pairs,
    model: Model,
    mixture: Arc<Mixture>,
    grid: Grid,
    omega: f64,
    counts: Vec<u64>,
}

impl Populations {
    /// Populations of `counts` particles of every species at the start, `omega` of which make up one unit of
    /// concentration and length; `None` for a model without a mixture.
    ///
    /// # Errors
    /// As [`Pairs::new`].
    pub fn new(
        model: &Model,
        grid: &Grid,
        omega: f64,
        counts: Vec<u64>,
        resolution: Resolution,
    ) -> Option<Result<Self, ReactionError>> {
        let mixture = model.mixture.clone()?;
        let pairs = Pairs::new(&mixture, omega, resolution);
        Some(pairs.map(|pairs| Populations {
            pairs,
            model: model.clone(),
            mixture,
            grid: *grid,
            omega,
            counts,
        }))
    }

    fn tally(&self) -> PairTally {
        PairTally::new(&self.mixture, self.pairs.cells())
    }

    fn species(&self) -> usize {
        self.mixture.species().len()
    }

    /// Steps that make up a duration.
    fn steps(&self, duration: f64) -> u64 {
        libm::round(duration / self.pairs.dt()) as u64
    }

    fn go(&self, group: &mut Group, steps: u64, scored: bool) -> Result<(), KernelError> {
        let Some(Crowd::Pairs(crowd)) = &mut group.population else { return Ok(()) };
        let mut unseen = (!scored).then(|| self.tally());
        let tally = unseen.as_mut().unwrap_or(&mut crowd.tally);
        Ok(self.pairs.advance(&mut crowd.population, steps, &mut group.stream, tally)?)
    }
}

impl GroupRunner for Populations {
    fn begin(&self, plan: &Plan, group: usize) -> Group {
        let mut random = stream(plan.seed, Purpose::Start, group as u64);
        let population = Population::uniform(&self.counts, &mut random);
        Group {
            population: Some(Crowd::Pairs(Pairing {
                totals: population.totals(&self.mixture),
                population,
                tally: self.tally(),
                omega: self.omega,
                dt: self.pairs.dt(),
            })),
            ..Group::without_walkers(plan, group, self.species(), &self.grid)
        }
    }

    fn forget(&self, group: &mut Group) {
        group.snapshots.clear();
        group.clock = 0.0;
        if let Some(Crowd::Pairs(crowd)) = &mut group.population {
            crowd.tally = self.tally();
            crowd.totals = crowd.population.totals(&self.mixture);
        }
    }

    fn observe(&self, plan: &Plan, group: &mut Group) {
        if plan.times.is_empty() {
            return;
        }
        if let Some(Crowd::Pairs(crowd)) = &group.population {
            let Population { at, species } = &crowd.population;
            let seen = Walkers::new(at.clone(), species.clone());
            group.snapshots.push(Snapshot::of(&seen, None, false, self.species(), &self.grid));
        }
    }

    fn burn_in(
        &self,
        plan: &Plan,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        let pieces = plan.burn_in_pieces();
        for _ in 0..pieces {
            self.go(group, self.steps(plan.burn_in / pieces as f64), false)?;
            if after(1.0 / pieces as f64) == Control::Stop {
                break;
            }
        }
        self.forget(group);
        Ok(())
    }

    fn advance(&self, group: &mut Group, span: Span) -> Result<(), KernelError> {
        self.go(group, self.steps(span.amount()).max(1), true)?;
        if let Some(Crowd::Pairs(crowd)) = &group.population {
            group.clock = 0.5 * crowd.tally.sightings() as f64 * crowd.dt;
        }
        Ok(())
    }

    fn dwell(&self) -> Vec<Vec<f64>> {
        vec![vec![self.pairs.dt(); self.grid.cells()]; self.species()]
    }

    fn leg_law(&self) -> Vec<Option<LegLaw>> {
        vec![None; self.model.network.states().len()]
    }

    fn flux_excess(&self) -> f64 {
        0.0
    }

    /// Where a diffusivity varies, steps of Euler and Maruyama that are folded at a wall leave a layer there.
    fn cautions(&self) -> Vec<Caution> {
        let (length, dt) = (self.mixture.domain.length, self.pairs.dt());
        let layer = |species: usize, x: f64| {
            let nudge = 1e-6 * length;
            let [near, far] = [0.0, nudge]
                .map(|d| self.mixture.diffusivity(species, if x == 0.0 { d } else { length - d }));
            WALL_LAYER * ((far - near) / (nudge * near)).abs() * libm::sqrt(2.0 * near * dt)
        };
        let layers = (0..self.species()).flat_map(|k| [0.0, length].map(|x| (k, layer(k, x))));
        let worst = layers.max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((species, error)) = worst.filter(|(_, error)| *error > NOTICED) else { return Vec::new() };
        vec![Caution {
            seen: format!(
                "the diffusivity of {} varies at a wall, where steps of dt = {dt} are folded",
                self.mixture.species()[species].name
            ),
            meaning: format!(
                "the concentration of {} at the wall is off by about {error:.1e} of itself, which soret_wall sees",
                self.mixture.species()[species].name
            ),
            remedy: "a quarter of this dt halves it; judge by soret, which it hardly touches".into(),
        }]
    }
}
