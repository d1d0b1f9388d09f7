//! From what a file says to a run: the checks that need several parts at once, and the model.

use super::reader::{Cursor, Reports, brief};
use super::schema::{ExperimentFile, StatePart, TransitionPart, duplicates};
use super::source::quote;
use super::{Experiment, Transition};
use crate::expression::Interval;
use crate::model::{Edge, Field, Model, Network, NetworkError, State};
use std::collections::{HashMap, HashSet};

/// Checks what is left to check and makes the experiment. `None` when there was any mistake.
pub(super) fn build(
    name: &str,
    file: ExperimentFile<'_>,
    root: &Cursor<'_>,
    reports: &Reports<'_>,
) -> Option<Experiment> {
    let temperature_range = temperature_range(&file);
    let states = file.states.as_deref().and_then(states);
    let edges = match (&file.states, &file.transitions) {
        (Some(states), Some(parts)) => edges(states, parts),
        _ => None,
    };
    if let (Some(states), Some(edges)) = (&states, &edges) {
        if let Some(range) = temperature_range {
            rates(states, edges, range);
        }
        if let Some(parts) = &file.states {
            reachable(parts, edges);
        }
    }
    if !reports.is_empty() {
        return None;
    }
    let (edges, transitions) =
        edges?.into_iter().map(|e| (Edge::new(e.between, e.attempt_rate, e.barrier), e.transition)).unzip();
    let network = match Network::new(states?, edges) {
        Ok(network) => network,
        Err(error) => {
            network_mistake(&error, &file, root);
            return None;
        }
    };
    let temperature = file.temperature?;
    Some(Experiment {
        name: name.to_owned(),
        title: file.title?,
        claim: file.claim?,
        notes: file.notes,
        model: Model { domain: file.domain?, temperature: temperature.field, boltzmann: 1.0, network },
        transitions,
        motion: file.motion?,
        method: file.method?,
        run: file.run?,
        measure: file.measure?,
        parameters: file.parameters.list,
        temperature: temperature.written,
    })
}

/// The states, where all of them could be read; two with the same name are a mistake.
fn states(parts: &[StatePart<'_>]) -> Option<Vec<State>> {
    let named = parts.iter().filter_map(|p| Some((p.name.as_deref()?, &p.at)));
    duplicates("states", named);
    let state = |part: &StatePart<'_>| Some(State::new(part.name.clone()?, part.energy?, part.diffusivity?));
    parts.iter().map(state).collect()
}

/// An edge of the network and what the file says about it.
struct EdgePart<'a> {
    between: [usize; 2],
    attempt_rate: f64,
    barrier: f64,
    transition: Transition,
    at: Cursor<'a>,
}

/// The edges, where all of them could be read; the names in `between` must be those of states.
fn edges<'a>(states: &[StatePart<'_>], parts: &[TransitionPart<'a>]) -> Option<Vec<EdgePart<'a>>> {
    let named = parts.iter().filter_map(|p| p.name.as_ref());
    duplicates("transitions", named.map(|(name, at)| (name.as_str(), at)));
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::new();
    for (i, state) in states.iter().enumerate() {
        if let Some(name) = state.name.as_deref()
            && !index.contains_key(name)
        {
            index.insert(name, i);
            names.push(name);
        }
    }
    let find = |(name, at): &(String, Cursor<'_>)| {
        let found = index.get(name.as_str()).copied();
        // Where a name could not be read or is given twice, the unknown one may have been meant.
        if found.is_none() && names.len() == states.len() {
            let title = "no state has this name".to_owned();
            at.unknown(name, at.span(), names.iter().copied(), title);
        }
        found
    };
    let given = parts.iter().filter_map(|p| p.name.as_ref());
    let given: HashSet<&str> = given.map(|(name, _)| name.as_str()).collect();
    let mut used: HashMap<String, usize> = HashMap::new();
    let mut made_name = |from: &str, to: &str| {
        let plain = format!("{from}-{to}");
        let count = used.entry(plain.clone()).or_insert(0);
        loop {
            *count += 1;
            let name = match *count {
                1 => plain.clone(),
                n => format!("{plain} ({n})"),
            };
            if !given.contains(name.as_str()) {
                return name;
            }
        }
    };
    let edge = |part: &TransitionPart<'a>| {
        let [from, to] = part.between.as_ref()?;
        let ends = [find(from), find(to)];
        let between = [ends[0]?, ends[1]?];
        if between[0] == between[1] {
            to.1.push(
                to.1.mistake("a transition joins a state with itself")
                    .expected("the name of another state")
                    .found(quote(&to.0)),
            );
            return None;
        }
        let name = match &part.name {
            Some((name, _)) => name.clone(),
            None => made_name(&from.0, &to.0),
        };
        Some(EdgePart {
            between,
            attempt_rate: part.attempt_rate?,
            barrier: part.barrier?,
            transition: Transition { name },
            at: part.at.clone(),
        })
    };
    let edges: Vec<Option<EdgePart<'a>>> = parts.iter().map(edge).collect();
    edges.into_iter().collect()
}

/// Every state must be reachable from the first; one mistake for each part of the network that is not.
fn reachable(parts: &[StatePart<'_>], edges: &[EdgePart<'_>]) {
    let mut neighbours = vec![Vec::new(); parts.len()];
    for e in edges.iter().filter(|e| e.attempt_rate > 0.0) {
        let [a, b] = e.between;
        neighbours[a].push(b);
        neighbours[b].push(a);
    }
    let mut reached = vec![false; parts.len()];
    for start in 0..parts.len() {
        if reached[start] {
            continue;
        }
        if start > 0 {
            let name = |i: usize| quote(parts[i].name.as_deref().unwrap_or(""));
            let at = &parts[start].at;
            at.push(
                at.mistake("a state cannot be reached")
                    .expected(format!("a chain of transitions from {}", name(0)))
                    .hint(format!(
                        "add a transition with a positive attempt_rate between {} and another state",
                        name(start)
                    )),
            );
        }
        reached[start] = true;
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            for &other in &neighbours[state] {
                if !std::mem::replace(&mut reached[other], true) {
                    open.push(other);
                }
            }
        }
    }
}

/// Every rate must be a finite number at every temperature of the domain, and that of a transition
/// that is not switched off must not vanish everywhere.
fn rates(states: &[State], edges: &[EdgePart<'_>], temperature: Interval) {
    for part in edges.iter().filter(|e| e.attempt_rate > 0.0) {
        let [a, b] = part.between;
        for (from, to) in [(a, b), (b, a)] {
            let height = part.barrier - states[from].energy;
            // The rate is monotone in T: its largest value is at an end.
            let largest = (-height / temperature.lo).max(-height / temperature.hi);
            let rate = part.attempt_rate * libm::exp(largest);
            let (title, hint) = if rate == 0.0 {
                (
                    "the rate of a transition is zero everywhere",
                    "lower the barrier; an attempt_rate of 0 switches a transition off",
                )
            } else if rate.is_finite() {
                continue;
            } else {
                (
                    "the rate of a transition overflows",
                    "barriers are on the scale of the energies, usually above both states",
                )
            };
            let direction = format!(
                "attempt_rate * exp({}) from {} to {}",
                brief(largest),
                quote(&states[from].name),
                quote(&states[to].name)
            );
            part.at.push(
                part.at
                    .mistake(title)
                    .expected("attempt_rate * exp(-(barrier - energy)/T) in the range of a double")
                    .found(direction)
                    .hint(hint),
            );
            break;
        }
    }
}

/// The temperatures that occur, once all are proven to be positive and finite.
fn temperature_range(file: &ExperimentFile<'_>) -> Option<Interval> {
    let part = file.temperature.as_ref()?;
    let length = file.domain?.length;
    let fault = match positive_range(part.field.as_ref(), length) {
        Ok(range) => return Some(range),
        Err(fault) => fault,
    };
    let at = &part.at;
    at.push(match fault {
        Fault::At { x, value } => at
            .mistake(if value.is_finite() {
                "the temperature is not positive everywhere"
            } else {
                "the temperature is not finite everywhere"
            })
            .expected(format!("T(x) > 0 for 0 <= x <= {length}"))
            .found(format!("T({}) = {}", brief(x), brief(value))),
        Fault::Unproven { x, bounds } => at
            .mistake("the temperature cannot be proven positive everywhere")
            .expected(format!("T(x) > 0 and finite for 0 <= x <= {length}"))
            .found(format!(
                "bounds from {} to {} for x from {} to {}",
                brief(bounds.lo),
                brief(bounds.hi),
                brief(x.lo),
                brief(x.hi)
            ))
            .hint("write the expression so that x occurs fewer times, or stay further from zero"),
    });
    None
}

/// Why a field is not a temperature.
#[derive(Debug)]
enum Fault {
    /// It has this value here.
    At { x: f64, value: f64 },
    /// Nothing wrong was found, but these are the tightest bounds here.
    Unproven { x: Interval, bounds: Interval },
}

/// The lowest and highest sample of a field that is positive and finite on `[0, length]`. Samples find
/// mistakes; the proof is by interval bounds on pieces that are halved until every piece is proven.
fn positive_range(field: &dyn Field, length: f64) -> Result<Interval, Fault> {
    const SAMPLES: u32 = 1024;
    const MOST_PIECES: usize = 20_000;
    const DEEPEST: u32 = 40;
    let good = |value: f64| value > 0.0 && value.is_finite();
    let sample = |i| {
        let x = length * f64::from(i) / f64::from(SAMPLES);
        (x, field.value(x))
    };
    // The lowest bad value is shown; one that is not a number stands below all others.
    let order = |value: f64| {
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    };
    let worst = (0..=SAMPLES)
        .map(sample)
        .filter(|&(_, value)| !good(value))
        .min_by(|a, b| order(a.1).total_cmp(&order(b.1)));
    if let Some((x, value)) = worst {
        return Err(Fault::At { x, value });
    }
    let mut open = vec![(Interval::new(0.0, length), 0u32)];
    let mut pieces = 0;
    while let Some((piece, depth)) = open.pop() {
        pieces += 1;
        let bounds = field.bounds(piece);
        if bounds.lo > 0.0 && bounds.hi.is_finite() {
            continue;
        }
        let x = 0.5 * (piece.lo + piece.hi);
        let value = field.value(x);
        if !good(value) {
            return Err(Fault::At { x, value });
        }
        if depth == DEEPEST || pieces >= MOST_PIECES || x <= piece.lo || x >= piece.hi {
            return Err(Fault::Unproven { x: piece, bounds });
        }
        open.push((Interval::new(x, piece.hi), depth + 1));
        open.push((Interval::new(piece.lo, x), depth + 1));
    }
    let values = (0..=SAMPLES).map(|i| sample(i).1);
    let (lo, hi) = values.fold((f64::INFINITY, 0.0), |(lo, hi): (f64, f64), v| (lo.min(v), hi.max(v)));
    Ok(Interval::new(lo, hi))
}

/// The last guard: what the network refuses although nothing above did.
fn network_mistake(error: &NetworkError, file: &ExperimentFile<'_>, root: &Cursor<'_>) {
    let state = |i: usize| file.states.as_ref().and_then(|s| s.get(i)).map(|s| &s.at);
    let edge = |i: usize| file.transitions.as_ref().and_then(|t| t.get(i)).map(|t| &t.at);
    let at = match *error {
        NetworkError::NoState => None,
        NetworkError::State { state: i, .. } | NetworkError::Disconnected { state: i, .. } => state(i),
        NetworkError::Edge { edge: i, .. } => edge(i),
    }
    .unwrap_or(root);
    at.push(at.mistake(error.to_string()));
}
