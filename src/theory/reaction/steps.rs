//! The stationary law of the steps of particles that react, for infinitely many of them: no random number, and no
//! particle, is left.
//!
//! # Equation
//! A move of a step is the heat kernel `exp(D_k dt d_x^2)` with reflecting walls. Reactions in a cell for the time `dt` go
//! by the means `C_k` over the cell, and what is left of a profile inside it follows the places of particles:
//! ```text
//! C_k' = sum_w nu_kw v_w(C),
//! d_k' = sum_w v_w [-l_kw d_k/C_k + g_kw min(1, l/g) (1/l) sum_s l_sw d_s/C_s],     c_k(x) = C_k + d_k(x),       (1)
//! ```
//! with `l_kw` particles of species `k` that way `w` takes, `g_kw` that it makes, `l` and `g` their sums: a product sits where a
//! random one of the particles taken was, or anywhere in the cell. With [`Meeting::AtPoints`] particles meet only where they
//! are, `C_k(x) = c_k(x)`: the limit of narrow cells.
//!
//! # Method
//! Profiles at Gauss points of every cell, moves in cosine modes; (1) by the method of Runge and Kutta. The fixed point of a step by
//! Newton's method in the modes that hardly decay within a step, with the small effect of `d` on its own law left out; the
//! others fall to it by themselves. Shares nothing with the kernel but the rate constants.
//!
//! # When not to trust it
//! Only for constant diffusivities. What finite numbers add is not in it, see [`finite`](super::finite).

use super::super::element::Rule;
use super::super::functionals::soret_of_excess;
use super::super::linear::{Factored, Matrix};
use super::Profiles;
use crate::grid::Grid;
use crate::model::{Mixture, Way};
use crate::observable::Observable;
use std::f64::consts::PI;

/// `D (pi m/L)^2 dt` beyond which a mode is gone after a step.
const GONE: f64 = 36.0;

/// The same up to which Newton's method is needed.
const SLOW: f64 = 1.0;

/// Modes per Gauss point.
const DENSITY: f64 = 0.7;

/// Gauss points of a cell, at least and at most.
const POINTS: [f64; 2] = [6.0, 128.0];

/// Most Gauss points, and modes that Newton's method handles.
const MOST_POINTS: usize = 4096;
const MOST_SLOW: usize = 700;

/// Part of a relaxation time of reactions in a step of Runge and Kutta.
const FINE: f64 = 1.0 / 24.0;

/// Change of a step, relative to the largest mode, at which iterations end, and that is good enough.
const DONE: [f64; 2] = [1e-13, 1e-10];

/// Most steps.
const ITERATIONS: usize = 200;

/// Places at which the temperature is averaged.
const TEMPERATURES: usize = 4096;

/// Who meets whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// All particles of a cell, as in [`Pairs`](crate::kernel::reactions::Pairs).
    InCells,
    /// Particles at the same point.
    AtPoints,
}

/// A stationary law as the tallies of a run see it.
#[derive(Clone, Debug)]
pub struct StepLaw {
    mixture: Mixture,
    /// Mean of before and after the reactions, `[species][cell]`.
    concentrations: Vec<Vec<f64>>,
    /// At every face of cells, walls included, `[species][face]`.
    currents: Vec<Vec<f64>>,
    /// Mean currents, by the trapezoidal rule on faces as a run has them, or where particles meet at points by parts.
    mean_currents: Vec<f64>,
    /// Means of the content, and of the content times T less its mean over the domain.
    heated: [f64; 2],
}

/// What a step needs.
struct Step<'a> {
    mixture: &'a Mixture,
    meeting: Meeting,
    dt: f64,
    cells: usize,
    /// Gauss points.
    places: Vec<f64>,
    /// Their weights, of sum 1 in a cell.
    weights: Vec<f64>,
    /// Rate constants of open ways at the place that counts, by cell or by point.
    constants: Vec<Vec<f64>>,
    ways: Vec<Path>,
    modes: usize,
    /// `cos(m pi x/L)`, point by point.
    waves: Vec<f64>,
    /// What is left of a mode after a move, `[species][mode]`.
    decay: Vec<Vec<f64>>,
}

/// An open way.
struct Path {
    way: Way,
    taken: Vec<(usize, u32)>,
    change: Vec<i64>,
}

/// Means and the propagator of deviations.
#[derive(Clone)]
struct Flow {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

/// The stationary law of steps of `dt` with so many cells, from concentrations near it. `None` where a diffusivity varies, for
/// steps so short that profiles need too many points, and where the iteration does not settle.
pub fn solve(near: &Profiles, cells: usize, dt: f64, meeting: Meeting) -> Option<StepLaw> {
    let mixture = near.mixture();
    let length = mixture.domain.length;
    let species = mixture.species().len();
    let diffusivities: Vec<f64> = (0..species).map(|k| constant(mixture, k)).collect::<Option<_>>()?;
    let slowest = diffusivities.iter().copied().fold(f64::INFINITY, f64::min);
    let reach = |exponent: f64| libm::ceil(length / PI * libm::sqrt(exponent / (slowest * dt)));
    let modes = reach(GONE).max(8.0);
    let points = libm::ceil(modes / (DENSITY * cells as f64)).max(POINTS[0]);
    if points > POINTS[1] || points * cells as f64 > MOST_POINTS as f64 {
        return None;
    }
    let (modes, points) = (modes as usize, points as usize);
    let slow = (reach(SLOW) as usize + 2).min(modes);
    if slow * species > MOST_SLOW {
        return None;
    }
    let rule = Rule::gauss(points);
    let h = length / cells as f64;
    let place = |cell: usize, g: usize| (cell as f64 + 0.5 + 0.5 * rule.points[g]) * h;
    let places: Vec<f64> = (0..cells).flat_map(|c| (0..points).map(move |g| place(c, g))).collect();
    let paths = |way: Way| {
        let reaction = &mixture.reactions()[way.reaction];
        let sign = if way.forward { 1 } else { -1 };
        let change = reaction.change(species).into_iter().map(|d| sign * d).collect();
        Path { way, taken: reaction.taken(way.forward).to_vec(), change }
    };
    let ways: Vec<Path> = mixture.open_ways().map(paths).collect();
    let at = |x: f64| ways.iter().map(|p| mixture.rate_constant(p.way, x)).collect();
    let constants = match meeting {
        Meeting::InCells => (0..cells).map(|c| at((c as f64 + 0.5) * h)).collect(),
        Meeting::AtPoints => places.iter().map(|x| at(*x)).collect(),
    };
    let wave = |x: &f64| (0..modes).map(|m| libm::cos(PI * m as f64 * x / length)).collect::<Vec<_>>();
    let rate = |d: f64, m: usize| {
        let q = PI * m as f64 / length;
        libm::exp(-d * q * q * dt)
    };
    let step = Step {
        mixture,
        meeting,
        dt,
        cells,
        weights: rule.weights.iter().map(|w| 0.5 * w).collect(),
        constants,
        ways,
        modes,
        waves: places.iter().flat_map(wave).collect(),
        decay: diffusivities.iter().map(|d| (0..modes).map(|m| rate(*d, m)).collect()).collect(),
        places,
    };
    let at_points: Vec<Vec<f64>> = step.places.iter().map(|x| near.concentration_at(*x)).collect();
    let start: Vec<Vec<f64>> = (0..species).map(|k| at_points.iter().map(|c| c[k]).collect()).collect();
    step.settle(start, slow)
}

/// The diffusivity of a species, if it is the same everywhere.
fn constant(mixture: &Mixture, species: usize) -> Option<f64> {
    let field = mixture.species()[species].motility.parts().1.constant().is_some();
    let uniform = mixture.temperature.constant().is_some();
    let ito = matches!(mixture.species()[species].motility, crate::model::Motility::Diffusivity(_));
    (field && (ito || uniform)).then(|| mixture.diffusivity(species, 0.5 * mixture.domain.length))
}

impl Step<'_> {
    fn species(&self) -> usize {
        self.decay.len()
    }

    fn points(&self) -> usize {
        self.weights.len()
    }

    /// Modes of a profile.
    fn analyse(&self, profile: &[f64]) -> Vec<f64> {
        let mut modes = vec![0.0; self.modes];
        for (j, (c, waves)) in profile.iter().zip(self.waves.chunks(self.modes)).enumerate() {
            let weighed = c * self.weights[j % self.points()] / self.cells as f64;
            modes.iter_mut().zip(waves).for_each(|(a, wave)| *a += weighed * wave);
        }
        modes.iter_mut().skip(1).for_each(|a| *a *= 2.0);
        modes
    }

    /// The profile of modes.
    fn synthesise(&self, modes: &[f64]) -> Vec<f64> {
        self.waves.chunks(self.modes).map(|waves| waves.iter().zip(modes).map(|(w, a)| w * a).sum()).collect()
    }

    /// Means over cells, or values at points.
    fn met(&self, profiles: &[Vec<f64>]) -> Vec<Vec<f64>> {
        match self.meeting {
            Meeting::AtPoints => {
                (0..profiles[0].len()).map(|j| profiles.iter().map(|p| p[j]).collect()).collect()
            }
            Meeting::InCells => {
                let mean = |p: &[f64]| p.iter().zip(&self.weights).map(|(c, w)| c * w).sum::<f64>();
                let q = self.points();
                (0..self.cells)
                    .map(|cell| profiles.iter().map(|p| mean(&p[cell * q..][..q])).collect())
                    .collect()
            }
        }
    }

    /// Right-hand sides of (1).
    fn slope(&self, constants: &[f64], flow: &Flow) -> Flow {
        let n = self.species();
        let mut change = Flow { means: vec![0.0; n], deviations: vec![0.0; n * n] };
        let mut matrix = vec![0.0; n * n];
        for (path, k) in self.ways.iter().zip(constants) {
            let rate = path.taken.iter().fold(*k, |v, (s, a)| v * flow.means[*s].powi(*a as i32));
            path.change.iter().zip(&mut change.means).for_each(|(d, c)| *c += *d as f64 * rate);
            let lost: i64 = path.change.iter().filter(|d| **d < 0).sum::<i64>().abs();
            let made: i64 = path.change.iter().filter(|d| **d > 0).sum();
            for (s, d) in path.change.iter().enumerate().filter(|(_, d)| **d < 0) {
                if flow.means[s] <= 0.0 {
                    continue;
                }
                let taken = rate * d.abs() as f64 / flow.means[s];
                matrix[s * n + s] -= taken;
                // With fewer places than products each has the same chance of one.
                let share = 1.0 / lost.max(made) as f64;
                for (u, d) in path.change.iter().enumerate().filter(|(_, d)| **d > 0) {
                    matrix[u * n + s] += taken * share * *d as f64;
                }
            }
        }
        for i in 0..n {
            for j in 0..n {
                change.deviations[i * n + j] =
                    (0..n).map(|k| matrix[i * n + k] * flow.deviations[k * n + j]).sum();
            }
        }
        change
    }

    /// Reactions for the time of a step, from means.
    fn flow(&self, constants: &[f64], means: &[f64]) -> Flow {
        let n = self.species();
        let mut flow = Flow { means: means.to_vec(), deviations: vec![0.0; n * n] };
        (0..n).for_each(|k| flow.deviations[k * n + k] = 1.0);
        let fastest: f64 = self
            .ways
            .iter()
            .zip(constants)
            .map(|(path, k)| {
                let size: i64 = path.change.iter().map(|d| d.abs()).sum();
                let of = |(s, a): &(usize, u32)| {
                    let rest = path.taken.iter().map(|(t, b)| {
                        let power = *b - u32::from(t == s);
                        means[*t].abs().powi(power as i32)
                    });
                    f64::from(*a) * rest.product::<f64>()
                };
                k * size as f64 * path.taken.iter().map(of).sum::<f64>()
            })
            .sum();
        let pieces = libm::ceil(fastest * self.dt / FINE).clamp(2.0, 1e5);
        let t = self.dt / pieces;
        let ahead = |flow: &Flow, slope: &Flow, t: f64| Flow {
            means: flow.means.iter().zip(&slope.means).map(|(c, s)| c + t * s).collect(),
            deviations: flow.deviations.iter().zip(&slope.deviations).map(|(c, s)| c + t * s).collect(),
        };
        for _ in 0..pieces as u64 {
            let a = self.slope(constants, &flow);
            let b = self.slope(constants, &ahead(&flow, &a, 0.5 * t));
            let c = self.slope(constants, &ahead(&flow, &b, 0.5 * t));
            let d = self.slope(constants, &ahead(&flow, &c, t));
            for (slope, weight) in [(a, 1.0), (b, 2.0), (c, 2.0), (d, 1.0)] {
                flow = ahead(&flow, &slope, t * weight / 6.0);
            }
        }
        flow
    }

    /// Profiles after the reactions of a step.
    fn react(&self, profiles: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (n, q) = (self.species(), self.points());
        let mut after = profiles.to_vec();
        for (k, means) in self.met(profiles).into_iter().enumerate() {
            let flow = self.flow(&self.constants[k], &means);
            let points = if self.meeting == Meeting::InCells { k * q..(k + 1) * q } else { k..k + 1 };
            for j in points {
                for (i, profile) in after.iter_mut().enumerate() {
                    let left = |s: usize| flow.deviations[i * n + s] * (profiles[s][j] - means[s]);
                    profile[j] = flow.means[i] + (0..n).map(left).sum::<f64>();
                }
            }
        }
        after
    }

    /// Modes after a move.
    fn moved(&self, profiles: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let of = |(profile, decay): (&Vec<f64>, &Vec<f64>)| {
            let mut modes = self.analyse(profile);
            modes.iter_mut().zip(decay).for_each(|(a, d)| *a *= d);
            modes
        };
        profiles.iter().zip(&self.decay).map(of).collect()
    }

    /// `I` less the derivative of a step in its slow modes, deviations as if their law were given; conserved sums are held.
    fn newton(&self, profiles: &[Vec<f64>], slow: usize) -> Option<Factored> {
        let (n, q) = (self.species(), self.points());
        let scale = profiles.iter().flatten().fold(0.0f64, |m, c| m.max(c.abs()));
        let nudge = 1e-6 * scale;
        // Per cell or point, the derivative of the means and the propagator.
        let local: Vec<(Vec<f64>, Vec<f64>)> = self
            .met(profiles)
            .into_iter()
            .enumerate()
            .map(|(k, means)| {
                let flow = |s: usize, by: f64| {
                    let mut other = means.clone();
                    other[s] += by;
                    self.flow(&self.constants[k], &other)
                };
                let mut slopes = vec![0.0; n * n];
                for s in 0..n {
                    let (up, down) = (flow(s, nudge).means, flow(s, -nudge).means);
                    (0..n).for_each(|i| slopes[i * n + s] = (up[i] - down[i]) / (2.0 * nudge));
                }
                (slopes, flow(0, 0.0).deviations)
            })
            .collect();
        let mut matrix = Matrix::zeros(n * slow, n * slow);
        for m in 0..slow {
            let wave: Vec<f64> = self.waves.iter().skip(m).step_by(self.modes).copied().collect();
            let means = self.met(std::slice::from_ref(&wave));
            for s in 0..n {
                for i in 0..n {
                    let at = |j: usize| {
                        let k = if self.meeting == Meeting::InCells { j / q } else { j };
                        let (slopes, left) = &local[k];
                        slopes[i * n + s] * means[k][0] + left[i * n + s] * (wave[j] - means[k][0])
                    };
                    let column: Vec<f64> = (0..wave.len()).map(at).collect();
                    let modes = self.analyse(&column);
                    for (r, a) in modes[..slow].iter().enumerate() {
                        let own = if i == s && r == m { 1.0 } else { 0.0 };
                        matrix.row_mut(i * slow + r)[s * slow + m] = own - self.decay[i][r] * a;
                    }
                }
            }
        }
        for law in self.mixture.laws() {
            for (i, a) in law.iter().enumerate() {
                for (s, b) in law.iter().enumerate() {
                    matrix.row_mut(i * slow)[s * slow] += (a * b) as f64;
                }
            }
        }
        Factored::new(matrix)
    }

    /// The fixed point of a step, from profiles.
    fn settle(&self, start: Vec<Vec<f64>>, slow: usize) -> Option<StepLaw> {
        let n = self.species();
        let matrix = self.newton(&start, slow)?;
        let mut modes: Vec<Vec<f64>> = start.iter().map(|p| self.analyse(p)).collect();
        let size = modes.iter().flatten().fold(0.0f64, |m, a| m.max(a.abs()));
        let mut best = f64::INFINITY;
        for _ in 0..ITERATIONS {
            let before: Vec<Vec<f64>> = modes.iter().map(|a| self.synthesise(a)).collect();
            let after = self.react(&before);
            let next = self.moved(&after);
            let change = |k: usize, m: usize| next[k][m] - modes[k][m];
            let all = (0..n).flat_map(|k| (0..self.modes).map(move |m| (k, m)));
            let largest = all.fold(0.0f64, |most, (k, m)| most.max(change(k, m).abs())) / size;
            let stalled = largest <= DONE[1] && largest >= 0.5 * best;
            best = best.min(largest);
            if largest <= DONE[0] || stalled {
                return Some(self.law(&before, &after));
            }
            let mut steps: Vec<f64> =
                (0..n).flat_map(|k| (0..slow).map(move |m| (k, m))).map(|(k, m)| change(k, m)).collect();
            matrix.solve(&mut steps);
            if steps.iter().any(|s| !s.is_finite()) {
                return None;
            }
            for k in 0..n {
                (0..slow).for_each(|m| modes[k][m] += steps[k * slow + m]);
                modes[k][slow..].copy_from_slice(&next[k][slow..]);
            }
        }
        None
    }

    fn law(&self, before: &[Vec<f64>], after: &[Vec<f64>]) -> StepLaw {
        let q = self.points();
        let per_cell = |profile: &Vec<f64>| -> Vec<f64> {
            profile.chunks(q).map(|c| c.iter().zip(&self.weights).map(|(c, w)| c * w).sum()).collect()
        };
        let width = self.mixture.domain.length / self.cells as f64;
        let pairs: Vec<(Vec<f64>, Vec<f64>)> =
            before.iter().zip(after).map(|(b, a)| (per_cell(b), per_cell(a))).collect();
        let through = |(before, after): &(Vec<f64>, Vec<f64>)| {
            let mut sum = 0.0;
            let made = before.iter().zip(after).map(|(b, a)| {
                sum += (a - b) * width / self.dt;
                sum
            });
            std::iter::once(0.0).chain(made).collect()
        };
        let middle = |(before, after): &(Vec<f64>, Vec<f64>)| -> Vec<f64> {
            before.iter().zip(after).map(|(b, a)| 0.5 * (b + a)).collect()
        };
        let concentrations: Vec<Vec<f64>> = pairs.iter().map(middle).collect();
        let currents: Vec<Vec<f64>> = pairs.iter().map(through).collect();
        let length = self.mixture.domain.length;
        let weight = |j: usize| self.weights[j % q] / self.cells as f64;
        // No current passes the walls: its integral is that of what is made times the way to the far wall.
        let by_parts = |(before, after): (&Vec<f64>, &Vec<f64>)| -> f64 {
            let made = before.iter().zip(after).enumerate();
            made.map(|(j, (b, a))| weight(j) * (length - self.places[j]) * (a - b) / self.dt).sum()
        };
        let by_faces = |j: &Vec<f64>| j[1..self.cells].iter().sum::<f64>() / self.cells as f64;
        let at_points = self.meeting == Meeting::AtPoints;
        let mean_currents = match at_points {
            true => before.iter().zip(after).map(by_parts).collect(),
            false => currents.iter().map(by_faces).collect(),
        };
        let warm = excess_temperature(self.mixture);
        let content = |j: usize| {
            let all: Vec<f64> = match at_points {
                true => before.iter().zip(after).map(|(b, a)| 0.5 * (b[j] + a[j])).collect(),
                false => concentrations.iter().map(|c| c[j / q]).collect(),
            };
            self.mixture.total_content(&all)
        };
        let heated = (0..self.places.len()).fold([0.0; 2], |[sum, hot], j| {
            let w = weight(j) * content(j);
            [sum + w, hot + w * warm(self.places[j])]
        });
        StepLaw { mixture: self.mixture.clone(), concentrations, currents, mean_currents, heated }
    }
}

/// `T(x)` less its mean over the domain.
fn excess_temperature(mixture: &Mixture) -> impl Fn(f64) -> f64 + '_ {
    let mean = temperatures(mixture).iter().sum::<f64>() / TEMPERATURES as f64;
    move |x| mixture.temperature.value(x) - mean
}

/// The temperature at the middles of equal parts of the domain.
fn temperatures(mixture: &Mixture) -> Vec<f64> {
    let place = |j: usize| mixture.domain.length * (j as f64 + 0.5) / TEMPERATURES as f64;
    (0..TEMPERATURES).map(|j| mixture.temperature.value(place(j))).collect()
}

impl StepLaw {
    /// The limit of short steps from this law and that of half the step, whose errors are of order 3/2: of order 2, and from the
    /// jumps of rates at faces of cells of order 3/2 once moves are shorter than a cell.
    pub fn limit(&self, half: &Self) -> Self {
        let more = 1.0 / (2.0 * std::f64::consts::SQRT_2 - 1.0);
        let line = |w: &f64, h: &f64| h + more * (h - w);
        let each = |w: &[f64], h: &[f64]| w.iter().zip(h).map(|(w, h)| line(w, h)).collect::<Vec<f64>>();
        let all = |w: &[Vec<f64>], h: &[Vec<f64>]| w.iter().zip(h).map(|(w, h)| each(w, h)).collect();
        StepLaw {
            mixture: self.mixture.clone(),
            concentrations: all(&self.concentrations, &half.concentrations),
            currents: all(&self.currents, &half.currents),
            mean_currents: each(&self.mean_currents, &half.mean_currents),
            heated: [0, 1].map(|k| line(&self.heated[k], &half.heated[k])),
        }
    }

    /// Cells.
    pub fn cells(&self) -> usize {
        self.concentrations.first().map_or(0, Vec::len)
    }

    /// One value per entry of an average over a stationary run; `None` for what is not a concentration, a content, a current
    /// or a Soret coefficient, and for bins that are no whole number of cells.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let cells = self.cells();
        if !cells.is_multiple_of(grid.bins) {
            return None;
        }
        let (width, species) = (cells / grid.bins, self.concentrations.len());
        let some = |values: Vec<f64>| Some(values.into_iter().map(Some).collect());
        let content = || -> Vec<f64> {
            let at = |cell: usize| {
                let c: Vec<f64> = self.concentrations.iter().map(|c| c[cell]).collect();
                self.mixture.total_content(&c)
            };
            (0..cells).map(at).collect()
        };
        let bins = |c: &[f64]| c.chunks(width).map(|c| c.iter().sum::<f64>() / width as f64).collect();
        let faces = |j: &[f64]| (1..grid.bins).map(|b| j[b * width]).collect::<Vec<f64>>();
        let energetic = || -> Vec<f64> {
            let heat = |f: usize| {
                self.currents.iter().zip(self.mixture.species()).map(|(j, s)| s.energy * j[f]).sum()
            };
            (0..=cells).map(heat).collect()
        };
        match observable {
            Observable::MeanConcentration(k) if k < species => {
                some(vec![self.concentrations[k].iter().sum::<f64>() / cells as f64])
            }
            Observable::Concentration(k) if k < species => some(bins(&self.concentrations[k])),
            Observable::Content => some(bins(&content())),
            Observable::Current(k) if k < species => some(faces(&self.currents[k])),
            Observable::MeanCurrent(k) if k < species => some(vec![self.mean_currents[k]]),
            Observable::HeatCurrent => some(faces(&energetic())),
            Observable::MeanHeatCurrent => {
                let species = self.mixture.species().iter();
                some(vec![self.mean_currents.iter().zip(species).map(|(j, s)| s.energy * j).sum()])
            }
            Observable::Soret => {
                let all = temperatures(&self.mixture);
                let middle = all.iter().sum::<f64>() / all.len() as f64;
                let pairs: Vec<(f64, f64)> =
                    all.iter().map(|t| (t - middle, 1.0 / all.len() as f64)).collect();
                let excess = self.heated[1] / self.heated[0];
                Some(vec![soret_of_excess(middle, excess, &pairs)])
            }
            _ => None,
        }
    }
}
