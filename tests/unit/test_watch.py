"""What `voxelmill run` says while Snakemake works and nobody looks on."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from run_trees import Tree
from voxelmill.layout import BATCH_STEPS
from voxelmill.steps.watch import Meter
from voxelmill.tally import Portion, Tally, batches_of, names

WATCH = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from voxelmill.steps import watch

watch.LINE_S = float(sys.argv[3])
prepared = SimpleNamespace(verdict=Path(sys.argv[1]) / "check.json")
sys.exit(watch.watch([sys.executable, "-c", sys.argv[2], *sys.argv[4:]], prepared, os.environ))
"""
WORK = """
import sys, time
from pathlib import Path
print("what Snakemake says", file=sys.stderr, flush=True)
for batch in ("0000", "0001"):
    time.sleep(1.5)
    record = Path(ROOT) / "a/records/qc" / f"{batch}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}")
time.sleep(1.5)
sys.exit(3)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, {"a": 2})


def watched(tree: Tree, period_s: float, *options: str) -> list[str]:
    work = WORK.replace("ROOT", repr(str(tree.results)))
    command = [sys.executable, "-c", WATCH, str(tree.results), work, str(period_s), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    said = done.stderr.splitlines()
    assert "what Snakemake says" in said
    return [line for line in said if "images" in line]


def test_into_a_pipe_go_lines_when_something_was_done(tree: Tree) -> None:
    lines = watched(tree, 0.25)
    counts = [re.match(r"\d\d:\d\d qc (\d)/4 images, segment 0/4, measure 0/4", x) for x in lines]
    assert [m and m[1] for m in counts] == ["2", "4"]
    assert all("Mpx/s" in x and x.endswith(" left") for x in lines)


def test_not_more_than_one_line_a_period(tree: Tree) -> None:
    assert watched(tree, 60) == []


def test_a_dry_run_has_no_progress(tree: Tree) -> None:
    assert watched(tree, 0.25, "--dry-run") == []


def test_the_speed_of_what_was_seen(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("voxelmill.steps.watch.time.monotonic", lambda: clock)
    for step in BATCH_STEPS:
        tree.record(step, "0000")
    meter = Meter(Tally(tree.results, batches_of(tree.results)))
    assert meter.pace().left_seconds is None, "what was done before says nothing of the speed"
    for step in BATCH_STEPS:
        tree.record(step, "0001")
    clock += 50
    assert meter.look(keep=False)["qc"] == Portion(4, 4000)
    assert meter.done["qc"] == Portion(2, 2000)
    meter.look()
    found = meter.pace()
    assert found.images_minute == pytest.approx(2 / 50 * 60)
    assert found.left_seconds == pytest.approx(0, abs=1e-9)
    clock += 10_000
    meter.look()
    clock += 10_000
    meter.look()
    assert meter.pace().mpx_second is None, "nothing was done in the last while"


def test_a_folder_is_listed_again_when_it_has_changed(tree: Tree) -> None:
    tally = Tally(tree.results, batches_of(tree.results))
    assert tally.done("a", "qc") == set()
    tree.record("qc", "0000")
    assert tally.done("a", "qc") == {"0000"}
    time.sleep(2.2)
    assert tally.done("a", "qc") == {"0000"}
    assert tally.done("a", "qc") == {"0000"}
    tree.record("qc", "0001")
    assert tally.done("a", "qc") == {"0000", "0001"}


def test_batches_are_those_of_the_last_scan(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {"a": 1, "b": 3})
    found = batches_of(tree.results)
    assert {d: list(b) for d, b in found.items()} == {"a": ["0000"], "b": ["0000", "0001", "0002"]}
    assert found["b"]["0002"] == Portion(2, 2000)
    assert Tally(tree.results, found).all == Portion(8, 8000)
    assert names(tmp_path / "none", ".json") == set()
