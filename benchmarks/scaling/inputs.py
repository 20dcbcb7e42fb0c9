"""Measure what the simulation is fed with, on this machine → ``measured.json``.

    python -m benchmarks.scaling.inputs [plates image volume dask snakemake]

Processor seconds throughout, so that other users of the machine disturb little; *alone* with one
core busy, *beside* with a second one doing the same, *apart* where blocks share no decoded chunks,
as those of different processes. Ten minutes on two quiet cores. Latencies of a
cluster are not measured here (see `cluster`), and are kept.
"""

import argparse
import json
import platform
import re
import tempfile
from collections.abc import Callable
from os import cpu_count
from pathlib import Path
from typing import Any

from benchmarks.large import write_large
from benchmarks.scaling.noted import crowding, fields, line, probe, save, serial, stages
from benchmarks.scaling.overheads import aggregates, dask, snakemake
from benchmarks.scaling.scenes import (
    PATCH,
    PLATE,
    SIZE,
    VOLUME,
    Scene,
    write_plate,
    write_volume,
)
from voxelmill.features import features

MEASURED = Path(__file__).with_name("measured.json")
WELLS, FEW, MANY = 12, 4, 24
IMAGE, SMALL, EDGE = 8192, 4096, 512
COUNTS, DEPTH, WIDTH = (2, 4, 4), 64, 256
"""Patches of the volume along z, y, x, and its blocks."""
PLANE: dict[str, Any] = {
    "objects": {"nuclei": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_px": 28}}},
    "features": [{"kind": "shape"}, {"kind": "intensity"}],
}


def load() -> dict[str, Any]:
    """What was measured so far."""
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def measure_plates(folder: Path) -> dict[str, Any]:
    """Costs of the steps on a plate: by image, by job, by dataset."""
    write_plate(folder / "plate.zarr", WELLS)
    every = [{"kind": kind} for kind in features()]
    found: dict[str, Any] = {"field_px": SIZE * SIZE, "channels": 5, "alone": {}, "beside": {}}
    few = Scene(folder / "few", "../plate.zarr", PLATE | {"batches": {"images": FEW}})
    many = Scene(folder / "many", "../plate.zarr", PLATE | {"batches": {"images": MANY}})
    names = many.prepare()[:2]
    few.prepare()
    crowded: dict[str, float] = {}
    for step in ("qc", "segment", "measure"):
        # The first run of all compiles.
        probe([few], step)
        (short,) = probe([few], step)
        for busy, batches in (("alone", names[:1]), ("beside", names)):
            found[busy][step] = _step(short, probe([many], step, batches))
        alone = found["alone"][step]["start_s"] + MANY * found["alone"][step]["serial_s"]
        crowded[step] = crowding(many, step, alone)
    for scene in (few, many):
        scene.with_features(every).prepare()
    probe([few], "measure")
    found["beside"]["measure, all families"] = _step(
        probe([few], "measure")[0], probe([many], "measure", names)
    )
    return found | {"crowded": crowded} | aggregates(folder, few, many)


def _step(short: Any, long: list[Any]) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """One step: seconds of a job before its first image, of the driver by image, of images."""
    start, slope = line((FEW, serial(short)), (MANY, serial(long[0])))
    kernels = stages(long[0])[1]
    costs = [round(c, 4) for notes in long for c in fields(notes)]
    return {"start_s": round(start + kernels, 3), "serial_s": round(slope, 5), "images_s": costs}


def measure_image(folder: Path) -> dict[str, Any]:
    """Costs of the engine's tasks on a plane of 8192² in blocks of 512²."""
    for name, size in (("small", SMALL), ("large", IMAGE)):
        write_large(folder / f"{name}.zarr", size)
    small, large, twin = (
        Scene(folder / f"run-{n}", f"../{data}.zarr", PLANE)
        for n, data in (("small", "small"), ("large", "large"), ("twin", "large"))
    )
    for scene in (small, large, twin):
        scene.prepare({"blocks": {"size": EDGE}})
    found: dict[str, Any] = {"shape": [1, IMAGE, IMAGE], "block": [1, EDGE, EDGE]}
    for busy in ("alone", "beside"):
        found[busy] = _engine(small, [large] if busy == "alone" else [large, twin])
    found["apart"] = _engine(small, [large], apart=True)
    found |= objects_of(large)
    found["crowded"] = {
        step: crowding(
            large, step, of["start_s"] + of["kernels_s"] + of["objects_s"] * found["objects"]
        )
        for step, of in found["alone"].items()
    }
    return found


def measure_volume(folder: Path) -> dict[str, Any]:
    """Costs of the engine's tasks on a volume of 134 Mvox in blocks of 64 x 256 x 256."""
    write_volume(folder / "small.zarr", (1, 1, 2))
    write_volume(folder / "large.zarr", COUNTS)
    small, large = (Scene(folder / f"run-{n}", f"../{n}.zarr", VOLUME) for n in ("small", "large"))
    for scene in (small, large):
        scene.prepare({"blocks": {"size": WIDTH, "depth": DEPTH}})
    shape = [n * c for n, c in zip(PATCH, COUNTS, strict=True)]
    found: dict[str, Any] = {"shape": shape, "block": [DEPTH, WIDTH, WIDTH]}
    found["apart"] = _engine(small, [large], apart=True)
    return found | objects_of(large)


def _engine(small: Scene, large: list[Scene], *, apart: bool = False) -> dict[str, Any]:
    """Costs by step: of a job's start, of the driver for an object, of tasks by stage."""
    found = {}
    for step in ("segment", "measure"):
        # The first run of all compiles.
        probe([small], step)
        short, long = probe([small], step)[0], probe(large, step, apart=apart)[0]
        points = [
            (objects_of(s)["objects"], serial(n)) for s, n in ((small, short), (large[0], long))
        ]
        start, slope = line(*points)
        costs, kernels = stages(long)
        found[step] = {"start_s": round(start, 3), "kernels_s": round(kernels, 3),
                       "objects_s": round(slope, 9), "stages_s": _rounded(costs)}  # fmt: skip
    return found


def objects_of(scene: Scene) -> dict[str, Any]:
    """Number of objects that were found, and the halo."""
    record = scene.folder / "results" / "scene" / "records" / "segment" / "0000.json"
    (image,) = json.loads(record.read_text(encoding="utf-8"))["images"].values()
    nuclei = image["objects"]["nuclei"]
    return {"objects": sum(nuclei["counts"]), "halo": nuclei["halo"][0]}


def _rounded(costs: dict[str, list[float]]) -> dict[str, list[float]]:
    """Costs by the last word of the stage's title."""
    return {t.rpartition(": ")[2]: [round(c, 5) for c in found] for t, found in costs.items()}


def machine() -> str:
    """Model of the processor, and how many there are."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*:\s*(.+)", text)
    name = model.group(1).strip() if model else platform.machine()
    return f"{name}, {cpu_count()} cores"


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "plates": measure_plates,
    "image": measure_image,
    "volume": measure_volume,
    "dask": dask,
    "snakemake": snakemake,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    given = parser.parse_args().parts or list(PARTS)
    if unknown := set(given) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    for part in given:
        with tempfile.TemporaryDirectory(prefix="voxelmill-scaling-") as name:
            value = PARTS[part](Path(name))
        kept = load() if MEASURED.exists() else {}
        save(MEASURED, {**kept, "machine": machine(), part: value})
        print(f"measured: {part}", flush=True)


if __name__ == "__main__":
    main()
