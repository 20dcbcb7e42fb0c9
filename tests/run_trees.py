"""Results folders made up of empty records and logs, as runs in any state would leave them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from voxelmill.joblog import MARK, STALE_S
from voxelmill.layout import DATASET_STEPS, Layout, batch_table, running, verdict, verdict_log
from voxelmill.steps.jobsurvey import Standing, Survey, survey
from voxelmill.tables import write_table

LONG_AGO = 2 * STALE_S
ME = f"process {os.getpid()} on {socket.gethostname()}"
ELSEWHERE = "process 1 on another-node"


def dead() -> str:
    """Name of a process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return f"process {process.pid} on {socket.gethostname()}"


def stamp(age: float) -> str:
    """Time `age` seconds ago, as marks have it."""
    return datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="seconds")


def put(path: Path, text: str, age: float = 0.0) -> None:
    """Write a file that was last changed `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)


class Tree:
    """A results folder.

    Parameters
    ----------
    folder : Path
    datasets : mapping of str to int
        How many batches each has, of two images with 1000 pixels each.
    """

    def __init__(self, folder: Path, datasets: Mapping[str, int]) -> None:
        self.results, self.datasets = folder, datasets
        rows = [(d, f"{b:04d}") for d, n in datasets.items() for b in range(n)]
        columns = {
            "dataset": [d for d, _ in rows],
            "batch": [b for _, b in rows],
            "images": np.full(len(rows), 2),
            "voxels": np.full(len(rows), 2000),
        }
        write_table(batch_table(folder), columns)

    def layout(self, dataset: str = "a") -> Layout:
        """Paths of a dataset."""
        return Layout(self.results / dataset)

    def record(
        self, step: str, batch: str = "", lost: Sequence[str] = (), dataset: str = "a"
    ) -> None:
        """Write a record."""
        images = {i: {"status": "quarantined", "reason": "x"} for i in lost}
        images |= {"fine": {"status": "ok", "reason": ""}}
        found = {"images": images} if batch else {"quarantined": dict.fromkeys(lost, "x")}
        put(self.layout(dataset).record(step, batch), json.dumps(found))

    def log(
        self, step: str, batch: str = "", *words: str, owner: str = "", end: str = "",
        age: float = 0.0, took: float = 60.0, dataset: str = "a",
    ) -> None:  # fmt: skip
        """Write a log that was last changed `age` seconds ago."""
        lines = [f"{MARK} started {stamp(age + took)} by {owner}"] if owner else []
        lines += [*words[:-1], *([f"{MARK} {end} {stamp(age)}"] if end else []), *words[-1:]]
        text = "".join(f"{line}\n" for line in lines)
        put(self.layout(dataset).log(step, batch), text, age)

    def finish(self, dataset: str = "a") -> None:
        """Write all records and logs of a dataset."""
        for step in ("qc", "segment", "measure"):
            for batch in range(self.datasets[dataset]):
                self.record(step, f"{batch:04d}", dataset=dataset)
                self.log(step, f"{batch:04d}", owner=ELSEWHERE, end="finished", dataset=dataset)
        for step in DATASET_STEPS:
            self.record(step, dataset=dataset)
            self.log(step, owner=ELSEWHERE, end="finished", dataset=dataset)

    def run(self, owner: str, started: float, age: float = 0.0) -> None:
        """Write the lock of a run that started so many seconds ago."""
        put(running(self.results), f"{owner} since {stamp(started)} in /folder", age)

    def check(self, passed: bool, *words: str) -> None:
        """Write what the final check leaves."""
        end = "finished" if passed else "failed"
        text = f"{MARK} started {stamp(1)} by {ELSEWHERE}\n{MARK} {end} {stamp(0)}\n"
        put(verdict_log(self.results), text + "\n".join(words))
        if passed:
            put(verdict(self.results), "{}")

    def survey(self) -> Survey:
        """Where it stands."""
        return survey(self.results)

    def standing(self) -> Standing:
        """Where its first dataset stands."""
        return self.survey().datasets[0]
