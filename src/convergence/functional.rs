//! Single numbers made of what estimators and theory both answer: the same weights on both sides.

use crate::continuum::Continuum;
use crate::ensemble::{Group, each};
use crate::estimator::{self, Context, Estimator};
use crate::experiment::Experiment;
use crate::grid::Grid;
use crate::observable::{Observable, Support};
use crate::stats::{Sample, jackknife};

/// A weighted sum over the entries of one observable.
#[derive(Clone, Debug, PartialEq)]
pub struct Functional {
    /// Name in files and on the page.
    pub name: String,
    /// The state that it belongs to, by name.
    pub of: Option<String>,
    /// Dimension or unit in words.
    pub unit: String,
    /// Of which observable.
    pub observable: Observable,
    /// Entries with their weights.
    pub weights: Vec<(usize, f64)>,
}

impl Functional {
    /// An observable that is one number already.
    pub fn whole(observable: Observable, experiment: &Experiment) -> Self {
        Functional {
            name: observable.name().into(),
            of: experiment.label(observable),
            unit: experiment.dimension(observable),
            observable,
            weights: vec![(0, 1.0)],
        }
    }

    /// `int x P dx` of a density, each bin at its middle: the mean position for `P_tot`.
    pub fn first_moment(observable: Observable, grid: &Grid, experiment: &Experiment) -> Self {
        let weight = |b: usize| (b, 0.5 * (grid.face(b) + grid.face(b + 1)) * grid.bin_width());
        let name = match observable {
            Observable::Density => "mean_position",
            _ => "first_moment",
        };
        Functional {
            name: name.into(),
            of: experiment.label(observable),
            unit: "length".into(),
            observable,
            weights: (0..grid.bins).map(weight).collect(),
        }
    }

    /// One bin of a density.
    pub fn bin(name: &str, observable: Observable, bin: usize) -> Self {
        let unit = observable.dimension().into();
        Functional { name: name.into(), of: None, unit, observable, weights: vec![(bin, 1.0)] }
    }

    /// The mean of neighbouring entries.
    pub fn average(
        name: &str,
        observable: Observable,
        entries: std::ops::Range<usize>,
        experiment: &Experiment,
    ) -> Self {
        let weight = 1.0 / entries.len() as f64;
        Functional {
            name: name.into(),
            weights: entries.map(|k| (k, weight)).collect(),
            ..Functional::whole(observable, experiment)
        }
    }

    /// `mean_current excited`.
    pub fn label(&self) -> String {
        match &self.of {
            Some(of) => format!("{} {of}", self.name),
            None => self.name.clone(),
        }
    }

    /// The sum over the entries of its observable; `None` where one that counts is not known.
    pub fn apply(&self, entries: &[Option<f64>]) -> Option<f64> {
        self.weights.iter().map(|(k, w)| Some(w * (*entries.get(*k)?)?)).sum()
    }

    /// What the continuum says, if there is a solution.
    pub fn theory(&self, law: Option<&Continuum>, grid: &Grid) -> Option<f64> {
        self.apply(&law?.reference(self.observable, grid)?).filter(|v| v.is_finite())
    }
}

/// Everything that is one number in a report, in its order, and the mean position.
pub fn headlines(experiment: &Experiment, context: &Context) -> Vec<Functional> {
    let standard = estimator::of(&context.model);
    let all = standard.iter().flat_map(|e| e.observables(context));
    let mut list: Vec<Functional> =
        all.filter(|o| o.support() == Support::Whole).map(|o| Functional::whole(o, experiment)).collect();
    list.push(Functional::first_moment(Observable::Density, &context.grid, experiment));
    list
}

/// From groups to functionals by way of the standard estimators.
pub struct Reducer {
    /// What estimators need to know.
    pub context: Context,
    /// What is asked for.
    pub functionals: Vec<Functional>,
    estimators: Vec<Box<dyn Estimator>>,
}

impl Reducer {
    /// Only estimators that answer one of the functionals are kept.
    pub fn new(context: Context, functionals: Vec<Functional>) -> Self {
        let asked = |e: &dyn Estimator| {
            e.observables(&context).iter().any(|o| functionals.iter().any(|f| f.observable == *o))
        };
        let estimators = estimator::of(&context.model).into_iter().filter(|e| asked(e.as_ref())).collect();
        Reducer { estimators, context, functionals }
    }

    /// Sums of one group, those of all estimators one after the other.
    pub fn sums(&self, group: &Group) -> Vec<f64> {
        self.estimators.iter().flat_map(|e| e.sums(&self.context, group)).collect()
    }

    /// The functionals from sums over any set of groups; `lengths` are those of the parts of `sums`.
    fn values(&self, lengths: &[usize], mut sums: &[f64]) -> Vec<Option<f64>> {
        let mut values = vec![None; self.functionals.len()];
        for (estimator, length) in self.estimators.iter().zip(lengths) {
            let (own, rest) = sums.split_at(*length);
            sums = rest;
            let entries = estimator.evaluate(&self.context, own);
            for (observable, entries) in estimator.observables(&self.context).into_iter().zip(&entries) {
                for (value, functional) in values.iter_mut().zip(&self.functionals) {
                    if functional.observable == observable {
                        *value = functional.apply(entries).filter(|v| v.is_finite());
                    }
                }
            }
        }
        values
    }

    fn lengths(&self, group: &Group) -> Vec<usize> {
        self.estimators.iter().map(|e| e.sums(&self.context, group).len()).collect()
    }
}

/// What independent groups have to say, each by itself and together.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    lengths: Vec<usize>,
    sums: Vec<Vec<f64>>,
}

impl Gathered {
    /// Adds groups; they may go afterwards.
    pub fn add(&mut self, reducer: &Reducer, groups: &[Group]) {
        if let (true, Some(first)) = (self.lengths.is_empty(), groups.first()) {
            self.lengths = reducer.lengths(first);
        }
        self.sums.extend(each(groups, |g| reducer.sums(g)));
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Every `groups` of them put together as one.
    pub fn joined(&self, groups: usize) -> Self {
        let add = |sums: &[Vec<f64>]| {
            let mut all = sums.iter();
            let mut total = all.next().cloned().unwrap_or_default();
            all.for_each(|s| total.iter_mut().zip(s).for_each(|(t, s)| *t += s));
            total
        };
        let sums = self.sums.chunks_exact(groups.max(1)).map(add).collect();
        Gathered { lengths: self.lengths.clone(), sums }
    }

    /// The estimates of each group taken alone, functional by functional.
    pub fn alone(&self, reducer: &Reducer) -> Vec<Vec<Option<f64>>> {
        let rows = each(&self.sums, |s| reducer.values(&self.lengths, s));
        (0..reducer.functionals.len()).map(|f| rows.iter().map(|row| row[f]).collect()).collect()
    }

    /// One estimate from all of them, without its error.
    pub fn value(&self, reducer: &Reducer) -> Vec<Option<f64>> {
        let mut total = vec![0.0; self.sums.first().map_or(0, Vec::len)];
        for sums in &self.sums {
            for (t, s) in total.iter_mut().zip(sums) {
                *t += s;
            }
        }
        reducer.values(&self.lengths, &total)
    }

    /// One estimate from all of them, with pseudo-values.
    pub fn together(&self, reducer: &Reducer) -> Vec<Option<Sample>> {
        jackknife(&self.sums, &|s| reducer.values(&self.lengths, s))
    }
}
