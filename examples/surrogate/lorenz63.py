"""Lorenz-63, which the network learns."""

import numpy as np

INTERVAL = 0.05  # that the network forecasts


def tendency(s):
    x, y, z = s.T
    return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)


def forecast(s, h=0.01):
    """Returns the states that follow on those in the rows of s, by steps of h with Runge's and Kutta's scheme."""
    for _ in range(round(INTERVAL / h)):
        k1 = tendency(s)
        k2 = tendency(s + h / 2 * k1)
        k3 = tendency(s + h / 2 * k2)
        k4 = tendency(s + h * k3)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return s
