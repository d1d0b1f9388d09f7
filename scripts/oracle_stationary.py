#!/usr/bin/env python3
"""Independent solutions of the stationary n-state equation, for tests/theory/stationary.rs.

-J_i' + sum_edges (+-) (k_f P_from - k_b P_to) = 0 with J_i = -(1/g_i) (w_i P_i)' on [0, 1], J_i = 0 at
both walls, one particle; w = D, g = 1 for a diffusivity (Ito) and w = k_B T, g = gamma for a friction.
Chebyshev collocation of the strong form in the densities P_i with 40-digit arithmetic: one global
polynomial between jumps of T (w_i P_i and J_i are continuous there), a dense matrix, no elements, no weak
form. Heat and entropy production are integrals of fluxes times heat per passage. Every number is computed
with two resolutions; the largest relative difference is printed and written into the header of the
tables.

Usage: python3 scripts/oracle_stationary.py [CASE ...]   (writes tests/data/stationary_*.csv; some minutes
with gmpy2 installed)
"""

import csv
import pathlib
import sys

import mpmath as mp

mp.mp.dps = 40
BINS = 10

m = mp.mpf


def constant(value):
    value = m(value)
    return lambda x, piece: value


def plain(f):
    """A function of x that does not jump."""
    return lambda x, piece: f(x)


def passive(edges):
    return [(a, b, nu, barrier, "0") for a, b, nu, barrier in edges]


def diffusing(states):
    """(enthalpy, entropy, kind, function of x and piece) from (enthalpy, diffusivity)."""
    return [(e, "0", "diffusivity", constant(d)) for e, d in states]


LINEAR = plain(lambda x: 1 + m("0.8") * x)
WAVE = plain(lambda x: 1 + m("0.3") * mp.sin(3 * x) + m("0.2") * x)
SQUARE = plain(lambda x: 1 + m("0.5") * x * x)
KELVIN = plain(lambda x: 300 + 60 * x)
BOXES = lambda x, piece: m(1) if piece == 0 else m("1.7")
TWO = diffusing([("1", "1e-2"), ("0", "1e-3")])
THREE = diffusing([("1", "1e-2"), ("0", "1e-3"), ("0.5", "4e-3")])
FIVE = diffusing([("1", "1e-2"), ("0", "1e-3"), ("0.5", "4e-3"), ("-0.7", "2e-2"), ("1.6", "7e-4")])
RING = [
    (0, 1, "0.3", "1.5"),
    (1, 2, "2", "1.1"),
    (2, 3, "0.01", "0.9"),
    (3, 4, "0.5", "2.0"),
    (4, 0, "1", "1.8"),
    (1, 0, "0.2", "0.4"),
]


def case(temperature, states, edges, n, jumps=(), kb="1"):
    """T(x, piece); states (H, s, kind, function); edges (from, to, nu, B, f) or (from, to, k_f, k_b) with
    functions of x or None; points per piece; places of jumps; k_B."""
    return dict(temperature=temperature, states=states, edges=edges, n=n, jumps=jumps, kb=m(kb))


CASES = {
    "two_slow": case(LINEAR, TWO, passive([(0, 1, "1e-6", "1.5")]), 30),
    "two_medium": case(LINEAR, TWO, passive([(0, 1, "1", "1.5")]), 64),
    "two_fast": case(LINEAR, TWO, passive([(0, 1, "100", "1.5")]), 120),
    "three_slow": case(WAVE, THREE, passive([(0, 1, "1e-4", "1.5"), (1, 2, "2e-4", "0.8")]), 44),
    "three_mixed": case(
        WAVE, THREE, passive([(0, 1, "20", "1.5"), (2, 1, "1e-3", "0.8"), (0, 2, "0.1", "1.2")]), 80
    ),
    "five_ring": case(SQUARE, FIVE, passive(RING), 52),
    # D_i = d_i T, and an entropy.
    "einstein": case(
        LINEAR,
        [
            ("1", "0.7", "diffusivity", plain(lambda x: m("1e-2") * (1 + m("0.8") * x))),
            ("0", "0", "diffusivity", plain(lambda x: m("1e-3") * (1 + m("0.8") * x))),
        ],
        passive([(0, 1, "0.3", "1.5")]),
        52,
    ),
    # Ito diffusivities of different shapes.
    "ito_shapes": case(
        WAVE,
        [
            ("1", "0", "diffusivity", plain(lambda x: m("1e-2") * (1 + x))),
            ("0", "-0.4", "diffusivity", plain(lambda x: m("2e-3") * mp.exp(-x * x))),
        ],
        passive([(0, 1, "0.1", "1.5")]),
        52,
    ),
    # gamma_i = gamma_i f(x).
    "friction_common": case(
        WAVE,
        [
            ("1", "0.5", "friction", plain(lambda x: 100 * (1 + m("0.5") * mp.sin(2 * x)))),
            ("0", "0", "friction", plain(lambda x: 900 * (1 + m("0.5") * mp.sin(2 * x)))),
        ],
        passive([(0, 1, "0.05", "1.5")]),
        48,
    ),
    "friction_shapes": case(
        WAVE,
        [
            ("1", "0.5", "friction", plain(lambda x: 100 * mp.exp(x / 2))),
            ("0", "0", "friction", plain(lambda x: 600 * (1 + x * x))),
            ("0.4", "-0.3", "friction", constant("250")),
        ],
        passive([(0, 1, "0.02", "1.5"), (1, 2, "0.05", "0.8"), (2, 0, "0.002", "1.1")]),
        48,
    ),
    # A ring with two parallel edges, one of them driven.
    "driven_ring": case(
        LINEAR,
        THREE,
        [
            (0, 1, "0.2", "1.5", "0"),
            (0, 1, "0.05", "1.3", "2.5"),
            (1, 2, "0.1", "0.9", "0"),
            (2, 0, "0.3", "1.6", "0"),
        ],
        56,
    ),
    "free_both": case(
        LINEAR,
        TWO,
        [
            (0, 1, plain(lambda x: m("0.1") * mp.exp(-x)), plain(lambda x: m("0.05") * (1 + x * x))),
            (0, 1, "0.02", "1.5", "0"),
        ],
        52,
    ),
    "free_one_way": case(
        WAVE,
        THREE,
        [
            (0, 1, plain(lambda x: m("0.05") * (1 + x)), None),
            (1, 2, plain(lambda x: m("0.02") * mp.exp(x)), None),
            (0, 2, None, constant("0.03")),
        ],
        52,
    ),
    "kelvin": case(
        KELVIN,
        [
            ("2.5", "0.3", "friction", plain(lambda x: 250 * (1 + x))),
            ("0", "0", "friction", plain(lambda x: 2500 * mp.exp(-x))),
        ],
        [(0, 1, "0.05", "3.5", "0.6"), (0, 1, "0.1", "4", "0")],
        48,
        kb="0.0083",
    ),
    # Two temperatures, D_i = d_i T, and a driven edge.
    "two_boxes": case(
        BOXES,
        [
            ("1", "0", "diffusivity", lambda x, piece: m("1e-2") * BOXES(x, piece)),
            ("0", "0", "diffusivity", lambda x, piece: m("1e-3") * BOXES(x, piece)),
        ],
        [(0, 1, "0.1", "1.5", "0"), (0, 1, "0.04", "1.2", "-0.8")],
        40,
        jumps=("0.43",),
    ),
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


def solve(name, n):
    """Observables of one case with polynomials of degree n, as {(name, index, place): value}."""
    spec = CASES[name]
    kb, edges = spec["kb"], spec["edges"]
    states = [(m(h), m(s), kind, f) for h, s, kind, f in spec["states"]]
    enthalpy = [h for h, _, _, _ in states]
    count = len(states)
    ends = [m(0), *(m(j) for j in spec["jumps"]), m(1)]
    pieces = len(ends) - 1
    temperature = spec["temperature"]
    kt = lambda x, piece: kb * temperature(x, piece)

    def weight(i, x, piece):
        _, _, kind, f = states[i]
        return f(x, piece) if kind == "diffusivity" else kt(x, piece)

    def resistance(i, x, piece):
        _, _, kind, f = states[i]
        return m(1) if kind == "diffusivity" else f(x, piece)

    def rates(edge, x, piece):
        if len(edge) == 4:
            return tuple(m(0) if f is None else f(x, piece) for f in edge[2:])
        a, b, nu, barrier, affinity = edge
        nu, barrier, half, t = m(nu), m(barrier), m(affinity) / 2, kt(x, piece)
        free = lambda i: states[i][0] - t * states[i][1]
        return nu * mp.exp(-(barrier - free(a) - half) / t), nu * mp.exp(-(barrier - free(b) + half) / t)

    def heat(edge, x, piece):
        """Heat absorbed in a forward passage; None if it is not known."""
        if len(edge) == 4:
            if None in edge[2:]:
                return None
            forward, backward = rates(edge, x, piece)
            return -kt(x, piece) * mp.log(forward / backward)
        return enthalpy[edge[1]] - enthalpy[edge[0]] - m(edge[4])

    known = all(heat(edge, m(0), 0) is not None for edge in edges)
    unit, sign, d = chebyshev(n)
    points = [[a + (b - a) * u for u in unit] for a, b in zip(ends, ends[1:])]
    widths = [b - a for a, b in zip(ends, ends[1:])]
    nodes = n + 1
    at = lambda piece, i, k: (piece * count + i) * nodes + k
    size = pieces * count * nodes
    # J = flux P on every piece.
    flux = []
    for piece in range(pieces):
        of_state = []
        for i in range(count):
            f = mp.zeros(nodes)
            for k, x in enumerate(points[piece]):
                for l, y in enumerate(points[piece]):
                    f[k, l] = -d[k, l] / widths[piece] * weight(i, y, piece) / resistance(i, x, piece)
            of_state.append(f)
        flux.append(of_state)
    matrix, right = mp.zeros(size), mp.zeros(size, 1)
    for piece in range(pieces):
        for i in range(count):
            divergence = d * flux[piece][i] / widths[piece]
            for k in range(nodes):
                row = at(piece, i, k)
                if k == 0 and piece > 0:
                    # Continuity of w P.
                    x = ends[piece]
                    matrix[row, at(piece, i, 0)] = weight(i, x, piece)
                    matrix[row, at(piece - 1, i, n)] = -weight(i, x, piece - 1)
                    continue
                for l in range(nodes):
                    if k in (0, n):
                        matrix[row, at(piece, i, l)] = flux[piece][i][k, l]
                        if k == n and piece + 1 < pieces:
                            matrix[row, at(piece + 1, i, l)] = -flux[piece + 1][i][0, l]
                    else:
                        matrix[row, at(piece, i, l)] = -divergence[k, l]
        for k in range(1, n):
            for edge in edges:
                a, b = edge[:2]
                forward, backward = rates(edge, points[piece][k], piece)
                for target, s in ((a, -1), (b, 1)):
                    matrix[at(piece, target, k), at(piece, a, k)] += s * forward
                    matrix[at(piece, target, k), at(piece, b, k)] -= s * backward
    # One equation is redundant; fix a value there and normalise afterwards.
    redundant = at(pieces - 1, 0, n)
    for j in range(size):
        matrix[redundant, j] = 0
    matrix[redundant, 0], right[redundant] = 1, 1
    solution = mp.lu_solve(matrix, right)

    def evaluate(values, x, piece):
        top = bottom = m(0)
        for v, s, u in zip(values, sign, points[piece]):
            if x == u:
                return v
            q = s / (x - u)
            top, bottom = top + q * v, bottom + q
        return top / bottom

    faces = [m(k) / BINS for k in range(BINS + 1)]

    def over(f, lo, hi):
        """The integral of f(x, piece), bin by bin and piece by piece."""
        inner = [c for c in faces + ends if lo < c < hi]
        cuts = sorted({lo, hi, *inner})
        total = m(0)
        for a, b in zip(cuts, cuts[1:]):
            piece = of((a + b) / 2)
            total += integrate(lambda x: f(x, piece), a, b)
        return total

    def of(x):
        """The piece that holds x; the left one at a jump."""
        return max(k for k in range(pieces) if ends[k] < x or k == 0)

    whole = lambda f: over(f, m(0), m(1))
    p = [
        [[solution[at(piece, i, k)] for k in range(nodes)] for i in range(count)] for piece in range(pieces)
    ]
    norm = whole(lambda x, piece: sum(evaluate(p[piece][i], x, piece) for i in range(count)))
    p = [[[v / norm for v in values] for values in of_piece] for of_piece in p]
    j = [
        [list(flux[piece][i] * mp.matrix(p[piece][i])) for i in range(count)] for piece in range(pieces)
    ]
    density = lambda i, x, piece: evaluate(p[piece][i], x, piece)
    total = lambda x, piece: sum(density(i, x, piece) for i in range(count))
    current = lambda i, x, piece: evaluate(j[piece][i], x, piece)
    carried = lambda x, piece: sum(enthalpy[i] * current(i, x, piece) for i in range(count))

    def net(edge, x, piece):
        forward, backward = rates(edge, x, piece)
        return forward * density(edge[0], x, piece) - backward * density(edge[1], x, piece)

    absorbed = lambda x, piece: sum(net(edge, x, piece) * heat(edge, x, piece) for edge in edges)

    out = {}
    for k in range(41):
        x = m(k) / 40
        for i in range(count):
            out["point_density", i, k] = density(i, x, of(x))
            out["point_current", i, k] = current(i, x, of(x))
    average = [
        [over(lambda x, q: density(i, x, q), faces[b], faces[b + 1]) * BINS for b in range(BINS)]
        for i in range(count)
    ]
    for b in range(BINS):
        lo, hi = faces[b], faces[b + 1]
        middle = (lo + hi) / 2
        first = of(lo + (middle - lo) / m(10) ** 9)
        last = of(hi)
        mean = sum(average[i][b] for i in range(count))
        out["density", "", b] = mean
        for i in range(count):
            out["state_density", i, b] = average[i][b]
        rise = temperature(hi, last) - temperature(lo, first)
        if rise != 0:
            out["local_soret", "", b] = -(total(hi, last) - total(lo, first)) / rise / mean
        if known:
            out["heat_absorbed", "", b] = BINS * over(absorbed, lo, hi)
        for e, edge in enumerate(edges):
            for way in (0, 1):
                out["transition_rate", 2 * e + way, b] = BINS * over(
                    lambda x, q: rates(edge, x, q)[way] * density(edge[way], x, q), lo, hi
                )
        if b > 0:
            out["heat_current", "", b - 1] = carried(lo, of(lo))
            for i in range(count):
                out["current", i, b - 1] = current(i, lo, of(lo))
    for i in range(count):
        out["population", i, 0] = sum(average[i]) / BINS
    mean_temperature = whole(lambda x, q: temperature(x, q) * total(x, q))
    out["mean_temperature", "", 0] = mean_temperature
    cuts = sorted({*faces, *ends})
    grid = [
        (temperature((a + b) / 2 + s * (b - a) / 2, of((a + b) / 2)) - mean_temperature, w * (b - a) / 2)
        for a, b in zip(cuts, cuts[1:])
        for s, w in RULE
    ]

    def excess(soret):
        weights = [w * mp.exp(-soret * t) for t, w in grid]
        return mp.fdot(weights, [t for t, _ in grid]) / mp.fsum(weights)

    rise = temperature(m(1), pieces - 1) - temperature(m(0), 0)
    wall = -mp.log(total(m(1), pieces - 1) / total(m(0), 0)) / rise
    out["soret_wall", "", 0] = wall
    out["soret", "", 0] = mp.findroot(excess, (m(0), wall))
    if known:
        out["entropy_production", "", 0] = -whole(lambda x, q: absorbed(x, q) / kt(x, q))

        def quadratic(x, q):
            moved = sum(
                current(i, x, q) ** 2 / density(i, x, q) * resistance(i, x, q) / weight(i, x, q)
                for i in range(count)
            )
            for edge in edges:
                forward, backward = rates(edge, x, q)
                ratio = forward * density(edge[0], x, q) / (backward * density(edge[1], x, q))
                moved += net(edge, x, q) * mp.log(ratio)
            return moved

        out["quadratic_entropy_production", "", 0] = whole(quadratic)
    return out


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[1:] or CASES:
        n = CASES[case]["n"]
        fine, coarse = solve(case, n), solve(case, n - 8)
        largest = {}
        for (name, index, _), value in fine.items():
            largest[name, index] = max(largest.get((name, index), mp.mpf(0)), abs(value))
        error = max(abs(fine[key] - coarse[key]) / (largest[key[:2]] or 1) for key in fine)
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
