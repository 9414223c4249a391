"""Writes station.csv, the daily rain, evaporation and discharge of a small catchment in Hesse, Germany.

SPOTPY (MIT licence) ships the file: https://pypi.org/project/spotpy/, doi:10.1371/journal.pone.0145180."""

import csv
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

spotpy = find_spec("spotpy")
if spotpy is None or spotpy.origin is None:
    raise SystemExit("data.py: SPOTPY is not installed; pip install --no-deps spotpy")
source = Path(spotpy.origin).parent / "examples" / "hymod_python" / "hymod_input.csv"
with source.open() as given, open("station.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["date", "rain_mm", "evaporation_mm", "discharge_l_s"])
    for day, rain, evaporation, discharge in list(csv.reader(given, delimiter=";"))[1:]:
        rows.writerow([datetime.strptime(day, "%d.%m.%Y").date(), rain, evaporation, discharge])
