//! Exact legs in vector lanes: the untimed legs of [`Exact`], many walkers at once.
//!
//! For constant diffusivities between reflecting walls. Law, candidates and transitions are those of
//! [`Exact`], which is the readable form and what every test of the lanes is made against; what differs is how
//! numbers are kept:
//!
//! - **positions** are 32-bit integers on the unfolded circle, `2^-31 L` each, with the same fold for nothing;
//! - **displacements** are 32-bit floats, rounded once to whole units. Over all words the mean square of the
//!   exponential is 1.3e-8 of itself too small, its mean 7e-9. What a leg of length `l` forgets of the mode
//!   `cos(q x)`, `(q l)^2/(1 + (q l)^2)`, is off by less than 2e-8 of itself for `q l < 6` and by less than 1e-6
//!   beyond, where nearly all is forgotten. A scale is a float without rounding, because the rate of candidates is
//!   raised until it is;
//! - **transitions** are decided by 26 bits against a table per cell that encloses the probability; a word inside the
//!   enclosure asks for the rate itself, with 32 more bits. They are exact like those of [`Exact`];
//! - **counts** are kept here, per (channel, cell) of the grid of the run, and handed on at the end of a span.
//!
//! **When not to use it:** it is chosen by itself where it serves. Tallies that must see every event, timed legs, and
//! all that is not said above go by [`Exact`].

mod block;

use super::bounds::{CandidateRates, SLOTS};
use super::exact::Exact;
use super::scale::Clocks;
use super::{BLOCK, Kernel, KernelError, LegLaw, Span};
use crate::event::{Counts, Position, Tally, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Channel, Model};
use crate::rng::{Single, Stream};
pub use block::Instructions;
use block::{Block, CHOICE_BITS, MOST_ROWS, MOST_STATES, Rare, SCALE, Tables};

/// The method `exact`, in vector lanes.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// The same without lanes.
    exact: Exact,
    tables: Tables,
    rows: Vec<Row>,
    most: Instructions,
}

/// A row of thresholds: the state that candidates are in, and the channel that they are for, if any.
type Row = (usize, Option<Channel>);

/// Legs shorter than this, in lengths of the domain, would feel the lattice of positions.
const SHORTEST_LEG: f64 = 1.0 / 262_144.0;

/// Most entries of thresholds: counters and thresholds must fit into a cache.
const MOST_ENTRIES: usize = 1 << 17;

impl Lanes {
    /// Prepares lanes for `model`, with tables on the cells of `grid`; `None` where only [`Exact`] will do.
    ///
    /// # Errors
    /// As [`Exact::new`].
    pub fn new(model: &Model, grid: &Grid) -> Result<Option<Self>, KernelError> {
        let states = 0..model.network.states().len();
        let clocks = Clocks::new(model)?;
        let plain = |s: usize| clocks.constant(s).is_some() && !model.has_force(s);
        let suits = model.domain.walls == Boundary::Reflecting
            && model.coordinates.is_none()
            && states.len() <= MOST_STATES
            && grid.cells() < 1 << 15
            && states.clone().all(plain);
        if !suits {
            return Ok(None);
        }
        let mut rates = CandidateRates::with_clocks(model, grid, &clocks)?;
        let Some(scale) = representable(model, &mut rates) else { return Ok(None) };
        let exact = Exact::with_rates(model, grid, rates)?;
        let Some((rows, slots)) = deal(model, &scale, exact.rates()) else { return Ok(None) };
        if rows.len() * grid.cells() > MOST_ENTRIES {
            return Ok(None);
        }
        let (accept, gap) = thresholds(&exact, &rows, grid.cells());
        // Two states that have nothing to choose need no slots.
        let one_way = |s: usize| rows[s].1.is_some_and(|c| c.from == s && c.to == 1 - s);
        let two = scale.len() == 2 && rows.len() == 2 && one_way(0) && one_way(1);
        let tables = Tables {
            cells: grid.cells() as u32,
            scale,
            slots: if two { Vec::new() } else { slots },
            accept,
            gap,
            exchange: model.network.channels().any(|c| model.constant_exchange(c).is_none()),
        };
        Ok(Some(Lanes { exact, tables, rows, most: Instructions::Avx512 }))
    }

    /// The same with at most these instructions; which are used changes no bit of any result.
    pub fn at_most(self, most: Instructions) -> Self {
        Lanes { most, ..self }
    }

    /// The same legs without lanes.
    pub fn exact(&self) -> &Exact {
        &self.exact
    }

    fn untimed<T: Tally>(
        &self,
        walkers: &mut Walkers,
        legs: u64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let cells = self.tables.cells as usize;
        let mut sums = Sums::new(self);
        let (words, single) = stream.lanes();
        let mut rare = Undecided { lanes: self, single, heat: vec![0.0; cells], work: vec![0.0; cells] };
        let mut block = Block::new();
        for (position, state) in walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK)) {
            block.walkers = position.len();
            for (place, position) in block.position.iter_mut().zip(&*position) {
                *place = position.coarse(cells);
            }
            let columns = block.state[0].iter_mut().zip(&mut block.scale[0]);
            for ((to, scale), &state) in columns.zip(&*state) {
                *to = u32::from(state);
                *scale = self.tables.scale[usize::from(state)];
            }
            let mut left = legs;
            while left > 0 {
                let piece = sums.take(left, self);
                block::go(self.most, &self.tables, &mut block, piece, words, &mut sums.hot, &mut rare)?;
                left -= piece;
            }
            for (position, place) in position.iter_mut().zip(&block.position) {
                *position = Position::from_coarse(*place);
            }
            for (state, now) in state.iter_mut().zip(&block.state[0]) {
                *state = *now as u16;
            }
        }
        sums.flush(self);
        let Undecided { mut heat, mut work, .. } = rare;
        if !self.tables.exchange {
            self.book(&sums.passages, &mut heat, &mut work);
        }
        let (visits, passages) = (&sums.visits, &sums.passages);
        tally.counted(&Counts { visits, passages, heat: &heat, work: &work });
        Ok(())
    }

    /// Heat and work of passages in which they are constants.
    fn book(&self, passages: &[u64], heat: &mut [f64], work: &mut [f64]) {
        let model = self.exact.model();
        for (channel, passages) in model.network.channels().zip(passages.chunks(heat.len())) {
            if let Some(exchange) = model.constant_exchange(channel) {
                for ((&n, heat), work) in passages.iter().zip(&mut *heat).zip(&mut *work) {
                    *heat += n as f64 * exchange.heat;
                    *work += n as f64 * exchange.work;
                }
            }
        }
    }
}

/// Raises the rates of candidates until the scales of legs have few enough digits; the bits of the scales, unless a
/// leg is too short.
fn representable(model: &Model, rates: &mut CandidateRates) -> Option<Vec<u32>> {
    let mut scales = Vec::with_capacity(rates.state.len());
    for state in 0..rates.state.len() {
        let rate = rates.state[state];
        let wanted = 1.0 / (libm::sqrt(rate) * model.domain.length);
        // Rounded down: candidates must not become fewer. A float may have rounded up by less than a digit.
        let mut bits = (wanted as f32).to_bits() & SCALE;
        if f64::from(f32::from_bits(bits)) > wanted {
            bits -= 1 << SCALE.trailing_zeros();
        }
        let scale = f64::from(f32::from_bits(bits));
        if scale < SHORTEST_LEG {
            return None;
        }
        let raised = 1.0 / (scale * model.domain.length).powi(2);
        rates.state[state] = raised;
        for channel in model.network.channels().filter(|c| c.from == state) {
            rates.channel[channel.index] *= raised / rate;
        }
        scales.push(bits);
    }
    Some(scales)
}

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

/// The table of thresholds and the unit of what they leave open: the smallest power of two that encloses all of it
/// in six bits.
fn thresholds(exact: &Exact, rows: &[Row], cells: usize) -> (Vec<u32>, u32) {
    const DROPPED: u32 = 32 - CHOICE_BITS;
    let bounds = |row: usize, cell: usize| -> (u32, u32) {
        let Some(channel) = rows[row].1 else { return (0, 0) };
        let (low, high) = exact.acceptance(channel.index, cell);
        ((low >> DROPPED) as u32, high.div_ceil(1 << DROPPED) as u32)
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
    lanes: &'a Lanes,
    single: &'a mut Single,
    heat: Vec<f64>,
    work: Vec<f64>,
}

impl Undecided<'_> {
    /// Row and cell of a key.
    fn entry(&self, key: u32) -> (usize, usize) {
        let (entry, cells) = ((key >> 1) as usize, self.lanes.tables.cells as usize);
        (entry / cells, entry % cells)
    }

    fn place(&self, block: &Block, i: usize) -> f64 {
        Position::from_coarse(block.position[i]).fraction() * self.lanes.exact.model().domain.length
    }
}

impl Rare for Undecided<'_> {
    #[cold]
    #[inline(never)]
    fn decide(&mut self, block: &mut Block, leg: usize) -> Result<(), KernelError> {
        let Tables { gap, scale, .. } = &self.lanes.tables;
        let open = block.open(leg, *gap);
        // Hardly ever more than one.
        let some = |row: &usize| open[8 * row..][..8].contains(&1);
        let walkers = (0..BLOCK / 8).filter(some).flat_map(|row| 8 * row..8 * row + 8);
        for i in walkers.filter(|i| open[*i] == 1 && *i < block.walkers) {
            let key = block.key[leg + 1][i];
            let (row, cell) = self.entry(key);
            let Some(channel) = self.lanes.rows[row].1 else { continue };
            // 26 bits of the choice and 32 more, in units of 2^-32.
            let further = (self.single.word() >> 32) as f64 / 4_294_967_296.0;
            let uniform = (f64::from(block.uniform(leg, i)) + further) * f64::from(1 << (32 - CHOICE_BITS));
            if self.lanes.exact.accepts(channel, cell, self.place(block, i), uniform)? {
                block.key[leg + 1][i] = key | 1;
                block.state[leg + 1][i] = channel.to as u32;
                block.scale[leg + 1][i] = scale[channel.to];
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
            let channel = self.lanes.rows[row].1;
            let x = self.place(block, i);
            // What is not known is booked as zero, and estimators say so.
            if let Some(exchange) = channel.and_then(|c| self.lanes.exact.model().exchange(c, x)) {
                self.heat[cell] += exchange.heat;
                self.work[cell] += exchange.work;
            }
        }
    }
}

/// Counters of a span.
struct Sums {
    /// By key, 32 bits wide to stay in the cache; the last is scrap.
    hot: Vec<u32>,
    /// Legs of a block that they have room for.
    room: u64,
    visits: Vec<u64>,
    passages: Vec<u64>,
}

impl Sums {
    fn new(lanes: &Lanes) -> Self {
        let cells = lanes.tables.cells as usize;
        Sums {
            hot: vec![0; 2 * lanes.tables.accept.len() + 1],
            room: Self::ROOM,
            visits: vec![0; lanes.tables.scale.len() * cells],
            passages: vec![0; lanes.exact.rates().channel.len() * cells],
        }
    }

    /// No counter grows by more than the walkers of a block in a leg, and as much at the start of a piece.
    const ROOM: u64 = u32::MAX as u64 / BLOCK as u64;

    /// Makes room for some of `legs`: how many.
    fn take(&mut self, legs: u64, lanes: &Lanes) -> u64 {
        if self.room < 2 {
            self.flush(lanes);
        }
        let piece = legs.min(self.room - 1);
        self.room -= piece + 1;
        piece
    }

    /// Empties the hot counters.
    fn flush(&mut self, lanes: &Lanes) {
        let cells = lanes.tables.cells as usize;
        for ((state, channel), counts) in lanes.rows.iter().zip(self.hot.chunks_mut(2 * cells)) {
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
        self.hot.fill(0);
        self.room = Self::ROOM;
    }
}

impl Kernel for Lanes {
    fn states(&self) -> usize {
        self.exact.states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.exact.dwell(state, cell)
    }

    fn leg_law(&self, state: usize) -> Option<LegLaw> {
        self.exact.leg_law(state)
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        match span {
            Span::Legs(legs) if !T::EVENTS => self.untimed(walkers, legs, stream, tally),
            _ => self.exact.advance(walkers, span, stream, tally),
        }
    }
}
