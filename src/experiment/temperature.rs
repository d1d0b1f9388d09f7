//! The kinds of temperature: a number, an expression, a table of points, steps.

use super::diagnostics::Diagnostic;
use super::reader::{Cursor, Must, Object, Parameters, brief};
use super::schema::TemperaturePart;
use super::schema::limits::MOST_POINTS;
use super::source::{MAX_BYTES, quote};
use crate::model::{Field, Interpolation, KnotError, Steps, Table, Uniform};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Distance by which a table may fall short of the domain, relative to its length: rounding of what other
/// programs print.
const SHORT_BY: f64 = 1e-9;

/// A field, and how it is written.
type Written = (Arc<dyn Field>, Value);

/// Reads the temperature. That it is positive is proven in `build`, on the domain of this `length`;
/// `folder` is where the files of tables are.
pub(super) fn read<'a>(
    at: &Cursor<'a>,
    parameters: &Parameters,
    length: Option<f64>,
    folder: Option<&Path>,
) -> Option<TemperaturePart<'a>> {
    let (field, written) = if at.is_number() {
        let value = at.number(Must::POSITIVE)?;
        (Arc::new(Uniform(value)) as Arc<dyn Field>, value.into())
    } else if at.is_string() {
        expression(at, parameters)?
    } else if at.is_object() {
        at.choice(&[
            ("table", &|options| table(options, parameters, length, folder)),
            ("steps", &|options| steps(options, parameters, length)),
        ])?
    } else {
        return at.refuse(
            "a positive number, an expression in x in quotes, { \"table\": ... } or { \"steps\": ... }",
        );
    };
    Some(TemperaturePart { field, written, at: at.clone() })
}

fn expression(at: &Cursor<'_>, parameters: &Parameters) -> Option<Written> {
    let expression = at.expression(&["x"], parameters)?;
    let written = expression.source().to_owned().into();
    Some(match expression.constant() {
        Some(value) => (Arc::new(Uniform(value)), written),
        None => (Arc::new(expression), written),
    })
}

/// Points, given here or in a file, and what is between them.
fn table(
    mut options: Object<'_>,
    parameters: &Parameters,
    length: Option<f64>,
    folder: Option<&Path>,
) -> Option<Written> {
    let here = options.optional("points");
    let file = options.optional("file");
    let interpolation = options.or("interpolation", Interpolation::MonotoneCubic, |c| {
        c.word(&[("monotone_cubic", Interpolation::MonotoneCubic), ("linear", Interpolation::Linear)])
    });
    if here.is_none() && file.is_none() {
        let mistake = options
            .mistake("the table has no points")
            .expected("\"points\": [[x, T], ...], or \"file\": the name of a CSV file with columns x and T");
        options.missing(&["points", "file"], mistake);
    }
    options.finish();
    let points = match (here, file) {
        (None, None) => return None,
        (Some(here), None) => points_here(&here, parameters, length)?,
        (None, Some(file)) => points_of_file(&file, length, folder)?,
        (Some(here), Some(file)) => {
            file.push(
                file.mistake("both `points` and `file` are given")
                    .expected("one of the two")
                    .related(here.name_span(), "the other one"),
            );
            return None;
        }
    };
    let interpolation = interpolation?;
    let table = match Table::new(&points.list, interpolation) {
        Ok(table) => table,
        Err(error) => {
            points.at.push(points.at.mistake("the table is not a function of x").found(error.to_string()));
            return None;
        }
    };
    let points: Vec<[f64; 2]> = points.list.iter().map(|&(x, y)| [x, y]).collect();
    Some((Arc::new(table), json!({ "table": { "points": points, "interpolation": interpolation } })))
}

/// Points and the place where they are given.
struct Points<'a> {
    list: Vec<(f64, f64)>,
    at: Cursor<'a>,
}

fn points_here<'a>(at: &Cursor<'a>, parameters: &Parameters, length: Option<f64>) -> Option<Points<'a>> {
    let entries = at.array(MOST_POINTS)?;
    if entries.len() < 2 {
        at.push(
            at.mistake("a table needs at least two points").found(format!("an array of {}", entries.len())),
        );
        return None;
    }
    let read = |entry: &Cursor<'a>| -> Option<(f64, f64, Cursor<'a>)> {
        let pair = entry.array(usize::MAX)?;
        let [x, t] = &pair[..] else {
            entry.push(
                entry
                    .mistake("a point is not a pair")
                    .expected("[x, T]")
                    .found(format!("an array of {}", pair.len())),
            );
            return None;
        };
        let (at, t) = (x, t.scalar(parameters, Must::POSITIVE));
        Some((x.scalar(parameters, Must::FINITE)?, t?, at.clone()))
    };
    let read: Vec<Option<(f64, f64, Cursor<'a>)>> = entries.iter().map(read).collect();
    let points: Vec<(f64, f64, Cursor<'a>)> = read.into_iter().collect::<Option<_>>()?;
    let positions: Vec<(f64, &Cursor<'a>)> = points.iter().map(|(x, _, at)| (*x, at)).collect();
    let mut good = increasing(&positions);
    if let (Some(length), Some(first), Some(last)) = (length, positions.first(), positions.last())
        && good
    {
        for (end, (x, at), covers) in
            [(0.0, first, first.0 <= SHORT_BY * length), (length, last, last.0 >= length * (1.0 - SHORT_BY))]
        {
            if !covers {
                good = false;
                at.push(uncovered(at, end, *x, length));
            }
        }
    }
    good.then(|| Points { list: points.iter().map(|(x, t, _)| (*x, *t)).collect(), at: at.clone() })
}

/// Notes every position that is not above the one before it.
fn increasing(positions: &[(f64, &Cursor<'_>)]) -> bool {
    let mut good = true;
    for pair in positions.windows(2) {
        let ((before, first), (x, at)) = (&pair[0], &pair[1]);
        if x <= before {
            good = false;
            at.push(
                at.mistake("positions do not increase")
                    .expected(format!("a number above {}", brief(*before)))
                    .found(brief(*x))
                    .related(first.span(), "the position before it"),
            );
        }
    }
    good
}

fn uncovered(at: &Cursor<'_>, end: f64, x: f64, length: f64) -> Diagnostic {
    let which = if end == 0.0 { "begins" } else { "ends" };
    at.mistake("the table does not cover the domain")
        .expected(format!("points from x = 0 to x = {}", brief(length)))
        .found(format!("a table that {which} at x = {}", brief(x)))
        .hint("add a point at the wall; nothing is guessed beyond the last one")
}

/// The columns `x` and `T` of a CSV file; other columns are left alone.
fn points_of_file<'a>(at: &Cursor<'a>, length: Option<f64>, folder: Option<&Path>) -> Option<Points<'a>> {
    let name = at.text()?;
    let refuse = |title: &str, found: String| -> Option<Points<'a>> {
        at.push(at.mistake(title).expected("a CSV file with columns x and T").found(found));
        None
    };
    let Some(folder) = folder else {
        at.push(
            at.mistake("a file cannot be named here")
                .found(quote(name))
                .hint("this text is no file itself; give the points as \"points\": [[x, T], ...]"),
        );
        return None;
    };
    let text = match read_text(&folder.join(name)) {
        Ok(text) => text,
        Err(why) => return refuse("the file of the table cannot be read", format!("{}: {why}", quote(name))),
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return refuse("the file of the table is not CSV", error.to_string()),
    };
    let column = |wanted: &str| header.iter().position(|title| title == wanted);
    let (Some(x_column), Some(t_column)) = (column("x"), column("T")) else {
        let found: Vec<String> = header.iter().take(8).map(quote).collect();
        return refuse("the table has no columns x and T", format!("the columns {}", found.join(", ")));
    };
    let mut list: Vec<(f64, f64)> = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => return refuse("the file of the table is not CSV", error.to_string()),
        };
        let line = line_of(text, record.position().map_or(0, |p| p.byte() as usize));
        let wrong = |what: &str, found: &str| {
            at.push(
                at.mistake("a row of the table is wrong")
                    .expected(what)
                    .found(format!("{found} in line {line} of {}", quote(name))),
            );
        };
        let cell = |column: usize| record.get(column).unwrap_or("");
        let number = |column: usize| cell(column).parse::<f64>().ok();
        let Some(x) = number(x_column).filter(|x| x.is_finite()) else {
            wrong("a finite number as x", &quote(cell(x_column)));
            return None;
        };
        let Some(t) = number(t_column).filter(|t| Must::POSITIVE.holds(*t)) else {
            wrong("a positive number as T", &quote(cell(t_column)));
            return None;
        };
        if let Some((before, _)) = list.last().filter(|(before, _)| *before >= x) {
            wrong(&format!("x above {}, that of the row before", brief(*before)), &quote(cell(x_column)));
            return None;
        }
        if list.len() == MOST_POINTS {
            return refuse("the table is too long", format!("more than {MOST_POINTS} rows"));
        }
        list.push((x, t));
    }
    let (Some(first), Some(last), true) = (list.first(), list.last(), list.len() >= 2) else {
        let found = KnotError::TooFew { found: list.len() };
        return refuse("the table is too short", found.to_string());
    };
    if let Some(length) = length {
        let ends = [(0.0, first.0, first.0 <= SHORT_BY * length), {
            (length, last.0, last.0 >= length * (1.0 - SHORT_BY))
        }];
        if let Some((end, x, _)) = ends.into_iter().find(|(_, _, covers)| !covers) {
            at.push(uncovered(at, end, x, length));
            return None;
        }
    }
    Some(Points { list, at: at.clone() })
}

/// Number of the first line at or after a byte that is neither blank nor a comment, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    let (before, rest) = text.split_at_checked(byte).unwrap_or((text, ""));
    let skipped = rest.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#')).count();
    before.matches('\n').count() + skipped + 1
}

/// The text of a plain file that is not too large; the error is in words.
fn read_text(path: &Path) -> Result<String, String> {
    let words = |error: std::io::Error| error.to_string();
    // Asked before it is opened: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(words)?.is_file() {
        return Err("not a plain file".into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(words)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("larger than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".into())
}

/// Jumps inside the domain, and a value before, between and after them.
fn steps(mut options: Object<'_>, parameters: &Parameters, length: Option<f64>) -> Option<Written> {
    let at = options.required("at");
    let values = options.required("values");
    options.finish();
    let (at, values) = (at?, values?);
    let numbers = |c: &Cursor<'_>, must: Must| -> Option<Vec<f64>> {
        let entries = c.array(MOST_POINTS)?;
        let read: Vec<Option<f64>> = entries.iter().map(|e| e.scalar(parameters, must)).collect();
        read.into_iter().collect()
    };
    let (jumps, temperatures) = (numbers(&at, Must::FINITE), numbers(&values, Must::POSITIVE));
    let (jumps, temperatures) = (jumps?, temperatures?);
    let entries = at.array(MOST_POINTS)?;
    let positions: Vec<(f64, &Cursor<'_>)> = jumps.iter().copied().zip(&entries).collect();
    let mut good = increasing(&positions);
    if let Some(length) = length {
        for (x, entry) in positions.iter().filter(|(x, _)| !(*x > 0.0 && *x < length)) {
            good = false;
            entry.push(
                entry
                    .mistake("a step lies outside the domain")
                    .expected(format!("a number between 0 and {}", brief(length)))
                    .found(brief(*x)),
            );
        }
    }
    if temperatures.len() != jumps.len() + 1 {
        good = false;
        values.push(
            values
                .mistake("the steps and their values do not fit together")
                .expected(format!("{} values, one more than there are steps", jumps.len() + 1))
                .found(format!("an array of {}", temperatures.len()))
                .related(at.name_span(), "the steps"),
        );
    }
    if !good {
        return None;
    }
    let written = json!({ "steps": { "at": jumps, "values": temperatures } });
    match Steps::new(jumps, temperatures) {
        Ok(steps) => Some((Arc::new(steps), written)),
        Err(error) => {
            at.push(at.mistake("the steps are not a function of x").found(error.to_string()));
            None
        }
    }
}
