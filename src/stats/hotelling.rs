//! Hotelling's T^2: do several contrasts vanish together?

use super::{Sample, f_survival};

/// Result of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hotelling {
    /// `T^2 = d' S^-1 d`, `S` the covariance matrix of the mean.
    pub t_squared: f64,
    /// Number of contrasts `m`.
    pub contrasts: usize,
    /// P-value from `F = T^2 (G - m)/(m (G - 1))` with `m` and `G - m` degrees of freedom.
    pub p_value: f64,
}

/// Tests whether the differences `samples[k].value - reference[k]` vanish together.
///
/// The covariance of `m` contrasts is estimated from `G` groups; with `m` near `G` it is singular, so at
/// most a quarter of `G` is sensible. `None` for no contrast, too few groups, or a covariance that is not
/// positive definite (contrasts that depend on each other linearly).
///
/// Hotelling, Ann. Math. Statist. 2, 360 (1931).
pub fn hotelling(samples: &[Sample], reference: &[f64]) -> Option<Hotelling> {
    let m = samples.len();
    let groups = samples.first()?.pseudo.len();
    if groups <= m + 1 || reference.len() != m {
        return None;
    }
    let g = groups as f64;
    let means: Vec<f64> = samples.iter().map(|s| s.pseudo.iter().sum::<f64>() / g).collect();
    let covariance = |i: usize, j: usize| -> f64 {
        let products = samples[i].pseudo.iter().zip(&samples[j].pseudo);
        products.map(|(a, b)| (a - means[i]) * (b - means[j])).sum::<f64>() / (g * (g - 1.0))
    };
    // Scale to correlations, so that contrasts of any size share one criterion for singularity, and
    // solve by Cholesky: T^2 = |L^-1 d|^2.
    let scale: Vec<f64> = (0..m).map(|i| libm::sqrt(covariance(i, i))).collect();
    let mut lower = vec![vec![0.0; m]; m];
    let mut solution = vec![0.0; m];
    for i in 0..m {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = covariance(i, j) / (scale[i] * scale[j]) - inner;
            if i == j {
                if rest.is_nan() || rest <= 1e-9 {
                    return None;
                }
                lower[i][i] = libm::sqrt(rest);
            } else {
                lower[i][j] = rest / lower[j][j];
            }
        }
        let inner: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
        solution[i] = ((samples[i].value - reference[i]) / scale[i] - inner) / lower[i][i];
    }
    let t_squared: f64 = solution.iter().map(|y| y * y).sum();
    let (m_f, rest) = (m as f64, g - m as f64);
    let p_value = f_survival(t_squared * rest / (m_f * (g - 1.0)), m_f, rest);
    Some(Hotelling { t_squared, contrasts: m, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, standard_normal, stream};

    /// Two correlated contrasts from 40 groups.
    fn samples(shift: f64, seed: u64) -> Vec<Sample> {
        let mut s = stream(seed, Purpose::Start, 0);
        let pairs: Vec<(f64, f64)> = (0..40)
            .map(|_| {
                let (a, b) = (standard_normal(s.word()), standard_normal(s.word()));
                (a + shift, 1e6 * (0.9 * a + 0.44 * b))
            })
            .collect();
        let sample = |v: Vec<f64>| Sample { value: v.iter().sum::<f64>() / 40.0, pseudo: v };
        vec![sample(pairs.iter().map(|p| p.0).collect()), sample(pairs.iter().map(|p| p.1).collect())]
    }

    #[test]
    fn p_values_are_uniform_under_the_null() {
        // 400 repetitions, Kolmogorov-Smirnov with alpha 1e-9.
        let p: Vec<f64> =
            (0..400).map(|k| hotelling(&samples(0.0, k), &[0.0, 0.0]).unwrap().p_value).collect();
        assert!(super::super::kolmogorov_smirnov_uniform(&p).p_value > 1e-9);
        // Negative control: a shift of one standard error of the first contrast is seen in the same test.
        let p: Vec<f64> =
            (0..400).map(|k| hotelling(&samples(0.16, k), &[0.0, 0.0]).unwrap().p_value).collect();
        assert!(super::super::kolmogorov_smirnov_uniform(&p).p_value < 1e-9);
    }

    #[test]
    fn one_contrast_is_the_t_test() {
        let one = &samples(0.3, 3)[..1];
        let t = one[0].value / one[0].std_error();
        let h = hotelling(one, &[0.0]).unwrap();
        assert!((h.p_value - super::super::t_two_sided(t, 39.0)).abs() < 1e-10);
    }

    #[test]
    fn dependent_contrasts_are_refused() {
        let mut two = samples(0.0, 5);
        two[1] = two[0].clone();
        assert_eq!(hotelling(&two, &[0.0, 0.0]), None);
    }
}
