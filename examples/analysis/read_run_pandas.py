"""Read a run with pandas: python read_run_pandas.py RUN."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

run = Path(sys.argv[1])
metrics = pa.ipc.open_file(run / "metrics.arrow").read_all().to_pandas()
table = metrics[metrics.stage == "analysis"].pivot(index="filter", columns="metric", values="value")
for name, value in table["rmse"].items():
    print(f"{name}: rmse {value:.6f}")

# How error and spread went on: one row per trial, cycle and stage.
cycles = pa.ipc.open_file(run / "cycles.arrow").read_all().to_pandas()
analysis = cycles[cycles.stage == "analysis"]
print(f"{len(analysis)} analyses, last at time {analysis.time.max():g}")
