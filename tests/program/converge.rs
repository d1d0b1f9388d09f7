//! Convergence studies: slopes that must come out, and studies of wrong things that must not.
//!
//! Statements about samples hold within 6.5 standard errors, alpha 1e-10 each; there are about 60 of them.

use serde_json::Value;
use soret::convergence::{Axis, Kind, Options, Series, Study, study};
use soret::ensemble::Control;
use soret::error::Error;
use soret::experiment::Experiment;
use soret::sampling::{Observer, Progress};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Standard errors within which a statement holds, or beyond which it does not.
const SIGMAS: f64 = 6.5;

/// Half of a 95 % interval in standard errors.
const REACH: f64 = 1.96;

/// Two states whose particles forget within some ten legs.
const TWO: &str = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 + 0.8*x",
    "states": [{"name": "A", "energy": 1, "diffusivity": 0.1}, {"name": "B", "diffusivity": 0.01}],
    "transitions": [{"between": ["A", "B"], "attempt_rate": 8, "barrier": 1.5}],
    "method": METHOD, "run": {"particles": 4096, SPAN}, "measure": {"bins": 10}}"#;

/// One state with D = T/2.
const VARYING: &str = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 + 0.8*x",
    "states": [{"name": "only", "diffusivity": "0.5*T"}], "transitions": [],
    "method": {"euler_maruyama": {"dt": 0.001}}, "run": {"particles": 4096, "duration": 100}, "measure": {"bins": 10}}"#;

fn read(text: &str) -> Experiment {
    Experiment::from_str("test", "test.json", text).unwrap_or_else(|e| panic!("{e}"))
}

fn exact() -> Experiment {
    read(&TWO.replace("METHOD", r#"{"exact": {}}"#).replace("SPAN", r#""legs": 2000"#))
}

fn stepped() -> Experiment {
    read(&TWO.replace("METHOD", r#"{"euler_maruyama": {"dt": 0.01}}"#).replace("SPAN", r#""duration": 100"#))
}

fn options(axis: Axis, effort: f64) -> Options {
    Options { axes: vec![axis], effort, ..Options::default() }
}

fn done(experiment: &Experiment, options: &Options) -> Study {
    study(experiment, options, &()).expect("a study").expect("not ended early")
}

fn find<'a>(study: &'a Study, kind: Kind, label: &str) -> &'a Series {
    let found = study.series.iter().find(|s| s.kind == kind && s.label() == label);
    found.unwrap_or_else(|| {
        panic!("{label} is not among {:?}", study.series.iter().map(|s| s.label()).collect::<Vec<_>>())
    })
}

/// Slope and its standard error.
fn slope(series: &Series) -> (f64, f64) {
    let fit = series.fit.expect("a fit");
    (fit.slope, 0.5 * (fit.ci_high.expect("an end") - fit.ci_low.expect("an end")) / REACH)
}

#[test]
fn sampling_errors_fall_with_the_root_of_particles_and_legs() {
    // 384 repeats: every slope over two or three decades to 0.01.
    let experiment = read(&TWO.replace("METHOD", r#"{"exact": {}}"#).replace("SPAN", r#""legs": 20"#));
    let particles = Options {
        repeats: 384,
        points: Some(5),
        from: Some(24.0),
        to: Some(2400.0),
        ..options(Axis::Particles, 2e7)
    };
    let legs = Options { repeats: 384, points: Some(5), ..options(Axis::Legs, 4e7) };
    for options in [particles, legs] {
        let study = done(&experiment, &options);
        assert!(study.agrees, "{:#?}", study.series);
        for label in ["soret", "mean_temperature", "population A", "mean_current A", "mean_position"] {
            let series = find(&study, Kind::SamplingError, label);
            let (slope, error) = slope(series);
            assert!(error < 0.02, "{label}: {error}");
            // A soret from few particles is not quite linear in what they saw.
            assert!((slope + 0.5).abs() < SIGMAS * error + 0.01, "{label}: {slope} +- {error}");
            // Shorter runs and other powers are excluded.
            assert!((slope + 0.4).abs() > SIGMAS * error, "{label}: {slope} +- {error}");
        }
        // Exact legs have no bias: everything that was run against theory.
        assert!(study.budget.agrees && study.budget.own.len() > 5);
        for own in &study.budget.own {
            assert_eq!(own.bias, Some(0.0));
            assert!(own.seen_z.is_some_and(|z| z.abs() < SIGMAS), "{own:?}");
        }
    }
}

#[test]
fn runs_shorter_than_the_memory_of_a_particle_are_not_fitted() {
    let study = done(&exact(), &Options { repeats: 128, points: Some(2), ..options(Axis::Legs, 2e6) });
    let series = find(&study, Kind::SamplingError, "mean_temperature");
    let shown: Vec<_> = series.points.iter().filter(|p| p.part == soret::convergence::Part::Shown).collect();
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|p| p.at < 5.0 * study.settings.relaxation));
    // Between 0.3 and 3 memories the error falls far less than with the root, within 6.5 of 6 % each.
    let fall = shown[2].value / shown[0].value;
    assert!(fall > 0.32 * 1.3, "{fall}");
}

#[test]
fn a_forecast_from_a_study_is_what_a_run_has() {
    let experiment = exact();
    let study =
        done(&experiment, &Options { repeats: 256, points: Some(3), ..options(Axis::Particles, 2e7) });
    let summary = soret::simulation::run(&experiment, &()).expect("a run");
    for label in ["soret", "mean_temperature"] {
        let own = study.budget.own.iter().find(|o| o.quantity == label).expect("known");
        let run = summary.quantities.iter().find(|q| q.name == label).expect("measured");
        // An error from 64 groups is known to 9 %, the forecast to 5 %.
        let ratio = own.noise / run.rows[0].estimate.estimate().expect("an estimate").std_error;
        assert!((0.5..2.0).contains(&ratio), "{label}: {ratio}");
    }
}

#[test]
fn orders_of_the_chain_are_those_of_theory() {
    // Orders are read without noise from the law of the chain; samples must lie on it.
    let study = done(&stepped(), &Options { points: Some(3), ..options(Axis::Dt, 3e6) });
    for (label, order) in [
        ("soret", 2.0),
        ("mean_position", 2.0),
        ("mean_current A", 2.0),
        ("mean_heat_current", 2.0),
        ("first_moment A", 1.0),
        ("first_moment B", 1.0),
    ] {
        let law = find(&study, Kind::ChainBias, label);
        let found = law.fit.expect("a fit").slope;
        assert!((found - order).abs() < 0.05, "{label}: {found}");
        assert_eq!(find(&study, Kind::Bias, label).agrees, Some(true), "{label}");
    }
    // Steps of up to 13 transitions, too long for these orders: samples of a second see the bias of P_i, and
    // it is that of the chain.
    let options = Options { points: Some(3), from: Some(0.5), to: Some(2.0), ..options(Axis::Dt, 3e7) };
    let study = done(&stepped(), &options);
    assert!(study.series.iter().filter(|s| s.kind == Kind::Bias).all(|s| s.agrees == Some(true)));
    // At the longest step P_i is off by more than any chance: the study sees what is there.
    let sampled = find(&study, Kind::Bias, "first_moment A");
    let point = sampled.points[0];
    assert!(point.value.abs() > SIGMAS * point.std_err, "{point:?}");
}

#[test]
fn walls_have_order_one_half_where_diffusivities_vary() {
    let options = Options { points: Some(4), from: Some(0.0025), to: Some(0.04), ..options(Axis::Dt, 1.2e8) };
    let study = done(&read(VARYING), &options);
    let wall = find(&study, Kind::Bias, "wall_density_left");
    let (order, error) = slope(wall);
    assert_eq!(wall.expected, Some(0.5));
    // The next term of the layer adds 0.05 or so at these steps.
    assert!((order - 0.5).abs() < SIGMAS * error + 0.1, "{order} +- {error}");
    assert!((order - 1.0).abs() > SIGMAS * error, "{order} +- {error}");
    assert!(study.series.iter().all(|s| s.kind != Kind::ChainBias), "no such law is known here");
}

#[test]
fn bin_averages_differ_from_values_at_second_order() {
    let study = done(&exact(), &options(Axis::Bins, 4e6));
    for label in ["density", "local_soret"] {
        let slope = find(&study, Kind::Binning, label).fit.expect("a fit").slope;
        assert!((slope + 2.0).abs() < 0.05, "{label}: {slope}");
        let noise = &find(&study, Kind::SamplingError, label).points;
        assert!(noise.windows(2).all(|w| w[1].value > 0.8 * w[0].value), "{label}: {noise:?}");
    }
}

#[test]
fn a_study_does_not_depend_on_threads() {
    let options = Options { repeats: 192, points: Some(2), ..options(Axis::Particles, 1e6) };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| done(&exact(), &options))
    };
    let one = on(1);
    assert_eq!(one, on(3));
    let mut other = exact();
    other.run.seed += 1;
    assert_ne!(one.series, done(&other, &options).series);
}

/// Gives up after some rounds.
struct Impatient(std::sync::atomic::AtomicUsize);

impl Observer for Impatient {
    fn tick(&self, _share: f64) {}
    fn after_round(&self, _progress: &Progress) -> Control {
        let seen = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if seen >= 2 { Control::Stop } else { Control::Continue }
    }
}

#[test]
fn a_study_that_is_given_up_says_nothing() {
    let options = Options { repeats: 128, ..options(Axis::Particles, 1e6) };
    let found = study(&exact(), &options, &Impatient(0.into())).expect("no error");
    assert!(found.is_none());
}

#[test]
fn options_that_do_not_fit_are_mistakes_of_usage() {
    let wrong = |experiment: &Experiment, options: &Options, word: &str| match study(experiment, options, &())
    {
        Err(Error::Usage(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{word}: {:?}", other.map(|s| s.is_some())),
    };
    wrong(&exact(), &options(Axis::Dt, 1e6), "no time step");
    wrong(&exact(), &Options { from: Some(1.0), ..Options::default() }, "--in");
    wrong(&exact(), &Options { from: Some(9.0), to: Some(3.0), ..options(Axis::Legs, 1e6) }, "below");
    let strange = Options {
        quantity: Some("colour".into()),
        repeats: 64,
        points: Some(2),
        ..options(Axis::Particles, 1e5)
    };
    wrong(&exact(), &strange, "mean_current A");
}

// ---------------------------------------------------------------------------------------- the program

/// `mc` with an experiment `tiny.json` in a folder of its own.
fn mc(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mc"));
    command.args(arguments).current_dir(place).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS"] {
        command.env_remove(name);
    }
    command.output().expect("mc starts")
}

fn place() -> TempDir {
    let place = TempDir::new().expect("a folder");
    let text = TWO.replace("METHOD", r#"{"exact": {}}"#).replace("SPAN", r#""legs": 2000"#);
    fs::write(place.path().join("tiny.json"), text).expect("a file");
    place
}

const SMALL: [&str; 8] = ["converge", "tiny.json", "--in", "particles", "--repeats", "64", "--effort", "2e5"];

#[test]
fn the_program_writes_a_folder_and_says_what_it_needs() {
    let place = place();
    let output = mc(place.path(), &SMALL);
    let page = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{page}\n{}", String::from_utf8_lossy(&output.stderr));
    for words in
        ["sampling error against particles", "-0.5", "for soret within 1 %", "bias: 0", "on this machine"]
    {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let folder = place.path().join("runs/tiny_converge");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|e| e.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    assert_eq!(names, ["converge.csv", "converge.json", "converge.png", "converge.svg", "manifest.json"]);
    let bytes = |name: &str| fs::read(folder.join(name)).expect("a file");
    let table = String::from_utf8(bytes("converge.csv")).expect("UTF-8");
    assert!(table.starts_with("axis,at,kind,quantity,state,value,std_err,"), "{table}");
    let json: Value = serde_json::from_slice(&bytes("converge.json")).expect("JSON");
    assert_eq!(json["settings"]["particles"], 4096);
    assert!(bytes("converge.png").starts_with(b"\x89PNG"));

    // Again: the same bytes, whatever the number of threads; --json is the file.
    let before = names[..4].iter().map(|n| bytes(n)).collect::<Vec<_>>();
    let mut again = SMALL.to_vec();
    again.extend(["--threads", "1", "--json", "-q"]);
    let output = mc(place.path(), &again);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    assert_eq!(output.stdout, bytes("converge.json"));
    assert_eq!(before, names[..4].iter().map(|n| bytes(n)).collect::<Vec<_>>());

    // Another study does not take its place without being told to.
    let mut other = SMALL.to_vec();
    other.extend(["--seed", "7"]);
    assert_eq!(mc(place.path(), &other).status.code(), Some(1));
    other.push("--force");
    assert_eq!(mc(place.path(), &other).status.code(), Some(0));
}

#[test]
fn the_program_refuses_what_makes_no_sense() {
    let place = place();
    for (arguments, words) in [
        (&["converge", "tiny.json", "--in", "dt"][..], "no time step"),
        (&["converge", "tiny.json", "--from", "3"][..], "--in"),
        (&["converge", "tiny.json", "--effort=-1"][..], "above 0"),
        (&["converge", "tiny.json", "--in", "colours"][..], "particles"),
    ] {
        let output = mc(place.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(!place.path().join("runs").exists());
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_study_writes_nothing() {
    use std::io::Read as _;
    let place = place();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mc"))
        .args(["converge", "tiny.json", "--effort", "1e13", "--repeats", "1000000"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mc starts");
    // The first line of progress says that signals are heard and work has begun.
    let mut first = [0];
    child.stderr.as_mut().expect("piped").read_exact(&mut first).expect("progress");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(kill.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    assert!(!place.path().join("runs").exists());
}
