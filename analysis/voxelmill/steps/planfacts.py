"""The parts of a plan that this machine's and a site's share, as JSON values."""

from collections.abc import Mapping
from typing import Any

from voxelmill.config import Config
from voxelmill.costs import Costs
from voxelmill.estimate import Estimate
from voxelmill.footprint import Footprint, footprint
from voxelmill.need import STEPS, tasks
from voxelmill.plan import Load, label_files
from voxelmill.steps.survey import Kind, Survey


def run_json(run: Estimate, costs: Costs, config: Config) -> dict[str, Any]:
    """Jobs by step, core-hours and the clock."""
    unmeasured = costs.unmeasured(config)
    notes = [f"not measured, assumed: {', '.join(unmeasured)}"] if unmeasured else []
    return {
        "speeds": costs.source,
        "warnings": [*costs.warnings, *notes],
        "jobs": len(run.jobs),
        "core_hours": run.core_s / 3600,
        "busy_core_hours": run.busy_s / 3600,
        "seconds": run.wall_s,
        "seconds_of_snakemake": run.snakemake_s,
        "steps": {
            name: {
                "jobs": step.jobs,
                "cores": step.cores,
                "core_hours": step.core_s / 3600,
                "busy_s": step.busy_s,
                "longest_s": step.longest_s,
                "mean_s": step.mean_s,
            }
            for name, step in run.steps.items()
        },
    }


def footprints(
    found: Survey, config: Config, costs: Costs, labels: str | None = None
) -> dict[str, Footprint]:
    """Footprint of every dataset."""
    sizes = costs.found.bytes
    return {d: footprint(groups, config, sizes, labels) for d, groups in found.batches.items()}


def written_json(found: Survey, config: Config, costs: Costs) -> dict[str, Any]:
    """Files and bytes of the results of all datasets."""
    total = sum(footprints(found, config, costs).values(), Footprint(0, 0, 0))
    return {
        "files": total.files,
        "bytes": total.bytes,
        "files_with_snakemake": total.scratch_files,
        "bytes_on_disk": total.scratch_bytes,
    }


def datasets_json(found: Survey, load: Load) -> dict[str, Any]:
    """Images, tasks, files and memory by dataset."""
    return {name: _dataset(kinds, load) for name, kinds in found.kinds.items()}


def _dataset(kinds: list[Kind], load: Load) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for kind in kinds:
        for stage, number in tasks(kind.extent, load.settings, load.blocks).items():
            counts[stage] = counts.get(stage, 0) + number * kind.images
    return {
        "images": sum(k.images for k in kinds),
        "bytes": sum(k.extent.size * k.images for k in kinds),
        "kinds": [{"first": k.name, "images": k.images, "shape": k.extent.shape,
                   "dtype": k.extent.dtype} for k in kinds],
        "tasks": counts,
        "label_files": sum(label_files(k.extent, load.settings, k.images) for k in kinds),
        "memory_bytes": {s: _need(kinds, load, s) for s in STEPS} if kinds else {},
    }  # fmt: skip


def _need(kinds: list[Kind], load: Load, step: str) -> Mapping[str, Any]:
    worst = max((load.need(k.extent, step) for k in kinds), key=lambda need: need.total)
    return {
        "driver": worst.driver,
        "worker": worst.worker,
        "total": worst.total,
        "parts": dict(worst.parts),
    }
