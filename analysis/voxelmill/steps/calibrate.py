"""`voxelmill calibrate`: measure, in a minute or two, what steps and plugins cost on this node.

In: a site to keep it for, or this machine. Out: its calibration. All cores work at once, as in a
run: each on its own folder, on the same made-up fields, in the folder that one is in: on the file
system that a run there would use.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.calibration import Calibration, calibration_path, save_calibration
from voxelmill.cores import usable_cores
from voxelmill.costs import plugin_key
from voxelmill.disk import room
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, BlocksFailed
from voxelmill.progress import Progress
from voxelmill.site import load_site
from voxelmill.steps.busy import Clock
from voxelmill.steps.calibrationtext import text
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.fitcosts import Measured, fitted
from voxelmill.steps.gauge import Spec
from voxelmill.steps.gaugeplugins import is_network, segmenters_of
from voxelmill.steps.wholerun import LAST, whole_run

FIELDS = {"large": 2, "small": 6, "tiny": 1}
EDGES = {"large": 1080, "small": 270, "tiny": 64}
REST_S = 35.0
"""Seconds of all that is not rounds: plates, kernels, a whole run."""
LEAST_S = 8.0
THREADED = 0.2
"""Share of the rounds for jobs of several threads."""
BUSY = 0.1
"""Share of the cores that other programs may use before they count as busy."""


@dataclass(frozen=True)
class Effort:
    """How much is measured, and how."""

    minutes: float = 1.5
    cores: int | None = None
    """Cores to keep busy; default: all."""
    threads: int | None = None
    """Threads of a job; default: the site's `cores`, or all."""
    edges: dict[str, int] | None = None
    """Edges of the fields in pixels, for tests."""
    config: str = ""
    """JSON of settings whose segmenters are measured too."""


def calibrate(
    site: str | None, out: Path | None, effort: Effort, say: Callable[[str], object]
) -> Path:
    """Measure and keep; `say` is given lines.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    BadConfig
        There is no such site, or no folder to work in.
    OutputExists
        The file cannot be written.
    BlocksFailed
        A worker failed.
    """
    path = out or calibration_path(site)
    cores = effort.cores or usable_cores()
    threads = effort.threads or (load_site(site).site.cores if site else cores)
    threads = max(1, min(threads, cores))
    if not 0 < effort.minutes <= 60:
        raise BadConfig(f"--minutes {effort.minutes:g}; allowed: more than 0, at most 60")
    found = measured(effort, cores, threads, say)
    save_calibration(path, found)
    say(text(found))
    say(f"kept in {path}")
    return path


def measured(effort: Effort, cores: int, threads: int, say: Callable[[str], object]) -> Calibration:
    """Measure with all `cores` busy."""
    seconds = max(LEAST_S, 60 * effort.minutes - REST_S)
    edges = effort.edges or EDGES
    with _scratch() as folder, room(folder):
        say(f"calibrating {cores} cores, about {effort.minutes:g} min; best on a node of its own")
        more = max(FIELDS["large"], 2 * threads if threads > 1 else 0)
        _plates(folder, FIELDS | {"large": more}, edges)
        say("loading kernels; the first time they are compiled, which takes a minute or two")
        _run([sys.executable, "-m", "voxelmill.warm"])
        alone = Spec(
            seconds=seconds * (1 - THREADED if threads > 1 else 1),
            fields=FIELDS,
            config=effort.config,
        )
        began = Clock.now()
        single = _workers("steps and plugins", folder, alone, cores, say)
        others = Clock.now().others(began, cores)
        several = []
        if threads > 1:
            spec = Spec(
                seconds=seconds * THREADED, threads=threads, fields=FIELDS | {"large": more}
            )
            several = _workers("several threads", folder, spec, cores // threads, say)
        say("a whole run of one tiny image")
        whole = whole_run(folder / "tiny.zarr", folder / "run", cores)
    if others > BUSY:
        say(f"other programs used {others:.0%} of the cores: processor time is taken")
    networks = tuple(
        plugin_key(s, exact=exact) for s, exact in segmenters_of(effort.config) if is_network(s)
    )
    return fitted(
        Measured(single, several, whole, threads, cores, FIELDS, edges, others <= BUSY, networks)
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    """Folder below the current one: its file system is that of a run from here."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".voxelmill-calibrate-", dir=Path.cwd())
    except OSError as error:
        raise BadConfig(
            f"{Path.cwd()}: nothing can be written there ({error.strerror}). Go to a folder on "
            "the file system that runs will use"
        ) from None
    with folder as name:
        yield Path(name)


def _plates(folder: Path, fields: Mapping[str, int], edges: Mapping[str, int]) -> None:
    for plate, number in fields.items():
        write_demo_plate(
            folder / f"{plate}.zarr", wells=1, fields=number, size=edges[plate], faults=False,
            workers=usable_cores(),
        )  # fmt: skip


def _workers(
    title: str, folder: Path, spec: Spec, number: int, say: Callable[[str], object]
) -> list[dict[str, Any]]:
    """Run `number` workers at once; what they have measured.

    Raises
    ------
    BlocksFailed
        One of them failed.
    """
    say(f"{title}: {number} processes with {spec.threads} threads for about {spec.seconds:.0f} s")
    write_json(folder / "gauge.json", spec.model_dump())
    command = [sys.executable, "-m", "voxelmill.steps.gauge", str(folder)]
    with ExitStack() as stack:
        running = []
        for n in range(number):
            log = stack.enter_context((folder / f"{n}.log").open("w"))
            running.append(
                stack.enter_context(
                    subprocess.Popen([*command, str(n)], stdout=log, stderr=log)  # noqa: S603
                )
            )
            stack.callback(running[-1].kill)
        _wait(title, running, spec.seconds)
    for n, process in enumerate(running):
        if process.returncode:
            text = (folder / f"{n}.log").read_text(encoding="utf-8")[-LAST:]
            raise BlocksFailed(f"calibrate: worker {n} failed: {text}")
    files = [folder / f"{n}.json" for n in range(number)]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _wait(title: str, running: Sequence["subprocess.Popen[bytes]"], seconds: float) -> None:
    """Wait for all; a bar goes on by the second, until the time that was planned is over."""
    with Progress().stage(title, int(seconds)) as advance:
        for _ in range(int(seconds)):
            if all(process.poll() is not None for process in running):
                break
            time.sleep(1)
            advance()
        for process in running:
            process.wait()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise BlocksFailed(f"calibrate: {command[-1]} failed: {done.stderr[-LAST:]}")
