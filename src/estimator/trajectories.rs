//! Thermodynamics of single trajectories: entropy in two parts, a fluctuation theorem, counts.

use super::{Clock, Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::observable::Observable;

/// Entropy production from segments of trajectories ([`crate::trajectory`]) with its diffusive and reactive
/// part, the mean of `exp(-ds_tot)` that the integral fluctuation theorem puts at 1, and for every edge the
/// Fano factors of its passages.
///
/// Where an edge closes a cycle of the network, its net passages count that cycle: they give the cycle
/// current `J_c`, its Fano factor `Var(N)/<N>`, and the uncertainty product
/// `sigma t Var(N)/(2 <N>^2) >= 1` (Barato & Seifert, Phys. Rev. Lett. 114, 158101 (2015)).
///
/// The mean of `exp(-ds_tot)` is given only where the entropy varies by at most 1 over a segment: beyond, it rests on
/// trajectories that never come, and looks too small. The spread is reported beside it.
#[derive(Clone, Copy, Debug)]
pub struct Trajectories;

/// Edges that are not part of a spanning tree of the network, in file order: each closes a cycle.
pub fn chords(context: &Context) -> Vec<usize> {
    let mut part: Vec<usize> = (0..context.states()).collect();
    let mut chords = Vec::new();
    for (e, edge) in context.model.network.edges().iter().enumerate() {
        let [a, b] = edge.between.map(|s| part[s]);
        if a == b {
            chords.push(e);
        } else {
            part.iter_mut().filter(|p| **p == b).for_each(|p| *p = a);
        }
    }
    chords
}

/// Largest standard deviation of the entropy of a segment at which its exponential has a mean that can be seen.
const WIDEST: f64 = 1.0;

/// Sums before those of the edges.
const HEAD: usize = 6;

impl Estimator for Trajectories {
    fn needs(&self) -> Clock {
        Clock::Elapsed
    }

    fn observables(&self, context: &Context) -> Vec<Observable> {
        let mut list = vec![
            Observable::TrajectoryEntropyProduction,
            Observable::DiffusiveEntropyProduction,
            Observable::ReactiveEntropyProduction,
            Observable::FluctuationTheorem,
            Observable::EntropySpread,
        ];
        list.extend((0..2 * context.model.network.edges().len()).map(Observable::Fano));
        for edge in chords(context) {
            let of = [Observable::CycleCurrent, Observable::CycleFano, Observable::UncertaintyProduct];
            list.extend(of.map(|o| o(edge)));
        }
        list
    }

    /// Segments, their time, diffusive, reactive, square, exponential; per edge what [`crate::trajectory`] keeps.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let mut sums = vec![0.0; HEAD + 5 * context.model.network.edges().len()];
        if let Some(paths) = &group.paths {
            let n = paths.segments as f64;
            let head =
                [n, n * paths.duration, paths.diffusive, paths.reactive, paths.square, paths.exponential];
            sums[..HEAD].copy_from_slice(&head);
            for (to, from) in sums[HEAD..].iter_mut().zip(paths.counts.iter().flatten()) {
                *to = *from;
            }
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (n, time) = (sums[0], sums[1]);
        let total = sums[2] + sums[3];
        let mean = |sum: f64| ratio(sum, n);
        // Unbiased for independent segments; those of one walker are nearly so when they are long.
        let variance = |sum: f64, square: f64| {
            let average = mean(sum)?;
            mean(square).map(|s| (s - average * average).max(0.0))
        };
        let edges: Vec<&[f64]> = sums[HEAD..].chunks(5).collect();
        let spread = variance(total, sums[4]).map(libm::sqrt);
        let mut result: Vec<Option<f64>> = vec![
            ratio(total, time),
            ratio(sums[2], time),
            ratio(sums[3], time),
            mean(sums[5]).filter(|_| spread.is_some_and(|s| s <= WIDEST)),
            spread,
        ];
        for edge in &edges {
            for (count, square) in [(edge[0], edge[2]), (edge[1], edge[3])] {
                result.push(variance(count, square).zip(mean(count)).and_then(|(v, m)| ratio(v, m)));
            }
        }
        for chord in chords(context) {
            let edge = edges[chord];
            let net = edge[0] - edge[1];
            let spread = variance(net, edge[4]);
            let per_segment = mean(net).filter(|m| *m != 0.0);
            result.push((time > 0.0).then(|| net / time));
            result.push(spread.zip(per_segment).map(|(v, m)| v / m.abs()));
            let product = |(v, m): (f64, f64)| ratio(total, n).map(|entropy| entropy * v / (2.0 * m * m));
            result.push(spread.zip(per_segment).and_then(product));
        }
        result.into_iter().map(|value| vec![value]).collect()
    }

    fn why_undefined(&self, _context: &Context, observable: Observable) -> String {
        match observable {
            Observable::FluctuationTheorem => {
                "the entropy varies by more than 1 over a segment: rare trajectories decide; take shorter segments"
            }
            Observable::Fano(_) => "no passage was seen",
            Observable::CycleFano(_) | Observable::UncertaintyProduct(_) => {
                "the cycle went round equally often both ways"
            }
            _ => "no segment was finished",
        }
        .into()
    }
}
