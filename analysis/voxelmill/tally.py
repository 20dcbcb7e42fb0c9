"""What there is to do and what is done, counted from files: for the bars of a run and for *status*.

In: a results folder. Out: the images and pixels of every batch, and the names of the batches whose
records are there. Records are listed, never opened.
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from voxelmill.layout import BATCH_STEPS, Layout, batch_table
from voxelmill.plugin import BadInput
from voxelmill.tables import read_table, rows

SETTLED_S = 2.0
"""Age of a folder's time from which a later change is sure to give it another one."""


@dataclass(frozen=True)
class Portion:
    """How much work a batch, or several, is."""

    images: int = 0
    pixels: int = 0
    """Of all channels and time points; at least one an image."""

    def __add__(self, other: "Portion") -> "Portion":
        """Both together."""
        return Portion(self.images + other.images, self.pixels + other.pixels)


Batches: TypeAlias = Mapping[str, Mapping[str, Portion]]
"""Dataset → batch → how much it is."""


def batches_of(results: Path) -> Batches:
    """All batches of a results folder, as the last scan has left them.

    Raises
    ------
    BadInput
        It is not a folder in which a run was started.
    """
    if not batch_table(results).is_file():
        found = "no batches.parquet in it" if results.is_dir() else "no such folder"
        raise BadInput(
            f"{results}: {found}; allowed: the folder that `results` in the configuration names, "
            "once a run was started. Check the path"
        )
    batches: dict[str, dict[str, Portion]] = {}
    for row in rows(read_table(batch_table(results), ["dataset", "batch", "images", "voxels"])):
        portion = Portion(row["images"], max(row["images"], row["voxels"]))
        batches.setdefault(row["dataset"], {})[row["batch"]] = portion
    return batches


def total(batches: Mapping[str, Portion], names: Iterable[str] | None = None) -> Portion:
    """Sum over the batches of a dataset, or over some of them."""
    portions = batches.values() if names is None else (batches[n] for n in names)
    images = pixels = 0
    for portion in portions:
        images += portion.images
        pixels += portion.pixels
    return Portion(images, pixels)


def names(folder: Path, suffix: str) -> set[str]:
    """Names of the files with `suffix` in a folder, without it; none where it is absent."""
    try:
        with os.scandir(folder) as entries:
            found = {e.name.removesuffix(suffix) for e in entries if e.name.endswith(suffix)}
    except FileNotFoundError:
        return set()
    return {name for name in found if not name.startswith(".")}


@dataclass
class Tally:
    """Counts what is done, again and again; folders that have not changed are not listed again."""

    results: Path
    batches: Batches
    _seen: dict[Path, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def done(self, dataset: str, step: str) -> frozenset[str]:
        """Batches of a dataset that a step has finished."""
        folder = Layout(self.results / dataset).record(step, "x").parent
        try:
            changed = folder.stat().st_mtime_ns
        except FileNotFoundError:
            return frozenset()
        if folder in self._seen and self._seen[folder][0] == changed:
            return self._seen[folder][1]
        found = frozenset(names(folder, ".json") & self.batches[dataset].keys())
        if time.time() - changed / 1e9 > SETTLED_S:
            self._seen[folder] = changed, found
        return found

    def count(self) -> dict[str, Portion]:
        """What each step has finished, over all datasets."""
        counted = dict.fromkeys(BATCH_STEPS, Portion())
        for dataset, batches in self.batches.items():
            whole = total(batches)
            for step in BATCH_STEPS:
                done = self.done(dataset, step)
                counted[step] += whole if len(done) == len(batches) else total(batches, done)
        return counted

    @property
    def all(self) -> Portion:
        """What each step has to do."""
        whole = Portion()
        for batches in self.batches.values():
            whole += total(batches)
        return whole
