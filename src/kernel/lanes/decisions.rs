//! What lanes share: who decides, and what is counted.

use super::super::bounds::{CandidateRates, ONE, SLOTS};
use super::super::exact::Exact;
use super::super::{BLOCK, KernelError};
use super::block::{self, Block, CHOICE_BITS, Instructions, MOST_ROWS, NARROW, Rare, Tables};
use super::places::Places;
use super::ring::Laps;
use super::timed::{self, Timed};
use crate::event::{Counts, Position, Tally, Walkers};
use crate::model::{Boundary, Channel, Model};
use crate::rng::{Single, Stream, open_unit};
use std::sync::{Arc, Mutex, PoisonError};

/// A row of thresholds: the state that candidates are in, and the channel that they are for, if any.
type Row = (usize, Option<Channel>);

/// Most entries of thresholds: counters and thresholds must fit into a cache.
const MOST_ENTRIES: usize = 1 << 17;

/// Where more visits than this may be left out, too many ask for the clock itself.
const MOST_UNSCORED: f64 = 0.125;

/// Candidates of a leg, or of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Candidates {
    /// One at the end of every leg.
    One,
    /// As many as a Poisson law of this mean gives, in every step.
    Poisson(f64),
}

impl Candidates {
    /// Probability of exactly one.
    fn one(self) -> f64 {
        match self {
            Candidates::One => 1.0,
            Candidates::Poisson(mean) => mean * libm::exp(-mean),
        }
    }

    /// Probability of more.
    fn more(self) -> f64 {
        match self {
            Candidates::One => 0.0,
            Candidates::Poisson(mean) => -libm::expm1(-mean) - self.one(),
        }
    }
}

/// Whether a model may go in lanes at all: plain internal states, not too many of them.
pub(super) fn suits(model: &Model, cells: usize) -> bool {
    model.coordinates.is_none()
        && model.mixture.is_none()
        && model.network.states().len() <= block::MOST_STATES
        && cells < 1 << 15
}

/// Tables of a model and what decides where they leave something open.
#[derive(Clone, Debug)]
pub(super) struct Decisions {
    /// The same candidates without lanes.
    pub exact: Exact,
    candidates: Candidates,
    tables: Tables,
    rows: Vec<Row>,
    /// Where walkers are, if that is not x itself.
    places: Option<Places>,
    spare: Arc<Mutex<Vec<Spare>>>,
}

/// Columns and counters that nobody uses, the latter zero: new ones would be in pages that nobody has touched.
type Spare = (Box<Block>, Vec<u32>);

impl Decisions {
    /// Tables for displacements with these scales over the length of the domain, as bits; `None` if there would be too
    /// many, or if they left too much open.
    pub fn new(exact: Exact, scale: Vec<u32>, candidates: Candidates) -> Option<Self> {
        Self::at((None, true), exact, scale, candidates)
    }

    /// The same for displacements of places in a natural scale; and whether tables serve so many legs that they may be long.
    pub fn at(
        (places, lasting): (Option<Places>, bool),
        exact: Exact,
        scale: Vec<u32>,
        candidates: Candidates,
    ) -> Option<Self> {
        let cells = exact.cells();
        let steps = matches!(candidates, Candidates::Poisson(_));
        let packed: Vec<u32> = scale.iter().map(|s| if steps { 0 } else { *s }).collect();
        let (rows, slots) = deal(exact.model(), &packed, exact.rates())?;
        if rows.len() * cells > MOST_ENTRIES || exact.unscored() > MOST_UNSCORED {
            return None;
        }
        let guide = match &places {
            Some(places) => Some(places.guide()?),
            None => None,
        };
        let (mut accept, gap) = thresholds(&exact, &rows, candidates.one());
        // Two states that have nothing to choose need no slots.
        let one_way = |s: usize| rows[s].1.is_some_and(|c| c.from == s && c.to == 1 - s);
        let entries = rows.len() * cells;
        let wide = !lasting || 2 * entries + 1 > NARROW;
        let ring = exact.model().domain.walls == Boundary::Periodic;
        if ring && wide {
            return None;
        }
        if !wide {
            accept.resize(NARROW, 0);
        }
        let two = scale.len() == 2 && rows.len() == 2 && one_way(0) && one_way(1) && !(lasting && wide);
        // Of the choices at the top, legs ask whether their visit is scored, steps how many candidates there are.
        let top = if steps { candidates.more() } else { exact.unscored() };
        let top = libm::ceil(top * CHOICES) as u32;
        let target = |slot: &u32| scale[block::leads_to(*slot)];
        let tables = Tables {
            cells: cells as u32,
            two,
            targets: block::padded(slots.iter().map(target)),
            scale,
            slots: block::padded(slots.iter().copied()),
            accept,
            entries,
            wide,
            gap,
            top: (1 << CHOICE_BITS) - top,
            guide,
            exchange: exact.model().network.channels().any(|c| exact.model().exchange_varies(c)),
            steps,
            ring,
        };
        Some(Decisions { exact, candidates, tables, rows, places, spare: Arc::default() })
    }

    /// Whether walkers are in a natural scale that is not x itself.
    pub fn scaled(&self) -> bool {
        self.places.is_some()
    }

    /// What visits in a cell are worth over what they would be if it began and ended at whole units.
    pub fn share(&self, cell: usize) -> f64 {
        self.places.as_ref().map_or(1.0, |places| places.share(cell))
    }

    /// The place of a position in lanes.
    fn enter(&self, position: Position) -> u32 {
        match &self.places {
            None => self.tables.enter(position),
            Some(places) => places.enter(position),
        }
    }

    /// The position of a place in lanes. There and back again, nothing changes.
    fn leave(&self, place: u32) -> Position {
        match &self.places {
            None => self.tables.leave(place),
            Some(places) => places.leave(place, places.cell(place)),
        }
    }

    /// The same where the cell is known.
    fn within(&self, place: u32, cell: usize) -> Position {
        match &self.places {
            None => self.tables.leave(place),
            Some(places) => places.leave(place, cell),
        }
    }

    /// Number of thresholds.
    pub fn entries(&self) -> usize {
        self.tables.entries
    }

    /// Advances everybody by so many legs or steps.
    pub fn run<T: Tally>(
        &self,
        most: Instructions,
        walkers: &mut Walkers,
        legs: u64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let (mut block, mut sums) = self.begin();
        let (words, single) = stream.lanes();
        let mut rare = Undecided::new(self, single);
        let columns = walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK));
        for ((position, state), laps) in columns.zip(walkers.laps.chunks_mut(BLOCK)) {
            block.walkers = position.len();
            for (place, position) in block.position.iter_mut().zip(&*position) {
                *place = self.enter(*position);
            }
            let columns = block.state[0].iter_mut().zip(&mut block.scale[0]);
            for ((to, scale), &state) in columns.zip(&*state) {
                *to = u32::from(state);
                *scale = self.tables.scale[usize::from(state)];
            }
            if self.tables.steps {
                // A step looks at a place before it leaves it, and visits another.
                self.score(&block, &mut rare.surplus);
            }
            let mut left = legs;
            while left > 0 {
                let piece = sums.take(left, self);
                block::go(most, &self.tables, &mut block, piece, words, &mut sums.hot, &mut rare)?;
                left -= piece;
            }
            if self.tables.steps {
                self.score(&block, &mut sums.visits);
            }
            for (position, place) in position.iter_mut().zip(&block.position) {
                *position = self.leave(*place);
            }
            for (state, now) in state.iter_mut().zip(&block.state[0]) {
                *state = *now as u16;
            }
            for (lane, laps) in laps.iter_mut().enumerate() {
                *laps = laps.wrapping_add(block.laps.leave(lane));
            }
        }
        self.hand_on((block, sums), rare, tally);
        Ok(())
    }

    /// Advances everybody by a duration in which legs in each state last so long on average.
    pub fn run_timed<T: Tally>(
        &self,
        most: Instructions,
        walkers: &mut Walkers,
        (duration, waits): (f64, &[f64]),
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let (mut block, mut sums) = self.begin();
        let (words, single) = stream.lanes();
        let mut rare = Undecided::new(self, single);
        let mut timed = Timed::new(&self.tables, waits, duration, walkers, &mut block);
        while block.walkers > 0 {
            let room = sums.take(u64::MAX, self);
            let group = (&mut *block, &mut timed);
            timed::go(most, &self.tables, group, room, words, &mut sums.hot, &mut rare)?;
        }
        self.hand_on((block, sums), rare, tally);
        Ok(())
    }

    /// Columns and counters of a span.
    fn begin(&self) -> (Box<Block>, Sums) {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let new = || (Box::new(Block::new()), vec![0; self.tables.counters()]);
        let (mut block, hot) = spare.unwrap_or_else(new);
        *block = Block::new();
        if self.tables.ring {
            block.laps = Laps::new(self.tables.scale.len());
        }
        (block, Sums::new(self, hot))
    }

    /// Hands on what has been counted.
    fn hand_on<T: Tally>(&self, (block, mut sums): (Box<Block>, Sums), rare: Undecided<'_>, tally: &mut T) {
        sums.flush(self);
        let Undecided { mut heat, mut work, surplus, passages, .. } = rare;
        sums.visits.iter_mut().zip(&surplus).for_each(|(visits, surplus)| *visits -= surplus);
        sums.passages.iter_mut().zip(&passages).for_each(|(sum, more)| *sum += more);
        if !self.tables.exchange {
            book(self.exact.model(), &sums.passages, &mut heat, &mut work);
        }
        let (visits, passages) = (&sums.visits, &sums.passages);
        let (heat, work, laps) = (&heat[..], &work[..], &block.laps.states[..]);
        tally.counted(&Counts { visits, passages, heat, work, laps, sighted: None, surveyed: None });
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push((block, sums.hot));
    }

    /// Counts where the walkers of a block are, state by state and cell by cell.
    fn score(&self, block: &Block, visits: &mut [u64]) {
        let cells = self.tables.cells;
        for (&state, &position) in block.state[0].iter().zip(&block.position).take(block.walkers) {
            visits[(state * cells + self.tables.cell(position)) as usize] += 1;
        }
    }
}

/// Heat and work of passages, channel by channel and cell by cell, in which they are constants.
pub(super) fn book(model: &Model, passages: &[u64], heat: &mut [f64], work: &mut [f64]) {
    for (channel, passages) in model.network.channels().zip(passages.chunks(heat.len())) {
        if let Some(exchange) = model.constant_exchange(channel) {
            for ((&n, heat), work) in passages.iter().zip(&mut *heat).zip(&mut *work) {
                *heat += n as f64 * exchange.heat;
                *work += n as f64 * exchange.work;
            }
        }
    }
}

/// Number of choices that are compared with thresholds.
const CHOICES: f64 = (1u32 << CHOICE_BITS) as f64;

/// Rows of thresholds, each with the state left and the channel, and the slots of every state that point to them;
/// unless there are too many rows.
fn deal(model: &Model, scale: &[u32], rates: &CandidateRates) -> Option<(Vec<Row>, Vec<u32>)> {
    let channels: Vec<Channel> = model.network.channels().collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut slots = Vec::with_capacity(SLOTS * scale.len());
    for (state, dealt) in rates.slots.iter().enumerate() {
        let first = rows.len();
        for &channel in dealt {
            let channel = channels.get(usize::from(channel)).copied();
            let row = rows[first..].iter().position(|(_, c)| *c == channel).map(|row| first + row);
            let row = row.unwrap_or_else(|| {
                rows.push((state, channel));
                rows.len() - 1
            });
            if row >= MOST_ROWS {
                return None;
            }
            let to = channel.map_or(state, |c| c.to);
            slots.push(block::slot(scale[to], row, to));
        }
    }
    Some((rows, slots))
}

/// The table of thresholds, for candidates that come with a probability, and the unit of what they leave open: the
/// smallest power of two that encloses all of it in six bits.
fn thresholds(exact: &Exact, rows: &[Row], one: f64) -> (Vec<u32>, u32) {
    let cells = exact.cells();
    // Rounding of the product is far below the unit by which bounds have been widened.
    let unit = one * CHOICES / ONE;
    let bounds = |row: usize, cell: usize| -> (u32, u32) {
        let Some(channel) = rows[row].1 else { return (0, 0) };
        let (low, high) = exact.acceptance(channel.index, cell);
        ((low as f64 * unit) as u32, libm::ceil(high as f64 * unit) as u32)
    };
    let entries = || (0..rows.len()).flat_map(|row| (0..cells).map(move |cell| (row, cell)));
    let widest = entries().map(|(row, cell)| bounds(row, cell)).map(|(low, high)| high - low).max();
    let widest = widest.unwrap_or(0);
    let gap = (0..CHOICE_BITS).find(|gap| widest.div_ceil(1 << gap) <= 63).unwrap_or(CHOICE_BITS);
    let accept = entries().map(|(row, cell)| {
        let (low, high) = bounds(row, cell);
        low << 6 | (high - low).div_ceil(1 << gap)
    });
    (accept.collect(), gap)
}

/// Decides with the rate itself, and books what depends on x.
struct Undecided<'a> {
    decisions: &'a Decisions,
    single: &'a mut Single,
    heat: Vec<f64>,
    work: Vec<f64>,
    /// Visits that are counted and should not be.
    surplus: Vec<u64>,
    /// Passages that keys do not tell.
    passages: Vec<u64>,
}

impl<'a> Undecided<'a> {
    fn new(decisions: &'a Decisions, single: &'a mut Single) -> Self {
        let cells = decisions.exact.cells();
        Undecided {
            decisions,
            single,
            heat: vec![0.0; cells],
            work: vec![0.0; cells],
            surplus: vec![0; decisions.tables.scale.len() * cells],
            passages: vec![0; decisions.exact.rates().channel.len() * cells],
        }
    }

    /// Row and cell of a key.
    fn entry(&self, key: u32) -> (usize, usize) {
        let (entry, cells) = ((key >> 1) as usize, self.decisions.tables.cells as usize);
        (entry / cells, entry % cells)
    }

    fn x(&self, position: Position) -> f64 {
        position.fraction() * self.decisions.exact.model().domain.length
    }

    /// What is not known is booked as zero, and estimators say so.
    fn book(&mut self, channel: Channel, cell: usize, position: Position) {
        let x = self.x(position);
        if let Some(exchange) = self.decisions.exact.model().exchange(channel, x) {
            self.heat[cell] += exchange.heat;
            self.work[cell] += exchange.work;
        }
    }

    /// Two candidates or more one after the other, at the same place; the state after them.
    fn several(
        &mut self,
        mean: f64,
        mut state: usize,
        cell: usize,
        position: Position,
    ) -> Result<usize, KernelError> {
        let Decisions { exact, candidates, tables, .. } = self.decisions;
        // How many, by inversion.
        let mut share = candidates.one() * mean / 2.0;
        let mut target = open_unit(self.single.word()) * candidates.more() - share;
        let mut number = 2u32;
        while target > 0.0 && number < MOST_CANDIDATES {
            number += 1;
            share *= mean / f64::from(number);
            target -= share;
        }
        for _ in 0..number {
            let Some(channel) = exact.candidate(state, cell, position, self.single.word())? else { continue };
            self.passages[channel.index * exact.cells() + cell] += 1;
            if tables.exchange {
                self.book(channel, cell, position);
            }
            state = channel.to;
        }
        Ok(state)
    }
}

/// More candidates in one step than a word can ask for where lanes are used.
const MOST_CANDIDATES: u32 = 64;

impl Rare for Undecided<'_> {
    #[cold]
    #[inline(never)]
    fn decide(&mut self, block: &mut Block, leg: usize) -> Result<(), KernelError> {
        let Decisions { exact, candidates, tables, rows, .. } = self.decisions;
        let [within, beyond] = block.open(leg, tables);
        // Hardly ever more than one.
        let some = |eight: &usize| {
            let eight = 8 * eight..8 * eight + 8;
            within[eight.clone()].contains(&1) || beyond[eight].contains(&1)
        };
        let walkers = (0..BLOCK / 8).filter(some).flat_map(|eight| 8 * eight..8 * eight + 8);
        for i in walkers.filter(|i| within[*i] | beyond[*i] == 1 && *i < block.walkers) {
            let key = block.key[leg + 1][i];
            let (row, cell) = self.entry(key);
            let (state, channel) = rows[row];
            // 26 bits of the choice and 32 more, from 0 to 1.
            let further = (self.single.word() >> 32) as f64 / ONE;
            let uniform = (f64::from(block.uniform(leg, i)) + further) / CHOICES;
            let position = || self.decisions.within(block.position[i], cell);
            if within[i] == 1
                && let Some(channel) = channel
                && exact.accepts(channel, cell, self.x(position()), uniform / candidates.one() * ONE)?
            {
                block.key[leg + 1][i] = key | 1;
                block.state[leg + 1][i] = channel.to as u32;
                block.scale[leg + 1][i] = tables.scale[channel.to];
            }
            match *candidates {
                // Whether a visit is scored may depend on the word that makes its transition, which comes later.
                Candidates::One => {
                    let scored = beyond[i] == 0
                        || exact.surely_scores(state, cell, uniform * ONE)
                        || exact.scores(state, cell, self.x(position()), uniform * ONE)?;
                    self.surplus[state * exact.cells() + cell] += u64::from(!scored);
                }
                Candidates::Poisson(mean) if uniform >= 1.0 - candidates.more() => {
                    let state = self.several(mean, state, cell, position())?;
                    block.state[leg + 1][i] = state as u32;
                    block.scale[leg + 1][i] = tables.scale[state];
                }
                Candidates::Poisson(_) => {}
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn exchange(&mut self, block: &Block, leg: usize) {
        for i in 0..block.walkers {
            let key = block.key[leg + 1][i];
            if key & 1 == 0 {
                continue;
            }
            let (row, cell) = self.entry(key);
            if let Some(channel) = self.decisions.rows[row].1 {
                self.book(channel, cell, self.decisions.within(block.position[i], cell));
            }
        }
    }
}

/// Counters of a span.
struct Sums {
    /// By key, 32 bits wide to stay in the cache; what is counted for nobody is not read.
    hot: Vec<u32>,
    /// Legs of a block that they have room for.
    room: u64,
    visits: Vec<u64>,
    passages: Vec<u64>,
}

impl Sums {
    fn new(decisions: &Decisions, hot: Vec<u32>) -> Self {
        let cells = decisions.tables.cells as usize;
        Sums {
            hot,
            room: Self::ROOM,
            visits: vec![0; decisions.tables.scale.len() * cells],
            passages: vec![0; decisions.exact.rates().channel.len() * cells],
        }
    }

    /// No counter grows by more than the walkers of a block in a leg, and as much at the start of a piece.
    const ROOM: u64 = u32::MAX as u64 / BLOCK as u64;

    /// Makes room for some of `legs`: how many.
    fn take(&mut self, legs: u64, decisions: &Decisions) -> u64 {
        if self.room < 2 {
            self.flush(decisions);
        }
        let piece = legs.min(self.room - 1);
        self.room -= piece + 1;
        piece
    }

    /// Empties the hot counters.
    fn flush(&mut self, decisions: &Decisions) {
        let cells = decisions.tables.cells as usize;
        for ((state, channel), counts) in decisions.rows.iter().zip(self.hot.chunks_mut(2 * cells)) {
            let visits = &mut self.visits[state * cells..][..cells];
            for (visits, [rejected, accepted]) in visits.iter_mut().zip(counts.as_chunks::<2>().0) {
                *visits += u64::from(*rejected) + u64::from(*accepted);
            }
            if let Some(channel) = channel {
                let passages = &mut self.passages[channel.index * cells..][..cells];
                for (passages, [_, accepted]) in passages.iter_mut().zip(counts.as_chunks::<2>().0) {
                    *passages += u64::from(*accepted);
                }
            }
        }
        // Of what lies beyond only this has been touched.
        let nobody = block::nobody(&self.hot) as usize;
        self.hot[nobody] = 0;
        self.hot[..2 * decisions.tables.entries].fill(0);
        self.room = Self::ROOM;
    }
}
