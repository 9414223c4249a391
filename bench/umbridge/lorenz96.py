"""Lorenz-96 with 1000 values: one Runge-Kutta step of a state, or of many states at once."""
import numpy as np

VALUES, STEP, FORCING = 1000, 0.05, 8.0


def tendency(x):
    return (np.roll(x, -1, -1) - np.roll(x, 2, -1)) * np.roll(x, 1, -1) - x + FORCING


def step(x):
    k1 = tendency(x)
    k2 = tendency(x + STEP / 2 * k1)
    k3 = tendency(x + STEP / 2 * k2)
    k4 = tendency(x + STEP * k3)
    return x + STEP / 6 * (k1 + 2 * (k2 + k3) + k4)
