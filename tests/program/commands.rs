//! `mc check`, `schema`, `init`, `completions`, `man` and `--set`, as their users meet them.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn mc(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mc"));
    // Away from the settings of whoever runs the tests.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS", "RAYON_NUM_THREADS"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).output().unwrap()
}

/// Standard output of a command that must succeed.
fn answer(folder: &Path, arguments: &[&str]) -> String {
    let output = mc(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and standard error of a command that must fail and print nothing.
fn failure(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = mc(folder, arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

const SYSTEMS: [&str; 9] = [
    "two_state",
    "n_states",
    "driven_ring",
    "temperature_table",
    "friction",
    "units",
    "blowtorch",
    "ring",
    "underdamped",
];

#[test]
fn every_example_is_written_checked_and_solved() {
    let place = TempDir::new().unwrap();
    for system in SYSTEMS {
        let file = format!("{system}.json");
        assert_eq!(answer(place.path(), &["init", system, "--out", &file]), "");
        let written = fs::read_to_string(place.path().join(&file)).unwrap();
        assert_eq!(answer(place.path(), &["init", system]), written);
        assert!(written.contains("\"notes\""));
        assert!(answer(place.path(), &["check", &file, "--quick"]).contains(": no mistakes"));
    }
    for system in SYSTEMS {
        let file = format!("{system}.json");
        let summary: Value =
            serde_json::from_str(&answer(place.path(), &["theory", &file, "--json"])).unwrap();
        assert!(summary["quantities"].is_object() || summary["quantities"].is_array(), "{system}");
    }
    assert_eq!(answer(place.path(), &["init"]), answer(place.path(), &["init", "two_state"]));
    let (code, said) = failure(place.path(), &["init", "two_state", "--out", "two_state.json"]);
    assert!(code == Some(1) && said.contains("two_state.json"), "{said}");
    let (code, said) = failure(place.path(), &["init", "three_state"]);
    assert!(code == Some(2) && said.contains("driven_ring"), "{said}");
}

#[test]
fn check_forecasts_a_run() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("two.json"), answer(place.path(), &["init"])).unwrap();
    let arguments =
        ["check", "two.json", "--set", "run.particles=64", "--set", "run.legs=100", "--threads", "1"];
    let page = answer(place.path(), &arguments);
    for word in ["2 states, 1 transition, exact", "k_B = 1", "work", "time", "memory", "soret", "error"] {
        assert!(page.contains(word), "{word} is not in\n{page}");
    }
    let json = answer(place.path(), &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let forecast = &json["forecast"];
    for key in ["legs", "memory_bytes", "seconds", "nanoseconds_per_leg", "relaxation_time"] {
        assert!(forecast[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(forecast["soret"]["error"].as_f64().unwrap() > 0.0);
    assert_eq!(json["configuration"]["run"]["particles"], 64);
    assert_eq!(json["warnings"], Value::Array(Vec::new()));
    // A run that may end early is forecast at its longest.
    assert!(!page.contains("longest run"), "{page}");
    let until = r#"run.until={"quantity":"soret","absolute_error":0.5}"#;
    let page = answer(place.path(), &[&arguments[..], &["--set", until]].concat());
    assert!(page.contains("the forecast of the longest run"), "{page}");
    // At uniform temperature there is no Soret coefficient, and a warning is told.
    let page = answer(
        place.path(),
        &[&arguments[..], &["--set", "temperature=1", "--set", "states[0].diffusivity=0.1*(1+x)"]].concat(),
    );
    assert!(page.contains("none: the temperature is uniform"), "{page}");
    assert!(page.contains("warning: the ratio of the diffusivities"), "{page}");
    assert!(page.starts_with("two: no mistakes, but 1 warning\n"), "{page}");
}

#[test]
fn check_repeats_what_the_method_says_about_itself() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("two.json"), answer(place.path(), &["init"])).unwrap();
    let with_step = |dt: &str, more: &[&str]| {
        let method = format!("method={{\"euler_maruyama\": {{\"dt\": {dt}}}}}");
        let run = "run={\"particles\": 64, \"duration\": 2000}";
        let arguments = ["check", "two.json", "--quick", "--set", &method, "--set", run];
        answer(place.path(), &[&arguments[..], more].concat())
    };
    assert!(with_step("0.001", &[]).starts_with("two: no mistakes\n"));
    let page = with_step("20", &[]);
    assert!(
        page.starts_with("two: no mistakes, but ") && page.contains("warning: the fastest rate times dt"),
        "{page}"
    );
    let json: Value = serde_json::from_str(&with_step("20", &["--json"])).unwrap();
    assert!(json["warnings"][0]["seen"].as_str().unwrap().starts_with("the fastest rate times dt"), "{json}");
}

#[test]
fn settings_reach_every_command_and_their_mistakes_are_told() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("two.json"), answer(place.path(), &["init"])).unwrap();
    let seen = answer(place.path(), &["theory", "two.json", "--json", "--set", "measure.bins=8"]);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["bins"], 8);
    let run =
        ["run", "two.json", "-q", "--set", "run={\"particles\": 64, \"legs\": 20, \"seed\": 5}", "--json"];
    let output = mc(place.path(), &run);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((seen["run"]["seed"].as_u64(), seen["run"]["particles"].as_u64()), (Some(5), Some(64)));
    let manifest = fs::read_to_string(place.path().join("runs/two/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["configuration"]["run"]["legs"], 20);
    for command in ["run", "theory", "check"] {
        for (setting, code, words) in [
            ("run.seed=1.5", 3, "--set run.seed"),
            ("temperature=1 + y", 3, "unknown name `y`"),
            ("states[7].energy=1", 2, "--set states[7].energy"),
            ("seed", 2, "path=value"),
        ] {
            let (found, said) = failure(place.path(), &[command, "two.json", "--set", setting]);
            assert!(found == Some(code) && said.contains(words), "{command} {setting}: {found:?} {said}");
        }
    }
}

#[test]
fn schema_completions_and_manual_are_printed() {
    let place = TempDir::new().unwrap();
    let schema: Value = serde_json::from_str(&answer(place.path(), &["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(answer(place.path(), &["completions", shell]).contains("theory"), "{shell}");
    }
    let manual = answer(place.path(), &["man"]);
    for word in [".TH", "mc-run", "mc-check", "mc-theory", "exit codes", "PATH"] {
        assert!(manual.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
}
