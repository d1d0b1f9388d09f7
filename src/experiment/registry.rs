//! Names in the file -> types of the engine: the one match.

use super::{Experiment, Method};
use crate::ensemble::{GroupRunner, Runner, Segments};
use crate::error::Error;
use crate::grid::Grid;
use crate::kernel::{Baoab, Continuous, EulerMaruyama, Exact, KernelError, Lanes, Scheme, Span};

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
    let with_coordinates = model.coordinates.is_some();
    let continuous = |dt: f64, scheme: Scheme| -> Result<Box<dyn GroupRunner>, Error> {
        let kernel = Continuous::new(&experiment.model, grid, dt, scheme).map_err(numeric)?;
        Ok(Box::new(Runner { kernel, model: experiment.model.clone(), grid: *grid, trajectories: None }))
    };
    match experiment.method {
        Method::Exact {} => {
            // Lanes keep counts; trajectories need events, and a duration needs legs with one.
            let counts = matches!(experiment.run.span, Span::Legs(_)) && trajectories.is_none();
            if counts && let Some(kernel) = Lanes::new(&model, grid).map_err(numeric)? {
                return Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }));
            }
            let kernel = Exact::new(&model, grid).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::EulerMaruyama { dt } if with_coordinates => continuous(dt, Scheme::EulerMaruyama),
        Method::EulerMaruyama { dt } => {
            let kernel = EulerMaruyama::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Baoab { dt } => {
            let kernel = Baoab::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Midpoint { dt } => continuous(dt, Scheme::Midpoint),
        Method::Mala { dt } => continuous(dt, Scheme::Mala),
        Method::Heun { dt } => continuous(dt, Scheme::Heun),
        Method::BaoabFlux { dt } => {
            let kernel = Baoab::with_exact_flux(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
    }
}

fn numeric(error: KernelError) -> Error {
    Error::Numeric(error.to_string())
}
