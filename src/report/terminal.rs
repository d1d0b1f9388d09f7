//! One page of text that says what a run found: fits one screen, reads the same without colour.

mod sweep;

pub use sweep::sweep_page;

use super::format::{beside, brief, deviate, outcome, plain};
use super::summary::{self, Quantity, Row, RunSummary, Sampling, Summary, Warning, WellsSummary};
use crate::observable::{Instant, Observable, Support};
use crate::stats::Outcome;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle};

/// Lines of a page. Long lists are cut, and the cut is announced.
pub const LINES: usize = 40;

/// Columns below which a page is not squeezed further.
pub const MIN_WIDTH: usize = 60;

/// Warnings that are told in full on a page.
const WARNINGS: usize = 2;

/// Sentences of the verdict that are told on a page.
const SENTENCES: usize = 10;

/// Lines for the invariants.
const INVARIANT_LINES: usize = 2;

/// The result of a run on at most [`LINES`] lines of `width` columns (at least [`MIN_WIDTH`]); escape
/// sequences only if `color`.
pub fn page(summary: &Summary, width: usize, color: bool) -> String {
    Page::new(width, color).compose(summary, true)
}

/// The continuum theory of a file alone: the values that stand in the column "theory", no simulation.
pub fn theory_page(summary: &Summary, width: usize, color: bool) -> String {
    Page::new(width, color).compose(summary, false)
}

/// Observation times that are shown as lines.
const TIME_LINES: usize = 12;

/// Observation times that are shown as profiles.
const TIME_PROFILES: usize = 4;

/// Columns for names that are kept free before dimensions are shown.
const NAME_WIDTH: usize = 20;

/// Columns for a dimension at most.
const UNIT_WIDTH: usize = 20;

/// Meanings that colour underlines; the words carry them too.
#[derive(Clone, Copy)]
pub(super) enum Ink {
    Bold,
    Dim,
    Good,
    Bad,
    Caution,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Caution => "33",
        }
    }

    /// The text in this ink, if there is to be any.
    pub(super) fn paint(self, text: &str, color: bool) -> String {
        if color { format!("\u{1b}[{}m{text}\u{1b}[0m", self.code()) } else { text.into() }
    }
}

struct Page {
    width: usize,
    color: bool,
}

impl Page {
    fn new(width: usize, color: bool) -> Self {
        Self { width: width.max(MIN_WIDTH), color }
    }

    fn compose(&self, summary: &Summary, simulated: bool) -> String {
        let head = self.head(summary, simulated);
        let mut tail = Vec::new();
        for block in [
            self.profile(summary, simulated),
            self.verdict(summary, simulated),
            self.warnings(&summary.warnings),
        ] {
            if !block.is_empty() {
                tail.push(String::new());
                tail.extend(block);
            }
        }
        tail.truncate(LINES - 12);
        // Header, rule and the line that announces a cut belong to the table.
        let rows = LINES.saturating_sub(head.len() + 1 + tail.len() + 3);
        let mut table = Vec::new();
        if !summary.times().is_empty() {
            table.extend(self.moments(summary, simulated, rows));
        }
        if table.is_empty() || !listed(summary, simulated).is_empty() {
            table.extend(self.table(summary, simulated, rows.saturating_sub(table.len())));
        }

        let mut page = head;
        page.push(String::new());
        page.extend(table);
        page.extend(tail);
        let mut text = page.join("\n");
        text.push('\n');
        text
    }

    fn head(&self, summary: &Summary, simulated: bool) -> Vec<String> {
        let title = match summary.title.as_str() {
            "" => summary.name.as_str(),
            title => title,
        };
        let mut lines = vec![self.ink(Ink::Bold, &clip(title, self.width))];
        if !summary.claim.is_empty() {
            lines.extend(wrap(&summary.claim, self.width, "", "").into_iter().take(2));
        }
        let reacts = summary.reacts() || summary.counts();
        let states = match summary.states.len() {
            1 if !reacts => "1 state".to_owned(),
            n if !reacts => format!("{n} states"),
            n => format!("{n} species"),
        };
        let within = match summary.coordinates.as_slice() {
            [] => String::new(),
            [name] => format!(" with the coordinate {name}"),
            names => format!(" with the coordinates {}", names.join(", ")),
        };
        let place = match summary.counts() {
            true => " in one well-mixed volume".to_owned(),
            false => format!(" on [0, {}], {} bins", plain(summary.length), summary.bins),
        };
        let system = format!("{states}{within}{place}");
        if simulated {
            let run = describe_run(&summary.run);
            lines.extend(self.dimmed(&format!("{system}; {run}")));
            if let Some(until) = &summary.run.until {
                let text = wrap(&until.sentence, self.width, "", "  ");
                let line = |line: String| if until.reached { line } else { self.ink(Ink::Caution, &line) };
                lines.extend(text.into_iter().take(3).map(line));
            }
            if !summary.run.complete {
                lines.push(self.ink(
                    Ink::Caution,
                    &format!(
                        "INCOMPLETE: stopped after {} of {} rounds",
                        summary.run.rounds_done, summary.run.rounds_planned
                    ),
                ));
            }
        } else {
            lines.extend(self.dimmed(&format!("{system}; continuum theory, no simulation")));
        }
        lines
    }

    fn dimmed(&self, text: &str) -> Vec<String> {
        wrap(text, self.width, "", "").iter().map(|line| self.ink(Ink::Dim, line)).collect()
    }

    /// `quantity | mc ± s.e. | theory | z | dimension`, columns without any entry left out; without a
    /// simulation the fast-reaction limit stands beside the theory.
    fn table(&self, summary: &Summary, simulated: bool, limit: usize) -> Vec<String> {
        let entries = listed(summary, simulated);
        let shown = &entries[..entries.len().min(limit)];
        let compared = simulated && shown.iter().any(|(_, row)| row.z.is_some());
        let theory = shown.iter().any(|(_, row)| row.theory.is_some());
        let fast = !simulated && shown.iter().any(|(_, row)| row.fast_limit.is_some());
        let critical = summary.comparison.as_ref().map(|c| c.critical_z);

        let mut header = vec!["quantity"];
        header.extend(simulated.then_some("mc ± s.e."));
        header.extend(theory.then_some("theory"));
        header.extend(fast.then_some(if summary.in_phase_space() { "overdamped" } else { "fast limit" }));
        header.extend(compared.then_some("z"));
        let numbers = 1..header.len();
        header.push("dimension");
        let mut cells: Vec<Vec<String>> = Vec::new();
        for (quantity, row) in shown {
            let mut line = vec![label(quantity, row, summary.states.len() > 1)];
            line.extend(simulated.then(|| outcome(&row.estimate)));
            if theory {
                let text = row.theory.map(|t| beside(t, &row.estimate));
                line.push(text.unwrap_or_default());
            }
            line.extend(fast.then(|| row.fast_limit.map(plain).unwrap_or_default()));
            line.extend(compared.then(|| row.z.map(deviate).unwrap_or_default()));
            line.push(clip(&quantity.unit, UNIT_WIDTH));
            cells.push(line);
        }
        // Numbers are never cut: names are, and dimensions go when there is no room for them.
        let widest = |index: usize| {
            let column = cells.iter().map(|line| columns(&line[index]));
            2 + column.fold(columns(header[index]), usize::max)
        };
        let taken: usize = numbers.clone().map(widest).sum();
        let with_unit = taken + widest(numbers.end) + 2 + NAME_WIDTH <= self.width;
        let taken = taken + if with_unit { widest(numbers.end) } else { 0 };
        let separators = header.len() - usize::from(!with_unit) - 1;
        let name_width = self.width.saturating_sub(taken + 2 + separators).max(1);

        let mut table = Table::new();
        table.load_style(STYLE);
        table.set_content_arrangement(ContentArrangement::Disabled);
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if !with_unit {
            header.pop();
        }
        table.set_header(header.iter().map(|title| {
            let cell = Cell::new(title);
            if self.color { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for (mut line, (_, row)) in cells.into_iter().zip(shown) {
            line[0] = clip(&line[0], name_width);
            line.truncate(header.len());
            let far = matches!((row.z, critical), (Some(z), Some(c)) if z.abs() > c);
            let inked = |(index, text): (usize, String)| {
                let cell = Cell::new(text);
                if far && self.color && header[index] == "z" { cell.fg(Color::DarkRed) } else { cell }
            };
            table.add_row(line.into_iter().enumerate().map(inked));
        }
        for index in numbers {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().into()).collect();
        if entries.len() > shown.len() {
            let more = entries.len() - shown.len();
            lines.push(self.ink(Ink::Dim, &format!("... and {more} more in summary.json")));
        }
        lines
    }

    /// One line a time: mean position, populations, on a ring the spreading, as far as there is room; and the
    /// largest |z| of everything seen at that time.
    fn moments(&self, summary: &Summary, simulated: bool, limit: usize) -> Vec<String> {
        let times = summary.times_among(limit.min(TIME_LINES));
        let first: Vec<(Instant, &Quantity)> =
            times.first().map_or_else(Vec::new, |t| summary.seen_at(*t).collect());
        let mut shown: Vec<(Instant, String)> = Vec::new();
        for (what, quantity) in first {
            let title = match what {
                Instant::MeanPosition => "mean x".into(),
                Instant::MeanConcentration(_) | Instant::Number(_) => quantity.of.clone().unwrap_or_default(),
                Instant::NumberVariance(_) => {
                    format!("Var {}", quantity.of.as_deref().unwrap_or_default())
                }
                Instant::Population(_) if summary.states.len() > 1 => quantity.of.clone().unwrap_or_default(),
                Instant::Displacement => "<dx>".into(),
                Instant::SquareDisplacement => "<dx^2>".into(),
                Instant::Kurtosis => "kurtosis".into(),
                _ => continue,
            };
            shown.push((what, clip(&title, NAME_WIDTH)));
        }
        // Means come before populations, of which there may be many.
        shown.sort_by_key(|(what, _)| matches!(what, Instant::Population(_)));
        let cell = |time: f64, what: Instant| {
            let row = summary.seen_at(time).find(|(w, _)| *w == what).and_then(|(_, q)| q.rows.first());
            row.map_or_else(String::new, |row| match row.theory {
                Some(theory) if !simulated => plain(theory),
                None if !simulated => String::new(),
                _ => outcome(&row.estimate),
            })
        };
        let largest = |time: f64| {
            let all = summary.seen_at(time).flat_map(|(_, q)| q.rows.iter().filter_map(|row| row.z));
            all.map(f64::abs).max_by(f64::total_cmp)
        };
        let mut table: Vec<(String, Vec<String>)> =
            vec![("t".into(), times.iter().map(|t| brief(*t)).collect())];
        let deviates: Vec<String> =
            times.iter().map(|t| largest(*t).map(deviate).unwrap_or_default()).collect();
        let compared = simulated && deviates.iter().any(|z| !z.is_empty());
        let wide = |(title, cells): &(String, Vec<String>)| {
            2 + cells.iter().map(|c| columns(c)).fold(columns(title), usize::max)
        };
        let last = compared.then(|| ("largest |z|".to_owned(), deviates));
        let mut room = self.width.saturating_sub(last.as_ref().map_or(0, wide) + wide(&table[0]) + 1);
        let mut left_out = false;
        for (what, title) in shown {
            let column = (title, times.iter().map(|t| cell(*t, what)).collect());
            match room.checked_sub(wide(&column)) {
                Some(rest) => {
                    room = rest;
                    table.push(column);
                }
                None => left_out = true,
            }
        }
        table.extend(last);
        let line = |k: usize| -> String {
            let cell = |column: &(String, Vec<String>)| {
                let text = if k == 0 { &column.0 } else { &column.1[k - 1] };
                format!("{}{text}", " ".repeat(wide(column).saturating_sub(columns(text))))
            };
            table.iter().map(cell).collect()
        };
        let rule = "─".repeat(table.iter().map(wide).sum::<usize>() + 1);
        let mut lines = vec![self.ink(Ink::Bold, &line(0)), rule];
        lines.extend((1..=times.len()).map(line));
        let (all, from) = (summary.times().len(), times.len());
        let rest = if left_out || all > from { format!("{from} of {all} times; ") } else { String::new() };
        let files = match summary.counts() {
            true => "theory beside them in times.csv, laws of the numbers in maps.csv",
            false => "theory and modes beside them in times.csv",
        };
        lines.push(self.ink(Ink::Dim, &format!("{rest}{files}")));
        lines
    }

    /// The total density over the domain in blocks, simulation above theory, on one scale; of underdamped particles
    /// also the heat flux, and the speed at which slow and fast ones are expected to part; with internal coordinates
    /// also the heat flux.
    fn profile(&self, summary: &Summary, simulated: bool) -> Vec<String> {
        let mut lines = self.curves(summary, simulated, Observable::Density, "P_tot");
        if summary.reacts() {
            lines.extend(self.curves(summary, simulated, Observable::Content, "c_tot"));
        }
        if summary.in_plane() {
            lines.extend(self.curves(summary, simulated, Observable::HeatCurrent, "J_E  "));
        }
        if summary.in_phase_space() {
            lines.extend(self.curves(summary, simulated, Observable::PhaseHeatCurrent, "J_E  "));
            let sentence = expected_speeds(summary);
            lines.extend(sentence.iter().flat_map(|text| wrap(text, self.width, "", "  ")).take(2));
        }
        lines
    }

    /// One quantity in bins, at observation times the density.
    fn curves(
        &self,
        summary: &Summary,
        simulated: bool,
        observable: Observable,
        symbol: &str,
    ) -> Vec<String> {
        let mut curves: Vec<(String, Vec<f64>)> = Vec::new();
        let mut add = |name: String, quantity: &Quantity, of: fn(&Row) -> Option<f64>| {
            let series: Vec<f64> = quantity.rows.iter().filter_map(of).collect();
            if series.len() == quantity.rows.len() && series.iter().any(|y| *y != 0.0) {
                curves.push((name, series));
            }
        };
        if let Some(quantity) = summary.quantities.iter().find(|q| q.observable == observable) {
            if simulated {
                add(format!("{symbol} mc    "), quantity, value);
            }
            add(format!("{symbol} theory"), quantity, |row| row.theory);
        }
        let times =
            if observable == Observable::Density { summary.times_among(TIME_PROFILES) } else { vec![] };
        for time in times {
            for (_, quantity) in summary.seen_at(time).filter(|(what, _)| *what == Instant::Density) {
                let name = format!("P_tot {:<6}", format!("t={}", brief(time)));
                add(name, quantity, if simulated { counted } else { |row| row.theory });
            }
        }
        let widest = curves.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
        let all = || curves.iter().flat_map(|(_, series)| series.iter().copied());
        let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let range = format!("  {} to {}", brief(low), brief(high));
        let space = self.width.saturating_sub(widest + 2 + columns(&range));
        let mut lines: Vec<String> = curves
            .iter()
            .map(|(name, series)| format!("{name:<widest$}  {}", blocks(&coarsen(series, space), low, high)))
            .collect();
        if let Some(first) = lines.first_mut() {
            first.push_str(&range);
        }
        lines
    }

    /// Wells as discrete states: what these would do together, then each.
    fn wells(&self, wells: &WellsSummary) -> Vec<String> {
        // What rounding has left of zero is shown as zero.
        let shown = |v: f64, scale: f64| brief(if v.abs() < 1e-9 * scale { 0.0 } else { v });
        let number = |v: Option<f64>| v.map_or_else(|| "none".into(), |v| shown(v, 1.0));
        let span = wells.states.iter().map(|s| s.between[1] - s.between[0]).sum();
        let text = format!(
            "the {} wells as discrete states, with their numbers at x = {}: soret {}, {} if they were fast",
            wells.states.len(),
            plain(wells.x),
            number(wells.soret),
            number(wells.soret_fast)
        );
        let mut lines = wrap(&text, self.width, "", "  ");
        for (k, state) in wells.states.iter().enumerate() {
            let [low, high] = state.between;
            let rates = [("down", state.rate_down), ("up", state.rate_up)];
            let rates = rates.into_iter().filter_map(|(way, rate)| Some(format!("{way} {}", brief(rate?))));
            let text = format!(
                "well {}: q from {} to {}, population {}, energy {}, diffusivity {}, rate {}",
                k + 1,
                shown(low, span),
                shown(high, span),
                brief(state.population),
                brief(state.energy),
                brief(state.diffusivity),
                rates.collect::<Vec<_>>().join(", ")
            );
            lines.extend(wrap(&text, self.width, "  ", "    "));
        }
        lines
    }

    fn verdict(&self, summary: &Summary, simulated: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(theory) = &summary.theory {
            let mut text = format!("theory: {}; {}", theory.equation, theory.resolution);
            if theory.error_estimate > 0.0 {
                text += &format!("; relative error {:.0e}", theory.error_estimate);
            }
            lines.extend(wrap(&text, self.width, "", "  ").into_iter().take(3));
            lines.extend(theory.wells.iter().flat_map(|wells| self.wells(wells)));
            if let Some([left, right]) = theory.wall_layers.filter(|_| !simulated) {
                let text = format!(
                    "the {} limit fails within layers of thickness {} at the left wall and {} at the right one",
                    if summary.in_phase_space() { "overdamped" } else { "fast-reaction" },
                    plain(left),
                    plain(right)
                );
                lines.extend(wrap(&text, self.width, "", "  ").into_iter().take(2));
            }
        }
        if let Some(comparison) = summary.comparison.as_ref().filter(|_| simulated) {
            let (ink, word) = match comparison.agrees {
                Some(true) => (Ink::Good, "AGREES with theory"),
                Some(false) => (Ink::Bad, "DISAGREES with theory"),
                None => (Ink::Caution, "NO VERDICT"),
            };
            // Without a verdict the sentences say why.
            let text = match comparison.agrees {
                Some(_) => format!(
                    "{word}: {} comparisons at family-wise alpha {}, |z| below {} wanted, largest {} ({})",
                    comparison.comparisons,
                    plain(comparison.alpha),
                    deviate(comparison.critical_z),
                    deviate(comparison.worst_z),
                    comparison.worst
                ),
                None => word.into(),
            };
            for line in wrap(&text, self.width, "", "  ").into_iter().take(3) {
                lines.push(self.ink(ink, &line));
            }
            let sentences: Vec<String> = comparison
                .sentences
                .iter()
                .flat_map(|sentence| wrap(sentence, self.width, "- ", "  "))
                .collect();
            let more = sentences.len().saturating_sub(SENTENCES);
            let kept = if more > 0 { SENTENCES - 1 } else { SENTENCES };
            lines.extend(sentences.into_iter().take(kept));
            if more > 0 {
                lines.push(self.ink(Ink::Dim, "... the rest in summary.json"));
            }
        }
        if let Some(checks) = summary.checks.as_ref().filter(|_| simulated) {
            let ink = if checks.passes { Ink::Good } else { Ink::Bad };
            let text = super::checks::headline(checks);
            lines.extend(
                wrap(&text, self.width, "", "  ").into_iter().take(3).map(|line| self.ink(ink, &line)),
            );
        }
        if let Some(assisted) = summary.assisted.as_ref().filter(|_| simulated) {
            let text = wrap(&assisted.headline(), self.width, "", "  ").into_iter().take(3);
            lines.extend(text.map(|line| if assisted.holds { line } else { self.ink(Ink::Bad, &line) }));
        }
        if let Some(reason) = summary.unassisted.as_ref().filter(|_| simulated) {
            let text = wrap(&format!("not assisted: {reason}"), self.width, "", "  ").into_iter().take(2);
            lines.extend(text.map(|line| self.ink(Ink::Dim, &line)));
        }
        if simulated && !summary.invariants.is_empty() {
            lines.extend(self.invariants(summary));
        }
        lines
    }

    fn invariants(&self, summary: &Summary) -> Vec<String> {
        let broken: Vec<String> = summary
            .invariants
            .iter()
            .filter(|invariant| !invariant.holds)
            .map(|invariant| format!("{} ({})", invariant.name, invariant.detail))
            .collect();
        if broken.is_empty() {
            let names: Vec<&str> = summary.invariants.iter().map(|i| i.name.as_str()).collect();
            let text = format!("invariants: all hold ({})", names.join("; "));
            wrap(&text, self.width, "", "  ").into_iter().take(INVARIANT_LINES).collect()
        } else {
            let text = format!("invariants: BROKEN: {}", broken.join("; "));
            let lines = wrap(&text, self.width, "", "  ").into_iter().take(INVARIANT_LINES);
            lines.map(|line| self.ink(Ink::Bad, &line)).collect()
        }
    }

    fn warnings(&self, warnings: &[Warning]) -> Vec<String> {
        let mut lines = Vec::new();
        for warning in warnings.iter().take(WARNINGS) {
            let text = format!("{}: {}", warning.seen, warning.meaning);
            for line in wrap(&text, self.width, "warning: ", "  ").into_iter().take(3) {
                lines.push(self.ink(Ink::Caution, &line));
            }
            if !warning.remedy.is_empty() {
                lines.extend(wrap(&warning.remedy, self.width, "  hint: ", "    ").into_iter().take(2));
            }
        }
        if warnings.len() > WARNINGS {
            lines.push(format!("... and {} more warnings in summary.json", warnings.len() - WARNINGS));
        }
        lines
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        ink.paint(text, self.color)
    }
}

/// A rule below the header, two blanks between columns, no frame.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Rows for the whole domain, most important first; of underdamped particles also where slow and fast ones part, in
/// the middle of the domain.
fn listed(summary: &Summary, simulated: bool) -> Vec<(&Quantity, &Row)> {
    let chosen = |quantity: &&Quantity| {
        let whole = quantity.observable.support() == Support::Whole && quantity.time.is_none();
        (whole && !says_nothing(summary, quantity, simulated)) || at_middle(quantity.observable)
    };
    let row = |quantity: &Quantity| if at_middle(quantity.observable) { quantity.rows.len() / 2 } else { 0 };
    let mut entries: Vec<(&Quantity, &Row)> = summary
        .quantities
        .iter()
        .filter(chosen)
        .filter_map(|quantity| quantity.rows.get(row(quantity)).map(|row| (quantity, row)))
        .collect();
    entries.sort_by_key(|(quantity, _)| rank(quantity.observable));
    entries
}

/// Quantities in bins of which the one in the middle is shown.
fn at_middle(observable: Observable) -> bool {
    matches!(observable, Observable::PeakSlowCurrent(_) | Observable::CrossoverSpeed(_))
}

/// The share of a single state; of underdamped particles densities at the walls that a run does not estimate, and in
/// the theory of a domain with walls the mean current of a single state, which is zero; the same with internal coordinates
/// of a run too.
fn says_nothing(summary: &Summary, quantity: &Quantity, simulated: bool) -> bool {
    let single = summary.states.len() == 1;
    let ring = summary.on_ring();
    let missing = quantity.rows.iter().all(|row| row.estimate.estimate().is_none());
    match quantity.observable {
        Observable::Population(_) => single,
        Observable::SoretWall => summary.has_maps() && simulated && missing,
        Observable::MeanCurrent(_) if summary.in_plane() => single && !ring,
        Observable::MeanCurrent(_) => summary.in_phase_space() && single && !simulated && !ring,
        _ => false,
    }
}

fn rank(observable: Observable) -> usize {
    match observable {
        Observable::Soret => 0,
        Observable::SoretWall => 1,
        Observable::MeanCurrent(_) => 2,
        Observable::MeanHeatCurrent | Observable::InteriorHeatCurrent | Observable::ItoHeatCurrent => 3,
        Observable::PeakSlowCurrent(_) => 4,
        Observable::CrossoverSpeed(_) => 5,
        Observable::MeanVelocity | Observable::EffectiveDiffusion => 6,
        Observable::EntropyProduction => 7,
        Observable::MeanTemperature => 8,
        Observable::Population(_) | Observable::WellPopulation(_) | Observable::MeanConcentration(_) => 9,
        _ => 10,
    }
}

/// Name, owner and place; in a bin the only state is not named.
fn label(quantity: &Quantity, row: &Row, several: bool) -> String {
    let place = row.x_lo.zip(row.x_hi).map(|(low, high)| format!(" at x = {}", brief(0.5 * (low + high))));
    match &quantity.of {
        Some(of) if several || place.is_none() => {
            format!("{} {of}{}", quantity.name, place.unwrap_or_default())
        }
        _ => format!("{}{}", quantity.name, place.unwrap_or_default()),
    }
}

/// `sqrt(3 kT/m)` where the table shows the speed at which slow and fast particles part.
fn expected_speeds(summary: &Summary) -> Option<String> {
    let mut place = None;
    let mut speeds = Vec::new();
    for quantity in &summary.quantities {
        if matches!(quantity.observable, Observable::SlowCurrent(_)) {
            let all = summary::thermal_speeds(quantity);
            let bin = all.len() / 2;
            let row = quantity.rows.chunk_by(|a, b| a.x_lo == b.x_lo).nth(bin)?.first()?;
            place = row.x_lo.zip(row.x_hi).map(|(low, high)| 0.5 * (low + high));
            let speed = format!("{:.4}", libm::sqrt(3.0) * all.get(bin)?);
            match &quantity.of {
                Some(of) if summary.states.len() > 1 => speeds.push(format!("{speed} ({of})")),
                _ => speeds.push(speed),
            }
        }
    }
    speeds.dedup();
    Some(format!("sqrt(3 kT/m) = {} at x = {}", speeds.join(", "), brief(place?)))
}

/// Bins in which too few particles were seen for an estimate are drawn as empty.
fn counted(row: &Row) -> Option<f64> {
    Some(value(row).unwrap_or(0.0))
}

fn value(row: &Row) -> Option<f64> {
    match row.estimate {
        Outcome::Estimate(estimate) => Some(estimate.value),
        Outcome::Null { .. } => None,
    }
}

fn describe_run(run: &RunSummary) -> String {
    let sampling = match run.sampling {
        Sampling::MonteCarlo => "",
        Sampling::ArrayRqmc => " by array_rqmc",
    };
    let mut parts = vec![format!(
        "method {}{sampling}, {} particles in {} groups, seed {}",
        run.method,
        plain(run.particles as f64),
        run.groups,
        run.seed
    )];
    match (run.legs_per_particle, run.duration) {
        (_, Some(duration)) => {
            parts.push(format!("duration {} each after {} of burn-in", plain(duration), plain(run.burn_in)))
        }
        (Some(legs), None) => {
            parts.push(format!("{} legs each after {} of burn-in", plain(legs as f64), plain(run.burn_in)))
        }
        (None, None) => {}
    }
    let transitions = brief(run.transitions as f64);
    parts.push(match run.method.as_str() {
        // A reaction is all that happens.
        "well_mixed" => format!("{transitions} reactions"),
        method => format!(
            "{} {} and {transitions} transitions scored",
            brief(run.legs as f64),
            if matches!(method, "exact" | "mean_field") { "legs" } else { "steps" },
        ),
    });
    parts.join("; ")
}

/// Averages neighbouring bins until at most `columns` are left.
fn coarsen(series: &[f64], columns: usize) -> Vec<f64> {
    let step = series.len().div_ceil(columns.max(1)).max(1);
    series.chunks(step).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

/// One block a value, the lowest and highest of eight at `low` and `high`.
fn blocks(series: &[f64], low: f64, high: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let span = high - low;
    series
        .iter()
        .map(|value| {
            let level = if span > 0.0 { (value - low) / span * 8.0 } else { 4.0 };
            BLOCKS[(level as usize).min(7)]
        })
        .collect()
}

/// The text on lines of at most `width` columns, the first after `first`, the others after `rest`. A
/// relation such as `z = 1.2` is not torn apart.
pub(super) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for phrase in phrases(text) {
        let gap = usize::from(!empty);
        if !empty && columns(&line) + gap + columns(&phrase) > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&clip(&phrase, width.saturating_sub(columns(&line))));
        empty = false;
    }
    if !empty {
        lines.push(line);
    }
    lines
}

/// The words of a text, those on both sides of a relation sign joined unless that gets long.
fn phrases(text: &str) -> Vec<String> {
    const LONGEST: usize = 24;
    let relation = |word: &str| matches!(word, "=" | "<" | ">");
    let mut phrases: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match phrases.last_mut() {
            Some(last) if (open || relation(word)) && columns(last) + 1 + columns(word) <= LONGEST => {
                last.push(' ');
                last.push_str(word);
            }
            _ => phrases.push(word.to_owned()),
        }
        open = relation(word);
    }
    phrases
}

/// Cut to `width` columns, the cut marked by an ellipsis. Line breaks and control characters become
/// blanks, so that nothing from a file can move the cursor.
fn clip(text: &str, width: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if columns(text) <= width {
        return text.chars().map(clean).collect();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if columns(&cut) + columns(c.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        cut.push(clean(c));
    }
    cut.push('…');
    cut
}

/// Columns that a text takes. The names and units here are mostly Latin and Greek; East Asian wide
/// characters count two.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c as u32, 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
