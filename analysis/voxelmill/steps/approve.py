"""`voxelmill approve`: say that a run may go on after QC, and without which wells and images.

In: results in a folder or on a store that wait for it. Out: ``approval.json`` of each dataset:
who, when, why, what is left out, which QC was looked at, and the approvals before it.
"""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voxelmill.approval import Approval, Choice, Review, approve, by_approval
from voxelmill.layout import APPROVAL
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.gate import is_of, read_approval, read_review, waits
from voxelmill.store.documents import write_document
from voxelmill.store.place import Place, listing, place_at

MOST = 20
"""Images that are named."""


@dataclass(frozen=True)
class Said:
    """What somebody says: without what to go on, who it is and why."""

    choice: Choice
    who: str = ""
    """Empty: the name of the user."""
    why: str = ""


def give(results: str, dataset: str | None, said: Said) -> list[str]:
    """Approve one dataset, or all that wait for it.

    Parameters
    ----------
    results : str
        Folder, or ``s3://bucket/prefix``.
    dataset : str, optional
        Needed where several could be meant and something is left out.
    said : Said

    Returns
    -------
    list of str
        Lines: what was recorded, and how to go on.

    Raises
    ------
    BadInput
        Nothing waits there, or its QC has changed since it was judged.
    BadConfig
        No such dataset, well or image, or no reason is given.
    """
    root = place_at(results.rstrip("/"))
    lines: list[str] = []
    commands: dict[str, None] = {}
    # All are looked at before the first is written.
    names = _meant(root, results, dataset, said)
    made = {name: _approval(root / name, name, said) for name in names}
    for name, (review, approval) in made.items():
        write_document(root / name / APPROVAL, approval)
        lines += _recorded(name, review, approval)
        commands[review["command"]] = None
    return [*lines, *(f"go on: {command}" for command in commands if command)]


def _meant(root: Place, results: str, dataset: str | None, said: Said) -> list[str]:
    # To list a bucket takes long: it holds all labels, too.
    if dataset is not None and read_review(root / dataset) is not None:
        return [dataset]
    known = _reviewed(root)
    if not known:
        raise BadInput(
            f"{results}: no QC report that could be approved; allowed: results of a run with "
            "`qc: {gate: ask}`. Run it first"
        )
    if dataset is not None:
        raise BadConfig(f"--dataset {dataset}: no QC report; allowed: {', '.join(known)}")
    if len(known) == 1:
        return known
    asked = [name for name in known if waits(root / name)]
    if not asked or (len(asked) > 1 and not said.choice.empty):
        raise BadConfig(f"--dataset: is absent; allowed: one of {', '.join(asked or known)}")
    return asked


def _reviewed(root: Place) -> list[str]:
    """Datasets that were judged."""
    if isinstance(root, Path):
        return sorted(path.parent.parent.name for path in root.glob("*/records/review.json"))
    keys = (key.split("/") for key in listing(root))
    return sorted(parts[0] for parts in keys if parts[1:] == ["records", "review.json"])


def _approval(root: Place, name: str, said: Said) -> tuple[Review, Approval]:
    review = read_review(root)
    again = "Run the workflow again: it judges them anew"
    if review is None:
        raise BadInput(f"{name}: no QC report; it is gone. {again}")
    if review["settings"]["qc"]["gate"] != "ask":
        raise BadConfig(f"{name}: qc.gate is auto, which asks nobody. Set qc.gate: ask and run it")
    batches = [key.removesuffix(".json") for key in listing(root / "batches")]
    if not is_of(review, root, batches):
        raise BadInput(
            f"{name}: its QC report is of other images or QC than are there now. {again}"
        )
    who = said.who or _user()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    before = read_approval(root)
    return review, approve(review, before, said.choice, who=who, why=said.why, when=when)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        raise BadConfig("--who: is absent, and this user has no name. Say who approves") from None


def _recorded(name: str, review: Review, approval: Approval) -> list[str]:
    left = by_approval(review, approval)
    why = f": {approval['why']}" if approval["why"] else ""
    lines = [f"{name}: approved by {approval['who']} at {approval['when']}{why}"]
    if not left:
        return [*lines, f"  all {len(review['images'])} images are used"]
    lines.append(f"  {len(left)} of {len(review['images'])} images are excluded:")
    shown: Sequence[str] = list(left)[:MOST]
    lines += [f"    {image or 'image'}" for image in shown]
    return lines + ([f"    … and {len(left) - MOST} more"] if len(left) > MOST else [])
