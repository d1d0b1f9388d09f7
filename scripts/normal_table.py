#!/usr/bin/env python3
"""Polynomials of the normal quantile function, for src/rng/inversion.rs.

The lower half of the law, x <= 0 with P(X < x) = p, for p from 1/2 down to 2^-53. Every octave (p/2, p] is cut
into 16 equal segments; on each, x is a polynomial of degree 7 in t = (top of the segment - p)/(octave's
lowest p), 0 <= t <= 1/16, that meets x at both ends and at the other extrema of a Chebyshev polynomial, so that
neighbours join. Solved at 40 digits with mpmath from erfc; the error of every polynomial is measured
between its nodes.

Usage: python3 scripts/normal_table.py
       (writes src/rng/normal_table.rs)
"""

import pathlib

import mpmath as mp
from scipy import special

mp.mp.dps = 40
DEGREE = 7
PIECES = 16
OCTAVES = 52
TARGET = pathlib.Path(__file__).resolve().parent.parent / "src" / "rng" / "normal_table.rs"


def quantile(p):
    """x with P(X < x) = p, by Newton's method from SciPy's double."""
    x = mp.mpf(special.ndtri(float(p)))
    for _ in range(3):
        x -= (mp.erfc(-x / mp.sqrt(2)) / 2 - p) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
    assert abs(mp.erfc(-x / mp.sqrt(2)) / 2 / p - 1) < mp.mpf(10) ** -35, p
    return x


worst = 0
rows = []
for octave in range(OCTAVES):
    unit = mp.mpf(2) ** (-octave - 2)
    for piece in range(PIECES):
        top = unit * (2 - mp.mpf(piece) / PIECES)
        nodes = [(1 - mp.cos(mp.pi * k / DEGREE)) / 2 / PIECES for k in range(DEGREE + 1)]
        powers = mp.matrix([[t**k for k in range(DEGREE + 1)] for t in nodes])
        values = mp.matrix([quantile(top - unit * t) for t in nodes])
        coefficients = [float(c) for c in mp.lu_solve(powers, values)]
        coefficients[0] = float(quantile(top)) if octave + piece > 0 else -0.0
        rows.append(coefficients)
        for k in range(2 * DEGREE):
            t = (k + mp.mpf(1) / 2) / (2 * DEGREE) / PIECES
            exact = quantile(top - unit * t)
            found = mp.polyval([mp.mpf(c) for c in reversed(coefficients)], t)
            worst = max(worst, abs(found - exact) / max(-exact, mp.mpf(1)))
# The last point of the lattice is the top of a segment of its own.
rows.append([float(quantile(mp.mpf(2) ** -53))] + [0.0] * DEGREE)
assert worst < 6e-16, worst

with open(TARGET, "w") as file:
    file.write("//! Written by `scripts/normal_table.py`: polynomials of the normal quantile function, see `inversion`.\n\n")
    file.write("use super::inversion::Segment;\n\n")
    file.write("#[rustfmt::skip]\n")
    file.write(f"pub(super) static SEGMENTS: [Segment; {len(rows)}] = [\n")
    for row in rows:
        pairs = [f"[{row[k]!r}, {row[k + 4]!r}]" for k in range(4)]
        file.write(f"    Segment([{pairs[0]}, {pairs[1]},\n        {pairs[2]}, {pairs[3]}]),\n")
    file.write("];\n")
print(len(rows), "segments, error of the polynomials", mp.nstr(worst, 2), "(relative above 1)")
