//! What can go wrong, and the exit code that says so.

use crate::experiment::Diagnostics;
use std::path::PathBuf;

/// Why the program or a call into the library failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that does not exist or does not fit together.
    #[error("{0}")]
    Usage(String),
    /// The experiment file has mistakes, all of them listed with their places.
    #[error("{0}")]
    Input(Diagnostics),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A computation failed: a violated rate bound, a solver that does not converge.
    #[error("{0}")]
    Numeric(String),
}

impl Error {
    /// The exit code of a program that ends with this error: 2 for usage, 3 for an input file, 1 for
    /// everything else. (0 is success, 4 a comparison that failed, 130 and 143 a signal.)
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Input(_) => 3,
            Error::Io { .. } | Error::Numeric(_) => 1,
        }
    }
}
