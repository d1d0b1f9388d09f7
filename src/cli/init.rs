//! `mc init [SYSTEM]`: an example to begin with.

use super::arguments::Init;
use super::{Failure, Status, Terminal};
use soret::error::Error;
use soret::experiment::EXAMPLES;
use std::io::Write as _;

/// Writes an example, to standard output or into a file that does not exist yet.
pub fn init(arguments: &Init, out: &Terminal) -> Result<Status, Failure> {
    let Some(example) = EXAMPLES.iter().find(|e| e.name == arguments.system) else {
        return Err(Error::Usage(format!("there is no example {}", arguments.system)).into());
    };
    let Some(path) = &arguments.out else {
        out.print(example.text)?;
        return Ok(Status::Done);
    };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(example.text.as_bytes()))
        .map_err(|source| Error::Io { path: path.clone(), source })?;
    out.say(&format!("written to {}; next: mc run {}", path.display(), path.display()));
    Ok(Status::Done)
}
