//! The stationary law of a chain of steps: transitions for `dt` at a fixed place, then a move for `dt` in a
//! fixed state. It is the law that Euler-Maruyama samples, found without a random number, and shows its bias
//! however small.
//!
//! For a constant diffusivity the move is exact in cosine modes, which it damps by `exp(-D q^2 dt)`,
//! `q = n pi/L`; transitions are `exp(K(x) dt)` at each of as many points. The law after the move solves
//! `[(1 + dt G) E + G] P = 0` with `E = (exp(K dt) - 1)/dt` and `G` the modes times `(exp(-D q^2 dt) - 1)/dt`:
//! for `dt = 0` the stationary reaction-diffusion equation on the same points, so that their error cancels in
//! a bias.

use super::functionals::soret_of_excess;
use super::linear::{Factored, Matrix};
use crate::model::{Boundary, Model};

/// Points to begin with.
const FEWEST: usize = 64;

/// Most unknowns of a dense system.
const MOST: usize = 1100;

/// The law on points and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// `int x P_i dx` of each state.
    pub first_moments: Vec<f64>,
    /// `J_i` averaged over the domain, by displacements in moves.
    pub mean_currents: Vec<f64>,
    /// `J_E`, averaged likewise.
    pub mean_heat_current: f64,
    /// Global Soret coefficient; none at uniform temperature.
    pub soret: Option<f64>,
}

/// Points with which biases at steps from `longest` down are known to about 1e-3 of themselves. `None` where
/// there is no such law (diffusivities that vary, forces, rings), or where too many points would be needed.
pub fn points(model: &Model, longest: f64) -> Option<usize> {
    let states = model.network.states().len();
    let mut points = FEWEST;
    let bias = |points: usize| {
        let [long, none] = [longest, 0.0].map(|dt| Chain::on(model, dt, points));
        Some(long?.first_moments.iter().zip(none?.first_moments).map(|(a, b)| a - b).collect::<Vec<f64>>())
    };
    let mut before = bias(points)?;
    while 3 * points / 2 * states <= MOST {
        points = 3 * points / 2;
        let now = bias(points)?;
        let size = now.iter().map(|b| b.abs()).fold(0.0, f64::max);
        let change = now.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if change <= 1e-3 * size || size <= 1e-13 {
            return Some(points);
        }
        before = now;
    }
    None
}

impl Chain {
    /// The law for steps of length `dt`, or of the continuum for `dt = 0`, on so many points. `None` where
    /// diffusivities vary, for forces and rings, or if the equation is singular.
    pub fn on(model: &Model, dt: f64, points: usize) -> Option<Self> {
        let states = model.network.states().len();
        let diffusivities: Option<Vec<f64>> = (0..states).map(|s| model.constant_diffusivity(s)).collect();
        let diffusivities = diffusivities?;
        if model.domain.walls != Boundary::Reflecting || model.has_forces() {
            return None;
        }
        let (n, length) = (points, model.domain.length);
        let place = |j: usize| length * (j as f64 + 0.5) / n as f64;
        let wave =
            |m: usize, j: usize| libm::cos(std::f64::consts::PI * m as f64 * (j as f64 + 0.5) / n as f64);
        let waves: Vec<Vec<f64>> = (0..n).map(|m| (0..n).map(|j| wave(m, j)).collect()).collect();
        let norm = |m: usize| if m == 0 { 1.0 } else { 2.0 } / n as f64;
        // G of each state, point to point.
        let moves: Vec<Matrix> = diffusivities
            .iter()
            .map(|d| {
                let damping: Vec<f64> = (0..n)
                    .map(|m| {
                        let q = std::f64::consts::PI * m as f64 / length;
                        let rate = -d * q * q;
                        norm(m) * if dt > 0.0 { libm::expm1(rate * dt) / dt } else { rate }
                    })
                    .collect();
                let mut matrix = Matrix::zeros(n, n);
                for i in 0..n {
                    let row = matrix.row_mut(i);
                    for (m, damping) in damping.iter().enumerate() {
                        let factor = damping * waves[m][i];
                        row.iter_mut().zip(&waves[m]).for_each(|(r, w)| *r += factor * w);
                    }
                }
                matrix
            })
            .collect();
        // E at each point, `reactions[j][to][from]`.
        let reactions: Vec<Vec<Vec<f64>>> = (0..n).map(|j| reaction(model, place(j), dt, states)).collect();

        let size = states * n;
        let mut system = Matrix::zeros(size, size);
        for to in 0..states {
            for i in 0..n {
                let row = system.row_mut(to * n + i);
                for from in 0..states {
                    // (1 + dt G_to) E + G_to.
                    for (j, (entry, g)) in row[from * n..].iter_mut().zip(moves[to].row(i)).enumerate() {
                        let e = reactions[j][to][from];
                        let own = f64::from(u8::from(i == j)) + dt * g;
                        *entry += own * e + if to == from { *g } else { 0.0 };
                    }
                }
            }
        }
        // The equations add up to zero: the last one gives way to the normalisation.
        let cell = length / n as f64;
        system.row_mut(size - 1).fill(cell);
        let mut law = vec![0.0; size];
        law[size - 1] = 1.0;
        Factored::new(system)?.solve(&mut law);
        law.iter().all(|p| p.is_finite()).then(|| Self::read(model, dt, &law, &moves, &reactions, &waves))
    }

    fn read(
        model: &Model,
        dt: f64,
        law: &[f64],
        moves: &[Matrix],
        reactions: &[Vec<Vec<f64>>],
        waves: &[Vec<f64>],
    ) -> Self {
        let (n, length) = (waves.len(), model.domain.length);
        // int x cos(q x) dx of every mode, exact.
        let moment = |p: &[f64]| -> f64 {
            let mode = |m: usize| waves[m].iter().zip(p).map(|(w, p)| w * p).sum::<f64>() / n as f64;
            let odd = (1..n).step_by(2).map(|m| {
                let q = std::f64::consts::PI * m as f64;
                -4.0 * mode(m) / (q * q)
            });
            length * length * (0.5 * mode(0) + odd.sum::<f64>())
        };
        let states: Vec<&[f64]> = law.chunks(n).collect();
        let current = |s: usize| {
            // Before the move: P + dt E P. The move displaces by dt G of that.
            let before: Vec<f64> = (0..n)
                .map(|j| {
                    let gained: f64 = states.iter().zip(&reactions[j][s]).map(|(p, e)| p[j] * e).sum();
                    states[s][j] + dt * gained
                })
                .collect();
            let moved: Vec<f64> =
                (0..n).map(|i| moves[s].row(i).iter().zip(&before).map(|(g, p)| g * p).sum()).collect();
            moment(&moved) / length
        };
        let mean_currents: Vec<f64> = (0..states.len()).map(current).collect();
        let temperature: Vec<f64> =
            (0..n).map(|j| model.temperature.value(length * (j as f64 + 0.5) / n as f64)).collect();
        let mean = temperature.iter().sum::<f64>() / n as f64;
        let pairs: Vec<(f64, f64)> = temperature.iter().map(|t| (t - mean, 1.0 / n as f64)).collect();
        let total = |j: usize| states.iter().map(|p| p[j]).sum::<f64>();
        let excess = pairs.iter().enumerate().map(|(j, (t, w))| t * w * length * total(j)).sum();
        let energies = model.network.states().iter().map(|s| s.energy);
        Chain {
            first_moments: states.iter().map(|p| moment(p)).collect(),
            mean_heat_current: energies.zip(&mean_currents).map(|(e, j)| e * j).sum(),
            mean_currents,
            soret: soret_of_excess(mean, excess, &pairs),
        }
    }

    /// Mean position.
    pub fn mean_position(&self) -> f64 {
        self.first_moments.iter().sum()
    }
}

/// `(exp(K dt) - 1)/dt`, `K` itself for `dt = 0`: by the series of a small fraction of `dt`, doubled.
fn reaction(model: &Model, x: f64, dt: f64, states: usize) -> Vec<Vec<f64>> {
    let mut rates = vec![vec![0.0; states]; states];
    for channel in model.network.channels() {
        let rate = model.rate(channel, x);
        rates[channel.to][channel.from] += rate;
        rates[channel.from][channel.from] -= rate;
    }
    let product = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let entry = |i: usize, j: usize| (0..states).map(|k| a[i][k] * b[k][j]).sum();
        (0..states).map(|i| (0..states).map(|j| entry(i, j)).collect()).collect()
    };
    let scaled = |a: &[Vec<f64>], f: f64| -> Vec<Vec<f64>> {
        a.iter().map(|row| row.iter().map(|v| v * f).collect()).collect()
    };
    if dt == 0.0 {
        return rates;
    }
    let fastest = (0..states).map(|s| -rates[s][s]).fold(0.0, f64::max);
    let doublings = libm::ceil(libm::log2((4.0 * fastest * dt).max(1.0))) as i32;
    let small = scaled(&rates, dt * libm::exp2(f64::from(-doublings)));
    // exp - 1 of the fraction, then (1 + X)^2 - 1 = 2 X + X^2.
    let mut term = small.clone();
    let mut sum = small.clone();
    for k in 2..20 {
        term = scaled(&product(&term, &small), 1.0 / f64::from(k));
        sum.iter_mut().flatten().zip(term.iter().flatten()).for_each(|(s, t)| *s += t);
    }
    for _ in 0..doublings {
        let square = product(&sum, &sum);
        sum.iter_mut().flatten().zip(square.iter().flatten()).for_each(|(s, q)| *s = 2.0 * *s + q);
    }
    scaled(&sum, 1.0 / dt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::model::{Edge, Function, State};
    use crate::observable::Observable;
    use crate::theory::stationary::{self, Options};

    fn model() -> Model {
        let temperature = Function::lipschitz(|x| 1.0 + 0.8 * x, 0.8);
        let states = vec![State::new("a", 1.0, 0.1), State::new("b", 0.0, 0.01), State::new("c", 0.5, 0.03)];
        let edges = vec![Edge::new([0, 1], 8.0, 1.5), Edge::new([1, 2], 3.0, 1.2)];
        Model::new(1.0, temperature, states, edges).unwrap()
    }

    #[test]
    fn without_a_step_it_is_the_continuum() {
        let model = model();
        let law = stationary::solve(&model, &Options::default()).unwrap();
        let grid = Grid::new(1.0, 50);
        let one = |o| law.reference(o, &grid).unwrap()[0].unwrap();
        // The largest relative difference: cosines of a profile whose third derivative does not vanish at the
        // walls converge with a power of their number, at least the second.
        let worst = |points: usize| {
            let chain = Chain::on(&model, 0.0, points).unwrap();
            assert!(chain.mean_currents.iter().sum::<f64>().abs() < 1e-12);
            let currents = (0..3).map(|s| chain.mean_currents[s] / one(Observable::MeanCurrent(s)));
            let others = [
                chain.soret.unwrap() / one(Observable::Soret),
                chain.mean_heat_current / one(Observable::MeanHeatCurrent),
            ];
            currents.chain(others).map(|ratio| (ratio - 1.0).abs()).fold(0.0, f64::max)
        };
        let (coarse, fine) = (worst(64), worst(128));
        assert!(fine < 3e-4 && fine < coarse / 3.5, "{coarse:e} {fine:e}");
    }

    #[test]
    fn transitions_at_a_point_are_the_matrix_exponential() {
        // Two states: (exp(K t) - 1) = K (1 - exp(-s t))/s with s the sum of the rates.
        let states = vec![State::new("a", 1.0, 0.1), State::new("b", 0.0, 0.01)];
        let temperature = Function::lipschitz(|x| 1.0 + 0.8 * x, 0.8);
        let model = Model::new(1.0, temperature, states, vec![Edge::new([0, 1], 8.0, 1.5)]).unwrap();
        let rates = [0, 1].map(|c| model.rate(model.network.channel(c), 0.3));
        for dt in [1e-6, 0.1, 3.0, 50.0] {
            let e = reaction(&model, 0.3, dt, 2);
            let sum = rates[0] + rates[1];
            let moved = rates[0] * -(-sum * dt).exp_m1() / sum / dt;
            assert!((e[1][0] / moved - 1.0).abs() < 1e-12 && (e[0][0] / -moved - 1.0).abs() < 1e-12, "{dt}");
        }
    }
}
