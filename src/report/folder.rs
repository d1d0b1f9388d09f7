//! The run folder: its files appear whole or not at all, and nothing that a run did not write is lost.
//!
//! A new folder is built beside its final place and renamed. In an existing folder the files are built in
//! a hidden subfolder and renamed one by one, the manifest last; if one step fails, the steps before it
//! are undone. What is allowed to be replaced:
//!
//! | at the output path | without `force` | with `force` |
//! |---|---|---|
//! | nothing, or an empty folder | written | written |
//! | a run of the same configuration and seed | replaced | replaced |
//! | a run of another configuration or seed | refused | replaced |
//! | a folder with files but no manifest of a run | refused | our files are added |
//! | a file | refused | refused |
//!
//! Replacing means: files of the new run take the place of those of the same name; files that the old
//! manifest lists, that are unchanged since and that the new run does not write are removed; all others
//! stay. A file that is in our way in a folder without a manifest is never replaced, not even with
//! `force`, because nothing shows that a run wrote it.

use super::manifest::{Found, Identity, Manifest, OutputRecord, sha256};
use super::{MANIFEST_FILE, Output, ReportError, SUMMARY_FILE};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Folder below which runs are put when no path is given.
pub const DEFAULT_PARENT: &str = "runs";

/// Hidden prefix of folders under construction.
const STAGING_PREFIX: &str = ".soret-";

/// Where a run goes if no path is given: `runs/<name>`.
pub fn default_path(name: &str) -> PathBuf {
    Path::new(DEFAULT_PARENT).join(name)
}

/// What stands at an output path, and may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Absent,
    /// A folder without files.
    Empty,
    /// A run of the same configuration and seed.
    SameRun,
    /// Another run; only with `force`.
    OtherRun,
    /// Files, but no manifest of a run; only with `force`.
    Foreign,
}

/// Whether a run may be written to `path`; for asking before the work is done.
pub fn check(path: &Path, identity: &Identity, force: bool) -> Result<Target, ReportError> {
    inspect(path, identity, force).map(|(target, _)| target)
}

/// Writes a run: the outputs, and the manifest with their hashes. Returns the manifest as written.
///
/// The file mode is what the system gives to new files, umask obeyed.
pub fn write(
    path: &Path,
    outputs: &[Output],
    manifest: Manifest,
    force: bool,
) -> Result<Manifest, ReportError> {
    let (target, found) = inspect(path, &manifest.identity(), force)?;
    let manifest = Manifest { outputs: outputs.iter().map(OutputRecord::of).collect(), ..manifest };
    // The manifest comes last: while it is missing or old, its hashes tell.
    let mut files: Vec<(&str, &[u8])> =
        outputs.iter().map(|output| (output.name.as_str(), output.bytes.as_slice())).collect();
    let text = manifest.to_json()?;
    files.push((MANIFEST_FILE, text.as_bytes()));

    match target {
        Target::Absent => create(path, &files)?,
        Target::Empty | Target::SameRun | Target::OtherRun | Target::Foreign => {
            replace(path, &files, found.as_ref())?;
        }
    }
    Ok(manifest)
}

/// Whether a folder holds a sweep. Another one may take its place: the points, which took the time, stay.
pub fn holds_sweep(path: &Path) -> bool {
    found(path).is_some_and(|found| found.sweep)
}

/// `summary.json` of a run of this identity that the program of this version and commit has done to its end;
/// `None` if anything is different, missing or damaged.
pub fn finished(path: &Path, identity: &Identity, git_commit: Option<&str>) -> Option<String> {
    let found = found(path)?;
    let program = (Some(env!("CARGO_PKG_VERSION")), git_commit);
    let same = found.program.0.as_deref() == program.0 && found.program.1.as_deref() == program.1;
    let (_, hash) = found.outputs.iter().find(|(name, _)| name == SUMMARY_FILE)?;
    let bytes = fs::read(path.join(SUMMARY_FILE)).ok()?;
    let good = same && found.complete && found.identity == *identity && sha256(&bytes) == *hash;
    good.then(|| String::from_utf8(bytes).ok()).flatten()
}

fn found(path: &Path) -> Option<Found> {
    Found::parse(&fs::read_to_string(path.join(MANIFEST_FILE)).ok()?)
}

/// The text of a file of a run folder, as the run wrote it.
///
/// # Errors
/// If the folder is not a run folder, its manifest does not list the file, or the file is another one since.
pub fn read(path: &Path, name: &str) -> Result<String, ReportError> {
    let missing = |file: &str| ReportError::NotInRun { path: path.into(), file: file.into() };
    let open = |file: &str| match fs::read(path.join(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(file)),
        bytes => bytes.map_err(|error| failed("read", &path.join(file), error)),
    };
    let manifest = open(MANIFEST_FILE)?;
    let found =
        std::str::from_utf8(&manifest).ok().and_then(Found::parse).ok_or_else(|| missing(MANIFEST_FILE))?;
    let (_, hash) = found.outputs.into_iter().find(|(file, _)| file == name).ok_or_else(|| missing(name))?;
    let bytes = open(name)?;
    let changed = |what: &str| ReportError::Changed { path: path.join(name), what: what.into() };
    if sha256(&bytes) != hash {
        return Err(changed("was changed after the run"));
    }
    String::from_utf8(bytes).map_err(|_| changed("is not UTF-8"))
}

/// What stands at the path and, for a run, what its manifest says; an error if it must not be touched.
fn inspect(path: &Path, identity: &Identity, force: bool) -> Result<(Target, Option<Found>), ReportError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nowhere is not nothing.
            return match fs::symlink_metadata(path) {
                Ok(_) => Err(ReportError::NotAFolder { path: path.into() }),
                Err(_) => Ok((Target::Absent, None)),
            };
        }
        Err(error) => return Err(failed("look at", path, error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(ReportError::NotAFolder { path: path.into() });
        }
        Ok(_) => {}
    }
    if is_empty(path)? {
        return Ok((Target::Empty, None));
    }
    let manifest = path.join(MANIFEST_FILE);
    let found = match fs::read(&manifest) {
        Ok(bytes) => std::str::from_utf8(&bytes).ok().and_then(Found::parse),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("read", &manifest, error)),
    };
    match found {
        Some(found) if found.identity == *identity => Ok((Target::SameRun, Some(found))),
        Some(found) if force => Ok((Target::OtherRun, Some(found))),
        Some(found) => Err(ReportError::OtherRun {
            path: path.into(),
            difference: difference(&found.identity, identity),
        }),
        None if force => Ok((Target::Foreign, None)),
        None => Err(ReportError::NotARunFolder { path: path.into() }),
    }
}

fn difference(found: &Identity, wanted: &Identity) -> String {
    // A configuration holds the seed: with another seed its hash says nothing more.
    if found.seed == wanted.seed {
        "another configuration".into()
    } else {
        format!("seed {} instead of {}", found.seed, wanted.seed)
    }
}

/// Whether a folder holds nothing but leftovers of an interrupted write.
fn is_empty(path: &Path) -> Result<bool, ReportError> {
    let entries = fs::read_dir(path).map_err(|error| failed("read", path, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", path, error))?;
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with(STAGING_PREFIX) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds a new folder beside its place and renames it.
fn create(path: &Path, files: &[(&str, &[u8])]) -> Result<(), ReportError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
    let staging = staging(parent)?;
    // The temporary folder is private to its user; the one inside it gets the usual mode.
    let folder = staging.path().join("run");
    fs::create_dir(&folder).map_err(|error| failed("create", &folder, error))?;
    for (name, bytes) in files {
        write_file(&folder, name, bytes)?;
    }
    sync_folder(&folder);
    fs::rename(&folder, path).map_err(|error| failed("create", path, error))?;
    sync_folder(parent);
    Ok(())
}

/// Builds the files in a hidden subfolder and moves them over the old ones, or changes nothing.
fn replace(path: &Path, files: &[(&str, &[u8])], found: Option<&Found>) -> Result<(), ReportError> {
    for (name, _) in files {
        let place = path.join(name);
        match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &place, error)),
            Ok(metadata) if metadata.is_dir() || found.is_none() => {
                return Err(ReportError::NotOurs { path: place });
            }
            Ok(_) => {}
        }
    }
    let staging = staging(path)?;
    let fresh = subfolder(&staging, "new")?;
    let old = subfolder(&staging, "old")?;
    for (name, bytes) in files {
        write_file(&fresh, name, bytes)?;
    }

    let mut moves = Moves::default();
    let result = (|| {
        for name in stale(path, files, found) {
            moves.rename(path.join(&name), old.join(&name))?;
        }
        for (name, _) in files {
            let place = path.join(name);
            if fs::symlink_metadata(&place).is_ok() {
                moves.rename(place.clone(), old.join(name))?;
            }
            moves.rename(fresh.join(name), place)?;
        }
        Ok(())
    })();
    if result.is_err() {
        moves.undo();
    }
    sync_folder(path);
    result
}

/// Files that an earlier run wrote, that nobody changed since, and that this run does not write.
fn stale(path: &Path, files: &[(&str, &[u8])], found: Option<&Found>) -> Vec<String> {
    let listed = found.map_or(&[][..], |found| &found.outputs);
    listed
        .iter()
        .filter(|(name, hash)| {
            // A manifest can be edited: only plain names inside the folder are believed.
            let plain = Path::new(name).file_name().is_some_and(|file| *file == **name);
            plain
                && !files.iter().any(|(new, _)| new == name)
                && fs::symlink_metadata(path.join(name)).is_ok_and(|m| m.is_file())
                && fs::read(path.join(name)).is_ok_and(|bytes| sha256(&bytes) == *hash)
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Renames that can be undone.
#[derive(Default)]
struct Moves(Vec<(PathBuf, PathBuf)>);

impl Moves {
    fn rename(&mut self, from: PathBuf, to: PathBuf) -> Result<(), ReportError> {
        fs::rename(&from, &to).map_err(|error| failed("replace", &from, error))?;
        self.0.push((from, to));
        Ok(())
    }

    fn undo(self) {
        for (from, to) in self.0.into_iter().rev() {
            // If this fails too there is nothing better to do; the first error is the one to report.
            let _ = fs::rename(to, from);
        }
    }
}

/// A folder under construction; it disappears with the value.
fn staging(parent: &Path) -> Result<TempDir, ReportError> {
    tempfile::Builder::new()
        .prefix(STAGING_PREFIX)
        .tempdir_in(parent)
        .map_err(|error| failed("write in", parent, error))
}

fn subfolder(staging: &TempDir, name: &str) -> Result<PathBuf, ReportError> {
    let folder = staging.path().join(name);
    fs::create_dir(&folder).map_err(|error| failed("create", &folder, error))?;
    Ok(folder)
}

fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
    let path = folder.join(name);
    let written = fs::File::create_new(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| failed("write", &path, error))
}

/// Makes renames last through a power cut where the system can do that; never a reason to fail.
fn sync_folder(path: &Path) {
    if let Ok(folder) = fs::File::open(path) {
        let _ = folder.sync_all();
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> ReportError {
    ReportError::Io { action, path: path.into(), source }
}
