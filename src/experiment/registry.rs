//! Names in the file -> types of the engine: the one match.

use super::{Experiment, Method, Sampling};
use crate::ensemble::{Fields, GroupRunner, Populations, Runner, Segments, Volumes};
use crate::error::Error;
use crate::grid::Grid;
use crate::kernel::reactions::Resolution;
use crate::kernel::{
    ArrayRqmc, Baoab, Continuous, EulerMaruyama, Exact, KernelError, LaneBaoab, LaneCoordinate, LaneSteps,
    Lanes, Scheme, Span,
};

/// The finished pair of kernel and tallies that an experiment asks for.
///
/// # Errors
/// [`Error::Numeric`] if the kernel finds a rate without bound, or one that breaks it.
pub fn runner(
    experiment: &Experiment,
    grid: &Grid,
    trajectories: Option<Segments>,
) -> Result<Box<dyn GroupRunner>, Error> {
    let model = experiment.model.clone();
    let refuse = |why: &str| Err(Error::Numeric(why.into()));
    let cells = experiment.method.cells();
    match (&model.mixture, cells) {
        (Some(_), None) if matches!(experiment.method, Method::WellMixed { .. }) => {}
        (Some(_), None) => {
            return refuse("particles that react need the method pairs, mean_field or well_mixed");
        }
        (None, Some(_)) => return refuse("cells need species that react"),
        (Some(_), Some(cells)) if !cells.is_multiple_of(grid.bins) => {
            return refuse("the number of cells must be a multiple of the number of bins");
        }
        (Some(mixture), _) if mixture.species().len() != experiment.concentrations.len() => {
            return refuse("every species needs a concentration");
        }
        _ => {}
    }
    let untimed =
        matches!(experiment.method, Method::Exact {}) && matches!(experiment.run.span, Span::Legs(_));
    if experiment.run.sampling == Sampling::ArrayRqmc && (!untimed || trajectories.is_some()) {
        return refuse("array_rqmc needs the untimed legs of the method exact");
    }
    let with_coordinates = model.coordinates.is_some();
    let continuous = |dt: f64, scheme: Scheme| -> Result<Box<dyn GroupRunner>, Error> {
        let kernel = Continuous::new(&experiment.model, grid, dt, scheme).map_err(numeric)?;
        Ok(Box::new(Runner { kernel, model: experiment.model.clone(), grid: *grid, trajectories: None }))
    };
    match experiment.method {
        Method::Exact {} if experiment.run.sampling == Sampling::ArrayRqmc => {
            let kernel = ArrayRqmc::new(&model, grid).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Exact {} => {
            // Lanes keep counts, and trajectories need events.
            if trajectories.is_none()
                && let Some(kernel) = Lanes::new(&model, grid).map_err(numeric)?
            {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }));
            }
            let kernel = Exact::new(&model, grid).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::EulerMaruyama { dt } if with_coordinates => continuous(dt, Scheme::EulerMaruyama),
        Method::EulerMaruyama { dt } => {
            if trajectories.is_none()
                && let Some(kernel) = LaneSteps::new(&model, grid, dt).map_err(numeric)?
            {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }));
            }
            let kernel = EulerMaruyama::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Baoab { dt } => {
            if trajectories.is_none()
                && let Some(kernel) = LaneBaoab::new(&model, grid, dt).map_err(numeric)?
            {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }));
            }
            let kernel = Baoab::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Pairs { cells, dt } => {
            let omega = experiment.run.system_size.unwrap_or(0.0);
            let resolution = Resolution::new(cells, dt);
            let made = Populations::new(&model, grid, omega, experiment.counts(), resolution);
            match made {
                Some(made) => Ok(Box::new(made.map_err(|e| numeric(e.into()))?)),
                None => refuse("pairs needs species that react"),
            }
        }
        Method::MeanField { cells, window } => {
            let Some(mixture) = &model.mixture else { return refuse("mean_field needs species that react") };
            let run = &experiment.run;
            if matches!(run.span, Span::Legs(_)) != matches!(window, Span::Legs(_)) {
                return refuse(
                    "a window of a mean field must be of the kind of the run: legs, or a duration",
                );
            }
            let units = run.particles / run.groups.max(1) as u64;
            let made = Fields::new(mixture, &experiment.concentrations, cells, window, units, grid);
            Ok(Box::new(made.map_err(|e| numeric(e.into()))?))
        }
        Method::WellMixed { .. } => {
            let (Some(mixture), Some(volume)) = (&model.mixture, experiment.volume()) else {
                return refuse("well_mixed needs species that react, and a system size");
            };
            let realisations = experiment.run.realisations.unwrap_or(experiment.run.groups as u64);
            let made = Volumes::new(mixture, &volume, realisations, grid);
            Ok(Box::new(made.map_err(|e| numeric(e.into()))?))
        }
        Method::Midpoint { dt } => {
            // Without a coordinate the other one says so.
            if with_coordinates
                && let Some(kernel) = LaneCoordinate::new(&model, grid, dt).map_err(numeric)?
            {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories: None }));
            }
            continuous(dt, Scheme::Midpoint)
        }
        Method::Mala { dt } => continuous(dt, Scheme::Mala),
        Method::Heun { dt } => continuous(dt, Scheme::Heun),
        Method::BaoabFlux { dt } => {
            if trajectories.is_none()
                && let Some(kernel) = LaneBaoab::with_exact_flux(&model, grid, dt).map_err(numeric)?
            {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }));
            }
            let kernel = Baoab::with_exact_flux(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
    }
}

fn numeric(error: KernelError) -> Error {
    Error::Numeric(error.to_string())
}
