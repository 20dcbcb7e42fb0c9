"""Run steps under `probe`, one or two at once, and make costs of their notes. Processor seconds.

The first task of a stage also loads its kernels, once a process: what it took beyond the median
belongs to the start of the job, not to its image.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.scaling.clock import timed
from benchmarks.scaling.scenes import Scene, command, environment

Notes = Mapping[str, Any]
REPEATS = 5
TOP = 0.1
"""What a first task may take beyond the others and still counts as one of them, seconds."""


def probe(
    scenes: Sequence[Scene], step: str, batches: Sequence[str] = ("0000",), *, apart: bool = False
) -> list[Notes]:
    """Run one step on all batches of all scenes at once, each on one worker; return their notes.

    Tasks `apart` from each other share no decoded chunks.
    """
    started = []
    for scene, batch in product(scenes, batches):
        notes = scene.folder / f"{step}-{batch}.notes.json"
        line = [sys.executable, "-m", "benchmarks.scaling.probe", *["--apart"] * apart, str(notes)]
        line += scene.step(step, batch, 1)
        started.append((notes, subprocess.Popen(line, env=environment())))
    for _, process in started:
        if code := process.wait():
            raise RuntimeError(f"{step}: exit code {code}")
    for scene, batch in product(scenes, batches):
        scene.check(step, batch)
    return [json.loads(notes.read_text(encoding="utf-8")) for notes, _ in started]


def costs(tasks: Sequence[Sequence[Any]]) -> tuple[list[float], float]:
    """Core-seconds of the tasks of one stage, and what the first took for kernels."""
    found = [float(cpu) for _, _, cpu in tasks]
    if len(found) < 3:
        return found, 0.0
    usual = median(found[1:])
    extra = max(0.0, found[0] - usual)
    if extra < TOP:
        return found, 0.0
    return [usual, *found[1:]], extra


def stages(notes: Notes) -> tuple[dict[str, list[float]], float]:
    """Costs of all tasks by stage (``segment`` of ``nuclei: segment``), and that of all kernels.

    Stages of several object sets are kept apart: ``nuclei: write``, ``cells: write``.
    """
    found: dict[str, list[float]] = {}
    kernels = 0.0
    for stage in notes["stages"]:
        found[stage["title"]], extra = costs(stage["tasks"])
        kernels += extra
    return found, kernels


def serial(notes: Notes) -> float:
    """Processor seconds of the process outside its tasks: start, ids, tables."""
    tasks = sum(float(cpu) for stage in notes["stages"] for _, _, cpu in stage["tasks"])
    return float(notes["cpu"]) - tasks


def fields(notes: Notes) -> list[float]:
    """Core-seconds of each image: its tasks of all stages, where each has one a stage."""
    found, _ = stages(notes)
    per_image = [c for c in found.values() if c]
    return [sum(parts) for parts in zip(*per_image, strict=True)]


def crowding(scene: Scene, step: str, serial_s: float) -> float:
    """How much longer tasks take where two threads of one process do them.

    They share the interpreter's lock and the memory; seconds are those of undisturbed cores.
    `serial_s` is what the step takes besides its tasks.
    """
    took: dict[int, list[float]] = {1: [], 2: []}
    for workers in (1, 2) * REPEATS:
        found = timed(command(*scene.step(step, "0000", workers)), scene.folder, Path.cwd())
        took[workers].append(found.own_s)
    one, two = median(took[1]), median(took[2])
    return round(max(1.0, 2 * (two - serial_s) / (one - serial_s)), 3)


def line(small: tuple[int, float], large: tuple[int, float]) -> tuple[float, float]:
    """Intercept and slope through two points, neither below zero."""
    (n, a), (m, b) = small, large
    slope = max(0.0, (b - a) / (m - n))
    return max(0.0, a - slope * n), slope


def save(path: Path, value: object) -> None:
    """Write JSON for people: short arrays of numbers stay on one line."""
    path.write_text(_shown(value, 0) + "\n", encoding="utf-8")


def _shown(value: object, depth: int) -> str:
    if isinstance(value, dict) and value:
        pad = " " * (depth + 1)
        inner = ",\n".join(
            f"{pad}{json.dumps(k)}: {_shown(v, depth + 1)}" for k, v in value.items()
        )
        return f"{{\n{inner}\n{' ' * depth}}}"
    return json.dumps(value, ensure_ascii=False)
