//! Delete-one jackknife over groups.

use super::{CONFIDENCE, Estimate, Outcome, t_quantile};

/// A value with the pseudo-value of every group, from which errors, covariances and joint tests follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The function of the sums over all groups.
    pub value: f64,
    /// `G value - (G - 1) value_without_g` for each group; equal to the group's own value where the
    /// function is linear.
    pub pseudo: Vec<f64>,
}

impl Sample {
    /// Number of groups less one.
    pub fn dof(&self) -> f64 {
        self.pseudo.len() as f64 - 1.0
    }

    /// Standard error of the value: `sqrt(sum (pseudo - mean)^2 / (G (G - 1)))`.
    pub fn std_error(&self) -> f64 {
        let g = self.pseudo.len() as f64;
        let mean = self.pseudo.iter().sum::<f64>() / g;
        let squares: f64 = self.pseudo.iter().map(|p| (p - mean) * (p - mean)).sum();
        libm::sqrt(squares / (g * (g - 1.0)))
    }

    /// Value, standard error and 95 % interval; null when the groups show no spread at all, because
    /// then nothing is known about the error.
    pub fn outcome(&self) -> Outcome {
        let std_error = self.std_error();
        if !(std_error.is_finite() && self.value.is_finite()) {
            return Outcome::null("the estimate is not a finite number");
        }
        // Rounding alone leaves a spread of about 1e-16 of the value times the number of groups.
        if std_error <= 1e-13 * self.value.abs() || std_error == 0.0 {
            return Outcome::null("all groups give the same value, so nothing is known about its error");
        }
        let reach = t_quantile(CONFIDENCE, self.dof()) * std_error;
        Outcome::Estimate(Estimate {
            value: self.value,
            std_error,
            low: self.value - reach,
            high: self.value + reach,
        })
    }
}

/// Applies `function` to the sums over all groups and to the sums without each group in turn.
///
/// `sums[g]` holds the sums of group `g`. The function returns one value per output, `None` where it is
/// not defined; an output that is undefined for any of the arguments is `None`. Outputs are functions of
/// the *sums*, so groups of different size weigh in by what they have seen.
///
/// The bias of a ratio of sums is of order one over the number of independent events and is not
/// corrected; the variance is right to the same order. **Not for** functions that are not smooth
/// (medians, maxima).
pub fn jackknife(sums: &[Vec<f64>], function: &dyn Fn(&[f64]) -> Vec<Option<f64>>) -> Vec<Option<Sample>> {
    let groups = sums.len() as f64;
    let mut total = vec![0.0; sums.first().map_or(0, Vec::len)];
    for group in sums {
        for (t, s) in total.iter_mut().zip(group) {
            *t += s;
        }
    }
    let values = function(&total);
    let mut samples: Vec<Option<Sample>> = values
        .iter()
        .map(|v| v.map(|value| Sample { value, pseudo: Vec::with_capacity(sums.len()) }))
        .collect();
    let mut rest = total.clone();
    for group in sums {
        for ((r, t), s) in rest.iter_mut().zip(&total).zip(group) {
            *r = t - s;
        }
        for (sample, without) in samples.iter_mut().zip(function(&rest)) {
            match (sample.as_mut(), without) {
                (Some(s), Some(w)) => s.pseudo.push(groups * s.value - (groups - 1.0) * w),
                _ => *sample = None,
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_functions_give_back_the_groups() {
        let sums = vec![vec![1.0], vec![4.0], vec![2.5], vec![-1.0]];
        let sample = jackknife(&sums, &|s| vec![Some(s[0] / 4.0)])[0].clone().unwrap();
        // The mean of the groups; pseudo-values of sum/4 are 4*(total/4) - 3*(rest/4), not the groups
        // themselves, because the function is of the sum and not of the mean.
        assert!((sample.value - 1.625).abs() < 1e-15);
        let ratio = vec![vec![1.0, 1.0], vec![4.0, 1.0], vec![2.5, 1.0], vec![-1.0, 1.0]];
        let sample = jackknife(&ratio, &|s| vec![Some(s[0] / s[1])])[0].clone().unwrap();
        for (pseudo, group) in sample.pseudo.iter().zip([1.0, 4.0, 2.5, -1.0]) {
            assert!((pseudo - group).abs() < 1e-12);
        }
        // Sample standard deviation of the four groups is 2.13600, its error a half of that.
        assert!((sample.std_error() - 1.068_000_5).abs() < 1e-6);
    }

    #[test]
    fn undefined_stays_undefined() {
        let sums = vec![vec![1.0], vec![0.0]];
        let samples = jackknife(&sums, &|s| vec![(s[0] > 0.0).then_some(1.0 / s[0])]);
        assert_eq!(samples, vec![None]);
    }

    #[test]
    fn no_spread_is_no_error() {
        let sample = Sample { value: 1.0, pseudo: vec![1.0; 32] };
        assert!(sample.outcome().estimate().is_none());
    }
}
