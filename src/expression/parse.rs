//! From source text to a program: recursive descent, one token of lookahead, errors with positions.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = signed { ("*" | "/") signed }
//! signed  = ("-" | "+") signed | power
//! power   = value [ "^" signed ]
//! value   = number | name | name "(" sum { "," sum } ")" | "(" sum ")"
//! ```

use super::error::ExpressionError;
use super::program::{Binary, DEEPEST, Instruction, Number, Operand, Program, Unary};
use std::ops::Range;

/// Longest source, in bytes.
pub(super) const LONGEST: usize = 4096;

/// Deepest nesting of parentheses, calls, signs and exponents.
pub(super) const NESTING: usize = 64;

const A_VALUE: &str = "a number, a name or `(`";
const AN_OPERATOR: &str = "an operator or the end of the expression";

/// A function of the language.
#[derive(Clone, Copy)]
enum Function {
    One(Unary),
    Two(Binary),
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("exp", Function::One(Unary::Exp)),
    ("ln", Function::One(Unary::Ln)),
    ("log10", Function::One(Unary::Log10)),
    ("sqrt", Function::One(Unary::Sqrt)),
    ("abs", Function::One(Unary::Abs)),
    ("sin", Function::One(Unary::Sin)),
    ("cos", Function::One(Unary::Cos)),
    ("tan", Function::One(Unary::Tan)),
    ("sinh", Function::One(Unary::Sinh)),
    ("cosh", Function::One(Unary::Cosh)),
    ("tanh", Function::One(Unary::Tanh)),
    ("atan", Function::One(Unary::Atan)),
    ("erf", Function::One(Unary::Erf)),
    ("step", Function::One(Unary::Step)),
    ("min", Function::Two(Binary::Min)),
    ("max", Function::Two(Binary::Max)),
    ("pow", Function::Two(Binary::Power)),
];

const CONSTANTS: &[(&str, f64)] = &[("pi", std::f64::consts::PI), ("e", std::f64::consts::E)];

/// Names from other languages, with what to write here.
const FOREIGN: &[(&str, &str)] = &[
    ("log", "the natural logarithm is `ln`, the decimal one `log10`"),
    ("lg", "the decimal logarithm is `log10`"),
    ("arctan", "write `atan`"),
    ("fabs", "write `abs`"),
    ("heaviside", "write `step`"),
    ("theta", "the unit step is `step`"),
    ("power", "write `pow(a, b)` or `a^b`"),
    ("sqr", "write `^2` for the square, `sqrt` for the root"),
    ("cbrt", "write `^(1/3)`"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Number(f64),
    Name(&'a str),
    Symbol(char),
    End,
}

/// Compiles a source text.
pub(super) fn parse(
    source: &str,
    variables: &[&str],
    parameters: &[(String, f64)],
) -> Result<Program, ExpressionError> {
    if source.len() > LONGEST {
        return Err(ExpressionError {
            span: 0..source.len(),
            message: "the expression is too long".into(),
            expected: format!("at most {LONGEST} bytes"),
            found: format!("{} bytes", source.len()),
            hint: None,
        });
    }
    let mut parser = Parser {
        source,
        variables,
        parameters,
        token: Token::End,
        span: 0..0,
        end: 0,
        nesting: 0,
        code: Vec::new(),
    };
    parser.advance()?;
    if parser.token == Token::End {
        return Err(ExpressionError {
            span: 0..source.len(),
            message: "the expression is empty".into(),
            expected: A_VALUE.into(),
            found: "nothing".into(),
            hint: None,
        });
    }
    let result = parser.sum()?;
    if parser.token != Token::End {
        return Err(parser.after_value(None));
    }
    if result != Operand::Top {
        parser.code.push(Instruction::Load(result));
    }
    Program::new(parser.code).ok_or_else(|| ExpressionError {
        span: 0..source.len(),
        message: "the expression is too intricate".into(),
        expected: format!("at most {DEEPEST} intermediate results that wait for each other"),
        found: "more".into(),
        hint: Some("split it, or reorder it so that the longest part comes first".into()),
    })
}

struct Parser<'a> {
    source: &'a str,
    variables: &'a [&'a str],
    parameters: &'a [(String, f64)],
    /// The token ahead and its place.
    token: Token<'a>,
    span: Range<usize>,
    /// Where the last token that was consumed ends.
    end: usize,
    nesting: usize,
    code: Vec<Instruction>,
}

type Parsed = Result<Operand, ExpressionError>;

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Parsed {
        let start = self.span.start;
        let mut left = self.product()?;
        loop {
            let operation = match self.token {
                Token::Symbol('+') => Binary::Add,
                Token::Symbol('-') => Binary::Subtract,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.product()?;
            left = self.emit_binary(operation, left, right, start)?;
        }
    }

    fn product(&mut self) -> Parsed {
        let start = self.span.start;
        let mut left = self.signed()?;
        loop {
            let operation = match self.token {
                Token::Symbol('*') => Binary::Multiply,
                Token::Symbol('/') => Binary::Divide,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.signed()?;
            left = self.emit_binary(operation, left, right, start)?;
        }
    }

    fn signed(&mut self) -> Parsed {
        let start = self.span.start;
        let negative = match self.token {
            Token::Symbol('-') => true,
            Token::Symbol('+') => false,
            _ => return self.power(),
        };
        self.nested(|parser| {
            parser.advance()?;
            let value = parser.signed()?;
            if negative { parser.emit_unary(Unary::Negate, value, start) } else { Ok(value) }
        })
    }

    fn power(&mut self) -> Parsed {
        let start = self.span.start;
        let base = self.value()?;
        if self.token != Token::Symbol('^') {
            return Ok(base);
        }
        self.nested(|parser| {
            parser.advance()?;
            let exponent = parser.signed()?;
            parser.emit_power(base, exponent, start)
        })
    }

    fn value(&mut self) -> Parsed {
        let span = self.span.clone();
        match self.token {
            Token::Number(value) => {
                self.advance()?;
                Ok(Operand::Constant(value))
            }
            Token::Name(name) => {
                self.advance()?;
                self.named(name, span)
            }
            Token::Symbol('(') => self.nested(|parser| {
                parser.advance()?;
                let value = parser.sum()?;
                if parser.token != Token::Symbol(')') {
                    return Err(parser.after_value(Some(span)));
                }
                parser.advance()?;
                Ok(value)
            }),
            _ => Err(self.no_value()),
        }
    }

    fn named(&mut self, name: &'a str, span: Range<usize>) -> Parsed {
        let called = self.token == Token::Symbol('(');
        let function = FUNCTIONS.iter().find(|(known, _)| *known == name);
        if let (true, Some(&(_, function))) = (called, function) {
            return self.nested(|parser| parser.call(name, function, span));
        }
        if let Some(index) = self.variables.iter().position(|known| *known == name) {
            return Ok(Operand::Variable(index));
        }
        if let Some((_, value)) = self.parameters.iter().find(|(known, _)| known == name) {
            if value.is_finite() {
                return Ok(Operand::Constant(*value));
            }
            return Err(ExpressionError {
                span,
                message: format!("parameter `{name}` is not a finite number"),
                expected: "a finite number".into(),
                found: value.to_string(),
                hint: None,
            });
        }
        if let Some((_, value)) = CONSTANTS.iter().find(|(known, _)| *known == name) {
            return Ok(Operand::Constant(*value));
        }
        if function.is_some() {
            return Err(ExpressionError {
                span,
                message: format!("`{name}` is a function and needs an argument"),
                expected: format!("`{name}(`"),
                found: self.describe(),
                hint: Some(format!("write the argument in parentheses: `{name}(...)`")),
            });
        }
        Err(self.unknown(name, span, called))
    }

    fn call(&mut self, name: &str, function: Function, span: Range<usize>) -> Parsed {
        let open = self.span.clone();
        self.advance()?;
        let mut arguments = Vec::new();
        if self.token != Token::Symbol(')') {
            loop {
                arguments.push(self.sum()?);
                match self.token {
                    Token::Symbol(',') => self.advance()?,
                    Token::Symbol(')') => break,
                    _ => return Err(self.after_value(Some(open))),
                }
            }
        }
        self.advance()?;
        match (function, &arguments[..]) {
            (Function::One(f), &[a]) => self.emit_unary(f, a, span.start),
            (Function::Two(Binary::Power), &[a, b]) => self.emit_power(a, b, span.start),
            (Function::Two(f), &[a, b]) => self.emit_binary(f, a, b, span.start),
            _ => {
                let count = |n: usize| match n {
                    0 => "no argument".to_owned(),
                    1 => "1 argument".to_owned(),
                    n => format!("{n} arguments"),
                };
                let wanted = match function {
                    Function::One(_) => 1,
                    Function::Two(_) => 2,
                };
                let decimal_comma = wanted == 1 && arguments.len() == 2;
                Err(ExpressionError {
                    span: span.start..self.end,
                    message: format!("`{name}` takes {}", count(wanted)),
                    expected: count(wanted),
                    found: count(arguments.len()),
                    hint: decimal_comma.then(|| "decimals are written with a point: `1.5`".to_owned()),
                })
            }
        }
    }

    /// Runs one level deeper; the limit keeps the recursion far from the end of the stack.
    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting == NESTING {
            return Err(ExpressionError {
                span: self.span.clone(),
                message: "the expression is nested too deeply".into(),
                expected: format!("at most {NESTING} levels of parentheses, signs and exponents"),
                found: "one more".into(),
                hint: None,
            });
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    fn emit_unary(&mut self, function: Unary, a: Operand, start: usize) -> Parsed {
        if let Operand::Constant(value) = a {
            return self.fold(value.unary(function), start);
        }
        self.code.push(Instruction::Unary(function, a));
        Ok(Operand::Top)
    }

    fn emit_binary(&mut self, function: Binary, a: Operand, b: Operand, start: usize) -> Parsed {
        match (function, a, b) {
            (_, Operand::Constant(a), Operand::Constant(b)) => {
                return self.fold(a.binary(function, b), start);
            }
            (Binary::Divide, _, Operand::Constant(0.0)) => {
                return Err(ExpressionError {
                    span: start..self.end,
                    message: "division by zero".into(),
                    expected: "a divisor other than zero".into(),
                    found: "0".into(),
                    hint: None,
                });
            }
            // The same product, but bounds then know that both factors are one number.
            (Binary::Multiply, Operand::Variable(i), Operand::Variable(j)) if i == j => {
                self.code.push(Instruction::Unary(Unary::Power(2), a));
            }
            _ => self.code.push(Instruction::Binary(function, a, b)),
        }
        Ok(Operand::Top)
    }

    fn emit_power(&mut self, base: Operand, exponent: Operand, start: usize) -> Parsed {
        match exponent {
            Operand::Constant(n) if super::interval::integer(n).is_some() => {
                self.emit_unary(Unary::Power(n as i32), base, start)
            }
            _ => self.emit_binary(Binary::Power, base, exponent, start),
        }
    }

    fn fold(&self, value: f64, start: usize) -> Parsed {
        if value.is_finite() {
            return Ok(Operand::Constant(value));
        }
        let part = &self.source[start..self.end];
        Err(ExpressionError {
            span: start..self.end,
            message: format!("`{part}` has no finite value"),
            expected: "a finite number".into(),
            found: if value.is_nan() { "an undefined one".into() } else { value.to_string() },
            hint: None,
        })
    }

    /// A value should begin at the token ahead.
    fn no_value(&self) -> ExpressionError {
        let before = self.source[..self.end].chars().next_back();
        let hint = match (before, self.token) {
            (Some('*'), Token::Symbol('*')) => Some("powers are written with `^`".to_owned()),
            _ => None,
        };
        let message = match self.token {
            Token::End => "the expression ends too early",
            Token::Symbol(')') if before == Some('(') => "there is nothing between these parentheses",
            _ => "a value is missing",
        };
        self.error(message, A_VALUE, hint)
    }

    /// A complete value is followed by something that cannot follow, inside the parenthesis `open`.
    fn after_value(&self, open: Option<Range<usize>>) -> ExpressionError {
        let expected = if open.is_some() { "an operator or `)`" } else { AN_OPERATOR };
        match (self.token, open) {
            (Token::End, Some(open)) => ExpressionError {
                span: open,
                message: "this parenthesis is never closed".into(),
                expected: "`)`".into(),
                found: self.describe(),
                hint: None,
            },
            (Token::Symbol(')'), _) => self.error("this parenthesis was never opened", AN_OPERATOR, None),
            (Token::Symbol(','), _) => {
                let hint = "decimals are written with a point: `1.5`; commas separate the arguments of `min`, `max` and `pow`";
                self.error("this comma is not between arguments", expected, Some(hint.to_owned()))
            }
            _ => {
                let after_number =
                    self.source[..self.end].ends_with(|c: char| c.is_ascii_digit() || c == '.');
                let hint = match self.token {
                    Token::Number(_) if after_number && self.end == self.span.start => {
                        "a number has one decimal point".to_owned()
                    }
                    _ => format!("multiplication is written out: `* {}`", &self.source[self.span.clone()]),
                };
                self.error("two values stand side by side", expected, Some(hint))
            }
        }
    }

    fn unknown(&self, name: &str, span: Range<usize>, called: bool) -> ExpressionError {
        let functions = FUNCTIONS.iter().map(|(known, _)| *known);
        let values = self
            .variables
            .iter()
            .copied()
            .chain(self.parameters.iter().map(|(known, _)| known.as_str()))
            .chain(CONSTANTS.iter().map(|(known, _)| *known));
        let (kind, known): (_, Vec<&str>) =
            if called { ("function", functions.collect()) } else { ("name", values.collect()) };
        let foreign = FOREIGN.iter().find(|(foreign, _)| called && foreign.eq_ignore_ascii_case(name));
        let hint = match foreign {
            Some((_, hint)) => Some((*hint).to_owned()),
            None => nearest(name, &known).map(|near| format!("did you mean `{near}`?")),
        };
        let list: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
        ExpressionError {
            span,
            message: format!("unknown {kind} `{name}`"),
            expected: format!("one of {}", list.join(", ")),
            found: format!("`{name}`"),
            hint,
        }
    }

    fn error(&self, message: &str, expected: &str, hint: Option<String>) -> ExpressionError {
        ExpressionError {
            span: self.span.clone(),
            message: message.into(),
            expected: expected.into(),
            found: self.describe(),
            hint,
        }
    }

    /// The token ahead, in words.
    fn describe(&self) -> String {
        match self.token {
            Token::End => "the end of the expression".into(),
            _ => format!("`{}`", &self.source[self.span.clone()]),
        }
    }

    /// Consumes the token ahead and reads the next one.
    fn advance(&mut self) -> Result<(), ExpressionError> {
        self.end = self.span.end;
        let rest = &self.source[self.end..];
        let text = rest.trim_start();
        let start = self.source.len() - text.len();
        let Some(first) = text.chars().next() else {
            (self.token, self.span) = (Token::End, start..start);
            return Ok(());
        };
        let length = match first {
            '0'..='9' | '.' => number_length(text),
            c if begins_name(c) => text.find(|c: char| !continues_name(c)).unwrap_or(text.len()),
            c => c.len_utf8(),
        };
        self.span = start..start + length;
        let token = &text[..length];
        self.token = match first {
            '0'..='9' | '.' => Token::Number(self.number(token)?),
            c if begins_name(c) => Token::Name(token),
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | ',' => Token::Symbol(first),
            other => return Err(self.unexpected(other)),
        };
        Ok(())
    }

    fn number(&self, text: &str) -> Result<f64, ExpressionError> {
        let (message, expected) = match text.parse::<f64>() {
            Ok(value) if value.is_finite() => return Ok(value),
            Ok(_) => ("this number is too large", "a number below 1.8e308"),
            Err(_) => ("this is not a number", "digits"),
        };
        Err(ExpressionError {
            span: self.span.clone(),
            message: message.into(),
            expected: expected.into(),
            found: format!("`{text}`"),
            hint: None,
        })
    }

    fn unexpected(&self, c: char) -> ExpressionError {
        let hint = match c {
            '−' | '–' | '—' => Some("write `-`"),
            '×' | '·' | '⋅' | '∙' => Some("write `*`"),
            '÷' | ':' => Some("write `/`"),
            '²' => Some("write `^2`"),
            '³' => Some("write `^3`"),
            '[' | '{' => Some("write `(`"),
            ']' | '}' => Some("write `)`"),
            '<' | '>' | '=' | '?' | '!' | '&' | '|' => {
                Some("comparisons can be written with `step`, `min` or `max`")
            }
            _ => None,
        };
        ExpressionError {
            span: self.span.clone(),
            message: "this character has no meaning here".into(),
            expected: "a number, a name, an operator or a parenthesis".into(),
            found: format!("`{}`", c.escape_debug()),
            hint: hint.map(str::to_owned),
        }
    }
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit()
}

/// Length of the number at the beginning of a text: digits, at most one point, and an exponent if it
/// is complete, so that in `2e` the constant `e` is seen.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

/// The known name that is most like `name`, if it is like enough.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = if name.chars().count() <= 2 { 1 } else { 2 };
    known
        .iter()
        .map(|k| (if k.eq_ignore_ascii_case(name) { 0 } else { edits(name, k) }, *k))
        // A name of which no letter is left is no likeness.
        .filter(|(distance, k)| *distance <= allowed && *distance < k.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// Fewest insertions, deletions and replacements that make one text the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
