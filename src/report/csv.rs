//! Tidy tables: one number a line, readable by `pandas.read_csv` without options.
//!
//! The header is [`HEADER`]. An empty field means "none": no owner, no estimate, no theory; `reason` tells
//! why there is no estimate, `unit` is that of the value. For `transition_rate` the column `state`
//! holds the name of the directed channel; `time` is empty for averages over the run. On faces `x_lo`, `x_hi` and `x_mid` are the same. Floats are
//! the shortest that read back to the same bits (in pandas with `float_precision="round_trip"`).
//!
//! The table of a plane has the columns [`MAP_HEADER`] besides: `axis` names the second coordinate, `y_lo` and `y_hi`
//! are the ends of the cell along it. On `v`, the velocity, the outermost cells hold what is beyond; for `speed` both
//! ends are the speed V. On `q`, the first internal coordinate whatever its name, a current along it has the edge that
//! it passes at both ends. On `n`, the number of particles of a species in a well-mixed volume, these are the least and the
//! largest number of the cell, and there is no position.

use super::summary::{Quantity, Row, Summary};
use super::{ReportError, finite};
use crate::observable::{Observable, Support};
use crate::stats::Outcome;

/// The columns of all tables.
pub const HEADER: [&str; 15] = [
    "x_lo",
    "x_hi",
    "x_mid",
    "time",
    "state",
    "quantity",
    "value",
    "std_err",
    "ci_low",
    "ci_high",
    "theory",
    "z",
    "fast_limit",
    "unit",
    "reason",
];

/// Columns of the second coordinate, after those of the first.
pub const MAP_HEADER: [&str; 3] = ["axis", "y_lo", "y_hi"];
/// Columns of the first coordinate.
const PLACES: usize = 3;

/// `profiles.csv`: every quantity that lives on bins, windowed currents apart, and densities at points, whose two ends are the same.
pub fn profiles(summary: &Summary) -> Result<String, ReportError> {
    let here = |q: &&Quantity| match q.observable.support() {
        Support::Bins => !matches!(q.observable, Observable::WindowCurrent(_)),
        support => support == Support::Points,
    };
    table(summary, summary.quantities.iter().filter(here))
}

/// `currents.csv`: every quantity that lives on faces, and currents averaged over windows.
pub fn currents(summary: &Summary) -> Result<String, ReportError> {
    let here = |q: &&Quantity| {
        q.observable.support() == Support::Faces || matches!(q.observable, Observable::WindowCurrent(_))
    };
    table(summary, summary.quantities.iter().filter(here))
}

/// `times.csv`: every quantity with one value for the whole domain at each observation time, one after the
/// other, each in the order of the times.
pub fn times(summary: &Summary) -> Result<String, ReportError> {
    let here = |q: &&Quantity| q.time.is_some() && q.observable.support() == Support::Whole;
    let seen: Vec<&Quantity> = summary.quantities.iter().filter(here).collect();
    let first = |q: &Quantity| seen.iter().position(|p| p.name == q.name && p.of == q.of);
    let mut ordered = seen.clone();
    // Stable: within a quantity the times keep their order.
    ordered.sort_by_key(|q| first(q));
    table(summary, ordered.into_iter())
}

/// `maps.csv`: every quantity that lives in a plane of the position and a second coordinate.
pub fn maps(summary: &Summary) -> Result<String, ReportError> {
    let header = with_places(HEADER.to_vec(), MAP_HEADER);
    let chosen = summary.quantities.iter().filter(|q| q.observable.axis().is_some());
    write(summary, header, chosen, |quantity, row| {
        let ends = row.across.map(|ends| ends.map(|end| number(Some(end)))).unwrap_or_default();
        let [low, high] = ends;
        let axis = quantity.observable.axis().unwrap_or_default().to_owned();
        with_places(record(quantity, row).to_vec(), [axis, low, high])
    })
}

/// The fields of the second coordinate behind those of the first.
fn with_places<T>(mut fields: Vec<T>, across: [T; MAP_HEADER.len()]) -> Vec<T> {
    fields.splice(PLACES..PLACES, across);
    fields
}

/// The rows of the chosen quantities, quantity by quantity.
fn table<'a>(summary: &Summary, chosen: impl Iterator<Item = &'a Quantity>) -> Result<String, ReportError> {
    write(summary, HEADER.to_vec(), chosen, |quantity, row| record(quantity, row).to_vec())
}

fn write<'a>(
    summary: &Summary,
    header: Vec<&str>,
    chosen: impl Iterator<Item = &'a Quantity>,
    record: impl Fn(&Quantity, &Row) -> Vec<String>,
) -> Result<String, ReportError> {
    finite::check(summary)?;
    let rows = chosen.flat_map(|quantity| quantity.rows.iter().map(move |row| (quantity, row)));
    lines(header, rows.map(|(quantity, row)| record(quantity, row)))
}

/// A table from its lines.
pub(super) fn lines(
    header: Vec<&str>,
    lines: impl IntoIterator<Item = Vec<String>>,
) -> Result<String, ReportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(encode)?;
    for line in lines {
        writer.write_record(line).map_err(encode)?;
    }
    let bytes = writer.into_inner().map_err(encode)?;
    String::from_utf8(bytes).map_err(encode)
}

fn record(quantity: &Quantity, row: &Row) -> [String; HEADER.len()] {
    let estimate = match row.estimate {
        Outcome::Estimate(estimate) => Some(estimate),
        Outcome::Null { .. } => None,
    };
    let [low, high, middle] = places(row);
    [
        low,
        high,
        middle,
        number(quantity.time),
        quantity.of.clone().unwrap_or_default(),
        quantity.name.clone(),
        number(estimate.map(|e| e.value)),
        number(estimate.map(|e| e.std_error)),
        number(estimate.map(|e| e.low)),
        number(estimate.map(|e| e.high)),
        number(row.theory),
        number(row.z),
        number(row.fast_limit),
        quantity.unit.clone(),
        match &row.estimate {
            Outcome::Estimate(_) => String::new(),
            Outcome::Null { reason, .. } => reason.clone(),
        },
    ]
}

/// Both ends of a bin, or twice the place of a face, and the middle.
pub(super) fn places(row: &Row) -> [String; PLACES] {
    let middle = match (row.x_lo, row.x_hi) {
        (Some(low), Some(high)) if low == high => Some(low),
        (Some(low), Some(high)) => Some(0.5 * (low + high)),
        _ => None,
    };
    [row.x_lo, row.x_hi, middle].map(number)
}

/// The shortest text that reads back to the same float; nothing for none.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}

fn encode(error: impl std::fmt::Display) -> ReportError {
    ReportError::Encode { format: "CSV", message: error.to_string() }
}
