//! Array-RQMC: nets that are even, the law of every walker unchanged, errors that are smaller and still honest.
//!
//! Statistics: every comparison has a family-wise alpha of `ALPHA`; there are fewer than thirty, so that the file gives a
//! false alarm in 3e-8 of all choices of seeds. Kernels that are wrong on purpose are judged by the same comparisons.

use crate::common::*;
use rayon::prelude::*;
use soret::convergence::{self, Axis, Kind};
use soret::ensemble::{Control, Ensemble, Group, GroupRunner, Plan};
use soret::error::Error;
use soret::event::{Tally, Walkers};
use soret::experiment::{Experiment, Sampling};
use soret::grid::Grid;
use soret::kernel::start::Start;
use soret::kernel::{ArrayRqmc, Exact, Kernel, KernelError, Lanes, Span};
use soret::model::Model;
use soret::observable::Observable;
use soret::report::json;
use soret::rng::net::Net;
use soret::rng::{Purpose, Stream, stream};
use soret::sampling;
use soret::stats::{Outcome, t_two_sided};
use soret::verification;

const ALPHA: f64 = 1e-9;

/// Points of a net, the first coordinate with them.
fn points(net: &Net, bits: u32, shifts: &[u64]) -> Vec<Vec<u64>> {
    let mut columns = vec![(0..1u64 << bits).map(|k| if bits == 0 { 0 } else { k << (64 - bits) }).collect()];
    for (coordinate, shift) in shifts.iter().enumerate() {
        let mut words = vec![0; 1 << bits];
        net.fill(coordinate, *shift, 0, &mut words);
        columns.push(words);
    }
    columns
}

/// Whether every elementary interval of volume `2^(t - bits)` holds `2^t` of the points.
fn is_net(columns: &[Vec<u64>], bits: u32, t: u32) -> bool {
    fn splits(left: u32, coordinates: usize) -> Vec<Vec<u32>> {
        if coordinates == 1 {
            return vec![vec![left]];
        }
        let with = |first: u32| {
            splits(left - first, coordinates - 1).into_iter().map(move |mut rest| {
                rest.push(first);
                rest
            })
        };
        (0..=left).flat_map(with).collect()
    }
    splits(bits - t, columns.len()).into_iter().all(|split| {
        let mut counts = vec![0u32; 1 << (bits - t)];
        for k in 0..columns[0].len() {
            let digits = |(column, q): (&Vec<u64>, &u32)| if *q == 0 { 0 } else { column[k] >> (64 - q) };
            let index = columns.iter().zip(&split).fold(0, |i, c| i << c.1 | digits(c));
            counts[index as usize] += 1;
        }
        counts.iter().all(|n| *n == 1 << t)
    })
}

#[test]
fn nets_are_even_with_any_shift() {
    let mut random = stream(1, Purpose::Start, 0);
    for (coordinates, t) in [(1, 0), (2, 0), (3, 1), (4, 3)] {
        for bits in t..=9 {
            let net = Net::new(bits, coordinates);
            let none = points(&net, bits, &vec![0; coordinates]);
            assert!(is_net(&none, bits, t), "{coordinates} coordinates, 2^{bits} points");
            let shifts: Vec<u64> = (0..coordinates).map(|_| random.word()).collect();
            let shifted = points(&net, bits, &shifts);
            assert!(is_net(&shifted, bits, t), "{coordinates} coordinates, 2^{bits} points, shifted");
            // From anywhere on they are the same points.
            let mut tail = vec![0; (1 << bits) - (1 << bits) / 3];
            net.fill(coordinates - 1, shifts[coordinates - 1], (1 << bits) / 3, &mut tail);
            assert_eq!(tail, shifted[coordinates][(1 << bits) / 3..]);
        }
    }
    // Negative controls: t = 0 is too much to ask of three coordinates, and independent words are no net.
    let net = Net::new(8, 3);
    assert!(!is_net(&points(&net, 8, &[0; 3]), 8, 0));
    let mut words = points(&Net::new(8, 2), 8, &[0; 2]);
    words[2].iter_mut().for_each(|word| *word = random.word());
    assert!(!is_net(&words, 8, 0));
}

#[test]
fn the_first_points_are_those_of_sobol() {
    // By hand from the recurrences, in eighths: m = 1, 1, 1, then 1, 3, 5, then 1, 3, 3, then 1, 3, 1.
    let net = Net::new(3, 4);
    let expected = [
        [0, 4, 2, 6, 1, 5, 3, 7],
        [0, 4, 6, 2, 5, 1, 3, 7],
        [0, 4, 6, 2, 3, 7, 5, 1],
        [0, 4, 6, 2, 1, 5, 7, 3],
    ];
    for (coordinate, expected) in expected.iter().enumerate() {
        let mut words = [0; 8];
        net.fill(coordinate, 0, 0, &mut words);
        assert_eq!(words.map(|word| word >> 61), *expected, "coordinate {coordinate}");
    }
}

/// A file with these parts, legs short beside its length.
fn file(system: &str, run: &str) -> Experiment {
    let text = format!(
        r#"{{"format_version": 1, {system}, "measure": {{"bins": 10}},
             "run": {{{run}, "sampling": "array_rqmc"}}}}"#
    );
    Experiment::from_str("rqmc", "rqmc.json", &text).unwrap_or_else(|e| panic!("{e}"))
}

const TWO: &str = r#""domain": {"length": 1}, "temperature": "1 + 0.8*x",
    "states": [{"name": "A", "energy": 1, "diffusivity": 0.1}, {"name": "B", "diffusivity": 0.01}],
    "transitions": [{"between": ["A", "B"], "attempt_rate": 8, "barrier": 1.5}]"#;

const THREE: &str = r#""domain": {"length": 1}, "temperature": "1 + 0.8*x*x",
    "states": [{"name": "a", "energy": 0.2, "diffusivity": 0.02}, {"name": "b", "energy": 0.9, "diffusivity": 0.2},
               {"name": "c", "diffusivity": 0.05}],
    "transitions": [{"between": ["a", "b"], "attempt_rate": 6, "barrier": 1.3},
                    {"between": ["b", "c"], "attempt_rate": 3, "barrier": 1.2},
                    {"between": ["a", "c"], "attempt_rate": 2, "barrier": 1, "affinity": 2}]"#;

/// Clocks that vary: a third coordinate decides what is scored.
const CLOCK: &str = r#""domain": {"length": 1}, "temperature": "1 + 0.8*x",
    "states": [{"name": "A", "energy": 1, "diffusivity": "0.1*T"}, {"name": "B", "friction": "20*(1 + 0.5*x)"}],
    "transitions": [{"between": ["A", "B"], "attempt_rate": 8, "barrier": 1.5}]"#;

/// A drift on a ring and a clock that varies: four coordinates.
const RING: &str = r#""domain": {"length": 1, "walls": "periodic"}, "temperature": "1 + 0.4*sin(2*pi*x)",
    "states": [{"name": "A", "energy": 1, "diffusivity": 0.1, "drift": 0.3}, {"name": "B", "diffusivity": "0.03*T"}],
    "transitions": [{"between": ["A", "B"], "attempt_rate": 8, "barrier": 1.5}]"#;

const SYSTEMS: [(&str, &str); 4] = [("two", TWO), ("three", THREE), ("clock", CLOCK), ("ring", RING)];

fn sampled(experiment: &Experiment) -> sampling::Sampled {
    sampling::sample(experiment, &()).expect("bounds that hold")
}

#[test]
fn many_walkers_a_group_agree_with_theory_and_their_integers_add_up() {
    for (name, system) in SYSTEMS {
        let experiment = file(system, r#""particles": 16384, "groups": 32, "legs": 100, "seed": 3"#);
        let law = soret::continuum::Continuum::solve(&experiment).expect("a solution");
        let sampled = sampled(&experiment);
        let grid = sampled.context.grid;
        let comparison =
            soret::comparison::compare(sampled.measure(), &grid, ALPHA, &|o| law.reference(o, &grid));
        let error = |c: &soret::comparison::Compared| {
            let sample = c.measured.samples[0].as_ref()?;
            Some(sample.std_error() / sample.value.abs())
        };
        let mean = comparison.compared.iter().find(|c| c.measured.observable == Observable::MeanTemperature);
        note(format!(
            "{name}: <T> to {:.1e} of itself; {}",
            mean.and_then(error).expect("measured"),
            worst(&comparison)
        ));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        let broken = soret::estimator::invariants(&sampled.context, &sampled.groups);
        assert!(broken.iter().all(|check| check.holds), "{name}: {broken:?}");
    }
}

/// Legs whose net is shifted in the same way every time.
struct Stuck(ArrayRqmc);

impl Kernel for Stuck {
    fn states(&self) -> usize {
        self.0.states()
    }
    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.0.dwell(state, cell)
    }
    fn together(&self) -> bool {
        true
    }
    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        for _ in 0..span.amount() as u64 {
            let mut same = stream.clone();
            self.0.advance(walkers, Span::Legs(1), &mut same, tally)?;
        }
        Ok(())
    }
}

/// Few walkers show what a walker by itself does: 64 groups of `walkers`, 8000 legs in each.
fn few(runner: &dyn GroupRunner, model: &Model, walkers: u64) -> soret::comparison::Comparison {
    let grid = Grid::new(1.0, 10);
    let size = Size { particles: 64 * walkers, groups: 64, legs: 8000 / walkers, seed: 5 };
    let plan = plan(runner, model, &grid, false, size);
    run(runner, model, &grid, &plan).expect("bounds that hold").compare(&solve(model), ALPHA)
}

#[test]
fn few_walkers_a_group_obey_the_same_law() {
    let grid = Grid::new(1.0, 10);
    for system in [TWO, THREE] {
        let model = file(system, r#""particles": 32, "legs": 1"#).model;
        for walkers in [1, 2, 4, 7] {
            let runner = pair(ArrayRqmc::new(&model, &grid).expect("bounds"), &model, &grid);
            let comparison = few(runner.as_ref(), &model, walkers);
            assert!(comparison.agrees, "{walkers} walkers: {}", worst(&comparison));
        }
        // Negative control: a shift that is used again.
        let runner = pair(Stuck(ArrayRqmc::new(&model, &grid).expect("bounds")), &model, &grid);
        let comparison = few(runner.as_ref(), &model, 1);
        assert!(!comparison.agrees, "{}", worst(&comparison));
    }
}

/// What is looked at when variances are compared.
const SINGLE: [Observable; 4] =
    [Observable::MeanTemperature, Observable::Soret, Observable::Population(0), Observable::MeanCurrent(0)];

/// Variances of the means over groups.
fn variances(runner: &dyn GroupRunner, model: &Model, grid: &Grid) -> [f64; 4] {
    let size = Size { particles: 128 * 1024, groups: 128, legs: 60, seed: 7 };
    let plan = plan(runner, model, grid, false, size);
    let all = run(runner, model, grid, &plan).expect("bounds that hold").measure();
    SINGLE.map(|observable| {
        let measured = all.iter().find(|m| m.observable == observable).expect("measured");
        measured.samples[0].as_ref().expect("a sample").std_error().powi(2)
    })
}

#[test]
fn variances_are_less_than_a_third_of_those_of_independent_words() {
    // From 128 groups a ratio of variances is known to a factor that exceeds 3 with a probability below 1e-9:
    // where the true gain is above 9, a false alarm is as rare. Gains here are above 12.
    let grid = Grid::new(1.0, 10);
    let model = file(TWO, r#""particles": 32, "legs": 1"#).model;
    let even = pair(ArrayRqmc::new(&model, &grid).expect("bounds"), &model, &grid);
    let lanes = pair(Lanes::new(&model, &grid).expect("bounds").expect("suits"), &model, &grid);
    let of = |runner: &dyn GroupRunner| variances(runner, &model, &grid);
    let (plain, even, lanes) = (of(exact(&model, &grid).as_ref()), of(even.as_ref()), of(lanes.as_ref()));
    for (k, observable) in SINGLE.iter().enumerate() {
        let gain = plain[k] / even[k];
        note(format!("{observable:?}: {gain:.0} times less variance with 1024 walkers a group"));
        assert!(gain > 3.0, "{observable:?}: {gain}");
        // Negative control: independent words of another kernel gain nothing.
        let ratio = plain[k] / lanes[k];
        assert!(ratio < 3.0 && ratio > 1.0 / 3.0, "{observable:?}: {ratio}");
    }
}

#[test]
fn intervals_cover() {
    // 120 runs of 32 groups of 32: coverage of 0.95 within 6 of its standard deviations, 0.02; intervals half as long (0.67)
    // are seen.
    const RUNS: u64 = 120;
    let law =
        soret::continuum::Continuum::solve(&file(TWO, r#""particles": 32, "legs": 1"#)).expect("a solution");
    let one = |seed: u64| -> [bool; 2] {
        let run = format!(r#""particles": 1024, "groups": 32, "legs": 40, "seed": {}"#, 100 + seed);
        let sampled = sampled(&file(TWO, &run));
        let theory =
            law.reference(Observable::Soret, &sampled.context.grid).expect("known")[0].expect("defined");
        let measured = sampled.measure();
        let soret = measured.iter().find(|m| m.observable == Observable::Soret).expect("measured");
        let Outcome::Estimate(estimate) = soret.outcome(0) else { panic!("no estimate") };
        let inside =
            |factor: f64| (estimate.value - theory).abs() <= factor * (estimate.high - estimate.value);
        [inside(1.0), inside(0.5)]
    };
    let all: Vec<_> = (0..RUNS).into_par_iter().map(one).collect();
    let coverage = |k: usize| all.iter().filter(|inside| inside[k]).count() as f64 / RUNS as f64;
    note(format!("coverage {:.3}, of shortened intervals {:.3}", coverage(0), coverage(1)));
    assert!((coverage(0) - 0.95).abs() < 6.0 * 0.02, "{}", coverage(0));
    assert!((coverage(1) - 0.95).abs() > 6.0 * 0.02, "{}", coverage(1));
}

#[test]
fn assisted_numbers_stay_right() {
    let experiment = file(TWO, r#""particles": 65536, "groups": 64, "legs": 60, "seed": 9"#);
    let law = soret::continuum::Continuum::solve(&experiment).expect("a solution");
    let sampled = sampled(&experiment);
    let questions = verification::questions(&sampled.context, &sampled.groups);
    let check = questions.iter().find(|q| q.name == verification::STATIONARY).expect("asked");
    let assisted = soret::assisted::assist(&sampled.context, &sampled.groups, std::slice::from_ref(check))
        .expect("controls");
    let dof = (assisted.residual.dof[1] - 1) as f64;
    let mut tested = Vec::new();
    for (observable, outcomes) in &assisted.quantities {
        let theory = law.reference(*observable, &sampled.context.grid).expect("known");
        for (outcome, theory) in outcomes.iter().zip(theory) {
            if let (Some(e), Some(theory)) = (outcome.estimate(), theory) {
                tested.push(t_two_sided((e.value - theory) / e.std_error, dof));
            }
        }
    }
    let smallest = tested.iter().copied().fold(1.0, f64::min);
    assert!(tested.len() > 50 && smallest > ALPHA / tested.len() as f64, "{smallest} of {}", tested.len());
}

fn finished(runner: &dyn GroupRunner, threads: usize, rounds: u64) -> Vec<Group> {
    let plan = Plan {
        particles: 5 * 128,
        groups: 5,
        span: Span::Legs(60),
        burn_in: 30.0,
        rounds,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed: 5,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| {
        let mut ensemble = Ensemble::begin(runner, &plan, &|_| ()).expect("bounds");
        ensemble.run(&|_| (), &mut |_| Control::Continue).expect("bounds");
        ensemble.into_groups()
    })
}

#[test]
fn the_same_bits_on_any_number_of_threads_and_however_it_is_cut() {
    let grid = Grid::new(1.0, 10);
    for (name, system) in SYSTEMS {
        let model = file(system, r#""particles": 32, "legs": 1"#).model;
        let runner = pair(ArrayRqmc::new(&model, &grid).expect("bounds"), &model, &grid);
        let text = |groups: &[Group]| serde_json::to_string(groups).expect("plain data");
        let one = finished(runner.as_ref(), 1, 3);
        assert!(text(&one) == text(&finished(runner.as_ref(), 2, 3)), "{name}");
        let walkers = |groups: &[Group]| groups.iter().map(|g| g.walkers.clone()).collect::<Vec<_>>();
        let cut = finished(runner.as_ref(), 1, 7);
        assert!(walkers(&one) == walkers(&cut), "{name}");
        // Negative control: other words, other places.
        let plain = pair(Exact::new(&model, &grid).expect("bounds"), &model, &grid);
        assert!(walkers(&one) != walkers(&finished(plain.as_ref(), 1, 3)), "{name}");
    }
}

#[test]
fn files_choose_groups_and_outputs_name_the_sampling() {
    let groups = |particles: u64| file(TWO, &format!(r#""particles": {particles}, "legs": 9"#)).run.groups;
    assert_eq!([groups(32), groups(1 << 20), groups(48 << 10), groups(40)], [32, 32, 48, 40]);
    let experiment = file(TWO, r#""particles": 64, "legs": 9"#);
    assert_eq!(experiment.run.sampling, Sampling::ArrayRqmc);
    assert_eq!(experiment.canonical()["run"]["sampling"], "array_rqmc");
    let summary = soret::simulation::run(&experiment, &()).expect("a run");
    assert!(json::summary(&summary).expect("finite numbers").contains(r#""sampling": "array_rqmc""#));
    // What no file can ask for is refused, too.
    let mut timed = experiment;
    timed.run.span = Span::Duration(1.0);
    assert!(matches!(sampling::sample(&timed, &()), Err(Error::Numeric(text)) if text.contains("untimed")));
}

#[test]
fn sampling_errors_fall_faster_than_the_root_of_particles() {
    // 96 repeats, 16 to 1024 walkers: slopes to 0.03. Independent walkers have -0.5, ten of its errors away.
    let options = convergence::Options {
        axes: vec![Axis::Particles],
        points: Some(4),
        from: Some(16.0),
        to: Some(1024.0),
        repeats: 96,
        ..convergence::Options::default()
    };
    let experiment = file(TWO, r#""particles": 32768, "legs": 20"#);
    let study = convergence::study(&experiment, &options, &()).expect("a study").expect("not ended");
    for name in ["soret", "mean_temperature"] {
        let found = study.series.iter().find(|s| s.kind == Kind::SamplingError && s.label() == name);
        let Some(series) = found else { continue };
        let at: Vec<f64> = series.points.iter().map(|p| p.at).collect();
        assert_eq!(at, [16.0, 64.0, 256.0, 1024.0]);
        let fit = series.fit.expect("a fit");
        note(format!("{name}: slope {:.2} ({:?} to {:?})", fit.slope, fit.ci_low, fit.ci_high));
        assert!(fit.slope < -0.75, "{name}: {}", fit.slope);
        assert_eq!((series.expected, series.agrees), (None, None));
    }
    // The noise of the file, 1024 walkers in each of 32 groups, is that of a repeat over the root of 32.
    let own = study.budget.own.iter().find(|o| o.quantity == "soret").expect("known");
    let last =
        study.series.iter().find(|s| s.label() == "soret").and_then(|s| s.points.last()).expect("points");
    assert!((own.noise * 32f64.sqrt() / last.value - 1.0).abs() < 1e-9, "{} {}", own.noise, last.value);
    assert!(study.agrees, "{:?}", study.budget.sentences);
}
