//! `path=value`: changes of a file before it is read.
//!
//! A setting is put into the text of the file, so that it is read and checked like everything else.
//! Mistakes inside what was put in are told as such, with the setting in place of the file; all others
//! keep their place in the file.

use super::diagnostics::Diagnostics;
use super::source::{self, Kind, Member, Node, quote};
use crate::error::Error;
use std::fmt;
use std::ops::Range;

/// One change: a path such as `states[0].energy`, and the value that is to stand there.
///
/// ```
/// use soret::experiment::Setting;
/// assert_eq!(Setting::parse("run.seed=3")?.to_string(), "run.seed=3");
/// // What is not JSON is a string: an expression, or a word.
/// assert_eq!(Setting::parse("temperature=1 + 0.2*x")?.to_string(), "temperature=\"1 + 0.2*x\"");
/// assert!(Setting::parse("run..seed=3").is_err());
/// # Ok::<(), soret::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The option that brought it, for messages.
    option: &'static str,
    path: String,
    steps: Vec<Step>,
    /// The value as JSON; none removes what stands there.
    value: Option<String>,
}

/// One step down from an object or an array.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value.as_deref().unwrap_or("null"))
    }
}

impl Setting {
    /// Reads `path=value`. A value that is JSON is taken as such, any other as a string; `null` removes what
    /// stands at the path.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no path, or a value that begins like JSON and is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Usage(format!("{}: {why}", quote(text)));
        let Some((path, value)) = text.split_once('=') else {
            return Err(wrong("a setting is written path=value, for example run.seed=3"));
        };
        let path = path.trim();
        let Some(steps) = steps(path) else {
            return Err(wrong("the path is written like run.seed or states[0].energy"));
        };
        let value = match serde_json::from_str::<serde_json::Value>(value) {
            Ok(serde_json::Value::Null) => None,
            Ok(_) => Some(value.trim().to_owned()),
            Err(error) if value.trim_start().starts_with(['{', '[', '"']) => {
                return Err(wrong(&format!("the value is not JSON: {error}")));
            }
            Err(_) => Some(serde_json::Value::from(value.trim()).to_string()),
        };
        Ok(Setting { option: "--set", path: path.to_owned(), steps, value })
    }

    /// The setting that another option stands for.
    ///
    /// # Errors
    /// [`Error::Usage`] where the path is none.
    pub(super) fn of_option(
        option: &'static str,
        path: &str,
        value: serde_json::Value,
    ) -> Result<Self, Error> {
        let Some(steps) = steps(path) else {
            let wrong = "the path is written like parameters.dT or states[0].energy";
            return Err(Error::Usage(format!("{}: {wrong}", quote(path))));
        };
        Ok(Setting { option, path: path.to_owned(), steps, value: Some(value.to_string()) })
    }

    /// The option and the path, as a message names them.
    fn words(&self) -> String {
        format!("{} {}", self.option, source::shorten(&self.path))
    }
}

/// `a.b[0].c` in steps.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(key.to_owned()));
        while !indices.is_empty() {
            let (index, rest) = indices.strip_prefix('[')?.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            indices = rest;
        }
    }
    Some(steps)
}

/// A text into which settings were put.
#[derive(Debug)]
pub(super) struct Changed {
    pub text: String,
    edits: Vec<Edit>,
    original: String,
}

/// One replacement: these bytes of the text before it gave way to `new`.
#[derive(Debug)]
struct Edit {
    old: Range<usize>,
    new: String,
    /// What a message calls it.
    place: String,
    /// The setting as it was understood.
    words: String,
}

/// Puts settings into a text, one after the other. A text that is not JSON stays as it is.
///
/// # Errors
/// [`Error::Usage`] where a path leads nowhere.
pub(super) fn apply(text: &str, settings: &[Setting]) -> Result<Changed, Error> {
    let mut changed = Changed { text: text.to_owned(), edits: Vec::new(), original: text.to_owned() };
    for setting in settings {
        let Ok(tree) = source::parse(&changed.text) else {
            break;
        };
        let (old, new) =
            edit(&tree, setting).map_err(|why| Error::Usage(format!("{}: {why}", setting.words())))?;
        changed.text.replace_range(old.clone(), &new);
        let words = format!("{} {}", setting.option, source::shorten(&setting.to_string()));
        changed.edits.push(Edit { old, new, place: setting.words(), words });
    }
    Ok(changed)
}

/// What has to be replaced by what.
fn edit(tree: &Node, setting: &Setting) -> Result<(Range<usize>, String), String> {
    let mut node = tree;
    for (depth, step) in setting.steps.iter().enumerate() {
        let last = depth + 1 == setting.steps.len();
        match (step, &node.kind) {
            (Step::Key(key), Kind::Object(members)) => {
                let found = members.iter().position(|m| m.key == *key);
                match (found, &setting.value) {
                    (Some(at), None) if last => return Ok((without(members, at), String::new())),
                    (Some(at), _) => node = &members[at].value,
                    (None, None) => return Err(format!("there is no {} to remove", quote(key))),
                    (None, Some(value)) => {
                        let new = nested(&setting.steps[depth..], value)?;
                        let comma = if members.is_empty() { "" } else { ", " };
                        let at = node.span.start + 1;
                        return Ok((at..at, format!("{new}{comma}")));
                    }
                }
            }
            (Step::Index(index), Kind::Array(items)) => match items.get(*index) {
                Some(item) => node = item,
                None => return Err(format!("there is no entry [{index}], only {} of them", items.len())),
            },
            (Step::Key(key), _) => {
                return Err(format!(
                    "{} would belong to an object, but there is {}",
                    quote(key),
                    node.describe()
                ));
            }
            (Step::Index(index), _) => {
                return Err(format!("[{index}] would belong to an array, but there is {}", node.describe()));
            }
        }
    }
    match &setting.value {
        Some(value) => Ok((node.span.clone(), value.clone())),
        None => Err("an entry of an array cannot be removed".to_owned()),
    }
}

/// `"key": value`, with the objects in between where there are further steps.
fn nested(steps: &[Step], value: &str) -> Result<String, String> {
    match steps {
        [Step::Key(key)] => Ok(format!("{}: {value}", serde_json::Value::from(key.as_str()))),
        [Step::Key(key), rest @ ..] => {
            Ok(format!("{}: {{{}}}", serde_json::Value::from(key.as_str()), nested(rest, value)?))
        }
        [Step::Index(_), ..] | [] => Err("there is no array to take the entry".to_owned()),
    }
}

/// The bytes of a member with one of the commas beside it.
fn without(members: &[Member], at: usize) -> Range<usize> {
    let (start, end) = (members[at].key_span.start, members[at].value.span.end);
    match (members.get(at + 1), at.checked_sub(1).map(|before| &members[before])) {
        (Some(next), _) => start..next.key_span.start,
        (None, Some(before)) => before.value.span.end..end,
        (None, None) => start..end,
    }
}

/// Where a byte of the changed text comes from.
enum Origin {
    File(usize),
    Setting { edit: usize, byte: usize },
}

impl Changed {
    /// Mistakes of the changed text, told where the user wrote them: those of the first setting that has any,
    /// or else those of the file.
    pub fn trace(&self, mut diagnostics: Diagnostics) -> Diagnostics {
        if self.edits.is_empty() {
            return diagnostics;
        }
        let edit_of = |byte| match self.origin(byte) {
            Origin::Setting { edit, .. } => Some(edit),
            Origin::File(_) => None,
        };
        let culprit = diagnostics.list.iter().filter_map(|d| edit_of(d.span.start)).min();
        let place = |span: &Range<usize>| {
            let byte = |at: usize| match self.origin(at) {
                Origin::File(byte) | Origin::Setting { byte, .. } => byte,
            };
            let start = byte(span.start);
            // The end of a span is that of its last byte, which belongs to the same text.
            let last = if span.end > span.start { byte(span.end - 1) + 1 } else { start };
            start..last.max(start)
        };
        let mut list = std::mem::take(&mut diagnostics.list);
        list.retain(|d| edit_of(d.span.start) == culprit);
        for d in &mut list {
            let related = d.related.take();
            d.related = related.filter(|(span, _)| edit_of(span.start) == culprit);
            if let Some((span, _)) = &mut d.related {
                *span = place(span);
            }
            d.span = place(&d.span);
        }
        match culprit {
            Some(edit) => Diagnostics {
                file: self.edits[edit].place.clone(),
                text: self.edits[edit].new.clone(),
                list,
                omitted: 0,
            },
            None => {
                // The file may be at fault only together with what was put in.
                let settings: Vec<String> = self.edits.iter().map(|e| e.words.clone()).collect();
                for d in list.iter_mut().filter(|d| d.hint.is_none()) {
                    d.hint = Some(format!("the file was read with {}", settings.join(" ")));
                }
                Diagnostics { text: self.original.clone(), list, ..diagnostics }
            }
        }
    }

    fn origin(&self, byte: usize) -> Origin {
        let mut byte = byte;
        for (index, edit) in self.edits.iter().enumerate().rev() {
            let end = edit.old.start + edit.new.len();
            if byte >= end {
                byte = byte - edit.new.len() + edit.old.len();
            } else if byte >= edit.old.start {
                return Origin::Setting { edit: index, byte: byte - edit.old.start };
            }
        }
        Origin::File(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, settings: &[&str]) -> Result<String, String> {
        let settings: Vec<Setting> = settings.iter().map(|s| Setting::parse(s).unwrap()).collect();
        apply(text, &settings).map(|c| c.text).map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_replaced_put_in_and_removed() {
        let text = r#"{"run": {"seed": 1, "legs": 5}, "states": [{"energy": 1}, {}]}"#;
        let one = |setting: &str| changed(text, &[setting]).unwrap();
        assert_eq!(one("run.seed=3"), text.replace("\"seed\": 1", "\"seed\": 3"));
        assert_eq!(one("states[0].energy=2*kT"), text.replace(": 1}", ": \"2*kT\"}"));
        assert_eq!(one("states[1].energy=2"), text.replace("{}", "{\"energy\": 2}"));
        assert_eq!(one("run.legs=null"), r#"{"run": {"seed": 1}, "states": [{"energy": 1}, {}]}"#);
        assert_eq!(one("run.seed=null"), text.replace("\"seed\": 1, ", ""));
        assert_eq!(one("states[0].energy=null"), text.replace("\"energy\": 1", ""));
        assert_eq!(one("measure.bins=7"), text.replacen('{', "{\"measure\": {\"bins\": 7}, ", 1));
        assert_eq!(one("states[1]={\"a\": [1]}"), text.replace("{}", "{\"a\": [1]}"));
        assert_eq!(
            changed(text, &["run.legs=null", "run.duration=2.5", "run.duration=3"]).unwrap(),
            r#"{"run": {"duration": 3, "seed": 1}, "states": [{"energy": 1}, {}]}"#
        );
        assert_eq!(changed("no JSON", &["a=1"]).unwrap(), "no JSON");
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        let text = r#"{"run": {"seed": 1}, "states": [{}]}"#;
        let one = |setting: &str| changed(text, &[setting]).unwrap_err();
        assert!(one("states[1].energy=2").contains("no entry [1], only 1"));
        assert!(one("run.seed.x=2").contains("there is 1"));
        assert!(one("run[0]=2").contains("[0] would belong to an array, but there is an object"));
        assert!(one("run.legs=null").contains("there is no \"legs\" to remove"));
        assert!(one("states[0]=null").contains("cannot be removed"));
        assert!(one("new[0]=1").contains("no array"));
        for text in ["seed", "=3", "a..b=1", "a[x]=1", "a[0=1", "a[0]b=1", "[0]=1", "a={\"b\": }", "a=\"b"] {
            assert!(matches!(Setting::parse(text), Err(Error::Usage(_))), "{text}");
        }
    }
}
