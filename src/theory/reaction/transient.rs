//! Concentrations of a mixture in time, from given profiles (Eqs 23, D1).
//!
//! # Method
//! Spectral elements as in [`steady`](super::steady); in time the Rosenbrock method RODAS of order 4(3) (Hairer
//! & Wanner, Solving Ordinary Differential Equations II, Springer 1996, IV.7), which solves six linear systems
//! with one matrix a step, damps what is fast, and conserves every total to rounding. Steps follow the embedded
//! error. Everything is computed twice, the second time in degree 12 instead of 8 and with a thirtieth of the
//! error per step: the difference is the estimate, the second is returned. Where it is too large the elements
//! are halved.
//!
//! # When not to trust it
//! Fronts that travel are resolved by elements that are narrow everywhere, not by elements that follow. A start
//! that is not at rest at a wall (`J_k != 0` there) forms a layer; what comes before the first time asked for
//! is not resolved.

use super::super::element::Reference;
use super::super::stationary::{bisect, graded};
use super::profiles::Profiles;
use super::system::{Shift, System, thinnest_layer};
use super::{TheoryError, between, motilities};
use crate::model::{Field, Mixture};
use std::sync::Arc;

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Error of a step, relative to the largest concentration of a species; between 1e-10 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused.
    pub limit: f64,
    /// Elements beyond which the mesh is not refined; at least 8.
    pub max_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-7, limit: 1e-5, max_elements: 400 }
    }
}

/// Most steps in time.
const MOST_STEPS: usize = 20_000;

/// Concentrations at several times.
#[derive(Clone, Debug)]
pub struct Transient {
    times: Vec<f64>,
    frames: Vec<Profiles>,
    estimate: f64,
}

impl Transient {
    /// The times asked for.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Concentrations at each of them, and what follows.
    pub fn frames(&self) -> &[Profiles] {
        &self.frames
    }

    /// Estimated error of concentrations, relative to the largest one of the species at that time, or to 1e-4 of the
    /// largest of any.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }
}

/// Solves from the profiles `start`, one per species, to all of `times`.
///
/// # Errors
/// [`TheoryError`]: times that are not positive and increasing, concentrations that are negative, coefficients
/// out of range; [`TheoryError::Unsteady`] where concentrations run away; an estimated error above
/// `options.limit`.
pub fn solve(
    mixture: &Mixture,
    start: &[Arc<dyn Field>],
    times: &[f64],
    options: &Options,
) -> Result<Transient, TheoryError> {
    check(mixture, start, times, options)?;
    let at = |x: f64| start.iter().map(|f| f.value(x)).collect::<Vec<f64>>();
    let points = between(mixture.domain.length, mixture.fields().chain(start), std::iter::empty())?;
    let mut mesh = graded(&points, |x| {
        let slowest = motilities(mixture, x)?.iter().fold(f64::INFINITY, |d, [w, g]| d.min(w / g));
        Ok(thinnest_layer(mixture, x, &at(x))?.min(libm::sqrt(slowest * times[0])))
    })?;
    let (coarse, fine) = (Reference::new(8), Reference::new(12));
    let mut estimate = f64::INFINITY;
    while mesh.len() <= options.max_elements {
        let rough = run(mixture, &System::new(mixture, &mesh, &coarse)?, &at, times, options.tolerance)?;
        let better =
            run(mixture, &System::new(mixture, &mesh, &fine)?, &at, times, options.tolerance / 30.0)?;
        estimate = better.iter().zip(&rough).fold(0.0, |worst, (b, r)| {
            let unlimited = vec![f64::INFINITY; start.len()];
            let largest =
                (0..=64).flat_map(|k| b.concentration_at(mixture.domain.length * f64::from(k) / 64.0));
            let least = 1e-4 * largest.fold(f64::MIN_POSITIVE, |m, c| m.max(c.abs()));
            f64::max(worst, b.difference(r, least, &unlimited))
        });
        if estimate <= options.limit {
            return Ok(Transient { times: times.to_vec(), frames: better, estimate });
        }
        mesh = bisect(&mesh, &vec![true; mesh.len() - 1]);
    }
    Err(TheoryError::NotConverged { estimate, limit: options.limit, elements: mesh.len() - 1 })
}

fn check(
    mixture: &Mixture,
    start: &[Arc<dyn Field>],
    times: &[f64],
    options: &Options,
) -> Result<(), TheoryError> {
    let Options { tolerance, limit, max_elements } = *options;
    let option = |option, must, found| Err(TheoryError::Option { option, must, found });
    if !(1e-10..=1e-2).contains(&tolerance) {
        return option("tolerance", "between 1e-10 and 1e-2", tolerance);
    }
    if !(limit > 0.0 && limit <= 1.0) {
        return option("limit", "positive and at most 1", limit);
    }
    if max_elements < 8 {
        return option("max_elements", "at least 8", max_elements as f64);
    }
    let mistake = |what, must, found| Err(TheoryError::Start { what, must, found });
    if start.len() != mixture.species().len() {
        return mistake("the number of profiles", "that of the species", start.len() as f64);
    }
    let mut before = 0.0;
    for &time in times {
        if !(time > before && time.is_finite()) {
            return mistake("a time", "positive, finite and later than the one before", time);
        }
        before = time;
    }
    if times.is_empty() {
        return mistake("the number of times", "at least 1", 0.0);
    }
    let length = mixture.domain.length;
    for (field, k) in start.iter().flat_map(|f| (0..=256).map(move |k| (f, k))) {
        let found = field.value(length * f64::from(k) / 256.0);
        if !(found >= 0.0 && found.is_finite()) {
            return mistake("a concentration", "finite and not negative", found);
        }
    }
    Ok(())
}

/// Coefficients of RODAS: `gamma`, `a_ij` of the places, `c_ij` of the increments; the last stage is the
/// embedded error.
const GAMMA: f64 = 0.25;
const PLACES: [&[f64]; 6] = [
    &[],
    &[1.544],
    &[0.9466785280815826, 0.2557011698983284],
    &[3.314825187068521, 2.896124015972201, 0.9986419139977817],
    &[1.221224509226641, 6.019134481288629, 12.53708332932087, -0.687886036105895],
    &[1.221224509226641, 6.019134481288629, 12.53708332932087, -0.687886036105895, 1.0],
];
const INCREMENTS: [&[f64]; 6] = [
    &[],
    &[-5.6688],
    &[-2.430093356833875, -0.2063599157091915],
    &[-0.1073529058151375, -9.594562251023355, -20.47028614809616],
    &[7.496443313967647, -10.24680431464352, -33.99990352819905, 11.7089089320616],
    &[8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
];

/// One step of length `dt`: the values after it, and the embedded error.
fn step(system: &System<'_>, v: &[f64], dt: f64) -> Result<(Vec<f64>, Vec<f64>), TheoryError> {
    let chain = system.factor(v, Shift { storage: 1.0 / (GAMMA * dt), stiffness: 1.0 })?;
    let mut stages: Vec<Vec<f64>> = Vec::new();
    let sum = |weights: &[f64], stages: &[Vec<f64>], mut to: Vec<f64>| {
        for (w, stage) in weights.iter().zip(stages) {
            to.iter_mut().zip(stage).for_each(|(t, s)| *t += w * s);
        }
        to
    };
    for (places, increments) in PLACES.iter().zip(INCREMENTS) {
        let mut rhs = system.residual(&sum(places, &stages, v.to_vec()));
        if !stages.is_empty() {
            let history = system.stored(&sum(increments, &stages, vec![0.0; v.len()]));
            rhs.iter_mut().zip(history).for_each(|(r, h)| *r += h / dt);
        }
        stages.push(system.solve(&chain, &rhs));
    }
    let error = stages[5].clone();
    let before = sum(PLACES[5], &stages, v.to_vec());
    Ok((before.iter().zip(&error).map(|(v, e)| v + e).collect(), error))
}

/// Concentrations at all times on one mesh.
fn run(
    mixture: &Mixture,
    system: &System<'_>,
    start: &impl Fn(f64) -> Vec<f64>,
    times: &[f64],
    tolerance: f64,
) -> Result<Vec<Profiles>, TheoryError> {
    let n = system.species;
    let load = system.load(start);
    let nothing = vec![0.0; load.len()];
    let chain = system.factor(&nothing, Shift { storage: 1.0, stiffness: 0.0 })?;
    // The projection that keeps every total.
    let mut v = system.solve(&chain, &load);
    let capacity = |k: usize| mixture.weight(k, 0.5 * mixture.domain.length) / system.scale[k];
    let capacities: Vec<f64> = (0..n).map(capacity).collect();
    let (mut time, mut dt) = (0.0, 1e-6 * times[0]);
    let mut frames = Vec::new();
    let mut taken = 0;
    for &target in times {
        while time < target {
            taken += 1;
            if taken > MOST_STEPS {
                return Err(TheoryError::Unsteady { why: "concentrations change too fast for too long" });
            }
            let last = time + dt >= target * (1.0 - 1e-12);
            let length = if last { target - time } else { dt };
            let (next, error) = step(system, &v, length)?;
            let most = |values: &[f64]| -> Vec<f64> {
                let mut most = vec![0.0f64; n];
                for node in values.chunks(n) {
                    most.iter_mut().zip(node).for_each(|(m, v)| *m = m.max(v.abs()));
                }
                most
            };
            let sizes = most(&next);
            let of_all = sizes.iter().zip(&capacities).map(|(v, s)| v / s).fold(f64::MIN_POSITIVE, f64::max);
            let scales = sizes.iter().zip(&capacities).map(|(v, s)| v.max(1e-4 * s * of_all));
            let found = most(&error).iter().zip(scales).fold(0.0, |worst: f64, (e, s)| {
                if (e / s).is_nan() { f64::INFINITY } else { worst.max(e / s) }
            });
            let factor = (0.9 * libm::pow(found / tolerance, -0.25)).clamp(0.1, 6.0);
            if found <= tolerance {
                time = if last { target } else { time + length };
                v = next;
                if !last || factor < 1.0 {
                    dt = length * factor;
                }
            } else {
                dt = length * factor.min(0.9);
                if dt <= 1e-14 * target {
                    return Err(TheoryError::Unsteady { why: "concentrations run away" });
                }
            }
        }
        frames.push(Profiles::new(mixture, system, &v)?);
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kinetics, Reaction, Species, Uniform};

    #[test]
    fn steps_are_of_order_four_and_damp_what_is_fast() {
        // A <-> B at a rate beyond all steps, 2 A -> 0: with A = B, c = c_0/(1 + k c_0 t).
        let species = vec![Species::new("A", 0.0, 1.0, 1), Species::new("B", 0.0, 1.0, 1)];
        let field = |k: f64| -> Option<Arc<dyn Field>> { Some(Arc::new(Uniform(k))) };
        let exchange = |k| Kinetics::Given { forward: field(k), backward: field(k) };
        let loss = || Reaction::new(&[0, 0], &[], Kinetics::Given { forward: field(0.5), backward: None });
        let error = |fast: f64, steps: u32| {
            let reactions = vec![Reaction::new(&[0], &[1], exchange(fast)), loss()];
            let mixture = Mixture::new(1.0, Uniform(1.0), species.clone(), reactions).expect("a mixture");
            let reference = Reference::new(2);
            let system = System::new(&mixture, &[0.0, 1.0], &reference).expect("a system");
            let mut v = system.interpolate(|_| vec![3.0, 3.0]);
            for _ in 0..steps {
                v = step(&system, &v, 1.0 / f64::from(steps)).expect("a step").0;
            }
            0.5 * (v[0] + v[1]) - 3.0 / 2.5
        };
        let slow = |steps| {
            // Without B's share: c' = -2 k c^2.
            let mixture = Mixture::new(1.0, Uniform(1.0), species.clone(), vec![loss()]).expect("a mixture");
            let reference = Reference::new(2);
            let system = System::new(&mixture, &[0.0, 1.0], &reference).expect("a system");
            let mut v = system.interpolate(|_| vec![3.0, 0.0]);
            for _ in 0..steps {
                v = step(&system, &v, 1.0 / f64::from(steps)).expect("a step").0;
            }
            v[0] - 3.0 / 4.0
        };
        let ratio = slow(16) / slow(32);
        assert!((13.0..20.0).contains(&ratio), "{ratio}");
        assert!(error(1e9, 16).abs() < 1e-4 && error(1e9, 64).abs() < 1e-6);
    }
}
