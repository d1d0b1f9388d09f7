//! What is measured: the grid, times of observation, trajectories.

use super::method::CLOSED;
use super::reader::{Cursor, Must, Object, brief};
use super::schema::DEFAULT_BINS;
use super::schema::limits::{MOST_BINS, MOST_TIMES};
use super::{MeasurePlan, Trajectories};
use crate::kernel::Span;
use crate::model::{Boundary, Model};

/// What is measured, with the places of what asks for something of the run.
#[derive(Debug)]
pub(super) struct MeasurePart<'a> {
    pub plan: MeasurePlan,
    pub times: Option<Cursor<'a>>,
    pub trajectories: Option<Cursor<'a>>,
}

/// `measure` in parts: the run needs to know of times whose reading has failed.
pub(super) struct Reading<'a> {
    /// The place of the times, where there are any, and the last of them where they could be read.
    pub times: Option<(Cursor<'a>, Option<f64>)>,
    pub part: Option<MeasurePart<'a>>,
}

/// Reads `measure`.
pub(super) fn read<'a>(at: Option<Cursor<'a>>) -> Reading<'a> {
    let bins = DEFAULT_BINS as usize;
    let Some(at) = at else {
        let plan = MeasurePlan { bins, times: Vec::new(), trajectories: None };
        return Reading { times: None, part: Some(MeasurePart { plan, times: None, trajectories: None }) };
    };
    let Some(mut object) = at.object() else {
        return Reading { times: None, part: None };
    };
    let bins = object.or("bins", DEFAULT_BINS, |c| c.integer(2..=MOST_BINS));
    let times_at = object.optional("times");
    let times = times_at.as_ref().map_or(Some(Vec::new()), times);
    let trajectories_at = object.optional("trajectories");
    let trajectories = match &trajectories_at {
        None => Some(None),
        Some(at) => trajectories(at).map(Some),
    };
    object.finish();
    let last = times.as_ref().and_then(|t| t.last().copied());
    let plan = || {
        let bins = usize::try_from(bins?).ok()?;
        Some(MeasurePlan { bins, times: times?, trajectories: trajectories? })
    };
    let part =
        plan().map(|plan| MeasurePart { plan, times: times_at.clone(), trajectories: trajectories_at });
    Reading { times: times_at.map(|at| (at, last)), part }
}

/// Increasing times after the start: a list, or a range of them.
fn times(at: &Cursor<'_>) -> Option<Vec<f64>> {
    if at.is_object() {
        return range(at.object()?, at);
    }
    if !at.is_array() {
        return at.refuse("an array of times, or { \"from\": a, \"to\": b, \"n\": k }");
    }
    let entries = at.array(MOST_TIMES as usize)?;
    if entries.is_empty() {
        at.push(
            at.mistake("`times` is empty")
                .expected("at least one time")
                .hint("leave `times` out for averages over the run"),
        );
        return None;
    }
    let read: Vec<Option<f64>> = entries.iter().map(|e| e.number(Must::POSITIVE)).collect();
    let times: Vec<f64> = read.into_iter().collect::<Option<_>>()?;
    let mut good = true;
    for (pair, entry) in times.windows(2).zip(entries.windows(2)) {
        if pair[1] <= pair[0] {
            good = false;
            entry[1].push(
                entry[1]
                    .mistake("times do not increase")
                    .expected(format!("a number above {}", brief(pair[0])))
                    .found(brief(pair[1]))
                    .related(entry[0].span(), "the time before it"),
            );
        }
    }
    good.then_some(times)
}

/// `n` times from the first to the last, equally spaced or, with `log`, by equal factors.
fn range(mut object: Object<'_>, at: &Cursor<'_>) -> Option<Vec<f64>> {
    let from = object.required("from").and_then(|c| c.number(Must::POSITIVE));
    let to_at = object.required("to");
    let to = to_at.as_ref().and_then(|c| c.number(Must::POSITIVE));
    let n = object.required("n").and_then(|c| c.integer(2..=MOST_TIMES));
    let log = object.or("log", false, |c| c.boolean());
    let clean = object.finish();
    let (from, to, n, log) = (from?, to?, n?, log?);
    let share = |k: u64| k as f64 / (n - 1) as f64;
    let time = |k: u64| match (k, log) {
        (0, _) => from,
        (k, _) if k == n - 1 => to,
        (k, true) => from * libm::pow(to / from, share(k)),
        (k, false) => from + (to - from) * share(k),
    };
    let times: Vec<f64> = (0..n).map(time).collect();
    if let Some(to_at) = &to_at
        && !times.windows(2).all(|pair| pair[0] < pair[1] && pair[1].is_finite())
    {
        to_at.push(
            to_at
                .mistake("times do not increase")
                .expected(format!("a number above {}", brief(from)))
                .found(brief(to))
                .related(at.name_span(), "these times"),
        );
        return None;
    }
    clean.then_some(times)
}

fn trajectories(at: &Cursor<'_>) -> Option<Trajectories> {
    let mut object = at.object()?;
    let segment = object.required("segment").and_then(|c| c.number(Must::POSITIVE));
    object.finish();
    Some(Trajectories { segment: segment? })
}

impl MeasurePart<'_> {
    /// What single trajectories ask of the model: a stationary law, transitions with a way back, and a motion
    /// that no force drives round.
    pub fn suits(&self, model: &Model) {
        let (Some(_), Some(at)) = (self.plan.trajectories, &self.trajectories) else {
            return;
        };
        let driven = (0..model.network.states().len())
            .find(|s| model.domain.walls == Boundary::Periodic && model.tilt_around(*s).abs() > CLOSED);
        let wrong = if !self.plan.times.is_empty() {
            at.mistake("trajectories beside times of observation")
                .expected("a \"duration\" in the run, and no times")
                .hint("entropies along a trajectory are weighed with the stationary densities")
        } else if let Some(state) = driven {
            let name = &model.network.states()[state].name;
            at.mistake("trajectories on a ring that is driven round")
                .expected("forces that add up to zero over one turn, or walls")
                .found(format!("a force that drives {name} round"))
                .hint("\"entropy_production\" of the run counts this work")
        } else if !model.has_heat() {
            at.mistake("trajectories with a transition that has no way back")
                .expected("rates in both directions for every transition")
                .hint("a trajectory that takes it produces infinite entropy")
        } else {
            return;
        };
        at.push(wrong);
    }

    /// Notes what is known of particles without inertia only.
    pub fn without_inertia(&self) {
        if let Some(at) = &self.times {
            at.push(
                at.mistake("times of observation of particles with inertia")
                    .expected("averages over the run: no \"times\", and a \"duration\"")
                    .hint("there is no theory of how velocities relax to compare with"),
            );
        }
        if let (Some(at), None) = (&self.trajectories, &self.times) {
            at.push(
                at.mistake("trajectories of particles with inertia")
                    .expected("no \"trajectories\"")
                    .hint("the entropy along a trajectory is known for overdamped motion only"),
            );
        }
    }

    /// Notes what is not known of particles with internal coordinates.
    pub fn without_coordinates(&self) {
        if let Some(at) = &self.trajectories {
            at.push(
                at.mistake("trajectories of particles with internal coordinates")
                    .expected("no \"trajectories\"")
                    .hint("entropies along a trajectory are weighed with densities of positions and states only"),
            );
        }
    }

    /// Notes what is not known of particles that react.
    pub fn without_reactions(&self) {
        if let Some(at) = &self.trajectories {
            at.push(
                at.mistake("trajectories of particles that react")
                    .expected("no \"trajectories\"")
                    .hint("single particles vanish and appear: there are no trajectories of theirs"),
            );
        }
    }

    /// What is asked of the length of the run.
    pub fn fits(&self, span: Span) {
        let (Some(trajectories), Some(at)) = (self.plan.trajectories, &self.trajectories) else {
            return;
        };
        let wrong = match span {
            Span::Legs(_) => at
                .mistake("trajectories need elapsed times")
                .expected("\"duration\" in the run, or times of observation")
                .found("a run of \"legs\", which do not know how long they last"),
            Span::Duration(duration) if trajectories.segment > duration => at
                .mistake("a segment is longer than the run")
                .expected(format!("a segment of at most {}", brief(duration)))
                .found(brief(trajectories.segment)),
            Span::Duration(_) => return,
        };
        at.push(wrong);
    }
}
