"""The FMU of the benchmark, with fmpy alone: alone.py FOLDER MEMBERS.

It builds sdk/python/tests/hares.py as FOLDER/Hares.fmu and instantiates it for each member. For every line
"STEPS MOVED" on standard input it takes so many steps of all members, where MOVED is 1 with
variables that are set before each step as a filter does, and prints 0; for "state" it prints
the variables.
"""
import json
import subprocess
import sys
from pathlib import Path

import fmpy
from fmpy.fmi2 import FMU2Slave

HARES = Path(__file__).parents[2] / "sdk" / "python" / "tests" / "hares.py"
folder, members = Path(sys.argv[1]), int(sys.argv[2])
subprocess.run(
    [sys.executable, "-m", "pythonfmu", "build", "-f", HARES, "-d", folder,
     "--handle-state", "--serialize-state"], check=True, stdout=subprocess.DEVNULL,
)  # fmt: skip
about = fmpy.read_model_description(str(folder / "Hares.fmu"))
contents = fmpy.extract(str(folder / "Hares.fmu"), str(folder / "contents"))
references = [v.valueReference for v in about.modelVariables if v.causality == "output"]

ensemble = [[2 + i / members, 1 - 0.5 * i / members] for i in range(members)]
units = []
for values in ensemble:
    unit = FMU2Slave(
        guid=about.guid, unzipDirectory=contents, modelIdentifier=about.coSimulation.modelIdentifier, instanceName="u"
    )
    unit.instantiate()
    unit.setupExperiment(startTime=0.0)
    unit.setReal(references, values)
    unit.enterInitializationMode()
    unit.exitInitializationMode()
    units.append(unit)
print(0, flush=True)

now = 0.0
for line in sys.stdin:
    if line == "state\n":
        print(json.dumps(ensemble), flush=True)
        continue
    steps, moved = map(int, line.split())
    for _ in range(steps):
        for i, unit in enumerate(units):
            if moved:
                ensemble[i] = [0.999 * value for value in ensemble[i]]
                unit.setReal(references, ensemble[i])
            unit.doStep(now, 0.5)
            ensemble[i] = unit.getReal(references)
        now += 0.5
    print(0, flush=True)
