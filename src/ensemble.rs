//! Groups of walkers, advanced in parallel and read in order.
//!
//! A **group** is the unit of parallel work and of statistics: it has its own walkers, stream and
//! tallies, all plain data. Groups are advanced by any number of threads and always read in order, so
//! that results depend on the experiment file and the seed alone. They advance in **rounds** whose
//! length depends on the file only; between rounds the caller sees the groups, may show an estimate and
//! may end the run. The burn-in before them is done in pieces, between which it may be given up.

mod crowd;
mod fields;
mod populations;
mod volumes;

pub use crowd::{Broken, Crowd, Fielded, Pairing};
pub use fields::Fields;
pub use populations::Populations;
pub use volumes::{Census, Realisations, Volumes};

use crate::event::{Occupancy, Profile, Walkers};
use crate::grid::Grid;
use crate::internal_space::InternalSpace;
use crate::kernel::start::{Start, start};
use crate::kernel::{BLOCK, Caution, Kernel, KernelError, LegLaw, Span};
use crate::model::{Boundary, Model};
use crate::phase_space::PhaseSpace;
use crate::rng::{Purpose, Stream, stream};
use crate::snapshot::Snapshot;
use crate::trajectory::{PathSums, PathWeights, Paths};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Untimed legs of a burn-in between two looks at whether it shall go on.
const LEGS_BETWEEN_LOOKS: u64 = 10_000;

/// What a run does, as far as the ensemble is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of particles over all groups.
    pub particles: u64,
    /// Number of groups.
    pub groups: usize,
    /// How far every particle goes, burn-in apart.
    pub span: Span,
    /// How far every particle goes before anything is scored, in the unit of `span`.
    pub burn_in: f64,
    /// Into how many rounds the span is split; with observation times, one round for each.
    pub rounds: u64,
    /// Times since the end of the burn-in at which groups are observed, increasing, the last the duration
    /// of the run; none where only averages over the run are wanted.
    pub times: Vec<f64>,
    /// Where particles begin.
    pub start: Start,
    /// Seed of all streams.
    pub seed: u64,
}

impl Plan {
    /// Number of walkers in a group: groups differ by one at most.
    pub fn walkers_in(&self, group: usize) -> usize {
        let (groups, group) = (self.groups as u64, group as u64);
        (self.particles / groups + u64::from(group < self.particles % groups)) as usize
    }

    /// Into how many pieces a timed burn-in is cut: none is longer than a round.
    fn burn_in_pieces(&self) -> u64 {
        let rounds = self.burn_in / self.span.amount() * self.rounds as f64;
        // A span of nothing has no rounds to measure by.
        if rounds.is_finite() { rounds.ceil().max(1.0) as u64 } else { 1 }
    }

    /// The part of the span that belongs to `round`. Legs differ by one at most between rounds.
    fn piece(&self, round: u64) -> Span {
        match self.span {
            Span::Legs(legs) => Span::Legs(legs / self.rounds + u64::from(round < legs % self.rounds)),
            Span::Duration(_) if !self.times.is_empty() => {
                let round = round as usize;
                Span::Duration(
                    self.times[round] - round.checked_sub(1).map_or(0.0, |before| self.times[before]),
                )
            }
            Span::Duration(duration) => Span::Duration(duration / self.rounds as f64),
        }
    }
}

/// One group: everything that changes while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its walkers.
    pub walkers: Walkers,
    /// Its stream.
    pub stream: Stream,
    /// Its walkers when scoring began, kept where the way that they have gone or their energy matters: on rings, where
    /// forces do work, and where they have a velocity.
    pub origin: Option<Walkers>,
    /// What it has scored since the end of the burn-in.
    pub profile: Profile,
    /// Where its walkers were when scoring began.
    pub opening: Occupancy,
    /// What it looked like at the observation times; on a ring without any, at the end of every round.
    pub snapshots: Vec<Snapshot>,
    /// What its trajectories have produced, where that is asked for.
    pub paths: Option<PathSums>,
    /// Its velocities, where particles have one.
    pub phase: Option<PhaseSpace>,
    /// Its internal coordinates, where particles have any: the plane of x and the first of them.
    pub internal: Option<InternalSpace>,
    /// Its population, where particles react; there are no walkers then.
    pub population: Option<Crowd>,
    /// Its realisations of a well-mixed volume; there are no walkers then.
    pub realisations: Option<Realisations>,
    /// Physical time scored so far, summed over walkers; zero while legs are untimed, whose time is
    /// known only in expectation.
    pub clock: f64,
}

impl Group {
    /// A group whose particles are not walkers one by one: what it holds is for the caller to put in.
    fn without_walkers(plan: &Plan, group: usize, states: usize, grid: &Grid) -> Self {
        let walkers = Walkers::new(Vec::new(), Vec::new());
        Group {
            opening: Occupancy::of(&walkers, states, grid),
            origin: None,
            walkers,
            stream: stream(plan.seed, Purpose::Advance, group as u64),
            profile: Profile::new(states, 0, grid),
            snapshots: Vec::new(),
            paths: None,
            phase: None,
            internal: None,
            population: None,
            realisations: None,
            clock: 0.0,
        }
    }
}

/// A finished pair of kernel and tallies, with its type erased: one dynamic call per group and round.
pub trait GroupRunner: Send + Sync {
    /// Makes group number `group`.
    fn begin(&self, plan: &Plan, group: usize) -> Group;
    /// Advances without scoring, in pieces: `after` is told the share that each was of the burn-in, and may
    /// end it there.
    ///
    /// # Errors
    /// As the kernel's.
    fn burn_in(
        &self,
        plan: &Plan,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError>;
    /// Forgets what has been scored: scoring begins anew where the walkers are.
    fn forget(&self, group: &mut Group);
    /// Advances and scores.
    ///
    /// # Errors
    /// As the kernel's.
    fn advance(&self, group: &mut Group, span: Span) -> Result<(), KernelError>;
    /// Takes a snapshot of a group after a round, if the plan asks for one or walkers may go round.
    fn observe(&self, plan: &Plan, group: &mut Group);
    /// Physical time of one visit per state and cell, as [`Kernel::dwell`].
    fn dwell(&self) -> Vec<Vec<f64>>;
    /// The law of a leg per state, as [`Kernel::leg_law`].
    fn leg_law(&self) -> Vec<Option<LegLaw>>;
    /// By how much currents are too large, as [`Kernel::flux_excess`].
    fn flux_excess(&self) -> f64;
    /// What a user should know about the method, as [`Kernel::cautions`].
    fn cautions(&self) -> Vec<Caution>;
    /// In what numbers it works, as [`Kernel::arithmetic`].
    fn arithmetic(&self) -> &'static str {
        "double precision"
    }
}

/// The [`GroupRunner`] of a kernel that moves particles with internal states.
#[derive(Clone, Debug)]
pub struct Runner<K> {
    /// The kernel.
    pub kernel: K,
    /// The model, for the start.
    pub model: Model,
    /// The grid of the tallies.
    pub grid: Grid,
    /// What single trajectories are weighed with, if they are looked at.
    pub trajectories: Option<Segments>,
}

/// How trajectories are cut, and what they are weighed with.
#[derive(Clone, Debug)]
pub struct Segments {
    /// Duration of a segment; a round is cut into the nearest whole number of them.
    pub duration: f64,
    /// Logarithms of the densities.
    pub weights: Arc<PathWeights>,
}

impl<K: Kernel + Send> Runner<K> {
    fn occupancy(&self, walkers: &Walkers) -> Occupancy {
        Occupancy::of(walkers, self.kernel.states(), &self.grid)
    }

    fn profile(&self) -> Profile {
        Profile::new(self.kernel.states(), 2 * self.model.network.edges().len(), &self.grid)
    }

    fn internal(&self) -> Option<InternalSpace> {
        let ends = self.kernel.coordinate_ends().first()?;
        Some(InternalSpace::new(&self.model, &self.grid, 0, *ends))
    }

    /// Scoring begins where the walkers are.
    fn open(&self, group: &mut Group) {
        group.opening = self.occupancy(&group.walkers);
        group.walkers.laps.fill(0);
        if let Some(origin) = &mut group.origin {
            origin.clone_from(&group.walkers);
        }
    }

    fn keeps_origin(&self) -> bool {
        let ring = self.model.domain.walls == Boundary::Periodic;
        ring || self.model.has_forces() || self.model.is_underdamped()
    }

    /// Untimed legs, one block of walkers after the other unless they go together. So does a kernel with all of them: the words of
    /// the stream meet the same legs, and pieces of any length give the same bits.
    fn burn_in_legs(
        &self,
        legs: u64,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        let Group { walkers, stream, .. } = group;
        let all = walkers.len() as f64;
        if self.kernel.together() {
            let longest = (LEGS_BETWEEN_LOOKS * BLOCK as u64 / walkers.len().max(1) as u64).max(1);
            let mut left = legs;
            while left > 0 {
                let piece = left.min(longest);
                self.kernel.advance(walkers, Span::Legs(piece), stream, &mut ())?;
                left -= piece;
                if after(piece as f64 / legs as f64) == Control::Stop {
                    break;
                }
            }
            return Ok(());
        }
        let mut velocities = walkers.velocity.chunks_mut(BLOCK);
        let axes = walkers.coordinate.len() / walkers.position.len().max(1);
        let mut coordinates = walkers.coordinate.chunks_mut((axes * BLOCK).max(1));
        for (position, state) in walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK)) {
            let velocity = velocities.next().unwrap_or_default();
            let coordinate = coordinates.next().unwrap_or_default();
            let mut block = Walkers::new(position.to_vec(), state.to_vec());
            block.velocity = velocity.to_vec();
            block.coordinate = coordinate.to_vec();
            let mut left = legs;
            while left > 0 {
                let piece = left.min(LEGS_BETWEEN_LOOKS);
                self.kernel.advance(&mut block, Span::Legs(piece), stream, &mut ())?;
                left -= piece;
                if after(piece as f64 / legs as f64 * block.len() as f64 / all) == Control::Stop {
                    return Ok(());
                }
            }
            position.copy_from_slice(&block.position);
            state.copy_from_slice(&block.state);
            velocity.copy_from_slice(&block.velocity);
            coordinate.copy_from_slice(&block.coordinate);
        }
        Ok(())
    }

    /// A physical duration. Cutting a leg in two takes other words, so that the pieces must follow from the
    /// file.
    fn burn_in_time(
        &self,
        duration: f64,
        pieces: u64,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        let piece = Span::Duration(duration / pieces as f64);
        for _ in 0..pieces {
            self.kernel.advance(&mut group.walkers, piece, &mut group.stream, &mut ())?;
            if after(1.0 / pieces as f64) == Control::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl<K: Kernel + Send> GroupRunner for Runner<K> {
    fn begin(&self, plan: &Plan, group: usize) -> Group {
        let untimed = matches!(plan.span, Span::Legs(_));
        let n = plan.walkers_in(group);
        let mut random = stream(plan.seed, Purpose::Start, group as u64);
        let walkers = start(&self.kernel, &self.model, &self.grid, &plan.start, untimed, n, &mut random);
        Group {
            opening: self.occupancy(&walkers),
            origin: self.keeps_origin().then(|| walkers.clone()),
            walkers,
            stream: stream(plan.seed, Purpose::Advance, group as u64),
            profile: self.profile(),
            snapshots: Vec::new(),
            paths: None,
            phase: self.model.is_underdamped().then(|| PhaseSpace::new(&self.model, &self.grid)),
            internal: self.internal(),
            population: None,
            realisations: None,
            clock: 0.0,
        }
    }

    fn forget(&self, group: &mut Group) {
        group.profile = self.profile();
        group.snapshots.clear();
        group.paths = None;
        group.phase = group.phase.as_ref().map(|_| PhaseSpace::new(&self.model, &self.grid));
        group.internal = self.internal();
        group.clock = 0.0;
        self.open(group);
    }

    fn observe(&self, plan: &Plan, group: &mut Group) {
        let ring = self.model.domain.walls == Boundary::Periodic;
        if plan.times.is_empty() && !ring {
            return;
        }
        let (states, origin) = (self.kernel.states(), group.origin.as_ref());
        group.snapshots.push(Snapshot::of(&group.walkers, origin, ring, states, &self.grid));
    }

    fn burn_in(
        &self,
        plan: &Plan,
        group: &mut Group,
        after: &mut dyn FnMut(f64) -> Control,
    ) -> Result<(), KernelError> {
        match plan.span {
            Span::Legs(_) => self.burn_in_legs(plan.burn_in as u64, group, after)?,
            Span::Duration(_) => self.burn_in_time(plan.burn_in, plan.burn_in_pieces(), group, after)?,
        }
        self.open(group);
        Ok(())
    }

    fn advance(&self, group: &mut Group, span: Span) -> Result<(), KernelError> {
        let Group { walkers, stream, profile, paths, phase, internal, clock, .. } = group;
        match (&self.trajectories, span) {
            (Some(segments), Span::Duration(duration)) => {
                let pieces = libm::round(duration / segments.duration).max(1.0);
                let piece = Span::Duration(duration / pieces);
                let edges = self.model.network.edges().len();
                let mut tally = Paths::new(segments.weights.clone(), walkers.len(), edges);
                let sums = paths.get_or_insert_default();
                let elapsed = self.kernel.elapsed(piece).unwrap_or(0.0);
                for _ in 0..pieces as u64 {
                    tally.open(walkers);
                    self.kernel.advance(walkers, piece, stream, &mut (&mut *profile, &mut tally))?;
                    tally.close(walkers, elapsed, sums);
                    *clock += elapsed * walkers.len() as f64;
                }
            }
            _ => {
                match (phase, internal) {
                    (_, Some(internal)) => {
                        internal.open(&self.model, walkers);
                        let mut tally = (&mut *profile, &mut *internal);
                        self.kernel.advance(walkers, span, stream, &mut tally)?;
                        internal.close(&self.model, walkers);
                    }
                    (Some(phase), None) => {
                        self.kernel.advance(walkers, span, stream, &mut (&mut *profile, phase))?;
                    }
                    (None, None) => self.kernel.advance(walkers, span, stream, profile)?,
                }
                *clock += self.kernel.elapsed(span).unwrap_or(0.0) * walkers.len() as f64;
            }
        }
        group.profile.flush();
        if let Some(phase) = &mut group.phase {
            phase.flush();
        }
        Ok(())
    }

    fn dwell(&self) -> Vec<Vec<f64>> {
        let cells = 0..self.grid.cells();
        let state = |s| cells.clone().map(|c| self.kernel.dwell(s, c)).collect();
        (0..self.kernel.states()).map(state).collect()
    }

    fn leg_law(&self) -> Vec<Option<LegLaw>> {
        (0..self.kernel.states()).map(|s| self.kernel.leg_law(s)).collect()
    }

    fn flux_excess(&self) -> f64 {
        self.kernel.flux_excess()
    }

    fn cautions(&self) -> Vec<Caution> {
        self.kernel.cautions()
    }

    fn arithmetic(&self) -> &'static str {
        self.kernel.arithmetic()
    }
}

/// What the caller wants after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on with the next round.
    Continue,
    /// End here; what has been measured counts.
    Stop,
}

/// Groups that advance together.
pub struct Ensemble<'a> {
    runner: &'a dyn GroupRunner,
    plan: Plan,
    groups: Vec<Group>,
    rounds_done: u64,
    /// How far every particle went in them.
    done: f64,
    stopped: bool,
}

impl<'a> Ensemble<'a> {
    /// Makes the groups and lets them burn in. `tick` is called whenever a group has done a part of its
    /// work, with the share of the whole run that this was.
    ///
    /// # Errors
    /// As the kernel's; of several groups in error the first in order is reported.
    pub fn begin(
        runner: &'a dyn GroupRunner,
        plan: &Plan,
        tick: &(dyn Fn(f64) + Sync),
    ) -> Result<Self, KernelError> {
        Self::begin_unless(runner, plan, tick, &|| false)
    }

    /// The same, unless `stop` says so: it is asked before each group burns in and again and again while it
    /// does, and once it has said yes nothing more is done here or in [`Ensemble::run`].
    ///
    /// # Errors
    /// As [`Ensemble::begin`].
    pub fn begin_unless(
        runner: &'a dyn GroupRunner,
        plan: &Plan,
        tick: &(dyn Fn(f64) + Sync),
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, KernelError> {
        let stopped = AtomicBool::new(false);
        let share = plan.burn_in / plan.total() / plan.groups as f64;
        let groups: Vec<Result<Group, KernelError>> = (0..plan.groups)
            .into_par_iter()
            .with_max_len(1)
            .map(|g| {
                let mut group = runner.begin(plan, g);
                let ask = || {
                    if !stop() {
                        return Control::Continue;
                    }
                    stopped.store(true, Ordering::Relaxed);
                    Control::Stop
                };
                if ask() == Control::Continue && plan.burn_in > 0.0 {
                    runner.burn_in(plan, &mut group, &mut |part| {
                        tick(share * part);
                        ask()
                    })?;
                }
                Ok(group)
            })
            .collect();
        let groups = groups.into_iter().collect::<Result<_, _>>()?;
        let stopped = stopped.into_inner();
        Ok(Ensemble { runner, plan: plan.clone(), groups, rounds_done: 0, done: 0.0, stopped })
    }

    /// Advances round by round until the plan is done or `after_round` asks to stop.
    ///
    /// # Errors
    /// As [`Ensemble::begin`].
    pub fn run(
        &mut self,
        tick: &(dyn Fn(f64) + Sync),
        after_round: &mut dyn FnMut(&Ensemble<'_>) -> Control,
    ) -> Result<(), KernelError> {
        while !self.stopped && self.rounds_done < self.plan.rounds {
            self.round(tick)?;
            if after_round(self) == Control::Stop {
                break;
            }
        }
        Ok(())
    }

    fn round(&mut self, tick: &(dyn Fn(f64) + Sync)) -> Result<(), KernelError> {
        self.advance_round(self.plan.piece(self.rounds_done), tick)
    }

    /// Advances all groups by one round of this length, whatever the plan says.
    pub(crate) fn advance_round(
        &mut self,
        span: Span,
        tick: &(dyn Fn(f64) + Sync),
    ) -> Result<(), KernelError> {
        self.advance(span, tick)?;
        self.rounds_done += 1;
        self.done += span.amount();
        Ok(())
    }

    /// The same without counting it as a round.
    pub(crate) fn advance(&mut self, span: Span, tick: &(dyn Fn(f64) + Sync)) -> Result<(), KernelError> {
        let share = span.amount() / self.plan.total() / self.plan.groups as f64;
        let (runner, plan) = (self.runner, &self.plan);
        let results: Vec<Result<(), KernelError>> = self
            .groups
            .par_iter_mut()
            .with_max_len(1)
            .map(|group| {
                let result = runner.advance(group, span);
                runner.observe(plan, group);
                tick(share);
                result
            })
            .collect();
        results.into_iter().collect()
    }

    /// Forgets what has been scored, in all groups.
    pub(crate) fn forget(&mut self) {
        for group in &mut self.groups {
            self.runner.forget(group);
        }
    }

    /// Changes what is planned from here on.
    pub(crate) fn replan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Whether the run was given up during its burn-in.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The groups, in order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups, in order, for good.
    pub fn into_groups(self) -> Vec<Group> {
        self.groups
    }

    /// Rounds done so far.
    pub fn rounds_done(&self) -> u64 {
        self.rounds_done
    }

    /// Share of the planned run that is done, burn-in included.
    pub fn share(&self) -> f64 {
        (self.plan.burn_in + self.done) / self.plan.total()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Applies a function to every item on all threads; results come in the order of the items.
pub fn each<A: Sync, B: Send>(items: &[A], function: impl Fn(&A) -> B + Send + Sync) -> Vec<B> {
    items.par_iter().map(function).collect()
}

impl Plan {
    /// Length of the run with its burn-in, in the unit of the span.
    fn total(&self) -> f64 {
        self.burn_in + self.span.amount()
    }
}
