//! Mistakes of an experiment file, told to people.

use super::source::shorten;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::fmt::{self, Write as _};
use std::ops::Range;

/// One mistake: what is wrong, where, what was expected, what was found, what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// What is wrong, in a few words.
    pub title: String,
    /// The bytes of the file that are underlined.
    pub span: Range<usize>,
    /// What should stand there.
    pub expected: Option<String>,
    /// What stands there.
    pub found: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the experiment, e.g. `states[0].energy`; empty for the file as a whole.
    pub path: String,
    /// Another place that belongs to the mistake, e.g. the first of two equal names, and its label.
    pub related: Option<(Range<usize>, String)>,
}

impl Diagnostic {
    /// A mistake at these bytes of the file.
    pub fn new(span: Range<usize>, title: impl Into<String>) -> Self {
        Diagnostic {
            title: title.into(),
            span,
            expected: None,
            found: None,
            hint: None,
            path: String::new(),
            related: None,
        }
    }

    /// Says where in the experiment the mistake is.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Says what should stand there.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what stands there.
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points at a second place that belongs to the mistake.
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// `expected ..., found ...`, or an empty string.
    fn label(&self) -> String {
        match (&self.expected, &self.found) {
            (Some(e), Some(f)) => format!("expected {e}, found {f}"),
            (Some(e), None) => format!("expected {e}"),
            (None, Some(f)) => format!("found {f}"),
            (None, None) => String::new(),
        }
    }
}

/// All mistakes of one file, with what is needed to show them.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The file as the user named it; `<stdin>` for standard input.
    pub file: String,
    /// The whole text of the file.
    pub text: String,
    /// The mistakes, in file order.
    pub list: Vec<Diagnostic>,
    /// How many more there are beyond those kept in `list`.
    pub omitted: usize,
}

impl Diagnostics {
    /// Most mistakes that are kept; the others are counted.
    pub const MOST: usize = 100;

    /// Line and column of a byte of the file, both counted from 1, columns in characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let before = &self.text[..self.boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// One line per mistake, `file:line:column: title: expected ..., found ... (hint)`, for editors.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.list.iter().map(|d| {
            let (line, column) = self.line_column(d.span.start);
            let mut out = format!("{}:{line}:{column}: {}", self.file, d.title);
            let label = d.label();
            if !label.is_empty() {
                let _ = write!(out, ": {label}");
            }
            if let Some(hint) = &d.hint {
                let _ = write!(out, "; {hint}");
            }
            if !d.path.is_empty() {
                let _ = write!(out, " [{}]", d.path);
            }
            out
        })
    }

    /// Every mistake with its line of the file underlined, for a terminal.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for d in &self.list {
            out.push_str(&renderer.render(&[self.group(d)]));
            out.push_str("\n\n");
        }
        let count = self.list.len() + self.omitted;
        let plural = if count == 1 { "mistake" } else { "mistakes" };
        let _ = write!(out, "{count} {plural} in {}", self.file);
        if self.omitted > 0 {
            let _ = write!(out, ", the first {} shown", self.list.len());
        }
        out.push('\n');
        out
    }

    fn group<'a>(&self, d: &'a Diagnostic) -> Group<'a> {
        let main = self.excerpt(&d.span);
        let label = Some(d.label()).filter(|l| !l.is_empty());
        let mut snippet =
            self.snippet(&main).annotation(AnnotationKind::Primary.span(main.place.clone()).label(label));
        let mut second = None;
        if let Some((span, label)) = &d.related {
            let other = self.excerpt(span);
            let mark = AnnotationKind::Context.span(other.place.clone()).label(label);
            if other.cut == main.cut {
                snippet = snippet.annotation(mark);
            } else {
                second = Some(self.snippet(&other).annotation(mark));
            }
        }
        let mut group = Group::with_title(Level::ERROR.primary_title(d.title.as_str()));
        if !main.whole {
            // The column of a cut line is not that of the excerpt.
            let (line, column) = self.line_column(d.span.start);
            let origin = Origin::path(self.file.clone());
            group = group.element(origin.line(line).char_column(column));
        }
        group = group.element(snippet);
        if let Some(second) = second {
            group = group.element(second);
        }
        if !d.path.is_empty() {
            group = group.element(Level::NOTE.message(format!("at {}", d.path)));
        }
        if let Some(hint) = &d.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        group
    }

    fn snippet<'a>(&self, excerpt: &Excerpt) -> Snippet<'a, Annotation<'a>> {
        Snippet::source(excerpt.text.clone())
            .line_start(excerpt.line)
            .path(excerpt.whole.then(|| self.file.clone()))
    }

    /// The largest character boundary that is not beyond `byte`.
    fn boundary(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }

    /// The line that holds the start of a span, cut around the span when it is very long.
    fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        const AROUND: usize = 60;
        const LONGEST: usize = 4096;
        let start = self.boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let line_end = line_start + self.text[line_start..line_end].trim_end_matches('\r').len();
        let end = self.boundary(span.end).clamp(start, line_end.max(start));
        let (mut from, mut to) = (line_start, line_end.max(start));
        let whole = to - from <= LONGEST;
        if !whole {
            from = from.max(self.boundary(start.saturating_sub(AROUND)));
            to = to.min(self.boundary((start + 2 * AROUND).max(start)));
        }
        let mut place = start - from..end.min(to) - from;
        let mut text = self.text[from..to].to_owned();
        if place.is_empty() {
            // A point: the end of the file or of a line. Something must be there to be underlined.
            match text[place.start..].chars().next() {
                Some(c) => place.end += c.len_utf8(),
                None => {
                    text.push(' ');
                    place.end += 1;
                }
            }
        }
        Excerpt { line: self.line_column(start).0, cut: from..to, whole, text, place }
    }
}

/// A line, or a part of one, with the place to be underlined in it.
struct Excerpt {
    line: usize,
    /// The bytes of the file that it shows.
    cut: Range<usize>,
    /// Whether that is a whole line.
    whole: bool,
    text: String,
    place: Range<usize>,
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.lines().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            f.write_str(&line)?;
        }
        if self.omitted > 0 {
            write!(f, "\n{}: and {} more", shorten(&self.file), self.omitted)?;
        }
        Ok(())
    }
}
