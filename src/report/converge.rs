//! A convergence study as a page, `converge.csv`, `converge.json` and a figure.

use super::plot::log_log::{Curve, Panel, Range};
use super::{Output, ReportError, format, json, plot};
use crate::convergence::{Axis, Kind, Part, Point, Series, Study};
use crate::experiment::Sampling;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// Name of the table.
pub const TABLE_FILE: &str = "converge.csv";
/// Name of the study as JSON.
pub const STUDY_FILE: &str = "converge.json";
/// Name of the figure as scalable vector graphics.
pub const FIGURE_SVG_FILE: &str = "converge.svg";
/// Name of the figure as a bitmap.
pub const FIGURE_PNG_FILE: &str = "converge.png";

/// The columns of the table.
pub const HEADER: [&str; 16] = [
    "axis", "at", "kind", "quantity", "state", "value", "std_err", "ci_low", "ci_high", "part", "repeats",
    "estimate", "theory", "slope", "expected", "unit",
];

/// Everything that the folder of a study holds except the manifest.
pub fn outputs(study: &Study) -> Result<Vec<Output>, ReportError> {
    check(study)?;
    let figure = figure(study)?;
    Ok(vec![
        Output::new(STUDY_FILE, json::pretty(study)?),
        Output::new(TABLE_FILE, table(study)?),
        Output::new(FIGURE_SVG_FILE, figure.svg),
        Output::new(FIGURE_PNG_FILE, figure.png),
    ])
}

/// Refuses NaN and infinity, for which JSON has no word.
fn check(study: &Study) -> Result<(), ReportError> {
    let number = |place: &str, value: f64| {
        if value.is_finite() { Ok(()) } else { Err(ReportError::NotFinite { place: place.into(), value }) }
    };
    for s in &study.series {
        let place = s.label();
        for p in &s.points {
            let all = [p.at, p.value, p.std_err, p.ci_low, p.ci_high];
            all.into_iter().chain(p.estimate).chain(p.theory).try_for_each(|v| number(&place, v))?;
        }
        if let Some(f) = s.fit {
            let all = [f.slope, f.amplitude, f.p_value, f.decades];
            all.into_iter().chain(f.ci_low).chain(f.ci_high).try_for_each(|v| number(&place, v))?;
        }
    }
    for o in &study.budget.own {
        let all = [
            Some(o.noise),
            o.bias,
            o.bias_std_err,
            o.seen,
            o.seen_std_err,
            o.seen_z,
            o.theory,
            o.balanced_dt,
        ];
        all.into_iter().flatten().try_for_each(|v| number(&o.quantity, v))?;
    }
    if let Some(n) = &study.budget.need {
        let all = [n.error, n.particles, n.span, n.legs].into_iter().chain(n.dt);
        all.into_iter().try_for_each(|v| number("need", v))?;
    }
    Ok(())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::SamplingError => "sampling_error",
        Kind::Bias => "bias",
        Kind::ChainBias => "chain_bias",
        Kind::Binning => "binning",
    }
}

/// `converge.csv`: one point a line.
pub fn table(study: &Study) -> Result<String, ReportError> {
    let encode =
        |error: &dyn std::fmt::Display| ReportError::Encode { format: "CSV", message: error.to_string() };
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:?}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(|e| encode(&e))?;
    for s in &study.series {
        for p in &s.points {
            let part = match p.part {
                Part::Fitted => "fitted",
                Part::Bound => "bound",
                Part::Shown => "shown",
            };
            let record = [
                s.axis.name().to_owned(),
                number(Some(p.at)),
                kind(s.kind).to_owned(),
                s.quantity.clone(),
                s.state.clone().unwrap_or_default(),
                number(Some(p.value)),
                number(Some(p.std_err)),
                number(Some(p.ci_low)),
                number(Some(p.ci_high)),
                part.to_owned(),
                p.repeats.to_string(),
                number(p.estimate),
                number(p.theory),
                number(s.fit.map(|f| f.slope)),
                number(s.expected),
                s.unit.clone(),
            ];
            writer.write_record(record).map_err(|e| encode(&e))?;
        }
    }
    let bytes = writer.into_inner().map_err(|e| encode(&e))?;
    String::from_utf8(bytes).map_err(|e| encode(&e))
}

/// A slope with its 95 % interval: `-0.498 (-0.506 to -0.490)`.
fn slope(series: &Series) -> String {
    let Some(fit) = series.fit else {
        return "not seen".into();
    };
    let end = |v: Option<f64>| v.map_or_else(|| "?".into(), |v| format!("{v:.3}"));
    match (fit.ci_low, fit.ci_high) {
        (None, None) => format!("{:.3}", fit.slope),
        (low, high) => format!("{:.3} ({} to {})", fit.slope, end(low), end(high)),
    }
}

/// The rule of the tables on a page.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn grid(header: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    table.load_style(STYLE).set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.into_iter().map(Cell::new));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// What the axes are called on a page.
fn heading(study: &Study, axis: Axis, kind: Kind) -> String {
    let what = match kind {
        Kind::SamplingError => "sampling error",
        Kind::Bias => "bias, sampled,",
        Kind::ChainBias => "bias of the chain itself, without sampling,",
        Kind::Binning => "difference of bin average and value",
    };
    let against = match axis {
        Axis::Legs => study.settings.clock.as_str(),
        other => other.name(),
    };
    format!("{what} against {against}")
}

/// The study on a page. `pace` is seconds per leg on this machine, which stands nowhere else.
pub fn page(study: &Study, pace: Option<f64>, width: usize) -> String {
    let title = if study.title.is_empty() { &study.name } else { &study.title };
    let s = &study.settings;
    let step = s.dt.map_or_else(String::new, |dt| format!(", dt = {}", format::plain(dt)));
    let sampling = match s.sampling {
        Sampling::MonteCarlo => String::new(),
        Sampling::ArrayRqmc => format!(" by array_rqmc in {} groups", s.groups),
    };
    let mut lines = vec![
        title.clone(),
        format!(
            "method {}{sampling}{step}; the file has {} particles for {} {}; {} bins; seed {}",
            s.method,
            s.particles,
            format::plain(s.span),
            if s.clock == "legs" { "legs" } else { "units of time" },
            s.bins,
            s.seed
        ),
    ];
    for (axis, kind) in groups(study) {
        let series: Vec<&Series> = study.series.iter().filter(|s| s.axis == axis && s.kind == kind).collect();
        lines.push(String::new());
        let Some(first) = series.iter().max_by_key(|s| s.points.len()) else {
            continue;
        };
        let range = first.points.first().zip(first.points.last());
        let range = range.map_or_else(String::new, |(a, b)| {
            format!(", {} to {}", format::brief(a.at), format::brief(b.at))
        });
        let repeats = match first.points.first() {
            Some(p) if p.repeats > 0 => format!(", {} independent repeats a point", p.repeats),
            _ => String::new(),
        };
        lines.push(format!("{}{range}{repeats}", heading(study, axis, kind)));
        let rows = series.iter().map(|s| row(s)).collect();
        lines.push(grid(&["quantity", "fitted slope (95 %)", "expected", "at the ends", ""], rows, width));
        // What concerns some of them only stands in their rows and in the files.
        if !first.note.is_empty() && series.iter().all(|s| s.note == first.note) {
            lines.push(format!("  {}", first.note));
        }
    }
    if !study.budget.own.is_empty() {
        lines.push(String::new());
        lines.push("at the settings of the file".into());
        lines.push(own(study, width));
    }
    lines.push(String::new());
    lines.extend(study.budget.sentences.iter().map(|s| format!("- {s}")));
    if let (Some(need), Some(pace)) = (&study.budget.need, pace) {
        lines.push(format!("- that takes about {} on this machine", seconds(need.legs * pace)));
    }
    let slopes: Vec<&Series> = study.series.iter().filter(|s| s.agrees.is_some()).collect();
    let wrong: Vec<String> = slopes.iter().filter(|s| s.agrees == Some(false)).map(|s| s.label()).collect();
    if wrong.is_empty() {
        lines.push(format!(
            "AGREES: {} slopes and biases with what is expected, family-wise alpha {}",
            slopes.len(),
            format::plain(study.alpha)
        ));
    } else {
        lines.push(format!("DISAGREES with what is expected: {}", wrong.join(", ")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Axes with kinds, in the order of the study.
fn groups(study: &Study) -> Vec<(Axis, Kind)> {
    let mut list = Vec::new();
    for s in &study.series {
        if !list.contains(&(s.axis, s.kind)) {
            list.push((s.axis, s.kind));
        }
    }
    list
}

fn row(s: &Series) -> Vec<String> {
    let value = |p: &Point| match s.kind {
        Kind::Bias => format::value_with_error(p.value, p.std_err),
        _ => format::brief(p.value),
    };
    let ends = s.points.first().zip(s.points.last());
    vec![
        s.label(),
        slope(s),
        s.expected.map_or_else(String::new, |e| format!("{e}")),
        ends.map_or_else(String::new, |(a, b)| format!("{} .. {}", value(a), value(b))),
        match s.agrees {
            Some(true) if s.kind == Kind::Bias => "as the chain".into(),
            Some(true) => "agrees".into(),
            Some(false) => "DISAGREES".into(),
            None => String::new(),
        },
    ]
}

/// Noise beside bias.
fn own(study: &Study, width: usize) -> String {
    let share = |value: f64, theory: Option<f64>| match theory {
        Some(t) if t.abs() > 1e-12 => format!("{} %", format::brief(100.0 * value / t.abs())),
        _ => String::new(),
    };
    let rows = study.budget.own.iter().map(|o| {
        let name = o.state.as_ref().map_or_else(|| o.quantity.clone(), |of| format!("{} {of}", o.quantity));
        let bias = match (o.bias, o.bias_std_err) {
            (Some(b), Some(e)) => format::value_with_error(b, e),
            (Some(b), None) => format::plain(b),
            (None, _) => "not known".into(),
        };
        vec![
            name,
            o.theory.map_or_else(|| "none".into(), format::plain),
            format::brief(o.noise),
            share(o.noise, o.theory),
            bias,
            match o.dominant {
                Some(crate::convergence::budget::Dominant::Noise) => "noise".into(),
                Some(crate::convergence::budget::Dominant::Bias) => "bias".into(),
                None => String::new(),
            },
            o.balanced_dt.map_or_else(String::new, format::brief),
        ]
    });
    let stepped = study.settings.dt.is_some();
    let columns = if stepped { 7 } else { 6 };
    let header = ["quantity", "theory", "noise", "relative", "bias", "dominates", "equal at dt"];
    let rows = rows.map(|mut r: Vec<String>| {
        r.truncate(columns);
        r
    });
    grid(&header[..columns], rows.collect(), width)
}

/// A time for people.
fn seconds(s: f64) -> String {
    match s {
        s if s < 1.0 => "a second".into(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// One panel for every axis and kind: relative errors where theory is not zero.
fn figure(study: &Study) -> Result<plot::Rendered, ReportError> {
    let panels = groups(study).into_iter().map(|(axis, kind)| {
        let series = study.series.iter().filter(|s| s.axis == axis && s.kind == kind);
        let curves: Vec<Curve> = series.filter_map(curve).collect();
        let x = match axis {
            Axis::Particles => "particles".to_owned(),
            Axis::Legs if study.settings.clock == "legs" => "legs of a particle".to_owned(),
            Axis::Legs => "duration  (time)".to_owned(),
            Axis::Dt => "dt  (time)".to_owned(),
            Axis::Bins => "bins".to_owned(),
            Axis::Groups => "populations".to_owned(),
            Axis::Cells => "cells".to_owned(),
            Axis::SystemSize => "system_size".to_owned(),
        };
        Panel { title: heading(study, axis, kind), x_label: x, y_label: "error / |theory|".into(), curves }
    });
    let title = if study.title.is_empty() { &study.name } else { &study.title };
    plot::log_log::figure(&format!("{title}: convergence"), panels.collect())
}

/// A series relative to its theory; none where theory is zero or unknown.
fn curve(s: &Series) -> Option<Curve> {
    let unit = s.theory.filter(|t| t.abs() > 1e-12)?.abs();
    let range = |p: &Point| {
        let size = p.value.abs() / unit;
        let reach = match s.kind {
            Kind::Bias => crate::convergence::bias::reach(p) / unit,
            _ => 0.5 * (p.ci_high - p.ci_low) / unit,
        };
        Range { x: p.at, y: size, reach, bound: p.part == Part::Bound, faint: p.part == Part::Shown }
    };
    let points: Vec<Range> = s.points.iter().map(range).collect();
    let line = |amplitude: f64, slope: f64| {
        let ends = s.points.iter().filter(|p| p.part != Part::Shown);
        let (low, high) = ends.fold((f64::INFINITY, 0.0f64), |(a, b), p| (a.min(p.at), b.max(p.at)));
        [low, high].map(|x| (x, amplitude.abs() * libm::pow(x, slope) / unit))
    };
    let fitted = s.fit.map(|f| line(f.amplitude, f.slope));
    // The expected slope through the middle of the fit.
    let expected = s.fit.zip(s.expected).map(|(f, e)| {
        let [(a, _), (b, _)] = line(1.0, 0.0);
        let middle = libm::sqrt(a * b);
        line(f.amplitude * libm::pow(middle, f.slope - e), e)
    });
    let slope = s.fit.map_or_else(String::new, |f| format!("  {:.2}", f.slope));
    Some(Curve { name: format!("{}{slope}", s.label()), points, fitted, expected })
}
