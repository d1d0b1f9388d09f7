//! The deterministic theory of continuous internal coordinates: against an oracle in another basis
//! (scripts/oracle_coordinates.py), identities that the method does not build in, and limits.

use soret::expression::Expression;
use soret::grid::Grid;
use soret::model::{
    Axis, Boundary, Coordinates, Edge, Field, Landscape, Model, OwnSurfaces, Range, Response, State, Surface,
};
use soret::observable::Observable;
use soret::theory::coordinate::{CoordinateLaw, Options, solve};
use soret::theory::{CoordinateLimit, TheoryError};
use std::collections::HashMap;
use std::sync::Arc;

fn field(source: &str) -> Arc<dyn Field> {
    Arc::new(Expression::parse(source, &["x"], &[]).expect("an expression in x"))
}

fn axis(mobility: f64) -> Axis {
    Axis::new("q", mobility)
}

fn surface(source: &str, names: &[&str], temperature: &str) -> Landscape {
    Landscape::new(source, names, &[], field(temperature)).expect("a surface")
}

fn with_axes(temperature: &str, potential: &str, diffusivity: &str, axes: Vec<Axis>) -> Model {
    let names: Vec<&str> = axes.iter().map(|a| a.name.as_str()).collect();
    let u = surface(potential, &names, temperature);
    let shared: Arc<dyn Surface> = Arc::new(u.clone());
    let d = Landscape::of_potential(diffusivity, &names, &[], field(temperature), shared).expect("D");
    let t = Expression::parse(temperature, &["x"], &[]).expect("T");
    let mut model = Model::new(1.0, t, vec![State::new("only", 0.0, 1.0)], vec![]).expect("a model");
    model.coordinates = Some(Coordinates::new(axes.clone(), u, d));
    model
}

/// One coordinate without states; `D` may name the potential `U`.
fn model(temperature: &str, potential: &str, diffusivity: &str, axis: Axis) -> Model {
    with_axes(temperature, potential, diffusivity, vec![axis])
}

/// Fig 2.
fn double_well(alpha: f64) -> Model {
    model("0.5 + 0.5*x", "q^4 - 2*q^2", &format!("{alpha}*(U + 2.5)"), axis(1.0))
}

fn law(model: &Model) -> CoordinateLaw {
    let law = solve(model, &Options::default()).expect("a law");
    assert!(law.error_estimate() < 1e-4, "{}", law.error_estimate());
    law
}

/// All of the coordinate.
fn whole(law: &CoordinateLaw) -> [f64; 2] {
    let v = law.coordinate_vertices();
    [v[0], v[v.len() - 1]]
}

fn values(law: &CoordinateLaw, observable: Observable, grid: &Grid) -> Vec<f64> {
    let known = law.reference(observable, grid).expect("an observable of this law");
    known.into_iter().map(|v| v.expect("a value")).collect()
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found:e} instead of {expected:e}");
}

/// Two states with potentials and diffusivities of their own, joined by an edge.
fn two_states(temperature: &str) -> Model {
    let mut model = model(temperature, "q^2/2", "0.1", axis(1.0));
    let states = vec![State::new("a", 0.5, 1.0), State { entropy: 0.4, ..State::new("b", 0.0, 1.0) }];
    let t = Expression::parse(temperature, &["x"], &[]).expect("T");
    let coordinates = model.coordinates.take();
    model = Model::new(1.0, t, states, vec![Edge::new([0, 1], 0.7, 1.5)]).expect("a model");
    model.coordinates = coordinates.map(|mut c| {
        let own = OwnSurfaces {
            potential: Some(Arc::new(surface("0.8*q", &["q"], temperature))),
            diffusivity: Some(Arc::new(surface("0.05 + 0.1*q^2", &["q"], temperature))),
        };
        c.states = vec![OwnSurfaces::default(), own];
        c
    });
    model
}

#[test]
fn solutions_agree_with_hermite_functions() {
    let mut table: HashMap<(String, String), Vec<f64>> = HashMap::new();
    for line in include_str!("../data/coordinates.csv").lines().skip(2) {
        let cells: Vec<&str> = line.split(',').collect();
        let value = cells[3].parse().expect("a number");
        table.entry((cells[0].to_owned(), cells[1].to_owned())).or_default().push(value);
    }
    let plain = "0.015 + 0.01*q + 0.02*q^2";
    let response = |response| Axis { response, ..axis(1.0) };
    let cases = [
        ("mobility", model("1 + 0.6*x", "q^2/2", plain, axis(1.0))),
        ("diffusivity", model("1 + 0.6*x", "q^2/2", plain, response(Response::Diffusivity(1.0)))),
        ("slow", model("1 + 0.3*sin(3*x)", "q^2/2", "1 - 0.5*q + 0.6*q^2", axis(0.5))),
        ("forced", model("1 + 0.5*x", "q^2/2 + 0.8*x*q", "0.04 + 0.02*q + 0.03*q^2", axis(1.0))),
    ];
    let grid = Grid::new(1.0, 10);
    for (case, model) in cases {
        let law = law(&model);
        for (observable, name, tolerance) in
            [(Observable::Density, "density", 1e-5), (Observable::HeatCurrent, "heat_current", 3e-5)]
        {
            let expected = &table[&(case.to_owned(), name.to_owned())];
            let scale = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let found = values(&law, observable, &grid);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                close(*a, *b, tolerance * scale, &format!("{case} {name}"));
            }
        }
    }
}

/// Conservation, the first integral, and the energy balance, none of which the method builds in.
fn balances(law: &CoordinateLaw, what: &str) {
    let n = 12;
    let scale = (1..n).fold(0.0f64, |m, k| m.max(law.heat_current_at(k as f64 / n as f64).abs()));
    let flat = law.mobility_sum_at(0.5);
    let forced = law.model().coordinates.as_ref().is_some_and(|c| c.has_force());
    for k in 1..n {
        let x = k as f64 / n as f64;
        if !forced {
            close(law.mobility_sum_at(x), flat, 1e-8 * flat, &format!("{what}: int D P dq"));
        }
        close(law.current_at(x).iter().sum(), 0.0, 1e-7 * flat, &format!("{what}: int J_x dq"));
        let h = 1e-4;
        let slope = (law.heat_current_at(x + h) - law.heat_current_at(x - h)) / (2.0 * h);
        let heat = law.heat_absorbed_at(x).expect("heat");
        close(heat, slope, 2e-3 * scale, &format!("{what}: heat absorbed at {x}"));
    }
    // Entropy that the bath gains is dissipated by the currents.
    let grid = Grid::new(1.0, 10);
    let sigma = values(law, Observable::EntropyProduction, &grid)[0];
    let parts: f64 = law.entropy_parts().expect("parts").iter().sum();
    close(parts, sigma, 2e-4 * sigma, &format!("{what}: entropy production"));
    let absorbed: f64 = values(law, Observable::HeatAbsorbed, &grid).iter().sum();
    close(absorbed, 0.0, 1e-6 * scale, &format!("{what}: total heat"));
}

#[test]
fn currents_balance_in_a_double_well() {
    let law = law(&double_well(0.05));
    balances(&law, "double well");
    // What flows into a rectangle of the plane flows out.
    let grid = Grid::new(1.0, 5);
    let faces = [-1.2, -0.3, 0.0, 0.8];
    let along = law.plane_current_along(&grid, &faces).expect("currents");
    let across = law.plane_current_across(&grid, &faces).expect("currents");
    let scale = along.iter().flatten().fold(0.0f64, |m, j| m.max(j.abs()));
    for (b, across) in across.iter().enumerate() {
        for c in 0..faces.len() - 1 {
            let [left, right] = [b.checked_sub(1), Some(b)]
                .map(|face| face.and_then(|f| along.get(f)).map_or(0.0, |j: &Vec<f64>| j[c]));
            close(left + across[c], right + across[c + 1], 2e-5 * scale, "a rectangle");
        }
    }
    // The plane holds what its strips hold, and wells share alike.
    let [lo, hi] = whole(&law);
    let cells = law.cell_density(&grid, &[lo, 0.0, hi]).expect("cells");
    for (cells, density) in cells.iter().zip(values(&law, Observable::Density, &grid)) {
        // Cells are summed by a rule of their own.
        close(cells[0] + cells[1], density, 2e-6, "cells of a bin");
        close(cells[0], cells[1], 1e-8, "wells alike");
    }
}

#[test]
fn currents_balance_on_circles_rings_and_between_states() {
    let range = Range::Periodic([0.0, 1.0]);
    let circle = Axis { range, ..axis(0.05) };
    let ends = Axis { range: Range::Walls([-1.0, 2.0]), ..axis(1.0) };
    let potential = "cos(2*pi*q) + 0.4*sin(4*pi*q)";
    balances(&law(&model("1 + 0.5*x", potential, "0.2 + 0.1*sin(2*pi*q)", circle)), "circle");
    balances(&law(&model("1 + 0.5*x", "q", "0.2 + 0.1*q^2", ends)), "walls");
    balances(&law(&two_states("1 + 0.4*x")), "states");
    balances(&law(&model("1 + 0.5*x", "q^2/2 + 0.8*x*q", "0.04 + 0.02*q^2", axis(1.0))), "forced");
    let mut ring = model("1 + 0.4*cos(2*pi*x)", "q^2/2", "0.02 + 0.05*q^2", axis(1.0));
    ring.domain.walls = Boundary::Periodic;
    balances(&law(&ring), "ring");
}

/// At uniform temperature, which is also what a noise that does not follow T(x) amounts to.
#[test]
fn nothing_happens_at_uniform_temperature() {
    for (model, what) in [
        (model("0.7", "q^4 - 2*q^2", "0.1*(U + 2.5)", axis(1.0)), "double well"),
        (model("0.7", "q^2/2 + x*q", "0.1 + 0.05*q^2", axis(1.0)), "forced"),
        (two_states("0.7"), "states"),
    ] {
        let law = law(&model);
        let weight = |i: usize, x: f64, q: f64| {
            let entropy = model.network.states()[i].entropy;
            libm::exp(entropy - model.energy_within(i, x, &[q]) / 0.7)
        };
        let unit = law.at(0.5, 0.2)[0].density / weight(0, 0.5, 0.2);
        for x in [0.0, 0.31, 1.0] {
            for q in [-1.4, -0.2, 0.9] {
                for (i, p) in law.at(x, q).iter().enumerate() {
                    let expected = unit * weight(i, x, q);
                    close(p.density / expected, 1.0, 1e-9, what);
                    close(p.along, 0.0, 1e-9, what);
                    close(p.across, 0.0, 1e-9, what);
                }
            }
            close(law.heat_current_at(x), 0.0, 1e-9, what);
        }
    }
}

#[test]
fn slow_diffusion_is_the_fast_limit_and_fast_diffusion_is_flat() {
    let limit = CoordinateLimit::new(&double_well(1.0)).expect("a limit");
    let (slow, fast) = (law(&double_well(1e-4)), law(&double_well(50.0)));
    for x in [0.2, 0.5, 0.8] {
        close(slow.total_density_at(x) / limit.total_density_at(x), 1.0, 2e-3, "density");
        close(slow.heat_current_at(x) / (1e-4 * limit.heat_current_at(x)), 1.0, 2e-3, "heat flux");
        close(fast.total_density_at(x), 1.0, 2e-3, "flat");
        // Eq 16.
        close(limit.soret_at(x).expect("a slope"), limit.covariance_soret_at(x), 1e-10, "covariance");
    }
    // Far from the fast limit the heat flux saturates.
    assert!(fast.heat_current_at(0.5).abs() < 0.05 * 50.0 * limit.heat_current_at(0.5).abs());
}

/// Closed form of particles that forget nothing while they cross the domain: the law of the mean temperature `M` everywhere and
/// `J_E = mu <d_q^2 U> int_0^x (kT - M) dx'`, whatever D is; what remains falls as 1/alpha.
#[test]
fn fast_diffusion_saturates() {
    let of = |alpha: f64| {
        law(&model("0.5 + 0.5*x", "q^4 - 2*q^2 + 0.5*q", &format!("{alpha}*(U + 2.5)"), axis(0.8)))
    };
    let (mut norm, mut bend) = (0.0, 0.0);
    for k in -4000..=4000 {
        let q = f64::from(k) * 1e-3;
        let weight = libm::exp(-(q.powi(4) - 2.0 * q * q + 0.5 * q) / 0.75);
        norm += weight;
        bend += weight * (12.0 * q * q - 4.0);
    }
    let laws = [30.0, 120.0].map(of);
    for x in [0.1, 0.4, 0.8] {
        let limit = -0.8 * bend / norm * 0.25 * x * (1.0 - x);
        let missing = laws.each_ref().map(|law| law.heat_current_at(x) / limit - 1.0);
        assert!(missing[1].abs() < 0.01, "{missing:?} at {x}");
        close(missing[0] / missing[1], 4.0, 0.4, "1/alpha");
    }
    let uneven = laws.each_ref().map(|law| law.total_density_at(0.05) - law.total_density_at(0.95));
    close(uneven[0] / uneven[1], 4.0, 0.4, "flat as 1/alpha");
}

#[test]
fn a_diffusivity_like_the_energy_has_one_over_t() {
    let of = |scale: f64| model("1 + x", "q^2/2", &format!("{scale}*q^2"), axis(1.0));
    let limit = CoordinateLimit::new(&of(1.0)).expect("a limit");
    for x in [0.0, 0.3, 1.0] {
        close(limit.soret_at(x).expect("a slope"), 1.0 / (1.0 + x), 1e-10, "S_T");
        close(limit.total_density_at(x), 1.0 / ((1.0 + x) * std::f64::consts::LN_2), 1e-10, "P");
        // <D> Var_D(U) = 3 T^3/2 for chi-squared moments 1, 3, 15.
        let t = 1.0 + x;
        let variance = t * t * (15.0 / 4.0 - 9.0 / 4.0);
        close(limit.heat_current_at(x), -limit.total_density_at(x) * t * variance / (t * t), 1e-9, "J_E");
    }
    let law = law(&of(1e-4));
    let grid = Grid::new(1.0, 5);
    let local = values(&law, Observable::LocalSoret, &grid);
    close(local[2], 1.0 / 1.5, 5e-3, "S_T in the plane");
}

#[test]
fn several_coordinates_factorise() {
    let axes = vec![Axis::new("a", 1.0), Axis::new("b", 2.0)];
    let limit = CoordinateLimit::new(&with_axes("1 + x", "a^2/2 + b^2/2", "1 + a^2*b^2", axes.clone()));
    let limit = limit.expect("a limit");
    for x in [0.0, 0.4, 0.9] {
        let t = 1.0 + x;
        let averages = limit.averages_at(x);
        close(averages.diffusivity, 1.0 + t * t, 1e-9, "<D>");
        close(averages.energy, t, 1e-9, "<U>");
        close(averages.fluctuation, t * t, 1e-9, "Var U");
        close(limit.soret_at(x).expect("a slope"), 2.0 * t / (1.0 + t * t), 1e-9, "S_T");
    }
    // A force along x: q follows x, and P_tot exp(W/T), W the potential of mean force, is what it is without.
    let forced = CoordinateLimit::new(&model("2", "q^2/2 + x*q + 3*x", "0.1", axis(1.0))).expect("a limit");
    let ratio = forced.total_density_at(0.8) / forced.total_density_at(0.1);
    close(libm::log(ratio), (0.5 * (0.64 - 0.01) - 3.0 * 0.7) / 2.0, 1e-9, "mean force");
}

#[test]
fn wells_become_states() {
    let deep = model("0.5 + 0.1*x", "4*(q^2 - 1)^2 + 0.5*q", "0.01*(1.5 + tanh(4*q))", axis(0.7));
    let limit = CoordinateLimit::new(&deep).expect("a limit");
    let wells = limit.wells_at(0, 0.5);
    assert_eq!(wells.len(), 2);
    let (up, down) = (wells[0].rates[1].expect("a rate"), wells[1].rates[0].expect("a rate"));
    assert!(wells[0].rates[0].is_none() && wells[1].rates[1].is_none());
    close(wells[0].occupancy * up / (wells[1].occupancy * down), 1.0, 1e-10, "detailed balance");
    // Kramers' formula to first order in 1/barrier.
    let t = deep.thermal_energy(0.5);
    let curvature = |q: f64| (48.0 * q * q - 16.0).abs();
    let (bottom, top) = (wells[0].well.bottom, wells[0].well.between[1]);
    let height = deep.energy_within(0, 0.5, &[top]) - deep.energy_within(0, 0.5, &[bottom]);
    let kramers = 0.7 * libm::sqrt(curvature(bottom) * curvature(top)) / (2.0 * std::f64::consts::PI)
        * libm::exp(-height / t);
    close(up / kramers, 1.0, 0.15, "Kramers");
    // Two states with these energies and diffusivities have nearly the same Soret coefficient.
    let [a, b] = [wells[0], wells[1]];
    let mean = a.occupancy * a.diffusivity + b.occupancy * b.diffusivity;
    let covariance = a.occupancy * b.occupancy * (b.energy - a.energy) * (b.diffusivity - a.diffusivity);
    let two = covariance / (mean * t * t);
    close(two / limit.covariance_soret_at(0.5), 1.0, 0.1, "two states");
}

#[test]
fn what_cannot_be_solved_is_refused() {
    let axes = vec![Axis::new("a", 1.0), Axis::new("b", 2.0)];
    let premise = |model: &Model| solve(model, &Options::default()).expect_err("a premise").to_string();
    let two = with_axes("1 + x", "a^2/2 + b^2/2", "1", axes);
    assert!(premise(&two).contains("a single internal coordinate"));
    let mut none = double_well(1.0);
    none.coordinates = None;
    assert!(premise(&none).contains("an internal coordinate"));
    assert!(premise(&model("1 + x", "tanh(q)", "1", axis(1.0))).contains("does not confine q"));
    assert!(premise(&model("1 + x", "q^2", "q", axis(1.0))).contains("diffusivity"));
    let low = Options { tolerance: 1.0, ..Options::default() };
    assert!(matches!(solve(&double_well(1.0), &low), Err(TheoryError::Option { .. })));
}
