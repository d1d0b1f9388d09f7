//! The tilt of a state: the integral of the force over the thermal energy, `phi(x) = int_0^x h dx`.

use crate::expression::Interval;
use crate::model::Model;

/// `phi` at nodes; in between by a cubic where it is good, else by quadrature from the node on the left.
#[derive(Clone, Debug)]
pub(super) struct Tilt {
    model: Model,
    state: usize,
    nodes: Vec<f64>,
    tilt: Vec<f64>,
    /// Coefficients of the powers of the place between two nodes, from 0 to 1; not a number where the cubic is not good.
    cubics: Vec<[f64; 4]>,
    margin: f64,
}

/// Pieces of the table; kinks of the force become nodes as well.
const PIECES: usize = 4096;

/// What quadrature, cubics and rounding may be off by, relative to the largest tilt.
const ROUNDING: f64 = 1e-12;

impl Tilt {
    /// The tilt of a state on which a force acts.
    pub fn new(model: &Model, state: usize) -> Self {
        let length = model.domain.length;
        let mut nodes: Vec<f64> = (0..=PIECES).map(|k| length * k as f64 / PIECES as f64).collect();
        nodes.extend(model.force_kinks(state));
        nodes.sort_by(f64::total_cmp);
        nodes.dedup_by(|a, b| *a - *b < 1e-14 * length);
        let mut tilt = Tilt {
            model: model.clone(),
            state,
            tilt: vec![0.0; nodes.len()],
            nodes,
            cubics: Vec::new(),
            margin: 0.0,
        };
        for k in 1..tilt.nodes.len() {
            tilt.tilt[k] = tilt.tilt[k - 1] + tilt.integral(tilt.nodes[k - 1], tilt.nodes[k]);
        }
        let largest = tilt.tilt.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        tilt.margin = ROUNDING * (1.0 + largest);
        tilt.cubics = (0..tilt.nodes.len() - 1).map(|k| tilt.cubic(k)).collect();
        tilt
    }

    /// The cubic with the values and slopes of `phi` at both ends of a piece, if it is good to half of the margin between.
    fn cubic(&self, k: usize) -> [f64; 4] {
        let (a, b) = (self.nodes[k], self.nodes[k + 1]);
        let width = b - a;
        // One-sided at kinks.
        let slope = |t: f64| width * self.model.force_over_thermal_energy(self.state, a + t * width);
        let (rise, [left, right]) = (self.tilt[k + 1] - self.tilt[k], [1e-9, 1.0 - 1e-9].map(slope));
        let cubic = [self.tilt[k], left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise];
        let good = |t: f64| {
            let exact = self.tilt[k] + self.integral(a, a + t * width);
            (power_sum(cubic, t) - exact).abs() <= 0.5 * self.margin
        };
        if [0.2, 0.5, 0.8].into_iter().all(good) { cubic } else { [f64::NAN; 4] }
    }

    fn integral(&self, a: f64, b: f64) -> f64 {
        super::scale::gauss(&|x| self.model.force_over_thermal_energy(self.state, x), a, b)
    }

    /// `phi(x)`.
    pub fn value(&self, x: f64) -> f64 {
        let length = self.model.domain.length;
        let mut k = ((x / length * PIECES as f64) as usize).min(self.nodes.len() - 2);
        while k + 2 < self.nodes.len() && self.nodes[k + 1] <= x {
            k += 1;
        }
        let (a, b) = (self.nodes[k], self.nodes[k + 1]);
        let value = power_sum(self.cubics[k], (x - a) / (b - a));
        if value.is_nan() { self.tilt[k] + self.integral(a, x) } else { value }
    }

    /// An interval that contains `phi`, and what [`Tilt::value`] makes of it, everywhere on `x`.
    pub fn bounds(&self, x: Interval) -> Interval {
        let force = self.model.force_over_thermal_energy_bounds(self.state, x);
        let start = self.value(x.lo);
        Interval::new(start - self.margin, start + self.margin)
            + force * Interval::new(0.0, x.width().next_up())
    }

    /// Tilt over the whole domain: what is gained by going round a ring once.
    pub fn round(&self) -> f64 {
        self.tilt[self.tilt.len() - 1]
    }
}

fn power_sum([c0, c1, c2, c3]: [f64; 4], t: f64) -> f64 {
    c0 + t * (c1 + t * (c2 + t * c3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{Field as _, State, Uniform};
    use std::sync::Arc;

    #[test]
    fn the_tilt_is_the_integral_of_the_force() {
        // At uniform temperature -(U - U(0))/kT; smooth, with a kink, and so narrow that cubics will not do.
        for potential in ["sin(7*x)", "abs(x - 0.777)", "tanh((x - 1)/0.004)"] {
            let u = Expression::parse(potential, &["x"], &[]).unwrap();
            let states = vec![State::new("only", 0.0, 0.1)];
            let mut model = Model::new(2.0, Uniform(0.5), states, vec![]).unwrap();
            model.potential = Some(Arc::new(u.clone()));
            let tilt = Tilt::new(&model, 0);
            for k in 0..=3001 {
                let x = 2.0 * f64::from(k) / 3001.0;
                let expected = -2.0 * (u.value(x) - u.value(0.0));
                assert!((tilt.value(x) - expected).abs() < 2e-11, "{potential} at {x}");
                assert!(tilt.bounds(Interval::new(x, x.max(2.0))).contains(tilt.value(x)));
            }
        }
    }
}
