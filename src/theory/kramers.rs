//! The stationary law of a particle with inertia and internal states (Kramers' equation, Eqs 17-22 and
//! appendix C of the paper).
//!
//! # Equation
//! For every state with mass `m_i`, friction `gamma_i(x)` and force `F_i = -(U + U_i)' + gamma_i v_i` (`v_i`
//! a drift velocity, if the state propels itself),
//! ```text
//! v d_x P_i + (F_i/m_i) d_v P_i = (gamma_i/m_i) d_v( v P_i + (kT(x)/m_i) d_v P_i ) + sum_j transitions,  (1)
//! ```
//! `P_i(x, v)` a density, 1/(length velocity), of one particle. Walls reflect specularly,
//! `P_i(0, v) = P_i(0, -v)`; on a ring the ends are one point.
//!
//! A transition from i to j keeps the kinetic energy, `m_j v_j^2 = m_i v_i^2`, so
//! ```text
//! v_j = v_i sqrt(m_i/m_j) :                                                                    (2)
//! ```
//! the scaled velocity `u = v sqrt(m/theta)` stays the same. Per `du`, not per `dv`, transitions are local:
//! the gain of j is `k_ji P_i(x, v sqrt(m_j/m_i)) sqrt(m_j/m_i)`. Maxwell's law, the same in u for all
//! masses, is kept by any rates, and its populations by rates in detailed balance.
//!
//! What holds for any mass and friction and tests the solution, with averages over v in state i:
//! ```text
//! d_x sum_i m_i P_i <v^2>_i = sum_i (F_i P_i - gamma_i J_i) + sum_ij k_ji J_i [sqrt(m_i m_j) - m_i],      (3)
//! d_x sum_i P_i <m_i v^3>_i/2 = sum_i [F_i J_i + (gamma_i/m_i) P_i (kT - m_i <v^2>_i)].                   (4)
//! ```
//! The last sum of (3), over channels from i to j, is the momentum that (2) gives to particles; it vanishes
//! for equal masses. For one state without a force `P <v^2>` is flat.
//!
//! # Method
//! Hermite modes of `u` at one temperature `theta`, the middle of the range of `kT`, with even modes
//! continuous and odd modes discontinuous on spectral elements in x. The series of Maxwell's law at `kT`
//! falls like `|kT/theta - 1|^(n/2)`, less than 1 for any profile. At the temperature of the place it would
//! diverge in a Knudsen layer, which fast particles from hotter places cross. Reflection makes odd modes
//! vanish at walls, which is the natural boundary condition of the weak form. Elements crowd at walls and
//! kinks, the first a fraction of a mean free path `sqrt(m kT)/gamma` wide, and are bisected where the
//! Legendre coefficients of the lowest modes have not decayed.
//!
//! The error is estimated from a second solution on the same elements with half the modes and with degree 8
//! instead of 10. Inside, modes converge fast. At a wall where `T` has a slope (a kink of the reflected `T`)
//! the law is singular at `v = 0`, and the density at the wall itself converges like `N^-3` with N modes: at
//! `gamma/m = 1`, `T = 1 + 0.8 x`, 128 modes leave 3e-6 there, and 1e-9 in averages over bins of a tenth.
//!
//! # When not to trust it
//! The estimate is that of the worst point, mostly at a wall; averages over bins are better by orders. Where
//! `T` jumps, and for ratios of the hottest to the coldest temperature beyond 5, modes converge slowly: allow
//! more of them in [`Options`]. Transitions beyond some `1e5 gamma/m` leave few digits of the currents `J_i`
//! of single states (their sum and the kinetic heat flux do not suffer), and take long. Two wells with a
//! barrier of more than about 30 kT between them are refused: their populations do not follow from a law in
//! double precision. Tails of `P(x, v)` below 1e-12 of its maximum are noise.
//!
//! # Example
//! ```
//! use soret::expression::Expression;
//! use soret::model::{Model, Motility, State, Uniform};
//! use soret::theory::kramers::{self, Options};
//! use std::sync::Arc;
//!
//! let mut state = State::new("only", 0.0, 1.0);
//! state.motility = Motility::Friction(Arc::new(Uniform(10.0)));
//! let temperature = Expression::parse("1 + 0.8*x", &["x"], &[])?;
//! let model = Model::new(1.0, temperature, vec![state], vec![])?;
//! let law = kramers::solve(&model, &[1.0], &Options::default())?;
//! // P <v^2> is the same everywhere, and heat flows from hot to cold.
//! let [left, right] = [0.1, 0.9].map(|x| law.momentum_flux_at(x)[0]);
//! assert!((left / right - 1.0).abs() < 1e-6);
//! assert!(law.kinetic_heat_current_at(0.5) < 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reference
//! Liang, Busiello and De Los Rios, arXiv:2102.03197, Eqs 17-22 and appendix C; Risken, The Fokker-Planck
//! Equation, chapter 10 (expansion in Hermite functions).

use super::element::{Reference, Rule, series};
use super::evolution::locate;
use super::functionals::{integrate, quadrature, soret_of_excess};
use super::hermite;
use super::modes::{Coefficients, Particle, System};
use super::stationary::{bisect, graded, thinnest_layer};
use super::{TheoryError, breakpoints, motilities, temperature};
use crate::grid::Grid;
use crate::model::{Boundary, Channel, Model, Motility};

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-11 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused
    /// ([`TheoryError::NotConverged`]). Between the two it is returned with its estimate.
    pub limit: f64,
    /// Elements beyond which the mesh is not refined; at least 8.
    pub max_elements: usize,
    /// Modes of the velocity beyond which none are added; at least 32. Work grows with their cube.
    pub max_modes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 5e-5, limit: 1e-2, max_elements: 200, max_modes: 128 }
    }
}

/// Degrees in x of the solution that is returned, and of the one that its error is estimated with.
const DEGREES: [usize; 2] = [10, 8];

/// Legendre coefficients that rounding leaves, relative to the largest.
const SMALLEST: f64 = 1e-9;

/// Modes of the solutions that the mesh is chosen with, and of the first that may be returned.
const FIRST_MODES: [usize; 2] = [16, 32];

/// A stationary law in position, velocity and state.
#[derive(Clone, Debug)]
pub struct Kramers {
    model: Model,
    masses: Vec<f64>,
    theta: f64,
    modes: usize,
    law: Law,
    breakpoints: Vec<f64>,
    estimate: f64,
    tolerance: f64,
}

/// Modes as piecewise polynomials, see [`modes`](super::modes).
#[derive(Clone, Debug)]
struct Law {
    mesh: Vec<f64>,
    coefficients: Coefficients,
}

/// The largest current of particles through a window of slow velocities, see
/// [`Kramers::largest_slow_current_at`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCurrent {
    /// The speed `v*` below which particles count as slow.
    pub speed: f64,
    /// `J_slow(x, v*)`, 1/time.
    pub current: f64,
}

/// Solves for the stationary law of particles with these masses, one per state.
///
/// # Errors
/// [`TheoryError`]: a mass out of range or missing, a state without a friction, an option, a length, a
/// temperature, a force or a rate out of range; a system that is singular to working precision; an estimated
/// error above `options.limit`.
pub fn solve(model: &Model, masses: &[f64], options: &Options) -> Result<Kramers, TheoryError> {
    check(model, masses, options)?;
    let mut mesh = first_mesh(model, masses)?;
    let particle = Particle { model, masses, theta: middle_temperature(model, &mesh)? };
    let [fine, coarse] = DEGREES.map(Reference::new);
    let solve = |mesh: &[f64], reference: &Reference, modes: usize| -> Result<Law, TheoryError> {
        let system = System { particle, mesh, reference, modes };
        let coefficients = system.solve(deepest(model, mesh))?;
        Ok(Law { mesh: mesh.to_vec(), coefficients }.normalised())
    };
    loop {
        let rough = solve(&mesh, &coarse, FIRST_MODES[0])?;
        let finer = bisect(&mesh, &rough.unresolved((1e-3 * options.tolerance).max(SMALLEST)));
        if finer.len() == mesh.len() || finer.len() > options.max_elements + 1 {
            break;
        }
        mesh = finer;
    }
    let mut modes = FIRST_MODES[1];
    let (law, estimate) = loop {
        let law = solve(&mesh, &fine, modes)?;
        let rough = solve(&mesh, &coarse, modes / 2)?;
        let estimate = law.distance(&rough);
        if estimate <= options.tolerance || 2 * modes > options.max_modes {
            break (law, estimate);
        }
        modes *= 2;
    };
    if estimate > options.limit {
        let elements = mesh.len() - 1;
        return Err(TheoryError::NotConverged { estimate, limit: options.limit, elements });
    }
    let (theta, tolerance) = (particle.theta, options.tolerance);
    let (model, masses, breakpoints) = (model.clone(), masses.to_vec(), breakpoints(model)?);
    Ok(Kramers { model, masses, theta, modes, law, breakpoints, estimate, tolerance })
}

fn check(model: &Model, masses: &[f64], options: &Options) -> Result<(), TheoryError> {
    let Options { tolerance, limit, max_elements, max_modes } = *options;
    let wrong = |option, must, found| Err(TheoryError::Option { option, must, found });
    if !(1e-11..=1e-2).contains(&tolerance) {
        return wrong("tolerance", "between 1e-11 and 1e-2", tolerance);
    }
    if !(limit >= tolerance && limit <= 1.0) {
        return wrong("limit", "between the tolerance and 1", limit);
    }
    if max_elements < 8 {
        return wrong("max_elements", "at least 8", max_elements as f64);
    }
    if max_modes < FIRST_MODES[1] {
        return wrong("max_modes", "at least 32", max_modes as f64);
    }
    let states = model.network.states();
    if masses.len() != states.len() {
        return Err(TheoryError::Masses { expected: states.len(), found: masses.len() });
    }
    for (state, (s, mass)) in states.iter().zip(masses).enumerate() {
        if !(*mass > 0.0 && mass.is_finite()) {
            return Err(TheoryError::Mass { state, found: *mass });
        }
        if !matches!(s.motility, Motility::Friction(_)) {
            return Err(TheoryError::NoFriction { state });
        }
    }
    Ok(())
}

/// Elements that grow away from walls and kinks, the first a fraction of the shortest mean free path.
fn first_mesh(model: &Model, masses: &[f64]) -> Result<Vec<f64>, TheoryError> {
    let length = model.domain.length;
    graded(&breakpoints(model)?, |x| {
        let motility = motilities(model, x)?;
        let pairs = masses.iter().zip(&motility);
        let path = pairs.map(|(m, [t, gamma])| libm::sqrt(m * t) / gamma).fold(f64::INFINITY, f64::min);
        Ok((0.05 * path).min(thinnest_layer(model, x)?).clamp(1e-9 * length, length))
    })
}

/// The middle of the range of `kT`.
fn middle_temperature(model: &Model, mesh: &[f64]) -> Result<f64, TheoryError> {
    let rule = Rule::gauss(16);
    let mut range = (f64::INFINITY, 0.0_f64);
    for ends in mesh.windows(2) {
        for (x, _) in rule.on(ends[0], ends[1]) {
            let t = model.boltzmann * temperature(model, x)?;
            range = (range.0.min(t), range.1.max(t));
        }
    }
    Ok(0.5 * (range.0 + range.1))
}

/// The vertex with the largest Boltzmann weight of a state: where the equations are pinned, for only the
/// conditioning depends on it.
fn deepest(model: &Model, mesh: &[f64]) -> usize {
    let states = 0..model.network.states().len();
    let depth = |x: f64| {
        let of_states = states.clone().map(|i| model.potential_energy(i, x) / model.thermal_energy(x));
        of_states.fold(f64::INFINITY, f64::min)
    };
    let mut best = (0, f64::INFINITY);
    for (k, x) in mesh.iter().enumerate() {
        let depth = depth(*x);
        if depth < best.1 {
            best = (k, depth);
        }
    }
    best.0
}

impl Law {
    fn elements(&self) -> impl Iterator<Item = (&Vec<Vec<Vec<f64>>>, f64)> {
        self.coefficients.iter().zip(self.mesh.windows(2).map(|ends| ends[1] - ends[0]))
    }

    fn normalised(mut self) -> Self {
        let mass = |(of, width): (&Vec<Vec<Vec<f64>>>, f64)| -> f64 {
            of.iter().map(|of_state| width * of_state[0][0]).sum()
        };
        let total: f64 = self.elements().map(mass).sum();
        self.coefficients.iter_mut().flatten().flatten().flatten().for_each(|c| *c /= total);
        self
    }

    /// Mode n of a state at the place `s` of element `e`.
    fn mode(&self, e: usize, state: usize, n: usize, s: f64) -> f64 {
        series(&self.coefficients[e][state][n], s)
    }

    /// Largest values of mode n over all elements, per state; of odd modes at least a millionth of that of
    /// the density.
    fn scale(&self, state: usize, n: usize) -> f64 {
        let largest = |n: usize| {
            let of_element =
                |of: &Vec<Vec<Vec<f64>>>| of[state][n].iter().fold(0.0, |m: f64, c| m.max(c.abs()));
            self.coefficients.iter().map(of_element).fold(0.0, f64::max)
        };
        if n.is_multiple_of(2) { largest(n) } else { largest(n).max(1e-6 * largest(0)) }
    }

    /// Elements where the last Legendre coefficients of density, current or heat flux are larger than
    /// `tolerance`.
    fn unresolved(&self, tolerance: f64) -> Vec<bool> {
        let states = self.coefficients[0].len();
        let mut marked = vec![false; self.coefficients.len()];
        for (state, n) in (0..states).flat_map(|i| [0, 1, 3].map(|n| (i, n))) {
            let scale = self.scale(state, n);
            for (mark, of) in marked.iter_mut().zip(&self.coefficients) {
                let c = &of[state][n];
                *mark |= c[c.len() - 2..].iter().any(|c| c.abs() > tolerance * scale);
            }
        }
        marked
    }

    /// Largest difference of the modes 0, 1, 2, 3, relative to the largest value of each over the domain (of
    /// mode 2 relative to the density).
    fn distance(&self, other: &Self) -> f64 {
        let states = self.coefficients[0].len();
        let mut largest: f64 = 0.0;
        for (state, n) in (0..states).flat_map(|i| [0, 1, 2, 3].map(|n| (i, n))) {
            let scale = self.scale(state, if n == 2 { 0 } else { n });
            for e in 0..self.coefficients.len() {
                for k in 0..=8 {
                    let s = -1.0 + 0.25 * f64::from(k);
                    let difference = self.mode(e, state, n, s) - other.mode(e, state, n, s);
                    largest = largest.max(difference.abs() / scale);
                }
            }
        }
        largest
    }
}

impl Kramers {
    /// The model that was solved.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The masses of the states.
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// Number of modes of the velocity.
    pub fn modes(&self) -> usize {
        self.modes
    }

    /// Estimated relative error: the largest difference from a solution with half the modes and degree 8
    /// instead of 10, in `P_i` and `P_i <v^2>_i` relative to the largest `P_i`, in `J_i` and the third
    /// Hermite moment relative to their largest values, or to a millionth of `c P_i` where they are smaller.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether the estimated error is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }

    /// Element boundaries, from wall to wall.
    pub fn vertices(&self) -> &[f64] {
        &self.law.mesh
    }

    /// Kinks of functions of position, and the walls.
    pub(super) fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }

    fn states(&self) -> std::ops::Range<usize> {
        0..self.masses.len()
    }

    pub(super) fn particle(&self) -> Particle<'_> {
        Particle { model: &self.model, masses: &self.masses, theta: self.theta }
    }

    /// Modes of order less than `count` of a state at `x`; odd ones are exactly zero at walls and beyond.
    pub(super) fn modes_at(&self, state: usize, count: usize, x: f64) -> Vec<f64> {
        let length = self.model.domain.length;
        let free = self.model.domain.walls == Boundary::Periodic || (x > 0.0 && x < length);
        let (e, s) = locate(&self.law.mesh, x.clamp(0.0, length));
        (0..count).map(|n| if n % 2 == 0 || free { self.law.mode(e, state, n, s) } else { 0.0 }).collect()
    }

    /// Densities `P_i(x)`, 1/length. Positions outside the domain are moved to the nearer end.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        self.states().map(|i| self.modes_at(i, 1, x)[0]).collect()
    }

    /// Total density `P(x)`, 1/length.
    pub fn total_density_at(&self, x: f64) -> f64 {
        self.density_at(x).iter().sum()
    }

    /// Flux of momentum `m_i P_i <v^2>_i`, energy/length; `P <v^2>` for one state of unit mass.
    pub fn momentum_flux_at(&self, x: f64) -> Vec<f64> {
        let of_state = |i: usize| {
            let a = self.modes_at(i, 3, x);
            self.theta * (a[0] + std::f64::consts::SQRT_2 * a[2])
        };
        self.states().map(of_state).collect()
    }

    /// Kinetic temperatures `m_i <v^2>_i(x)`, energies; `None` where a density is lost in rounding.
    pub fn kinetic_temperature_at(&self, x: f64) -> Vec<Option<f64>> {
        let pairs = self.momentum_flux_at(x).into_iter().zip(self.known_density_at(x));
        pairs.map(|(flux, density)| Some(flux / density?)).collect()
    }

    /// Densities, where they are above rounding.
    fn known_density_at(&self, x: f64) -> Vec<Option<f64>> {
        let of_state = |(i, p): (usize, f64)| (p > 1e-12 * self.law.scale(i, 0)).then_some(p);
        self.density_at(x).into_iter().enumerate().map(of_state).collect()
    }

    /// Currents `J_i(x) = int v P_i dv`, 1/time, positive towards larger x; exactly zero at walls.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        self.states().map(|i| self.particle().speed(i) * self.modes_at(i, 2, x)[1]).collect()
    }

    /// Heat flux carried as kinetic energy, `sum_i int (m_i v^2/2) v P_i dv`, energy/time (Eq 22).
    pub fn kinetic_heat_current_at(&self, x: f64) -> f64 {
        let of_state = |i: usize| {
            let a = self.modes_at(i, 4, x);
            0.5 * self.theta * self.particle().speed(i) * (libm::sqrt(6.0) * a[3] + 3.0 * a[1])
        };
        self.states().map(of_state).sum()
    }

    /// Heat flux with internal and potential energies, `sum_i int (m_i v^2/2 + H_i + U + U_i) v P_i dv`.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let currents = self.current_at(x).into_iter().enumerate();
        self.kinetic_heat_current_at(x) + currents.map(|(i, j)| self.model.energy(i, x) * j).sum::<f64>()
    }

    /// Densities `P_i(x, v)`, 1/(length velocity).
    pub fn phase_density_at(&self, x: f64, v: f64) -> Vec<f64> {
        let of_state = |i: usize| {
            let c = self.particle().speed(i);
            let pairs =
                self.modes_at(i, self.modes, x).into_iter().zip(hermite::functions(self.modes, v / c));
            pairs.map(|(a, f)| a * f).sum::<f64>() / c
        };
        self.states().map(of_state).collect()
    }

    /// Currents along x at a point of phase space, `v P_i(x, v)` (C26), 1/(time velocity).
    pub fn phase_current_at(&self, x: f64, v: f64) -> Vec<f64> {
        self.phase_density_at(x, v).into_iter().map(|p| v * p).collect()
    }

    /// How far the law is from Maxwell's law at the local temperature, `P_i(x, v)/[P_i(x) sqrt(m_i/2 pi kT)
    /// exp(-m_i v^2/2kT)] - 1` (C10); `None` where one of the two is lost in rounding.
    pub fn deviation_at(&self, x: f64, v: f64) -> Vec<Option<f64>> {
        let kt = self.model.thermal_energy(x);
        let found = self.phase_density_at(x, v).into_iter().zip(self.known_density_at(x));
        let deviation = |((p, density), m): ((f64, Option<f64>), &f64)| {
            let exponential = libm::exp(-0.5 * m * v * v / kt);
            let maxwell = density? * libm::sqrt(m / (2.0 * std::f64::consts::PI * kt)) * exponential;
            (exponential > 1e-12).then(|| p / maxwell - 1.0)
        };
        found.zip(&self.masses).map(deviation).collect()
    }

    /// Current of slow particles `J_slow(x, V) = sum_i int_{-V}^{V} v P_i dv` (C29), 1/time.
    pub fn slow_current_at(&self, x: f64, speed: f64) -> f64 {
        let of_state = |i: usize| {
            let c = self.particle().speed(i);
            let pairs = self.modes_at(i, self.modes, x).into_iter().zip(hermite::slow(self.modes, speed / c));
            c * pairs.map(|(a, f)| a * f).sum::<f64>()
        };
        self.states().map(of_state).sum()
    }

    /// Current of fast particles, the rest of the total current.
    pub fn fast_current_at(&self, x: f64, speed: f64) -> f64 {
        self.current_at(x).iter().sum::<f64>() - self.slow_current_at(x, speed)
    }

    /// `v*`, where `|J_slow(x, V)|` is largest, and its value; `None` where the law is even in v
    /// within the estimated error, as at walls and at uniform temperature.
    pub fn largest_slow_current_at(&self, x: f64) -> Option<SlowCurrent> {
        let fastest = self.states().map(|i| self.particle().speed(i)).fold(0.0, f64::max);
        let step = 0.05 * fastest;
        let grid = (1..=160).map(|k| step * f64::from(k));
        let size = |v: f64| self.slow_current_at(x, v).abs();
        let found =
            grid.fold((0.0, 0.0), |best: (f64, f64), v| if size(v) > best.1 { (v, size(v)) } else { best });
        if found.1 <= 1e-6 * self.estimate.max(1e-6) * fastest * self.total_density_at(x) {
            return None;
        }
        // The derivative of J_slow is v [P(v) - P(-v)], which changes sign there.
        let odd = |v: f64| -> f64 {
            let ways = [v, -v].map(|v| self.phase_density_at(x, v).iter().sum::<f64>());
            ways[0] - ways[1]
        };
        let (mut lo, mut hi) = (found.0 - step, found.0 + step);
        let rising = odd(lo.max(0.01 * step));
        for _ in 0..50 {
            let middle = 0.5 * (lo + hi);
            if odd(middle) * rising > 0.0 {
                lo = middle;
            } else {
                hi = middle;
            }
        }
        let speed = 0.5 * (lo + hi);
        Some(SlowCurrent { speed, current: self.slow_current_at(x, speed) })
    }

    /// Heat absorbed from the bath through friction and kicks, per time and length:
    /// `sum_i (gamma_i/m_i) P_i (kT - m_i <v^2>_i)`.
    pub fn heat_of_kicks_at(&self, x: f64) -> f64 {
        let hotter = self.model.thermal_energy(x) / self.theta - 1.0;
        let of_state = |i: usize| {
            let a = self.modes_at(i, 3, x);
            let nu = self.model.resistance(i, x) / self.masses[i];
            nu * self.theta * (hotter * a[0] - std::f64::consts::SQRT_2 * a[2])
        };
        self.states().map(of_state).sum()
    }

    /// Heat absorbed from the bath in transitions, per time and length; `None` if it is not known (a free
    /// rate whose other direction is not given). The kinetic energy stays as it is.
    pub fn heat_of_transitions_at(&self, x: f64) -> Option<f64> {
        self.of_transitions(x, |channel| self.model.exchange(channel, x).map(|exchange| exchange.heat))
    }

    /// Work done on the particle by driven transitions and by propulsion, per time and length.
    pub fn work_at(&self, x: f64) -> Option<f64> {
        let pushed = self.current_at(x).into_iter().enumerate();
        let pushed: f64 = pushed.map(|(i, j)| self.model.propulsion(i, x) * j).sum();
        let driven = self.of_transitions(x, |channel| self.model.exchange(channel, x).map(|e| e.work))?;
        Some(driven + pushed)
    }

    /// `sum over channels of rate, density and a value per passage`.
    fn of_transitions(&self, x: f64, value: impl Fn(Channel) -> Option<f64>) -> Option<f64> {
        let density = self.density_at(x);
        let mut sum = 0.0;
        for channel in self.model.network.channels() {
            let passages = self.model.rate(channel, x) * density[channel.from];
            if passages != 0.0 {
                sum += passages * value(channel)?;
            }
        }
        Some(sum)
    }

    /// Entropy that the bath gains, `-int (heat absorbed)/kT dx`, in units of k_B per time; `None` if the
    /// heat of a transition is not known. It includes what the kinetic energy carries from hot to cold.
    pub fn entropy_production(&self) -> Option<f64> {
        let length = self.model.domain.length;
        self.heat_of_transitions_at(0.5 * length)?;
        let rate = |x: f64| {
            let heat = self.heat_of_kicks_at(x) + self.heat_of_transitions_at(x).unwrap_or(f64::NAN);
            -heat / self.model.thermal_energy(x)
        };
        Some(integrate(self.vertices(), 0.0, length, rate)).filter(|sum| sum.is_finite())
    }

    /// The `S` for which `exp(-S T(x))` has the same mean of `T` as the density; `None` at uniform T. The
    /// same functional as [`Observable::Soret`](crate::observable::Observable::Soret).
    pub fn soret(&self) -> Option<f64> {
        let length = self.model.domain.length;
        let mut points = Vec::new();
        quadrature(self.vertices(), 0.0, length, |x, w| points.push((x, w / length)));
        let mut pairs: Vec<(f64, f64)> =
            points.iter().map(|(x, w)| (self.model.temperature.value(*x), *w)).collect();
        // Twice, so that the rounding of a first mean does not look like a temperature that varies.
        let mut mean = 0.0;
        for _ in 0..2 {
            let shift: f64 = pairs.iter().map(|(t, w)| t * w).sum();
            pairs.iter_mut().for_each(|(t, _)| *t -= shift);
            mean += shift;
        }
        let both = points.iter().zip(&pairs);
        let excess: f64 = both.map(|((x, _), (t, w))| length * w * t * self.total_density_at(*x)).sum();
        soret_of_excess(mean, excess, &pairs)
    }

    /// Averages over the bins of a grid of any function of position, such as a density of this law; `None`
    /// for a grid of another length.
    pub fn bin_averages(&self, grid: &Grid, value: impl Fn(f64) -> f64) -> Option<Vec<f64>> {
        let length = self.model.domain.length;
        if (grid.length - length).abs() > 1e-12 * length {
            return None;
        }
        let average = |b: usize| {
            let (lo, hi) = (grid.face(b).min(length), grid.face(b + 1).min(length));
            integrate(self.vertices(), lo, hi, &value) / (hi - lo)
        };
        Some((0..grid.bins).map(average).collect())
    }
}
