"""`voxelmill status` on made-up results: every state, from any machine, and nothing written."""

import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_trees import ELSEWHERE, LONG_AGO, ME, Tree, dead, put
from voxelmill.jobstates import Stopped
from voxelmill.plugin import BadInput
from voxelmill.steps.jobsurvey import survey
from voxelmill.steps.speed import speed
from voxelmill.steps.status import View, as_json, exit_code, line, status, text


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, {"a": 2})


def states(tree: Tree, step: str = "segment") -> dict[str, int]:
    return {s: n for s, n in tree.standing().steps[step].counts().items() if n}


def only(tree: Tree) -> Stopped:
    (job,) = tree.survey().stopped
    return job


def test_nothing_has_started(tree: Tree) -> None:
    found = tree.survey()
    assert states(tree) == {"waiting": 2}
    assert not found.stopped
    assert not found.active
    assert exit_code(found) == 0


def test_done_has_a_record(tree: Tree) -> None:
    tree.record("segment", "0001")
    put(tree.layout().record("segment", "x").with_name(".0000.json.7.part"), "{")
    put(tree.layout().record("segment", "9999"), "{}")
    assert states(tree) == {"done": 1, "waiting": 1}, "a batch of another cut does not count"


@pytest.mark.parametrize("owner", [ME, ELSEWHERE], ids=["here", "elsewhere"])
def test_running(tree: Tree, owner: str) -> None:
    tree.log("segment", "0000", owner=owner, age=20)
    assert states(tree) == {"running": 1, "waiting": 1}
    assert tree.survey().active


def test_running_but_silent_so_far(tree: Tree) -> None:
    tree.log("segment", "0000")
    assert states(tree) == {"running": 1, "waiting": 1}


@pytest.mark.parametrize(
    ("owner", "age"),
    [(dead(), 0), (ELSEWHERE, LONG_AGO), (ME, LONG_AGO), ("", LONG_AGO)],
    ids=["dead", "elsewhere", "here", "nobody"],
)
def test_interrupted(tree: Tree, owner: str, age: float) -> None:
    tree.log("segment", "0000", owner=owner, age=age)
    assert states(tree) == {"interrupted": 1, "waiting": 1}
    job = only(tree)
    assert (job.step, job.batch, job.state) == ("segment", "0000", "interrupted")
    assert re.search(r"last sign of life \d{4}-\d\d-\d\d \d\d:\d\d", job.reason)
    assert owner in job.reason
    assert exit_code(tree.survey()) == 1


def test_failed_with_its_reason(tree: Tree) -> None:
    tree.log("qc", "0001", "a note", "voxelmill: a/b: no room. Make some", owner=ME, end="failed")
    assert states(tree, "qc") == {"failed": 1, "waiting": 1}
    job = only(tree)
    assert job.name == "a qc 0001"
    assert job.reason == "a/b: no room. Make some"
    assert job.tail == ("a note", "voxelmill: a/b: no room. Make some")
    assert job.log == str(tree.layout().log("qc", "0001"))


def test_failed_before_it_could_say_that_it_started(tree: Tree) -> None:
    tree.log("segment", "0000", "bash: voxelmill: command not found")
    assert only(tree).state == "failed"
    assert only(tree).reason == "bash: voxelmill: command not found"


def test_finished_and_its_record_taken_away(tree: Tree) -> None:
    tree.log("segment", "0000", owner=ELSEWHERE, end="finished")
    assert states(tree) == {"waiting": 2}


def test_a_log_of_an_earlier_try_does_not_spoil_a_record(tree: Tree) -> None:
    tree.log("segment", "0000", "oh no", owner=ELSEWHERE, end="failed")
    tree.record("segment", "0000")
    assert states(tree) == {"done": 1, "waiting": 1}


@pytest.mark.parametrize(
    ("owner", "age", "state"),
    [
        (ELSEWHERE, 20, "running"),
        (ME, 20, "running"),
        (ELSEWHERE, LONG_AGO, "interrupted"),
        (dead(), 0, "interrupted"),
        ("", 0, "interrupted"),
    ],
    ids=map(str, range(5)),
)
def test_called_by_hand_only_the_ledger_speaks(
    tree: Tree, owner: str, age: float, state: str
) -> None:
    folder = tree.layout().scratch("segment", "0001")
    put(folder / "ledger.jsonl", "{}\n", age)
    if owner:
        put(folder / "lock", owner, age)
    assert states(tree) == {state: 1, "waiting": 1}


def test_what_failed_before_the_present_run_waits_for_it(tree: Tree) -> None:
    tree.log("segment", "0000", "oh no", owner=ELSEWHERE, end="failed", age=100)
    tree.log("segment", "0001", "oh no", owner=ELSEWHERE, end="failed", age=10)
    tree.run(ELSEWHERE, started=50)
    assert states(tree) == {"failed": 1, "waiting": 1}
    assert only(tree).batch == "0001"
    assert tree.survey().now.run == ELSEWHERE


@pytest.mark.parametrize(
    ("owner", "age"), [(ELSEWHERE, LONG_AGO), (dead(), 0)], ids=["elsewhere", "dead"]
)
def test_a_run_that_was_killed_is_none(tree: Tree, owner: str, age: float) -> None:
    tree.log("segment", "0000", "oh no", owner=ELSEWHERE, end="failed", age=100)
    tree.run(owner, started=50, age=age)
    assert states(tree) == {"failed": 1, "waiting": 1}
    assert not tree.survey().active


def test_quarantined_images_count_once_before_they_are_aggregated(tree: Tree) -> None:
    tree.record("qc", "0000", ["x", "y"])
    tree.record("segment", "0000", ["x", "z"])
    tree.record("segment", "0001", ["u"])
    assert (tree.standing().quarantined, tree.standing().counted) == (4, True)
    tree.record("measure", "0000", ["x", "z"])
    assert tree.standing().quarantined == 4
    tree.record("aggregate", lost=["x"])
    assert tree.standing().quarantined == 1
    assert exit_code(tree.survey()) == 0, "that is for the final check to judge"


def test_light_is_spoken_of_only_where_it_is_corrected(tree: Tree) -> None:
    assert "illumination" not in tree.survey().steps()
    tree.log("illumination", owner=ELSEWHERE, end="failed")
    assert states(tree, "illumination") == {"failed": 1}
    tree.record("illumination")
    assert states(tree, "illumination") == {"done": 1}


def test_not_every_record_is_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxelmill.steps.jobsurvey.RECORDS", 1)
    tree.record("qc", "0000", ["x"])
    assert tree.standing().counted
    tree.record("qc", "0001", ["y"])
    assert (tree.standing().quarantined, tree.standing().counted) == (1, False)
    assert "quarantined: at least 1 images" in shown(tree)


def test_a_damaged_record_is_no_reason_to_stop(tree: Tree) -> None:
    put(tree.layout().record("qc", "0000"), '{"images": "quarantined"')
    put(tree.layout().record("aggregate"), "{")
    assert tree.standing().quarantined == 0


def test_finished(tree: Tree) -> None:
    tree.finish()
    assert not tree.survey().finished, "the check is still to come"
    tree.check(passed=True)
    assert tree.survey().finished
    assert "4 images of 1 dataset; finished" in shown(tree)
    assert exit_code(tree.survey()) == 0


def test_the_final_check_has_failed(tree: Tree) -> None:
    tree.finish()
    tree.check(False, "voxelmill: 3 images quarantined; allowed: 0")
    job = only(tree)
    assert (job.step, job.reason) == ("check", "3 images quarantined; allowed: 0")
    assert exit_code(tree.survey()) == 1
    assert "--failed" not in shown(tree), "that would change nothing"
    tree.layout().record("report").unlink()
    assert not tree.survey().stopped, "a verdict over something else"


def test_a_step_over_the_whole_dataset_has_failed(tree: Tree) -> None:
    tree.finish()
    tree.layout().record("aggregate").unlink()
    tree.log("aggregate", "", "oh no", owner=ELSEWHERE, end="failed")
    assert only(tree).name == "a aggregate"
    assert states(tree, "aggregate") == {"failed": 1}


KINDS = ("done", "running", "failed", "interrupted", "waiting")


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
def test_every_job_is_in_one_state(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[str]
) -> None:
    tree = Tree(tmp_path_factory.mktemp("tree"), {"a": len(wanted)})
    for number, state in enumerate(wanted):
        batch = f"{number:04d}"
        if state == "done":
            tree.record("segment", batch)
        if state != "waiting":
            tree.log("segment", batch, *(["oh no"] if state == "failed" else []), owner=ELSEWHERE,
                     end="failed" if state == "failed" else "",
                     age=LONG_AGO if state == "interrupted" else 0)  # fmt: skip
    assert states(tree) == Counter(wanted)
    document = json.loads(as_json(tree.survey()))
    assert document["steps"]["segment"] == {state: wanted.count(state) for state in KINDS}
    assert len(document["stopped"]) == wanted.count("failed") + wanted.count("interrupted")


def shown(tree: Tree, view: View | None = None) -> str:
    found = tree.survey()
    return "\n".join(text(found, speed(found), view or View()))


def test_of_many_datasets_only_unfinished_ones_are_listed(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {f"d{n:02d}": 1 for n in range(30)})
    tree.finish("d00")
    for n in range(1, 26):
        tree.log("qc", "0000", f"oh {n}", owner=ELSEWHERE, end="failed", dataset=f"d{n:02d}")
    few = shown(tree, View(logs=2))
    assert "\nqc                    1            0           25            0            4" in few
    assert "d00  " not in few
    assert "d01  2 images: qc 0/1 (1 failed), segment 0/1" in few
    assert "… and 9 datasets more: --all" in few
    assert few.count("\n  /") == 2
    assert few.count("failed: d") == 20
    assert "… and 5 jobs more" in few
    every = shown(tree, View(every=True, logs=30))
    assert "d00  2 images: qc 1/1, segment 1/1, measure 1/1, aggregate 1/1, report 1/1" in every
    assert every.count("failed: d") == every.count("\n  /") == 25


def test_nothing_is_written(tree: Tree) -> None:
    tree.log("segment", "0000", "x", owner=ELSEWHERE, end="failed")
    tree.run(ELSEWHERE, started=5)

    def files() -> dict[str, tuple[int, int]]:
        paths = sorted(tree.results.rglob("*"))
        found = (p.stat() for p in paths)
        return {str(p): (s.st_mtime_ns, s.st_size) for p, s in zip(paths, found, strict=True)}

    before = files()
    assert status(tree.results, View(), lambda _: None) == 1
    assert files() == before


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no batches\.parquet in it; allowed: the folder that"):
        survey(tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        survey(tmp_path / "none")


def test_the_speed_is_that_of_the_last_while(tree: Tree) -> None:
    """4 images of 1000 pixels in 2 batches; the first has taken 200 s."""
    for step in ("qc", "segment", "measure"):
        tree.record(step, "0000")
        tree.log(step, "0000", owner=ELSEWHERE, end="finished", took=100, age=0)
        os.utime(tree.layout().record(step, "0000"), (time.time() - 10,) * 2)
    tree.run(ELSEWHERE, started=200)
    tree.log("segment", "0001", owner=ELSEWHERE)
    seen = speed(tree.survey())
    assert seen.over_seconds == pytest.approx(200, abs=5)
    assert seen.now.images_minute == pytest.approx(60 * 2 / 200, rel=0.05)
    assert seen.now.mpx_second == pytest.approx(2000 / 200 / 1e6, rel=0.05)
    assert seen.now.left_seconds == pytest.approx(200, rel=0.05)
    said = line(tree.survey())
    counts = r"\d\d:\d\d qc 2/4 images, segment 2/4, measure 2/4; "
    assert re.fullmatch(counts + r"[\d.e-]+ Mpx/s, 0\.[56]\d* images/min; 3 min left", said)


def test_jobs_that_stopped_do_not_keep_the_others_waiting(tree: Tree) -> None:
    for step in ("qc", "segment", "measure"):
        tree.record(step, "0000")
        tree.log(step, "0001", "oh no", owner=ELSEWHERE, end="failed")
        tree.log(step, "0000", owner=ELSEWHERE, end="finished", took=100)
    tree.run(ELSEWHERE, started=200)
    assert speed(tree.survey()).now.left_seconds == pytest.approx(0, abs=1e-6)


def reviewed(tree: Tree, gate: str, digest: str = "d") -> None:
    found = {"settings": {"qc": {"gate": gate}}, "digest": digest}
    put(tree.layout().record("review"), json.dumps(found))


def test_who_waits_for_approval(tree: Tree) -> None:
    for batch in ("0000", "0001"):
        tree.record("qc", batch)
    reviewed(tree, "ask")
    found = tree.survey()
    shown = "\n".join(text(found, speed(found), View()))
    assert "; waiting for approval\n" in shown
    page = tree.layout().qc_report
    assert f"a waits for approval: look at {page}, then voxelmill approve {tree.results}" in shown
    assert "review " in shown
    assert exit_code(found) == 0
    assert json.loads(as_json(found))["datasets"]["a"]["waiting_for_approval"]
    put(tree.layout().approval, json.dumps({"review": "d"}))
    assert not tree.standing().waiting
    reviewed(tree, "ask", "other QC")
    assert tree.standing().waiting
    reviewed(tree, "auto")
    assert not tree.standing().waiting


def test_what_waits_is_not_finished(tree: Tree) -> None:
    tree.finish()
    tree.check(passed=True)
    assert tree.survey().finished
    assert "review" not in tree.survey().steps()
    reviewed(tree, "ask")
    assert not tree.survey().finished
