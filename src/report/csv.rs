//! Tidy tables: one number a line, readable by `pandas.read_csv` without options.
//!
//! The header is [`HEADER`]. An empty field means "none": no owner, no estimate, no theory; `reason` tells
//! why there is no estimate, `unit` is that of the value. For `transition_rate` the column `state`
//! holds the name of the directed channel. On faces `x_lo`, `x_hi` and `x_mid` are the same. Floats are
//! the shortest that read back to the same bits (in pandas with `float_precision="round_trip"`).

use super::summary::{Quantity, Row, Summary};
use super::{ReportError, finite};
use crate::observable::{Observable, Support};
use crate::stats::Outcome;

/// The columns of both tables.
pub const HEADER: [&str; 14] = [
    "x_lo",
    "x_hi",
    "x_mid",
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

/// `profiles.csv`: every quantity that lives on bins, windowed currents apart.
pub fn profiles(summary: &Summary) -> Result<String, ReportError> {
    table(summary, |observable| {
        observable.support() == Support::Bins && !matches!(observable, Observable::WindowCurrent(_))
    })
}

/// `currents.csv`: every quantity that lives on faces, and currents averaged over windows.
pub fn currents(summary: &Summary) -> Result<String, ReportError> {
    table(summary, |observable| {
        observable.support() == Support::Faces || matches!(observable, Observable::WindowCurrent(_))
    })
}

/// The rows of the chosen quantities, quantity by quantity, in the order of the summary.
fn table(summary: &Summary, chosen: impl Fn(Observable) -> bool) -> Result<String, ReportError> {
    finite::check(summary)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(encode)?;
    for quantity in &summary.quantities {
        if chosen(quantity.observable) {
            for row in &quantity.rows {
                writer.write_record(record(quantity, row)).map_err(encode)?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(encode)?;
    String::from_utf8(bytes).map_err(encode)
}

fn record(quantity: &Quantity, row: &Row) -> [String; HEADER.len()] {
    let estimate = match row.estimate {
        Outcome::Estimate(estimate) => Some(estimate),
        Outcome::Null { .. } => None,
    };
    let middle = match (row.x_lo, row.x_hi) {
        (Some(low), Some(high)) if low == high => Some(low),
        (Some(low), Some(high)) => Some(0.5 * (low + high)),
        _ => None,
    };
    [
        number(row.x_lo),
        number(row.x_hi),
        number(middle),
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

/// The shortest text that reads back to the same float; nothing for none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}

fn encode(error: impl std::fmt::Display) -> ReportError {
    ReportError::Encode { format: "CSV", message: error.to_string() }
}
