//! The figure of a sweep: Soret coefficient, currents and heat flux against the parameter, and deviations.
//!
//! With two parameters the second gives a family of curves, one colour each: those of states where they suffice,
//! else a scale from dark to bright.

use super::super::ReportError;
use super::super::sweep::{Number, Point, Sweep, text};
use super::{Axis, Mark, PANEL, Panel, Rendered, STATES, blend, render, shortened};
use crate::stats::Estimate;
use kuva::plot::scatter::MarkerShape;
use kuva::render::figure::Figure;
use std::borrow::Cow;

/// The figure of four panels over the first parameter: (a) `soret`, (b) mean currents of the states, or of the one
/// that carries most, (c) mean heat flux, (d) the largest deviation from theory at each point.
pub fn sweep(sweep: &Sweep) -> Result<Rendered, ReportError> {
    let drawing = Drawing::new(sweep);
    let second = if sweep.single_state() { drawing.profiles() } else { drawing.currents() };
    let panels = [drawing.soret(), second, drawing.heat(), drawing.deviations()];
    let (plots, layouts) = panels.into_iter().map(|panel| panel.settle().finish()).unzip();
    let title = sweep.points.first().map_or("", |p| p.finished.title.as_str());
    let title = if title.is_empty() { &sweep.name } else { title };
    let scene = Figure::new(2, 2)
        .with_title(shortened(title, 90))
        .with_title_size(18)
        .with_cell_size(PANEL.0, PANEL.1)
        .with_spacing(18.0)
        .with_padding(14.0)
        .with_plots(plots)
        .with_layouts(layouts)
        .render();
    render(&scene)
}

/// Most profiles that are drawn.
const PROFILES: usize = 6;

/// The points of one value of the second parameter.
struct Family<'s> {
    name: Option<String>,
    mark: Mark,
    points: Vec<&'s Point>,
}

struct Drawing<'s> {
    sweep: &'s Sweep,
    axis: Axis,
    positions: Vec<f64>,
    families: Vec<Family<'s>>,
}

impl<'s> Drawing<'s> {
    fn new(sweep: &'s Sweep) -> Self {
        let found = sweep.families();
        let count = sweep.scans.get(1).map_or(1, |s| s.values.len());
        let families = found.into_iter().map(|(k, points)| Family {
            name: k.and_then(|k| {
                let scan = sweep.scans.get(1)?;
                Some(format!("{} = {}", scan.label(), text(&scan.values[k])))
            }),
            mark: k.map_or(Mark::TOTAL, |k| family_mark(k, count)),
            points,
        });
        Drawing { sweep, axis: axis(sweep), positions: sweep.positions(0), families: families.collect() }
    }

    fn panel(&self, title: &'static str, symbol: &str, quantity: &str) -> Panel {
        let unit = self.sweep.points.iter().find_map(|p| Some(p.finished.number(quantity)?.unit.clone()));
        let label = unit.map_or_else(|| symbol.to_owned(), |unit| format!("{symbol}  ({unit})"));
        let mut panel = Panel::on(self.axis.clone(), title, label);
        panel.zero_between(self.axis.low, self.axis.high);
        panel
    }

    /// One quantity of every point of a family.
    fn draw(
        &self,
        panel: &mut Panel,
        family: &Family<'s>,
        number: &dyn Fn(&'s Point) -> Option<&'s Number>,
        (mark, name): (Mark, &str),
    ) {
        let mut points = Vec::new();
        let mut theory = Vec::new();
        for point in &family.points {
            let Some(n) = number(point) else { continue };
            let x = self.positions[point.at[0]];
            if let (Some(value), Some(std_error), Some(low), Some(high)) =
                (n.value, n.std_err, n.ci_low, n.ci_high)
            {
                points.push((x, Estimate { value, std_error, low, high }));
            }
            theory.extend(n.theory.map(|t| (x, t)));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        theory.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
        panel.series(&points, vec![theory], mark, name);
    }

    fn soret(&self) -> Panel {
        let mut panel = self.panel("(a) Soret coefficient", "soret", "soret");
        for family in &self.families {
            let name = family.name.as_deref().unwrap_or("simulation");
            self.draw(&mut panel, family, &|p| p.finished.number("soret"), (family.mark.clone(), name));
            let limit = family
                .points
                .iter()
                .filter_map(|p| Some((self.positions[p.at[0]], p.finished.number("soret")?.fast_limit?)));
            let mut limit: Vec<(f64, f64)> = limit.collect();
            limit.sort_by(|a, b| a.0.total_cmp(&b.0));
            panel.dotted(limit, "fast-reaction limit");
        }
        panel
    }

    /// `P_tot(x)` of some points.
    fn profiles(&self) -> Panel {
        let length = self.sweep.points.iter().filter_map(|p| p.density.last()).map(|bin| bin.x);
        // The last middle is half a bin from the wall.
        let bins = self.sweep.points.iter().map(|p| p.density.len()).max().unwrap_or(1) as f64;
        let length = length.fold(0.0, f64::max) / (1.0 - 0.5 / bins);
        let mut panel = Panel::on(Axis::position(length), "(b) particles", "P_tot  (1/length)".to_owned());
        for (k, point) in self.sweep.some_points(PROFILES).into_iter().enumerate() {
            let estimates = point.density.iter().filter_map(|bin| Some((bin.x, bin.estimate?)));
            let theory = point.density.iter().filter_map(|bin| Some((bin.x, bin.theory?)));
            let name = self.sweep.name(point);
            panel.series(&estimates.collect::<Vec<_>>(), vec![theory.collect()], Mark::state(k), &name);
        }
        panel
    }

    /// All states, or with two parameters the state whose currents are largest.
    fn currents(&self) -> Panel {
        let mut states: Vec<(String, f64)> = Vec::new();
        for number in self.sweep.points.iter().flat_map(|p| &p.finished.quantities) {
            if number.quantity == "mean_current"
                && let Some(state) = &number.state
            {
                let size = number.value.unwrap_or(0.0).abs();
                match states.iter_mut().find(|(name, _)| name == state) {
                    Some((_, sum)) => *sum += size,
                    None => states.push((state.clone(), size)),
                }
            }
        }
        let of = |p: &'s Point, state: &str| {
            let mut all = p.finished.quantities.iter();
            all.find(|n| n.quantity == "mean_current" && n.state.as_deref() == Some(state))
        };
        if self.sweep.scans.len() < 2 {
            let mut panel = self.panel("(b) mean hidden currents", "J", "mean_current");
            for family in &self.families {
                for (k, (state, _)) in states.iter().enumerate() {
                    self.draw(&mut panel, family, &|p| of(p, state), (Mark::state(k), state));
                }
            }
            return panel;
        }
        let largest = states.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(state, _)| state);
        let symbol = format!("J of {largest}");
        let mut panel = self.panel("(b) mean hidden current", &symbol, "mean_current");
        for family in &self.families {
            let name = family.name.as_deref().unwrap_or(largest);
            self.draw(&mut panel, family, &|p| of(p, largest), (family.mark.clone(), name));
        }
        panel
    }

    fn heat(&self) -> Panel {
        let mut panel = self.panel("(c) mean heat flux", "J_E", "mean_heat_current");
        for family in &self.families {
            let name = family.name.as_deref().unwrap_or("simulation");
            let number = |p: &'s Point| p.finished.number("mean_heat_current");
            self.draw(&mut panel, family, &number, (family.mark.clone(), name));
        }
        panel
    }

    fn deviations(&self) -> Panel {
        let mut panel =
            Panel::on(self.axis.clone(), "(d) largest deviation from theory", "|z|  (standard errors)");
        panel.include(0.0);
        for family in &self.families {
            let worst = family.points.iter().filter_map(|p| {
                let comparison = p.finished.comparison.as_ref()?;
                Some((self.positions[p.at[0]], comparison.worst_z.abs()))
            });
            let name = family.name.as_deref().unwrap_or("bins, faces, numbers");
            panel.points(&worst.collect::<Vec<_>>(), family.mark.clone(), name);
        }
        if let Some(z) = self.sweep.largest_critical_z() {
            panel.upper_limit(z);
        }
        panel
    }
}

/// The axis of the first parameter, with some air on both sides.
fn axis(sweep: &Sweep) -> Axis {
    const AIR: f64 = 0.04;
    let positions = sweep.positions(0);
    let scan = &sweep.scans[0];
    let numbers = scan.numbers().is_some();
    let (low, high) =
        positions.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    let logarithmic = scan.logarithmic && low > 0.0 && high > low;
    let (low, high) = if logarithmic {
        let air = libm::pow(high / low, AIR);
        (low / air, high * air)
    } else if high > low {
        let air = AIR * (high - low);
        (low - air, high + air)
    } else {
        let air = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        (low - air, high + air)
    };
    let words =
        if numbers { Vec::new() } else { scan.values.iter().map(|v| shortened(&text(v), 14)).collect() };
    Axis { low, high, label: scan.label().to_owned(), logarithmic, words }
}

/// Colour and shape of value number `k` of `count`.
fn family_mark(k: usize, count: usize) -> Mark {
    if count <= STATES.len() {
        return Mark::state(k);
    }
    // Corners of the scale viridis.
    const SCALE: [(f64, f64, f64); 5] = [
        (68.0, 1.0, 84.0),
        (59.0, 82.0, 139.0),
        (33.0, 145.0, 140.0),
        (94.0, 201.0, 98.0),
        (220.0, 205.0, 40.0),
    ];
    let color = blend(&SCALE, k as f64 / (count - 1) as f64);
    Mark { color: Cow::Owned(color), shape: MarkerShape::Circle }
}
