"""Blocks are read while others are computed, and no more are computed at once than there are cores.

Tasks that wait for each other would wait for ever otherwise: none of these tests looks at a clock.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from voxelmill.config import Settings
from voxelmill.execution import Blocks, Compute
from voxelmill.extent import Extent
from voxelmill.need import need
from voxelmill.progress import Progress
from voxelmill.run import pool
from voxelmill.slots import computing, reads_first, waiting

PATIENCE_S = 30


@reads_first
def read_then_compute(number: int, folder: str) -> bool:
    """Say that reading has begun; whoever computes first does until the other one reads too."""
    with waiting():
        (Path(folder) / str(number)).touch()
    return _comes(Path(folder) / str(1 - number))


def _comes(file: Path) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("processes", [False, True])
def test_the_next_block_is_read_while_one_is_computed(tmp_path: Path, processes: bool) -> None:
    tasks = {str(n): (n, str(tmp_path)) for n in range(2)}
    with pool(Compute(processes=processes), 1, Progress(show=False), ahead=True) as workers:
        found = workers.run("read", read_then_compute, tasks)
    assert all(outcome.value for outcome in found.values())


@pytest.mark.parametrize("mark", [lambda f: f, reads_first])
def test_as_many_compute_as_there_are_cores(mark: Callable[..., Any]) -> None:
    cores = 2
    at_once: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    @mark
    def work() -> None:
        with computing(cores, work):
            for _ in range(20):
                with waiting():
                    time.sleep(0.001)
                with lock:
                    at_once.append(1)
                    most.append(len(at_once))
                time.sleep(0.001)
                with lock:
                    at_once.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert max(most) == cores


def test_a_core_comes_back_after_an_error() -> None:
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), computing(1), waiting():
            raise OSError("gone")
    with computing(1):
        pass


def test_waiting_concerns_nobody_without_a_core() -> None:
    with waiting():
        pass


def test_what_is_read_ahead_counts_as_memory() -> None:
    settings = Settings.model_validate({"objects": {"n": {"channel": "0", "segmenter": {
        "kind": "threshold", "diameter_px": 20}}}})  # fmt: skip
    here, afar = (
        Extent((1, 3, 1, 20_000, 20_000), "<u2", (1.0, 0.65, 0.65), afar=afar)
        for afar in (False, True)
    )
    asked = partial(need, settings=settings, blocks=Blocks(size=2048), compute=Compute(), workers=4)
    for step in ("segment", "measure"):
        more = asked(afar, step=step).total - asked(here, step=step).total
        assert more >= 4 * 2048**2 * 3 * 2
