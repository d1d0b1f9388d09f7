//! The master equation of one reaction in a well-mixed volume: the law of the number of particles, not its mean.
//!
//! # Equation
//! A single reaction moves the counts `n_k = n_k(0) + nu_k xi` along a line. Its extent `xi` is a birth and
//! death process with the propensities of [`Mixture::propensity`], for `2 M <-> D` in a volume `V`
//! ```text
//! d_t p(xi) = b(xi - 1) p(xi - 1) + d(xi + 1) p(xi + 1) - [b(xi) + d(xi)] p(xi),
//! b = k_+ n_M (n_M - 1)/V,      d = k_- n_D .                                                       (1)
//! ```
//! Its stationary law is in detailed balance, `p(xi) b(xi) = p(xi + 1) d(xi + 1)`.
//!
//! # Space
//! At uniform temperature, with rates and motilities the same everywhere, the stationary law of the total
//! numbers in any number of cells joined by diffusion is that of a single well-mixed volume of the whole
//! length. The counts are a product of Poisson laws whose means balance every reaction, restricted to what is
//! conserved; sums over cells of independent Poisson numbers are Poisson again, so neither the number of cells
//! nor any diffusivity is left.
//!
//! # Method
//! In time by uniformisation: `p(t) = sum_n Poisson(n; q t) P^n p(0)` with `P = 1 + Q/q`, whose terms are all
//! positive. What is left out bounds the error. Where the powers have come to rest at the stationary law, as
//! they do for good, the sum ends.

use super::TheoryError;
use crate::model::{Mixture, Way};

/// Most terms of the sum over powers, times entries.
const MOST_WORK: f64 = 4e9;

/// The master equation of the extent of a reaction.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Counts of all species at extent 0.
    counts: Vec<u64>,
    change: Vec<i64>,
    /// Least extent possible; the first entry of every law.
    least: i64,
    /// `b` and `d` at every extent.
    births: Vec<f64>,
    deaths: Vec<f64>,
}

/// Probabilities of extents, and a bound on their error.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtentLaw {
    /// Probability of `least + i`.
    pub probabilities: Vec<f64>,
    /// Bound on the sum of the errors of all, rounding apart.
    pub error: f64,
}

impl Extent {
    /// The extent of the only reaction of `mixture` at `x`, in a volume that holds `volume` particles per unit of
    /// concentration, starting from `counts` of all species.
    ///
    /// # Errors
    /// [`TheoryError::Premise`]: not exactly one reaction, or one that has no end; [`TheoryError::Start`]:
    /// counts or a volume out of range; [`TheoryError::RateConstant`].
    pub fn new(mixture: &Mixture, x: f64, volume: f64, counts: &[u64]) -> Result<Self, TheoryError> {
        let [reaction] = mixture.reactions() else {
            return Err(TheoryError::Premise { must: "exactly one reaction" });
        };
        if !(volume > 0.0 && volume.is_finite()) {
            return Err(TheoryError::Start {
                what: "the volume",
                must: "positive and finite",
                found: volume,
            });
        }
        if counts.len() != mixture.species().len() {
            let (what, must) = ("the number of counts", "that of the species");
            return Err(TheoryError::Start { what, must, found: counts.len() as f64 });
        }
        super::constants(mixture, x)?;
        let change = reaction.change(counts.len());
        // How far each way can be gone before a species runs out.
        let reach = |sign: i64| {
            if !reaction.open()[usize::from(sign < 0)] {
                return Some(0);
            }
            let used = counts.iter().zip(&change).filter(|(_, d)| sign * **d < 0);
            used.map(|(n, d)| n / d.unsigned_abs()).min()
        };
        let (Some(forward), Some(backward)) = (reach(1), reach(-1)) else {
            return Err(TheoryError::Premise { must: "a reaction that runs out of something both ways" });
        };
        let entries = (forward + backward) as f64 + 1.0;
        if entries > 1e6 {
            return Err(TheoryError::Start {
                what: "the number of extents",
                must: "at most 1e6",
                found: entries,
            });
        }
        let least = -i64::try_from(backward).unwrap_or(0);
        let mut extent = Extent { counts: counts.to_vec(), change, least, births: vec![], deaths: vec![] };
        for i in 0..entries as usize {
            let counts = extent.counts_at(i);
            let propensity = |forward| mixture.propensity(Way { reaction: 0, forward }, x, volume, &counts);
            let (birth, death) = (propensity(true), propensity(false));
            // A catalyst among the particles taken may keep a species from running out.
            extent.births.push(if i as u64 == forward + backward { 0.0 } else { birth });
            extent.deaths.push(if i == 0 { 0.0 } else { death });
        }
        Ok(extent)
    }

    /// Number of extents.
    pub fn entries(&self) -> usize {
        self.births.len()
    }

    /// Counts of all species at entry `i` of a law.
    pub fn counts_at(&self, i: usize) -> Vec<u64> {
        let extent = self.least + i as i64;
        let pairs = self.counts.iter().zip(&self.change);
        pairs.map(|(n, d)| n.saturating_add_signed(d * extent)).collect()
    }

    /// The stationary law; `None` where a way is closed.
    pub fn stationary(&self) -> Option<Vec<f64>> {
        let mut logarithms = vec![0.0];
        for i in 1..self.entries() {
            let ratio = libm::log(self.births[i - 1] / self.deaths[i]);
            logarithms.push(logarithms[i - 1] + ratio);
        }
        let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logarithms.iter().map(|l| libm::exp(l - most)).collect();
        let sum: f64 = weights.iter().sum();
        Some(weights.into_iter().map(|w| w / sum).collect::<Vec<f64>>())
            .filter(|law| law.iter().all(|p| p.is_finite()))
    }

    /// The law at extent 0 with certainty: that of the counts given.
    pub fn start(&self) -> Vec<f64> {
        (0..self.entries()).map(|i| if self.least + i as i64 == 0 { 1.0 } else { 0.0 }).collect()
    }

    /// The law after a time, from the law `start`, with an error of at most `tolerance` beside rounding.
    ///
    /// # Errors
    /// [`TheoryError::Start`]: not a law, a time that is negative, or too long for so many particles.
    pub fn after(&self, start: &[f64], time: f64, tolerance: f64) -> Result<ExtentLaw, TheoryError> {
        let mistake = |what, must, found| Err(TheoryError::Start { what, must, found });
        let sum: f64 = start.iter().sum();
        if start.len() != self.entries()
            || start.iter().any(|p| p.is_nan() || *p < 0.0)
            || (sum - 1.0).abs() > 1e-9
        {
            return mistake("the law", "a probability for every extent, with the sum 1", sum);
        }
        if !(time >= 0.0 && time.is_finite()) {
            return mistake("the time", "finite and not negative", time);
        }
        let exits = self.births.iter().zip(&self.deaths).map(|(b, d)| b + d);
        let fastest = exits.fold(0.0, f64::max);
        let mean = fastest * time;
        if mean == 0.0 {
            return Ok(ExtentLaw { probabilities: start.to_vec(), error: 0.0 });
        }
        let rest = self.stationary();
        let mut power = start.to_vec();
        let mut law = vec![0.0; power.len()];
        let (mut covered, mut n) = (0.0, 0u64);
        let (first, weights) = poisson(mean);
        loop {
            let k = n as f64;
            let weight = n.checked_sub(first).and_then(|i| weights.get(i as usize)).copied().unwrap_or(0.0);
            if weight > 0.0 {
                law.iter_mut().zip(&power).for_each(|(l, p)| *l += weight * p);
            }
            covered += weight;
            let left = 1.0 - covered;
            if left <= tolerance || n >= first + weights.len() as u64 {
                let error = left.max(0.0);
                return Ok(ExtentLaw { probabilities: law, error });
            }
            // Distances from the stationary law never grow.
            if n.is_multiple_of(64) {
                if let Some(rest) = &rest {
                    let distance: f64 = power.iter().zip(rest).map(|(a, b)| (a - b).abs()).sum();
                    if distance <= tolerance {
                        law.iter_mut().zip(rest).for_each(|(l, r)| *l += left * r);
                        return Ok(ExtentLaw { probabilities: law, error: left * distance });
                    }
                }
                if k * power.len() as f64 > MOST_WORK {
                    return mistake("the time", "short enough to sum over all reactions", time);
                }
            }
            power = self.moved(&power, fastest);
            n += 1;
        }
    }

    /// `P p`.
    fn moved(&self, p: &[f64], fastest: f64) -> Vec<f64> {
        (0..p.len())
            .map(|i| {
                let stays = p[i] * (1.0 - (self.births[i] + self.deaths[i]) / fastest);
                let born = if i > 0 { p[i - 1] * self.births[i - 1] / fastest } else { 0.0 };
                let died = p.get(i + 1).map_or(0.0, |p| p * self.deaths[i + 1] / fastest);
                stays + born + died
            })
            .collect()
    }

    /// Mean and variance of the number of a species under a law.
    pub fn moments(&self, law: &[f64], species: usize) -> [f64; 2] {
        let count = |i: usize| self.counts_at(i)[species] as f64;
        let mean: f64 = law.iter().enumerate().map(|(i, p)| p * count(i)).sum();
        let square = |(i, p): (usize, &f64)| p * (count(i) - mean) * (count(i) - mean);
        [mean, law.iter().enumerate().map(square).sum()]
    }
}

/// The weights of Poisson's law from some number on, normalised: by ratios of neighbours from its largest, as
/// far as nine deviations, beyond which less than 1e-17 is left.
pub(super) fn poisson(mean: f64) -> (u64, Vec<f64>) {
    let reach = 9.0 * libm::sqrt(mean) + 40.0;
    let middle = libm::floor(mean);
    let (first, last) = (libm::floor((middle - reach).max(0.0)), middle + reach);
    let mut weights = vec![1.0];
    let mut k = middle;
    while k > first {
        weights.push(weights[weights.len() - 1] * (k / mean));
        k -= 1.0;
    }
    weights.reverse();
    k = middle;
    while k < last {
        k += 1.0;
        weights.push(weights[weights.len() - 1] * (mean / k));
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    (first as u64, weights)
}
