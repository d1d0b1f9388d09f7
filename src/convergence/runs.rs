//! Many independent runs of one experiment at changed settings, without keeping their groups.

use super::functional::{Functional, Gathered, Reducer, headlines};
use crate::ensemble::{Control, Ensemble, GroupRunner, Plan};
use crate::error::Error;
use crate::estimator::Context;
use crate::experiment::{Experiment, registry};
use crate::grid::Grid;
use crate::kernel::{KernelError, Span};
use crate::pilot;
use crate::rng::{Purpose, stream};
use crate::sampling::{self, Observer, Progress};
use crate::stats::Outcome;
use std::sync::Arc;

/// Groups that are in memory together.
const CHUNK: usize = 128;

/// Parts in which the progress of a study is told.
const PARTS: u64 = 1000;

/// An experiment with everything that runs of it share.
pub(super) struct Laboratory<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// How long a particle remembers, in the unit of the span of the file.
    pub relaxation: f64,
    /// Legs or steps of a particle for a unit of the span.
    pub pace: f64,
    runner: Arc<dyn GroupRunner>,
    context: Context,
    observer: &'a (dyn Observer + Sync),
    axes: usize,
    runs: u64,
    legs: f64,
    done: f64,
}

/// One setting: `repeats` groups of `walkers` each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub walkers: u64,
    pub repeats: usize,
    /// In the unit of the span of the file.
    pub span: f64,
    pub burn_in: f64,
}

impl Setting {
    /// Legs or steps, at so many a unit of the span.
    pub fn cost(&self, pace: f64) -> f64 {
        self.walkers as f64 * self.repeats as f64 * (self.span + self.burn_in) * pace
    }
}

impl<'a> Laboratory<'a> {
    pub fn new(
        experiment: &'a Experiment,
        observer: &'a (dyn Observer + Sync),
        axes: usize,
    ) -> Result<Self, Error> {
        let (runner, context, pace) = prepare(experiment)?;
        let runner: Arc<dyn GroupRunner> = runner.into();
        let relaxation = sampling::relaxation(experiment, &context);
        Ok(Laboratory {
            experiment,
            relaxation,
            pace,
            runner,
            context,
            observer,
            axes,
            runs: 0,
            legs: 0.0,
            done: 0.0,
        })
    }

    /// Legs or steps done so far.
    pub fn legs(&self) -> f64 {
        self.legs
    }

    /// What is reported as one number, with the experiment as it is.
    pub fn headlines(&self) -> Reducer {
        self.reducer(headlines(self.experiment, &self.context))
    }

    /// Any functionals, with the experiment as it is.
    pub fn reducer(&self, functionals: Vec<Functional>) -> Reducer {
        Reducer::new(self.context.clone(), functionals)
    }

    /// The grid of the experiment as it is.
    pub fn grid(&self) -> Grid {
        self.context.grid
    }

    /// Whether elapsed times are known.
    pub fn context_is_timed(&self) -> bool {
        self.context.timed
    }

    /// One run of a changed experiment, `share` of the work of its axis.
    pub fn run_changed(
        &mut self,
        changed: &Experiment,
        functionals: &dyn Fn(&Context) -> Vec<Functional>,
        setting: Setting,
        share: f64,
    ) -> Result<Option<(Gathered, Reducer)>, Error> {
        let (runner, context, pace) = prepare(changed)?;
        let reducer = Reducer::new(context.clone(), functionals(&context));
        let found = self.gather(runner.as_ref(), std::slice::from_ref(&reducer), setting, pace, share)?;
        Ok(found.and_then(|mut all| Some((all.pop()?, reducer))))
    }

    /// One run of a changed experiment, read on several grids with the same cells.
    pub fn run_on_grids(
        &mut self,
        changed: &Experiment,
        grids: &[Grid],
        functionals: &dyn Fn(&Grid) -> Vec<Functional>,
        setting: Setting,
    ) -> Result<Option<Vec<(Gathered, Reducer)>>, Error> {
        let (runner, context, pace) = prepare(changed)?;
        let on = |grid: &Grid| Reducer::new(Context { grid: *grid, ..context.clone() }, functionals(grid));
        let reducers: Vec<Reducer> = grids.iter().map(on).collect();
        let found = self.gather(runner.as_ref(), &reducers, setting, pace, 1.0)?;
        Ok(found.map(|gathered| gathered.into_iter().zip(reducers).collect()))
    }

    /// Runs a setting with streams of its own; `share` is its part of the work of its axis.
    pub fn run(
        &mut self,
        reducer: &Reducer,
        setting: Setting,
        share: f64,
    ) -> Result<Option<Gathered>, Error> {
        let runner = Arc::clone(&self.runner);
        let reducers = std::slice::from_ref(reducer);
        Ok(self.gather(runner.as_ref(), reducers, setting, self.pace, share)?.and_then(|mut all| all.pop()))
    }

    fn gather(
        &mut self,
        runner: &dyn GroupRunner,
        reducers: &[Reducer],
        setting: Setting,
        pace: f64,
        share: f64,
    ) -> Result<Option<Vec<Gathered>>, Error> {
        let numeric = |error: KernelError| Error::Numeric(error.to_string());
        let timed = reducers.first().is_some_and(|r| r.context.timed);
        let mut gathered = vec![Gathered::default(); reducers.len()];
        let mut begun = 0;
        while begun < setting.repeats {
            let groups = CHUNK.min(setting.repeats - begun);
            let plan = Plan {
                particles: setting.walkers * groups as u64,
                groups,
                span: if timed { Span::Duration(setting.span) } else { Span::Legs(setting.span as u64) },
                burn_in: if timed { setting.burn_in } else { setting.burn_in.ceil() },
                rounds: 1,
                times: Vec::new(),
                start: self.experiment.run.start.clone(),
                seed: stream(self.experiment.run.seed, Purpose::Study, self.runs).word(),
            };
            self.runs += 1;
            begun += groups;
            let part = share / self.axes as f64 * groups as f64 / setting.repeats as f64;
            let observer = self.observer;
            let tick = |done: f64| observer.tick(done * part);
            let mut ensemble =
                Ensemble::begin_unless(runner, &plan, &tick, &|| observer.gives_up()).map_err(numeric)?;
            ensemble.run(&tick, &mut |_| Control::Continue).map_err(numeric)?;
            self.legs += Setting { repeats: groups, ..setting }.cost(pace);
            self.done += part;
            let progress = Progress {
                rounds_done: ((self.done * PARTS as f64) as u64).clamp(1, PARTS),
                rounds: PARTS,
                share: self.done,
                legs: self.legs as u64,
                stepped: self.experiment.method.dt().is_some(),
                soret: Outcome::null("a study looks at many"),
            };
            if ensemble.rounds_done() == 0 || observer.after_round(&progress) == Control::Stop {
                return Ok(None);
            }
            for (gathered, reducer) in gathered.iter_mut().zip(reducers) {
                gathered.add(reducer, ensemble.groups());
            }
        }
        Ok(Some(gathered))
    }
}

/// Runner, context and legs for a unit of the span.
fn prepare(experiment: &Experiment) -> Result<(Box<dyn GroupRunner>, Context, f64), Error> {
    let grid = experiment.grid();
    let runner = registry::runner(experiment, &grid, None)?;
    let timed = matches!(experiment.run.span, Span::Duration(_));
    let context = Context::new(runner.as_ref(), &experiment.model, &grid, timed);
    let pace = if timed { pilot::legs_per_time(experiment)? } else { 1.0 };
    Ok((runner, context, pace))
}
