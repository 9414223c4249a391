"""UM-Bridge's own client: client.py URL MEMBERS WAY.

For every number on standard input it takes so many steps of the ensemble and prints the
seconds; for "state" it prints the ensemble.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# UM-Bridge reports on standard output, which is ours.
out, sys.stdout = sys.stdout, open(os.devnull, "w")

import umbridge

import lorenz96

url, members, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
model = umbridge.HTTPModel(url, "lorenz96", use_shmem=way.endswith("shared memory"))
each = ThreadPoolExecutor(8).map if way.endswith("8 threads") else map

ensemble = [[(i * lorenz96.VALUES + j) % 97 / 97 * 8 for j in range(lorenz96.VALUES)] for i in range(members)]
for line in sys.stdin:
    if line == "state\n":
        answer = ensemble
    else:
        start = time.perf_counter()
        for _ in range(int(line)):
            ensemble = [output[0] for output in each(lambda x: model([x]), ensemble)]
        answer = time.perf_counter() - start
    print(json.dumps(answer), file=out, flush=True)
