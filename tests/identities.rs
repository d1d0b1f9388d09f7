//! Passages from the integer identity against a count of every crossing of every move, and the first law
//! cell by cell, both in integers: they hold exactly or not at all.

mod common;

use common::*;
use soret::ensemble::Group;
use soret::estimator::{Context, Currents, Estimator, invariants};
use soret::event::{Moves, Occupancy, Profile, Tally, Transitions, Visits, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Exact, Kernel, KernelError, Span};
use soret::model::Model;
use soret::rng::{Purpose, Stream, stream};

/// Every cell is a bin, so that the estimator reports every face.
const CELLS: usize = 1024;

/// Net passages through every cell face in every state, move by move, and transitions per channel and
/// cell by the positions that come with them.
struct Crossings {
    faces: Vec<Vec<i64>>,
    /// Ignores legs that are cut off: a mistake, on purpose.
    visits_only: bool,
}

impl Tally for Crossings {
    fn moves(&mut self, moves: &Moves<'_>) {
        if self.visits_only && matches!(moves.visits, Visits::None) {
            return;
        }
        for ((state, from), to) in moves.state.iter().zip(moves.from).zip(moves.to) {
            let (a, b) = (from.cell(CELLS), to.cell(CELLS));
            let faces = &mut self.faces[usize::from(*state)];
            faces[a.min(b)..a.max(b)].iter_mut().for_each(|n| *n += if b > a { 1 } else { -1 });
        }
    }
}

fn crossings(model: &Model, visits_only: bool) -> Crossings {
    // Face k lies between the cells k and k + 1.
    Crossings { faces: vec![vec![0; CELLS - 1]; model.network.states().len()], visits_only }
}

/// Systems with energies that are whole numbers, so that heat adds up without rounding.
fn systems() -> Vec<(&'static str, Model)> {
    let two = [(1.0, 1e-2), (0.0, 1e-3)];
    let three = [(0.0, 1e-2), (2.0, 3e-3), (1.0, 5e-2)];
    let ring = [(0, 1, 3.0, 2.5), (1, 2, 3.0, 2.5), (2, 0, 1.0, 1.5), (0, 2, 1.0, 3.0)];
    vec![
        ("two states", model("1 + 0.8*x", &two, &[(0, 1, 1.0, 1.5)])),
        ("a ring with a chord", model("1 + 0.5*sin(3*x)", &three, &ring)),
        // Legs of many box lengths: most of them touch the walls several times.
        ("long legs", model("1 + 0.8*x", &two, &[(0, 1, 1e-5, 1.5)])),
        ("one state", model("1", &[(0.0, 1e-2)], &[])),
    ]
}

const WALKERS: usize = 200;

/// One group after `spans`, tallied both ways.
fn group<K: Kernel>(
    kernel: &K,
    model: &Model,
    grid: &Grid,
    spans: &[Span],
    number: u64,
    visits_only: bool,
) -> (Group, Crossings) {
    let mut random = stream(31, Purpose::Start, number);
    let untimed = matches!(spans[0], Span::Legs(_));
    let mut walkers = start(kernel, model, grid, &Start::Uniform, untimed, WALKERS, &mut random);
    let states = model.network.states().len();
    let opening = Occupancy::of(&walkers, states, grid);
    let profile = Profile::new(states, 2 * model.network.edges().len(), grid);
    let mut tally = (profile, crossings(model, visits_only));
    let mut advance = stream(31, Purpose::Advance, number);
    for span in spans {
        kernel.advance(&mut walkers, *span, &mut advance, &mut tally).expect("bounds that hold");
    }
    let (mut profile, crossings) = tally;
    profile.flush();
    (Group { walkers, stream: advance, profile, opening, clock: 0.0 }, crossings)
}

fn context<K: Kernel>(kernel: &K, model: &Model, grid: &Grid) -> Context {
    let states = 0..kernel.states();
    Context {
        model: model.clone(),
        grid: *grid,
        dwell: states.clone().map(|s| (0..grid.cells()).map(|c| kernel.dwell(s, c)).collect()).collect(),
        leg_law: states.map(|s| kernel.leg_law(s)).collect(),
        timed: false,
    }
}

/// Faces at which the identity and the count differ, over all states.
fn differences(context: &Context, group: &Group, counted: &Crossings) -> usize {
    let sums = Currents.sums(context, group);
    // Exposure; then per state the mean, the faces and the windows.
    let per_state = sums[1..].chunks(2 * CELLS);
    assert_eq!(per_state.len(), counted.faces.len());
    let differ = |(part, faces): (&[f64], &Vec<i64>)| {
        part[1..CELLS].iter().zip(faces).filter(|(identity, count)| **identity != **count as f64).count()
    };
    per_state.zip(&counted.faces).map(differ).sum()
}

/// Untimed, timed, and timed in pieces that cut legs.
fn spans(model: &Model) -> [Vec<Span>; 3] {
    let time = 0.3 * model.relaxation_time();
    [vec![Span::Legs(300), Span::Legs(1)], vec![Span::Duration(time)], vec![Span::Duration(0.01 * time); 40]]
}

fn grid() -> Grid {
    let grid = Grid::new(1.0, CELLS);
    assert_eq!(grid.cells(), CELLS);
    grid
}

#[test]
fn passages_equal_a_count_of_every_crossing() {
    for (name, model) in systems() {
        let kernel = Exact::new(&model, &grid()).expect("bounds");
        let context = context(&kernel, &model, &grid());
        for spans in spans(&model) {
            for number in 0..4 {
                let (group, counted) = group(&kernel, &model, &grid(), &spans, number, false);
                let moved = counted.faces.iter().flatten().filter(|n| **n != 0).count();
                assert!(moved > CELLS / 2, "{name}: something was counted");
                assert_eq!(differences(&context, &group, &counted), 0, "{name}, group {number}");
                assert!(invariants(&context, &[group]).iter().all(|c| c.holds));
            }
        }
    }
}

#[test]
fn a_count_that_misses_the_cut_legs_differs() {
    let (_, model) = systems().swap_remove(0);
    let kernel = Exact::new(&model, &grid()).expect("bounds");
    let context = context(&kernel, &model, &grid());
    let (group, counted) = group(&kernel, &model, &grid(), &spans(&model)[2], 0, true);
    assert!(differences(&context, &group, &counted) > CELLS / 2);
}

#[test]
fn the_first_law_holds_cell_by_cell_in_integers() {
    for (name, model) in systems() {
        let kernel = Exact::new(&model, &grid()).expect("bounds");
        let states = model.network.states();
        for spans in spans(&model) {
            let (group, _) = group(&kernel, &model, &grid(), &spans, 7, false);
            let mut exchanged = 0;
            for cell in 0..CELLS {
                let gained: i64 = model
                    .network
                    .channels()
                    .map(|c| {
                        let energy = (states[c.to].energy - states[c.from].energy) as i64;
                        energy * group.profile.passages(c.index)[cell] as i64
                    })
                    .sum();
                assert_eq!(group.profile.heat()[cell], gained as f64, "{name}, cell {cell}");
                assert_eq!(group.profile.work()[cell], 0.0);
                exchanged += gained.unsigned_abs();
            }
            assert!(exchanged > 0 || model.network.edges().is_empty() || name == "long legs");
            // Over the whole domain: heat absorbed is the energy gained by the walkers.
            let energy = |occupied: &Occupancy| -> f64 {
                states
                    .iter()
                    .enumerate()
                    .map(|(s, i)| i.energy * occupied.state(s).iter().sum::<u64>() as f64)
                    .sum()
            };
            let closing = Occupancy::of(&group.walkers, states.len(), &grid());
            assert_eq!(group.profile.heat().iter().sum::<f64>(), energy(&closing) - energy(&group.opening));
        }
    }
}

/// Passes on everything but every thousandth block of transitions.
struct Forgetful<'a, T> {
    inner: &'a mut T,
    seen: u64,
}

impl<T: Tally> Tally for Forgetful<'_, T> {
    fn moves(&mut self, moves: &Moves<'_>) {
        self.inner.moves(moves);
    }
    fn transitions(&mut self, transitions: &Transitions<'_>) {
        self.seen += 1;
        if !self.seen.is_multiple_of(1000) {
            self.inner.transitions(transitions);
        }
    }
}

/// The kernel `exact`, of whose transitions a few go unreported.
struct Dropping(Exact);

impl Kernel for Dropping {
    fn states(&self) -> usize {
        self.0.states()
    }
    fn dwell(&self, state: usize, cell: usize) -> f64 {
        self.0.dwell(state, cell)
    }
    fn advance<T: Tally>(
        &self,
        walkers: &mut Walkers,
        span: Span,
        stream: &mut Stream,
        tally: &mut T,
    ) -> Result<(), KernelError> {
        self.0.advance(walkers, span, stream, &mut Forgetful { inner: tally, seen: 0 })
    }
}

#[test]
fn a_kernel_that_drops_transitions_breaks_the_identity() {
    let (_, model) = systems().swap_remove(0);
    let kernel = Dropping(Exact::new(&model, &grid()).expect("bounds"));
    let context = context(&kernel, &model, &grid());
    let (group, counted) = group(&kernel, &model, &grid(), &[Span::Legs(300)], 0, false);
    assert!(differences(&context, &group, &counted) > 0);
    let broken: Vec<_> =
        invariants(&context, &[group]).into_iter().filter(|c| !c.holds).map(|c| c.name).collect();
    assert_eq!(broken, ["passages close at the wall in every state"]);
}
