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
    #[inline(always)]
    pub fn fill(&mut self, row: &mut [u8; ROW]) {
        self.fill_rows([row]);
    }

    /// As many next words of every generator as there are rows.
    ///
    /// A loop over lanes held in memory is what compilers turn into vectors of any width. States stay in registers from
    /// row to row: writing them back after every word would cost more than the words.
    #[inline(always)]
    pub fn fill_rows<const ROWS: usize>(&mut self, rows: [&mut [u8; ROW]; ROWS]) {
        let mut rows = rows.map(|row| row.as_chunks_mut::<8>().0);
        let [s0, s1, s2, s3] = &mut self.state;
        for i in 0..WIDTH {
            let (mut a, mut b, mut c, mut d) = (s0[i], s1[i], s2[i], s3[i]);
            for row in &mut rows {
                let word = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
                row[i] = word.to_le_bytes();
                let t = b << 17;
                c ^= a;
                d ^= b;
                b ^= c;
                a ^= d;
                c ^= t;
                d = d.rotate_left(45);
            }
            (s0[i], s1[i], s2[i], s3[i]) = (a, b, c, d);
        }
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
