//! Bias of a stepped method against its step.
//!
//! Each point is an independent run at one step, held against the continuum theory of the same file. The
//! steps are long on purpose: a bias falls faster with the step than noise with any effort, so that it is
//! seen at long steps or not at all. Same seeds at `dt` and `dt/2` would not help: runs of different steps
//! take different words for the same stretch of time and are as independent as with different seeds.
//!
//! Orders to expect. Constant diffusivities: moves are exact and the first order of their splitting from
//! the transitions cancels in `P_tot` and the currents, because `sum_i D_i P_i` is flat: order 2 there and
//! 1 for each `P_i`. Diffusivities that vary: order 1, and 1/2 for the density at a wall, seen in bins of a
//! fifth of the length of a step. Underdamped particles: order 2, see [`super::underdamped`]; internal coordinates: see
//! [`super::internal`].

use super::budget::{Evidence, Measured};
use super::functional::Functional;
use super::functional::Reducer;
use super::runs::{Laboratory, Setting};
use super::{Axis, Fit, Kind, Options, Part, Point, Series, internal, underdamped};
use crate::continuum::Continuum;
use crate::error::Error;
use crate::estimator::Context;
use crate::experiment::Experiment;
use crate::grid::Grid;
use crate::kernel::Span;
use crate::model::Model;
use crate::observable::Observable;
use crate::stats::{
    Amplitude, Line, Power, Sample, chi_squared_survival, normal_reach, t_deviate, t_quantile,
};
use crate::theory::chain::{self, Chain};
use crate::theory::coordinate_chain::CoordinateChain;

/// Points of a study.
const POINTS: usize = 6;

/// Between neighbouring steps.
const RATIO: f64 = 2.0;

/// Groups of a point.
const GROUPS: usize = 128;

/// Most walkers of a group.
const WALKERS: f64 = 32.0;

/// Relaxation times of burn-in.
const BURN_IN: f64 = 8.0;

/// Length of a run over that of its burn-in, at least.
const RUN: f64 = 4.0;

/// Transitions in the longest step, by the fastest rate.
const MOST_TRANSITIONS: f64 = 2.0;

/// Longest step over the length of the domain.
const LONGEST_STRIDE: f64 = 0.25;

/// Width of the bin at a wall in lengths of a step.
const LAYER: f64 = 0.2;

/// Most bins for that.
const MOST_BINS: f64 = 1000.0;

/// Halvings of the longest step at which the law of the chain is solved.
const HALVINGS: i32 = 9;

/// Standard errors from which on a bias counts as seen.
pub(super) const SEEN: f64 = 3.0;

/// The biases of everything whose order is known, against `dt`. `None` if the observer gave up.
pub(super) fn against_dt(
    lab: &mut Laboratory<'_>,
    law: Option<&Continuum>,
    options: &Options,
    evidence: &mut Evidence,
) -> Result<Option<Vec<Series>>, Error> {
    let Some(own) = lab.experiment.method.dt() else {
        return Ok(Some(Vec::new()));
    };
    let model = lab.experiment.model.clone();
    let inertia = model.is_underdamped();
    let coordinates = model.coordinates.is_some();
    let steps = match (inertia, coordinates) {
        (true, _) => underdamped::steps(&model, own, options)?,
        (_, true) => internal::steps(lab.experiment, own, options)?,
        _ => steps(&model, own, options)?,
    };
    let nearest =
        steps.iter().copied().min_by(|a, b| f64::total_cmp(&(a / own).ln().abs(), &(b / own).ln().abs()));
    let mut points: Vec<Vec<Point>> = Vec::new();
    let mut asked: Vec<Functional> = Vec::new();
    for dt in &steps {
        let changed = at_step(lab.experiment, *dt);
        let setting = setting(&model, *dt, options.effort / steps.len() as f64);
        let functionals = |context: &Context| match (inertia, coordinates) {
            (true, _) => underdamped::functionals(&changed, context),
            (_, true) => internal::functionals(&changed, context, law),
            _ => functionals(&changed, context),
        };
        let Some((found, reducer)) =
            lab.run_changed(&changed, &functionals, setting, 1.0 / steps.len() as f64)?
        else {
            return Ok(None);
        };
        points.resize(reducer.functionals.len(), Vec::new());
        let together = found.together(&reducer);
        // Bins of another width are other functionals.
        if Some(*dt) == nearest && changed.measure.bins == lab.experiment.measure.bins {
            evidence.complete(measured(&reducer, setting, &together, (*dt / own - 1.0).abs() < 1e-9));
        }
        for ((points, sample), functional) in points.iter_mut().zip(together).zip(&reducer.functionals) {
            let theory = functional.theory(law, &reducer.context.grid);
            if let (Some(sample), Some(theory)) = (sample, theory) {
                let error = sample.std_error();
                let value = sample.value - theory;
                if value.is_finite() && error.is_finite() && error > 0.0 {
                    let reach = t_quantile(crate::stats::CONFIDENCE, sample.dof()) * error;
                    points.push(Point {
                        at: *dt,
                        value,
                        std_err: error,
                        ci_low: value - reach,
                        ci_high: value + reach,
                        part: if value.abs() < SEEN * error { Part::Bound } else { Part::Fitted },
                        repeats: found.len(),
                        estimate: Some(sample.value),
                        theory: Some(theory),
                    });
                }
            }
        }
        asked = reducer.functionals;
    }
    let chain = match (inertia, coordinates) {
        (true, _) => Reference::default(),
        (_, true) => Reference {
            grid: Some(lab.grid()),
            known: internal::KNOWN,
            laws: internal::chain(lab.experiment, &steps, own)
                .into_iter()
                .map(|(dt, law)| (dt, ChainLaw::Coordinate(Box::new(law))))
                .collect(),
        },
        _ => Reference { grid: None, known: 1e-9, laws: chain(&model, &steps, own) },
    };
    let varies = varies(&model);
    let order = |f: &Functional| match (inertia, coordinates) {
        (true, _) => Some(underdamped::ORDER),
        (_, true) => Some(internal::order(lab.experiment)),
        _ => expected(f, varies),
    };
    let mut list = of_chain(&asked, &chain, &order);
    let sampled: Vec<(Functional, Vec<Point>)> =
        asked.into_iter().zip(points).filter(|(_, points)| !points.is_empty()).collect();
    let number = sampled.len();
    let series = sampled.into_iter().map(|(f, mut points)| {
        let agrees = agrees(&f, &points, &chain, number);
        let fit = if inertia { underdamped::fit(&mut points) } else { fit(&points) };
        let note = match fit {
            None => "no bias is seen at any step: upper bounds only".to_owned(),
            Some(fit) if fit.p_value < 1e-3 => {
                "the points lie on no power law: the longest steps are too long for the order of the limit"
                    .to_owned()
            }
            Some(_) => String::new(),
        };
        Series {
            axis: Axis::Dt,
            kind: Kind::Bias,
            expected: order(&f),
            quantity: f.name,
            state: f.of,
            unit: f.unit,
            theory: points.first().and_then(|p| p.theory),
            fit,
            points,
            agrees,
            note,
        }
    });
    list.extend(series);
    Ok(Some(list))
}

/// What a point says about the errors of the file; `own` if it was made with the step of the file.
fn measured(reducer: &Reducer, setting: Setting, samples: &[Option<Sample>], own: bool) -> Vec<Measured> {
    let known = |(f, sample): (&Functional, &Option<Sample>)| {
        let sample = sample.as_ref()?;
        let spread = sample.std_error() * libm::sqrt(setting.repeats as f64);
        let usable = spread > 0.0 && spread.is_finite();
        usable.then(|| Measured {
            functional: f.clone(),
            spread,
            walkers: setting.walkers as f64,
            span: setting.span,
            sample: own.then(|| sample.clone()),
        })
    };
    reducer.functionals.iter().zip(samples).filter_map(known).collect()
}

/// The law of a chain of steps.
enum ChainLaw {
    /// Of states.
    State(Chain),
    /// Of an internal coordinate.
    Coordinate(Box<CoordinateChain>),
}

/// The law of the chain at steps from the longest of the study down to that of the file, the limit of short
/// steps last; empty where the law is not known.
#[derive(Default)]
struct Reference {
    /// What functionals are read on, of coordinates.
    grid: Option<Grid>,
    /// Bias over value below which a bias is rounding.
    known: f64,
    laws: Vec<(f64, ChainLaw)>,
}

/// The same for states.
fn chain(model: &Model, steps: &[f64], own: f64) -> Vec<(f64, ChainLaw)> {
    let longest = steps.iter().copied().fold(0.0, f64::max);
    let Some(points) = chain::points(model, longest) else {
        return Vec::new();
    };
    let mut all = steps.to_vec();
    all.extend((1..=HALVINGS).map(|k| longest * libm::pow(RATIO, -f64::from(k))));
    all.push(own);
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup_by(|a, b| (*a / *b - 1.0).abs() < 1e-9);
    all.push(0.0);
    all.into_iter().filter_map(|dt| Some((dt, ChainLaw::State(Chain::on(model, dt, points)?)))).collect()
}

/// A functional of the law of the chain.
fn on_chain(functional: &Functional, law: &ChainLaw, grid: Option<Grid>) -> Option<f64> {
    let chain = match law {
        ChainLaw::Coordinate(chain) => {
            return functional.apply(&chain.reference(functional.observable, &grid?)?);
        }
        ChainLaw::State(chain) => chain,
    };
    match functional.observable {
        Observable::Soret => chain.soret,
        Observable::Density => Some(chain.mean_position()),
        Observable::StateDensity(s) => chain.first_moments.get(s).copied(),
        Observable::MeanCurrent(s) => chain.mean_currents.get(s).copied(),
        Observable::MeanHeatCurrent => Some(chain.mean_heat_current),
        _ => None,
    }
}

/// Biases of a functional in the law of the chain, step by step, and its limit.
fn biases(functional: &Functional, chain: &Reference) -> Option<(Vec<(f64, f64)>, f64)> {
    let (limit, steps) = chain.laws.split_last()?;
    let limit = on_chain(functional, &limit.1, chain.grid)?;
    let bias = |(dt, law): &(f64, ChainLaw)| Some((*dt, on_chain(functional, law, chain.grid)? - limit));
    Some((steps.iter().map(bias).collect::<Option<_>>()?, limit))
}

/// The series of the chain itself; its order is read from the shorter half of its steps, and not judged: it is
/// that of these steps, which need not be short enough for the limit.
fn of_chain(
    asked: &[Functional],
    chain: &Reference,
    order: &dyn Fn(&Functional) -> Option<f64>,
) -> Vec<Series> {
    let series = |f: &Functional| {
        let (biases, limit) = biases(f, chain)?;
        // Below that the solution of the linear system is rounding.
        let known = |b: &&(f64, f64)| b.1.abs() > chain.known * limit.abs();
        let points: Vec<Point> = biases
            .iter()
            .filter(known)
            .map(|(dt, bias)| Point {
                at: *dt,
                value: *bias,
                std_err: 0.0,
                ci_low: *bias,
                ci_high: *bias,
                part: Part::Fitted,
                repeats: 0,
                estimate: Some(limit + bias),
                theory: Some(limit),
            })
            .collect();
        points.first()?;
        let shorter = &points[points.len() / 2..];
        let logarithms: Vec<_> =
            shorter.iter().map(|p| (libm::log(p.at), libm::log(p.value.abs()), 1.0)).collect();
        let line = Line::through(&logarithms);
        let fit = line.map(|line| Fit {
            slope: line.slope,
            ci_low: None,
            ci_high: None,
            amplitude: libm::exp(line.at(0.0)),
            p_value: 1.0,
            points: shorter.len(),
            decades: libm::log10(shorter[0].at / shorter[shorter.len() - 1].at),
        });
        Some(Series {
            axis: Axis::Dt,
            kind: Kind::ChainBias,
            quantity: f.name.clone(),
            state: f.of.clone(),
            unit: f.unit.clone(),
            theory: Some(limit),
            agrees: None,
            points,
            fit,
            expected: order(f),
            note: String::new(),
        })
    };
    if chain.laws.is_empty() { Vec::new() } else { asked.iter().filter_map(series).collect() }
}

/// Whether sampled biases are those of the chain, all series of a study together at the alpha of the study.
fn agrees(functional: &Functional, points: &[Point], chain: &Reference, number: usize) -> Option<bool> {
    let (biases, _) = biases(functional, chain)?;
    let expected = |dt: f64| biases.iter().find(|b| (b.0 / dt - 1.0).abs() < 1e-9).map(|b| b.1);
    // Each deviate by Student's law of its own groups.
    let deviate =
        |p: &Point| Some(t_deviate((p.value - expected(p.at)?) / p.std_err, p.repeats as f64 - 1.0).powi(2));
    let squares: f64 = points.iter().map(deviate).sum::<Option<f64>>()?;
    Some(chi_squared_survival(squares, points.len() as f64) > super::ALPHA / number as f64)
}

/// Whether some diffusivity varies in space.
fn varies(model: &Model) -> bool {
    (0..model.network.states().len()).any(|s| model.constant_diffusivity(s).is_none())
}

/// The order that theory gives.
fn expected(functional: &Functional, varies: bool) -> Option<f64> {
    use Observable::*;
    match (functional.observable, varies) {
        (Density, true) if functional.name.starts_with("wall_") => Some(0.5),
        (Density | Soret | MeanCurrent(_) | MeanHeatCurrent, false) => Some(2.0),
        (_, false) => Some(1.0),
        (_, true) => Some(1.0),
    }
}

/// What is looked at: `P_tot` by its mean position and `soret`, the currents, each `P_i` by its first moment;
/// where diffusivities vary also the density at both walls.
fn functionals(experiment: &Experiment, context: &Context) -> Vec<Functional> {
    let grid = &context.grid;
    let states = experiment.model.network.states().len();
    let mut list = vec![
        Functional::whole(Observable::Soret, experiment),
        Functional::first_moment(Observable::Density, grid, experiment),
    ];
    if states > 1 {
        list.extend((0..states).map(|s| Functional::whole(Observable::MeanCurrent(s), experiment)));
        list.push(Functional::whole(Observable::MeanHeatCurrent, experiment));
        list.extend(
            (0..states).map(|s| Functional::first_moment(Observable::StateDensity(s), grid, experiment)),
        );
    }
    if varies(&experiment.model) {
        list.push(Functional::bin("wall_density_left", Observable::Density, 0));
        list.push(Functional::bin("wall_density_right", Observable::Density, grid.bins - 1));
    }
    list
}

/// The experiment with another step; where diffusivities vary, with bins that shrink with it.
fn at_step(experiment: &Experiment, dt: f64) -> Experiment {
    let mut changed = experiment.clone();
    changed.method = experiment.method.with_dt(dt);
    changed.run.span = Span::Duration(1.0);
    changed.run.burn_in = None;
    let model = &experiment.model;
    if varies(model) && !model.is_underdamped() {
        let length = model.domain.length;
        let states = 0..model.network.states().len();
        let at_walls = states.flat_map(|s| [0.0, length].map(|x| model.diffusivity(s, x)));
        let slowest = at_walls.fold(f64::INFINITY, f64::min);
        let width = LAYER * libm::sqrt(2.0 * slowest * dt);
        changed.measure.bins = libm::ceil(length / width).clamp(4.0, MOST_BINS) as usize;
    }
    changed
}

/// Steps from long to short.
fn steps(model: &Model, own: f64, options: &Options) -> Result<Vec<f64>, Error> {
    let grid = Grid::new(model.domain.length, 64);
    let places = (0..=grid.bins).map(|k| grid.face(k));
    let states = 0..model.network.states().len();
    let over = |f: &dyn Fn(usize, f64) -> f64| {
        let states = states.clone();
        places
            .clone()
            .flat_map(|x| states.clone().map(move |s| (s, x)))
            .map(|(s, x)| f(s, x))
            .fold(0.0, f64::max)
    };
    let exit = |s: usize, x: f64| {
        model.network.channels().filter(|c| c.from == s).map(|c| model.rate(c, x)).sum::<f64>()
    };
    let (rate, diffusivity) = (over(&exit), over(&|s, x| model.diffusivity(s, x)));
    let stride = LONGEST_STRIDE * model.domain.length;
    let by_stride = stride * stride / (2.0 * diffusivity);
    let longest = (MOST_TRANSITIONS / rate).min(by_stride).max(own);
    let points = options.points.unwrap_or(POINTS).max(2);
    ladder(longest, libm::pow(RATIO, points as f64 - 1.0), points, options)
}

/// The step that is a whole number of rungs of a ladder above that of the file, at most `longest`.
pub(super) fn rung(longest: f64, own: f64, range: f64, points: usize) -> f64 {
    let rung = libm::log(range) / (points - 1) as f64;
    own * libm::exp(rung * libm::floor(libm::log(longest / own) / rung + 1e-9))
}

/// So many steps from the longest to its fraction `1/range`, unless the options say otherwise.
pub(super) fn ladder(longest: f64, range: f64, points: usize, options: &Options) -> Result<Vec<f64>, Error> {
    let to = options.to.unwrap_or(longest);
    let from = options.from.unwrap_or(to / range);
    if !(from > 0.0 && from < to && to.is_finite()) {
        return Err(Error::Usage(format!("there is no step between {from} and {to}")));
    }
    let factor = libm::log(from / to) / (points - 1) as f64;
    Ok((0..points).map(|k| to * libm::exp(factor * k as f64)).collect())
}

/// As many walkers as leave room for a run beyond its burn-in.
fn setting(model: &Model, dt: f64, effort: f64) -> Setting {
    let burn_in = BURN_IN * model.relaxation_time();
    let walkers = (effort * dt / (GROUPS as f64 * (1.0 + RUN) * burn_in)).clamp(1.0, WALKERS).floor();
    let span = (effort * dt / (GROUPS as f64 * walkers) - burn_in).max(RUN * burn_in);
    Setting { walkers: walkers as u64, repeats: GROUPS, span, burn_in }
}

fn triples(points: &[Point]) -> Vec<(f64, f64, f64)> {
    points.iter().map(|p| (p.at, p.value, p.std_err)).collect()
}

pub(super) fn fit(points: &[Point]) -> Option<Fit> {
    let power = Power::through(&triples(points))?;
    let (first, last) = (points.first()?.at, points.last()?.at);
    Some(Fit {
        slope: power.order,
        ci_low: power.low,
        ci_high: power.high,
        amplitude: power.amplitude,
        p_value: power.fits,
        points: points.len(),
        decades: libm::log10(first / last).abs(),
    })
}

/// The order by which a series is carried on to short steps: the one that theory gives, or the fitted one
/// where there is none.
fn order(series: &Series) -> Option<f64> {
    series.expected.or(series.fit.map(|f| f.slope))
}

/// The bias at a step, by the points of the shorter half of the ladder (of underdamped particles, by all that are
/// fitted) and the order of the limit.
pub(super) fn at_own_step(series: &Series, dt: f64, inertia: bool) -> Option<Amplitude> {
    if series.kind == Kind::ChainBias {
        let own = series.points.iter().find(|p| (p.at / dt - 1.0).abs() < 1e-9);
        return own.map(|p| Amplitude { value: p.value, error: 0.0, chi_squared: 0.0 });
    }
    let order = order(series)?;
    let fitted: Vec<Point> = series.points.iter().filter(|p| p.part != Part::Shown).copied().collect();
    let triples = triples(&fitted);
    // Symmetric steps have no odd order behind the first, and long steps know most.
    let from = if inertia { 0 } else { triples.len() / 2 };
    let amplitude = Amplitude::at_order(order, &triples[from..]);
    let scale = libm::pow(dt, order);
    let known = amplitude.value.is_finite() && amplitude.error.is_finite();
    known.then_some(Amplitude { value: amplitude.value * scale, error: amplitude.error * scale, ..amplitude })
}

/// The step whose bias is `error`, if a bias is seen.
pub(super) fn step_for(series: &Series, error: f64) -> Option<f64> {
    let fit = series.fit?;
    let step = libm::pow(error / fit.amplitude.abs(), 1.0 / fit.slope);
    (step > 0.0 && step.is_finite() && fit.slope > 0.0).then_some(step)
}

/// Half the width of a 95 % interval of a bias, for a plot of its size.
pub fn reach(point: &Point) -> f64 {
    normal_reach() * point.std_err
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Edge, State, Uniform};

    #[test]
    fn the_longest_step_is_short_for_rates_and_domain() {
        let states = vec![State::new("a", 0.0, 0.5), State::new("b", 0.0, 0.1)];
        let model = Model::new(2.0, Uniform(1.0), states, vec![Edge::new([0, 1], 8.0, 0.0)]).unwrap();
        let options = Options { points: Some(3), ..Options::default() };
        // The rate allows 2/8, the stride (0.25 * 2)^2/(2 * 0.5) = 0.25: the same.
        let found = steps(&model, 1e-3, &options).unwrap();
        assert!(
            found.iter().zip([0.25, 0.125, 0.0625]).all(|(a, b)| (a / b - 1.0).abs() < 1e-12),
            "{found:?}"
        );
        // The step of the file is always among them.
        assert!((steps(&model, 3.0, &options).unwrap()[0] - 3.0).abs() < 1e-12);
    }
}
