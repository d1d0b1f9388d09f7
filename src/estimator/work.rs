//! Heat that moves exchange with the bath where forces act.
//!
//! A move of a particle in state `i` from `x` to `x'` absorbs the heat `psi_i(x') - psi_i(x)`, with
//! `psi_i = U + U_i - int f_i dx` and the force `f_i` of a state that propels itself: what the potentials gain
//! less the work done. It is absorbed on the way, in each cell the part that belongs to it. Like passages this
//! telescopes over a sojourn: in cell `c`, with passages `N_i` through its faces,
//!
//! `heat_c = sum_i [ N_i psi_i ](left face .. right face) + sum_transitions (psi_from - psi_to)(x)
//!           + sum_walkers psi (at the end less at the beginning)`,
//!
//! so that it costs nothing per move. The first law stays closed cell by cell.

use super::Context;
use super::currents::passages;
use crate::ensemble::Group;
use crate::event::{Occupancy, Walkers};

/// Heat absorbed in each cell, by transitions and by moves.
pub(crate) fn heat_absorbed(context: &Context, group: &Group) -> Vec<f64> {
    let mut heat = group.profile.heat().to_vec();
    let (Some(origin), true) = (&group.origin, context.model.has_forces()) else {
        return heat;
    };
    let (model, grid) = (&context.model, &context.grid);
    let states = model.network.states();
    let closing = Occupancy::of(&group.walkers, states.len(), grid);
    let work = Work::new(context);
    for state in 0..states.len() {
        let faces = passages(context, group, &closing, state);
        let psi = |k: usize| model.potential_energy(state, grid.cell_face(k)) - work.at_face(state, k);
        let through: Vec<f64> = faces.iter().enumerate().map(|(k, n)| *n as f64 * psi(k)).collect();
        for (heat, ends) in heat.iter_mut().zip(through.windows(2)) {
            *heat += ends[1] - ends[0];
        }
    }
    // Transitions: what own potentials gain is what was booked less what the enthalpies gain.
    let booked = group.profile.heat().iter().zip(group.profile.work());
    for (heat, (q, w)) in heat.iter_mut().zip(booked) {
        *heat -= q + w;
    }
    for channel in model.network.channels() {
        let enthalpy = states[channel.to].energy - states[channel.from].energy;
        for (c, (heat, count)) in heat.iter_mut().zip(group.profile.passages(channel.index)).enumerate() {
            *heat += *count as f64 * (enthalpy + work.in_cell(channel.to, c) - work.in_cell(channel.from, c));
        }
    }
    for (walkers, sign) in [(&group.walkers, 1.0), (origin, -1.0)] {
        stored(context, walkers, &work, sign, &mut heat);
    }
    heat
}

/// Adds `sign` times `psi` of every walker to its cell.
fn stored(context: &Context, walkers: &Walkers, work: &Work, sign: f64, heat: &mut [f64]) {
    for (position, state) in walkers.position.iter().zip(&walkers.state) {
        let (state, cell) = (usize::from(*state), position.cell(context.grid.cells()));
        let x = position.fraction() * context.model.domain.length;
        heat[cell] += sign * (context.model.potential_energy(state, x) - work.at(context, state, cell, x));
    }
}

/// `int_0^x f_i dx` of states that propel themselves.
struct Work {
    /// At cell faces; empty for a state without.
    faces: Vec<Vec<f64>>,
}

impl Work {
    fn new(context: &Context) -> Self {
        let cells = context.grid.cells();
        let of = |state: usize| {
            if !context.model.has_drift(state) {
                return Vec::new();
            }
            let mut sum = 0.0;
            let mut faces = vec![0.0];
            for c in 0..cells {
                sum += context.grid.cell_mean(c, |x| context.model.propulsion(state, x))
                    * context.grid.cell_width();
                faces.push(sum);
            }
            faces
        };
        Work { faces: (0..context.states()).map(of).collect() }
    }

    fn at_face(&self, state: usize, face: usize) -> f64 {
        self.faces[state].get(face).copied().unwrap_or(0.0)
    }

    /// Its mean over a cell.
    fn in_cell(&self, state: usize, cell: usize) -> f64 {
        0.5 * (self.at_face(state, cell) + self.at_face(state, cell + 1))
    }

    fn at(&self, context: &Context, state: usize, cell: usize, x: f64) -> f64 {
        let share = (x - context.grid.cell_face(cell)) / context.grid.cell_width();
        (1.0 - share) * self.at_face(state, cell) + share * self.at_face(state, cell + 1)
    }
}
