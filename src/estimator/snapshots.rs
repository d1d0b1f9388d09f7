//! Where particles are at observation times, and how far they have come.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::model::Boundary;
use crate::observable::{Instant, Observable};
use crate::snapshot::MODES;

/// `P_i(x, t)` in bins, populations, mean position, the lowest cosine modes of every state, and on a ring the
/// mean, the mean square and the kurtosis of the displacement, at each observation time.
///
/// Counts of independent particles at one moment; times of one run are correlated with each other.
#[derive(Clone, Copy, Debug)]
pub struct Snapshots;

/// What is told of one moment, in the order of `evaluate`.
fn instants(context: &Context) -> Vec<Instant> {
    let states = 0..context.states();
    let mut list = vec![Instant::Density];
    list.extend(states.clone().map(Instant::StateDensity));
    list.extend(states.clone().map(Instant::Population));
    list.push(Instant::MeanPosition);
    list.extend(states.flat_map(|s| (1..=MODES).map(move |n| Instant::Mode(s, n))));
    if context.model.domain.walls == Boundary::Periodic {
        list.extend([Instant::Displacement, Instant::SquareDisplacement, Instant::Kurtosis]);
    }
    list
}

impl Estimator for Snapshots {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let at = |t| instants(context).into_iter().map(move |what| Observable::At(t, what));
        (0..context.times.len()).flat_map(at).collect()
    }

    /// Per time: walkers, counts per state and bin, `x/L`, modes, powers of the displacement.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let mut sums = Vec::new();
        for snapshot in group.snapshots.iter().take(context.times.len()) {
            sums.push(group.walkers.len() as f64);
            sums.extend(snapshot.counts.iter().map(|n| f64::from(*n)));
            sums.push(snapshot.position);
            sums.extend(&snapshot.modes);
            sums.extend(snapshot.displacement);
        }
        // Times that a run ended before are told of by nobody.
        sums.resize(context.times.len() * block(context), 0.0);
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        sums.chunks(block(context)).flat_map(|sums| moment(context, sums)).collect()
    }

    fn why_undefined(&self, _context: &Context, observable: Observable) -> String {
        match observable {
            Observable::At(_, Instant::Kurtosis) => "all particles have come equally far".into(),
            _ => "the run ended before".into(),
        }
    }
}

/// Numbers per time.
fn block(context: &Context) -> usize {
    1 + context.states() * (context.grid.bins + MODES) + 1 + 4
}

/// The observables of one moment.
fn moment(context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
    let (states, bins, length) = (context.states(), context.grid.bins, context.grid.length);
    let (walkers, rest) = (sums[0], &sums[1..]);
    let (counts, rest) = rest.split_at(states * bins);
    let (position, rest) = (rest[0], &rest[1..]);
    let (modes, powers) = rest.split_at(states * MODES);
    let per_length = walkers * context.grid.bin_width();
    let share = |sum: f64| ratio(sum, walkers);
    let mut result = Vec::new();
    let total = (0..bins).map(|b| ratio((0..states).map(|s| counts[s * bins + b]).sum(), per_length));
    result.push(total.collect());
    result.extend(counts.chunks(bins).map(|state| state.iter().map(|n| ratio(*n, per_length)).collect()));
    result.extend(counts.chunks(bins).map(|state| vec![share(state.iter().sum())]));
    result.push(vec![share(position * length)]);
    result.extend(modes.iter().map(|sum| vec![share(*sum)]));
    if context.model.domain.walls == Boundary::Periodic {
        let mean = |k: usize| share(powers[k]);
        let kurtosis = || {
            let [m1, m2, m3, m4] = [mean(0)?, mean(1)?, mean(2)?, mean(3)?];
            let variance = m2 - m1 * m1;
            let fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1.powi(4);
            ratio(fourth, variance * variance)
        };
        result.push(vec![mean(0).map(|m| m * length)]);
        result.push(vec![mean(1).map(|m| m * length * length)]);
        result.push(vec![kurtosis()]);
    }
    result
}
