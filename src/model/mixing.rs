//! Rough answers to two questions that every run asks: where are the particles about, and how long do they
//! remember where they began? Good for starts, burn-ins and warnings; **not** for comparisons.

use super::{Boundary, Coordinates, Model, Reach};

/// Places at which profiles are sampled.
const SAMPLES: usize = 257;

impl Model {
    /// The density that fast transitions would give, up to a factor, at equally spaced points from wall to
    /// wall: local occupancies `p_i(x)`, and `P(x)` from `sum_i J_i = 0`. On a ring it need not close where a
    /// force drives a current; it is then uniform.
    pub fn fast_profile(&self, points: usize) -> Vec<f64> {
        let step = self.domain.length / (points - 1) as f64;
        let states = 0..self.network.states().len();
        // Of a state with unit density over an interval: what flows right from its left end, and back, times
        // the step; Scharfetter & Gummel, IEEE Trans. Electron Devices 16, 64 (1969).
        let flow = |s: usize, x: f64, to: f64| {
            let middle = 0.5 * (x + to);
            let tilt =
                if self.has_force(s) { self.force_over_thermal_energy(s, middle) * (to - x) } else { 0.0 };
            self.weight(s, x) / self.drag(s, middle) * bernoulli(-tilt)
        };
        let mut density = vec![1.0];
        let mut occupancy = self.local_equilibrium(0.0);
        for k in 1..points {
            let (x, to) = ((k - 1) as f64 * step, k as f64 * step);
            let next = self.local_equilibrium(to);
            let forth: f64 = states.clone().map(|s| occupancy[s] * flow(s, x, to)).sum();
            let back: f64 = states.clone().map(|s| next[s] * flow(s, to, x)).sum();
            let ratio = (forth / back).clamp(1e-12, 1e12);
            density.push((density[k - 1] * ratio).clamp(1e-200, 1e200));
            occupancy = next;
        }
        let largest = density.iter().copied().fold(0.0, f64::max);
        density.iter_mut().for_each(|p| *p /= largest);
        let closes = (density[points - 1] / density[0] - 1.0).abs() < 1e-3;
        if self.domain.walls == Boundary::Periodic && !closes {
            density.fill(1.0);
        }
        density
    }

    /// What slows a state down: its [`Model::resistance`], and with inertia `pi^2 sqrt(m kT)/L` besides, by which a free flight
    /// across the domain takes `L/sqrt(kT/m)`.
    fn drag(&self, state: usize, x: f64) -> f64 {
        let flight = self.network.states()[state].mass.map_or(0.0, |mass| {
            let pi = std::f64::consts::PI;
            pi * pi * libm::sqrt(mass * self.thermal_energy(x)) / self.domain.length
        });
        self.resistance(state, x) + flight
    }

    /// How long the slowest part of the system remembers its beginning, roughly: the slowest diffusive mode
    /// when states mix fast, and `sum_edges 1/(k_f + k_b)` at the place where each is slowest. With inertia,
    /// the time of a free flight across and the memory of velocities, `m/gamma`, besides.
    ///
    /// The first is 1.6 times Muckenhoupt's constant `max_x P(beyond x) int_m^x 1/(<D> P)` from the median
    /// `m`, which bounds the inverse of the spectral gap from below, and four times which from above
    /// (Muckenhoupt, Studia Math. 44, 31 (1972)); without a force it is `L^2/(pi^2 D)`. The second bounds how
    /// long states take to mix.
    ///
    /// With internal coordinates: `L^2/(pi^2 <D>)` by Boltzmann's weights along each coordinate, 1.6 times Muckenhoupt's constant of the
    /// slowest coordinate, and of the transitions what they take without coordinates.
    pub fn relaxation_time(&self) -> f64 {
        if let Some(coordinates) = &self.coordinates
            && let Ok(reach) = self.coordinate_reach()
        {
            return self.memory_within(coordinates, &reach);
        }
        let step = self.domain.length / (SAMPLES - 1) as f64;
        let at = |k: usize| k as f64 * step;
        let mut density = self.fast_profile(SAMPLES);
        let sum: f64 = density.iter().sum::<f64>() * step;
        density.iter_mut().for_each(|p| *p /= sum);
        let (mut mobile, mut slowest_mixing) = (Vec::with_capacity(SAMPLES), 0.0f64);
        // The mean of gamma/m over places and states: how fast velocities are forgotten.
        let (inertia, mut damping) = (self.is_underdamped(), 0.0);
        for (k, here) in density.iter().enumerate() {
            let p = self.local_equilibrium(at(k));
            let mean = |of: &dyn Fn(usize) -> f64| p.iter().enumerate().map(|(s, p)| p * of(s)).sum::<f64>();
            mobile.push(mean(&|s| self.weight(s, at(k)) / self.drag(s, at(k))));
            if inertia {
                let mass = |s: usize| self.network.states()[s].mass.unwrap_or(f64::INFINITY);
                damping += here * step * mean(&|s| self.resistance(s, at(k)) / mass(s));
            }
            let rates: Vec<f64> = self.network.channels().map(|c| self.rate(c, at(k))).collect();
            let mixing =
                rates.chunks(2).map(|pair| 1.0 / (pair[0] + pair[1])).filter(|t| t.is_finite()).sum();
            slowest_mixing = slowest_mixing.max(mixing);
        }
        let resistance = |k: usize| 2.0 * step / (mobile[k] * density[k] + mobile[k + 1] * density[k + 1]);
        let slowest = muckenhoupt(&density, step, resistance);
        1.62 * slowest + slowest_mixing + if inertia { 1.0 / damping } else { 0.0 }
    }

    fn memory_within(&self, coordinates: &Coordinates, reach: &Reach) -> f64 {
        let (mut across, mut inside, mut mixing) = (0.0f64, 0.0f64, 0.0f64);
        for x in [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| share * self.domain.length) {
            let thermal = self.thermal_energy(x);
            for state in 0..self.network.states().len() {
                for (axis, [low, high]) in reach.ends.iter().enumerate() {
                    let step = (high - low) / SAMPLES as f64;
                    let at = |k: usize| {
                        let mut q = reach.bottom.clone();
                        q[axis] = low + (k as f64 + 0.5) * step;
                        q
                    };
                    let energy: Vec<f64> =
                        (0..SAMPLES).map(|k| coordinates.energy(state, x, &at(k))).collect();
                    let lowest = energy.iter().copied().fold(f64::INFINITY, f64::min);
                    let mut weight: Vec<f64> =
                        energy.iter().map(|e| libm::exp((lowest - e) / thermal).max(1e-200)).collect();
                    let sum: f64 = weight.iter().sum::<f64>() * step;
                    weight.iter_mut().for_each(|w| *w /= sum);
                    let mobile: f64 = (0..SAMPLES)
                        .map(|k| weight[k] * step * self.diffusivity_within(state, x, &at(k)))
                        .sum();
                    across = across.max(1.0 / mobile);
                    let noise = self.internal_diffusivity(axis, x);
                    let slow =
                        muckenhoupt(&weight, step, |k| step * 2.0 / (noise * (weight[k] + weight[k + 1])));
                    inside = inside.max(1.62 * slow);
                }
            }
            let rates: Vec<f64> = self.network.channels().map(|c| self.rate(c, x)).collect();
            let times = rates.chunks(2).map(|pair| 1.0 / (pair[0] + pair[1]));
            mixing = mixing.max(times.filter(|t| t.is_finite()).sum());
        }
        let pi = std::f64::consts::PI;
        self.domain.length * self.domain.length / (pi * pi) * across + inside + mixing
    }
}

/// `max_x P(beyond x) int_m^x 1/(D P)` from the median `m`, for a density at points so far apart and the resistance of the
/// intervals between them.
fn muckenhoupt(density: &[f64], step: f64, resistance: impl Fn(usize) -> f64) -> f64 {
    let mut left = 0.0;
    let below: Vec<f64> = density
        .windows(2)
        .map(|pair| {
            left += 0.5 * (pair[0] + pair[1]) * step;
            left
        })
        .collect();
    let median = below.partition_point(|b| *b < 0.5).min(below.len() - 1);
    let (mut slowest, mut up, mut down) = (0.0f64, 0.0, 0.0);
    for (k, below) in below.iter().enumerate().skip(median) {
        up += resistance(k);
        slowest = slowest.max((1.0 - below).max(0.0) * up);
    }
    for k in (0..=median).rev() {
        down += resistance(k);
        slowest = slowest.max(below[k] * down);
    }
    slowest
}

/// `z/(exp(z) - 1)`.
fn bernoulli(z: f64) -> f64 {
    if z.abs() < 1e-8 { 1.0 - 0.5 * z } else { z / libm::expm1(z.clamp(-700.0, 700.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{State, Uniform};
    use std::sync::Arc;

    fn one_state(potential: &str) -> Model {
        let mut model = Model::new(1.0, Uniform(0.5), vec![State::new("only", 0.0, 0.1)], vec![]).unwrap();
        model.potential = Some(Arc::new(Expression::parse(potential, &["x"], &[]).unwrap()));
        model
    }

    #[test]
    fn profiles_are_boltzmann_at_uniform_temperature() {
        let profile = one_state("sin(6*x)").fast_profile(1001);
        for k in 0..=1000 {
            let x = f64::from(k) / 1000.0;
            let ratio = libm::exp(-libm::sin(6.0 * x) / 0.5);
            assert!((profile[k as usize] / profile[0] / ratio - 1.0).abs() < 1e-4, "{x}");
        }
    }

    #[test]
    fn relaxation_is_that_of_the_slowest_mode() {
        let free = one_state("0").relaxation_time() * 0.1 * std::f64::consts::PI.powi(2);
        assert!((free - 1.0).abs() < 0.05, "{free}");
        // In a stiff parabola the slowest rate is D U''/T: 0.1 * 100/0.5 = 20.
        let bound = one_state("50*(x - 0.5)^2").relaxation_time() * 20.0;
        assert!((0.4..1.7).contains(&bound), "{bound}");
        // Over a barrier of 4 kT: Kramers, 2 pi/(D/T sqrt(U''_well |U''_top|)) exp(4)/2 to a factor of two.
        let over = one_state("-cos(4*pi*x)").relaxation_time();
        let kramers =
            0.5 * 2.0 * std::f64::consts::PI / (0.2 * 16.0 * std::f64::consts::PI.powi(2)) * libm::exp(4.0);
        assert!((0.3..3.0).contains(&(over / kramers)), "{over} {kramers}");
    }

    /// A free particle of this mass and friction in a box of length 2 at kT = 0.5.
    fn inertia(mass: f64, friction: impl crate::model::Field + 'static) -> Model {
        let mut state = State::new("only", 0.0, 1.0);
        (state.motility, state.mass) = (crate::model::Motility::Friction(Arc::new(friction)), Some(mass));
        Model::new(2.0, Uniform(0.5), vec![state], vec![]).unwrap()
    }

    #[test]
    fn with_inertia_flights_and_velocities_take_their_time() {
        let pi = std::f64::consts::PI;
        for (mass, friction) in [(1.0, 100.0), (1.0, 1.0), (0.01, 0.1), (3.0, 1e-3)] {
            let time = inertia(mass, Uniform(friction)).relaxation_time();
            let diffusion = 4.0 * friction / (pi * pi * 0.5);
            let expected = diffusion + 2.0 / libm::sqrt(0.5 / mass) + mass / friction;
            assert!((time / expected - 1.0).abs() < 0.05, "{mass} {friction}: {time} {expected}");
        }
        // A friction that vanishes in places, or everywhere.
        let half = Expression::parse("max(0, x - 1)", &["x"], &[]).unwrap();
        let time = inertia(1.0, half).relaxation_time();
        assert!(time > 4.0 && time < 20.0, "{time}");
        assert_eq!(inertia(1.0, Uniform(0.0)).relaxation_time(), f64::INFINITY);
        let profile = inertia(1.0, Uniform(0.0)).fast_profile(9);
        assert!(profile.iter().all(|p| (p - 1.0).abs() < 1e-12), "{profile:?}");
    }
}
