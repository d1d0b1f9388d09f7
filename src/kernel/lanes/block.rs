//! The loops over 64 walkers, compiled for several instruction sets.
//!
//! One simple loop per stage over columns of 32-bit numbers, no fused multiplication: that is what compilers turn
//! into vectors, with the same bits for any width. A look-up in a table is a loop of its own, one walker after the
//! other, because gathers cost more than they save; the counters of the leg before are raised in it, and between its
//! parts vectors make the deviates of the next leg, which costs little there.

use super::super::{BLOCK, KernelError};
use super::normal::{normals, pairs};
use super::places::Guide;
use super::ring::{self, Laps, turn};
use crate::event::Position;
use crate::rng::{ROW, WordLanes};
use multiversion::multiversion;

/// Legs for which words are made at once.
pub(super) const CHUNK: usize = 4;

/// Walkers that are looked up before vectors have their turn, where both can be done at the same time.
const PART: usize = 16;

/// Bits of a choice that pick a slot; the others are compared with a threshold.
pub(super) const SLOT_BITS: u32 = 6;
pub(super) const CHOICE_BITS: u32 = 32 - SLOT_BITS;

/// Most states, and most rows of thresholds: what fits into a [`slot`].
pub(super) const MOST_STATES: usize = 64;
pub(super) const MOST_ROWS: usize = 64;

/// Slots of all states that there may be.
pub(super) const SLOTS: usize = MOST_STATES << SLOT_BITS;

/// Entries and keys below this are looked up by 16 bits: nobody asks whether an index lies within a table of this length.
pub(super) const NARROW: usize = 1 << 16;

/// Which instructions may be used. The bits of all results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Those of every processor of its kind: SSE2 on x86-64.
    Common,
    /// At most AVX2.
    Avx2,
    /// At most AVX-512.
    Avx512,
}

/// What never changes.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// Number of cells, below `2^15`.
    pub cells: u32,
    /// Scale of a leg in each state over the length of the domain, as bits.
    pub scale: Vec<u32>,
    /// Two states with one row each, numbered like them, that leads to the other.
    pub two: bool,
    /// Of 64 slots of each state what the candidate is for, see [`slot`]; as long as [`SLOTS`].
    pub slots: Vec<u32>,
    /// Of steps, beside each slot the scale of the state that it leads to, which a slot has no room for; as long.
    pub targets: Vec<u32>,
    /// Per (row, cell): above the lowest six bits the lower bound of the acceptance probability in units of
    /// `2^-26`, in them the width of what is undecided, in units of `2^gap`. As long as [`NARROW`] unless keys are wide.
    pub accept: Vec<u32>,
    /// Entries in use.
    pub entries: usize,
    /// Whether keys have more than 16 bits, or are treated so: then tables are no longer than what is in use, which pays where
    /// they are made for few legs.
    pub wide: bool,
    pub gap: u32,
    /// A choice from here on, in units of `2^-26`, asks for more than a transition.
    pub top: u32,
    /// Where positions are in a natural scale: how to find their cells.
    pub guide: Option<Guide>,
    /// Whether heat and work of passages depend on x.
    pub exchange: bool,
    /// Whether these are steps: transitions come first, then a normal displacement. Else legs: a displacement, then a
    /// transition.
    pub steps: bool,
    /// Whether the domain is a ring.
    pub ring: bool,
}

impl Tables {
    /// The place of a position.
    pub fn enter(&self, position: Position) -> u32 {
        let cells = self.cells as usize;
        if self.ring { position.round(cells) } else { position.coarse(cells) }
    }

    /// The position of a place. There and back again, nothing changes.
    pub fn leave(&self, place: u32) -> Position {
        if self.ring { Position::from_round(place) } else { Position::from_coarse(place) }
    }

    /// The cell of a place.
    pub fn cell(&self, place: u32) -> u32 {
        if self.ring { ring::cell(place, self.cells) } else { cell(folded(place), self.cells) }
    }

    /// How many counters there must be: one for each key, and one for those who are not there.
    pub fn counters(&self) -> usize {
        if self.wide { 2 * self.entries + 1 } else { NARROW }
    }
}

/// A slot: scale of the state that a transition leads to, row of thresholds, that state.
pub(super) fn slot(scale: u32, row: usize, to: usize) -> u32 {
    debug_assert!(row < MOST_ROWS && to < MOST_STATES && scale & SCALE == scale);
    scale << 1 | (row as u32) << 6 | to as u32
}

/// The state that a slot leads to.
pub(super) fn leads_to(slot: u32) -> usize {
    slot as usize % MOST_STATES
}

/// The bits that a scale may have: no sign and 13 digits.
pub(super) const SCALE: u32 = 0x7fff_f800;

/// Columns of 64 walkers; where several legs are kept, the first is the one before.
///
/// Every column begins where a line of the cache does, so that no vector lies in two: hence the order of the fields.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Block {
    /// Places on the circle of `2^32` units: the unfolded domain between walls, or the ring.
    pub position: [u32; BLOCK],
    pub state: [[u32; BLOCK]; CHUNK + 1],
    pub scale: [[u32; BLOCK]; CHUNK + 1],
    /// Twice the entry in `accept` used, plus one if a transition was made.
    pub key: [[u32; BLOCK]; CHUNK + 1],
    /// Words that move, words that choose, and what is made of the former; those of the leg after as well.
    pub moves: [[u8; ROW]; CHUNK + 1],
    pub choices: [[u8; ROW]; CHUNK + 1],
    pub signed: [[f32; BLOCK]; CHUNK + 1],
    pub index: [u32; BLOCK],
    pub chosen: [u32; BLOCK],
    pub target: [u32; BLOCK],
    pub entry: [u32; BLOCK],
    pub threshold: [u32; BLOCK],
    /// How many walkers are real.
    pub walkers: usize,
    /// On a ring, how often they have gone round.
    pub laps: Laps,
}

impl Block {
    pub fn new() -> Self {
        Block {
            walkers: 0,
            laps: Laps::none(),
            position: [0; BLOCK],
            state: [[0; BLOCK]; CHUNK + 1],
            scale: [[0; BLOCK]; CHUNK + 1],
            key: [[0; BLOCK]; CHUNK + 1],
            moves: [[0; ROW]; CHUNK + 1],
            choices: [[0; ROW]; CHUNK + 1],
            signed: [[0.0; BLOCK]; CHUNK + 1],
            index: [0; BLOCK],
            chosen: [0; BLOCK],
            target: [0; BLOCK],
            entry: [0; BLOCK],
            threshold: [0; BLOCK],
        }
    }

    /// For every walker whether the threshold just looked up leaves its transition open, and whether its choice lies
    /// at the top.
    pub fn open(&self, leg: usize, tables: &Tables) -> [[u32; BLOCK]; 2] {
        let mut open = [[0; BLOCK]; 2];
        let [within, beyond] = &mut open;
        let words = self.choices[leg].as_chunks::<4>().0;
        for (i, word) in words.iter().enumerate() {
            let u = u32::from_le_bytes(*word) & ((1 << CHOICE_BITS) - 1);
            let threshold = self.threshold[i];
            within[i] = u32::from(u.wrapping_sub(threshold >> 6) < (threshold & 63) << (tables.gap & 31));
            beyond[i] = u32::from(u >= tables.top);
        }
        open
    }

    /// The bits of a choice that are compared with a threshold.
    pub fn uniform(&self, leg: usize, i: usize) -> u32 {
        let word = self.choices[leg].as_chunks::<4>().0[i];
        u32::from_le_bytes(word) & ((1 << CHOICE_BITS) - 1)
    }
}

/// A column for the stack: the entry of a leg, above it the key of the one before, where they have 16 bits.
///
/// With it compilers align the stack, where they keep vectors that registers have no room for.
#[repr(align(64))]
pub(super) struct Both(pub [u32; BLOCK]);

/// What happens too seldom for the lanes.
pub(super) trait Rare {
    /// Settles what the thresholds of a leg leave undecided: states, scales and keys after it.
    ///
    /// # Errors
    /// [`KernelError::BoundViolated`].
    fn decide(&mut self, block: &mut Block, leg: usize) -> Result<(), KernelError>;

    /// Books heat and work of the transitions of a leg.
    fn exchange(&mut self, block: &Block, leg: usize);
}

/// A polynomial of degree 7, terms in pairs: half as many operations wait for each other as in Horner's scheme.
#[inline(always)]
pub(super) fn polynomial(c: &[f32; 8], t: f32) -> f32 {
    let square = t * t;
    let low = (c[0] + c[1] * t) + (c[2] + c[3] * t) * square;
    let high = (c[4] + c[5] * t) + (c[6] + c[7] * t) * square;
    low + high * (square * square)
}

/// An exponential deviate with a random sign from one word: `-ln(|w|/2^31)` for the odd numbers `w` between `±2^31`.
///
/// The exponent of the float is a whole number of halvings, its digits go through a polynomial (near-minimax,
/// `ln` on `[1, 2)` to 2e-7). Values end at 21.5; the moments are tested.
#[inline(always)]
pub(super) fn signed_exponential(word: u32) -> f32 {
    const LN: [f32; 8] = [
        0.405_465_3,
        0.666_665_73,
        -0.222_245_4,
        0.098_804_89,
        -0.048_928_99,
        0.025_862_215,
        -0.017_414_194,
        0.010_484_1,
    ];
    let bits = ((word | 1) as i32 as f32).to_bits();
    let halvings = 158 - (bits >> 23 & 0xff) as i32;
    let t = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.5;
    let ln = polynomial(&LN, t);
    let e = halvings as f32 * std::f32::consts::LN_2 - ln;
    f32::from_bits(e.to_bits() ^ bits & 0x8000_0000)
}

/// A displacement below 4096 lengths of the domain in units of `2^-31` of it, on the circle: rounded once, to the
/// nearest.
///
/// Added to the first constant, a float keeps multiples of `2^-10`; the rest is exact and, added to the second, is
/// rounded to units. Both sums hold their integers in their lower bits.
#[inline(always)]
pub(super) fn units(displacement: f32) -> u32 {
    const HIGH: f32 = 12_288.0; // 1.5 * 2^13
    const LOW: f32 = 0.005_859_375; // 1.5 * 2^-8
    let high = displacement + HIGH;
    let low = (displacement - (high - HIGH)) + LOW;
    (high.to_bits() << 21).wrapping_add(low.to_bits()).wrapping_sub(LOW.to_bits())
}

/// Distance from the left wall in units, below `2^31`.
#[inline(always)]
pub(super) fn folded(position: u32) -> u32 {
    position ^ (position as i32 >> 31) as u32
}

/// `folded * cells / 2^31`, rounded down, in 32 bits; for `cells < 2^15`.
#[inline(always)]
pub(super) fn cell(folded: u32, cells: u32) -> u32 {
    let (high, low) = (folded >> 15, folded & 0x7fff);
    (high * cells + ((low * cells) >> 15)) >> 16
}

/// What the loops need besides columns.
#[derive(Clone, Copy)]
pub(super) struct Law {
    /// Of two states: scale of the first, and what changes it into that of the second.
    first: u32,
    change: u32,
    cells: u32,
    gap: u32,
    top: u32,
}

impl Law {
    pub fn of(tables: &Tables) -> Self {
        let scale = |s: usize| tables.scale.get(s).copied().unwrap_or_default();
        Law {
            first: scale(0),
            change: scale(0) ^ scale(1),
            cells: tables.cells & 0x7fff,
            gap: tables.gap & 31,
            top: tables.top,
        }
    }

    #[cfg(test)]
    pub fn of_cells(cells: u32) -> Self {
        Law { first: 0, change: 0, cells, gap: 0, top: 0 }
    }

    /// Of two states the scale, from all ones in the second.
    #[inline(always)]
    pub fn scale_of(self, second: u32) -> f32 {
        f32::from_bits(self.first ^ self.change & second)
    }

    /// The first entry of the row of thresholds of a state and its slot.
    #[inline(always)]
    pub fn row<const TWO: bool>(self, state: u32, chosen: u32) -> u32 {
        // All ones in the second of two states.
        if TWO { self.cells & state.wrapping_neg() } else { (chosen >> 6 & 63) * self.cells }
    }
}

/// Deviates of everybody, of a step or a leg.
#[inline(always)]
fn deviates<const STEPS: bool>(moves: &[u8; ROW], deviates: &mut [f32; BLOCK]) {
    if STEPS { normals(moves, deviates) } else { exponentials(moves, deviates) }
}

#[inline(always)]
fn exponentials(moves: &[u8], signed: &mut [f32]) {
    for (signed, word) in signed.iter_mut().zip(moves.as_chunks::<4>().0) {
        *signed = signed_exponential(u32::from_le_bytes(*word));
    }
}

/// The key of those who are not there, the last without a transition.
pub(super) fn nobody(counters: &[u32]) -> u32 {
    (counters.len() as u32 - 1) & !1
}

/// A table of what belongs to slots.
pub(super) fn padded(entries: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut table: Vec<u32> = entries.collect();
    table.resize(SLOTS, 0);
    table
}

/// Slots in a table of the length that they may number.
pub(super) fn dealt(table: &[u32]) -> &[u32; SLOTS] {
    table.first_chunk().expect("a table of all slots")
}

fn narrow(table: &[u32]) -> &[u32; NARROW] {
    table.first_chunk().expect("a table of all entries of 16 bits")
}

fn narrow_mut(counters: &mut [u32]) -> &mut [u32; NARROW] {
    counters.first_chunk_mut().expect("counters of all keys of 16 bits")
}

/// Which slot each candidate has.
#[inline(always)]
pub(super) fn pick(state: &[u32; BLOCK], choices: &[u8; ROW], index: &mut [u32; BLOCK]) {
    for (i, word) in choices.as_chunks::<4>().0.iter().enumerate() {
        index[i] = state[i] << SLOT_BITS | u32::from_le_bytes(*word) >> CHOICE_BITS;
    }
}

/// Deals slots, and moves everybody meanwhile.
#[inline(always)]
fn deal_and_move(
    index: &[u32; BLOCK],
    slots: &[u32; SLOTS],
    chosen: &mut [u32; BLOCK],
    (scale, signed): (&[u32; BLOCK], &[f32; BLOCK]),
    position: &mut [u32; BLOCK],
) {
    let dealt = index.as_chunks::<PART>().0.iter().zip(chosen.as_chunks_mut::<PART>().0);
    let ways = scale.as_chunks::<PART>().0.iter().zip(signed.as_chunks::<PART>().0);
    let places = position.as_chunks_mut::<PART>().0;
    for (((index, chosen), (scale, signed)), position) in dealt.zip(ways).zip(places) {
        for (index, chosen) in index.iter().zip(chosen) {
            *chosen = slots[*index as usize % SLOTS];
        }
        for i in 0..PART {
            position[i] = position[i].wrapping_add(units(signed[i] * f32::from_bits(scale[i])));
        }
    }
}

/// Deals slots, and the scales or durations of the states that candidates lead to, which need more digits than a slot has.
#[inline(always)]
pub(super) fn deal_both(
    index: &[u32; BLOCK],
    (slots, others): (&[u32; SLOTS], &[u32; SLOTS]),
    chosen: &mut [u32; BLOCK],
    target: &mut [u32; BLOCK],
) {
    for i in 0..BLOCK {
        let index = index[i] as usize % SLOTS;
        (chosen[i], target[i]) = (slots[index], others[index]);
    }
}

/// Deals slots.
#[inline(always)]
fn deal(index: &[u32; BLOCK], slots: &[u32; SLOTS], chosen: &mut [u32; BLOCK]) {
    for i in 0..BLOCK {
        chosen[i] = slots[index[i] as usize % SLOTS];
    }
}

/// Moves everybody and finds the entry of its threshold; beside it, that with the key of the leg before.
#[inline(always)]
pub(super) fn advance<const TWO: bool>(
    law: Law,
    (state, scale, key): (&[u32; BLOCK], &[u32; BLOCK], &[u32; BLOCK]),
    signed: &[f32; BLOCK],
    chosen: &[u32; BLOCK],
    position: &mut [u32; BLOCK],
    [entry, both]: Pair<'_>,
) {
    for i in 0..BLOCK {
        // All ones in the second of two states.
        let second = state[i].wrapping_neg();
        let scale = f32::from_bits(if TWO { law.first ^ law.change & second } else { scale[i] });
        position[i] = position[i].wrapping_add(units(signed[i] * scale));
        entry[i] = law.row::<TWO>(state[i], chosen[i]) + cell(folded(position[i]), law.cells);
        both[i] = key[i] << 16 | entry[i];
    }
}

/// One column before and after a leg, or two side by side.
pub(super) type Pair<'a> = [&'a mut [u32; BLOCK]; 2];

/// The entry of everybody's threshold; beside it, that with the key of the leg before.
#[inline(always)]
pub(super) fn locate<const TWO: bool, const RING: bool>(
    law: Law,
    (state, key): (&[u32; BLOCK], &[u32; BLOCK]),
    chosen: &[u32; BLOCK],
    position: &[u32; BLOCK],
    [entry, both]: Pair<'_>,
) {
    for i in 0..BLOCK {
        let cell =
            if RING { ring::cell(position[i], law.cells) } else { cell(folded(position[i]), law.cells) };
        entry[i] = law.row::<TWO>(state[i], chosen[i]) + cell;
        both[i] = key[i] << 16 | entry[i];
    }
}

/// Entries and, above them, keys of the leg before, of 16 bits each.
#[inline(always)]
fn join(entry: &[u32; BLOCK], key: &[u32; BLOCK], both: &mut [u32; BLOCK]) {
    for i in 0..BLOCK {
        both[i] = key[i] << 16 | entry[i];
    }
}

/// Moves everybody.
#[inline(always)]
fn shift<const TWO: bool>(
    law: Law,
    state: &[u32; BLOCK],
    scale: &[u32; BLOCK],
    signed: &[f32; BLOCK],
    position: &mut [u32; BLOCK],
) {
    for i in 0..BLOCK {
        let second = state[i].wrapping_neg();
        let scale = f32::from_bits(if TWO { law.first ^ law.change & second } else { scale[i] });
        position[i] = position[i].wrapping_add(units(signed[i] * scale));
    }
}

/// Looks thresholds up and counts what happened one leg before.
#[inline(always)]
pub(super) fn look(
    entry: &[u32; BLOCK],
    accept: &[u32],
    threshold: &mut [u32; BLOCK],
    key: &[u32; BLOCK],
    counts: &mut [u32],
) {
    for i in 0..BLOCK {
        threshold[i] = accept[entry[i] as usize];
        counts[key[i] as usize] += 1;
    }
}

/// The same with 16 bits each, while deviates of the next leg are made: loads and stores keep one part of the processor busy,
/// arithmetic in vectors another.
#[inline(always)]
fn look_and_make<const STEPS: bool>(
    both: &[u32; BLOCK],
    accept: &[u32; NARROW],
    threshold: &mut [u32; BLOCK],
    counts: &mut [u32; NARROW],
    (moves, deviates): (&[u8; ROW], &mut [f32; BLOCK]),
) {
    let columns = both.as_chunks::<PART>().0.iter().zip(threshold.as_chunks_mut::<PART>().0);
    if !STEPS {
        let next = moves.as_chunks::<{ 4 * PART }>().0.iter().zip(deviates.as_chunks_mut::<PART>().0);
        for ((both, threshold), (moves, signed)) in columns.zip(next) {
            look_at(both, accept, threshold, counts);
            exponentials(moves, signed);
        }
        return;
    }
    let (radii, angles) = moves.split_at(ROW / 2);
    let (first, second) = deviates.split_at_mut(BLOCK / 2);
    for (part, (both, threshold)) in columns.enumerate() {
        look_at(both, accept, threshold, counts);
        // Two deviates from two words: in every second part.
        if part % 2 == 0 {
            let of = PART / 2 * part..PART / 2 * part + PART;
            let words = 4 * of.start..4 * of.end;
            pairs((&radii[words.clone()], &angles[words]), (&mut first[of.clone()], &mut second[of]));
        }
    }
}

#[inline(always)]
fn look_at(
    both: &[u32; PART],
    accept: &[u32; NARROW],
    threshold: &mut [u32; PART],
    counts: &mut [u32; NARROW],
) {
    for (both, threshold) in both.iter().zip(threshold) {
        *threshold = accept[*both as usize % NARROW];
        counts[(both >> 16) as usize] += 1;
    }
}

/// Entries, their thresholds, slots, and scales that go with slots.
pub(super) type Found<'a> = (&'a [u32; BLOCK], &'a [u32; BLOCK], &'a [u32; BLOCK], &'a [u32; BLOCK]);

/// Makes those transitions that the thresholds decide; whether any is left open.
#[inline(always)]
pub(super) fn decide<const TWO: bool, const STEPS: bool>(
    law: Law,
    choices: &[u8; ROW],
    (entry, threshold, chosen, target): Found<'_>,
    [state, state_after]: Pair<'_>,
    [scale, scale_after]: Pair<'_>,
    key: &mut [u32; BLOCK],
) -> bool {
    let mut open = 0;
    for (i, word) in choices.as_chunks::<4>().0.iter().enumerate() {
        let u = u32::from_le_bytes(*word) & ((1 << CHOICE_BITS) - 1);
        let low = threshold[i] >> 6;
        let high = low + ((threshold[i] & 63) << law.gap);
        // Signs of differences: numbers are below 2^28.
        let taken = u.wrapping_sub(low) >> 31;
        open |= taken ^ u.wrapping_sub(high) >> 31 | law.top.wrapping_sub(1 + u) >> 31;
        if TWO {
            state_after[i] = state[i] ^ taken;
        } else {
            let all = taken.wrapping_neg();
            state_after[i] = state[i] ^ (state[i] ^ chosen[i] & 63) & all;
            let target = if STEPS { target[i] } else { chosen[i] >> 1 & SCALE };
            scale_after[i] = scale[i] ^ (scale[i] ^ target) & all;
        }
        key[i] = entry[i] << 1 | taken;
    }
    open != 0
}

#[inline(always)]
fn legs<const TWO: bool, const STEPS: bool, const NATURAL: bool, const WIDE: bool, const RING: bool>(
    tables: &Tables,
    block: &mut Block,
    mut left: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    let law = Law::of(tables);
    let (slots, targets) = (dealt(&tables.slots), dealt(&tables.targets));
    let nobody = nobody(counts);
    let mut both = Both([0; BLOCK]);
    block.key[0].fill(nobody);
    if left > 0 {
        words.fill(&mut block.moves[0]);
        words.fill(&mut block.choices[0]);
        deviates::<STEPS>(&block.moves[0], &mut block.signed[0]);
    }
    while left > 0 {
        let chunk = left.min(CHUNK as u64) as usize;
        let ahead = (left - 1).min(CHUNK as u64) as usize;
        words.fill_pairs(&mut block.moves[1..=ahead], &mut block.choices[1..=ahead]);
        for leg in 0..chunk {
            let choices = &block.choices[leg];
            let [state, state_after, ..] = &mut block.state[leg..] else { unreachable!() };
            let [scale, scale_after, ..] = &mut block.scale[leg..] else { unreachable!() };
            let [key, key_after, ..] = &mut block.key[leg..] else { unreachable!() };
            let (position, entries) = (&mut block.position, [&mut block.entry, &mut both.0]);
            let (chosen, signed) = (&mut block.chosen, &block.signed[leg]);
            if !TWO {
                pick(state, choices, &mut block.index);
                if STEPS {
                    deal_both(&block.index, (slots, targets), chosen, &mut block.target);
                } else if RING {
                    deal(&block.index, slots, chosen);
                } else {
                    deal_and_move(&block.index, slots, chosen, (scale, signed), position);
                }
            }
            if let (true, false, Some(laps)) = (RING, STEPS, block.laps.lanes()) {
                turn::<TWO>(law, (state, scale), signed, position, laps);
            }
            if let (true, Some(guide)) = (NATURAL, &tables.guide) {
                if TWO {
                    shift::<TWO>(law, state, scale, signed, position);
                }
                let [entry, both] = entries;
                guide.part(position, entry);
                guide.look(entry, &mut block.threshold);
                guide.find::<TWO>(law, state, chosen, position, &block.threshold, entry);
                join(entry, key, both);
            } else if TWO && !STEPS && !RING {
                advance::<TWO>(law, (state, scale, key), signed, chosen, position, entries);
            } else {
                locate::<TWO, RING>(law, (state, key), chosen, position, entries);
            }
            let next = (&block.moves[leg + 1], &mut block.signed[leg + 1]);
            if WIDE {
                look(&block.entry, &tables.accept, &mut block.threshold, key, counts);
                deviates::<STEPS>(next.0, next.1);
            } else {
                let (accept, counts) = (narrow(&tables.accept), narrow_mut(counts));
                look_and_make::<STEPS>(&both.0, accept, &mut block.threshold, counts, next);
            }
            let found = (&block.entry, &block.threshold, &*chosen, &block.target);
            let pairs = ([state, state_after], [scale, scale_after]);
            let open = decide::<TWO, STEPS>(law, choices, found, pairs.0, pairs.1, key_after);
            key_after[block.walkers..].fill(nobody);
            if open {
                rare.decide(block, leg)?;
            }
            if tables.exchange {
                rare.exchange(block, leg);
            }
            if STEPS {
                let (state, scale) = (&block.state[leg + 1], &block.scale[leg + 1]);
                let (signed, position) = (&block.signed[leg], &mut block.position);
                match block.laps.lanes() {
                    Some(laps) if RING => turn::<TWO>(law, (state, scale), signed, position, laps),
                    _ => shift::<TWO>(law, state, scale, signed, position),
                }
            }
        }
        block.state[0] = block.state[chunk];
        block.scale[0] = block.scale[chunk];
        block.key[0] = block.key[chunk];
        block.choices[0] = block.choices[chunk];
        block.signed[0] = block.signed[chunk];
        left -= chunk as u64;
    }
    for &key in &block.key[0] {
        counts[key as usize] += 1;
    }
    Ok(())
}

/// Advances a block by so many legs or steps and counts keys, those of [`nobody`] for nothing.
pub(super) fn go(
    most: Instructions,
    tables: &Tables,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    match most {
        Instructions::Common => any(tables, block, left, words, counts, rare),
        Instructions::Avx2 => avx2(tables, block, left, words, counts, rare),
        Instructions::Avx512 => avx512(tables, block, left, words, counts, rare),
    }
}

#[inline(always)]
fn any(
    tables: &Tables,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    let natural = tables.guide.is_some();
    if tables.ring {
        return match (tables.two, tables.steps) {
            (true, false) => {
                legs::<true, false, false, false, true>(tables, block, left, words, counts, rare)
            }
            (true, true) => legs::<true, true, false, false, true>(tables, block, left, words, counts, rare),
            (false, false) => {
                legs::<false, false, false, false, true>(tables, block, left, words, counts, rare)
            }
            (false, true) => {
                legs::<false, true, false, false, true>(tables, block, left, words, counts, rare)
            }
        };
    }
    match (tables.two, tables.steps, natural, tables.wide) {
        (true, false, false, false) => {
            legs::<true, false, false, false, false>(tables, block, left, words, counts, rare)
        }
        (true, false, false, true) => {
            legs::<true, false, false, true, false>(tables, block, left, words, counts, rare)
        }
        (true, false, true, _) => {
            legs::<true, false, true, false, false>(tables, block, left, words, counts, rare)
        }
        (true, true, ..) => legs::<true, true, false, false, false>(tables, block, left, words, counts, rare),
        (false, false, false, false) => {
            legs::<false, false, false, false, false>(tables, block, left, words, counts, rare)
        }
        (false, false, true, false) => {
            legs::<false, false, true, false, false>(tables, block, left, words, counts, rare)
        }
        (false, true, _, false) => {
            legs::<false, true, false, false, false>(tables, block, left, words, counts, rare)
        }
        (false, false, false, true) => {
            legs::<false, false, false, true, false>(tables, block, left, words, counts, rare)
        }
        (false, false, true, true) => {
            legs::<false, false, true, true, false>(tables, block, left, words, counts, rare)
        }
        (false, true, _, true) => {
            legs::<false, true, false, true, false>(tables, block, left, words, counts, rare)
        }
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn avx2(
    tables: &Tables,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    any(tables, block, left, words, counts, rare)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt",
))]
fn avx512(
    tables: &Tables,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    any(tables, block, left, words, counts, rare)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part of all words, every 4001st, beginning somewhere.
    fn words() -> impl Iterator<Item = u32> {
        (1234..=u32::MAX).step_by(4001)
    }

    /// What the deviate of a word would be without rounding.
    fn ideal(word: u32) -> f64 {
        let w = f64::from((word | 1) as i32);
        -libm::log(w.abs() / 2_147_483_648.0) * w.signum()
    }

    #[test]
    fn exponentials_have_their_moments() {
        // Differences from the ideal deviates of the same words: their mean has no noise of sampling but that of
        // roundings, 1e-7 over the root of a million.
        let mut off = [0.0f64; 4];
        let mut largest = 0.0f64;
        for word in words() {
            let (e, ideal) = (f64::from(signed_exponential(word)), ideal(word));
            largest = largest.max((e - ideal).abs());
            for (p, off) in (1..).zip(&mut off) {
                *off += (e.abs().powi(p) - ideal.abs().powi(p)) / libm::tgamma(f64::from(p) + 1.0);
            }
        }
        let n = words().count() as f64;
        assert!(largest < 2e-6, "{largest:e}");
        assert!(off.iter().all(|off| (off / n).abs() < 3e-8), "{off:?} / {n}");
        // The ideal deviates of all words are the middles of equal parts: the rule of the middle misses, in the mean of
        // E^p/p!, at most the tail beyond 21.5, which is below exp(-21.5) sum_j 21.5^j/j!, j < p.
        let tail = |p: i32| -> f64 {
            (0..p).map(|j| 21.5f64.powi(j) / libm::tgamma(f64::from(j) + 1.0)).sum::<f64>() * libm::exp(-21.5)
        };
        assert!(tail(1) < 5e-10 && tail(2) < 1.1e-8, "{:e} {:e}", tail(1), tail(2));
    }

    #[test]
    fn signs_are_even() {
        assert_eq!(
            words().filter(|w| signed_exponential(*w) < 0.0).count(),
            words().filter(|w| *w > 1 << 31).count()
        );
        for word in [0, 1, 2, 77, 0x7fff_ffff, 0x1234_5678] {
            assert_eq!(signed_exponential(word), -signed_exponential((word | 1).wrapping_neg()), "{word}");
        }
        assert!((signed_exponential(0) - 21.487_563).abs() < 1e-5);
    }

    #[test]
    fn legs_multiply_every_mode_as_they_should() {
        // A leg turns the mean of cos(n pi x) into that over 1 + (n pi l)^2, whatever the walls: law, scale and rounding
        // to the lattice at once. Differences from the ideal leg of the same word.
        for l in [0.003f64, 0.07, 0.5, 4.0, 64.0] {
            let scale = f32::from_bits((l as f32).to_bits() & SCALE);
            for n in [1.0, 2.0, 7.0, 30.0] {
                let q = n * std::f64::consts::PI;
                let (mut off, mut ideally) = (0.0, 0.0);
                for word in words() {
                    let moved = units(signed_exponential(word) * scale);
                    let x = f64::from(moved as i32) / 2_147_483_648.0;
                    let ideal = libm::cos(q * f64::from(scale) * ideal(word));
                    off += libm::cos(q * x) - ideal;
                    ideally += ideal;
                }
                let n_words = words().count() as f64;
                let expected = 1.0 / (1.0 + (q * f64::from(scale)).powi(2));
                assert!((ideally / n_words - expected).abs() < 1e-4, "l = {l}, n = {n}");
                // What matters is the part that a leg forgets, 1 less the factor.
                let relative = off / n_words / (1.0 - expected);
                let limit = if q * l < 6.0 { 5e-8 } else { 1e-6 };
                assert!(relative.abs() < limit, "l = {l}, n = {n}: {relative:e}");
            }
        }
    }

    #[test]
    fn units_are_the_nearest() {
        let mut worst = 0.0f64;
        for word in words().step_by(10) {
            for scale in [1e-6f32, 0.01, 3.0, 190.0] {
                let d = signed_exponential(word) * scale;
                let exact = f64::from(d) * 2_147_483_648.0;
                let found = f64::from(units(d) as i32);
                // On the circle.
                let off = exact - found;
                let off = off - 4_294_967_296.0 * libm::round(off / 4_294_967_296.0);
                worst = worst.max(off.abs());
            }
        }
        assert!(worst <= 0.5, "{worst}");
    }

    /// Leaves open what is left open, and counts it.
    struct No(u64);

    impl Rare for No {
        fn decide(&mut self, block: &mut Block, leg: usize) -> Result<(), KernelError> {
            self.0 += block.state[leg + 1].iter().map(|s| u64::from(*s)).sum::<u64>();
            Ok(())
        }

        fn exchange(&mut self, _: &Block, _: usize) {}
    }

    /// Three states, nine rows of seven cells.
    fn three(steps: bool) -> Tables {
        let scale: Vec<u32> = [0.01f32, 0.4, 0.07].iter().map(|s| s.to_bits() & SCALE).collect();
        let to = |k: usize| (k / 64 + k % 3) % 3;
        let packed = |to: usize| if steps { 0 } else { scale[to] };
        let slots = (0..192).map(|k| slot(packed(to(k)), 3 * (k / 64) + k % 3, to(k)));
        let mut accept: Vec<u32> = (0..63).map(|k| (k * 1_000_000) << 6 | 9).collect();
        accept.resize(NARROW, 0);
        Tables {
            cells: 7,
            two: false,
            slots: padded(slots),
            targets: padded((0..192).map(|k| scale[to(k)])),
            accept,
            entries: 63,
            wide: false,
            gap: 12,
            top: 1 << CHOICE_BITS,
            guide: None,
            exchange: false,
            steps,
            ring: false,
            scale,
        }
    }

    /// Walkers, counters and what was open after some legs or steps.
    fn gone<const STEPS: bool, const WIDE: bool>(walkers: usize) -> (Block, Vec<u32>, u64) {
        let tables = three(STEPS);
        let mut word = 0u64;
        let mut words = WordLanes::seeded(|| {
            word += 1;
            word
        });
        let (mut block, mut counts, mut rare) = (Block::new(), vec![0; tables.counters()], No(0));
        block.walkers = walkers;
        for i in 0..BLOCK {
            block.state[0][i] = i as u32 % 3;
            (block.position[i], block.scale[0][i]) =
                ((i as u32).wrapping_mul(77_777_777), tables.scale[i % 3]);
        }
        // Pieces of all lengths: no word is drawn for a leg that does not come.
        for left in [1, 4, 3, 9, 100] {
            legs::<false, STEPS, false, WIDE, false>(
                &tables,
                &mut block,
                left,
                &mut words,
                &mut counts,
                &mut rare,
            )
            .expect("no bounds");
        }
        (block, counts, rare.0)
    }

    #[test]
    fn wide_keys_make_no_difference() {
        fn compare<const STEPS: bool>() {
            for walkers in [BLOCK, 37] {
                let ((a, counts, open), (b, wide, as_open)) =
                    (gone::<STEPS, false>(walkers), gone::<STEPS, true>(walkers));
                assert_eq!((a.position, a.state[0], a.scale[0]), (b.position, b.state[0], b.scale[0]));
                assert_eq!((&counts, open), (&wide, as_open));
                let legs = counts[..126].iter().map(|n| u64::from(*n)).sum::<u64>();
                assert_eq!(legs, 117 * walkers as u64);
                assert!(counts[..126].iter().filter(|n| **n > 0).count() > 100 && open > 0);
            }
        }
        compare::<false>();
        compare::<true>();
    }

    #[test]
    fn cells_are_the_floor() {
        for cells in [1u32, 7, 1024, 1050, 32_767] {
            for k in 0..cells {
                let face = (u64::from(k) << 31).div_ceil(u64::from(cells)) as u32;
                assert_eq!(cell(face, cells), k);
                assert_eq!(cell(face.saturating_sub(1), cells), k.saturating_sub(u32::from(face > 0)));
            }
            assert_eq!(cell(0x7fff_ffff, cells), cells - 1);
        }
    }
}
