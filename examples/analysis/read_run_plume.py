"""Read a run with plume's reader: python read_run_plume.py RUN, or @last."""

import sys

import numpy as np
import plume

run = plume.open_run(sys.argv[1])
metrics = run.table("metrics")
table = metrics[metrics.stage == "analysis"].pivot(index="filter", columns="metric", values="value")
for name, value in table["rmse"].items():
    print(f"{name}: rmse {value:.6f}")

truth = run.truth()
for stage in ("forecast", "analysis"):
    try:
        members = run.ensemble(stage)  # of trial 1; trial=None is all of them
    except ValueError:
        continue  # the run did not keep them
    for name, x in members.drop_vars(["log_weight", "parent"]).items():
        weighted = x.weighted(np.exp(members.log_weight))
        error = weighted.mean("member") - truth[name]
        print(f"{stage}: {name}: rms error of the mean {float(np.sqrt((error**2).mean())):.6f} {x.units}")
