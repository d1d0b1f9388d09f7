//! The figures of underdamped particles (Fig 3): the circulation in the plane of position and speed, the currents of
//! slow and fast particles, the kinetic temperature; and their profiles.
//!
//! `J_slow(x, V)` is the stream function of that circulation: particles of speed V flow along x with
//! `d_V J_slow` and along V with `-d_x J_slow`, so that its contour lines are streamlines.

use super::map::{Arrow, Cell, Contours, Map, Scale};
use super::{Axis, Mark, NEUTRAL, Panel, Rendered, STATES, axis, limit_name, middle, owner};
use crate::observable::Observable;
use crate::report::summary::{self, Quantity, Row, Summary};
use crate::report::{ReportError, finite, format};
use crate::stats::Estimate;
use kuva::plot::legend::LegendShape;
use kuva::plot::scatter::MarkerShape;
use std::borrow::Cow;

/// Largest speed that is shown, as a share of the largest in the tables.
const SHOWN: f64 = 0.72;
/// Largest velocity in the map of the density, as a share of the largest speed that is shown.
const DENSITY: f64 = 0.75;
/// Speeds of the lattice on which contour lines are found.
const LATTICE: usize = 96;
/// Contour lines.
const LINES: usize = 9;
/// Arrows along x and along the speed.
const ARROWS: (usize, usize) = (9, 7);
/// Arrows shorter than this share of the longest are left out.
const WEAK: f64 = 0.06;
/// Every so many speeds a point is drawn in a cut through the plane.
const STRIDE: usize = 2;
/// Cells of velocity that are taken together in the map of the current at one speed.
const TOGETHER: usize = 4;
/// States that have a row of the figure.
const ROWS: usize = 4;
/// Ink on maps, far from their colours.
const ON_MAP: &str = "#0072B2";

/// The profiles of a run of underdamped particles.
pub(super) fn profiles(summary: &Summary) -> Vec<Panel> {
    let several = summary.states.len() > 1;
    let mut panels = vec![super::densities(summary)];
    panels.extend(several.then(|| super::currents(summary)));
    panels.push(heat(summary));
    panels.extend(several.then(|| temperature(summary)));
    panels.push(super::local_soret(summary));
    panels.push(deviations(summary));
    for (panel, letter) in panels.iter_mut().zip('a'..) {
        panel.letter(letter);
    }
    panels
}

/// The figure of phase space. One state: (a) `J_slow(x, V)` and (b) the same of the theory, or the density; (c) cuts
/// through it; (d) the current at every speed; (e) kinetic temperature; (f) `J_slow` at `sqrt(3 kT/m)`. Several: a
/// map and cuts of each, and (e) and (f).
///
/// # Errors
/// If a number is not finite, or the figure cannot be encoded.
pub fn phase_space(summary: &Summary) -> Result<Rendered, ReportError> {
    finite::check(summary)?;
    let several = summary.states.len() > 1;
    let mut letters = 'a'..;
    let mut title = |text: String| format!("({}) {text}", letters.next().unwrap_or('z'));
    let of = |state: usize| if several { format!(" of {}", summary.states[state]) } else { String::new() };
    let mut panels = Vec::new();
    for state in 0..summary.states.len().min(ROWS) {
        let Some(plane) = Plane::find(summary, Observable::SlowCurrent(state)) else { continue };
        let both = plane.measured && plane.known;
        let name = |source: &str| format!("J_slow(x, V){}{source}", of(state));
        panels.push(circulation(
            summary,
            state,
            &plane,
            plane.measured,
            title(name(if both { ", simulation" } else { "" })),
        ));
        if !several {
            if both {
                panels.push(circulation(summary, state, &plane, false, title(name(", theory"))));
            } else if let Some(map) = density(summary, state, title("density P(x, v)".into())) {
                panels.push(map);
            }
        }
        let text = format!("currents of slow and fast particles{}", of(state));
        panels.push(cuts(summary, state, &plane, title(text)).finish());
        if !several {
            panels.push(at_speed(&plane, title("current at each speed, d J_slow/dV".into())));
        }
    }
    let mut last = [temperature(summary), peaks(summary)];
    for panel in &mut last {
        panel.title = title(std::mem::take(&mut panel.title));
    }
    panels.extend(last.map(Panel::finish));
    super::arrange(summary, panels)
}

type Drawn = (Vec<kuva::render::plots::Plot>, kuva::render::layout::Layout);

/// A quantity over bins, or faces, and a second coordinate.
pub(super) struct Plane<'a> {
    pub(super) quantity: &'a Quantity,
    /// The rows of each bin, or of each face.
    pub(super) columns: Vec<&'a [Row]>,
    pub(super) measured: bool,
    pub(super) known: bool,
}

impl<'a> Plane<'a> {
    pub(super) fn find(summary: &'a Summary, observable: Observable) -> Option<Self> {
        let quantity = summary.quantities.iter().find(|q| q.observable == observable)?;
        let columns: Vec<&[Row]> = quantity.rows.chunk_by(|a, b| a.x_lo == b.x_lo).collect();
        let measured = quantity.rows.iter().any(|row| row.estimate.estimate().is_some());
        let known = quantity.rows.iter().any(|row| row.theory.is_some());
        let placed =
            quantity.rows.iter().all(|row| row.across.is_some() && row.x_lo.is_some() && row.x_hi.is_some());
        (placed && !columns.is_empty()).then_some(Plane { quantity, columns, measured, known })
    }

    /// The largest speed shown.
    fn top(&self) -> f64 {
        SHOWN * self.columns.iter().filter_map(|rows| Some(rows.last()?.across?[1])).fold(0.0, f64::max)
    }

    /// Middle of a bin and `sqrt(3 kT/m)` there.
    fn expected(&self) -> Vec<(f64, f64)> {
        let places = self.columns.iter().map(|rows| rows.first().and_then(middle));
        let speeds = summary::thermal_speeds(self.quantity);
        places.zip(speeds).filter_map(|(x, v)| Some((x?, v * libm::sqrt(3.0)))).collect()
    }

    /// Speeds and values of a bin, from zero; what is missing is not a number.
    fn curve(&self, bin: usize, value: impl Fn(&Row) -> Option<f64>) -> Vec<(f64, f64)> {
        let points =
            self.columns[bin].iter().filter_map(|row| Some((row.across?[1], value(row).unwrap_or(f64::NAN))));
        std::iter::once((0.0, 0.0)).chain(points).collect()
    }
}

pub(super) fn value_of(measured: bool) -> impl Fn(&Row) -> Option<f64> + Copy {
    move |row| if measured { row.estimate.estimate().map(|e| e.value) } else { row.theory }
}

/// `J_slow(x, V)` with the speeds at which it is largest; over the theory its streamlines.
fn circulation(summary: &Summary, state: usize, plane: &Plane<'_>, measured: bool, title: String) -> Drawn {
    let top = plane.top();
    let mut cells = Vec::new();
    for (bin, rows) in plane.columns.iter().enumerate() {
        let curve = plane.curve(bin, value_of(measured));
        let Some(x) = rows.first().and_then(|row| row.x_lo.zip(row.x_hi)) else { continue };
        // A value belongs to what is nearest to its speed.
        for k in 1..curve.len() {
            let low = if k == 1 { 0.0 } else { 0.5 * (curve[k - 1].0 + curve[k].0) };
            let high = curve.get(k + 1).map_or(top, |next| 0.5 * (curve[k].0 + next.0));
            if low < top {
                cells.push(Cell { x, y: (low, high.min(top)), value: curve[k].1 });
            }
        }
    }
    let value = format!("J_slow  ({})", plane.quantity.unit);
    let labels = ["position x  (length)", "speed V  (length/time)", &value];
    let mut map = Map::new(title, labels, Scale::Diverging, cells);
    if let Some(lines) = streamlines(summary, plane, top) {
        if !measured {
            map = map.with_arrows(arrows(&lines));
        }
        map = map.with_contours(lines);
    }

    let mut panel = Panel::new("", "");
    for quantity in &summary.quantities {
        if quantity.observable != Observable::CrossoverSpeed(state) {
            continue;
        }
        let shown = |row: &Row| Some((middle(row)?, *row.estimate.estimate()?));
        let points: Vec<(f64, Estimate)> = quantity.rows.iter().filter_map(shown).collect();
        let inside = points.into_iter().filter(|(_, e)| e.low > 0.0 && e.high < top).collect::<Vec<_>>();
        let theory: Vec<_> = quantity.rows.iter().filter_map(|r| Some((middle(r)?, r.theory?))).collect();
        let mark = Mark { color: Cow::Borrowed(ON_MAP), shape: MarkerShape::Circle };
        if measured {
            panel.series(&inside, Vec::new(), mark, "v*");
        } else {
            panel.series(&[], vec![theory], mark, "v*");
        }
    }
    panel.dashed(plane.expected(), NEUTRAL, "sqrt(3 kT/m)");
    map.finish_under(panel)
}

/// `J_slow` of the theory on a lattice; zero at walls, where particles are reflected at their speed.
fn streamlines(summary: &Summary, plane: &Plane<'_>, top: f64) -> Option<Contours> {
    if !plane.known {
        return None;
    }
    let ring = summary.on_ring();
    let curves: Vec<_> = (0..plane.columns.len()).map(|b| plane.curve(b, value_of(false))).collect();
    if curves.iter().flatten().any(|p| p.1.is_nan()) {
        return None;
    }
    let x = plane.columns.iter().map(|rows| rows.first().and_then(middle)).collect::<Option<Vec<f64>>>()?;
    let y: Vec<f64> = (0..=LATTICE).map(|k| top * k as f64 / LATTICE as f64).collect();
    let values: Vec<Vec<f64>> =
        y.iter().map(|v| curves.iter().map(|curve| between(curve, *v)).collect()).collect();
    let (mut x, mut values) = (x, values);
    if !ring {
        x.insert(0, 0.0);
        x.push(summary.length);
        for row in &mut values {
            row.insert(0, 0.0);
            row.push(0.0);
        }
    }
    let (low, high) = values.iter().flatten().fold((0.0f64, 0.0f64), |(a, b), v| (a.min(*v), b.max(*v)));
    let levels: Vec<f64> = (0..LINES).map(|k| low + (high - low) * (k as f64 + 0.5) / LINES as f64).collect();
    (high > low).then_some(Contours { x, y, values, levels })
}

/// Straight between the points of a curve, its last value beyond.
fn between(curve: &[(f64, f64)], at: f64) -> f64 {
    let next = curve.partition_point(|p| p.0 < at);
    match (next.checked_sub(1).and_then(|k| curve.get(k)), curve.get(next)) {
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (at - a.0) / (b.0 - a.0),
        (Some(end), None) | (None, Some(end)) => end.1,
        (None, None) => 0.0,
    }
}

/// The flow along the streamlines, between two lines of the lattice each, where it is not very weak.
fn arrows(stream: &Contours) -> Vec<Arrow> {
    let Contours { x, y, values, .. } = stream;
    let pick = |count: usize, of: usize| (0..of).map(move |k| (2 * k + 1) * count / (2 * of));
    let (length, top) = (x[x.len() - 1] - x[0], y[y.len() - 1] - y[0]);
    let mut arrows = Vec::new();
    for i in pick(x.len() - 1, ARROWS.0) {
        for j in pick(y.len() - 1, ARROWS.1) {
            let (dx, dy) = (x[i + 1] - x[i], y[j + 1] - y[j]);
            let [a, b, c, d] = [values[j][i], values[j][i + 1], values[j + 1][i], values[j + 1][i + 1]];
            let by = (0.5 * (c + d - a - b) / dy, -0.5 * (b + d - a - c) / dx);
            arrows.push(Arrow { at: (0.5 * (x[i] + x[i + 1]), 0.5 * (y[j] + y[j + 1])), by });
        }
    }
    let size = |arrow: &Arrow| libm::hypot(arrow.by.0 / length, arrow.by.1 / top);
    let least = WEAK * arrows.iter().map(size).fold(0.0, f64::max);
    arrows.retain(|arrow| size(arrow) > least);
    arrows
}

/// `P(x, v)` of the theory, or as measured.
fn density(summary: &Summary, state: usize, title: String) -> Option<Drawn> {
    let plane = Plane::find(summary, Observable::PhaseDensity(state))?;
    let (top, value) = (DENSITY * plane.top(), value_of(plane.measured));
    let cell = |row: &Row| {
        let [low, high] = row.across?;
        Some(Cell { x: row.x_lo.zip(row.x_hi)?, y: (low.max(-top), high.min(top)), value: value(row)? })
    };
    // What lies outside has no height left.
    let cells = plane.quantity.rows.iter().filter_map(cell).filter(|c| c.y.0 < c.y.1);
    let label = format!("P  ({})", plane.quantity.unit);
    let labels = ["position x  (length)", "velocity v  (length/time)", &label];
    Some(Map::new(title, labels, Scale::Sequential, cells.collect()).finish_under(Panel::new("", "")))
}

/// What flows along x at each speed, `V [P(x, V) - P(x, -V)]`: differences of `J_slow`.
fn at_speed(plane: &Plane<'_>, title: String) -> Drawn {
    let top = plane.top();
    let step = if plane.measured { TOGETHER } else { 1 };
    let mut cells = Vec::new();
    for (bin, rows) in plane.columns.iter().enumerate() {
        let curve = plane.curve(bin, value_of(plane.measured));
        let Some(x) = rows.first().and_then(|row| row.x_lo.zip(row.x_hi)) else { continue };
        let ends: Vec<(f64, f64)> = curve.iter().step_by(step).copied().collect();
        for pair in ends.windows(2).filter(|pair| pair[0].0 < top) {
            let value = (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0);
            cells.push(Cell { x, y: (pair[0].0, pair[1].0.min(top)), value });
        }
    }
    let labels = ["position x  (length)", "speed V  (length/time)", "d J_slow/dV  (1/length)"];
    let map = Map::new(title, labels, Scale::Diverging, cells);
    let mut panel = Panel::new("", "");
    panel.dashed(plane.expected(), NEUTRAL, "sqrt(3 kT/m)");
    map.finish_under(panel)
}

/// `J_slow` and `J_fast` against the speed at three places.
fn cuts(summary: &Summary, state: usize, plane: &Plane<'_>, title: String) -> Panel {
    let top = plane.top();
    let axis = Axis {
        low: 0.0,
        high: top,
        label: "speed V  (length/time)".into(),
        logarithmic: false,
        words: Vec::new(),
    };
    let mut panel = Panel::on(axis, title, format!("J  ({})", plane.quantity.unit));
    panel.zero_between(0.0, top);
    let fast = Plane::find(summary, Observable::FastCurrent(state));
    let bins = plane.columns.len();
    let mut places: Vec<usize> = [1, 2, 3].map(|quarter| bins * quarter / 4).to_vec();
    places.dedup();
    let mut limits = Vec::new();
    for (bin, (color, shape)) in places.into_iter().zip(STATES) {
        for (plane, slow) in std::iter::once((plane, true)).chain(fast.as_ref().map(|f| (f, false))) {
            let Some(rows) = plane.columns.get(bin) else { continue };
            let speed = |row: &Row| row.across.map(|[_, v]| v).filter(|v| *v <= top);
            let points: Vec<_> = rows
                .iter()
                .skip(1)
                .step_by(STRIDE)
                .filter_map(|row| Some((speed(row)?, *row.estimate.estimate()?)))
                .collect();
            let line = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
                rows.iter().filter_map(|row| Some((speed(row)?, value(row)?))).collect()
            };
            let shape = if slow { shape } else { MarkerShape::Cross };
            let mark = Mark { color: Cow::Borrowed(color), shape };
            let place = rows.first().and_then(middle).map(format::brief).unwrap_or_default();
            let entries = panel.legend.len();
            panel.series(&points, vec![line(&|row| row.theory)], mark, &format!("x = {place}"));
            if !slow {
                panel.legend.truncate(entries);
            }
            limits.push(line(&|row| row.fast_limit));
        }
    }
    if fast.is_some_and(|fast| fast.measured) {
        panel.entry("J_fast", NEUTRAL, LegendShape::Marker(MarkerShape::Cross), None);
    }
    for limit in limits {
        panel.dotted(limit, limit_name(summary));
    }
    panel.settle()
}

/// `m <v^2>/k_B` of every state.
fn temperature(summary: &Summary) -> Panel {
    let label = axis(summary, "m <v^2>/k_B", Observable::KineticTemperature(0));
    over_bins(summary, "kinetic temperature", label, |o| match o {
        Observable::KineticTemperature(state) => Some(state),
        _ => None,
    })
    .finish_range(summary)
}

/// `J_slow(x, sqrt(3 kT/m))` of every state.
fn peaks(summary: &Summary) -> Panel {
    let label = axis(summary, "J_slow", Observable::PeakSlowCurrent(0));
    let mut panel = over_bins(summary, "J_slow at V = sqrt(3 kT/m)", label, |o| match o {
        Observable::PeakSlowCurrent(state) => Some(state),
        _ => None,
    });
    panel.zero(summary);
    panel.finish_range(summary)
}

/// A quantity of every state over the bins, with its closed form.
pub(super) fn over_bins(
    summary: &Summary,
    title: &str,
    label: String,
    state: impl Fn(Observable) -> Option<usize>,
) -> Panel {
    let mut panel = Panel::new(title, label);
    for quantity in &summary.quantities {
        if let Some(state) = state(quantity.observable) {
            let single = summary.states.len() == 1;
            let (mark, name) =
                if single { (Mark::TOTAL, "particles") } else { (Mark::state(state), owner(quantity)) };
            panel.quantity(quantity, mark, name);
            panel.fast_limit(summary, quantity);
        }
    }
    panel
}

/// `J_E(x)`: moments of the velocity, and as carried by moves.
fn heat(summary: &Summary) -> Panel {
    let mut panel = Panel::new("heat flux", axis(summary, "J_E", Observable::PhaseHeatCurrent));
    panel.zero(summary);
    for quantity in &summary.quantities {
        match quantity.observable {
            Observable::PhaseHeatCurrent => {
                panel.quantity(quantity, Mark::TOTAL, "phase space");
                panel.fast_limit(summary, quantity);
            }
            // Of a law there is but one flux.
            Observable::CarriedHeatCurrent
                if quantity.rows.iter().any(|row| row.estimate.estimate().is_some()) =>
            {
                panel.quantity(quantity, Mark::state(1), "carried by moves");
            }
            _ => {}
        }
    }
    panel.finish_range(summary)
}

/// z of what the other panels show.
fn deviations(summary: &Summary) -> Panel {
    let mut panel = Panel::new("deviation from theory", "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    for quantity in &summary.quantities {
        let several = summary.states.len() > 1;
        let (mark, name) = match quantity.observable {
            Observable::Density => (Mark::TOTAL, "P total".to_owned()),
            Observable::PhaseHeatCurrent => (Mark::CROSS, "J_E".to_owned()),
            Observable::PeakSlowCurrent(state) if several => {
                (Mark::state(state), format!("J_slow {}", owner(quantity)))
            }
            Observable::PeakSlowCurrent(_) => (Mark::state(0), "J_slow".to_owned()),
            Observable::KineticTemperature(_) if !several => (Mark::state(2), "m <v^2>".to_owned()),
            _ => continue,
        };
        let points: Vec<(f64, f64)> =
            quantity.rows.iter().filter_map(|row| Some((middle(row)?, row.z?))).collect();
        panel.points(&points, mark, &name);
    }
    panel.finish_deviations(summary)
}
