//! The tilt of a state: the integral of the force over the thermal energy, `phi(x) = int_0^x h dx`.

use crate::expression::Interval;
use crate::model::Model;

/// `phi` at nodes; in between by quadrature from the node on the left.
#[derive(Clone, Debug)]
pub(super) struct Tilt {
    model: Model,
    state: usize,
    nodes: Vec<f64>,
    tilt: Vec<f64>,
    margin: f64,
}

/// Pieces of the table; kinks of the force become nodes as well.
const PIECES: usize = 4096;

/// What quadrature and rounding may be off by, relative to the largest tilt.
const ROUNDING: f64 = 1e-12;

impl Tilt {
    /// The tilt of a state on which a force acts.
    pub fn new(model: &Model, state: usize) -> Self {
        let length = model.domain.length;
        let mut nodes: Vec<f64> = (0..=PIECES).map(|k| length * k as f64 / PIECES as f64).collect();
        nodes.extend(model.force_kinks(state));
        nodes.sort_by(f64::total_cmp);
        nodes.dedup_by(|a, b| *a - *b < 1e-14 * length);
        let mut tilt = Tilt { model: model.clone(), state, tilt: vec![0.0; nodes.len()], nodes, margin: 0.0 };
        for k in 1..tilt.nodes.len() {
            tilt.tilt[k] = tilt.tilt[k - 1] + tilt.integral(tilt.nodes[k - 1], tilt.nodes[k]);
        }
        let largest = tilt.tilt.iter().fold(0.0f64, |m, t| m.max(t.abs()));
        tilt.margin = ROUNDING * (1.0 + largest);
        tilt
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
        self.tilt[k] + self.integral(self.nodes[k], x)
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
