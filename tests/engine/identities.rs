//! Passages from the integer identity against a count of every crossing of every move, and the first law
//! cell by cell, both in integers: they hold exactly or not at all.

use crate::common::*;
use soret::ensemble::Group;
use soret::estimator::{Context, Currents, Estimator, Heat, invariants};
use soret::event::{Moves, Occupancy, Profile, Tally, Transitions, Visits, Walkers};
use soret::grid::Grid;
use soret::kernel::start::{Start, start};
use soret::kernel::{Exact, Kernel, KernelError, Span};
use soret::model::{Boundary, Model, Network};
use soret::rng::{Purpose, Stream, stream};

/// Every cell is a bin, so that the estimator reports every face.
const CELLS: usize = 1024;

/// Net passages through every cell face in every state, move by move, and transitions per channel and
/// cell by the positions that come with them; and the heat of every move, cell by cell on its way.
struct Crossings {
    model: Model,
    /// Face `k` lies between the cells `k` and `k + 1`; the last is `x = 0` on a ring.
    faces: Vec<Vec<i64>>,
    heat: Vec<f64>,
    /// Ignores legs that are cut off: a mistake, on purpose.
    visits_only: bool,
}

impl Tally for Crossings {
    fn moves(&mut self, moves: &Moves<'_>) {
        if self.visits_only && matches!(moves.visits, Visits::None) {
            return;
        }
        for (i, ((state, from), to)) in moves.state.iter().zip(moves.from).zip(moves.to).enumerate() {
            let laps = moves.laps.get(i).map_or(0, |n| i64::from(*n));
            let (a, b) = (from.cell(CELLS) as i64, to.cell(CELLS) as i64 + laps * CELLS as i64);
            let state = usize::from(*state);
            for k in a.min(b)..a.max(b) {
                self.faces[state][k.rem_euclid(CELLS as i64) as usize] += if b > a { 1 } else { -1 };
            }
            if self.model.has_force(state) {
                self.absorb(state, (a, from.fraction()), (b, to.fraction() + laps as f64));
            }
        }
    }
}

impl Crossings {
    /// Heat of one move on the unfolded line, `psi = U + U_i - int f`, the last by the midpoint rule.
    fn absorb(&mut self, state: usize, (a, from): (i64, f64), (b, to): (i64, f64)) {
        let n = CELLS as i64;
        for k in a.min(b)..=a.max(b) {
            // The part of the way that lies in cell k, from `enter` to `leave`.
            let (lo, hi) = (k as f64 / n as f64, (k + 1) as f64 / n as f64);
            let (enter, leave) = (from.clamp(lo, hi), to.clamp(lo, hi));
            let round = k.div_euclid(n) as f64;
            let u = |x: f64| self.model.potential_energy(state, x - round);
            let force = self.model.propulsion(state, 0.5 * (lo + hi) - round);
            self.heat[k.rem_euclid(n) as usize] += u(leave) - u(enter) - force * (leave - enter);
        }
    }
}

fn crossings(model: &Model, visits_only: bool) -> Crossings {
    let faces = vec![vec![0; CELLS]; model.network.states().len()];
    Crossings { model: model.clone(), faces, heat: vec![0.0; CELLS], visits_only }
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

/// The same with forces and rings.
fn pushed() -> Vec<(&'static str, Model)> {
    let two = [(1.0, 1e-2), (0.0, 1e-3)];
    let edge = [(0, 1, 1.0, 1.5)];
    let mut potentials = model("1 + 0.8*x", &two, &edge);
    potentials.potential = Some(field("0.5*sin(6*x)"));
    let mut own = model("1 + 0.8*x", &two, &edge);
    let mut states = own.network.states().to_vec();
    states[0].potential = Some(field("0.3*x*x"));
    own.network = Network::new(states, own.network.edges().to_vec()).expect("a network");
    let mut swimmers = model("1 + 0.2*x", &two, &edge);
    let mut states = swimmers.network.states().to_vec();
    states[0].drift = Some(field("0.02"));
    states[1].drift = Some(field("-0.001*(1 + x)"));
    swimmers.network = Network::new(states, swimmers.network.edges().to_vec()).expect("a network");
    let mut around = model("1", &two, &edge);
    around.domain.walls = Boundary::Periodic;
    around.potential = Some(field("0.4*sin(2*pi*x)"));
    let mut racers = model("1 + 0.3*sin(2*pi*x)", &two, &edge);
    racers.domain.walls = Boundary::Periodic;
    let mut states = racers.network.states().to_vec();
    states[0].drift = Some(field("0.05"));
    racers.network = Network::new(states, racers.network.edges().to_vec()).expect("a network");
    vec![
        ("potentials", potentials),
        ("own potentials", own),
        ("swimmers", swimmers),
        ("around a ring", around),
        ("racers", racers),
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
    let origin = walkers.clone();
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
    (
        Group {
            walkers,
            stream: advance,
            profile,
            opening,
            clock: 0.0,
            origin: Some(origin),
            snapshots: Vec::new(),
            paths: None,
            phase: None,
            internal: None,
            population: None,
            realisations: None,
        },
        crossings,
    )
}

fn context<K: Kernel>(kernel: &K, model: &Model, grid: &Grid) -> Context {
    let states = 0..kernel.states();
    Context {
        model: model.clone(),
        grid: *grid,
        dwell: states.clone().map(|s| (0..grid.cells()).map(|c| kernel.dwell(s, c)).collect()).collect(),
        leg_law: states.map(|s| kernel.leg_law(s)).collect(),
        flux_excess: 0.0,
        timed: false,
        times: Vec::new(),
        volume: None,
    }
}

/// Faces at which the identity and the count differ, over all states.
fn differences(context: &Context, group: &Group, counted: &Crossings) -> usize {
    let sums = Currents.sums(context, group);
    // Exposure; then per state the mean, the faces and the windows.
    let per_state = sums[1..1 + 2 * CELLS * counted.faces.len()].chunks(2 * CELLS);
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
fn forces_and_rings_keep_the_identity_and_the_first_law() {
    for (name, model) in pushed() {
        let kernel = Exact::new(&model, &grid()).expect("bounds");
        let context = context(&kernel, &model, &grid());
        let timed = (0..2).all(|s| context.leg_law[s].is_none()) && name == "racers";
        for spans in spans(&model).into_iter().take(if timed { 3 } else { 1 }) {
            for number in 0..4 {
                let (group, counted) = group(&kernel, &model, &grid(), &spans, number, false);
                assert!(group.profile.visits(0).iter().sum::<u64>() > 0, "{name}");
                assert_eq!(differences(&context, &group, &counted), 0, "{name}, group {number}");
                assert!(invariants(&context, std::slice::from_ref(&group)).iter().all(|c| c.holds), "{name}");
                if context.model.domain.walls == Boundary::Periodic {
                    let round = (0..2).map(|s| counted.faces[s][CELLS - 1] - group.profile.laps(s));
                    assert_eq!(round.sum::<i64>(), 0, "{name}: laps");
                }
                // Exposure, heat over T, heat per cell: transitions as booked, moves one by one.
                let sums = Heat.sums(&context, &group);
                let (mut worst, mut size) = (0.0f64, 0.0f64);
                for (cell, absorbed) in sums[2..2 + CELLS].iter().enumerate() {
                    let expected = group.profile.heat()[cell] + counted.heat[cell];
                    worst = worst.max((absorbed - expected).abs());
                    size = size.max(counted.heat[cell].abs());
                }
                assert!(size > 1e-4, "{name}: forces do something, {size}");
                // The work of swimmers between transitions is known to a cell at either end: a thousandth of
                // what it is over the domain, of random sign.
                let close = if name == "swimmers" || name == "racers" { 0.1 * size } else { 1e-9 };
                assert!(worst < close, "{name}, group {number}: {worst} of {size}");
                let all: f64 = sums[2..2 + CELLS].iter().sum();
                let expected: f64 = group.profile.heat().iter().chain(&counted.heat).sum();
                let moved: f64 = counted.heat.iter().map(|h| h.abs()).sum();
                assert!((all - expected).abs() < 1e-3 * moved, "{name}: {all} {expected}");
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
