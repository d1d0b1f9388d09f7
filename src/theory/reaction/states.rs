//! The master equation of any small network in a well-mixed volume: the law of the numbers of all species together.
//!
//! # Equation
//! Counts `n` of all species are a Markov chain with the propensities `a_w` of [`Mixture::propensity`],
//! ```text
//! d_t p(n) = sum_w [a_w(n - nu_w) p(n - nu_w) - a_w(n) p(n)] .
//! ```
//! The counts that can be reached from those at the start are found once; there must be few of them.
//!
//! # Method
//! Uniformisation, as in [`master`](super::master).

use super::TheoryError;
use super::master::poisson;
use crate::model::{Mixture, Way};
use std::collections::HashMap;

/// Most terms of the sum over powers, times transitions.
const MOST_WORK: f64 = 4e9;

/// Everything that can be reached.
#[derive(Clone, Debug)]
pub struct States {
    /// Counts of all species, the start first.
    counts: Vec<Vec<u64>>,
    /// Per state, where ways lead and how fast.
    ways: Vec<Vec<(usize, f64)>>,
    fastest: f64,
}

impl States {
    /// What the ways of `mixture` with the rate constants at `x` reach from the counts `start` in a volume that holds `volume`
    /// particles per unit of concentration; `None` where that is more than `most`.
    ///
    /// # Errors
    /// [`TheoryError::RateConstant`].
    pub fn reachable(
        mixture: &Mixture,
        x: f64,
        volume: f64,
        start: &[u64],
        most: usize,
    ) -> Result<Option<Self>, TheoryError> {
        super::constants(mixture, x)?;
        let changes: Vec<(Way, Vec<i64>)> = mixture
            .ways()
            .map(|way| {
                let sign = if way.forward { 1 } else { -1 };
                let change = mixture.reactions()[way.reaction].change(start.len());
                (way, change.into_iter().map(|d| sign * d).collect())
            })
            .collect();
        let mut counts = vec![start.to_vec()];
        let mut known = HashMap::from([(start.to_vec(), 0)]);
        let mut ways: Vec<Vec<(usize, f64)>> = Vec::new();
        while ways.len() < counts.len() {
            let here = counts[ways.len()].clone();
            let mut leading = Vec::new();
            for (way, change) in &changes {
                let rate = mixture.propensity(*way, x, volume, &here);
                if rate <= 0.0 || change.iter().all(|d| *d == 0) {
                    continue;
                }
                let there: Option<Vec<u64>> =
                    here.iter().zip(change).map(|(n, d)| n.checked_add_signed(*d)).collect();
                let Some(there) = there else { continue };
                let next = *known.entry(there.clone()).or_insert_with(|| {
                    counts.push(there);
                    counts.len() - 1
                });
                leading.push((next, rate));
            }
            if counts.len() > most {
                return Ok(None);
            }
            ways.push(leading);
        }
        let exit = |leading: &Vec<(usize, f64)>| leading.iter().map(|(_, rate)| rate).sum::<f64>();
        let fastest = ways.iter().map(exit).fold(0.0, f64::max);
        Ok(Some(States { counts, ways, fastest }))
    }

    /// Counts of all species in every state.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The start with certainty.
    pub fn start(&self) -> Vec<f64> {
        (0..self.counts.len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect()
    }

    /// The law after a time, from the law `start`; what is left out of the sum is below 1e-17.
    ///
    /// # Errors
    /// [`TheoryError::Start`]: a time that is negative, or too long for so many particles.
    pub fn after(&self, start: &[f64], time: f64) -> Result<Vec<f64>, TheoryError> {
        let mistake = |must| Err(TheoryError::Start { what: "the time", must, found: time });
        if !(time >= 0.0 && time.is_finite()) {
            return mistake("finite and not negative");
        }
        let mean = self.fastest * time;
        if mean == 0.0 {
            return Ok(start.to_vec());
        }
        let transitions: usize = self.ways.iter().map(|w| 1 + w.len()).sum();
        if (mean + 9.0 * libm::sqrt(mean) + 40.0) * transitions as f64 > MOST_WORK {
            return mistake("short enough to sum over all reactions");
        }
        let (first, weights) = poisson(mean);
        let mut power = start.to_vec();
        let mut law = vec![0.0; power.len()];
        for n in 0..first + weights.len() as u64 {
            if let Some(weight) = n.checked_sub(first).map(|i| weights[i as usize]) {
                law.iter_mut().zip(&power).for_each(|(l, p)| *l += weight * p);
            }
            power = self.moved(&power);
        }
        Ok(law)
    }

    fn moved(&self, p: &[f64]) -> Vec<f64> {
        let mut moved = p.to_vec();
        for (from, leading) in self.ways.iter().enumerate() {
            for &(to, rate) in leading {
                let flow = p[from] * (rate / self.fastest);
                moved[from] -= flow;
                moved[to] += flow;
            }
        }
        moved
    }
}
