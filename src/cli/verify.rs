//! `mc verify FILE|RUN`.

use super::arguments::Verify;
use super::progress::Watch;
use super::run::pool;
use super::signal::Signals;
use super::{Failure, Status, Terminal};
use soret::error::Error;
use soret::experiment::Experiment;
use soret::report::checks::{self, Verified};
use soret::report::json;
use soret::simulation;

/// Runs an experiment, or takes up a run that was made before, and judges its checks.
pub fn verify(arguments: &Verify, out: &Terminal) -> Result<Status, Failure> {
    let (verified, stopped) = if arguments.path.is_dir() {
        if !arguments.set.is_empty() || arguments.seed.is_some() || arguments.threads.is_some() {
            let text = format!(
                "{} is a run that was made already: --set, --seed and --threads are for experiment files",
                arguments.path.display()
            );
            return Err(Error::Usage(text).into());
        }
        (checks::read(&arguments.path)?, None)
    } else {
        run(arguments)?
    };
    if arguments.json {
        out.print(&json::pretty(&verified)?)?;
    } else {
        out.print(&checks::page(&verified, out.width(), out.color))?;
    }
    Ok(match stopped {
        Some(signal) => Status::Stopped { signal },
        None if !verified.passes() => Status::Disagrees,
        None => Status::Done,
    })
}

/// The checks of an experiment, and the signal that ended it early.
fn run(arguments: &Verify) -> Result<(Verified, Option<i32>), Failure> {
    let mut experiment = Experiment::read_with(&arguments.path, &arguments.set)?;
    if let Some(seed) = arguments.seed {
        experiment.run.seed = seed;
    }
    let signals = Signals::listen().map_err(|source| Error::Io { path: "signals".into(), source })?;
    let watch = Watch::new(arguments.quiet, signals.clone());
    let summary = pool(arguments.threads)?.install(|| simulation::run(&experiment, &watch));
    watch.finish();
    let summary = summary?;
    let stopped = signals.received().filter(|_| !summary.run.complete);
    Ok((Verified::of(&summary)?, stopped))
}
