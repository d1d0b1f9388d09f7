//! A sweep: the same experiment at several values of a parameter, as plain data, table and JSON.
//!
//! A point is made from the `summary.json` of its run and from nothing else, so that a point that was found and
//! one that was computed are the same. Noise is independent between points: each has a seed of its own, made
//! from its configuration ([`identity`]), so that a curve may be fitted through them.

use super::manifest::{Identity, configuration_sha256};
use super::summary::{ComparisonSummary, FORMAT_VERSION, Invariant, RunSummary, Warning};
use super::{Output, ReportError, json, plot};
use crate::comparison::ALPHA;
use crate::experiment::{Experiment, Scan};
use crate::stats::{Estimate, deviate_from_p};
use crate::verification::{Verdict, Verification};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Name of the table.
pub const TABLE_FILE: &str = "sweep.csv";
/// Name of the same with verdicts and sign changes.
pub const JSON_FILE: &str = "sweep.json";
/// Name of the figure as scalable vector graphics.
pub const SVG_FILE: &str = "sweep.svg";
/// Name of the figure as a bitmap.
pub const PNG_FILE: &str = "sweep.png";
/// Folder of the runs, inside that of the sweep.
pub const POINTS: &str = "points";

/// Digits of the hash of a configuration that name the folder of a point and make its seed.
const DIGITS: usize = 12;

/// A sign of `soret` counts as seen from so many standard errors on.
const SEEN: f64 = 3.0;

/// One number for the whole domain, as in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// What it is.
    pub quantity: String,
    /// The state or transition it belongs to.
    pub state: Option<String>,
    /// The moment at which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Dimension.
    pub unit: String,
    /// The estimate.
    pub value: Option<f64>,
    /// Its standard error.
    pub std_err: Option<f64>,
    /// Lower end of its 95 % interval.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
    /// The continuum theory.
    pub theory: Option<f64>,
    /// Deviate of the difference.
    pub z: Option<f64>,
    /// The closed form for infinitely fast transitions.
    pub fast_limit: Option<f64>,
    /// Why there is no estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a sweep reads of a `summary.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Finished {
    /// Title from the file.
    pub title: String,
    /// Claim from the file.
    pub claim: String,
    /// Conventions that a reader must know.
    pub conventions: Vec<String>,
    /// How the run was made.
    pub run: RunSummary,
    /// Every number for the whole domain.
    pub quantities: Vec<Number>,
    /// Whether it agrees with theory, by itself.
    pub comparison: Option<ComparisonSummary>,
    /// What its trajectories say of the equations, by itself.
    pub checks: Option<Verification>,
    /// Integer identities.
    pub invariants: Vec<Invariant>,
    /// What a reader should be warned about.
    pub warnings: Vec<Warning>,
}

impl Finished {
    /// Reads a `summary.json`; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The number of a quantity; of its first owner, where it has several.
    pub fn number(&self, quantity: &str) -> Option<&Number> {
        self.quantities.iter().find(|n| n.quantity == quantity)
    }
}

/// One point.
#[derive(Clone, Debug)]
pub struct Point {
    /// Which value of each scan.
    pub at: Vec<usize>,
    /// Its run folder, inside that of the sweep.
    pub run: String,
    /// What its run found.
    pub finished: Finished,
    /// `P_tot(x)`, bin by bin; empty where it is not known.
    pub density: Vec<Bin>,
}

/// One bin of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Its middle.
    pub x: f64,
    /// The estimate.
    pub estimate: Option<Estimate>,
    /// The continuum theory.
    pub theory: Option<f64>,
}

/// `P_tot(x)` from the text of a `profiles.csv`, averages over the run only; empty if the text is none.
pub fn density(profiles: &str) -> Vec<Bin> {
    let mut reader = csv::Reader::from_reader(profiles.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let bin = |record: csv::StringRecord| {
        let field = |name: &str| record.get(header.iter().position(|h| h == name)?);
        let number = |name: &str| field(name)?.parse().ok();
        let here = field("quantity")? == "density" && field("time")?.is_empty();
        let estimate = || {
            let (value, std_error) = (number("value")?, number("std_err")?);
            Some(Estimate { value, std_error, low: number("ci_low")?, high: number("ci_high")? })
        };
        here.then(|| Some(Bin { x: number("x_mid")?, estimate: estimate(), theory: number("theory") }))?
    };
    reader.records().filter_map(|record| bin(record.ok()?)).collect()
}

/// Where a sign changes, interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Crossing {
    /// The value of the first scan there.
    pub at: f64,
    /// Ends of the 95 % interval of the simulation's; without the error of the interpolation itself.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The points on both sides whose signs are opposite.
    pub between: [f64; 2],
}

/// A sweep as far as it has come.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Name of the experiment.
    pub name: String,
    /// Seed from which those of the points are made.
    pub seed: u64,
    /// What was varied; the first is the axis, a second gives a family of curves.
    pub scans: Vec<Scan>,
    /// The points that are done, in order, the first scan running fastest.
    pub points: Vec<Point>,
    /// Points of the whole sweep.
    pub planned: usize,
}

/// Gives a point its own seed, and says in which folder its run belongs: both come from the configuration with
/// the seed of the sweep, and so do not depend on which other points there are.
pub fn identity(experiment: &mut Experiment) -> (PathBuf, Identity) {
    let hash = configuration_sha256(&experiment.canonical());
    let digits = &hash[..DIGITS];
    // Hexadecimal by construction; 48 bits, which every reader of JSON keeps.
    experiment.run.seed = u64::from_str_radix(digits, 16).unwrap_or(0);
    (Path::new(POINTS).join(digits), Identity::new(&experiment.canonical(), experiment.run.seed))
}

impl Sweep {
    /// Probability of a false alarm at one point, so that all together have [`ALPHA`].
    fn alpha(&self) -> f64 {
        ALPHA / self.planned.max(1) as f64
    }

    /// Whether simulation and theory agree at a point and no check fails there. `None` if nothing was compared
    /// and nothing failed.
    pub fn agrees(&self, point: &Point) -> Option<bool> {
        if self.failed_checks(point).is_empty() { self.agrees_with_theory(point) } else { Some(false) }
    }

    /// Names of the checks that fail at a point, at its share of their alpha, which is that of a run for all
    /// points together; those without a p-value need none.
    pub fn failed_checks<'s>(&self, point: &'s Point) -> Vec<&'s str> {
        let Some(checks) = &point.finished.checks else { return Vec::new() };
        let share = checks.critical_p / self.planned.max(1) as f64;
        let failed = checks.with(Verdict::Fails).filter(|c| c.p_value.is_none_or(|p| p < share));
        failed.map(|c| c.name.as_str()).collect()
    }

    /// Whether simulation and theory agree at a point, at its share of the alpha of the sweep: half of it for
    /// the largest deviate, half for the joint tests, as in [`crate::comparison`]. `None` if nothing was compared.
    pub fn agrees_with_theory(&self, point: &Point) -> Option<bool> {
        let holds = point.finished.invariants.iter().all(|i| i.holds);
        let comparison = point.finished.comparison.as_ref().filter(|c| c.agrees.is_some());
        let Some(comparison) = comparison else { return (!holds).then_some(false) };
        let entries = comparison.comparisons.saturating_sub(comparison.contrasts.len()).max(1);
        let single = comparison.worst_z.abs() <= self.critical_z(entries);
        let share = 0.5 * self.alpha() / comparison.contrasts.len().max(1) as f64;
        Some(holds && single && comparison.contrasts.iter().all(|c| c.p_value >= share))
    }

    fn critical_z(&self, entries: usize) -> f64 {
        deviate_from_p(0.5 * self.alpha() / entries as f64)
    }

    /// The limit on `|z|` where it is largest among the points.
    pub fn largest_critical_z(&self) -> Option<f64> {
        let comparisons = self.points.iter().filter_map(|p| p.finished.comparison.as_ref());
        let comparisons = comparisons.filter(|c| c.agrees.is_some());
        let entries = comparisons.map(|c| c.comparisons.saturating_sub(c.contrasts.len()).max(1)).max()?;
        Some(self.critical_z(entries))
    }

    /// Whether all points that are done agree and no check fails, those apart where nothing was compared; `None` if
    /// there are no others.
    pub fn all_agree(&self) -> Option<bool> {
        let mut verdicts = self.points.iter().filter_map(|p| self.agrees(p)).peekable();
        verdicts.peek().is_some().then(|| verdicts.all(|agrees| agrees))
    }

    /// Whether all points are done.
    pub fn complete(&self) -> bool {
        self.points.len() == self.planned
    }

    /// The values of a scan as positions on an axis: numbers, or their order where they are none.
    pub fn positions(&self, scan: usize) -> Vec<f64> {
        let scan = &self.scans[scan];
        scan.numbers().unwrap_or_else(|| (0..scan.values.len()).map(|k| k as f64).collect())
    }

    /// Whether every particle has a single state: its currents add up to nothing, and profiles say more.
    pub fn single_state(&self) -> bool {
        let states =
            |p: &Point| p.finished.quantities.iter().filter(|n| n.quantity == "mean_current").count();
        !self.points.is_empty() && self.points.iter().all(|p| states(p) <= 1 && !p.density.is_empty())
    }

    /// At most so many points, evenly from all.
    pub fn some_points(&self, most: usize) -> Vec<&Point> {
        let n = self.points.len();
        let chosen = (0..n.min(most)).map(|k| if n <= most { k } else { k * (n - 1) / (most - 1).max(1) });
        chosen.map(|k| &self.points[k]).collect()
    }

    /// `alpha = 0.1` of a point.
    pub fn name(&self, point: &Point) -> String {
        let parts = self.scans.iter().zip(&point.at);
        let part = |(scan, k): (&Scan, &usize)| format!("{} = {}", scan.label(), text(&scan.values[*k]));
        parts.map(part).collect::<Vec<_>>().join(", ")
    }

    /// The points of every value of the second scan, and the index of that value; one family without it.
    pub fn families(&self) -> Vec<(Option<usize>, Vec<&Point>)> {
        let of = |k: Option<usize>| {
            (k, self.points.iter().filter(|p| p.at.get(1).copied() == k).collect::<Vec<_>>())
        };
        let all = match self.scans.get(1) {
            None => vec![of(None)],
            Some(scan) => (0..scan.values.len()).map(|k| of(Some(k))).collect(),
        };
        all.into_iter().filter(|(_, points)| !points.is_empty()).collect()
    }

    /// Where `soret` changes its sign along the first scan in the simulation and in the theory.
    pub fn crossings(&self, family: &[&Point]) -> (Vec<Crossing>, Vec<Crossing>) {
        if self.scans[0].numbers().is_none() {
            return (Vec::new(), Vec::new());
        }
        let (x, logarithmic) = (self.positions(0), self.scans[0].logarithmic);
        let mut measured = Vec::new();
        let mut theory = Vec::new();
        for point in family {
            let Some(soret) = point.finished.number("soret") else { continue };
            let x = x[point.at[0]];
            if let (Some(value), Some(error)) = (soret.value, soret.std_err) {
                measured.push((x, value, error));
            }
            theory.extend(soret.theory.map(|t| (x, t, 0.0)));
        }
        let sort = |list: &mut Vec<(f64, f64, f64)>| list.sort_by(|a, b| a.0.total_cmp(&b.0));
        sort(&mut measured);
        sort(&mut theory);
        (crossings(&measured, logarithmic), crossings(&theory, logarithmic))
    }

    /// Sentences on the sign of `soret`, one for each family.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |(k, points): (Option<usize>, Vec<&Point>)| {
            let label = match (k, self.scans.get(1)) {
                (Some(k), Some(scan)) => format!("{} = {}: ", scan.label(), text(&scan.values[k])),
                _ => String::new(),
            };
            Some(format!("{label}{}", self.sign(&points)?))
        };
        self.families().into_iter().filter_map(sentence).collect()
    }

    fn sign(&self, points: &[&Point]) -> Option<String> {
        let (measured, theory) = self.crossings(points);
        let name = self.scans[0].label();
        let places = |list: &[Crossing]| {
            let place = |c: &Crossing| match c.low.zip(c.high) {
                Some((low, high)) => format!("{} ({} to {})", brief(c.at), brief(low), brief(high)),
                None => brief(c.at),
            };
            list.iter().map(place).collect::<Vec<_>>().join(", ")
        };
        let theory = match theory.as_slice() {
            [] => "theory keeps its sign".to_owned(),
            list => format!("theory at {}", places(list)),
        };
        if !measured.is_empty() {
            return Some(format!(
                "soret changes its sign at {name} = {} (interpolated, 95 % interval); {theory}",
                places(&measured)
            ));
        }
        let signs: Vec<f64> = points
            .iter()
            .filter_map(|p| p.finished.number("soret"))
            .filter_map(|n| Some((n.value?, n.std_err?)))
            .filter(|(value, error)| value.abs() > SEEN * error)
            .map(|(value, _)| value)
            .collect();
        let (first, count) = (*signs.first()?, points.len());
        let side =
            if first > 0.0 { "> 0: particles gather on the cold side" } else { "< 0: on the hot side" };
        let seen = match signs.len() {
            n if n == count => "at all points".to_owned(),
            n => format!("at {n} of {count} points, the others are not resolved"),
        };
        Some(format!("soret {side} {seen}; {theory}"))
    }

    /// Everything that is written, in memory.
    pub fn outputs(&self) -> Result<Vec<Output>, ReportError> {
        let figure = plot::sweep(self)?;
        Ok(vec![
            Output::new(TABLE_FILE, self.table()?),
            Output::new(JSON_FILE, self.json()?),
            Output::new(SVG_FILE, figure.svg),
            Output::new(PNG_FILE, figure.png),
        ])
    }

    /// `sweep.csv`: one number a line. The columns of scans have their paths as names; all others are those of
    /// `profiles.csv`.
    pub fn table(&self) -> Result<String, ReportError> {
        let failed =
            |e: &dyn std::fmt::Display| ReportError::Encode { format: "CSV", message: e.to_string() };
        let mut writer = csv::Writer::from_writer(Vec::new());
        let scans = self.scans.iter().map(|s| s.path.clone());
        let columns = [
            "quantity",
            "state",
            "time",
            "value",
            "std_err",
            "ci_low",
            "ci_high",
            "theory",
            "z",
            "fast_limit",
            "unit",
            "reason",
            "agrees",
            "seed",
            "run",
        ];
        let header = scans.chain(columns.map(str::to_owned));
        writer.write_record(header).map_err(|e| failed(&e))?;
        let float = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:?}"));
        for point in &self.points {
            let at = || self.scans.iter().zip(&point.at).map(|(scan, k)| text(&scan.values[*k]));
            for n in &point.finished.quantities {
                let fields = [
                    n.quantity.clone(),
                    n.state.clone().unwrap_or_default(),
                    float(n.time),
                    float(n.value),
                    float(n.std_err),
                    float(n.ci_low),
                    float(n.ci_high),
                    float(n.theory),
                    float(n.z),
                    float(n.fast_limit),
                    n.unit.clone(),
                    n.reason.clone().unwrap_or_default(),
                    self.agrees(point).map_or_else(String::new, |agrees| agrees.to_string()),
                    point.finished.run.seed.to_string(),
                    point.run.clone(),
                ];
                writer.write_record(at().chain(fields)).map_err(|e| failed(&e))?;
            }
        }
        let bytes = writer.into_inner().map_err(|e| failed(&e))?;
        String::from_utf8(bytes).map_err(|e| failed(&e))
    }

    /// `sweep.json`.
    pub fn json(&self) -> Result<String, ReportError> {
        let first = self.points.first().map(|p| &p.finished);
        let point = |p: &Point| {
            let at = self.scans.iter().zip(&p.at).map(|(s, k)| (s.path.clone(), s.values[*k].clone()));
            PointDocument {
                at: at.collect(),
                run: p.run.clone(),
                seed: p.finished.run.seed,
                agrees: self.agrees(p),
                failed_checks: self.failed_checks(p).into_iter().map(str::to_owned).collect(),
                worst_z: p.finished.comparison.as_ref().map(|c| c.worst_z),
                worst: p.finished.comparison.as_ref().map(|c| c.worst.clone()),
                until: p.finished.run.until.as_ref().map(|u| u.sentence.clone()),
                quantities: p.finished.quantities.clone(),
            }
        };
        let signs = self.families().into_iter().map(|(k, points)| {
            let (simulation, theory) = self.crossings(&points);
            let of = k.and_then(|k| Some(self.scans.get(1)?.values[k].clone()));
            SignDocument { of, simulation, theory }
        });
        let scan = |s: &Scan| ScanDocument {
            path: s.path.clone(),
            spacing: if s.logarithmic { "log" } else { "linear" },
            values: s.values.clone(),
        };
        json::pretty(&Document {
            format_version: FORMAT_VERSION,
            name: &self.name,
            title: first.map_or("", |f| &f.title),
            claim: first.map_or("", |f| &f.claim),
            conventions: first.map_or(&[], |f| &f.conventions),
            complete: self.complete(),
            seed: self.seed,
            scans: self.scans.iter().map(scan).collect(),
            points_planned: self.planned,
            alpha: ALPHA,
            agrees: self.all_agree(),
            sentences: self.sentences(),
            sign_changes: signs.collect(),
            points: self.points.iter().map(point).collect(),
        })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    name: &'a str,
    title: &'a str,
    claim: &'a str,
    conventions: &'a [String],
    complete: bool,
    seed: u64,
    scans: Vec<ScanDocument>,
    points_planned: usize,
    alpha: f64,
    agrees: Option<bool>,
    sentences: Vec<String>,
    sign_changes: Vec<SignDocument>,
    points: Vec<PointDocument>,
}

#[derive(Serialize)]
struct ScanDocument {
    path: String,
    spacing: &'static str,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct SignDocument {
    of: Option<Value>,
    simulation: Vec<Crossing>,
    theory: Vec<Crossing>,
}

#[derive(Serialize)]
struct PointDocument {
    at: Map<String, Value>,
    run: String,
    seed: u64,
    agrees: Option<bool>,
    failed_checks: Vec<String>,
    worst_z: Option<f64>,
    worst: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    quantities: Vec<Number>,
}

/// A scanned value without quotes.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn brief(number: f64) -> String {
    super::format::brief(number)
}

/// Where values `(x, y, error)` with increasing x change their sign.
///
/// Only signs that are seen ([`SEEN`] standard errors) count, so that noise around zero makes no crossing. Between
/// two opposite ones lies the zero of a straight line, or of a parabola where there are values between them: of the fit to
/// all of them, weighted by their errors. Without errors the two are neighbours.
fn crossings(values: &[(f64, f64, f64)], logarithmic: bool) -> Vec<Crossing> {
    let seen: Vec<usize> =
        (0..values.len()).filter(|&k| values[k].1 != 0.0 && values[k].1.abs() > SEEN * values[k].2).collect();
    let axis = |x: f64| if logarithmic { libm::log(x) } else { x };
    let back = |u: f64| if logarithmic { libm::exp(u) } else { u };
    let pairs = seen.windows(2).filter(|w| values[w[0]].1 * values[w[1]].1 < 0.0);
    pairs
        .map(|w| {
            let line: Vec<_> = values[w[0]..=w[1]].iter().map(|v| (axis(v.0), v.1, v.2)).collect();
            let exact = line.iter().any(|v| v.2 == 0.0);
            let ends = [line[0], line[line.len() - 1]];
            let used = if exact { &ends[..] } else { &line };
            let between = [values[w[0]].0, values[w[1]].0];
            let inside = |u: f64| back(u).clamp(between[0], between[1]);
            // Signs at the ends are opposite: a line has its zero between them or, fitted to noise, nearby.
            let fit = Some(Fit::new(used, used.len().min(3)))
                .filter(|parabola| parabola.at(ends[0].0) * parabola.at(ends[1].0) < 0.0)
                .unwrap_or_else(|| Fit::new(&ends, 2));
            let zero = match line.get(1..line.len() - 1) {
                // Between exact values of opposite sign only zeros are not seen.
                Some(zeros @ [_, ..]) if exact => zeros[zeros.len() / 2].0,
                _ => fit.zero(ends[0].0, ends[1].0),
            };
            let reach = deviate_from_p(1.0 - crate::stats::CONFIDENCE) * fit.error(zero)
                / fit.slope(zero, ends[1].0 - ends[0].0).abs();
            let interval = (!exact).then_some(reach);
            Crossing {
                at: inside(zero),
                low: interval.map(|r| inside(zero - r)),
                high: interval.map(|r| inside(zero + r)),
                between,
            }
        })
        .collect()
}

/// A polynomial fitted to values with errors: a sum of polynomials that are orthogonal on the points, weighted.
struct Fit {
    /// `p_(k+1) = (x - a_k) p_k - b_k p_(k-1)`.
    steps: Vec<[f64; 2]>,
    /// Coefficients and their errors.
    terms: Vec<[f64; 2]>,
}

impl Fit {
    /// Fits `terms` coefficients; points without an error weigh the same.
    fn new(points: &[(f64, f64, f64)], terms: usize) -> Self {
        let exact = points.iter().any(|p| p.2 == 0.0);
        let weight = |p: &(f64, f64, f64)| if exact { 1.0 } else { 1.0 / (p.2 * p.2) };
        let mut fit = Fit { steps: Vec::new(), terms: Vec::new() };
        let mut before = f64::INFINITY;
        for k in 0..terms {
            let sum = |f: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
                points.iter().map(|p| weight(p) * f(fit.basis(p.0)[k], p.0, p.1)).sum()
            };
            let square = sum(&|basis, _, _| basis * basis);
            let middle = sum(&|basis, x, _| basis * basis * x) / square;
            fit.terms.push([sum(&|basis, _, y| basis * y) / square, 1.0 / libm::sqrt(square)]);
            fit.steps.push([middle, square / before]);
            before = square;
        }
        fit
    }

    /// The polynomials at `x`, one more than there are steps.
    fn basis(&self, x: f64) -> Vec<f64> {
        let mut basis = vec![1.0];
        let mut before = 0.0;
        for [a, b] in &self.steps {
            let last = basis[basis.len() - 1];
            basis.push((x - a) * last - b * before);
            before = last;
        }
        basis
    }

    fn at(&self, x: f64) -> f64 {
        self.terms.iter().zip(self.basis(x)).map(|([c, _], basis)| c * basis).sum()
    }

    fn error(&self, x: f64) -> f64 {
        let variance = |([_, e], basis): (&[f64; 2], f64)| e * e * basis * basis;
        libm::sqrt(self.terms.iter().zip(self.basis(x)).map(variance).sum())
    }

    /// Of a polynomial of at most second degree, for which this difference is exact at any step.
    fn slope(&self, x: f64, step: f64) -> f64 {
        (self.at(x + step) - self.at(x - step)) / (2.0 * step)
    }

    /// The zero between two points of opposite sign.
    fn zero(&self, mut left: f64, mut right: f64) -> f64 {
        let sign = self.at(left);
        for _ in 0..200 {
            let middle = 0.5 * (left + right);
            if self.at(middle) * sign > 0.0 { left = middle } else { right = middle }
        }
        0.5 * (left + right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_changes_where_the_line_is_zero() {
        // The line y = x - 3, known to 0.1 at 1 and 4: the root of a line through two values.
        let found = crossings(&[(1.0, -2.0, 0.1), (4.0, 1.0, 0.1)], false);
        assert_eq!(found.len(), 1);
        assert!((found[0].at - 3.0).abs() < 1e-12 && found[0].between == [1.0, 4.0]);
        // x0 = (4 y1 - y2)/(y1 - y2): both derivatives by hand, 1/9 and 2/9 times the distance of 3.
        let reach = 1.959_963_984_540_054 * 0.1 * libm::sqrt(1.0 + 4.0) / 3.0;
        let (low, high) = (found[0].low.unwrap(), found[0].high.unwrap());
        assert!((high - 3.0 - reach).abs() < 1e-9 && (3.0 - low - reach).abs() < 1e-9, "{low} {high}");
        // Noise around zero between them makes no further crossing, and moves it little.
        let noisy = [(1.0, -2.0, 0.1), (2.9, 0.05, 0.1), (3.1, -0.05, 0.1), (4.0, 1.0, 0.1)];
        let found = crossings(&noisy, false);
        assert!(found.len() == 1 && (found[0].at - 3.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn a_curve_changes_its_sign_where_it_is_zero() {
        // y = (3 - x)(6 - x)/15, whose value at 3 is not seen: a straight line through the three is zero at 3.1.
        let curve = |x: f64, error: f64| (x, (3.0 - x) * (6.0 - x) / 15.0, error);
        let found = crossings(&[curve(2.0, 0.02), curve(3.0, 0.03), curve(4.0, 0.01)], false);
        assert!(found.len() == 1 && (found[0].at - 3.0).abs() < 1e-9, "{found:?}");
        // Only the value there moves the zero: by its error over the slope, 3/15.
        let reach = 1.959_963_984_540_054 * 0.03 / 0.2;
        assert!((found[0].high.unwrap() - 3.0 - reach).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn only_signs_that_are_seen_count() {
        assert!(crossings(&[(1.0, -0.2, 0.1), (2.0, 0.2, 0.1)], false).is_empty());
        assert!(crossings(&[(1.0, 1.0, 0.1), (2.0, 2.0, 0.1)], false).is_empty());
        assert!(crossings(&[], false).is_empty());
        let theory = crossings(&[(1.0, -1.0, 0.0), (100.0, 1.0, 0.0)], true);
        assert!((theory[0].at - 10.0).abs() < 1e-12 && theory[0].low.is_none(), "{theory:?}");
        let zero = crossings(&[(1.0, -1.0, 0.0), (2.0, 0.0, 0.0), (100.0, 1.0, 0.0)], true);
        assert!(zero.len() == 1 && (zero[0].at - 2.0).abs() < 1e-12, "{zero:?}");
    }
}
