//! Heat, transitions and entropy production from what the kernel booked and what moves exchange.

use super::{Context, Estimator, ratio, work};
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
        if context.model.has_frictions() {
            list.push(Observable::KineticEntropyProduction);
        }
        list
    }

    /// Exposure, sum of heat/T, heat per bin, passages per channel and bin; with frictions, the sum of time
    /// times `k_B T'^2/(2 gamma T)`.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let heat = work::heat_absorbed(context, group);
        let over_t =
            |(c, q): (usize, &f64)| q * context.grid.cell_mean(c, |x| 1.0 / context.model.thermal_energy(x));
        let mut sums = vec![context.exposure(group), heat.iter().enumerate().map(over_t).sum()];
        sums.extend(context.per_bin(heat.iter().copied()));
        for channel in context.model.network.channels() {
            sums.extend(context.per_bin(group.profile.passages(channel.index).iter().map(|n| *n as f64)));
        }
        if context.model.has_frictions() {
            sums.push((0..context.states()).map(|s| kinetic(context, group, s)).sum());
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let per_length = sums[0] * context.grid.bin_width();
        let mut result = vec![vec![ratio(-sums[1], sums[0])]];
        let (profiles, kinetic) = sums[2..].split_at(sums[2..].len() / context.grid.bins * context.grid.bins);
        for part in profiles.chunks(context.grid.bins) {
            result.push(part.iter().map(|s| ratio(*s, per_length)).collect());
        }
        for sum in kinetic {
            result.push(vec![ratio(*sum, sums[0]).filter(|_| !context.model.temperature_jumps())]);
        }
        if !context.model.has_heat() {
            result[..2].iter_mut().flatten().for_each(|entry| *entry = None);
        }
        result
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        if observable == Observable::KineticEntropyProduction && context.model.temperature_jumps() {
            "the temperature jumps: this dissipation has no finite limit".into()
        } else if context.model.has_heat() {
            "no time was scored".into()
        } else {
            "a transition has a free rate in one direction only: its heat is not known".into()
        }
    }
}

/// Time of a group in `state`, weighted with `k_B T'^2/(2 gamma T)`.
fn kinetic(context: &Context, group: &Group, state: usize) -> f64 {
    let model = &context.model;
    let rate = |x: f64| {
        let slope = model.boltzmann * model.temperature.slope(x);
        slope * slope / (2.0 * model.resistance(state, x) * model.thermal_energy(x))
    };
    context.time_in(group, state).enumerate().map(|(c, time)| time * context.grid.cell_mean(c, rate)).sum()
}
