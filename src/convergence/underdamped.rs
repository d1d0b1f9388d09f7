//! Steps and quantities for the bias of the methods `baoab` and `baoab_flux`.
//!
//! Both are symmetric in time, so that every average of position and velocity has order 2 in `dt`. What they differ
//! in is the size of the bias of currents: with the exact bath the bulk carries `z coth z` times its heat,
//! `z = 3 gamma dt/2m`, with the exact flux as much as Kramers' equation says. At `gamma dt/m` near 1 the next term of
//! `z coth z - 1 = z^2/3 - z^4/45` is a tenth of the first and seen by long samples: points at the longest steps
//! are left out of a fit until a power law holds.

use super::functional::Functional;
use super::{Fit, Options, Part, Point, bias};
use crate::error::Error;
use crate::estimator::Context;
use crate::experiment::Experiment;
use crate::grid::Grid;
use crate::model::{Boundary, Model};
use crate::observable::Observable;

/// The order of both methods.
pub(super) const ORDER: f64 = 2.0;

/// Points of a study.
const POINTS: usize = 7;

/// Longest over shortest step.
const RANGE: f64 = 8.0;

/// Longest step over that of the file, at most.
const WIDEST: f64 = 4.0;

/// `gamma dt/m` in the longest step, unless the file has more.
const MOST_FRICTION: f64 = 1.0;

/// Transitions in the longest step, by the fastest rate.
const MOST_TRANSITIONS: f64 = 0.5;

/// Flight in the longest step, over the length of the domain.
const LONGEST_FLIGHT: f64 = 0.1;

/// `omega dt` in the longest step, `m omega^2` the steepest slope of a force.
const MOST_ROTATION: f64 = 1.0;

/// Misfit below which a power law is given up over these points.
const MISFIT: f64 = 0.01;

/// Least number of points of a fit.
const FEWEST: usize = 4;

/// Places at which a model is looked at.
const PLACES: usize = 64;

/// Steps from long to short; with the defaults that of the file is among them.
pub(super) fn steps(model: &Model, own: f64, options: &Options) -> Result<Vec<f64>, Error> {
    let longest = longest(model).min(WIDEST * own).max(own);
    let points = options.points.unwrap_or(POINTS).max(2);
    bias::ladder(bias::rung(longest, own, RANGE, points), RANGE, points, options)
}

/// The longest step that is short for everything that happens in it.
fn longest(model: &Model) -> f64 {
    let grid = Grid::new(model.domain.length, PLACES);
    let of = |s: usize, x: f64| {
        let mass = model.network.states()[s].mass.unwrap_or(1.0);
        let force = |x: f64| model.force_over_thermal_energy(s, x) * model.thermal_energy(x);
        let h = 0.5 * grid.bin_width();
        let steepness =
            if model.has_force(s) { (force(x + h) - force(x - h)).abs() / (2.0 * h) } else { 0.0 };
        let exits = model.network.channels().filter(|c| c.from == s);
        let limits = [
            (MOST_FRICTION, model.resistance(s, x) / mass),
            (MOST_TRANSITIONS, exits.map(|c| model.rate(c, x)).fold(0.0, |sum, rate| sum + rate)),
            (LONGEST_FLIGHT, libm::sqrt(model.thermal_energy(x) / mass) / grid.length),
            (MOST_ROTATION, libm::sqrt(steepness / mass)),
        ];
        limits.iter().map(|(most, rate): &(f64, f64)| most / rate).fold(f64::INFINITY, f64::min)
    };
    let states = 0..model.network.states().len();
    let places = (0..grid.bins).map(|k| 0.5 * (grid.face(k) + grid.face(k + 1)));
    places
        .flat_map(|x| states.clone().map(move |s| (s, x)))
        .map(|(s, x)| of(s, x))
        .fold(f64::INFINITY, f64::min)
}

/// Densities, temperatures and currents; those of heat as seen in phase space and as carried by moves.
pub(super) fn functionals(experiment: &Experiment, context: &Context) -> Vec<Functional> {
    use Observable::*;
    let (model, bins) = (&experiment.model, context.grid.bins);
    let states = 0..model.network.states().len();
    let middle = bins / 2;
    let whole = |o: Observable| Functional::whole(o, experiment);
    let average = |name: &str, o: Observable, entries: std::ops::Range<usize>| {
        Functional::average(name, o, entries, experiment)
    };
    let mut list = vec![
        whole(Soret),
        Functional::first_moment(Density, &context.grid, experiment),
        average("density_middle", Density, middle..middle + 1),
    ];
    if states.len() > 1 {
        list.extend(states.clone().map(|s| whole(Population(s))));
        list.extend(states.clone().map(|s| whole(MeanCurrent(s))));
    }
    list.extend(states.clone().map(|s| average("kinetic_temperature", KineticTemperature(s), 0..bins)));
    list.push(whole(MeanHeatCurrent));
    if model.domain.walls == Boundary::Reflecting {
        list.push(average("heat_current_carried", CarriedHeatCurrent, 0..bins - 1));
    }
    // The middle half: one bin is four times as noisy.
    let half = bins / 4..(bins - bins / 4).max(bins / 4 + 1);
    list.extend(states.map(|s| average("peak_slow_current", PeakSlowCurrent(s), half.clone())));
    list
}

/// The fit of a power law; points at the longest steps are marked as shown only until one holds.
pub(super) fn fit(points: &mut [Point]) -> Option<Fit> {
    let all = bias::fit(points)?;
    let fits = (0..=points.len().saturating_sub(FEWEST)).map_while(|k| Some((k, bias::fit(&points[k..])?)));
    let Some((left_out, fit)) = fits.into_iter().find(|(_, fit)| fit.p_value > MISFIT) else {
        return Some(all);
    };
    points[..left_out].iter_mut().for_each(|p| p.part = Part::Shown);
    Some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `b = dt^2 - c dt^4` at steps from 1 down, known to `error`.
    fn ladder(c: f64, error: f64) -> Vec<Point> {
        let point = |k: i32| {
            let at = libm::pow(2.0, -0.5 * f64::from(k));
            let value = at * at - c * libm::pow(at, 4.0);
            let (ci_low, ci_high) = (value - 2.0 * error, value + 2.0 * error);
            let part = Part::Fitted;
            Point {
                at,
                value,
                std_err: error,
                ci_low,
                ci_high,
                part,
                repeats: 128,
                estimate: None,
                theory: None,
            }
        };
        (0..7).map(point).collect()
    }

    #[test]
    fn the_longest_step_is_short_for_all_that_happens() {
        use crate::model::{Motility, State, Uniform};
        use std::sync::Arc;
        let state = State {
            motility: Motility::Friction(Arc::new(Uniform(50.0))),
            mass: Some(2.0),
            ..State::new("only", 0.0, 1.0)
        };
        let model = Model::new(1.0, Uniform(0.5), vec![state], vec![]).unwrap();
        // gamma dt/m = 1 at 0.04; the flight of sqrt(kT/m) = 0.5 allows 0.2.
        assert!((longest(&model) / 0.04 - 1.0).abs() < 1e-12);
        let rungs = |own: f64| steps(&model, own, &Options::default()).unwrap();
        for (own, longest) in [(0.016, 0.032), (1e-3, 4e-3), (0.3, 0.3)] {
            let found = rungs(own);
            assert!((found[0] / longest - 1.0).abs() < 1e-9 && (found[6] / longest * 8.0 - 1.0).abs() < 1e-9);
            assert!(found.iter().any(|dt| (dt / own - 1.0).abs() < 1e-9), "{own}: {found:?}");
        }
    }

    #[test]
    fn steps_too_long_for_a_power_law_are_left_out() {
        let mut straight = ladder(0.0, 0.01);
        let found = fit(&mut straight).unwrap();
        assert!((found.slope - 2.0).abs() < 1e-6 && straight.iter().all(|p| p.part == Part::Fitted));
        // A tenth at the longest step.
        let mut bent = ladder(0.1, 0.002);
        let found = fit(&mut bent).unwrap();
        let shown = bent.iter().filter(|p| p.part == Part::Shown).count();
        assert!(shown > 0 && shown <= 3, "{shown}");
        assert!((found.slope - 2.0).abs() < (bias::fit(&bent).unwrap().slope - 2.0).abs(), "{found:?}");
        // Nothing to see: nothing fitted.
        let mut nothing = ladder(1.0, 10.0);
        assert_eq!(fit(&mut nothing), None);
    }
}
