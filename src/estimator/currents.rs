//! Hidden currents from counts (Eqs 11, A14-A16 of the paper).
//!
//! A move changes x at fixed state, a transition changes the state at fixed x. The walkers of state `i`
//! to the left of a face therefore change in number by net transitions into `i` there, less the net
//! passages through the face in state `i`:
//!
//! `passages_i(x) = (net transitions into i left of x) - (change of occupancy of i left of x)`,
//!
//! an identity of integers. Currents cost one count per transition and nothing per move, and are exact
//! counts of every crossing. On a ring it fixes differences between faces only; passages through `x = 0` are
//! counted.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::event::Occupancy;
use crate::observable::Observable;

/// `J_i` and `J_E` at faces, averaged over bins and over the domain; `J_E` of particles that carry more than the energy of their
/// state is left to others: kinetic energy to [`super::Moments`] and [`super::Bath`], that of internal coordinates to
/// [`super::InternalHeat`].
#[derive(Clone, Copy, Debug)]
pub struct Currents;

/// Whether particles carry the energies of their states and nothing else.
fn carry_states_only(context: &Context) -> bool {
    !context.model.is_underdamped() && context.model.coordinates.is_none()
}

/// Net passages in `state` through every cell face, from the left wall (first entry, zero by
/// construction) to the right wall (last entry, zero if every event was counted). On a ring first and last
/// face are the same, `x = 0`.
pub(crate) fn passages(context: &Context, group: &Group, closing: &Occupancy, state: usize) -> Vec<i64> {
    let cells = context.grid.cells();
    let mut into = vec![0i64; cells];
    for channel in context.model.network.channels() {
        let sign = i64::from(channel.to == state) - i64::from(channel.from == state);
        if sign != 0 {
            for (net, count) in into.iter_mut().zip(group.profile.passages(channel.index)) {
                *net += sign * *count as i64;
            }
        }
    }
    let change =
        closing.state(state).iter().zip(group.opening.state(state)).map(|(c, o)| *c as i64 - *o as i64);
    let mut through = group.profile.laps(state);
    let mut faces = Vec::with_capacity(cells + 1);
    faces.push(through);
    for (net, change) in into.into_iter().zip(change) {
        through += net - change;
        faces.push(through);
    }
    faces
}

/// Mean over the cell faces `first..=last` by the trapezoidal rule.
pub(super) fn trapezoid(faces: &[i64]) -> f64 {
    let n = faces.len() - 1;
    let inner: i64 = faces[1..n].iter().sum();
    (inner as f64 + 0.5 * (faces[0] + faces[n]) as f64) / n as f64
}

/// `energy` carried by these passages, averaged over each bin by the same rule.
pub(super) fn window_energies(context: &Context, faces: &[i64], energy: impl Fn(usize) -> f64) -> Vec<f64> {
    let m = context.grid.cells_per_bin;
    let at = |k: usize| energy(k) * faces[k] as f64;
    let window = |b: usize| {
        let (first, last) = (b * m, (b + 1) * m);
        let inner: f64 = (first + 1..last).map(at).sum();
        (inner + 0.5 * (at(first) + at(last))) / m as f64
    };
    (0..context.grid.bins).map(window).collect()
}

/// Passages averaged over each bin.
pub(super) fn window_passages(context: &Context, faces: &[i64]) -> Vec<f64> {
    let m = context.grid.cells_per_bin;
    (0..context.grid.bins).map(|b| trapezoid(&faces[b * m..=(b + 1) * m])).collect()
}

impl Estimator for Currents {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let states = 0..context.states();
        let mut list: Vec<Observable> = states.clone().map(Observable::MeanCurrent).collect();
        list.extend(states.clone().map(Observable::Current));
        list.extend(states.map(Observable::WindowCurrent));
        if carry_states_only(context) {
            list.extend([Observable::MeanHeatCurrent, Observable::HeatCurrent]);
        }
        list
    }

    /// Exposure; then per state: mean, faces, windows; then of the energy carried: mean, faces.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let closing = Occupancy::of(&group.walkers, context.states(), &context.grid);
        let (bins, m) = (context.grid.bins, context.grid.cells_per_bin);
        let mut sums = vec![context.exposure(group)];
        let mut carried = vec![0.0; bins];
        for state in 0..context.states() {
            let faces = passages(context, group, &closing, state);
            sums.push(trapezoid(&faces));
            sums.extend((1..bins).map(|b| faces[b * m] as f64));
            sums.extend(window_passages(context, &faces));
            let energy = |k: usize| context.model.energy(state, context.grid.cell_face(k)) * faces[k] as f64;
            let cells = context.grid.cells();
            let inner: f64 = (1..cells).map(energy).sum();
            carried[0] += (inner + 0.5 * (energy(0) + energy(cells))) / cells as f64;
            for (b, sum) in carried.iter_mut().enumerate().skip(1) {
                *sum += energy(b * m);
            }
        }
        sums.extend(carried);
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let bins = context.grid.bins;
        let exposure = sums[0];
        let (particles, carried) = sums[1..].split_at(2 * bins * context.states());
        let per_state: Vec<&[f64]> = particles.chunks(2 * bins).collect();
        let rates = |part: &[f64]| part.iter().map(|n| ratio(*n, exposure)).collect::<Vec<_>>();
        let mut result: Vec<Vec<Option<f64>>> = per_state.iter().map(|s| rates(&s[..1])).collect();
        result.extend(per_state.iter().map(|s| rates(&s[1..bins])));
        result.extend(per_state.iter().map(|s| rates(&s[bins..])));
        if carry_states_only(context) {
            result.extend([rates(&carried[..1]), rates(&carried[1..])]);
        }
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "no time was scored".into()
    }
}
