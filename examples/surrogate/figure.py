"""Draws forecasts of Lorenz-63 by the model and by its surrogate: figure.py FILE."""

import sys

import matplotlib
import numpy as np
from lorenz63 import INTERVAL, forecast
from plume import testing
from surrogate import Surrogate

matplotlib.use("svg")
import matplotlib.pyplot as plt

STEPS = 120

start = np.array([0.0, 0.0, 25.0]) + 5 * np.random.default_rng(11).normal(size=(200, 3))
for _ in range(100):
    start = forecast(start)
true, learnt, network = [start], [start], Surrogate(network="lorenz63.onnx")
for _ in range(STEPS):
    true.append(forecast(true[-1]))
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
