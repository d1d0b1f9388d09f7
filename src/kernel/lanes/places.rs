//! Places in the natural scale that all states share, and the cells of x that they lie in.
//!
//! Where all states have the same natural scale (frictions that vary alike, forces that tilt alike), walkers stay in it:
//! places are units of `2^-31` of `y/L` on the unfolded circle, legs are those of a free particle, and the uniform law of
//! the lattice is theirs exactly. Only the cell of the grid, uniform in x, must be found. Cells begin at whole units of y,
//! the nearest to where they do; the share of y that this takes from or gives to a cell is put right in what its visits
//! weigh ([`Places::share`]).
//!
//! **Finding a cell** takes one look-up: y is cut into equal parts, more than there are cells, and an entry holds the cell
//! in which its part ends and how far from the beginning of the part that cell begins, if it does so within. Where cells are
//! so narrow that several begin in a part, they are searched; there are so many parts that few walkers are in such ones.

use super::super::BLOCK;
use super::super::scale::NaturalScale;
use super::block::{Law, folded};
use crate::event::Position;

/// Units of a length of the domain.
const UNITS: f64 = 2_147_483_648.0;

/// Fewer units than this in a cell, and the lattice would be felt within it.
const FEWEST_UNITS: u32 = 1 << 10;

/// Most parts, as a power of two: entries must stay in the cache.
const MOST_PARTS: u32 = 14;

/// Where more of y than the first lies in parts with several beginnings, parts are halved; beyond the second of it lanes do not
/// serve.
const SEARCHED: [f64; 2] = [1.0 / 512.0, 1.0 / 16.0];

/// The lattice of y and the cells of x.
#[derive(Clone, Debug)]
pub(super) struct Places {
    scale: NaturalScale,
    /// Where each cell begins and the last ends, over the length of the domain.
    at: Vec<f64>,
    /// The same in whole units.
    faces: Vec<u32>,
}

/// Which cell a place is in.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    /// Of every part the cell in which it ends; above its bits the units after which this begins, zero if it does so before.
    /// The topmost bit is set where several begin.
    parts: Vec<u32>,
    /// Bits of a cell, and of a place within its part.
    cell_bits: u32,
    part_bits: u32,
    faces: Vec<u32>,
}

impl Places {
    /// Places in this scale; `None` if a cell is too narrow in it.
    pub fn new(scale: &NaturalScale, cells: usize) -> Option<Self> {
        let at: Vec<f64> = (0..=cells).map(|k| scale.forward(k as f64 / cells as f64)).collect();
        // A unit belongs where its middle is.
        let mut faces: Vec<u32> = at.iter().map(|y| libm::ceil(y * UNITS - 0.5) as u32).collect();
        faces[0] = 0;
        faces[cells] = 1 << 31;
        let wide = faces.windows(2).all(|w| w[1] >= w[0].saturating_add(FEWEST_UNITS));
        wide.then(|| Places { scale: scale.clone(), at, faces })
    }

    fn cells(&self) -> usize {
        self.faces.len() - 1
    }

    /// What a cell has of y over what its units have.
    pub fn share(&self, cell: usize) -> f64 {
        let units = f64::from(self.faces[cell + 1] - self.faces[cell]);
        (self.at[cell + 1] - self.at[cell]) * UNITS / units
    }

    /// The place of a position, in the same cell and on the same half of the circle.
    pub fn enter(&self, position: Position) -> u32 {
        let cell = position.cell(self.cells());
        let unit = (self.scale.forward(position.fraction()) * UNITS) as u32;
        unit.clamp(self.faces[cell], self.faces[cell + 1] - 1) ^ position.mirror()
    }

    /// The cell of a place.
    pub fn cell(&self, place: u32) -> usize {
        search(&self.faces, folded(place)) as usize
    }

    /// The position of a place in a cell: the middle of its unit. There and back again, nothing changes.
    pub fn leave(&self, place: u32, cell: usize) -> Position {
        let x = self.scale.backward((f64::from(folded(place)) + 0.5) / UNITS);
        Position::from_fraction(x).within(cell, self.cells()).mirrored(place)
    }

    /// How to find cells; `None` if too many walkers would have to be searched for.
    pub fn guide(&self) -> Option<Guide> {
        let cell_bits = usize::BITS - (self.cells() - 1).leading_zeros();
        let [halved, refused] = SEARCHED;
        // An entry has room for a cell, a place in its part and one bit.
        let guide = |parts: u32| self.guide_of(cell_bits, 31 - parts);
        let guides = (cell_bits.max(1)..=MOST_PARTS.max(cell_bits)).map(guide);
        let mut last = None;
        for guide in guides {
            let searched = guide.searched();
            last = Some(guide).filter(|_| searched <= refused);
            if searched <= halved {
                break;
            }
        }
        last
    }

    fn guide_of(&self, cell_bits: u32, part_bits: u32) -> Guide {
        let entry = |part: u32| {
            let (first, last) = (part << part_bits, ((part + 1) << part_bits) - 1);
            let (before, cell) = (search(&self.faces, first), search(&self.faces, last));
            let begins = self.faces[cell as usize].saturating_sub(first);
            let several = u32::from(cell > before + 1) << 31;
            several | begins << cell_bits | cell
        };
        let parts = (0..1 << (31 - part_bits)).map(entry).collect();
        Guide { parts, cell_bits, part_bits, faces: self.faces.clone() }
    }
}

/// The cell of a unit.
fn search(faces: &[u32], unit: u32) -> u32 {
    faces.partition_point(|face| *face <= unit) as u32 - 1
}

impl Guide {
    /// How much of y lies in parts in which several cells begin.
    fn searched(&self) -> f64 {
        let several = self.parts.iter().filter(|entry| *entry >> 31 == 1);
        several.count() as f64 / self.parts.len() as f64
    }

    /// The part of everybody's place.
    #[inline(always)]
    pub fn part(&self, position: &[u32; BLOCK], part: &mut [u32; BLOCK]) {
        let bits = self.part_bits & 31;
        for i in 0..BLOCK {
            part[i] = folded(position[i]) >> bits;
        }
    }

    /// What is known of it.
    #[inline(always)]
    pub fn look(&self, part: &[u32; BLOCK], known: &mut [u32; BLOCK]) {
        for i in 0..BLOCK {
            known[i] = self.parts[part[i] as usize];
        }
    }

    /// The entry of everybody's threshold.
    #[inline(always)]
    pub fn find<const TWO: bool>(
        &self,
        law: Law,
        state: &[u32; BLOCK],
        chosen: &[u32; BLOCK],
        position: &[u32; BLOCK],
        known: &[u32; BLOCK],
        entry: &mut [u32; BLOCK],
    ) {
        let (cell_bits, within) = (self.cell_bits & 31, (1 << (self.part_bits & 31)) - 1);
        let mut several = 0;
        for i in 0..BLOCK {
            let begins = (known[i] & 0x7fff_ffff) >> cell_bits;
            let before = (folded(position[i]) & within).wrapping_sub(begins) >> 31;
            let cell = (known[i] & ((1 << cell_bits) - 1)) - before;
            entry[i] = law.row::<TWO>(state[i], chosen[i]) + cell;
            several |= known[i];
        }
        if several >> 31 == 1 {
            self.search::<TWO>(law, (state, chosen), position, known, entry);
        }
    }

    /// The same for those in parts in which several cells begin.
    #[cold]
    #[inline(never)]
    fn search<const TWO: bool>(
        &self,
        law: Law,
        (state, chosen): (&[u32; BLOCK], &[u32; BLOCK]),
        position: &[u32; BLOCK],
        known: &[u32; BLOCK],
        entry: &mut [u32; BLOCK],
    ) {
        for i in (0..BLOCK).filter(|i| known[*i] >> 31 == 1) {
            entry[i] = law.row::<TWO>(state[i], chosen[i]) + search(&self.faces, folded(position[i]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    /// A scale with its closed form, the integral of `1 + 3 x^2`, halved.
    fn places(cells: usize) -> Places {
        let scale = NaturalScale::new(&|x| 1.0 + 3.0 * x * x, &[], 1.0, "a").unwrap();
        Places::new(&scale, cells).unwrap()
    }

    fn closed_form(x: f64) -> f64 {
        0.5 * (x + x * x * x)
    }

    /// Cells of 64 places as the loops find them.
    fn found(places: &Places, guide: &Guide, position: &[u32; BLOCK]) -> [u32; BLOCK] {
        let (mut part, mut known, mut entry) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        guide.part(position, &mut part);
        guide.look(&part, &mut known);
        let law = Law::of_cells(places.cells() as u32);
        guide.find::<true>(law, &[0; BLOCK], &[0; BLOCK], position, &known, &mut entry);
        entry
    }

    /// How many of many places are in another cell than the closed form of the scale says.
    fn astray(places: &Places, guide: &Guide) -> u32 {
        let mut random = stream(1, Purpose::Start, 0);
        let cells = places.cells();
        let faces: Vec<u32> =
            (0..cells).map(|k| (closed_form(k as f64 / cells as f64) * UNITS + 0.5) as u32).collect();
        let mut astray = 0;
        for round in 0..16_384 {
            // Anywhere, and at the two units on both sides of a face, on both halves of the circle.
            let mut position: [u32; BLOCK] = std::array::from_fn(|_| random.word() as u32);
            for (i, place) in position.iter_mut().take(8).enumerate() {
                let face = faces[round % cells].wrapping_add(i as u32 % 4).wrapping_sub(2) & 0x7fff_ffff;
                *place = if i < 4 { face } else { !face };
            }
            for (cell, place) in found(places, guide, &position).into_iter().zip(position) {
                let right = faces.partition_point(|face| *face <= folded(place)) as u32 - 1;
                astray += u32::from(cell != right);
            }
        }
        astray
    }

    #[test]
    fn cells_are_those_of_the_closed_form() {
        for cells in [1, 20, 1050, 2046, 5000] {
            let places = places(cells);
            let guide = places.guide().unwrap();
            assert_eq!(astray(&places, &guide), 0, "{cells}");
            // As few parts as can be: many places are searched for.
            let bits = usize::BITS - (cells - 1).leading_zeros();
            let coarse = places.guide_of(bits, 31 - bits);
            assert!(cells != 2046 || coarse.searched() > 0.1);
            assert_eq!(astray(&places, &coarse), 0, "{cells}");
        }
        // Negative control: a face moved by one unit.
        let mut wrong = places(1050);
        wrong.faces[525] += 1;
        let guide = wrong.guide().unwrap();
        assert!(astray(&wrong, &guide) > 0);
    }

    #[test]
    fn there_and_back_again_nothing_changes() {
        let steep = NaturalScale::new(&|x| libm::exp(5.0 * libm::sin(4.0 * x)), &[], 1.0, "a").unwrap();
        for places in [places(1050), Places::new(&steep, 1050).unwrap()] {
            let mut random = stream(2, Purpose::Start, 0);
            for k in 0..200_000 {
                let place = match k {
                    0..=1050 => places.faces[k].min((1 << 31) - 1),
                    1051..2100 => !(places.faces[k - 1050] - 1),
                    _ => random.word() as u32,
                };
                let position = places.leave(place, places.cell(place));
                assert_eq!(position.cell(1050), places.cell(place), "{place}");
                assert_eq!(places.enter(position), place, "{place}");
            }
            // From anywhere a place is in the same cell, and at most a unit off.
            for _ in 0..20_000 {
                let x = (random.word() >> 11) as f64 / 9_007_199_254_740_992.0;
                let position = Position::from_fraction(x);
                let place = places.enter(position);
                assert_eq!(places.cell(place), position.cell(1050));
                let middle = (f64::from(place) + 0.5) / UNITS;
                assert!((middle - places.scale.forward(x)).abs() < 1.01 / UNITS);
            }
        }
    }

    #[test]
    fn shares_put_the_width_of_cells_right() {
        let places = places(1050);
        for cell in 0..1050 {
            let units = f64::from(places.faces[cell + 1] - places.faces[cell]);
            let [a, b] = [cell, cell + 1].map(|k| closed_form(k as f64 / 1050.0));
            // Tables of the scale are right to 1e-12.
            let width = units * places.share(cell) / UNITS;
            assert!((width - (b - a)).abs() < 4e-12, "{cell}");
            assert!((places.share(cell) - 1.0).abs() < 1.01 / units);
        }
    }

    #[test]
    fn narrow_cells_have_no_places() {
        let scale = |steep: f64| NaturalScale::new(&|x| libm::exp(steep * x), &[], 1.0, "a").unwrap();
        assert!(Places::new(&scale(6.0), 1050).is_some());
        assert!(Places::new(&scale(14.0), 1050).is_none());
    }
}
