//! Nothing is allocated in the hot loop, and memory does not grow with the length of a run.

mod common;

use common::*;
use soret::ensemble::{Control, Ensemble, Plan};
use soret::grid::Grid;
use soret::kernel::Span;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// The system's allocator, counted.
struct Counting;

thread_local! {
    // By thread, because the test harness has threads of its own.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        let live = LIVE.fetch_add(layout.size(), SeqCst) + layout.size();
        PEAK.fetch_max(live, SeqCst);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), SeqCst);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counters belong to the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Calls of the allocator on this thread while `work` runs.
fn calls(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn advancing_allocates_nothing() {
    let _alone = ALONE.lock();
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

/// The most memory in use during a run above what was in use before.
fn peak(legs: u64, rounds: u64) -> usize {
    let (model, grid) = (two_states(), Grid::new(1.0, 20));
    let runner = exact(&model, &grid);
    let size = Size { particles: 3200, groups: 32, legs, seed: 42 };
    let plan = Plan { rounds, ..plan(runner.as_ref(), &model, &grid, false, size) };
    // On one thread, so that the order of the groups is that of the loop.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let before = LIVE.load(SeqCst);
    PEAK.store(before, SeqCst);
    pool.install(|| {
        let mut ensemble = Ensemble::begin(runner.as_ref(), &plan, &|_| ()).expect("bounds that hold");
        ensemble.run(&|_| (), &mut |_| Control::Continue).expect("bounds that hold");
    });
    PEAK.load(SeqCst) - before
}

#[test]
fn memory_does_not_grow_with_duration() {
    let _alone = ALONE.lock();
    peak(10, 1);
    let (short, long) = (peak(50, 10), peak(2000, 400));
    note(format!("peak of {short} bytes for 50 legs, {long} for 2000"));
    // Threads come and go with buffers of their own; a value kept for each leg or each round of every
    // group would be a hundred times this.
    assert!(long.abs_diff(short) < 4096, "{short} {long}");
    // Negative control: more particles need more memory, and the counter sees it.
    assert!(short > 3200 * 10);
}
