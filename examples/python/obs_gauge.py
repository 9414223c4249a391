"""A black box as a plume plugin: a gauge that gives readings and says nothing of their error."""

import numpy as np
from plume import Array, ObservationOperator, Param, Streams, Variable, serve


class ObsGauge(ObservationOperator):
    """Reading of the absolute value of each state value, with an error that grows with it."""

    name = "obs-gauge"

    jitter: float = Param(0.2, ge=0, doc="standard deviation of the relative error")
    floor: float = Param(0.1, gt=0, doc="standard deviation of the error of a reading near 0")

    def setup(self) -> None:
        self.variables = [Variable(v.name, v.unit, v.shape, v.dims) for v in self.state.variables]

    def read(
        self, x: Array, t: float, rng: Streams
    ) -> Array:  # x: (members, n); a workflow with repeats asks several times
        level = np.abs(x)
        error: Array = np.hypot(self.floor, self.jitter * level) * rng.normal(x.shape[1])
        return level + error


if __name__ == "__main__":
    serve(ObsGauge)
