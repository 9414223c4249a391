"""Draws forecasts of Lorenz-63 by the model and by its surrogate: figure.py FILE."""

import sys

import matplotlib
import numpy as np
from plume import testing
from surrogate import Surrogate

matplotlib.use("svg")
import matplotlib.pyplot as plt

STEPS, INTERVAL = 120, 0.05


def tendency(s):
    x, y, z = s.T
    return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)


def model(s, h=0.01):
    for _ in range(5):
        k1 = tendency(s)
        k2 = tendency(s + h / 2 * k1)
        k3 = tendency(s + h / 2 * k2)
        k4 = tendency(s + h * k3)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return s


start = np.array([0.0, 0.0, 25.0]) + 5 * np.random.default_rng(11).normal(size=(200, 3))
for _ in range(100):
    start = model(start)
true, learnt, network = [start], [start], Surrogate(network="lorenz63.onnx")
for _ in range(STEPS):
    true.append(model(true[-1]))
    learnt.append(testing.forecast(network, learnt[-1], 0.0, INTERVAL).ensemble)
true, learnt, time = np.array(true), np.array(learnt), INTERVAL * np.arange(STEPS + 1)
error = np.sqrt(((learnt - true) ** 2).mean(axis=(1, 2)))

plt.rcParams.update({"svg.hashsalt": "surrogate", "font.size": 9})
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
left.plot(time, true[:, 0, 0], color="#444", label="Lorenz-63")
left.plot(time, learnt[:, 0, 0], "--", color="#0b6e99", label="surrogate")
left.set(xlabel="time", ylabel="x", title="one forecast")
left.legend(frameon=False)
right.semilogy(time[1:], error[1:], color="#0b6e99", label="error of the surrogate")
right.axhline(np.sqrt(2) * true.reshape(-1, 3).std(0).mean(), color="#444", lw=0.8, label="two states at random")
right.set(xlabel="time", ylabel="root mean square", title="200 forecasts")
right.legend(frameon=False)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(sys.argv[1], metadata={"Date": None})
print(f"after one step {error[1]:.3f}, after 1 time unit {error[20]:.2f}, after 3 {error[60]:.1f}")
