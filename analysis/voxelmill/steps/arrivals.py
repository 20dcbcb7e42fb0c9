"""What has come in: each dataset that the sheet does not have yet, and whether it can be taken.

In: the folder or prefix of the weekly dump, and what earlier looks have seen. Out: an `Arrival` of
each new dataset. Listed, and where it has settled opened and counted, is only what is new; nothing
is decided here but by ``settling``.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from voxelmill.config import Config
from voxelmill.incoming import Incoming
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.settling import (
    DAY_S,
    Content,
    Earlier,
    Listing,
    Rules,
    State,
    first_seen,
    judge,
    quiet_since,
    settled,
)
from voxelmill.store import inventory, is_url, open_dataset, open_image
from voxelmill.store.objects import join
from voxelmill.store.trees import Tree, find, tree

THREADS = 16


@dataclass(frozen=True)
class Arrival:
    """A dataset that has come in.

    Attributes
    ----------
    place : str
        Where it lies below the folder.
    url : str
        Its address.
    state : {'changing', 'incomplete', 'unfit', 'ready'}
    why : str
        What is missing, or why it cannot be taken.
    since : float
        Seconds since 1970 since which nothing in it has changed, as far as is known.
    """

    place: str
    url: str
    state: State
    why: str
    since: float


@dataclass(frozen=True)
class Round:
    """One look at the folder."""

    arrivals: tuple[Arrival, ...]
    coming: Mapping[str, Earlier]
    """What is to be remembered of them."""
    closed: Mapping[str, str]
    """Folders that cannot be listed, and why."""

    def of(self, *states: State) -> list[Arrival]:
        """Those in one of these states."""
        return [arrival for arrival in self.arrivals if arrival.state in states]


def look(
    config: Config, incoming: Incoming, known: Callable[[str], bool], earlier: Mapping[str, Earlier]
) -> Round:
    """Look what has come in.

    Parameters
    ----------
    config : Config
    incoming : Incoming
        With a folder as it is seen from here.
    known : callable
        Whether the sheet has a dataset with this address.
    earlier : mapping of str to Earlier
        What was seen before, by place.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The folder cannot be listed.
    """
    folder = incoming.folder.rstrip("/") or "/"
    below = find(folder, incoming.depth, incoming.wants, config.store or str(config.folder))
    days = incoming.incomplete_days
    rules = Rules(60 * incoming.settled_minutes, None if days is None else days * DAY_S)
    arrivals: list[Arrival] = []
    coming: dict[str, Earlier] = {}
    for place in below.datasets:
        if not known(url := join(folder, place)):
            arrival, seen = _look(config, place, url, rules, earlier.get(place))
            arrivals.append(arrival)
            coming |= {place: seen} if seen else {}
    return Round(tuple(arrivals), coming, below.closed)


def _look(
    config: Config, place: str, url: str, rules: Rules, earlier: Earlier | None
) -> tuple[Arrival, Earlier | None]:
    now = time.time()
    if fault := _unwritable(url):
        return Arrival(place, url, "unfit", fault, now), None
    try:
        found = tree(url)
        listing = Listing(found.digest, found.newest)
        first = first_seen(now, listing, earlier)
        since, seen = quiet_since(now, listing, first), Earlier(listing.digest, first)
        if not settled(now, since, rules):
            return Arrival(place, url, "changing", "", since), seen
        content = _content(config, url, found)
        state = judge(now, since, content, rules)
        # Counting took its time.
        if state == "ready" and (again := tree(url).digest) != found.digest:
            return Arrival(place, url, "changing", "", now), Earlier(again, now)
    except (StoreUnavailable, AccessDenied) as error:
        since = earlier.since if earlier else now
        return Arrival(place, url, "incomplete", str(error), since), earlier
    return Arrival(place, url, state, content.unfit or content.lacks, since), seen


def _unwritable(url: str) -> str:
    """Why a line of the sheet cannot hold an address; empty: it can."""
    if not url.isprintable() or url != url.strip() or url.startswith("#"):
        return "its address has characters that a sheet cannot hold. Rename it"
    if is_url(url) and ("@" in url or "?" in url):
        return "its address has '@' or '?', which none in a sheet may have. Rename it"
    return ""


def _content(config: Config, url: str, found: Tree) -> Content:
    """Open all images and count their chunks on all levels."""
    try:
        dataset = open_dataset(url)
    except BadInput as error:
        return Content(problem=str(error))
    listed = None if "" in found.sizes else found.sizes
    allowed = config.sparse == "allow"

    def count(path: str) -> tuple[tuple[str, ...], int, int] | str:
        try:
            image = open_image(url, path)
            counted = [inventory(image, n, listed) for n in range(len(image.levels))]
        except BadInput as error:
            return str(error)
        chunks, stored = (sum(c.expected for c in counted), sum(c.stored for c in counted))
        return image.channels, chunks, 0 if allowed else chunks - stored

    with ThreadPoolExecutor(THREADS) as threads:
        images = list(threads.map(count, [ref.path for ref in dataset.images]))
    bad = [text for _, text in dataset.problems] + [i for i in images if isinstance(i, str)]
    good = [image for image in images if not isinstance(image, str)]
    kinds = sorted({have for have, *_ in good})
    return Content(
        len(images) + len(dataset.problems),
        len(bad),
        sum(chunks for _, chunks, _ in good),
        sum(missing for _, _, missing in good),
        next(iter(bad), "" if images else f"{url}: no images in it"),
        next(filter(None, (_unfit(config, have) for have in kinds)), ""),
    )


def _unfit(config: Config, have: tuple[str, ...]) -> str:
    """Why images with these channels cannot be segmented as configured; empty: they can."""
    lacks = config.lacking(have)
    if lacks is None:
        return ""
    name, channel = lacks
    return f"no channel '{channel}' (objects.{name}); it has {', '.join(map(repr, have))}"
