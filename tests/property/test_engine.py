"""Labels and the index of objects do not depend on blocks, shards, workers or executors."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from engine_runs import Made, one_set, run_engine, segmented, workers
from samples import balls, photograph
from simple_segmenters import Bigger, Components, Picky, whole_image
from voxelmill.objectsets import Subtracted
from voxelmill.plugin import Index, Pixels
from voxelmill.run import Pool
from voxelmill.segmenters import Segmenter, segmenters

OBJECTS = {
    "nuclei": segmented(Components()),
    "cells": segmented(Bigger()),
    "cytoplasm": Subtracted(subtract=("cells", "nuclei")),
}
BLOCKS = [(64, 2048), (64, 16), (64, 23), (64, 9), (64, 40)]


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with workers() as made:
        yield made


def spots(shape: Index, seed: int, size: Index, number: int) -> NDArray[np.uint8]:
    """Boxes of at most `size`, and nothing longer: touching ones are left out."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape, np.uint8)
    for _ in range(number):
        start = [int(rng.integers(0, n)) for n in shape]
        stop = [a + int(rng.integers(1, s + 1)) for a, s in zip(start, size, strict=True)]
        near = tuple(slice(max(0, a - 1), b + 1) for a, b in zip(start, stop, strict=True))
        if not image[near].any():
            image[tuple(map(slice, start, stop))] = rng.integers(1, 200)
    return image


def expected_index(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Rows id, first voxel, box: the slow way."""
    rows = []
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        rows.append([label, *voxels[0], *voxels.min(0), *(voxels.max(0) + 1)])
    return np.array(rows, np.int64).reshape(-1, 10)


def run(crew: Pool, pixels: Pixels, block: tuple[int, int], **more: object) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        return run_engine(Path(folder), pixels, OBJECTS, crew, block=block, **more)  # type: ignore[arg-type]


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.sampled_from([1, 1, 11]),
    block=st.tuples(st.integers(5, 12), st.integers(13, 50)),
    shard=st.tuples(st.integers(5, 11), st.integers(17, 60), st.integers(17, 60)),
)
def test_any_blocks_give_what_the_whole_image_gives(
    crew: Pool, seed: int, depth: int, block: tuple[int, int], shard: Index
) -> None:
    reach = (4, 8, 8) if depth > 1 else (0, 8, 8)
    image = spots((depth, 51, 60), seed, (max(1, reach[0]), 8, 8), 120)
    with tempfile.TemporaryDirectory() as folder:
        objects = {**OBJECTS, "nuclei": segmented(Components(reach=reach))}
        made = run_engine(Path(folder), image[None, None], objects, crew, block=block, shard=shard)
    nuclei = whole_image(image > 0)
    cells = Bigger()(image[None], (1, 1, 1), nuclei)
    cytoplasm = np.where(nuclei > 0, 0, cells)
    for name, wanted in (("nuclei", nuclei), ("cells", cells), ("cytoplasm", cytoplasm)):
        np.testing.assert_array_equal(made.labels[name][0], wanted)
        index = made.index(name)
        np.testing.assert_array_equal(index[:, :10], expected_index(wanted))
        assert not index[:, 10].any(), "no object is longer than the halo"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_number_of_workers_does_not_matter(crew: Pool, number: int) -> None:
    pixels = spots((1, 60, 70), 5, (1, 8, 8), 90)[None, None]
    first = run(crew, pixels, (64, 17))
    with workers(number) as others:
        same(first, run(others, pixels, (64, 17)))


def test_processes_agree_with_threads(crew: Pool) -> None:
    pixels = spots((1, 40, 50), 6, (1, 8, 8), 60)[None, None]
    with workers(2, processes=True) as others:
        same(run(crew, pixels, (64, 2048)), run(others, pixels, (64, 20)))


def same(one: Made, other: Made) -> None:
    for name, labels in one.labels.items():
        np.testing.assert_array_equal(labels, other.labels[name])
    assert one.result.found.keys() == other.result.found.keys()
    for key, found in one.result.found.items():
        np.testing.assert_array_equal(one.indexes[key], other.indexes[key])
        assert found.fitted == other.result.found[key].fitted


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_time_point_counts_from_one(crew: Pool, block: tuple[int, int]) -> None:
    frames = [spots((1, 40, 50), seed, (1, 8, 8), 30 * seed) for seed in range(3)]
    made = run(crew, np.stack(frames)[:, None], block)
    for t, frame in enumerate(frames):
        np.testing.assert_array_equal(made.labels["nuclei"][t], whole_image(frame > 0))
    assert len(made.index("nuclei")) == 0
    assert len(made.index("cytoplasm")) == 0


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 40), (5, 2, 2)])
def test_images_smaller_than_a_block(crew: Pool, shape: Index, value: int) -> None:
    made = run(crew, np.full((1, 1, *shape), value, np.uint8), (64, 2048))
    assert (made.labels["nuclei"] == value).all()
    assert len(made.index("nuclei")) == value


def test_objects_on_seams_and_corners(crew: Pool) -> None:
    """One on a corner of four blocks, one on each kind of seam, one that ends just before one."""
    image = np.zeros((1, 64, 64), np.uint8)
    for y, x in ((14, 14), (30, 5), (5, 30), (32, 48), (44, 16), (12, 40)):
        image[0, y : y + 4, x : x + 4] = 1
    made = run(crew, image[None, None], (64, 16))
    np.testing.assert_array_equal(made.labels["nuclei"][0], whole_image(image))
    assert not made.index("nuclei")[:, 10].any()


def test_a_chain_over_many_blocks_is_one_object_and_flagged(crew: Pool) -> None:
    """A bar over five blocks is longer than the halo: joined here, and said to be uncertain."""
    image = np.zeros((1, 40, 80), np.uint8)
    image[0, 14:18, 2:78] = 1
    image[0, 30:34, 30:34] = 1
    made = run(crew, image[None, None], (64, 16))
    np.testing.assert_array_equal(made.labels["nuclei"][0], whole_image(image))
    assert made.index("nuclei")[:, 10].tolist() == [1, 0]


@settings(max_examples=15)
@given(length=st.integers(1, 30), start=st.integers(0, 30), size=st.integers(8, 33))
def test_the_seam_flag_means_longer_than_the_halo(
    crew: Pool, length: int, start: int, size: int
) -> None:
    image = np.zeros((1, 5, 64), np.uint8)
    image[0, 2, start : start + length] = 1
    with tempfile.TemporaryDirectory() as folder:
        made = run_engine(Path(folder), image[None, None], one_set(Components()), crew,
                          block=(64, size))  # fmt: skip
    flagged = made.index("nuclei")[:, 10].any()
    stop, halo = start + length, 8
    cut = False
    for first in range(0, 64, size):
        low, high = first - halo, first + size + halo
        owns = start < first + size and stop > first
        cut |= owns and ((low > 0 and start <= low) or (high < 64 and stop >= high))
    assert flagged == cut
    assert not (flagged and length <= halo)


def test_a_frame_that_is_refused_leaves_the_others(crew: Pool, tmp_path: Path) -> None:
    pixels = np.stack([spots((1, 40, 40), s, (1, 8, 8), 30) for s in (1, 2, 3)])[:, None]
    pixels[1, 0, 0, 39, 39] = 255
    objects = {"nuclei": segmented(Picky()), "cells": segmented(Bigger()),
               "cytoplasm": Subtracted(subtract=("cells", "nuclei"))}  # fmt: skip
    made = run_engine(tmp_path, pixels, objects, crew, block=(64, 16))
    assert made.result.refused == {"image@1": "image: 255 in it; allowed: less"}
    kept = {(f"image@{t}", name) for t in (0, 2) for name in objects}
    assert set(made.result.found) == kept
    for t in (0, 2):
        np.testing.assert_array_equal(made.labels["nuclei"][t], whole_image(pixels[t, 0] > 0))


WATERSHED = segmenters()["watershed"].model_validate({"diameter_px": 8})


@pytest.fixture(scope="module")
def nuclei() -> Pixels:
    """Discs on an uneven background, (1, 1, 1, y, x)."""
    labels = balls((1, 150, 170), (1, 1, 1), 8, 15)
    uneven = np.linspace(0, 25, 170).astype(np.uint16)
    return (photograph(labels) + uneven)[None]


@pytest.mark.parametrize("kind", ["watershed", "threshold"])
def test_built_in_segmenters_do_not_depend_on_blocks(
    crew: Pool, nuclei: Pixels, tmp_path: Path, kind: str
) -> None:
    segmenter: Segmenter = segmenters()[kind].model_validate({"diameter_px": 8})
    made = [
        run_engine(tmp_path / str(i), nuclei, one_set(segmenter), crew, block=block, shard=shard)
        for i, (block, shard) in enumerate(
            [((64, 2048), (64, 2048, 2048)), ((64, 64), (1, 50, 60)), ((64, 75), (1, 64, 64)),
             ((64, 101), (1, 150, 20)), ((64, 128), (64, 2048, 2048))]
        )
    ]  # fmt: skip
    assert made[0].labels["nuclei"].max() > 35
    for other in made[1:]:
        same(made[0], other)


def test_cells_grown_from_nuclei_do_not_depend_on_blocks(
    crew: Pool, nuclei: Pixels, tmp_path: Path
) -> None:
    grown = segmenters()["propagate"].model_validate({"seeds": "nuclei", "max_distance_px": 6})
    objects = {"nuclei": segmented(WATERSHED), "cells": segmented(grown, channel=1),
               "rim": Subtracted(subtract=("cells", "nuclei"))}  # fmt: skip
    bodies = np.where(ndimage.maximum_filter(nuclei > 70, (1, 1, 1, 5, 5)), 90, 20)
    noise = np.random.default_rng(0).integers(0, 9, bodies.shape)
    wide = np.concatenate([nuclei, bodies + noise], axis=1).astype(np.uint16)
    made = [
        run_engine(tmp_path / str(size), wide, objects, crew, block=(64, size))
        for size in (2048, 64, 83)
    ]
    assert made[0].labels["rim"].any()
    for other in made[1:]:
        same(made[0], other)


def winding(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A spiral one voxel wide through the whole image, and a few spots it does not touch."""
    image = np.zeros((1, *shape), np.uint8)
    low, high = np.array([1, 1]), np.array(shape) - 2
    while (high - low > 6).all():
        image[0, low[0], low[1] : high[1]] = image[0, low[0] : high[0], high[1]] = 1
        image[0, high[0], low[1] + 4 : high[1] + 1] = 1
        image[0, low[0] + 4 : high[0], low[1] + 4] = 1
        low, high = low + 4, high - 4
    return image


@pytest.mark.parametrize("kind", ["components", "threshold"])
def test_connected_objects_of_any_size_are_whole_and_never_flagged(
    crew: Pool, tmp_path: Path, kind: str
) -> None:
    image = winding((90, 110))
    fields = {"components": {}, "threshold": {"diameter_px": 6, "value": 0.5, "smoothing": 0}}
    segmenter = segmenters()[kind].model_validate({**fields[kind], "kind": kind})
    wanted = whole_image(image)
    assert max(s.stop - s.start for s in ndimage.find_objects(wanted)[0]) > 80
    for size in (2048, 31, 16, 20):
        made = run_engine(tmp_path / str(size), image[None, None], one_set(segmenter), crew,
                          block=(64, size))  # fmt: skip
        np.testing.assert_array_equal(made.labels["nuclei"][0], wanted)
        assert not made.index()[:, 10].any()


def test_a_wider_halo_unflags_what_was_too_long(crew: Pool, tmp_path: Path) -> None:
    image = np.zeros((1, 40, 80), np.uint8)
    image[0, 14:18, 20:50] = 1
    spec = segmented(Components())
    for name, halo, flagged in (("short", 0, True), ("long", 31, False)):
        objects = {"nuclei": spec.model_copy(update={"halo_px": halo})}
        made = run_engine(tmp_path / name, image[None, None], objects, crew, block=(64, 16))
        found = made.result.found["image@0", "nuclei"]
        assert made.index()[:, 10].any() == flagged
        assert found.objects.seams == int(flagged)
        assert found.objects.longest == ((1, 4, 30) if flagged else (0, 0, 0))
        assert found.halo == (0, max(8, halo), max(8, halo))
