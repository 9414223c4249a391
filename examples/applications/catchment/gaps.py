"""Writes gaps.csv: station.csv without the discharge of 5 to 24 April 2013.

The record has no gaps after its first year. This one is made, so that what was there is known."""

import csv
from datetime import date

with open("station.csv", newline="") as file, open("gaps.csv", "w", newline="") as made:
    rows = csv.writer(made)
    for day, *weather, discharge in csv.reader(file):
        gone = day != "date" and date(2013, 4, 5) <= date.fromisoformat(day) <= date(2013, 4, 24)
        rows.writerow([day, *weather, "" if gone else discharge])
