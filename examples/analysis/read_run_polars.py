"""Read a run with polars: python read_run_polars.py RUN."""

import sys
from pathlib import Path

import polars as pl

run = Path(sys.argv[1])
metrics = pl.read_ipc(run / "metrics.arrow")
for name, value in metrics.filter(metric="rmse", stage="analysis").select("filter", "value").iter_rows():
    print(f"{name}: rmse {value:.6f}")

# The smallest and the largest member of every variable in the last cycle of the first trial.
ensemble = pl.read_ipc(run / "ensemble" / "trial=0001" / "part-00000.arrow")
last = ensemble.filter(pl.col("cycle") == pl.col("cycle").max())
print(f"{last.height} members, weights sum to {last['log_weight'].exp().sum():.6f}")
