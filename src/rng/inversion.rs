//! Laws drawn from one word by inversion of their distribution function.

use super::normal_table::SEGMENTS;

/// A uniform deviate on the open interval (0, 1): the odd multiples of `2^-53`, from the upper 52 bits
/// of the word. Never 0 or 1, symmetric about one half.
#[inline]
pub fn open_unit(word: u64) -> f64 {
    // The bits make a number in [1, 2); subtracting 1 - 2^-53 is exact.
    f64::from_bits(0x3ff0_0000_0000_0000 | (word >> 12)) - (1.0 - f64::EPSILON / 2.0)
}

/// An exponential deviate with mean one, `-ln u` with `u =` [`open_unit`]`(word)`.
///
/// Uses the upper 52 bits of the word; the lowest 12 are free for other choices (a sign). Values lie in
/// `(1.1e-16, 36.8)`; the law is that of `-ln u` for `u` on a lattice of step `2^-52`, so that the
/// probability of anything beyond the largest value, `2^-53`, is lost. The logarithm is accurate to
/// 2 units in the last place; it is spelled out here because the library functions of different
/// platforms differ in their last bits, and because without a branch or a table it runs in lanes.
#[inline]
pub fn exponential(word: u64) -> f64 {
    // Split u = 2^e m with m in [sqrt(1/2), sqrt(2)) by integer arithmetic on the bits.
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let bits = open_unit(word).to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (bits as i64 >> 52) as i32;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    // ln m = 2 atanh s, s = (m-1)/(m+1), |s| < 0.172: near-minimax polynomial in s^2 (Chebyshev fit,
    // relative error of the whole 5e-18), written as f - s (f - R) so that the leading term is exact.
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let z = s * s;
    let w = z * z;
    let even = 0.666_666_666_666_667
        + w * (0.285_714_286_259_754_85 + w * (0.181_828_891_252_617_22 + w * 0.146_164_496_850_434_06));
    let odd = 0.399_999_999_998_995 + w * (0.222_222_111_347_950_8 + w * 0.153_317_216_005_560_41);
    let r = z * (even + z * odd);
    let e = f64::from(exponent);
    -(e * LN_2_HIGH + (f - (s * (f - r) - e * LN_2_LOW)))
}

/// A standard normal deviate, the quantile function at `u =` [`open_unit`]`(word)`.
///
/// The tail probability `p = min(u, 1 - u)` picks one of 16 segments of its octave, and with it a
/// polynomial (hierarchical segmentation: Lee, Cheung, Villasenor & Luk, FPT 2006; polynomials instead of
/// tables of values: Hörmann & Leydold, ACM TOMACS 13, 347 (2003)). No branch, no division, no logarithm
/// and one line of the cache. Relative error below 1e-15; values lie within ±8.3; exactly odd under
/// `word -> !word`.
#[inline]
pub fn standard_normal(word: u64) -> f64 {
    let (depth, place) = segment(word);
    polynomial(depth, place)
}

/// Standard normal deviates from every word, the same as [`standard_normal`] gives one by one; the words
/// are used up.
#[inline]
pub fn standard_normals(words: &mut [u64], deviates: &mut [f64]) {
    // Two simple loops over columns: only the second, which looks up, must go one by one.
    for (deviate, word) in deviates.iter_mut().zip(words.iter_mut()) {
        (*word, *deviate) = segment(*word);
    }
    for (deviate, &word) in deviates.iter_mut().zip(words.iter()) {
        *deviate = polynomial(word, *deviate);
    }
}

/// The number of the segment in bits 48 to 62, the sign of the deviate in bit 63; the place in the segment.
#[inline]
fn segment(word: u64) -> (u64, f64) {
    const HALF: u64 = 0.5f64.to_bits();
    const ONE: u64 = 1.0f64.to_bits();
    // The complement of a word of the upper half belongs to 1 - u, exactly. Counted downwards from one half,
    // the upper bits of p are the number of its segment, and those below the place in it.
    let depth = HALF - open_unit(word ^ (word as i64 >> 63) as u64).to_bits();
    let place = f64::from_bits(ONE | depth & 0x0000_ffff_ffff_ffff) - 1.0;
    (depth | word & SIGN, place)
}

#[inline]
fn polynomial(segment: u64, t: f64) -> f64 {
    // Two halves of the polynomial side by side.
    let Segment([c04, c15, c26, c37]) = &SEGMENTS[((segment & !SIGN) >> 48) as usize];
    let half = |k: usize| c04[k] + t * (c15[k] + t * (c26[k] + t * c37[k]));
    let t4 = (t * t) * (t * t);
    let x = half(0) + t4 * half(1);
    f64::from_bits(x.to_bits() ^ segment & SIGN)
}

const SIGN: u64 = 1 << 63;

/// Coefficients of one polynomial: that of `t^k` and that of `t^(k+4)` side by side, for two lanes.
#[repr(align(64))]
pub(super) struct Segment(pub [[f64; 2]; 4]);
