//! Which method serves a system: what each asks of it, and the choice that "auto" makes.

use super::reader::{Cursor, brief};
use super::schema::limits::MOST_LEGS;
use super::schema::{DEFAULT_WINDOW, MethodPart, ReactingPart, RunPart, StatePart};
use super::source::quote;
use super::{MeasurePlan, Method, Motion, Warning, reactions};
use crate::kernel::reactions::{Limit, MOST_UNITS, MeanField, ReactionError, Resolution, fastest, settled};
use crate::kernel::{self, MOST_EXITS, Span};
use crate::model::{Boundary, Field, Mixture, Model, Uniform};
use std::sync::Arc;

/// A ring closes in the natural scale of a state whose tilt over one turn is below this.
pub(super) const CLOSED: f64 = 1e-9;

/// Legs are uniform in the natural scale. Where the tilt spans more than this, in kT, most of them fall where
/// hardly any time is spent: exact legs are then not chosen.
const WIDE: f64 = 6.0;

/// Beyond this they are refused.
const TOO_WIDE: f64 = 40.0;

/// What may happen in an automatic step: transitions, and diffusion over a part of the square of the length on
/// which temperature, diffusivity or force changes.
const SMALL: f64 = 0.02;

/// Length of an automatic step over that of the domain, and of its drift over the length of changes.
const STRIDE: f64 = 0.05;

/// What may happen to a particle with inertia in an automatic step: `gamma dt/m`; `omega dt` in a well of frequency
/// `omega`; and its way at thermal velocity over the length on which temperature, friction or a force change.
const DAMPING: f64 = 0.25;
const TURN: f64 = 0.2;
const WAY: f64 = 0.03;

/// Cells of a mean field, at least.
const FIELD_CELLS: u64 = 20;

/// Length of a window of a mean field over the time in which reactions come to rest.
const SMALL_WINDOW: f64 = 0.25;

/// The method of a run with what a reader should know about the choice; mistakes where there is none.
pub(super) fn choose(
    part: &MethodPart<'_>,
    motion: Option<Motion>,
    model: Option<&Model>,
    states: &[StatePart<'_>],
    run: &RunPart<'_>,
    times: &[f64],
) -> Option<(Method, Option<Warning>)> {
    let motion = motion?;
    let timed = matches!(run.plan.span, Span::Duration(_));
    if let (Some(method), Some(at)) = (part.given, &part.at)
        && method.motion() != motion
    {
        other_motion(method, at);
        return None;
    }
    if let (Some(method @ (Method::Midpoint { .. } | Method::Mala { .. } | Method::Heun { .. })), Some(at)) =
        (part.given, &part.at)
    {
        without_coordinates(method, at);
        return None;
    }
    match part.given {
        Some(
            method @ (Method::EulerMaruyama { dt }
            | Method::Midpoint { dt }
            | Method::Mala { dt }
            | Method::Heun { dt }
            | Method::Baoab { dt }
            | Method::BaoabFlux { dt }),
        ) => {
            steps_fit(method.name(), dt, run, times);
            if let (Method::BaoabFlux { .. }, Some(model), Some(at)) = (method, model, &part.at) {
                flux_fits(dt, model, at);
            }
            Some((method, None))
        }
        None if motion == Motion::Underdamped => {
            if !timed {
                run.length.push(
                    run.length
                        .mistake("particles with inertia have no legs")
                        .expected("\"duration\", a time")
                        .hint("legs belong to the method exact, which moves overdamped particles"),
                );
                return None;
            }
            let (dt, limit) = automatic_flight(model?, run);
            let method = Method::BaoabFlux { dt };
            steps_fit(method.name(), dt, run, times);
            let warning = Warning {
                seen: format!("no step was given for particles with inertia; what limits it is {limit}"),
                meaning: format!("baoab_flux with dt = {dt} was chosen, with a bias of order dt^2"),
                remedy: "run again with half of this dt and compare".into(),
            };
            Some((method, Some(warning)))
        }
        // Read as one of particles that react.
        Some(Method::Pairs { .. } | Method::MeanField { .. } | Method::WellMixed { .. }) => None,
        Some(method @ Method::Exact {}) => match obstacle(model?, timed) {
            None => Some((method, None)),
            Some(Obstacle::Wide { state, span }) if span <= TOO_WIDE => {
                Some((method, Some(small_sample(model?, state, span))))
            }
            Some(obstacle) => {
                obstacle.refuse(model?, part, states, run, times.is_empty());
                None
            }
        },
        None => match obstacle(model?, timed) {
            None => Some((Method::Exact {}, None)),
            Some(obstacle) if !timed => {
                obstacle.refuse(model?, part, states, run, times.is_empty());
                None
            }
            Some(obstacle) => {
                let dt = automatic_step(model?, run, times);
                let method = Method::EulerMaruyama { dt };
                steps_fit(method.name(), dt, run, times);
                Some((method, Some(obstacle.warning(model?, dt, times.is_empty()))))
            }
        },
    }
}

/// The method of particles with internal coordinates.
pub(super) fn choose_internal(
    part: &MethodPart<'_>,
    model: Option<&Model>,
    run: &RunPart<'_>,
    times: &[f64],
) -> Option<(Method, Option<Warning>)> {
    match part.given {
        Some(
            method @ (Method::Midpoint { dt }
            | Method::Mala { dt }
            | Method::Heun { dt }
            | Method::EulerMaruyama { dt }),
        ) => {
            steps_fit(method.name(), dt, run, times);
            Some((method, None))
        }
        Some(method) => {
            let at = part.at.as_ref()?;
            at.push(
                at.mistake(format!("{} knows no internal coordinates", method.name()))
                    .expected("midpoint, mala, heun, euler_maruyama or \"auto\"")
                    .found(method.name()),
            );
            None
        }
        None => {
            if matches!(run.plan.span, Span::Legs(_)) {
                run.length.push(
                    run.length
                        .mistake("particles with internal coordinates have no legs")
                        .expected("\"duration\", a time")
                        .hint("legs belong to the method exact, which knows no internal coordinates"),
                );
                return None;
            }
            let longest = match times {
                [] => run.plan.span.amount() / run.plan.rounds as f64,
                _ => limit_of_times(times),
            };
            let small = Some(kernel::automatic_step(model?)).filter(|dt| *dt > 0.0);
            let dt = two_digits(small.map_or(longest, |dt| dt.min(longest)));
            let method = Method::Midpoint { dt };
            steps_fit(method.name(), dt, run, times);
            let warning = Warning {
                seen: "no step was given for particles with internal coordinates".into(),
                meaning: format!(
                    "midpoint with dt = {dt} was chosen, with a bias of order dt^2, of about half a per cent in the heat current"
                ),
                remedy: "run again with half of this dt and compare".into(),
            };
            Some((method, Some(warning)))
        }
    }
}

/// Notes a method that moves particles one by one, where they react.
pub(super) fn of_walkers(part: &MethodPart<'_>) -> Option<()> {
    let (method, at) = (part.given?, part.at.as_ref()?);
    at.push(
        at.mistake(format!("{} knows no reactions between particles", method.name()))
            .expected("pairs, mean_field, well_mixed or \"auto\"")
            .found(method.name()),
    );
    Some(())
}

/// The method of particles that react, with such `amounts` of each species in a group: particles, in a mean field concentrations.
pub(super) fn choose_reacting(
    part: &MethodPart<'_>,
    mixture: &Mixture,
    amounts: &[f64],
    run: &RunPart<'_>,
    measure: &MeasurePlan,
) -> Option<(Method, Option<Warning>)> {
    if of_walkers(part).is_some() {
        return None;
    }
    let at = part.at.as_ref().unwrap_or(&run.size);
    if let Some(ReactingPart::WellMixed { x }) = part.reacting {
        return well_mixed(x, mixture, at, measure);
    }
    if mixture.domain.walls == Boundary::Periodic {
        let name = if matches!(part.reacting, Some(ReactingPart::MeanField { .. })) {
            "mean_field"
        } else {
            "pairs"
        };
        at.push(
            at.mistake("particles that react on a ring")
                .expected("\"walls\": \"reflecting\"")
                .hint(format!("{name} needs walls at both ends of the domain")),
        );
        return None;
    }
    let (cells, dt) = match part.reacting {
        Some(ReactingPart::Pairs { cells, dt }) => (cells, dt),
        Some(ReactingPart::MeanField { cells, window }) => {
            return mean_field(cells, window, mixture, amounts, at, run, measure);
        }
        _ => (None, None),
    };
    if let Some(species) = reactions::uneven_friction(mixture) {
        at.push(
            at.mistake(format!("the friction of {} varies with x", quote(&species.name)))
                .expected("a constant friction, or a diffusivity")
                .hint("steps of pairs are those of an Ito diffusivity, which such a friction does not have"),
        );
        return None;
    }
    let bins = measure.bins as u64;
    whole_cells(cells, bins, at)?;
    let omega = run.plan.system_size?;
    let size = omega * mixture.domain.length;
    let start: Vec<f64> = amounts.iter().map(|n| n / size).collect();
    let mut typical = settled(mixture, &start);
    if !measure.times.is_empty() {
        typical.iter_mut().zip(&start).for_each(|(c, s)| *c = c.max(*s));
    }
    let automatic = match Resolution::automatic(mixture, &typical, omega) {
        Ok(automatic) => automatic,
        Err(error) => {
            at.push(at.mistake(error.to_string()));
            return None;
        }
    };
    // Bins are made of whole cells: one more at most than wanted, and where particles are too few one less.
    let wanted = automatic.cells as u64;
    let few = automatic.limit == Limit::Particles;
    let per_bin = if few { (wanted / bins).max(1) } else { wanted.div_ceil(bins) };
    let chosen = cells.unwrap_or(per_bin * bins) as usize;
    let step = dt.unwrap_or_else(|| two_digits(automatic.dt.min(limit_of_times(&measure.times))));
    let method = Method::Pairs { cells: chosen, dt: step };
    let Span::Duration(duration) = run.plan.span else { return None };
    let particles = amounts.iter().sum::<f64>() * run.plan.groups as f64;
    let first = measure.times.first().copied().unwrap_or(duration);
    if first < step {
        run.length.push(
            run.length
                .mistake("the run is shorter than a step")
                .expected(format!("at least dt = {}", brief(step)))
                .found(brief(first)),
        );
        return None;
    }
    if duration / step * particles.max(1.0) > MOST_LEGS as f64 {
        run.length.push(
            run.length
                .mistake("the run is too long to be counted")
                .expected(format!("particles x steps of at most {MOST_LEGS:e}"))
                .found(brief(duration / step * particles)),
        );
        return None;
    }
    if cells.is_some() && dt.is_some() {
        return Some((method, None));
    }
    let width = mixture.domain.length / chosen as f64;
    let warning = match (few, cells) {
        (true, None) => Warning {
            seen: format!(
                "particles are too few for the cells that reactions ask for: pairs with {chosen} cells was chosen"
            ),
            meaning: format!(
                "cells of {} with dt = {step} mix what reacts over their width: a bias of order (cell)^2 is left",
                brief(width)
            ),
            remedy: "make run.system_size larger, or give \"cells\" and compare".into(),
        },
        _ => Warning {
            seen: "the resolution of pairs was left to the program".into(),
            meaning: format!(
                "pairs with {chosen} cells and dt = {step} was chosen, with a bias of order (cell)^2 and dt^2 in a gradient"
            ),
            remedy: "run again with twice the cells and a quarter of this dt, and compare".into(),
        },
    };
    Some((method, Some(warning)))
}

/// Notes cells that do not make up bins.
fn whole_cells(cells: Option<u64>, bins: u64, at: &Cursor<'_>) -> Option<()> {
    let Some(found) = cells.filter(|cells| !cells.is_multiple_of(bins)) else { return Some(()) };
    at.push(
        at.mistake("the bins are no whole number of cells")
            .expected(format!("a multiple of measure.bins = {bins}"))
            .found(found.to_string()),
    );
    None
}

/// Units in the field of all others, in windows of legs, or of a duration where they are observed at times.
fn mean_field(
    cells: Option<u64>,
    window: Option<f64>,
    mixture: &Mixture,
    start: &[f64],
    at: &Cursor<'_>,
    run: &RunPart<'_>,
    measure: &MeasurePlan,
) -> Option<(Method, Option<Warning>)> {
    let bins = measure.bins as u64;
    whole_cells(cells, bins, at)?;
    let chosen = cells.unwrap_or_else(|| FIELD_CELLS.div_ceil(bins) * bins) as usize;
    let uniform = start.iter().map(|c| -> Arc<dyn Field> { Arc::new(Uniform(*c)) });
    let method = match MeanField::new(mixture, &uniform.collect::<Vec<_>>(), chosen) {
        Ok(method) => method,
        Err(error @ ReactionError::Unconserved { .. }) => {
            at.push(
                at.mistake(error.to_string())
                    .expected("species that are part of something which reactions conserve")
                    .hint("\"method\": \"pairs\" makes particles of nothing"),
            );
            return None;
        }
        Err(error) => {
            at.push(at.mistake(error.to_string()));
            return None;
        }
    };
    let typical = settled(mixture, start);
    if let Err(error) = method.legs_per_time(&typical) {
        at.push(at.mistake(error.to_string()));
        return None;
    }
    let (given, units) = (window.is_some(), run.plan.particles.div_ceil(run.plan.groups as u64));
    if units > MOST_UNITS {
        run.length.push(
            at.mistake("too many units in a group")
                .expected(format!("run.particles of at most {MOST_UNITS} times run.groups"))
                .found(units.to_string()),
        );
        return None;
    }
    let window = if measure.times.is_empty() {
        let legs = window.unwrap_or(DEFAULT_WINDOW as f64);
        if legs.fract() != 0.0 || legs > MOST_LEGS as f64 {
            at.push(
                at.mistake("a window that is no whole number of legs")
                    .expected("\"window\", a number of legs such as 96")
                    .found(brief(legs))
                    .hint("with \"times\" in \"measure\" a window is a duration"),
            );
            return None;
        }
        Span::Legs(legs as u64)
    } else {
        if let Some(species) = method.without_time().map(|s| &mixture.species()[s]) {
            at.push(
                at.mistake("units of a mean field know how late it is only where diffusivities are constant")
                    .expected("no \"times\", or a constant diffusivity of every species")
                    .found(format!("the diffusivity of {} varies with x", quote(&species.name)))
                    .hint("\"method\": \"pairs\" can be observed at times"),
            );
            return None;
        }
        let mut most = typical;
        most.iter_mut().zip(start).for_each(|(c, s)| *c = c.max(*s));
        let reactions = SMALL_WINDOW / fastest(mixture, &most);
        let longest = reactions.min(limit_of_times(&measure.times));
        Span::Duration(window.unwrap_or_else(|| two_digits(longest)))
    };
    let given = cells.is_some() && (given || matches!(window, Span::Legs(_)));
    Some((Method::MeanField { cells: chosen, window }, field_warning(chosen, window, given)))
}

/// What was left to the program.
fn field_warning(chosen: usize, window: Span, given: bool) -> Option<Warning> {
    let (windows, bias) = match window {
        Span::Legs(legs) => (format!("windows of {legs} legs"), "(cell)^2"),
        Span::Duration(duration) => (format!("windows of {}", brief(duration)), "(cell)^2 and (window)^2"),
    };
    (!given).then(|| Warning {
        seen: "the resolution of mean_field was left to the program".into(),
        meaning: format!(
            "mean_field with {chosen} cells and {windows} was chosen, with a bias of order {bias} where concentrations bend"
        ),
        remedy: match window {
            Span::Legs(_) => "run again with twice the cells, and compare".into(),
            Span::Duration(_) => "run again with twice the cells and half of this window, and compare".into(),
        },
    })
}

/// Numbers in one volume with the rates at `x`, in the middle of the domain where they are the same everywhere.
fn well_mixed(
    x: Option<f64>,
    mixture: &Mixture,
    at: &Cursor<'_>,
    measure: &MeasurePlan,
) -> Option<(Method, Option<Warning>)> {
    const PLACES: u32 = 64;
    let length = mixture.domain.length;
    if measure.times.is_empty() {
        at.push(
            at.mistake("well_mixed without times of observation")
                .expected("\"times\" in \"measure\", at which numbers are counted")
                .hint("\"measure\": { \"times\": { \"from\": 0.1, \"to\": 5, \"n\": 50 } }; the last of them ends the run"),
        );
        return None;
    }
    let rates = |x: f64| mixture.ways().map(|way| mixture.rate_constant(way, x)).collect::<Vec<f64>>();
    let alike = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * a.max(*b));
    let first = rates(0.0);
    let place = |k: u32| length * f64::from(k) / f64::from(PLACES);
    let vary = (1..=PLACES).map(place).any(|x| !alike(&first, &rates(x)));
    match x {
        Some(x) if x > length => {
            at.push(
                at.mistake("the place of the volume lies outside the domain")
                    .expected(format!("a number from 0 to {}", brief(length)))
                    .found(brief(x)),
            );
            None
        }
        None if vary => {
            at.push(
                at.mistake("a well-mixed volume whose rates vary with x")
                    .expected("a place: { \"well_mixed\": { \"x\": 0.5 } }")
                    .hint("without space there is one temperature; give it as a number, or the place where it is taken"),
            );
            None
        }
        x => Some((Method::WellMixed { x: x.unwrap_or(0.5 * length) }, None)),
    }
}

/// A step for times of observation, at most a tenth of the first and of every gap between them.
fn limit_of_times(times: &[f64]) -> f64 {
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    0.1 * times.first().copied().into_iter().chain(gaps).fold(f64::INFINITY, f64::min)
}

/// Notes that a method is one of internal coordinates, of which there are none.
fn without_coordinates(method: Method, at: &Cursor<'_>) {
    at.push(
        at.mistake(format!("{} advances internal coordinates", method.name()))
            .expected("exact, euler_maruyama or \"auto\" for particles without them")
            .found(method.name())
            .hint("add \"coordinates\" and a \"potential\", or remove the method"),
    );
}

/// Notes that a method moves particles of the other kind.
fn other_motion(method: Method, at: &Cursor<'_>) {
    let mistake = match method.motion() {
        Motion::Overdamped => at
            .mistake(format!("{} moves particles without inertia", method.name()))
            .expected("baoab_flux, baoab or \"auto\" for \"motion\": \"underdamped\"")
            .hint("remove the method, or the motion and the masses for the overdamped limit"),
        Motion::Underdamped => at
            .mistake(format!("{} moves particles with inertia", method.name()))
            .expected("exact, euler_maruyama or \"auto\" for overdamped motion")
            .hint("add \"motion\": \"underdamped\", and a \"mass\" beside every \"friction\""),
    };
    at.push(mistake.found(method.name()));
}

/// The bath of `baoab_flux` exists for `gamma dt < 2 m` only.
fn flux_fits(dt: f64, model: &Model, at: &Cursor<'_>) {
    const PLACES: u32 = 1024;
    let place = |k: u32| model.domain.length * f64::from(k) / f64::from(PLACES);
    let damping = |s: usize| {
        let mass = model.network.states()[s].mass.unwrap_or(f64::INFINITY);
        (0..=PLACES).map(|k| model.resistance(s, place(k)) / mass).fold(0.0, f64::max)
    };
    let largest = (0..model.network.states().len()).map(damping).fold(0.0, f64::max);
    if dt * largest >= 2.0 {
        at.push(
            at.mistake("the step is too long for the friction")
                .expected(format!("dt below 2 m/gamma = {}", brief(2.0 / largest)))
                .found(brief(dt))
                .hint("the method baoab takes any step, at the price of a bias"),
        );
    }
}

/// Why exact legs cannot serve a system; states by index.
enum Obstacle {
    /// More ways lead out of a state than candidates can be dealt among.
    Exits,
    /// Elapsed times are asked for, and the clock of a state varies.
    Clock { state: usize },
    /// A force drives a state round the ring, so that its natural scale does not close.
    Open { state: usize, tilt: f64 },
    /// The slope of a potential has no bound that could be proven.
    Steep { state: usize },
    /// The tilt spans so many kT that few legs count.
    Wide { state: usize, span: f64 },
}

fn obstacle(model: &Model, timed: bool) -> Option<Obstacle> {
    let states = || 0..model.network.states().len();
    if exits(model).into_iter().any(|n| n > MOST_EXITS) {
        return Some(Obstacle::Exits);
    }
    let forced = || states().filter(|s| model.has_force(*s) && model.carried_drift(*s).is_none());
    if model.domain.walls == Boundary::Periodic {
        let tilts = forced().map(|state| (state, model.tilt_around(state)));
        // A tilt that is not a number does not close either.
        if let Some((state, tilt)) = tilts.into_iter().find(|(_, tilt)| tilt.abs() > CLOSED || tilt.is_nan())
        {
            return Some(Obstacle::Open { state, tilt });
        }
    }
    if let Some(state) = forced().find(|s| !slopes_are_bounded(model, *s)) {
        return Some(Obstacle::Steep { state });
    }
    let carried = |s: usize| model.carried_drift(s).is_some();
    let steady = |s: usize| carried(s) || (!model.has_force(s) && model.constant_diffusivity(s).is_some());
    if let Some(state) = states().find(|s| timed && !steady(*s)) {
        return Some(Obstacle::Clock { state });
    }
    let spans = forced().map(|state| (state, model.tilt_span(state)));
    let (state, span) = spans.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (span > WIDE).then_some(Obstacle::Wide { state, span })
}

/// Channels out of each state that can be taken.
fn exits(model: &Model) -> Vec<usize> {
    let mut exits = vec![0; model.network.states().len()];
    for edge in model.network.edges() {
        for (end, open) in edge.between.into_iter().zip(edge.open()) {
            exits[end] += usize::from(open);
        }
    }
    exits
}

/// Whether the force on a state has finite bounds on pieces of the domain as small as the cells of a run.
fn slopes_are_bounded(model: &Model, state: usize) -> bool {
    const PIECES: u32 = 1024;
    let at = |k: u32| model.domain.length * f64::from(k) / f64::from(PIECES);
    (0..PIECES).all(|k| {
        let piece = crate::expression::Interval::new(at(k), at(k + 1));
        model.force_over_thermal_energy_bounds(state, piece).is_finite()
    })
}

impl Obstacle {
    /// What is in the way, in words.
    fn words(&self, model: &Model) -> String {
        let name = |state: usize| quote(&model.network.states()[state].name);
        match *self {
            Obstacle::Exits => format!("more than {MOST_EXITS} transitions lead out of a state"),
            Obstacle::Clock { state } if model.has_force(state) => {
                format!("elapsed times with a force on {}", name(state))
            }
            Obstacle::Clock { state } => {
                format!("elapsed times with a diffusivity of {} that varies with x", name(state))
            }
            Obstacle::Open { state, tilt } => {
                format!("a force that drives {} round the ring, {} kT a turn", name(state), brief(tilt))
            }
            Obstacle::Steep { state } => {
                format!("a force on {} whose bounds cannot be proven", name(state))
            }
            Obstacle::Wide { state, span } => {
                format!("a force on {} whose tilt spans {} kT", name(state), brief(span))
            }
        }
    }

    /// What else would do.
    fn way_out(&self, without_times: bool) -> Option<&'static str> {
        match self {
            Obstacle::Clock { .. } if without_times => Some("give the run \"legs\" for exact legs"),
            Obstacle::Wide { span, .. } if *span <= TOO_WIDE => {
                Some("ask for \"method\": \"exact\", whose effective sample is then small")
            }
            Obstacle::Steep { .. } => Some("write the potential so that x occurs fewer times"),
            _ => None,
        }
    }

    /// Notes that exact legs, which are asked for by name or by counting legs, cannot serve.
    fn refuse(
        &self,
        model: &Model,
        part: &MethodPart<'_>,
        states: &[StatePart<'_>],
        run: &RunPart<'_>,
        without_times: bool,
    ) {
        const TITLE: &str = "exact legs cannot serve this system";
        match (self, &part.at) {
            (Obstacle::Exits, _) => {
                for (state, found) in states.iter().zip(exits(model)).filter(|(_, found)| *found > MOST_EXITS)
                {
                    state.at.push(
                        state
                            .at
                            .mistake("too many transitions lead out of a state")
                            .expected(format!("at most {MOST_EXITS} with the method exact"))
                            .found(found.to_string())
                            .hint("join parallel transitions, or use the method euler_maruyama"),
                    );
                }
            }
            (Obstacle::Clock { state }, _) => {
                let title = if model.has_force(*state) {
                    "exact legs know their duration only where no force acts"
                } else {
                    "exact legs know their duration only where diffusivities are constant"
                };
                let mistake = run.length.mistake(title).found(self.words(model));
                run.length.push(if without_times {
                    mistake
                        .expected("\"legs\", the number of candidate transitions of a particle")
                        .hint("give the run \"legs\", or use the method euler_maruyama")
                } else {
                    mistake.expected("times with the method euler_maruyama, or \"auto\"")
                });
            }
            (_, Some(method)) => method.push(
                method
                    .mistake(TITLE)
                    .expected("euler_maruyama, or \"auto\"")
                    .found(self.words(model))
                    .hint("steps need a \"duration\" of the run in place of \"legs\""),
            ),
            (_, None) => run.length.push(
                run.length
                    .mistake(TITLE)
                    .expected("\"duration\", a time: euler_maruyama is then chosen")
                    .found(self.words(model))
                    .hint(self.way_out(false).unwrap_or("legs belong to the method exact")),
            ),
        }
    }

    fn warning(&self, model: &Model, dt: f64, without_times: bool) -> Warning {
        let or = self.way_out(without_times).map_or(String::new(), |way| format!("; or {way}"));
        Warning {
            seen: format!("exact legs cannot serve: {}", self.words(model)),
            meaning: format!("euler_maruyama with dt = {dt} was chosen, with a bias of order dt"),
            remedy: format!("run again with half of this dt and compare{or}"),
        }
    }
}

/// Exact legs that were asked for although few of them count.
fn small_sample(model: &Model, state: usize, span: f64) -> Warning {
    let name = quote(&model.network.states()[state].name);
    Warning {
        seen: format!("the tilt of the force on {name} spans {} kT", brief(span)),
        meaning: "exact legs are uniform in the natural scale: most of them fall where hardly any time is spent, and \
                  the effective sample is a small part of all legs"
            .into(),
        remedy: "judge by the standard errors, and compare with euler_maruyama".into(),
    }
}

/// What steps ask of the length of the run.
fn steps_fit(name: &str, dt: f64, run: &RunPart<'_>, times: &[f64]) {
    let at = &run.length;
    let Span::Duration(duration) = run.plan.span else {
        at.push(
            at.mistake(format!("{name} has no legs"))
                .expected("\"duration\", a time")
                .hint(format!("legs belong to the method exact; a step of {name} lasts dt")),
        );
        return;
    };
    let first = times.first().copied().unwrap_or(duration);
    if first < dt {
        let (title, what) = match times {
            [] => ("the run is shorter than a step", "a duration"),
            _ => ("the first time is shorter than a step", "a first time"),
        };
        at.push(
            at.mistake(title).expected(format!("{what} of at least dt = {}", brief(dt))).found(brief(first)),
        );
    } else if duration / dt * run.plan.particles as f64 > MOST_LEGS as f64 {
        at.push(
            at.mistake("the run is too long to be counted")
                .expected(format!("particles x steps of at most {MOST_LEGS:e}"))
                .found(brief(duration / dt * run.plan.particles as f64)),
        );
    }
}

/// A step in which little happens: few transitions, and a move that is short beside the lengths on which
/// temperature, diffusivities and forces change. To two digits, rounded down.
fn automatic_step(model: &Model, run: &RunPart<'_>, times: &[f64]) -> f64 {
    const PLACES: u32 = 1024;
    let length = model.domain.length;
    let walls = model.domain.walls == Boundary::Reflecting;
    let gap = |(a, b): (&f64, &f64)| 0.1 * (b - a);
    let mut dt = match times {
        [] => run.plan.span.amount() / run.plan.rounds as f64,
        [first, ..] => times.iter().zip(&times[1..]).map(gap).fold(0.1 * first, f64::min),
    };
    let mut at_most = |step: f64| {
        if !step.is_nan() {
            dt = dt.min(step.max(f64::MIN_POSITIVE));
        }
    };
    let place = |k: u32| length * (f64::from(k) + 0.5) / f64::from(PLACES);
    for x in (0..PLACES).map(place) {
        let mut exit = vec![0.0; model.network.states().len()];
        model.network.channels().for_each(|c| exit[c.from] += model.rate(c, x));
        at_most(SMALL / exit.into_iter().fold(0.0, f64::max));
    }
    for (s, state) in model.network.states().iter().enumerate() {
        let kinks = model.force_kinks(s);
        let mut before: Option<(f64, f64)> = None;
        for x in (0..PLACES).map(place) {
            let diffusivity = model.diffusivity(s, x);
            let thermal = model.thermal_energy(x);
            // The layer of a drift matters where it meets a wall.
            let drift = if walls { model.drift(s, x) / diffusivity } else { 0.0 };
            let force = drift - model.potentials(s).map(|u| u.slope(x)).sum::<f64>() / thermal;
            let bend = before.filter(|(last, _)| !kinks.iter().any(|kink| *last <= *kink && *kink <= x));
            let bend = bend.map_or(0.0, |(last, old)| (force - old).abs() / (x - last));
            before = Some((x, force));
            let field = state.motility.parts().1;
            let changes = [
                1.0 / length,
                model.temperature.slope(x) / model.temperature.value(x),
                field.slope(x) / field.value(x),
                force,
                libm::sqrt(bend),
            ];
            let shortest = 1.0 / changes.iter().fold(0.0f64, |most, c| most.max(c.abs()));
            at_most(0.5 * SMALL * shortest * shortest / diffusivity);
            at_most(0.5 * (STRIDE * length) * (STRIDE * length) / diffusivity);
            at_most(STRIDE * shortest / model.ito_drift(s, x).abs());
        }
    }
    two_digits(dt)
}

/// A step in which little happens to a particle with inertia, and what limits it. To two digits, rounded down.
fn automatic_flight(model: &Model, run: &RunPart<'_>) -> (f64, &'static str) {
    const PLACES: u32 = 1024;
    let length = model.domain.length;
    let place = |k: u32| length * (f64::from(k) + 0.5) / f64::from(PLACES);
    let places = || (0..PLACES).map(place);
    let mut least = (run.plan.span.amount() / run.plan.rounds as f64, "the length of a round");
    let mut at_most = |step: f64, limit: &'static str| {
        if step < least.0 {
            least = (step.max(f64::MIN_POSITIVE), limit);
        }
    };
    for x in places() {
        let mut exit = vec![0.0; model.network.states().len()];
        model.network.channels().for_each(|c| exit[c.from] += model.rate(c, x));
        at_most(SMALL / exit.into_iter().fold(0.0, f64::max), "the fastest rate");
    }
    for (s, state) in model.network.states().iter().enumerate() {
        let mass = state.mass.unwrap_or(1.0);
        let friction = state.motility.parts().1;
        // Relative to the largest, because it may be zero in places.
        let largest = places().map(|x| friction.value(x)).fold(0.0, f64::max);
        let force = |x: f64| -model.potentials(s).map(|u| u.slope(x)).sum::<f64>();
        let kinks = model.force_kinks(s);
        let mut before: Option<(f64, f64)> = None;
        at_most(DAMPING * mass / largest, "the friction over the mass");
        for x in places() {
            let thermal = model.thermal_energy(x);
            let speed = libm::sqrt(thermal / mass);
            at_most(WAY * length / speed, "the thermal velocity");
            let hotter = model.temperature.slope(x) / model.temperature.value(x);
            at_most(WAY / (hotter.abs() * speed), "the slope of the temperature");
            if largest > 0.0 {
                at_most(WAY * largest / (friction.slope(x).abs() * speed), "the slope of the friction");
            }
            let here = force(x);
            if let Some((last, old)) = before {
                let bend = (here - old).abs() / (x - last);
                if kinks.iter().any(|kink| last <= *kink && *kink <= x) {
                    at_most(WAY * thermal / ((here - old).abs() * speed), "a jump of the force");
                } else {
                    at_most(TURN / libm::sqrt(bend / mass), "the curvature of the potential");
                }
            }
            before = Some((x, here));
        }
    }
    (two_digits(least.0), least.1)
}

/// The largest number with two digits that is not above a positive one.
fn two_digits(value: f64) -> f64 {
    let written = format!("{value:e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let kept: String = mantissa.chars().take(3).collect();
    format!("{}e{exponent}", kept.trim_end_matches('.')).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_rounded_down() {
        let pairs = [(0.019_99, 0.019), (1.0, 1.0), (7.0, 7.0), (12_345.0, 12_000.0), (3.999e-7, 3.9e-7)];
        for (value, rounded) in pairs {
            assert_eq!(two_digits(value), rounded);
        }
        assert!(two_digits(f64::MIN_POSITIVE) > 0.0);
    }
}
