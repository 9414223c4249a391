"""Trains a surrogate of Lorenz-63 and writes it as lorenz63.onnx: train.py FILE.

A small network learns what 0.05 time units change, from 400 trajectories of the model. It takes some seconds with
numpy alone; a network of PyTorch or JAX is exported to such a file instead, see README.md.
"""

import itertools
import sys

import numpy as np
import onnx
from lorenz63 import INTERVAL, forecast
from onnx import TensorProto, helper, numpy_helper

HIDDEN, STEPS = 64, 6000
random = np.random.default_rng(1)

states = [np.array([0.0, 0.0, 25.0]) + 5 * random.normal(size=(400, 3))]
for _ in range(150):
    states.append(forecast(states[-1]))
before, after = np.concatenate(states[50:-1]), np.concatenate(states[51:])
mean, sd, change = before.mean(0), before.std(0), (after - before).std(0)
inputs, targets = (before - mean) / sd, (after - before) / change

sizes = [3, HIDDEN, HIDDEN, 3]
weights = [random.normal(size=(n, m)) / np.sqrt(n) for n, m in itertools.pairwise(sizes)]
weights += [np.zeros(m) for m in sizes[1:]]
first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
for step in range(1, STEPS + 1):  # Adam, Kingma and Ba (2015)
    rows = random.integers(len(inputs), size=256)
    a = [inputs[rows]]
    for k in range(2):
        a.append(np.tanh(a[-1] @ weights[k] + weights[3 + k]))
    d = 2 * (a[2] @ weights[2] + weights[5] - targets[rows]) / len(rows)
    gradients = [None] * 6
    for k in (2, 1, 0):
        gradients[k], gradients[3 + k] = a[k].T @ d, d.sum(0)
        d = (d @ weights[k].T) * (1 - a[k] ** 2)
    rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / STEPS))
    for w, g, m, v in zip(weights, gradients, first, second, strict=True):
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        w -= rate * m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)

# x -> x + change * network((x - mean) / sd), with the two scales within the first and the last layer
weights[3] -= (mean / sd) @ weights[0]
weights[0] /= sd[:, None]
weights[2] *= change
weights[5] *= change
tensors = [numpy_helper.from_array(w.astype(np.float32), f"w{k}") for k, w in enumerate(weights)]
nodes = [
    helper.make_node("Gemm", ["x", "w0", "w3"], ["a"]), helper.make_node("Tanh", ["a"], ["b"]),
    helper.make_node("Gemm", ["b", "w1", "w4"], ["c"]), helper.make_node("Tanh", ["c"], ["d"]),
    helper.make_node("Gemm", ["d", "w2", "w5"], ["e"]), helper.make_node("Add", ["x", "e"], ["y"]),
]  # fmt: skip
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["members", 3]) for name in "xy"]
made = helper.make_model(
    helper.make_graph(nodes, "lorenz63", ends[:1], ends[1:], tensors),
    opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
)  # fmt: skip
helper.set_model_props(made, {"variables": "x, y, z", "interval": str(INTERVAL)})
onnx.checker.check_model(made)
onnx.save(made, sys.argv[1])
