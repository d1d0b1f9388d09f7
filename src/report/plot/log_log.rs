//! Panels with logarithmic axes: points with bars, upper bounds, fitted and expected power laws.

use super::{FAINT, Mark, NEUTRAL, PANEL, Rendered, render, shortened};
use crate::report::ReportError;
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::figure::Figure;
use kuva::render::layout::{AxisLine, Layout, TickAlign, TickFormat};
use kuva::render::plots::Plot;
use std::sync::Arc;

/// A point with a symmetric bar.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Where, positive.
    pub x: f64,
    /// The size of an error, not negative.
    pub y: f64,
    /// Half of its interval.
    pub reach: f64,
    /// Only `y + reach` is known, an upper bound.
    pub bound: bool,
    /// Not part of the fit.
    pub faint: bool,
}

/// Points of one quantity with their power laws.
#[derive(Clone, Debug)]
pub struct Curve {
    /// In the legend.
    pub name: String,
    /// The points.
    pub points: Vec<Range>,
    /// Ends of the fitted law.
    pub fitted: Option<[(f64, f64); 2]>,
    /// Ends of the expected law.
    pub expected: Option<[(f64, f64); 2]>,
}

/// One pair of axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Title.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// What is drawn.
    pub curves: Vec<Curve>,
}

/// Curves of one panel that are drawn; further ones stand in the table.
const CURVES: usize = 7;

/// Bars and lines end at this share of the smallest size.
const BELOW: f64 = 0.1;

/// Panels side by side, two in a row.
pub fn figure(title: &str, panels: Vec<Panel>) -> Result<Rendered, ReportError> {
    let panels: Vec<Panel> = panels.into_iter().filter(|p| !p.curves.is_empty()).collect();
    let columns = if panels.len() > 1 { 2 } else { 1 };
    let rows = panels.len().div_ceil(columns).max(1);
    let (plots, layouts) = panels.into_iter().map(draw).unzip();
    let scene = Figure::new(rows, columns)
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

fn logarithm(v: f64) -> f64 {
    libm::log10(v)
}

fn draw(panel: Panel) -> (Vec<Plot>, Layout) {
    let mut plots = Vec::new();
    let mut legend = Vec::new();
    let (mut x, mut y) = ((f64::INFINITY, f64::NEG_INFINITY), (f64::INFINITY, f64::NEG_INFINITY));
    let grow = |range: &mut (f64, f64), v: f64| *range = (range.0.min(v), range.1.max(v));
    // Bars that reach zero end somewhat below the smallest size that is drawn.
    let drawn = panel.curves.iter().take(CURVES).flat_map(|c| &c.points);
    let sizes = drawn.map(|p| if p.bound { p.y + p.reach } else { p.y }).filter(|y| *y > 0.0);
    let floor = BELOW * sizes.fold(1.0, f64::min);
    let line = |ends: [(f64, f64); 2], color: &str, width: f64| {
        let data = ends.map(|(x, y)| (logarithm(x), logarithm(y.max(floor))));
        LinePlot::new().with_data(data).with_color(color).with_stroke_width(width)
    };
    for (k, curve) in panel.curves.iter().take(CURVES).enumerate() {
        let mark = if k == 0 { Mark::TOTAL } else { Mark::state(k - 1) };
        if let Some(ends) = curve.expected {
            plots.push(Plot::Line(line(ends, FAINT, 1.0).with_dashed()));
        }
        if let Some(ends) = curve.fitted {
            plots.push(Plot::Line(line(ends, mark.color, 1.3)));
        }
        let mut shown = [Vec::new(), Vec::new(), Vec::new()];
        for p in &curve.points {
            let (high, low) = (p.y + p.reach, (p.y - p.reach).max(floor));
            let at = logarithm(p.x);
            grow(&mut x, at);
            grow(&mut y, logarithm(high.max(floor)));
            if p.bound {
                shown[1].push((at, logarithm(high.max(floor))));
                continue;
            }
            grow(&mut y, logarithm(low.max(p.y * 0.1)));
            let bar = [(p.x, low.max(p.y * 0.1)), (p.x, high)];
            plots.push(Plot::Line(line(bar, mark.color, 1.2)));
            shown[if p.faint { 2 } else { 0 }].push((at, logarithm(p.y.max(floor))));
        }
        let [full, bounds, faint] = shown;
        for (points, shape, opacity) in
            [(full, mark.shape, 0.85), (bounds, MarkerShape::TriangleDown, 0.35), (faint, mark.shape, 0.3)]
        {
            if !points.is_empty() {
                let scatter = ScatterPlot::new()
                    .with_data(points)
                    .with_color(mark.color)
                    .with_marker(shape)
                    .with_marker_opacity(opacity)
                    .with_size(3.6);
                plots.push(Plot::Scatter(scatter));
            }
        }
        legend.push(entry(&curve.name, mark.color, LegendShape::Marker(mark.shape), None));
    }
    if panel.curves.len() > CURVES {
        legend.push(entry(
            &format!("and {} more", panel.curves.len() - CURVES),
            "#ffffff",
            LegendShape::Line,
            None,
        ));
    }
    if panel.curves.iter().any(|c| c.expected.is_some()) {
        legend.push(entry("expected slope", FAINT, LegendShape::Line, Some("7 4")));
    }
    if panel.curves.iter().any(|c| c.points.iter().any(|p| p.bound)) {
        legend.push(entry("upper bound", NEUTRAL, LegendShape::Marker(MarkerShape::TriangleDown), None));
    }
    let air = |range: (f64, f64)| {
        let wide = 0.06 * (range.1 - range.0).max(0.5);
        (range.0 - wide, range.1 + wide)
    };
    let (x, y) = (air(x), air(y));
    let layout = Layout::new(x, y)
        .with_title(panel.title)
        .with_title_size(15)
        .with_x_label(panel.x_label)
        .with_y_label(panel.y_label)
        .with_label_size(13)
        .with_tick_size(11)
        .with_body_size(12)
        .with_axis_line(AxisLine::Box)
        .with_tick_align(TickAlign::Inside)
        .with_show_grid(false)
        .with_x_axis_min(x.0)
        .with_x_axis_max(x.1)
        .with_y_axis_min(y.0)
        .with_y_axis_max(y.1)
        .with_x_tick_step(step(x))
        .with_y_tick_step(step(y))
        .with_x_tick_format(powers())
        .with_y_tick_format(powers())
        .with_legend_position(LegendPosition::OutsideRightTop)
        .with_legend_entries(legend)
        .with_legend_box(false);
    (plots, layout)
}

fn entry(name: &str, color: &str, shape: LegendShape, dashes: Option<&str>) -> LegendEntry {
    LegendEntry { label: shortened(name, 32), color: color.into(), shape, dasharray: dashes.map(Into::into) }
}

/// Powers of ten between ticks.
fn step(range: (f64, f64)) -> f64 {
    let span = range.1 - range.0;
    if span > 6.0 {
        2.0
    } else if span > 1.5 {
        1.0
    } else {
        0.5
    }
}

/// `-2` as `0.01`, `3` as `1000`, `-4` as `1e-4`.
fn powers() -> TickFormat {
    TickFormat::Custom(Arc::new(|exponent| crate::report::format::brief(libm::pow(10.0, exponent))))
}
