//! From what a file says to a run: the checks that need several parts at once, and the model.

use super::proof::{self, Proof, Sign, proven_range};
use super::reader::{Cursor, Reports, brief};
use super::schema::{
    ExperimentFile, LawPart, MethodPart, MotilityPart, RatePart, StatePart, TransitionPart, duplicates,
};
use super::source::quote;
use super::{Experiment, Motion, RunPlan, Transition, advice, coordinates, method, reactions, start, until};
use crate::expression::Interval;
use crate::internal_space::CELLS;
use crate::model::{Domain, Edge, Field, Model, Motility, Network, NetworkError, RateLaw, State, Uniform};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Checks what is left to check and makes the experiment. `None` when there was any mistake.
pub(super) fn build(
    name: &str,
    file: ExperimentFile<'_>,
    root: &Cursor<'_>,
    reports: &Reports<'_>,
) -> Option<Experiment> {
    let temperatures = file.temperature.as_ref().zip(file.domain);
    let temperatures =
        temperatures.and_then(|(t, domain)| proof::temperatures(t.field.as_ref(), &t.at, domain.length));
    // Laws of the temperature can be looked at once that is known to be one.
    let temperature = file.temperature.as_ref().filter(|_| temperatures.is_some()).map(|t| &t.field);
    let length = file.domain.map(|d| d.length);
    let proof = temperature.zip(length).map(|(temperature, length)| Proof { temperature, length });
    let potential = common_potential(&file);
    let boltzmann = file.units.map(|units| units.boltzmann());
    let internal = file.coordinates.is_some();
    let mixture = file.mixture.as_ref();
    let mixture = mixture
        .and_then(|part| reactions::resolve(part, proof.as_ref(), boltzmann, file.domain.map(|d| d.walls)));
    if file.mixture.is_some() {
        return reactions::experiment(name, file, mixture, temperatures, root, reports);
    }
    let coordinates = coordinates::resolve(&file, proof.as_ref(), file.domain, boltzmann);
    let states =
        file.states.as_deref().and_then(|parts| states(parts, proof.as_ref(), file.domain, file.motion));
    let edges = match (&file.states, &file.transitions) {
        (Some(states), Some(parts)) => edges(states, parts, proof.as_ref()),
        _ => None,
    };
    if let (Some(parts), Some(edges)) = (&file.states, &edges) {
        reachable(parts, edges);
    }
    if let (Some(states), Some(edges), Some(units), Some(range), Some(length)) =
        (&states, &edges, file.units, temperatures, length)
    {
        let energies = Interval::point(units.boltzmann()) * range;
        // A potential of a state that depends on coordinates raises its energy beyond any bound.
        if coordinates.as_ref().is_none_or(|c| c.states.iter().all(|own| own.potential.is_none())) {
            rates(states, edges, energies, length);
        }
    }
    let start =
        file.run.as_ref().and_then(|run| start::resolve(&run.start, file.states.as_deref(), proof.as_ref()));
    if let (Some(measure), Some(run)) = (&file.measure, &file.run) {
        measure.fits(run.plan.span);
    }
    if let (Some(measure), Some(Motion::Underdamped)) = (&file.measure, file.motion) {
        measure.without_inertia();
    }
    if let (Some(measure), true) = (&file.measure, internal) {
        measure.without_coordinates();
    }
    let until = match (&file.run, &states, file.domain, &potential, temperatures) {
        (Some(run), Some(states), Some(domain), Some(potential), Some(range)) if !internal => {
            let system = until::System {
                states,
                domain,
                potential: potential.is_some(),
                coordinates: false,
                wells: 0,
            };
            let part = run.until.as_ref();
            part.and_then(|part| until::resolve(part, system, range.lo == range.hi))
        }
        (run, ..) => {
            run.as_ref().and_then(|run| run.until.as_ref()).into_iter().for_each(until::named);
            None
        }
    };
    let split = |e: EdgePart<'_>| (Edge { between: e.between, law: e.law }, e.transition);
    let split = |parts: Vec<EdgePart<'_>>| parts.into_iter().map(split).unzip();
    let (edges, transitions): (Option<Vec<Edge>>, Option<Vec<Transition>>) = edges.map(split).unzip();
    // Beyond this only sound equations are looked at.
    let network = states.zip(edges).filter(|_| reports.is_empty()).and_then(|(states, edges)| {
        Network::new(states, edges).map_err(|error| network_mistake(&error, &file, root)).ok()
    });
    let model = || {
        Some(Model {
            domain: file.domain?,
            temperature: temperature?.clone(),
            boltzmann: file.units?.boltzmann(),
            potential: potential?,
            network: network?,
            coordinates: if internal { Some(coordinates?) } else { None },
            mixture: None,
        })
    };
    let model = model();
    // Wells are known of a sound potential only.
    let until = match (&file.run, &model, temperatures) {
        (Some(run), Some(model), Some(range)) if internal => {
            let (states, domain, wells) = (model.network.states(), model.domain, wells(model));
            // Internal coordinates carry heat and pass it on, as forces do.
            let system = until::System { states, domain, potential: false, coordinates: true, wells };
            run.until.as_ref().and_then(|part| until::resolve(part, system, range.lo == range.hi))
        }
        _ => until,
    };
    if let (Some(measure), Some(model)) = (&file.measure, &model) {
        measure.suits(model);
    }
    let parts = file.states.as_deref().unwrap_or_default();
    let times = file.measure.as_ref().map_or(&[][..], |m| &m.plan.times);
    let chosen = match (&file.method, &file.run) {
        (Some(method), Some(run)) if internal => method::choose_internal(method, model.as_ref(), run, times),
        (Some(method), Some(run)) => method::choose(method, file.motion, model.as_ref(), parts, run, times),
        _ => None,
    };
    if let Some(MethodPart { reacting: Some(_), at: Some(at), .. }) = &file.method {
        reactions::without_reactions(at);
    }
    if !reports.is_empty() {
        return None;
    }
    let model = model?;
    let reach = internal.then(|| model.coordinate_reach()).transpose();
    let reach = match reach {
        Ok(reach) => reach,
        Err(error) => {
            root.push(root.mistake(error.to_string()));
            return None;
        }
    };
    let motilities: Vec<_> = parts.iter().filter_map(|p| p.motility.as_ref()).collect();
    let mut warnings = advice::about(&model, &motilities, temperatures?);
    let (method, warning) = chosen?;
    warnings.extend(warning);
    Some(Experiment {
        name: name.to_owned(),
        title: file.title?,
        claim: file.claim?,
        notes: file.notes,
        model,
        transitions: transitions?,
        motion: file.motion?,
        method,
        run: RunPlan { start: start?, until, ..file.run?.plan },
        measure: file.measure?.plan,
        parameters: file.parameters.list,
        temperature: file.temperature?.written,
        units: file.units?,
        concentrations: Vec::new(),
        reach,
        warnings,
    })
}

/// Number of wells that are told apart in a run with coordinates.
pub(super) fn wells(model: &Model) -> usize {
    let reach = model.coordinate_reach().ok();
    let ends = reach.and_then(|reach| reach.ends.first().copied());
    ends.map_or(0, |ends| model.well_edges(ends, CELLS).len().saturating_sub(1))
}

/// The potential that acts on all states, where there is one.
fn common_potential(file: &ExperimentFile<'_>) -> Option<Option<Arc<dyn Field>>> {
    match file.potential.as_ref()? {
        None => Some(None),
        Some(part) => proof::potential(part, file.domain?).map(Some),
    }
}

/// The states, where all of them could be read; two with the same name are a mistake.
fn states(
    parts: &[StatePart<'_>],
    proof: Option<&Proof<'_>>,
    domain: Option<Domain>,
    motion: Option<Motion>,
) -> Option<Vec<State>> {
    let inertia = motion != Some(Motion::Overdamped);
    let friction = if inertia { Sign::NotNegative } else { Sign::Positive };
    let named = parts.iter().filter_map(|p| Some((p.name.as_deref()?, &p.at)));
    duplicates("states", named);
    let state = |part: &StatePart<'_>| {
        let motility = || {
            Some(match part.motility.as_ref()? {
                MotilityPart::Diffusivity(law) => {
                    Motility::Diffusivity(proof?.field(law, "diffusivity", Sign::Positive)?)
                }
                MotilityPart::Friction(law) => Motility::Friction(proof?.field(law, "friction", friction)?),
                // The diffusivity is that of the coordinates.
                MotilityPart::Internal => Motility::Diffusivity(Arc::new(Uniform(1.0))),
            })
        };
        let potential = || match part.potential.as_ref()? {
            None => Some(None),
            Some(part) => proof::potential(part, domain?).map(Some),
        };
        let drift = || match part.drift.as_ref()? {
            None => Some(None),
            Some(law) => proof?.field(law, "drift", Sign::Finite).map(Some),
        };
        // All three are looked at, whatever is wrong with one of them.
        let (motility, potential, drift) = (motility(), potential(), drift());
        Some(State {
            name: part.name.clone()?,
            energy: part.energy?,
            entropy: part.entropy?,
            motility: motility?,
            potential: potential?,
            drift: drift?,
            mass: part.mass?,
        })
    };
    let states: Vec<Option<State>> = parts.iter().map(state).collect();
    let states: Vec<State> = states.into_iter().collect::<Option<_>>()?;
    if let (Some(proof), Some(Motion::Underdamped)) = (proof, motion) {
        somewhere_friction(parts, &states, proof.length)?;
    }
    Some(states)
}

/// Without a friction anywhere nothing would ever be forgotten; where it vanishes on a stretch, and no transition
/// mixes energies, Kramers' equation has no solution that modes of the velocity could find.
fn somewhere_friction(parts: &[StatePart<'_>], states: &[State], length: f64) -> Option<()> {
    const PLACES: u32 = 1024;
    let place = |k: u32| length * f64::from(k) / f64::from(PLACES);
    let free = |s: &State, k: u32| s.motility.parts().1.value(place(k)) == 0.0;
    let stretch = |s: &State| (0..PLACES).find(|k| free(s, *k) && free(s, k + 1)).map(place);
    let first = stretch(states.first()?);
    let MotilityPart::Friction(LawPart { at, .. }) = parts.first()?.motility.as_ref()? else {
        return Some(());
    };
    let mistake = if states.iter().all(|s| (0..=PLACES).all(|k| free(s, k))) {
        at.mistake("there is no friction anywhere")
            .expected("a friction that is positive, in one state at least")
            .found("0")
            .hint("without a bath particles never forget their energy: there is no stationary law")
    } else if let (Some(x), 1) = (first, states.len()) {
        at.mistake("the friction vanishes on a stretch")
            .expected("a friction that vanishes at single points at most")
            .found(format!("0 around x = {}", brief(x)))
            .hint("there is no reference for particles without a bath: leave them a little friction")
    } else {
        return Some(());
    };
    at.push(mistake);
    None
}

/// An edge of the network and what the file says about it.
struct EdgePart<'a> {
    between: [usize; 2],
    law: RateLaw,
    transition: Transition,
    at: Cursor<'a>,
}

impl EdgePart<'_> {
    /// The ways that can be taken, as `[from, to]`.
    fn ways(&self) -> impl Iterator<Item = [usize; 2]> {
        let [a, b] = self.between;
        let open = Edge { between: self.between, law: self.law.clone() }.open();
        [([a, b], open[0]), ([b, a], open[1])].into_iter().filter_map(|(way, open)| open.then_some(way))
    }
}

/// The edges, where all of them could be read; the names in `between` must be those of states.
fn edges<'a>(
    states: &[StatePart<'_>],
    parts: &[TransitionPart<'a>],
    proof: Option<&Proof<'_>>,
) -> Option<Vec<EdgePart<'a>>> {
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
        let law = part.rates.as_ref().and_then(|rates| rate_law(rates, proof));
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
        Some(EdgePart { between, law: law?, transition: Transition { name }, at: part.at.clone() })
    };
    let edges: Vec<Option<EdgePart<'a>>> = parts.iter().map(edge).collect();
    edges.into_iter().collect()
}

/// The rates of a transition, those that are free proven not to be negative.
fn rate_law(part: &RatePart<'_>, proof: Option<&Proof<'_>>) -> Option<RateLaw> {
    let [forward, backward] = match part {
        RatePart::Activated { attempt_rate, barrier, affinity } => {
            return Some(RateLaw::Activated {
                attempt_rate: *attempt_rate,
                barrier: *barrier,
                affinity: *affinity,
            });
        }
        RatePart::Free(directions) => directions.each_ref(),
    };
    let field = |part: &Option<LawPart<'_>>| match part {
        None => Some(None),
        Some(part) => proof?.field(part, "rate", Sign::NotNegative).map(Some),
    };
    let (forward, backward) = (field(forward), field(backward));
    Some(RateLaw::Free { forward: forward?, backward: backward? })
}

/// Every state must lead to every other: one mistake for each part of the network that hangs together and
/// cannot be reached, or has no way back.
fn reachable(parts: &[StatePart<'_>], edges: &[EdgePart<'_>]) {
    let mut ways = vec![Vec::new(); parts.len()];
    for [from, to] in edges.iter().flat_map(EdgePart::ways) {
        ways[from].push(to);
    }
    let mut back = vec![Vec::new(); parts.len()];
    for (from, targets) in ways.iter().enumerate() {
        targets.iter().for_each(|&to| back[to].push(from));
    }
    let either: Vec<Vec<usize>> = ways.iter().zip(&back).map(|(a, b)| [&a[..], b].concat()).collect();
    let all = vec![true; parts.len()];
    let name = |i: usize| quote(parts[i].name.as_deref().unwrap_or(""));
    let first = name(0);
    let forth = reached(&ways, 0, &all);
    let home = reached(&back, 0, &all);
    // States that fail for the same reason and hang together are one mistake.
    let each_part = |fails: &dyn Fn(usize) -> bool, tell: &dyn Fn(usize)| {
        let among: Vec<bool> = (0..parts.len()).map(fails).collect();
        let mut told = vec![false; parts.len()];
        for start in 0..parts.len() {
            if among[start] && !told[start] {
                tell(start);
                let part = reached(&either, start, &among);
                told.iter_mut().zip(part).for_each(|(told, here)| *told |= here);
            }
        }
    };
    each_part(&|i| !forth[i], &|i| {
        let at = &parts[i].at;
        let hint = if home[i] {
            format!("transitions lead from {0} only: give one towards {0} a rate", name(i))
        } else {
            format!("add a transition with a positive rate between {} and another state", name(i))
        };
        at.push(
            at.mistake("a state cannot be reached")
                .expected(format!("a chain of transitions from {first}"))
                .hint(hint),
        );
    });
    each_part(&|i| forth[i] && !home[i], &|i| {
        let at = &parts[i].at;
        at.push(
            at.mistake("a state cannot be left")
                .expected(format!("a chain of transitions back to {first}"))
                .hint(format!(
                    "particles would gather in {} for ever: give a transition from it a rate",
                    name(i)
                )),
        );
    });
}

/// The states that can be reached from `start` by these ways, passing through `among` only.
fn reached(ways: &[Vec<usize>], start: usize, among: &[bool]) -> Vec<bool> {
    let mut reached = vec![false; ways.len()];
    reached[start] = true;
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        for &to in ways[state].iter().filter(|&&to| among[to]) {
            if !std::mem::replace(&mut reached[to], true) {
                open.push(to);
            }
        }
    }
    reached
}

/// Every rate over a barrier must be a finite number at every temperature of the domain, and that of a
/// transition that is not switched off must not vanish everywhere. `energies` holds `k_B T`.
fn rates(states: &[State], edges: &[EdgePart<'_>], energies: Interval, length: f64) {
    // The highest energy of each state.
    let highest = |state: &State| {
        let own = state.potential.as_ref();
        let own = own.and_then(|u| proven_range(u.as_ref(), length, Sign::Finite).ok());
        state.energy + own.map_or(0.0, |range| range.hi)
    };
    let highest: Vec<f64> = states.iter().map(highest).collect();
    for part in edges {
        let RateLaw::Activated { attempt_rate, barrier, affinity } = part.law else {
            continue;
        };
        let [a, b] = part.between;
        for (from, to, driven) in [(a, b, 0.5 * affinity), (b, a, -0.5 * affinity)] {
            if attempt_rate == 0.0 {
                break;
            }
            let height = barrier - highest[from] - driven;
            // The rate is monotone in T: its largest value is at an end.
            let largest = (-height / energies.lo).max(-height / energies.hi) - states[from].entropy;
            let rate = attempt_rate
                * libm::exp(-states[from].entropy)
                * libm::exp((-height / energies.lo).max(-height / energies.hi));
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
