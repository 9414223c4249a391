"""Lorenz (1963), doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2, as a plume plugin."""

import numpy as np
from plume import Array, Model, Param, Streams, serve


class Lorenz63(Model):
    """Lorenz-63 in Python: three variables, two lobes, chaotic."""

    name = "lorenz63-python"
    variables = {"x": "1", "y": "1", "z": "1"}
    step = 0.01
    example = {"state": [1.509, -1.531, 25.461], "interval": 0.05}

    sigma: float = Param(10.0, doc="Prandtl number")
    rho: float = Param(28.0, doc="Rayleigh number relative to its critical value", per_member=True)
    beta: float = Param(8 / 3, doc="aspect ratio of the convection cells")

    def tendency(self, s: Array) -> Array:
        x, y, z = s.T
        return np.stack([self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z], axis=1)

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> Array:  # x: (members, 3)
        steps = max(1, round((t1 - t0) / (self.step or 0.01)))
        h = (t1 - t0) / steps
        for _ in range(steps):
            k1 = self.tendency(x)
            k2 = self.tendency(x + h / 2 * k1)
            k3 = self.tendency(x + h / 2 * k2)
            k4 = self.tendency(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x


if __name__ == "__main__":
    serve(Lorenz63)
