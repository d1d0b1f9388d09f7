//! `path=from:to:n`: a value of the file that takes one value after the other.

use super::setting::Setting;
use super::source::quote;
use crate::error::Error;
use serde_json::Value;
use std::fmt;

/// Most values of one scan.
const MOST: usize = 1000;

/// A path such as `parameters.dT`, and the values that are to stand there one after the other.
///
/// ```
/// use soret::experiment::Scan;
/// let texts = |scan: &str| Scan::parse(scan).map(|s| s.values.iter().map(|v| v.to_string()).collect::<Vec<_>>());
/// assert_eq!(texts("parameters.dT=0.1:0.5:5")?, ["0.1", "0.2", "0.3", "0.4", "0.5"]);
/// assert_eq!(texts("run.particles=100:10000:3:log")?, ["100", "1000", "10000"]);
/// assert_eq!(texts("temperature=1 + x, 2 + x")?, ["\"1 + x\"", "\"2 + x\""]);
/// assert_eq!(texts(r#"temperature=["1 + min(x, 0.5)", "1 + x"]"#)?.len(), 2);
/// # Ok::<(), soret::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Where the values go.
    pub path: String,
    /// The values, in the order in which they were given.
    pub values: Vec<Value>,
    /// Whether they are spaced, and to be drawn, by their logarithms.
    pub logarithmic: bool,
}

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, Value::from(self.values.clone()))
    }
}

impl Scan {
    /// Reads `path=from:to:n`, `path=from:to:n:log`, `path=a,b,c` or `path=[...]`.
    ///
    /// # Errors
    /// [`Error::Usage`] where the words are others, the values are no finite numbers, or two are equal.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Usage(format!("{}: {why}", quote(text)));
        let Some((path, values)) = text.split_once('=') else {
            return Err(wrong("a scan is written path=from:to:n, path=from:to:n:log or path=a,b,c"));
        };
        let (path, written) = (path.trim().to_owned(), values.trim());
        let parts: Vec<&str> = written.split(':').map(str::trim).collect();
        let (values, logarithmic) = if written.starts_with('[') {
            let list = serde_json::from_str::<Vec<Value>>(written);
            (list.map_err(|e| wrong(&format!("the values are not JSON: {e}")))?, false)
        } else if let [from, to, n, ref spacing @ ..] = parts[..] {
            let logarithmic = match spacing {
                [] => false,
                ["log"] => true,
                _ => return Err(wrong("the only spacing with a name is log: from:to:n:log")),
            };
            let end = |word: &str| word.parse::<f64>().ok().filter(|v| v.is_finite());
            let (Some(from), Some(to)) = (end(from), end(to)) else {
                return Err(wrong("both ends of a scan are finite numbers"));
            };
            let n = n.parse().ok().filter(|n| (2..=MOST).contains(n));
            let n = n.ok_or_else(|| wrong(&format!("the number of values is from 2 to {MOST}")))?;
            if logarithmic && !(from > 0.0 && to > 0.0) {
                return Err(wrong("a logarithmic scan goes from one positive number to another"));
            }
            (spaced(from, to, n, logarithmic).into_iter().map(value).collect(), logarithmic)
        } else if parts.len() == 2 && parts.iter().all(|p| p.parse::<f64>().is_ok()) {
            return Err(wrong("the number of values is missing: path=from:to:n"));
        } else {
            let item = |word: &str| {
                let word = word.trim();
                serde_json::from_str(word).unwrap_or_else(|_| Value::from(word))
            };
            (written.split(',').map(item).collect(), false)
        };
        if values.is_empty() || values.len() > MOST {
            return Err(wrong(&format!("a scan has from 1 to {MOST} values")));
        }
        if values.iter().any(|v| v.is_null() || v.as_str() == Some("")) {
            return Err(wrong("a value is missing"));
        }
        if let Some((k, _)) = values.iter().enumerate().find(|(k, v)| values[..*k].contains(v)) {
            return Err(wrong(&format!("the value {} occurs twice", values[k])));
        }
        let scan = Scan { path, values, logarithmic };
        scan.setting(0).map(|_| scan)
    }

    /// The setting of value number `k`.
    pub(crate) fn setting(&self, k: usize) -> Result<Setting, Error> {
        Setting::of_option("--scan", &self.path, self.values[k].clone())
    }

    /// The values as numbers, if all of them are.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(Value::as_f64).collect()
    }

    /// What the scanned value is called in short: parameters by their name alone.
    pub fn label(&self) -> &str {
        self.path.strip_prefix("parameters.").unwrap_or(&self.path)
    }

    /// All points of several scans, as indices into their values; the first scan runs fastest.
    pub fn points(scans: &[Scan]) -> Vec<Vec<usize>> {
        scans.iter().rev().fold(vec![Vec::new()], |rest, scan| {
            let with = |tail: &Vec<usize>| {
                let tail = tail.clone();
                (0..scan.values.len()).map(move |k| [vec![k], tail.clone()].concat())
            };
            rest.iter().flat_map(with).collect()
        })
    }
}

/// `n` values from `from` to `to`, rounded to 12 digits so that 0.3 is 0.3, both ends exact.
fn spaced(from: f64, to: f64, n: usize, logarithmic: bool) -> Vec<f64> {
    let at = |k: usize| {
        let share = k as f64 / (n - 1) as f64;
        let between = if logarithmic {
            libm::exp(libm::log(from) * (1.0 - share) + libm::log(to) * share)
        } else {
            from * (1.0 - share) + to * share
        };
        match k {
            0 => from,
            k if k == n - 1 => to,
            _ => format!("{between:.11e}").parse().unwrap_or(between),
        }
    };
    (0..n).map(at).collect()
}

/// A number as people write it: whole ones without a point, so that they may stand for counts.
fn value(number: f64) -> Value {
    if number.trunc() == number && number.abs() < 1e15 { (number as i64).into() } else { number.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_scan_is_refused() {
        for (text, words) in [
            ("dT", "path=from:to:n"),
            ("a..b=1:2:3", "states[0].energy"),
            ("a=1:2", "path=from:to:n"),
            ("a=1:2:1", "from 2 to 1000"),
            ("a=1:2:1e9", "from 2 to 1000"),
            ("a=1:x:3", "finite numbers"),
            ("a=1:inf:3", "finite numbers"),
            ("a=0:1:3:log", "positive"),
            ("a=1:2:3:lin", "log"),
            ("a=1:1:3", "occurs twice"),
            ("a=1,2,1", "occurs twice"),
            ("a=1,,2", "missing"),
            ("a=", "missing"),
            ("a=[1, 2", "not JSON"),
            ("a=[]", "from 1"),
        ] {
            let said = Scan::parse(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn the_first_scan_runs_fastest() {
        let scans = [Scan::parse("a=1,2,3").unwrap(), Scan::parse("b=4,5").unwrap()];
        let points = Scan::points(&scans);
        assert_eq!(points, [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]);
        assert_eq!(Scan::points(&[]), [[0; 0]]);
    }
}
