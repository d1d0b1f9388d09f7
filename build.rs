//! Tells the program which commit it is built from, if that can be known. Never fails.

use std::path::Path;
use std::process::Command;

fn main() {
    // With a list of its own, Cargo runs this again only when one of these has changed.
    for path in ["build.rs", "src", "Cargo.toml", "Cargo.lock"] {
        watch(path);
    }
    if let Some(commit) = commit() {
        println!("cargo::rustc-env=SORET_GIT_COMMIT={commit}");
    }
}

/// The commit of this checkout, marked if the program's files differ from it.
fn commit() -> Option<String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    // Not the commit of some other project that this one was unpacked into.
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != package {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    // HEAD changes with the branch, its log with every commit, also where branches are packed.
    for file in ["HEAD", "logs/HEAD", "packed-refs"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            watch(&path);
        }
    }
    let changed = git(&["status", "--porcelain", "--", "build.rs", "src", "Cargo.toml", "Cargo.lock"])?;
    Some(if changed.is_empty() { commit } else { commit + "-dirty" })
}

/// Cargo takes a path that does not exist for one that has changed.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// What git answers; nothing if there is no git, or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
