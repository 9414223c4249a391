"""Heat in a column of soil. The program stays: for each line it goes on from restart.nc, whose
first two layers are the state, and writes that file again. With the name of a file it makes the
first one: python soil.py restart.nc
"""

import json
import sys

import numpy as np
from scipy.io import netcdf_file


def write(path, time, temperature):
    with netcdf_file(path, "w") as f:
        f.createDimension("time", None)
        f.createDimension("upper", 2)
        f.createDimension("lower", 8)
        f.createVariable("time", "d", ("time",))[0] = time
        f.createVariable("t_upper", "d", ("time", "upper"))[0] = temperature[:2]
        f.createVariable("t_lower", "d", ("time", "lower"))[0] = temperature[2:]


def read(path):
    with netcdf_file(path, mmap=False) as f:
        return np.concatenate([f.variables["t_upper"][-1], f.variables["t_lower"][-1]]).astype(float)


if len(sys.argv) > 1:
    write(sys.argv[1], 0.0, np.full(10, 10.0))
    sys.exit()

for line in sys.stdin:
    task = json.loads(line)
    t, kappa = read("restart.nc"), task["param"]["kappa"]
    dt = task["interval"] / 20
    for step in range(20):
        air = 15 + 10 * np.sin(2 * np.pi * (task["from"] + step * dt) / 24)
        flow = kappa * np.diff(t)
        change = np.zeros(10)
        change[:-1] += flow
        change[1:] -= flow
        change[0] += 0.5 * (air - t[0])
        t = t + dt * change
    write("restart.nc", task["to"], t)
    print("{}", flush=True)
