//! A population between walls: particles move freely and react in cells.
//!
//! A step of length `dt`:
//!
//! 1. **half a move**: every particle is displaced by a Gaussian of variance `2 D_k dt/2`, folded at the walls. Exact
//!    for constant `D_k`; for an Ito `D_k(x)` a step of Euler and Maruyama, of order 1 in `dt`;
//! 2. **reactions**: in every cell by Gillespie's method for a time `dt`, with the propensities of a well-mixed
//!    volume of the width of the cell and the rate constants at its middle;
//! 3. **half a move**.
//!
//! Neighbouring halves are done as one move. The composition is symmetric: its error is of order 2 in `dt`.
//!
//! **Places.** What a reaction makes takes the places of what it takes, dealt at random; what is left over vanishes, what
//! is still missing is put uniformly into the cell. So a dimer takes the place of either of its monomers; when it
//! falls apart one stays and the other is put anywhere in the cell. A catalyst keeps its place.
//!
//! **What is exact.** In a cell particles are as good as uniform and independent given their numbers, and both rules keep
//! them so. At uniform temperature, with constant coefficients, the stationary law is exact at any `dt` and any number
//! of cells: it is that of one well-mixed volume. In a gradient the bias is of order 2 in `h` and `dt`: reactions
//! spread what they conserve inside a cell, as if `D` were larger by about `rate h^2/12` there, hence `h` must be
//! small beside `sqrt(D/rate)`; see [`Resolution::automatic`].
//!
//! **When not to use it:** for particles that react without meeting, which [`Exact`](crate::kernel::Exact)
//! legs do without cells; where so many react per length that only their mean matters.
//!
//! Isaacson, SIAM J. Appl. Math. 70, 77 (2009), on cells; Gillespie, J. Comput. Phys. 22, 403 (1976).

use super::network::{Passage, choose, passages};
use super::{PairTally, ReactionError, Resolution, in_range};
use crate::event::Position;
use crate::expression::Interval;
use crate::kernel::BLOCK;
use crate::model::{Boundary, Field, Mixture, Motility};
use crate::rng::{Stream, exponential, open_unit, standard_normals};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most particles.
const MOST: usize = 1 << 31;

/// The method.
#[derive(Clone, Debug)]
pub struct Pairs {
    cells: usize,
    species: usize,
    length: f64,
    dt: f64,
    passages: Vec<Passage>,
    /// Factors of the choices in the propensities, by cell and way.
    coefficients: Vec<f64>,
    strides: Vec<Stride>,
}

/// Standard deviation of the move of a step, over the length of the domain.
#[derive(Clone, Debug)]
enum Stride {
    Constant(f64),
    /// `D(x)` and the factor of its root.
    Field(Arc<dyn Field>, f64),
    /// `D = k_B T/gamma` and the factor of the root of `T`.
    Temperature(Arc<dyn Field>, f64),
}

/// Particles as columns. Plain data: saved and restored, a run goes on with the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Where each particle is.
    pub at: Vec<Position>,
    /// Its species.
    pub species: Vec<u16>,
}

impl Population {
    /// So many particles of each species, placed uniformly.
    pub fn uniform(counts: &[u64], stream: &mut Stream) -> Self {
        let mut population = Population::default();
        for (species, count) in counts.iter().enumerate() {
            for _ in 0..*count {
                population.push(species, open_unit(stream.word()));
            }
        }
        population
    }

    /// Adds a particle at a fraction of the length of the domain.
    pub fn push(&mut self, species: usize, fraction: f64) {
        self.at.push(Position::from_fraction(fraction));
        self.species.push(species as u16);
    }

    /// Number of particles of each of `species` species.
    pub fn counts(&self, species: usize) -> Vec<u64> {
        let mut counts = vec![0; species];
        self.species.iter().for_each(|s| counts[usize::from(*s)] += 1);
        counts
    }

    /// `sum_k m_lk n_k` for every law of the mixture.
    pub fn totals(&self, mixture: &Mixture) -> Vec<i64> {
        let counts = self.counts(mixture.species().len());
        let total = |law: &Vec<i64>| law.iter().zip(&counts).map(|(m, n)| m * *n as i64).sum();
        mixture.laws().iter().map(total).collect()
    }
}

/// Columns and lists that a call of `advance` needs.
struct Desk {
    /// Occupation by cell and species, and of what has vanished.
    counts: Vec<u32>,
    /// Where the particles of each of these begin.
    first: Vec<u32>,
    next: Vec<u32>,
    key: Vec<u32>,
    sorted: Population,
    /// Per species, the entries of the particles of one cell.
    members: Vec<Vec<u32>>,
    propensities: Vec<f64>,
}

impl Pairs {
    /// Prepares the steps of `mixture` with `omega` particles per unit of concentration and length.
    ///
    /// # Errors
    /// [`ReactionError`]: no walls, frictions that vary, coefficients, `omega`, cells or a step out of range.
    pub fn new(mixture: &Mixture, omega: f64, resolution: Resolution) -> Result<Self, ReactionError> {
        let Resolution { cells, dt, .. } = resolution;
        let (length, species) = (mixture.domain.length, mixture.species().len());
        in_range("omega", "positive and finite", omega, |v| v > 0.0 && v.is_finite())?;
        in_range("the step", "positive and finite", dt, |v| v > 0.0 && v.is_finite())?;
        in_range("the number of cells", "1 to 1e8, less with many species", cells as f64, |n| {
            n >= 1.0 && n * species as f64 <= 1e8
        })?;
        in_range("the number of species", "at most 65000", species as f64, |n| n <= 65e3)?;
        if mixture.domain.walls != Boundary::Reflecting {
            return Err(ReactionError::Ring);
        }
        let passages = passages(mixture);
        let width = length / cells as f64;
        let middles = (0..cells).map(|c| (c as f64 + 0.5) * width);
        let pairs = middles.flat_map(|x| passages.iter().map(move |p| (p, x)));
        let coefficients = pairs.map(|(p, x)| p.coefficient(mixture, x, width * omega));
        Ok(Pairs {
            cells,
            species,
            length,
            dt,
            coefficients: coefficients.collect::<Result<_, _>>()?,
            strides: (0..species).map(|s| stride(mixture, s, dt)).collect::<Result<_, _>>()?,
            passages,
        })
    }

    /// Cells of equal width.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The step.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Advances by a number of steps and scores them.
    ///
    /// # Errors
    /// [`ReactionError::TooMany`]; [`ReactionError::Range`] for a population with species that do not exist, and a tally
    /// of other cells.
    pub fn advance(
        &self,
        population: &mut Population,
        steps: u64,
        stream: &mut Stream,
        tally: &mut PairTally,
    ) -> Result<(), ReactionError> {
        in_range("the cells of a tally", "those of the method", tally.cells() as f64, |_| {
            tally.cells() == self.cells
        })?;
        let known = population.species.iter().all(|s| usize::from(*s) < self.species);
        let found = population.at.len() as f64;
        in_range("particles", "of species of the mixture, each with a place", found, |_| {
            known && population.at.len() == population.species.len()
        })?;
        if steps == 0 {
            return Ok(());
        }
        let keys = self.cells * self.species + 1;
        let mut desk = Desk {
            counts: vec![0; keys],
            first: vec![0; keys],
            next: vec![0; keys],
            key: Vec::new(),
            sorted: Population::default(),
            members: vec![Vec::new(); self.species],
            propensities: vec![0.0; self.passages.len()],
        };
        self.sort(population, &mut desk)?;
        tally.change(&desk.counts[..keys - 1], -1);
        for step in 0..steps {
            self.displace(population, if step == 0 { libm::sqrt(0.5) } else { 1.0 }, stream);
            self.sort(population, &mut desk)?;
            self.react(population, &mut desk, stream, tally);
            tally.step();
        }
        self.displace(population, libm::sqrt(0.5), stream);
        self.sort(population, &mut desk)?;
        tally.change(&desk.counts[..keys - 1], 1);
        Ok(())
    }

    /// Moves every particle, by `share` times the deviation of a step.
    fn displace(&self, population: &mut Population, share: f64, stream: &mut Stream) {
        // What has vanished does not move.
        let mut constant = Vec::with_capacity(self.species + 1);
        constant.extend(self.strides.iter().map(|s| match s {
            Stride::Constant(stride) => share * stride,
            Stride::Field(..) | Stride::Temperature(..) => f64::NAN,
        }));
        constant.push(0.0);
        let uneven = constant.iter().any(|s| s.is_nan());
        let (mut words, mut deviates) = ([0; BLOCK], [0.0; BLOCK]);
        for (at, species) in population.at.chunks_mut(BLOCK).zip(population.species.chunks(BLOCK)) {
            stream.fill(&mut words[..at.len()]);
            standard_normals(&mut words, &mut deviates);
            if uneven {
                for ((deviate, at), s) in deviates.iter_mut().zip(at.iter()).zip(species) {
                    *deviate *= share * self.stride(usize::from(*s), at.fraction() * self.length);
                }
            } else {
                for (deviate, s) in deviates.iter_mut().zip(species) {
                    *deviate *= constant[usize::from(*s)];
                }
            }
            for (at, deviate) in at.iter_mut().zip(&deviates) {
                *at = at.displaced(Position::units(*deviate));
            }
        }
    }

    fn stride(&self, species: usize, x: f64) -> f64 {
        match self.strides.get(species) {
            None => 0.0,
            Some(Stride::Constant(stride)) => *stride,
            Some(Stride::Field(field, factor) | Stride::Temperature(field, factor)) => {
                factor * libm::sqrt(field.value(x).max(0.0))
            }
        }
    }

    /// Sorts particles by cell and species, and drops those that have vanished.
    fn sort(&self, population: &mut Population, desk: &mut Desk) -> Result<(), ReactionError> {
        if population.at.len() > MOST {
            return Err(ReactionError::TooMany { limit: MOST as f64 });
        }
        let vanished = self.cells * self.species;
        desk.counts.fill(0);
        desk.key.clear();
        for (at, species) in population.at.iter().zip(&population.species) {
            let species = usize::from(*species);
            let key = at.cell(self.cells) * self.species + species;
            let key = if species == self.species { vanished } else { key };
            desk.counts[key] += 1;
            desk.key.push(key as u32);
        }
        let mut sum = 0;
        for (first, count) in desk.first.iter_mut().zip(&desk.counts) {
            *first = sum;
            sum += count;
        }
        desk.next.copy_from_slice(&desk.first);
        desk.sorted.at.resize(population.at.len(), Position::default());
        desk.sorted.species.resize(population.at.len(), 0);
        for ((at, species), key) in population.at.iter().zip(&population.species).zip(&desk.key) {
            let place = &mut desk.next[*key as usize];
            desk.sorted.at[*place as usize] = *at;
            desk.sorted.species[*place as usize] = *species;
            *place += 1;
        }
        std::mem::swap(population, &mut desk.sorted);
        population.at.truncate(desk.first[vanished] as usize);
        population.species.truncate(desk.first[vanished] as usize);
        Ok(())
    }

    /// Reactions in all cells for a step.
    fn react(
        &self,
        population: &mut Population,
        desk: &mut Desk,
        stream: &mut Stream,
        tally: &mut PairTally,
    ) {
        let ways = self.passages.len();
        for cell in 0..self.cells {
            let keys = cell * self.species..(cell + 1) * self.species;
            let coefficients = &self.coefficients[cell * ways..][..ways];
            let counts = &mut desk.counts[keys.clone()];
            tally.see(cell, counts);
            let mut total = self.propensities(coefficients, counts, &mut desk.propensities);
            let mut time = if total > 0.0 { exponential(stream.word()) / total } else { f64::INFINITY };
            if time <= self.dt {
                for (members, key) in desk.members.iter_mut().zip(keys) {
                    members.clear();
                    members.extend((desk.first[key]..).take(counts[key - cell * self.species] as usize));
                }
                while time <= self.dt {
                    let gone = choose(&desk.propensities, open_unit(stream.word()) * total);
                    let passage = &self.passages[gone];
                    self.happen(passage, cell, &mut desk.members, population, stream);
                    tally.pass(passage, cell);
                    counts.iter_mut().zip(&desk.members).for_each(|(n, m)| *n = m.len() as u32);
                    total = self.propensities(coefficients, counts, &mut desk.propensities);
                    if total <= 0.0 || population.at.len() > MOST {
                        break;
                    }
                    time += exponential(stream.word()) / total;
                }
            }
            tally.see(cell, counts);
        }
    }

    /// Computes all propensities in a cell; returns their sum.
    #[inline]
    fn propensities(&self, coefficients: &[f64], counts: &[u32], propensities: &mut [f64]) -> f64 {
        let mut total = 0.0;
        for ((passage, c), p) in self.passages.iter().zip(coefficients).zip(propensities) {
            *p = c * passage.taken.choices(counts);
            total += *p;
        }
        total
    }

    /// A passage along a way: particles change, vanish, appear.
    fn happen(
        &self,
        passage: &Passage,
        cell: usize,
        members: &mut [Vec<u32>],
        population: &mut Population,
        stream: &mut Stream,
    ) {
        let below = |word: u64, n: usize| ((u128::from(word) * n as u128) >> 64) as usize;
        // Orders 0 to 2: at most two places become free.
        let mut places = [0u32; 2];
        for (place, species) in places.iter_mut().zip(&passage.lost) {
            let list = &mut members[*species];
            *place = list.swap_remove(below(stream.word(), list.len()));
        }
        let (lost, gained) = (passage.lost.len(), passage.gained.len());
        let word = stream.word();
        if lost == 2 && word & 1 == 1 {
            places.swap(0, 1);
        }
        let free = &places[..lost];
        let turn = below(word, gained);
        for i in 0..gained {
            let species = passage.gained[(turn + i) % gained];
            let entry = if let Some(place) = free.get(i) {
                population.species[*place as usize] = species as u16;
                *place
            } else {
                let fraction = (cell as f64 + open_unit(stream.word())) / self.cells as f64;
                population.push(species, fraction);
                population.at.len() as u32 - 1
            };
            members[species].push(entry);
        }
        for place in free.iter().skip(gained) {
            population.species[*place as usize] = self.species as u16;
        }
    }
}

/// How far a species comes in a step, over the length of the domain.
fn stride(mixture: &Mixture, species: usize, dt: f64) -> Result<Stride, ReactionError> {
    let length = mixture.domain.length;
    let name = || mixture.species()[species].name.clone();
    let bounds = mixture.diffusivity_bounds(species, Interval::new(0.0, length));
    let (low, high) = (bounds.lo, bounds.hi);
    if !(low > 0.0 && high.is_finite()) {
        return Err(ReactionError::Diffusivity { species: name(), low, high });
    }
    let factor = libm::sqrt(2.0 * dt) / length;
    let temperature = &mixture.temperature;
    Ok(match &mixture.species()[species].motility {
        Motility::Diffusivity(field) => match field.constant() {
            Some(d) => Stride::Constant(factor * libm::sqrt(d)),
            None => Stride::Field(Arc::clone(field), factor),
        },
        Motility::Friction(gamma) => {
            let gamma = gamma.constant().ok_or_else(|| ReactionError::Friction { species: name() })?;
            let factor = factor * libm::sqrt(mixture.boltzmann / gamma);
            match temperature.constant() {
                Some(t) => Stride::Constant(factor * libm::sqrt(t)),
                None => Stride::Temperature(Arc::clone(temperature), factor),
            }
        }
    })
}
