//! The experiment file as a JSON Schema, for editors and other programs.
//!
//! The reader in `schema` decides; this says the same as far as a JSON Schema can. Tests hold the two
//! against each other: every key that the reader asks for occurs here and no other does, every good file
//! fits, every bad one whose fault is its structure does not.

use super::schema::limits;
use super::until::LARGEST_RELATIVE;
use super::{FORMAT_VERSION, Sampling};
use crate::kernel::MOST_AXES;
use crate::model::EnergyUnit;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of an experiment file.
pub fn json_schema() -> Value {
    let energies = EnergyUnit::ALL.map(EnergyUnit::name);
    let options = |properties: Value, required: &[&str]| object(properties, required, "Options.");
    let choice = |arms: Value| {
        let names: Vec<String> = arms.as_object().map(|m| m.keys().cloned().collect()).unwrap_or_default();
        let mut arms = object(arms, &[], "");
        arms["oneOf"] = names.iter().map(|name| json!({ "required": [name] })).collect();
        arms
    };
    let step = || options(json!({ "dt": { "type": "number", "exclusiveMinimum": 0 } }), &["dt"]);
    let mut root = object(
        json!({
            "format_version": described(json!({ "const": FORMAT_VERSION }), "Version of this layout."),
            "title": text("What the experiment is."),
            "claim": text("Equation or figure that it is about."),
            "parameters": described(
                json!({
                    "type": "object",
                    "maxProperties": limits::MOST_PARAMETERS,
                    "properties": { "notes": { "$ref": "#/$defs/notes" } },
                    "additionalProperties": { "$ref": "#/$defs/number" }
                }),
                "Named numbers for expressions; each may use those before it."
            ),
            "domain": object(
                json!({
                    "length": { "$ref": "#/$defs/positive" },
                    "walls": described(json!({ "enum": ["reflecting", "periodic"] }), "What happens at the ends.")
                }),
                &["length"],
                "Where particles move: 0 <= x <= length."
            ),
            "units": object(
                json!({ "temperature": { "const": "K" }, "energy": { "enum": energies } }),
                &["temperature", "energy"],
                "Units of temperature and energy; without them k_B = 1."
            ),
            "temperature": { "$ref": "#/$defs/temperature" },
            "species": species(),
            "reactions": reactions(),
            "coordinates": coordinates(),
            "potential": { "$ref": "#/$defs/potential" },
            "states": described(
                json!({
                    "type": "array", "minItems": 1, "maxItems": limits::MOST_STATES,
                    "items": { "$ref": "#/$defs/state" }
                }),
                "Internal states."
            ),
            "diffusivity": described(
                json!({ "$ref": "#/$defs/positive" }),
                "Of a particle without internal states; with coordinates of all states that have none."
            ),
            "friction": described(json!({ "$ref": "#/$defs/not_negative" }), "Of a particle without internal states."),
            "drift": { "$ref": "#/$defs/drift" },
            "mass": described(json!({ "$ref": "#/$defs/positive" }), "Of a particle without internal states."),
            "transitions": described(
                json!({
                    "type": "array", "maxItems": limits::MOST_TRANSITIONS,
                    "items": { "$ref": "#/$defs/transition" }
                }),
                "Edges between the states; several may join the same two."
            ),
            "motion": {
                "oneOf": [
                    { "enum": ["overdamped", "underdamped"] },
                    choice(json!({
                        "overdamped": options(json!({}), &[]),
                        "underdamped": options(json!({}), &[])
                    }))
                ]
            },
            "method": {
                "oneOf": [
                    { "enum": ["auto", "exact", "pairs", "mean_field", "well_mixed"] },
                    choice(json!({
                        "auto": options(json!({}), &[]),
                        "exact": options(json!({}), &[]),
                        "euler_maruyama": step(),
                        "midpoint": step(),
                        "mala": step(),
                        "heun": step(),
                        "baoab": step(),
                        "baoab_flux": step(),
                        "pairs": options(
                            json!({
                                "cells": whole(1, limits::MOST_CELLS, "A multiple of the number of bins."),
                                "dt": { "type": "number", "exclusiveMinimum": 0 }
                            }),
                            &[]
                        ),
                        "mean_field": options(
                            json!({
                                "cells": whole(1, limits::MOST_FIELD_CELLS, "A multiple of the number of bins."),
                                "window": {
                                    "type": "number", "exclusiveMinimum": 0,
                                    "description": "For how many legs concentrations hold; with times for how long."
                                }
                            }),
                            &[]
                        ),
                        "well_mixed": options(
                            json!({
                                "x": described(json!({ "$ref": "#/$defs/not_negative" }), "Where the rates are taken, if they vary.")
                            }),
                            &[]
                        )
                    }))
                ]
            },
            "run": { "$ref": "#/$defs/run" },
            "measure": { "$ref": "#/$defs/measure" }
        }),
        &["format_version", "temperature", "run"],
        "An experiment: a system in a temperature field, and how it is simulated.",
    );
    // Drifts and masses belong to states; a run has a length or times of observation.
    root["allOf"] = json!([
        { "anyOf": [without_coordinates(), with_coordinates(), with_species(), in_a_field(), in_a_volume()] },
        { "anyOf": [{ "properties": closed(&["states"]) }, { "properties": closed(&["drift", "mass"]) }] },
        { "anyOf": [overdamped(), underdamped()] },
        {
            "anyOf": [
                { "properties": { "run": { "anyOf": [{ "required": ["legs"] }, { "required": ["duration"] }] },
                    "measure": { "properties": closed(&["times"]) } } },
                { "required": ["measure"], "properties": {
                    "run": { "properties": closed(&["legs", "duration", "until"]) },
                    "measure": { "required": ["times"] } } }
            ]
        }
    ]);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Experiment file of mc");
    root["$defs"] = definitions();
    root
}

/// A choice that is one of these, as a word or as an object.
fn one_of(names: &[&str]) -> Value {
    let objects = names.iter().map(|name| json!({ "type": "object", "required": [name] }));
    json!({ "anyOf": std::iter::once(json!({ "enum": names })).chain(objects).collect::<Vec<_>>() })
}

/// Each state, or the particle, has a diffusivity or a friction.
fn without_coordinates() -> Value {
    let mut properties = closed(&["coordinates", "species", "reactions"]);
    properties["run"] = of_walkers(&[]);
    properties["states"] =
        json!({ "items": { "oneOf": [{ "required": ["diffusivity"] }, { "required": ["friction"] }] } });
    properties["method"] = one_of(&["auto", "exact", "euler_maruyama", "baoab", "baoab_flux"]);
    let one = ["states", "diffusivity", "friction"].map(|key| json!({ "required": [key] }));
    json!({ "required": ["domain"], "properties": properties, "oneOf": one })
}

/// There is a potential, and a diffusivity for all states or one for each; runs last a time.
fn with_coordinates() -> Value {
    let mut properties = closed(&["friction", "drift", "mass", "species", "reactions"]);
    properties["states"] = json!({ "items": { "properties": closed(&["friction", "drift", "mass"]) } });
    properties["motion"] = one_of(&["overdamped"]);
    properties["method"] = one_of(&["auto", "midpoint", "mala", "heun", "euler_maruyama"]);
    properties["run"] = of_walkers(&["legs"]);
    properties["measure"] = json!({ "properties": closed(&["trajectories"]) });
    json!({
        "required": ["domain", "coordinates", "potential"],
        "properties": properties,
        "anyOf": [
            { "required": ["diffusivity"] },
            {
                "required": ["states"],
                "properties": { "states": { "items": { "required": ["diffusivity"] } } }
            }
        ]
    })
}

/// Particles are counted one by one.
fn of_walkers(without: &[&str]) -> Value {
    let mut properties = closed(without);
    properties["system_size"] = Value::Bool(false);
    properties["realisations"] = Value::Bool(false);
    json!({ "required": ["particles"], "properties": properties })
}

/// What is said of particles that react, and not said where they do.
fn of_species(method: &[&str], not_in_run: &[&str]) -> Value {
    let elsewhere =
        ["states", "transitions", "coordinates", "potential", "diffusivity", "friction", "drift", "mass"];
    let mut properties = closed(&elsewhere);
    properties["motion"] = one_of(&["overdamped"]);
    properties["method"] = one_of(method);
    let walkers = closed(&[&["particles", "legs", "until", "start"], not_in_run].concat());
    properties["run"] = json!({ "required": ["system_size"], "properties": walkers });
    properties["measure"] = json!({ "properties": closed(&["trajectories"]) });
    properties
}

/// Particles react: nothing is said of states, and their number follows.
fn with_species() -> Value {
    let mut properties = of_species(&["auto", "pairs"], &["realisations"]);
    properties["species"] =
        json!({ "items": { "anyOf": [{ "required": ["diffusivity"] }, { "required": ["friction"] }] } });
    json!({ "required": ["domain", "species"], "properties": properties })
}

/// Units react in the field of all others: they are counted, and what is there has no size.
fn in_a_field() -> Value {
    let mut properties = of_species(&["mean_field"], &[]);
    properties["species"] =
        json!({ "items": { "anyOf": [{ "required": ["diffusivity"] }, { "required": ["friction"] }] } });
    let without = closed(&["system_size", "realisations", "duration", "until", "start"]);
    properties["run"] = json!({ "required": ["particles"], "properties": without });
    json!({ "required": ["domain", "species", "method"], "properties": properties })
}

/// Particles react in one volume without space: nothing moves, and numbers are seen at times.
fn in_a_volume() -> Value {
    let mut properties = of_species(&["well_mixed"], &["burn_in", "duration"]);
    properties["measure"]["required"] = json!(["times"]);
    json!({ "required": ["species", "method", "measure"], "properties": properties })
}

fn species() -> Value {
    let mut species = object(
        json!({
            "name": described(name(limits::LONGEST_STATE), "Letters, digits and _, as in equations."),
            "energy": described(json!({ "$ref": "#/$defs/number" }), "Enthalpy of a particle."),
            "content": whole(0, limits::LARGEST_CONTENT, "Units of solute in a particle: 1 of a monomer, 2 of a dimer."),
            "concentration": described(
                json!({ "$ref": "#/$defs/not_negative" }), "Mean over the domain at the start, per length."
            ),
            "diffusivity": described(json!({ "$ref": "#/$defs/positive" }), "Read as Ito: J = -d_x(D c). In x and T."),
            "friction": described(json!({ "$ref": "#/$defs/positive" }), "Constant: J = -(1/gamma) d_x(kT c).")
        }),
        &["name"],
        "A kind of particle.",
    );
    species["anyOf"] =
        json!([{ "properties": closed(&["friction"]) }, { "properties": closed(&["diffusivity"]) }]);
    described(
        json!({ "type": "array", "minItems": 1, "maxItems": limits::MOST_STATES, "items": species }),
        "Kinds of particles that react with each other.",
    )
}

fn reactions() -> Value {
    let mut reaction = object(
        json!({
            "equation": text("2 M <-> D, E + S <-> ES, 0 -> A: at most two particles are taken."),
            "forward": described(json!({ "$ref": "#/$defs/not_negative" }), "Rate constant k_+, in x and T."),
            "backward": described(json!({ "$ref": "#/$defs/not_negative" }), "Rate constant k_-, in x and T."),
            "ratio": described(json!({ "$ref": "#/$defs/not_negative" }), "k_-/k_+ in x and T: K_d of 2 M <-> D."),
            "prefactor": described(
                json!({ "$ref": "#/$defs/positive" }), "k_-/k_+ is this times exp(dH/kT), dH from the energies."
            )
        }),
        &["equation", "forward"],
        "A reaction by the law of mass action.",
    );
    reaction["anyOf"] = json!([
        { "properties": closed(&["ratio", "prefactor"]) },
        { "properties": closed(&["backward", "prefactor"]) },
        { "properties": closed(&["backward", "ratio"]) }
    ]);
    described(
        json!({ "type": "array", "maxItems": limits::MOST_TRANSITIONS, "items": reaction }),
        "What becomes of particles that meet, or of one alone.",
    )
}

/// Continuous internal coordinates.
fn coordinates() -> Value {
    let ends = |words: &str| {
        described(
            json!({ "type": "array", "items": { "$ref": "#/$defs/number" }, "minItems": 2, "maxItems": 2 }),
            words,
        )
    };
    let mut coordinate = object(
        json!({
            "name": described(name(limits::LONGEST_STATE), "How expressions call it."),
            "mobility": described(json!({ "$ref": "#/$defs/positive" }), "The same everywhere; the noise is mobility kT(x)."),
            "diffusivity": described(json!({ "$ref": "#/$defs/positive" }), "The noise, the same everywhere; the mobility is diffusivity/kT(x)."),
            "walls": ends("Ends that reflect; without them and without a circle, the potential must confine."),
            "periodic": ends("The ends of a circle, which are the same place.")
        }),
        &["name"],
        "A continuous internal coordinate.",
    );
    coordinate["oneOf"] = json!([{ "required": ["mobility"] }, { "required": ["diffusivity"] }]);
    coordinate["anyOf"] =
        json!([{ "properties": closed(&["walls"]) }, { "properties": closed(&["periodic"]) }]);
    described(
        json!({ "type": "array", "minItems": 1, "maxItems": MOST_AXES, "items": coordinate }),
        "Continuous internal coordinates.",
    )
}

/// Without inertia there is no mass, and a friction is positive.
fn overdamped() -> Value {
    let mut properties = closed(&["mass"]);
    properties["friction"] = json!({ "$ref": "#/$defs/positive" });
    let states = json!({ "items": { "properties": properties } });
    properties["states"] = states;
    properties["motion"] = one_of(&["overdamped"]);
    properties["method"] = one_of(&[
        "auto",
        "exact",
        "euler_maruyama",
        "midpoint",
        "mala",
        "heun",
        "pairs",
        "mean_field",
        "well_mixed",
    ]);
    json!({ "properties": properties })
}

/// With inertia every state has a mass and a friction, and runs last a time.
fn underdamped() -> Value {
    let mut properties = closed(&["diffusivity"]);
    properties["drift"] = json!({ "const": 0 });
    properties["states"] = json!({ "items": { "required": ["mass"], "properties": properties } });
    properties["motion"] = one_of(&["underdamped"]);
    properties["method"] = one_of(&["auto", "baoab", "baoab_flux"]);
    properties["run"] = json!({ "properties": closed(&["legs"]) });
    properties["measure"] = json!({ "properties": closed(&["times", "trajectories"]) });
    json!({
        "required": ["motion"],
        "properties": properties,
        "anyOf": [{ "required": ["states"] }, { "required": ["mass"] }]
    })
}

fn definitions() -> Value {
    let number = |rule: Value, words: &str| {
        let mut number = Map::from_iter([("type".to_owned(), json!("number"))]);
        number.extend(rule.as_object().cloned().unwrap_or_default());
        let expression = json!({ "type": "string", "minLength": 1, "maxLength": limits::LONGEST_EXPRESSION });
        described(json!({ "anyOf": [number, expression] }), words)
    };
    let state = object(
        json!({
            "name": name(limits::LONGEST_STATE),
            "energy": { "$ref": "#/$defs/number" },
            "entropy": described(json!({ "$ref": "#/$defs/number" }), "In units of k_B."),
            "diffusivity": described(
                json!({ "$ref": "#/$defs/positive" }), "Read as Ito: J = -d_x(D P). In x and T, with coordinates in these and U as well."
            ),
            "friction": described(
                json!({ "$ref": "#/$defs/not_negative" }),
                "Kinetic: J = -(1/gamma) d_x(kT P); with inertia that of Kramers' equation. In x and T."
            ),
            "potential": { "$ref": "#/$defs/potential" },
            "drift": { "$ref": "#/$defs/drift" },
            "mass": described(json!({ "$ref": "#/$defs/positive" }), "Where the motion is underdamped.")
        }),
        &["name"],
        "An internal state.",
    );
    let mut transition = object(
        json!({
            "name": name(limits::LONGEST_TRANSITION),
            "between": {
                "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2,
                "description": "The names of two states; forward is from the first to the second."
            },
            "rate": free_rate(),
            "attempt_rate": { "$ref": "#/$defs/not_negative" },
            "barrier": described(json!({ "$ref": "#/$defs/number" }), "On the scale of the energies."),
            "affinity": described(json!({ "$ref": "#/$defs/number" }), "Work done per forward passage.")
        }),
        &["between"],
        "An edge between two states.",
    );
    transition["oneOf"] = json!([
        { "required": ["attempt_rate", "barrier"], "properties": closed(&["rate"]) },
        { "required": ["rate"], "properties": closed(&["attempt_rate", "barrier", "affinity"]) }
    ]);
    let mut run = object(
        json!({
            "particles": whole(limits::FEWEST_GROUPS, limits::MOST_PARTICLES, "Number of particles."),
            "legs": whole(1, limits::MOST_LEGS, "Candidate transitions of each particle, for exact."),
            "duration": { "type": "number", "exclusiveMinimum": 0, "description": "Time of each particle." },
            "burn_in": {
                "type": "number", "minimum": 0,
                "description": "Legs or time before anything is measured; chosen by the program if absent."
            },
            "groups": whole(limits::FEWEST_GROUPS, limits::MOST_GROUPS, "Independent groups, which give the errors."),
            "rounds": whole(1, limits::MOST_ROUNDS, "Parts between which a run can be stopped."),
            "start": start(),
            "seed": whole(0, u64::MAX, "Seed of all random numbers."),
            "sampling": {
                "enum": [Sampling::MonteCarlo.name(), Sampling::ArrayRqmc.name()],
                "description": "Independent random words, or those of a net for the legs of a group, for exact with legs."
            },
            "system_size": described(
                json!({ "$ref": "#/$defs/positive" }),
                "Particles per unit of concentration and length, where they react; every group is one population."
            ),
            "realisations": whole(
                limits::FEWEST_GROUPS, limits::MOST_REALISATIONS, "Of a well-mixed volume, over all groups."
            ),
            "until": until()
        }),
        &[],
        "How many particles, for how long.",
    );
    run["oneOf"] = json!([
        { "required": ["legs"], "properties": { "burn_in": { "type": "integer" } } },
        { "required": ["duration"] },
        { "properties": closed(&["legs", "duration"]) }
    ]);
    json!({
        "notes": text("For people; changes nothing."),
        "number": number(json!({}), "A number, or an expression of the parameters."),
        "positive": number(json!({ "exclusiveMinimum": 0 }), "A positive number, or an expression."),
        "not_negative": number(json!({ "minimum": 0 }), "A number that is not negative, or an expression."),
        "temperature": described(
            json!({ "anyOf": [{ "$ref": "#/$defs/positive" }, temperature_choice()] }),
            "A number, an expression in x, a table of points, or steps."
        ),
        "potential": described(json!({ "$ref": "#/$defs/number" }), "An energy, in x, coordinates and parameters; continuous."),
        "drift": described(json!({ "$ref": "#/$defs/number" }), "A velocity, in x, T and parameters."),
        "state": state,
        "transition": transition,
        "run": run,
        "measure": measure()
    })
}

fn until() -> Value {
    let positive = json!({ "type": "number", "exclusiveMinimum": 0 });
    let mut relative = positive.clone();
    relative["maximum"] = LARGEST_RELATIVE.into();
    let mut until = object(
        json!({
            "quantity": text("What is to be known: soret, mean_heat_current, population:NAME, mean_current:NAME, ..."),
            "relative_error": described(relative, "Wanted standard error in parts of the value."),
            "absolute_error": described(positive, "Wanted standard error in the unit of the value.")
        }),
        &["quantity"],
        "The run ends when a quantity is known this well; its length is then the longest.",
    );
    until["anyOf"] = json!([{ "required": ["relative_error"] }, { "required": ["absolute_error"] }]);
    until
}

fn start() -> Value {
    let mut given = object(
        json!({
            "point": described(json!({ "$ref": "#/$defs/number" }), "Where all particles begin."),
            "profile": described(json!({ "$ref": "#/$defs/not_negative" }), "A density in x and T, up to a factor."),
            "state": { "type": "string" }
        }),
        &[],
        "A place, and the state of all particles.",
    );
    given["oneOf"] = json!([{ "required": ["point"] }, { "required": ["profile"] }]);
    json!({ "anyOf": [{ "enum": ["local_equilibrium", "uniform"] }, given] })
}

fn measure() -> Value {
    let time = || json!({ "type": "number", "exclusiveMinimum": 0 });
    let range = object(
        json!({
            "from": time(),
            "to": time(),
            "n": whole(2, limits::MOST_TIMES, "How many."),
            "log": described(json!({ "type": "boolean" }), "Spaced by equal factors.")
        }),
        &["from", "to", "n"],
        "Times from the first to the last.",
    );
    let list = json!({ "type": "array", "items": time(), "minItems": 1, "maxItems": limits::MOST_TIMES });
    object(
        json!({
            "bins": whole(2, limits::MOST_BINS, "Number of reported bins."),
            "times": described(json!({ "anyOf": [list, range] }), "Times of observation; the run ends at the last."),
            "trajectories": object(
                json!({ "segment": time() }),
                &["segment"],
                "Thermodynamics of single trajectories, in segments of this duration."
            )
        }),
        &[],
        "What is measured.",
    )
}

fn free_rate() -> Value {
    let mut rate = object(
        json!({
            "forward": { "$ref": "#/$defs/not_negative" },
            "backward": { "$ref": "#/$defs/not_negative" }
        }),
        &[],
        "Rates as such, in x, T and parameters; one direction may be left out.",
    );
    rate["anyOf"] = json!([{ "required": ["forward"] }, { "required": ["backward"] }]);
    rate
}

fn temperature_choice() -> Value {
    let mut table = object(
        json!({
            "points": {
                "type": "array", "minItems": 2, "maxItems": limits::MOST_POINTS,
                "items": {
                    "type": "array", "minItems": 2, "maxItems": 2,
                    "prefixItems": [{ "$ref": "#/$defs/number" }, { "$ref": "#/$defs/positive" }]
                }
            },
            "file": text("A CSV file with columns x and T, beside this file."),
            "interpolation": { "enum": ["monotone_cubic", "linear"] }
        }),
        &[],
        "Points with increasing x that cover the domain.",
    );
    table["oneOf"] = json!([{ "required": ["points"] }, { "required": ["file"] }]);
    let list =
        |of: &str| json!({ "type": "array", "items": { "$ref": of }, "maxItems": limits::MOST_POINTS });
    let steps = object(
        json!({ "at": list("#/$defs/number"), "values": list("#/$defs/positive") }),
        &["at", "values"],
        "Piecewise constant, with one value more than there are steps.",
    );
    let mut choice = object(json!({ "table": table, "steps": steps }), &[], "");
    choice["oneOf"] = json!([{ "required": ["table"] }, { "required": ["steps"] }]);
    choice
}

/// Keys that must not be there.
fn closed(keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), Value::Bool(false))).collect::<Map<String, Value>>().into()
}

/// An object with these keys, notes and no other.
fn object(mut properties: Value, required: &[&str], description: &str) -> Value {
    properties["notes"] = json!({ "$ref": "#/$defs/notes" });
    let schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let mut schema = described(schema, description);
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn described(mut schema: Value, words: &str) -> Value {
    if !words.is_empty() {
        schema["description"] = words.into();
    }
    schema
}

fn text(words: &str) -> Value {
    described(json!({ "type": "string" }), words)
}

fn name(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest })
}

fn whole(least: u64, most: u64, words: &str) -> Value {
    described(json!({ "type": "integer", "minimum": least, "maximum": most }), words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{EXAMPLES, reader, schema, source};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// What a value has against a schema, in words; knows the keywords that occur here and no other.
    fn complaint(root: &Value, schema: &Value, value: &Value) -> Option<String> {
        let schema = match schema {
            Value::Bool(allowed) => return (!allowed).then(|| "is not allowed".to_owned()),
            other => other.as_object().expect("a schema is an object"),
        };
        let number = |v: &Value| v.as_f64().expect("a number in the schema");
        let length = |v: &Value| match v {
            Value::String(s) => s.chars().count(),
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        } as f64;
        let fits = |s: &Value| complaint(root, s, value).is_none();
        let branches = |rule: &Value| rule.as_array().unwrap().iter().filter(|s| fits(s)).count();
        for (keyword, rule) in schema {
            let holds = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#'));
                    match complaint(root, target.expect("a definition"), value) {
                        Some(why) => return Some(why),
                        None => true,
                    }
                }
                "type" => match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.as_f64().is_some_and(|v| v.trunc() == v),
                    other => panic!("type {other}"),
                },
                "const" => value.as_f64().map_or(value == rule, |v| Some(v) == rule.as_f64()),
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|v| v >= number(rule)),
                "exclusiveMinimum" => value.as_f64().is_none_or(|v| v > number(rule)),
                // Doubles do not tell 2^64 from the largest whole number allowed.
                "maximum" => match (value.as_u64(), rule.as_u64()) {
                    (Some(v), Some(most)) => v <= most,
                    (None, Some(u64::MAX)) => value.as_f64().is_none_or(|v| v < number(rule)),
                    _ => value.as_f64().is_none_or(|v| v <= number(rule)),
                },
                "minLength" | "minItems" => length(value) >= number(rule),
                "maxLength" | "maxItems" | "maxProperties" => length(value) <= number(rule),
                "required" => {
                    rule.as_array().unwrap().iter().all(|k| value.get(k.as_str().unwrap()).is_some())
                }
                "anyOf" => branches(rule) > 0,
                "allOf" => branches(rule) == rule.as_array().map_or(0, Vec::len),
                "oneOf" => branches(rule) == 1,
                "items" | "prefixItems" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        let rule = if keyword == "items" { Some(rule) } else { rule.get(i) };
                        if let Some(why) = rule.and_then(|rule| complaint(root, rule, item)) {
                            return Some(format!("[{i}] {why}"));
                        }
                    }
                    true
                }
                "properties" => {
                    for (key, rule) in rule.as_object().unwrap() {
                        if let Some(why) = value.get(key).and_then(|v| complaint(root, rule, v)) {
                            return Some(format!("{key} {why}"));
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = schema["properties"].as_object().unwrap();
                    for (key, v) in
                        value.as_object().into_iter().flatten().filter(|(k, _)| !known.contains_key(*k))
                    {
                        if let Some(why) = complaint(root, rule, v) {
                            return Some(format!("{key} {why}"));
                        }
                    }
                    true
                }
                other => panic!("keyword {other}"),
            };
            if !holds {
                return Some(format!("breaks {keyword}"));
            }
        }
        None
    }

    fn files(folder: &str) -> Vec<(PathBuf, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let json = paths.filter(|p| p.extension().is_some_and(|e| e == "json"));
        json.map(|p| (p.clone(), String::from_utf8_lossy(&fs::read(&p).unwrap()).into_owned())).collect()
    }

    fn good_files() -> Vec<(PathBuf, String)> {
        let examples = EXAMPLES.map(|e| (PathBuf::from(e.name), e.text.to_owned()));
        let mut all = files("tests/input/good");
        all.extend(files("experiments"));
        all.extend(examples);
        all
    }

    #[test]
    fn good_files_fit() {
        let schema = json_schema();
        for (path, text) in good_files() {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(complaint(&schema, &schema, &value), None, "{}", path.display());
            if let Ok(experiment) = crate::experiment::Experiment::read(&path) {
                assert_eq!(complaint(&schema, &schema, &experiment.canonical()), None, "{}", path.display());
            }
        }
    }

    #[test]
    fn bad_structures_do_not_fit() {
        let schema = json_schema();
        let (mut structural, mut others) = (0, 0);
        for (path, text) in files("tests/input/bad") {
            let Ok(value) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            let told = |words: &str| expected.contains(words);
            // Values of expressions and sums of several numbers are beyond a schema.
            let structure = told("unknown key")
                || told("\" is missing")
                || told("has the wrong type")
                || told("are given")
                || told("stands beside")
                || told("inertia")
                || told(": unknown `")
                || (told("is out of range") && !told(", which is"));
            let complaint = complaint(&schema, &schema, &value);
            if structure {
                structural += 1;
                assert!(complaint.is_some(), "{} fits the schema", path.display());
            } else {
                others += usize::from(complaint.is_none());
            }
        }
        assert!(structural > 50 && others > 30, "{structural} {others}");
    }

    /// A path with its indices left out: `states[3].energy` is `states[].energy`.
    fn general(path: &str) -> String {
        let mut out = String::new();
        for c in path.chars().filter(|c| !c.is_ascii_digit()) {
            out.push(c);
        }
        out
    }

    /// All `(path of an object, key)` of a schema.
    fn keys(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<(String, String)>) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            keys(root, root.pointer(target.trim_start_matches('#')).unwrap(), path, found);
        }
        for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            found.insert((path.to_owned(), key.clone()));
            let join = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys(root, inner, &join, found);
        }
        for branch in ["allOf", "anyOf", "oneOf"] {
            for inner in schema.get(branch).and_then(Value::as_array).into_iter().flatten() {
                keys(root, inner, path, found);
            }
        }
        for items in ["items", "prefixItems"] {
            match schema.get(items) {
                Some(Value::Array(list)) => {
                    list.iter().for_each(|s| keys(root, s, &format!("{path}[]"), found))
                }
                Some(inner) => keys(root, inner, &format!("{path}[]"), found),
                None => {}
            }
        }
    }

    #[test]
    fn the_keys_are_those_of_the_reader() {
        let mut read = BTreeSet::new();
        for (_, text) in good_files() {
            let reports = reader::Reports::new(&text);
            let tree = source::parse(&text).unwrap();
            schema::read(&reader::Cursor::root(&tree, &reports), None);
            let asked = reports.asked.borrow();
            read.extend(asked.iter().map(|(path, key)| (general(path), key.clone())));
        }
        let mut known = BTreeSet::new();
        let schema = json_schema();
        keys(&schema, &schema, "", &mut known);
        let missing: Vec<_> = read.difference(&known).collect();
        let surplus: Vec<_> = known.difference(&read).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "not in schema: {missing:?}; only there: {surplus:?}"
        );
    }
}
