"""Kill the step *segment* again and again, run it to the end, and compare with an undisturbed run.

``python -m benchmarks.chaos --kills 200``: kills by kind, blocks done again, whether all bytes are
the same. A kill is SIGKILL to the driver, to one worker process or to the whole process group, or
SIGTERM to the driver (walltime), at a random moment of the work.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos_scene import Scene, make_scene
from benchmarks.timing import Row

DRIVER_KINDS = ("driver", "group", "walltime")
ORPHANS_S = 10.0
"""How soon workers must be gone after their driver."""
KILLS = 200


@dataclass
class Tally:
    """What came of the kills."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    blocks: int = 0
    calls: int = 0
    redone_finished: int = 0
    """Blocks that the ledger held when a run started, and that it did again."""
    different: int = 0
    """Rounds whose bytes were not those of the undisturbed run."""
    orphans: int = 0
    """Workers that outlived their driver."""

    @property
    def redone(self) -> int:
        """Blocks done more than once: they were in flight when something was killed."""
        return self.calls - self.blocks

    def table(self) -> str:
        """Lines for people."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.kills.items()))
        kills = self.kills.total()
        each = self.redone / max(1, kills)
        return "\n".join(
            (
                f"kills                          {kills} ({kinds}) in {self.rounds} rounds",
                f"blocks                         {self.blocks}",
                f"done again, in flight at kill  {self.redone} ({each:.2f} a kill)",
                f"done again though finished     {self.redone_finished}",
                f"workers left behind            {self.orphans}",
                f"bytes as undisturbed           {'no' if self.different else 'yes'}",
            )
        )


def undisturbed(scene: Scene) -> dict[str, str]:
    """Run once without kills; return the digests and leave a clean folder."""
    start_over(scene)
    subprocess.run(
        scene.step(), cwd=scene.folder, env=scene.environment, check=True, capture_output=True
    )
    return scene.digests()


def start_over(scene: Scene) -> None:
    """Empty the results and make the batch file again."""
    shutil.rmtree(scene.results, ignore_errors=True)
    (scene.folder / "calls").unlink(missing_ok=True)
    scene.scan()


def torment(scene: Scene, kills: int, rng: random.Random, tally: Tally) -> None:
    """Make `kills` kills in as many rounds as it takes; each round ends with all bytes compared."""
    expected = undisturbed(scene)
    blocks = len(set(scene.calls()))
    target = tally.kills.total() + kills
    while tally.kills.total() < target:
        start_over(scene)
        while not scene.record.exists():
            attempt(scene, rng, tally, target)
        tally.rounds += 1
        tally.blocks += blocks
        tally.calls += len(scene.calls())
        tally.different += scene.digests() != expected


def attempt(scene: Scene, rng: random.Random, tally: Tally, target: int) -> None:
    """Start the step; kill it, or let it run to the end where all kills are done."""
    finished, before = scene.finished(), len(scene.calls())
    process = subprocess.Popen(
        scene.step(), cwd=scene.folder, env=scene.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        workers = 2 if scene.processes else 0
        while tally.kills.total() < target and wait_for_work(scene, process, rng):
            kind = "worker" if workers else rng.choice(DRIVER_KINDS)
            children = worker_processes(process.pid)
            if kill(process, kind, children, rng):
                tally.kills[kind] += 1
            workers -= kind == "worker"
            if kind != "worker":
                tally.orphans += survivors(children)
                break
        process.wait(timeout=120)
    finally:
        stop(process)
    tally.redone_finished += len(finished & set(scene.calls()[before:]))


def wait_for_work(scene: Scene, process: "subprocess.Popen[bytes]", rng: random.Random) -> bool:
    """Wait until some more lines are in the ledger, and a moment; False if the step has ended."""
    wanted = scene.lines() + rng.randint(1, 12)
    while process.poll() is None:
        if scene.lines() >= wanted:
            time.sleep(rng.uniform(0, 0.05))
            return process.poll() is None
        time.sleep(0.005)
    return False


def kill(
    process: "subprocess.Popen[bytes]", kind: str, children: list[int], rng: random.Random
) -> bool:
    """Kill what `kind` says; False if it was gone already."""
    try:
        match kind:
            case "worker":
                os.kill(rng.choice(children or [0x7FFFFFFF]), signal.SIGKILL)
            case "group":
                os.killpg(process.pid, signal.SIGKILL)
            case "walltime":
                process.terminate()
            case _:
                process.kill()
    except ProcessLookupError:
        return False
    if kind != "worker":
        process.wait(timeout=60)
    return True


def worker_processes(driver: int) -> list[int]:
    """Worker processes of a driver."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            started = b"spawn_main" in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == driver and started:
            found.append(int(folder.name))
    return found


def survivors(processes: list[int]) -> int:
    """How many of `processes` still live after a while."""
    deadline = time.monotonic() + ORPHANS_S
    while (alive := sum(map(lives, processes))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def lives(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its group, whatever state they are in."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def chaos(kills: int, seed: int = 0) -> Tally:
    """Half of the kills on threads, half on worker processes."""
    tally, rng = Tally(), random.Random(seed)  # noqa: S311
    for processes in (False, True):
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            torment(make_scene(Path(folder), processes=processes), kills // 2, rng, tally)
    return tally


def measure(kills: int = KILLS) -> list[Row]:
    """Rows for ``make bench``."""
    tally = chaos(kills)
    total = tally.kills.total()
    return [
        Row("chaos: kills survived with the same bytes", total if not tally.different else 0,
            None, None, "kills", None, None, None),
        Row("chaos: finished blocks done again", tally.redone_finished,
            None, None, "blocks", None, None, None),
        Row("chaos: blocks in flight done again", round(tally.redone / max(1, total), 3),
            None, None, "blocks a kill", None, None, None),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(chaos(options.kills, options.seed).table())
