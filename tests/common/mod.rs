//! What several test files share: models in one line, runs of any kernel, and the comparison.

// Every test file uses a part of it.
#![allow(dead_code)]

use soret::comparison::{Comparison, compare};
use soret::ensemble::{Control, Ensemble, Group, GroupRunner, Plan, Runner};
use soret::estimator::{self, Context, Measured};
use soret::event::Profile;
use soret::experiment::Experiment;
use soret::expression::Expression;
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Exact, Instructions, Kernel, KernelError, Lanes, Span};
use soret::model::{Boundary, Domain, Edge, Field, Model, Network, State};
use soret::observable::Observable;
use soret::rng::{Purpose, stream};
use soret::theory::stationary::{self, Options, Stationary};
use std::path::Path;
use std::sync::Arc;

/// A temperature written as in a file.
pub fn field(expression: &str) -> Arc<dyn Field> {
    Arc::new(Expression::parse(expression, &["x"], &[]).expect("an expression in x"))
}

/// `(E_i, D_i)` of each state and `(from, to, nu, B)` of each edge, on `[0, 1]`.
pub fn model(temperature: &str, states: &[(f64, f64)], edges: &[(usize, usize, f64, f64)]) -> Model {
    let state =
        |(i, &(energy, diffusivity)): (usize, &(f64, f64))| State::new(format!("s{i}"), energy, diffusivity);
    let edge =
        |&(a, b, attempt_rate, barrier): &(usize, usize, f64, f64)| Edge::new([a, b], attempt_rate, barrier);
    let network =
        Network::new(states.iter().enumerate().map(state).collect(), edges.iter().map(edge).collect());
    Model {
        domain: Domain { length: 1.0, walls: Boundary::Reflecting },
        temperature: field(temperature),
        boltzmann: 1.0,
        potential: None,
        network: network.expect("a valid network"),
        coordinates: None,
        mixture: None,
    }
}

/// The model of `experiments/two_state.json` with the letters written out.
pub fn two_states() -> Model {
    model("1 + 0.8*x", &[(1.0, 1e-2), (0.0, 1e-3)], &[(0, 1, 1.0, 1.5)])
}

/// An experiment of the folder `experiments`.
pub fn experiment(name: &str) -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(format!("{name}.json"));
    Experiment::read(&path).expect("a valid experiment")
}

/// The continuum theory.
pub fn solve(model: &Model) -> Stationary {
    stationary::solve(model, &Options::default()).expect("a solution")
}

/// The runner of the kernel `exact`.
pub fn exact(model: &Model, grid: &Grid) -> Box<dyn GroupRunner> {
    pair(Exact::new(model, grid).expect("rates with bounds"), model, grid)
}

/// The runner of any kernel.
pub fn pair<K: Kernel + Send + 'static>(kernel: K, model: &Model, grid: &Grid) -> Box<dyn GroupRunner> {
    Box::new(Runner { kernel, model: model.clone(), grid: *grid, trajectories: None })
}

/// How much work, in legs even where they are timed, so that both cost about the same.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub particles: u64,
    pub groups: usize,
    pub legs: u64,
    pub seed: u64,
}

/// A finished run.
pub struct Finished {
    pub context: Context,
    pub groups: Vec<Group>,
}

/// Legs per unit of time and particle where they are most frequent.
fn legs_per_time(model: &Model, grid: &Grid, dwell: &[Vec<f64>]) -> f64 {
    let at = |cell: usize| {
        let p = model.local_equilibrium(grid.cell_middle(cell));
        p.iter().zip(dwell).map(|(p, dwell)| p / dwell[cell]).sum::<f64>()
    };
    (0..grid.cells()).map(at).fold(0.0, f64::max)
}

/// The plan of a run with a burn-in of 8 relaxation times, as the program chooses it.
pub fn plan(runner: &dyn GroupRunner, model: &Model, grid: &Grid, timed: bool, size: Size) -> Plan {
    let pace = legs_per_time(model, grid, &runner.dwell());
    let relaxation = 8.0 * model.relaxation_time();
    Plan {
        particles: size.particles,
        groups: size.groups,
        span: if timed { Span::Duration(size.legs as f64 / pace) } else { Span::Legs(size.legs) },
        burn_in: if timed { relaxation } else { (relaxation * pace).ceil() },
        rounds: 1,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed: size.seed,
    }
}

/// Runs a plan to its end.
pub fn run(
    runner: &dyn GroupRunner,
    model: &Model,
    grid: &Grid,
    plan: &Plan,
) -> Result<Finished, KernelError> {
    let mut ensemble = Ensemble::begin(runner, plan, &|_| ())?;
    ensemble.run(&|_| (), &mut |_| Control::Continue)?;
    let context = Context::new(runner, model, grid, matches!(plan.span, Span::Duration(_)));
    Ok(Finished { context, groups: ensemble.groups().to_vec() })
}

impl Finished {
    /// Everything measured.
    pub fn measure(&self) -> Vec<Measured> {
        let standard = estimator::standard();
        standard.iter().flat_map(|e| estimator::measure(e.as_ref(), &self.context, &self.groups)).collect()
    }

    /// Everything measured, against theory.
    pub fn compare(&self, law: &Stationary, alpha: f64) -> Comparison {
        let grid = self.context.grid;
        compare(self.measure(), &grid, alpha, &|o| law.reference(o, &grid))
    }

    /// The book-keeping identities that do not hold.
    pub fn broken(&self) -> Vec<&'static str> {
        let checks = estimator::invariants(&self.context, &self.groups);
        checks.into_iter().filter(|c| !c.holds).map(|c| c.name).collect()
    }
}

/// The largest relative standard error of the bins of a density, of all states where there are several.
pub fn density_error(comparison: &Comparison) -> f64 {
    let densities = comparison
        .compared
        .iter()
        .filter(|c| matches!(c.measured.observable, Observable::Density | Observable::StateDensity(_)));
    let errors = densities
        .flat_map(|c| c.measured.samples.iter().map(|s| s.as_ref().map_or(1.0, |s| s.std_error() / s.value)));
    errors.fold(0.0, f64::max)
}

/// The worst entry and the worst joint test, in words.
pub fn worst(comparison: &Comparison) -> String {
    let entry = comparison.worst.map_or("no entry".to_owned(), |(c, k, z)| {
        format!("{:?} entry {k}: z = {z:.1}", comparison.compared[c].measured.observable)
    });
    let joint = comparison.joint.iter().min_by(|a, b| a.p_value.total_cmp(&b.p_value));
    let joint = joint.map_or("no joint test".to_owned(), |j| {
        format!("{:?}: T^2 = {:.0}, p = {:.1e}", j.observable, j.t_squared, j.p_value)
    });
    format!(
        "worst of {} entries {entry} (limit {:.1}); worst joint test {joint} (limit {:.0e})",
        comparison.entries, comparison.critical_z, comparison.critical_p
    )
}

/// Holds what is left of so many steps against each set of instructions; one step more is seen.
pub fn same_bits<A: PartialEq>(what: &str, steps: u64, after: impl Fn(Instructions, u64) -> A) {
    let widest = after(Instructions::Avx512, steps);
    assert!(widest == after(Instructions::Avx2, steps), "{what}");
    assert!(widest == after(Instructions::Common, steps), "{what}");
    assert!(widest != after(Instructions::Avx512, steps + 1), "{what}");
}

/// Walkers, stream and counts of 1003 legs in lanes: the same for all instructions, and however the span is cut.
pub fn same_legs(name: &str, kernel: &Lanes, model: &Model, grid: &Grid, cuts: &[u64]) {
    let after = |kernel: &Lanes, n: usize, spans: &[u64]| {
        let mut random = stream(3, Purpose::Start, 0);
        let mut walkers = start(kernel, model, grid, &Start::LocalEquilibrium, true, n, &mut random);
        let mut random = stream(3, Purpose::Advance, 0);
        let mut profile = Profile::new(kernel.states(), 2 * model.network.edges().len(), grid);
        for legs in spans {
            kernel.advance(&mut walkers, Span::Legs(*legs), &mut random, &mut profile).expect("bounds");
        }
        profile.flush();
        let visits: Vec<_> = (0..kernel.states()).map(|s| profile.visits(s)).collect();
        let passages: Vec<_> = model.network.channels().map(|c| profile.passages(c.index)).collect();
        let laps: Vec<_> = (0..kernel.states()).map(|s| profile.laps(s)).collect();
        format!("{walkers:?} {random:?} {visits:?} {passages:?} {laps:?}")
    };
    for n in [50, 150] {
        let bits = |most, legs| after(&kernel.clone().at_most(most), n, &[legs]);
        same_bits(&format!("{name}, {n} walkers"), 1003, bits);
    }
    assert_eq!(cuts.iter().sum::<u64>(), 1003);
    assert!(after(kernel, 50, &[1003]) == after(kernel, 50, cuts), "{name}");
}

/// The `z` of a quantity that is one number.
pub fn z_of(comparison: &Comparison, observable: Observable) -> Option<f64> {
    comparison.compared.iter().find(|c| c.measured.observable == observable).and_then(|c| c.z[0])
}

/// Says how strongly something was seen; shown with `--nocapture`.
#[allow(clippy::print_stdout)]
pub fn note(text: impl std::fmt::Display) {
    println!("{text}");
}
