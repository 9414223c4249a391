"""A water network in EPANET, the hydraulic solver of the U.S. EPA, with WNTR: https://pypi.org/project/wntr/."""

import os

import numpy as np
from plume import Array, Model, Param, Variable, serve
from wntr.epanet.toolkit import ENepanet
from wntr.library.model_library import ModelLibrary

# Numbers of EPANET's toolkit, doi:10.5281/zenodo.3986698.
ELEVATION, BASE_DEMAND, TANK_LEVEL, HEAD, PRESSURE = 0, 1, 8, 10, 11
INITIAL_STATUS, STATUS = 4, 11
DURATION, PATTERN_START = 0, 4

TANK, PUMP, JUNCTIONS = "2", "9", ["10", "11", "12", "13", "21", "22", "23", "31", "32"]


class Network(Model):
    """EPANET's first example: a pump, a tank and nine junctions."""

    name = "network"
    variables = [Variable("level", "ft"), Variable("pressure", "psi", (len(JUNCTIONS),))]
    carries = True  # the pump, which a full tank stops and an empty one starts, runs or does not
    example = {"state": [120.0] + 9 * [100.0], "interval": 1.0}

    demand: float = Param(1.0, gt=0, per_member=True, doc="factor on the demand of all junctions")

    def setup(self) -> None:
        net = self.epanet = ENepanet()
        net.ENopen(ModelLibrary().get_filepath("Net1"), os.devnull, "")  # without a report and a binary file
        net.ENopenH()
        self.tank, self.pump = net.ENgetnodeindex(TANK), net.ENgetlinkindex(PUMP)
        self.junctions = [net.ENgetnodeindex(j) for j in JUNCTIONS]
        self.base = [net.ENgetnodevalue(j, BASE_DEMAND) for j in self.junctions]
        self.bottom = net.ENgetnodevalue(self.tank, ELEVATION)

    def forecast_member(
        self, x: Array, t0: float, t1: float, rng: np.random.Generator, carry: bytes = b""
    ) -> tuple[list[float], bytes]:
        net = self.epanet
        net.ENsettimeparam(DURATION, round(3600 * (t1 - t0)))
        net.ENsettimeparam(PATTERN_START, round(3600 * t0) % 86400)
        for j, base in zip(self.junctions, self.base, strict=True):
            net.ENsetnodevalue(j, BASE_DEMAND, self.demand * base)
        net.ENsetnodevalue(self.tank, TANK_LEVEL, float(np.clip(x[0], 100, 150)))
        net.ENsetlinkvalue(self.pump, INITIAL_STATUS, float(carry != b"off"))
        net.ENinitH(0)
        while net.ENrunH() is not None and net.ENnextH() > 0:
            pass
        level = net.ENgetnodevalue(self.tank, HEAD) - self.bottom
        running = net.ENgetlinkvalue(self.pump, STATUS) > 0
        return [level] + [net.ENgetnodevalue(j, PRESSURE) for j in self.junctions], b"on" if running else b"off"


if __name__ == "__main__":
    serve(Network)
