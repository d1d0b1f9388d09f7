//! Chemical equations as text: `2 M <-> D`, `E + S <-> ES`, `0 -> A`.
//!
//! Two sides, joined by `->` or `<->`; a side is `0` (nothing) or a sum of species, each with an integer
//! before it where more than one takes part (`2 M` and `2M` are the same). Names are letters, digits and
//! `_`, and do not begin with a digit. A species named twice on a side counts twice.

use crate::expression::ExpressionError;
use std::ops::Range;

/// Largest number of particles of one species on a side.
const MOST: u32 = 99;

/// A species on one side of an [`Equation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// How many of it take part, at least 1.
    pub count: u32,
    /// Its name.
    pub name: String,
    /// The bytes of the source where the name stands.
    pub span: Range<usize>,
}

/// A chemical equation that was read, its species not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// What reacts; empty for `0`.
    pub left: Vec<Term>,
    /// What it becomes; empty for `0`.
    pub right: Vec<Term>,
    /// Whether it is written with `<->`.
    pub reversible: bool,
}

impl Equation {
    /// Reads an equation.
    ///
    /// # Errors
    /// The first mistake with its place.
    ///
    /// ```
    /// use soret::model::Equation;
    ///
    /// let dimers = Equation::parse("2 M <-> D")?;
    /// assert_eq!((dimers.left[0].count, dimers.left[0].name.as_str()), (2, "M"));
    /// assert!(dimers.reversible);
    /// let error = Equation::parse("2 M => D").unwrap_err();
    /// assert_eq!(error.span, 4..6);
    /// # Ok::<(), soret::expression::ExpressionError>(())
    /// ```
    pub fn parse(source: &str) -> Result<Equation, ExpressionError> {
        let mut reader = Reader { source, at: 0 };
        let left = reader.side()?;
        let reversible = reader.arrow()?;
        let right = reader.side()?;
        let rest = reader.peek();
        if !rest.is_empty() {
            let expected = "`+` or the end of the equation";
            let hint =
                is_arrow(&source[rest.clone()]).then(|| "write one equation for every step".to_owned());
            return Err(reader.mistake(rest, "the equation goes on after its right side", expected, hint));
        }
        if left.is_empty() && right.is_empty() {
            let message = "nothing becomes nothing";
            return Err(reader.mistake(0..source.len(), message, "a species on one side", None));
        }
        Ok(Equation { left, right, reversible })
    }
}

/// Whether a piece of text is meant as an arrow.
fn is_arrow(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| "<>=-~→←↔⇌⇒⇔".contains(c))
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn side(&mut self) -> Result<Vec<Term>, ExpressionError> {
        let start = self.peek();
        if &self.source[start.clone()] == "0" {
            self.at = start.end;
            return Ok(Vec::new());
        }
        let mut terms = Vec::new();
        loop {
            terms.push(self.term()?);
            let next = self.peek();
            if &self.source[next.clone()] != "+" {
                return Ok(terms);
            }
            self.at = next.end;
        }
    }

    fn term(&mut self) -> Result<Term, ExpressionError> {
        let mut token = self.peek();
        let mut count = 1;
        if self.source[token.clone()].starts_with(|c: char| c.is_ascii_digit()) {
            let read = self.source[token.clone()].parse().ok();
            count = read.filter(|n| (1..=MOST).contains(n)).ok_or_else(|| {
                let expected = format!("an integer from 1 to {MOST}");
                let hint =
                    (&self.source[token.clone()] == "0").then(|| "`0` stands alone on its side".into());
                self.mistake(token.clone(), "this many cannot take part", &expected, hint)
            })?;
            self.at = token.end;
            token = self.peek();
        }
        let name = &self.source[token.clone()];
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let hint = (name == "*").then(|| "a space is enough: `2 M`".to_owned());
            return Err(self.mistake(token.clone(), "a species is missing", "the name of a species", hint));
        }
        self.at = token.end;
        Ok(Term { count, name: name.to_owned(), span: token })
    }

    /// Whether the arrow points both ways.
    fn arrow(&mut self) -> Result<bool, ExpressionError> {
        let token = self.peek();
        let reversible = match &self.source[token.clone()] {
            "->" => false,
            "<->" => true,
            other => {
                let hint = match other {
                    _ if !is_arrow(other) => None,
                    "<-" | "←" | "<=" | "<--" => Some("write what reacts on the left".to_owned()),
                    "→" | "=>" | "⇒" | "-->" => Some("write `->`".to_owned()),
                    _ => Some("write `<->`".to_owned()),
                };
                let message = "the two sides are joined by an arrow";
                return Err(self.mistake(token, message, "`+`, `->` or `<->`", hint));
            }
        };
        self.at = token.end;
        Ok(reversible)
    }

    /// The bytes of the next token; empty at the end.
    fn peek(&self) -> Range<usize> {
        let rest = &self.source[self.at..];
        let start = self.at + (rest.len() - rest.trim_start().len());
        let rest = &self.source[start..];
        let Some(first) = rest.chars().next() else { return start..start };
        let while_all = |of: &dyn Fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
        let length = if first.is_ascii_digit() {
            while_all(&|c| c.is_ascii_digit() || c == '.')
        } else if first.is_alphabetic() || first == '_' {
            while_all(&|c| c.is_alphanumeric() || c == '_')
        } else if is_arrow(&first.to_string()) {
            while_all(&|c| is_arrow(&c.to_string()))
        } else {
            first.len_utf8()
        };
        start..start + length
    }

    fn mistake(
        &self,
        span: Range<usize>,
        message: &str,
        expected: &str,
        hint: Option<String>,
    ) -> ExpressionError {
        let found = match &self.source[span.clone()] {
            "" => "the end".to_owned(),
            text => format!("`{text}`"),
        };
        ExpressionError { span, message: message.to_owned(), expected: expected.to_owned(), found, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Side = Vec<(u32, String)>;

    fn read(source: &str) -> (Side, Side, bool) {
        let e = Equation::parse(source).expect(source);
        let plain = |side: Vec<Term>| side.into_iter().map(|t| (t.count, t.name)).collect();
        (plain(e.left), plain(e.right), e.reversible)
    }

    fn of(terms: &[(u32, &str)]) -> Side {
        terms.iter().map(|(n, s)| (*n, (*s).to_owned())).collect()
    }

    #[test]
    fn equations_are_read() {
        assert_eq!(read("2 M <-> D"), (of(&[(2, "M")]), of(&[(1, "D")]), true));
        assert_eq!(read("2M<->D"), (of(&[(2, "M")]), of(&[(1, "D")]), true));
        assert_eq!(read("E + S <-> ES"), (of(&[(1, "E"), (1, "S")]), of(&[(1, "ES")]), true));
        assert_eq!(read(" 0 -> A "), (of(&[]), of(&[(1, "A")]), false));
        assert_eq!(read("A_1 -> 0"), (of(&[(1, "A_1")]), of(&[]), false));
        assert_eq!(read("β + β -> 3 γ2"), (of(&[(1, "β"), (1, "β")]), of(&[(3, "γ2")]), false));
        assert_eq!(Equation::parse("E + S -> ES").unwrap().left[1].span, 4..5);
    }

    #[test]
    fn mistakes_have_their_places() {
        for (source, span, hint) in [
            ("", 0..0, None),
            ("2 M", 3..3, None),
            ("2 M <-> ", 8..8, None),
            ("2 M = D", 4..5, Some("write `<->`")),
            ("2 M → D", 4..7, Some("write `->`")),
            ("D <- 2 M", 2..4, Some("write what reacts on the left")),
            ("A -> B -> C", 7..9, Some("write one equation for every step")),
            ("2 * M -> D", 2..3, Some("a space is enough: `2 M`")),
            ("1.5 M -> D", 0..3, None),
            ("100 M -> D", 0..3, None),
            ("0 M -> D", 2..3, None),
            ("A + 0 -> D", 4..5, Some("`0` stands alone on its side")),
            ("A + -> D", 4..6, None),
            ("A B -> D", 2..3, None),
            ("0 -> 0", 0..6, None),
            ("A -> B, C", 6..7, None),
        ] {
            let error = Equation::parse(source).expect_err(source);
            assert_eq!((error.span.clone(), error.hint.as_deref()), (span, hint), "{source}: {error}");
            assert!(!error.message.is_empty() && !error.expected.is_empty());
        }
    }
}
