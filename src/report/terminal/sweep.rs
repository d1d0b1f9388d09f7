//! The page of a sweep: one line a point.

use super::super::format::{beside, brief, deviate, plain, value_with_error};
use super::super::sweep::{Bin, Number, Point, Sweep, text};
use super::{Ink, Page, STYLE, blocks, clip, coarsen, columns, wrap};
use crate::comparison::ALPHA;
use crate::stats::{Estimate, Outcome};
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// Points beyond this many are left to the table on disk.
const POINTS: usize = 200;

/// Widest name of a scan and widest value of it.
const SCAN_WIDTH: usize = 20;

/// Most profiles on a page.
const PROFILES: usize = 6;

/// Widest name of a profile.
const PROFILE_NAME: usize = 32;

/// A sweep on lines of `width` columns; escape sequences only if `color`.
pub fn sweep_page(sweep: &Sweep, width: usize, color: bool) -> String {
    let page = Page::new(width, color);
    let mut lines = head(&page, sweep);
    lines.push(String::new());
    lines.extend(table(&page, sweep));
    lines.push(String::new());
    let profiles = profiles(&page, sweep);
    if !profiles.is_empty() {
        lines.extend(profiles);
        lines.push(String::new());
    }
    for sentence in sweep.sentences() {
        lines.extend(wrap(&sentence, page.width, "", "  "));
    }
    lines.extend(verdict(&page, sweep));
    lines.extend(checks(&page, sweep));
    lines.extend(warnings(&page, sweep));
    lines.push(String::new());
    lines.join("\n")
}

fn many(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn head(page: &Page, sweep: &Sweep) -> Vec<String> {
    let first = sweep.points.first().map(|p| &p.finished);
    let title = first.map_or("", |f| f.title.as_str());
    let title = if title.is_empty() { &sweep.name } else { title };
    let mut lines = vec![page.ink(Ink::Bold, &clip(title, page.width))];
    let scans: Vec<String> =
        sweep.scans.iter().map(|s| format!("{} of {}", many(s.values.len(), "value"), s.path)).collect();
    let mut about = format!("sweep over {}, seed {}", scans.join(" and "), sweep.seed);
    if let Some(run) = first.map(|f| &f.run) {
        about += &format!("; method {}, {} particles in {} groups", run.method, run.particles, run.groups);
    }
    lines.extend(page.dimmed(&about));
    if !sweep.complete() {
        let text = format!(
            "INCOMPLETE: {} of {} points; the same command goes on",
            sweep.points.len(),
            sweep.planned
        );
        lines.push(page.ink(Ink::Caution, &text));
    }
    lines
}

/// `P_tot` of some points in blocks, all on one scale, with their extremes; of particles with a single state.
fn profiles(page: &Page, sweep: &Sweep) -> Vec<String> {
    if !sweep.single_state() {
        return Vec::new();
    }
    let value = |bin: &Bin| bin.estimate.map(|e| e.value).or(bin.theory);
    let series = |point: &&Point| {
        let values: Vec<f64> = point.density.iter().filter_map(value).collect();
        (format!("P_tot {}", clip(&sweep.name(point), PROFILE_NAME)), values)
    };
    let all: Vec<(String, Vec<f64>)> =
        sweep.some_points(PROFILES).iter().map(series).filter(|(_, values)| !values.is_empty()).collect();
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
    };
    let (low, high) = ends(&mut all.iter().flat_map(|(_, values)| values.iter().copied()));
    let widest = all.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
    let line = |(name, values): &(String, Vec<f64>)| {
        let (from, to) = ends(&mut values.iter().copied());
        let range = format!("  {} to {}", brief(from), brief(to));
        let space = page.width.saturating_sub(widest + 2 + columns(&range));
        format!("{name:<widest$}  {}{range}", blocks(&coarsen(values, space), low, high))
    };
    all.iter().map(line).collect()
}

/// `scans | soret | theory | z | fast limit | J_E | largest |z| | verdict`, without columns that are empty.
fn table(page: &Page, sweep: &Sweep) -> Vec<String> {
    let shown = &sweep.points[..sweep.points.len().min(POINTS)];
    let cells: Vec<Vec<String>> = shown.iter().map(|point| row(sweep, point)).collect();
    let mut header: Vec<String> = sweep.scans.iter().map(|s| clip(short(s.label()), SCAN_WIDTH)).collect();
    header.extend(["soret", "theory", "z", "fast limit", "J_E", "largest |z|", ""].map(str::to_owned));
    let used = |index: usize| index < sweep.scans.len() || cells.iter().any(|line| !line[index].is_empty());
    let widest = |index: usize| {
        2 + cells.iter().map(|line| columns(&line[index])).fold(columns(&header[index]), usize::max)
    };
    let mut kept: Vec<usize> = (0..header.len()).filter(|k| used(*k)).collect();
    // Numbers are never cut: the columns that say least go first.
    for spare in [sweep.scans.len() + 3, sweep.scans.len() + 5, sweep.scans.len() + 1] {
        if kept.iter().map(|k| widest(*k)).sum::<usize>() > page.width {
            kept.retain(|k| *k != spare);
        }
    }
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    table.set_header(kept.iter().map(|k| &header[*k]));
    for line in &cells {
        table.add_row(kept.iter().map(|k| &line[*k]));
    }
    for index in 0..kept.len().saturating_sub(1) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let header_lines = 2;
    let ink = |(k, line): (usize, String)| {
        let point = k.checked_sub(header_lines).and_then(|k| shown.get(k));
        match point {
            None if k == 0 => page.ink(Ink::Bold, line.trim_end()),
            Some(point) if sweep.agrees(point) == Some(false) => page.ink(Ink::Bad, line.trim_end()),
            _ => line.trim_end().to_owned(),
        }
    };
    let mut lines: Vec<String> = table.lines().enumerate().map(ink).collect();
    if sweep.points.len() > shown.len() {
        let more = sweep.points.len() - shown.len();
        lines.push(page.ink(Ink::Dim, &format!("... and {more} more in sweep.csv")));
    }
    lines
}

/// The last part of a path; the whole stands in the head of the page.
fn short(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn row(sweep: &Sweep, point: &Point) -> Vec<String> {
    let scans = sweep.scans.iter().zip(&point.at);
    let mut line: Vec<String> = scans
        .map(|(scan, k)| match scan.values[*k].as_f64() {
            Some(number) => plain(number),
            None => clip(&text(&scan.values[*k]), SCAN_WIDTH),
        })
        .collect();
    let soret = point.finished.number("soret");
    let heat = point.finished.number("mean_heat_current");
    line.push(soret.map_or_else(String::new, value));
    line.push(
        soret.map_or_else(String::new, |n| n.theory.map_or_else(String::new, |t| beside(t, &outcome(n)))),
    );
    line.push(soret.and_then(|n| n.z).map_or_else(String::new, deviate));
    line.push(
        soret.map_or_else(String::new, |n| n.fast_limit.map_or_else(String::new, |t| beside(t, &outcome(n)))),
    );
    line.push(heat.map_or_else(String::new, value));
    line.push(point.finished.comparison.as_ref().map_or_else(String::new, |c| deviate(c.worst_z.abs())));
    let late = point.finished.run.until.as_ref().is_some_and(|u| !u.reached);
    let verdict = match sweep.agrees_with_theory(point) {
        Some(false) => "DISAGREES",
        _ if !sweep.failed_checks(point).is_empty() => "a check FAILS",
        Some(true) => "agrees",
        None => "no verdict",
    };
    line.push(if late { format!("{verdict}, error not reached") } else { verdict.into() });
    line
}

fn all(n: usize) -> String {
    if n == 1 { "its point".into() } else { format!("all {n} points") }
}

fn value(number: &Number) -> String {
    match number.value.zip(number.std_err) {
        Some((value, error)) => value_with_error(value, error),
        None => "n/a".into(),
    }
}

fn outcome(number: &Number) -> Outcome {
    match (number.value, number.std_err, number.ci_low, number.ci_high) {
        (Some(value), Some(std_error), Some(low), Some(high)) => {
            Outcome::Estimate(Estimate { value, std_error, low, high })
        }
        _ => Outcome::null(""),
    }
}

fn verdict(page: &Page, sweep: &Sweep) -> Vec<String> {
    let judged: Vec<bool> = sweep.points.iter().filter_map(|p| sweep.agrees_with_theory(p)).collect();
    let failed = judged.iter().filter(|agrees| !**agrees).count();
    let Some(limit) = sweep.largest_critical_z() else {
        let (ink, text) = match failed {
            _ if sweep.points.is_empty() => return Vec::new(),
            0 => (Ink::Caution, "NO VERDICT: nothing could be compared with theory".into()),
            n => (Ink::Bad, format!("an invariant is BROKEN at {n} of {}", many(judged.len(), "point"))),
        };
        return vec![page.ink(ink, &text)];
    };
    let (ink, text) = match failed {
        0 => (Ink::Good, format!("AGREES with theory at {}", all(judged.len()))),
        n => (Ink::Bad, format!("DISAGREES with theory at {n} of {}", many(judged.len(), "point"))),
    };
    let mut text = format!(
        "{text}: family-wise alpha {} over the whole sweep of {}, |z| below {} wanted at each",
        brief(ALPHA),
        many(sweep.planned, "point"),
        deviate(limit)
    );
    if judged.len() < sweep.points.len() {
        text += &format!("; no verdict at {}", many(sweep.points.len() - judged.len(), "point"));
    }
    wrap(&text, page.width, "", "  ").iter().map(|line| page.ink(ink, line)).collect()
}

/// Whether the checks of all points pass, or which fail where.
fn checks(page: &Page, sweep: &Sweep) -> Vec<String> {
    let made = sweep.points.iter().filter(|p| p.finished.checks.is_some()).count();
    let failed: Vec<(&Point, Vec<&str>)> = sweep
        .points
        .iter()
        .map(|point| (point, sweep.failed_checks(point)))
        .filter(|(_, failed)| !failed.is_empty())
        .collect();
    if made == 0 {
        return Vec::new();
    }
    if failed.is_empty() {
        let text = format!("checks pass at {} (hidden currents and sum rules)", all(made));
        return vec![page.ink(Ink::Good, &text)];
    }
    let place = |point: &Point| {
        let scans = sweep.scans.iter().zip(&point.at);
        let each = scans.map(|(scan, k)| format!("{} = {}", short(scan.label()), text(&scan.values[*k])));
        each.collect::<Vec<_>>().join(", ")
    };
    let head = format!("checks FAIL at {} of {}:", failed.len(), many(made, "point"));
    let shown = failed.iter().take(POINTS);
    let told = shown.flat_map(|(point, names)| {
        wrap(&format!("{}: {}", place(point), names.join("; ")), page.width, "  ", "    ")
    });
    [head].into_iter().chain(told).map(|line| page.ink(Ink::Bad, &line)).collect()
}

/// Warnings of the runs, each once.
fn warnings(page: &Page, sweep: &Sweep) -> Vec<String> {
    let mut told: Vec<(&str, usize)> = Vec::new();
    for warning in sweep.points.iter().flat_map(|p| &p.finished.warnings) {
        match told.iter_mut().find(|(meaning, _)| *meaning == warning.meaning) {
            Some((_, count)) => *count += 1,
            None => told.push((&warning.meaning, 1)),
        }
    }
    let line = |(meaning, count): (&str, usize)| {
        wrap(&format!("at {}: {meaning}", many(count, "point")), page.width, "warning: ", "  ")
    };
    told.into_iter().flat_map(line).map(|line| page.ink(Ink::Caution, &line)).collect()
}
