"""What `run --failed` asks Snakemake for."""

from pathlib import Path

import pytest

from run_trees import ELSEWHERE, LONG_AGO, Tree
from voxelmill.config import Config, Settings
from voxelmill.layout import DATASET_STEPS
from voxelmill.steps.gate import Shut
from voxelmill.steps.jobsurvey import survey
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.retry import fitting, nothing, targets


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, {"a": 2, "b": 1})


def asked(tree: Tree, **shut: Shut) -> list[str]:
    batches = {d: tuple(f"{b:04d}" for b in range(n)) for d, n in tree.datasets.items()}
    config = Config.model_construct(datasets="", results=str(tree.results), **dict(Settings()))
    found = targets(Prepared(config, batches, {}, shut=shut), survey(tree.results, own=True))
    return [str(path.relative_to(tree.results)) for path in found]


def fail(tree: Tree, step: str, batch: str = "", dataset: str = "a") -> None:
    tree.layout(dataset).record(step, batch).unlink(missing_ok=True)
    tree.log(step, batch, "oh no", owner=ELSEWHERE, end="failed", dataset=dataset)


def test_nothing_failed(tree: Tree) -> None:
    tree.record("qc", "0000", ["x"])
    tree.log("segment", "0000", owner=ELSEWHERE)
    assert asked(tree) == []
    assert nothing(tree.survey()) == (
        f"{tree.results}: no job has failed; 1 run now; 13 wait: run without --failed to start "
        "them; 1 images are quarantined: --retry-quarantined tries them again"
    )


def test_a_batch_with_what_builds_on_it_and_nothing_that_was_never_tried(tree: Tree) -> None:
    fail(tree, "segment", "0000")
    assert asked(tree) == ["a/records/segment/0000.json", "a/records/measure/0000.json"]
    fail(tree, "qc", "0001")
    assert asked(tree)[0] == "a/records/qc/0001.json"
    assert len(asked(tree)) == 3


def test_what_was_interrupted_too(tree: Tree) -> None:
    tree.log("measure", "0001", owner=ELSEWHERE, age=LONG_AGO)
    assert asked(tree) == ["a/records/measure/0001.json"]


def test_a_dataset_is_completed_if_nothing_else_is_missing(tree: Tree) -> None:
    tree.finish("a")
    for step in DATASET_STEPS:
        tree.layout().record(step).unlink()
    fail(tree, "segment", "0001")
    tree.layout().record("measure", "0001").unlink()
    wanted = [f"a/records/{name}.json" for name in ("provenance", "segment/0001", "measure/0001")]
    assert asked(tree) == wanted
    tree.finish("b")
    assert asked(tree) == [*wanted, "check.json"], "all datasets are finished by that"


def test_a_step_over_the_whole_dataset(tree: Tree) -> None:
    tree.finish("a")
    tree.layout().record("provenance").unlink()
    fail(tree, "aggregate")
    assert asked(tree) == ["a/records/provenance.json"]


def test_light_that_could_not_be_estimated(tree: Tree) -> None:
    fail(tree, "illumination")
    assert asked(tree) == ["a/records/illumination.json"]


def test_a_failed_check_is_nothing_to_try_again(tree: Tree) -> None:
    tree.finish("a")
    tree.finish("b")
    tree.check(False, "voxelmill: 1 images quarantined")
    assert tree.survey().stopped
    assert asked(tree) == []


def test_nothing_behind_a_gate_that_is_shut(tree: Tree) -> None:
    fail(tree, "segment", "0000")
    assert asked(tree, a="waiting") == []
    fail(tree, "qc", "0000")
    assert asked(tree, a="unseen") == ["a/records/qc/0000.json"], "another one was never tried"
    tree.record("qc", "0001")
    both = ["a/records/review.json", "a/records/qc/0000.json"]
    assert asked(tree, a="unseen") == both
    tree.record("qc", "0000")
    fail(tree, "review")
    assert asked(tree, a="unseen") == ["a/records/review.json"]


def test_what_failed_before_this_run_is_tried_by_it(tree: Tree) -> None:
    fail(tree, "qc", "0000")
    tree.run(ELSEWHERE, started=-5)
    assert not tree.survey().stopped, "for others it waits for that run"
    assert asked(tree) == ["a/records/qc/0000.json"]


def test_a_command_line_has_an_end() -> None:
    wanted = [Path(f"results/a/records/qc/{n:04d}.json") for n in range(100)]
    assert fitting(wanted) == [str(path) for path in wanted]
    some = fitting(wanted, 1000)
    assert some == [str(path) for path in wanted[: len(some)]]
    assert 900 < sum(len(text) + 9 for text in some) <= 1000
