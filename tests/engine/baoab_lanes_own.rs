//! Underdamped steps in vector lanes of states with forces of their own: the same bits with any instructions, those of a common force where
//! all are alike, energies that close at every step, the law of a step, Boltzmann's law and detailed balance, Kramers' equation, and
//! who is driven too fast for lanes.
//!
//! Statistics are over 64 groups, a limit of 7.5 standard errors each (Student's t with 63 degrees of freedom: alpha 3e-10); there
//! are fewer than 100 such comparisons, 3e-8 altogether.

use super::baoab_lanes_states::{
    Group, Make, OneStep, SIGMAS, column, deviate, free, lanes, mean, mean_and_error, model, passed,
    same_bits, same_in_parts, sample, tallies, walkers_of,
};
use crate::common::{field, note};
use soret::event::Walkers;
use soret::grid::Grid;
use soret::kernel::{Kernel, LaneBaoab, Span};
use soret::model::{Edge, Model, Network, RateLaw};
use soret::rng::{Purpose, stream};
use soret::theory::kramers::{self, Options};
use std::f64::consts::PI;

/// The same with potentials of single states, where there is a text.
fn with_own(model: Model, potentials: &[&str]) -> Model {
    let mut states = model.network.states().to_vec();
    for (state, law) in states.iter_mut().zip(potentials) {
        state.potential = Some(*law).filter(|law| !law.is_empty()).map(field);
    }
    let network = Network::new(states, model.network.edges().to_vec()).expect("a network");
    Model { network, ..model }
}

/// Two harmonic wells across a gradient; hills of two states out of three besides a common one; constant forces against each other
/// and a drive.
fn models() -> [(&'static str, Make, Model, f64); 3] {
    let wells = model("1 + 0.8*x", &[(1.0, "6", 0.3), (3.0, "9", 0.0)], vec![Edge::new([0, 1], 6.0, 1.0)]);
    let edges = vec![Edge::new([0, 1], 3.0, 1.0), Edge::new([1, 2], 5.0, 1.5), Edge::new([2, 0], 2.0, 1.0)];
    let mut hills = model("1.2 + 0.1*cos(2*x)", &[(1.0, "5", 0.3), (2.0, "4", 0.0), (0.7, "6", 0.6)], edges);
    hills.potential = Some(field("0.5*x^4"));
    let driven = RateLaw::Activated { attempt_rate: 5.0, barrier: 1.5, affinity: 1.2 };
    let ramps = model(
        "1 + 0.5*x",
        &[(1.0, "5", 0.4), (2.0, "8", 0.0)],
        vec![Edge { between: [0, 1], law: driven }, free([0, 1], "1 + x", Some("2"))],
    );
    [
        ("wells", LaneBaoab::with_exact_flux, with_own(wells, &["6*(x - 0.3)^2", "4*(x - 0.8)^2"]), 0.03),
        ("hills", LaneBaoab::new, with_own(hills, &["sin(3*x)", "", "1.5*cos(3*x)"]), 0.04),
        ("ramps", LaneBaoab::with_exact_flux, with_own(ramps, &["2*x", "-3*x"]), 0.03),
    ]
}

#[test]
fn the_same_bits_with_any_instructions() {
    same_bits(&models());
}

#[test]
fn cutting_the_span_of_a_block_changes_no_walker_and_no_count() {
    same_in_parts(&models());
}

#[test]
fn forces_that_are_alike_are_a_common_one() {
    // With rates that know no energies: every bit of every walker, and every count.
    let grid = Grid::new(1.0, 20);
    let states = [(1.0, "5", 0.3), (2.0, "4", 0.0)];
    let plain = model("1.2 + 0.3*x", &states, vec![free([0, 1], "6", Some("4 + x"))]);
    for law in ["3*(x - 0.4)^2", "2*sin(3*x) + x^4"] {
        let common = Model { potential: Some(field(law)), ..plain.clone() };
        let own = with_own(plain.clone(), &[law, law]);
        let other = with_own(plain.clone(), &[law, "x"]);
        let begun = lanes(LaneBaoab::new, &common, &grid, 0.03);
        let begun = walkers_of(&begun, &common, &grid, 150, 0);
        let [common, own, other] = [common, own, other].map(|model| {
            let kernel = lanes(LaneBaoab::with_exact_flux, &model, &grid, 0.03);
            let (mut walkers, mut tally) = (begun.clone(), tallies(&model, &grid));
            let mut random = stream(47, Purpose::Advance, 0);
            kernel.advance(&mut walkers, Span::Legs(800), &mut random, &mut tally).expect("bounds");
            tally.0.flush();
            let visits: Vec<_> = (0..2).map(|s| tally.0.visits(s).to_vec()).collect();
            let passages: Vec<_> = (0..2).map(|c| tally.0.passages(c).to_vec()).collect();
            (walkers, visits, passages)
        });
        assert!(common == own, "{law}");
        assert!(common.0 != other.0, "negative control");
    }
}

/// `U_i(x)` of a state.
fn own_energy(model: &Model, state: u16, x: f64) -> f64 {
    model.network.states()[usize::from(state)].potential.as_ref().map_or(0.0, |u| u.value(x))
}

#[test]
fn energies_close_at_every_step() {
    // Heat and work are the kinetic energy and the enthalpy gained, and `U_i` where states change, which is in the middle of a
    // step; that place is where the flight after the first half kick ends.
    let grid = Grid::new(1.0, 20);
    for (name, make, model, dt) in models() {
        let kernel = lanes(make, &model, &grid, dt);
        let mut walkers = walkers_of(&kernel, &model, &grid, 150, 0);
        let mut random = stream(47, Purpose::Advance, 0);
        let (mut changed, mut worked, mut moved) = (0, 0.0f64, 0.0f64);
        for _ in 0..300 {
            let before = walkers.clone();
            let mut tally = tallies(&model, &grid);
            tally.1.open(&walkers);
            kernel.advance(&mut walkers, Span::Legs(1), &mut random, &mut tally).expect("bounds");
            tally.1.close(&walkers);
            let sum = |values: &[f64]| values.iter().sum::<f64>();
            let work: f64 = tally.1.exchanged().map(|[_, work]| work).sum();
            let left = sum(tally.1.heat()) + work - sum(tally.1.gain());
            let lifted: f64 = (0..150).map(|i| lift(&model, dt, &before, &walkers, i)).sum();
            assert!((left - lifted).abs() < 1e-6, "{name}: {left} {lifted}");
            changed += (0..150).filter(|i| before.state[*i] != walkers.state[*i]).count();
            worked += work.abs();
            moved += lifted.abs();
        }
        note(format!("{name}: {changed}, {worked}, {moved}"));
        assert!(changed > 500 && worked > 50.0 && moved > 50.0, "{name}: {changed} {worked} {moved}");
    }
}

/// What a change of state in the middle of a step adds to `U_i`.
fn lift(model: &Model, dt: f64, before: &Walkers, after: &Walkers, i: usize) -> f64 {
    let (from, to) = (before.state[i], after.state[i]);
    let x = before.position[i].fraction();
    let force: f64 = model.potentials(usize::from(from)).map(|u| -u.slope(x)).sum();
    let mass = model.network.states()[usize::from(from)].mass.expect("a mass");
    let middle = x + 0.5 * dt * (before.velocity[i] + 0.5 * dt * force / mass);
    let middle = (1.0 - (1.0 - middle).abs()).abs();
    own_energy(model, to, middle) - own_energy(model, from, middle)
}

#[test]
fn a_step_feels_the_force_of_the_state_that_there_is() {
    // Constant forces, `p = F dt/2 sqrt(m)`: half a kick in the state left, transitions and exchange, half a kick in the state reached. The
    // mean of `u = v sqrt(m)` is known to 0.002 and less.
    let (grid, dt) = (Grid::new(1.0, 10), 0.04);
    let (masses, frictions, rates) = ([1.0f64, 4.0], [5.0, 60.0], [10.0, 6.0]);
    let states = [(1.0, "5", 0.0), (4.0, "60", 0.0)];
    let plain = model("1.5", &states, vec![free([0, 1], "10", Some("6"))]);
    let model = with_own(plain, &["-8*x", "12*x"]);
    let kick = [0, 1].map(|s: usize| [8.0, -12.0][s] * 0.5 * dt / masses[s].sqrt());
    let lanes = lanes(LaneBaoab::new, &model, &grid, dt);
    let bath = |s: usize| (f64::exp(-frictions[s] * dt / masses[s]), 1.5);
    for from in [0usize, 1] {
        let step = OneStep { model: model.clone(), grid, dt, masses, rates, place: 0.4, begun: 2.0 };
        for (kernel, groups) in ["lanes", "scalar"].into_iter().zip(step.sampled(&lanes, from)) {
            let kicked = |by: f64| OneStep { begun: step.begun + by, model: model.clone(), ..step };
            for to in [0, 1] {
                let z = |first: f64, last: f64| {
                    let reached = step.law(0, 0.5, bath)[from][to];
                    column(&groups, 1, to, kicked(first).law(1, 0.5, bath)[from][to] + last * reached)
                };
                let own = z(kick[from], kick[to]);
                note(format!("{kernel}, {from} to {to}: {own:.1}"));
                assert!(own.abs() < SIGMAS, "{kernel}, {from} to {to}: {own}");
                // Negative controls: the force of the other state before, or after.
                let others = [z(kick[1 - from], kick[to]), z(kick[from], kick[1 - to])];
                assert!(others.iter().all(|z| z.abs() > SIGMAS), "{others:?}");
            }
        }
    }
}

/// The integral over the domain.
fn over(f: &dyn Fn(f64) -> f64) -> f64 {
    (0..2000).map(|k| f((f64::from(k) + 0.5) / 2000.0) / 2000.0).sum()
}

#[test]
fn uniform_temperature_gives_boltzmann_in_unlike_wells() {
    // `P_i ~ exp(-(E_i + U_i)/T)` and Maxwell's law, and every edge as often one way as the other everywhere. With what second order in
    // dt leaves: omega dt is 0.1 at most.
    let (grid, dt, t) = (Grid::new(1.0, 20), 0.03, 1.3);
    let edges = vec![Edge::new([0, 1], 10.0, 4.0), Edge::new([1, 0], 3.0, 3.0)];
    let plain = model("1.3", &[(1.0, "6", 0.5), (3.0, "15", 0.0)], edges);
    let model = with_own(plain, &["6*(x - 0.2)^2", "9*(x - 0.7)^2"]);
    let kernel = lanes(LaneBaoab::with_exact_flux, &model, &grid, dt);
    let groups = sample(&kernel, &model, &grid, 400, 6000);
    let z = |of: &dyn Fn(&Group) -> f64, expected: f64| deviate(groups.iter().map(of).collect(), expected);
    let boltzmann = |s: usize, x: f64| f64::exp(-model.energy(s, x) / t);
    let all: f64 = (0..2).map(|s| over(&|x| boltzmann(s, x))).sum();
    let (sin, cos) = (|x: f64| (PI * x).sin(), |x: f64| (PI * x).cos());
    for s in [0usize, 1] {
        let mass = model.network.states()[s].mass.expect("a mass");
        for (k, f) in [&|_| 1.0, &cos as &dyn Fn(f64) -> f64, &sin].into_iter().enumerate() {
            let expected = over(&|x| boltzmann(s, x) * f(x)) / all;
            let (value, error) = mean_and_error(groups.iter().map(|g| mean(g, s, 0, f)).collect());
            note(format!("state {s}, {k}: {value:.5} ± {error:.5}, {expected:.5}"));
            assert!((value - expected).abs() < SIGMAS * error + 0.001, "{s}, {k}: {value} {expected}");
            // Negative controls: nobody feels the well of the other state, or none.
            let of =
                |p: &dyn Fn(f64) -> f64| over(&|x| p(x) * f(x)) / over(p) * over(&|x| boltzmann(s, x)) / all;
            let [other, none] = [of(&|x| boltzmann(1 - s, x)), of(&|_| 1.0)];
            for wrong in [other, none] {
                assert!(k != 1 || (value - wrong).abs() > SIGMAS * error + 0.001, "{s}, {k}: {wrong}");
            }
            let square = mass * mean_and_error(groups.iter().map(|g| mean(g, s, 2, f)).collect()).0 / t;
            assert!((square - expected).abs() < 0.004, "{s}, {k}: {square} {expected}");
        }
    }
    for edge in [0, 1] {
        for (k, f) in [&|_| 1.0, &cos as &dyn Fn(f64) -> f64, &sin].into_iter().enumerate() {
            let [forth, back] = [2 * edge, 2 * edge + 1].map(|c| move |g: &Group| passed(g, c, f));
            let net = z(&|g| forth(g) - back(g), 0.0);
            note(format!("edge {edge}: {net:.1}"));
            assert!(net.abs() < SIGMAS, "edge {edge}: {net}");
            let uneven = z(&|g| forth(g) - 0.95 * back(g), 0.0);
            assert!(k == 1 || uneven.abs() > SIGMAS, "negative control: {uneven}");
        }
    }
}

#[test]
fn a_gradient_gives_the_law_of_kramers_and_that_of_the_scalar_kernel() {
    let (grid, dt, steps) = (Grid::new(1.0, 10), 0.03, 2500);
    let masses = [1.0, 3.0];
    let plain = model("1 + 1.5*x", &[(1.0, "10", 1.0), (3.0, "20", 0.0)], vec![Edge::new([0, 1], 10.0, 2.5)]);
    let model = with_own(plain, &["3*(x - 0.3)^2", "x^2 - 2*x"]);
    let options = Options { tolerance: 1e-3, ..Options::default() };
    let law = kramers::solve(&model, &masses, &options).expect("a law");
    let (cos, sin) = (|x: f64| (PI * x).cos(), |x: f64| (PI * x).sin());
    let [forth, back] = [0, 1].map(|c| model.network.channel(c));
    let density = |s: usize, x: f64| law.density_at(x)[s];
    // With what steps of that length and Kramers' equation may differ by.
    let expected = [
        (over(&|x| density(0, x)), 0.002),
        (over(&|x| density(0, x) * cos(x)), 0.002),
        (over(&|x| density(1, x) * cos(x)), 0.002),
        (over(&|x| law.current_at(x)[0] * sin(x)), 0.0003),
        (over(&|x| law.momentum_flux_at(x)[0] * cos(x)), 0.002),
        (over(&|x| law.momentum_flux_at(x)[1] * cos(x)), 0.002),
        (over(&|x| model.rate(forth, x) * density(0, x) * cos(x)), 0.005),
        (over(&|x| model.rate(back, x) * density(1, x) * cos(x)), 0.005),
    ];
    let columns: [&dyn Fn(&Group) -> f64; 8] = [
        &|g| mean(g, 0, 0, |_| 1.0),
        &|g| mean(g, 0, 0, cos),
        &|g| mean(g, 1, 0, cos),
        &|g| mean(g, 0, 1, sin),
        &|g| masses[0] * mean(g, 0, 2, cos),
        &|g| masses[1] * mean(g, 1, 2, cos),
        &|g| passed(g, 0, cos) / (dt * 64.0 * steps as f64),
        &|g| passed(g, 1, cos) / (dt * 64.0 * steps as f64),
    ];
    let lanes = lanes(LaneBaoab::with_exact_flux, &model, &grid, dt);
    let groups =
        [sample(&lanes, &model, &grid, 800, steps), sample(lanes.scalar(), &model, &grid, 800, steps)];
    for (k, column) in columns.into_iter().enumerate() {
        let [(value, error), (scalar, error_of_scalar)] =
            [0, 1].map(|kernel: usize| mean_and_error(groups[kernel].iter().map(column).collect()));
        let (law, allowed) = expected[k];
        note(format!("{k}: {value:.5} ± {error:.5}, {scalar:.5} ± {error_of_scalar:.5}, {law:.5}"));
        assert!((value - scalar).abs() < SIGMAS * error.hypot(error_of_scalar), "{k}: the scalar kernel");
        assert!((value - law).abs() < SIGMAS * error + allowed, "{k}: Kramers' equation");
    }
}

/// States that push to either side and change near the wall they are pushed to, which goes on for ever.
fn pump(force: f64, friction: [&str; 2]) -> Model {
    let states = [(1.0, friction[0], 0.0), (2.0, friction[1], 0.0)];
    let there = |wall: &str| format!("20*({wall})^12");
    let edge = free([0, 1], &there("x"), Some(&there("1 - x")));
    with_own(model("1", &states, vec![edge]), &[&format!("{}*x", -force), &format!("{force}*x")])
}

#[test]
fn who_is_driven_stays_below_the_bound_or_is_left() {
    let (grid, dt) = (Grid::new(1.0, 20), 0.02);
    let none = |model: &Model| LaneBaoab::new(model, &grid, dt).expect("bounds").is_none();
    // `F/gamma` of at most 16 thermal velocities sqrt(kT/m_0), whatever drives; one falls from wall to wall else.
    assert!(
        !none(&pump(15.0, ["1", "2"])) && none(&pump(15.0, ["0.9", "2"])) && none(&pump(17.0, ["1", "2"]))
    );
    // Who is lifted over barriers alone falls no deeper than energies span.
    let lifted = |force: f64, edge: Edge| {
        let plain = model("1", &[(1.0, "0.2", 0.0), (2.0, "0.2", 0.0)], vec![edge]);
        with_own(plain, &[&format!("{}*x", -force), &format!("{force}*x")])
    };
    let passive = |force: f64| lifted(force, Edge::new([0, 1], 1.0, 65.0));
    assert!(!none(&passive(63.0)) && none(&passive(65.0)));
    let mut states = passive(15.0).network.states().to_vec();
    states[0].entropy = 100.0;
    let network = Network::new(states, passive(15.0).network.edges().to_vec()).expect("a network");
    assert!(none(&Model { network, ..passive(15.0) }), "entropies span as much");
    let driven = RateLaw::Activated { attempt_rate: 0.01, barrier: 16.0, affinity: 1.0 };
    assert!(none(&lifted(15.0, Edge { between: [0, 1], law: driven })));
    // Driven all the time: the mean square of velocities is that of the scalar kernel, far above kT/m, and the first law closes.
    let model = pump(12.0, ["1", "2"]);
    let kernel = lanes(LaneBaoab::new, &model, &grid, dt);
    let groups =
        [sample(&kernel, &model, &grid, 600, 2000), sample(kernel.scalar(), &model, &grid, 600, 2000)];
    let [(value, error), (scalar, error_of_scalar)] = groups
        .each_ref()
        .map(|groups| mean_and_error(groups.iter().map(|g| mean(g, 0, 2, |_| 1.0)).collect()));
    note(format!("{value:.3} ± {error:.3}, {scalar:.3} ± {error_of_scalar:.3}"));
    assert!((value - scalar).abs() < SIGMAS * error.hypot(error_of_scalar) && value > 4.0);
}

#[test]
fn what_lanes_cannot_do_they_leave() {
    let (grid, dt) = (Grid::new(1.0, 20), 0.03);
    let states = [(1.0, "10", 0.5), (2.0, "5", 0.0)];
    let none = |own: [&str; 2]| {
        // A barrier above all wells.
        let plain = model("1 + 0.8*x", &states, vec![Edge::new([0, 1], 2.0, 230.0)]);
        LaneBaoab::new(&with_own(plain, &own), &grid, dt).expect("bounds").is_none()
    };
    assert!(!none(["", "x"]) && !none(["sin(3*x)", ""]));
    // A kink in a force, however small; one that is no polynomial, however small; a well too steep for its mass, one too deep.
    assert!(none(["", "abs(x - 0.5)"]) && none(["", "x + 1e-9*abs(x - 0.5)"]));
    assert!(none(["0.1*tanh(20*(x - 0.5))", "x"]) && none(["50*x", "1e-7*tanh(20*(x - 0.5))"]));
    assert!(
        !none(["500*(x - 0.5)^2", ""]) && none(["600*(x - 0.5)^2", ""]) && !none(["", "900*(x - 0.5)^2"])
    );
    assert!(!none(["", "200*x"]) && none(["", "240*x"]));
    // Candidates are those of the place where most come: at x = 1, where nobody is.
    let often = |barrier: f64| {
        let model = with_own(model("1", &states, vec![Edge::new([0, 1], 1.0, barrier)]), &["6*x^2", ""]);
        LaneBaoab::new(&model, &grid, dt).expect("bounds").is_none()
    };
    assert!(!often(3.2) && often(2.9));
}
