//! Numbers without physics: group statistics, t intervals, p-values, joint tests.

use serde::Serialize;

/// A value with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub std_error: f64,
    /// Lower end of the 95 % interval (t quantile).
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// An estimate, or the reason why there is none. Never NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// There is one.
    Estimate(Estimate),
    /// There is none, and why: `{"value": null, "reason": "..."}`.
    Null {
        /// Always `None`.
        value: Option<f64>,
        /// Why there is no number.
        reason: String,
    },
}
