"""`voxelmill plan`: what a run will do and need, before it does; and the refusal that `run` shares.

In: a configuration, the manifest that `scan` has made of it, cores. Out: per dataset images, tasks,
files, predicted memory and verdict. No pixel is read.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.batch import IMAGES, LARGE_VOXELS
from voxelmill.configfile import load_config
from voxelmill.layout import manifest
from voxelmill.machine import limit
from voxelmill.need import STEPS, Extent, tasks
from voxelmill.plan import GIB, Load, bound, check, label_files
from voxelmill.plugin import AccessDenied, BadConfig, BadInput, StoreUnavailable
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.store.read import open_image
from voxelmill.tables import read_table

FACTS = ("dataset", "url", "image", "shape", "dtype", "spacing_um")


@dataclass(frozen=True)
class Kind:
    """Images of one dataset that are alike, with the name of the first."""

    name: str
    extent: Extent
    images: int


def plan(config_path: Path, cores: int | None) -> dict[str, Any]:
    """Plan a run.

    Parameters
    ----------
    config_path : Path
        Configuration file.
    cores : int, optional
        Cores to use here; default: all.

    Returns
    -------
    dict
        JSON values; ``refusal`` is empty if all fits.

    Raises
    ------
    BadConfig, BadInput
        A mistake in the configuration or the sheet.
    """
    prepared = prepare(load_config(config_path).model_dump(mode="json"), config_path)
    load, most = load_of(prepared, cores), bound(prepared.config.compute, limit())
    found = survey(prepared)
    try:
        refuse(prepared, cores)
        refusal = ""
    except BadConfig as error:
        refusal = str(error)
    return {
        "jobs": load.jobs,
        "workers": load.workers,
        "blocks": load.blocks.model_dump(),
        "limit_bytes": most.size if most else None,
        "limit": most.source if most else "unknown",
        "refusal": refusal,
        "datasets": {name: _dataset(kinds, load) for name, kinds in found.items()},
    }


def refuse(prepared: Prepared, cores: int | None = None) -> None:
    """Refuse a run that does not fit into the memory of this machine, or into `memory_gib`.

    Raises
    ------
    BadConfig
        It does not fit; the text says what would.
    """
    extents = {k.name: k.extent for kinds in survey(prepared).values() for k in kinds}
    check(extents, load_of(prepared, cores), bound(prepared.config.compute, limit()))


def load_of(prepared: Prepared, cores: int | None) -> Load:
    """Jobs and workers that run at once on this machine."""
    cores = cores or _cores()
    workers = prepared.threads(cores)
    jobs = min(sum(map(len, prepared.batches.values())), cores // workers)
    config = prepared.config
    return Load(config, config.blocks, config.compute, workers, max(1, jobs))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def survey(prepared: Prepared) -> dict[str, list[Kind]]:
    """Kinds of images by dataset, from the manifest; of each dataset one image is opened."""
    table = read_table(manifest(Path(prepared.config.results)), FACTS)
    first: dict[tuple[str, ...], tuple[str, str]] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for dataset, url, image, *facts in zip(*(table[c] for c in FACTS), strict=True):
        if all(facts):
            first.setdefault((dataset, *facts), (url, image))
            counts[dataset, *facts] += 1
    chunks: dict[str, int] = {}
    found: dict[str, list[Kind]] = {dataset: [] for dataset in prepared.datasets}
    for kind, (url, path) in first.items():
        dataset, shape, dtype, spacing = kind
        if dataset not in chunks:
            chunks[dataset] = _chunk(url, path)
        t, c, z, y, x = json.loads(shape)
        dz, dy, dx = json.loads(spacing)
        alone = t * z * y * x >= LARGE_VOXELS
        batch = 1 if alone else min(prepared.config.batches.images or IMAGES, counts[kind])
        extent = Extent((t, c, z, y, x), dtype, (dz, dy, dx), chunks[dataset], batch)
        found[dataset].append(Kind(f"{dataset}/{path}".rstrip("/"), extent, counts[kind]))
    return found


def _chunk(url: str, path: str) -> int:
    try:
        return Extent.of(open_image(url, path)).chunk
    except (BadInput, StoreUnavailable, AccessDenied):
        # Whoever reads it says so, and goes on with the others.
        return 0


def _dataset(kinds: list[Kind], load: Load) -> dict[str, Any]:
    extents = {k.name: k.extent for k in kinds}
    counts: dict[str, int] = {}
    for kind in kinds:
        for stage, number in tasks(kind.extent, load.settings, load.blocks).items():
            counts[stage] = counts.get(stage, 0) + number * kind.images
    needs = {}
    for step in STEPS if kinds else ():
        worst = max((load.need(e, step) for e in extents.values()), key=lambda n: n.total)
        needs[step] = {"driver": worst.driver, "worker": worst.worker, "total": worst.total,
                       "parts": dict(worst.parts)}  # fmt: skip
    return {
        "images": sum(k.images for k in kinds),
        "kinds": [{"first": k.name, "images": k.images, "shape": k.extent.shape,
                   "dtype": k.extent.dtype} for k in kinds],
        "tasks": counts,
        "label_files": sum(label_files(k.extent, load.settings, k.images) for k in kinds),
        "memory_bytes": needs,
    }  # fmt: skip


def text(planned: Mapping[str, Any]) -> str:
    """Lines for the terminal."""
    blocks, lines = planned["blocks"], []
    for name, found in planned["datasets"].items():
        lines.append(f"{name}: {found['images']} images")
        for kind in found["kinds"]:
            shape = " x ".join(map(str, kind["shape"]))
            lines.append(f"  {kind['images']} of {shape} (t c z y x) {kind['dtype']}")
        counts = ", ".join(f"{stage} {n}" for stage, n in found["tasks"].items())
        lines.append(f"  tasks   {counts}")
        lines.append(f"  files   {found['label_files']} of labels")
        lines += [f"  memory  {step}: {_need(n)}" for step, n in found["memory_bytes"].items()]
    lines.append(
        f"blocks of {blocks['size']} x {blocks['size']} (depth {blocks['depth']}), "
        f"{planned['workers']} workers in each of {planned['jobs']} jobs"
    )
    size = planned["limit_bytes"]
    lines.append(f"limit: {_gib(size)} ({planned['limit']})" if size else "limit: unknown")
    lines.append(planned["refusal"] or "fits")
    return "\n".join(lines)


def _need(found: Mapping[str, Any]) -> str:
    most = max(found["parts"], key=found["parts"].get)
    worker = f", each worker {_gib(found['worker'])}" if found["worker"] else ""
    return f"{_gib(found['total'])} a job (driver {_gib(found['driver'])}{worker}; most to {most})"


def _gib(size: float) -> str:
    return f"{size / GIB:.2f} GiB"


def as_json(planned: Mapping[str, Any]) -> str:
    """The plan as JSON."""
    return json.dumps(planned, indent=1)
