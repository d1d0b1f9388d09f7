//! The stationary law of a chain of steps with one continuous internal coordinate, found without a random number: it
//! shows the bias of a method however small.
//!
//! A step is a move for `dt/2` at frozen `q`, after which the particle is seen, a move for `dt/2`, and a shift for `dt` at frozen
//! `x`; or with [`Steps::Euler`] a shift and a move, seen at the end. Moves are exact, and damp a cosine mode of x by
//! `exp(-D(q) k^2 t)`, `k = n pi/L`. A shift from `q` to `q'` with the mobility `mu` and `U` at hand has the density
//! ```text
//! midpoint:   z - q of variance mu kT dt/2,  z = m + mu U'(m) dt/2,  m = (q + q')/2,  times (1 + mu U''(m) dt/2)/2,
//! others:     q' - q + mu U'(q) dt of variance 2 mu kT dt,
//! ```
//! and what is judged is accepted with probability `min(1, P(q') g(q' -> q)/(P(q) g(q -> q')))`; what is refused stays.
//!
//! The law is a sum of modes of x times polynomials of q that are orthonormal by Boltzmann's weight `w` at a temperature between
//! the coldest and the hottest, as tests and, times `w`, as functions. Shifts know x by `kT` alone and depend on it smoothly: they are
//! interpolated in `kT` between Chebyshev's points. For `dt = 0` the equation is that of
//! [`coordinate`](super::coordinate) in the same functions, so that what they miss cancels in a bias.
//!
//! There is no such law where diffusivities or potentials depend on x, for several states or coordinates, for a mobility that
//! is not the same everywhere, on rings and between walls of q.

use super::breakpoints;
use super::element::Rule;
use super::functionals::soret_of_excess;
use super::linear::{Factored, Matrix};
use crate::grid::Grid;
use crate::model::{Boundary, Model, Range, Response};
use crate::observable::Observable;
use std::f64::consts::PI;

/// How coordinates are shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// The implicit midpoint rule, judged.
    Midpoint,
    /// Langevin proposals, judged.
    Langevin,
    /// Euler's step, then a whole move; seen at the end.
    Euler,
}

/// How many functions the law is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Cosine modes of x.
    pub modes: usize,
    /// Polynomials of q.
    pub degrees: usize,
}

impl Resolution {
    /// Enough for biases to a per cent of themselves in a double well some kT deep.
    pub const USUAL: Self = Resolution { modes: 12, degrees: 28 };
}

/// Points between which shifts are interpolated in `kT`.
const NODES: usize = 9;

/// Points of q on the length of a step.
const POINTS_A_STEP: f64 = 3.0;

/// Least and most points of q.
const POINTS: [usize; 2] = [200, 3000];

/// Exponents below which a density is nothing.
const NOTHING: f64 = 40.0;

/// Points of a rule on a piece of x.
const PIECE: usize = 24;

/// Pieces of x between neighbouring kinks.
const PIECES: usize = 4;

/// Points of a rule on a cell of q.
const CELL: usize = 6;

/// The law on functions of x and q.
#[derive(Clone, Debug)]
pub struct CoordinateChain {
    model: Model,
    basis: Basis,
    modes: usize,
    /// `P`, mode by mode and polynomial by polynomial.
    law: Vec<f64>,
    /// What shifts change per time.
    change: Vec<f64>,
}

/// Polynomials of q.
#[derive(Clone, Debug)]
struct Basis {
    ends: [f64; 2],
    /// `kT` of the weight.
    thermal: f64,
    /// An energy near the lowest, and the logarithm of the norm.
    shift: f64,
    norm: f64,
    /// Of the recurrence `b' p' = (q - a) p - b p_before`.
    centres: Vec<f64>,
    steps: Vec<f64>,
    first: f64,
}

/// Points of q and what is known there.
struct Points {
    q: Vec<f64>,
    /// Their weights in an integral with `w`.
    weight: Vec<f64>,
    energy: Vec<f64>,
    slope: Vec<f64>,
    /// The polynomials, point by point.
    values: Vec<Vec<f64>>,
}

impl Basis {
    fn new(model: &Model, ends: [f64; 2], thermal: f64, degrees: usize, points: usize) -> (Self, Points) {
        let width = (ends[1] - ends[0]) / points as f64;
        let q: Vec<f64> = (0..points).map(|k| ends[0] + (k as f64 + 0.5) * width).collect();
        let energy: Vec<f64> = q.iter().map(|q| model.energy_within(0, 0.0, &[*q])).collect();
        let slope = q.iter().map(|q| slope(model, *q)).collect();
        let shift = energy.iter().copied().fold(f64::INFINITY, f64::min);
        let mut weight: Vec<f64> = energy.iter().map(|e| libm::exp((shift - e) / thermal)).collect();
        let sum: f64 = weight.iter().sum();
        weight.iter_mut().for_each(|w| *w /= sum);
        let mut basis = Basis {
            ends,
            thermal,
            shift,
            norm: sum * width,
            centres: Vec::new(),
            steps: Vec::new(),
            first: 1.0,
        };
        // Stieltjes' procedure.
        let (mut last, mut now) = (vec![0.0; points], vec![1.0; points]);
        let mut values: Vec<Vec<f64>> = vec![vec![1.0]; points];
        let mut step = 0.0;
        for _ in 1..degrees {
            let mean = |f: &dyn Fn(usize) -> f64| (0..points).map(|i| weight[i] * f(i)).sum::<f64>();
            let centre = mean(&|i| q[i] * now[i] * now[i]);
            let mut next: Vec<f64> = (0..points).map(|i| (q[i] - centre) * now[i] - step * last[i]).collect();
            step = libm::sqrt(mean(&|i| next[i] * next[i]));
            next.iter_mut().for_each(|p| *p /= step);
            values.iter_mut().zip(&next).for_each(|(row, p)| row.push(*p));
            (last, now) = (now, next);
            basis.centres.push(centre);
            basis.steps.push(step);
        }
        (basis, Points { q, weight, energy, slope, values })
    }

    /// The polynomials at `q` with their first and second derivatives.
    fn at(&self, q: f64) -> Vec<[f64; 3]> {
        let mut list = vec![[self.first, 0.0, 0.0]];
        let mut last = [0.0; 3];
        let mut before = 0.0;
        for (centre, step) in self.centres.iter().zip(&self.steps) {
            let now = list[list.len() - 1];
            let s = q - centre;
            let next = [
                (s * now[0] - before * last[0]) / step,
                (s * now[1] + now[0] - before * last[1]) / step,
                (s * now[2] + 2.0 * now[1] - before * last[2]) / step,
            ];
            (last, before) = (now, *step);
            list.push(next);
        }
        list
    }

    /// `int w p dq` of every polynomial between two ends.
    fn integrals(&self, model: &Model, lo: f64, hi: f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.centres.len() + 1];
        for (q, weight) in Rule::gauss(CELL).on(lo, hi) {
            let energy = model.energy_within(0, 0.0, &[q]);
            let weight = weight * libm::exp((self.shift - energy) / self.thermal) / self.norm;
            sums.iter_mut().zip(self.at(q)).for_each(|(sum, p)| *sum += weight * p[0]);
        }
        sums
    }
}

fn slope(model: &Model, q: f64) -> f64 {
    model.coordinates.as_ref().map_or(0.0, |c| c.energy_slope_q(0, 0.0, &[q], 0))
}

/// What must hold, and the mobility.
fn mobility(model: &Model) -> Option<f64> {
    let coordinates = model.coordinates.as_ref().filter(|c| c.axes.len() == 1)?;
    let plain = model.network.states().len() == 1
        && model.domain.walls == Boundary::Reflecting
        && matches!(coordinates.axes[0].range, Range::Unbounded)
        && !model.has_forces()
        && !coordinates.has_force()
        && !coordinates.diffusivity(0).depends_on_x();
    match coordinates.axes[0].response {
        Response::Mobility(mobility) if plain => Some(mobility),
        _ => None,
    }
}

/// A small square matrix, row by row.
type Square = Vec<Vec<f64>>;

fn square(size: usize) -> Square {
    vec![vec![0.0; size]; size]
}

/// What shifts change per time at `kT`, polynomial to polynomial: `[test][function]`.
fn shifts(
    points: &Points,
    degrees: usize,
    (mu, kt, dt): (f64, f64, f64),
    steps: Steps,
    bend: &[f64],
) -> Square {
    let mut matrix = square(degrees);
    let (count, width) = (points.q.len(), points.q[1] - points.q[0]);
    let variance = match steps {
        Steps::Midpoint => 0.5 * mu * kt * dt,
        Steps::Langevin | Steps::Euler => 2.0 * mu * kt * dt,
    };
    let norm = width / libm::sqrt(2.0 * PI * variance);
    for i in 0..count {
        let (q, slope) = (points.q[i], points.slope[i]);
        let mut row = vec![0.0; degrees];
        for j in (0..count).filter(|j| *j != i) {
            let way = points.q[j] - q;
            let (off, mut share) = match steps {
                Steps::Midpoint => {
                    // Middles lie on the points and halfway between them.
                    let (push, stretch) = (bend[2 * (i + j)], bend[2 * (i + j) + 1]);
                    (0.5 * way + 0.5 * mu * dt * push, 0.5 * (1.0 + 0.5 * mu * dt * stretch))
                }
                Steps::Langevin | Steps::Euler => (way + mu * dt * slope, 1.0),
            };
            let exponent = off * off / (2.0 * variance);
            if exponent > NOTHING {
                continue;
            }
            let climb = points.energy[j] - points.energy[i];
            match steps {
                Steps::Midpoint => {
                    share *= libm::exp((way * bend[2 * (i + j)] - climb).min(0.0) / kt);
                }
                Steps::Langevin => {
                    let back = mu * dt * points.slope[j] - way;
                    let cost = climb / kt + (back * back - off * off) / (2.0 * variance);
                    share *= libm::exp((-cost).min(0.0));
                }
                Steps::Euler => {}
            }
            let share = share * norm * libm::exp(-exponent) / dt;
            let (here, there) = (&points.values[i], &points.values[j]);
            row.iter_mut().zip(there.iter().zip(here)).for_each(|(r, (t, h))| *r += share * (t - h));
        }
        for (entries, change) in matrix.iter_mut().zip(&row) {
            let change = points.weight[i] * change;
            entries.iter_mut().zip(&points.values[i]).for_each(|(e, p)| *e += change * p);
        }
    }
    matrix
}

/// The same for short steps.
fn generator(points: &Points, basis: &Basis, mu: f64, kt: f64) -> Square {
    let degrees = basis.centres.len() + 1;
    let mut matrix = square(degrees);
    for (i, q) in points.q.iter().enumerate() {
        for (entries, test) in matrix.iter_mut().zip(basis.at(*q)) {
            let change = points.weight[i] * mu * (kt * test[2] - points.slope[i] * test[1]);
            entries.iter_mut().zip(&points.values[i]).for_each(|(e, p)| *e += change * p);
        }
    }
    matrix
}

/// Chebyshev's points in an interval.
fn node(k: usize, [lo, hi]: [f64; 2]) -> f64 {
    0.5 * (lo + hi) + 0.5 * (hi - lo) * libm::cos(PI * (k as f64 + 0.5) / NODES as f64)
}

/// The polynomial that is one at a node and zero at the others.
fn cardinal(k: usize, ends: [f64; 2], value: f64) -> f64 {
    let own = node(k, ends);
    (0..NODES).filter(|j| *j != k).map(|j| (value - node(j, ends)) / (own - node(j, ends))).product()
}

impl CoordinateChain {
    /// The law for steps of length `dt`, or of the equation for `dt = 0`. `None` where there is none, see above, where a step is
    /// so long that midpoints are not unique, or if the equation is singular.
    pub fn on(model: &Model, steps: Steps, dt: f64, resolution: Resolution) -> Option<Self> {
        let mu = mobility(model)?;
        let Resolution { modes, degrees } = resolution;
        let length = model.domain.length;
        let ends = *model.coordinate_reach().ok()?.ends.first()?;
        let vertices = breakpoints(model).ok()?;
        let rule = Rule::gauss(PIECE);
        let places: Vec<(f64, f64)> = vertices
            .windows(2)
            .flat_map(|pair| {
                let at = |k: usize| pair[0] + (pair[1] - pair[0]) * k as f64 / PIECES as f64;
                (0..PIECES).flat_map(|k| rule.on(at(k), at(k + 1)).collect::<Vec<_>>()).collect::<Vec<_>>()
            })
            .collect();
        let heats: Vec<f64> = places.iter().map(|(x, _)| model.thermal_energy(*x)).collect();
        let range =
            [heats.iter().copied().fold(f64::INFINITY, f64::min), heats.iter().copied().fold(0.0, f64::max)];
        // A uniform temperature has an interval too.
        let range = [range[0] * (1.0 - 1e-6), range[1] * (1.0 + 1e-6)];

        let shortest = libm::sqrt(2.0 * mu * range[0] * dt) / POINTS_A_STEP;
        let wanted = if dt > 0.0 { libm::ceil((ends[1] - ends[0]) / shortest) as usize } else { 0 };
        if wanted > POINTS[1] {
            return None;
        }
        let count = wanted.max(POINTS[0]);
        let (basis, points) = Basis::new(model, ends, 0.5 * (range[0] + range[1]), degrees, count);
        let bend =
            if dt > 0.0 && steps == Steps::Midpoint { bends(model, &points, mu * dt)? } else { Vec::new() };
        let of_shifts: Vec<Square> = (0..NODES)
            .map(|k| match dt > 0.0 {
                true => shifts(&points, degrees, (mu, node(k, range), dt), steps, &bend),
                false => generator(&points, &basis, mu, node(k, range)),
            })
            .collect();

        // Shifts in modes: `[test][function]`.
        let size = modes * degrees;
        let wave = |n: usize, x: f64| libm::cos(PI * n as f64 * x / length);
        let mut change = Matrix::zeros(size, size);
        for (k, shifts) in of_shifts.iter().enumerate() {
            let cardinals: Vec<f64> = heats.iter().map(|kt| cardinal(k, range, *kt)).collect();
            for n in 0..modes {
                for m in 0..modes {
                    let terms =
                        places.iter().zip(&cardinals).map(|((x, w), c)| w * c * wave(n, *x) * wave(m, *x));
                    let share = terms.sum::<f64>() * if n == 0 { 1.0 } else { 2.0 } / length;
                    for (a, shifts) in shifts.iter().enumerate() {
                        let row = &mut change.row_mut(n * degrees + a)[m * degrees..(m + 1) * degrees];
                        row.iter_mut().zip(shifts).for_each(|(e, s)| *e += share * s);
                    }
                }
            }
        }
        // Moves for the time before and after a shift, less one, over dt.
        let time = if steps == Steps::Euler { dt } else { 0.5 * dt };
        let diffusivity: Vec<f64> =
            points.q.iter().map(|q| model.diffusivity_within(0, 0.0, &[*q])).collect();
        let moves: Vec<Square> = (0..modes)
            .map(|n| {
                let k = PI * n as f64 / length;
                let mut matrix = square(degrees);
                for (i, d) in diffusivity.iter().enumerate() {
                    let damped = match (dt > 0.0, steps) {
                        (true, _) => libm::expm1(-d * k * k * time) / dt,
                        (false, Steps::Euler) => -d * k * k,
                        (false, _) => -0.5 * d * k * k,
                    };
                    for (entries, p) in matrix.iter_mut().zip(&points.values[i]) {
                        let part = points.weight[i] * damped * p;
                        entries.iter_mut().zip(&points.values[i]).for_each(|(e, p)| *e += part * p);
                    }
                }
                matrix
            })
            .collect();
        let split = steps != Steps::Euler;
        // E X, then X E X.
        let before = if split { times_moves(&change, &moves, dt, degrees) } else { change };
        let mut system = moves_times(&moves, &before, dt, degrees);
        for (n, y) in moves.iter().enumerate() {
            for a in 0..degrees {
                for b in 0..degrees {
                    let square: f64 = (0..degrees).map(|c| y[a][c] * y[c][b]).sum();
                    let own = if split { 2.0 * y[a][b] + dt * square } else { y[a][b] };
                    system.row_mut(n * degrees + a)[n * degrees + b] += own;
                }
            }
        }
        // Particles are conserved: the first equation is zero, and gives way to the normalisation.
        system.row_mut(0).fill(0.0);
        system.row_mut(0)[0] = 1.0;
        let mut law = vec![0.0; size];
        law[0] = 1.0 / length;
        Factored::new(system)?.solve(&mut law);
        if !law.iter().all(|p| p.is_finite()) {
            return None;
        }
        let change = (0..size).map(|r| before.row(r).iter().zip(&law).map(|(e, p)| e * p).sum()).collect();
        Some(CoordinateChain { model: model.clone(), basis, modes, law, change })
    }

    fn degrees(&self) -> usize {
        self.basis.centres.len() + 1
    }

    /// The moments of a mode of the law, or of what shifts change.
    fn mode<'a>(&self, of: &'a [f64], n: usize) -> &'a [f64] {
        &of[n * self.degrees()..(n + 1) * self.degrees()]
    }

    fn wave_number(&self, n: usize) -> f64 {
        PI * n as f64 / self.model.domain.length
    }

    /// `P_tot(x)`.
    fn total(&self, x: f64) -> f64 {
        (0..self.modes).map(|n| self.mode(&self.law, n)[0] * libm::cos(self.wave_number(n) * x)).sum()
    }

    /// `int f(q) p w dq` of every polynomial.
    fn moments(&self, of: impl Fn(f64) -> f64) -> Vec<f64> {
        let [lo, hi] = self.basis.ends;
        let mut sums = vec![0.0; self.degrees()];
        let panels = 64;
        let at = |k: usize| lo + (hi - lo) * k as f64 / panels as f64;
        for (q, weight) in
            (0..panels).flat_map(|k| Rule::gauss(CELL).on(at(k), at(k + 1)).collect::<Vec<_>>())
        {
            let energy = self.model.energy_within(0, 0.0, &[q]);
            let weight =
                weight * libm::exp((self.basis.shift - energy) / self.basis.thermal) / self.basis.norm;
            let value = of(q);
            sums.iter_mut().zip(self.basis.at(q)).for_each(|(sum, p)| *sum += weight * value * p[0]);
        }
        sums
    }

    /// `int U p w dq` of every polynomial.
    fn energies(&self) -> Vec<f64> {
        self.moments(|q| self.model.energy_within(0, 0.0, &[q]))
    }

    /// Amplitudes of `J_E(x) = sum_n j_n sin(n pi x/L)`.
    fn heat(&self) -> Vec<f64> {
        let energies = self.energies();
        let of = |n: usize| {
            let gained: f64 = self.mode(&self.change, n).iter().zip(&energies).map(|(c, e)| c * e).sum();
            gained / self.wave_number(n)
        };
        (0..self.modes).map(|n| if n == 0 { 0.0 } else { of(n) }).collect()
    }

    /// The values of an observable on `grid`, as [`CoordinateLaw::reference`](super::CoordinateLaw::reference) gives them; `None`
    /// for what is not a density, an energy, a Soret coefficient or a current.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let length = self.model.domain.length;
        let (bins, across) = (grid.bins, grid.across);
        let bin_mean = |n: usize, b: usize| match n {
            0 => 1.0,
            _ => {
                let k = self.wave_number(n);
                (libm::sin(k * grid.face(b + 1)) - libm::sin(k * grid.face(b))) / (k * grid.bin_width())
            }
        };
        let per_bin = |of: &dyn Fn(usize) -> f64, b: usize| -> f64 {
            (0..self.modes).map(|n| of(n) * bin_mean(n, b)).sum()
        };
        let particles = |n: usize| self.mode(&self.law, n)[0];
        let known =
            |values: Vec<f64>| Some(values.into_iter().map(|v| Some(v).filter(|v| v.is_finite())).collect());
        match observable {
            Observable::Density => known((0..bins).map(|b| per_bin(&particles, b)).collect()),
            Observable::MeanEnergy => {
                let energies = self.energies();
                let of = |n: usize| self.mode(&self.law, n).iter().zip(&energies).map(|(p, e)| p * e).sum();
                known((0..bins).map(|b| per_bin(&of, b) / per_bin(&particles, b)).collect())
            }
            Observable::Soret => {
                let cells = 4096;
                let place = |j: usize| length * (j as f64 + 0.5) / cells as f64;
                let temperature: Vec<f64> =
                    (0..cells).map(|j| self.model.temperature.value(place(j))).collect();
                let mean = temperature.iter().sum::<f64>() / cells as f64;
                let pairs: Vec<(f64, f64)> =
                    temperature.iter().map(|t| (t - mean, 1.0 / cells as f64)).collect();
                let excess =
                    pairs.iter().enumerate().map(|(j, (t, w))| t * w * length * self.total(place(j))).sum();
                soret_of_excess(mean, excess, &pairs).map(|s| vec![Some(s)])
            }
            Observable::HeatCurrent => {
                let heat = self.heat();
                let at = |x: f64| {
                    heat.iter().enumerate().map(|(n, j)| j * libm::sin(self.wave_number(n) * x)).sum()
                };
                known((1..bins).map(|f| at(grid.face(f))).collect())
            }
            Observable::MeanHeatCurrent => {
                let odd = self.heat().into_iter().enumerate().skip(1).step_by(2);
                known(vec![odd.map(|(n, j)| 2.0 * j / (PI * n as f64)).sum()])
            }
            Observable::InteriorHeatCurrent => {
                let odd = self.heat().into_iter().enumerate().skip(1).step_by(2);
                known(vec![odd.map(|(n, j)| 24.0 * j / (PI * n as f64).powi(3)).sum()])
            }
            Observable::ItoHeatCurrent => {
                // C = int D P dq is not quite the same everywhere, for a step.
                let profile = |carrying: bool| -> Vec<f64> {
                    let moments = self.moments(|q| {
                        let energy = if carrying { self.model.energy_within(0, 0.0, &[q]) } else { 1.0 };
                        energy * self.model.diffusivity_within(0, 0.0, &[q])
                    });
                    let of =
                        |n: usize| self.mode(&self.law, n).iter().zip(&moments).map(|(p, m)| p * m).sum();
                    (0..bins).map(|b| per_bin(&of, b)).collect()
                };
                let (alone, carrying) = (profile(false), profile(true));
                let count = bins as f64;
                let c = alone.iter().sum::<f64>() / count;
                // -d_x by parts, with the weight k (bins - k) at faces.
                let sum: f64 =
                    (0..bins).map(|b| (count - 1.0 - 2.0 * b as f64) * carrying[b] / alone[b]).sum();
                known(vec![6.0 * c * sum / (count * (count * count - 1.0) * grid.bin_width())])
            }
            _ if across == 0 => None,
            Observable::WellPopulation(k) => {
                let edges = self.model.well_edges(self.basis.ends, across);
                let (from, to) = (*edges.get(k)?, *edges.get(k + 1)?);
                let cells = self.cells(across);
                let share = |cell: &Vec<f64>| -> f64 {
                    length * cell.iter().zip(self.mode(&self.law, 0)).map(|(c, p)| c * p).sum::<f64>()
                };
                known(vec![cells[from..to].iter().map(share).sum()])
            }
            Observable::PlaneCurrentAlong => {
                let cells = self.cells(across);
                let width = (self.basis.ends[1] - self.basis.ends[0]) / across as f64;
                let current = |x: f64, cell: &[f64]| -> f64 {
                    let of = |n: usize| {
                        let gained: f64 =
                            self.mode(&self.change, n).iter().zip(cell).map(|(e, c)| e * c).sum();
                        gained * libm::sin(self.wave_number(n) * x) / self.wave_number(n)
                    };
                    (1..self.modes).map(of).sum::<f64>() / width
                };
                let faces = (1..bins).map(|f| grid.face(f));
                known(
                    faces
                        .flat_map(|x| cells.iter().map(move |c| (x, c)))
                        .map(|(x, c)| current(x, c))
                        .collect(),
                )
            }
            Observable::PlaneCurrentAcross => {
                let cells = self.cells(across);
                let mut values = Vec::new();
                for b in 0..bins {
                    let mut below = 0.0;
                    for cell in &cells[..across - 1] {
                        let of =
                            |n: usize| self.mode(&self.change, n).iter().zip(cell).map(|(e, c)| e * c).sum();
                        below -= per_bin(&of, b);
                        values.push(below);
                    }
                }
                known(values)
            }
            _ => None,
        }
    }

    /// `int w p dq` over each of so many equal cells.
    fn cells(&self, count: usize) -> Vec<Vec<f64>> {
        let [lo, hi] = self.basis.ends;
        let at = |k: usize| lo + (hi - lo) * k as f64 / count as f64;
        (0..count).map(|k| self.basis.integrals(&self.model, at(k), at(k + 1))).collect()
    }
}

/// `U'` and `U''` at the points and halfway between them, from the sum of two indices; `None` where midpoints are not unique.
fn bends(model: &Model, points: &Points, reach: f64) -> Option<Vec<f64>> {
    let (count, width) = (points.q.len(), points.q[1] - points.q[0]);
    let mut list = Vec::with_capacity(4 * count);
    for k in 0..2 * count - 1 {
        let q = points.q[0] + 0.5 * k as f64 * width;
        let h = 1e-3 * width;
        let second = (slope(model, q + h) - slope(model, q - h)) / (2.0 * h);
        let unique = 1.0 + 0.5 * reach * second > 0.0;
        if !unique {
            return None;
        }
        list.extend([slope(model, q), second]);
    }
    Some(list)
}

/// `E X` with `X = 1 + dt Y` of every mode.
fn times_moves(matrix: &Matrix, moves: &[Square], dt: f64, degrees: usize) -> Matrix {
    let size = moves.len() * degrees;
    let mut product = Matrix::zeros(size, size);
    for r in 0..size {
        let (from, to) = (matrix.row(r), product.row_mut(r));
        for (n, y) in moves.iter().enumerate() {
            let block = n * degrees..(n + 1) * degrees;
            let to = &mut to[block.clone()];
            for (e, y) in from[block.clone()].iter().zip(y) {
                to.iter_mut().zip(y).for_each(|(t, y)| *t += dt * e * y);
            }
            to.iter_mut().zip(&from[block]).for_each(|(t, e)| *t += e);
        }
    }
    product
}

/// `X E`.
fn moves_times(moves: &[Square], matrix: &Matrix, dt: f64, degrees: usize) -> Matrix {
    let size = moves.len() * degrees;
    let mut product = Matrix::zeros(size, size);
    for (n, y) in moves.iter().enumerate() {
        for (a, y) in y.iter().enumerate() {
            let to = product.row_mut(n * degrees + a);
            to.copy_from_slice(matrix.row(n * degrees + a));
            for (c, y) in y.iter().enumerate() {
                to.iter_mut().zip(matrix.row(n * degrees + c)).for_each(|(t, e)| *t += dt * y * e);
            }
        }
    }
    product
}
