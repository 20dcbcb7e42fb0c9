"""`voxelmill run` is killed in all its parts; each next one goes on by itself."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.chaos import lives
from benchmarks.chaos_scene import Scene, make_scene

BLOCKS, IN_FLIGHT = 64, 8
ALL_GONE_S = 15.0


def command(scene: Scene) -> list[str]:
    return scene.command("run", "config.yaml", "--cores", "2")


def finish(scene: Scene) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(scene), cwd=scene.folder, env=scene.environment, capture_output=True, text=True,
        timeout=250, check=False,
    )  # fmt: skip


def here(scene: Scene) -> dict[int, str]:
    """Command lines of all living processes that work in the folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(scene.folder) and lives(int(process.name)):
                words = (process / "cmdline").read_bytes().split(b"\0")
                found[int(process.name)] = b" ".join(words).decode()
        except OSError:
            continue
    return found


def pick(scene: Scene, run: int, part: str) -> int:
    """Process id of one part of a run."""
    if part == "run":
        return run
    wanted = {"snakemake": "-m snakemake ", "step": "voxelmill segment "}[part]
    programs = {pid: line for pid, line in here(scene).items() if "bash" not in line.split()[0]}
    return min(pid for pid, line in programs.items() if wanted in line)


def wait(until: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_and_kill(scene: Scene, part: str) -> None:
    """Kill one part of a run as soon as some more blocks have begun."""
    calls = len(scene.calls()) + 6
    run = subprocess.Popen(
        command(scene), cwd=scene.folder, env=scene.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait(lambda: len(scene.calls()) >= calls, 120)
    if part == "group":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        os.kill(pick(scene, run.pid, part), signal.SIGKILL)
    assert run.wait(timeout=60) != 0
    wait(lambda: not here(scene), ALL_GONE_S)


def test_every_next_run_goes_on_by_itself(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, delay_s=0.15)
    assert finish(scene).returncode == 0
    expected = scene.digests()
    assert len(scene.calls()) == BLOCKS
    shutil.rmtree(scene.results)
    shutil.rmtree(scene.folder / ".snakemake")
    (scene.folder / "calls").unlink()
    parts = ("run", "snakemake", "step", "group")
    for part in parts:
        start_and_kill(scene, part)
    last = finish(scene)
    assert last.returncode == 0, last.stderr
    assert "an earlier run was killed; going on" in last.stderr
    assert scene.digests() == expected
    assert len(scene.calls()) <= BLOCKS + len(parts) * IN_FLIGHT
    assert not (scene.results / ".running").exists()


def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    first = subprocess.Popen(
        command(scene), cwd=scene.folder, env=scene.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait(lambda: (scene.results / ".running").exists(), 60)
        second = finish(scene)
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert f"another run works there (process {first.pid} on " in second.stderr
        dry = [*command(scene), "--", "--dry-run"]
        done = subprocess.run(dry, cwd=scene.folder, env=scene.environment, check=False)
        assert done.returncode == 0, "looking is allowed"
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        wait(lambda: not here(scene), ALL_GONE_S)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
def test_walltime_takes_everything_down_at_once(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    scene = make_scene(tmp_path, delay_s=0.15)
    run = subprocess.Popen(
        command(scene), cwd=scene.folder, env=scene.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        # Tests started with nohup would pass on that the signal is ignored.
        preexec_fn=lambda: signal.signal(signal_number, signal.SIG_DFL),
    )  # fmt: skip
    wait(lambda: len(scene.calls()) > 3, 120)
    run.send_signal(signal_number)
    assert run.wait(timeout=10) != 0
    wait(lambda: not here(scene), ALL_GONE_S)
