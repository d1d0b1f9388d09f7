//! The deterministic theory of reacting particles against SciPy, closed forms, exact identities, and the master equation
//! against the exponential of its full matrix.

use crate::common::field;
use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{Boundary, Equation, Field, Kinetics, Mixture, Motility, Reaction, Species, Uniform};
use soret::theory::TheoryError;
use soret::theory::reaction::{Amounts, Extent, FastReactions, Profiles, steady, transient};
use std::path::Path;
use std::sync::Arc;

/// One row of the table.
struct Row {
    case: String,
    quantity: String,
    species: usize,
    place: f64,
    value: f64,
    error: f64,
}

fn table(case: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reactions.csv");
    let text = std::fs::read_to_string(path).expect("a table");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |k: usize| cells[k].parse::<f64>().expect("a number");
        let (case, quantity) = (cells[0].to_owned(), cells[1].to_owned());
        Row {
            case,
            quantity,
            species: number(2) as usize,
            place: number(3),
            value: number(4),
            error: number(5),
        }
    };
    let rows: Vec<Row> = text.lines().skip(2).map(row).filter(|r| r.case == case).collect();
    assert!(!rows.is_empty(), "{case}");
    rows
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let apart = (found - expected).abs();
    assert!(apart <= tolerance, "{what}: {found:e}, expected {expected:e} within {tolerance:e}");
}

/// Names, enthalpies, Ito diffusivities, contents; equations with their rates.
fn mixture(temperature: &str, species: &[(&str, f64, &str, u32)], reactions: &[(&str, Kinetics)]) -> Mixture {
    let species: Vec<Species> = species
        .iter()
        .map(|(name, energy, diffusivity, content)| {
            let mut species = Species::new(*name, *energy, 1.0, *content);
            species.motility = Motility::Diffusivity(field(diffusivity));
            species
        })
        .collect();
    let read = |(equation, kinetics): &(&str, Kinetics)| {
        let equation = Equation::parse(equation).expect("an equation");
        Reaction::from_equation(&equation, &species, kinetics.clone()).expect("known species")
    };
    let reactions = reactions.iter().map(read).collect();
    let temperature = Expression::parse(temperature, &["x"], &[]).expect("a temperature");
    Mixture::new(1.0, temperature, species, reactions).expect("a mixture")
}

/// `2 M <-> D`, `K_d = 3 exp(-2/T)`.
fn dimers(temperature: &str, rate: f64, diffusivities: [&str; 2]) -> Mixture {
    let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(rate)), prefactor: 3.0 };
    let [first, second] = diffusivities;
    mixture(temperature, &[("M", 0.5, first, 1), ("D", -1.0, second, 2)], &[("2 M <-> D", kinetics)])
}

fn given(forward: &str, backward: &str) -> Kinetics {
    let read = |text: &str| (!text.is_empty()).then(|| field(text));
    Kinetics::Given { forward: read(forward), backward: read(backward) }
}

/// `E + S <-> ES <-> E + P`, and `P -> S` kept up from outside.
fn catalysis() -> Mixture {
    let kt = "(1 + 0.8*x)";
    mixture(
        "1 + 0.8*x",
        &[("E", 0.0, "0.01", 0), ("S", 0.0, "0.03", 1), ("ES", -1.0, "0.005", 1), ("P", -0.5, "0.02", 1)],
        &[
            ("E + S <-> ES", given("2", &format!("4*exp(-1/{kt})"))),
            ("ES <-> E + P", given("1", &format!("0.6*exp(-0.5/{kt})"))),
            ("P -> S", given("0.7", "")),
        ],
    )
}

fn solve(mixture: &Mixture, totals: &[f64]) -> steady::Steady {
    let law = steady::solve(mixture, &Amounts::Totals(totals.to_vec()), &steady::Options::default());
    law.expect("a stationary law")
}

fn compare(profiles: &Profiles, case: &str) {
    for row in table(case) {
        let found = match row.quantity.as_str() {
            "c" => profiles.concentration_at(row.place)[row.species],
            _ => profiles.current_at(row.place)[row.species],
        };
        assert_near(
            found,
            row.value,
            row.error,
            &format!("{case} {} {} {}", row.quantity, row.species, row.place),
        );
    }
}

#[test]
fn stationary_dimers_agree_with_a_boundary_value_solver() {
    for (case, rate) in [("dimers 0.01", 0.01), ("dimers 1.0", 1.0), ("dimers 100.0", 100.0)] {
        let law = solve(&dimers("1 + 0.8*x", rate, ["0.01", "0.004"]), &[2.0]);
        assert!(law.is_converged());
        compare(law.profiles(), case);
    }
}

#[test]
fn stationary_frictions_agree_with_a_boundary_value_solver() {
    let mut species = vec![Species::new("M", 0.5, 1.0, 1), Species::new("D", -1.0, 1.0, 2)];
    species[0].motility = Motility::Friction(field("100"));
    species[1].motility = Motility::Friction(field("250*(1 + x)"));
    let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(0.5)), prefactor: 3.0 };
    let temperature = Expression::parse("1 + 0.8*x", &["x"], &[]).expect("a temperature");
    let reaction = Reaction::new(&[0, 0], &[1], kinetics);
    let mixture = Mixture::new(1.0, temperature, species, vec![reaction]).expect("a mixture");
    let law = solve(&mixture, &[2.0]);
    compare(law.profiles(), "friction");
    for k in 1..10 {
        assert!(law.profiles().conserved_currents_at(0.1 * f64::from(k))[0].abs() < 1e-12);
    }
    // There is no closed form for frictions of different shapes.
    let fast = FastReactions::new(&mixture, &Amounts::Totals(vec![2.0]));
    assert!(matches!(fast.unwrap_err(), TheoryError::NoClosedForm { .. }));
}

#[test]
fn a_driven_catalytic_cycle_agrees_with_a_boundary_value_solver() {
    let mixture = catalysis();
    assert_eq!(mixture.laws(), [[1, 0, 1, 0], [0, 1, 1, 1]]);
    let law = solve(&mixture, &[0.5, 2.0]);
    compare(law.profiles(), "catalysis");
    for (total, expected) in law.profiles().totals().iter().zip([0.5, 2.0]) {
        assert_near(*total, expected, 1e-13, "a total");
    }
    assert!(law.profiles().entropy_production().is_none());
    // The same from concentrations of the species.
    let start = Amounts::Concentrations(vec![0.5, 2.0, 0.0, 0.0]);
    let again = steady::solve(&mixture, &start, &steady::Options::default()).expect("a stationary law");
    let pair = [law.profiles(), again.profiles()].map(|p| p.concentration_at(0.3)[2]);
    assert_near(pair[0], pair[1], 1e-10, "the complex");
}

#[test]
fn what_is_conserved_does_not_flow_and_its_transport_is_flat() {
    let law = solve(&dimers("1 + 0.8*x", 3.0, ["0.01", "0.004"]), &[2.0]);
    let flat = |x: f64| {
        let c = law.profiles().concentration_at(x);
        0.01 * c[0] + 2.0 * 0.004 * c[1]
    };
    for k in 0..=20 {
        let x = f64::from(k) / 20.0;
        assert_near(flat(x), flat(0.0), 1e-13, "D_1 c_1 + 2 D_2 c_2");
        assert!(law.profiles().conserved_currents_at(x)[0].abs() < 1e-13);
    }
    assert_near(law.profiles().totals()[0], 2.0, 1e-13, "the total");
    // Bins add up, and heat is what reactions take.
    let grid = Grid::new(1.0, 8);
    let means = law.profiles().bin_means(&grid);
    let all: f64 = (0..8).map(|b| (means[0][b] + 2.0 * means[1][b]) / 8.0).sum();
    assert_near(all, 2.0, 1e-13, "the total of bins");
    let rates = &law.profiles().bin_rates(&grid)[0];
    for (heat, [forward, backward]) in law.profiles().heat_absorbed(&grid).iter().zip(rates) {
        assert_near(*heat, -2.0 * (forward - backward), 1e-8, "heat absorbed");
    }
    // What motion and reactions produce together is what the heat that flows does: dG is made of the same energies.
    let parts = law.profiles().entropy_production().expect("both ways are open");
    assert!(parts.iter().all(|p| *p > 0.0));
    let flow = |x: f64| -law.profiles().heat_current_at(x) * 0.8 / (1.0 + 0.8 * x).powi(2);
    let pieces = 20_000;
    let middle = |k: i32| (f64::from(k) + 0.5) / f64::from(pieces);
    let heat: f64 = (0..pieces).map(|k| flow(middle(k))).sum::<f64>() / f64::from(pieces);
    assert_near(parts[0] + parts[1], heat, 1e-7 * heat, "entropy production");
}

/// c_1 and c_2 of local equilibrium.
fn equilibrium(total: f64, constant: f64) -> [f64; 2] {
    let first = 2.0 * total / (1.0 + f64::sqrt(1.0 + 8.0 * total / constant));
    [first, 0.5 * (total - first)]
}

fn constant(t: f64) -> f64 {
    3.0 * f64::exp(-2.0 / t)
}

#[test]
fn fast_dimers_follow_the_closed_form() {
    let mixture = dimers("1 + 0.8*x", 1.0, ["0.01", "0.004"]);
    let fast = FastReactions::new(&mixture, &Amounts::Totals(vec![2.0])).expect("a limit");
    let pieces = 4000;
    let mean: f64 = (0..pieces)
        .map(|k| {
            mixture.total_content(&fast.concentration_at((f64::from(k) + 0.5) / f64::from(pieces)).unwrap())
        })
        .sum::<f64>()
        / f64::from(pieces);
    assert_near(mean, 2.0, 1e-7, "the total");
    for k in 0..=10 {
        let x = 0.1 * f64::from(k);
        let t = 1.0 + 0.8 * x;
        let c = fast.concentration_at(x).expect("concentrations");
        let total = c[0] + 2.0 * c[1];
        for (found, expected) in c.iter().zip(equilibrium(total, constant(t))) {
            assert_near(*found, expected, 1e-13, "local equilibrium");
        }
        assert_near(0.01 * c[0] + 0.008 * c[1], fast.constants()[0], 1e-15, "transport");
        let s = f64::sqrt(1.0 + 8.0 * total / constant(t));
        let (d1, d2) = (0.01, 0.004);
        let soret = (s - 1.0) * (d1 - d2) / ((s + 1.0) * (d1 + (s - 1.0) * d2)) * (2.0 / (t * t));
        assert_near(fast.soret_at(x).expect("T varies"), soret, 1e-12, "S_T");
        assert!(soret > 0.0);
    }
}

#[test]
fn diffusivities_proportional_to_temperature_add_their_own_part() {
    // At the same total, S_T = 1/T + (that of constant diffusivities).
    let mixture = dimers("1 + 0.8*x", 1.0, ["0.01*(1 + 0.8*x)", "0.004*(1 + 0.8*x)"]);
    let fast = FastReactions::new(&mixture, &Amounts::Totals(vec![2.0])).expect("a limit");
    for x in [0.1, 0.5, 0.9] {
        let t = 1.0 + 0.8 * x;
        let c = fast.concentration_at(x).expect("concentrations");
        let s = f64::sqrt(1.0 + 8.0 * (c[0] + 2.0 * c[1]) / constant(t));
        // <D> c_tot is flat: d ln c_tot (1 + d ln<D>/d ln c_tot) = -d ln<D> at fixed c_tot.
        let (d1, d2) = (0.01, 0.004);
        let spread = (s - 1.0) * (d1 - d2) / (s * (2.0 * d1 + (s - 1.0) * d2));
        let of_total = -spread;
        let expected = (1.0 / t + spread * 2.0 / (t * t)) / (1.0 + of_total);
        assert_near(fast.soret_at(x).expect("T varies"), expected, 1e-12, "S_T");
    }
}

#[test]
fn rates_that_grow_lead_to_the_fast_limit() {
    let mut apart = Vec::new();
    for rate in [1e2, 1e4, 1e6, 1e10] {
        let mixture = dimers("1 + 0.8*x", rate, ["0.01", "0.004"]);
        let fast = FastReactions::new(&mixture, &Amounts::Totals(vec![2.0])).expect("a limit");
        let law = solve(&mixture, &[2.0]);
        let pair = [fast.concentration_at(0.5).unwrap()[1], law.profiles().concentration_at(0.5)[1]];
        apart.push((pair[0] - pair[1]).abs());
        assert!(law.profiles().soret().expect("T varies") > 0.1);
    }
    // Layers take a share of the total that falls with their thickness, the square root of the rate.
    assert!(apart[1] < 0.2 * apart[0] && apart[2] < 0.2 * apart[1], "{apart:?}");
}

/// `E + S <-> ES <-> E + P` at equilibrium with heat baths only.
fn passive_catalysis(rate: f64) -> Mixture {
    let van_t_hoff = |prefactor| Kinetics::VantHoff { forward: Arc::new(Uniform(rate)), prefactor };
    mixture(
        "1 + 0.8*x",
        &[("E", 0.0, "0.01", 0), ("S", 0.0, "0.03", 1), ("ES", -1.5, "0.005", 1), ("P", -0.5, "0.02", 1)],
        &[("E + S <-> ES", van_t_hoff(2.0)), ("ES <-> E + P", van_t_hoff(0.4))],
    )
}

#[test]
fn fast_catalysis_is_at_rest_everywhere_and_near_fast_rates() {
    let amounts = Amounts::Totals(vec![0.5, 2.0]);
    let fast = FastReactions::new(&passive_catalysis(1.0), &amounts).expect("a limit");
    let law = solve(&passive_catalysis(1e5), &[0.5, 2.0]);
    for k in 1..10 {
        let x = 0.1 * f64::from(k);
        let t = 1.0 + 0.8 * x;
        let c = fast.concentration_at(x).expect("concentrations");
        assert_near(c[0] * c[1] / c[2], 2.0 * f64::exp(-1.5 / t), 1e-12, "binding");
        assert_near(c[2] / (c[0] * c[3]), 0.4 * f64::exp(1.0 / t), 1e-12, "turnover");
        assert_near(0.01 * c[0] + 0.005 * c[2], fast.constants()[0], 1e-15, "enzyme");
        assert_near(0.03 * c[1] + 0.005 * c[2] + 0.02 * c[3], fast.constants()[1], 1e-15, "substrate");
        let total = |x: f64| passive_catalysis(1.0).total_content(&fast.concentration_at(x).unwrap());
        let slope = (total(x + 1e-5) - total(x - 1e-5)) / 2e-5;
        assert_near(fast.soret_at(x).expect("T varies"), -slope / (0.8 * total(x)), 1e-8, "S_T");
        for (found, limit) in law.profiles().concentration_at(x).iter().zip(&c) {
            assert_near(*found, *limit, 2e-3 * limit, "fast rates");
        }
    }
    // A cycle without detailed balance, and a step without a way back, have no limit of this kind.
    let three = [("A", 0.0, "1", 1), ("B", 0.0, "2", 1), ("C", 0.0, "3", 1)];
    let turn = |back: &str| {
        let steps =
            [("A <-> B", given("2", back)), ("B <-> C", given("1", "1")), ("C <-> A", given("1", "1"))];
        FastReactions::new(&mixture("1 + 0.8*x", &three, &steps), &Amounts::Totals(vec![1.0]))
    };
    for back in ["1", ""] {
        assert!(matches!(turn(back).unwrap_err(), TheoryError::NoClosedForm { .. }));
    }
    assert!(turn("2").is_ok());
}

#[test]
fn the_sign_is_that_of_mobility_and_dissociation() {
    let soret = |diffusivities, enthalpy: f64| {
        let law = dimers("1 + 0.8*x", 5.0, diffusivities);
        let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(5.0)), prefactor: 1.0 };
        let species = law.species().to_vec();
        let energies = [0.0, enthalpy];
        let species = species.into_iter().zip(energies).map(|(s, energy)| Species { energy, ..s }).collect();
        let temperature = Expression::parse("1 + 0.8*x", &["x"], &[]).expect("a temperature");
        let reaction = Reaction::new(&[0, 0], &[1], kinetics);
        let law = Mixture::new(1.0, temperature, species, vec![reaction]).expect("a mixture");
        let profiles = solve(&law, &[2.0]).profiles().clone();
        let local = profiles.local_soret(&Grid::new(1.0, 4))[1].expect("T varies");
        let three = [profiles.soret(), profiles.soret_wall(), Some(local)].map(|s| s.expect("T varies"));
        assert!(three.iter().all(|s| s.signum() == three[0].signum()), "{three:?}");
        three[0]
    };
    assert!(soret(["0.01", "0.004"], -1.0) > 0.01);
    assert!(soret(["0.01", "0.004"], 1.0) < -0.01);
    assert!(soret(["0.004", "0.01"], -1.0) < -0.01);
    // Monomers and dimers alike: no thermophoresis.
    assert!(soret(["0.01", "0.01"], -1.0).abs() < 1e-11);
}

#[test]
fn nothing_happens_at_uniform_temperature() {
    let mixture = dimers("1.3", 2.0, ["0.01", "0.004"]);
    let law = solve(&mixture, &[2.0]);
    let expected = equilibrium(2.0, constant(1.3));
    for x in [0.0, 0.2, 0.7, 1.0] {
        for (found, expected) in law.profiles().concentration_at(x).iter().zip(expected) {
            assert_near(*found, expected, 1e-13, "equilibrium");
        }
        assert!(law.profiles().current_at(x).iter().all(|j| j.abs() < 1e-14));
    }
    assert_eq!(law.profiles().soret(), None);
    assert_eq!(law.profiles().soret_wall(), None);
}

#[test]
fn sources_and_sinks_need_no_conservation_law() {
    // d_x^2 (D c) + k_0 - k_1 c = 0 with constant coefficients and k_0 = 1 + cos(pi x).
    let of = mixture(
        "1 + 0.8*x",
        &[("A", 0.0, "0.1", 1)],
        &[("0 -> A", given("1 + cos(3.141592653589793*x)", "")), ("A -> 0", given("2", ""))],
    );
    let law = solve(&of, &[]);
    let pi = std::f64::consts::PI;
    for x in [0.0, 0.3, 1.0] {
        let expected = 0.5 + f64::cos(pi * x) / (2.0 + 0.1 * pi * pi);
        assert_near(law.profiles().concentration_at(x)[0], expected, 1e-11, "c");
    }
}

#[test]
fn rings_and_jumps_are_solved() {
    let mut ring = dimers("1 + 0.5*sin(6.283185307179586*x)", 1.0, ["0.01", "0.004"]);
    ring.domain.walls = Boundary::Periodic;
    let law = solve(&ring, &[2.0]);
    let flat = |x: f64| {
        law.profiles().concentration_at(x).iter().zip([0.01, 0.008]).map(|(c, d)| c * d).sum::<f64>()
    };
    let [first, last] = [0.0, 1.0].map(|x| law.profiles().concentration_at(x));
    for (a, b) in first.iter().zip(&last) {
        assert_near(*a, *b, 1e-13, "the seam");
    }
    assert_near(flat(0.3), flat(0.9), 1e-13, "transport");
    // Two boxes: everything that moves is continuous.
    let boxes = solve(&dimers("1 + step(x - 0.4)", 1.0, ["0.01", "0.004"]), &[2.0]);
    let sides = [0.4 - 1e-12, 0.4 + 1e-12].map(|x| boxes.profiles().current_at(x)[0]);
    assert_near(sides[0], sides[1], 1e-9 * sides[0].abs(), "the current at the jump");
    assert!(boxes.profiles().soret().expect("T varies") > 0.0);
}

#[test]
fn what_has_no_answer_is_refused() {
    let mixture = dimers("1 + 0.8*x", 1.0, ["0.01", "0.004"]);
    let solve =
        |amounts: &Amounts| steady::solve(&mixture, amounts, &steady::Options::default()).unwrap_err();
    assert!(matches!(solve(&Amounts::Totals(vec![])), TheoryError::Start { .. }));
    assert!(matches!(solve(&Amounts::Totals(vec![-1.0])), TheoryError::Start { .. }));
    assert!(matches!(solve(&Amounts::Concentrations(vec![1.0, f64::NAN])), TheoryError::Start { .. }));
    // A source without a sink.
    let source = self::mixture("1", &[("A", 0.0, "1", 1)], &[("0 -> A", given("1", ""))]);
    let error = steady::solve(&source, &Amounts::Totals(vec![]), &steady::Options::default()).unwrap_err();
    assert!(matches!(error, TheoryError::Unsteady { .. } | TheoryError::Singular { .. }), "{error}");
    let cold = dimers("x - 0.5", 1.0, ["0.01", "0.004"]);
    let error = steady::solve(&cold, &Amounts::Totals(vec![1.0]), &steady::Options::default()).unwrap_err();
    assert!(matches!(error, TheoryError::Temperature { .. }), "{error}");
}

#[test]
fn species_that_die_out_are_gone() {
    let of = mixture(
        "1 + 0.8*x",
        &[("A", 0.0, "0.1", 1), ("B", 0.0, "0.05*(1 + 0.8*x)", 1)],
        &[("A -> B", given("1 + x", ""))],
    );
    let law = solve(&of, &[3.0]);
    let inverse = |x: f64| 1.0 / (1.0 + 0.8 * x);
    let mean = f64::ln(1.8) / 0.8;
    for x in [0.0, 0.4, 1.0] {
        let c = law.profiles().concentration_at(x);
        assert_near(c[0], 0.0, 1e-12, "A");
        assert_near(c[1], 3.0 * inverse(x) / mean, 1e-11, "B");
    }
}

#[test]
fn concentrations_in_time_agree_with_finite_volumes() {
    let mixture = dimers("1 + 0.8*x", 1.0, ["0.1*(1 + 0.5*x)", "0.04*(1 + 0.5*x)"]);
    let start: Vec<Arc<dyn Field>> = vec![field("1.5 + cos(3.141592653589793*x)"), field("0.1")];
    let times = [0.1, 1.0, 60.0];
    let run =
        transient::solve(&mixture, &start, &times, &transient::Options::default()).expect("concentrations");
    let grid = Grid::new(1.0, 10);
    for (time, frame) in times.iter().zip(run.frames()) {
        assert_near(frame.totals()[0], 1.7, 1e-12, "the total");
        let name = if *time < 0.5 { "transient 0.1" } else { "transient 1.0" };
        let means = frame.bin_means(&grid);
        for row in table(name).iter().filter(|_| *time < 10.0) {
            let found = means[row.species][row.place as usize];
            assert_near(found, row.value, row.error + 1e-6, &format!("{name} {} {}", row.species, row.place));
        }
    }
    // In the long run nothing is left of the start.
    let law = solve(&mixture, &[1.7]);
    for x in [0.0, 0.5, 1.0] {
        let pair = [&run.frames()[2], law.profiles()].map(|p| p.concentration_at(x)[0]);
        assert_near(pair[0], pair[1], 1e-6, "the end");
    }
}

#[test]
fn well_mixed_kinetics_follow_their_closed_form() {
    // 2 A -> 0 at uniform temperature: c = c_0/(1 + 2 k c_0 t).
    let of = mixture("1", &[("A", 0.0, "1", 1)], &[("2 A -> 0", given("0.5", ""))]);
    let start: Vec<Arc<dyn Field>> = vec![field("3")];
    let error = |tolerance: f64| {
        let options = transient::Options { tolerance, limit: 1.0, ..transient::Options::default() };
        let run = transient::solve(&of, &start, &[0.5, 2.0], &options).expect("concentrations");
        let pairs = run.frames().iter().zip([0.5, 2.0]);
        pairs.map(|(f, t)| (f.concentration_at(0.5)[0] - 3.0 / (1.0 + 3.0 * t)).abs()).fold(0.0, f64::max)
    };
    assert!(error(1e-4) < 1e-5 && error(1e-7) < 1e-8, "{} {}", error(1e-4), error(1e-7));
}

#[test]
fn the_master_equation_agrees_with_the_exponential_of_its_matrix() {
    let of = mixture("1", &[("M", 0.0, "1", 1), ("D", 0.0, "1", 2)], &[("2 M <-> D", given("0.7", "1.3"))]);
    for (case, monomers, volume, time) in [("master 9", 9, 4.0, 0.8), ("master 40", 40, 10.0, 0.05)] {
        let extent = Extent::new(&of, 0.5, volume, &[monomers, 0]).expect("a chain");
        let law = extent.after(&extent.start(), time, 1e-14).expect("a law");
        assert!(law.error <= 1e-14);
        for row in table(case) {
            assert_near(law.probabilities[row.place as usize], row.value, row.error, case);
        }
        // The flow of probability of every step is balanced at rest, and the law stays there.
        let rest = extent.stationary().expect("both ways are open");
        let later = extent.after(&rest, 3.0, 1e-14).expect("a law");
        for (a, b) in rest.iter().zip(&later.probabilities) {
            assert_near(*a, *b, 1e-14, "the stationary law");
        }
        let long = extent.after(&extent.start(), 1e4, 1e-13).expect("a law");
        for (a, b) in rest.iter().zip(&long.probabilities) {
            assert_near(*a, *b, 2e-13, "the law in the long run");
        }
    }
    // What was left out is no more than it says.
    let extent = Extent::new(&of, 0.5, 10.0, &[40, 0]).expect("a chain");
    let [rough, exact] = [1e-5, 1e-14].map(|e| extent.after(&extent.start(), 0.05, e).expect("a law"));
    let apart: f64 = rough.probabilities.iter().zip(&exact.probabilities).map(|(a, b)| (a - b).abs()).sum();
    assert!(apart > 1e-9 && apart <= rough.error && rough.error <= 1e-5, "{apart:e} {:e}", rough.error);
    // 3 monomers: 0 or 1 dimer, with weights 1 : k_+ 3*2/(V k_-).
    let three = Extent::new(&of, 0.5, 2.0, &[1, 1]).expect("a chain");
    let rest = three.stationary().expect("both ways are open");
    let ratio = 0.7 * 6.0 / (2.0 * 1.3);
    assert_near(rest[1] / rest[0], ratio, 1e-14, "two states");
    assert_eq!([0, 1].map(|i| three.counts_at(i)), [vec![3, 0], vec![1, 1]]);
    assert_eq!(three.start(), [0.0, 1.0]);
}

#[test]
fn decay_is_binomial() {
    let of = mixture("1", &[("A", 0.0, "1", 1)], &[("A -> 0", given("0.9", ""))]);
    let extent = Extent::new(&of, 0.5, 5.0, &[12]).expect("a chain");
    let law = extent.after(&extent.start(), 0.7, 1e-14).expect("a law");
    let survives = f64::exp(-0.63);
    let mut binomial = 1.0;
    for (gone, p) in law.probabilities.iter().enumerate() {
        let expected = binomial * survives.powi(12 - gone as i32) * (1.0 - survives).powi(gone as i32);
        assert_near(*p, expected, 1e-14, "decay");
        binomial *= (12 - gone) as f64 / (gone + 1) as f64;
    }
    assert_eq!(extent.stationary(), None);
    let [mean, variance] = extent.moments(&law.probabilities, 0);
    assert_near(mean, 12.0 * survives, 1e-12, "mean");
    assert_near(variance, 12.0 * survives * (1.0 - survives), 1e-12, "variance");
}

#[test]
fn the_stationary_law_of_a_number_does_not_know_cells() {
    // Two cells of half the volume between which monomers and dimers jump, solved by brute force: the law of the total
    // number of dimers is that of one cell.
    let of = mixture("1", &[("M", 0.0, "1", 1), ("D", 0.0, "1", 2)], &[("2 M <-> D", given("0.7", "1.3"))]);
    let (monomers, volume, jumps) = (7usize, 3.0, [0.3, 0.11]);
    let extent = Extent::new(&of, 0.5, volume, &[monomers as u64, 0]).expect("a chain");
    let expected = extent.stationary().expect("both ways are open");
    let mut states = Vec::new();
    for d in 0..=monomers / 2 {
        for left in 0..=d {
            for m in 0..=monomers - 2 * d {
                states.push([m, monomers - 2 * d - m, left, d - left]);
            }
        }
    }
    let index = |s: [usize; 4]| states.iter().position(|t| *t == s).expect("a state");
    let mut rates = vec![vec![0.0; states.len()]; states.len()];
    for (i, &s) in states.iter().enumerate() {
        for (from, to, slow) in [(0, 1, 0), (1, 0, 0), (2, 3, 1), (3, 2, 1)] {
            if s[from] > 0 {
                let mut t = s;
                t[from] -= 1;
                t[to] += 1;
                rates[i][index(t)] += jumps[slow] * s[from] as f64;
            }
        }
        for cell in 0..2 {
            if s[cell] > 1 {
                let mut t = s;
                t[cell] -= 2;
                t[cell + 2] += 1;
                rates[i][index(t)] += 0.7 * (s[cell] * (s[cell] - 1)) as f64 / (0.5 * volume);
            }
            if s[cell + 2] > 0 {
                let mut t = s;
                t[cell] += 2;
                t[cell + 2] -= 1;
                rates[i][index(t)] += 1.3 * s[cell + 2] as f64;
            }
        }
    }
    let exit: Vec<f64> = rates.iter().map(|r| r.iter().sum()).collect();
    let fastest = 1.05 * exit.iter().copied().fold(0.0, f64::max);
    let mut law = vec![1.0 / states.len() as f64; states.len()];
    for _ in 0..20_000 {
        let mut next: Vec<f64> = law.iter().zip(&exit).map(|(p, e)| p * (1.0 - e / fastest)).collect();
        for (i, row) in rates.iter().enumerate() {
            for (j, rate) in row.iter().enumerate().filter(|(_, r)| **r > 0.0) {
                next[j] += law[i] * rate / fastest;
            }
        }
        law = next;
    }
    for (d, expected) in expected.iter().enumerate() {
        let found: f64 = states.iter().zip(&law).filter(|(s, _)| s[2] + s[3] == d).map(|(_, p)| p).sum();
        assert_near(found, *expected, 1e-10, "the number of dimers");
    }
    // Pairs counted as n^2 instead of n(n-1) are another law.
    let mut wrong = vec![1.0];
    for d in 1..expected.len() {
        let left = (monomers - 2 * (d - 1)) as f64;
        wrong.push(wrong[d - 1] * 0.7 * left * left / (volume * 1.3 * d as f64));
    }
    let sum: f64 = wrong.iter().sum();
    assert!((wrong[0] / sum - expected[0]).abs() > 0.01);
}

#[test]
fn many_particles_follow_the_mean_field_and_fluctuate_as_gaussians() {
    let of = mixture("1", &[("M", 0.0, "1", 1), ("D", 0.0, "1", 2)], &[("2 M <-> D", given("0.7", "1.3"))]);
    let apart = |monomers: u64| {
        let volume = monomers as f64 / 2.0;
        let extent = Extent::new(&of, 0.5, volume, &[monomers, 0]).expect("a chain");
        let law = extent.stationary().expect("both ways are open");
        let [mean, variance] = extent.moments(&law, 1);
        let [c1, c2] = equilibrium(2.0, 1.3 / 0.7);
        // Linear noise: 1/variance per volume = 4/c_1 + 1/c_2, the curvature of the free energy.
        let expected = 1.0 / (4.0 / c1 + 1.0 / c2);
        let start = [field("2"), field("0")];
        let run =
            transient::solve(&of, &start, &[0.3], &transient::Options::default()).expect("concentrations");
        let early = extent.after(&extent.start(), 0.3, 1e-12).expect("a law");
        let transient = extent.moments(&early.probabilities, 1)[0] / volume;
        let there = run.frames()[0].concentration_at(0.5)[1];
        [mean / volume - c2, variance / volume - expected, transient - there].map(f64::abs)
    };
    let (few, many) = (apart(200), apart(2000));
    for (few, many) in few.iter().zip(many) {
        assert!(*few < 0.01 && many < 0.12 * few, "{few:e} {many:e}");
    }
}
