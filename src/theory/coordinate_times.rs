//! What a particle with one continuous internal coordinate does in time where nothing depends on x: how far it comes, which
//! states it is in, and how waves of its density decay.
//!
//! # Equations
//! With the operator `L` of the coordinate and of transitions, `(L P)_i = d_q[mu (P_i d_q E_i + kT d_q P_i)] + sum_j (k_ij P_j -
//! k_ji P_i)`, the moments `P_k,i(q, t) = int [x(t) - x(0)]^k P_i dx`, laps of a ring included, and the amplitudes
//! `a_i(q, t) = int cos(kappa x) P_i dx` obey
//! ```text
//! d_t P_k,i = L P_k + k (k - 1) D_i(q) P_{k-2,i},        d_t a_i = L a - kappa^2 D_i(q) a_i .
//! ```
//! In a stationary law `<x^2> = 2 <D> t` at any time, while
//! ```text
//! <x^4> = 24 int_0^t dt_1 int_0^{t_1} dt_2 <D(q(t_1)) D(q(t_2))> :
//! ```
//! the kurtosis falls from `3 <D^2>/<D>^2` to 3 as the coordinate forgets, Brownian yet not Gaussian diffusion. For `U = q^2/2`,
//! `D = a q^2` and mobility 1 the covariance is `<D(0) D(t)> = (a T)^2 (1 + 2 exp(-2t))`.
//!
//! # Method
//! Elements in q, functions and weights are those of [`coordinate`](super::coordinate) at one x; steps in time are
//! those of [`relaxation`](super::relaxation), of order 8. The estimate of the error is the largest difference from a
//! solution of two degrees less and twice the step; elements and steps are halved until it is small.
//!
//! **Not for** temperatures, forces, rates or diffusivities that depend on x, several coordinates, or states that propel
//! themselves. Between walls displacements are those of a particle far from them.
//!
//! # Reference
//! Chubynsky & Slater, Phys. Rev. Lett. 113, 098302 (2014); Chechkin, Seno, Metzler & Sokolov, Phys. Rev. X 7, 021002 (2017).

use super::TheoryError;
use super::coordinate::{Line, Slice, bisect_any, first_meshes, has_force, states};
use super::element::Reference;
use super::evolution::{POLE, RESIDUES};
use super::functionals::quadrature;
use super::linear::{Factored, Matrix};
use super::relaxation::{Initial, Occupancy, Positions};
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Boundary, Model};
use crate::observable::{Instant, Observable};
use std::f64::consts::PI;

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-10 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused ([`TheoryError::NotConverged`]).
    pub limit: f64,
    /// Unknowns beyond which the mesh is not refined; at least 100.
    pub max_unknowns: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-8, limit: 1e-4, max_unknowns: 800 }
    }
}

/// Degree of the better solution; the rough one has two less.
const DEGREE: usize = 10;

/// Steps while the time doubles, at first and at most.
const STEPS: [usize; 2] = [4, 256];

/// Waves whose amplitudes are followed.
const WAVES: usize = 2;

/// What is known at each time asked for.
#[derive(Clone, Debug)]
pub struct CoordinateTimes {
    model: Model,
    seen: Vec<Seen>,
    /// `int cos(kappa_n x) P dx` at the start, `n = 1 ..= WAVES`; none where the start is the same at every x.
    waves: Option<[f64; WAVES]>,
    elements: usize,
    estimate: f64,
    tolerance: f64,
}

/// One moment.
#[derive(Clone, Debug)]
struct Seen {
    populations: Vec<f64>,
    /// `<x^2>` and `<x^4>`.
    moments: [f64; 2],
    /// Per wave and state, what is left of an amplitude of 1.
    waves: Vec<Vec<f64>>,
}

/// Whether nothing depends on x and there is one coordinate: what [`solve`] asks for.
///
/// # Errors
/// [`TheoryError::Premise`].
pub fn premise(model: &Model) -> Result<(), TheoryError> {
    let premise = |must| Err(TheoryError::Premise { must });
    let Some(coordinates) = &model.coordinates else {
        return premise("an internal coordinate");
    };
    if coordinates.axes.len() != 1 {
        return premise("a single internal coordinate");
    }
    if model.temperature.constant().is_none() {
        return premise("a uniform temperature");
    }
    if has_force(model) {
        return premise("potentials that do not depend on x");
    }
    if states(model).any(|s| coordinates.diffusivity(s).depends_on_x()) {
        return premise("diffusivities that do not depend on x");
    }
    let whole = Interval::new(0.0, model.domain.length);
    let varies = |c| {
        let bounds = model.rate_bounds(c, whole);
        bounds.width() > 1e-9 * bounds.magnitude()
    };
    if model.network.channels().any(varies) {
        return premise("rates that do not depend on x");
    }
    Ok(())
}

/// Solves for what is seen at `times`, positive and increasing, counted from the end of a burn-in; the start is that of the
/// burn-in, with coordinates in Boltzmann's law.
///
/// # Errors
/// [`TheoryError`]: as [`premise`] and [`coordinate::solve`](super::coordinate::solve); times out of order; an estimated error above
/// `options.limit`.
pub fn solve(
    model: &Model,
    start: &Initial,
    burn_in: f64,
    times: &[f64],
    options: &Options,
) -> Result<CoordinateTimes, TheoryError> {
    check(burn_in, times, options)?;
    premise(model)?;
    let mut line = first_meshes(model)?.1;
    let waves = amplitudes(model, &start.positions);
    let task = Task { model, start: &start.states, burn_in, times, waves: waves.is_some() };
    let [mut steps, most] = STEPS;
    let mut best: Option<(Vec<Seen>, usize, f64)> = None;
    let mut rough = task.run(&line, DEGREE - 2, steps)?;
    loop {
        let fine = task.run(&line, DEGREE, 2 * steps)?;
        let estimate = difference(&rough, &fine);
        let worse = best.as_ref().is_some_and(|b| estimate > 0.5 * b.2);
        if best.as_ref().is_none_or(|b| estimate < b.2) {
            best = Some((fine.clone(), line.elements(), estimate));
        }
        let full = 2 * line.elements() * DEGREE * states(model).len() > options.max_unknowns;
        if estimate <= options.tolerance || worse || (full && 2 * steps > most) {
            break;
        }
        // Whichever of the two is to blame.
        let in_time = difference(&rough, &task.run(&line, DEGREE - 2, 2 * steps)?);
        if (in_time > 0.5 * estimate || full) && 2 * steps <= most {
            steps *= 2;
        }
        if in_time <= 0.5 * estimate && !full {
            line.vertices = bisect_any(&line.vertices, &vec![true; line.elements()]);
        }
        rough = task.run(&line, DEGREE - 2, steps)?;
    }
    let (limit, elements) = (options.limit, line.elements());
    match best {
        Some((seen, elements, estimate)) if estimate <= limit => Ok(CoordinateTimes {
            model: model.clone(),
            seen,
            waves,
            elements,
            estimate,
            tolerance: options.tolerance,
        }),
        Some((_, _, estimate)) => Err(TheoryError::NotConverged { estimate, limit, elements }),
        None => Err(TheoryError::Singular { elements }),
    }
}

fn check(burn_in: f64, times: &[f64], options: &Options) -> Result<(), TheoryError> {
    let Options { tolerance, limit, max_unknowns } = *options;
    for (option, must, found, holds) in [
        ("tolerance", "between 1e-10 and 1e-2", tolerance, (1e-10..=1e-2).contains(&tolerance)),
        ("limit", "positive", limit, limit > 0.0),
        ("max_unknowns", "at least 100", max_unknowns as f64, max_unknowns >= 100),
        ("burn_in", "finite and not negative", burn_in, burn_in >= 0.0 && burn_in.is_finite()),
    ] {
        if !holds {
            return Err(TheoryError::Option { option, must, found });
        }
    }
    let mut before = 0.0;
    for &found in times {
        if !(found > before && found.is_finite()) {
            let must = "finite, positive and in increasing order";
            return Err(TheoryError::Option { option: "times", must, found });
        }
        before = found;
    }
    Ok(())
}

/// `kappa` of a wave: of `cos(n pi x/L)` between walls, of `cos(2 pi n x/L)` on a ring.
fn wave_number(model: &Model, n: usize) -> f64 {
    let turns = if model.domain.walls == Boundary::Periodic { 2.0 } else { 1.0 };
    turns * PI * n as f64 / model.domain.length
}

/// Amplitudes of the waves in the law of positions at the start; none where it is uniform.
fn amplitudes(model: &Model, positions: &Positions) -> Option<[f64; WAVES]> {
    let wave = |n: usize, x: f64| libm::cos(wave_number(model, n + 1) * x);
    let length = model.domain.length;
    match positions {
        // Nothing depends on x.
        Positions::Uniform | Positions::InverseDiffusivity => None,
        Positions::Point(x) => Some(std::array::from_fn(|n| wave(n, *x))),
        Positions::Profile(law) => {
            let mut mesh: Vec<f64> = (0..=64).map(|k| length * f64::from(k) / 64.0).collect();
            mesh.extend(law.kinks(Interval::new(0.0, length)));
            mesh.sort_by(f64::total_cmp);
            let sum = |of: &dyn Fn(f64) -> f64| {
                let mut sum = 0.0;
                quadrature(&mesh, 0.0, length, |x, weight| sum += weight * of(x) * law.value(x));
                sum
            };
            let total = sum(&|_| 1.0);
            Some(std::array::from_fn(|n| sum(&|x| wave(n, x)) / total))
        }
    }
}

/// The largest difference: of populations and amplitudes, of moments relative to themselves.
fn difference(one: &[Seen], other: &[Seen]) -> f64 {
    let mut largest = 0.0f64;
    for (a, b) in one.iter().zip(other) {
        let plain = |a: &Vec<f64>, b: &Vec<f64>| {
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |m: f64, d| if d > m { d } else { m })
        };
        largest = largest.max(plain(&a.populations, &b.populations));
        for (a, b) in a.waves.iter().zip(&b.waves) {
            largest = largest.max(plain(a, b));
        }
        for (a, b) in a.moments.iter().zip(&b.moments) {
            largest = largest.max((a / b - 1.0).abs());
        }
    }
    largest
}

/// What is asked for.
struct Task<'a> {
    model: &'a Model,
    start: &'a Occupancy,
    burn_in: f64,
    times: &'a [f64],
    waves: bool,
}

impl Task<'_> {
    fn run(&self, line: &Line, degree: usize, steps: usize) -> Result<Vec<Seen>, TheoryError> {
        let line = Line { degree, ..line.clone() };
        let across = Reference::with_points(degree, degree + 8);
        let slice = Slice { model: self.model, line: &line, across: &across };
        let equation = Equation::new(&slice)?;
        let begin = equation.start(&slice, self.start)?;
        let moments = Operator::new(&equation, 0.0, &[0.0, 2.0, 12.0]);
        let still = Operator::new(&equation, 0.0, &[0.0]);
        let opened = still.evolve(vec![begin.clone()], &self.burnt(), steps)?;
        let first = opened.into_iter().next().map_or(begin.clone(), |mut loads| loads.remove(0));
        let none = vec![0.0; first.len()];
        let moved = moments.evolve(vec![first, none.clone(), none], self.times, steps)?;
        let mut waves = Vec::new();
        for n in 1..=if self.waves { WAVES } else { 0 } {
            let kappa = wave_number(self.model, n);
            let operator = Operator::new(&equation, kappa * kappa, &[0.0]);
            // Waves begin to decay with the burn-in.
            let since: Vec<f64> = self.times.iter().map(|t| self.burn_in + t).collect();
            waves.push(operator.evolve(vec![begin.clone()], &since, steps)?);
        }
        let count = states(self.model).len();
        let seen = |(k, loads): (usize, &Vec<Vec<f64>>)| {
            let sum = |load: &Vec<f64>| equation.of_states(load, count).iter().sum::<f64>();
            Seen {
                populations: equation.of_states(&loads[0], count),
                moments: [sum(&loads[1]), sum(&loads[2])],
                waves: waves.iter().map(|wave| equation.of_states(&wave[k][0], count)).collect(),
            }
        };
        Ok(moved.iter().enumerate().map(seen).collect())
    }

    fn burnt(&self) -> Vec<f64> {
        if self.burn_in > 0.0 { vec![self.burn_in] } else { Vec::new() }
    }
}

/// The weak form at one place: with `P_i = w_i f_i` and loads `b_a = int psi_a P dq = (M f)_a`
/// ```text
/// d_t b = -(A + kappa^2 B) f + k (k - 1) B f_{k-2} .
/// ```
/// Rows and columns are divided by the roots of the diagonal of `M`, which is as small as weights are. Loads of a state sum
/// to its population, because its `psi_a` sum to one.
struct Equation {
    /// `M`.
    mass: Matrix,
    /// `B`, the same with `D`.
    spread: Matrix,
    /// `A`.
    rates: Matrix,
    /// What loads are divided by.
    scale: Vec<f64>,
}

impl Equation {
    fn new(slice: &Slice<'_>) -> Result<Self, TheoryError> {
        let size = slice.width();
        let mut mass = Matrix::zeros(size, size);
        for (i, j, value) in masses(slice)? {
            mass.row_mut(i)[j] += value;
        }
        let scale: Vec<f64> = (0..size).map(|i| libm::sqrt(mass.row(i)[i])).collect();
        let (mut spread, mut rates) = (Matrix::zeros(size, size), Matrix::zeros(size, size));
        for (i, j, [diffusivity, _, rest]) in slice.entries(0.0)? {
            spread.row_mut(i)[j] += diffusivity;
            rates.row_mut(i)[j] += rest;
        }
        for matrix in [&mut mass, &mut spread, &mut rates] {
            for (i, outer) in scale.iter().enumerate() {
                let row = matrix.row_mut(i).iter_mut().zip(&scale);
                row.for_each(|(value, inner)| *value /= outer * inner);
            }
        }
        Ok(Equation { mass, spread, rates, scale })
    }

    /// Loads at the start: Boltzmann's law within each state.
    fn start(&self, slice: &Slice<'_>, occupancy: &Occupancy) -> Result<Vec<f64>, TheoryError> {
        // M f with f = 1 are the loads of local equilibrium.
        let load = apply(&self.mass, &self.scale);
        let count = states(slice.model).len();
        let now = self.of_states(&load, count);
        let wanted = match occupancy {
            Occupancy::LocalEquilibrium => return Ok(load),
            Occupancy::Weights(weights) => weights,
            Occupancy::Varying(_) => {
                return Err(TheoryError::Premise { must: "occupancies that do not depend on x" });
            }
        };
        let total: f64 = wanted.iter().sum();
        let nodes = load.len() / count;
        let factor = |k: usize| wanted[k / nodes] / (total * now[k / nodes]);
        Ok(load.iter().enumerate().map(|(k, b)| b * factor(k)).collect())
    }

    fn of_states(&self, load: &[f64], count: usize) -> Vec<f64> {
        let nodes = load.len() / count;
        let unscaled = |k: usize| load[k] * self.scale[k];
        (0..count).map(|s| (s * nodes..(s + 1) * nodes).map(unscaled).sum()).collect()
    }
}

/// Entries of `M`.
fn masses(slice: &Slice<'_>) -> Result<Vec<(usize, usize, f64)>, TheoryError> {
    let Slice { model, line, across } = slice;
    let weights = slice.weights(0.0)?;
    let mut entries = Vec::new();
    for state in states(model) {
        for (m, ends) in line.vertices.windows(2).enumerate() {
            let place = |a: usize| state * line.nodes() + line.node(m, a);
            for (point, (q, weight)) in across.rule.on(ends[0], ends[1]).enumerate() {
                let w = weight * weights.at(model, state, model.energy_within(state, 0.0, &[q]));
                let basis = &across.basis[point];
                for i in 0..=line.degree {
                    for j in 0..=line.degree {
                        entries.push((place(i), place(j), w * basis[i] * basis[j]));
                    }
                }
            }
        }
    }
    Ok(entries)
}

fn apply(matrix: &Matrix, vector: &[f64]) -> Vec<f64> {
    let mut result = vec![0.0; vector.len()];
    matrix.subtract_apply(vector, &mut result);
    result.iter_mut().for_each(|v| *v = -*v);
    result
}

/// Levels that feed each other, `d_t b_l = -(A + kappa^2 B) f_l + c_l B f_{l-1}`.
struct Operator<'a> {
    of: &'a Equation,
    /// `kappa^2`.
    decay: f64,
    /// `c_l`; the first is not looked at.
    feeds: &'a [f64],
}

impl<'a> Operator<'a> {
    fn new(of: &'a Equation, decay: f64, feeds: &'a [f64]) -> Self {
        Operator { of, decay, feeds }
    }

    /// Loads at each of `times`, in steps that grow with the time that has passed: so many until a sixteenth of the first
    /// one, and whenever the time doubles.
    fn evolve(
        &self,
        mut loads: Vec<Vec<f64>>,
        times: &[f64],
        per_octave: usize,
    ) -> Result<Vec<Vec<Vec<f64>>>, TheoryError> {
        let mut now = 0.0;
        let mut all = Vec::with_capacity(times.len());
        let mut ready: Option<(f64, Factored)> = None;
        for &time in times {
            while now < time {
                let octave = if now == 0.0 { time / 16.0 } else { now };
                let span = octave.min(time - now);
                let steps = libm::ceil(per_octave as f64 * span / octave - 1e-9).max(1.0);
                let dt = span / steps;
                let factored = match ready.take().filter(|(of, _)| (of - dt).abs() <= 1e-14 * dt) {
                    Some(ready) => ready,
                    None => (dt, self.factored(dt)?),
                };
                for _ in 0..steps as usize {
                    loads = self.step(&loads, &factored);
                }
                ready = Some(factored);
                now = if span < time - now { now + span } else { time };
            }
            all.push(loads.clone());
        }
        Ok(all)
    }

    /// `M + POLE dt (A + kappa^2 B)`.
    fn factored(&self, dt: f64) -> Result<Factored, TheoryError> {
        let size = self.of.scale.len();
        let mut matrix = Matrix::zeros(size, size);
        for i in 0..size {
            let (mass, rates, spread) = (self.of.mass.row(i), self.of.rates.row(i), self.of.spread.row(i));
            for (j, value) in matrix.row_mut(i).iter_mut().enumerate() {
                *value = mass[j] + POLE * dt * (rates[j] + self.decay * spread[j]);
            }
        }
        Factored::new(matrix).ok_or(TheoryError::Singular { elements: size })
    }

    fn step(&self, loads: &[Vec<f64>], (dt, factored): &(f64, Factored)) -> Vec<Vec<f64>> {
        let mut power = loads.to_vec();
        let mut moved = loads.to_vec();
        for c in RESIDUES {
            let mut below: Option<Vec<f64>> = None;
            for (l, (power, feed)) in power.iter_mut().zip(self.feeds).enumerate() {
                let mut f = std::mem::take(power);
                if let Some(below) = &below {
                    let fed = apply(&self.of.spread, below);
                    f.iter_mut().zip(fed).for_each(|(f, s)| *f += POLE * dt * feed * s);
                }
                factored.solve(&mut f);
                *power = apply(&self.of.mass, &f);
                let terms = power.iter().zip(&loads[l]);
                moved[l].iter_mut().zip(terms).for_each(|(sum, (b, begin))| *sum += c * (b - begin));
                below = Some(f);
            }
        }
        moved
    }
}

impl CoordinateTimes {
    /// The model that was solved.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Elements along the coordinate.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Estimated error, of moments relative to themselves; see the module.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether it is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }

    /// What is seen at one of the times, one value per bin, or one. `None` for averages over time; densities and means of x
    /// are known of a start that is the same at every x only.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let Observable::At(time, what) = observable else {
            return None;
        };
        let (seen, length) = (self.seen.get(time)?, self.model.domain.length);
        if (grid.length - length).abs() > 1e-12 * length {
            return None;
        }
        let [second, fourth] = seen.moments;
        let everywhere = |value: f64| self.waves.is_none().then(|| vec![Some(value); grid.bins]);
        let one = match what {
            Instant::Density => return everywhere(1.0 / length),
            Instant::StateDensity(s) => return everywhere(seen.populations.get(s)? / length),
            Instant::Population(s) => *seen.populations.get(s)?,
            Instant::MeanPosition => self.waves.is_none().then_some(0.5 * length)?,
            Instant::Mode(s, n) => match (self.waves, n.checked_sub(1)?) {
                (_, n) if n >= WAVES || s >= seen.populations.len() => return None,
                (Some(begin), n) => begin[n] * seen.waves[n][s],
                (None, _) => 0.0,
            },
            Instant::Displacement => 0.0,
            Instant::SquareDisplacement => second,
            Instant::Kurtosis => fourth / (second * second),
            _ => return None,
        };
        Some(vec![Some(one).filter(|v| v.is_finite())])
    }
}
