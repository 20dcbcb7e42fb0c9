"""Paired timings: ours and its peers in turn, in one process or in fresh ones; rows and tables.

Every benchmark module has ``measure() -> list[Row]``; ``python -m benchmarks`` runs them all.
Candidates take turns, so whatever else the machine does hits all of them alike; medians count.
"""

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One line of ``benchmarks/results.json``; a ratio above 1 means ours is better."""

    name: str
    ours: float
    peer: float | None
    peer_name: str | None
    unit: str
    ratio: float | None
    must: float | None
    aim: float | None

    def as_json(self) -> dict[str, object]:
        """The row as JSON."""
        return asdict(self)


def children_s() -> float:
    """Processor seconds of all child processes that have ended and were waited for."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def less_is_better(
    name: str, ours: float, peer: float, peer_name: str, unit: str, must: float, aim: float
) -> Row:
    """Row of two costs (seconds, bytes): the ratio is the peer's over ours."""
    return Row(name, round(ours, 4), round(peer, 4), peer_name, unit,
               round(peer / ours, 3), must, aim)  # fmt: skip


def interleaved(
    candidates: Mapping[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, float]:
    """Median wall seconds of each candidate; each is called once before, to compile and to warm."""
    for call in candidates.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, call in candidates.items():
            gc.collect()
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(found) for name, found in seconds.items()}


def fresh(module: str, *arguments: str) -> dict[str, float]:
    """Run ``python -m module arguments`` in a fresh process; its last line is a JSON object."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def status(process: int | str = "self") -> dict[str, str]:
    """Lines of ``/proc/<process>/status``; see proc(5)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def memory(lines: Mapping[str, str], field: str) -> int:
    """Bytes that a process holds (``VmRSS``) or has held at most (``VmHWM``); 0 if it has ended."""
    return 1024 * int(lines.get(field, "0").split()[0])


def table(rows: Sequence[Row]) -> str:
    """Plain text, one line a row."""
    head = ("what", "ours", "peer", "unit", "ratio", "must", "aim", "against")
    lines: list[tuple[str, ...]] = [head]
    for r in rows:
        numbers = (r.ours, r.peer, r.unit, r.ratio, r.must, r.aim)
        shown = tuple("-" if v is None else f"{v:g}" if isinstance(v, float | int) else v
                      for v in numbers)  # fmt: skip
        lines.append((r.name, *shown, r.peer_name or "-"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table of the documents: what was compared, both figures, the ratio, the least wanted."""
    lines = ["| what | voxelmill | peer | ratio | must |", "|---|---|---|---|---|"]
    for r in rows:
        unit = "" if r.unit == "1" else f" {r.unit}"
        peer = "" if r.peer is None else f"{r.peer:g}{unit}, {r.peer_name}"
        ratio, must = ("" if v is None else f"{v:g}" for v in (r.ratio, r.must))
        lines.append(f"| {r.name.strip()} | {r.ours:g}{unit} | {peer} | {ratio} | {must} |")
    return "\n".join(lines)
