//! Exact legs: no time step and no bias, between reflecting walls or on a ring.
//!
//! In state `i` candidates for a transition come at the constant rate `K_i`. Between two of them the
//! walker diffuses freely, which is sampled exactly by folding at the walls:
//!
//! - **untimed**: over an exponential time with mean `1/K_i` the displacement is Laplace distributed with
//!   scale `sqrt(D_i/K_i)`; one exponential and a sign, and the elapsed time is never known;
//! - **timed**: the time is drawn, then a Gaussian displacement with variance `2 D_i t`; the last leg of
//!   a span is cut at its end, which loses nothing because candidates have no memory.
//!
//! At the candidate the walker changes state along channel `c` with probability `k_c(x)/K_i` (Gillespie,
//! with the true rate *at that point*; thinning, Lewis & Shedler 1979). The state just before each
//! candidate, weighted `1/K_i`, samples the stationary law (PASTA, Wolff 1982).
//!
//! Where the diffusivity depends on x or a force acts, the same legs are drawn in the natural scale of the
//! state and counted by its clock (see `scale` and `bounds`): still exact, but untimed only. A constant drift
//! on a ring is carried along: the displacement is then the difference of two exponentials with the means
//! `l+-`, `l+ l- = D/K`, `l+ - l- = v/K` (asymmetric Laplace), or a Gaussian around `v t`.
//!
//! **When not to use it:** when elapsed times matter and diffusivities vary; when a force drives particles
//! round a ring, whose natural scale does not close; when potentials span many kT, because legs are uniform
//! in the natural scale and hardly any falls where the particles are; when rates are so fast that `K_i`
//! exceeds what a stepped method needs by far.

use super::bounds::{CandidateRates, ONE, Row, SLOTS, Tables, channel_name};
use super::scale::Clocks;
use super::taken::Taken;
use super::{BLOCK, Kernel, KernelError, LegLaw, Span};
use crate::event::{Moves, Position, Tally, Visits, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Channel, Model};
use crate::rng::{Stream, exponential, standard_normals};

/// The method `exact`.
#[derive(Clone, Debug)]
pub struct Exact {
    model: Model,
    grid: Grid,
    rates: CandidateRates,
    tables: Tables,
    clocks: Clocks,
    channels: Vec<Channel>,
    /// Where a passage along each channel leads and what it exchanges; the last is "no channel".
    passage: Vec<Passage>,
    /// Whether some passage exchanges heat that depends on x.
    variable_exchange: bool,
    /// Whether some clock varies, so that scales and scoring are needed.
    variable_clock: bool,
    /// Scale of the Laplace law in position units, times `2^-shift`.
    scale: Vec<f64>,
    /// Mean time between candidates, zero where the clock varies; `sqrt(2 D)` times its root, in units twice
    /// as large.
    wait: Vec<f64>,
    reach: Vec<f64>,
    /// Means of the forward and backward part of a leg in the units of `scale`; empty unless a drift is
    /// carried along.
    parts: Vec<[f64; 2]>,
    /// Drift velocity in the same units; zero where none is carried along.
    drift: Vec<f64>,
    /// Whether the domain is a ring.
    ring: bool,
    shift: u32,
    /// The circumference of the circle in units of `2^shift`.
    turn: f64,
}

#[derive(Clone, Copy, Debug)]
struct Passage {
    to: u16,
    heat: f64,
    work: f64,
}

/// Whether `uniform`, in units of `2^-32`, lies below the probability; the bounds of the row as
/// probabilities if the probability lies outside them (negated, so that a number that is none does too).
fn below(uniform: f64, probability: f64, row: Row) -> Result<bool, (f64, f64)> {
    let scaled = probability * ONE;
    let (low, high) = (f64::from(row.low), f64::from(row.low) + f64::from(row.gap));
    if low <= scaled && scaled <= high { Ok(uniform < scaled) } else { Err((low / ONE, high / ONE)) }
}

/// Columns of one block, on the stack.
pub(super) struct Block {
    /// Of moves, of decisions, and of what else a leg takes, column by column.
    pub words: [u64; 4 * BLOCK],
    /// Numbers in the group.
    pub walker: [u32; BLOCK],
    laps: [i32; BLOCK],
    signed: [f64; BLOCK],
    scored: [bool; BLOCK],
    from: [Position; BLOCK],
    cell: [u32; BLOCK],
    channel: [u16; BLOCK],
    accepted: [bool; BLOCK],
    taken: Taken,
}

impl Exact {
    /// Prepares exact legs for `model`, with tables on the cells of `grid`.
    ///
    /// # Errors
    /// [`KernelError`] if a rate has no finite bound or breaks it.
    pub fn new(model: &Model, grid: &Grid) -> Result<Self, KernelError> {
        let clocks = Clocks::new(model)?;
        let rates = CandidateRates::with_clocks(model, grid, &clocks)?;
        Self::with_clocks(model, grid, clocks, rates)
    }

    /// The same with given candidate rates, which must not lie below the exit rates anywhere.
    ///
    /// # Errors
    /// As [`Exact::new`].
    pub fn with_rates(model: &Model, grid: &Grid, rates: CandidateRates) -> Result<Self, KernelError> {
        Self::with_clocks(model, grid, Clocks::new(model)?, rates)
    }

    pub(super) fn with_clocks(
        model: &Model,
        grid: &Grid,
        clocks: Clocks,
        rates: CandidateRates,
    ) -> Result<Self, KernelError> {
        let tables = Tables::new(model, grid, &clocks, &rates)?;
        Self::with_tables(model, grid, clocks, rates, tables)
    }

    /// The same with everything at hand.
    pub(super) fn with_tables(
        model: &Model,
        grid: &Grid,
        clocks: Clocks,
        rates: CandidateRates,
        tables: Tables,
    ) -> Result<Self, KernelError> {
        let states = 0..model.network.states().len();
        let length = model.domain.length;
        let legs: Vec<f64> = rates.state.iter().map(|k| 1.0 / (libm::sqrt(*k) * length)).collect();
        let drift: Vec<f64> =
            states.clone().map(|s| model.carried_drift(s).unwrap_or(0.0) / length).collect();
        let parts = states.clone().map(|s| {
            // Per unit of the clock: l+ l- = 1/K, l+ - l- = (v/D)/K; the smaller of the two without cancelling.
            let diffusivity = clocks.constant(s).unwrap_or(f64::INFINITY);
            let half = 0.5 * drift[s] / (diffusivity * rates.state[s]);
            let longer = half.abs() + libm::sqrt(half * half + legs[s] * legs[s]);
            let shorter = legs[s] * legs[s] / longer;
            if half > 0.0 { [longer, shorter] } else { [shorter, longer] }
        });
        let parts: Vec<[f64; 2]> = parts.collect();
        // Displacements are rounded to whole units of 2^shift by adding 1.5 * 2^52; the longest possible
        // one, 37 times the longest scale, must stay below 2^51 of these units.
        let longest = parts.iter().flatten().copied().fold(0.0, f64::max) * 37.0;
        let shift = (12 + libm::ceil(libm::log2(longest)) as i32).clamp(0, 62) as u32;
        let per_length = libm::exp2(f64::from(63 - shift as i32));
        let constant: Vec<Option<f64>> = states.clone().map(|s| clocks.constant(s)).collect();
        let mut passage: Vec<Passage> = model
            .network
            .channels()
            .map(|c| {
                let exchange = model.constant_exchange(c);
                let (heat, work) = exchange.map_or((0.0, 0.0), |e| (e.heat, e.work));
                Passage { to: c.to as u16, heat, work }
            })
            .collect();
        passage.push(Passage { to: 0, heat: 0.0, work: 0.0 });
        Ok(Exact {
            scale: legs.iter().map(|l| l * per_length).collect(),
            parts: if drift.iter().any(|v| *v != 0.0) {
                parts.iter().map(|both| both.map(|l| l * per_length)).collect()
            } else {
                Vec::new()
            },
            drift: drift.iter().map(|v| v * per_length).collect(),
            ring: model.domain.walls == Boundary::Periodic,
            wait: constant.iter().zip(&rates.state).map(|(d, k)| d.map_or(0.0, |d| 1.0 / (d * k))).collect(),
            reach: legs.iter().map(|l| std::f64::consts::FRAC_1_SQRT_2 * l * per_length).collect(),
            variable_clock: constant.iter().any(Option::is_none),
            variable_exchange: model.network.channels().any(|c| model.exchange_varies(c)),
            channels: model.network.channels().collect(),
            passage,
            model: model.clone(),
            grid: *grid,
            rates,
            tables,
            clocks,
            shift,
            turn: libm::exp2(f64::from(64 - shift as i32)),
        })
    }

    /// Candidate rates in use.
    pub fn rates(&self) -> &CandidateRates {
        &self.rates
    }

    /// A displacement in units of `2^shift`, below `2^51`, rounded to a whole number.
    #[inline]
    fn whole(displacement: f64) -> u64 {
        const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: the sum's last bit is one
        (displacement + ROUND).to_bits().wrapping_sub(ROUND.to_bits())
    }

    /// A displacement in units of `2^shift` as a step on the circle.
    #[inline]
    fn units(&self, displacement: f64) -> u64 {
        Self::whole(displacement) << self.shift
    }

    /// Looks for a transition at each candidate: fills `channel` and `accepted` from the decision words.
    #[inline]
    fn decide(
        &self,
        decisions: &[u64],
        state: &[u16],
        position: &[Position],
        cell: &[u32],
        channel: &mut [u16],
        accepted: &mut [bool],
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        let mut undecided = false;
        for (((&word, &state), &cell), (channel, accepted)) in
            decisions.iter().zip(state).zip(cell).zip(channel.iter_mut().zip(accepted.iter_mut()))
        {
            // The upper 6 bits deal the channel, the next 32 decide.
            let c = self.rates.slots[usize::from(state)][(word >> 58) as usize % SLOTS];
            let row = self.tables.accept[usize::from(c) * cells + cell as usize];
            let u = (word >> 26) as u32;
            *channel = c;
            *accepted = u < row.low;
            undecided |= u.wrapping_sub(row.low) < row.gap;
        }
        if undecided {
            self.decide_exactly(decisions, position, cell, channel, accepted)?;
        }
        Ok(())
    }

    /// Decides those candidates that the table leaves open, with the rate itself.
    #[cold]
    #[inline(never)]
    fn decide_exactly(
        &self,
        decisions: &[u64],
        position: &[Position],
        cell: &[u32],
        channel: &[u16],
        accepted: &mut [bool],
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        for (i, &word) in decisions.iter().enumerate() {
            let row = self.tables.accept[usize::from(channel[i]) * cells + cell[i] as usize];
            if ((word >> 26) as u32).wrapping_sub(row.low) >= row.gap {
                continue;
            }
            let c = self.channels[usize::from(channel[i])];
            let x = position[i].fraction() * self.model.domain.length;
            // All 58 remaining bits of the word.
            let uniform = (word & ((1 << 58) - 1)) as f64 / 67_108_864.0;
            accepted[i] = self.accepts(c, cell[i] as usize, x, uniform)?;
        }
        Ok(())
    }

    /// Whether a candidate of channel `c` at `x` in `cell` becomes a transition, by the rate itself; `uniform` in
    /// units of `2^-32`.
    pub(super) fn accepts(&self, c: Channel, cell: usize, x: f64, uniform: f64) -> Result<bool, KernelError> {
        let rate = self.model.rate(c, x) / self.clocks.rate(c.from, x);
        let unit = self.rates.channel[c.index];
        let row = self.tables.accept[c.index * self.grid.cells() + cell];
        below(uniform, rate / unit, row).map_err(|(low, high)| KernelError::BoundViolated {
            what: format!("the rate of {}", channel_name(&self.model, c)),
            x,
            value: rate,
            low: low * unit,
            high: high * unit,
        })
    }

    /// The channel along which a candidate in this state and place passes, if any; decided like that of a leg.
    pub(super) fn candidate(
        &self,
        state: usize,
        cell: usize,
        position: Position,
        word: u64,
    ) -> Result<Option<Channel>, KernelError> {
        let (mut channel, mut accepted) = ([0], [false]);
        let state = [state as u16];
        self.decide(&[word], &state, &[position], &[cell as u32], &mut channel, &mut accepted)?;
        Ok(self.channels.get(usize::from(channel[0])).copied().filter(|_| accepted[0]))
    }

    /// Mean time between two candidates in each state, if it is a constant in all of them.
    pub(super) fn waits(&self) -> Option<&[f64]> {
        (!self.variable_clock).then_some(&self.wait)
    }

    /// Number of cells of its tables.
    pub(super) fn cells(&self) -> usize {
        self.grid.cells()
    }

    /// Bounds on the probability of a transition along a channel in a cell, in units of `2^-32`.
    pub(super) fn acceptance(&self, channel: usize, cell: usize) -> (u64, u64) {
        let row = self.tables.accept[channel * self.grid.cells() + cell];
        (u64::from(row.low), u64::from(row.low) + u64::from(row.gap))
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Decides which visits are scored, so that each stands for the same time in its state and cell.
    fn score(
        &self,
        words: &[u64],
        state: &[u16],
        position: &[Position],
        cell: &[u32],
        scored: &mut [bool],
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        for (i, &word) in words.iter().enumerate() {
            let (s, cell) = (usize::from(state[i]), cell[i] as usize);
            let row = self.tables.score[s * cells + cell];
            let u = (word >> 32) as u32;
            scored[i] = u < row.low;
            if u.wrapping_sub(row.low) < row.gap {
                let x = position[i].fraction() * self.model.domain.length;
                scored[i] = self.scores(s, cell, x, word as f64 / ONE)?;
            }
        }
        Ok(())
    }

    /// Whether a visit in `cell` is scored wherever in it; `uniform` in units of `2^-32`.
    pub(super) fn surely_scores(&self, state: usize, cell: usize, uniform: f64) -> bool {
        uniform < f64::from(self.tables.score[state * self.grid.cells() + cell].low)
    }

    /// Whether a visit at `x` in `cell` is scored, by the clock itself; `uniform` in units of `2^-32`.
    pub(super) fn scores(
        &self,
        state: usize,
        cell: usize,
        x: f64,
        uniform: f64,
    ) -> Result<bool, KernelError> {
        let entry = state * self.grid.cells() + cell;
        let (clock, lowest) = (self.clocks.rate(state, x), self.tables.clock[entry]);
        below(uniform, lowest / clock, self.tables.score[entry]).map_err(|(low, _)| {
            KernelError::BoundViolated {
                what: format!("the diffusivity of {}", self.model.network.states()[state].name),
                x,
                value: clock,
                low: lowest,
                high: lowest / low,
            }
        })
    }

    /// An upper bound, over all states and cells, on the probability that a visit is not scored.
    pub(super) fn unscored(&self) -> f64 {
        self.tables.score.iter().map(|row| 1.0 - f64::from(row.low) / ONE).fold(0.0, f64::max)
    }

    /// Carries out the decisions: changes states and scores the block.
    #[inline]
    fn finish<T: Tally>(&self, block: &mut Block, position: &[Position], state: &mut [u16], tally: &mut T) {
        let n = state.len();
        tally.moves(&Moves {
            visits: if self.variable_clock { Visits::Some(&block.scored[..n]) } else { Visits::All },
            state,
            from: &block.from[..n],
            to: position,
            cell: &block.cell[..n],
            laps: if self.ring { &block.laps[..n] } else { &[] },
            coordinate: &[],
            heat: &[],
        });
        // Who changes state cannot be predicted: writing all and keeping some costs less than a branch.
        let mut changing = [0u8; BLOCK];
        let mut count = 0;
        for (i, &accepted) in block.accepted[..n].iter().enumerate() {
            changing[count % BLOCK] = i as u8;
            count += usize::from(accepted);
        }
        for i in changing[..count].iter().map(|i| usize::from(*i)) {
            let passage = self.passage[usize::from(block.channel[i])];
            let place = (position[i], block.cell[i]);
            block.taken.push(block.walker[i], block.channel[i], place, (passage.heat, passage.work));
            state[i] = passage.to;
        }
        if self.variable_exchange {
            self.exchange(&mut block.taken);
        }
        block.taken.hand_on(tally);
    }

    /// Fills in heat and work that depend on x; what is not known is booked as zero, and estimators say so.
    fn exchange(&self, taken: &mut Taken) {
        for i in 0..taken.count {
            let channel = self.channels[usize::from(taken.channel[i])];
            let x = taken.position[i].fraction() * self.model.domain.length;
            let exchange = self.model.exchange(channel, x);
            (taken.heat[i], taken.work[i]) = exchange.map_or((0.0, 0.0), |e| (e.heat, e.work));
        }
    }

    fn untimed<T: Tally>(
        &self,
        walkers: &mut Walkers,
        legs: u64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let mut block = Block::new();
        let columns = walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK));
        for ((position, state), (first, laps)) in
            columns.zip((0u32..).step_by(BLOCK).zip(walkers.laps.chunks_mut(BLOCK)))
        {
            let n = state.len();
            for (walker, index) in block.walker.iter_mut().zip(first..) {
                *walker = index;
            }
            for _ in 0..legs {
                stream.fill(&mut block.words[..self.words() * n]);
                self.leg(&mut block, position, state, laps, tally)?;
            }
        }
        Ok(())
    }

    /// Words of a leg: two; one more where visits are scored with a probability, and one more where legs are drifting.
    pub(super) fn words(&self) -> usize {
        2 + usize::from(self.variable_clock) + usize::from(self.drifts())
    }

    /// Whether legs are carried along by a drift.
    pub(super) fn drifts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// One untimed leg of a block, by the words in it.
    #[inline]
    pub(super) fn leg<T: Tally>(
        &self,
        block: &mut Block,
        position: &mut [Position],
        state: &mut [u16],
        laps: &mut [i32],
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let (cells, n) = (self.grid.cells(), state.len());
        let (moves, rest) = block.words[..self.words() * n].split_at(n);
        let (decisions, rest) = rest.split_at(n);
        let (backward, scores) = rest.split_at(if self.parts.is_empty() { 0 } else { n });
        // A simple loop over a column, which the compiler can do several at a time. The lowest bit,
        // which the exponential leaves unused, becomes the sign.
        for (signed, &word) in block.signed[..n].iter_mut().zip(moves) {
            *signed = f64::from_bits(exponential(word).to_bits() ^ (word << 63));
        }
        block.from[..n].copy_from_slice(position);
        if self.ring {
            for i in 0..n {
                let s = usize::from(state[i]);
                let displacement = match self.parts.get(s) {
                    None => block.signed[i] * self.scale[s],
                    Some([up, down]) => exponential(moves[i]) * up - exponential(backward[i]) * down,
                };
                let steps = Self::whole(displacement) as i64;
                (position[i], block.laps[i]) = self.turned(position[i], s, steps);
                laps[i] = laps[i].wrapping_add(block.laps[i]);
                block.cell[i] = position[i].cell(cells) as u32;
            }
            if self.variable_clock {
                self.score(scores, state, position, &block.cell[..n], &mut block.scored[..n])?;
            }
        } else if self.variable_clock {
            for i in 0..n {
                let units = self.stride(block.signed[i], state[i]);
                position[i] = self.displaced(position[i], state[i], units);
                block.cell[i] = position[i].cell(cells) as u32;
            }
            self.score(scores, state, position, &block.cell[..n], &mut block.scored[..n])?;
        } else {
            let columns = position.iter_mut().zip(state.iter()).zip(&mut block.cell);
            for (((position, &state), cell), &signed) in columns.zip(&block.signed) {
                *position = position.displaced(self.stride(signed, state));
                *cell = position.cell(cells) as u32;
            }
        }
        self.decide(
            decisions,
            state,
            position,
            &block.cell[..n],
            &mut block.channel[..n],
            &mut block.accepted[..n],
        )?;
        self.finish(block, position, state, tally);
        Ok(())
    }

    /// The displacement of a leg, Laplace distributed, from an exponential deviate with a sign.
    #[inline]
    fn stride(&self, signed: f64, state: u16) -> u64 {
        self.units(signed * self.scale[usize::from(state)])
    }

    /// A position displaced in the natural scale of its state.
    fn displaced(&self, position: Position, state: u16, units: u64) -> Position {
        match &self.clocks.scale[usize::from(state)] {
            None => position.displaced(units),
            Some(scale) => {
                let y = Position::from_fraction(scale.forward(position.fraction())).displaced(units);
                Position::from_fraction(scale.backward(y.fraction()))
            }
        }
    }

    /// A position on a ring displaced in the natural scale of its state, and the laps.
    fn turned(&self, position: Position, state: usize, steps: i64) -> (Position, i32) {
        match &self.clocks.scale[state] {
            None => position.turned(steps, self.shift),
            Some(scale) => {
                let y = Position::from_fraction(scale.forward(position.fraction()));
                let (y, laps) = y.turned(steps, self.shift);
                (Position::from_fraction(scale.backward(y.fraction())), laps)
            }
        }
    }

    /// The same for a displacement of any length, where the scale is x itself.
    fn turned_far(&self, position: Position, displacement: f64) -> (Position, i32) {
        if displacement.abs() < libm::exp2(50.0) {
            return position.turned(Self::whole(displacement) as i64, self.shift);
        }
        // Once in a lifetime: to 2^-51 of the ring.
        let rings = displacement / (0.5 * self.turn);
        let whole = if rings.abs() < 1024.0 { 0.0 } else { libm::trunc(rings) };
        let (to, laps) = position.turned_by(rings - whole);
        (to, laps.wrapping_add(whole as i32))
    }

    fn timed<T: Tally>(
        &self,
        walkers: &mut Walkers,
        duration: f64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        let mut block = Block::new();
        let mut going = Going::new();
        for first in (0..walkers.len()).step_by(BLOCK) {
            let mut n = going.enter(walkers, first, duration);
            while n > 0 {
                // Three words a leg: when, whither, and what then. Simple loops over whole columns, as for
                // untimed legs.
                let (when, whither) = block.words[..2 * n].split_at_mut(n);
                stream.fill(when);
                stream.fill(whither);
                stream.fill(&mut going.decision[..n]);
                standard_normals(whither, &mut going.normal[..n]);
                for ((time, root), &word) in going.time[..n].iter_mut().zip(&mut going.root).zip(&*when) {
                    *time = exponential(word);
                    *root = time.sqrt();
                }
                let mut over = false;
                let columns = going.time[..n].iter_mut().zip(&going.state).zip(&going.remaining);
                for ((time, &state), &remaining) in columns {
                    *time *= self.wait[usize::from(state)];
                    over |= *time >= remaining;
                }
                if over {
                    n = self.cut(&mut going, n, walkers, tally);
                }
                block.walker[..n].copy_from_slice(&going.walker[..n]);
                block.from[..n].copy_from_slice(&going.position[..n]);
                for i in 0..n {
                    let (s, deviate) = (usize::from(going.state[i]), going.root[i] * going.normal[i]);
                    (going.position[i], block.laps[i]) =
                        self.timed_leg(going.position[i], s, deviate, going.time[i]);
                    going.remaining[i] -= going.time[i];
                    block.cell[i] = going.position[i].cell(cells) as u32;
                }
                if self.ring {
                    for (&walker, &laps) in going.walker[..n].iter().zip(&block.laps) {
                        let sum = &mut walkers.laps[walker as usize];
                        *sum = sum.wrapping_add(laps);
                    }
                }
                self.decide(
                    &going.decision[..n],
                    &going.state[..n],
                    &going.position[..n],
                    &block.cell[..n],
                    &mut block.channel[..n],
                    &mut block.accepted[..n],
                )?;
                self.finish(&mut block, &going.position[..n], &mut going.state[..n], tally);
            }
        }
        Ok(())
    }

    /// Where a timed leg ends, and its laps on a ring, from a normal deviate times the root of its duration
    /// over the mean, and the duration.
    #[inline]
    fn timed_leg(&self, from: Position, state: usize, deviate: f64, time: f64) -> (Position, i32) {
        let displacement = self.reach[state] * deviate;
        if self.ring {
            self.turned_far(from, 2.0 * displacement + self.drift[state] * time)
        } else {
            // At most sqrt(2 * 36.8) * 8.3 = 71.2 scales of the Laplace law, twice as far as an untimed leg
            // goes: counted in units twice as large.
            (from.displaced(self.units(displacement) << 1), 0)
        }
    }

    /// Ends the legs of those walkers whose time is up where they then are; the others close the ranks.
    /// Returns how many there are.
    #[inline(never)]
    fn cut<T: Tally>(&self, going: &mut Going, n: usize, walkers: &mut Walkers, tally: &mut T) -> usize {
        let mut kept = 0;
        for i in 0..n {
            if going.time[i] < going.remaining[i] {
                going.keep(i, kept);
                kept += 1;
                continue;
            }
            let (from, state, time) = (going.position[i], going.state[i], going.remaining[i]);
            let s = usize::from(state);
            let root = (time / self.wait[s]).sqrt();
            let (to, laps) = self.timed_leg(from, s, root * going.normal[i], time);
            let walker = going.walker[i] as usize;
            (walkers.position[walker], walkers.state[walker]) = (to, state);
            walkers.laps[walker] = walkers.laps[walker].wrapping_add(laps);
            tally.moves(&Moves {
                visits: Visits::None,
                state: &[state],
                from: &[from],
                to: &[to],
                cell: &[to.cell(self.grid.cells()) as u32],
                laps: &[laps][..usize::from(self.ring)],
                coordinate: &[],
                heat: &[],
            });
        }
        kept
    }
}

/// Columns of those walkers of a block whose time is not up.
struct Going {
    /// Their numbers in the group.
    walker: [u32; BLOCK],
    position: [Position; BLOCK],
    state: [u16; BLOCK],
    remaining: [f64; BLOCK],
    /// Of the present leg: its duration, the root of that in mean durations, a normal deviate, and the word
    /// that decides at its end.
    time: [f64; BLOCK],
    root: [f64; BLOCK],
    normal: [f64; BLOCK],
    decision: [u64; BLOCK],
}

impl Going {
    fn new() -> Self {
        Going {
            walker: [0; BLOCK],
            position: [Position::default(); BLOCK],
            state: [0; BLOCK],
            remaining: [0.0; BLOCK],
            time: [0.0; BLOCK],
            root: [0.0; BLOCK],
            normal: [0.0; BLOCK],
            decision: [0; BLOCK],
        }
    }

    /// Takes in a block of walkers, from the one numbered `first` on; returns how many they are.
    fn enter(&mut self, walkers: &Walkers, first: usize, duration: f64) -> usize {
        let n = BLOCK.min(walkers.len() - first);
        self.walker = std::array::from_fn(|i| (first + i) as u32);
        self.position[..n].copy_from_slice(&walkers.position[first..first + n]);
        self.state[..n].copy_from_slice(&walkers.state[first..first + n]);
        self.remaining.fill(duration);
        n
    }

    /// Moves an entry forward to a place that is free.
    fn keep(&mut self, from: usize, to: usize) {
        self.walker[to] = self.walker[from];
        self.position[to] = self.position[from];
        self.state[to] = self.state[from];
        self.remaining[to] = self.remaining[from];
        self.time[to] = self.time[from];
        self.root[to] = self.root[from];
        self.normal[to] = self.normal[from];
        self.decision[to] = self.decision[from];
    }
}

impl Block {
    pub fn new() -> Self {
        Block {
            words: [0; 4 * BLOCK],
            walker: [0; BLOCK],
            laps: [0; BLOCK],
            signed: [0.0; BLOCK],
            scored: [true; BLOCK],
            from: [Position::default(); BLOCK],
            cell: [0; BLOCK],
            channel: [0; BLOCK],
            accepted: [false; BLOCK],
            taken: Taken::new(),
        }
    }
}

impl Kernel for Exact {
    fn states(&self) -> usize {
        self.scale.len()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        1.0 / (self.rates.state[state] * self.tables.clock[state * self.grid.cells() + cell])
    }

    fn leg_law(&self, state: usize) -> Option<LegLaw> {
        let (cells, length) = (self.grid.cells(), self.model.domain.length);
        let faces = (0..=cells).map(|k| k as f64 / cells as f64);
        if self.ring {
            return None;
        }
        let scale = self.clocks.scale[state].as_ref();
        // Time per leg that ends at x is 1/(K c(x)); dy/dx turns a density in y into one in x.
        let weight = [0.0, length]
            .map(|x| self.clocks.slope(state, x) / (self.rates.state[state] * self.clocks.rate(state, x)));
        Some(LegLaw {
            length: 1.0 / (libm::sqrt(self.rates.state[state]) * length),
            faces: match scale {
                None => faces.collect(),
                Some(scale) => faces.map(|x| scale.forward(x)).collect(),
            },
            candidates: (0..cells)
                .map(|c| self.rates.state[state] * self.clocks.rate(state, self.grid.cell_middle(c)))
                .collect(),
            weight,
        })
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        match span {
            Span::Legs(legs) => self.untimed(walkers, legs, stream, tally),
            Span::Duration(_) if self.variable_clock => Err(KernelError::NoElapsedTime),
            Span::Duration(duration) => self.timed(walkers, duration, stream, tally),
        }
    }
}
