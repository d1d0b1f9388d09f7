//! Heat of underdamped particles: what kicks and transitions exchange with the bath, and what moves carry.

use super::currents::passages;
use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::event::{Occupancy, Walkers};
use crate::model::Boundary;
use crate::observable::Observable;

/// Heat absorbed and transitions per bin, entropy production `sigma = -sum (heat absorbed)/T` per unit time, and the
/// heat flux that moves carried.
///
/// In every cell kinetic energy and enthalpy obey `absorbed = stored + carried away`: heat and work of kicks, the
/// enthalpies gained in transitions, the energies of walkers at the end less at the beginning. Added up from the wall
/// this is what moves carried through each face, to rounding; with the potential energies of its passages it is
/// `J_E`.
#[derive(Clone, Copy, Debug)]
pub struct Bath;

impl Estimator for Bath {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let channels = 2 * context.model.network.edges().len();
        let mut list = vec![Observable::EntropyProduction, Observable::HeatAbsorbed];
        list.extend((0..channels).map(Observable::TransitionRate));
        list.push(Observable::CarriedHeatCurrent);
        list
    }

    /// Exposure, sum of heat/T, heat per bin, passages per channel and bin, energy carried per interior face.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let heat: Vec<f64> = match &group.phase {
            Some(phase) => phase.heat().to_vec(),
            None => vec![0.0; context.grid.cells()],
        };
        let over_t =
            |(c, q): (usize, &f64)| q * context.grid.cell_mean(c, |x| 1.0 / context.model.thermal_energy(x));
        let mut sums = vec![context.exposure(group), heat.iter().enumerate().map(over_t).sum()];
        sums.extend(context.per_bin(heat.iter().copied()));
        for channel in context.model.network.channels() {
            sums.extend(context.per_bin(group.profile.passages(channel.index).iter().map(|n| *n as f64)));
        }
        sums.extend(carried(context, group));
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let per_length = sums[0] * context.grid.bin_width();
        let mut result = vec![vec![ratio(-sums[1], sums[0])]];
        let (profiles, carried) = sums[2..].split_at(sums[2..].len() + 1 - context.grid.bins);
        for part in profiles.chunks(context.grid.bins) {
            result.push(part.iter().map(|s| ratio(*s, per_length)).collect());
        }
        if !context.model.has_heat() {
            result[..2].iter_mut().flatten().for_each(|entry| *entry = None);
        }
        let known = context.model.domain.walls == Boundary::Reflecting;
        result.push(carried.iter().map(|e| ratio(*e, sums[0]).filter(|_| known)).collect());
        result
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::CarriedHeatCurrent if context.model.domain.walls == Boundary::Periodic => {
                "on a ring only its differences are known from the heat absorbed"
            }
            Observable::EntropyProduction | Observable::HeatAbsorbed if !context.model.has_heat() => {
                "a transition has a free rate in one direction only: its heat is not known"
            }
            _ => "no time was scored",
        };
        reason.into()
    }
}

/// Kinetic energy and enthalpy absorbed in each cell less what is stored there: what moves have carried away.
pub(super) fn surplus(context: &Context, group: &Group) -> Vec<f64> {
    let states = context.model.network.states();
    let Some(phase) = &group.phase else { return vec![0.0; context.grid.cells()] };
    // Of transitions, which are booked along with kicks, enthalpies count and potentials of single states do not.
    let booked = group.profile.heat().iter().zip(group.profile.work());
    let kicks = phase.exchanged().zip(booked).map(|([q, w], (heat, work))| (q + w) - (heat + work));
    let mut surplus: Vec<f64> = kicks.collect();
    for channel in context.model.network.channels() {
        let gained = states[channel.to].energy - states[channel.from].energy;
        for (sum, count) in surplus.iter_mut().zip(group.profile.passages(channel.index)) {
            *sum += gained * *count as f64;
        }
    }
    let mut store = |walkers: &Walkers, sign: f64| {
        for ((position, state), v) in walkers.position.iter().zip(&walkers.state).zip(&walkers.velocity) {
            let state = &states[usize::from(*state)];
            let energy = 0.5 * state.mass.unwrap_or(1.0) * v * v + state.energy;
            surplus[position.cell(context.grid.cells())] -= sign * energy;
        }
    };
    store(&group.walkers, 1.0);
    if let Some(origin) = &group.origin {
        store(origin, -1.0);
    }
    surplus
}

/// Energy of all kinds carried through each interior face.
fn carried(context: &Context, group: &Group) -> Vec<f64> {
    let grid = &context.grid;
    let mut sum = 0.0;
    let bins = context.per_bin(surplus(context, group).into_iter());
    let mut faces: Vec<f64> = bins[..grid.bins - 1]
        .iter()
        .map(|absorbed| {
            sum += absorbed;
            sum
        })
        .collect();
    if context.model.has_forces() {
        let closing = Occupancy::of(&group.walkers, context.states(), grid);
        for state in 0..context.states() {
            let through = passages(context, group, &closing, state);
            for (k, sum) in faces.iter_mut().enumerate() {
                let potential = context.model.potential_energy(state, grid.face(k + 1));
                *sum += potential * through[(k + 1) * grid.cells_per_bin] as f64;
            }
        }
    }
    faces
}
