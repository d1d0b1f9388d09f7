//! When a run may end before its plan does: after two stages in the manner of Stein.
//!
//! Whoever looks at an error again and again and ends at the first that is small enough ends when the error
//! is *under*estimated by luck, and the intervals cover less than they claim. So the length is settled
//! before what counts is scored:
//!
//! 1. The run is scored for a short **look**, and the length forecast at which the standard error `s` (which
//!    falls like `1/sqrt(length)`) meets its target. What was scored is forgotten: it was burn-in.
//! 2. The run goes on for that length and is not judged on its way. Whatever the look said, a run of a length
//!    that is independent of its errors is one of fixed length: its intervals cover what they claim.
//!
//! Both `s^2`, of the look and of the run, are known from `G` groups only: their ratio obeys F with `G - 1` and
//! `G - 1` degrees of freedom, and the forecast is longer by that law's quantile at 0.8. The one
//! run of five that misses its target all the same is prolonged by a forecast of its own; only there does an
//! error decide about its own run. `docs/statistics.md` has the coverage.

use crate::ensemble::{Control, Ensemble, Plan};
use crate::estimator::{self, Context};
use crate::experiment::Until;
use crate::kernel::{KernelError, Span};
use crate::model::Boundary;
use crate::stats::{Outcome, f_quantile};

/// Probability that a forecast is long enough.
const CONFIDENCE: f64 = 0.8;

/// Length of the look in relaxation times: from there on errors fall like `1/sqrt(length)`, to 3 %.
const LOOK: f64 = 16.0;

/// The look takes at most this share of the longest run.
const LARGEST_LOOK: f64 = 1.0 / 8.0;

/// A prolonged run is longer by this at least, so that there are few prolongations.
const PROLONGED: f64 = 1.1;

/// How a run with a wanted error ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Whether the standard error met its target.
    pub reached: bool,
    /// The quantity at the end.
    pub outcome: Outcome,
    /// The target at the end; relative ones move with the value.
    pub target: Option<f64>,
    /// Length at which the target would be met on average, in the unit of the span.
    pub needed: Option<f64>,
}

/// Judges the quantity of `until` as it stands after `length`.
fn judge(until: &Until, context: &Context, ensemble: &Ensemble<'_>, length: f64) -> Ending {
    let of = |e: &dyn estimator::Estimator| e.observables(context).contains(&until.quantity);
    let measured = estimator::of(&context.model)
        .into_iter()
        .filter(|e| of(e.as_ref()))
        .flat_map(|e| estimator::measure(e.as_ref(), context, ensemble.groups()))
        .find(|m| m.observable == until.quantity);
    let outcome = measured.map_or_else(|| Outcome::null("not measured in this run"), |m| m.outcome(0));
    let Some(estimate) = outcome.estimate() else {
        return Ending { reached: false, outcome, target: None, needed: None };
    };
    let target = until.target(estimate.value);
    let ratio = estimate.std_error / target;
    let needed = Some(length * ratio * ratio).filter(|n| n.is_finite());
    Ending { reached: estimate.std_error <= target, target: Some(target), needed, outcome }
}

/// Length of the look; zero where the longest run is too short for one.
fn look(span: Span, relaxation: f64) -> Span {
    let length = (LOOK * relaxation).min(LARGEST_LOOK * span.amount());
    match span {
        Span::Legs(_) => Span::Legs(length as u64),
        Span::Duration(_) => Span::Duration(length),
    }
}

/// The length to go for, at least `least` and at most the longest, after `ending` was seen.
fn forecast(ending: &Ending, groups: usize, least: f64, longest: Span) -> Span {
    let dof = groups as f64 - 1.0;
    let margin = f_quantile(1.0 - CONFIDENCE, dof, dof);
    let wanted = match &ending.outcome {
        Outcome::Estimate(_) => ending.needed.map_or(f64::INFINITY, |n| margin * n),
        // Too little has been seen for any number.
        Outcome::Null { .. } => least / LARGEST_LOOK,
    };
    let length = wanted.max(least).min(longest.amount());
    match longest {
        // A float may round the longest run up.
        Span::Legs(legs) => Span::Legs((length.ceil() as u64).clamp(1, legs)),
        Span::Duration(_) => Span::Duration(length),
    }
}

/// What is left of `span` after `done`, at most `most`.
fn piece(span: Span, done: Span, most: Span) -> Option<Span> {
    match (span, done, most) {
        (Span::Legs(span), Span::Legs(done), Span::Legs(most)) => {
            Some(span.saturating_sub(done).min(most)).filter(|l| *l > 0).map(Span::Legs)
        }
        (span, done, most) => {
            let left = span.amount() - done.amount();
            // What rounding leaves is not another round.
            (left > 1e-9 * span.amount()).then(|| Span::Duration(left.min(most.amount())))
        }
    }
}

/// The whole number of rounds that holds `span`, at least two, and at most the longest run. Durations only: what is
/// seen between rounds or in segments needs pieces of the same length.
fn whole(span: Span, round: Span, longest: Span) -> Span {
    match span {
        Span::Legs(_) => span,
        Span::Duration(duration) => {
            let rounds = (duration / round.amount() * (1.0 - 1e-12)).ceil().max(2.0);
            Span::Duration((rounds * round.amount()).min(longest.amount()))
        }
    }
}

fn sum(a: Span, b: Span) -> Span {
    match (a, b) {
        (Span::Legs(a), Span::Legs(b)) => Span::Legs(a + b),
        (a, b) => Span::Duration(a.amount() + b.amount()),
    }
}

/// Runs until the error is as wanted, or the plan is at its end, or `after_round` asks to stop. The plan of
/// the ensemble becomes what is really done: the look belongs to its burn-in. `relaxation` is in the unit of the
/// span.
///
/// # Errors
/// As the kernel's.
pub fn run(
    ensemble: &mut Ensemble<'_>,
    until: &Until,
    (context, relaxation): (&Context, f64),
    tick: &(dyn Fn(f64) + Sync),
    after_round: &mut dyn FnMut(&Ensemble<'_>) -> Control,
) -> Result<Ending, KernelError> {
    let plan = ensemble.plan().clone();
    let zero = match plan.span {
        Span::Legs(_) => Span::Legs(0),
        Span::Duration(_) => Span::Duration(0.0),
    };
    // Rounds are as long as those of the file, or a leg.
    let round = match plan.span {
        Span::Legs(legs) => Span::Legs(legs.div_ceil(plan.rounds)),
        Span::Duration(duration) => Span::Duration(duration / plan.rounds as f64),
    };
    let (mut span, mut done) = (plan.span, zero);
    let even = |ensemble: &Ensemble<'_>, span| {
        let watched = ensemble.groups().iter().any(|g| g.paths.is_some());
        let ring = context.model.domain.walls == Boundary::Periodic;
        if watched || ring { whole(span, round, plan.span) } else { span }
    };
    let mut stopped = ensemble.stopped();

    let look = look(plan.span, relaxation);
    if look.amount() > 0.0 && !stopped {
        ensemble.advance(look, tick)?;
        let seen = judge(until, context, ensemble, look.amount());
        span = even(ensemble, forecast(&seen, plan.groups, look.amount(), plan.span));
        ensemble.forget();
        let burn_in = plan.burn_in + look.amount();
        ensemble.replan(Plan { burn_in, span, rounds: rounds(span, zero, round, 0), ..plan.clone() });
        stopped = after_round(ensemble) == Control::Stop;
    }
    loop {
        while !stopped && let Some(piece) = piece(span, done, round) {
            ensemble.advance_round(piece, tick)?;
            done = sum(done, piece);
            stopped = after_round(ensemble) == Control::Stop;
        }
        let ending = judge(until, context, ensemble, done.amount());
        if stopped || ending.reached || piece(plan.span, span, round).is_none() {
            return Ok(ending);
        }
        span = even(ensemble, forecast(&ending, plan.groups, PROLONGED * done.amount(), plan.span));
        let rounds = rounds(span, done, round, ensemble.rounds_done());
        ensemble.replan(Plan { span, rounds, ..ensemble.plan().clone() });
    }
}

/// Rounds from `done` to the end, those done included.
fn rounds(span: Span, done: Span, round: Span, rounds_done: u64) -> u64 {
    let left = (span.amount() - done.amount()) / round.amount();
    rounds_done + ((left * (1.0 - 1e-12)).ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Estimate, f_survival};

    fn seen(needed: Option<f64>) -> Ending {
        let estimate = Estimate { value: 1.0, std_error: 0.1, low: 0.8, high: 1.2 };
        Ending { reached: false, outcome: Outcome::Estimate(estimate), target: None, needed }
    }

    #[test]
    fn forecasts_stay_between_the_look_and_the_longest_run() {
        let longest = Span::Legs(10_000);
        let margin = f_quantile(1.0 - CONFIDENCE, 63.0, 63.0);
        assert!((f_survival(margin, 63.0, 63.0) - 0.2).abs() < 1e-9 && margin > 1.2 && margin < 1.3);
        let expected = (1000.0 * margin).ceil() as u64;
        assert_eq!(forecast(&seen(Some(1000.0)), 64, 50.0, longest), Span::Legs(expected));
        assert_eq!(forecast(&seen(Some(1.0)), 64, 50.0, longest), Span::Legs(50));
        assert_eq!(forecast(&seen(Some(1e30)), 64, 50.0, longest), longest);
        assert_eq!(forecast(&seen(None), 64, 50.0, longest), longest);
        let nothing = Ending { outcome: Outcome::null(""), ..seen(None) };
        assert_eq!(forecast(&nothing, 64, 50.0, longest), Span::Legs(400));
        let time = Span::Duration(2.5);
        assert_eq!(forecast(&seen(Some(1e30)), 64, 0.1, time), time);
    }

    #[test]
    fn rounds_are_whole_where_their_lengths_must_not_differ() {
        let of = |d: f64| whole(Span::Duration(d), Span::Duration(0.5), Span::Duration(10.0)).amount();
        assert_eq!([0.1, 1.0, 1.1, 9.9, 10.0].map(of), [1.0, 1.0, 1.5, 10.0, 10.0]);
        let legs = Span::Legs(7);
        assert_eq!(whole(legs, Span::Legs(5), Span::Legs(10)), legs);
    }

    #[test]
    fn pieces_fill_the_span() {
        let (span, most) = (Span::Legs(10), Span::Legs(4));
        let (mut done, mut pieces) = (Span::Legs(0), Vec::new());
        while let Some(next) = piece(span, done, most) {
            pieces.push(next.amount());
            done = sum(done, next);
        }
        assert_eq!(pieces, [4.0, 4.0, 2.0]);
        assert_eq!(rounds(span, Span::Legs(0), most, 0), 3);
        assert_eq!(look(Span::Legs(7), 100.0), Span::Legs(0));
        assert_eq!(look(Span::Legs(8000), 10.0), Span::Legs(160));
        assert_eq!(look(Span::Duration(8.0), 10.0), Span::Duration(1.0));
    }
}
