//! What bins do to a profile: the average over a bin against the value at its middle, which is what a
//! reader takes it for, and the noise of a bin.
//!
//! Simulation and theory are compared bin average by bin average, so no comparison suffers from wide bins;
//! but a profile read off a plot does. The difference is a matter of theory alone and falls with the square
//! of the width where profiles are smooth, while the noise of a bin rises as bins shrink.

use super::functional::Functional;
use super::runs::{Laboratory, Setting};
use super::{Axis, Fit, Kind, Options, Part, Point, Series};
use crate::continuum::Continuum;
use crate::error::Error;
use crate::experiment::Sampling;
use crate::grid::Grid;
use crate::observable::Observable;
use crate::stats::Line;

/// Numbers of bins that divide [`CELLS`].
const LADDER: [usize; 7] = [5, 10, 20, 40, 80, 160, 320];

/// Bins of the run from which all others are put together.
const CELLS: usize = 1280;

/// Points inside of a bin of the finest ladder, an odd number, by which values at middles are taken.
const FINER: usize = 5;

/// Groups of the run, and walkers of each.
const GROUPS: usize = 128;
const WALKERS: u64 = 16;

/// Relaxation times of burn-in and of the run.
const BURN_IN: f64 = 8.0;
const RUN: f64 = 64.0;

/// Difference of bin averages from values at middles, and noise of a bin at the settings of the file: root
/// mean squares over all bins, of the density and of the local Soret coefficient. `None` if the observer gave
/// up.
pub(super) fn against(
    lab: &mut Laboratory<'_>,
    law: Option<&Continuum>,
    options: &Options,
) -> Result<Option<Vec<Series>>, Error> {
    if options.from.is_some() || options.to.is_some() || options.points.is_some() {
        let why = "bins are put together from one run of 1280: the points are 5, 10, 20 ... 320";
        return Err(Error::Usage(format!("--in bins takes no --from, --to or --points; {why}")));
    }
    let mut changed = lab.experiment.clone();
    changed.measure.bins = CELLS;
    let run = &lab.experiment.run;
    let whole = WALKERS as f64 * GROUPS as f64 * lab.relaxation * lab.pace;
    // Relaxation times that the effort allows, burn-in included.
    let allowed = (options.effort / whole - BURN_IN).clamp(1.0, RUN);
    let span = (allowed * lab.relaxation).ceil();
    let span = if lab.context_is_timed() { allowed * lab.relaxation } else { span };
    let setting = Setting { walkers: WALKERS, repeats: GROUPS, span, burn_in: BURN_IN * lab.relaxation };
    let grids = LADDER.map(|bins| Grid { bins, cells_per_bin: CELLS / bins, ..lab.grid() });
    let observables = [Observable::Density, Observable::LocalSoret];
    let asked = |grid: &Grid| -> Vec<Functional> {
        let entry = |o: Observable, k: usize| Functional::bin(o.name(), o, k);
        observables.iter().flat_map(|o| (0..grid.bins).map(move |k| entry(*o, k))).collect()
    };
    let Some(found) = lab.run_on_grids(&changed, &grids, &asked, setting)? else {
        return Ok(None);
    };

    let relaxation = lab.relaxation;
    let own = super::budget::scale(
        relaxation,
        (WALKERS * GROUPS as u64) as f64,
        span,
        run.particles as f64,
        run.span.amount(),
    );
    let mut series = Vec::new();
    for observable in observables {
        let unit = observable.dimension_in(lab.experiment.units);
        let (mut binning, mut noise) = (Vec::new(), Vec::new());
        let mut size = None;
        for (grid, (gathered, reducer)) in grids.iter().zip(&found) {
            let Some((difference, typical)) = binning_error(observable, grid, law) else {
                continue;
            };
            size = Some(typical);
            binning.push(point(grid.bins, difference, 0.0, Part::Fitted));
            let errors: Vec<f64> = gathered
                .together(reducer)
                .into_iter()
                .zip(&reducer.functionals)
                .filter(|(_, f)| f.observable == observable)
                .filter_map(|(s, _)| Some(s?.std_error()).filter(|e| e.is_finite()))
                .collect();
            // That of groups of another size says nothing about array_rqmc.
            if !errors.is_empty() && run.sampling == Sampling::MonteCarlo {
                // A standard error from G groups is known to 1/sqrt(2 (G - 1)); neighbouring bins hardly add to it.
                let value = own * root_mean_square(&errors);
                let known = value / libm::sqrt(2.0 * (GROUPS as f64 - 1.0));
                noise.push(point(grid.bins, value, known, Part::Shown));
            }
        }
        let series_of =
            |kind: Kind, points: Vec<Point>, fit: Option<Fit>, expected: Option<f64>, note: &str| Series {
                axis: Axis::Bins,
                kind,
                quantity: observable.name().into(),
                state: None,
                unit: unit.clone(),
                theory: size,
                points,
                fit,
                expected,
                agrees: None,
                note: note.into(),
            };
        if binning.len() > 1 {
            let fit = fit(&binning);
            let note = "bin average minus value at its middle, root mean square over bins; theory alone";
            series.push(series_of(Kind::Binning, binning, fit, Some(-2.0), note));
        }
        if !noise.is_empty() {
            let note = "standard error of a bin in a run of the file; all points from the same run";
            series.push(series_of(Kind::SamplingError, noise, None, None, note));
        }
    }
    Ok(Some(series))
}

fn root_mean_square(values: &[f64]) -> f64 {
    libm::sqrt(values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64)
}

fn point(bins: usize, value: f64, std_err: f64, part: Part) -> Point {
    let reach = crate::stats::normal_reach() * std_err;
    Point {
        at: bins as f64,
        value,
        std_err,
        ci_low: value - reach,
        ci_high: value + reach,
        part,
        repeats: if std_err > 0.0 { GROUPS } else { 0 },
        estimate: None,
        theory: None,
    }
}

/// Root mean square over bins of bin average minus value at the middle, and of the value at the middle. The
/// value at a point is the same functional on a bin so narrow that its own difference, which falls with the
/// square of the width, is taken out by extrapolation.
fn binning_error(observable: Observable, grid: &Grid, law: Option<&Continuum>) -> Option<(f64, f64)> {
    let on = |times: usize| law?.reference(observable, &Grid::new(grid.length, grid.bins * times));
    let (wide, narrow) = (on(1)?, on(FINER)?);
    let pairs: Vec<(f64, f64)> = wide
        .iter()
        .enumerate()
        .filter_map(|(b, wide)| {
            let narrow = narrow[b * FINER + FINER / 2]?;
            // wide = p + c, narrow = p + c/FINER^2.
            let square = (FINER * FINER) as f64;
            let c = ((*wide)? - narrow) * square / (square - 1.0);
            Some((c, narrow - c / square))
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let (difference, value): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let difference = root_mean_square(&difference);
    (difference > 0.0).then(|| (difference, root_mean_square(&value)))
}

/// A line through the logarithms of numbers without noise, which weigh the same; the finer half only, where
/// layers at walls are resolved.
fn fit(points: &[Point]) -> Option<Fit> {
    let finer = &points[points.len() / 2..];
    let line =
        Line::through(&finer.iter().map(|p| (libm::log(p.at), libm::log(p.value), 1.0)).collect::<Vec<_>>())?;
    Some(Fit {
        slope: line.slope,
        ci_low: None,
        ci_high: None,
        amplitude: libm::exp(line.at(0.0)),
        p_value: 1.0,
        points: finer.len(),
        decades: libm::log10(finer.last()?.at / finer.first()?.at),
    })
}
