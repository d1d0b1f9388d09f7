//! The deterministic theory of reacting particles (Eqs 23-24, App. D), and the master equation of small
//! well-mixed systems.
//!
//! - [`equilibrium`]: reactions much faster than diffusion, in closed form up to Newton's method at a point.
//! - [`steady`]: the stationary concentrations at any rates, with an error estimate.
//! - [`transient`]: concentrations at given times from given profiles.
//! - [`profiles`]: what follows from concentrations: currents, heat, rates, Soret coefficients, entropy production.
//! - [`finite`]: by how much means of finitely many particles differ from all that.
//! - [`master`]: the law of the number of particles where everything is well mixed, and of total numbers at uniform
//!   temperature.
//! - [`states`]: the same of all species together, for any network that reaches few states.
//! - [`numbers`]: which of all that is known of numbers in a well-mixed volume.
//!
//! Concentrations are particles per length, in the unit that rate constants are made for; see
//! [`Mixture`].
//!
//! # Example
//! ```
//! use soret::model::{Function, Kinetics, Mixture, Reaction, Species, Uniform};
//! use soret::theory::reaction::{Amounts, steady};
//! use std::sync::Arc;
//!
//! // Dimers that heat takes apart, and that move half as fast as monomers.
//! let species = vec![Species::new("M", 0.0, 1e-2, 1), Species::new("D", -2.0, 5e-3, 2)];
//! let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(10.0)), prefactor: 3.0 };
//! let temperature = Function::lipschitz(|x| 1.0 + 0.5 * x, 0.5);
//! let mixture = Mixture::new(1.0, temperature, species, vec![Reaction::new(&[0, 0], &[1], kinetics)])?;
//! let law = steady::solve(&mixture, &Amounts::Totals(vec![2.0]), &steady::Options::default())?;
//! // Monomers move faster, and there are more of them where it is hot: particles gather on the cold side.
//! assert!(law.profiles().soret().is_some_and(|s| s > 0.01));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod equilibrium;
pub mod finite;
mod functionals;
pub mod master;
pub mod numbers;
pub mod profiles;
pub mod states;
pub mod steady;
pub mod steps;
mod system;
pub mod transient;

pub use equilibrium::FastReactions;
pub use master::Extent;
pub use numbers::Numbers;
pub use profiles::Profiles;
pub use states::States;
pub use steady::Steady;
pub use steps::StepLaw;
pub use transient::Transient;

use super::{TheoryError, between};
use crate::model::{Mixture, Way};

/// How much of everything there is.
#[derive(Clone, Debug, PartialEq)]
pub enum Amounts {
    /// Mean over the domain of every conserved combination, `(1/L) int sum_k m_lk c_k dx` in the order of
    /// [`Mixture::laws`].
    Totals(Vec<f64>),
    /// Mean concentration of every species at the start.
    Concentrations(Vec<f64>),
}

impl Amounts {
    /// The mean of every conserved combination, checked.
    pub(super) fn totals(&self, mixture: &Mixture) -> Result<Vec<f64>, TheoryError> {
        let (given, expected) = match self {
            Amounts::Totals(totals) => (totals, mixture.laws().len()),
            Amounts::Concentrations(means) => (means, mixture.species().len()),
        };
        if given.len() != expected {
            let what = "the number of amounts";
            let must = "that of the conservation laws, or of the species";
            return Err(TheoryError::Start { what, must, found: given.len() as f64 });
        }
        let signed = |k: usize| match self {
            Amounts::Totals(_) => mixture.laws()[k].iter().any(|m| *m < 0),
            Amounts::Concentrations(_) => false,
        };
        let fits = |(k, v): (usize, &f64)| v.is_finite() && (*v >= 0.0 || signed(k));
        if let Some((_, found)) = given.iter().enumerate().find(|pair| !fits(*pair)) {
            let (what, must) = ("an amount", "finite and not negative");
            return Err(TheoryError::Start { what, must, found: *found });
        }
        Ok(match self {
            Amounts::Totals(totals) => totals.clone(),
            Amounts::Concentrations(means) => mixture.totals(means),
        })
    }
}

/// `w` and `g` of every species at `x` (see [`Motility`](crate::model::Motility)), checked.
fn motilities(mixture: &Mixture, x: f64) -> Result<Vec<[f64; 2]>, TheoryError> {
    let found = mixture.temperature.value(x);
    if !(found > 0.0 && found.is_finite()) {
        return Err(TheoryError::Temperature { x, found });
    }
    let of_species = |species: usize| {
        let (what, field) = mixture.species()[species].motility.parts();
        let pair = [mixture.weight(species, x), mixture.resistance(species, x)];
        let usable = pair.iter().all(|v| *v > 0.0 && v.is_finite() && (1.0 / v).is_finite());
        let found = || TheoryError::SpeciesMotility { species, what, x, found: field.value(x) };
        usable.then_some(pair).ok_or_else(found)
    };
    (0..mixture.species().len()).map(of_species).collect()
}

/// Rate constants of all ways at `x`, checked.
fn constants(mixture: &Mixture, x: f64) -> Result<Vec<f64>, TheoryError> {
    let of_way = |way: Way| {
        let found = mixture.rate_constant(way, x);
        let Way { reaction, forward } = way;
        let error = TheoryError::RateConstant { reaction, forward, x, found };
        (0.0..=1e100).contains(&found).then_some(found).ok_or(error)
    };
    mixture.ways().map(of_way).collect()
}

/// Walls and kinks: the positions between which every coefficient is smooth.
fn breakpoints(mixture: &Mixture) -> Result<Vec<f64>, TheoryError> {
    between(mixture.domain.length, mixture.fields(), std::iter::empty())
}
