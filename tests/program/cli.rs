//! The program as its users meet it: what goes to which stream, what appears on disk, which exit code.
//! Nothing here asserts a time; tests that wait for something wait until it happens.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
#[cfg(unix)]
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Two states, small enough for many runs a second; `RUN` is replaced.
const TINY: &str = r#"{
  "format_version": 1,
  "title": "Tiny",
  "domain": { "length": 1.0, "walls": "reflecting" },
  "temperature": "1 + 0.8*x",
  "states": [
    { "name": "excited", "energy": 1.0, "diffusivity": 0.1 },
    { "name": "ground", "energy": 0.0, "diffusivity": 0.01 }
  ],
  "transitions": [ { "between": ["excited", "ground"], "attempt_rate": 1.0, "barrier": 1.5 } ],
  "motion": "overdamped",
  "method": { "exact": {} },
  "run": { RUN },
  "measure": { "bins": 10 }
}
"#;

/// A run that agrees with theory.
const SOUND: &str = r#""particles": 256, "legs": 50, "seed": 1"#;

/// The files of a run folder, in order.
const FILES: [&str; 8] = [
    "assisted.csv",
    "checks.json",
    "currents.csv",
    "manifest.json",
    "profiles.csv",
    "profiles.png",
    "profiles.svg",
    "summary.json",
];

/// A folder of its own for each test, with an experiment `tiny.json`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().expect("a temporary folder"));
        place.experiment("tiny.json", SOUND);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn experiment(&self, name: &str, run: &str) {
        self.write(name, &TINY.replace("RUN", run));
    }

    /// `mc` in this folder, away from the settings of whoever runs the tests.
    fn mc<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mc"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS", "RAYON_NUM_THREADS"] {
            command.env_remove(name);
        }
        command
    }

    fn output<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.mc(arguments).output().expect("mc starts")
    }

    /// Everything in the folder but experiment files, in order.
    fn leftovers(&self) -> Vec<String> {
        names(self.0.path()).into_iter().filter(|name| !name.ends_with(".json")).collect()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

#[track_caller]
fn code(output: &Output, expected: i32) {
    let streams = || format!("stdout: {}\nstderr: {}", stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(expected), "{}", streams());
}

// ------------------------------------------------------------------------------------ a run that works

#[test]
fn a_run_prints_its_page_and_writes_its_folder() {
    let place = Place::new();
    let output = place.output(&["run", "tiny.json"]);
    code(&output, 0);
    assert!(stdout(&output).starts_with("Tiny\n"), "{}", stdout(&output));
    for words in ["soret", "mc ± s.e.", "AGREES with theory", "invariants: all hold"] {
        assert!(stdout(&output).contains(words), "{words}\n{}", stdout(&output));
    }
    // On a busy machine plain lines of progress may come before it.
    let written = format!("written to {}", Path::new("runs").join("tiny").display());
    assert_eq!(stderr(&output).lines().last(), Some(written.as_str()));
    assert_eq!(names(&place.path("runs/tiny")), FILES);
    assert_eq!(names(&place.path("runs")), ["tiny"], "nothing is left under construction");
    assert_eq!(place.json("runs/tiny/manifest.json")["complete"], true);
}

#[test]
fn the_page_is_as_wide_as_asked_and_tears_no_relation_apart() {
    let place = Place::new();
    for (columns, limit) in [("60", 60), ("80", 80), ("1000", 120)] {
        let output = place.mc(&["run", "tiny.json"]).env("COLUMNS", columns).output().expect("mc starts");
        code(&output, 0);
        for line in stdout(&output).lines() {
            assert!(line.chars().count() <= limit, "{columns}: {line}");
            assert!(!line.ends_with(", z") && !line.ends_with('=') && !line.ends_with('<'), "{line}");
            assert!(!line.contains('…'), "{line}");
        }
    }
}

#[test]
fn json_is_alone_on_standard_output_and_equals_the_file() {
    let place = Place::new();
    let output = place.output(&["run", "tiny.json", "--json"]);
    code(&output, 0);
    assert_eq!(output.stdout, place.bytes("runs/tiny/summary.json"));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["run"]["complete"], true);

    let output = place.output(&["theory", "tiny.json", "--json", "--out", "theory"]);
    code(&output, 0);
    assert_eq!(output.stdout, place.bytes("theory/summary.json"));
}

#[test]
fn verify_judges_an_experiment_and_a_run_alike() {
    let place = Place::new();
    let fresh = place.output(&["verify", "tiny.json", "-q"]);
    code(&fresh, 0);
    assert_eq!((stderr(&fresh), place.leftovers()), ("", Vec::new()), "nothing is written");
    for words in
        ["Tiny\n", "checks: ", "pass", "current of ground follows from its density", "could have seen"]
    {
        assert!(stdout(&fresh).contains(words), "{words}\n{}", stdout(&fresh));
    }
    for columns in ["60", "80"] {
        let narrow =
            place.mc(&["verify", "tiny.json", "-q"]).env("COLUMNS", columns).output().expect("mc starts");
        let limit = columns.parse::<usize>().expect("a number");
        assert!(stdout(&narrow).lines().all(|line| line.chars().count() <= limit), "{}", stdout(&narrow));
    }
    let run = place.output(&["run", "tiny.json"]);
    code(&run, 0);
    assert!(stdout(&run).contains("checks: "), "{}", stdout(&run));
    let again = place.output(&["verify", "runs/tiny"]);
    code(&again, 0);
    assert_eq!(again.stdout, fresh.stdout, "judged from the folder, byte for byte");

    let answer = |path: &str| -> Value {
        let output = place.output(&["verify", path, "--json", "-q"]);
        code(&output, 0);
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    assert_eq!(answer("tiny.json"), answer("runs/tiny"));
    let checks = &answer("runs/tiny")["checks"];
    assert_eq!(*checks, place.json("runs/tiny/summary.json")["checks"]);
    assert!(checks["passes"] == true && checks["alpha"].as_f64() == Some(1e-4));
}

#[test]
fn verify_refuses_what_is_no_run_and_what_was_changed() {
    let place = Place::new();
    code(&place.output(&["run", "tiny.json"]), 0);
    code(&place.output(&["theory", "tiny.json", "--out", "theory"]), 0);
    fs::create_dir(place.path("empty")).expect("a folder");
    for (folder, missing) in [("empty", "manifest.json"), ("theory", "checks.json")] {
        let output = place.output(&["verify", folder]);
        code(&output, 1);
        assert!(stderr(&output).contains(missing) && stderr(&output).contains("hint"), "{}", stderr(&output));
    }
    for option in [["--seed", "2"], ["--set", "run.legs=3"], ["--threads", "1"]] {
        let output = place.output(&["verify", "runs/tiny", option[0], option[1]]);
        code(&output, 2);
        assert!(stderr(&output).contains("made already"), "{}", stderr(&output));
    }
    let text = String::from_utf8(place.bytes("runs/tiny/checks.json")).expect("UTF-8");
    place.write("runs/tiny/checks.json", &text.replace("1", "2"));
    let output = place.output(&["verify", "runs/tiny"]);
    code(&output, 1);
    assert!(stderr(&output).contains("was changed after the run"), "{}", stderr(&output));
}

#[test]
fn a_check_that_fails_ends_with_code_4() {
    // Steps of four waiting times: the rates that particles have are not those of the file.
    let place = Place::new();
    let text = TINY.replace(r#""exact": {}"#, r#""euler_maruyama": { "dt": 4 }"#);
    place.write("coarse.json", &text.replace("RUN", r#""particles": 4096, "duration": 2000, "seed": 1"#));
    let output = place.output(&["verify", "coarse.json", "-q"]);
    code(&output, 4);
    assert!(stdout(&output).contains("FAIL: "), "{}", stdout(&output));
    code(&place.output(&["run", "coarse.json", "-q"]), 4);
    let again = place.output(&["verify", "runs/coarse"]);
    code(&again, 4);
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn quiet_says_nothing_beside_the_result() {
    let place = Place::new();
    for flag in ["-q", "--quiet"] {
        let output = place.output(&["run", "tiny.json", flag]);
        code(&output, 0);
        assert_eq!(stderr(&output), "");
        assert!(stdout(&output).contains("soret"));
    }
}

#[test]
fn a_dash_reads_standard_input() {
    let place = Place::new();
    let text = TINY.replace("RUN", SOUND);
    let feed = |arguments: &[&str], text: &str| {
        let mut child = place
            .mc(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mc starts");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it listens");
        child.wait_with_output().expect("mc ends")
    };
    let output = feed(&["run", "-", "--out", "piped"], &text);
    code(&output, 0);
    code(&place.output(&["run", "tiny.json"]), 0);
    assert_eq!(place.bytes("piped/profiles.csv"), place.bytes("runs/tiny/profiles.csv"));

    code(&feed(&["theory", "-"], &text), 0);
    let output = feed(&["run", "-", "--out", "broken"], &text.replace("barrier", "barier"));
    code(&output, 3);
    assert!(stderr(&output).contains(":10:"), "{}", stderr(&output));
    assert!(!place.path("broken").exists());
}

#[test]
fn theory_needs_no_run_and_writes_only_when_asked() {
    let place = Place::new();
    let output = place.output(&["theory", "tiny.json"]);
    code(&output, 0);
    assert!(stdout(&output).contains("continuum theory, no simulation"), "{}", stdout(&output));
    assert_eq!(stderr(&output), "");
    assert_eq!(place.leftovers(), [""; 0]);

    code(&place.output(&["theory", "tiny.json", "--out", "theory"]), 0);
    for file in ["manifest.json", "profiles.csv", "summary.json"] {
        assert!(place.path("theory").join(file).exists(), "{file}");
    }
    // Nobody's hours of simulation are replaced by a theory of the same file.
    code(&place.output(&["run", "tiny.json"]), 0);
    let before = place.bytes("runs/tiny/summary.json");
    code(&place.output(&["theory", "tiny.json", "--out", "runs/tiny"]), 1);
    assert_eq!(place.bytes("runs/tiny/summary.json"), before);
}

// ------------------------------------------------------------------------------ what results depend on

#[test]
fn results_do_not_depend_on_threads() {
    let place = Place::new();
    for threads in ["1", "2", "3"] {
        code(&place.output(&["run", "tiny.json", "--threads", threads, "--out", threads]), 0);
        for file in FILES.iter().filter(|file| **file != "manifest.json") {
            let (one, here) = (place.bytes(&format!("1/{file}")), place.bytes(&format!("{threads}/{file}")));
            assert!(one == here, "{file} differs between 1 and {threads} threads");
        }
        let manifest = place.json(&format!("{threads}/manifest.json"));
        assert_eq!(manifest["threads"].to_string(), threads);
    }
}

#[test]
fn the_seed_of_the_command_line_counts() {
    let place = Place::new();
    let output = place.output(&["run", "tiny.json", "--seed", "12345", "--out", "other"]);
    code(&output, 0);
    assert!(stdout(&output).contains("seed 12345"), "{}", stdout(&output));
    code(&place.output(&["run", "tiny.json", "--out", "file"]), 0);
    assert_ne!(place.bytes("other/profiles.csv"), place.bytes("file/profiles.csv"));
    assert_eq!(place.json("other/manifest.json")["seed"], 12345);
    assert_eq!(place.json("other/manifest.json")["configuration"]["run"]["seed"], 12345);

    // The same seed by either way is the same run.
    place.experiment("tiny.json", &SOUND.replace("\"seed\": 1", "\"seed\": 12345"));
    code(&place.output(&["run", "tiny.json", "--out", "again"]), 0);
    assert_eq!(place.bytes("other/summary.json"), place.bytes("again/summary.json"));
}

// -------------------------------------------------------------------------------- what may be replaced

#[test]
fn only_the_same_run_is_replaced_unless_forced() {
    let place = Place::new();
    code(&place.output(&["run", "tiny.json"]), 0);
    code(&place.output(&["run", "tiny.json"]), 0);
    let before = place.bytes("runs/tiny/summary.json");

    let output = place.output(&["run", "tiny.json", "--seed", "2"]);
    code(&output, 1);
    assert!(stderr(&output).contains("seed 1 instead of 2"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("another configuration"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint:") && stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_eq!(place.bytes("runs/tiny/summary.json"), before);

    code(&place.output(&["run", "tiny.json", "--seed", "2", "--force"]), 0);
    assert_ne!(place.bytes("runs/tiny/summary.json"), before);

    place.experiment("tiny.json", &SOUND.replace("50", "60").replace("\"seed\": 1", "\"seed\": 2"));
    let output = place.output(&["run", "tiny.json"]);
    code(&output, 1);
    assert!(stderr(&output).contains("another configuration"), "{}", stderr(&output));
}

#[test]
fn foreign_files_stay() {
    let place = Place::new();
    fs::create_dir(place.path("mine")).expect("a folder");
    place.write("mine/thesis.txt", "years");
    code(&place.output(&["run", "tiny.json", "--out", "mine"]), 1);
    assert_eq!(names(&place.path("mine")), ["thesis.txt"]);
    code(&place.output(&["run", "tiny.json", "--out", "mine", "--force"]), 0);
    assert_eq!(place.bytes("mine/thesis.txt"), b"years");

    place.write("file", "text");
    code(&place.output(&["run", "tiny.json", "--out", "file", "--force"]), 1);
    assert_eq!(place.bytes("file"), b"text");
}

// --------------------------------------------------------------------------------------------- failure

#[test]
fn a_mistake_in_the_file_is_shown_with_its_place() {
    let place = Place::new();
    place.write("bad.json", &TINY.replace("RUN", SOUND).replace("barrier", "barier"));
    for command in ["run", "theory"] {
        let output = place.output(&[command, "bad.json"]);
        code(&output, 3);
        assert_eq!(stdout(&output), "");
        for words in ["bad.json:10:77", "unknown key \"barier\"", "did you mean \"barrier\"?"] {
            assert!(stderr(&output).contains(words), "{words}\n{}", stderr(&output));
        }
    }
    place.write("worse.json", "{ \"format_version\": 1, ");
    code(&place.output(&["run", "worse.json"]), 3);
    assert_eq!(place.leftovers(), [""; 0], "no folder appears");
}

#[test]
fn failures_at_run_time_leave_nothing_behind() {
    let place = Place::new();
    let output = place.output(&["run", "absent.json"]);
    code(&output, 1);
    assert!(stderr(&output).starts_with("error: absent.json: "), "{}", stderr(&output));

    // A file in the way of the parent folder.
    place.write("wall", "");
    let output = place.output(&["run", "tiny.json", "--out", "wall/run"]);
    code(&output, 1);
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    assert_eq!(place.leftovers(), ["wall"]);
}

#[test]
fn wrong_usage_is_told() {
    let place = Place::new();
    let cases: [(&[&str], &str); 8] = [
        (&[], "Usage: mc"),
        (&["walk", "tiny.json"], "unrecognized subcommand"),
        (&["tiny.json"], "did you mean `mc run tiny.json`?"),
        (&["run"], "<FILE>"),
        (&["run", "tiny.json", "--sed", "1"], "--seed"),
        (&["run", "tiny.json", "--seed", "one"], "--seed"),
        (&["run", "tiny.json", "--threads", "0"], "1..=1024"),
        (&["run", "tiny.json", "--color", "mauve"], "always"),
    ];
    for (arguments, words) in cases {
        let output = place.output(arguments);
        code(&output, 2);
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains(words), "{arguments:?}\n{}", stderr(&output));
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

#[test]
fn a_transient_that_is_taken_for_the_stationary_law_is_exit_code_4() {
    let place = Place::new();
    // From a uniform start, after five legs, nothing is stationary; the program warns and disagrees.
    place.experiment(
        "early.json",
        r#""particles": 200000, "legs": 5, "burn_in": 0, "start": "uniform", "seed": 1"#,
    );
    let output = place.output(&["run", "early.json"]);
    code(&output, 4);
    for words in ["DISAGREES with theory", "warning: the burn-in of 0 legs", "hint: "] {
        assert!(stdout(&output).contains(words), "{words}\n{}", stdout(&output));
    }
    assert_eq!(names(&place.path("runs/early")), FILES, "what was measured is kept");
    assert_eq!(place.json("runs/early/manifest.json")["complete"], true);
}

// ------------------------------------------------------------------------------------- colour and pipes

#[test]
fn colour_is_where_it_is_wanted() {
    let place = Place::new();
    let escapes = |arguments: &[&str], no_color: &str| {
        let output = place.mc(arguments).env("NO_COLOR", no_color).output().expect("mc starts");
        (stdout(&output).contains('\u{1b}'), stderr(&output).contains('\u{1b}'))
    };
    place.write("bad.json", "{}");
    for (no_color, color, wanted) in
        [("", "auto", false), ("1", "auto", false), ("", "never", false), ("1", "always", true)]
    {
        let (out, error) = escapes(&["run", "tiny.json", "--color", color], no_color);
        assert_eq!((out, error), (wanted, false), "--color {color}, NO_COLOR={no_color}");
        assert_eq!(escapes(&["theory", "tiny.json", "--color", color], no_color), (wanted, false));
        assert_eq!(escapes(&["run", "bad.json", "--color", color], no_color), (false, wanted));
        // JSON is for programs.
        assert_eq!(escapes(&["run", "tiny.json", "--json", "--color", color], no_color), (false, false));
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let place = Place::new();
    for arguments in [&["run", "tiny.json"][..], &["run", "tiny.json", "--json"], &["theory", "tiny.json"]] {
        // The reader leaves before the first word.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = place.mc(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("mc starts");
        code(&output, 0);
        assert!(!stderr(&output).contains("panic"), "{}", stderr(&output));
    }
    assert_eq!(names(&place.path("runs/tiny")), FILES);
}

// --------------------------------------------------------------------------------------------- signals

/// A run of many rounds, hours long unless it is stopped.
#[cfg(unix)]
const ENDLESS: &str = r#""particles": 256, "legs": 100000000, "rounds": 1000000, "seed": 1"#;

/// A run that gets a signal once it has said a line that begins with `cue`: everything that it said on
/// standard error, and how it ended.
#[cfg(unix)]
fn interrupted(place: &Place, file: &str, cue: &str, signal: &str) -> (String, Output) {
    let mut child = place
        .mc(&["run", file, "--threads", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mc starts");
    // A line of progress says that the run is on its way and the signal will be heard.
    let mut error = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.lines().last().is_some_and(|line| line.starts_with(cue)) {
        assert!(error.read_line(&mut said).expect("UTF-8") > 0, "mc has ended: {said}");
    }
    // The shell's own command: not every machine has a program of this name.
    let kill = format!("kill -s {signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    error.read_to_string(&mut said).expect("the rest");
    (said, child.wait_with_output().expect("mc ends"))
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_after_its_round() {
    for (signal, expected) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        place.experiment("endless.json", ENDLESS);
        let (said, output) = interrupted(&place, "endless.json", "round ", signal);
        code(&output, expected);
        for words in ["M legs/s", "s left", "soret "] {
            assert!(said.contains(words), "plain lines name {words:?}: {said}");
        }
        assert!(!said.contains('\u{1b}') && !said.contains('\r'), "no bar in a pipe: {said:?}");
        assert!(stdout(&output).contains("INCOMPLETE: stopped after"), "{}", stdout(&output));
        assert_eq!(names(&place.path("runs/endless")), FILES);
        assert_eq!(place.json("runs/endless/manifest.json")["complete"], false);
        let run = &place.json("runs/endless/summary.json")["run"];
        assert_eq!(run["complete"], false);
        assert!(run["rounds_done"].as_u64() < run["rounds_planned"].as_u64());
    }
}

#[cfg(unix)]
#[test]
fn a_signal_is_heard_during_the_burn_in_and_no_verdict_is_given() {
    let place = Place::new();
    // One group after the other, each with a burn-in of hours.
    place.experiment("burning.json", r#""particles": 256, "legs": 50, "burn_in": 100000000000, "seed": 1"#);
    let (said, output) = interrupted(&place, "burning.json", "before the first estimate", "INT");
    code(&output, 130);
    assert!(!said.contains("round "), "{said}");
    let page = stdout(&output);
    for words in ["INCOMPLETE: stopped after 0 of", "NO VERDICT", "nothing was compared with theory"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("AGREES"), "{page}");
    let comparison = &place.json("runs/burning/summary.json")["comparison"];
    assert_eq!(comparison["agrees"], Value::Null);
    assert_eq!(comparison["comparisons"], 0);
    let why = "nothing was compared with theory: the run ended before it scored anything";
    assert_eq!(comparison["sentences"], Value::from(vec![why]));
}

// ------------------------------------------------------------------------------------------------ help

#[test]
fn help_names_every_option_and_exit_code() {
    let place = Place::new();
    let help = |arguments: &[&str]| {
        let output = place.output(arguments);
        code(&output, 0);
        assert_eq!(stderr(&output), "");
        // Where lines break depends on the terminal.
        stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let top = help(&["--help"]);
    for words in [
        "Usage: mc [OPTIONS] <COMMAND>",
        "run Simulate an experiment",
        "theory Solve the continuum theory",
        "verify Check hidden currents and sum rules",
        "--color <COLOR>",
        "Exit codes: 0 done, 1 failed at run time, 2 usage, 3 mistakes in the experiment file, 4 simulation and \
         theory disagree or a check fails, 130 or 143 ended early by a signal.",
        "mc run experiments/two_state.json",
    ] {
        assert!(top.contains(words), "{words}\n{top}");
    }
    let run = help(&["run", "--help"]);
    for option in ["<FILE>", "--out", "--force", "--seed", "--threads", "--json", "-q, --quiet", "--color"] {
        assert!(run.contains(option), "{option}\n{run}");
    }
    for file in FILES.iter().filter(|file| **file != "profiles.png") {
        assert!(run.contains(file), "{file}\n{run}");
    }
    let verify = help(&["verify", "--help"]);
    for option in ["<FILE|RUN>", "--set", "--seed", "--threads", "--json", "-q, --quiet"] {
        assert!(verify.contains(option), "{option}\n{verify}");
    }
    let theory = help(&["theory", "--help"]);
    for option in ["<FILE>", "--out", "--force", "--json"] {
        assert!(theory.contains(option), "{option}\n{theory}");
    }
    assert_eq!(help(&["--version"]), concat!("mc ", env!("CARGO_PKG_VERSION")));
}
