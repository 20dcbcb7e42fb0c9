"""`voxelmill plan --site`: jobs, cost and limits of a run on a cluster.

In: what there is to do, what it costs, the partition file. Out: JSON values; ``refusals`` has a
line for every limit that is broken.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voxelmill.config import Config
from voxelmill.costs import Costs
from voxelmill.estimate import Estimate, Group, Places, estimate
from voxelmill.execution import Compute
from voxelmill.layout import BATCH_STEPS, ILLUMINATION, PROVENANCE, REVIEW
from voxelmill.machine import Limit
from voxelmill.plan import GIB, Load, advise
from voxelmill.quotas import (
    Ask,
    Storages,
    asked_gib,
    buckets,
    fullest,
    job_refusals,
    job_units,
    month_units,
    partition_of,
    short_note,
    storage_refusals,
)
from voxelmill.resources import LISTED, PAGE, SPARE, TABLES, light_memory, tables
from voxelmill.site import SiteFile
from voxelmill.steps.planfacts import datasets_json, footprints, run_json, written_json
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.survey import Survey

OWN = "own job"
"""Where steps of whole datasets run: beside Snakemake."""


def at_site(prepared: Prepared, found: Survey, costs: Costs, file: SiteFile) -> dict[str, Any]:
    """Plan a run at a site."""
    config, site = prepared.config, file.site
    nodes = config.compute.elsewhere
    cores = nodes.all_cores if nodes else site.cores
    places = Places(site.max_jobs, cores, by_core=False, wait_s=60 * site.queue_minutes)
    run = estimate(found.batches, config, costs, places)
    load = Load(config, config.blocks, Compute(), nodes.cores if nodes else site.cores)
    memory = _memory(found, load)
    asks = {step: Ask(1, asked_gib(memory.get(step, 0))) for step in run.steps}
    for step in BATCH_STEPS if run.steps else ():
        asks[step] = (
            Ask(nodes.cores, nodes.memory_gib)
            if nodes
            else Ask(run.steps[step].cores, asked_gib(memory[step]))
        )
    storages = Storages(
        footprints(found, config, costs),
        footprints(found, config, costs, None if config.store else "zip"),
        config.labels,
        store=bool(config.store),
    )
    single = [d for d, groups in found.batches.items() if any(_images(g) == 1 for g in groups)]
    refusals = [
        *job_refusals(run, asks, file, single, lambda step, gib: _smaller(found, load, step, gib)),
        *storage_refusals(storages, file),
    ]
    return {
        "site": {"name": site.name, "max_jobs": site.max_jobs, "queue_minutes": site.queue_minutes},
        "blocks": config.blocks.model_dump(),
        "workers": site.cores,
        "jobs": site.max_jobs,
        "refusals": refusals,
        "refusal": "; ".join(refusals),
        "run": _run(run, costs, config, asks, memory, file),
        "written": written_json(found, config, costs) | _storage(storages, file),
        "datasets": datasets_json(found, load),
    }


def _images(group: Group) -> int:
    return sum(number for _, number in group)


def _run(
    run: Estimate,
    costs: Costs,
    config: Config,
    asks: Mapping[str, Ask],
    memory: Mapping[str, int],
    file: SiteFile,
) -> dict[str, Any]:
    planned = run_json(run, costs, config)
    note = short_note(run, file)
    planned["warnings"] += [note] if note else []
    for name, step in planned["steps"].items():
        ask, hours = asks[name], run.steps[name].core_s / run.steps[name].cores / 3600
        # Several nodes at once, where an image has them.
        nodes = run.steps[name].cores / ask.cores
        step |= {
            "memory_gib": ask.gib,
            "memory_bytes": memory.get(name, 0),
            "partition": partition_of(file, ask, run.steps[name].longest_s)
            if name in BATCH_STEPS
            else OWN,
            "units": nodes * job_units(ask, hours, file.site.billing),
        }
    return planned | {"units": sum(s["units"] for s in planned["steps"].values())}


def _memory(found: Survey, load: Load) -> dict[str, int]:
    """Bytes that the largest job of each step needs."""
    extents = found.extents()
    if not extents:
        return dict.fromkeys(BATCH_STEPS, 0)
    memory = {s: max(load.need(e, s).total for e in extents.values()) for s in BATCH_STEPS}
    most = max(
        sum(tables(k.extent, k.images, load.settings) for k in kinds)
        for kinds in found.kinds.values()
    )
    listed = LISTED * max(sum(k.images for k in kinds) for kinds in found.kinds.values())
    light = max(light_memory(extent, load.settings) for extent in extents.values())
    return memory | {
        ILLUMINATION: int(light),
        REVIEW: PAGE,
        "aggregate": int(TABLES + most),
        "report": PAGE,
        PROVENANCE: int(TABLES + listed),
    }


def _smaller(found: Survey, load: Load, step: str, gib: float) -> str:
    """What to change so that a job of a step needs no more than it may ask for."""
    if step not in BATCH_STEPS:
        return "Split the dataset into several lines of the sheet"
    most = Limit(int(gib * GIB / SPARE), "partition")
    return advise(found.extents(), replace(load, steps=(step,)), most)


def _storage(found: Storages, file: SiteFile) -> dict[str, Any]:
    """Quotas and what it costs to keep the results for a month."""
    total, site = found.total, file.site
    return {
        "scratch": {
            "files": total.scratch_files,
            "files_allowed": site.scratch.files,
            "gib": total.scratch_bytes / GIB,
            "gib_allowed": site.scratch.gib,
            "units_month": month_units(total.scratch_bytes, site.scratch),
        },
        "objects": {
            "objects": total.files,
            "fullest_bucket": fullest(found.kept, site.objects),
            "objects_allowed": site.objects.files,
            "buckets": buckets(found.kept, site.objects),
            "buckets_allowed": site.objects.buckets,
            "gib": total.bytes / GIB,
            "gib_allowed": site.objects.gib,
            "units_month": month_units(total.bytes, site.objects),
        },
    }
