//! Reads typed values from the tree, notes every mistake, and goes on.
//!
//! A function that reads returns `None` when it has noted a mistake; the caller reads everything
//! else before it gives up. An object knows the keys that were asked of it, so the list of known
//! keys is nowhere written down: [`Object::finish`] holds what is left against what was asked.

use super::diagnostics::{Diagnostic, Diagnostics};
use super::schema::limits::LONGEST_EXPRESSION;
use super::source::{Kind, Member, Node, place_in_string, printable, quote, shorten};
use crate::expression::{Expression, ExpressionError};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};

/// Longest name for which a nearest one is sought, in bytes.
const LONGEST_TYPED: usize = 256;

/// The mistakes found so far, and the text in which they stand.
#[derive(Debug)]
pub(super) struct Reports<'t> {
    text: &'t str,
    list: RefCell<Vec<Diagnostic>>,
    omitted: Cell<usize>,
    /// Every key that was asked for, with the path of its object, so that tests know the language.
    #[cfg(test)]
    pub asked: RefCell<std::collections::BTreeSet<(String, String)>>,
}

impl<'t> Reports<'t> {
    pub fn new(text: &'t str) -> Self {
        Reports {
            text,
            list: RefCell::default(),
            omitted: Cell::new(0),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Notes a mistake; beyond [`Diagnostics::MOST`] they are only counted.
    pub fn push(&self, diagnostic: Diagnostic) {
        let mut list = self.list.borrow_mut();
        if list.len() < Diagnostics::MOST {
            list.push(diagnostic);
        } else {
            self.omitted.set(self.omitted.get() + 1);
        }
    }

    /// Whether one more mistake would only be counted; it is, and need not be worded.
    fn only_counted(&self) -> bool {
        let full = self.list.borrow().len() >= Diagnostics::MOST;
        if full {
            self.omitted.set(self.omitted.get() + 1);
        }
        full
    }

    /// Whether there is no mistake so far.
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The mistakes in file order, or nothing.
    pub fn into_diagnostics(self, file: &str) -> Option<Diagnostics> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|d| (d.span.start, d.span.end));
        (!list.is_empty()).then(|| Diagnostics {
            file: printable(file),
            text: self.text.to_owned(),
            list,
            omitted: self.omitted.get(),
        })
    }
}

/// A condition on a number, with the words for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Must {
    pub words: &'static str,
    pub holds: fn(f64) -> bool,
}

impl Must {
    pub const FINITE: Must = Must { words: "a finite number", holds: f64::is_finite };
    pub const POSITIVE: Must = Must { words: "a positive number", holds: |v| v > 0.0 && v.is_finite() };
    pub const NOT_NEGATIVE: Must =
        Must { words: "a number that is not negative", holds: |v| v >= 0.0 && v.is_finite() };

    /// The condition in words.
    pub fn words(self) -> &'static str {
        self.words
    }

    /// Whether a number obeys it.
    pub fn holds(self, value: f64) -> bool {
        (self.holds)(value)
    }
}

/// The named parameters of the file, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    pub list: Vec<(String, f64)>,
    /// Names whose definition is a mistake. What is computed from them is no mistake of its own.
    pub broken: HashSet<String>,
    /// Names that stand further down, while the parameters themselves are read.
    pub later: HashSet<String>,
    /// Names of the internal coordinates; `None` where they could not be read.
    pub axes: Option<Vec<String>>,
}

impl Parameters {
    fn any_broken_in(&self, source: &str) -> bool {
        !self.broken.is_empty()
            && source
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| self.broken.contains(word))
    }
}

/// One value of the file with its place and its path.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    node: &'a Node,
    /// What is underlined when the value as a whole is at fault: the key, where it has one.
    name_span: Range<usize>,
    path: String,
    reports: &'a Reports<'a>,
}

impl<'a> Cursor<'a> {
    /// The value that is the whole file.
    pub fn root(node: &'a Node, reports: &'a Reports<'a>) -> Self {
        Cursor { node, name_span: node.span.start..node.span.start + 1, path: String::new(), reports }
    }

    /// A mistake at this value; a long value is shown by its first character or its key.
    pub fn mistake(&self, title: impl Into<String>) -> Diagnostic {
        let span = match self.node.kind {
            Kind::Object(_) | Kind::Array(_) => self.name_span.clone(),
            _ => self.node.span.clone(),
        };
        Diagnostic::new(span, title).at(self.path.as_str())
    }

    /// Notes a mistake.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.reports.push(diagnostic);
    }

    fn wrong<T>(&self, expected: impl Into<String>, title: impl Into<String>) -> Option<T> {
        let mut mistake = self.mistake(title).expected(expected);
        mistake.found = Some(self.node.describe());
        mistake.hint = match &self.node.kind {
            Kind::Number(n) if n.parse::<f64>().is_ok_and(f64::is_infinite) => {
                Some("the largest number is 1.797e308".to_owned())
            }
            _ => None,
        };
        self.push(mistake);
        None
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.wrong(expected, format!("{} has the wrong type", self.subject()))
    }

    fn out_of_range<T>(&self, expected: impl Into<String>) -> Option<T> {
        self.wrong(expected, format!("{} is out of range", self.subject()))
    }

    /// The last part of the path, in words.
    fn subject(&self) -> String {
        match self.path.rsplit('.').next() {
            None | Some("") => "the file".to_owned(),
            Some(name) => format!("`{name}`"),
        }
    }

    /// The value as an object.
    pub fn object(&self) -> Option<Object<'a>> {
        match &self.node.kind {
            Kind::Object(members) => Some(Object::new(self.clone(), members)),
            _ => self.wrong_type("an object, { ... }"),
        }
    }

    /// The entries of an array of at most `most`.
    pub fn array(&self, most: usize) -> Option<Vec<Cursor<'a>>> {
        let Kind::Array(items) = &self.node.kind else {
            return self.wrong_type("an array, [ ... ]");
        };
        if items.len() > most {
            let title = format!("{} has too many entries", self.subject());
            return self.wrong(format!("at most {most} entries"), title);
        }
        let entry = |(i, node): (usize, &'a Node)| Cursor {
            node,
            name_span: node.span.start..node.span.start + 1,
            path: format!("{}[{i}]", self.path),
            reports: self.reports,
        };
        Some(items.iter().enumerate().map(entry).collect())
    }

    /// Any string.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::String(s) => Some(s),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string of at most `most` characters that can stand in tables and file headers.
    pub fn name(&self, most: usize) -> Option<String> {
        let name = self.text()?;
        let good = !name.is_empty()
            && name.trim() == name
            && name.chars().count() <= most
            && !name.chars().any(char::is_control);
        if good {
            Some(name.to_owned())
        } else {
            let rule = format!("1 to {most} printable characters, no space at either end");
            self.wrong(rule, format!("{} is not a name", self.subject()))
        }
    }

    /// Notes that a plain number is missing; one in quotes is the likely reason.
    fn not_a_number<T>(&self, expected: &str) -> Option<T> {
        let title = format!("{} has the wrong type", self.subject());
        let mut mistake = self.mistake(title).expected(expected);
        mistake.found = Some(self.node.describe());
        mistake.hint = match &self.node.kind {
            Kind::String(s) if s.parse::<f64>().is_ok() => Some("remove the quotes".to_owned()),
            Kind::String(_) => Some("no expression can stand here".to_owned()),
            _ => None,
        };
        self.push(mistake);
        None
    }

    /// A number written as such.
    pub fn number(&self, must: Must) -> Option<f64> {
        let Kind::Number(written) = &self.node.kind else {
            return self.not_a_number(must.words);
        };
        match written.parse::<f64>() {
            Ok(value) if (must.holds)(value) => Some(value),
            _ => self.out_of_range(must.words),
        }
    }

    /// A whole number; `1e5` is one.
    pub fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let words = match (*range.start(), *range.end()) {
            (low, u64::MAX) => format!("a whole number from {low} to 2^64 - 1"),
            (low, high) if high >= 1_000_000 => {
                format!("a whole number from {low} to {:e}", high as f64)
            }
            (low, high) => format!("a whole number from {low} to {high}"),
        };
        let Kind::Number(written) = &self.node.kind else {
            return self.not_a_number(&words);
        };
        // Digits are exact up to 2^64 - 1; floats are whole numbers up to 2^53.
        let value = written.parse::<u64>().ok().or_else(|| {
            let float = written.parse::<f64>().ok()?;
            (float.trunc() == float && (0.0..=9007199254740992.0).contains(&float)).then_some(float as u64)
        });
        match value {
            Some(value) if range.contains(&value) => Some(value),
            _ => self.out_of_range(words),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.node.kind {
            Kind::Bool(value) => Some(value),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A number, or an expression of the parameters.
    pub fn scalar(&self, parameters: &Parameters, must: Must) -> Option<f64> {
        if !matches!(self.node.kind, Kind::String(_)) {
            if !matches!(self.node.kind, Kind::Number(_)) {
                return self.wrong_type(&format!("{}, or an expression in quotes", must.words));
            }
            return self.number(must);
        }
        let expression = self.expression(&[], parameters)?;
        let value = expression.constant().unwrap_or_else(|| expression.eval(&[]));
        self.evaluated(&expression, value, must)
    }

    /// The value of an expression here, if it is what it must be.
    pub fn evaluated(&self, expression: &Expression, value: f64, must: Must) -> Option<f64> {
        if must.holds(value) {
            return Some(value);
        }
        let found = format!("{}, which is {}", quote(expression.source()), brief(value));
        let title = format!("{} is out of range", self.subject());
        self.push(self.mistake(title).expected(must.words).found(found));
        None
    }

    /// An expression in the given variables and the parameters. `None` without a mistake of its own
    /// where it uses a parameter whose definition is one.
    pub fn expression(&self, variables: &[&str], parameters: &Parameters) -> Option<Expression> {
        self.expression_without(variables, parameters, &[])
    }

    /// The same, with hints for those who use a name that they may expect here in vain.
    pub fn expression_without(
        &self,
        variables: &[&str],
        parameters: &Parameters,
        absent: &[(&str, &str)],
    ) -> Option<Expression> {
        const COORDINATE: &str =
            "an internal coordinate: only potentials and diffusivities along x may depend on it";
        const ENERGY: &str = "the value of the potential may stand in a diffusivity along x";
        let source = self.text()?;
        if source.len() > LONGEST_EXPRESSION {
            let rule = format!("at most {LONGEST_EXPRESSION} bytes");
            return self.wrong(rule, "the expression is too long");
        }
        let parsed = Expression::parse(source, variables, &parameters.list);
        let broken = parameters.any_broken_in(source);
        match parsed {
            Ok(_) if broken => None,
            Ok(expression) => Some(expression),
            Err(error) => {
                let culprit = source.get(error.span.clone()).unwrap_or("");
                if !parameters.any_broken_in(culprit) {
                    let too_early = parameters.later.contains(culprit);
                    let mut mistake = self.expression_mistake(error);
                    if too_early {
                        let hint = "a parameter can use those that stand before it";
                        mistake.hint = Some(hint.to_owned());
                    }
                    let axes = parameters.axes.as_deref().unwrap_or_default();
                    let coordinates = axes.iter().map(|name| (name.as_str(), COORDINATE));
                    let energy = axes.first().map(|_| ("U", ENERGY));
                    let mut hints = absent.iter().copied().chain(coordinates).chain(energy);
                    if let Some((_, hint)) = hints.find(|(name, _)| *name == culprit) {
                        mistake.hint = Some(hint.to_owned());
                    }
                    self.push(mistake);
                }
                None
            }
        }
    }

    /// Notes what is wrong with text that has a grammar of its own.
    pub fn misread(&self, error: ExpressionError) {
        self.push(self.expression_mistake(error));
    }

    /// Where a part of a string stands.
    pub fn place_within(&self, part: &Range<usize>) -> Range<usize> {
        place_in_string(self.reports.text, &self.node.span, part)
    }

    fn expression_mistake(&self, error: ExpressionError) -> Diagnostic {
        let part = error.span.start..error.span.end;
        Diagnostic {
            title: error.message,
            span: place_in_string(self.reports.text, &self.node.span, &part),
            expected: Some(error.expected).filter(|e| !e.is_empty()),
            found: Some(error.found).filter(|f| !f.is_empty()),
            hint: error.hint,
            path: self.path.clone(),
            related: None,
        }
    }

    /// Whether the value is written as a number.
    pub fn is_number(&self) -> bool {
        matches!(self.node.kind, Kind::Number(_))
    }

    /// Whether the value is written as a string.
    pub fn is_string(&self) -> bool {
        matches!(self.node.kind, Kind::String(_))
    }

    /// Whether the value is written as an array.
    pub fn is_array(&self) -> bool {
        matches!(self.node.kind, Kind::Array(_))
    }

    /// Whether the value is written as an object.
    pub fn is_object(&self) -> bool {
        matches!(self.node.kind, Kind::Object(_))
    }

    /// Notes that the value is neither number nor expression, or whatever else was `expected`.
    pub fn refuse<T>(&self, expected: &str) -> Option<T> {
        self.wrong_type(expected)
    }

    /// One of several words.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let word = self.text()?;
        let found = words.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            self.unknown_word(word, words.iter().map(|(name, _)| *name));
        }
        found.map(|(_, value)| *value)
    }

    /// An externally tagged choice: `"name"`, or `{ "name": { options } }`. Every arm reads its own
    /// options (an empty object where only the name is given) and finishes them.
    pub fn choice<T>(&self, arms: &[Arm<'_, T>]) -> Option<T> {
        let (tag, place, body) = match &self.node.kind {
            Kind::String(tag) => (tag.as_str(), self.node.span.clone(), None),
            Kind::Object(members) => {
                let mut named = members.iter().filter(|m| m.key != NOTES);
                match (named.next(), named.next()) {
                    (Some(member), None) => {
                        (member.key.as_str(), member.key_span.clone(), Some(&member.value))
                    }
                    _ => {
                        let names = list(arms.iter().map(|(name, _)| *name));
                        let title = format!("{} is not one choice", self.subject());
                        return self.wrong(format!("one of {names}, with its options"), title);
                    }
                }
            }
            _ => return self.wrong_type("a name, or { \"name\": { options } }"),
        };
        let Some((_, read)) = arms.iter().find(|(name, _)| *name == tag) else {
            let names = arms.iter().map(|(name, _)| *name);
            self.unknown(tag, place, names, format!("unknown {}", self.subject()));
            return None;
        };
        let options = match body {
            None => Object::new(Cursor { path: join(&self.path, tag), ..self.clone() }, &[]),
            Some(node) => {
                // The notes of the choice itself are read like those of any object.
                if let Kind::Object(members) = &self.node.kind {
                    let mut outer = Object::new(self.clone(), members);
                    outer.optional(tag);
                    outer.finish();
                }
                Cursor { node, name_span: place, path: join(&self.path, tag), reports: self.reports }
                    .object()?
            }
        };
        read(options)
    }

    fn unknown_word(&self, word: &str, known: impl Iterator<Item = &'static str> + Clone) {
        let title = format!("unknown {}", self.subject());
        self.unknown(word, self.node.span.clone(), known, title);
    }

    /// Notes a name that is not among the known ones, with the nearest of them.
    pub fn unknown<'k>(
        &self,
        name: &str,
        span: Range<usize>,
        known: impl Iterator<Item = &'k str> + Clone,
        title: String,
    ) {
        if self.reports.only_counted() {
            return;
        }
        let mut diagnostic = Diagnostic::new(span, title)
            .at(self.path.as_str())
            .expected(list(known.clone()))
            .found(quote(name));
        diagnostic.hint = nearest(name, known).map(|n| format!("did you mean \"{n}\"?"));
        self.push(diagnostic);
    }

    /// Where in the experiment the value stands, e.g. `states[0].energy`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The place of the key, or the first character where the value has none.
    pub fn name_span(&self) -> Range<usize> {
        self.name_span.clone()
    }

    /// The place of the value.
    pub fn span(&self) -> Range<usize> {
        self.node.span.clone()
    }
}

/// One arm of a choice: its name and how its options are read.
pub(super) type Arm<'f, T> = (&'static str, &'f dyn Fn(Object<'_>) -> Option<T>);

/// The key that every object may have.
const NOTES: &str = "notes";

/// An object that is being read. It remembers which keys were asked for.
#[derive(Debug)]
pub(super) struct Object<'a> {
    whole: Cursor<'a>,
    members: &'a [Member],
    first: HashMap<&'a str, &'a Member>,
    asked: Vec<&'a str>,
    missing: Vec<(Vec<&'a str>, Diagnostic)>,
    /// The text of its `notes`, empty when it has none.
    pub notes: String,
}

impl<'a> Object<'a> {
    fn new(whole: Cursor<'a>, members: &'a [Member]) -> Self {
        let mut first: HashMap<&str, &Member> = HashMap::new();
        for member in members {
            if let Some(before) = first.get(member.key.as_str()) {
                if whole.reports.only_counted() {
                    continue;
                }
                whole.push(
                    Diagnostic::new(
                        member.key_span.clone(),
                        format!("the key {} is given twice", quote(&member.key)),
                    )
                    .at(join(&whole.path, &member.key))
                    .related(before.key_span.clone(), "first given here")
                    .hint("keep one of the two"),
                );
            } else {
                first.insert(&member.key, member);
            }
        }
        let mut object =
            Object { whole, members, first, asked: Vec::new(), missing: Vec::new(), notes: String::new() };
        if let Some(notes) = object.optional(NOTES).and_then(|c| c.text()) {
            object.notes = notes.to_owned();
        }
        object
    }

    /// The value of a key, or `None` where the file does not have it.
    pub fn optional(&mut self, key: &'a str) -> Option<Cursor<'a>> {
        #[cfg(test)]
        self.whole.reports.asked.borrow_mut().insert((self.whole.path.clone(), key.to_owned()));
        self.asked.push(key);
        self.first.get(key).map(|member| self.member(member))
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'a str) -> Option<Cursor<'a>> {
        let value = self.optional(key);
        if value.is_none() {
            self.missing_key(key);
        }
        value
    }

    /// Notes that a key is missing, unless it turns out to be mistyped.
    pub fn missing_key(&mut self, key: &'a str) {
        let missing = Diagnostic::new(self.whole.name_span.clone(), format!("the key \"{key}\" is missing"))
            .at(join(&self.whole.path, key))
            .expected(format!("\"{key}\" in this object"));
        self.missing(&[key], missing);
    }

    /// Notes that none of these keys is there, unless one of them turns out to be mistyped: then the
    /// unknown key is the one mistake.
    pub fn missing(&mut self, keys: &[&'a str], mistake: Diagnostic) {
        self.missing.push((keys.to_vec(), mistake));
    }

    /// The value of a key, or a default where the file does not have it.
    pub fn or<T>(
        &mut self,
        key: &'a str,
        default: T,
        read: impl FnOnce(Cursor<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.optional(key) {
            Some(value) => read(value),
            None => Some(default),
        }
    }

    /// All members in file order, for an object whose keys are names; duplicates left out.
    pub fn entries(&mut self) -> Vec<(&'a str, Range<usize>, Cursor<'a>)> {
        let mut entries = Vec::new();
        for member in self.members {
            let key = member.key.as_str();
            let is_first = self.first.get(key).is_some_and(|first| first.key_span == member.key_span);
            if key != NOTES && is_first {
                self.asked.push(key);
                entries.push((key, member.key_span.clone(), self.member(member)));
            }
        }
        entries
    }

    /// Ends the reading: keys that nobody asked for are mistakes, and so are those that are missing. Whether
    /// there was none of either is the answer.
    pub fn finish(mut self) -> bool {
        let mut clean = self.missing.is_empty();
        let known: HashSet<&str> = self.asked.iter().copied().collect();
        let keys: Vec<&str> = self.asked.iter().copied().filter(|k| *k != NOTES).collect();
        let expected = match keys[..] {
            [] => format!("only {}", quote(NOTES)),
            _ => format!("one of {}", list(keys.into_iter().chain([NOTES]))),
        };
        for member in self.members {
            if known.contains(member.key.as_str()) {
                continue;
            }
            clean = false;
            if self.whole.reports.only_counted() {
                continue;
            }
            let free = self.asked.iter().copied();
            let free = free.filter(|key| !self.first.contains_key(key));
            let near = nearest(&member.key, free);
            if let Some(near) = &near {
                self.missing.retain(|(keys, _)| !keys.contains(&near.as_str()));
            }
            let mut mistake =
                Diagnostic::new(member.key_span.clone(), format!("unknown key {}", quote(&member.key)))
                    .at(join(&self.whole.path, &member.key))
                    .expected(expected.as_str());
            mistake.hint = near
                .or_else(|| nearest(&member.key, self.asked.iter().copied()))
                .map(|n| format!("did you mean \"{n}\"?"));
            self.whole.push(mistake);
        }
        for (_, mistake) in self.missing {
            self.whole.push(mistake);
        }
        clean
    }

    /// The object as a value.
    pub fn whole(&self) -> Cursor<'a> {
        self.whole.clone()
    }

    /// A mistake of the object as a whole.
    pub fn mistake(&self, title: impl Into<String>) -> Diagnostic {
        self.whole.mistake(title)
    }

    /// Notes a mistake.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.whole.push(diagnostic);
    }

    fn member(&self, member: &'a Member) -> Cursor<'a> {
        Cursor {
            node: &member.value,
            name_span: member.key_span.clone(),
            path: join(&self.whole.path, &member.key),
            reports: self.whole.reports,
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shorten(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A number for a message, to six digits.
pub(super) fn brief(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    if rounded == 0.0 || (1e-4..1e6).contains(&rounded.abs()) {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}

/// `"a", "b" or "c"`, the first twenty.
fn list<'k>(names: impl Iterator<Item = &'k str>) -> String {
    const MOST: usize = 20;
    let mut names: Vec<String> = names.take(MOST + 1).map(quote).collect();
    if names.len() > MOST {
        names[MOST] = "...".to_owned();
    }
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

/// The known name that a mistyped one most likely means.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    if name.len() > LONGEST_TYPED {
        return None;
    }
    let lower = name.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    known
        .filter(|k| k.len().abs_diff(lower.len()) <= 4 * allowed)
        .map(|k| (distance(&lower, &k.to_lowercase()), k))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| shorten(k))
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_knows_typing_errors() {
        let known = ["particles", "legs", "duration", "seed"];
        let find = |name| nearest(name, known.into_iter());
        assert_eq!(find("particels").as_deref(), Some("particles"));
        assert_eq!(find("Legs").as_deref(), Some("legs"));
        assert_eq!(find("seeds").as_deref(), Some("seed"));
        assert_eq!(find("temperature"), None);
        assert_eq!(find(""), None);
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
