//! What a run would cost and how well it would know the Soret coefficient, from a short run of the same
//! system with a seed of its own.

use crate::ensemble::Control;
use crate::error::Error;
use crate::event::{Position, Profile};
use crate::experiment::{Experiment, Method, Motion, Sampling, Warning, registry};
use crate::internal_space::InternalSpace;
use crate::kernel::Span;
use crate::kernel::reactions::FINE;
use crate::phase_space::PhaseSpace;
use crate::sampling::{self, Observer, Progress};
use crate::simulation;
use serde::Serialize;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Legs or steps of a pilot run.
const EFFORT: f64 = 2e7;

/// Most particles and groups of a pilot run.
const PARTICLES: u64 = 2048;
const GROUPS: usize = 64;

/// Relaxation times of burn-in after which a pilot run has forgotten its beginning.
const FORGOTTEN: f64 = 2.0;

/// Rounds of a pilot run; the first is not timed.
const ROUNDS: u64 = 4;

/// What a run is expected to take and to give.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Legs of the method `exact`, steps of a stepped one: of all particles, burn-in included.
    pub legs: f64,
    /// The share of the burn-in in them.
    pub burn_in_share: f64,
    /// Bytes for walkers and tallies of all groups.
    pub memory_bytes: u64,
    /// Nanoseconds per leg or step with the threads of this process.
    pub nanoseconds_per_leg: f64,
    /// Seconds for all of them.
    pub seconds: f64,
    /// Threads used.
    pub threads: usize,
    /// How long the system remembers its beginning, in the time unit of the file.
    pub relaxation_time: f64,
    /// The Soret coefficient of the pilot run, absent where there is none.
    pub soret: Option<SoretForecast>,
}

/// A Soret coefficient with the error that the whole run would have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SoretForecast {
    /// As the pilot run has it.
    pub value: f64,
    /// Its standard error in the pilot run.
    pub pilot_error: f64,
    /// Whether the pilot run was long enough to forget where it began; the value is not that of a whole run otherwise.
    pub settled: bool,
    /// Standard error to expect of the whole run. Within a factor of two or so: it supposes that particles
    /// forget at the slowest rate of the system.
    pub error: f64,
}

/// What a user should know before a run: the warnings of the file, and what the method says about itself
/// at these settings.
///
/// # Errors
/// As [`registry::runner`].
pub fn warnings(experiment: &Experiment) -> Result<Vec<Warning>, Error> {
    let grid = experiment.grid();
    let cautions = registry::runner(experiment, &grid, None)?.cautions();
    Ok(experiment.warnings().iter().cloned().chain(cautions.into_iter().map(Warning::from)).collect())
}

/// Forecasts a run on the current rayon thread pool.
///
/// # Errors
/// As [`simulation::run`].
pub fn forecast(experiment: &Experiment) -> Result<Forecast, Error> {
    if experiment.volume().is_some() {
        return forecast_volume(experiment);
    }
    let run = &experiment.run;
    let per_time = legs_per_time(experiment)?;
    // Of one particle, in legs or steps.
    let in_legs = |span: Span| match span {
        Span::Legs(legs) => legs as f64,
        Span::Duration(duration) => duration * per_time,
    };
    let span = in_legs(run.span);
    let burn_in = match run.burn_in {
        Some(burn_in) => in_legs(burn_in),
        None => {
            let relaxed =
                (sampling::burn_in(run.sampling) * experiment.relaxation_time() * per_time).min(span);
            relaxed.max(experiment.least_burn_in())
        }
    };
    let legs = run.particles as f64 * (span + burn_in);

    // Of short runs as many particles as the effort allows, or what is done once outweighs the legs.
    let affordable = EFFORT / (span + burn_in).max(1.0);
    // What walkers of a group know of each other depends on how many they are.
    let together = run.sampling == Sampling::ArrayRqmc;
    let particles = match experiment.model.mixture {
        // Populations and fields are as large as they are; fewer of them will do.
        Some(_) => run.particles / run.groups as u64 * run.groups.min(GROUPS) as u64,
        None if together => run.particles / run.groups as u64 * run.groups.min(GROUPS) as u64,
        None => run.particles.min(PARTICLES.max(affordable as u64)),
    }
    .max(1);
    let effort = (EFFORT / particles as f64).min(span).max(ROUNDS as f64);
    let timed = Timed { marks: Mutex::default() };
    let mut pilot = experiment.clone();
    pilot.run.particles = particles;
    pilot.run.groups = run.groups.min(GROUPS).min(particles as usize);
    pilot.run.until = None;
    // A leg costs the same whether or not somebody looks; but single trajectories are followed event by event.
    pilot.measure.times.clear();
    pilot.run.rounds = ROUNDS;
    pilot.run.seed = run.seed ^ 0x7069_6c6f_7400_0000;
    let of_effort = |share: f64| match run.span {
        Span::Legs(_) => Span::Legs((share * effort).ceil() as u64),
        Span::Duration(_) => Span::Duration(share * effort / per_time),
    };
    pilot.run.span = of_effort(1.0);
    pilot.run.burn_in = Some(of_effort((burn_in / effort).min(0.5)));
    let summary = simulation::run(&pilot, &timed)?;
    let done = particles as f64 * effort;
    let nanoseconds_per_leg = timed.seconds() * 1e9 / (done * (1.0 - 1.0 / ROUNDS as f64));

    let memory = |legs: f64| legs / (experiment.relaxation_time() * per_time).max(f64::MIN_POSITIVE);
    let settled = memory((burn_in / effort).min(0.5) * effort) >= FORGOTTEN;
    let soret = summary.quantities.iter().find(|q| q.name == "soret").and_then(|q| q.rows.first());
    let averages = experiment.measure.times.is_empty();
    // Before the start is forgotten a net says nothing about its errors afterwards.
    let soret = soret
        .filter(|_| averages && (settled || !together))
        .and_then(|row| row.estimate.estimate())
        .map(|e| {
            let spread = e.std_error * (particles as f64 / averaging(memory(effort))).sqrt();
            let error = spread * (averaging(memory(span)) / run.particles as f64).sqrt();
            SoretForecast { value: e.value, pilot_error: e.std_error, settled, error }
        });
    let seconds = nanoseconds_per_leg * 1e-9 * legs;
    Ok(Forecast {
        legs,
        burn_in_share: burn_in / (span + burn_in),
        memory_bytes: memory_bytes(experiment),
        nanoseconds_per_leg,
        seconds,
        threads: rayon::current_num_threads(),
        relaxation_time: experiment.relaxation_time(),
        soret,
    })
}

/// Most realisations of a pilot run of a well-mixed volume.
const REALISATIONS: u64 = 1024;

/// The same of realisations of a well-mixed volume: a few of them to the end, whose reactions are counted.
fn forecast_volume(experiment: &Experiment) -> Result<Forecast, Error> {
    let run = &experiment.run;
    let realisations = run.realisations.unwrap_or(run.groups as u64);
    let mut pilot = experiment.clone();
    let few = realisations.min(REALISATIONS);
    pilot.run.realisations = Some(few);
    pilot.run.groups = run.groups.min(GROUPS).min(few as usize);
    pilot.run.seed = run.seed ^ 0x7069_6c6f_7400_0000;
    let begin = Instant::now();
    let done = sampling::sample(&pilot, &())?.legs().max(1) as f64;
    let seconds = begin.elapsed().as_secs_f64();
    let more = realisations as f64 / few as f64;
    let species = experiment.model.network.states().len() as u64;
    Ok(Forecast {
        legs: done * more,
        burn_in_share: 0.0,
        memory_bytes: realisations * species * 8,
        nanoseconds_per_leg: seconds * 1e9 / done,
        seconds: seconds * more,
        threads: rayon::current_num_threads(),
        relaxation_time: experiment.relaxation_time(),
        soret: None,
    })
}

/// Variance of a mean over `t` memory times of one particle, relative to that of a snapshot:
/// `2 (t - 1 + exp(-t))/t^2` for an exponential memory.
pub(crate) fn averaging(t: f64) -> f64 {
    if t < 1e-4 { 1.0 - t / 3.0 } else { 2.0 * (t - 1.0 + libm::exp(-t)) / (t * t) }
}

/// Legs or steps of one particle per time: the largest mean over the states, like the burn-in.
pub(crate) fn legs_per_time(experiment: &Experiment) -> Result<f64, Error> {
    if let Some(dt) = experiment.method.dt() {
        return Ok(1.0 / dt);
    }
    let grid = experiment.grid();
    let dwell = registry::runner(experiment, &grid, None)?.dwell();
    let at = |bin: usize| -> f64 {
        let cell = grid.cells_per_bin * bin;
        let p = experiment.model.local_equilibrium(grid.cell_middle(cell));
        p.iter().zip(&dwell).map(|(p, dwell)| p / dwell[cell]).sum()
    };
    Ok((0..grid.bins).map(at).fold(0.0, f64::max))
}

/// Columns of the walkers, tallies and opening counts of every group; with velocities their tallies, and the walkers
/// as they were when scoring began.
fn memory_bytes(experiment: &Experiment) -> u64 {
    let grid = experiment.grid();
    let cells = grid.cells() as u64;
    let states = experiment.model.network.states().len() as u64;
    let channels = 2 * experiment.model.network.edges().len() as u64;
    let mut walker = (size_of::<Position>() + size_of::<u16>()) as u64;
    let per_cell = (4 + 8) * (states + channels) + 2 * 8 + 8 * states;
    let mut group = size_of::<Profile>() as u64 + cells * per_cell;
    if experiment.motion == Motion::Underdamped {
        walker = 2 * (walker + size_of::<f64>() as u64);
        group += PhaseSpace::new(&experiment.model, &grid).bytes();
    }
    if let Some(coordinates) = &experiment.model.coordinates {
        walker += (coordinates.axes.len() * size_of::<f64>()) as u64;
        // Wherever its box ends.
        group += InternalSpace::new(&experiment.model, &grid, 0, [0.0, 1.0]).bytes();
    }
    if let (Some(mixture), Some(method)) = (&experiment.model.mixture, experiment.method.cells()) {
        // Sightings and gains of every species, passages of every way, per cell in which they are scored.
        let scored = match experiment.method {
            Method::MeanField { .. } => {
                walker *= mixture.laws().len() as u64;
                FINE * method
            }
            _ => method,
        };
        group += scored as u64 * (16 * states + 16 * mixture.reactions().len() as u64);
    }
    if let Some(reach) = &experiment.reach {
        walker += (reach.ends.len() * size_of::<f64>()) as u64;
        // Three counts on the plane of x and a coordinate, heat and energy per cell.
        group += (grid.bins * grid.across * 3 * 8) as u64 + cells * 3 * 8;
    }
    experiment.run.particles * walker + experiment.run.groups as u64 * group
}

/// Notes when rounds end.
struct Timed {
    marks: Mutex<Vec<Instant>>,
}

impl Timed {
    /// From the end of the first round to that of the last.
    fn seconds(&self) -> f64 {
        let marks = self.marks.lock().map(|m| m.clone()).unwrap_or_default();
        let span = marks.first().zip(marks.last()).map(|(first, last)| *last - *first);
        span.unwrap_or(Duration::ZERO).as_secs_f64()
    }
}

impl Observer for Timed {
    fn tick(&self, _share: f64) {}
    fn after_round(&self, _progress: &Progress) -> Control {
        if let Ok(mut marks) = self.marks.lock() {
            marks.push(Instant::now());
        }
        Control::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_goes_from_a_snapshot_to_many() {
        assert_eq!(averaging(0.0), 1.0);
        assert!((averaging(1e-4) - averaging(0.999e-4)).abs() < 1e-6);
        assert!((averaging(1e6) * 1e6 - 2.0).abs() < 1e-5);
    }

    #[test]
    fn a_forecast_is_near_what_happens() {
        let text = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 + 0.8*x",
            "states": [{"name": "A", "energy": 1, "diffusivity": 0.1}, {"name": "B", "diffusivity": 0.01}],
            "transitions": [{"between": ["A", "B"], "attempt_rate": 10, "barrier": 1.5}],
            "run": {"particles": 4096, "legs": 20000}}"#;
        let experiment = Experiment::from_str("t", "t.json", text).unwrap();
        let forecast = forecast(&experiment).unwrap();
        let summary = simulation::run(&experiment, &()).unwrap();
        let soret = summary.quantities.iter().find(|q| q.name == "soret").unwrap();
        let actual = soret.rows[0].estimate.estimate().unwrap();
        let expected = forecast.soret.unwrap();
        let ratio = expected.error / actual.std_error;
        assert!((0.4..2.5).contains(&ratio), "{expected:?} {actual:?}");
        assert!((expected.value - actual.value).abs() < 5.0 * expected.pilot_error);
        let burn_in = summary.run.burn_in * 4096.0;
        assert!((forecast.legs / (summary.run.legs as f64 + burn_in) - 1.0).abs() < 0.05, "{forecast:?}");
        assert!(forecast.memory_bytes > 10 * 4096 && forecast.seconds > 0.0);
    }
}
