//! `mc sweep` and `--until`, as their users meet them.

use serde_json::Value;
use soret::report::manifest::sha256;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Two states; the first diffuses slower or faster than the second, so that `soret` changes its sign.
const FILE: &str = r#"{
  "format_version": 1,
  "title": "Tiny",
  "parameters": { "fast": 0.1, "dT": 2 },
  "domain": { "length": 1 },
  "temperature": "1 + dT*x",
  "states": [ { "name": "excited", "energy": 1, "diffusivity": "fast" },
              { "name": "ground", "diffusivity": 0.05 } ],
  "transitions": [ { "between": ["excited", "ground"], "attempt_rate": 20, "barrier": 1.5 } ],
  "run": { "particles": 4096, "legs": 200, "seed": 1 },
  "measure": { "bins": 10 }
}"#;

fn place() -> TempDir {
    let place = TempDir::new().expect("a folder");
    fs::write(place.path().join("tiny.json"), FILE).expect("a file");
    place
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mc"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

fn mc(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("mc starts")
}

#[track_caller]
fn answer(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = mc(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, error) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{error}");
    (out, error)
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&bytes(folder, name)).expect("JSON")
}

fn points(folder: &Path) -> usize {
    fs::read_dir(folder.join("points")).expect("points").count()
}

const OUTPUTS: [&str; 4] = ["sweep.csv", "sweep.json", "sweep.svg", "sweep.png"];

#[test]
fn a_sweep_tells_where_soret_changes_its_sign() {
    let place = place();
    let scan = ["sweep", "tiny.json", "--scan", "parameters.fast=0.01:0.25:3:log"];
    let (page, said) = answer(place.path(), &scan, 0);
    let running = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["soret changes its sign at fast = ", "theory at 0.05", "AGREES with theory at all 3 points"]
    {
        assert!(running.contains(words), "{words}\n{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 120), "{page}");
    assert!(said.contains("written to runs/tiny_sweep"), "{said}");
    let folder = place.path().join("runs/tiny_sweep");
    let sweep = json(&folder, "sweep.json");
    let crossing = &sweep["sign_changes"][0];
    let (low, high) = (&crossing["simulation"][0]["low"], &crossing["simulation"][0]["high"]);
    // Without a difference of the diffusivities there is no thermophoresis; the interpolation is coarse.
    assert!(low.as_f64() < Some(0.06) && high.as_f64() > Some(0.04), "{crossing}");
    assert_eq!((&sweep["complete"], &sweep["agrees"]), (&true.into(), &true.into()));
    // Noise is independent: every point has a seed of its own.
    let seeds: Vec<&Value> = sweep["points"].as_array().expect("points").iter().map(|p| &p["seed"]).collect();
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2]);
    assert_eq!(json(&folder, "manifest.json")["complete"], true);

    // The table names its columns, and its numbers are those of the runs.
    let table = String::from_utf8(bytes(&folder, "sweep.csv")).expect("UTF-8");
    let head = "parameters.fast,quantity,state,time,value,std_err,ci_low,ci_high,theory,z,fast_limit,unit,reason,agrees,seed,run";
    assert_eq!(table.lines().next(), Some(head));
    let row: Vec<&str> =
        table.lines().find(|l| l.starts_with("0.05,soret,")).expect("a row").split(',').collect();
    let run = json(&folder, &format!("{}/summary.json", row[15]));
    assert_eq!(row[4].parse::<f64>().ok(), run["quantities"][0]["value"].as_f64());

    // A point is what `mc run` makes of the same settings and seed.
    let seed = format!("{}", run["run"]["seed"]);
    answer(
        place.path(),
        &["run", "tiny.json", "--set", "parameters.fast=0.05", "--seed", &seed, "--out", "one"],
        0,
    );
    assert_eq!(bytes(place.path(), "one/summary.json"), bytes(&folder, &format!("{}/summary.json", row[15])));
}

#[test]
fn points_that_are_done_are_not_done_again() {
    let place = place();
    let sweep = |scan: &str, more: &[&str]| {
        let arguments = [&["sweep", "tiny.json", "--scan", scan], more].concat();
        answer(place.path(), &arguments, 0).1
    };
    let folder = place.path().join("runs/tiny_sweep");
    sweep("parameters.fast=0.1,0.2", &["--threads", "1"]);
    let first: Vec<Vec<u8>> = OUTPUTS.iter().map(|name| bytes(&folder, name)).collect();
    let said = sweep("parameters.fast=0.1,0.2", &[]);
    assert!(said.contains("(2 points were there already)"), "{said}");
    // Found or computed, by one thread or by all: the same bytes.
    assert!(OUTPUTS.iter().zip(&first).all(|(name, before)| bytes(&folder, name) == *before));
    sweep("parameters.fast=0.1,0.2", &["--out", "elsewhere", "--threads", "3"]);
    let elsewhere = place.path().join("elsewhere");
    assert!(OUTPUTS.iter().zip(&first).all(|(name, before)| bytes(&elsewhere, name) == *before));

    // Other values join those that are there; other settings are other points.
    let said = sweep("parameters.fast=0.1:0.3:3", &[]);
    assert!(said.contains("(2 points were there already)"), "{said}");
    assert_eq!(points(&folder), 3);
    let said = sweep("parameters.fast=0.1,0.2", &["--set", "run.legs=100"]);
    assert!(!said.contains("already"), "{said}");
    // A damaged point is done again.
    sweep("parameters.fast=0.1,0.2", &[]);
    let point = json(&folder, "sweep.json")["points"][0]["run"].as_str().expect("a folder").to_owned();
    fs::write(folder.join(&point).join("summary.json"), "{}").expect("written");
    let said = sweep("parameters.fast=0.1,0.2", &[]);
    assert!(said.contains("(1 points were there already)") || said.contains("(1 point was"), "{said}");
    assert!(OUTPUTS.iter().zip(&first).all(|(name, before)| bytes(&folder, name) == *before));

    // What is no sweep is not replaced.
    answer(place.path(), &["run", "tiny.json"], 0);
    let (out, said) =
        answer(place.path(), &["sweep", "tiny.json", "--scan", "run.legs=10,20", "--out", "runs/tiny"], 1);
    assert!(out.is_empty() && said.contains("holds another run"), "{said}");
}

#[test]
fn two_parameters_give_a_family() {
    let place = place();
    let arguments = [
        "sweep",
        "tiny.json",
        "--scan",
        "parameters.fast=0.1,0.2",
        "--scan",
        "parameters.dT=1:2:2",
        "--json",
        "-q",
    ];
    let (out, said) = answer(place.path(), &arguments, 0);
    assert_eq!(said, "");
    let sweep: Value = serde_json::from_str(&out).expect("JSON");
    let at: Vec<String> =
        sweep["points"].as_array().expect("points").iter().map(|p| p["at"].to_string()).collect();
    let at_first = r#"{"parameters.fast":0.1,"parameters.dT":1}"#;
    let at_last = r#"{"parameters.fast":0.2,"parameters.dT":2}"#;
    assert_eq!((at[0].as_str(), at[3].as_str(), at.len()), (at_first, at_last, 4));
    assert_eq!(sweep["sign_changes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn every_point_is_checked_before_the_first_is_run() {
    let place = place();
    let (out, said) =
        answer(place.path(), &["sweep", "tiny.json", "--scan", "states[0].diffusivity=1,-1,0,x+,2"], 3);
    assert_eq!(out, "");
    for words in ["--scan states[0].diffusivity:1:", "-1", "expected a positive number", "x+"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert_eq!(said.matches("in --scan states[0].diffusivity").count(), 3, "{said}");
    // A mistake of the file that has nothing to do with the scan is told once.
    let wrong = FILE.replace("\"energy\"", "\"enrgy\"");
    fs::write(place.path().join("wrong.json"), wrong).expect("a file");
    let (_, said) = answer(place.path(), &["sweep", "wrong.json", "--scan", "parameters.dT=1:2:5"], 3);
    assert_eq!(said.matches("unknown key").count(), 1, "{said}");
    assert!(said.contains("the same at 4 more points"), "{said}");
    // One that it causes elsewhere names the setting.
    let (_, said) = answer(place.path(), &["sweep", "tiny.json", "--scan", "parameters.dT=1,-1"], 3);
    assert!(said.contains("--scan parameters.dT=-1"), "{said}");
    for (scan, words) in [
        (&["parameters.dT=1:2"][..], "path=from:to:n"),
        (&["parameters.dT=1:2:1"], "from 2 to 1000"),
        (&["states[7].energy=1,2"], "no entry [7]"),
        (&["parameters.dT=1,2", "parameters.dT=3,4"], "both scans"),
        (&["parameters.dT=1,2", "run.seed=3,4", "run.legs=5,6"], "at most two"),
    ] {
        let mut arguments = vec!["sweep", "tiny.json"];
        scan.iter().for_each(|s| arguments.extend(["--scan", s]));
        let (_, said) = answer(place.path(), &arguments, 2);
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!place.path().join("runs").exists());
}

#[test]
fn disagreement_at_a_point_is_exit_code_4() {
    let place = place();
    // From a uniform start, after five legs, nothing is stationary.
    let arguments = [
        "sweep",
        "tiny.json",
        "--scan",
        "run.legs=5,2000",
        "--set",
        "run.burn_in=0",
        "--set",
        "run.start=uniform",
        "--set",
        "run.particles=100000",
    ];
    let (page, _) = answer(place.path(), &arguments, 4);
    assert!(page.contains("DISAGREES with theory at "), "{page}");
}

#[test]
fn a_failed_check_at_a_point_is_exit_code_4() {
    let place = place();
    let scan = ["sweep", "tiny.json", "--scan", "parameters.fast=0.01,0.05,0.25"];
    let (page, _) = answer(place.path(), &scan, 0);
    assert!(page.contains("checks pass at all 3 points"), "{page}");
    let folder = place.path().join("runs/tiny_sweep");
    let run = json(&folder, "sweep.json")["points"][1]["run"].as_str().expect("a folder").to_owned();
    let file = folder.join(&run).join("summary.json");
    let untouched: Value = serde_json::from_slice(&fs::read(&file).expect("a summary")).expect("JSON");

    // The page that an altered summary gives; theory agrees all the same.
    let doctored = |p_value: Value, code: i32| {
        let mut summary = untouched.clone();
        let checks = summary["checks"]["checks"].as_array_mut().expect("checks");
        let check = checks.iter_mut().find(|c| c["verdict"] == "holds").expect("one that holds");
        (check["verdict"], check["p_value"]) = ("fails".into(), p_value);
        let name = check["name"].as_str().expect("a name").to_owned();
        summary["checks"]["passes"] = false.into();
        // The manifest knows the hash of what its run has written: a summary that was merely altered is made anew.
        let text = summary.to_string();
        let old = sha256(&bytes(&folder.join(&run), "summary.json"));
        let manifest = folder.join(&run).join("manifest.json");
        let known =
            fs::read_to_string(&manifest).expect("a manifest").replace(&old, &sha256(text.as_bytes()));
        fs::write(&file, text).and_then(|()| fs::write(&manifest, known)).expect("a doctored run");
        (answer(place.path(), &scan, code).0, name, json(&folder, "sweep.json"))
    };
    let (page, name, sweep) = doctored(1e-12.into(), 4);
    for words in ["AGREES with theory at all 3 points", "checks FAIL at 1 of 3 points:", "a check FAILS"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(page.contains(&format!("fast = 0.05: {name}")), "{page}");
    let verdicts: Vec<&Value> =
        sweep["points"].as_array().expect("points").iter().map(|p| &p["agrees"]).collect();
    assert_eq!(
        (verdicts, &sweep["agrees"]),
        (vec![&true.into(), &false.into(), &true.into()], &false.into())
    );
    assert_eq!(sweep["points"][1]["failed_checks"], serde_json::json!([name]));
    assert_eq!(sweep["points"][0]["failed_checks"], serde_json::json!([]));
    // One without a p-value fails as it is; a p-value that one run alone would not bear is borne by three.
    doctored(Value::Null, 4);
    let limit = untouched["checks"]["critical_p"].as_f64().expect("a limit");
    let (page, _, _) = doctored((0.5 * limit).into(), 0);
    assert!(page.contains("checks pass at all 3 points"), "{page}");
}

#[cfg(unix)]
#[test]
fn a_signal_keeps_the_points_that_are_done() {
    let place = place();
    // The second point is hours long.
    let runs = r#"run=[{"particles":256,"legs":50},{"particles":256,"legs":100000000,"rounds":1000000}]"#;
    let arguments = ["sweep", "tiny.json", "--scan", runs, "--threads", "1"];
    let mut child = command(place.path(), &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mc starts");
    let mut error = child.stderr.take().expect("a pipe");
    let mut said = String::new();
    let mut byte = [0];
    // The second point is on its way.
    while !said.contains("point 2/2") {
        error.read_exact(&mut byte).expect("a line of progress");
        said.push(char::from(byte[0]));
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill starts").success());
    error.read_to_string(&mut said).expect("the rest");
    let output = child.wait_with_output().expect("mc ends");
    assert_eq!(output.status.code(), Some(130), "{said}");
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(page.contains("INCOMPLETE: 1 of 2 points"), "{page}");
    let folder = place.path().join("runs/tiny_sweep");
    assert_eq!(json(&folder, "sweep.json")["points"].as_array().map(Vec::len), Some(1));
    assert_eq!(json(&folder, "manifest.json")["complete"], false);
}

#[test]
fn a_wanted_error_can_be_given_on_the_command_line() {
    let place = place();
    let set = ["--set", "run.legs=1000000"];
    let run = [&["run", "tiny.json", "--until", "soret:abs=0.01"], &set[..]].concat();
    let (page, _) = answer(place.path(), &run, 0);
    assert!(page.contains("soret known to 0.01: reached after"), "{page}");
    let configuration = &json(place.path(), "runs/tiny/manifest.json")["configuration"]["run"]["until"];
    assert_eq!(*configuration, serde_json::json!({ "quantity": "soret", "absolute_error": 0.01 }));

    let sweep = ["sweep", "tiny.json", "--scan", "parameters.dT=2", "--until", "soret:abs=1e-6"];
    let (page, _) = answer(place.path(), &sweep, 0);
    assert!(page.contains("error not reached"), "{page}");

    let (_, said) = answer(place.path(), &["run", "tiny.json", "--until", "population:grond:0.01"], 3);
    assert!(said.contains("--until run.until") && said.contains("population:ground"), "{said}");
    let (_, said) = answer(place.path(), &["run", "tiny.json", "--until", "soret"], 2);
    assert!(said.contains("quantity:0.01"), "{said}");
}
