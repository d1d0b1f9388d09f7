//! `mc completions SHELL` and `mc man`: what shells and manual readers want.

use super::arguments::{Arguments, Completions};
use super::{Failure, Status, Terminal};
use clap::CommandFactory as _;
use soret::error::Error;

/// Prints the completions of a shell.
pub fn completions(arguments: &Completions, out: &Terminal) -> Result<Status, Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "mc", &mut bytes);
    out.print(&String::from_utf8_lossy(&bytes))?;
    Ok(Status::Done)
}

/// Prints the manual page, those of the commands after that of the program.
pub fn manual(out: &Terminal) -> Result<Status, Failure> {
    let failed = |source| Error::Io { path: "the manual page".into(), source };
    let mut program = Arguments::command();
    program.build();
    let mut bytes = Vec::new();
    clap_mangen::Man::new(program.clone()).render(&mut bytes).map_err(failed)?;
    for command in program.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = format!("mc-{}", command.get_name());
        clap_mangen::Man::new(command.clone()).title(name).render(&mut bytes).map_err(failed)?;
    }
    out.print(&String::from_utf8_lossy(&bytes))?;
    Ok(Status::Done)
}
