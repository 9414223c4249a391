"""Advection and diffusion of a tracer on a doubly periodic plane, as a plume plugin."""

import numpy as np
from plume import Array, Coordinates, Model, Param, Streams, Variable, serve


class Advection(Model):
    """A tracer carried and spread by a steady wind on a periodic plane."""

    name = "advection-python"
    example = {"interval": 0.1}

    rows: int = Param(16, ge=4, doc="grid points from south to north")
    columns: int = Param(24, ge=4, doc="grid points from west to east")
    u: float = Param(1.0, unit="m s-1", doc="wind to the east")
    v: float = Param(0.5, unit="m s-1", doc="wind to the north")
    diffusivity: float = Param(0.1, unit="m2 s-1", ge=0.0, doc="of the tracer; the grid spacing is 1 m")
    noise_sd: float = Param(0.0, ge=0.0, doc="standard deviation of the noise added to every value in a forecast")

    def setup(self) -> None:
        shape = (self.rows, self.columns)
        self.variables = [Variable("tracer", "1", shape, ("y", "x"))]
        points = np.stack(np.meshgrid(range(self.rows), range(self.columns), indexing="ij"), axis=-1).reshape(-1, 2)
        self.coordinates = Coordinates(("y", "x"), points, period=shape)

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> Array:  # x: (members, rows * columns)
        """Exact in Fourier space: mode (l, k) turns with the wind and decays."""
        field = x.reshape(len(x), self.rows, self.columns)
        ky = 2 * np.pi * np.fft.fftfreq(self.rows)[:, None]
        kx = 2 * np.pi * np.fft.rfftfreq(self.columns)[None, :]
        rate = -1j * (self.u * kx + self.v * ky) - self.diffusivity * (kx**2 + ky**2)
        modes = np.fft.rfft2(field) * np.exp(rate * (t1 - t0))
        moved = np.fft.irfft2(modes, s=field.shape[1:]).reshape(x.shape)
        return moved + self.noise_sd * rng.normal(x.shape[1]) if self.noise_sd else moved


if __name__ == "__main__":
    serve(Advection)
