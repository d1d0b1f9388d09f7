//! Numbers of particles in a well-mixed volume.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::observable::{Instant, Observable};

/// Mean, variance and law of the number of every species at the observation times, over realisations.
///
/// With `N` realisations the variance is `(<n^2> - <n>^2) N/(N - 1)`, without bias. Numbers are counted from those at the
/// start, so that squares of large ones leave no rounding. Times of one run are correlated with each other.
#[derive(Clone, Copy, Debug)]
pub struct Numbers;

/// Numbers kept per time and species before those of its cells.
const MOMENTS: usize = 2;

impl Estimator for Numbers {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let species = || 0..context.states();
        let at = |k: usize| {
            let means = species().map(Instant::Number);
            let variances = species().map(Instant::NumberVariance);
            let laws = species().map(Instant::NumberLaw);
            means.chain(variances).chain(laws).map(move |what| Observable::At(k, what))
        };
        (0..context.times.len()).flat_map(at).collect()
    }

    /// Per time the realisations, and per species sums of `n - n(0)` and its square, and how many are in each cell.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let block = 1 + context.states() * (MOMENTS + context.grid.across);
        let mut sums = Vec::new();
        if let (Some(volume), Some(group)) = (&context.volume, &group.realisations) {
            for census in group.seen.iter().take(context.times.len()) {
                sums.push(group.len() as f64);
                for (s, numbers) in census.0.iter().enumerate() {
                    let from_start = |n: u64| n as f64 - volume.start[s] as f64;
                    let mut kept = vec![0.0; MOMENTS + context.grid.across];
                    for &(number, often) in numbers {
                        let (d, often) = (from_start(number), often as f64);
                        kept[0] += often * d;
                        kept[1] += often * d * d;
                        kept[MOMENTS + volume.scales[s].cell(number)] += often;
                    }
                    sums.extend(kept);
                }
            }
        }
        // Times that a run ended before are told of by nobody.
        sums.resize(context.times.len() * block, 0.0);
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let species = context.states();
        let cells = MOMENTS + context.grid.across;
        let mut result = Vec::new();
        for moment in sums.chunks(1 + species * cells) {
            let (all, kept) = (moment[0], &moment[1..]);
            let start = |s: usize| context.volume.as_ref().map_or(0.0, |v| v.start[s] as f64);
            let parts = || kept.chunks(cells);
            result.extend(parts().enumerate().map(|(s, k)| vec![ratio(k[0], all).map(|d| start(s) + d)]));
            result.extend(parts().map(|k| vec![ratio(k[1] - k[0] * k[0] / all.max(1.0), all - 1.0)]));
            result.extend(parts().map(|k| k[MOMENTS..].iter().map(|n| ratio(*n, all)).collect()));
        }
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "the run ended before, or there are too few realisations".into()
    }
}
