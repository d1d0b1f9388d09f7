//! `mc`: stochastic particles, hidden currents and Soret coefficients from one JSON file.
#![forbid(unsafe_code)]

mod cli;

use cli::{Arguments, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_command_line();
    let terminal = cli::Terminal::new(arguments.color);
    let result = match &arguments.command {
        Command::Run(run) => cli::run(run, &terminal),
        Command::Theory(theory) => cli::theory(theory, &terminal),
        Command::Verify(verify) => cli::verify(verify, &terminal),
        Command::Converge(converge) => cli::converge(converge, &terminal),
        Command::Check(check) => cli::check(check, &terminal),
        Command::Init(init) => cli::init(init, &terminal),
        Command::Schema => cli::schema(&terminal),
        Command::Completions(completions) => cli::completions(completions, &terminal),
        Command::Man => cli::manual(&terminal),
    };
    match result {
        Ok(status) => status.into(),
        Err(failure) => terminal.report(&failure),
    }
}
