//! What is measured of particles that react, as functionals of their concentrations.

use super::super::element::Rule;
use super::super::functionals::{POINTS, integrate, quadrature};
use super::{FastReactions, Profiles};
use crate::grid::Grid;
use crate::model::{Kinetics, Mixture};
use crate::observable::{Instant, Observable};

impl Profiles {
    /// One value per entry of an average over a stationary run, `None` where these concentrations have no answer.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let mixture = self.mixture();
        let (length, species) = (mixture.domain.length, mixture.species().len());
        let whole = |value: Option<f64>| Some(vec![value.filter(|v| v.is_finite())]);
        let some = |values: Vec<f64>| Some(values.into_iter().map(Some).collect());
        let faces = |of: &dyn Fn(f64) -> f64| some((1..grid.bins).map(|f| of(grid.face(f))).collect());
        let mean = |of: &dyn Fn(f64) -> f64| integrate(self.vertices(), 0.0, length, of) / length;
        let known = |k: usize| k < species;
        match observable {
            Observable::Soret => whole(self.soret()),
            Observable::SoretWall => whole(self.soret_wall()),
            Observable::LocalSoret => Some(self.local_soret(grid)),
            Observable::MeanTemperature => {
                let content = mean(&|x| self.total_content_at(x));
                let heated = mean(&|x| self.total_content_at(x) * mixture.temperature.value(x));
                whole(Some(heated / content))
            }
            Observable::MeanConcentration(k) if known(k) => {
                whole(Some(mean(&|x| self.concentration_at(x)[k])))
            }
            Observable::Concentration(k) if known(k) => some(self.bin_means(grid).swap_remove(k)),
            Observable::Content => some(self.contents(grid, &|_, _| 1.0)),
            Observable::TransportedContent => some(self.contents(grid, &|k, x| mixture.diffusivity(k, x))),
            Observable::Current(k) if known(k) => faces(&|x| self.current_at(x)[k]),
            Observable::MeanCurrent(k) if known(k) => whole(Some(mean(&|x| self.current_at(x)[k]))),
            // Exactly zero where the content is conserved; what is left of sums of currents is rounding.
            Observable::ContentCurrent if mixture.content_is_conserved() => faces(&|_| 0.0),
            Observable::ContentCurrent => faces(&|x| mixture.total_content(&self.current_at(x))),
            Observable::HeatCurrent => faces(&|x| self.heat_current_at(x)),
            Observable::MeanHeatCurrent => whole(Some(mean(&|x| self.heat_current_at(x)))),
            Observable::HeatAbsorbed => some(self.heat_absorbed(grid)),
            Observable::EntropyProduction => {
                let follows = |k: &Kinetics| matches!(k, Kinetics::VantHoff { .. });
                let by_heat = mixture.reactions().iter().all(|r| follows(&r.kinetics));
                whole(by_heat.then(|| self.heat_over_temperature()))
            }
            Observable::NetRate(r) if r < mixture.reactions().len() => some(self.net_rates(r, grid)),
            _ => None,
        }
    }

    /// The same of what is seen at the moment of these concentrations.
    pub fn reference_at(&self, what: Instant, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let averaged = match what {
            Instant::MeanConcentration(k) => Observable::MeanConcentration(k),
            Instant::Concentration(k) => Observable::Concentration(k),
            Instant::Content => Observable::Content,
            _ => return None,
        };
        self.reference(averaged, grid)
    }

    /// `-int (heat absorbed)/kT dx = int J_E d_x(1/kT) dx`, in units of `k_B`; nothing passes the walls. With jumps of
    /// the temperature these do not agree, and kinks are ends of elements.
    fn heat_over_temperature(&self) -> f64 {
        let mixture = self.mixture();
        let slope = |x: f64| {
            let t = mixture.thermal_energy(x);
            -mixture.boltzmann * mixture.temperature.slope(x) / (t * t)
        };
        integrate(self.vertices(), 0.0, mixture.domain.length, |x| self.heat_current_at(x) * slope(x))
    }

    /// Mean of `sum_k m_k f_k(x) c_k` in every bin.
    fn contents(&self, grid: &Grid, factor: &dyn Fn(usize, f64) -> f64) -> Vec<f64> {
        let species = self.mixture().species();
        let at = |x: f64| {
            let c = self.concentration_at(x).into_iter().zip(species).enumerate();
            c.map(|(k, (c, s))| f64::from(s.content) * factor(k, x) * c).sum::<f64>()
        };
        let bin = |b: usize| {
            let (lo, hi) = (grid.face(b), grid.face(b + 1).min(self.mixture().domain.length));
            let mut sum = 0.0;
            quadrature(self.vertices(), lo, hi, |x, w| sum += w * at(x));
            sum / (hi - lo)
        };
        (0..grid.bins).map(bin).collect()
    }

    /// Passages forward less backward per length and time in every bin: from the current of a species that takes part
    /// in no other reaction, without the rounding of fast reactions, or from the rates.
    fn net_rates(&self, reaction: usize, grid: &Grid) -> Vec<f64> {
        let mixture = self.mixture();
        let species = mixture.species().len();
        let changes: Vec<Vec<i64>> = mixture.reactions().iter().map(|r| r.change(species)).collect();
        let alone = |s: &usize| changes.iter().enumerate().all(|(r, c)| (c[*s] != 0) == (r == reaction));
        let Some(s) = (0..species).find(alone) else {
            return self.bin_rates(grid).swap_remove(reaction).iter().map(|[f, b]| f - b).collect();
        };
        let change = changes[reaction][s] as f64 * grid.bin_width();
        let at = |f: usize| self.current_at(if f == grid.bins { grid.length } else { grid.face(f) })[s];
        (0..grid.bins).map(|b| (at(b + 1) - at(b)) / change).collect()
    }
}

impl FastReactions {
    /// One value per entry in the limit of fast reactions, for what is drawn beside a simulation.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let mixture: &Mixture = self.mixture();
        let rule = Rule::gauss(POINTS);
        let mean = |b: usize, of: &dyn Fn(&[f64]) -> f64| -> Option<f64> {
            let (lo, hi) = (grid.face(b), grid.face(b + 1));
            let mut sum = 0.0;
            for (x, w) in rule.on(lo, hi) {
                sum += w * of(&self.concentration_at(x)?);
            }
            Some(sum / (hi - lo)).filter(|v| v.is_finite())
        };
        let bins = 0..grid.bins;
        match observable {
            Observable::Concentration(k) if k < mixture.species().len() => {
                Some(bins.map(|b| mean(b, &|c| c[k])).collect())
            }
            Observable::Content => Some(bins.map(|b| mean(b, &|c| mixture.total_content(c))).collect()),
            Observable::LocalSoret => {
                Some(bins.map(|b| self.soret_at(0.5 * (grid.face(b) + grid.face(b + 1)))).collect())
            }
            _ => None,
        }
    }
}
