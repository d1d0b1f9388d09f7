//! Euler-Maruyama has the bias that its documentation says, of the order that it says.
//!
//! The law of the chain itself is known without sampling: the kernel is compared with that at a step that is
//! far too long, and orders are read from it exactly. At walls where diffusivities vary, the order is read from
//! sampled biases `b` at a step and at a fraction of it: the combination that vanishes for the stated order does
//! so within its error, and the one that vanishes for the neighbouring order does not. Every statement about
//! samples has alpha 1e-9 or less; there are about 100 of them.

use crate::common;
use crate::common::{Finished, field, model, pair, run, solve};
use soret::ensemble::Plan;
use soret::grid::Grid;
use soret::kernel::start::Start;
use soret::kernel::{EulerMaruyama, Span};
use soret::model::{Boundary, Domain, Model, Motility, Network, State};
use soret::observable::Observable;
use soret::theory::{Stationary, chain};

/// Standard errors within which a statement holds, or beyond which it does not.
const SIGMAS: f64 = 6.5;

/// 4096 particles for so many steps, burn-in of 8 relaxation times.
fn steps(model: &Model, grid: &Grid, dt: f64, steps: f64, seed: u64) -> Finished {
    let kernel = EulerMaruyama::new(model, grid, dt).expect("rates with bounds");
    let runner = pair(kernel, model, grid);
    let plan = Plan {
        particles: 4096,
        groups: 64,
        span: Span::Duration(steps * dt),
        burn_in: 8.0 * model.relaxation_time(),
        rounds: 1,
        times: Vec::new(),
        start: Start::LocalEquilibrium,
        seed,
    };
    run(runner.as_ref(), model, grid, &plan).expect("bounds that hold")
}

/// A difference from theory with its standard error.
#[derive(Clone, Copy, Debug)]
struct Bias {
    value: f64,
    error: f64,
}

impl Bias {
    /// Bias of `sum_k weight(k) entry_k`.
    fn of(run: &Finished, law: &Stationary, observable: Observable, weight: impl Fn(usize) -> f64) -> Bias {
        let measured = run.measure().into_iter().find(|m| m.observable == observable).expect("measured");
        let theory = law.reference(observable, &run.context.grid).expect("known");
        let samples: Vec<_> = measured.samples.iter().map(|s| s.as_ref().expect("defined")).collect();
        let groups = samples[0].pseudo.len() as f64;
        let sum =
            |values: &dyn Fn(usize) -> f64| (0..samples.len()).map(|k| weight(k) * values(k)).sum::<f64>();
        let pseudo: Vec<f64> = (0..groups as usize).map(|g| sum(&|k| samples[k].pseudo[g])).collect();
        let mean = pseudo.iter().sum::<f64>() / groups;
        let squares: f64 = pseudo.iter().map(|p| (p - mean) * (p - mean)).sum();
        Bias {
            value: sum(&|k| samples[k].value) - sum(&|k| theory[k].expect("known")),
            error: (squares / (groups * (groups - 1.0))).sqrt(),
        }
    }

    /// `self - factor * finer` in standard errors.
    fn less(self, factor: f64, finer: Bias) -> f64 {
        (self.value - factor * finer.value) / self.error.hypot(factor * finer.error)
    }
}

/// The stationary law of the chain itself for two states with constant diffusivities, without a random
/// number: transitions are the 2 x 2 exponential of the rates at each point, moves damp the cosine mode `n`
/// by `exp(-D (n pi)^2 dt)`. Exact up to the number of modes, and shares nothing with the kernel but rates.
struct Chain {
    /// Cosine modes of both states, observed after the move, or after the transitions.
    modes: [Vec<f64>; 2],
}

impl Chain {
    fn new(model: &Model, dt: f64, after_move: bool) -> Chain {
        const N: usize = 96;
        let x = |j: usize| (j as f64 + 0.5) / N as f64;
        let cosine: Vec<Vec<f64>> = (0..N)
            .map(|n| (0..N).map(|j| (std::f64::consts::PI * n as f64 * x(j)).cos()).collect())
            .collect();
        let rates: Vec<[f64; 2]> =
            (0..N).map(|j| [0, 1].map(|c| model.rate(model.network.channel(c), x(j)))).collect();
        let damping = |s: usize, n: usize| {
            let q = std::f64::consts::PI * n as f64;
            (-model.diffusivity(s, 0.0) * q * q * dt).exp()
        };
        let to_modes = |p: &[f64]| -> Vec<f64> {
            let mode = |n: usize| {
                let norm = if n == 0 { 1.0 } else { 2.0 } / N as f64;
                norm * cosine[n].iter().zip(p).map(|(c, p)| c * p).sum::<f64>()
            };
            (0..N).map(mode).collect()
        };
        let to_points = |a: &[f64]| -> Vec<f64> {
            (0..N).map(|j| a.iter().zip(&cosine).map(|(a, c)| a * c[j]).sum()).collect()
        };
        let react = |p: &mut [Vec<f64>; 2]| {
            for (j, [forward, backward]) in rates.iter().enumerate() {
                let sum = forward + backward;
                // Net flow from state 0 to state 1 in dt.
                let flow = (forward * p[0][j] - backward * p[1][j]) / sum * -(-sum * dt).exp_m1();
                p[0][j] -= flow;
                p[1][j] += flow;
            }
        };
        let mut p = [vec![0.5; N], vec![0.5; N]];
        for _ in 0..(40.0 * model.relaxation_time() / dt).ceil() as usize {
            react(&mut p);
            p = [0, 1].map(|s| {
                let modes = to_modes(&p[s]);
                to_points(&modes.iter().enumerate().map(|(n, a)| a * damping(s, n)).collect::<Vec<_>>())
            });
        }
        if !after_move {
            react(&mut p);
        }
        Chain { modes: [to_modes(&p[0]), to_modes(&p[1])] }
    }

    /// Mean of `P_s` over `[a, b]`.
    fn mean(&self, s: usize, a: f64, b: f64) -> f64 {
        let wave = |(n, mode): (usize, &f64)| {
            let q = std::f64::consts::PI * n as f64;
            if n == 0 { *mode } else { mode * ((q * b).sin() - (q * a).sin()) / (q * (b - a)) }
        };
        self.modes[s].iter().enumerate().map(wave).sum()
    }
}

/// Two states whose transitions take about as long as a walk across the box.
fn system() -> Model {
    model("1 + 0.8*x", &[(1.0, 1e-1), (0.0, 1e-2)], &[(0, 1, 8.0, 1.5)])
}

#[test]
fn the_kernel_samples_the_chain_that_it_says() {
    // dt far too large, so that everything that a step does shows: every bin of both states against the
    // exact law of the chain, 40 comparisons.
    let (model, grid, dt) = (system(), Grid::new(1.0, 20), 0.4);
    let run = steps(&model, &grid, dt, 2e4, 21);
    let worst = |chain: &Chain| {
        let deviations = (0..2).flat_map(|s| {
            let measured = run.measure().into_iter().find(|m| m.observable == Observable::StateDensity(s));
            let measured = measured.expect("measured");
            let z = |k: usize| {
                let estimate = *measured.outcome(k).estimate().expect("defined");
                (estimate.value - chain.mean(s, grid.face(k), grid.face(k + 1))) / estimate.std_error
            };
            (0..20).map(z).collect::<Vec<_>>()
        });
        deviations.map(f64::abs).fold(0.0, f64::max)
    };
    let right = worst(&Chain::new(&model, dt, true));
    // A t deviate with 63 degrees of freedom beyond 8.6 has the p-value of a normal one beyond 6.9.
    assert!(right < 8.6, "{right}");
    // The same chain looked at between transitions and move, or with another step, is another law.
    for wrong in [Chain::new(&model, dt, false), Chain::new(&model, 0.5 * dt, true)] {
        let wrong = worst(&wrong);
        assert!(wrong > 8.6, "{wrong}");
    }
    // And so is the continuum: a step that is too long is caught by the comparison with theory.
    assert!(!run.compare(&solve(&model), 1e-10).agrees);
}

#[test]
fn a_short_step_agrees_with_the_continuum() {
    let model = system();
    let run = steps(&model, &Grid::new(1.0, 20), 0.01, 1e4, 23);
    assert!(run.compare(&solve(&model), 1e-10).agrees);
}

#[test]
fn occupancies_have_order_one_and_profiles_order_two() {
    // No sampling: differences between the laws of the chain at dt, dt/2 and dt/4, in which the error of
    // the collocation cancels. The mean position stands for P_tot, that of the excited state for P_i.
    let model = system();
    let grid = Grid::new(1.0, 64);
    let moments = |of: &dyn Fn(usize, usize) -> f64| -> [f64; 2] {
        let [a, b] = [0, 1].map(|s| (0..64).map(|k| (k as f64 + 0.5) / 64.0 * of(s, k)).sum::<f64>() / 64.0);
        [a, a + b]
    };
    let at = |dt: f64| {
        let chain = Chain::new(&model, dt, true);
        moments(&|s, k| chain.mean(s, grid.face(k), grid.face(k + 1)))
    };
    let laws = [0.08, 0.04, 0.02].map(at);
    let order = |k: usize| ((laws[0][k] - laws[1][k]) / (laws[1][k] - laws[2][k])).log2();
    assert!((order(0) - 1.0).abs() < 0.1, "P_i: order {}", order(0));
    assert!((order(1) - 2.0).abs() < 0.1, "P_tot: order {}", order(1));
    // Both go to the continuum: extrapolated by their orders they meet it to the error of the collocation.
    let law = solve(&model);
    let theory = [0, 1].map(|s| law.reference(Observable::StateDensity(s), &grid).expect("known"));
    let exact = moments(&|s, k| theory[s][k].expect("known"));
    let first = 2.0 * laws[2][0] - laws[1][0];
    let second = (4.0 * laws[2][1] - laws[1][1]) / 3.0;
    assert!((first - exact[0]).abs() < 3e-6, "{first} {}", exact[0]);
    assert!((second - exact[1]).abs() < 3e-6, "{second} {}", exact[1]);
    // The biases that are extrapolated away are larger than that.
    assert!((laws[0][0] - exact[0]).abs() > 3e-5 && (laws[0][1] - exact[1]).abs() > 1e-5);
}

#[test]
fn walls_have_order_one_half_where_diffusivities_vary() {
    // One state with D = T/2: P ~ 1/T. Bins shrink with the step, a fifth of its length at the left wall.
    let diffusivity = Motility::Diffusivity(field("0.5*(1 + 0.8*x)"));
    let only = State { motility: diffusivity, ..State::new("only", 0.0, 1.0) };
    let model = Model {
        domain: Domain { length: 1.0, walls: Boundary::Reflecting },
        temperature: field("1 + 0.8*x"),
        boltzmann: 1.0,
        potential: None,
        coordinates: None,
        mixture: None,
        network: Network::new(vec![only], vec![]).expect("a state"),
    };
    let law = solve(&model);
    let relative = |dt: f64, bins: usize, steps_done: f64, seed: u64| -> [Bias; 3] {
        let grid = Grid::new(1.0, bins);
        let run = steps(&model, &grid, dt, steps_done, seed);
        [0, bins / 2, bins - 1].map(|bin| {
            let exact = law.reference(Observable::Density, &grid).expect("known")[bin].expect("known");
            Bias::of(&run, &law, Observable::Density, |k| if k == bin { 1.0 / exact } else { 0.0 })
        })
    };
    let (coarse, fine) = (relative(0.04, 25, 1.5e4, 24), relative(0.01, 50, 3e4, 25));
    // -0.57 (d ln D/dn) sqrt(2 D dt) at the point itself, n inward: too few at the cold wall, too many at
    // the hot one. A bin of a fifth of the layer sees four fifths of that or a little less.
    for (bias, dt) in [(coarse, 0.04f64), (fine, 0.01)] {
        let cold = -0.57 * 0.8 * dt.sqrt();
        let hot = 0.57 * 0.8 / 1.8 * (1.8 * dt).sqrt();
        for (b, expected) in [(bias[0], cold), (bias[2], hot)] {
            assert!((0.6..1.1).contains(&(b.value / expected)), "{b:?} for {expected}");
            assert!(b.value.abs() / b.error > SIGMAS, "{b:?}");
        }
    }
    // Four times the step, twice the error: not four times.
    let (b, quarter) = (coarse[0], fine[0]);
    let granted = 0.2 * b.value.abs() / b.error.hypot(2.0 * quarter.error);
    assert!(b.less(2.0, quarter).abs() < SIGMAS + granted, "not of order one half: {b:?} {quarter:?}");
    assert!(b.less(4.0, quarter).abs() > SIGMAS, "of order one: {b:?} {quarter:?}");
    // Away from the walls the error is far smaller.
    assert!(fine[1].value.abs() < 0.2 * fine[0].value.abs() + SIGMAS * fine[1].error, "{fine:?}");
}

/// The stationary law of the chain for one or two states whose diffusivities vary, without a random number:
/// moves are sums of Gaussians over the points of a quadrature that converges faster than any power
/// (equidistant on a ring, Chebyshev's points with Fejer's weights between walls), their images included.
struct Varying<'a> {
    model: &'a Model,
    dt: f64,
    points: Vec<(f64, f64)>,
    /// The law before a move, state by state.
    before: Vec<Vec<f64>>,
}

impl<'a> Varying<'a> {
    fn new(model: &'a Model, dt: f64) -> Self {
        const N: usize = 128;
        let point = |j: usize| {
            let angle = std::f64::consts::PI * (j as f64 + 0.5) / N as f64;
            let wave = |k: usize| 2.0 * (2.0 * k as f64 * angle).cos() / (4 * k * k - 1) as f64;
            match model.domain.walls {
                Boundary::Periodic => ((j as f64 + 0.5) / N as f64, 1.0 / N as f64),
                Boundary::Reflecting => {
                    let weight = (1.0 - (1..=N / 2).map(wave).sum::<f64>()) / N as f64;
                    (0.5 * (1.0 - angle.cos()), weight)
                }
            }
        };
        let points: Vec<(f64, f64)> = (0..N).map(point).collect();
        let states = model.network.states().len();
        let mut chain = Varying { model, dt, points, before: Vec::new() };
        // One equation a state and point: move, then transitions, less the law itself; the last gives way to
        // the normalisation.
        let size = states * N;
        let mut system = vec![vec![0.0; size + 1]; size];
        for (i, &(y, _)) in chain.points.iter().enumerate() {
            let share = chain.shares(y);
            for (j, &(x, weight)) in chain.points.iter().enumerate() {
                for from in 0..states {
                    let moved = weight * chain.images(from, x, |image, s| gaussian(y - image, s));
                    (0..states).for_each(|to| system[to * N + i][from * N + j] += share[to][from] * moved);
                }
            }
        }
        (0..size).for_each(|k| system[k][k] -= 1.0);
        let weights = (0..size).map(|k| chain.points[k % N].1);
        system[size - 1] = weights.chain([1.0]).collect();
        chain.before = eliminate(system).chunks(N).map(<[f64]>::to_vec).collect();
        chain
    }

    /// `exp(K(x) dt)`, as `[to][from]`.
    fn shares(&self, x: f64) -> [[f64; 2]; 2] {
        if self.model.network.states().len() == 1 {
            return [[1.0, 0.0]; 2];
        }
        let [a, b] = [0, 1].map(|c| self.model.rate(self.model.network.channel(c), x));
        let left = -(-(a + b) * self.dt).exp_m1() / (a + b);
        [[1.0 - a * left, b * left], [a * left, 1.0 - b * left]]
    }

    /// A sum over the images of a particle that starts its move at x.
    fn images(&self, s: usize, x: f64, of: impl Fn(f64, f64) -> f64) -> f64 {
        let spread = (2.0 * self.model.diffusivity(s, x) * self.dt).sqrt();
        let ring = self.model.domain.walls == Boundary::Periodic;
        let image = |m: i32| {
            let lap = f64::from(m);
            if ring { of(x + lap, spread) } else { of(x + 2.0 * lap, spread) + of(2.0 * lap - x, spread) }
        };
        (-3..=3).map(image).sum()
    }

    /// Mean of `P_s` over `[a, b]` after the move.
    fn mean(&self, s: usize, a: f64, b: f64) -> f64 {
        let below = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        let inside = |image: f64, spread: f64| below((b - image) / spread) - below((a - image) / spread);
        let each = self.points.iter().zip(&self.before[s]);
        each.map(|((x, w), p)| w * p * self.images(s, *x, inside)).sum::<f64>() / (b - a)
    }

    /// Mean of `P_tot` over `[a, b]`.
    fn total(&self, a: f64, b: f64) -> f64 {
        (0..self.before.len()).map(|s| self.mean(s, a, b)).sum()
    }
}

fn gaussian(z: f64, spread: f64) -> f64 {
    (-0.5 * z * z / (spread * spread)).exp() / (spread * (2.0 * std::f64::consts::PI).sqrt())
}

/// Solves linear equations whose right-hand side is the last column.
fn eliminate(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for k in 0..n {
        let best = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs())).expect("a row");
        rows.swap(k, best);
        let (done, open) = rows.split_at_mut(k + 1);
        for row in open {
            let factor = row[k] / done[k][k];
            row[k..].iter_mut().zip(&done[k][k..]).for_each(|(r, d)| *r -= factor * d);
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * rows[j][n]).sum();
        rows[k][n] = (rows[k][n] - known) / rows[k][k];
    }
    rows.iter().map(|row| row[n]).collect()
}

/// Two states, in a box or on a ring, with these diffusivities.
fn bulk(walls: Boundary, diffusivities: [&str; 2]) -> Model {
    let state = |name: &str, energy: f64, diffusivity: &str| State {
        motility: Motility::Diffusivity(field(diffusivity)),
        ..State::new(name, energy, 1.0)
    };
    let states = vec![state("excited", 1.0, diffusivities[0]), state("ground", 0.0, diffusivities[1])];
    let edges = vec![soret::model::Edge::new([0, 1], 8.0, 1.5)];
    Model {
        domain: Domain { length: 1.0, walls },
        temperature: field("1 + 0.5*cos(2*pi*x)"),
        boltzmann: 1.0,
        potential: None,
        coordinates: None,
        mixture: None,
        network: Network::new(states, edges).expect("two states"),
    }
}

/// Diffusivities of both states, where they vary.
const VARYING: [&str; 2] = ["0.2*(1 + 0.5*sin(2*pi*x))", "0.1*(1 + 0.5*sin(2*pi*x))"];

#[test]
fn the_bulk_has_order_one_where_diffusivities_vary() {
    // No sampling. The error of P_tot in a bin far from the walls, against the continuum, at four steps; its
    // order is the slope through them in logarithms.
    const STEPS: [f64; 4] = [0.02, 0.01, 0.005, 0.0025];
    let grid = Grid::new(1.0, 10);
    let order = |model: &Model| {
        let exact = solve(model).reference(Observable::Density, &grid).expect("known")[6].expect("known");
        let error = |dt: f64| Varying::new(model, dt).total(0.6, 0.7) / exact - 1.0;
        let errors = STEPS.map(error);
        let at = |k: usize| (STEPS[k].log2(), errors[k].abs().log2());
        let mean = |f: &dyn Fn(usize) -> f64| (0..4).map(f).sum::<f64>() / 4.0;
        let (x, y) = (mean(&|k| at(k).0), mean(&|k| at(k).1));
        let slope = mean(&|k| (at(k).0 - x) * (at(k).1 - y)) / mean(&|k| (at(k).0 - x) * (at(k).0 - x));
        common::note(format!("{:?}: errors {errors:?}, order {slope:.3}", model.domain.walls));
        slope
    };
    for (walls, tolerance) in [(Boundary::Periodic, 0.05), (Boundary::Reflecting, 0.1)] {
        let varying = order(&bulk(walls, VARYING));
        assert!((varying - 1.0).abs() < tolerance, "{walls:?}: order {varying}");
        // The same bin where they are constant.
        let constant = order(&bulk(walls, ["0.2", "0.1"]));
        assert!((constant - 2.0).abs() < 0.1, "{walls:?}: order {constant}");
    }
}

#[test]
fn the_first_order_in_the_bulk_is_the_curvature_of_the_diffusivity() {
    // One state on a ring. A step takes P to the sum over k of (dt^k/k!) d^2k(D^k P)/dx^2k: stationary to first
    // order in dt is P = c/D (1 + dt (c' - D''/2)), with c' from the normalisation.
    let mut model = bulk(Boundary::Periodic, VARYING);
    let only = model.network.states()[0].clone();
    model.network = Network::new(vec![only], vec![]).expect("a state");
    let tau = 2.0 * std::f64::consts::PI;
    let d = |x: f64| 0.2 * (1.0 + 0.5 * (tau * x).sin());
    let half_curvature = |x: f64| -0.5 * 0.2 * 0.5 * tau * tau * (tau * x).sin();
    // The midpoint rule, exact for periodic functions.
    let mean = |f: &dyn Fn(f64) -> f64| (0..200).map(|k| f((k as f64 + 0.5) / 200.0)).sum::<f64>() / 200.0;
    let norm = mean(&|x| 1.0 / d(x));
    let constant = mean(&|x| half_curvature(x) / d(x)) / norm;
    for x in [0.1, 0.25, 0.5, 0.8] {
        let coefficient = |dt: f64| {
            let law = Varying::new(&model, dt).total(x - 1e-3, x + 1e-3);
            (law * d(x) * norm - 1.0) / dt
        };
        // Extrapolated to dt = 0.
        let found = 2.0 * coefficient(0.0025) - coefficient(0.005);
        let expected = constant - half_curvature(x);
        assert!((found - expected).abs() < 0.03 * expected.abs().max(0.3), "{x}: {found} {expected}");
    }
}

#[test]
fn the_kernel_samples_this_chain_where_diffusivities_vary() {
    // 10 bins of both states, on a ring and between walls, at a step that is far too long: 40 comparisons, with
    // the limit of the same test for constant diffusivities.
    for walls in [Boundary::Periodic, Boundary::Reflecting] {
        let (model, grid, dt) = (bulk(walls, VARYING), Grid::new(1.0, 10), 0.1);
        let run = steps(&model, &grid, dt, 3e3, 26);
        let worst = |chain: &Varying<'_>| {
            let deviations = (0..2).flat_map(|s| {
                let measured =
                    run.measure().into_iter().find(|m| m.observable == Observable::StateDensity(s));
                let measured = measured.expect("measured");
                let z = |k: usize| {
                    let estimate = *measured.outcome(k).estimate().expect("defined");
                    (estimate.value - chain.mean(s, grid.face(k), grid.face(k + 1))) / estimate.std_error
                };
                (0..10).map(z).collect::<Vec<_>>()
            });
            deviations.map(f64::abs).fold(0.0, f64::max)
        };
        let right = worst(&Varying::new(&model, dt));
        assert!(right < 8.6, "{walls:?}: {right}");
        let constant = bulk(walls, ["0.2", "0.1"]);
        for wrong in [Varying::new(&model, 0.5 * dt), Varying::new(&constant, dt)] {
            let wrong = worst(&wrong);
            assert!(wrong > 8.6, "{walls:?}: {wrong}");
        }
    }
}

#[test]
fn the_law_of_the_chain_in_the_library_is_this_one() {
    // Iterated here, solved there; at a step that is far too long and at a short one.
    let model = system();
    for dt in [0.4, 0.05] {
        let here = Chain::new(&model, dt, true);
        let there = chain::Chain::on(&model, dt, 96).expect("constant diffusivities");
        let grid = Grid::new(1.0, 64);
        for s in 0..2 {
            // The first moment in bins lacks h^2/12 times the slope of the profile.
            let moment = |k: usize| {
                let (a, b) = (grid.face(k), grid.face(k + 1));
                0.5 * (a + b) * here.mean(s, a, b) * (b - a)
            };
            let ours: f64 = (0..64).map(moment).sum();
            let correction = (here.mean(s, 0.99, 1.0) - here.mean(s, 0.0, 0.01)) / (64.0 * 64.0 * 12.0);
            let difference = there.first_moments[s] - ours - correction;
            assert!(difference.abs() < 2e-7, "{s}: {difference:e}");
        }
        // Another step is another law.
        let other = chain::Chain::on(&model, 0.9 * dt, 96).expect("constant diffusivities");
        assert!((other.first_moments[0] - there.first_moments[0]).abs() > 2e-6);
    }
    // Forces, rings and diffusivities that vary have no such law.
    let mut varying = system();
    varying.network = Network::new(
        vec![
            State { motility: Motility::Diffusivity(field("0.1*(1 + x)")), ..State::new("a", 1.0, 1.0) },
            State::new("b", 0.0, 0.01),
        ],
        vec![soret::model::Edge::new([0, 1], 8.0, 1.5)],
    )
    .expect("two states");
    assert_eq!(chain::Chain::on(&varying, 0.1, 32), None);
}

#[test]
fn same_seeds_do_not_pair_steps_of_different_length() {
    // 1024 groups of 4 walkers at dt and dt/2 from the same streams: the correlation of what they see, whose
    // error is 1/32. Paired runs would be near 1 and would take noise out of the difference of two biases.
    let (model, grid) = (system(), Grid::new(1.0, 4));
    let seen = |dt: f64| -> Vec<f64> {
        let kernel = EulerMaruyama::new(&model, &grid, dt).expect("rates with bounds");
        let runner = pair(kernel, &model, &grid);
        let plan = Plan {
            particles: 4096,
            groups: 1024,
            span: Span::Duration(20.0),
            burn_in: 8.0 * model.relaxation_time(),
            rounds: 1,
            times: Vec::new(),
            start: Start::LocalEquilibrium,
            seed: 31,
        };
        let run = run(runner.as_ref(), &model, &grid, &plan).expect("bounds that hold");
        let measured = run.measure().into_iter().find(|m| m.observable == Observable::MeanTemperature);
        measured.expect("measured").samples[0].as_ref().expect("defined").pseudo.clone()
    };
    let [a, b] = [0.1, 0.05].map(seen);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let product = |u: &[f64], v: &[f64]| -> f64 {
        let (m, n) = (mean(u), mean(v));
        u.iter().zip(v).map(|(x, y)| (x - m) * (y - n)).sum()
    };
    let correlation = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    assert!(correlation.abs() < SIGMAS / 32.0, "{correlation}");
    // The same step from the same streams is the same run.
    assert_eq!(a, seen(0.1));
}
