//! Checks of a run: `checks.json`, from which they are judged again, and the page of `mc verify`.
//!
//! `checks.json` holds what the checks are made of: for every question its equation, what was expected and,
//! per group, the sums of its contrasts and their common scale. The verdicts stand in `summary.json`.

use super::format::{brief, plain, value_with_error};
use super::summary::{FORMAT_VERSION, Invariant, Summary};
use super::terminal::{Ink, wrap};
use super::{CHECKS_FILE, ReportError, SUMMARY_FILE, finite, folder};
use crate::verification::{ALPHA, Check, POWER, Question, Verdict, Verification, judge};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// `checks.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format_version: u32,
    questions: Vec<Question>,
}

/// `checks.json` as it stands on disk: one line, because it is for programs.
pub fn file(summary: &Summary) -> Result<String, ReportError> {
    finite::check(summary)?;
    let document = Document { format_version: FORMAT_VERSION, questions: summary.questions.clone() };
    let mut text = serde_json::to_string(&document)
        .map_err(|error| ReportError::Encode { format: "JSON", message: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

/// What `mc verify` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// Layout version.
    pub format_version: u32,
    /// Name of the experiment.
    pub name: String,
    /// Title of the experiment; may be empty.
    pub title: String,
    /// The checks.
    pub checks: Verification,
    /// Identities of the book-keeping.
    pub invariants: Vec<Invariant>,
    /// Whether simulation and continuum theory agree, which has an alpha of its own.
    pub agrees_with_theory: Option<bool>,
}

impl Verified {
    /// Of a run that has just been made.
    ///
    /// # Errors
    /// If a number is NaN or infinite.
    pub fn of(summary: &Summary) -> Result<Self, ReportError> {
        finite::check(summary)?;
        Ok(Verified {
            format_version: FORMAT_VERSION,
            name: summary.name.clone(),
            title: summary.title.clone(),
            checks: judge(&summary.questions, ALPHA),
            invariants: summary.invariants.clone(),
            agrees_with_theory: summary.comparison.as_ref().and_then(|c| c.agrees),
        })
    }

    /// Whether no check fails, all invariants hold and theory agrees.
    pub fn passes(&self) -> bool {
        self.checks.passes
            && self.invariants.iter().all(|i| i.holds)
            && self.agrees_with_theory.is_none_or(|agrees| agrees)
    }
}

/// Judges what a run has left in its folder.
///
/// # Errors
/// If it is not a run folder, or its files are not as the run wrote them.
pub fn read(path: &Path) -> Result<Verified, ReportError> {
    let unreadable = |file: &str, what: String| ReportError::Changed { path: path.join(file), what };
    let layout =
        |file: &str, error: serde_json::Error| unreadable(file, format!("has another layout: {error}"));
    let document: Document = serde_json::from_str(&folder::read(path, CHECKS_FILE)?)
        .map_err(|error| layout(CHECKS_FILE, error))?;
    if document.format_version != FORMAT_VERSION {
        return Err(unreadable(CHECKS_FILE, format!("has layout {}", document.format_version)));
    }
    let summary: Value = serde_json::from_str(&folder::read(path, SUMMARY_FILE)?)
        .map_err(|error| layout(SUMMARY_FILE, error))?;
    let text = |key: &str| summary[key].as_str().unwrap_or_default().to_owned();
    Ok(Verified {
        format_version: FORMAT_VERSION,
        name: text("name"),
        title: text("title"),
        checks: judge(&document.questions, ALPHA),
        invariants: serde_json::from_value(summary["invariants"].clone())
            .map_err(|error| layout(SUMMARY_FILE, error))?,
        agrees_with_theory: summary["comparison"]["agrees"].as_bool(),
    })
}

/// One sentence: how many pass, or which fail.
pub fn headline(checks: &Verification) -> String {
    let failed: Vec<&str> = checks.with(Verdict::Fails).map(|c| c.name.as_str()).collect();
    let passed = checks.with(Verdict::Holds).count();
    let judged = passed + failed.len();
    let skipped = checks.with(Verdict::NotApplicable).count();
    let rest = match skipped {
        0 => String::new(),
        n => format!("; {n} not applicable"),
    };
    let alpha = plain(checks.alpha);
    if failed.is_empty() {
        format!(
            "checks: {passed} of {judged} pass (hidden currents and sum rules, family-wise alpha {alpha}){rest}"
        )
    } else {
        format!("checks: {} of {judged} FAIL: {}", failed.len(), failed.join("; "))
    }
}

/// Columns for verdicts, and for names of checks.
const VERDICT_WIDTH: usize = 16;
const NAME_WIDTH: usize = 52;

/// The page: one line a check; below it its equation and what it could have seen.
pub fn page(verified: &Verified, width: usize, color: bool) -> String {
    let checks = &verified.checks;
    let title = if verified.title.is_empty() { &verified.name } else { &verified.title };
    let painted = |ink: Option<Ink>, text: &str, first: &str, rest: &str| -> Vec<String> {
        let lines = wrap(text, width, first, rest).into_iter();
        lines.map(|line| ink.map_or(line.clone(), |ink| ink.paint(&line, color))).collect()
    };
    let mut lines = painted(Some(Ink::Bold), title, "", "");
    let verdict = if checks.passes { Ink::Good } else { Ink::Bad };
    lines.extend(painted(Some(verdict), &headline(checks), "", "  "));
    let rule = format!(
        "{} tests share the alpha evenly: a check fails below p = {}. A fault as large as it \"could have seen\" \
         is seen with probability {}",
        checks.tests,
        brief(checks.critical_p),
        plain(POWER)
    );
    lines.extend(painted(Some(Ink::Dim), &rule, "", "  "));
    lines.push(String::new());
    let indent = " ".repeat(VERDICT_WIDTH);
    for check in &checks.checks {
        let ink = match check.verdict {
            Verdict::Fails => Some(Ink::Bad),
            Verdict::NotApplicable => Some(Ink::Dim),
            Verdict::Holds | Verdict::Seen | Verdict::NotSeen => None,
        };
        let first = format!("{:<VERDICT_WIDTH$}", word(check.verdict));
        let numbers = numbers(check);
        let row = format!("{first}{:<NAME_WIDTH$}  {numbers}", check.name);
        if row.chars().count() <= width {
            let row = row.trim_end();
            lines.push(ink.map_or(row.into(), |ink| ink.paint(row, color)));
        } else {
            lines.extend(painted(ink, &check.name, &first, &indent));
            lines.extend(painted(ink, &numbers, &indent, &indent));
        }
        lines.extend(painted(Some(Ink::Dim), &more(check), &indent, &indent));
    }
    lines.push(String::new());
    let broken: Vec<&str> =
        verified.invariants.iter().filter(|i| !i.holds).map(|i| i.name.as_str()).collect();
    lines.extend(match broken.as_slice() {
        [] => {
            let text = format!("book-keeping: all {} integer identities hold", verified.invariants.len());
            painted(None, &text, "", "  ")
        }
        broken => painted(Some(Ink::Bad), &format!("book-keeping: BROKEN: {}", broken.join("; ")), "", "  "),
    });
    if let Some(agrees) = verified.agrees_with_theory {
        let (ink, word) = if agrees { (None, "agrees") } else { (Some(Ink::Bad), "DISAGREES") };
        let text = format!("continuum theory: {word}, at an alpha of its own; mc run says more");
        lines.extend(painted(ink, &text, "", "  "));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "FAILS",
        Verdict::Seen => "seen",
        Verdict::NotSeen => "not seen",
        Verdict::NotApplicable => "not applicable",
    }
}

/// Value, statistic and p-value, as far as there are any.
fn numbers(check: &Check) -> String {
    let (Some(statistic), Some(p)) = (check.statistic, check.p_value) else {
        return String::new();
    };
    let p = if p < 1e-99 { "p < 1e-99".to_owned() } else { format!("p = {}", brief(p)) };
    match check.value {
        Some([value, error]) => {
            format!("{}, {} s.e., {p}", value_with_error(value, error), brief(statistic))
        }
        None => format!("T2({}) = {}, {p}", check.contrasts, brief(statistic)),
    }
}

/// The line below a check: its equation, what it could have seen, and the words that belong to it.
fn more(check: &Check) -> String {
    let mut parts = vec![check.law.clone()];
    if let Some(size) = check.smallest_effect.filter(|_| check.verdict != Verdict::NotApplicable) {
        parts.push(format!("could have seen {}", check.effect.replace("{}", &brief(size))));
    }
    parts.extend(Some(check.words.clone()).filter(|words| !words.is_empty()));
    parts.join("; ")
}
