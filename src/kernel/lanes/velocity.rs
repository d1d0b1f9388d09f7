//! The loops over 64 walkers with velocities, compiled for several instruction sets.
//!
//! As for legs: simple loops over columns of 32-bit numbers, no fused multiplication, look-ups and sums in loops of their own.
//! Velocities are those along the circle that the box unfolds to, in lengths of the domain per half step: a flight is one
//! addition of whole numbers, the same at the end of a step and at the beginning of the next.

use super::super::BLOCK;
use super::block::{Instructions, cell, folded, units};
use super::normal::normals;
use crate::rng::{ROW, WordLanes};
use multiversion::multiversion;

/// Steps for which words and deviates are made at once.
const CHUNK: usize = 4;

/// Coefficients of a noise that is not linear in x.
pub(super) const TERMS: usize = 12;

/// Powers of the velocity that are summed.
pub(super) const POWERS: usize = 4;

/// Added to this, an energy below it is a whole number in the lower bits.
pub(super) const WHOLE: f32 = 8_388_608.0;

/// What never changes.
#[derive(Clone, Debug)]
pub(super) struct Law {
    /// Number of cells, below `2^15`.
    pub cells: u32,
    /// `1 - c`.
    pub forgotten: f32,
    /// How far ahead of a walker the temperature is that it feels, over its velocity.
    pub lead: f32,
    /// The variance of the noise, a polynomial in `2 x/L - 1`.
    pub noise: [f32; TERMS],
    /// What half a kick by the force adds to a velocity, a polynomial in the same; none where no force acts.
    pub push: Option<[f32; TERMS]>,
    /// Whether all but the first two coefficients of both are zero.
    pub linear: bool,
    /// Units of energy, of which [`WHOLE`] are never reached, over the square of the velocity.
    pub energy: f32,
}

/// Cells of velocity in a bin of x.
#[derive(Clone, Debug)]
pub(super) struct Speeds {
    /// The number of a cell of x times the first, shifted to the right by the second, is that of its bin.
    pub bin: [u32; 2],
    /// Cells, a power of two below `2^15`.
    pub cells: u32,
    /// Cells per velocity, bin by bin.
    pub scale: Vec<f32>,
}

/// Columns of 64 walkers, each of which begins where a line of the cache does.
#[repr(C, align(64))]
pub(super) struct Block {
    /// Places on the circle of `2^32` units.
    pub position: [u32; BLOCK],
    /// As they are in the first flight of a step: with a force, half a kick behind the velocity at which they are seen.
    pub velocity: [f32; BLOCK],
    /// Kinetic energies as [`WHOLE`] has them.
    pub energy: [u32; BLOCK],
    /// Work of the two half kicks at the end of a step and at the beginning of the next, in these units.
    work: [u32; BLOCK],
    /// Lengths of flights.
    units: [u32; BLOCK],
    moves: [[u8; ROW]; CHUNK],
    normal: [[f32; BLOCK]; CHUNK],
    /// Cells in the middle and at the end of a step, bins at its end.
    middle: [u32; BLOCK],
    end: [u32; BLOCK],
    bin: [u32; BLOCK],
    heat: [u32; BLOCK],
    /// Velocities along x at the end of a step.
    pub along: [f32; BLOCK],
    scale: [f32; BLOCK],
    speed: [u32; BLOCK],
    /// How many walkers are real.
    pub walkers: usize,
}

impl Block {
    pub fn new() -> Self {
        Block {
            walkers: 0,
            position: [0; BLOCK],
            velocity: [0.0; BLOCK],
            energy: [0; BLOCK],
            work: [0; BLOCK],
            units: [0; BLOCK],
            moves: [[0; ROW]; CHUNK],
            normal: [[0.0; BLOCK]; CHUNK],
            middle: [0; BLOCK],
            end: [0; BLOCK],
            bin: [0; BLOCK],
            heat: [0; BLOCK],
            along: [0.0; BLOCK],
            scale: [0.0; BLOCK],
            speed: [0; BLOCK],
        }
    }

    /// What follows from places and velocities at the end of a step.
    pub fn ready(&mut self, law: &Law) {
        for i in 0..BLOCK {
            self.along[i] = along(self.position[i], self.velocity[i]);
            self.energy[i] = energy(law, self.velocity[i]);
            self.units[i] = units(self.velocity[i]);
        }
    }

    /// Half a kick by the force: the beginning of a step.
    pub fn kick(&mut self, law: &Law) {
        let Some(push) = &law.push else { return };
        for i in 0..BLOCK {
            // Terms that are zero change no bit.
            self.velocity[i] += pushed::<false>(push, self.position[i]);
            self.energy[i] = energy(law, self.velocity[i]);
            self.units[i] = units(self.velocity[i]);
        }
    }
}

/// A velocity along the circle as one along x, and the reverse.
#[inline(always)]
pub(super) fn along(place: u32, velocity: f32) -> f32 {
    f32::from_bits(velocity.to_bits() ^ place & 0x8000_0000)
}

/// What half a kick adds to a velocity along the circle.
#[inline(always)]
fn pushed<const LINEAR: bool>(push: &[f32; TERMS], place: u32) -> f32 {
    let z = 2.0 * (place as i32 as f32 * (1.0 / 2_147_483_648.0)).abs() - 1.0;
    along(place, polynomial::<LINEAR>(push, z))
}

/// The energy of a velocity, in units.
#[inline(always)]
pub(super) fn energy(law: &Law, velocity: f32) -> u32 {
    (velocity * velocity * law.energy + WHOLE).to_bits()
}

/// Counters of a span, small to stay in the cache.
pub(super) struct Hot {
    pub cells: Vec<Cell>,
    /// Work done by forces in cells of x, in units of energy.
    pub work: Vec<i64>,
    pub speeds: Vec<u16>,
}

/// What is counted in a cell of x; it lies in one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(super) struct Cell {
    /// Sums of powers of the velocity of those who are there at the end of a step.
    pub powers: [f32; POWERS],
    /// Heat absorbed there, in units of energy.
    pub heat: i64,
    /// How many were there at the end of a step.
    pub visits: u32,
}

/// `f(z)`.
#[inline(always)]
pub(super) fn polynomial<const LINEAR: bool>(c: &[f32; TERMS], z: f32) -> f32 {
    if LINEAR {
        c[0] + c[1] * z
    } else {
        c[..TERMS - 1].iter().rev().fold(c[TERMS - 1], |sum, c| sum * z + c)
    }
}

/// A step of everybody, but for its counts. Several loops, because one needs more registers than there are.
#[inline(always)]
fn step<const LINEAR: bool, const FORCED: bool>(law: &Law, block: &mut Block, normal: usize) {
    let Block { position, velocity, energy, work, units: flight, middle, end, heat, along, .. } = block;
    let normal = &mut block.normal[normal];
    let cells = law.cells & 0x7fff;
    for i in 0..BLOCK {
        position[i] = position[i].wrapping_add(flight[i]);
        middle[i] = cell(folded(position[i]), cells);
    }
    for i in 0..BLOCK {
        // On the circle from -1 to 1; beyond a wall the way back, nothing beyond the other one.
        let ahead = position[i] as i32 as f32 * (1.0 / 2_147_483_648.0) + law.lead * velocity[i];
        let back = (1.0 - ahead.abs()).abs();
        let back = if back < 1.0 { back } else { 1.0 };
        normal[i] *= polynomial::<LINEAR>(&law.noise, 1.0 - 2.0 * back).sqrt();
    }
    for i in 0..BLOCK {
        let before = velocity[i];
        let after = before + (normal[i] - law.forgotten * before);
        let gained = self::energy(law, after);
        heat[i] = gained.wrapping_sub(energy[i]);
        (velocity[i], energy[i]) = (after, gained);
        flight[i] = units(after);
        position[i] = position[i].wrapping_add(flight[i]);
        along[i] = self::along(position[i], after);
    }
    if let Some(push) = law.push.as_ref().filter(|_| FORCED) {
        for i in 0..BLOCK {
            // The same half kick ends this step and begins the next.
            let push = pushed::<LINEAR>(push, position[i]);
            let seen = velocity[i] + push;
            along[i] = self::along(position[i], seen);
            velocity[i] = seen + push;
            let gained = self::energy(law, velocity[i]);
            work[i] = gained.wrapping_sub(energy[i]);
            energy[i] = gained;
            flight[i] = units(velocity[i]);
        }
    }
    for i in 0..BLOCK {
        end[i] = cell(folded(position[i]), cells);
    }
}

/// Counts visits only.
#[inline(always)]
fn visit(block: &Block, hot: &mut Hot) {
    for end in &block.end[..block.walkers] {
        hot.cells[*end as usize].visits += 1;
    }
}

/// Looks up how wide cells of velocity are in the bins where walkers are.
#[inline(always)]
fn look(speeds: &Speeds, block: &mut Block) {
    let Block { end, bin, scale, .. } = block;
    let [factor, shift] = speeds.bin;
    for i in 0..BLOCK {
        bin[i] = end[i].wrapping_mul(factor) >> (shift & 31);
    }
    for i in 0..BLOCK {
        scale[i] = speeds.scale[bin[i] as usize];
    }
}

/// Counts visits, heat, powers and cells of velocity.
#[inline(always)]
fn count<const FORCED: bool>(block: &Block, Hot { cells: hot, work, speeds }: &mut Hot) {
    let n = block.walkers;
    let Block { middle, end, heat, along, speed, .. } = block;
    let columns = middle[..n].iter().zip(&end[..n]).zip(heat[..n].iter().zip(&along[..n])).zip(&speed[..n]);
    for (((middle, end), (heat, v)), speed) in columns {
        hot[*middle as usize].heat += i64::from(*heat as i32);
        let cell = &mut hot[*end as usize];
        cell.visits += 1;
        let square = v * v;
        for (sum, power) in cell.powers.iter_mut().zip([*v, square, square * v, square * square]) {
            *sum += power;
        }
        speeds[*speed as usize] += 1;
    }
    if FORCED {
        for (end, gained) in end[..n].iter().zip(&block.work[..n]) {
            work[*end as usize] += i64::from(*gained as i32);
        }
    }
}

/// Finds the cells of velocities.
#[inline(always)]
fn sort(speeds: &Speeds, block: &mut Block) {
    let Block { bin, along, scale, speed, .. } = block;
    let mask = speeds.cells - 1;
    let last = mask as f32;
    for i in 0..BLOCK {
        let number = (along[i] * scale[i] + 0.5 * last).clamp(0.0, last) + WHOLE;
        speed[i] = bin[i].wrapping_mul(speeds.cells).wrapping_add(number.to_bits() & mask);
    }
}

#[inline(always)]
fn steps<const LINEAR: bool, const FORCED: bool>(
    law: &Law,
    speeds: Option<&Speeds>,
    block: &mut Block,
    mut left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    while left > 0 {
        let chunk = left.min(CHUNK as u64) as usize;
        for moves in &mut block.moves[..chunk] {
            words.fill(moves);
        }
        for (moves, normal) in block.moves.iter().zip(&mut block.normal).take(chunk) {
            normals(moves, normal);
        }
        for k in 0..chunk {
            step::<LINEAR, FORCED>(law, block, k);
            match speeds {
                None => visit(block, hot),
                Some(speeds) => {
                    look(speeds, block);
                    sort(speeds, block);
                    count::<FORCED>(block, hot);
                }
            }
        }
        left -= chunk as u64;
    }
}

/// Advances a block by so many steps and counts.
pub(super) fn go(
    most: Instructions,
    law: &Law,
    speeds: Option<&Speeds>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    match most {
        Instructions::Common => any(law, speeds, block, left, words, hot),
        Instructions::Avx2 => avx2(law, speeds, block, left, words, hot),
        Instructions::Avx512 => avx512(law, speeds, block, left, words, hot),
    }
}

#[inline(always)]
fn any(
    law: &Law,
    speeds: Option<&Speeds>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    match (law.linear, law.push.is_some()) {
        (true, false) => steps::<true, false>(law, speeds, block, left, words, hot),
        (false, false) => steps::<false, false>(law, speeds, block, left, words, hot),
        (true, true) => steps::<true, true>(law, speeds, block, left, words, hot),
        (false, true) => steps::<false, true>(law, speeds, block, left, words, hot),
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn avx2(
    law: &Law,
    speeds: Option<&Speeds>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    any(law, speeds, block, left, words, hot);
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt",
))]
fn avx512(
    law: &Law,
    speeds: Option<&Speeds>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    any(law, speeds, block, left, words, hot);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A law with thermal velocities from 0.02 at the left to about twice that, linear or not.
    fn law(forgotten: f32, lead: f32, linear: bool) -> Law {
        let variance = f64::from(forgotten) * (2.0 - f64::from(forgotten)) * 4e-4;
        let mut noise = [0.0; TERMS];
        noise[..2].copy_from_slice(&[(2.5 * variance) as f32, (1.5 * variance) as f32]);
        if !linear {
            noise[3] = (-0.3 * variance) as f32;
        }
        Law { cells: 1050, forgotten, lead, noise, linear, push: None, energy: 65_536.0 }
    }

    fn words() -> WordLanes {
        let mut word = 0u64;
        WordLanes::seeded(|| {
            word += 1;
            word
        })
    }

    /// Walkers all over the circle with some velocities, and deviates.
    fn block(law: &Law, words: &mut WordLanes) -> Block {
        let mut block = Block::new();
        block.walkers = BLOCK;
        words.fill(&mut block.moves[0]);
        for (place, word) in block.position.iter_mut().zip(block.moves[0].as_chunks::<4>().0) {
            *place = u32::from_le_bytes(*word);
        }
        words.fill(&mut block.moves[1]);
        normals(&block.moves[1], &mut block.velocity);
        block.velocity.iter_mut().for_each(|v| *v *= 0.04);
        words.fill(&mut block.moves[2]);
        normals(&block.moves[2], &mut block.normal[0]);
        block.ready(law);
        block
    }

    /// A place on the circle, from 0 to 2.
    fn circle(place: u32) -> f64 {
        f64::from(place) / 2_147_483_648.0
    }

    /// The place between the walls, from 0 to 1.
    fn fold(u: f64) -> f64 {
        let u = u.rem_euclid(2.0);
        if u > 1.0 { 2.0 - u } else { u }
    }

    /// `push` in double precision, along the circle.
    fn push(law: &Law, u: f64) -> f64 {
        let z = 2.0 * fold(u) - 1.0;
        let push = law.push.unwrap_or_default().iter().rev().fold(0.0, |sum, c| sum * z + f64::from(*c));
        if u.rem_euclid(2.0) > 1.0 { -push } else { push }
    }

    #[test]
    fn a_step_is_what_the_equations_say() {
        let mut words = words();
        let (mut reflected, mut apart, mut pushed_by) = (0, 0.0f64, 0.0f64);
        for (forgotten, lead, linear, forced) in [
            (0.2, 0.0, true, false),
            (0.2, 0.2, true, true),
            (0.6, 1.0, false, false),
            (1.0, 0.0, false, true),
            (0.0, 0.0, true, false),
        ] {
            let mut law = law(forgotten, lead, linear);
            if forced {
                let mut push = [0.0; TERMS];
                push[..2].copy_from_slice(&[0.002, -0.01]);
                push[5] = if linear { 0.0 } else { 0.003 };
                law.push = Some(push);
            }
            for _ in 0..50 {
                let mut block = block(&law, &mut words);
                let (places, begun) = (block.position, block.velocity);
                block.kick(&law);
                let first = block.energy;
                match (linear, forced) {
                    (true, false) => step::<true, false>(&law, &mut block, 0),
                    (false, false) => step::<false, false>(&law, &mut block, 0),
                    (true, true) => step::<true, true>(&law, &mut block, 0),
                    (false, true) => step::<false, true>(&law, &mut block, 0),
                }
                // The deviates before they were scaled: `block` draws them from this row.
                let mut deviates = [0.0; BLOCK];
                normals(&block.moves[2], &mut deviates);
                for i in 0..BLOCK {
                    let n = f64::from(deviates[i]);
                    let v = f64::from(begun[i]) + push(&law, circle(places[i]));
                    let middle = circle(places[i]) + v;
                    let felt = 2.0 * fold(middle + f64::from(lead) * v) - 1.0;
                    let variance = law.noise.iter().rev().fold(0.0, |sum, c| sum * felt + f64::from(*c));
                    let after = v + n * libm::sqrt(variance) - f64::from(forgotten) * v;
                    let end = middle + after;
                    let kick = push(&law, end);
                    let size = 3e-7 * (v.abs() + (n * libm::sqrt(variance)).abs() + kick.abs());
                    assert!(
                        (f64::from(block.velocity[i]) - (after + 2.0 * kick)).abs() < 2.0 * size,
                        "{i}: {after}"
                    );
                    let off = circle(block.position[i]) - end;
                    let off = off - 2.0 * libm::round(0.5 * off);
                    assert!(off.abs() < 1e-9 + 2.0 * size, "{i}: {off:e}");
                    assert_eq!(block.units[i], units(block.velocity[i]), "the next flight");
                    let back = f64::from(i32::from(end.rem_euclid(2.0) > 1.0));
                    let along = (1.0 - 2.0 * back) * (after + kick);
                    let at_wall = (fold(end) - 0.5).abs() > 0.5 - 1e-6;
                    assert!((f64::from(block.along[i]) - along).abs() < 2.0 * size || at_wall);
                    reflected += i32::from(back > 0.0);
                    // Cells are those of places, where these are not at a face.
                    for (cell, u) in [(block.middle[i], middle), (block.end[i], end)] {
                        let number = 1050.0 * fold(u);
                        let at_face = (number - libm::round(number)).abs() < 1e-3;
                        assert!(f64::from(cell) == libm::floor(number) || at_face, "{i}: {number}");
                    }
                    let energy = |v: f64| 65_536.0 * v * v;
                    let gained = |gain: u32, from: f64, to: f64| {
                        (f64::from(gain as i32) - (energy(to) - energy(from))).abs() < 1.01
                    };
                    assert!(gained(block.heat[i], v, after), "{i}: {after}");
                    if forced {
                        assert!(gained(first[i].wrapping_sub(WHOLE.to_bits()), 0.0, v), "{i}: {v}");
                        assert!(gained(block.work[i], after, after + 2.0 * kick), "{i}: {after}");
                    }
                    apart = apart.max((felt - (2.0 * fold(middle) - 1.0)).abs());
                    pushed_by = pushed_by.max((energy(after + 2.0 * kick) - energy(after)).abs());
                }
            }
        }
        assert!(reflected > 1000 && apart > 0.1 && pushed_by > 50.0, "{reflected} {apart} {pushed_by}");
    }

    #[test]
    fn velocities_do_not_drift() {
        // Against the same chain with the same deviates in double precision: what rounding does to the mean of v^2, with next to
        // no noise. Where kT is the same everywhere so is the rounding of its root, 1.2e-7 of the variance.
        for (forgotten, limit) in [(0.9, 1.5e-7), (0.1, 1.5e-7), (1e-3, 2e-7)] {
            let law =
                Law { noise: law(forgotten, 0.0, true).noise.map(|_| 0.0), ..law(forgotten, 0.0, true) };
            let share = f64::from(forgotten);
            let mut law = law;
            law.noise[0] = (share * (2.0 - share) * 1e-3) as f32;
            let mut words = words();
            let mut block = block(&law, &mut words);
            let mut ideal = block.velocity.map(f64::from);
            let (mut off, mut all) = (0.0, 0.0);
            for _ in 0..20_000 {
                words.fill(&mut block.moves[0]);
                let mut deviates = [0.0; BLOCK];
                normals(&block.moves[0], &mut deviates);
                block.normal[0] = deviates;
                step::<true, false>(&law, &mut block, 0);
                for i in 0..BLOCK {
                    let noise = f64::from(deviates[i]) * libm::sqrt(f64::from(law.noise[0]));
                    ideal[i] += noise - share * ideal[i];
                    off += f64::from(block.velocity[i]).powi(2) - ideal[i] * ideal[i];
                    all += ideal[i] * ideal[i];
                }
            }
            assert!((off / all).abs() < limit, "1 - c = {forgotten}: {:e}", off / all);
        }
    }

    #[test]
    fn cells_of_velocity_are_around_zero() {
        let speeds = Speeds { bin: [(1 << 20) / 21 + 1, 20], cells: 128, scale: vec![10.0; 50] };
        let mut block = Block::new();
        for (v, cell) in [
            (0.01, 64),
            (-0.01, 63),
            (0.099, 64),
            (0.101, 65),
            (6.29, 126),
            (6.31, 127),
            (9e9, 127),
            (-9e9, 0),
        ] {
            (block.along[5], block.end[5]) = (v, 1049);
            look(&speeds, &mut block);
            sort(&speeds, &mut block);
            assert_eq!(block.speed[5], 49 * 128 + cell, "{v}");
        }
    }
}
