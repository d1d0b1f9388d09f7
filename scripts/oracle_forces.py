#!/usr/bin/env python3
"""Independent solutions with potentials and states that propel themselves, for tests/theory/theory_forces.rs.

J_i = (1/g_i) [-(U + U_i)' P_i - (T P_i)'] + v_i P_i and -J_i' + sum_edges (+-) (k_f P_from - k_b P_to) = 0 on
[0, 1], one particle, between reflecting walls or on a ring. Collocation of both first-order equations in the
densities *and* the currents, Chebyshev points between walls, trigonometric interpolation on a ring: one
global function, least squares with NumPy, no elements, no weak form, no scaling. Heat is the sum of what
passages and moves take from the bath. The effective diffusion on the ring is the second-order perturbation
of the largest eigenvalue of the forward operator. Every number is computed with two resolutions; the largest
relative difference is printed and written into the header of the tables.

Usage: python3 scripts/oracle_forces.py   (writes tests/data/forces_*.csv; some seconds)
"""

import csv
import pathlib

import numpy as np
from numpy import cos, exp, log, pi, sin

BINS = 10
W = 2 * pi

# Energies H and entropies s; frictions; potentials with their slopes; drifts. An activated edge is
# (nu, B, f), a free one a pair of functions.
WALLS = dict(
    ring=False,
    n=(72, 60),
    temperature=lambda x: 1 + 0.5 * x + 0.2 * sin(3 * x),
    energy=(1.0, 0.0),
    entropy=(0.0, 0.3),
    friction=(lambda x: 2 * (1 + 0.4 * sin(2 * x)), lambda x: 5 * exp(x / 2)),
    common=(lambda x: 2 * sin(5 * x), lambda x: 10 * cos(5 * x)),
    own=((lambda x: 1.5 * cos(4 * x), lambda x: -6 * sin(4 * x)), (lambda x: x**2, lambda x: 2 * x)),
    drift=(lambda x: 0.8 * (1 - x), lambda x: 0 * x),
    edges=((1.0, 2.5, 0.0), (0.3, 2.2, 1.5)),
)
RING = dict(
    ring=True,
    n=(161, 121),
    temperature=lambda x: 1 + 0.4 * cos(W * x + 1),
    energy=(0.5, 0.0),
    entropy=(0.0, 0.0),
    friction=(lambda x: 1 + 0 * x, lambda x: 2 * (1 + 0.3 * cos(W * x))),
    common=(lambda x: 0.3 * cos(W * x), lambda x: -0.3 * W * sin(W * x)),
    own=(
        (lambda x: 2 * sin(W * x) + 0.5 * sin(2 * W * x), lambda x: W * (2 * cos(W * x) + cos(2 * W * x))),
        (lambda x: 0 * x, lambda x: 0 * x),
    ),
    drift=(lambda x: 0 * x, lambda x: 0.2 * (1 + sin(W * x))),
    edges=((lambda x: 1 + 0.5 * cos(W * x), lambda x: 0.7 + 0 * x), (0.2, 1.4, 0.6)),
)
CASES = {"walls": WALLS, "ring": RING}


def chebyshev(n):
    """Points, the matrix of derivatives and a function that gives rows of interpolation."""
    k = np.arange(n + 1)
    x = sin(pi * k / (2 * n)) ** 2
    weight = (-1.0) ** k
    weight[[0, -1]] /= 2
    gap = x[:, None] - x[None, :] + np.eye(n + 1)
    d = weight[None, :] / weight[:, None] / gap
    np.fill_diagonal(d, 0)
    np.fill_diagonal(d, -d.sum(axis=1))

    def rows(y):
        gap = np.asarray(y)[:, None] - x[None, :]
        hit = gap == 0
        q = weight / np.where(hit, 1, gap)
        return np.where(hit.any(axis=1)[:, None], hit, q / q.sum(axis=1)[:, None])

    return x, d, rows


def fourier(n):
    """The same for n points (odd) of a ring."""
    x = np.arange(n) / n
    k = np.fft.fftfreq(n, 1 / n)

    def table(y, factor):
        return (exp(1j * W * np.outer(y, k)) * factor @ exp(-1j * W * np.outer(k, x))).real / n

    return x, table(x, 1j * W * k), lambda y: table(np.asarray(y), 1.0)


def solve(spec, n):
    ring, t = spec["ring"], spec["temperature"]
    x, d, rows = fourier(n) if ring else chebyshev(n)
    m = len(x)
    force = lambda i, x: -spec["common"][1](x) - spec["own"][i][1](x)
    energy = lambda i, x: spec["energy"][i] + spec["common"][0](x) + spec["own"][i][0](x)

    def rates(edge, x):
        if len(edge) == 2:
            return edge[0](x), edge[1](x)
        nu, barrier, f = edge
        free = lambda i: spec["energy"][i] - t(x) * spec["entropy"][i] + spec["own"][i][0](x)
        up = nu * exp(-(barrier - free(0) - f / 2) / t(x))
        return up, nu * exp(-(barrier - free(1) + f / 2) / t(x))

    def heat(edge, x):
        if len(edge) == 2:
            up, down = rates(edge, x)
            return -t(x) * log(up / down)
        return energy(1, x) - energy(0, x) - edge[2]

    # Unknowns P_1, P_2, J_1, J_2 at all points.
    zero, one = np.zeros((m, m)), np.eye(m)
    flux = []
    for i in range(2):
        g = spec["friction"][i](x)
        flux.append((np.diag(force(i, x)) - d * t(x)[None, :]) / g[:, None] + np.diag(spec["drift"][i](x)))
    up = sum(rates(e, x)[0] for e in spec["edges"])
    down = sum(rates(e, x)[1] for e in spec["edges"])
    up, down = np.diag(up + 0 * x), np.diag(down + 0 * x)
    equations = np.block(
        [
            [-flux[0], zero, one, zero],
            [zero, -flux[1], zero, one],
            [-up, down, -d, zero],
            [up, -down, zero, -d],
        ]
    )
    ends = []
    if not ring:
        for i in (2, 3):
            for k in (0, m - 1):
                ends.append(np.eye(4 * m)[i * m + k])
    gauss, w = np.polynomial.legendre.leggauss(24)
    faces = np.arange(BINS + 1) / BINS
    places = np.concatenate([(a + b) / 2 + (b - a) / 2 * gauss for a, b in zip(faces, faces[1:])])
    weights = np.tile(w / (2 * BINS), BINS)
    inner = rows(places)
    whole = weights @ inner
    norm = np.concatenate([whole, whole, 0 * whole, 0 * whole])
    matrix = np.vstack([equations, *ends, norm])
    right = np.zeros(len(matrix))
    right[-1] = 1
    # Rows of very different size otherwise.
    scale = 1 / np.abs(matrix).max(axis=1)
    answer = np.linalg.lstsq(matrix * scale[:, None], right * scale, rcond=None)[0]
    p, j = answer[: 2 * m].reshape(2, m), answer[2 * m :].reshape(2, m)

    out = {}
    points = np.arange(41) / 40
    at = rows(points)
    for i in range(2):
        for k in range(41):
            out["point_density", i, k] = (at @ p[i])[k]
            out["point_current", i, k] = (at @ j[i])[k]
    mean = lambda f: (weights * f).reshape(BINS, -1).sum(axis=1) * BINS
    density, current = [inner @ v for v in p], [inner @ v for v in j]
    absorbed = 0 * places
    for i in range(2):
        push = spec["drift"][i](places) * spec["friction"][i](places)
        absorbed = absorbed + current[i] * (-force(i, places) - push)
    for e, edge in enumerate(spec["edges"]):
        k = rates(edge, places)
        absorbed = absorbed + (k[0] * density[0] - k[1] * density[1]) * heat(edge, places)
        for way in (0, 1):
            for b, value in enumerate(mean(k[way] * density[way])):
                out["transition_rate", 2 * e + way, b] = value
    for b in range(BINS):
        out["heat_absorbed", "", b] = mean(absorbed)[b]
        out["density", "", b] = mean(density[0] + density[1])[b]
        for i in range(2):
            out["state_density", i, b] = mean(density[i])[b]
    border = rows(faces[1:-1])
    for b in range(BINS - 1):
        place = faces[b + 1]
        out["heat_current", "", b] = sum(energy(i, place) * (border @ j[i])[b] for i in range(2))
        for i in range(2):
            out["current", i, b] = (border @ j[i])[b]
    out["mean_temperature", "", 0] = weights @ (t(places) * (density[0] + density[1]))
    out["entropy_production", "", 0] = -weights @ (absorbed / t(places))
    if ring:
        velocity = whole @ (j[0] + j[1])
        out["mean_velocity", "", 0] = velocity
        # L P_1 = V P_0 - (J_0 - (D P_0)'), with the flux F = J[P_1] + D P_0.
        spread = [t(x) / spec["friction"][i](x) * p[i] for i in range(2)]
        right = np.concatenate([*spread, *(velocity * p[i] - j[i] for i in range(2))])
        scale = 1 / np.abs(equations).max(axis=1)
        answer = np.linalg.lstsq(equations * scale[:, None], right * scale, rcond=1e-13)[0]
        q, f = answer[: 2 * m].reshape(2, m), answer[2 * m :].reshape(2, m)
        out["effective_diffusion", "", 0] = whole @ (f[0] + f[1] - velocity * (q[0] + q[1]))
    return out


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
    for name, spec in CASES.items():
        fine, coarse = (solve(spec, n) for n in spec["n"])
        largest = {}
        for (quantity, index, _), value in fine.items():
            largest[quantity, index] = max(largest.get((quantity, index), 0), abs(value))
        change = max(abs(v - coarse[key]) / largest[key[:2]] for key, v in fine.items())
        print(f"{name}: {change:.1e}")
        with open(folder / f"forces_{name}.csv", "w", newline="") as file:
            best, before = spec["n"]
            file.write(f"# scripts/oracle_forces.py: {best} points, change from {before}: {change:.1e}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["quantity", "index", "place", "value"])
            for (quantity, index, place), value in fine.items():
                writer.writerow([quantity, index, place, f"{value:.17g}"])


if __name__ == "__main__":
    main()
