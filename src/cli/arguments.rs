//! What may stand on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::ContextKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use soret::convergence::Axis;
use soret::experiment::{EXAMPLES, Scan, Setting, Until};
use std::path::PathBuf;

/// Stochastic particles in a temperature gradient: profiles, hidden currents, heat fluxes and Soret
/// coefficients with error bars, beside the continuum theory of the same file.
#[derive(Debug, Parser)]
#[command(
    name = "mc",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done, 1 failed at run time, 2 usage, 3 mistakes in the experiment file, 4 simulation and \
                  theory disagree or a check fails, 130 or 143 ended early by a signal.\n\nFirst steps: mc run experiments/two_state.json"
)]
pub struct Arguments {
    /// Colour in what is printed.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Those of this process. Ends it with help, version or an error, as the arguments deserve.
    pub fn from_command_line() -> Self {
        Arguments::try_parse().unwrap_or_else(|error| {
            let word = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
            match word {
                // The first thing that people try is the file alone.
                Some(file) if file.ends_with(".json") => Arguments::command()
                    .error(error.kind(), format!("no command before {file}; did you mean `mc run {file}`?"))
                    .exit(),
                _ => error.exit(),
            }
        })
    }
}

/// When to print in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// If the output is a terminal and NO_COLOR is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate an experiment and compare it with its continuum theory
    #[command(long_about = "Simulate an experiment and compare it with its continuum theory.\n\n\
        Prints one page and writes a run folder: summary.json, checks.json, profiles.csv, currents.csv, profiles.svg \
        and .png, and manifest.json; where estimates are assisted assisted.csv; with times of observation also \
        times.csv, of a well-mixed volume maps.csv, of underdamped particles maps.csv, \
        phase_space.svg and .png, with internal coordinates maps.csv, plane.svg and .png. All but the manifest are a function of the experiment file and the seed alone. Ctrl-C ends the \
        run after its round and keeps what has been measured.")]
    Run(Run),
    /// Run an experiment at several values of one or two of its parameters
    #[command(long_about = "Run an experiment at several values of one or two of its parameters.\n\n\
        Prints one line a point and where the sign of soret changes, and writes sweep.csv, sweep.json, sweep.svg, \
        sweep.png and manifest.json; every point is a run folder below points. Points that are done are not done \
        again: the same command goes on where it was interrupted, and other values are added. Every point has \
        its own seed, made from its configuration and the seed of the file. Ctrl-C keeps the points that are done.")]
    Sweep(Sweep),
    /// Solve the continuum theory of an experiment, without any particle
    Theory(Theory),
    /// Check hidden currents and sum rules of a run from its trajectories alone
    #[command(long_about = "Check hidden currents and sum rules of a run from its trajectories alone.\n\n\
        Asks what was counted whether it obeys the equations that it was made from: currents against densities, counts \
        against rates, heat against energies, sum rules, the stationary equation, and at uniform temperature that nothing \
        flows. Each check tells its p-value and the smallest fault that it would have seen. An experiment file is run, \
        nothing is written; of a run folder what was measured there is judged again.")]
    Verify(Verify),
    /// Study how the errors of an experiment fall with particles, legs, steps and bins
    #[command(
        long_about = "Study how the errors of an experiment fall with particles, legs, steps and bins.\n\n\
        Sampling errors come from many independent repeats at each of several settings, biases from the continuum \
        theory of the same file. Prints fitted slopes beside the expected ones, which error dominates at the settings \
        of the file and what a wanted error needs; writes converge.csv, converge.json, converge.svg and .png, and \
        manifest.json. All but the manifest are a function of the experiment file, the options and the seed. Ctrl-C \
        ends the study and writes nothing."
    )]
    Converge(Converge),
    /// Look for mistakes in an experiment file, and forecast what its run would cost
    Check(Check),
    /// Write an example to begin with
    Init(Init),
    /// Print the JSON Schema of experiment files
    Schema,
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual page
    Man,
}

/// Arguments of `mc run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Experiment file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// End when a quantity is known well enough, for example soret:0.01 (its error in parts of its value) or
    /// soret:rel=0.01,abs=1e-3; the length in the file is then the longest
    #[arg(long, value_name = "QUANTITY:ERROR", value_parser = until)]
    pub until: Option<Setting>,
    /// Run folder [default: runs/NAME, after the file NAME.json]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write into a folder that holds another run
    #[arg(long)]
    pub force: bool,
    /// Seed, instead of the one in the file
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the summary as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// No progress and no closing line on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `mc sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Experiment file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to vary: parameters.dT=0.1:1:10 (from:to:number), run.legs=1e3:1e5:3:log, or a list as in
    /// parameters.E=0,1,2; twice for a family of curves, one for each value of the second
    #[arg(long, value_name = "PATH=VALUES", value_parser = scan, required = true)]
    pub scan: Vec<Scan>,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// End each point when a quantity is known well enough, as in `mc run`
    #[arg(long, value_name = "QUANTITY:ERROR", value_parser = until)]
    pub until: Option<Setting>,
    /// Folder of the sweep [default: runs/NAME_sweep, after the file NAME.json]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write into a folder that holds something else
    #[arg(long)]
    pub force: bool,
    /// Seed, instead of the one in the file
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print sweep.json, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// No progress and no closing line on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `mc theory`.
#[derive(Debug, Args)]
pub struct Theory {
    /// Experiment file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// Also write the theory into this folder, in the same files as a run
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write into a folder that holds another run
    #[arg(long)]
    pub force: bool,
    /// Print the summary as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `mc verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Experiment file, or - for standard input, or the folder of a run
    #[arg(value_name = "FILE|RUN")]
    pub path: PathBuf,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// Seed, instead of the one in the file
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the checks as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `mc converge`.
#[derive(Debug, Args)]
pub struct Converge {
    /// Experiment file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to vary; may be given several times [default: all that the method has]
    #[arg(long = "in", value_name = "AXIS", value_enum)]
    pub axes: Vec<ConvergeAxis>,
    /// Points an axis [default: 7, 6 for dt of euler_maruyama]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=100))]
    pub points: Option<u16>,
    /// Smallest value of the axis, if --in names one [default: from the file]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub from: Option<f64>,
    /// Largest value of the axis, if --in names one [default: from the file and the effort]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub to: Option<f64>,
    /// Independent repeats a point, for sampling errors
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub repeats: u32,
    /// Legs or steps that an axis may cost
    #[arg(long, value_name = "LEGS", default_value = "1e9", value_parser = positive)]
    pub effort: f64,
    /// Wanted error of the quantity, as a fraction of its value
    #[arg(long, value_name = "X", default_value = "0.01", value_parser = positive)]
    pub target: f64,
    /// Which quantity is wanted, for example soret or "mean_current excited" [default: soret where there is one]
    #[arg(long, value_name = "NAME")]
    pub quantity: Option<String>,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// Folder of the study [default: runs/NAME_converge, after the file NAME.json]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write into a folder that holds something else
    #[arg(long)]
    pub force: bool,
    /// Seed, instead of the one in the file
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the study as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// No progress and no closing line on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// What a study varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConvergeAxis {
    /// Number of particles
    Particles,
    /// Length of the run, in legs or in time
    Legs,
    /// Time step of a stepped method
    Dt,
    /// Number of bins
    Bins,
    /// Number of populations, of particles that react
    Groups,
    /// Number of cells in which they react
    Cells,
    /// Their number for a unit of concentration
    #[value(name = "system_size")]
    SystemSize,
}

impl From<ConvergeAxis> for Axis {
    fn from(axis: ConvergeAxis) -> Self {
        match axis {
            ConvergeAxis::Particles => Axis::Particles,
            ConvergeAxis::Legs => Axis::Legs,
            ConvergeAxis::Dt => Axis::Dt,
            ConvergeAxis::Bins => Axis::Bins,
            ConvergeAxis::Groups => Axis::Groups,
            ConvergeAxis::Cells => Axis::Cells,
            ConvergeAxis::SystemSize => Axis::SystemSize,
        }
    }
}

/// Arguments of `mc check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Experiment file, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Changes of the file.
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, help = SET)]
    pub set: Vec<Setting>,
    /// No pilot run: mistakes and warnings only
    #[arg(long)]
    pub quick: bool,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the answer as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `mc init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Which example
    #[arg(value_name = "SYSTEM", default_value = EXAMPLES[0].name, value_parser = systems())]
    pub system: String,
    /// Write into this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `mc completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Help for `--set`.
const SET: &str = "Change the file before it is read, for example run.seed=3, states[0].energy=2 or \
                   temperature=\"1 + x\"; null removes; may be given several times";

fn setting(text: &str) -> Result<Setting, String> {
    Setting::parse(text).map_err(|error| error.to_string())
}

fn scan(text: &str) -> Result<Scan, String> {
    Scan::parse(text).map_err(|error| error.to_string())
}

fn until(text: &str) -> Result<Setting, String> {
    Until::setting(text).map_err(|error| error.to_string())
}

/// The names of the examples, with what they show.
fn systems() -> PossibleValuesParser {
    EXAMPLES.map(|e| PossibleValue::new(e.name).help(e.about)).into()
}

/// A number above zero.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("a number above 0 is wanted".to_owned()),
    }
}
