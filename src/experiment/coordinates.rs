//! Continuous internal coordinates: what the file says about them, and what is checked of the functions of them.

use super::proof::{self, Proof};
use super::reader::{Cursor, Must, Object, Parameters, brief};
use super::schema::limits::LONGEST_STATE;
use super::schema::{ExperimentFile, NOT_T, duplicates, usable_name};
use super::source::quote;
use crate::expression::{Expression, ExpressionError, Interval};
use crate::kernel::MOST_AXES;
use crate::model::{
    Axis, Boundary, CoordinateError, Coordinates, Domain, Field, Landscape, Model, Network, OwnSurfaces,
    Range, Response, State, Surface,
};
use serde_json::{Map, Value};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The coordinates; no axes where any of them is a mistake.
#[derive(Debug)]
pub(super) struct CoordinatesPart {
    pub axes: Option<Vec<Axis>>,
}

/// A function of x and the coordinates as written, with its place.
#[derive(Clone, Debug)]
pub(super) struct SurfacePart<'a> {
    source: String,
    pub at: Cursor<'a>,
}

/// Reads the coordinates. Their names are then known to `parameters`.
pub(super) fn read(at: &Cursor<'_>, parameters: &mut Parameters) -> CoordinatesPart {
    CoordinatesPart { axes: axes(at, parameters) }
}

fn axes(at: &Cursor<'_>, parameters: &mut Parameters) -> Option<Vec<Axis>> {
    let entries = at.array(MOST_AXES)?;
    if entries.is_empty() {
        at.push(
            at.mistake("`coordinates` is empty")
                .expected("at least one coordinate")
                .hint("leave `coordinates` out for a particle without them"),
        );
        return None;
    }
    let mut objects: Vec<Object<'_>> = entries.iter().map(Cursor::object).collect::<Option<_>>()?;
    let places: Vec<Option<Cursor<'_>>> = objects.iter_mut().map(|o| o.required("name")).collect();
    let names: Vec<Option<String>> =
        places.iter().map(|at| at.as_ref().and_then(|at| name(at, parameters))).collect();
    let known = names.iter().zip(&places).filter_map(|(name, at)| name.as_deref().zip(at.as_ref()));
    duplicates("coordinates", known);
    let distinct: HashSet<&String> = names.iter().flatten().collect();
    let sound = distinct.len() == names.len();
    // Expressions are read as long as all names are known.
    parameters.axes = names.iter().cloned().collect();
    let read: Vec<Option<Axis>> =
        objects.into_iter().zip(names).map(|(object, name)| axis(object, name, parameters)).collect();
    read.into_iter().collect::<Option<Vec<Axis>>>().filter(|_| sound)
}

fn name(at: &Cursor<'_>, parameters: &Parameters) -> Option<String> {
    let name = at.name(LONGEST_STATE)?;
    let taken = parameters.list.iter().any(|(other, _)| *other == name);
    let function =
        ["(1)", "(1, 1)"].iter().any(|of| Expression::parse(&format!("{name}{of}"), &[], &[]).is_ok());
    let why = match usable_name(&name) {
        Err(why) => why,
        Ok(()) if function => format!("{}, which is a function", quote(&name)),
        Ok(()) if taken => format!("{}, which is a parameter", quote(&name)),
        Ok(()) => return Some(name),
    };
    at.push(
        at.mistake("not a name for a coordinate")
            .expected("a letter, then letters, digits or _, and no name with a meaning of its own")
            .found(why),
    );
    None
}

fn axis(mut object: Object<'_>, name: Option<String>, parameters: &Parameters) -> Option<Axis> {
    let (mobility, diffusivity) = (object.optional("mobility"), object.optional("diffusivity"));
    let positive = |at: &Cursor<'_>| at.scalar(parameters, Must::POSITIVE);
    let response = match (mobility, diffusivity) {
        (Some(at), None) => positive(&at).map(Response::Mobility),
        (None, Some(at)) => positive(&at).map(Response::Diffusivity),
        (Some(mobility), Some(diffusivity)) => {
            diffusivity.push(
                diffusivity
                    .mistake("both `mobility` and `diffusivity` are given")
                    .expected("one of the two")
                    .related(mobility.span(), "the other one")
                    .hint("the noise is mobility * kT(x) (Einstein): the one that is given is the same everywhere"),
            );
            None
        }
        (None, None) => {
            let mistake = object
                .mistake("the coordinate has neither \"mobility\" nor \"diffusivity\"")
                .expected("one of the two in this object");
            object.missing(&["mobility", "diffusivity"], mistake);
            None
        }
    };
    let (walls, periodic) = (object.optional("walls"), object.optional("periodic"));
    let range = match (&walls, &periodic) {
        (None, None) => Some(Range::Unbounded),
        (Some(at), None) => ends(at, parameters).map(Range::Walls),
        (None, Some(at)) => ends(at, parameters).map(Range::Periodic),
        (Some(walls), Some(periodic)) => {
            periodic.push(
                periodic
                    .mistake("both `walls` and `periodic` are given")
                    .expected("one of the two, or neither for a coordinate on the whole line")
                    .related(walls.span(), "the other one"),
            );
            None
        }
    };
    object.finish();
    Some(Axis { name: name?, response: response?, range: range? })
}

/// Two increasing numbers.
fn ends(at: &Cursor<'_>, parameters: &Parameters) -> Option<[f64; 2]> {
    let entries = at.array(usize::MAX)?;
    let [lo, hi] = &entries[..] else {
        at.push(
            at.mistake("a range has two ends")
                .expected("an array of two increasing numbers")
                .found(format!("an array of {}", entries.len())),
        );
        return None;
    };
    let values = [lo, hi].map(|c| c.scalar(parameters, Must::FINITE));
    let [first, last] = [values[0]?, values[1]?];
    if last <= first {
        hi.push(
            hi.mistake("the ends do not increase")
                .expected(format!("a number above {}", brief(first)))
                .found(brief(last)),
        );
        return None;
    }
    Some([first, last])
}

/// A potential: a number, or an expression in `x` and the coordinates.
pub(super) fn potential<'a>(at: Cursor<'a>, parameters: &Parameters) -> Option<SurfacePart<'a>> {
    surface(at, parameters, &["x"], &[], (Must::FINITE, "x and the coordinates"))
}

/// A diffusivity along x: a number, or an expression in `x`, `T`, the coordinates and `U`.
pub(super) fn diffusivity<'a>(at: Cursor<'a>, parameters: &Parameters) -> Option<SurfacePart<'a>> {
    surface(at, parameters, &["x", "T"], &["U"], (Must::POSITIVE, "x, T, the coordinates and U"))
}

fn surface<'a>(
    at: Cursor<'a>,
    parameters: &Parameters,
    before: &[&str],
    after: &[&str],
    (must, what): (Must, &str),
) -> Option<SurfacePart<'a>> {
    let source = if at.is_string() {
        let axes = parameters.axes.as_ref()?.iter().map(String::as_str);
        let variables: Vec<&str> = before.iter().copied().chain(axes).chain(after.iter().copied()).collect();
        let expression = at.expression_without(&variables, parameters, &[("T", NOT_T)])?;
        match expression.constant() {
            Some(value) => format!("{:?}", at.evaluated(&expression, value, must)?),
            None => expression.source().to_owned(),
        }
    } else if at.is_number() {
        format!("{:?}", at.number(must)?)
    } else {
        return at.refuse(&format!("{}, or an expression in {what} in quotes", must.words()));
    };
    Some(SurfacePart { source, at })
}

/// Notes that particles with internal coordinates have no inertia.
pub(super) fn without_inertia(at: &Cursor<'_>) {
    at.push(
        at.mistake("internal coordinates of particles with inertia")
            .expected("\"motion\": \"overdamped\"")
            .hint("there are no steps and no theory for both together"),
    );
}

/// Notes that particles with internal coordinates do not propel themselves.
pub(super) fn without_drift(object: &mut Object<'_>) {
    if let Some(at) = object.optional("drift") {
        at.push(
            at.mistake("a drift of particles with internal coordinates")
                .expected("forces that are slopes of a \"potential\", which may depend on x")
                .hint("steps of internal coordinates know no propulsion"),
        );
    }
}

/// The coordinates with their functions, once these are found to be what they must.
pub(super) fn resolve(
    file: &ExperimentFile<'_>,
    proof: Option<&Proof<'_>>,
    domain: Option<Domain>,
    boltzmann: Option<f64>,
) -> Option<Coordinates> {
    let part = file.coordinates.as_ref()?;
    // A function that could not be read may be what confines.
    if !file.states.as_ref()?.iter().all(|state| state.motility.is_some()) {
        return None;
    }
    let (proof, domain, boltzmann) = (proof?, domain?, boltzmann?);
    let [potential, diffusivity] = &file.surfaces;
    let states = file.states.as_deref()?;
    let names = file.parameters.axes.as_ref()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (parameters, temperature) = (&file.parameters.list, proof.temperature);
    let mistaken = |part: &SurfacePart<'_>, error: ExpressionError| {
        part.at.push(part.at.mistake(error.message));
    };
    let energy = |part: &SurfacePart<'_>| -> Option<Arc<dyn Surface>> {
        match Landscape::new(&part.source, &names, parameters, temperature.clone()) {
            Ok(law) => Some(Arc::new(law)),
            Err(error) => {
                mistaken(part, error);
                None
            }
        }
    };
    let common = energy(potential.as_ref()?)?;
    let mobile = |part: &SurfacePart<'_>| -> Option<Arc<dyn Surface>> {
        let law =
            Landscape::of_potential(&part.source, &names, parameters, temperature.clone(), common.clone());
        match law {
            Ok(law) => Some(Arc::new(law)),
            Err(error) => {
                mistaken(part, error);
                None
            }
        }
    };
    let own = |part: &super::schema::StatePart<'_>| OwnSurfaces {
        potential: part.surfaces[0].as_ref().and_then(energy),
        diffusivity: part.surfaces[1].as_ref().and_then(mobile),
    };
    let own: Vec<OwnSurfaces> = states.iter().map(own).collect();
    let everywhere = diffusivity.as_ref().and_then(mobile);
    let coordinates = Coordinates {
        axes: part.axes.clone()?,
        potential: common.clone(),
        diffusivity: everywhere.clone().or_else(|| own.iter().find_map(|o| o.diffusivity.clone()))?,
        states: own.clone(),
    };
    let world = World { proof, domain, boltzmann, coordinates: &coordinates };
    world.temperature(file);
    // The box of all states together; where a potential does not confine there is none.
    let mut ends: Option<Vec<[f64; 2]>> = None;
    let mut told: HashSet<&str> = HashSet::new();
    let mut sound = true;
    for (k, state) in states.iter().enumerate() {
        let at = &state.surfaces[0].as_ref().or(potential.as_ref())?.at;
        match world.reach(k) {
            Ok(here) => ends = Some(ends.map_or_else(|| here.clone(), |all| joined(&all, &here))),
            Err(error) => {
                sound = false;
                if told.insert(at.path()) {
                    world.tell(&error, at);
                }
            }
        }
    }
    let ends = ends.filter(|_| sound)?;
    let energies = std::iter::once((potential.as_ref(), Some(&common)));
    let energies =
        energies.chain(states.iter().zip(&own).map(|(s, o)| (s.surfaces[0].as_ref(), o.potential.as_ref())));
    for (part, surface) in energies.filter_map(|(part, surface)| part.zip(surface)) {
        sound &= world.continuous(surface.as_ref(), &part.at, &ends);
    }
    let laws = std::iter::once((diffusivity.as_ref(), everywhere.as_ref()));
    let laws =
        laws.chain(states.iter().zip(&own).map(|(s, o)| (s.surfaces[1].as_ref(), o.diffusivity.as_ref())));
    for (part, surface) in laws.filter_map(|(part, surface)| part.zip(surface)) {
        sound &= world.not_negative(surface.as_ref(), &part.at, &ends);
    }
    sound.then_some(coordinates)
}

fn joined(a: &[[f64; 2]], b: &[[f64; 2]]) -> Vec<[f64; 2]> {
    a.iter().zip(b).map(|([lo, hi], [other_lo, other_hi])| [lo.min(*other_lo), hi.max(*other_hi)]).collect()
}

/// What the functions of coordinates live in.
struct World<'p> {
    proof: &'p Proof<'p>,
    domain: Domain,
    boltzmann: f64,
    coordinates: &'p Coordinates,
}

impl World<'_> {
    /// A particle that is always in one state.
    fn frozen(&self, state: usize) -> Option<Model> {
        let network = Network::new(vec![State::new("frozen", 0.0, 1.0)], Vec::new()).ok()?;
        let own = self.coordinates.states.get(state).cloned();
        Some(Model {
            domain: self.domain,
            temperature: self.proof.temperature.clone(),
            boltzmann: self.boltzmann,
            potential: None,
            network,
            coordinates: Some(Coordinates { states: own.into_iter().collect(), ..self.coordinates.clone() }),
            mixture: None,
        })
    }

    fn reach(&self, state: usize) -> Result<Vec<[f64; 2]>, CoordinateError> {
        self.frozen(state).ok_or(CoordinateError::None)?.coordinate_reach().map(|reach| reach.ends)
    }

    /// With a single coordinate the theory asks for a temperature without jumps.
    fn temperature(&self, file: &ExperimentFile<'_>) {
        let (Some(part), 1) = (&file.temperature, self.coordinates.axes.len()) else {
            return;
        };
        let [first, last] = [0.0, self.domain.length].map(|x| self.proof.temperature.value(x));
        let open = self.domain.walls == Boundary::Periodic && (first - last).abs() > 1e-9 * first.max(last);
        if open || self.frozen(0).is_some_and(|model| model.temperature_jumps()) {
            let found = if open { "a jump where the ring closes" } else { "a jump inside the domain" };
            part.at.push(
                part.at
                    .mistake("the temperature jumps beside an internal coordinate")
                    .expected("a continuous T(x); kinks are allowed")
                    .found(found)
                    .hint("spread the jump over a short length, as with tanh"),
            );
        }
    }

    /// Tells why a potential has no box.
    fn tell(&self, error: &CoordinateError, at: &Cursor<'_>) {
        at.push(match error {
            CoordinateError::DoesNotConfine { axis, direction, beyond, reach, x, .. } => at
                .mistake(format!("the potential does not confine {axis}"))
                .expected(format!("a potential that grows without end towards {direction} {axis}"))
                .found(format!(
                    "at most {} kT above its minimum at x = {}, highest at {axis} = {}",
                    brief(*reach),
                    brief(*x),
                    brief(*beyond)
                ))
                .hint(format!(
                    "let it grow, as {axis}^2 does, or give the coordinate \"walls\": [a, b] or \"periodic\": [a, b]"
                )),
            CoordinateError::Closure { axis, step, .. } => at
                .mistake(format!("the potential does not close on the circle of {axis}"))
                .expected("the same value at both ends of \"periodic\"")
                .found(format!("a step of {}", brief(*step))),
            CoordinateError::Surface { must, x, q, found, .. } => at
                .mistake("the potential is not finite everywhere")
                .expected(*must)
                .found(format!("{} at x = {}, {}", brief(*found), brief(*x), self.place(q))),
            other => at.mistake(other.to_string()),
        });
    }

    /// Coordinates in words: `q = 1.2`.
    fn place(&self, q: &[f64]) -> String {
        let each = self.coordinates.axes.iter().zip(q);
        each.map(|(axis, q)| format!("{} = {}", axis.name, brief(*q))).collect::<Vec<_>>().join(", ")
    }

    /// Whether a potential has no jump along a coordinate or x, and closes on a ring. Along coordinates as proven on
    /// lines through the box, along x where kinks are known.
    fn continuous(&self, surface: &dyn Surface, at: &Cursor<'_>, ends: &[[f64; 2]]) -> bool {
        let length = self.domain.length;
        let mistake = |name: &str, place: f64, [left, right]: [f64; 2]| {
            at.push(
                at.mistake("the potential jumps")
                    .expected("a continuous function of x and the coordinates; kinks are allowed")
                    .found(format!(
                        "{} below and {} above {name} = {}",
                        brief(left),
                        brief(right),
                        brief(place)
                    ))
                    .hint("at a jump there is no force to move with; write a steep slope, as with tanh"),
            );
            false
        };
        let points = lattice(ends, 5);
        for x in [0.0, 0.37 * length, length] {
            for (axis, [lo, hi]) in ends.iter().enumerate() {
                for q in points.iter().filter(|q| q[axis] == points[0][axis]) {
                    let line = Line { surface, x, q, axis, from: *lo };
                    let values = (0..=64).map(|k| line.value((hi - lo) * f64::from(k) / 64.0));
                    let (least, most) =
                        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
                    if let Some((place, sides)) = proof::jump(&line, hi - lo, most - least) {
                        return mistake(&self.coordinates.axes[axis].name, lo + place, sides);
                    }
                }
            }
        }
        let scale = |q: &[f64]| 1e-9 * (1.0 + surface.value(0.0, q).abs());
        for q in &points {
            for x in surface.kinks_x(Interval::new(0.0, length)) {
                let sides = [x.next_down(), x.next_up()].map(|x| surface.value(x.clamp(0.0, length), q));
                if (sides[1] - sides[0]).abs() > scale(q) {
                    return mistake("x", x, sides);
                }
            }
            let [first, last] = [0.0, length].map(|x| surface.value(x, q));
            if self.domain.walls == Boundary::Periodic && (first - last).abs() > scale(q) {
                at.push(
                    at.mistake("the potential does not close on the ring")
                        .expected(format!("the same value at x = 0 and at x = {}", brief(length)))
                        .found(format!("{} and {} at {}", brief(first), brief(last), self.place(q))),
                );
                return false;
            }
        }
        true
    }

    /// Whether a diffusivity is finite and nowhere negative in the box, and positive somewhere at every x: by samples, which are
    /// denser where interval bounds do not prove it.
    fn not_negative(&self, surface: &dyn Surface, at: &Cursor<'_>, ends: &[[f64; 2]]) -> bool {
        const MOST_PIECES: usize = 4000;
        let length = self.domain.length;
        let good = |value: f64| value >= 0.0 && value.is_finite();
        let mistake = |x: f64, q: &[f64], value: f64| {
            let title = if value.is_finite() {
                "the diffusivity is negative somewhere"
            } else {
                "the diffusivity is not finite everywhere"
            };
            at.push(at.mistake(title).expected("D >= 0 wherever the coordinates go").found(format!(
                "{} at x = {}, {}",
                brief(value),
                brief(x),
                self.place(q)
            )));
            false
        };
        let points = lattice(ends, 257);
        for x in (0..=16).map(|k| length * f64::from(k) / 16.0) {
            let mut somewhere = false;
            for q in &points {
                let value = surface.value(x, q);
                if !good(value) {
                    return mistake(x, q, value);
                }
                somewhere |= value > 0.0;
            }
            if !somewhere {
                at.push(
                    at.mistake("the diffusivity is zero everywhere")
                        .expected("D > 0 for some values of the coordinates at every x")
                        .found(format!("0 at x = {}", brief(x))),
                );
                return false;
            }
        }
        let whole: Vec<Interval> = ends.iter().map(|[lo, hi]| Interval::new(*lo, *hi)).collect();
        let sizes: Vec<f64> = std::iter::once(length).chain(whole.iter().map(|q| q.width())).collect();
        let mut open = VecDeque::from([(Interval::new(0.0, length), whole)]);
        for _ in 0..MOST_PIECES {
            let Some((x, q)) = open.pop_front() else {
                return true;
            };
            let bounds = surface.bounds(x, &q);
            if bounds.lo >= 0.0 && bounds.hi.is_finite() {
                continue;
            }
            let middle: Vec<f64> = q.iter().map(|q| q.midpoint()).collect();
            let value = surface.value(x.midpoint(), &middle);
            if !good(value) {
                return mistake(x.midpoint(), &middle, value);
            }
            // Along x only where it matters.
            let along = if surface.depends_on_x() { 0 } else { 1 };
            let width = |k: usize| if k == 0 { x.width() } else { q[k - 1].width() } / sizes[k];
            let widest = (along..sizes.len()).max_by(|a, b| width(*a).total_cmp(&width(*b))).unwrap_or(along);
            for upper in [false, true] {
                let half = |whole: Interval| {
                    let middle = whole.midpoint();
                    if upper { Interval::new(middle, whole.hi) } else { Interval::new(whole.lo, middle) }
                };
                let (mut x, mut q) = (x, q.clone());
                if widest == 0 {
                    x = half(x)
                } else {
                    q[widest - 1] = half(q[widest - 1])
                }
                open.push_back((x, q));
            }
        }
        true
    }
}

/// Points of a lattice in a box: so many along one coordinate, fewer along several, some thousand in all at most.
fn lattice(ends: &[[f64; 2]], along: usize) -> Vec<Vec<f64>> {
    const MOST: f64 = 4096.0;
    let count = along.min(libm::pow(MOST, 1.0 / ends.len() as f64) as usize).max(2);
    ends.iter().fold(vec![Vec::new()], |points, [lo, hi]| {
        let places = (0..count).map(|k| lo + (hi - lo) * k as f64 / (count - 1) as f64);
        let places: Vec<f64> = places.collect();
        points
            .iter()
            .flat_map(|point| places.iter().map(move |place| [&point[..], &[*place]].concat()))
            .collect()
    })
}

/// A function along one coordinate, counted from the lower end.
#[derive(Debug)]
struct Line<'s> {
    surface: &'s dyn Surface,
    x: f64,
    q: &'s [f64],
    axis: usize,
    from: f64,
}

impl Line<'_> {
    fn along(&self, s: Interval) -> Vec<Interval> {
        let mut q: Vec<Interval> = self.q.iter().map(|q| Interval::point(*q)).collect();
        q[self.axis] = Interval::new(self.from + s.lo, self.from + s.hi);
        q
    }
}

impl Field for Line<'_> {
    fn value(&self, s: f64) -> f64 {
        let mut q = self.q.to_vec();
        q[self.axis] = self.from + s;
        self.surface.value(self.x, &q)
    }

    fn slope(&self, s: f64) -> f64 {
        let mut q = self.q.to_vec();
        q[self.axis] = self.from + s;
        self.surface.slope_q(self.x, &q, self.axis)
    }

    fn bounds(&self, s: Interval) -> Interval {
        self.surface.bounds(Interval::point(self.x), &self.along(s))
    }

    fn slope_bounds(&self, s: Interval) -> Interval {
        self.surface.slope_q_bounds(Interval::point(self.x), &self.along(s), self.axis)
    }

    fn describe(&self) -> String {
        self.surface.describe()
    }
}

/// Puts coordinates and their functions into a canonical file.
pub(super) fn write(coordinates: &Coordinates, file: &mut Value) {
    let law = |surface: &dyn Surface| {
        let source = surface.describe();
        source.parse::<f64>().map_or_else(|_| Value::from(source.as_str()), Value::from)
    };
    let axis = |axis: &Axis| {
        let (key, value) = axis.response.parts();
        let mut map =
            Map::from_iter([("name".to_owned(), axis.name.clone().into()), (key.to_owned(), value.into())]);
        match axis.range {
            Range::Unbounded => {}
            Range::Walls(ends) => drop(map.insert("walls".into(), ends.to_vec().into())),
            Range::Periodic(ends) => drop(map.insert("periodic".into(), ends.to_vec().into())),
        }
        Value::Object(map)
    };
    file["coordinates"] = coordinates.axes.iter().map(axis).collect();
    file["potential"] = law(coordinates.potential.as_ref());
    file["diffusivity"] = law(coordinates.diffusivity.as_ref());
    for (k, own) in coordinates.states.iter().enumerate() {
        for (key, surface) in [("potential", &own.potential), ("diffusivity", &own.diffusivity)] {
            if let Some(surface) = surface {
                file["states"][k][key] = law(surface.as_ref());
            }
        }
    }
}
