"""Read a run with DuckDB: python read_run_duckdb.py RUN."""

import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc

run = Path(sys.argv[1])


def read(name: str) -> pa.Table:
    return pa.ipc.open_file(run / f"{name}.arrow").read_all()


# SQL finds Arrow tables by the names of Python's variables.
metrics, variables = read("metrics"), read("variables")
scores = duckdb.sql("select filter, value from metrics where metric = 'rmse' and stage = 'analysis'")
for name, value in scores.fetchall():
    print(f"{name}: rmse {value:.6f}")

# How often the truth of each variable was inside the band from 5 to 95 %.
coverage = duckdb.sql("""
    select filter, variable, avg(case when truth between q05 and q95 then 1 else 0 end)
    from variables where stage = 'analysis' group by all order by all
""")
for name, variable, share in coverage.fetchall():
    print(f"{name}: {variable} inside the 90 % band {share:.3f}")
