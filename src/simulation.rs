//! From an experiment to a [`Summary`]: the one place where simulation and theory meet.

use crate::comparison::{ALPHA, Comparison, compare};
use crate::ensemble::{Control, Ensemble, Group, Plan};
use crate::error::Error;
use crate::estimator::{self, Context, Measured};
use crate::experiment::{Experiment, registry};
use crate::grid::Grid;
use crate::kernel::{Caution, Span};
use crate::model::Motility;
use crate::observable::Observable;
use crate::report::summary::{
    FORMAT_VERSION, Invariant, Quantity, Row, RunSummary, Summary, TheorySummary, Warning,
};
use crate::report::verdict;
use crate::stats::Outcome;
use crate::theory::{self, FastLimit, Stationary};

/// Burn-in in units of [`crate::model::Model::relaxation_time`] when the file gives none: what is left of
/// the difference between start and stationary law is then `exp(-8) = 3e-4` of it.
pub(crate) const BURN_IN: f64 = 8.0;

/// A burn-in of less than this many relaxation times is warned about.
const SHORT_BURN_IN: f64 = 3.0;

/// A run whose progress is watched.
pub trait Observer {
    /// A group has done its part of a round: `share` of the whole run. Called from any thread.
    fn tick(&self, share: f64)
    where
        Self: Sync;
    /// A round is done.
    fn after_round(&self, progress: &Progress) -> Control;
    /// Whether to give up during the burn-in, when there is nothing to show yet. Called from any thread.
    fn gives_up(&self) -> bool {
        false
    }
}

/// What is known after a round.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Rounds done.
    pub rounds_done: u64,
    /// Rounds planned.
    pub rounds: u64,
    /// Legs scored so far.
    pub legs: u64,
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

/// Runs an experiment on the current rayon thread pool and compares it with the continuum theory of the
/// same file. The summary is a function of the experiment alone, whatever the number of threads.
///
/// # Errors
/// [`Error::Numeric`] if a kernel finds its bounds violated or the theory has no solution.
pub fn run(experiment: &Experiment, observer: &(dyn Observer + Sync)) -> Result<Summary, Error> {
    let grid = Grid::new(experiment.model.domain.length, experiment.measure.bins);
    let (solution, fast) = solve(experiment)?;
    let runner = registry::runner(experiment, &grid)?;
    let timed = matches!(experiment.run.span, Span::Duration(_));
    let context = Context::new(runner.as_ref(), &experiment.model, &grid, timed);
    let plan = plan(experiment, &context);

    let tick = |share: f64| observer.tick(share);
    let mut ensemble =
        Ensemble::begin_unless(runner.as_ref(), &plan, &tick, &|| observer.gives_up()).map_err(numeric)?;
    let mut after_round = |ensemble: &Ensemble<'_>| {
        let soret = estimator::measure(&estimator::Soret, &context, ensemble.groups());
        observer.after_round(&Progress {
            rounds_done: ensemble.rounds_done(),
            rounds: plan.rounds,
            legs: legs(&context, ensemble.groups()),
            soret: soret[0].outcome(0),
        })
    };
    ensemble.run(&tick, &mut after_round).map_err(numeric)?;

    let measured: Vec<Measured> = estimator::standard()
        .iter()
        .flat_map(|e| estimator::measure(e.as_ref(), &context, ensemble.groups()))
        .collect();
    let comparison = compare(measured, &grid, ALPHA, &|o| solution.reference(o, &grid));
    Ok(summarise(
        experiment,
        &context,
        &plan,
        &ensemble,
        (&solution, fast.as_ref()),
        comparison,
        runner.cautions(),
    ))
}

/// The continuum theory of an experiment alone, in the same form: every estimate is null.
///
/// # Errors
/// [`Error::Numeric`] if the theory has no solution.
pub fn theory_only(experiment: &Experiment) -> Result<Summary, Error> {
    let grid = Grid::new(experiment.model.domain.length, experiment.measure.bins);
    let (solution, fast) = solve(experiment)?;
    let quantities = observables(experiment)
        .into_iter()
        .map(|observable| {
            let entries = observable.support().entries(&grid);
            let theory = solution.reference(observable, &grid).unwrap_or_else(|| vec![None; entries]);
            let limit = fast_limit(fast.as_ref(), observable, &grid);
            let row = |(k, (theory, fast_limit))| {
                let estimate = Outcome::null("theory only");
                Row { theory, fast_limit, ..row(observable, &grid, k, estimate) }
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
        start: experiment.run.start,
        seed: experiment.run.seed,
    };
    Ok(Summary {
        quantities,
        theory: Some(theory_summary(&solution, fast.as_ref())),
        ..blank(experiment, run_summary(experiment, &plan, 0, 0, 0, 0.0))
    })
}

/// Legs that ended in a candidate, over all groups.
fn legs(context: &Context, groups: &[Group]) -> u64 {
    let states = 0..context.model.network.states().len();
    let of = |g: &Group| states.clone().map(|s| g.profile.visits(s).iter().sum::<u64>()).sum::<u64>();
    groups.iter().map(of).sum()
}

fn numeric(error: impl std::fmt::Display) -> Error {
    Error::Numeric(error.to_string())
}

/// The stationary law, and its closed form for infinitely fast transitions where that exists.
fn solve(experiment: &Experiment) -> Result<(Stationary, Option<FastLimit>), Error> {
    let model = &experiment.model;
    let solution = theory::stationary::solve(model, &theory::Options::default()).map_err(numeric)?;
    Ok((solution, FastLimit::new(model).ok()))
}

/// Everything that an experiment with internal states measures, in the order of the report.
fn observables(experiment: &Experiment) -> Vec<Observable> {
    // The estimators know; what they answer depends on the model only.
    let context = Context {
        model: experiment.model.clone(),
        grid: Grid::new(experiment.model.domain.length, experiment.measure.bins),
        dwell: Vec::new(),
        leg_law: Vec::new(),
        timed: false,
    };
    estimator::standard().iter().flat_map(|e| e.observables(&context)).collect()
}

/// What the ensemble has to do, the burn-in chosen if the file leaves it open.
fn plan(experiment: &Experiment, context: &Context) -> Plan {
    let run = &experiment.run;
    let burn_in = match run.burn_in {
        Some(Span::Legs(legs)) => legs as f64,
        Some(Span::Duration(duration)) => duration,
        // Never longer than the run itself: fast transitions make the relaxation time immense in legs, and
        // their start is near the stationary law. A warning says so.
        None => (BURN_IN * relaxation(experiment, context)).ceil().min(run.span.amount()),
    };
    Plan {
        particles: run.particles,
        groups: run.groups,
        span: run.span,
        burn_in,
        rounds: run.rounds,
        start: run.start,
        seed: run.seed,
    }
}

/// The relaxation time in the unit of the span: time, or legs of the state that makes most of them.
fn relaxation(experiment: &Experiment, context: &Context) -> f64 {
    let time = experiment.model.relaxation_time();
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

fn summarise(
    experiment: &Experiment,
    context: &Context,
    plan: &Plan,
    ensemble: &Ensemble<'_>,
    (solution, fast): (&Stationary, Option<&FastLimit>),
    comparison: Comparison,
    cautions: Vec<Caution>,
) -> Summary {
    let groups = ensemble.groups();
    let channels = 0..2 * context.model.network.edges().len();
    let total = |counts: &[u64]| counts.iter().sum::<u64>();
    let legs = legs(context, groups);
    let transitions =
        groups.iter().map(|g| channels.clone().map(|c| total(g.profile.passages(c))).sum::<u64>()).sum();
    let time = groups.iter().map(|g| context.exposure(g)).sum();

    let invariants = estimator::invariants(context, groups)
        .into_iter()
        .map(|c| Invariant { name: c.name.into(), holds: c.holds, detail: c.detail })
        .collect();
    let mut warnings = experiment.warnings().to_vec();
    let relaxation = relaxation(experiment, context);
    if plan.burn_in < SHORT_BURN_IN * relaxation {
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
    for caution in cautions {
        let Caution { seen, meaning, remedy } = caution;
        warnings.push(Warning { seen, meaning, remedy });
    }
    if !solution.is_converged() {
        warnings.push(Warning {
            seen: format!("the continuum solution is known to {:.0e} only", solution.error_estimate()),
            meaning: "a difference of that size is not the simulation's".into(),
            remedy: "look for jumps or kinks in the temperature that the file does not announce".into(),
        });
    }

    let verdict = verdict::summarise(&comparison, experiment, &context.grid);
    let quantities = comparison
        .compared
        .iter()
        .map(|c| {
            let observable = c.measured.observable;
            let limit = fast_limit(fast, observable, &context.grid);
            let row = |(k, fast_limit)| Row {
                theory: c.theory[k],
                fast_limit,
                z: c.z[k],
                ..row(observable, &context.grid, k, c.measured.outcome(k))
            };
            quantity(experiment, observable, limit.into_iter().enumerate().map(row).collect())
        })
        .collect();
    Summary {
        quantities,
        theory: Some(theory_summary(solution, fast)),
        comparison: Some(verdict),
        invariants,
        warnings,
        ..blank(experiment, run_summary(experiment, plan, ensemble.rounds_done(), legs, transitions, time))
    }
}

/// A summary without results.
fn blank(experiment: &Experiment, run: RunSummary) -> Summary {
    Summary {
        format_version: FORMAT_VERSION,
        name: experiment.name.clone(),
        title: experiment.title.clone(),
        claim: experiment.claim.clone(),
        conventions: vec![
            experiment.units.convention(),
            "currents and heat fluxes are positive towards larger x, for a density normalised to one particle"
                .into(),
        ]
        .into_iter()
        .chain(motility_conventions(experiment))
        .collect(),
        run,
        length: experiment.model.domain.length,
        bins: experiment.measure.bins,
        states: experiment.model.network.states().iter().map(|s| s.name.clone()).collect(),
        quantities: Vec::new(),
        theory: None,
        comparison: None,
        invariants: Vec::new(),
        warnings: experiment.warnings().to_vec(),
    }
}

/// In which sense particles move: of diffusivities, of frictions, or of both where states differ.
fn motility_conventions(experiment: &Experiment) -> Vec<String> {
    let states = experiment.model.network.states();
    let frictions = states.iter().filter(|s| matches!(s.motility, Motility::Friction(_))).count();
    let mut conventions = Vec::new();
    if frictions < states.len() {
        conventions.push("diffusivities are Ito: J_i = -d_x(D_i P_i)".into());
    }
    if frictions > 0 {
        conventions.push(
            "frictions are kinetic, the overdamped limit of Kramers' equation: J_i = -(1/gamma_i) d_x(kT P_i)"
                .into(),
        );
    }
    conventions
}

fn run_summary(
    experiment: &Experiment,
    plan: &Plan,
    rounds_done: u64,
    legs: u64,
    transitions: u64,
    particle_time: f64,
) -> RunSummary {
    let (clock, legs_per_particle, duration) = match plan.span {
        Span::Legs(legs) => ("legs", Some(legs), None),
        Span::Duration(duration) => ("duration", None, Some(duration)),
    };
    RunSummary {
        complete: rounds_done == plan.rounds,
        method: experiment.method.name().into(),
        clock: clock.into(),
        seed: plan.seed,
        particles: plan.particles,
        groups: plan.groups,
        legs_per_particle,
        duration,
        burn_in: plan.burn_in,
        rounds_planned: plan.rounds,
        rounds_done,
        legs,
        transitions,
        particle_time,
    }
}

fn theory_summary(solution: &Stationary, fast: Option<&FastLimit>) -> TheorySummary {
    let layer = |x: f64| fast?.layer_lengths(x).ok()?.first().copied().filter(|l| l.is_finite());
    let length = solution.model().domain.length;
    TheorySummary {
        equation: "stationary law, -d_x J_i + sum_j (k_ij P_j - k_ji P_i) = 0, no flux at the walls".into(),
        error_estimate: solution.error_estimate(),
        resolution: format!("{} elements", solution.vertices().len().saturating_sub(1)),
        wall_layers: layer(0.0).zip(layer(length)).map(|(left, right)| [left, right]),
    }
}

/// The closed form for infinitely fast transitions, entry by entry.
fn fast_limit(fast: Option<&FastLimit>, observable: Observable, grid: &Grid) -> Vec<Option<f64>> {
    let entries = observable.support().entries(grid);
    fast.and_then(|f| f.reference(observable, grid)).unwrap_or_else(|| vec![None; entries])
}

/// A row with nothing beside the estimate.
fn row(observable: Observable, grid: &Grid, k: usize, estimate: Outcome) -> Row {
    let ends = observable.support().ends(grid, k);
    Row {
        x_lo: ends.map(|e| e.0),
        x_hi: ends.map(|e| e.1),
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
        of: label(experiment, observable),
        unit: observable.dimension_in(experiment.units),
        rows,
    }
}

/// The state or directed transition that an observable belongs to, by name.
pub fn label(experiment: &Experiment, observable: Observable) -> Option<String> {
    use Observable::*;
    let network = &experiment.model.network;
    let state = |s: usize| network.states()[s].name.clone();
    match observable {
        StateDensity(s) | Population(s) | Current(s) | WindowCurrent(s) | MeanCurrent(s) => Some(state(s)),
        TransitionRate(c) => {
            let channel = network.channel(c);
            let name = &experiment.transitions[channel.edge].name;
            Some(format!("{name}: {} -> {}", state(channel.from), state(channel.to)))
        }
        _ => None,
    }
}
