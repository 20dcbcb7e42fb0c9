"""Whether a dataset that has come in is whole, or somebody still writes it. Pure.

In: what was seen of it now and before, and its inventory. Out: a `State`.

What a dataset is, is its listing: path, size and time of each file, as a digest. It has been quiet
since the first look that saw this very listing. Clocks lie: copies keep the times of the original
(``rsync -a``), servers go wrong. So that is all that is believed, but for one thing, without which
nothing could be taken at the first look: the time at which the file system (ctime) or the store
(LastModified) has last changed anything, which no copy can set. One in the future says nothing.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["changing", "incomplete", "unfit", "ready"]
DAY_S = 86400.0


@dataclass(frozen=True)
class Listing:
    """All that is stored of a dataset, at one look."""

    digest: str
    newest: float
    """Seconds since 1970 at which the storage has last changed anything; 0 where it is unknown."""


@dataclass(frozen=True)
class Earlier:
    """What earlier looks have seen: a listing, and when it was seen first."""

    digest: str
    since: float


@dataclass(frozen=True)
class Content:
    """What an inventory has found.

    Attributes
    ----------
    images, unreadable : int
        Images that the metadata announce, and those of them that cannot be opened.
    chunks, missing : int
        Chunks of a complete dataset on all levels, and those of them that are not there.
    problem : str
        Why the dataset cannot be opened at all, or the first image that cannot be.
    unfit : str
        Why the configuration cannot take it, however complete it is.
    """

    images: int = 0
    unreadable: int = 0
    chunks: int = 0
    missing: int = 0
    problem: str = ""
    unfit: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.images) and not (self.unreadable or self.missing)

    @property
    def lacks(self) -> str:
        """What is missing, in words."""
        found = []
        if self.unreadable:
            found.append(f"{self.unreadable} of {self.images} images ({self.problem})")
        if self.missing:
            found.append(f"{self.missing} of {self.chunks} chunks")
        return " and ".join(found) or self.problem


@dataclass(frozen=True)
class Rules:
    """How long a dataset must have been quiet, in seconds."""

    settled_s: float
    given_up_s: float | None
    """After so long it is taken incomplete; None: never."""


def first_seen(now: float, listing: Listing, earlier: Earlier | None) -> float:
    """When a listing was seen first: now, unless an earlier look has seen the same."""
    same = earlier is not None and earlier.digest == listing.digest
    return earlier.since if earlier is not None and same and earlier.since <= now else now


def quiet_since(now: float, listing: Listing, first: float) -> float:
    """Time since which nothing has changed, as far as it is known."""
    return min(first, listing.newest) if 0 < listing.newest <= now else first


def settled(now: float, since: float, rules: Rules) -> bool:
    """Whether it is worth an inventory."""
    return now - since >= rules.settled_s


def judge(now: float, since: float, content: Content, rules: Rules) -> State:
    """Decide on a dataset that has settled."""
    if content.unfit:
        return "unfit"
    if content.whole:
        return "ready"
    given_up = rules.given_up_s is not None and now - since >= rules.given_up_s
    # One that cannot be opened would stop all others.
    return "ready" if given_up and content.images else "incomplete"
