#!/usr/bin/env python3
"""Distribution functions and quantiles, for tests/theory/distributions.rs.

Computed with mpmath at 40 digits from the regularised incomplete beta function and erfc, and checked
here against SciPy wherever SciPy is good (relative difference below 1e-8, p above 1e-300).

Usage: python3 scripts/oracle_distributions.py
       (writes tests/data/distributions.csv and tests/data/normal_quantile.csv)
"""

import csv
import pathlib
import random

import mpmath as mp
from scipy import stats

mp.mp.dps = 40
DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"


def t_two_sided(t, dof):
    t, dof = mp.mpf(t), mp.mpf(dof)
    return mp.betainc(dof / 2, mp.mpf(1) / 2, 0, dof / (dof + t * t), regularized=True)


def f_survival(f, a, b):
    f, a, b = mp.mpf(f), mp.mpf(a), mp.mpf(b)
    return mp.betainc(b / 2, a / 2, 0, b / (b + a * f), regularized=True)


def normal_survival(z):
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


def solve(decreasing, target):
    """The positive root of decreasing(x) = target by bisection in ln x."""
    low, high = mp.mpf(-60), mp.mpf(60)
    for _ in range(130):
        middle = (low + high) / 2
        if decreasing(mp.exp(middle)) > target:
            low = middle
        else:
            high = middle
    return mp.exp((low + high) / 2)


def near(value, scipy, what):
    assert abs(value - scipy) <= 1e-8 * abs(value) or abs(value) < 1e-300, (what, value, scipy)


rows = []
for dof in (1, 2, 3, 7, 31, 63, 999):
    for t in (1e-8, 0.01, 0.5, 1.0, 2.0, 3.5, 5.0, 8.0, 12.0, 20.0, 50.0):
        value = t_two_sided(t, dof)
        near(value, 2 * stats.t.sf(t, dof), ("t", t, dof))
        rows.append(("t_two_sided", t, dof, "", value))
        # The deviate of the same p-value, where it is not a difference of nearly equal numbers.
        if 1e-250 < value < 0.99:
            deviate = solve(lambda z: 2 * normal_survival(z), value)
            rows.append(("t_deviate", t, dof, "", deviate))
    for confidence in (0.5, 0.9, 0.95, 0.99, 0.999):
        tail = 1 - mp.mpf(confidence)
        value = solve(lambda t: t_two_sided(t, dof), tail)
        near(value, stats.t.ppf(0.5 + 0.5 * confidence, dof), ("q", confidence, dof))
        rows.append(("t_quantile", confidence, dof, "", value))
for z in (-8.0, -2.0, -0.1, 0.0, 0.1, 1.0, 1.959963984540054, 3.0, 5.0, 8.0, 15.0, 25.0, 37.0):
    value = normal_survival(z)
    near(value, stats.norm.sf(z), ("z", z))
    rows.append(("normal_survival", z, "", "", value))
for p in (0.999, 0.9, 0.5, 0.3173, 0.05, 1e-2, 1e-4, 1e-6, 1e-9, 1e-12, 1e-15, 1e-20, 1e-50, 1e-100, 1e-200, 1e-280):
    value = solve(lambda z: 2 * normal_survival(z), mp.mpf(p))
    near(value, stats.norm.isf(p / 2), ("d", p))
    rows.append(("deviate_from_p", p, "", "", value))
for a, b in ((1, 31), (2, 30), (4, 28), (8, 24), (8, 56), (16, 48), (8, 992), (3, 5)):
    for f in (1e-6, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 100.0, 1000.0):
        value = f_survival(f, a, b)
        near(value, stats.f.sf(f, a, b), ("f", f, a, b))
        rows.append(("f_survival", f, a, b, value))

with open(DATA / "distributions.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["function", "x", "a", "b", "value"])
    for function, x, a, b, value in rows:
        out.writerow([function, repr(float(x)), a, b, mp.nstr(value, 20)])

# Quantiles of the normal law at u = (2 k + 1) 2^-53, k the upper 52 bits of a word.
random.seed(1)
words = [random.getrandbits(64) for _ in range(120)]
# Both tails down to the last lattice point, and around one half.
words += [k << 12 for k in (0, 1, 2, 3, 10, 1000, 10**6, 10**9, 10**12, 2**51 - 1, 2**51, 2**52 - 1, 2**52 - 2, 2**52 - 1000)]
# Sixteen places in every octave of either tail, as many as the polynomials in use have segments, and the
# lattice points next to its top.
for octave in range(51):
    lowest = 2 ** (50 - octave)
    for piece in range(16):
        k = min(int(lowest * (1 + (piece + random.random()) / 16)), 2 * lowest - 1)
        words.append((k if piece % 2 == 0 else 2**52 - 1 - k) << 12)
    words += [(2 * lowest + d) << 12 for d in (-1, 0)]
words = sorted(set(words))
with open(DATA / "normal_quantile.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["word", "quantile"])
    for word in words:
        u = mp.mpf(2 * (word >> 12) + 1) / 2**53
        tail = min(u, 1 - u)
        value = solve(normal_survival, tail) if tail < mp.mpf("0.4999999") else -mp.sqrt(2) * mp.erfinv(2 * tail - 1)
        quantile = -value if u < mp.mpf(1) / 2 else value
        near(quantile, stats.norm.ppf(float(u)) if u < 0.5 else stats.norm.isf(float(1 - u)), ("n", word))
        out.writerow([word, mp.nstr(quantile, 20)])
print(len(rows), "rows,", len(words), "quantiles")
