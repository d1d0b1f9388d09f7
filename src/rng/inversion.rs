//! Laws drawn from one word by inversion of their distribution function.

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
/// Rational approximations PPND16 of Wichura, Algorithm AS 241, Appl. Statist. 37, 477 (1988); relative
/// error about 1e-16. Values lie within ±8.3.
pub fn standard_normal(word: u64) -> f64 {
    let q = open_unit(word) - 0.5;
    if q.abs() <= CENTRAL { central(q) } else { tail(word) }
}

/// Standard normal deviates from every word, the same as [`standard_normal`] gives one by one.
///
/// One word in seven lies in the tails, which no processor can predict: all are treated as central first,
/// and those in the tails are then done again.
pub fn standard_normals(words: &[u64], deviates: &mut [f64]) {
    for (deviate, &word) in deviates.iter_mut().zip(words) {
        *deviate = central(open_unit(word) - 0.5);
    }
    for (deviate, &word) in deviates.iter_mut().zip(words) {
        if (open_unit(word) - 0.5).abs() > CENTRAL {
            *deviate = tail(word);
        }
    }
}

/// Distance from one half within which the first of the three approximations holds.
const CENTRAL: f64 = 0.425;

#[inline]
fn central(q: f64) -> f64 {
    q * ratio(0.180625 - q * q, &CENTRE)
}

fn tail(word: u64) -> f64 {
    let lower = word >> 63 == 0;
    // The complement of the word belongs to 1 - u, exactly.
    let r = exponential(if lower { word } else { !word }).sqrt();
    let x = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if lower { -x } else { x }
}

/// Value of a rational function given by the coefficients of numerator and denominator, from the
/// constant up.
#[inline]
fn ratio(x: f64, [numerator, denominator]: &[[f64; 8]; 2]) -> f64 {
    let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, a| sum * x + a);
    horner(numerator) / horner(denominator)
}

const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_66e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ],
];
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const FAR: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];
