"""Lorenz-63 by Runge-Kutta steps of order 4, all members in one run: lorenz63.py STATES RESULTS."""
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


with open(sys.argv[1]) as f:
    task = json.load(f)
for member in task["members"]:
    state = member["state"]
    x = [state["x"], state["y"], state["z"]]
    for _ in range(round(task["interval"] / STEP)):
        x = advance(x, STEP)
    member["state"] = dict(zip("xyz", x))
with open(sys.argv[2], "w") as f:
    json.dump(task, f)
