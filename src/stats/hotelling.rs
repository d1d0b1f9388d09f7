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
    let factor = Factor::of(samples);
    if factor.kept.len() < m {
        return None;
    }
    let differences: Vec<f64> = samples.iter().zip(reference).map(|(s, r)| s.value - r).collect();
    let solution = factor.solve(&differences);
    let t_squared: f64 = solution.iter().map(|y| y * y).sum();
    let (m_f, rest) = (m as f64, g - m as f64);
    let p_value = f_survival(t_squared * rest / (m_f * (g - 1.0)), m_f, rest);
    Some(Hotelling { t_squared, contrasts: m, p_value })
}

/// The contrasts with a spread that do not depend linearly on those before them.
pub fn independent(samples: &[Sample]) -> Vec<usize> {
    Factor::of(samples).kept
}

/// For each contrast the difference that, all others being zero, would make the noncentrality `lambda`:
/// `sqrt(lambda/(S^-1)_kk)`. The contrasts must be [`independent`].
pub fn single_effects(samples: &[Sample], lambda: f64) -> Vec<f64> {
    let factor = Factor::of(samples);
    let unit = |k: usize| (0..samples.len()).map(|i| if i == k { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let precision = |k: usize| factor.solve(&unit(k)).iter().map(|y| y * y).sum::<f64>();
    (0..samples.len()).map(|k| libm::sqrt(lambda / precision(k))).collect()
}

/// The differences within `room` of zero, contrast by contrast, that lie nearest to what was measured in the metric of
/// Hotelling's T^2: the most that a bias of that size explains. The contrasts must be [`independent`].
pub fn nearest(samples: &[Sample], room: &[f64]) -> Vec<f64> {
    let factor = Factor::of(samples);
    let unit = |k: usize| (0..samples.len()).map(|i| if i == k { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..samples.len()).map(|k| factor.solve(&unit(k))).collect();
    // Contrasts that have room enough are at rest from the beginning, however they are correlated.
    let mut shift: Vec<f64> = samples.iter().zip(room).map(|(s, r)| s.value.clamp(-r, *r)).collect();
    let left: Vec<f64> = samples.iter().zip(&shift).map(|(s, shift)| s.value - shift).collect();
    if left.iter().all(|l| *l == 0.0) || room.iter().all(|r| *r == 0.0) {
        return shift;
    }
    let mut rest = factor.solve(&left);
    // One contrast at a time: the least of a convex function in a box is found.
    for _ in 0..SWEEPS {
        for (k, column) in columns.iter().enumerate() {
            let along: f64 = column.iter().zip(&rest).map(|(c, r)| c * r).sum();
            let square: f64 = column.iter().map(|c| c * c).sum();
            let next = (shift[k] + along / square).clamp(-room[k], room[k]);
            let step = next - shift[k];
            rest.iter_mut().zip(column).for_each(|(r, c)| *r -= step * c);
            shift[k] = next;
        }
    }
    shift
}

/// Rounds over all contrasts in [`nearest`].
const SWEEPS: usize = 2000;

/// The covariance matrix of the mean of some contrasts as `scale L L' scale`: correlations, so that
/// contrasts of any size share one criterion for singularity, by Cholesky.
struct Factor {
    /// Contrasts that are not left out.
    kept: Vec<usize>,
    scale: Vec<f64>,
    lower: Vec<Vec<f64>>,
}

impl Factor {
    fn of(samples: &[Sample]) -> Self {
        let g = samples.first().map_or(0, |s| s.pseudo.len()) as f64;
        let means: Vec<f64> = samples.iter().map(|s| s.pseudo.iter().sum::<f64>() / g).collect();
        let covariance = |i: usize, j: usize| -> f64 {
            let products = samples[i].pseudo.iter().zip(&samples[j].pseudo);
            products.map(|(a, b)| (a - means[i]) * (b - means[j])).sum::<f64>() / (g * (g - 1.0))
        };
        let mut factor = Factor { kept: Vec::new(), scale: Vec::new(), lower: Vec::new() };
        for i in 0..samples.len() {
            let scale = libm::sqrt(covariance(i, i));
            let mut row: Vec<f64> = Vec::with_capacity(i + 1);
            for (j, before) in factor.kept.iter().enumerate() {
                let inner: f64 = row.iter().zip(&factor.lower[j]).map(|(a, b)| a * b).sum();
                let correlation = covariance(i, *before) / (scale * factor.scale[j]);
                row.push((correlation - inner) / factor.lower[j][j]);
            }
            let rest = 1.0 - row.iter().map(|a| a * a).sum::<f64>();
            // Written so that a spread that is zero or no number is left out too.
            if scale > 0.0 && rest > 1e-9 {
                row.push(libm::sqrt(rest));
                factor.kept.push(i);
                factor.scale.push(scale);
                factor.lower.push(row);
            }
        }
        factor
    }

    /// `L^-1 scale^-1 d`, whose square is `d' S^-1 d`, for the contrasts that are kept.
    fn solve(&self, differences: &[f64]) -> Vec<f64> {
        let mut solution: Vec<f64> = Vec::with_capacity(self.kept.len());
        for (i, k) in self.kept.iter().enumerate() {
            let inner: f64 = self.lower[i].iter().zip(&solution).map(|(a, b)| a * b).sum();
            solution.push((differences[*k] / self.scale[i] - inner) / self.lower[i][i]);
        }
        solution
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, standard_normal, stream};

    #[test]
    fn the_nearest_difference_within_its_room_explains_most() {
        let pair = samples(1.0, 7);
        let room = [0.5, 2e5];
        let shift = nearest(&pair, &room);
        let least = hotelling(&pair, &shift).expect("two contrasts").t_squared;
        assert!(shift.iter().zip(&room).all(|(s, r)| s.abs() <= *r));
        for i in -10..=10 {
            for j in -10..=10 {
                let other = [room[0] * f64::from(i) / 10.0, room[1] * f64::from(j) / 10.0];
                assert!(hotelling(&pair, &other).expect("two contrasts").t_squared >= least * (1.0 - 1e-9));
            }
        }
        assert_eq!(nearest(&pair, &[0.0, 0.0]), [0.0, 0.0]);
        let all = nearest(&pair, &[1e9, 1e9]);
        assert!(hotelling(&pair, &all).expect("two contrasts").t_squared < 1e-9);
    }

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
        two[0].pseudo = vec![0.5; 40];
        assert_eq!(independent(&two), [1]);
    }

    #[test]
    fn effects_of_single_contrasts_have_the_noncentrality_asked_for() {
        let two = samples(0.0, 7);
        for (k, effect) in single_effects(&two, 50.0).into_iter().enumerate() {
            let reference: Vec<f64> =
                (0..2).map(|i| two[i].value - if i == k { effect } else { 0.0 }).collect();
            assert!((hotelling(&two, &reference).unwrap().t_squared - 50.0).abs() < 1e-9);
        }
    }
}
