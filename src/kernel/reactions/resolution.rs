//! Cells and step for a population that moves and reacts.

use super::{ReactionError, in_range};
use crate::model::Mixture;
use serde::{Deserialize, Serialize};

/// Largest width of a cell over the reaction-diffusion length.
const WIDEST: f64 = 0.25;

/// Largest change of a rate over a cell, relative.
const STEEPEST: f64 = 0.05;

/// Fewest particles per cell.
const FEWEST: f64 = 4.0;

/// Most cells.
const MOST_CELLS: f64 = 65_536.0;

/// Places at which coefficients are looked up.
const PLACES: u32 = 256;

/// Cells of equal width, and the step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Number of cells.
    pub cells: usize,
    /// Time of a step.
    pub dt: f64,
    /// What set the cells.
    pub limit: Limit,
}

/// What sets the width of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Given.
    Given,
    /// How far particles come before they react.
    Reactions,
    /// How fast the temperature varies.
    Temperature,
    /// The number of particles: cells are wider than reactions or the temperature ask for, and a bias is left that
    /// only more particles remove.
    Particles,
}

impl Resolution {
    /// So many cells and this step.
    pub fn new(cells: usize, dt: f64) -> Self {
        Resolution { cells, dt, limit: Limit::Given }
    }

    /// Cells and a step that suit a mixture where species have about these concentrations (too large a one costs
    /// time only), and `omega` particles make up one unit of concentration and length.
    ///
    /// With the rate `lambda = sum_ways sum_s |nu_s| a_s v/c_s` at which concentrations relax (for dimers `4 k_+ c_1
    /// + k_-`), all extremes over 256 places:
    /// ```text
    /// h <= sqrt(D_min/lambda)/4,      h <= 0.05 min |T/T'|/max(1, |dH|/kT),      at least 4 particles a cell,
    /// dt = min(h^2/(2 D_max), 1/(32 lambda)).
    /// ```
    /// The first keeps what reactions do to places inside a cell small beside diffusion. Particles have the last
    /// word: see [`Limit::Particles`].
    ///
    /// # Errors
    /// [`ReactionError`] for concentrations or `omega` out of range, and coefficients that are.
    pub fn automatic(mixture: &Mixture, concentrations: &[f64], omega: f64) -> Result<Self, ReactionError> {
        in_range("omega", "positive and finite", omega, |v| v > 0.0 && v.is_finite())?;
        let found = concentrations.len() as f64;
        in_range("the number of concentrations", "that of the species", found, |_| {
            concentrations.len() == mixture.species().len()
        })?;
        for c in concentrations {
            in_range("a concentration", "finite and not negative", *c, |c| c >= 0.0 && c.is_finite())?;
        }
        let length = mixture.domain.length;
        let (mut slowest, mut fastest) = (f64::INFINITY, 0.0f64);
        let (mut relaxation, mut gentlest) = (0.0f64, f64::INFINITY);
        for k in 0..PLACES {
            let x = (f64::from(k) + 0.5) / f64::from(PLACES) * length;
            for (s, species) in mixture.species().iter().enumerate() {
                let d = mixture.diffusivity(s, x);
                if !(d > 0.0 && d.is_finite()) {
                    let species = species.name.clone();
                    return Err(ReactionError::Diffusivity { species, low: d, high: d });
                }
                (slowest, fastest) = (slowest.min(d), fastest.max(d));
            }
            relaxation = relaxation.max(relaxation_rate(mixture, concentrations, x)?);
            let slope = mixture.temperature.slope(x).abs();
            let steps = (0..mixture.reactions().len()).map(|r| mixture.reaction_enthalpy(r).abs());
            let hardest = steps.fold(0.0, f64::max) / mixture.thermal_energy(x);
            gentlest = gentlest.min(mixture.temperature.value(x) / slope / hardest.max(1.0));
        }
        let by_reactions = WIDEST * libm::sqrt(slowest / relaxation);
        let by_temperature = STEEPEST * gentlest;
        let (wanted, mut limit) = if by_temperature < by_reactions {
            (by_temperature, Limit::Temperature)
        } else {
            (by_reactions, Limit::Reactions)
        };
        let particles = omega * length * concentrations.iter().sum::<f64>();
        let most = (particles / FEWEST).clamp(1.0, MOST_CELLS);
        let mut cells = libm::ceil(length / wanted).max(1.0);
        if cells > most {
            (cells, limit) = (libm::floor(most), Limit::Particles);
        }
        let h = length / cells;
        let dt = (h * h / (2.0 * fastest)).min(1.0 / (32.0 * relaxation));
        in_range("the step", "positive", dt, |dt| dt > 0.0 && dt.is_finite())?;
        Ok(Resolution { cells: cells as usize, dt, limit })
    }
}

/// The largest `lambda` of [`Resolution::automatic`]; infinite for coefficients out of range.
pub(crate) fn fastest(mixture: &Mixture, concentrations: &[f64]) -> f64 {
    let place = |k: u32| (f64::from(k) + 0.5) / f64::from(PLACES) * mixture.domain.length;
    let rate = |k: u32| relaxation_rate(mixture, concentrations, place(k)).unwrap_or(f64::INFINITY);
    (0..PLACES).map(rate).fold(0.0, f64::max)
}

/// `lambda` at a place.
fn relaxation_rate(mixture: &Mixture, concentrations: &[f64], x: f64) -> Result<f64, ReactionError> {
    let mut sum = 0.0;
    for way in mixture.open_ways() {
        let reaction = &mixture.reactions()[way.reaction];
        let change = reaction.change(concentrations.len());
        let taken = reaction.taken(way.forward);
        let constant = mixture.rate_constant(way, x);
        let (reaction, forward) = (way.reaction, way.forward);
        if !(constant >= 0.0 && constant.is_finite()) {
            return Err(ReactionError::RateConstant { reaction, forward, x, found: constant });
        }
        for (s, a) in taken {
            // v/c_s, with one factor c_s left out.
            let rest = taken.iter().map(|(t, b)| {
                let power = b - u32::from(t == s);
                concentrations[*t].powi(power as i32)
            });
            let per_particle = constant * rest.product::<f64>();
            sum += change[*s].abs() as f64 * f64::from(*a) * per_particle;
        }
    }
    Ok(sum)
}
