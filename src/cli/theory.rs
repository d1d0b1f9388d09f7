//! `mc theory FILE`.

use super::arguments::Theory;
use super::{Failure, Status, Terminal};
use soret::experiment::Experiment;
use soret::report::manifest::{Circumstances, Manifest, Stopwatch};
use soret::report::{self, folder, json, terminal};
use soret::simulation;

/// Solves the continuum theory, prints it and writes it if a folder is named.
pub fn theory(arguments: &Theory, out: &Terminal) -> Result<Status, Failure> {
    let stopwatch = Stopwatch::start();
    let experiment = Experiment::read_with(&arguments.file, &arguments.set)?;
    let summary = simulation::theory_only(&experiment)?;
    if let Some(path) = &arguments.out {
        let mut configuration = experiment.canonical();
        // Theory does not depend on how an experiment would be run; and a folder that holds the run must
        // not be taken for one that holds the theory.
        if let Some(parts) = configuration.as_object_mut() {
            parts.retain(|part, _| part != "run" && part != "method");
        }
        let circumstances = Circumstances {
            git_commit: option_env!("SORET_GIT_COMMIT").map(str::to_owned),
            configuration,
            generator: soret::rng::GENERATOR.into(),
            threads: 1,
            command_line: std::env::args().collect(),
        };
        let manifest = Manifest::new(&summary, circumstances, stopwatch);
        folder::write(path, &report::outputs(&summary)?, manifest, arguments.force)?;
        out.say(&format!("written to {}", path.display()));
    }
    if arguments.json {
        out.print(&json::summary(&summary)?)?;
    } else {
        out.print(&terminal::theory_page(&summary, out.width(), out.color))?;
    }
    Ok(Status::Done)
}
