"""Between QC and the rest: which images are left out, by rule or because a person said so.

Pure. In: the record of *review*, and an approval. Out: the images that are left out, each with its
reason. An approval names what was judged when it was given, and holds for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voxelmill.plugin import BadConfig

Review: TypeAlias = Mapping[str, Any]
"""Record of *review*."""
Approval: TypeAlias = Mapping[str, Any]
"""Content of ``approval.json``: who, when, why, exclude, review, history."""
AUTO, BY = "auto: ", "approval by "
"""How reasons begin: a rule has left an image out, or a person."""
MOST_NAMES = 24
"""Names of what is allowed in a message."""


@dataclass(frozen=True)
class Choice:
    """What a person wants to leave out of one dataset."""

    wells: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    failing: bool = False
    """Also all images whose verdict is fail."""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be left out."""
        return not (self.wells or self.images or self.failing)


def failing(review: Review) -> dict[str, str]:
    """Images that QC fails → faults for which it does.

    One that could not be read is not among them: it is quarantined, which the run tells and counts.
    """
    return {
        path: "; ".join(image["fatal"]) for path, image in review["images"].items()
        if image["fatal"]
    }  # fmt: skip


def by_rule(review: Review) -> dict[str, str]:
    """Images that ``gate: auto`` leaves out → reason."""
    return {path: f"{AUTO}{faults}" for path, faults in failing(review).items()}


def by_approval(review: Review, approval: Approval) -> dict[str, str]:
    """Images that an approval leaves out → reason."""
    wells, images = set(approval["exclude"]["wells"]), set(approval["exclude"]["images"])
    reason = f"{BY}{approval['who']}: {approval['why']}"
    return {
        path: reason for path, image in review["images"].items()
        if path in images or image["well"] in wells
    }  # fmt: skip


def is_exclusion(reason: str) -> bool:
    """Whether an image that has no results was left out on purpose, as its reason tells."""
    return reason.startswith((AUTO, BY))


def holds(review: Review, approval: Approval | None) -> bool:
    """Whether an approval is of what `review` has judged."""
    return approval is not None and approval["review"] == review["digest"]


def approve(
    review: Review, before: Approval | None, choice: Choice, *, who: str, why: str, when: str
) -> dict[str, Any]:
    """Make an approval; the one that it replaces becomes the last of its history.

    Parameters
    ----------
    review : mapping
        What was judged.
    before : mapping, optional
        Approval that is there.
    choice : Choice
        What is left out.
    who, why, when : str

    Raises
    ------
    BadConfig
        No such well or image; no `who`; nothing says why something is left out.
    """
    who, why = (" ".join(text.split()) for text in (who, why))
    if not who:
        raise BadConfig("--who: is empty; allowed: a name. Say who approves")
    if not choice.empty and not why:
        raise BadConfig("--why: is absent; allowed: any text. Say why images are left out")
    images = {path: image["well"] for path, image in review["images"].items()}
    wells = {well for well in images.values() if well}
    _known("--exclude", choice.wells, wells, "well")
    _known("--exclude-image", choice.images, set(images), "image")
    left = {*choice.images, *(failing(review) if choice.failing else ())}
    past = [] if before is None else [*before.get("history", []), _without_history(before)]
    return {
        "who": who,
        "when": when,
        "why": why,
        "exclude": {
            "wells": [well for well in dict.fromkeys(images.values()) if well in choice.wells],
            "images": [path for path in images if path in left],
        },
        "review": review["digest"],
        "history": past,
    }


def _without_history(approval: Approval) -> dict[str, Any]:
    return {name: value for name, value in approval.items() if name != "history"}


def _known(option: str, given: Sequence[str], allowed: set[str], what: str) -> None:
    for name in given:
        if name not in allowed:
            known = sorted(allowed)
            more = f" … ({len(known)} in all)" if len(known) > MOST_NAMES else ""
            raise BadConfig(
                f"{option} {name}: no such {what}; allowed: "
                f"{', '.join(known[:MOST_NAMES]) or 'none'}{more}"
            )
