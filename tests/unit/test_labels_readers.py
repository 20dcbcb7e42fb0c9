"""What we write, read by others: ome-zarr-models validates it, ome-zarr-py finds the labels."""

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Label, Reader
from ome_zarr_models import open_ome_zarr

from voxelmill.blocks import Box
from voxelmill.plugin import Array, Labels
from voxelmill.store import open_dataset, open_image, read_box
from voxelmill.store.labels import create_labels, write_labels
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import write_image

SHAPE = (1, 700, 520)
Plate: TypeAlias = tuple[Path, Array]
Labelled: TypeAlias = tuple[Path, Labels]


@pytest.fixture(params=["0.4", "0.5"])
def plate(request: pytest.FixtureRequest, tmp_path: Path) -> Plate:
    pixels = np.random.default_rng(0).integers(0, 900, (1, 2, *SHAPE)).astype(np.uint16)
    place = tmp_path / "in" / "p.zarr"
    for path in ("B/02/0", "B/02/1"):
        write_image(
            str(place / path), pixels, "cyx", (1, 0.5, 0.5), ["DNA", "ER"], version=request.param
        )
    wells = {("B", "02"): [Field("0", 1), Field("1", 1)]}
    write_plate(str(place), "p", wells, acquisitions={1: "day 1"}, version=request.param)
    return place, pixels


@pytest.fixture
def labelled(tmp_path: Path, plate: Plate) -> Labelled:
    root, image = tmp_path / "out" / "labels.ome.zarr", "B/02/0"
    labels = np.kron(np.arange(35 * 26).reshape(1, 35, 26), np.ones((1, 20, 20))).astype(np.int32)
    source = os.path.relpath(plate[0] / image, root / image / "labels" / "nuclei")
    create_labels(
        str(root), image, "cyx", (1, 2, *SHAPE), (1, 0.5, 0.5), ["nuclei"], "nuclei", source
    )
    write_labels(str(root), image, "nuclei", 0, Box((0, 0, 0), SHAPE), labels)
    return root / image / "labels", labels


@pytest.mark.filterwarnings("error")
def test_models_accept_plate_well_and_image(plate: Plate) -> None:
    place, _ = plate
    for path, kind in (("", "HCS"), ("B/02", "Well"), ("B/02/0", "Image")):
        model = open_ome_zarr(zarr.open_group(place / path if path else place, mode="r"))
        assert type(model).__name__ == kind


@pytest.mark.filterwarnings("error")
def test_models_accept_labels(labelled: Labelled) -> None:
    folder, _ = labelled
    label = open_ome_zarr(zarr.open_group(folder / "nuclei", mode="r"))
    assert type(label).__name__ == "ImageLabel"
    assert type(open_ome_zarr(zarr.open_group(folder, mode="r"))).__name__ == "Labels"
    levels = label.attributes.ome.multiscales[0].datasets
    scales = [d.coordinateTransformations[0].scale for d in levels]
    assert scales == [[0.5, 0.5], [1.0, 1.0], [2.0, 2.0]]


def test_ome_zarr_py_reads_labels_and_finds_the_image(labelled: Labelled, plate: Plate) -> None:
    folder, labels = labelled
    nodes = list(Reader(parse_url(str(folder / "nuclei"), mode="r"))())
    own = next(n for n in nodes if any(isinstance(s, Label) for s in n.specs))
    assert [d.shape for d in own.data] == [(700, 520), (350, 260), (175, 130)]
    for level, data in enumerate(own.data):
        np.testing.assert_array_equal(data.compute(), labels[0, :: 2**level, :: 2**level])
    sources = [n for n in nodes if n is not own]
    assert sources, "the image that the labels belong to"
    np.testing.assert_array_equal(sources[0].data[0].compute(), plate[1][0, :, 0])


def test_ome_zarr_py_lists_labels(labelled: Labelled) -> None:
    folder, _ = labelled
    nodes = list(Reader(parse_url(str(folder), mode="r"))())
    assert any(n.zarr.basename() == "nuclei" for n in nodes)


def test_own_reader(plate: Plate) -> None:
    place, pixels = plate
    dataset = open_dataset(str(place))
    assert [ref.path for ref in dataset.images] == ["B/02/0", "B/02/1"]
    image = open_image(str(place), "B/02/0")
    assert image.channels == ("DNA", "ER")
    assert image.spacing_um == (1.0, 0.5, 0.5)
    box = Box((0, 5, 7), (1, 50, 60))
    np.testing.assert_array_equal(read_box(image, 0, [1], box)[0], pixels[0, 1][box.slices])
