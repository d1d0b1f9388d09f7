//! The figure of numbers in a well-mixed volume: their means with one standard deviation on both sides against time, their
//! variances, their laws at the last time, and deviations of all.

use super::times::{against_time, axis, seen};
use super::{Axis, Mark, Panel, limit_name, owner};
use crate::observable::Instant;
use crate::report::format;
use crate::report::summary::{Quantity, Summary};
use crate::stats::Estimate;

/// Cells of a law that are drawn hold at least this share of the largest.
const DRAWN: f64 = 1e-4;

/// All panels; their number is even.
pub(super) fn panels(summary: &Summary) -> Vec<Panel> {
    vec![means(summary), variances(summary), laws(summary), deviations(summary)]
}

fn species(summary: &Summary) -> impl Iterator<Item = (usize, &String)> {
    summary.states.iter().enumerate()
}

/// The value of a single number: the estimate, or the theory where there is none.
fn value(quantity: &Quantity) -> Option<f64> {
    let row = quantity.rows.first()?;
    row.estimate.estimate().map(|e| e.value).or(row.theory)
}

/// Means, with lines one standard deviation above and below, and the deterministic law.
fn means(summary: &Summary) -> Panel {
    let title = "(a) numbers of particles, mean \u{b1} standard deviation";
    let mut panel = Panel::on(axis(summary), title, "number n");
    panel.include(0.0);
    for (s, name) in species(summary) {
        let mark = Mark::state(s);
        against_time(&mut panel, summary, Instant::Number(s), mark.clone(), name, |_| 1.0);
        let (mut limit, mut sides) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (time, quantity) in seen(summary, |what| what == Instant::Number(s)) {
            limit.extend(quantity.rows.first().and_then(|row| row.fast_limit).map(|n| (time, n)));
            let variance = summary.seen_at(time).find(|(what, _)| *what == Instant::NumberVariance(s));
            if let (Some(mean), Some(variance)) = (value(quantity), variance.and_then(|(_, q)| value(q))) {
                let deviation = libm::sqrt(variance.max(0.0));
                sides[0].push((time, mean - deviation));
                sides[1].push((time, mean + deviation));
            }
        }
        sides.into_iter().for_each(|side| panel.band_edge(side, &mark));
        panel.dotted(limit, limit_name(summary));
    }
    panel.settle()
}

fn variances(summary: &Summary) -> Panel {
    let mut panel = Panel::on(axis(summary), "(b) variances of the numbers", "Var n");
    panel.include(0.0);
    for (s, name) in species(summary) {
        against_time(&mut panel, summary, Instant::NumberVariance(s), Mark::state(s), name, |_| 1.0);
    }
    panel.settle()
}

/// Probabilities per number, over the cells that hold any of it.
fn laws(summary: &Summary) -> Panel {
    let last = summary.times().last().copied().unwrap_or_default();
    let mut drawn = Vec::new();
    for (what, quantity) in summary.seen_at(last) {
        let Instant::NumberLaw(s) = what else { continue };
        let share = |row: &crate::report::summary::Row| {
            row.estimate.estimate().map_or(0.0, |e| e.value).max(row.theory.unwrap_or(0.0))
        };
        let largest = quantity.rows.iter().map(share).fold(0.0, f64::max);
        let (mut points, mut theory) = (Vec::new(), Vec::new());
        for row in quantity.rows.iter().filter(|row| share(row) > DRAWN * largest) {
            let Some([low, high]) = row.across else { continue };
            let middle = 0.5 * (low + high);
            points.extend(row.estimate.estimate().map(|e: &Estimate| (middle, *e)));
            theory.extend(row.theory.map(|p| (middle, p)));
        }
        drawn.push((s, owner(quantity), points, theory));
    }
    let places = drawn.iter().flat_map(|(_, _, points, theory)| {
        points.iter().map(|p| p.0).chain(theory.iter().map(|p| p.0)).collect::<Vec<f64>>()
    });
    let (low, high) = places.fold((f64::INFINITY, 0.0f64), |(a, b), n| (a.min(n), b.max(n)));
    let (low, high) = if low <= high { (low - 1.0, high + 1.0) } else { (0.0, 1.0) };
    let axis = Axis { low, high, label: "number n".into(), logarithmic: false, words: Vec::new() };
    let title = format!("(c) laws of the numbers at t = {}", format::brief(last));
    let mut panel = Panel::on(axis, title, "probability of a cell of numbers");
    panel.include(0.0);
    for (s, name, points, theory) in drawn {
        panel.series(&points, vec![theory], Mark::state(s), name);
    }
    panel.settle()
}

/// z of means, variances and, as crosses, of the cell of a law that deviates most.
fn deviations(summary: &Summary) -> Panel {
    let mut panel = Panel::on(axis(summary), "(d) deviation from theory", "z  (standard errors)");
    panel.include(-3.0);
    panel.include(3.0);
    let worst = |quantity: &Quantity| {
        quantity.rows.iter().filter_map(|row| row.z).max_by(|a, b| a.abs().total_cmp(&b.abs()))
    };
    let mut draw = |of: Instant, mark: Mark, name: String| {
        let points: Vec<(f64, f64)> =
            seen(summary, |what| what == of).filter_map(|(time, q)| Some((time, worst(q)?))).collect();
        panel.points(&points, mark, &name);
    };
    for (s, name) in species(summary) {
        draw(Instant::Number(s), Mark::state(s), format!("mean {name}"));
        draw(Instant::NumberVariance(s), Mark::state(s + summary.states.len()), format!("variance {name}"));
        draw(
            Instant::NumberLaw(s),
            Mark { shape: Mark::CROSS.shape, ..Mark::state(s) },
            format!("law {name}, largest"),
        );
    }
    let ends = axis(summary);
    panel.zero_between(ends.low, ends.high);
    if let Some(comparison) = &summary.comparison {
        panel.limit(comparison.critical_z);
    }
    panel.settle()
}
