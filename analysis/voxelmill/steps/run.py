"""`voxelmill run`: check, scan, then Snakemake; at the end what was found and what was lost."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from voxelmill.config import Config
from voxelmill.configfile import load_config
from voxelmill.disk import room
from voxelmill.home import home
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig
from voxelmill.site import load_site
from voxelmill.steps.child import KILLED, call
from voxelmill.steps.cluster import Cluster
from voxelmill.steps.gather import read_record
from voxelmill.steps.guard import Guard, guarded, patience
from voxelmill.steps.hold import hold
from voxelmill.steps.plan import refuse
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.steps.watch import is_dry, watch
from voxelmill.watchdog import ELSEWHERE, VARIABLE

RESTARTS = 5
"""Times that Snakemake is started again after it waited for nothing."""


def run(
    config_path: Path,
    *,
    profile: str | None = None,
    cores: int | None = None,
    site: str | None = None,
    account: str | None = None,
    retry_quarantined: bool = False,
    extra: Sequence[str] = (),
) -> int:
    """Run the workflow.

    Parameters
    ----------
    config_path : Path
    profile : str, optional
        Folder of a Snakemake profile, or the name of one in ``profiles``; default: ``local``.
    cores : int, optional
        Cores to use here; default: the profile's.
    site : str, optional
        Partition file, by name or path; default: the configuration's.
    account : str, optional
        Account of the cluster that jobs are billed to.
    retry_quarantined : bool
        Try quarantined images again, after they were mended.
    extra : sequence of str
        Options for Snakemake.

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
    """
    config = load_config(config_path)
    if site:
        load_site(site)
        config = config.model_copy(update={"site": site})
    folder, results = find_profile(profile), Path(config.results)
    cluster = Cluster.of(folder, results, config.site, account)
    command = _command(config_path, folder, site)
    command += ["--cores", str(cores)] if cores else []
    command += cluster.options() if cluster else []

    def check(prepared: Prepared) -> None:
        # Elsewhere the memory of this machine says nothing: each job asks again.
        if profile is None:
            refuse(prepared, cores)

    with room(results):
        if is_dry(extra):
            return _run(config, config_path, [*command, *extra], check)
        if cluster:
            cluster.check()
        clear = cluster.cancel_leftovers if cluster else None
        with hold(results, lambda: _go_on(command), clear) as lock:
            code = _run(config, config_path, [*command, *extra], check, retry_quarantined, cluster)
            lock.keep = code > KILLED
            return code


def find_profile(profile: str | None) -> Path:
    """Folder of a Snakemake profile, by name or path.

    Raises
    ------
    BadConfig
        There is no profile.
    """
    named = home("profiles") / (profile or "local")
    folder = named if profile is None or not Path(profile).is_dir() else Path(profile)
    if not any((folder / f"config{s}").exists() for s in (".yaml", ".v8+.yaml", ".v9+.yaml")):
        known = ", ".join(sorted(p.parent.name for p in home("profiles").glob("*/config.yaml")))
        raise BadConfig(
            f"--profile {profile}: no config.yaml in it; allowed: {known}, or the folder of a "
            "Snakemake profile"
        )
    return folder


def _command(config_path: Path, profile: Path, site: str | None) -> list[str]:
    snakefile = str(home("workflow") / "Snakefile")
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile,
               "--configfile", str(config_path), "--workflow-profile", str(profile)]  # fmt: skip
    return [*command, "--config", f"site={site}"] if site else command


def _run(
    config: Config,
    path: Path,
    command: Sequence[str],
    check: Callable[[Prepared], None],
    retry_quarantined: bool = False,
    cluster: Cluster | None = None,
) -> int:
    prepared = prepare(config.model_dump(mode="json"), path)
    check(prepared)
    if retry_quarantined:
        _forget_quarantined(prepared)
    environment = _environment(cluster)
    if holes := prepared.holes():
        code = call([*command, "--", *map(str, holes)], environment)
        if code:
            return code
    code = _watch(command, prepared, environment, cluster)
    sys.stdout.write("\n".join(summary(config, prepared)) + "\n")
    return code


def _watch(
    command: Sequence[str],
    prepared: Prepared,
    environment: Mapping[str, str],
    cluster: Cluster | None,
) -> int:
    """Run Snakemake; again, where it had to be ended because it waited for nothing."""
    for left in range(RESTARTS, -1, -1):
        guard = Guard(cluster.jobs, cluster.cancel_held, patience()) if cluster else None
        with guarded(guard):
            code = watch(command, prepared, environment)
        if guard is None or not guard.fired or not left:
            break
        sys.stderr.write("voxelmill: Snakemake waits for nothing; it is started again\n")
        _unlock(command)
    return code


def _unlock(command: Sequence[str]) -> None:
    with Path(os.devnull).open("w") as nowhere:
        # Targets come last, after a mark that ends the options.
        options = command[: command.index("--")] if "--" in command else command
        call([*options, "--unlock"], _environment(), nowhere)


def _go_on(command: Sequence[str]) -> None:
    _unlock(command)
    sys.stderr.write("voxelmill: an earlier run was killed; going on with what it has finished\n")


def _environment(cluster: Cluster | None = None) -> dict[str, str]:
    here = str(Path(sys.executable).parent)
    found = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}
    return found | ({VARIABLE: ELSEWHERE} if cluster else {})


def _forget_quarantined(prepared: Prepared) -> None:
    """Remove the records of batches with quarantined images, so that they are made again."""
    prepared.verdict.unlink(missing_ok=True)
    for dataset in prepared.datasets:
        layout = prepared.layout(dataset)
        for batch in prepared.batches[dataset]:
            files = [layout.record(step, batch) for step in ("qc", "segment", "measure")]
            found = [read_record(file)["images"].values() for file in files if file.exists()]
            if any(i["status"] == "quarantined" for images in found for i in images):
                for file in [*files, layout.record("aggregate"), layout.record("report")]:
                    file.unlink(missing_ok=True)


def summary(config: Config, prepared: Prepared) -> list[str]:
    """Lines for the terminal: images, objects, quarantine and report of each finished dataset."""
    lines = []
    for dataset in prepared.datasets:
        layout: Layout = prepared.layout(dataset)
        if not layout.record("aggregate").exists():
            lines.append(f"{dataset}: not finished")
            continue
        found = read_record(layout.record("aggregate"))
        images = ", ".join(f"{n} {state}" for state, n in found["images"].items())
        counts = ", ".join(f"{n} {name}" for name, n in found["counts"].items())
        lines.append(f"{dataset}: {images} images; {counts}")
        lines += [f"  quarantined {i or 'image'}: {r}" for i, r in found["quarantined"].items()]
        lines.append(f"  report: {layout.report}")
    lost = sum(line.startswith("  quarantined") for line in lines)
    if lost > config.max_quarantined:
        lines.append(
            f"{lost} images quarantined; allowed: {config.max_quarantined} (max_quarantined). "
            "Mend them and run with --retry-quarantined"
        )
    return lines
