//! Rough answers to two questions that every run asks: where are the particles about, and how long do they
//! remember where they began? Good for starts, burn-ins and warnings; **not** for comparisons.

use super::{Boundary, Model, Reach};

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
    pub fn relaxation_time(&self) -> f64 {
        if let (Some(_), Ok(reach)) = (&self.coordinates, self.coordinate_reach()) {
            return self.relaxation_time_within(&reach);
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
        let slowest = slowest_mode(&density, &mobile, step);
        slowest + slowest_mixing + if inertia { 1.0 / damping } else { 0.0 }
    }

    /// The same with internal coordinates: the slowest mode along x of a particle whose coordinates are always at
    /// equilibrium, `L^2/(pi^2 <D>)` without a force, then that of each coordinate in the free energy that averages over the
    /// others leave, where it is slowest, and the mixing of states.
    fn relaxation_time_within(&self, reach: &Reach) -> f64 {
        const PLACES: usize = 33;
        let length = self.domain.length;
        let at = |k: usize| length * k as f64 / (PLACES - 1) as f64;
        let step = length / (PLACES - 1) as f64;
        let states = 0..self.network.states().len();
        let (mut mobile, mut density) = (Vec::new(), Vec::new());
        let (mut tilt, mut before) = (0.0, 0.0);
        let (mut inner, mut mixing) = (vec![0.0f64; reach.ends.len()], 0.0f64);
        for k in 0..PLACES {
            let x = at(k);
            let slices: Vec<Slice> = states.clone().map(|s| self.slice(s, x, reach)).collect();
            let most = slices.iter().map(|s| s.weight).fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = slices.iter().map(|s| libm::exp(s.weight - most)).collect();
            let sum: f64 = shares.iter().sum();
            let mean = |of: &dyn Fn(&Slice) -> f64| {
                slices.iter().zip(&shares).map(|(s, p)| p * of(s)).sum::<f64>() / sum
            };
            let (diffusivity, pull) = (mean(&|s| s.diffusivity), mean(&|s| s.pull));
            // d_x ln(<D> P) = -<D d_x E>/(kT <D>), by the trapezoidal rule.
            let slope = pull / diffusivity;
            tilt -= if k == 0 { 0.0 } else { 0.5 * step * (before + slope) };
            before = slope;
            mobile.push(diffusivity);
            density.push(libm::exp(tilt.clamp(-460.0, 460.0)) / diffusivity);
            if k % 8 == 0 {
                for (axis, longest) in inner.iter_mut().enumerate() {
                    let noise = vec![self.internal_diffusivity(axis, x); slices[0].along[axis].len()];
                    let width = (reach.ends[axis][1] - reach.ends[axis][0]) / noise.len() as f64;
                    let times = slices.iter().map(|s| slowest_mode(&s.along[axis], &noise, width));
                    *longest = times.fold(*longest, f64::max);
                }
            }
            let rates: Vec<f64> = self.network.channels().map(|c| self.rate(c, x)).collect();
            let slow = rates.chunks(2).map(|pair| 1.0 / (pair[0] + pair[1])).filter(|t| t.is_finite()).sum();
            mixing = mixing.max(slow);
        }
        slowest_mode(&density, &mobile, step) + inner.iter().sum::<f64>() + mixing
    }

    /// Averages over the box of the coordinates, by Boltzmann's weights of a state at `x`.
    fn slice(&self, state: usize, x: f64, reach: &Reach) -> Slice {
        let axes = reach.ends.len();
        // Points along each coordinate: in all some thousand at most.
        let count = if axes == 1 { 512 } else { (libm::pow(4096.0, 1.0 / axes as f64) as usize).max(4) };
        let kt = self.thermal_energy(x);
        let mut q = vec![0.0; axes];
        let place = |number: usize, q: &mut [f64]| {
            let mut rest = number;
            for ([lo, hi], q) in reach.ends.iter().zip(q) {
                *q = lo + (hi - lo) * ((rest % count) as f64 + 0.5) / count as f64;
                rest /= count;
            }
        };
        let points = count.pow(axes as u32);
        let mut energies = Vec::with_capacity(points);
        for number in 0..points {
            place(number, &mut q);
            energies.push(self.energy_within(state, x, &q) / kt);
        }
        let lowest = energies.iter().copied().fold(f64::INFINITY, f64::min);
        let mut along = vec![vec![0.0; count]; axes];
        let (mut sum, mut diffusivity, mut pull) = (0.0, 0.0, 0.0);
        for (number, energy) in energies.iter().enumerate() {
            let weight = libm::exp(lowest - energy);
            if weight == 0.0 {
                continue;
            }
            place(number, &mut q);
            let here = self.diffusivity_within(state, x, &q);
            sum += weight;
            diffusivity += weight * here;
            pull += weight * here * self.energy_slope_within(state, x, &q) / kt;
            let mut rest = number;
            for line in &mut along {
                line[rest % count] += weight;
                rest /= count;
            }
        }
        let entropy = self.network.states()[state].entropy;
        Slice {
            weight: libm::log(sum) - lowest + entropy,
            diffusivity: diffusivity / sum,
            pull: pull / sum,
            along,
        }
    }
}

/// Averages over internal coordinates in one state at one place.
struct Slice {
    /// `ln int exp(-E/kT + s) dq`, up to a constant.
    weight: f64,
    /// `<D>`.
    diffusivity: f64,
    /// `<D d_x E>/kT`.
    pull: f64,
    /// The weights along each coordinate, summed over the others.
    along: Vec<Vec<f64>>,
}

/// The slowest time of a diffusion with this density, up to a factor, and diffusivity: see [`Model::relaxation_time`]. Tails are
/// summed from their ends, because they are tiny where the resistance is huge.
fn slowest_mode(density: &[f64], mobile: &[f64], step: f64) -> f64 {
    let intervals = density.len() - 1;
    let share = |k: usize| 0.5 * (density[k] + density[k + 1]) * step;
    let sum: f64 = (0..intervals).map(share).sum();
    let resistance = |k: usize| {
        let flow = mobile[k] * density[k] + mobile[k + 1] * density[k + 1];
        if flow > 0.0 { 2.0 * step / flow } else { 0.0 }
    };
    let mut left = 0.0;
    let below: Vec<f64> = (0..intervals)
        .map(|k| {
            left += share(k);
            left / sum
        })
        .collect();
    let mut above = vec![0.0; intervals];
    let mut right = 0.0;
    for k in (0..intervals).rev() {
        above[k] = right / sum;
        right += share(k);
    }
    let median = below.partition_point(|b| *b < 0.5).min(intervals - 1);
    let (mut slowest, mut up, mut down) = (0.0f64, 0.0, 0.0);
    for (k, above) in above.iter().enumerate().skip(median) {
        up += resistance(k) * sum;
        slowest = slowest.max(above * up);
    }
    for k in (0..=median).rev() {
        down += resistance(k) * sum;
        slowest = slowest.max(below[k] * down);
    }
    1.62 * slowest
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

    #[test]
    fn coordinates_take_their_time() {
        use crate::model::{Axis, Coordinates, Landscape};
        let time = |potential: &str, diffusivity: &str| {
            let mut model = one_state("0");
            let surface = |source: &str| Landscape::new(source, &["q"], &[], Arc::new(Uniform(0.5))).unwrap();
            let (u, d) = (surface(potential), surface(diffusivity));
            model.coordinates = Some(Coordinates::new(vec![Axis::new("q", 1.0)], u, d));
            model.relaxation_time()
        };
        // 1/(mu U'') = 1 along q, known to a factor of two; next to nothing along x.
        let harmonic = time("q^2/2", "100*q^2");
        assert!((0.5..2.5).contains(&harmonic), "{harmonic}");
        // Next to that, L^2/(pi^2 <D>) with <D> = 0.01 kT along x.
        let slow = time("q^2/2", "0.01*q^2") * 0.005 * std::f64::consts::PI.powi(2);
        assert!((0.9..1.4).contains(&slow), "{slow}");
        // Over a barrier of 16 kT, by Kramers: 1/(k + k).
        let kramers = std::f64::consts::PI / libm::sqrt(64.0 * 32.0) * libm::exp(16.0);
        let over = time("8*(q^2 - 1)^2", "1") / kramers;
        assert!((0.5..2.5).contains(&over), "{over}");
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
