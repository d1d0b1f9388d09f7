//! Numbers as physicists write them: `1.234(5)e-4` is 1.234e-4 with a standard error of 0.005e-4.
//!
//! The digits in brackets belong to the last digits of the value. The error is given to two significant
//! digits when its leading digit is 1 and to one otherwise, and the value is rounded to the same place.
//! All rounding is done by exact decimal conversion, so no case depends on the error of a division.

use crate::stats::Outcome;

/// Decimal exponents of the leading digit for which no power of ten is split off.
const FIXED_EXPONENTS: std::ops::RangeInclusive<i32> = -2..=5;

/// Digits beyond which a float holds nothing.
const MAX_DIGITS: i32 = 17;

/// Value and standard error in one word, e.g. `-1.234(5)e-4`, `0.05(3)`, `12.3(12)`.
///
/// A zero error (or one below the resolution of the value) is written `(0)` behind the value to six
/// significant digits; what is not finite is written `n/a`.
pub fn value_with_error(value: f64, error: f64) -> String {
    if !value.is_finite() || !error.is_finite() {
        return "n/a".into();
    }
    match Style::of(value, error) {
        Some(style) => style.write(value, Some(error)),
        None => bracket_zero(&plain(value)),
    }
}

/// An outcome in one word: [`value_with_error`], or `n/a`.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Estimate(estimate) => value_with_error(estimate.value, estimate.std_error),
        Outcome::Null { .. } => "n/a".into(),
    }
}

/// A number without error, written to the same place and with the same power of ten as the estimate it
/// is compared with; [`plain`] where there is no estimate or it has no error.
pub fn beside(number: f64, reference: &Outcome) -> String {
    let style = match reference {
        Outcome::Estimate(estimate) => Style::of(estimate.value, estimate.std_error),
        Outcome::Null { .. } => None,
    };
    // A number that is far larger than its reference would carry digits that a float does not have.
    let fits = |style: &Style| exponent_of(number) - style.place < MAX_DIGITS;
    match style.filter(fits) {
        Some(style) if number.is_finite() => style.write(number, None),
        _ => plain(number),
    }
}

/// A number to six significant digits, trailing zeros dropped: `0.8123`, `1.5e-7`, `100000`.
pub fn plain(number: f64) -> String {
    if !number.is_finite() {
        return "n/a".into();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = split(&scientific);
    if number != 0.0 && !FIXED_EXPONENTS.contains(&exponent) {
        return format!("{}e{exponent}", trim(mantissa));
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    sign_zero(trim(&format!("{number:.decimals$}")))
}

/// A number to three significant digits: `4.12e8`, `0.64`.
pub fn brief(number: f64) -> String {
    match format!("{number:.2e}").parse() {
        Ok(rounded) => plain(rounded),
        Err(_) => plain(number),
    }
}

/// A normal deviate: one decimal, e.g. `-0.6`; a power of ten from a thousand on.
pub fn deviate(z: f64) -> String {
    if !z.is_finite() {
        "n/a".into()
    } else if z.abs() >= 999.95 {
        format!("{z:.1e}")
    } else {
        sign_zero(&format!("{z:.1}"))
    }
}

/// How a value and its error are laid out in decimal.
struct Style {
    /// Power of ten of the last digit.
    place: i32,
    /// Power of ten of the leading digit.
    exponent: i32,
}

impl Style {
    /// `None` where the error is zero or too small beside the value to be written.
    fn of(value: f64, error: f64) -> Option<Self> {
        if !value.is_finite() || !error.is_finite() || error == 0.0 {
            return None;
        }
        let scientific = format!("{:e}", error.abs());
        let (mantissa, exponent) = split(&scientific);
        let digits = if mantissa.starts_with('1') { 2 } else { 1 };
        // 0.096 to one digit is 0.10: the same place, two digits.
        let place = exponent - (digits - 1);
        let longest = units(value, place).len().max(units(error.abs(), place).len());
        let longest = i32::try_from(longest).ok()?;
        (longest <= MAX_DIGITS).then_some(Self { place, exponent: place + longest - 1 })
    }

    fn write(&self, value: f64, error: Option<f64>) -> String {
        let digits = units(value.abs(), self.place);
        let zero = digits.bytes().all(|digit| digit == b'0');
        let sign = if value < 0.0 && !zero { "-" } else { "" };
        let bracket = error.map_or_else(String::new, |e| format!("({})", units(e.abs(), self.place)));
        if self.place <= 0 && FIXED_EXPONENTS.contains(&self.exponent) {
            let decimals = self.place.unsigned_abs() as usize;
            return format!("{sign}{}{bracket}", point(&digits, decimals));
        }
        let decimals = usize::try_from(self.exponent - self.place).unwrap_or(0);
        format!("{sign}{}{bracket}e{}", point(&digits, decimals), self.exponent)
    }
}

/// The integer nearest to `|value| / 10^place`, in decimal digits.
fn units(value: f64, place: i32) -> String {
    let value = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    let leading = exponent_of(value);
    if leading < place {
        // Below the last digit: rounds to 1 or to 0.
        let shortest = format!("{value:e}");
        let up = leading == place - 1 && shortest.as_bytes()[0] >= b'5';
        return if up { "1" } else { "0" }.into();
    }
    let decimals = (leading - place) as usize;
    let rounded = format!("{value:.decimals$e}");
    let (mantissa, exponent) = split(&rounded);
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent > leading {
        // 9.996 became 10.00: one more digit stands before the same last place.
        digits.push('0');
    }
    digits
}

/// Power of ten of the leading digit; 0 for zero.
fn exponent_of(value: f64) -> i32 {
    split(&format!("{value:e}")).1
}

/// Mantissa and exponent of a number in Rust's scientific notation.
fn split(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}

/// Puts a decimal point before the last `decimals` digits.
fn point(digits: &str, decimals: usize) -> String {
    if decimals == 0 {
        return digits.into();
    }
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    format!("{whole}.{fraction}")
}

/// Drops zeros behind the decimal point.
fn trim(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// `-0` and `-0.0` without their sign.
fn sign_zero(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.into(),
        _ => number.into(),
    }
}

/// `1.5e-7` becomes `1.5(0)e-7`.
fn bracket_zero(number: &str) -> String {
    match number.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa}(0)e{exponent}"),
        None => format!("{number}(0)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;

    #[test]
    fn value_and_error_share_their_last_place() {
        let cases: &[(f64, f64, &str)] = &[
            (1.2342e-4, 5.1e-7, "1.234(5)e-4"),
            (-1.2342e-4, 5.1e-7, "-1.234(5)e-4"),
            (0.81234, 0.0047, "0.812(5)"),
            (0.81234, 0.0012, "0.8123(12)"),
            (0.81234, 0.00149, "0.8123(15)"),
            (0.81234, 0.00196, "0.8123(20)"),
            (0.81234, 0.0094, "0.812(9)"),
            (0.81234, 0.0096, "0.812(10)"),
            (0.81234, 0.0996, "0.81(10)"),
            (-1.4, 0.03, "-1.40(3)"),
            (12.34, 1.2, "12.3(12)"),
            (123.4, 12.0, "123(12)"),
            (12345.0, 7.0, "12345(7)"),
            (12345.0, 67.0, "1.234(7)e4"),
            (12355.0, 67.0, "1.236(7)e4"),
            (123456.7, 0.4, "123456.7(4)"),
            (1234567.0, 3.0, "1.234567(3)e6"),
            (0.012, 0.003, "0.012(3)"),
            (0.0012, 0.0003, "1.2(3)e-3"),
            (0.0012, 0.3, "0.0(3)"),
            (-0.0012, 0.3, "0.0(3)"),
            (0.06, 0.3, "0.1(3)"),
            (-0.06, 0.3, "-0.1(3)"),
            (0.0, 3e-7, "0(3)e-7"),
            (0.0, 1.2e-7, "0.0(12)e-7"),
            (-1.2e-9, 3e-7, "0(3)e-7"),
            (2.0e-8, 3e-7, "0(3)e-7"),
            (9.9996, 0.001, "9.9996(10)"),
            (9.9996, 0.002, "10.000(2)"),
            (9.9996e-5, 2e-8, "1.0000(2)e-4"),
            (99999.9, 1000.0, "1.000(10)e5"),
            (1.0, 0.0, "1(0)"),
            (0.0, 0.0, "0(0)"),
            (-0.0, 0.0, "0(0)"),
            (1.5e-7, 0.0, "1.5(0)e-7"),
            (1.0, 1e-30, "1(0)"),
            (1.0, 5e-324, "1(0)"),
            (3.25e-300, 2e-302, "3.25(2)e-300"),
            (-3.25e300, 1.1e298, "-3.250(11)e300"),
            (5e-324, 5e-324, "5(5)e-324"),
            (f64::MAX, 2e306, "1.80(2)e308"),
            (1.0, -0.02, "1.00(2)"),
            (f64::NAN, 1.0, "n/a"),
            (1.0, f64::INFINITY, "n/a"),
        ];
        for &(value, error, expected) in cases {
            assert_eq!(value_with_error(value, error), expected, "{value:e} +- {error:e}");
        }
    }

    #[test]
    fn a_missing_estimate_is_not_a_number() {
        let null = Outcome::Null { value: None, reason: "too few groups".into() };
        assert_eq!(outcome(&null), "n/a");
        assert_eq!(beside(0.8125, &null), "0.8125");
    }

    #[test]
    fn theory_is_written_to_the_place_of_the_estimate() {
        let estimate = |value: f64, std_error: f64| {
            Outcome::Estimate(Estimate { value, std_error, low: value, high: value })
        };
        let cases: &[(f64, f64, f64, &str)] = &[
            (1.2342e-4, 5e-7, 1.2391e-4, "1.239e-4"),
            (1.2342e-4, 5e-7, 9.9996e-5, "1.000e-4"),
            (1.2342e-4, 5e-7, -1.2391e-3, "-12.391e-4"),
            (0.81234, 0.0012, 0.8, "0.8000"),
            (0.01, 0.3, -0.001, "0.0"),
            (1.0, 0.0, 0.123456789, "0.123457"),
            (1e-20, 1e-22, 1.0, "1"),
        ];
        for &(value, error, theory, expected) in cases {
            assert_eq!(beside(theory, &estimate(value, error)), expected);
        }
    }

    #[test]
    fn plain_numbers() {
        let cases: &[(f64, &str)] = &[
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.8125, "0.8125"),
            (-0.05, "-0.05"),
            (1.0 / 3.0, "0.333333"),
            (100000.0, "100000"),
            (1e6, "1e6"),
            (1.5e-7, "1.5e-7"),
            (999999.7, "1e6"),
            (f64::NAN, "n/a"),
        ];
        for &(number, expected) in cases {
            assert_eq!(plain(number), expected);
        }
        assert_eq!(brief(412_345_678.0), "4.12e8");
        assert_eq!(brief(0.6396), "0.64");
        assert_eq!(deviate(-0.04), "0.0");
        assert_eq!(deviate(-0.56), "-0.6");
        assert_eq!(deviate(12345.0), "1.2e4");
    }

    #[test]
    fn reading_back_is_within_half_a_last_digit() {
        // A property over many magnitudes: value and error both survive to the place that is shown.
        for k in 0..4000_i32 {
            let value = f64::from((k * 7919) % 2003 - 1001) * 10f64.powi(k % 41 - 20);
            let error = f64::from((k * 104_729) % 997 + 1) * 10f64.powi(k % 23 - 14);
            let text = value_with_error(value, error);
            let (digits, rest) = text.split_once('(').expect("a bracket");
            let (bracket, power) = rest.split_once(')').expect("a bracket");
            let scale = 10f64.powi(power.strip_prefix('e').map_or(0, |e| e.parse().unwrap()));
            let decimals = digits.split_once('.').map_or(0, |(_, f)| f.len() as i32);
            let last = scale * 10f64.powi(-decimals);
            let shown: f64 = digits.parse::<f64>().unwrap() * scale;
            if bracket != "0" {
                assert!((shown - value).abs() <= 0.500001 * last + 1e-15 * value.abs(), "{text} {value:e}");
                let shown_error = bracket.parse::<f64>().unwrap() * last;
                assert!((shown_error - error).abs() <= 0.25 * error, "{text} {error:e}");
            }
        }
    }
}
