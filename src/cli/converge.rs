//! `mc converge FILE`.

use super::arguments::Converge;
use super::progress::Watch;
use super::run::pool;
use super::signal::Signals;
use super::{Failure, Status, Terminal};
use soret::convergence::{self, Axis, Options};
use soret::ensemble::Control;
use soret::error::Error;
use soret::experiment::Experiment;
use soret::report::manifest::{Circumstances, Identity, Manifest, Stopwatch};
use soret::report::{converge as report, folder, json};
use soret::sampling::{Observer, Progress};
use soret::simulation;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Studies an experiment, prints the page and writes the folder.
pub fn converge(arguments: &Converge, out: &Terminal) -> Result<Status, Failure> {
    let stopwatch = Stopwatch::start();
    let mut experiment = Experiment::read_with(&arguments.file, &arguments.set)?;
    if let Some(seed) = arguments.seed {
        experiment.run.seed = seed;
    }
    let options = options(arguments);
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => folder::default_path(&format!("{}_converge", experiment.name)),
    };
    let mut configuration = experiment.canonical();
    // A folder that holds the run of a file must not be taken for one that holds its study.
    configuration["converge"] = options_in_words(&options);
    folder::check(&path, &Identity::new(&configuration, experiment.run.seed), arguments.force)?;

    let signals = Signals::listen().map_err(|source| Error::Io { path: "signals".into(), source })?;
    let pool = pool(arguments.threads)?;
    let watch = StudyWatch::new(arguments.quiet, signals.clone());
    let started = Instant::now();
    let study = pool.install(|| convergence::study(&experiment, &options, &watch));
    let seconds = started.elapsed().as_secs_f64();
    watch.bar.finish();
    let Some(study) = study? else {
        if !arguments.quiet {
            out.say("ended early: nothing is written");
        }
        // Only a signal makes the watch give up.
        return Ok(Status::Stopped { signal: signals.received().unwrap_or(signal_hook::consts::SIGINT) });
    };

    let outputs = report::outputs(&study)?;
    let circumstances = Circumstances {
        git_commit: option_env!("SORET_GIT_COMMIT").map(str::to_owned),
        configuration,
        generator: soret::rng::GENERATOR.into(),
        threads: pool.current_num_threads(),
        command_line: std::env::args().collect(),
    };
    let manifest = Manifest::new(&simulation::theory_only(&experiment)?, circumstances, stopwatch);
    folder::write(&path, &outputs, manifest, arguments.force)?;

    if arguments.json {
        out.print(&json::pretty(&study)?)?;
    } else {
        let pace = (study.legs > 0.0).then(|| seconds / study.legs);
        out.print(&report::page(&study, pace, out.width()))?;
    }
    if !arguments.quiet {
        out.say(&format!("written to {}", path.display()));
    }
    Ok(if study.agrees { Status::Done } else { Status::Disagrees })
}

fn options(arguments: &Converge) -> Options {
    Options {
        axes: arguments.axes.iter().copied().map(Axis::from).collect(),
        points: arguments.points.map(usize::from),
        from: arguments.from,
        to: arguments.to,
        repeats: arguments.repeats as usize,
        effort: arguments.effort,
        target: arguments.target,
        quantity: arguments.quantity.clone(),
    }
}

fn options_in_words(options: &Options) -> serde_json::Value {
    serde_json::json!({
        "in": options.axes,
        "points": options.points,
        "from": options.from,
        "to": options.to,
        "repeats": options.repeats,
        "effort": options.effort,
        "target": options.target,
        "quantity": options.quantity,
    })
}

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The bar of a run, and lines that tell how much of a study is done where there is no bar.
struct StudyWatch {
    bar: Watch,
    plain: bool,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl StudyWatch {
    fn new(quiet: bool, signals: Signals) -> Self {
        let now = Instant::now();
        let plain = !quiet && !std::io::stderr().is_terminal();
        StudyWatch { bar: Watch::new(quiet, signals), plain, started: now, last_line: Mutex::new(now) }
    }
}

impl Observer for StudyWatch {
    fn tick(&self, share: f64) {
        self.bar.tick(share);
    }

    fn gives_up(&self) -> bool {
        self.bar.gives_up()
    }

    fn after_round(&self, progress: &Progress) -> Control {
        if self.plain
            && let Ok(mut last) = self.last_line.lock()
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            let share = progress.rounds_done as f64 / progress.rounds as f64;
            let left = self.started.elapsed().as_secs_f64() * (1.0 / share - 1.0);
            let done = 100.0 * share;
            // If nobody listens, so be it.
            let _ = writeln!(std::io::stderr().lock(), "{done:.0} % done, about {left:.0} s left");
        }
        if self.gives_up() { Control::Stop } else { Control::Continue }
    }
}
