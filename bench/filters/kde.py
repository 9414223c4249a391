"""Scheme kde of filter-diffusion in numpy: the formulas and steps of the plugin.

Source: Binder, Dasgupta and Oberai (2026), arXiv:2603.21291.
"""

import numpy as np

# Dormand and Prince (1980).
NODES = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]
COEFFICIENTS = [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
]
DIFFERENCE = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]
BLOCK = 16  # states that share their steps in the plugin


class Density:
    """The mixture of Gaussian kernels at ensemble, N x n, given the observation."""

    def __init__(self, ensemble, simulated, observation):
        members, n = ensemble.shape
        self.mean, self.scale = ensemble.mean(axis=0), ensemble.std(axis=0, ddof=1)
        d = n + observation.size
        silverman = (4 / (members * (d + 2))) ** (1 / (d + 4))
        self.bandwidth = silverman / 2
        self.centres = (ensemble - self.mean) / self.scale
        self.half_norms = np.einsum("ij,ij->i", self.centres, self.centres) / 2
        y_mean, y_scale = simulated.mean(axis=0), simulated.std(axis=0, ddof=1)
        distance = np.sqrt(1 + np.mean(((observation - y_mean) / y_scale) ** 2))
        z = (observation - simulated) / (silverman * distance * y_scale)
        logs = -np.einsum("ij,ij->i", z, z) / 2
        logs -= logs.max()
        self.log_weights = logs - np.log(np.exp(logs).sum())


def analyse(ensemble, simulated, observation, latents, rtol=1e-5, atol=1e-5, block=None):
    """Return the analysis, N x n, and its steps: a mean over rows, as many rows as
    block share theirs, or all."""
    density = Density(ensemble, simulated, observation)
    sigma_max = 50 * np.hypot(1, density.bandwidth)
    x = latents * np.hypot(density.bandwidth, sigma_max)
    members = len(x)
    block = block or members
    steps = 0
    for first in range(0, members, block):
        rows = slice(first, min(members, first + block))
        x[rows], taken = integrate(density, x[rows], sigma_max, rtol, atol)
        steps += taken * (rows.stop - rows.start) / members
    x *= density.scale
    x += density.mean
    return x, steps


def integrate(density, x, sigma_max, rtol, atol):
    """Integrate dx/dl = x - E[c | x] from l = log(sigma_max) to log(bandwidth)."""
    rows, n = x.shape
    weights = np.empty((rows, len(density.centres)))
    stage, ahead, term = [np.empty_like(x) for _ in NODES], np.empty_like(x), np.empty_like(x)

    def flow(dst, x, l):
        variance = np.exp(2 * l)
        np.matmul(x, density.centres.T, out=weights)
        np.multiply(weights, 1 / variance, out=weights)
        np.add(weights, density.log_weights - density.half_norms / variance, out=weights)
        np.subtract(weights, weights.max(axis=1, keepdims=True), out=weights)
        np.exp(weights, out=weights)
        total = weights.sum(axis=1, keepdims=True)
        np.matmul(weights, density.centres, out=dst)
        np.divide(dst, total, out=dst)
        np.subtract(x, dst, out=dst)

    def combine(dst, factors, dl):
        for f, k in zip(factors, stage):
            if f:
                np.multiply(k, dl * f, out=term)
                np.add(dst, term, out=dst)

    l, stop = np.log(np.hypot(density.bandwidth, sigma_max)), np.log(density.bandwidth)
    dl, steps = -0.1, 0
    flow(stage[0], x, l)
    while l > stop:
        following = max(l + dl, stop)
        dl = following - l
        for k in range(1, len(NODES)):
            ahead[:] = x
            combine(ahead, COEFFICIENTS[k], dl)
            flow(stage[k], ahead, l + NODES[k] * dl)
        size = np.maximum(norms(x), norms(ahead))
        error = np.zeros_like(x)
        combine(error, DIFFERENCE, dl)
        worst = (norms(error) / (atol * np.sqrt(n) + rtol * size)).max()
        if worst <= 1:
            x = ahead.copy()
            stage[0], stage[-1] = stage[-1], stage[0]
            l, steps = following, steps + 1
        dl *= min(5, max(0.2, 0.9 * worst**-0.2))
    return x, steps


def norms(x):
    return np.sqrt(np.einsum("ij,ij->i", x, x))
