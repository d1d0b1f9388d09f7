//! Every [`Observable`] evaluated on a law in phase space, on the same bins, faces and cells of velocity as a
//! simulation and by the same definition; see [`super::functionals`].
//!
//! A bin average over x of the law is a series of Hermite functions with averaged coefficients. Integrals over cells
//! of velocity follow from their primitives, without a quadrature.

use super::element::Rule;
use super::functionals::{Profile, integrate, quadrature, reference};
use super::hermite;
use super::kramers::Kramers;
use super::overdamped::{LAYER, Local, Overdamped};
use crate::grid::Grid;
use crate::model::{Boundary, Model};
use crate::observable::Observable;
use crate::phase_space;

impl Kramers {
    /// The values of an observable for this law on `grid`: one number, one per bin, face, speed or cell, as
    /// [`Observable::support`] says. Averages over bins are integrals over x.
    ///
    /// - `HeatAbsorbed` and `EntropyProduction` count kicks and transitions.
    /// - `CrossoverSpeed` is where the odd part of the averaged law changes its sign; `None` where the law is even
    ///   within the estimated error.
    /// - `LocalSoret` and `SoretWall` are those of the density at points.
    ///
    /// The outer `None`: no such state or channel, a grid of another length, an observable of overdamped particles
    /// or of single trajectories. An inner `None`: the quantity is not defined there.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        use Observable::*;
        let (model, length) = (Kramers::model(self), Kramers::model(self).domain.length);
        let known = match observable {
            KineticTemperature(i)
            | SlowCurrent(i)
            | FastCurrent(i)
            | PeakSlowCurrent(i)
            | CrossoverSpeed(i)
            | MaxwellDeviation(i)
            | PhaseDensity(i) => i < self.masses().len(),
            _ => true,
        };
        if !known || (grid.length - length).abs() > 1e-12 * length {
            return None;
        }
        let slice = |i: usize, b: usize, count: usize| self.slice(i, grid, b, count);
        let middle = |b: usize| model.thermal_energy((b as f64 + 0.5) * grid.bin_width());
        let bins = |value: &dyn Fn(usize) -> Option<f64>| (0..grid.bins).map(value).collect::<Vec<_>>();
        let averages = |value: &dyn Fn(f64) -> f64| -> Option<Vec<Option<f64>>> {
            Some(self.bin_averages(grid, value)?.into_iter().map(Some).collect())
        };
        let one_between_walls = self.masses().len() == 1 && model.domain.walls == Boundary::Reflecting;
        let values = match observable {
            // Particles are conserved: what is left of these in the solution is rounding.
            Current(0) | WindowCurrent(0) | MeanCurrent(0) if one_between_walls => {
                vec![Some(0.0); observable.support().entries(grid)]
            }
            KineticTemperature(i) => bins(&|b| {
                let a = slice(i, b, 3).modes;
                let squares = self.particle().theta * (a[0] + std::f64::consts::SQRT_2 * a[2]);
                Some(squares / a[0] / model.boltzmann)
            }),
            MomentumFlux => averages(&|x| self.momentum_flux_at(x).iter().sum())?,
            PhaseHeatCurrent => averages(&|x| self.heat_current_at(x))?,
            KineticHeatCurrent => averages(&|x| self.kinetic_heat_current_at(x))?,
            MeanHeatCurrent => {
                let sum = integrate(Kramers::vertices(self), 0.0, length, |x| self.heat_current_at(x));
                vec![Some(sum / length)]
            }
            CarriedHeatCurrent if model.domain.walls == Boundary::Periodic => vec![None; grid.bins - 1],
            CarriedHeatCurrent => (1..grid.bins).map(|k| Some(self.heat_current_at(grid.face(k)))).collect(),
            HeatAbsorbed if self.heat_of_transitions_at(0.5 * length).is_none() => vec![None; grid.bins],
            HeatAbsorbed => {
                averages(&|x| self.heat_of_kicks_at(x) + self.heat_of_transitions_at(x).unwrap_or(f64::NAN))?
            }
            MaxwellDeviation(i) => bins(&|b| {
                let Slice { modes: a, speed, .. } = slice(i, b, 4);
                let scale = speed * libm::sqrt(self.masses()[i] / middle(b));
                let third = scale * scale * scale * (libm::sqrt(6.0) * a[3] + 3.0 * a[1]);
                Some((third - 3.0 * scale * a[1]) / (6.0 * a[0]))
            }),
            PeakSlowCurrent(i) => bins(&|b| {
                let speed = libm::sqrt(3.0 * middle(b) / self.masses()[i]);
                Some(slice(i, b, self.modes()).slow_current(speed))
            }),
            CrossoverSpeed(i) => bins(&|b| {
                let slice = slice(i, b, self.modes());
                slice.crossover(1e-6 * self.error_estimate().max(1e-6))
            }),
            SlowCurrent(i) => self.speeds(i, grid, |slice, speed| slice.slow_current(speed)),
            FastCurrent(i) => {
                self.speeds(i, grid, |slice, speed| slice.current() - slice.slow_current(speed))
            }
            PhaseDensity(i) => self.plane(i, grid),
            KineticEntropyProduction => return None,
            MeanVelocity if model.domain.walls == Boundary::Periodic => {
                let total = |x: f64| self.current_at(x).iter().sum();
                vec![Some(integrate(Kramers::vertices(self), 0.0, length, total))]
            }
            _ => return reference(self, observable, grid),
        };
        Some(values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect())
    }

    /// The law of a state averaged over a bin, by its modes of order less than `count`.
    fn slice(&self, state: usize, grid: &Grid, bin: usize, count: usize) -> Slice {
        let length = Kramers::model(self).domain.length;
        let (lo, hi) = (grid.face(bin).min(length), grid.face(bin + 1).min(length));
        let mut modes = vec![0.0; count];
        quadrature(Kramers::vertices(self), lo, hi, |x, w| {
            let at = self.modes_at(state, count, x);
            modes.iter_mut().zip(at).for_each(|(sum, a)| *sum += w / (hi - lo) * a);
        });
        Slice { modes, speed: self.particle().speed(state) }
    }

    fn speeds(&self, state: usize, grid: &Grid, value: impl Fn(&Slice, f64) -> f64) -> Vec<Option<f64>> {
        let half = grid.across / 2;
        let edge = |b: usize, k: usize| phase_space::edge(Kramers::model(self), grid, state, b, half + k + 1);
        let of_bin = |b: usize| {
            let slice = self.slice(state, grid, b, self.modes());
            (0..half).map(|k| Some(value(&slice, edge(b, k)))).collect::<Vec<_>>()
        };
        (0..grid.bins).flat_map(of_bin).collect()
    }

    /// Averages over cells of velocity; the outermost hold what is beyond.
    fn plane(&self, state: usize, grid: &Grid) -> Vec<Option<f64>> {
        let cells = grid.across;
        let of_bin = |b: usize| {
            let slice = self.slice(state, grid, b, self.modes());
            let edge = |k: usize| phase_space::edge(Kramers::model(self), grid, state, b, k);
            let below: Vec<f64> = (0..=cells)
                .map(|k| match k {
                    0 => 0.0,
                    _ if k == cells => slice.modes[0],
                    _ => slice.below(edge(k)),
                })
                .collect();
            let width = edge(1) - edge(0);
            below.windows(2).map(|ends| Some((ends[1] - ends[0]) / width)).collect::<Vec<_>>()
        };
        (0..grid.bins).flat_map(of_bin).collect()
    }
}

/// A law of the velocity: modes of `v/speed`.
struct Slice {
    modes: Vec<f64>,
    speed: f64,
}

impl Slice {
    fn sum(&self, functions: Vec<f64>) -> f64 {
        self.modes.iter().zip(functions).map(|(a, f)| a * f).sum()
    }

    fn current(&self) -> f64 {
        self.speed * self.modes[1]
    }

    /// `int_{-V}^{V} v P dv`.
    fn slow_current(&self, speed: f64) -> f64 {
        self.speed * self.sum(hermite::slow(self.modes.len(), speed / self.speed))
    }

    /// `int_{-inf}^{v} P dv`.
    fn below(&self, v: f64) -> f64 {
        self.sum(hermite::cumulative(self.modes.len(), v / self.speed))
    }

    /// `P(v) - P(-v)`, up to a factor.
    fn odd(&self, v: f64) -> f64 {
        let functions = hermite::functions(self.modes.len(), v / self.speed);
        self.modes.iter().zip(functions).skip(1).step_by(2).map(|(a, f)| a * f).sum()
    }

    /// The speed at which the slow current is largest; `None` where it is below `least` of the density times the
    /// speed.
    fn crossover(&self, least: f64) -> Option<f64> {
        let step = 0.05 * self.speed;
        let mut best = (0.0, 0.0);
        for k in 1..=160 {
            let v = step * f64::from(k);
            let size = self.slow_current(v).abs();
            if size > best.1 {
                best = (v, size);
            }
        }
        if best.1 <= least * self.speed * self.modes[0] {
            return None;
        }
        let (mut lo, mut hi) = (best.0 - step, best.0 + step);
        let rising = self.odd(lo.max(0.01 * step));
        for _ in 0..50 {
            let middle = 0.5 * (lo + hi);
            if self.odd(middle) * rising > 0.0 { lo = middle } else { hi = middle }
        }
        Some(0.5 * (lo + hi))
    }
}

impl Profile for Kramers {
    fn model(&self) -> &Model {
        Kramers::model(self)
    }

    fn vertices(&self) -> &[f64] {
        Kramers::vertices(self)
    }

    fn breakpoints(&self) -> &[f64] {
        Kramers::breakpoints(self)
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        self.density_at(x)
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        self.total_density_at(hi) - self.total_density_at(lo)
    }

    fn currents(&self, x: f64) -> Vec<f64> {
        self.current_at(x)
    }

    fn heat_current(&self, x: f64) -> f64 {
        self.heat_current_at(x)
    }

    fn work(&self, lo: f64, hi: f64, weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        let mut sum = Some(0.0);
        quadrature(Kramers::vertices(self), lo, hi, |x, w| {
            sum = sum.zip(self.work_at(x)).map(|(sum, work)| sum + w * weight(x) * work);
        });
        sum
    }

    fn entropy_production(&self) -> Option<f64> {
        Kramers::entropy_production(self)
    }

    fn has_transitions(&self) -> bool {
        true
    }
}

impl Profile for Overdamped {
    fn model(&self) -> &Model {
        Overdamped::model(self)
    }

    fn vertices(&self) -> &[f64] {
        Overdamped::vertices(self)
    }

    fn breakpoints(&self) -> &[f64] {
        Overdamped::vertices(self)
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        vec![self.at(x).density]
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        self.at(hi).density - self.at(lo).density
    }

    fn currents(&self, _x: f64) -> Vec<f64> {
        vec![0.0]
    }

    fn heat_current(&self, x: f64) -> f64 {
        self.at(x).heat_current()
    }

    fn work(&self, _lo: f64, _hi: f64, _weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        Some(0.0)
    }

    /// `-int J_E T'/T^2 dx`.
    fn entropy_production(&self) -> Option<f64> {
        let rate = |x: f64| {
            let local = self.at(x);
            -local.heat_current() * local.slope / (local.thermal_energy * local.thermal_energy)
        };
        Some(integrate(Overdamped::vertices(self), 0.0, Overdamped::model(self).domain.length, rate))
    }

    fn has_transitions(&self) -> bool {
        false
    }
}

impl Overdamped {
    /// The closed forms on a grid, like [`Kramers::reference`]: averages over bins, values at faces, and integrals over
    /// the domain up to its walls. `None` for what has no closed form, and for entries that reach nearer to a wall than
    /// [`LAYER`] mean free paths.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        use Observable::*;
        let (model, length) = (Overdamped::model(self), Overdamped::model(self).domain.length);
        if (grid.length - length).abs() > 1e-12 * length {
            return None;
        }
        let ends = |b: usize| (grid.face(b).min(length), grid.face(b + 1).min(length));
        let holds = |x: f64| self.at(x).paths_to_wall >= LAYER;
        let average = |lo: f64, hi: f64, value: &dyn Fn(Local) -> f64| {
            integrate(Overdamped::vertices(self), lo, hi, |x| value(self.at(x))) / (hi - lo)
        };
        let in_bin = |b: usize, value: &dyn Fn(Local) -> f64| {
            let (lo, hi) = ends(b);
            (holds(lo) && holds(hi)).then(|| average(lo, hi, value))
        };
        let bins =
            |value: &dyn Fn(Local) -> f64| (0..grid.bins).map(|b| in_bin(b, value)).collect::<Vec<_>>();
        let middle = |b: usize| self.at(0.5 * (ends(b).0 + ends(b).1));
        let edge = |b: usize, k: usize| phase_space::edge(model, grid, 0, b, k);
        let across = grid.across;
        let slow = |sign: f64| -> Vec<Option<f64>> {
            let at = |(b, k): (usize, usize)| in_bin(b, &|local| sign * local.slow_current(edge(b, k)));
            (0..grid.bins).flat_map(|b| (across / 2 + 1..=across).map(move |k| (b, k))).map(at).collect()
        };
        let values = match observable {
            KineticTemperature(0) => {
                let all = bins(&|local| local.density * local.thermal_energy / model.boltzmann);
                all.into_iter().zip(bins(&|l| l.density)).map(|(t, p)| Some(t? / p?)).collect()
            }
            MomentumFlux => bins(&|local| local.density * local.thermal_energy),
            PhaseHeatCurrent | KineticHeatCurrent => bins(&|local| local.heat_current()),
            MeanHeatCurrent => vec![Some(average(0.0, length, &|local| local.heat_current()))],
            CarriedHeatCurrent => {
                let faces = (1..grid.bins).map(|k| grid.face(k));
                faces.map(|x| holds(x).then(|| self.at(x).heat_current())).collect()
            }
            MaxwellDeviation(0) => {
                let all = bins(&|local| local.density * local.third_mode());
                all.into_iter().zip(bins(&|l| l.density)).map(|(a, p)| Some(a? / p?)).collect()
            }
            PeakSlowCurrent(0) => {
                let largest = |b: usize| in_bin(b, &|local| local.slow_current(middle(b).fastest_slow()));
                (0..grid.bins).map(largest).collect()
            }
            CrossoverSpeed(0) => {
                let seen = bins(&|local| local.fastest_slow());
                seen.into_iter().map(|v| v.filter(|_| self.varies())).collect()
            }
            SlowCurrent(0) => slow(1.0),
            FastCurrent(0) => slow(-1.0),
            PhaseDensity(0) => {
                let rule = Rule::gauss(4);
                let cell = |(b, k): (usize, usize)| {
                    let (lo, hi) = (edge(b, k), edge(b, k + 1));
                    let mean = |l: Local| rule.on(lo, hi).map(|(v, w)| w * l.phase_density(v)).sum::<f64>();
                    in_bin(b, &|local| mean(local) / (hi - lo))
                };
                (0..grid.bins).flat_map(|b| (0..across).map(move |k| (b, k))).map(cell).collect()
            }
            Density | StateDensity(0) => bins(&|local| local.density),
            LocalSoret => {
                let all = reference(self, LocalSoret, grid)?.into_iter().enumerate();
                all.map(|(b, s)| s.filter(|_| holds(ends(b).0) && holds(ends(b).1))).collect()
            }
            Soret | SoretWall | MeanTemperature | EntropyProduction => {
                return reference(self, observable, grid);
            }
            _ => return None,
        };
        Some(values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect())
    }

    fn varies(&self) -> bool {
        Overdamped::vertices(self).iter().any(|x| self.at(*x).slope != 0.0)
    }
}
