"""What jobs used, what a dataset took, and the page over all datasets."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_trees import ELSEWHERE, Tree, put
from voxelmill.joblog import MARK, read_log
from voxelmill.plugin import BadInput
from voxelmill.report.index import amount, day, duration
from voxelmill.site import Billing
from voxelmill.steps.effort import covered, effort, times
from voxelmill.steps.index import index
from voxelmill.steps.tidy import tidy
from voxelmill.usage import given as asked
from voxelmill.usage import read_used, used_text

SLURM = {"SLURM_CPUS_PER_TASK": "4", "SLURM_MEM_PER_NODE": "8192"}


def test_what_a_job_used_is_read_back() -> None:
    used = read_used(used_text(SLURM))
    assert (used.cores, used.gib) == (4, 8.0)
    assert used.core_s > 0
    assert read_used(used_text({})).cores == 0
    assert read_used("") == read_used("by nobody")


@pytest.mark.parametrize(
    ("environment", "cores", "gib"),
    [
        ({"SLURM_CPUS_ON_NODE": "2", "SLURM_MEM_PER_CPU": "512"}, 2, 1.0),
        ({"SLURM_CPUS_PER_TASK": "x"}, 0, 0.0),
        ({}, 0, 0.0),
    ],
)
def test_what_a_job_was_given(environment: dict[str, str], cores: int, gib: float) -> None:
    assert asked(environment) == (cores, gib)


def test_a_log_tells_what_its_job_used(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        f"{MARK} started 2026-01-01T00:00:00+00:00 by {ELSEWHERE}\n"
        f"{MARK} finished 2026-01-01T01:00:00+00:00 using 90.5 core-seconds of 2 cores, 3.00 GiB\n"
    )
    log = read_log(path)
    assert log is not None
    assert (log.seconds, log.used.core_s, log.used.cores, log.used.gib) == (3600, 90.5, 2, 3.0)
    assert log.silent


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12))
def test_time_covered_by_intervals(found: list[tuple[int, int]]) -> None:
    spans = [(float(a), float(a + n)) for a, n in found]
    assert covered(spans) == len({t for a, n in found for t in range(a, a + n)})


def finished(folder: Path, used: str = "") -> Tree:
    """One dataset of two batches, whose jobs took a minute each, all at once; logs tidied."""
    tree = Tree(folder, {"a": 2})
    for step in ("qc", "segment", "measure"):
        for batch in ("0000", "0001"):
            tree.log(step, batch, owner=ELSEWHERE, end="finished")
            path = tree.layout().log(step, batch)
            text = re.sub(r"(finished \S+)", rf"\1{used}", path.read_text())
            put(path, text)
            tree.record(step, batch)
    put(
        tree.layout().record("aggregate"),
        json.dumps({"images": {"ok": 3, "flagged": 1}, "counts": {"Nuclei": 9}, "quarantined": {}}),
    )
    put(tree.layout().record("report"), "{}")
    tidy(tree.layout())
    return tree


def test_the_effort_is_known_when_logs_are_gone(tmp_path: Path) -> None:
    used = " using 30.0 core-seconds of 2 cores, 1.00 GiB"
    layout = finished(tmp_path, used).layout()
    assert not list((layout.root / "logs").rglob("*.log"))
    found = effort(layout, 2, Billing(core_hour=3))
    assert found.run_s == pytest.approx(60, abs=3)
    assert found.core_s == 180
    assert found.units == pytest.approx(6 * 2 * 3 / 60)
    assert effort(layout, 2).units is None
    # One that ran again goes before what is kept of it.
    put(
        layout.log("qc", "0001"),
        f"{MARK} started 2026-01-01T00:00:00+00:00 by x\n"
        f"{MARK} finished 2026-01-01T00:00:09+00:00 using 7.0 core-seconds\n",
    )
    tidy(layout)
    assert times(layout)["qc"]["0001"][2:] == [7.0, 0, 0.0]
    assert effort(layout, 2).core_s == 157


def test_of_half_of_the_jobs_nothing_is_said(tmp_path: Path) -> None:
    layout = finished(tmp_path).layout()
    assert effort(layout, 3).run_s == 0
    assert effort(layout, 3).ended > 0


def words_of(page: Path) -> str:
    return " ".join(re.sub(r"(?s)<(style|script).*?</\1>|<[^>]+>", " ", page.read_text()).split())


def test_the_index_names_all_datasets(tmp_path: Path) -> None:
    tree = finished(tmp_path, " using 30.0 core-seconds")
    Tree(tmp_path, {"a": 2, "b & c": 1})
    text = words_of(index(tmp_path))
    assert "Datasets 2" in text
    assert re.search(r"a warn 4 3 1 9 Nuclei 6[0-3] s 0.05 2[34]\d", text)
    assert re.search(r"b &amp; c not finished 2 ", text)
    reported = {"verdict": "fail", "states": {"pass": 1, "warn": 0, "fail": 3}}
    put(tree.layout().record("report"), json.dumps(reported))
    assert re.search(r"a fail 4 1 3 9 Nuclei", words_of(index(tmp_path)))
    plate = {"plate": "warn", "reasons": ["Edge effect"]}
    put(tree.layout().record("aggregate"), json.dumps({"images": {"ok": 4}, "verdict": plate}))
    assert re.search(r"a warn Edge effect 4 1 3", words_of(index(tmp_path)))
    assert 'href="./a/report.html"' in index(tmp_path).read_text()


def test_no_results_no_index(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"batches\.parquet"):
        index(tmp_path)


def test_numbers_are_short() -> None:
    assert [duration(s) for s in (None, 8, 600, 7300, 200_000)] == [
        "\u2013", "8 s", "10 min", "2 h 2 min", "2 d 7 h",
    ]  # fmt: skip
    assert [amount(v) for v in (None, 0.1234, 12345.6)] == ["\u2013", "0.123", "12,346"]
    assert [day(v) for v in (None, 0, 86400)] == ["\u2013", "\u2013", "1970-01-02 00:00"]
