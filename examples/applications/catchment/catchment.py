"""A catchment: soil that fills and dries, and a quick and a slow reservoir that feed a stream."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
from plume import Array, Model, Param, Streams, serve


@cache  # setup is called for each member, whose parameters are its own
def weather_of(path: Path) -> Array:
    """Returns rain and evaporation, (2, days)."""
    with path.open() as file:
        return np.array([(float(d["rain_mm"]), float(d["evaporation_mm"])) for d in csv.DictReader(file)]).T


class Catchment(Model):
    """Rain and evaporation of a day to the discharge of a stream."""

    variables = {"soil": "mm", "quick": "mm", "slow": "mm", "discharge": "l s-1"}
    example = {"state": [50.0, 1.0, 10.0, 10.0]}

    weather: str = Param("station.csv", doc="file of rain_mm and evaporation_mm, a row for each day after the start")
    area: float = Param(1.783, gt=0, unit="km2", doc="of the catchment")
    rain_error: float = Param(0.0, ge=0, doc="standard deviation of the logarithm of each member's rain")
    capacity: float = Param(150.0, gt=0, unit="mm", per_member=True, doc="water that the soil can hold")
    share: float = Param(0.5, gt=0, lt=1, doc="of the water that leaves the soil, what takes the quick way")
    quick_days: float = Param(2.0, gt=0, unit="d", per_member=True, doc="mean time of water in the quick reservoir")
    slow_days: float = Param(30.0, gt=0, unit="d", per_member=True, doc="the same of the slow reservoir")

    def setup(self) -> None:
        self.rain, self.evaporation = weather_of(Path(self.dir) / self.weather)

    def forecast(self, x: Array, t0: float, t1: float, rng: Streams) -> Array:  # x: (members, 4)
        soil, quick, slow, _ = np.maximum(x.T, 0)  # a filter may have moved them below
        flow = np.zeros(len(x))
        for day in range(round(t0), round(t1)):
            rain = self.rain[day] * np.exp(self.rain_error * rng.normal(1)[:, 0])
            left = rain * np.clip(soil / self.capacity, 0, 1) ** 2
            soil = soil + rain - left
            soil = soil - self.evaporation[day] * np.clip(soil / self.capacity, 0, 1)
            over = np.maximum(soil - self.capacity, 0)
            soil, left = soil - over, left + over
            quick, slow = quick + self.share * left, slow + (1 - self.share) * left
            left_quick, left_slow = quick * np.exp(-1 / self.quick_days), slow * np.exp(-1 / self.slow_days)
            flow = quick - left_quick + slow - left_slow
            quick, slow = left_quick, left_slow
        return np.stack([soil, quick, slow, flow * self.area * 1e6 / 86400], axis=1)


if __name__ == "__main__":
    serve(Catchment)
