//! The same bits: for any number of threads, after a pause on paper, and for a run that is ended early.

use soret::ensemble::{Control, Ensemble, Group, Plan};
use soret::estimator;
use soret::estimator::Context;
use soret::experiment::{Experiment, registry};
use soret::grid::Grid;
use soret::kernel::Span;
use soret::report::summary::Summary;
use soret::report::{csv, json};
use soret::sampling::{Observer, Progress};
use soret::simulation;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// 4 groups more than particles divide into, 7 rounds into which legs do not: the seams are uneven.
fn experiment(run: &str, seed: u64) -> Experiment {
    let text = format!(
        r#"{{
          "format_version": 1,
          "domain": {{ "length": 1.0, "walls": "reflecting" }},
          "temperature": "1 + 0.8*x",
          "states": [
            {{ "name": "a", "energy": 1.0, "diffusivity": 2e-2 }},
            {{ "name": "b", "energy": 0.0, "diffusivity": 4e-3 }},
            {{ "name": "c", "energy": 0.3, "diffusivity": 1e-2 }}
          ],
          "transitions": [
            {{ "between": ["a", "b"], "attempt_rate": 1.0, "barrier": 1.5 }},
            {{ "between": ["b", "c"], "attempt_rate": 1.0, "barrier": 1.2 }}
          ],
          "motion": "overdamped",
          "method": {{ "exact": {{}} }},
          "run": {{ "particles": 1100, "groups": 36, {run}, "seed": {seed} }},
          "measure": {{ "bins": 20 }}
        }}"#
    );
    Experiment::from_str("determinism", "determinism.json", &text).expect("a valid experiment")
}

const UNTIMED: &str = r#""legs": 300, "burn_in": 20, "rounds": 7"#;
const TIMED: &str = r#""duration": 150.0, "burn_in": 10.0, "rounds": 7"#;

fn text(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).expect("plain data")
}

/// `summary.json` and both tables.
fn texts(summary: &Summary) -> [String; 3] {
    [
        json::summary(summary).expect("finite numbers"),
        csv::profiles(summary).expect("finite numbers"),
        csv::currents(summary).expect("finite numbers"),
    ]
}

fn outputs(experiment: &Experiment, threads: usize) -> [String; 3] {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    texts(&pool.install(|| simulation::run(experiment, &())).expect("a run"))
}

#[test]
fn threads_do_not_change_a_bit() {
    for run in [UNTIMED, TIMED] {
        let one = outputs(&experiment(run, 5), 1);
        for threads in [2, 3, 8] {
            assert!(one == outputs(&experiment(run, 5), threads), "{run}: {threads} threads differ from one");
        }
        // Not because nothing random is in them.
        let other = outputs(&experiment(run, 6), 2);
        assert!(one.iter().zip(&other).all(|(a, b)| a != b), "{run}: another seed, other bits");
    }
}

/// What an experiment asks of its groups, with another burn-in.
fn plan(experiment: &Experiment, burn_in: f64) -> Plan {
    let run = &experiment.run;
    Plan {
        particles: run.particles,
        groups: run.groups,
        span: run.span,
        burn_in,
        rounds: run.rounds,
        times: Vec::new(),
        start: run.start.clone(),
        seed: run.seed,
    }
}

/// All groups of an experiment after `spans`, each group written to text and read again before the spans
/// whose index is in `pauses`.
fn groups(experiment: &Experiment, grid: &Grid, spans: &[Span], pauses: &[usize]) -> Vec<Group> {
    let runner = registry::runner(experiment, grid, None).expect("bounds");
    let plan = plan(experiment, 0.0);
    (0..plan.groups)
        .map(|g| {
            let mut group = runner.begin(&plan, g);
            for (k, span) in spans.iter().enumerate() {
                if pauses.contains(&k) {
                    let text = serde_json::to_string(&group).expect("plain data");
                    group = serde_json::from_str(&text).expect("what was written");
                }
                runner.advance(&mut group, *span).expect("bounds that hold");
            }
            group
        })
        .collect()
}

#[test]
fn groups_put_on_paper_go_on_with_the_same_bits() {
    let grid = Grid::new(1.0, 20);
    for (run, span) in [(UNTIMED, Span::Legs(40)), (TIMED, Span::Duration(20.0))] {
        let experiment = experiment(run, 7);
        let after = |pauses: &[usize]| text(&groups(&experiment, &grid, &[span; 4], pauses));
        let uninterrupted = after(&[]);
        assert!(uninterrupted == after(&[1, 3]), "{run}");
        assert!(uninterrupted != text(&groups(&experiment, &grid, &[span; 3], &[])));
    }
    // And so do the numbers made of them.
    let experiment = experiment(UNTIMED, 7);
    let runner = registry::runner(&experiment, &grid, None).expect("bounds");
    let context = Context::new(runner.as_ref(), &experiment.model, &grid, false);
    let numbers = |pauses: &[usize]| -> Vec<_> {
        let groups = groups(&experiment, &grid, &[Span::Legs(40); 4], pauses);
        let standard = estimator::standard();
        let measured = standard.iter().flat_map(|e| estimator::measure(e.as_ref(), &context, &groups));
        measured.flat_map(|m| m.samples).collect()
    };
    assert!(numbers(&[]) == numbers(&[2]));
}

#[test]
fn an_untimed_burn_in_in_pieces_has_the_bits_of_one_in_one_go() {
    // Five blocks of walkers a group, the last one not full, and more legs than are done between two looks.
    let legs = 25_000;
    let mut experiment = experiment(UNTIMED, 9);
    experiment.run.particles = 2 * 300;
    experiment.run.groups = 2;
    let grid = Grid::new(1.0, 20);
    let runner = registry::runner(&experiment, &grid, None).expect("bounds");
    let looks = AtomicU64::new(0);
    let look = || {
        looks.fetch_add(1, Relaxed);
        false
    };
    let plan = plan(&experiment, legs as f64);
    let burnt_in = Ensemble::begin_unless(runner.as_ref(), &plan, &|_| (), &look).expect("bounds that hold");
    assert_eq!(looks.into_inner(), 2 * (1 + 5 * 3));
    let in_one_go = groups(&experiment, &grid, &[Span::Legs(legs)], &[]);
    for (a, b) in burnt_in.groups().iter().zip(&in_one_go) {
        assert!(a.walkers == b.walkers);
        assert_eq!(text(&a.stream), text(&b.stream));
    }
    // Negative control: one leg less is seen.
    let shorter = groups(&experiment, &grid, &[Span::Legs(legs - 1)], &[]);
    assert!(burnt_in.groups()[0].walkers != shorter[0].walkers);
}

#[test]
fn a_burn_in_without_end_is_given_up_when_asked() {
    let grid = Grid::new(1.0, 20);
    for run in [UNTIMED, TIMED] {
        let mut experiment = experiment(run, 10);
        experiment.run.groups = 4;
        let runner = registry::runner(&experiment, &grid, None).expect("bounds");
        let looks = AtomicU64::new(0);
        let ticks = AtomicU64::new(0);
        let tick = |_| {
            ticks.fetch_add(1, Relaxed);
        };
        // Years of work, given up at the twentieth look.
        let stop = || looks.fetch_add(1, Relaxed) >= 20;
        let plan = plan(&experiment, 1e15);
        let mut ensemble = Ensemble::begin_unless(runner.as_ref(), &plan, &tick, &stop).expect("bounds");
        ensemble.run(&tick, &mut |_| panic!("a round")).expect("nothing to do");
        assert_eq!(ensemble.rounds_done(), 0);
        assert!((16..=24).contains(&ticks.into_inner()), "{run}");
    }
}

/// Ends the run after some rounds.
struct StopAfter(u64);

impl Observer for StopAfter {
    fn tick(&self, _share: f64) {}
    fn after_round(&self, progress: &Progress) -> Control {
        if progress.rounds_done >= self.0 { Control::Stop } else { Control::Continue }
    }
}

#[test]
fn a_run_ended_early_is_a_shorter_run() {
    // 5 of 9 rounds against a run of 5 rounds, of the same length each.
    let cases = [
        (r#""legs": 360, "burn_in": 20, "rounds": 9"#, r#""legs": 200, "burn_in": 20, "rounds": 5"#),
        (
            r#""duration": 144.0, "burn_in": 10.0, "rounds": 9"#,
            r#""duration": 80.0, "burn_in": 10.0, "rounds": 5"#,
        ),
    ];
    for (long, short) in cases {
        let ended = simulation::run(&experiment(long, 8), &StopAfter(5)).expect("a run");
        let shorter = simulation::run(&experiment(short, 8), &()).expect("a run");
        assert!(!ended.run.complete && shorter.run.complete);
        assert_eq!((ended.run.rounds_done, ended.run.rounds_planned), (5, 9));
        assert_eq!(ended.run.legs, shorter.run.legs);
        assert!(texts(&ended)[1..] == texts(&shorter)[1..], "the tables are the same: {long}");
        let soret = |s: &Summary| format!("{:?}", s.quantities[0].rows);
        assert_eq!(soret(&ended), soret(&shorter));
    }
}
