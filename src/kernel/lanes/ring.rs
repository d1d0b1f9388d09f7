//! Places on a ring, and how often walkers pass `x = 0`.
//!
//! The circle is the ring itself: a place is a multiple of `2^-32 L`, and wrap-around of the integer goes round it. A
//! displacement is rounded to such units once. How often it passes `x = 0` upwards is `d + (from - to)`, all in lengths of
//! the ring, a whole number known to `2^-13` in floats: the nearest is it.

use super::super::BLOCK;
use super::block::{Law, SLOTS, units};

/// Longest scale of legs on a ring, in its lengths: 43 of them, the farthest a timed leg goes, must be less than the 2048 that
/// [`units`] holds.
pub(super) const LONGEST: f64 = 32.0;

/// `place * cells / 2^32`, rounded down, in 32 bits; for `cells < 2^15`.
#[inline(always)]
pub(super) fn cell(place: u32, cells: u32) -> u32 {
    let (high, low) = (place >> 16, place & 0xffff);
    (high * cells + ((low * cells) >> 16)) >> 16
}

/// The place after a displacement in lengths of the ring.
#[inline(always)]
pub(super) fn to(from: u32, displacement: f32) -> u32 {
    from.wrapping_add(units(displacement + displacement))
}

/// How often a displacement has passed `x = 0` upwards, less downwards.
#[inline(always)]
pub(super) fn laps(from: u32, displacement: f32, to: u32) -> i32 {
    const WHOLE: f32 = 12_582_912.0; // 1.5 * 2^23: the sum's last bit is one
    const UNIT: f32 = 1.0 / 2_147_483_648.0;
    let back = (from >> 1).wrapping_sub(to >> 1) as i32 as f32 * UNIT;
    (displacement + back + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()) as i32
}

/// Passages through `x = 0` upwards, less downwards.
#[derive(Clone, Debug)]
pub(super) struct Laps {
    /// Of the walkers in the lanes of a block, state by state; empty between walls.
    lanes: Vec<i32>,
    /// Of all others, state by state.
    pub states: Vec<i64>,
}

impl Laps {
    /// Between walls.
    pub fn none() -> Self {
        Laps { lanes: Vec::new(), states: Vec::new() }
    }

    /// On a ring, of walkers with so many states.
    pub fn new(states: usize) -> Self {
        Laps { lanes: vec![0; SLOTS], states: vec![0; states] }
    }

    /// Those of the lanes, if this is a ring.
    #[inline(always)]
    pub fn lanes(&mut self) -> Option<&mut [i32; SLOTS]> {
        self.lanes.first_chunk_mut()
    }

    /// Adds those of one walker.
    pub fn add(&mut self, state: u32, lane: usize, laps: i32) {
        if let Some(sum) = self.lanes.get_mut(state as usize * BLOCK + lane) {
            *sum = sum.wrapping_add(laps);
        }
    }

    /// Those of the walker who leaves a lane, in all states.
    pub fn leave(&mut self, lane: usize) -> i32 {
        let mut all = 0i32;
        for (sum, lanes) in self.states.iter_mut().zip(self.lanes.as_chunks_mut::<BLOCK>().0) {
            let laps = std::mem::take(&mut lanes[lane]);
            *sum += i64::from(laps);
            all = all.wrapping_add(laps);
        }
        all
    }

    /// The walker of one lane goes on in another.
    pub fn carry(&mut self, from: usize, to: usize) {
        for lanes in self.lanes.as_chunks_mut::<BLOCK>().0 {
            lanes[to] = lanes[from];
        }
    }
}

/// Moves everybody and counts laps.
#[inline(always)]
pub(super) fn turn<const TWO: bool>(
    law: Law,
    (state, scale): (&[u32; BLOCK], &[u32; BLOCK]),
    signed: &[f32; BLOCK],
    position: &mut [u32; BLOCK],
    sums: &mut [i32; SLOTS],
) {
    if TWO {
        let (first, rest) = sums.split_at_mut(BLOCK);
        for i in 0..BLOCK {
            // All ones in the second of two states.
            let second = state[i].wrapping_neg();
            let displacement = signed[i] * law.scale_of(second);
            let (from, to) = (position[i], to(position[i], displacement));
            let gone = laps(from, displacement, to);
            position[i] = to;
            first[i] = first[i].wrapping_add(gone & !second as i32);
            rest[i] = rest[i].wrapping_add(gone & second as i32);
        }
        return;
    }
    let mut gone = [0; BLOCK];
    for i in 0..BLOCK {
        let displacement = signed[i] * f32::from_bits(scale[i]);
        let (from, to) = (position[i], to(position[i], displacement));
        gone[i] = laps(from, displacement, to);
        position[i] = to;
    }
    for i in 0..BLOCK {
        let sum = &mut sums[(state[i] as usize * BLOCK + i) % SLOTS];
        *sum = sum.wrapping_add(gone[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::signed_exponential;
    use super::*;

    /// A part of all words, and places of which many are near `x = 0`.
    fn words() -> impl Iterator<Item = (u32, u32)> {
        (1234..=u32::MAX).step_by(40_009).map(|w| {
            let place = w.wrapping_mul(0x9e37_79b9);
            (w, if w % 3 == 0 { (place as i32 >> (w % 31)) as u32 } else { place })
        })
    }

    #[test]
    fn displacements_are_rounded_once_and_laps_are_whole() {
        // Where it comes to and how often it went round are the displacement, to half a unit; up to the farthest that a timed
        // leg goes, twice a scale times 21.5.
        let mut worst = 0.0f64;
        for (word, from) in words() {
            for scale in [4e-6f32, 0.01, 0.3, 1.0, 7.0, LONGEST as f32, 2.0 * LONGEST as f32] {
                let displacement = signed_exponential(word) * scale;
                let to = to(from, displacement);
                let units = f64::from(displacement) * 4_294_967_296.0;
                let gone =
                    i64::from(laps(from, displacement, to)) * (1 << 32) + i64::from(to) - i64::from(from);
                worst = worst.max((gone as f64 - units).abs());
            }
        }
        assert!(worst <= 0.5, "{worst}");
    }

    #[test]
    fn cells_are_the_floor() {
        for cells in [1u32, 7, 1024, 1050, 32_767] {
            for k in 0..cells {
                let face = (u64::from(k) << 32).div_ceil(u64::from(cells)) as u32;
                assert_eq!(cell(face, cells), k);
                assert_eq!(cell(face.saturating_sub(1), cells), k.saturating_sub(u32::from(face > 0)));
            }
            assert_eq!(cell(u32::MAX, cells), cells - 1);
        }
    }

    #[test]
    fn laps_belong_to_states_and_lanes() {
        let mut laps = Laps::new(3);
        for (state, lane, n) in [(0, 5, 2), (2, 5, -7), (2, 63, 4), (1, 63, 1)] {
            laps.add(state, lane, n);
        }
        assert_eq!((laps.leave(5), laps.states.clone()), (-5, vec![2, 0, -7]));
        laps.carry(63, 5);
        assert_eq!((laps.leave(5), laps.states.clone()), (5, vec![2, 1, -3]));
        assert_eq!(laps.leave(5), 0);
        let mut none = Laps::none();
        none.add(0, 5, 2);
        assert!(none.leave(5) == 0 && none.lanes().is_none());
    }
}
