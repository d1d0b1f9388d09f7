//! Boltzmann's law of internal coordinates at a frozen place, for the start of walkers and the choice of a step.

use crate::model::{Coordinates, Model};
use crate::rng::{Stream, open_unit};

/// Points of the lattice on which means are taken, at most.
const POINTS: usize = 4096;

/// Points along the only coordinate, and along one of several, when it is drawn.
const ALONG: [usize; 2] = [1024, 128];

/// Rounds in which several coordinates are drawn, one after the other.
const SWEEPS: usize = 16;

/// Places at which means are taken; in between they are interpolated.
const NODES: usize = 33;

/// The laws of all states.
#[derive(Clone, Debug)]
pub(super) struct Boltzmann<'a> {
    model: &'a Model,
    coordinates: &'a Coordinates,
    ends: &'a [[f64; 2]],
    /// Energies at the points along the only coordinate, where they do not depend on x.
    tables: Vec<Vec<f64>>,
}

/// Means of one state at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    /// `ln int exp(-E/kT) dq`, up to a constant.
    pub weight: f64,
    /// `<D>`.
    pub diffusivity: f64,
    /// `<D d_x E>/kT`.
    pub tilt: f64,
}

/// What the motion along x meets at one place: means of one state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Along {
    /// `<D>`.
    pub diffusivity: f64,
    /// `<D (d_x E)^2>/kT^2`, the rate at which x relaxes in its potential.
    pub confinement: f64,
    /// `<(d_x D)^2/D>`, how often per time a particle comes to places of another diffusivity.
    pub change: f64,
    /// `<d_x^2 D>`.
    pub bend: f64,
}

/// What local equilibrium looks like along the domain.
#[derive(Clone, Debug)]
pub(super) struct Local {
    length: f64,
    /// Per state and node.
    means: Vec<Vec<Means>>,
}

impl<'a> Boltzmann<'a> {
    /// None without coordinates, or without a box for each of them.
    pub fn new(model: &'a Model, ends: &'a [[f64; 2]]) -> Option<Self> {
        let coordinates = model.coordinates.as_ref().filter(|c| c.axes.len() == ends.len())?;
        let states = 0..model.network.states().len();
        let mut law = Boltzmann { model, coordinates, ends, tables: Vec::new() };
        let still = |s: usize| !coordinates.potentials(s).any(|u| u.depends_on_x());
        if ends.len() == 1 && states.clone().all(still) {
            law.tables = states.map(|s| law.line(s, 0.0, 0, &mut [0.0])).collect();
        }
        Some(law)
    }

    fn middle(&self, axis: usize, points: usize, k: usize) -> f64 {
        let [low, high] = self.ends[axis];
        low + (high - low) * (k as f64 + 0.5) / points as f64
    }

    /// Energies at the points along one coordinate, the others as they are.
    fn line(&self, state: usize, x: f64, axis: usize, q: &mut [f64]) -> Vec<f64> {
        let (kept, points) = (q[axis], ALONG[usize::from(q.len() > 1)]);
        let at = |k: usize| {
            q[axis] = self.middle(axis, points, k);
            self.coordinates.energy(state, x, q)
        };
        let energies = (0..points).map(at).collect();
        q[axis] = kept;
        energies
    }

    /// Coordinates of a walker in a state at `x`, by inversion: one by one until they have forgotten where they began.
    pub fn draw(&self, state: usize, x: f64, stream: &mut Stream) -> Vec<f64> {
        let axes = self.ends.len();
        let mut q: Vec<f64> = self.ends.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        let sweeps = if axes == 1 { 1 } else { SWEEPS };
        for _ in 0..sweeps {
            for axis in 0..axes {
                let quantile = open_unit(stream.word());
                let place = match self.tables.get(state) {
                    Some(energies) => self.quantile(energies, x, quantile),
                    None => self.quantile(&self.line(state, x, axis, &mut q), x, quantile),
                };
                let [low, high] = self.ends[axis];
                q[axis] = low + (high - low) * place;
            }
        }
        q
    }

    /// Where in the box, from 0 to 1, the law with these energies has a quantile.
    fn quantile(&self, energies: &[f64], x: f64, quantile: f64) -> f64 {
        let thermal = self.model.thermal_energy(x);
        let lowest = energies.iter().copied().fold(f64::INFINITY, f64::min);
        let mut sum = 0.0;
        let cumulative: Vec<f64> = energies
            .iter()
            .map(|energy| {
                sum += libm::exp((lowest - energy) / thermal);
                sum
            })
            .collect();
        let wanted = quantile * sum;
        let k = cumulative.partition_point(|c| *c <= wanted).min(cumulative.len() - 1);
        let before = if k == 0 { 0.0 } else { cumulative[k - 1] };
        let within = ((wanted - before) / (cumulative[k] - before)).clamp(0.0, 1.0);
        (k as f64 + within) / cumulative.len() as f64
    }

    /// Energies and coordinates at the points of a lattice.
    fn lattice(&self, state: usize, x: f64, mut visit: impl FnMut(f64, &[f64])) {
        let axes = self.ends.len();
        let per_axis = (1..=POINTS).rev().find(|n| n.pow(axes as u32) <= POINTS).unwrap_or(1).min(ALONG[0]);
        let mut q = vec![0.0; axes];
        for number in 0..per_axis.pow(axes as u32) {
            let mut rest = number;
            for (axis, q) in q.iter_mut().enumerate() {
                *q = self.middle(axis, per_axis, rest % per_axis);
                rest /= per_axis;
            }
            let energy = match self.tables.get(state) {
                Some(energies) if energies.len() == per_axis => energies[number],
                _ => self.coordinates.energy(state, x, &q),
            };
            visit(energy, &q);
        }
    }

    /// Means over the box.
    pub fn means(&self, state: usize, x: f64) -> Means {
        let thermal = self.model.thermal_energy(x);
        let mut points: Vec<[f64; 3]> = Vec::with_capacity(POINTS);
        self.lattice(state, x, |energy, q| {
            let diffusivity = self.model.diffusivity_within(state, x, q);
            points.push([energy, diffusivity, self.model.energy_slope_within(state, x, q)]);
        });
        let lowest = points.iter().map(|p| p[0]).fold(f64::INFINITY, f64::min);
        let (mut sum, mut mean, mut tilt) = (0.0, 0.0, 0.0);
        for [energy, diffusivity, slope] in points {
            let weight = libm::exp((lowest - energy) / thermal);
            // Beyond the reach of numbers nothing weighs anything.
            if weight > 0.0 {
                sum += weight;
                mean += weight * diffusivity;
                tilt += weight * diffusivity * slope / thermal;
            }
        }
        let weight = libm::log(sum) - lowest / thermal;
        Means { weight, diffusivity: mean / sum, tilt: tilt / sum }
    }

    /// What the motion along x meets.
    pub fn along(&self, state: usize, x: f64) -> Along {
        let thermal = self.model.thermal_energy(x);
        let surface = self.coordinates.diffusivity(state);
        let apart = 1e-4 * self.model.domain.length;
        let [left, right] = [(x - apart).max(0.0), (x + apart).min(self.model.domain.length)];
        let mut points: Vec<(f64, Along)> = Vec::with_capacity(POINTS);
        self.lattice(state, x, |energy, q| {
            let diffusivity = self.model.diffusivity_within(state, x, q);
            let force = self.model.energy_slope_within(state, x, q) / thermal;
            let mut here =
                Along { diffusivity, confinement: diffusivity * force * force, ..Along::default() };
            if surface.depends_on_x() {
                let slope = surface.slope_x(x, q);
                here.change = if diffusivity > 0.0 { slope * slope / diffusivity } else { 0.0 };
                here.bend = (surface.slope_x(right, q) - surface.slope_x(left, q)) / (right - left);
            }
            points.push((energy, here));
        });
        let lowest = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let (mut sum, mut mean) = (0.0, Along::default());
        for (energy, here) in points {
            let weight = libm::exp((lowest - energy) / thermal);
            if weight > 0.0 {
                sum += weight;
                mean.diffusivity += weight * here.diffusivity;
                mean.confinement += weight * here.confinement;
                mean.change += weight * here.change;
                mean.bend += weight * here.bend;
            }
        }
        let Along { diffusivity, confinement, change, bend } = mean;
        Along {
            diffusivity: diffusivity / sum,
            confinement: confinement / sum,
            change: change / sum,
            bend: bend / sum,
        }
    }

    /// Means along the domain.
    pub fn local(&self) -> Local {
        let length = self.model.domain.length;
        let node = |k: usize| length * k as f64 / (NODES - 1) as f64;
        let row = |state: usize| (0..NODES).map(|k| self.means(state, node(k))).collect();
        Local { length, means: (0..self.model.network.states().len()).map(row).collect() }
    }
}

impl Local {
    /// Means at a place.
    pub fn at(&self, state: usize, x: f64) -> Means {
        let place = (x / self.length * (NODES - 1) as f64).clamp(0.0, (NODES - 1) as f64);
        let k = (place as usize).min(NODES - 2);
        let (a, b, t) = (self.means[state][k], self.means[state][k + 1], place - k as f64);
        let mix = |a: f64, b: f64| a + t * (b - a);
        Means {
            weight: mix(a.weight, b.weight),
            diffusivity: mix(a.diffusivity, b.diffusivity),
            tilt: mix(a.tilt, b.tilt),
        }
    }

    /// Occupancies of states, from those without coordinates.
    pub fn occupancies(&self, without: &[f64], x: f64) -> Vec<f64> {
        let weights: Vec<f64> = (0..without.len()).map(|s| self.at(s, x).weight).collect();
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let raw: Vec<f64> = without.iter().zip(weights).map(|(p, w)| p * libm::exp(w - largest)).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|p| p / sum).collect()
    }

    /// The density of positions for fast internal motion, `d_x(<D> P) = -<D d_x E> P/kT`, in equal cells.
    pub fn profile(&self, model: &Model, cells: usize) -> Vec<f64> {
        let means = |x: f64| {
            let p = self.occupancies(&model.local_equilibrium(x), x);
            p.iter().enumerate().fold((0.0, 0.0), |(d, h), (s, p)| {
                let here = self.at(s, x);
                (d + p * here.diffusivity, h + p * here.tilt)
            })
        };
        let width = self.length / cells as f64;
        let mut climbed = 0.0;
        let logarithms: Vec<f64> = (0..cells)
            .map(|c| {
                let (d, h) = means((c as f64 + 0.5) * width);
                // Without diffusion there is no such profile.
                let step = if d > 0.0 { h / d * width } else { 0.0 };
                climbed += step;
                let mobile = if d > 0.0 { libm::log(d) } else { 0.0 };
                0.5 * step - climbed - mobile
            })
            .collect();
        let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        logarithms.iter().map(|l| libm::exp(l - largest)).collect()
    }
}
