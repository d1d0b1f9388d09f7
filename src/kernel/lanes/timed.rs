//! Timed legs: the loop over 64 walkers each of which has its own time left.
//!
//! A leg is that of [`legs`](super::block) with two more words: it takes the time `E/(D K)`, `E` exponential, and goes
//! `sqrt(2 E/K)` times a normal deviate far, which is Laplace distributed like an untimed leg. What is left of a span
//! goes from 1 to 0, one float a walker; a leg for which it is not enough is taken back, the part for which it is
//! follows, scaled by the root of the share (a normal deviate stays one), and no candidate comes.
//!
//! What is left is rounded in every leg, to multiples of `h = 2^-24` at most, and what is subtracted adds up exactly: time
//! is neither lost nor won, and it is the law of durations that is rounded. The mean of an exponential law of mean `w`
//! on a lattice of step `h` is `w (h/2w)/sinh(h/2w)`, smaller than `w` by `(h/w)^2/24` of itself. So spans are cut in
//! pieces of [`PIECE`] mean durations, which costs nothing but a leg cut in two: candidates have no memory.

use super::super::{BLOCK, KernelError};
use super::block::{
    Block, Both, CHUNK, Instructions, Law, Rare, Tables, advance, deal_both, dealt, decide, leads_to, locate,
    look, nobody, padded, pick, units,
};
use super::normal::diffused;
use super::ring::{self, turn};
use crate::event::Walkers;
use crate::rng::{ROW, WordLanes};
use multiversion::multiversion;

/// Longest piece of a span, in mean durations of the legs of the fastest state: their lattice makes their mean smaller by
/// `(2^-11)^2/24 = 1e-8` of itself.
const PIECE: f64 = 8192.0;

/// Where legs of the slowest state last longer than this many of the fastest, pieces hold too few of them.
const MOST_UNEVEN: f64 = PIECE / 16.0;

/// Whether states are even enough for pieces to serve all of them.
pub(super) fn even(waits: &[f64]) -> bool {
    let (fastest, slowest) = waits.iter().fold((f64::INFINITY, 0.0f64), |(a, b), w| (a.min(*w), b.max(*w)));
    slowest <= MOST_UNEVEN * fastest
}

/// A span for all walkers of a group.
pub(super) struct Timed<'a> {
    /// Mean duration of a leg in each state, in pieces of the span, as bits.
    waits: Vec<u32>,
    /// Of 64 slots of each state that of the state that the slot leads to.
    targets: Vec<u32>,
    columns: Box<Columns>,
    walkers: &'a mut Walkers,
    /// How many walkers have begun.
    begun: usize,
    pieces: u64,
    /// Who is in each lane, and for how many pieces after the present one.
    lanes: [(usize, u64); BLOCK],
}

/// Columns of 64 walkers beside those of [`Block`]; where several legs are kept, the first is the one before.
#[repr(C, align(64))]
struct Columns {
    /// Words that say when.
    when: [[u8; ROW]; CHUNK],
    /// Durations over their means.
    spent: [[f32; BLOCK]; CHUNK],
    /// Mean durations, as bits.
    wait: [[u32; BLOCK]; CHUNK + 1],
    /// What is left of the piece; infinite for those who are not there.
    left: [[f32; BLOCK]; CHUNK + 1],
}

impl<'a> Timed<'a> {
    /// All walkers, of whom the first enter the lanes; legs in each state have these mean durations.
    pub fn new(
        tables: &Tables,
        waits: &[f64],
        duration: f64,
        walkers: &'a mut Walkers,
        block: &mut Block,
    ) -> Self {
        let fastest = waits.iter().copied().fold(f64::INFINITY, f64::min);
        let pieces = libm::ceil(duration / (PIECE * fastest)).max(1.0);
        // A duration that is infinite in these units need not be so infinite that zero times it is no number.
        let wait = |w: &f64| ((w * pieces / duration) as f32).min(f32::MAX).to_bits();
        let waits: Vec<u32> = waits.iter().map(wait).collect();
        let columns = Columns {
            when: [[0; ROW]; CHUNK],
            spent: [[0.0; BLOCK]; CHUNK],
            wait: [[0; BLOCK]; CHUNK + 1],
            left: [[f32::INFINITY; BLOCK]; CHUNK + 1],
        };
        let mut timed = Timed {
            targets: padded(tables.slots.iter().take(64 * waits.len()).map(|slot| waits[leads_to(*slot)])),
            waits,
            columns: Box::new(columns),
            begun: 0,
            pieces: pieces as u64,
            lanes: [(0, 0); BLOCK],
            walkers,
        };
        block.walkers = 0;
        while block.walkers < BLOCK && timed.next(tables, block, 0, block.walkers) {
            block.walkers += 1;
        }
        timed
    }

    /// Puts the next walker into a lane before a leg; whether there is one.
    fn next(&mut self, tables: &Tables, block: &mut Block, leg: usize, lane: usize) -> bool {
        let Some(position) = self.walkers.position.get(self.begun) else { return false };
        let (place, state) = (tables.enter(*position), self.walkers.state[self.begun]);
        self.lanes[lane] = (self.begun, self.pieces - 1);
        self.begun += 1;
        self.enter(tables, block, leg, lane, (place, u32::from(state)));
        true
    }

    /// Begins a piece.
    fn enter(
        &mut self,
        tables: &Tables,
        block: &mut Block,
        leg: usize,
        lane: usize,
        (place, state): (u32, u32),
    ) {
        block.position[lane] = place;
        block.state[leg][lane] = state;
        block.scale[leg][lane] = tables.scale[state as usize];
        self.columns.wait[leg][lane] = self.waits[state as usize];
        self.columns.left[leg][lane] = 1.0;
    }

    /// Ends the leg of those for whom there was not enough time left, where they then are. Their lanes go on with the
    /// next piece or the next walker; if there is none, the last lane takes their place.
    #[cold]
    #[inline(never)]
    fn end(&mut self, tables: &Tables, block: &mut Block, leg: usize, nobody: u32) {
        for lane in (0..block.walkers).rev() {
            if self.columns.left[leg + 1][lane] >= 0.0 {
                continue;
            }
            let state = block.state[leg][lane];
            let whole = block.signed[leg][lane] * f32::from_bits(tables.scale[state as usize]);
            let time = self.columns.spent[leg][lane] * f32::from_bits(self.waits[state as usize]);
            let part = whole * (self.columns.left[leg][lane] / time).sqrt();
            let to = if tables.ring {
                let there = block.position[lane];
                let from = there.wrapping_sub(ring::to(0, whole));
                let to = ring::to(from, part);
                let laps = ring::laps(from, part, to) - ring::laps(from, whole, there);
                block.laps.add(state, lane, laps);
                to
            } else {
                block.position[lane].wrapping_sub(units(whole)).wrapping_add(units(part))
            };
            block.key[leg + 1][lane] = nobody;
            let (walker, pieces) = self.lanes[lane];
            if pieces > 0 {
                self.lanes[lane].1 = pieces - 1;
                self.enter(tables, block, leg + 1, lane, (to, state));
                continue;
            }
            self.walkers.position[walker] = tables.leave(to);
            let laps = &mut self.walkers.laps[walker];
            *laps = laps.wrapping_add(block.laps.leave(lane));
            self.walkers.state[walker] = state as u16;
            if !self.next(tables, block, leg + 1, lane) {
                self.close(block, leg + 1, lane, nobody);
            }
        }
    }

    /// Closes a lane: the last one takes its place.
    fn close(&mut self, block: &mut Block, leg: usize, lane: usize, nobody: u32) {
        block.walkers -= 1;
        let last = block.walkers;
        let Columns { wait, left, .. } = &mut *self.columns;
        block.position[lane] = block.position[last];
        block.state[leg][lane] = block.state[leg][last];
        block.scale[leg][lane] = block.scale[leg][last];
        block.key[leg][lane] = block.key[leg][last];
        block.laps.carry(last, lane);
        wait[leg][lane] = wait[leg][last];
        left[leg][lane] = left[leg][last];
        self.lanes[lane] = self.lanes[last];
        block.key[leg][last] = nobody;
        left[leg][last] = f32::INFINITY;
    }
}

/// Takes the time of a leg from what is left; whether there was not enough for somebody.
#[inline(always)]
fn spend<const TWO: bool>(
    [first, change]: [u32; 2],
    state: &[u32; BLOCK],
    wait: &[u32; BLOCK],
    spent: &[f32; BLOCK],
    left: &[f32; BLOCK],
    left_after: &mut [f32; BLOCK],
) -> bool {
    let mut over = 0;
    for i in 0..BLOCK {
        let wait = if TWO { first ^ change & state[i].wrapping_neg() } else { wait[i] };
        left_after[i] = left[i] - spent[i] * f32::from_bits(wait);
        over |= left_after[i].to_bits() >> 31;
    }
    over != 0
}

/// Mean durations after transitions.
#[inline(always)]
fn follow(key: &[u32; BLOCK], target: &[u32; BLOCK], wait: &[u32; BLOCK], wait_after: &mut [u32; BLOCK]) {
    for i in 0..BLOCK {
        wait_after[i] = wait[i] ^ (wait[i] ^ target[i]) & (key[i] & 1).wrapping_neg();
    }
}

#[inline(always)]
fn legs<const TWO: bool, const RING: bool>(
    tables: &Tables,
    block: &mut Block,
    timed: &mut Timed<'_>,
    mut room: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    let law = Law::of(tables);
    let wait = |s: usize| timed.waits.get(s).copied().unwrap_or_default();
    let two = [wait(0), wait(0) ^ wait(1)];
    let nobody = nobody(counts);
    let mut both = Both([0; BLOCK]);
    block.key[0].fill(nobody);
    while room > 0 && block.walkers > 0 {
        let chunk = room.min(CHUNK as u64) as usize;
        let columns = &mut *timed.columns;
        let moves = &mut block.moves[..chunk];
        words.fill_triples([&mut columns.when[..chunk], moves, &mut block.choices[..chunk]]);
        for leg in 0..chunk {
            let (when, moves) = (&columns.when[leg], &block.moves[leg]);
            diffused(when, moves, &mut columns.spent[leg], &mut block.signed[leg]);
        }
        for leg in 0..chunk {
            let choices = &block.choices[leg];
            let [state, state_after, ..] = &mut block.state[leg..] else { unreachable!() };
            let [scale, scale_after, ..] = &mut block.scale[leg..] else { unreachable!() };
            let [key, key_after, ..] = &mut block.key[leg..] else { unreachable!() };
            let columns = &mut *timed.columns;
            let [wait, wait_after, ..] = &mut columns.wait[leg..] else { unreachable!() };
            let [left, left_after, ..] = &mut columns.left[leg..] else { unreachable!() };
            if !TWO {
                pick(state, choices, &mut block.index);
                let (chosen, target) = (&mut block.chosen, &mut block.target);
                let tables = (dealt(&tables.slots), dealt(&timed.targets));
                deal_both(&block.index, tables, chosen, target);
            }
            let (position, entries) = (&mut block.position, [&mut block.entry, &mut both.0]);
            let (signed, chosen) = (&block.signed[leg], &block.chosen);
            match block.laps.lanes() {
                Some(laps) if RING => {
                    turn::<TWO>(law, (state, scale), signed, position, laps);
                    locate::<TWO, true>(law, (state, key), chosen, position, entries);
                }
                _ => advance::<TWO>(law, (state, scale, key), signed, chosen, position, entries),
            }
            let over = spend::<TWO>(two, state, wait, &columns.spent[leg], left, left_after);
            look(&block.entry, &tables.accept, &mut block.threshold, key, counts);
            let found = (&block.entry, &block.threshold, &block.chosen, &block.target);
            let pairs = ([state, state_after], [scale, scale_after]);
            let open = decide::<TWO, false>(law, choices, found, pairs.0, pairs.1, key_after);
            if !TWO {
                follow(key_after, &block.target, wait, wait_after);
            }
            key_after[block.walkers..].fill(nobody);
            if open {
                rare.decide(block, leg)?;
                let after = block.state[leg + 1].iter().zip(&mut timed.columns.wait[leg + 1]);
                after.for_each(|(state, wait)| *wait = timed.waits[*state as usize]);
            }
            if over {
                timed.end(tables, block, leg, nobody);
            }
            if tables.exchange {
                rare.exchange(block, leg);
            }
        }
        block.state[0] = block.state[chunk];
        block.scale[0] = block.scale[chunk];
        block.key[0] = block.key[chunk];
        timed.columns.wait[0] = timed.columns.wait[chunk];
        timed.columns.left[0] = timed.columns.left[chunk];
        room -= chunk as u64;
    }
    for &key in &block.key[0] {
        counts[key as usize] += 1;
    }
    Ok(())
}

/// Advances walkers until their time is up, or by so many legs, and counts keys, those of [`nobody`] for nothing.
pub(super) fn go(
    most: Instructions,
    tables: &Tables,
    (block, timed): (&mut Block, &mut Timed<'_>),
    room: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    match most {
        Instructions::Common => any(tables, block, timed, room, words, counts, rare),
        Instructions::Avx2 => avx2(tables, block, timed, room, words, counts, rare),
        Instructions::Avx512 => avx512(tables, block, timed, room, words, counts, rare),
    }
}

#[inline(always)]
fn any(
    tables: &Tables,
    block: &mut Block,
    timed: &mut Timed<'_>,
    room: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    match (tables.two, tables.ring) {
        (true, false) => legs::<true, false>(tables, block, timed, room, words, counts, rare),
        (false, false) => legs::<false, false>(tables, block, timed, room, words, counts, rare),
        (true, true) => legs::<true, true>(tables, block, timed, room, words, counts, rare),
        (false, true) => legs::<false, true>(tables, block, timed, room, words, counts, rare),
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn avx2(
    tables: &Tables,
    block: &mut Block,
    timed: &mut Timed<'_>,
    room: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    any(tables, block, timed, room, words, counts, rare)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt",
))]
fn avx512(
    tables: &Tables,
    block: &mut Block,
    timed: &mut Timed<'_>,
    room: u64,
    words: &mut WordLanes,
    counts: &mut [u32],
    rare: &mut dyn Rare,
) -> Result<(), KernelError> {
    any(tables, block, timed, room, words, counts, rare)
}

#[cfg(test)]
mod tests {
    use super::super::block::{CHOICE_BITS, SCALE, signed_exponential, slot};
    use super::ring::Laps;
    use super::*;
    use crate::event::Position;
    use crate::rng::{Purpose, stream};

    /// Mean of what a leg takes from all of a piece, over the mean that it should have: over all words.
    ///
    /// What is taken grows with the deviate, so that a bisection tells how many words take a multiple of the lattice or more.
    fn mean_taken(wait: f32) -> f64 {
        let taken = |w: u32| {
            let spent = signed_exponential(w).abs();
            let mut left = [0.0; BLOCK];
            let (state, bits) = ([0; BLOCK], [wait.to_bits(); BLOCK]);
            assert!(!spend::<false>([0, 0], &state, &bits, &[spent; BLOCK], &[1.0; BLOCK], &mut left));
            1.0 - f64::from(left[0])
        };
        let lattice = f64::from(f32::EPSILON) / 2.0;
        let most = (taken(1) / lattice) as u64;
        assert!(most < 1 << 23, "the lattice must not change on the way");
        let reach = |multiple: u64| {
            // The number of odd words below 2^31 that take so much or more: the small ones.
            let (mut low, mut high) = (0u32, 1 << 30);
            while low < high {
                let middle = low + (high - low) / 2;
                if taken(2 * middle + 1) >= (multiple as f64 - 0.5) * lattice {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            f64::from(low) / 1_073_741_824.0
        };
        (1..=most).map(reach).sum::<f64>() * lattice / f64::from(wait)
    }

    #[test]
    fn the_lattice_of_times_is_fine_enough() {
        // The fastest legs, of the longest piece: the lattice makes their mean 1e-8 of itself too small, the exponential
        // 7e-9. Legs that are eight times as fast show the law of the lattice.
        let fastest = (1.0 / PIECE) as f32;
        let off = mean_taken(fastest) - 1.0;
        assert!(off.abs() < 2.5e-8, "{off:e}");
        let finer = mean_taken(fastest / 8.0) - 1.0;
        let expected = -(8.0 * PIECE * f64::from(f32::EPSILON) / 2.0).powi(2) / 24.0;
        assert!((finer / expected - 1.0).abs() < 0.05, "{finer:e} {expected:e}");
    }

    #[test]
    fn what_is_taken_is_what_is_left_over() {
        // Time is neither won nor lost: with legs of any duration the differences add up to the piece, exactly.
        let mut word = 1u32;
        for wait in [1.0 / PIECE as f32, 1e-3, 0.3] {
            let (mut left, mut taken) = ([1.0f32; BLOCK], 0.0f64);
            loop {
                word = word.wrapping_mul(0x9e37_79b9).wrapping_add(0x6a09_e667);
                let spent = [signed_exponential(word).abs(); BLOCK];
                let mut after = [0.0; BLOCK];
                if spend::<true>([wait.to_bits(), 0], &[0; BLOCK], &[0; BLOCK], &spent, &left, &mut after) {
                    break;
                }
                taken += f64::from(left[0]) - f64::from(after[0]);
                left = after;
            }
            assert_eq!(taken + f64::from(left[0]), 1.0);
        }
    }

    /// Makes every transition that is left open.
    struct Yes(u64);

    impl Rare for Yes {
        fn decide(&mut self, block: &mut Block, leg: usize) -> Result<(), KernelError> {
            for lane in 0..block.walkers {
                let (slot, uniform, threshold) =
                    (block.chosen[lane], block.uniform(leg, lane), block.threshold[lane]);
                if (threshold >> 6..(threshold >> 6) + ((threshold & 63) << 18)).contains(&uniform) {
                    block.key[leg + 1][lane] |= 1;
                    block.state[leg + 1][lane] = leads_to(slot) as u32;
                    block.scale[leg + 1][lane] = slot >> 1 & SCALE;
                    self.0 += 1;
                }
            }
            Ok(())
        }

        fn exchange(&mut self, _: &Block, _: usize) {}
    }

    /// Three states in a circle, one cell, a quarter of all transitions left open.
    fn circle() -> Tables {
        let scale: Vec<u32> = [0.01f32, 0.02, 0.07].iter().map(|s| s.to_bits() & SCALE).collect();
        let slots = (0..192).map(|k| slot(scale[(k / 64 + 1) % 3], k / 64, (k / 64 + 1) % 3));
        Tables {
            cells: 1,
            two: false,
            slots: padded(slots),
            targets: padded([].into_iter()),
            accept: vec![20_000_000 << 6 | 63; 3],
            entries: 3,
            wide: true,
            gap: 18,
            top: 1 << CHOICE_BITS,
            guide: None,
            exchange: false,
            steps: false,
            ring: false,
            scale,
        }
    }

    #[test]
    fn clocks_follow_states() {
        // Each lane has the scale and the clock of its state, after every few legs and whoever came and went, until all have gone.
        let tables = circle();
        let n = 150;
        let mut walkers =
            Walkers::new(vec![Position::from_fraction(0.3); n], (0..n as u16).map(|k| k % 3).collect());
        let mut random = stream(1, Purpose::Advance, 0);
        let (words, _) = random.lanes();
        let (mut block, mut rare, mut counts) = (Block::new(), Yes(0), [0; 7]);
        let mut timed = Timed::new(&tables, &[0.1, 0.3, 0.02], 5.0, &mut walkers, &mut block);
        let (mut widest, mut ends) = (BLOCK, 0);
        while block.walkers > 0 {
            go(Instructions::Avx512, &tables, (&mut block, &mut timed), 3, words, &mut counts, &mut rare)
                .expect("no bounds");
            let columns = &timed.columns;
            for lane in 0..block.walkers {
                let state = block.state[0][lane] as usize;
                assert_eq!(columns.wait[0][lane], timed.waits[state]);
                assert_eq!(block.scale[0][lane], tables.scale[state]);
                assert!((0.0..=1.0).contains(&columns.left[0][lane]));
            }
            assert!(columns.left[0][block.walkers..].iter().all(|left| *left == f32::INFINITY));
            ends += u32::from(block.walkers < widest);
            widest = block.walkers;
        }
        assert!(ends > 5 && rare.0 > 1000 && timed.begun == n);
        // Everybody moved, and every candidate was counted once: in all a Poisson number, 8 % of which would be seen.
        assert!(walkers.position.iter().all(|x| *x != Position::from_fraction(0.3)));
        let mean = n as f64 * 5.0 * 3.0 / (0.1 + 0.3 + 0.02);
        let counted = f64::from(counts[..6].iter().sum::<u32>());
        assert!((counted / mean - 1.0).abs() < 0.08, "{counted} {mean}");
    }

    #[test]
    fn laps_stay_with_their_walker() {
        // Who takes the place of one that has gone takes laps in all states along.
        let tables = Tables { ring: true, ..circle() };
        let mut walkers = Walkers::new(vec![Position::from_fraction(0.3); 3], vec![0, 1, 2]);
        let mut block = Block::new();
        block.laps = Laps::new(3);
        let mut timed = Timed::new(&tables, &[0.1, 0.3, 0.02], 5.0, &mut walkers, &mut block);
        block.laps.add(1, 2, 5);
        block.laps.add(2, 2, -3);
        timed.close(&mut block, 0, 0, 6);
        assert_eq!((block.walkers, block.state[0][0]), (2, 2));
        assert_eq!(block.laps.leave(0), 2);
        assert_eq!(block.laps.states, [0, 5, -3]);
    }

    #[test]
    fn spans_are_cut_into_pieces() {
        // None is longer than it may be, few are much shorter, and all of them are the span.
        let tables = circle();
        for duration in [1e-6, 100.0, 163.0, 164.0, 1000.0, 1e9] {
            let waits = [0.1, 0.3, 0.02];
            let mut walkers = Walkers::new(vec![Position::from_fraction(0.3); 3], vec![0; 3]);
            let timed = Timed::new(&tables, &waits, duration, &mut walkers, &mut Block::new());
            let fastest = f64::from(f32::from_bits(timed.waits[2]));
            assert!(fastest * PIECE > 1.0 - 1e-7, "{duration}");
            assert!(timed.pieces == 1 || fastest * PIECE < 2.0, "{duration}");
            for (wait, bits) in waits.iter().zip(&timed.waits) {
                let span = timed.pieces as f64 * wait / f64::from(f32::from_bits(*bits));
                assert!((span / duration - 1.0).abs() < 6e-8, "{duration}");
            }
            assert!(timed.lanes[..3].iter().all(|(_, pieces)| pieces + 1 == timed.pieces));
        }
    }

    #[test]
    fn uneven_states_are_left_to_others() {
        assert!(even(&[0.3]) && even(&[1.0, 500.0]) && even(&[2.0, 1.0, 3.0]));
        assert!(!even(&[1.0, 600.0]) && !even(&[600.0, 2.0, 1.0]));
    }
}
