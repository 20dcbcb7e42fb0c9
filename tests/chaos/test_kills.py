"""Kills at random moments: only unfinished blocks are done again, and all bytes are the same."""

import random
from pathlib import Path

import pytest

from benchmarks.chaos import Tally, torment
from benchmarks.chaos_scene import make_scene

IN_FLIGHT = 8
"""Most blocks that one kill may cost: two workers, each with a few short tasks in its chunk."""


@pytest.mark.parametrize(("processes", "kills"), [(False, 12), (True, 14)])
def test_killed_runs_end_with_the_same_bytes(tmp_path: Path, processes: bool, kills: int) -> None:
    tally = Tally()
    torment(make_scene(tmp_path, processes=processes), kills, random.Random(kills), tally)  # noqa: S311
    assert tally.kills.total() >= kills
    assert tally.different == 0
    assert tally.redone_finished == 0
    assert tally.redone <= IN_FLIGHT * tally.kills.total()
    assert tally.orphans == 0
