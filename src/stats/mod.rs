//! Numbers without physics: group statistics, t intervals, p-values, joint tests.
//!
//! The unit of statistics is the **group**: independent, equally distributed. A quantity is a smooth
//! function of sums over groups; its error comes from leaving one group out at a time ([`jackknife`]),
//! its interval from Student's t with one degree of freedom less than there are groups.

mod distribution;
mod fit;
mod hotelling;
mod jackknife;
mod regression;
mod uniformity;

pub use distribution::{
    detectable_noncentrality, deviate_from_p, f_quantile, f_survival, noncentral_f_survival, normal_survival,
    t_deviate, t_quantile, t_two_sided,
};
pub use fit::{Amplitude, Line, ORDERS, Power, Spread, chi_squared_survival, normal_reach};
pub use hotelling::{Hotelling, hotelling, independent, nearest, single_effects};
pub use jackknife::{Sample, jackknife};
pub use regression::{Controls, Residual};
pub use uniformity::{Uniformity, kolmogorov_smirnov_uniform};

use serde::Serialize;

/// Coverage of every interval that is reported.
pub const CONFIDENCE: f64 = 0.95;

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

impl Outcome {
    /// No number, for this reason.
    pub fn null(reason: impl Into<String>) -> Self {
        Outcome::Null { value: None, reason: reason.into() }
    }

    /// The estimate, if there is one.
    pub fn estimate(&self) -> Option<&Estimate> {
        match self {
            Outcome::Estimate(e) => Some(e),
            Outcome::Null { .. } => None,
        }
    }
}
