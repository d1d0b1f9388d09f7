//! Slow and fast particles (C29, Fig 3 of the paper), from a histogram of position and velocity.

use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::observable::Observable;
use crate::phase_space::{REACH, SPEEDS};

/// `P_i(x, v)`, slow and fast currents, the largest slow current and its speed.
///
/// `J_slow(x, V)` follows from net counts (at `+v` less at `-v`) per cell of velocity, see [`slow_currents`]; the fast
/// current is the rest of the sum of all velocities seen, so that the two add up to the current of the same
/// particles exactly. An entry is left out where too few independent sightings stand behind it: one particle
/// forgets its velocity in `m/(gamma dt)` steps.
#[derive(Clone, Copy, Debug)]
pub struct Speeds;

/// Cells of one sign.
const HALF: usize = SPEEDS / 2;

/// Independent sightings that an entry of the slow or fast current needs: below, its law is no normal one.
const FEWEST: f64 = 400.0;

/// The slope of the odd part of the law at the crossover must be this many standard errors from zero, or its root has
/// no normal law: what is called 5.7 standard errors of the root is then 5.1 at least (Fieller).
const RESOLVED: f64 = 12.0;

impl Estimator for Speeds {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let of = |s: usize| {
            use Observable::*;
            [PeakSlowCurrent(s), CrossoverSpeed(s), SlowCurrent(s), FastCurrent(s), PhaseDensity(s)]
        };
        (0..context.states()).flat_map(of).collect()
    }

    /// Sightings, groups; per state and bin the sum of v, the slope of the odd part and its square, the histogram.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let rows = (0..context.states()).flat_map(|s| (0..context.grid.bins).map(move |b| (s, b)));
        let Some(phase) = &group.phase else {
            return vec![0.0; 2 + rows.count() * ROW];
        };
        let seen = (0..context.states()).flat_map(|s| phase.moments(s)).map(|of_bin| of_bin[0]).sum();
        let mut sums = vec![seen, 1.0];
        for (s, b) in rows {
            let counts: Vec<f64> = phase.speeds(s, b).iter().map(|n| *n as f64).collect();
            let slope = slope(&net(&counts));
            sums.extend([phase.moments(s)[b][1], slope, slope * slope]);
            sums.extend(counts);
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (seen, groups, rows) = (sums[0], sums[1], &sums[2..]);
        let per_length = seen * context.grid.bin_width();
        let mut result = Vec::new();
        for (s, of_state) in rows.chunks(ROW * context.grid.bins).enumerate() {
            let mut parts: [Vec<Option<f64>>; 5] = Default::default();
            for (b, row) in of_state.chunks(ROW).enumerate() {
                let [velocities, slope, square] = [row[0], row[1], row[2]];
                let counts = &row[ROW - SPEEDS..];
                let width = cell_width(context, s, b);
                let enough = FEWEST / forgets(context, s, b);
                let mut within = 0.0;
                let all: f64 = counts.iter().sum();
                let net = net(counts);
                let slow = slow_currents(&net, width);
                let largest = peak(&slow);
                for (k, slow) in slow.iter().enumerate() {
                    within += counts[HALF + k] + counts[HALF - 1 - k];
                    parts[2].push(ratio(*slow, per_length).filter(|_| within >= enough));
                    let fast = velocities - slow;
                    parts[3].push(ratio(fast, per_length).filter(|_| all - within >= enough));
                }
                parts[0].push(ratio(largest, per_length).filter(|_| all >= enough));
                let variance = (square - slope * slope / groups) * groups / (groups - 1.0);
                let known = groups > 1.0 && slope * slope > RESOLVED * RESOLVED * variance;
                parts[1].push(crossover(&net).map(|u| u * width).filter(|_| known));
                parts[4].extend(counts.iter().map(|n| ratio(*n, per_length * width)));
            }
            result.extend(parts);
        }
        result
    }

    fn why_undefined(&self, _context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::CrossoverSpeed(_) => {
                "the slow current has no significant extremum near sqrt(3 kT/m): at a wall, at uniform temperature, \
                 or too few particles were seen"
            }
            Observable::PhaseDensity(_) => "no particle was seen",
            _ => "fewer than 400 independent particles were seen at these speeds",
        };
        reason.into()
    }
}

/// Numbers per state and bin.
const ROW: usize = 3 + SPEEDS;

/// Width of the cells of velocity.
fn cell_width(context: &Context, state: usize, bin: usize) -> f64 {
    use crate::phase_space::edge;
    edge(&context.model, &context.grid, state, bin, HALF + 1)
}

/// Share of its velocity that a particle forgets from one sighting to the next, `gamma dt/m`, at most 1.
fn forgets(context: &Context, state: usize, bin: usize) -> f64 {
    let x = (bin as f64 + 0.5) * context.grid.bin_width();
    let mass = context.model.network.states()[state].mass.unwrap_or(1.0);
    let dt = context.dwell[state][bin * context.grid.cells_per_bin];
    (context.model.resistance(state, x) * dt / mass).min(1.0)
}

/// Counts at `+v` less counts at `-v`, from the slowest to the fastest.
fn net(counts: &[f64]) -> Vec<f64> {
    let (down, up) = counts.split_at(HALF);
    up.iter().zip(down.iter().rev()).map(|(up, down)| up - down).collect()
}

/// `int_{-V}^{V} v n(v) dv` at the outer edge `V` of each cell of width `w`, from the net numbers in the cells.
///
/// With each cell at its middle this is short of the integral by `-(w^2/12) p(V)`, `p` the odd part per velocity
/// (Euler and Maclaurin; nothing at v = 0, where p vanishes), which neighbouring cells tell. What is left is of
/// order `w^4`: below 1e-5 of the largest current.
pub fn slow_currents(net: &[f64], width: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let at = |(k, n): (usize, &f64)| {
        sum += (k as f64 + 0.5) * n * width;
        let beyond = net.get(k + 1).unwrap_or(n);
        sum + width / 24.0 * (n + beyond)
    };
    net.iter().enumerate().map(at).collect()
}

/// `sqrt(3)` in cells of velocity.
fn root_three() -> f64 {
    libm::sqrt(3.0) * HALF as f64 / REACH
}

/// The slow current at `V = sqrt(3 kT/m)`, `T` that of the middle of the bin: the cubic through four edges.
pub fn peak(slow: &[f64]) -> f64 {
    // Entry k belongs to the edge k + 1.
    let place = root_three() - 1.0;
    let first = place as usize - 1;
    let t = place - first as f64;
    let weight = |k: usize| -> f64 {
        (0..4).filter(|j| *j != k).map(|j| (t - j as f64) / (k as f64 - j as f64)).product()
    };
    (0..4).map(|k| weight(k) * slow[first + k]).sum()
}

/// Cells from 0.7 to 1.3 of `sqrt(3 kT/m)`, as `s = v/sqrt(3 kT/m) - 1` with what turns their net numbers into the odd
/// part of the law over Maxwell's.
fn window() -> impl Iterator<Item = (usize, f64, f64)> {
    let unit = root_three();
    let cells = (0.7 * unit) as usize..=(1.3 * unit) as usize;
    cells.map(move |k| {
        let s = (k as f64 + 0.5) / unit - 1.0;
        (k, s, libm::exp(1.5 * (1.0 + s) * (1.0 + s)))
    })
}

/// How the odd part of the law over Maxwell's changes through the window; zero for an even law.
fn slope(net: &[f64]) -> f64 {
    window().map(|(k, s, over)| s * over * net[k]).sum()
}

/// Where `J_slow(V)` is largest, in cells of velocity: the odd part of the law changes its sign there. The root of a
/// cubic through the odd part over Maxwell's law, by least squares; in the overdamped limit that ratio is a cubic.
pub fn crossover(net: &[f64]) -> Option<f64> {
    let mut matrix = [[0.0; 5]; 4];
    for (k, s, over) in window() {
        let powers = [1.0, s, s * s, s * s * s];
        for (row, p) in matrix.iter_mut().zip(powers) {
            row.iter_mut().zip(powers).for_each(|(entry, q)| *entry += p * q);
            row[4] += p * over * net[k];
        }
    }
    let c = solve(matrix);
    let value = |s: f64| c[0] + s * (c[1] + s * (c[2] + s * c[3]));
    let (mut lo, mut hi) = (-0.3, 0.3);
    let rising = value(lo) < 0.0;
    if (value(hi) > 0.0) != rising {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (lo + hi);
        if (value(middle) < 0.0) == rising { lo = middle } else { hi = middle }
    }
    Some((1.0 + 0.5 * (lo + hi)) * root_three()).filter(|u| u.is_finite())
}

/// Four linear equations, symmetric and positive definite, by elimination.
fn solve(mut matrix: [[f64; 5]; 4]) -> [f64; 4] {
    for k in 0..4 {
        let pivot = matrix[k];
        for row in &mut matrix[k + 1..] {
            let factor = row[k] / pivot[k];
            row.iter_mut().zip(pivot).for_each(|(entry, p)| *entry -= factor * p);
        }
    }
    let mut x = [0.0; 4];
    for k in (0..4).rev() {
        let known: f64 = (k + 1..4).map(|j| matrix[k][j] * x[j]).sum();
        x[k] = (matrix[k][4] - known) / matrix[k][k];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Net numbers in cells of width 0.1 for an odd density, by Simpson's rule.
    fn cells(p: impl Fn(f64) -> f64) -> Vec<f64> {
        let w = REACH / HALF as f64;
        let cell = |k: usize| {
            let a = k as f64 * w;
            w / 6.0 * (p(a) + 4.0 * p(a + 0.5 * w) + p(a + w))
        };
        (0..HALF).map(cell).collect()
    }

    #[test]
    fn currents_of_a_known_law_come_back() {
        // (C30): p ~ (3u - u^3) exp(-u^2/2), J_slow = V^3 exp(-V^2/2), largest at sqrt(3).
        let net = cells(|u| (3.0 * u - u * u * u) * (-0.5 * u * u).exp());
        let w = REACH / HALF as f64;
        let slow = slow_currents(&net, w);
        let exact = |v: f64| v * v * v * (-0.5 * v * v).exp();
        let most = exact(3f64.sqrt());
        for (k, slow) in slow.iter().enumerate() {
            let v = (k as f64 + 1.0) * w;
            assert!((slow - exact(v)).abs() < 1e-5 * most, "{slow} at {v}, not {}", exact(v));
        }
        assert!((peak(&slow) / most - 1.0).abs() < 2e-5, "{}", peak(&slow) / most);
        let found = crossover(&net).unwrap() * w;
        assert!((found / 3f64.sqrt() - 1.0).abs() < 1e-3, "{found}");
        assert_eq!(crossover(&[1.0; HALF]), None);
    }
}
