//! How far particles come in a homogeneous space: moments of the displacement with internal states.
//!
//! Where temperature, diffusivities and drift velocities do not depend on x and no potential acts, the moments
//! `m_k,i(t) = <[x(t) - x(0)]^k 1(state = i)>` obey a closed linear system,
//!
//! `d_t m_k,i = sum_j K_ij m_k,j + k v_i m_{k-1,i} + k (k - 1) D_i m_{k-2,i}`,
//!
//! solved by the exponential of its matrix: switching diffusion, run-and-tumble and all between, at any time
//! and from any occupancy. **Not for** walls: the displacement is the one on a ring, laps included.

use crate::model::Model;

/// Highest moment.
const MOST: usize = 4;

/// The first four moments of the displacement after `time`, from given occupancies: length, length^2, ...
///
/// `None` where something depends on x.
pub fn moments(model: &Model, occupancy: &[f64], time: f64) -> Option<[f64; MOST]> {
    let states = model.network.states();
    let n = states.len();
    model.temperature.constant()?;
    let diffusivity: Vec<f64> = (0..n).map(|s| model.constant_diffusivity(s)).collect::<Option<_>>()?;
    let drift: Option<Vec<f64>> =
        states.iter().map(|s| s.drift.as_ref().map_or(Some(0.0), |v| v.constant())).collect();
    let drift = drift?;
    if (0..n).any(|s| model.potentials(s).next().is_some()) || occupancy.len() != n {
        return None;
    }
    let channels: Vec<_> = model.network.channels().map(|c| (c, model.rate(c, 0.0))).collect();
    let homogeneous = |c: &(crate::model::Channel, f64)| {
        let bounds = model.rate_bounds(c.0, crate::expression::Interval::new(0.0, model.domain.length));
        bounds.width() <= 1e-9 * bounds.magnitude()
    };
    if !channels.iter().all(homogeneous) {
        return None;
    }
    let size = (MOST + 1) * n;
    let mut matrix = vec![vec![0.0; size]; size];
    for k in 0..=MOST {
        for (channel, rate) in &channels {
            matrix[k * n + channel.to][k * n + channel.from] += rate * time;
            matrix[k * n + channel.from][k * n + channel.from] -= rate * time;
        }
        for s in 0..n {
            if k >= 1 {
                matrix[k * n + s][(k - 1) * n + s] += k as f64 * drift[s] * time;
            }
            if k >= 2 {
                matrix[k * n + s][(k - 2) * n + s] += (k * (k - 1)) as f64 * diffusivity[s] * time;
            }
        }
    }
    let propagator = exponential(matrix);
    let moment = |k: usize| -> f64 {
        let rows = propagator[k * n..(k + 1) * n].iter();
        rows.map(|row| row.iter().zip(occupancy).map(|(a, p)| a * p).sum::<f64>()).sum()
    };
    let result = [moment(1), moment(2), moment(3), moment(4)];
    result.iter().all(|m| m.is_finite()).then_some(result)
}

/// `exp(A)` by scaling, a Taylor polynomial of degree 18 and squaring.
fn exponential(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let norm = a.iter().map(|row| row.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    let squarings = libm::ceil(libm::log2(norm.max(1e-300) / 0.5)).clamp(0.0, 1000.0) as i32;
    a.iter_mut().flatten().for_each(|v| *v = libm::ldexp(*v, -squarings));
    let size = a.len();
    let identity = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
    let mut sum: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| identity(i, j)).collect()).collect();
    // Horner: 1 + A (1 + A/2 (1 + A/3 (...))).
    for k in (1..=18).rev() {
        sum = product(&a, &sum);
        for (i, row) in sum.iter_mut().enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                *v = *v / f64::from(k) + identity(i, j);
            }
        }
    }
    for _ in 0..squarings {
        sum = product(&sum, &sum);
    }
    sum
}

fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let size = a.len();
    let mut result = vec![vec![0.0; size]; size];
    for (row, to) in a.iter().zip(&mut result) {
        for (factor, other) in row.iter().zip(b) {
            if *factor != 0.0 {
                for (sum, v) in to.iter_mut().zip(other) {
                    *sum += factor * v;
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Boundary, Edge, RateLaw, State, Uniform};
    use std::sync::Arc;

    fn model(states: Vec<State>, rates: Option<[f64; 2]>) -> Model {
        let free = |k: f64| Some(Arc::new(Uniform(k)) as Arc<dyn crate::model::Field>);
        let law = rates.map(|[f, b]| RateLaw::Free { forward: free(f), backward: free(b) });
        let edges = law.into_iter().map(|law| Edge { between: [0, 1], law }).collect();
        let mut model = Model::new(1.0, Uniform(1.0), states, edges).unwrap();
        model.domain.walls = Boundary::Periodic;
        model
    }

    #[test]
    fn free_diffusion_with_drift() {
        let state = State { drift: Some(Arc::new(Uniform(0.3))), ..State::new("a", 0.0, 0.1) };
        let [m1, m2, m3, m4] = moments(&model(vec![state], None), &[1.0], 5.0).unwrap();
        let (mean, variance) = (1.5f64, 1.0);
        let exact = [
            mean,
            mean * mean + variance,
            mean * mean * mean + 3.0 * mean * variance,
            mean.powi(4) + 6.0 * mean * mean * variance + 3.0 * variance * variance,
        ];
        for (found, exact) in [m1, m2, m3, m4].into_iter().zip(exact) {
            assert!((found / exact - 1.0).abs() < 1e-12, "{found} {exact}");
        }
    }

    #[test]
    fn switching_diffusion() {
        // m_2 = 2 <D> t; fourth cumulant 12 * double integral of Cov(D(t1), D(t2)), exponential memory.
        let states = vec![State::new("a", 0.0, 1.0), State::new("b", 0.0, 0.1)];
        let (a, b) = (0.7, 0.4);
        let p = [b / (a + b), a / (a + b)];
        for t in [0.01, 1.0, 30.0] {
            let [m1, m2, _, m4] = moments(&model(states.clone(), Some([a, b])), &p, t).unwrap();
            let mean = p[0] + 0.1 * p[1];
            let covariance = p[0] * p[1] * 0.81;
            let k = a + b;
            let twice = 2.0 * (k * t - 1.0 + libm::exp(-k * t)) / (k * k);
            let fourth = 3.0 * m2 * m2 + 12.0 * covariance * twice;
            assert!(m1.abs() < 1e-12 && (m2 / (2.0 * mean * t) - 1.0).abs() < 1e-11, "{t}");
            assert!((m4 / fourth - 1.0).abs() < 1e-9, "{t}: {m4} {fourth}");
        }
    }

    #[test]
    fn run_and_tumble() {
        // Persistent motion: m_2 = 2 D t + 2 v^2 (k t - 1 + exp(-k t))/k^2 with k the sum of both rates.
        let state =
            |v: f64| State { drift: Some(Arc::new(Uniform(v))), ..State::new(format!("{v}"), 0.0, 0.02) };
        let (v, k, t) = (0.5, 3.0, 2.0);
        let model = model(vec![state(v), state(-v)], Some([0.5 * k; 2]));
        let m2 = moments(&model, &[0.5, 0.5], t).unwrap()[1];
        let exact = 2.0 * 0.02 * t + 2.0 * v * v * (k * t - 1.0 + libm::exp(-k * t)) / (k * k);
        assert!((m2 / exact - 1.0).abs() < 1e-11, "{m2} {exact}");
    }
}
