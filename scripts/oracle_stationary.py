#!/usr/bin/env python3
"""Independent solutions of the stationary n-state equation, for tests/theory.rs.

D_i P_i'' + sum_edges (+-) (k_f P_from - k_b P_to) = 0 on [0, 1], P_i' = 0 at both walls, one particle.
Chebyshev collocation of the strong form in the densities P_i with 40-digit arithmetic: one global
polynomial, a dense matrix, no elements, no weak form. Every number is computed with two
resolutions; the largest relative difference is printed and written into the header of the tables.

Usage: python3 scripts/oracle_stationary.py   (writes tests/data/stationary_*.csv; some minutes)
"""

import csv
import pathlib

import mpmath as mp

mp.mp.dps = 40
BINS = 10

# T(x), T'(x); states (E, D); edges (from, to, nu, B); collocation points.
LINEAR = (lambda x: 1 + mp.mpf("0.8") * x, lambda x: mp.mpf("0.8"))
WAVE = (
    lambda x: 1 + mp.mpf("0.3") * mp.sin(3 * x) + mp.mpf("0.2") * x,
    lambda x: mp.mpf("0.9") * mp.cos(3 * x) + mp.mpf("0.2"),
)
SQUARE = (lambda x: 1 + mp.mpf("0.5") * x * x, lambda x: x)
TWO = [("1", "1e-2"), ("0", "1e-3")]
THREE = [("1", "1e-2"), ("0", "1e-3"), ("0.5", "4e-3")]
FIVE = [("1", "1e-2"), ("0", "1e-3"), ("0.5", "4e-3"), ("-0.7", "2e-2"), ("1.6", "7e-4")]
RING = [
    (0, 1, "0.3", "1.5"),
    (1, 2, "2", "1.1"),
    (2, 3, "0.01", "0.9"),
    (3, 4, "0.5", "2.0"),
    (4, 0, "1", "1.8"),
    (1, 0, "0.2", "0.4"),
]
CASES = {
    "two_slow": (LINEAR, TWO, [(0, 1, "1e-6", "1.5")], 30),
    "two_medium": (LINEAR, TWO, [(0, 1, "1", "1.5")], 64),
    "two_fast": (LINEAR, TWO, [(0, 1, "100", "1.5")], 120),
    "three_slow": (WAVE, THREE, [(0, 1, "1e-4", "1.5"), (1, 2, "2e-4", "0.8")], 44),
    "three_mixed": (WAVE, THREE, [(0, 1, "20", "1.5"), (2, 1, "1e-3", "0.8"), (0, 2, "0.1", "1.2")], 80),
    "five_ring": (SQUARE, FIVE, RING, 52),
}


def chebyshev(n):
    """Points in increasing order on [0, 1] and the differentiation matrix on them."""
    points = [(1 - mp.cos(mp.pi * k / n)) / 2 for k in range(n + 1)]
    sign = [(-1) ** k * (mp.mpf("0.5") if k in (0, n) else 1) for k in range(n + 1)]
    d = mp.zeros(n + 1)
    for i in range(n + 1):
        for j in range(n + 1):
            if i != j:
                d[i, j] = sign[j] / sign[i] / (points[i] - points[j])
        d[i, i] = -sum(d[i, j] for j in range(n + 1) if j != i)
    return points, sign, d


def legendre_rule(n):
    rule = []
    for k in range(n):
        s = mp.cos(mp.pi * (k + mp.mpf("0.75")) / (n + mp.mpf("0.5")))
        for _ in range(8):
            before, now = mp.mpf(1), s
            for l in range(1, n):
                before, now = now, ((2 * l + 1) * s * now - l * before) / (l + 1)
            slope = n * (s * now - before) / (s * s - 1)
            s -= now / slope
        rule.append((s, 2 / ((1 - s * s) * slope * slope)))
    return rule


RULE = legendre_rule(40)


def integrate(f, a, b):
    return (b - a) / 2 * sum(w * f((a + b) / 2 + (b - a) / 2 * s) for s, w in RULE)


def solve(case, n):
    """Observables of one case with polynomials of degree n, as {(name, index, place): value}."""
    (temperature, slope), states, edges, _ = CASES[case]
    energy = [mp.mpf(e) for e, _ in states]
    diffusivity = [mp.mpf(d) for _, d in states]
    edges = [(a, b, mp.mpf(nu), mp.mpf(barrier)) for a, b, nu, barrier in edges]
    m = len(states)
    points, sign, d = chebyshev(n)
    second = d * d

    def rates(edge, x):
        a, b, nu, barrier = edge
        t = temperature(x)
        return nu * mp.exp(-(barrier - energy[a]) / t), nu * mp.exp(-(barrier - energy[b]) / t)

    size = m * (n + 1)
    matrix, right = mp.zeros(size), mp.zeros(size, 1)
    for k, x in enumerate(points):
        for i in range(m):
            row = i * (n + 1) + k
            source = d if k in (0, n) else second
            for j in range(n + 1):
                matrix[row, i * (n + 1) + j] = diffusivity[i] * source[k, j]
        if k in (0, n):
            continue
        for edge in edges:
            a, b = edge[:2]
            forward, backward = rates(edge, x)
            for target, s in ((a, -1), (b, 1)):
                matrix[target * (n + 1) + k, a * (n + 1) + k] += s * forward
                matrix[target * (n + 1) + k, b * (n + 1) + k] -= s * backward
    # One equation is redundant; fix a value there and normalise afterwards.
    for j in range(size):
        matrix[n, j] = 0
    matrix[n, 0], right[n] = 1, 1
    solution = mp.lu_solve(matrix, right)
    p = [[solution[i * (n + 1) + k] for k in range(n + 1)] for i in range(m)]

    def evaluate(values, x):
        top = bottom = mp.mpf(0)
        for v, s, at in zip(values, sign, points):
            if x == at:
                return v
            q = s / (x - at)
            top, bottom = top + q * v, bottom + q
        return top / bottom

    faces = [mp.mpf(k) / BINS for k in range(BINS + 1)]

    def whole(f):
        return sum(integrate(f, faces[k], faces[k + 1]) for k in range(BINS))

    norm = whole(lambda x: sum(evaluate(p[i], x) for i in range(m)))
    p = [[v / norm for v in values] for values in p]
    j = [
        [-diffusivity[i] * sum(d[k, l] * p[i][l] for l in range(n + 1)) for k in range(n + 1)]
        for i in range(m)
    ]
    density = lambda i, x: evaluate(p[i], x)
    total = lambda x: sum(density(i, x) for i in range(m))
    current = lambda i, x: evaluate(j[i], x)
    heat = lambda x: sum(energy[i] * current(i, x) for i in range(m))

    out = {}
    for k in range(41):
        x = mp.mpf(k) / 40
        for i in range(m):
            out["point_density", i, k] = density(i, x)
            out["point_current", i, k] = current(i, x)
    average = [
        [integrate(lambda x: density(i, x), faces[b], faces[b + 1]) * BINS for b in range(BINS)]
        for i in range(m)
    ]
    for b in range(BINS):
        lo, hi = faces[b], faces[b + 1]
        mean = sum(average[i][b] for i in range(m))
        out["density", "", b] = mean
        for i in range(m):
            out["state_density", i, b] = average[i][b]
        out["local_soret", "", b] = -(total(hi) - total(lo)) / (temperature(hi) - temperature(lo)) / mean
        out["heat_absorbed", "", b] = (heat(hi) - heat(lo)) * BINS
        for e, edge in enumerate(edges):
            a, c = edge[:2]
            out["transition_rate", 2 * e, b] = BINS * integrate(
                lambda x: rates(edge, x)[0] * density(a, x), lo, hi
            )
            out["transition_rate", 2 * e + 1, b] = BINS * integrate(
                lambda x: rates(edge, x)[1] * density(c, x), lo, hi
            )
        if b > 0:
            out["heat_current", "", b - 1] = heat(lo)
            for i in range(m):
                out["current", i, b - 1] = current(i, lo)
    for i in range(m):
        out["population", i, 0] = sum(average[i]) / BINS
    mean_temperature = whole(lambda x: temperature(x) * total(x))
    out["mean_temperature", "", 0] = mean_temperature
    grid = [
        ((faces[b] + faces[b + 1]) / 2 + s / (2 * BINS), w / (2 * BINS)) for b in range(BINS) for s, w in RULE
    ]

    def excess(soret):
        weights = [w * mp.exp(-soret * temperature(x)) for x, w in grid]
        values = [temperature(x) - mean_temperature for x, _ in grid]
        return mp.fdot(weights, values) / mp.fsum(weights)

    wall = -mp.log(total(faces[-1]) / total(faces[0])) / (temperature(mp.mpf(1)) - temperature(mp.mpf(0)))
    out["soret_wall", "", 0] = wall
    out["soret", "", 0] = mp.findroot(excess, (mp.mpf(0), wall))
    out["entropy_production", "", 0] = -whole(lambda x: heat(x) * slope(x) / temperature(x) ** 2)
    return out


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for case, (_, _, _, n) in CASES.items():
        fine, coarse = solve(case, n), solve(case, n - 8)
        largest = {}
        for (name, index, _), value in fine.items():
            largest[name, index] = max(largest.get((name, index), mp.mpf(0)), abs(value))
        error = max(abs(fine[key] - coarse[key]) / largest[key[:2]] for key in fine)
        print(f"{case}: relative error about {mp.nstr(error, 2)}", flush=True)
        with open(folder / f"stationary_{case}.csv", "w", newline="") as file:
            file.write(f"# scripts/oracle_stationary.py: Chebyshev, degree {n}, 40 digits, ")
            file.write(f"change from degree {n - 8}: {mp.nstr(error, 2)}\n")
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["quantity", "index", "place", "value"])
            for (name, index, place), value in fine.items():
                table.writerow([name, index, place, mp.nstr(value, 17)])


if __name__ == "__main__":
    main()
