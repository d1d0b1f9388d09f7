//! Does the simulation agree with the continuum theory of the same file?
//!
//! Every measured entry that theory answers is compared as a normal deviate `z` of its t p-value; the
//! largest is held against Bonferroni's limit over all entries looked at. Smooth misfits that no single
//! bin shows are caught by joint tests (Hotelling's T^2) on the lowest cosine modes of each profile. The
//! family-wise probability of a false alarm is stated and shared half and half between the two.

use crate::estimator::Measured;
use crate::grid::Grid;
use crate::observable::{Instant, Observable, Support};
use crate::stats::{Sample, deviate_from_p, hotelling, independent, t_deviate};
use std::collections::HashSet;

/// Probability that a correct simulation is reported to disagree.
pub const ALPHA: f64 = 1e-4;

/// Cosine modes in a joint test, if there are groups and bins enough.
const MODES: usize = 8;

/// A positive quantity is compared only when it is known to 1/20 or better: below that (fewer than about
/// 400 events) its law is too skewed for a t test at the small probabilities used here.
const RESOLVED: f64 = 20.0;

/// An observable with its theory and deviates.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The measurement.
    pub measured: Measured,
    /// The same functional of the continuum solution, entry by entry.
    pub theory: Vec<Option<f64>>,
    /// Normal deviates, entry by entry.
    pub z: Vec<Option<f64>>,
}

/// A joint test of one profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// Which profile.
    pub observable: Observable,
    /// Hotelling's T^2.
    pub t_squared: f64,
    /// Number of cosine modes.
    pub modes: usize,
    /// P-value.
    pub p_value: f64,
}

/// The outcome.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Every observable, in the order in which they were measured.
    pub compared: Vec<Compared>,
    /// Joint tests.
    pub joint: Vec<Joint>,
    /// Family-wise probability of a false alarm.
    pub alpha: f64,
    /// Number of single entries compared.
    pub entries: usize,
    /// Limit on `|z|` of a single entry.
    pub critical_z: f64,
    /// Limit on the p-value of a joint test.
    pub critical_p: f64,
    /// Largest `|z|`: index into `compared`, entry, signed z.
    pub worst: Option<(usize, usize, f64)>,
    /// The verdict: something was compared, and nothing disagrees.
    pub agrees: bool,
}

impl Comparison {
    /// Number of comparisons, joint tests included.
    pub fn comparisons(&self) -> usize {
        self.entries + self.joint.len()
    }
}

/// Compares measurements with `reference`, which answers for an observable with one value per entry.
pub fn compare(
    measured: Vec<Measured>,
    grid: &Grid,
    alpha: f64,
    reference: &dyn Fn(Observable) -> Option<Vec<Option<f64>>>,
) -> Comparison {
    let mut compared: Vec<Compared> = measured
        .into_iter()
        .map(|measured| {
            let entries = measured.samples.len();
            let theory = reference(measured.observable)
                .filter(|t| t.len() == entries)
                .unwrap_or_else(|| vec![None; entries]);
            let z = (0..entries).map(|k| deviate(&measured, k, theory[k]?)).collect();
            Compared { measured, theory, z }
        })
        .collect();
    without_few_events(&mut compared);
    let all = || {
        compared
            .iter()
            .enumerate()
            .flat_map(|(c, q)| q.z.iter().enumerate().filter_map(move |(k, z)| z.map(|z| (c, k, z))))
    };
    let entries = all().count();
    let worst = all().max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()));
    let joint: Vec<Joint> = compared.iter().filter_map(|c| joint_test(c, grid)).collect();
    let critical_z = deviate_from_p(0.5 * alpha / entries.max(1) as f64);
    let critical_p = 0.5 * alpha / joint.len().max(1) as f64;
    let agrees = entries + joint.len() > 0
        && worst.is_none_or(|w| w.2.abs() <= critical_z)
        && joint.iter().all(|j| j.p_value >= critical_p);
    Comparison { compared, joint, alpha, entries, critical_z, critical_p, worst, agrees }
}

/// The mean of a number that has hardly begun to change is a count of few events, however large the number: it is compared only
/// where the variance is known to 1/10.
fn without_few_events(compared: &mut [Compared]) {
    let known = |c: &Compared| {
        let Observable::At(k, Instant::NumberVariance(s)) = c.measured.observable else { return None };
        let outcome = c.measured.outcome(0);
        outcome.estimate().filter(|e| e.value > 0.5 * RESOLVED * e.std_error).map(|_| (k, s))
    };
    let known: HashSet<(usize, usize)> = compared.iter().filter_map(known).collect();
    for c in compared {
        if let Observable::At(k, Instant::Number(s)) = c.measured.observable
            && !known.contains(&(k, s))
        {
            c.z.fill(None);
        }
    }
}

fn positive(observable: Observable) -> bool {
    use Observable::*;
    match observable {
        Density | StateDensity(_) | Population(_) | TransitionRate(_) | PhaseDensity(_) => true,
        PlaneDensity | WellPopulation(_) | PointDensity | PointStateDensity(_) => true,
        MomentumFlux | KineticTemperature(_) => true,
        Concentration(_) | MeanConcentration(_) | Content | TransportedContent => true,
        At(_, what) => {
            use Instant::{Concentration, Content, MeanConcentration};
            matches!(what, Instant::Density | Instant::StateDensity(_) | Instant::Population(_))
                || matches!(what, Concentration(_) | Content | MeanConcentration(_))
                || matches!(what, Instant::Number(_) | Instant::NumberVariance(_) | Instant::NumberLaw(_))
        }
        _ => false,
    }
}

fn deviate(measured: &Measured, k: usize, theory: f64) -> Option<f64> {
    let estimate = *measured.outcome(k).estimate()?;
    let sample = measured.samples[k].as_ref()?;
    if positive(measured.observable) && estimate.value < RESOLVED * estimate.std_error {
        return None;
    }
    Some(t_deviate((estimate.value - theory) / estimate.std_error, sample.dof()))
}

/// Tests the lowest cosine modes of the difference together.
fn joint_test(compared: &Compared, grid: &Grid) -> Option<Joint> {
    use Observable::*;
    let observable = compared.measured.observable;
    if matches!(observable, PlaneDensity | PlaneCurrentAlong | PlaneCurrentAcross) {
        return joint_test_on_plane(compared, grid);
    }
    if matches!(observable, At(_, Instant::NumberLaw(_))) {
        return joint_test_of_law(compared);
    }
    let profile = matches!(
        observable,
        Density
            | StateDensity(_)
            | WindowCurrent(_)
            | HeatCurrent
            | KineticTemperature(_)
            | MomentumFlux
            | PhaseHeatCurrent
            | PeakSlowCurrent(_)
            | MeanEnergy
            | Concentration(_)
            | Content
            | NetRate(_)
    );
    if !profile {
        return None;
    }
    let samples: Vec<&Sample> =
        compared.measured.samples.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let theory: Vec<f64> = compared.theory.iter().copied().collect::<Option<_>>()?;
    let groups = samples.first()?.pseudo.len();
    let modes = MODES.min(groups / 4).min(grid.bins / 4);
    // Currents vanish at the walls and are contrasted with sines, densities with cosines.
    let wave = |mode: usize, k: usize| {
        let (lo, hi) = observable.support().ends(grid, k).unwrap_or((0.0, 0.0));
        let phase = std::f64::consts::PI * mode as f64 * 0.5 * (lo + hi) / grid.length;
        match (observable, observable.support()) {
            (WindowCurrent(_) | PhaseHeatCurrent | PeakSlowCurrent(_), _) | (_, Support::Faces) => {
                libm::sin(phase)
            }
            _ => libm::cos(phase),
        }
    };
    let contrast = |mode: usize| {
        let sum = |values: &mut dyn Iterator<Item = f64>| {
            values.enumerate().map(|(k, v)| wave(mode, k) * v).sum::<f64>()
        };
        Sample {
            value: sum(&mut samples.iter().map(|s| s.value)),
            pseudo: (0..groups).map(|g| sum(&mut samples.iter().map(|s| s.pseudo[g]))).collect(),
        }
    };
    let contrasts: Vec<Sample> = (1..=modes).map(contrast).collect();
    let expected: Vec<f64> =
        (1..=modes).map(|mode| theory.iter().enumerate().map(|(k, v)| wave(mode, k) * v).sum()).collect();
    let test = hotelling(&contrasts, &expected)?;
    Some(Joint { observable, t_squared: test.t_squared, modes, p_value: test.p_value })
}

/// Tests a law of numbers: with `u` the cell less its mean, over its standard deviation (both those of the theory), the means
/// of `cos u`, `sin u`, `cos 2u` and `sin 2u` together. They are bounded, and see what is off with the middle, the width and the shape.
fn joint_test_of_law(compared: &Compared) -> Option<Joint> {
    let samples: Vec<&Sample> =
        compared.measured.samples.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let law: Vec<f64> = compared.theory.iter().copied().collect::<Option<_>>()?;
    let groups = samples.first()?.pseudo.len();
    let mean: f64 = law.iter().enumerate().map(|(k, p)| k as f64 * p).sum();
    let square = |(k, p): (usize, &f64)| (k as f64 - mean) * (k as f64 - mean) * p;
    let deviation = libm::sqrt(law.iter().enumerate().map(square).sum::<f64>());
    if deviation.is_nan() || deviation <= 0.0 {
        return None;
    }
    let waves: [fn(f64) -> f64; 4] = [libm::cos, libm::sin, |u| libm::cos(2.0 * u), |u| libm::sin(2.0 * u)];
    let weighed = |wave: fn(f64) -> f64, value: &dyn Fn(usize) -> f64| -> f64 {
        (0..law.len()).map(|k| wave((k as f64 - mean) / deviation) * value(k)).sum()
    };
    let contrast = |wave: fn(f64) -> f64| Sample {
        value: weighed(wave, &|k| samples[k].value),
        pseudo: (0..groups).map(|g| weighed(wave, &|k| samples[k].pseudo[g])).collect(),
    };
    let all: Vec<Sample> = waves.iter().map(|wave| contrast(*wave)).collect();
    let kept = independent(&all);
    let contrasts: Vec<Sample> = kept.iter().map(|k| all[*k].clone()).collect();
    let expected: Vec<f64> = kept.iter().map(|k| weighed(waves[*k], &|i| law[i])).collect();
    let test = hotelling(&contrasts, &expected)?;
    let observable = compared.measured.observable;
    Some(Joint { observable, t_squared: test.t_squared, modes: contrasts.len(), p_value: test.p_value })
}

/// Waves in x times polynomials in q of a joint test on the plane: pairs of mode and degree, in the order in which they are taken.
const PLANE_MODES: [[usize; 2]; 14] = [
    [1, 0],
    [1, 1],
    [1, 2],
    [0, 1],
    [0, 2],
    [2, 0],
    [2, 1],
    [2, 2],
    [1, 3],
    [1, 4],
    [0, 3],
    [0, 4],
    [3, 0],
    [3, 2],
];

/// Tests contrasts of a map on the plane of x and q together: with what theory expects, which is the best weight where simulation
/// and theory differ by a factor, and with the lowest cosines in x (sines for the current along x, which vanishes at the walls)
/// times Legendre polynomials in q. Entries that are not known are left out on both sides.
fn joint_test_on_plane(compared: &Compared, grid: &Grid) -> Option<Joint> {
    let observable = compared.measured.observable;
    let known: Vec<(usize, &Sample, f64)> = compared
        .measured
        .samples
        .iter()
        .zip(&compared.theory)
        .enumerate()
        .filter_map(|(k, (sample, theory))| Some((k, sample.as_ref()?, (*theory)?)))
        .collect();
    let groups = known.first()?.1.pseudo.len();
    let row = match observable.support() {
        Support::PlaneEdges => grid.across - 1,
        _ => grid.across,
    };
    let wave = |mode: usize, k: usize| {
        let (lo, hi) = observable.support().ends(grid, k).unwrap_or((0.0, 0.0));
        let phase = std::f64::consts::PI * mode as f64 * 0.5 * (lo + hi) / grid.length;
        if observable == Observable::PlaneCurrentAlong { libm::sin(phase) } else { libm::cos(phase) }
    };
    let polynomial = |degree: usize, k: usize| {
        let u = 2.0 * ((k % row) as f64 + 0.5) / row as f64 - 1.0;
        let square = u * u;
        [
            1.0,
            u,
            1.5 * square - 0.5,
            u * (2.5 * square - 1.5),
            (35.0 * square * square - 30.0 * square + 3.0) / 8.0,
        ][degree]
    };
    // A density is normalised, and there is no sine without a wave.
    let flat = if observable == Observable::PlaneCurrentAlong { 1 } else { 0 };
    let pairs = PLANE_MODES.iter().filter(|[mode, _]| *mode >= flat && 4 * mode <= grid.bins);
    let norm = libm::sqrt(known.iter().map(|(_, _, theory)| theory * theory).sum::<f64>());
    let mut weights: Vec<Vec<f64>> = Vec::new();
    if norm > 0.0 && observable != Observable::PlaneDensity {
        weights.push(known.iter().map(|(_, _, theory)| theory / norm).collect());
    }
    weights.extend(pairs.map(|[mode, degree]| {
        known.iter().map(|(k, ..)| wave(*mode, *k) * polynomial(*degree, *k)).collect()
    }));
    weights.truncate(groups / 4);
    let contrast = |weight: &Vec<f64>| {
        let sum = |value: &dyn Fn(&Sample) -> f64| -> f64 {
            known.iter().zip(weight).map(|((_, sample, _), w)| w * value(sample)).sum()
        };
        Sample { value: sum(&|s| s.value), pseudo: (0..groups).map(|g| sum(&|s| s.pseudo[g])).collect() }
    };
    let mut contrasts: Vec<Sample> = weights.iter().map(contrast).collect();
    let kept = independent(&contrasts);
    contrasts = kept.iter().map(|k| contrasts[*k].clone()).collect();
    let expected: Vec<f64> = kept
        .iter()
        .map(|k| &weights[*k])
        .map(|weight| known.iter().zip(weight).map(|((_, _, theory), w)| w * theory).sum())
        .collect();
    let test = hotelling(&contrasts, &expected)?;
    Some(Joint { observable, t_squared: test.t_squared, modes: contrasts.len(), p_value: test.p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_group_saw_is_not_compared() {
        // One group of 64 saw a particle in a bin where eight times as many were expected: the error is as large as the value, and says
        // nothing about what was missed.
        let grid = Grid::new(1.0, 1);
        let sample = |of: fn(usize) -> f64| Sample {
            value: (0..64).map(of).sum::<f64>() / 64.0,
            pseudo: (0..64).map(of).collect(),
        };
        let compared = |observable, of| {
            let measured = Measured { observable, samples: vec![Some(sample(of))], reason: String::new() };
            compare(vec![measured], &grid, ALPHA, &|_| Some(vec![Some(0.125)])).compared[0].z[0]
        };
        let alone: fn(usize) -> f64 = |group| if group == 0 { 1.0 } else { 0.0 };
        let many: fn(usize) -> f64 = |group| 1.0 + 0.001 * group as f64;
        for observable in [Observable::Density, Observable::MomentumFlux, Observable::KineticTemperature(0)] {
            assert_eq!(compared(observable, alone), None, "{observable:?}");
            // Negative control: what is known is compared, and refused.
            assert!(compared(observable, many).is_some_and(|z| z > 10.0), "{observable:?}");
        }
        // A current has either sign.
        assert!(compared(Observable::Current(0), alone).is_some());
    }
}
