//! Closed forms for internal coordinates that relax much faster than a particle moves (Eq 16, B9-B15 of the paper).
//!
//! # Equations
//! With Boltzmann's weights `w_i(q) = exp(-E_i/kT + s_i)/Z` at the local temperature, over the coordinates and states
//! together, and averages `<.>` by them,
//! ```text
//! P_i(x, q) = w_i P_tot,
//! J_i = -w_i [D_i P_tot' + (d_x D_i + D_i (E_i - <E>) kT'/(kT)^2 + D_i <d_x E>/kT) P_tot],
//! d_x ln P_tot = -[<d_x D> + Cov(D, E) kT'/(kT)^2 + <D> <d_x E>/kT]/<D> ,                        (1)
//! ```
//! from `sum_i int J_i dq = 0`. Without a force along x, (1) is `P_tot = C/<D>` (B14), and if `D` does not depend on x,
//! with averages `<.>_D` by the weights `w D/<D>` (B15 has `k_B` squared, which is one too many)
//! ```text
//! S_T = d_T <D>/<D> = Cov(E, D)/(<D> k_B T^2),      J_E = -(T'/(k_B T^2)) P_tot <D> Var_D(E) .      (2)
//! ```
//! Eq 16 has this for the noise `Delta = kT`; with a noise that does not vary with x there is no thermophoresis.
//!
//! # When not to use it
//! Within a few layers `sqrt(<D>/rate)` of a wall or kink, `rate` that of the coordinates' relaxation; and in a
//! double well whose barrier is not crossed while the particle diffuses over the length of the temperature.

use super::element::Rule;
use super::functionals::{Profile, integrate, reference};
use super::{TheoryError, breakpoints, temperature};
use crate::grid::Grid;
use crate::model::{Boundary, Edge, Model, Network, State, Well};
use crate::observable::Observable;

/// Points of the Gauss rule on a panel.
const POINTS: usize = 10;

/// Panels per coordinate beyond which there is no doubling, for 1, 2 and 3 coordinates.
const MOST_PANELS: [usize; 3] = [512, 64, 16];

/// Points in every piece of the domain between which averages over several coordinates are interpolated.
const NODES: usize = 10;

/// Relative change of averages at which doubling the panels ends.
const TOLERANCE: f64 = 1e-12;

/// The limit of fast internal motion, for up to three coordinates and any number of states with detailed balance.
#[derive(Clone, Debug)]
pub struct CoordinateLimit {
    model: Model,
    ends: Vec<[f64; 2]>,
    panels: usize,
    rule: Rule,
    /// Pieces of the domain, and `ln P_tot` at their left ends where a force acts.
    vertices: Vec<f64>,
    logarithms: Option<Vec<f64>>,
    constant: f64,
    /// Of several coordinates, averages at Chebyshev's points in every piece; otherwise none.
    table: Vec<Vec<Averages>>,
}

/// Averages by Boltzmann's weights at one x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// `<E>`.
    pub energy: f64,
    /// `<D>`.
    pub diffusivity: f64,
    /// `Cov(E, D)`.
    pub covariance: f64,
    /// `Var_D(E)`, by the weights `w D/<D>`.
    pub variance: f64,
    /// `Var(E)`: the heat capacity times `kT^2`.
    pub fluctuation: f64,
    /// `<d_x D>`, `<(E - <E>) d_x D>` and `<d_x E>`.
    slopes: [f64; 3],
}

impl CoordinateLimit {
    /// The limit for this model.
    ///
    /// # Errors
    /// [`TheoryError::Premise`] without coordinates or with more than three, with driven or one-way transitions or
    /// propulsion; [`TheoryError::NoClosedForm`] on a ring with a force; [`TheoryError::Coordinate`].
    pub fn new(model: &Model) -> Result<Self, TheoryError> {
        let axes = model.coordinates.as_ref().map_or(0, |c| c.axes.len());
        if !(1..=3).contains(&axes) {
            return Err(TheoryError::Premise { must: "one to three internal coordinates" });
        }
        let states = 0..model.network.states().len();
        if states.clone().any(|s| model.has_drift(s)) {
            return Err(TheoryError::Premise { must: "states that do not propel themselves" });
        }
        let length = model.domain.length;
        for (k, x) in (0..=8).map(|k| length * f64::from(k) / 8.0).enumerate() {
            temperature(model, x)?;
            // Detailed balance of every edge, at one place of the coordinates: they enter both directions alike.
            let reach = vec![0.1 * (1.0 + k as f64); axes];
            for (edge, part) in model.network.edges().iter().enumerate() {
                let [from, to] = part.between;
                let rate = |c: usize| model.rate_within(model.network.channel(c), x, &reach);
                let free = |s: usize| {
                    let entropy = model.network.states()[s].entropy;
                    model.energy_within(s, x, &reach) / model.thermal_energy(x) - entropy
                };
                let lost = libm::log(rate(2 * edge) / rate(2 * edge + 1)) - (free(from) - free(to));
                if lost.is_nan() || lost.abs() > 1e-8 * (1.0 + free(from).abs() + free(to).abs()) {
                    return Err(TheoryError::Driven { edge });
                }
            }
        }
        let forced = model.has_forces() || model.coordinates.as_ref().is_some_and(|c| c.has_force());
        if forced && model.domain.walls == Boundary::Periodic {
            return Err(TheoryError::NoClosedForm { of: "the fast limit", why: "a force acts on a ring" });
        }
        let ends = model.coordinate_reach().map_err(TheoryError::Coordinate)?.ends;
        let mut limit = CoordinateLimit {
            model: model.clone(),
            ends,
            panels: 4,
            rule: Rule::gauss(POINTS),
            vertices: breakpoints(model)?,
            logarithms: None,
            constant: 1.0,
            table: Vec::new(),
        };
        limit.double_panels(axes);
        limit.refine()?;
        if axes > 1 {
            let piece = |ends: &[f64]| -> Vec<Averages> {
                (0..NODES)
                    .map(|k| limit.averages_at(0.5 * (ends[0] + ends[1] + node(k) * (ends[1] - ends[0]))))
                    .collect()
            };
            limit.table = limit.vertices.windows(2).map(piece).collect();
        }
        if forced {
            let mut last = 0.0;
            let mut logarithms = vec![0.0];
            for ends in limit.vertices.windows(2) {
                last -= integrate(&limit.vertices, ends[0], ends[1], |x| limit.fall(x));
                logarithms.push(last);
            }
            limit.logarithms = Some(logarithms);
        }
        limit.constant = 1.0 / integrate(&limit.vertices, 0.0, length, |x| limit.total_density_at(x));
        let middle = limit.total_density_at(0.5 * length);
        if middle.is_finite() { Ok(limit) } else { Err(TheoryError::Singular { elements: limit.panels }) }
    }

    /// Doubles the panels until averages at both ends and in the middle have converged.
    fn double_panels(&mut self, axes: usize) {
        let places = [0.0, 0.47, 1.0].map(|s| s * self.model.domain.length);
        let averages = |limit: &Self| places.map(|x| limit.averages_at(x));
        let mut now = averages(self);
        while 2 * self.panels <= MOST_PANELS[axes - 1] {
            self.panels *= 2;
            let next = averages(self);
            let close = |a: f64, b: f64, size: f64| (a - b).abs() <= TOLERANCE * size;
            let converged = now.iter().zip(&next).all(|(a, b)| {
                let spread = libm::sqrt(b.fluctuation);
                close(a.diffusivity, b.diffusivity, b.diffusivity)
                    && close(a.energy, b.energy, spread)
                    && close(a.covariance, b.covariance, b.diffusivity * spread)
                    && close(a.variance, b.variance, b.fluctuation)
            });
            now = next;
            if converged {
                return;
            }
        }
    }

    /// Halves pieces of the domain until `1/<D>` and (1) are integrated to 1e-11.
    fn refine(&mut self) -> Result<(), TheoryError> {
        let length = self.model.domain.length;
        let mut vertices = vec![0.0];
        let mut open: Vec<[f64; 2]> = self.vertices.windows(2).rev().map(|e| [e[0], e[1]]).collect();
        let rule = Rule::gauss(8);
        let integrals = |a: f64, b: f64| {
            let mut sums = [0.0; 2];
            for (x, w) in rule.on(a, b) {
                sums[0] += w / self.averages_at(x).diffusivity;
                sums[1] += w * (self.fall(x) + 1.0 / length);
            }
            sums
        };
        while let Some([a, b]) = open.pop() {
            let middle = 0.5 * (a + b);
            let (whole, left, right) = (integrals(a, b), integrals(a, middle), integrals(middle, b));
            let close = |k: usize| {
                (whole[k] - left[k] - right[k]).abs()
                    <= 1e-11 * (left[k].abs() + right[k].abs()) * length / (b - a)
            };
            if !whole.iter().all(|v| v.is_finite()) {
                return Err(TheoryError::Singular { elements: self.panels });
            }
            if (0..2).all(close) || b - a < 1e-6 * length || vertices.len() > 500 {
                vertices.push(b);
            } else {
                open.extend([[middle, b], [a, middle]]);
            }
        }
        self.vertices = vertices;
        Ok(())
    }

    /// Lets `each` see the points and weights of the product rule in a box.
    fn product(&self, ends: &[[f64; 2]], mut each: impl FnMut(&[f64], f64)) {
        let lines: Vec<Vec<(f64, f64)>> = ends
            .iter()
            .map(|[lo, hi]| {
                let at = |k: usize| lo + (hi - lo) * k as f64 / self.panels as f64;
                (0..self.panels).flat_map(|k| self.rule.on(at(k), at(k + 1))).collect()
            })
            .collect();
        let mut counters = vec![0; lines.len()];
        let mut q = vec![0.0; lines.len()];
        loop {
            let mut weight = 1.0;
            for ((q, line), k) in q.iter_mut().zip(&lines).zip(&counters) {
                *q = line[*k].0;
                weight *= line[*k].1;
            }
            each(&q, weight);
            let Some(axis) = (0..lines.len()).find(|a| counters[*a] + 1 < lines[*a].len()) else {
                return;
            };
            counters[axis] += 1;
            counters[..axis].fill(0);
        }
    }

    /// Averages by Boltzmann's weights at x.
    pub fn averages_at(&self, x: f64) -> Averages {
        let piece = self.vertices.partition_point(|v| *v <= x).clamp(1, self.vertices.len() - 1) - 1;
        if let Some(nodes) = self.table.get(piece) {
            let (a, b) = (self.vertices[piece], self.vertices[piece + 1]);
            return interpolated(nodes, (2.0 * x - a - b) / (b - a));
        }
        let model = &self.model;
        let kt = model.thermal_energy(x);
        let Some(coordinates) = &model.coordinates else {
            return Averages {
                energy: 0.0,
                diffusivity: 0.0,
                covariance: 0.0,
                variance: 0.0,
                fluctuation: 0.0,
                slopes: [0.0; 3],
            };
        };
        let mut points: Vec<[f64; 5]> = Vec::new();
        let mut shift = f64::INFINITY;
        for (state, own) in model.network.states().iter().enumerate() {
            let d = coordinates.diffusivity(state);
            self.product(&self.ends, |q, weight| {
                let energy = model.energy_within(state, x, q);
                shift = shift.min(energy);
                let slope = model.energy_slope_within(state, x, q);
                let weight = weight * libm::exp(own.entropy);
                points.push([weight, energy, slope, d.value(x, q), d.slope_x(x, q)]);
            });
        }
        // Where the energy is infinite the weight is zero.
        points.retain_mut(|p| {
            p[0] *= libm::exp((shift - p[1]) / kt);
            p[0] > 0.0
        });
        let total: f64 = points.iter().map(|p| p[0]).sum();
        let mean =
            |value: &dyn Fn(&[f64; 5]) -> f64| points.iter().map(|p| p[0] * value(p)).sum::<f64>() / total;
        let energy = shift + mean(&|p| p[1] - shift);
        let diffusivity = mean(&|p| p[3]);
        let covariance = mean(&|p| (p[1] - energy) * p[3]);
        let moved = covariance / diffusivity;
        let off = |p: &[f64; 5]| p[1] - energy - moved;
        Averages {
            energy,
            diffusivity,
            covariance,
            variance: mean(&|p| off(p) * off(p) * p[3]) / diffusivity,
            fluctuation: mean(&|p| (p[1] - energy) * (p[1] - energy)),
            slopes: [mean(&|p| p[4]), mean(&|p| (p[1] - energy) * p[4]), mean(&|p| p[2])],
        }
    }

    /// `-d_x ln P_tot` (1).
    fn fall(&self, x: f64) -> f64 {
        let a = self.averages_at(x);
        let kt = self.model.thermal_energy(x);
        let thermal = a.covariance * self.model.boltzmann * self.model.temperature.slope(x) / (kt * kt);
        (a.slopes[0] + thermal) / a.diffusivity + a.slopes[2] / kt
    }

    /// Total density `P_tot(x)`, 1/length.
    pub fn total_density_at(&self, x: f64) -> f64 {
        let x = x.clamp(0.0, self.model.domain.length);
        match &self.logarithms {
            None => self.constant / self.averages_at(x).diffusivity,
            Some(logarithms) => {
                let piece = self.vertices.partition_point(|v| *v <= x).clamp(1, self.vertices.len() - 1) - 1;
                let from = self.vertices[piece];
                let fallen =
                    if x > from { integrate(&self.vertices, from, x, |x| self.fall(x)) } else { 0.0 };
                self.constant * libm::exp(logarithms[piece] - fallen)
            }
        }
    }

    /// Local Soret coefficient `-d_x ln P_tot/d_x T` by (1), 1/temperature; `None` where `T` does not vary.
    pub fn soret_at(&self, x: f64) -> Option<f64> {
        let slope = self.model.temperature.slope(x);
        (slope != 0.0).then(|| self.fall(x) / slope).filter(|s| s.is_finite())
    }

    /// The covariance form (2) of Eq 16, `Cov(E, D)/(<D> k_B T^2)`, 1/temperature: the Soret coefficient if neither energies
    /// nor diffusivities depend on x.
    pub fn covariance_soret_at(&self, x: f64) -> f64 {
        let a = self.averages_at(x);
        let t = self.model.temperature.value(x);
        a.covariance / (a.diffusivity * self.model.boltzmann * t * t)
    }

    /// Heat flux `J_E = sum_i int E_i J_i dq` away from walls and kinks, energy/time; (2) without forces.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        let a = self.averages_at(x);
        let kt = self.model.thermal_energy(x);
        let thermal = self.model.boltzmann * self.model.temperature.slope(x) / (kt * kt);
        // Energies relative to <E>_D: then P_tot', <d_x E> and what multiplies <D> alone drop out.
        let moved = a.covariance / a.diffusivity;
        let slopes = a.slopes[1] - moved * a.slopes[0];
        -self.total_density_at(x) * (slopes + a.diffusivity * a.variance * thermal)
    }

    /// Averages of `P_tot` over the bins of a grid; `None` for a grid of another length.
    pub fn bin_averages(&self, grid: &Grid) -> Option<Vec<f64>> {
        let length = self.model.domain.length;
        let fits = (grid.length - length).abs() <= 1e-12 * length;
        let average = |b: usize| {
            let (lo, hi) = (grid.face(b).min(length), grid.face(b + 1).min(length));
            integrate(&self.vertices, lo, hi, |x| self.total_density_at(x)) / (hi - lo)
        };
        fits.then(|| (0..grid.bins).map(average).collect())
    }

    /// The values of an observable in the limit, on the same grid and by the same definitions as
    /// [`CoordinateLaw::reference`](super::CoordinateLaw::reference): densities, Soret coefficients, heat fluxes of the interior
    /// (zero at the walls themselves), mean energies, and of a single coordinate the density on the plane and the populations of
    /// wells. `None` for everything else.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        use Observable::*;
        let length = self.model.domain.length;
        let fits = (grid.length - length).abs() <= 1e-12 * length;
        let ends = |b: usize| [grid.face(b).min(length), grid.face(b + 1).min(length)];
        let rule = Rule::gauss(4);
        match observable {
            Density | Soret | SoretWall | MeanTemperature | LocalSoret | HeatCurrent
            | InteriorHeatCurrent | ItoHeatCurrent => reference(self, observable, grid),
            MeanHeatCurrent => {
                Some(vec![Some(integrate(&self.vertices, 0.0, length, |x| self.heat_current_at(x)) / length)])
            }
            MeanEnergy if fits => {
                let mean = |b: usize| {
                    let [lo, hi] = ends(b);
                    let (mut energy, mut particles) = (0.0, 0.0);
                    for (x, w) in rule.on(lo, hi) {
                        let here = w * self.total_density_at(x);
                        energy += here * self.averages_at(x).energy;
                        particles += here;
                    }
                    Some(energy / particles)
                };
                Some((0..grid.bins).map(mean).collect())
            }
            PlaneDensity | WellPopulation(_) if fits && self.ends.len() == 1 && grid.across > 0 => {
                let mut plane = Vec::new();
                for b in 0..grid.bins {
                    let [lo, hi] = ends(b);
                    let mut cells = vec![0.0; grid.across];
                    for (x, w) in rule.on(lo, hi) {
                        let shares = self.shares_at(x, grid.across);
                        let here = w * self.total_density_at(x) / (hi - lo);
                        cells.iter_mut().zip(shares).for_each(|(sum, share)| *sum += here * share);
                    }
                    plane.extend(cells);
                }
                let width = (self.ends[0][1] - self.ends[0][0]) / grid.across as f64;
                let WellPopulation(k) = observable else {
                    return Some(plane.into_iter().map(|p| Some(p / width)).collect());
                };
                let edges = self.model.well_edges(self.ends[0], grid.across);
                let well = *edges.get(k)?..*edges.get(k + 1)?;
                let inside: f64 =
                    plane.chunks(grid.across).map(|row| row[well.clone()].iter().sum::<f64>()).sum();
                Some(vec![Some(inside * grid.bin_width())])
            }
            _ => None,
        }
    }

    /// Boltzmann's shares of equal cells of the only coordinate at x.
    fn shares_at(&self, x: f64, cells: usize) -> Vec<f64> {
        let model = &self.model;
        let kt = model.thermal_energy(x);
        let [lo, hi] = self.ends[0];
        let at = |k: usize| lo + (hi - lo) * k as f64 / cells as f64;
        let states = model.network.states();
        let points = (0..cells).flat_map(|k| self.rule.on(at(k), at(k + 1)).map(move |p| (k, p)));
        let energies: Vec<(usize, f64, f64)> = points
            .flat_map(|(k, (q, w))| {
                let of =
                    move |s: usize| (k, w * libm::exp(states[s].entropy), model.energy_within(s, x, &[q]));
                (0..states.len()).map(of)
            })
            .collect();
        let lowest = energies.iter().fold(f64::INFINITY, |m, e| m.min(e.2));
        let mut shares = vec![0.0; cells];
        for (k, w, energy) in energies {
            shares[k] += w * libm::exp((lowest - energy) / kt);
        }
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        shares
    }

    /// The wells in the middle of the domain as a network of discrete states: energies, diffusivities and, by the entropies,
    /// populations of [`CoordinateLimit::wells_at`], and rates that are those in the middle and vary as over the barriers
    /// between them. `None` unless there are several wells and no states besides.
    pub fn as_network(&self) -> Option<(Vec<WellState>, Model)> {
        let model = &self.model;
        let x = 0.5 * model.domain.length;
        let wells = self.wells_at(0, x);
        if wells.len() < 2 || model.network.states().len() > 1 || model.has_forces() {
            return None;
        }
        let kt = model.thermal_energy(x);
        let state = |(k, well): (usize, &WellState)| State {
            entropy: well.energy / kt + libm::log(well.occupancy),
            ..State::new(format!("well {}", k + 1), well.energy, well.diffusivity)
        };
        let states: Vec<State> = wells.iter().enumerate().map(state).collect();
        let with = |attempts: &[f64]| {
            let pairs = wells.windows(2).zip(attempts).enumerate();
            let edges = pairs.map(|(k, (pair, attempt))| {
                Edge::new([k, k + 1], *attempt, model.energy_within(0, x, &[pair[0].well.between[1]]))
            });
            Some(Model {
                network: Network::new(states.clone(), edges.collect()).ok()?,
                coordinates: None,
                ..model.clone()
            })
        };
        let unit = with(&vec![1.0; wells.len() - 1])?;
        let attempt = |(k, pair): (usize, &[WellState])| {
            Some(pair[0].rates[1]? / unit.rate(unit.network.channel(2 * k), x))
        };
        let attempts: Option<Vec<f64>> = wells.windows(2).enumerate().map(attempt).collect();
        let network = with(&attempts?)?;
        Some((wells, network))
    }

    /// The wells of a state in the only coordinate at x, with what makes discrete states of them; empty for several
    /// coordinates.
    pub fn wells_at(&self, state: usize, x: f64) -> Vec<WellState> {
        let model = &self.model;
        let wells = model.wells(state, x, self.ends[0]);
        let kt = model.thermal_energy(x);
        let energy = |q: f64| model.energy_within(state, x, &[q]);
        let lowest = wells.iter().map(|w| energy(w.bottom)).fold(f64::INFINITY, f64::min);
        let weight = |q: f64| libm::exp((lowest - energy(q)) / kt);
        let over = |ends: [f64; 2], f: &dyn Fn(f64) -> f64| {
            let mut sum = 0.0;
            self.product(&[ends], |q, w| sum += w * f(q[0]));
            sum
        };
        let sizes: Vec<f64> = wells.iter().map(|w| over(w.between, &weight)).collect();
        let total: f64 = sizes.iter().sum();
        let mobility = model.internal_mobility(0, x);
        // The flux between two bottoms per unit of the step of exp(E/kT) P.
        let barriers: Vec<f64> = wells
            .windows(2)
            .map(|pair| over([pair[0].bottom, pair[1].bottom], &|q| 1.0 / weight(q)) / (mobility * kt))
            .collect();
        let of_well = |(k, well): (usize, &Well)| {
            let mean = |f: &dyn Fn(f64) -> f64| over(well.between, &|q| weight(q) * f(q)) / sizes[k];
            let rate = |barrier: Option<&f64>| barrier.map(|b| 1.0 / (b * sizes[k]));
            WellState {
                well: *well,
                occupancy: sizes[k] / total,
                energy: mean(&energy),
                diffusivity: mean(&|q| model.diffusivity_within(state, x, &[q])),
                rates: [k.checked_sub(1).and_then(|k| rate(barriers.get(k))), rate(barriers.get(k))],
            }
        };
        wells.iter().enumerate().map(of_well).collect()
    }
}

/// Chebyshev's points of the first kind.
fn node(k: usize) -> f64 {
    libm::cos(std::f64::consts::PI * (k as f64 + 0.5) / NODES as f64)
}

/// The polynomial through the nodes, in barycentric form.
fn interpolated(nodes: &[Averages], s: f64) -> Averages {
    let numbers = |a: &Averages| {
        let [first, second, third] = a.slopes;
        [a.energy, a.diffusivity, a.covariance, a.variance, a.fluctuation, first, second, third]
    };
    let (mut sums, mut norm) = ([0.0; 8], 0.0);
    for (k, at) in nodes.iter().enumerate() {
        let distance = s - node(k);
        if distance == 0.0 {
            return *at;
        }
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let weight = sign * libm::sin(std::f64::consts::PI * (k as f64 + 0.5) / NODES as f64) / distance;
        norm += weight;
        sums.iter_mut().zip(numbers(at)).for_each(|(sum, value)| *sum += weight * value);
    }
    let [energy, diffusivity, covariance, variance, fluctuation, first, second, third] =
        sums.map(|s| s / norm);
    Averages { energy, diffusivity, covariance, variance, fluctuation, slopes: [first, second, third] }
}

/// All states together.
impl Profile for CoordinateLimit {
    fn model(&self) -> &Model {
        &self.model
    }

    fn vertices(&self) -> &[f64] {
        &self.vertices
    }

    fn breakpoints(&self) -> &[f64] {
        &self.vertices
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        vec![self.total_density_at(x)]
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        self.total_density_at(hi) - self.total_density_at(lo)
    }

    fn currents(&self, _x: f64) -> Vec<f64> {
        vec![0.0]
    }

    fn heat_current(&self, x: f64) -> f64 {
        self.heat_current_at(x)
    }

    fn work(&self, _lo: f64, _hi: f64, _weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        None
    }

    fn entropy_production(&self) -> Option<f64> {
        None
    }

    fn has_transitions(&self) -> bool {
        false
    }

    /// Smooth on every bin: four points are enough, and each may be a sum over several coordinates.
    fn mean_densities(&self, lo: f64, hi: f64) -> Vec<f64> {
        let rule = Rule::gauss(4);
        vec![rule.on(lo, hi).map(|(x, w)| w * self.total_density_at(x)).sum::<f64>() / (hi - lo)]
    }
}

/// A well as a discrete state, at one x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WellState {
    /// Where it is.
    pub well: Well,
    /// Share of the particles in it.
    pub occupancy: f64,
    /// Mean energy in it.
    pub energy: f64,
    /// Mean diffusivity along x in it, length^2/time.
    pub diffusivity: f64,
    /// Rates to the wells on the side of smaller and larger q, 1/time: flux over population,
    /// `1/k = int_well exp(-E/kT) dq int_bottom^bottom exp(E/kT) dq/(mu kT)` (Kramers, Physica 7, 284 (1940); Langer, Ann. Phys. 54, 258
    /// (1969)), the inverse of the mean time of first passage between bottoms for a high barrier, and in detailed balance.
    pub rates: [Option<f64>; 2],
}
