//! Noise and bias at the settings of the file, which of them dominates, and what a wanted error needs.

use super::functional::Functional;
use super::noise::ASYMPTOTIC;
use super::{ALPHA, Axis, Kind, Options, Series, Settings};
use crate::continuum::Continuum;
use crate::error::Error;
use crate::experiment::{Experiment, Method, Sampling};
use crate::pilot::averaging;
use crate::report::format;
use crate::stats::{Sample, deviate_from_p, t_deviate};
use serde::Serialize;

/// What studies of the sampling error know about the errors of the file itself.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Particles times span of the largest point.
    pub(super) work: f64,
    /// What it measured.
    pub(super) measured: Vec<Measured>,
}

impl Evidence {
    /// Adds what is not known yet.
    pub(super) fn complete(&mut self, others: Vec<Measured>) {
        for m in others {
            if !self.measured.iter().any(|known| known.functional.label() == m.functional.label()) {
                self.measured.push(m);
            }
        }
    }
}

/// One quantity at the largest point of a study.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub functional: Functional,
    /// Standard deviation of one repeat.
    pub spread: f64,
    pub walkers: f64,
    pub span: f64,
    /// All repeats together; none if they were made with another step than that of the file.
    pub sample: Option<Sample>,
}

/// Which of two errors is the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dominant {
    /// The sampling error.
    Noise,
    /// The bias.
    Bias,
}

/// One quantity at the settings of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Own {
    /// What.
    pub quantity: String,
    /// The state that it belongs to.
    pub state: Option<String>,
    /// Unit.
    pub unit: String,
    /// The continuum theory.
    pub theory: Option<f64>,
    /// Standard error that a run of the file has.
    pub noise: f64,
    /// Bias of a run of the file; 0 for `exact`.
    pub bias: Option<f64>,
    /// Its standard error; none where the bias is known to be 0.
    pub bias_std_err: Option<f64>,
    /// Estimate minus theory of all that the study has run with the method of the file and its step, which
    /// is what speaks for a bias of 0.
    pub seen: Option<f64>,
    /// Its standard error.
    pub seen_std_err: Option<f64>,
    /// Its normal deviate.
    pub seen_z: Option<f64>,
    /// The larger of the two.
    pub dominant: Option<Dominant>,
    /// The step at which bias equals noise, of a stepped method with a bias that is seen.
    pub balanced_dt: Option<f64>,
}

/// What a wanted error needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Need {
    /// Of which quantity.
    pub quantity: String,
    /// Wanted error over the value.
    pub target: f64,
    /// The same in the unit of the quantity.
    pub error: f64,
    /// Particles.
    pub particles: f64,
    /// Legs or duration of each.
    pub span: f64,
    /// Legs or steps of all, with the burn-in that a run takes by itself.
    pub legs: f64,
    /// The step at which the bias is the wanted error; of a stepped method with a bias that is seen.
    pub dt: Option<f64>,
}

/// The answer of a study to the question how good the file is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    /// Every quantity.
    pub own: Vec<Own>,
    /// What the target needs.
    pub need: Option<Need>,
    /// Whether `exact` has no bias beyond noise, at the family-wise alpha; true where nothing was tested.
    pub agrees: bool,
    /// In words.
    pub sentences: Vec<String>,
}

/// From what was measured.
pub(super) fn of(
    experiment: &Experiment,
    settings: &Settings,
    evidence: &Evidence,
    series: &[Series],
    law: Option<&Continuum>,
    options: &Options,
) -> Result<Budget, Error> {
    let exact = matches!(experiment.method, Method::Exact {});
    let grid = experiment.grid();
    let steps = super::reacting::own(experiment, law);
    let own: Vec<Own> = evidence
        .measured
        .iter()
        .map(|m| {
            let f = &m.functional;
            let theory = f.theory(law, &grid);
            let (walkers, gain) = match settings.sampling {
                Sampling::MonteCarlo => (m.walkers, 1.0),
                // From the walkers of the study to those of a group of the file along the slope that was fitted;
                // groups are independent.
                Sampling::ArrayRqmc => {
                    let own = settings.particles as f64 / settings.groups as f64;
                    (own, libm::pow(own / m.walkers, of_walkers(series, &f.label())))
                }
            };
            let noise = m.spread
                * gain
                * scale(settings.relaxation, walkers, m.span, settings.particles as f64, settings.span);
            let seen = theory.zip(m.sample.as_ref()).map(|(t, sample)| sample.value - t);
            let error = m.sample.as_ref().map(|sample| (sample.std_error(), sample.dof()));
            let error = error.filter(|(e, _)| e.is_finite() && *e > 0.0);
            let seen_std_err = error.map(|(e, _)| e);
            let seen_z = seen.zip(error).map(|(b, (e, dof))| t_deviate(b / e, dof));
            let order = of_bias(series, &f.label());
            let fitted = order
                .and_then(|s| super::bias::at_own_step(s, settings.dt?, experiment.model.is_underdamped()));
            let (bias, bias_std_err) = if exact {
                (Some(0.0), None)
            } else if experiment.model.mixture.is_some() {
                let steps = steps.as_ref().and_then(|s| f.apply(&s.reference(f.observable, &grid)?));
                (steps.zip(theory).map(|(s, t)| s - t), None)
            } else {
                (fitted.map(|b| b.value), fitted.map(|b| b.error).filter(|e| *e > 0.0))
            };
            // A sampled bias that may as well be zero is not called the larger one.
            let unseen = |b: f64| bias_std_err.is_some_and(|e| b.abs() < super::bias::SEEN * e);
            let dominant = match bias {
                Some(b) if b.abs() <= noise => Some(Dominant::Noise),
                Some(b) if unseen(b) => None,
                Some(_) => Some(Dominant::Bias),
                None => None,
            };
            let balanced_dt = order.and_then(|s| super::bias::step_for(s, noise));
            Own {
                quantity: f.name.clone(),
                state: f.of.clone(),
                unit: f.unit.clone(),
                theory,
                noise,
                bias,
                bias_std_err,
                seen,
                seen_std_err,
                seen_z,
                dominant,
                balanced_dt,
            }
        })
        .collect();
    let tested: Vec<f64> = if exact { own.iter().filter_map(|o| o.seen_z).collect() } else { Vec::new() };
    let critical = deviate_from_p(ALPHA / tested.len().max(1) as f64);
    let agrees = tested.iter().all(|z| z.abs() <= critical);
    let need = need(settings, &own, series, options)?;
    let sentences = sentences(settings, &own, need.as_ref(), &tested, critical, exact);
    Ok(Budget { own, need, agrees, sentences })
}

/// What is known about the bias of a quantity: the law of the chain if there is one, else samples.
fn of_bias<'a>(series: &'a [Series], label: &str) -> Option<&'a Series> {
    let of = |kind: Kind| {
        series
            .iter()
            .find(|s| s.axis == Axis::Dt && s.kind == kind && s.label() == label && !s.points.is_empty())
    };
    of(Kind::ChainBias).or_else(|| of(Kind::Bias))
}

/// The slope of the sampling error of a quantity against particles; that of independent ones where none was fitted.
fn of_walkers(series: &[Series], label: &str) -> f64 {
    let of = |s: &&Series| s.axis == Axis::Particles && s.kind == Kind::SamplingError && s.label() == label;
    series.iter().find(of).and_then(|s| s.fit).map_or(-0.5, |fit| fit.slope)
}

/// Ratio of the standard error with `particles` for `span` to that with `walkers` for `measured`.
pub(super) fn scale(relaxation: f64, walkers: f64, measured: f64, particles: f64, span: f64) -> f64 {
    let variance = |span: f64| averaging(span / relaxation);
    libm::sqrt(walkers / particles * variance(span) / variance(measured))
}

fn label(own: &Own) -> String {
    own.state.as_ref().map_or_else(|| own.quantity.clone(), |of| format!("{} {of}", own.quantity))
}

/// The quantity of the target: the one asked for, else `soret`, else the first current, else the first of all.
fn wanted<'a>(own: &'a [Own], options: &Options) -> Result<Option<&'a Own>, Error> {
    let Some(name) = &options.quantity else {
        let known = |o: &&Own| o.theory.is_some_and(|t| t.abs() > 10.0 * f64::EPSILON);
        let found = own.iter().find(|o| o.quantity == "soret" && known(o));
        return Ok(found.or_else(|| own.iter().find(known)));
    };
    match own.iter().find(|o| label(o) == *name || (o.quantity == *name)) {
        Some(found) => Ok(Some(found)),
        None if own.is_empty() => Ok(None),
        None => {
            let known: Vec<String> = own.iter().map(label).collect();
            Err(Error::Usage(format!("--quantity {name}: this study knows {}", known.join(", "))))
        }
    }
}

fn need(
    settings: &Settings,
    own: &[Own],
    series: &[Series],
    options: &Options,
) -> Result<Option<Need>, Error> {
    let Some(o) = wanted(own, options)? else {
        return Ok(None);
    };
    let Some(theory) = o.theory.filter(|t| *t != 0.0) else {
        return Ok(None);
    };
    let error = options.target * theory.abs();
    // The particles of the file for as long as it takes, but no shorter than the law holds; fewer particles
    // where that is too much.
    let variance = |span: f64| averaging(span / settings.relaxation);
    let factor = (error / o.noise) * (error / o.noise);
    let wanted = variance(settings.span) * factor;
    let shortest = ASYMPTOTIC * settings.relaxation;
    let (particles, span) = if wanted >= variance(shortest) {
        (settings.particles as f64 * variance(shortest) / wanted, shortest)
    } else {
        // averaging(t) = 2 (t - 1)/t^2 up to exp(-20).
        let t = (1.0 + libm::sqrt(1.0 - 2.0 * wanted)) / wanted;
        (settings.particles as f64, t * settings.relaxation)
    };
    let together = match settings.sampling {
        Sampling::MonteCarlo => 1.0,
        Sampling::ArrayRqmc => settings.particles as f64 / settings.groups as f64,
    };
    let particles = together * libm::ceil(particles / together).max(1.0);
    let span = if settings.clock == "legs" { libm::ceil(span) } else { span };
    let burn_in = crate::sampling::burn_in(settings.sampling) * settings.relaxation;
    let of = of_bias(series, &label(o));
    Ok(Some(Need {
        quantity: label(o),
        target: options.target,
        error,
        particles,
        span,
        legs: particles * (span + burn_in) * settings.legs_per_span,
        dt: of.and_then(|s| super::bias::step_for(s, error)),
    }))
}

fn sentences(
    settings: &Settings,
    own: &[Own],
    need: Option<&Need>,
    tested: &[f64],
    critical: f64,
    exact: bool,
) -> Vec<String> {
    let mut list = Vec::new();
    if own.is_empty() {
        return list;
    }
    let unit = if settings.clock == "legs" { "legs" } else { "units of time" };
    if exact {
        let worst = tested.iter().fold(0.0f64, |m, z| m.max(z.abs()));
        let verdict = if worst <= critical { "none is seen" } else { "SOMETHING IS SEEN" };
        list.push(format!(
            "bias: 0, because the method exact draws displacements and transitions from their exact laws, without \
             a step; {verdict}: largest |z| = {worst:.1} of {} quantities in all runs of the largest point, limit {critical:.1}",
            tested.len()
        ));
    }
    let biased: Vec<&Own> = own.iter().filter(|o| o.dominant == Some(Dominant::Bias)).collect();
    let names = |list: &[&Own]| list.iter().map(|o| label(o)).collect::<Vec<_>>().join(", ");
    if biased.is_empty() {
        let share = |o: &Own| o.bias.map_or(0.0, |b| b.abs() / o.noise);
        let told = own.iter().filter(|o| o.dominant.is_some());
        let largest = told.max_by(|a, b| share(a).total_cmp(&share(b))).filter(|o| share(o) > 0.0);
        let beside = largest.map_or_else(String::new, |o| {
            let equal = o
                .balanced_dt
                .map_or_else(String::new, |dt| format!(", equal to it at dt = {}", format::brief(dt)));
            format!(
                "; the largest bias beside it is {} of the noise ({}){equal}",
                format::brief(share(o)),
                label(o)
            )
        });
        list.push(format!(
            "at the settings of the file ({} particles for {} {unit}) noise dominates{beside}",
            settings.particles,
            format::plain(settings.span)
        ));
    } else {
        list.push(format!("at the settings of the file bias dominates in {}", names(&biased)));
    }
    let untold: Vec<&Own> = own.iter().filter(|o| o.bias.is_some() && o.dominant.is_none()).collect();
    if !untold.is_empty() {
        list.push(format!(
            "whether noise or bias is the larger is not told in {}: --effort gives more",
            names(&untold)
        ));
    }
    if let Some(need) = need {
        let step = match (settings.dt, need.dt) {
            (Some(dt), Some(wanted)) => {
                let (wanted, dt) = (format::brief(wanted), format::brief(dt));
                format!("; its bias is as large as that error at dt = {wanted}, the file has {dt}")
            }
            _ => String::new(),
        };
        list.push(format!(
            "for {} within {} %: {} particles x {} {unit} after burn-in, {} {} in all{step}",
            need.quantity,
            format::brief(100.0 * need.target),
            format::plain(need.particles),
            format::brief(need.span),
            format::brief(need.legs),
            if exact { "legs" } else { "steps" },
        ));
    }
    list
}
