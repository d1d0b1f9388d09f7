//! Densities at a point, without a bin: what is expected of the next leg.
//!
//! Where `D_i` is constant between walls, a leg of state `i` that begins at `x'` ends at `x` with the density
//!
//! `G(x, x') = cosh(x_</l) cosh((L - x_>)/l)/(l sinh(L/l))`, `l = sqrt(D_i/K_i)`, `x_<` and `x_>` the smaller and the larger
//!
//! (Laplace's law, folded at the walls; it solves `G - l^2 G'' = delta` without flux), and the ends of legs, worth `1/K_i`
//! each, have the law `P_i`. Hence `P_i(x)` is the mean of `G(x, x')/K_i` over the *beginnings* of legs: every leg counts at
//! every point within its reach, and at a wall as well as elsewhere. Beginnings follow from the tallies as integers:
//! visits, less passages out of the state, plus passages into it, cell by cell.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::kernel::LegLaw;
use crate::model::{Boundary, Model};
use crate::observable::Observable;

/// `P_tot` and `P_i` at both walls and at every face between bins.
///
/// Within a cell of width `h` beginnings are taken as uniform: an error of relative order `(h/l)^2/12` times the change of
/// their density over `l`, below 1e-6 where `l` is resolved by tens of cells. **Not for** diffusivities that vary or forces,
/// where legs are uniform in another coordinate and visits are scored by chance; steps of a fixed length have no such law.
#[derive(Clone, Copy, Debug)]
pub struct Points;

/// Whether legs of every state are those of free diffusion between walls.
pub(crate) fn free_between_walls(model: &Model) -> bool {
    let mut states = 0..model.network.states().len();
    model.domain.walls == Boundary::Reflecting
        && !model.is_underdamped()
        && model.coordinates.is_none()
        && states.all(|s| model.constant_diffusivity(s).is_some() && !model.has_force(s))
}

impl Estimator for Points {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        if !free_between_walls(&context.model) {
            return Vec::new();
        }
        let mut list = vec![Observable::PointDensity];
        list.extend((0..context.states()).map(Observable::PointStateDensity));
        list
    }

    /// Time; per state, the density of it at each face.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        if !free_between_walls(&context.model) {
            return Vec::new();
        }
        let states = 0..context.states();
        let time = states.clone().map(|s| context.time_in(group, s).sum::<f64>()).sum();
        let mut sums = vec![time];
        for s in states {
            let faces = match &context.leg_law[s] {
                Some(law) => {
                    let ends = resolvent(&beginnings(context, group, s, law), law.length);
                    let weight = law.weight[0] / context.grid.length;
                    ends.iter().step_by(context.grid.cells_per_bin).map(|p| p * weight).collect()
                }
                None => vec![0.0; context.grid.bins + 1],
            };
            sums.extend(faces);
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let Some((time, densities)) = sums.split_first() else { return Vec::new() };
        let known = context.leg_law.iter().all(Option::is_some);
        let at = |sum: f64| ratio(sum, *time).filter(|_| known);
        let states: Vec<&[f64]> = densities.chunks(context.grid.bins + 1).collect();
        let total = |k: usize| at(states.iter().map(|state| state[k]).sum());
        let mut result = vec![(0..=context.grid.bins).map(total).collect()];
        result.extend(states.iter().map(|state| state.iter().map(|p| at(*p)).collect()));
        result
    }

    fn why_undefined(&self, context: &Context, _observable: Observable) -> String {
        match context.leg_law.iter().any(Option::is_none) {
            true => {
                "steps of a fixed length have no law of beginnings: this method gives no density at a point"
            }
            false => "no time was scored",
        }
        .into()
    }
}

/// Legs that begin in each cell: those that ended there, less those that left the state, plus those that came in.
pub(super) fn beginnings(context: &Context, group: &Group, state: usize, law: &LegLaw) -> Vec<f64> {
    let ends = context.time_in(group, state).zip(&law.candidates).map(|(time, rate)| time * rate);
    let mut starts: Vec<f64> = ends.collect();
    for channel in context.model.network.channels() {
        let sign = f64::from(u8::from(channel.to == state)) - f64::from(u8::from(channel.from == state));
        if sign != 0.0 {
            for (start, count) in starts.iter_mut().zip(group.profile.passages(channel.index)) {
                *start += sign * *count as f64;
            }
        }
    }
    starts
}

/// Density, per length of the domain, of the ends of legs at every cell face, from the number of those that begin in each
/// cell; `length` is that of a leg over that of the domain.
///
/// On the unfolded circle `G` is half the sum of `exp(-distance/l)/l` over both directions. What comes along one of them
/// obeys `R(x + h) = R(x) exp(-h/l) + s (1 - exp(-h/l))` across a cell of density `s`, and is the other's mirror image.
fn resolvent(beginnings: &[f64], length: f64) -> Vec<f64> {
    let cells = beginnings.len();
    let width = 1.0 / (cells as f64 * length);
    let (kept, gained) = (libm::exp(-width), -libm::expm1(-width));
    let circle = || beginnings.iter().chain(beginnings.iter().rev()).map(|n| n * cells as f64);
    let across = |through: f64, density: f64| through * kept + gained * density;
    // Once round from nothing tells what comes round for ever.
    let once = circle().fold(0.0, across);
    let mut through = once / -libm::expm1(-2.0 / length);
    let mut along = vec![through];
    for density in circle() {
        through = across(through, density);
        along.push(through);
    }
    (0..=cells).map(|k| 0.5 * (along[k] + along[2 * cells - k])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_follow_the_green_function() {
        let cells = 40;
        let mut beginnings = vec![0.0; cells];
        (beginnings[0], beginnings[11], beginnings[39]) = (1.0, 2.0, 0.5);
        for length in [0.03, 0.4, 5.0] {
            let ends = resolvent(&beginnings, length);
            for (k, found) in ends.iter().enumerate() {
                let x = k as f64 / cells as f64;
                // The mean of the Green function over a cell by the midpoint rule on a fine mesh.
                let green = |y: f64| {
                    let (low, high) = (x.min(y), x.max(y));
                    (low / length).cosh() * ((1.0 - high) / length).cosh() / (length * (1.0 / length).sinh())
                };
                let mean = |c: usize| {
                    let y = |j: u32| (c as f64 + (f64::from(j) + 0.5) / 400.0) / cells as f64;
                    (0..400).map(|j| green(y(j))).sum::<f64>() / 400.0
                };
                let expected: f64 = [0, 11, 39].iter().map(|c| beginnings[*c] * mean(*c)).sum();
                assert!((found / expected - 1.0).abs() < 1e-5, "{length} {x}: {found} {expected}");
            }
        }
        // Legs much shorter than a cell, and much longer than the box: no overflow, and what begins ends.
        assert!((resolvent(&[1.0; 10], 1e-5)[5] - 10.0).abs() < 1e-9);
        assert!((resolvent(&beginnings, 1e5)[7] - 3.5).abs() < 1e-6);
    }
}
