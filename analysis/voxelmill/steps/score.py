"""`voxelmill demo`: make the synthetic plate, run the workflow, compare with the planted truth."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from voxelmill.blocks import Box
from voxelmill.home import home
from voxelmill.labelsource import labelled_images
from voxelmill.layout import Layout
from voxelmill.report import overlay_rgb
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.run import Where, run
from voxelmill.store.labels import read_labels
from voxelmill.store.read import open_image, read_box
from voxelmill.tables import read_table, rows

PICTURE = 400
"""Edge in pixels of the corner shown; drawn at twice its size, so that outlines are fine."""
CAUGHT_BY = {"out_of_focus": "OutOfFocus", "saturated": "Saturated", "empty": "Empty"}
"""QC fault that must be raised for each planted one; a lost chunk must be quarantined."""


def demo(out: Path, cores: int | None) -> int:
    """Make the plate unless it is there, run the workflow on it, print counts and score.

    Returns
    -------
    int
        Snakemake's exit code.
    """
    plate = out / "plate.zarr"
    if not plate.exists():
        sys.stderr.write(f"writing a synthetic plate to {plate} …\n")
        out.mkdir(parents=True, exist_ok=True)
        write_demo_plate(plate)
    started = time.monotonic()
    code = run(_config(out), Where(cores=cores))
    seconds = time.monotonic() - started
    if code == 0:
        truth = json.loads((out / "plate.truth.json").read_text(encoding="utf-8"))
        layout = Layout(out / "results" / "demo")
        lines = [*count_table(layout), *score(layout, truth)]
        lines.append(f"workflow: {seconds:.0f} s; outlines on a field: {_picture(layout, out)}")
        lines.append(f"report: {layout.report}")
        sys.stdout.write("\n".join(lines) + "\n")
    return code


def _config(out: Path) -> Path:
    """Configuration and sheet beside the plate, made from the packaged ones."""
    settings = yaml.safe_load((home("configs") / "demo.yaml").read_text(encoding="utf-8"))
    settings |= {"datasets": "demo.tsv", "results": str(out / "results")}
    config, sheet = out / "demo.yaml", out / "demo.tsv"
    for path, text in (
        (config, yaml.safe_dump(settings, sort_keys=False)),
        (sheet, "dataset\turl\ndemo\tplate.zarr\n"),
    ):
        # Left alone where it is the same: the sheet's age decides whether Snakemake scans.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return config


def _picture(layout: Layout, out: Path) -> Path:
    """Write the outlines on a corner of the first sound field as ``overlay.jpg``."""
    images = rows(read_table(layout.images))
    path = next(row["Metadata_Image"] for row in images if row["Metadata_Status"] == "ok")
    image = open_image(str(out / "plate.zarr"), path)
    box = Box((0, 0, 0), (1, PICTURE, PICTURE))
    pixels = read_box(image, 0, range(len(image.channels)), box)[:, 0]
    root = str(labelled_images(layout)[path][0])
    labels = {s: read_labels(root, path, s, 0, box)[0] for s in ("nuclei", "cells")}
    big = {s: found.repeat(2, axis=0).repeat(2, axis=1) for s, found in labels.items()}
    rgb = overlay_rgb(pixels.repeat(2, axis=1).repeat(2, axis=2), big)
    file = out / "overlay.jpg"
    file.write_bytes(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes())
    return file


def count_table(layout: Layout) -> list[str]:
    """Lines with the nuclei counted per well, in plate layout."""
    wells = read_table(layout.wells)
    counts = dict(zip(wells["Metadata_Well"], wells["Metadata_Count_Nuclei"], strict=True))
    letters = sorted({w[0] for w in counts})
    columns = sorted({w[1:] for w in counts})
    lines = ["", "nuclei per well", "     " + "".join(f"{c:>7}" for c in columns)]
    for letter in letters:
        cells = (counts.get(letter + c, np.nan) for c in columns)
        lines.append(f"  {letter}  " + "".join(f"{n:7.0f}" for n in cells))
    return lines


def score(layout: Layout, truth: Mapping[str, Any]) -> list[str]:
    """Compare with the truth: planted nuclei found in sound fields, planted faults caught."""
    images = {row["Metadata_Image"]: row for row in rows(read_table(layout.images))}
    faults = {f["image"]: f["fault"] for f in truth["faults"]}
    planted = found = counted = 0
    roots = labelled_images(layout)
    for image, entry in truth["images"].items():
        if image not in faults and images[image]["Metadata_Status"] != "quarantined":
            planted += len(entry["centroids_px"])
            found += _hits(roots[image][0], image, entry["centroids_px"])
            counted += int(images[image]["Metadata_Count_Nuclei"])
    caught = sum(_caught(fault, images[image]) for image, fault in faults.items())
    false = [i for i, row in images.items() if row["Metadata_Flags"] and i not in faults]
    return [
        "",
        (
            f"planted nuclei found: {found} of {planted} ({100 * found / planted:.1f} %) "
            f"in sound fields; {counted} objects there"
        ),
        (
            f"planted faults caught: {caught} of {len(faults)} fields; "
            f"{len(false)} sound fields flagged"
        ),
        *(f"  missed: {f} in {i}" for i, f in faults.items() if not _caught(f, images[i])),
    ]


def _hits(root: Path, image: str, centroids: Sequence[Sequence[float]]) -> int:
    """Planted nuclei whose centre lies in an object of their own."""
    points = np.round(np.asarray(centroids)).astype(int).reshape(-1, 2)
    if not len(points):
        return 0
    stop = points.max(axis=0) + 1
    box = Box((0, 0, 0), (1, int(stop[0]), int(stop[1])))
    labels = read_labels(str(root), image, "nuclei", 0, box)[0]
    hit = labels[points[:, 0], points[:, 1]]
    return len(set(hit[hit > 0].tolist()))


def _caught(fault: str, row: Mapping[str, Any]) -> bool:
    if fault == "lost_chunk":
        return bool(row["Metadata_Status"] == "quarantined")
    return CAUGHT_BY[fault] in row["Metadata_Flags"]
