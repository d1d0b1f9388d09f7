//! What particles with a velocity are asked. Velocities are seen at the end of every step.
//!
//! With `<..>_i` the average over velocities in state `i`, the moments of Kramers' equation (Eq 17 of the paper; a
//! transition from i to j takes `v` to `v sqrt(m_i/m_j)`) are, times powers of the masses that let transitions
//! drop out,
//!
//! ```text
//! d_x sum sqrt(m_i) P_i <v^2>_i   = sum (F_i P_i - gamma_i J_i)/sqrt(m_i),                                  (1)
//! d_x sum P_i <m_i v^3>_i/2       = sum [F_i J_i + (gamma_i/m_i) P_i (kT - m_i <v^2>_i)],                     (2)
//! d_x sum m_i^(3/2) P_i <v^4>_i   = sum sqrt(m_i) [3 F_i P_i <v^2>_i + 6 gamma_i kT J_i/m_i - 3 gamma_i P_i <v^3>_i].  (3)
//! ```
//!
//! For one state without a force (1) is the flat `P <v^2>` and (3) the law that the heat current follows. Multiplied by a test
//! function (a sine in (1) and (3), a cosine in (2), so that nothing is left at the walls) and integrated by parts they have no
//! gradient of anything noisy; less what the sum on the left, without the derivative, gained over the run they are martingales at
//! any time.
//!
//! **The step.** They are laws of the limit `dt = 0`; the chain of [`crate::kernel::Baoab`] obeys them at the ends of its steps up to
//! second order in `dt`. Each question has room for that, estimated from model and step: `w = dt^2 (|U''| + F^2/kT)/4m`, averaged over
//! particles, where forces act (BAOAB has `m <v^2> = kT (1 - U'' dt^2/4m)` in a harmonic well), `dt^2 |kT'|/m lambda` for Knudsen layers of
//! width `lambda = sqrt(m kT)/gamma` at walls, and what a kernel says of its fluxes ([`crate::kernel::Kernel::flux_excess`]). At uniform temperature without
//! forces there is no room: Maxwell's law is exact at any step.

use super::premise::{isothermal, nothing_flows};
use super::questions::{Interview, Seen};
use super::{Evidence, Expected, Question};
use crate::ensemble::Group;
use crate::model::Boundary;
use crate::phase_space::{PhaseSpace, REACH, SPEEDS};
use crate::stats::normal_survival;

/// Beyond this many mean free paths from a wall its Knudsen layer is gone.
const LAYER: f64 = 5.0;

/// Mean free path over the length of the temperature beyond which the law of the odd part of P(x, v) is not the first order.
const STEEPEST: f64 = 0.1;

/// Room for what is beyond the first order in that ratio, in units of its square: twice what Kramers' equation has.
const BEYOND: f64 = 10.0;

/// Standard errors from which on the hidden current is known well enough to ask where slow and fast part.
const SEEN: f64 = 8.0;

/// Highest Hermite polynomial of the velocity that is compared with Maxwell's law.
const HIGHEST: usize = 6;

/// What a run of particles with velocities is asked.
pub(super) struct Inertial<'i, 'a> {
    run: &'i Interview<'a>,
    /// Per group its velocities.
    phase: Vec<&'a PhaseSpace>,
    /// Per group, state and bin: time times `v^0 .. v^4`.
    moments: Vec<Vec<Vec<[f64; 5]>>>,
    dt: f64,
    size: Size,
}

/// How large things are, by order of magnitude.
struct Size {
    /// Slope of kT, energy/length.
    slope: f64,
    /// Mean kT.
    warmth: f64,
    /// Thermal velocity, the largest.
    speed: f64,
    /// Mean free path, the shortest and the longest.
    path: [f64; 2],
    /// Of the heat current.
    heat_current: f64,
    /// Least mass.
    mass: f64,
    /// `dt gamma/m`, the largest.
    damping: f64,
    /// `dt^2 (|U''| + F^2/kT)/4m`, mean over particles.
    well: f64,
    /// `|F|/gamma` times kT, mean over particles.
    pushed: f64,
}

/// A function of the place and the velocity of a walker.
type OfWalker<'l> = Box<dyn Fn(f64, f64) -> f64 + 'l>;

/// A contrast: what a unit of time in each cell adds, per state; what a unit of time adds in each bin, per state, times a power of
/// the velocity; and what the sum over walkers of a function of place and velocity is to be less.
#[derive(Default)]
struct Law<'l> {
    cells: Vec<(usize, Vec<f64>)>,
    powers: Vec<(usize, usize, Vec<f64>)>,
    change: Vec<(usize, OfWalker<'l>)>,
}

impl<'i, 'a> Inertial<'i, 'a> {
    /// `None` if particles have no velocity.
    pub fn of(run: &'i Interview<'a>) -> Option<Self> {
        let phase: Vec<&PhaseSpace> =
            run.seen.iter().map(|s| s.group.phase.as_ref()).collect::<Option<_>>()?;
        let dt = *run.context.dwell.first()?.first()?;
        let moments = phase.iter().map(|p| run.states().map(|s| timed_moments(p, s, dt)).collect()).collect();
        Some(Inertial { run, phase, moments, dt, size: Size::of(run, dt) })
    }

    /// The equations of motion.
    pub fn motion(&self) -> Vec<Question> {
        let mut list = vec![self.momentum(), self.energy(), self.heat_law()];
        if isothermal(&self.run.context.model) {
            list.extend(self.run.states().map(|s| self.run.steady(self.maxwell(s))));
        }
        list.push(self.no_flow());
        if self.run.context.states() > 1 {
            list.extend(self.run.states().map(|s| self.passages(s)));
        }
        list.push(self.carried());
        list
    }

    /// What is hidden in phase space.
    pub fn currents(&self) -> Vec<Question> {
        let mut list = vec![self.heat_current()];
        let model = &self.run.context.model;
        if self.run.context.states() == 1 && !model.has_forces() && !isothermal(model) {
            list.extend([self.slow_current(), self.crossover()]);
        }
        list.into_iter().map(|q| self.run.steady(q)).collect()
    }

    fn mass(&self, state: usize) -> f64 {
        self.run.context.model.network.states()[state].mass.unwrap_or(1.0)
    }

    /// Width of the cells of the histogram in a bin, in thermal velocities.
    fn fineness(&self, bin: usize) -> f64 {
        let middle = (bin as f64 + 0.5) * self.run.context.grid.bin_width();
        self.phase[0].speed_width(0, bin) * libm::sqrt(self.mass(0) / self.warmth(middle))
    }

    fn friction(&self, state: usize, x: f64) -> f64 {
        self.run.context.model.friction(state).map_or(0.0, |g| g.value(x))
    }

    fn warmth(&self, x: f64) -> f64 {
        self.run.context.model.thermal_energy(x)
    }

    fn force(&self, state: usize, x: f64) -> f64 {
        force(&self.run.context.model, state, x)
    }

    fn modes(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.run.modes
    }

    /// `sin(q x)` and its derivative.
    fn wave(&self, mode: usize) -> (impl Fn(f64) -> f64 + '_, impl Fn(f64) -> f64 + '_) {
        let weak = &self.run.weak;
        let slope = move |x| weak.wave_number(mode) * libm::cos(weak.phase(mode, x));
        (self.run.sine(mode), slope)
    }

    /// Mean of `f` over each bin; an even power of the velocity is spread over the cells as the particles of the
    /// state and that power of the thermal velocity are, a current evenly.
    fn in_bins(&self, state: usize, power: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let grid = &self.run.context.grid;
        let weight = |c: usize| match power {
            1 | 3 => 1.0,
            _ => {
                let time: f64 = self.run.seen.iter().map(|s| s.time[state][c]).sum();
                time * self.warmth(grid.cell_middle(c)).powi(power as i32 / 2)
            }
        };
        let bin = |b: usize| {
            let cells = b * grid.cells_per_bin..(b + 1) * grid.cells_per_bin;
            let (mut sum, mut all, mut plain) = (0.0, 0.0, 0.0);
            for c in cells {
                let (value, weight) = (grid.cell_mean(c, &f), weight(c));
                (sum, all, plain) = (sum + weight * value, all + weight, plain + value);
            }
            if all > 0.0 { sum / all } else { plain / grid.cells_per_bin as f64 }
        };
        (0..grid.bins).map(bin).collect()
    }

    fn in_cells(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let grid = &self.run.context.grid;
        (0..grid.cells()).map(|c| grid.cell_mean(c, &f)).collect()
    }

    /// The contrasts of all groups. The scale is the time spent, each state and cell weighed.
    fn evidence(&self, laws: &[Law<'_>], scale: impl Fn(usize) -> f64, room: Vec<f64>) -> Evidence {
        let sum = |g: usize, law: &Law<'_>| {
            let seen = &self.run.seen[g];
            let time: f64 = law.cells.iter().map(|(s, weight)| seen.time(*s, weight)).sum();
            let moved = law.powers.iter().map(|(state, power, weight)| -> f64 {
                self.moments[g][*state].iter().zip(weight).map(|(m, w)| m[*power] * w).sum()
            });
            let stored: f64 = [(Some(&seen.group.walkers), 1.0), (seen.group.origin.as_ref(), -1.0)]
                .iter()
                .filter_map(|(walkers, sign)| walkers.map(|w| (w, *sign)))
                .map(|(w, sign)| sign * law.stored(w, self.run.context.model.domain.length))
                .sum();
            time + moved.sum::<f64>() - stored
        };
        let groups = 0..self.run.seen.len();
        Evidence::Contrasts {
            sums: groups.clone().map(|g| laws.iter().map(|law| sum(g, law)).collect()).collect(),
            scale: groups.map(scale).collect(),
            grain: None,
            room,
            blind: None,
        }
    }

    /// Time of a group, each state and cell weighed.
    fn weighed(&self, g: usize, weight: impl Fn(usize, f64) -> f64) -> f64 {
        self.run.states().map(|s| self.run.seen[g].time(s, &self.in_cells(|x| weight(s, x)))).sum()
    }

    fn exposure(&self, g: usize) -> f64 {
        self.run.seen[g].exposure
    }

    /// Whether states differ in what their currents do to the momentum.
    fn unequal(&self) -> bool {
        let drag = |s: usize| self.friction(s, 0.5 * self.run.context.grid.length) / libm::sqrt(self.mass(s));
        self.run.states().any(|s| (drag(s) / drag(0) - 1.0).abs() > 1e-9)
    }

    /// (1).
    fn momentum(&self) -> Question {
        let Size { slope, warmth, path, mass, well, .. } = self.size;
        let law = |mode: usize| {
            let mut law = Law::default();
            let factor = 2.0 / self.run.weak.wave_number(mode);
            for s in self.run.states() {
                let root = libm::sqrt(self.mass(s));
                let (f, df) = self.wave(mode);
                law.powers.push((s, 2, self.in_bins(s, 2, |x| factor * root * df(x))));
                law.powers.push((s, 1, self.in_bins(s, 1, |x| -factor * f(x) * self.friction(s, x) / root)));
                law.cells.push((s, self.in_cells(|x| factor * f(x) * self.force(s, x) / root)));
                law.change.push((s, Box::new(move |x, v| factor * root * f(x) * v)));
            }
            law
        };
        let room = |mode: usize| {
            let drag = if self.unequal() { self.run.context.flux_excess } else { 0.0 };
            let friction = drag * 2.0 * slope / (warmth * self.run.weak.wave_number(mode));
            friction + 2.0 * well + self.dt * self.dt * slope / (3.0 * mass * path[0])
        };
        let plain = self.run.context.states() == 1 && !self.run.context.model.has_forces();
        let laws: Vec<Law<'_>> = self.modes().map(law).collect();
        let scale = |g: usize| self.weighed(g, |s, x| self.warmth(x) / libm::sqrt(self.mass(s)));
        Question {
            name: if plain { "P <v^2> is flat".into() } else { "momentum balances".into() },
            law: if plain {
                "P <v^2> = const".into()
            } else {
                "d_x sum sqrt(m_i) P_i <v^2>_i = sum (F_i P_i - gamma_i J_i)/sqrt(m_i)".into()
            },
            expected: Expected::Zero,
            effect: "a wave of {} of the pressure".into(),
            evidence: self.evidence(&laws, scale, self.modes().map(room).collect()),
        }
    }

    /// (2).
    fn energy(&self) -> Question {
        let Size { slope, warmth, mass, well, .. } = self.size;
        let modes = 0..=self.run.modes.saturating_sub(1);
        let law = |mode: usize| {
            let mut law = Law::default();
            let factor = if mode == 0 { 1.0 } else { 2.0 };
            let weak = &self.run.weak;
            for s in self.run.states() {
                let m = self.mass(s);
                let f = move |x: f64| factor * libm::cos(weak.phase(mode, x));
                let (sine, q) = (self.run.sine(mode), weak.wave_number(mode));
                law.powers.push((s, 3, self.in_bins(s, 3, |x| -0.5 * m * factor * q * sine(x))));
                law.powers.push((s, 2, self.in_bins(s, 2, |x| -self.friction(s, x) * f(x))));
                law.powers.push((s, 1, self.in_bins(s, 1, |x| self.force(s, x) * f(x))));
                law.cells.push((s, self.in_cells(|x| self.friction(s, x) / m * self.warmth(x) * f(x))));
                law.change.push((s, Box::new(move |x, v| 0.5 * m * f(x) * v * v)));
            }
            law
        };
        let room = |mode: usize| {
            let q = if mode == 0 { 0.0 } else { self.run.weak.wave_number(mode) };
            let curved = self.dt * self.dt * slope / mass * (0.75 * q + 1.0 / self.run.context.grid.length);
            curved + 2.0 * well * warmth
        };
        let laws: Vec<Law<'_>> = modes.clone().map(law).collect();
        let frictions = |g: usize| self.weighed(g, |s, x| self.friction(s, x) / self.mass(s));
        let frictionless = (0..self.run.seen.len()).map(frictions).sum::<f64>() <= 0.0;
        Question {
            name: "kinetic energy balances".into(),
            law: "d_x sum P_i <m_i v^3>_i/2 = sum [F_i J_i + (gamma_i/m_i) P_i (kT - m_i <v^2>_i)]".into(),
            expected: Expected::Zero,
            effect: "a wave of {} energy in the kinetic temperature".into(),
            evidence: if frictionless {
                Evidence::Missing { reason: "there is no friction".into() }
            } else {
                self.evidence(&laws, frictions, modes.map(room).collect())
            },
        }
    }

    /// (3).
    fn heat_law(&self) -> Question {
        let grid = &self.run.context.grid;
        let middle = 0.5 * grid.length;
        let drag = 6.0 * self.friction(0, middle) / libm::sqrt(self.mass(0));
        let factor = 2.0 / (grid.length * drag);
        let law = |mode: usize| {
            let mut law = Law::default();
            for s in self.run.states() {
                let (m, root) = (self.mass(s), libm::sqrt(self.mass(s)));
                let (f, df) = self.wave(mode);
                let f = move |x: f64| factor * f(x);
                let drag = |x: f64| f(x) * self.friction(s, x);
                law.powers.push((s, 4, self.in_bins(s, 4, |x| m * root * factor * df(x))));
                law.powers.push((s, 3, self.in_bins(s, 3, |x| -3.0 * root * drag(x))));
                law.powers.push((s, 1, self.in_bins(s, 1, |x| 6.0 * self.warmth(x) / root * drag(x))));
                law.powers.push((s, 2, self.in_bins(s, 2, |x| 3.0 * root * self.force(s, x) * f(x))));
                law.change.push((s, Box::new(move |x, v| m * root * f(x) * v * v * v)));
            }
            law
        };
        let Size { speed, path, heat_current, damping, well, pushed, .. } = self.size;
        let room = |mode: usize| {
            let stride = self.dt * speed * self.run.weak.wave_number(mode);
            let layers = damping * damping * path[1] / grid.length;
            let fluxes = 1.3 * self.run.context.flux_excess + layers + 0.1 * stride * stride;
            heat_current * fluxes + 2.0 * well * pushed / grid.length
        };
        let laws: Vec<Law<'_>> = self.modes().map(law).collect();
        let beyond: u64 = self.phase.iter().map(|p| beyond(p)).sum();
        let all: f64 = (0..self.run.seen.len()).map(|g| self.exposure(g) / self.dt).sum();
        Question {
            name: "heat current follows from the fourth moment".into(),
            law: "d_x sum m_i^(3/2) P_i <v^4>_i = sum sqrt(m_i) [3 F_i P_i <v^2>_i + 6 gamma_i kT J_i/m_i - 3 gamma_i P_i \
                  <v^3>_i]"
                .into(),
            expected: Expected::Zero,
            effect: "a wave of {} energy/time in the heat current".into(),
            evidence: if drag <= 0.0 {
                Evidence::Missing { reason: "there is no friction".into() }
            } else if beyond as f64 > 1e-6 * all {
                let reason = format!("{beyond} velocities lay beyond the histogram, {REACH} thermal velocities wide");
                Evidence::Missing { reason }
            } else {
                self.evidence(&laws, |g| self.exposure(g), self.modes().map(room).collect())
            },
        }
    }

    /// Hermite polynomials of `u = v sqrt(m/kT)`, from the histogram, against Maxwell's law in its cells.
    fn maxwell(&self, state: usize) -> Question {
        let bins = self.run.context.grid.bins;
        let cosine = self.in_bins(state, 1, |x| libm::cos(self.run.weak.phase(1, x)));
        let waves = [vec![1.0; bins], cosine.iter().map(|c| 2.0 * c).collect()];
        let all = waves.iter().flat_map(|wave| (1..=HIGHEST).map(move |order| (order, wave)));
        let contrasts: Vec<(Vec<f64>, &Vec<f64>)> =
            all.take(self.run.seen.len() / 4).map(|(order, wave)| (centred(order), wave)).collect();
        let counts = |g: usize| (0..bins).map(move |b| self.phase[g].speeds(state, b));
        let sum = |g: usize, (polynomial, wave): &(Vec<f64>, &Vec<f64>)| -> f64 {
            let bin = |(counts, w): (&[u64], &f64)| {
                w * counts.iter().zip(polynomial).map(|(n, p)| *n as f64 * p).sum::<f64>()
            };
            counts(g).zip(*wave).map(bin).sum()
        };
        let groups = 0..self.run.seen.len();
        let evidence = Evidence::Contrasts {
            sums: groups.clone().map(|g| contrasts.iter().map(|c| sum(g, c)).collect()).collect(),
            scale: groups.map(|g| counts(g).flatten().sum::<u64>() as f64).collect(),
            grain: None,
            room: vec![2.0 * self.size.well; contrasts.len()],
            blind: None,
        };
        let several = self.run.context.states() > 1;
        let of = if several { format!(" in {}", self.run.name(state)) } else { String::new() };
        Question {
            name: format!("velocities follow Maxwell's law{of}"),
            law: "P(x, v) ~ exp(-m v^2/2kT)".into(),
            expected: Expected::Zero,
            effect: "a Hermite mode of {}".into(),
            evidence: match nothing_flows(&self.run.context.model) {
                Ok(()) => evidence,
                Err(reason) => Evidence::Missing { reason },
            },
        }
    }

    /// The current of all particles, from their velocities.
    fn no_flow(&self) -> Question {
        let length = self.run.context.grid.length;
        let law = |mode: usize| {
            let wave =
                |s: usize| self.in_bins(s, 1, |x| 2.0 / length * libm::sin(self.run.weak.phase(mode, x)));
            Law { powers: self.run.states().map(|s| (s, 1, wave(s))).collect(), ..Law::default() }
        };
        let laws: Vec<Law<'_>> = self.modes().map(law).collect();
        let room = vec![self.room_of_currents(); laws.len()];
        let ring = self.run.context.model.domain.walls == Boundary::Periodic;
        let question = Question {
            name: if ring { "the same current everywhere".into() } else { "no particles flow".into() },
            law: if ring { "sum_i P_i <v>_i = const".into() } else { "sum_i P_i <v>_i = 0".into() },
            expected: Expected::Zero,
            effect: "a wave of {} 1/time".into(),
            evidence: self.evidence(&laws, |g| self.exposure(g), room),
        };
        self.run.steady(question)
    }

    /// What the end of a step sees of a current in a layer where there is none.
    fn room_of_currents(&self) -> f64 {
        let Size { heat_current, mass, path, .. } = self.size;
        self.dt * self.dt * heat_current / (3.0 * mass * path[0] * self.run.context.grid.length)
    }

    /// Bin means of the sines.
    fn sines(&self) -> Vec<Vec<f64>> {
        let sine = |mode: usize| self.in_bins(0, 1, |x| libm::sin(self.run.weak.phase(mode, x)));
        self.modes().map(sine).collect()
    }

    /// Contrasts between a flux at cell faces (per group, summed over time) and powers of the velocity in bins.
    fn fluxes(&self, faces: &[Vec<f64>], powers: &[(usize, usize, f64)], room: f64) -> Evidence {
        let grid = &self.run.context.grid;
        let (cells, per_wave) = (grid.cells_per_bin, 2.0 / grid.length);
        let through = |faces: &[f64], b: usize| {
            let faces = &faces[b * cells..=(b + 1) * cells];
            grid.cell_width() * faces.windows(2).map(|f| 0.5 * (f[0] + f[1])).sum::<f64>()
        };
        let sines = self.sines();
        let sum = |g: usize, wave: &Vec<f64>| -> f64 {
            let bin = |(b, w): (usize, &f64)| {
                let seen = powers.iter().map(|(s, power, of)| of * self.moments[g][*s][b][*power]);
                per_wave * w * (through(&faces[g], b) - seen.sum::<f64>())
            };
            wave.iter().enumerate().map(bin).sum()
        };
        let groups = 0..self.run.seen.len();
        Evidence::Contrasts {
            sums: groups.clone().map(|g| sines.iter().map(|w| sum(g, w)).collect()).collect(),
            scale: groups.map(|g| self.exposure(g)).collect(),
            grain: None,
            room: vec![room; sines.len()],
            blind: None,
        }
    }

    /// `P_i <v>_i` against passages of places.
    fn passages(&self, state: usize) -> Question {
        let counted = |g: usize| self.run.seen[g].through[state].iter().map(|n| *n as f64).collect();
        let faces: Vec<Vec<f64>> = (0..self.run.seen.len()).map(counted).collect();
        Question {
            name: format!("current of {}: velocities against passages", self.run.name(state)),
            law: "J_i = P_i <v>_i".into(),
            expected: Expected::Zero,
            effect: "a wave of {} 1/time".into(),
            evidence: self.fluxes(&faces, &[(state, 1, 1.0)], self.room_of_currents()),
        }
    }

    /// Energy that was absorbed on one side of a place and is not stored there against energy that moves in phase space.
    fn carried(&self) -> Question {
        let carried = |(phase, seen): (&&PhaseSpace, &Seen<'_>)| energy_carried(phase, seen.group);
        let faces: Vec<Vec<f64>> = self.phase.iter().zip(&self.run.seen).map(carried).collect();
        let Size { speed, path, heat_current, .. } = self.size;
        let stride = self.dt * speed;
        // Half of a flight leaves its bin: (dt^2/24) d_x^2 P <m v^5>/2, ten thermal energies in a law He_3, at both walls.
        let room = 2.0 * heat_current * stride * stride / (path[0] * self.run.context.grid.length);
        let evidence = if self.run.context.model.has_own_potentials() {
            Evidence::Missing {
                reason: "states have potentials of their own, whose energy is carried too".into(),
            }
        } else {
            self.fluxes(&faces, &self.energies(), room)
        };
        Question {
            name: "heat absorbed leaves as heat current".into(),
            law: "heat in [0, x] - gain there = sum_i P_i (<m_i v^3>_i/2 + H_i <v>_i)".into(),
            expected: Expected::Zero,
            effect: "a wave of {} energy/time in the heat current".into(),
            evidence,
        }
    }

    /// The heat current by states and powers of the velocity.
    fn energies(&self) -> Vec<(usize, usize, f64)> {
        let of = |s: usize| [(s, 3, 0.5 * self.mass(s)), (s, 1, self.phase[0].enthalpy(s))];
        self.run.states().flat_map(of).collect()
    }

    fn heat_current(&self) -> Question {
        let vanishes = nothing_flows(&self.run.context.model).is_ok();
        let (bins, length) = (self.run.context.grid.bins, self.run.context.grid.length);
        let waves: Vec<Vec<f64>> = if vanishes {
            self.sines().iter().map(|sine| sine.iter().map(|s| 2.0 * s / length).collect()).collect()
        } else {
            vec![vec![1.0 / length; bins]]
        };
        let law = |wave: &Vec<f64>| {
            let weighed = |of: f64| wave.iter().map(|w| of * w).collect();
            Law {
                powers: self.energies().iter().map(|e| (e.0, e.1, weighed(e.2))).collect(),
                ..Law::default()
            }
        };
        let laws: Vec<Law<'_>> = waves.iter().map(law).collect();
        let what = "hidden heat current";
        Question {
            name: if vanishes { format!("no {what}") } else { what.into() },
            law: if vanishes { "J_E = 0".into() } else { "mean of J_E".into() },
            expected: if vanishes { Expected::Zero } else { Expected::Anything },
            effect: if vanishes {
                "a wave of {} energy/time".into()
            } else {
                "a mean of {} energy/time".into()
            },
            evidence: self.evidence(&laws, |g| self.exposure(g), Vec::new()),
        }
    }

    /// Bins that lie beyond the Knudsen layers of both walls, or why there are none.
    fn interior(&self) -> Result<std::ops::Range<usize>, String> {
        let grid = &self.run.context.grid;
        let model = &self.run.context.model;
        if model.temperature_jumps() {
            return Err("the temperature jumps".into());
        }
        let bins = match model.domain.walls {
            Boundary::Periodic => 0..grid.bins,
            Boundary::Reflecting => {
                let layer = (LAYER * self.size.path[1] / grid.bin_width()).ceil() as usize;
                layer..grid.bins.saturating_sub(layer)
            }
        };
        if bins.is_empty() {
            let wide = grid.length / self.size.path[1];
            return Err(format!(
                "the box is {wide:.1} mean free paths wide: no bin lies {LAYER:.0} of them from both walls"
            ));
        }
        Ok(bins)
    }

    /// `J_slow` at the edge of the histogram nearest to `sqrt(3 kT/m)`, mean over the interior.
    fn slow_current(&self) -> Question {
        let grid = &self.run.context.grid;
        let evidence = self.interior().map_or_else(
            |reason| Evidence::Missing { reason },
            |bins| {
                let per_length = self.dt / (bins.len() as f64 * grid.bin_width());
                let slow = |p: &PhaseSpace, b: usize| {
                    let most = libm::round(libm::sqrt(3.0) / self.fineness(b)) as usize;
                    let net = net(p.speeds(0, b)).take(most).enumerate();
                    p.speed_width(0, b) * net.map(|(k, n)| (k as f64 + 0.5) * n).sum::<f64>()
                };
                let sum = |p: &&PhaseSpace| per_length * bins.clone().map(|b| slow(p, b)).sum::<f64>();
                Evidence::Contrasts {
                    sums: self.phase.iter().map(|p| vec![sum(p)]).collect(),
                    scale: (0..self.phase.len()).map(|g| self.exposure(g)).collect(),
                    grain: None,
                    room: Vec::new(),
                    blind: None,
                }
            },
        );
        Question {
            name: "hidden current of slow particles".into(),
            law: "J_slow(v*), mean over the interior".into(),
            expected: Expected::Anything,
            effect: "a mean of {} 1/time".into(),
            evidence,
        }
    }

    /// Where the odd part of the law is `a_3 He_3 + a_5 He_5` it changes sign at `u = sqrt(3) (1 + a_5/a_3)`.
    fn crossover(&self) -> Question {
        let steepness = self.size.path[1] * self.steepness();
        let projected = |p: &PhaseSpace, order: usize, bins: &std::ops::Range<usize>| -> f64 {
            let bin = |b: usize| {
                let u = |k: usize| (k as f64 + 0.5) * self.fineness(b);
                net(p.speeds(0, b)).enumerate().map(|(k, n)| n * hermite(order, u(k))).sum::<f64>()
            };
            bins.clone().map(bin).sum()
        };
        let asked = self.interior().and_then(|bins| {
            if steepness > STEEPEST {
                return Err(format!(
                    "a mean free path is up to {steepness:.2} of the length of T: the law is that of small ones"
                ));
            }
            let third: Vec<f64> = self.phase.iter().map(|p| projected(p, 3, &bins)).collect();
            let groups = third.len() as f64;
            let mean = third.iter().sum::<f64>() / groups;
            let spread: f64 = third.iter().map(|t| (t - mean) * (t - mean)).sum();
            if mean * mean < SEEN * SEEN * spread / (groups * (groups - 1.0)) {
                return Err("the hidden current is not known well enough to say where it turns".into());
            }
            let towards = mean.signum();
            let fifth = |p: &&PhaseSpace| vec![towards * projected(p, 5, &bins) / 120.0];
            Ok(Evidence::Contrasts {
                sums: self.phase.iter().map(fifth).collect(),
                scale: third.iter().map(|t| towards * t / 6.0).collect(),
                grain: None,
                room: vec![BEYOND * steepness * steepness],
                blind: None,
            })
        });
        Question {
            name: "slow and fast currents part at sqrt(3 kT/m)".into(),
            law: "P(x, v) - P(x, -v) ~ (u^3 - 3 u) exp(-u^2/2), u = v sqrt(m/kT)".into(),
            expected: Expected::Zero,
            effect: "a v* off by {} of itself".into(),
            evidence: asked.unwrap_or_else(|reason| Evidence::Missing { reason }),
        }
    }

    /// The largest `|T'|/T`.
    fn steepness(&self) -> f64 {
        let grid = &self.run.context.grid;
        let cell = |c: usize| {
            let [a, b] = [c, c + 1].map(|f| self.warmth(grid.cell_face(f)));
            (b - a).abs() / (grid.cell_width() * a.min(b))
        };
        (0..grid.cells()).map(cell).fold(0.0, f64::max)
    }
}

impl Law<'_> {
    /// The sum over walkers.
    fn stored(&self, walkers: &crate::event::Walkers, length: f64) -> f64 {
        let of = |i: usize| -> f64 {
            let (state, x) = (usize::from(walkers.state[i]), walkers.position[i].fraction() * length);
            let own = self.change.iter().filter(|(s, _)| *s == state);
            own.map(|(_, f)| f(x, walkers.velocity[i])).sum()
        };
        if self.change.is_empty() { 0.0 } else { (0..walkers.len()).map(of).sum() }
    }
}

impl Size {
    fn of(run: &Interview<'_>, dt: f64) -> Self {
        let (model, grid) = (&run.context.model, &run.context.grid);
        let faces: Vec<f64> = (0..=grid.cells()).map(|f| model.thermal_energy(grid.cell_face(f))).collect();
        let (coldest, hottest) =
            faces.iter().fold((f64::INFINITY, 0.0f64), |(a, b), t| (a.min(*t), b.max(*t)));
        let states = model.network.states();
        let (mut path, mut speed, mut damping) = ([f64::INFINITY, 0.0], 0.0f64, 0.0f64);
        let (mut mass, mut slowest) = (f64::INFINITY, f64::INFINITY);
        for (s, state) in states.iter().enumerate() {
            let m = state.mass.unwrap_or(1.0);
            mass = mass.min(m);
            for (c, warmth) in faces[1..].iter().enumerate() {
                let friction = model.friction(s).map_or(0.0, |g| g.value(grid.cell_middle(c)));
                let free = libm::sqrt(m * warmth) / friction;
                path = [path[0].min(free), path[1].max(free)];
                damping = damping.max(friction * dt / m);
                slowest = slowest.min(friction);
                speed = speed.max(libm::sqrt(warmth / m));
            }
        }
        // A jump is felt over a mean free path; without friction, over the box.
        path = path.map(|p| if p.is_finite() { p } else { grid.length });
        let steep = faces.windows(2).map(|t| (t[1] - t[0]).abs()).fold(0.0, f64::max) / grid.cell_width();
        let slope = steep.min((hottest - coldest) / path[0].min(grid.length));
        let (mut well, mut pushed, mut time) = (0.0, 0.0, 0.0);
        for s in (0..states.len()).filter(|s| model.has_force(*s)) {
            let m = states[s].mass.unwrap_or(1.0);
            for (c, warmth) in faces[1..].iter().enumerate() {
                let x = grid.cell_middle(c);
                let [a, b] = [c, c + 1].map(|f| force(model, s, grid.cell_face(f)));
                let here: f64 = run.seen.iter().map(|seen| seen.time[s][c]).sum();
                let kicked = (b - a).abs() / grid.cell_width() + force(model, s, x).powi(2) / warmth;
                let friction = model.friction(s).map_or(0.0, |g| g.value(x));
                well += here * dt * dt * kicked / (4.0 * m);
                pushed += here * force(model, s, x).abs() * warmth / friction.max(f64::MIN_POSITIVE);
            }
        }
        time += run.seen.iter().map(|seen| seen.exposure).sum::<f64>();
        let heat_current = slope / (2.0 * slowest.max(mass * speed / grid.length) * grid.length);
        Size {
            slope,
            warmth: 0.5 * (coldest + hottest),
            speed,
            path,
            heat_current,
            mass,
            damping,
            well: well / time,
            pushed: pushed / time,
        }
    }
}

/// `-U'` in a state.
fn force(model: &crate::model::Model, state: usize, x: f64) -> f64 {
    -model.potentials(state).map(|u| u.slope(x)).sum::<f64>()
}

/// Per bin of a state, time times `v^0 .. v^4`; the last from the histogram, with Sheppard's corrections.
fn timed_moments(phase: &PhaseSpace, state: usize, dt: f64) -> Vec<[f64; 5]> {
    let bin = |(b, m): (usize, &[f64; 4])| {
        let fourth = |(k, n): (usize, &u64)| {
            let square = (k as f64 + 0.5 - 0.5 * SPEEDS as f64).powi(2);
            *n as f64 * (square * square - 0.5 * square + 7.0 / 240.0)
        };
        let sum: f64 = phase.speeds(state, b).iter().enumerate().map(fourth).sum();
        let fourth = sum * phase.speed_width(state, b).powi(4);
        [m[0], m[1], m[2], m[3], fourth].map(|sum| sum * dt)
    };
    phase.moments(state).iter().enumerate().map(bin).collect()
}

/// How many velocities lay in the outermost cells of all histograms.
fn beyond(phase: &PhaseSpace) -> u64 {
    let rows = (0..phase.states()).flat_map(|s| (0..phase.grid().bins).map(move |b| phase.speeds(s, b)));
    rows.map(|row| row[0] + row[SPEEDS - 1]).sum()
}

/// Energy carried through every cell face.
fn energy_carried(phase: &PhaseSpace, group: &Group) -> Vec<f64> {
    let mut phase = phase.clone();
    if let Some(origin) = &group.origin {
        phase.open(origin);
        phase.close(&group.walkers);
    }
    let absorbed = phase.exchanged().zip(phase.gain()).map(|([heat, work], gain)| heat + work - gain);
    let mut sum = 0.0;
    let faces = absorbed.map(|energy| {
        sum += energy;
        sum
    });
    std::iter::once(0.0).chain(faces).collect()
}

/// Counts at `+v` less those at `-v`, from slow to fast.
fn net(counts: &[u64]) -> impl Iterator<Item = f64> + '_ {
    let (left, right) = counts.split_at(SPEEDS / 2);
    right.iter().zip(left.iter().rev()).map(|(up, down)| *up as f64 - *down as f64)
}

/// The middle of a cell of the histogram, in thermal velocities.
fn middle(k: usize) -> f64 {
    (k as f64 + 0.5 - 0.5 * SPEEDS as f64) * 2.0 * REACH / SPEEDS as f64
}

/// `He_n(u)`.
fn hermite(order: usize, u: f64) -> f64 {
    let (mut before, mut this) = (0.0, 1.0);
    for n in 0..order {
        (before, this) = (this, u * this - n as f64 * before);
    }
    this
}

/// `He_n/sqrt(n!)` at the middles of the cells, less its mean under Maxwell's law in these cells.
fn centred(order: usize) -> Vec<f64> {
    let norm = libm::sqrt((1..=order).map(|n| n as f64).product());
    let values: Vec<f64> = (0..SPEEDS).map(|k| hermite(order, middle(k)) / norm).collect();
    let beyond = |k: usize| match k {
        0 => 1.0,
        SPEEDS => 0.0,
        _ => normal_survival(middle(k) - REACH / SPEEDS as f64),
    };
    let mean: f64 = values.iter().enumerate().map(|(k, value)| value * (beyond(k) - beyond(k + 1))).sum();
    values.into_iter().map(|value| value - mean).collect()
}
