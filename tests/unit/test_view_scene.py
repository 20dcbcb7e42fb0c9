"""What the viewer is told of images and their labels."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from view_samples import PIXEL_UM, objects, save_labels
from voxelmill.ngff import Group, Image, parse_group
from voxelmill.ngff.group import DOCUMENTS
from voxelmill.plugin import BadInput
from voxelmill.store import open_image
from voxelmill.store.documents import Version
from voxelmill.store.write import Channel as Written
from voxelmill.store.write import write_image
from voxelmill.viewing.channels import Channel, channels_of
from voxelmill.viewing.metadata import group_documents, has_units
from voxelmill.viewing.scene import Labels, check_shown, scene

VERSIONS: tuple[Version, ...] = ("0.4", "0.5")
WHITE = Channel("DNA", "#ffffff", (10.0, 90.0), True)


def group_of(place: Path, version: str) -> Group:
    return parse_group((place / DOCUMENTS[version]).read_bytes(), version, place.name)


def image(
    tmp_path: Path, *, axes: str = "cyx", version: Version = "0.5", dtype: str = "u2",
    shape: tuple[int, ...] = (1, 2, 1, 300, 500), channels: Sequence[Written | str] = (),
) -> tuple[Image, Group, Path]:  # fmt: skip
    place = tmp_path / "i.zarr"
    ramp = np.broadcast_to(np.arange(shape[-1]) % 200 + 5, shape)
    spacing = (2.0 if "z" in axes else None, PIXEL_UM, PIXEL_UM)
    channels = channels or [str(c) for c in range(shape[1])]
    write_image(str(place), ramp.astype(dtype), axes, spacing, channels, version=version)
    return open_image(str(place)), group_of(place, version), place


def served(image: Image, group: Group, *, units: bool = True) -> dict[str, Any]:
    found = json.loads(next(iter(group_documents(image, group, units=units).values())))
    ome = found["attributes"]["ome"] if "attributes" in found else found
    return dict(ome["multiscales"][0])


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_are_kept(tmp_path: Path, version: Version) -> None:
    opened, group, place = image(tmp_path, version=version)
    found = served(opened, group)
    own = json.loads((place / DOCUMENTS[version]).read_text())
    own = own["multiscales"][0] if version == "0.4" else own["attributes"]["ome"]["multiscales"][0]
    assert found["datasets"] == own["datasets"]
    assert found["axes"] == own["axes"]


def test_what_is_served_is_valid(tmp_path: Path) -> None:
    for version in VERSIONS:
        folder = tmp_path / version
        opened, group, place = image(folder, version=version)
        for name, content in group_documents(opened, group, units=True).items():
            (place / name).write_bytes(content)
        again = open_image(str(place))
        assert (again.axes, again.shape, again.spacing_um) == (
            opened.axes, opened.shape, opened.spacing_um)  # fmt: skip


def shifted(place: Path, unit: str, shifts: list[list[float]]) -> None:
    """Give a 0.4 image another unit, and each level a translation."""
    file = place / ".zattrs"
    document = json.loads(file.read_text())
    entry = document["multiscales"][0]
    for axis in entry["axes"]:
        if axis["type"] == "space":
            axis["unit"] = unit
    for level, shift in zip(entry["datasets"], shifts, strict=True):
        level["coordinateTransformations"].append({"type": "translation", "translation": shift})
    file.write_text(json.dumps(document))


def test_translations_are_seen_from_level_0_in_micrometres(tmp_path: Path) -> None:
    _, _, place = image(tmp_path, version="0.4")
    shifted(place, "nanometer", [[0, 1000.0, 2000.0], [0, 1000.25, 2000.25]])
    opened, group = open_image(str(place)), group_of(place, "0.4")
    found = served(opened, group)
    steps = [level["coordinateTransformations"] for level in found["datasets"]]
    assert [step["type"] for step in steps[0]] == ["scale"]
    assert steps[0][0]["scale"] == pytest.approx([1, PIXEL_UM / 1000, PIXEL_UM / 1000])
    assert steps[1][1]["translation"] == pytest.approx([0, 0.00025, 0.00025])


def test_labels_and_image_say_the_same(tmp_path: Path) -> None:
    """The image has been moved; its labels, which say nothing of that, lie on it all the same."""
    labels = objects()
    z, y, x = labels.shape
    opened, _, place = image(tmp_path, version="0.4", shape=(1, 1, z, y, x))
    shifted(place, "micron", [[0, 30.0, 40.0]] * len(opened.levels))
    save_labels(tmp_path / "labels.zarr", "", labels, ["nuclei"])
    mine = open_image(str(tmp_path / "labels.zarr"), "labels/nuclei")
    picture = served(open_image(str(place)), group_of(place, "0.4"))
    overlay = served(mine, group_of(tmp_path / "labels.zarr" / "labels" / "nuclei", "0.5"))
    assert overlay["axes"] == picture["axes"][1:]
    for one, other in zip(overlay["datasets"], picture["datasets"], strict=True):
        (scale,) = one["coordinateTransformations"]
        (own,) = other["coordinateTransformations"]
        assert scale["scale"] == own["scale"][1:]


def test_without_a_pixel_size_no_length_is_claimed(tmp_path: Path) -> None:
    place = tmp_path / "i.zarr"
    write_image(str(place), np.ones((1, 1, 1, 64, 64), "u1"), "yx", None, ["a"])
    opened, group = open_image(str(place)), group_of(place, "0.5")
    assert not has_units(group)
    assert all("unit" not in axis for axis in served(opened, group, units=False)["axes"])
    state = scene(opened, "u/", [WHITE], [], title="", units=False)
    assert state["dimensions"] == {"x": [1.0, ""], "y": [1.0, ""]}


def test_contrast_is_what_omero_says(tmp_path: Path) -> None:
    channels = [Written("DNA", "4080FF", (7, 99)), Written("AGP", None, (0, 65535))]
    opened, group, _ = image(tmp_path, channels=channels)
    one, other = channels_of(opened, group)
    assert (one.name, one.colour, one.limits, one.shown) == ("DNA", "#4080ff", (7, 99), True)
    # The whole range of the data type says nothing: measured.
    assert 4 <= other.limits[0] <= 20
    assert 180 <= other.limits[1] <= 210


def test_contrast_of_an_image_that_says_nothing(tmp_path: Path) -> None:
    _, _, place = image(tmp_path, shape=(1, 6, 1, 300, 500))
    file = place / "zarr.json"
    document = json.loads(file.read_text())
    del document["attributes"]["ome"]["omero"]
    file.write_text(json.dumps(document))
    found = channels_of(open_image(str(place)), group_of(place, "0.5"))
    assert [c.shown for c in found] == [True] * 4 + [False] * 2
    assert len({c.colour for c in found}) == 6
    assert all(180 <= c.limits[1] <= 210 for c in found)


def test_what_is_lost_does_not_stop_the_view(tmp_path: Path) -> None:
    opened, group, place = image(tmp_path, channels=[Written(n, None, (0, 65535)) for n in "ab"])
    for chunk in [*(place / "0" / "c").rglob("*"), *(place / "1" / "c").rglob("*")]:
        if chunk.is_file():
            chunk.write_bytes(b"")
    assert len(channels_of(opened, group)) == 2


def test_the_view_begins_in_the_middle(tmp_path: Path) -> None:
    opened, _, _ = image(tmp_path, axes="tczyx", shape=(3, 2, 16, 64, 80))
    state = scene(opened, "u/", [WHITE, WHITE], [], title="t", units=True)
    assert state["position"] == [40.0, 32.0, 8.5, 0.5]
    assert state["dimensions"]["z"] == pytest.approx([2e-6, "m"])
    assert state["layout"] == "4panel"
    assert [layer["localPosition"] for layer in state["layers"]] == [[0], [1]]
    assert [layer["name"] for layer in state["layers"]] == ["DNA", "DNA (2)"]


def test_contrast_stays_within_the_data_type(tmp_path: Path) -> None:
    """The viewer ignores what does not fit, and shows an almost black image."""
    opened, _, _ = image(tmp_path, dtype="u1")
    for limits in ((0.0, 255.0), (254.7, 260.0), (-5.0, 0.2), (255.0, 255.0)):
        channel = Channel("a", "#ffffff", limits, True)
        state = scene(opened, "u/", [channel, channel], [], title="t", units=True)
        contrast = state["layers"][0]["shaderControls"]["contrast"]
        (low, high), window = contrast["range"], contrast["window"]
        assert 0 <= low < high <= 255
        assert all(isinstance(n, int) and 0 <= n <= 255 for n in (low, high, *window))


def test_layers_have_names_of_their_own(tmp_path: Path) -> None:
    opened, _, _ = image(tmp_path, shape=(1, 1, 1, 64, 64))
    sets = [Labels("DNA", "0.5", "v/"), Labels("cells", "0.5", "w/")]
    state = scene(opened, "u/", [WHITE], sets, title="t", units=True)
    assert [layer["name"] for layer in state["layers"]] == ["DNA", "DNA (2)", "cells"]


def test_what_the_viewer_cannot_read_is_said(tmp_path: Path) -> None:
    opened, _, _ = image(tmp_path, dtype="f8")
    with pytest.raises(BadInput, match="the viewer shows"):
        check_shown(opened)
