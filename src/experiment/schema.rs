//! The experiment file, key by key: what each may hold, and what stands in for it when it is absent.
//!
//! One function reads one object; `temperature`, `start` and `measure` read theirs. Checks that need more than one
//! object are in `build`.

use super::coordinates::{self, CoordinatesPart, SurfacePart};
use super::diagnostics::Diagnostic;
use super::measure::{self, MeasurePart};
use super::reactions::{self, MixturePart};
use super::reader::{Cursor, Must, Object, Parameters, brief};
use super::source::quote;
use super::start::{self, StartPart};
use super::temperature;
use super::until::{self, UntilPart};
use super::{FORMAT_VERSION, Method, Motion, RunPlan, Sampling, sampling};
use crate::expression::Expression;
use crate::kernel::Span;
use crate::kernel::start::Start;
use crate::model::{Boundary, Domain, EnergyUnit, Field, InTemperature, Uniform, Units};
use limits::*;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The variables of diffusivities, frictions and rates.
const POSITION_AND_TEMPERATURE: [&str; 2] = ["x", "T"];

/// The largest and smallest numbers that a file may hold.
pub(super) mod limits {
    pub const MOST_PARAMETERS: usize = 1000;
    pub const MOST_STATES: usize = 1000;
    pub const MOST_TRANSITIONS: usize = 10_000;
    /// Units of solute in a particle at most.
    pub const LARGEST_CONTENT: u64 = 1_000_000;
    /// Most points of a table, and most steps.
    pub const MOST_POINTS: usize = 100_000;
    /// Longest names, in characters; a transition may be named after two states and numbered.
    pub const LONGEST_STATE: usize = 64;
    pub const LONGEST_TRANSITION: usize = 160;
    /// Longest expression, in bytes.
    pub const LONGEST_EXPRESSION: usize = 4096;
    /// Fewest groups: below that, intervals from groups are wide and their coverage is poor.
    pub const FEWEST_GROUPS: u64 = 32;
    pub const MOST_GROUPS: u64 = 65_536;
    pub const MOST_PARTICLES: u64 = 10_000_000_000;
    /// Most legs of a run in all, and most rounds: far beyond any run, far below what overflows.
    pub const MOST_LEGS: u64 = 1_000_000_000_000_000_000;
    pub const MOST_ROUNDS: u64 = 1_000_000;
    pub const MOST_BINS: u64 = 4096;
    /// Most cells in which particles react.
    pub const MOST_CELLS: u64 = 1_000_000;
    /// Most cells of a mean field.
    pub const MOST_FIELD_CELLS: u64 = 10_000;
    /// Most realisations of a well-mixed volume.
    pub const MOST_REALISATIONS: u64 = 100_000_000;
    /// Most times of observation.
    pub const MOST_TIMES: u64 = 1000;
}

pub(super) const DEFAULT_GROUPS: u64 = 64;
pub(super) const DEFAULT_ROUNDS: u64 = 20;
/// Legs of a window of a mean field.
pub(super) const DEFAULT_WINDOW: u64 = 96;
pub(super) const DEFAULT_REALISATIONS: u64 = 10_000;
pub(super) const DEFAULT_BINS: u64 = 50;
pub(super) const DEFAULT_SEED: u64 = 1;

/// What a file says, as far as it could be read. What is `None` has been noted as a mistake.
#[derive(Debug)]
pub(super) struct ExperimentFile<'a> {
    pub title: Option<String>,
    pub claim: Option<String>,
    pub notes: String,
    pub parameters: Parameters,
    pub domain: Option<Domain>,
    pub units: Option<Units>,
    pub temperature: Option<TemperaturePart<'a>>,
    /// Species and reactions, where particles react.
    pub mixture: Option<MixturePart<'a>>,
    /// Internal coordinates, where there are any.
    pub coordinates: Option<CoordinatesPart>,
    /// The common potential, where there is one.
    pub potential: Option<Option<FieldPart<'a>>>,
    /// The same, and the common diffusivity, as functions of internal coordinates.
    pub surfaces: [Option<SurfacePart<'a>>; 2],
    pub states: Option<Vec<StatePart<'a>>>,
    pub transitions: Option<Vec<TransitionPart<'a>>>,
    pub motion: Option<Motion>,
    pub method: Option<MethodPart<'a>>,
    pub run: Option<RunPart<'a>>,
    pub measure: Option<MeasurePart<'a>>,
}

/// The temperature with its place.
#[derive(Debug)]
pub(super) struct TemperaturePart<'a> {
    pub field: Arc<dyn Field>,
    /// As written, for the canonical form.
    pub written: serde_json::Value,
    pub at: Cursor<'a>,
}

/// One state with its place.
#[derive(Debug)]
pub(super) struct StatePart<'a> {
    pub name: Option<String>,
    pub energy: Option<f64>,
    pub entropy: Option<f64>,
    pub motility: Option<MotilityPart<'a>>,
    /// Its own potential, where it has one.
    pub potential: Option<Option<FieldPart<'a>>>,
    /// The same, and its own diffusivity, as functions of internal coordinates.
    pub surfaces: [Option<SurfacePart<'a>>; 2],
    /// Its drift velocity, where it has one.
    pub drift: Option<Option<LawPart<'a>>>,
    /// Its mass, where it has one.
    pub mass: Option<Option<f64>>,
    /// The name, or the entry where it has none.
    pub at: Cursor<'a>,
}

/// How a state moves.
#[derive(Debug)]
pub(super) enum MotilityPart<'a> {
    Diffusivity(LawPart<'a>),
    Friction(LawPart<'a>),
    /// By a diffusivity that depends on internal coordinates.
    Internal,
}

/// A number, or an expression in `x`, with its place.
#[derive(Debug)]
pub(super) struct FieldPart<'a> {
    pub field: Arc<dyn Field>,
    pub at: Cursor<'a>,
}

/// A number, or an expression in `x` and `T`, with its place.
#[derive(Debug)]
pub(super) struct LawPart<'a> {
    pub law: Law,
    pub at: Cursor<'a>,
}

/// A function of position and temperature, before the temperature is known.
#[derive(Clone, Debug)]
pub(super) enum Law {
    Number(f64),
    Expression(Expression),
}

impl Law {
    /// The function of position that it is at this temperature.
    pub fn field(&self, temperature: &Arc<dyn Field>) -> Arc<dyn Field> {
        match self {
            Law::Number(value) => Arc::new(Uniform(*value)),
            Law::Expression(law) => Arc::new(InTemperature::new(law.clone(), temperature.clone())),
        }
    }
}

/// One transition with its places.
#[derive(Debug)]
pub(super) struct TransitionPart<'a> {
    pub name: Option<(String, Cursor<'a>)>,
    pub between: Option<[(String, Cursor<'a>); 2]>,
    pub rates: Option<RatePart<'a>>,
    pub at: Cursor<'a>,
}

/// How fast the two directions of a transition are.
#[derive(Debug)]
pub(super) enum RatePart<'a> {
    Activated {
        attempt_rate: f64,
        barrier: f64,
        affinity: f64,
    },
    /// Forward and backward.
    Free(Box<[Option<LawPart<'a>>; 2]>),
}

/// A method, or none where the choice is left to the program; and where it is named, if anywhere.
#[derive(Debug)]
pub(super) struct MethodPart<'a> {
    pub given: Option<Method>,
    /// One of particles that react.
    pub reacting: Option<ReactingPart>,
    pub at: Option<Cursor<'a>>,
}

/// A method of particles that react, what is left out to be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReactingPart {
    Pairs {
        cells: Option<u64>,
        dt: Option<f64>,
    },
    /// With the length of a window.
    MeanField {
        cells: Option<u64>,
        window: Option<f64>,
    },
    /// With the place whose rates hold.
    WellMixed {
        x: Option<f64>,
    },
}

/// What a run follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Subject {
    /// Particles one by one.
    Walkers,
    /// Populations of particles that react.
    Populations,
    /// Units in a mean field, with a window of so many legs.
    Units { window: u64 },
    /// Realisations of a well-mixed volume.
    Volume,
}

/// A method by name.
enum Named {
    Auto,
    Of(Method),
    Reacting(ReactingPart),
}

/// The plan of the run, all but its start, with the place of its length.
#[derive(Debug)]
pub(super) struct RunPart<'a> {
    pub plan: RunPlan,
    pub start: StartPart<'a>,
    pub until: Option<UntilPart<'a>>,
    pub length: Cursor<'a>,
    /// Where the size of a system that reacts is given, if anywhere, else the run.
    pub size: Cursor<'a>,
}

/// Reads the whole file. `folder` is where the files are that it names, if it may name any.
pub(super) fn read<'a>(root: &Cursor<'a>, folder: Option<&Path>) -> Option<ExperimentFile<'a>> {
    let mut file = root.object()?;
    let notes = file.notes.clone();
    if let Some(at) = file.required("format_version") {
        version(&at);
    }
    let title = file.or("title", String::new(), |c| c.text().map(str::to_owned));
    let claim = file.or("claim", String::new(), |c| c.text().map(str::to_owned));
    let mut parameters = match file.optional("parameters") {
        Some(at) => parameters(&at),
        None => Parameters::default(),
    };
    let method = match file.optional("method") {
        None => Some(MethodPart { given: None, reacting: None, at: None }),
        Some(at) => method(&at, &parameters).map(|named| {
            let (given, reacting) = match named {
                Named::Auto => (None, None),
                Named::Of(method) => (Some(method), None),
                Named::Reacting(part) => (None, Some(part)),
            };
            MethodPart { given, reacting, at: Some(at) }
        }),
    };
    let spaceless =
        matches!(&method, Some(MethodPart { reacting: Some(ReactingPart::WellMixed { .. }), .. }));
    let mixture = reactions::read(&mut file, &parameters, spaceless);
    let reacting = mixture.is_some();
    let subject = match method.as_ref().and_then(|m| m.reacting) {
        _ if !reacting => Subject::Walkers,
        Some(ReactingPart::WellMixed { .. }) => Subject::Volume,
        Some(ReactingPart::MeanField { window, .. }) => {
            Subject::Units { window: window.map_or(DEFAULT_WINDOW, |legs| legs.max(1.0) as u64) }
        }
        _ => Subject::Populations,
    };
    let mixed = subject == Subject::Volume;
    let coordinates = match reacting {
        true => None,
        false => file.optional("coordinates").map(|at| coordinates::read(&at, &mut parameters)),
    };
    let internal = coordinates.is_some();
    let domain = match mixed {
        true => file
            .or("domain", Domain { length: 1.0, walls: Boundary::Reflecting }, |c| domain(&c, &parameters)),
        false => file.required("domain").and_then(|c| domain(&c, &parameters)),
    };
    let units = file.or("units", Units::Reduced, |c| units(&c));
    let length = domain.map(|d| d.length);
    let temperature =
        file.required("temperature").and_then(|c| temperature::read(&c, &parameters, length, folder));
    let (common, surface) = if reacting {
        (Some(None), None)
    } else if internal {
        (Some(None), file.required("potential").and_then(|c| coordinates::potential(c, &parameters)))
    } else {
        (file.or("potential", None, |c| potential(c, &parameters).map(Some)), None)
    };
    let motion = file.or("motion", Motion::Overdamped, |c| {
        let motion = motion(&c)?;
        if internal && motion == Motion::Underdamped {
            coordinates::without_inertia(&c);
            return None;
        }
        if reacting && motion == Motion::Underdamped {
            reactions::without_inertia(&c);
            return None;
        }
        Some(motion)
    });
    let ((states, diffusivity), transitions) = if reacting {
        reactions::without_mass(&mut file);
        ((None, None), None)
    } else {
        let states = states(&mut file, &parameters, motion, internal);
        (states, file.or("transitions", Vec::new(), |c| transitions(&c, &parameters)))
    };
    let run_at = file.required("run");
    let measured = measure::read(file.optional("measure"));
    let run = run_at.and_then(|c| run(&c, &parameters, measured.times.as_ref(), subject));
    file.finish();
    Some(ExperimentFile {
        title,
        claim,
        notes,
        parameters,
        domain,
        units,
        temperature,
        mixture,
        coordinates,
        potential: common,
        surfaces: [surface, diffusivity],
        states,
        transitions,
        motion,
        method,
        run,
        measure: measured.part,
    })
}

fn version(at: &Cursor<'_>) {
    if let Some(found) = at.integer(0..=u64::from(u32::MAX))
        && found != u64::from(FORMAT_VERSION)
    {
        at.push(
            at.mistake("this version of the file format is not known")
                .expected(FORMAT_VERSION.to_string())
                .found(found.to_string()),
        );
    }
}

/// Parameters in file order; each may use those before it.
fn parameters(at: &Cursor<'_>) -> Parameters {
    let mut known = Parameters::default();
    let Some(mut object) = at.object() else {
        return known;
    };
    let entries = object.entries();
    if entries.len() > MOST_PARAMETERS {
        at.push(
            at.mistake("too many parameters")
                .expected(format!("at most {MOST_PARAMETERS}"))
                .found(entries.len().to_string()),
        );
        return known;
    }
    known.later = entries.iter().map(|e| e.0.to_owned()).collect();
    for (name, span, value) in entries {
        if let Err(why) = usable_name(name).and_then(|()| not_a_coordinate(name)) {
            value.push(
                Diagnostic::new(span, "not a name for a parameter")
                    .at(value.path())
                    .expected("a letter, then letters, digits or _, and no name with a meaning of its own")
                    .found(why),
            );
            // Uses of a name that means nothing else are meant for this parameter.
            if Expression::parse(name, &["x"], &[]).is_err() {
                known.broken.insert(name.to_owned());
            }
            continue;
        }
        // A parameter whose value is a mistake stays known, so that its uses are not mistakes too.
        let number = value.scalar(&known, Must::FINITE);
        if number.is_none() {
            known.broken.insert(name.to_owned());
        }
        known.later.remove(name);
        known.list.push((name.to_owned(), number.unwrap_or(1.0)));
    }
    object.finish();
    known
}

/// Whether a parameter or a coordinate can have this name; the error says what it is instead.
pub(super) fn usable_name(name: &str) -> Result<(), String> {
    let quoted = quote(name);
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    if !starts || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(quoted);
    }
    // Variables, of today or of the language to come, and constants.
    const RESERVED: [&str; 7] = ["x", "t", "T", "U", "v", "pi", "e"];
    if RESERVED.contains(&name) || !usable_in_expressions(name) {
        return Err(format!("{quoted}, which has a meaning of its own"));
    }
    Ok(())
}

/// `q` is what coordinates are called.
fn not_a_coordinate(name: &str) -> Result<(), String> {
    if name == "q" { Err(format!("{}, which has a meaning of its own", quote(name))) } else { Ok(()) }
}

/// Whether the expression language reads this name as a parameter, not as a function or constant of
/// its own: with the value 2.5 it must evaluate to 2.5.
fn usable_in_expressions(name: &str) -> bool {
    let list = [(name.to_owned(), 2.5)];
    Expression::parse(name, &[], &list).is_ok_and(|expression| expression.eval(&[]) == 2.5)
}

fn domain(at: &Cursor<'_>, parameters: &Parameters) -> Option<Domain> {
    let mut object = at.object()?;
    let length = object.required("length").and_then(|c| c.scalar(parameters, Must::POSITIVE));
    let walls = object.or("walls", Boundary::Reflecting, |c| {
        c.word(&[("reflecting", Boundary::Reflecting), ("periodic", Boundary::Periodic)])
    });
    object.finish();
    Some(Domain { length: length?, walls: walls? })
}

/// Temperatures in kelvin and energies in one of the units that go with it.
fn units(at: &Cursor<'_>) -> Option<Units> {
    let mut object = at.object()?;
    let temperature = object.required("temperature").and_then(|c| c.word(&[("K", ())]));
    let energies = EnergyUnit::ALL.map(|unit| (unit.name(), unit));
    let energy = object.required("energy").and_then(|c| c.word(&energies));
    object.finish();
    temperature?;
    Some(Units::Kelvin(energy?))
}

/// The states; where there are none, the one state of a particle without internal states, whose
/// diffusivity or friction then stands at the top of the file. With internal coordinates the common diffusivity
/// besides.
fn states<'a>(
    file: &mut Object<'a>,
    parameters: &Parameters,
    motion: Option<Motion>,
    internal: bool,
) -> (Option<Vec<StatePart<'a>>>, Option<SurfacePart<'a>>) {
    let given = file.optional("states");
    let alone = Motilities::of(file);
    let Some(at) = given else {
        if internal {
            let at = alone.any().unwrap_or_else(|| file.whole());
            if alone.is_none() {
                file.missing_key("diffusivity");
            }
            let (motility, diffusivity) = alone.internal(parameters);
            coordinates::without_drift(file);
            let mass = mass(file, parameters, motion);
            let drift = Some(None);
            return (Some(vec![StatePart { motility, drift, mass, ..StatePart::alone(at) }]), diffusivity);
        }
        if alone.is_none() {
            let mistake = file.mistake("the file says nothing about diffusion").expected(
                "\"states\", or \"diffusivity\" or \"friction\" for a particle without internal states",
            );
            file.missing(&["states", "diffusivity", "friction"], mistake);
            return (None, None);
        }
        let at = alone.any().unwrap_or_else(|| file.whole());
        let state = StatePart {
            motility: alone.read(parameters, motion),
            drift: drift(file, parameters, motion),
            mass: mass(file, parameters, motion),
            ..StatePart::alone(at)
        };
        return (Some(vec![state]), None);
    };
    let (drift, mass) = (file.optional("drift"), file.optional("mass"));
    let (common, given, motility) = if internal {
        let given = alone.diffusivity.is_some();
        (alone.internal(parameters).1, given, vec![])
    } else {
        (None, false, vec![("diffusivity", alone.diffusivity), ("friction", alone.friction)])
    };
    let owned = motility.into_iter().chain([("drift", drift), ("mass", mass)]);
    for (name, place) in owned {
        if let Some(place) = place {
            place.push(
                place
                    .mistake(format!("`{name}` stands beside `states`"))
                    .hint(format!("every state has its own \"{name}\"; remove this one")),
            );
        }
    }
    let Some(entries) = at.array(MOST_STATES) else {
        return (None, common);
    };
    if entries.is_empty() {
        at.push(
            at.mistake("`states` is empty")
                .expected("at least one state")
                .hint("leave `states` out for a particle without internal states"),
        );
        return (None, common);
    }
    let kind = if internal { Kind::Internal { common: given } } else { Kind::Plain };
    (Some(entries.iter().map(|c| state(c, parameters, motion, kind)).collect()), common)
}

/// What a state may hold.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    /// Functions of internal coordinates, its diffusivity where there is no common one.
    Internal {
        common: bool,
    },
}

impl<'a> StatePart<'a> {
    /// Of a particle without internal states.
    fn alone(at: Cursor<'a>) -> Self {
        StatePart {
            name: Some("particle".to_owned()),
            energy: Some(0.0),
            entropy: Some(0.0),
            motility: None,
            potential: Some(None),
            surfaces: [None, None],
            drift: Some(None),
            mass: Some(None),
            at,
        }
    }
}

fn state<'a>(at: &Cursor<'a>, parameters: &Parameters, motion: Option<Motion>, kind: Kind) -> StatePart<'a> {
    let Some(mut object) = at.object() else {
        return StatePart { name: None, energy: None, ..StatePart::alone(at.clone()) };
    };
    let name = object.required("name");
    let energy = object.or("energy", 0.0, |c| c.scalar(parameters, Must::FINITE));
    let entropy = object.or("entropy", 0.0, |c| c.scalar(parameters, Must::FINITE));
    let motilities = Motilities::of(&mut object);
    let mut part = StatePart { energy, entropy, ..StatePart::alone(at.clone()) };
    match kind {
        Kind::Plain => {
            if motilities.is_none() {
                let mistake = object
                    .mistake("the state has neither \"diffusivity\" nor \"friction\"")
                    .expected("one of the two in this object");
                object.missing(&["diffusivity", "friction"], mistake);
            }
            part.potential = object.or("potential", None, |c| potential(c, parameters).map(Some));
            part.drift = drift(&mut object, parameters, motion);
            part.motility = motilities.read(parameters, motion);
        }
        Kind::Internal { common } => {
            if motilities.is_none() && !common {
                let mistake = object
                    .mistake("the state has no \"diffusivity\"")
                    .expected("one in this object, or one for all states at the top of the file");
                object.missing(&["diffusivity"], mistake);
            }
            let given = object.optional("potential");
            let failed = given.is_some();
            let potential = given.and_then(|c| coordinates::potential(c, parameters));
            let failed = failed && potential.is_none();
            let (motility, diffusivity) = motilities.internal(parameters);
            coordinates::without_drift(&mut object);
            part.motility = motility.filter(|_| !failed);
            part.surfaces = [potential, diffusivity];
        }
    }
    part.mass = mass(&mut object, parameters, motion);
    object.finish();
    part.name = name.as_ref().and_then(|c| c.name(LONGEST_STATE));
    part.at = name.unwrap_or_else(|| at.clone());
    part
}

/// The drift velocity of a state, of any sign; none where particles have inertia.
fn drift<'a>(
    object: &mut Object<'a>,
    parameters: &Parameters,
    motion: Option<Motion>,
) -> Option<Option<LawPart<'a>>> {
    let part = object.or("drift", None, |c| law(c, parameters, Must::FINITE).map(Some))?;
    if let Some(LawPart { law, at }) = &part
        && motion == Some(Motion::Underdamped)
        && !matches!(law, Law::Number(0.0))
    {
        at.push(
            at.mistake("a drift of particles with inertia")
                .expected("forces that are slopes of a \"potential\"")
                .hint("steps of underdamped particles know no propulsion; \"motion\": \"overdamped\" does"),
        );
        return None;
    }
    Some(part)
}

/// The mass of a state: needed where particles have inertia, a mistake where they have none.
fn mass<'a>(object: &mut Object<'a>, parameters: &Parameters, motion: Option<Motion>) -> Option<Option<f64>> {
    let Some(at) = object.optional("mass") else {
        if motion == Some(Motion::Underdamped) {
            object.missing(
                &["mass"],
                object
                    .mistake("a particle with inertia needs a mass")
                    .expected("\"mass\", a positive number, beside the \"friction\"")
                    .hint("without inertia, \"motion\": \"overdamped\", there is no mass"),
            );
        }
        return Some(None);
    };
    let mass = at.scalar(parameters, Must::POSITIVE)?;
    if motion == Some(Motion::Overdamped) {
        at.push(
            at.mistake("a mass means nothing without inertia")
                .expected("no \"mass\", or particles that have inertia")
                .found(brief(mass))
                .hint("add \"motion\": \"underdamped\" at the top of the file, or remove the mass"),
        );
        return None;
    }
    Some(Some(mass))
}

/// Why energies do not depend on temperature.
pub(super) const NOT_T: &str =
    "an energy that depends on T would be a free energy: give the states an \"entropy\" instead";

/// A potential: a number, or an expression in `x`. That it is continuous is proven in `build`.
fn potential<'a>(at: Cursor<'a>, parameters: &Parameters) -> Option<FieldPart<'a>> {
    let field: Arc<dyn Field> = if at.is_string() {
        let expression = at.expression_without(&["x"], parameters, &[("T", NOT_T)])?;
        match expression.constant() {
            Some(value) => Arc::new(Uniform(at.evaluated(&expression, value, Must::FINITE)?)),
            None => Arc::new(expression),
        }
    } else if at.is_number() {
        Arc::new(Uniform(at.number(Must::FINITE)?))
    } else {
        return at.refuse("a finite number, or an expression in x in quotes");
    };
    Some(FieldPart { field, at })
}

/// `diffusivity` and `friction`, of which an object has exactly one.
struct Motilities<'a> {
    diffusivity: Option<Cursor<'a>>,
    friction: Option<Cursor<'a>>,
}

impl<'a> Motilities<'a> {
    fn of(object: &mut Object<'a>) -> Self {
        Motilities { diffusivity: object.optional("diffusivity"), friction: object.optional("friction") }
    }

    fn is_none(&self) -> bool {
        self.diffusivity.is_none() && self.friction.is_none()
    }

    fn any(&self) -> Option<Cursor<'a>> {
        self.diffusivity.as_ref().or(self.friction.as_ref()).cloned()
    }

    /// With internal coordinates there are diffusivities only.
    fn internal(self, parameters: &Parameters) -> (Option<MotilityPart<'a>>, Option<SurfacePart<'a>>) {
        let mut refused = self.friction.is_some();
        if let Some(at) = self.friction {
            at.push(
                at.mistake("a friction of a particle with internal coordinates")
                    .expected("\"diffusivity\", an expression in x, T, the coordinates and U")
                    .hint("there is no theory for frictions that vary with a coordinate; \"T/100\" is the diffusivity of a friction of 100"),
            );
        }
        let given = self.diffusivity.is_some();
        let diffusivity = self.diffusivity.and_then(|at| coordinates::diffusivity(at, parameters));
        refused |= given && diffusivity.is_none();
        ((!refused).then_some(MotilityPart::Internal), diffusivity)
    }

    /// Particles with inertia have a friction, and may be free of it in places.
    fn read(self, parameters: &Parameters, motion: Option<Motion>) -> Option<MotilityPart<'a>> {
        match (self.diffusivity, self.friction) {
            (Some(at), None) if motion == Some(Motion::Underdamped) => {
                at.push(
                    at.mistake("a diffusivity of a particle with inertia")
                        .expected("\"friction\", mass/time")
                        .hint("the diffusivity kT/gamma follows from the friction: \"friction\": \"T/D\" for a given D"),
                );
                None
            }
            (Some(at), None) => law(at, parameters, Must::POSITIVE).map(MotilityPart::Diffusivity),
            (None, Some(at)) => {
                let free = motion != Some(Motion::Overdamped);
                let must = if free { Must::NOT_NEGATIVE } else { Must::POSITIVE };
                law(at, parameters, must).map(MotilityPart::Friction)
            }
            (None, None) => None,
            (Some(diffusivity), Some(friction)) => {
                friction.push(
                    friction
                        .mistake("both `diffusivity` and `friction` are given")
                        .expected("one of the two")
                        .related(diffusivity.span(), "the other one")
                        .hint(
                            "a diffusivity is Ito, J = -d_x(D P); a friction means J = -(1/gamma) d_x(kT P)",
                        ),
                );
                None
            }
        }
    }
}

/// A number, or an expression in `x` and `T`. What it must be on the whole domain is proven in `build`.
pub(super) fn law<'a>(at: Cursor<'a>, parameters: &Parameters, must: Must) -> Option<LawPart<'a>> {
    let law = if at.is_string() {
        let expression = at.expression(&POSITION_AND_TEMPERATURE, parameters)?;
        match expression.constant() {
            Some(value) => Law::Number(at.evaluated(&expression, value, must)?),
            None => Law::Expression(expression),
        }
    } else if at.is_number() {
        Law::Number(at.number(must)?)
    } else {
        return at.refuse(&format!("{}, or an expression in x and T in quotes", must.words()));
    };
    Some(LawPart { law, at })
}

fn transitions<'a>(at: &Cursor<'a>, parameters: &Parameters) -> Option<Vec<TransitionPart<'a>>> {
    let entries = at.array(MOST_TRANSITIONS)?;
    let read: Vec<_> = entries.iter().filter_map(|c| transition(c, parameters)).collect();
    (read.len() == entries.len()).then_some(read)
}

fn transition<'a>(at: &Cursor<'a>, parameters: &Parameters) -> Option<TransitionPart<'a>> {
    let mut object = at.object()?;
    let part = TransitionPart {
        name: object.optional("name").and_then(|c| Some((c.name(LONGEST_TRANSITION)?, c.clone()))),
        between: object.required("between").and_then(|c| between(&c)),
        rates: rates(&mut object, parameters),
        at: at.clone(),
    };
    object.finish();
    Some(part)
}

/// Rates over a barrier, or free ones; the keys of the two do not mix.
fn rates<'a>(object: &mut Object<'a>, parameters: &Parameters) -> Option<RatePart<'a>> {
    let free = object.optional("rate");
    let attempt_rate = object.optional("attempt_rate");
    let barrier = object.optional("barrier");
    let affinity = object.optional("affinity");
    if let Some(free) = free {
        let mut mixed = false;
        let activated = [("attempt_rate", attempt_rate), ("barrier", barrier), ("affinity", affinity)];
        for (name, other) in activated.into_iter().filter_map(|(name, c)| Some((name, c?))) {
            mixed = true;
            other.push(
                other
                    .mistake(format!("`{name}` stands beside `rate`"))
                    .expected("either \"rate\", or \"attempt_rate\", \"barrier\" and \"affinity\"")
                    .related(free.name_span(), "the rates are given here")
                    .hint(format!("remove \"{name}\", or \"rate\"")),
            );
        }
        let free = free_rates(&free, parameters)?;
        return (!mixed).then_some(free);
    }
    if attempt_rate.is_none() && barrier.is_none() {
        let mistake = object
            .mistake("the transition has no rates")
            .expected("\"attempt_rate\" and \"barrier\", or \"rate\"");
        object.missing(&["attempt_rate", "barrier", "rate"], mistake);
    } else {
        for (key, value) in [("attempt_rate", &attempt_rate), ("barrier", &barrier)] {
            if value.is_none() {
                object.missing_key(key);
            }
        }
    }
    let attempt_rate = attempt_rate.and_then(|c| c.scalar(parameters, Must::NOT_NEGATIVE));
    let barrier = barrier.and_then(|c| c.scalar(parameters, Must::FINITE));
    let affinity = affinity.map_or(Some(0.0), |c| c.scalar(parameters, Must::FINITE));
    Some(RatePart::Activated { attempt_rate: attempt_rate?, barrier: barrier?, affinity: affinity? })
}

fn free_rates<'a>(at: &Cursor<'a>, parameters: &Parameters) -> Option<RatePart<'a>> {
    let mut object = at.object()?;
    let forward = object.optional("forward");
    let backward = object.optional("backward");
    if forward.is_none() && backward.is_none() {
        let mistake = object
            .mistake("`rate` has no direction")
            .expected("\"forward\", \"backward\" or both in this object");
        object.missing(&["forward", "backward"], mistake);
    }
    // A direction that is mistyped is not one that is closed.
    let clean = object.finish();
    let read = |c: Option<Cursor<'a>>| match c {
        None => Some(None),
        Some(c) => law(c, parameters, Must::NOT_NEGATIVE).map(Some),
    };
    let (forward, backward) = (read(forward), read(backward));
    let rates = RatePart::Free(Box::new([forward?, backward?]));
    clean.then_some(rates)
}

fn between<'a>(at: &Cursor<'a>) -> Option<[(String, Cursor<'a>); 2]> {
    let ends = at.array(usize::MAX)?;
    if let [a, b] = &ends[..] {
        let names = [a.text(), b.text()];
        let [from, to] = [names[0]?, names[1]?];
        return Some([(from.to_owned(), a.clone()), (to.to_owned(), b.clone())]);
    }
    at.push(
        at.mistake("a transition joins two states")
            .expected("the names of two states")
            .found(format!("an array of {}", ends.len())),
    );
    None
}

fn motion(at: &Cursor<'_>) -> Option<Motion> {
    at.choice(&[
        ("overdamped", &|options| {
            options.finish();
            Some(Motion::Overdamped)
        }),
        ("underdamped", &|options| {
            options.finish();
            Some(Motion::Underdamped)
        }),
    ])
}

/// The method that is named; none where the choice is left to the program.
fn method(at: &Cursor<'_>, parameters: &Parameters) -> Option<Named> {
    at.choice(&[
        ("auto", &|options| {
            options.finish();
            Some(Named::Auto)
        }),
        ("exact", &|options| {
            options.finish();
            Some(Named::Of(Method::Exact {}))
        }),
        ("euler_maruyama", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::EulerMaruyama { dt: dt? }))
        }),
        ("midpoint", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::Midpoint { dt: dt? }))
        }),
        ("mala", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::Mala { dt: dt? }))
        }),
        ("heun", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::Heun { dt: dt? }))
        }),
        ("baoab", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::Baoab { dt: dt? }))
        }),
        ("baoab_flux", &|mut options| {
            let dt = options.required("dt").and_then(|c| c.number(Must::POSITIVE));
            options.finish();
            Some(Named::Of(Method::BaoabFlux { dt: dt? }))
        }),
        ("pairs", &|mut options| {
            let cells = options.or("cells", None, |c| c.integer(1..=MOST_CELLS).map(Some));
            let dt = options.or("dt", None, |c| c.number(Must::POSITIVE).map(Some));
            options.finish();
            Some(Named::Reacting(ReactingPart::Pairs { cells: cells?, dt: dt? }))
        }),
        ("mean_field", &|mut options| {
            let cells = options.or("cells", None, |c| c.integer(1..=MOST_FIELD_CELLS).map(Some));
            let window = options.or("window", None, |c| c.number(Must::POSITIVE).map(Some));
            options.finish();
            Some(Named::Reacting(ReactingPart::MeanField { cells: cells?, window: window? }))
        }),
        ("well_mixed", &|mut options| {
            let x = options.or("x", None, |c| c.scalar(parameters, Must::NOT_NEGATIVE).map(Some));
            options.finish();
            Some(Named::Reacting(ReactingPart::WellMixed { x: x? }))
        }),
    ])
}

/// The run; it ends at the last of the `times` of observation, where there are any.
fn run<'a>(
    at: &Cursor<'a>,
    parameters: &Parameters,
    times: Option<&(Cursor<'a>, Option<f64>)>,
    subject: Subject,
) -> Option<RunPart<'a>> {
    let mut object = at.object()?;
    let size_at = object.optional("system_size");
    let mut particles_at = object.optional("particles");
    let mixed = subject == Subject::Volume;
    let sized = mixed || subject == Subject::Populations;
    let units = matches!(subject, Subject::Units { .. });
    let size = if sized {
        // Neither stands in the plan of such a run: particles follow, and there are no legs.
        reactions::without_walkers(&mut object, particles_at.take(), mixed);
        if size_at.is_none() {
            object.missing_key("system_size");
        }
        size_at.as_ref().map(|c| c.scalar(parameters, Must::POSITIVE))
    } else {
        match &size_at {
            Some(at) if units => reactions::without_size(at),
            Some(at) => reactions::without_species(at),
            None => {}
        }
        if units {
            reactions::without_walks(&mut object);
        }
        if particles_at.is_none() {
            object.missing_key("particles");
        }
        None
    };
    let particles = match sized {
        // How many there are is known together with the species.
        true => Some(MOST_PARTICLES),
        false => particles_at.as_ref().and_then(|c| c.integer(FEWEST_GROUPS..=MOST_PARTICLES)),
    };
    let realisations_at = object.optional("realisations");
    let realisations = match &realisations_at {
        Some(c) if mixed => c.integer(FEWEST_GROUPS..=MOST_REALISATIONS).map(Some),
        Some(c) => {
            reactions::without_volume(c);
            None
        }
        None => Some(mixed.then_some(DEFAULT_REALISATIONS)),
    };
    let legs_at = if sized { None } else { object.optional("legs") };
    let duration_at = object.optional("duration");
    let until_at = if sized || units { None } else { object.optional("until") };
    let span = match times {
        // That times are missing is told with the method.
        None if mixed => Some(Span::Duration(1.0)),
        None if units => {
            if let Some(at) = &duration_at {
                reactions::without_duration(at);
            } else if legs_at.is_none() {
                object.missing_key("legs");
            }
            legs_at.as_ref().and_then(|c| c.integer(1..=MOST_LEGS)).map(Span::Legs)
        }
        None if sized => {
            if duration_at.is_none() {
                object.missing_key("duration");
            }
            duration_at.as_ref().and_then(|c| c.number(Must::POSITIVE)).map(Span::Duration)
        }
        None => run_span(&mut object, legs_at.as_ref(), duration_at.as_ref()),
        Some((times, last)) => {
            not_beside_times([("legs", &legs_at), ("duration", &duration_at), ("until", &until_at)], times);
            last.map(Span::Duration)
        }
    };
    let burn_in_at = object.optional("burn_in");
    let burn_in = match &burn_in_at {
        None => Some(times.map(|_| Span::Duration(0.0))),
        Some(_) if mixed => None,
        Some(c) if times.is_some() || duration_at.is_some() || sized => {
            c.number(Must::NOT_NEGATIVE).map(|v| Some(Span::Duration(v)))
        }
        Some(c) => c.integer(0..=MOST_LEGS).map(|v| Some(Span::Legs(v))),
    };
    let sampling_at = object.optional("sampling");
    let sampling = match &sampling_at {
        None => Some(Sampling::MonteCarlo),
        Some(c) => c.word(&[Sampling::MonteCarlo, Sampling::ArrayRqmc].map(|s| (s.name(), s))),
    };
    let even = sampling == Some(Sampling::ArrayRqmc);
    let reacting = subject != Subject::Walkers;
    let default_groups = match particles {
        Some(n) if even && !reacting => sampling::groups(n).unwrap_or(DEFAULT_GROUPS),
        Some(n) => n.min(DEFAULT_GROUPS),
        None => DEFAULT_GROUPS,
    };
    let groups_at = object.optional("groups");
    let groups = match &groups_at {
        None => Some(default_groups),
        Some(c) => c.integer(FEWEST_GROUPS..=MOST_GROUPS),
    };
    // A round holds a leg, in a mean field a window of them.
    let most_rounds = match (span, subject) {
        (Some(Span::Legs(legs)), Subject::Units { window }) => (legs / window).max(1),
        (Some(Span::Legs(legs)), _) => legs,
        _ => MOST_ROUNDS,
    };
    let default_rounds = most_rounds.min(DEFAULT_ROUNDS);
    let rounds_at = object.optional("rounds");
    let rounds = match &rounds_at {
        None => Some(default_rounds),
        Some(c) => c.integer(1..=MOST_ROUNDS),
    };
    let start = match subject {
        Subject::Walkers => object.or("start", StartPart::LocalEquilibrium, |c| start::read(&c, parameters)),
        _ => Some(StartPart::Uniform),
    };
    let seed = object.or("seed", DEFAULT_SEED, |c| c.integer(0..=u64::MAX));
    let until = match &until_at {
        None => Some(None),
        Some(c) => until::read(c).map(Some),
    };
    object.finish();

    if let (Some(particles), Some(groups), Some(c)) = (particles, groups, &groups_at)
        && groups > particles
    {
        c.push(
            c.mistake("more groups than particles")
                .expected(format!("at most {particles} groups"))
                .found(groups.to_string())
                .hint("a group needs at least one particle; the error bars come from the groups"),
        );
    }
    if let (true, Some(at)) = (even, &sampling_at) {
        if reacting {
            sampling::without_reactions(at);
        } else {
            let particles = particles_at.as_ref().and_then(|c| Some((c, particles?)));
            sampling::suits(at, particles, groups, span);
        }
    }
    if let (Some(Some(realisations)), Some(groups), Some(c)) =
        (realisations, groups, realisations_at.as_ref().or(groups_at.as_ref()))
        && groups > realisations
    {
        c.push(
            c.mistake("more groups than realisations")
                .expected(format!("at least {groups} realisations for {groups} groups"))
                .found(realisations.to_string())
                .hint("the error bars come from the groups, each of which needs realisations"),
        );
    }
    if let (Some(Span::Legs(_)), Some(rounds), Some(c)) = (span, rounds, &rounds_at)
        && rounds > most_rounds
    {
        let what = if units { "windows" } else { "legs" };
        c.push(
            c.mistake(format!("more rounds than {what}"))
                .expected(format!("at most {most_rounds} rounds"))
                .found(rounds.to_string()),
        );
    }
    if let (Some(particles), Some(Span::Legs(legs)), Some(burn_in)) = (particles, span, burn_in) {
        let waiting = match burn_in {
            Some(Span::Legs(n)) => n,
            _ => 0,
        };
        let total = u128::from(particles) * (u128::from(legs) + u128::from(waiting));
        if let (true, Some(c)) = (total > u128::from(MOST_LEGS), &legs_at) {
            c.push(
                c.mistake("the run is too long to be counted")
                    .expected(format!("particles x legs of at most {MOST_LEGS:e}"))
                    .found(format!("{:e}", total as f64)),
            );
        }
    }
    let plan = RunPlan {
        particles: particles?,
        system_size: match size {
            None => None,
            Some(size) => Some(size?),
        },
        realisations: realisations?,
        groups: usize::try_from(groups?).ok()?,
        rounds: rounds?,
        span: span?,
        until: None,
        burn_in: burn_in?,
        start: Start::default(),
        seed: seed?,
        sampling: sampling?,
    };
    let times_at = times.map(|(at, _)| at.clone());
    let length = times_at.or(legs_at).or(duration_at).unwrap_or_else(|| at.clone());
    let size = size_at.unwrap_or_else(|| at.clone());
    Some(RunPart { plan, start: start?, until: until?, length, size })
}

/// A run with times of observation has no length or end of its own.
fn not_beside_times(lengths: [(&str, &Option<Cursor<'_>>); 3], times: &Cursor<'_>) {
    for (key, at) in lengths.into_iter().filter_map(|(key, at)| Some((key, at.as_ref()?))) {
        at.push(
            at.mistake(format!("`{key}` stands beside `times`"))
                .expected("a run that ends at the last time of observation")
                .related(times.name_span(), "the times")
                .hint(format!("remove \"{key}\", or \"times\" for averages over the run")),
        );
    }
}

/// Exactly one of `legs` and `duration`.
fn run_span(run: &mut Object<'_>, legs: Option<&Cursor<'_>>, duration: Option<&Cursor<'_>>) -> Option<Span> {
    match (legs, duration) {
        (Some(legs), None) => legs.integer(1..=MOST_LEGS).map(Span::Legs),
        (None, Some(duration)) => duration.number(Must::POSITIVE).map(Span::Duration),
        (Some(legs), Some(duration)) => {
            run.push(
                duration
                    .mistake("both `legs` and `duration` are given")
                    .expected("one of the two")
                    .related(legs.span(), "the other one")
                    .hint("`legs` counts candidate transitions of a particle, `duration` is a time"),
            );
            None
        }
        (None, None) => {
            let mistake = run
                .mistake("the run has no length")
                .expected("\"legs\" (candidate transitions of a particle) or \"duration\" (a time)");
            run.missing(&["legs", "duration"], mistake);
            None
        }
    }
}

/// Notes every name that occurs twice.
pub(super) fn duplicates<'a, 'b: 'a>(what: &str, names: impl Iterator<Item = (&'a str, &'a Cursor<'b>)>) {
    let mut seen: HashMap<&str, &Cursor<'_>> = HashMap::new();
    for (name, at) in names {
        if let Some(first) = seen.get(name) {
            at.push(
                at.mistake(format!("two {what} have the same name"))
                    .found(quote(name))
                    .related(first.span(), "first given here"),
            );
        } else {
            seen.insert(name, at);
        }
    }
}
