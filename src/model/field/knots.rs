//! Lists of positions in increasing order: what tables and steps have in common.

use crate::expression::Interval;

/// What is wrong with the numbers from which a field is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnotError {
    /// A table needs two points.
    #[error("a table needs at least two points, found {found}")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// Steps need one value more than there are jumps.
    #[error("{jumps} jumps need {} values, found {values}", jumps + 1)]
    Count {
        /// Number of jumps.
        jumps: usize,
        /// Number of values.
        values: usize,
    },
    /// A position or a value is not a finite number.
    #[error("entry {index} is not finite")]
    NotFinite {
        /// Index of the entry.
        index: usize,
    },
    /// A position is not above the one before it.
    #[error("position {index} is not above the one before it")]
    NotIncreasing {
        /// Index of the position.
        index: usize,
    },
    /// Two neighbours differ so much that the slope between them overflows.
    #[error("the slope between entries {} and {index} overflows", index - 1)]
    TooSteep {
        /// Index of the second of the two.
        index: usize,
    },
}

/// Checks that positions are finite and strictly increasing.
pub(super) fn increasing(positions: &[f64]) -> Result<(), KnotError> {
    if let Some(index) = positions.iter().position(|x| !x.is_finite()) {
        return Err(KnotError::NotFinite { index });
    }
    match positions.windows(2).position(|w| w[0] >= w[1]) {
        Some(before) => Err(KnotError::NotIncreasing { index: before + 1 }),
        None => Ok(()),
    }
}

/// The positions strictly inside a range.
pub(super) fn inside(positions: &[f64], range: Interval) -> Vec<f64> {
    positions.iter().copied().filter(|&x| range.lo < x && x < range.hi).collect()
}
