//! Every [`Observable`] evaluated on a continuum law, on the same bins and faces as a simulation and
//! by the same definition, so that the two may be compared digit by digit.

use super::element::{Rule, series, series_derivative};
use super::one_sided;
use super::stationary::Stationary;
use crate::grid::Grid;
use crate::model::{Boundary, Exchange, Model, RateLaw};
use crate::observable::Observable;

/// Points of the Gauss rule on every piece of an element.
pub(super) const POINTS: usize = 16;

/// What a continuum law must offer for all functionals to follow.
pub(super) trait Profile {
    /// The model behind it.
    fn model(&self) -> &Model;
    /// Positions between which everything is smooth, from wall to wall.
    fn vertices(&self) -> &[f64];
    /// Those among them where a function of position has a kink or jumps, and the walls.
    fn breakpoints(&self) -> &[f64];
    /// Densities `P_i(x)`.
    fn densities(&self, x: f64) -> Vec<f64>;
    /// `P_tot(hi) - P_tot(lo)`, one-sided from within `[lo, hi]` where the density jumps, and without
    /// the rounding of a difference of two nearly equal numbers where that is possible.
    fn rise(&self, lo: f64, hi: f64) -> f64;
    /// Currents `J_i(x)`; zero at walls.
    fn currents(&self, x: f64) -> Vec<f64>;
    /// Heat flux `J_E(x)`; zero at walls.
    fn heat_current(&self, x: f64) -> f64;
    /// Work done on the particle in `[lo, hi]` per unit time, by passages and by states that propel themselves,
    /// weighted with `weight` at its place; `None` if it is not known.
    fn work(&self, lo: f64, hi: f64, weight: &dyn Fn(f64) -> f64) -> Option<f64>;
    /// Entropy production; `None` if it is not known.
    fn entropy_production(&self) -> Option<f64>;
    /// Whether numbers of transitions are finite and known.
    fn has_transitions(&self) -> bool;

    /// Densities averaged over `[lo, hi]`.
    fn mean_densities(&self, lo: f64, hi: f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.model().network.states().len()];
        quadrature(self.vertices(), lo, hi, |x, w| {
            sums.iter_mut().zip(self.densities(x)).for_each(|(sum, p)| *sum += w * p);
        });
        sums.iter_mut().for_each(|sum| *sum /= hi - lo);
        sums
    }
}

impl Stationary {
    /// The values of an observable for this law on `grid`: one number, one per bin, or one per
    /// interior face, as [`Observable::support`] says. Each follows the definition in
    /// [`Observable`]; integrals over bins are by Gauss quadrature on every piece.
    ///
    /// - `HeatAbsorbed` is the sum over edges of `net_e` times the heat of a forward passage (see
    ///   [`Model::exchange`]), and of `sum_i J_i (U' + U_i' - f_i)` for moves against potentials and with the
    ///   propulsion `f_i` of [`Model::propulsion`]. With (1) of [`stationary`](super::stationary) and heat =
    ///   energy gained - work it is evaluated as `[J_E(hi) - J_E(lo)]/h` less the work done on the particle
    ///   there per time and length.
    /// - `EntropyProduction` is the functional that trajectories estimate, the entropy that the bath
    ///   gains, `-int (heat absorbed)/kT dx`; see also
    ///   [`Stationary::quadratic_entropy_production`].
    /// - `LocalSoret` takes densities and temperatures at the ends of a bin as limits from inside it.
    ///
    /// The outer `None`: no such state or channel, or a grid of another length. An inner `None`: the
    /// quantity is not defined there, that is a Soret coefficient where `T` does not vary, heat and
    /// entropy production with a free rate whose other direction is not given, `SoretWall` on a ring, and
    /// `MeanVelocity` and `EffectiveDiffusion` anywhere else.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let parts = |pick: fn([f64; 2]) -> f64| Some(vec![self.entropy_parts().map(pick)]);
        match observable {
            Observable::TrajectoryEntropyProduction => {
                return parts(|[diffusive, reactive]| diffusive + reactive);
            }
            Observable::DiffusiveEntropyProduction => return parts(|[diffusive, _]| diffusive),
            Observable::ReactiveEntropyProduction => return parts(|[_, reactive]| reactive),
            _ => {}
        }
        match observable {
            Observable::KineticEntropyProduction => Some(vec![self.kinetic_entropy_production()]),
            Observable::MeanVelocity => Some(vec![self.mean_velocity()]),
            Observable::EffectiveDiffusion => Some(vec![self.effective_diffusion()]),
            _ => reference(self, observable, grid),
        }
    }

    /// Entropy production of transitions and motion along x together, as the quadratic form
    /// ```text
    /// sigma_q = int [ sum_i J_i^2/(D_i P_i) + sum_e net_e ln(k_f P_from/(k_b P_to)) ] dx >= 0,   (4)
    /// ```
    /// in units of k_B per unit time. Integration by parts with (1) of [`stationary`](super::stationary) gives its distance from the
    /// entropy that the bath gains, for rates with detailed balance up to the work that a passage does
    /// (entropies of states drop out, like every function of the state alone):
    /// ```text
    /// sigma_q - sigma = sum_i int J_i' ln w_i dx .                                              (5)
    /// ```
    /// It vanishes for diffusivities `D_i = d_i f(x)` and for frictions, by (3). For diffusivities of
    /// different shapes it does not: they are not the limit of any dynamics in contact with a bath.
    ///
    /// `None` if a passage has no reverse. Occupancies that are not resolved (below about 1e-28)
    /// contribute nothing.
    pub fn quadratic_entropy_production(&self) -> Option<f64> {
        self.entropy_parts().map(|[diffusive, reactive]| diffusive + reactive)
    }

    /// The same in its two parts: of motion along x, and of transitions.
    pub fn entropy_parts(&self) -> Option<[f64; 2]> {
        let (law, model) = (&self.law, &self.model);
        let rule = Rule::gauss(POINTS);
        let (mut diffusive, mut reactive) = (0.0, 0.0);
        for (e, ends) in law.mesh.windows(2).enumerate() {
            for ((x, w), s) in rule.on(ends[0], ends[1]).zip(&rule.points) {
                let density: Vec<f64> =
                    (0..self.states()).map(|i| law.transported(e, i, *s) / self.capacity(i, x)).collect();
                for (i, (p, current)) in density.iter().zip(&law.current[e]).enumerate() {
                    let j = series(current, *s);
                    if *p > 0.0 {
                        diffusive += w * j * j / (model.diffusivity(i, x) * p);
                    }
                }
                for (k, edge) in model.network.edges().iter().enumerate() {
                    let rate = |index: usize| model.rate(model.network.channel(index), x);
                    let (up, down) = (rate(2 * k), rate(2 * k + 1));
                    if (up > 0.0) != (down > 0.0) {
                        return None;
                    }
                    let [a, b] = edge.between;
                    let (forward, backward) = (up * density[a], down * density[b]);
                    if forward > 0.0 && backward > 0.0 {
                        let net = series(&law.net[e][k], *s);
                        let ratio = net / backward;
                        let logarithm = if ratio.abs() < 0.5 {
                            libm::log1p(ratio)
                        } else {
                            libm::log(forward) - libm::log(backward)
                        };
                        reactive += w * net * logarithm;
                    }
                }
            }
        }
        Some([diffusive, reactive]).filter(|s| s.iter().all(|v| v.is_finite()))
    }

    /// Entropy that the velocities of a particle with friction produce beside
    /// [`Observable::EntropyProduction`], in units of k_B per unit time: its kinetic energy carries
    /// heat from hot to cold even where no state has a current (the entropic anomaly),
    /// ```text
    /// sigma_kin = int sum_i P_i (kT')^2/(2 gamma_i kT) dx .                                     (6)
    /// ```
    /// `None` unless every state has a friction, and where `T` jumps: the integral diverges there.
    pub fn kinetic_entropy_production(&self) -> Option<f64> {
        let model = &self.model;
        if !model.has_frictions() {
            return None;
        }
        if self.law.breakpoints.windows(3).any(|three| jumps(model, &self.law.breakpoints, three)) {
            return None;
        }
        let density = |x: f64| {
            let slope = model.boltzmann * model.temperature.slope(x);
            let each = self.density_at(x).into_iter().enumerate();
            let mobile: f64 = each.map(|(i, p)| p / model.resistance(i, x)).sum();
            mobile * slope * slope / (2.0 * model.thermal_energy(x))
        };
        Some(integrate(self.vertices(), 0.0, model.domain.length, density)).filter(|s| s.is_finite())
    }
}

/// `int w J_E dx/int w dx`, `w = x (L - x)` at faces and linear between them; `None` for a single bin.
fn interior_heat(law: &impl Profile, grid: &Grid) -> Option<f64> {
    let length = law.model().domain.length;
    let (mut heat, mut norm) = (0.0, 0.0);
    for b in 0..grid.bins {
        let (lo, hi) = (grid.face(b), grid.face(b + 1).min(length));
        let [before, after] = [b, b + 1].map(|k| (k * (grid.bins - k)) as f64);
        quadrature(law.vertices(), lo, hi, |x, w| {
            let weight = w * (before + (after - before) * (x - lo) / (hi - lo));
            heat += weight * law.heat_current(x);
            norm += weight;
        });
    }
    (norm > 0.0).then(|| heat / norm)
}

/// Whether `T` jumps at the middle one of three neighbouring breakpoints.
pub(super) fn jumps(model: &Model, breakpoints: &[f64], three: &[f64]) -> bool {
    let side = |inner: f64| one_sided(breakpoints, three[1], inner, |x| model.temperature.value(x));
    let (left, right) = (side(three[0]), side(three[2]));
    (left - right).abs() > 1e-10 * left.abs().max(right.abs())
}

/// See [`Stationary::reference`].
pub(super) fn reference(law: &impl Profile, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
    let model = law.model();
    let network = &model.network;
    let length = model.domain.length;
    let known = match observable {
        Observable::StateDensity(i)
        | Observable::PointStateDensity(i)
        | Observable::Population(i)
        | Observable::Current(i)
        | Observable::WindowCurrent(i)
        | Observable::MeanCurrent(i) => i < network.states().len(),
        Observable::TransitionRate(c) => c < 2 * network.edges().len() && law.has_transitions(),
        _ => true,
    };
    if !known || (grid.length - length).abs() > 1e-12 * length {
        return None;
    }
    // The last face of a grid may differ from the wall by rounding.
    let bin = |b: usize| (grid.face(b).min(length), grid.face(b + 1).min(length));
    let whole = |value: Option<f64>| vec![value];
    let bins = |value: &dyn Fn(usize) -> Option<f64>| (0..grid.bins).map(value).collect();
    let faces =
        |value: &dyn Fn(f64) -> f64| (1..grid.bins).map(|k| Some(value(grid.face(k)))).collect::<Vec<_>>();
    let points = |value: &dyn Fn(f64) -> f64| {
        (0..=grid.bins).map(|k| Some(value(grid.face(k).min(length)))).collect::<Vec<_>>()
    };
    let values: Vec<Option<f64>> = match observable {
        Observable::Density => bins(&|b| {
            let (lo, hi) = bin(b);
            Some(law.mean_densities(lo, hi).iter().sum())
        }),
        Observable::StateDensity(i) => bins(&|b| {
            let (lo, hi) = bin(b);
            Some(law.mean_densities(lo, hi)[i])
        }),
        Observable::PointDensity => points(&|x| law.densities(x).iter().sum()),
        Observable::PointStateDensity(i) => points(&|x| law.densities(x)[i]),
        Observable::Population(i) => whole(Some(length * law.mean_densities(0.0, length)[i])),
        Observable::Current(i) => faces(&|x| law.currents(x)[i]),
        Observable::WindowCurrent(i) => bins(&|b| {
            let cells = b * grid.cells_per_bin..=(b + 1) * grid.cells_per_bin;
            Some(trapezoid(cells, grid, |x| law.currents(x)[i]))
        }),
        Observable::MeanCurrent(i) => whole(Some(trapezoid(0..=grid.cells(), grid, |x| law.currents(x)[i]))),
        Observable::HeatCurrent => faces(&|x| law.heat_current(x)),
        Observable::MeanHeatCurrent => {
            whole(Some(trapezoid(0..=grid.cells(), grid, |x| law.heat_current(x))))
        }
        Observable::InteriorHeatCurrent | Observable::ItoHeatCurrent => {
            whole((model.domain.walls == Boundary::Reflecting).then(|| interior_heat(law, grid)).flatten())
        }
        Observable::HeatAbsorbed => {
            let at = |k: usize| law.heat_current(if k == grid.bins { length } else { grid.face(k) });
            bins(&|b| {
                let (lo, hi) = bin(b);
                let carried = (at(b + 1) - at(b)) / grid.bin_width();
                Some(carried - law.work(lo, hi, &|_| 1.0)? / grid.bin_width())
            })
        }
        Observable::TransitionRate(c) => {
            let channel = network.channel(c);
            bins(&|b| {
                let (lo, hi) = bin(b);
                let flow = |x: f64| model.rate(channel, x) * law.densities(x)[channel.from];
                Some(integrate(law.vertices(), lo, hi, flow) / (hi - lo))
            })
        }
        Observable::LocalSoret => bins(&|b| {
            let (lo, hi) = bin(b);
            let from_inside =
                |x: f64| one_sided(law.breakpoints(), x, 0.5 * (lo + hi), |x| model.temperature.value(x));
            let (cold, hot) = (from_inside(lo), from_inside(hi));
            let mean: f64 = law.mean_densities(lo, hi).iter().sum();
            varies(cold, hot).then(|| -law.rise(lo, hi) / ((hot - cold) * mean))
        }),
        Observable::Soret => whole(global_soret(law)),
        Observable::SoretWall if model.domain.walls == Boundary::Periodic => whole(None),
        Observable::SoretWall => {
            let (left, right) = (model.temperature.value(0.0), model.temperature.value(length));
            let first: f64 = law.densities(0.0).iter().sum();
            let logarithm = libm::log1p(law.rise(0.0, length) / first);
            // Walls may be alike while it is hot between them: next to no difference of temperatures.
            let apart = (left - right).abs() > 1e-6 * left.max(right);
            whole(apart.then(|| -logarithm / (right - left)))
        }
        Observable::MeanTemperature => {
            let (mean, excess, _) = temperature_moments(law);
            whole(Some(mean + excess))
        }
        Observable::FluctuationTheorem => whole(Some(1.0)),
        Observable::CycleCurrent(edge) => {
            let net = |x: f64| -> f64 {
                let flow = |index: usize| {
                    let channel = network.channel(index);
                    model.rate(channel, x) * law.densities(x)[channel.from]
                };
                flow(2 * edge) - flow(2 * edge + 1)
            };
            whole(Some(integrate(law.vertices(), 0.0, length, net)))
        }
        // The stationary law has no times, and knows no fluctuations beyond this.
        Observable::At(..)
        | Observable::TrajectoryEntropyProduction
        | Observable::DiffusiveEntropyProduction
        | Observable::ReactiveEntropyProduction
        | Observable::EntropySpread
        | Observable::Fano(_)
        | Observable::CycleFano(_)
        | Observable::UncertaintyProduct(_) => return None,
        // Velocities: see `Kramers::reference`.
        Observable::KineticTemperature(_)
        | Observable::MomentumFlux
        | Observable::PhaseHeatCurrent
        | Observable::KineticHeatCurrent
        | Observable::CarriedHeatCurrent
        | Observable::SlowCurrent(_)
        | Observable::FastCurrent(_)
        | Observable::PeakSlowCurrent(_)
        | Observable::CrossoverSpeed(_)
        | Observable::MaxwellDeviation(_)
        | Observable::PhaseDensity(_) => return None,
        // Internal coordinates: see `CoordinateLaw::reference`.
        Observable::PlaneDensity
        | Observable::PlaneCurrentAlong
        | Observable::PlaneCurrentAcross
        | Observable::MeanEnergy
        | Observable::WellPopulation(_) => return None,
        // Particles that react: see `reaction::Profiles::reference`.
        Observable::MeanConcentration(_)
        | Observable::Concentration(_)
        | Observable::Content
        | Observable::TransportedContent
        | Observable::ContentCurrent
        | Observable::NetRate(_) => return None,
        Observable::EntropyProduction => whole(law.entropy_production()),
        // Not functionals of the law alone: see `Stationary::reference`.
        Observable::KineticEntropyProduction | Observable::MeanVelocity | Observable::EffectiveDiffusion => {
            whole(None)
        }
    };
    debug_assert_eq!(values.len(), observable.support().entries(grid));
    Some(values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect())
}

/// Whether two temperatures differ by more than rounding.
fn varies(a: f64, b: f64) -> bool {
    (a - b).abs() > 8.0 * f64::EPSILON * a.abs().max(b.abs())
}

/// Mean over cell faces, the two outermost with weight one half.
fn trapezoid(cells: std::ops::RangeInclusive<usize>, grid: &Grid, value: impl Fn(f64) -> f64) -> f64 {
    let (first, last) = (*cells.start(), *cells.end());
    let weight = |k: usize| if k == first || k == last { 0.5 } else { 1.0 };
    let at = |k: usize| value(if k == grid.cells() { grid.length } else { grid.cell_face(k) });
    cells.map(|k| weight(k) * at(k)).sum::<f64>() / (last - first) as f64
}

/// The points and weights of Gauss' rule on `[lo, hi]`, piece by piece between vertices.
pub(super) fn quadrature(vertices: &[f64], lo: f64, hi: f64, mut each: impl FnMut(f64, f64)) {
    let rule = Rule::gauss(POINTS);
    let first = vertices.partition_point(|v| *v <= lo).max(1);
    for pair in vertices[first - 1..].windows(2).take_while(|pair| pair[0] < hi) {
        let (a, b) = (pair[0].max(lo), pair[1].min(hi));
        rule.on(a, b).for_each(|(x, w)| each(x, w));
    }
}

/// `int_lo^hi f dx`, piece by piece between vertices.
pub(super) fn integrate(vertices: &[f64], lo: f64, hi: f64, f: impl Fn(f64) -> f64) -> f64 {
    let mut sum = 0.0;
    quadrature(vertices, lo, hi, |x, w| sum += w * f(x));
    sum
}

/// Edges whose passages may do work.
pub(super) fn working_edges(model: &Model) -> Vec<usize> {
    let works = |law: &RateLaw| match law {
        RateLaw::Activated { affinity, .. } => *affinity != 0.0,
        RateLaw::Free { .. } => true,
    };
    let edges = model.network.edges().iter().enumerate();
    edges.filter(|(_, edge)| works(&edge.law)).map(|(k, _)| k).collect()
}

/// Mean of `T` over the domain, its excess `int (T - mean) P_tot dx`, and a quadrature of the domain
/// as pairs of `T - mean` and weight (summing to 1).
fn temperature_moments(law: &impl Profile) -> (f64, f64, Vec<(f64, f64)>) {
    let model = law.model();
    let length = model.domain.length;
    let rule = Rule::gauss(POINTS);
    let points: Vec<(f64, f64)> =
        law.vertices().windows(2).flat_map(|ends| rule.on(ends[0], ends[1])).collect();
    let mut pairs: Vec<(f64, f64)> =
        points.iter().map(|(x, w)| (model.temperature.value(*x), w / length)).collect();
    // Twice, so that the rounding of a first mean does not bias the deviations.
    let mut mean = 0.0;
    for _ in 0..2 {
        let shift: f64 = pairs.iter().map(|(t, w)| t * w).sum();
        pairs.iter_mut().for_each(|(t, _)| *t -= shift);
        mean += shift;
    }
    // Only deviations of P_tot enter: the constant part has mean zero.
    let deviation = |((x, _), (t, w)): (&(f64, f64), &(f64, f64))| t * w * law.rise(0.0, *x);
    let excess: f64 = points.iter().zip(&pairs).map(deviation).sum();
    (mean, length * excess, pairs)
}

/// The `S` for which `exp(-S T(x))` has the same mean of `T` as the density, by Newton's method kept
/// inside a bracket. `None` at uniform T.
fn global_soret(law: &impl Profile) -> Option<f64> {
    let (mean, excess, pairs) = temperature_moments(law);
    soret_of_excess(mean, excess, &pairs)
}

/// See [`global_soret`]; `pairs` are `T - mean` with weights that sum to 1.
pub(super) fn soret_of_excess(mean: f64, excess: f64, pairs: &[(f64, f64)]) -> Option<f64> {
    let largest = pairs.iter().map(|(t, _)| t.abs()).fold(0.0, f64::max);
    if largest <= 8.0 * f64::EPSILON * mean.abs() {
        return None;
    }
    // Mean and variance of T - mean under exp(-S (T - mean)).
    let moments = |soret: f64| {
        let (mut zeroth, mut first, mut second) = (0.0, 0.0, 0.0);
        for (t, w) in pairs {
            let less_one = libm::expm1(-soret * t);
            zeroth += w * (less_one + 1.0);
            first += w * t * less_one;
            second += w * t * t * (less_one + 1.0);
        }
        let first = first / zeroth;
        (first, second / zeroth - first * first)
    };
    // The mean falls with S. Find S on the far side of the root, then bisect or take Newton's step.
    let widest = 600.0 / largest;
    let variance = moments(0.0).1;
    let (mut near, mut far) = (0.0, -excess / variance);
    let beyond = |soret: f64| (moments(soret).0 - excess) * far.signum() <= 0.0;
    if excess == 0.0 {
        return Some(0.0);
    }
    let mut reach = far;
    while !beyond(reach) {
        near = reach;
        reach *= 2.0;
        if reach.is_nan() || reach.abs() >= widest {
            return None;
        }
    }
    far = reach;
    let mut soret = if near == 0.0 { -excess / variance } else { 0.5 * (near + far) };
    for _ in 0..200 {
        let (first, variance) = moments(soret);
        if (first - excess) * far.signum() <= 0.0 {
            far = soret;
        } else {
            near = soret;
        }
        let newton = soret + (first - excess) / variance;
        let (lo, hi) = (near.min(far), near.max(far));
        let next = if (lo..=hi).contains(&newton) { newton } else { 0.5 * (near + far) };
        if (next - soret).abs() <= 2.0 * f64::EPSILON * soret.abs() {
            return Some(next);
        }
        soret = next;
    }
    Some(soret)
}

impl Profile for Stationary {
    fn model(&self) -> &Model {
        &self.model
    }

    fn vertices(&self) -> &[f64] {
        &self.law.mesh
    }

    fn breakpoints(&self) -> &[f64] {
        &self.law.breakpoints
    }

    fn densities(&self, x: f64) -> Vec<f64> {
        self.density_at(x)
    }

    fn rise(&self, lo: f64, hi: f64) -> f64 {
        let law = &self.law;
        let ((e, s), (f, t)) = (law.locate(lo), law.locate(hi));
        let middle = 0.5 * (lo + hi);
        let (scale, gained) = (law.scale_at(f, t), law.scale_at(f, t) - law.scale_at(e, s));
        let of_state = |i: usize| {
            let at = |x: f64| one_sided(&law.breakpoints, x, middle, |x| self.capacity(i, x));
            let (before, after) = (at(lo), at(hi));
            // v_hi/c_hi - v_lo/c_lo with differences of y, exp(phi) and c each formed first.
            let risen = series(&law.deviation[f][i], t) - series(&law.deviation[e][i], s);
            let scaled = scale * risen + law.scaled(e, i, s) * gained;
            (scaled - law.transported(e, i, s) * ((after - before) / before)) / after
        };
        (0..self.states()).map(of_state).sum()
    }

    fn currents(&self, x: f64) -> Vec<f64> {
        self.current_at(x)
    }

    fn heat_current(&self, x: f64) -> f64 {
        self.heat_current_at(x)
    }

    fn work(&self, lo: f64, hi: f64, weight: &dyn Fn(f64) -> f64) -> Option<f64> {
        let (law, model) = (&self.law, &self.model);
        let working = working_edges(model);
        let driven: Vec<usize> = (0..self.states()).filter(|i| model.has_drift(*i)).collect();
        if working.is_empty() && driven.is_empty() {
            return Some(0.0);
        }
        let mut sum = Some(0.0);
        quadrature(&law.mesh, lo, hi, |x, w| {
            let (e, s) = law.locate(x);
            for &i in &driven {
                let done = model.propulsion(i, x) * series(&law.current[e][i], s);
                sum = sum.map(|sum| sum + w * weight(x) * done);
            }
            for &k in &working {
                let done = work_per_passage(model, k, x).map(|work| work * series(&law.net[e][k], s));
                sum = sum.zip(done).map(|(sum, done)| sum + w * weight(x) * done);
            }
        });
        sum
    }

    /// `sigma = -int (J_E' - work)/kT dx`: the energy part of all heats is `J_E'` by (1), which is far
    /// more accurate at fast rates than a sum over edges. Elements end with slightly different
    /// currents; as part of the distribution `J_E'` these steps make its integral vanish (on a ring the first
    /// element follows the last).
    fn entropy_production(&self) -> Option<f64> {
        let (law, model) = (&self.law, &self.model);
        let length = model.domain.length;
        let coldness = |x: f64| 1.0 / model.thermal_energy(x);
        let work = self.work(0.0, length, &coldness)?;
        // J_E' integrates to zero, so any constant may be taken from 1/kT.
        let middle = coldness(0.5 * length);
        let rule = Rule::gauss(POINTS);
        let flux = |e: usize, end: usize| -> f64 {
            let (s, x) = ([-1.0, 1.0][end], law.mesh[e + end]);
            let each = law.current[e].iter().enumerate();
            each.map(|(i, c)| law.energy(model, i, x) * series(c, s)).sum()
        };
        let last = law.mesh.len() - 2;
        let mut heat = 0.0;
        let mut before = if self.is_ring() { flux(last, 1) } else { 0.0 };
        for (e, ends) in law.mesh.windows(2).enumerate() {
            let half = 0.5 * (ends[1] - ends[0]);
            heat += (flux(e, 0) - before) * (coldness(ends[0]) - middle);
            for (i, c) in law.current[e].iter().enumerate() {
                let gained = series_derivative(c);
                let points = rule.on(ends[0], ends[1]).zip(&rule.points);
                let density = |((x, w), s): ((f64, f64), &f64)| {
                    let carried = law.energy(model, i, x) * series(&gained, *s) / half;
                    let climbed = law.energy_slope(model, i, x) * series(c, *s);
                    w * (carried + climbed) * (coldness(x) - middle)
                };
                heat += points.map(density).sum::<f64>();
            }
            before = flux(e, 1);
        }
        if !self.is_ring() {
            heat -= before * (coldness(length) - middle);
        }
        Some(work - heat)
    }

    fn has_transitions(&self) -> bool {
        true
    }
}

/// Work of a forward passage along an edge; zero where there is none in either direction.
fn work_per_passage(model: &Model, edge: usize, x: f64) -> Option<f64> {
    let channel = model.network.channel(2 * edge);
    if let Some(Exchange { work, .. }) = model.exchange(channel, x) {
        return Some(work);
    }
    let both_given =
        matches!(&model.network.edges()[edge].law, RateLaw::Free { forward: Some(_), backward: Some(_) });
    let closed = [0, 1].iter().all(|way| model.rate(model.network.channel(2 * edge + way), x) == 0.0);
    (both_given && closed).then_some(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soret_of_an_exponential_is_its_exponent() {
        let rule = Rule::gauss(20);
        for exponent in [-30.0, -1.0, -1e-7, 1e-9, 0.3, 2.0, 40.0] {
            // T = 1 + x, density exp(-S T) normalised: the mean of x is known in closed form.
            let pieces = (0..32).flat_map(|k| rule.on(k as f64 / 32.0, (k + 1) as f64 / 32.0));
            let points: Vec<(f64, f64)> = pieces.collect();
            let weight: f64 = points.iter().map(|(x, w)| w * libm::exp(-exponent * x)).sum();
            let excess: f64 =
                points.iter().map(|(x, w)| w * (x - 0.5) * libm::expm1(-exponent * (x - 0.5))).sum::<f64>()
                    * libm::exp(-0.5 * exponent)
                    / weight;
            let pairs: Vec<(f64, f64)> = points.iter().map(|(x, w)| (x - 0.5, *w)).collect();
            let found = soret_of_excess(1.5, excess, &pairs).expect("T varies");
            assert!((found - exponent).abs() < 1e-12 * exponent.abs(), "{found} for {exponent}");
        }
    }

    #[test]
    fn unattainable_means_and_uniform_temperatures_have_no_soret() {
        let pairs = [(-0.5, 0.5), (0.5, 0.5)];
        assert_eq!(soret_of_excess(1.0, 0.6, &pairs), None);
        assert_eq!(soret_of_excess(1.0, 0.0, &pairs), Some(0.0));
        assert_eq!(soret_of_excess(1.0, 0.1, &[(0.0, 1.0)]), None);
    }
}
