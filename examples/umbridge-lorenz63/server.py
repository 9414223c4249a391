"""Lorenz-63 and an instrument as the models of an UM-Bridge server: server.py [PORT]."""
import math
import sys

import umbridge

SIGMA, RHO, BETA, STEP = 10.0, 28.0, 8 / 3, 0.01


def tendency(x, y, z):
    return SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z


def advance(x, h):
    k1 = tendency(*x)
    k2 = tendency(*(a + h / 2 * k for a, k in zip(x, k1)))
    k3 = tendency(*(a + h / 2 * k for a, k in zip(x, k2)))
    k4 = tendency(*(a + h * k for a, k in zip(x, k3)))
    return [a + h / 6 * (p + 2 * (q + r) + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4)]


class Lorenz63(umbridge.Model):
    """Inputs: a state and how long to move it. Output: the state then."""

    def __init__(self):
        super().__init__("lorenz63")

    def get_input_sizes(self, config):
        return [3, 1]

    def get_output_sizes(self, config):
        return [3]

    def __call__(self, inputs, config):
        x, interval = inputs[0], inputs[1][0]
        for _ in range(round(interval / STEP)):
            x = advance(x, STEP)
        return [x]

    def supports_evaluate(self):
        return True


class Arctan(umbridge.Model):
    """An instrument that saturates: arctan(scale x) of so many values."""

    def __init__(self):
        super().__init__("arctan")

    def get_input_sizes(self, config):
        return [config.get("values", 3)]

    def get_output_sizes(self, config):
        return self.get_input_sizes(config)

    def __call__(self, inputs, config):
        scale = config.get("scale", 1.0)
        return [[math.atan(scale * x) for x in inputs[0]]]

    def gradient(self, out_wrt, in_wrt, inputs, sens, config):
        scale = config.get("scale", 1.0)
        return [s * scale / (1 + (scale * x) ** 2) for s, x in zip(sens, inputs[0])]

    def supports_evaluate(self):
        return True

    def supports_gradient(self):
        return True


if __name__ == "__main__":
    umbridge.serve_models([Lorenz63(), Arctan()], port=int(sys.argv[1]) if len(sys.argv) > 1 else 4242)
