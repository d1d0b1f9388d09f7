//! Exact legs in vector lanes in a natural scale that all states share (frictions, forces): the same bits with any instructions and
//! cuts, closed forms, theory with its hidden currents, the law of the scalar legs.

use crate::common::*;
use soret::event::{Position, Walkers};
use soret::grid::Grid;
use soret::kernel::{Exact, Kernel, KernelError, Lanes, Span};
use soret::model::{Edge, Model, Motility, Network, State};
use soret::observable::Observable;
use soret::rng::{Purpose, stream};

fn lanes(model: &Model, grid: &Grid) -> Lanes {
    Lanes::new(model, grid).expect("bounds").expect("one natural scale, walls")
}

/// Energies and frictions of states.
fn with_frictions(model: Model, states: &[(f64, &str)]) -> Model {
    let state = |(k, (energy, friction)): (usize, &(f64, &str))| State {
        motility: Motility::Friction(field(friction)),
        ..State::new(format!("s{k}"), *energy, 1.0)
    };
    let network =
        Network::new(states.iter().enumerate().map(state).collect(), model.network.edges().to_vec());
    Model { network: network.expect("a network"), ..model }
}

/// Two states in a liquid that is thinner where it is hot.
fn frictions() -> Model {
    with_frictions(two_states(), &[(1.0, "100/(1 + 2*x)"), (0.0, "900/(1 + 2*x)")])
}

/// Two states and a force that acts on both of them.
fn forces() -> Model {
    Model { potential: Some(field("0.9*sin(6*x)")), ..two_states() }
}

/// Four states, friction and force, an edge that is driven, a kink.
fn both() -> Model {
    let edges = [(0, 1, 1.0, 1.5), (1, 2, 2.0, 1.4), (2, 3, 1.0, 1.6), (3, 0, 0.5, 1.2), (0, 2, 1.0, 2.0)];
    let mut edges = model("1", &[(0.0, 1.0); 4], &edges).network.edges().to_vec();
    edges[3] = Edge {
        law: soret::model::RateLaw::Activated { attempt_rate: 0.5, barrier: 1.2, affinity: 0.7 },
        ..edges[3].clone()
    };
    let plain = [0, 1, 2, 3].map(|k| State::new(k.to_string(), 0.0, 1.0)).to_vec();
    let model = Model { network: Network::new(plain, edges).expect("a network"), ..two_states() };
    let states = [
        (1.0, "90*(1 + x + abs(x - 0.4))"),
        (0.0, "900*(1 + x + abs(x - 0.4))"),
        (0.5, "300*(1 + x + abs(x - 0.4))"),
        (0.3, "200*(1 + x + abs(x - 0.4))"),
    ];
    Model { potential: Some(field("0.8*x*x")), ..with_frictions(model, &states) }
}

fn models() -> [(&'static str, Model); 3] {
    [("frictions", frictions()), ("forces", forces()), ("both", both())]
}

#[test]
fn the_same_bits_with_any_instructions_and_cuts() {
    let grid = Grid::new(1.0, 20);
    for (name, model) in models() {
        same_legs(name, &lanes(&model, &grid), &model, &grid, &[4, 1, 2, 996]);
    }
}

fn finished(model: &Model, legs: u64, seed: u64) -> Finished {
    finished_on(Grid::new(1.0, 20), model, legs, seed)
}

fn finished_on(grid: Grid, model: &Model, legs: u64, seed: u64) -> Finished {
    let runner = pair(lanes(model, &grid), model, &grid);
    let size = Size { particles: 4096, groups: 64, legs, seed };
    let plan = plan(runner.as_ref(), model, &grid, false, size);
    run(runner.as_ref(), model, &grid, &plan).expect("bounds")
}

/// The largest deviate of the densities in 20 bins from a law that is known but for its norm.
fn worst_bin(finished: &Finished, law: impl Fn(f64) -> f64) -> f64 {
    let bin = |k: usize| (0..200).map(|i| law((k as f64 + (f64::from(i) + 0.5) / 200.0) / 20.0)).sum::<f64>();
    let norm: f64 = (0..20).map(bin).sum::<f64>() / 20.0;
    let measured = finished.measure();
    let density = measured.iter().find(|m| m.observable == Observable::Density).expect("a density");
    let deviate = |k: usize| {
        let sample = density.samples[k].as_ref().expect("visits");
        (sample.value - bin(k) / norm).abs() / sample.std_error()
    };
    (0..20).map(deviate).fold(0.0, f64::max)
}

fn one_state(temperature: &str, friction: &str, potential: Option<&str>) -> Model {
    let model = with_frictions(model(temperature, &[(0.0, 1.0)], &[]), &[(0.3, friction)]);
    Model { potential: potential.map(field), ..model }
}

#[test]
fn one_state_has_the_law_of_its_temperature_or_potential() {
    // Without a force kT P is the same everywhere, whatever the friction; at one temperature P is that of Boltzmann. 20 bins
    // and 63 degrees of freedom: a deviate of 7.2 has the probability 1e-8 in each law. Errors of bins are a few parts in
    // ten thousand, so that half a per cent is seen.
    let hot = finished(&one_state("1 + 0.8*x", "100/(1 + 4*x)", None), 20_000, 21);
    let z = worst_bin(&hot, |x| 1.0 / (1.0 + 0.8 * x));
    assert!(z < 7.2, "{z}");
    let deep = finished(&one_state("0.7", "100*(1 + x)", Some("sin(5*x) - x")), 20_000, 22);
    let boltzmann = |depth: f64| move |x: f64| (-depth * ((5.0 * x).sin() - x) / 0.7).exp();
    let z = worst_bin(&deep, boltzmann(1.0));
    assert!(z < 7.2, "{z}");
    // Negative controls: laws a little off.
    for z in [worst_bin(&hot, |x| 1.0 / (1.0 + 0.78 * x)), worst_bin(&deep, boltzmann(0.99))] {
        assert!(z > 7.2, "{z}");
    }
}

#[test]
fn visits_are_scored_as_the_clock_says() {
    // Cells as wide as bins: the clock `kT gamma` changes by 5 to 9 % in each, and half as many visits are not scored. A deviate
    // of 7.2 has the probability 1e-8, as above.
    let grid = Grid { cells_per_bin: 1, ..Grid::new(1.0, 20) };
    let model = one_state("1 + 0.8*x", "100*(1 + x)", None);
    let finished = finished_on(grid, &model, 10_000, 23);
    let law = |x: f64| 1.0 / (1.0 + 0.8 * x);
    let z = worst_bin(&finished, law);
    assert!(z < 7.2, "{z}");
    // Negative control: what would be seen if all visits were scored, more than there should be by half the change in a cell.
    let change = |x: f64| 0.05 * (0.8 / (1.0 + 0.8 * x) + 1.0 / (1.0 + x));
    let z = worst_bin(&finished, |x| law(x) * (1.0 + 0.5 * change(x)));
    assert!(z > 7.2, "{z}");
}

#[test]
fn the_stationary_law_is_that_of_theory() {
    // All quantities of each system, hidden currents among them, alpha 1e-7 each; errors of densities of a few per mille.
    for (name, model) in models() {
        let finished = finished(&model, 4000, 9);
        assert_eq!(finished.broken(), Vec::<&str>::new());
        let comparison = finished.compare(&solve(&model), 1e-7);
        note(format!("{name}: error {:.1e}, {}", density_error(&comparison), worst(&comparison)));
        assert!(comparison.agrees, "{name}: {}", worst(&comparison));
        let currents =
            |c: &soret::comparison::Compared| matches!(c.measured.observable, Observable::Current(_));
        assert!(comparison.compared.iter().any(currents), "{name}");
        // Negative control: the theory of a temperature, or of a force, a little different.
        let wrong = Model { temperature: field("1 + 0.76*x"), ..model.clone() };
        assert!(!finished.compare(&solve(&wrong), 1e-7).agrees, "{name}");
    }
}

#[test]
fn lanes_and_scalar_legs_agree() {
    // After 1, 3 and 40 legs from one place: mean of cos(n pi x) and population, n = 1, 2, 5. 12 numbers in each model, all
    // differences below 5.9 standard errors (alpha 1e-7 over the 36 of the three); 6e4 walkers see 3 % of a standard deviation.
    const N: usize = 60_000;
    let grid = Grid::new(1.0, 20);
    let sample = |kernel: &dyn Fn(&mut Walkers, u64)| -> Vec<[f64; 2]> {
        let mut walkers = Walkers::new(vec![Position::from_fraction(0.3); N], vec![0; N]);
        let mut numbers = Vec::new();
        for legs in [1, 2, 37] {
            kernel(&mut walkers, legs);
            let mode = |i: usize, n: f64| (n * std::f64::consts::PI * walkers.position[i].fraction()).cos();
            let functions: [&dyn Fn(usize) -> f64; 4] =
                [&|i| mode(i, 1.0), &|i| mode(i, 2.0), &|i| mode(i, 5.0), &|i| f64::from(walkers.state[i])];
            for f in functions {
                let mean = (0..N).map(f).sum::<f64>() / N as f64;
                let square = (0..N).map(|i| f(i) * f(i)).sum::<f64>() / N as f64;
                numbers.push([mean, (square - mean * mean) / N as f64]);
            }
        }
        numbers
    };
    let largest = |a: &[[f64; 2]], b: &[[f64; 2]]| -> f64 {
        let z = a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).abs() / (a[1] + b[1]).sqrt());
        z.fold(0.0, f64::max)
    };
    let scalar = |kernel: &Exact, seed: u64| {
        sample(&|walkers: &mut Walkers, legs| {
            let mut random = stream(seed, Purpose::Advance, legs);
            kernel.advance(walkers, Span::Legs(legs), &mut random, &mut ()).expect("bounds");
        })
    };
    let in_lanes = |kernel: &Lanes| {
        sample(&|walkers: &mut Walkers, legs| {
            let mut random = stream(11, Purpose::Advance, legs);
            kernel.advance(walkers, Span::Legs(legs), &mut random, &mut ()).expect("bounds");
        })
    };
    for (name, model) in models() {
        let lanes = lanes(&model, &grid);
        let z = largest(&in_lanes(&lanes), &scalar(lanes.exact(), 12));
        assert!(z < 5.9, "{name}: {z}");
    }
    // Negative control: x itself as the scale, with the same candidates, seen where walkers are after one leg. Frictions
    // are smaller, so that candidates suffice for the rates.
    let lanes = lanes(&frictions(), &grid);
    let bent = with_frictions(two_states(), &[(1.0, "25"), (0.0, "225")]);
    let bent = Exact::with_rates(&bent, &grid, lanes.exact().rates().clone()).expect("bounds");
    let z = largest(&in_lanes(&lanes)[..3], &scalar(&bent, 13)[..3]);
    assert!(z > 5.9, "{z}");
}

#[test]
fn only_scales_that_states_share_go_in_lanes() {
    let grid = Grid::new(1.0, 20);
    let none = |model: &Model| Lanes::new(model, &grid).expect("bounds").is_none();
    let pair = |a: &str, b: &str| with_frictions(two_states(), &[(1.0, a), (0.0, b)]);
    assert!(!none(&pair("100/(1 + x)", "900/(1 + x)")));
    // Written otherwise, the same.
    assert!(!none(&pair("100/(1 + x)", "300/(1/3 + x/3)")));
    assert!(none(&pair("100/(1 + x)", "900/(1 + 1.001*x)")));
    assert!(none(&pair("100/(1 + x)", "900")));
    assert!(none(&Model { potential: Some(field("x")), ..pair("100", "900/(1 + x)") }));
    // A well so deep that cells of the grid have no room in the scale.
    let deep = |depth: &str| Model { potential: Some(field(&format!("{depth}*sin(6*x)"))), ..two_states() };
    assert!(!none(&deep("2.5")) && none(&deep("12")));
    // A run says so.
    assert!(lanes(&frictions(), &grid).arithmetic().contains("natural scale"));
    // Elapsed times are not known, as without lanes.
    let model = frictions();
    let mut walkers = Walkers::new(vec![Position::from_fraction(0.3); 64], vec![0; 64]);
    let mut random = stream(1, Purpose::Advance, 0);
    let timed = lanes(&model, &grid).advance(&mut walkers, Span::Duration(10.0), &mut random, &mut ());
    assert_eq!(timed, Err(KernelError::NoElapsedTime));
}

#[test]
fn visits_are_worth_the_width_of_their_cell() {
    // Cells begin at the nearest of 2^31 units of the scale, here y = ln(1 + 2 x)/ln 3; where one begins next to the middle of a
    // unit, the table of the scale may decide otherwise than its closed form.
    let grid = Grid::new(1.0, 20);
    let lanes = lanes(&frictions(), &grid);
    let units = 2_147_483_648.0;
    let face = |cell: usize| (1.0 + 2.0 * grid.cell_face(cell)).ln() / 3f64.ln() * units;
    let differ = |cell: &usize| {
        let (a, b) = (face(*cell), face(cell + 1));
        let worth = lanes.dwell(1, *cell) / lanes.exact().dwell(1, *cell);
        (worth - (b - a) / (b.round() - a.round())).abs() > 2e-8
    };
    let cells = grid.cells();
    let differing = (0..cells).filter(differ).count();
    assert!(differing < cells / 50, "{differing}");
    // Negative control: they are not worth the same.
    let same = |cell: &usize| lanes.dwell(1, *cell) == lanes.exact().dwell(1, *cell);
    assert!((0..cells).filter(same).count() < cells / 50);
}
