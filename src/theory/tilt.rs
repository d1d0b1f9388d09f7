//! The scale on which densities are solved for.
//!
//! A force can spread densities over many orders of magnitude. The unknowns of
//! [`stationary`](super::stationary) are therefore `v_i exp(-phi)` with a continuous `phi`, linear on every
//! element, that follows the logarithm of the density. Any `phi` gives the same equation; a good one keeps
//! the unknowns of order one, so that what is accurate relative to them is accurate relative to the density
//! at the same place. All states share it: sums over states stay sums of unknowns.

use super::element::Rule;
use super::{TheoryError, forces, motilities};
use crate::model::{Boundary, Model};

/// `phi` at the vertices of a mesh, largest zero: the logarithm of the density that fast transitions would
/// give. Between walls `phi' = H` with `H = sum_i a_i v_i h_i/sum_i a_i v_i`; on a ring the periodic solution of
/// `A (V' - H V) = const`, which is `V(x) = exp(psi(x)) int_x^{x+L} exp(-psi)/A`, `psi' = H`.
pub(super) fn guess(model: &Model, mesh: &[f64]) -> Result<Vec<f64>, TheoryError> {
    if !model.has_forces() {
        return Ok(vec![0.0; mesh.len()]);
    }
    let rule = Rule::gauss(6);
    let mut psi = vec![0.0];
    let mut resistance = Vec::new();
    for ends in mesh.windows(2) {
        let (mut rise, mut inverse) = (0.0, 0.0);
        for (x, weight) in rule.on(ends[0], ends[1]) {
            let force = forces(model, x)?;
            let motility = motilities(model, x)?;
            let occupancy = model.local_equilibrium(x);
            let transported: Vec<f64> =
                occupancy.iter().zip(&motility).map(|(p, [w, g])| p * w / g).collect();
            let mobile: f64 = transported.iter().sum();
            let pushed: f64 = transported.iter().zip(&force).map(|(v, h)| v * h).sum();
            rise += weight * pushed / mobile;
            inverse += weight / mobile;
        }
        psi.push(psi[psi.len() - 1] + rise);
        resistance.push(inverse);
    }
    if model.domain.walls == Boundary::Periodic {
        let total = psi[psi.len() - 1];
        let elements = resistance.len();
        let pieces: Vec<f64> =
            (0..elements).map(|e| libm::log(resistance[e]) - 0.5 * (psi[e] + psi[e + 1])).collect();
        // Sums from x to L and, one turn later, from 0 to x.
        let mut ahead = vec![f64::NEG_INFINITY; elements + 1];
        for e in (0..elements).rev() {
            ahead[e] = log_sum(ahead[e + 1], pieces[e]);
        }
        let mut behind = f64::NEG_INFINITY;
        for e in 0..=elements {
            let turned = log_sum(ahead[e], behind - total);
            if e < elements {
                behind = log_sum(behind, pieces[e]);
            }
            psi[e] += turned;
        }
        // Equal up to rounding, and continuous for certain.
        psi[elements] = psi[0];
    }
    Ok(from_largest(psi))
}

/// `ln(exp(a) + exp(b))`.
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if high == f64::NEG_INFINITY { high } else { high + libm::log1p(libm::exp(low - high)) }
}

/// Less the largest of them.
pub(super) fn from_largest(mut logarithms: Vec<f64>) -> Vec<f64> {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logarithms.iter_mut().for_each(|l| *l -= largest);
    logarithms
}
