//! From what a file says to a run: the checks that need several parts at once, and the model.

use super::reader::{Cursor, Reports, brief};
use super::schema::{
    ExperimentFile, LawPart, MotilityPart, RatePart, RunPart, StatePart, TransitionPart, duplicates,
};
use super::source::quote;
use super::until;
use super::{Experiment, Method, Transition, Warning};
use crate::expression::Interval;
use crate::kernel::MOST_EXITS;
use crate::kernel::Span;
use crate::model::{Edge, Field, Model, Motility, Network, NetworkError, RateLaw, State};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Checks what is left to check and makes the experiment. `None` when there was any mistake.
pub(super) fn build(
    name: &str,
    mut file: ExperimentFile<'_>,
    root: &Cursor<'_>,
    reports: &Reports<'_>,
) -> Option<Experiment> {
    let temperature_range = temperature_range(&file);
    // Laws of the temperature can be looked at once that is known to be one.
    let temperature = file.temperature.as_ref().filter(|_| temperature_range.is_some()).map(|t| &t.field);
    let length = file.domain.map(|d| d.length);
    let proof = temperature.zip(length).map(|(temperature, length)| Proof { temperature, length });
    let states = file.states.as_deref().and_then(|parts| states(parts, proof.as_ref()));
    let edges = match (&file.states, &file.transitions) {
        (Some(states), Some(parts)) => edges(states, parts, proof.as_ref()),
        _ => None,
    };
    if let (Some(parts), Some(edges)) = (&file.states, &edges) {
        reachable(parts, edges);
        if matches!(file.method, Some(Method::Exact {})) {
            not_too_many(parts, edges);
        }
    }
    if let (Some(states), Some(edges), Some(units), Some(range)) =
        (&states, &edges, file.units, temperature_range)
    {
        let energies = Interval::point(units.boltzmann()) * range;
        rates(states, edges, energies);
    }
    if let (Some(method), Some(run)) = (file.method, &file.run) {
        method_fits(method, run, &file, states.as_deref());
    }
    if let (Some(run), Some(states), Some(range)) = (&mut file.run, &states, temperature_range) {
        let part = run.until.as_ref();
        run.plan.until = part.and_then(|part| until::resolve(part, states, range.lo == range.hi));
    }
    if !reports.is_empty() {
        return None;
    }
    let states = states?;
    let warnings = ito_warning(&states, &file, temperature_range?).into_iter().collect();
    let (edges, transitions) =
        edges?.into_iter().map(|e| (Edge { between: e.between, law: e.law }, e.transition)).unzip();
    let network = match Network::new(states, edges) {
        Ok(network) => network,
        Err(error) => {
            network_mistake(&error, &file, root);
            return None;
        }
    };
    let (temperature, units) = (file.temperature?, file.units?);
    Some(Experiment {
        name: name.to_owned(),
        title: file.title?,
        claim: file.claim?,
        notes: file.notes,
        model: Model {
            domain: file.domain?,
            temperature: temperature.field,
            boltzmann: units.boltzmann(),
            network,
        },
        transitions,
        motion: file.motion?,
        method: file.method?,
        run: file.run?.plan,
        measure: file.measure?,
        parameters: file.parameters.list,
        temperature: temperature.written,
        units,
        warnings,
    })
}

/// What is needed to prove something about a law on the whole domain.
struct Proof<'p> {
    temperature: &'p Arc<dyn Field>,
    length: f64,
}

impl Proof<'_> {
    /// The function of position that a law is, once it is proven to be `what` it must be.
    fn field(&self, part: &LawPart<'_>, what: &str, must: Sign) -> Option<Arc<dyn Field>> {
        let field = part.law.field(self.temperature);
        if let Some(value) = field.constant().filter(|v| !must.holds(*v)) {
            // An expression whose value is known only now, at a uniform temperature.
            let title = format!("the {what} is {} everywhere", must.violated());
            part.at.push(part.at.mistake(title).expected(must.words()).found(brief(value)));
            return None;
        }
        match proven_range(field.as_ref(), self.length, must) {
            Ok(_) => Some(field),
            Err(fault) => {
                fault.report(&part.at, what, self.length, must);
                None
            }
        }
    }
}

/// The states, where all of them could be read; two with the same name are a mistake.
fn states(parts: &[StatePart<'_>], proof: Option<&Proof<'_>>) -> Option<Vec<State>> {
    let named = parts.iter().filter_map(|p| Some((p.name.as_deref()?, &p.at)));
    duplicates("states", named);
    let state = |part: &StatePart<'_>| {
        let motility = match part.motility.as_ref()? {
            MotilityPart::Diffusivity(law) => {
                Motility::Diffusivity(proof?.field(law, "diffusivity", Sign::Positive)?)
            }
            MotilityPart::Friction(law) => {
                Motility::Friction(proof?.field(law, "friction", Sign::Positive)?)
            }
        };
        Some(State { name: part.name.clone()?, energy: part.energy?, entropy: part.entropy?, motility })
    };
    let states: Vec<Option<State>> = parts.iter().map(state).collect();
    states.into_iter().collect()
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

/// Exact legs deal their candidates among a limited number of ways out of each state.
fn not_too_many(parts: &[StatePart<'_>], edges: &[EdgePart<'_>]) {
    let mut exits = vec![0; parts.len()];
    edges.iter().flat_map(EdgePart::ways).for_each(|[from, _]| exits[from] += 1);
    for (part, found) in parts.iter().zip(exits).filter(|(_, found)| *found > MOST_EXITS) {
        part.at.push(
            part.at
                .mistake("too many transitions lead out of a state")
                .expected(format!("at most {MOST_EXITS} with the method exact"))
                .found(found.to_string())
                .hint("join parallel transitions, or use the method euler_maruyama"),
        );
    }
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
fn rates(states: &[State], edges: &[EdgePart<'_>], energies: Interval) {
    for part in edges {
        let RateLaw::Activated { attempt_rate, barrier, affinity } = part.law else {
            continue;
        };
        let [a, b] = part.between;
        for (from, to, driven) in [(a, b, 0.5 * affinity), (b, a, -0.5 * affinity)] {
            if attempt_rate == 0.0 {
                break;
            }
            let height = barrier - states[from].energy - driven;
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

/// What a method asks of the length of the run and of the diffusivities.
fn method_fits(method: Method, run: &RunPart<'_>, file: &ExperimentFile<'_>, states: Option<&[State]>) {
    let at = &run.length;
    match (method, run.plan.span) {
        (Method::EulerMaruyama { .. }, Span::Legs(_)) => at.push(
            at.mistake("euler_maruyama has no legs")
                .expected("\"duration\", a time")
                .hint("legs belong to the method exact; a step of euler_maruyama lasts dt"),
        ),
        (Method::EulerMaruyama { dt }, Span::Duration(duration)) => {
            let steps = duration / dt;
            if steps < 1.0 {
                at.push(
                    at.mistake("the run is shorter than a step")
                        .expected(format!("a duration of at least dt = {}", brief(dt)))
                        .found(brief(duration)),
                );
            } else if steps * run.plan.particles as f64 > super::schema::limits::MOST_LEGS as f64 {
                at.push(
                    at.mistake("the run is too long to be counted")
                        .expected(format!(
                            "particles x steps of at most {:e}",
                            super::schema::limits::MOST_LEGS
                        ))
                        .found(brief(steps * run.plan.particles as f64)),
                );
            }
        }
        (Method::Exact {}, Span::Legs(_)) => {}
        (Method::Exact {}, Span::Duration(_)) => {
            let uniform = file.temperature.as_ref().is_some_and(|t| t.field.constant().is_some());
            let constant = |state: &State| match &state.motility {
                Motility::Diffusivity(d) => d.constant().is_some(),
                Motility::Friction(g) => g.constant().is_some() && uniform,
            };
            if let Some(varying) = states.and_then(|states| states.iter().find(|s| !constant(s))) {
                at.push(
                    at.mistake("exact legs know their duration only where diffusivities are constant")
                        .expected("\"legs\", the number of candidate transitions of a particle")
                        .found(format!("a diffusivity of {} that varies with x", quote(&varying.name)))
                        .hint("give the run \"legs\", or use the method euler_maruyama"),
                );
            }
        }
    }
}

/// Ito diffusivities whose ratio depends on position at a fixed temperature.
fn ito_warning(states: &[State], file: &ExperimentFile<'_>, temperatures: Interval) -> Option<Warning> {
    const POSITIONS: u32 = 64;
    const TEMPERATURES: u32 = 4;
    const NOTICEABLE: f64 = 1e-9;
    let (parts, length) = (file.states.as_ref()?, file.domain?.length);
    let between =
        |range: Interval, k: u32, of: u32| range.lo + (range.hi - range.lo) * f64::from(k) / f64::from(of);
    // Frictions count as the diffusivity kT/gamma of a constant gamma: without a dependence on x.
    let profile = |part: &MotilityPart<'_>, temperature: f64| -> Vec<f64> {
        let frozen: Arc<dyn Field> = Arc::new(crate::model::Uniform(temperature));
        let field = match part {
            MotilityPart::Diffusivity(law) => law.law.field(&frozen),
            MotilityPart::Friction(_) => frozen,
        };
        let positions = (0..=POSITIONS).map(|k| between(Interval::new(0.0, length), k, POSITIONS));
        positions.map(|x| field.value(x)).collect()
    };
    let motilities: Vec<&MotilityPart<'_>> = parts.iter().filter_map(|p| p.motility.as_ref()).collect();
    let first = *motilities.first()?;
    let mut worst = (1.0 + NOTICEABLE, 0);
    for k in 0..=TEMPERATURES {
        let temperature = between(temperatures, k, TEMPERATURES);
        let reference = profile(first, temperature);
        for (i, part) in motilities.iter().enumerate().skip(1) {
            let ratios = profile(part, temperature).into_iter().zip(&reference).map(|(d, r)| d / r);
            let usable = ratios.filter(|r| r.is_finite() && *r > 0.0);
            let (lo, hi) = usable.fold((f64::INFINITY, 0.0_f64), |(lo, hi), r| (lo.min(r), hi.max(r)));
            if hi / lo > worst.0 {
                worst = (hi / lo, i);
            }
        }
    }
    (worst.1 > 0).then(|| Warning {
        seen: format!(
            "the ratio of the diffusivities of {} and {} varies with x by a factor of {} at a fixed temperature",
            quote(&states[worst.1].name),
            quote(&states[0].name),
            brief(worst.0)
        ),
        meaning: "read as Ito, such diffusivities drive currents even at uniform temperature with rates in detailed \
                  balance: they are not the limit of any equilibrium dynamics"
            .into(),
        remedy: "give \"friction\" instead, or diffusivities that are multiples of one function of x".into(),
    })
}

/// The temperatures that occur, once all are proven to be positive and finite.
fn temperature_range(file: &ExperimentFile<'_>) -> Option<Interval> {
    let part = file.temperature.as_ref()?;
    let length = file.domain?.length;
    match proven_range(part.field.as_ref(), length, Sign::Positive) {
        Ok(range) => Some(range),
        Err(fault) => {
            fault.report(&part.at, "temperature", length, Sign::Positive);
            None
        }
    }
}

/// Which values a field may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Positive,
    NotNegative,
}

impl Sign {
    fn holds(self, value: f64) -> bool {
        value.is_finite() && if self == Sign::Positive { value > 0.0 } else { value >= 0.0 }
    }

    fn holds_on(self, bounds: Interval) -> bool {
        self.holds(bounds.lo) && bounds.hi.is_finite()
    }

    fn words(self) -> &'static str {
        match self {
            Sign::Positive => "a positive number",
            Sign::NotNegative => "a number that is not negative",
        }
    }

    fn violated(self) -> &'static str {
        match self {
            Sign::Positive => "not positive",
            Sign::NotNegative => "negative",
        }
    }

    fn proof(self) -> &'static str {
        match self {
            Sign::Positive => "positive",
            Sign::NotNegative => "not to be negative",
        }
    }

    fn relation(self) -> &'static str {
        match self {
            Sign::Positive => "> 0",
            Sign::NotNegative => ">= 0",
        }
    }
}

/// Why a field is not what it must be.
#[derive(Debug)]
enum Fault {
    /// It has this value here.
    At { x: f64, value: f64 },
    /// Nothing wrong was found, but these are the tightest bounds here.
    Unproven { x: Interval, bounds: Interval },
}

impl Fault {
    /// Tells it at the place where the field is given.
    fn report(&self, at: &Cursor<'_>, what: &str, length: f64, must: Sign) {
        let symbol = if what == "temperature" { "T(x)" } else { what };
        let relation = must.relation();
        at.push(match *self {
            Fault::At { x, value } => {
                let title = if !value.is_finite() {
                    format!("the {what} is not finite everywhere")
                } else if must == Sign::Positive {
                    format!("the {what} is not positive everywhere")
                } else {
                    format!("the {what} is negative somewhere")
                };
                let found = if what == "temperature" {
                    format!("T({}) = {}", brief(x), brief(value))
                } else {
                    format!("{} at x = {}", brief(value), brief(x))
                };
                at.mistake(title).expected(format!("{symbol} {relation} for 0 <= x <= {length}")).found(found)
            }
            Fault::Unproven { x, bounds } => at
                .mistake(format!("the {what} cannot be proven {} everywhere", must.proof()))
                .expected(format!("{symbol} {relation} and finite for 0 <= x <= {length}"))
                .found(format!(
                    "bounds from {} to {} for x from {} to {}",
                    brief(bounds.lo),
                    brief(bounds.hi),
                    brief(x.lo),
                    brief(x.hi)
                ))
                .hint(match must {
                    Sign::Positive => {
                        "write the expression so that x occurs fewer times, or stay further from zero"
                    }
                    Sign::NotNegative => {
                        "write the expression so that x occurs fewer times, or as max(0, ...)"
                    }
                }),
        });
    }
}

/// The lowest and highest sample of a field that is finite and has the right sign on `[0, length]`. Samples
/// find mistakes; the proof is by interval bounds on pieces that are halved until every piece is proven.
fn proven_range(field: &dyn Field, length: f64, must: Sign) -> Result<Interval, Fault> {
    const SAMPLES: u32 = 1024;
    const MOST_PIECES: usize = 20_000;
    const DEEPEST: u32 = 40;
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
        .filter(|&(_, value)| !must.holds(value))
        .min_by(|a, b| order(a.1).total_cmp(&order(b.1)));
    if let Some((x, value)) = worst {
        return Err(Fault::At { x, value });
    }
    let mut open = vec![(Interval::new(0.0, length), 0u32)];
    let mut pieces = 0;
    while let Some((piece, depth)) = open.pop() {
        pieces += 1;
        let bounds = field.bounds(piece);
        if must.holds_on(bounds) {
            continue;
        }
        let x = 0.5 * (piece.lo + piece.hi);
        let value = field.value(x);
        if !must.holds(value) {
            return Err(Fault::At { x, value });
        }
        if depth == DEEPEST || pieces >= MOST_PIECES || x <= piece.lo || x >= piece.hi {
            return Err(Fault::Unproven { x: piece, bounds });
        }
        open.push((Interval::new(x, piece.hi), depth + 1));
        open.push((Interval::new(piece.lo, x), depth + 1));
    }
    // Beside the samples, both sides of every jump.
    let kinks = field.kinks(Interval::new(0.0, length));
    let sides = kinks.iter().flat_map(|x| [x.next_down(), *x]).map(|x| field.value(x));
    let values = (0..=SAMPLES).map(|i| sample(i).1).chain(sides);
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
