//! Experiment files: text to a typed run, and every mistake told with its place.
//!
//! The way of a file is `source` (text to a tree with places), `schema` (tree to parts, one function
//! per object, by means of `reader`), `build` (parts to a model, with the checks that need several of
//! them; `proof` for what must hold on the whole domain, `method` for the choice of one, `advice` for warnings). A new key is one line where its object is read and one in `json_schema`, held together by a test;
//! a new kind of method or motion is one arm of its choice.

mod advice;
mod build;
mod coordinates;
mod diagnostics;
mod example;
mod json_schema;
mod measure;
mod method;
mod proof;
mod reactions;
mod reader;
pub mod registry;
mod sampling;
mod scan;
mod schema;
mod setting;
mod source;
mod start;
mod temperature;
mod until;
mod warning;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use example::{EXAMPLES, Example};
pub use json_schema::json_schema;
pub use scan::Scan;
pub use setting::Setting;
pub use source::{MAX_BYTES, MAX_DEPTH};
pub use until::Until;
pub use warning::Warning;

use crate::error::Error;
use crate::grid::Grid;
use crate::internal_space;
use crate::kernel::Span;
use crate::kernel::start::Start;
use crate::model::{Field, Model, RateLaw, Reach, Units};
use crate::observable::{Instant, Observable, Support};
use crate::phase_space::{self, SPEEDS};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// Version of the layout of the experiment file and of every output.
pub const FORMAT_VERSION: u32 = 1;

/// The key of a span in the file, and its value.
fn entry(span: Span) -> (&'static str, Value) {
    match span {
        Span::Legs(legs) => ("legs", legs.into()),
        Span::Duration(duration) => ("duration", duration.into()),
    }
}

/// A checked experiment: what to simulate, how, and what to measure.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name: the stem of the file.
    pub name: String,
    /// Title from the file; may be empty.
    pub title: String,
    /// Equation or figure that it is about; may be empty.
    pub claim: String,
    /// Notes at the top of the file; may be empty.
    pub notes: String,
    /// The equations. The temperature is proven positive and finite on the whole domain, and every
    /// rate is finite.
    pub model: Model,
    /// What the file says about each edge of `model.network` beyond its equation, in the same order.
    pub transitions: Vec<Transition>,
    /// How particles move.
    pub motion: Motion,
    /// How they are advanced.
    pub method: Method,
    /// How many, how long, from where.
    pub run: RunPlan,
    /// What is measured.
    pub measure: MeasurePlan,
    /// Named parameters with their values, in file order.
    pub parameters: Vec<(String, f64)>,
    /// The temperature as written in the file, with parameters evaluated and tables read in: a number, an
    /// expression in a string, or a table or steps.
    pub temperature: Value,
    /// The units of temperature and energy.
    pub units: Units,
    /// Mean concentration of every species over the domain at the start, where particles react.
    pub concentrations: Vec<f64>,
    /// The box of the internal coordinates, where there are any.
    pub reach: Option<Reach>,
    /// What a reader should know about the equations.
    pub warnings: Vec<Warning>,
}

/// What a file says about an edge beyond its equation.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Its name, unique; from the file, or made of its two states: `excited-ground`.
    pub name: String,
}

/// How particles move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Without inertia: a diffusion.
    Overdamped,
    /// With inertia: states have a mass and a friction, particles a velocity.
    Underdamped,
}

/// How particles are advanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Exact displacements between candidate transitions; no time step.
    Exact {},
    /// Transitions at frozen position, then a displacement by the local diffusivity, step by step.
    EulerMaruyama {
        /// The time step, positive.
        dt: f64,
    },
    /// Underdamped particles: force, flight, bath, flight, force, with the bath where the particle is.
    Baoab {
        /// The time step, positive.
        dt: f64,
    },
    /// Internal coordinates by the implicit midpoint rule, accepted or rejected, between exact moves.
    Midpoint {
        /// The time step, positive.
        dt: f64,
    },
    /// Internal coordinates by Langevin proposals, accepted or rejected, between exact moves.
    Mala {
        /// The time step, positive.
        dt: f64,
    },
    /// Internal coordinates by Heun's step between exact moves.
    Heun {
        /// The time step, positive.
        dt: f64,
    },
    /// The same with a bath that makes the currents of a bulk in a gradient exact.
    BaoabFlux {
        /// The time step, positive.
        dt: f64,
    },
    /// Populations of particles that react in cells, between moves.
    Pairs {
        /// Number of cells, a multiple of that of bins.
        cells: usize,
        /// The time step, positive.
        dt: f64,
    },
    /// Units that react with the concentrations of all others, which hold for a window of time.
    MeanField {
        /// Number of cells in which concentrations are known, a multiple of that of bins.
        cells: usize,
        /// Length of a window: legs, or with times of observation a duration.
        #[serde(serialize_with = "bare")]
        window: Span,
    },
    /// Numbers of particles that react in one volume without space, with the rates at a place.
    WellMixed {
        /// The place.
        x: f64,
    },
}

/// A span as its number alone, where what it counts follows from the run.
fn bare<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    entry(*span).1.serialize(serializer)
}

impl Method {
    /// Its name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Exact {} => "exact",
            Method::EulerMaruyama { .. } => "euler_maruyama",
            Method::Midpoint { .. } => "midpoint",
            Method::Mala { .. } => "mala",
            Method::Heun { .. } => "heun",
            Method::Baoab { .. } => "baoab",
            Method::BaoabFlux { .. } => "baoab_flux",
            Method::Pairs { .. } => "pairs",
            Method::MeanField { .. } => "mean_field",
            Method::WellMixed { .. } => "well_mixed",
        }
    }

    /// The motion that it samples.
    pub fn motion(&self) -> Motion {
        match self {
            Method::Exact {}
            | Method::EulerMaruyama { .. }
            | Method::Midpoint { .. }
            | Method::Mala { .. }
            | Method::Heun { .. }
            | Method::Pairs { .. }
            | Method::MeanField { .. }
            | Method::WellMixed { .. } => Motion::Overdamped,
            Method::Baoab { .. } | Method::BaoabFlux { .. } => Motion::Underdamped,
        }
    }

    /// Its time step, if it has one.
    pub fn dt(&self) -> Option<f64> {
        match self {
            Method::Exact {} | Method::MeanField { .. } | Method::WellMixed { .. } => None,
            Method::EulerMaruyama { dt }
            | Method::Midpoint { dt }
            | Method::Mala { dt }
            | Method::Heun { dt }
            | Method::Baoab { dt }
            | Method::BaoabFlux { dt }
            | Method::Pairs { dt, .. } => Some(*dt),
        }
    }

    /// Its cells, if particles react in some.
    pub fn cells(&self) -> Option<usize> {
        match self {
            Method::Pairs { cells, .. } | Method::MeanField { cells, .. } => Some(*cells),
            _ => None,
        }
    }

    /// The same method with another time step, if it has one.
    pub fn with_dt(self, dt: f64) -> Self {
        match self {
            Method::Exact {} | Method::MeanField { .. } | Method::WellMixed { .. } => self,
            Method::EulerMaruyama { .. } => Method::EulerMaruyama { dt },
            Method::Midpoint { .. } => Method::Midpoint { dt },
            Method::Mala { .. } => Method::Mala { dt },
            Method::Heun { .. } => Method::Heun { dt },
            Method::Baoab { .. } => Method::Baoab { dt },
            Method::BaoabFlux { .. } => Method::BaoabFlux { dt },
            Method::Pairs { cells, .. } => Method::Pairs { cells, dt },
        }
    }
}

/// What random words are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Independent.
    #[default]
    MonteCarlo,
    /// Those of a leg of all walkers of a group are a net with a random shift.
    ArrayRqmc,
}

impl Sampling {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Sampling::MonteCarlo => "monte_carlo",
            Sampling::ArrayRqmc => "array_rqmc",
        }
    }
}

/// How many particles are followed for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPlan {
    /// Number of particles, at least `groups`; where they react, those at the start over all groups; in a mean field units of each
    /// kind.
    pub particles: u64,
    /// Where they react, how many make up one unit of concentration times length; every group is one population. None in a mean
    /// field, which is that of infinitely many.
    pub system_size: Option<f64>,
    /// In a well-mixed volume, how many realisations of it there are over all groups.
    pub realisations: Option<u64>,
    /// Number of independent groups, at least 32: the unit of parallel work and of statistics.
    pub groups: usize,
    /// Number of rounds into which the run is divided, at least 1 and, for legs, at most their number.
    pub rounds: u64,
    /// Length of the run after the burn-in, for each particle; where an error is wanted, at most.
    pub span: Span,
    /// The error at which the run may end before that; not with observation times.
    pub until: Option<Until>,
    /// Length of the burn-in, of the same kind as `span`; `None` leaves it to the method.
    pub burn_in: Option<Span>,
    /// Where particles start.
    pub start: Start,
    /// Seed of all random numbers.
    pub seed: u64,
    /// What random words are to each other; all but independent ones only for untimed legs.
    pub sampling: Sampling,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasurePlan {
    /// Number of reported bins.
    pub bins: usize,
    /// Times at which all particles are looked at, increasing; without any, the run is averaged over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<f64>,
    /// Thermodynamics of single trajectories, if it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectories: Option<Trajectories>,
}

/// Trajectory thermodynamics: heat, work and entropy of pieces of single trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trajectories {
    /// Duration of each piece.
    pub segment: f64,
}

impl RunPlan {
    /// So many particles for so many untimed legs each, everything else as in a file that says no more.
    pub fn legs(particles: u64, legs: u64) -> Self {
        RunPlan {
            particles,
            system_size: None,
            realisations: None,
            groups: schema::DEFAULT_GROUPS.min(particles) as usize,
            rounds: schema::DEFAULT_ROUNDS.min(legs),
            span: Span::Legs(legs),
            until: None,
            burn_in: None,
            start: Start::LocalEquilibrium,
            seed: schema::DEFAULT_SEED,
            sampling: Sampling::MonteCarlo,
        }
    }
}

impl Experiment {
    /// An experiment on a model made in Rust, whose fields may be closures: exact legs, 50 bins, reduced
    /// units. Everything else can be changed in its public fields. What a file would be refused for (a
    /// temperature that is not positive, rates without bounds) is an error when it is run.
    pub fn new(name: impl Into<String>, model: Model, run: RunPlan) -> Self {
        let states = model.network.states();
        let edge = |(k, e): (usize, &crate::model::Edge)| {
            let [a, b] = e.between.map(|s| states[s].name.as_str());
            Transition { name: format!("{a}-{b} ({k})") }
        };
        Experiment {
            name: name.into(),
            title: String::new(),
            claim: String::new(),
            notes: String::new(),
            transitions: model.network.edges().iter().enumerate().map(edge).collect(),
            motion: Motion::Overdamped,
            method: Method::Exact {},
            run,
            measure: MeasurePlan {
                bins: schema::DEFAULT_BINS as usize,
                times: Vec::new(),
                trajectories: None,
            },
            parameters: Vec::new(),
            temperature: model.temperature.describe().into(),
            units: Units::default(),
            concentrations: Vec::new(),
            reach: model.coordinate_reach().ok().filter(|_| model.coordinates.is_some()),
            warnings: Vec::new(),
            model,
        }
    }

    /// Reads an experiment from its text. `name` is the experiment's, `file` is how messages call the
    /// file.
    ///
    /// # Errors
    /// [`Error::Input`] with all mistakes of the text. A text cannot name further files, because it stands
    /// in no folder.
    pub fn from_str(name: &str, file: &str, text: &str) -> Result<Self, Error> {
        Self::from_text(name, file, text, None, &[])
    }

    /// The same with settings put in, and with the folder in which files are that it names; without one it
    /// can name none.
    fn from_text(
        name: &str,
        file: &str,
        text: &str,
        folder: Option<&Path>,
        settings: &[Setting],
    ) -> Result<Self, Error> {
        let changed = setting::apply(text, settings)?;
        let reports = reader::Reports::new(&changed.text);
        let tree = match source::parse(&changed.text) {
            Ok(tree) => tree,
            Err(mistake) => return Err(one_mistake(file, text, *mistake)),
        };
        let root = reader::Cursor::root(&tree, &reports);
        let parts = schema::read(&root, folder);
        let experiment = parts.and_then(|parts| build::build(name, parts, &root, &reports));
        match (reports.into_diagnostics(file), experiment) {
            (None, Some(experiment)) => Ok(experiment),
            (Some(diagnostics), _) => Err(Error::Input(changed.trace(diagnostics))),
            (None, None) => Err(Error::Numeric(format!(
                "{file}: the experiment could not be read, and no mistake was found in it"
            ))),
        }
    }

    /// Reads an experiment file; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Input`] with all mistakes in it. A file
    /// larger than [`MAX_BYTES`] is refused before it is read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, &[])
    }

    /// Reads an experiment file with settings put in, one after the other.
    ///
    /// # Errors
    /// As [`Experiment::read`], and [`Error::Usage`] where the path of a setting leads nowhere.
    pub fn read_with(path: &Path, settings: &[Setting]) -> Result<Self, Error> {
        Text::read(path)?.with(settings)
    }

    /// Reads an experiment file once and makes an experiment of every point of the scans, each with `settings`
    /// put in first; points as by [`Scan::points`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; the mistakes of each point stand in its place.
    pub fn read_scanned(
        path: &Path,
        settings: &[Setting],
        scans: &[Scan],
    ) -> Result<Vec<Result<Self, Error>>, Error> {
        let text = Text::read(path)?;
        let point = |at: Vec<usize>| {
            let scanned = scans.iter().zip(at).map(|(scan, k)| scan.setting(k));
            let all: Result<Vec<Setting>, Error> = settings.iter().cloned().map(Ok).chain(scanned).collect();
            text.with(&all?)
        };
        Ok(Scan::points(scans).into_iter().map(point).collect())
    }

    /// The configuration as run: every default filled in, every number evaluated, keys in a fixed
    /// order, notes left out because they change nothing. It is an experiment file itself, and reading
    /// it gives the same experiment.
    pub fn canonical(&self) -> Value {
        let number = |v: &f64| Value::from(*v);
        let parameters: Map<String, Value> =
            self.parameters.iter().map(|(name, value)| (name.clone(), number(value))).collect();
        let states = self.model.network.states();
        let transitions: Vec<Value> = self
            .model
            .network
            .edges()
            .iter()
            .zip(&self.transitions)
            .map(|(edge, transition)| {
                let mut map = Map::new();
                map.insert("name".into(), transition.name.clone().into());
                map.insert("between".into(), json!(edge.between.map(|i| states[i].name.as_str())));
                match &edge.law {
                    RateLaw::Activated { attempt_rate, barrier, affinity } => {
                        map.insert("attempt_rate".into(), number(attempt_rate));
                        map.insert("barrier".into(), number(barrier));
                        map.insert("affinity".into(), number(affinity));
                    }
                    RateLaw::Free { forward, backward } => {
                        let given = [("forward", forward), ("backward", backward)].into_iter();
                        let rates =
                            given.filter_map(|(key, f)| Some((key.to_owned(), law(f.as_ref()?.as_ref()))));
                        map.insert("rate".into(), Value::Object(rates.collect()));
                    }
                }
                Value::Object(map)
            })
            .collect();
        let mut canonical = json!({
            "format_version": FORMAT_VERSION,
            "title": self.title,
            "claim": self.claim,
            "parameters": parameters,
            "domain": self.model.domain,
            "temperature": self.temperature,
            "states": states
                .iter()
                .map(|s| {
                    let mut state = json!({ "name": s.name, "energy": s.energy, "entropy": s.entropy });
                    if self.model.coordinates.is_none() {
                        let (key, field) = s.motility.parts();
                        state[key] = law(field.as_ref());
                    }
                    if let Some(mass) = s.mass {
                        state["mass"] = mass.into();
                    }
                    for (key, field) in [("potential", &s.potential), ("drift", &s.drift)] {
                        if let Some(field) = field {
                            state[key] = law(field.as_ref());
                        }
                    }
                    state
                })
                .collect::<Vec<_>>(),
            "transitions": transitions,
            "motion": self.motion,
            "method": self.method,
            "run": self.canonical_run(),
            "measure": self.measure,
        });
        if let Some(potential) = &self.model.potential {
            canonical["potential"] = law(potential.as_ref());
        }
        if let Some(coordinates) = &self.model.coordinates {
            coordinates::write(coordinates, &mut canonical);
        }
        if let Some(mixture) = &self.model.mixture {
            let moving = !matches!(self.method, Method::WellMixed { .. });
            reactions::write(mixture, &self.concentrations, moving, &mut canonical);
        }
        if let Units::Kelvin(energy) = self.units {
            canonical["units"] = json!({ "temperature": "K", "energy": energy });
        }
        canonical
    }

    fn canonical_run(&self) -> Value {
        let run = &self.run;
        let mut map = Map::new();
        match run.system_size {
            Some(size) => map.insert("system_size".into(), size.into()),
            None => map.insert("particles".into(), run.particles.into()),
        };
        if let Some(realisations) = run.realisations {
            map.insert("realisations".into(), realisations.into());
        }
        if self.measure.times.is_empty() {
            let (key, value) = entry(run.span);
            map.insert(key.into(), value);
        }
        if let Some(until) = &run.until {
            map.insert("until".into(), until.canonical(&self.model.network));
        }
        if let (Some(burn_in), None) = (run.burn_in, run.realisations) {
            map.insert("burn_in".into(), entry(burn_in).1);
        }
        map.insert("groups".into(), run.groups.into());
        map.insert("rounds".into(), run.rounds.into());
        let states = self.model.network.states();
        if self.model.mixture.is_none() {
            map.insert("start".into(), start::canonical(&run.start, |s| states[s].name.as_str()));
        }
        map.insert("seed".into(), run.seed.into());
        // What stood in no file before it could be chosen: old ones keep their form.
        if run.sampling != Sampling::MonteCarlo {
            map.insert("sampling".into(), run.sampling.name().into());
        }
        Value::Object(map)
    }

    /// The grid on which everything is reported.
    pub fn grid(&self) -> Grid {
        let grid = Grid::new(self.model.domain.length, self.measure.bins);
        if let Some(volume) = self.volume() {
            return grid.with_across(volume.cells());
        }
        match (self.motion, &self.reach) {
            (Motion::Underdamped, _) => grid.with_across(SPEEDS),
            (_, Some(_)) => grid.with_across(internal_space::CELLS),
            (_, None) => grid,
        }
    }

    /// Ends of entry `k` of an observable along a second coordinate, where it has one: a cell of velocity or of an
    /// internal coordinate, or twice the speed or the edge.
    pub fn across(&self, observable: Observable, grid: &Grid, k: usize) -> Option<[f64; 2]> {
        use Observable::*;
        let state = match observable {
            At(_, Instant::NumberLaw(s)) => {
                let scale = *self.volume()?.scales.get(s)?;
                return (k < scale.cells).then(|| scale.ends(k).map(|n| n as f64));
            }
            PhaseDensity(s) | SlowCurrent(s) | FastCurrent(s) => s,
            PlaneDensity | PlaneCurrentAlong | PlaneCurrentAcross => {
                let [lo, hi] = *self.reach.as_ref()?.ends.first()?;
                let edge = |k: usize| lo + (hi - lo) * k as f64 / grid.across as f64;
                return Some(match observable.support() {
                    Support::PlaneEdges => [edge(k % (grid.across - 1) + 1); 2],
                    _ => [edge(k % grid.across), edge(k % grid.across + 1)],
                });
            }
            _ => return None,
        };
        let edge = |bin: usize, cell: usize| phase_space::edge(&self.model, grid, state, bin, cell);
        match observable.support() {
            Support::Plane => {
                let (bin, cell) = (k / SPEEDS, k % SPEEDS);
                Some([edge(bin, cell), edge(bin, cell + 1)])
            }
            Support::Speeds => {
                let (bin, cell) = (k / (SPEEDS / 2), k % (SPEEDS / 2));
                Some([edge(bin, SPEEDS / 2 + cell + 1); 2])
            }
            _ => None,
        }
    }

    /// The state or directed transition that an observable belongs to, by name.
    pub fn label(&self, observable: Observable) -> Option<String> {
        use Observable::*;
        let network = &self.model.network;
        let state = |s: usize| network.states()[s].name.clone();
        match observable {
            StateDensity(s)
            | PointStateDensity(s)
            | Population(s)
            | Current(s)
            | WindowCurrent(s)
            | MeanCurrent(s)
            | KineticTemperature(s)
            | SlowCurrent(s)
            | FastCurrent(s)
            | PeakSlowCurrent(s)
            | CrossoverSpeed(s)
            | MaxwellDeviation(s)
            | PhaseDensity(s)
            | MeanConcentration(s)
            | Concentration(s) => Some(state(s)),
            NetRate(r) => self.equation(r),
            At(_, what) => match what {
                Instant::StateDensity(s) | Instant::Population(s) => Some(state(s)),
                Instant::Concentration(s) | Instant::MeanConcentration(s) => Some(state(s)),
                Instant::Number(s) | Instant::NumberVariance(s) | Instant::NumberLaw(s) => Some(state(s)),
                Instant::Mode(s, n) => Some(format!("{}, n = {n}", state(s))),
                _ => None,
            },
            WellPopulation(well) => Some(format!("well {}", well + 1)),
            CycleCurrent(e) | CycleFano(e) | UncertaintyProduct(e) => Some(self.transitions[e].name.clone()),
            TransitionRate(c) | Fano(c) => {
                let channel = network.channel(c);
                let name = &self.transitions[channel.edge].name;
                Some(format!("{name}: {} -> {}", state(channel.from), state(channel.to)))
            }
            _ => None,
        }
    }

    /// What a reader should know about the equations; what concerns a run is said by the run.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// The text of a file, before anything is put in.
struct Text<'p> {
    name: String,
    label: String,
    text: String,
    folder: &'p Path,
}

impl<'p> Text<'p> {
    /// Reads a file; `-` is standard input.
    fn read(path: &'p Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let (name, label, bytes) = if path == Path::new("-") {
            let bytes = read_some(std::io::stdin().lock()).map_err(io)?;
            ("stdin".to_owned(), "<stdin>".to_owned(), bytes)
        } else {
            let file = std::fs::File::open(path).map_err(io)?;
            let bytes = read_some(file).map_err(io)?;
            let stem = path.file_stem().unwrap_or(path.as_os_str());
            (stem.to_string_lossy().into_owned(), path.display().to_string(), bytes)
        };
        if bytes.len() > MAX_BYTES {
            let mistake =
                Diagnostic::new(0..0, "the file is too large").expected(format!("at most {MAX_BYTES} bytes"));
            return Err(one_mistake(&label, "", mistake));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Text { name, label, text, folder }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let mistake = Diagnostic::new(at..at + 1, "the file is not UTF-8 text")
                    .expected("UTF-8")
                    .found(format!("the byte 0x{:02X}", error.as_bytes()[at]));
                Err(one_mistake(&label, &text, mistake))
            }
        }
    }

    /// The experiment that it is with these settings put in.
    fn with(&self, settings: &[Setting]) -> Result<Experiment, Error> {
        Experiment::from_text(&self.name, &self.label, &self.text, Some(self.folder), settings)
    }
}

/// A diffusivity, friction, rate, potential or drift as it can stand in a file.
fn law(field: &dyn Field) -> Value {
    field.constant().map_or_else(|| field.describe().into(), Value::from)
}

/// At most one byte more than a file may have, so that too large a file is known as such.
fn read_some(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn one_mistake(file: &str, text: &str, mistake: Diagnostic) -> Error {
    let text = if text.len() > MAX_BYTES { "" } else { text };
    Error::Input(Diagnostics {
        file: source::printable(file),
        text: text.to_owned(),
        list: vec![mistake],
        omitted: 0,
    })
}
