"""A confined aquifer between a river and a hill, all members in one run: aquifer.py STATES RESULTS.

S dh/dt = d/dx (T dh/dx) + R - q, by implicit steps of a day on 20 cells of 50 m: T has a value in
each of three zones, R is the recharge, and a well takes q from the middle from day 27 to day 54."""
import json
import sys

CELLS, WIDTH, STORAGE, RIVER = 20, 50.0, 0.02, 10.0
WELL, RATE = 9, 0.006  # cell, and metres a day over its width


def day(head, transmissivity, recharge, pumped):
    """Returns the heads a day later: a tridiagonal system, solved from the river to the hill and back."""
    t = [transmissivity[3 * i // CELLS] / WIDTH**2 for i in range(CELLS)]
    between = [2 * a * b / (a + b) for a, b in zip(t, t[1:])]
    left, right = [2 * t[0]] + between, between + [0.0]
    slope, level = [], []
    for i in range(CELLS):
        diagonal = STORAGE + left[i] + right[i]
        source = STORAGE * head[i] + recharge - (RATE if pumped and i == WELL else 0.0)
        if i == 0:
            source += left[0] * RIVER
        else:
            diagonal -= left[i] * slope[-1]
            source += left[i] * level[-1]
        slope.append(right[i] / diagonal)
        level.append(source / diagonal)
    for i in range(CELLS - 2, -1, -1):
        level[i] += slope[i] * level[i + 1]
    return level


with open(sys.argv[1]) as f:
    task = json.load(f)
for member in task["members"]:
    state = member["state"]
    for now in range(round(task["from"]), round(task["to"])):
        state["head"] = day(state["head"], state["transmissivity"], state["recharge"] / 1000, 27 <= now < 54)
with open(sys.argv[2], "w") as f:
    json.dump(task, f)
