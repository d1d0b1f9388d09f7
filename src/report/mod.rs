//! From plain data to what a person or a program reads: a terminal page, JSON, CSV, plots, a run folder.
//!
//! Everything starts from a [`Summary`], which is a function of the experiment file
//! and the seed alone; so are [`summary.json`](json), [the tables](csv) and [the figure](plot), byte for
//! byte. What belongs to one execution (times, machine, command line) stands in the
//! [manifest] and nowhere else. Nothing here prints: text is returned, files are written only
//! by [`folder`].
//!
//! | module | what it makes |
//! |---|---|
//! | [`summary`] | the data |
//! | [`mod@format`] | numbers in the notation `1.234(5)e-4` |
//! | [`terminal`] | one page of text |
//! | [`json`] | `summary.json` |
//! | [`checks`] | `checks.json`, and the page of `mc verify` |
//! | [`csv`] | `profiles.csv`, `currents.csv`, `times.csv`, `maps.csv` |
//! | [`assisted`] | `assisted.csv`, and its block in `summary.json` |
//! | [`plot`] | `profiles.svg`, `profiles.png`; `phase_space.svg`, `phase_space.png`; `plane.svg`, `plane.png` |
//! | [`converge`] | page, tables and figure of a convergence study |
//! | [`manifest`] | `manifest.json` |
//! | [`sweep`] | the runs of a sweep: `sweep.csv`, `sweep.json`, `sweep.svg`, `sweep.png` |
//! | [`folder`] | the run folder, whole or not at all |

pub mod assisted;
pub mod checks;
pub mod converge;
pub mod csv;
mod finite;
pub mod folder;
pub mod format;
pub mod json;
pub mod manifest;
pub mod plot;
pub mod summary;
pub mod sweep;
pub mod terminal;
pub mod verdict;

use std::path::PathBuf;
use summary::Summary;
use thiserror::Error;

/// Name of the file with the summary.
pub const SUMMARY_FILE: &str = "summary.json";
/// Name of the table of everything that lives on bins, windowed currents apart.
pub const PROFILES_FILE: &str = "profiles.csv";
/// Name of the table of everything that lives on faces, and of windowed currents.
pub const CURRENTS_FILE: &str = "currents.csv";
/// Name of the table of what was seen at each observation time, for runs with times.
pub const TIMES_FILE: &str = "times.csv";
/// Name of the table of everything that lives in a plane of the position and a second coordinate, for runs of
/// underdamped particles and of particles with internal coordinates.
pub const MAPS_FILE: &str = "maps.csv";
/// Name of the figure as scalable vector graphics.
pub const FIGURE_SVG_FILE: &str = "profiles.svg";
/// Name of the figure as a bitmap.
pub const FIGURE_PNG_FILE: &str = "profiles.png";
/// Name of the figure of the plane of position and speed, as scalable vector graphics.
pub const PHASE_SPACE_SVG_FILE: &str = "phase_space.svg";
/// Name of the same figure as a bitmap.
pub const PHASE_SPACE_PNG_FILE: &str = "phase_space.png";
/// Name of the figure of the plane of position and an internal coordinate, as scalable vector graphics.
pub const PLANE_SVG_FILE: &str = "plane.svg";
/// Name of the same figure as a bitmap.
pub const PLANE_PNG_FILE: &str = "plane.png";
/// Name of the table of assisted estimates, for runs that have any.
pub const ASSISTED_FILE: &str = "assisted.csv";
/// Name of the file with the numbers behind the checks.
pub const CHECKS_FILE: &str = "checks.json";
/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";

/// One file to be written: its name in the run folder, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// File name, without any folder.
    pub name: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

impl Output {
    /// A file of this name with these contents.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// Everything a run folder holds except the manifest, in memory: a function of the summary alone.
pub fn outputs(summary: &Summary) -> Result<Vec<Output>, ReportError> {
    finite::check(summary)?;
    let figure = plot::profiles(summary)?;
    let mut files = vec![
        Output::new(SUMMARY_FILE, json::summary(summary)?),
        Output::new(PROFILES_FILE, csv::profiles(summary)?),
        Output::new(CURRENTS_FILE, csv::currents(summary)?),
        Output::new(FIGURE_SVG_FILE, figure.svg),
        Output::new(FIGURE_PNG_FILE, figure.png),
    ];
    if !summary.times().is_empty() {
        files.push(Output::new(TIMES_FILE, csv::times(summary)?));
    }
    if summary.has_maps() {
        files.push(Output::new(MAPS_FILE, csv::maps(summary)?));
    }
    if summary.assisted.is_some() {
        files.push(Output::new(ASSISTED_FILE, assisted::table(summary)?));
    }
    if summary.in_plane() {
        let figure = plot::plane(summary)?;
        files.push(Output::new(PLANE_SVG_FILE, figure.svg));
        files.push(Output::new(PLANE_PNG_FILE, figure.png));
    }
    if summary.in_phase_space() {
        let figure = plot::phase_space(summary)?;
        files.push(Output::new(PHASE_SPACE_SVG_FILE, figure.svg));
        files.push(Output::new(PHASE_SPACE_PNG_FILE, figure.png));
    }
    if summary.checks.is_some() {
        files.push(Output::new(CHECKS_FILE, checks::file(summary)?));
    }
    Ok(files)
}

/// Why a report could not be made or written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A number to be reported is NaN or infinite; nothing was written.
    #[error("{place} is {value}, which is not a number to report")]
    NotFinite {
        /// Which number, e.g. `quantities: current ground, row 3: theory`.
        place: String,
        /// The number.
        value: f64,
    },
    /// Data could not be put in its format.
    #[error("cannot write {format}: {message}")]
    Encode {
        /// `JSON`, `CSV`, `PNG`.
        format: &'static str,
        /// What the encoder said.
        message: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The output path exists and is not a folder.
    #[error("{} exists and is not a folder", path.display())]
    NotAFolder {
        /// The output path.
        path: PathBuf,
    },
    /// The folder holds a run of another configuration or seed.
    #[error("{} holds another run: {difference}", path.display())]
    OtherRun {
        /// The output path.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The folder holds files, but no manifest of a run.
    #[error("{} is not empty and not a run folder", path.display())]
    NotARunFolder {
        /// The output path.
        path: PathBuf,
    },
    /// The folder is not a run folder, or lacks a file that is asked for.
    #[error("{} has no {file}", path.display())]
    NotInRun {
        /// The folder.
        path: PathBuf,
        /// The file.
        file: String,
    },
    /// A file of a run folder is not as the run wrote it.
    #[error("{} {what}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: String,
    },
    /// A file stands where one of ours should go, and nothing shows that a run wrote it.
    #[error("{} was not written by a run and would be overwritten", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
}

impl ReportError {
    /// What the user can do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::OtherRun { .. } => {
                Some("choose another folder with --out, or replace that run with --force")
            }
            Self::NotARunFolder { .. } => {
                Some("choose another folder with --out, or add the files to this one with --force")
            }
            Self::NotOurs { .. } => Some("move the file away, or choose another folder with --out"),
            Self::NotAFolder { .. } => Some("choose another folder with --out"),
            Self::NotInRun { .. } => {
                Some("give a folder written by mc run of this version, or an experiment file")
            }
            Self::Changed { .. } => Some("run the experiment again"),
            Self::NotFinite { .. } | Self::Encode { .. } | Self::Io { .. } => None,
        }
    }
}
