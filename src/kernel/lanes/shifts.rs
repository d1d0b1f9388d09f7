//! The loops over 64 walkers with one internal coordinate, compiled for several instruction sets.
//!
//! As for legs and velocities: simple loops over columns of 32-bit numbers, no fused multiplication, counters in a loop of their
//! own. The coordinate is `u`, from -1 to 1 across its box, a float.

use super::super::BLOCK;
use super::block::{Instructions, cell, folded, signed_exponential, units};
use super::normal::normals;
use super::velocity::{TERMS, WHOLE, polynomial};
use crate::event::{DEGREE, SUMS};
use crate::rng::{ROW, WordLanes};
use multiversion::multiversion;

/// Coefficients of a polynomial of `u`.
pub(super) type Quartic = [f32; DEGREE + 1];

/// What never changes. With `h = mu dt/(2 half^2)`, `half` the half width of the box:
#[derive(Clone, Debug)]
pub(super) struct Law {
    /// Number of cells, below `2^15`.
    pub cells: u32,
    /// `kT`, a polynomial in `2 x/L - 1`.
    pub thermal: [f32; TERMS],
    /// Whether all but the first two of its coefficients are zero.
    pub linear: bool,
    /// `D dt/L^2`, the variance of half a move.
    pub spread: Quartic,
    /// The energy above its minimum.
    pub energy: Quartic,
    /// Units of energy, of which [`WHOLE`] are never reached, over the energy.
    pub unit: f32,
    /// `h`, and its inverse.
    pub reach: f32,
    pub stiff: f32,
    /// `R(z) - z` where the energy is of second degree: its first two coefficients. Nothing is refused then.
    pub harmonic: Option<[f32; 2]>,
    /// `h E'` and `h E''`.
    pub push: [f32; DEGREE],
    pub bend: [f32; DEGREE - 1],
}

/// Cells of the coordinate in a bin of x.
#[derive(Clone, Debug)]
pub(super) struct Across {
    /// The number of a cell of x times the first, shifted to the right by the second, is that of its bin.
    pub bin: [u32; 2],
    /// Cells in a bin.
    pub cells: u32,
}

/// Columns of 64 walkers, each of which begins where a line of the cache does.
#[repr(C, align(64))]
pub(super) struct Block {
    /// Places on the circle of `2^32` units.
    pub position: [u32; BLOCK],
    pub u: [f32; BLOCK],
    /// Energy, and the same as [`WHOLE`] has it.
    energy: [f32; BLOCK],
    pub stands: [u32; BLOCK],
    /// Cells of the coordinate.
    pub column: [u32; BLOCK],
    words: [[u8; ROW]; 4],
    /// Deviates of both halves of a move and of a shift.
    normal: [[f32; BLOCK]; 3],
    /// Exponential deviates that judge.
    patience: [f32; BLOCK],
    thermal: [f32; BLOCK],
    /// Before a shift.
    before: [f32; BLOCK],
    from: [u32; BLOCK],
    /// Cells of x where walkers are seen and where they are shifted, and the bins there times cells of the coordinate.
    middle: [u32; BLOCK],
    end: [u32; BLOCK],
    middle_row: [u32; BLOCK],
    end_row: [u32; BLOCK],
    heat: [u32; BLOCK],
    /// How many walkers are real.
    pub walkers: usize,
}

impl Block {
    pub fn new() -> Self {
        Block {
            walkers: 0,
            position: [0; BLOCK],
            u: [0.0; BLOCK],
            energy: [0.0; BLOCK],
            stands: [0; BLOCK],
            column: [0; BLOCK],
            words: [[0; ROW]; 4],
            normal: [[0.0; BLOCK]; 3],
            patience: [0.0; BLOCK],
            thermal: [0.0; BLOCK],
            before: [0.0; BLOCK],
            from: [0; BLOCK],
            middle: [0; BLOCK],
            end: [0; BLOCK],
            middle_row: [0; BLOCK],
            end_row: [0; BLOCK],
            heat: [0; BLOCK],
        }
    }

    /// What follows from coordinates, which are put on their lattice.
    pub fn ready(&mut self, law: &Law, across: Option<&Across>) {
        for u in &mut self.u {
            *u = even(*u);
        }
        for i in 0..BLOCK {
            self.energy[i] = quartic(&law.energy, self.u[i]);
            self.stands[i] = whole(law, self.energy[i]);
        }
        if let Some(across) = across {
            sort(across, &self.u, &mut self.column);
        }
    }
}

/// Counters of a span, small to stay in the cache.
pub(super) struct Hot {
    pub visits: Vec<u32>,
    pub powers: Vec<[f32; SUMS]>,
    /// Heat absorbed in cells of x, in units of energy.
    pub heat: Vec<i64>,
    pub seen: Vec<u32>,
    pub shifted: Vec<i32>,
}

/// The next number that has no digits below `2^-30`: two doubles, that of the coordinate and that of the middle of its box, can
/// tell it again. What is more than a sixty-fourth loses no more than its last digit.
#[inline(always)]
fn even(u: f32) -> f32 {
    const LATTICE: f32 = 1.5 / 64.0;
    (u + LATTICE) - LATTICE
}

#[inline(always)]
fn quartic(c: &Quartic, u: f32) -> f32 {
    c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * c[4])))
}

/// An energy in units.
#[inline(always)]
fn whole(law: &Law, energy: f32) -> u32 {
    (energy * law.unit + WHOLE).to_bits()
}

/// `R(z) - z`, `R + h E'(R) = z`: by two steps of Newton's method, or as it is where forces are linear.
#[inline(always)]
fn pushed<const HARMONIC: bool>(law: &Law, z: f32) -> f32 {
    if HARMONIC {
        let [still, along] = law.harmonic.unwrap_or_default();
        return still + along * z;
    }
    let force = |m: f32| law.push[0] + m * (law.push[1] + m * (law.push[2] + m * law.push[3]));
    let slope = |m: f32| 1.0 + (law.bend[0] + m * (law.bend[1] + m * law.bend[2]));
    let first = -force(z) / slope(z);
    let m = z + first;
    first - (first + force(m)) / slope(m)
}

/// Finds the cells of the coordinate.
#[inline(always)]
fn sort(across: &Across, u: &[f32; BLOCK], column: &mut [u32; BLOCK]) {
    let half = 0.5 * across.cells as f32;
    let last = (across.cells - 1) as f32;
    for i in 0..BLOCK {
        let number = (u[i] * half + (half - 0.5)).clamp(0.0, last) + WHOLE;
        column[i] = number.to_bits().wrapping_sub(WHOLE.to_bits());
    }
}

/// A step of everybody, but for its counts. Several loops, because one needs more registers than there are.
#[inline(always)]
fn step<const LINEAR: bool, const HARMONIC: bool>(law: &Law, block: &mut Block) {
    let Block { position, u, energy, stands, normal, patience, thermal, before, middle, end, heat, .. } =
        block;
    let cells = law.cells & 0x7fff;
    let [first, second, sideways] = normal;
    for i in 0..BLOCK {
        let spread = quartic(&law.spread, u[i]);
        // Where it vanishes rounding may make it less.
        let stride = (if spread > 0.0 { spread } else { 0.0 }).sqrt();
        let there = position[i].wrapping_add(units(first[i] * stride));
        middle[i] = cell(folded(there), cells);
        position[i] = there.wrapping_add(units(second[i] * stride));
    }
    for i in 0..BLOCK {
        end[i] = cell(folded(position[i]), cells);
        let z = 2.0 * (position[i] as i32 as f32 * (1.0 / 2_147_483_648.0)).abs() - 1.0;
        thermal[i] = polynomial::<LINEAR>(&law.thermal, z);
    }
    *before = *u;
    for i in 0..BLOCK {
        let here = before[i];
        let z = here + (thermal[i] * law.reach).sqrt() * sideways[i];
        let push = pushed::<HARMONIC>(law, z);
        let way = 2.0 * ((z - here) + push);
        let to = even(here + way);
        let there = quartic(&law.energy, to);
        // Signs: what lies outside of the box is refused, and what costs too much.
        let mut taken = to.abs() - 1.0;
        if !HARMONIC {
            let cost = there - energy[i] + way * push * law.stiff;
            taken = f32::from_bits(taken.to_bits() & (cost - patience[i] * thermal[i]).to_bits());
        }
        let all = (taken.to_bits() as i32 >> 31) as u32;
        let chosen =
            |from: f32, to: f32| f32::from_bits(from.to_bits() ^ (from.to_bits() ^ to.to_bits()) & all);
        u[i] = chosen(here, to);
        energy[i] = chosen(energy[i], there);
        let gained = whole(law, energy[i]);
        heat[i] = gained.wrapping_sub(stands[i]);
        stands[i] = gained;
    }
}

/// Counts visits only.
#[inline(always)]
fn visit(block: &Block, hot: &mut Hot) {
    for middle in &block.middle[..block.walkers] {
        hot.visits[*middle as usize] += 1;
    }
}

/// Finds the cells of the plane.
#[inline(always)]
fn locate(across: &Across, block: &mut Block) {
    let Block { u, column, from, middle, end, middle_row, end_row, .. } = block;
    let [factor, shift] = across.bin;
    *from = *column;
    sort(across, u, column);
    for i in 0..BLOCK {
        let row = |cell: u32| (cell.wrapping_mul(factor) >> (shift & 31)).wrapping_mul(across.cells);
        middle_row[i] = row(middle[i]) + from[i];
        let end = row(end[i]);
        end_row[i] = end + column[i];
        from[i] += end;
    }
}

/// Counts visits, powers, heat and cells of the plane.
#[inline(always)]
fn count(block: &Block, hot: &mut Hot) {
    let Hot { visits, powers, heat: heats, seen, shifted } = hot;
    for i in 0..block.walkers {
        let middle = block.middle[i] as usize;
        visits[middle] += 1;
        let u = block.before[i];
        let (square, cube) = (u * u, u * u * u);
        let low = [u, square, cube, square * square];
        let sums = &mut powers[middle];
        for k in 0..SUMS / 2 {
            sums[k] += low[k];
            sums[k + SUMS / 2] += low[k] * low[3];
        }
        seen[block.middle_row[i] as usize] += 1;
        heats[block.end[i] as usize] += i64::from(block.heat[i] as i32);
        shifted[block.from[i] as usize] -= 1;
        shifted[block.end_row[i] as usize] += 1;
    }
}

#[inline(always)]
fn steps<const LINEAR: bool, const HARMONIC: bool>(
    law: &Law,
    across: Option<&Across>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    for _ in 0..left {
        let rows = if HARMONIC { 3 } else { 4 };
        for row in &mut block.words[..rows] {
            words.fill(row);
        }
        for (row, normal) in block.words.iter().zip(&mut block.normal) {
            normals(row, normal);
        }
        if !HARMONIC {
            let judging = block.words[3].as_chunks::<4>().0;
            for (patience, word) in block.patience.iter_mut().zip(judging) {
                *patience = signed_exponential(u32::from_le_bytes(*word)).abs();
            }
        }
        step::<LINEAR, HARMONIC>(law, block);
        match across {
            None => visit(block, hot),
            Some(across) => {
                locate(across, block);
                count(block, hot);
            }
        }
    }
}

/// Advances a block by so many steps and counts.
pub(super) fn go(
    most: Instructions,
    law: &Law,
    across: Option<&Across>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    match most {
        Instructions::Common => any(law, across, block, left, words, hot),
        Instructions::Avx2 => avx2(law, across, block, left, words, hot),
        Instructions::Avx512 => avx512(law, across, block, left, words, hot),
    }
}

#[inline(always)]
fn any(
    law: &Law,
    across: Option<&Across>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    match (law.linear, law.harmonic.is_some()) {
        (true, true) => steps::<true, true>(law, across, block, left, words, hot),
        (false, true) => steps::<false, true>(law, across, block, left, words, hot),
        (true, false) => steps::<true, false>(law, across, block, left, words, hot),
        (false, false) => steps::<false, false>(law, across, block, left, words, hot),
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"))]
fn avx2(
    law: &Law,
    across: Option<&Across>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    any(law, across, block, left, words, hot);
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt",
))]
fn avx512(
    law: &Law,
    across: Option<&Across>,
    block: &mut Block,
    left: u64,
    words: &mut WordLanes,
    hot: &mut Hot,
) {
    any(law, across, block, left, words, hot);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two wells or a spring, `kT = 0.5 (1 + x)`.
    fn law(harmonic: bool) -> Law {
        let energy: [f64; DEGREE + 1] =
            if harmonic { [0.1, -0.5, 30.0, 0.0, 0.0] } else { [1.6, 1.3, -14.0, 0.0, 50.0] };
        let reach = 4e-4;
        let push: [f64; DEGREE] = std::array::from_fn(|k| reach * (k + 1) as f64 * energy[k + 1]);
        let mut thermal = [0.0; TERMS];
        thermal[..2].copy_from_slice(&[0.75, 0.25]);
        let still = 1.0 + push[1];
        Law {
            cells: 1050,
            thermal,
            linear: true,
            spread: [2e-3, 0.0, 5e-3, 0.0, 0.0],
            energy: energy.map(|c| c as f32),
            unit: 131_072.0,
            reach: reach as f32,
            stiff: (1.0 / reach) as f32,
            harmonic: harmonic.then(|| [(-push[0] / still) as f32, (-push[1] / still) as f32]),
            push: push.map(|c| c as f32),
            bend: std::array::from_fn(|k| ((k + 1) as f64 * push[k + 1]) as f32),
        }
    }

    fn words() -> WordLanes {
        let mut word = 0u64;
        WordLanes::seeded(|| {
            word += 1;
            word
        })
    }

    fn draw(words: &mut WordLanes) -> [f32; BLOCK] {
        let (mut row, mut deviates) = ([0; ROW], [0.0; BLOCK]);
        words.fill(&mut row);
        normals(&row, &mut deviates);
        deviates
    }

    /// Walkers all over the circle, with deviates.
    fn block(law: &Law, words: &mut WordLanes) -> Block {
        let mut block = Block::new();
        block.walkers = BLOCK;
        block.u = draw(words).map(|n| 0.1 * n - 0.2);
        words.fill(&mut block.words[0]);
        for (place, word) in block.position.iter_mut().zip(block.words[0].as_chunks::<4>().0) {
            *place = u32::from_le_bytes(*word);
        }
        block.normal = [draw(words), draw(words), draw(words)];
        // Short, so that something is refused.
        block.patience = draw(words).map(|n| 0.01 * n.abs());
        block.ready(law, None);
        block
    }

    fn fold(place: f64) -> f64 {
        let place = place.rem_euclid(2.0);
        if place > 1.0 { 2.0 - place } else { place }
    }

    #[test]
    fn a_step_is_what_the_equations_say() {
        let mut words = words();
        let (mut refused, mut reflected) = (0, 0);
        for harmonic in [true, false].into_iter().cycle().take(40) {
            let law = law(harmonic);
            let mut block = block(&law, &mut words);
            let (position, u) = (block.position, block.u.map(f64::from));
            if harmonic {
                step::<true, true>(&law, &mut block)
            } else {
                step::<true, false>(&law, &mut block)
            }
            let value = |u: f64| law.energy.iter().rev().fold(0.0, |sum, c| sum * u + f64::from(*c));
            let slope = |u: f64| {
                (1..)
                    .zip(&law.energy[1..])
                    .map(|(k, c)| f64::from(k) * f64::from(*c) * u.powi(k - 1))
                    .sum::<f64>()
            };
            let h = f64::from(law.reach);
            for i in 0..BLOCK {
                let [first, second, third] = [0, 1, 2].map(|k| f64::from(block.normal[k][i]));
                let stride = libm::sqrt(2e-3 + 5e-3 * u[i] * u[i]);
                let place = f64::from(position[i]) / 2_147_483_648.0;
                let there = place + stride * first;
                let end = there + stride * second;
                let off = f64::from(block.position[i]) / 2_147_483_648.0 - end;
                assert!((off - 2.0 * libm::round(0.5 * off)).abs() < 1e-6, "{i}: {off:e}");
                reflected += i32::from((end > 1.0) != (place > 1.0));
                for (cell, place) in [(block.middle[i], there), (block.end[i], end)] {
                    let number = 1050.0 * fold(place);
                    assert!(
                        f64::from(cell) == libm::floor(number) || (number - libm::round(number)).abs() < 1e-3
                    );
                }
                let kt = 0.5 * (1.0 + fold(end));
                assert!((f64::from(block.thermal[i]) - kt).abs() < 1e-6);
                let z = u[i] + libm::sqrt(kt * h) * third;
                let (mut low, mut high) = (-2.0, 2.0);
                for _ in 0..60 {
                    let m = 0.5 * (low + high);
                    if m + h * slope(m) < z { low = m } else { high = m }
                }
                let to = 2.0 * low - u[i];
                // Reached from there through the same z: Boltzmann's weights and Gaussian densities.
                let square = |a: f64| (z - a) * (z - a) / (2.0 * h);
                let cost = value(to) - value(u[i]) + square(to) - square(u[i]);
                let patience = f64::from(block.patience[i]) * kt;
                let after = f64::from(block.u[i]);
                let taken = (after - to).abs() < 1e-6;
                assert!(taken || after == u[i] && !harmonic, "{i}: {after} {to} {}", u[i]);
                assert!(
                    harmonic || taken == (patience > cost) || (patience - cost).abs() < 1e-4,
                    "{i}: {cost}"
                );
                refused += i32::from(!taken);
                let heat = f64::from(block.heat[i] as i32) / f64::from(law.unit);
                assert!((heat - (value(after) - value(u[i]))).abs() < 2e-5, "{i}: {heat}");
                assert_eq!(block.stands[i], whole(&law, quartic(&law.energy, block.u[i])));
            }
        }
        assert!(refused > 5 && reflected > 50, "{refused} {reflected}");
    }

    #[test]
    fn shifts_can_be_taken_back() {
        // The same z leads back, and what one way costs the other one gains, to the digits of floats.
        let law = law(false);
        let mut words = words();
        let mut most = [0.0f64; 2];
        for _ in 0..200 {
            let (start, noise) = (draw(&mut words), draw(&mut words));
            for (u, noise) in start.into_iter().zip(noise) {
                let u = even(0.15 * u);
                let z = u + 0.02 * noise;
                let push = pushed::<false>(&law, z);
                let [to, back] =
                    [u, even(u + 2.0 * ((z - u) + push))].map(|from| even(from + 2.0 * ((z - from) + push)));
                most[0] = most[0].max(f64::from(back - u).abs());
                let gain = |from: f32| 2.0 * ((z - from) + push) * push * law.stiff;
                most[1] = most[1].max(f64::from(gain(u) + gain(to)).abs());
            }
        }
        assert!(most[0] < 4e-7 && most[1] < 4e-5, "{most:?}");
    }

    #[test]
    fn coordinates_do_not_drift() {
        // A spring against the same chain with the same deviates in double precision, one that forgets little: what rounding does
        // to the mean of u^2.
        let law = Law { harmonic: Some([0.0, -0.012]), energy: [0.0, 0.0, 30.0, 0.0, 0.0], ..law(true) };
        let mut words = words();
        let mut block = block(&law, &mut words);
        let mut ideal = block.u.map(f64::from);
        let (mut off, mut all) = (0.0, 0.0);
        let along = f64::from(-0.012f32);
        for _ in 0..20_000 {
            block.normal[2] = draw(&mut words);
            step::<true, true>(&law, &mut block);
            for (i, ideal) in ideal.iter_mut().enumerate() {
                let noise = f64::from(block.normal[2][i])
                    * libm::sqrt(f64::from(block.thermal[i]) * f64::from(law.reach));
                *ideal += 2.0 * (noise + along * (*ideal + noise));
                off += f64::from(block.u[i]).powi(2) - *ideal * *ideal;
                all += *ideal * *ideal;
            }
        }
        assert!((off / all).abs() < 3e-7, "{:e}", off / all);
    }

    #[test]
    fn the_lattice_is_that_of_two_doubles() {
        for (middle, half) in [(0.0, 2.7), (-0.3, 0.71), (3.0, 9.0)] {
            let mut words = words();
            for _ in 0..100 {
                for u in draw(&mut words) {
                    let u = even(1e-3 * u * u * u);
                    let q: f64 = middle + half * f64::from(u);
                    assert_eq!(even(((q - middle) / half) as f32), u);
                }
            }
        }
    }

    #[test]
    fn cells_are_the_floor() {
        for (u, column) in [
            (-1.0, 0),
            (-0.99, 0),
            (-0.01, 23),
            (0.01, 24),
            (0.99, 47),
            (1.0, 47),
            (-0.9582, 1),
            (-0.9585, 0),
        ] {
            let mut columns = [0; BLOCK];
            sort(&Across { bin: [0, 0], cells: 48 }, &[u; BLOCK], &mut columns);
            assert_eq!(columns[7], column, "{u}");
        }
    }
}
