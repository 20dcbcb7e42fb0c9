"""A plan for people: few lines, whatever the number of datasets."""

from collections.abc import Iterator, Mapping
from typing import Any

from voxelmill.plan import GIB
from voxelmill.quotas import hours

SHOWN = 3
"""Datasets whose details are shown; of more, only the sum."""


def text(planned: Mapping[str, Any]) -> str:
    """Lines for the terminal."""
    datasets = planned["datasets"]
    lines: list[str] = []
    if len(datasets) <= SHOWN:
        for name, found in datasets.items():
            lines += _dataset(name, found)
    else:
        lines.append(_sum(datasets))
    if "site" in planned:
        lines += [*_at_site(planned), "", *(planned["refusals"] or ["fits"])]
        return "\n".join(lines)
    blocks = planned["blocks"]
    lines.append(
        f"blocks of {blocks['size']} x {blocks['size']} (depth {blocks['depth']}), "
        f"{planned['workers']} workers in each of {planned['jobs']} jobs"
    )
    lines += [*_run_here(planned), _limit(planned), planned["refusal"] or "fits"]
    return "\n".join(lines)


def _dataset(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{name}: {found['images']} images"
    for kind in found["kinds"]:
        shape = " x ".join(map(str, kind["shape"]))
        yield f"  {kind['images']} of {shape} (t c z y x) {kind['dtype']}"
    counts = ", ".join(f"{stage} {n}" for stage, n in found["tasks"].items())
    yield f"  tasks   {counts}"
    yield f"  files   {found['label_files']} of labels"
    for step, need in found["memory_bytes"].items():
        yield f"  memory  {step}: {_need(need)}"


def _sum(datasets: Mapping[str, Any]) -> str:
    found = datasets.values()
    blocks = sum(d["tasks"].get("measure", 0) for d in found)
    return (
        f"{len(datasets):,} datasets, {sum(d['images'] for d in found):,} images, "
        f"{size(sum(d['bytes'] for d in found))} of pixels, {blocks:,} blocks"
    )


def _run_here(planned: Mapping[str, Any]) -> Iterator[str]:
    run, written = planned["run"], planned["written"]
    yield (
        f"run: {run['jobs']:,} jobs, {run['core_hours']:.3g} core-hours, about "
        f"{hours(run['seconds'])} on {run['cores']} cores ({run['speeds']})"
    )
    yield from (f"  note: {warning}" for warning in run["warnings"])
    yield (
        f"written: {written['files']:,} files, {size(written['bytes'])} "
        f"({written['files_with_snakemake']:,} files with Snakemake's own)"
    )


def _at_site(planned: Mapping[str, Any]) -> Iterator[str]:
    site, run = planned["site"], planned["run"]
    yield (
        f"at {site['name']}: {run['jobs']:,} jobs, at most {site['max_jobs']} at once, about "
        f"{hours(run['seconds'])} ({run['speeds']}; {site['queue_minutes']:g} min of queue a job)"
    )
    yield from (f"  note: {warning}" for warning in run["warnings"])
    yield ""
    yield (
        f"{'step':<10}{'jobs':>8}{'cores':>7}  {'partition':<12}{'a job':>9}{'longest':>9}"
        f"{'memory':>10}{'core-hours':>12}{'units':>10}"
    )
    for name, step in run["steps"].items():
        yield (
            f"{name:<10}{step['jobs']:>8,}{step['cores']:>7}  {step['partition'] or 'none':<12}"
            f"{hours(step['mean_s']):>9}{hours(step['longest_s']):>9}"
            f"{step['memory_gib']:>6g} GiB{step['core_hours']:>12,.1f}{step['units']:>10,.1f}"
        )
    yield (
        f"{'all':<10}{run['jobs']:>8,}{'':>7}  {'':<12}{'':>9}{'':>9}{'':>10}"
        f"{run['core_hours']:>12,.1f}{run['units']:>10,.1f}"
    )
    yield ""
    yield from _storage(planned["written"])


def _storage(written: Mapping[str, Any]) -> Iterator[str]:
    scratch, objects = written["scratch"], written["objects"]
    yield (
        f"scratch   {scratch['files']:,} files{_of(scratch['files_allowed'])}, "
        f"{scratch['gib']:,.1f} GiB{_of(scratch['gib_allowed'])}; "
        f"{scratch['units_month']:,.0f} units a month"
    )
    yield (
        f"objects   {objects['objects']:,} in {objects['buckets']} buckets"
        f"{_of(objects['buckets_allowed'])}, the fullest {objects['fullest_bucket']:,}"
        f"{_of(objects['objects_allowed'])}; {objects['gib']:,.1f} GiB"
        f"{_of(objects['gib_allowed'])}; {objects['units_month']:,.0f} units a month"
    )


def _of(allowed: float | None) -> str:
    return "" if allowed is None else f" of {allowed:,.0f}"


def _limit(planned: Mapping[str, Any]) -> str:
    found = planned["limit_bytes"]
    return f"limit: {_gib(found)} ({planned['limit']})" if found else "limit: unknown"


def _need(found: Mapping[str, Any]) -> str:
    most = max(found["parts"], key=found["parts"].get)
    worker = f", each worker {_gib(found['worker'])}" if found["worker"] else ""
    return f"{_gib(found['total'])} a job (driver {_gib(found['driver'])}{worker}; most to {most})"


def size(number: float) -> str:
    """Bytes for people."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number / 1024:,.1f} KiB"


def _gib(number: float) -> str:
    return f"{number / GIB:.2f} GiB"
