"""`voxelmill run`: check, scan, then Snakemake; at the end what was found and what was lost."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxelmill.config import Config
from voxelmill.configfile import load_config
from voxelmill.disk import room
from voxelmill.home import home
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig
from voxelmill.steps.child import KILLED, call
from voxelmill.steps.gather import read_record
from voxelmill.steps.hold import hold
from voxelmill.steps.plan import refuse
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.steps.retry import fitting, nothing, targets
from voxelmill.steps.survey import survey
from voxelmill.steps.watch import is_dry, watch


def run(
    config_path: Path,
    *,
    profile: str | None = None,
    cores: int | None = None,
    retry_quarantined: bool = False,
    failed: bool = False,
    extra: Sequence[str] = (),
) -> int:
    """Run the workflow.

    Parameters
    ----------
    config_path : Path
    profile : str, optional
        Folder of a Snakemake profile; default: ``profiles/local``.
    cores : int, optional
        Cores to use here; default: the profile's.
    retry_quarantined : bool
        Try quarantined images again, after they were mended.
    failed : bool
        Run only jobs that failed or were interrupted, and what builds on them.
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
    if failed and retry_quarantined:
        raise BadConfig("--failed --retry-quarantined: both given; allowed: one. Run one, then "
                        "the other")  # fmt: skip
    config = load_config(config_path)
    folder = Path(profile) if profile else home("profiles") / "local"
    if not any((folder / f"config{s}").exists() for s in (".yaml", ".v8+.yaml", ".v9+.yaml")):
        raise BadConfig(f"--profile {folder}: no config.yaml in it; see profiles/local for one")
    snakefile = str(home("workflow") / "Snakefile")
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile,
               "--configfile", str(config_path), "--workflow-profile", str(folder)]  # fmt: skip
    command += ["--cores", str(cores)] if cores else []
    results = Path(config.results)

    def check(prepared: Prepared) -> None:
        # Elsewhere the memory of this machine says nothing: each job asks again.
        if profile is None:
            refuse(prepared, cores)

    with room(results):
        again = Again(retry_quarantined, failed)
        if is_dry(extra):
            again = Again(failed=failed)
            return _run(config, config_path, [*command, *extra], check, again)
        with hold(results, lambda: _unlock(command)) as lock:
            code = _run(config, config_path, [*command, *extra], check, again)
            lock.keep = code > KILLED
            return code


@dataclass(frozen=True)
class Again:
    """What to try again."""

    quarantined: bool = False
    failed: bool = False


def _run(
    config: Config,
    path: Path,
    command: Sequence[str],
    check: Callable[[Prepared], None],
    again: Again,
) -> int:
    prepared = prepare(config.model_dump(mode="json"), path)
    check(prepared)
    if again.quarantined:
        _forget_quarantined(prepared)
    environment = _environment()
    if again.failed:
        return _run_failed(config, prepared, command, environment)
    if holes := prepared.holes():
        code = call([*command, "--", *map(str, holes)], environment)
        if code:
            return code
    code = watch(command, prepared, environment)
    lines = summary(config, prepared)
    if code:
        lines.append(f"`voxelmill status {config.results}` says what has failed, and why")
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _run_failed(
    config: Config, prepared: Prepared, command: Sequence[str], environment: Mapping[str, str]
) -> int:
    # A run that lives holds the folder: this one. What others have left is history.
    found = survey(Path(config.results), own=True)
    wanted = targets(prepared, found)
    if not wanted:
        sys.stdout.write(nothing(found) + "\n")
        return 0
    portion = fitting(wanted)
    code = watch([*command, "--", *portion], prepared, environment)
    lines = summary(config, prepared)
    if len(portion) < len(wanted):
        lines.append(f"{len(wanted) - len(portion)} records are still to be made: run it again")
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def _unlock(command: Sequence[str]) -> None:
    with Path(os.devnull).open("w") as nowhere:
        call([*command, "--unlock"], _environment(), nowhere)
    sys.stderr.write("voxelmill: an earlier run was killed; going on with what it has finished\n")


def _environment() -> dict[str, str]:
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}


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
