//! Where walkers begin.

use super::Kernel;
use crate::event::{Position, Walkers};
use crate::grid::Grid;
use crate::model::Model;
use crate::rng::{Stream, open_unit, standard_normal};
use serde::{Deserialize, Serialize};

/// The law of the initial positions and states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// States at local equilibrium, positions from the fast-reaction profile (`P_tot ~ 1/<D>` without a
    /// force): near the stationary law, not equal to it, so that a comparison with theory is not circular.
    #[default]
    LocalEquilibrium,
    /// Positions uniform, states at local equilibrium.
    Uniform,
    /// Everything at one place.
    Point {
        /// Where, within the domain.
        x: f64,
        /// The state of all particles; at local equilibrium without one.
        state: Option<usize>,
    },
    /// Positions from a density.
    Profile {
        /// The density as it is written, in `x` and `T`; for people.
        law: String,
        /// Its means over equal parts of the domain, up to a common factor; constant in between.
        density: Vec<f64>,
        /// The state of all particles; at local equilibrium without one.
        state: Option<usize>,
    },
}

/// Parts of the domain on which a given density is tabulated.
const PARTS: usize = 4096;

impl Start {
    /// A start from a density on `[0, length]`, given up to a factor.
    pub fn profile(
        law: impl Into<String>,
        length: f64,
        density: impl Fn(f64) -> f64,
        state: Option<usize>,
    ) -> Self {
        // Gauss-Legendre rule with two points.
        const OFF: f64 = 0.288_675_134_594_812_9;
        let at = |place: f64| density(length * place / PARTS as f64);
        let mean = |k: usize| 0.5 * (at(k as f64 + 0.5 - OFF) + at(k as f64 + 0.5 + OFF));
        Start::Profile { law: law.into(), density: (0..PARTS).map(mean).collect(), state }
    }

    /// The state in which all particles begin, where there is one.
    pub fn state(&self) -> Option<usize> {
        match self {
            Start::LocalEquilibrium | Start::Uniform => None,
            Start::Point { state, .. } | Start::Profile { state, .. } => *state,
        }
    }

    /// Density of positions in each of as many equal parts of the domain as there are entries, up to a
    /// factor; a point is one part without a width.
    fn positions(&self, model: &Model, grid: &Grid) -> Vec<f64> {
        let cells = grid.cells();
        match self {
            Start::Uniform => vec![1.0; cells],
            Start::Point { .. } => vec![1.0],
            Start::Profile { density, .. } => density.clone(),
            Start::LocalEquilibrium if model.has_forces() || model.is_underdamped() => {
                let faces = model.fast_profile(cells + 1);
                faces.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).collect()
            }
            // To be divided by <D>, which takes the occupancies.
            Start::LocalEquilibrium => vec![1.0; cells],
        }
    }
}

/// A group of `n` walkers from `stream`, stratified in the law: walker `k` takes the quantile `(k + U)/n` of the joint
/// law of place and state, ordered by place, and a uniform position within a cell (or the one point).
///
/// When legs are untimed a walker is seen at candidates, not at given times: states are then weighted
/// by their candidate rate, `1/dwell`.
///
/// If all states have a mass, velocities follow Maxwell's law at the local temperature, one word each after
/// all places.
///
/// # Panics
/// If the model does not have the state of the law.
pub fn start<K: Kernel>(
    kernel: &K,
    model: &Model,
    grid: &Grid,
    law: &Start,
    untimed: bool,
    n: usize,
    stream: &mut Stream,
) -> Walkers {
    let states = model.network.states().len();
    let positions = law.positions(model, grid);
    let parts = positions.len() as f64;
    let place = |part: usize, within: f64| match law {
        Start::Point { x, .. } => x / grid.length,
        _ => (part as f64 + within) / parts,
    };
    let free = *law == Start::LocalEquilibrium && !model.has_forces() && !model.is_underdamped();
    let mut cumulative = Vec::with_capacity(positions.len() * states);
    let mut sum = 0.0;
    for (part, density) in positions.iter().enumerate() {
        let middle = place(part, 0.5);
        let cell = Position::from_fraction(middle).cell(grid.cells());
        let occupancy: Vec<f64> = match law.state() {
            Some(only) => (0..states).map(|s| if s == only { 1.0 } else { 0.0 }).collect(),
            None => model.local_equilibrium(middle * grid.length),
        };
        let mean =
            |x: f64| occupancy.iter().enumerate().map(|(s, p)| p * model.diffusivity(s, x)).sum::<f64>();
        let density = if free { density / mean(middle * grid.length) } else { *density };
        for (state, p) in occupancy.iter().enumerate() {
            let density = p * density;
            sum += if untimed { density / kernel.dwell(state, cell) } else { density };
            cumulative.push(sum);
        }
    }
    let (mut positions, mut occupied) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for k in 0..n {
        let quantile = (k as f64 + open_unit(stream.word())) / n as f64 * sum;
        let entry = cumulative.partition_point(|c| *c <= quantile).min(cumulative.len() - 1);
        let (part, state) = (entry / states, entry % states);
        let x = place(part, open_unit(stream.word()));
        positions.push(Position::from_fraction(x));
        occupied.push(state as u16);
    }
    let masses: Option<Vec<f64>> = model.network.states().iter().map(|s| s.mass).collect();
    let mut walkers = Walkers::new(positions, occupied);
    if let Some(masses) = masses {
        let maxwell = |(position, state): (&Position, &u16)| {
            let energy = model.thermal_energy(position.fraction() * grid.length);
            libm::sqrt(energy / masses[usize::from(*state)]) * standard_normal(stream.word())
        };
        walkers.velocity = walkers.position.iter().zip(&walkers.state).map(maxwell).collect();
    }
    walkers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::kernel::Exact;
    use crate::model::{Edge, State, Uniform};
    use crate::rng::{Purpose, stream};
    use std::sync::Arc;

    const LENGTH: f64 = 2.0;

    /// Two states, the first of which holds a fraction `1/(1 + e)` at `kT = 1`.
    fn model() -> Model {
        let states = vec![State::new("a", 1.0, 0.1), State::new("b", 0.0, 0.1)];
        Model::new(LENGTH, Uniform(1.0), states, vec![Edge::new([0, 1], 1.0, 1.0)]).unwrap()
    }

    fn walkers(model: &Model, law: &Start, n: usize) -> (Vec<f64>, Vec<u16>) {
        let grid = Grid::new(LENGTH, 10);
        let kernel = Exact::new(&self::model(), &grid).unwrap();
        let mut random = stream(1, Purpose::Start, 0);
        let walkers = start(&kernel, model, &grid, law, false, n, &mut random);
        (walkers.position.iter().map(|p| p.fraction() * LENGTH).collect(), walkers.state)
    }

    fn first(states: &[u16]) -> f64 {
        states.iter().filter(|s| **s == 0).count() as f64
    }

    #[test]
    fn a_point_is_met_exactly() {
        for x in [0.0, 0.3, 1.0, LENGTH] {
            let (positions, states) = walkers(&model(), &Start::Point { x, state: None }, 1000);
            assert!(positions.iter().all(|p| (p - x).abs() <= 1e-15 * LENGTH), "{x}");
            // One stratum for each walker: counts are off by one at most.
            let share = 1000.0 / (1.0 + std::f64::consts::E);
            assert!((first(&states) - share).abs() < 1.0 + 1e-9, "{}", first(&states));
            let (_, states) = walkers(&model(), &Start::Point { x, state: Some(1) }, 100);
            assert_eq!(first(&states), 0.0);
        }
    }

    /// The largest difference between the distribution of positions and `law`.
    fn distance(positions: &mut [f64], law: impl Fn(f64) -> f64) -> f64 {
        positions.sort_by(f64::total_cmp);
        let n = positions.len() as f64;
        let off = |(k, x): (usize, &f64)| ((k as f64 + 0.5) / n - law(*x)).abs();
        positions.iter().enumerate().map(off).fold(0.0, f64::max)
    }

    #[test]
    fn a_profile_is_followed_walker_by_walker() {
        let start = Start::profile("exp(-5*x)", LENGTH, |x| 3.0 * libm::exp(-5.0 * x), Some(0));
        let (mut positions, states) = walkers(&model(), &start, 1000);
        assert_eq!(first(&states), 1000.0);
        let law = |x: f64| libm::expm1(-5.0 * x) / libm::expm1(-10.0);
        let off = distance(&mut positions, law);
        assert!(off < 0.004, "{off}");
        assert!(distance(&mut positions, |x| x / LENGTH) > 0.1, "negative control");
        // The means over its parts are those of the density.
        let Start::Profile { density, .. } = start else { panic!() };
        let part = LENGTH / density.len() as f64;
        let exact = |k: usize| {
            let (a, b) = (part * k as f64, part * (k + 1) as f64);
            0.6 * (libm::exp(-5.0 * a) - libm::exp(-5.0 * b)) / part
        };
        assert!(density.iter().enumerate().all(|(k, p)| (p / exact(k) - 1.0).abs() < 1e-11));
    }

    #[test]
    fn local_equilibrium_feels_the_forces() {
        let mut tilted = model();
        tilted.potential = Some(Arc::new(Expression::parse("2*x", &["x"], &[]).unwrap()));
        let (mut positions, _) = walkers(&tilted, &Start::LocalEquilibrium, 1000);
        // Boltzmann's law, one stratum for each walker and state.
        let off = distance(&mut positions, |x| libm::expm1(-2.0 * x) / libm::expm1(-4.0));
        assert!(off < 0.004, "{off}");
    }
}
