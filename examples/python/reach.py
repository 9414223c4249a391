"""A reservoir whose water reaches the gauge hours later: what is on its way is not in the state, but carried."""

import numpy as np
from plume import Array, Model, Param, serve


class Reach(Model):
    """A reservoir above a reach of a river."""

    variables = {"level": "m", "flow": "m3 s-1"}
    carries = True
    release: float = Param(0.3, gt=0, lt=1, per_member=True, doc="share that leaves in an hour", unit="h-1")
    hours: int = Param(3, ge=1, doc="how long water takes to the gauge")
    example = {"state": [2.0, 1.0]}

    def forecast_member(
        self, x: Array, t0: float, t1: float, rng: np.random.Generator, carry: bytes = b""
    ) -> tuple[list[float], bytes]:
        (level, flow), on_its_way = x, list(np.frombuffer(carry) if carry else np.full(self.hours, x[1]))
        for hour in np.arange(t0, t1):
            on_its_way.append(10 * self.release * level)
            level += 0.5 * (1 + np.sin(hour / 4)) - self.release * level
            flow = on_its_way.pop(0)
        return [level, flow], np.array(on_its_way).tobytes()


if __name__ == "__main__":
    serve(Reach)
