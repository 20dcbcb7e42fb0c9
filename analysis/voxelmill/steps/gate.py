"""The gate between *qc* and *segment*: which datasets may go on, and without which images.

In: results as they are, settings. Out: what each dataset waits for, and ``gate/<batch>.json``:

    {"excluded": {"B/03/0": "auto: DNA: OutOfFocus"}}

A batch of which nothing was ever left out has no such file. One that is there is written anew only
where its content changes, since Snakemake then segments that batch again, and no other.
"""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

from voxelmill.approval import Approval, Review, by_approval, by_rule, holds
from voxelmill.config import Settings
from voxelmill.layout import APPROVAL, GATES, REVIEW, Layout
from voxelmill.ledger import write_json
from voxelmill.plugin import BadInput
from voxelmill.steps.work import read_batch
from voxelmill.store.place import Place, content
from voxelmill.store.remote import side_by_side
from voxelmill.tally import names

Shut: TypeAlias = Literal["unseen", "waiting"]
"""QC is not done, or has changed since it was judged; or a person has to approve."""

WAITS: Mapping[Shut, str] = {
    "unseen": "QC is not judged yet, or has changed since. Run the workflow again",
    "waiting": "waits for an approval of its QC report. Give one with `voxelmill approve`",
}
"""In words."""


def shut(layout: Layout, batches: Iterable[str], settings: Settings) -> Shut | None:
    """What a dataset waits for after *qc*; None: it may go on.

    Raises
    ------
    BadInput
        Its review or its approval is damaged.
    """
    if settings.qc.gate == "report":
        return None
    review = read_review(layout.root)
    if review is None or review["settings"] != settings.part(REVIEW):
        return "unseen"
    if not is_of(review, layout.root, batches):
        return "unseen"
    if settings.qc.gate == "ask" and not holds(review, read_approval(layout.root)):
        return "waiting"
    return None


def set_gates(layout: Layout, batches: Iterable[str], settings: Settings) -> None:
    """Write what each batch of a dataset that may go on leaves out, where that has changed."""
    excluded = _excluded(layout, settings)
    known = names(layout.gate("x").parent, ".json")
    batches = list(batches)
    for name in batches if excluded or known else ():
        items = read_batch(layout.batch(name)).items
        mine = {item.path: excluded[item.path] for item in items if item.path in excluded}
        path = layout.gate(name)
        if (mine or name in known) and read_gate(path) != mine:
            write_json(path, {"excluded": mine})
    for name in known - set(batches):
        layout.gate(name).unlink()


def _excluded(layout: Layout, settings: Settings) -> Mapping[str, str]:
    if settings.qc.gate == "report":
        return {}
    review, approval = read_review(layout.root), read_approval(layout.root)
    if review is None:
        return {}
    if settings.qc.gate == "auto":
        return by_rule(review)
    return by_approval(review, approval) if approval is not None else {}


def read_gate(path: Path | None) -> dict[str, str]:
    """Images that a batch leaves out → reason; none where there is no such file.

    Raises
    ------
    BadInput
        The file is damaged.
    """
    found = _json(path) if path is not None else None
    return {} if found is None else dict(found["excluded"])


def read_review(root: Place) -> Review | None:
    """Record of *review* of a dataset; None where there is none.

    Raises
    ------
    BadInput
        It is damaged.
    """
    return _json(root / "records" / f"{REVIEW}.json")


def read_approval(root: Place) -> Approval | None:
    """Approval of a dataset; None where there is none.

    Raises
    ------
    BadInput
        It is damaged.
    """
    return _json(root / APPROVAL)


def told(layout: Layout, settings: Settings) -> dict[str, str]:
    """Who let a dataset go on, when and why, for its report; empty where nobody was asked."""
    approval = read_approval(layout.root) if settings.qc.gate == "ask" else None
    return {name: approval[name] for name in ("who", "when", "why")} if approval else {}


def waits(root: Place) -> bool:
    """Whether a dataset was judged and somebody is to approve it, by its own files alone."""
    review = read_review(root)
    if review is None or review["settings"]["qc"]["gate"] != "ask":
        return False
    return not holds(review, read_approval(root))


def is_of(review: Review, root: Place, batches: Iterable[str]) -> bool:
    """Whether a review has judged the QC of these batches as it is now."""
    wanted = list(batches)
    if set(review["of"]) != set(wanted):
        return False
    now = side_by_side(partial(seen, root), wanted)
    return all(review["of"][name] == digest for name, digest in zip(wanted, now, strict=True))


def seen(root: Place, batch: str) -> str:
    """Digest of a batch and of the record of its QC; empty where one of them is absent."""
    parts = [content(root / "batches" / f"{batch}.json"),
             content(root / "records" / "qc" / f"{batch}.json")]  # fmt: skip
    found = [sha256(part).hexdigest() for part in parts if part is not None]
    return sha256("".join(found).encode()).hexdigest() if len(found) == len(parts) else ""


def key(dataset: str, batch: str) -> str:
    """Gate file of a batch as seen from the folder of the results."""
    return f"{dataset}/{GATES}/{batch}.json"


def _json(place: Place) -> dict[str, Any] | None:
    found = content(place)
    if found is None:
        return None
    try:
        value: dict[str, Any] = json.loads(found)
    except ValueError as error:
        raise BadInput(f"{place}: no JSON ({error}). Delete it and run again") from None
    return value
