//! Particles that react: what the file says about species and reactions, and what is checked of them.

use super::proof::{Proof, Sign};
use super::reader::{Cursor, Must, Object, Parameters, Reports, brief};
use super::schema::limits::{LARGEST_CONTENT, LONGEST_STATE, MOST_PARTICLES, MOST_STATES, MOST_TRANSITIONS};
use super::schema::{ExperimentFile, LawPart, MotilityPart, RunPart, duplicates, law};
use super::source::quote;
use super::{Experiment, Method, RunPlan, Warning, method};
use crate::expression::Interval;
use crate::kernel::Span;
use crate::kernel::reactions::{relaxation_time, settled};
use crate::kernel::start::Start;
use crate::model::{
    Boundary, Doubt, Equation, Field, Kinetics, Mixture, Model, Motility, Reaction, Species, Uniform, Way,
};
use crate::observable::{Observable, named as named_dimension};
use crate::volume::Volume;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Windows of legs after which the concentrations of a mean field have forgotten the first of them.
const WINDOWS_TO_SETTLE: f64 = 50.0;

/// Keys of the whole file that mean nothing where particles react.
const ELSEWHERE: [&str; 7] =
    ["states", "transitions", "coordinates", "potential", "diffusivity", "friction", "drift"];

/// Species and reactions as the file has them.
#[derive(Debug)]
pub(super) struct MixturePart<'a> {
    pub species: Option<Vec<SpeciesPart<'a>>>,
    pub reactions: Option<Vec<ReactionPart<'a>>>,
}

/// One species with its place.
#[derive(Debug)]
pub(super) struct SpeciesPart<'a> {
    pub name: Option<String>,
    pub energy: Option<f64>,
    pub content: Option<u32>,
    pub concentration: Option<f64>,
    pub motility: Option<MotilityPart<'a>>,
    /// The name, or the entry where it has none.
    pub at: Cursor<'a>,
}

/// One reaction with its place.
#[derive(Debug)]
pub(super) struct ReactionPart<'a> {
    equation: Option<Equation>,
    kinetics: Option<KineticsPart<'a>>,
    /// Where the equation stands.
    at: Cursor<'a>,
}

#[derive(Debug)]
enum KineticsPart<'a> {
    Given(Option<Box<LawPart<'a>>>, Option<Box<LawPart<'a>>>),
    Balanced(Box<LawPart<'a>>, Box<LawPart<'a>>),
    VantHoff(Box<LawPart<'a>>, f64),
}

/// Reads the species and reactions of a file; `None` where it has neither. Where everything is `mixed`, a species needs no motility.
pub(super) fn read<'a>(
    file: &mut Object<'a>,
    parameters: &Parameters,
    mixed: bool,
) -> Option<MixturePart<'a>> {
    let (species_at, reactions_at) = (file.optional("species"), file.optional("reactions"));
    let Some(at) = species_at else {
        let at = reactions_at?;
        at.push(
            at.mistake("`reactions` stand without `species`")
                .expected("\"species\", the kinds of particles that react"),
        );
        return Some(MixturePart { species: None, reactions: None });
    };
    for key in ELSEWHERE {
        if let Some(other) = file.optional(key) {
            other.push(
                other
                    .mistake(format!("`{key}` stands beside `species`"))
                    .expected("either particles that react, or particles with internal states")
                    .related(at.name_span(), "the species")
                    .hint("every species has its own \"energy\" and \"diffusivity\" or \"friction\""),
            );
        }
    }
    let species = species(&at, parameters, mixed);
    let reactions = match &reactions_at {
        None => Some(Vec::new()),
        Some(at) => at.array(MOST_TRANSITIONS).map(|entries| {
            entries.iter().map(|c| reaction(c, parameters)).collect::<Vec<ReactionPart<'_>>>()
        }),
    };
    Some(MixturePart { species, reactions })
}

fn species<'a>(at: &Cursor<'a>, parameters: &Parameters, mixed: bool) -> Option<Vec<SpeciesPart<'a>>> {
    let entries = at.array(MOST_STATES)?;
    if entries.is_empty() {
        at.push(at.mistake("`species` is empty").expected("at least one species"));
        return None;
    }
    Some(entries.iter().map(|c| one_species(c, parameters, mixed)).collect())
}

fn one_species<'a>(at: &Cursor<'a>, parameters: &Parameters, mixed: bool) -> SpeciesPart<'a> {
    let nothing = SpeciesPart {
        name: None,
        energy: None,
        content: None,
        concentration: None,
        motility: None,
        at: at.clone(),
    };
    let Some(mut object) = at.object() else { return nothing };
    let name = object.required("name");
    let part = SpeciesPart {
        energy: object.or("energy", 0.0, |c| c.scalar(parameters, Must::FINITE)),
        content: object
            .or("content", 1, |c| c.integer(0..=LARGEST_CONTENT))
            .and_then(|content| u32::try_from(content).ok()),
        concentration: object.or("concentration", 0.0, |c| c.scalar(parameters, Must::NOT_NEGATIVE)),
        // Without space a motility is read and not used.
        motility: motility(&mut object, parameters, mixed)
            .map(|given| if mixed { MotilityPart::Internal } else { given }),
        name: name.as_ref().and_then(named),
        at: name.unwrap_or_else(|| at.clone()),
    };
    object.finish();
    part
}

/// A name that can stand in an equation.
fn named(at: &Cursor<'_>) -> Option<String> {
    let name = at.name(LONGEST_STATE)?;
    let good = Equation::parse(&format!("{name} -> 0"))
        .is_ok_and(|e| matches!(&e.left[..], [term] if term.count == 1 && term.name == name));
    if !good {
        at.push(
            at.mistake("not a name for a species")
                .expected("letters, digits and _, and no digit first")
                .found(quote(&name))
                .hint("names stand in equations such as \"2 M <-> D\""),
        );
    }
    good.then_some(name)
}

fn motility<'a>(object: &mut Object<'a>, parameters: &Parameters, mixed: bool) -> Option<MotilityPart<'a>> {
    match (object.optional("diffusivity"), object.optional("friction")) {
        (Some(at), None) => law(at, parameters, Must::POSITIVE).map(MotilityPart::Diffusivity),
        (None, Some(at)) => law(at, parameters, Must::POSITIVE).map(MotilityPart::Friction),
        (Some(diffusivity), Some(friction)) => {
            friction.push(
                friction
                    .mistake("both `diffusivity` and `friction` are given")
                    .expected("one of the two")
                    .related(diffusivity.span(), "the other one")
                    .hint("a diffusivity is Ito, J = -d_x(D c); a friction means J = -(1/gamma) d_x(kT c)"),
            );
            None
        }
        (None, None) if mixed => Some(MotilityPart::Internal),
        (None, None) => {
            let mistake = object
                .mistake("the species has neither \"diffusivity\" nor \"friction\"")
                .expected("one of the two in this object")
                .hint("\"method\": \"well_mixed\" needs neither: there is no space");
            object.missing(&["diffusivity", "friction"], mistake);
            None
        }
    }
}

fn reaction<'a>(at: &Cursor<'a>, parameters: &Parameters) -> ReactionPart<'a> {
    let Some(mut object) = at.object() else {
        return ReactionPart { equation: None, kinetics: None, at: at.clone() };
    };
    let place = object.required("equation");
    let equation = place.as_ref().and_then(|c| match Equation::parse(c.text()?) {
        Ok(equation) => Some(equation),
        Err(error) => {
            c.misread(error);
            None
        }
    });
    let reversible = equation.as_ref().map(|e| e.reversible);
    let kinetics = kinetics(&mut object, parameters, reversible);
    object.finish();
    ReactionPart { equation, kinetics, at: place.unwrap_or_else(|| at.clone()) }
}

/// Rate constants: `forward` with one of `backward`, `ratio` and `prefactor`, or one of the two ways alone.
fn kinetics<'a>(
    object: &mut Object<'a>,
    parameters: &Parameters,
    reversible: Option<bool>,
) -> Option<KineticsPart<'a>> {
    let forward = object.optional("forward");
    let ways = ["backward", "ratio", "prefactor"].map(|key| (key, object.optional(key)));
    let given: Vec<(&str, Cursor<'a>)> = ways.into_iter().filter_map(|(key, c)| Some((key, c?))).collect();
    let mut sound = true;
    if reversible == Some(false) {
        for (key, at) in &given {
            sound = false;
            at.push(
                at.mistake(format!("`{key}` of a reaction that goes one way"))
                    .expected("\"forward\" alone")
                    .hint("write the equation with `<->` for a reaction that goes both ways"),
            );
        }
    }
    for (key, at) in given.iter().skip(1) {
        sound = false;
        at.push(
            at.mistake(format!("both `{}` and `{key}` are given", given[0].0))
                .expected("one of \"backward\", \"ratio\" and \"prefactor\"")
                .related(given[0].1.span(), "the other one")
                .hint("the ratio k_-/k_+ is prefactor * exp(dH/kT) where a prefactor is given"),
        );
    }
    if forward.is_none() {
        object.missing_key("forward");
        sound = false;
    }
    if reversible == Some(true) && given.is_empty() {
        let mistake = object
            .mistake("the way back has no rate")
            .expected("one of \"backward\" (k_-), \"ratio\" (k_-/k_+) and \"prefactor\" (of the ratio)")
            .hint("write the equation with `->` for a reaction that goes one way");
        object.missing(&["backward", "ratio", "prefactor"], mistake);
        sound = false;
    }
    let rate = |c: Cursor<'a>| law(c, parameters, Must::NOT_NEGATIVE).map(Box::new);
    let forward = forward.and_then(rate);
    let first = given.into_iter().next();
    let part = match first {
        None => forward.map(|f| KineticsPart::Given(Some(f), None)),
        Some(("backward", at)) => {
            let backward = rate(at);
            forward.zip(backward).map(|(f, b)| KineticsPart::Given(Some(f), Some(b)))
        }
        Some(("ratio", at)) => {
            let ratio = rate(at);
            forward.zip(ratio).map(|(f, r)| KineticsPart::Balanced(f, r))
        }
        Some((_, at)) => {
            let prefactor = at.scalar(parameters, Must::POSITIVE);
            forward.zip(prefactor).map(|(f, p)| KineticsPart::VantHoff(f, p))
        }
    };
    part.filter(|_| sound)
}

/// Notes that particles that react have no inertia.
pub(super) fn without_inertia(at: &Cursor<'_>) {
    at.push(
        at.mistake("particles that react, with inertia")
            .expected("\"motion\": \"overdamped\"")
            .hint("there are no steps and no theory for both together"),
    );
}

/// Notes a mass beside species.
pub(super) fn without_mass(file: &mut Object<'_>) {
    if let Some(at) = file.optional("mass") {
        at.push(at.mistake("`mass` stands beside `species`").hint("particles that react have no inertia"));
    }
}

/// Notes what belongs to runs of single particles; their number follows where they react.
pub(super) fn without_walkers(run: &mut Object<'_>, particles: Option<Cursor<'_>>, mixed: bool) {
    let others = ["legs", "until", "start"].map(|key| (key, run.optional(key)));
    if mixed && let Some(at) = run.optional("burn_in") {
        at.push(
            at.mistake("`burn_in` of a well-mixed volume")
                .expected("no \"burn_in\"")
                .hint("numbers are seen at \"times\" after the start, which the theory knows"),
        );
    }
    for (key, at) in [("particles", particles)].into_iter().chain(others) {
        let Some(at) = at else { continue };
        let mistake = at.mistake(format!("`{key}` stands beside `species`"));
        at.push(match key {
            "particles" => mistake.expected("\"system_size\"").hint(
                "the number of particles follows: every group has concentration * system_size * length of each species",
            ),
            "legs" => mistake.expected("\"duration\", a time").hint("particles that react have no legs"),
            "until" => mistake.expected("a \"duration\"").hint("runs of particles that react end at their duration"),
            _ => mistake
                .expected("a \"concentration\" of every species")
                .hint("particles are placed uniformly at the start"),
        });
    }
}

/// Notes what units of a mean field do not know.
pub(super) fn without_walks(run: &mut Object<'_>) {
    if let Some(at) = run.optional("until") {
        at.push(
            at.mistake("`until` stands beside `species`")
                .expected("\"legs\"")
                .hint("runs of particles that react end at their length"),
        );
    }
    if let Some(at) = run.optional("start") {
        at.push(
            at.mistake("`start` stands beside `species`")
                .expected("a \"concentration\" of every species")
                .hint("units are placed uniformly at the start"),
        );
    }
}

/// Notes the size of a system that has none.
pub(super) fn without_size(at: &Cursor<'_>) {
    at.push(
        at.mistake("`system_size` of a mean field")
            .expected("\"particles\", the number of units over all groups")
            .hint("a mean field is that of infinitely many particles; \"method\": \"pairs\" has finite numbers of them"),
    );
}

/// Notes a duration where legs are counted.
pub(super) fn without_duration(at: &Cursor<'_>) {
    at.push(
        at.mistake("`duration` of a mean field")
            .expected("\"legs\" of every unit, or \"times\" in \"measure\"")
            .hint("the steady state is known best from windows of legs, what changes in time at times of observation"),
    );
}

/// Notes realisations where there is space.
pub(super) fn without_volume(at: &Cursor<'_>) {
    at.push(
        at.mistake("`realisations` without a well-mixed volume")
            .expected("\"groups\", where every group is one population, or \"method\": \"well_mixed\"")
            .hint("a group of a well-mixed volume holds many realisations of it"),
    );
}

/// Notes the size of a system in which nothing reacts.
pub(super) fn without_species(at: &Cursor<'_>) {
    at.push(
        at.mistake("`system_size` without `species`")
            .expected("\"particles\", the number of particles")
            .hint("the size of a system matters where particles react with each other"),
    );
}

/// The mixture, once everything in it is found to be what it must.
pub(super) fn resolve(
    part: &MixturePart<'_>,
    proof: Option<&Proof<'_>>,
    boltzmann: Option<f64>,
    walls: Option<Boundary>,
) -> Option<Mixture> {
    let parts = part.species.as_deref()?;
    duplicates("species", parts.iter().filter_map(|p| Some((p.name.as_deref()?, &p.at))));
    let names: Option<Vec<&str>> = parts.iter().map(|p| p.name.as_deref()).collect();
    let known = |part: &ReactionPart<'_>| names.as_deref().is_some_and(|names| knows(part, names));
    let known: Vec<bool> = part.reactions.iter().flatten().map(known).collect();
    let proof = proof?;
    let one = |part: &SpeciesPart<'_>| {
        let motility = match part.motility.as_ref()? {
            MotilityPart::Diffusivity(law) => {
                Motility::Diffusivity(proof.field(law, "diffusivity", Sign::Positive)?)
            }
            MotilityPart::Friction(law) => {
                Motility::Friction(proof.field(law, "friction", Sign::Positive)?)
            }
            // Without space nothing moves, and no value is read.
            MotilityPart::Internal => Motility::Diffusivity(Arc::new(Uniform(1.0))),
        };
        Some(Species { name: part.name.clone()?, energy: part.energy?, motility, content: part.content? })
    };
    let species: Vec<Option<Species>> = parts.iter().map(one).collect();
    let read = part.reactions.as_ref()?.iter().zip(known);
    let names = names.as_deref();
    let reactions: Vec<Option<Reaction>> =
        read.map(|(part, known)| build(part, names.filter(|_| known), &species, proof)).collect();
    let species: Vec<Species> = species.into_iter().collect::<Option<_>>()?;
    let reactions: Vec<Reaction> = reactions.into_iter().collect::<Option<_>>()?;
    let at = &parts.first()?.at;
    match Mixture::new(proof.length, Uniform(1.0), species, reactions) {
        Ok(mut mixture) => {
            mixture.temperature = proof.temperature.clone();
            mixture.boltzmann = boltzmann?;
            mixture.domain.walls = walls?;
            rates(&mixture, part.reactions.as_deref()?)?;
            Some(mixture)
        }
        // Two of the same name are told already.
        Err(crate::model::MixtureError::Name { .. }) => None,
        Err(error) => {
            at.push(at.mistake(error.to_string()));
            None
        }
    }
}

/// Whether all species of a reaction are among these, if its equation could be read; notes those that are not.
fn knows(part: &ReactionPart<'_>, names: &[&str]) -> bool {
    let mut known = true;
    for term in part.equation.iter().flat_map(|equation| equation.left.iter().chain(&equation.right)) {
        if !names.contains(&term.name.as_str()) {
            known = false;
            let title = "no species has this name".to_owned();
            part.at.unknown(&term.name, part.at.place_within(&term.span), names.iter().copied(), title);
        }
    }
    known
}

/// A reaction between species of these names, if they are all known, whose rates are proven not to be negative.
fn build(
    part: &ReactionPart<'_>,
    names: Option<&[&str]>,
    species: &[Option<Species>],
    proof: &Proof<'_>,
) -> Option<Reaction> {
    let rate = |law: &LawPart<'_>, what: &str| proof.field(law, what, Sign::NotNegative);
    let kinetics = match part.kinetics.as_ref() {
        None => None,
        Some(KineticsPart::Given(forward, backward)) => {
            let way = |law: &Option<Box<LawPart<'_>>>| match law {
                None => Some(None),
                Some(law) => rate(law, "rate").map(Some),
            };
            let (forward, backward) = (way(forward), way(backward));
            forward.zip(backward).map(|(forward, backward)| Kinetics::Given { forward, backward })
        }
        Some(KineticsPart::Balanced(forward, ratio)) => {
            let (forward, constant) = (rate(forward, "rate"), rate(ratio, "ratio"));
            forward.zip(constant).map(|(forward, constant)| Kinetics::Balanced { forward, constant })
        }
        Some(KineticsPart::VantHoff(forward, prefactor)) => {
            rate(forward, "rate").map(|forward| Kinetics::VantHoff { forward, prefactor: *prefactor })
        }
    };
    let (equation, names, kinetics) = (part.equation.as_ref()?, names?, kinetics?);
    // All species by name, also those that could not be read: only their numbers matter.
    let standing =
        |(name, s): (&&str, &Option<Species>)| s.clone().unwrap_or_else(|| Species::new(*name, 0.0, 1.0, 1));
    let all: Vec<Species> = names.iter().zip(species).map(standing).collect();
    let reaction = Reaction::from_equation(equation, &all, kinetics).ok()?;
    for (forward, open) in [true, false].into_iter().zip(reaction.open()) {
        let order = reaction.order(forward);
        if open && order > 2 {
            let way = if forward { "forward" } else { "backward" };
            part.at.push(
                part.at
                    .mistake("too many particles would have to meet")
                    .expected("at most 2 particles taken by a way that is open")
                    .found(format!("{order} {way}"))
                    .hint("write such a reaction as steps in which two particles meet"),
            );
            return None;
        }
    }
    Some(reaction)
}

/// Rate constants must be finite numbers on the whole domain.
fn rates(mixture: &Mixture, parts: &[ReactionPart<'_>]) -> Option<()> {
    const PLACES: u32 = 256;
    let length = mixture.domain.length;
    for (reaction, part) in parts.iter().enumerate() {
        for forward in [true, false] {
            let way = Way { reaction, forward };
            let place = |k: u32| length * f64::from(k) / f64::from(PLACES);
            let bad = (0..=PLACES).map(place).find(|x| !mixture.rate_constant(way, *x).is_finite());
            if let Some(x) = bad {
                part.at.push(
                    part.at
                        .mistake("the rate of a reaction overflows")
                        .expected("rate constants in the range of a double")
                        .found(format!(
                            "dH/kT = {} at x = {}",
                            { brief(mixture.reaction_enthalpy(reaction) / mixture.thermal_energy(x)) },
                            brief(x)
                        )),
                );
                return None;
            }
        }
    }
    Some(())
}

/// Makes an experiment of particles that react. `None` when there was any mistake.
pub(super) fn experiment(
    name: &str,
    file: ExperimentFile<'_>,
    mixture: Option<Mixture>,
    temperatures: Option<Interval>,
    root: &Cursor<'_>,
    reports: &Reports<'_>,
) -> Option<Experiment> {
    if let Some(measure) = &file.measure {
        measure.without_reactions();
    }
    let parts = file.mixture.as_ref().and_then(|part| part.species.as_deref());
    let found = match (&mixture, &file.run, parts) {
        (Some(mixture), Some(RunPart { plan, size, .. }), Some(parts)) => match plan.system_size {
            Some(omega) => counts(parts, mixture, omega, plan.groups as u64, size),
            // Units of a mean field are as many as the run has.
            None => there_is_something(parts),
        },
        _ => None,
    };
    let chosen = match (&file.method, &file.run, &file.measure, &mixture, &found) {
        (Some(part), Some(run), Some(measure), Some(mixture), Some(amounts)) => {
            method::choose_reacting(part, mixture, amounts, run, &measure.plan)
        }
        (Some(part), ..) => {
            // A method of another kind is a mistake whatever the species are.
            method::of_walkers(part);
            None
        }
        _ => None,
    };
    if !reports.is_empty() {
        return None;
    }
    let (mixture, amounts, parts) = (mixture?, found?, parts?);
    let concentrations: Vec<f64> = parts.iter().map(|p| p.concentration).collect::<Option<_>>()?;
    let (method, warning) = chosen?;
    let present: Vec<bool> = amounts.iter().map(|n| *n > 0.0).collect();
    let mut warnings = advice(&mixture, &present, matches!(method, Method::WellMixed { .. }));
    warnings.extend(warning);
    temperatures?;
    let model = match Model::of_mixture(mixture) {
        Ok(model) => model,
        Err(error) => {
            root.push(root.mistake(error.to_string()));
            return None;
        }
    };
    let plan = file.run?.plan;
    let copies = plan.realisations.unwrap_or(plan.groups as u64);
    let particles = match plan.system_size {
        Some(_) => amounts.iter().map(|n| *n as u64).sum::<u64>().saturating_mul(copies),
        None => plan.particles,
    };
    Some(Experiment {
        name: name.to_owned(),
        title: file.title?,
        claim: file.claim?,
        notes: file.notes,
        model,
        transitions: Vec::new(),
        motion: file.motion?,
        method,
        run: RunPlan { particles, start: Start::Uniform, ..plan },
        measure: file.measure?.plan,
        parameters: file.parameters.list,
        temperature: file.temperature?.written,
        units: file.units?,
        concentrations,
        reach: None,
        warnings,
    })
}

/// Notes a method of particles that react where none do.
pub(super) fn without_reactions(at: &Cursor<'_>) {
    at.push(
        at.mistake("a method of particles that react")
            .expected("exact, euler_maruyama or \"auto\" for particles that do not")
            .hint("add \"species\" and \"reactions\", or remove the method"),
    );
}

/// The concentrations at the start, of which one at least must not be zero.
fn there_is_something(parts: &[SpeciesPart<'_>]) -> Option<Vec<f64>> {
    let concentrations: Vec<f64> = parts.iter().map(|p| p.concentration).collect::<Option<_>>()?;
    if concentrations.iter().all(|c| *c == 0.0) {
        let at = &parts.first()?.at;
        at.push(
            at.mistake("there are no particles")
                .expected("a \"concentration\" of some species")
                .hint("\"concentration\" is the mean over the domain at the start"),
        );
        return None;
    }
    Some(concentrations)
}

/// Particles of every species in a group at the start, whole numbers; mistakes where they are too few or too many.
fn counts(
    parts: &[SpeciesPart<'_>],
    mixture: &Mixture,
    system_size: f64,
    groups: u64,
    size_at: &Cursor<'_>,
) -> Option<Vec<f64>> {
    let mut sum = 0.0;
    let mut counts = Vec::new();
    for part in parts {
        let number = part.concentration? * system_size * mixture.domain.length;
        sum += number;
        if number > 0.0 && libm::round(number) < 1.0 {
            part.at.push(
                part.at
                    .mistake("fewer than half a particle of a species")
                    .expected("a concentration of 0, or at least one particle in every group")
                    .found(format!("concentration * system_size * length = {}", brief(number)))
                    .hint("make run.system_size larger"),
            );
            return None;
        }
        counts.push(libm::round(number).min(MOST_PARTICLES as f64));
    }
    if sum * groups as f64 > MOST_PARTICLES as f64 || sum > f64::from(1 << 30) {
        size_at.push(
            size_at
                .mistake("too many particles")
                .expected(format!("at most {:e} in all groups, and 1e9 in one", MOST_PARTICLES as f64))
                .found(brief(sum * groups as f64)),
        );
        return None;
    }
    let made = |way: Way| mixture.reactions()[way.reaction].taken(way.forward).is_empty();
    if counts.iter().all(|n| *n == 0.0) && !mixture.open_ways().any(made) {
        let at = &parts.first()?.at;
        at.push(
            at.mistake("there are no particles")
                .expected(
                    "a \"concentration\" of some species, or a reaction that makes particles of nothing",
                )
                .hint("\"concentration\" is the mean over the domain at the start"),
        );
        return None;
    }
    Some(counts)
}

/// What is possible and probably not meant, of species some of which are `present` at the start; where everything is `mixed`,
/// numbers are seen at times, and no content is spoken of.
pub(super) fn advice(mixture: &Mixture, present: &[bool], mixed: bool) -> Vec<Warning> {
    let name = |s: usize| quote(&mixture.species()[s].name);
    let equation = |r: usize| quote(&mixture.equation(r));
    let warning = |seen: String, meaning: &str, remedy: &str| Warning {
        seen,
        meaning: meaning.into(),
        remedy: remedy.into(),
    };
    let mut warnings: Vec<Warning> = mixture
        .doubts(Some(present))
        .into_iter()
        .filter(|doubt| !(mixed && matches!(doubt, Doubt::DiesOut { .. } | Doubt::HeapsUp { .. })))
        .map(|doubt| match doubt {
            Doubt::Closed { reaction } => warning(
                format!("{} has a rate of zero in both directions", equation(reaction)),
                "nothing happens along it",
                "remove it, or give it a rate",
            ),
            Doubt::Idle { reaction } => warning(
                format!("{} makes what it takes", equation(reaction)),
                "it changes nothing",
                "remove it",
            ),
            Doubt::DiesOut { species } => warning(
                format!("{} is taken by reactions and nothing makes it", name(species)),
                "it dies out, and averages over a run remember how",
                "observe it at \"times\", or give a reaction a way back",
            ),
            Doubt::HeapsUp { species } => warning(
                format!("{} is made by reactions and nothing takes it", name(species)),
                "it heaps up until its sources run dry: averages over a run are not stationary before that",
                "observe it at \"times\", or give a reaction a way back",
            ),
            Doubt::Starved { reaction } => warning(
                format!("{} never finds what it takes", equation(reaction)),
                "a species that it needs is not there at the start and nothing makes it",
                "give that species a concentration",
            ),
        })
        .collect();
    if !mixed && !mixture.content_is_conserved() {
        warnings.push(warning(
            "reactions change the total content".into(),
            "the total that Soret coefficients speak of is not conserved: its profile is not that of thermophoresis alone",
            "give every species its \"content\": 2 for a dimer of two monomers with 1",
        ));
    }
    warnings
}

/// The first species whose friction varies with x.
pub(super) fn uneven_friction(mixture: &Mixture) -> Option<&Species> {
    let uneven =
        |s: &&Species| matches!(&s.motility, Motility::Friction(friction) if friction.constant().is_none());
    mixture.species().iter().find(uneven)
}

/// Species and reactions as they can stand in a file. Without space nothing is `moving`.
pub(super) fn write(mixture: &Mixture, concentrations: &[f64], moving: bool, to: &mut Value) {
    let law = |field: &Arc<dyn Field>| super::law(field.as_ref());
    let species = mixture.species().iter().zip(concentrations).map(|(s, c)| {
        let (key, field) = s.motility.parts();
        let mut entry = json!({
            "name": s.name, "energy": s.energy, "content": s.content, "concentration": c
        });
        if moving {
            entry[key] = law(field);
        }
        entry
    });
    to["species"] = species.collect();
    let reactions = mixture.reactions().iter().enumerate().map(|(r, reaction)| {
        let mut entry = Map::from_iter([("equation".to_owned(), Value::from(mixture.equation(r)))]);
        let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
        match &reaction.kinetics {
            Kinetics::Given { forward, backward } => {
                for (key, field) in [("forward", forward), ("backward", backward)] {
                    if let Some(field) = field {
                        put(key, law(field));
                    }
                }
            }
            Kinetics::Balanced { forward, constant } => {
                put("forward", law(forward));
                put("ratio", law(constant));
            }
            Kinetics::VantHoff { forward, prefactor } => {
                put("forward", law(forward));
                put("prefactor", (*prefactor).into());
            }
        }
        Value::Object(entry)
    });
    to["reactions"] = reactions.collect();
    if let Some(map) = to.as_object_mut() {
        map.remove("states");
        map.remove("transitions");
    }
}

impl Experiment {
    /// Particles of every species in a group at the start, `concentration * system_size * length` rounded to a whole
    /// number; none in a mean field and where particles do not react.
    pub fn counts(&self) -> Vec<u64> {
        let size = self.run.system_size.unwrap_or(0.0) * self.model.domain.length;
        self.concentrations.iter().map(|c| libm::round(c * size).max(0.0) as u64).collect()
    }

    /// The mean concentrations at the start that these are; in a mean field those of the file.
    pub fn mean_concentrations(&self) -> Vec<f64> {
        let Some(omega) = self.run.system_size else { return self.concentrations.clone() };
        let size = omega * self.model.domain.length;
        self.counts().iter().map(|n| *n as f64 / size).collect()
    }

    /// The volume in place of the domain, where the method is one without space.
    pub fn volume(&self) -> Option<Volume> {
        let Method::WellMixed { x } = self.method else { return None };
        let mixture = self.model.mixture.as_deref()?;
        let size = self.run.system_size? * self.model.domain.length;
        let typical = settled(mixture, &self.mean_concentrations());
        Some(Volume::new(mixture, x, size, self.counts(), &typical))
    }

    /// Legs in which the concentrations of a mean field become known, fifty windows; zero elsewhere.
    pub fn least_burn_in(&self) -> f64 {
        match self.method {
            Method::MeanField { window: Span::Legs(legs), .. } => WINDOWS_TO_SETTLE * legs as f64,
            _ => 0.0,
        }
    }

    /// How long the slowest part of the system remembers its beginning, roughly.
    pub fn relaxation_time(&self) -> f64 {
        match &self.model.mixture {
            Some(mixture) => relaxation_time(mixture, &self.mean_concentrations()),
            None => self.model.relaxation_time(),
        }
    }

    /// The dimension of an observable in the units of the experiment.
    pub fn dimension(&self, observable: Observable) -> String {
        match &self.model.mixture {
            Some(_) => named_dimension(observable.dimension_of_mixtures(), self.units),
            None => observable.dimension_in(self.units),
        }
    }

    /// The equation of a reaction.
    pub fn equation(&self, reaction: usize) -> Option<String> {
        let mixture = self.model.mixture.as_ref()?;
        (reaction < mixture.reactions().len()).then(|| mixture.equation(reaction))
    }
}
