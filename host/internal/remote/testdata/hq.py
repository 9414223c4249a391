"""HyperQueue for tests: its Python package has a server and workers, but no program hq.

hq.py run COMMAND...   starts a server and two workers, and runs COMMAND with $HQ_TEST_DIR
hq.py submit SCRIPT    submits a script as a job of one core, and prints the job's number
"""

import os
import subprocess
import sys
from pathlib import Path

from hyperqueue import Client, Job
from hyperqueue.cluster import LocalCluster, WorkerConfig

command, args = sys.argv[1], sys.argv[2:]
if command == "run":
    with LocalCluster() as cluster:
        for _ in range(2):
            cluster.start_worker(WorkerConfig(cores=2))
        os.environ["HQ_TEST_DIR"] = str(cluster.cluster.server_dir)
        code = subprocess.call(args)
    sys.exit(code)
job = Job()
job.program(args)
print(Client(Path(os.environ["HQ_TEST_DIR"])).submit(job).id)
