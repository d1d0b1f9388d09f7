//! Where particles begin: a word, a point, or a density.

use super::proof::{Proof, Sign};
use super::reader::{Cursor, Must, Parameters, brief};
use super::schema::{LawPart, StatePart, law};
use super::source::quote;
use crate::kernel::start::Start;
use serde_json::{Value, json};

/// A start as the file has it.
#[derive(Debug)]
pub(super) enum StartPart<'a> {
    LocalEquilibrium,
    Uniform,
    Given { place: PlacePart<'a>, state: Option<(String, Cursor<'a>)> },
}

/// The places of a start.
#[derive(Debug)]
pub(super) enum PlacePart<'a> {
    Point(f64, Cursor<'a>),
    Profile(LawPart<'a>),
}

/// Reads a start.
pub(super) fn read<'a>(at: &Cursor<'a>, parameters: &Parameters) -> Option<StartPart<'a>> {
    if at.is_string() {
        let word = at.word(&[("local_equilibrium", true), ("uniform", false)])?;
        return Some(if word { StartPart::LocalEquilibrium } else { StartPart::Uniform });
    }
    if !at.is_object() {
        return at.refuse(
            "\"local_equilibrium\", \"uniform\", { \"point\": x } or { \"profile\": a density in x and T }",
        );
    }
    let mut object = at.object()?;
    let (point, profile) = (object.optional("point"), object.optional("profile"));
    let state = object.optional("state");
    let place = match (point, profile) {
        (Some(at), None) => at.scalar(parameters, Must::FINITE).map(|x| PlacePart::Point(x, at)),
        (None, Some(at)) => law(at, parameters, Must::NOT_NEGATIVE).map(PlacePart::Profile),
        (Some(point), Some(profile)) => {
            profile.push(
                profile
                    .mistake("both `point` and `profile` are given")
                    .expected("one of the two")
                    .related(point.span(), "the other one"),
            );
            None
        }
        (None, None) => {
            let mistake = object
                .mistake("the start has no place")
                .expected("\"point\": x, or \"profile\": a density in x and T (1 is uniform)");
            object.missing(&["point", "profile"], mistake);
            None
        }
    };
    object.finish();
    let state = match state {
        None => None,
        Some(at) => Some((at.text()?.to_owned(), at)),
    };
    Some(StartPart::Given { place: place?, state })
}

/// The start that it is in a domain with these states.
pub(super) fn resolve(
    part: &StartPart<'_>,
    states: Option<&[StatePart<'_>]>,
    proof: Option<&Proof<'_>>,
) -> Option<Start> {
    let (place, state) = match part {
        StartPart::LocalEquilibrium => return Some(Start::LocalEquilibrium),
        StartPart::Uniform => return Some(Start::Uniform),
        StartPart::Given { place, state } => (place, state),
    };
    let state = match state {
        None => Some(None),
        Some((name, at)) => {
            let names: Option<Vec<&str>> = states?.iter().map(|s| s.name.as_deref()).collect();
            let names = names?;
            let found = names.iter().position(|n| n == name);
            if found.is_none() {
                at.unknown(name, at.span(), names.iter().copied(), "no state has this name".to_owned());
            }
            found.map(Some)
        }
    };
    let proof = proof?;
    let length = proof.length;
    match place {
        PlacePart::Point(x, at) => {
            if !(0.0..=length).contains(x) {
                at.push(
                    at.mistake("the point lies outside the domain")
                        .expected(format!("a number from 0 to {}", brief(length)))
                        .found(brief(*x)),
                );
                return None;
            }
            Some(Start::Point { x: *x, state: state? })
        }
        PlacePart::Profile(part) => {
            let density = proof.field(part, "profile", Sign::NotNegative)?;
            let start = Start::profile(density.describe(), length, |x| density.value(x), state?);
            // Means over a few thousand parts: a density that none of them sees is nowhere.
            let somewhere =
                matches!(&start, Start::Profile { density, .. } if density.iter().any(|p| *p > 0.0));
            if !somewhere {
                part.at.push(
                    part.at
                        .mistake("the profile is zero everywhere")
                        .expected("a density that is positive somewhere")
                        .found(quote(&density.describe()))
                        .hint("use { \"point\": x } for particles that all begin at one place"),
                );
            }
            somewhere.then_some(start)
        }
    }
}

/// A start as it can stand in a file; `name` knows the states.
pub(super) fn canonical<'n>(start: &Start, name: impl Fn(usize) -> &'n str) -> Value {
    let mut value = match start {
        Start::LocalEquilibrium => return "local_equilibrium".into(),
        Start::Uniform => return "uniform".into(),
        Start::Point { x, .. } => json!({ "point": x }),
        Start::Profile { law, .. } => json!({ "profile": law }),
    };
    if let Some(state) = start.state() {
        value["state"] = name(state).into();
    }
    value
}
