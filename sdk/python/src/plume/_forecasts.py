"""Free forecasts as xarray has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ._arrays import array_name, times
from ._tables import Dates, Table

STATISTICS = ("mean", "spread", "q05", "q25", "q50", "q75", "q95")
_UNITS = {1.0: "seconds", 60.0: "minutes", 3600.0: "hours", 86400.0: "days"}


def dataset(table: Table, dates: Dates | None, units: dict[str, str]) -> xr.Dataset:
    """Returns forecasts of one trial, of its state or of what is observed: a variable for each
    that is forecast, (statistic, cycle, lead, ...). What was not forecast is NaN."""
    columns = {name: column.plain() for name, column in table.columns.items()}
    cycles, first, cycle = np.unique(columns["cycle"], return_index=True, return_inverse=True)
    leads, lead = np.unique(columns["lead"], return_inverse=True)
    issued = columns["time"][first]
    valid = np.full((len(cycles), len(leads)), np.nan)
    valid[cycle, lead] = columns["valid"]
    valid = np.where(np.isnan(valid), issued[:, None] + leads, valid)
    of_lead = {"standard_name": "forecast_period", "long_name": "lead time"}
    if dates and dates["unit_seconds"] in _UNITS:
        of_lead["units"] = _UNITS[dates["unit_seconds"]]
    reference = {"long_name": "time of the analysis"}
    coords: dict[str, Any] = {
        "statistic": xr.Variable("statistic", list(STATISTICS), {"long_name": "statistic of the members"}),
        "cycle": xr.Variable("cycle", cycles, {"long_name": "assimilation cycle", "units": "1"}),
        "lead": xr.Variable("lead", leads, of_lead),
        "time": times(issued, ("cycle",), dates, **reference | {"standard_name": "forecast_reference_time"}),
        "valid": times(valid, ("cycle", "lead"), dates, long_name="time of what is forecast"),
    }
    variables: dict[str, xr.Variable] = {}
    stored = list(dict.fromkeys(columns["variable"].tolist()))
    taken = {array_name(name) for name in stored}
    for name in stored:
        rows = columns["variable"] == name
        indices, index = np.unique(columns["index"][rows], return_inverse=True)
        whole: NDArray[np.float64] = np.full((len(STATISTICS), len(cycles), len(leads), len(indices)), np.nan)
        for k, statistic in enumerate(STATISTICS):
            whole[k, cycle[rows], lead[rows], index] = columns[statistic][rows]
        dims: tuple[str, ...] = ("statistic", "cycle", "lead")
        if indices.tolist() == [0]:
            whole = whole[..., 0]
        else:
            of = f"{array_name(name)}_index"
            while of in taken:
                of = f"{array_name(name)}_{of}"
            dims += (of,)
            coords[of] = xr.Variable(of, indices, {"long_name": f"index in {name}, row-major"})
        about = {"long_name": name} | ({"units": units[name]} if units.get(name) else {})
        variables[array_name(name)] = xr.Variable(dims, whole, about)
    return xr.Dataset(variables, coords, {"Conventions": "CF-1.11"})
