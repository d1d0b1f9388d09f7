//! The loops over 64 walkers with velocities, compiled for several instruction sets.
//!
//! As for legs: simple loops over columns of 32-bit numbers, no fused multiplication, look-ups and sums in loops of their own.
//! Velocities are those along the circle that the box unfolds to, in lengths of the domain per half step: a flight is one
//! addition of whole numbers, the same at the end of a step and at the beginning of the next.
//!
//! With several states all velocities are those that the lightest particle would have with the same energy,
//! `u = v sqrt(m/m_0)`: a transition at constant kinetic energy does not change them, and all energies have one unit. Flights are
//! `u` times the *pace* `sqrt(m_0/m)` of the state. What acts on a walker, the coefficients of its force among it, lies in columns that
//! are rewritten when its state changes, which happens too seldom for a look-up in every step.

use super::super::{BLOCK, KernelError};
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
    /// What acts in each state.
    pub motions: Vec<Motion>,
    /// The variance of the noise of one state, or that of velocities in equilibrium, a polynomial in `2 x/L - 1`.
    pub noise: [f32; TERMS],
    /// Whether a force acts in any state.
    pub forced: bool,
    /// Whether all but the first two coefficients of noise and forces are zero.
    pub linear: bool,
    /// Units of energy, of which [`WHOLE`] are never reached, over the square of the velocity.
    pub energy: f32,
}

/// What acts on walkers in a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    /// `1 - c`.
    pub forgotten: f32,
    /// How far ahead of a walker the temperature is that it feels, over what stands for its velocity.
    pub lead: f32,
    /// `1 - c^2`; one if the polynomial has it.
    pub share: f32,
    /// The velocity over what stands for it.
    pub pace: f32,
    /// What half a kick by the force adds to what stands for it, a polynomial in `2 x/L - 1`.
    pub push: [f32; TERMS],
}

/// Cells of velocity in a bin of x.
#[derive(Clone, Debug)]
pub(super) struct Speeds {
    /// The number of a state and cell of x times the first, shifted to the right by the second, is that of its bin.
    pub bin: [u32; 2],
    /// Cells, a power of two below `2^15`.
    pub cells: u32,
    /// Cells per velocity, state by state and bin by bin.
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
    pub state: [u32; BLOCK],
    /// Of several states: what acts on walkers, see [`Motion`], and the first cell of their state.
    forgotten: [f32; BLOCK],
    lead: [f32; BLOCK],
    share: [f32; BLOCK],
    pace: [f32; BLOCK],
    push: [[f32; BLOCK]; TERMS],
    row: [u32; BLOCK],
    /// Work of the two half kicks at the end of a step and at the beginning of the next, in these units.
    work: [u32; BLOCK],
    /// Lengths of flights.
    units: [u32; BLOCK],
    moves: [[u8; ROW]; CHUNK],
    normal: [[f32; BLOCK]; CHUNK],
    /// Cells of states in the middle and at the end of a step, bins at its end.
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
            state: [0; BLOCK],
            forgotten: [0.0; BLOCK],
            lead: [0.0; BLOCK],
            share: [0.0; BLOCK],
            pace: [0.0; BLOCK],
            push: [[0.0; BLOCK]; TERMS],
            row: [0; BLOCK],
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

    /// Puts a walker into a state.
    pub fn enter(&mut self, law: &Law, i: usize, state: usize) {
        let Motion { forgotten, lead, share, pace, push } = law.motions[state];
        (self.forgotten[i], self.lead[i], self.share[i], self.pace[i]) = (forgotten, lead, share, pace);
        self.push.iter_mut().zip(push).for_each(|(column, c)| column[i] = c);
        (self.state[i], self.row[i]) = (state as u32, state as u32 * law.cells);
    }

    /// What follows from places and velocities at the end of a step.
    pub fn ready(&mut self, law: &Law) {
        for i in 0..BLOCK {
            self.along[i] = along(self.position[i], self.velocity[i]);
            self.energy[i] = energy(law, self.velocity[i]);
            self.units[i] = units(self.velocity[i] * self.pace[i]);
        }
    }

    /// Half a kick by the force: the beginning of a step.
    pub fn kick(&mut self, law: &Law) {
        if !law.forced {
            return;
        }
        for i in 0..BLOCK {
            // Terms that are zero change no bit.
            let push = own::<false>(&self.push, i, height(self.position[i]));
            self.velocity[i] += along(self.position[i], push);
            self.energy[i] = energy(law, self.velocity[i]);
            self.units[i] = units(self.velocity[i] * self.pace[i]);
        }
    }
}

/// A velocity along the circle as one along x, and the reverse.
#[inline(always)]
pub(super) fn along(place: u32, velocity: f32) -> f32 {
    f32::from_bits(velocity.to_bits() ^ place & 0x8000_0000)
}

/// `2 x/L - 1` of a place on the circle.
#[inline(always)]
fn height(place: u32) -> f32 {
    2.0 * (place as i32 as f32 * (1.0 / 2_147_483_648.0)).abs() - 1.0
}

/// The energy of a velocity, in units.
#[inline(always)]
pub(super) fn energy(law: &Law, velocity: f32) -> u32 {
    (velocity * velocity * law.energy + WHOLE).to_bits()
}

/// Counters of a span, small to stay in the cache.
pub(super) struct Hot {
    /// State by state.
    pub cells: Vec<Cell>,
    /// Work done by forces in these, in units of energy.
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

/// The same with coefficients of its own for every walker.
#[inline(always)]
fn own<const LINEAR: bool>(c: &[[f32; BLOCK]; TERMS], i: usize, z: f32) -> f32 {
    if LINEAR {
        c[0][i] + c[1][i] * z
    } else {
        c[..TERMS - 1].iter().rev().fold(c[TERMS - 1][i], |sum, c| sum * z + c[i])
    }
}

/// Changes states in the middle of steps.
pub(super) trait Passes {
    /// The transitions of half a step, where walkers are.
    ///
    /// # Errors
    /// [`KernelError::BoundViolated`].
    fn half(&mut self, law: &Law, block: &mut Block) -> Result<(), KernelError>;
}

/// Changes nothing.
pub(super) struct Still;

impl Passes for Still {
    fn half(&mut self, _: &Law, _: &mut Block) -> Result<(), KernelError> {
        Ok(())
    }
}

/// A step of everybody, but for its counts. Several loops, because one needs more registers than there are.
#[inline(always)]
fn step<const LINEAR: bool, const FORCED: bool, const REACTS: bool>(
    law: &Law,
    block: &mut Block,
    normal: usize,
    passes: &mut dyn Passes,
) -> Result<(), KernelError> {
    let cells = law.cells & 0x7fff;
    let only = law.motions[0];
    let Block { position, units: flight, middle, row, .. } = block;
    for i in 0..BLOCK {
        position[i] = position[i].wrapping_add(flight[i]);
        middle[i] = cell(folded(position[i]), cells) + if REACTS { row[i] } else { 0 };
    }
    if REACTS {
        passes.half(law, block)?;
    }
    let Block { position, velocity, energy, units: flight, heat, along, .. } = block;
    let Block { forgotten, lead, share, .. } = block;
    let normal = &mut block.normal[normal];
    for i in 0..BLOCK {
        // On the circle from -1 to 1; beyond a wall the way back, nothing beyond the other one.
        let lead = if REACTS { lead[i] } else { only.lead };
        let ahead = position[i] as i32 as f32 * (1.0 / 2_147_483_648.0) + lead * velocity[i];
        let back = (1.0 - ahead.abs()).abs();
        let back = if back < 1.0 { back } else { 1.0 };
        let variance = polynomial::<LINEAR>(&law.noise, 1.0 - 2.0 * back);
        normal[i] *= if REACTS { (share[i] * variance).sqrt() } else { variance.sqrt() };
    }
    for i in 0..BLOCK {
        let before = velocity[i];
        let forgotten = if REACTS { forgotten[i] } else { only.forgotten };
        let after = before + (normal[i] - forgotten * before);
        let gained = self::energy(law, after);
        heat[i] = gained.wrapping_sub(energy[i]);
        (velocity[i], energy[i]) = (after, gained);
        if !REACTS {
            flight[i] = units(after);
            position[i] = position[i].wrapping_add(flight[i]);
            along[i] = self::along(position[i], after);
        }
    }
    if REACTS {
        passes.half(law, block)?;
        let Block { position, velocity, units: flight, along, pace, .. } = block;
        for i in 0..BLOCK {
            flight[i] = units(velocity[i] * pace[i]);
            position[i] = position[i].wrapping_add(flight[i]);
            along[i] = self::along(position[i], velocity[i]);
        }
    }
    let Block { position, velocity, energy, work, units: flight, end, along, pace, push, row, .. } = block;
    if FORCED {
        for i in 0..BLOCK {
            // The same half kick ends this step and begins the next: nothing changes states between them.
            let z = height(position[i]);
            let push = if REACTS { own::<LINEAR>(push, i, z) } else { polynomial::<LINEAR>(&only.push, z) };
            let push = self::along(position[i], push);
            let seen = velocity[i] + push;
            along[i] = self::along(position[i], seen);
            velocity[i] = seen + push;
            let gained = self::energy(law, velocity[i]);
            work[i] = gained.wrapping_sub(energy[i]);
            energy[i] = gained;
            flight[i] = units(velocity[i] * if REACTS { pace[i] } else { 1.0 });
        }
    }
    for i in 0..BLOCK {
        end[i] = cell(folded(position[i]), cells) + if REACTS { row[i] } else { 0 };
    }
    Ok(())
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
fn steps<const LINEAR: bool, const FORCED: bool, const REACTS: bool>(
    (law, speeds): Laws<'_>,
    block: &mut Block,
    mut left: u64,
    words: &mut WordLanes,
    passes: &mut dyn Passes,
    hot: &mut Hot,
) -> Result<(), KernelError> {
    while left > 0 {
        let chunk = left.min(CHUNK as u64) as usize;
        for moves in &mut block.moves[..chunk] {
            words.fill(moves);
        }
        for (moves, normal) in block.moves.iter().zip(&mut block.normal).take(chunk) {
            normals(moves, normal);
        }
        for k in 0..chunk {
            step::<LINEAR, FORCED, REACTS>(law, block, k, passes)?;
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
    Ok(())
}

/// What never changes in a span.
pub(super) type Laws<'a> = (&'a Law, Option<&'a Speeds>);

/// Advances a block by so many steps and counts.
pub(super) fn go(
    most: Instructions,
    laws: Laws<'_>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    passes: &mut dyn Passes,
    hot: &mut Hot,
) -> Result<(), KernelError> {
    match most {
        Instructions::Common => any(laws, block, left, words, passes, hot),
        Instructions::Avx2 => avx2(laws, block, left, words, passes, hot),
        Instructions::Avx512 => avx512(laws, block, left, words, passes, hot),
    }
}

#[inline(always)]
fn any(
    laws: Laws<'_>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    passes: &mut dyn Passes,
    hot: &mut Hot,
) -> Result<(), KernelError> {
    let (law, _) = laws;
    match (law.linear, law.forced, law.motions.len() > 1) {
        (true, false, false) => steps::<true, false, false>(laws, block, left, words, passes, hot),
        (false, false, false) => steps::<false, false, false>(laws, block, left, words, passes, hot),
        (true, true, false) => steps::<true, true, false>(laws, block, left, words, passes, hot),
        (false, true, false) => steps::<false, true, false>(laws, block, left, words, passes, hot),
        (true, false, true) => steps::<true, false, true>(laws, block, left, words, passes, hot),
        (false, false, true) => steps::<false, false, true>(laws, block, left, words, passes, hot),
        (true, true, true) => steps::<true, true, true>(laws, block, left, words, passes, hot),
        (false, true, true) => steps::<false, true, true>(laws, block, left, words, passes, hot),
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn avx2(
    laws: Laws<'_>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    passes: &mut dyn Passes,
    hot: &mut Hot,
) -> Result<(), KernelError> {
    any(laws, block, left, words, passes, hot)
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt",
))]
fn avx512(
    laws: Laws<'_>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    passes: &mut dyn Passes,
    hot: &mut Hot,
) -> Result<(), KernelError> {
    any(laws, block, left, words, passes, hot)
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
        let motions = vec![Motion { forgotten, lead, share: 1.0, pace: 1.0, push: [0.0; TERMS] }];
        Law { cells: 1050, motions, noise, linear, forced: false, energy: 65_536.0 }
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
        (0..BLOCK).for_each(|i| block.enter(law, i, 0));
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

    /// The half kick of a state in double precision, along the circle.
    fn push(own: &Motion, u: f64) -> f64 {
        let z = 2.0 * fold(u) - 1.0;
        let push = own.push.iter().rev().fold(0.0, |sum, c| sum * z + f64::from(*c));
        if u.rem_euclid(2.0) > 1.0 { -push } else { push }
    }

    #[test]
    fn a_step_is_what_the_equations_say() {
        let mut words = words();
        let (mut reflected, mut apart, mut pushed_by) = (0, 0.0f64, 0.0f64);
        for (forgotten, lead, linear, forced, reacts) in [
            (0.2, 0.0, true, false, false),
            (0.2, 0.2, true, true, false),
            (0.6, 1.0, false, false, false),
            (1.0, 0.0, false, true, false),
            (0.0, 0.0, true, false, false),
            (0.2, 0.2, true, false, true),
            (0.6, 0.5, false, true, true),
            (0.3, 0.1, true, true, true),
        ] {
            let mut law = law(forgotten, lead, linear);
            if reacts {
                let push = [0.0; TERMS];
                law.motions.push(Motion { forgotten: 0.9, lead: 0.05, share: 0.3, pace: 0.4, push });
            }
            if forced {
                law.forced = true;
                for (motion, own) in
                    law.motions.iter_mut().zip([[0.002, -0.01, 0.003], [-0.004, 0.006, 0.001]])
                {
                    motion.push[..2].copy_from_slice(&own[..2]);
                    motion.push[5] = if linear { 0.0 } else { own[2] };
                }
            }
            for _ in 0..50 {
                let mut block = block(&law, &mut words);
                if reacts {
                    (0..BLOCK).for_each(|i| block.enter(&law, i, i % 2));
                    block.ready(&law);
                }
                let (places, begun) = (block.position, block.velocity);
                block.kick(&law);
                let first = block.energy;
                let made = match (linear, forced, reacts) {
                    (true, false, false) => step::<true, false, false>(&law, &mut block, 0, &mut Still),
                    (false, false, false) => step::<false, false, false>(&law, &mut block, 0, &mut Still),
                    (true, true, false) => step::<true, true, false>(&law, &mut block, 0, &mut Still),
                    (false, true, false) => step::<false, true, false>(&law, &mut block, 0, &mut Still),
                    (true, false, true) => step::<true, false, true>(&law, &mut block, 0, &mut Still),
                    (false, false, true) => step::<false, false, true>(&law, &mut block, 0, &mut Still),
                    (true, true, true) => step::<true, true, true>(&law, &mut block, 0, &mut Still),
                    (false, true, true) => step::<false, true, true>(&law, &mut block, 0, &mut Still),
                };
                assert!(made.is_ok());
                // The deviates before they were scaled: `block` draws them from this row.
                let mut deviates = [0.0; BLOCK];
                normals(&block.moves[2], &mut deviates);
                for i in 0..BLOCK {
                    let n = f64::from(deviates[i]);
                    let state = if reacts { i % 2 } else { 0 };
                    let own = law.motions[state];
                    let [forgotten, lead, share, pace] =
                        [own.forgotten, own.lead, own.share, own.pace].map(f64::from);
                    let v = f64::from(begun[i]) + push(&own, circle(places[i]));
                    let middle = circle(places[i]) + pace * v;
                    let felt = 2.0 * fold(middle + lead * v) - 1.0;
                    let variance =
                        law.noise.iter().rev().fold(0.0, |sum, c| sum * felt + f64::from(*c)) * share;
                    let after = v + n * libm::sqrt(variance) - forgotten * v;
                    let end = middle + pace * after;
                    let kick = push(&own, end);
                    let size = 3e-7 * (v.abs() + (n * libm::sqrt(variance)).abs() + kick.abs());
                    assert!(
                        (f64::from(block.velocity[i]) - (after + 2.0 * kick)).abs() < 2.0 * size,
                        "{i}: {after}"
                    );
                    let off = circle(block.position[i]) - end;
                    let off = off - 2.0 * libm::round(0.5 * off);
                    assert!(off.abs() < 1e-9 + 2.0 * size, "{i}: {off:e}");
                    assert_eq!(block.units[i], units(block.velocity[i] * own.pace), "the next flight");
                    let back = f64::from(i32::from(end.rem_euclid(2.0) > 1.0));
                    let along = (1.0 - 2.0 * back) * (after + kick);
                    let at_wall = (fold(end) - 0.5).abs() > 0.5 - 1e-6;
                    assert!((f64::from(block.along[i]) - along).abs() < 2.0 * size || at_wall);
                    reflected += i32::from(back > 0.0);
                    // Cells are those of places, where these are not at a face.
                    for (cell, u) in [(block.middle[i], middle), (block.end[i], end)] {
                        let number = 1050.0 * (fold(u) + state as f64);
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
    fn several_states_alike_are_one() {
        // Factors of one change no bit, and a state numbers cells.
        let one = law(0.3, 0.4, false);
        let two = Law { motions: vec![one.motions[0]; 2], ..one.clone() };
        let mut words = words();
        let mut blocks = [block(&one, &mut words.clone()), block(&one, &mut words)];
        (0..BLOCK).for_each(|i| blocks[1].enter(&two, i, i % 2));
        let [a, b] = &mut blocks;
        step::<false, false, false>(&one, a, 0, &mut Still).expect("no transitions");
        step::<false, false, true>(&two, b, 0, &mut Still).expect("no transitions");
        assert!(a.position == b.position && a.velocity == b.velocity && a.along == b.along);
        assert!(a.heat == b.heat && a.energy == b.energy && a.units == b.units);
        for i in 0..BLOCK {
            let first = 1050 * (i as u32 % 2);
            assert_eq!([a.middle[i] + first, a.end[i] + first], [b.middle[i], b.end[i]]);
        }
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
                step::<true, false, false>(&law, &mut block, 0, &mut Still).expect("no transitions");
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
