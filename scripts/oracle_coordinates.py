#!/usr/bin/env python3
"""Independent solution of the stationary Fokker-Planck equation in (x, q), for tests/theory/coordinates_theory.rs.

mu(x) d_q(P d_q U + T d_q P) + d_x[(D/T) P d_x U + d_x(D P)] = 0 on 0 < x < 1 without flux at the walls, U = q^2/2 + b x q, D a
quadratic polynomial in q. P(x, q) = sum_n a_n(x) He_n(q/s) exp(-q^2/2s^2) with one s for all x: every operator in q is a
small matrix, exactly, and the equations close from below. In x Chebyshev collocation of the strong form, one global
polynomial; a dense matrix, one of its equations exchanged for the normalisation by least squares. Computed with
two resolutions; the largest relative difference is printed and written into the header.

Usage: python3 scripts/oracle_coordinates.py   (writes tests/data/coordinates.csv; some seconds)
"""

import csv
import math
import pathlib

import numpy as np
from numpy.polynomial import chebyshev

BINS = 10
# Temperature, mu(x), b, coefficients of D in 1, q, q^2.
CASES = {
    "mobility": (lambda x: 1 + 0.6 * x, lambda x: 1 + 0 * x, 0.0, (0.015, 0.01, 0.02)),
    "diffusivity": (lambda x: 1 + 0.6 * x, lambda x: 1 / (1 + 0.6 * x), 0.0, (0.015, 0.01, 0.02)),
    "slow": (lambda x: 1 + 0.3 * np.sin(3 * x), lambda x: 0.5 + 0 * x, 0.0, (1.0, -0.5, 0.6)),
    "forced": (lambda x: 1 + 0.5 * x, lambda x: 1 + 0 * x, 0.8, (0.04, 0.02, 0.03)),
}


def solve(case, points, modes):
    temperature, mobility, b, coefficients = CASES[case]
    k = np.arange(points + 1)
    x = (1 - np.cos(np.pi * k / points)) / 2
    sign = (-1.0) ** k
    sign[[0, points]] *= 0.5
    gap = x[:, None] - x[None, :] + np.eye(points + 1)
    d = sign[None, :] / sign[:, None] / gap
    d -= np.diag(d.sum(axis=1))
    t, mu = temperature(x), mobility(x)
    s = math.sqrt(t.max() * 0.9)
    n = np.arange(modes)
    # q He_n = s (He_(n+1) + n He_(n-1)); d_q (He_n G) = -He_(n+1) G/s.
    q = s * (np.diag(np.ones(modes - 1), -1) + np.diag(n[1:], 1))
    slope = -np.diag(np.ones(modes - 1), -1) / s
    # Products before the cut.
    wide = s * (np.diag(np.ones(modes + 3), -1) + np.diag(np.arange(1, modes + 4), 1))
    square = (wide @ wide)[:modes, :modes]
    diffusion = coefficients[0] * np.eye(modes) + coefficients[1] * q + coefficients[2] * square
    cubic = (wide @ wide @ wide)[:modes, :modes]
    pushed = coefficients[0] * q + coefficients[1] * square + coefficients[2] * cubic
    # The current along x is J = -flux a; at the walls it takes the place of the equation.
    flux = np.kron(d, diffusion) + b * np.kron(np.diag(1 / t), pushed)
    internal = np.kron(np.diag(mu), slope @ q)
    internal += b * np.kron(np.diag(mu * x), slope) + np.kron(np.diag(mu * t), slope @ slope)
    a = internal + np.kron(d, np.eye(modes)) @ flux
    a[:modes], a[-modes:] = flux[:modes], flux[-modes:]
    norm = np.zeros(len(a))
    weights = [chebyshev.chebint(np.eye(points + 1)[j]) for j in range(points + 1)]
    to_series = np.linalg.inv(chebyshev.chebvander(2 * x - 1, points))
    whole = np.array([(chebyshev.chebval(1, w) - chebyshev.chebval(-1, w)) / 2 for w in weights]) @ to_series
    norm[::modes] = whole * s * math.sqrt(2 * math.pi)
    # Rows and columns on one scale: He_n grows as sqrt(n!).
    scale = np.array([math.sqrt(math.factorial(int(m))) for m in n])
    column = np.kron(np.ones(points + 1), 1 / scale)
    row = np.kron(np.ones(points + 1), scale)
    system = np.vstack([a * row[:, None] * column[None, :], norm * column])
    right = np.zeros(len(system))
    right[-1] = 1
    found = np.linalg.lstsq(system, right, rcond=None)[0] * column
    gauss = s * math.sqrt(2 * math.pi)
    moments = np.zeros((3, modes))
    moments[0, 0] = moments[2, 0] = gauss
    moments[1, 1] = gauss
    moments[2, 2] = 2 * gauss
    moments *= np.array([1, s, s * s])[:, None]
    p = found.reshape(-1, modes) @ moments[0]
    j = -(flux @ found).reshape(-1, modes)
    heat = j @ moments[2] / 2 + b * x * (j @ moments[1])
    series = to_series @ p
    total = chebyshev.chebint(series)
    ends = 2 * np.arange(BINS + 1) / BINS - 1
    density = np.diff(chebyshev.chebval(ends, total)) / 2 * BINS
    return np.concatenate([density, chebyshev.chebval(ends[1:-1], to_series @ heat)])


def main():
    rows, worst = [], 0.0
    for case in CASES:
        better, rough = solve(case, 44, 30), solve(case, 36, 24)
        for part in (slice(0, BINS), slice(BINS, None)):
            difference = np.abs(better[part] - rough[part]).max() / np.abs(better[part]).max()
            print(case, difference)
            worst = max(worst, difference)
        for k, value in enumerate(better):
            quantity, index = ("density", k) if k < BINS else ("heat_current", k - BINS)
            rows.append((case, quantity, index, f"{value:.14e}"))
    path = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "coordinates.csv"
    with open(path, "w", newline="") as file:
        file.write(f"# scripts/oracle_coordinates.py; largest relative difference of two resolutions {worst:.1e}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "quantity", "index", "value"])
        writer.writerows(rows)


main()
