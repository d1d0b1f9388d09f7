//! P-values of correct simulations are uniform: over 20 seeds of the two-state system, those of
//! Hotelling's tests, of the deviates of `soret` and of the mean current.
//!
//! Kolmogorov-Smirnov with `ALPHA` for each of five sets of 20 values; it sees a distance between
//! distribution functions of 0.7. That finds p-values that pile up at 0 (errors too small by a factor of
//! about three, or a bias of three standard errors) or at 1 (errors too large by three). Smaller faults of
//! the errors are the subject of `coverage.rs`. All five together, with a finer limit of their own, are
//! the sixth test.

use crate::common;
use crate::common::*;
use rayon::prelude::*;
use soret::comparison::Comparison;
use soret::ensemble::GroupRunner;
use soret::grid::Grid;
use soret::kernel::Exact;
use soret::model::Model;
use soret::observable::Observable;
use soret::stats::{kolmogorov_smirnov_uniform, normal_survival};

/// Alpha of each test; there are six.
const ALPHA: f64 = 1e-9;

const SEEDS: u64 = 20;

fn comparisons(law_of: &Model, runner: &dyn GroupRunner, grid: &Grid) -> Vec<Comparison> {
    let law = solve(law_of);
    (0..SEEDS)
        .into_par_iter()
        .map(|seed| {
            let size = Size { particles: 2048, groups: 64, legs: 2000, seed: 700 + seed };
            let plan = plan(runner, law_of, grid, false, size);
            run(runner, law_of, grid, &plan).expect("bounds that hold").compare(&law, 1e-4)
        })
        .collect()
}

/// The p-values of each test over all seeds.
fn p_values(comparisons: &[Comparison]) -> Vec<(String, Vec<f64>)> {
    let joint = |o: Observable| -> (String, Vec<f64>) {
        let of = |c: &Comparison| c.joint.iter().find(|j| j.observable == o).expect("tested").p_value;
        (format!("{o:?}, Hotelling"), comparisons.iter().map(of).collect())
    };
    let single = |o: Observable| -> (String, Vec<f64>) {
        let of = |c: &Comparison| 2.0 * normal_survival(z_of(c, o).expect("compared").abs());
        (format!("{o:?}, z"), comparisons.iter().map(of).collect())
    };
    vec![
        joint(Observable::Density),
        joint(Observable::StateDensity(0)),
        joint(Observable::WindowCurrent(1)),
        single(Observable::Soret),
        single(Observable::MeanCurrent(0)),
    ]
}

/// The p-value of uniformity of each set.
fn uniformity(sets: &[(String, Vec<f64>)]) -> Vec<f64> {
    sets.iter()
        .map(|(name, values)| {
            let test = kolmogorov_smirnov_uniform(values);
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            note(format!("{name}: mean {mean:.2}, distance {:.2}, p = {:.1e}", test.distance, test.p_value));
            test.p_value
        })
        .collect()
}

#[test]
fn p_values_are_uniform_over_seeds() {
    let (model, grid) = (two_states(), Grid::new(1.0, 40));
    let runner = exact(&model, &grid);
    let sets = p_values(&comparisons(&model, runner.as_ref(), &grid));
    assert!(uniformity(&sets).iter().all(|p| *p > ALPHA));
    // Together: the mean of 100 p-values. Those of one seed are not independent, so the seeds are the
    // sample: 20 means of five, each with a standard deviation of at most 0.29. |z| < 6.2 has an alpha
    // below 1e-9 and sees a mean that is off by 0.4.
    let seeds = SEEDS as usize;
    let total: f64 = sets.iter().flat_map(|(_, values)| values).sum();
    let z = (total / (sets.len() * seeds) as f64 - 0.5) / (1.0 / 12.0 / seeds as f64).sqrt();
    assert!(z.abs() < 6.2, "{z}");
}

#[test]
fn p_values_of_a_wrong_kernel_are_not() {
    // Walkers of a system whose excited state lies a fifth lower, judged by the theory of the right one:
    // soret is off by several of the standard errors that a run of this length has.
    let grid = Grid::new(1.0, 40);
    let model = two_states();
    let wrong = common::model("1 + 0.8*x", &[(0.8, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)]);
    let runner = pair(Exact::new(&wrong, &grid).expect("bounds"), &model, &grid);
    let sets = p_values(&comparisons(&model, runner.as_ref(), &grid));
    let seen = uniformity(&sets);
    assert!(seen.iter().any(|p| *p < ALPHA), "{seen:?}");
}
