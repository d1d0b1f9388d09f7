//! The law of particles with inertia against exact solutions, balances, its overdamped limit, the equation
//! itself by finite differences, and an independent discretisation.

use crate::common;
use crate::common::field;
use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Boundary, Domain, Edge, Model, Motility, Network, RateLaw, State};
use soret::observable::Observable;
use soret::theory::kramers::{self, Kramers, Options};
use soret::theory::{Overdamped, TheoryError, stationary};
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::path::Path;

fn state(energy: f64, friction: &str) -> State {
    let mut state = State::new(format!("of {energy}"), energy, 1.0);
    state.motility = Motility::Friction(field(friction));
    state
}

fn of_states(temperature: &str, states: Vec<State>, edges: Vec<Edge>) -> Model {
    let temperature = Expression::parse(temperature, &["x"], &[]).expect("an expression");
    Model::new(1.0, temperature, states, edges).expect("a model")
}

fn one(temperature: &str, friction: f64) -> Model {
    of_states(temperature, vec![state(0.0, &friction.to_string())], vec![])
}

/// Two states with frictions that vary, joined by a passive and a driven edge, in a potential and one of the
/// second.
fn two(temperature: &str, affinity: f64) -> Model {
    let mut states = vec![state(0.5, "4 + 2*x"), state(0.0, "9 - 3*x*x")];
    states[1].potential = Some(field("0.4*sin(2*x)"));
    let driven = RateLaw::Activated { attempt_rate: 1.0, barrier: 1.0, affinity };
    let edges = vec![Edge::new([0, 1], 3.0, 1.2), Edge { between: [0, 1], law: driven }];
    let mut model = of_states(temperature, states, edges);
    model.potential = Some(field("0.7*cos(3*x)"));
    model
}

/// As many modes as a quick test can have.
fn accurate(model: &Model) -> Options {
    let max_modes = 128 / model.network.states().len();
    Options { tolerance: 1e-9, max_modes, ..Options::default() }
}

fn solve(model: &Model, masses: &[f64]) -> Kramers {
    kramers::solve(model, masses, &accurate(model)).expect("a solution")
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: {found:e}, expected {expected:e} within {tolerance:e}"
    );
}

/// `int_lo^hi f dx` by Simpson's rule.
fn integral(lo: f64, hi: f64, f: impl Fn(f64) -> f64) -> f64 {
    let pieces = 200;
    let h = (hi - lo) / f64::from(pieces);
    let weight = |k: i32| if k == 0 || k == pieces { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
    (0..=pieces).map(|k| weight(k) * f(lo + h * f64::from(k))).sum::<f64>() * h / 3.0
}

fn maxwell(v: f64, mass: f64, thermal_energy: f64) -> f64 {
    (mass / (2.0 * PI * thermal_energy)).sqrt() * (-0.5 * mass * v * v / thermal_energy).exp()
}

/// One row of the table: friction, quantity, bin or position, speed or velocity, value, error.
type Row = (f64, String, f64, Option<f64>, f64, f64);

fn table() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kramers.csv");
    let text = std::fs::read_to_string(path).expect("a table");
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |k: usize| cells[k].parse().expect("a number");
        let speed = (!cells[3].is_empty()).then(|| number(3));
        (number(0), cells[1].to_owned(), number(2), speed, number(4), number(5))
    })
    .collect()
}

/// Largest deviation from the table by quantity, relative to the largest value of each.
fn deviations(friction: f64, law: &Kramers) -> BTreeMap<String, f64> {
    let rows: Vec<Row> = table().into_iter().filter(|row| row.0 == friction).collect();
    assert!(rows.len() > 70);
    let grid = Grid::new(1.0, 10);
    let bins = |f: &dyn Fn(f64) -> f64| law.bin_averages(&grid, f).expect("the same length");
    let density = bins(&|x| law.total_density_at(x));
    let pressure = bins(&|x| law.momentum_flux_at(x)[0]);
    let heat = bins(&|x| law.kinetic_heat_current_at(x));
    let slow = bins(&|x| law.slow_current_at(x, 1.5));
    let mut largest: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (_, quantity, place, speed, value, _) in rows {
        let bin = || place as usize;
        let found = match quantity.as_str() {
            "density" => density[bin()],
            "pressure" => pressure[bin()],
            "heat_current" => heat[bin()],
            "slow_current" => slow[bin()],
            "density_at" => law.total_density_at(place),
            "heat_current_at" => law.kinetic_heat_current_at(place),
            "slow_current_at" => law.slow_current_at(place, speed.expect("a speed")),
            "phase_density_at" => law.phase_density_at(place, speed.expect("a velocity"))[0],
            other => panic!("{other}"),
        };
        let entry = largest.entry(quantity).or_default();
        *entry = (entry.0.max((found - value).abs()), entry.1.max(value.abs()));
    }
    largest.into_iter().map(|(quantity, (difference, scale))| (quantity, difference / scale)).collect()
}

#[test]
fn an_independent_discretisation_agrees() {
    for friction in [1.0, 5.0, 10.0] {
        let law = solve(&one("1 + 0.8*x", friction), &[1.0]);
        let found = deviations(friction, &law);
        for (quantity, deviation) in found {
            let tolerance = match quantity.as_str() {
                "density" | "pressure" | "heat_current" | "heat_current_at" => 1e-7,
                // Windows of the velocity, and points at the walls, where the law is singular at v = 0.
                "slow_current" | "slow_current_at" | "density_at" => 5e-6,
                _ => 1e-4,
            };
            assert!(deviation < tolerance, "{quantity} at friction {friction}: {deviation:e}");
        }
    }
}

#[test]
fn the_table_sees_a_change_of_the_friction_by_a_thousandth() {
    let found = deviations(5.0, &solve(&one("1 + 0.8*x", 5.005), &[1.0]));
    for quantity in ["density", "heat_current", "slow_current", "phase_density_at"] {
        assert!(found[quantity] > 2e-5, "{quantity}: {:e}", found[quantity]);
    }
}

#[test]
fn at_uniform_temperature_maxwell_and_boltzmann_hold_and_nothing_flows() {
    for scale in [0.1, 1.0, 8.0] {
        let mut model = two("0.9", 0.0);
        for (i, of) in model.network.states().to_vec().iter().enumerate() {
            let friction = of.motility.parts().1.describe();
            let mut states = model.network.states().to_vec();
            states[i].motility = Motility::Friction(field(&format!("{scale}*({friction})")));
            model.network = Network::new(states, model.network.edges().to_vec()).expect("a network");
        }
        let masses = [1.0, 2.5];
        let law = solve(&model, &masses);
        let weight = |i: usize, x: f64| (-model.energy(i, x) / 0.9).exp();
        let norm = integral(0.0, 1.0, |x| weight(0, x) + weight(1, x));
        for x in [0.0, 0.01, 0.37, 0.8, 1.0] {
            for (i, mass) in masses.into_iter().enumerate() {
                let density = weight(i, x) / norm;
                assert_near(law.density_at(x)[i], density, 1e-9, "density");
                assert_near(law.current_at(x)[i], 0.0, 1e-10, "current");
                assert_near(
                    law.kinetic_temperature_at(x)[i].expect("a density"),
                    0.9,
                    1e-8,
                    "kinetic temperature",
                );
                for v in [-2.0, 0.0, 0.6] {
                    let expected = density * maxwell(v, mass, 0.9);
                    assert_near(law.phase_density_at(x, v)[i], expected, 1e-9, "phase density");
                    assert_near(law.deviation_at(x, v)[i].expect("known"), 0.0, 1e-7, "deviation");
                }
            }
            assert_near(law.kinetic_heat_current_at(x), 0.0, 1e-10, "kinetic heat current");
            assert_near(law.heat_current_at(x), 0.0, 1e-10, "heat current");
            assert_near(law.slow_current_at(x, 1.2), 0.0, 1e-10, "slow current");
            assert_eq!(law.largest_slow_current_at(x), None);
        }
        assert_near(law.entropy_production().expect("known"), 0.0, 1e-9, "entropy production");
        assert_eq!(law.soret(), None);
        // Relative to a millionth of the density, for want of currents.
        assert!(law.error_estimate() < 1e-4, "{:e}", law.error_estimate());
    }
}

#[test]
fn momentum_flux_of_one_state_is_flat_at_any_friction() {
    for friction in [0.3, 1.0, 5.0, 50.0, 1000.0] {
        let law = solve(&one("1 + 0.5*sin(5*x)", friction), &[1.0]);
        let middle = law.momentum_flux_at(0.5)[0];
        for k in 0..=40 {
            let x = f64::from(k) / 40.0;
            assert_near(law.momentum_flux_at(x)[0], middle, 1e-8 * middle, "P <v^2>");
            assert_near(law.current_at(x)[0], 0.0, 1e-12, "current");
        }
    }
}

#[test]
fn heat_taken_from_the_bath_is_carried_away_bin_by_bin() {
    let grid = Grid::new(1.0, 10);
    let balance = |law: &Kramers| -> f64 {
        let sources = |x: f64| {
            law.heat_of_kicks_at(x)
                + law.heat_of_transitions_at(x).expect("known")
                + law.work_at(x).expect("known")
        };
        let sources = law.bin_averages(&grid, sources).expect("the same length");
        let error = |(b, source): (usize, f64)| {
            let gained = law.heat_current_at(grid.face(b + 1)) - law.heat_current_at(grid.face(b));
            (gained - source * grid.bin_width()).abs()
        };
        sources.into_iter().enumerate().map(error).fold(0.0, f64::max)
    };
    for friction in [1.0, 10.0, 50.0] {
        let law = solve(&one("1 + 0.8*x", friction), &[1.0]);
        let size = law.heat_current_at(0.5).abs();
        assert!(balance(&law) < 1e-7 * size, "friction {friction}: {:e} of {size:e}", balance(&law));
    }
    for affinity in [0.0, 1.5] {
        let mut model = two("1 + 0.6*x", affinity);
        let mut states = model.network.states().to_vec();
        states[0].drift = Some(field("0.3 - x"));
        model.network = Network::new(states, model.network.edges().to_vec()).expect("a network");
        let law = solve(&model, &[1.0, 2.5]);
        let size = law.heat_current_at(0.5).abs();
        assert!(balance(&law) < 1e-6 * size, "affinity {affinity}: {:e} of {size:e}", balance(&law));
        assert!(law.work_at(0.5).expect("known").abs() > 1e-3);
    }
}

#[test]
fn momentum_of_two_states_is_balanced() {
    for (masses, of_transitions) in [([1.0, 1.0], 0.0), ([1.0, 2.5], 1.0)] {
        let model = two("1 + 0.6*x", 0.5);
        let law = solve(&model, &masses);
        let (lo, hi) = (0.2, 0.7);
        // What is left of (3) without the momentum of transitions, and that momentum.
        let force = |x: f64| -> f64 {
            let of_state = |i: usize| {
                let slope: f64 = model.potentials(i).map(|u| u.slope(x)).sum();
                -slope * law.density_at(x)[i] - model.resistance(i, x) * law.current_at(x)[i]
            };
            of_state(0) + of_state(1)
        };
        let given = |x: f64| -> f64 {
            let of_channel = |c: soret::model::Channel| {
                let (m, to) = (masses[c.from], masses[c.to]);
                model.rate(c, x) * law.current_at(x)[c.from] * ((m * to).sqrt() - m)
            };
            model.network.channels().map(of_channel).sum()
        };
        let risen: f64 =
            law.momentum_flux_at(hi).iter().sum::<f64>() - law.momentum_flux_at(lo).iter().sum::<f64>();
        let rest = risen - integral(lo, hi, force);
        let transitions = integral(lo, hi, given);
        let currents = law.current_at(0.4);
        assert_near(currents[0], -currents[1], 1e-10, "total current");
        assert!(currents[0].abs() > 1e-3);
        assert_near(rest, transitions, 1e-7, "momentum");
        // Masses that differ need the last term.
        assert_eq!(transitions.abs() > 1e-3, of_transitions > 0.0, "{transitions:e}");
    }
}

/// The two sides of the equation at a point of phase space and state, with derivatives by differences of
/// values: no mode enters. `scattered` is the factor between velocities in a transition from `m` to `to`.
fn residual(law: &Kramers, i: usize, [x, v]: [f64; 2], scattered: impl Fn(f64, f64) -> f64) -> [f64; 2] {
    let (model, masses) = (law.model(), law.masses());
    let (dx, dv) = (1e-3, 1e-2);
    let p = |x: f64, v: f64| law.phase_density_at(x, v)[i];
    let slope = |f: &dyn Fn(f64) -> f64, at: f64, h: f64| {
        (8.0 * (f(at + h) - f(at - h)) - (f(at + 2.0 * h) - f(at - 2.0 * h))) / (12.0 * h)
    };
    let nu = model.resistance(i, x) / masses[i];
    let gradient: f64 = model.potentials(i).map(|u| u.slope(x)).sum();
    let acceleration = (model.propulsion(i, x) - gradient) / masses[i];
    let width = model.thermal_energy(x) / masses[i];
    let in_v = |v: f64| p(x, v);
    let flux = |v: f64| (nu * v - acceleration) * p(x, v) + nu * width * slope(&in_v, v, dv);
    let mut gained = slope(&flux, v, dv);
    for c in model.network.channels() {
        let rate = model.rate(c, x);
        if c.from == i {
            gained -= rate * p(x, v);
        } else if c.to == i {
            let factor = scattered(masses[c.from], masses[i]);
            gained += rate * law.phase_density_at(x, v / factor)[c.from] / factor;
        }
    }
    [v * slope(&|x| p(x, v), x, dx), gained]
}

#[test]
fn the_equation_holds_at_points_of_phase_space() {
    let mut model = two("1 + 0.6*x", 1.0);
    let mut states = model.network.states().to_vec();
    states[1].drift = Some(field("0.2 + 0.1*x"));
    model.network = Network::new(states, model.network.edges().to_vec()).expect("a network");
    let law = solve(&model, &[1.0, 2.5]);
    let energy = |m: f64, to: f64| (m / to).sqrt();
    let mut wrong: f64 = 0.0;
    for point in [[0.3, 0.5], [0.3, -0.5], [0.52, 1.4], [0.7, -0.9], [0.81, 0.1]] {
        for i in 0..2 {
            let [left, right] = residual(&law, i, point, energy);
            assert_near(left, right, 3e-6, &format!("state {i} at {point:?}"));
            // Had transitions kept the velocity instead of the kinetic energy, it would not.
            let [left, right] = residual(&law, i, point, |_, _| 1.0);
            wrong = wrong.max((left - right).abs());
        }
    }
    assert!(wrong > 1e-2, "{wrong:e}");
}

#[test]
fn walls_are_the_even_extension_to_a_ring() {
    let walls = solve(&one("1 + 0.8*x", 4.0), &[1.0]);
    let mut model = one("1 + 0.8*min(x, 2 - x)", 4.0);
    model.domain = Domain { length: 2.0, walls: Boundary::Periodic };
    let ring = solve(&model, &[1.0]);
    for x in [0.05, 0.4, 0.93] {
        assert_near(ring.total_density_at(x), 0.5 * walls.total_density_at(x), 1e-7, "density");
        let current = ring.kinetic_heat_current_at(x);
        assert_near(current, 0.5 * walls.kinetic_heat_current_at(x), 1e-7, "heat current");
        assert_near(ring.kinetic_heat_current_at(2.0 - x), -current, 1e-9, "mirrored heat current");
        for v in [-1.3, 0.4] {
            let expected = 0.5 * walls.phase_density_at(x, v)[0];
            assert_near(ring.phase_density_at(x, v)[0], expected, 1e-6, "phase density");
            assert_near(ring.phase_density_at(2.0 - x, -v)[0], expected, 1e-6, "mirrored phase density");
        }
    }
    for v in [0.3, 1.7] {
        assert_eq!(walls.phase_density_at(0.0, v), walls.phase_density_at(0.0, -v));
        assert_eq!(walls.phase_density_at(1.0, v), walls.phase_density_at(1.0, -v));
    }
}

#[test]
fn a_drift_round_a_ring_shifts_maxwells_law() {
    let mut only = state(0.0, "2");
    only.drift = Some(field("0.4"));
    let mut model = of_states("1.3", vec![only], vec![]);
    model.domain = Domain { length: 0.8, walls: Boundary::Periodic };
    let law = solve(&model, &[1.7]);
    for x in [0.0, 0.3, 0.8] {
        assert_near(law.total_density_at(x), 1.25, 1e-11, "density");
        assert_near(law.current_at(x)[0], 0.4 * 1.25, 1e-11, "current");
        for v in [-1.0, 0.0, 0.4, 2.0] {
            assert_near(
                law.phase_density_at(x, v)[0],
                1.25 * maxwell(v - 0.4, 1.7, 1.3),
                1e-10,
                "phase density",
            );
        }
        assert_near(law.work_at(x).expect("known"), 2.0 * 0.4 * 0.4 * 1.25, 1e-10, "work");
        assert_near(law.heat_of_kicks_at(x), -2.0 * 0.4 * 0.4 * 1.25, 1e-9, "heat");
    }
    let produced = 2.0 * 0.4 * 0.4 / 1.3;
    assert_near(law.entropy_production().expect("known"), produced, 1e-9, "entropy production");
}

#[test]
fn phase_space_adds_up_to_densities_and_currents() {
    let law = solve(&two("1 + 0.6*x", 1.0), &[1.0, 2.5]);
    for x in [0.0, 0.13, 0.6] {
        for i in 0..2 {
            let moment = |f: fn(f64) -> f64| integral(-9.0, 9.0, |v| f(v) * law.phase_density_at(x, v)[i]);
            assert_near(moment(|_| 1.0), law.density_at(x)[i], 1e-9, "density");
            assert_near(moment(|v| v), law.current_at(x)[i], 1e-9, "current");
            let flux = law.masses()[i] * moment(|v| v * v);
            assert_near(flux, law.momentum_flux_at(x)[i], 1e-8, "momentum flux");
        }
        let heat = |i: usize, v: f64| 0.5 * law.masses()[i] * v * v * law.phase_current_at(x, v)[i];
        let heat = integral(-9.0, 9.0, |v| heat(0, v) + heat(1, v));
        assert_near(heat, law.kinetic_heat_current_at(x), 1e-8, "heat current");
        let slow = integral(-0.9, 0.9, |v| law.phase_current_at(x, v).iter().sum());
        assert_near(law.slow_current_at(x, 0.9), slow, 1e-9, "slow current");
        let fast = law.fast_current_at(x, 0.9);
        assert_near(fast + slow, law.current_at(x).iter().sum(), 1e-9, "total current");
        if let Some(most) = law.largest_slow_current_at(x) {
            for speed in [0.3, 0.9, 1.1, 2.0, most.speed - 1e-3, most.speed + 1e-3] {
                assert!(law.slow_current_at(x, speed).abs() <= most.current.abs());
            }
        }
    }
}

#[test]
fn overdamped_formulas_are_approached_in_second_order() {
    // In the middle, far from the layers at the walls; a potential makes the density more than 1/T.
    let errors = |friction: f64| -> [f64; 4] {
        let mut model = one("1.2 + 0.3*x*x", friction);
        model.potential = Some(field("0.5*sin(2*x)"));
        let mass = 1.0;
        let law = solve(&model, &[mass]);
        let closed = Overdamped::new(&model, mass).expect("premises").at(0.5);
        assert!(closed.paths_to_wall > 15.0);
        let slow = law.largest_slow_current_at(0.5).expect("a current");
        [
            law.total_density_at(0.5) / closed.density - 1.0,
            law.kinetic_heat_current_at(0.5) / closed.heat_current() - 1.0,
            slow.current / closed.slow_current(closed.fastest_slow()) - 1.0,
            slow.speed / closed.fastest_slow() - 1.0,
        ]
    };
    let [rough, fine] = [40.0, 80.0].map(errors);
    for (a, b) in rough.into_iter().zip(fine) {
        assert!(a.abs() > 1e-5 && b.abs() < 2e-3, "{a:e} {b:e}");
        assert!((3.4..4.6).contains(&(a / b)), "{a:e} falls to {b:e}");
    }
}

#[test]
fn at_friction_50_heat_and_slow_current_have_their_ratio_away_from_walls() {
    let model = one("1 + 0.8*x", 50.0);
    let law = solve(&model, &[1.0]);
    let closed = Overdamped::new(&model, 1.0).expect("premises");
    let norm = 0.8 / 1.8_f64.ln();
    for k in 0..=100 {
        let x = f64::from(k) / 100.0;
        let here = closed.at(x);
        assert_near(here.density, norm / (1.0 + 0.8 * x), 1e-12, "1/(N T)");
        assert_near(here.heat_current(), -0.8 * norm / 100.0, 1e-12, "-T'/(2 gamma N)");
        let ratio = here.heat_current() / here.slow_current(here.fastest_slow());
        assert_near(ratio, -3.2430 * here.thermal_energy, 1e-4 * here.thermal_energy, "closed ratio");
        if here.paths_to_wall < 5.0 {
            continue;
        }
        let slow = law.largest_slow_current_at(x).expect("a current");
        let ratio = law.kinetic_heat_current_at(x) / slow.current;
        assert_near(ratio, -3.2430 * here.thermal_energy, 0.01 * 3.2430 * here.thermal_energy, "ratio");
        assert_near(slow.speed, here.fastest_slow(), 0.01 * here.fastest_slow(), "v*");
        assert_near(
            law.kinetic_heat_current_at(x),
            here.heat_current(),
            0.01 * here.heat_current().abs(),
            "J_E",
        );
    }
    // Half a mean free path from the wall none of it holds.
    let x = 0.5 / 50.0;
    let (found, closed) = (law.kinetic_heat_current_at(x), closed.at(x).heat_current());
    assert!((found / closed - 1.0).abs() > 0.2, "{found:e} {closed:e}");
}

#[test]
fn the_deviation_from_maxwells_law_is_that_of_the_expansion() {
    let model = one("1 + 0.8*x", 400.0);
    let law = solve(&model, &[1.0]);
    let closed = Overdamped::new(&model, 1.0).expect("premises").at(0.4);
    for v in [-2.5, -1.0, 0.5, 1.5, 2.5] {
        let (found, expected) = (law.deviation_at(0.4, v)[0].expect("known"), closed.deviation(v));
        assert_near(found, expected, 2e-5, "deviation");
        assert!(expected.abs() > 1e-4);
    }
    let slow = |speed: f64| integral(-speed, speed, |v| v * maxwell(v, 1.0, 1.32) * closed.deviation(v));
    for speed in [0.7, 2.0] {
        assert_near(closed.slow_current(speed), closed.density * slow(speed), 1e-10, "J_slow by (2)");
    }
}

#[test]
fn the_estimate_of_the_error_is_honest() {
    for model in [one("1 + 0.8*x", 1.0), one("1 + 0.8*x", 20.0), two("1 + 0.6*x", 1.0)] {
        let masses = &[1.0, 2.5][..model.network.states().len()];
        let best = solve(&model, masses);
        for max_modes in [32, 64].into_iter().filter(|n| 2 * n <= best.modes()) {
            let law = kramers::solve(&model, masses, &Options { max_modes, ..accurate(&model) })
                .expect("a solution");
            assert_eq!(law.modes(), max_modes);
            let density = |x: f64| (law.total_density_at(x) - best.total_density_at(x)).abs();
            let points = (0..=200).map(|k| f64::from(k) / 200.0);
            let found = points.map(density).fold(0.0, f64::max) / best.total_density_at(0.0);
            let estimate = law.error_estimate();
            assert!(found < estimate && found > 1e-3 * estimate, "{found:e}, estimated {estimate:e}");
        }
    }
}

#[test]
fn states_without_inertia_are_the_overdamped_theory() {
    let model = two("1 + 0.6*x", 1.0);
    let limit = stationary::solve(&model, &stationary::Options::default()).expect("a solution");
    let grid = Grid::new(1.0, 8);
    let soret = limit.reference(Observable::Soret, &grid).expect("known")[0].expect("T varies");
    let errors = |mass: f64| -> [f64; 4] {
        let options = Options { tolerance: 1e-3, max_modes: 32, ..Options::default() };
        let law = kramers::solve(&model, &[mass, 2.0 * mass], &options).expect("a solution");
        let x = 0.5;
        let internal = law.heat_current_at(x) - law.kinetic_heat_current_at(x);
        [
            law.density_at(x)[0] / limit.density_at(x)[0] - 1.0,
            law.current_at(x)[0] / limit.current_at(x)[0] - 1.0,
            internal / limit.heat_current_at(x) - 1.0,
            law.soret().expect("T varies") / soret - 1.0,
        ]
    };
    let [heavy, light, lighter] = [0.04, 0.02, 0.01].map(errors);
    for k in 0..4 {
        let ratio = light[k] / lighter[k];
        assert!((1.8..2.2).contains(&ratio), "quantity {k}: {:e} falls to {:e}", light[k], lighter[k]);
        // Without the first order little is left, and less of the second.
        let (rough, fine) = (2.0 * light[k] - heavy[k], 2.0 * lighter[k] - light[k]);
        assert!(fine.abs() < 1e-3 && fine.abs() < 0.6 * rough.abs(), "quantity {k}: {rough:e}, {fine:e}");
    }
}

#[test]
fn entropy_comes_from_heat_that_runs_down() {
    let model = one("1 + 0.8*x", 5.0);
    let law = solve(&model, &[1.0]);
    let flux = integral(0.0, 1.0, |x| -law.heat_current_at(x) * 0.8 / (1.0 + 0.8 * x).powi(2));
    assert_near(law.entropy_production().expect("known"), flux, 1e-7, "entropy production");
    // For a small inertia it is the entropic anomaly of the overdamped theory.
    let model = one("1 + 0.8*x", 2000.0);
    let limit = stationary::solve(&model, &stationary::Options::default()).expect("a solution");
    let anomaly = limit.kinetic_entropy_production().expect("smooth T");
    let found = solve(&model, &[1.0]).entropy_production().expect("known");
    assert_near(found, anomaly, 3e-3 * anomaly, "anomaly");
    // Free rates without a reverse: the heat is not known.
    let states = vec![state(0.0, "2"), state(0.0, "3")];
    let free = |forward: bool| {
        let rate = Some(field("1"));
        let none = None;
        let law = match forward {
            true => RateLaw::Free { forward: rate, backward: none },
            false => RateLaw::Free { forward: none, backward: rate },
        };
        Edge { between: [0, 1], law }
    };
    let law = solve(&of_states("1 + 0.2*x", states, vec![free(true), free(false)]), &[1.0, 1.0]);
    assert_eq!(law.entropy_production(), None);
    assert_eq!(law.heat_of_transitions_at(0.5), None);
}

#[test]
fn units_do_not_matter() {
    let law = solve(&one("1 + 0.8*x", 5.0), &[1.0]);
    // Lengths in 1/3, energies in 1/7, masses in 1/2, temperatures in 1/10 of the units above.
    let (length, energy, mass, kelvin) = (3.0_f64, 7.0_f64, 2.0_f64, 10.0_f64);
    let speed = (energy / mass).sqrt();
    let friction = 5.0 * mass * speed / length;
    let mut other = one(&format!("{kelvin}*(1 + 0.8*x/{length})"), friction);
    other.domain.length = length;
    other.boltzmann = energy / kelvin;
    let scaled = solve(&other, &[mass]);
    for x in [0.02, 0.5, 0.9] {
        let y = x * length;
        assert_near(length * scaled.total_density_at(y), law.total_density_at(x), 1e-9, "density");
        let heat = scaled.kinetic_heat_current_at(y) * length / (speed * energy);
        assert_near(heat, law.kinetic_heat_current_at(x), 1e-9, "heat current");
        let p = scaled.phase_density_at(y, 0.7 * speed)[0] * length * speed;
        assert_near(p, law.phase_density_at(x, 0.7)[0], 1e-9, "phase density");
    }
    assert_near(scaled.soret().expect("T varies") * kelvin, law.soret().expect("T varies"), 1e-8, "soret");
}

#[test]
fn what_cannot_be_solved_is_refused() {
    let model = one("1 + 0.8*x", 5.0);
    let refused = |model: &Model, masses: &[f64]| {
        kramers::solve(model, masses, &Options::default()).expect_err("refused")
    };
    assert_eq!(refused(&model, &[]), TheoryError::Masses { expected: 1, found: 0 });
    for found in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(refused(&model, &[found]), TheoryError::Mass { state: 0, found });
    }
    assert!(matches!(refused(&model, &[f64::NAN]), TheoryError::Mass { state: 0, .. }));
    let diffusing = common::model("1", &[(0.0, 1.0)], &[]);
    assert_eq!(refused(&diffusing, &[1.0]), TheoryError::NoFriction { state: 0 });
    assert!(matches!(refused(&one("1 - 2*x", 5.0), &[1.0]), TheoryError::Temperature { .. }));
    let negative = of_states("1", vec![state(0.0, "1 - 2*x")], vec![]);
    assert!(matches!(refused(&negative, &[1.0]), TheoryError::Motility { .. }));
    for options in [
        Options { tolerance: 1e-14, ..Options::default() },
        Options { limit: 1e-9, ..Options::default() },
        Options { max_elements: 2, ..Options::default() },
        Options { max_modes: 8, ..Options::default() },
    ] {
        let found = kramers::solve(&model, &[1.0], &options).expect_err("an option out of range");
        assert!(matches!(found, TheoryError::Option { .. }));
    }
    // Hardly any friction: the law has more structure than 32 modes hold.
    let options = Options { tolerance: 1e-9, limit: 1e-7, max_modes: 32, ..Options::default() };
    let found = kramers::solve(&one("1 + 0.8*x", 0.1), &[1.0], &options).expect_err("too few modes");
    assert!(matches!(found, TheoryError::NotConverged { .. }));
    assert_eq!(
        Overdamped::new(&two("1", 0.0), 1.0).expect_err("two states"),
        TheoryError::Premise { must: "one state" }
    );
    assert!(solve(&model, &[1.0]).bin_averages(&Grid::new(2.0, 4), |x| x).is_none());
}
