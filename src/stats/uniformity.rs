//! Are p-values uniform?

/// Result of a test of uniformity on (0, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniformity {
    /// Largest distance between the empirical and the uniform distribution function.
    pub distance: f64,
    /// Its p-value.
    pub p_value: f64,
}

/// Kolmogorov-Smirnov test of uniformity on (0, 1).
///
/// The p-value is the asymptotic series with Stephens' correction for small samples, good to a few per
/// cent of itself from about ten values on; meant for thresholds, not for publication.
pub fn kolmogorov_smirnov_uniform(values: &[f64]) -> Uniformity {
    let n = values.len() as f64;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(k, v)| (v - k as f64 / n).max((k as f64 + 1.0) / n - v))
        .fold(0.0, f64::max);
    let root = libm::sqrt(n);
    let lambda = distance * (root + 0.12 + 0.11 / root);
    // The alternating series converges at once unless lambda is small, where the p-value is one.
    let p_value = if lambda < 0.3 {
        1.0
    } else {
        let term = |k: i32| {
            let k = f64::from(k);
            2.0 * libm::exp(-2.0 * k * k * lambda * lambda)
        };
        (1..=100).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum::<f64>().clamp(0.0, 1.0)
    };
    Uniformity { distance, p_value }
}
