//! By how much means of finitely many particles differ from the deterministic law.
//!
//! # Equation
//! Reactions of two particles go at `k <n_s n_t>/V`, the deterministic law at `k <n_s><n_t>/V`. The expansion in the
//! volume `V` (van Kampen, Stochastic Processes in Physics and Chemistry, X) gives the shift of the means to order `1/V`,
//! ```text
//! sum_s (d_s v_r) delta_s + b_r/V = 0,      b_r = -(k_+ Q_+ - k_- Q_-),      delta = nu xi,
//! ```
//! with the covariance that `n_s n_t` (pairs: `n (n - 1)`) has beyond that of Poisson's law, `-Q V`. In detailed balance that
//! law is Poisson's at fixed totals `M n`, so that `Q = P M^T (M P M^T)^-1 M P`, `P = diag(c)`. Without conservation laws
//! there is no shift.
//!
//! # When not to trust it
//! It is that of a well-mixed system at rest: exact to this order at uniform temperature with detailed balance. In a
//! gradient, net rates make correlations of their own, smaller by the ratio of the net to the gross rates times that of the
//! reaction-diffusion length to the domain's; far from equilibrium it is the right order of magnitude and no more.

use super::super::linear::{Factored, Matrix};
use crate::model::{Mixture, Way};

/// Shift of every mean concentration, for `volume` particles per unit of concentration, at concentrations at rest;
/// `None` where reactions depend on each other or a species that reacts is absent.
pub fn shift(mixture: &Mixture, concentrations: &[f64], x: f64, volume: f64) -> Option<Vec<f64>> {
    let (c, species) = (concentrations, mixture.species().len());
    let reactions = mixture.reactions();
    let excess = excess(mixture, c)?;
    let changes: Vec<Vec<i64>> = reactions.iter().map(|r| r.change(species)).collect();
    let mut matrix = Matrix::zeros(reactions.len(), reactions.len());
    let mut rhs = vec![0.0; reactions.len()];
    for (r, reaction) in reactions.iter().enumerate() {
        let mut slope = vec![0.0; species];
        for (forward, sign) in [(true, 1.0), (false, -1.0)] {
            let constant = sign * mixture.rate_constant(Way { reaction: r, forward }, x);
            let taken = reaction.taken(forward);
            for (s, n) in taken {
                let rest = taken
                    .iter()
                    .fold(f64::from(*n), |v, (t, m)| v * c[*t].powi(*m as i32 - i32::from(t == s)));
                slope[*s] += constant * rest;
            }
            rhs[r] += match *taken {
                [(s, 2)] => constant * excess.row(s)[s],
                [(s, 1), (t, 1)] => constant * excess.row(s)[t],
                _ => 0.0,
            };
        }
        for (q, change) in changes.iter().enumerate() {
            matrix.row_mut(r)[q] = change.iter().zip(&slope).map(|(d, s)| *d as f64 * s).sum();
        }
    }
    if !reactions.is_empty() {
        Factored::new(matrix)?.solve(&mut rhs);
    }
    let of = |s: usize| changes.iter().zip(&rhs).map(|(d, xi)| d[s] as f64 * xi).sum::<f64>() / volume;
    let shifts: Vec<f64> = (0..species).map(of).collect();
    shifts.iter().all(|d| d.is_finite()).then_some(shifts)
}

/// `Q`.
fn excess(mixture: &Mixture, c: &[f64]) -> Option<Matrix> {
    let (laws, species) = (mixture.laws(), c.len());
    let mut excess = Matrix::zeros(species, species);
    if laws.is_empty() {
        return Some(excess);
    }
    let mut gram = Matrix::zeros(laws.len(), laws.len());
    for (i, a) in laws.iter().enumerate() {
        for (j, b) in laws.iter().enumerate() {
            gram.row_mut(i)[j] = a.iter().zip(b).zip(c).map(|((a, b), c)| (a * b) as f64 * c).sum();
        }
    }
    let gram = Factored::new(gram)?;
    for t in 0..species {
        let mut column: Vec<f64> = laws.iter().map(|m| m[t] as f64 * c[t]).collect();
        gram.solve(&mut column);
        for s in 0..species {
            excess.row_mut(s)[t] = c[s] * laws.iter().zip(&column).map(|(m, v)| m[s] as f64 * v).sum::<f64>();
        }
    }
    Some(excess)
}

#[cfg(test)]
mod tests {
    use super::super::Extent;
    use super::*;
    use crate::model::{Equation, Field, Kinetics, Reaction, Species, Uniform};
    use std::sync::Arc;

    fn mixture(equation: &str, names: &[&str], rates: [f64; 2]) -> Mixture {
        let species: Vec<Species> = names.iter().map(|n| Species::new(*n, 0.0, 1.0, 1)).collect();
        let [forward, backward] = rates.map(|k| Some(Arc::new(Uniform(k)) as Arc<dyn Field>));
        let equation = Equation::parse(equation).unwrap();
        let reaction =
            Reaction::from_equation(&equation, &species, Kinetics::Given { forward, backward }).unwrap();
        Mixture::new(1.0, Uniform(1.0), species, vec![reaction]).unwrap()
    }

    #[test]
    fn shifts_are_those_of_the_master_equation() {
        // Deterministic rest: 2 M <-> D with K_d = 0.5 and c_tot = 3; A + B <-> C with K = 1: (2 - c)(3 - c) = c.
        let root = 3.0 - libm::sqrt(3.0);
        let cases = [
            (mixture("2 M <-> D", &["M", "D"], [4.0, 2.0]), vec![3.0, 0.0], vec![0.75, 1.125]),
            (
                mixture("A + B <-> C", &["A", "B", "C"], [1.0, 1.0]),
                vec![2.0, 3.0, 0.0],
                vec![2.0 - root, 3.0 - root, root],
            ),
        ];
        for (mixture, start, rest) in cases {
            for volume in [40.0, 160.0] {
                let counts: Vec<u64> = start.iter().map(|c| (c * volume) as u64).collect();
                let extent = Extent::new(&mixture, 0.5, volume, &counts).unwrap();
                let law = extent.stationary().unwrap();
                let found = shift(&mixture, &rest, 0.5, volume).unwrap();
                for (s, (c, found)) in rest.iter().zip(found).enumerate() {
                    let exact = extent.moments(&law, s)[0] / volume - c;
                    // The next order is smaller by about 1/volume.
                    assert!((exact - found).abs() < 4.0 / volume * found.abs(), "{s}: {exact} {found}");
                    assert!(found != 0.0);
                }
            }
        }
    }

    #[test]
    fn nothing_is_shifted_without_laws() {
        let mixture = mixture("0 <-> A", &["A"], [2.0, 1.0]);
        assert_eq!(shift(&mixture, &[2.0], 0.5, 10.0), Some(vec![0.0]));
    }
}
