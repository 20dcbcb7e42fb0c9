"""Focus scores: those of CellProfiler, spelled out with SciPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi

from qc_scenes import SPACING, field
from voxelmill.kernels.measure_cells import cells
from voxelmill.qc.detail import GLOBAL, LOCAL, Detail


def by_definition(image: NDArray[Any], scale: int) -> dict[str, float]:
    """CellProfiler 4 on one plane: labels of the parts, then means and sums by label."""
    plane = image[image.shape[0] // 2].astype(np.float64)
    height, width = plane.shape
    m, n = (height + scale - 1) // scale, (width + scale - 1) // scale
    i, j = np.mgrid[:height, :width]
    grid = (i * m // height) * n + j * n // width + 1
    labels = np.arange(1, m * n + 1)
    means = np.concatenate([[0], ndi.mean(plane, grid, labels)])
    squares = ndi.sum((plane - means[grid]) ** 2, grid, labels)
    sizes = ndi.sum(np.ones_like(plane), grid, labels)
    scores = (squares / (sizes * np.where(means[1:] == 0, np.nan, means[1:])))[means[1:] != 0]
    return {GLOBAL: plane.var() / plane.mean(), LOCAL: scores.var() / np.median(scores)}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("shape", [(512, 512), (311, 509), (43, 57)], ids=str)
@pytest.mark.parametrize("scale", [7, 20, 64])
def test_scores_are_those_of_cellprofiler(shape: tuple[int, int], dtype: str, scale: int) -> None:
    image = (field()[:, : shape[0], : shape[1]] / 8).astype(dtype)
    expected = by_definition(image, scale)
    assert Detail(scale_px=scale)(image, SPACING) == pytest.approx(expected, rel=1e-9)


def test_dark_parts_do_not_count() -> None:
    image = field()
    image[0, :200] = 0
    assert Detail()(image, SPACING) == pytest.approx(by_definition(image, 20), rel=1e-9)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_cells_cover_the_plane_once(height: int, width: int, size: int) -> None:
    plane = np.arange(height * width, dtype=np.float64).reshape(height, width)
    found = cells(plane, size)
    assert found.pixels.sum() == plane.size
    assert found.pixels.max() <= size * size
    assert (found.pixels * found.means).sum() == pytest.approx(plane.sum())
    assert found.squares.sum() <= ((plane - plane.mean()) ** 2).sum() * (1 + 1e-9)


def test_sharper_images_of_one_content_score_higher() -> None:
    values = [Detail()(field(blur=blur), SPACING) for blur in (0, 2, 4, 8)]
    assert [v[GLOBAL] for v in values] == sorted((v[GLOBAL] for v in values), reverse=True)


def test_undefined_scores_are_nan() -> None:
    broken = field().astype(np.float32)
    broken[0, 3, 3] = np.nan
    for image in (broken, np.zeros((1, 64, 64), np.uint8)):
        assert np.isnan(list(Detail()(image, SPACING).values())).all()
    flat = Detail()(np.full((1, 64, 64), 7, np.uint8), SPACING)
    assert flat[GLOBAL] == 0
    assert np.isnan(flat[LOCAL])
