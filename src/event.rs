//! The seam between kernels and everything that is measured.
//!
//! Every system alternates a **move** (a displacement in x at fixed internal state) with a
//! **transition** (an internal change at fixed x, along an edge); underdamped particles also have
//! **kicks** (a change of velocity by bath or force), particles with continuous internal coordinates
//! **shifts** (a change of these at fixed x and state). These are the only events that leave a kernel.
//! Each carries the heat and work that it exchanges, set by the kernel; everything measured is a
//! [`Tally`] of events.
//!
//! Events come as **columns**, one entry per walker of a small block, so that a tally is a loop over
//! slices and a kernel may work in vector lanes.

use crate::grid::Grid;
use serde::{Deserialize, Serialize};

/// A position as fixed-point number on the unfolded circle of length `2 L`.
///
/// Between walls the upper half of the circle is the mirror image of the lower: wrap-around of the integer *is*
/// the fold at both walls, exact for displacements of any length. On a ring of length `L` only the lower half is
/// used, see [`Position::turned`]. One unit is `2^-63 L`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// The position at `fraction = x/L` of the domain; values outside `[0, 1]` are moved to the nearer
    /// end.
    pub fn from_fraction(fraction: f64) -> Self {
        // The conversion saturates; the upper half of the circle must not be entered.
        Position(((fraction * UNITS) as u64).min((1 << 63) - 1))
    }

    /// The position displaced by a whole number of units along the circle, reflected at the walls as often
    /// as needed. The sign of the displacement has no meaning in x: see [`Position::moved`].
    #[inline]
    pub fn displaced(self, units: u64) -> Self {
        Position(self.0.wrapping_add(units))
    }

    /// Distance from the left wall in units, below `2^63`.
    #[inline]
    pub fn folded(self) -> u64 {
        self.0 ^ ((self.0 as i64 >> 63) as u64)
    }

    /// The position displaced towards larger x by a multiple of the length of the domain, reflected at the
    /// walls. Lengths of more than a thousand domains are cut.
    #[inline]
    pub fn moved(self, lengths: f64) -> Self {
        // On the mirror half of the circle forwards is backwards: fold first, or a drift cancels itself.
        Position(self.folded()).displaced(((lengths * (1u64 << 51) as f64) as i64 as u64) << 12)
    }

    /// Units of a displacement by a multiple of the length of the domain, for [`Position::displaced`]: rounded to
    /// steps of `2^-44` of the length, and cut beyond 100 domains.
    #[inline]
    pub fn units(lengths: f64) -> u64 {
        // Added to this, a number below 2^51 has its integer part in the lower bits.
        const WHOLE: f64 = 1.5 * (1u64 << 52) as f64;
        let steps = lengths.clamp(-100.0, 100.0) * (1u64 << 44) as f64 + WHOLE;
        steps.to_bits().wrapping_sub(WHOLE.to_bits()) << 19
    }

    /// The same place on the lower half of the circle.
    #[inline]
    pub fn lower(self) -> Self {
        Position(self.folded())
    }

    /// A velocity (or force) along the circle as one along x, and the reverse: on the upper half of the circle they
    /// have opposite signs.
    #[inline]
    pub fn reflected(self, velocity: f64) -> f64 {
        f64::from_bits(velocity.to_bits() ^ (self.0 & (1 << 63)))
    }

    /// On a ring: the position displaced by `steps` of `2^shift` units towards larger x, and how often it
    /// passed `x = 0` on the way, counted upwards. A position on a ring stays in the lower half of the circle.
    #[inline]
    pub fn turned(self, steps: i64, shift: u32) -> (Self, i32) {
        let to = i128::from(self.0) + (i128::from(steps) << shift);
        (Position((to & ((1 << 63) - 1)) as u64), (to >> 63) as i32)
    }

    /// On a ring: displaced towards larger x by a multiple of its length, and the passages through `x = 0`.
    /// Lengths of more than a thousand rings are cut.
    #[inline]
    pub fn turned_by(self, lengths: f64) -> (Self, i32) {
        self.turned((lengths * (1u64 << 51) as f64) as i64, 12)
    }

    /// `x/L`, in `[0, 1]`.
    #[inline]
    pub fn fraction(self) -> f64 {
        self.folded() as f64 / UNITS
    }

    /// When the domain is split into `2^bits` equal parts: the part that holds the position, and the place in
    /// it from 0 to 1.
    #[inline]
    pub fn part(self, bits: u32) -> (usize, f64) {
        const ONE: u64 = 1.0f64.to_bits();
        let folded = self.folded();
        let place = f64::from_bits(ONE | (folded << (bits + 1)) >> 12) - 1.0;
        ((folded >> (63 - bits)) as usize, place)
    }

    /// The position on the coarser circle of `2^32` units, in the same one of `cells` equal cells.
    #[inline]
    pub(crate) fn coarse(self, cells: usize) -> u32 {
        // The lower end of a unit may lie in the cell before; its upper end is then in this one.
        let unit = (self.folded() >> 32) as u32;
        let unit = unit + u32::from(Position::from_coarse(unit).cell(cells) != self.cell(cells));
        unit ^ (self.0 as i64 >> 63) as u32
    }

    /// The position of a place on the coarser circle. There and back again, nothing changes.
    #[inline]
    pub(crate) fn from_coarse(place: u32) -> Self {
        let mirror = (place as i32 >> 31) as u32;
        Position((u64::from(place) << 32) | u64::from(mirror))
    }

    /// On a ring: the place in units of `2^-32` of it, in the same one of `cells` equal cells.
    #[inline]
    pub(crate) fn round(self, cells: usize) -> u32 {
        // As above.
        let unit = (self.0 >> 31) as u32;
        unit + u32::from(Position::from_round(unit).cell(cells) != self.cell(cells))
    }

    /// The position of such a place. There and back again, nothing changes.
    #[inline]
    pub(crate) fn from_round(place: u32) -> Self {
        Position(u64::from(place) << 31)
    }

    /// All ones on the upper half of the circle, else zero.
    #[inline]
    pub(crate) fn mirror(self) -> u32 {
        (self.0 as i64 >> 63) as u32
    }

    /// The same x on that half of the circle on which a place of the coarser circle is.
    #[inline]
    pub(crate) fn mirrored(self, place: u32) -> Self {
        Position(self.folded() ^ i64::from(place as i32 >> 31) as u64)
    }

    /// The nearest position in one of `cells` equal cells, on the lower half of the circle.
    pub(crate) fn within(self, cell: usize, cells: usize) -> Self {
        let face = |k: usize| ((k as u128) << 63).div_ceil(cells as u128) as u64;
        Position(self.folded().clamp(face(cell), face(cell + 1) - 1))
    }

    /// Index of the cell that holds the position when the domain is split into `cells` equal cells.
    #[inline]
    pub fn cell(self, cells: usize) -> usize {
        ((u128::from(self.folded()) * cells as u128) >> 63) as usize
    }
}

/// Units of a [`Position`] per length of the domain.
const UNITS: f64 = (1u64 << 63) as f64;

/// Walkers of one group as columns. Plain data: saved and restored, a run goes on with the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Walkers {
    /// Where each walker is.
    pub position: Vec<Position>,
    /// Its internal state, an index into the states of the model.
    pub state: Vec<u16>,
    /// On a ring, how often it has passed `x = 0` upwards, less downwards; zero between walls.
    pub laps: Vec<i32>,
    /// Its velocity towards larger x; empty for overdamped walkers.
    pub velocity: Vec<f64>,
    /// Its continuous internal coordinates, walker by walker; empty for walkers without.
    pub coordinate: Vec<f64>,
}

impl Walkers {
    /// Overdamped walkers at these places, none of which has gone round yet.
    ///
    /// # Panics
    /// If there is not one state for each position.
    pub fn new(position: Vec<Position>, state: Vec<u16>) -> Self {
        assert_eq!(position.len(), state.len(), "one state for each position");
        let laps = vec![0; position.len()];
        Walkers { position, state, laps, velocity: Vec::new(), coordinate: Vec::new() }
    }

    /// Number of walkers; it may differ from group to group.
    pub fn len(&self) -> usize {
        self.position.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.position.is_empty()
    }
}

/// Moves, one per entry: displacements at fixed internal state. Without a force along x a move
/// exchanges neither heat nor work with the bath; it carries the energy of its state along.
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a> {
    /// Which moves end in a *visit* that stands for [`crate::kernel::Kernel::dwell`] of its state and cell.
    pub visits: Visits<'a>,
    /// State during the move.
    pub state: &'a [u16],
    /// Where it began.
    pub from: &'a [Position],
    /// Where it ended.
    pub to: &'a [Position],
    /// Fine cell of `to` on the grid of the run.
    pub cell: &'a [u32],
    /// On a ring, net passages upwards through `x = 0` on the way; empty between walls.
    pub laps: &'a [i32],
    /// Internal coordinates during the move, entry by entry; empty without.
    pub coordinate: &'a [f64],
    /// Heat absorbed from the bath on the way, where it does not follow from passages: where a force along x
    /// depends on internal coordinates. Empty otherwise.
    pub heat: &'a [f64],
}

/// Which of the moves of a block are scored as visits.
#[derive(Clone, Copy, Debug)]
pub enum Visits<'a> {
    /// All of them.
    All,
    /// None: legs cut off at the end of a span, which only change positions.
    None,
    /// Those marked: every visit was offered, and accepted so that all accepted ones weigh the same.
    Some(&'a [bool]),
}

/// Transitions, one per entry: internal changes at fixed x.
#[derive(Clone, Copy, Debug)]
pub struct Transitions<'a> {
    /// Which walker of the group.
    pub walker: &'a [u32],
    /// Directed edge taken, `model::Channel::index`.
    pub channel: &'a [u16],
    /// Where.
    pub position: &'a [Position],
    /// Fine cell of `position` on the grid of the run.
    pub cell: &'a [u32],
    /// Heat absorbed from the bath.
    pub heat: &'a [f64],
    /// Work done on the particle.
    pub work: &'a [f64],
}

/// Kicks, one per entry: changes of velocity at fixed x, by bath (heat) or force (work).
#[derive(Clone, Copy, Debug)]
pub struct Kicks<'a> {
    /// State during the kick.
    pub state: &'a [u16],
    /// Where.
    pub position: &'a [Position],
    /// Fine cell of `position` on the grid of the run.
    pub cell: &'a [u32],
    /// Velocity before.
    pub before: &'a [f64],
    /// Velocity after.
    pub after: &'a [f64],
    /// Heat absorbed from the bath; empty if these are kicks by a force.
    pub heat: &'a [f64],
    /// Work done on the particle; empty if these are kicks by the bath.
    pub work: &'a [f64],
}

/// Shifts, one per entry: changes of continuous internal coordinates at fixed x and state.
#[derive(Clone, Copy, Debug)]
pub struct Shifts<'a> {
    /// State during the shift.
    pub state: &'a [u16],
    /// Where.
    pub position: &'a [Position],
    /// Fine cell of `position` on the grid of the run.
    pub cell: &'a [u32],
    /// Number of coordinates.
    pub axes: usize,
    /// Coordinates before, entry by entry.
    pub before: &'a [f64],
    /// Coordinates after; on a circle a shift goes the shorter way.
    pub after: &'a [f64],
    /// Heat absorbed from the bath.
    pub heat: &'a [f64],
}

/// Walkers as they are seen once a step, one per entry: underdamped ones at its end, those with internal coordinates in the
/// middle of their move. No event: nothing changes.
#[derive(Clone, Copy, Debug)]
pub struct Sightings<'a> {
    /// State.
    pub state: &'a [u16],
    /// Where.
    pub position: &'a [Position],
    /// Velocity; empty for overdamped walkers.
    pub velocity: &'a [f64],
    /// Internal coordinates, entry by entry; empty without.
    pub coordinate: &'a [f64],
    /// Energy of the state with these coordinates at this place; empty without coordinates.
    pub energy: &'a [f64],
    /// Its slopes along the coordinates, entry by entry; empty without.
    pub slope: &'a [f64],
    /// Diffusivity along x of the same; empty without coordinates.
    pub diffusivity: &'a [f64],
}

/// What has happened in a span, as sums over its events. Cells are those of the grid of the run.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    /// Visits, state by state and cell by cell.
    pub visits: &'a [u64],
    /// Transitions, channel by channel and cell by cell.
    pub passages: &'a [u64],
    /// Heat absorbed from the bath in the transitions of each cell.
    pub heat: &'a [f64],
    /// Work done in the transitions of each cell.
    pub work: &'a [f64],
    /// On a ring, net passages upwards through `x = 0`, state by state; empty between walls.
    pub laps: &'a [i64],
    /// What was seen of velocities, if walkers have one and the tally names its cells.
    pub sighted: Option<Sighted<'a>>,
    /// What was seen of an internal coordinate, the same.
    pub surveyed: Option<Surveyed<'a>>,
}

/// Velocities at the ends of the steps of a span, and what kicks exchanged, as sums.
#[derive(Clone, Copy, Debug)]
pub struct Sighted<'a> {
    /// Sums of `v .. v^4`, state by state and cell by cell.
    pub powers: &'a [[f64; 4]],
    /// Walkers in the [`SpeedCells`] of the tally: state by state, bin by bin.
    pub speeds: &'a [u64],
    /// Heat absorbed from the bath in the kicks of each cell.
    pub heat: &'a [f64],
    /// Work done by forces in the kicks of each cell.
    pub work: &'a [f64],
}

/// Degree of the polynomials that energy and diffusivity may be in [`Surveyed`].
pub const DEGREE: usize = 4;

/// Sums of powers from the first that tell those of products of two such polynomials.
pub const SUMS: usize = 2 * DEGREE;

/// One internal coordinate in the middle of moves, and what shifts did, as sums. Energy and diffusivity are polynomials of
/// `u`, which goes from -1 to 1 across the [`CoordinateCells`] of the tally.
#[derive(Clone, Copy, Debug)]
pub struct Surveyed<'a> {
    /// Sums of `u .. u^8` over the walkers seen, cell by cell.
    pub powers: &'a [[f64; SUMS]],
    /// Coefficients of the energy, from that of `u^0`.
    pub energy: [f64; DEGREE + 1],
    /// Coefficients of the diffusivity along x.
    pub diffusivity: [f64; DEGREE + 1],
    /// Walkers seen: bin by bin, cell of the coordinate by cell.
    pub seen: &'a [u64],
    /// Walkers that shifts have brought there less those that they took away.
    pub shifted: &'a [i64],
    /// Heat absorbed from the bath in the shifts of each cell.
    pub heat: &'a [f64],
}

/// Cells in which a tally counts an internal coordinate on the whole line, in each bin of x. The outer ones hold what is beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoordinateCells {
    /// Number of bins of x.
    pub bins: usize,
    /// Number of cells.
    pub cells: usize,
    /// Where the first begins.
    pub low: f64,
    /// Cells per length of the coordinate.
    pub density: f64,
}

impl CoordinateCells {
    /// The cell of a value of the coordinate.
    #[inline]
    pub fn cell(&self, q: f64) -> usize {
        // The conversion saturates at 0.
        (((q - self.low) * self.density) as usize).min(self.cells - 1)
    }
}

/// Cells in which a tally counts velocities: of equal width around zero, per state and bin of x.
#[derive(Clone, Copy, Debug)]
pub struct SpeedCells<'a> {
    /// Number of cells, a power of two; the outer ones hold what is beyond.
    pub cells: usize,
    /// Cells per velocity, state by state and bin by bin.
    pub scale: &'a [f64],
}

/// Something that keeps sums over events. Every method has an empty body by default: a tally looks at
/// the events it cares about and the compiler removes the rest.
///
/// A pair of tallies is a tally, and `()` is the tally that keeps nothing.
pub trait Tally {
    /// Whether it must see every event. A tally that need not is given [`Counts`] by kernels that keep them
    /// themselves, and events by all others.
    const EVENTS: bool = true;

    /// Where a kernel that keeps [`Counts`] of walkers with velocities is to count these; none if they do not matter.
    #[inline]
    fn speed_cells(&self) -> Option<SpeedCells<'_>> {
        None
    }

    /// Where a kernel that keeps [`Counts`] of walkers with one internal coordinate is to count it; none if it does not matter.
    #[inline]
    fn coordinate_cells(&self) -> Option<CoordinateCells> {
        None
    }

    /// Scores what has happened in a span; in place of all events and sightings, never besides.
    #[inline]
    fn counted(&mut self, _counts: &Counts<'_>) {}
    /// Scores a block of moves.
    #[inline]
    fn moves(&mut self, _moves: &Moves<'_>) {}
    /// Scores a block of transitions.
    #[inline]
    fn transitions(&mut self, _transitions: &Transitions<'_>) {}
    /// Scores a block of kicks.
    #[inline]
    fn kicks(&mut self, _kicks: &Kicks<'_>) {}
    /// Scores a block of shifts.
    #[inline]
    fn shifts(&mut self, _shifts: &Shifts<'_>) {}
    /// Scores a block of walkers with their velocities or internal coordinates.
    #[inline]
    fn sightings(&mut self, _sightings: &Sightings<'_>) {}
}

impl Tally for () {
    const EVENTS: bool = false;
}

impl<T: Tally> Tally for &mut T {
    const EVENTS: bool = T::EVENTS;

    #[inline]
    fn speed_cells(&self) -> Option<SpeedCells<'_>> {
        T::speed_cells(self)
    }
    #[inline]
    fn coordinate_cells(&self) -> Option<CoordinateCells> {
        T::coordinate_cells(self)
    }
    #[inline]
    fn counted(&mut self, counts: &Counts<'_>) {
        T::counted(self, counts);
    }
    #[inline]
    fn moves(&mut self, moves: &Moves<'_>) {
        T::moves(self, moves);
    }
    #[inline]
    fn transitions(&mut self, transitions: &Transitions<'_>) {
        T::transitions(self, transitions);
    }
    #[inline]
    fn kicks(&mut self, kicks: &Kicks<'_>) {
        T::kicks(self, kicks);
    }
    #[inline]
    fn shifts(&mut self, shifts: &Shifts<'_>) {
        T::shifts(self, shifts);
    }
    #[inline]
    fn sightings(&mut self, sightings: &Sightings<'_>) {
        T::sightings(self, sightings);
    }
}

impl<A: Tally, B: Tally> Tally for (A, B) {
    const EVENTS: bool = A::EVENTS || B::EVENTS;

    #[inline]
    fn speed_cells(&self) -> Option<SpeedCells<'_>> {
        self.0.speed_cells().or_else(|| self.1.speed_cells())
    }
    #[inline]
    fn coordinate_cells(&self) -> Option<CoordinateCells> {
        self.0.coordinate_cells().or_else(|| self.1.coordinate_cells())
    }
    #[inline]
    fn counted(&mut self, counts: &Counts<'_>) {
        self.0.counted(counts);
        self.1.counted(counts);
    }
    #[inline]
    fn moves(&mut self, moves: &Moves<'_>) {
        self.0.moves(moves);
        self.1.moves(moves);
    }
    #[inline]
    fn transitions(&mut self, transitions: &Transitions<'_>) {
        self.0.transitions(transitions);
        self.1.transitions(transitions);
    }
    #[inline]
    fn kicks(&mut self, kicks: &Kicks<'_>) {
        self.0.kicks(kicks);
        self.1.kicks(kicks);
    }
    #[inline]
    fn shifts(&mut self, shifts: &Shifts<'_>) {
        self.0.shifts(shifts);
        self.1.shifts(shifts);
    }
    #[inline]
    fn sightings(&mut self, sightings: &Sightings<'_>) {
        self.0.sightings(sightings);
        self.1.sightings(sightings);
    }
}

/// Number of walkers in each state and cell at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupancy {
    cells: usize,
    counts: Vec<u64>,
}

impl Occupancy {
    /// Counts the walkers.
    pub fn of(walkers: &Walkers, states: usize, grid: &Grid) -> Self {
        let cells = grid.cells();
        let mut counts = vec![0; states * cells];
        for (position, state) in walkers.position.iter().zip(&walkers.state) {
            counts[usize::from(*state) * cells + position.cell(cells)] += 1;
        }
        Occupancy { cells, counts }
    }

    /// Counts in the cells of one state.
    pub fn state(&self, state: usize) -> &[u64] {
        &self.counts[state * self.cells..(state + 1) * self.cells]
    }
}

/// The tallies of a run of particles with internal states: visits per state and cell, transitions per
/// channel and cell, heat and work per cell. All memory is taken when it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    cells: usize,
    // Hot counters are 32 bits wide to stay in the cache; they are added to `visits` and `passages`
    // before they can overflow.
    hot_visits: Vec<u32>,
    hot_passages: Vec<u32>,
    room: u32,
    visits: Vec<u64>,
    passages: Vec<u64>,
    heat: Vec<f64>,
    work: Vec<f64>,
    laps: Vec<i64>,
}

impl Profile {
    /// Empty tallies.
    pub fn new(states: usize, channels: usize, grid: &Grid) -> Self {
        let cells = grid.cells();
        Profile {
            cells,
            hot_visits: vec![0; states * cells],
            hot_passages: vec![0; channels * cells],
            room: u32::MAX,
            visits: vec![0; states * cells],
            passages: vec![0; channels * cells],
            heat: vec![0.0; cells],
            work: vec![0.0; cells],
            laps: vec![0; states],
        }
    }

    /// Empties the hot counters; call it before reading.
    pub fn flush(&mut self) {
        for (total, hot) in self.visits.iter_mut().zip(&mut self.hot_visits) {
            *total += u64::from(std::mem::take(hot));
        }
        for (total, hot) in self.passages.iter_mut().zip(&mut self.hot_passages) {
            *total += u64::from(std::mem::take(hot));
        }
        self.room = u32::MAX;
    }

    /// Visits in the cells of a state, up to the last [`Profile::flush`].
    pub fn visits(&self, state: usize) -> &[u64] {
        &self.visits[state * self.cells..(state + 1) * self.cells]
    }

    /// Transitions along a channel in each cell, up to the last [`Profile::flush`].
    pub fn passages(&self, channel: usize) -> &[u64] {
        &self.passages[channel * self.cells..(channel + 1) * self.cells]
    }

    /// On a ring, net passages upwards through `x = 0` in a state; zero between walls.
    pub fn laps(&self, state: usize) -> i64 {
        self.laps[state]
    }

    /// Heat absorbed from the bath in each cell.
    pub fn heat(&self) -> &[f64] {
        &self.heat
    }

    /// Work done in each cell.
    pub fn work(&self) -> &[f64] {
        &self.work
    }
}

impl Tally for Profile {
    const EVENTS: bool = false;

    fn counted(&mut self, counts: &Counts<'_>) {
        let whole = self.visits.iter_mut().zip(counts.visits);
        for (sum, count) in whole.chain(self.passages.iter_mut().zip(counts.passages)) {
            *sum += count;
        }
        let exchanged = self.heat.iter_mut().zip(counts.heat);
        for (sum, amount) in exchanged.chain(self.work.iter_mut().zip(counts.work)) {
            *sum += amount;
        }
        for (sum, laps) in self.laps.iter_mut().zip(counts.laps) {
            *sum += laps;
        }
    }

    #[inline]
    fn moves(&mut self, moves: &Moves<'_>) {
        // No counter can grow by more than the number of moves; a block is far below 2^32.
        let n = moves.cell.len() as u32;
        if self.room < n {
            self.flush();
        }
        self.room -= n;
        for (&state, &laps) in moves.state.iter().zip(moves.laps) {
            self.laps[usize::from(state)] += i64::from(laps);
        }
        let visits = moves.state.iter().zip(moves.cell);
        // Slices of their own: what is stored in them cannot change where they are.
        let (cells, counts) = (self.cells, &mut self.hot_visits[..]);
        match moves.visits {
            Visits::None => {}
            Visits::All => {
                for (&state, &cell) in visits {
                    counts[usize::from(state) * cells + cell as usize] += 1;
                }
            }
            Visits::Some(scored) => {
                for ((&state, &cell), &scored) in visits.zip(scored) {
                    counts[usize::from(state) * cells + cell as usize] += u32::from(scored);
                }
            }
        }
    }

    #[inline]
    fn transitions(&mut self, t: &Transitions<'_>) {
        let n = t.cell.len() as u32;
        if self.room < n {
            self.flush();
        }
        self.room -= n;
        for ((&channel, &cell), (&heat, &work)) in t.channel.iter().zip(t.cell).zip(t.heat.iter().zip(t.work))
        {
            self.hot_passages[usize::from(channel) * self.cells + cell as usize] += 1;
            self.heat[cell as usize] += heat;
            self.work[cell as usize] += work;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_around_is_the_fold() {
        // Against folding in floating point: x -> |x| mod 2, mirrored.
        let fold = |x: f64| {
            let y = x.rem_euclid(2.0);
            if y > 1.0 { 2.0 - y } else { y }
        };
        for start in [0.0, 0.125, 0.5, 0.9, 1.0] {
            for step in [-7.3, -2.0, -1.1, -0.2, 0.0, 0.3, 0.95, 1.7, 4.4] {
                // Wrapping arithmetic: whole domains of 2^63 units and the remainder.
                let units = (step * (1u64 << 40) as f64) as i64 as u64;
                let moved = Position::from_fraction(start).displaced(units << 23);
                assert!((moved.fraction() - fold(start + step)).abs() < 1e-11, "{start} {step}");
            }
        }
    }

    #[test]
    fn a_drift_keeps_its_direction_after_a_reflection() {
        let reflected = Position::from_fraction(0.9).moved(0.3);
        assert!((reflected.fraction() - 0.8).abs() < 1e-12);
        assert!((reflected.moved(0.1).fraction() - 0.9).abs() < 1e-12);
    }

    #[test]
    fn lanes_move_the_same_way() {
        for start in [0.0, 0.125, 0.9, 1.0] {
            for step in [-90.1, -7.3, -1.1, -0.2, 0.0, 0.3, 0.95, 1.7, 14.4, 99.9] {
                let a = Position::from_fraction(start).moved(step);
                let b = Position::from_fraction(start).displaced(Position::units(step));
                assert_eq!(b.lower().fraction(), b.fraction());
                assert!((a.fraction() - b.fraction()).abs() < 1e-13, "{start} {step}");
                assert_eq!(a.reflected(1.0), b.reflected(1.0), "{start} {step}");
            }
        }
    }

    #[test]
    fn a_ring_counts_its_laps() {
        for start in [0.0, 0.125, 0.999] {
            for step in [-7.3, -2.0, -1.1, -0.2, 0.0, 0.3, 0.95, 1.7, 400.4] {
                let (to, laps) = Position::from_fraction(start).turned_by(step);
                assert!((f64::from(laps) + to.fraction() - (start + step)).abs() < 1e-11, "{start} {step}");
                assert!(to.fraction() < 1.0);
            }
        }
    }

    #[test]
    fn positions_outside_go_to_the_wall() {
        assert_eq!(Position::from_fraction(-0.5).fraction(), 0.0);
        assert_eq!(Position::from_fraction(1.5).fraction(), 1.0);
        assert_eq!(Position::from_fraction(1.0).cell(50), 49);
        assert_eq!(Position::from_fraction(f64::NAN).fraction(), 0.0);
    }

    #[test]
    fn coarse_positions_keep_their_cell_and_come_back() {
        for cells in [7usize, 1024, 1050] {
            // Both sides of every face, far and near, on both halves of the circle.
            for k in 1..cells as u128 {
                let face = ((k << 63) / cells as u128) as u64;
                for near in [-1i64 << 40, -1 << 33, -(1 << 31), -1, 0, 1, 2, 1 << 31, 1 << 40] {
                    for position in
                        [Position(face.wrapping_add(near as u64)), Position(!face.wrapping_add(near as u64))]
                    {
                        let place = position.coarse(cells);
                        let there = Position::from_coarse(place);
                        assert_eq!(there.cell(cells), position.cell(cells));
                        assert_eq!(there.coarse(cells), place);
                        assert!(there.0.abs_diff(position.0) <= 1 << 33);
                    }
                }
            }
        }
        for place in [0, 1, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x9abc_def0] {
            assert_eq!(Position::from_coarse(place).coarse(1050), place);
            assert_eq!(
                Position::from_coarse(place).folded() >> 32,
                u64::from(place ^ (place as i32 >> 31) as u32)
            );
        }
    }

    #[test]
    fn places_on_a_ring_keep_their_cell_and_come_back() {
        for cells in [1usize, 7, 1024, 1050] {
            for k in 0..=cells as u128 {
                let face = ((k << 63) / cells as u128) as u64;
                for near in [-1i64 << 40, -1 << 33, -(1 << 31), -1, 0, 1, 2, 1 << 31, 1 << 40] {
                    let position = Position(face.wrapping_add(near as u64) & ((1 << 63) - 1));
                    let place = position.round(cells);
                    let there = Position::from_round(place);
                    assert_eq!(there.cell(cells), position.cell(cells));
                    assert_eq!(there.round(cells), place);
                    assert!(there.0 < 1 << 63 && there.0.abs_diff(position.0) < 1 << 31);
                }
            }
        }
        for place in [0, 1, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x9abc_def0] {
            assert_eq!(Position::from_round(place).round(1050), place);
            assert_eq!(Position::from_round(place).folded() >> 31, u64::from(place));
        }
    }

    #[test]
    fn cells_are_the_floor() {
        for cells in [1, 7, 50, 1050] {
            for k in 0..cells {
                let middle = (k as f64 + 0.5) / cells as f64;
                assert_eq!(Position::from_fraction(middle).cell(cells), k);
                assert_eq!(Position(!Position::from_fraction(middle).0).cell(cells), k, "mirror image");
            }
        }
    }
}
