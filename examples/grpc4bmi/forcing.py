"""Writes forcing and a configuration for HBV: two years of days with rain drawn at random."""
import json

import numpy as np
import xarray as xr

random, days = np.random.default_rng(1), 730
time = np.datetime64("2001-01-01", "ns") + np.arange(days).astype("timedelta64[D]")
rain = np.where(random.random(days) < 0.4, random.gamma(0.8, 12.0, days), 0.0)
for name, values in {"pr": rain, "evspsblpot": np.full(days, 1.5), "tas": np.full(days, 10.0)}.items():
    xr.Dataset({name: ("time", values)}, {"time": time}).to_netcdf(f"{name}.nc", engine="scipy")
about = {
    "precipitation_file": "pr.nc",
    "potential_evaporation_file": "evspsblpot.nc",
    "mean_temperature_file": "tas.nc",
    "parameters": "2.0,0.9,250.0,1.5,1.0,4.0,0.2,0.02,1.0",
    "initial_storage": "0.0,120.0,2.0,30.0,0.0",
}
with open("hbv.json", "w") as file:
    json.dump(about, file)
