//! What a run has to say, as plain data: everything printed, written or drawn comes from here.

use super::assisted::AssistedSummary;
use crate::observable::{Instant, Observable};
use crate::phase_space::REACH;
use crate::stats::Outcome;
use crate::verification::{Question, Verification};
use serde::{Deserialize, Serialize};

pub use crate::experiment::{FORMAT_VERSION, Sampling, Warning};

/// The whole result of a run: a function of the experiment file and the seed alone (times, machine and
/// paths stand in the manifest).
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Layout version.
    pub format_version: u32,
    /// Name of the experiment (the file's stem).
    pub name: String,
    /// Title from the file.
    pub title: String,
    /// Claim from the file: equation or figure.
    pub claim: String,
    /// Conventions that a reader must know: units, sign of currents, Ito.
    pub conventions: Vec<String>,
    /// How the particles were advanced.
    pub run: RunSummary,
    /// Length of the domain.
    pub length: f64,
    /// Number of reported bins.
    pub bins: usize,
    /// Names of the states, in file order.
    pub states: Vec<String>,
    /// Names of the internal coordinates, in file order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coordinates: Vec<String>,
    /// Everything measured, beside theory where there is one.
    pub quantities: Vec<Quantity>,
    /// The continuum theory that stands beside it.
    pub theory: Option<TheorySummary>,
    /// Whether simulation and theory agree.
    pub comparison: Option<ComparisonSummary>,
    /// What the trajectories say of the equations that they were made from.
    pub checks: Option<Verification>,
    /// The numbers behind the checks.
    #[serde(skip)]
    pub questions: Vec<Question>,
    /// Estimates with smaller errors, beside the raw ones; none where there are none to be had ([`crate::assisted::refusal`]).
    #[serde(skip)]
    pub assisted: Option<AssistedSummary>,
    /// Why there are none, where there was a run.
    #[serde(skip)]
    pub unassisted: Option<String>,
    /// Integer identities of the tallying, reported apart from the statistics.
    pub invariants: Vec<Invariant>,
    /// What a reader should be warned about.
    pub warnings: Vec<Warning>,
}

impl Summary {
    /// Whether particles react: concentrations were looked at.
    pub fn reacts(&self) -> bool {
        use Instant::MeanConcentration as At;
        let mean = |o: Observable| matches!(o, Observable::MeanConcentration(_) | Observable::At(_, At(_)));
        self.quantities.iter().any(|q| mean(q.observable))
    }

    /// Whether numbers in a well-mixed volume were looked at.
    pub fn counts(&self) -> bool {
        self.quantities.iter().any(|q| matches!(q.observable, Observable::At(_, Instant::Number(_))))
    }

    /// Whether velocities were looked at: the run, or the law, of underdamped particles.
    pub fn in_phase_space(&self) -> bool {
        self.quantities.iter().any(|q| matches!(q.observable.axis(), Some("v" | "speed")))
    }

    /// Whether the plane of x and an internal coordinate was looked at.
    pub fn in_plane(&self) -> bool {
        self.quantities.iter().any(|q| q.observable.axis() == Some("q"))
    }

    /// Whether anything has a second coordinate of either kind.
    pub fn has_maps(&self) -> bool {
        self.quantities.iter().any(|q| q.observable.axis().is_some())
    }

    /// Whether the domain has no ends.
    pub fn on_ring(&self) -> bool {
        self.quantities.iter().any(|q| q.observable == Observable::MeanVelocity)
    }

    /// The observation times, in order; none for a run that averages.
    pub fn times(&self) -> Vec<f64> {
        let mut times: Vec<f64> = self.quantities.iter().filter_map(|q| q.time).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// At most so many of the observation times, evenly from the list, the first and the last among them.
    pub fn times_among(&self, most: usize) -> Vec<f64> {
        let times = self.times();
        match (times.len(), most) {
            (n, most) if n <= most => times,
            (_, 0) => Vec::new(),
            (_, 1) => times[..1].to_vec(),
            (n, most) => (0..most).map(|k| times[k * (n - 1) / (most - 1)]).collect(),
        }
    }

    /// What was seen at one moment.
    pub fn seen_at(&self, time: f64) -> impl Iterator<Item = (Instant, &Quantity)> {
        self.quantities.iter().filter(move |q| q.time == Some(time)).filter_map(|q| match q.observable {
            Observable::At(_, what) => Some((what, q)),
            _ => None,
        })
    }
}

/// How a run was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSummary {
    /// Whether all rounds were done; false after a signal.
    pub complete: bool,
    /// The method's name in the file, e.g. `exact`.
    pub method: String,
    /// What random words are to each other.
    #[serde(default)]
    pub sampling: Sampling,
    /// `legs` (untimed) or `duration` (timed legs).
    pub clock: String,
    /// In what numbers the kernel worked, with the bias that they may bring; for the manifest.
    #[serde(skip)]
    pub arithmetic: Option<String>,
    /// Seed of all streams.
    pub seed: u64,
    /// Number of particles.
    pub particles: u64,
    /// Number of independent groups, the unit of statistics.
    pub groups: usize,
    /// How it ended, where an error was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UntilSummary>,
    /// Legs per particle, when untimed.
    pub legs_per_particle: Option<u64>,
    /// Physical duration per particle, when timed.
    pub duration: Option<f64>,
    /// Legs or time per particle before tallying began.
    pub burn_in: f64,
    /// Rounds planned and done.
    pub rounds_planned: u64,
    /// Rounds done.
    pub rounds_done: u64,
    /// Legs scored in all, burn-in apart.
    pub legs: u64,
    /// Transitions in all, burn-in apart.
    pub transitions: u64,
    /// Physical time scored, summed over particles (its expectation when untimed).
    pub particle_time: f64,
}

/// How a run ended that was to end at a wanted error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UntilSummary {
    /// Which quantity.
    pub quantity: String,
    /// The state or transition it belongs to, if it belongs to one.
    pub of: Option<String>,
    /// Wanted error in parts of the value.
    pub relative_error: Option<f64>,
    /// Wanted error in the unit of the value.
    pub absolute_error: Option<f64>,
    /// Whether it was met.
    pub reached: bool,
    /// Standard error at the end.
    pub std_err: Option<f64>,
    /// Standard error wanted of the value at the end.
    pub target: Option<f64>,
    /// Legs or time per particle at which the target would be met on average.
    pub needed: Option<f64>,
    /// All of that in words.
    pub sentence: String,
}

/// One observable with all its rows.
#[derive(Clone, Debug, Serialize)]
pub struct Quantity {
    /// What it is.
    #[serde(skip)]
    pub observable: Observable,
    /// Its name, `observable.name()`.
    pub name: String,
    /// The state or transition it belongs to, if it belongs to one.
    pub of: Option<String>,
    /// The moment at which it was seen; none for averages over the run.
    pub time: Option<f64>,
    /// Dimension in words, e.g. `1/length`.
    pub unit: String,
    /// One row for the whole, or one per bin or interior face.
    pub rows: Vec<Row>,
}

/// `sqrt(kT/m)` in the middle of each bin, from a quantity on speeds: these reach up to [`REACH`] times as far.
pub fn thermal_speeds(quantity: &Quantity) -> Vec<f64> {
    let bins = quantity.rows.chunk_by(|a, b| a.x_lo == b.x_lo);
    bins.filter_map(|rows| Some(rows.last()?.across?[1] / REACH)).collect()
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Left end of the bin, or position of the face (then equal to `x_hi`); absent for the whole.
    pub x_lo: Option<f64>,
    /// Right end of the bin.
    pub x_hi: Option<f64>,
    /// Ends of the cell of the second coordinate (a velocity, an internal coordinate), where there is one; a current of
    /// slow particles has its speed at both, a current along the coordinate the edge that it passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub across: Option<[f64; 2]>,
    /// Value, standard error, 95 % interval; or null with a reason.
    pub estimate: Outcome,
    /// The same functional of the continuum solution.
    pub theory: Option<f64>,
    /// The same functional of the closed form for infinitely fast transitions, of underdamped particles for a short
    /// mean free path, where there is one. It fails within the layers at the walls and is never compared with the
    /// simulation.
    pub fast_limit: Option<f64>,
    /// Normal deviate of the t p-value of `estimate - theory`.
    pub z: Option<f64>,
}

/// The continuum solution in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct TheorySummary {
    /// What was solved.
    pub equation: String,
    /// Estimated relative error from refinement.
    pub error_estimate: f64,
    /// Elements and degree or whatever resolution was reached, in words.
    pub resolution: String,
    /// Thickness of the thickest layer at the left and the right wall, within which the closed forms of the
    /// fast-reaction limit fail (of underdamped particles: five mean free paths); none where that limit does not exist
    /// or has no layer.
    pub wall_layers: Option<[f64; 2]>,
    /// Wells of an internal coordinate as discrete states; none where there are no several wells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wells: Option<WellsSummary>,
}

/// What becomes of a coordinate with several wells if each is taken for one discrete state.
#[derive(Clone, Debug, Serialize)]
pub struct WellsSummary {
    /// Where the numbers of the states are taken: the middle of the domain.
    pub x: f64,
    /// The states, in the order of the coordinate.
    pub states: Vec<WellSummary>,
    /// The global Soret coefficient of `P_tot` that these states have, with their rates; `soret` of the whole coordinate
    /// stands among the quantities. 1/temperature.
    pub soret: Option<f64>,
    /// The same from the densities at the walls.
    pub soret_wall: Option<f64>,
    /// `Cov(E, D)/(<D> k_B T^2)` of the states at `x`, for fast transitions.
    pub soret_fast: Option<f64>,
}

/// A well as a discrete state.
#[derive(Clone, Debug, Serialize)]
pub struct WellSummary {
    /// The barriers on both sides, or the ends of the coordinate.
    pub between: [f64; 2],
    /// The minimum.
    pub bottom: f64,
    /// Fraction of particles.
    pub population: f64,
    /// Mean energy.
    pub energy: f64,
    /// Mean diffusivity along x, length^2/time.
    pub diffusivity: f64,
    /// Rate to the well at smaller values of the coordinate, 1/time.
    pub rate_down: Option<f64>,
    /// Rate to the well at larger values, 1/time.
    pub rate_up: Option<f64>,
}

/// The verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonSummary {
    /// Family-wise false-alarm probability over everything looked at.
    pub alpha: f64,
    /// Number of single comparisons.
    pub comparisons: usize,
    /// |z| beyond which a single comparison disagrees.
    pub critical_z: f64,
    /// Largest |z| seen, and where.
    pub worst_z: f64,
    /// Where the largest |z| was seen, in words.
    pub worst: String,
    /// Joint tests on stated contrasts.
    pub contrasts: Vec<Contrast>,
    /// The verdict; none where nothing was compared.
    pub agrees: Option<bool>,
    /// The verdict in words.
    pub sentences: Vec<String>,
}

/// One Hotelling test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contrast {
    /// What was contrasted, e.g. `density, cosine modes 1..8`.
    pub name: String,
    /// Hotelling's T^2.
    pub t_squared: f64,
    /// Number of contrasts.
    pub contrasts: usize,
    /// Its p-value.
    pub p_value: f64,
    /// Whether the p-value is above its share of alpha.
    pub agrees: bool,
}

/// An identity that holds in integers or to rounding, whatever the sampler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// Which identity.
    pub name: String,
    /// Whether it held.
    pub holds: bool,
    /// Numbers.
    pub detail: String,
}
