//! `mc run FILE`.

use super::arguments::Run;
use super::progress::Watch;
use super::signal::Signals;
use super::{Failure, Status, Terminal};
use soret::error::Error;
use soret::experiment::Experiment;
use soret::report::manifest::Identity;
use soret::report::manifest::{Circumstances, Manifest, Stopwatch};
use soret::report::{self, folder, json, terminal};
use soret::simulation;

/// Runs an experiment, prints its page and writes its folder.
pub fn run(arguments: &Run, out: &Terminal) -> Result<Status, Failure> {
    let stopwatch = Stopwatch::start();
    let settings: Vec<_> = arguments.set.iter().chain(&arguments.until).cloned().collect();
    let mut experiment = Experiment::read_with(&arguments.file, &settings)?;
    if let Some(seed) = arguments.seed {
        experiment.run.seed = seed;
    }
    let path = arguments.out.clone().unwrap_or_else(|| folder::default_path(&experiment.name));
    let configuration = experiment.canonical();
    // Ask before the work is done whether its result may be written.
    folder::check(&path, &Identity::new(&configuration, experiment.run.seed), arguments.force)?;

    let signals = Signals::listen().map_err(|source| Error::Io { path: "signals".into(), source })?;
    let pool = pool(arguments.threads)?;
    let watch = Watch::new(arguments.quiet, signals.clone());
    let summary = pool.install(|| simulation::run(&experiment, &watch));
    watch.finish();
    let summary = summary?;

    let outputs = report::outputs(&summary)?;
    let circumstances = Circumstances {
        git_commit: option_env!("SORET_GIT_COMMIT").map(str::to_owned),
        configuration,
        generator: soret::rng::GENERATOR.into(),
        threads: pool.current_num_threads(),
        command_line: std::env::args().collect(),
    };
    let manifest = Manifest::new(&summary, circumstances, stopwatch);
    folder::write(&path, &outputs, manifest, arguments.force)?;

    if arguments.json {
        out.print(&json::summary(&summary)?)?;
    } else {
        out.print(&terminal::page(&summary, out.width(), out.color))?;
    }
    if !arguments.quiet {
        out.say(&format!("written to {}", path.display()));
    }
    // Where nothing was compared nothing disagrees; the page says so.
    let disagrees = summary.comparison.as_ref().is_some_and(|c| c.agrees == Some(false))
        || summary.checks.as_ref().is_some_and(|c| !c.passes)
        || summary.invariants.iter().any(|i| !i.holds);
    Ok(match signals.received() {
        Some(signal) if !summary.run.complete => Status::Stopped { signal },
        _ if disagrees => Status::Disagrees,
        _ => Status::Done,
    })
}

/// As many threads as asked for, or one for every core.
pub(super) fn pool(threads: Option<u16>) -> Result<rayon::ThreadPool, Error> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, usize::from))
        .build()
        .map_err(|e| Error::Usage(format!("cannot start the threads: {e}")))
}
