//! On a ring: how fast particles go round on average, and how fast they spread.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::model::Boundary;
use crate::observable::Observable;

/// Mean velocity, `<displacement>/t`, and effective diffusion, from the variance of the displacement at the
/// middle and at the end of the run,
///
/// `D_eff = [Var(t) - Var(t/2)]/(2 (t - t/2))`,
///
/// in which what the start adds to the variance drops out. Laps count. **Not for** runs shorter than a few
/// relaxation times: the variance must have become a straight line by the middle.
#[derive(Clone, Copy, Debug)]
pub struct Spreading;

impl Estimator for Spreading {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        match context.model.domain.walls {
            Boundary::Reflecting => Vec::new(),
            Boundary::Periodic => vec![Observable::MeanVelocity, Observable::EffectiveDiffusion],
        }
    }

    /// Exposure and displacement; walkers, then time, displacement and its square in the middle and at the end,
    /// summed over walkers; lengths in units of the ring.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let snapshots = &group.snapshots;
        let way = snapshots.last().map_or(0.0, |s| s.displacement[0]);
        let mut sums = vec![context.exposure(group), way, group.walkers.len() as f64];
        let halves = [snapshots.len() / 2, snapshots.len()];
        for count in halves {
            let seen = count.checked_sub(1).map_or([0.0; 4], |k| snapshots[k].displacement);
            let share = count as f64 / (snapshots.len() as f64).max(1.0);
            sums.extend([group.clock * share, seen[0], seen[1]]);
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (length, walkers) = (context.grid.length, sums[2]);
        let variance = |at: &[f64]| {
            let mean = ratio(at[1], walkers)?;
            Some(ratio(at[2], walkers)? - mean * mean)
        };
        let (half, end) = (&sums[3..6], &sums[6..9]);
        let spreading = || {
            let rise = variance(end)? - variance(half)?;
            ratio(rise * walkers, 2.0 * (end[0] - half[0])).filter(|_| context.timed)
        };
        vec![
            vec![ratio(sums[1], sums[0]).map(|v| v * length)],
            vec![spreading().map(|d| d * length * length)],
        ]
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        match observable {
            Observable::EffectiveDiffusion if !context.timed => {
                "spreading needs elapsed times: give the run a \"duration\" instead of \"legs\"".into()
            }
            _ => "no round was finished".into(),
        }
    }
}
