//! The natural scale and the clock of a state: what turns its motion into plain Brownian motion.
//!
//! A diffusion with generator `L f = D f'' + b f'` is, in its natural scale `y = s(x)` with
//! `s' = exp(-int b/D)`, a Brownian motion run by the clock `ds = D s'^2 dt`. For an Ito diffusivity
//! `s' = 1`, for a friction `s' = gamma`; a force brings the factor `exp(-phi)` with its tilt `phi`. In `y`, and
//! counted by the clock, legs are those of a free particle with unit diffusivity, whatever `D(x)` and the
//! force: nothing is approximated.
//!
//! Legs are uniform in `y`. Where the tilt spans many units most of them fall where hardly any time is spent,
//! and the effective sample is small.

use super::KernelError;
use super::tilt::Tilt;
use crate::expression::Interval;
use crate::model::{Boundary, Model, Motility};

/// Map between `x/L` and `y/L`, `y(x) = int_0^x s' / mean(s')`, both onto [0, 1].
///
/// Tabulated as cubic Hermite pieces with exact integrals and slopes at the nodes; nodes are doubled
/// until the error in the middle of the pieces, measured against quadrature, is below 1e-12 of the domain. The way back begins
/// on Hermite pieces of the inverse function, and Newton's method, nearly always one step, leaves rounding only.
#[derive(Clone, Debug)]
pub(super) struct NaturalScale {
    /// Mean of the slope over the domain.
    pub mean: f64,
    forth: Pieces,
    back: Pieces,
}

/// A rising function on [0, 1], cubic between nodes.
#[derive(Clone, Debug)]
struct Pieces {
    /// Where pieces begin, and 1.
    nodes: Vec<f64>,
    cubics: Vec<Cubic>,
    /// First piece for each of equal parts of [0, 1].
    guide: Vec<u32>,
}

/// Coefficients of the powers of the place in the piece, from 0 to 1, and its inverse width.
#[derive(Clone, Copy, Debug)]
struct Cubic {
    inverse_width: f64,
    powers: [f64; 4],
}

/// Error of the map, as a fraction of the domain, at which refinement ends, and beyond which the map is
/// refused.
const FINE: f64 = 1e-12;
const ROUGH: f64 = 1e-9;
/// Maps that differ by less are the same.
const SAME: f64 = 1e-11;
/// Steps of Newton's method; the last is one below this part of a piece.
const MOST_STEPS: usize = 6;
const SMALL: f64 = 1e-7;
const FEWEST_PIECES: usize = 1024;
const MOST_PIECES: usize = 1 << 16;

impl NaturalScale {
    /// The scale with slope proportional to `slope` on `[0, length]`, smooth between `kinks`.
    pub fn new(
        slope: &dyn Fn(f64) -> f64,
        kinks: &[f64],
        length: f64,
        state: &str,
    ) -> Result<Self, KernelError> {
        let kinks: Vec<f64> = kinks.iter().map(|x| x / length).collect();
        let mut pieces = FEWEST_PIECES;
        loop {
            let (map, error) = Self::with_pieces(slope, length, &kinks, pieces);
            if error <= FINE {
                return Ok(map);
            }
            if pieces >= MOST_PIECES {
                return if error <= ROUGH {
                    Ok(map)
                } else {
                    Err(KernelError::RoughScale { state: state.into(), error })
                };
            }
            pieces *= 4;
        }
    }

    fn with_pieces(slope: &dyn Fn(f64) -> f64, length: f64, kinks: &[f64], pieces: usize) -> (Self, f64) {
        let mut x: Vec<f64> = (0..=pieces).map(|k| k as f64 / pieces as f64).collect();
        x.extend(kinks.iter().filter(|k| **k > 0.0 && **k < 1.0));
        x.sort_by(f64::total_cmp);
        x.dedup_by(|a, b| *a - *b < 1e-15);
        // One-sided values at kinks: evaluate a little inside each piece.
        let inside = |a: f64, b: f64| (a + 1e-9 * (b - a)) * length;
        let value = |fraction: f64| slope(fraction * length);
        let integral = |a: f64, b: f64| gauss(&value, a, b);
        let mut y = vec![0.0];
        let mut slopes = Vec::with_capacity(x.len() - 1);
        let mut sum = 0.0;
        for w in x.windows(2) {
            sum += integral(w[0], w[1]);
            y.push(sum);
            slopes.push([slope(inside(w[0], w[1])), slope(inside(w[1], w[0]))]);
        }
        y.iter_mut().for_each(|v| *v /= sum);
        slopes.iter_mut().flatten().for_each(|s| *s /= sum);
        // Pieces whose cubic would not be monotone become straight.
        for (k, slopes) in slopes.iter_mut().enumerate() {
            let chord = (y[k + 1] - y[k]) / (x[k + 1] - x[k]);
            if slopes.iter().any(|s| *s > 3.0 * chord) {
                *slopes = [chord; 2];
            }
        }
        let steepness: Vec<[f64; 2]> = slopes.iter().map(|s| s.map(|s| 1.0 / s)).collect();
        let (forth, back) = (Pieces::new(&x, &y, &slopes), Pieces::new(&y, &x, &steepness));
        let map = NaturalScale { mean: sum, forth, back };
        let error = (0..slopes.len())
            .map(|k| {
                let middle = 0.5 * (x[k] + x[k + 1]);
                (map.forth.at(k, middle).0 - y[k] - integral(x[k], middle) / sum).abs()
            })
            .fold(0.0, f64::max);
        (map, error)
    }

    /// Whether another map is the same, at the nodes of both and between.
    fn agrees(&self, other: &Self) -> bool {
        let same = |x: f64| (self.forward(x) - other.forward(x)).abs() <= SAME;
        let nodes = [self, other].into_iter().flat_map(|map| map.forth.nodes.windows(2));
        nodes.into_iter().all(|w| same(w[1]) && same(0.5 * (w[0] + w[1])))
    }

    /// `y/L` at `x/L`.
    #[inline]
    pub fn forward(&self, x: f64) -> f64 {
        self.forth.at(self.forth.find(x), x).0
    }

    /// `x/L` at `y/L`.
    #[inline]
    pub fn backward(&self, y: f64) -> f64 {
        // Pieces of both are the same.
        let k = self.back.find(y);
        let (low, high) = (self.forth.nodes[k], self.forth.nodes[k + 1]);
        let mut x = self.back.at(k, y).0.clamp(low, high);
        // Nearly always once: the error of the next step would be the square of this one. Where pieces bend, more often.
        for _ in 0..MOST_STEPS {
            let (value, slope) = self.forth.at(k, x);
            let by = (value - y) / slope;
            // A slope may vanish where the scale is next to flat.
            if !by.is_finite() {
                break;
            }
            let next = (x - by).clamp(low, high);
            let step = (next - x).abs() * self.forth.cubics[k].inverse_width;
            x = next;
            if step < SMALL {
                break;
            }
        }
        x
    }
}

impl Pieces {
    /// The function through these values with these slopes at both ends of every piece.
    fn new(nodes: &[f64], values: &[f64], slopes: &[[f64; 2]]) -> Self {
        let cubics = nodes.windows(2).zip(values.windows(2)).zip(slopes).map(|((x, y), slopes)| {
            let (width, rise) = (x[1] - x[0], y[1] - y[0]);
            let [a, b] = slopes.map(|s| s * width);
            Cubic {
                inverse_width: 1.0 / width,
                powers: [y[0], a, 3.0 * rise - 2.0 * a - b, a + b - 2.0 * rise],
            }
        });
        Pieces { cubics: cubics.collect(), guide: guide(nodes), nodes: nodes.to_vec() }
    }

    /// Value and slope of piece `k`.
    #[inline]
    fn at(&self, k: usize, x: f64) -> (f64, f64) {
        let Cubic { inverse_width, powers: [c0, c1, c2, c3] } = self.cubics[k];
        let t = (x - self.nodes[k]) * inverse_width;
        (c0 + t * (c1 + t * (c2 + t * c3)), (c1 + t * (2.0 * c2 + t * 3.0 * c3)) * inverse_width)
    }

    /// The piece that holds `x`.
    #[inline]
    fn find(&self, x: f64) -> usize {
        let (parts, pieces) = (self.guide.len(), self.cubics.len());
        let part = ((x * parts as f64) as usize).min(parts - 1);
        let mut piece = self.guide[part] as usize;
        while piece + 1 < pieces && self.nodes[piece + 1] <= x {
            piece += 1;
        }
        piece
    }
}

/// Equal parts of [0, 1] a piece: where pieces differ in width few parts hold the end of one.
const PARTS: usize = 4;

/// For each of so many equal parts the piece that holds its lower end.
fn guide(nodes: &[f64]) -> Vec<u32> {
    let pieces = nodes.len() - 1;
    let parts = PARTS * pieces;
    let mut piece = 0;
    (0..parts)
        .map(|k| {
            let at = k as f64 / parts as f64;
            while piece + 1 < pieces && nodes[piece + 1] <= at {
                piece += 1;
            }
            piece as u32
        })
        .collect()
}

/// Gauss-Legendre rule with five points on `[a, b]`.
pub(super) fn gauss(f: &dyn Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    const POINTS: [(f64, f64); 5] = [
        (0.0, 0.568_888_888_888_888_9),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (0.906_179_845_938_664, 0.236_926_885_056_189_08),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    ];
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    half * POINTS.iter().map(|(x, w)| w * f(middle + half * x)).sum::<f64>()
}

/// Scale and clock of every state of a model.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    model: Model,
    /// `None` where the scale is x itself.
    pub scale: Vec<Option<NaturalScale>>,
    /// `None` where no force acts, or one that legs carry along.
    tilt: Vec<Option<Tilt>>,
}

/// A ring closes in the natural scale where its tilt is below this.
const CLOSED: f64 = 1e-9;

impl Clocks {
    /// # Errors
    /// [`KernelError::RoughScale`], [`KernelError::OpenScale`].
    pub fn new(model: &Model) -> Result<Self, KernelError> {
        let mut clocks = Clocks { model: model.clone(), scale: Vec::new(), tilt: Vec::new() };
        let length = model.domain.length;
        for (s, state) in model.network.states().iter().enumerate() {
            let tilt = (model.has_force(s) && model.carried_drift(s).is_none()).then(|| Tilt::new(model, s));
            if let Some(tilt) = &tilt
                && model.domain.walls == Boundary::Periodic
                && tilt.round().abs() > CLOSED
            {
                return Err(KernelError::OpenScale { state: state.name.clone(), tilt: tilt.round() });
            }
            let mut kinks = model.scale_slope(s).map_or(Vec::new(), |g| g.kinks(Interval::new(0.0, length)));
            let varies = tilt.is_some() || model.scale_slope(s).is_some();
            if tilt.is_some() {
                kinks.extend(model.force_kinks(s));
            }
            clocks.tilt.push(tilt);
            let slope = |x: f64| clocks.bare_slope(s, x);
            let scale = varies.then(|| NaturalScale::new(&slope, &kinks, length, &state.name)).transpose()?;
            clocks.scale.push(scale);
        }
        Ok(clocks)
    }

    /// Those of states that forces do not move, with diffusivities that do not vary.
    pub fn still(model: &Model) -> Self {
        let states = model.network.states().len();
        Clocks { model: model.clone(), scale: vec![None; states], tilt: vec![None; states] }
    }

    /// `exp(-phi)` of a state at `x`.
    fn factor(&self, state: usize, x: f64) -> f64 {
        self.tilt[state].as_ref().map_or(1.0, |t| libm::exp(-t.value(x)))
    }

    /// `g exp(-phi)` of a state at `x`.
    fn bare_slope(&self, state: usize, x: f64) -> f64 {
        self.model.resistance(state, x) * self.factor(state, x)
    }

    /// `s'` of a state at `x`: the slope of the natural scale.
    pub fn slope(&self, state: usize, x: f64) -> f64 {
        self.scale[state].as_ref().map_or(1.0, |scale| self.bare_slope(state, x) / scale.mean)
    }

    /// `D s'^2` of a state at `x`, length^2/time: how fast the clock runs.
    pub fn rate(&self, state: usize, x: f64) -> f64 {
        match &self.scale[state] {
            None => self.model.diffusivity(state, x),
            // s' = g exp(-phi)/mean and D = w/g.
            Some(scale) => {
                let factor = self.factor(state, x) / scale.mean;
                self.model.weight(state, x) * self.model.resistance(state, x) * (factor * factor)
            }
        }
    }

    /// An interval that contains it everywhere on `x`.
    pub fn bounds(&self, state: usize, x: Interval) -> Interval {
        let Some(scale) = &self.scale[state] else {
            return self.model.diffusivity_bounds(state, x);
        };
        let product = match &self.model.network.states()[state].motility {
            Motility::Diffusivity(d) => d.bounds(x),
            Motility::Friction(friction) => self.model.thermal_energy_bounds(x) * friction.bounds(x),
        };
        let mean = Interval::point(scale.mean);
        let bare = product / (mean * mean);
        match &self.tilt[state] {
            None => bare,
            Some(tilt) => bare * (Interval::point(-2.0) * tilt.bounds(x)).exp(),
        }
    }

    /// The natural scale of all states, if they share one that is not x itself.
    pub fn shared(&self) -> Option<&NaturalScale> {
        let (first, others) = self.scale.split_first()?;
        let first = first.as_ref()?;
        others.iter().all(|other| other.as_ref().is_some_and(|other| other.agrees(first))).then_some(first)
    }

    /// Its value if it is the same everywhere and the scale is x itself.
    pub fn constant(&self, state: usize) -> Option<f64> {
        if self.scale[state].is_some() { None } else { self.model.constant_diffusivity(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::Field;

    #[test]
    fn the_map_is_the_integral_and_its_own_inverse() {
        // int_0^x (1 + 3 t^2) dt = x + x^3, over 2; and a friction that rises a hundredfold.
        let slope = Expression::parse("1 + 3*x^2", &["x"], &[]).unwrap();
        let map = NaturalScale::new(&|x| slope.value(x), &[], 1.0, "a").unwrap();
        let steep = Expression::parse("exp(4.6*x)", &["x"], &[]).unwrap();
        let long = NaturalScale::new(&|x| steep.value(x), &[], 1.0, "b").unwrap();
        for k in 0..=1000 {
            let x = f64::from(k) / 1000.0;
            assert!((map.forward(x) - 0.5 * (x + x * x * x)).abs() < 1e-12, "{x}");
            assert!((long.forward(x) - libm::expm1(4.6 * x) / libm::expm1(4.6)).abs() < 1e-12, "{x}");
            assert!((map.backward(map.forward(x)) - x).abs() < 1e-13, "{x}");
            assert!((long.backward(long.forward(x)) - x).abs() < 1e-13, "{x}");
        }
    }

    #[test]
    fn kinks_are_nodes() {
        let slope = Expression::parse("1 + abs(x - 0.3) + step(x - 0.777)", &["x"], &[]).unwrap();
        let map = NaturalScale::new(&|x| slope.value(x), &[0.3, 0.777], 1.0, "a").unwrap();
        let integral = |x: f64| {
            let bend = if x < 0.3 { 0.3 * x - 0.5 * x * x } else { 0.045 + 0.5 * (x - 0.3) * (x - 0.3) };
            x + bend + (x - 0.777).max(0.0)
        };
        for k in 0..=777 {
            let x = f64::from(k) / 777.0;
            assert!((map.forward(x) - integral(x) / integral(1.0)).abs() < 1e-9, "{x}");
        }
    }
}
