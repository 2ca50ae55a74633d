"""A Ray cluster of two nodes on this machine, and what may go wrong with it."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

WORKER = b"MapWorker"  # in the title of the process of a worker
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # workers would wait for whatever else runs here
}


class TwoNodes:
    """Each node has one CPU; ``address`` is the cluster's."""

    def __init__(self) -> None:
        os.environ.update(SETTINGS)
        from ray.cluster_utils import Cluster

        self._on_sigterm = signal.getsignal(signal.SIGTERM)  # Ray puts its own in place, and leaves it there
        self._cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        self._second = self._cluster.add_node(num_cpus=1)
        self.address = str(self._cluster.address)

    def __enter__(self) -> "TwoNodes":
        return self

    def __exit__(self, *_: Any) -> None:
        self._cluster.shutdown()
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def lose_node(self, seconds: float) -> None:
        """Remove a node without notice; another comes after a while."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        time.sleep(seconds)
        self._second = self._cluster.add_node(num_cpus=1)

    def kill_worker(self, choice: random.Random) -> bool:
        """Kill one of the workers of a job; False where there are none."""
        found = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit() and _is_worker(folder)]
        if found:
            os.kill(choice.choice(found), signal.SIGKILL)
        return bool(found)


def _is_worker(folder: Path) -> bool:
    try:
        return WORKER in (folder / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
