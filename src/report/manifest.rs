//! `manifest.json`: how a run folder came about. Times, machine, command line and threads stand here and
//! nowhere else, so that all other files are a function of the experiment file and the seed.

use super::summary::{FORMAT_VERSION, Summary, Warning};
use super::{Output, ReportError, json};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Instant;

/// The program's name in the manifest; a folder is a run folder if its manifest carries it.
pub const PROGRAM: &str = "soret";

/// Everything about one execution.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// Version of the layout of all files.
    pub format_version: u32,
    /// Always [`PROGRAM`].
    pub program: String,
    /// Version of the program.
    pub version: String,
    /// Commit it was built from, if known.
    pub git_commit: Option<String>,
    /// Name of the experiment.
    pub name: String,
    /// Whether the run was done to its end.
    pub complete: bool,
    /// Seed of all streams.
    pub seed: u64,
    /// Name of the generator of random numbers.
    pub generator: String,
    /// In what numbers the kernel worked, and what bias they may bring; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<String>,
    /// Hash of the configuration, [`configuration_sha256`].
    pub configuration_sha256: String,
    /// The experiment as run, defaults filled in.
    pub configuration: Value,
    /// Threads used.
    pub threads: usize,
    /// The command line, word by word.
    pub command_line: Vec<String>,
    /// Start, ISO 8601, UTC.
    pub started: String,
    /// End, ISO 8601, UTC.
    pub finished: String,
    /// Seconds in between, by a clock that does not jump.
    pub wall_seconds: f64,
    /// The machine.
    pub machine: Machine,
    /// What a reader should be warned about.
    pub warnings: Vec<Warning>,
    /// The other files of the folder; filled in by [`folder::write`](super::folder::write).
    pub outputs: Vec<OutputRecord>,
}

/// A machine in three words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Architecture.
    pub arch: String,
    /// Cores that this process may use; none if unknown.
    pub cores: Option<usize>,
}

impl Machine {
    /// The one this runs on.
    pub fn this() -> Self {
        Self {
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            cores: std::thread::available_parallelism().ok().map(usize::from),
        }
    }
}

/// One file of a run folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputRecord {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: usize,
    /// Its SHA-256.
    pub sha256: String,
}

impl OutputRecord {
    /// Of a file to be written.
    pub fn of(output: &Output) -> Self {
        Self { name: output.name.clone(), bytes: output.bytes.len(), sha256: sha256(&output.bytes) }
    }
}

/// What the caller knows of an execution beyond its [`Summary`].
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Commit the program was built from.
    pub git_commit: Option<String>,
    /// The experiment as run, defaults filled in.
    pub configuration: Value,
    /// Name of the generator of random numbers.
    pub generator: String,
    /// Threads used.
    pub threads: usize,
    /// The command line, word by word.
    pub command_line: Vec<String>,
}

/// Marks the start of a run.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Timestamp,
    instant: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { started: Timestamp::now(), instant: Instant::now() }
    }
}

impl Manifest {
    /// The manifest of a run that ends now.
    pub fn new(summary: &Summary, circumstances: Circumstances, stopwatch: Stopwatch) -> Self {
        let (complete, seed) = (summary.run.complete, summary.run.seed);
        Self {
            warnings: summary.warnings.clone(),
            arithmetic: summary.run.arithmetic.clone(),
            ..Self::of(&summary.name, complete, seed, circumstances, stopwatch)
        }
    }

    /// The manifest of any work that ends now.
    pub fn of(
        name: &str,
        complete: bool,
        seed: u64,
        circumstances: Circumstances,
        stopwatch: Stopwatch,
    ) -> Self {
        let Circumstances { git_commit, configuration, generator, threads, command_line } = circumstances;
        Self {
            format_version: FORMAT_VERSION,
            program: PROGRAM.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            git_commit,
            name: name.into(),
            complete,
            seed,
            generator,
            arithmetic: None,
            configuration_sha256: configuration_sha256(&configuration),
            configuration,
            threads,
            command_line,
            started: iso8601(stopwatch.started),
            finished: iso8601(Timestamp::now()),
            wall_seconds: stopwatch.instant.elapsed().as_secs_f64(),
            machine: Machine::this(),
            warnings: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Which run this is.
    pub fn identity(&self) -> Identity {
        Identity { configuration_sha256: self.configuration_sha256.clone(), seed: self.seed }
    }

    /// `manifest.json` as it stands on disk.
    pub fn to_json(&self) -> Result<String, ReportError> {
        if !self.wall_seconds.is_finite() {
            return Err(ReportError::NotFinite {
                place: "manifest: wall_seconds".into(),
                value: self.wall_seconds,
            });
        }
        json::pretty(self)
    }
}

/// What makes two runs the same: everything that their results depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the configuration.
    pub configuration_sha256: String,
    /// Seed of all streams.
    pub seed: u64,
}

impl Identity {
    /// Of a run that has not been made yet.
    pub fn new(configuration: &Value, seed: u64) -> Self {
        Self { configuration_sha256: configuration_sha256(configuration), seed }
    }
}

/// What a manifest on disk says about its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub identity: Identity,
    /// Version and commit of the program that wrote it.
    pub program: (Option<String>, Option<String>),
    /// Whether what it was about was done to its end.
    pub complete: bool,
    /// Whether it is the manifest of a sweep, whose results can be had again from its points.
    pub sweep: bool,
    /// Names and hashes of the files written with it.
    pub outputs: Vec<(String, String)>,
}

impl Found {
    /// `None` if the text is not a manifest of this program. Only the stable core is read, so that
    /// folders of other versions are recognised.
    pub fn parse(text: &str) -> Option<Self> {
        let manifest: Value = serde_json::from_str(text).ok()?;
        if manifest.get("program")?.as_str()? != PROGRAM {
            return None;
        }
        let identity = Identity {
            configuration_sha256: manifest.get("configuration_sha256")?.as_str()?.into(),
            seed: manifest.get("seed")?.as_u64()?,
        };
        let outputs = manifest
            .get("outputs")?
            .as_array()?
            .iter()
            .filter_map(|output| {
                let name = output.get("name")?.as_str()?;
                let sha256 = output.get("sha256")?.as_str()?;
                Some((name.to_owned(), sha256.to_owned()))
            })
            .collect();
        let text = |key: &str| manifest.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            identity,
            program: (text("version"), text("git_commit")),
            complete: manifest.get("complete").and_then(Value::as_bool) == Some(true),
            sweep: manifest.pointer("/configuration/scans").is_some(),
            outputs,
        })
    }
}

/// SHA-256 of the [`canonical`] text of a configuration, in hexadecimal.
pub fn configuration_sha256(configuration: &Value) -> String {
    sha256(canonical(configuration).as_bytes())
}

/// JSON without blanks, keys sorted by their bytes, floats in their shortest form: the same text for the
/// same configuration, however its file was laid out.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// To the millisecond, in UTC: `2025-03-01T12:00:00.123Z`.
fn iso8601(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_does_not_see_the_layout() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, 2.50], "a": {"y": null, "x": "é\""}}"#).expect("valid JSON");
        let two = json!({"a": {"x": "é\"", "y": null}, "b": [1, 2.5]});
        assert_eq!(canonical(&one), r#"{"a":{"x":"é\"","y":null},"b":[1,2.5]}"#);
        assert_eq!(configuration_sha256(&one), configuration_sha256(&two));
        let three = json!({"a": {"x": "é\"", "y": null}, "b": [2.5, 1]});
        assert_ne!(configuration_sha256(&one), configuration_sha256(&three));
    }

    #[test]
    fn sha256_of_the_empty_text_and_abc() {
        // FIPS 180 examples.
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn times_are_iso_8601_in_utc() {
        let time = Timestamp::from_millisecond(1_700_000_000_120).expect("in range");
        assert_eq!(iso8601(time), "2023-11-14T22:13:20.120Z");
    }

    #[test]
    fn foreign_manifests_are_not_ours() {
        for text in ["", "[]", "{}", r#"{"program": "other"}"#, r#"{"program": "soret"}"#] {
            assert_eq!(Found::parse(text), None, "{text}");
        }
    }
}
