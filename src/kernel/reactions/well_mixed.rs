//! Counts of species in one well-mixed volume: Gillespie's direct method.
//!
//! A waiting time is exponential with the sum of all propensities, the way that is gone is dealt in proportion to
//! them: the exact law of the master equation, at any number of particles.
//!
//! Two forms of the same:
//! - **A single reaction** moves the counts along a line. Per place on it the probability of the way forward
//!   and the mean wait are tabulated once, where both ends are known and not too far apart: an event is a look-up.
//! - **A network**: after an event only the propensities of ways that take what has changed are computed anew. All
//!   are summed again each time, so that rounding does not add up; for many dozens of ways a tree would pay.
//!
//! **When not to use it:** where events are so many that only means and small fluctuations around them matter.
//!
//! Gillespie, J. Comput. Phys. 22, 403 (1976).

use super::network::{Passage, choose, passages};
use super::{ReactionError, in_range};
use crate::model::Mixture;
use crate::rng::{Stream, exponential, open_unit};

/// Longest line that is tabulated.
const LONGEST_LINE: u64 = 1 << 17;

/// Most particles of a species.
const MOST: u64 = 1 << 50;

/// A well-mixed volume.
#[derive(Clone, Debug)]
pub struct WellMixed {
    start: Vec<u64>,
    counts: Vec<u64>,
    passages: Vec<Passage>,
    coefficients: Vec<f64>,
    /// Per way, the ways whose propensity it changes.
    dependents: Vec<Vec<usize>>,
    propensities: Vec<f64>,
    line: Option<Line>,
}

/// The places that a single reaction can reach.
#[derive(Clone, Debug)]
struct Line {
    places: Vec<Place>,
    /// Change by a step forward.
    change: Vec<(usize, i64)>,
    /// The place of the counts at the start.
    start: usize,
    here: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Mean wait; infinite where nothing can happen.
    wait: f64,
    /// Probability of the way forward, in units of 2^-63.
    forward: u64,
}

impl WellMixed {
    /// Reactions of `mixture` with the rate constants at `x` in a volume that holds `volume` particles per unit of
    /// concentration, from `counts` of all species.
    ///
    /// # Errors
    /// [`ReactionError`]: counts that are not those of the species, a volume or a rate constant out of range.
    pub fn new(mixture: &Mixture, x: f64, volume: f64, counts: &[u64]) -> Result<Self, ReactionError> {
        in_range("the volume", "positive and finite", volume, |v| v > 0.0 && v.is_finite())?;
        let found = counts.len() as f64;
        in_range("the number of counts", "that of the species", found, |_| {
            counts.len() == mixture.species().len()
        })?;
        if counts.iter().any(|n| *n > MOST) {
            return Err(ReactionError::TooMany { limit: MOST as f64 });
        }
        let passages = passages(mixture);
        let of = |p: &Passage| p.coefficient(mixture, x, volume);
        let coefficients = passages.iter().map(of).collect::<Result<Vec<f64>, _>>()?;
        let takes = |p: &Passage, s: usize| {
            let taken = mixture.reactions()[p.way.reaction].taken(p.way.forward);
            taken.iter().any(|(t, _)| *t == s)
        };
        let dependents = |p: &Passage| {
            let depends = |q: &usize| p.change.iter().any(|(s, _)| takes(&passages[*q], *s));
            (0..passages.len()).filter(depends).collect()
        };
        let dependents = passages.iter().map(dependents).collect();
        let line = Line::new(mixture, &passages, &coefficients, counts);
        let mut volume = WellMixed {
            start: counts.to_vec(),
            counts: counts.to_vec(),
            propensities: vec![0.0; passages.len()],
            passages,
            coefficients,
            dependents,
            line,
        };
        volume.restart();
        Ok(volume)
    }

    /// The same without a table, also for a single reaction.
    #[must_use]
    pub fn without_table(mut self) -> Self {
        self.line = None;
        self
    }

    /// Counts of all species.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Goes back to the counts at the start.
    pub fn restart(&mut self) {
        let start = self.start.clone();
        self.resume(&start);
    }

    /// Goes to counts of all species that were reached from those at the start.
    ///
    /// # Panics
    /// If there are not as many counts as species.
    pub fn resume(&mut self, counts: &[u64]) {
        self.counts.copy_from_slice(counts);
        if let Some(line) = &mut self.line {
            let gone =
                line.change.first().map_or(0, |(s, d)| (self.counts[*s] as i64 - self.start[*s] as i64) / d);
            line.here = line.start.saturating_add_signed(gone as isize).min(line.places.len() - 1);
        }
        for (k, passage) in self.passages.iter().enumerate() {
            self.propensities[k] = self.coefficients[k] * passage.taken.choices(&self.counts);
        }
    }

    /// Advances by a duration; returns how often a reaction happened.
    ///
    /// # Errors
    /// [`ReactionError::Range`] for a duration that is none, [`ReactionError::TooMany`].
    pub fn advance(&mut self, duration: f64, stream: &mut Stream) -> Result<u64, ReactionError> {
        in_range("the duration", "finite and not negative", duration, |t| t >= 0.0 && t.is_finite())?;
        let Some(line) = &mut self.line else { return self.advance_network(duration, stream) };
        let before = line.here as i64;
        let events = line.advance(duration, stream);
        for (s, d) in &line.change {
            self.counts[*s] = self.counts[*s].saturating_add_signed(d * (line.here as i64 - before));
        }
        Ok(events)
    }

    fn advance_network(&mut self, duration: f64, stream: &mut Stream) -> Result<u64, ReactionError> {
        let (mut time, mut events) = (0.0, 0);
        loop {
            let total: f64 = self.propensities.iter().sum();
            if total <= 0.0 {
                return Ok(events);
            }
            time += exponential(stream.word()) / total;
            if time > duration {
                return Ok(events);
            }
            let gone = choose(&self.propensities, open_unit(stream.word()) * total);
            for (s, d) in &self.passages[gone].change {
                self.counts[*s] = self.counts[*s].saturating_add_signed(*d);
                if self.counts[*s] > MOST {
                    return Err(ReactionError::TooMany { limit: MOST as f64 });
                }
            }
            for &k in &self.dependents[gone] {
                self.propensities[k] = self.coefficients[k] * self.passages[k].taken.choices(&self.counts);
            }
            events += 1;
        }
    }
}

impl Line {
    /// `None` unless there is one reaction that ends both ways, within a table.
    fn new(mixture: &Mixture, passages: &[Passage], coefficients: &[f64], counts: &[u64]) -> Option<Self> {
        let [reaction] = mixture.reactions() else { return None };
        let change = reaction.change(counts.len()).into_iter().enumerate();
        let change: Vec<(usize, i64)> = change.filter(|(_, d)| *d != 0).collect();
        let reach = |sign: i64| {
            if !passages.iter().any(|p| p.way.forward == (sign > 0)) {
                return Some(0);
            }
            let used = change.iter().filter(|(_, d)| sign * d < 0);
            used.map(|(s, d)| counts[*s] / d.unsigned_abs()).min()
        };
        let (forward, backward) = (reach(1)?, reach(-1)?);
        if forward + backward >= LONGEST_LINE {
            return None;
        }
        let place = |i: u64| {
            let mut here = counts.to_vec();
            let extent = i as i64 - backward as i64;
            change.iter().for_each(|(s, d)| here[*s] = here[*s].saturating_add_signed(d * extent));
            let propensity = |forward: bool| {
                let of = |(p, c): (&Passage, &f64)| {
                    if p.way.forward == forward { c * p.taken.choices(&here) } else { 0.0 }
                };
                passages.iter().zip(coefficients).map(of).sum::<f64>()
            };
            // A species that is also made may be taken where there is too little of another.
            let birth = if i == forward + backward { 0.0 } else { propensity(true) };
            let death = if i == 0 { 0.0 } else { propensity(false) };
            let total = birth + death;
            let share = if total > 0.0 { birth / total } else { 0.0 };
            Place { wait: 1.0 / total, forward: (share * (1u64 << 63) as f64) as u64 }
        };
        let start = backward as usize;
        Some(Line { places: (0..=forward + backward).map(place).collect(), change, start, here: start })
    }

    fn advance(&mut self, duration: f64, stream: &mut Stream) -> u64 {
        let (mut time, mut events, mut here) = (0.0, 0, self.here);
        loop {
            let place = self.places[here];
            time += exponential(stream.word()) * place.wait;
            if time > duration {
                self.here = here;
                return events;
            }
            here = if stream.word() >> 1 < place.forward { here + 1 } else { here - 1 };
            events += 1;
        }
    }
}
