//! Closed forms for a particle with inertia whose mean free path is short: Eqs 18-22 and C10, C19, C30,
//! C31 of the paper, corrected.
//!
//! # Formulas
//! One state with friction `gamma(x)` and force `F`, no current (walls). To first order in the mean free path
//! `l = sqrt(m kT)/gamma` over the length on which `T` varies, with `T` for `kT`,
//! ```text
//! P(x) = exp(int_0^x F/T dx')/(T N),     N the integral of the rest (int dx/T without force; Eq 18),     (1)
//! P(x, v) = P(x) M_T(v) [1 - (m/gamma) sqrt(T/m) (T'/6T) (u^3 - 3u)],  u = v sqrt(m/T)   (C10),          (2)
//! J_E = -T P T'/(2 gamma)                                  (Eq 22, C31: with 1/gamma, not D alone),      (3)
//! J_slow(V) = (m/(3 gamma T)) T' V^3 exp(-m V^2/2T) P/sqrt(2 pi T/m)
//!                                                   (C30 with the missing factor m/(3 gamma T)),         (4)
//! v* = sqrt(3T/m),   J_slow(v*) = P T' sqrt(3) exp(-3/2)/(gamma sqrt(2 pi)) = 0.154180 P T'/gamma .      (5)
//! ```
//! `M_T` is Maxwell's law. Hence `J_E/J_slow(v*) = -3.2430 T`.
//!
//! # When not to use it
//! Walls reflect (2) into its mirror image, so that heat flux and slow current vanish there: nearer than
//! about five mean free paths to a wall the formulas are wrong by more than 1 %, see
//! [`Local::paths_to_wall`]. The same holds near kinks of `T`. Several states: the overdamped limit is
//! [`stationary`](super::stationary) with frictions.

use super::element::Rule;
use super::functionals::{POINTS, integrate};
use super::{TheoryError, breakpoints, motilities};
use crate::model::{Boundary, Model, Motility};
use std::f64::consts::PI;

/// The closed forms for one model.
#[derive(Clone, Debug)]
pub struct Overdamped {
    model: Model,
    mass: f64,
    vertices: Vec<f64>,
    /// `int_0^x F/kT` at the vertices.
    exponents: Vec<f64>,
    norm: f64,
}

/// The closed forms at one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Local {
    /// Mass of the particle.
    pub mass: f64,
    /// Friction `gamma(x)`.
    pub friction: f64,
    /// `kT(x)`, an energy.
    pub thermal_energy: f64,
    /// Its derivative.
    pub slope: f64,
    /// Density `P(x)` (1).
    pub density: f64,
    /// Distance to the nearer wall in mean free paths `sqrt(m kT)/gamma` of this place: the formulas hold
    /// within 1 % from about five on.
    pub paths_to_wall: f64,
}

impl Overdamped {
    /// Checks the premises and normalises the density.
    ///
    /// # Errors
    /// [`TheoryError`]: more than one state, a diffusivity, a ring, or a mass, length, temperature or force
    /// out of range.
    pub fn new(model: &Model, mass: f64) -> Result<Self, TheoryError> {
        let [state] = model.network.states() else {
            return Err(TheoryError::Premise { must: "one state" });
        };
        if model.domain.walls != Boundary::Reflecting {
            return Err(TheoryError::Premise { must: "walls" });
        }
        if !matches!(state.motility, Motility::Friction(_)) {
            return Err(TheoryError::NoFriction { state: 0 });
        }
        if !(mass > 0.0 && mass.is_finite()) {
            return Err(TheoryError::Mass { state: 0, found: mass });
        }
        let mut points = breakpoints(model)?;
        let length = model.domain.length;
        points.extend((1..PIECES).map(|k| length * k as f64 / PIECES as f64));
        points.sort_by(f64::total_cmp);
        points.dedup_by(|a, b| (*a - *b).abs() <= 1e-13 * length);
        let mut law =
            Overdamped { model: model.clone(), mass, vertices: points, exponents: vec![0.0], norm: 1.0 };
        for k in 1..law.vertices.len() {
            let [lo, hi] = [law.vertices[k - 1], law.vertices[k]];
            motilities(model, 0.5 * (lo + hi))?;
            let rise = integrate(&law.vertices, lo, hi, |x| model.force_over_thermal_energy(0, x));
            if !rise.is_finite() {
                return Err(TheoryError::Force { state: 0, x: 0.5 * (lo + hi), found: rise });
            }
            law.exponents.push(law.exponents[k - 1] + rise);
        }
        // Relative to the highest density, whose exponential cannot overflow.
        let highest = law.exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        law.exponents.iter_mut().for_each(|e| *e -= highest);
        law.norm = integrate(&law.vertices, 0.0, length, |x| law.weight(x));
        Ok(law)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Positions between which everything is smooth, from wall to wall.
    pub(super) fn vertices(&self) -> &[f64] {
        &self.vertices
    }

    /// Distances from the left and the right wall within which the closed forms fail by more than 1 %: [`LAYER`] mean
    /// free paths of the wall.
    pub fn layers(&self) -> [f64; 2] {
        let length = self.model.domain.length;
        [0.0, length].map(|wall| {
            let local = self.at(wall);
            LAYER * libm::sqrt(local.mass * local.thermal_energy) / local.friction
        })
    }

    /// The density up to its norm.
    fn weight(&self, x: f64) -> f64 {
        let before = self.vertices.partition_point(|v| *v <= x).clamp(1, self.vertices.len() - 1) - 1;
        let force = |x: f64| self.model.force_over_thermal_energy(0, x);
        let rest = match self.model.has_force(0) {
            true => Rule::gauss(POINTS).on(self.vertices[before], x).map(|(x, w)| w * force(x)).sum(),
            false => 0.0,
        };
        libm::exp(self.exponents[before] + rest) / self.model.thermal_energy(x)
    }

    /// The closed forms at `x`.
    pub fn at(&self, x: f64) -> Local {
        let length = self.model.domain.length;
        let x = x.clamp(0.0, length);
        let (friction, thermal_energy) = (self.model.resistance(0, x), self.model.thermal_energy(x));
        let path = libm::sqrt(self.mass * thermal_energy) / friction;
        Local {
            mass: self.mass,
            friction,
            thermal_energy,
            slope: self.model.boltzmann * self.model.temperature.slope(x),
            density: self.weight(x) / self.norm,
            paths_to_wall: x.min(length - x) / path,
        }
    }
}

/// Nearer to a wall than so many mean free paths the closed forms fail by more than 1 %.
pub const LAYER: f64 = 5.0;

/// Pieces of the domain in quadratures.
const PIECES: usize = 32;

impl Local {
    /// Heat flux (3), energy/time.
    pub fn heat_current(&self) -> f64 {
        -self.thermal_energy * self.density * self.slope / (2.0 * self.friction)
    }

    /// Current of particles slower than `speed` (4), 1/time; that of the faster ones is its opposite.
    pub fn slow_current(&self, speed: f64) -> f64 {
        let u = speed * libm::sqrt(self.mass / self.thermal_energy);
        let gaussian = libm::exp(-0.5 * u * u) / libm::sqrt(2.0 * PI);
        u * u * u * gaussian * self.density * self.slope / (3.0 * self.friction)
    }

    /// `v* = sqrt(3 kT/m)`, where the slow current is largest.
    pub fn fastest_slow(&self) -> f64 {
        libm::sqrt(3.0 * self.thermal_energy / self.mass)
    }

    /// `P(x, v)/[P(x) M_T(v)] - 1` (2).
    pub fn deviation(&self, v: f64) -> f64 {
        let u = v * libm::sqrt(self.mass / self.thermal_energy);
        self.third_mode() * (u * u * u - 3.0 * u)
    }

    /// The factor of `u^3 - 3u` in it, which is `<u^3 - 3u>/6`.
    pub fn third_mode(&self) -> f64 {
        let path = libm::sqrt(self.mass * self.thermal_energy) / self.friction;
        -path * self.slope / (6.0 * self.thermal_energy)
    }

    /// `P(x, v)` (2), 1/(length velocity).
    pub fn phase_density(&self, v: f64) -> f64 {
        let maxwell = libm::sqrt(self.mass / (2.0 * PI * self.thermal_energy))
            * libm::exp(-0.5 * self.mass * v * v / self.thermal_energy);
        self.density * maxwell * (1.0 + self.deviation(v))
    }
}
