"""Lorenz-63 by Runge-Kutta steps of order 4: a line of JSON for every member, and a line for its result."""
import json
import sys

SIGMA, RHO, BETA, STEP = 10.0, 28.0, 8 / 3, 0.01


def tendency(x, y, z):
    return SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z


def advance(x, h):
    k1 = tendency(*x)
    k2 = tendency(*(a + h / 2 * k for a, k in zip(x, k1)))
    k3 = tendency(*(a + h / 2 * k for a, k in zip(x, k2)))
    k4 = tendency(*(a + h * k for a, k in zip(x, k3)))
    return [a + h / 6 * (p + 2 * (q + r) + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4)]


for line in sys.stdin:
    task = json.loads(line)
    x = [task["state"][name] for name in "xyz"]
    for _ in range(round(task["interval"] / STEP)):
        x = advance(x, STEP)
    print(json.dumps({"state": dict(zip("xyz", x))}), flush=True)
