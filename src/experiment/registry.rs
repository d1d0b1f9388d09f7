//! Names in the file -> types of the engine: the one match.

use super::{Experiment, Method};
use crate::ensemble::{GroupRunner, Runner, Segments};
use crate::error::Error;
use crate::grid::Grid;
use crate::kernel::{Baoab, EulerMaruyama, Exact, KernelError};

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
    match experiment.method {
        Method::Exact {} => {
            let kernel = Exact::new(&model, grid).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::EulerMaruyama { dt } => {
            let kernel = EulerMaruyama::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::Baoab { dt } => {
            let kernel = Baoab::new(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
        Method::BaoabFlux { dt } => {
            let kernel = Baoab::with_exact_flux(&model, grid, dt).map_err(numeric)?;
            Ok(Box::new(Runner { kernel, model, grid: *grid, trajectories }))
        }
    }
}

fn numeric(error: KernelError) -> Error {
    Error::Numeric(error.to_string())
}
