//! Maps: values on rectangles of any size as colours, with a bar that tells what they mean; on top contour lines
//! (of the same function or another one, such as the streamlines of a circulation) and arrows.
//!
//! A place without a value is grey. Powers of ten are taken out of axes and values as in the other panels.

use super::{
    FAINT, NEUTRAL, PANEL, Panel, Rendered, blend, in_powers, power_of, render, shortened, tick_format,
};
use crate::report::ReportError;
use kuva::plot::legend::LegendPosition;
use kuva::plot::quiver::QuiverPivot;
use kuva::plot::{BandPlot, ColorMap, ContourPlot, QuiverPlot};
use kuva::render::annotations::TextAnnotation;
use kuva::render::figure::Figure;
use kuva::render::layout::{AxisLine, Layout, TickAlign};
use kuva::render::plots::Plot;
use kuva::render::render_utils;
use std::sync::Arc;

/// Where there is no value.
const NOTHING: &str = "#d9d9d9";
/// Steps of a colour scale: even, so that none is at zero of a diverging one, fine enough to look smooth.
const SHADES: usize = 128;
/// How far a cell reaches below its neighbours on the right and above, as a share of the map: half a dot, so that
/// no seams are seen between them.
const OVERLAP: f64 = 0.5 / 400.0;
/// Length of the longest arrow, as a share of the map.
const ARROW: f64 = 0.08;
/// Contour lines where no levels are named.
const LEVELS: usize = 9;

/// How values become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From dark to bright, from zero (or the smallest value, where that is negative) to the largest value: densities.
    Sequential,
    /// From white to blue over the same range: densities below lines and arrows.
    Pale,
    /// Blue below zero, red above, white at zero, both ends equally far from it: currents.
    Diverging,
}

impl Scale {
    /// Both ends of the scale; a span of zero is widened.
    fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (low, high) = values.fold((0.0f64, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
        let (low, high) = match self {
            Scale::Sequential | Scale::Pale => (low, high),
            Scale::Diverging => (-high.max(-low), high.max(-low)),
        };
        if high > low { (low, high) } else { (low - f64::from(u8::from(self == Scale::Diverging)), 1.0) }
    }

    /// The colour at a share of the way from one end to the other.
    fn color(self, share: f64) -> String {
        // Viridis; the blue and the red of Okabe and Ito, made darker towards the ends.
        const SEQUENTIAL: [(f64, f64, f64); 5] = [
            (68.0, 1.0, 84.0),
            (59.0, 82.0, 139.0),
            (33.0, 145.0, 140.0),
            (94.0, 201.0, 98.0),
            (253.0, 231.0, 37.0),
        ];
        const PALE: [(f64, f64, f64); 4] =
            [(255.0, 255.0, 255.0), (198.0, 222.0, 240.0), (120.0, 184.0, 222.0), (50.0, 140.0, 196.0)];
        const DIVERGING: [(f64, f64, f64); 5] = [
            (0.0, 52.0, 94.0),
            (0.0, 114.0, 178.0),
            (255.0, 255.0, 255.0),
            (213.0, 94.0, 0.0),
            (110.0, 36.0, 0.0),
        ];
        let shade = (share.clamp(0.0, 1.0) * SHADES as f64).round() / SHADES as f64;
        match self {
            Scale::Sequential => blend(&SEQUENTIAL, shade),
            Scale::Pale => blend(&PALE, shade),
            Scale::Diverging => blend(&DIVERGING, shade),
        }
    }
}

/// A value on a rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Left and right end.
    pub x: (f64, f64),
    /// Lower and upper end.
    pub y: (f64, f64),
    /// The value there; one that is not finite is none.
    pub value: f64,
}

/// Cells between these edges, `values` row by row from the lowest y, each row from the smallest x.
pub fn cells(x: &[f64], y: &[f64], values: &[f64]) -> Vec<Cell> {
    let columns = x.windows(2).map(|w| (w[0], w[1]));
    let rows = y.windows(2).map(|w| (w[0], w[1]));
    let places = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
    places.zip(values).map(|((x, y), value)| Cell { x, y, value: *value }).collect()
}

/// A vector at a place, in units of the axes per a common unit of time: its direction is that of the way on the
/// map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrow {
    /// Where its middle is.
    pub at: (f64, f64),
    /// Components along x and y.
    pub by: (f64, f64),
}

/// Contour lines of a function known at the crossings of lines, evenly spaced or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Contours {
    /// Places along x.
    pub x: Vec<f64>,
    /// Places along y.
    pub y: Vec<f64>,
    /// Values, one row for each y.
    pub values: Vec<Vec<f64>>,
    /// Which values have a line; some between the smallest and the largest value where this is empty.
    pub levels: Vec<f64>,
}

/// A map under construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    title: String,
    labels: [String; 3],
    scale: Scale,
    cells: Vec<Cell>,
    contours: Option<Contours>,
    arrows: Vec<Arrow>,
}

impl Map {
    /// A map of cells; labels of x, y and values, with units in brackets: `velocity v  (length/time)`.
    pub fn new(title: impl Into<String>, labels: [&str; 3], scale: Scale, cells: Vec<Cell>) -> Self {
        let finite = |v: &(f64, f64)| v.0.is_finite() && v.1.is_finite() && v.0 < v.1;
        let sound = |c: &Cell| finite(&c.x) && finite(&c.y) && c.value.is_finite();
        Map {
            title: title.into(),
            labels: labels.map(str::to_owned),
            scale,
            cells: cells.into_iter().filter(sound).collect(),
            contours: None,
            arrows: Vec::new(),
        }
    }

    /// Contour lines on top; left out if their rows have other lengths than their axes, or a number is not finite.
    #[must_use]
    pub fn with_contours(mut self, contours: Contours) -> Self {
        let Contours { x, y, values, levels } = &contours;
        let shape = x.len() > 1 && y.len() == values.len() && values.iter().all(|row| row.len() == x.len());
        let mut numbers = x.iter().chain(y).chain(levels).chain(values.iter().flatten());
        self.contours = (shape && y.len() > 1 && numbers.all(|v| v.is_finite())).then_some(contours);
        self
    }

    /// Arrows on top, the longest of them a small part of the map.
    #[must_use]
    pub fn with_arrows(mut self, arrows: Vec<Arrow>) -> Self {
        let finite = |a: &Arrow| [a.at.0, a.at.1, a.by.0, a.by.1].iter().all(|v| v.is_finite());
        self.arrows = arrows.into_iter().filter(finite).collect();
        self
    }

    /// Ends of both axes.
    fn frame(&self) -> ((f64, f64), (f64, f64)) {
        let span = |ends: fn(&Cell) -> (f64, f64)| {
            let ends = self.cells.iter().map(ends);
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(e.0), b.max(e.1)))
        };
        if self.cells.is_empty() { ((0.0, 1.0), (0.0, 1.0)) } else { (span(|c| c.x), span(|c| c.y)) }
    }

    /// Takes powers of ten out of everything; returns them for x, y and values.
    fn rescale(&mut self) -> [i32; 3] {
        let (x, y) = self.frame();
        let (low, high) = self.scale.range(self.cells.iter().map(|c| c.value));
        let largest = |(a, b): (f64, f64)| a.abs().max(b.abs());
        let powers = [x, y, (low, high)].map(|ends| power_of(largest(ends)));
        let [x, y, v] = powers.map(|p| 10f64.powi(-p));
        for cell in &mut self.cells {
            cell.x = (cell.x.0 * x, cell.x.1 * x);
            cell.y = (cell.y.0 * y, cell.y.1 * y);
            cell.value *= v;
        }
        if let Some(contours) = &mut self.contours {
            contours.x.iter_mut().for_each(|p| *p *= x);
            contours.y.iter_mut().for_each(|p| *p *= y);
        }
        for Arrow { at, by } in &mut self.arrows {
            (*at, *by) = ((at.0 * x, at.1 * y), (by.0 * x, by.1 * y));
        }
        powers
    }

    /// Everything that is drawn, for a place in a figure.
    fn finish(self) -> (Vec<Plot>, Layout) {
        let nothing = Panel::new("", "");
        self.finish_under(nothing)
    }

    /// The same with the points, lines and legend of a panel on top; its ranges do not matter.
    pub(super) fn finish_under(mut self, mut panel: Panel) -> (Vec<Plot>, Layout) {
        let powers = self.rescale();
        panel.scale(10f64.powi(-powers[0]), 10f64.powi(-powers[1]));
        let (x, y) = self.frame();
        let (low, high) = self.scale.range(self.cells.iter().map(|c| c.value));
        let [x_label, y_label, label] = [0, 1, 2].map(|k| in_powers(&self.labels[k], powers[k]));
        let mut layout = Layout::new(x, y)
            .with_title(shortened(&self.title, 60))
            .with_title_size(15)
            .with_x_label(x_label)
            .with_y_label(y_label)
            .with_label_size(13)
            .with_tick_size(11)
            .with_body_size(12)
            .with_axis_line(AxisLine::Box)
            .with_tick_align(TickAlign::Outside)
            .with_show_grid(false)
            .with_x_axis_min(x.0)
            .with_x_axis_max(x.1)
            .with_y_axis_min(y.0)
            .with_y_axis_max(y.1);
        let step = render_utils::compute_tick_step(y.0, y.1, 6);
        layout = layout.with_y_tick_step(step).with_y_tick_format(tick_format(step));
        let step = render_utils::compute_tick_step(low, high, 5);
        layout = layout.with_colorbar_tick_format(tick_format(step));
        layout.show_colorbar = true;
        if self.cells.is_empty() {
            let (x, y) = (0.5 * (x.0 + x.1), 0.5 * (y.0 + y.1));
            let note = TextAnnotation::new("not measured", x, y).with_color(FAINT).with_font_size(14);
            layout = layout.with_annotation(note);
        }

        let mut plots = vec![rectangle(x, y, NOTHING)];
        plots.extend(self.rectangles(x, y, (low, high)));
        plots.extend(self.contours.take().map(lines));
        plots.extend(self.pointers(x, y));
        // The plotting crate draws a bar beside plots of its own kinds of maps only, whose cells are all alike: one
        // of its kinds without any content carries the bar.
        let scale = self.scale;
        let bar = QuiverPlot::new()
            .with_color_map(ColorMap::Custom(Arc::new(move |share| scale.color(share))))
            .with_color_range(low, high)
            .with_color_legend_label(label);
        plots.push(Plot::Quiver(bar));
        plots.append(&mut panel.plots);
        plots.append(&mut panel.lines);
        if !panel.legend.is_empty() {
            layout =
                layout.with_legend_position(LegendPosition::InsideTopRight).with_legend_entries(panel.legend);
        }
        (plots, layout)
    }

    /// The cells, neighbours of one colour in a row as one rectangle.
    fn rectangles(&self, x: (f64, f64), y: (f64, f64), range: (f64, f64)) -> Vec<Plot> {
        let mut runs: Vec<(Cell, String)> = Vec::new();
        for cell in &self.cells {
            let color = self.scale.color((cell.value - range.0) / (range.1 - range.0));
            match runs.last_mut() {
                Some((last, same)) if last.y == cell.y && last.x.1 == cell.x.0 && *same == color => {
                    last.x.1 = cell.x.1;
                }
                _ => runs.push((*cell, color)),
            }
        }
        let wider = |(low, high): (f64, f64), frame: (f64, f64)| {
            (low, (high + OVERLAP * (frame.1 - frame.0)).min(frame.1))
        };
        runs.into_iter().map(|(c, color)| rectangle(wider(c.x, x), wider(c.y, y), &color)).collect()
    }

    /// The arrows, none where all are zero.
    fn pointers(&self, x: (f64, f64), y: (f64, f64)) -> Option<Plot> {
        let share = |a: &Arrow| (a.by.0 / (x.1 - x.0)).hypot(a.by.1 / (y.1 - y.0));
        let longest = self.arrows.iter().map(share).fold(0.0, f64::max);
        if longest == 0.0 {
            return None;
        }
        let factor = ARROW / longest;
        let arrows = self.arrows.iter().map(|a| (a.at.0, a.at.1, a.by.0 * factor, a.by.1 * factor));
        let quiver = QuiverPlot::new()
            .with_arrows(arrows)
            .with_scale(1.0)
            .with_pivot(QuiverPivot::Middle)
            .with_color(NEUTRAL)
            .with_shaft_width(1.2)
            .with_head_min_px(3.0)
            .with_head_max_px(7.0)
            .with_tight_bounds();
        Some(Plot::Quiver(quiver))
    }
}

fn rectangle(x: (f64, f64), y: (f64, f64), color: &str) -> Plot {
    Plot::Band(BandPlot::new([x.0, x.1], [y.0, y.0], [y.1, y.1]).with_color(color).with_opacity(1.0))
}

fn lines(contours: Contours) -> Plot {
    let Contours { x, y, values, levels } = contours;
    let plot = ContourPlot::new().with_grid(values, x, y).with_line_color(NEUTRAL).with_line_width(0.9);
    Plot::Contour(if levels.is_empty() { plot.with_n_levels(LEVELS) } else { plot.with_levels(&levels) })
}

/// A figure of maps, two beside each other.
///
/// # Errors
/// If it cannot be encoded.
pub fn figure(title: &str, maps: Vec<Map>) -> Result<Rendered, ReportError> {
    let columns = maps.len().clamp(1, 2);
    let rows = maps.len().div_ceil(2).max(1);
    let (plots, layouts) = maps.into_iter().map(Map::finish).unzip();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of the corners of every filled path of one colour, and how many there are of each.
    fn filled(svg: &str, color: &str) -> Vec<Vec<(f64, f64)>> {
        let path = |line: &str| {
            let d = line.split(" d=\"").nth(1)?.split('"').next()?;
            let numbers: Vec<f64> = d.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            Some(numbers.chunks_exact(2).map(|c| (c[0], c[1])).collect())
        };
        let fill = format!("fill=\"{color}\"");
        svg.lines().filter(|l| l.contains("<path") && l.contains(&fill)).filter_map(path).collect()
    }

    /// Ends in both directions.
    fn ends(corners: &[(f64, f64)]) -> [f64; 4] {
        let fold =
            |f: fn(f64, f64) -> f64, k: fn(&(f64, f64)) -> f64| corners.iter().map(k).reduce(f).unwrap();
        [fold(f64::min, |c| c.0), fold(f64::max, |c| c.0), fold(f64::min, |c| c.1), fold(f64::max, |c| c.1)]
    }

    const LABELS: [&str; 3] = ["position x  (length)", "velocity v  (length/time)", "J  (1/time)"];

    #[test]
    fn cells_are_where_they_belong_in_the_colours_of_the_bar() {
        // Two columns of one and three parts, two rows of one and two: smallest, nothing, zero, half of the largest.
        let values = [-4e-3, f64::NAN, 0.0, 2e-3];
        let map =
            Map::new("a map", LABELS, Scale::Diverging, cells(&[0.0, 1.0, 4.0], &[0.0, 1.0, 3.0], &values));
        let drawn = figure("maps", vec![map]).unwrap();
        assert!(drawn.png.starts_with(b"\x89PNG"));
        let one = |color: &str| {
            let found = filled(&drawn.svg, color);
            assert_eq!(found.len(), 1, "{color}: {found:?}\n{}", drawn.svg);
            ends(&found[0])
        };
        let ground = one(NOTHING);
        // The lowest value, white at zero, and the middle of the upper half of the scale.
        let (lowest, zero, half) = (one("#00345e"), one("#ffffff"), one("#d55e00"));
        let share = |at: f64, low: f64, high: f64| (at - low) / (high - low);
        for (cell, x, y) in [
            (lowest, (0.0, 0.25), (0.0, 1.0 / 3.0)),
            (zero, (0.0, 0.25), (1.0 / 3.0, 1.0)),
            (half, (0.25, 1.0), (1.0 / 3.0, 1.0)),
        ] {
            // Downwards on the page is towards smaller y.
            let found = [
                share(cell[0], ground[0], ground[1]),
                share(cell[1], ground[0], ground[1]),
                share(cell[3], ground[3], ground[2]),
                share(cell[2], ground[3], ground[2]),
            ];
            for (found, wanted) in found.into_iter().zip([x.0, x.1, y.0, y.1]) {
                assert!((found - wanted).abs() < 2.0 * OVERLAP, "{found} {wanted}");
            }
        }
        // A power of ten is taken out of the values, and the bar has numbers on both sides of zero.
        assert!(drawn.svg.contains("J  (1e-3/time)"), "{}", drawn.svg);
        for tick in [">-4<", ">-2<", ">0<", ">2<", ">4<"] {
            assert!(drawn.svg.contains(tick), "{tick}");
        }
    }

    #[test]
    fn scales_end_where_they_say() {
        let range = |scale: Scale, values: &[f64]| scale.range(values.iter().copied());
        assert_eq!(range(Scale::Diverging, &[-1.0, 0.5]), (-1.0, 1.0));
        assert_eq!(range(Scale::Diverging, &[0.0]), (-1.0, 1.0));
        assert_eq!(range(Scale::Sequential, &[0.2, 0.5]), (0.0, 0.5));
        assert_eq!(range(Scale::Sequential, &[-0.2, 0.5]), (-0.2, 0.5));
        assert_eq!(range(Scale::Sequential, &[]), (0.0, 1.0));
        assert_eq!(Scale::Sequential.color(0.0), "#440154");
        assert_eq!(Scale::Sequential.color(2.0), "#fde725");
        assert_eq!(Scale::Diverging.color(0.5), "#ffffff");
    }

    /// A circulation with the stream function `sin(pi x) exp(-v^2/2)` on cells that are narrow at the walls.
    fn circulation(scale: Scale) -> Map {
        let pi = std::f64::consts::PI;
        let stream = |x: f64, v: f64| libm::sin(pi * x) * libm::exp(-0.5 * v * v);
        let flow = |x: f64, v: f64| (-v * stream(x, v), -pi * libm::cos(pi * x) * libm::exp(-0.5 * v * v));
        let edges = |n: usize| (0..=n).map(move |k| k as f64 / n as f64);
        let x: Vec<f64> = edges(40).map(|s| 0.5 - 0.5 * libm::cos(pi * s)).collect();
        let v: Vec<f64> = edges(30).map(|s| -3.0 + 6.0 * s).collect();
        let middles = |e: &[f64]| e.windows(2).map(|w| 0.5 * (w[0] + w[1])).collect::<Vec<_>>();
        let (a, b) = (middles(&x), middles(&v));
        let all = |f: &dyn Fn(f64, f64) -> f64| -> Vec<Vec<f64>> {
            b.iter().map(|v| a.iter().map(|x| f(*x, *v)).collect()).collect()
        };
        let shown = match scale {
            Scale::Diverging => all(&|x, v| flow(x, v).0),
            Scale::Sequential | Scale::Pale => all(&stream),
        };
        let grid = edges(12).flat_map(|s| edges(10).map(move |t| (s, -3.0 + 6.0 * t)));
        let arrows = grid.map(|at| Arrow { at, by: flow(at.0, at.1) }).collect();
        let contours = Contours { x: a.clone(), y: b.clone(), values: all(&stream), levels: Vec::new() };
        let map = Map::new("a circulation", LABELS, scale, cells(&x, &v, &shown.concat()));
        match scale {
            Scale::Diverging => map.with_contours(contours),
            Scale::Sequential | Scale::Pale => map.with_arrows(arrows),
        }
    }

    #[test]
    fn lines_and_arrows_lie_on_top() {
        let bare = figure("", vec![Map { contours: None, ..circulation(Scale::Diverging) }]).unwrap();
        let lined = figure("", vec![circulation(Scale::Diverging)]).unwrap();
        let count = |svg: &str| svg.matches(&format!("stroke=\"{NEUTRAL}\"")).count();
        assert_eq!(count(&lined.svg), count(&bare.svg) + LEVELS, "{}", lined.svg);
        // Below them is the map.
        let line = lined.svg.find(&format!("stroke=\"{NEUTRAL}\"")).unwrap();
        assert!(lined.svg.find(NOTHING).unwrap() < line);
        let pointed = figure("", vec![circulation(Scale::Sequential)]).unwrap();
        // 13 times 11 arrows, but for those at the edges that are too short to be seen.
        assert!(filled(&pointed.svg, NEUTRAL).len() > 100, "{}", filled(&pointed.svg, NEUTRAL).len());
        // The same data give the same bytes.
        assert!(pointed == figure("", vec![circulation(Scale::Sequential)]).unwrap());
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let nowhere = Cell { x: (0.0, f64::INFINITY), y: (0.0, 1.0), value: 1.0 };
        let nothing = Map::new("none", LABELS, Scale::Sequential, vec![nowhere])
            .with_contours(Contours { x: vec![0.0], y: vec![0.0], values: vec![vec![1.0]], levels: vec![] })
            .with_arrows(vec![Arrow { at: (0.5, f64::NAN), by: (1.0, 0.0) }]);
        let drawn = figure("", vec![nothing]).unwrap();
        assert!(drawn.svg.contains("not measured") && !drawn.svg.contains("NaN"), "{}", drawn.svg);
        assert!(figure("", Vec::new()).is_ok());
    }
}
