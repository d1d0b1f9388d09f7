//! Heat, transitions and entropy production from what the kernel booked.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::observable::Observable;

/// Heat absorbed and transitions per bin, and the entropy production
/// `sigma = -sum (heat absorbed)/T` per unit time.
///
/// The entropy production is linear in the heat: squares of noisy currents would be biased.
#[derive(Clone, Copy, Debug)]
pub struct Heat;

impl Estimator for Heat {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let channels = 2 * context.model.network.edges().len();
        let mut list = vec![Observable::EntropyProduction, Observable::HeatAbsorbed];
        list.extend((0..channels).map(Observable::TransitionRate));
        list
    }

    /// Exposure, sum of heat/T, heat per bin, passages per channel and bin.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let heat = group.profile.heat();
        let over_t =
            |(c, q): (usize, &f64)| q * context.cell_mean(c, |x| 1.0 / context.model.thermal_energy(x));
        let mut sums = vec![context.exposure(group), heat.iter().enumerate().map(over_t).sum()];
        sums.extend(context.per_bin(heat.iter().copied()));
        for channel in context.model.network.channels() {
            sums.extend(context.per_bin(group.profile.passages(channel.index).iter().map(|n| *n as f64)));
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let per_length = sums[0] * context.grid.bin_width();
        let mut result = vec![vec![ratio(-sums[1], sums[0])]];
        for part in sums[2..].chunks(context.grid.bins) {
            result.push(part.iter().map(|s| ratio(*s, per_length)).collect());
        }
        if !context.model.has_heat() {
            result[..2].iter_mut().flatten().for_each(|entry| *entry = None);
        }
        result
    }

    fn why_undefined(&self, context: &Context, _observable: Observable) -> String {
        if context.model.has_heat() {
            "no time was scored".into()
        } else {
            "a transition has a free rate in one direction only: its heat is not known".into()
        }
    }
}
