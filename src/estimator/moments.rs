//! What underdamped particles carry: moments of their velocity, seen at the end of every step.

use super::currents::{passages, window_energies};
use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::event::Occupancy;
use crate::observable::Observable;

/// Kinetic temperatures, flux of momentum, heat flux in phase space, deviation from Maxwell's law.
///
/// Kinetic energies are carried as `m_i v^3/2` of the particles seen. The other energies of a state, which depend on
/// x where a potential acts, are carried by its current, which is known from counts (see [`super::Currents`]).
#[derive(Clone, Copy, Debug)]
pub struct Moments;

/// Sums of `v^0 .. v^3` per state and bin.
const POWERS: usize = 4;

impl Estimator for Moments {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        use Observable::*;
        let states = 0..context.states();
        let mut list = vec![MeanHeatCurrent, PhaseHeatCurrent, KineticHeatCurrent, MomentumFlux];
        list.extend(states.clone().map(KineticTemperature));
        list.extend(states.map(MaxwellDeviation));
        list
    }

    /// Exposure, sightings; per bin, energies other than kinetic that were carried; per state and bin, the powers.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let states = 0..context.states();
        let Some(phase) = &group.phase else {
            return vec![0.0; 2 + context.grid.bins * (1 + POWERS * states.len())];
        };
        let closing = Occupancy::of(&group.walkers, states.len(), &context.grid);
        let mut carried = vec![0.0; context.grid.bins];
        for state in states.clone() {
            let faces = passages(context, group, &closing, state);
            let energy = |k: usize| context.model.energy(state, context.grid.cell_face(k));
            let windows = window_energies(context, &faces, energy);
            carried.iter_mut().zip(windows).for_each(|(sum, energy)| *sum += energy);
        }
        let powers = || states.clone().flat_map(|s| phase.moments(s).iter().flatten().copied());
        let seen = states.clone().flat_map(|s| phase.moments(s)).map(|of_bin| of_bin[0]).sum();
        let mut sums = vec![context.exposure(group), seen];
        sums.extend(carried);
        sums.extend(powers());
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (bins, model) = (context.grid.bins, &context.model);
        let per_length = sums[1] * context.grid.bin_width();
        let (carried, powers) = sums[2..].split_at(bins);
        let mass = |s: usize| model.network.states()[s].mass.unwrap_or(1.0);
        let power = |s: usize, b: usize, n: usize| powers[POWERS * (s * bins + b) + n];
        let over_states =
            |b: usize, n: usize| -> f64 { (0..context.states()).map(|s| mass(s) * power(s, b, n)).sum() };
        let kinetic: Vec<Option<f64>> =
            (0..bins).map(|b| ratio(0.5 * over_states(b, 3), per_length)).collect();
        let all: Vec<Option<f64>> = kinetic
            .iter()
            .zip(carried)
            .map(|(kinetic, carried)| Some((*kinetic)? + ratio(*carried, sums[0])?))
            .collect();
        let mean = all.iter().copied().sum::<Option<f64>>().map(|sum| sum / bins as f64);
        let momentum = (0..bins).map(|b| ratio(over_states(b, 2), per_length)).collect();
        let mut result = vec![vec![mean], all, kinetic, momentum];
        for s in 0..context.states() {
            let per_kelvin = mass(s) / model.boltzmann;
            result.push((0..bins).map(|b| ratio(per_kelvin * power(s, b, 2), power(s, b, 0))).collect());
        }
        for s in 0..context.states() {
            let deviation = |b: usize| {
                let middle = (b as f64 + 0.5) * context.grid.bin_width();
                let scale = libm::sqrt(mass(s) / model.thermal_energy(middle));
                let [first, third] =
                    [(1, scale), (3, scale * scale * scale)].map(|(n, c)| c * power(s, b, n));
                ratio((third - 3.0 * first) / 6.0, power(s, b, 0))
            };
            result.push((0..bins).map(deviation).collect());
        }
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "no particle of this kind was seen here".into()
    }
}
