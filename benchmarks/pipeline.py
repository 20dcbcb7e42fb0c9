"""A plate from scan to report on two workers: megapixels a processor second, step by step.

    python -m benchmarks.pipeline [--wells 24 --keep FOLDER]

96 fields of 1080² in five channels, uint16, with nuclei, cells and cytoplasm: once with shape and
intensity, once with all families. ``voxelmill run`` as a user starts it, Snakemake included; all
channels count as pixels. The processor time of the whole is the kernel's; that of a step is what
its processes had used when last seen, every 50 ms.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.timing import Row, children_s, memory, status, table
from voxelmill.features import features
from voxelmill.steps.demo import CHANNELS, write_demo_plate

WELLS, FIELDS, SIZE, USED = 24, 4, 1080, 5
EVERY_S = 0.05
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MUST, AIM = {"shape + intensity": 6.0, "all families": 1.5}, {"shape + intensity": 12.0,
                                                              "all families": 4.0}  # fmt: skip
TERABYTES, USED_BYTES, WEEK_S = 100, 2, 7 * 24 * 3600
START = "Snakemake and start"
STEPS = ("scan", "qc", "segment", "measure", "aggregate", "report", "provenance",
         "check")  # fmt: skip
CONFIG = """
datasets: plate.tsv
results: {results}
objects:
  nuclei: {{channel: DNA, segmenter: {{kind: watershed, diameter_um: 12}}}}
  cells: {{channel: AGP, segmenter: {{kind: propagate, seeds: nuclei}}}}
  cytoplasm: {{subtract: [cells, nuclei]}}
features: [{families}]
"""


@dataclass
class Seen:
    """What the processes of one run have used."""

    cpu: dict[int, float] = field(default_factory=dict)
    peak: dict[int, int] = field(default_factory=dict)
    step: dict[int, str] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Note all processes below `root`."""
        parents: dict[int, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "stat").read_text().rpartition(")")[2].split()
                pid, parents[int(folder.name)] = int(folder.name), int(text[1])
                self._note(pid, folder, text)
            except OSError:
                continue
        mine = {root}
        for pid in sorted(parents):
            mine |= {pid} if parents[pid] in mine else set()
        for kept in (self.cpu, self.peak, self.step):
            for pid in set(kept) & set(parents) - mine:
                del kept[pid]

    def _note(self, pid: int, folder: Path, text: list[str]) -> None:
        words = (folder / "cmdline").read_bytes().decode().split("\0")
        self.cpu[pid] = (int(text[11]) + int(text[12])) * TICK_S
        self.peak[pid] = max(self.peak.get(pid, 0), memory(status(folder.name), "VmHWM"))
        named = [w for w in words[1:4] if w in STEPS]
        # One that has ended but is not yet waited for has no command any more.
        if any(words):
            self.step[pid] = named[0] if named else START

    def by_step(self) -> dict[str, tuple[float, int]]:
        """Processor seconds, and the largest peak of a process in bytes, by step."""
        found: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        for pid, seconds in self.cpu.items():
            name = self.step.get(pid, START)
            before, peak = found[name]
            found[name] = before + seconds, max(peak, self.peak[pid])
        return found


def run(folder: Path, what: str, families: str) -> tuple[float, float, Seen]:
    """Run one configuration; processor seconds, elapsed seconds, and the processes seen."""
    config = folder / f"{what.replace(' ', '')}.yaml"
    config.write_text(CONFIG.format(results=config.stem, families=families))
    before = children_s()
    seen, ended, start = Seen(), threading.Event(), time.perf_counter()
    command = [sys.executable, "-m", "voxelmill", "run", "--cores", "2", config.name]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

        def watch() -> None:
            while not ended.wait(EVERY_S):
                seen.look(process.pid)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        elapsed = time.perf_counter() - start
        ended.set()
        watcher.join()
    if code:
        raise RuntimeError(f"{what}: exit code {code}; {(folder / 'log').read_text()[-2000:]}")
    return children_s() - before, elapsed, seen


def measure(wells: int = WELLS) -> list[Row]:
    """Make the plate, run both configurations."""
    with tempfile.TemporaryDirectory(prefix="voxelmill-bench-") as name:
        folder = Path(name)
        write_demo_plate(
            folder / "plate.zarr", wells=wells, fields=FIELDS, size=SIZE, channels=USED,
            faults=False,
        )  # fmt: skip
        (folder / "plate.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
        everything = ", ".join(f"{{kind: {kind}}}" for kind in features())
        kinds = {"shape + intensity": "{kind: shape}, {kind: intensity}",
                 "all families": everything}  # fmt: skip
        rows = []
        for what, families in kinds.items():
            rows += _rows(wells, what, *run(folder, what, families))
        return rows


def _rows(wells: int, what: str, used: float, elapsed: float, seen: Seen) -> list[Row]:
    pixels = wells * FIELDS * USED * SIZE * SIZE / 1e6
    head = f"plate of {wells * FIELDS} fields x {USED} channels ({pixels:.0f} Mpx), {what}"
    cores = TERABYTES * 1e6 / USED_BYTES / (pixels / used) / WEEK_S
    rows = [
        Row(head, round(pixels / used, 2), None, None, "Mpx/cpu-s", None, MUST[what], AIM[what]),
        _row(f"{head}: elapsed, 2 cores", elapsed, "s"),
        _row(f"{head}: cores for {TERABYTES} TB a week of uint16", cores, "cores"),
    ]
    for step, (seconds, peak) in seen.by_step().items():
        if seconds > 0.5:
            rows.append(_row(f"{head}: {step}", pixels / seconds, "Mpx/cpu-s"))
            rows.append(_row(f"{head}: {step}, peak memory of a process", peak / 2**20, "MiB"))
    return rows


def _row(name: str, value: float, unit: str) -> Row:
    return Row(name, round(value, 1), None, None, unit, None, None, None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=WELLS)
    print(f"channels: {', '.join(CHANNELS[:USED])}")
    print(table(measure(parser.parse_args().wells)))
