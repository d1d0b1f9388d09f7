//! Names in the file -> types of the engine: the one match.

use super::{Experiment, Method};
use crate::ensemble::{GroupRunner, Runner};
use crate::error::Error;
use crate::grid::Grid;
use crate::kernel::Exact;

/// The finished pair of kernel and tallies that an experiment asks for.
///
/// # Errors
/// [`Error::Numeric`] if the kernel finds a rate without bound, or one that breaks it.
pub fn runner(experiment: &Experiment, grid: &Grid) -> Result<Box<dyn GroupRunner>, Error> {
    let model = experiment.model.clone();
    match experiment.method {
        Method::Exact {} => {
            let kernel = Exact::new(&model, grid).map_err(|e| Error::Numeric(e.to_string()))?;
            Ok(Box::new(Runner { kernel, model, grid: *grid }))
        }
        Method::EulerMaruyama { .. } => {
            Err(Error::Numeric("euler_maruyama can be read and checked, but not run".to_owned()))
        }
    }
}
