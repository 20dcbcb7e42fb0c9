"""Does a plan keep the limits of a site; if not, what would. Pure.

In: an estimate, the memory of each step's jobs, footprints of the datasets, a site file. Out: what
jobs and storage cost, and a line for every limit that is broken: ``what: found; allowed. change``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from voxelmill.estimate import Estimate, Step
from voxelmill.footprint import Footprint
from voxelmill.layout import BATCH_STEPS
from voxelmill.resources import SPARE, asked_minutes
from voxelmill.site import Billing, Partition, SiteFile, Storage

GIB = 2**30
MONTH_H = 730
SHORT_MINUTES, FEW = 20, 20
"""More than so many shorter jobs are not welcome on clusters."""
UNITS = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440, "w": 10080}


@dataclass(frozen=True)
class Ask:
    """What a job asks for."""

    cores: int
    gib: float


@dataclass(frozen=True)
class Storages:
    """What of the results lies where."""

    datasets: Mapping[str, Footprint]
    zipped: Mapping[str, Footprint]
    """The same with ``labels: zip``."""
    labels: str
    store: bool = False
    """All lie in one bucket, as ``results`` says; else each dataset may lie in one of its own."""

    @property
    def kept(self) -> Mapping[str, Footprint]:
        """What must lie in one bucket each."""
        return {"results": self.total} if self.store else self.datasets

    @property
    def total(self) -> Footprint:
        """All datasets."""
        return sum(self.datasets.values(), Footprint(0, 0, 0))


def minutes(limit: int | str | None) -> float | None:
    """Minutes of a time limit as Snakemake reads it: 4320, ``72h``, ``1d12h``; None: no limit."""
    if limit is None or isinstance(limit, int):
        return limit
    if limit.isdigit():
        return float(limit)
    return sum(float(n) * UNITS[u] for n, u in re.findall(r"([\d.]+)\s*([smhdw])", limit.lower()))


def asked_gib(need: int) -> int:
    """GiB that a job asks for."""
    return max(1, ceil(SPARE * need / GIB))


def takes(partition: Partition, cores: int, gib: float, seconds: float) -> bool:
    """Whether a partition takes a job that takes `seconds`, and asks for more to be sure."""
    time = minutes(partition.max_runtime)
    return (
        (partition.max_threads is None or cores <= partition.max_threads)
        and (partition.max_mem_mb is None or gib * 1024 <= partition.max_mem_mb)
        and (time is None or not seconds or asked_minutes(seconds) <= time)
    )


def partition_of(file: SiteFile, ask: Ask, seconds: float) -> str | None:
    """Name of the first partition that takes a job, or None."""
    found = (n for n, p in file.partitions.items() if takes(p, ask.cores, ask.gib, seconds))
    return next(found, None)


def job_refusals(
    estimate: Estimate,
    asks: Mapping[str, Ask],
    file: SiteFile,
    single: Sequence[str],
    smaller: Callable[[str, float], str],
) -> list[str]:
    """Jobs that no partition takes.

    Parameters
    ----------
    estimate : Estimate
    asks : mapping of str to Ask
        What the jobs of each step ask for.
    file : SiteFile
    single : sequence of str
        Datasets with a batch of one image, which cannot be cut further.
    smaller : callable
        Given a step and the GiB that its jobs may ask for: what to change.
    """
    lines = []
    for name, step in estimate.steps.items():
        ask = asks[name]
        fit = [p for p in file.partitions.values() if takes(p, ask.cores, 0, 0)]
        if not fit:
            most = max((p.max_threads or 0 for p in file.partitions.values()), default=0)
            lines.append(f"{name}: jobs of {ask.cores} cores; allowed: {most}. Set site.cores in "
                         "the partition file")  # fmt: skip
        elif not any(takes(p, ask.cores, ask.gib, 0) for p in fit):
            gib = max(p.max_mem_mb or 0 for p in fit) / 1024
            lines.append(f"{name}: a job asks for {ask.gib:g} GiB; allowed: {gib:.0f} GiB. "
                         + smaller(name, gib))  # fmt: skip
        elif not any(takes(p, ask.cores, ask.gib, step.longest_s) for p in fit):
            fit = [p for p in fit if takes(p, ask.cores, ask.gib, 0)]
            lines.append(_too_long(name, step, fit, file, step.slowest in single))
    return lines


def _too_long(name: str, step: Step, fit: Sequence[Partition], file: SiteFile, one: bool) -> str:
    most = max(minutes(p.max_runtime) or 0 for p in fit)
    if name not in BATCH_STEPS:
        change = "Split the dataset into several lines of the sheet"
    elif one:
        change = "Set compute: {kind: slurm} or {kind: kubernetes}: several nodes for one image"
    else:
        change = f"Set batches: {{minutes: {min(file.site.job_minutes, most / 4):g}}}"
    asked = hours(60 * asked_minutes(step.longest_s))
    limit = hours(60 * most)
    return f"{name}: a job asks for {asked}; no partition allows more than {limit}. {change}"


def storage_refusals(found: Storages, site: SiteFile) -> list[str]:
    """Quotas of the file system and of the object store that the results break."""
    total, lines = found.total, []
    scratch, objects = site.site.scratch, site.site.objects
    if scratch.files is not None and total.scratch_files > scratch.files:
        lines.append(f"scratch: {total.scratch_files:,} files; allowed: {scratch.files:,}. "
                     + _fewer(found, scratch))  # fmt: skip
    if scratch.gib is not None and total.scratch_bytes > scratch.gib * GIB:
        lines.append(f"scratch: {total.scratch_bytes / GIB:,.0f} GiB; allowed: {scratch.gib:,.0f} "
                     f"GiB. {_fewer(found, scratch)}")  # fmt: skip
    most = max((f.files for f in found.kept.values()), default=0)
    if objects.files is not None and most > objects.files:
        which = "in one bucket" if found.store else "of one dataset"
        lines.append(f"objects: {most:,} {which}; allowed: {objects.files:,} a bucket. "
                     + _smaller(found, objects.files))  # fmt: skip
    elif objects.buckets is not None and buckets(found.kept, objects) > objects.buckets:
        lines.append(f"objects: {buckets(found.kept, objects):,} buckets; allowed: "
                     f"{objects.buckets:,}. {_smaller(found, objects.files or 0)}")  # fmt: skip
    if objects.gib is not None and total.bytes > objects.gib * GIB:
        lines.append(f"objects: {total.bytes / GIB:,.0f} GiB; allowed: {objects.gib:,.0f} GiB. "
                     "Ask for a larger quota, or set features.*.only: fewer columns")  # fmt: skip
    return lines


def _fewer(found: Storages, quota: Storage) -> str:
    """What would keep a quota of the file system: zipped labels, or fewer datasets at a time."""
    zipped = fitting(found.zipped, quota)
    if found.labels != "zip" and zipped == len(found.zipped):
        files = sum(f.scratch_files for f in found.zipped.values())
        return f"Set labels: zip ({files:,} files)"
    ways = ["set labels: zip"] if zipped > fitting(found.datasets, quota) else []
    number = max(zipped, fitting(found.datasets, quota))
    if number:
        ways.append(f"run {number} of {len(found.datasets)} datasets at a time and move their "
                    "results away")  # fmt: skip
    text = " and ".join(ways)
    text = f"{text}, or ask for a larger quota" if number else "ask for a larger quota"
    return text[0].upper() + text[1:]


def fitting(datasets: Mapping[str, Footprint], quota: Storage) -> int:
    """How many datasets, in their order, keep a quota together."""
    files = size = number = 0
    for each in datasets.values():
        files, size = files + each.scratch_files, size + each.scratch_bytes
        if quota.files is not None and files > quota.files:
            break
        if quota.gib is not None and size > quota.gib * GIB:
            break
        number += 1
    return number


def _smaller(found: Storages, most: int) -> str:
    if found.store:
        return "Split the sheet into several runs, with a bucket each under results"
    if found.labels != "zip" and max(f.files for f in found.zipped.values()) <= most:
        return "Set labels: zip"
    return "Split the dataset into several lines of the sheet, or use larger batches"


def buckets(datasets: Mapping[str, Footprint], quota: Storage) -> int:
    """Buckets that the results fill, each dataset whole in one."""
    return len(_filled(datasets, quota))


def fullest(datasets: Mapping[str, Footprint], quota: Storage) -> int:
    """Objects in the fullest of them."""
    return max(_filled(datasets, quota), default=0)


def _filled(datasets: Mapping[str, Footprint], quota: Storage) -> list[int]:
    filled: list[int] = []
    for each in datasets.values():
        if not filled or (quota.files is not None and filled[-1] + each.files > quota.files):
            filled.append(0)
        filled[-1] += each.files
    return filled


def job_units(ask: Ask, hours: float, billing: Billing) -> float:
    """Billing units of a job: the larger of what its cores and its memory cost."""
    return hours * max(ask.cores * billing.core_hour, ask.gib * billing.gib_hour)


def month_units(size: int, storage: Storage) -> float:
    """Billing units of keeping `size` bytes for a month."""
    return size / 2**40 * MONTH_H * storage.units_tib_hour


def short_note(estimate: Estimate, file: SiteFile) -> str:
    """What speaks against many short jobs; empty if there are few."""
    found = [(s, estimate.steps[s]) for s in BATCH_STEPS if s in estimate.steps]
    many = [s for s, e in found if e.jobs > FEW and e.mean_s < 60 * SHORT_MINUTES]
    if len(many) < len(found) or not found:
        return ""
    return (
        f"jobs of less than {SHORT_MINUTES} minutes, {', '.join(many)}: clusters ask for fewer and "
        f"longer ones. Set batches: {{minutes: {file.site.job_minutes:g}}}"
    )


def hours(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.1f} days"
