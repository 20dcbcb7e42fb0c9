"""Flat memory: peak of a step's processes on a small and a 16 times larger image, same blocks.

Whole processes as the workflow starts them: ``voxelmill segment`` and ``voxelmill measure`` with
two threads, and with two worker processes beside their driver. A process's peak is what the kernel
noted (VmHWM). A ratio of growth must be at least 1 / 1.15. Beside it: what `voxelmill plan` says;
the ratio is the smaller over the larger and must be at least 1 / 1.3.

``python -m benchmarks.memory [--size 8192 --large 32768 --kind watershed]``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.large import write_large
from benchmarks.timing import Row, less_is_better, memory, status, table
from voxelmill.config import Settings
from voxelmill.configfile import load_config
from voxelmill.execution import Blocks, Compute
from voxelmill.extent import Extent
from voxelmill.ledger import write_json
from voxelmill.need import Need, need
from voxelmill.steps.scan import scan

MOST_GROWTH, MOST_ERROR = 1.15, 1.3
DIAMETER_PX, BLOCK, WORKERS = 28, 2048, 2
EVERY_S = 0.05
MIB = 2**20


@dataclass(frozen=True)
class Peaks:
    """Peak resident memory of one run in bytes."""

    driver: int
    worker: int
    """Largest of the worker processes; 0 where threads of the driver do the work."""


def peaks(command: Sequence[str], log: Path) -> Peaks:
    """Run a command and follow the peak of each process of its tree.

    Raises
    ------
    RuntimeError
        It failed.
    """
    found: dict[int, int] = {}
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(EVERY_S):
                found.update(_tree(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        ended.set()
        watcher.join()
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}; {log.read_text()[-2000:]}")
    driver = found.pop(process.pid, 0)
    return Peaks(driver, max(found.values(), default=0))


def _tree(root: int) -> dict[int, int]:
    """Peak in bytes of a process and all below it, by id; a process that ends meanwhile is left."""
    parent, peak = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines = status(folder.name)
        except OSError:
            continue
        parent[int(folder.name)] = int(lines["PPid"])
        peak[int(folder.name)] = memory(lines, "VmHWM")
    family = {root}
    while more := {p for p, up in parent.items() if up in family} - family:
        family |= more
    return {p: peak[p] for p in family if peak.get(p)}


def configuration(kind: str) -> dict[str, Any]:
    """Config of one object set found by `kind`."""
    segmenter = {"kind": kind, "diameter_px": DIAMETER_PX}
    return {"objects": {"nuclei": {"channel": "0", "segmenter": segmenter}}}


def peaks_of(
    image: Path, work: Path, kind: str, processes: bool, block: int = BLOCK
) -> Iterator[tuple[str, Peaks]]:
    """Yield the peaks of the steps segment and measure on one image."""
    work.mkdir(parents=True)
    (work / "sheet.tsv").write_text(f"dataset\turl\nlarge\t{image}\n")
    config = {"datasets": "sheet.tsv", "results": str(work / "results"), **configuration(kind)}
    path = work / "config.yaml"
    path.write_text(json.dumps(config))
    scan(load_config(path), path)
    execution = work / "execution.json"
    write_json(execution, {"blocks": {"size": block}, "compute": {"processes": processes}})
    results = work / "results" / "large"
    common = [str(results / "batches" / "0000.json"), "--config", str(path)]
    common += ["--run", str(execution), "--workers", str(WORKERS)]
    segmented = ["--record", str(results / "segment.json")]
    measured = ["--segmented", segmented[1], "--record", str(results / "measure.json")]
    for step, more in (("segment", segmented), ("measure", measured)):
        command = [sys.executable, "-m", "voxelmill", step, *common, *more]
        yield step, peaks(command, work / f"{step}.log")


def measured_peaks(images: Mapping[int, Path], folder: Path, kind: str) -> dict[Any, Peaks]:
    """Peaks by step, processes or threads, and size of the image."""
    return {
        (step, processes, size): found
        for processes in (False, True)
        for size, image in images.items()
        for step, found in peaks_of(image, folder / f"{size}-{processes}", kind, processes)
    }


def rows(found: Mapping[Any, Peaks], kind: str) -> list[Row]:
    """One row a process and step: growth with the image, and prediction against what was."""
    small, large = min(size for *_, size in found), max(size for *_, size in found)
    made = []
    for step, processes in dict.fromkeys((s, p) for s, p, _ in found):
        one, two = found[step, processes, small], found[step, processes, large]
        predicted = predict(large, kind, processes, step)
        what = f"{step} ({kind}), {WORKERS} {'processes' if processes else 'threads'}"
        parts = [("driver", one.driver, two.driver, predicted.driver)]
        parts += [("worker", one.worker, two.worker, predicted.worker)] if processes else []
        for part, before, after, said in parts:
            name = f"peak memory of the {part}, {what}, {large}²"
            made.append(
                less_is_better(name, after / MIB, before / MIB, f"on {small}²", "MiB",
                               round(1 / MOST_GROWTH, 3), 0.95)
            )  # fmt: skip
            ratio = round(min(said / after, after / said), 3)
            made.append(Row(f"{name}, as predicted", round(said / MIB, 1), round(after / MIB, 1),
                            "measured", "MiB", ratio, round(1 / MOST_ERROR, 3), 0.9))  # fmt: skip
    return made


def predict(size: int, kind: str, processes: bool, step: str) -> Need:
    """What `voxelmill plan` says."""
    settings = Settings.model_validate(configuration(kind))
    extent = Extent((1, 1, 1, size, size), "uint16", (1.0, 0.65, 0.65), 1024 * 1024)
    compute = Compute(processes=processes)
    return need(extent, settings, Blocks(size=BLOCK), compute, WORKERS, step)


def measure(small: int = 8192, large: int = 32768, kind: str = "watershed") -> list[Row]:
    """Write both images, run both steps on both, and compare."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = {n: write_large(folder / f"{n}.zarr", n) for n in (small, large)}
        return rows(measured_peaks(images, folder, kind), kind)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--large", type=int, default=32768)
    parser.add_argument("--kind", default="watershed")
    given = parser.parse_args()
    print(table(measure(given.size, given.large, given.kind)))


if __name__ == "__main__":
    main()
