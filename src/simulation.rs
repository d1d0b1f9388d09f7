//! From an experiment to a [`Summary`]: the one place where simulation and theory meet.

use crate::assisted::assist;
use crate::comparison::{ALPHA, Comparison, compare};
use crate::continuum::Continuum;
use crate::ensemble::Plan;
use crate::error::Error;
use crate::estimator::{self, Context};
use crate::experiment::{Experiment, Method, Motion};
use crate::grid::Grid;
use crate::kernel::Span;
use crate::model::{Boundary, Coordinates, Kinetics, Mixture, Motility, Response};
use crate::observable::Observable;
use crate::report::assisted::AssistedSummary;
use crate::report::summary::{
    FORMAT_VERSION, Invariant, Quantity, Row, RunSummary, Summary, TheorySummary, UntilSummary, Warning,
};
use crate::report::{format, verdict};
use crate::sampling::{self, BURN_IN, Observer, SHORT_BURN_IN, Sampled, relaxation, sample_weighed};
use crate::stats::Outcome;
use crate::verification::{self, Question, STATIONARY, Verdict, Verification};
use crate::volume::Volume;

/// Runs an experiment on the current rayon thread pool and compares it with the continuum theory of the
/// same file. The summary is a function of the experiment alone, whatever the number of threads.
///
/// # Errors
/// [`Error::Numeric`] if a kernel finds its bounds violated or the theory has no solution.
pub fn run(experiment: &Experiment, observer: &(dyn Observer + Sync)) -> Result<Summary, Error> {
    let continuum = Continuum::solve(experiment)?;
    let grid = experiment.grid();
    let weights = experiment.measure.trajectories.and_then(|_| continuum.path_weights(&grid));
    let sampled = sample_weighed(experiment, weights, observer)?;
    let comparison = compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid));
    Ok(summarise(experiment, &sampled, &continuum, comparison))
}

/// The continuum theory of an experiment alone, in the same form: every estimate is null.
///
/// # Errors
/// [`Error::Numeric`] if the theory has no solution.
pub fn theory_only(experiment: &Experiment) -> Result<Summary, Error> {
    let grid = experiment.grid();
    let continuum = Continuum::solve(experiment)?;
    let quantities = observables(experiment)
        .into_iter()
        .map(|observable| {
            let entries = observable.support().entries(&grid);
            let theory = continuum.reference(observable, &grid).unwrap_or_else(|| vec![None; entries]);
            let limit = continuum.fast_limit(observable, &grid);
            let row = |(k, (theory, fast_limit))| {
                let estimate = Outcome::null("theory only");
                Row { theory, fast_limit, ..row(experiment, observable, &grid, k, estimate) }
            };
            quantity(experiment, observable, theory.into_iter().zip(limit).enumerate().map(row).collect())
        })
        .collect();
    let plan = Plan {
        particles: 0,
        groups: 0,
        span: experiment.run.span,
        burn_in: 0.0,
        rounds: 0,
        times: Vec::new(),
        start: experiment.run.start.clone(),
        seed: experiment.run.seed,
    };
    Ok(Summary {
        quantities,
        theory: Some(theory_summary(experiment, &continuum)),
        ..blank(experiment, run_summary(experiment, &plan, None))
    })
}

/// Everything that an experiment with internal states measures, in the order of the report.
fn observables(experiment: &Experiment) -> Vec<Observable> {
    // The estimators know; what they answer depends on the model and the times only.
    let context = Context {
        model: experiment.model.clone(),
        grid: experiment.grid(),
        dwell: Vec::new(),
        leg_law: Vec::new(),
        flux_excess: 0.0,
        timed: false,
        times: sampling::times(experiment),
        volume: experiment.volume(),
    };
    let watched = experiment.measure.trajectories.is_some();
    sampling::estimators(&context, watched).iter().flat_map(|e| e.observables(&context)).collect()
}

fn summarise(
    experiment: &Experiment,
    sampled: &Sampled,
    continuum: &Continuum,
    comparison: Comparison,
) -> Summary {
    let Sampled { context, plan, groups, .. } = sampled;
    let invariants = estimator::invariants(context, groups)
        .into_iter()
        .map(|c| Invariant { name: c.name.into(), holds: c.holds, detail: c.detail })
        .collect();
    let mut warnings = experiment.warnings().to_vec();
    let relaxation = relaxation(experiment, context);
    if plan.times.is_empty() && plan.burn_in < SHORT_BURN_IN * relaxation {
        let unit = if context.timed { "time units" } else { "legs" };
        warnings.push(Warning {
            seen: format!(
                "the burn-in of {} {unit} covers {:.1} relaxation times",
                plan.burn_in,
                plan.burn_in / relaxation
            ),
            meaning: "estimates may still remember where the particles began".into(),
            remedy: format!(
                "make burn_in, or the whole run, as long as {:.0}",
                (BURN_IN * relaxation).ceil()
            ),
        });
    }
    warnings.extend(short_windows(experiment, plan));
    warnings.extend(sampled.cautions.iter().cloned().map(Warning::from));
    if !continuum.is_converged() {
        warnings.push(Warning {
            seen: format!("the continuum solution is known to {:.0e} only", continuum.error_estimate()),
            meaning: "a difference of that size is not the simulation's".into(),
            remedy: "look for jumps or kinks in the temperature that the file does not announce".into(),
        });
    }

    if let Some(why) = continuum.caution() {
        warnings.push(Warning {
            seen: why,
            meaning: match continuum {
                Continuum::Mixed(_) => {
                    "only what is known exactly is compared with theory; the deterministic law \
                     stands beside the means and is not theirs"
                        .into()
                }
                _ => "nothing is compared with theory".into(),
            },
            remedy: match continuum {
                Continuum::Mixed(_) => "take fewer particles for an exact reference".into(),
                Continuum::Internal(_) => {
                    "leave \"times\" out for averages over the run, or let nothing depend on x".into()
                }
                _ => "observe the run at \"times\", or give every reaction a way back".into(),
            },
        });
    }
    warnings.extend(few_particles(experiment, continuum, &comparison));

    let verdict = verdict::summarise(&comparison, sampled.rounds_done, experiment, &context.grid);
    let quantities: Vec<Quantity> = comparison
        .compared
        .iter()
        .map(|c| {
            let observable = c.measured.observable;
            let limit = continuum.fast_limit(observable, &context.grid);
            let row = |(k, fast_limit)| Row {
                theory: c.theory[k],
                fast_limit,
                z: c.z[k],
                ..row(experiment, observable, &context.grid, k, c.measured.outcome(k))
            };
            quantity(experiment, observable, limit.into_iter().enumerate().map(row).collect())
        })
        .collect();
    let questions = verification::questions(context, groups);
    let checks = (!questions.is_empty()).then(|| verification::judge(&questions, verification::ALPHA));
    let stepped = experiment.method.dt().is_some();
    let (assisted, unassisted) = match assisted(sampled, &questions, checks.as_ref(), stepped, &quantities) {
        Ok(assisted) => (Some(assisted), None),
        Err(reason) => (None, Some(reason)),
    };
    Summary {
        quantities,
        theory: Some(theory_summary(experiment, continuum)),
        comparison: Some(verdict),
        checks,
        assisted,
        unassisted,
        questions,
        invariants,
        warnings,
        ..blank(experiment, run_summary(experiment, plan, Some(sampled)))
    }
}

/// A warning where the first windows of a mean field were scored.
fn short_windows(experiment: &Experiment, plan: &Plan) -> Option<Warning> {
    let least = experiment.least_burn_in();
    (plan.times.is_empty() && plan.burn_in < least).then(|| Warning {
        seen: format!("the burn-in of {} legs holds fewer than 50 windows", plan.burn_in),
        meaning: "concentrations that units meet may still remember the first windows".into(),
        remedy: format!("make burn_in as long as {least}"),
    })
}

/// A shift of concentrations by more than this share of their standard errors is told.
const SMALL_SHIFT: f64 = 0.3;

/// The deterministic law is that of infinitely many particles: a warning where the difference could be seen.
fn few_particles(experiment: &Experiment, continuum: &Continuum, comparison: &Comparison) -> Option<Warning> {
    let shifts = finite_shift(experiment, continuum)?;
    let error = |k: usize| {
        let mean = Observable::MeanConcentration(k);
        let found = comparison.compared.iter().find(|c| c.measured.observable == mean)?;
        found.measured.outcome(0).estimate().map(|e| e.std_error)
    };
    let seen = |(k, shift): (usize, &f64)| Some((k, *shift, error(k)?));
    let told = |(_, shift, error): &(usize, f64, f64)| shift.abs() > SMALL_SHIFT * error;
    let (k, shift, error) = shifts.iter().enumerate().filter_map(seen).find(told)?;
    let size = experiment.run.system_size?;
    Some(Warning {
        seen: format!(
            "with {} particles per unit of concentration the mean concentration of {} is shifted by about {} from the \
             deterministic law, and known to {}",
            format::plain(size),
            experiment.model.network.states()[k].name,
            format::brief(shift),
            format::brief(error)
        ),
        meaning: "a difference of that size is not an error of the simulation but the effect of finitely many particles"
            .into(),
        remedy: format!(
            "make system_size larger than {} at the same cost with fewer groups or a shorter run",
            format::brief(size * shift.abs() / (SMALL_SHIFT * error))
        ),
    })
}

fn finite_shift(experiment: &Experiment, continuum: &Continuum) -> Option<Vec<f64>> {
    match continuum {
        Continuum::Reacting(known) => known.finite_shift(experiment.run.system_size?),
        _ => None,
    }
}

/// The theory in words, with what it leaves out.
fn theory_summary(experiment: &Experiment, continuum: &Continuum) -> TheorySummary {
    let mut summary = continuum.summary();
    if let Some(shifts) = finite_shift(experiment, continuum) {
        let names = experiment.model.network.states().iter();
        let each: Vec<String> =
            names.zip(shifts).map(|(s, shift)| format!("{} {}", format::brief(shift), s.name)).collect();
        summary.resolution.push_str(&format!("; finite numbers shift means by about {}", each.join(", ")));
    }
    summary
}

/// Assisted estimates, with the raw quantities that they stand beside.
fn assisted(
    sampled: &Sampled,
    questions: &[Question],
    checks: Option<&Verification>,
    stepped: bool,
    quantities: &[Quantity],
) -> Result<AssistedSummary, String> {
    let made = assist(&sampled.context, &sampled.groups, questions)?;
    let check = checks.and_then(|v| v.checks.iter().find(|c| c.name == STATIONARY));
    let holds = check.map_or(made.residual.p_value >= verification::ALPHA, |c| c.verdict != Verdict::Fails);
    Ok(AssistedSummary::new(made, holds, stepped, quantities))
}

/// A summary without results.
fn blank(experiment: &Experiment, run: RunSummary) -> Summary {
    Summary {
        format_version: FORMAT_VERSION,
        name: experiment.name.clone(),
        title: experiment.title.clone(),
        claim: experiment.claim.clone(),
        conventions: conventions(experiment),
        run,
        length: experiment.model.domain.length,
        bins: experiment.measure.bins,
        states: experiment.model.network.states().iter().map(|s| s.name.clone()).collect(),
        coordinates: experiment
            .model
            .coordinates
            .iter()
            .flat_map(|c| c.axes.iter().map(|a| a.name.clone()))
            .collect(),
        quantities: Vec::new(),
        theory: None,
        comparison: None,
        checks: None,
        questions: Vec::new(),
        assisted: None,
        unassisted: None,
        invariants: Vec::new(),
        warnings: experiment.warnings().to_vec(),
    }
}

/// What the numbers of an experiment mean: units, signs, and the sense in which particles move.
pub fn conventions(experiment: &Experiment) -> Vec<String> {
    let signs =
        "currents and heat fluxes are positive towards larger x, for a density normalised to one particle";
    if let Some(mixture) = &experiment.model.mixture {
        return mixture_conventions(experiment, mixture);
    }
    let mut conventions = vec![experiment.units.convention(), signs.into()];
    conventions.extend(motility_conventions(experiment));
    conventions
}

/// What the numbers of particles that react mean.
fn mixture_conventions(experiment: &Experiment, mixture: &Mixture) -> Vec<String> {
    if let Some(volume) = experiment.volume() {
        return volume_conventions(experiment, mixture, &volume);
    }
    let contents: Vec<String> =
        mixture.species().iter().map(|s| format!("{} c_{}", s.content, s.name)).collect();
    let mut conventions =
        vec![experiment.units.convention(), "currents and heat fluxes are positive towards larger x".into()];
    let once_in_each_order = match experiment.run.system_size {
        Some(size) => {
            conventions.push(format!(
                "concentrations count particles per length in units of {} of them; currents, rates, heat and entropy are \
                 per such unit, not per particle",
                format::plain(size)
            ));
            let each = at_the_start(experiment, mixture);
            conventions.push(format!("every group is one population, at the start {each} particles"));
            "; pairs of a kind are counted as n(n-1), once in each order"
        }
        None => {
            conventions.push(
                "concentrations are particles per length in the unit of the file; currents, rates, heat and entropy are \
                 per that unit, not per particle"
                    .into(),
            );
            conventions.push(field_convention(experiment, mixture));
            ""
        }
    };
    conventions
        .push(format!("the content, of which soret, soret_wall and S_T speak, is {}", contents.join(" + ")));
    conventions.push(format!(
        "rate constants of order n have the dimension concentration^(1-n)/time{once_in_each_order}"
    ));
    conventions.extend(kinetics_conventions(experiment, mixture));
    let frictions = mixture.species().iter().filter(|s| matches!(s.motility, Motility::Friction(_))).count();
    if frictions < mixture.species().len() {
        conventions.push("diffusivities are Ito: J_k = -d_x(D_k c_k)".into());
    }
    if frictions > 0 {
        conventions.push("frictions are kinetic: J_k = -(1/gamma_k) d_x(kT c_k)".into());
    }
    conventions
}

/// Particles of every species in a group at the start.
fn at_the_start(experiment: &Experiment, mixture: &Mixture) -> String {
    let counts = experiment.counts();
    let each = mixture.species().iter().zip(&counts).map(|(s, n)| format!("{n} {}", s.name));
    each.collect::<Vec<_>>().join(" and ")
}

/// What the particles of a mean field are.
fn field_convention(experiment: &Experiment, mixture: &Mixture) -> String {
    let told = mixture.laws().iter().filter(|law| law.iter().all(|m| *m >= 0));
    let held = |law: &Vec<i64>| {
        let held = mixture.species().iter().zip(law).filter(|(_, m)| **m > 0);
        held.map(|(s, m)| if *m == 1 { s.name.clone() } else { format!("{m} in {}", s.name) })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let kinds: Vec<String> = told.map(held).collect();
    let window = match experiment.method {
        Method::MeanField { window: Span::Legs(legs), .. } => {
            format!("for {legs} legs with the concentrations that were seen before")
        }
        Method::MeanField { window: Span::Duration(duration), .. } => {
            format!("for {} with the concentrations at hand", format::plain(duration))
        }
        _ => String::new(),
    };
    format!(
        "particles are units of what reactions conserve ({}), as many of each kind; those of a group react {window}",
        kinds.join("; ")
    )
}

/// What the rate constants of every reaction are.
fn kinetics_conventions(experiment: &Experiment, mixture: &Mixture) -> Vec<String> {
    let of = |r: usize| {
        let kinetics = match mixture.reactions()[r].kinetics {
            Kinetics::Given { .. } => "k_+ and k_- as given",
            Kinetics::Balanced { .. } => "k_- = ratio k_+",
            Kinetics::VantHoff { .. } => "k_- = k_+ prefactor exp(dH/kT)",
        };
        Some(format!("{}: {kinetics}", experiment.equation(r)?))
    };
    (0..mixture.reactions().len()).filter_map(of).collect()
}

/// What the numbers of a well-mixed volume mean.
fn volume_conventions(experiment: &Experiment, mixture: &Mixture, volume: &Volume) -> Vec<String> {
    let start = at_the_start(experiment, mixture);
    let temperature = mixture.temperature.value(volume.x);
    let place = if mixture.temperature.constant().is_some() {
        String::new()
    } else {
        format!(", that of x = {}", format::plain(volume.x))
    };
    let mut conventions = vec![
        experiment.units.convention(),
        format!(
            "one well-mixed volume without space, at the temperature {}{place}",
            format::plain(temperature)
        ),
        format!(
            "{} realisations in {} groups, each with {start} at the start; means, variances and laws are those over \
             realisations at one time, and times of one run depend on each other",
            experiment.run.realisations.unwrap_or(0),
            experiment.run.groups
        ),
        format!(
            "{} particles make one unit of concentration, in which rate constants are given; a way that takes two of a \
             kind happens k n(n-1)/{} times per time",
            format::plain(volume.size),
            format::plain(volume.size)
        ),
    ];
    conventions.extend(kinetics_conventions(experiment, mixture));
    conventions
}

/// In which sense particles move: of diffusivities, of frictions, or of both where states differ; with the
/// forces that act.
fn motility_conventions(experiment: &Experiment) -> Vec<String> {
    let model = &experiment.model;
    let states = model.network.states();
    let indices = || 0..states.len();
    let potentials = indices().any(|s| model.potentials(s).next().is_some());
    let drifts = indices().any(|s| model.has_drift(s));
    let frictions = states.iter().filter(|s| matches!(s.motility, Motility::Friction(_))).count();
    let propelled = if drifts { " + v_i P_i" } else { "" };
    let mut conventions = Vec::new();
    if let Some(coordinates) = &model.coordinates {
        conventions.extend(coordinate_conventions(coordinates));
    } else if experiment.motion == Motion::Underdamped {
        let pushed = if potentials { " - (1/m_i) d_x(U + U_i)" } else { "" };
        conventions.push(format!(
            "frictions are those of Kramers' equation, d_t v = -(gamma_i/m_i) v{pushed} + noise of \
             2 gamma_i kT/m_i^2; densities and currents are integrals over v, J_i = int v P_i dv"
        ));
        if states.len() > 1 {
            conventions.push("a transition keeps the kinetic energy: v -> v sqrt(m_from/m_to)".into());
        }
    } else if frictions < states.len() {
        let pushed = if potentials { " - (D_i/kT) P_i d_x(U + U_i)" } else { "" };
        conventions.push(format!("diffusivities are Ito: J_i = -d_x(D_i P_i){pushed}{propelled}"));
    }
    if experiment.motion == Motion::Overdamped && frictions > 0 {
        let pushed = if potentials { " - (1/gamma_i) P_i d_x(U + U_i)" } else { "" };
        conventions.push(format!(
            "frictions are kinetic, the overdamped limit of Kramers' equation: J_i = -(1/gamma_i) d_x(kT \
             P_i){pushed}{propelled}"
        ));
    }
    if potentials {
        conventions.push(
            "the potential energy of a state adds to its energy: U to that of all states, U_i also to what enters \
             rates and heat"
                .into(),
        );
    }
    if drifts {
        conventions.push(
            "a drift v_i is the work of a force v_i kT/D_i on the particle, not the slope of a potential"
                .into(),
        );
    }
    if model.domain.walls == Boundary::Periodic {
        conventions.push("the domain is a ring: x = length is x = 0 again".into());
    }
    conventions
}

/// What internal coordinates do, and which of the two readings of their noise is meant.
fn coordinate_conventions(coordinates: &Coordinates) -> Vec<String> {
    let names: Vec<&str> = coordinates.axes.iter().map(|axis| axis.name.as_str()).collect();
    let pushed = if coordinates.has_force() { " - (D/kT) P d_x U" } else { "" };
    let along =
        format!("internal coordinates {}: J_x = -d_x(D P){pushed}, D(x, q) is Ito's", names.join(", "));
    let across = coordinates.axes.iter().map(|axis| {
        let name = &axis.name;
        match axis.response {
            Response::Mobility(mobility) => format!(
                "J_{name} = -mu (P d_{name} U + kT d_{name} P) with the mobility mu = {mobility} everywhere: the noise mu kT(x) \
                 varies with x (Einstein)"
            ),
            Response::Diffusivity(diffusivity) => format!(
                "J_{name} = -mu (P d_{name} U + kT d_{name} P) with the noise mu kT = {diffusivity} everywhere: the mobility \
                 {diffusivity}/kT(x) varies with x (Einstein)"
            ),
        }
    });
    std::iter::once(along).chain(across).collect()
}

fn run_summary(experiment: &Experiment, plan: &Plan, sampled: Option<&Sampled>) -> RunSummary {
    let rounds_done = sampled.map_or(0, |s| s.rounds_done);
    let (clock, legs_per_particle, duration) = match plan.span {
        Span::Legs(legs) => ("legs", Some(legs), None),
        Span::Duration(duration) => ("duration", None, Some(duration)),
    };
    RunSummary {
        complete: rounds_done == plan.rounds,
        method: experiment.method.name().into(),
        sampling: experiment.run.sampling,
        clock: clock.into(),
        arithmetic: sampled.map(|s| s.arithmetic.into()),
        seed: plan.seed,
        particles: plan.particles,
        groups: plan.groups,
        until: sampled.and_then(|s| until_summary(experiment, s)),
        legs_per_particle,
        duration,
        burn_in: plan.burn_in,
        rounds_planned: plan.rounds,
        rounds_done,
        legs: sampled.map_or(0, Sampled::legs),
        transitions: sampled.map_or(0, Sampled::transitions),
        particle_time: sampled.map_or(0.0, Sampled::particle_time),
    }
}

/// How a run ended that was to end at a wanted error.
fn until_summary(experiment: &Experiment, sampled: &Sampled) -> Option<UntilSummary> {
    let (until, ending) = (experiment.run.until.as_ref()?, sampled.ending.as_ref()?);
    let (quantity, of) = (until.quantity.name(), experiment.label(until.quantity));
    let unit = if matches!(sampled.plan.span, Span::Legs(_)) { "legs" } else { "time units" };
    let wanted = [
        until.relative_error.map(|e| format!("{} %", format::plain(100.0 * e))),
        until.absolute_error.map(format::plain),
    ];
    let wanted = wanted.into_iter().flatten().collect::<Vec<_>>().join(" or ");
    let subject = of.as_ref().map_or_else(|| quantity.to_owned(), |of| format!("{quantity} {of}"));
    let rounds = match sampled.rounds_done {
        1 => "1 round".to_owned(),
        n => format!("{n} rounds"),
    };
    let estimate = ending.outcome.estimate();
    let sentence = match (estimate, ending.target) {
        (Some(e), Some(target)) => {
            let error = format::brief(e.std_error);
            let needed = match ending.needed {
                Some(needed) => format!("would need about {} {unit}", format::brief(needed)),
                None => "out of reach while the value is zero".into(),
            };
            if ending.reached {
                format!("{subject} known to {wanted}: reached after {rounds}, standard error {error}")
            } else {
                let target = format::brief(target);
                format!(
                    "{subject} known to {wanted}: NOT reached, standard error {error} at the end, {target} wanted; {needed}"
                )
            }
        }
        _ => {
            let why = match &ending.outcome {
                Outcome::Null { reason, .. } => reason.as_str(),
                Outcome::Estimate(_) => "",
            };
            format!("{subject} known to {wanted}: NOT reached, there is no estimate ({why})")
        }
    };
    Some(UntilSummary {
        quantity: quantity.into(),
        of,
        relative_error: until.relative_error,
        absolute_error: until.absolute_error,
        reached: ending.reached,
        std_err: estimate.map(|e| e.std_error),
        target: ending.target,
        needed: ending.needed,
        sentence,
    })
}

/// A row with nothing beside the estimate.
fn row(experiment: &Experiment, observable: Observable, grid: &Grid, k: usize, estimate: Outcome) -> Row {
    let ends = observable.support().ends(grid, k);
    Row {
        x_lo: ends.map(|e| e.0),
        x_hi: ends.map(|e| e.1),
        across: experiment.across(observable, grid, k),
        estimate,
        theory: None,
        fast_limit: None,
        z: None,
    }
}

fn quantity(experiment: &Experiment, observable: Observable, rows: Vec<Row>) -> Quantity {
    Quantity {
        observable,
        name: observable.name().into(),
        of: experiment.label(observable),
        time: sampling::time(experiment, observable),
        unit: experiment.dimension(observable),
        rows,
    }
}
