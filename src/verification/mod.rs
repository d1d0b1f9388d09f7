//! Do the trajectories obey the equations that they were made from? Statistical checks of hidden currents
//! and sum rules, from the tallies of a run and its model alone: no continuum solution stands behind any of them.
//!
//! A [`Question`] is a vector of contrasts per group, linear in the tallies and zero in expectation;
//! [`judge`] turns all of them into [`Check`]s with p-values (Hotelling's T^2, t for a single contrast) at
//! one family-wise alpha, shared evenly (Bonferroni), and says of each how small a fault it would have seen.
//! Questions are plain data: written into the run folder they are judged again without running again.
//!
//! Checks of the book-keeping that hold in integers are [`crate::estimator::invariants`]; whether densities and
//! currents agree with the solution of the continuum equations is [`crate::comparison`].

mod inertial;
mod internal;
mod premise;
mod questions;
mod reacting;
mod weak;

pub use questions::STATIONARY;
pub(crate) use weak::Weak;

use crate::ensemble::Group;
use crate::estimator::Context;
use crate::stats::{
    Sample, detectable_noncentrality, hotelling, independent, jackknife, nearest, single_effects, t_quantile,
    t_two_sided,
};
use serde::{Deserialize, Serialize};

/// Probability that a check fails although nothing is wrong, over all checks of a run.
pub const ALPHA: f64 = 1e-4;

/// The probability with which the smallest effect that is stated would be seen.
pub const POWER: f64 = 0.95;

/// What trajectories are asked, with their answer in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked, as a physicist would say it.
    pub name: String,
    /// The equation.
    pub law: String,
    /// What the contrasts should be.
    pub expected: Expected,
    /// What a contrast is, `{}` standing for its size: `a wave of {} of its mean`.
    pub effect: String,
    /// The answer.
    pub evidence: Evidence,
}

/// What the expectation of a contrast should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Zero.
    Zero,
    /// Zero or more.
    NotNegative,
    /// Whatever it is: it is looked for, and not judged.
    Anything,
}

/// The numbers that answer a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// Contrasts, each the ratio of two sums over groups.
    Contrasts {
        /// Per group, one number per contrast.
        sums: Vec<Vec<f64>>,
        /// Per group, the scale that all contrasts share; positive in sum.
        scale: Vec<f64>,
        /// What a single event adds to a sum, where sums are counts less their expectation: groups must differ by
        /// several events before their law is normal.
        grain: Option<f64>,
        /// Per contrast, how far from zero the errors of the step may take it; empty where nowhere.
        room: Vec<f64>,
        /// Why contrasts near zero would prove nothing.
        blind: Option<String>,
    },
    /// Decided without statistics.
    Exact {
        /// Whether it holds.
        holds: bool,
        /// What was found.
        found: String,
    },
    /// The premise of the question fails.
    Missing {
        /// Why.
        reason: String,
    },
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The law holds within the errors.
    Holds,
    /// It does not.
    Fails,
    /// What was looked for is there.
    Seen,
    /// It is not, or too small to be seen.
    NotSeen,
    /// The question makes no sense here; the reason is given.
    NotApplicable,
}

/// A question that has been judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was asked.
    pub name: String,
    /// The equation.
    pub law: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Value and standard error of a single contrast.
    pub value: Option<[f64; 2]>,
    /// Number of contrasts that were tested together; 0 where nothing was tested.
    pub contrasts: usize,
    /// Hotelling's T^2 of several contrasts, Student's t of one.
    pub statistic: Option<f64>,
    /// Its p-value: one-sided where the law is an inequality.
    pub p_value: Option<f64>,
    /// The smallest size of any one contrast at which the check would have failed (or seen something) with
    /// probability [`POWER`].
    pub smallest_effect: Option<f64>,
    /// What that is a size of, `{}` standing for the number.
    pub effect: String,
    /// What was found where no statistic says it: the reason, or the result of an exact check.
    pub words: String,
}

/// All checks of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Probability that some check fails although nothing is wrong.
    pub alpha: f64,
    /// Number of tests that share it.
    pub tests: usize,
    /// What each gets: it fails below this p-value.
    pub critical_p: f64,
    /// Whether no check fails.
    pub passes: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Asks the groups of a run everything that their model answers.
pub fn questions(context: &Context, groups: &[Group]) -> Vec<Question> {
    match &context.volume {
        Some(volume) => reacting::of_volume(context, volume, groups),
        None => questions::Interview::new(context, groups).all(),
    }
}

/// Judges the answers together.
pub fn judge(questions: &[Question], alpha: f64) -> Verification {
    let tested: Vec<Option<Tested>> = questions.iter().map(Tested::of).collect();
    let tests = tested.iter().flatten().count();
    let mut limits = Limits { critical_p: alpha / tests.max(1) as f64, noncentrality: Vec::new() };
    let judged = questions.iter().zip(&tested).map(|(question, test)| question.judged(test, &mut limits));
    let checks: Vec<Check> = judged.collect();
    let critical_p = limits.critical_p;
    let passes = checks.iter().all(|c| c.verdict != Verdict::Fails);
    Verification { alpha, tests, critical_p, passes, checks }
}

impl Verification {
    /// The checks with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |c| c.verdict == verdict)
    }
}

/// What every test is held against.
struct Limits {
    critical_p: f64,
    /// Noncentrality that is seen with [`POWER`], per number of contrasts and of degrees of freedom left.
    noncentrality: Vec<([f64; 2], f64)>,
}

impl Limits {
    fn noncentrality(&mut self, contrasts: f64, rest: f64) -> f64 {
        let key = [contrasts, rest];
        if let Some((_, lambda)) = self.noncentrality.iter().find(|(k, _)| *k == key) {
            return *lambda;
        }
        let lambda = detectable_noncentrality(self.critical_p, POWER, contrasts, rest);
        self.noncentrality.push((key, lambda));
        lambda
    }
}

/// Variance of the counts of a group below which it is not taken as normal: that of so many events.
const FEWEST_EVENTS: f64 = 10.0;

/// Sums of counts with too little chance in them for a test: the largest in all groups, in events, and what it may
/// be, ten standard deviations of the most that is called too little. `None` where there is chance enough.
fn too_certain(sums: &[Vec<f64>], grain: Option<f64>) -> Option<(f64, f64)> {
    let grain = grain.filter(|g| *g > 0.0)?;
    let groups = sums.len() as f64;
    let contrasts = 0..sums.first()?.len();
    let total = |k: usize| sums.iter().map(|s| s[k]).sum::<f64>();
    let variance = |k: usize| {
        let mean = total(k) / groups;
        sums.iter().map(|s| (s[k] - mean) * (s[k] - mean)).sum::<f64>() / (groups - 1.0)
    };
    let quiet = contrasts.clone().any(|k| variance(k) < FEWEST_EVENTS * grain * grain);
    let largest = contrasts.map(|k| total(k).abs()).fold(0.0, f64::max) / grain;
    quiet.then(|| (largest, 10.0 * libm::sqrt(FEWEST_EVENTS * groups)))
}

/// Contrasts that do not depend on each other, and their test.
struct Tested {
    samples: Vec<Sample>,
    /// How far from zero each may be.
    room: Vec<f64>,
    statistic: f64,
    p_value: f64,
    one_sided: bool,
}

impl Tested {
    /// `None` where there is nothing to test.
    fn of(question: &Question) -> Option<Self> {
        let Evidence::Contrasts { sums, scale, grain, room, .. } = &question.evidence else {
            return None;
        };
        if too_certain(sums, *grain).is_some() {
            return None;
        }
        let contrasts = sums.first()?.len();
        let rows: Vec<Vec<f64>> =
            sums.iter().zip(scale).map(|(s, d)| s.iter().chain([d]).copied().collect()).collect();
        let ratios = |row: &[f64]| {
            let scale = row[contrasts];
            row[..contrasts].iter().map(|s| (scale > 0.0).then(|| s / scale)).collect()
        };
        let samples: Vec<Sample> = jackknife(&rows, &ratios).into_iter().collect::<Option<_>>()?;
        let chosen = independent(&samples);
        let kept: Vec<Sample> = chosen.iter().map(|k| samples[*k].clone()).collect();
        let room: Vec<f64> = chosen.iter().map(|k| room.get(*k).copied().unwrap_or(0.0)).collect();
        let shift = nearest(&kept, &room);
        let one_sided = question.expected == Expected::NotNegative;
        let (statistic, p_value) = match kept.as_slice() {
            [one] => {
                let t = (one.value - shift[0]) / one.std_error();
                let both = t_two_sided(t, one.dof());
                (
                    t,
                    if !one_sided {
                        both
                    } else if t < 0.0 {
                        0.5 * both
                    } else {
                        1.0 - 0.5 * both
                    },
                )
            }
            several => {
                let test = hotelling(several, &shift)?;
                (test.t_squared, test.p_value)
            }
        };
        Some(Tested { samples: kept, room, statistic, p_value, one_sided })
    }

    /// The smallest size that any one contrast must have to be seen with [`POWER`].
    fn smallest_effect(&self, limits: &mut Limits) -> f64 {
        let dof = self.samples[0].dof();
        if self.one_sided {
            let reach = t_quantile(1.0 - 2.0 * limits.critical_p, dof) + t_quantile(2.0 * POWER - 1.0, dof);
            return reach * self.samples[0].std_error() + self.room[0];
        }
        let contrasts = self.samples.len() as f64;
        let lambda = limits.noncentrality(contrasts, dof + 1.0 - contrasts);
        let effects = single_effects(&self.samples, lambda).into_iter().zip(&self.room);
        effects.map(|(effect, room)| effect + room).fold(0.0, f64::max)
    }
}

impl Question {
    fn judged(&self, tested: &Option<Tested>, limits: &mut Limits) -> Check {
        let (verdict, words) = match (&self.evidence, tested) {
            (Evidence::Missing { reason }, _) => (Verdict::NotApplicable, reason.clone()),
            (Evidence::Exact { holds, found }, _) => {
                (if *holds { Verdict::Holds } else { Verdict::Fails }, format!("exact: {found}"))
            }
            (Evidence::Contrasts { sums, grain, .. }, None) => match too_certain(sums, *grain) {
                Some((largest, room)) => {
                    let words =
                        format!("almost nothing was left to chance: off by {largest:.1} events in all");
                    (if largest <= room { Verdict::Holds } else { Verdict::Fails }, words)
                }
                None => (Verdict::NotApplicable, "too little was scored, or groups differ in nothing".into()),
            },
            (Evidence::Contrasts { blind, .. }, Some(test)) => {
                let beyond = test.p_value < limits.critical_p;
                match (self.expected, blind) {
                    (Expected::Anything, _) if beyond => (Verdict::Seen, String::new()),
                    (Expected::Anything, _) => (Verdict::NotSeen, String::new()),
                    (_, _) if beyond => (Verdict::Fails, blind.clone().unwrap_or_default()),
                    (_, Some(reason)) => (Verdict::NotApplicable, reason.clone()),
                    (_, None) => (Verdict::Holds, String::new()),
                }
            }
        };
        let single = tested.as_ref().filter(|t| t.samples.len() == 1).map(|t| &t.samples[0]);
        Check {
            name: self.name.clone(),
            law: self.law.clone(),
            verdict,
            value: single.map(|s| [s.value, s.std_error()]),
            contrasts: tested.as_ref().map_or(0, |t| t.samples.len()),
            statistic: tested.as_ref().map(|t| t.statistic),
            p_value: tested.as_ref().map(|t| t.p_value),
            smallest_effect: tested.as_ref().map(|t| t.smallest_effect(limits)),
            effect: self.effect.clone(),
            words,
        }
    }
}
