//! Soret coefficients: three functionals of the density, never mixed (Eq 2 of the paper).

use super::currents::passages;
use super::points::beginnings;
use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::event::Occupancy;
use crate::grid::Grid;
use crate::kernel::LegLaw;
use crate::model::{Boundary, Model};
use crate::observable::Observable;

/// Global, wall-to-wall and local Soret coefficient, and the mean temperature of the particles.
///
/// - `soret`: the `S` for which `exp(-S T(x))` on the domain has the measured mean of `T`; the maximum
///   likelihood estimate of that family.
/// - `soret_wall`: from point densities at the two walls. Each leg ends Laplace distributed around its
///   start, so the density at a point is the mean of the Green function
///   `cosh((L-x)/l)/(l sinh(L/l))` (left wall; mirrored at the right) over the starts of legs, `l` the
///   length of a leg: no bin, no extrapolation.
/// - `S_T(x)`: `P_tot' = sum_i (f_i P_i - J_i/D_i)` by the definition of the currents (constant `D_i`, forces
///   `f_i` over kT), so the difference of `P_tot` across a bin is a windowed current and not a difference of noisy
///   densities. It is not known of underdamped particles. With internal coordinates, whose diffusivities average to no
///   function of x, it is a difference of densities at the faces after all, each from the cells around it by weights
///   that are right for cubics.
#[derive(Clone, Copy, Debug)]
pub struct Soret;

/// Relative spread of temperatures below which a difference of temperatures is rounding.
const UNIFORM: f64 = 1e-12;

/// The same of the two walls: they may be alike while it is hot between them, and a ratio of densities over next to
/// no difference of temperatures says nothing.
const ALIKE: f64 = 1e-6;

impl Estimator for Soret {
    fn observables(&self, _context: &Context) -> Vec<Observable> {
        use Observable::*;
        vec![Soret, SoretWall, MeanTemperature, LocalSoret]
    }

    /// Exposure, time, time x T, left wall, right wall; time per bin; minus the difference of `P_tot` across
    /// each bin, times the exposure.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let states = context.states();
        let mut per_bin = vec![0.0; context.grid.bins];
        let mut fall = vec![0.0; context.grid.bins];
        let (mut heated, mut left, mut right) = (0.0, 0.0, 0.0);
        let temperature = context.cell_temperature();
        let closing = Occupancy::of(&group.walkers, states, &context.grid);
        for s in 0..states {
            for (bin, time) in per_bin.iter_mut().zip(context.per_bin(context.time_in(group, s))) {
                *bin += time;
            }
            heated += context.time_in(group, s).zip(&temperature).map(|(time, t)| time * t).sum::<f64>();
            if context.model.coordinates.is_none() {
                for (sum, f) in fall.iter_mut().zip(density_fall(context, group, &closing, s)) {
                    *sum += f;
                }
            }
            if let Some(law) = &context.leg_law[s] {
                let (l, r) = wall_densities(context, group, s, law);
                left += l;
                right += r;
            }
        }
        if context.model.coordinates.is_some() {
            let all = (0..states).map(|s| context.time_in(group, s).collect::<Vec<f64>>());
            let cells = all.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect()).unwrap_or_default();
            let faces = faces_of_cells(&context.grid, &cells);
            fall.iter_mut().zip(faces.windows(2)).for_each(|(fall, ends)| *fall = ends[0] - ends[1]);
        }
        let mut sums = vec![context.exposure(group), per_bin.iter().sum(), heated, left, right];
        sums.extend(per_bin);
        sums.extend(fall);
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let grid = &context.grid;
        let (exposure, time, heated, left, right) = (sums[0], sums[1], sums[2], sums[3], sums[4]);
        let (per_bin, fall) = sums[5..].split_at(grid.bins);
        let field = &context.model.temperature;
        let mean = ratio(heated, time);
        let points = context.leg_law.iter().all(Option::is_some);
        let wall = wall_to_wall(&context.model, [left, right]).filter(|_| points);
        let local = (0..grid.bins)
            .map(|b| {
                // One-sided limits, as for the densities.
                let nudge = 1e-9 * grid.cell_width();
                let (lo, hi) = (field.value(grid.face(b) + nudge), field.value(grid.face(b + 1) - nudge));
                let known = !context.model.is_underdamped() && exposure > 0.0;
                (known && differ(lo, hi) && per_bin[b] > 0.0).then(|| {
                    let density = per_bin[b] / (time * grid.bin_width());
                    fall[b] / exposure / (density * (hi - lo))
                })
            })
            .collect();
        let soret = mean.and_then(|m| exponential_family(&context.cell_temperature(), m));
        vec![vec![soret], vec![wall], vec![mean], local]
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::SoretWall if context.model.domain.walls == Boundary::Periodic => {
                "a ring has no walls"
            }
            Observable::SoretWall if context.leg_law.iter().any(Option::is_none) => {
                "this method gives no density at a point"
            }
            Observable::SoretWall => {
                "the temperature is the same at both walls (to 1e-6), or a wall was never visited"
            }
            Observable::LocalSoret if context.model.is_underdamped() => {
                "currents of particles with inertia do not tell the slope of their density"
            }
            Observable::LocalSoret => {
                "the temperature does not change across this bin, or it was never visited"
            }
            Observable::Soret => "the temperature is uniform: test that the density is flat instead",
            _ => "no time was scored",
        };
        reason.into()
    }
}

/// `-ln(P_hot/P_cold)/(T_hot - T_cold)` from the densities at the left and the right wall; `None` where temperatures are alike or
/// a density is not positive.
pub(crate) fn wall_to_wall(model: &Model, [left, right]: [f64; 2]) -> Option<f64> {
    let (at_left, at_right) = (model.temperature.value(0.0), model.temperature.value(model.domain.length));
    let apart = (at_left - at_right).abs() > ALIKE * at_left.max(at_right);
    (apart && left > 0.0 && right > 0.0).then(|| -libm::log(right / left) / (at_right - at_left))
}

/// Whether two temperatures differ by more than rounding.
pub(super) fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > UNIFORM * (a.abs() + b.abs())
}

/// `-(P_i(x_hi) - P_i(x_lo))` across each bin, times the exposure.
///
/// With `J = -(1/g) [(w P)' - f w P]` (see `model::Motility`; `f` the force over kT): across a cell of width `h`
/// `u = w P` falls by `(g J - f u) h`, and its mean is that of `P` over that of `1/w`. Where `w` is constant and
/// no force acts only the current contributes.
fn density_fall(context: &Context, group: &Group, closing: &Occupancy, state: usize) -> Vec<f64> {
    let (grid, model) = (&context.grid, &context.model);
    let h = grid.cell_width();
    let faces = passages(context, group, closing, state);
    let per_cell = context.time_in(group, state).enumerate().map(|(c, time)| {
        let over_w = |x: f64| 1.0 / model.weight(state, x);
        // One-sided limits at the faces.
        let nudge = 1e-9 * h;
        let (lo, hi) = (over_w(grid.cell_face(c) + nudge), over_w(grid.cell_face(c + 1) - nudge));
        let u = time / h / context.grid.cell_mean(c, over_w);
        let through = 0.5 * (faces[c] + faces[c + 1]) as f64;
        let force = match model.has_force(state) {
            true => grid.cell_mean(c, |x| model.force_over_thermal_energy(state, x)),
            false => 0.0,
        };
        let drop = (model.resistance(state, grid.cell_middle(c)) * through - force * u) * h;
        // -(u_hi/w_hi - u_lo/w_lo) with u = mean -+ drop/2.
        (u + 0.5 * drop) * lo - (u - 0.5 * drop) * hi
    });
    context.per_bin(per_cell)
}

/// `P` at every face between bins and at both walls from the time in cells, times the exposure.
///
/// Inside with the weight `(9 - 15 s^2)/8` over half a bin to both sides, at a wall with the cubic that has the same moments over
/// one bin: both return cubics as they are. What is left is of order `h^4`, times the fourth derivative: 2e-4 inside, 6e-4 at a
/// wall. On a ring nothing ends at `x = 0`, and the two limits are taken there all the same.
pub(super) fn faces_of_cells(grid: &Grid, cells: &[f64]) -> Vec<f64> {
    let (bins, m) = (grid.bins, grid.cells_per_bin);
    let half = m / 2;
    // Weights at middles of cells, normalised and without a second moment on the cells themselves.
    let inside: Vec<f64> = {
        let square = |k: usize| (k as f64 + 0.5) * (k as f64 + 0.5);
        let power = |n: i32| 2.0 * (0..half).map(|k| square(k).powi(n)).sum::<f64>();
        let (zeroth, second, fourth) = (power(0), power(1), power(2));
        let norm = zeroth * fourth - second * second;
        match half {
            0 | 1 => vec![0.5],
            _ => (0..half).map(|k| (fourth - second * square(k)) / norm).collect(),
        }
    };
    // sum_l (2l + 1) (-1)^l P_l(2s - 1), l up to 3.
    let cubic = |s: f64| {
        let z = 2.0 * s - 1.0;
        1.0 - 3.0 * z + 2.5 * (3.0 * z * z - 1.0) - 3.5 * z * (5.0 * z * z - 3.0)
    };
    let at_wall: Vec<f64> = match m {
        0..8 => vec![1.0],
        _ => (0..m).map(|k| cubic((k as f64 + 0.5) / m as f64) / m as f64).collect(),
    };
    let at = |face: usize| {
        let sum: f64 = match face {
            0 => at_wall.iter().zip(cells).map(|(w, n)| w * n).sum(),
            _ if face == bins => at_wall.iter().zip(cells.iter().rev()).map(|(w, n)| w * n).sum(),
            _ => {
                let (left, right) = cells.split_at(face * m);
                let both = left.iter().rev().zip(right).map(|(a, b)| a + b);
                inside.iter().zip(both).map(|(w, n)| w * n).sum()
            }
        };
        sum / grid.cell_width()
    };
    (0..=bins).map(at).collect()
}

/// Point densities of one state at the left and right wall, times the exposure.
fn wall_densities(context: &Context, group: &Group, state: usize, law: &LegLaw) -> (f64, f64) {
    let starts = beginnings(context, group, state, law);
    // Mean over the cell [a, b] of the Green function at the left wall of a leg that starts there, in
    // exponential form because the hyperbolic functions overflow for short legs.
    let length = law.length;
    let round_trip = -libm::expm1(-2.0 / length);
    let green = |a: f64, b: f64| {
        let step = -libm::expm1(-(b - a) / length) / (b - a);
        (libm::exp(-a / length) + libm::exp(-(2.0 - b) / length)) * step / round_trip
    };
    let mut walls = (0.0, 0.0);
    for (c, start) in starts.iter().enumerate() {
        walls.0 += start * green(law.faces[c], law.faces[c + 1]);
        walls.1 += start * green(1.0 - law.faces[c + 1], 1.0 - law.faces[c]);
    }
    (walls.0 * law.weight[0], walls.1 * law.weight[1])
}

/// The `S` for which the weights `exp(-S T)` give the mean `mean`; `None` at uniform `T` or if the mean
/// does not lie strictly between the extremes.
pub(crate) fn exponential_family(temperature: &[f64], mean: f64) -> Option<f64> {
    let low = temperature.iter().copied().fold(f64::INFINITY, f64::min);
    let high = temperature.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let inside = low < mean && mean < high;
    if !(differ(low, high) && inside) {
        return None;
    }
    // mean(S) falls monotonically from `high` to `low`; its slope is minus the variance of T. Newton's
    // method, kept inside a bracket.
    let scale = 1.0 / (high - low);
    let moments = |s: f64| {
        let (mut w0, mut w1, mut w2) = (0.0, 0.0, 0.0);
        for t in temperature {
            let d = t - mean;
            // The largest weight is one, whatever the sign of S.
            let w = libm::exp(-s * (t - if s > 0.0 { low } else { high }));
            w0 += w;
            w1 += w * d;
            w2 += w * d * d;
        }
        (w1 / w0, w2 / w0 - (w1 / w0) * (w1 / w0))
    };
    let (mut below, mut above) = (-scale, scale);
    while moments(below).0 < 0.0 {
        below *= 2.0;
    }
    while moments(above).0 > 0.0 {
        above *= 2.0;
    }
    let mut s = 0.0;
    for _ in 0..200 {
        let (excess, variance) = moments(s);
        if excess > 0.0 {
            below = s
        } else {
            above = s
        }
        let newton = s + excess / variance;
        let next = if newton > below && newton < above { newton } else { 0.5 * (below + above) };
        if (next - s).abs() <= 1e-14 * (next.abs() + scale) {
            return Some(next);
        }
        s = next;
    }
    Some(s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_at_faces_are_right_for_cubics() {
        let grid = Grid::new(2.0, 10);
        let of = |x: f64| 1.0 + x - 0.7 * x * x + 0.3 * x * x * x;
        let cells: Vec<f64> = (0..grid.cells()).map(|c| grid.cell_mean(c, of) * grid.cell_width()).collect();
        for (k, found) in faces_of_cells(&grid, &cells).into_iter().enumerate() {
            // Middles stand for cells: off by the square of their number in a bin.
            assert!((found - of(grid.face(k))).abs() < 1e-3, "face {k}: {found}, not {}", of(grid.face(k)));
        }
    }

    #[test]
    fn the_exponential_family_finds_its_own_parameter() {
        let temperature: Vec<f64> = (0..1000).map(|c| 1.0 + 0.8 * (f64::from(c) + 0.5) / 1000.0).collect();
        for s in [-20.0, -1.0, 0.0, 0.3, 5.0, 400.0] {
            let weight: Vec<f64> = temperature.iter().map(|t| libm::exp(-s * (t - 1.4))).collect();
            let sum: f64 = weight.iter().sum();
            let mean = weight.iter().zip(&temperature).map(|(w, t)| w * t).sum::<f64>() / sum;
            let found = exponential_family(&temperature, mean).unwrap();
            assert!((found - s).abs() < 1e-9 * (1.0 + s.abs()), "{s} {found}");
        }
        assert_eq!(exponential_family(&[1.0; 8], 1.0), None);
        assert_eq!(exponential_family(&temperature, 2.5), None);
    }
}
