//! The stationary concentrations of a mixture, at any rates (Eqs 23, D1 without `d_t`).
//!
//! # Equation
//! ```text
//! J_k' = sum_r nu_kr (v_r+ - v_r-),      J_k = 0 at both walls,      (1/L) int sum_k m_lk c_k dx = totals_l .   (1)
//! ```
//! Reactions conserve `sum_k m_lk c_k`, so between walls `sum_k m_lk J_k = 0` at every x; for Ito diffusivities
//! `sum_k m_lk D_k c_k` is flat, `D_1 c_1 + 2 D_2 c_2` for dimers, whatever the rates.
//!
//! # Method
//! Spectral elements (degree 10, Gauss quadrature) that grow geometrically away from walls and kinks, starting
//! from the layer thickness there; bisection where the Legendre coefficients of a current have not decayed.
//! Newton's method from the limit of fast reactions, or where there is none from uniform concentrations through
//! implicit steps in time that grow. Conservation laws stand in place of one equation each, which reactions
//! drop out of exactly; that the equations then leave the totals free is mended by as many solutions more. The
//! error is estimated by solving again with degree 14; the better solution is returned.
//!
//! # When not to trust it
//! Where several stationary states exist, the one that is found is one of them. Beyond `k L^2/D = 1e8` rounding takes
//! digits: the estimate is 5e-10 there for dimers, 6e-9 at 1e10 and 2e-8 at 1e12.

use super::super::element::Reference;
use super::super::linear::{Factored, Matrix};
use super::super::stationary::{bisect, graded};
use super::equilibrium::{Balance, FastReactions};
use super::profiles::Profiles;
use super::system::{Shift, System, scales, thinnest_layer};
use super::{Amounts, TheoryError, breakpoints};
use crate::model::Mixture;

/// Degree of the first solution; the second one, returned, has four more.
const DEGREE: usize = 10;

/// How accurate a solution must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Refinement ends when the estimated relative error is below this; between 1e-12 and 1e-2.
    pub tolerance: f64,
    /// A solution whose estimated error stays above this is refused.
    pub limit: f64,
    /// Elements beyond which the mesh is not refined; at least 8.
    pub max_elements: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tolerance: 1e-9, limit: 1e-6, max_elements: 1000 }
    }
}

impl Options {
    fn check(&self) -> Result<(), TheoryError> {
        let Options { tolerance, limit, max_elements } = *self;
        let mistake = |option, must, found| Err(TheoryError::Option { option, must, found });
        if !(1e-12..=1e-2).contains(&tolerance) {
            return mistake("tolerance", "between 1e-12 and 1e-2", tolerance);
        }
        if !(limit >= tolerance && limit <= 1.0) {
            return mistake("limit", "between the tolerance and 1", limit);
        }
        if max_elements < 8 {
            return mistake("max_elements", "at least 8", max_elements as f64);
        }
        Ok(())
    }
}

/// A stationary law of a mixture.
#[derive(Clone, Debug)]
pub struct Steady {
    profiles: Profiles,
    estimate: f64,
    tolerance: f64,
}

impl Steady {
    /// Concentrations and what follows from them.
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Estimated relative error: the largest difference between the solutions of degree 10 and 14, in concentrations
    /// relative to the largest of the species, in currents relative to the largest, or to that of a slope of 1e-3
    /// of the concentration over the domain.
    pub fn error_estimate(&self) -> f64 {
        self.estimate
    }

    /// Whether that is below the tolerance asked for.
    pub fn is_converged(&self) -> bool {
        self.estimate <= self.tolerance
    }
}

/// Solves for the stationary concentrations.
///
/// # Errors
/// [`TheoryError`]: an option, an amount or a coefficient out of range; [`TheoryError::Unsteady`] where nothing
/// stationary is found; an estimated error above `options.limit`.
pub fn solve(mixture: &Mixture, amounts: &Amounts, options: &Options) -> Result<Steady, TheoryError> {
    options.check()?;
    let totals = amounts.totals(mixture)?;
    let (coarse, fine) = (Reference::new(DEGREE), Reference::new(DEGREE + 4));
    let start = Start::new(mixture, amounts, &totals)?;
    let mut mesh = graded(&breakpoints(mixture)?, |x| thinnest_layer(mixture, x, &start.concentrations(x)))?;
    let mut last: Option<Profiles> = None;
    let mut best: Option<(Profiles, f64)> = None;
    let mut stagnant = 0;
    loop {
        let system = System::new(mixture, &mesh, &coarse)?;
        let guess = match &last {
            Some(profiles) => system.interpolate(|x| profiles.transported_at(x)),
            None => start.on(mixture, &system)?,
        };
        let v =
            stationary(&system, guess, &totals, mixture.domain.length, start.is_close() || last.is_some())?;
        let rough = Profiles::new(mixture, &system, &v)?;
        let mut marked = rough.unresolved(options.tolerance);
        if !marked.contains(&true) || mesh.len() > options.max_elements {
            let system = System::new(mixture, &mesh, &fine)?;
            let guess = system.interpolate(|x| rough.transported_at(x));
            let v = stationary(&system, guess, &totals, mixture.domain.length, true)?;
            let better = Profiles::new(mixture, &system, &v)?;
            let most = better.largest().into_iter().fold(f64::MIN_POSITIVE, f64::max);
            let estimate = better.difference(&rough, 1e-9 * most, &better.current_scales());
            let previous = best.as_ref().map_or(f64::INFINITY, |b| b.1);
            stagnant = if estimate > 0.3 * previous { stagnant + 1 } else { 0 };
            if estimate < previous {
                best = Some((better, estimate));
            }
            if estimate <= options.tolerance || stagnant == 2 || mesh.len() > options.max_elements {
                break;
            }
            marked = vec![true; mesh.len() - 1];
        }
        let finer = bisect(&mesh, &marked);
        if finer.len() == mesh.len() {
            break;
        }
        last = Some(rough);
        mesh = finer;
    }
    let elements = mesh.len() - 1;
    match best {
        Some((profiles, estimate)) if estimate <= options.limit => {
            Ok(Steady { profiles, estimate, tolerance: options.tolerance })
        }
        Some((_, estimate)) => Err(TheoryError::NotConverged { estimate, limit: options.limit, elements }),
        None => Err(TheoryError::Singular { elements }),
    }
}

/// What Newton's method starts from.
enum Start {
    Fast(Box<FastReactions>),
    Uniform(Vec<f64>),
}

impl Start {
    fn new(mixture: &Mixture, amounts: &Amounts, totals: &[f64]) -> Result<Self, TheoryError> {
        match FastReactions::new(mixture, amounts) {
            Ok(fast) => return Ok(Start::Fast(Box::new(fast))),
            Err(TheoryError::NoClosedForm { .. } | TheoryError::Start { .. }) => {}
            Err(error) => return Err(error),
        }
        if let Amounts::Concentrations(means) = amounts {
            return Ok(Start::Uniform(means.clone()));
        }
        // Any positive concentrations with these totals.
        let balance = Balance::new(mixture);
        let (y, ones) = (vec![0.0; mixture.species().len()], vec![1.0; mixture.species().len()]);
        let mut lambda = balance.first_guess(&y, &ones, totals);
        let (what, must) = ("the amounts", "those of positive concentrations");
        let found = totals.iter().copied().fold(f64::INFINITY, f64::min);
        let impossible = TheoryError::Start { what, must, found };
        balance.solve(&y, &ones, totals, &mut lambda).map(Start::Uniform).ok_or(impossible)
    }

    /// Whether it is probably near the solution.
    fn is_close(&self) -> bool {
        matches!(self, Start::Fast(_))
    }

    fn concentrations(&self, x: f64) -> Vec<f64> {
        match self {
            Start::Fast(fast) => {
                fast.concentration_at(x).unwrap_or_else(|| vec![0.0; fast.mixture().species().len()])
            }
            Start::Uniform(c) => c.clone(),
        }
    }

    fn on(&self, mixture: &Mixture, system: &System<'_>) -> Result<Vec<f64>, TheoryError> {
        let scale = scales(mixture)?;
        Ok(system.interpolate(|x| {
            let weighed = self.concentrations(x).into_iter().enumerate();
            weighed.map(|(k, c)| c * mixture.weight(k, x) / scale[k]).collect()
        }))
    }
}

/// Nodal values of the solution, from a guess: by Newton's method, or after implicit steps that grow.
fn stationary(
    system: &System<'_>,
    guess: Vec<f64>,
    totals: &[f64],
    length: f64,
    close: bool,
) -> Result<Vec<f64>, TheoryError> {
    let wanted: Vec<f64> = totals.iter().map(|t| t * length).collect();
    if close && let Ok(v) = newton(system, guess.clone(), &wanted) {
        return Ok(v);
    }
    let settled = settle(system, guess)?;
    newton(system, settled, &wanted)
}

/// Largest magnitude per species.
fn sizes(v: &[f64], species: usize) -> Vec<f64> {
    let mut sizes = vec![0.0f64; species];
    for node in v.chunks(species) {
        sizes.iter_mut().zip(node).for_each(|(m, v)| *m = m.max(v.abs()));
    }
    sizes
}

/// Largest change relative to the largest value of the species, or to 1e-9 of that of any.
fn relative(change: &[f64], v: &[f64], species: usize) -> f64 {
    let (changes, sizes) = (sizes(change, species), sizes(v, species));
    let most = sizes.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let pairs = changes.iter().zip(&sizes).map(|(d, s)| d / s.max(1e-9 * most));
    pairs.fold(0.0, |m, r| if r.is_nan() { f64::INFINITY } else { m.max(r) })
}

/// Whether a value is negative by more than rounding and the error of a mesh.
fn is_negative(v: &[f64], species: usize) -> bool {
    let sizes = sizes(v, species);
    let most = sizes.iter().copied().fold(0.0, f64::max);
    v.chunks(species).any(|node| node.iter().zip(&sizes).any(|(v, s)| *v < -1e-2 * s.max(1e-6 * most)))
}

/// Newton's method at fixed totals.
fn newton(system: &System<'_>, mut v: Vec<f64>, wanted: &[f64]) -> Result<Vec<f64>, TheoryError> {
    let n = system.species;
    let mut before = f64::INFINITY;
    for _ in 0..60 {
        let chain = system.factor(&v, Shift { storage: 0.0, stiffness: 1.0 })?;
        let mut rhs = system.residual(&v);
        system.law_rows.iter().for_each(|row| rhs[*row] = 0.0);
        let mut step = system.solve(&chain, &rhs);
        // One solution more per law, mixed in so that the totals come out.
        let free: Vec<Vec<f64>> = system
            .law_rows
            .iter()
            .map(|row| {
                let mut unit = vec![0.0; v.len()];
                unit[*row] = 1.0;
                system.solve(&chain, &unit)
            })
            .collect();
        if !free.is_empty() {
            let (now, stepped) = (system.totals(&v), system.totals(&step));
            let mut shares: Vec<f64> = (0..wanted.len()).map(|l| wanted[l] - now[l] - stepped[l]).collect();
            let mut matrix = Matrix::zeros(shares.len(), shares.len());
            for (j, solution) in free.iter().enumerate() {
                system.totals(solution).iter().enumerate().for_each(|(l, t)| matrix.row_mut(l)[j] = *t);
            }
            let elements = system.elements();
            let factored = Factored::new(matrix).ok_or(TheoryError::Singular { elements })?;
            factored.solve(&mut shares);
            for (share, solution) in shares.iter().zip(&free) {
                step.iter_mut().zip(solution).for_each(|(s, f)| *s += share * f);
            }
        }
        let size = relative(&step, &v, n);
        if !size.is_finite() {
            break;
        }
        // Shortened until everything that was positive stays so.
        let mut factor = 1.0;
        let sizes = sizes(&v, n);
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        for (node, steps) in v.chunks(n).zip(step.chunks(n)) {
            for ((v, s), most) in node.iter().zip(steps).zip(&sizes) {
                if *v > 0.0 && v + s < -1e-6 * most.max(1e-6 * largest) {
                    factor = f64::min(factor, -0.9 * v / s);
                }
            }
        }
        v.iter_mut().zip(&step).for_each(|(v, s)| *v += factor * s);
        if factor == 1.0 && size < 1e-7 && (size < 1e-14 || size > 0.3 * before) {
            let negative = is_negative(&v, n);
            let why = "concentrations turn negative";
            return if negative { Err(TheoryError::Unsteady { why }) } else { Ok(v) };
        }
        before = if factor == 1.0 { size } else { f64::INFINITY };
    }
    Err(TheoryError::Unsteady {
        why: "Newton's method does not converge; the system may oscillate or run away",
    })
}

/// Implicit steps in time, which conserve every total, until little changes.
fn settle(system: &System<'_>, mut v: Vec<f64>) -> Result<Vec<f64>, TheoryError> {
    let n = system.species;
    let mut rate = f64::INFINITY;
    let mut calm = 0;
    for _ in 0..400 {
        if rate.is_infinite() {
            // A first step that changes next to nothing.
            let chain = system.factor(&v, Shift { storage: 1.0, stiffness: 0.0 })?;
            let change = system.solve(&chain, &system.residual(&v));
            rate = (10.0 * relative(&change, &v, n)).max(f64::MIN_POSITIVE);
        }
        let chain = system.factor(&v, Shift { storage: rate, stiffness: 1.0 })?;
        let step = system.solve(&chain, &system.residual(&v));
        let size = relative(&step, &v, n);
        let moved: Vec<f64> = v.iter().zip(&step).map(|(v, s)| v + s).collect();
        if size >= 0.5 || is_negative(&moved, n) {
            rate *= 4.0;
            if !rate.is_finite() {
                break;
            }
            continue;
        }
        v = moved;
        // Small changes in steps that grow by a factor of 1e6: the rest is for Newton's method.
        calm = if size < 1e-8 { calm + 1 } else { 0 };
        if calm == 10 {
            return Ok(v);
        }
        rate *= if size < 0.1 { 0.25 } else { 0.7 };
    }
    Err(TheoryError::Unsteady { why: "concentrations go on changing" })
}
