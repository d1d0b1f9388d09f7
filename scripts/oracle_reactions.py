#!/usr/bin/env python3
"""Independent solutions of reaction-diffusion equations, for tests/theory/reactions_theory.rs.

Stationary: scipy.integrate.solve_bvp (collocation of order 4 with control of the residual) for c_k and J_k as a system of
first order, with the conserved totals as further unknowns that grow from wall to wall. In time: conservative finite
volumes of equal width, solve_ivp (BDF), on two grids, extrapolated. Master equation: scipy.linalg.expm of the full rate
matrix.

Usage: python3 scripts/oracle_reactions.py   (writes tests/data/reactions.csv; about a minute)
"""

import csv
import pathlib

import numpy as np
from scipy.integrate import solve_bvp, solve_ivp
from scipy.linalg import expm
from scipy.sparse import lil_matrix

ROWS = []
PLACES = [0.0, 0.1, 0.25, 0.5, 0.8, 1.0]


def temperature(x):
    return 1 + 0.8 * x


def dimers(x, c, k):
    """2 M <-> D with K_d = 3 exp(-2/T); particles made per length and time."""
    v = k * (c[0] ** 2 - 3 * np.exp(-2 / temperature(x)) * c[1])
    return np.array([-2 * v, v])


def catalysis(x, c, k):
    """E + S <-> ES <-> E + P with rates that depend on T, and P -> S kept up from outside."""
    t = temperature(x)
    bind = k * (c[0] * c[1] - 2 * np.exp(-1 / t) * c[2])
    turn = k * (0.5 * c[2] - 0.3 * np.exp(-0.5 / t) * c[0] * c[3])
    fuel = 0.7 * c[3]
    return np.array([turn - bind, fuel - bind, bind - turn, turn - fuel])


def steady(name, sources, weight, resistance, laws, totals, guess):
    """J_k = -(1/g_k)(w_k c_k)'; unknowns u_k = w_k c_k, J_k, and the totals up to x."""
    n, laws = len(guess), np.array(laws, float)
    # One wall condition per law is implied by the others, because J summed with the law is zero everywhere.
    dropped = [int(np.argmax(law)) for law in laws]
    assert len(set(dropped)) == len(dropped)

    def concentrations(x, u):
        return np.array([u[k] / weight(k, x) for k in range(n)])

    def slope(x, y):
        c = concentrations(x, y[:n])
        return np.vstack([[-resistance(k, x) * y[n + k] for k in range(n)], sources(x, c), laws @ c])

    def ends(a, b):
        walls = [b[n + k] for k in range(n) if k not in dropped]
        return np.concatenate([a[n : 2 * n], walls, a[2 * n :], b[2 * n :] - totals])

    x = np.linspace(0, 1, 401)
    y = np.vstack([[guess[k] * weight(k, x) for k in range(n)], np.zeros((n, x.size)), np.outer(totals, x)])

    solution = solve_bvp(slope, ends, x, y, tol=1e-10, max_nodes=100000, bc_tol=1e-12)
    assert solution.success, (name, solution.message)
    for place in PLACES:
        y = solution.sol(place)
        for k, c in enumerate(concentrations(place, y[:n])):
            ROWS.append([name, "c", k, place, repr(float(c)), "1e-9"])
            ROWS.append([name, "J", k, place, repr(float(y[n + k])), "1e-9"])


def transient(name, sources, diffusivity, start, times):
    n = len(start(0.5))

    def on(cells):
        h = 1 / cells
        x = (np.arange(cells) + 0.5) * h
        d = np.array([diffusivity(k, x) for k in range(n)])
        first = np.array(start(x))
        sparsity = lil_matrix((n * cells, n * cells))
        for i in range(n):
            for j in range(n):
                for o in (-1, 0, 1):
                    for b in range(max(0, -o), min(cells, cells - o)):
                        sparsity[i * cells + b, j * cells + b + o] = 1

        def change(_, y):
            c = y.reshape(n, cells)
            flux = np.zeros((n, cells + 1))
            flux[:, 1:-1] = -np.diff(d * c, axis=1) / h
            return (sources(x, c) - np.diff(flux, axis=1) / h).ravel()

        run = solve_ivp(
            change, (0, times[-1]), first.ravel(), "BDF", times, rtol=1e-9, atol=1e-11, jac_sparsity=sparsity.tocsc()
        )
        assert run.success
        # Means of ten bins, of midpoint starts corrected below by extrapolation.
        return run.y.reshape(n, 10, cells // 10, len(times)).mean(axis=2)

    coarse, fine = on(400), on(800)
    best = fine + (fine - coarse) / 3
    for k in range(n):
        for b in range(10):
            for t, time in enumerate(times):
                error = f"{max(3e-8, abs(fine[k, b, t] - coarse[k, b, t]) / 30):.1e}"
                ROWS.append([f"{name} {time}", "bin", k, b, repr(float(best[k, b, t])), error])


def master(name, monomers, volume, forward, backward, time):
    """Dimers from monomers only, at the start none."""
    most = monomers // 2
    q = np.zeros((most + 1, most + 1))
    for d in range(most + 1):
        m = monomers - 2 * d
        up, down = forward * m * (m - 1) / volume, backward * d
        if d < most:
            q[d + 1, d] += up
            q[d, d] -= up
        if d > 0:
            q[d - 1, d] += down
            q[d, d] -= down
    law = expm(q * time)[:, 0]
    for d, p in enumerate(law):
        ROWS.append([name, "p", 0, d, repr(float(p)), "1e-12"])


def main():
    constant = [1e-2, 4e-3]
    for k in (0.01, 1.0, 100.0):
        steady(
            f"dimers {k}",
            lambda x, c, k=k: dimers(x, c, k),
            lambda s, x: constant[s] + 0 * x,
            lambda s, x: 1 + 0 * x,
            [[1, 2]],
            [2.0],
            [0.8, 0.6],
        )
    # Frictions 100 and 250 (1 + x): w = T.
    steady(
        "friction",
        lambda x, c: dimers(x, c, 0.5),
        lambda s, x: temperature(x),
        lambda s, x: [100 + 0 * x, 250 * (1 + x)][s],
        [[1, 2]],
        [2.0],
        [0.8, 0.6],
    )
    steady(
        "catalysis",
        lambda x, c: catalysis(x, c, 2.0),
        lambda s, x: [1e-2, 3e-2, 5e-3, 2e-2][s] + 0 * x,
        lambda s, x: 1 + 0 * x,
        [[1, 0, 1, 0], [0, 1, 1, 1]],
        [0.5, 2.0],
        [0.25, 0.75, 0.25, 1.0],
    )
    transient(
        "transient",
        lambda x, c: dimers(x, c, 1.0),
        lambda s, x: [1e-1, 4e-2][s] * (1 + 0.5 * x),
        lambda x: [1.5 + np.cos(np.pi * x), 0.0 * x + 0.1],
        [0.1, 1.0],
    )
    master("master 9", 9, 4.0, 0.7, 1.3, 0.8)
    master("master 40", 40, 10.0, 0.7, 1.3, 0.05)
    path = pathlib.Path(__file__).parent.parent / "tests/data/reactions.csv"
    with path.open("w", newline="") as file:
        file.write("# Written by scripts/oracle_reactions.py.\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "quantity", "species", "place", "value", "error"])
        writer.writerows(ROWS)


main()
