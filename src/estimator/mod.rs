//! From tallies to values with standard errors.
//!
//! An [`Estimator`] has two halves. `sums` reduces the tallies of one group to numbers that may be added
//! over groups; `evaluate` turns added sums into observables. Errors follow for every estimator in the
//! same way, by leaving out one group at a time ([`crate::stats::jackknife`]).
//!
//! A new estimator is one file here, one line in [`standard`], and its exact check.

mod bath;
pub mod coordinates;
mod currents;
mod density;
mod heat;
mod invariants;
mod moments;
mod numbers;
mod points;
mod reactions;
mod snapshots;
mod soret;
pub mod speeds;
mod spreading;
mod trajectories;
pub mod velocities;
mod work;

pub use bath::Bath;
pub use coordinates::{InternalHeat, InternalPlane};
pub use currents::Currents;
pub(crate) use currents::passages;
pub use density::Density;
pub use heat::Heat;
pub use invariants::{Check, invariants};
pub use moments::Moments;
pub use numbers::Numbers;
pub use points::Points;
pub(crate) use points::free_between_walls;
pub use reactions::{Concentrations, ContentSoret, ReactionCurrents, ReactionSnapshots};
pub use snapshots::Snapshots;
pub use soret::Soret;
pub(crate) use soret::{exponential_family, wall_to_wall};
pub use speeds::Speeds;
pub use spreading::Spreading;
pub use trajectories::Trajectories;
pub(crate) use work::heat_absorbed;

use crate::ensemble::{Group, GroupRunner};
use crate::grid::Grid;
use crate::kernel::LegLaw;
use crate::model::Model;
use crate::observable::Observable;
use crate::stats::{Outcome, Sample, jackknife};
use crate::volume::Volume;

/// What an estimator asks of the legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Stationary averages and ratios: expected times are enough, untimed legs will do.
    Expected,
    /// Elapsed times matter: timed legs or a stepped method.
    Elapsed,
}

/// What every estimator may know about a run besides its tallies.
#[derive(Clone, Debug)]
pub struct Context {
    /// The model.
    pub model: Model,
    /// The grid of the tallies and of the report.
    pub grid: Grid,
    /// Physical time that one scored visit stands for, per state and cell.
    pub dwell: Vec<Vec<f64>>,
    /// The law of a leg per state, where the kernel has one.
    pub leg_law: Vec<Option<LegLaw>>,
    /// By which share of itself the step makes currents too large in the bulk.
    pub flux_excess: f64,
    /// Whether elapsed times are known.
    pub timed: bool,
    /// Observation times; none in a stationary run.
    pub times: Vec<f64>,
    /// The volume in place of the domain, where everything is well mixed.
    pub volume: Option<Volume>,
}

impl Context {
    /// The context of a run by `runner`.
    pub fn new(runner: &dyn GroupRunner, model: &Model, grid: &Grid, timed: bool) -> Self {
        Context {
            model: model.clone(),
            grid: *grid,
            dwell: runner.dwell(),
            leg_law: runner.leg_law(),
            flux_excess: runner.flux_excess(),
            timed,
            times: Vec::new(),
            volume: None,
        }
    }

    pub(crate) fn states(&self) -> usize {
        self.model.network.states().len()
    }

    /// Physical time scored by a group, summed over its walkers: the clock where legs are timed or particles react, else
    /// the expectation `sum_i visits_i dwell_i`.
    pub fn exposure(&self, group: &Group) -> f64 {
        if self.timed || group.population.is_some() {
            return group.clock;
        }
        (0..self.states()).map(|s| self.time_in(group, s).sum::<f64>()).sum()
    }

    /// Time spent by a group in each cell in `state`.
    pub(crate) fn time_in<'a>(&'a self, group: &'a Group, state: usize) -> impl Iterator<Item = f64> + 'a {
        group.profile.visits(state).iter().zip(&self.dwell[state]).map(|(v, dwell)| *v as f64 * dwell)
    }

    /// `T` averaged over each cell.
    fn cell_temperature(&self) -> Vec<f64> {
        (0..self.grid.cells()).map(|c| self.grid.cell_mean(c, |x| self.model.temperature.value(x))).collect()
    }

    /// Adds up the cells of each bin.
    fn per_bin(&self, cells: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut bins = vec![0.0; self.grid.bins];
        for (c, value) in cells.enumerate() {
            bins[c / self.grid.cells_per_bin] += value;
        }
        bins
    }
}

/// Turns tallies into observables.
pub trait Estimator: Sync {
    /// What it asks of the legs.
    fn needs(&self) -> Clock {
        Clock::Expected
    }

    /// What it answers, in the order of `evaluate`.
    fn observables(&self, context: &Context) -> Vec<Observable>;

    /// Sums over one group, a fixed number of them, that may be added over groups.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64>;

    /// The observables from sums over any set of groups: for each, one entry per bin, face, or one;
    /// `None` where it is not defined.
    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>>;

    /// Why an entry may be undefined.
    fn why_undefined(&self, context: &Context, observable: Observable) -> String;
}

/// An observable as measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What it is.
    pub observable: Observable,
    /// One entry per bin, face, or one; `None` where it is not defined.
    pub samples: Vec<Option<Sample>>,
    /// Why an entry is not defined.
    pub reason: String,
}

impl Measured {
    /// Entry `k` as a value with its error, or the reason why there is none.
    pub fn outcome(&self, k: usize) -> Outcome {
        match &self.samples[k] {
            Some(sample) => sample.outcome(),
            None => Outcome::null(self.reason.clone()),
        }
    }
}

/// The estimators of every run of particles with internal states.
pub fn standard() -> Vec<Box<dyn Estimator>> {
    vec![
        Box::new(Soret),
        Box::new(Spreading),
        Box::new(Density),
        Box::new(Points),
        Box::new(Currents),
        Box::new(Heat),
    ]
}

/// The estimators of runs of a model: the standard ones, or those that look at velocities or internal coordinates besides.
pub fn of(model: &Model) -> Vec<Box<dyn Estimator>> {
    if model.mixture.is_some() {
        return vec![Box::new(ContentSoret), Box::new(Concentrations), Box::new(ReactionCurrents)];
    }
    if model.coordinates.is_some() {
        return vec![
            Box::new(Soret),
            Box::new(Spreading),
            Box::new(Density),
            Box::new(Currents),
            Box::new(InternalHeat),
            Box::new(InternalPlane),
        ];
    }
    if !model.is_underdamped() {
        return standard();
    }
    vec![
        Box::new(Soret),
        Box::new(Spreading),
        Box::new(Moments),
        Box::new(Density),
        Box::new(Currents),
        Box::new(Bath),
        Box::new(Speeds),
    ]
}

/// Applies one estimator to the groups.
pub fn measure(estimator: &dyn Estimator, context: &Context, groups: &[Group]) -> Vec<Measured> {
    let observables = estimator.observables(context);
    if estimator.needs() == Clock::Elapsed && !context.timed {
        let reason = "needs elapsed times: give the run a \"duration\" instead of \"legs\"";
        return observables
            .into_iter()
            .map(|observable| Measured { observable, samples: vec![None], reason: reason.into() })
            .collect();
    }
    let sums: Vec<Vec<f64>> = groups.iter().map(|g| estimator.sums(context, g)).collect();
    let mut samples =
        jackknife(&sums, &|s| estimator.evaluate(context, s).into_iter().flatten().collect()).into_iter();
    observables
        .into_iter()
        .map(|observable| {
            let entries = observable.support().entries(&context.grid);
            Measured {
                observable,
                samples: samples.by_ref().take(entries).collect(),
                reason: estimator.why_undefined(context, observable),
            }
        })
        .collect()
}

/// The ratio, unless the denominator vanishes.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::{Ensemble, Plan, Runner};
    use crate::kernel::start::Start;
    use crate::kernel::{Exact, Span};
    use crate::model::{State, Uniform};

    /// Time per walker: means nothing unless it is known.
    struct Elapsed;

    impl Estimator for Elapsed {
        fn needs(&self) -> Clock {
            Clock::Elapsed
        }
        fn observables(&self, _context: &Context) -> Vec<Observable> {
            vec![Observable::MeanTemperature]
        }
        fn sums(&self, _context: &Context, group: &Group) -> Vec<f64> {
            vec![group.clock, group.walkers.len() as f64]
        }
        fn evaluate(&self, _context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
            vec![vec![ratio(sums[0], sums[1])]]
        }
        fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
            "no walkers".into()
        }
    }

    #[test]
    fn estimators_get_the_legs_that_they_need() {
        let state = State::new("only", 0.0, 1.0);
        let model = Model::new(1.0, Uniform(1.0), vec![state], vec![]).unwrap();
        let grid = Grid::new(1.0, 4);
        let kernel = Exact::new(&model, &grid).unwrap();
        let runner = Runner { kernel, model: model.clone(), grid, trajectories: None };
        for span in [Span::Legs(3), Span::Duration(0.5)] {
            let timed = matches!(span, Span::Duration(_));
            let plan = Plan {
                particles: 70,
                groups: 32,
                span,
                burn_in: 0.0,
                rounds: 1,
                times: Vec::new(),
                start: Start::Uniform,
                seed: 1,
            };
            let mut ensemble = Ensemble::begin(&runner, &plan, &|_| ()).unwrap();
            ensemble.run(&|_| (), &mut |_| crate::ensemble::Control::Stop).unwrap();
            let context = Context::new(&runner, &model, &grid, timed);
            let measured = measure(&Elapsed, &context, ensemble.groups());
            let value = measured[0].samples[0].as_ref().map(|s| s.value);
            assert_eq!(value.map(|v| (v - 0.5).abs() < 1e-12), timed.then_some(true));
            if !timed {
                assert!(measured[0].reason.contains("duration"), "{}", measured[0].reason);
            }
        }
    }
}
