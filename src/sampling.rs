//! From an experiment to groups with their tallies: the run itself, without any theory.

use crate::ensemble::{Control, Crowd, Ensemble, Group, Plan, Segments};
use crate::error::Error;
use crate::estimator::{self, Context, Measured};
use crate::experiment::{Experiment, Sampling, registry};
use crate::kernel::{Caution, Span};
use crate::observable::Observable;
use crate::stats::Outcome;
use crate::stopping::{self, Ending};
use crate::trajectory::PathWeights;
use std::sync::Arc;

/// Burn-in in units of [`crate::model::Model::relaxation_time`] when the file gives none: what is left of
/// the difference between start and stationary law is then `exp(-8) = 3e-4` of it.
pub(crate) const BURN_IN: f64 = 8.0;

/// The same of array_rqmc: its errors are smaller by a factor of ten and more, and so must be what is left of the start.
pub(crate) const LONG_BURN_IN: f64 = 16.0;

/// Relaxation times of burn-in when the file gives none.
pub(crate) fn burn_in(sampling: Sampling) -> f64 {
    match sampling {
        Sampling::MonteCarlo => BURN_IN,
        Sampling::ArrayRqmc => LONG_BURN_IN,
    }
}

/// A burn-in of less than this many relaxation times is warned about.
pub(crate) const SHORT_BURN_IN: f64 = 3.0;

/// A run whose progress is watched.
pub trait Observer {
    /// A group has done its part of a round: `share` of the whole run. Called from any thread.
    fn tick(&self, share: f64)
    where
        Self: Sync;
    /// A round is done.
    fn after_round(&self, progress: &Progress) -> Control;
    /// Whether to give up during the burn-in, when there is nothing to show yet. Called from any thread, many
    /// times while it lasts.
    fn gives_up(&self) -> bool {
        false
    }
}

/// What is known after a round.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Rounds done.
    pub rounds_done: u64,
    /// Rounds planned; where the run ends at a wanted error, as forecast by now.
    pub rounds: u64,
    /// Share of the whole run that is done, burn-in included.
    pub share: f64,
    /// Legs or steps scored so far.
    pub legs: u64,
    /// Whether they are steps.
    pub stepped: bool,
    /// The global Soret coefficient so far.
    pub soret: Outcome,
}

/// An observer that looks away.
impl Observer for () {
    fn tick(&self, _share: f64) {}
    fn after_round(&self, _progress: &Progress) -> Control {
        Control::Continue
    }
}

/// What a run has left behind.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// What estimators need to know besides the tallies.
    pub context: Context,
    /// What was planned, the burn-in filled in.
    pub plan: Plan,
    /// The groups, in order.
    pub groups: Vec<Group>,
    /// Rounds done; fewer than planned where an observer ended the run.
    pub rounds_done: u64,
    /// How it ended, where an error was wanted.
    pub ending: Option<Ending>,
    /// Whether single trajectories were looked at.
    pub watched: bool,
    /// What a user should know about the method at these settings.
    pub cautions: Vec<Caution>,
    /// In what numbers the kernel worked.
    pub arithmetic: &'static str,
}

/// Runs an experiment on the current rayon thread pool.
///
/// # Errors
/// [`Error::Numeric`] if a kernel finds its bounds violated.
pub fn sample(experiment: &Experiment, observer: &(dyn Observer + Sync)) -> Result<Sampled, Error> {
    sample_weighed(experiment, None, observer)
}

/// The same with the densities that single trajectories are weighed with, where the experiment looks at them.
///
/// # Errors
/// As [`sample`].
pub fn sample_weighed(
    experiment: &Experiment,
    weights: Option<PathWeights>,
    observer: &(dyn Observer + Sync),
) -> Result<Sampled, Error> {
    let grid = experiment.grid();
    let segments = experiment
        .measure
        .trajectories
        .zip(weights)
        .map(|(cut, weights)| Segments { duration: cut.segment, weights: Arc::new(weights) });
    let watched = segments.is_some();
    let runner = registry::runner(experiment, &grid, segments)?;
    let timed = matches!(experiment.run.span, Span::Duration(_));
    let mut context = Context::new(runner.as_ref(), &experiment.model, &grid, timed);
    let plan = plan(experiment, &context);
    context.times = plan.times.clone();
    context.volume = experiment.volume();
    let numeric = |error: crate::kernel::KernelError| Error::Numeric(error.to_string());

    let tick = |share: f64| observer.tick(share);
    let mut ensemble =
        Ensemble::begin_unless(runner.as_ref(), &plan, &tick, &|| observer.gives_up()).map_err(numeric)?;
    let mut after_round = |ensemble: &Ensemble<'_>| {
        let soret = match context.model.mixture {
            Some(_) => estimator::measure(&estimator::ContentSoret, &context, ensemble.groups()),
            None => estimator::measure(&estimator::Soret, &context, ensemble.groups()),
        };
        observer.after_round(&Progress {
            rounds_done: ensemble.rounds_done(),
            rounds: ensemble.plan().rounds,
            share: ensemble.share(),
            legs: legs(&context, ensemble.groups()),
            stepped: experiment.method.dt().is_some(),
            soret: soret[0].outcome(0),
        })
    };
    // Observation times have an end of their own.
    let until = experiment.run.until.as_ref().filter(|_| plan.times.is_empty());
    let ending = match until {
        None => ensemble.run(&tick, &mut after_round).map(|()| None),
        Some(until) => {
            let known = (&context, relaxation(experiment, &context));
            stopping::run(&mut ensemble, until, known, &tick, &mut after_round).map(Some)
        }
    };
    let ending = ending.map_err(numeric)?;
    let (plan, rounds_done) = (ensemble.plan().clone(), ensemble.rounds_done());
    let groups = ensemble.into_groups();
    let (cautions, arithmetic) = (runner.cautions(), runner.arithmetic());
    Ok(Sampled { cautions, arithmetic, context, plan, groups, rounds_done, ending, watched })
}

impl Sampled {
    /// Everything that the estimators of this kind of run say: with observation times what is seen at them,
    /// else averages over the run.
    pub fn measure(&self) -> Vec<Measured> {
        let estimators = estimators(&self.context, self.watched);
        estimators.iter().flat_map(|e| estimator::measure(e.as_ref(), &self.context, &self.groups)).collect()
    }

    /// Legs that ended in a candidate, or steps, over all groups.
    pub fn legs(&self) -> u64 {
        legs(&self.context, &self.groups)
    }

    /// Transitions over all groups.
    pub fn transitions(&self) -> u64 {
        if self.context.volume.is_some() {
            return events(&self.groups);
        }
        if let Some(mixture) = &self.context.model.mixture {
            let crowds = self.groups.iter().filter_map(|g| g.population.as_ref());
            return crowds.map(|crowd| crowd.events(mixture)).sum();
        }
        let channels = 0..2 * self.context.model.network.edges().len();
        let of = |g: &Group| channels.clone().map(|c| g.profile.passages(c).iter().sum::<u64>()).sum::<u64>();
        self.groups.iter().map(of).sum()
    }

    /// Physical time scored, summed over particles.
    pub fn particle_time(&self) -> f64 {
        self.groups.iter().map(|g| self.context.exposure(g)).sum()
    }
}

/// Reactions in all realisations of a volume.
fn events(groups: &[Group]) -> u64 {
    groups.iter().filter_map(|g| g.realisations.as_ref()).map(|r| r.events).sum()
}

/// Legs that ended in a candidate, steps of particles, or reactions in a volume, over all groups.
fn legs(context: &Context, groups: &[Group]) -> u64 {
    if context.volume.is_some() {
        return events(groups);
    }
    if context.model.mixture.is_some() {
        return groups.iter().filter_map(|g| g.population.as_ref()).map(Crowd::moves).sum();
    }
    let states = 0..context.model.network.states().len();
    let of = |g: &Group| states.clone().map(|s| g.profile.visits(s).iter().sum::<u64>()).sum::<u64>();
    groups.iter().map(of).sum()
}

/// The estimators of a run: with observation times what is seen at them, else averages over the run; and single
/// trajectories where they are looked at.
pub(crate) fn estimators(context: &Context, watched: bool) -> Vec<Box<dyn estimator::Estimator>> {
    let mut estimators = match context.times.as_slice() {
        _ if context.volume.is_some() => {
            vec![Box::new(estimator::Numbers) as Box<dyn estimator::Estimator>]
        }
        [] => estimator::of(&context.model),
        _ if context.model.mixture.is_some() => {
            vec![Box::new(estimator::ReactionSnapshots) as Box<dyn estimator::Estimator>]
        }
        _ => vec![Box::new(estimator::Snapshots) as Box<dyn estimator::Estimator>],
    };
    if watched {
        estimators.push(Box::new(estimator::Trajectories));
    }
    estimators
}

/// The observation times as they can be kept: a stepped method looks after whole steps.
pub(crate) fn times(experiment: &Experiment) -> Vec<f64> {
    let mut times = experiment.measure.times.clone();
    if let Some(dt) = experiment.method.dt() {
        times.iter_mut().for_each(|t| *t = libm::round(*t / dt).max(1.0) * dt);
        times.dedup();
    }
    times
}

/// The time between the start and the moment from which observation times are counted: a burn-in is made in pieces of
/// whole steps, as many as there are rounds in its length.
pub(crate) fn opening(experiment: &Experiment) -> f64 {
    let times = times(experiment);
    let (Some(Span::Duration(burn_in)), Some(last)) = (experiment.run.burn_in, times.last()) else {
        return 0.0;
    };
    match experiment.method.dt().filter(|_| burn_in > 0.0) {
        None => burn_in,
        Some(dt) => {
            let pieces = (burn_in / last * times.len() as f64).ceil().max(1.0);
            pieces * libm::round(burn_in / pieces / dt).max(1.0) * dt
        }
    }
}

/// When an observable is seen; `None` for an average over the run.
pub(crate) fn time(experiment: &Experiment, observable: Observable) -> Option<f64> {
    match observable {
        Observable::At(k, _) => times(experiment).get(k).copied(),
        _ => None,
    }
}

/// What the ensemble has to do, the burn-in chosen if the file leaves it open.
fn plan(experiment: &Experiment, context: &Context) -> Plan {
    let run = &experiment.run;
    let times = times(experiment);
    let burn_in = match run.burn_in {
        Some(Span::Legs(legs)) => legs as f64,
        Some(Span::Duration(duration)) => duration,
        None if !times.is_empty() => 0.0,
        // Never longer than the run itself: fast transitions make the relaxation time immense in legs, and
        // their start is near the stationary law. A warning says so.
        None => match run.span {
            Span::Legs(legs) => {
                let relaxed = burn_in(run.sampling) * relaxation(experiment, context);
                relaxed.ceil().min(legs as f64).max(experiment.least_burn_in())
            }
            Span::Duration(duration) => (BURN_IN * relaxation(experiment, context)).min(duration),
        },
    };
    Plan {
        particles: run.particles,
        groups: run.groups,
        span: times.last().map_or(run.span, |last| Span::Duration(*last)),
        burn_in,
        rounds: if times.is_empty() { run.rounds } else { times.len() as u64 },
        times,
        start: run.start.clone(),
        seed: run.seed,
    }
}

/// The relaxation time in the unit of the span: time, or legs of the state that makes most of them.
pub(crate) fn relaxation(experiment: &Experiment, context: &Context) -> f64 {
    let time = experiment.relaxation_time();
    match experiment.run.span {
        Span::Duration(_) => time,
        Span::Legs(_) => {
            let legs_per_time = |bin: usize| -> f64 {
                let cell = context.grid.cells_per_bin * bin;
                let p = experiment.model.local_equilibrium(context.grid.cell_middle(cell));
                p.iter().zip(&context.dwell).map(|(p, dwell)| p / dwell[cell]).sum()
            };
            time * (0..context.grid.bins).map(legs_per_time).fold(0.0, f64::max)
        }
    }
}
