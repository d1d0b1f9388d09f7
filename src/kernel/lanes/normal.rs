//! Normal deviates in 32 bits, two from two words.
//!
//! `sqrt(2 E) cos(phi)` and `sqrt(2 E) sin(phi)` with an exponential `E` and an angle even on a circle are two
//! independent normal deviates (Box & Muller, Ann. Math. Stat. 29, 610 (1958)): half as many logarithms as
//! deviates, and no branch. The angle keeps to half a circle, and the sign that comes with `E` turns it to the other.
//!
//! Over all words the variance is 1e-8 of itself too small, the fourth moment 1.5e-8; values end at 6.56. Odd moments are
//! zero, and so is the covariance of the two, exactly.

use super::super::BLOCK;
use super::block::signed_exponential;
use crate::rng::ROW;

/// Cosine, not negative, and sine of `pi/2 t`, `t` the odd number `word | 1` over `2^31`.
///
/// Even and odd polynomials, fitted in turn with coefficients that are floats: to 2e-7, most of it rounding.
#[inline(always)]
fn half_circle(word: u32) -> (f32, f32) {
    const COS: [f32; 6] = [1.0, -1.233_700_5, 0.253_669_08, -0.020_861_9, 9.167_333e-4, -2.340_200_6e-5];
    const SIN: [f32; 5] =
        [std::f32::consts::FRAC_PI_2, -0.645_964_26, 0.079_691_43, -0.004_675_914, 1.523_836_1e-4];
    let t = (word | 1) as i32 as f32 * (1.0 / 2_147_483_648.0);
    let z = t * t;
    let square = z * z;
    let cos = (COS[0] + COS[1] * z) + ((COS[2] + COS[3] * z) + (COS[4] + COS[5] * z) * square) * square;
    let sin = (SIN[0] + SIN[1] * z) + ((SIN[2] + SIN[3] * z) + SIN[4] * square) * square;
    (cos, t * sin)
}

/// A radius with a sign, `sqrt(2 E)` of a signed exponential deviate.
#[inline(always)]
fn radius(word: u32) -> f32 {
    let e = signed_exponential(word);
    let root = f32::sqrt(2.0 * e.abs());
    f32::from_bits(root.to_bits() | e.to_bits() & 0x8000_0000)
}

/// A normal deviate for every walker; the first half and the second share words.
#[inline(always)]
pub(super) fn normals(moves: &[u8; ROW], deviates: &mut [f32; BLOCK]) {
    pairs(moves.split_at(ROW / 2), deviates.split_at_mut(BLOCK / 2));
}

/// Two deviates from each pair of words.
#[inline(always)]
pub(super) fn pairs((radii, angles): (&[u8], &[u8]), (first, second): (&mut [f32], &mut [f32])) {
    let words = radii.as_chunks::<4>().0.iter().zip(angles.as_chunks::<4>().0);
    for ((x, y), (r, phi)) in first.iter_mut().zip(second).zip(words) {
        let r = radius(u32::from_le_bytes(*r));
        let (cos, sin) = half_circle(u32::from_le_bytes(*phi));
        // The sine has either sign already; cancelling that of the radius would change nothing.
        (*x, *y) = (r * cos, r * sin);
    }
}

/// For every walker an exponential deviate `E`, and a normal one times `sqrt(2 E)`; the first half and the second share
/// words of the latter.
///
/// `2 sqrt(E E') cos(phi)`: radius and `sqrt(2 E)` are one root.
#[inline(always)]
pub(super) fn diffused(
    when: &[u8; ROW],
    moves: &[u8; ROW],
    exponentials: &mut [f32; BLOCK],
    deviates: &mut [f32; BLOCK],
) {
    for (e, word) in exponentials.iter_mut().zip(when.as_chunks::<4>().0) {
        *e = signed_exponential(u32::from_le_bytes(*word)).abs();
    }
    let (radii, angles) = moves.split_at(ROW / 2);
    let (first, second) = deviates.split_at_mut(BLOCK / 2);
    let words = radii.as_chunks::<4>().0.iter().zip(angles.as_chunks::<4>().0);
    let (a, b) = exponentials.split_at(BLOCK / 2);
    for (((x, y), (a, b)), (r, phi)) in first.iter_mut().zip(second).zip(a.iter().zip(b)).zip(words) {
        let e = signed_exponential(u32::from_le_bytes(*r));
        let four = 4.0 * e.abs();
        let r = f32::from_bits(f32::sqrt(four * a).to_bits() | e.to_bits() & 0x8000_0000);
        let (cos, sin) = half_circle(u32::from_le_bytes(*phi));
        (*x, *y) = (r * cos, f32::sqrt(four * b) * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::units;
    use super::*;

    /// The middles of equal parts of all words.
    fn words(step: usize) -> impl Iterator<Item = u32> + Clone {
        (step as u32 / 2..=u32::MAX).step_by(step)
    }

    /// What cosine, sine and radius of a word would be without rounding.
    fn ideal_half_circle(word: u32) -> (f64, f64) {
        let phi = std::f64::consts::PI * f64::from((word | 1) as i32) / 4_294_967_296.0;
        (libm::cos(phi), libm::sin(phi))
    }

    fn ideal_radius(word: u32) -> f64 {
        let w = f64::from((word | 1) as i32);
        libm::sqrt(-2.0 * libm::log(w.abs() / 2_147_483_648.0)) * w.signum()
    }

    #[test]
    fn deviates_have_their_moments() {
        // Differences from the ideal deviates of the same words: no noise but that of roundings, 1e-7 over the root of a
        // million. Moments of a product of two independent words are products.
        let (mut angle, mut r) = ([0.0f64; 4], [0.0f64; 3]);
        let mut largest = [0.0f64; 2];
        for word in words(4001) {
            let ((c, s), (c0, s0)) = (half_circle(word), ideal_half_circle(word));
            let (c, s) = (f64::from(c), f64::from(s));
            largest[0] = largest[0].max((c - c0).abs()).max((s - s0).abs());
            // Means of c^2 - 1/2, c^4 - 3/8, s^4 - 3/8, c^2 s^2 - 1/8 over these.
            let moments =
                |c: f64, s: f64| [2.0 * c * c, c.powi(4) / 0.375, s.powi(4) / 0.375, 8.0 * c * c * s * s];
            let (found, ideal) = (moments(c, s), moments(c0, s0));
            angle.iter_mut().zip(found.iter().zip(&ideal)).for_each(|(sum, (a, b))| *sum += a - b);
            let (a, b) = (f64::from(radius(word)), ideal_radius(word));
            // Next to zero the root magnifies what is lost of the square.
            largest[1] = largest[1].max((a * a - b * b).abs());
            for (p, sum) in (1..).zip(&mut r) {
                *sum += (a.powi(2 * p) - b.powi(2 * p))
                    / (libm::exp2(f64::from(p)) * libm::tgamma(f64::from(p) + 1.0));
            }
        }
        let n = words(4001).count() as f64;
        assert!(largest[0] < 3e-7 && largest[1] < 5e-6, "{largest:?}");
        assert!(angle.iter().all(|off| (off / n).abs() < 2e-8), "{angle:?} / {n}");
        // The ideal radii lack the tail of the exponential: 1e-8 of E, see there.
        assert!(r.iter().all(|off| (off / n).abs() < 3e-8), "{r:?} / {n}");
    }

    #[test]
    fn tails_reach_beyond_six() {
        assert!((radius(0) - 6.5555).abs() < 1e-3 && radius(1 << 31).abs() < 1e-3);
        // The radius of all words is above 6 as often as it should be: exp(-18) of them.
        let above = (0..u32::MAX / 2).step_by(2).take_while(|w| radius(*w).abs() > 6.0).count() as f64;
        assert!((above / 1_073_741_824.0 / libm::exp(-18.0) - 1.0).abs() < 0.1, "{above}");
    }

    #[test]
    fn signs_are_even() {
        for word in [0u32, 1, 2, 77, 0x7fff_ffff, 0x1234_5678] {
            let opposite = (word | 1).wrapping_neg();
            let ((c, s), (d, t)) = (half_circle(word), half_circle(opposite));
            assert_eq!((c, s), (d, -t), "{word}");
            assert_eq!(radius(word), -radius(opposite), "{word}");
        }
        assert!(words(4001).all(|w| half_circle(w).0 >= 0.0));
    }

    #[test]
    fn the_two_of_a_pair_are_independent() {
        // On a grid of both words: means of x y and of x^3 y are 0, of x^2 y^2 is 1, those of x^2 and y^2 too.
        let grid = || words(13_421_773);
        let mut sums = [0.0; 5];
        let mut pairs = 0.0;
        for radius in grid() {
            for angles in grid().collect::<Vec<_>>().chunks_exact(BLOCK / 2) {
                let mut moves = [0; ROW];
                let all = std::iter::repeat_n(&radius, BLOCK / 2).chain(angles);
                moves.as_chunks_mut::<4>().0.iter_mut().zip(all).for_each(|(m, w)| *m = w.to_le_bytes());
                let mut deviates = [0.0; BLOCK];
                normals(&moves, &mut deviates);
                let deviates = deviates.map(f64::from);
                for (x, y) in deviates[..BLOCK / 2].iter().zip(&deviates[BLOCK / 2..]) {
                    let found = [x * y, x.powi(3) * y, x * x * y * y - 1.0, x * x - 1.0, y * y - 1.0];
                    sums.iter_mut().zip(found).for_each(|(sum, v)| *sum += v);
                    pairs += 1.0;
                }
            }
        }
        // The integrand has a logarithm at one end of the grid, whose 320 points know it to a per cent.
        assert!(sums.iter().all(|sum| (sum / pairs).abs() < 0.03), "{sums:?} / {pairs}");
    }

    #[test]
    fn steps_multiply_every_mode_as_they_should() {
        // A step turns the mean of cos(q x) into that times exp(-(q s)^2/2), whatever the walls: law, scale and rounding
        // to the lattice at once, for both deviates. Differences from ideal steps of the same words, relative to what a
        // step forgets of the mode.
        let steps = 9_000_011;
        for s in [1e-4f64, 0.003, 0.07, 0.5] {
            let scale = s as f32;
            for n in [1.0, 2.0, 7.0, 30.0] {
                let q = n * std::f64::consts::PI;
                let (mut off, mut ideally, mut words_seen) = ([0.0; 2], [0.0; 2], 0.0);
                for first in words(steps) {
                    let (r, r0) = (radius(first), ideal_radius(first));
                    for second in words(steps + 2) {
                        let ((c, s), (c0, s0)) = (half_circle(second), ideal_half_circle(second));
                        for (k, (found, ideal)) in
                            [(r * c, r0 * c0), (r * s, r0 * s0)].into_iter().enumerate()
                        {
                            let x = f64::from(units(found * scale) as i32) / 2_147_483_648.0;
                            // 1 - cos z = 2 sin^2(z/2): what is forgotten.
                            let forgotten = |x: f64| 2.0 * libm::sin(0.5 * q * x) * libm::sin(0.5 * q * x);
                            off[k] += forgotten(x) - forgotten(f64::from(scale) * ideal);
                            ideally[k] += forgotten(f64::from(scale) * ideal);
                        }
                        words_seen += 1.0;
                    }
                }
                let expected = -libm::expm1(-0.5 * (q * f64::from(scale)).powi(2));
                for k in [0, 1] {
                    assert!((ideally[k] / words_seen / expected - 1.0).abs() < 3e-2, "s = {s}, q = {q}");
                    let relative = off[k] / words_seen / expected;
                    // Where a step goes round many waves, roundings of so few words leave noise.
                    let limit = if q * s < 6.0 { 3e-8 } else { 1e-6 };
                    assert!(relative.abs() < limit, "s = {s}, q = {q}: {relative:e}");
                }
            }
        }
    }

    /// Three words each, evenly spread: multiples of numbers that no small whole numbers relate.
    fn triples(n: u32) -> impl Iterator<Item = [u32; 3]> {
        (0..n).map(|k| [0x9e37_79b9u32, 0x6a09_e667, 0xbb67_ae85].map(|a| k.wrapping_add(1).wrapping_mul(a)))
    }

    /// Deviates of timed legs of such words, lane by lane, and what they would be without rounding.
    fn diffusing(n: u32) -> Vec<[[f64; 2]; 2]> {
        let mut all = Vec::new();
        for words in triples(n).collect::<Vec<_>>().chunks_exact(BLOCK / 2) {
            let (mut when, mut moves) = ([0; ROW], [0; ROW]);
            for (i, [w, r, phi]) in words.iter().enumerate() {
                for half in [i, i + BLOCK / 2] {
                    when.as_chunks_mut::<4>().0[half] = w.to_le_bytes();
                }
                moves.as_chunks_mut::<4>().0[i] = r.to_le_bytes();
                moves.as_chunks_mut::<4>().0[i + BLOCK / 2] = phi.to_le_bytes();
            }
            let (mut spent, mut deviates) = ([0.0; BLOCK], [0.0; BLOCK]);
            diffused(&when, &moves, &mut spent, &mut deviates);
            for (i, [w, r, phi]) in words.iter().enumerate() {
                let (e, (c, s)) = (0.5 * ideal_radius(*w).powi(2), ideal_half_circle(*phi));
                let r = ideal_radius(*r) * libm::sqrt(2.0 * e);
                for (lane, ideal) in [(i, r * c), (i + BLOCK / 2, r.abs() * s)] {
                    all.push([[spent[lane], deviates[lane]].map(f64::from), [e, ideal]]);
                }
            }
        }
        all
    }

    #[test]
    fn timed_legs_have_the_moments_of_both() {
        // Means of E, E^2/2, x^2/2, x^4/24, E x^2/4 are 1, of x^2 E^2/12 and x^4 E/72 too; roundings alone make the difference from
        // the ideal deviates of the same words.
        let all = diffusing(1 << 20);
        let moments = |[e, x]: [f64; 2]| {
            let (e2, x2) = (e * e, x * x);
            [e, e2 / 2.0, x2 / 2.0, x2 * x2 / 24.0, e * x2 / 4.0, e2 * x2 / 12.0, e * x2 * x2 / 72.0]
        };
        let (mut off, mut ideally) = ([0.0; 7], [0.0; 7]);
        for [found, ideal] in &all {
            let (found, ideal) = (moments(*found), moments(*ideal));
            for k in 0..7 {
                off[k] += (found[k] - ideal[k]) / all.len() as f64;
                ideally[k] += ideal[k] / all.len() as f64;
            }
        }
        assert!(ideally.iter().all(|m| (m - 1.0).abs() < 2e-2), "{ideally:?}");
        assert!(off.iter().all(|off| off.abs() < 5e-8), "{off:?}");
    }

    #[test]
    fn timed_legs_multiply_every_mode_as_they_should() {
        // A leg of scale l turns the mean of cos(q x) into that over 1 + (q l)^2, whatever the walls. Differences from ideal
        // legs of the same words, relative to what a leg forgets.
        let all = diffusing(1 << 18);
        for l in [1e-4f64, 0.003, 0.07, 0.5, 4.0] {
            let scale = l as f32;
            for n in [1.0, 2.0, 7.0, 30.0] {
                let (q, scale64) = (n * std::f64::consts::PI, f64::from(scale));
                let forgotten = |x: f64| 2.0 * libm::sin(0.5 * q * x) * libm::sin(0.5 * q * x);
                let (mut off, mut ideally) = (0.0, 0.0);
                for [[_, found], [_, ideal]] in &all {
                    let moved = units(*found as f32 * scale);
                    let ideal = forgotten(scale64 * ideal);
                    off += forgotten(f64::from(moved as i32) / 2_147_483_648.0) - ideal;
                    ideally += ideal;
                }
                let square = (q * scale64).powi(2);
                let expected = square / (1.0 + square) * all.len() as f64;
                assert!((ideally / expected - 1.0).abs() < 1e-2, "l = {l}, n = {n}: {ideally} {expected}");
                let limit = if q * l < 6.0 { 5e-8 } else { 2e-6 };
                assert!((off / expected).abs() < limit, "l = {l}, n = {n}: {:e}", off / expected);
            }
        }
    }
}
