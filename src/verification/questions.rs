//! What the trajectories of a run are asked. Every question is a vector of contrasts, linear in the tallies of
//! a group and zero in expectation, over a scale that gives them a unit. Unless it says otherwise an
//! expectation is zero at any time, not in the stationary law only: each contrast is the difference between
//! what was counted and its intensity, a martingale (Dynkin's formula).

use super::inertial::Inertial;
use super::internal::Internal;
use super::premise::{equilibrium, flat_density, heat_known, isothermal, nothing_flows, one_shape};
use super::reacting::Reacting;
use super::weak::Weak;
use super::{Evidence, Expected, Question};
use crate::ensemble::Group;
use crate::estimator::{Context, heat_absorbed, passages};
use crate::event::Occupancy;
use crate::model::{Boundary, Channel, Exchange};

/// The name of the question whose contrasts are the weak form of the stationary equation, `E[L phi] = 0`.
pub const STATIONARY: &str = "densities solve the stationary equation";

/// Cosine or sine modes in a question, if there are groups enough.
const MODES: usize = 8;

/// The same of the stationary equation, whose contrasts are controls too ([`crate::assisted`]).
const WAVES: usize = 32;

/// Modes that are slow enough to remember the start.
const SLOWEST: usize = 2;

/// Fewest transitions along a channel, in all and per group, for their law to be nearly normal.
const FEWEST: f64 = 400.0;
const FEWEST_PER_GROUP: f64 = 10.0;

/// A run shorter than this many relaxation times cannot see that it drifts.
const SHORT: f64 = 3.0;

/// A burn-in and a run should be this many relaxation times long.
const LONG: f64 = 8.0;

/// Of a turn.
const QUARTER: f64 = std::f64::consts::FRAC_PI_2;

/// Booked and expected heat differ by rounding only.
const ROUNDING: f64 = 1e-6;

/// What is looked at of a group.
pub(super) struct Seen<'a> {
    /// Time spent per state and cell.
    pub time: Vec<Vec<f64>>,
    /// Net passages per state and cell face.
    pub through: Vec<Vec<i64>>,
    closing: Occupancy,
    /// Heat absorbed per cell, by transitions and by moves or kicks.
    heat: Vec<f64>,
    pub exposure: f64,
    pub group: &'a Group,
}

impl Seen<'_> {
    /// `sum_c weight_c time_c` of a state.
    pub fn time(&self, state: usize, weight: &[f64]) -> f64 {
        self.time[state].iter().zip(weight).map(|(t, w)| t * w).sum()
    }

    /// `int J_i f dx` over the time of the group, `f` given at the faces, zero at both walls.
    fn flow(&self, state: usize, at_faces: &[f64], width: f64) -> f64 {
        self.through[state].iter().zip(at_faces).map(|(n, f)| *n as f64 * f).sum::<f64>() * width
    }

    /// `sum_c weight_c count_c` of a channel.
    fn count(&self, channel: Channel, weight: &[f64]) -> f64 {
        let counts = self.group.profile.passages(channel.index);
        counts.iter().zip(weight).map(|(n, w)| *n as f64 * w).sum()
    }
}

/// One contrast of a group.
pub(super) type Contrast<'a> = Box<dyn Fn(&Seen<'_>) -> f64 + 'a>;

/// A run and the equations that it should obey.
pub(super) struct Interview<'a> {
    pub(super) context: &'a Context,
    pub(super) weak: Weak<'a>,
    pub(super) seen: Vec<Seen<'a>>,
    pub(super) modes: usize,
}

impl<'a> Interview<'a> {
    pub fn new(context: &'a Context, groups: &'a [Group]) -> Self {
        let states = context.states();
        let seen = |group: &'a Group| {
            let closing = Occupancy::of(&group.walkers, states, &context.grid);
            Seen {
                time: (0..states).map(|s| context.time_in(group, s).collect()).collect(),
                through: (0..states).map(|s| passages(context, group, &closing, s)).collect(),
                closing,
                heat: match (&group.phase, &group.internal) {
                    (Some(phase), _) => phase.heat().to_vec(),
                    (None, Some(internal)) => internal.exchanged().iter().map(|[heat, _]| *heat).collect(),
                    (None, None) => heat_absorbed(context, group),
                },
                exposure: context.exposure(group),
                group,
            }
        };
        Interview {
            context,
            weak: Weak::new(&context.model, &context.grid),
            seen: groups.iter().map(seen).collect(),
            modes: MODES.min(groups.len() / 4),
        }
    }

    /// Every question, in the order of the report. Equations along x alone are those of overdamped particles.
    pub fn all(&self) -> Vec<Question> {
        if let Some(reacting) = Reacting::of(self) {
            return reacting.all();
        }
        if let Some(internal) = Internal::of(self) {
            return internal.all();
        }
        let inertial = Inertial::of(self);
        let mut list = match &inertial {
            Some(inertial) => inertial.motion(),
            None => vec![self.steady(self.flat_sum())],
        };
        if inertial.is_none() {
            list.extend(self.states().map(|s| self.constitutive_law(s)));
        }
        list.extend(self.context.model.network.channels().map(|c| self.transition_rate(c)));
        // With inertia a single state exchanges heat as well, but in no transitions.
        if inertial.is_none() || !self.context.model.network.edges().is_empty() {
            list.extend([self.heat_booked(), self.heat_absorbed()]);
        }
        if inertial.is_none() {
            list.push(self.steady(self.weak_equation()));
        }
        list.push(self.steady(self.stationarity()));
        list.extend(self.hidden_currents().into_iter().map(|q| self.steady(q)));
        list.extend(inertial.iter().flat_map(Inertial::currents));
        list.extend([self.entropy_balance(), self.second_law()].map(|q| self.steady(q)));
        list
    }

    /// A question that may be asked of a stationary run only.
    pub(super) fn steady(&self, question: Question) -> Question {
        if self.context.times.is_empty() {
            return question;
        }
        let reason = "the run has observation times: it is not stationary";
        Question { evidence: Evidence::Missing { reason: reason.into() }, ..question }
    }

    pub(super) fn name(&self, state: usize) -> &str {
        &self.context.model.network.states()[state].name
    }

    fn channel_name(&self, channel: Channel) -> String {
        let path = format!("{} -> {}", self.name(channel.from), self.name(channel.to));
        let edges = self.context.model.network.edges();
        let same =
            |e: &&crate::model::Edge| e.between.contains(&channel.from) && e.between.contains(&channel.to);
        // Several edges may join the same two states.
        match edges.iter().filter(same).count() {
            1 => path,
            _ => format!("{path}, transition {}", channel.edge + 1),
        }
    }

    pub(super) fn states(&self) -> std::ops::Range<usize> {
        0..self.context.states()
    }

    pub(super) fn contrasts(&self, contrasts: &[Contrast<'_>], scale: impl Fn(&Seen<'_>) -> f64) -> Evidence {
        Evidence::Contrasts {
            sums: self.seen.iter().map(|seen| contrasts.iter().map(|c| c(seen)).collect()).collect(),
            scale: self.seen.iter().map(scale).collect(),
            grain: None,
            room: Vec::new(),
            blind: None,
        }
    }

    /// The same for counts less their expectation, an event being worth `grain`.
    fn counts(&self, contrasts: &[Contrast<'_>], scale: impl Fn(&Seen<'_>) -> f64, event: f64) -> Evidence {
        match self.contrasts(contrasts, scale) {
            Evidence::Contrasts { sums, scale, room, blind, .. } => {
                Evidence::Contrasts { sums, scale, grain: Some(event), room, blind }
            }
            other => other,
        }
    }

    pub(super) fn sine(&self, mode: usize) -> impl Fn(f64) -> f64 + '_ {
        move |x| libm::sin(self.weak.phase(mode, x))
    }

    /// `sin(n pi x/L)` at the cell faces.
    fn sine_at_faces(&self, mode: usize) -> Vec<f64> {
        let grid = &self.context.grid;
        (0..=grid.cells()).map(|face| self.sine(mode)(grid.cell_face(face))).collect()
    }

    /// `sum_i (1/g_i) d_x(w_i P_i) = 0`, because no particles flow in total: in the stationary law.
    fn flat_sum(&self) -> Question {
        let model = &self.context.model;
        let ito = !model.has_forces()
            && model.network.states().iter().all(|s| s.motility.parts().0 == "diffusivity");
        let each: Vec<Contrast<'_>> = (1..=self.modes)
            .map(|mode| {
                let coefficients: Vec<Vec<f64>> =
                    self.states().map(|s| self.weak.transport(s, self.sine(mode))).collect();
                // Where g is one the sum over time is q int cos(q x) sum_i D_i P_i dx, q the wave number.
                let per_wave = 2.0 / self.weak.wave_number(mode);
                let sum = move |seen: &Seen<'_>| {
                    per_wave * (0..coefficients.len()).map(|s| seen.time(s, &coefficients[s])).sum::<f64>()
                };
                Box::new(sum) as Contrast<'_>
            })
            .collect();
        let diffusivity: Vec<Vec<f64>> =
            self.states().map(|s| self.weak.mean(s, |x| self.context.model.diffusivity(s, x))).collect();
        let (name, law) = if ito {
            ("sum of D_i P_i is flat", "sum_i D_i P_i = const")
        } else {
            ("densities of all states balance", "sum_i J_i = const")
        };
        Question {
            name: name.into(),
            law: law.into(),
            expected: Expected::Zero,
            effect: "a wave of {} of its mean".into(),
            evidence: self
                .contrasts(&each, |seen| (0..diffusivity.len()).map(|s| seen.time(s, &diffusivity[s])).sum()),
        }
    }

    /// `J_i = -(1/g_i) d_x(w_i P_i)`: passages against time spent.
    fn constitutive_law(&self, state: usize) -> Question {
        let width = self.context.grid.cell_width();
        let per_wave = 2.0 / self.context.grid.length;
        let each: Vec<Contrast<'_>> = (1..=self.modes)
            .map(|mode| {
                let coefficients = self.weak.transport(state, self.sine(mode));
                let wave = self.sine_at_faces(mode);
                let difference = move |seen: &Seen<'_>| {
                    per_wave * (seen.flow(state, &wave, width) - seen.time(state, &coefficients))
                };
                Box::new(difference) as Contrast<'_>
            })
            .collect();
        let motility = self.context.model.network.states()[state].motility.parts().0;
        let law = match (motility, self.context.model.has_force(state)) {
            ("friction", false) => "J_i = -(1/gamma_i) d_x(kT P_i)",
            ("friction", true) => "J_i = (1/gamma_i) [F_i P_i - d_x(kT P_i)]",
            (_, false) => "J_i = -d_x(D_i P_i)",
            (_, true) => "J_i = (D_i/kT) F_i P_i - d_x(D_i P_i)",
        };
        Question {
            name: format!("current of {} follows from its density", self.name(state)),
            law: law.into(),
            expected: Expected::Zero,
            effect: "a wave of {} per time in the current".into(),
            evidence: self.contrasts(&each, |seen| seen.exposure),
        }
    }

    /// `n_c = int k_c P_i dx`: counts against time spent.
    pub(super) fn transition_rate(&self, channel: Channel) -> Question {
        let rate = self.weak.rate(channel);
        let expected: f64 = self.seen.iter().map(|seen| seen.time(channel.from, &rate)).sum();
        let counted = self.seen.iter().map(|s| s.group.profile.passages(channel.index).iter().sum::<u64>());
        let counted: u64 = counted.sum();
        let evidence = if expected == 0.0 {
            Evidence::Exact { holds: counted == 0, found: format!("{counted} taken, its rate is zero") }
        } else if expected < FEWEST.max(FEWEST_PER_GROUP * self.seen.len() as f64) {
            Evidence::Missing { reason: format!("only {expected:.0} transitions were to be expected") }
        } else {
            let each: Vec<Contrast<'_>> = (0..self.modes)
                .map(|mode| {
                    let wave: Vec<f64> =
                        self.weak.cosine(mode).iter().map(|c| if mode > 0 { 2.0 * c } else { *c }).collect();
                    let intensity: Vec<f64> = wave.iter().zip(&rate).map(|(w, k)| w * k).collect();
                    let difference = move |seen: &Seen<'_>| {
                        seen.count(channel, &wave) - seen.time(channel.from, &intensity)
                    };
                    Box::new(difference) as Contrast<'_>
                })
                .collect();
            self.counts(&each, |seen| seen.time(channel.from, &rate), 1.0)
        };
        Question {
            name: format!("rate of {}", self.channel_name(channel)),
            law: "passages = int k(x) P_from dx".into(),
            expected: Expected::Zero,
            effect: "a rate off by {} of itself".into(),
            evidence,
        }
    }

    /// Heat and work that an observer with the energies books from the counts: without any statistics.
    fn heat_booked(&self) -> Question {
        let model = &self.context.model;
        let worst = |booked: fn(&Group) -> &[f64], part: fn(Exchange) -> f64| {
            let (mut worst, mut place) = (0.0f64, 0);
            for cell in 0..self.context.grid.cells() {
                let [start, end] = [cell, cell + 1].map(|face| self.context.grid.cell_face(face));
                let (mut expected, mut room) = (0.0, 0.0);
                for channel in model.network.channels() {
                    let counts = self.seen.iter().map(|s| s.group.profile.passages(channel.index)[cell]);
                    let count = counts.sum::<u64>() as f64;
                    let at = |x: f64| model.exchange(channel, x).map_or(0.0, part);
                    expected += count * at(0.5 * (start + end));
                    let parts = model.exchange(channel, start).map_or(0.0, |e| e.heat.abs() + e.work.abs());
                    // Within a cell the heat of a free rate varies, and so do potentials of single states.
                    let middle = at(0.5 * (start + end));
                    let varies = (at(end) - middle).abs() + (middle - at(start)).abs();
                    room += count * (ROUNDING * parts + varies);
                }
                let booked: f64 = self.seen.iter().map(|s| booked(s.group)[cell]).sum();
                let off = (booked - expected).abs();
                if off > room && off - room > worst {
                    (worst, place) = (off - room, cell);
                }
            }
            (worst > 0.0).then(|| format!("{worst:.1e} at x = {:.3}", self.context.grid.cell_middle(place)))
        };
        let evidence = match heat_known(model) {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) => {
                let heat = worst(|g| g.profile.heat(), |e| e.heat).map(|w| format!("heat is off by {w}"));
                let work = worst(|g| g.profile.work(), |e| e.work).map(|w| format!("work is off by {w}"));
                let off: Vec<String> = heat.into_iter().chain(work).collect();
                let found = if off.is_empty() { "equal cell by cell".into() } else { off.join("; ") };
                Evidence::Exact { holds: off.is_empty(), found }
            }
        };
        Question {
            name: "heat and work booked".into(),
            law: "heat = energy gained - work, passage by passage".into(),
            expected: Expected::Zero,
            effect: String::new(),
            evidence,
        }
    }

    /// Heat absorbed against rates, densities and energies.
    fn heat_absorbed(&self) -> Question {
        let model = &self.context.model;
        let evidence = heat_known(model).map_or_else(
            |reason| Evidence::Missing { reason },
            |()| {
                let power: Vec<(usize, Vec<f64>)> =
                    model.network.channels().map(|c| (c.from, self.weak.exchanged(c, |e| e.heat))).collect();
                let each: Vec<Contrast<'_>> = (0..self.modes)
                    .map(|mode| {
                        let wave = self.weak.cosine(mode);
                        let scale = if mode > 0 { 2.0 } else { 1.0 } / self.context.grid.length;
                        let intensity: Vec<(usize, Vec<f64>)> = power
                            .iter()
                            .map(|(s, p)| (*s, p.iter().zip(&wave).map(|(p, w)| p * w).collect()))
                            .collect();
                        let difference = move |seen: &Seen<'_>| {
                            let heat = seen.group.profile.heat().iter().zip(&wave);
                            let booked: f64 = heat.map(|(q, w)| q * w).sum();
                            scale * (booked - intensity.iter().map(|(s, p)| seen.time(*s, p)).sum::<f64>())
                        };
                        Box::new(difference) as Contrast<'_>
                    })
                    .collect();
                let middle = 0.5 * self.context.grid.length;
                let heats = model.network.channels().filter_map(|c| model.exchange(c, middle));
                let largest = heats.map(|e| e.heat.abs()).fold(0.0, f64::max);
                self.counts(&each, |seen| seen.exposure, largest / self.context.grid.length)
            },
        );
        Question {
            name: "heat absorbed follows from rates and energies".into(),
            law: "heat = sum_channels int q k(x) P_from dx".into(),
            expected: Expected::Zero,
            effect: "a wave of {} energy/(time length)".into(),
            evidence,
        }
    }

    /// `cos(n pi x/L)` in state i, as many as the groups allow; the constant in one state less, because
    /// particles are conserved.
    fn test_functions(&self, modes: usize) -> Vec<(usize, usize)> {
        let states = self.context.states();
        let all = (0..=modes).flat_map(|mode| (0..states).map(move |s| (mode, s)));
        all.filter(|f| *f != (0, states - 1)).take(self.seen.len() / 4).collect()
    }

    /// `E[L phi] = 0`, the stationary equation in its weak form, from the densities alone: in the stationary
    /// law. On a ring sines belong to the cosines, where nothing jumps between its two ends.
    fn weak_equation(&self) -> Question {
        let model = &self.context.model;
        let ends = [0.0, model.domain.length];
        let closed = |s: usize| {
            let [a, b] = ends.map(|x| model.resistance(s, x));
            (a - b).abs() <= ROUNDING * a
        };
        let both = model.domain.walls == Boundary::Periodic && self.states().all(closed);
        let law = if both {
            "E[L phi] = 0 for cosines and sines in each state"
        } else {
            "E[L phi] = 0 for cosines in each state"
        };
        let each: Vec<Contrast<'_>> = self
            .test_functions(if both { 2 * WAVES } else { WAVES })
            .into_iter()
            .map(|(number, state)| {
                // cos(k x - shift), on a ring one after the other without a shift and shifted by a quarter.
                let (mode, shift) = match both {
                    true => (number.div_ceil(2), if number % 2 == 1 { 0.0 } else { QUARTER }),
                    false => (number, 0.0),
                };
                let shift = if mode == 0 { 0.0 } else { shift };
                // The derivative of the cosine is what moves; transitions lead into the state and out of it.
                let factor = -self.weak.wave_number(mode);
                let slope = |x: f64| libm::sin(self.weak.phase(mode, x) - shift);
                let mut coefficients = vec![vec![0.0; self.context.grid.cells()]; self.context.states()];
                for (c, t) in coefficients[state].iter_mut().zip(self.weak.transport(state, slope)) {
                    *c += factor * t;
                }
                let wave = self.weak.wave(mode, shift);
                for channel in model.network.channels().filter(|c| c.from == state || c.to == state) {
                    let sign = if channel.to == state { 1.0 } else { -1.0 };
                    let flow = self.weak.rate(channel).into_iter().zip(&wave).map(|(k, w)| sign * k * w);
                    coefficients[channel.from].iter_mut().zip(flow).for_each(|(c, f)| *c += f);
                }
                let sum = move |seen: &Seen<'_>| {
                    (0..coefficients.len()).map(|s| seen.time(s, &coefficients[s])).sum::<f64>()
                };
                Box::new(sum) as Contrast<'_>
            })
            .collect();
        Question {
            name: STATIONARY.into(),
            law: law.into(),
            expected: Expected::Zero,
            effect: "a cosine of a P_i that drifts by {} per time".into(),
            evidence: self.contrasts(&each, |seen| seen.exposure),
        }
    }

    /// Walkers are where they were when scoring began, in law. Where the run is longer than the system
    /// remembers, this sees what is left of the start better than the halves of the run would: what is left
    /// is gone from most of the first half.
    pub(super) fn stationarity(&self) -> Question {
        let each: Vec<Contrast<'_>> = self
            .test_functions(SLOWEST)
            .into_iter()
            .map(|(mode, state)| {
                let wave = self.weak.cosine(mode);
                let change = move |seen: &Seen<'_>| {
                    let now = seen.closing.state(state).iter().zip(seen.group.opening.state(state));
                    now.zip(&wave).map(|((c, o), w)| (*c as f64 - *o as f64) * w).sum()
                };
                Box::new(change) as Contrast<'_>
            })
            .collect();
        let mut evidence = self.contrasts(&each, |seen| seen.group.walkers.len() as f64);
        let time: f64 = self.seen.iter().map(|s| s.exposure).sum();
        let walkers: f64 = self.seen.iter().map(|s| s.group.walkers.len() as f64).sum();
        let covered = time / walkers.max(1.0) / self.context.model.relaxation_time();
        if let Evidence::Contrasts { blind, .. } = &mut evidence
            && covered < SHORT
        {
            *blind = Some(format!(
                "the run covers {covered:.1} relaxation times, too few to see a drift: make it {:.0} times as \
                 long",
                (LONG / covered.max(1e-6)).ceil()
            ));
        }
        Question {
            name: "run is stationary".into(),
            law: "walkers at the beginning and at the end have one law".into(),
            expected: Expected::Zero,
            effect: "a cosine of a P_i changed by {}".into(),
            evidence,
        }
    }

    /// At uniform temperature currents, heat current, entropy production and slope of the density must
    /// vanish; otherwise currents are looked for.
    fn hidden_currents(&self) -> Vec<Question> {
        let model = &self.context.model;
        let vanish = nothing_flows(model);
        let mut list = Vec::new();
        if let Err(reason) = &vanish
            && isothermal(model)
        {
            list.push(Question {
                name: "nothing flows at uniform temperature".into(),
                law: "J_i = 0".into(),
                expected: Expected::Zero,
                effect: String::new(),
                evidence: Evidence::Missing { reason: reason.clone() },
            });
        }
        if self.context.states() > 1 {
            list.extend(self.states().map(|s| self.flow(Some(s), vanish.is_ok())));
            // With inertia kinetic energy is carried too: asked there.
            if !model.is_underdamped() {
                list.push(self.flow(None, vanish.is_ok()));
            }
        }
        if vanish.is_ok() {
            list.push(self.no_dissipation());
            list.push(self.flat_density());
        }
        list
    }

    /// The current of a state, or the heat current: its mean is looked for, or all its waves must vanish.
    fn flow(&self, state: Option<usize>, vanishes: bool) -> Question {
        let grid = &self.context.grid;
        let model = &self.context.model;
        let energies = |s: usize| -> Vec<f64> {
            (0..=grid.cells()).map(|f| model.energy(s, grid.cell_face(f))).collect()
        };
        let carried: Vec<(usize, Vec<f64>)> = match state {
            Some(state) => vec![(state, vec![1.0; grid.cells() + 1])],
            None => self.states().map(|s| (s, energies(s))).collect(),
        };
        let waves: Vec<Vec<f64>> = if vanishes {
            (1..=self.modes).map(|mode| self.sine_at_faces(mode).iter().map(|s| 2.0 * s).collect()).collect()
        } else {
            // The mean by the trapezoidal rule.
            vec![(0..=grid.cells()).map(|f| if f == 0 || f == grid.cells() { 0.5 } else { 1.0 }).collect()]
        };
        let share = 1.0 / grid.cells() as f64;
        let each: Vec<Contrast<'_>> = waves
            .into_iter()
            .map(|wave| {
                let weighed = |(s, energy): &(usize, Vec<f64>)| {
                    (*s, energy.iter().zip(&wave).map(|(e, w)| e * w).collect::<Vec<f64>>())
                };
                let weighed: Vec<(usize, Vec<f64>)> = carried.iter().map(weighed).collect();
                let sum = move |seen: &Seen<'_>| {
                    weighed.iter().map(|(s, weight)| seen.flow(*s, weight, share)).sum()
                };
                Box::new(sum) as Contrast<'_>
            })
            .collect();
        let (what, law, unit) = match state {
            Some(state) => (format!("hidden current of {}", self.name(state)), "J_i", "1/time"),
            None => ("hidden heat current".into(), "J_E", "energy/time"),
        };
        let zero_energy = state.is_none()
            && !model.has_forces()
            && self.context.model.network.states().windows(2).all(|pair| pair[0].energy == pair[1].energy);
        let evidence = if zero_energy {
            Evidence::Missing { reason: "all states have the same energy".into() }
        } else {
            self.contrasts(&each, |seen| seen.exposure)
        };
        Question {
            name: if vanishes { format!("no {what}") } else { what },
            law: if vanishes { format!("{law} = 0") } else { format!("mean of {law}") },
            expected: if vanishes { Expected::Zero } else { Expected::Anything },
            effect: if vanishes {
                format!("a wave of {{}} {unit}")
            } else {
                format!("a mean of {{}} {unit}")
            },
            evidence,
        }
    }

    /// Heat over temperature, per group.
    fn dissipated(&self) -> impl Fn(&Seen<'_>) -> f64 + use<> {
        let inverse = self.weak.inverse_temperature();
        move |seen| -seen.heat.iter().zip(&inverse).map(|(q, b)| q * b).sum::<f64>()
    }

    pub(super) fn no_dissipation(&self) -> Question {
        let model = &self.context.model;
        // With coordinates it is asked in equilibrium only.
        let premise = if model.coordinates.is_some() { Ok(()) } else { equilibrium(model) };
        let evidence = match premise {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) => self.contrasts(&[Box::new(self.dissipated())], |seen| seen.exposure),
        };
        Question {
            name: "no entropy production".into(),
            law: "-sum heat/T = 0".into(),
            expected: Expected::Zero,
            effect: "{} per time".into(),
            evidence,
        }
    }

    fn flat_density(&self) -> Question {
        let evidence = match flat_density(&self.context.model) {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) => {
                let each: Vec<Contrast<'_>> = (1..=self.modes)
                    .map(|mode| {
                        let wave: Vec<f64> = self.weak.cosine(mode).iter().map(|c| 2.0 * c).collect();
                        let sum =
                            move |seen: &Seen<'_>| (0..seen.time.len()).map(|s| seen.time(s, &wave)).sum();
                        Box::new(sum) as Contrast<'_>
                    })
                    .collect();
                self.contrasts(&each, |seen| seen.time.iter().flatten().sum())
            }
        };
        Question {
            name: "no gathering".into(),
            law: "d_x ln P_tot = 0".into(),
            expected: Expected::Zero,
            effect: "a wave of {} of the mean density".into(),
            evidence,
        }
    }

    /// `-sum heat/T = -int J_E T'/T^2 dx + sum work/T`: in the stationary law.
    fn entropy_balance(&self) -> Question {
        let model = &self.context.model;
        let evidence = match heat_known(model) {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) if model.is_underdamped() => {
                let reason = "with inertia the heat current is booked by this very identity";
                Evidence::Missing { reason: reason.into() }
            }
            Ok(()) if model.has_forces() => {
                let reason = "forces act: the heat of moves is booked by this very identity";
                Evidence::Missing { reason: reason.into() }
            }
            Ok(()) => {
                let dissipated = self.dissipated();
                let inverse = self.weak.inverse_temperature();
                let energy: Vec<f64> = model.network.states().iter().map(|s| s.energy).collect();
                let difference = move |seen: &Seen<'_>| {
                    // J_E times the fall of 1/T between the cells on both sides of each face.
                    let carried = |face: usize| -> f64 {
                        energy.iter().zip(&seen.through).map(|(e, j)| e * j[face] as f64).sum()
                    };
                    let falls = inverse.windows(2).enumerate();
                    let carried: f64 = falls.map(|(c, b)| carried(c + 1) * (b[1] - b[0])).sum();
                    let work: f64 = seen.group.profile.work().iter().zip(&inverse).map(|(w, b)| w * b).sum();
                    dissipated(seen) - carried - work
                };
                self.contrasts(&[Box::new(difference)], |seen| seen.exposure)
            }
        };
        Question {
            name: "entropy production balances heat current and work".into(),
            law: "-sum heat/T = -int J_E T'/T^2 dx + work/T".into(),
            expected: Expected::Zero,
            effect: "{} per time".into(),
            evidence,
        }
    }

    /// `-sum heat/T >= 0`.
    pub(super) fn second_law(&self) -> Question {
        let model = &self.context.model;
        let evidence = match heat_known(model).and_then(|()| one_shape(model)) {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) => self.contrasts(&[Box::new(self.dissipated())], |seen| seen.exposure),
        };
        Question {
            name: "entropy production is not negative".into(),
            law: "-sum heat/T >= 0".into(),
            expected: Expected::NotNegative,
            effect: "{} per time below zero".into(),
            evidence,
        }
    }
}
