"""What is far larger than the objects looked for: cut alike in all blocks, and flagged."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine_runs import Made, one_set, run_engine, workers
from samples import balls, photograph
from voxelmill.kernels.components import components
from voxelmill.kernels.oversize import Cut, cut_basins, too_large
from voxelmill.plugin import Pixels
from voxelmill.run import Pool
from voxelmill.segmenters import segmenters

SIDE = 420


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with workers() as made:
        yield made


def scene(kind: str) -> Pixels:
    """Small nuclei, and something that is many times as large; (1, 1, 1, y, x)."""
    image = np.array(photograph(balls((1, SIDE, SIDE), (1, 1, 1), 12, 20))).reshape(1, SIDE, SIDE)
    y, x = np.ogrid[:SIDE, :SIDE]
    if kind == "disc":
        image[0, (y - 210) ** 2 + (x - 210) ** 2 < 120**2] = image.max()
    elif kind == "ramp":
        image[0, 100:140, 20:400] = image.max() // 2 + np.arange(380) // 6
    else:
        image[0, 150:162, 20:400] = image.max()
    return image[None, None]


@pytest.mark.parametrize("kind", ["disc", "ramp", "bar"])
@pytest.mark.parametrize("diameter", [5, 12])
def test_all_blocks_agree_on_what_is_too_large(
    crew: Pool, tmp_path: Path, kind: str, diameter: int
) -> None:
    segmenter = segmenters()["watershed"].model_validate({"diameter_px": diameter, "adapt": False})
    made: list[Made] = [
        run_engine(tmp_path / str(size), scene(kind), one_set(segmenter), crew, block=(64, size))
        for size in (2048, 100, 150)
    ]
    index = made[0].index()
    longest = (index[:, 7:10] - index[:, 4:7])[index[:, 10] == 0].max()
    assert longest <= made[0].result.found["image@0", "nuclei"].halo[1]
    for other in made[1:]:
        np.testing.assert_array_equal(made[0].labels["nuclei"], other.labels["nuclei"])
        np.testing.assert_array_equal(index, other.index(), "flags are the same too")


def test_pieces_are_flagged_even_in_one_block(crew: Pool, tmp_path: Path) -> None:
    """Discs five times as wide as what is looked for; a piece without any rim is glow and goes."""
    image = np.array(photograph(balls((1, 200, 200), (1, 1, 1), 24, 28))).reshape(1, 1, 1, 200, 200)
    segmenter = segmenters()["watershed"].model_validate({"diameter_px": 5, "adapt": False})
    made = run_engine(tmp_path, image, one_set(segmenter), crew)
    flagged = made.index()[:, 10] > 0
    assert flagged.any()
    assert made.result.found["image@0", "nuclei"].objects.seams == flagged.sum()
    sound = segmenters()["watershed"].model_validate({"diameter_px": 24})
    whole = run_engine(tmp_path / "sound", image, one_set(sound), crew)
    assert len(whole.index()) > 10
    assert not whole.index()[:, 10].any()


@settings(max_examples=50)
@given(
    relief=arrays("i4", st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)),
                  elements=st.integers(0, 3)),
    origin=st.tuples(*[st.integers(0, 9)] * 3),
    cell=st.tuples(*[st.integers(1, 6)] * 3),
)  # fmt: skip
def test_pieces_lie_in_one_cell_and_the_rest_stays(
    relief: np.ndarray, origin: tuple[int, int, int], cell: tuple[int, int, int]
) -> None:
    basins, n = components((relief > 0).astype(np.int32), True)
    bounds = np.full((n + 1, 6), -1)
    for i in range(1, n + 1):
        voxels = np.argwhere(basins == i)
        bounds[i] = [*voxels.min(0), *voxels.max(0)]
    cut = Cut((4, 4, 4), cell, origin)
    large = too_large(bounds, cut)
    assert large.tolist() == [i > 0 and (bounds[i, 3:] - bounds[i, :3] >= 3).any()
                              for i in range(n + 1)]  # fmt: skip
    before = basins.copy()
    top = np.array([0] + [relief[before == i].max() + 1 for i in range(1, n + 1)])
    peaks, whole = cut_basins(basins, relief, top, large, cut)
    assert whole == n - large.sum()
    assert (basins > 0).tolist() == (before > 0).tolist()
    assert sorted(np.unique(basins[basins > 0]).tolist()) == list(range(1, peaks.size))
    small = (before > 0) & ~large[before]
    kept = np.cumsum(~large) - 1
    assert (basins[small] == kept[before[small]]).all(), "others keep their order"
    for i in range(1, peaks.size):
        voxels = np.argwhere(basins == i)
        assert peaks[i] == relief[basins == i].max() + 1
        if i > whole:
            assert len(np.unique((voxels + origin) // cell, axis=0)) == 1
            _, pieces = components((basins == i).astype(np.int32), True)
            assert pieces == 1
