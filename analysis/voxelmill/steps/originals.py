"""The input of a recorded run: where it lies, which of its images to take, is it the same.

In: what a crate says, and perhaps another address. Out: `Originals`, or a refusal: another input
proves nothing. Only metadata and sizes of chunks are read.
"""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from math import prod
from pathlib import Path

from voxelmill.batch import Item
from voxelmill.crate.recorded import Recorded
from voxelmill.ngff import Dataset, ImageRef
from voxelmill.plugin import AccessDenied, BadConfig, BadInput, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.store.inventory import inventory
from voxelmill.store.open import open_dataset, open_image
from voxelmill.storeoptions import is_url

THREADS = 16
NAMED = 5
"""Images that are named of those that differ."""


@dataclass(frozen=True)
class Originals:
    """A dataset that holds the images of a recorded run."""

    url: str
    kind: str
    refs: tuple[ImageRef, ...]
    """All images, and wells that cannot be read, in the order of a run."""

    @property
    def wells(self) -> list[str]:
        """Wells, in order; empty where it is no plate."""
        return list(dict.fromkeys(ref.well for ref in self.refs if ref.well))


def find_input(recorded: Recorded, data: str = "") -> str:
    """Address of the input: `data` if given, else what the crate says.

    Raises
    ------
    BadInput
        It is not there.
    """
    if data:
        if not is_url(data) and not Path(data).exists():
            raise BadInput(f"--data {data}: not there; allowed: an OME-Zarr. Check the path")
        return data
    url = recorded.url
    if not url or is_url(url):
        found = url
    elif is_url(recorded.root):
        scheme, _, rest = recorded.root.partition("://")
        found = f"{scheme}://{posixpath.normpath(f'{rest}/{url}')}"
    else:
        place = Path(posixpath.normpath(f"{Path(recorded.root).resolve()}/{url}"))
        found = str(place) if place.exists() else ""
    if found:
        return found
    said = f"{url}, as seen from the crate" if url else f"{recorded.name}, nobody knows where"
    raise BadInput(f"{recorded.root}: the input ({said}) is not there. Name it with --data")


def open_originals(recorded: Recorded, url: str) -> Originals:
    """Open the dataset at `url`.

    Raises
    ------
    BadInput
        It is none, or has other images than the crate names.
    """
    found: Dataset = open_dataset(url)
    refs = (*found.images, *(ImageRef(path) for path, _ in found.problems))
    there, known = {ref.path for ref in refs}, {*recorded.inputs, *recorded.left_out}
    for what, paths in (("it lacks", known - there), ("it has besides", there - known)):
        if paths:
            raise _other(url, f"{what} {_some(sorted(paths))}")
    return Originals(found.url, found.kind, refs)


def choose(originals: Originals, number: int | None, seed: int) -> tuple[list[str], list[str]]:
    """Images to take, in order, and their wells (none off a plate): all, or a random sample.

    Which wells a seed stands for depends on nothing but their names.

    Raises
    ------
    BadConfig
        There are fewer than `number`.
    """
    wells, paths = originals.wells, [ref.path for ref in originals.refs]
    if number is None:
        return paths, wells
    units = wells or paths
    if number > len(units):
        kind = "wells" if wells else "images"
        raise BadConfig(f"--sample {number}: there are {len(units)} {kind}; allowed: 1 to that")
    drawn = set(sorted(units, key=lambda unit: sha256(f"{seed} {unit}".encode()).digest())[:number])
    if not wells:
        return [path for path in paths if path in drawn], []
    taken = [ref.path for ref in originals.refs if ref.well in drawn]
    return taken, [well for well in wells if well in drawn]


def items_of(originals: Originals, images: Iterable[str]) -> list[Item]:
    """Items of batches, with their size; 0 for an image that cannot be opened."""
    wanted = set(images)
    refs = [ref for ref in originals.refs if ref.path in wanted]
    with ThreadPoolExecutor(THREADS) as threads:
        sizes = list(threads.map(partial(_voxels, originals.url), refs))
    return [
        Item(r.path, r.plate, r.well, r.row, r.column, r.site, r.acquisition, size)
        for r, size in zip(refs, sizes, strict=True)
    ]


def _voxels(url: str, ref: ImageRef) -> int:
    try:
        image = open_image(url, ref.path)
    except (BadInput, StoreUnavailable, AccessDenied):
        return 0
    return image.shape[0] * prod(image.shape[2:])


def check_inputs(recorded: Recorded, url: str, images: Sequence[str]) -> int:
    """Refuse images whose stored chunks are not the recorded ones; return how many were looked at.

    Of an image that was left out no chunks are recorded: there is nothing to check.

    Raises
    ------
    BadInput
        Images differ; the text names them.
    """
    wanted = [path for path in images if path in recorded.inputs]
    with (
        Progress().stage("check the input", len(wanted)) as done,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        found = {}
        for path, digest in zip(wanted, threads.map(partial(_digest, url), wanted), strict=True):
            found[path] = digest
            done()
    refuse_others(recorded, url, found)
    return len(wanted)


def refuse_others(recorded: Recorded, url: str, found: Mapping[str, str]) -> None:
    """Refuse digests of inputs that are not the recorded ones; empty: it cannot be read.

    Raises
    ------
    BadInput
        Images differ; the text names them.
    """
    other = [p for p, digest in found.items() if digest and digest != recorded.inputs[p]]
    gone = [path for path, digest in found.items() if not digest]
    said = [f"other chunks are stored of {_some(other)}"] if other else []
    said += [f"there is nothing to read of {_some(gone)}"] if gone else []
    if said:
        raise _other(url, "; ".join(said))


def _digest(url: str, path: str) -> str:
    """Digest of what is stored of an image; empty where it cannot be used any more."""
    try:
        return inventory(open_image(url, path)).digest
    except (BadInput, AccessDenied):
        return ""


def _other(url: str, what: str) -> BadInput:
    return BadInput(
        f"{url}: not the input that the crate records: {what}. Another input proves nothing: "
        "name the right one with --data"
    )


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(path or "its image" for path in paths[:NAMED]) + more
