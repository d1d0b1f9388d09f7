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
//! 3. **O** half of the exchange with the bath at `x`: `v -> c v + sqrt((1 - c^2) kT/m) N(0, 1)`,
//!    `c = exp(-gamma dt/2m)`;
//! 4. transitions at frozen `x` for `dt/2`, at constant kinetic energy: `v -> v sqrt(m_from/m_to)`;
//!    here walkers are seen ([`Moment::Middle`]); transitions for another `dt/2`;
//! 5. **O**, **A**, **B** again; walkers are seen ([`Moment::End`]).
//!
//! **Errors.** Order 2 in `dt`. At uniform temperature positions in a harmonic well follow Boltzmann's law
//! for any step, and without a force Maxwell's law holds exactly. In a gradient without a force, in the bulk,
//! with `z = 3 gamma dt/2m`: the heat that passes, carried by moves and absorbed from the bath, is too large by
//! `z coth z`; so is `m <v^3>/2` at the end of a step, while in the middle it is off by `z/sinh z`. The weights
//! 2/3 (middle) and 1/3 (end) cancel the term `z^2`. Without friction and force the energy of every walker
//! is conserved exactly.
//!
//! **When not to use it:** where `gamma dt/m` would have to be small for thousands of steps, that is in the
//! overdamped limit, which [`super::Exact`] samples without a step.
//!
//! Leimkuhler & Matthews, Appl. Math. Res. eXpress 2013, 34 (2013); the transitions as in
//! [`super::EulerMaruyama`].

use super::curve::Curve;
use super::frozen::Frozen;
use super::taken::Taken;
use super::{BLOCK, Caution, Kernel, KernelError, Span};
use crate::event::{Kicks, Moment, Moves, Position, Sightings, Tally, Visits, Walkers};
use crate::grid::Grid;
use crate::model::{Boundary, Field, Model};
use crate::rng::{Stream, exponential, standard_normals};
use std::sync::Arc;

/// `gamma dt/m` beyond which a user is cautioned: 3 % of the conserved heat current.
const MOST_FRICTION: f64 = 0.2;

/// Transitions per step beyond which a user is cautioned.
const MOST_TRANSITIONS: f64 = 0.05;

/// Length of a step at thermal velocity over that of the domain beyond which a user is cautioned.
const LONGEST_STRIDE: f64 = 0.05;

/// The method `baoab`.
#[derive(Clone, Debug)]
pub struct Baoab {
    model: Model,
    grid: Grid,
    dt: f64,
    motion: Vec<Motion>,
    /// What happens besides motion; none where no state can be left.
    frozen: Option<Frozen>,
}

/// What a step asks of a state.
#[derive(Clone, Debug)]
struct Motion {
    mass: f64,
    friction: Arc<dyn Field>,
    /// `c = exp(-gamma dt/2m)`.
    decay: Curve,
    /// `sqrt((1 - c^2) kT/m)`.
    noise: Curve,
    /// `-U' dt/2m`, if a force acts.
    push: Option<Curve>,
}

impl Baoab {
    /// Prepares steps of length `dt` for `model`.
    ///
    /// # Errors
    /// [`KernelError::Overdamped`] if a state has no mass or no friction, or propels itself;
    /// [`KernelError::Unbounded`] if a rate has no finite bound, a friction may be negative, or `dt` is not
    /// positive and finite.
    pub fn new(model: &Model, grid: &Grid, dt: f64) -> Result<Self, KernelError> {
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(KernelError::Unbounded { what: "the step dt".into(), x: 0.0, low: dt, high: dt });
        }
        let states = model.network.states();
        let motion = (0..states.len()).map(|s| Motion::new(model, s, dt)).collect::<Result<_, _>>()?;
        let still = model.network.edges().is_empty();
        let frozen = if still { None } else { Some(Frozen::new(model, grid, dt)?) };
        Ok(Baoab { model: model.clone(), grid: *grid, dt, motion, frozen })
    }

    /// The step.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    fn steps(&self, span: Span) -> u64 {
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

    /// What a state needs; where no state can be left there is one only.
    #[inline(always)]
    fn motion<const REACTS: bool>(&self, state: u16) -> &Motion {
        &self.motion[if REACTS { usize::from(state) } else { 0 }]
    }

    /// What acts on walker `i` at its place.
    #[inline(always)]
    fn look_up(&self, i: usize, state: u16, position: Position, bath: &mut Bath) {
        let motion = &self.motion[usize::from(state)];
        let x = || position.fraction() * self.model.domain.length;
        bath.half_mass[i] = 0.5 * motion.mass;
        bath.decay[i] = motion.decay.at(position, || motion.decay(self.dt, x()));
        bath.noise[i] = motion.noise.at(position, || motion.noise(&self.model, self.dt, x()));
    }

    /// The same for all.
    #[inline(always)]
    fn look_up_all<const REACTS: bool>(&self, block: &Block<'_>, bath: &mut Bath) {
        let n = block.state.len();
        if REACTS {
            for (i, (state, position)) in block.state.iter().zip(block.position.iter()).enumerate() {
                self.look_up(i, *state, *position, bath);
            }
        } else {
            let (motion, length) = (&self.motion[0], self.model.domain.length);
            bath.half_mass[..n].fill(0.5 * motion.mass);
            let decay = |p: Position| motion.decay(self.dt, p.fraction() * length);
            let noise = |p: Position| motion.noise(&self.model, self.dt, p.fraction() * length);
            motion.decay.fill(&mut bath.decay[..n], block.position, decay);
            motion.noise.fill(&mut bath.noise[..n], block.position, noise);
        }
    }

    /// B: half a kick by the force.
    #[inline(always)]
    fn push<T: Tally, const REACTS: bool>(
        &self,
        block: &mut Block<'_>,
        columns: &mut Columns,
        tally: &mut T,
    ) {
        let n = block.state.len();
        let Columns { before, exchange, cell, .. } = columns;
        before[..n].copy_from_slice(block.velocity);
        let places = block.position.iter().zip(block.velocity.iter_mut()).zip(block.state.iter());
        for (exchange, ((position, velocity), state)) in exchange.iter_mut().zip(places) {
            let motion = self.motion::<REACTS>(*state);
            let u = *velocity;
            if let Some(push) = &motion.push {
                let x = || position.fraction() * self.model.domain.length;
                let exact = || motion.push(&self.model, usize::from(*state), self.dt, x());
                *velocity += push.at(*position, exact);
            }
            *exchange = 0.5 * motion.mass * (*velocity - u) * (*velocity + u);
        }
        tally.kicks(&Kicks {
            state: block.state,
            position: block.position,
            cell: &cell[..n],
            before: &before[..n],
            after: block.velocity,
            heat: &NOTHING[..n],
            work: &exchange[..n],
        });
    }

    /// A: free flight for half a step.
    #[inline(always)]
    fn fly<T: Tally>(&self, block: &mut Block<'_>, columns: &mut Columns, visits: Visits<'_>, tally: &mut T) {
        let n = block.state.len();
        let reach = 0.5 * self.dt / self.model.domain.length;
        let Columns { from, cell, turns, .. } = columns;
        from[..n].copy_from_slice(block.position);
        let ring = self.model.domain.walls == Boundary::Periodic;
        if ring {
            let places = block.position.iter_mut().zip(block.velocity.iter());
            for ((position, velocity), (turns, laps)) in
                places.zip(turns.iter_mut().zip(block.laps.iter_mut()))
            {
                (*position, *turns) = position.turned_by(*velocity * reach);
                *laps = laps.wrapping_add(*turns);
            }
        } else {
            for (position, velocity) in block.position.iter_mut().zip(block.velocity.iter_mut()) {
                *position = position.flown(*velocity * reach);
                *velocity = position.reflected(*velocity);
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
            coordinate: &[],
            heat: &[],
        });
    }

    /// O: half of the exchange with the bath.
    #[inline(always)]
    fn exchange<T: Tally>(
        &self,
        block: &mut Block<'_>,
        columns: &mut Columns,
        (bath, normals): (&Bath, &[f64]),
        tally: &mut T,
    ) {
        let n = block.state.len();
        let Columns { before, exchange, cell, .. } = columns;
        before[..n].copy_from_slice(block.velocity);
        let acts = bath.decay.iter().zip(&bath.noise).zip(normals);
        for (velocity, ((decay, noise), normal)) in block.velocity.iter_mut().zip(acts) {
            *velocity = decay * *velocity + noise * normal;
        }
        let ends = block.velocity.iter().zip(before.iter()).zip(&bath.half_mass);
        for (heat, ((v, u), half_mass)) in exchange.iter_mut().zip(ends) {
            *heat = half_mass * (v - u) * (v + u);
        }
        tally.kicks(&Kicks {
            state: block.state,
            position: block.position,
            cell: &cell[..n],
            before: &before[..n],
            after: block.velocity,
            heat: &exchange[..n],
            work: &NOTHING[..n],
        });
    }

    /// Transitions for half a step. Waiting times that do not end within the step are set to infinity first.
    #[inline]
    fn react<T: Tally>(
        &self,
        frozen: &Frozen,
        block: &mut Block<'_>,
        (cell, bath, waiting): (&[u32; BLOCK], &mut Bath, &mut [f64; BLOCK]),
        taken: &mut Taken,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        for i in 0..block.state.len() {
            if waiting[i] == f64::INFINITY {
                continue;
            }
            let place = (block.first + i as u32, block.position[i], cell[i]);
            let from = self.motion[usize::from(block.state[i])].mass;
            let wait = (waiting[i], 0.5 * self.dt);
            waiting[i] = frozen.pass(wait, &mut block.state[i], place, stream, taken, tally)?;
            let to = self.motion[usize::from(block.state[i])].mass;
            block.velocity[i] *= libm::sqrt(from / to);
            self.look_up(i, block.state[i], block.position[i], bath);
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
        let mut words = [0u64; 3 * BLOCK];
        let mut normals = [0.0; 2 * BLOCK];
        let mut waiting = [0.0; BLOCK];
        let mut taken = Taken::new();
        let mut columns = Columns {
            from: [Position::default(); BLOCK],
            before: NOTHING,
            exchange: NOTHING,
            cell: [0; BLOCK],
            turns: [0; BLOCK],
        };
        let mut bath = Bath { decay: NOTHING, noise: NOTHING, half_mass: NOTHING };
        let places = walkers.position.chunks_mut(BLOCK).zip(walkers.velocity.chunks_mut(BLOCK));
        let rest = walkers.state.chunks_mut(BLOCK).zip(walkers.laps.chunks_mut(BLOCK));
        for (((position, velocity), (state, laps)), first) in places.zip(rest).zip((0u32..).step_by(BLOCK)) {
            let mut block = Block { first, position, velocity, state, laps };
            let n = block.state.len();
            for (cell, position) in columns.cell.iter_mut().zip(block.position.iter()) {
                *cell = position.cell(self.grid.cells()) as u32;
            }
            for _ in 0..self.steps(span) {
                let used = if REACTS { 3 * n } else { 2 * n };
                stream.fill(&mut words[..used]);
                standard_normals(&mut words[..2 * n], &mut normals[..2 * n]);
                if FORCED {
                    self.push::<T, REACTS>(&mut block, &mut columns, tally);
                }
                self.fly(&mut block, &mut columns, Visits::None, tally);
                self.look_up_all::<REACTS>(&block, &mut bath);
                self.exchange(&mut block, &mut columns, (&bath, &normals[..n]), tally);
                if let Some(frozen) = self.frozen.as_ref().filter(|_| REACTS) {
                    for (i, (waiting, word)) in waiting.iter_mut().zip(&words[2 * n..3 * n]).enumerate() {
                        let time = exponential(*word);
                        let ends = time < frozen.ceiling(block.state[i], columns.cell[i]);
                        *waiting = if ends { time } else { f64::INFINITY };
                    }
                    let place = (&columns.cell, &mut bath, &mut waiting);
                    self.react(frozen, &mut block, place, &mut taken, stream, tally)?;
                }
                Self::see(&block, Moment::Middle, tally);
                if let Some(frozen) = self.frozen.as_ref().filter(|_| REACTS) {
                    let place = (&columns.cell, &mut bath, &mut waiting);
                    self.react(frozen, &mut block, place, &mut taken, stream, tally)?;
                }
                self.exchange(&mut block, &mut columns, (&bath, &normals[n..2 * n]), tally);
                self.fly(&mut block, &mut columns, Visits::All, tally);
                if FORCED {
                    self.push::<T, REACTS>(&mut block, &mut columns, tally);
                }
                Self::see(&block, Moment::End, tally);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn see<T: Tally>(block: &Block<'_>, moment: Moment, tally: &mut T) {
        let Block { state, position, velocity, .. } = block;
        tally.sightings(&Sightings { moment, state, position, velocity, coordinate: &[], energy: &[] });
    }
}

impl Motion {
    fn new(model: &Model, state: usize, dt: f64) -> Result<Self, KernelError> {
        let own = &model.network.states()[state];
        let (Some(mass), Some(friction), false) =
            (own.mass, model.friction(state).cloned(), model.has_drift(state))
        else {
            return Err(KernelError::Overdamped { state: own.name.clone() });
        };
        let length = model.domain.length;
        let whole = crate::expression::Interval::new(0.0, length);
        let bounds = friction.bounds(whole);
        if !(bounds.lo >= 0.0 && bounds.hi.is_finite()) {
            let what = format!("the friction of {}", own.name);
            return Err(KernelError::Unbounded { what, x: 0.0, low: bounds.lo, high: bounds.hi });
        }
        let mut kinks = model.force_kinks(state);
        kinks.extend(friction.kinks(whole));
        kinks.iter_mut().for_each(|x| *x /= length);
        let empty = Curve::new(&|_| 0.0, &[]);
        let mut motion = Motion { mass, friction, decay: empty.clone(), noise: empty, push: None };
        motion.decay = Curve::new(&|fraction| motion.decay(dt, fraction * length), &kinks);
        motion.noise = Curve::new(&|fraction| motion.noise(model, dt, fraction * length), &kinks);
        let push = |fraction: f64| motion.push(model, state, dt, fraction * length);
        motion.push = model.has_force(state).then(|| Curve::new(&push, &kinks));
        Ok(motion)
    }

    fn decay(&self, dt: f64, x: f64) -> f64 {
        libm::exp(-0.5 * self.friction.value(x) * dt / self.mass)
    }

    fn noise(&self, model: &Model, dt: f64, x: f64) -> f64 {
        let forgotten = -libm::expm1(-self.friction.value(x) * dt / self.mass);
        libm::sqrt(forgotten * model.thermal_energy(x) / self.mass)
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

/// What is handed to the tally besides.
struct Columns {
    from: [Position; BLOCK],
    before: [f64; BLOCK],
    exchange: [f64; BLOCK],
    cell: [u32; BLOCK],
    turns: [i32; BLOCK],
}

/// The bath where each walker is.
struct Bath {
    decay: [f64; BLOCK],
    noise: [f64; BLOCK],
    half_mass: [f64; BLOCK],
}

/// No heat, or no work.
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

    fn cautions(&self) -> Vec<Caution> {
        let mut cautions = Vec::new();
        let damping = self.largest(|m, x| m.friction.value(x) * self.dt / m.mass);
        if damping > MOST_FRICTION {
            let z = 1.5 * damping;
            cautions.push(Caution {
                seen: format!("the largest gamma dt/m is {damping:.2}"),
                meaning: format!(
                    "the heat that the particles carry is too large by {:.0} % in the bulk; density and \
                     kinetic energy hardly suffer",
                    100.0 * (z / libm::tanh(z) - 1.0)
                ),
                remedy: format!("take dt below {:.1e}", self.dt * MOST_FRICTION / damping),
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
