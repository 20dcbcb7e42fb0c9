"""The outcome of `voxelmill reproduce` as text, JSON and exit code."""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from voxelmill import __version__
from voxelmill.crate.installed import differences
from voxelmill.crate.recorded import Recorded
from voxelmill.reproduction import DIFFERENT, IDENTICAL, WITHIN, Verdict
from voxelmill.reproductiontext import lines, rests_on
from voxelmill.steps.reproduce import Reproduced

CODES: Mapping[Verdict, int] = {IDENTICAL: 0, WITHIN: 3, DIFFERENT: 1}
"""Exit codes; 2 is that of whatever could not be done."""


def text(recorded: Recorded, found: Reproduced, *, everything: bool = False) -> str:
    """Give the table for a terminal; its last line is the verdict."""
    head = [f"crate {recorded.root}: dataset {recorded.dataset}", f"input {found.url}"]
    body = lines(found.findings, everything=everything)
    return "\n".join([*head, "", *body, "", _verdict(recorded, found)])


def _verdict(recorded: Recorded, found: Reproduced) -> str:
    return f"verdict: {found.verdict} ({'; '.join(_scope(recorded, found))})"


def _scope(recorded: Recorded, found: Reproduced) -> Iterator[str]:
    """What the verdict is about."""
    wells = f" of {len(found.wells)} wells" if found.wells else ""
    seed = "" if found.seed is None else f", seed {found.seed}"
    yield f"{len(found.images)} images{wells}{seed}"
    yield rests_on(found.findings)
    then = recorded.versions.get("voxelmill", "")
    yield f"voxelmill {__version__}" + (f", recorded {then}" if then != __version__ else "")


def json_text(recorded: Recorded, found: Reproduced) -> str:
    """Give everything as JSON."""
    here = {"voxelmill": __version__, "python": platform.python_version()}
    value = {
        "verdict": found.verdict,
        "exit_code": CODES[found.verdict],
        "crate": recorded.root,
        "dataset": recorded.dataset,
        "input": found.url,
        "images": found.images,
        "wells": found.wells,
        "seed": found.seed,
        "recorded": dict(recorded.versions),
        "here": here,
        "other_versions": [*differences(recorded)],
        "findings": [asdict(finding) for finding in found.findings],
    }
    return json.dumps(value, indent=1)
