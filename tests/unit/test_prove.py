"""`voxelmill prove`: its choice of variants, its judgement, and that it sees what is wrong."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from samples import balls, photograph
from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.difference import SEAM, changed_files, first_row, table_difference
from voxelmill.execution import Blocks
from voxelmill.objectsets import Segmented
from voxelmill.outside import excused
from voxelmill.plugin import BadConfig, BadInput, Index, Labels, Pixels, Spacing
from voxelmill.segmenters import Segmenter
from voxelmill.steps.bench import Effort
from voxelmill.steps.prove import numbers, prove
from voxelmill.store.write import write_image
from voxelmill.tables import write_table
from voxelmill.variants import block_sizes, covering, every, read_share, whole

CONFIG = """
datasets: none.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: threshold, diameter_px: 12}}
"""
SHAPES: list[tuple[Index, Index]] = [
    ((1, 1024, 1024), (1, 40, 40)),
    ((1, 1024, 300), (1, 130, 130)),
    ((31, 200, 180), (12, 30, 30)),
    ((1, 40, 33), (1, 60, 60)),
]


@pytest.mark.parametrize(("shape", "halo"), SHAPES, ids=str)
def test_few_variants_hold_all_pairs_of_values(shape: Index, halo: Index) -> None:
    found = every([whole(shape), *block_sizes(shape, halo)], ["a", "b", "c"], (1, 2, 4))
    must, more = covering(found)

    def pairs(variants: list[Any]) -> set[Any]:
        return {p for v in variants for p in combinations(enumerate(v.values), 2)}

    assert pairs(must + more) == pairs(found)
    assert {x for v in must for x in enumerate(v.values)} == {
        x for v in found for x in enumerate(v.values)
    }
    assert len(must) <= 6
    assert len(must) + len(more) <= 20


@pytest.mark.parametrize(("shape", "halo"), SHAPES[:3], ids=str)
def test_block_sizes_cut_in_different_places(shape: Index, halo: Index) -> None:
    sizes = block_sizes(shape, halo)
    assert len(set(sizes)) == 4
    edges = [{i * b.size for i in range(1, shape[1] // b.size + 1)} for b in sizes]
    assert all(not (a & b) for a, b in combinations(edges, 2))
    assert all(len(Grid(shape, (b.depth, b.size, b.size))) > 1 for b in sizes)
    assert shape[0] == 1 or min(b.depth for b in sizes) < shape[0]
    assert read_share(shape, whole(shape), halo) == 1


def scene() -> NDArray[np.int32]:
    labels = np.zeros((1, 6, 12), np.int32)
    labels[0, 1:3, 1:4], labels[0, 1:3, 6:10], labels[0, 4, 2] = 1, 2, 3
    return labels


def test_only_flagged_objects_excuse_differences() -> None:
    one, none = scene(), np.zeros(0, np.int64)
    split = one.copy()
    split[one == 3], split[0, 1:3, 8:10] = 4, 3
    assert not excused(one, split, none, none)
    assert not excused(one, split, np.array([1]), np.array([1, 4]))
    assert excused(one, split, np.array([2]), none)
    assert excused(one, split, none, np.array([3]))
    lost = np.where(one == 3, 0, one)
    assert not excused(one, lost, np.array([2]), np.array([2]))
    assert excused(one, lost, np.array([3]), none)
    assert excused(lost, one, none, np.array([3]))


def test_other_ids_of_the_same_objects_are_never_excused() -> None:
    one = scene()
    swapped = np.choose(one, [0, 2, 1, 3]).astype(np.int32)
    assert not excused(one, swapped, np.array([1, 2, 3]), np.array([1, 2, 3]))


def test_the_first_row_that_differs_is_named(tmp_path: Path) -> None:
    table = {"id": np.arange(4), SEAM: np.zeros(4, bool), "a": np.array([1, np.nan, 2, 3])}
    flags = {**table, SEAM: np.array([False, True, False, False])}
    value = {**flags, "a": np.array([1, np.nan, 2, np.nextafter(3, 4)])}
    for name, columns in (("0", table), ("1", table), ("2", flags), ("3", value)):
        write_table(tmp_path / name, columns)
    kinds = [table_difference(tmp_path / "0", tmp_path / n, SEAM) for n in "123"]
    assert [k for k, _ in kinds] == ["same", "flags", "different"]
    assert kinds[2][1] == "row 3, a: 3.0; here 3.0000000000000004"
    assert "row 1, Metadata_Seam: False" in kinds[1][1]
    assert first_row(table, {k: v[:2] for k, v in table.items()}) == "4 rows; here 2"
    assert "columns" in first_row(table, {"id": table["id"]})


def test_changed_added_and_lost_files_are_seen(tmp_path: Path) -> None:
    for name, files in (("a", "xyz"), ("b", "xyw")):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text(file)
    (tmp_path / "b" / "x").write_text("other")
    found = changed_files(tmp_path / "a", tmp_path / "b")
    assert [str(f) for f in found] == ["w", "x", "z"]


class Shallow(Segmenter):
    """What is brighter than the middle of its block's range: depends on blocks, and says not."""

    kind: Literal["shallow"] = "shallow"

    def halo(self, spacing_um: Spacing) -> Index:
        """Fixed."""
        return 0, 20, 20

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        labels, _ = ndimage.label(image[0] > np.percentile(image, 80))
        return np.asarray(labels, np.int32)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prove") / "image.ome.zarr"
    pixels = photograph(balls((1, 130, 170), (1, 1, 1), 12, 22))
    write_image(str(folder), pixels[None], "cyx", (1, 1, 1), ["DNA"])
    return folder


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_segmenter_that_depends_on_its_block_is_found_out(image: Path) -> None:
    spec = Segmented.model_construct(channel="DNA", segmenter=Shallow())
    said: list[str] = []
    job = Settings().model_copy(update={"objects": {"nuclei": spec}})
    assert (
        prove(str(image), None, job, Effort(minutes=0.0, workers=(1,), edge=130), said.append) == 1
    )
    assert said[-1].startswith("DIFFERENT in")
    assert "first in blocks of" in said[-1]
    assert "nuclei: level 0, t 0, voxel (z 0, y " in said[-1]


def test_an_empty_crop_proves_nothing(tmp_path: Path) -> None:
    write_image(str(tmp_path / "x.zarr"), np.ones((1, 1, 1, 40, 40), np.uint8), "yx", None, ["DNA"])
    spec = {"channel": "0", "segmenter": {"kind": "threshold", "diameter_px": 9}}
    job = Settings.model_validate({"objects": {"nuclei": spec}})
    with pytest.raises(BadInput, match="no objects in its middle 40 x 40"):
        prove(str(tmp_path / "x.zarr"), None, job, Effort(), lambda _: None)


def command(image: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").write_text(CONFIG)
    line = [
        sys.executable,
        "-m",
        "voxelmill",
        "prove",
        str(image),
        "--config",
        "config.yaml",
        *more,
    ]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_prints_a_table_and_a_verdict(image: Path, tmp_path: Path) -> None:
    done = command(image, tmp_path, "--workers", "1", "--crop", "170", "--minutes", "0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("image.ome.zarr: its middle 130 x 170 of 130 x 170 voxels; halo ")
    assert lines[1].split()[:3] == ["block", "stored", "workers"]
    assert lines[2].endswith("the reference")
    assert all(line.split()[-3:] == ["same"] * 3 for line in lines[3:8])
    assert lines[8].startswith("identical in 5 of 5 variants: labels, pyramid and tables of nuclei")
    assert "time was up before" in lines[9]
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--blocks", "8"], "--blocks 8: allowed: whole numbers from 16"),
        (["--path", "nowhere"], "no such image"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(image: Path, tmp_path: Path, more: list[str], says: str) -> None:
    done = command(image, tmp_path, *more)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr


@pytest.mark.parametrize("text", ["two", "1,0", "1;2", "-1"])
def test_numbers_are_checked(text: str) -> None:
    assert numbers("--workers", "1, 2,2", 1) == (1, 2)
    with pytest.raises(BadConfig, match="allowed: whole numbers from 1"):
        numbers("--workers", text, 1)


def test_sizes_that_are_asked_for_are_tried(image: Path) -> None:
    with_whole = [whole((1, 130, 170)), *[Blocks(size=n, depth=1) for n in (40, 64)]]
    must, more = covering(every(with_whole, ["a"], (1,)))
    assert {v.blocks.size for v in must + more} == {170, 40, 64}
