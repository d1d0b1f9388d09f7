//! What array_rqmc asks of a run: untimed legs, and groups whose walkers are a power of two.

use super::reader::Cursor;
use super::schema::limits::FEWEST_GROUPS;
use crate::kernel::Span;

/// The number of groups, from the fewest to less than twice as many, that leaves a power of two of walkers to each.
pub(super) fn groups(particles: u64) -> Option<u64> {
    (FEWEST_GROUPS..2 * FEWEST_GROUPS).find(|groups| whole(particles, *groups))
}

fn whole(particles: u64, groups: u64) -> bool {
    groups > 0 && particles.is_multiple_of(groups) && (particles / groups).is_power_of_two()
}

/// Notes array_rqmc where particles react.
pub(super) fn without_reactions(at: &Cursor<'_>) {
    at.push(
        at.mistake("array_rqmc beside `species`")
            .expected("no \"sampling\"")
            .hint("a net serves the untimed legs of particles that do not react; units of a mean field take independent words"),
    );
}

/// Notes what is in the way of array_rqmc.
pub(super) fn suits(
    at: &Cursor<'_>,
    particles: Option<(&Cursor<'_>, u64)>,
    groups: Option<u64>,
    span: Option<Span>,
) {
    if !matches!(span, Some(Span::Legs(_))) {
        at.push(
            at.mistake("array_rqmc without untimed legs")
                .expected("a run with \"legs\", by the method exact")
                .hint("a net is made for the two words of an untimed leg; remove \"sampling\", or give the run \"legs\""),
        );
        return;
    }
    let (Some((place, particles)), Some(groups)) = (particles, groups) else { return };
    if !whole(particles, groups) {
        let walkers = (particles / groups.max(1)).max(1);
        let power = 1 << walkers.ilog2();
        place.push(
            place
                .mistake("array_rqmc needs a power of two of particles in every group")
                .expected(format!(
                    "for {groups} groups {} or {} particles",
                    groups * power,
                    groups * power * 2
                ))
                .found(particles.to_string())
                .related(at.span(), "asked for here")
                .hint("only 2^m points of a net are even; \"groups\" are the independent randomisations"),
        );
    }
}
