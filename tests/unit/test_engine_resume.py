"""Interrupted and failing runs: only what is missing is done again, and the bytes are the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine_runs import Made, one_set, run_engine, workers
from simple_segmenters import Components, Counting, whole_image
from voxelmill.plugin import BlocksFailed
from voxelmill.run import Pool

BLOCK = (64, 16)


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with workers() as made:
        yield made


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Two by two blocks; only the last one, and the halo of none, holds a 7."""
    image = np.zeros((1, 1, 1, 32, 32), np.uint8)
    image[..., 5:9, 14:18] = image[..., 14:18, 14:18] = 1
    image[..., 29:31, 29:31] = 7
    return image


def again(crew: Pool, folder: Path, pixels: NDArray[np.uint8], **more: object) -> tuple[Made, int]:
    """Run, and how many blocks were segmented for it."""
    segmenter = Counting(folder=str(folder))
    before = segmenter.calls
    made = run_engine(folder, pixels, one_set(segmenter), crew, block=BLOCK, **more)  # type: ignore[arg-type]
    return made, segmenter.calls - before


@pytest.fixture
def broken(crew: Pool, tmp_path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Folder of a run of which one block of four has failed."""
    (tmp_path / "broken").touch()
    (tmp_path / "calls").touch()
    with pytest.raises(BlocksFailed, match=r"nuclei: segment: 1 of 4 .*image@0 0,1,1.*out of luck"):
        again(crew, tmp_path, pixels)
    assert Counting(folder=str(tmp_path)).calls == 4, "the others finish"
    (tmp_path / "broken").unlink()
    return tmp_path


def test_only_the_failed_block_is_done_again(
    crew: Pool, broken: Path, pixels: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made, calls = again(crew, broken, pixels)
    assert calls == 1
    whole = run_engine(tmp_path_factory.mktemp("whole"), pixels, one_set(Components()), crew)
    np.testing.assert_array_equal(made.labels["nuclei"], whole.labels["nuclei"])
    np.testing.assert_array_equal(made.labels["nuclei"][0], whole_image(pixels[0, 0]))
    key = ("image@0", "nuclei")
    np.testing.assert_array_equal(made.indexes[key], whole.indexes[key])


def test_a_finished_run_does_nothing_again(
    crew: Pool, broken: Path, pixels: NDArray[np.uint8]
) -> None:
    first, _ = again(crew, broken, pixels)
    ledger = (broken / "scratch" / "ledger.jsonl").read_bytes()
    second, calls = again(crew, broken, pixels)
    assert calls == 0
    np.testing.assert_array_equal(first.labels["nuclei"], second.labels["nuclei"])
    assert (broken / "scratch" / "ledger.jsonl").read_bytes() == ledger


@pytest.mark.parametrize("lines", range(1, 12, 2))
def test_a_run_cut_off_anywhere_gives_the_same_labels(
    crew: Pool, broken: Path, pixels: NDArray[np.uint8], lines: int
) -> None:
    """Keep some lines of the ledger and half of the next: what a kill leaves behind."""
    whole, _ = again(crew, broken, pixels)
    path = broken / "scratch" / "ledger.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept[:lines]) + "".join(kept[lines : lines + 1])[:9])
    done = sum("nuclei: segment" in line for line in kept[:lines])
    labels = broken / "nuclei.labels"
    if lines < 10:
        labels.write_bytes(bytes(labels.stat().st_size))
    made, calls = again(crew, broken, pixels)
    assert calls == 4 - done
    np.testing.assert_array_equal(made.labels["nuclei"], whole.labels["nuclei"])


def test_another_identity_starts_anew(crew: Pool, broken: Path, pixels: NDArray[np.uint8]) -> None:
    _, calls = again(crew, broken, pixels, identity="other")
    assert calls == 4
