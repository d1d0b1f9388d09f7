//! Underdamped particles: free flight, exchange with the bath, kicks by forces, in a symmetric order.
//!
//! Kramers' equation in state `i` (Eq 17 of the paper; mass `m`, friction `gamma(x)`, energy `U + U_i`):
//!
//! `d_t P + v d_x P - (U'/m) d_v P = (gamma/m) d_v( v P + (kT/m) d_v P ) + transitions`.
//!
//! One step of length `dt`:
//!
//! 1. **B** `v -> v - U'(x) dt/2m`;
//! 2. **A** free flight for `dt/2`; walls turn velocities round, exactly;
//! 3. transitions at frozen `x` for `dt/2`, at constant kinetic energy: `v -> v sqrt(m_from/m_to)`;
//! 4. **O** exchange with the bath: `v -> c v + sqrt((1 - c^2) kT(y)/m) N(0, 1)`;
//! 5. transitions, **A**, **B** again; walkers are seen.
//!
//! Two baths:
//!
//! - [`Baoab::new`], the exact one of a resting particle: `c = exp(-gamma dt/m)`, `y = x`;
//! - [`Baoab::with_exact_flux`]: with `theta = gamma dt/2m < 1`,
//!   `c = (1 - theta)/(1 + theta)`, `y = x + v dt 2 theta/(3 (1 - theta))`, `v` the velocity before the exchange.
//!
//! **Why the second.** In the bulk, to first order in `T'`, a flight for `dt` adds `-dt s` to the coefficient of the third
//! Hermite mode of `v`, `s = P T'/(2 sqrt(m kT))`; Kramers' equation wants `-(m/3 gamma) s`. The chain has at the end of a
//! step, with the noise of the temperature at `y = x + delta v`,
//!
//! `[c (1 - c^2) delta - (dt/2)(1 + c^3)] s / (1 - c^3)`:
//!
//! with `delta = 0` too much by `z coth z` for the exact bath, `z = 3 gamma dt/2m`; with the `delta` above, right at any
//! step. No other mode is touched, so all that follows from this one is right: the heat carried by
//! moves, that absorbed from the bath, `m <v^3>/2` at the end of a step, slow and fast currents. That `c` does the same for the
//! first mode, hence for diffusion and the currents of states. At uniform temperature `y` has no meaning.
//!
//! **Errors.** Order 2 in `dt` (forces, curvature of `T`, layers at walls). At uniform temperature positions in a harmonic
//! well follow Boltzmann's law for any step, and without a force Maxwell's law holds exactly. Without friction and
//! force the energy of every walker is conserved exactly.
//!
//! **When not to use it:** where `gamma dt/m` would have to be small for thousands of steps, that is in the
//! overdamped limit, which [`super::Exact`] samples without a step.
//!
//! Leimkuhler & Matthews, Appl. Math. Res. eXpress 2013, 34 (2013); the transitions as in
//! [`super::EulerMaruyama`].

use super::bounds::widened;
use super::curve::Curve;
use super::frozen::Frozen;
use super::taken::Taken;
use super::{BLOCK, Caution, Kernel, KernelError, Span};
use crate::event::{Kicks, Moves, Position, Sightings, Tally, Visits, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Field, Model};
use crate::rng::{Stream, standard_normals};
use std::sync::Arc;

/// `gamma dt/m` beyond which a user of the exact bath is cautioned: 3 % of the conserved heat current.
const MOST_FRICTION: f64 = 0.2;

/// `gamma dt/m` beyond which a user of the exact flux is cautioned.
const MOST_FRICTION_OF_FLUX: f64 = 1.0;

/// Transitions per step beyond which a user is cautioned.
const MOST_TRANSITIONS: f64 = 0.05;

/// Length of a step at thermal velocity over that of the domain beyond which a user is cautioned.
const LONGEST_STRIDE: f64 = 0.05;

/// The methods `baoab` and `baoab_flux`.
#[derive(Clone, Debug)]
pub struct Baoab {
    model: Model,
    grid: Grid,
    dt: f64,
    bath: Bath,
    motion: Vec<Motion>,
    /// `sqrt(kT)`.
    warmth: Curve,
    /// What happens besides motion; none where no state can be left.
    frozen: Option<Frozen>,
}

/// How velocities are forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bath {
    /// As by a particle that rests.
    Exact,
    /// So that fluxes are exact.
    Flux,
}

/// What a step asks of a state.
#[derive(Clone, Debug)]
struct Motion {
    mass: f64,
    friction: Arc<dyn Field>,
    /// `c`.
    decay: Curve,
    /// `-U' dt/2m`, if a force acts.
    push: Option<Curve>,
}

impl Baoab {
    /// Prepares steps of length `dt` for `model`, with the exact bath of a resting particle.
    ///
    /// # Errors
    /// [`KernelError::Overdamped`] if a state has no mass or no friction, or propels itself;
    /// [`KernelError::Unbounded`] if a rate has no finite bound, a friction may be negative, or `dt` is not
    /// positive and finite.
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Self, KernelError> {
        Self::with_bath(model, grid, dt, Bath::Exact)
    }

    /// Prepares steps of length `dt` for `model`, with fluxes that are exact in the bulk.
    ///
    /// # Errors
    /// Those of [`Baoab::new`], and [`KernelError::StepTooLong`] if `gamma dt < 2 m` does not hold everywhere.
    pub fn with_exact_flux(model: &Model, grid: &Grid, dt: f64) -> Result<Self, KernelError> {
        Self::with_bath(model, grid, dt, Bath::Flux)
    }

    fn with_bath(model: &Model, grid: &Grid, dt: f64, bath: Bath) -> Result<Self, KernelError> {
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(KernelError::Unbounded { what: "the step dt".into(), x: 0.0, low: dt, high: dt });
        }
        let states = 0..model.network.states().len();
        let motion = states.map(|s| Motion::new(model, grid, s, dt, bath)).collect::<Result<_, _>>()?;
        let length = model.domain.length;
        let whole = crate::expression::Interval::new(0.0, length);
        let kinks: Vec<f64> = model.temperature.kinks(whole).iter().map(|x| x / length).collect();
        let warmth = Curve::new(&|fraction| warmth(model, fraction * length), &kinks);
        let still = model.network.edges().is_empty();
        let frozen = if still { None } else { Some(Frozen::new(model, grid, dt)?) };
        Ok(Baoab { model: model.clone(), grid: *grid, dt, bath, motion, warmth, frozen })
    }

    /// The step.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// Mass and `c` of every state, and whether fluxes are exact, where no friction varies.
    pub(super) fn plain(&self) -> Option<(Vec<[f64; 2]>, bool)> {
        let motions = self.motion.iter().map(|m| Some([m.mass, m.decay.constant()?])).collect::<Option<_>>();
        Some((motions?, self.bath == Bath::Flux))
    }

    /// What half a kick by the force adds to the velocity of a walker in a state.
    pub(super) fn push(&self, state: usize, x: f64) -> f64 {
        self.motion[state].push(&self.model, state, self.dt, x)
    }

    pub(super) fn steps(&self, span: Span) -> u64 {
        match span {
            Span::Legs(steps) => steps,
            Span::Duration(duration) => libm::round(duration / self.dt).max(1.0) as u64,
        }
    }

    /// The largest value over states and cells.
    fn largest(&self, value: impl Fn(&Motion, f64) -> f64) -> f64 {
        let at = |m: &Motion, c: usize| value(m, self.grid.cell_middle(c));
        self.motion
            .iter()
            .flat_map(|m| (0..self.grid.cells()).map(move |c| (m, c)))
            .fold(0.0, |most, (m, c)| f64::max(most, at(m, c)))
    }

    /// What acts on walker `i` at its place.
    #[inline(always)]
    fn look_up(&self, i: usize, state: u16, position: Position, local: &mut Local) {
        let motion = &self.motion[usize::from(state)];
        let x = || position.fraction() * self.model.domain.length;
        // All from the one number, so that noise and decay fit each other to the last bit.
        let c = motion.decay.at(position, || motion.decay(self.dt, x(), self.bath));
        local.decay[i] = c;
        local.noise[i] = libm::sqrt(((1.0 - c) * (1.0 + c)).max(0.0) / motion.mass);
        local.lead[i] = (1.0 - c) / (3.0 * c) * self.dt / self.model.domain.length;
        local.half_mass[i] = 0.5 * motion.mass;
    }

    /// What B adds to each velocity along the circle.
    #[inline(always)]
    fn force<const REACTS: bool>(&self, block: &Block<'_>, push: &mut [f64]) {
        let length = self.model.domain.length;
        let exact =
            |s: usize, p: Position| self.motion[s].push(&self.model, s, self.dt, p.fraction() * length);
        if REACTS {
            for (push, (position, state)) in
                push.iter_mut().zip(block.position.iter().zip(block.state.iter()))
            {
                let s = usize::from(*state);
                let curve = self.motion[s].push.as_ref();
                *push = curve.map_or(0.0, |curve| curve.at(*position, || exact(s, *position)));
            }
        } else if let Some(curve) = &self.motion[0].push {
            curve.fill(push, block.position, |p| exact(0, p));
        }
        for (push, position) in push.iter_mut().zip(block.position.iter()) {
            *push = position.reflected(*push);
        }
    }

    /// A: free flight for half a step.
    #[inline(always)]
    fn fly(&self, block: &mut Block<'_>, units: &[u64], turns: &mut [i32]) {
        if self.is_ring() {
            let reach = 0.5 * self.dt / self.model.domain.length;
            let places = block.position.iter_mut().zip(block.velocity.iter());
            for ((position, velocity), (turns, laps)) in
                places.zip(turns.iter_mut().zip(block.laps.iter_mut()))
            {
                (*position, *turns) = position.turned_by(*velocity * reach);
                *laps = laps.wrapping_add(*turns);
            }
        } else {
            for (position, units) in block.position.iter_mut().zip(units) {
                *position = position.displaced(*units);
            }
        }
    }

    /// The lengths of these flights.
    #[inline(always)]
    fn measure(&self, velocity: &[f64], units: &mut [u64]) {
        let reach = 0.5 * self.dt / self.model.domain.length;
        for (units, velocity) in units.iter_mut().zip(velocity) {
            *units = Position::units(*velocity * reach);
        }
    }

    fn is_ring(&self) -> bool {
        self.model.domain.walls == Boundary::Periodic
    }

    /// `sqrt(kT)` that each walker feels.
    #[inline(always)]
    fn feel(&self, block: &Block<'_>, lead: &[f64], places: &mut [Position], warmth: &mut [f64]) {
        let asked = |p: Position| self::warmth(&self.model, p.fraction() * self.model.domain.length);
        if self.bath == Bath::Exact || self.warmth.constant().is_some() {
            return self.warmth.fill(warmth, block.position, asked);
        }
        let walkers = block.position.iter().zip(block.velocity.iter()).zip(lead);
        if self.is_ring() {
            for (place, ((position, velocity), lead)) in places.iter_mut().zip(walkers) {
                *place = position.turned_by(velocity * lead).0;
            }
        } else {
            for (place, ((position, velocity), lead)) in places.iter_mut().zip(walkers) {
                *place = position.displaced(Position::units(velocity * lead));
            }
        }
        self.warmth.fill(warmth, places, asked);
    }

    /// Transitions for half a step, of the walkers whose waiting time ends within the step.
    #[inline]
    fn react<T: Tally>(
        &self,
        frozen: &Frozen,
        block: &mut Block<'_>,
        (cell, local, waiting): (&[u32], &mut Local, &mut Waiting),
        taken: &mut Taken,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        for (i, time) in waiting.walker.iter().zip(&mut waiting.time).take(waiting.count) {
            let i = usize::from(*i);
            if *time == f64::INFINITY {
                continue;
            }
            let place = (block.first + i as u32, block.position[i], cell[i]);
            let from = self.motion[usize::from(block.state[i])].mass;
            let wait = (*time, 0.5 * self.dt);
            *time = frozen.pass(wait, &mut block.state[i], place, stream, taken, tally)?;
            let to = self.motion[usize::from(block.state[i])].mass;
            block.velocity[i] *= libm::sqrt(from / to);
            self.look_up(i, block.state[i], block.position[i], local);
        }
        taken.hand_on(tally);
        Ok(())
    }

    /// [`Kernel::advance`], compiled without what the model does not have.
    fn go<T: Tally, const REACTS: bool, const FORCED: bool>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        // Columns that nobody reads are not written: each is a variable of its own.
        let (mut words, mut units) = ([0u64; 2 * BLOCK], [0u64; BLOCK]);
        let (mut normals, mut warmth, mut push) = (NOTHING, NOTHING, NOTHING);
        let (mut before, mut after, mut exchanged) = (NOTHING, NOTHING, NOTHING);
        let (mut from, mut places) = ([Position::default(); BLOCK], [Position::default(); BLOCK]);
        let (mut middle, mut end, mut turns) = ([0u32; BLOCK], [0u32; BLOCK], [0i32; BLOCK]);
        let mut waiting = Waiting { count: 0, walker: [0; BLOCK], time: NOTHING };
        let mut local = Local { decay: NOTHING, noise: NOTHING, lead: NOTHING, half_mass: NOTHING };
        let mut taken = Taken::new();
        let varies = self.motion.iter().any(|m| m.decay.constant().is_none());
        let ring = self.is_ring();
        let blocks = walkers.position.chunks_mut(BLOCK).zip(walkers.velocity.chunks_mut(BLOCK));
        let rest = walkers.state.chunks_mut(BLOCK).zip(walkers.laps.chunks_mut(BLOCK));
        for (((position, velocity), (state, laps)), first) in blocks.zip(rest).zip((0u32..).step_by(BLOCK)) {
            // Within this loop velocities are along the circle, where a wall is a place like any other.
            let mut block = Block { first, position, velocity, state, laps };
            let n = block.state.len();
            let laps = if ring { n } else { 0 };
            block.position.iter_mut().for_each(|position| *position = position.lower());
            for i in 0..n {
                self.look_up(i, block.state[i], block.position[i], &mut local);
            }
            cells(&self.grid, block.position, &mut end);
            along(block.position, block.velocity, &mut after);
            self.measure(block.velocity, &mut units[..n]);
            if FORCED {
                self.force::<REACTS>(&block, &mut push[..n]);
            }
            for _ in 0..self.steps(span) {
                stream.fill(&mut words[..if REACTS { 2 * n } else { n }]);
                standard_normals(&mut words[..n], &mut normals[..n]);
                if FORCED {
                    before = after;
                    local.kick(block.velocity, &push, &mut exchanged);
                    along(block.position, block.velocity, &mut after);
                    tally.kicks(&Kicks {
                        state: block.state,
                        position: block.position,
                        cell: &end[..n],
                        before: &before[..n],
                        after: &after[..n],
                        heat: &[],
                        work: &exchanged[..n],
                    });
                    self.measure(block.velocity, &mut units[..n]);
                }
                from[..n].copy_from_slice(block.position);
                self.fly(&mut block, &units[..n], &mut turns);
                cells(&self.grid, block.position, &mut middle);
                tally.moves(&Moves {
                    visits: Visits::None,
                    state: block.state,
                    from: &from[..n],
                    to: block.position,
                    cell: &middle[..n],
                    laps: &turns[..laps],
                    coordinate: &[],
                    heat: &[],
                });
                if varies {
                    for i in 0..n {
                        self.look_up(i, block.state[i], block.position[i], &mut local);
                    }
                }
                if let Some(frozen) = self.frozen.as_ref().filter(|_| REACTS) {
                    waiting.draw(frozen, block.state, &middle, &words[n..2 * n]);
                    let here = (&middle[..], &mut local, &mut waiting);
                    self.react(frozen, &mut block, here, &mut taken, stream, tally)?;
                }
                self.feel(&block, &local.lead[..n], &mut places[..n], &mut warmth[..n]);
                along(block.position, block.velocity, &mut before);
                local.exchange(block.velocity, (&normals, &warmth), &mut exchanged);
                along(block.position, block.velocity, &mut after);
                tally.kicks(&Kicks {
                    state: block.state,
                    position: block.position,
                    cell: &middle[..n],
                    before: &before[..n],
                    after: &after[..n],
                    heat: &exchanged[..n],
                    work: &[],
                });
                if let Some(frozen) = self.frozen.as_ref().filter(|_| REACTS) {
                    let here = (&middle[..], &mut local, &mut waiting);
                    self.react(frozen, &mut block, here, &mut taken, stream, tally)?;
                }
                from[..n].copy_from_slice(block.position);
                self.measure(block.velocity, &mut units[..n]);
                self.fly(&mut block, &units[..n], &mut turns);
                cells(&self.grid, block.position, &mut end);
                tally.moves(&Moves {
                    visits: Visits::All,
                    state: block.state,
                    from: &from[..n],
                    to: block.position,
                    cell: &end[..n],
                    laps: &turns[..laps],
                    coordinate: &[],
                    heat: &[],
                });
                if FORCED {
                    along(block.position, block.velocity, &mut before);
                    self.force::<REACTS>(&block, &mut push[..n]);
                    local.kick(block.velocity, &push, &mut exchanged);
                }
                along(block.position, block.velocity, &mut after);
                if FORCED {
                    tally.kicks(&Kicks {
                        state: block.state,
                        position: block.position,
                        cell: &end[..n],
                        before: &before[..n],
                        after: &after[..n],
                        heat: &[],
                        work: &exchanged[..n],
                    });
                }
                tally.sightings(&Sightings {
                    state: block.state,
                    position: block.position,
                    velocity: &after[..n],
                    coordinate: &[],
                    energy: &[],
                    slope: &[],
                    diffusivity: &[],
                });
            }
            for (position, velocity) in block.position.iter_mut().zip(block.velocity.iter_mut()) {
                *velocity = position.reflected(*velocity);
                *position = position.lower();
            }
        }
        Ok(())
    }
}

/// Velocities along x.
#[inline(always)]
fn along(positions: &[Position], velocities: &[f64], along: &mut [f64; BLOCK]) {
    for (along, (position, velocity)) in along.iter_mut().zip(positions.iter().zip(velocities)) {
        *along = position.reflected(*velocity);
    }
}

/// Fine cells of some positions.
#[inline(always)]
fn cells(grid: &Grid, positions: &[Position], cells: &mut [u32; BLOCK]) {
    for (cell, position) in cells.iter_mut().zip(positions) {
        *cell = position.cell(grid.cells()) as u32;
    }
}

fn warmth(model: &Model, x: f64) -> f64 {
    libm::sqrt(model.thermal_energy(x))
}

impl Motion {
    fn new(model: &Model, grid: &Grid, state: usize, dt: f64, bath: Bath) -> Result<Self, KernelError> {
        let own = &model.network.states()[state];
        let (Some(mass), Some(friction), false) =
            (own.mass, model.friction(state).cloned(), model.has_drift(state))
        else {
            return Err(KernelError::Overdamped { state: own.name.clone() });
        };
        let length = model.domain.length;
        let bounds = (0..grid.cells()).map(|cell| friction.bounds(widened(grid, cell)));
        let (low, high) = bounds.fold((f64::INFINITY, 0.0f64), |(l, h), b| (l.min(b.lo), h.max(b.hi)));
        if !(low >= 0.0 && high.is_finite()) {
            let what = format!("the friction of {}", own.name);
            return Err(KernelError::Unbounded { what, x: 0.0, low, high });
        }
        let limit = 2.0 * mass / high;
        if bath == Bath::Flux && dt >= limit {
            return Err(KernelError::StepTooLong { state: own.name.clone(), dt, limit });
        }
        let mut kinks = model.force_kinks(state);
        kinks.extend(friction.kinks(crate::expression::Interval::new(0.0, length)));
        kinks.iter_mut().for_each(|x| *x /= length);
        let mut motion = Motion { mass, friction, decay: Curve::new(&|_| 0.0, &[]), push: None };
        motion.decay = Curve::new(&|fraction| motion.decay(dt, fraction * length, bath), &kinks);
        let push = |fraction: f64| motion.push(model, state, dt, fraction * length);
        motion.push = model.has_force(state).then(|| Curve::new(&push, &kinks));
        Ok(motion)
    }

    fn decay(&self, dt: f64, x: f64, bath: Bath) -> f64 {
        let damping = self.friction.value(x) * dt / self.mass;
        match bath {
            Bath::Exact => libm::exp(-damping),
            Bath::Flux => (2.0 - damping) / (2.0 + damping),
        }
    }

    fn push(&self, model: &Model, state: usize, dt: f64, x: f64) -> f64 {
        let slope: f64 = model.potentials(state).map(|u| u.slope(x)).sum();
        -0.5 * slope * dt / self.mass
    }
}

/// Up to [`BLOCK`] walkers.
struct Block<'a> {
    first: u32,
    position: &'a mut [Position],
    velocity: &'a mut [f64],
    state: &'a mut [u16],
    laps: &'a mut [i32],
}

/// Walkers with a waiting time that may end within the step.
struct Waiting {
    count: usize,
    walker: [u8; BLOCK],
    /// In units of the mean; infinite when it does not end within the step after all.
    time: [f64; BLOCK],
}

impl Waiting {
    #[inline(always)]
    fn draw(&mut self, frozen: &Frozen, state: &[u16], cell: &[u32; BLOCK], words: &[u64]) {
        self.count = 0;
        for (i, ((state, cell), word)) in state.iter().zip(cell).zip(words).enumerate() {
            if let Some(time) = frozen.wait(*state, *cell, *word) {
                (self.walker[self.count], self.time[self.count]) = (i as u8, time);
                self.count += 1;
            }
        }
    }
}

/// The bath where each walker is.
struct Local {
    /// `c`.
    decay: [f64; BLOCK],
    /// `sqrt((1 - c^2)/m)`.
    noise: [f64; BLOCK],
    /// Time by which the place whose temperature is felt is ahead, over the length of the domain.
    lead: [f64; BLOCK],
    half_mass: [f64; BLOCK],
}

impl Local {
    /// B: half a kick by the force.
    #[inline(always)]
    fn kick(&self, velocity: &mut [f64], push: &[f64; BLOCK], work: &mut [f64; BLOCK]) {
        let kicks = push.iter().zip(&self.half_mass).zip(work);
        for (v, ((push, half_mass), work)) in velocity.iter_mut().zip(kicks) {
            let u = *v;
            *v = u + push;
            *work = half_mass * push * (*v + u);
        }
    }

    /// O: exchange with the bath.
    #[inline(always)]
    fn exchange(
        &self,
        velocity: &mut [f64],
        (normals, warmth): (&[f64; BLOCK], &[f64; BLOCK]),
        heat: &mut [f64; BLOCK],
    ) {
        let bath = self.decay.iter().zip(&self.noise).zip(&self.half_mass);
        let draws = normals.iter().zip(warmth).zip(heat);
        for (v, (((decay, noise), half_mass), ((normal, warmth), heat))) in
            velocity.iter_mut().zip(bath.zip(draws))
        {
            let u = *v;
            *v = decay * u + noise * warmth * normal;
            *heat = half_mass * (*v - u) * (*v + u);
        }
    }
}

/// No numbers yet.
const NOTHING: [f64; BLOCK] = [0.0; BLOCK];

impl Kernel for Baoab {
    fn states(&self) -> usize {
        self.motion.len()
    }

    fn dwell(&self, _state: usize, _cell: usize) -> f64 {
        self.dt
    }

    fn elapsed(&self, span: Span) -> Option<f64> {
        Some(self.steps(span) as f64 * self.dt)
    }

    /// That of the heat current, `z coth z - 1`; that of the currents of states is smaller.
    fn flux_excess(&self) -> f64 {
        let z = 1.5 * self.largest(|m, x| m.friction.value(x) * self.dt / m.mass);
        if self.bath == Bath::Flux || z == 0.0 { 0.0 } else { z / libm::tanh(z) - 1.0 }
    }

    fn cautions(&self) -> Vec<Caution> {
        let mut cautions = Vec::new();
        let damping = self.largest(|m, x| m.friction.value(x) * self.dt / m.mass);
        let most = if self.bath == Bath::Exact { MOST_FRICTION } else { MOST_FRICTION_OF_FLUX };
        if damping > most {
            let meaning = match self.bath {
                Bath::Exact => format!(
                    "the heat that the particles carry is too large by {:.0} % in the bulk; density and \
                     kinetic energy hardly suffer (baoab_flux has no such bias)",
                    100.0 * self.flux_excess()
                ),
                Bath::Flux => {
                    "heat and particle currents are right in the bulk, but not within a few steps at \
                               thermal velocity of a wall, or where the temperature is curved"
                        .into()
                }
            };
            cautions.push(Caution {
                seen: format!("the largest gamma dt/m is {damping:.2}"),
                meaning,
                remedy: format!("take dt below {:.1e}", self.dt * most / damping),
            });
        }
        let fastest = self.frozen.as_ref().map_or(0.0, Frozen::fastest);
        if fastest > MOST_TRANSITIONS {
            cautions.push(Caution {
                seen: format!("the fastest rate times dt is {fastest:.2}"),
                meaning: "transitions and motion are split".into(),
                remedy: format!("take dt below {:.1e}", self.dt * MOST_TRANSITIONS / fastest),
            });
        }
        let longest = self.largest(|m, x| {
            libm::sqrt(self.model.thermal_energy(x) / m.mass) * self.dt / self.model.domain.length
        });
        if longest > LONGEST_STRIDE {
            cautions.push(Caution {
                seen: format!("one step at thermal velocity covers {longest:.2} of the domain"),
                meaning: "a walker does not see how the temperature changes on its way".into(),
                remedy: format!("take dt below {:.1e}", self.dt * LONGEST_STRIDE / longest),
            });
        }
        cautions
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
        let forced = self.motion.iter().any(|m| m.push.is_some());
        match (self.frozen.is_some(), forced) {
            (false, false) => self.go::<T, false, false>(walkers, span, stream, tally),
            (false, true) => self.go::<T, false, true>(walkers, span, stream, tally),
            (true, false) => self.go::<T, true, false>(walkers, span, stream, tally),
            (true, true) => self.go::<T, true, true>(walkers, span, stream, tally),
        }
    }
}
