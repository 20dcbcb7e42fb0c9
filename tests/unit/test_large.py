"""The generator of large images: any window alone is what is in the whole, every chunk is there."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from benchmarks import large
from voxelmill.blocks import Box
from voxelmill.store import inventory, open_image, read_box
from voxelmill.store.write import mean_pyramid


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_windows_shards_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: Literal["0.4", "0.5"]
) -> None:
    monkeypatch.setattr(large, "SHARD", 512)
    image = open_image(str(large.write_large(tmp_path / "i.zarr", 1300, 256, version, seed=3)))
    pixels, labels = large.render((0, 0), (1300, 1300), seed=3)
    assert 0.2 < (labels > 0).mean() < 0.3
    for number, level in enumerate(mean_pyramid(pixels[None, None, None])):
        assert inventory(image, number).complete
        box = Box((0, 0, 0), level.shape[2:])
        np.testing.assert_array_equal(read_box(image, 0, [0], box, number)[0], level[0, 0])
    part, ids = large.render((500, 700), (333, 400), seed=3)
    np.testing.assert_array_equal(part, pixels[500:833, 700:1100])
    np.testing.assert_array_equal(ids, labels[500:833, 700:1100])
