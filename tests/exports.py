"""Finished results for the tests of exports: all steps in a row, called directly."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.configfile import load_config, load_settings
from voxelmill.layout import Layout
from voxelmill.plugin import Array
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.measure import measure
from voxelmill.steps.qc import qc
from voxelmill.steps.report import report
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.write import Channel, write_image
from voxelmill.synthetic import nuclei_image
from voxelmill.tables import read_table

LOST = "A/01/0"
"""Image of `write_damaged_plate` that has lost a chunk."""
PLATE = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
  cytoplasm: {subtract: [cells, nuclei]}
"""
IMAGE = """
datasets: sheet.tsv
objects:
  nuclei: {channel: 0, segmenter: {kind: watershed, diameter_um: 7}}
"""


def write_damaged_plate() -> None:
    """Write ``plate.zarr``, 4 wells of 2 fields, and its sheet, where we are."""
    write_demo_plate(Path("plate.zarr"), wells=4, fields=2, size=256, faults=False)
    next(p for p in (Path("plate.zarr") / LOST / "0" / "c").rglob("*") if p.is_file()).unlink()
    Path("sheet.tsv").write_text("dataset\turl\np\tplate.zarr\n")


def write_nuclei(axes: str, frames: int = 1, depth: int = 1) -> None:
    """Write ``image.zarr`` of one channel, voxels of 0.5 µm, and its sheet, where we are."""
    images = [nuclei_image((depth, 90, 96), 8, 14.0, seed)[0] for seed in range(1, frames + 1)]
    pixels = np.stack(images)[:, None]
    write_image("image.zarr", pixels, axes, (0.5, 0.5, 0.5), [Channel("DNA")])
    Path("sheet.tsv").write_text("dataset\turl\nimage\timage.zarr\n")


def damaged_results(home: Path, batches: int, plate_map: str = "") -> Path:
    """Folder with the plate of `write_damaged_plate` and its results, in batches of so many."""
    before = Path.cwd()
    os.chdir(home)
    try:
        write_damaged_plate()
        if plate_map:
            Path("map.tsv").write_text(plate_map)
        config = f"{PLATE}batches: {{images: {batches}}}\n"
        process(config, plate_map=Path("map.tsv") if plate_map else None)
    finally:
        os.chdir(before)
    return home


def link(home: Path, here: Path) -> None:
    """Have the plate and its results in another folder, too."""
    for name in ("results", "plate.zarr"):
        (here / name).symlink_to(home / name)


def process(config: str, results: str = "results", plate_map: Path | None = None) -> Path:
    """Run all steps of all datasets; return the results folder."""
    Path("config.yaml").write_text(f"{config}results: {results}\n")
    scan(load_config("config.yaml"), "config.yaml")
    settings, how = load_settings("config.yaml"), Execution()
    for folder in sorted(Path(results).glob("*/batches")):
        layout = Layout(folder.parent)
        batches = sorted(folder.glob("*.json"))
        for file in batches:
            name = file.stem
            segmented = layout.record("segment", name)
            qc(file, layout.record("qc", name), settings, how)
            segment(file, segmented, settings, how)
            measure(file, segmented, layout.record("measure", name), settings, how)
        aggregate(batches, layout.record("aggregate"), settings, plate_map)
        report(batches, layout.record("report"), settings)
    return Path(results)


def table(layout: Layout, name: str) -> dict[str, Any]:
    """Table of an object set over all batches."""
    return read_table(sorted((layout.root / "objects" / name).glob("*.parquet")))


def same_bits(a: Array, b: Array) -> bool:
    """Whether floating point numbers are the very same, NaN included."""
    return np.array_equal(
        np.asarray(a, np.float64).view(np.int64), np.asarray(b, np.float64).view(np.int64)
    )
