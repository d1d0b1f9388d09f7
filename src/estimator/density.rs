//! Densities from time spent: `P_i = (time in state i and bin)/(time x bin width)`.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::observable::Observable;

/// `P_tot` and `P_i` per bin, and the populations of the states.
///
/// Normalised by the time scored in all bins, so that they integrate to one exactly.
#[derive(Clone, Copy, Debug)]
pub struct Density;

impl Estimator for Density {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let mut list = vec![Observable::Density];
        list.extend((0..context.states()).map(Observable::StateDensity));
        list.extend((0..context.states()).map(Observable::Population));
        list
    }

    /// Time per state and bin.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        (0..context.states()).flat_map(|s| context.per_bin(context.time_in(group, s))).collect()
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let bins = context.grid.bins;
        let width = context.grid.bin_width();
        let time: f64 = sums.iter().sum();
        let in_bin = |b: usize| (0..context.states()).map(|s| sums[s * bins + b]).sum::<f64>();
        let mut result = vec![(0..bins).map(|b| ratio(in_bin(b), time * width)).collect()];
        for state in sums.chunks(bins) {
            result.push(state.iter().map(|t| ratio(*t, time * width)).collect());
        }
        for state in sums.chunks(bins) {
            result.push(vec![ratio(state.iter().sum(), time)]);
        }
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "no time was scored".into()
    }
}
