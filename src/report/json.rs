//! `summary.json`: the answer of a run in one small file.
//!
//! It holds every quantity with one value for the whole domain, the theory beside it, the verdict, assisted estimates, the
//! invariants and the warnings. Profiles stand in `profiles.csv`, `currents.csv` and `maps.csv` only: a table is the
//! better home for them; of the numbers here only those at observation times stand in a table too, `times.csv`. The words are those of the tables (`value`,
//! `std_err`, `ci_low`, `ci_high`, `theory`, `z`, `fast_limit`); where there is no value, `reason` says why. Keys come
//! in a fixed order, floats in the shortest form that reads back to the same bits; the text is a
//! function of the summary alone.

use super::summary::{ComparisonSummary, Invariant, RunSummary, Summary, TheorySummary, Warning};
use super::{
    ASSISTED_FILE, CURRENTS_FILE, MAPS_FILE, PROFILES_FILE, ReportError, TIMES_FILE, assisted, finite,
};
use crate::observable::Support;
use crate::stats::Outcome;
use crate::verification::Verification;
use serde::Serialize;

/// `summary.json` as it stands on disk and on stdout: indented, ending in a newline.
///
/// A number that is NaN or infinite is an error.
pub fn summary(summary: &Summary) -> Result<String, ReportError> {
    finite::check(summary)?;
    pretty(&Document::new(summary))
}

/// Any value as indented JSON that ends in a newline.
pub fn pretty(value: &impl Serialize) -> Result<String, ReportError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| ReportError::Encode { format: "JSON", message: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    name: &'a str,
    title: &'a str,
    claim: &'a str,
    conventions: &'a [String],
    run: &'a RunSummary,
    length: f64,
    bins: usize,
    states: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    coordinates: &'a [String],
    quantities: Vec<Number<'a>>,
    theory: Option<&'a TheorySummary>,
    comparison: Option<&'a ComparisonSummary>,
    checks: Option<&'a Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assisted: Option<assisted::Block<'a>>,
    invariants: &'a [Invariant],
    warnings: &'a [Warning],
    tables: Vec<&'static str>,
}

/// One whole-domain number, flat, so that an array of them loads as a table.
#[derive(Serialize)]
struct Number<'a> {
    quantity: &'a str,
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    unit: &'a str,
    value: Option<f64>,
    std_err: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    theory: Option<f64>,
    z: Option<f64>,
    fast_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn new(summary: &'a Summary) -> Self {
        let whole =
            summary.quantities.iter().filter(|quantity| quantity.observable.support() == Support::Whole);
        let quantities = whole.flat_map(|quantity| {
            quantity.rows.iter().map(|row| {
                let (estimate, reason) = match &row.estimate {
                    Outcome::Estimate(estimate) => (Some(*estimate), None),
                    Outcome::Null { reason, .. } => (None, Some(reason.as_str())),
                };
                Number {
                    quantity: &quantity.name,
                    state: quantity.of.as_deref(),
                    time: quantity.time,
                    unit: &quantity.unit,
                    value: estimate.map(|e| e.value),
                    std_err: estimate.map(|e| e.std_error),
                    ci_low: estimate.map(|e| e.low),
                    ci_high: estimate.map(|e| e.high),
                    theory: row.theory,
                    z: row.z,
                    fast_limit: row.fast_limit,
                    reason,
                }
            })
        });
        let mut tables = vec![PROFILES_FILE, CURRENTS_FILE];
        if !summary.times().is_empty() {
            tables.push(TIMES_FILE);
        }
        if summary.assisted.is_some() {
            tables.push(ASSISTED_FILE);
        }
        if summary.has_maps() {
            tables.push(MAPS_FILE);
        }
        Self {
            format_version: summary.format_version,
            name: &summary.name,
            title: &summary.title,
            claim: &summary.claim,
            conventions: &summary.conventions,
            run: &summary.run,
            length: summary.length,
            bins: summary.bins,
            states: &summary.states,
            coordinates: &summary.coordinates,
            quantities: quantities.collect(),
            theory: summary.theory.as_ref(),
            comparison: summary.comparison.as_ref(),
            checks: summary.checks.as_ref(),
            assisted: assisted::Block::of(summary),
            invariants: &summary.invariants,
            warnings: &summary.warnings,
            tables,
        }
    }
}
