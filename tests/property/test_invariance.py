"""Labels, pyramid and tables do not depend on blocks, storage or workers: the promise itself.

Images of every kind are run through the steps in many ways, by the code behind `voxelmill prove`,
and compared byte by byte with the run in one block; that one is compared with the segmenter called
on the whole array, without the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from samples import MINIMAL
from voxelmill.blocks import Box
from voxelmill.config import Settings
from voxelmill.crop import STORAGES, find_image, write_crop
from voxelmill.execution import Blocks
from voxelmill.layout import Layout
from voxelmill.objectsets import Subtracted
from voxelmill.plugin import Index, Labels, Pixels, Spacing
from voxelmill.proof import SAME, SEAMS, judge
from voxelmill.segmenters import segmenters
from voxelmill.steps.trial import BATCH, attempt, workers
from voxelmill.store.labels import read_labels
from voxelmill.store.write import write_image
from voxelmill.tables import read_table
from voxelmill.variants import Variant, every, whole

SPACING: Spacing = (1.0, 0.5, 0.5)
NUCLEI = {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_px": 6}}
BY_KIND: Mapping[str, Mapping[str, Any]] = {
    "threshold": {"diameter_px": 6},
    "watershed": {"diameter_px": 6},
    "propagate": {"seeds": "nuclei", "max_distance_px": 5},
    "components": {"above": 300},
}
# Scenes are made from seeds: a smaller seed is no simpler image, and each try takes a second.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
# Networks on planes: tests/unit/test_cellpose.py takes them through the engine.
EXACT = [kind for kind, cls in segmenters().items() if cls.exact and not cls.planes]


def job(kind: str) -> Settings:
    """All that is said of one segmenter; one that grows seeds comes with nuclei and cytoplasm."""
    fields = segmenters()[kind].model_fields
    values = BY_KIND.get(kind, {name: v for name, v in MINIMAL.items() if name in fields})
    chosen = {"channel": "DNA", "segmenter": {"kind": kind, **values}}
    objects: dict[str, Any] = {"objects": chosen}
    if segmenters()[kind].keeps_ids:
        chosen["channel"] = "AGP"
        objects = {
            "nuclei": NUCLEI,
            "cells": chosen,
            "cytoplasm": {"subtract": ["cells", "nuclei"]},
        }
    return Settings.model_validate({"objects": objects})


@dataclass(frozen=True)
class Scene:
    """Bright balls on uneven, noisy ground, (z, y, x); a second channel shows wider ones."""

    shape: Index
    seed: int
    density: float
    """Balls per ball-sized box: at 1 nearly all touch."""
    empty: bool = False
    """Nothing in the left half but the ball in the corner."""
    times: int = 1

    def pixels(self) -> Pixels:
        """All time points and both channels, (t, c, z, y, x)."""
        return np.stack([self._frame(np.random.default_rng((self.seed, t)))
                         for t in range(self.times)])  # fmt: skip

    def _frame(self, rng: np.random.Generator) -> Pixels:
        size = np.minimum(self.shape, (3, 6, 6))
        count = int(self.density * np.prod(self.shape) / np.prod(size))
        grid = np.ogrid[tuple(map(slice, self.shape))]
        ground = 100 + 30 * grid[2] / self.shape[2] + rng.normal(0, 3, self.shape)
        dna, agp = ground.copy(), ground.copy()
        low = (0, 0, self.shape[2] // 2 if self.empty else 0)
        middles = rng.uniform(low, self.shape, (count, 3))
        corners = [(z, y, x) for z in (0, self.shape[0] - 1)
                   for y in (0, self.shape[1] - 1) for x in (0, self.shape[2] - 1)]  # fmt: skip
        for middle in [*corners, *middles]:
            stretch = np.asarray(SPACING) / SPACING[2] * rng.uniform(0.8, 1.3, 3)
            far = sum(((g - m) * s) ** 2 for g, m, s in zip(grid, middle, stretch, strict=True))
            radius, bright = rng.uniform(2, 3.6), rng.uniform(200, 900)
            dna += bright * np.clip(radius - np.sqrt(far), 0, 1)
            agp += 0.5 * bright * np.clip(radius + 3 - np.sqrt(far), 0, 1)
        return np.stack([dna, agp]).clip(0, 65535).astype(np.uint16)


@dataclass(frozen=True)
class Stored:
    """A scene in all ways of storage, and its run in one block."""

    folder: Path
    scene: Scene
    settings: Settings
    reference: Layout

    def check(self, name: str, variant: Variant) -> None:
        """Run in one more way; only objects longer than the halo may make a difference."""
        layout = attempt(self.folder, name, variant, self.settings)
        judged = judge(self.reference, layout, self.settings, BATCH)
        allowed = (SAME, SEAMS) if judged.long else (SAME,)
        assert judged.worst in allowed, f"{self.scene}, {variant}: {judged.first}"

    def labels(self, name: str, t: int) -> Labels:
        """Labels of one set as the reference run has written them."""
        box = Box((0, 0, 0), self.scene.shape)
        return read_labels(str(self.reference.labels), "", name, t, box)


def store(folder: Path, scene: Scene, job_: Settings) -> Stored:
    pixels = scene.pixels()
    axes = "tczyx" if scene.shape[0] > 1 else "tcyx"
    source = folder / "source.zarr"
    write_image(str(source), pixels, axes, SPACING, ["DNA", "AGP"])
    write_crop(folder, pixels, find_image(str(source), None))
    variant = Variant(whole(scene.shape), next(iter(STORAGES)), 1, processes=False)
    return Stored(folder, scene, job_, attempt(folder, "reference", variant, job_))


def canonical(labels: NDArray[Any]) -> NDArray[Any]:
    """Ids 1…n by the raster order of each object's first voxel."""
    ids, first = np.unique(labels, return_index=True)
    order = np.argsort(first[ids > 0])
    new = np.zeros(int(ids.max()) + 1, np.int32)
    new[ids[ids > 0][order]] = np.arange(1, order.size + 1)
    return new[labels]


def direct(job_: Settings, frame: Pixels) -> dict[str, Labels]:
    """All object sets of one frame (c, z, y, x), without the engine."""
    found: dict[str, Labels] = {}
    for name in job_.order():
        spec = job_.objects[name]
        if isinstance(spec, Subtracted):
            a, b = (found[n] for n in spec.subtract)
            found[name] = np.where(b > 0, 0, a)
            continue
        image = frame[["DNA", "AGP"].index(spec.channel)][None]
        seeds = found[spec.needs[0]] if spec.needs else None
        labels = spec.segmenter.fit(image, SPACING)(image, SPACING, seeds)
        # A negative id only says that an object is flagged.
        found[name] = labels if spec.segmenter.keeps_ids else canonical(np.abs(labels))
    return found


SHAPES = [(1, 45, 190), (1, 96, 128), (1, 17, 230), (1, 150, 33)]
VOLUMES = [(13, 24, 120), (9, 70, 31), (32, 20, 48)]
SIZES = [(16, 3), (23, 5), (32, 4), (41, 8), (60, 13), (64, 1), (96, 6)]


def scenes(shapes: list[Index]) -> st.SearchStrategy[Scene]:
    return st.builds(
        Scene,
        shape=st.sampled_from(shapes),
        seed=st.integers(0, 2**32 - 1),
        density=st.sampled_from([0.0, 0.1, 0.4, 1.2]),
        empty=st.booleans(),
        times=st.sampled_from([1, 1, 2]),
    )


VARIANTS = st.builds(
    Variant,
    blocks=st.sampled_from(SIZES).map(lambda s: Blocks(size=s[0], depth=s[1])),
    storage=st.sampled_from(list(STORAGES)),
    workers=st.sampled_from([1, 2, 4]),
    processes=st.just(False),
)


@pytest.mark.parametrize("kind", EXACT)
@settings(max_examples=5, phases=PHASES)
@given(scene=scenes(SHAPES), variants=st.lists(VARIANTS, min_size=2, max_size=2))
def test_flat_images_do_not_depend_on_how_they_are_run(
    kind: str, scene: Scene, variants: list[Variant]
) -> None:
    examine(kind, scene, variants)


@pytest.mark.parametrize("kind", EXACT)
@settings(max_examples=2, phases=PHASES)
@given(scene=scenes(VOLUMES), variants=st.lists(VARIANTS, min_size=2, max_size=2))
def test_volumes_do_not_depend_on_how_they_are_run(
    kind: str, scene: Scene, variants: list[Variant]
) -> None:
    examine(kind, replace(scene, times=1), variants)


def examine(kind: str, scene: Scene, variants: list[Variant]) -> None:
    with TemporaryDirectory() as folder:
        stored = store(Path(folder), scene, job(kind))
        for t, frame in enumerate(scene.pixels()):
            for name, labels in direct(job(kind), frame).items():
                np.testing.assert_array_equal(stored.labels(name, t), labels, f"{scene}, {name}")
        for number, variant in enumerate(variants):
            with workers(variant.workers, processes=False):
                stored.check(str(number), variant)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A dense scene with two channels of which cells are grown."""
    scene = Scene((1, 33, 110), 7, 0.7)
    return store(tmp_path_factory.mktemp("small"), scene, job("propagate"))


ALL = every([Blocks(size=n, depth=1) for n in (110, 24, 37, 55)], list(STORAGES), (1, 2, 4))


def test_the_product_is_whole() -> None:
    columns = [set(c) for c in zip(*(v.values for v in ALL), strict=True)]
    assert [len(c) for c in columns] == [4, 3, 3, 2]
    assert len(set(ALL)) == len(ALL) == 72


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_every_block_size_storage_and_crew_gives_the_same(
    small: Stored, number: int, processes: bool
) -> None:
    assert len(read_table(small.reference.objects("cells", BATCH))["Metadata_Image"]) > 20
    mine = [v for v in ALL if (v.workers, v.processes) == (number, processes)]
    with workers(number, processes=processes):
        for i, variant in enumerate(mine):
            small.check(f"{number}-{processes}-{i}", variant)
