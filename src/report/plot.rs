//! The figure of a run, as SVG and PNG: density, currents, local Soret coefficient, deviations; of a run with
//! observation times densities and means against time; of underdamped particles the plane of position and
//! speed, with internal coordinates that of position and the first coordinate.
//!
//! Points with bars are the simulation and its 95 % intervals; thin dark lines are the continuum theory;
//! colours and marker shapes tell states apart (the palette of Okabe and Ito, safe for the colour-blind).
//! The same data give the same bytes. Only this file and those in its folder name the plotting crate: the figure of a
//! sweep, those of a run with times, of phase space and of internal coordinates, panels with logarithmic axes, and maps.

pub mod log_log;
pub mod map;
mod numbers;
mod phase;
mod plane;
mod reactions;
mod sweep;
mod times;

pub use phase::phase_space;
pub use plane::plane;
pub use sweep::sweep;

use super::summary::{Quantity, Row, Summary};
use super::{ReportError, finite, format};
use crate::observable::Observable;
use crate::stats::{Estimate, Outcome};
use kuva::backend::png::PngBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::annotations::{ReferenceLine, ShadedRegion, TextAnnotation};
use kuva::render::figure::Figure;
use kuva::render::layout::{AxisLine, Layout, TickAlign, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::Scene;
use kuva::render::render_utils;
use std::borrow::Cow;
use std::sync::Arc;

/// A figure in both formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Scalable vector graphics.
    pub svg: String,
    /// Bitmap at twice the nominal size.
    pub png: Vec<u8>,
}

/// Ink of everything that belongs to no state.
const NEUTRAL: &str = "#222222";
/// Theory lines.
const THEORY: &str = "#000000";
/// The closed form for infinitely fast transitions, or the overdamped limit.
const FAST_LIMIT: &str = "#CC79A7";
/// Help lines.
const FAINT: &str = "#888888";
/// Colours and markers of states.
const STATES: [(&str, MarkerShape); 6] = [
    ("#D55E00", MarkerShape::Square),
    ("#0072B2", MarkerShape::Triangle),
    ("#009E73", MarkerShape::Diamond),
    ("#CC79A7", MarkerShape::TriangleDown),
    ("#E69F00", MarkerShape::Pentagon),
    ("#56B4E9", MarkerShape::Circle),
];
/// Legends longer than this are cut.
const LEGEND_ENTRIES: usize = 7;
/// Share of the height of a panel that its legend needs per line.
const LEGEND_LINE: f64 = 0.058;
const PANEL: (f64, f64) = (560.0, 400.0);
const BITMAP_SCALE: f32 = 2.0;

/// The figure of four panels over the domain: (a) densities, (b) currents, (c) local Soret coefficient,
/// (d) deviations from theory in standard errors. With observation times: densities at some of them, means
/// against time, deviations. Of underdamped particles the heat flux is shown too, in place of a current that is zero;
/// with internal coordinates the heat flux and the mean energy.
pub fn profiles(summary: &Summary) -> Result<Rendered, ReportError> {
    finite::check(summary)?;
    let panels = if summary.counts() {
        numbers::panels(summary)
    } else if summary.reacts() {
        if summary.times().is_empty() { reactions::panels(summary) } else { reactions::times(summary) }
    } else if !summary.times().is_empty() {
        times::panels(summary)
    } else if summary.in_phase_space() {
        phase::profiles(summary)
    } else if summary.in_plane() {
        plane::profiles(summary)
    } else {
        vec![densities(summary), currents(summary), local_soret(summary), deviations(summary)]
    };
    arrange(summary, panels.into_iter().map(Panel::finish).collect())
}

/// Panels, two beside each other, below the title of the run.
fn arrange(summary: &Summary, panels: Vec<(Vec<Plot>, Layout)>) -> Result<Rendered, ReportError> {
    let rows = panels.len().div_ceil(2);
    let (plots, layouts) = panels.into_iter().unzip();
    let title = if summary.title.is_empty() { &summary.name } else { &summary.title };
    let scene = Figure::new(rows, 2)
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

fn render(scene: &Scene) -> Result<Rendered, ReportError> {
    let png = PngBackend::new()
        .with_scale(BITMAP_SCALE)
        .render_scene(scene)
        .map_err(|message| ReportError::Encode { format: "PNG", message })?;
    Ok(Rendered { svg: renumber(&SvgBackend::new().with_pretty(true).render_scene(scene)), png })
}

/// The plotting crate counts clip regions over the whole life of the process. Counting them anew in
/// every figure makes its text a function of the data.
fn renumber(svg: &str) -> String {
    const STEM: &str = "kuva-clip-";
    let mut seen: Vec<&str> = Vec::new();
    let mut parts = svg.split(STEM);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let index = seen.iter().position(|n| *n == number).unwrap_or_else(|| {
            seen.push(number);
            seen.len() - 1
        });
        text.push_str(&format!("clip-{index}{rest}"));
    }
    text.push('\n');
    text
}

/// The label of an axis: a symbol and the unit that the summary gives to the quantity.
fn axis(summary: &Summary, symbol: &str, observable: Observable) -> String {
    let unit = summary.quantities.iter().find(|q| q.observable == observable).map(|q| q.unit.as_str());
    format!("{symbol}  ({})", unit.unwrap_or(observable.dimension()))
}

/// (a) `P_tot` and every `P_i`.
fn densities(summary: &Summary) -> Panel {
    let mut panel = Panel::new("(a) density", axis(summary, "P", Observable::Density));
    panel.include(0.0);
    for quantity in &summary.quantities {
        match quantity.observable {
            Observable::Density => panel.quantity(quantity, Mark::TOTAL, "total"),
            // The only state is the total.
            Observable::StateDensity(state) if summary.states.len() > 1 => {
                panel.quantity(quantity, Mark::state(state), owner(quantity));
            }
            _ => {}
        }
    }
    panel.finish_range(summary)
}

/// (b) `J_i` through every face.
fn currents(summary: &Summary) -> Panel {
    let mut panel = Panel::new("(b) current", axis(summary, "J", Observable::Current(0)));
    panel.zero(summary);
    for quantity in &summary.quantities {
        if let Observable::Current(state) = quantity.observable {
            panel.quantity(quantity, Mark::state(state), owner(quantity));
        }
    }
    panel.finish_range(summary)
}

/// (c) `S_T` in every bin, and the global coefficient.
fn local_soret(summary: &Summary) -> Panel {
    let mut panel = Panel::new("(c) local Soret coefficient", axis(summary, "S_T", Observable::LocalSoret));
    for quantity in &summary.quantities {
        match quantity.observable {
            Observable::LocalSoret => {
                panel.quantity(quantity, Mark::TOTAL, "local");
                panel.fast_limit(summary, quantity);
            }
            Observable::Soret => {
                if let Some(row) = quantity.rows.first() {
                    panel.soret(row);
                }
            }
            _ => {}
        }
    }
    panel.finish_range(summary)
}

/// (d) z in every bin and through every face.
fn deviations(summary: &Summary) -> Panel {
    let mut panel = Panel::new("(d) deviation from theory", "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    for quantity in &summary.quantities {
        let (mark, name) = match quantity.observable {
            Observable::Density => (Mark::TOTAL, "P total".to_owned()),
            Observable::Current(state) => (Mark::state(state), format!("J {}", owner(quantity))),
            Observable::LocalSoret => (Mark::CROSS, "S_T".to_owned()),
            _ => continue,
        };
        let points: Vec<(f64, f64)> =
            quantity.rows.iter().filter_map(|row| Some((middle(row)?, row.z?))).collect();
        panel.points(&points, mark, &name);
    }
    panel.finish_deviations(summary)
}

/// How a series is drawn.
#[derive(Clone)]
struct Mark {
    color: Cow<'static, str>,
    shape: MarkerShape,
}

impl Mark {
    const TOTAL: Self = Self { color: Cow::Borrowed(NEUTRAL), shape: MarkerShape::Circle };
    const CROSS: Self = Self { color: Cow::Borrowed("#666666"), shape: MarkerShape::Cross };

    fn state(index: usize) -> Self {
        // Beyond the sixth state colours come back with another shape.
        let (color, _) = STATES[index % STATES.len()];
        let (_, shape) = STATES[(index + index / STATES.len()) % STATES.len()];
        Self { color: color.into(), shape }
    }
}

/// The horizontal axis of a panel.
#[derive(Clone)]
struct Axis {
    low: f64,
    high: f64,
    label: String,
    logarithmic: bool,
    /// Words in place of the numbers 0, 1, 2, ...
    words: Vec<String>,
}

impl Axis {
    /// The position in a domain.
    fn position(length: f64) -> Self {
        let label = "position x  (length)".into();
        Axis { low: 0.0, high: length, label, logarithmic: false, words: Vec::new() }
    }

    /// How far along the axis a value lies.
    fn share(&self, x: f64) -> f64 {
        if self.logarithmic && x > 0.0 {
            libm::log(x / self.low) / libm::log(self.high / self.low)
        } else {
            (x - self.low) / (self.high - self.low)
        }
    }
}

/// One panel under construction.
struct Panel {
    title: String,
    y_label: String,
    plots: Vec<Plot>,
    lines: Vec<Plot>,
    legend: Vec<LegendEntry>,
    references: Vec<ReferenceLine>,
    /// Half-height of a shaded band around zero.
    band: Option<f64>,
    note: Option<&'static str>,
    /// Where data lie, for the legend to keep away from.
    occupied: Vec<(f64, f64)>,
    theory: bool,
    y: (f64, f64),
    axis: Axis,
}

impl Panel {
    fn new(title: impl Into<String>, y_label: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            y_label: y_label.into(),
            plots: Vec::new(),
            lines: Vec::new(),
            legend: Vec::new(),
            references: Vec::new(),
            band: None,
            note: None,
            occupied: Vec::new(),
            theory: false,
            y: (f64::INFINITY, f64::NEG_INFINITY),
            axis: Axis::position(1.0),
        }
    }

    /// A panel over another axis.
    fn on(axis: Axis, title: impl Into<String>, y_label: impl Into<String>) -> Self {
        Self { axis, ..Self::new(title, y_label) }
    }

    fn include(&mut self, y: f64) {
        self.y = (self.y.0.min(y), self.y.1.max(y));
    }

    fn occupy(&mut self, x: f64, y: f64) {
        self.include(y);
        self.occupied.push((x, y));
    }

    /// A level that runs through the whole panel.
    fn span(&mut self, y: f64) {
        self.occupy(self.axis.low, y);
        self.occupy(f64::INFINITY, y);
    }

    /// Points with bars over the line of the theory.
    fn quantity(&mut self, quantity: &Quantity, mark: Mark, name: &str) {
        let estimate = |row: &Row| Some((middle(row)?, *row.estimate.estimate()?));
        let points: Vec<(f64, Estimate)> = quantity.rows.iter().filter_map(estimate).collect();
        self.series(&points, pieces(quantity, |row| row.theory), mark, name);
    }

    /// The same for values along any axis.
    fn series(&mut self, points: &[(f64, Estimate)], theory: Vec<Vec<(f64, f64)>>, mark: Mark, name: &str) {
        for &(x, estimate) in points {
            self.occupy(x, estimate.low);
            self.occupy(x, estimate.high);
            let bar = LinePlot::new()
                .with_data([(x, estimate.low), (x, estimate.high)])
                .with_color(mark.color.as_ref())
                .with_stroke_width(1.2);
            self.plots.push(Plot::Line(bar));
        }
        let values: Vec<(f64, f64)> = points.iter().map(|(x, e)| (*x, e.value)).collect();
        self.points(&values, mark.clone(), name);

        if theory.iter().all(Vec::is_empty) {
            return;
        }
        for &(x, y) in theory.iter().flatten() {
            self.occupy(x, y);
        }
        // Over points the line is dark; alone it carries the colour of its state.
        let alone = points.is_empty();
        if alone {
            self.entry(name, &mark.color, LegendShape::Line, None);
        } else {
            self.theory = true;
        }
        for piece in theory {
            let line = LinePlot::new()
                .with_data(piece)
                .with_color(if alone { mark.color.as_ref() } else { THEORY })
                .with_stroke_width(if alone { 2.0 } else { 1.1 });
            self.lines.push(Plot::Line(line));
        }
    }

    /// A thin line in the colour of a series, without an entry in the legend.
    fn band_edge(&mut self, line: Vec<(f64, f64)>, mark: &Mark) {
        for &(x, y) in &line {
            self.occupy(x, y);
        }
        let plot = LinePlot::new().with_data(line).with_color(mark.color.as_ref()).with_stroke_width(0.9);
        self.lines.push(Plot::Line(plot));
    }

    /// The closed form of the limit, where there is one.
    fn fast_limit(&mut self, summary: &Summary, quantity: &Quantity) {
        for piece in pieces(quantity, |row| row.fast_limit) {
            self.dotted(piece, limit_name(summary));
        }
    }

    fn dotted(&mut self, line: Vec<(f64, f64)>, name: &str) {
        const DASHES: &str = "2 4";
        if line.is_empty() {
            return;
        }
        for &(x, y) in &line {
            self.occupy(x, y);
        }
        let plot =
            LinePlot::new().with_data(line).with_color(FAST_LIMIT).with_stroke_width(1.3).with_dotted();
        self.lines.push(Plot::Line(plot));
        if self.legend.iter().all(|entry| entry.label != name) {
            self.entry(name, FAST_LIMIT, LegendShape::Line, Some(DASHES));
        }
    }

    fn points(&mut self, points: &[(f64, f64)], mark: Mark, name: &str) {
        if points.is_empty() {
            return;
        }
        for &(x, y) in points {
            self.occupy(x, y);
        }
        let scatter = ScatterPlot::new()
            .with_data(points.iter().copied())
            .with_color(mark.color.as_ref())
            .with_marker(mark.shape)
            .with_marker_opacity(0.75)
            .with_size(3.2);
        self.plots.push(Plot::Scatter(scatter));
        self.entry(name, &mark.color, LegendShape::Marker(mark.shape), None);
    }

    fn entry(&mut self, name: &str, color: &str, shape: LegendShape, dashes: Option<&str>) {
        self.legend.push(LegendEntry {
            label: shortened(name, 24),
            color: color.into(),
            shape,
            dasharray: dashes.map(Into::into),
        });
    }

    /// A faint line along zero.
    fn zero(&mut self, summary: &Summary) {
        self.zero_between(0.0, summary.length);
    }

    fn zero_between(&mut self, low: f64, high: f64) {
        self.include(0.0);
        let line =
            LinePlot::new().with_data([(low, 0.0), (high, 0.0)]).with_color(FAINT).with_stroke_width(1.0);
        self.plots.insert(0, Plot::Line(line));
    }

    /// A dashed curve with an entry in the legend.
    fn dashed(&mut self, line: Vec<(f64, f64)>, color: &str, name: &str) {
        const DASHES: &str = "7 4";
        if line.is_empty() {
            return;
        }
        let plot = LinePlot::new().with_data(line).with_color(color).with_stroke_width(1.5).with_dashed();
        self.lines.push(Plot::Line(plot));
        self.entry(name, color, LegendShape::Line, Some(DASHES));
    }

    /// Puts another letter before the title.
    fn letter(&mut self, letter: char) {
        let text = match self.title.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((_, text)) => text,
            None => &self.title,
        };
        self.title = format!("({letter}) {text}");
    }

    /// A dashed line with an entry in the legend.
    fn level(&mut self, y: f64, name: &str) {
        const DASHES: &str = "7 4";
        self.span(y);
        self.references.push(
            ReferenceLine::horizontal(y).with_color("#0072B2").with_stroke_width(1.3).with_dasharray(DASHES),
        );
        self.entry(name, "#0072B2", LegendShape::Line, Some(DASHES));
    }

    /// The global coefficient: the estimate, or the theory where there is none.
    fn soret(&mut self, row: &Row) {
        match (&row.estimate, row.theory) {
            (Outcome::Estimate(soret), _) => {
                let text = format::value_with_error(soret.value, soret.std_error);
                self.level(soret.value, &format!("soret {text}"));
            }
            (Outcome::Null { .. }, Some(theory)) => {
                self.level(theory, &format!("soret {}", format::plain(theory)));
            }
            (Outcome::Null { .. }, None) => {}
        }
    }

    /// Dashed lines on both sides of zero.
    fn limit(&mut self, z: f64) {
        self.limits(z, &[-z, z], "±");
    }

    /// A dashed line above zero.
    fn upper_limit(&mut self, z: f64) {
        self.limits(z, &[z], "");
    }

    fn limits(&mut self, z: f64, at: &[f64], sign: &str) {
        const DASHES: &str = "7 4";
        const COLOR: &str = NEUTRAL;
        for &y in at {
            self.span(y);
            self.references.push(
                ReferenceLine::horizontal(y).with_color(COLOR).with_stroke_width(1.3).with_dasharray(DASHES),
            );
        }
        let name = format!("critical {sign}{}", format::deviate(z));
        self.entry(&name, COLOR, LegendShape::Line, Some(DASHES));
    }

    /// Settles the vertical range and the place of the legend.
    fn finish_range(mut self, summary: &Summary) -> Self {
        self.axis = Axis::position(summary.length);
        self.settle()
    }

    /// The same for deviates: zero, the band of one standard error and the critical values.
    fn finish_deviations(mut self, summary: &Summary) -> Self {
        if self.occupied.is_empty() {
            self.note = Some("no estimate to compare with theory");
        } else {
            self.zero(summary);
            if let Some(comparison) = &summary.comparison {
                self.limit(comparison.critical_z);
            }
            self.band = Some(1.0);
        }
        self.finish_range(summary)
    }

    fn settle(mut self) -> Self {
        if self.occupied.is_empty() && self.note.is_none() {
            self.note = Some("not measured");
        }
        if self.theory {
            self.entry("theory", THEORY, LegendShape::Line, None);
        }
        self.cut_legend();
        if !self.y.0.is_finite() || !self.y.1.is_finite() {
            self.y = (0.0, 1.0);
        }
        let (low, high) = self.y;
        let span = high - low;
        if span > 0.0 {
            // Densities start at zero exactly; everything else gets some air.
            let floor = if low == 0.0 { 0.0 } else { low - 0.05 * span };
            self.y = (floor, high + 0.05 * span);
        } else {
            let air = if low == 0.0 { 1.0 } else { 0.5 * low.abs() };
            self.y = (low - air, high + air);
        }
        self
    }

    /// Keeps the lines and as many markers as fit.
    fn cut_legend(&mut self) {
        let is_line = |entry: &LegendEntry| matches!(entry.shape, LegendShape::Line);
        let alone = self.legend.iter().all(is_line);
        let (mut states, lines): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.legend).into_iter().partition(|entry| alone || !is_line(entry));
        let room = LEGEND_ENTRIES.saturating_sub(lines.len()).max(1);
        let hidden = match states.len() {
            count if count > room => count - (room - 1),
            _ => 0,
        };
        states.truncate(states.len() - hidden);
        self.legend = states;
        if hidden > 0 {
            let text = format!("and {hidden} more");
            self.entry(&text, "#ffffff", LegendShape::Line, None);
        }
        self.legend.extend(lines);
    }

    /// Where the legend covers fewest data; if it covers some anywhere, the range is stretched there.
    fn place_legend(&mut self) -> LegendPosition {
        const CORNERS: [(LegendPosition, bool, bool); 4] = [
            (LegendPosition::InsideTopRight, true, true),
            (LegendPosition::InsideTopLeft, false, true),
            (LegendPosition::InsideBottomRight, true, false),
            (LegendPosition::InsideBottomLeft, false, false),
        ];
        let longest = self.legend.iter().map(|entry| entry.label.chars().count()).max().unwrap_or(0);
        let width = (0.13 + 0.0165 * longest as f64).min(1.0);
        let height = LEGEND_LINE * self.legend.len() as f64 + 0.06;
        let mut best = (LegendPosition::InsideTopRight, f64::INFINITY, self.y);
        for (position, right, top) in CORNERS {
            // Data below the legend decide how far the range must be stretched to keep clear of it.
            let beside = self.occupied.iter().filter(|(x, _)| {
                let share = self.axis.share(*x);
                if right { share > 1.0 - width } else { share < width }
            });
            let (low, high) = self.y;
            let range = if top {
                let highest = beside.fold(low, |m, &(_, y)| m.max(y));
                let needed = low + (highest - low) / (1.0 - height).max(0.2);
                (low, high.max(needed))
            } else {
                let lowest = beside.fold(high, |m, &(_, y)| m.min(y));
                let needed = high - (high - lowest) / (1.0 - height).max(0.2);
                (low.min(needed), high)
            };
            let stretch = range.1 - range.0;
            if stretch < best.1 * (1.0 - 1e-9) {
                best = (position, stretch, range);
            }
        }
        self.y = best.2;
        best.0
    }

    /// Takes powers of ten out of both axes and out of everything drawn; returns them.
    fn rescale(&mut self) -> (i32, i32) {
        let plain = self.axis.logarithmic || !self.axis.words.is_empty();
        let largest = self.axis.low.abs().max(self.axis.high.abs());
        let powers =
            (if plain { 0 } else { power_of(largest) }, power_of(self.y.0.abs().max(self.y.1.abs())));
        let (x, y) = (10f64.powi(-powers.0), 10f64.powi(-powers.1));
        self.scale(x, y);
        self.band = self.band.map(|half| half * y);
        for line in &mut self.references {
            line.value *= y;
        }
        self.axis.low *= x;
        self.axis.high *= x;
        self.y = (self.y.0 * y, self.y.1 * y);
        powers
    }

    /// Multiplies the coordinates of everything drawn.
    fn scale(&mut self, x: f64, y: f64) {
        let scale = |point: (&mut f64, &mut f64)| {
            *point.0 *= x;
            *point.1 *= y;
        };
        for plot in self.plots.iter_mut().chain(&mut self.lines) {
            match plot {
                Plot::Line(line) => line.data.iter_mut().for_each(|p| scale((&mut p.x, &mut p.y))),
                Plot::Scatter(scatter) => scatter.data.iter_mut().for_each(|p| scale((&mut p.x, &mut p.y))),
                _ => {}
            }
        }
    }

    fn finish(mut self) -> (Vec<Plot>, Layout) {
        let position = self.place_legend();
        let (x, y) = self.rescale();
        let Axis { low, high, .. } = self.axis;
        let mut layout = Layout::new((low, high), self.y)
            .with_title(shortened(&self.title, 60))
            .with_title_size(15)
            .with_x_label(in_powers(&self.axis.label, x))
            .with_y_label(in_powers(&self.y_label, y))
            .with_label_size(13)
            .with_tick_size(11)
            .with_body_size(12)
            .with_axis_line(AxisLine::Box)
            .with_tick_align(TickAlign::Inside)
            .with_show_grid(false)
            .with_x_axis_min(low)
            .with_x_axis_max(high)
            .with_y_axis_min(self.y.0)
            .with_y_axis_max(self.y.1);
        let step = render_utils::compute_tick_step(self.y.0, self.y.1, 6);
        layout = layout.with_y_tick_step(step).with_y_tick_format(tick_format(step));
        if self.axis.logarithmic {
            let tick = TickFormat::Custom(Arc::new(format::brief));
            layout = layout.with_log_x().with_x_tick_format(tick);
        }
        if !self.axis.words.is_empty() {
            let words = self.axis.words;
            let word =
                move |x: f64| words.get(x.round() as usize).filter(|_| x > -0.5).cloned().unwrap_or_default();
            layout = layout.with_x_tick_step(1.0).with_x_tick_format(TickFormat::Custom(Arc::new(word)));
        }
        if !self.legend.is_empty() {
            layout =
                layout.with_legend_position(position).with_legend_entries(self.legend).with_legend_box(false);
        }
        if let Some(half) = self.band {
            layout = layout.with_shaded_region(
                ShadedRegion::horizontal(-half, half).with_color(FAINT).with_opacity(0.15),
            );
        }
        for line in self.references {
            layout = layout.with_reference_line(line);
        }
        if let Some(note) = self.note {
            let (x, y) = (0.5 * (low + high), 0.5 * (self.y.0 + self.y.1));
            let text = TextAnnotation::new(note, x, y).with_color(FAINT).with_font_size(14);
            layout = layout.with_annotation(text);
        }
        let mut plots = self.plots;
        plots.extend(self.lines);
        if plots.is_empty() {
            // A panel without any plot would be left out: draw along its lower edge.
            let edge = LinePlot::new().with_data([(low, self.y.0), (high, self.y.0)]).with_stroke_width(1.0);
            plots.push(Plot::Line(edge));
        }
        (plots, layout)
    }
}

/// The power of ten that is taken out of an axis, so that its ticks are short: 0 for handy numbers.
fn power_of(largest: f64) -> i32 {
    let exponent = largest.log10().floor();
    if largest > 0.0 && !(-2.0..4.0).contains(&exponent) { exponent.clamp(-300.0, 300.0) as i32 } else { 0 }
}

/// `J  (1/time)` becomes `J  (1e-4/time)`, `position x  (length)` becomes `position x  (1e-6 length)`.
fn in_powers(label: &str, power: i32) -> String {
    match (power, label.contains("(1/")) {
        (0, _) => label.into(),
        (_, true) => label.replacen("(1/", &format!("(1e{power}/"), 1),
        (_, false) => label.replacen('(', &format!("(1e{power} "), 1),
    }
}

/// As many decimals as the step needs: 0.5 one, 0.25 two.
fn tick_format(step: f64) -> TickFormat {
    let whole = |decimals: &i32| {
        let step = step * 10f64.powi(*decimals);
        (step - step.round()).abs() < 1e-6 * step
    };
    let decimals = (0..15).find(whole).unwrap_or(15) as usize;
    TickFormat::Custom(Arc::new(move |value| {
        let text = format!("{value:.decimals$}");
        match text.strip_prefix('-') {
            Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.into(),
            _ => text,
        }
    }))
}

/// What the closed forms are the limit of.
fn limit_name(summary: &Summary) -> &'static str {
    if summary.in_phase_space() {
        "overdamped limit"
    } else if summary.in_plane() {
        "fast-coordinate limit"
    } else if summary.counts() {
        "deterministic law"
    } else {
        "fast-reaction limit"
    }
}

fn middle(row: &Row) -> Option<f64> {
    Some(0.5 * (row.x_lo? + row.x_hi?))
}

/// The line of a quantity over its rows; that of `S_T(x)` in pieces, because it has a pole where T has an extremum.
fn pieces(quantity: &Quantity, value: impl Fn(&Row) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let points = quantity.rows.iter().map(|row| Some((middle(row)?, value(row)?)));
    if quantity.observable == Observable::LocalSoret {
        between_poles(&points.collect::<Vec<_>>())
    } else {
        vec![points.flatten().collect()]
    }
}

/// A line cut where a value is missing, and where it changes its sign while growing from both sides: through a zero
/// it would come down to it on both.
fn between_poles(points: &[Option<(f64, f64)>]) -> Vec<Vec<(f64, f64)>> {
    let size = |k: Option<usize>| k.and_then(|k| *points.get(k)?).map_or(0.0, |p| p.1.abs());
    let pole = |k: usize| {
        let (Some(left), Some(right)) = (points[k - 1], points[k]) else { return true };
        let grows = left.1.abs() > size(k.checked_sub(2)) && right.1.abs() > size(Some(k + 1));
        left.1 * right.1 < 0.0 && grows
    };
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    for (k, point) in points.iter().enumerate() {
        if k == 0 || pole(k) {
            pieces.push(Vec::new());
        }
        if let (Some(piece), Some(point)) = (pieces.last_mut(), point) {
            piece.push(*point);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn owner(quantity: &Quantity) -> &str {
    quantity.of.as_deref().unwrap_or(&quantity.name)
}

/// A colour of a scale whose corners are evenly spaced, as `#rrggbb`.
fn blend(corners: &[(f64, f64, f64)], share: f64) -> String {
    let at = share * (corners.len() - 1) as f64;
    let below = (at as usize).min(corners.len() - 2);
    let (a, b, share) = (corners[below], corners[below + 1], at - below as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_poles_and_nowhere_else() {
        let line = |f: &dyn Fn(f64) -> Option<f64>| -> Vec<usize> {
            let points: Vec<_> = (0..40).map(|k| (k as f64 + 0.5) / 40.0).map(|x| Some((x, f(x)?))).collect();
            between_poles(&points).iter().map(Vec::len).collect()
        };
        // T = cos(2 pi x) on a ring, P = exp(sin(2 pi x)): S_T is the cotangent of 2 pi x, with a pole at 1/2.
        let angle = |x: f64| 2.0 * std::f64::consts::PI * x;
        assert_eq!(line(&|x| Some(1.0 / libm::tan(angle(x)))), [20, 20]);
        // Its zeros at 1/4 and 3/4, and those of any other line, are not cut.
        assert_eq!(line(&|x| Some(libm::sin(3.0 * angle(x)))), [40]);
        // A place without a value is.
        assert_eq!(line(&|x| (!(0.3..0.33).contains(&x)).then_some(1.0)), [12, 27]);
        assert_eq!(line(&|_| None), [0usize; 0]);
    }
}
