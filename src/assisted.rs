//! Estimates assisted by the generator: far smaller errors, at the price of trusting the equation.
//!
//! In the stationary law `E[L phi] = 0` for every `phi(x, i)` whose slope vanishes at the walls, `L` the generator of the
//! process,
//!
//! `(L phi)(x, i) = D_i phi_i'' + b_i phi_i' + sum_j k_{j<-i}(x) [phi_j - phi_i]`, `b_i` the drift as Ito's equation has it;
//!
//! its mean over the time of a group is a control: a number with expectation zero that fluctuates together with what is to
//! be measured. Quantities that are means over that time are regressed on such controls over the groups
//! ([`crate::stats::Controls`]), and what is left of their variance may be a thousandth or less.
//!
//! The controls are the contrasts of the check "densities solve the stationary equation" of [`crate::verification`]:
//! cosines (on a ring whole waves) in each state, a quarter of the number of groups, chosen by the file and not by what was
//! found. They explain what is long and slow. What is narrow or fast is taken away before: quantities are not those of the time
//! that a group spent, but of what the equation makes of it in half a relaxation time, which has the same expectation (`onward`
//! in this room; equally: each quantity plus the control `L phi` whose `phi` is that of a resolvent, for all quantities at once).
//! Currents and heat are taken from rates times time, not from counts: the noise of counts around their intensities is nothing
//! that controls could explain.
//!
//! **Particles with inertia.** `phi = c(x) v^k` in state i, `k <= 3`; between walls `c` is a cosine for even k and a sine for odd
//! k, because `(x, v)` and `(-x, -v)` are one place beyond a wall. With mass `m_i`, friction `gamma_i` and force `F_i`
//!
//! `L phi_i = v d_x phi_i + (F_i/m_i - gamma_i v/m_i) d_v phi_i + (gamma_i kT/m_i^2) d_v^2 phi_i + sum_j k_{j<-i} [phi_j(v sqrt(m_i/m_j)) - phi_i]`,
//!
//! whose mean follows from moments of v in fine cells.
//!
//! **Internal coordinates.** `phi = c(x) h(q)` with the first coordinate, the same in all states, so that transitions do not matter; `h` a
//! power on the whole line, a polynomial without a slope between walls, a wave on a circle:
//!
//! `L phi = D c'' h + c mu (kT h'' - h' d_q E)`, `mu` a mobility or a diffusivity over `kT(x)`,
//!
//! summed walker by walker. Where a force acts along x there are none.
//!
//! **Steps.** What is seen once a step has the law of the chain, which differs from that of the equation by its own order: the mean
//! of the controls tends to `O(dt^2)`, or to what the method says of itself, and not to zero. A run that is long enough sees it in T^2.
//!
//! **The trap.** A sampler that solves another equation has controls that do not vanish, and the regression draws its
//! estimates to the solution of *this* one. Assisted numbers therefore stand beside the raw ones, never replace them and are
//! never compared with theory; the joint test of the controls against zero, Hotelling's T^2, tells whether the run earns
//! them.

mod flows;
mod onward;
mod seen;

use crate::ensemble::Group;
use crate::estimator::{Context, exponential_family, free_between_walls, measure, wall_to_wall};
use crate::model::{Boundary, Channel};
use crate::observable::Observable;
use crate::stats::{Controls, Outcome, Residual, Sample, jackknife};
use crate::verification::{Evidence, Question, STATIONARY, Weak};
use flows::{Exchanged, Flow, beside};
use onward::Onward;

/// What a run says with the help of controls.
#[derive(Clone, Debug)]
pub struct Assisted {
    /// Number of controls.
    pub controls: usize,
    /// Whether the controls vanish, all of them together: the equation in its weak form.
    pub residual: Residual,
    /// One entry per bin, face, or one, as in the report.
    pub quantities: Vec<(Observable, Vec<Outcome>)>,
}

/// Assisted estimates from the groups of a run and what it was asked: overdamped particles their check of the stationary equation
/// ([`crate::verification::STATIONARY`]), particles that are seen once a step nothing.
///
/// # Errors
/// The reason why there are none.
pub fn assist(context: &Context, groups: &[Group], questions: &[Question]) -> Result<Assisted, String> {
    if let Some(reason) = refusal(context) {
        return Err(reason.into());
    }
    if context.model.is_underdamped() || context.model.coordinates.is_some() {
        return assist_seen(context, groups);
    }
    let check =
        questions.iter().find(|q| q.name == STATIONARY).ok_or("the stationary equation was not asked")?;
    let contrasts = match &check.evidence {
        Evidence::Contrasts { sums, .. } => sums,
        Evidence::Missing { reason } => return Err(reason.clone()),
        Evidence::Exact { .. } => return Err("the stationary equation was not asked".into()),
    };
    let seen = |(group, controls): (&Group, &Vec<f64>)| {
        let time: f64 = (0..context.states()).map(|s| context.time_in(group, s).sum::<f64>()).sum();
        [vec![time], controls.clone()].concat()
    };
    let rows: Vec<Vec<f64>> = groups.iter().zip(contrasts).map(seen).collect();
    let residual = regression(jackknife(&rows, &per_time).into_iter().collect())?.against_zero();
    let (controls, quantities) = Means::new(context, groups, contrasts)?.all();
    Ok(Assisted { controls, residual, quantities })
}

/// Sums over the time of each group, regressed on sums of controls. A mean over time is the ratio of two intercepts, and a
/// function of means is that of such ratios: their errors are those of what is linear in the sums, taken there. A ratio that
/// is regressed itself would keep the square of the noise that controls explain.
struct Means<'a> {
    sums: Sums<'a>,
    regression: Controls,
    /// The time of each group, and its intercept.
    time: Vec<f64>,
    expected: f64,
    /// Entry by entry, group by group.
    columns: Vec<Vec<f64>>,
}

impl<'a> Means<'a> {
    fn new(context: &'a Context, groups: &[Group], contrasts: &[Vec<f64>]) -> Result<Self, String> {
        let sums = Sums::new(context);
        let column = |k: usize| -> Vec<f64> { contrasts.iter().map(|row| row[k]).collect() };
        let controls = (0..contrasts.first().map_or(0, Vec::len))
            .map(column)
            .map(|pseudo| Sample { value: pseudo.iter().sum::<f64>() / pseudo.len() as f64, pseudo });
        let regression = regression(Some(controls.collect()))?;
        let (mut time, mut columns) = (Vec::new(), Vec::new());
        for group in groups {
            let of = sums.of(group);
            time.push(of.time);
            columns.resize(of.values.len(), Vec::new());
            columns.iter_mut().zip(of.values).for_each(|(column, value)| column.push(value));
        }
        let expected = regression.intercept(&time);
        match expected > 0.0 {
            true => Ok(Means { sums, regression, time, expected, columns }),
            false => Err("no time was scored".into()),
        }
    }

    /// A mean over time, assisted, with the values of the groups around it.
    fn mean(&self, entry: usize) -> (f64, Vec<f64>) {
        let column = &self.columns[entry];
        let mean = self.regression.intercept(column) / self.expected;
        let around = |(sum, time): (&f64, &f64)| mean + (sum - mean * time) / self.expected;
        (mean, column.iter().zip(&self.time).map(around).collect())
    }

    fn outcome(&self, value: f64, pseudo: Vec<f64>) -> Outcome {
        self.regression.assist(&Sample { value, pseudo })
    }

    /// A smooth function of means, linear in what the groups differ by.
    fn function<const N: usize>(
        &self,
        entries: [usize; N],
        of: impl Fn([f64; N]) -> Option<f64>,
    ) -> Option<Outcome> {
        let means = entries.map(|entry| self.mean(entry));
        let at: [f64; N] = std::array::from_fn(|k| means[k].0);
        let value = of(at)?;
        let mut pseudo = vec![value; self.time.len()];
        for (k, (mean, groups)) in means.iter().enumerate() {
            // Slopes across the noise of the mean: nothing else tells what is small for this function, a gradient may be tiny.
            let squares: f64 = groups.iter().map(|group| (group - mean).powi(2)).sum();
            let step = libm::sqrt(squares) / groups.len() as f64;
            if step == 0.0 {
                continue;
            }
            let beside =
                |sign: f64| of(std::array::from_fn(|j| if j == k { mean + sign * step } else { at[j] }));
            let slope = (beside(1.0)? - beside(-1.0)?) / (2.0 * step);
            pseudo.iter_mut().zip(groups).for_each(|(p, group)| *p += slope * (group - mean));
        }
        Some(self.outcome(value, pseudo))
    }

    /// How many controls there are, and everything that they assist.
    fn all(&self) -> (usize, Vec<(Observable, Vec<Outcome>)>) {
        let (sums, context) = (&self.sums, self.sums.context);
        let null = || Outcome::null("the temperature is uniform: test that the density is flat instead");
        let heated = sums.entries_before(Observable::MeanTemperature);
        let soret = self.function([heated], |[mean]| exponential_family(&sums.temperature, mean));
        let mut quantities = vec![(Observable::Soret, vec![soret.unwrap_or_else(null)])];
        if sums.points {
            let left = sums.entries_before(Observable::PointDensity);
            let walls = self.function([left, left + context.grid.bins], |p| wall_to_wall(&context.model, p));
            quantities.push((Observable::SoretWall, vec![walls.unwrap_or_else(null)]));
        }
        let mut entries = 0..self.columns.len();
        for observable in &sums.observables {
            let outcome = |entry: usize| {
                let (mean, pseudo) = self.mean(entry);
                self.outcome(mean, pseudo)
            };
            let count = observable.support().entries(&context.grid);
            quantities.push((*observable, entries.by_ref().take(count).map(outcome).collect()));
        }
        (self.regression.count(), quantities)
    }
}

/// Everything per time, which stands in front.
fn per_time(row: &[f64]) -> Vec<Option<f64>> {
    row[1..].iter().map(|sum| (row[0] > 0.0).then(|| sum / row[0])).collect()
}

/// The same of particles that are seen once a step, quantities as their estimators have them.
fn assist_seen(context: &Context, groups: &[Group]) -> Result<Assisted, String> {
    let rows = seen::controls(context, groups)?;
    let regression = regression(jackknife(&rows, &per_time).into_iter().collect())?;
    let mut quantities = Vec::new();
    for (estimator, assisted) in seen::estimators(context) {
        for measured in measure(estimator.as_ref(), context, groups) {
            if assisted(measured.observable) {
                let outcome = |sample: &Option<Sample>| match sample {
                    Some(sample) => regression.assist(sample),
                    None => Outcome::null(measured.reason.clone()),
                };
                quantities.push((measured.observable, measured.samples.iter().map(outcome).collect()));
            }
        }
    }
    Ok(Assisted { controls: regression.count(), residual: regression.against_zero(), quantities })
}

fn regression(controls: Option<Vec<Sample>>) -> Result<Controls, String> {
    let controls = controls.ok_or("no time was scored")?;
    Controls::new(&controls)
        .ok_or_else(|| "too few groups, or groups that do not differ, for any control".into())
}

/// Why no assisted estimates are to be had of this kind of particle.
pub fn refusal(context: &Context) -> Option<&'static str> {
    let model = &context.model;
    let coordinates = model.coordinates.as_ref();
    if model.mixture.is_some() {
        Some("particles that react have no assisted estimates: their equation is not linear")
    } else if coordinates.is_some_and(|c| c.has_force() || model.has_forces()) {
        Some(
            "internal coordinates with a force along x have no assisted estimates: their controls are not summed",
        )
    } else if !context.times.is_empty() {
        Some("the run has observation times: it is not stationary")
    } else {
        None
    }
}

/// What a unit of time in each cell adds to each mean.
struct Sums<'a> {
    context: &'a Context,
    /// `T` in each cell.
    temperature: Vec<f64>,
    /// Per channel.
    flows: Vec<Flow>,
    /// Per channel, heat absorbed in a transition in each cell; and the same over kT. None where moves exchange heat as well, or
    /// the heat is not known.
    heat: Option<[Vec<Exchanged>; 2]>,
    /// Whether densities at a point are asked.
    points: bool,
    ring: bool,
    /// On a ring, `int J_i dx` per state.
    around: Option<Vec<Vec<f64>>>,
    onward: Onward,
    observables: Vec<Observable>,
}

/// Sums over the time of a group.
struct Totals {
    time: f64,
    /// In the order of [`Sums::observables`].
    values: Vec<f64>,
}

impl<'a> Sums<'a> {
    fn new(context: &'a Context) -> Self {
        let (model, grid) = (&context.model, &context.grid);
        let weak = Weak::new(model, grid);
        let known = model.has_heat() && !model.has_forces();
        let states = 0..model.network.states().len();
        let ring = model.domain.walls == Boundary::Periodic;
        let heat = |c: Channel, x: f64| model.exchange(c, x).map_or(0.0, |e| e.heat);
        // The same for both directions of an edge: what goes to and fro exchanges nothing.
        let plain = |c: Channel| Exchanged::new(&weak, |x| heat(c, x));
        let over_kt = |c: Channel| Exchanged::new(&weak, |x| heat(c, x) / model.thermal_energy(x));
        let channels = || model.network.channels();
        let heat = known.then(|| [channels().map(plain).collect(), channels().map(over_kt).collect()]);
        let flows: Vec<Flow> = channels().map(|c| Flow::new(&weak, c)).collect();
        let points = free_between_walls(model);
        let mut observables = vec![Observable::MeanTemperature];
        observables.extend(states.clone().map(Observable::Population));
        observables.extend(states.clone().map(Observable::MeanCurrent));
        observables.push(Observable::MeanHeatCurrent);
        observables.extend(known.then_some(Observable::EntropyProduction));
        observables.extend(ring.then_some(Observable::MeanVelocity));
        observables.push(Observable::Density);
        observables.extend(states.clone().map(Observable::StateDensity));
        if points {
            observables.push(Observable::PointDensity);
            observables.extend(states.clone().map(Observable::PointStateDensity));
        }
        observables.extend(states.clone().map(Observable::Current));
        observables.extend(states.clone().map(Observable::WindowCurrent));
        observables.push(Observable::HeatCurrent);
        observables.extend(known.then_some(Observable::HeatAbsorbed));
        observables.extend(model.network.channels().map(|c| Observable::TransitionRate(c.index)));
        let onward = Onward::new(&weak, &flows);
        Sums {
            context,
            onward,
            temperature: (0..grid.cells())
                .map(|c| grid.cell_mean(c, |x| model.temperature.value(x)))
                .collect(),
            flows,
            points,
            ring,
            heat,
            around: ring.then(|| states.map(|s| weak.transport(s, |_| 1.0)).collect()),
            observables,
        }
    }

    /// Entries of all observables before this one.
    fn entries_before(&self, observable: Observable) -> usize {
        let before = self.observables.iter().take_while(|o| **o != observable);
        before.map(|o| o.support().entries(&self.context.grid)).sum()
    }

    fn of(&self, group: &Group) -> Totals {
        let grid = &self.context.grid;
        let states = 0..self.context.states();
        let time: Vec<Vec<f64>> = states.clone().map(|s| self.context.time_in(group, s).collect()).collect();
        let time = self.onward.carry(&time);
        let passed: Vec<Vec<f64>> = self.flows.iter().map(|flow| flow.of(&time[flow.channel.from])).collect();
        let faces: Vec<Vec<f64>> = states.clone().map(|s| self.flow(&time, &passed, s)).collect();
        let energy = |s: usize, k: usize| self.context.model.energy(s, grid.cell_face(k));
        let carried: Vec<f64> =
            (0..=grid.cells()).map(|k| states.clone().map(|s| energy(s, k) * faces[s][k]).sum()).collect();
        let heat = |which: usize| -> Vec<f64> {
            let mut absorbed = vec![0.0; grid.cells()];
            let heats = self.heat.iter().flat_map(|both| &both[which]);
            for (passed, heat) in passed.iter().zip(heats) {
                let parts = heat.of(passed, self.ring);
                absorbed.iter_mut().zip(parts).for_each(|(sum, q)| *sum += q);
            }
            absorbed
        };
        let points: Vec<Vec<f64>> = match self.points {
            true => time.iter().map(|cells| self.points(cells)).collect(),
            false => Vec::new(),
        };
        let total: Vec<f64> = (0..grid.cells()).map(|c| time.iter().map(|t| t[c]).sum()).collect();
        let mut values = Vec::new();
        for observable in &self.observables {
            match *observable {
                Observable::MeanTemperature => {
                    values.push(total.iter().zip(&self.temperature).map(|(t, at)| t * at).sum());
                }
                Observable::Population(s) => values.push(time[s].iter().sum()),
                Observable::MeanCurrent(s) => values.push(trapezoid(&faces[s])),
                Observable::MeanHeatCurrent => values.push(trapezoid(&carried)),
                Observable::EntropyProduction => values.push(-heat(1).iter().sum::<f64>()),
                Observable::MeanVelocity => {
                    values.push(grid.length * faces.iter().map(|f| trapezoid(f)).sum::<f64>());
                }
                Observable::Density => values.extend(self.per_length(&total)),
                Observable::StateDensity(s) => values.extend(self.per_length(&time[s])),
                Observable::PointDensity => {
                    values.extend((0..=grid.bins).map(|k| points.iter().map(|state| state[k]).sum::<f64>()))
                }
                Observable::PointStateDensity(s) => values.extend(&points[s]),
                Observable::Current(s) => values.extend(self.at_faces(&faces[s])),
                Observable::WindowCurrent(s) => {
                    let m = grid.cells_per_bin;
                    values.extend((0..grid.bins).map(|b| trapezoid(&faces[s][b * m..=(b + 1) * m])));
                }
                Observable::HeatCurrent => values.extend(self.at_faces(&carried)),
                Observable::HeatAbsorbed => values.extend(self.per_length(&heat(0))),
                Observable::TransitionRate(channel) => values.extend(self.per_length(&passed[channel])),
                // Nothing else is in the list.
                _ => {}
            }
        }
        Totals { time: total.iter().sum(), values }
    }

    /// `int J_i dt` at every cell face, from what transitions are expected to bring into the state on the side of smaller x;
    /// on a ring that fixes differences only, and the mean follows from the forces.
    fn flow(&self, time: &[Vec<f64>], passed: &[Vec<f64>], state: usize) -> Vec<f64> {
        let cells = self.context.grid.cells();
        let mut into = vec![0.0; cells];
        for (flow, passed) in self.flows.iter().zip(passed) {
            let sign = flow.sign(state);
            if sign != 0.0 {
                into.iter_mut().zip(passed).for_each(|(sum, n)| *sum += sign * n);
            }
        }
        let mut faces = Vec::with_capacity(cells + 1);
        let mut through = 0.0;
        faces.push(through);
        for net in into {
            through += net;
            faces.push(through);
        }
        if let Some(around) = &self.around {
            let all: f64 = around[state].iter().zip(&time[state]).map(|(a, t)| a * t).sum();
            let shift = all / self.context.grid.length - trapezoid(&faces);
            faces.iter_mut().for_each(|f| *f += shift);
        }
        faces
    }

    /// `int P_i dt` at both walls, where its slope vanishes, and all faces between bins, to fourth order in the width of a cell.
    fn points(&self, time: &[f64]) -> Vec<f64> {
        let grid = &self.context.grid;
        let last = time.len() - 1;
        let from_wall = |cells: [usize; 3]| {
            let [near, next, far] = cells.map(|c| time[c.min(last)]);
            (85.0 * near - 23.0 * next + 4.0 * far) / 66.0
        };
        let at = |face: usize| {
            if face == 0 {
                return from_wall([0, 1, 2]);
            }
            if face > last {
                return from_wall([last, last.saturating_sub(1), last.saturating_sub(2)]);
            }
            let [before, right] = beside(face - 1, time.len(), false).map(|c| time[c]);
            let [left, after] = beside(face, time.len(), false).map(|c| time[c]);
            (7.0 * (left + right) - before - after) / 12.0
        };
        (0..=grid.bins).map(|k| at(k * grid.cells_per_bin) / grid.cell_width()).collect()
    }

    /// Adds up the cells of each bin, per length.
    fn per_length(&self, cells: &[f64]) -> Vec<f64> {
        let grid = &self.context.grid;
        cells.chunks(grid.cells_per_bin).map(|bin| bin.iter().sum::<f64>() / grid.bin_width()).collect()
    }

    /// The interior faces between bins.
    fn at_faces(&self, faces: &[f64]) -> Vec<f64> {
        let grid = &self.context.grid;
        (1..grid.bins).map(|b| faces[b * grid.cells_per_bin]).collect()
    }
}

/// Mean over faces by the trapezoidal rule.
fn trapezoid(faces: &[f64]) -> f64 {
    let n = faces.len() - 1;
    (faces[1..n].iter().sum::<f64>() + 0.5 * (faces[0] + faces[n])) / n as f64
}
