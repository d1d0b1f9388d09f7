//! The expression language against an independent oracle, and its bounds against random samples.

use soret::expression::{Expression, Interval};

/// One line of `tests/data/expressions.csv`, which `scripts/oracle_expressions.py` writes.
struct Row {
    expression: Expression,
    variables: Vec<f64>,
    value: f64,
    derivative: Option<f64>,
}

fn pairs(text: &str) -> Vec<(String, f64)> {
    let pair = |p: &str| {
        let (name, value) = p.split_once('=').expect("name=value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    text.split(';').filter(|p| !p.is_empty()).map(pair).collect()
}

fn oracle() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/expressions.csv");
    let mut reader = csv::Reader::from_path(path).expect("the oracle");
    let rows = reader.records().map(|record| {
        let record = record.expect("a record");
        let variables = pairs(&record[1]);
        let names: Vec<&str> = variables.iter().map(|(n, _)| n.as_str()).collect();
        Row {
            expression: Expression::parse(&record[0], &names, &pairs(&record[2])).expect(&record[0]),
            variables: variables.iter().map(|(_, v)| *v).collect(),
            value: record[3].parse().expect("a value"),
            derivative: (!record[4].is_empty()).then(|| record[4].parse().expect("a derivative")),
        }
    });
    rows.collect()
}

/// Off by more than a few roundings, in units of the larger number; `scale` is the size of terms that
/// may cancel.
fn differs(computed: f64, exact: f64, scale: f64) -> bool {
    (computed - exact).abs() > 1e-14 * exact.abs() + 1e-15 * scale + 1e-320
}

#[test]
fn values_and_derivatives_agree_with_forty_digits() {
    let rows = oracle();
    assert!(rows.len() >= 200);
    for row in &rows {
        let (source, x) = (row.expression.source(), &row.variables);
        let (value, derivative) = row.expression.eval_with_derivative(x, 0);
        assert_eq!(value.to_bits(), row.expression.eval(x).to_bits(), "{source} at {x:?}");
        // In these rows a difference of terms of order one nearly or exactly vanishes.
        let cancels = ["cos(x)*sin(y)", "1/cos(x)^2", "abs(x)", "- 1)/(x^2"];
        let scale = if cancels.iter().any(|c| source.contains(c)) { 1.0 } else { 0.0 };
        assert!(!differs(value, row.value, scale), "{source} at {x:?}: {value:e}, not {:e}", row.value);
        if let Some(exact) = row.derivative {
            // A derivative amplifies the rounding of its point by its own slope.
            let scale = scale.max(row.value.abs()).max(1.0);
            assert!(
                !differs(derivative, exact, scale),
                "{source} at {x:?}: slope {derivative:e}, not {exact:e}"
            );
        }
    }
}

#[test]
fn a_wrong_thirteenth_digit_is_noticed() {
    for row in oracle().iter().filter(|row| (1e-300..1e300).contains(&row.value.abs())) {
        assert!(differs(row.value * (1.0 + 1e-13), row.value, 0.0), "{}", row.expression.source());
    }
}

#[test]
fn bounds_at_a_point_contain_the_exact_value_and_are_narrow() {
    for row in oracle() {
        let (source, x) = (row.expression.source(), &row.variables);
        let point: Vec<Interval> = x.iter().map(|&x| Interval::point(x)).collect();
        let bounds = row.expression.eval_bounds(&point);
        if source == "tan(x)" && x[0] == std::f64::consts::FRAC_PI_2 {
            // The nearest double to a pole cannot be told from it.
            assert_eq!(bounds, Interval::whole());
            continue;
        }
        if ["exp(1) + x", "ln(2)*x", "sin(pi/6) + x"].contains(&source) {
            // Bounds take folded constants as they are: doubles, unlike those of the oracle.
            continue;
        }
        // Rounding the oracle to a double is monotone, so it cannot leave the interval.
        assert!(bounds.contains(row.value), "{source} at {x:?}: {:e} outside {bounds:?}", row.value);
        assert!(bounds.contains(row.expression.eval(x)), "{source} at {x:?}");
        let scale = row.value.abs().max(1.0).max(x.iter().fold(0.0, |m: f64, x| m.max(x.abs())));
        // sin and cos of 1e22 are bounded by one only.
        if scale < 1e20 {
            assert!(bounds.width() <= 1e-12 * scale, "{source} at {x:?}: {bounds:?}");
        }
        if let Some(exact) = row.derivative {
            let slopes = row.expression.derivative_bounds(&point, 0);
            assert!(slopes.contains(exact), "{source} at {x:?}: slope {exact:e} outside {slopes:?}");
        }
    }
}

/// A small generator of our own, so that a failure can be repeated from its seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Mostly wide, often narrow, sometimes with an end at a round number.
    fn interval(&mut self) -> Interval {
        let width = 4.0 * 10f64.powi(-(self.below(9) as i32));
        let lo = if self.below(4) == 0 { self.below(5) as f64 - 2.0 } else { 5.0 * self.unit() - 2.5 };
        Interval::new(lo, lo + width * self.unit())
    }
    fn inside(&mut self, x: Interval) -> f64 {
        match self.below(8) {
            0 => x.lo,
            1 => x.hi,
            _ => (x.lo + self.unit() * (x.hi - x.lo)).clamp(x.lo, x.hi),
        }
    }
}

/// Random well-formed source text in `x` and `y`.
fn random_source(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.below(6) == 0 {
        return match random.below(4) {
            0 => format!("{:.2}", 3.0 * random.unit()),
            1 => "y".into(),
            _ => "x".into(),
        };
    }
    let unary = [
        "exp", "ln", "log10", "sqrt", "abs", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf",
        "step",
    ];
    let a = random_source(random, depth - 1);
    let b = random_source(random, depth - 1);
    match random.below(12) {
        0 | 1 => format!("({a} + {b})"),
        2 => format!("({a} - {b})"),
        3 | 4 => format!("({a})*({b})"),
        5 => format!("({a})/({b})"),
        6 => format!("({a})^{}", random.below(6) as i32 - 2),
        7 => format!("({a})^({b})"),
        8 => format!("{}({a}, {b})", ["min", "max"][random.below(2)]),
        _ => format!("{}({a})", unary[random.below(unary.len())]),
    }
}

/// Samples of `count` random expressions on random boxes that lie outside the bounds after `change`,
/// and the number of samples with informative bounds.
fn violations(seed: u64, count: usize, change: impl Fn(Interval) -> Interval) -> (Vec<String>, usize) {
    let mut random = Random(seed);
    let (mut outside, mut informative) = (Vec::new(), 0);
    for _ in 0..count {
        let source = random_source(&mut random, 4);
        // A constant part without a finite value is refused, which is no matter here.
        let Ok(expression) = Expression::parse(&source, &["x", "y"], &[]) else { continue };
        for _ in 0..4 {
            let space = [random.interval(), random.interval()];
            let bounds = expression.eval_bounds(&space);
            if bounds == Interval::whole() {
                continue;
            }
            let bounds = change(bounds);
            for _ in 0..12 {
                informative += 1;
                let point = [random.inside(space[0]), random.inside(space[1])];
                let value = expression.eval(&point);
                if !bounds.contains(value) {
                    outside.push(format!("{source} at {point:?} in {space:?}: {value:e} outside {bounds:?}"));
                }
            }
        }
    }
    (outside, informative)
}

#[test]
fn bounds_contain_every_sample() {
    let (outside, informative) = violations(1, 20_000, |bounds| bounds);
    assert!(outside.is_empty(), "{} violations, first: {}", outside.len(), outside[0]);
    assert!(informative > 300_000, "{informative}");
}

#[test]
fn bounds_that_are_slightly_too_narrow_are_caught() {
    // Each end moves inwards by 0.1 % of the width.
    let (outside, _) = violations(1, 20_000, |b| {
        let cut = 1e-3 * (b.hi - b.lo);
        if cut.is_finite() { Interval { lo: b.lo + cut, hi: b.hi - cut } } else { b }
    });
    assert!(outside.len() > 10_000, "{}", outside.len());
}

#[test]
fn derivative_bounds_contain_every_sampled_slope() {
    let mut random = Random(2);
    let mut informative = 0;
    for _ in 0..20_000 {
        let source = random_source(&mut random, 3);
        let Ok(expression) = Expression::parse(&source, &["x", "y"], &[]) else { continue };
        let space = [random.interval(), random.interval()];
        let slopes = expression.derivative_bounds(&space, 0);
        if !slopes.is_finite() {
            continue;
        }
        // The dual number carries rounding errors of its own, the bounds are those of the exact slope.
        let slack = 1e-9 * (1.0 + slopes.magnitude());
        for _ in 0..8 {
            informative += 1;
            // The bounds are those of the function on the box: at its ends a kink may show the outer side.
            let x = space[0].lo + (0.01 + 0.98 * random.unit()) * (space[0].hi - space[0].lo);
            let point = [x, random.inside(space[1])];
            let slope = expression.eval_with_derivative(&point, 0).1;
            assert!(
                slopes.lo - slack <= slope && slope <= slopes.hi + slack,
                "{source} at {point:?} in {space:?}: {slope:e} outside {slopes:?}"
            );
        }
    }
    assert!(informative > 50_000, "{informative}");
}

#[test]
fn slices_have_the_bits_of_single_values() {
    let mut random = Random(3);
    let x: Vec<f64> = (0..1000).map(|_| 6.0 * random.unit() - 3.0).collect();
    let y: Vec<f64> = (0..1000).map(|_| 6.0 * random.unit() - 3.0).collect();
    for _ in 0..500 {
        let source = random_source(&mut random, 5);
        let Ok(expression) = Expression::parse(&source, &["x", "y"], &[]) else { continue };
        for n in [0, 1, 63, 64, 65, 200] {
            let mut out = vec![0.0; n];
            expression.eval_slice(&[&x, &y], &mut out);
            for (i, value) in out.iter().enumerate() {
                let single = expression.eval(&[x[i], y[i]]);
                let same = value.to_bits() == single.to_bits() || (value.is_nan() && single.is_nan());
                assert!(same, "{source} at {}, {}", x[i], y[i]);
            }
        }
    }
}

#[test]
fn no_text_makes_the_parser_panic_and_spans_are_valid() {
    const PIECES: &[&str] = &[
        "x", "y", "dT", "1", "2.5", "1e3", "e", "1e", "1e-", ".", "..", "+", "-", "*", "/", "^", "(", ")",
        ",", " ", "sin", "min(", "max(x,", "pow", "log(", "ln(", "é", "²", "−", "🦀", "\u{0}", "\n", "step(",
        "abs", "((((((((", "--------", "^^", "1e400", "0", "\u{202e}", "γ", "_", "sqrt(-1)",
    ];
    let parameters = [("dT".to_owned(), 0.8), ("γ".to_owned(), 1.0)];
    let mut random = Random(4);
    let mut accepted = 0;
    for round in 0..100_000 {
        let mut source: String = if round % 2 == 0 {
            (0..random.below(12)).map(|_| PIECES[random.below(PIECES.len())]).collect()
        } else {
            // A correct text with a few characters replaced, removed or inserted.
            let mut text: Vec<char> = random_source(&mut random, 3).chars().collect();
            for _ in 0..random.below(4) {
                let at = random.below(text.len() + 1);
                let piece = PIECES[random.below(PIECES.len())].chars();
                let end = (at + random.below(3)).min(text.len());
                text.splice(at..end, piece);
            }
            text.into_iter().collect()
        };
        if round % 1000 == 0 {
            source = source.repeat(400);
        }
        match Expression::parse(&source, &["x", "y"], &parameters) {
            Ok(expression) => {
                accepted += 1;
                let x = Interval::new(-0.5, 1.5);
                let value = expression.eval_with_derivative(&[0.7, -0.3], 0).0;
                let bounds = expression.eval_bounds(&[x, x]);
                assert!(bounds.lo <= bounds.hi, "{source:?}");
                assert!(value.is_nan() || bounds.contains(value), "{source:?}");
                if round % 100 < 2 {
                    expression.kinks(0, x);
                }
            }
            Err(error) => {
                assert!(source.get(error.span.clone()).is_some(), "{source:?}: {:?}", error.span);
                assert!(!error.message.is_empty() && !error.expected.is_empty() && !error.found.is_empty());
            }
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}
