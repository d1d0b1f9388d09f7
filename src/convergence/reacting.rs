//! Studies of particles that react: noise against populations and duration, bias against `dt`, cells and system size.
//!
//! Three biases are kept apart. That of the **step** is held against the law of the same cells with short steps, that of
//! the **cells** against the law of the same step with narrow cells, both without noise ([`StepLaw`]; the continuum where
//! diffusivities vary), and that of **finite numbers** against the law of the same steps for infinitely many particles. The
//! first two are sampled with as many particles as the effort allows, which leaves the third below the noise; means
//! have its estimate taken off.
//!
//! Orders to expect: 2 in `dt` for constant diffusivities, else 1; -2 in the number of cells; -1 in `system_size`. With wide cells
//! and short steps the jumps of rates at faces of cells add a little of order 3/2 in `dt`.

use super::budget::{Evidence, Measured};
use super::functional::{Functional, Gathered, Reducer};
use super::noise::{self, ASYMPTOTIC};
use super::runs::{Laboratory, Setting};
use super::{Axis, Fit, Kind, LEAST_REPEATS, Options, Part, Point, Series, bias};
use crate::continuum::Continuum;
use crate::error::Error;
use crate::estimator::Context;
use crate::experiment::{Experiment, Method};
use crate::grid::Grid;
use crate::kernel::reactions::{fastest, settled};
use crate::model::{Kinetics, Mixture};
use crate::observable::Observable;
use crate::stats::{CONFIDENCE, Line, chi_squared_survival, t_deviate, t_quantile};
use crate::theory::reaction::steps::Meeting;
use crate::theory::reaction::{Extent, StepLaw};

/// Points of a study of a bias.
const POINTS: usize = 6;

/// Groups of a point.
const GROUPS: usize = 32;

/// Relaxation times of burn-in and run, of a bias and of a sampling error.
const BURN_IN: f64 = 6.0;
const RUN: f64 = 24.0;
const SHORT_BURN_IN: f64 = 2.0;
const SHORT_RUN: f64 = 4.0;

/// Particles of a population, at least and at most.
const FEWEST: f64 = 64.0;
const MOST: f64 = 131_072.0;

/// Particles of a species that is there, at least.
const FEW: f64 = 4.0;

/// Most repeats of a sampling error; each is a population.
const REPEATS: usize = 256;

/// Longest step over the relaxation time of reactions.
const LONGEST: f64 = 1.0;

/// Longest stride over the length of the domain.
const STRIDE: f64 = 0.25;

/// Bins of a study of cells, and so the fewest cells.
const BINS: usize = 4;

/// Particles of the smallest population of a study of finite numbers.
const SMALL: f64 = 32.0;

/// Halvings of a step after which steps are short, at most.
const HALVINGS: i32 = 13;

/// Cells of the limit of narrow ones.
const NARROW: usize = 48;

/// Bias over value below which the law of steps is rounding.
const KNOWN: f64 = 1e-8;

/// Contrast of a profile over its mean below which it is flat.
const FLAT: f64 = 1e-9;

/// What such files are studied in by default.
pub(super) const AXES: [Axis; 5] = [Axis::Groups, Axis::Legs, Axis::Dt, Axis::Cells, Axis::SystemSize];

/// One study. `None` if the observer gave up.
pub(super) fn against(
    axis: Axis,
    lab: &mut Laboratory<'_>,
    law: Option<&Continuum>,
    options: &Options,
    evidence: &mut Evidence,
) -> Result<Option<Vec<Series>>, Error> {
    match axis {
        Axis::Groups | Axis::Legs => sampling(axis, lab, law, options, evidence),
        _ => biases(axis, lab, options, evidence),
    }
}

/// The law of the steps of the file for infinitely many particles.
pub(super) fn own(experiment: &Experiment, law: Option<&Continuum>) -> Option<StepLaw> {
    law?.steps(experiment.method.cells()?, experiment.method.dt()?, Meeting::InCells)
}

/// Means, contrasts and currents: profiles and currents are weighed with what the theory expects, 1 for the theory itself.
fn functionals(experiment: &Experiment, context: &Context, law: Option<&Continuum>) -> Vec<Functional> {
    use Observable::*;
    let species = 0..context.model.network.states().len();
    let whole = |o: Observable| Functional::whole(o, experiment);
    let mut list = vec![whole(Soret)];
    list.extend(species.clone().map(|k| whole(MeanConcentration(k))));
    let alike = |name: &str, observable: Observable, centred: bool| {
        let values: Vec<f64> =
            law?.reference(observable, &context.grid)?.into_iter().collect::<Option<_>>()?;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let middle = if centred { mean } else { 0.0 };
        let norm: f64 = values.iter().map(|v| (v - middle) * (v - middle)).sum();
        let least = if centred { FLAT * mean.abs() } else { FLAT };
        (norm > least * least).then(|| Functional {
            name: name.into(),
            unit: "theory".into(),
            weights: values.iter().enumerate().map(|(b, v)| (b, (v - middle) / norm)).collect(),
            ..whole(observable)
        })
    };
    list.extend(species.clone().filter_map(|k| alike("concentration_contrast", Concentration(k), true)));
    list.extend(species.filter_map(|k| alike("current_weighed", Current(k), false)));
    list.push(whole(MeanHeatCurrent));
    list
}

/// Particles of a population.
fn population(experiment: &Experiment) -> f64 {
    experiment.counts().iter().sum::<u64>() as f64
}

/// The experiment with populations of about so many particles, and [`FEW`] of each species at least.
fn sized(experiment: &Experiment, particles: f64) -> Experiment {
    let mut changed = experiment.clone();
    let counts = experiment.counts().into_iter().filter(|n| *n > 0);
    let rarest = counts.min().map_or(1.0, |n| n as f64);
    let factor = (particles / population(experiment).max(1.0)).max(FEW / rarest);
    changed.run.system_size = experiment.run.system_size.map(|omega| omega * factor);
    changed
}

/// Sampling errors against the number of populations, or the duration of one.
fn sampling(
    axis: Axis,
    lab: &mut Laboratory<'_>,
    law: Option<&Continuum>,
    options: &Options,
    evidence: &mut Evidence,
) -> Result<Option<Vec<Series>>, Error> {
    let experiment = lab.experiment;
    let relaxation = lab.relaxation;
    // How many populations and how long, point by point.
    let points: Vec<(usize, f64)> = match axis {
        Axis::Groups => {
            let from = options.from.unwrap_or(1.0).round().max(1.0);
            let to = options.to.unwrap_or(from * 16.0);
            noise::check(from, to)?;
            let ladder = noise::ladder(from, to, options.points.unwrap_or(5), true);
            ladder.into_iter().map(|g| (g as usize, SHORT_RUN * relaxation)).collect()
        }
        _ => {
            let from = options.from.unwrap_or(ASYMPTOTIC * relaxation);
            let to = options.to.unwrap_or(from * libm::sqrt(10.0));
            noise::check(from, to)?;
            let mut spans = noise::ladder(from, to, options.points.unwrap_or(4), false);
            if options.from.is_none() && options.to.is_none() {
                spans.splice(0..0, [1.0, 4.0].map(|t| t * relaxation));
            }
            spans.into_iter().map(|span| (1, span)).collect()
        }
    };
    let burn_in = SHORT_BURN_IN * relaxation;
    // Particle steps of one repeat of all points, for a population of one particle.
    let each: f64 = points.iter().map(|(g, span)| *g as f64 * (span + burn_in) * lab.pace).sum();
    let most = noise::repeats(options)?.min(REPEATS);
    let repeats = ((options.effort / (each * FEWEST)) as usize).clamp(LEAST_REPEATS, most);
    let particles =
        (options.effort / (each * repeats as f64)).clamp(FEWEST, population(experiment).max(FEWEST));
    let thin = sized(experiment, particles);
    let particles = population(&thin);
    let list = |context: &Context| functionals(&thin, context, law);
    let mut series: Vec<(Functional, Vec<Option<Point>>)> = Vec::new();
    for (groups, span) in points {
        let setting = Setting { walkers: particles as u64, repeats: repeats * groups, span, burn_in };
        let share = groups as f64 * (span + burn_in) * lab.pace / each;
        let Some((found, reducer)) = lab.run_changed(&thin, &list, setting, share)? else {
            return Ok(None);
        };
        let joined = found.joined(groups);
        let (alone, together) = (joined.alone(&reducer), joined.value(&reducer));
        let asymptotic = axis == Axis::Groups || span >= 0.999 * ASYMPTOTIC * relaxation;
        let part = if asymptotic { Part::Fitted } else { Part::Shown };
        let at = if axis == Axis::Groups { groups as f64 } else { span };
        if series.is_empty() {
            series = reducer.functionals.iter().map(|f| (f.clone(), Vec::new())).collect();
        }
        for (((f, points), alone), together) in series.iter_mut().zip(&alone).zip(together) {
            let point = noise::point(at, part, alone, together);
            let theory = f.theory(law, &reducer.context.grid);
            points.push(point.map(|p| Point { theory, ..p }));
        }
        let work = particles * (repeats * groups) as f64 * span;
        if work > evidence.work {
            let whole = Setting { walkers: (particles as usize * groups) as u64, repeats, ..setting };
            *evidence = Evidence { work, measured: noise::measured(&reducer, whole, &joined, &alone) };
        }
    }
    let omega = thin.run.system_size.unwrap_or(0.0);
    let thinner =
        format!("populations of {particles} particles, system_size {omega:.3}: slopes do not depend on it");
    let made = series.into_iter().map(|(f, points)| {
        let points: Vec<Point> = points.into_iter().flatten().collect();
        Series {
            axis,
            kind: Kind::SamplingError,
            theory: points.first().and_then(|p| p.theory),
            quantity: f.name,
            state: f.of,
            unit: f.unit,
            fit: noise::fit(&points),
            points,
            expected: Some(-0.5),
            agrees: None,
            note: thinner.clone(),
        }
    });
    Ok(Some(made.filter(|s| !s.points.is_empty()).collect()))
}

/// One setting of a study of a bias.
struct Place {
    at: f64,
    cells: usize,
    dt: f64,
    /// Of a population; as many as the effort allows where none.
    particles: Option<f64>,
}

/// Settings from coarse to fine.
fn places(
    axis: Axis,
    lab: &Laboratory<'_>,
    mixture: &Mixture,
    options: &Options,
) -> Result<Vec<Place>, Error> {
    let experiment = lab.experiment;
    let missing = || Error::Usage(format!("--in {}: the method has no cells", axis.name()));
    let (cells, dt) = experiment.method.cells().zip(experiment.method.dt()).ok_or_else(missing)?;
    let points = options.points.unwrap_or(POINTS).max(2);
    let place = |at: f64| Place { at, cells, dt, particles: None };
    Ok(match axis {
        Axis::Dt => {
            let length = mixture.domain.length;
            let diffusivity = (0..mixture.species().len())
                .flat_map(|k| [0.0, 0.5, 1.0].map(|f| mixture.diffusivity(k, f * length)))
                .fold(0.0, f64::max);
            let stride = STRIDE * length;
            let reactions = LONGEST / fastest(mixture, &settled(mixture, &experiment.mean_concentrations()));
            let longest = reactions.min(stride * stride / (2.0 * diffusivity)).max(dt);
            let range = libm::exp2(points as f64 - 1.0);
            let steps = bias::ladder(bias::rung(longest, dt, range, points), range, points, options)?;
            steps.into_iter().map(|dt| Place { dt, ..place(dt) }).collect()
        }
        Axis::Cells => {
            let from = options.from.unwrap_or(BINS as f64);
            let to = options.to.unwrap_or(from * 8.0);
            noise::check(from, to)?;
            let whole = |n: f64| (libm::round(n / BINS as f64).max(1.0) as usize) * BINS;
            let mut all: Vec<usize> = noise::ladder(from, to, points, false).into_iter().map(whole).collect();
            all.dedup();
            all.into_iter().map(|cells| Place { cells, ..place(cells as f64) }).collect()
        }
        _ => {
            let own = experiment.run.system_size.unwrap_or(1.0);
            let smallest = sized(experiment, SMALL).run.system_size.unwrap_or(1.0);
            let from = options.from.unwrap_or(smallest);
            let to = options.to.unwrap_or(from * 16.0);
            noise::check(from, to)?;
            let number = population(experiment);
            let ladder = noise::ladder(from, to, options.points.unwrap_or(5), false);
            ladder.into_iter().map(|w| Place { particles: Some(number * w / own), ..place(w) }).collect()
        }
    })
}

/// What the bias of a setting is counted from, and what it should be.
struct Reference {
    limit: Option<StepLaw>,
    here: Option<StepLaw>,
}

fn reference(axis: Axis, law: &Continuum, place: &Place) -> Reference {
    let Place { cells, dt, .. } = *place;
    let here = law.steps(cells, dt, Meeting::InCells);
    let limit = match axis {
        Axis::Dt => short_steps(law, cells, dt),
        Axis::Cells => law.steps(NARROW, dt, Meeting::AtPoints),
        _ => here.clone(),
    };
    Reference { limit, here }
}

/// The law of short steps in the same cells.
fn short_steps(law: &Continuum, cells: usize, dt: f64) -> Option<StepLaw> {
    // As short as profiles can be resolved.
    (0..=HALVINGS).rev().find_map(|k| {
        let short = dt * libm::exp2(-f64::from(k));
        let (whole, half) =
            (law.steps(cells, short, Meeting::InCells), law.steps(cells, 0.5 * short, Meeting::InCells));
        Some(whole?.limit(&half?))
    })
}

fn of_law(functional: &Functional, law: Option<&StepLaw>, grid: &Grid) -> Option<f64> {
    functional.apply(&law?.reference(functional.observable, grid)?).filter(|v| v.is_finite())
}

/// A sampled bias with that of the law, where it is known.
type Told = (Point, Option<f64>);

/// Bias against the step, the cells, or the system size.
fn biases(
    axis: Axis,
    lab: &mut Laboratory<'_>,
    options: &Options,
    evidence: &mut Evidence,
) -> Result<Option<Vec<Series>>, Error> {
    let Some(mixture) = lab.experiment.model.mixture.clone() else { return Ok(Some(Vec::new())) };
    let places = places(axis, lab, &mixture, options)?;
    let effort = options.effort / places.len() as f64;
    let own_dt = lab.experiment.method.dt().unwrap_or(1.0);
    let mut series: Vec<(Functional, Vec<Told>)> = Vec::new();
    let mut exact: Vec<Vec<(f64, f64)>> = Vec::new();
    for place in &places {
        let wanted = effort * place.dt / (GROUPS as f64 * (BURN_IN + RUN) * lab.relaxation);
        let particles = place.particles.unwrap_or_else(|| wanted.clamp(FEWEST, MOST));
        let mut changed = sized(lab.experiment, particles);
        changed.method = Method::Pairs { cells: place.cells, dt: place.dt };
        if axis == Axis::Cells {
            changed.measure.bins = BINS;
        }
        let particles = population(&changed);
        let longer = effort * place.dt / (GROUPS as f64 * particles) - BURN_IN * lab.relaxation;
        let setting = Setting {
            walkers: particles as u64,
            repeats: GROUPS,
            span: longer.max(RUN * lab.relaxation),
            burn_in: BURN_IN * lab.relaxation,
        };
        // Numbers of particles are whole: their totals are those of this setting.
        let law = Continuum::solve(&changed).ok();
        let grid = changed.grid();
        let known = law.as_ref().map(|law| reference(axis, law, place));
        let list = |context: &Context| functionals(&changed, context, law.as_ref());
        let Some((found, reducer)) = lab.run_changed(&changed, &list, setting, 1.0 / places.len() as f64)?
        else {
            return Ok(None);
        };
        let omega = changed.run.system_size.unwrap_or(1.0);
        let shift = law.as_ref().and_then(|law| law.finite_shift(omega));
        let together = found.together(&reducer);
        if axis == Axis::Dt && (place.dt / own_dt - 1.0).abs() < 1e-9 {
            evidence.complete(measured(&reducer, setting, &found));
        }
        if series.is_empty() {
            series = reducer.functionals.iter().map(|f| (f.clone(), Vec::new())).collect();
            exact.resize(series.len(), Vec::new());
        }
        let master = master(axis, &mixture, &changed);
        for ((f, sample), (k, (_, points))) in
            reducer.functionals.iter().zip(together).zip(series.iter_mut().enumerate())
        {
            let Some(theory) = f.theory(law.as_ref(), &grid) else { continue };
            let limit = known.as_ref().and_then(|known| of_law(f, known.limit.as_ref(), &grid));
            let here = known.as_ref().and_then(|known| of_law(f, known.here.as_ref(), &grid));
            let finite = match f.observable {
                Observable::MeanConcentration(s) if axis != Axis::SystemSize => {
                    shift.as_ref().and_then(|all| all.get(s).copied()).unwrap_or(0.0)
                }
                _ => 0.0,
            };
            let without = match axis {
                Axis::SystemSize => match f.observable {
                    Observable::MeanConcentration(s) => master.as_ref().and_then(|m| m.get(s).copied()),
                    _ => None,
                },
                _ => here.zip(limit).map(|(here, limit)| here - limit),
            };
            if let Some(bias) = without.filter(|b| b.abs() > KNOWN * theory.abs()) {
                exact[k].push((place.at, bias));
            }
            let from = limit.unwrap_or(theory);
            let Some(sample) = sample else { continue };
            let (error, value) = (sample.std_error(), sample.value - finite - from);
            if value.is_finite() && error.is_finite() && error > 0.0 {
                let reach = t_quantile(CONFIDENCE, sample.dof()) * error;
                let point = Point {
                    at: place.at,
                    value,
                    std_err: error,
                    ci_low: value - reach,
                    ci_high: value + reach,
                    part: if value.abs() < bias::SEEN * error { Part::Bound } else { Part::Fitted },
                    repeats: found.len(),
                    estimate: Some(sample.value),
                    theory: Some(from),
                };
                points.push((point, without.filter(|_| axis != Axis::SystemSize)));
            }
        }
    }
    let number = series.len();
    let expected = match axis {
        Axis::Dt => order(&mixture),
        Axis::Cells => -2.0,
        _ => -1.0,
    };
    let note = match axis {
        Axis::SystemSize => lab.experiment.run.system_size.and_then(|omega| told(lab.experiment, omega)),
        _ => None,
    };
    let mut list: Vec<Series> = Vec::new();
    for ((f, _), biases) in series.iter().zip(&exact) {
        list.extend(without_noise(axis, f, biases, expected));
    }
    let sampled = series.into_iter().filter(|(_, points)| !points.is_empty()).map(|(f, points)| {
        let agrees = agrees(&points, number);
        let points: Vec<Point> = points.into_iter().map(|(p, _)| p).collect();
        let fit = fit(axis, &points);
        let note = match (fit, &note) {
            (None, _) => "no bias is seen: upper bounds only".to_owned(),
            (Some(_), Some(note)) if matches!(f.observable, Observable::MeanConcentration(_)) => note.clone(),
            (Some(fit), _) if fit.p_value < 1e-3 => "the points lie on no power law".to_owned(),
            _ => String::new(),
        };
        Series {
            axis,
            kind: Kind::Bias,
            theory: points.first().and_then(|p| p.theory),
            quantity: f.name,
            state: f.of,
            unit: f.unit,
            points,
            fit,
            expected: Some(expected),
            agrees,
            note,
        }
    });
    list.extend(sampled);
    Ok(Some(list))
}

/// 2 in `dt`, or 1 where a diffusivity varies.
fn order(mixture: &Mixture) -> f64 {
    let uniform = mixture.temperature.constant().is_some();
    let constant = |s: &crate::model::Species| match &s.motility {
        crate::model::Motility::Diffusivity(d) => d.constant().is_some(),
        crate::model::Motility::Friction(g) => g.constant().is_some() && uniform,
    };
    if mixture.species().iter().all(constant) { 2.0 } else { 1.0 }
}

/// What theory expects of finite numbers, in words.
fn told(experiment: &Experiment, omega: f64) -> Option<String> {
    let law = Continuum::solve(experiment).ok()?;
    let shifts = law.finite_shift(omega)?;
    let mixture = experiment.model.mixture.as_ref()?;
    let each = mixture.species().iter().zip(shifts).map(|(s, d)| format!("{} {:.3}", s.name, d * omega));
    Some(format!("expected over system_size: {}", each.collect::<Vec<_>>().join(", ")))
}

/// Shifts of the means by the master equation, exact for one reaction at the same rate everywhere.
fn master(axis: Axis, mixture: &Mixture, changed: &Experiment) -> Option<Vec<f64>> {
    let fields = mixture.temperature.constant().is_some()
        && mixture.reactions().iter().all(|r| match &r.kinetics {
            Kinetics::Given { forward, backward } => {
                [forward, backward].into_iter().flatten().all(|f| f.constant().is_some())
            }
            Kinetics::Balanced { forward, constant } => {
                forward.constant().is_some() && constant.constant().is_some()
            }
            Kinetics::VantHoff { forward, .. } => forward.constant().is_some(),
        });
    if axis != Axis::SystemSize || !fields {
        return None;
    }
    let law = Continuum::solve(changed).ok()?;
    let (length, omega) = (mixture.domain.length, changed.run.system_size?);
    let extent = Extent::new(mixture, 0.5 * length, omega * length, &changed.counts()).ok()?;
    let rest = extent.stationary()?;
    let shift = |s: usize| {
        let grid = Grid::new(length, 1);
        let mean = law.reference(Observable::MeanConcentration(s), &grid)?.first().copied()??;
        Some(extent.moments(&rest, s)[0] / (omega * length) - mean)
    };
    (0..mixture.species().len()).map(shift).collect()
}

/// What a point says about the errors of the file.
fn measured(reducer: &Reducer, setting: Setting, found: &Gathered) -> Vec<Measured> {
    let alone = found.alone(reducer);
    noise::measured(reducer, setting, found, &alone)
}

/// A fit whose order may be negative.
fn fit(axis: Axis, points: &[Point]) -> Option<Fit> {
    if axis == Axis::Dt {
        return bias::fit(points);
    }
    let turned: Vec<Point> = points.iter().map(|p| Point { at: 1.0 / p.at, ..*p }).collect();
    let fit = bias::fit(&turned)?;
    Some(Fit { slope: -fit.slope, ci_low: fit.ci_high.map(|s| -s), ci_high: fit.ci_low.map(|s| -s), ..fit })
}

/// The series of the law itself; its order is that of its finer half.
fn without_noise(axis: Axis, f: &Functional, biases: &[(f64, f64)], expected: f64) -> Option<Series> {
    let points: Vec<Point> = biases
        .iter()
        .map(|(at, bias)| Point {
            at: *at,
            value: *bias,
            std_err: 0.0,
            ci_low: *bias,
            ci_high: *bias,
            part: Part::Fitted,
            repeats: 0,
            estimate: None,
            theory: None,
        })
        .collect();
    points.first()?;
    let finer = &points[points.len() / 2..];
    let logarithms: Vec<_> = finer.iter().map(|p| (libm::log(p.at), libm::log(p.value.abs()), 1.0)).collect();
    let fit = Line::through(&logarithms).map(|line| Fit {
        slope: line.slope,
        ci_low: None,
        ci_high: None,
        amplitude: libm::exp(line.at(0.0)),
        p_value: 1.0,
        points: finer.len(),
        decades: libm::log10(finer[0].at / finer[finer.len() - 1].at).abs(),
    });
    Some(Series {
        axis,
        kind: Kind::ChainBias,
        quantity: f.name.clone(),
        state: f.of.clone(),
        unit: f.unit.clone(),
        theory: None,
        agrees: None,
        points,
        fit,
        expected: Some(expected),
        note: String::new(),
    })
}

/// Whether sampled biases are those of the law, all series together at the alpha of the study; none where it is not known.
fn agrees(points: &[Told], number: usize) -> Option<bool> {
    let deviate = |(p, expected): &Told| {
        Some(t_deviate((p.value - (*expected)?) / p.std_err, p.repeats as f64 - 1.0).powi(2))
    };
    let squares: f64 = points.iter().map(deviate).sum::<Option<f64>>()?;
    Some(chi_squared_survival(squares, points.len() as f64) > super::ALPHA / number as f64)
}
