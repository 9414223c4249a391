"""The model as a plugin of plume."""
import lorenz96
import plume


class Lorenz96(plume.Model):
    """Lorenz-96 with 1000 values, one Runge-Kutta step a forecast."""

    variables = [plume.Variable("x", "1", (lorenz96.VALUES,), ("site",))]

    def forecast(self, x, t0, t1, rng):
        return lorenz96.step(x)


plume.serve(Lorenz96)
