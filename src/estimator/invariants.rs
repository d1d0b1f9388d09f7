//! Identities that hold exactly whatever the sampler does: tests of the book-keeping, not of the physics.

use super::Context;
use super::bath::surplus;
use super::currents::passages;
use crate::ensemble::Group;
use crate::event::Occupancy;
use crate::expression::Interval;

/// An identity and whether it held.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Which identity.
    pub name: &'static str,
    /// Whether it held.
    pub holds: bool,
    /// Numbers.
    pub detail: String,
}

/// Checks the book-keeping of all groups.
///
/// 1. *Passages close*: no walker passes the right wall in any state, by the integer identity of
///    [`super::Currents`] (on a ring: as many come to the last face as left the first, counted apart); a lost
///    or doubled transition breaks it.
/// 2. *First law*: in every cell the heat and work booked by the kernel equal the energy gained in the
///    transitions counted there, to the rounding of their sum (with potentials of single states: lie between
///    the bounds on it that the cell allows).
/// 3. *Particles are conserved*: every group ends with the walkers that it began with.
/// 4. Of underdamped particles, *heat and work are the energy gained*: no energy passes the right wall, by the
///    balance of [`super::Bath`] (on a ring: none appears), to the rounding of the kinetic energies seen; a lost or
///    doubled kick breaks it.
pub fn invariants(context: &Context, groups: &[Group]) -> Vec<Check> {
    let states = context.model.network.states();
    let mut leaks = 0u64;
    let mut worst = 0.0f64;
    let mut lost = 0u64;
    let mut transitions = 0u64;
    let mut leaked = 0.0f64;
    for group in groups {
        if let Some(phase) = &group.phase {
            let seen = |s: usize| phase.mass(s) * phase.moments(s).iter().map(|sums| sums[2]).sum::<f64>();
            let kinetic: f64 = 0.5 * (0..states.len()).map(seen).sum::<f64>();
            let left = surplus(context, group).iter().sum::<f64>().abs();
            leaked = leaked.max(if kinetic > 0.0 { left / kinetic } else { 0.0 });
        }
        let closing = Occupancy::of(&group.walkers, states.len(), &context.grid);
        let mut opened = 0;
        for s in 0..states.len() {
            let faces = passages(context, group, &closing, s);
            leaks += faces[context.grid.cells()].abs_diff(faces[0]);
            opened += group.opening.state(s).iter().sum::<u64>();
        }
        let counts =
            context.model.network.channels().map(|c| group.profile.passages(c.index).iter().sum::<u64>());
        transitions += counts.sum::<u64>();
        lost += opened.abs_diff(group.walkers.len() as u64);
        for cell in 0..context.grid.cells() {
            if !context.model.has_heat() {
                break;
            }
            let range = Interval::new(context.grid.cell_face(cell), context.grid.cell_face(cell + 1));
            let own =
                |s: usize| states[s].potential.as_ref().map_or(Interval::point(0.0), |u| u.bounds(range));
            let (mut gained, mut size) = (Interval::point(0.0), 0.0);
            for channel in context.model.network.channels() {
                let count = group.profile.passages(channel.index)[cell];
                if count == 0 {
                    continue;
                }
                let enthalpy = states[channel.to].energy - states[channel.from].energy;
                let energy = Interval::point(enthalpy) + own(channel.to) - own(channel.from);
                gained = gained + Interval::point(count as f64) * energy;
                let work = context.model.constant_exchange(channel).map_or(0.0, |e| e.work);
                size += count as f64 * (energy.magnitude() + work.abs());
            }
            let booked = group.profile.heat()[cell] + group.profile.work()[cell];
            if size > 0.0 {
                worst = worst.max((gained.lo - booked).max(booked - gained.hi).max(0.0) / size);
            }
        }
    }
    let mut checks = vec![
        Check {
            name: "passages close at the wall in every state",
            holds: leaks == 0,
            detail: format!("{leaks} unaccounted for in {transitions} transitions"),
        },
        Check {
            name: "first law cell by cell",
            // A sum of n terms may round by n/2 units in the last place; n stays below 2^32.
            holds: worst < 1e-6,
            detail: format!("largest relative difference {worst:.0e}"),
        },
        Check { name: "particles are conserved", holds: lost == 0, detail: format!("{lost} lost or gained") },
    ];
    if context.model.is_underdamped() {
        checks.push(Check {
            name: "heat and work are the energy gained",
            holds: leaked < 1e-11,
            detail: format!("{leaked:.0e} of the kinetic energy seen"),
        });
    }
    checks
}
