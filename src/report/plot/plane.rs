//! The figures of particles with internal coordinates (Fig 2): density and currents in the plane of x and the first
//! coordinate q, cuts through them, the heat flux; and their profiles.
//!
//! The current of the stationary law has no divergence, so that it has a stream function psi, `J_x = d_q psi` and
//! `J_q = -d_x psi`: what flows along x below q. Its contour lines are streamlines. What was measured is too noisy for
//! lines; arrows show its means over blocks.

use super::map::{Arrow, Cell, Contours, Map, Scale};
use super::phase::{Plane, over_bins, value_of};
use super::{Axis, Mark, Panel, Rendered, STATES, axis, middle};
use crate::observable::Observable;
use crate::report::summary::{Row, Summary};
use crate::report::{ReportError, finite, format};
use crate::stats::Estimate;
use kuva::plot::scatter::MarkerShape;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use std::borrow::Cow;

/// Coordinates at which the density is nowhere larger than this share of its largest value are not shown.
const SHOWN: f64 = 2e-3;
/// Blocks along x and along q over which currents are averaged for arrows, where there are as many bins and cells.
const BLOCKS: (usize, usize) = (10, 12);
/// Arrows shorter than this share of the longest are left out.
const WEAK: f64 = 0.05;
/// Pieces into which the lattice of faces and edges is divided for contour lines.
const PIECES: usize = 4;
/// Contour lines.
const LINES: usize = 12;
/// Points of a cut through the plane at most.
const POINTS: usize = 32;

/// The profiles of a run with internal coordinates.
pub(super) fn profiles(summary: &Summary) -> Vec<Panel> {
    let mut panels = vec![super::densities(summary)];
    panels.extend((summary.states.len() > 1).then(|| super::currents(summary)));
    panels.push(heat(summary));
    panels.push(energy(summary));
    panels.push(super::local_soret(summary));
    panels.push(deviations(summary));
    for (panel, letter) in panels.iter_mut().zip('a'..) {
        panel.letter(letter);
    }
    panels
}

/// The figure of the plane of x and the first coordinate: the density with its currents, as measured and, where it is
/// known, of the theory; the currents in three cuts each; total density and heat flux.
///
/// # Errors
/// If a number is not finite, or the figure cannot be encoded.
pub fn plane(summary: &Summary) -> Result<Rendered, ReportError> {
    finite::check(summary)?;
    let mut drawn: Vec<(Vec<Plot>, Layout)> = Vec::new();
    let mut letters = 'a'..;
    let mut letter = || letters.next().unwrap_or('z');
    if let Some(density) = Plane::find(summary, Observable::PlaneDensity) {
        let currents = Currents::find(summary);
        let shown = shown(&density);
        let q = coordinate(summary);
        let both = density.measured && density.known;
        for measured in [true, false] {
            if if measured { !density.measured } else { !density.known } {
                continue;
            }
            let source = match (both, measured) {
                (false, _) => "",
                (true, true) => ", simulation",
                (true, false) => ", theory",
            };
            let title = format!("({}) density P(x, {q}) and its current{source}", letter());
            drawn.push(map(summary, &density, currents.as_ref(), shown, measured, title));
        }
        if let Some(currents) = &currents {
            drawn.push(along(summary, currents, shown, letter()).finish());
            drawn.push(across(summary, currents, &density, shown, letter()).finish());
        }
    }
    for mut panel in [total(summary), heat(summary)] {
        panel.letter(letter());
        drawn.push(panel.finish());
    }
    super::arrange(summary, drawn)
}

/// Name of the first coordinate.
fn coordinate(summary: &Summary) -> &str {
    summary.coordinates.first().map_or("q", String::as_str)
}

fn coordinate_label(summary: &Summary) -> String {
    format!("{}  (coordinate)", coordinate(summary))
}

/// `J_x(x, q)` and `J_q(x, q)`.
struct Currents<'a> {
    along: Plane<'a>,
    across: Plane<'a>,
    /// The ends of the domain, where they are walls: nothing passes there.
    walls: Option<[f64; 2]>,
}

impl<'a> Currents<'a> {
    fn find(summary: &'a Summary) -> Option<Self> {
        Some(Currents {
            along: Plane::find(summary, Observable::PlaneCurrentAlong)?,
            across: Plane::find(summary, Observable::PlaneCurrentAcross)?,
            walls: (!summary.on_ring()).then_some([0.0, summary.length]),
        })
    }
}

/// Between which coordinates there are particles.
fn shown(density: &Plane<'_>) -> (f64, f64) {
    let value = value_of(!density.known);
    let largest = density.quantity.rows.iter().filter_map(value).fold(0.0, f64::max);
    let full = density.quantity.rows.iter().filter(|row| value(row).is_some_and(|p| p > SHOWN * largest));
    let (low, high) = full
        .filter_map(|row| row.across)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), [low, high]| (a.min(low), b.max(high)));
    if low < high { (low, high) } else { (0.0, 1.0) }
}

/// The density with the arrows of its current, of the theory also streamlines.
fn map(
    summary: &Summary,
    density: &Plane<'_>,
    currents: Option<&Currents<'_>>,
    shown: (f64, f64),
    measured: bool,
    title: String,
) -> (Vec<Plot>, Layout) {
    let value = value_of(measured);
    let cell = |row: &Row| {
        let [low, high] = row.across?;
        let inside = low >= shown.0 && high <= shown.1;
        // Where no particle was seen there are none to speak of.
        let value = value(row).or(measured.then_some(0.0))?;
        inside.then_some(Cell { x: row.x_lo.zip(row.x_hi)?, y: (low, high), value })
    };
    let cells = density.quantity.rows.iter().filter_map(cell).collect();
    let label = format!("P  ({})", density.quantity.unit);
    let labels = ["position x  (length)", &coordinate_label(summary), &label];
    let mut map = Map::new(title, labels, Scale::Pale, cells);
    if let Some(currents) = currents {
        if !measured && let Some(lines) = streamlines(currents, shown) {
            map = map.with_contours(lines);
        }
        map = map.with_arrows(arrows(summary, currents, shown, measured));
    }
    map.finish_under(Panel::new("", ""))
}

/// What flows along x below each edge of a cell, from the theory.
fn streamlines(currents: &Currents<'_>, shown: (f64, f64)) -> Option<Contours> {
    let mut y: Option<Vec<f64>> = None;
    let (mut x, mut columns) = (Vec::new(), Vec::new());
    for rows in &currents.along.columns {
        let (mut psi, mut below) = (Vec::new(), 0.0);
        let mut edges = Vec::new();
        for row in *rows {
            let [low, high] = row.across?;
            if edges.is_empty() {
                edges.push(low);
                psi.push(0.0);
            }
            below += row.theory? * (high - low);
            edges.push(high);
            psi.push(below);
        }
        y.get_or_insert(edges);
        x.push(rows.first().and_then(middle)?);
        columns.push(psi);
    }
    let mut y = y?;
    if let Some([left, right]) = currents.walls {
        let wall = vec![0.0; y.len()];
        x.insert(0, left);
        x.push(right);
        columns.insert(0, wall.clone());
        columns.push(wall);
    }
    let inside: Vec<usize> = (0..y.len()).filter(|k| y[*k] >= shown.0 && y[*k] <= shown.1).collect();
    let values: Vec<Vec<f64>> = inside
        .iter()
        .map(|k| columns.iter().map(|psi| psi.get(*k).copied()).collect::<Option<_>>())
        .collect::<Option<_>>()?;
    y = inside.iter().map(|k| y[*k]).collect();
    if x.len() < 2 || y.len() < 2 {
        return None;
    }
    // Smooth between faces and between edges.
    let values: Vec<Vec<f64>> = values.iter().map(|row| refined(row)).collect();
    let columns: Vec<Vec<f64>> = (0..values.first()?.len())
        .map(|k| refined(&values.iter().map(|row| row[k]).collect::<Vec<_>>()))
        .collect();
    let (x, y) = (divided(&x), divided(&y));
    let values: Vec<Vec<f64>> =
        (0..y.len()).map(|j| columns.iter().map(|column| column[j]).collect()).collect();
    let (low, high) = values.iter().flatten().fold((0.0f64, 0.0f64), |(a, b), v| (a.min(*v), b.max(*v)));
    let levels = (0..LINES).map(|k| low + (high - low) * (k as f64 + 0.5) / LINES as f64).collect();
    (high > low).then_some(Contours { x, y, values, levels })
}

/// Places with [`PIECES`] pieces between neighbours.
fn divided(places: &[f64]) -> Vec<f64> {
    between(places, |before, after, share, _| before + (after - before) * share)
}

/// Values there, on cubic curves (of Catmull and Rom) through the given ones.
fn refined(values: &[f64]) -> Vec<f64> {
    between(values, |before, after, share, k| {
        let slope = |k: usize| {
            let (low, high) = (k.saturating_sub(1), (k + 1).min(values.len() - 1));
            (values[high] - values[low]) / (high - low) as f64
        };
        let (from, to, rise) = (slope(k), slope(k + 1), after - before);
        let cubic = (from - rise) * (1.0 - share) - (to - rise) * share;
        before + rise * share + share * (1.0 - share) * cubic
    })
}

fn between(values: &[f64], of: impl Fn(f64, f64, f64, usize) -> f64) -> Vec<f64> {
    let of = &of;
    let pieces = values.windows(2).enumerate().flat_map(|(k, pair)| {
        let (before, after) = (pair[0], pair[1]);
        (0..PIECES).map(move |piece| of(before, after, piece as f64 / PIECES as f64, k))
    });
    pieces.chain(values.last().copied()).collect()
}

/// Means of both currents over blocks, where they are not very weak.
fn arrows(summary: &Summary, currents: &Currents<'_>, shown: (f64, f64), measured: bool) -> Vec<Arrow> {
    let value = value_of(measured);
    let place = |row: &Row| Some((middle(row)?, row.across.map(|[low, high]| 0.5 * (low + high))?));
    let known = |plane: &Plane<'_>| -> Vec<(f64, f64, f64)> {
        let rows = plane.quantity.rows.iter();
        rows.filter_map(|row| place(row).zip(value(row)).map(|((x, q), v)| (x, q, v))).collect()
    };
    let (mut along, across) = (known(&currents.along), known(&currents.across));
    if let (Some(walls), Some(rows)) = (currents.walls, currents.along.columns.first()) {
        for wall in walls {
            along.extend(rows.iter().filter_map(|row| Some((wall, place(row)?.1, 0.0))));
        }
    }
    let cells = currents.along.columns.first().map_or(0, |rows| rows.len());
    let blocks = (BLOCKS.0.min(currents.across.columns.len()), BLOCKS.1.min(cells));
    let size = (summary.length / blocks.0 as f64, (shown.1 - shown.0) / blocks.1 as f64);
    let mut arrows = Vec::new();
    for i in 0..blocks.0 {
        for j in 0..blocks.1 {
            let at = (size.0 * (i as f64 + 0.5), shown.0 + size.1 * (j as f64 + 0.5));
            let mean = |values: &[(f64, f64, f64)]| {
                // What lies at an edge belongs to both sides.
                let near = |x: f64, q: f64| {
                    let off = ((x - at.0).abs() / size.0).max((q - at.1).abs() / size.1);
                    off <= 0.5 + 1e-9
                };
                let (sum, count) = values
                    .iter()
                    .filter(|(x, q, _)| near(*x, *q))
                    .fold((0.0, 0.0), |(sum, count), (_, _, v)| (sum + v, count + 1.0));
                (count > 0.0).then(|| sum / count)
            };
            if let Some(by) = mean(&along).zip(mean(&across)) {
                arrows.push(Arrow { at, by });
            }
        }
    }
    let length = |arrow: &Arrow| libm::hypot(arrow.by.0 / summary.length, arrow.by.1 / (shown.1 - shown.0));
    let least = WEAK * arrows.iter().map(length).fold(0.0, f64::max);
    arrows.retain(|arrow| length(arrow) > least);
    arrows
}

/// `J_x` against q through three faces.
fn along(summary: &Summary, currents: &Currents<'_>, shown: (f64, f64), letter: char) -> Panel {
    let plane = &currents.along;
    let axis = Axis {
        low: shown.0,
        high: shown.1,
        label: coordinate_label(summary),
        logarithmic: false,
        words: Vec::new(),
    };
    let q = coordinate(summary);
    let title = format!("({letter}) current along x, against {q}");
    let mut panel = Panel::on(axis, title, format!("J_x  ({})", plane.quantity.unit));
    panel.zero_between(shown.0, shown.1);
    let faces = plane.columns.len();
    let mut places: Vec<usize> =
        [1, 2, 3].map(|quarter| ((faces + 1) * quarter / 4).clamp(1, faces) - 1).to_vec();
    places.dedup();
    for (k, mark) in places.into_iter().zip(marks()) {
        let rows = plane.columns[k].iter().filter_map(|row| {
            let [low, high] = row.across?;
            (low >= shown.0 && high <= shown.1).then_some((0.5 * (low + high), row))
        });
        let name = plane.columns[k].first().and_then(middle).map(format::brief).unwrap_or_default();
        cut(&mut panel, rows.collect(), mark, &format!("x = {name}"));
    }
    panel.settle()
}

/// `J_q` against x at the edges next to the quartiles of q: for a well on each side of a barrier in the wells and at
/// the barrier.
fn across(
    summary: &Summary,
    currents: &Currents<'_>,
    density: &Plane<'_>,
    shown: (f64, f64),
    letter: char,
) -> Panel {
    let plane = &currents.across;
    let q = coordinate(summary);
    let title = format!("({letter}) current along {q}, against x");
    let mut panel = Panel::new(title, format!("J_{q}  ({})", plane.quantity.unit));
    panel.zero(summary);
    let edges = plane.columns.iter().map(|rows| rows.len()).min().unwrap_or(0);
    let mut places: Vec<usize> = quartiles(density).map(|k| k.min(edges.saturating_sub(1))).to_vec();
    places.dedup();
    let inside = |k: &usize| {
        let end = plane.columns.first().and_then(|rows| rows.get(*k)?.across);
        end.is_some_and(|[_, q]| q > shown.0 && q < shown.1)
    };
    for (k, mark) in places.into_iter().filter(inside).zip(marks()) {
        let rows = plane.columns.iter().filter_map(|rows| Some((rows.first().and_then(middle)?, &rows[k])));
        // The edge at a barrier is as good as at zero when it lies within rounding of the figure.
        let rounded = |q: f64| if q.abs() < 1e-3 * (shown.1 - shown.0) { 0.0 } else { q };
        let name = plane.columns[0][k].across.map(|[_, q]| format::brief(rounded(q))).unwrap_or_default();
        cut(&mut panel, rows.collect(), mark, &format!("{q} = {name}"));
    }
    panel.finish_range(summary)
}

fn marks() -> impl Iterator<Item = Mark> {
    STATES.into_iter().map(|(color, shape)| Mark { color: Cow::Borrowed(color), shape })
}

/// Points and line of a cut through the plane.
fn cut(panel: &mut Panel, rows: Vec<(f64, &Row)>, mark: Mark, name: &str) {
    let points: Vec<(f64, Estimate)> =
        rows.iter().filter_map(|(at, row)| Some((*at, *row.estimate.estimate()?))).collect();
    let stride = points.len().div_ceil(POINTS).max(1);
    let points: Vec<_> = points.into_iter().step_by(stride).collect();
    let theory = rows.iter().filter_map(|(at, row)| Some((*at, row.theory?))).collect();
    panel.series(&points, vec![theory], mark, name);
}

/// The inner edges of cells that divide the particles into quarters.
fn quartiles(density: &Plane<'_>) -> [usize; 3] {
    let value = value_of(!density.known);
    let cells = density.columns.iter().map(|rows| rows.len()).min().unwrap_or(0);
    let mut below = 0.0;
    let sums: Vec<f64> = (0..cells)
        .map(|k| {
            below += density.columns.iter().filter_map(|rows| value(&rows[k])).sum::<f64>();
            below
        })
        .collect();
    [0.25, 0.5, 0.75].map(|share| {
        let nearest = |a: &f64, b: &f64| (a - share * below).abs().total_cmp(&(b - share * below).abs());
        sums.iter().enumerate().min_by(|a, b| nearest(a.1, b.1)).map_or(0, |(k, _)| k)
    })
}

/// `P_tot` as close as it gets, with the limit of fast coordinates.
fn total(summary: &Summary) -> Panel {
    let mut panel = Panel::new("total density", axis(summary, "P", Observable::Density));
    for quantity in summary.quantities.iter().filter(|q| q.observable == Observable::Density) {
        panel.quantity(quantity, Mark::TOTAL, "total");
        panel.fast_limit(summary, quantity);
    }
    panel.finish_range(summary)
}

/// `J_E` through every face.
fn heat(summary: &Summary) -> Panel {
    let mut panel = Panel::new("heat flux", axis(summary, "J_E", Observable::HeatCurrent));
    panel.zero(summary);
    for quantity in summary.quantities.iter().filter(|q| q.observable == Observable::HeatCurrent) {
        panel.quantity(quantity, Mark::TOTAL, "particles");
        panel.fast_limit(summary, quantity);
    }
    panel.finish_range(summary)
}

/// Mean energy in every bin.
fn energy(summary: &Summary) -> Panel {
    let label = axis(summary, "<E>", Observable::MeanEnergy);
    over_bins(summary, "mean energy", label, |o| (o == Observable::MeanEnergy).then_some(0))
        .finish_range(summary)
}

/// z of what the other panels show.
fn deviations(summary: &Summary) -> Panel {
    let mut panel = Panel::new("deviation from theory", "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    for quantity in &summary.quantities {
        let (mark, name) = match quantity.observable {
            Observable::Density => (Mark::TOTAL, "P total"),
            Observable::HeatCurrent => (Mark::CROSS, "J_E"),
            Observable::MeanEnergy => {
                (Mark { color: Cow::Borrowed(STATES[1].0), shape: MarkerShape::Triangle }, "<E>")
            }
            _ => continue,
        };
        let points: Vec<(f64, f64)> =
            quantity.rows.iter().filter_map(|row| Some((middle(row)?, row.z?))).collect();
        panel.points(&points, mark, name);
    }
    panel.finish_deviations(summary)
}
