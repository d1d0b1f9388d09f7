//! Controls of particles that are seen once a step: functions of x and v, or of x and one internal coordinate.

use crate::ensemble::Group;
use crate::estimator::{Context, Density, Estimator, InternalHeat, InternalPlane, Moments, Soret};
use crate::internal_space::{Generated, SHAPES};
use crate::model::{Boundary, Response};
use crate::observable::Observable;
use crate::phase_space::POWERS;
use crate::verification::Weak;

/// Highest wave along x: what a cell does not resolve of it is 1e-4 of itself.
const WAVES: usize = 16;

/// Controls of every group, each behind the number of walkers seen.
pub(super) fn controls(context: &Context, groups: &[Group]) -> Result<Vec<Vec<f64>>, String> {
    let most = groups.len() / 4;
    let weak = Weak::new(&context.model, &context.grid);
    let functions = Functions { context, weak };
    match context.model.is_underdamped() {
        true => functions.of_velocities(groups, most),
        false => functions.of_coordinates(groups, most),
    }
}

/// An estimator, and which of its observables are smooth functions of what was seen.
type Chosen = (Box<dyn Estimator>, fn(Observable) -> bool);

/// What is assisted: smooth functions of means over what was seen. Counts of events are not.
pub(super) fn estimators(context: &Context) -> Vec<Chosen> {
    use Observable::*;
    let densities =
        |o: Observable| matches!(o, Soret | MeanTemperature | Density | StateDensity(_) | Population(_));
    let soret: Box<dyn Estimator> = Box::new(self::Soret);
    let mut list: Vec<Chosen> = vec![(soret, densities)];
    if context.model.is_underdamped() {
        list.push((Box::new(Moments), |o| !matches!(o, MaxwellDeviation(_))));
    } else {
        list.push((Box::new(InternalHeat), |o| matches!(o, ItoHeatCurrent | MeanEnergy)));
        list.push((Box::new(InternalPlane), |o| matches!(o, WellPopulation(_))));
    }
    list.push((Box::new(self::Density), densities));
    list
}

/// A wave along x with its first and second derivative.
type Wave<'a> = Box<dyn Fn(f64) -> [f64; 3] + 'a>;

struct Functions<'a> {
    context: &'a Context,
    weak: Weak<'a>,
}

impl Functions<'_> {
    /// `cos(q x)` and `sin(q x)`.
    fn wave(&self, mode: usize, odd: bool) -> Wave<'_> {
        let q = self.weak.wave_number(mode);
        Box::new(move |x| {
            let (sine, cosine) = libm::sincos(self.weak.phase(mode, x));
            if odd { [sine, q * cosine, -q * q * sine] } else { [cosine, -q * sine, -q * q * cosine] }
        })
    }

    /// Whether the cosine and the sine of a mode may stand before an even or an odd function of the velocity: `(x, v)` and
    /// `(-x, -v)` are the same place beyond a wall; on a ring both may.
    fn waves(&self, mode: usize, odd: bool) -> Vec<Wave<'_>> {
        let ring = self.context.model.domain.walls == Boundary::Periodic;
        let both = [false, true].into_iter().filter(|sine| ring || *sine == odd);
        both.filter(|sine| mode > 0 || !sine).map(|sine| self.wave(mode, sine)).collect()
    }

    /// `phi = c(x) v^k` in state s:
    ///
    /// `L phi = c' v^(k+1) + k c [F_s v^(k-1) - gamma v^k + (k-1) (gamma kT/m) v^(k-2)]/m - sum_j k_{j<-s} c v^k` there, and
    /// `k_{s<-j} c (v sqrt(m_j/m_s))^k` in state j.
    fn of_velocities(&self, groups: &[Group], most: usize) -> Result<Vec<Vec<f64>>, String> {
        let model = &self.context.model;
        let states = 0..self.context.states();
        let mass = |s: usize| model.network.states()[s].mass.unwrap_or(1.0);
        let friction = |s: usize, x: f64| model.friction(s).map_or(0.0, |g| g.value(x));
        let force = |s: usize, x: f64| -model.potentials(s).map(|u| u.slope(x)).sum::<f64>();
        let moved = |s: usize, power: usize, c: &Wave<'_>| -> Vec<(usize, usize, Vec<f64>)> {
            let (m, k) = (mass(s), power as f64);
            let mut terms = vec![(s, power + 1, self.weak.plain(|x| c(x)[1]))];
            if power > 0 {
                terms.push((s, power, self.weak.plain(|x| -k * friction(s, x) / m * c(x)[0])));
                if model.has_force(s) {
                    terms.push((s, power - 1, self.weak.plain(|x| k * force(s, x) / m * c(x)[0])));
                }
            }
            if power > 1 {
                let noise = |x: f64| k * (k - 1.0) * friction(s, x) * model.thermal_energy(x) / (m * m);
                terms.push((s, power - 2, self.weak.plain(|x| noise(x) * c(x)[0])));
            }
            for channel in model.network.channels().filter(|c| c.from == s || c.to == s) {
                let sign = if channel.to == s { 1.0 } else { -1.0 };
                let faster = libm::pow(mass(channel.from) / m, 0.5 * k);
                let rate = |x: f64| sign * faster * model.rate(channel, x) * c(x)[0];
                terms.push((channel.from, power, self.weak.plain(rate)));
            }
            terms
        };
        let mut all = Vec::new();
        'enough: for mode in 0..=WAVES {
            for power in 0..POWERS {
                for c in self.waves(mode, power % 2 == 1) {
                    for s in states.clone() {
                        if all.len() >= most {
                            break 'enough;
                        }
                        // Particles are conserved: the constant in one state less.
                        if mode + power > 0 || s + 1 < states.len() {
                            all.push(moved(s, power, &c));
                        }
                    }
                }
            }
        }
        let row = |group: &Group| -> Result<Vec<f64>, String> {
            let phase = group.phase.as_ref().ok_or("no velocities were seen")?;
            let counts: Vec<Vec<f64>> =
                states.clone().map(|s| group.profile.visits(s).iter().map(|n| *n as f64).collect()).collect();
            let sum = |(s, power, weight): &(usize, usize, Vec<f64>)| -> f64 {
                match power.checked_sub(1) {
                    None => counts[*s].iter().zip(weight).map(|(n, w)| n * w).sum(),
                    Some(p) => phase.powers(*s).iter().zip(weight).map(|(sums, w)| sums[p] * w).sum(),
                }
            };
            let mut row = vec![counts.iter().flatten().sum()];
            row.extend(all.iter().map(|terms| terms.iter().map(sum).sum::<f64>()));
            Ok(row)
        };
        groups.iter().map(row).collect()
    }

    /// `phi = c(x) h(q)`, the same in all states: `L phi = c'' D h + c mu [kT h'' - h' d_q E]`.
    fn of_coordinates(&self, groups: &[Group], most: usize) -> Result<Vec<Vec<f64>>, String> {
        let model = &self.context.model;
        let axis = model.coordinates.as_ref().and_then(|c| c.axes.first()).ok_or("no coordinate was seen")?;
        let mobility = |x: f64| match axis.response {
            Response::Mobility(mobility) => mobility,
            Response::Diffusivity(diffusivity) => diffusivity / model.thermal_energy(x),
        };
        let mut all = Vec::new();
        'enough: for mode in 0..=WAVES {
            for c in self.waves(mode, false) {
                let bent = self.weak.plain(|x| c(x)[2]);
                let pushed = self.weak.plain(|x| -mobility(x) * c(x)[0]);
                let noisy = self.weak.plain(|x| mobility(x) * model.thermal_energy(x) * c(x)[0]);
                for shape in usize::from(mode == 0)..=SHAPES {
                    if all.len() >= most {
                        break 'enough;
                    }
                    all.push((shape.checked_sub(1), [bent.clone(), pushed.clone(), noisy.clone()]));
                }
            }
        }
        let sum = |cells: &[Generated], (shape, weights): &(Option<usize>, [Vec<f64>; 3])| -> f64 {
            let [bent, pushed, noisy] = weights;
            let at = |(c, cell): (usize, &Generated)| match shape {
                None => bent[c] * cell.mobile,
                Some(k) => {
                    let [h, dh, ddh] = cell.shapes[*k];
                    bent[c] * h + pushed[c] * dh + noisy[c] * ddh
                }
            };
            cells.iter().enumerate().map(at).sum()
        };
        let row = |group: &Group| -> Result<Vec<f64>, String> {
            let internal = group.internal.as_ref().ok_or("no coordinate was seen")?;
            let mut row = vec![internal.seen().iter().sum::<u64>() as f64];
            row.extend(all.iter().map(|function| sum(internal.generated(), function)));
            Ok(row)
        };
        groups.iter().map(row).collect()
    }
}
