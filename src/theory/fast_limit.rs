//! Closed forms for transitions much faster than diffusion (Eqs 9-13 of the paper).
//!
//! # Equations
//! With the occupancies `p_i(x)` at which transitions balance on the spot (the null vector of the rate
//! matrix; Boltzmann's without driving), `y_i = w_i p_i`, and `w_i`, `g_i` of
//! [`Motility`],
//! ```text
//! P_i = p_i P_tot,     d_x ln P_tot = -(sum_i (y_i' - h_i y_i)/g_i)/(sum_i y_i/g_i),     (1)
//! J_i = -(1/g_i) [d_x(y_i P_tot) - h_i y_i P_tot],     sum_i J_i = 0,     J_E = sum_i E_i J_i ,
//! ```
//! `h_i` the force over the thermal energy ([`Model::force_over_thermal_energy`]). That is one particle
//! with the drift `sum_i p_i b_i` and the diffusivity `<D>` of all states together. Without forces and
//! where all `g_i` have one shape, `g_i = gamma_i f(x)`, which holds for diffusivities (`g = 1`),
//! ```text
//! P_tot = C/sum_i(y_i/gamma_i),     which is C/<D> for diffusivities, <D> = sum_i p_i D_i,  (2)
//! S_T   = d_T ln<D> .                                                                     (3)
//! ```
//! For detailed balance and diffusivities that do not vary, with averages `<.>_D` by the weights
//! `q_i = p_i D_i/<D>`, this is (Eqs 10-13; with temperatures in kelvin there is one factor `k_B` in the
//! denominator of `S_T`, not `k_B^2` as in B6)
//! ```text
//! S_T   = Cov(H, D)/(<D> k_B T^2),                                                        (4)
//! J_i   = -C q_i (H_i - <H>_D) T'/(k_B T^2),     J_E = -(T'/(k_B T^2)) P_tot <D> Var_D(H) .
//! ```
//! In a driven network (4) is wrong, even in sign; (3) holds. Diffusivities `D_i = d_i T` add `1/T` to (4).
//!
//! # When not to use it
//! Within a few layer lengths of a wall, a kink or a jump of `T(x)`: there currents bend to zero (or
//! across the kink) for every finite rate. [`FastLimit::layer_lengths`] says how far that reaches.

use super::element::Rule;
use super::functionals::{POINTS, Profile, integrate, jumps, reference, working_edges};
use super::linear::symmetric_eigenvalues;
use super::{TheoryError, breakpoints, forces, motilities, one_sided, rates, temperature};
use crate::grid::Grid;
use crate::model::{Boundary, Model, Motility, RateLaw, State};
use crate::observable::Observable;

/// Pieces beyond which nothing is bisected.
const MOST_PIECES: usize = 20_000;

/// The fast-reaction limit of a model.
#[derive(Clone, Debug)]
pub struct FastLimit {
    model: Model,
    vertices: Vec<f64>,
    breakpoints: Vec<f64>,
    shape: Shape,
    /// Factor that normalises the density.
    constant: f64,
}

/// How `g_i` depend on x.
#[derive(Clone, Debug)]
enum Shape {
    /// `g_i = gamma_i f(x)`; the `gamma_i`.
    Common(Vec<f64>),
    /// `ln P_tot`, up to a constant, at the left end of every piece.
    Different(Vec<f64>),
}

/// `y_i` and their derivatives, and `g_i`, at a point.
struct Local {
    transported: Vec<f64>,
    slope: Vec<f64>,
    resistance: Vec<f64>,
    /// `h_i`.
    force: Vec<f64>,
}

impl Local {
    /// `sum_i y_i/g_i`.
    fn diffusivity(&self) -> f64 {
        self.transported.iter().zip(&self.resistance).map(|(y, g)| y / g).sum()
    }

    /// `-d_x ln P_tot` (1).
    fn fall(&self) -> f64 {
        let slope: f64 = self.slope.iter().zip(&self.resistance).map(|(y, g)| y / g).sum();
        (slope - self.pushed().sum::<f64>()) / self.diffusivity()
    }

    /// `h_i y_i/g_i`.
    fn pushed(&self) -> impl Iterator<Item = f64> {
        let terms = self.transported.iter().zip(&self.resistance).zip(&self.force);
        terms.map(|((y, g), h)| h * y / g)
    }
}

impl FastLimit {
    /// The limit for this model.
    ///
    /// # Errors
    /// [`TheoryError::Length`], [`TheoryError::Temperature`], [`TheoryError::Motility`],
    /// [`TheoryError::Rate`], [`TheoryError::Force`]; [`TheoryError::Jump`] where no closed form exists across
    /// a jump; [`TheoryError::NoClosedForm`] on a ring, where a net current may run.
    pub fn new(model: &Model) -> Result<Self, TheoryError> {
        if model.domain.walls == Boundary::Periodic {
            return Err(TheoryError::NoClosedForm { of: "the fast limit", why: "the domain is a ring" });
        }
        let breakpoints = breakpoints(model)?;
        let length = model.domain.length;
        let mut limit = FastLimit {
            model: model.clone(),
            vertices: breakpoints.clone(),
            breakpoints,
            shape: Shape::Different(Vec::new()),
            constant: 1.0,
        };
        let at_reference: Vec<f64> =
            motilities(model, 0.4321 * length)?.into_iter().map(|[_, g]| g).collect();
        let common = limit.refine(&at_reference)?;
        limit.shape = if common && !model.has_forces() {
            Shape::Common(at_reference)
        } else {
            limit.integrate_fall()?
        };
        let norm = integrate(&limit.vertices, 0.0, length, |x| limit.total_density_at(x));
        limit.constant = 1.0 / norm;
        Ok(limit)
    }

    /// Bisects pieces until Gauss quadrature of `T`, `<D>`, `w_i`, every occupancy and (1) has
    /// converged. Whether all `g_i` have one shape.
    fn refine(&mut self, at_reference: &[f64]) -> Result<bool, TheoryError> {
        let rule = Rule::gauss(POINTS);
        let length = self.model.domain.length;
        let mut common = true;
        let mut integrals = |a: f64, b: f64| -> Result<Vec<f64>, TheoryError> {
            let mut sums = vec![0.0; 3 + 3 * at_reference.len()];
            for (x, w) in rule.on(a, b) {
                rates(&self.model, x)?;
                forces(&self.model, x)?;
                let motility = motilities(&self.model, x)?;
                let shape = |i: usize| motility[i][1] / at_reference[i];
                common &= (1..motility.len()).all(|i| (shape(i) - shape(0)).abs() <= 1e-13 * shape(0));
                let local = self.local(x);
                let mean = local.diffusivity();
                // Where the terms of (1) cancel, their sum need not be better than they are.
                let terms = local.slope.iter().zip(&local.resistance);
                let turned: f64 = terms.map(|(slope, g)| (slope / g).abs()).sum();
                let pushed: f64 = local.pushed().map(f64::abs).sum();
                let size = (turned + pushed) / mean + 1.0 / length;
                let mut values = vec![temperature(&self.model, x)?, 1.0 / mean, local.fall() + 2.0 * size];
                values.extend(self.model.local_equilibrium(x));
                values.extend(motility.iter().flat_map(|[weight, resistance]| [1.0 / weight, *resistance]));
                sums.iter_mut().zip(values).for_each(|(s, v)| *s += w * v);
            }
            Ok(sums)
        };
        let mut vertices = vec![0.0];
        let mut open: Vec<(f64, f64)> =
            self.breakpoints.windows(2).rev().map(|ends| (ends[0], ends[1])).collect();
        while let Some((a, b)) = open.pop() {
            let middle = 0.5 * (a + b);
            let (left, right) = (integrals(a, middle)?, integrals(middle, b)?);
            let converged = integrals(a, b)?
                .iter()
                .zip(left.iter().zip(&right))
                .all(|(w, (l, r))| (w - l - r).abs() <= 1e-14 * (w.abs() + (l + r).abs() * length / (b - a)));
            if converged || b - a < 1e-9 * length || vertices.len() > MOST_PIECES {
                vertices.push(b);
            } else {
                open.extend([(middle, b), (a, middle)]);
            }
        }
        self.vertices = vertices;
        Ok(common)
    }

    /// `ln P_tot` at the left end of every piece: (1) between breakpoints. Across a jump of occupancies
    /// `sum_i u_i/g_i` is conserved if the `g_i` keep their ratios there.
    fn integrate_fall(&self) -> Result<Shape, TheoryError> {
        let mut logarithms = vec![0.0];
        let mut last = 0.0;
        for ends in self.vertices.windows(2) {
            let [a, b] = [ends[0], ends[1]];
            last -= integrate(&self.vertices, a, b, |x| self.local(x).fall());
            if self.breakpoints[1..self.breakpoints.len() - 1].contains(&b) {
                let side = |inner: f64, value: &dyn Fn(&Local, usize) -> f64| -> Vec<f64> {
                    let of_state = |i| one_sided(&self.breakpoints, b, inner, |x| value(&self.local(x), i));
                    (0..self.model.network.states().len()).map(of_state).collect()
                };
                let (before, after) = (0.5 * (a + b), b + 0.5 * (b - a));
                let (y, z) = (side(before, &|l, i| l.transported[i]), side(after, &|l, i| l.transported[i]));
                let sum = |y: &[f64], g: &[f64]| y.iter().zip(g).map(|(y, g)| y / g).sum::<f64>();
                let step = |inner: f64| {
                    let g = side(inner, &|l, i| l.resistance[i]);
                    sum(&y, &g) / sum(&z, &g)
                };
                let (left, right) = (step(before), step(after));
                if (left - right).abs() > 1e-9 * left.abs() {
                    return Err(TheoryError::Jump { x: b });
                }
                last += libm::log(left);
            }
            logarithms.push(last);
        }
        Ok(Shape::Different(logarithms))
    }

    /// `y_i`, `y_i'` and `g_i`.
    fn local(&self, x: f64) -> Local {
        let model = &self.model;
        let (occupancy, change) = equilibrium_and_slope(model, x);
        let states = model.network.states().iter().enumerate();
        let weights: Vec<[f64; 2]> = states
            .map(|(i, s)| {
                let slope = match &s.motility {
                    Motility::Diffusivity(d) => d.slope(x),
                    Motility::Friction(_) => model.boltzmann * model.temperature.slope(x),
                };
                [model.weight(i, x), slope]
            })
            .collect();
        let pairs = || weights.iter().zip(occupancy.iter().zip(&change));
        Local {
            transported: pairs().map(|([w, _], (p, _))| w * p).collect(),
            slope: pairs().map(|([w, d], (p, q))| w * q + d * p).collect(),
            resistance: (0..weights.len()).map(|i| model.resistance(i, x)).collect(),
            force: (0..weights.len()).map(|i| force(model, i, x)).collect(),
        }
    }

    /// Mean diffusivity `<D>(x) = sum_i p_i D_i`, length^2/time.
    pub fn mean_diffusivity(&self, x: f64) -> f64 {
        let occupancy = self.model.local_equilibrium(x);
        occupancy.iter().enumerate().map(|(s, p)| p * self.model.diffusivity(s, x)).sum()
    }

    /// `sum_i y_i/gamma_i` of (2).
    fn inverse_density(&self, gammas: &[f64], x: f64) -> f64 {
        let occupancy = self.model.local_equilibrium(x);
        let terms = occupancy.iter().zip(gammas).enumerate();
        terms.map(|(i, (p, gamma))| p * self.model.weight(i, x) / gamma).sum()
    }

    /// Total density `P_tot(x)`, 1/length (Eq 9).
    pub fn total_density_at(&self, x: f64) -> f64 {
        match &self.shape {
            Shape::Common(gammas) => self.constant / self.inverse_density(gammas, x),
            Shape::Different(logarithms) => {
                let x = x.clamp(0.0, self.model.domain.length);
                let piece = self.vertices.partition_point(|v| *v <= x).clamp(1, self.vertices.len() - 1) - 1;
                let fallen = if x > self.vertices[piece] {
                    integrate(&self.vertices, self.vertices[piece], x, |x| self.local(x).fall())
                } else {
                    0.0
                };
                self.constant * libm::exp(logarithms[piece] - fallen)
            }
        }
    }

    /// Densities `P_i = p_i P_tot` (Eq 9), 1/length.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        let total = self.total_density_at(x);
        self.model.local_equilibrium(x).iter().map(|p| p * total).collect()
    }

    /// Local Soret coefficient `S_T(x) = -d_x ln P_tot/d_x T` by (1), 1/temperature; `None` where `T` does
    /// not vary.
    pub fn soret_at(&self, x: f64) -> Option<f64> {
        let slope = self.model.temperature.slope(x);
        (slope != 0.0).then(|| self.local(x).fall() / slope).filter(|s| s.is_finite())
    }

    /// The covariance form (4) of Eq 10, `Cov(H, D)/(<D> k_B T^2)`, 1/temperature. It is the Soret
    /// coefficient for detailed balance and diffusivities that do not vary; see (3) and
    /// [`FastLimit::soret_at`] for anything else.
    pub fn covariance_soret_at(&self, x: f64) -> f64 {
        let (occupancy, states) = (self.model.local_equilibrium(x), self.model.network.states());
        let mean: f64 = occupancy.iter().zip(states).map(|(p, s)| p * s.energy).sum();
        let pairs = occupancy.iter().zip(states);
        let terms = pairs.enumerate().map(|(i, (p, s))| p * (s.energy - mean) * self.model.diffusivity(i, x));
        let covariance: f64 = terms.sum();
        let t = self.model.temperature.value(x);
        covariance / (self.mean_diffusivity(x) * self.model.boltzmann * t * t)
    }

    /// Currents `J_i = -(1/g_i) d_x(y_i P_tot)` away from walls and kinks, 1/time.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        let (local, total) = (self.local(x), self.total_density_at(x));
        let fall = local.fall();
        let pairs = local.transported.iter().zip(&local.slope).zip(&local.resistance).zip(&local.force);
        pairs.map(|(((y, slope), g), h)| -total * (slope - y * (fall + h)) / g).collect()
    }

    /// Heat flux `J_E = sum_i E_i J_i` (Eqs 12-13) away from walls and kinks, energy/time.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let states = self.model.network.states();
        let own = |s: &State| s.energy + s.potential.as_ref().map_or(0.0, |u| u.value(x));
        let energies: Vec<f64> = states.iter().map(own).collect();
        let local = self.local(x);
        // Any zero of energy will do; this one keeps the digits.
        let shares = local.transported.iter().zip(&local.resistance).zip(&energies);
        let mean = shares.map(|((y, g), energy)| y / g * energy).sum::<f64>() / local.diffusivity();
        self.current_at(x).iter().zip(&energies).map(|(j, energy)| (energy - mean) * j).sum()
    }

    /// Thicknesses of the `n - 1` layers at `x`, the thickest first, length: `1/l^2` are the
    /// eigenvalues of the rate matrix times `D^-1` other than zero. For two states this is
    /// `l = sqrt(D_1 D_2/(k_sum <D>))` (Eq 7). Layers that do not end (a rate that underflows) are
    /// infinite.
    ///
    /// # Errors
    /// [`TheoryError::Temperature`], [`TheoryError::Rate`], [`TheoryError::Motility`];
    /// [`TheoryError::Driven`] where fluxes run in circles: their layers may oscillate;
    /// [`TheoryError::NoClosedForm`] with forces, which make layers of their own.
    pub fn layer_lengths(&self, x: f64) -> Result<Vec<f64>, TheoryError> {
        if self.model.has_forces() {
            return Err(TheoryError::NoClosedForm { of: "the layers", why: "a force acts along x" });
        }
        let n = self.model.network.states().len();
        let diffusivity: Vec<f64> = motilities(&self.model, x)?.into_iter().map(|[w, g]| w / g).collect();
        let occupancy = self.model.local_equilibrium(x);
        let mut to = vec![vec![0.0; n]; n];
        for (edge, [forward, backward]) in self.model.network.edges().iter().zip(rates(&self.model, x)?) {
            let [a, b] = edge.between;
            to[b][a] += forward;
            to[a][b] += backward;
        }
        for (edge, e) in self.model.network.edges().iter().enumerate() {
            let [a, b] = e.between;
            let (forward, backward) = (to[b][a] * occupancy[a], to[a][b] * occupancy[b]);
            if (forward - backward).abs() > 1e-9 * (forward + backward) {
                return Err(TheoryError::Driven { edge });
            }
        }
        let to = |i: usize, j: usize| to[i][j] / diffusivity[j];
        // Detailed balance makes K D^-1 similar to a symmetric matrix.
        let symmetric: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| match i == j {
                        true => (0..n).map(|k| to(k, i)).sum(),
                        false => -libm::sqrt(to(i, j)) * libm::sqrt(to(j, i)),
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
    /// and zero at the walls themselves. `None` also for transition rates, which grow without bound, and
    /// for heat and entropy production where a transition or a state may do work or `T` jumps.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        reference(self, observable, grid)
    }
}

/// `h_i`; zero without a force.
fn force(model: &Model, state: usize, x: f64) -> f64 {
    if model.has_force(state) { model.force_over_thermal_energy(state, x) } else { 0.0 }
}

/// `d_x` of the rate constants: `k [U_from'/kT + (B - H_from - U_from -+ f/2) (kT)'/(kT)^2]` over a barrier.
fn rate_slope(model: &Model, index: usize, x: f64) -> f64 {
    let channel = model.network.channel(index);
    match &model.network.edges()[channel.edge].law {
        RateLaw::Activated { barrier, affinity, .. } => {
            let driven = if channel.is_forward() { 0.5 * affinity } else { -0.5 * affinity };
            let from = &model.network.states()[channel.from];
            let own = from.potential.as_ref().filter(|u| u.constant().is_none());
            let height = barrier - from.energy - from.potential.as_ref().map_or(0.0, |u| u.value(x)) - driven;
            let kt = model.thermal_energy(x);
            let warming = model.boltzmann * model.temperature.slope(x) / kt;
            model.rate(channel, x) * (height / kt * warming + own.map_or(0.0, |u| u.slope(x)) / kt)
        }
        RateLaw::Free { forward, backward } => {
            let field = if channel.is_forward() { forward } else { backward };
            field.as_ref().map_or(0.0, |f| f.slope(x))
        }
    }
}

/// The null vector of the rate matrix and its derivative in x: the elimination of
/// [`Model::local_equilibrium`], differentiated step by step.
fn equilibrium_and_slope(model: &Model, x: f64) -> (Vec<f64>, Vec<f64>) {
    let n = model.network.states().len();
    let mut rate = vec![vec![[0.0f64; 2]; n]; n];
    for channel in model.network.channels() {
        let entry = &mut rate[channel.from][channel.to];
        entry[0] += model.rate(channel, x);
        entry[1] += rate_slope(model, channel.index, x);
    }
    for k in (1..n).rev() {
        let exit = rate[k][..k].iter().fold([0.0, 0.0], |sum, r| [sum[0] + r[0], sum[1] + r[1]]);
        for i in 0..k {
            let [r, slope] = rate[i][k];
            let share = if exit[0] > 0.0 { r / exit[0] } else { 0.0 };
            let change = if exit[0] > 0.0 { (slope - share * exit[1]) / exit[0] } else { 0.0 };
            rate[i][k] = [share, change];
            for j in (0..k).filter(|j| *j != i) {
                let [r, slope] = rate[k][j];
                rate[i][j][0] += share * r;
                rate[i][j][1] += change * r + share * slope;
            }
        }
    }
    let mut p = vec![[1.0, 0.0]; n];
    for k in 1..n {
        p[k] = (0..k).fold([0.0, 0.0], |sum, i| {
            let ([q, change], [share, slope]) = (p[i], rate[i][k]);
            [sum[0] + q * share, sum[1] + change * share + q * slope]
        });
    }
    let sum: f64 = p.iter().map(|q| q[0]).sum();
    let change: f64 = p.iter().map(|q| q[1]).sum::<f64>() / sum;
    (p.iter().map(|q| q[0] / sum).collect(), p.iter().map(|q| (q[1] - q[0] * change) / sum).collect())
}

/// Whether a transition or a state may do work.
fn works(model: &Model) -> bool {
    !working_edges(model).is_empty() || (0..model.network.states().len()).any(|s| model.has_drift(s))
}

impl Profile for FastLimit {
    fn model(&self) -> &Model {
        &self.model
    }

    fn vertices(&self) -> &[f64] {
        &self.vertices
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        self.density_at(x)
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        let middle = 0.5 * (lo + hi);
        let at = |x: f64, f: &dyn Fn(f64) -> f64| one_sided(&self.breakpoints, x, middle, f);
        match &self.shape {
            Shape::Common(gammas) => {
                let inverse = |x: f64| at(x, &|x| self.inverse_density(gammas, x));
                let (before, after) = (inverse(lo), inverse(hi));
                self.constant * (before - after) / (before * after)
            }
            Shape::Different(_) => {
                let total = |x: f64| at(x, &|x| self.total_density_at(x));
                total(hi) - total(lo)
            }
        }
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

    fn work(&self, _lo: f64, _hi: f64, _weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        (!works(&self.model)).then_some(0.0)
    }

    /// `-int J_E (kT)'/(kT)^2 dx`: without work the heat absorbed is `J_E'`.
    fn entropy_production(&self) -> Option<f64> {
        let model = &self.model;
        let jump = |three: &[f64]| jumps(model, &self.breakpoints, three);
        if works(model) || self.breakpoints.windows(3).any(jump) {
            return None;
        }
        let cooling = |x: f64| {
            let kt = model.thermal_energy(x);
            -model.boltzmann * model.temperature.slope(x) / (kt * kt)
        };
        let length = model.domain.length;
        Some(integrate(&self.vertices, 0.0, length, |x| self.heat_current_at(x) * cooling(x)))
    }

    fn has_transitions(&self) -> bool {
        false
    }
}
