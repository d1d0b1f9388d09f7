//! The command line: arguments, the progress bar, signals, exit codes. The only room that prints.

mod arguments;
mod check;
mod converge;
mod init;
mod manual;
mod progress;
mod run;
mod schema;
mod signal;
mod terminal;
mod theory;
mod verify;

pub use arguments::{Arguments, Command};
pub use check::check;
pub use converge::converge;
pub use init::init;
pub use manual::{completions, manual};
pub use run::run;
pub use schema::schema;
pub use terminal::Terminal;
pub use theory::theory;
pub use verify::verify;

use soret::error::Error;
use soret::report::ReportError;
use std::process::ExitCode;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done, and nothing disagrees.
    Done,
    /// Done, but a comparison or an identity failed.
    Disagrees,
    /// Ended early by a signal, with what had been measured.
    Stopped {
        /// 2 or 15.
        signal: i32,
    },
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::Disagrees => 4,
            Status::Stopped { signal } => 128 + signal as u8,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The library says so.
    Engine(Error),
    /// The report could not be made or written.
    Report(ReportError),
    /// Standard output is gone: whoever read it has seen enough.
    ClosedPipe,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Failure::Report(error)
    }
}
