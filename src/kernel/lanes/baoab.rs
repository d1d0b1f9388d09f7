//! Underdamped steps in vector lanes: the law of [`Baoab`] for any number of states between walls, with frictions that do not vary,
//! with smooth forces, common to all states or of single ones, or without.
//!
//! Positions and cells are kept as for legs; velocities are floats, in lengths of the domain per half step.
//!
//! - **Flights** are rounded to `2^-31 L`, the same way in both halves of a step.
//! - **The bath** is `v + (s N - (1 - c) v)` with `s^2 = (1 - c^2) kT/m`: friction and noise come from the one float `1 - c`, and
//!   rounding a velocity adds less than 1e-9 of itself to its variance. Without friction nothing is rounded at all. `kT` is a
//!   polynomial in x, known to 1e-7 of itself, and its root is taken where each walker is; no table is asked. With the rounding of
//!   the root the variance of `s N` is off by 3e-7 of itself at most.
//! - **Heat** is a difference of energies that are whole numbers of some 1e-4 of the largest kT, so that sums of it are exact and the
//!   same in any order. What rounding takes or gives of the energy of a walker is booked where a span begins and ends: the first
//!   law closes as in double precision.
//! - **Forces** are polynomials too, one for each state, known to 1e-7 of their largest value. The half kick that ends a step and the one
//!   that begins the next are the same, because no state changes between them; velocities are seen there. Work is kept like heat.
//! - **States** differ in mass and friction. What stands for a velocity is `u = v sqrt(m/m_0)`, `m_0` the smallest mass, which
//!   transitions at constant kinetic energy do not change: they change the law of the next exchange and the length of the next flight.
//!   Candidates come to whole blocks, see `transitions`. A velocity over `u` and `1 - c^2` are floats: flights are off by 6e-8 of
//!   themselves, the variance of `s N` by 1.2e-7 more.
//! - **Counts** are kept here and handed on at the end of a span: visits, heat, powers of v per state and cell, cells of v per state and
//!   bin, passages per channel and cell.
//!
//! **When not to use it:** it is chosen by itself where it serves; all else goes by [`Baoab`].

use super::super::baoab::Baoab;
use super::super::{BLOCK, Caution, Kernel, KernelError, Span};
use super::SHORTEST;
use super::block::Instructions;
use super::decisions::suits;
use super::transitions::Transitions;
use super::velocity::{self, Block, Cell, Hot, Law, Motion, POWERS, Passes, Speeds, Still, TERMS, WHOLE};
use crate::event::{Counts, Position, Sighted, SpeedCells, Tally, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Edge, Model, RateLaw};
use crate::rng::Stream;

/// The methods `baoab` and `baoab_flux`, in vector lanes.
#[derive(Clone, Debug)]
pub struct LaneBaoab {
    /// The same without lanes.
    scalar: Baoab,
    law: Law,
    /// Between several states.
    transitions: Option<Transitions>,
    masses: Vec<f64>,
    /// A velocity over the number that stands for it, in each state.
    speeds: Vec<f64>,
    /// The largest number that a velocity may begin with.
    fastest: f64,
    most: Instructions,
}

/// Velocities beyond so many of the largest thermal one do not come up, and are left to the scalar kernel.
const FASTEST: f64 = 16.0;

/// The steepest slope of half a kick over `2 x/L - 1`, in lengths of the domain per half step: `(omega dt)^2 <= 1`.
const STEEPEST: f64 = 0.125;

/// Below this share of a velocity what a step forgets of it would be lost in rounding.
const LEAST_FORGOTTEN: f64 = 1.0 / 1_048_576.0;

/// Cells of all states together, so that [`quotient`] finds their bins.
const MOST_CELLS: usize = 1 << 15;

/// Error of a polynomial over the function that it stands for, and in floats.
const TOLERANCE: f64 = 1e-7;
const TOLERANCE_OF_FLOATS: f64 = 1e-6;

impl LaneBaoab {
    /// Prepares steps of length `dt` with the exact bath of a resting particle; `None` where only [`Baoab`] will do.
    ///
    /// # Errors
    /// As [`Baoab::new`].
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Option<Self>, KernelError> {
        Self::of(Baoab::new(model, grid, dt)?, model, grid)
    }

    /// Prepares steps of length `dt` with fluxes that are exact in the bulk; `None` where only [`Baoab`] will do.
    ///
    /// # Errors
    /// As [`Baoab::with_exact_flux`].
    pub fn with_exact_flux(model: &Model, grid: &Grid, dt: f64) -> Result<Option<Self>, KernelError> {
        Self::of(Baoab::with_exact_flux(model, grid, dt)?, model, grid)
    }

    fn of(scalar: Baoab, model: &Model, grid: &Grid) -> Result<Option<Self>, KernelError> {
        let Some((law, masses, fastest)) = law(&scalar, model, grid) else { return Ok(None) };
        let several = masses.len() > 1;
        let transitions = if several { Transitions::new(model, grid, scalar.dt())? } else { None };
        if several && transitions.is_none() {
            return Ok(None);
        }
        let unit = 2.0 * model.domain.length / scalar.dt();
        let speeds = paces(&masses).map(|pace| pace * unit).collect();
        let most = Instructions::Avx512;
        Ok(Some(LaneBaoab { scalar, law, transitions, masses, speeds, fastest, most }))
    }

    /// The same with at most these instructions; which are used changes no bit of any result.
    pub fn at_most(self, most: Instructions) -> Self {
        LaneBaoab { most, ..self }
    }

    /// The same steps without lanes.
    pub fn scalar(&self) -> &Baoab {
        &self.scalar
    }

    /// Kinetic energy of a velocity.
    fn energy(&self, state: usize, velocity: f64) -> f64 {
        0.5 * self.masses[state] * velocity * velocity
    }

    /// The unit of energies, the same in all states.
    fn unit(&self) -> f64 {
        self.energy(0, self.speeds[0]) / f64::from(self.law.energy)
    }

    /// At the beginning (-1) and at the end (1) of a span: as heat where they are the energies of walkers less what stands
    /// for them, as work the half kick behind which walkers are.
    fn settle(&self, block: &Block, (position, velocity): (&[Position], &[f64]), sign: f64, sums: &mut Sums) {
        let number = |units: u32| f64::from(units.wrapping_sub(WHOLE.to_bits())) * self.unit();
        for (i, (position, v)) in position.iter().zip(velocity).enumerate() {
            let stands = number(velocity::energy(&self.law, block.along[i]));
            let cell = position.cell(self.law.cells as usize);
            sums.heat[cell] += sign * (self.energy(block.state[i] as usize, *v) - stands);
            sums.work[cell] -= sign * (number(block.energy[i]) - stands);
        }
    }

    fn run<T: Tally>(
        &self,
        walkers: &mut Walkers,
        steps: u64,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let cells = self.law.cells as usize;
        let speeds = tally.speed_cells().map(|cells| self.speeds(cells));
        let laws = (&self.law, speeds.as_ref());
        let mut sums = Sums::new(self, speeds.as_ref());
        let (words, single) = stream.lanes();
        let mut passing = self.transitions.as_ref().map(|t| t.passing(single));
        let mut still = Still;
        let mut block = Block::new();
        let columns = walkers.position.chunks_mut(BLOCK).zip(walkers.velocity.chunks_mut(BLOCK));
        for ((position, velocity), state) in columns.zip(walkers.state.chunks_mut(BLOCK)) {
            block.walkers = position.len();
            for (i, (position, velocity)) in position.iter().zip(&*velocity).enumerate() {
                let state = usize::from(state[i]);
                block.position[i] = position.coarse(cells);
                // Along the circle.
                block.velocity[i] = (position.reflected(*velocity) / self.speeds[state]) as f32;
                block.enter(&self.law, i, state);
            }
            block.ready(&self.law);
            block.kick(&self.law);
            self.settle(&block, (position, velocity), -1.0, &mut sums);
            let passes: &mut dyn Passes = match &mut passing {
                Some(passing) => passing,
                None => &mut still,
            };
            let mut left = steps;
            while left > 0 {
                let piece = sums.take(left, self);
                velocity::go(self.most, laws, &mut block, piece, words, passes, &mut sums.hot)?;
                left -= piece;
            }
            for (i, (position, velocity)) in position.iter_mut().zip(&mut *velocity).enumerate() {
                // Where they are on the circle decides which way noise takes them: a span may be cut anywhere.
                *position = Position::from_coarse(block.position[i]);
                *velocity = f64::from(block.along[i]) * self.speeds[block.state[i] as usize];
                state[i] = block.state[i] as u16;
            }
            self.settle(&block, (position, velocity), 1.0, &mut sums);
        }
        sums.flush(self);
        let nothing = || vec![0.0; cells];
        let (passages, [heat_of_passages, work_of_passages]) =
            passing.map_or_else(|| (Vec::new(), [nothing(), nothing()]), |passing| passing.counts());
        let Sums { visits, heat, work, powers, speeds, .. } = &sums;
        let sighted = Sighted { powers, speeds, heat, work };
        tally.counted(&Counts {
            visits,
            passages: &passages,
            heat: &heat_of_passages,
            work: &work_of_passages,
            laps: &[],
            sighted: Some(sighted).filter(|_| !speeds.is_empty()),
            surveyed: None,
        });
        Ok(())
    }

    /// Whether velocities can be counted like that.
    fn serves(&self, cells: SpeedCells<'_>) -> bool {
        let bins = cells.scale.len() / self.masses.len();
        bins > 0
            && cells.scale.len().is_multiple_of(self.masses.len())
            && (self.law.cells as usize).is_multiple_of(bins)
            && cells.cells.is_power_of_two()
            && cells.cells < 1 << 15
    }

    fn speeds(&self, cells: SpeedCells<'_>) -> Speeds {
        let bins = cells.scale.len() / self.masses.len();
        let scales = cells.scale.chunks(bins).zip(&self.speeds);
        Speeds {
            bin: quotient(self.law.cells / bins as u32),
            cells: cells.cells as u32,
            scale: scales
                .flat_map(|(scales, speed)| scales.iter().map(move |s| (s * speed) as f32))
                .collect(),
        }
    }
}

/// Velocities over that of the lightest particle with the same energy, state by state.
fn paces(masses: &[f64]) -> impl Iterator<Item = f64> {
    let lightest = masses.iter().copied().fold(f64::INFINITY, f64::min);
    masses.iter().map(move |mass| libm::sqrt(lightest / mass))
}

/// What never changes, all masses, and the largest number that stands for a velocity; `None` where only [`Baoab`] will do.
fn law(scalar: &Baoab, model: &Model, grid: &Grid) -> Option<(Law, Vec<f64>, f64)> {
    let walls = model.domain.walls == Boundary::Reflecting;
    let (motions, exact_flux) = scalar.plain().filter(|_| walls && suits(model, grid.cells()))?;
    let several = motions.len() > 1;
    let states = 0..motions.len();
    if motions.len() * grid.cells() >= MOST_CELLS
        || states.clone().any(|state| !model.force_kinks(state).is_empty())
    {
        return None;
    }
    let length = model.domain.length;
    let masses: Vec<f64> = motions.iter().map(|[mass, _]| *mass).collect();
    let lightest = masses.iter().copied().fold(f64::INFINITY, f64::min);
    let speed = 2.0 * length / scalar.dt();
    let variance = |x: f64| model.thermal_energy(x) / (lightest * speed * speed);
    let ends =
        |of: fn(f64, f64) -> f64| points(length).map(|(_, x)| variance(x)).reduce(of).map_or(0.0, libm::sqrt);
    let (slow, fast) = (ends(f64::min), ends(f64::max));
    let forced = model.has_forces();
    let paces: Vec<f64> = paces(&masses).collect();
    let motion = |(pace, [_, decay]): (&f64, &[f64; 2])| {
        // Noise and friction from the same float.
        let forgotten = (1.0 - decay) as f32;
        let share = f64::from(forgotten);
        let lead = if exact_flux { 2.0 * share / (3.0 * (1.0 - share)) } else { 0.0 };
        let served = share == 0.0 && !forced || (LEAST_FORGOTTEN..=1.0).contains(&share);
        if !served || slow * pace < SHORTEST || FASTEST * fast * pace * (1.0 + lead) > 1.0 {
            return None;
        }
        let balance = if several { (share * (2.0 - share)) as f32 } else { 1.0 };
        let (lead, pace, push) = ((lead * pace) as f32, *pace as f32, [0.0; TERMS]);
        Some(Motion { forgotten, lead, share: balance, pace, push })
    };
    let mut motions: Vec<Motion> = paces.iter().zip(&motions).map(motion).collect::<Option<_>>()?;
    let forgotten = f64::from(motions[0].forgotten);
    let noise = |x: f64| if several { 1.0 } else { forgotten * (2.0 - forgotten) } * variance(x);
    let push = |state: usize, x: f64| scalar.push(state, x) / (speed * paces[state]);
    let largest =
        |state: usize| points(length).fold(0.0, |most, (_, x)| f64::max(most, push(state, x).abs()));
    let largest: Vec<f64> = states.clone().map(largest).collect();
    if forced {
        let strongest = largest.iter().copied().fold(0.0, f64::max);
        let least = motions.iter().map(|m| f64::from(m.forgotten)).fold(1.0, f64::min);
        let steep = |state: usize| steepest(length, &|x| paces[state] * push(state, x));
        // Pushed all the time: `d -> c (d + p) + p`, and the half kick behind it.
        let driven = 2.0 * strongest / least;
        if !(falls_end(model) || driven <= FASTEST * fast) || states.clone().any(|s| steep(s) > STEEPEST) {
            return None;
        }
    }
    let both = |terms| {
        let push = |state: usize| fitted(&|x| push(state, x), length, terms, largest[state]);
        Some((fitted(&noise, length, terms, 0.0)?, states.clone().map(push).collect::<Option<Vec<_>>>()?))
    };
    let linear = both(2);
    let (noise, pushes) = linear.clone().or_else(|| both(TERMS))?;
    motions.iter_mut().zip(pushes).for_each(|(motion, push)| motion.push = push);
    let law = Law {
        cells: grid.cells() as u32,
        motions,
        forced,
        linear: linear.is_some(),
        noise,
        // Twice the fastest velocity is still below the whole.
        energy: libm::exp2(libm::floor(libm::log2(f64::from(WHOLE) / libm::pow(2.0 * FASTEST * fast, 2.0))))
            as f32,
    };
    Some((law, masses, FASTEST * fast))
}

/// A factor and a shift that divide numbers below `2^15`: the factor is rounded up, by too little to be seen, and products
/// stay below `2^32`.
pub(super) fn quotient(by: u32) -> [u32; 2] {
    let shift = 15 + by.next_power_of_two().trailing_zeros();
    [(1 << shift) / by + 1, shift]
}

/// Places all over the domain, as `2 x/L - 1` and x.
pub(super) fn points(length: f64) -> impl Iterator<Item = (f64, f64)> {
    const POINTS: u32 = 20_000;
    (0..=POINTS).map(move |k| {
        let fraction = f64::from(k) / f64::from(POINTS);
        (2.0 * fraction - 1.0, fraction * length)
    })
}

/// Whether falls leave velocities below twice those that walkers begin with.
///
/// Where the same force acts in all states, nobody falls deeper than its potential. Where states have forces of their own, walkers may
/// fall again and again if transitions lift them in between. Over barriers and without a drive it is heat that lifts, and more than the
/// span of the energies of all states, entropies included, comes by as seldom as by kicks of the bath.
fn falls_end(model: &Model) -> bool {
    let (states, length) = (model.network.states(), model.domain.length);
    let over =
        |state: usize, f: fn(&Model, usize, f64) -> f64| points(length).map(move |(_, x)| f(model, state, x));
    let hottest = over(0, |model, _, x| model.thermal_energy(x)).fold(0.0, f64::max);
    let depth = if states.len() > 1 && model.has_own_potentials() {
        let passive = |edge: &Edge| matches!(edge.law, RateLaw::Activated { affinity: 0.0, .. });
        if !model.network.edges().iter().all(passive) {
            return false;
        }
        span((0..states.len()).flat_map(|state| over(state, Model::energy)))
            + hottest * span(states.iter().map(|state| state.entropy))
    } else {
        span(over(0, Model::potential_energy))
    };
    depth <= 0.5 * FASTEST * FASTEST * hottest
}

/// The largest of some values less the least.
fn span(values: impl Iterator<Item = f64>) -> f64 {
    let ends = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
    ends[1] - ends[0]
}

/// The steepest slope of a function over `2 x/L - 1`.
fn steepest(length: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    let pairs = points(length).zip(points(length).skip(1));
    pairs.fold(0.0, |most, (a, b)| f64::max(most, (f(b.1) - f(a.1)).abs() / (b.0 - a.0)))
}

/// The polynomial in `z = 2 x/L - 1` through a function at `terms` Chebyshev nodes, if its coefficients are good enough as
/// floats, where values smaller than `size` count as that.
pub(super) fn fitted(
    function: &dyn Fn(f64) -> f64,
    length: f64,
    terms: usize,
    size: f64,
) -> Option<[f32; TERMS]> {
    let n = terms as f64;
    let nodes: Vec<f64> =
        (0..terms).map(|k| libm::cos(std::f64::consts::PI * (k as f64 + 0.5) / n)).collect();
    let values: Vec<f64> = nodes.iter().map(|z| function(0.5 * (1.0 + z) * length)).collect();
    // Chebyshev polynomials as powers of z: T_{j+1} = 2 z T_j - T_{j-1}, and T_{-1} = T_1 = z.
    let (mut last, mut now) = ([0.0; TERMS], [0.0; TERMS]);
    (last[1], now[0]) = (1.0, 1.0);
    let mut sum = [0.0; TERMS];
    for j in 0..terms {
        let product = |(z, f): (&f64, &f64)| libm::cos(j as f64 * libm::acos(*z)) * f;
        let share = nodes.iter().zip(&values).map(product).sum::<f64>() * if j == 0 { 1.0 } else { 2.0 } / n;
        sum.iter_mut().zip(&now).for_each(|(sum, c)| *sum += share * c);
        let next = std::array::from_fn(|k| 2.0 * if k > 0 { now[k - 1] } else { 0.0 } - last[k]);
        (last, now) = (now, next);
    }
    let floats = sum.map(|c| c as f32);
    let good = |(z, x): (f64, f64)| {
        let exact = function(x);
        let double = floats.iter().rev().fold(0.0, |sum, c| sum * z + f64::from(*c));
        let single = floats.iter().rev().fold(0.0, |sum, c| sum * z as f32 + c);
        let size = exact.abs().max(size);
        (double - exact).abs() <= TOLERANCE * size
            && (f64::from(single) - exact).abs() <= TOLERANCE_OF_FLOATS * size
    };
    points(length).all(good).then_some(floats)
}

/// Counters of a span.
struct Sums {
    hot: Hot,
    /// Steps of a block that the hot ones have room for.
    room: u64,
    visits: Vec<u64>,
    heat: Vec<f64>,
    work: Vec<f64>,
    powers: Vec<[f64; POWERS]>,
    speeds: Vec<u64>,
}

impl Sums {
    fn new(kernel: &LaneBaoab, speeds: Option<&Speeds>) -> Self {
        let counted = speeds.map_or(0, |s| s.scale.len() * s.cells as usize);
        let cells = kernel.law.cells as usize;
        let rows = kernel.masses.len() * cells;
        Sums {
            hot: Hot { cells: vec![Cell::default(); rows], work: vec![0; rows], speeds: vec![0; counted] },
            room: Self::ROOM,
            visits: vec![0; rows],
            heat: vec![0.0; cells],
            work: vec![0.0; cells],
            powers: vec![[0.0; POWERS]; rows],
            speeds: vec![0; counted],
        }
    }

    /// No counter grows by more than the walkers of a block in a step; of so many floats none is lost beside their sum.
    const ROOM: u64 = (u16::MAX as usize / BLOCK) as u64;

    /// Makes room for some of `steps`: how many.
    fn take(&mut self, steps: u64, kernel: &LaneBaoab) -> u64 {
        if self.room == 0 {
            self.flush(kernel);
        }
        let piece = steps.min(self.room);
        self.room -= piece;
        piece
    }

    /// Empties the hot counters.
    fn flush(&mut self, kernel: &LaneBaoab) {
        let (unit, cells) = (kernel.unit(), kernel.law.cells as usize);
        let of: Vec<_> = kernel.speeds.iter().map(|speed| [1, 2, 3, 4].map(|p| speed.powi(p))).collect();
        let Hot { cells: hot_cells, work, speeds } = &mut self.hot;
        for (row, hot) in work.iter_mut().enumerate() {
            self.work[row % cells] += std::mem::take(hot) as f64 * unit;
        }
        for (row, hot) in hot_cells.iter_mut().map(std::mem::take).enumerate() {
            self.visits[row] += u64::from(hot.visits);
            self.heat[row % cells] += hot.heat as f64 * unit;
            for ((total, hot), of) in self.powers[row].iter_mut().zip(hot.powers).zip(of[row / cells]) {
                *total += f64::from(hot) * of;
            }
        }
        for (total, hot) in self.speeds.iter_mut().zip(speeds) {
            *total += u64::from(std::mem::take(hot));
        }
        self.room = Self::ROOM;
    }
}

impl Kernel for LaneBaoab {
    fn states(&self) -> usize {
        self.scalar.states()
    }

    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.scalar.dwell(state, cell)
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        self.scalar.elapsed(span)
    }

    fn flux_excess(&self) -> f64 {
        self.scalar.flux_excess()
    }

    fn cautions(&self) -> Vec<Caution> {
        self.scalar.cautions()
    }

    fn arithmetic(&self) -> &'static str {
        if self.masses.len() > 1 {
            "32-bit vector lanes; the temperature of the bath is off by less than 4e-7 of itself, friction and flights by 6e-8, \
             estimates by less than 1e-6 of themselves; transitions are exact"
        } else {
            "32-bit vector lanes; the temperature of the bath is off by less than 3e-7 of itself, friction by 6e-8, estimates by \
             less than 1e-6 of themselves"
        }
    }

    /// # Panics
    /// If there is not one velocity for each walker.
    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        assert_eq!(walkers.velocity.len(), walkers.len(), "one velocity for each walker");
        let quick = |(v, s): (&f64, &u16)| v.abs() <= self.fastest * self.speeds[usize::from(*s)];
        let served = tally.speed_cells().is_none_or(|cells| self.serves(cells));
        if T::EVENTS || !served || !walkers.velocity.iter().zip(&walkers.state).all(quick) {
            return self.scalar.advance(walkers, span, stream, tally);
        }
        self.run(walkers, self.scalar.steps(span), stream, tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_those_of_smooth_functions() {
        let fits = |f: &dyn Fn(f64) -> f64| [2, TERMS].map(|terms| fitted(f, 3.0, terms, 0.0).is_some());
        assert_eq!(fits(&|_| 1e-7), [true, true]);
        assert_eq!(fits(&|x| 1e-7 * (1.0 + 0.3 * x)), [true, true]);
        assert_eq!(fits(&|x| 1.0 - 0.4 * libm::cos(std::f64::consts::PI * x / 3.0)), [false, true]);
        assert_eq!(fits(&|x| 1.5 + libm::tanh(x - 1.5)), [false, false]);
        // Next to zero floats are not good enough.
        assert_eq!(fits(&|x| 1e-4 + x), [false, false]);
        // A force may vanish.
        let force = |x: f64| libm::cos(2.0 * x);
        assert!(fitted(&force, 1.0, TERMS, 0.0).is_none() && fitted(&force, 1.0, TERMS, 1.0).is_some());
        let quadratic = fitted(&|x| 1.0 + x * x, 2.0, TERMS, 0.0).expect("a polynomial");
        // 1 + (1 + z)^2.
        for (found, exact) in quadratic.into_iter().zip([2.0, 2.0, 1.0, 0.0, 0.0]) {
            assert!((found - exact).abs() < 1e-6, "{quadratic:?}");
        }
    }

    #[test]
    fn bins_are_quotients() {
        for per_bin in 1u32..600 {
            let [factor, shift] = quotient(per_bin);
            assert!((0..1u32 << 15).all(|cell| (cell * factor) >> shift == cell / per_bin), "{per_bin}");
        }
    }
}
