"""Real fields tiled into one image, real volumes tiled into one: whole and in blocks the same."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import mosaic
from shared import needs_shared
from voxelmill.execution import Blocks
from voxelmill.proof import SAME

CASES = {
    "bbbc039": ((4, 3), (1.0, 1.0, 1.0), mosaic.NUCLEI, [Blocks(size=512), Blocks(size=1024)], 900),
    "stack": ((2, 1, 4), mosaic.BALLS_SPACING, mosaic.BALLS, [Blocks(size=75, depth=40)], 200),
}


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_a_mosaic_is_the_same_whole_and_in_blocks(name: str, tmp_path: Path) -> None:
    counts, spacing, segmenter, blocks, least = CASES[name]
    pixels = mosaic.mosaic(*counts) if len(counts) == 2 else mosaic.volume(counts)
    mosaic.write(tmp_path, pixels, spacing)
    shape = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
    found = list(mosaic.compare(tmp_path, shape, mosaic.settings(segmenter), blocks))
    assert [t.judged for t in found[1:] if t.judged is None or t.judged.worst != SAME] == []
    assert {t.objects for t in found} == {found[0].objects}
    assert found[0].objects > least
    assert len(found) == 2 * len(blocks) + 2


@needs_shared
def test_mosaics_are_tiled_of_different_fields() -> None:
    pixels = mosaic.mosaic(2, 2)
    assert pixels.shape == (1, 1040, 1392)
    quarters = [pixels[0, y : y + 520, x : x + 696] for y in (0, 520) for x in (0, 696)]
    assert len({q.tobytes() for q in quarters}) == 4
    stack = mosaic.volume((1, 1, 2))
    np.testing.assert_array_equal(stack[..., :57], stack[..., :56:-1])
