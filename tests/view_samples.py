"""Results as a run leaves them, made up of what `voxelmill view` reads."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples import balls, photograph
from voxelmill.batch import Batch, Item
from voxelmill.blocks import Box
from voxelmill.layout import Layout
from voxelmill.ledger import write_json
from voxelmill.store.archive import pack
from voxelmill.store.labels import create_labels, write_coarse_labels, write_labels
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import Channel, write_image
from voxelmill.tables import write_table

EDGE, PIXEL_UM = 600, 0.5
HOSTILE = "<img src=x onerror=alert(1)>"


def objects(shape: tuple[int, int, int] = (1, EDGE, EDGE)) -> NDArray[np.int32]:
    """Labels (z, y, x) of large discs, ids with gaps."""
    return balls(shape, (1.0, PIXEL_UM, PIXEL_UM), 40, 60)


def save_labels(root: Path, path: str, labels: NDArray[np.int32], names: Sequence[str]) -> None:
    """Write the labels of an image under several names."""
    z, y, x = labels.shape
    axes = "zyx" if z > 1 else "yx"
    spacing = (1.0, PIXEL_UM, PIXEL_UM)
    for name in names:
        create_labels(
            str(root), path, axes, (1, 1, z, y, x), spacing, names, name, "../../../../plate.zarr"
        )
        write_labels(str(root), path, name, 0, Box((0, 0, 0), (z, y, x)), labels)
        write_coarse_labels(str(root), path, name, 0)


def item(path: str, well: str, site: str) -> Item:
    """One image of a plate."""
    return Item(path, "plate", well, well[:1], well[1:], site, None, EDGE * EDGE)


def results(folder: Path, *, zipped: bool = False, url: str = "plate.zarr") -> Path:
    """Results of a plate with two images; the second is quarantined and has no labels.

    `url` is what the sheet has said of the plate.
    """
    labels = objects()
    plate = folder / "plate.zarr"
    write_plate(str(plate), "plate", {("B", "03"): [Field("0"), Field("1")]})
    for site in "01":
        place = str(plate / "B" / "03" / site)
        pixels = photograph(labels)[None]
        write_image(place, pixels, "cyx", (None, PIXEL_UM, PIXEL_UM), [Channel("DNA", "FFFFFF")])
    layout = Layout(folder / "results" / "p")
    items = (item("B/03/0", "B03", "0"), item("B/03/1", "B03", "1"))
    write_json(layout.batch("0000"), Batch("p", url, "0000", items).as_json())
    save_labels(layout.labels, "B/03/0", labels, ("nuclei", "cells"))
    if zipped:
        pack(layout.labels, layout.archive("0000"))
        shutil.rmtree(layout.labels)
    columns = {
        "Metadata_Image": ["B/03/0", "B/03/1"],
        "Metadata_Status": ["flagged", "quarantined"],
        "Metadata_Verdict": ["warn", "fail"],
        "Metadata_Flags": [f"DNA: {HOSTILE}", ""],
        "Metadata_Excluded": ["", ""],
        "Metadata_Reason": ["", "1 of 4 chunks absent"],
    }
    write_table(layout.images, columns)
    layout.report.write_text("<!doctype html><title>report</title>")
    (layout.root / "secret.json").write_text(json.dumps({"not": "a page"}))
    return folder / "results"
