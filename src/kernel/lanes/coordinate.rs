//! Steps of one internal coordinate in vector lanes: the law of [`Continuous`] by [`Scheme::Midpoint`], for one state between walls of
//! x, whose energy and diffusivity are polynomials of the coordinate alone.
//!
//! Positions and cells are kept as for legs; the coordinate is a float, from -1 to 1 across its box.
//!
//! - **Moves** are normal deviates times `sqrt(D(q) dt)/L` for each half, `D` a polynomial in floats.
//! - **Shifts** take the midpoint by two steps of Newton's method; whatever they miss is judged. Energies in
//!   judgements are floats, right to 1e-7 of themselves: so is Boltzmann's law in its exponent. Where the energy is of second
//!   degree the midpoint rule keeps that law by itself, and nothing is judged. Beyond the box, where the law has less than
//!   `exp(-40)` of itself, nobody goes.
//! - **Heat** is a difference of energies that are whole numbers of some 1e-5 kT, so that what cells absorb adds up to what
//!   walkers gained. What they differ from the energies of walkers is booked where a span begins and ends.
//! - **Counts** are kept here and handed on at the end of a span: visits and heat per cell of x, cells of the plane, and sums of
//!   `u .. u^8`, of which all that sightings tell is made.
//!
//! **When not to use it:** it is chosen by itself where it serves; all else goes by [`Continuous`].

use super::super::coordinate::{Continuous, Scheme};
use super::super::{BLOCK, Caution, Kernel, KernelError, Span};
use super::SHORTEST;
use super::baoab::{fitted, points, quotient};
use super::block::Instructions;
use super::shifts::{self, Across, Block, Hot, Law, Quartic};
use super::steps::LONGEST;
use super::velocity::{TERMS, WHOLE};
use crate::event::{CoordinateCells, Counts, DEGREE, Position, SUMS, Surveyed, Tally, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use crate::rng::Stream;

/// The method `midpoint`, in vector lanes.
#[derive(Clone, Debug)]
pub struct LaneCoordinate {
    /// The same without lanes.
    scalar: Continuous,
    model: Model,
    law: Law,
    /// Middle of the box, and half of its width.
    middle: f64,
    half: f64,
    /// Energy and diffusivity of the only state, polynomials of `u`.
    energy: [f64; DEGREE + 1],
    diffusivity: [f64; DEGREE + 1],
    /// Energy that the law counts from.
    floor: f64,
    most: Instructions,
}

/// Smallest width of half a free shift over that of half the box: less would feel that floats are rounded.
const LEAST_SHIFT: f64 = 1.0 / 8192.0;

/// Largest mean error of energies over kT, and of diffusivities over their mean.
const TOLERANCE: f64 = 3e-7;

/// Largest mean of what a midpoint that is not quite right costs, over kT: so many more shifts are refused.
const TOLERANCE_OF_MIDPOINTS: f64 = 1e-6;

/// Least slope of `m + h E'(m)`, which must be unique.
const LEAST_BEND: f64 = 0.25;

/// What may be missing for a function to be a polynomial, over its largest value.
const EXACT: f64 = 1e-12;

impl LaneCoordinate {
    /// Prepares steps of length `dt`; `None` where only [`Continuous`] will do.
    ///
    /// # Errors
    /// As [`Continuous::new`].
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Option<Self>, KernelError> {
        Ok(Self::of(Continuous::new(model, grid, dt, Scheme::Midpoint)?, model, grid))
    }

    fn of(scalar: Continuous, model: &Model, grid: &Grid) -> Option<Self> {
        let (mobility, [low, high]) = scalar.plain().filter(|_| grid.cells() < 1 << 15)?;
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        let (length, dt) = (model.domain.length, scalar.dt());
        let energy = polynomial(&|u| model.energy_within(0, 0.0, &[middle + half * u]))?;
        let diffusivity = polynomial(&|u| model.diffusivity_within(0, 0.0, &[middle + half * u]))?;
        let lowest = across().map(|u| value(&energy, u)).fold(f64::INFINITY, f64::min);
        let highest = across().map(|u| value(&energy, u)).fold(f64::NEG_INFINITY, f64::max);
        // A little below, so that energies in floats are not negative.
        let floor = lowest - 1e-6 * (highest - lowest);
        let thermal = |x: f64| model.thermal_energy(x);
        let linear = fitted(&thermal, length, 2, 0.0);
        let polynomial_of_x = linear.or_else(|| fitted(&thermal, length, TERMS, 0.0))?;
        let reach = mobility * dt / (2.0 * half * half);
        let mut above = energy;
        above[0] -= floor;
        let push = derivative(&energy).map(|c| reach * c);
        let bend = derivative(&push);
        let harmonic = energy[3..].iter().all(|c| *c == 0.0);
        let law = Law {
            cells: grid.cells() as u32,
            thermal: polynomial_of_x,
            linear: linear.is_some(),
            spread: diffusivity.map(|c| (c * dt / (length * length)) as f32),
            energy: above.map(|c| c as f32),
            unit: libm::exp2(libm::floor(libm::log2(f64::from(WHOLE) / (1.001 * (highest - floor))))) as f32,
            reach: reach as f32,
            stiff: (1.0 / reach) as f32,
            harmonic: harmonic
                .then(|| [-push[0] / (1.0 + bend[0]), -bend[0] / (1.0 + bend[0])].map(|c| c as f32)),
            push: std::array::from_fn(|k| push[k] as f32),
            bend: std::array::from_fn(|k| bend[k] as f32),
        };
        let most = Instructions::Avx512;
        let lanes = LaneCoordinate {
            scalar,
            model: model.clone(),
            law,
            middle,
            half,
            energy,
            diffusivity,
            floor,
            most,
        };
        lanes.is_known(length).then_some(lanes)
    }

    /// Whether floats are good enough for this law.
    fn is_known(&self, length: f64) -> bool {
        let (law, per) = (&self.law, self.scalar.dt() / (length * length));
        let reach = f64::from(law.reach);
        let ends = |of: fn(f64, f64) -> f64| {
            points(length).map(|(_, x)| self.model.thermal_energy(x)).reduce(of).unwrap_or_default()
        };
        let [cold, hot] = [ends(f64::min), ends(f64::max)];
        let single = |c: &Quartic, u: f64| c.iter().rev().fold(0.0, |sum, c| sum * u + f64::from(*c));
        let above = |u: f64| value(&self.energy, u) - self.floor;
        // What is negative somewhere is a mistake that the scalar kernel tells.
        let wide = |u: f64| per * value(&self.diffusivity, u);
        let widest = across().map(wide).fold(0.0, f64::max);
        let bounded = widest < LONGEST * LONGEST && across().all(|u| wide(u) >= -EXACT * widest);
        // Means by Boltzmann's law.
        let good = |t: f64| {
            let [mut all, mut energy, mut spread, mut mean] = [0.0; 4];
            for u in across() {
                let (weight, exact) = (libm::exp(-above(u) / t), wide(u));
                all += weight;
                energy += weight * (single(&law.energy, u) - above(u)).abs() / t;
                spread += weight * (single(&law.spread, u) - exact).abs();
                mean += weight * exact;
            }
            energy <= TOLERANCE * all && spread <= TOLERANCE * mean && mean >= SHORTEST * SHORTEST * all
        };
        let slope = derivative(&self.energy).map(|c| reach * c);
        let bend = derivative(&slope);
        let unique = across().all(|u| 1.0 + value(&bend, u) > LEAST_BEND);
        // What the midpoint misses, as a cost over kT.
        let missed = |t: f64| {
            let (mut all, mut missed) = (0.0, 0.0);
            for m in across() {
                let z = m + value(&slope, m);
                let newton = |m: f64| m - (m - z + value(&slope, m)) / (1.0 + value(&bend, m));
                let weight = libm::exp(-above(m) / t);
                all += weight;
                missed += weight * 2.0 * libm::sqrt(t / reach) / t * (newton(newton(z)) - m).abs();
            }
            missed <= TOLERANCE_OF_MIDPOINTS * all
        };
        let judged = || unique && missed(cold) && missed(hot);
        bounded
            && good(cold)
            && good(hot)
            && libm::sqrt(cold * reach) >= LEAST_SHIFT
            && (law.harmonic.is_some() || judged())
    }

    /// The same with at most these instructions; which are used changes no bit of any result.
    pub fn at_most(self, most: Instructions) -> Self {
        LaneCoordinate { most, ..self }
    }

    /// The same steps without lanes.
    pub fn scalar(&self) -> &Continuous {
        &self.scalar
    }

    /// The unit of energies.
    fn unit(&self) -> f64 {
        1.0 / f64::from(self.law.unit)
    }

    /// The coordinate as a number from -1 to 1.
    fn inside(&self, q: f64) -> f64 {
        (q - self.middle) / self.half
    }

    /// At the beginning (-1) and at the end (1) of a span: as heat where they are the energies of walkers less what stands for
    /// them; as a shift, what two doubles and a float make of the same cell of the plane.
    fn settle(
        &self,
        block: &Block,
        (position, coordinate): (&[Position], &[f64]),
        across: Option<&CoordinateCells>,
        sign: i64,
        sums: &mut Sums,
    ) {
        for (i, (position, q)) in position.iter().zip(coordinate).enumerate() {
            let stands = f64::from(block.stands[i].wrapping_sub(WHOLE.to_bits())) * self.unit();
            let x = position.fraction() * self.model.domain.length;
            let energy = self.model.energy_within(0, x, &[*q]);
            let cell = position.cell(self.law.cells as usize);
            sums.heat[cell] += sign as f64 * (energy - self.floor - stands);
            if let Some(across) = across {
                let row = position.cell(across.bins) * across.cells;
                sums.shifted[row + across.cell(*q)] += sign;
                sums.shifted[row + block.column[i] as usize] -= sign;
            }
        }
    }

    fn run<T: Tally>(&self, walkers: &mut Walkers, steps: u64, stream: &mut Stream, tally: &mut T) {
        let cells = self.law.cells as usize;
        let plane = tally.coordinate_cells();
        let across = plane.map(|across| Across {
            bin: quotient(self.law.cells / across.bins as u32),
            cells: across.cells as u32,
        });
        let mut sums = Sums::new(cells, plane.map_or(0, |across| across.bins * across.cells));
        let (words, _) = stream.lanes();
        let mut block = Block::new();
        let columns = walkers.position.chunks_mut(BLOCK).zip(walkers.coordinate.chunks_mut(BLOCK));
        for (position, coordinate) in columns {
            block.walkers = position.len();
            for (i, (position, q)) in position.iter().zip(&*coordinate).enumerate() {
                block.position[i] = position.coarse(cells);
                block.u[i] = self.inside(*q) as f32;
            }
            block.ready(&self.law, across.as_ref());
            self.settle(&block, (position, coordinate), plane.as_ref(), -1, &mut sums);
            let mut left = steps;
            while left > 0 {
                let piece = sums.take(left, self.unit());
                shifts::go(self.most, &self.law, across.as_ref(), &mut block, piece, words, &mut sums.hot);
                left -= piece;
            }
            for (i, (position, q)) in position.iter_mut().zip(&mut *coordinate).enumerate() {
                *position = Position::from_coarse(block.position[i]);
                *q = self.middle + self.half * f64::from(block.u[i]);
            }
            self.settle(&block, (position, coordinate), plane.as_ref(), 1, &mut sums);
        }
        sums.flush(self.unit());
        let nothing = vec![0.0; cells];
        let Sums { visits, powers, heat, seen, shifted, .. } = &sums;
        let (energy, diffusivity) = (self.energy, self.diffusivity);
        let surveyed = Surveyed { powers, energy, diffusivity, seen, shifted, heat };
        tally.counted(&Counts {
            visits,
            passages: &[],
            heat: &nothing,
            work: &nothing,
            laps: &[],
            sighted: None,
            surveyed: plane.map(|_| surveyed),
        });
    }

    /// Whether the coordinate can be counted like that.
    fn counts(&self, across: CoordinateCells) -> bool {
        let [low, high] = self.scalar.coordinate_ends()[0];
        across.bins > 0
            && (self.law.cells as usize).is_multiple_of(across.bins)
            && (1..1 << 15).contains(&across.cells)
            && across.low == low
            && across.density == across.cells as f64 / (high - low)
    }
}

/// Places all over the box.
fn across() -> impl Iterator<Item = f64> {
    const POINTS: u32 = 4000;
    (0..=POINTS).map(|k| 2.0 * f64::from(k) / f64::from(POINTS) - 1.0)
}

fn value(c: &[f64; DEGREE + 1], u: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, c| sum * u + c)
}

fn derivative(c: &[f64; DEGREE + 1]) -> [f64; DEGREE + 1] {
    std::array::from_fn(|k| if k < DEGREE { (k + 1) as f64 * c[k + 1] } else { 0.0 })
}

/// The coefficients of a polynomial of fourth degree, if the function is one. What is less than rounding is zero.
fn polynomial(f: &dyn Fn(f64) -> f64) -> Option<[f64; DEGREE + 1]> {
    let both = |u: f64| (0.5 * (f(u) + f(-u)), 0.5 * (f(u) - f(-u)));
    let (middle, (even, odd), (half_even, half_odd)) = (f(0.0), both(1.0), both(0.5));
    // Even: c2 + c4 and c2/4 + c4/16. Odd: c1 + c3 and c1/2 + c3/8.
    let fourth = 4.0 / 3.0 * ((even - middle) - 4.0 * (half_even - middle));
    let third = 4.0 / 3.0 * (odd - 2.0 * half_odd);
    let found = [middle, odd - third, even - middle - fourth, third, fourth];
    let largest = across().map(|u| f(u).abs()).fold(0.0, f64::max);
    let c = found.map(|c| if c.abs() > EXACT * largest { c } else { 0.0 });
    across().all(|u| (value(&c, u) - f(u)).abs() <= 8.0 * EXACT * largest).then_some(c)
}

/// Counters of a span.
struct Sums {
    hot: Hot,
    /// Steps of a block that the hot ones have room for.
    room: u64,
    visits: Vec<u64>,
    powers: Vec<[f64; SUMS]>,
    heat: Vec<f64>,
    seen: Vec<u64>,
    shifted: Vec<i64>,
}

impl Sums {
    fn new(cells: usize, plane: usize) -> Self {
        Sums {
            hot: Hot {
                visits: vec![0; cells],
                powers: vec![[0.0; SUMS]; cells],
                heat: vec![0; cells],
                seen: vec![0; plane],
                shifted: vec![0; plane],
            },
            room: Self::ROOM,
            visits: vec![0; cells],
            powers: vec![[0.0; SUMS]; cells],
            heat: vec![0.0; cells],
            seen: vec![0; plane],
            shifted: vec![0; plane],
        }
    }

    /// Of so many floats none is lost beside their sum, and no counter overflows.
    const ROOM: u64 = 2048;

    /// Makes room for some of `steps`: how many.
    fn take(&mut self, steps: u64, unit: f64) -> u64 {
        if self.room == 0 {
            self.flush(unit);
        }
        let piece = steps.min(self.room);
        self.room -= piece;
        piece
    }

    /// Empties the hot counters.
    fn flush(&mut self, unit: f64) {
        let Hot { visits, powers, heat, seen, shifted } = &mut self.hot;
        let counts = self.visits.iter_mut().zip(visits).chain(self.seen.iter_mut().zip(seen));
        for (total, hot) in counts {
            *total += u64::from(std::mem::take(hot));
        }
        for (total, hot) in self.powers.as_flattened_mut().iter_mut().zip(powers.as_flattened_mut()) {
            *total += f64::from(std::mem::take(hot));
        }
        for (total, hot) in self.heat.iter_mut().zip(heat) {
            *total += std::mem::take(hot) as f64 * unit;
        }
        for (total, hot) in self.shifted.iter_mut().zip(shifted) {
            *total += i64::from(std::mem::take(hot));
        }
        self.room = Self::ROOM;
    }
}

impl Kernel for LaneCoordinate {
    fn states(&self) -> usize {
        self.scalar.states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.scalar.dwell(state, cell)
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        self.scalar.elapsed(span)
    }

    fn coordinate_ends(&self) -> &[[f64; 2]] {
        self.scalar.coordinate_ends()
    }

    fn cautions(&self) -> Vec<Caution> {
        self.scalar.cautions()
    }

    fn arithmetic(&self) -> &'static str {
        "32-bit vector lanes; energies in judgements and the diffusivity are off by less than 3e-7 of kT and of themselves on average, \
         estimates by less than 1e-6 of themselves"
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let inside = |q: &f64| self.inside(*q).abs() <= 1.0;
        let served = walkers.coordinate.len() == walkers.len()
            && tally.coordinate_cells().is_none_or(|across| self.counts(across));
        if T::EVENTS || !served || !walkers.coordinate.iter().all(inside) {
            return self.scalar.advance(walkers, span, stream, tally);
        }
        self.run(walkers, self.scalar.steps(span), stream, tally);
        Ok(())
    }
}
