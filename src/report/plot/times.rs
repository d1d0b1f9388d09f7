//! The figure of a run with observation times: densities at some of the times, one colour a time, and means
//! against time.

use super::{Axis, Mark, Panel, middle, owner};
use crate::observable::Instant;
use crate::report::format;
use crate::report::summary::{Quantity, Summary};
use crate::stats::{Estimate, Outcome};
use kuva::plot::scatter::MarkerShape;
use std::borrow::Cow;

/// Times that are drawn as profiles, the first and the last among them.
const PROFILES: usize = 6;
/// Their colours, from early to late: dark to light, told apart by the colour-blind too.
const COLORS: [&str; PROFILES] = ["#440154", "#414487", "#2A788E", "#22A884", "#7AD151", "#E8B800"];
/// Times that differ by more than this factor are drawn on a logarithmic axis.
const DECADE: f64 = 10.0;

/// All panels; their number is even.
pub(super) fn panels(summary: &Summary) -> Vec<Panel> {
    let ring = seen(summary, |what| what == Instant::SquareDisplacement).next().is_some();
    let several = summary.states.len() > 1;
    let mut letters = 'a'..;
    let mut title = |text: &str| format!("({}) {text}", letters.next().unwrap_or('z'));

    let mut panels = vec![profile(summary, title("density"), "P", Instant::Density)];
    if several {
        for state in liveliest(summary, if ring { 1 } else { 2 }) {
            let name = format!("density of {}", summary.states[state]);
            panels.push(profile(summary, title(&name), "P_i", Instant::StateDensity(state)));
        }
    }
    if several || !ring {
        panels.push(means(
            summary,
            title(if several { "populations, mean position" } else { "mean position" }),
        ));
    }
    if ring {
        panels.push(spreading(summary, title("mean square displacement over 2 t")));
        panels.push(kurtosis(summary, title("kurtosis of the displacement")));
    } else {
        panels.push(modes(summary, title("amplitudes of cosine modes")));
    }
    panels.push(deviations(summary, title("deviation of the density from theory")));
    panels
}

pub(super) fn seen(
    summary: &Summary,
    chosen: impl Fn(Instant) -> bool,
) -> impl Iterator<Item = (f64, &Quantity)> {
    let seen =
        summary.times().into_iter().flat_map(|t| summary.seen_at(t).map(move |(what, q)| (t, what, q)));
    seen.filter(move |(_, what, _)| chosen(*what)).map(|(t, _, q)| (t, q))
}

/// The times drawn as profiles, with their colours and names.
fn drawn(summary: &Summary) -> impl Iterator<Item = (f64, Mark, String)> {
    let times = summary.times_among(PROFILES);
    let last = times.len().saturating_sub(1).max(1);
    times.into_iter().enumerate().map(move |(k, time)| {
        let color = Cow::Borrowed(COLORS[k * (PROFILES - 1) / last]);
        (time, Mark { color, shape: MarkerShape::Circle }, format!("t = {}", format::brief(time)))
    })
}

/// The states whose densities change most from the first time to the last, in file order: measured by the sum
/// over bins of what differs.
fn liveliest(summary: &Summary, most: usize) -> Vec<usize> {
    let times = summary.times();
    let values = |time: Option<&f64>, state: usize| -> Vec<f64> {
        let found = time.and_then(|t| summary.seen_at(*t).find(|(w, _)| *w == Instant::StateDensity(state)));
        let value = |q: &Quantity| {
            q.rows.iter().filter_map(|row| row.theory.or(row.estimate.estimate().map(|e| e.value))).collect()
        };
        found.map_or_else(Vec::new, |(_, q)| value(q))
    };
    let change = |state: usize| -> f64 {
        let pairs = values(times.first(), state).into_iter().zip(values(times.last(), state));
        pairs.map(|(a, b)| (a - b).abs()).sum()
    };
    let mut states: Vec<(usize, f64)> = (0..summary.states.len()).map(|s| (s, change(s))).collect();
    states.sort_by(|a, b| b.1.total_cmp(&a.1));
    states.truncate(most);
    states.sort_by_key(|s| s.0);
    states.into_iter().map(|s| s.0).collect()
}

/// A density at some of the times.
pub(super) fn profile(summary: &Summary, title: String, symbol: &str, of: Instant) -> Panel {
    let unit = seen(summary, |what| what == of).next().map_or("1/length", |(_, q)| q.unit.as_str());
    let mut panel = Panel::new(title, format!("{symbol}  ({unit})"));
    panel.include(0.0);
    for (time, mark, name) in drawn(summary) {
        for (_, quantity) in summary.seen_at(time).filter(|(what, _)| *what == of) {
            panel.quantity(quantity, mark.clone(), &name);
        }
    }
    panel.finish_range(summary)
}

/// The axis of time: logarithmic where the times span more than a decade, else from the start.
pub(super) fn axis(summary: &Summary) -> Axis {
    let times = summary.times();
    let (first, last) = (times.first().copied().unwrap_or(1.0), times.last().copied().unwrap_or(1.0));
    let logarithmic = last > DECADE * first;
    let (low, high) = if logarithmic { (first / 1.3, last * 1.3) } else { (0.0, 1.05 * last) };
    Axis { low, high, label: "time t  (time)".into(), logarithmic, words: Vec::new() }
}

/// A number against time, joined by straight lines between the times for the theory; each divided by what `unit` says of the moment.
pub(super) fn against_time(
    panel: &mut Panel,
    summary: &Summary,
    of: Instant,
    mark: Mark,
    name: &str,
    unit: impl Fn(f64) -> f64,
) {
    let (mut points, mut theory) = (Vec::new(), Vec::new());
    for (time, quantity) in seen(summary, |what| what == of) {
        let unit = unit(time);
        for row in &quantity.rows {
            if let Outcome::Estimate(e) = row.estimate {
                let scaled = Estimate {
                    value: e.value / unit,
                    std_error: e.std_error / unit,
                    low: e.low / unit,
                    high: e.high / unit,
                };
                points.push((time, scaled));
            }
            theory.extend(row.theory.map(|y| (time, y / unit)));
        }
    }
    panel.series(&points, vec![theory], mark, name);
}

fn means(summary: &Summary, title: String) -> Panel {
    let mut panel = Panel::on(axis(summary), title, "share of particles;  <x>/length");
    panel.include(0.0);
    if summary.states.len() > 1 {
        for (state, name) in summary.states.iter().enumerate() {
            against_time(&mut panel, summary, Instant::Population(state), Mark::state(state), name, |_| 1.0);
        }
    }
    let length = summary.length;
    against_time(&mut panel, summary, Instant::MeanPosition, Mark::TOTAL, "mean position", |_| length);
    panel.settle()
}

/// The lowest modes of every state; those above the first are drawn as crosses.
fn modes(summary: &Summary, title: String) -> Panel {
    let axis = axis(summary);
    let ends = (axis.low, axis.high);
    let mut panel = Panel::on(axis, title, "int P_i cos(n pi x/L) dx");
    panel.zero_between(ends.0, ends.1);
    let first = summary.times().first().copied().unwrap_or_default();
    for (what, quantity) in summary.seen_at(first) {
        if let Instant::Mode(state, n) = what {
            let shape = if n == 1 { Mark::state(state).shape } else { MarkerShape::Cross };
            let mark = Mark { shape, ..Mark::state(state) };
            against_time(&mut panel, summary, what, mark, owner(quantity), |_| 1.0);
        }
    }
    panel.settle()
}

/// `<dx^2>/(2 t)`, laps included: a constant for free diffusion.
fn spreading(summary: &Summary, title: String) -> Panel {
    let mut panel = Panel::on(axis(summary), title, "<dx^2>/(2 t)  (length^2/time)");
    panel.include(0.0);
    let name = "displacement";
    against_time(&mut panel, summary, Instant::SquareDisplacement, Mark::TOTAL, name, |t| 2.0 * t);
    panel.settle()
}

/// The fourth moment, with the 3 of a Gaussian.
fn kurtosis(summary: &Summary, title: String) -> Panel {
    let mut panel = Panel::on(axis(summary), title, "<(dx - <dx>)^4>/Var(dx)^2");
    against_time(&mut panel, summary, Instant::Kurtosis, Mark::TOTAL, "displacement", |_| 1.0);
    panel.level(3.0, "Gaussian");
    panel.settle()
}

/// z of the total density in every bin at some of the times.
fn deviations(summary: &Summary, title: String) -> Panel {
    let mut panel = Panel::new(title, "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    for (time, mark, name) in drawn(summary) {
        for (_, quantity) in summary.seen_at(time).filter(|(what, _)| *what == Instant::Density) {
            let points: Vec<(f64, f64)> =
                quantity.rows.iter().filter_map(|row| Some((middle(row)?, row.z?))).collect();
            panel.points(&points, mark.clone(), &name);
        }
    }
    // The colours are those of the first panel; a legend would squeeze the points.
    panel.legend.clear();
    panel.finish_deviations(summary)
}
