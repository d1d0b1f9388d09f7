//! Properties of single parts; values, random bounds and random texts are tested in `tests/theory/expression.rs`.

use super::{Expression, Interval};

fn parse(source: &str) -> Expression {
    Expression::parse(source, &["x", "y"], &[("dT".to_owned(), 0.8)]).expect(source)
}

fn bounds(source: &str, lo: f64, hi: f64) -> Interval {
    parse(source).eval_bounds(&[Interval::new(lo, hi), Interval::new(0.0, 1.0)])
}

/// Source, text under the span, part of the message, part of "found", part of the hint.
const MISTAKES: &[(&str, &str, &str, &str, &str)] = &[
    ("", "", "empty", "nothing", ""),
    ("  ", "  ", "empty", "nothing", ""),
    ("1 +", "", "ends too early", "the end", ""),
    ("1 + * 2", "*", "a value is missing", "`*`", ""),
    ("2 ** x", "*", "a value is missing", "`*`", "`^`"),
    ("2 x", "x", "side by side", "`x`", "* x"),
    ("2e", "e", "side by side", "`e`", "* e"),
    ("x(1)", "(", "side by side", "`(`", "* ("),
    ("(1)(2)", "(", "side by side", "`(`", "* ("),
    ("1.2.3", ".3", "side by side", "`.3`", "one decimal point"),
    ("1,5", ",", "comma", "`,`", "1.5"),
    ("(1, 2)", ",", "comma", "`,`", "1.5"),
    ("(1 + (2 * 3)", "(", "never closed", "the end", ""),
    ("sin(x", "(", "never closed", "the end", ""),
    ("1 + 2)", ")", "never opened", "`)`", ""),
    ("()", ")", "nothing between", "`)`", ""),
    (")", ")", "value is missing", "`)`", ""),
    ("log(x)", "log", "unknown function `log`", "`log`", "`ln`"),
    ("Sin(x)", "Sin", "unknown function", "`Sin`", "`sin`"),
    ("sqt(x)", "sqt", "unknown function", "`sqt`", "`sqrt`"),
    ("1 + dt*x", "dt", "unknown name `dt`", "`dt`", "`dT`"),
    ("zzz", "zzz", "unknown name", "`zzz`", ""),
    ("x²", "²", "no meaning", "`²`", "^2"),
    ("3 − x", "−", "no meaning", "`−`", "`-`"),
    ("x < 1", "<", "no meaning", "`<`", "step"),
    ("x # y", "#", "no meaning", "`#`", ""),
    ("🦀", "🦀", "no meaning", "`🦀`", ""),
    ("sin", "sin", "is a function", "the end", "sin("),
    ("sin + 1", "sin", "is a function", "`+`", "sin("),
    ("sin()", "sin()", "takes 1 argument", "no argument", ""),
    ("sin(1,5)", "sin(1,5)", "takes 1 argument", "2 arguments", "1.5"),
    ("1 + min(x)*2", "min(x)", "takes 2 arguments", "1 argument", ""),
    ("max(x, 1, 2)", "max(x, 1, 2)", "takes 2 arguments", "3 arguments", ""),
    ("max(x,)", ")", "a value is missing", "`)`", ""),
    ("1e999", "1e999", "too large", "`1e999`", ""),
    (".", ".", "not a number", "`.`", ""),
    ("x + ln(-1)", "ln(-1)", "no finite value", "undefined", ""),
    ("1/0", "1/0", "no finite value", "inf", ""),
    ("x + x/0", "x/0", "division by zero", "0", ""),
    ("x*(0^-1)", "0^-1", "no finite value", "inf", ""),
];

#[test]
fn mistakes_are_explained_at_their_place() {
    for &(source, under, message, found, hint) in MISTAKES {
        let error = Expression::parse(source, &["x", "y"], &[("dT".to_owned(), 0.8)]).expect_err(source);
        assert_eq!(&source[error.span.clone()], under, "{source:?}: {error}");
        assert!(error.message.contains(message), "{source:?}: {error}");
        assert!(error.found.contains(found), "{source:?}: {error}");
        assert_eq!(error.hint.is_some(), !hint.is_empty(), "{source:?}: {error}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{source:?}: {error}");
        assert!(!error.expected.is_empty());
        assert!(error.to_string().contains("expected"));
    }
}

#[test]
fn the_first_of_two_equal_marks_is_pointed_at() {
    let error = Expression::parse("(1 + (2 * 3)", &[], &[]).unwrap_err();
    assert_eq!(error.span, 0..1);
    let error = Expression::parse("1 +", &[], &[]).unwrap_err();
    assert_eq!(error.span, 3..3);
    let error = Expression::parse("a*x", &["x"], &[("a".to_owned(), f64::NAN)]).unwrap_err();
    assert_eq!((error.span, error.found.as_str()), (0..1, "NaN"));
}

#[test]
fn limits_are_errors() {
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    assert!(Expression::parse(&nested(64), &["x"], &[]).is_ok());
    for source in [nested(65), nested(2000), "-".repeat(4000), "2^".repeat(2000) + "x", "sin(".repeat(1000)] {
        let error = Expression::parse(&source, &["x"], &[]).unwrap_err();
        assert!(error.message.contains("nested"), "{error}");
    }
    let error = Expression::parse(&"x+".repeat(3000), &["x"], &[]).unwrap_err();
    assert!(error.message.contains("too long"));
    // Many terms are no nesting.
    assert!(Expression::parse(&("x".to_owned() + &"+x".repeat(2000)), &["x"], &[]).is_ok());
    // Two waiting results for each level.
    let waiting = "x*y+(x+y)*(".repeat(40) + "x" + &")".repeat(40);
    let error = Expression::parse(&waiting, &["x", "y"], &[]).unwrap_err();
    assert!(error.message.contains("intricate"), "{error}");
}

#[test]
fn names_and_constants() {
    let own = Expression::parse("e + pi", &["e"], &[("pi".to_owned(), 3.0)]).unwrap();
    assert_eq!(own.eval(&[1.0]), 4.0);
    assert_eq!(parse("2*3 + dT").constant(), Some(6.8));
    assert_eq!(parse("0*x").constant(), None);
    assert_eq!(parse("  1 + y ").source(), "  1 + y ");
    assert!(parse("1 + y").reads(1) && !parse("1 + y").reads(0));
    assert_eq!(parse("x+1"), parse("x+1"));
    assert_ne!(parse("x+1"), parse("x+2"));
}

#[test]
fn undefined_arguments_are_not_hidden() {
    for source in ["min(1, ln(x))", "max(1, sqrt(x))", "step(x^0.5)", "ln(x)^0", "min(x/y - x/y, 1)"] {
        assert!(parse(source).eval(&[-1.0, 0.0]).is_nan() || source.ends_with("^0"), "{source}");
    }
    // Every one of these would look harmless if only the intervals were followed.
    for source in [
        "min(2, ln(x))",
        "1 + max(1, min(2, ln(x)))",
        "2 + tanh(ln(x))",
        "2 + sin(1/x)",
        "2 + step(sqrt(x))",
        "1 + exp(-abs(ln(x)))/2",
        "3 + atan(tan(2*x))",
        "1 + abs(x)^x",
        "2 + tanh(x^-1)",
        "2 + erf((x - 0.1)^0.5)",
        "ln(x)^0",
        "1 + 0*exp(1000*x)",
        "2 + tanh(exp(1000*x) - exp(1000*x))",
        "2 + cos(exp(1000*x))",
        "2 + tanh(exp(1000*x)/exp(900*x))",
    ] {
        assert_eq!(bounds(source, -1.0, 1.0), Interval::whole(), "{source}");
    }
}

#[test]
fn overflow_on_the_way_is_no_doubt() {
    let fermi = bounds("1 + 1/(1 + exp(1000*x))", 0.0, 1.0);
    assert!(fermi.lo >= 1.0 && fermi.hi < 1.500_001, "{fermi:?}");
    assert_eq!(bounds("exp(1000*x)", 0.0, 1.0).hi, f64::INFINITY);
}

#[test]
fn bounds_cover_rounding_that_cancellation_magnifies() {
    // The real function is x, and at both ends it is computed exactly: by monotonicity alone the bounds
    // would be [2, 4]. In between computed values leave them.
    let source = "2*((x + 1e16) - 1e16) - x";
    let bounds = bounds(source, 2.0, 4.0);
    assert_eq!((parse(source).eval(&[2.0, 0.0]), parse(source).eval(&[4.0, 0.0])), (2.0, 4.0));
    let computed = parse(source).eval(&[2.9, 0.0]);
    assert!(computed < 1.2, "the example must be one of cancellation");
    assert!(bounds.contains(computed) && bounds.lo > -10.0 && bounds.hi < 16.0, "{bounds:?}");
}

#[test]
fn excess_shrinks_with_the_square_of_the_width() {
    // Around a maximum, where monotonicity does not help; x occurs five times.
    let expression = parse("x*exp(-x)*(2 - x) + sin(3*x)*x");
    let excess = |width: f64| {
        let x = Interval::new(0.6625 - width / 2.0, 0.6625 + width / 2.0);
        assert!(expression.derivative_bounds(&[x, Interval::point(0.0)], 0).contains(0.0));
        let n = 2000;
        let values = (0..=n).map(|i| expression.eval(&[x.lo + width * f64::from(i) / f64::from(n), 0.0]));
        let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let bounds = expression.eval_bounds(&[x, Interval::point(0.0)]);
        (bounds.hi - bounds.lo) - (hi - lo)
    };
    let (wide, narrow) = (excess(0.02), excess(0.002));
    assert!(narrow <= wide / 50.0 + 1e-14, "{wide:e} {narrow:e}");
}

#[test]
fn monotone_expressions_have_sharp_bounds() {
    let b = bounds("x + exp(x) - 1/(1 + x)", 0.0, 1.0);
    assert!((b.lo - 0.0).abs() < 1e-13 && (b.hi - (1.0 + 1f64.exp() - 0.5)).abs() < 1e-13, "{b:?}");
    // Zero but for what rounding could do.
    assert!(bounds("x - x", 0.3, 0.7).magnitude() < 1e-16);
    // A product of a variable with itself is a square.
    assert_eq!(bounds("x*x", -1.0, 2.0), bounds("x^2", -1.0, 2.0));
    assert_eq!(bounds("x*x", -1.0, 2.0).lo, 0.0);
}

#[test]
fn range_is_sharp_and_rigorous() {
    let well = parse("x^4 - 2*x^2").range_on(&[Interval::new(-2.0, 2.0), Interval::point(0.0)], 1e-6);
    assert!(well.lo <= -1.0 && well.lo > -1.0 - 1e-5, "{well:?}");
    assert!(well.hi >= 8.0 && well.hi < 8.0 + 1e-5, "{well:?}");
    let one = Expression::parse("sin(x)*x", &["x"], &[]).unwrap().range(Interval::new(0.0, 3.0), 1e-9);
    assert!(one.lo <= 0.0 && one.lo > -1e-6 && (one.hi - 1.819_705_741_159_653).abs() < 1e-8, "{one:?}");
    let both = parse("(x - 0.3)^2 + (y - 0.6)^2 - x*y");
    let unit = Interval::new(0.0, 1.0);
    let range = both.range_on(&[unit, unit], 1e-4);
    let mut lowest = f64::INFINITY;
    for i in 0..=100 {
        for j in 0..=100 {
            lowest = lowest.min(both.eval(&[f64::from(i) / 100.0, f64::from(j) / 100.0]));
        }
    }
    assert!(range.lo <= lowest && range.lo > lowest - 1e-3, "{range:?} {lowest}");
    assert_eq!(parse("ln(x)").range_on(&[Interval::new(-1.0, 1.0), unit], 1e-3), Interval::whole());
}

#[test]
fn derivatives_at_kinks_are_one_sided() {
    for (source, sides) in [
        ("abs(x)", [-1.0, 1.0]),
        ("min(x, -2*x)", [1.0, -2.0]),
        ("max(x, 3*x)", [1.0, 3.0]),
        ("step(x)", [0.0, 0.0]),
    ] {
        let slope = parse(source).eval_with_derivative(&[0.0, 0.0], 0).1;
        assert!(sides.contains(&slope), "{source}: {slope}");
        let slopes = parse(source).derivative_bounds(&[Interval::new(-1.0, 1.0), Interval::point(0.0)], 0);
        assert!(sides.iter().all(|s| slopes.contains(*s)), "{source}: {slopes:?}");
    }
    // A part that does not depend on the variable does not spoil the derivative by its infinite slope.
    assert_eq!(parse("x + sqrt(y)").eval_with_derivative(&[1.0, 0.0], 0), (1.0, 1.0));
    assert_eq!(parse("y^x").eval_with_derivative(&[2.0, 0.0], 0), (0.0, 0.0));
}

#[test]
fn kinks_are_found() {
    let unit = Interval::new(0.0, 1.0);
    let close = |source: &str, expected: &[f64]| {
        let found = parse(source).kinks(0, unit);
        assert_eq!(found.len(), expected.len(), "{source}: {found:?}");
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-12, "{source}: {found:?}");
        }
    };
    close("1 + x", &[]);
    close("abs(x - 0.5)", &[0.5]);
    close("1 + abs((x - 0.5)*(x - 0.1))", &[0.1, 0.5]);
    close("step(x - 0.25)*x + min(x, 0.75)", &[0.25, 0.75]);
    close("max(x, 1 - x) + abs(x - 0.5)", &[0.5]);
    close("abs(sin(20*x))", &[1, 2, 3, 4, 5, 6].map(|k| f64::from(k) * std::f64::consts::PI / 20.0));
    close("abs((x - 0.5)^2)", &[]);
    close("abs(x)", &[]);
    close("abs(x - y)", &[]);
    close("min(x, x)", &[]);
    close("abs(abs(x - 0.5) - 0.25)", &[0.25, 0.5, 0.75]);
    close("abs(ln(x + 0.5))", &[0.5]);
    assert!(parse("abs(x)").kinks(0, Interval::whole()).is_empty());
}

#[test]
fn intervals_round_outwards_and_keep_exact_results() {
    let sum = Interval::point(0.1) + Interval::point(0.2);
    assert!(sum.lo < sum.hi && sum.contains(0.1 + 0.2));
    assert_eq!(Interval::point(0.5) + Interval::point(0.25), Interval::point(0.75));
    assert_eq!(Interval::point(0.0) * Interval::new(-3.0, f64::INFINITY), Interval::point(0.0));
    assert_eq!(Interval::new(0.0, 1.0) * Interval::new(0.0, 1.0), Interval::new(0.0, 1.0));
    assert_eq!(Interval::new(1.0, 2.0) / Interval::new(-1.0, 1.0), Interval::whole());
    let third = Interval::point(1.0) / Interval::point(3.0);
    assert!(third.lo < third.hi && third.width() < 3e-16);
    let huge = Interval::point(1e308) * Interval::point(10.0);
    assert_eq!(huge, Interval::new(f64::MAX, f64::INFINITY));
    let tiny = Interval::point(1e-200) * Interval::point(1e-200);
    assert_eq!((tiny.lo, tiny.hi), (0.0, f64::from_bits(1)));
    let all = Interval::whole();
    for i in [
        all + all,
        all - all,
        all * all,
        all / Interval::new(1.0, 2.0),
        all.exp(),
        all.sin(),
        all.powi(3),
        all.sqrt(),
    ] {
        assert!(i.lo <= i.hi, "{i:?}");
    }
}

#[test]
fn interval_functions() {
    let i = Interval::new(-2.0, 1.0);
    assert_eq!(i.abs(), Interval::new(0.0, 2.0));
    assert_eq!(i.powi(0), Interval::point(1.0));
    assert!(
        i.powi(2).lo == 0.0 && i.powi(2).hi >= 4.0 && i.powi(3).lo <= -8.0 && i.powi(-1) == Interval::whole()
    );
    assert_eq!(i.powi(i32::MIN), Interval::whole());
    assert_eq!(i.sqrt().lo, 0.0);
    assert_eq!(i.ln(), Interval::new(f64::NEG_INFINITY, 0.0));
    assert_eq!(Interval::new(-2.0, -1.0).ln(), Interval::whole());
    assert_eq!(Interval::new(-2.0, -1.0).sqrt(), Interval::whole());
    assert_eq!(Interval::new(1.0, 2.0).sin().hi, 1.0);
    assert_eq!(Interval::new(0.0, 7.0).cos(), Interval::new(-1.0, 1.0));
    assert_eq!(Interval::new(1.0, 2.0).tan(), Interval::whole());
    assert_eq!(Interval::point(0.0).sin(), Interval::point(0.0));
    assert_eq!(i.step(), Interval::new(0.0, 1.0));
    assert_eq!(i.hull(Interval::new(3.0, 4.0)), Interval::new(-2.0, 4.0));
    assert_eq!(i.intersect(Interval::new(0.0, 4.0)), Some(Interval::new(0.0, 1.0)));
    assert_eq!(i.intersect(Interval::new(3.0, 4.0)), None);
    assert!(!i.contains(f64::NAN) && i.midpoint() == -0.5 && i.width() == 3.0);
    assert_eq!(Interval::whole().midpoint(), 0.0);
}

#[test]
#[should_panic(expected = "lo <= hi")]
fn an_interval_with_swapped_ends_is_refused() {
    let _ = Interval::new(1.0, 0.0);
}
