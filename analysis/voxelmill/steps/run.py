"""`voxelmill run`: check, scan, then Snakemake; at the end what was found and what was lost."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.config import Config
from voxelmill.configfile import load_config
from voxelmill.disk import room
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS, Layout
from voxelmill.plugin import BadConfig, VoxelmillError
from voxelmill.site import load_site
from voxelmill.steps.asking import waiting
from voxelmill.steps.child import KILLED
from voxelmill.steps.cluster import cluster_of
from voxelmill.steps.gather import read_record
from voxelmill.steps.hold import hold
from voxelmill.steps.jobsurvey import survey
from voxelmill.steps.launch import Snakemake, find_profile, launcher
from voxelmill.steps.loginguard import LoginGuard
from voxelmill.steps.mirror import forget, publish
from voxelmill.steps.plan import refuse, refuse_at
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.steps.retry import fitting, nothing, targets
from voxelmill.steps.watch import is_dry


@dataclass(frozen=True)
class Where:
    """Where jobs run."""

    profile: str | None = None
    """Folder of a Snakemake profile, or the name of one in ``profiles``; default: ``local``."""
    cores: int | None = None
    """Cores of this machine; default: the profile's."""
    site: str | None = None
    """Partition file, by name or path; default: the configuration's."""
    account: str | None = None
    """Account of the cluster that jobs are billed to."""


@dataclass(frozen=True)
class Again:
    """What to try again."""

    quarantined: bool = False
    """Quarantined images, after they were mended."""
    failed: bool = False
    """Only jobs that failed or were interrupted, and what builds on them."""


def run(
    config_path: Path, where: Where = Where(), again: Again = Again(), extra: Sequence[str] = ()
) -> int:
    """Run the workflow; `extra` are options for Snakemake.

    Returns
    -------
    int
        Snakemake's exit code.

    Raises
    ------
    BadConfig, BadInput
        A mistake, before any job starts.
    OutputExists
        Another run works in the same results folder.
    SessionEnded
        A store wants a login, and nobody is logged in (any more).
    """
    if again.failed and again.quarantined:
        raise BadConfig("--failed --retry-quarantined: both given; allowed: one. Run one, then "
                        "the other")  # fmt: skip
    config = load_config(config_path)
    if where.site:
        load_site(where.site)
        config = config.model_copy(update={"site": where.site})
    folder, results = find_profile(where.profile), config.folder
    cluster = cluster_of(folder, config, config_path, where.account, extra)
    login = LoginGuard.of(config.stores, cluster.share if cluster else None)
    login.arrive()
    snakemake = launcher(config_path, folder, cluster, login, where.site, where.cores)

    def check(prepared: Prepared) -> None:
        # Elsewhere the memory of this machine says nothing: each job asks again.
        if where.profile is None:
            refuse(prepared, where.cores)
        elif cluster:
            refuse_at(prepared)

    with room(results):
        if is_dry(extra):
            return _run(config, config_path, snakemake, extra, check, Again(failed=again.failed))
        if cluster:
            cluster.check()
        clear = cluster.cancel_leftovers if cluster else None
        with hold(results, lambda: _go_on(snakemake), clear) as lock, login.shared():
            try:
                code = _run(config, config_path, snakemake, extra, check, again)
                _index(config, failed=code != 0)
            finally:
                lock.keep = snakemake.locked
            return code


def _index(config: Config, *, failed: bool) -> None:
    """Write the page over all datasets, also of a run that has failed: that says why, not this."""
    from voxelmill.steps.index import index  # templates: a run starts without them

    try:
        page = index(config.folder, config.site)
        publish(config, page)
    except VoxelmillError as error:
        if not failed:
            raise
        sys.stderr.write(f"voxelmill: no index: {error}\n")
        return
    where = f"{config.store}/{page.name}" if config.store else page
    sys.stdout.write(f"index: {where}\n")


def _go_on(snakemake: Snakemake) -> None:
    snakemake.unlock()
    sys.stderr.write("voxelmill: an earlier run was killed; going on with what it has finished\n")


def _run(
    config: Config,
    path: Path,
    snakemake: Snakemake,
    extra: Sequence[str],
    check: Callable[[Prepared], None],
    again: Again,
) -> int:
    prepared = prepare(config.model_dump(mode="json"), path)
    check(prepared)
    if again.quarantined:
        _forget_quarantined(prepared)
        prepared = prepare(config.model_dump(mode="json"), path)
    # On a store a plain run tries again what has no record there, and only that.
    if again.failed and not config.store:
        return _run_failed(config, prepared, snakemake, extra)
    code, prepared = _phases(config, path, snakemake, extra, prepared)
    lines = summary(config, prepared)
    if code:
        hint = snakemake.cluster.hint if snakemake.cluster else ""
        lines.append(hint or f"`voxelmill status {config.folder}` says what has failed, and why")
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _phases(
    config: Config, path: Path, snakemake: Snakemake, extra: Sequence[str], prepared: Prepared
) -> tuple[int, Prepared]:
    """Run all that can be run; where a gate follows QC, what may go on after it too.

    Returns
    -------
    int
        Snakemake's exit code; if it was called several times, the last one that is not 0.
    Prepared
        What is to be done as it is now: with what still waits for an approval.
    """
    code = 0
    while True:
        if holes := prepared.holes():
            failed = snakemake.run([*_options(extra), "--", *map(str, holes)])
            if failed:
                return failed, prepared
        # A dataset whose QC has failed keeps no other from going on.
        code = snakemake.watch(prepared, extra) or code
        if code > KILLED or config.qc.gate == "report" or is_dry(extra):
            return code, prepared
        before, prepared = prepared, prepare(config.model_dump(mode="json"), path)
        # Data that came meanwhile may have closed one; what has opened goes on.
        if not set(before.shut) - set(prepared.shut):
            return code, prepared


def _options(extra: Sequence[str]) -> Sequence[str]:
    """Options for Snakemake without the targets, which come after a mark."""
    return extra[: list(extra).index("--")] if "--" in extra else extra


def _run_failed(
    config: Config, prepared: Prepared, snakemake: Snakemake, extra: Sequence[str]
) -> int:
    # A run that lives holds the folder: this one. What others have left is history.
    found = survey(config.folder, own=True)
    wanted = targets(prepared, found)
    if not wanted:
        sys.stdout.write(nothing(found) + "\n")
        return 0
    portion = fitting(wanted)
    code = snakemake.watch(prepared, [*_options(extra), "--", *portion])
    lines = summary(config, prepared)
    if len(portion) < len(wanted):
        lines.append(f"{len(wanted) - len(portion)} records are still to be made: run it again")
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _forget_quarantined(prepared: Prepared) -> None:
    """Remove the records of batches with quarantined images, so that they are made again."""
    forget(prepared.config, prepared.verdict)
    for dataset in prepared.datasets:
        layout = prepared.layout(dataset)
        for batch in prepared.batches[dataset]:
            files = [layout.record(step, batch) for step in BATCH_STEPS]
            found = [read_record(file)["images"].values() for file in files if file.exists()]
            if any(i["status"] == "quarantined" for images in found for i in images):
                for file in [*files, *map(layout.record, DATASET_STEPS)]:
                    forget(prepared.config, file)


def plate_verdict(verdict: Mapping[str, Any]) -> list[str]:
    """Line with the verdict of a plate and its first reason; none for an older record."""
    if not verdict:
        return []
    reasons = verdict["reasons"]
    first = f": {reasons[0]}" if reasons else ""
    more = f" (and {len(reasons) - 1} more: see the report)" if len(reasons) > 1 else ""
    return [f"  plate verdict: {verdict['plate']}{first}{more}"]


def summary(config: Config, prepared: Prepared) -> list[str]:
    """Lines for the terminal: images, objects, quarantine and report of each finished dataset."""
    lines = []
    for dataset in prepared.datasets:
        layout: Layout = prepared.layout(dataset)
        if dataset in prepared.shut:
            lines += waiting(config, layout, prepared.shut[dataset])
            continue
        if not layout.record("aggregate").exists():
            lines.append(f"{dataset}: not finished")
            continue
        found = read_record(layout.record("aggregate"))
        told = {s: n for s, n in found["images"].items() if n or s != "excluded"}
        images = ", ".join(f"{n} {state}" for state, n in told.items())
        counts = ", ".join(f"{n} {name}" for name, n in found["counts"].items())
        lines.append(f"{dataset}: {images} images; {counts}")
        lines += plate_verdict(found.get("verdict", {}))
        lines += [f"  quarantined {i or 'image'}: {r}" for i, r in found["quarantined"].items()]
        lines += [f"  excluded {i or 'image'}: {r}" for i, r in found.get("excluded", {}).items()]
        report = f"{config.store}/{dataset}/{layout.report.name}" if config.store else layout.report
        lines.append(f"  report: {report}")
    lost = sum(line.startswith("  quarantined") for line in lines)
    if lost > config.max_quarantined:
        lines.append(
            f"{lost} images quarantined; allowed: {config.max_quarantined} (max_quarantined). "
            "Mend them and run with --retry-quarantined"
        )
    return lines
