"""Whether labels that were made again are the recorded ones, image by image, set by set.

In: digests and label images of the crate, records and label images of a rerun. Out: a `Finding` an
image and object set. The digest is that of the stored bytes, which another version of a codec may
write in another way; where label images are there, their voxels decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.agreement import Overlaps, agreement, least_iou
from voxelmill.blocks import Grid
from voxelmill.labelsource import LabelImage, labelled_images, stored_labels
from voxelmill.layout import Layout
from voxelmill.plugin import BadInput, Index, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.reproduction import DIFFERENT, IDENTICAL, LEAST_IOU, WITHIN, Finding
from voxelmill.steps.crateresults import CrateResults
from voxelmill.store.objects import join

PLANE: Index = (1, 2048, 2048)
VOLUME: Index = (32, 512, 512)
"""What is read at once, of images with one plane and with several."""


@dataclass(frozen=True)
class Remade:
    """Labels of a rerun: what records of *segment* say of each image, and where they lie."""

    records: Mapping[str, Any]
    roots: Mapping[str, Path]

    @classmethod
    def of(cls, layout: Layout, records: Mapping[str, Any]) -> "Remade":
        """Labels of a results folder."""
        return cls(records, {path: root for path, (root, _) in labelled_images(layout).items()})

    def digest(self, image: str, name: str) -> str:
        """Digest of the labels of one image and object set; empty where there are none."""
        found = self.records[image].get("objects", {}).get(name, {}).get("sha256", "")
        return str(found)

    def labels(self, image: str, name: str) -> LabelImage:
        """Label image of one image and object set."""
        return stored_labels(str(self.roots[image]), join(image, "labels", name))


def compare_labels(
    published: CrateResults, remade: Remade, sets: Sequence[str], images: Sequence[str], cores: int
) -> Iterator[Finding]:
    """Compare all labels; those of images that were left out on both sides are none."""
    said = published.recorded.labels
    with suppress(StoreUnavailable):
        # Found once, before threads ask; what is damaged is told of the images that it concerns.
        _ = published.labelled
    pairs = [
        (image, name)
        for name in sets
        for image in images
        if (image, name) in said or remade.digest(image, name)
    ]
    with (
        Progress().stage("compare labels", len(pairs)) as done,
        ThreadPoolExecutor(cores) as threads,
    ):
        for found in threads.map(lambda pair: _compare(published, remade, *pair), pairs):
            done()
            yield found


def _compare(published: CrateResults, remade: Remade, image: str, name: str) -> Finding:
    said, made = published.recorded.labels.get((image, name), ""), remade.digest(image, name)
    thing = f"labels {name}"
    if not (said and made):
        return Finding(thing, image, DIFFERENT, f"only {'recorded' if said else 'made again'}")
    try:
        there = published.labels(image, name)
        if there is None and said == made:
            return Finding(thing, image, IDENTICAL)
        if there is None:
            note = "another digest; the label image is not there to say how they differ"
            return Finding(thing, image, DIFFERENT, note)
        return _voxels(thing, image, there, remade.labels(image, name), same=said == made)
    except StoreUnavailable as error:
        # What cannot be read speaks against nothing: a server may refuse to give parts of files.
        if said == made:
            note = f"by its digest; the label image could not be read: {error}"
            return Finding(thing, image, IDENTICAL, note)
        return Finding(thing, image, DIFFERENT, f"the label image of the crate: {error}")
    except BadInput as error:
        return Finding(thing, image, DIFFERENT, f"the label image of the crate: {error}")


def _voxels(
    thing: str, image: str, recorded: LabelImage, here: LabelImage, *, same: bool
) -> Finding:
    """Compare two label images voxel by voxel; `same`: what records say of them is."""
    if recorded.shape != here.shape:
        shapes = [" x ".join(map(str, label.shape)) for label in (recorded, here)]
        return Finding(thing, image, DIFFERENT, f"{shapes[0]}; here {shapes[1]} (t, z, y, x)")
    times, z, y, x = recorded.shape
    grid = Grid((z, y, x), PLANE if z == 1 else VOLUME)
    other = [t for t in range(times) if not _equal(recorded, here, t, grid)]
    if not other:
        return Finding(thing, image, IDENTICAL, "" if same else "in other bytes")
    found = [_overlap(recorded, here, t, grid) for t in other]
    verdict = WITHIN if all(alike for alike, _ in found) else DIFFERENT
    note = found[0][1] + (f", t {other[0]}" if times > 1 else "")
    more = "; the label image of the crate is not the one that it records" if same else ""
    return Finding(thing, image, verdict, note + more)


def _equal(one: LabelImage, other: LabelImage, t: int, grid: Grid) -> bool:
    return all(np.array_equal(one.read(t, b.core), other.read(t, b.core)) for b in grid)


def _overlap(one: LabelImage, other: LabelImage, t: int, grid: Grid) -> tuple[bool, str]:
    """Whether objects are within tolerance, and how they differ."""
    shared = Overlaps()
    for block in grid:
        shared.add(one.read(t, block.core), other.read(t, block.core))
    table = shared.table()
    counts, least = agreement(table), least_iou(table)
    alike = counts.truth == counts.found and least >= LEAST_IOU
    text = f"{counts.truth} objects; here {counts.found}, F1 {counts.f1():.4f}, "
    return alike, f"{text}least IoU {least:.4f}"
