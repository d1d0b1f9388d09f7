#!/usr/bin/env python3
"""Independent solution of the n-state equation in time, for tests/theory/theory_relaxation.rs.

d_t P_i = -J_i' + sum_edges (+-) (k_f P_from - k_b P_to), J_i = -(1/g_i) (w_i P_i)' on [0, 1], no flux at both
walls: a state with a diffusivity (Ito) and a state with a friction, T(x) a wave. Chebyshev collocation of
the strong form in P_i, one global polynomial, the currents at the walls set to zero; in time
scipy.integrate.solve_ivp (Radau). Computed with two resolutions in both; the largest difference relative to the
largest density is written into the header.

Usage: python3 scripts/oracle_relaxation.py   (writes tests/data/relaxation.csv; some seconds)
"""

import csv
import pathlib

import numpy as np
from scipy.integrate import solve_ivp

BINS = 10
TIMES = [0.02, 0.3, 2.0, 20.0]
ENERGY = [1.0, 0.0]


def temperature(x):
    return 1 + 0.3 * np.sin(3 * x) + 0.2 * x


def weights(x):
    return [0.02 * (1 + x * x), temperature(x)]


def resistances(x):
    return [np.ones_like(x), 60 * np.exp(x / 2)]


def rate(state, x):
    """Over a barrier of 1.5 with the attempt rate 4."""
    return 4 * np.exp(-(1.5 - ENERGY[state]) / temperature(x))


def start(x):
    return [1 + 0.5 * np.cos(np.pi * x), np.zeros_like(x)]


def solve(n, tolerance):
    x = (1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2
    sign = (-1.0) ** np.arange(n + 1)
    sign[[0, n]] *= 0.5
    gap = x[:, None] - x[None, :] + np.eye(n + 1)
    d = sign[None, :] / sign[:, None] / gap
    d -= np.diag(d.sum(axis=1))
    a = np.zeros((2 * n + 2, 2 * n + 2))
    block = [slice(0, n + 1), slice(n + 1, 2 * n + 2)]
    for i in range(2):
        flux = -(d @ np.diag(weights(x)[i])) / resistances(x)[i][:, None]
        flux[[0, n]] = 0
        a[block[i], block[i]] = -d @ flux - np.diag(rate(i, x))
        a[block[i], block[1 - i]] += np.diag(rate(1 - i, x))
    y0 = np.concatenate(start(x))
    found = solve_ivp(
        lambda t, y: a @ y, (0, TIMES[-1]), y0, "Radau", TIMES, jac=a, rtol=tolerance, atol=1e-3 * tolerance
    )
    points, rule = np.polynomial.legendre.leggauss(12)
    rows = {}
    for k, values in enumerate(found.y.T):
        for i in range(2):
            for b in range(BINS):
                at = (b + (points + 1) / 2) / BINS
                q = sign / (at[:, None] - x)
                p = (q @ values[block[i]]) / q.sum(axis=1)
                rows[k, i, b] = rule @ p / 2
    return rows


def main():
    fine, coarse = solve(44, 1e-11), solve(36, 1e-10)
    error = max(abs(fine[key] - coarse[key]) for key in fine) / max(fine.values())
    print(f"relative error about {error:.1e}")
    path = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "relaxation.csv"
    with open(path, "w", newline="") as file:
        file.write("# scripts/oracle_relaxation.py: Chebyshev, degree 44, Radau, ")
        file.write(f"change from degree 36 and ten times the tolerance: {error:.1e}\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["time", "state", "bin", "density"])
        for (k, i, b), value in fine.items():
            table.writerow([TIMES[k], i, b, repr(float(value))])


if __name__ == "__main__":
    main()
