//! `mc sweep FILE --scan path=from:to:n`.

use super::arguments::Sweep as Arguments;
use super::progress::Watch;
use super::run::pool;
use super::signal::Signals;
use super::{Failure, Status, Terminal};
use serde_json::{Value, json};
use soret::error::Error;
use soret::experiment::{Experiment, Scan};
use soret::report::manifest::{Circumstances, Identity, Manifest, Stopwatch};
use soret::report::sweep::{self, Finished, Point, Sweep};
use soret::report::{self, folder, json, terminal};
use soret::simulation;
use std::path::{Path, PathBuf};

/// Most points of a sweep.
const MOST_POINTS: usize = 10_000;

/// A point before it is done.
struct Task {
    at: Vec<usize>,
    experiment: Experiment,
    place: PathBuf,
    identity: Identity,
}

/// Runs every point that is not done yet, prints the page and writes the folder of the sweep.
pub fn sweep(arguments: &Arguments, out: &Terminal) -> Result<Status, Failure> {
    let stopwatch = Stopwatch::start();
    let (name, seed, tasks) = tasks(arguments)?;
    let path = arguments.out.clone().unwrap_or_else(|| folder::default_path(&format!("{name}_sweep")));
    let configuration = json!({
        "scans": arguments.scan.iter().map(|s| json!({ "path": s.path, "values": s.values })).collect::<Vec<_>>(),
        "seed": seed,
        "points": tasks.iter().map(|t| t.identity.configuration_sha256.clone()).collect::<Vec<_>>(),
    });
    // Another sweep may take the place of a sweep: its points, which took the time, stay.
    let force = arguments.force || folder::holds_sweep(&path);
    folder::check(&path, &Identity::new(&configuration, seed), force)?;

    let signals = Signals::listen().map_err(|source| Error::Io { path: "signals".into(), source })?;
    let pool = pool(arguments.threads)?;
    let circumstances = |configuration: Value| Circumstances {
        git_commit: option_env!("SORET_GIT_COMMIT").map(str::to_owned),
        configuration,
        generator: soret::rng::GENERATOR.into(),
        threads: pool.current_num_threads(),
        command_line: std::env::args().collect(),
    };
    // From now on the folder is known as that of a sweep, whatever happens.
    let begun = Manifest::of(&name, false, seed, circumstances(configuration.clone()), stopwatch);
    folder::write(&path, &[], begun, force)?;

    let missing = tasks.iter().filter(|t| finished(&path, t).is_none()).count();
    let watch = Watch::of_parts(arguments.quiet, signals.clone(), missing);
    let mut result =
        Sweep { name, seed, planned: tasks.len(), scans: arguments.scan.clone(), points: vec![] };
    for task in tasks {
        let text = match finished(&path, &task) {
            Some(text) => text,
            None if signals.received().is_some() => continue,
            None => {
                let begun = Stopwatch::start();
                let summary = pool.install(|| simulation::run(&task.experiment, &watch))?;
                watch.next_part();
                if !summary.run.complete {
                    continue;
                }
                let manifest = Manifest::new(&summary, circumstances(task.experiment.canonical()), begun);
                folder::write(&path.join(&task.place), &report::outputs(&summary)?, manifest, false)?;
                json::summary(&summary)?
            }
        };
        let finished = Finished::parse(&text)
            .ok_or_else(|| Error::Numeric(format!("{}: not a summary", task.place.display())))?;
        let profiles = std::fs::read_to_string(path.join(&task.place).join(report::PROFILES_FILE));
        let density = profiles.map_or_else(|_| Vec::new(), |text| sweep::density(&text));
        let run = task.place.to_string_lossy().replace('\\', "/");
        result.points.push(Point { at: task.at, run, finished, density });
    }
    watch.finish();

    let manifest =
        Manifest::of(&result.name, result.complete(), seed, circumstances(configuration), stopwatch);
    folder::write(&path, &result.outputs()?, manifest, force)?;
    if arguments.json {
        out.print(&result.json()?)?;
    } else {
        out.print(&terminal::sweep_page(&result, out.width(), out.color))?;
    }
    if !arguments.quiet {
        let found = result.points.len().saturating_sub(missing);
        let found = if found > 0 { format!(" ({found} points were there already)") } else { String::new() };
        out.say(&format!("written to {}{found}", path.display()));
    }
    Ok(match signals.received() {
        Some(signal) if !result.complete() => Status::Stopped { signal },
        // Where nothing was compared nothing disagrees; the page says so.
        _ if result.all_agree() == Some(false) => Status::Disagrees,
        _ => Status::Done,
    })
}

/// `summary.json` of a point that is done.
fn finished(path: &Path, task: &Task) -> Option<String> {
    folder::finished(&path.join(&task.place), &task.identity, option_env!("SORET_GIT_COMMIT"))
}

/// All points, each checked, or the mistakes of all; with the name of the experiment and the seed.
fn tasks(arguments: &Arguments) -> Result<(String, u64, Vec<Task>), Failure> {
    let usage = |words: String| Failure::Engine(Error::Usage(words));
    if let [a, b] = &arguments.scan[..]
        && a.path == b.path
    {
        return Err(usage(format!("both scans are over {}", a.path)));
    }
    if arguments.scan.len() > 2 {
        return Err(usage("at most two parameters can be scanned".into()));
    }
    let count: usize = arguments.scan.iter().map(|s| s.values.len()).product();
    if count > MOST_POINTS {
        return Err(usage(format!("a sweep has at most {MOST_POINTS} points, this one {count}")));
    }
    let settings: Vec<_> = arguments.set.iter().chain(&arguments.until).cloned().collect();
    let read = Experiment::read_scanned(&arguments.file, &settings, &arguments.scan)?;
    let (mut tasks, mut mistakes) = (Vec::new(), Vec::new());
    let mut base = None;
    for (at, experiment) in Scan::points(&arguments.scan).into_iter().zip(read) {
        match experiment {
            Ok(mut experiment) => {
                if let Some(seed) = arguments.seed {
                    experiment.run.seed = seed;
                }
                base.get_or_insert_with(|| (experiment.name.clone(), experiment.run.seed));
                let (place, identity) = sweep::identity(&mut experiment);
                tasks.push(Task { at, experiment, place, identity });
            }
            Err(error) => mistakes.push(error),
        }
    }
    match base {
        Some((name, seed)) if mistakes.is_empty() => Ok((name, seed, tasks)),
        _ => Err(Failure::Points(mistakes)),
    }
}
