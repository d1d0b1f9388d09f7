//! Steps of one internal coordinate in vector lanes: the same bits with any instructions, what is handed on is what events would have
//! said, the first law to the last digits, Boltzmann's law, the law of the steps' own chain.
//!
//! Statistics are over 64 groups, a limit of 7.5 standard errors each (Student's t with 63 degrees of freedom: alpha 3e-10); there
//! are fewer than 100 such comparisons, 3e-8 altogether.

use crate::common;
use crate::common::{field, note};
use soret::estimator::coordinates::Plane;
use soret::event::{Occupancy, Position, Profile, Shifts, Sightings, Tally, Walkers};
use soret::grid::Grid;
use soret::internal_space::InternalSpace;
use soret::kernel::start::{Start, start};
use soret::kernel::{Continuous, Kernel, LaneCoordinate, Scheme, Span};
use soret::model::{
    Axis, Boundary, Coordinates, Edge, Landscape, Model, Network, OwnSurfaces, Range, Response, State,
};
use soret::observable::Observable;
use soret::rng::{Purpose, Stream, stream};
use soret::stats::Sample;
use soret::theory::coordinate_chain::{CoordinateChain, Resolution, Steps};
use std::sync::Arc;

const SIGMAS: f64 = 7.5;
const GROUPS: usize = 64;

/// One state with an enthalpy, on `[0, 1]`; the diffusivity may be written with `U`.
fn model(temperature: &str, axis: Axis, potential: &str, diffusivity: &str) -> Model {
    let mut model = common::model(temperature, &[(0.7, 1.0)], &[]);
    let u = Landscape::new(potential, &["q"], &[], field(temperature)).expect("a potential");
    let d = Landscape::of_potential(diffusivity, &["q"], &[], field(temperature), Arc::new(u.clone()));
    model.coordinates = Some(Coordinates::new(vec![axis], u, d.expect("a diffusivity")));
    model
}

fn lanes(model: &Model, grid: &Grid, dt: f64) -> LaneCoordinate {
    LaneCoordinate::new(model, grid, dt).expect("a potential that confines").expect("a plain model")
}

/// A spring with a constant diffusivity and one in its square, away from zero; two wells, even and tilted; a linear, a curved and a
/// constant temperature.
fn cases() -> [(&'static str, LaneCoordinate, Model, Grid); 5] {
    let grid = Grid::new(1.0, 20);
    [
        ("spring", "1 + 0.8*x", 1.0, "q^2/2", "0.02", 0.05),
        ("diffusing diffusivity", "1 + 0.8*x", 1.0, "(q - 3)^2/2", "0.02*q^2", 0.05),
        ("stiff spring", "1 - 0.4*cos(pi*x)", 2.0, "4*(q + 1)^2 + 3", "0.02 + 0.01*(q + 1)^2", 0.01),
        ("two wells", "0.5 + 0.5*x", 1.0, "q^4 - 2*q^2", "0.1*(U + 2.5)", 0.006),
        ("tilted wells", "0.7", 1.0, "q^4 - 2*q^2 + 0.5*q", "0.1*(U + 2.5)", 0.006),
    ]
    .map(|(name, temperature, mobility, potential, diffusivity, dt)| {
        let model = model(temperature, Axis::new("q", mobility), potential, diffusivity);
        (name, lanes(&model, &grid, dt), model, grid)
    })
}

fn walkers_of(kernel: &impl Kernel, model: &Model, grid: &Grid, n: usize, group: u64) -> Walkers {
    let mut random = stream(31, Purpose::Start, group);
    start(kernel, model, grid, &Start::LocalEquilibrium, false, n, &mut random)
}

fn tally_of(kernel: &impl Kernel, model: &Model, grid: &Grid) -> (Profile, InternalSpace) {
    (Profile::new(1, 0, grid), InternalSpace::new(model, grid, 0, kernel.coordinate_ends()[0]))
}

/// Everything that there is after some spans.
#[derive(PartialEq)]
struct After {
    walkers: Walkers,
    stream: Stream,
    tally: (Profile, InternalSpace),
}

fn after(kernel: &impl Kernel, (model, grid): (&Model, &Grid), n: usize, spans: &[u64]) -> After {
    let mut walkers = walkers_of(kernel, model, grid, n, 0);
    let mut stream = stream(31, Purpose::Advance, 0);
    let mut tally = tally_of(kernel, model, grid);
    tally.1.open(model, &walkers);
    for steps in spans {
        kernel.advance(&mut walkers, Span::Legs(*steps), &mut stream, &mut tally).expect("bounds");
    }
    tally.0.flush();
    tally.1.close(model, &walkers);
    After { walkers, stream, tally }
}

#[test]
fn the_same_bits_with_any_instructions() {
    for (name, kernel, model, grid) in cases() {
        for n in [1, 64, 150] {
            let bits = |most, steps| after(&kernel.clone().at_most(most), (&model, &grid), n, &[steps]);
            common::same_bits(&format!("{name}, {n} walkers"), 2503, bits);
        }
    }
}

#[test]
fn cutting_the_span_of_a_block_changes_no_walker_and_no_count() {
    for (name, kernel, model, grid) in cases() {
        let whole = after(&kernel, (&model, &grid), 50, &[2301]);
        let parts = after(&kernel, (&model, &grid), 50, &[4, 1, 2, 1094, 1200]);
        assert!(whole.walkers == parts.walkers && whole.stream == parts.stream, "{name}");
        let [(profile, internal), (profile_of_parts, internal_of_parts)] = [&whole.tally, &parts.tally];
        assert_eq!(profile.visits(0), profile_of_parts.visits(0), "{name}");
        assert_eq!(internal.seen(), internal_of_parts.seen(), "{name}");
        assert_eq!(internal.shift_passages(), internal_of_parts.shift_passages(), "{name}");
        assert_eq!(internal.move_passages(), internal_of_parts.move_passages(), "{name}");
    }
}

/// Largest difference of two lists over the largest number.
fn apart(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> f64 {
    let (mut most, mut largest) = (0.0f64, 0.0f64);
    for (a, b) in a.zip(b) {
        most = most.max((a - b).abs());
        largest = largest.max(b.abs());
    }
    most / largest
}

#[test]
fn what_is_handed_on_is_what_events_would_have_said() {
    // Walkers in the middle of cells that hardly move: where they are seen is known, and before a shift they are what they
    // were at the end of the step before.
    for (potential, diffusivity, dt) in
        [("(q - 3)^2/2", "5e-11*q^2", 0.05), ("q^4 - 2*q^2 + 0.5*q", "2e-9*(U + 2.5)", 0.006)]
    {
        let model = model("1 + 0.8*x", Axis::new("q", 1.0), potential, diffusivity);
        let grid = Grid::new(1.0, 20).with_across(48);
        let kernel = lanes(&model, &grid, dt);
        let mut walkers = walkers_of(&kernel, &model, &grid, 64, 3);
        for (i, position) in walkers.position.iter_mut().enumerate() {
            *position = Position::from_fraction(grid.cell_middle(5 + 16 * (i % 9)));
        }
        let mut random = stream(31, Purpose::Advance, 3);
        // Onto the lattice of floats.
        kernel.advance(&mut walkers, Span::Legs(1), &mut random, &mut ()).expect("bounds");
        let (mut alone, mut told) = (walkers.clone(), tally_of(&kernel, &model, &grid));
        let mut events = tally_of(&kernel, &model, &grid);
        let mut same = random.clone();
        let coordinates = model.coordinates.as_ref().expect("a coordinate");
        let energy = |q: f64| model.energy_within(0, 0.3, &[q]);
        for _ in 0..40 {
            let before = alone.coordinate.clone();
            kernel.advance(&mut alone, Span::Legs(1), &mut same, &mut ()).expect("bounds");
            let of = |f: &dyn Fn(f64) -> f64| before.iter().map(|q| f(*q)).collect::<Vec<f64>>();
            let cell: Vec<u32> = alone.position.iter().map(|p| p.cell(grid.cells()) as u32).collect();
            events.1.sightings(&Sightings {
                state: &alone.state,
                position: &alone.position,
                velocity: &[],
                coordinate: &before,
                energy: &of(&energy),
                slope: &of(&|q| coordinates.energy_slope_q(0, 0.3, &[q], 0)),
                diffusivity: &of(&|q| model.diffusivity_within(0, 0.3, &[q])),
            });
            let heat: Vec<f64> =
                before.iter().zip(&alone.coordinate).map(|(a, b)| energy(*b) - energy(*a)).collect();
            events.1.shifts(&Shifts {
                state: &alone.state,
                position: &alone.position,
                cell: &cell,
                axes: 1,
                before: &before,
                after: &alone.coordinate,
                heat: &heat,
            });
        }
        kernel.advance(&mut walkers, Span::Legs(40), &mut random, &mut told).expect("bounds");
        told.0.flush();
        assert!(walkers == alone);
        let visits = Occupancy::of(&walkers, 1, &grid);
        let expected: Vec<u64> = visits.state(0).iter().map(|n| 40 * n).collect();
        assert_eq!(told.0.visits(0), expected);
        let (told, events) = (told.1, events.1);
        // Cells of the plane are those of floats: a coordinate next to an edge may be told to be beyond.
        let moved: u64 = told.seen().iter().zip(events.seen()).map(|(a, b)| a.abs_diff(*b)).sum();
        assert!(moved <= 2, "{moved}");
        assert_eq!(told.shift_passages().len(), events.shift_passages().len());
        let through =
            |g: &InternalSpace| -> Vec<f64> { g.shift_passages().iter().map(|n| *n as f64).collect() };
        let (a, b) = (through(&told), through(&events));
        let off: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum();
        assert!(off <= 2.0 && b.iter().any(|n| *n != 0.0), "{off}");
        // Sums of floats, some hundreds in a cell; those of forces are what is left of larger ones.
        let flat = |g: &InternalSpace| -> Vec<[f64; 13]> {
            let row = |g: &soret::internal_space::Generated| {
                let mut row = [g.mobile; 13];
                row[1..].copy_from_slice(g.shapes.as_flattened());
                row
            };
            g.generated().iter().map(row).collect()
        };
        let (a, b) = (flat(&told), flat(&events));
        for k in (0..13).filter(|k| *k != 3) {
            let off = apart(a.iter().map(|r| r[k]), b.iter().map(|r| r[k]));
            assert!(off < 5e-6, "{potential}, {k}: {off:e}");
        }
        assert!(a.iter().zip(&b).all(|(a, b)| a[3] == 0.0 && b[3] == 0.0));
        // Of powers up to the eighth most cancels.
        for k in 0..2 {
            for (a, b) in [(told.energies(), events.energies()), (told.mobile(), events.mobile())] {
                let off = apart(a.iter().map(|r| r[k]), b.iter().map(|r| r[k]));
                assert!(off < 2e-5, "{potential}: {off:e}");
            }
        }
        let heat = |g: &InternalSpace| -> Vec<f64> { g.exchanged().iter().map(|[heat, _]| *heat).collect() };
        let off = apart(heat(&told).into_iter(), heat(&events).into_iter());
        assert!(off < 1e-12, "{potential}: {off:e}");
    }
}

#[test]
fn heat_is_the_energy_gained_and_no_walker_is_lost() {
    for (name, kernel, model, grid) in cases() {
        for spans in [&[1u64][..], &[3000], &[500, 1, 1700]] {
            let After { walkers, tally: (profile, internal), .. } =
                after(&kernel, (&model, &grid), 150, spans);
            let heat: f64 = internal.exchanged().iter().map(|[heat, _]| heat).sum();
            let gain: f64 = internal.gain().iter().sum();
            let exchanged: f64 = internal.exchanged().iter().map(|[heat, _]| heat.abs()).sum();
            let seen: f64 = internal.energies().iter().map(|[first, _]| first.abs()).sum();
            assert!((heat - gain).abs() <= 1e-12 * seen && exchanged > 0.0, "{name}: {heat} {gain} {seen}");
            let steps: u64 = spans.iter().sum();
            assert_eq!(profile.visits(0).iter().sum::<u64>(), 150 * steps);
            assert_eq!(internal.seen().iter().sum::<u64>(), 150 * steps);
            // Nobody goes through walls of x, nor beyond the box.
            let moves = internal.move_passages();
            assert!(moves[moves.len() - internal.cells()..].iter().all(|n| *n == 0), "{name}");
            let shifts = internal.shift_passages();
            assert!(shifts.chunks(internal.cells() + 1).all(|row| row[internal.cells()] == 0), "{name}");
            let [low, high] = kernel.coordinate_ends()[0];
            assert!(walkers.coordinate.iter().all(|q| *q >= low && *q <= high), "{name}");
        }
    }
}

#[test]
fn cells_of_floats_and_of_doubles_close() {
    // Walkers so close below edges of cells that floats find them beyond: what moves and shifts did still adds up to nobody lost.
    for (name, kernel, model, grid) in cases() {
        let mut walkers = walkers_of(&kernel, &model, &grid, 64, 0);
        let mut tally = tally_of(&kernel, &model, &grid).1;
        for (i, q) in walkers.coordinate.iter_mut().enumerate() {
            *q = tally.edge(24 + i % 16) - 1e-11;
        }
        tally.open(&model, &walkers);
        let mut random = stream(31, Purpose::Advance, 0);
        kernel.advance(&mut walkers, Span::Legs(7), &mut random, &mut tally).expect("bounds");
        tally.close(&model, &walkers);
        let moves = tally.move_passages();
        assert!(moves[moves.len() - tally.cells()..].iter().all(|n| *n == 0), "{name}");
    }
}

/// 64 groups of 64 walkers, so many steps without and then with scoring, on both threads.
fn sample(kernel: &impl Kernel, model: &Model, grid: &Grid, burn_in: u64, steps: u64) -> Vec<InternalSpace> {
    let group = |g: u64| {
        let mut walkers = walkers_of(kernel, model, grid, 64, g);
        let mut random = stream(31, Purpose::Advance, g);
        kernel.advance(&mut walkers, Span::Legs(burn_in), &mut random, &mut ()).expect("bounds");
        let mut tally = tally_of(kernel, model, grid).1;
        tally.open(model, &walkers);
        kernel.advance(&mut walkers, Span::Legs(steps), &mut random, &mut tally).expect("bounds");
        tally.close(model, &walkers);
        tally
    };
    std::thread::scope(|scope| {
        let half = |of: std::ops::Range<u64>| scope.spawn(move || of.map(group).collect::<Vec<_>>());
        let halves = [half(0..GROUPS as u64 / 2), half(GROUPS as u64 / 2..GROUPS as u64)];
        halves.into_iter().flat_map(|h| h.join().expect("a thread that ends")).collect()
    })
}

/// A number from what a group has scored.
type Of<'a> = &'a dyn Fn(&InternalSpace) -> f64;

/// How far the mean over groups is from a number, in standard errors.
fn deviate(groups: &[InternalSpace], of: impl Fn(&InternalSpace) -> f64, expected: f64) -> f64 {
    let values: Vec<f64> = groups.iter().map(of).collect();
    let value = values.iter().sum::<f64>() / values.len() as f64;
    (value - expected) / Sample { value, pseudo: values }.std_error()
}

/// Mean of `of` over Boltzmann's law of one coordinate.
fn mean(t: f64, [low, high]: [f64; 2], potential: &dyn Fn(f64) -> f64, of: &dyn Fn(f64) -> f64) -> f64 {
    let n = 20_000;
    let (mut norm, mut sum) = (0.0, 0.0);
    for k in 0..n {
        let q = low + (high - low) * (k as f64 + 0.5) / n as f64;
        let weight = (-potential(q) / t).exp();
        norm += weight;
        sum += weight * of(q);
    }
    sum / norm
}

#[test]
fn uniform_temperature_gives_boltzmann() {
    // Steps far too long: the law is kept all the same.
    let t = 0.8;
    for (potential, law, dt) in [
        ("(q - 1)^2", (&|q: f64| (q - 1.0).powi(2)) as &dyn Fn(f64) -> f64, 0.7),
        ("q^4 - 2*q^2 + 0.5*q", &|q: f64| q.powi(4) - 2.0 * q * q + 0.5 * q, 0.014),
    ] {
        let model = model("0.8", Axis::new("q", 1.0), potential, "0.3 + 0.1*q^2");
        let grid = Grid::new(1.0, 8);
        let kernel = lanes(&model, &grid, dt);
        let groups = sample(&kernel, &model, &grid, 500, 12_000);
        let ends = kernel.coordinate_ends()[0];
        let exact = |of: &dyn Fn(f64) -> f64| mean(t, ends, law, of);
        let seen = |g: &InternalSpace| g.seen().iter().sum::<u64>() as f64;
        let sum = |of: fn(&[f64; 2]) -> f64| {
            move |g: &InternalSpace| {
                g.energies().iter().map(of).sum::<f64>() / g.seen().iter().sum::<u64>() as f64
            }
        };
        let mobile = |g: &InternalSpace| g.mobile().iter().map(|[d, _]| d).sum::<f64>() / seen(g);
        let upper = |g: &InternalSpace| {
            let half = |row: &[u64]| row[g.cells() / 2..].iter().sum::<u64>() as f64;
            g.seen().chunks(g.cells()).map(half).sum::<f64>() / seen(g)
        };
        let energy = |q: f64| law(q) + 0.7;
        let middle = 0.5 * (ends[0] + ends[1]);
        let all: [(&str, Of<'_>, f64); 4] = [
            ("energy", &sum(|e| e[0]), exact(&energy)),
            ("its square", &sum(|e| e[1]), exact(&|q| energy(q).powi(2))),
            ("diffusivity", &mobile, exact(&|q| 0.3 + 0.1 * q * q)),
            ("upper half", &upper, exact(&|q| f64::from(i32::from(q > middle)))),
        ];
        for (what, of, expected) in all {
            let z = deviate(&groups, of, expected);
            note(format!("{potential}, {what}: {expected:.4}, z = {z:.1}"));
            assert!(z.abs() < SIGMAS, "{potential}, {what}: {z}");
        }
        let other = deviate(&groups, sum(|e| e[0]), mean(1.05 * t, ends, law, &energy));
        assert!(other.abs() > SIGMAS, "negative control, {potential}: {other}");
        // Where particles are, how many and with which energy, does not depend on x, and no heat flows.
        for mode in 1..4 {
            let wave = |k: usize| (std::f64::consts::PI * mode as f64 * (k as f64 + 0.5) / 8.0).cos();
            let density = |g: &InternalSpace| {
                let rows = g.seen().chunks(g.cells()).map(|row| row.iter().sum::<u64>() as f64);
                rows.enumerate().map(|(k, n)| wave(k) * n).sum::<f64>() / seen(g)
            };
            let energies = |g: &InternalSpace| {
                g.energies().iter().enumerate().map(|(k, e)| wave(k) * e[0]).sum::<f64>() / seen(g)
            };
            let heat = |g: &InternalSpace| {
                let cells = g.exchanged().iter().zip(g.gain()).enumerate();
                let bin = |c: usize| wave(c / g.grid().cells_per_bin);
                cells.map(|(c, ([heat, _], gain))| bin(c) * (heat - gain)).sum::<f64>()
            };
            let all: [Of<'_>; 3] = [&density, &energies, &heat];
            for of in all {
                let z = deviate(&groups, of, 0.0);
                assert!(z.abs() < SIGMAS, "{potential}, mode {mode}: {z}");
            }
        }
    }
}

#[test]
fn the_lanes_sample_the_law_of_their_chain() {
    // A gradient, and steps that are long enough for their bias to be seen.
    let spring = model("1 + 0.8*x", Axis::new("q", 1.0), "q^2/2", "0.3 + 0.2*q^2");
    let wells = model("0.5 + 0.5*x", Axis::new("q", 1.0), "q^4 - 2*q^2 + 0.5*q", "U + 2.5");
    for (name, model, dt, other) in [
        ("spring", spring, 0.4, (Steps::Midpoint, 0.0)),
        ("two wells", wells, 0.014, (Steps::Langevin, 0.014)),
    ] {
        let steps = 12_000;
        let grid = Grid::new(1.0, 8).with_across(16);
        let kernel = lanes(&model, &grid, dt);
        let groups = sample(&kernel, &model, &grid, 600, steps);
        let duration = steps as f64 * dt * 64.0;
        let plane = Plane { groups: &groups, duration };
        let size = Resolution { modes: 10, degrees: 20 };
        let law = |steps, dt| CoordinateChain::on(&model, steps, dt, size).expect("a law");
        let laws = [law(Steps::Midpoint, dt), law(other.0, other.1)];
        let of = |law: &CoordinateChain, o| -> Vec<f64> {
            law.reference(o, &grid).expect("known").into_iter().map(|v| v.expect("a number")).collect()
        };
        let mut worst = [0.0f64; 2];
        let columns = [
            (Observable::Density, plane.density()),
            (Observable::MeanEnergy, plane.energy()),
            (Observable::MeanHeatCurrent, vec![plane.mean_heat_current()]),
        ];
        for (observable, samples) in columns {
            let expected = laws.each_ref().map(|law| of(law, observable));
            for (k, sample) in samples.iter().enumerate() {
                let sample = sample.as_ref().expect("seen");
                let z = [0, 1].map(|l| (sample.value - expected[l][k]) / sample.std_error());
                note(format!("{name}, {observable:?} {k}: {:.4}, z = {z:.1?}", sample.value));
                assert!(z[0].abs() < SIGMAS, "{name}, {observable:?} {k}: {z:?}");
                worst = [0, 1].map(|l| worst[l].max(z[l].abs()));
            }
        }
        // Negative control: the law without steps, or of Langevin proposals.
        assert!(worst[1] > SIGMAS, "{name}: {worst:?}");
    }
}

#[test]
fn lanes_are_taken_where_they_serve() {
    let grid = Grid::new(1.0, 20);
    let plain = || model("1 + 0.8*x", Axis::new("q", 1.0), "q^2/2", "0.02*q^2");
    let none = |model: &Model, dt: f64| LaneCoordinate::new(model, &grid, dt).expect("a potential").is_none();
    assert!(!none(&plain(), 0.05));
    let with = |change: &dyn Fn(&mut Model)| {
        let mut model = plain();
        change(&mut model);
        model
    };
    let axis =
        |change: &dyn Fn(&mut Axis)| with(&|m| m.coordinates.iter_mut().for_each(|c| change(&mut c.axes[0])));
    let left = [
        ("ring", with(&|m| m.domain.walls = Boundary::Periodic)),
        ("two states", {
            let states = vec![State::new("a", 0.5, 1.0), State::new("b", 0.0, 1.0)];
            let network = Network::new(states, vec![Edge::new([0, 1], 3.0, 0.8)]).expect("a network");
            with(&|m| m.network = network.clone())
        }),
        ("diffusivity in q", axis(&|a| a.response = Response::Diffusivity(0.5))),
        ("walls of q", axis(&|a| a.range = Range::Walls([-1.0, 1.0]))),
        ("force", with(&|m| m.potential = Some(field("x")))),
        ("steep", model("1", Axis::new("q", 1.0), "q^6", "1")),
        ("kinked", model("1", Axis::new("q", 1.0), "abs(q)", "1")),
        ("high power", model("1", Axis::new("q", 1.0), "q^2", "q^6")),
        ("not a polynomial", model("1", Axis::new("q", 1.0), "q^2", "1 + 0.5*cos(q)")),
        ("varying", model("1", Axis::new("q", 1.0), "q^2", "1 + 0.5*x")),
        ("negative", model("1", Axis::new("q", 1.0), "q^2", "q^2 - 0.01")),
        ("jump", model("1 + step(x - 0.5)", Axis::new("q", 1.0), "q^2", "1")),
    ];
    for (name, model) in left {
        assert!(none(&model, 0.01), "{name}");
    }
    let own = with(&|m| {
        let d = Landscape::new("0.5", &["q"], &[], field("1 + 0.8*x")).expect("a diffusivity");
        let own = OwnSurfaces { diffusivity: Some(Arc::new(d)), ..OwnSurfaces::default() };
        m.coordinates.iter_mut().for_each(|c| c.states = vec![own.clone()]);
    });
    assert!(!none(&own, 0.05), "its own diffusivity");
    // Steps so short that floats would feel it, along q and along x; midpoints that are not unique.
    assert!(none(&plain(), 1e-7) && none(&model("1", Axis::new("q", 1.0), "q^2", "1e-10"), 0.01));
    assert!(none(&model("1", Axis::new("q", 1.0), "q^4 - 8*q^2", "1"), 0.12));

    // Beyond the box, before somebody who must see events, and counted in another box: by the scalar kernel.
    let model = plain();
    let kernel = lanes(&model, &grid, 0.05);
    let scalar = Continuous::new(&model, &grid, 0.05, Scheme::Midpoint).expect("a potential");
    struct Watched(u64);
    impl Tally for Watched {
        fn sightings(&mut self, seen: &Sightings<'_>) {
            self.0 += seen.energy.len() as u64;
        }
    }
    let run = |kernel: &dyn Fn(&mut Walkers, &mut Stream), away: f64| {
        let mut walkers = walkers_of(&scalar, &model, &grid, 30, 0);
        walkers.coordinate[3] += away;
        let mut random = stream(31, Purpose::Advance, 0);
        kernel(&mut walkers, &mut random);
        walkers
    };
    let span = Span::Legs(5);
    let by = |lanes: bool, away: f64| {
        run(
            &|w, s| {
                let done = if lanes {
                    kernel.advance(w, span, s, &mut ())
                } else {
                    scalar.advance(w, span, s, &mut ())
                };
                done.expect("bounds");
            },
            away,
        )
    };
    assert!(by(true, 0.0) != by(false, 0.0));
    assert!(by(true, 50.0) == by(false, 50.0));
    let mut watched = Watched(0);
    let seen = run(&|w, s| kernel.advance(w, span, s, &mut Watched(0)).expect("bounds"), 0.0);
    assert!(seen == by(false, 0.0));
    let mut walkers = walkers_of(&scalar, &model, &grid, 30, 0);
    kernel.advance(&mut walkers, span, &mut stream(31, Purpose::Advance, 0), &mut watched).expect("bounds");
    assert_eq!(watched.0, 150);
    let other = run(
        &|w, s| {
            let mut tally = InternalSpace::new(&model, &grid, 0, [-5.0, 5.0]);
            kernel.advance(w, span, s, &mut tally).expect("bounds");
        },
        0.0,
    );
    assert!(other == by(false, 0.0));
    // Mistakes are those of the scalar kernel.
    assert!(LaneCoordinate::new(&model, &grid, -1.0).is_err());
}
