"""Which logs go when a dataset is aggregated."""

from pathlib import Path

from run_trees import ELSEWHERE, LONG_AGO, Tree, put
from voxelmill.steps.speed import speed
from voxelmill.steps.tidy import tidy


def test_only_logs_that_say_nothing_go(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {"a": 6})
    tree.log("qc", "0000", owner=ELSEWHERE, end="finished")
    tree.log("qc", "0001", "nuclei: slow without a GPU", owner=ELSEWHERE, end="finished")
    tree.log("segment", "0002", "oh no", owner=ELSEWHERE, end="failed")
    tree.log("segment", "0003", owner=ELSEWHERE, age=LONG_AGO)
    tree.log("measure", "0004")
    tree.log("measure", "0005", "bash: voxelmill: command not found")
    tree.log("aggregate", owner=ELSEWHERE, end="finished")
    put(tree.layout().log("qc", "0000").with_suffix(".txt"), "")
    tidy(tree.layout())
    logs = tree.layout().root / "logs"
    assert sorted(str(p.relative_to(logs)) for p in logs.rglob("*.*")) == [
        "aggregate.log", "measure/0005.log", "qc/0000.txt", "qc/0001.log", "segment/0002.log",
        "segment/0003.log", "times.json",
    ]  # fmt: skip


def test_without_logs_there_is_nothing_to_do(tmp_path: Path) -> None:
    tidy(Tree(tmp_path, {"a": 1}).layout())


def test_without_logs_records_tell_the_speed(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {"a": 3})
    tree.finish()
    for step in ("qc", "segment", "measure"):
        for number, age in enumerate((130, 70, 10)):
            path = tree.layout().record(step, f"{number:04d}")
            put(path, path.read_text(), age)
    put(tree.layout().record("qc", "x").with_name("y"), "")
    tidy(tree.layout())
    seen = speed(tree.survey()).overall
    # Folders have changed just now: that is when the last record was written.
    assert seen.images_minute is not None
    assert 6 / 150 * 60 < seen.images_minute < 6 / 125 * 60
