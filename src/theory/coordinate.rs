//! The stationary law of a particle with one continuous internal coordinate (Eq 14 of the paper).
//!
//! # Equation
//! With the energy `E_i(x, q)` of state i, the mobility `mu` and the noise `mu kT(x)` of the coordinate, and Ito's
//! diffusivity `D_i(x, q)`,
//! ```text
//! d_x J_i + d_q K_i = sum_j (k_ij P_j - k_ji P_i),      int sum_i P_i dx dq = 1,
//! J_i = -(D_i/kT) P_i d_x E_i - d_x(D_i P_i),           K_i = -mu (P_i d_q E_i + kT d_q P_i),
//! ```
//! no flux through walls in x and q, or periodic in either. Eq 14 writes `D d_x P` where `D` does not depend on x, and
//! `Delta(x)` for `mu kT`. The right-hand side of Eq 15 is `-d_x J_tot`. Integrated over q the equation has
//! `sum_i int J_i dq = 0` between walls, and without a force along x
//! ```text
//! sum_i int D_i P_i dq = C, the same at every x.
//! ```
//!
//! # Method
//! `P_i = w_i f_i` with Boltzmann's weight at the local temperature, `w_i = exp(-E_i/kT + s_i)/Z(x)`, `sum_i int w_i dq
//! = 1`: `f` is smooth where `P` is steep, and one number at uniform temperature, exactly. Then
//! ```text
//! K_i = -mu kT w_i d_q f_i,
//! J_i = -w_i [D_i d_x f_i + (d_x D_i + D_i (E_i - <E>) kT'/(kT)^2 + D_i <d_x E>/kT) f_i],
//! ```
//! `<.>` by the weights `w`. The weak form of the equation is solved by spectral elements in x and q together: products of
//! polynomials for `f`, Gauss quadrature with the weights, element boundaries at kinks. Elements in x grow
//! from the layers at walls and kinks, in which the coordinate relaxes, and are halved where Legendre coefficients of
//! `P_tot` or `J_E` have not decayed; elements in q are halved where those of `f` have not. The unknowns are `P` at the
//! nodes, so that the matrix is well scaled where weights are 1e-17. Test functions sum to one: the sum of all equations
//! is zero, and one of them is exchanged for the normalisation.
//!
//! The error is estimated by solving with polynomials of two degrees less.
//!
//! # When not to trust it
//! `P` may be slightly negative, by the estimated error relative to its largest values, where it is very rare. Jumps of the
//! temperature are refused, and so are several coordinates.
//! Potentials along x of more than some 20 kT leave few digits where the particle is rare.

use super::element::{Reference, Rule, legendre, series};
use super::functionals::{POINTS, Profile, quadrature, reference};
use super::linear::{Chain, Matrix};
use super::stationary::{bisect, graded};
use super::{TheoryError, breakpoints, temperature};
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Boundary, Channel, Model, Range, RateLaw};
use crate::observable::Observable;

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-10 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused ([`TheoryError::NotConverged`]).
    pub limit: f64,
    /// Unknowns beyond which the mesh is not refined; at least 1000.
    pub max_unknowns: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-5, limit: 1e-3, max_unknowns: 40_000 }
    }
}

/// Degrees in x and q of the better solution; the rough one has two less.
const DEGREES: [usize; 2] = [7, 8];

/// The stationary law of positions, states and one internal coordinate.
#[derive(Clone, Debug)]
pub struct CoordinateLaw {
    model: Model,
    law: Law,
    breakpoints: Vec<f64>,
    estimate: f64,
    tolerance: f64,
}

/// What the coefficients of the equation are at a point.
struct Local {
    /// Energy `E_i`.
    energy: f64,
    /// `d_x E_i`.
    slope: f64,
    diffusivity: f64,
    /// `d_x D_i`.
    diffusivity_slope: f64,
}

/// Boltzmann's weights at one x.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    x: f64,
    kt: f64,
    /// `d_x kT`.
    kt_slope: f64,
    /// `ln Z`, relative to the shift.
    log_z: f64,
    /// An energy near the lowest, which is subtracted from all.
    shift: f64,
    /// `<E>` and `<d_x E>`.
    mean: [f64; 2],
}

/// The mesh along the coordinate.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) vertices: Vec<f64>,
    pub(super) degree: usize,
    pub(super) periodic: bool,
}

impl Line {
    pub(super) fn elements(&self) -> usize {
        self.vertices.len() - 1
    }

    /// Number of nodes; on a circle the last is the first.
    pub(super) fn nodes(&self) -> usize {
        self.elements() * self.degree + usize::from(!self.periodic)
    }

    /// Node `a` of element `m`.
    pub(super) fn node(&self, m: usize, a: usize) -> usize {
        (m * self.degree + a) % self.nodes()
    }

    /// Element and place in it, between -1 and 1.
    fn locate(&self, q: f64) -> (usize, f64) {
        locate(&self.vertices, q)
    }
}

fn locate(vertices: &[f64], x: f64) -> (usize, f64) {
    let e = vertices.partition_point(|v| *v <= x).clamp(1, vertices.len() - 1) - 1;
    let (a, b) = (vertices[e], vertices[e + 1]);
    (e, ((2.0 * x - a - b) / (b - a)).clamp(-1.0, 1.0))
}

fn local(model: &Model, state: usize, x: f64, q: f64) -> Local {
    let d = model.coordinates.as_ref().map(|c| c.diffusivity(state));
    Local {
        energy: model.energy_within(state, x, &[q]),
        slope: model.energy_slope_within(state, x, &[q]),
        diffusivity: model.diffusivity_within(state, x, &[q]),
        diffusivity_slope: d.map_or(0.0, |d| d.slope_x(x, &[q])),
    }
}

impl Weights {
    fn new(model: &Model, line: &Line, rule: &Rule, x: f64) -> Result<Self, TheoryError> {
        temperature(model, x)?;
        let kt = model.thermal_energy(x);
        let mut points = Vec::new();
        let forced = has_force(model);
        for state in states(model) {
            let entropy = model.network.states()[state].entropy;
            for ends in line.vertices.windows(2) {
                for (q, weight) in rule.on(ends[0], ends[1]) {
                    let energy = model.energy_within(state, x, &[q]);
                    let slope = if forced { model.energy_slope_within(state, x, &[q]) } else { 0.0 };
                    if energy.is_nan() || slope.is_nan() {
                        return Err(TheoryError::Force { state, x, found: energy + slope });
                    }
                    points.push((weight, energy, slope, entropy));
                }
            }
        }
        let shift = points.iter().fold(f64::INFINITY, |m, p| m.min(p.1));
        let mut sums = [0.0; 3];
        for (weight, energy, slope, entropy) in points {
            let w = weight * libm::exp((shift - energy) / kt + entropy);
            // Where the energy is infinite the weight is zero.
            if w > 0.0 {
                sums[0] += w;
                sums[1] += w * (energy - shift);
                sums[2] += w * slope;
            }
        }
        Ok(Weights {
            x,
            kt,
            kt_slope: model.boltzmann * model.temperature.slope(x),
            log_z: libm::log(sums[0]),
            shift,
            mean: [shift + sums[1] / sums[0], sums[2] / sums[0]],
        })
    }

    /// `w_i`; at least 1e-250, so that it may divide.
    pub(super) fn at(&self, model: &Model, state: usize, energy: f64) -> f64 {
        let entropy = model.network.states()[state].entropy;
        libm::exp(((self.shift - energy) / self.kt + entropy - self.log_z).max(-575.0))
    }

    /// The factor of `-w f` in the current along x.
    fn drift(&self, at: &Local) -> f64 {
        let thermal = (at.energy - self.mean[0]) * self.kt_slope / (self.kt * self.kt);
        at.diffusivity_slope + at.diffusivity * (thermal + self.mean[1] / self.kt)
    }
}

pub(super) fn states(model: &Model) -> std::ops::Range<usize> {
    0..model.network.states().len()
}

/// Whether any energy depends on x.
pub(super) fn has_force(model: &Model) -> bool {
    model.has_forces() || model.coordinates.as_ref().is_some_and(|c| c.has_force())
}

/// Solves for the stationary law.
///
/// # Errors
/// [`TheoryError`]: no coordinate or several; propulsion, jumps of the temperature; values out of range; a coordinate
/// that is not confined; an estimated error above `options.limit`.
pub fn solve(model: &Model, options: &Options) -> Result<CoordinateLaw, TheoryError> {
    for (option, must, found, sound) in [
        (
            "tolerance",
            "between 1e-10 and 1e-2",
            options.tolerance,
            (1e-10..=1e-2).contains(&options.tolerance),
        ),
        ("limit", "positive", options.limit, options.limit > 0.0),
        ("max_unknowns", "at least 1000", options.max_unknowns as f64, options.max_unknowns >= 1000),
    ] {
        if !sound {
            return Err(TheoryError::Option { option, must, found });
        }
    }
    let mut meshes = first_meshes(model)?;
    let breakpoints = breakpoints_within(model)?;
    let rough_degrees = DEGREES.map(|d| d - 2);
    let size = |meshes: &(Vec<f64>, Line)| {
        (meshes.0.len() * DEGREES[0]) * (meshes.1.elements() * DEGREES[1]) * states(model).len()
    };
    let mut best: Option<(Law, f64)> = None;
    for _ in 0..12 {
        let rough = Law::new(model, &meshes, rough_degrees)?;
        let (mut along, across) = (
            rough.unresolved(model, 30.0 * options.tolerance),
            rough.unresolved_q(model, 100.0 * options.tolerance),
        );
        let done = !along.contains(&true) && !across.contains(&true);
        if done || size(&meshes) > options.max_unknowns {
            let law = Law::new(model, &meshes, DEGREES)?;
            let differences = law.differences(&rough, model);
            let estimate = differences.iter().copied().fold(0.0, f64::max);
            let stagnant = best.as_ref().is_some_and(|b| estimate > 0.3 * b.1);
            if best.as_ref().is_none_or(|b| estimate < b.1) {
                best = Some((law, estimate));
            }
            if estimate <= options.tolerance || stagnant || size(&meshes) > options.max_unknowns {
                break;
            }
            along = differences.iter().map(|d| *d > 0.3 * options.tolerance).collect();
        }
        let mut line = meshes.1;
        line.vertices = bisect_any(&line.vertices, &across);
        meshes = (bisect(&meshes.0, &along), line);
    }
    let elements = meshes.0.len() - 1;
    match best {
        Some((law, estimate)) if estimate <= options.limit => Ok(CoordinateLaw {
            model: model.clone(),
            law,
            breakpoints,
            estimate,
            tolerance: options.tolerance,
        }),
        Some((_, estimate)) => Err(TheoryError::NotConverged { estimate, limit: options.limit, elements }),
        None => Err(TheoryError::Singular { elements }),
    }
}

pub(super) fn bisect_any(mesh: &[f64], marked: &[bool]) -> Vec<f64> {
    let mut finer = vec![mesh[0]];
    for (pair, split) in mesh.windows(2).zip(marked) {
        if *split {
            finer.push(0.5 * (pair[0] + pair[1]));
        }
        finer.push(pair[1]);
    }
    finer
}

/// Walls and kinks in x.
fn breakpoints_within(model: &Model) -> Result<Vec<f64>, TheoryError> {
    let mut points = breakpoints(model)?;
    let length = model.domain.length;
    if let Some(c) = &model.coordinates {
        let range = Interval::new(0.0, length);
        for state in states(model) {
            points.extend(c.potentials(state).chain([c.diffusivity(state)]).flat_map(|u| u.kinks_x(range)));
        }
    }
    points.retain(|x| (0.0..=length).contains(x));
    points.sort_by(f64::total_cmp);
    points.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * length);
    Ok(points)
}

/// A first mesh along x and along the coordinate, after all checks.
pub(super) fn first_meshes(model: &Model) -> Result<(Vec<f64>, Line), TheoryError> {
    let coordinates =
        model.coordinates.as_ref().ok_or(TheoryError::Premise { must: "an internal coordinate" })?;
    if coordinates.axes.len() != 1 {
        return Err(TheoryError::Premise { must: "a single internal coordinate" });
    }
    if states(model).any(|s| model.has_drift(s)) {
        return Err(TheoryError::Premise { must: "states that do not propel themselves" });
    }
    if model.temperature_jumps() {
        return Err(TheoryError::Premise { must: "a temperature without jumps" });
    }
    let reach = model.coordinate_reach().map_err(TheoryError::Coordinate)?;
    let [lo, hi] = reach.ends[0];
    let periodic = matches!(coordinates.axes[0].range, Range::Periodic(_));
    let inside = |q: &f64| *q > lo + 1e-9 * (hi - lo) && *q < hi - 1e-9 * (hi - lo);
    let mut vertices: Vec<f64> = states(model)
        .flat_map(|s| coordinates.potentials(s).chain([coordinates.diffusivity(s)]).collect::<Vec<_>>())
        .flat_map(|u| u.kinks_q(0, Interval::new(lo, hi)))
        .filter(inside)
        .chain([lo, hi])
        .collect();
    vertices.sort_by(f64::total_cmp);
    vertices.dedup_by(|a, b| (*a - *b).abs() <= 1e-9 * (hi - lo));
    // Halves until no weight varies by more than exp(10) across an element near the minima, exp(30) elsewhere.
    let length = model.domain.length;
    let places: Vec<f64> = (0..=8).map(|k| length * f64::from(k) / 8.0).collect();
    for _ in 0..12 {
        let mut marked = vec![false; vertices.len() - 1];
        for (x, state) in places.iter().flat_map(|x| states(model).map(move |s| (*x, s))) {
            let kt = model.thermal_energy(x);
            let energy = |q: f64| model.energy_within(state, x, &[q]) / kt;
            let lowest = energy(reach.bottom[0]);
            for (mark, ends) in marked.iter_mut().zip(vertices.windows(2)) {
                let values = (0..=8).map(|k| energy(ends[0] + (ends[1] - ends[0]) * f64::from(k) / 8.0));
                let (least, most) =
                    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(v), m.max(v)));
                *mark |= most - least > if least < lowest + 12.0 { 10.0 } else { 30.0 };
            }
        }
        if !marked.contains(&true) && vertices.len() > 4 {
            break;
        }
        if vertices.len() <= 4 {
            marked.fill(true);
        }
        vertices = bisect_any(&vertices, &marked);
    }
    let line = Line { vertices, degree: DEGREES[1], periodic };
    check_diffusivities(model, &line)?;
    // The layers at walls: the coordinate relaxes at about mu <(d_q E)^2>/kT.
    let rule = Rule::gauss(POINTS);
    let thickness = |x: f64| -> Result<f64, TheoryError> {
        let weights = Weights::new(model, &line, &rule, x)?;
        let (mut rate, mut mean) = (0.0, 0.0);
        for state in states(model) {
            quadrature(&line.vertices, lo, hi, |q, weight| {
                let force = coordinates.energy_slope_q(state, x, &[q], 0);
                let at = local(model, state, x, q);
                let w = weight * weights.at(model, state, at.energy);
                rate += w * force * force;
                mean += w * at.diffusivity;
            });
        }
        rate *= model.internal_mobility(0, x) / weights.kt;
        Ok(libm::sqrt(mean / (4.0 * rate)).clamp(1e-7 * length, length))
    };
    let mesh = graded(&breakpoints_within(model)?, thickness)?;
    Ok((mesh, line))
}

/// Diffusivities must be finite, nowhere negative, and positive somewhere.
fn check_diffusivities(model: &Model, line: &Line) -> Result<(), TheoryError> {
    let rule = Rule::gauss(POINTS);
    for state in states(model) {
        for k in 0..=16 {
            let x = model.domain.length * f64::from(k) / 16.0;
            let mut largest: f64 = 0.0;
            for ends in line.vertices.windows(2) {
                for (q, _) in rule.on(ends[0], ends[1]) {
                    let found = model.diffusivity_within(state, x, &[q]);
                    if !(0.0..=1e100).contains(&found) {
                        return Err(TheoryError::Motility { state, what: "diffusivity", x, found });
                    }
                    largest = largest.max(found);
                }
            }
            if largest == 0.0 {
                return Err(TheoryError::Motility { state, what: "diffusivity", x, found: 0.0 });
            }
        }
    }
    Ok(())
}

/// A solution on one pair of meshes.
#[derive(Clone, Debug)]
struct Law {
    mesh: Vec<f64>,
    line: Line,
    degree: usize,
    /// `transform` of the reference elements in x and q: from nodal values to Legendre coefficients.
    transforms: [Vec<Vec<f64>>; 2],
    /// Per element in x: `f` at its nodes, `[a][state * nodes + j]`.
    values: Vec<Vec<Vec<f64>>>,
    /// Per element in x, the Legendre series of what follows by integration over q, see [`SINGLE`].
    sums: Vec<Vec<Vec<f64>>>,
}

/// Integrals over q at one x, in this order: per state the density and the current, then the heat flux, work,
/// `int D P dq` and `int E P dq`; then per channel the passages.
const SINGLE: usize = 4;

/// Points of the Gauss rule in each cell of a plane, along x and along q: enough where `P` falls by `exp(5)` across a cell.
const CELL_POINTS: usize = 6;

impl Law {
    fn new(model: &Model, meshes: &(Vec<f64>, Line), degrees: [usize; 2]) -> Result<Self, TheoryError> {
        let mesh = meshes.0.clone();
        let line = Line { degree: degrees[1], ..meshes.1.clone() };
        let along = Reference::new(degrees[0]);
        let across = Reference::with_points(degrees[1], degrees[1] + 8);
        let slice = Slice { model, line: &line, across: &across };
        let assembly = Assembly { slice, mesh: &mesh, along: &along };
        let values = assembly.solve()?;
        let transforms = [along.transform.clone(), across.transform.clone()];
        let mut law = Law { mesh, line, degree: degrees[0], transforms, values, sums: Vec::new() };
        law.normalise(model, &along, &across)?;
        Ok(law)
    }

    /// Forms the sums, and divides by the total probability.
    fn normalise(&mut self, model: &Model, along: &Reference, across: &Reference) -> Result<(), TheoryError> {
        let count = 2 * states(model).len() + SINGLE + 2 * model.network.edges().len();
        let mut sums = Vec::new();
        let mut total = 0.0;
        for ends in self.mesh.windows(2) {
            let mut at_points = Vec::new();
            for (x, weight) in along.rule.on(ends[0], ends[1]) {
                let section = Section::new(self, model, &across.rule, x)?;
                let found = section.sums(model, &across.rule, count);
                total += weight * found[..states(model).len()].iter().sum::<f64>();
                at_points.push(found);
            }
            let project = |c: usize| -> Vec<f64> {
                let row = |row: &Vec<f64>| row.iter().zip(&at_points).map(|(p, v)| p * v[c]).sum();
                along.projection.iter().map(row).collect()
            };
            sums.push((0..count).map(project).collect::<Vec<_>>());
        }
        if !(total.is_finite() && total.abs() > 0.0) {
            return Err(TheoryError::Singular { elements: self.mesh.len() - 1 });
        }
        sums.iter_mut().flatten().flatten().for_each(|c| *c /= total);
        self.values.iter_mut().flatten().flatten().for_each(|v| *v /= total);
        self.sums = sums;
        Ok(())
    }

    fn states(&self) -> usize {
        self.values[0][0].len() / self.line.nodes()
    }

    fn heat(&self) -> usize {
        2 * self.states()
    }

    /// One of the sums at x.
    fn sum(&self, c: usize, x: f64) -> f64 {
        let (e, s) = locate(&self.mesh, x);
        series(&self.sums[e][c], s)
    }

    /// Largest absolute value of the total density, and of the heat flux.
    fn scales(&self) -> [f64; 2] {
        let mut scales = [0.0f64; 2];
        for ends in self.mesh.windows(2) {
            for k in 0..=4 {
                let x = ends[0] + (ends[1] - ends[0]) * f64::from(k) / 4.0;
                let density: f64 = (0..self.states()).map(|i| self.sum(i, x)).sum();
                scales[0] = scales[0].max(density.abs());
                scales[1] = scales[1].max(self.sum(self.heat(), x).abs());
            }
        }
        scales
    }

    /// A heat flux so small that it is none: 1e-5 of diffusivity, energy and density over the length.
    fn negligible(&self, model: &Model) -> f64 {
        let middle = 0.5 * model.domain.length;
        let flat = self.sum(self.heat() + 2, middle).abs();
        1e-5 * flat * model.thermal_energy(middle) / model.domain.length
    }

    /// Elements in x where the Legendre coefficients of density or heat flux have not decayed.
    fn unresolved(&self, model: &Model, tolerance: f64) -> Vec<bool> {
        let scales = self.scales();
        let heat = scales[1].max(self.negligible(model));
        let of_element = |sums: &Vec<Vec<f64>>| {
            let tail = |c: &[f64]| c[self.degree - 1..].iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let density: f64 = sums[..self.states()].iter().map(|c| tail(c)).sum();
            density > tolerance * scales[0] || tail(&sums[self.heat()]) > tolerance * heat
        };
        self.sums.iter().map(of_element).collect()
    }

    /// Elements in q where the Legendre coefficients of `f`, times the largest weight there, have not decayed.
    fn unresolved_q(&self, model: &Model, tolerance: f64) -> Vec<bool> {
        let mut marked = vec![false; self.line.elements()];
        let rule = Rule::gauss(6);
        for (ends, values) in self.mesh.windows(2).zip(&self.values) {
            for (x, values) in [ends[0], ends[1]].into_iter().zip([&values[0], &values[self.degree]]) {
                let Ok(weights) = Weights::new(model, &self.line, &rule, x) else {
                    continue;
                };
                let mut tails = vec![0.0f64; marked.len()];
                let mut largest: f64 = 0.0;
                for state in states(model) {
                    for (m, tail) in tails.iter_mut().enumerate() {
                        let (a, b) = (self.line.vertices[m], self.line.vertices[m + 1]);
                        let at = |k: u32| {
                            let q = a + (b - a) * f64::from(k) / 4.0;
                            weights.at(model, state, model.energy_within(state, x, &[q]))
                        };
                        let weight = (0..=4).map(at).fold(0.0, f64::max);
                        let f = |n: usize| values[state * self.line.nodes() + self.line.node(m, n)];
                        let rows = &self.transforms[1];
                        let coefficient =
                            |l: usize| (0..=self.line.degree).map(|n| rows[l][n] * f(n)).sum::<f64>();
                        largest = largest.max(weight * coefficient(0).abs());
                        let last =
                            coefficient(self.line.degree).abs().max(coefficient(self.line.degree - 1).abs());
                        *tail = tail.max(weight * last);
                    }
                }
                for (mark, tail) in marked.iter_mut().zip(&tails) {
                    *mark |= *tail > tolerance * largest;
                }
            }
        }
        marked
    }

    /// Per element in x, the largest difference of density and heat flux, relative to their largest values.
    fn differences(&self, other: &Law, model: &Model) -> Vec<f64> {
        let scales = self.scales();
        let heat = scales[1].max(self.negligible(model));
        let of_element = |ends: &[f64]| {
            let mut largest: f64 = 0.0;
            for k in 0..=8 {
                // Off the ends, where the two would be read from different elements.
                let x = ends[0] + (ends[1] - ends[0]) * (0.01 + 0.98 * f64::from(k) / 8.0);
                let density: f64 = (0..self.states()).map(|i| (self.sum(i, x) - other.sum(i, x)).abs()).sum();
                let flux = (self.sum(self.heat(), x) - other.sum(self.heat(), x)).abs();
                largest = largest.max(density / scales[0]).max(flux / heat);
            }
            largest
        };
        self.mesh.windows(2).map(of_element).collect()
    }
}

/// What the weak form is assembled from.
struct Assembly<'a> {
    slice: Slice<'a>,
    mesh: &'a [f64],
    along: &'a Reference,
}

/// A sparse matrix between functions of q and state at one x: row, column, the entries that multiply `-psi_a' psi_b'`,
/// `-psi_a' psi_b` and `-psi_a psi_b`.
type Entries = Vec<(usize, usize, [f64; 3])>;

/// What happens between functions of q and state at one x.
pub(super) struct Slice<'a> {
    pub(super) model: &'a Model,
    pub(super) line: &'a Line,
    pub(super) across: &'a Reference,
}

impl Assembly<'_> {
    fn width(&self) -> usize {
        self.slice.width()
    }

    /// Place of function (state, j) of q at node `a` of an element in the order of [`Chain`]; inner ones are ordered by
    /// j, which keeps the matrix narrow.
    fn place(&self, a: usize, column: usize) -> usize {
        let (width, degree) = (self.width(), self.along.degree);
        match a {
            0 => column,
            _ if a == degree => width + column,
            _ => {
                let (state, j) = (column / self.slice.line.nodes(), column % self.slice.line.nodes());
                let order = j * states(self.slice.model).len() + state;
                2 * width + order * (degree - 1) + a - 1
            }
        }
    }

    /// `f` at the nodes of every element, up to a factor.
    fn solve(&self) -> Result<Vec<Vec<Vec<f64>>>, TheoryError> {
        let (width, degree, elements) = (self.width(), self.along.degree, self.mesh.len() - 1);
        let singular = TheoryError::Singular { elements };
        let mut weights = Vec::new();
        let mut matrices = Vec::new();
        for ends in self.mesh.windows(2) {
            let (matrix, at_nodes) = self.element(ends)?;
            matrices.push(matrix);
            weights.push(at_nodes);
        }
        // One equation is exchanged for P = 1 at the place where the weight is largest, in the middle: since all
        // equations sum to zero, adding to one unknown in its own equation does that.
        let pinned = elements / 2;
        let first: &Vec<f64> = &weights[pinned][0];
        let largest = (0..width).fold(0, |best, j| if first[j] > first[best] { j } else { best });
        let size = matrices[pinned].row(largest)[largest].abs();
        matrices[pinned].row_mut(largest)[largest] += size;
        let ring = self.slice.model.domain.walls == Boundary::Periodic;
        let mut vertices = vec![0.0; width * (elements + usize::from(!ring))];
        vertices[pinned * width + largest] = size;
        let mut interiors = vec![vec![0.0; width * (degree - 1)]; elements];
        let chain = Chain::new(matrices.iter().cloned(), width, ring).ok_or(singular.clone())?;
        let right = (vertices.clone(), interiors.clone());
        chain.solve(&mut vertices, &mut interiors);
        // One step of refinement makes errors in the tails relative to what is there.
        let (mut outer, mut inner) = self.residual(&matrices, right, &vertices, &interiors);
        chain.solve(&mut outer, &mut inner);
        vertices.iter_mut().zip(&outer).for_each(|(v, d)| *v += d);
        interiors.iter_mut().flatten().zip(inner.iter().flatten()).for_each(|(v, d)| *v += d);
        let count = vertices.len();
        let value = |e: usize, a: usize, column: usize| {
            let at = if a == 0 || a == degree {
                vertices[((e + a / degree) * width + column) % count]
            } else {
                interiors[e][self.place(a, column) - 2 * width]
            };
            at / weights[e][a][column]
        };
        let values: Vec<Vec<Vec<f64>>> = (0..elements)
            .map(|e| (0..=degree).map(|a| (0..width).map(|c| value(e, a, c)).collect()).collect())
            .collect();
        if values.iter().flatten().flatten().all(|v| v.is_finite()) { Ok(values) } else { Err(singular) }
    }

    /// What the equations leave, given the right-hand side and the unknowns at vertices and inside of elements.
    fn residual(
        &self,
        matrices: &[Matrix],
        (mut outer, mut inner): (Vec<f64>, Vec<Vec<f64>>),
        vertices: &[f64],
        interiors: &[Vec<f64>],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let width = self.width();
        for (e, matrix) in matrices.iter().enumerate() {
            let at: Vec<usize> = (0..2 * width).map(|k| (e * width + k) % vertices.len()).collect();
            let unknowns: Vec<f64> =
                at.iter().map(|k| vertices[*k]).chain(interiors[e].iter().copied()).collect();
            let mut rest = vec![0.0; unknowns.len()];
            matrix.subtract_apply(&unknowns, &mut rest);
            at.iter().zip(&rest).for_each(|(k, r)| outer[*k] += r);
            inner[e].iter_mut().zip(&rest[2 * width..]).for_each(|(i, r)| *i += r);
        }
        (outer, inner)
    }

    /// The matrix of one element, and the weights at its nodes.
    fn element(&self, ends: &[f64]) -> Result<(Matrix, Vec<Vec<f64>>), TheoryError> {
        let (width, degree) = (self.width(), self.along.degree);
        let (middle, half) = (0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0]));
        let mut matrix = Matrix::zeros(width * (degree + 1), width * (degree + 1));
        let along = self.along;
        let places: Vec<Vec<usize>> =
            (0..=degree).map(|a| (0..width).map(|column| self.place(a, column)).collect()).collect();
        for (point, (x, weight)) in along.rule.on(ends[0], ends[1]).enumerate() {
            let entries = self.slice.entries(x)?;
            let (basis, slope) = (&along.basis[point], &along.slope[point]);
            for a in 0..=degree {
                for b in 0..=degree {
                    let factors = [
                        -weight * slope[a] * slope[b] / (half * half),
                        -weight * slope[a] * basis[b] / half,
                        -weight * basis[a] * basis[b],
                    ];
                    for (i, j, parts) in &entries {
                        let sum = factors[0] * parts[0] + factors[1] * parts[1] + factors[2] * parts[2];
                        matrix.row_mut(places[a][*i])[places[b][*j]] += sum;
                    }
                }
            }
        }
        let mut at_nodes = Vec::new();
        for s in &along.nodes {
            let x = middle + half * s;
            at_nodes.push(self.slice.at_nodes(&self.slice.weights(x)?));
        }
        let mut scale = vec![1.0; width * (degree + 1)];
        for (places, weights) in places.iter().zip(&at_nodes) {
            places.iter().zip(weights).for_each(|(place, weight)| scale[*place] = *weight);
        }
        for row in 0..width * (degree + 1) {
            matrix.row_mut(row).iter_mut().zip(&scale).for_each(|(entry, weight)| *entry /= weight);
        }
        Ok((matrix, at_nodes))
    }
}

impl Slice<'_> {
    /// Number of functions.
    pub(super) fn width(&self) -> usize {
        self.line.nodes() * states(self.model).len()
    }

    pub(super) fn weights(&self, x: f64) -> Result<Weights, TheoryError> {
        Weights::new(self.model, self.line, &self.across.rule, x)
    }

    /// Weights at the nodes of q.
    fn at_nodes(&self, weights: &Weights) -> Vec<f64> {
        let line = self.line;
        let mut found = vec![0.0; self.width()];
        for state in states(self.model) {
            for (m, ends) in line.vertices.windows(2).enumerate() {
                for (a, s) in self.across.nodes.iter().enumerate() {
                    let q = 0.5 * (ends[0] + ends[1] + s * (ends[1] - ends[0]));
                    let energy = self.model.energy_within(state, weights.x, &[q]);
                    found[state * line.nodes() + line.node(m, a)] = weights.at(self.model, state, energy);
                }
            }
        }
        found
    }

    /// All integrals over q at one x.
    pub(super) fn entries(&self, x: f64) -> Result<Entries, TheoryError> {
        let (model, line, across) = (self.model, self.line, self.across);
        let weights = self.weights(x)?;
        let noise = model.internal_mobility(0, x) * weights.kt;
        let (nodes, size) = (line.nodes(), line.degree + 1);
        let mut entries = Entries::new();
        for (m, ends) in line.vertices.windows(2).enumerate() {
            let half = 0.5 * (ends[1] - ends[0]);
            for state in states(model) {
                let mut block = vec![[0.0; 3]; size * size];
                for (point, (q, weight)) in across.rule.on(ends[0], ends[1]).enumerate() {
                    let at = local(model, state, x, q);
                    let w = weight * weights.at(model, state, at.energy);
                    let factors = [w * at.diffusivity, w * weights.drift(&at), w * noise / (half * half)];
                    if !factors.iter().all(|f| f.is_finite()) {
                        return Err(TheoryError::Force { state, x, found: factors.iter().sum() });
                    }
                    let (basis, slope) = (&across.basis[point], &across.slope[point]);
                    for i in 0..size {
                        for j in 0..size {
                            let parts = &mut block[i * size + j];
                            let both = basis[i] * basis[j];
                            parts[0] += factors[0] * both;
                            parts[1] += factors[1] * both;
                            parts[2] += factors[2] * slope[i] * slope[j];
                        }
                    }
                }
                for i in 0..size {
                    for j in 0..size {
                        let place = |a: usize| state * nodes + line.node(m, a);
                        entries.push((place(i), place(j), block[i * size + j]));
                    }
                }
            }
            for channel in model.network.channels() {
                self.passages(&mut entries, channel, &weights, m, ends)?;
            }
        }
        Ok(entries)
    }

    /// Passages along a channel: out of one state, into the other at the same q.
    fn passages(
        &self,
        entries: &mut Entries,
        channel: Channel,
        weights: &Weights,
        m: usize,
        ends: &[f64],
    ) -> Result<(), TheoryError> {
        let (model, line, across) = (self.model, self.line, self.across);
        let size = line.degree + 1;
        let mut block = vec![0.0; size * size];
        for (point, (q, weight)) in across.rule.on(ends[0], ends[1]).enumerate() {
            let found = model.rate_within(channel, weights.x, &[q]);
            if !(0.0..=1e100).contains(&found) {
                return Err(TheoryError::Rate { channel: channel.index, x: weights.x, found });
            }
            let energy = model.energy_within(channel.from, weights.x, &[q]);
            let flow = weight * found * weights.at(model, channel.from, energy);
            let basis = &across.basis[point];
            for i in 0..size {
                for j in 0..size {
                    block[i * size + j] += flow * basis[i] * basis[j];
                }
            }
        }
        for i in 0..size {
            for j in 0..size {
                let place = |state: usize, a: usize| state * line.nodes() + line.node(m, a);
                let flow = block[i * size + j];
                entries.push((place(channel.from, i), place(channel.from, j), [0.0, 0.0, flow]));
                entries.push((place(channel.to, i), place(channel.from, j), [0.0, 0.0, -flow]));
            }
        }
        Ok(())
    }
}

/// The law at one x, as a function of q.
struct Section<'a> {
    law: &'a Law,
    weights: Weights,
    /// `f` and `d_x f` at the nodes of q, all states.
    values: [Vec<f64>; 2],
}

/// The law at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// `P_i`, 1/(length coordinate).
    pub density: f64,
    /// `J_i` along x, 1/(time coordinate), positive towards larger x.
    pub along: f64,
    /// `K_i` along the coordinate, 1/(time length).
    pub across: f64,
    /// Energy `E_i`.
    pub energy: f64,
    /// Its slopes in x and q.
    pub slopes: [f64; 2],
    /// `D_i`.
    pub diffusivity: f64,
}

impl<'a> Section<'a> {
    fn new(law: &'a Law, model: &Model, rule: &Rule, x: f64) -> Result<Self, TheoryError> {
        let weights = Weights::new(model, &law.line, rule, x)?;
        let (e, s) = locate(&law.mesh, x);
        let half = 0.5 * (law.mesh[e + 1] - law.mesh[e]);
        let nodal = nodal(&law.transforms[0], s);
        let combine = |which: usize, scale: f64| -> Vec<f64> {
            let mut sum = vec![0.0; law.values[e][0].len()];
            for (a, values) in law.values[e].iter().enumerate() {
                let factor = nodal[which][a] * scale;
                sum.iter_mut().zip(values).for_each(|(s, v)| *s += factor * v);
            }
            sum
        };
        let values = [combine(0, 1.0), combine(1, 1.0 / half)];
        Ok(Section { law, weights, values })
    }

    fn point(&self, model: &Model, state: usize, q: f64) -> Point {
        let line = &self.law.line;
        let (m, s) = line.locate(q);
        let half = 0.5 * (line.vertices[m + 1] - line.vertices[m]);
        let nodal = nodal(&self.law.transforms[1], s);
        let combine = |values: &[f64], which: usize| -> f64 {
            let of_node =
                |(a, factor): (usize, &f64)| factor * values[state * line.nodes() + line.node(m, a)];
            nodal[which].iter().enumerate().map(of_node).sum()
        };
        let (f, f_x, f_q) =
            (combine(&self.values[0], 0), combine(&self.values[1], 0), combine(&self.values[0], 1) / half);
        let x = self.weights.x;
        let at = local(model, state, x, q);
        let w = self.weights.at(model, state, at.energy);
        let noise = model.internal_mobility(0, x) * self.weights.kt;
        let slope_q = model.coordinates.as_ref().map_or(0.0, |c| c.energy_slope_q(state, x, &[q], 0));
        Point {
            density: w * f,
            along: -w * (at.diffusivity * f_x + self.weights.drift(&at) * f),
            across: -noise * w * f_q,
            energy: at.energy,
            slopes: [at.slope, slope_q],
            diffusivity: at.diffusivity,
        }
    }

    /// All integrals over q (see [`SINGLE`]).
    fn sums(&self, model: &Model, rule: &Rule, count: usize) -> Vec<f64> {
        let (n, x) = (states(model).len(), self.weights.x);
        let mut sums = vec![0.0; count];
        for ends in self.law.line.vertices.windows(2) {
            for (q, weight) in rule.on(ends[0], ends[1]) {
                let points: Vec<Point> = states(model).map(|i| self.point(model, i, q)).collect();
                for (i, p) in points.iter().enumerate() {
                    sums[i] += weight * p.density;
                    sums[n + i] += weight * p.along;
                    // Energies relative to their mean: the currents sum to zero but for rounding.
                    sums[2 * n] += weight * (p.energy - self.weights.mean[0]) * p.along;
                    sums[2 * n + 2] += weight * p.diffusivity * p.density;
                    sums[2 * n + 3] += weight * p.energy * p.density;
                }
                for channel in model.network.channels() {
                    let flow = weight * model.rate_within(channel, x, &[q]) * points[channel.from].density;
                    sums[2 * n + SINGLE + channel.index] += flow;
                    sums[2 * n + 1] += flow * work(model, channel, x, q).unwrap_or(f64::NAN);
                }
            }
        }
        sums
    }
}

/// Work done on the particle in one passage along a channel; `None` if it is not known.
fn work(model: &Model, channel: Channel, x: f64, q: f64) -> Option<f64> {
    let done = model.exchange(channel, x)?.work;
    Some(match (&model.network.edges()[channel.edge].law, &model.coordinates) {
        (RateLaw::Free { .. }, Some(c)) => {
            done + c.own_energy(channel.to, x, &[q]) - c.own_energy(channel.from, x, &[q])
        }
        _ => done,
    })
}

/// Values and slopes of the nodal functions at `s`.
fn nodal(transform: &[Vec<f64>], s: f64) -> [Vec<f64>; 2] {
    let degree = transform.len() - 1;
    let p = legendre(degree, s);
    // P_l' = (2l - 1) P_(l-1) + P_(l-2)'.
    let mut slope = vec![0.0; degree + 1];
    for l in 1..=degree {
        slope[l] = (2 * l - 1) as f64 * p[l - 1] + if l >= 2 { slope[l - 2] } else { 0.0 };
    }
    let combine = |of: &[f64]| -> Vec<f64> {
        (0..=degree).map(|a| of.iter().zip(transform).map(|(v, row)| v * row[a]).sum()).collect()
    };
    [combine(&p), combine(&slope)]
}

impl CoordinateLaw {
    /// The model that was solved.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Estimated relative error: the largest difference from a solution of two degrees less, in `P_i(x)` relative to the
    /// largest density and in `J_E(x)` relative to its largest value.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether the estimated error is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }

    /// Element boundaries in x, from wall to wall.
    pub fn vertices(&self) -> &[f64] {
        &self.law.mesh
    }

    /// Element boundaries along the coordinate; the first and the last are where the law ends.
    pub fn coordinate_vertices(&self) -> &[f64] {
        &self.law.line.vertices
    }

    fn clamped(&self, x: f64) -> f64 {
        x.clamp(0.0, self.model.domain.length)
    }

    /// Densities `P_i(x) = int P_i(x, q) dq`, 1/length.
    pub fn density_at(&self, x: f64) -> Vec<f64> {
        (0..self.law.states()).map(|i| self.law.sum(i, self.clamped(x))).collect()
    }

    /// Total density `P_tot(x)`, 1/length.
    pub fn total_density_at(&self, x: f64) -> f64 {
        self.density_at(x).iter().sum()
    }

    /// `sum_i int D_i P_i dq`, length/time: the same at every x where no force acts along x.
    pub fn mobility_sum_at(&self, x: f64) -> f64 {
        self.law.sum(self.law.heat() + 2, self.clamped(x))
    }

    /// Currents `J_i(x) = int J_i(x, q) dq`, 1/time; exactly zero at walls.
    pub fn current_at(&self, x: f64) -> Vec<f64> {
        let n = self.law.states();
        (0..n).map(|i| if self.is_wall(x) { 0.0 } else { self.law.sum(n + i, x) }).collect()
    }

    /// Heat flux `J_E(x) = sum_i int E_i J_i dq`, energy/time; exactly zero at walls.
    pub fn heat_current_at(&self, x: f64) -> f64 {
        if self.is_wall(x) { 0.0 } else { self.law.sum(self.law.heat(), x) }
    }

    fn is_wall(&self, x: f64) -> bool {
        let length = self.model.domain.length;
        self.model.domain.walls == Boundary::Reflecting && (x <= 0.0 || x >= length)
    }

    fn section(&self, x: f64) -> Option<Section<'_>> {
        Section::new(&self.law, &self.model, &Rule::gauss(POINTS), self.clamped(x)).ok()
    }

    /// The law of every state at a point; empty outside of the range of the coordinate.
    pub fn at(&self, x: f64, q: f64) -> Vec<Point> {
        let ends = [self.law.line.vertices[0], self.law.line.vertices[self.law.line.elements()]];
        match self.section(x) {
            Some(section) if (ends[0]..=ends[1]).contains(&q) => {
                states(&self.model).map(|i| section.point(&self.model, i, q)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// `int_lo^hi sum_i value(i, q, law there) dq` at x.
    pub fn integrate_across(&self, x: f64, cell: [f64; 2], value: impl Fn(usize, f64, &Point) -> f64) -> f64 {
        let vertices = &self.law.line.vertices;
        let (lo, hi) = (cell[0].max(vertices[0]), cell[1].min(vertices[vertices.len() - 1]));
        let Some(section) = self.section(x).filter(|_| hi > lo) else {
            return 0.0;
        };
        let mut sum = 0.0;
        quadrature(vertices, lo, hi, |q, weight| {
            for i in states(&self.model) {
                sum += weight * value(i, q, &section.point(&self.model, i, q));
            }
        });
        sum
    }

    /// The same integrated over a strip of x as well.
    pub fn integrate(
        &self,
        strip: [f64; 2],
        cell: [f64; 2],
        value: impl Fn(usize, f64, f64, &Point) -> f64,
    ) -> f64 {
        let mut sum = 0.0;
        quadrature(&self.law.mesh, strip[0], strip[1], |x, weight| {
            sum += weight * self.integrate_across(x, cell, |i, q, p| value(i, x, q, p));
        });
        sum
    }

    /// `int sum_i value dq` over each cell of the coordinate between neighbouring `faces`, at x.
    fn across_cells(&self, x: f64, faces: &[f64], value: impl Fn(&Point) -> f64) -> Vec<f64> {
        let vertices = &self.law.line.vertices;
        let rule = Rule::gauss(CELL_POINTS);
        let Some(section) = self.section(x) else {
            return vec![f64::NAN; faces.len() - 1];
        };
        let cell = |ends: &[f64]| {
            let (lo, hi) = (ends[0].max(vertices[0]), ends[1].min(vertices[vertices.len() - 1]));
            let mut sum = 0.0;
            let first = vertices.partition_point(|v| *v <= lo).max(1);
            for pair in vertices[first - 1..].windows(2).take_while(|pair| pair[0] < hi) {
                for (q, weight) in rule.on(pair[0].max(lo), pair[1].min(hi)) {
                    let states = states(&self.model);
                    sum += weight * states.map(|i| value(&section.point(&self.model, i, q))).sum::<f64>();
                }
            }
            sum
        };
        faces.windows(2).map(cell).collect()
    }

    /// The points and weights of a rule on a strip of x, piece by piece between vertices.
    fn strip(&self, [lo, hi]: [f64; 2]) -> Vec<(f64, f64)> {
        let rule = Rule::gauss(CELL_POINTS);
        let pieces = self.law.mesh.windows(2).map(|pair| (pair[0].max(lo), pair[1].min(hi)));
        pieces.filter(|(a, b)| b > a).flat_map(|(a, b)| rule.on(a, b).collect::<Vec<_>>()).collect()
    }

    /// `P(x, q)`, all states, averaged over each bin and each cell of the coordinate between neighbouring `faces`:
    /// `[bin][cell]`, 1/(length coordinate). `None` for a grid of another length.
    pub fn plane_density(&self, grid: &Grid, faces: &[f64]) -> Option<Vec<Vec<f64>>> {
        self.bins(grid, |strip| {
            let mut sums = vec![0.0; faces.len() - 1];
            for (x, weight) in self.strip(strip) {
                let cells = self.across_cells(x, faces, |p| p.density);
                sums.iter_mut().zip(cells).for_each(|(sum, p)| *sum += weight * p);
            }
            let areas = faces.windows(2).map(|ends| (strip[1] - strip[0]) * (ends[1] - ends[0]));
            sums.iter().zip(areas).map(|(sum, area)| sum / area).collect()
        })
    }

    /// Net passages per time through each interior face of the grid within each cell of the coordinate:
    /// `[face][cell]`, `int J_x dq`, 1/time.
    pub fn plane_current_along(&self, grid: &Grid, faces: &[f64]) -> Option<Vec<Vec<f64>>> {
        self.fits(grid)?;
        Some((1..grid.bins).map(|k| self.across_cells(grid.face(k), faces, |p| p.along)).collect())
    }

    /// Net passages per time through each given place of the coordinate within each bin: `[bin][face]`, `int J_q dx`,
    /// 1/time, positive towards larger q.
    pub fn plane_current_across(&self, grid: &Grid, faces: &[f64]) -> Option<Vec<Vec<f64>>> {
        let vertices = &self.law.line.vertices;
        let inside = vertices[0]..=vertices[vertices.len() - 1];
        self.bins(grid, |strip| {
            let mut sums = vec![0.0; faces.len()];
            for (x, weight) in self.strip(strip) {
                let Some(section) = self.section(x) else {
                    return vec![f64::NAN; faces.len()];
                };
                for (sum, q) in sums.iter_mut().zip(faces).filter(|(_, q)| inside.contains(*q)) {
                    let states = states(&self.model);
                    *sum += weight * states.map(|i| section.point(&self.model, i, *q).across).sum::<f64>();
                }
            }
            sums
        })
    }

    /// Fraction of particles in each cell of the coordinate, per bin and length: `[bin][cell]`, 1/length. With barriers
    /// for `faces` these are the populations of wells.
    pub fn cell_density(&self, grid: &Grid, faces: &[f64]) -> Option<Vec<Vec<f64>>> {
        let mut all = self.plane_density(grid, faces)?;
        for row in &mut all {
            row.iter_mut().zip(faces.windows(2)).for_each(|(p, ends)| *p *= ends[1] - ends[0]);
        }
        Some(all)
    }

    /// Mean energy `<E>(x)` of the particles at x.
    pub fn mean_energy_at(&self, x: f64) -> f64 {
        let vertices = &self.law.line.vertices;
        let whole = [vertices[0], vertices[vertices.len() - 1]];
        let sum = self.integrate_across(x, whole, |_, _, p| p.energy * p.density);
        sum / self.total_density_at(x)
    }

    /// Heat absorbed from the bath per time and length at x by motion along the coordinate, by motion along x against
    /// forces, and by transitions: `int (J_q d_q E + J_x d_x E) dq + ...`. `None` if that of a transition is not known.
    pub fn heat_absorbed_at(&self, x: f64) -> Option<f64> {
        let vertices = &self.law.line.vertices;
        let whole = [vertices[0], vertices[vertices.len() - 1]];
        let model = &self.model;
        if !model.has_heat() {
            return None;
        }
        let moves = self.integrate_across(x, whole, |_, _, p| p.slopes[0] * p.along + p.slopes[1] * p.across);
        let passages = self.integrate_across(x, whole, |i, q, p| {
            let out = model.network.channels().filter(|c| c.from == i);
            let heat = |c: Channel| {
                let gained = model.energy_within(c.to, x, &[q]) - p.energy;
                (gained - work(model, c, x, q).unwrap_or(f64::NAN)) * model.rate_within(c, x, &[q])
            };
            p.density * out.map(heat).sum::<f64>()
        });
        Some(moves + passages).filter(|heat| heat.is_finite())
    }

    /// Entropy production of motion along x, along the coordinate, and of transitions, as quadratic forms,
    /// ```text
    /// int [ sum_i J_i^2/(D_i P_i) + K_i^2/(mu kT P_i) + sum_e net_e ln(k_f P_from/(k_b P_to)) ] dx dq .
    /// ```
    /// in units of k_B per time. Where diffusivities do not depend on x their sum is `-int (heat absorbed)/kT dx` of
    /// [`Observable::EntropyProduction`]. `None` if a passage has no reverse. Places with less than 1e-12 of the largest density
    /// contribute nothing.
    pub fn entropy_parts(&self) -> Option<[f64; 3]> {
        let model = &self.model;
        if model.network.edges().iter().any(|e| e.open()[0] != e.open()[1]) {
            return None;
        }
        let vertices = &self.law.line.vertices;
        let mut parts = [0.0; 3];
        let scale = self.law.scales()[0] / (vertices[vertices.len() - 1] - vertices[0]);
        quadrature(&self.law.mesh, 0.0, model.domain.length, |x, weight| {
            let Some(section) = self.section(x) else {
                return;
            };
            let noise = model.internal_diffusivity(0, x);
            quadrature(vertices, vertices[0], vertices[vertices.len() - 1], |q, across| {
                let points: Vec<Point> = states(model).map(|i| section.point(model, i, q)).collect();
                let w = weight * across;
                for p in points.iter().filter(|p| p.density > 1e-12 * scale) {
                    if p.diffusivity > 0.0 {
                        parts[0] += w * p.along * p.along / (p.diffusivity * p.density);
                    }
                    parts[1] += w * p.across * p.across / (noise * p.density);
                }
                for (k, edge) in model.network.edges().iter().enumerate() {
                    let flow = |c: usize, i: usize| {
                        model.rate_within(model.network.channel(c), x, &[q]) * points[edge.between[i]].density
                    };
                    let (forth, back) = (flow(2 * k, 0), flow(2 * k + 1, 1));
                    if forth > 0.0 && back > 0.0 {
                        parts[2] += w * (forth - back) * libm::log(forth / back);
                    }
                }
            });
        });
        Some(parts)
    }

    /// The values of an observable on `grid`, as [`Stationary::reference`](super::Stationary::reference) gives them: energies are
    /// those of states and coordinate together.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let passages = |c: usize| self.law.heat() + SINGLE + c;
        let edges = self.model.network.edges().len();
        match observable {
            Observable::TransitionRate(c) if c < 2 * edges => {
                let mean = |[lo, hi]: [f64; 2]| {
                    let mut sum = 0.0;
                    quadrature(&self.law.mesh, lo, hi, |x, w| sum += w * self.law.sum(passages(c), x));
                    Some(sum / (hi - lo))
                };
                self.bins(grid, mean)
            }
            Observable::CycleCurrent(e) if e < edges => {
                let mut sum = 0.0;
                quadrature(&self.law.mesh, 0.0, self.model.domain.length, |x, w| {
                    sum += w * (self.law.sum(passages(2 * e), x) - self.law.sum(passages(2 * e + 1), x));
                });
                Some(vec![Some(sum)])
            }
            Observable::TransitionRate(_) | Observable::CycleCurrent(_) => None,
            Observable::MeanEnergy => {
                let mean = |[lo, hi]: [f64; 2]| {
                    let (mut energy, mut particles) = (0.0, 0.0);
                    quadrature(&self.law.mesh, lo, hi, |x, w| {
                        energy += w * self.law.sum(self.law.heat() + 3, x);
                        particles += w * self.total_density_at(x);
                    });
                    Some(energy / particles)
                };
                self.bins(grid, mean)
            }
            Observable::WellPopulation(_)
            | Observable::PlaneDensity
            | Observable::PlaneCurrentAlong
            | Observable::PlaneCurrentAcross => {
                let values = self.on_plane(observable, grid)?;
                Some(values.into_iter().map(|v| Some(v).filter(|v| v.is_finite())).collect())
            }
            _ => reference(self, observable, grid),
        }
    }

    /// What lives on the plane: the cells of the coordinate are those of the grid, equal and from end to end.
    fn on_plane(&self, observable: Observable, grid: &Grid) -> Option<Vec<f64>> {
        let vertices = &self.law.line.vertices;
        let ends = [vertices[0], vertices[vertices.len() - 1]];
        let cells = Some(grid.across).filter(|cells| *cells > 0)?;
        let width = (ends[1] - ends[0]) / cells as f64;
        let faces: Vec<f64> =
            (0..=cells).map(|k| ends[0] + (ends[1] - ends[0]) * k as f64 / cells as f64).collect();
        let over = |rows: Vec<Vec<f64>>, size: f64| rows.into_iter().flatten().map(|v| v / size).collect();
        match observable {
            Observable::PlaneDensity => Some(over(self.plane_density(grid, &faces)?, 1.0)),
            Observable::PlaneCurrentAlong => Some(over(self.plane_current_along(grid, &faces)?, width)),
            Observable::PlaneCurrentAcross => {
                Some(over(self.plane_current_across(grid, &faces[1..cells])?, grid.bin_width()))
            }
            Observable::WellPopulation(k) => {
                let edges = self.model.well_edges(ends, cells);
                let faces = &faces[*edges.get(k)?..=*edges.get(k + 1)?];
                let rows = self.plane_density(grid, faces)?;
                let inside: f64 = rows.into_iter().flatten().sum();
                Some(vec![inside * grid.bin_width() * width])
            }
            _ => None,
        }
    }

    fn fits(&self, grid: &Grid) -> Option<()> {
        let length = self.model.domain.length;
        ((grid.length - length).abs() <= 1e-12 * length).then_some(())
    }

    fn bins<T>(&self, grid: &Grid, value: impl Fn([f64; 2]) -> T) -> Option<Vec<T>> {
        self.fits(grid)?;
        let end = |k: usize| grid.face(k).min(self.model.domain.length);
        Some((0..grid.bins).map(|b| value([end(b), end(b + 1)])).collect())
    }
}

impl Profile for CoordinateLaw {
    fn model(&self) -> &Model {
        &self.model
    }

    fn vertices(&self) -> &[f64] {
        &self.law.mesh
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        self.density_at(x)
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        self.total_density_at(hi) - self.total_density_at(lo)
    }

    fn currents(&self, x: f64) -> Vec<f64> {
        self.current_at(x)
    }

    fn heat_current(&self, x: f64) -> f64 {
        self.heat_current_at(x)
    }

    fn work(&self, lo: f64, hi: f64, weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        if !self.model.has_heat() {
            return None;
        }
        let mut sum = 0.0;
        quadrature(&self.law.mesh, lo, hi, |x, w| {
            sum += w * weight(x) * self.law.sum(self.law.heat() + 1, x)
        });
        Some(sum).filter(|sum| sum.is_finite())
    }

    /// `-int (J_E' - work)/kT dx = -int J_E kT'/(kT)^2 dx + int work/kT dx`.
    fn entropy_production(&self) -> Option<f64> {
        let (model, length) = (&self.model, self.model.domain.length);
        let done = self.work(0.0, length, &|x| 1.0 / model.thermal_energy(x))?;
        let mut carried = 0.0;
        quadrature(&self.law.mesh, 0.0, length, |x, w| {
            let t = model.temperature.value(x);
            let slope = model.temperature.slope(x) / (model.boltzmann * t * t);
            carried -= w * self.heat_current_at(x) * slope;
        });
        Some(carried + done)
    }

    fn has_transitions(&self) -> bool {
        !self.model.network.edges().is_empty()
    }
}
