//! Distribution functions and quantiles, checked against SciPy in `tests/data/distributions.csv`.

use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc_inv;

/// Probability that Student's t with `dof` degrees of freedom exceeds `|t|` in absolute value.
pub fn t_two_sided(t: f64, dof: f64) -> f64 {
    let square = t * t;
    if square < 1.0 {
        // The complement keeps the digits of a small t, which `dof/(dof + t^2)` rounds away.
        return 1.0 - beta_reg(0.5, 0.5 * dof, square / (dof + square));
    }
    let x = dof / (dof + square);
    // For huge |t| the argument vanishes and so does the probability.
    if x <= 0.0 { 0.0 } else { beta_reg(0.5 * dof, 0.5, x.min(1.0)) }
}

/// The `t` that Student's t with `dof` degrees of freedom exceeds in absolute value with probability
/// `1 - confidence`.
pub fn t_quantile(confidence: f64, dof: f64) -> f64 {
    // Monotone in t; bisection needs no derivative and no care.
    let p = 1.0 - confidence;
    let (mut low, mut high) = (0.0, 1.0);
    while t_two_sided(high, dof) > p && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if t_two_sided(middle, dof) > p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Probability that a standard normal deviate exceeds `z`.
pub fn normal_survival(z: f64) -> f64 {
    // Of libm and not of statrs, whose erfc is good to 1e-10.
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The positive normal deviate whose two-sided p-value is `p`; at most 37, where `p` underflows.
pub fn deviate_from_p(p: f64) -> f64 {
    const LARGEST: f64 = 37.0;
    if p >= 1.0 {
        return 0.0;
    }
    if p < 1e-290 {
        return LARGEST;
    }
    // The library's inverse is good to single precision in the tails; one Newton step on ln p, which is
    // smooth where p itself is not, repairs that.
    let mut z = (std::f64::consts::SQRT_2 * erfc_inv(p)).clamp(0.0, LARGEST);
    for _ in 0..3 {
        let survival = 2.0 * normal_survival(z);
        let density = 2.0 * libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * std::f64::consts::PI);
        if survival <= 0.0 || density <= 0.0 {
            break;
        }
        z += libm::log(survival / p) * survival / density;
    }
    if z.is_finite() { z.clamp(0.0, LARGEST) } else { LARGEST }
}

/// Student's `t` turned into the normal deviate with the same p-value and sign. `P(|t| > 5)` for 31
/// degrees of freedom is 37 times the normal value; only the deviate may be compared with a normal limit.
pub fn t_deviate(t: f64, dof: f64) -> f64 {
    deviate_from_p(t_two_sided(t, dof)).copysign(t)
}

/// Probability that F with `d1` and `d2` degrees of freedom exceeds `f`.
pub fn f_survival(f: f64, d1: f64, d2: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    let x = d2 / (d2 + d1 * f);
    if x <= 0.0 { 0.0 } else { beta_reg(0.5 * d2, 0.5 * d1, x.min(1.0)) }
}

/// The `f` that F with `d1` and `d2` degrees of freedom exceeds with probability `p`.
pub fn f_quantile(p: f64, d1: f64, d2: f64) -> f64 {
    root(|f| f_survival(f, d1, d2) - p)
}

/// Probability that noncentral F exceeds `f`: Poisson weights of `lambda/2` over central laws.
pub fn noncentral_f_survival(f: f64, d1: f64, d2: f64, lambda: f64) -> f64 {
    let x = d2 / (d2 + d1 * f);
    let half = 0.5 * lambda;
    // Weights beyond ten standard deviations and thirty do not count.
    let reach = 10.0 * libm::sqrt(half) + 30.0;
    let first = (half - reach).max(0.0) as u64;
    let term = |j: u64| {
        let j = j as f64;
        let weight = if half > 0.0 {
            libm::exp(j * libm::log(half) - half - libm::lgamma(j + 1.0))
        } else if j == 0.0 {
            1.0
        } else {
            0.0
        };
        weight * beta_reg(0.5 * d2, 0.5 * d1 + j, x.clamp(0.0, 1.0))
    };
    (first..=(half + reach) as u64).map(term).sum()
}

/// The noncentrality at which an F test that rejects with probability `p` by chance rejects with probability
/// `power`.
pub fn detectable_noncentrality(p: f64, power: f64, d1: f64, d2: f64) -> f64 {
    let critical = f_quantile(p, d1, d2);
    root(|lambda| power - noncentral_f_survival(critical, d1, d2, lambda))
}

/// Where a function that falls from above zero at 0 crosses it.
fn root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while f(high) > 0.0 && high < 1e12 {
        high *= 2.0;
    }
    while high - low > 1e-10 * high {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_of_one_contrast_is_that_of_two_normal_deviates() {
        // With many groups F is the square of a normal deviate: p = 1e-5 needs |z| > 4.417, and a shift of
        // 4.417 + 1.645 is seen with probability 95 %.
        let lambda = detectable_noncentrality(1e-5, 0.95, 1.0, 1e6);
        let shift = deviate_from_p(1e-5) + deviate_from_p(0.1);
        assert!((libm::sqrt(lambda) - shift).abs() < 1e-3, "{lambda} {shift}");
    }

    #[test]
    fn noncentral_f_is_that_of_the_tables() {
        // scipy.stats.ncf.sf
        let table = [
            (2.0, 8.0, 56.0, 0.0, 0.063_129_923_052_060_72),
            (2.0, 8.0, 56.0, 10.0, 0.564_074_867_163_932_6),
            (6.5, 8.0, 56.0, 60.0, 0.802_628_008_708_037_3),
            (30.0, 1.0, 31.0, 40.0, 0.768_671_001_751_429_8),
        ];
        for (f, d1, d2, lambda, expected) in table {
            let found = noncentral_f_survival(f, d1, d2, lambda);
            assert!((found - expected).abs() < 1e-9, "{f} {d1} {d2} {lambda}: {found}");
        }
        assert!((f_survival(f_quantile(1e-6, 8.0, 56.0), 8.0, 56.0) / 1e-6 - 1.0).abs() < 1e-6);
    }
}
