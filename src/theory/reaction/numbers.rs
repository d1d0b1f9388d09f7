//! What is known of the numbers of particles in a well-mixed volume, at given times from given numbers.
//!
//! - One reaction: the master equation of its extent ([`Extent`]).
//! - Several that reach few states: the master equation of all species together ([`States`]).
//! - Many states: means, where every way takes one particle at most, whose means obey the deterministic law. Else that law
//!   alone, `d_t c_k = sum_r nu_kr (v_r+ - v_r-)`, which is the mean of infinitely many particles and stands beside, not for,
//!   that of the numbers given.

use super::states::States;
use super::{Extent, TheoryError, transient};
use crate::model::{Field, Kinetics, Mixture, Motility, Reaction, Species, Uniform, Way};
use crate::observable::Instant;
use crate::volume::Volume;
use std::sync::Arc;

/// Most states of a master equation.
const MOST_STATES: usize = 20_000;

/// Bound on the error of a law from one time to the next.
const TOLERANCE: f64 = 1e-12;

/// Per time and species, the probability of each number that can be reached.
type Laws = Vec<Vec<Vec<(u64, f64)>>>;

/// Numbers at several times.
#[derive(Clone, Debug)]
pub struct Numbers {
    volume: Volume,
    laws: Option<Laws>,
    states: usize,
    /// Per time and species, the deterministic number.
    limit: Option<Vec<Vec<f64>>>,
    /// Whether that is the mean.
    linear: bool,
    /// Why there are no laws.
    unknown: String,
}

/// Solves to all of `times`, which increase.
///
/// # Errors
/// [`TheoryError`]: rate constants out of range, times that do not increase.
pub fn solve(mixture: &Mixture, volume: &Volume, times: &[f64]) -> Result<Numbers, TheoryError> {
    let constants = super::constants(mixture, volume.x)?;
    let order = |way: Way| mixture.reactions()[way.reaction].order(way.forward);
    let (laws, states, unknown) = match exact(mixture, volume, times) {
        Ok(Some((laws, states))) => (Some(laws), states, String::new()),
        Ok(None) => (None, 0, format!("more than {MOST_STATES} states can be reached")),
        Err(error @ TheoryError::RateConstant { .. }) => return Err(error),
        Err(error) => (None, 0, error.to_string()),
    };
    Ok(Numbers {
        volume: volume.clone(),
        laws,
        states,
        limit: deterministic(mixture, volume, &constants, times),
        linear: mixture.open_ways().all(|way| order(way) <= 1),
        unknown,
    })
}

/// Laws of all numbers at all times with the number of states, where these are few.
fn exact(mixture: &Mixture, volume: &Volume, times: &[f64]) -> Result<Option<(Laws, usize)>, TheoryError> {
    let Volume { x, size, start, .. } = volume;
    let gaps = times.iter().scan(0.0, |before, t| Some(*t - std::mem::replace(before, *t)));
    let marginals = |counts: &dyn Fn(usize) -> Vec<u64>, law: &[f64]| -> Vec<Vec<(u64, f64)>> {
        let mut each = vec![Vec::with_capacity(law.len()); start.len()];
        for (i, p) in law.iter().enumerate() {
            each.iter_mut().zip(counts(i)).for_each(|(species, n)| species.push((n, *p)));
        }
        each
    };
    let mut laws = Vec::new();
    match Extent::new(mixture, *x, *size, start) {
        Ok(extent) if extent.entries() <= MOST_STATES => {
            let mut law = extent.start();
            for gap in gaps {
                law = extent.after(&law, gap, TOLERANCE)?.probabilities;
                laws.push(marginals(&|i| extent.counts_at(i), &law));
            }
            Ok(Some((laws, extent.entries())))
        }
        Ok(_) => Ok(None),
        Err(TheoryError::Premise { .. }) => {
            let Some(states) = States::reachable(mixture, *x, *size, start, MOST_STATES)? else {
                return Ok(None);
            };
            let mut law = states.start();
            for gap in gaps {
                law = states.after(&law, gap)?;
                laws.push(marginals(&|i| states.counts()[i].clone(), &law));
            }
            Ok(Some((laws, law.len())))
        }
        Err(error) => Err(error),
    }
}

/// The deterministic numbers: concentrations without space, of a mixture that is the same everywhere.
fn deterministic(
    mixture: &Mixture,
    volume: &Volume,
    constants: &[f64],
    times: &[f64],
) -> Option<Vec<Vec<f64>>> {
    let still =
        |s: &Species| Species { motility: Motility::Diffusivity(Arc::new(Uniform(1.0))), ..s.clone() };
    let species: Vec<Species> = mixture.species().iter().map(still).collect();
    let rate = |k: f64| (k > 0.0).then(|| Arc::new(Uniform(k)) as Arc<dyn Field>);
    let uniform = |(reaction, k): (&Reaction, &[f64])| Reaction {
        kinetics: Kinetics::Given { forward: rate(k[0]), backward: rate(k[1]) },
        ..reaction.clone()
    };
    let open =
        mixture.reactions().iter().zip(constants.chunks(2)).filter(|(_, k)| k.iter().any(|k| *k > 0.0));
    let mixture = Mixture::new(1.0, Uniform(1.0), species, open.map(uniform).collect()).ok()?;
    let start: Vec<Arc<dyn Field>> =
        volume.start.iter().map(|n| Arc::new(Uniform(*n as f64 / volume.size)) as Arc<dyn Field>).collect();
    let law = transient::solve(&mixture, &start, times, &transient::Options::default()).ok()?;
    let at = |frame: &super::Profiles| frame.concentration_at(0.5).iter().map(|c| c * volume.size).collect();
    Some(law.frames().iter().map(at).collect())
}

impl Numbers {
    /// The volume.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// One value per entry of what is seen at time `k`, on `cells` cells of numbers; `None` where nothing exact is known.
    pub fn reference(&self, k: usize, what: Instant, cells: usize) -> Option<Vec<Option<f64>>> {
        let law = |s: usize| self.laws.as_ref()?.get(k)?.get(s);
        match what {
            Instant::Number(s) => match law(s) {
                Some(law) => Some(vec![Some(moments(law)[0])]),
                None if self.linear => self.limit(k, what),
                None => None,
            },
            Instant::NumberVariance(s) => Some(vec![Some(moments(law(s)?)[1])]),
            Instant::NumberLaw(s) => {
                let mut sums = vec![0.0; cells];
                let scale = self.volume.scales.get(s)?;
                law(s)?.iter().for_each(|(n, p)| sums[scale.cell(*n)] += p);
                Some(sums.into_iter().map(Some).collect())
            }
            _ => None,
        }
    }

    /// The deterministic number of a species at time `k`.
    pub fn limit(&self, k: usize, what: Instant) -> Option<Vec<Option<f64>>> {
        let Instant::Number(s) = what else { return None };
        Some(vec![Some(*self.limit.as_ref()?.get(k)?.get(s)?)])
    }

    /// States of the master equation; none where it was not solved.
    pub fn states(&self) -> Option<usize> {
        self.laws.as_ref().map(|_| self.states)
    }

    /// Whether means are known.
    pub fn has_means(&self) -> bool {
        self.laws.is_some() || (self.linear && self.limit.is_some())
    }

    /// Why no master equation was solved.
    pub fn unknown(&self) -> Option<&str> {
        self.laws.is_none().then_some(self.unknown.as_str())
    }
}

/// Mean and variance of numbers with these probabilities.
fn moments(law: &[(u64, f64)]) -> [f64; 2] {
    let mean: f64 = law.iter().map(|(n, p)| p * *n as f64).sum();
    [mean, law.iter().map(|(n, p)| p * (*n as f64 - mean) * (*n as f64 - mean)).sum()]
}
