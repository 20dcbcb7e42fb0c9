"""The pool: order, ledger, refusals, and failures that wait for the others."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from engine_runs import workers
from voxelmill.config import Compute
from voxelmill.ledger import Ledger
from voxelmill.plugin import AccessDenied, BadInput, BlocksFailed, NotFitted, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.run import Outcome, Pool, pool


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with workers() as made:
        yield made


def late_first(i: int) -> int:
    """Tasks finish in another order than they were given."""
    time.sleep(0.05 if i == 0 else 0)
    return i * i


def note(folder: str, key: str) -> str:
    with (Path(folder) / "calls").open("a") as file:
        file.write(f"{key} ")
    if (Path(folder) / f"refuse {key}").exists():
        raise BadInput(f"{key}: bad; allowed: good")
    if (Path(folder) / f"break {key}").exists():
        raise RuntimeError(f"{key} is broken")
    return key.upper()


def fail(kind: type[Exception]) -> None:
    raise kind("place: found")


def calls(folder: Path) -> list[str]:
    found = sorted((folder / "calls").read_text().split())
    (folder / "calls").unlink()
    return found


def test_outcomes_come_in_the_order_of_the_tasks(crew: Pool) -> None:
    outcomes = crew.run("t", late_first, {str(i): (i,) for i in range(5)})
    assert list(outcomes.items()) == [(str(i), Outcome(i * i)) for i in range(5)]
    assert crew.run("t", late_first, {}) == {}


@pytest.mark.parametrize("kind", [BadInput, StoreUnavailable, AccessDenied])
def test_what_speaks_of_the_data_is_an_outcome(crew: Pool, kind: type[Exception]) -> None:
    outcomes = crew.run("t", fail, {"a": (kind,)})
    assert outcomes == {"a": Outcome(None, "place: found")}


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError, NotFitted])
def test_any_other_error_names_the_task(crew: Pool, kind: type[Exception]) -> None:
    with pytest.raises(BlocksFailed, match=f"t: 1 of 1 tasks failed.*a.*{kind.__name__}"):
        crew.run("t", fail, {"a": (kind,)})


def test_resume_does_only_what_is_missing(crew: Pool, tmp_path: Path) -> None:
    tasks = {key: (str(tmp_path), key) for key in "abcd"}
    (tmp_path / "break b").touch()
    (tmp_path / "refuse c").touch()
    with (
        Ledger(tmp_path / "s", 1) as ledger,
        pytest.raises(BlocksFailed, match=r"1 of 4 .*b is brok"),
    ):
        crew.run("t", note, tasks, ledger)
    assert calls(tmp_path) == ["a", "b", "c", "d"], "the others finish"
    (tmp_path / "break b").unlink()
    with Ledger(tmp_path / "s", 1) as ledger:
        outcomes = crew.run("t", note, tasks, ledger)
    assert calls(tmp_path) == ["b", "c"], "what was refused may have been mended"
    assert outcomes["c"] == Outcome(None, "c: bad; allowed: good")
    assert [o.value for o in outcomes.values()] == ["A", "B", None, "D"]


def test_many_failures_are_counted_and_a_few_named(crew: Pool, tmp_path: Path) -> None:
    for key in "abcdefg":
        (tmp_path / f"break {key}").touch()
    with pytest.raises(BlocksFailed, match="7 of 8 tasks failed") as error:
        crew.run("t", note, {key: (str(tmp_path), key) for key in "abcdefgh"})
    assert "…" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scheduler_at_an_address_is_used() -> None:
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        compute = Compute(kind="address", address=cluster.scheduler_address)
        with pool(compute, 9, Progress()) as found:
            assert found.run("t", late_first, {"a": (3,)})["a"].value == 9


def test_the_client_of_a_session_is_used_and_left_open() -> None:
    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        with pool(Compute(), 2, Progress()) as found:
            assert found._client is client
        assert client.status == "running"
