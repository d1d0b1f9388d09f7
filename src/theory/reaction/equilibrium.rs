//! Reactions much faster than diffusion: local equilibrium (D3), and where particles then gather (D4-D7,
//! Eq 24 with the sign of D7).
//!
//! With detailed balance every reaction is at rest by itself, `prod_k c_k^nu_kr = k_r+/k_r-`, so that
//! ```text
//! c_k = exp(y_k + sum_l m_lk lambda_l),                                                             (1)
//! ```
//! where `y(x)` is any solution of `sum_k nu_kr y_k = ln(k_r+/k_r-)` and `lambda` has one entry per conservation law.
//! At given totals `lambda` minimises the convex `sum_k c_k - sum_l lambda_l C_l` and is found by Newton's method.
//!
//! Reactions conserve `sum_k m_lk c_k`, so at the steady state, any rates, `sum_k m_lk J_k = 0` at every x. Where all
//! `g_k = gamma_k f(x)` have one shape (all Ito diffusivities do),
//! ```text
//! sum_k m_lk w_k c_k/gamma_k = C_l                                                                   (2)
//! ```
//! is the same at every x: `D_1 c_1 + 2 D_2 c_2` for dimers. (1) and (2) determine `c_k(x)` from the constants `C_l`,
//! which follow from the amounts. For dimers and constant `D_k`, with `s = sqrt(1 + 8 c_tot/K_d)`,
//! ```text
//! c_1 = 2 c_tot/(1 + s),   S_T = (s - 1)(D_1 - D_2)/[(s + 1)(D_1 + (s - 1) D_2)] d_T ln K_d,          (3)
//! ```
//! of the sign of `(D_1 - D_2) d_T K_d`. Within the layers at the walls it fails at every finite rate.

use super::super::element::Rule;
use super::super::functionals::POINTS;
use super::super::linear::{Factored, Matrix};
use super::{Amounts, TheoryError, breakpoints, constants, motilities};
use crate::model::{Kinetics, Mixture, Motility};

/// Pieces of every interval between kinks for integrals.
const PIECES: usize = 16;
/// Where frictions are taken for their shape, as a fraction of the length.
const REFERENCE: f64 = 0.4321;

/// Solves for (1) at one place.
#[derive(Clone, Debug)]
pub(super) struct Balance {
    /// `y = solution ln(k_+/k_-)`, per species.
    solution: Vec<Vec<f64>>,
    /// `nu_kr` per reaction.
    changes: Vec<Vec<f64>>,
    /// `m_lk` per law.
    pub(super) laws: Vec<Vec<f64>>,
}

impl Balance {
    pub(super) fn new(mixture: &Mixture) -> Self {
        let species = mixture.species().len();
        let real = |row: &Vec<i64>| row.iter().map(|v| *v as f64).collect::<Vec<f64>>();
        let changes: Vec<Vec<f64>> = mixture.reactions().iter().map(|r| real(&r.change(species))).collect();
        let laws = mixture.laws().iter().map(real).collect();
        Balance { solution: right_inverse(species, &changes), changes, laws }
    }

    /// A solution of `sum_k nu_kr y_k = b_r`, if there is one.
    fn particular(&self, b: &[f64]) -> Option<Vec<f64>> {
        let dot = |row: &Vec<f64>, v: &[f64]| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
        let y: Vec<f64> = self.solution.iter().map(|row| dot(row, b)).collect();
        let scale = b.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let fits = self.changes.iter().zip(b).all(|(nu, b)| (dot(nu, &y) - b).abs() <= 1e-9 * scale);
        fits.then_some(y)
    }

    /// `c_k` with `sum_k m_lk alpha_k c_k = totals_l`, from `lambda` on, which is updated.
    pub(super) fn solve(
        &self,
        y: &[f64],
        alpha: &[f64],
        totals: &[f64],
        lambda: &mut [f64],
    ) -> Option<Vec<f64>> {
        let concentrations = |lambda: &[f64]| -> Vec<f64> {
            let exponent = |k: usize| y[k] + self.laws.iter().zip(lambda).map(|(m, l)| m[k] * l).sum::<f64>();
            (0..y.len()).map(|k| libm::exp(exponent(k))).collect()
        };
        let mut before = f64::INFINITY;
        for _ in 0..2000 {
            let c = concentrations(lambda);
            let missing: Vec<f64> = self
                .laws
                .iter()
                .zip(totals)
                .map(|(m, t)| t - m.iter().zip(alpha).zip(&c).map(|((m, a), c)| m * a * c).sum::<f64>())
                .collect();
            let factored = Factored::new(self.weigh(&c, alpha))?;
            let mut step = missing;
            factored.solve(&mut step);
            // No concentration changes by more than a factor of exp(2) at once.
            let change = |k: usize| self.laws.iter().zip(&step).map(|(m, s)| m[k] * s).sum::<f64>().abs();
            let largest = (0..y.len()).map(change).fold(0.0, f64::max);
            if !largest.is_finite() {
                return None;
            }
            let factor = if largest > 2.0 { 2.0 / largest } else { 1.0 };
            lambda.iter_mut().zip(&step).for_each(|(l, s)| *l += factor * s);
            if largest < 1e-9 && (largest < 1e-15 || largest >= 0.5 * before) {
                return Some(concentrations(lambda)).filter(|c| c.iter().all(|c| c.is_finite()));
            }
            before = largest;
        }
        None
    }

    /// `sum_k m_lk m_jk alpha_k c_k`.
    fn weigh(&self, c: &[f64], alpha: &[f64]) -> Matrix {
        let n = self.laws.len();
        let mut matrix = Matrix::zeros(n, n);
        for (l, a) in self.laws.iter().enumerate() {
            for (entry, b) in matrix.row_mut(l).iter_mut().zip(&self.laws) {
                *entry = (0..c.len()).map(|k| a[k] * b[k] * alpha[k] * c[k]).sum();
            }
        }
        matrix
    }

    /// Where to begin: no concentration above what the totals allow.
    pub(super) fn first_guess(&self, y: &[f64], alpha: &[f64], totals: &[f64]) -> Vec<f64> {
        let sums: Vec<f64> = (0..y.len()).map(|k| self.laws.iter().map(|m| m[k].max(0.0)).sum()).collect();
        let guess = |(m, total): (&Vec<f64>, &f64)| -> f64 {
            let of_species = |k: usize| (libm::log(total.abs() / (m[k] * alpha[k])) - y[k]) / sums[k];
            let least = (0..y.len()).filter(|k| m[*k] > 0.0).map(of_species).fold(f64::INFINITY, f64::min);
            if least.is_finite() { least } else { 0.0 }
        };
        self.laws.iter().zip(totals).map(guess).collect()
    }
}

/// For the matrix whose rows are `changes`, a matrix that takes a right-hand side to a solution, if there is one.
fn right_inverse(species: usize, changes: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let reactions = changes.len();
    // Gauss-Jordan on [changes | identity], with the largest entry left as the next pivot.
    let mut rows: Vec<Vec<f64>> = changes.to_vec();
    let unit = |r: usize| (0..reactions).map(|q| if q == r { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let mut combined: Vec<Vec<f64>> = (0..reactions).map(unit).collect();
    let mut pivots: Vec<(usize, usize)> = Vec::new();
    loop {
        let free = |r: usize| !pivots.iter().any(|(row, _)| *row == r);
        let places = (0..reactions).filter(|r| free(*r)).flat_map(|r| (0..species).map(move |k| (r, k)));
        let size = |(r, k): (usize, usize)| rows[r][k].abs();
        let best = places.fold(None, |best: Option<(usize, usize)>, p| match best {
            Some(b) if size(b) >= size(p) => Some(b),
            _ => Some(p),
        });
        let Some((r, k)) = best.filter(|p| size(*p) > 1e-9) else { break };
        let (row, sum, pivot) = (rows[r].clone(), combined[r].clone(), rows[r][k]);
        for q in (0..reactions).filter(|q| *q != r) {
            let factor = rows[q][k] / pivot;
            rows[q].iter_mut().zip(&row).for_each(|(a, b)| *a -= factor * b);
            combined[q].iter_mut().zip(&sum).for_each(|(a, b)| *a -= factor * b);
        }
        rows[r].iter_mut().for_each(|v| *v /= pivot);
        combined[r].iter_mut().for_each(|v| *v /= pivot);
        pivots.push((r, k));
    }
    let mut solution = vec![vec![0.0; reactions]; species];
    for (r, k) in pivots {
        solution[k].clone_from(&combined[r]);
    }
    solution
}

/// Concentrations where reactions are infinitely fast.
#[derive(Clone, Debug)]
pub struct FastReactions {
    mixture: Mixture,
    balance: Balance,
    /// `C_l` of (2), and `lambda` in the middle of the domain.
    constants: Vec<f64>,
    middle: Vec<f64>,
    /// `gamma_k`.
    gammas: Vec<f64>,
}

impl FastReactions {
    /// The limit for these amounts.
    ///
    /// # Errors
    /// [`TheoryError::NoClosedForm`]: a reaction with a closed way, rates without detailed balance, or
    /// frictions of different shapes; [`TheoryError::Start`] for amounts that no positive concentrations have;
    /// what the mixture has out of range.
    pub fn new(mixture: &Mixture, amounts: &Amounts) -> Result<Self, TheoryError> {
        let totals = amounts.totals(mixture)?;
        let length = mixture.domain.length;
        let pieces: Vec<f64> = breakpoints(mixture)?
            .windows(2)
            .flat_map(|ends| {
                let (a, h) = (ends[0], (ends[1] - ends[0]) / PIECES as f64);
                (0..PIECES).map(move |k| a + h * k as f64)
            })
            .chain([length])
            .collect();
        let rule = Rule::gauss(POINTS);
        let points: Vec<(f64, f64)> = pieces.windows(2).flat_map(|ends| rule.on(ends[0], ends[1])).collect();
        let gammas: Vec<f64> = motilities(mixture, REFERENCE * length)?.iter().map(|[_, g]| *g).collect();
        for (x, _) in &points {
            let ratios: Vec<f64> =
                motilities(mixture, *x)?.iter().zip(&gammas).map(|([_, g], at)| g / at).collect();
            if ratios.iter().any(|r| (r / ratios[0] - 1.0).abs() > 1e-12) {
                return Err(no_closed_form("frictions have different shapes"));
            }
        }
        let laws = mixture.laws().len();
        let balance = Balance::new(mixture);
        let (constants, middle) = (vec![0.0; laws], vec![0.0; laws]);
        let mut limit = FastReactions { mixture: mixture.clone(), balance, constants, middle, gammas };
        let locals: Vec<(f64, Vec<f64>, Vec<f64>)> = points
            .iter()
            .map(|(x, w)| Ok((*w / length, limit.exponents(*x)?, limit.mobile(*x))))
            .collect::<Result<_, TheoryError>>()?;
        limit.find(&totals, &locals)?;
        Ok(limit)
    }

    /// `C_l` and the first `lambda` such that the means of all conserved combinations are `totals`.
    fn find(&mut self, totals: &[f64], locals: &[(f64, Vec<f64>, Vec<f64>)]) -> Result<(), TheoryError> {
        let laws = totals.len();
        if laws == 0 {
            return Ok(());
        }
        let found = totals.iter().copied().fold(f64::INFINITY, f64::min);
        let (what, must) = ("the amounts", "those of positive concentrations");
        let impossible = TheoryError::Start { what, must, found };
        let (_, y, mobile) = &locals[locals.len() / 2];
        let ones = vec![1.0; y.len()];
        let mut lambda = self.balance.first_guess(y, &ones, totals);
        let c = self.balance.solve(y, &ones, totals, &mut lambda).ok_or_else(|| impossible.clone())?;
        let weighted = |m: &Vec<f64>| m.iter().zip(mobile).zip(&c).map(|((m, a), c)| m * a * c).sum();
        self.constants = self.balance.laws.iter().map(weighted).collect();
        self.middle = lambda;
        // Newton's method for the means as functions of the constants, halved until the equations can be solved.
        let mut before: Option<(Vec<f64>, Vec<f64>)> = None;
        let mut last = f64::INFINITY;
        for _ in 0..100 {
            let Some((means, slopes)) = self.means(locals) else {
                let (constants, step) = before.as_mut().ok_or_else(|| impossible.clone())?;
                step.iter_mut().for_each(|s| *s *= 0.5);
                self.constants = constants.iter().zip(step).map(|(c, s)| *c + *s).collect();
                continue;
            };
            let mut step: Vec<f64> = totals.iter().zip(&means).map(|(t, m)| t - m).collect();
            let Some(factored) = Factored::new(slopes) else { break };
            factored.solve(&mut step);
            let scale = self.constants.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
            let size = step.iter().fold(0.0, |m: f64, s| m.max(s.abs())) / scale;
            before = Some((self.constants.clone(), step.clone()));
            self.constants.iter_mut().zip(&step).for_each(|(c, s)| *c += s);
            if size < 1e-9 && (size < 1e-15 || size >= 0.5 * last) {
                return Ok(());
            }
            last = size;
        }
        Err(impossible)
    }

    /// The means of the conserved combinations at the present constants, and their derivatives.
    fn means(&self, locals: &[(f64, Vec<f64>, Vec<f64>)]) -> Option<(Vec<f64>, Matrix)> {
        let laws = self.constants.len();
        let (mut means, mut slopes) = (vec![0.0; laws], Matrix::zeros(laws, laws));
        let mut lambda = self.middle.clone();
        for (weight, y, mobile) in locals {
            let c = self.balance.solve(y, mobile, &self.constants, &mut lambda)?;
            for (mean, m) in means.iter_mut().zip(&self.balance.laws) {
                *mean += weight * m.iter().zip(&c).map(|(m, c)| m * c).sum::<f64>();
            }
            // d means/d lambda times (d constants/d lambda)^-1; both are symmetric.
            let mut response = self.balance.weigh(&c, &vec![1.0; c.len()]);
            Factored::new(self.balance.weigh(&c, mobile))?.solve_columns(&mut response);
            for l in 0..laws {
                for j in 0..laws {
                    slopes.row_mut(l)[j] += weight * response.row(j)[l];
                }
            }
        }
        Some((means, slopes))
    }

    /// `y(x)` of (1).
    fn exponents(&self, x: f64) -> Result<Vec<f64>, TheoryError> {
        let constants = constants(&self.mixture, x)?;
        let ratios: Vec<f64> =
            constants.chunks(2).map(|both| libm::log(both[0]) - libm::log(both[1])).collect();
        if ratios.iter().any(|r| !r.is_finite()) {
            return Err(no_closed_form("a reaction goes one way only"));
        }
        self.balance.particular(&ratios).ok_or_else(|| no_closed_form("the rates have no detailed balance"))
    }

    /// `w_k/gamma_k` at `x`.
    fn mobile(&self, x: f64) -> Vec<f64> {
        self.gammas.iter().enumerate().map(|(k, gamma)| self.mixture.weight(k, x) / gamma).collect()
    }

    /// The mixture.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// `C_l` of (2), per conservation law.
    pub fn constants(&self) -> &[f64] {
        &self.constants
    }

    /// Concentrations `c_k(x)`; `None` where a rate is out of range.
    pub fn concentration_at(&self, x: f64) -> Option<Vec<f64>> {
        let mut lambda = self.middle.clone();
        self.balance.solve(&self.exponents(x).ok()?, &self.mobile(x), &self.constants, &mut lambda)
    }

    /// Local Soret coefficient `S_T(x) = -(d_x ln c_tot)/(d_x T)`, 1/temperature, by differentiation of (1) and (2);
    /// `None` where `T` does not vary.
    pub fn soret_at(&self, x: f64) -> Option<f64> {
        let mixture = &self.mixture;
        let slope = mixture.temperature.slope(x);
        let (c, mobile) = (self.concentration_at(x)?, self.mobile(x));
        let ratios: Vec<f64> = (0..mixture.reactions().len()).map(|r| self.ratio_slope(r, x)).collect();
        let y = self.balance.particular(&ratios)?;
        // sum_k m_lk a_k c_k (y_k' + a_k'/a_k + sum_j m_jk lambda_j') = 0
        let own: Vec<f64> = (0..c.len()).map(|k| y[k] + self.weight_slope(k, x)).collect();
        let driven =
            |m: &Vec<f64>| -> f64 { -(0..c.len()).map(|k| m[k] * mobile[k] * c[k] * own[k]).sum::<f64>() };
        let mut lambda: Vec<f64> = self.balance.laws.iter().map(driven).collect();
        Factored::new(self.balance.weigh(&c, &mobile))?.solve(&mut lambda);
        let change =
            |k: usize| y[k] + self.balance.laws.iter().zip(&lambda).map(|(m, l)| m[k] * l).sum::<f64>();
        let changes: Vec<f64> = (0..c.len()).map(|k| c[k] * change(k)).collect();
        let fall = -mixture.total_content(&changes) / mixture.total_content(&c);
        Some(fall / slope).filter(|s| slope != 0.0 && s.is_finite())
    }

    /// `d_x ln(k_+/k_-)` of a reaction.
    fn ratio_slope(&self, reaction: usize, x: f64) -> f64 {
        let mixture = &self.mixture;
        match &mixture.reactions()[reaction].kinetics {
            Kinetics::Given { forward, backward } => {
                let relative = |f: &std::sync::Arc<dyn crate::model::Field>| f.slope(x) / f.value(x);
                forward.as_ref().map_or(0.0, relative) - backward.as_ref().map_or(0.0, relative)
            }
            Kinetics::Balanced { constant, .. } => -constant.slope(x) / constant.value(x),
            Kinetics::VantHoff { .. } => {
                let kt = mixture.thermal_energy(x);
                mixture.reaction_enthalpy(reaction) * mixture.boltzmann * mixture.temperature.slope(x)
                    / (kt * kt)
            }
        }
    }

    /// `d_x ln w_k`.
    fn weight_slope(&self, species: usize, x: f64) -> f64 {
        match &self.mixture.species()[species].motility {
            Motility::Diffusivity(d) => d.slope(x) / d.value(x),
            Motility::Friction(_) => self.mixture.temperature.slope(x) / self.mixture.temperature.value(x),
        }
    }
}

fn no_closed_form(why: &'static str) -> TheoryError {
    TheoryError::NoClosedForm { of: "the limit of fast reactions", why }
}
