//! What is wrong with a source text, and where.

use std::fmt;
use std::ops::Range;

/// Why a source text is not an expression. The parts are kept apart so that a caller can show them
/// under the offending piece of its own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// The offending bytes of the source; always on character boundaries, empty at the end of the text.
    pub span: Range<usize>,
    /// What is wrong, in one sentence without the position.
    pub message: String,
    /// What could have stood there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What to write instead, where that can be guessed.
    pub hint: Option<String>,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.message, self.expected, self.found)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExpressionError {}
