//! Nothing is allocated in the hot loop, and memory does not grow with the length of a run.

mod common;

use common::*;
use soret::ensemble::{Control, Ensemble, Plan};
use soret::grid::Grid;
use soret::kernel::Span;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted by thread: what the threads of the test harness do is not seen, and
/// a limit can be tight on any machine.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    // Signed, because a thread may free what another one has allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        LIVE.set(LIVE.get() + layout.size() as isize);
        PEAK.set(PEAK.get().max(LIVE.get()));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator on this thread while `work` runs.
fn calls(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn advancing_allocates_nothing() {
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let runner = exact(&model, &grid);
    for timed in [false, true] {
        let size = Size { particles: 3200, groups: 32, legs: 10, seed: 41 };
        let plan = plan(runner.as_ref(), &model, &grid, timed, size);
        let mut group = runner.begin(&plan, 0);
        for factor in [1, 10, 100] {
            let span = match plan.span {
                Span::Legs(legs) => Span::Legs(legs * factor),
                Span::Duration(duration) => Span::Duration(duration * factor as f64),
            };
            let seen = calls(|| runner.advance(&mut group, span).expect("bounds that hold"));
            assert_eq!(seen, 0, "timed {timed}, {factor} times the length");
        }
    }
    // Negative control: the counter counts.
    assert!(calls(|| drop(std::hint::black_box(vec![0u8; 100]))) == 1);
}

/// Memory of a run on the thread that did it, in bytes.
#[derive(Debug)]
struct Memory {
    /// In use when the groups have been made, above what was in use before.
    groups: isize,
    /// The most in use during the rounds above that.
    rounds: isize,
}

/// The memory of a run, all of it on the only thread of `pool`; `kept` bytes are put aside after each
/// round.
fn memory(pool: &rayon::ThreadPool, legs: u64, rounds: u64, kept: usize) -> Memory {
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let runner = exact(&model, &grid);
    let size = Size { particles: 3200, groups: 32, legs, seed: 42 };
    let plan = Plan { rounds, ..plan(runner.as_ref(), &model, &grid, false, size) };
    pool.install(|| {
        let before = LIVE.get();
        let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).expect("bounds that hold");
        let begun = LIVE.get();
        PEAK.set(begun);
        let mut aside = Vec::new();
        let mut after_round = |_: &Ensemble<'_>| {
            aside.resize(aside.len() + kept, 1u8);
            Control::Continue
        };
        ensemble.run(&|_| (), &mut after_round).expect("bounds that hold");
        Memory { groups: begun - before, rounds: PEAK.get() - begun }
    })
}

#[test]
fn memory_does_not_grow_with_duration() {
    // One thread, on which everything is counted, made and used once before anything is.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    memory(&pool, 10, 1, 0);
    let (short, long) = (memory(&pool, 50, 10, 0), memory(&pool, 2000, 400, 0));
    note(format!("{short:?} for 50 legs, {long:?} for 2000"));
    assert_eq!(short.groups, long.groups);
    // The 390 further rounds must not leave a byte each.
    let limit = 300;
    assert!(long.rounds - short.rounds < limit, "{short:?} {long:?}");
    // Negative controls: that byte would be seen, and so are the particles.
    let kept = memory(&pool, 2000, 400, 1);
    assert!(kept.rounds - short.rounds > limit, "{short:?} {kept:?}");
    assert!(short.groups > 3200 * 10, "{short:?}");
}
