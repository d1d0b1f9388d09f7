//! Steps and quantities for the bias of methods of continuous internal coordinates.
//!
//! Orders to expect, of averages and of currents alike: 1 of `euler_maruyama` and `mala`, 2 of `heun`, and 3/2 of
//! `midpoint`: its splitting and its drift have order 2, but what is refused stands still, and of steps of length `dt` a part of
//! order `dt^(3/2)` is refused. At usual steps the larger part is of order 2, and a fit finds something between the
//! two. Where a diffusivity depends on x moves have order 1.
//!
//! Hidden currents of the plane are weighed with what the equation expects, `sum J J_theory/sum J_theory^2`: 1, and their bias is
//! that of the part of the map that looks like theory's. Averages and currents are studied apart, as their biases differ.

use super::Options;
use super::bias;
use super::functional::Functional;
use crate::continuum::Continuum;
use crate::error::Error;
use crate::estimator::{Context, Estimator, InternalPlane};
use crate::experiment::{Experiment, Method};
use crate::kernel::automatic_step;
use crate::model::Boundary;
use crate::observable::Observable;
use crate::theory::coordinate_chain::{CoordinateChain, Resolution, Steps};

/// Points of a study.
const POINTS: usize = 7;

/// Longest over shortest step.
const RANGE: f64 = 8.0;

/// Longest step over that of the file, and over one that is right to a per cent.
const WIDEST: [f64; 2] = [4.0, 6.0];

/// Entries of a map that are weighed, over the largest of theory.
const WEIGHED: f64 = 0.1;

/// Halvings of the longest step at which the law of the chain is solved.
const HALVINGS: i32 = 6;

/// Numbers of functions with which that is tried, one after the other.
const RESOLUTIONS: [Resolution; 4] = [
    Resolution { modes: 8, degrees: 20 },
    Resolution { modes: 12, degrees: 28 },
    Resolution { modes: 16, degrees: 36 },
    Resolution { modes: 24, degrees: 40 },
];

/// Change of a bias from one to the next that is small enough, over the bias.
const SETTLED: f64 = 0.02;

/// Bias over value below which that of the chain is not known.
pub(super) const KNOWN: f64 = 1e-5;

/// Steps from long to short; with the defaults that of the file is among them.
pub(super) fn steps(experiment: &Experiment, own: f64, options: &Options) -> Result<Vec<f64>, Error> {
    let best = automatic_step(&experiment.model);
    let longest = (WIDEST[0] * own).min(WIDEST[1] * best).max(own);
    let points = options.points.unwrap_or(POINTS).max(2);
    bias::ladder(bias::rung(longest, own, RANGE, points), RANGE, points, options)
}

/// The order of a method.
pub(super) fn order(experiment: &Experiment) -> f64 {
    let varies = experiment.model.coordinates.as_ref().is_some_and(|c| {
        (0..experiment.model.network.states().len()).any(|s| c.diffusivity(s).depends_on_x())
    });
    match experiment.method {
        _ if varies => 1.0,
        Method::Midpoint { .. } => 1.5,
        Method::Heun { .. } => 2.0,
        _ => 1.0,
    }
}

/// Averages first, then currents.
pub(super) fn functionals(
    experiment: &Experiment,
    context: &Context,
    law: Option<&Continuum>,
) -> Vec<Functional> {
    use Observable::*;
    let (grid, bins) = (&context.grid, context.grid.bins);
    let states = experiment.model.network.states().len();
    let whole = |o: Observable| Functional::whole(o, experiment);
    let mut list = vec![
        whole(Soret),
        Functional::first_moment(Density, grid, experiment),
        Functional::average("mean_energy", MeanEnergy, 0..bins, experiment),
    ];
    let wells = InternalPlane.observables(context).into_iter();
    list.extend(wells.filter(|o| matches!(o, WellPopulation(_))).map(whole));
    if states > 1 {
        list.extend((0..states).map(|s| whole(Population(s))));
        list.extend((0..states).map(|s| whole(MeanCurrent(s))));
    }
    if experiment.model.domain.walls == Boundary::Reflecting && bins > 3 {
        list.push(whole(MeanHeatCurrent));
        // The faces of the middle half.
        let half = bins / 4 - 1..bins - bins / 4;
        list.push(Functional::average("heat_current_middle", HeatCurrent, half, experiment));
    }
    let map = |observable: Observable| {
        let expected = law?.reference(observable, grid)?;
        let largest = expected.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
        let entries = expected.iter().enumerate().filter_map(|(k, v)| Some((k, (*v)?)));
        let weighed: Vec<(usize, f64)> = entries.filter(|(_, v)| v.abs() >= WEIGHED * largest).collect();
        let norm: f64 = weighed.iter().map(|(_, v)| v * v).sum();
        (norm > 0.0).then(|| Functional {
            unit: "theory".into(),
            weights: weighed.into_iter().map(|(k, v)| (k, v / norm)).collect(),
            ..whole(observable)
        })
    };
    list.extend([PlaneCurrentAlong, PlaneCurrentAcross].into_iter().filter_map(map));
    list
}

/// The law of the chain at steps from the longest of the study down, the limit of short steps last; empty where it is not
/// known.
pub(super) fn chain(experiment: &Experiment, steps: &[f64], own: f64) -> Vec<(f64, CoordinateChain)> {
    let kind = match experiment.method {
        Method::Midpoint { .. } => Steps::Midpoint,
        Method::Mala { .. } => Steps::Langevin,
        Method::EulerMaruyama { .. } => Steps::Euler,
        _ => return Vec::new(),
    };
    let on = |dt: f64, resolution: Resolution| CoordinateChain::on(&experiment.model, kind, dt, resolution);
    let longest = steps.iter().copied().fold(0.0, f64::max);
    let grid = experiment.grid();
    let biases = |resolution: Resolution| -> Option<Vec<f64>> {
        let (long, none) = (on(longest, resolution)?, on(0.0, resolution)?);
        let one = |chain: &CoordinateChain, o: Observable| chain.reference(o, &grid)?.first().copied()?;
        // At a uniform temperature there is nothing to see.
        let of = |o: Observable| Some(one(&long, o)? - one(&none, o)?);
        [Observable::Soret, Observable::MeanHeatCurrent].into_iter().map(of).collect()
    };
    let mut before: Option<Vec<f64>> = None;
    let settled = RESOLUTIONS.into_iter().find(|resolution| {
        let now = biases(*resolution);
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= SETTLED * b.abs();
        let same = before.iter().zip(&now).all(|(a, b)| a.iter().zip(b).all(close));
        let settled = same && before.is_some() && now.is_some();
        before = now;
        settled
    });
    let Some(resolution) = settled else { return Vec::new() };
    let mut all = steps.to_vec();
    all.extend((1..=HALVINGS).map(|k| longest * libm::exp2(-f64::from(k))));
    all.push(own);
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup_by(|a, b| (*a / *b - 1.0).abs() < 1e-9);
    all.push(0.0);
    all.into_iter().filter_map(|dt| Some((dt, on(dt, resolution)?))).collect()
}
