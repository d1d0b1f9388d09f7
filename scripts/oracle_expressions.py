#!/usr/bin/env python3
"""Writes tests/data/expressions.csv: values and derivatives of expressions to 40 digits.

Every expression is written twice by hand: once in the language of src/expression, once as Python code
for mpmath, with all precedence made explicit. Nothing here parses the language, so a mistake of the
parser cannot repeat itself in the oracle. Number literals and constants are doubles in the language and
therefore exact binary fractions here (the helper `d`). The derivative is the one with respect to the
first variable, by a central difference at 1000 digits of working precision; it is left empty where
the function has a kink or jumps.

Needs mpmath (made with 1.3.0). Usage: python3 scripts/oracle_expressions.py > tests/data/expressions.csv
"""

import csv
import math
import sys

import mpmath as mp

mp.mp.dps = 1000


def d(x):
    """The double nearest to a literal, exactly."""
    return mp.mpf(float(x))


PI, E = d(math.pi), d(math.e)


def step(x):
    return mp.mpf(0) if x < 0 else mp.mpf(1)


def log10(x):
    return mp.log(x) / mp.log(10)


# (source, python, variable names, parameters, list of points, derivative exists at all points)
CASES = []


def case(source, function, points, names="x", parameters=None, smooth=True):
    names = names.split()
    points = [p if isinstance(p, tuple) else (p,) for p in points]
    CASES.append((source, function, names, parameters or {}, points, smooth))


# Literals and constants.
case("0.1", lambda x: d("0.1"), [1.0])
case("1e-3", lambda x: d("1e-3"), [1.0])
case(".5E+2", lambda x: mp.mpf(50), [1.0])
case("5.", lambda x: mp.mpf(5), [1.0])
case("pi", lambda x: PI, [1.0])
case("e", lambda x: E, [1.0])
case("2*e", lambda x: 2 * E, [1.0])
case("x", lambda x: x, [0.3, -1e300])
case("1e308", lambda x: d("1e308"), [1.0])
case("4.9e-324", lambda x: d("4.9e-324"), [1.0])

# Operators one by one.
case("x + 0.1", lambda x: x + d("0.1"), [0.2, -7.5, 1e16])
case("x - 0.3", lambda x: x - d("0.3"), [0.2, 0.30000000000000004, -1e10])
case("x * 1.7", lambda x: x * d("1.7"), [0.1, -3e-200, 9e99])
case("1.7 / x", lambda x: d("1.7") / x, [0.1, -3.0, 1e-200])
case("x / 3", lambda x: x / 3, [0.1, -1e-9])
case("-x", lambda x: -x, [2.5])
case("+x", lambda x: x, [2.5])
case("--x", lambda x: x, [2.5])
case("x*x", lambda x: x * x, [1.1, -0.3])
case("x+y", lambda x, y: x + y, [(0.1, 0.2)], "x y")
case("x-y", lambda x, y: x - y, [(0.1, 0.2), (0.2, 0.1)], "x y")
case("x*y", lambda x, y: x * y, [(0.1, 0.7)], "x y")
case("x/y", lambda x, y: x / y, [(0.1, 0.7), (3.0, -11.0)], "x y")
case("y/x", lambda x, y: y / x, [(0.1, 0.7), (3.0, -11.0)], "x y")
case("y*x - x/y", lambda x, y: (y * x) - (x / y), [(0.1, 0.7)], "x y")

# Precedence and associativity.
case("-x^2", lambda x: -(x**2), [1.5, -2.0])
case("(-x)^2", lambda x: (-x) ** 2, [1.5, -2.0])
case("-x^2*3", lambda x: (-(x**2)) * 3, [1.5])
case("2-x^2", lambda x: 2 - (x**2), [1.5])
case("2^-x", lambda x: mp.mpf(2) ** (-x), [1.5, -3.25])
case("2^-x^2", lambda x: mp.mpf(2) ** (-(x**2)), [1.5])
case("2^x^2", lambda x: mp.mpf(2) ** (x**2), [1.5])
case("(2^x)^2", lambda x: (mp.mpf(2) ** x) ** 2, [1.5])
case("x^2^3", lambda x: x**8, [1.25])
case("x^3^2", lambda x: x**9, [1.25, -1.25])
case("(x^2)^3", lambda x: (x**2) ** 3, [1.25])
case("-2^2 + x", lambda x: mp.mpf(-4) + x, [0.5])
case("2^-1 * x", lambda x: mp.mpf("0.5") * x, [0.5])
case("1 - 2 - x", lambda x: (mp.mpf(1) - 2) - x, [0.75])
case("x - 2 - 3", lambda x: (x - 2) - 3, [0.75])
case("x - (2 - 3)", lambda x: x + 1, [0.75])
case("8 / 4 / x", lambda x: (mp.mpf(8) / 4) / x, [0.75])
case("x / 4 / 2", lambda x: (x / 4) / 2, [0.75])
case("x / 4 * 2", lambda x: (x / 4) * 2, [0.75])
case("x / (4 * 2)", lambda x: x / 8, [0.75])
case("2 * x / 3 * 4", lambda x: ((2 * x) / 3) * 4, [0.75])
case("1 + 2 * x", lambda x: 1 + (2 * x), [0.75])
case("(1 + 2) * x", lambda x: 3 * x, [0.75])
case("1 + x * 2 ^ 3", lambda x: 1 + (x * 8), [0.75])
case("x * -2", lambda x: x * -2, [0.75])
case("x - -2", lambda x: x + 2, [0.75])
case("x^-2", lambda x: 1 / (x * x), [0.75, -3.0])
case("x^-1", lambda x: 1 / x, [0.75, -3.0])
case("-x^-2", lambda x: -(1 / (x * x)), [0.75])
case("3 - -x^2", lambda x: 3 + x**2, [0.75])
case("x^2/2^x", lambda x: (x**2) / (mp.mpf(2) ** x), [0.75])
case("((((x))))", lambda x: x, [0.75])
case("1-x*2+x/4-3", lambda x: ((1 - (x * 2)) + (x / 4)) - 3, [0.75])
case("x\t*\n( x +1 )", lambda x: x * (x + 1), [0.75])

# Powers.
for n in [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 31]:
    case(f"x^{n}", lambda x, n=n: x**n if n else mp.mpf(1), [1.1, -0.7])
for n in [1, 3, 8, 16, 17, 25]:
    case(f"x^-{n}", lambda x, n=n: x ** (-n), [1.1, -0.7])
case("x^0.5", lambda x: mp.sqrt(x), [2.0, 1e-300])
case("x^-0.5", lambda x: 1 / mp.sqrt(x), [2.0, 1e-300])
case("x^1.5", lambda x: x ** mp.mpf("1.5"), [2.0, 0.01])
case("x^(1/3)", lambda x: x ** d(1 / 3), [27.0, 0.01])
case("x^y", lambda x, y: x**y, [(1.3, 2.5), (0.2, -3.75), (7.0, 0.0), (900.0, 90.0)], "x y")
case("y^x", lambda x, y: y**x, [(1.3, 2.5), (-3.0, 0.2)], "x y")
case("x^x", lambda x: x**x, [0.5, 3.5])
case("pow(x, 3)", lambda x: x**3, [1.3, -0.2])
case("pow(2, x)", lambda x: mp.mpf(2) ** x, [1.3, -30.5])
case("pow(x, 2*y)", lambda x, y: x ** (2 * y), [(1.3, 2.5)], "x y")
case("x^100", lambda x: x**100, [1.01, -900.0])

# Functions one by one, near zero, at moderate and at extreme arguments.
SMALL = [1e-9, -1e-9]
case("exp(x)", mp.exp, [0.0, 1.0, -1.0, 700.0, -700.0, -744.0] + SMALL)
case("ln(x)", mp.log, [0.5, 2.0, 1.0000000001, 1e-300, 1e300, 5e-324])
case("log10(x)", log10, [0.5, 2.0, 1000.0, 1.0000000001, 1e-300])
case("sqrt(x)", mp.sqrt, [0.5, 2.0, 1e-300, 1e300, 5e-324])
case("abs(x)", abs, [0.5, -2.0])
case("sin(x)", mp.sin, [0.5, -2.0, 3.141592653589793, 1e5, 1e22] + SMALL)
case("cos(x)", mp.cos, [0.5, -2.0, 1.5707963267948966, 1e5, 1e22] + SMALL)
case("tan(x)", mp.tan, [0.5, -2.0, 1.5707963267948966, 1e5] + SMALL)
case("sinh(x)", mp.sinh, [0.5, -2.0, 30.0, 710.0] + SMALL)
case("cosh(x)", mp.cosh, [0.5, -2.0, 30.0, 710.0] + SMALL)
case("tanh(x)", mp.tanh, [0.5, -2.0, 18.0] + SMALL)
case("atan(x)", mp.atan, [0.5, -2.0, 1e10] + SMALL)
case("erf(x)", mp.erf, [0.5, -2.0, 4.0] + SMALL)
case("step(x)", step, [0.5, -2.0])
case("step(x)", step, [0.0, -0.0], smooth=False)
case("min(x, 1)", lambda x: min(x, mp.mpf(1)), [0.5, 2.0])
case("max(x, 1)", lambda x: max(x, mp.mpf(1)), [0.5, 2.0])
case("min(x, y)", min, [(0.5, 2.0), (2.0, 0.5)], "x y")
case("max(x, y)", max, [(0.5, 2.0), (2.0, 0.5)], "x y")
case("abs(x)", abs, [0.0], smooth=False)

# Constant functions, folded at compile time.
case("exp(1) + x", lambda x: mp.exp(1) + x, [1.0])
case("ln(2)*x", lambda x: mp.log(2) * x, [3.0])
case("sin(pi/6) + x", lambda x: mp.sin(PI / 6) + x, [1.0])
case("max(2, 3)*x", lambda x: 3 * x, [0.5])
case("min(2, 3)*x", lambda x: 2 * x, [0.5])
case("step(-1)*x + step(0)", lambda x: mp.mpf(0) * x + 1, [0.5])

# Compositions as they occur in models.
case("1 + dT*x", lambda x, dT: 1 + dT * x, [0.0, 0.3, 1.0], parameters={"dT": 0.8})
case("T0 + dT*x/L", lambda x, T0, dT, L: T0 + dT * x / L, [0.3], parameters={"T0": 293.15, "dT": 12.5, "L": 3e-4})
case(
    "1 + dT*sin(2*pi*x)^2",
    lambda x, dT: 1 + dT * mp.sin(2 * PI * x) ** 2,
    [0.1, 0.37, 0.9],
    parameters={"dT": 0.8},
)
case("q^4 - 2*q^2", lambda q: q**4 - 2 * q**2, [0.3, -1.7, 1.0], "q")
case("alpha*(q^4 - 2*q^2 + 2.5)", lambda q, alpha: alpha * (q**4 - 2 * q**2 + d("2.5")), [0.3, -1.7], "q", {"alpha": 0.05})
case("0.5*exp(-2*(1/T - 1))", lambda T: d("0.5") * mp.exp(-2 * (1 / T - 1)), [0.7, 1.0, 1.8], "T")
case("nu*exp(-(B - E)/(1 + dT*x))", lambda x, nu, B, E, dT: nu * mp.exp(-(B - E) / (1 + dT * x)), [0.0, 0.4, 1.0],
     parameters={"nu": 3.5, "B": 1.5, "E": 1.0, "dT": 0.8})
case("1/(1 + exp((x - 0.5)/0.05))", lambda x: 1 / (1 + mp.exp((x - d("0.5")) / d("0.05"))), [0.1, 0.5, 0.95])
case("1/(1 + exp(x))", lambda x: 1 / (1 + mp.exp(x)), [700.0, -700.0, 0.1])
case("(1 + tanh((x - a)/w))/2", lambda x, a, w: (1 + mp.tanh((x - a) / w)) / 2, [0.1, 0.3, 0.35, 0.9],
     parameters={"a": 0.3, "w": 0.1})
case("1 + abs(x - 0.5)", lambda x: 1 + abs(x - d("0.5")), [0.1, 0.9])
case("max(1, 2 - 4*x)", lambda x: max(mp.mpf(1), 2 - 4 * x), [0.1, 0.9])
case("min(max(x, 0.2), 0.8)", lambda x: min(max(x, d("0.2")), d("0.8")), [0.1, 0.5, 0.9])
case("1 + step(x - 0.5)*x", lambda x: 1 + step(x - d("0.5")) * x, [0.1, 0.9])
case("sqrt(1 + x^2)", lambda x: mp.sqrt(1 + x**2), [0.0, 0.4, -3e5])
case("exp(-x^2/2)/sqrt(2*pi)", lambda x: mp.exp(-(x**2) / 2) / mp.sqrt(2 * PI), [0.0, 1.3, -6.0])
case("ln(cosh(x))", lambda x: mp.log(mp.cosh(x)), [0.4, -3.0, 20.0])
case("atan(x/(1 + x^2))", lambda x: mp.atan(x / (1 + x**2)), [0.4, -3.0])
case("erf(x/sqrt(2))/2 + 0.5", lambda x: mp.erf(x / mp.sqrt(2)) / 2 + d("0.5"), [0.4, 1.5])
case("x*exp(-y) + y*exp(-x)", lambda x, y: x * mp.exp(-y) + y * mp.exp(-x), [(0.4, 1.5), (-1.0, 2.0)], "x y")
case("x^2*y - y^2*x + z", lambda x, y, z: x**2 * y - y**2 * x + z, [(0.4, 1.5, -2.0), (3.0, -1.0, 0.1)], "x y z")
case("sin(x)*cos(y) - cos(x)*sin(y)", lambda x, y: mp.sin(x) * mp.cos(y) - mp.cos(x) * mp.sin(y), [(0.4, 1.5)], "x y")
case("(x^2 - 1)/(x^2 + 1)", lambda x: (x**2 - 1) / (x**2 + 1), [0.4, 12.0, 1e-5])
case("1/x^2 + 1/x^3", lambda x: 1 / x**2 + 1 / x**3, [0.4, -2.0])
case("log10(x)/ln(x)", lambda x: log10(x) / mp.log(x), [0.4, 7.0], smooth=True)
case("γ*x + ΔT", lambda x, g, t: g * x + t, [0.4], parameters={"γ": 0.3, "ΔT": 0.7})
case("e_1*x + pi2", lambda x, a, b: a * x + b, [0.4], parameters={"e_1": 0.3, "pi2": 0.7})
case("e*x", lambda x, e: e * x, [0.4], parameters={"e": -1.0})
case("exp(ln(x))", lambda x: x, [0.4, 250.0])
case("sqrt(x^2)", lambda x: abs(x), [0.4, -7.0])
case("-(-(x))", lambda x: x, [0.4])
case("((x+1)*(x-1))*((x+2)*(x-2))", lambda x: ((x + 1) * (x - 1)) * ((x + 2) * (x - 2)), [0.4, 2.5])
case("(x+1)/((x+2)/((x+3)/(x+4)))", lambda x: (x + 1) / ((x + 2) / ((x + 3) / (x + 4))), [0.4])
case("tan(x)^2 - 1/cos(x)^2", lambda x: mp.tan(x) ** 2 - 1 / mp.cos(x) ** 2, [0.4])
case("sinh(x)/cosh(x) + tanh(x)", lambda x: mp.sinh(x) / mp.cosh(x) + mp.tanh(x), [0.4, -1.2])
case("pow(pow(x, 2), 0.5)", lambda x: abs(x), [0.4, 3.0])
case("max(x, -x) - abs(x)", lambda x: mp.mpf(0), [0.4, -3.0])


def text(x):
    return mp.nstr(x, 40, min_fixed=0, max_fixed=0) if x else "0"


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["expression", "variables", "parameters", "value", "derivative"])
    for source, function, names, parameters, points, smooth in CASES:
        constants = [d(v) for v in parameters.values()]
        for point in points:
            at = [d(v) for v in point]
            value = mp.mpf(function(*at, *constants))
            derivative = ""
            if smooth:
                h = mp.mpf(10) ** -200 * (abs(at[0]) if at[0] else 1)
                moved = [function(at[0] + s * h, *at[1:], *constants) for s in (1, -1)]
                # A step of 1e-200: neither truncation nor the digits lost in the difference reach digit 40, even
                # where the derivative is 1e-300 of the value.
                derivative = text((mp.mpf(moved[0]) - mp.mpf(moved[1])) / (2 * h))
            out.writerow([
                source,
                ";".join(f"{n}={v!r}" for n, v in zip(names, point)),
                ";".join(f"{n}={v!r}" for n, v in parameters.items()),
                text(value),
                derivative,
            ])


if __name__ == "__main__":
    main()
