"""`voxelmill plan`: what a run will do and need, before it does; and the refusal that `run` shares.

In: a configuration, the manifest that `scan` has made of it, cores or a site. Out: images, jobs,
time, memory, files and bytes, and what speaks against it. Of each kind of image the metadata of one
are read, and no pixel.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxelmill.config import Config
from voxelmill.configfile import load_config
from voxelmill.cores import usable_cores
from voxelmill.costs import load_costs
from voxelmill.estimate import Places, estimate
from voxelmill.layout import manifest
from voxelmill.machine import limit
from voxelmill.plan import Load, bound, check
from voxelmill.plugin import BadConfig
from voxelmill.site import load_site
from voxelmill.steps.planfacts import datasets_json, run_json, written_json
from voxelmill.steps.plantext import text
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.steps.siteplan import at_site
from voxelmill.steps.survey import Survey, survey

__all__ = ["as_json", "load_of", "plan", "refuse", "refuse_at", "text"]


def plan(config_path: Path, cores: int | None, site: str | None = None) -> dict[str, Any]:
    """Plan a run.

    Parameters
    ----------
    config_path : Path
        Configuration file.
    cores : int, optional
        Cores to use here; default: all.
    site : str, optional
        Name or partition file of a cluster; default: this machine.

    Returns
    -------
    dict
        JSON values; ``refusal`` is empty if all fits.

    Raises
    ------
    BadConfig, BadInput
        A mistake in the configuration or the sheet, or no such site.
    """
    config = load_config(config_path)
    if site is not None:
        # A wrong name is told before anything is scanned.
        file = load_site(site)
        with _as_at(config, config_path, site) as prepared:
            found = survey(prepared)
            # The batches were cut in a folder of their own.
            there = prepared.config.model_copy(update={"results": config.results})
            return at_site(replace(prepared, config=there), found, load_costs(site), file)
    prepared = prepare(config.model_dump(mode="json"), config_path)
    return _here(prepared, survey(prepared), cores)


def refuse(prepared: Prepared, cores: int | None = None) -> None:
    """Refuse a run that does not fit into the memory of this machine, or into `memory_gib`.

    Raises
    ------
    BadConfig
        It does not fit; the text says what would.
    """
    load = load_of(prepared, cores)
    check(survey(prepared).extents(), load, bound(prepared.config.compute, limit()))


def refuse_at(prepared: Prepared) -> None:
    """Refuse a run that breaks a limit of its site: partitions, quotas.

    Raises
    ------
    BadConfig
        It does; the text says which, and what to change.
    """
    site = prepared.config.site
    if site is not None:
        planned = at_site(prepared, survey(prepared), load_costs(site), load_site(site))
        if planned["refusal"]:
            raise BadConfig(f"{planned['site']['name']}: {planned['refusal']}")


def load_of(prepared: Prepared, cores: int | None) -> Load:
    """Jobs and workers that run at once on this machine."""
    cores = cores or usable_cores()
    workers = prepared.threads(cores)
    jobs = min(prepared.jobs, cores // workers)
    config = prepared.config
    return Load(config, config.blocks, config.compute, workers, max(1, jobs))


def _here(prepared: Prepared, found: Survey, cores: int | None) -> dict[str, Any]:
    load, most = load_of(prepared, cores), bound(prepared.config.compute, limit())
    costs, places = load_costs(None), Places(cores or usable_cores(), load.workers)
    refusal = ""
    try:
        check(found.extents(), load, most)
    except BadConfig as error:
        refusal = str(error)
    run = estimate(found.batches, prepared.config, costs, places)
    return {
        "jobs": load.jobs,
        "workers": load.workers,
        "blocks": load.blocks.model_dump(),
        "limit_bytes": most.size if most else None,
        "limit": most.source if most else "unknown",
        "refusal": refusal,
        "run": run_json(run, costs, prepared.config) | {"cores": places.room},
        "written": written_json(found, prepared.config, costs),
        "datasets": datasets_json(found, load),
    }


@contextmanager
def _as_at(config: Config, path: Path, site: str) -> Iterator[Prepared]:
    """Batches as they would be at a site, without touching those of the results."""
    if config.site != site:
        kept = manifest(config.folder)
        if not kept.exists():
            prepare(config.model_dump(mode="json"), path)
        with tempfile.TemporaryDirectory(prefix="voxelmill-plan-") as folder:
            shutil.copyfile(kept, manifest(Path(folder)))
            changed = config.model_copy(update={"site": site, "results": folder})
            yield prepare(changed.model_dump(mode="json"), path)
        return
    yield prepare(config.model_dump(mode="json"), path)


def as_json(planned: Mapping[str, Any]) -> str:
    """The plan as JSON."""
    return json.dumps(planned, indent=1)
