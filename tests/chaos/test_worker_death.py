"""Tasks that kill the process they run in: the guilty are named, the innocent finish."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from voxelmill.execution import Compute
from voxelmill.ledger import Ledger
from voxelmill.plugin import BlocksFailed
from voxelmill.progress import Progress
from voxelmill.run import Pool, pool


def note(folder: str, key: str) -> str:
    with (Path(folder) / "calls").open("a") as file:
        file.write(f"{key} ")
    if (Path(folder) / f"kill {key}").exists():
        os.kill(os.getpid(), 9)
    return key.upper()


@contextmanager
def own_workers() -> Iterator[Pool]:
    with pool(Compute(processes=True), 2, Progress(show=False)) as crew:
        assert crew._crew.cluster, "else it is pytest that is killed"
        yield crew


def calls(folder: Path) -> list[str]:
    found = sorted((folder / "calls").read_text().split())
    (folder / "calls").unlink()
    return found


def test_a_block_that_kills_its_worker_is_named_and_the_others_finish(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = [f"k{i}" for i in range(40)]
    tasks = {key: (str(tmp_path), key) for key in keys}
    (tmp_path / "kill k9").touch()
    with (
        Ledger(tmp_path / "s", 1) as ledger,
        own_workers() as crew,
        pytest.raises(BlocksFailed) as error,
    ):
        crew.run("t", note, tasks, ledger, advice="Lower blocks.size")
    assert "1 of 40 tasks failed (k9); the first: its worker was killed 3 times" in str(error.value)
    assert "lack of memory. Lower blocks.size. Finished ones are kept" in str(error.value)
    assert sorted(ledger.done) == sorted(set(keys) - {"k9"})
    assert calls(tmp_path).count("k9") == 3
    assert "Traceback" not in capfd.readouterr().err
    (tmp_path / "kill k9").unlink()
    with (
        Ledger(tmp_path / "s", 1) as ledger,
        own_workers() as crew,
    ):
        assert len(crew.run("t", note, tasks, ledger)) == 40
    assert calls(tmp_path) == ["k9"]


def test_where_every_block_kills_its_worker_the_run_ends(tmp_path: Path) -> None:
    keys = [f"k{i}" for i in range(200)]
    for key in keys:
        (tmp_path / f"kill {key}").touch()
    with (
        own_workers() as crew,
        pytest.raises(BlocksFailed, match=r"3 of 200 tasks failed.* 197 more were not tried"),
    ):
        crew.run("t", note, {key: (str(tmp_path), key) for key in keys})
    assert len(calls(tmp_path)) < 30
