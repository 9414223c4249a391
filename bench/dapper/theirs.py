"""Runs one of DAPPER's own experiments and prints what came of it as JSON."""

import importlib
import json
import os
import sys
import time

os.environ["MPLBACKEND"] = "agg"

import dapper
import dapper.da_methods
import dapper.tools.progressbar

CYCLES = 10_000
EXPERIMENTS = {  # the mod, and the method as the end of its file suggests it
    "sakov2008-lorenz96": ("Lorenz96.sakov2008", {"upd_a": "Sqrt", "N": 20, "infl": 1.04, "rot": True}),
    "sakov2012-lorenz63": ("Lorenz63.sakov2012", {"upd_a": "PertObs", "N": 100, "infl": 1.01}),
}


def main(name, seed):
    mod, method = EXPERIMENTS[name]
    hmm = importlib.import_module("dapper.mods." + mod).HMM
    hmm.tseq.Ko = CYCLES - 1  # they count from 0
    dapper.tools.progressbar.disable_progbar = True
    start = time.process_time()
    dapper.set_seed(seed)
    truth, observations = hmm.simulate()
    xp = dapper.da_methods.EnKF(**method)
    xp.assimilate(hmm, truth, observations, liveplots=False)
    xp.stats.average_in_time()
    seconds = time.process_time() - start
    rmse = xp.avrgs.err.rms.a
    print(json.dumps({"seconds": seconds, "rmse": rmse.val, "se": rmse.prec}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
