"""The pool: order, ledger, refusals, chunks, and failures that wait for the others."""

import errno
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from distributed import Client, Future, LocalCluster

from voxelmill.execution import Compute
from voxelmill.ledger import Ledger
from voxelmill.plugin import AccessDenied, BadInput, BlocksFailed, NotFitted, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.run import Outcome, Pool, pool
from voxelmill.run import tasks as worker_side
from voxelmill.run.tasks import Chunk, Pace


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with pool(Compute(), 2, Progress(show=False)) as made:
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
    if (Path(folder) / f"fill {key}").exists():
        raise OSError(errno.ENOSPC, "No space left on device", f"{folder}/x")
    if (Path(folder) / f"swell {key}").exists():
        raise MemoryError("Unable to allocate 9 TiB")
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
        pytest.raises(BlocksFailed, match=r"1 of 4 .*b is brok.*kept: run again to resume"),
    ):
        crew.run("t", note, tasks, ledger)
    assert calls(tmp_path) == ["a", "b", "c", "d"], "the others finish"
    (tmp_path / "break b").unlink()
    with Ledger(tmp_path / "s", 1) as ledger:
        outcomes = crew.run("t", note, tasks, ledger)
    assert calls(tmp_path) == ["b", "c"], "what was refused may have been mended"
    assert outcomes["c"] == Outcome(None, "c: bad; allowed: good")
    assert [o.value for o in outcomes.values()] == ["A", "B", None, "D"]


@pytest.mark.parametrize("kept", [True, False])
def test_only_a_ledger_that_stays_is_said_to_resume(crew: Pool, tmp_path: Path, kept: bool) -> None:
    (tmp_path / "break a").touch()
    with Ledger(tmp_path / "s", 1, kept=kept) as ledger, pytest.raises(BlocksFailed) as error:
        crew.run("t", note, {"a": (str(tmp_path), "a")}, ledger)
    assert ("run again to resume" in str(error.value)) is kept
    with pytest.raises(BlocksFailed, match="Nothing was kept"):
        crew.run("t", note, {"a": (str(tmp_path), "a")})


def test_many_failures_are_counted_and_a_few_named(crew: Pool, tmp_path: Path) -> None:
    for key in "abcdefg":
        (tmp_path / f"break {key}").touch()
    with pytest.raises(BlocksFailed, match="7 of 8 tasks failed") as error:
        crew.run("t", note, {key: (str(tmp_path), key) for key in "abcdefgh"})
    assert "…" in str(error.value)
    assert "\n" not in str(error.value)


def test_short_tasks_share_a_chunk_and_keep_their_own_outcome(crew: Pool, tmp_path: Path) -> None:
    """Each task runs once, although three of them spoil the chunks that they travel in."""
    keys = [f"k{i}" for i in range(400)]
    for key in ("k0", "k150", "k399"):
        (tmp_path / f"break {key}").touch()
    (tmp_path / "refuse k200").touch()
    with (
        Ledger(tmp_path / "s", 1) as ledger,
        pytest.raises(BlocksFailed, match="3 of 400 tasks"),
    ):
        crew.run("t", note, {key: (str(tmp_path), key) for key in keys}, ledger)
    assert calls(tmp_path) == sorted(keys)
    assert set(keys) - set(ledger.done) == {"k0", "k150", "k200", "k399"}


def test_arguments_are_taken_when_their_turn_comes(crew: Pool) -> None:
    class Lazy(dict[str, tuple[int]]):
        taken = 0

        def __getitem__(self, key: str) -> tuple[int]:
            self.taken += 1
            most.append(self.taken - len(finished))
            return super().__getitem__(key)

    most: list[int] = []
    finished: list[str] = []

    class Seen(Progress):
        def stage(self, title: str, total: int, done: int = 0) -> object:  # type: ignore[override]
            from contextlib import nullcontext

            return nullcontext(lambda: finished.append(title))

    tasks = Lazy({str(i): (0.005,) for i in range(600)})
    Pool(crew._crew, Seen()).run("t", slow, tasks)
    assert len(finished) == 600
    assert max(most) < 250


def test_a_chunk_grows_while_tasks_are_short_and_shrinks_towards_the_end() -> None:
    pace = Pace(100_000, 2)
    sizes = []
    for _ in range(12):
        size = pace.next()
        sizes.append(size)
        pace.learn(size, 0.0001 * size)
    assert sizes[0] == 1
    assert max(sizes) == worker_side.MOST
    assert all(b <= 2 * a for a, b in pairwise(sizes))
    pace.learn(1, 5.0)
    assert pace.next() == 1
    assert [Pace(7, 2).next() for _ in range(3)] == [1, 1, 1]


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_chunk_that_turns_slow_starts_no_further_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished waits no longer for the ledger than LIMIT_S and one task."""

    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(worker_side, "time", clock)
    long = 0.6 * worker_side.LIMIT_S
    done = Chunk(clock.sleep, ((0.0,),) * 20 + ((long,),) * 30)()
    assert len(done.outcomes) == 22
    assert done.seconds == pytest.approx(2 * long)


def test_tasks_that_came_back_undone_are_sent_again(
    crew: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_side, "LIMIT_S", 0.1)
    tasks = {str(i): (0.0 if i < 200 else 0.06,) for i in range(230)}
    with Ledger(tmp_path / "s", 1) as ledger:
        crew.run("t", slow, tasks, ledger)
    assert len(ledger.done) == 230


def test_a_full_disk_stops_the_stage_with_one_line(crew: Pool, tmp_path: Path) -> None:
    (tmp_path / "fill k20").touch()
    tasks = {f"k{i}": (str(tmp_path), f"k{i}") for i in range(2000)}
    with Ledger(tmp_path / "s", 1) as ledger, pytest.raises(BlocksFailed) as error:
        crew.run("t", note, tasks, ledger)
    assert "t: disk full (No space left on device" in str(error.value)
    assert "kept" in str(error.value)
    assert "k20" not in ledger.done
    assert len(ledger.done) < 1000, "no use in trying on"


def test_lack_of_memory_names_the_block_and_the_setting(crew: Pool, tmp_path: Path) -> None:
    (tmp_path / "swell b").touch()
    with pytest.raises(BlocksFailed) as error:
        crew.run("t", note, {k: (str(tmp_path), k) for k in "abc"}, advice="Lower blocks.size")
    assert "1 of 3 tasks failed (b)" in str(error.value)
    assert "MemoryError: Unable to allocate 9 TiB. Lower blocks.size. " in str(error.value)
    with pytest.raises(BlocksFailed) as error:
        crew.run("t", fail, {"a": (RuntimeError,)}, advice="Lower blocks.size")
    assert "Lower" not in str(error.value)


ALONE = """
import sys
from voxelmill.execution import Compute
from voxelmill.progress import Progress
from voxelmill.run import pool
with pool(Compute(), 2, Progress()) as crew:
    assert crew.run("t", divmod, {"a": (7, 2)})["a"].value == (3, 1)
print("distributed" in sys.modules, "dask" in sys.modules)
"""


def test_threads_need_no_dask() -> None:
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_scheduler_at_an_address_is_used() -> None:
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        compute = Compute(kind="address", address=cluster.scheduler_address)
        with pool(compute, 9, Progress()) as found:
            assert found.run("t", late_first, {"a": (3,)})["a"].value == 9


def cancel_all(client: Client) -> None:
    """What a client does when it loses its scheduler."""
    client.cancel([Future(key, client) for key in list(client.futures)])


def test_a_lost_cluster_is_said() -> None:
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        compute = Compute(kind="address", address=cluster.scheduler_address)
        with pool(compute, 1, Progress()) as found:
            threading.Timer(0.3, cancel_all, [found._crew.client]).start()
            with pytest.raises(BlocksFailed, match="t: the Dask cluster is gone"):
                found.run("t", slow, {"a": (1.0,), "b": (1.0,)})


def test_the_client_of_a_session_is_used_and_left_open() -> None:
    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        with pool(Compute(), 2, Progress()) as found:
            assert found._crew.client is client
        assert client.status == "running"
