//! `mc check FILE`: mistakes, warnings, and what the run would cost.

use super::arguments::Check;
use super::run::pool;
use super::{Failure, Status, Terminal};
use soret::experiment::{Experiment, Method, Warning};
use soret::kernel::Span;
use soret::pilot::{self, Forecast};
use soret::report::{format, json};

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Answer<'a> {
    name: &'a str,
    warnings: &'a [Warning],
    configuration: serde_json::Value,
    forecast: Option<&'a Forecast>,
}

/// Reads an experiment, runs a small part of it and tells what the whole would take.
pub fn check(arguments: &Check, out: &Terminal) -> Result<Status, Failure> {
    let experiment = Experiment::read_with(&arguments.file, &arguments.set)?;
    let warnings = pilot::warnings(&experiment)?;
    let forecast = if arguments.quick {
        None
    } else {
        Some(pool(arguments.threads)?.install(|| pilot::forecast(&experiment))?)
    };
    let text = if arguments.json {
        let answer = Answer {
            name: &experiment.name,
            warnings: &warnings,
            configuration: experiment.canonical(),
            forecast: forecast.as_ref(),
        };
        json::pretty(&answer)?
    } else {
        page(&experiment, &warnings, forecast.as_ref())
    };
    out.print(&text)?;
    Ok(Status::Done)
}

fn page(experiment: &Experiment, warnings: &[Warning], forecast: Option<&Forecast>) -> String {
    let network = &experiment.model.network;
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let but = match warnings.len() {
        0 => String::new(),
        n => format!(", but {}", many(n, "warning")),
    };
    let mut lines = vec![format!("{}: no mistakes{but}", experiment.name)];
    let mut line = |label: &str, text: String| lines.push(format!("  {label:<12} {text}"));
    let coordinates = experiment.model.coordinates.as_ref().map_or(0, |c| c.axes.len());
    let inner = match coordinates {
        0 => String::new(),
        n => format!(", {}", many(n, "internal coordinate")),
    };
    line(
        "system",
        format!(
            "{}, {}",
            match &experiment.model.mixture {
                Some(mixture) if experiment.volume().is_some() => format!(
                    "{} species, {}, {} realisations of a volume of {} particles",
                    mixture.species().len(),
                    many(mixture.reactions().len(), "reaction"),
                    experiment.run.realisations.unwrap_or(0),
                    experiment.counts().iter().sum::<u64>(),
                ),
                Some(mixture) if experiment.run.system_size.is_none() => format!(
                    "{} species, {}, {} units of each kind in {} groups",
                    mixture.species().len(),
                    many(mixture.reactions().len(), "reaction"),
                    experiment.run.particles,
                    experiment.run.groups
                ),
                Some(mixture) => format!(
                    "{} species, {}, {} particles in each of {} groups",
                    mixture.species().len(),
                    many(mixture.reactions().len(), "reaction"),
                    experiment.counts().iter().sum::<u64>(),
                    experiment.run.groups
                ),
                None => format!(
                    "{}, {}{inner}",
                    many(network.states().len(), "state"),
                    many(network.edges().len(), "transition")
                ),
            },
            method(experiment)
        ),
    );
    line("units", experiment.units.convention());
    if let Some(f) = forecast {
        let volume = experiment.volume().is_some();
        let what = match experiment.method.dt() {
            Some(_) => "steps",
            None if volume => "reactions",
            None => "legs",
        };
        line("work", format!("{:.1e} {what}, {:.0} % of them burn-in", f.legs, 100.0 * f.burn_in_share));
        line(
            "time",
            format!(
                "{} with {} ({:.1} ns each)",
                duration(f.seconds),
                many(f.threads, "thread"),
                f.nanoseconds_per_leg
            ),
        );
        line("memory", format!("about {:.1} MB", f.memory_bytes as f64 / 1e6));
        if !volume {
            line(
                "relaxation",
                format!("about {} in the time unit of the file", format::brief(f.relaxation_time)),
            );
        }
        match f.soret {
            None if volume => {}
            Some(soret) if !soret.settled => line(
                "soret",
                format!(
                    "standard error of the whole run about {:.1e}; a pilot run is too short for a value",
                    soret.error
                ),
            ),
            Some(soret) => line(
                "soret",
                format!(
                    "{} in a pilot run; standard error of the whole run about {:.1e}",
                    format::value_with_error(soret.value, soret.pilot_error),
                    soret.error
                ),
            ),
            None => line("soret", "none: the temperature is uniform".into()),
        }
        if experiment.run.until.is_some() {
            line(
                "until",
                "this is the forecast of the longest run: the length in the file is the upper limit, and the run ends \
                 before it once the wanted error is reached"
                    .into(),
            );
        }
    }
    for warning in warnings {
        lines.push(format!("warning: {}", warning.seen));
        lines.push(format!("  meaning: {}", warning.meaning));
        lines.push(format!("  remedy:  {}", warning.remedy));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The method, with its step.
fn method(experiment: &Experiment) -> String {
    let name = experiment.method.name();
    match experiment.method {
        Method::MeanField { cells, window: Span::Legs(legs) } => {
            return format!("{name} with {cells} cells and windows of {legs} legs");
        }
        Method::MeanField { cells, window: Span::Duration(duration) } => {
            return format!("{name} with {cells} cells and windows of {duration}");
        }
        _ => {}
    }
    let cells = experiment.method.cells().map(|cells| format!("{cells} cells and ")).unwrap_or_default();
    experiment.method.dt().map_or_else(|| name.to_owned(), |dt| format!("{name} with {cells}dt = {dt}"))
}

/// A duration for people.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than a second".into(),
        s if s < 120.0 => format!("about {s:.0} s"),
        s if s < 7200.0 => format!("about {:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("about {:.1} h", s / 3600.0),
        s => format!("about {:.1} days", s / 86_400.0),
    }
}
