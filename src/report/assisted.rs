//! Assisted estimates of a run: a block of `summary.json`, `assisted.csv`, a line on the page.
//!
//! The columns of the table are [`HEADER`]: `raw_value` and `raw_std_err` are what the same run measured without assistance,
//! `gain` is the square of the ratio of the two standard errors: how much longer a raw run would have to be.

use super::format::{brief, plain};
use super::summary::{Quantity, Row, Summary};
use super::{ASSISTED_FILE, ReportError, csv, finite};
use crate::assisted::Assisted;
use crate::observable::{Observable, Support};
use crate::stats::{Estimate, Outcome};
use serde::Serialize;

/// Assisted estimates with what tells whether they may be trusted; see [`crate::assisted`].
#[derive(Clone, Debug)]
pub struct AssistedSummary {
    /// Number of controls.
    pub controls: usize,
    /// Hotelling's T^2 of the controls against zero: the weak form of the stationary equation.
    pub t_squared: f64,
    /// Its degrees of freedom, as those of F.
    pub dof: [usize; 2],
    /// Its p-value.
    pub p_value: f64,
    /// Whether the controls vanish: the check of the stationary equation at its share of alpha, or this test at the whole of it
    /// where there is no such check.
    pub holds: bool,
    /// Whether the method has a step, whose bias long runs see.
    pub stepped: bool,
    /// Everything assisted, without any theory beside it.
    pub quantities: Vec<Quantity>,
}

/// The columns of `assisted.csv`.
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
    "raw_value",
    "raw_std_err",
    "gain",
    "unit",
    "reason",
];

/// What every reader of assisted numbers should know.
pub const NOTE: &str = "regressed on controls whose mean the stationary equation makes zero: a sampler that solves another \
                        equation is drawn to the solution of this one, and only the residual tells. Never compared with \
                        theory, never used for the verdict";

impl AssistedSummary {
    /// Puts assisted estimates beside the quantities of the report, whose names and places they take.
    pub fn new(assisted: Assisted, holds: bool, stepped: bool, quantities: &[Quantity]) -> Self {
        let Assisted { controls, residual, quantities: estimates } = assisted;
        let beside = |(observable, outcomes): (Observable, Vec<Outcome>)| {
            let raw = quantities.iter().find(|q| q.observable == observable)?;
            let rows = raw.rows.iter().zip(outcomes).map(|(row, estimate)| Row {
                estimate,
                theory: None,
                fast_limit: None,
                z: None,
                ..row.clone()
            });
            Some(Quantity { rows: rows.collect(), ..raw.clone() })
        };
        AssistedSummary {
            controls,
            t_squared: residual.t_squared,
            dof: residual.dof,
            p_value: residual.p_value,
            holds,
            stepped,
            quantities: estimates.into_iter().filter_map(beside).collect(),
        }
    }

    fn residual(&self) -> String {
        let [q, rest] = self.dof;
        let p = brief(self.p_value);
        format!("T^2 {:.1} on {q} and {rest} degrees of freedom, p = {p}", self.t_squared)
    }

    /// One sentence: the Soret coefficient, and whether the controls vanish.
    pub fn headline(&self) -> String {
        let soret = self.quantities.iter().find(|q| q.observable == Observable::Soret);
        let soret = soret.and_then(|q| q.rows[0].estimate.estimate().map(|_| &q.rows[0].estimate));
        let what =
            soret.map_or_else(|| ASSISTED_FILE.into(), |o| format!("soret {}", super::format::outcome(o)));
        let controls = self.controls;
        if self.holds {
            format!(
                "assisted by {controls} controls, never used for the verdict: {what}; residual {}",
                self.residual()
            )
        } else {
            let why = if self.stepped {
                "the bias of its step, which so long a run sees, or another equation: not to be trusted"
            } else {
                "not to be trusted"
            };
            format!("assisted by {controls} controls that do NOT VANISH ({}): {why}", self.residual())
        }
    }
}

/// What readers of assisted numbers of a method with a step should know besides.
const STEPPED: &str = "the mean of the controls tends to the bias of the step, of order dt^2, and not to zero: a run long enough \
                       to see it fails the residual, and what is assisted has a bias of the step too";

/// The block of `summary.json`: estimates, or why there are none.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    Made(Made<'a>),
    Refused { reason: &'a str },
}

#[derive(Serialize)]
pub(super) struct Made<'a> {
    note: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
    controls: usize,
    residual: Residual,
    quantities: Vec<Number<'a>>,
}

#[derive(Serialize)]
struct Residual {
    t_squared: f64,
    dof: [usize; 2],
    p_value: f64,
    holds: bool,
}

#[derive(Serialize)]
struct Number<'a> {
    quantity: &'a str,
    state: Option<&'a str>,
    unit: &'a str,
    value: Option<f64>,
    std_err: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    gain: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Block<'a> {
    pub(super) fn of(summary: &'a Summary) -> Option<Self> {
        let Some(assisted) = summary.assisted.as_ref() else {
            return summary.unassisted.as_deref().map(|reason| Block::Refused { reason });
        };
        let whole = assisted.quantities.iter().filter(|q| q.observable.support() == Support::Whole);
        let number = |quantity: &'a Quantity| {
            let row = &quantity.rows[0];
            let (estimate, reason) = split(row);
            Number {
                quantity: &quantity.name,
                state: quantity.of.as_deref(),
                unit: &quantity.unit,
                value: estimate.map(|e| e.value),
                std_err: estimate.map(|e| e.std_error),
                ci_low: estimate.map(|e| e.low),
                ci_high: estimate.map(|e| e.high),
                gain: gain(raw(summary, quantity, 0), estimate),
                reason,
            }
        };
        Some(Block::Made(Made {
            note: NOTE,
            step: assisted.stepped.then_some(STEPPED),
            controls: assisted.controls,
            residual: Residual {
                t_squared: assisted.t_squared,
                dof: assisted.dof,
                p_value: assisted.p_value,
                holds: assisted.holds,
            },
            quantities: whole.map(number).collect(),
        }))
    }
}

fn split(row: &Row) -> (Option<Estimate>, Option<&str>) {
    match &row.estimate {
        Outcome::Estimate(estimate) => (Some(*estimate), None),
        Outcome::Null { reason, .. } => (None, Some(reason)),
    }
}

/// The same number without assistance.
fn raw(summary: &Summary, quantity: &Quantity, k: usize) -> Option<Estimate> {
    let same = summary.quantities.iter().find(|q| q.observable == quantity.observable)?;
    same.rows.get(k)?.estimate.estimate().copied()
}

/// How many times less variance.
fn gain(raw: Option<Estimate>, assisted: Option<Estimate>) -> Option<f64> {
    let ratio = raw?.std_error / assisted?.std_error;
    Some(ratio * ratio).filter(|gain| gain.is_finite())
}

/// `assisted.csv`: everything assisted, in the order of the block and behind it bin by bin and face by face.
pub fn table(summary: &Summary) -> Result<String, ReportError> {
    finite::check(summary)?;
    let mut lines = Vec::new();
    for quantity in summary.assisted.iter().flat_map(|a| &a.quantities) {
        for (k, row) in quantity.rows.iter().enumerate() {
            let (estimate, reason) = split(row);
            let raw = raw(summary, quantity, k);
            let [low, high, middle] = csv::places(row);
            lines.push(vec![
                low,
                high,
                middle,
                quantity.of.clone().unwrap_or_default(),
                quantity.name.clone(),
                csv::number(estimate.map(|e| e.value)),
                csv::number(estimate.map(|e| e.std_error)),
                csv::number(estimate.map(|e| e.low)),
                csv::number(estimate.map(|e| e.high)),
                csv::number(raw.map(|e| e.value)),
                csv::number(raw.map(|e| e.std_error)),
                gain(raw, estimate).map_or_else(String::new, plain),
                quantity.unit.clone(),
                reason.unwrap_or_default().to_owned(),
            ]);
        }
    }
    csv::lines(HEADER.to_vec(), lines)
}
