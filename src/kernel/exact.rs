//! Exact legs: no time step and no bias, for constant diffusivities and reflecting walls.
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
//! **When not to use it:** when diffusivities depend on x, or forces act along x (use a method for
//! those); when rates are so fast that `K_i` exceeds what a stepped method needs by far.

use super::bounds::{CandidateRates, RateTable, SLOTS, channel_name};
use super::{Kernel, KernelError, Span};
use crate::event::{Moves, Position, Tally, Transitions, Walkers};
use crate::grid::Grid;
use crate::model::{Channel, Model};
use crate::rng::{Stream, exponential, standard_normal};

/// Walkers advanced side by side, so that the latency of one hides behind the others.
const BLOCK: usize = 64;

/// The method `exact`.
#[derive(Clone, Debug)]
pub struct Exact {
    model: Model,
    grid: Grid,
    rates: CandidateRates,
    table: RateTable,
    channels: Vec<Channel>,
    /// What a passage along each channel exchanges, and where it leads.
    passage: Vec<Passage>,
    /// Scale of the Laplace law in position units, times `2^-shift`.
    scale: Vec<f64>,
    /// `sqrt(2 D)` in the same units.
    diffusion: Vec<f64>,
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Passage {
    to: u16,
    heat: f64,
    work: f64,
}

/// Columns of one block, on the stack.
struct Block {
    words: [u64; 2 * BLOCK],
    from: [Position; BLOCK],
    cell: [u32; BLOCK],
    channel: [u16; BLOCK],
    accepted: [bool; BLOCK],
    taken_channel: [u16; BLOCK],
    taken_position: [Position; BLOCK],
    taken_cell: [u32; BLOCK],
    taken_heat: [f64; BLOCK],
    taken_work: [f64; BLOCK],
}

impl Exact {
    /// Prepares exact legs for `model`, with tables on the cells of `grid`.
    ///
    /// # Errors
    /// [`KernelError`] if a rate has no finite bound or breaks it.
    pub fn new(model: &Model, grid: &Grid) -> Result<Self, KernelError> {
        let rates = CandidateRates::new(model, grid)?;
        Self::with_rates(model, grid, rates)
    }

    /// The same with given candidate rates, which must not lie below the exit rates anywhere.
    ///
    /// # Errors
    /// As [`Exact::new`].
    pub fn with_rates(model: &Model, grid: &Grid, rates: CandidateRates) -> Result<Self, KernelError> {
        let table = RateTable::new(model, grid, &rates)?;
        let states = model.network.states();
        let length = model.domain.length;
        let legs: Vec<f64> =
            states.iter().zip(&rates.state).map(|(s, k)| libm::sqrt(s.diffusivity / k) / length).collect();
        // Displacements are rounded to whole units of 2^shift by adding 1.5 * 2^52; the longest possible
        // one, 37 times the longest scale, must stay below 2^51 of these units.
        let longest = legs.iter().copied().fold(0.0, f64::max) * 37.0;
        let shift = (12 + libm::ceil(libm::log2(longest)) as i32).clamp(0, 62) as u32;
        let per_length = libm::exp2(f64::from(63 - shift as i32));
        Ok(Exact {
            scale: legs.iter().map(|l| l * per_length).collect(),
            diffusion: states.iter().map(|s| libm::sqrt(2.0 * s.diffusivity) / length * per_length).collect(),
            channels: model.network.channels().collect(),
            passage: model
                .network
                .channels()
                .map(|c| Passage { to: c.to as u16, heat: model.heat(c), work: model.work(c) })
                .collect(),
            model: model.clone(),
            grid: *grid,
            rates,
            table,
            shift,
        })
    }

    /// Candidate rates in use.
    pub fn rates(&self) -> &CandidateRates {
        &self.rates
    }

    /// A displacement in units of `2^shift` as a step on the circle.
    #[inline]
    fn units(&self, displacement: f64) -> u64 {
        const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: the sum's last bit is one
        (displacement + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) << self.shift
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
            let row = self.table.rows[usize::from(c) * cells + cell as usize];
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
            let row = self.table.rows[usize::from(channel[i]) * cells + cell[i] as usize];
            let u = (word >> 26) as u32;
            if u.wrapping_sub(row.low) >= row.gap {
                continue;
            }
            let c = self.channels[usize::from(channel[i])];
            let x = position[i].fraction() * self.model.domain.length;
            let rate = self.model.rate(c, x);
            let scaled = rate / self.rates.channel[c.index] * 4_294_967_296.0;
            let (low, high) = (f64::from(row.low), f64::from(row.low) + f64::from(row.gap));
            // Negated, so that a rate that is not a number is a violation too.
            if !(low <= scaled && scaled <= high) {
                let unit = self.rates.channel[c.index] / 4_294_967_296.0;
                return Err(KernelError::BoundViolated {
                    channel: channel_name(&self.model, c),
                    x,
                    rate,
                    low: low * unit,
                    high: high * unit,
                });
            }
            // All 58 remaining bits of the word, in the same units.
            accepted[i] = ((word & ((1 << 58) - 1)) as f64) < scaled * 67_108_864.0;
        }
        Ok(())
    }

    /// Carries out the decisions: changes states and scores the block.
    #[inline]
    fn finish<T: Tally>(&self, block: &mut Block, position: &[Position], state: &mut [u16], tally: &mut T) {
        let n = state.len();
        tally.moves(&Moves {
            visits: true,
            state,
            from: &block.from[..n],
            to: position,
            cell: &block.cell[..n],
        });
        // Write every entry and keep the accepted ones: whether a candidate is accepted cannot be
        // predicted, and a branch here would cost more than everything else.
        let mut taken = 0;
        for i in 0..n {
            block.taken_channel[taken] = block.channel[i];
            block.taken_position[taken] = position[i];
            block.taken_cell[taken] = block.cell[i];
            // The "no channel" entry is never accepted; it may name any passage.
            let passage = self.passage.get(usize::from(block.channel[i])).copied().unwrap_or(Passage {
                to: state[i],
                heat: 0.0,
                work: 0.0,
            });
            block.taken_heat[taken] = passage.heat;
            block.taken_work[taken] = passage.work;
            state[i] = if block.accepted[i] { passage.to } else { state[i] };
            taken += usize::from(block.accepted[i]);
        }
        if taken > 0 {
            tally.transitions(&Transitions {
                channel: &block.taken_channel[..taken],
                position: &block.taken_position[..taken],
                cell: &block.taken_cell[..taken],
                heat: &block.taken_heat[..taken],
                work: &block.taken_work[..taken],
            });
        }
    }

    fn untimed<T: Tally>(
        &self,
        walkers: &mut Walkers,
        legs: u64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let cells = self.grid.cells();
        let mut block = Block::new();
        for (position, state) in walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK)) {
            let n = state.len();
            for _ in 0..legs {
                stream.fill(&mut block.words[..2 * n]);
                let (moves, decisions) = block.words[..2 * n].split_at(n);
                for (((&word, position), &state), (from, cell)) in moves
                    .iter()
                    .zip(position.iter_mut())
                    .zip(state.iter())
                    .zip(block.from.iter_mut().zip(&mut block.cell))
                {
                    // The lowest bit, which the exponential leaves unused, becomes the sign.
                    let length = exponential(word) * self.scale[usize::from(state)];
                    let displacement = f64::from_bits(length.to_bits() ^ (word << 63));
                    *from = *position;
                    *position = position.displaced(self.units(displacement));
                    *cell = position.cell(cells) as u32;
                }
                self.decide(
                    decisions,
                    state,
                    position,
                    &block.cell[..n],
                    &mut block.channel[..n],
                    &mut block.accepted[..n],
                )?;
                self.finish(&mut block, position, state, tally);
            }
        }
        Ok(())
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
        let mut decisions = [0u64; BLOCK];
        let (mut position, mut state) = ([Position::default(); BLOCK], [0u16; BLOCK]);
        for (chunk_position, chunk_state) in
            walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK))
        {
            // Walkers whose time is up leave the block; the rest close the ranks.
            let mut active = chunk_state.len();
            let mut walker: [usize; BLOCK] = std::array::from_fn(|i| i);
            let mut remaining = [duration; BLOCK];
            while active > 0 {
                let mut going = 0;
                let mut ended = 0;
                let mut cut_state = [0u16; BLOCK];
                let mut cut_from = [Position::default(); BLOCK];
                let mut cut_to = [Position::default(); BLOCK];
                let mut cut_cell = [0u32; BLOCK];
                for i in 0..active {
                    let w = walker[i];
                    let (time_word, move_word, decision) = (stream.word(), stream.word(), stream.word());
                    let s = usize::from(chunk_state[w]);
                    let time = exponential(time_word) / self.rates.state[s];
                    let cut = time >= remaining[i];
                    let elapsed = if cut { remaining[i] } else { time };
                    let displacement = self.diffusion[s] * libm::sqrt(elapsed) * standard_normal(move_word);
                    let from = chunk_position[w];
                    // A Gaussian over a long time may exceed the range of the rounding trick; the
                    // circle is periodic, so whole turns may be dropped first.
                    let to = from.displaced(self.units(self.wrapped(displacement)));
                    chunk_position[w] = to;
                    let cell = to.cell(cells) as u32;
                    if cut {
                        (cut_state[ended], cut_from[ended], cut_to[ended], cut_cell[ended]) =
                            (chunk_state[w], from, to, cell);
                        ended += 1;
                    } else {
                        walker[going] = w;
                        remaining[going] = remaining[i] - time;
                        block.from[going] = from;
                        position[going] = to;
                        block.cell[going] = cell;
                        state[going] = chunk_state[w];
                        decisions[going] = decision;
                        going += 1;
                    }
                }
                if ended > 0 {
                    tally.moves(&Moves {
                        visits: false,
                        state: &cut_state[..ended],
                        from: &cut_from[..ended],
                        to: &cut_to[..ended],
                        cell: &cut_cell[..ended],
                    });
                }
                self.decide(
                    &decisions[..going],
                    &state[..going],
                    &position[..going],
                    &block.cell[..going],
                    &mut block.channel[..going],
                    &mut block.accepted[..going],
                )?;
                self.finish(&mut block, &position[..going], &mut state[..going], tally);
                for i in 0..going {
                    chunk_state[walker[i]] = state[i];
                }
                active = going;
            }
        }
        Ok(())
    }

    /// A displacement less whole turns of the circle, within the range of [`Exact::units`].
    #[inline]
    fn wrapped(&self, displacement: f64) -> f64 {
        let turn = libm::exp2(f64::from(64 - self.shift as i32));
        if displacement.abs() < 0.5 * turn {
            displacement
        } else {
            displacement - turn * libm::round(displacement / turn)
        }
    }
}

impl Block {
    fn new() -> Self {
        Block {
            words: [0; 2 * BLOCK],
            from: [Position::default(); BLOCK],
            cell: [0; BLOCK],
            channel: [0; BLOCK],
            accepted: [false; BLOCK],
            taken_channel: [0; BLOCK],
            taken_position: [Position::default(); BLOCK],
            taken_cell: [0; BLOCK],
            taken_heat: [0.0; BLOCK],
            taken_work: [0.0; BLOCK],
        }
    }
}

impl Kernel for Exact {
    fn states(&self) -> usize {
        self.scale.len()
    }

    fn dwell(&self, state: usize) -> f64 {
        1.0 / self.rates.state[state]
    }

    fn leg_length(&self, state: usize) -> Option<f64> {
        Some(libm::sqrt(self.model.network.states()[state].diffusivity / self.rates.state[state]))
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
            Span::Duration(duration) => self.timed(walkers, duration, stream, tally),
        }
    }
}
