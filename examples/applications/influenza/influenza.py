"""The epidemic of Kermack and McKendrick (1927), doi:10.1098/rspa.1927.0118: susceptible, infected and recovered."""

import numpy as np
from plume import Array, Model, Param, Streams, serve


class Epidemic(Model):
    """Susceptible, infected and recovered persons of a closed population."""

    variables = {"susceptible": "1", "infected": "1", "recovered": "1"}
    step = 0.05
    example = {"state": [760.0, 3.0, 0.0], "interval": 1.0}

    contacts: float = Param(
        1.5,
        gt=0,
        unit="d-1",
        per_member=True,
        doc="infections by one person in a day at first",
    )
    recovery: float = Param(0.5, gt=0, unit="d-1", per_member=True, doc="share of the infected who recover in a day")

    def tendency(self, x: Array) -> Array:
        susceptible, infected, _ = x.T
        new, well = self.contacts * susceptible * infected / x.sum(axis=1), self.recovery * infected
        return np.stack([-new, new - well, well], axis=1)

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> Array:  # x: (members, 3)
        steps = max(1, round((t1 - t0) / (self.step or 0.05)))
        h = (t1 - t0) / steps
        for _ in range(steps):  # the midpoint rule
            x = x + h * self.tendency(x + h / 2 * self.tendency(x))
        return x


if __name__ == "__main__":
    serve(Epidemic)
