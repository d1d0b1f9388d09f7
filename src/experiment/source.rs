//! Text to a tree of JSON values that remember where they stand.
//!
//! The grammar is strict JSON (RFC 8259). `jsonc-parser` is told to be strict and still lets raw
//! control characters in strings and unusual white space pass; `scan` finds those, and bounds the
//! depth, before anything is parsed. Duplicate keys stay in the tree; the reader reports them.

use super::diagnostics::Diagnostic;
use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};
use std::ops::Range;

/// Largest experiment file in bytes; checked before anything is parsed or allocated.
pub const MAX_BYTES: usize = 4 << 20;

/// Deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 64;

/// A JSON value and the bytes of the file that it occupies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// The number as written.
    Number(String),
    /// The string with its escapes resolved.
    String(String),
    Array(Vec<Node>),
    /// Members in file order, duplicates included.
    Object(Vec<Member>),
}

/// One `"key": value` of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    /// What stands here, in words short enough for a message.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "null".into(),
            Kind::Bool(b) => b.to_string(),
            Kind::Number(n) => shorten(n),
            Kind::String(s) => format!("the string {}", quote(s)),
            Kind::Array(items) => format!("an array of {}", items.len()),
            Kind::Object(_) => "an object".into(),
        }
    }
}

/// A string in quotes for a message: control characters escaped, long ones cut.
pub(super) fn quote(s: &str) -> String {
    format!("\"{}\"", shorten(s))
}

/// A text for a message, without quotes: control characters escaped, long ones cut.
pub(super) fn shorten(s: &str) -> String {
    const MOST: usize = 60;
    match s.char_indices().nth(MOST) {
        Some((end, _)) => printable(&s[..end]) + "...",
        None => printable(s),
    }
}

/// A text with its control characters escaped.
pub(super) fn printable(s: &str) -> String {
    let mut out = String::new();
    for c in s.chars() {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Parses a whole file.
///
/// # Errors
/// The one mistake that keeps the text from being JSON, or from being looked at at all.
pub(super) fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    if text.len() > MAX_BYTES {
        return Err(Box::new(
            Diagnostic::new(0..0, "the file is too large")
                .expected(format!("at most {MAX_BYTES} bytes"))
                .found(format!("{} bytes", text.len())),
        ));
    }
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let tree = |text| parse_to_ast(text, &CollectOptions::default(), &strict);
    if let Err(mistake) = scan(text) {
        // What looks like a string to `scan` may be a part of a comment that stands before it.
        let before = text.get(..mistake.span.start).unwrap_or("");
        return Err(match tree(before) {
            Err(error) if hides_quotes(error.kind()) => {
                let range = error.range();
                Box::new(syntax(text, range.start..range.end, error.kind()))
            }
            _ => mistake,
        });
    }
    match tree(text) {
        Ok(result) => match result.value {
            Some(value) => Ok(node(value)),
            None => Err(Box::new(
                Diagnostic::new(text.len()..text.len(), "the file is empty").expected("an object, { ... }"),
            )),
        },
        Err(error) => {
            let range = error.range();
            Err(Box::new(syntax(text, range.start..range.end, error.kind())))
        }
    }
}

/// Whether the mistake is one in whose reach a double quote does not begin a string.
fn hides_quotes(kind: &ParseErrorKind) -> bool {
    matches!(
        kind,
        ParseErrorKind::CommentsNotAllowed
            | ParseErrorKind::UnterminatedCommentBlock
            | ParseErrorKind::SingleQuotedStringsNotAllowed
    )
}

fn node(value: Value<'_>) -> Node {
    let (range, kind) = match value {
        Value::NullKeyword(v) => (v.range, Kind::Null),
        Value::BooleanLit(v) => (v.range, Kind::Bool(v.value)),
        Value::NumberLit(v) => (v.range, Kind::Number(v.value.to_owned())),
        Value::StringLit(v) => (v.range, Kind::String(v.value.into_owned())),
        Value::Array(v) => (v.range, Kind::Array(v.elements.into_iter().map(node).collect())),
        Value::Object(v) => {
            let members = v.properties.into_iter().map(|p| {
                let (range, key) = match p.name {
                    ObjectPropName::String(s) => (s.range, s.value.into_owned()),
                    ObjectPropName::Word(w) => (w.range, w.value.to_owned()),
                };
                Member { key, key_span: range.start..range.end, value: node(p.value) }
            });
            (v.range, Kind::Object(members.collect()))
        }
    };
    Node { span: range.start..range.end, kind }
}

/// One pass over the bytes for what must be refused before parsing: too deep a nesting, and the
/// characters that JSON does not allow but the parser does.
fn scan(text: &str) -> Result<(), Box<Diagnostic>> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        let here = at..at + c.len_utf8();
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            if c < ' ' {
                let title = match c {
                    '\n' | '\r' => "a string does not end on its line",
                    _ => "a control character in a string",
                };
                let mistake = Diagnostic::new(here, title)
                    .expected("printable characters up to the closing quote")
                    .found(format!("U+{:04X}", u32::from(c)))
                    .hint("close the string, or write the character as \\n, \\t or \\uXXXX");
                return Err(Box::new(mistake));
            }
            continue;
        }
        match c {
            '"' => in_string = true,
            '{' | '[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let title = "objects and arrays are nested too deeply";
                    let most = format!("at most {MAX_DEPTH} levels");
                    return Err(Box::new(Diagnostic::new(here, title).expected(most)));
                }
            }
            '}' | ']' => depth = depth.saturating_sub(1),
            ' ' | '\t' | '\n' | '\r' => {}
            '\u{feff}' => {
                return Err(Box::new(
                    Diagnostic::new(here, "a byte order mark")
                        .expected("plain UTF-8")
                        .hint("save the file as UTF-8 without a byte order mark"),
                ));
            }
            c if c.is_whitespace() || c.is_control() => {
                return Err(Box::new(
                    Diagnostic::new(here, "white space that JSON does not know")
                        .expected("space, tab or newline")
                        .found(format!("U+{:04X}", u32::from(c))),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn syntax(text: &str, span: Range<usize>, kind: &ParseErrorKind) -> Diagnostic {
    use ParseErrorKind as K;
    use ParseStringErrorKind as S;
    const VALUE: &str = "a number, a string in double quotes, an object or an array";
    let rest = text.get(span.start..).unwrap_or("");
    // Words and numbers are shown whole, however much of them the parser has read.
    let wordlike = |c: char| c.is_alphanumeric() || "_.+-".contains(c);
    let word = &rest[..rest.find(|c| !wordlike(c)).unwrap_or(rest.len())];
    let (title, expected, hint) = match kind {
        _ if rest.trim().is_empty() => ("the file ends too early", "", "is a bracket not closed?"),
        K::UnterminatedArray => ("an array is not closed", "`]`", ""),
        K::UnterminatedObject => ("an object is not closed", "`}`", ""),
        K::CommentsNotAllowed | K::UnterminatedCommentBlock => (
            "a comment",
            "",
            "JSON has no comments; put explanations into \"notes\", allowed in every object",
        ),
        K::TrailingCommasNotAllowed => ("a comma after the last entry", "", "remove this comma"),
        K::ExpectedComma if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            ("a number that starts with 0", "", "remove the leading zeros")
        }
        K::ExpectedComma => ("a comma is missing", "`,` before the next entry", ""),
        K::ExpectedColonAfterObjectKey => ("a colon is missing", "`:` after the key", ""),
        K::ExpectedObjectValue => ("a value is missing", "a value after `:`", ""),
        K::ExpectedStringObjectProperty | K::UnexpectedTokenInObject => {
            ("not a key", "a key in double quotes", "")
        }
        K::SingleQuotedStringsNotAllowed => ("single quotes", "a string in double quotes", ""),
        K::HexadecimalNumbersNotAllowed => ("a hexadecimal number", "a decimal number", ""),
        K::UnaryPlusNumbersNotAllowed => ("a number with a plus sign", "", "remove the `+`"),
        K::BareDecimalPointNumbersNotAllowed => {
            ("a decimal point without digits on both sides", "a number such as 0.5 or 5.0", "")
        }
        K::ExpectedDigit | K::ExpectedDigitFollowingNegativeSign => ("not a number", "a digit", ""),
        K::ExpectedPlusMinusOrDigitInNumberLiteral => ("not a number", "the digits of the exponent", ""),
        K::MultipleRootJsonValues => ("text after the end", "one object and nothing else", ""),
        K::String(S::UnterminatedStringLiteral) => ("a string is not closed", "`\"`", ""),
        K::String(S::InvalidUnicodeEscapeSequence(_)) => {
            ("half of a surrogate pair", "both halves, as in \\ud83d\\ude00", "write the character itself")
        }
        K::String(S::ExpectedFourHexDigits) => {
            ("an escape \\u without its digits", "four hexadecimal digits", "")
        }
        K::String(_) => (
            "an escape that JSON does not know",
            "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
            "a backslash itself is written \\\\",
        ),
        _ => match word.trim_start_matches('-') {
            "NaN" | "nan" | "Infinity" | "inf" | "Inf" => ("not a finite number", "a number", ""),
            "True" | "False" | "None" => ("a word without quotes", VALUE, "JSON knows true, false and null"),
            "" => ("not a value", VALUE, ""),
            _ => ("a word without quotes", VALUE, ""),
        },
    };
    let span = match kind {
        // The whole rest of the file would be underlined; its first character is where to look.
        K::UnterminatedArray
        | K::UnterminatedObject
        | K::UnterminatedCommentBlock
        | K::String(S::UnterminatedStringLiteral) => span.start..span.start + 1,
        _ => span.start..span.end.max(span.start + word.len()),
    };
    let place = text.get(span.clone()).map_or("", str::trim);
    let mut mistake = Diagnostic::new(span, title);
    mistake.found = (!place.is_empty()).then(|| format!("`{}`", shorten(place)));
    mistake.expected = (!expected.is_empty()).then(|| expected.to_owned());
    mistake.hint = (!hint.is_empty()).then(|| hint.to_owned());
    mistake
}

/// Where a part of a string stands in the file: `part` counts bytes of the string with its escapes
/// resolved, `string` is the span of the literal with its quotes.
pub(super) fn place_in_string(text: &str, string: &Range<usize>, part: &Range<usize>) -> Range<usize> {
    let inside = string.start + 1..string.end.saturating_sub(1).max(string.start + 1);
    let Some(raw) = text.get(inside.clone()) else {
        return string.clone();
    };
    // Walk the characters of the literal; `decoded` counts the bytes that they stand for.
    let (mut start, mut end) = (None, None);
    let mut decoded = 0;
    let mut at = 0;
    while at < raw.len() {
        let (taken, stands_for) = escape_length(&raw[at..]);
        let next = decoded + stands_for;
        if start.is_none() && part.start < next {
            start = Some(inside.start + at);
        }
        if part.end <= decoded && end.is_none() && start.is_some() {
            end = Some(inside.start + at);
        }
        decoded = next;
        at += taken;
    }
    let start = start.unwrap_or(inside.end);
    let end = end.unwrap_or(inside.end).max(start);
    // An empty place is a point; underline the character that follows it (at worst the quote).
    if start == end {
        let width = text[start..].chars().next().map_or(0, char::len_utf8);
        start..start + width
    } else {
        start..end
    }
}

/// Bytes that the first character of a literal takes in the file, and bytes that it stands for.
fn escape_length(raw: &str) -> (usize, usize) {
    let unit = |s: &str| s.get(2..6).and_then(|h| u32::from_str_radix(h, 16).ok());
    let mut chars = raw.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some('u')) => match unit(raw) {
            Some(0xd800..=0xdbff) => (12.min(raw.len()), 4),
            Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
            None => (raw.len(), 1),
        },
        (Some('\\'), Some(c)) => (1 + c.len_utf8(), 1),
        (Some(c), _) => (c.len_utf8(), c.len_utf8()),
        (None, _) => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(node: &Node) -> serde_json::Value {
        match &node.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(b) => (*b).into(),
            Kind::Number(n) => n.parse::<f64>().unwrap().into(),
            Kind::String(s) => s.clone().into(),
            Kind::Array(a) => a.iter().map(resolve).collect(),
            Kind::Object(o) => o.iter().map(|m| (m.key.clone(), resolve(&m.value))).collect(),
        }
    }

    /// Numbers as floats, as `resolve` has them.
    fn floats(value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as V;
        match value {
            V::Number(n) => n.as_f64().unwrap().into(),
            V::Array(a) => a.into_iter().map(floats).collect(),
            V::Object(o) => o.into_iter().map(|(k, v)| (k, floats(v))).collect(),
            other => other,
        }
    }

    #[test]
    fn accepts_and_reads_what_serde_json_does() {
        // An independent strict parser is the oracle, on fragments that probe every leniency.
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\\n\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "1",
            "-0",
            "01",
            "+1",
            "1e5",
            "1.",
            ".5",
            "1e",
            "0x1",
            "NaN",
            "Infinity",
            "-Infinity",
            "true",
            "truex",
            "null",
            "'a'",
            "//c\n",
            "/*c*/",
            " ",
            "\n",
            "\u{b}",
            "\u{a0}",
            "\t",
            "\"\t\"",
            "\"",
            "\\",
            "\"\\x41\"",
            "\"\\'\"",
            "k",
            "é",
            "\"é\"",
            "\u{feff}",
            "\u{0}",
            "\u{7f}",
            "\"\u{7f}\"",
        ];
        let mut state = 1u64;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..60_000 {
            let text = if round % 2 == 0 {
                let n = 1 + next(6);
                (0..n).map(|_| pieces[next(pieces.len())]).collect::<String>()
            } else {
                let piece = |next: &mut dyn FnMut(usize) -> usize| pieces[next(pieces.len())];
                let (a, b, c) = (piece(&mut next), piece(&mut next), piece(&mut next));
                format!("{{\"k\":{a}{b},\"l\":[{c}]}}")
            };
            let ours = parse(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (&ours, theirs) {
                (Ok(node), Ok(value)) => {
                    accepted += 1;
                    assert_eq!(resolve(node), floats(value), "{text:?}");
                }
                (Err(_), Err(_)) => refused += 1,
                // Whether a number is too large is for the reader to say.
                (Ok(_), Err(e)) if e.to_string().contains("number out of range") => {}
                (ours, theirs) => panic!("{text:?}: ours {ours:?}, theirs {theirs:?}"),
            }
        }
        assert!(accepted > 1000 && refused > 1000, "{accepted} {refused}");
    }

    #[test]
    fn places_in_strings_allow_for_escapes() {
        let text = r#"["a\u00e9b\n\ud83d\ude00+c"]"#;
        let node = parse(text).unwrap();
        let Kind::Array(items) = &node.kind else { panic!() };
        let Kind::String(value) = &items[0].kind else { panic!() };
        for (i, c) in value.char_indices() {
            let place = place_in_string(text, &items[0].span, &(i..i + c.len_utf8()));
            let expected = match c {
                'é' => "\\u00e9".to_owned(),
                '\n' => "\\n".to_owned(),
                '😀' => "\\ud83d\\ude00".to_owned(),
                c => c.to_string(),
            };
            assert_eq!(&text[place], expected);
        }
        let end = place_in_string(text, &items[0].span, &(value.len()..value.len()));
        assert_eq!(&text[end], "\"");
        let far = place_in_string(text, &items[0].span, &(900..1000));
        assert_eq!(&text[far], "\"");
    }

    #[test]
    fn bombs_are_refused_before_parsing() {
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            let bomb = open.repeat(200_000);
            assert!(parse(&bomb).unwrap_err().title.contains("nested too deeply"));
        }
        let large = " ".repeat(MAX_BYTES + 1);
        assert!(parse(&large).unwrap_err().title.contains("too large"));
        let deepest = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(parse(&deepest).is_ok());
    }
}
