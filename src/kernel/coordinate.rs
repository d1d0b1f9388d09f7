//! Particles with continuous internal coordinates: moves at frozen coordinates, shifts at a frozen place.
//!
//! Eq 14 of the paper in the form of [`crate::model::Coordinates`]. One step of length `dt`:
//!
//! 1. **X** a move for `dt/2` at frozen `q`, with `D_i(x, q)`;
//! 2. walkers are seen;
//! 3. **X** for another `dt/2`;
//! 4. **R** transitions for `dt/2` at frozen `(x, q)`, by Gillespie's method;
//! 5. **Q** a shift for `dt` at frozen `x`, see [`Scheme`];
//! 6. **R** for another `dt/2`.
//!
//! **Moves.** Where `D_i` does not depend on x and no force acts along x, a move is Gaussian, folded at the walls: exact
//! for any step. Where a force `-d_x E` acts and `D_i` does not depend on x, a move is made like a shift: judged by the
//! law `exp(-int d_x E/kT dx)` at frozen `q` ([`Scheme::Midpoint`] and [`Scheme::Mala`]), or a step of Heun or Euler; always
//! on the unfolded circle, where walls are mirrors. Where `D_i` depends on x it is an Euler-Maruyama step
//! (Ito), folded: of order 1 in the bulk, and order 1/2 for the density at a wall.
//!
//! **Errors.** Two exact flows in this symmetric order have an error of order 2. With relaxation rates `k` of
//! an energy and `a = D (n pi/L)^2` of a mode of x, for a harmonic potential, the heat that passes is off by the factor
//! `(1/K + 1/A) / (coth K + coth A)`, `K = k dt/2`, `A = a dt/2`, about `1 - K A/3`: see `docs/decisions/coordinates.md`.
//!
//! **Heat.** A shift absorbs `E(x, q') - E(x, q)`, a move along a force `E(x', q) - E(x, q)`; no work is done by either.
//!
//! Fathi & Stoltz, Numer. Math. 136, 545 (2017); Roberts & Tweedie, Bernoulli 2, 341 (1996); Strang, SIAM J. Numer.
//! Anal. 5, 506 (1968).

use super::boltzmann::Boltzmann;
use super::curve::Curve;
use super::frozen::Frozen;
use super::relief::Relief;
use super::taken::Taken;
use super::{BLOCK, Caution, Kernel, KernelError, Span};
use crate::event::{Moves, Position, Shifts, Sightings, Tally, Visits, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Channel, CoordinateError, Coordinates, Model, Range, RateLaw, Response};
use crate::rng::{Stream, exponential, open_unit, standard_normals};
use std::f64::consts::PI;

/// How coordinates advance at a frozen place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Half a free displacement leads from `q` to `z`, `m = R(z)` solves `m + mu U'(m) dt/2 = z`, and `q' = 2m - q` is
    /// accepted or rejected: the implicit midpoint rule, judged. As `q` is reached from `q'` through the same `z`,
    /// Boltzmann's law `exp(-E/kT(x))` at frozen x is kept exactly for any step and any `R`. Elapsed time is kept to
    /// order 3/2, in practice as well as by an exact shift.
    Midpoint,
    /// A Langevin proposal, with the force where it begins, accepted or rejected: Boltzmann's law is kept exactly, elapsed time to
    /// order 1.
    Mala,
    /// Heun's step, a predictor and a corrector: order 2 for laws and for times.
    Heun,
    /// Euler's step, in the order R, Q, X, seen at the end: order 1. The subject of convergence studies.
    EulerMaruyama,
}

/// Most coordinates of a particle.
pub const MOST_AXES: usize = 8;

/// Largest error of a tabulated energy, in the smallest kT.
const ENERGY_TOLERANCE: f64 = 1e-8;

/// Largest error of a tabulated diffusivity, over its largest value.
const DIFFUSIVITY_TOLERANCE: f64 = 1e-10;

/// Widths of the box beyond it that a step may end; what lies farther has left its potential.
const ASTRAY: f64 = 1.0;

/// The methods of continuous internal coordinates.
#[derive(Clone, Debug)]
pub struct Continuous {
    model: Model,
    grid: Grid,
    dt: f64,
    scheme: Scheme,
    axes: Vec<Response>,
    ranges: Vec<Range>,
    /// The box of the coordinates.
    ends: Vec<[f64; 2]>,
    /// `kT(x)`.
    thermal: Curve,
    states: Vec<Room>,
    reactions: Option<Reactions>,
    /// Energies of coordinates depend neither on x nor on the state: they outlive moves and transitions.
    lasting: bool,
    /// All moves are exact.
    free: bool,
}

/// What a step asks of a state.
#[derive(Clone, Debug)]
struct Room {
    enthalpy: f64,
    /// `U(x) + U_i(x)`, if there are any.
    outer: Option<Curve>,
    /// `U(q) + U_i(q)` and its slope, where it is a function of one coordinate alone.
    energy: Option<Relief>,
    /// `R(z)` of [`Scheme::Midpoint`], where it is a function of one coordinate alone.
    middle: Option<Relief>,
    /// `D_i(q)`, the same.
    diffusivity: Option<Relief>,
    /// The diffusivity depends on x.
    varies: bool,
    /// A force acts along x.
    forced: bool,
}

/// How transitions are made.
#[derive(Clone, Debug)]
enum Reactions {
    /// Rates do not depend on coordinates.
    Outer(Box<Frozen>),
    /// They do: the channels out of each state.
    Inner(Vec<Vec<Channel>>),
}

/// The walkers of a block.
struct Block<'a> {
    first: u32,
    position: &'a mut [Position],
    state: &'a mut [u16],
    laps: &'a mut [i32],
    coordinate: &'a mut [f64],
}

/// What belongs to them while they advance.
struct Columns {
    from: [Position; BLOCK],
    cell: [u32; BLOCK],
    turns: [i32; BLOCK],
    heat: [f64; BLOCK],
    thermal: [f64; BLOCK],
    diffusivity: [f64; BLOCK],
    /// Energy of the coordinates.
    inner: [f64; BLOCK],
    /// Energy.
    energy: [f64; BLOCK],
    /// Slopes of the energy of the coordinates, entry by entry.
    slope: Vec<f64>,
    before: Vec<f64>,
}

impl Continuous {
    /// Prepares steps of length `dt` for `model`.
    ///
    /// # Errors
    /// [`KernelError::Coordinates`] if the model has no coordinates or its potential does not confine them;
    /// [`KernelError::TooMany`] coordinates; [`KernelError::Unbounded`] if `dt` is not positive and finite, or a rate has no
    /// finite bound.
    pub fn new(model: &Model, grid: &Grid, dt: f64, scheme: Scheme) -> Result<Self, KernelError> {
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(KernelError::Unbounded { what: "the step dt".into(), x: 0.0, low: dt, high: dt });
        }
        let coordinates = model.coordinates.as_ref().ok_or(CoordinateError::None)?;
        let axes = coordinates.axes.len();
        if axes > MOST_AXES {
            return Err(KernelError::TooMany { what: "coordinates", limit: MOST_AXES, found: axes });
        }
        let ends = model.coordinate_reach()?.ends;
        let states = model.network.states().len();
        let rooms: Vec<Room> = (0..states).map(|s| Room::new(model, coordinates, s, &ends, dt)).collect();
        let own = coordinates.states.iter().any(|own| own.potential.is_some());
        let channels: Vec<Vec<Channel>> =
            (0..states).map(|s| model.network.channels().filter(|c| c.from == s).collect()).collect();
        let reactions = match (model.network.edges().is_empty(), own) {
            (true, _) => None,
            (false, false) => Some(Reactions::Outer(Box::new(Frozen::new(model, grid, dt)?))),
            (false, true) => Some(Reactions::Inner(channels)),
        };
        let length = model.domain.length;
        let whole = crate::expression::Interval::new(0.0, length);
        let kinks: Vec<f64> = model.temperature.kinks(whole).iter().map(|x| x / length).collect();
        Ok(Continuous {
            thermal: Curve::new(&|x| model.thermal_energy(x * length), &kinks),
            lasting: !own && rooms.iter().all(|room| room.energy.is_some()),
            free: rooms.iter().all(|room| !room.varies && !room.forced),
            axes: coordinates.axes.iter().map(|axis| axis.response).collect(),
            ranges: coordinates.axes.iter().map(|axis| axis.range).collect(),
            model: model.clone(),
            grid: *grid,
            states: rooms,
            dt,
            scheme,
            ends,
            reactions,
        })
    }

    /// The step.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Mobility and box of the only coordinate, on the whole line, of one state between walls, whose energy and diffusivity do not
    /// depend on x; if shifts are judged midpoints.
    pub(super) fn plain(&self) -> Option<(f64, [f64; 2])> {
        let one = self.states.len() == 1 && self.reactions.is_none() && self.free && self.lasting;
        let walls = self.model.domain.walls == Boundary::Reflecting;
        let plain = one && walls && self.scheme == Scheme::Midpoint && self.ranges == [Range::Unbounded];
        match (&self.axes[..], &self.ends[..]) {
            ([Response::Mobility(mobility)], [ends]) if plain => Some((*mobility, *ends)),
            _ => None,
        }
    }

    pub(super) fn steps(&self, span: Span) -> u64 {
        match span {
            Span::Legs(steps) => steps,
            Span::Duration(duration) => libm::round(duration / self.dt).max(1.0) as u64,
        }
    }

    fn x(&self, position: Position) -> f64 {
        position.fraction() * self.model.domain.length
    }

    #[inline(always)]
    fn thermal(&self, position: Position) -> f64 {
        self.thermal.at(position, || self.model.thermal_energy(self.x(position)))
    }

    /// `mu_a` of a coordinate.
    #[inline(always)]
    fn mobility(&self, axis: usize, thermal: f64) -> f64 {
        match self.axes[axis] {
            Response::Mobility(mobility) => mobility,
            Response::Diffusivity(diffusivity) => diffusivity / thermal,
        }
    }

    /// Energy of the coordinates, and its slopes.
    #[inline(always)]
    fn inner(&self, state: u16, position: Position, q: &[f64], slope: &mut [f64]) -> f64 {
        let state = usize::from(state);
        if let Some(relief) = &self.states[state].energy {
            let (value, first) = relief.look_up(q[0]);
            if !value.is_nan() {
                slope[0] = first;
                return value;
            }
        }
        self.inner_asked(state, position, q, slope)
    }

    /// The same from the functions themselves, kept out of the loops.
    #[inline(never)]
    fn inner_asked(&self, state: usize, position: Position, q: &[f64], slope: &mut [f64]) -> f64 {
        let x = self.x(position);
        self.model.coordinates.as_ref().map_or(0.0, |c| {
            for (axis, slope) in slope.iter_mut().enumerate() {
                *slope = c.energy_slope_q(state, x, q, axis);
            }
            c.energy(state, x, q)
        })
    }

    /// Energy of a state besides that of its coordinates.
    #[inline(always)]
    fn outer(&self, state: u16, position: Position) -> f64 {
        let room = &self.states[usize::from(state)];
        let potential = |curve: &Curve| {
            curve.at(position, || self.model.potential_energy(usize::from(state), self.x(position)))
        };
        room.enthalpy + room.outer.as_ref().map_or(0.0, potential)
    }

    /// `D_i(x, q)`.
    #[inline(always)]
    fn diffusivity(&self, state: u16, position: Position, q: &[f64]) -> Result<f64, KernelError> {
        if let Some(relief) = &self.states[usize::from(state)].diffusivity {
            let value = relief.look_up(q[0]).0;
            if !value.is_nan() {
                // A zero may be missed by the tolerance of the table.
                return Ok(value.max(0.0));
            }
        }
        self.diffusivity_asked(usize::from(state), position, q)
    }

    #[inline(never)]
    fn diffusivity_asked(&self, state: usize, position: Position, q: &[f64]) -> Result<f64, KernelError> {
        let x = self.x(position);
        let value = self.model.diffusivity_within(state, x, q);
        if value >= 0.0 && value.is_finite() {
            return Ok(value);
        }
        let what = format!("the diffusivity of {} at q = {q:?}", self.model.network.states()[state].name);
        Err(KernelError::BoundViolated { what, x, value, low: 0.0, high: f64::INFINITY })
    }

    /// X: a move for `time`.
    #[inline(always)]
    fn travel<T: Tally, const N: usize>(
        &self,
        block: &mut Block<'_>,
        columns: &mut Columns,
        (normals, words): (&[f64], &[u64]),
        (time, visits): (f64, Visits<'_>),
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let n = block.state.len();
        let axes = if N == 1 { 1 } else { self.axes.len() };
        let Columns { from, cell, turns, heat, diffusivity, .. } = columns;
        from[..n].copy_from_slice(block.position);
        let ring = self.model.domain.walls == Boundary::Periodic;
        if self.free {
            let per = 2.0 * time / (self.model.domain.length * self.model.domain.length);
            let strides = diffusivity.iter().zip(normals).map(|(d, normal)| libm::sqrt(d * per) * normal);
            if ring {
                for ((position, stride), turns) in block.position.iter_mut().zip(strides).zip(&mut *turns) {
                    (*position, *turns) = position.turned_by(stride);
                }
            } else {
                for (position, stride) in block.position.iter_mut().zip(strides) {
                    *position = position.lower().displaced(Position::units(stride));
                }
            }
        } else {
            for i in 0..n {
                let q = &block.coordinate[i * axes..(i + 1) * axes];
                let place = (block.state[i], block.position[i], q);
                (block.position[i], turns[i], heat[i]) = self.wander(place, (normals[i], words[i]), time)?;
            }
        }
        if ring {
            for (laps, turns) in block.laps.iter_mut().zip(&*turns) {
                *laps = laps.wrapping_add(*turns);
            }
        }
        for (cell, position) in cell.iter_mut().zip(block.position.iter()) {
            *cell = position.cell(self.grid.cells()) as u32;
        }
        tally.moves(&Moves {
            visits,
            state: block.state,
            from: &from[..n],
            to: block.position,
            cell: &cell[..n],
            laps: if ring { &turns[..n] } else { &[] },
            coordinate: block.coordinate,
            heat: if self.free { &[] } else { &heat[..n] },
        });
        Ok(())
    }

    /// One move where a force acts or the diffusivity depends on x: where it ends, turns of a ring, and heat.
    #[inline(never)]
    fn wander(
        &self,
        (state, position, q): (u16, Position, &[f64]),
        (normal, word): (f64, u64),
        time: f64,
    ) -> Result<(Position, i32, f64), KernelError> {
        let (s, length) = (usize::from(state), self.model.domain.length);
        let ring = self.model.domain.walls == Boundary::Periodic;
        let diffusivity = self.diffusivity(state, position, q)?;
        if diffusivity == 0.0 {
            return Ok((position, 0, 0.0));
        }
        // d_x E/kT, and where a displacement leads.
        let tilt =
            |p: Position| self.model.energy_slope_within(s, p.fraction() * length, q) / self.thermal(p);
        let displaced = |y: f64| {
            if ring { position.turned_by(y / length) } else { (position.moved(y / length), 0) }
        };
        let mirrored = |p: Position, h: f64| if ring { h } else { p.reflected(h) };
        let noise = libm::sqrt(2.0 * diffusivity * time) * normal;
        let reach = diffusivity * time;
        let room = &self.states[s];
        let judged = matches!(self.scheme, Scheme::Midpoint | Scheme::Mala);
        let (to, turns) = if !room.forced {
            displaced(noise)
        } else if judged && !room.varies {
            // The midpoint rule, as for shifts.
            let (half, _) = displaced(0.5 * noise);
            let first = -0.5 * reach * mirrored(half, tilt(half));
            let (there, _) = displaced(0.5 * noise + first);
            let bend = (1.0 + 0.5 * reach * mirrored(there, tilt(there)) / first).clamp(-0.5, 1e6);
            let push = if first == 0.0 { 0.0 } else { first / (1.0 + bend) };
            let way = noise + 2.0 * push;
            let (to, turns) = displaced(way);
            // int d_x E/kT dx from begin to end, by Simpson's rule.
            let (middle, span) = if ring {
                (displaced(0.5 * way).0, way)
            } else {
                let both = 0.5 * (position.fraction() + to.fraction());
                (Position::from_fraction(both), (to.fraction() - position.fraction()) * length)
            };
            let climb = span * (tilt(position) + 4.0 * tilt(middle) + tilt(to)) / 6.0;
            let accepted = exponential(word) > climb + 2.0 * way * push / reach;
            if !accepted {
                return Ok((position, 0, 0.0));
            }
            (to, turns)
        } else {
            let here = tilt(position);
            let (euler, turns) = displaced(noise - reach * here);
            if self.scheme == Scheme::Heun && !room.varies {
                displaced(noise - 0.5 * reach * (here + mirrored(euler, tilt(euler))))
            } else {
                (euler, turns)
            }
        };
        let energy = |p: Position| self.model.energy_within(s, p.fraction() * length, q);
        let heat = if room.forced { energy(to) - energy(position) } else { 0.0 };
        Ok((to, turns, heat))
    }

    /// Q: a shift for `dt`.
    #[inline(always)]
    fn shift<T: Tally, const N: usize>(
        &self,
        block: &mut Block<'_>,
        columns: &mut Columns,
        (normals, words): (&[f64], &[u64]),
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let n = block.state.len();
        let axes = if N == 1 { 1 } else { self.axes.len() };
        let Columns { cell, heat, thermal, inner, slope, before, .. } = columns;
        before[..n * axes].copy_from_slice(block.coordinate);
        self.thermal.fill(&mut thermal[..n], block.position, |p| self.model.thermal_energy(self.x(p)));
        for i in 0..n {
            let (state, position) = (block.state[i], block.position[i]);
            let entry = i * axes..(i + 1) * axes;
            let q = &mut block.coordinate[entry.clone()];
            let (slope, kt) = (&mut slope[entry.clone()], thermal[i]);
            if !self.lasting {
                inner[i] = self.inner(state, position, q, slope);
            }
            if self.scheme == Scheme::Midpoint {
                let place = (state, position, kt);
                let before = (inner[i], &mut *slope);
                heat[i] = self.midpoint::<N>(place, q, before, &normals[entry], words[i]);
                inner[i] += heat[i];
                continue;
            }
            let (mut to, mut there) = ([0.0; N], [0.0; N]);
            let (mut sign, mut way) = ([1.0; N], [0.0; N]);
            for a in 0..axes {
                let mobility = self.mobility(a, kt);
                let noise = libm::sqrt(2.0 * mobility * kt * self.dt) * normals[i * axes + a];
                way[a] = noise - mobility * self.dt * slope[a];
                (to[a], sign[a]) = folded(self.ranges[a], q[a] + way[a]);
            }
            let mut energy = self.inner(state, position, &to[..axes], &mut there[..axes]);
            match self.scheme {
                Scheme::EulerMaruyama | Scheme::Midpoint => {}
                Scheme::Heun => {
                    for a in 0..axes {
                        let mobility = self.mobility(a, kt);
                        let corrected = 0.5 * mobility * self.dt * (slope[a] - sign[a] * there[a]);
                        (to[a], _) = folded(self.ranges[a], q[a] + way[a] + corrected);
                    }
                    energy = self.inner(state, position, &to[..axes], &mut there[..axes]);
                }
                Scheme::Mala => {
                    let mut cost = energy - inner[i];
                    for a in 0..axes {
                        let (f, g) = (slope[a], sign[a] * there[a]);
                        let mobility = self.mobility(a, kt);
                        cost += 0.25 * mobility * self.dt * (g * g - f * f) - 0.5 * way[a] * (f + g);
                    }
                    // Not so where the cost is not a number.
                    let accepted = exponential(words[i]) * kt > cost;
                    if !accepted {
                        heat[i] = 0.0;
                        continue;
                    }
                }
            }
            if matches!(self.scheme, Scheme::Heun | Scheme::EulerMaruyama) {
                self.check(position, &to[..axes])?;
            }
            heat[i] = energy - inner[i];
            inner[i] = energy;
            q.copy_from_slice(&to[..axes]);
            slope.copy_from_slice(&there[..axes]);
        }
        tally.shifts(&Shifts {
            state: block.state,
            position: block.position,
            cell: &cell[..n],
            axes,
            before: &before[..n * axes],
            after: block.coordinate,
            heat: &heat[..n],
        });
        Ok(())
    }

    /// A shift by [`Scheme::Midpoint`], which leaves the slopes of where it ends: the heat.
    #[inline(always)]
    fn midpoint<const N: usize>(
        &self,
        (state, position, kt): (u16, Position, f64),
        q: &mut [f64],
        (energy, slope): (f64, &mut [f64]),
        normals: &[f64],
        word: u64,
    ) -> f64 {
        let axes = if N == 1 { 1 } else { q.len() };
        let (mut z, mut inside, mut sign, mut to) = ([0.0; N], [0.0; N], [1.0; N], [0.0; N]);
        for a in 0..axes {
            z[a] = q[a] + libm::sqrt(0.5 * self.mobility(a, kt) * kt * self.dt) * normals[a];
            (inside[a], sign[a]) = folded(self.ranges[a], z[a]);
        }
        let pushed = self.pushed::<N>(state, position, kt, &inside[..axes]);
        let mut gain = 0.0;
        for a in 0..axes {
            // On the unfolded line, where walls are mirrors.
            let push = sign[a] * pushed[a];
            let way = 2.0 * (z[a] + push - q[a]);
            gain -= 2.0 * way * push / (self.mobility(a, kt) * self.dt);
            (to[a], _) = folded(self.ranges[a], q[a] + way);
        }
        let mut there = [0.0; N];
        let after = self.inner(state, position, &to[..axes], &mut there[..axes]);
        // Not so where the energy is not a number.
        let accepted = exponential(word) * kt > after - energy - gain;
        if !accepted {
            return 0.0;
        }
        q.copy_from_slice(&to[..axes]);
        slope.copy_from_slice(&there[..axes]);
        after - energy
    }

    /// `R(z) - z`, minus the force of the middle for half a step: from a table, or by one step of the secant method.
    #[inline(always)]
    fn pushed<const N: usize>(&self, state: u16, position: Position, kt: f64, z: &[f64]) -> [f64; N] {
        let mut pushed = [0.0; N];
        if let Some(middle) = &self.states[usize::from(state)].middle {
            let value = middle.look_up(z[0]).0;
            if !value.is_nan() {
                pushed[0] = value - z[0];
                return pushed;
            }
        }
        let axes = if N == 1 { 1 } else { z.len() };
        let (mut first, mut second, mut place) = ([0.0; N], [0.0; N], [0.0; N]);
        self.inner(state, position, z, &mut first[..axes]);
        for a in 0..axes {
            pushed[a] = -0.5 * self.mobility(a, kt) * self.dt * first[a];
            place[a] = folded(self.ranges[a], z[a] + pushed[a]).0;
        }
        self.inner(state, position, &place[..axes], &mut second[..axes]);
        for a in 0..axes {
            // dt mu U''/2, as the two slopes tell; any value is allowed, and a sensible one is good.
            let bend = (1.0 - second[a] / first[a]).clamp(-0.5, 1e6);
            let corrected = pushed[a] / (1.0 + bend);
            pushed[a] = if corrected.is_finite() { corrected } else { pushed[a] };
        }
        pushed
    }

    /// Steps that are not judged can be thrown out of a steep potential.
    #[inline(always)]
    fn check(&self, position: Position, to: &[f64]) -> Result<(), KernelError> {
        for (value, [low, high]) in to.iter().zip(&self.ends) {
            let margin = ASTRAY * (high - low);
            let within = *value > low - margin && *value < high + margin;
            if !within {
                let x = self.x(position);
                return Err(KernelError::Astray { x, value: *value, low: *low, high: *high, dt: self.dt });
            }
        }
        Ok(())
    }

    /// R: transitions for `time`.
    #[inline]
    fn react<T: Tally>(
        &self,
        reactions: &Reactions,
        block: &mut Block<'_>,
        (cell, words, time): (&[u32; BLOCK], &[u64], f64),
        (stream, taken): (&mut Stream, &mut Taken),
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let axes = self.axes.len();
        for (i, word) in words.iter().enumerate() {
            let (waiting, state) = (exponential(*word), &mut block.state[i]);
            let place = (block.first + i as u32, block.position[i], cell[i]);
            match reactions {
                Reactions::Outer(frozen) => {
                    if waiting < frozen.ceiling(*state, cell[i]) * (time / self.dt) {
                        frozen.pass((waiting, time), state, place, stream, taken, tally)?;
                    }
                }
                Reactions::Inner(exits) => {
                    let q = &block.coordinate[i * axes..(i + 1) * axes];
                    self.pass(exits, (waiting, time), state, (place, q), (stream, taken), tally)?;
                }
            }
        }
        taken.hand_on(tally);
        Ok(())
    }

    /// All transitions within `time` where rates depend on coordinates.
    #[inline(never)]
    fn pass<T: Tally>(
        &self,
        exits: &[Vec<Channel>],
        (mut waiting, mut left): (f64, f64),
        state: &mut u16,
        ((walker, position, cell), q): ((u32, Position, u32), &[f64]),
        (stream, taken): (&mut Stream, &mut Taken),
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let x = self.x(position);
        loop {
            let exits = &exits[usize::from(*state)];
            let exit: f64 = exits.iter().map(|c| self.model.rate_within(*c, x, q)).sum();
            let usable = exit >= 0.0 && exit.is_finite();
            if !usable {
                let state = &self.model.network.states()[usize::from(*state)];
                let what = format!("the rate of leaving {} at q = {q:?}", state.name);
                return Err(KernelError::BoundViolated { what, x, value: exit, low: 0.0, high: f64::MAX });
            }
            left -= waiting / exit;
            let ends = exit > 0.0 && left > 0.0;
            if !ends {
                return Ok(());
            }
            let mut target = open_unit(stream.word()) * exit;
            let mut chosen = exits[exits.len() - 1];
            for channel in exits {
                target -= self.model.rate_within(*channel, x, q);
                if target < 0.0 {
                    chosen = *channel;
                    break;
                }
            }
            *state = chosen.to as u16;
            if taken.is_full() {
                taken.hand_on(tally);
            }
            let exchange = self.exchange(chosen, x, q);
            taken.push(walker, chosen.index as u16, (position, cell), exchange);
            waiting = exponential(stream.word());
        }
    }

    /// Heat and work of a transition at fixed coordinates: what their own potentials gain comes from the bath, unless a
    /// free rate fixes its share.
    fn exchange(&self, channel: Channel, x: f64, q: &[f64]) -> (f64, f64) {
        let own = |state: usize| self.model.coordinates.as_ref().map_or(0.0, |c| c.own_energy(state, x, q));
        let gained = own(channel.to) - own(channel.from);
        self.model.exchange(channel, x).map_or((0.0, 0.0), |e| {
            match self.model.network.edges()[channel.edge].law {
                RateLaw::Activated { .. } => (e.heat + gained, e.work),
                RateLaw::Free { .. } => (e.heat, e.work + gained),
            }
        })
    }

    /// Walkers are seen.
    #[inline(always)]
    fn see<T: Tally, const N: usize>(
        &self,
        block: &Block<'_>,
        columns: &mut Columns,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let n = block.state.len();
        let axes = if N == 1 { 1 } else { self.axes.len() };
        for i in 0..n {
            let (state, position) = (block.state[i], block.position[i]);
            if !self.lasting {
                let entry = i * axes..(i + 1) * axes;
                let slope = &mut columns.slope[entry.clone()];
                columns.inner[i] = self.inner(state, position, &block.coordinate[entry], slope);
            }
            columns.energy[i] = columns.inner[i] + self.outer(state, position);
        }
        if !self.free {
            for (i, q) in block.coordinate.chunks(axes).enumerate() {
                columns.diffusivity[i] = self.diffusivity(block.state[i], block.position[i], q)?;
            }
        }
        tally.sightings(&Sightings {
            state: block.state,
            position: block.position,
            velocity: &[],
            coordinate: block.coordinate,
            energy: &columns.energy[..n],
            slope: &columns.slope[..n * axes],
            diffusivity: &columns.diffusivity[..n],
        });
        Ok(())
    }

    /// [`Kernel::advance`], compiled for one coordinate apart.
    fn go<T: Tally, const N: usize>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let axes = if N == 1 { 1 } else { self.axes.len() };
        let mut words = vec![0u64; (axes + 7) * BLOCK];
        let mut normals = vec![0.0; (axes + 2) * BLOCK];
        let mut taken = Taken::new();
        let mut columns = Columns {
            from: [Position::default(); BLOCK],
            cell: [0; BLOCK],
            turns: [0; BLOCK],
            heat: [0.0; BLOCK],
            thermal: [0.0; BLOCK],
            diffusivity: [0.0; BLOCK],
            inner: [0.0; BLOCK],
            energy: [0.0; BLOCK],
            slope: vec![0.0; axes * BLOCK],
            before: vec![0.0; axes * BLOCK],
        };
        let naive = self.scheme == Scheme::EulerMaruyama;
        let places = walkers.position.chunks_mut(BLOCK).zip(walkers.state.chunks_mut(BLOCK));
        let rest = walkers.laps.chunks_mut(BLOCK).zip(walkers.coordinate.chunks_mut(axes * BLOCK));
        for (((position, state), (laps, coordinate)), first) in places.zip(rest).zip((0u32..).step_by(BLOCK))
        {
            let mut block = Block { first, position, state, laps, coordinate };
            let n = block.state.len();
            for (cell, position) in columns.cell.iter_mut().zip(block.position.iter()) {
                *cell = position.cell(self.grid.cells()) as u32;
            }
            for i in 0..n {
                let entry = i * axes..(i + 1) * axes;
                let place = (block.state[i], block.position[i], &block.coordinate[entry.clone()]);
                columns.inner[i] = self.inner(place.0, place.1, place.2, &mut columns.slope[entry]);
            }
            for _ in 0..self.steps(span) {
                // Normal deviates of two moves and a shift, then decisions: of the shift, of two moves, of transitions.
                let gaussian = (axes + 2) * n;
                let decisions =
                    1 + if self.free { 0 } else { 2 } + if self.reactions.is_some() { 2 } else { 0 };
                let used = gaussian + decisions * n;
                stream.fill(&mut words[..used]);
                standard_normals(&mut words[..gaussian], &mut normals[..gaussian]);
                let (normal, decide) = (|k: usize| &normals[k * n..(k + 1) * n], &words[gaussian..used]);
                let word = |k: usize| decide.get(k * n..(k + 1) * n).unwrap_or_default();
                let waiting = |k: usize| &decide[(decisions - 2 + k) * n..(decisions - 1 + k) * n];
                let sideways = &normals[2 * n..gaussian];
                if naive {
                    if let Some(reactions) = &self.reactions {
                        let place = (&columns.cell, waiting(0), self.dt);
                        self.react(reactions, &mut block, place, (stream, &mut taken), tally)?;
                    }
                    self.shift::<T, N>(&mut block, &mut columns, (sideways, word(0)), tally)?;
                    self.ready::<N>(&block, &mut columns)?;
                    let whole = (self.dt, Visits::All);
                    self.travel::<T, N>(&mut block, &mut columns, (normal(0), word(1)), whole, tally)?;
                    self.see::<T, N>(&block, &mut columns, tally)?;
                    continue;
                }
                self.ready::<N>(&block, &mut columns)?;
                let half = (0.5 * self.dt, Visits::All);
                self.travel::<T, N>(&mut block, &mut columns, (normal(0), word(1)), half, tally)?;
                self.see::<T, N>(&block, &mut columns, tally)?;
                let half = (0.5 * self.dt, Visits::None);
                self.travel::<T, N>(&mut block, &mut columns, (normal(1), word(2)), half, tally)?;
                if let Some(reactions) = &self.reactions {
                    let place = (&columns.cell, waiting(0), 0.5 * self.dt);
                    self.react(reactions, &mut block, place, (stream, &mut taken), tally)?;
                }
                self.shift::<T, N>(&mut block, &mut columns, (sideways, word(0)), tally)?;
                if let Some(reactions) = &self.reactions {
                    let place = (&columns.cell, waiting(1), 0.5 * self.dt);
                    self.react(reactions, &mut block, place, (stream, &mut taken), tally)?;
                }
            }
        }
        Ok(())
    }

    /// Looks up diffusivities, which moves without a force keep.
    #[inline(always)]
    fn ready<const N: usize>(&self, block: &Block<'_>, columns: &mut Columns) -> Result<(), KernelError> {
        let axes = if N == 1 { 1 } else { self.axes.len() };
        if self.free {
            for (i, q) in block.coordinate.chunks(axes).enumerate() {
                columns.diffusivity[i] = self.diffusivity(block.state[i], block.position[i], q)?;
            }
        }
        Ok(())
    }
}

impl Continuous {
    /// What Euler-Maruyama moves do where the diffusivity depends on x: a chain of moves of length `t` has the density of
    /// `D P + t d_x^2(D^2 P)/2 = C`, that is `-t d_x^2 D/2` in parts of itself in the bulk, and at a wall a layer of the length
    /// `s = sqrt(2 D t)` in which it is off by `0.57 s |d_x ln D|`.
    fn uneven(&self) -> Option<Caution> {
        let law = Boltzmann::new(&self.model, &self.ends)?;
        let varying: Vec<usize> = (0..self.states.len()).filter(|s| self.states[*s].varies).collect();
        let time = if self.scheme == Scheme::EulerMaruyama { self.dt } else { 0.5 * self.dt };
        let (mut wall, mut bulk, mut layer) = (0.0f64, 0.0f64, 0.0f64);
        for state in varying {
            for x in places(&self.model) {
                let along = law.along(state, x);
                bulk = bulk.max(0.5 * time * along.bend.abs());
                let walled = self.model.domain.walls == Boundary::Reflecting;
                if walled && (x == 0.0 || x == self.model.domain.length) {
                    wall = wall.max(AT_WALL * libm::sqrt(2.0 * time * along.change));
                    layer = layer.max(libm::sqrt(2.0 * time * along.diffusivity));
                }
            }
        }
        // A tenth of a per cent is less than runs see.
        let largest = wall.max(bulk);
        if largest < 1e-3 || largest.is_nan() {
            return None;
        }
        Some(Caution {
            seen: "the diffusivity along x depends on x, and moves are Euler-Maruyama steps".into(),
            meaning: if wall > 0.0 {
                format!(
                    "within {layer:.1e} of a wall the density is off by up to {wall:.1e} of itself, elsewhere by about {bulk:.1e}"
                )
            } else {
                format!("the density is off by about {bulk:.1e} of itself")
            },
            remedy: "run again with a quarter of this dt: errors at walls fall by half, others to a quarter"
                .into(),
        })
    }
}

/// A coordinate brought back into its range, and -1 if an odd number of mirrors was on the way.
#[inline(always)]
fn folded(range: Range, q: f64) -> (f64, f64) {
    match range {
        Range::Unbounded => (q, 1.0),
        Range::Periodic([low, high]) => {
            let inside = q >= low && q < high;
            if inside {
                return (q, 1.0);
            }
            let width = high - low;
            let turned = q - libm::floor((q - low) / width) * width;
            (if turned >= high { low } else { turned }, 1.0)
        }
        Range::Walls([low, high]) => {
            let inside = q >= low && q <= high;
            if inside {
                return (q, 1.0);
            }
            let width = high - low;
            let place = (q - low) / (2.0 * width);
            let place = 2.0 * (place - libm::floor(place));
            if place <= 1.0 { (low + place * width, 1.0) } else { (low + (2.0 - place) * width, -1.0) }
        }
    }
}

impl Room {
    fn new(model: &Model, coordinates: &Coordinates, state: usize, ends: &[[f64; 2]], dt: f64) -> Self {
        let length = model.domain.length;
        let whole = crate::expression::Interval::new(0.0, length);
        let outer = model.potentials(state).next().is_some().then(|| {
            let kinks: Vec<f64> = model.force_kinks(state).iter().map(|x| x / length).collect();
            Curve::new(&|x| model.potential_energy(state, x * length), &kinks)
        });
        let surface = coordinates.diffusivity(state);
        let inner_force = coordinates.potentials(state).any(|u| u.depends_on_x());
        let (mut energy, mut middle, mut diffusivity) = (None, None, None);
        if let [[low, high]] = *ends {
            let line = crate::expression::Interval::new(low, high);
            if !inner_force {
                let at = |q: f64| {
                    let q = [q];
                    (coordinates.energy(state, 0.0, &q), coordinates.energy_slope_q(state, 0.0, &q, 0))
                };
                let kinks: Vec<f64> =
                    coordinates.potentials(state).flat_map(|u| u.kinks_q(0, line)).collect();
                let coldest = model.thermal_energy_bounds(whole).lo.max(0.0);
                let relief = Relief::new(&at, [low, high], &kinks, ENERGY_TOLERANCE * coldest);
                if let Response::Mobility(mobility) = coordinates.axes[0].response {
                    middle = Some(middle_of(&relief, 0.5 * mobility * dt, [low, high]));
                }
                energy = Some(relief);
            }
            if !surface.depends_on_x() {
                let at = |q: f64| (surface.value(0.0, &[q]), surface.slope_q(0.0, &[q], 0));
                let largest = (0..=64)
                    .map(|k| at(low + (high - low) * f64::from(k) / 64.0).0.abs())
                    .fold(0.0, |most: f64, d| if d.is_finite() { most.max(d) } else { most });
                let kinks = surface.kinks_q(0, line);
                diffusivity = Some(Relief::new(&at, [low, high], &kinks, DIFFUSIVITY_TOLERANCE * largest));
            }
        }
        Room {
            enthalpy: model.network.states()[state].energy,
            forced: outer.is_some() || inner_force,
            varies: surface.depends_on_x(),
            outer,
            energy,
            middle,
            diffusivity,
        }
    }
}

/// The table of `R(z)`, `m + h U'(m) = z`. What it holds need not be accurate, see [`Scheme::Midpoint`].
fn middle_of(energy: &Relief, h: f64, [low, high]: [f64; 2]) -> Relief {
    let root = |z: f64| {
        // The left side grows with m unless the step is far too long.
        let (mut below, mut above) = (low, high);
        for _ in 0..50 {
            let m = 0.5 * (below + above);
            if m + h * energy.look_up(m).1 < z { below = m } else { above = m }
        }
        0.5 * (below + above)
    };
    let step = 1e-6 * (high - low);
    Relief::new(
        &|z| (root(z), (root(z + step) - root(z - step)) / (2.0 * step)),
        [low, high],
        &[],
        1e-6 * (high - low),
    )
}

/// Curvature of the potential times mobility and step, at the bottom of the steepest well, of an automatic step.
const STIFFNESS: f64 = 0.1;

/// `k a dt^2` of an automatic step.
const COUPLING: f64 = 0.006;

/// Length of half a move of an automatic step over that on which the diffusivity changes.
const UNEVENNESS: f64 = 0.05;

/// Error of the density at a wall over that ratio, where moves are Euler-Maruyama steps.
const AT_WALL: f64 = 0.57;

/// Places along x at which an automatic step looks.
const PLACES: u32 = 17;

/// Largest rate of transitions times an automatic step.
const TRANSITIONS: f64 = 0.1;

/// A step that keeps the bias of the heat current to about half a per cent; 0 where the model has no usable coordinates.
///
/// With the curvature `U''` of the steepest well, `k = mu U''`, the rate `a = <D> (pi/L)^2 + <D (d_x E)^2>/kT^2` at which x relaxes,
/// rates of transitions `r`, and `c = <(d_x D)^2/D>`, all where they are largest, it is the largest with `k dt <= 0.1`,
/// `k a dt^2 <= 0.006`, `r dt <= 0.1` and `c dt <= 0.05^2`.
pub fn automatic_step(model: &Model) -> f64 {
    let (Some(coordinates), Ok(reach)) = (&model.coordinates, model.coordinate_reach()) else {
        return 0.0;
    };
    let Some(law) = Boltzmann::new(model, &reach.ends) else {
        return 0.0;
    };
    let (mut stiffness, mut relaxation, mut rate, mut change) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
    let mode = (PI / model.domain.length) * (PI / model.domain.length);
    for x in places(model) {
        for state in 0..model.network.states().len() {
            let along = law.along(state, x);
            relaxation = relaxation.max(along.diffusivity * mode + along.confinement);
            change = change.max(along.change);
            let bottoms: Vec<Vec<f64>> = if reach.ends.len() == 1 {
                model.wells(state, x, reach.ends[0]).iter().map(|well| vec![well.bottom]).collect()
            } else {
                vec![reach.bottom.clone()]
            };
            for q in &bottoms {
                for axis in 0..coordinates.axes.len() {
                    let k = model.internal_mobility(axis, x)
                        * curvature(model, (state, x, q), axis, &reach.ends[axis]);
                    stiffness = stiffness.max(k);
                }
                let exits = model.network.channels().filter(|c| c.from == state);
                rate = rate.max(exits.map(|c| model.rate_within(c, x, q)).sum());
            }
        }
    }
    let limits = [
        STIFFNESS / stiffness,
        libm::sqrt(COUPLING / (stiffness * relaxation)),
        TRANSITIONS / rate,
        UNEVENNESS * UNEVENNESS / change,
    ];
    let step = limits.into_iter().filter(|dt| *dt > 0.0).fold(f64::INFINITY, f64::min);
    if step.is_finite() { step } else { 0.0 }
}

fn places(model: &Model) -> impl Iterator<Item = f64> + use<> {
    let length = model.domain.length;
    (0..PLACES).map(move |k| length * f64::from(k) / f64::from(PLACES - 1))
}

/// Curvature of the energy along a coordinate, over a thermal width; at least that of a box without a potential.
fn curvature(model: &Model, (state, x, q): (usize, f64, &[f64]), axis: usize, [low, high]: &[f64; 2]) -> f64 {
    let thermal = model.thermal_energy(x);
    let flat = thermal * (PI / (high - low)) * (PI / (high - low));
    let energy = |by: f64| {
        let mut q = q.to_vec();
        q[axis] = (q[axis] + by).clamp(*low, *high);
        model.energy_within(state, x, &q)
    };
    // Out to where the energy has grown by kT/8, so that kinks have a finite curvature.
    let mut width = 0.25 * (high - low);
    let mut bend = flat;
    for _ in 0..60 {
        let rise = 0.5 * (energy(width) + energy(-width)) - energy(0.0);
        bend = 2.0 * rise / (width * width);
        if rise < 0.125 * thermal {
            break;
        }
        width *= 0.8;
    }
    if bend.is_finite() { bend.max(flat) } else { flat }
}

impl Kernel for Continuous {
    fn states(&self) -> usize {
        self.states.len()
    }

    fn dwell(&self, _state: usize, _cell: usize) -> f64 {
        self.dt
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        Some(self.steps(span) as f64 * self.dt)
    }

    fn coordinate_ends(&self) -> &[[f64; 2]] {
        &self.ends
    }

    fn cautions(&self) -> Vec<Caution> {
        let best = automatic_step(&self.model);
        let mut cautions = Vec::new();
        if self.dt > 2.0 * best {
            cautions.push(Caution {
                seen: format!(
                    "dt is {:.1} times the step that keeps the heat current to about half a per cent",
                    self.dt / best
                ),
                meaning:
                    "moves and shifts are split, and shifts follow their forces step by step: currents are off"
                        .into(),
                remedy: format!("take dt below {best:.1e}"),
            });
        }
        cautions.extend(self.uneven());
        cautions
    }

    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        let expected = walkers.len() * self.axes.len();
        if walkers.coordinate.len() != expected {
            return Err(KernelError::Coordinates(CoordinateError::None));
        }
        if self.axes.len() == 1 {
            self.go::<T, 1>(walkers, span, stream, tally)
        } else {
            self.go::<T, MOST_AXES>(walkers, span, stream, tally)
        }
    }
}
