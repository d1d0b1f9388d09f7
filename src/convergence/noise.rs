//! Sampling error against particles, and against the length of the run.
//!
//! Particles are independent, so against their number the law `n^(-1/2)` holds at any length of the run for
//! quantities that are linear in the tallies, and beyond few independent positions for smooth functions of
//! them (`soret`). Against the length it holds only where that is long beside the memory of a particle: the
//! variance of a mean over `t` memory times is `2 (t - 1 + exp(-t))/t^2` of that of a snapshot for an
//! exponential memory, 5 % below its limit at 20 of them. Shorter runs are shown and not fitted.

use super::budget::{Evidence, Measured};
use super::functional::{Functional, Gathered, Reducer};
use super::runs::{Laboratory, Setting};
use super::{Axis, Fit, Kind, LEAST_REPEATS, Options, Part, Point, Series};
use crate::continuum::Continuum;
use crate::error::Error;
use crate::experiment::Sampling;
use crate::kernel::Span;
use crate::model::Boundary;
use crate::observable::Observable;
use crate::sampling::LONG_BURN_IN;
use crate::stats::{Line, Sample, Spread, normal_reach};

/// Relaxation times from which on the length of a run is fitted.
pub const ASYMPTOTIC: f64 = 20.0;

/// Most relaxation times over which particles are averaged in a study against their number.
const AVERAGED: f64 = 32.0;

/// Independent positions in the smallest estimate that is fitted: below, `soret` is no longer a linear
/// function of the tallies.
const INDEPENDENT: f64 = 16.0;

/// Relaxation times of burn-in. Walkers of a group start stratified in x, which makes them know of each other;
/// after that time this has taken less than 1 % from the spread of an estimate.
const BURN_IN: f64 = 2.0;

/// Powers of ten of an axis, if there is effort for it.
const DECADES: f64 = 3.0;

/// Particles that share a net in a study against the length of the run.
const FEW: u64 = 16;

/// Points an axis.
const POINTS: usize = 7;

/// Undefined repeats that are left out in silence, as a share.
const UNDEFINED: f64 = 0.01;

/// Estimates of each repeat alone, functional by functional.
type Alone = Vec<Vec<Option<f64>>>;

/// The error of everything that is one number, along an axis. `None` if the observer gave up.
pub(super) fn against(
    axis: Axis,
    lab: &mut Laboratory<'_>,
    law: Option<&Continuum>,
    options: &Options,
    evidence: &mut Evidence,
) -> Result<Option<Vec<Series>>, Error> {
    let reducer = lab.headlines();
    let settings = match axis {
        Axis::Particles => particles(lab, options)?,
        _ => lengths(lab, options)?,
    };
    let place = |s: &Setting| if axis == Axis::Particles { s.walkers as f64 } else { s.span };
    let fitted = |s: &&Setting| axis == Axis::Particles || s.span >= 0.999 * ASYMPTOTIC * lab.relaxation;
    let settings_range = settings
        .iter()
        .filter(fitted)
        .map(place)
        .fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
    let whole: f64 = settings.iter().map(|s| s.cost(lab.pace)).sum();
    let mut largest: Option<(f64, Setting, Gathered, Alone)> = None;
    let mut points: Vec<Vec<Option<Point>>> = vec![Vec::new(); reducer.functionals.len()];
    for setting in settings {
        let Some(found) = lab.run(&reducer, setting, setting.cost(lab.pace) / whole)? else {
            return Ok(None);
        };
        let (alone, together) = (found.alone(&reducer), found.value(&reducer));
        let at = if axis == Axis::Particles { setting.walkers as f64 } else { setting.span };
        let asymptotic = axis == Axis::Particles || setting.span >= 0.999 * ASYMPTOTIC * lab.relaxation;
        let part = if asymptotic { Part::Fitted } else { Part::Shown };
        for ((points, alone), together) in points.iter_mut().zip(&alone).zip(together) {
            points.push(point(at, part, alone, together));
        }
        let work = setting.walkers as f64 * found.len() as f64 * setting.span;
        if largest.as_ref().is_none_or(|(most, ..)| work > *most) {
            largest = Some((work, setting, found, alone));
        }
    }
    if let Some((work, setting, found, alone)) = largest
        && work > evidence.work
    {
        *evidence = Evidence { work, measured: measured(&reducer, setting, &found, &alone) };
    }
    let theory = theory(&reducer, law);
    let reached = libm::log10(settings_range.1 / settings_range.0.max(f64::MIN_POSITIVE));
    let short = if options.to.is_none() && reached < DECADES - 0.1 {
        format!("the effort reaches over {reached:.1} of {DECADES} powers of ten: --effort gives more")
    } else {
        String::new()
    };
    let note = [note(axis, lab), short].into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>().join("; ");
    // Heat has a part that depends on where a run begins and ends, which falls as 1/t; while that is the larger
    // part the slope lies between -1 and -1/2.
    let ends = |f: &Functional| axis == Axis::Legs && f.observable == Observable::EntropyProduction;
    // The current of a single state between walls is nothing but the difference of the ends, over the time.
    let model = &lab.experiment.model;
    let still = model.network.states().len() == 1 && model.domain.walls == Boundary::Reflecting;
    let displaced =
        |f: &Functional| axis == Axis::Legs && still && f.observable == Observable::MeanCurrent(0);
    let together = axis == Axis::Particles && even(lab);
    let series = reducer.functionals.iter().zip(points).zip(theory).map(|((f, points), theory)| {
        let defined: Vec<Point> = points.iter().flatten().map(|p| Point { theory, ..*p }).collect();
        let complete = defined.len() == points.len();
        Series {
            axis,
            kind: Kind::SamplingError,
            quantity: f.name.clone(),
            state: f.of.clone(),
            unit: f.unit.clone(),
            theory,
            fit: fit(&defined),
            points: defined,
            expected: (!ends(f) && !together).then_some(if displaced(f) { -1.0 } else { -0.5 }),
            agrees: None,
            note: if complete {
                note.clone()
            } else {
                "not defined in some of the repeats at some points".into()
            },
        }
    });
    Ok(Some(series.filter(|s| !s.points.is_empty()).collect()))
}

/// What the continuum says of every functional.
fn theory(reducer: &Reducer, law: Option<&Continuum>) -> Vec<Option<f64>> {
    reducer.functionals.iter().map(|f| f.theory(law, &reducer.context.grid)).collect()
}

fn note(axis: Axis, lab: &Laboratory<'_>) -> String {
    if axis == Axis::Particles {
        return if even(lab) {
            "particles of a group share a net: errors fall faster than with -1/2, and no law says how much"
                .into()
        } else {
            String::new()
        };
    }
    let own = lab.experiment.run.span.amount() / lab.relaxation;
    let unit = match lab.experiment.run.span {
        Span::Legs(_) => "legs",
        Span::Duration(_) => "units of time",
    };
    let side = if own < ASYMPTOTIC {
        "before the law holds: more particles pay better than a longer run"
    } else {
        "where the law holds"
    };
    format!(
        "a particle remembers about {} {unit}; the file runs {} of that, {side}",
        crate::report::format::brief(lab.relaxation),
        crate::report::format::brief(own)
    )
}

/// Points at equal distances of the logarithm, whole numbers if need be, none twice.
pub(super) fn ladder(from: f64, to: f64, points: usize, whole: bool) -> Vec<f64> {
    let step = libm::log(to / from) / (points.max(2) - 1) as f64;
    let mut values: Vec<f64> = (0..points.max(2))
        .map(|k| from * libm::exp(step * k as f64))
        .map(|v| if whole { libm::round(v).max(1.0) } else { v })
        .collect();
    values.dedup();
    values
}

/// Whether particles of a group share the points of a net.
fn even(lab: &Laboratory<'_>) -> bool {
    lab.experiment.run.sampling == Sampling::ArrayRqmc
}

/// Relaxation times of burn-in: as many as a run takes by itself where errors are small enough to show the start.
fn burn_in(lab: &Laboratory<'_>) -> f64 {
    if even(lab) { LONG_BURN_IN } else { BURN_IN }
}

/// Powers of two among so many numbers of particles, each once.
fn powers(numbers: Vec<f64>) -> Vec<f64> {
    let mut powers: Vec<f64> =
        numbers.into_iter().map(|n| libm::exp2(libm::round(libm::log2(n).max(0.0)))).collect();
    powers.dedup();
    powers
}

/// Numbers of particles; of one group, where they share a net.
fn particles(lab: &Laboratory<'_>, options: &Options) -> Result<Vec<Setting>, Error> {
    let points = options.points.unwrap_or(POINTS);
    // Geometric steps make the whole dearer than its last point.
    let dearer = |decades: f64| 1.0 / (1.0 - libm::pow(10.0, -decades / (points.max(2) - 1) as f64));
    let repeats = repeats(options)?;
    let burn_in = burn_in(lab) * lab.relaxation;
    let span = lab.experiment.run.span.amount().min(AVERAGED * lab.relaxation);
    let span = if lab.context_is_timed() { span } else { span.round().max(1.0) };
    let least = libm::ceil(INDEPENDENT / (1.0 + 0.5 * span / lab.relaxation)).max(1.0);
    let cost = |decades: f64| {
        let walkers = (least * libm::pow(10.0, decades)) as u64;
        Setting { walkers, repeats, span, burn_in }.cost(lab.pace) * dearer(decades)
    };
    let mut decades = DECADES;
    while cost(decades) > options.effort && decades > 0.5 {
        decades -= 0.25;
    }
    let from = options.from.unwrap_or(least).round().max(1.0);
    let to = options.to.unwrap_or(from * libm::pow(10.0, decades));
    check(from, to)?;
    let setting = |walkers: f64| Setting { walkers: walkers as u64, repeats, span, burn_in };
    let numbers = ladder(from, to, points, true);
    let numbers = if even(lab) { powers(numbers) } else { numbers };
    Ok(numbers.into_iter().map(setting).collect())
}

/// Lengths of runs.
fn lengths(lab: &Laboratory<'_>, options: &Options) -> Result<Vec<Setting>, Error> {
    let points = options.points.unwrap_or(POINTS);
    let repeats = repeats(options)?;
    // The law is the same for any number of them; those that share a net show its noise, not that of a few.
    let walkers = if even(lab) { FEW } else { 2 };
    let timed = lab.context_is_timed();
    let cost =
        |span: f64| Setting { walkers, repeats, span, burn_in: burn_in(lab) * lab.relaxation }.cost(lab.pace);
    let first = ASYMPTOTIC * lab.relaxation;
    let mut decades = DECADES;
    let dearer = 1.5;
    while dearer * cost(first * libm::pow(10.0, decades)) > options.effort && decades > 0.5 {
        decades -= 0.25;
    }
    let shorter = options.from.is_none() && options.to.is_none();
    let from = options.from.unwrap_or(first);
    let to = options.to.unwrap_or(from * libm::pow(10.0, decades));
    check(from, to)?;
    let mut spans = ladder(from, to, points, !timed);
    if shorter {
        // From the memory of a particle up: where the law does not hold yet.
        let before = [0.3, 1.0, 3.0].map(|t| t * lab.relaxation);
        let before = before.map(|s| if timed { s } else { s.round().max(1.0) });
        spans.splice(0..0, before.into_iter().filter(|s| *s < 0.9 * from));
        spans.dedup();
    }
    let burn_in = burn_in(lab) * lab.relaxation;
    Ok(spans.into_iter().map(|span| Setting { walkers, repeats, span, burn_in }).collect())
}

pub(super) fn check(from: f64, to: f64) -> Result<(), Error> {
    if from > 0.0 && from < to && to.is_finite() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "there is nothing between {from} and {to}; --from must be positive and below --to"
    )))
}

pub(super) fn repeats(options: &Options) -> Result<usize, Error> {
    if options.repeats < LEAST_REPEATS {
        let least = format!("at least {LEAST_REPEATS}");
        return Err(Error::Usage(format!(
            "--repeats {}: an error with an error needs {least}",
            options.repeats
        )));
    }
    Ok(options.repeats)
}

/// The standard deviation over repeats; `None` if it is not defined for all but a few of them.
pub(super) fn point(at: f64, part: Part, alone: &[Option<f64>], estimate: Option<f64>) -> Option<Point> {
    let defined: Vec<f64> = alone.iter().flatten().copied().collect();
    if (defined.len() as f64) < (1.0 - UNDEFINED) * alone.len() as f64 {
        return None;
    }
    let Spread { deviation, log_error } = Spread::of(&defined)?;
    let reach = libm::exp(normal_reach() * log_error);
    Some(Point {
        at,
        value: deviation,
        std_err: deviation * log_error,
        ci_low: deviation / reach,
        ci_high: deviation * reach,
        part,
        repeats: defined.len(),
        estimate,
        theory: None,
    })
}

/// A line through the logarithms of points that are independent of each other.
pub(super) fn fit(points: &[Point]) -> Option<Fit> {
    let fitted: Vec<&Point> = points.iter().filter(|p| p.part == Part::Fitted).collect();
    let logarithm = |p: &&Point| (libm::log(p.at), libm::log(p.value), p.std_err / p.value);
    let line = Line::through(&fitted.iter().map(logarithm).collect::<Vec<_>>())?;
    let reach = normal_reach() * line.slope_error;
    let (first, last) = (fitted.first()?.at, fitted.last()?.at);
    Some(Fit {
        slope: line.slope,
        ci_low: Some(line.slope - reach),
        ci_high: Some(line.slope + reach),
        amplitude: libm::exp(line.at(0.0)),
        p_value: line.fits,
        points: fitted.len(),
        decades: libm::log10(last / first),
    })
}

/// What the largest point of an axis knows, for the budget.
pub(super) fn measured(
    reducer: &Reducer,
    setting: Setting,
    found: &Gathered,
    alone: &[Vec<Option<f64>>],
) -> Vec<Measured> {
    let samples = found.together(reducer).into_iter();
    let known = |((f, alone), sample): ((&Functional, &Vec<Option<f64>>), Option<Sample>)| {
        let defined: Vec<f64> = alone.iter().flatten().copied().collect();
        Some(Measured {
            functional: f.clone(),
            spread: Spread::of(&defined)?.deviation,
            walkers: setting.walkers as f64,
            span: setting.span,
            sample: Some(sample?),
        })
    };
    reducer.functionals.iter().zip(alone).zip(samples).filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, standard_normal, stream};

    /// Points at 1, 10, 100, 1000 particles from 512 repeats, each a mean of normal values of which a share
    /// is common to all particles of a repeat.
    fn study(common: f64) -> Fit {
        let mut s = stream(11, Purpose::Start, 0);
        let mut normal = || standard_normal(s.word());
        let points: Vec<Point> = [1.0, 10.0, 100.0, 1000.0]
            .into_iter()
            .map(|n: f64| {
                let mut estimate = || common * normal() + normal() / n.sqrt();
                let alone: Vec<Option<f64>> = (0..512).map(|_| Some(estimate())).collect();
                point(n, Part::Fitted, &alone, None).unwrap()
            })
            .collect();
        fit(&points).unwrap()
    }

    #[test]
    fn correlated_repeats_are_caught() {
        // Independent particles: the slope is -1/2 within 6.5 of its errors, which are 0.006.
        let error = |fit: &Fit| 0.5 * (fit.ci_high.unwrap() - fit.ci_low.unwrap()) / normal_reach();
        let sound = study(0.0);
        assert!(error(&sound) < 0.007 && (sound.slope + 0.5).abs() < 6.5 * error(&sound), "{sound:?}");
        // Particles that share their noise gain nothing from their number; a little of it is enough to be seen,
        // in the slope and as a misfit.
        let shared = study(3.0);
        assert!((shared.slope + 0.5).abs() > 6.5 * error(&shared), "{shared:?}");
        let little = study(0.1);
        assert!((little.slope + 0.5).abs() > 6.5 * error(&little) && little.p_value < 1e-10, "{little:?}");
    }

    #[test]
    fn few_undefined_repeats_are_left_out_and_many_are_not() {
        let mut alone: Vec<Option<f64>> = (0..200).map(|k| Some(f64::from(k % 7))).collect();
        alone[3] = None;
        assert_eq!(point(1.0, Part::Fitted, &alone, None).unwrap().repeats, 199);
        alone[..50].fill(None);
        assert_eq!(point(1.0, Part::Fitted, &alone, None), None);
    }

    #[test]
    fn ladders_are_whole_and_never_twice() {
        assert_eq!(ladder(1.0, 1000.0, 4, true), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ladder(1.0, 3.0, 9, true), [1.0, 2.0, 3.0]);
    }
}
