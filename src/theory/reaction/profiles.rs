//! Concentrations on a mesh, and everything that follows from them.

use super::super::element::{Rule, series};
use super::super::functionals::{POINTS, integrate, quadrature, soret_of_excess};
use super::super::{TheoryError, one_sided};
use super::breakpoints;
use super::system::System;
use crate::grid::Grid;
use crate::model::{Boundary, Mixture, Way};

/// Concentrations and currents as piecewise polynomials.
#[derive(Clone, Debug)]
pub struct Profiles {
    mixture: Mixture,
    mesh: Vec<f64>,
    breakpoints: Vec<f64>,
    /// `g_k(x_0)`.
    scale: Vec<f64>,
    /// Per element and species, Legendre coefficients of `w_k c_k/g_k(x_0)`.
    value: Vec<Vec<Vec<f64>>>,
    /// The same of `J_k`.
    pub(super) current: Vec<Vec<Vec<f64>>>,
}

impl Profiles {
    pub(super) fn new(mixture: &Mixture, system: &System<'_>, v: &[f64]) -> Result<Self, TheoryError> {
        let [value, current] = system.series(v);
        let (mesh, scale) = (system.mesh.to_vec(), system.scale.clone());
        Ok(Profiles {
            mixture: mixture.clone(),
            mesh,
            breakpoints: breakpoints(mixture)?,
            scale,
            value,
            current,
        })
    }

    /// The mixture.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// Element boundaries, from wall to wall; they crowd where layers are.
    pub fn vertices(&self) -> &[f64] {
        &self.mesh
    }

    fn locate(&self, x: f64) -> (usize, f64) {
        let e = self.mesh.partition_point(|v| *v <= x).clamp(1, self.mesh.len() - 1) - 1;
        let (a, b) = (self.mesh[e], self.mesh[e + 1]);
        (e, ((x - a) / (b - a) * 2.0 - 1.0).clamp(-1.0, 1.0))
    }

    /// `x`, or the place in the domain that stands for it.
    fn inside(&self, x: f64) -> f64 {
        let length = self.mixture.domain.length;
        match self.mixture.domain.walls {
            Boundary::Periodic if !(0.0..=length).contains(&x) => x.rem_euclid(length),
            _ => x.clamp(0.0, length),
        }
    }

    /// `w_k c_k/g_k(x_0)`, which is continuous.
    pub(super) fn transported_at(&self, x: f64) -> Vec<f64> {
        let (e, s) = self.locate(self.inside(x));
        self.value[e].iter().map(|c| series(c, s)).collect()
    }

    /// Concentrations `c_k(x)`; positions outside the domain are moved to the nearer wall, or round the ring.
    pub fn concentration_at(&self, x: f64) -> Vec<f64> {
        let x = self.inside(x);
        let pairs = self.transported_at(x).into_iter().zip(&self.scale).enumerate();
        pairs.map(|(k, (v, g))| v * g / self.mixture.weight(k, x)).collect()
    }

    /// `c_tot = sum_k m_k c_k` with the content of every species.
    pub fn total_content_at(&self, x: f64) -> f64 {
        self.mixture.total_content(&self.concentration_at(x))
    }

    /// Currents `J_k(x) = -(1/g_k) d_x(w_k c_k)`, concentration times length per time, positive towards larger x;
    /// exactly zero at walls and beyond.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        let between = x > 0.0 && x < self.mixture.domain.length;
        if !(between || self.mixture.domain.walls == Boundary::Periodic) {
            return vec![0.0; self.scale.len()];
        }
        let (e, s) = self.locate(self.inside(x));
        self.current[e].iter().map(|c| series(c, s)).collect()
    }

    /// Heat flux `J_E(x) = sum_k H_k J_k`.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        self.current_at(x).iter().zip(self.mixture.species()).map(|(j, s)| s.energy * j).sum()
    }

    /// Per reaction, passages forward and backward per length and time, in units of concentration.
    pub fn rates_at(&self, x: f64) -> Vec<[f64; 2]> {
        let (x, c) = (self.inside(x), self.concentration_at(x));
        let rate = |reaction: usize, forward: bool| {
            let constant = self.mixture.rate_constant(Way { reaction, forward }, x);
            let taken = self.mixture.reactions()[reaction].taken(forward).iter();
            taken.fold(constant, |rate, (s, n)| rate * c[*s].powi(*n as i32))
        };
        (0..self.mixture.reactions().len()).map(|r| [rate(r, true), rate(r, false)]).collect()
    }

    /// Mean concentration of every species in every bin: `[species][bin]`.
    pub fn bin_means(&self, grid: &Grid) -> Vec<Vec<f64>> {
        self.means(grid, self.scale.len(), |x| self.concentration_at(x))
    }

    /// Mean passages of every reaction in every bin per length and time: `[reaction][bin]`, forward and backward.
    pub fn bin_rates(&self, grid: &Grid) -> Vec<Vec<[f64; 2]>> {
        let reactions = self.mixture.reactions().len();
        let flat = self.means(grid, 2 * reactions, |x| self.rates_at(x).concat());
        let pair = |r: usize| flat[2 * r].iter().zip(&flat[2 * r + 1]).map(|(f, b)| [*f, *b]).collect();
        (0..reactions).map(pair).collect()
    }

    /// Heat absorbed in every bin per length and time, in the steady state: `[J_E(hi) - J_E(lo)]/h`, which is
    /// the sum of reaction enthalpy times net rate without the rounding of fast reactions.
    pub fn heat_absorbed(&self, grid: &Grid) -> Vec<f64> {
        let at = |k: usize| self.heat_current_at(if k == grid.bins { grid.length } else { grid.face(k) });
        (0..grid.bins).map(|b| (at(b + 1) - at(b)) / grid.bin_width()).collect()
    }

    fn means(&self, grid: &Grid, entries: usize, of: impl Fn(f64) -> Vec<f64>) -> Vec<Vec<f64>> {
        let mut means = vec![vec![0.0; grid.bins]; entries];
        for b in 0..grid.bins {
            let (lo, hi) = (grid.face(b), grid.face(b + 1).min(self.mixture.domain.length));
            quadrature(&self.mesh, lo, hi, |x, w| {
                means.iter_mut().zip(of(x)).for_each(|(m, v)| m[b] += w * v / (hi - lo));
            });
        }
        means
    }

    /// Mean over the domain of every conserved combination.
    pub fn totals(&self) -> Vec<f64> {
        let length = self.mixture.domain.length;
        let mean = |k: usize| integrate(&self.mesh, 0.0, length, |x| self.concentration_at(x)[k]) / length;
        self.mixture.totals(&(0..self.scale.len()).map(mean).collect::<Vec<_>>())
    }

    /// Per conservation law, `sum_k m_lk J_k(x)`: zero at the steady state between walls.
    pub fn conserved_currents_at(&self, x: f64) -> Vec<f64> {
        self.mixture.totals(&self.current_at(x))
    }

    /// The `S` for which `exp(-S T(x))` has the mean of `T` that the content `c_tot` has; `None` at uniform `T`, and
    /// without content.
    pub fn soret(&self) -> Option<f64> {
        let length = self.mixture.domain.length;
        let rule = Rule::gauss(POINTS);
        let points: Vec<(f64, f64)> =
            self.mesh.windows(2).flat_map(|ends| rule.on(ends[0], ends[1])).collect();
        let temperature = |x: f64| self.mixture.temperature.value(x);
        let mean: f64 = points.iter().map(|(x, w)| w * temperature(*x)).sum::<f64>() / length;
        let pairs: Vec<(f64, f64)> =
            points.iter().map(|(x, w)| (temperature(*x) - mean, w / length)).collect();
        let contents: Vec<f64> = points.iter().map(|(x, _)| self.total_content_at(*x)).collect();
        let content: f64 = contents.iter().zip(&pairs).map(|(c, (_, w))| c * w).sum();
        let excess: f64 = contents.iter().zip(&pairs).map(|(c, (t, w))| w * t * (c / content - 1.0)).sum();
        (content > 0.0).then(|| soret_of_excess(mean, excess, &pairs)).flatten().filter(|s| s.is_finite())
    }

    /// `-ln(c_hot/c_cold)/(T_hot - T_cold)` of the content at both walls; `None` on a ring and between walls of one
    /// temperature.
    pub fn soret_wall(&self) -> Option<f64> {
        let walls = [0.0, self.mixture.domain.length];
        let [left, right] = walls.map(|x| self.mixture.temperature.value(x));
        let [first, last] = walls.map(|x| self.total_content_at(x));
        let apart = (left - right).abs() > 1e-6 * left.max(right);
        let walled = self.mixture.domain.walls == Boundary::Reflecting;
        (apart && walled).then(|| -libm::log(last / first) / (right - left)).filter(|s| s.is_finite())
    }

    /// Local Soret coefficient `-(d_x ln c_tot)/(d_x T)` of every bin: fall of the content across it over its
    /// mean and the difference of temperatures.
    pub fn local_soret(&self, grid: &Grid) -> Vec<Option<f64>> {
        let length = self.mixture.domain.length;
        let bin = |b: usize| {
            let (lo, hi) = (grid.face(b), grid.face(b + 1).min(length));
            let side = |x: f64, f: &dyn Fn(f64) -> f64| one_sided(&self.breakpoints, x, 0.5 * (lo + hi), f);
            let temperature = |x: f64| side(x, &|x| self.mixture.temperature.value(x));
            let content = |x: f64| side(x, &|x| self.total_content_at(x));
            let (cold, hot) = (temperature(lo), temperature(hi));
            let mean = integrate(&self.mesh, lo, hi, |x| self.total_content_at(x)) / (hi - lo);
            let varies = (cold - hot).abs() > 8.0 * f64::EPSILON * cold.abs().max(hot.abs());
            varies.then(|| -(content(hi) - content(lo)) / ((hot - cold) * mean)).filter(|s| s.is_finite())
        };
        (0..grid.bins).map(bin).collect()
    }

    /// Entropy production of motion along x and of reactions, both in units of `k_B`, of concentration times
    /// length, per time,
    /// ```text
    /// int sum_k J_k^2/(D_k c_k) dx,      int sum_r (v_r+ - v_r-) ln(v_r+/v_r-) dx .
    /// ```
    /// `None` if a reaction goes one way only.
    pub fn entropy_production(&self) -> Option<[f64; 2]> {
        let (mut diffusive, mut reactive) = (0.0, 0.0);
        let mut known = true;
        quadrature(&self.mesh, 0.0, self.mixture.domain.length, |x, w| {
            let (e, s) = self.locate(x);
            for (k, (current, c)) in self.current[e].iter().zip(self.concentration_at(x)).enumerate() {
                let j = series(current, s);
                if c > 0.0 {
                    diffusive += w * j * j / (self.mixture.diffusivity(k, x) * c);
                }
            }
            for [forward, backward] in self.rates_at(x) {
                known &= (forward > 0.0) == (backward > 0.0);
                if forward > 0.0 && backward > 0.0 {
                    let ratio = (forward - backward) / backward;
                    let logarithm =
                        if ratio.abs() < 0.5 { libm::log1p(ratio) } else { libm::log(forward / backward) };
                    reactive += w * (forward - backward) * logarithm;
                }
            }
        });
        known.then_some([diffusive, reactive]).filter(|parts| parts.iter().all(|v| v.is_finite()))
    }

    /// Largest difference from other profiles: in concentrations relative to the largest of the species, in currents
    /// relative to `scales`.
    pub(super) fn difference(&self, other: &Profiles, least: f64, scales: &[f64]) -> f64 {
        let mut largest = 0.0f64;
        let samples = [-0.98, -0.7, -0.3, 0.1, 0.5, 0.85, 0.99];
        let places: Vec<f64> = self
            .mesh
            .windows(2)
            .flat_map(|ends| samples.map(|s| 0.5 * (ends[0] + ends[1]) + 0.5 * (ends[1] - ends[0]) * s))
            .collect();
        let of = |p: &Profiles| -> Vec<Vec<f64>> { places.iter().map(|x| p.concentration_at(*x)).collect() };
        let (mine, others) = (of(self), of(other));
        for (k, scale) in scales.iter().enumerate() {
            let most = mine.iter().fold(least, |m, c| m.max(c[k].abs()));
            for ((a, b), x) in mine.iter().zip(&others).zip(&places) {
                let current = |p: &Profiles| p.current_at(*x)[k];
                let found = ((a[k] - b[k]).abs() / most).max((current(self) - current(other)).abs() / scale);
                largest = if found.is_nan() { f64::INFINITY } else { largest.max(found) };
            }
        }
        largest
    }

    /// Per species, what errors of its current are measured by: the largest current, or that of a slope of 1e-3
    /// of the largest concentration over the domain; of a species that has died out, of 1e-9 of the commonest.
    pub(super) fn current_scales(&self) -> Vec<f64> {
        let largest = self.largest();
        let most = largest.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let middles: Vec<f64> = self.mesh.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).collect();
        let scale = |k: usize| {
            let current = |x: &f64| self.current_at(*x)[k].abs();
            let mobile = |x: &f64| self.mixture.diffusivity(k, *x) * largest[k].max(1e-9 * most);
            let of = |f: &dyn Fn(&f64) -> f64| middles.iter().map(f).fold(f64::MIN_POSITIVE, f64::max);
            of(&current).max(1e-3 * of(&mobile) / self.mixture.domain.length)
        };
        (0..self.scale.len()).map(scale).collect()
    }

    /// Largest concentration per species, as far as the middles and ends of elements tell.
    pub(super) fn largest(&self) -> Vec<f64> {
        let middles = self.mesh.windows(2).map(|ends| 0.5 * (ends[0] + ends[1]));
        let mut largest = vec![0.0f64; self.scale.len()];
        for x in self.mesh.iter().copied().chain(middles) {
            largest.iter_mut().zip(self.concentration_at(x)).for_each(|(m, c)| *m = m.max(c.abs()));
        }
        largest
    }

    /// Which elements do not resolve a current to the tolerance, or to the rounding of a slope.
    pub(super) fn unresolved(&self, tolerance: f64) -> Vec<bool> {
        let scales = self.current_scales();
        let bent = |(e, currents): (usize, &Vec<Vec<f64>>)| {
            let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
            currents.iter().enumerate().any(|(k, c)| {
                let tail = c.iter().rev().take(2).fold(0.0, |m: f64, v| m.max(v.abs()));
                let rounding = 300.0 * f64::EPSILON * self.value[e][k][0].abs() / half;
                tail > (tolerance * scales[k]).max(rounding)
            })
        };
        self.current.iter().enumerate().map(bent).collect()
    }
}
