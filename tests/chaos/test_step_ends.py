"""A step that cannot go on: out of memory, full disk, walltime, another process at work."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.chaos import survivors, undisturbed, worker_processes
from benchmarks.chaos_scene import BLOCK, HALO, Scene, make_scene

BLOCKS = 64
MIDDLE = f"0,{3 * BLOCK - HALO},{4 * BLOCK - HALO}"
"""Origin of block 0,3,4."""
KILL_WAIT_S = 30
"""SLURM kills what is still there so long after SIGTERM."""


def start(scene: Scene, prepare: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        scene.step(), cwd=scene.folder, env=scene.environment, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=prepare,
    )  # fmt: skip


def end(process: "subprocess.Popen[str]", within_s: float = 120) -> tuple[int, str]:
    _, text = process.communicate(timeout=within_s)
    return process.returncode, text


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = make_scene(tmp_path / "scene")
    made.scan()
    return made


def test_a_block_that_takes_too_much_memory_is_named(tmp_path: Path) -> None:
    """Its worker dies each time; all others finish, and afterwards only that one is done."""
    scene = make_scene(tmp_path, processes=True)
    scene.scan()
    (scene.folder / "deadly").write_text(MIDDLE)
    code, text = end(start(scene))
    assert code == 2
    assert text.count("\n") == 1, text
    assert f"1 of {BLOCKS} tasks failed" in text
    assert "0,3,4" in text
    assert "lack of memory" in text
    assert len(scene.finished()) == BLOCKS - 1
    assert MIDDLE not in scene.finished()
    before = len(scene.calls())
    (scene.folder / "deadly").unlink()
    assert end(start(scene))[0] == 0
    assert scene.calls()[before:] == [MIDDLE]


def test_files_that_cannot_grow_end_in_one_line(scene: Scene) -> None:
    """As a full disk would, but without mounting one."""
    expected = undisturbed(scene)
    shutil.rmtree(scene.results)
    (scene.folder / "calls").unlink()
    scene.scan()

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))

    code, text = end(start(scene, small_files))
    assert_full(scene, code, text)
    assert end(start(scene))[0] == 0
    assert scene.digests() == expected


def assert_full(scene: Scene, code: int, text: str) -> None:
    assert code == 2, text
    assert text.count("\n") == 1, text
    assert "disk full" in text
    assert "run again: what is finished is kept" in text
    assert not scene.record.exists()


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [120, 260])
def test_a_full_disk_ends_in_one_line_and_a_larger_one_resumes(
    scene: Scene, kilobytes: int
) -> None:
    expected = undisturbed(scene)
    shutil.rmtree(scene.results)
    with small_disk(scene.results, kilobytes):
        scene.scan()
        (scene.folder / "calls").unlink()
        code, text = end(start(scene))
        assert_full(scene, code, text)
        finished, before = scene.finished(), len(scene.calls())
        subprocess.run(["mount", "-o", "remount,size=8m", str(scene.results)], check=True)
        assert end(start(scene)) == (0, "")
        assert not finished & set(scene.calls()[before:])
        assert scene.digests() == expected


@pytest.mark.parametrize("processes", [False, True])
def test_walltime_ends_the_step_at_once(tmp_path: Path, processes: bool) -> None:
    scene = make_scene(tmp_path, processes=processes)
    scene.scan()
    process = start(scene)
    wait_for(lambda: len(scene.finished()) > 5)
    workers = worker_processes(process.pid)
    assert len(workers) == (2 if processes else 0)
    process.send_signal(signal.SIGTERM)
    assert end(process, KILL_WAIT_S)[0] != 0
    assert survivors(workers) == 0
    assert scene.ledger.read_text().endswith("\n")


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_second_process_never_works_beside_the_first(scene: Scene) -> None:
    """The first is stopped, not dead, so the second gives up after a while and says why."""
    first = start(scene)
    wait_for(lambda: len(scene.finished()) > 5)
    os.killpg(first.pid, signal.SIGSTOP)
    before = scene.calls()
    try:
        code, text = end(start(scene))
        assert code == 2
        assert f"process {first.pid} on " in text
        assert "segment-0000" in text
        assert scene.calls() == before
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert end(first)[0] == 0
    assert len(scene.calls()) == BLOCKS


def test_a_step_ends_with_the_run_that_started_it(scene: Scene) -> None:
    """`voxelmill run` is killed; Snakemake and the shell between them may live on."""
    script = (
        "import os, subprocess, sys, time\n"
        "from voxelmill.watchdog import mark\n"
        "mark(os.environ)\n"
        "shell = subprocess.Popen(['sh', '-c', '\"$@\"; true', 'sh', *sys.argv[1:]])\n"
        "print(shell.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    run = subprocess.Popen(
        [scene.command()[0], "-c", script, *scene.step()],
        cwd=scene.folder, env=scene.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stdout
    shell = int(run.stdout.readline())
    wait_for(lambda: len(scene.finished()) > 5)
    run.kill()
    assert survivors([shell]) == 0
    run.communicate()
    assert not scene.record.exists()
    assert end(start(scene))[0] == 0
