#!/usr/bin/env python3
"""Independent solution of the stationary Kramers equation, for tests/theory/kramers.rs.

v d_x P = g d_v(v P + T(x) d_v P) on 0 < x < 1 with mass 1, friction g = 1, 5, 10, T = 1 + 0.8 x, walls
P(0, v) = P(0, -v), P(1, v) = P(1, -v). Not in modes of the velocity: P(x, v) itself on a product of two meshes of
spectral elements. In v, -V < v < V without flux at the ends, Galerkin with Lobatto quadrature on elements that crowd at
v = 0, where the law is singular at the walls. In x, collocation at Lobatto points of elements that crowd
at the walls: particles with v > 0 start at the left end of an element, those with v < 0 at its right end. The
condition that the sum is 1 is added with a multiplier. Computed on two meshes; the column `error` has the largest
difference of each quantity.

Usage: python3 scripts/oracle_kramers.py   (writes tests/data/kramers.csv; about a minute)
"""

import csv
import pathlib

import numpy as np
import scipy.sparse as sp
from numpy.polynomial import legendre
from scipy.sparse.linalg import splu

BINS = 10
SPEEDS = [0.5, 1.5, 2.5]


def temperature(x):
    return 1 + 0.8 * x


def lobatto(degree):
    unit = np.zeros(degree + 1)
    unit[degree] = 1
    s = np.concatenate([[-1], legendre.legroots(legendre.legder(unit)), [1]])
    return s, 2 / (degree * (degree + 1) * legendre.legval(s, unit) ** 2)


def interpolation(s, at):
    degree = len(s) - 1
    return legendre.legvander(at, degree) @ np.linalg.inv(legendre.legvander(s, degree))


def differentiation(s):
    degree = len(s) - 1
    slopes = [legendre.legval(s, legendre.legder(np.eye(degree + 1)[k])) if k else 0 * s for k in range(degree + 1)]
    return np.stack(slopes, axis=1) @ np.linalg.inv(legendre.legvander(s, degree))


def nodes(mesh, s):
    inner = [(a + b) / 2 + (b - a) / 2 * s[1:] for a, b in zip(mesh, mesh[1:])]
    return np.concatenate([[mesh[0]], *inner])


def velocities(reach, levels, degree):
    """Nodes, weights of quadrature, and the matrices of -f' (v p) and -f' p' between nodes."""
    half = np.concatenate([[0], 1.2 * 2.0 ** -np.arange(levels, 0, -1), np.linspace(1.2, reach, 9)])
    mesh = np.concatenate([-half[:0:-1], half])
    s, w = lobatto(degree)
    d = differentiation(s)
    v = nodes(mesh, s)
    count = len(v)
    weights = np.zeros(count)
    drift, spread = sp.lil_matrix((count, count)), sp.lil_matrix((count, count))
    for e, (a, b) in enumerate(zip(mesh, mesh[1:])):
        k = slice(e * degree, (e + 1) * degree + 1)
        weights[k] += (b - a) / 2 * w
        drift[k, k] -= d.T @ np.diag(w * v[k])
        spread[k, k] -= 2 / (b - a) * d.T @ np.diag(w) @ d
    return mesh, v, weights, drift.tocsr(), spread.tocsr()


def solve(g, reach, levels, v_degree, x_levels, x_degree):
    v_mesh, v, weights, drift, spread = velocities(reach, levels, v_degree)
    first = 0.5 / g * 2.0 ** -x_levels
    left = [0.0]
    while left[-1] + 1.5 * first < 0.5:
        left.append(left[-1] + first)
        first = min(2 * first, 0.125)
    left = np.array(left)
    mesh = np.concatenate([left, [0.5], 1 - left[::-1]])
    s, w = lobatto(x_degree)
    x = nodes(mesh, s)
    d = differentiation(s)
    count = len(v)
    middle = count // 2
    streaming = sp.diags(weights * v)
    mirror = sp.eye(count, format="csr")[::-1]
    select = lambda mask: sp.diags(mask.astype(float))
    collision = [g * (drift + temperature(y) * spread) for y in x]
    blocks = [[None] * len(x) for _ in x]

    def add(i, j, block):
        blocks[i][j] = block if blocks[i][j] is None else blocks[i][j] + block

    right, back, rest = select(v > 1e-14), select(v < -1e-14), select(np.abs(v) <= 1e-14)
    for e, (a, b) in enumerate(zip(mesh, mesh[1:])):
        for k in range(x_degree + 1):
            i = e * x_degree + k
            # Who enters through this node is not collocated in this element.
            here = sp.csr_matrix((count, count))
            if k > 0:
                here = here + right
            if k < x_degree:
                here = here + back
            for m in range(x_degree + 1):
                add(i, e * x_degree + m, here @ streaming * (2 / (b - a) * d[k, m]))
            add(i, i, -here @ collision[i])
    for i in range(len(x)):
        add(i, i, -rest @ collision[i])
    # Reflection; scaled like the other rows.
    size = sp.diags(np.maximum(weights * np.abs(v), 1e-6))
    add(0, 0, right @ size @ (sp.eye(count) - mirror))
    add(len(x) - 1, len(x) - 1, back @ size @ (sp.eye(count) - mirror))
    matrix = sp.bmat(blocks, format="csr")
    x_weights = np.zeros(len(x))
    for e, (a, b) in enumerate(zip(mesh, mesh[1:])):
        x_weights[e * x_degree : (e + 1) * x_degree + 1] += (b - a) / 2 * w
    total = np.kron(x_weights, weights)
    start = np.kron(np.ones(len(x)), weights * np.exp(-(v**2) / 2.8))
    bordered = sp.bmat([[matrix, start[:, None]], [total[None, :], None]], format="csc")
    found = splu(bordered).solve(np.concatenate([np.zeros(len(total)), [1]]))
    p = found[:-1].reshape(len(x), count)
    gauss, rule = legendre.leggauss(x_degree + 2)

    def at(y):
        e = min(np.searchsorted(mesh, y, side="right"), len(mesh) - 1) - 1
        t = (2 * y - mesh[e] - mesh[e + 1]) / (mesh[e + 1] - mesh[e])
        return (interpolation(s, np.array([t])) @ p[e * x_degree : (e + 1) * x_degree + 1])[0]

    def slow(profile, speed):
        sum_ = 0
        points, of = legendre.leggauss(v_degree + 2)
        vs, _ = lobatto(v_degree)
        for e, (a, b) in enumerate(zip(v_mesh, v_mesh[1:])):
            lo, hi = max(a, -speed), min(b, speed)
            if lo < hi:
                u = (lo + hi) / 2 + (hi - lo) / 2 * points
                values = interpolation(vs, (2 * u - a - b) / (b - a)) @ profile[e * v_degree : (e + 1) * v_degree + 1]
                sum_ += (hi - lo) / 2 * (of * u) @ values
        return sum_

    rows = {}
    for b in range(BINS):
        cuts = np.unique(np.clip(mesh, b / BINS, (b + 1) / BINS))
        mean = np.zeros(count)
        for lo, hi in zip(cuts, cuts[1:]):
            if hi - lo > 1e-14:
                for point, weight in zip((lo + hi) / 2 + (hi - lo) / 2 * gauss, rule * (hi - lo) / 2):
                    mean = mean + weight * BINS * at(point)
        rows["density", b, ""] = weights @ mean
        rows["pressure", b, ""] = (weights * v**2) @ mean
        rows["heat_current", b, ""] = (weights * v**3 / 2) @ mean
        rows["slow_current", b, SPEEDS[1]] = slow(mean, SPEEDS[1])
    for y in [0.0, 0.02, 0.3, 0.5, 1.0]:
        profile = at(y)
        rows["density_at", y, ""] = weights @ profile
        rows["heat_current_at", y, ""] = (weights * v**3 / 2) @ profile
        for speed in SPEEDS:
            rows["slow_current_at", y, speed] = slow(profile, speed)
        for u in [-2.0, 0.0, 0.7, 2.0]:
            e = min(np.searchsorted(v_mesh, u, side="right"), len(v_mesh) - 1) - 1
            t = (2 * u - v_mesh[e] - v_mesh[e + 1]) / (v_mesh[e + 1] - v_mesh[e])
            vs, _ = lobatto(v_degree)
            rows["phase_density_at", y, u] = (
                interpolation(vs, np.array([t])) @ profile[e * v_degree : (e + 1) * v_degree + 1]
            )[0]
    print(f"g = {g}: {len(x)} x {count}, multiplier {found[-1]:.1e}")
    return rows


def main():
    table = []
    for g in [1, 5, 10]:
        fine, coarse = solve(g, 9.5, 5, 8, 7, 8), solve(g, 8.8, 4, 7, 6, 7)
        for kind in dict.fromkeys(key[0] for key in fine):
            of = [key for key in fine if key[0] == kind]
            scale = max(abs(fine[key]) for key in of)
            differ = max(abs(fine[key] - coarse[key]) for key in of)
            print(f"  {kind}: relative error about {differ / scale:.1e}")
            table += [[g, *key, repr(float(fine[key])), f"{differ:.1e}"] for key in of]
    path = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "kramers.csv"
    with open(path, "w", newline="") as file:
        file.write("# scripts/oracle_kramers.py: spectral elements in x and v; error: change from a coarser mesh\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["friction", "quantity", "place", "speed", "value", "error"])
        rows.writerows(table)


if __name__ == "__main__":
    main()
