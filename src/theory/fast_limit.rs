//! Closed forms for transitions much faster than diffusion (Eqs 9-13 of the paper).
//!
//! # Equations
//! With Boltzmann occupancies `p_i(x) ~ exp(-E_i/T(x))`, `<D> = sum_i p_i D_i`, and averages
//! `<.>_D` with the weights `w_i = p_i D_i/<D>`,
//! ```text
//! P_tot = C/<D>,                           C = 1/int dx/<D>,
//! S_T   = d_T ln<D> = Cov(E, D)/(<D> T^2),
//! J_i   = -C d_x w_i = -C w_i (E_i - <E>_D) T'/T^2,
//! J_E   = -(T'/T^2) P_tot <D> Var_D(E) .
//! ```
//! (With temperatures in kelvin there is one factor `k_B` in the denominator of `S_T`, not `k_B^2`
//! as in B6.)
//!
//! # When not to use it
//! Within a few layer lengths of a wall, a kink or a jump of `T(x)`: there currents bend to zero (or
//! across the kink) for every finite rate. [`FastLimit::layer_lengths`] says how far that reaches.
//! Networks that do work have other occupancies and are refused.

use super::element::Rule;
use super::functionals::{POINTS, Profile, integrate, reference};
use super::linear::symmetric_eigenvalues;
use super::{TheoryError, breakpoints, rates, temperature};
use crate::grid::Grid;
use crate::model::Model;
use crate::observable::Observable;

/// The fast-reaction limit of a model.
#[derive(Clone, Debug)]
pub struct FastLimit {
    model: Model,
    vertices: Vec<f64>,
    /// `C = sum_i D_i P_i`.
    constant: f64,
}

impl FastLimit {
    /// The limit for this model.
    ///
    /// # Errors
    /// [`TheoryError::Length`], [`TheoryError::Temperature`]; [`TheoryError::Driven`] if an edge
    /// does work, since the occupancies are not Boltzmann's then.
    pub fn new(model: &Model) -> Result<Self, TheoryError> {
        let mut driven =
            model.network.channels().filter(|c| model.exchange(*c, 0.0).is_none_or(|e| e.work != 0.0));
        if let Some(channel) = driven.next() {
            return Err(TheoryError::Driven { edge: channel.edge });
        }
        let mut limit = FastLimit { model: model.clone(), vertices: breakpoints(model)?, constant: 1.0 };
        limit.refine()?;
        let length = model.domain.length;
        let norm = integrate(&limit.vertices, 0.0, length, |x| 1.0 / limit.mean_diffusivity(x));
        limit.constant = 1.0 / norm;
        Ok(limit)
    }

    /// Bisects pieces until Gauss quadrature of `T`, `1/<D>` and every occupancy has converged.
    fn refine(&mut self) -> Result<(), TheoryError> {
        let rule = Rule::gauss(POINTS);
        let length = self.model.domain.length;
        let integrals = |a: f64, b: f64| -> Result<Vec<f64>, TheoryError> {
            let mut sums = vec![0.0; self.model.network.states().len() + 2];
            for (x, w) in rule.on(a, b) {
                sums[0] += w * temperature(&self.model, x)?;
                sums[1] += w / self.mean_diffusivity(x);
                let occupancy = self.model.local_equilibrium(x);
                sums[2..].iter_mut().zip(occupancy).for_each(|(s, p)| *s += w * p);
            }
            Ok(sums)
        };
        let mut vertices = vec![0.0];
        let mut open: Vec<(f64, f64)> =
            self.vertices.windows(2).rev().map(|ends| (ends[0], ends[1])).collect();
        while let Some((a, b)) = open.pop() {
            let middle = 0.5 * (a + b);
            let (left, right) = (integrals(a, middle)?, integrals(middle, b)?);
            let converged = integrals(a, b)?
                .iter()
                .zip(left.iter().zip(&right))
                .all(|(w, (l, r))| (w - l - r).abs() <= 1e-14 * (w.abs() + (l + r).abs() * length / (b - a)));
            if converged || b - a < 1e-9 * length {
                vertices.push(b);
            } else {
                open.extend([(middle, b), (a, middle)]);
            }
        }
        self.vertices = vertices;
        Ok(())
    }

    /// Mean diffusivity `<D>(x) = sum_i p_i D_i`, length^2/time.
    pub fn mean_diffusivity(&self, x: f64) -> f64 {
        let occupancy = self.model.local_equilibrium(x);
        occupancy.iter().enumerate().map(|(s, p)| p * self.model.diffusivity(s, x)).sum()
    }

    /// Densities `P_i = p_i C/<D>` (Eq 9), 1/length.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        let total = self.constant / self.mean_diffusivity(x);
        self.model.local_equilibrium(x).iter().map(|p| p * total).collect()
    }

    /// Local Soret coefficient `S_T(x) = Cov(E, D)/(<D> T^2)` (Eq 10), 1/temperature.
    pub fn soret_at(&self, x: f64) -> f64 {
        let (occupancy, states) = (self.model.local_equilibrium(x), self.model.network.states());
        let mean: f64 = occupancy.iter().zip(states).map(|(p, s)| p * s.energy).sum();
        let pairs = occupancy.iter().zip(states);
        let terms = pairs.enumerate().map(|(i, (p, s))| p * (s.energy - mean) * self.model.diffusivity(i, x));
        let covariance: f64 = terms.sum();
        let t = self.model.temperature.value(x);
        covariance / (self.mean_diffusivity(x) * t * t)
    }

    /// Currents `J_i = -C w_i (E_i - <E>_D) T'/T^2` away from walls and kinks, 1/time.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        let (weights, mean) = self.weights(x);
        let t = self.model.temperature.value(x);
        let drive = -self.constant * self.model.temperature.slope(x) / (t * t);
        let pairs = weights.iter().zip(self.model.network.states());
        pairs.map(|(w, s)| drive * w * (s.energy - mean)).collect()
    }

    /// Heat flux `J_E = -(T'/T^2) P_tot <D> Var_D(E)` (Eqs 12-13) away from walls and kinks,
    /// energy/time.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let (weights, mean) = self.weights(x);
        let pairs = weights.iter().zip(self.model.network.states());
        let variance: f64 = pairs.map(|(w, s)| w * (s.energy - mean) * (s.energy - mean)).sum();
        let t = self.model.temperature.value(x);
        -self.model.temperature.slope(x) / (t * t) * self.constant * variance
    }

    /// Thicknesses of the `n - 1` layers at `x`, the thickest first, length: `1/l^2` are the
    /// eigenvalues of the rate matrix times `D^-1` other than zero. For two states this is
    /// `l = sqrt(D_1 D_2/(k_sum <D>))` (Eq 7). Layers that do not end (a rate that underflows) are
    /// infinite.
    ///
    /// # Errors
    /// [`TheoryError::Temperature`], [`TheoryError::Rate`].
    pub fn layer_lengths(&self, x: f64) -> Result<Vec<f64>, TheoryError> {
        let states = self.model.network.states();
        let n = states.len();
        let mut to = vec![vec![0.0; n]; n];
        for (edge, [forward, backward]) in self.model.network.edges().iter().zip(rates(&self.model, x)?) {
            let [a, b] = edge.between;
            to[b][a] += forward / self.model.diffusivity(a, x);
            to[a][b] += backward / self.model.diffusivity(b, x);
        }
        // Detailed balance makes K D^-1 similar to a symmetric matrix.
        let symmetric: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| match i == j {
                        true => (0..n).map(|k| to[k][i]).sum(),
                        false => -libm::sqrt(to[i][j]) * libm::sqrt(to[j][i]),
                    })
                    .collect()
            })
            .collect();
        let values = symmetric_eigenvalues(symmetric);
        let thickness = |v: f64| {
            if v > 0.0 { 1.0 / libm::sqrt(v) } else { f64::INFINITY }
        };
        Ok(values.into_iter().skip(1).map(thickness).collect())
    }

    /// The values of an observable in the limit, on the same grid and by the same definitions as
    /// [`Stationary::reference`](super::Stationary::reference); currents are those of the interior,
    /// and zero at the walls themselves. `None` also for transition rates, which grow without bound.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        reference(self, observable, grid)
    }

    /// `w_i = p_i D_i/<D>` and `<E>_D`.
    fn weights(&self, x: f64) -> (Vec<f64>, f64) {
        let states = self.model.network.states();
        let occupancy = self.model.local_equilibrium(x);
        let mut weights: Vec<f64> =
            occupancy.iter().enumerate().map(|(i, p)| p * self.model.diffusivity(i, x)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        let mean = weights.iter().zip(states).map(|(w, s)| w * s.energy).sum();
        (weights, mean)
    }
}

impl Profile for FastLimit {
    fn model(&self) -> &Model {
        &self.model
    }

    fn vertices(&self) -> &[f64] {
        &self.vertices
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        self.density_at(x)
    }

    fn mean_densities(&self, lo: f64, hi: f64) -> Vec<f64> {
        let of_state = |i: usize| integrate(&self.vertices, lo, hi, |x| self.density_at(x)[i]);
        (0..self.model.network.states().len()).map(|i| of_state(i) / (hi - lo)).collect()
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        let (before, after) = (self.mean_diffusivity(lo), self.mean_diffusivity(hi));
        self.constant * (before - after) / (before * after)
    }

    fn currents(&self, x: f64) -> Vec<f64> {
        if x > 0.0 && x < self.model.domain.length {
            self.current_at(x)
        } else {
            vec![0.0; self.model.network.states().len()]
        }
    }

    fn heat_current(&self, x: f64) -> f64 {
        if x > 0.0 && x < self.model.domain.length { self.heat_current_at(x) } else { 0.0 }
    }

    /// Only the currents in x dissipate in the limit.
    fn entropy_production(&self) -> f64 {
        integrate(&self.vertices, 0.0, self.model.domain.length, |x| {
            let flows = self.current_at(x).into_iter().zip(self.density_at(x));
            let terms = flows.enumerate().filter(|(_, (_, p))| *p > 0.0);
            terms.map(|(i, (j, p))| j * j / (self.model.diffusivity(i, x) * p)).sum()
        })
    }

    fn has_transitions(&self) -> bool {
        false
    }
}
