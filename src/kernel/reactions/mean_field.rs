//! Units that react with a mean field: reactions of two become the motion of one.
//!
//! What a [law](crate::model::Mixture::laws) counts is neither made nor unmade: it changes the species that it is part
//! of. Such a unit is a walker whose state is that species; a way that goes at the rate `v(c)` takes it along at the rate
//! `lost_s v/c_s`, where concentrations are those that the other units showed. For `2 M <-> D` a unit is free or bound,
//! ```text
//! M -> D at the rate 2 k_+(x) c_1(x),      D -> M at the rate k_-(x),
//! ```
//! for `E + S <-> ES <-> E + P` enzymes and substrates are two kinds of units. As many units as one likes
//! obey the equations of concentrations (Eqs 23, D1) and nothing else.
//!
//! A run is made of **windows**. In each the concentrations are given: means over cells, joined by straight lines; and
//! units go on [exact legs](crate::kernel::Exact) in them: in [lanes](crate::kernel::Lanes) where these may serve and a window
//! has as many legs as their tables have entries.
//!
//! - **Windows of legs**, for the steady state: concentrations are those of the past, from the last power of two
//!   windows but one on. Their noise, and the bias that it makes, fall with the length of the run.
//! - **Windows of a duration**, for what changes in time: concentrations are those at hand, and half a window
//!   ahead on the straight line from one window before. The error is of order 2 in the duration and of order 1 in the
//!   inverse number of units in a cell.
//!
//! Both have an error of order 2 in the width of cells.
//!
//! **When not to use it:** where numbers are small and their fluctuations matter ([`Pairs`](super::Pairs)); for
//! species that come from nothing, and where laws have no form without minus signs: both are refused.

use super::kinds::{Kind, Member, Turn, kinds};
use super::unit_rate::{Concentration, Constant, UnitRate};
use super::unit_tally::{Scores, UnitTally, coarse};
use super::{ReactionError, in_range};
use crate::event::{Occupancy, Position, Walkers};
use crate::expression::Interval;
use crate::grid::Grid;
use crate::kernel::bounds::{CandidateRates, Tables, channel_name, clocked_rates, widened};
use crate::kernel::scale::Clocks;
use crate::kernel::{Exact, Instructions, Kernel, KernelError, Lanes, Span};
use crate::model::{Boundary, Edge, Field, Mixture, Model, Network, RateLaw, State};
use crate::rng::{Stream, open_unit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Cells on which rates are bounded, and events scored, per cell on which concentrations are known.
pub(crate) const FINE: usize = 8;

/// Most units of a kind.
pub const MOST_UNITS: u64 = 1 << 31;

/// Candidate rates are rounded up to whole powers of this, so that noise in concentrations does not move them from
/// window to window: untimed legs would have to settle anew.
const RUNG: f64 = 1.189_207_115_002_721;

/// The method.
#[derive(Clone, Debug)]
pub struct MeanField {
    mixture: Arc<Mixture>,
    grid: Grid,
    kinds: Vec<Kind>,
    /// Mean of the law of each kind.
    totals: Vec<f64>,
    /// Concentrations at the start by species and bin.
    start: Vec<Vec<f64>>,
    /// Per kind, what does not depend on concentrations.
    frames: Vec<Frame>,
    /// What lanes may use, if there are to be any.
    most: Option<Instructions>,
}

#[derive(Clone, Debug)]
struct Frame {
    model: Model,
    clocks: Clocks,
    /// What of the tables of legs is the same in all windows.
    tables: Tables,
    /// Bounds on the rates of turns without the concentrations of partners, both directions of each, cell by cell.
    alone: Vec<Interval>,
    /// Whether lanes may serve.
    lanes: bool,
    /// Rate constants, one a turn.
    constants: Vec<Arc<Constant>>,
}

/// Units and what they know of each other. Plain data: saved and restored, a run goes on with the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Walkers by kind; the state is the place of their species among those of the kind.
    pub kinds: Vec<Walkers>,
    /// Windows of legs so far.
    windows: u64,
    /// Per kind, time by state and cell: in windows since their number was a power of two, and in those between that
    /// and the power of two before.
    recent: Vec<Vec<f64>>,
    earlier: Vec<Vec<f64>>,
    /// Per kind, how many were in each state and cell one window of a duration before, and how long ago that was.
    before: Vec<Vec<f64>>,
    age: f64,
}

impl MeanField {
    /// Prepares units of `mixture` with concentrations on `cells` cells; `start` gives those of every species at the
    /// start, and so how much there is of everything.
    ///
    /// # Errors
    /// [`ReactionError`]: no walls, a species that no law without minus signs counts, coefficients or concentrations
    /// out of range.
    pub fn new(mixture: &Mixture, start: &[Arc<dyn Field>], cells: usize) -> Result<Self, ReactionError> {
        let count = mixture.species().len();
        in_range("the number of cells", "1 to 100000", cells as f64, |n| (1.0..=1e5).contains(&n))?;
        in_range("the number of profiles", "that of the species", start.len() as f64, |_| {
            start.len() == count
        })?;
        if mixture.domain.walls != Boundary::Reflecting {
            return Err(ReactionError::Ring);
        }
        for s in 0..count {
            let bounds = mixture.diffusivity_bounds(s, Interval::new(0.0, mixture.domain.length));
            let (low, high) = (bounds.lo, bounds.hi);
            if !(low > 0.0 && high.is_finite()) {
                let species = mixture.species()[s].name.clone();
                return Err(ReactionError::Diffusivity { species, low, high });
            }
        }
        let grid = Grid { length: mixture.domain.length, bins: cells, cells_per_bin: FINE, across: 0 };
        let mut profiles = Vec::new();
        for field in start {
            let fine: Vec<f64> = (0..grid.cells()).map(|c| field.value(grid.cell_middle(c))).collect();
            for c in &fine {
                in_range("a concentration", "finite and not negative", *c, |c| c >= 0.0 && c.is_finite())?;
            }
            profiles.push(coarse(&grid, &fine).iter().map(|c| c / FINE as f64).collect::<Vec<f64>>());
        }
        let means: Vec<f64> = profiles.iter().map(|c| c.iter().sum::<f64>() / cells as f64).collect();
        let (mixture, kinds) = (Arc::new(mixture.clone()), kinds(mixture)?);
        let all = mixture.totals(&means);
        Ok(MeanField {
            frames: kinds.iter().map(|kind| frame(&mixture, kind, &grid)).collect::<Result<_, _>>()?,
            totals: kinds.iter().map(|kind| all[kind.law]).collect(),
            start: profiles,
            kinds,
            grid,
            mixture,
            most: Some(Instructions::Avx512),
        })
    }

    /// The same with at most these instructions, which changes no bit of any result; without any all legs go by [`Exact`].
    pub fn at_most(self, most: Option<Instructions>) -> Self {
        MeanField { most, ..self }
    }

    /// In what numbers it works, as [`Kernel::arithmetic`]; those of lanes if any kind of units may go on them.
    pub fn arithmetic(&self) -> &'static str {
        let lanes = self.most.is_some() && self.frames.iter().any(|frame| frame.lanes);
        if lanes { Lanes::ARITHMETIC } else { "double precision" }
    }

    /// Bins are the cells of concentrations, cells those of events.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The mixture.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// Kinds of units: the law of each by its index in the mixture, and the species that its states are.
    pub fn units(&self) -> impl Iterator<Item = (usize, Vec<usize>)> + '_ {
        self.kinds.iter().map(|kind| (kind.law, kind.states.iter().map(|m| m.species).collect()))
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn species(&self) -> usize {
        self.mixture.species().len()
    }

    /// Mean of the law of each kind.
    pub(super) fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// So many units of every kind of which there is any, from the concentrations at the start: unit `k` of `n` takes
    /// the quantile `(k + U)/n` of the joint law of species and place.
    ///
    /// # Errors
    /// [`ReactionError::Range`] for no units.
    pub fn start(&self, units: u64, stream: &mut Stream) -> Result<Units, ReactionError> {
        in_range("the number of units", "1 to 2^31", units as f64, |_| (1..=MOST_UNITS).contains(&units))?;
        let cells = self.grid.bins;
        let of = |(kind, total): (&Kind, &f64)| {
            let weights = kind.states.iter().flat_map(|m| {
                self.start[m.species].iter().map(move |c| c * m.content as f64 / (total * cells as f64))
            });
            let weights: Vec<f64> = weights.collect();
            let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
            let (mut place, mut below) = (0, 0.0);
            let (mut position, mut state) = (Vec::new(), Vec::new());
            let count = if *total > 0.0 { units } else { 0 };
            for k in 0..count {
                let quantile = (k as f64 + open_unit(stream.word())) / count as f64;
                while place < last && quantile >= below + weights[place] {
                    below += weights[place];
                    place += 1;
                }
                let within = ((quantile - below) / weights[place]).clamp(0.0, 1.0);
                position.push(Position::from_fraction(((place % cells) as f64 + within) / cells as f64));
                state.push((place / cells) as u16);
            }
            Walkers::new(position, state)
        };
        let kinds: Vec<Walkers> = self.kinds.iter().zip(&self.totals).map(of).collect();
        let nothing: Vec<Vec<f64>> =
            self.kinds.iter().map(|kind| vec![0.0; kind.states.len() * cells]).collect();
        let (recent, earlier, before) = (nothing.clone(), nothing.clone(), nothing);
        Ok(Units { kinds, windows: 0, recent, earlier, before, age: 0.0 })
    }

    /// The first species whose legs do not know how long they last, because its diffusivity varies.
    pub fn without_time(&self) -> Option<usize> {
        let varies = |(kind, frame): (&Kind, &Frame)| {
            let mut states = kind.states.iter().enumerate();
            states.find(|(s, _)| frame.clocks.constant(*s).is_none()).map(|(_, m)| m.species)
        };
        self.kinds.iter().zip(&self.frames).find_map(varies)
    }

    /// Legs of a unit per time at these concentrations of all species: of the kind that makes most of them the mean over its
    /// states, at the place where it is largest. Zero without units.
    ///
    /// # Errors
    /// [`ReactionError`]: rates without bounds, too many ways out of one species.
    pub fn legs_per_time(&self, concentrations: &[f64]) -> Result<f64, ReactionError> {
        let level = |c: &f64| Arc::new(Concentration::new(vec![*c; self.grid.bins], self.grid.length));
        let c: Vec<Arc<Concentration>> = concentrations.iter().map(level).collect();
        let mut most = 0.0f64;
        for (kind, frame) in self.kinds.iter().zip(&self.frames) {
            let held = |m: &Member| m.content as f64 * concentrations.get(m.species).copied().unwrap_or(0.0);
            let all: f64 = kind.states.iter().map(held).sum();
            if all <= 0.0 {
                continue;
            }
            let legs = frame.among(kind, &c, &self.grid)?.legs()?;
            let at = |cell: usize| -> f64 {
                let states = kind.states.iter().enumerate();
                states.map(|(s, m)| held(m) / (all * legs.dwell(s, cell))).sum()
            };
            most = (0..self.grid.cells()).map(at).fold(most, f64::max);
        }
        Ok(most)
    }

    /// Advances by a number of windows of this length and scores them.
    ///
    /// # Errors
    /// [`ReactionError`]: units or a tally of another method, a length out of range; a duration where diffusivities
    /// vary.
    pub fn advance(
        &self,
        units: &mut Units,
        windows: u64,
        length: Span,
        stream: &mut Stream,
        tally: &mut UnitTally,
    ) -> Result<(), ReactionError> {
        tally.fits(self)?;
        self.know(units)?;
        let amount = length.amount();
        in_range("the length of a window", "positive and finite", amount, |v| v > 0.0 && v.is_finite())?;
        if windows == 0 {
            return Ok(());
        }
        tally.change(self.grid(), units, -1);
        for _ in 0..windows {
            let now: Vec<Vec<f64>> =
                self.kinds.iter().zip(&units.kinds).map(|(k, w)| self.counts(k, w)).collect();
            let c = self.concentrations(units, &now, length);
            if matches!(length, Span::Legs(_)) && units.windows.is_power_of_two() {
                let fresh = units.recent.iter().map(|r| vec![0.0; r.len()]).collect();
                units.earlier = std::mem::replace(&mut units.recent, fresh);
            }
            for (k, kind) in self.kinds.iter().enumerate() {
                let number = units.kinds[k].len();
                if number == 0 {
                    continue;
                }
                let among = self.frames[k].among(kind, &c, &self.grid)?;
                let lanes = match self.most.filter(|_| among.worth_lanes(length, number)) {
                    Some(most) => among.lanes()?.map(|lanes| lanes.at_most(most)),
                    None => None,
                };
                match lanes {
                    Some(lanes) => self.window(k, &lanes, units, length, stream, tally)?,
                    None => self.window(k, &among.legs()?, units, length, stream, tally)?,
                }
            }
            match length {
                Span::Legs(_) => units.windows += 1,
                Span::Duration(duration) => (units.before, units.age) = (now, duration),
            }
        }
        tally.change(self.grid(), units, 1);
        Ok(())
    }

    /// Takes the units of a kind through a window.
    fn window<K: Kernel>(
        &self,
        kind: usize,
        legs: &K,
        units: &mut Units,
        length: Span,
        stream: &mut Stream,
        tally: &mut UnitTally,
    ) -> Result<(), KernelError> {
        let (walkers, cells) = (&mut units.kinds[kind], self.grid.cells());
        let mut scores = Scores::new(legs.states(), self.kinds[kind].turns.len(), cells);
        legs.advance(walkers, length, stream, &mut scores)?;
        tally.add(kind, &scores, |state, cell| legs.dwell(state, cell));
        tally.legs += match length {
            Span::Legs(legs) => legs * walkers.len() as u64,
            Span::Duration(_) => scores.visits.iter().sum(),
        };
        if matches!(length, Span::Legs(_)) {
            for (place, visits) in scores.visits.iter().enumerate() {
                units.recent[kind][place / FINE] += *visits as f64 * legs.dwell(place / cells, place % cells);
            }
        }
        Ok(())
    }

    /// Are these units of this method?
    fn know(&self, units: &Units) -> Result<(), ReactionError> {
        let entries = |of: &[Vec<f64>]| {
            of.len() == self.kinds.len()
                && of.iter().zip(&self.kinds).all(|(v, kind)| v.len() == kind.states.len() * self.grid.bins)
        };
        let there = |((walkers, kind), total): ((&Walkers, &Kind), &f64)| {
            let states = walkers.state.iter().all(|s| usize::from(*s) < kind.states.len());
            states && walkers.position.len() == walkers.state.len() && (*total == 0.0 || !walkers.is_empty())
        };
        let pairs = || units.kinds.iter().zip(&self.kinds).zip(&self.totals);
        in_range("kinds of units", "those of the method", units.kinds.len() as f64, |_| {
            let known = entries(&units.recent) && entries(&units.earlier) && entries(&units.before);
            known && units.kinds.len() == self.kinds.len() && pairs().all(there)
        })
    }

    /// Units by state and cell.
    fn counts(&self, kind: &Kind, walkers: &Walkers) -> Vec<f64> {
        let cells = Grid { cells_per_bin: 1, ..self.grid };
        let occupancy = Occupancy::of(walkers, kind.states.len(), &cells);
        (0..kind.states.len()).flat_map(|s| occupancy.state(s)).map(|n| *n as f64).collect()
    }

    /// Concentrations of all species that hold in a window.
    fn concentrations(&self, units: &Units, now: &[Vec<f64>], length: Span) -> Vec<Arc<Concentration>> {
        let cells = self.grid.bins;
        if matches!(length, Span::Legs(_)) && units.windows == 0 {
            let at_start = self.start.iter().map(|c| Concentration::new(c.clone(), self.grid.length));
            return at_start.map(Arc::new).collect();
        }
        let mut c = vec![vec![0.0; cells]; self.species()];
        for (k, kind) in self.kinds.iter().enumerate() {
            let mut seen: Vec<f64> = match length {
                Span::Legs(_) => units.recent[k].iter().zip(&units.earlier[k]).map(|(a, b)| a + b).collect(),
                Span::Duration(duration) if units.age > 0.0 => {
                    let ahead = 0.5 * duration / units.age;
                    now[k].iter().zip(&units.before[k]).map(|(n, b)| (n + ahead * (n - b)).max(0.0)).collect()
                }
                Span::Duration(_) => now[k].clone(),
            };
            let sum: f64 = seen.iter().sum();
            if sum > 0.0 {
                seen.iter_mut().for_each(|v| *v *= self.totals[k] * cells as f64 / sum);
            }
            for (member, seen) in kind.states.iter().zip(seen.chunks(cells)) {
                let scale = member.share / member.content as f64;
                c[member.species].iter_mut().zip(seen).for_each(|(c, v)| *c += scale * v);
            }
        }
        c.into_iter().map(|c| Arc::new(Concentration::new(c, self.grid.length))).collect()
    }
}

/// What legs of a kind need and concentrations do not change.
fn frame(mixture: &Arc<Mixture>, kind: &Kind, grid: &Grid) -> Result<Frame, ReactionError> {
    let state = |member: &Member| {
        let species = &mixture.species()[member.species];
        State { motility: species.motility.clone(), ..State::new(species.name.clone(), species.energy, 1.0) }
    };
    let model = Model {
        domain: mixture.domain,
        temperature: Arc::clone(&mixture.temperature),
        boltzmann: mixture.boltzmann,
        potential: None,
        network: Network::of_units(kind.states.iter().map(state).collect(), Vec::new()),
        coordinates: None,
        mixture: None,
    };
    let constant = |turn: &Turn| Constant::new(mixture, turn.way, grid).map(Arc::new);
    let constants = kind.turns.iter().map(constant).collect::<Result<Vec<_>, _>>()?;
    let clocks = Clocks::new(&model)?;
    let alone = kind.turns.iter().zip(&constants).map(|(turn, constant)| edge(turn, constant, None));
    Ok(Frame {
        lanes: Lanes::suit(&model, grid, &clocks),
        tables: Tables::of_clocks(&model, grid, &clocks)?,
        alone: clocked_rates(&connected(&model, alone), grid, &clocks)?,
        clocks,
        constants,
        model,
    })
}

/// A turn at the rate that a concentration gives it.
fn edge(turn: &Turn, constant: &Arc<Constant>, partner: Option<&Arc<Concentration>>) -> Edge {
    let (constant, partner) = (Arc::clone(constant), partner.map(Arc::clone));
    let rate = UnitRate { constant, factor: turn.factor, partner };
    Edge {
        between: [turn.from, turn.to],
        law: RateLaw::Free { forward: Some(Arc::new(rate)), backward: None },
    }
}

/// The model with these edges.
fn connected(model: &Model, edges: impl Iterator<Item = Edge>) -> Model {
    let states = model.network.states().to_vec();
    Model { network: Network::of_units(states, edges.collect()), ..model.clone() }
}

impl Frame {
    /// Rates among these concentrations.
    fn among<'a>(
        &'a self,
        kind: &Kind,
        c: &[Arc<Concentration>],
        grid: &'a Grid,
    ) -> Result<Among<'a>, KernelError> {
        let turns = || kind.turns.iter().map(|turn| (turn, turn.partner.map(|s| &c[s])));
        let edges = turns().zip(&self.constants).map(|((turn, c), constant)| edge(turn, constant, c));
        let model = connected(&self.model, edges);
        let mut bounds = self.alone.clone();
        let forward = model.network.channels().step_by(2).zip(bounds.chunks_mut(2 * grid.cells()));
        for ((_, partner), (channel, bounds)) in turns().zip(forward) {
            let Some(c) = partner else { continue };
            for (cell, bounds) in bounds[..grid.cells()].iter_mut().enumerate() {
                *bounds = *bounds * c.bounds(widened(grid, cell));
                if !bounds.hi.is_finite() {
                    let (low, high) = (bounds.lo, bounds.hi);
                    let what = format!("the rate of {}", channel_name(&model, channel));
                    return Err(KernelError::Unbounded { what, x: grid.cell_middle(cell), low, high });
                }
            }
        }
        let mut rates = CandidateRates::enclosing(&model, grid, &bounds)?;
        let unit = 1.0 / (grid.length * grid.length);
        for state in 0..rates.state.len() {
            let rate = rates.state[state];
            let rung = libm::ceil(libm::log(rate / unit) / libm::log(RUNG) - 1e-9);
            rates.raise(&model, state, (unit * libm::pow(RUNG, rung)).max(rate));
        }
        Ok(Among { frame: self, grid, model, bounds, rates })
    }
}

/// A kind of units among given concentrations.
struct Among<'a> {
    frame: &'a Frame,
    grid: &'a Grid,
    model: Model,
    /// Bounds on rates, channel by channel and cell by cell.
    bounds: Vec<Interval>,
    rates: CandidateRates,
}

impl Among<'_> {
    /// Whether so many units have enough legs in a window for lanes to pay: as many as tables have entries, one for each
    /// species and each way out of it in a cell, if all were in the species whose legs last longest.
    fn worth_lanes(&self, length: Span, units: usize) -> bool {
        let network = &self.model.network;
        let entries = (network.states().len() + network.edges().len()) * self.grid.cells();
        let legs = match length {
            Span::Legs(legs) => legs as f64,
            Span::Duration(duration) => {
                let pace = |(s, rate): (usize, &f64)| self.frame.clocks.constant(s).unwrap_or(0.0) * rate;
                duration * self.rates.state.iter().enumerate().map(pace).fold(f64::INFINITY, f64::min)
            }
        };
        self.frame.lanes && legs * units as f64 >= entries as f64
    }

    /// Legs at candidate rates that do not lie below these.
    fn at(&self, rates: CandidateRates) -> Result<Exact, KernelError> {
        let Frame { tables, clocks, .. } = self.frame;
        let tables = tables.clone().accepting(&self.model, self.grid, &rates, &self.bounds)?;
        Exact::with_tables(&self.model, self.grid, clocks.clone(), rates, tables)
    }

    fn legs(&self) -> Result<Exact, KernelError> {
        self.at(self.rates.clone())
    }

    fn lanes(&self) -> Result<Option<Lanes>, KernelError> {
        Lanes::raising(&self.model, self.rates.clone(), |rates| self.at(rates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kinetics, Reaction, Species, Uniform};

    fn dimers() -> MeanField {
        let rate = |k: f64| Some(Arc::new(Uniform(k)) as Arc<dyn Field>);
        let kinetics = Kinetics::Given { forward: rate(1.0), backward: rate(0.7) };
        let species = vec![Species::new("M", 0.0, 0.1, 1), Species::new("D", 0.0, 0.04, 2)];
        let reactions = vec![Reaction::new(&[0, 0], &[1], kinetics)];
        let mixture = Mixture::new(1.0, Uniform(1.0), species, reactions).unwrap();
        MeanField::new(&mixture, &[Arc::new(Uniform(1.0)), Arc::new(Uniform(0.5))], 10).unwrap()
    }

    /// Monomers at about this concentration, up and down by a share from cell to cell.
    fn among(method: &MeanField, level: f64, noise: f64) -> Among<'_> {
        let c = (0..10).map(|cell| level * if cell % 2 == 0 { 1.0 + noise } else { 1.0 - noise }).collect();
        let c = [c, vec![0.5; 10]].map(|c| Arc::new(Concentration::new(c, 1.0)));
        method.frames[0].among(&method.kinds[0], &c, &method.grid).unwrap()
    }

    #[test]
    fn every_leg_ends_in_a_visit_and_turns_add_up() {
        let method = dimers();
        let among = among(&method, 1.0, 0.05);
        fn go(legs: &impl Kernel, method: &MeanField) {
            let random = &mut crate::rng::stream(1, crate::rng::Purpose::Advance, 0);
            let mut units = method.start(200, random).unwrap();
            let walkers = &mut units.kinds[0];
            let bound = |walkers: &Walkers| walkers.state.iter().map(|s| i64::from(*s)).sum::<i64>();
            let before = bound(walkers);
            let mut scores = Scores::new(2, 2, method.grid.cells());
            legs.advance(walkers, Span::Legs(50), random, &mut scores).unwrap();
            assert_eq!(scores.visits.iter().sum::<u64>(), 50 * 200);
            let turned =
                |turn: usize| scores.turns[turn * method.grid.cells()..][..method.grid.cells()].iter();
            let [there, back] = [0, 1].map(|turn| turned(turn).sum::<u64>() as i64);
            assert!(there > 1000 && back > 1000);
            let gained = if method.kinds[0].turns[0].to == 1 { there - back } else { back - there };
            assert_eq!(bound(walkers) - before, gained);
        }
        go(&among.legs().unwrap(), &method);
        go(&among.lanes().unwrap().unwrap(), &method);
    }

    #[test]
    fn noise_does_not_move_the_legs_of_lanes() {
        let method = dimers();
        let lanes = |level: f64, noise: f64| among(&method, level, noise).lanes().unwrap().unwrap();
        let law = |lanes: &Lanes| [0, 1].map(|s| (lanes.dwell(s, 3), lanes.leg_law(s).unwrap().length));
        // 2 k_+ c_1/D = 20 lies 12 % below its rung.
        let plain = law(&lanes(1.0, 0.0));
        for noise in [0.001, 0.01, 0.02] {
            assert_eq!(law(&lanes(1.0, noise)), plain);
        }
        assert_ne!(law(&lanes(1.3, 0.0)), plain);
        // Legs of lanes are shorter than those they stand for, by a digit of a scale.
        let exact = among(&method, 1.0, 0.0).legs().unwrap();
        for s in 0..2 {
            let factor = exact.rates().state[s] / lanes(1.0, 0.0).exact().rates().state[s];
            assert!((1.0 - 2.5e-4..=1.0).contains(&factor), "{factor}");
        }
    }
}
