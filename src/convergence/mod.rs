//! Convergence studies: how errors fall with particles, legs and steps, and what bias is left.
//!
//! A **point** of a study is many independent repeats of a run at one setting; points have streams of their
//! own, so that they are independent and a fit needs no covariances. Two kinds of error are kept apart:
//!
//! - the **sampling error** is the standard deviation of an estimate over repeats. It comes with an interval
//!   from its own kurtosis, and its logarithm is fitted by a line against the logarithm of the setting.
//! - the **bias** is an estimate minus the continuum theory of the same file, with a sign and an error. Its
//!   order is fitted without logarithms, so that points whose bias is lost in noise count for what they
//!   are. [`Power`](crate::stats::Power)
//!
//! | module | what it studies |
//! |---|---|
//! | [`noise`] | sampling error against particles, and against legs or duration |
//! | [`bias`] | bias of a stepped method against its `dt`; that of `exact`, which has none |
//! | [`underdamped`] | which steps and quantities that is for particles with inertia |
//! | [`internal`] | the same for continuous internal coordinates |
//! | [`reacting`] | all of it for particles that react: populations, duration, `dt`, cells, finite numbers |
//! | [`bins`] | bin averages against values at a point, beside the noise of a bin |
//! | [`budget`] | noise and bias at the settings of the file, and what a wanted error needs |

pub mod bias;
pub mod bins;
pub mod budget;
pub mod functional;
pub mod internal;
pub mod noise;
pub mod reacting;
mod runs;
pub mod underdamped;

use crate::continuum::Continuum;
use crate::error::Error;
use crate::experiment::{Experiment, FORMAT_VERSION, Method, Sampling};
use crate::kernel::Span;
use crate::sampling::Observer;
use budget::Budget;
use runs::Laboratory;
use serde::Serialize;

/// Probability that any slope of a correct program is reported to disagree.
pub const ALPHA: f64 = 1e-4;

/// Least number of repeats a point.
pub const LEAST_REPEATS: usize = 64;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The number of particles.
    Particles,
    /// The length of the run, in legs or in time.
    Legs,
    /// The step of a stepped method.
    Dt,
    /// The number of bins.
    Bins,
    /// The number of populations of particles that react.
    Groups,
    /// The number of cells in which they do.
    Cells,
    /// Their number for a unit of concentration.
    SystemSize,
}

impl Axis {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Particles => "particles",
            Axis::Legs => "legs",
            Axis::Dt => "dt",
            Axis::Bins => "bins",
            Axis::Groups => "groups",
            Axis::Cells => "cells",
            Axis::SystemSize => "system_size",
        }
    }
}

/// What to study, and how hard.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What to vary; all that makes sense for the file if empty.
    pub axes: Vec<Axis>,
    /// Points an axis.
    pub points: Option<usize>,
    /// Smallest value of the axis; of one axis only.
    pub from: Option<f64>,
    /// Largest value.
    pub to: Option<f64>,
    /// Repeats a point, for sampling errors.
    pub repeats: usize,
    /// Legs or steps that an axis may cost.
    pub effort: f64,
    /// Wanted error of the quantity, relative to its value.
    pub target: f64,
    /// Which quantity the target is about: `soret`, or `mean_current excited`.
    pub quantity: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            axes: Vec::new(),
            points: None,
            from: None,
            to: None,
            repeats: 1024,
            effort: 1e9,
            target: 0.01,
            quantity: None,
        }
    }
}

/// Which error a series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Standard deviation of the estimate over independent repeats.
    SamplingError,
    /// Estimate minus continuum theory; of particles that react, minus the limit along the axis of the law of steps.
    Bias,
    /// The law of the chain of steps itself minus its limit of short steps; no sampling.
    ChainBias,
    /// Continuum theory of bin averages minus that of points; no sampling.
    Binning,
}

/// How a point takes part in the fit of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is fitted.
    Fitted,
    /// It is fitted, but alone it is an upper bound: less than three standard errors from zero.
    Bound,
    /// It is shown only: the law is not meant to hold there.
    Shown,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The setting.
    pub at: f64,
    /// The error: a standard deviation, or a bias with its sign.
    pub value: f64,
    /// Its standard error.
    pub std_err: f64,
    /// Lower end of its 95 % interval.
    pub ci_low: f64,
    /// Upper end.
    pub ci_high: f64,
    /// How it takes part in the fit.
    pub part: Part,
    /// Independent repeats or groups behind it.
    pub repeats: usize,
    /// The estimate itself, of all repeats together.
    pub estimate: Option<f64>,
    /// The continuum theory of the same.
    pub theory: Option<f64>,
}

/// A power law `amplitude x^slope`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The slope in logarithms.
    pub slope: f64,
    /// Lower end of its 95 % interval; none where the data set no limit.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
    /// The amplitude.
    pub amplitude: f64,
    /// P-value of the misfit: small if no power law holds over these points.
    pub p_value: f64,
    /// Points that were fitted.
    pub points: usize,
    /// Powers of ten that they span.
    pub decades: f64,
}

/// One error of one quantity along one axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What is varied.
    pub axis: Axis,
    /// Which error.
    pub kind: Kind,
    /// Of what.
    pub quantity: String,
    /// The state that it belongs to.
    pub state: Option<String>,
    /// Unit of the quantity.
    pub unit: String,
    /// The continuum theory at the settings of the file.
    pub theory: Option<f64>,
    /// The points, in the order of the axis.
    pub points: Vec<Point>,
    /// The fit, if there is something to fit.
    pub fit: Option<Fit>,
    /// The slope to expect.
    pub expected: Option<f64>,
    /// Whether slope and expectation agree at the family-wise alpha of the study; none where nothing was
    /// fitted or expected.
    pub agrees: Option<bool>,
    /// What a reader must know.
    pub note: String,
}

impl Series {
    /// `mean_current excited`.
    pub fn label(&self) -> String {
        match &self.state {
            Some(state) => format!("{} {state}", self.quantity),
            None => self.quantity.clone(),
        }
    }
}

/// The settings of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The method's name in the file.
    pub method: String,
    /// What random words are to each other.
    pub sampling: Sampling,
    /// Number of particles.
    pub particles: u64,
    /// Number of groups.
    pub groups: usize,
    /// `legs` or `duration`.
    pub clock: String,
    /// How long every particle runs, in legs or in time.
    pub span: f64,
    /// The step, of a stepped method.
    pub dt: Option<f64>,
    /// Number of bins.
    pub bins: usize,
    /// Seed.
    pub seed: u64,
    /// How long a particle remembers, in the unit of `span`.
    pub relaxation: f64,
    /// Legs or steps of a particle for a unit of `span`.
    pub legs_per_span: f64,
}

/// A finished study: a function of file, options and seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Study {
    /// Layout version.
    pub format_version: u32,
    /// Name of the experiment.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The settings of the file.
    pub settings: Settings,
    /// Family-wise probability of a false alarm over all slopes.
    pub alpha: f64,
    /// Everything studied.
    pub series: Vec<Series>,
    /// Noise and bias at the settings of the file.
    pub budget: Budget,
    /// Whether every slope agrees with its expectation.
    pub agrees: bool,
    /// Legs or steps done.
    pub legs: f64,
}

/// Studies an experiment on the current rayon thread pool. `None` if the observer gave up.
///
/// # Errors
/// [`Error::Usage`] for options that do not fit the file, [`Error::Numeric`] if a kernel finds its bounds
/// violated or the theory has no solution.
pub fn study(
    experiment: &Experiment,
    options: &Options,
    observer: &(dyn Observer + Sync),
) -> Result<Option<Study>, Error> {
    if experiment.volume().is_some() {
        let text = "a well-mixed volume has no step and no cells, so there is no bias to follow, and its errors fall with the \
             root of run.realisations; mc run compares it with its master equation";
        return Err(Error::Usage(text.into()));
    }
    if matches!(experiment.method, Method::MeanField { .. }) {
        let text = "the bias of a mean field in windows of legs falls with the length of the run, faster than its errors, so that \
             there is no order to follow; run it with twice the cells and compare, or study \"method\": \"pairs\"";
        return Err(Error::Usage(text.into()));
    }
    if !experiment.measure.times.is_empty() {
        let text = "a study of convergence is one of averages over a run, and this file has observation times; give \
             it a \"duration\" instead: --set measure.times=null --set run.duration=10";
        return Err(Error::Usage(text.into()));
    }
    let axes = axes(experiment, options)?;
    // Without a solution there are sampling errors, but no bias.
    let law = Continuum::solve(experiment).ok();
    let law = law.as_ref();
    let mut lab = Laboratory::new(experiment, observer, axes.len())?;
    let mut series = Vec::new();
    let mut measured = budget::Evidence::default();
    for axis in axes {
        let found = match axis {
            _ if experiment.model.mixture.is_some() => {
                reacting::against(axis, &mut lab, law, options, &mut measured)?
            }
            Axis::Particles | Axis::Legs => noise::against(axis, &mut lab, law, options, &mut measured)?,
            Axis::Dt => bias::against_dt(&mut lab, law, options, &mut measured)?,
            Axis::Bins => bins::against(&mut lab, law, options)?,
            Axis::Groups | Axis::Cells | Axis::SystemSize => Some(Vec::new()),
        };
        match found {
            Some(found) => series.extend(found),
            None => return Ok(None),
        }
    }
    judge(&mut series);
    let settings = settings(experiment, &lab);
    let budget = budget::of(experiment, &settings, &measured, &series, law, options)?;
    Ok(Some(Study {
        format_version: FORMAT_VERSION,
        name: experiment.name.clone(),
        title: experiment.title.clone(),
        agrees: series.iter().all(|s| s.agrees != Some(false)) && budget.agrees,
        settings,
        alpha: ALPHA,
        series,
        budget,
        legs: lab.legs(),
    }))
}

/// The axes asked for, or all that the file has.
fn axes(experiment: &Experiment, options: &Options) -> Result<Vec<Axis>, Error> {
    let stepped = experiment.method.dt().is_some();
    let reacting = experiment.model.mixture.is_some();
    let fits = |a: &Axis| match a {
        Axis::Particles | Axis::Bins => !reacting,
        Axis::Groups | Axis::Cells | Axis::SystemSize => reacting,
        Axis::Legs | Axis::Dt => true,
    };
    if let Some(axis) = options.axes.iter().find(|a| !fits(a)) {
        let known: Vec<&str> = match reacting {
            true => reacting::AXES.iter().map(|a| a.name()).collect(),
            false => vec!["particles", "legs", "dt", "bins"],
        };
        let which = if reacting { "react" } else { "do not react" };
        let text =
            format!("--in {}: particles that {which} are studied in {}", axis.name(), known.join(", "));
        return Err(Error::Usage(text));
    }
    if options.axes.contains(&Axis::Dt) && !stepped {
        let why =
            "the method exact has no time step, so there is no bias to follow; --in particles or --in legs";
        return Err(Error::Usage(format!("--in dt: {why}")));
    }
    if (options.from.is_some() || options.to.is_some()) && options.axes.len() != 1 {
        return Err(Error::Usage("--from and --to belong to one axis: name it with --in".into()));
    }
    if let (Some(from), Some(to)) = (options.from, options.to)
        && from >= to
    {
        return Err(Error::Usage(format!("--from {from} is not below --to {to}")));
    }
    if !options.axes.is_empty() {
        let mut axes = options.axes.clone();
        axes.dedup();
        return Ok(axes);
    }
    if reacting {
        return Ok(reacting::AXES.to_vec());
    }
    let mut axes = vec![Axis::Particles, Axis::Legs];
    axes.extend(stepped.then_some(Axis::Dt));
    axes.push(Axis::Bins);
    Ok(axes)
}

fn settings(experiment: &Experiment, lab: &Laboratory<'_>) -> Settings {
    let run = &experiment.run;
    Settings {
        method: experiment.method.name().into(),
        sampling: run.sampling,
        particles: run.particles,
        groups: run.groups,
        clock: if matches!(run.span, Span::Legs(_)) { "legs" } else { "duration" }.into(),
        span: run.span.amount(),
        dt: experiment.method.dt(),
        bins: experiment.measure.bins,
        seed: run.seed,
        relaxation: lab.relaxation,
        legs_per_span: lab.pace,
    }
}

/// Holds every slope of a sampling error against its expectation, all together at [`ALPHA`]. Orders of a
/// bias are shown with their intervals and not judged: at steps that show a bias the order need not be that
/// of the limit.
fn judge(series: &mut [Series]) {
    let judged = |s: &Series| s.kind == Kind::SamplingError && s.fit.is_some() && s.expected.is_some();
    let number = series.iter().filter(|s| judged(s)).count().max(1);
    let critical = crate::stats::deviate_from_p(ALPHA / number as f64);
    for s in series.iter_mut().filter(|s| judged(s)) {
        if let (Some(fit), Some(expected)) = (s.fit, s.expected)
            && let (Some(low), Some(high)) = (fit.ci_low, fit.ci_high)
        {
            let error = 0.5 * (high - low) / crate::stats::normal_reach();
            s.agrees = Some((fit.slope - expected).abs() <= critical * error);
        }
    }
}
