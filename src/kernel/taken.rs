//! The transitions of a block, as columns on the stack.

use super::BLOCK;
use crate::event::{Position, Tally, Transitions};

/// Transitions taken, and not yet handed to the tally.
pub(super) struct Taken {
    pub count: usize,
    pub walker: [u32; BLOCK],
    pub channel: [u16; BLOCK],
    pub position: [Position; BLOCK],
    pub cell: [u32; BLOCK],
    pub heat: [f64; BLOCK],
    pub work: [f64; BLOCK],
}

impl Taken {
    pub fn new() -> Self {
        Taken {
            count: 0,
            walker: [0; BLOCK],
            channel: [0; BLOCK],
            position: [Position::default(); BLOCK],
            cell: [0; BLOCK],
            heat: [0.0; BLOCK],
            work: [0.0; BLOCK],
        }
    }

    /// Adds an entry. There must be room, see [`Taken::is_full`].
    #[inline]
    pub fn push(
        &mut self,
        walker: u32,
        channel: u16,
        (position, cell): (Position, u32),
        (heat, work): (f64, f64),
    ) {
        let i = self.count;
        self.walker[i] = walker;
        self.channel[i] = channel;
        self.position[i] = position;
        self.cell[i] = cell;
        self.heat[i] = heat;
        self.work[i] = work;
        self.count += 1;
    }

    /// Whether there is no room for another entry.
    pub fn is_full(&self) -> bool {
        self.count == BLOCK
    }

    /// Hands all entries to the tally and forgets them.
    #[inline]
    pub fn hand_on<T: Tally>(&mut self, tally: &mut T) {
        let n = std::mem::take(&mut self.count);
        if n > 0 {
            tally.transitions(&Transitions {
                walker: &self.walker[..n],
                channel: &self.channel[..n],
                position: &self.position[..n],
                cell: &self.cell[..n],
                heat: &self.heat[..n],
                work: &self.work[..n],
            });
        }
    }
}
