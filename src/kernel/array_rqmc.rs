//! Array-RQMC: untimed exact legs whose walkers share the points of a net in place of independent words.
//!
//! The law of every walker is that of [`Exact`]; what differs is what the walkers of a group have to do with each
//! other (P. L'Ecuyer, C. Lécot and B. Tuffin, Oper. Res. 56, 958 (2008)). For every leg of all walkers of a group
//!
//! 1. walkers are put in order by state and, within a state, by x;
//! 2. a net of as many points is shifted anew ([`crate::rng::net`]), and walker `k` in order takes point `k`, whose first
//!    coordinate is `k/N`: places, displacements and decisions of all walkers together fill their cube evenly;
//! 3. every walker does its leg with the other coordinates as words.
//!
//! So a group stays close to what is expected of it, and its averages have errors that fall faster than `N^(-1/2)`
//! with the number of walkers. A group is one **randomisation**; errors come from groups, as ever.
//!
//! Evenness pays where outcomes are monotone in the coordinates. That of a move is turned into the word whose
//! displacement is the quantile of the Laplace law. That of a decision is spread over the slots of a channel so that all
//! words which are accepted are neighbours. Both maps are one to one on words, so that no law changes.
//!
//! **When not to use it:** with few walkers a group, where a leg costs more than it saves; where elapsed times
//! matter, of which untimed legs know nothing; where walkers must be independent of each other.

use super::bounds::SLOTS;
use super::exact::{Block, Exact};
use super::{BLOCK, Kernel, KernelError, LegLaw, Span};
use crate::event::{Position, Tally, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use crate::rng::Stream;
use crate::rng::net::{MOST_COORDINATES, Net};

/// The method `exact` with the sampling `array_rqmc`.
#[derive(Clone, Debug)]
pub struct ArrayRqmc {
    exact: Exact,
    /// Of every slot of every state: the first of those of its channel, and how many they are.
    runs: Vec<[(u64, u64); SLOTS]>,
}

impl ArrayRqmc {
    /// Prepares legs for `model`, with tables on the cells of `grid`.
    ///
    /// # Errors
    /// As [`Exact::new`].
    pub fn new(model: &Model, grid: &Grid) -> Result<Self, KernelError> {
        let exact = Exact::new(model, grid)?;
        let of = |slots: &[u16; SLOTS]| {
            let run = |slot: usize| {
                let same = |other: &u16| *other == slots[slot];
                let first = slots.iter().position(same).unwrap_or(slot);
                (first as u64, slots.iter().filter(|other| same(other)).count() as u64)
            };
            std::array::from_fn(run)
        };
        let runs = exact.rates().slots.iter().map(of).collect();
        Ok(ArrayRqmc { exact, runs })
    }

    /// The word of a decision in `state`: what of a coordinate goes beyond the first slot of a channel is dealt to its
    /// slots by turns, so that those which are accepted come first.
    #[inline]
    fn decision(&self, state: u16, coordinate: u64) -> u64 {
        const REST: u32 = u64::BITS - SLOTS.ilog2();
        let (first, count) = self.runs[usize::from(state)][(coordinate >> REST) as usize];
        let beyond = coordinate - (first << REST);
        ((first + beyond % count) << REST) | (beyond / count)
    }
}

/// The word of a move: its upper 63 bits make an exponential deviate, which falls with them, its lowest the sign.
#[inline]
fn stride(coordinate: u64) -> u64 {
    let upper = (coordinate as i64 >> 63) as u64;
    ((coordinate ^ upper) << 1) | (!coordinate >> 63)
}

/// Walkers of a group in order.
struct Order {
    /// Into how many parts the domain is divided for every state, as a power of two.
    parts: u32,
    /// Where the walkers of each part begin.
    begin: Vec<u32>,
    /// Their numbers.
    walker: Vec<u32>,
}

impl Order {
    /// For so many walkers in so many states; there are about as many parts as walkers.
    fn new(walkers: usize, states: usize) -> Self {
        let parts = (walkers / states.max(1)).max(1).ilog2();
        Order { parts, begin: vec![0; (states << parts) + 1], walker: vec![0; walkers] }
    }

    /// Puts walkers in order by part, and within one by number. To sort them by x there too gains nothing. The way
    /// back in x in every other state saves a jump from one state to the next.
    fn sort(&mut self, walkers: &Walkers) {
        let parts = self.parts;
        let part = |(position, state): (&Position, &u16)| {
            let back = (u64::from(state & 1)).wrapping_neg() >> 1;
            (usize::from(*state) << parts) + ((position.folded() ^ back) >> (63 - parts)) as usize
        };
        let both = || walkers.position.iter().zip(&walkers.state);
        self.begin.fill(0);
        both().for_each(|walker| self.begin[part(walker) + 1] += 1);
        let mut sum = 0;
        for begin in &mut self.begin {
            sum += *begin;
            *begin = sum;
        }
        for (walker, number) in both().zip(0..) {
            let place = &mut self.begin[part(walker)];
            self.walker[*place as usize] = number;
            *place += 1;
        }
    }
}

impl Kernel for ArrayRqmc {
    fn states(&self) -> usize {
        self.exact.states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.exact.dwell(state, cell)
    }

    fn leg_law(&self, state: usize) -> Option<LegLaw> {
        self.exact.leg_law(state)
    }

    fn together(&self) -> bool {
        true
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let Span::Legs(legs) = span else { return Err(KernelError::NoElapsedTime) };
        let (n, coordinates) = (walkers.len(), self.exact.words());
        let net = Net::new(n.next_power_of_two().ilog2(), coordinates);
        let mut order = Order::new(n, self.states());
        let mut block = Block::new();
        let (mut position, mut state, mut laps) = ([Position::default(); BLOCK], [0; BLOCK], [0; BLOCK]);
        for _ in 0..legs {
            order.sort(walkers);
            let mut shift = [0; MOST_COORDINATES];
            stream.fill(&mut shift[..coordinates]);
            for (first, numbers) in (0..n).step_by(BLOCK).zip(order.walker.chunks(BLOCK)) {
                let m = numbers.len();
                block.walker[..m].copy_from_slice(numbers);
                for (i, walker) in numbers.iter().map(|walker| *walker as usize).enumerate() {
                    // On the mirror half of the circle forwards is backwards.
                    position[i] = walkers.position[walker].lower();
                    state[i] = walkers.state[walker];
                    laps[i] = walkers.laps[walker];
                }
                let columns = block.words[..coordinates * m].chunks_mut(m);
                for ((coordinate, words), shift) in columns.enumerate().zip(shift) {
                    net.fill(coordinate, shift, first, words);
                }
                let (moves, rest) = block.words.split_at_mut(m);
                // With a drift a leg goes forward by one word and back by another, and needs no sign.
                if !self.exact.drifts() {
                    moves.iter_mut().for_each(|word| *word = stride(*word));
                }
                for (word, state) in rest.iter_mut().zip(&state[..m]) {
                    *word = self.decision(*state, *word);
                }
                self.exact.leg(&mut block, &mut position[..m], &mut state[..m], &mut laps[..m], tally)?;
                for (i, walker) in numbers.iter().map(|walker| *walker as usize).enumerate() {
                    walkers.position[walker] = position[i];
                    walkers.state[walker] = state[i];
                    walkers.laps[walker] = laps[i];
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{Boundary, Domain, Edge, Network, State};
    use std::collections::HashSet;
    use std::sync::Arc;

    fn kernel() -> ArrayRqmc {
        let states = [(1.0, 0.1), (0.5, 0.05), (0.0, 0.01)];
        let states = states.iter().enumerate().map(|(k, s)| State::new(k.to_string(), s.0, s.1)).collect();
        let edges =
            vec![Edge::new([0, 1], 3.0, 1.5), Edge::new([1, 2], 1.0, 1.2), Edge::new([0, 2], 0.4, 1.6)];
        let model = Model {
            domain: Domain { length: 1.0, walls: Boundary::Reflecting },
            temperature: Arc::new(Expression::parse("1 + x", &["x"], &[]).unwrap()),
            boltzmann: 1.0,
            potential: None,
            network: Network::new(states, edges).unwrap(),
            coordinates: None,
            mixture: None,
        };
        ArrayRqmc::new(&model, &Grid::new(1.0, 10)).unwrap()
    }

    /// Words near the ends of slots and halves, and others from a stream.
    fn coordinates() -> impl Iterator<Item = u64> {
        let edges = (0..=64u64).flat_map(|k| (0..8).map(move |d| (k << 58).wrapping_add(d).wrapping_sub(4)));
        let mut random = crate::rng::stream(1, crate::rng::Purpose::Start, 0);
        edges.chain((0..20_000).map(move |_| random.word())).collect::<HashSet<u64>>().into_iter()
    }

    #[test]
    fn displacements_grow_with_the_coordinate() {
        let mut sorted: Vec<u64> = coordinates().collect();
        sorted.sort_unstable();
        let signed = |word: u64| f64::from_bits(crate::rng::exponential(word).to_bits() ^ (word << 63));
        let strides: Vec<f64> = sorted.iter().map(|c| signed(stride(*c))).collect();
        assert!(strides.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(strides[0] < -30.0 && strides[strides.len() - 1] > 30.0);
        // One to one: a coordinate can be read off its word.
        let back = |word: u64| if word & 1 == 1 { word >> 1 } else { !(word >> 1) };
        assert!(sorted.iter().all(|c| back(stride(*c)) == *c));
    }

    #[test]
    fn accepted_decisions_are_neighbours_and_every_word_is_one() {
        let kernel = kernel();
        let slots = &kernel.exact.rates().slots;
        for state in 0..3u16 {
            let of = |word: u64| slots[usize::from(state)][(word >> 58) as usize];
            let mut last: Option<(u16, u64)> = None;
            let mut sorted: Vec<u64> = coordinates().collect();
            sorted.sort_unstable();
            for coordinate in sorted {
                let word = kernel.decision(state, coordinate);
                let (channel, uniform) = (of(word), word & ((1 << 58) - 1));
                assert_eq!(channel, of(coordinate), "channels keep their shares");
                // Within a channel the part of a word that is compared grows.
                assert!(last.is_none_or(|(before, least)| before != channel || least <= uniform));
                last = Some((channel, uniform));
                // One to one.
                let (first, count) = kernel.runs[usize::from(state)][(word >> 58) as usize];
                assert_eq!((first << 58) + uniform * count + ((word >> 58) - first), coordinate);
            }
        }
    }

    #[test]
    fn walkers_are_ordered_by_state_and_place() {
        let mut random = crate::rng::stream(2, crate::rng::Purpose::Start, 0);
        let position: Vec<Position> =
            (0..500).map(|_| Position::from_fraction(0.5).displaced(random.word())).collect();
        let state: Vec<u16> = (0..500).map(|_| (random.word() % 3) as u16).collect();
        let walkers = Walkers::new(position, state);
        let mut order = Order::new(500, 3);
        // Nothing is left of the time before.
        order.sort(&walkers);
        order.sort(&walkers);
        let part = |walker: &u32| {
            let (state, place) =
                (walkers.state[*walker as usize], walkers.position[*walker as usize].folded());
            let part = place >> (63 - order.parts);
            (state, if state == 1 { (1 << order.parts) - 1 - part } else { part }, *walker)
        };
        assert!(order.walker.windows(2).all(|pair| part(&pair[0]) < part(&pair[1])));
        assert_eq!(order.walker.iter().collect::<HashSet<_>>().len(), 500);
    }
}
