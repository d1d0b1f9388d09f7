//! Generators side by side, for kernels that work in vector lanes.

use super::mix;
use serde::{Deserialize, Serialize};

/// Generators in a row.
const WIDTH: usize = 32;

/// Bytes of one word from each.
pub(crate) const ROW: usize = 8 * WIDTH;

/// Independent generators xoshiro256++ that step together; plain data like a stream.
///
/// Their words are the same whatever the processor: rows of little-endian bytes, the first generator first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[repr(align(64))]
pub(crate) struct WordLanes {
    /// The four words of state, generator by generator.
    state: [[u64; WIDTH]; 4],
}

impl WordLanes {
    /// Generators with states hashed from these words, of which there must be four for each.
    pub fn seeded(mut word: impl FnMut() -> u64) -> Self {
        let mut state = [[0; WIDTH]; 4];
        for words in &mut state {
            words.fill_with(|| mix(word()));
        }
        WordLanes { state }
    }

    /// The next word of every generator.
    ///
    /// Many lanes held in memory: that is what compilers turn into vectors of any width.
    #[inline(always)]
    pub fn fill(&mut self, row: &mut [u8; ROW]) {
        next(&mut self.state, row);
    }

    /// The same for a row of the first, one of the second, and so on in turns: generators stay in registers meanwhile.
    #[inline(always)]
    pub fn fill_pairs(&mut self, first: &mut [[u8; ROW]], second: &mut [[u8; ROW]]) {
        for (first, second) in first.iter_mut().zip(second) {
            next(&mut self.state, first);
            next(&mut self.state, second);
        }
    }

    /// The same for rows of three.
    #[inline(always)]
    pub fn fill_triples(&mut self, [first, second, third]: [&mut [[u8; ROW]]; 3]) {
        for ((first, second), third) in first.iter_mut().zip(second).zip(third) {
            next(&mut self.state, first);
            next(&mut self.state, second);
            next(&mut self.state, third);
        }
    }
}

/// Two references that compilers know to be apart: they keep the generators in registers only then.
#[inline(always)]
fn next(state: &mut [[u64; WIDTH]; 4], row: &mut [u8; ROW]) {
    let [s0, s1, s2, s3] = state;
    for (i, bytes) in row.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let word = s0[i].wrapping_add(s3[i]).rotate_left(23).wrapping_add(s0[i]);
        *bytes = word.to_le_bytes();
        let t = s1[i] << 17;
        s2[i] ^= s0[i];
        s3[i] ^= s1[i];
        s1[i] ^= s2[i];
        s0[i] ^= s3[i];
        s2[i] ^= t;
        s3[i] = s3[i].rotate_left(45);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng as _;

    #[test]
    fn every_lane_is_the_generator_of_the_crate() {
        let mut seeds = stream(1, Purpose::Advance, 0);
        let mut lanes = WordLanes::seeded(|| seeds.word());
        let mut alone: Vec<Xoshiro256PlusPlus> = (0..WIDTH)
            .map(|i| {
                let mut seed = [0; 32];
                for (bytes, words) in seed.chunks_exact_mut(8).zip(&lanes.state) {
                    bytes.copy_from_slice(&words[i].to_le_bytes());
                }
                Xoshiro256PlusPlus::from_seed(seed)
            })
            .collect();
        let mut row = [0; ROW];
        for _ in 0..1000 {
            lanes.fill(&mut row);
            for (bytes, alone) in row.as_chunks::<8>().0.iter().zip(&mut alone) {
                assert_eq!(u64::from_le_bytes(*bytes), alone.next_u64());
            }
        }
    }

    #[test]
    fn first_words_are_pinned() {
        let mut seeds = stream(1, Purpose::Advance, 0);
        let mut lanes = WordLanes::seeded(|| seeds.word());
        let mut row = [0; ROW];
        lanes.fill(&mut row);
        let words: Vec<u64> = row.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
        assert_eq!([words[0], words[1], words[31]], PINNED);
    }
    const PINNED: [u64; 3] = [5115696486876786126, 13503466901221354277, 10663443757261187439];
}
