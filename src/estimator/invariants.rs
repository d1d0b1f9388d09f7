//! Identities that hold exactly whatever the sampler does: tests of the book-keeping, not of the physics.

use super::Context;
use super::bath::surplus;
use super::currents::passages;
use super::reactions::broken;
use crate::ensemble::Group;
use crate::event::Occupancy;
use crate::expression::Interval;
use crate::internal_space::InternalSpace;

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
/// 4. Of particles with internal coordinates, passages on the plane close too (integers: moves at the right wall in every cell of the
///    coordinate, shifts beyond its last cell in every bin; on a ring or a circle, where they began), and *heat and work are the
///    energy gained*, to rounding and the tables of the kernel (1e-8 kT).
/// 5. Of underdamped particles, *heat and work are the energy gained*: no energy passes the right wall, by the
///    balance of [`super::Bath`] (on a ring: none appears), to the rounding of the kinetic energies seen; a lost or
///    doubled kick breaks it.
pub fn invariants(context: &Context, groups: &[Group]) -> Vec<Check> {
    if let Some(found) = broken(context, groups) {
        let check =
            |(name, detail): (&'static str, String)| Check { name, holds: detail.starts_with("0 "), detail };
        return found.into_iter().map(check).collect();
    }
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
            // What potentials of internal coordinates gain is in the balance below.
            if !context.model.has_heat() || own_surfaces(context) {
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
    let inside = groups.iter().filter_map(|g| Some((g, g.internal.as_ref()?)));
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
    if context.model.coordinates.is_some() {
        let open: u64 = inside.clone().map(|(_, internal)| open_ends(internal)).sum();
        checks.push(Check {
            name: "passages close at the ends of the plane of x and q",
            holds: open == 0,
            detail: format!("{open} unaccounted for"),
        });
        let left = inside.map(|(group, internal)| unbalanced(context, group, internal));
        let worst = left.fold([0.0f64, 0.0], |worst, found| if found[1] > worst[1] { found } else { worst });
        checks.push(Check {
            name: "heat and work are the energy gained",
            holds: worst[1] <= 1.0,
            detail: format!("{:.0e} off, {:.0e} of what rounding and tables may be", worst[0], worst[1]),
        });
    }
    if context.model.is_underdamped() {
        checks.push(Check {
            name: "heat and work are the energy gained",
            holds: leaked < 1e-11,
            detail: format!("{leaked:.0e} of the kinetic energy seen"),
        });
    }
    checks
}

/// Whether potentials of internal coordinates belong to single states, so that transitions change their energy.
fn own_surfaces(context: &Context) -> bool {
    let coordinates = context.model.coordinates.as_ref();
    coordinates.is_some_and(|c| c.states.iter().any(|own| own.potential.is_some()))
}

/// Passages on the plane that do not come back to where they began.
fn open_ends(internal: &InternalSpace) -> u64 {
    let (along, across, cells) = (internal.move_passages(), internal.shift_passages(), internal.cells());
    let walls = along[..cells].iter().zip(&along[along.len() - cells..]);
    let rims = across.chunks(cells + 1).map(|row| (&row[0], &row[cells]));
    walls.chain(rims).map(|(first, last)| first.abs_diff(*last)).sum()
}

/// Heat and work less the energy gained, and its ratio to what it may be: 1e-11 of the energies seen, 4e-8 kT for every walker and
/// transition.
fn unbalanced(context: &Context, group: &Group, internal: &InternalSpace) -> [f64; 2] {
    let absorbed: f64 = internal.exchanged().iter().map(|[heat, work]| heat + work).sum();
    let left = (absorbed - internal.gain().iter().sum::<f64>()).abs();
    let rows = internal.seen().chunks(internal.cells()).zip(internal.energies());
    let energies: f64 =
        rows.map(|(row, [_, square])| libm::sqrt(row.iter().sum::<u64>() as f64 * square)).sum();
    let channels = context.model.network.channels();
    let transitions: u64 = channels.map(|c| group.profile.passages(c.index).iter().sum::<u64>()).sum();
    let length = context.model.domain.length;
    let warmest =
        [0.0, 0.5, 1.0].map(|s| context.model.thermal_energy(s * length)).into_iter().fold(0.0, f64::max);
    let room = 1e-11 * energies + 4e-8 * warmest * (group.walkers.len() as f64 + transitions as f64);
    [left, left / room]
}
