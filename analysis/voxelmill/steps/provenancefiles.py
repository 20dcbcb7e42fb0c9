"""Folder ``provenance/`` of a dataset: what a rerun needs, in the results themselves.

``config.yaml``: all that changes a result, how stores are reached, the study. ``datasets.tsv``: the
dataset's line. A copy of its plate map. ``workflow/``: the workflow that ran.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from voxelmill.home import home
from voxelmill.layout import Layout
from voxelmill.plugin import BadInput
from voxelmill.published import Published, seen_from
from voxelmill.store.documents import write_bytes
from voxelmill.store.place import Place, place_at, remove

RESULTS, SHEET = "results", "datasets.tsv"
README = """# {title}

Results of [voxelmill](provenance/workflow/Snakefile): labels, tables, QC verdicts and a report. The
folder is a Workflow Run RO-Crate.

| | |
|---|---|
| `report.html` | all of it on one page |
| `wells.parquet`, `images.parquet`, `objects/` | tables of wells, images and objects |
| `labels.ome.zarr` or `labels/` | label images as OME-Zarr |
| `ro-crate-metadata.json` | inputs, parameters, software, what was done when, licence, authors |
| `checksums.md5` | check every file: `md5sum --quiet -c checksums.md5` |
| `provenance/` | to run it again: configuration, sheet (mend its url), plate map, workflow |
"""


@dataclass(frozen=True)
class Given:
    """What the step was given of a dataset."""

    dataset: str
    url: str
    settings: Published
    plate_map: Path | None = None


def config_text(settings: Published) -> str:
    """Content of ``config.yaml``: a whole configuration; paths in it are as seen from it."""
    found = {"datasets": SHEET, RESULTS: RESULTS, **settings.public()}
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)


def write_folder(layout: Layout, given: Given) -> str:
    """Write the folder, in place of an earlier one.

    Returns
    -------
    str
        Path of the copy of the plate map as seen from the results; empty: there is none.

    Raises
    ------
    BadInput
        The plate map cannot be read.
    """
    place: Place = place_at(layout.store) if layout.store else layout.root
    files = {"config.yaml": config_text(given.settings).encode()}
    copy = f"plate_map{given.plate_map.suffix}" if given.plate_map else ""
    if given.plate_map:
        files[copy] = _read(given.plate_map)
    files[SHEET] = _sheet(layout, given, copy).encode()
    workflow = home("workflow")
    for path in (workflow / "Snakefile", *sorted((workflow / "rules").glob("*.smk"))):
        files[f"workflow/{path.relative_to(workflow).as_posix()}"] = _read(path)
    folder = place / layout.provenance.name
    remove(folder)
    for name, content in files.items():
        write_bytes(folder.joinpath(*name.split("/")), content)
    title = given.settings.study.title or f"Analysis of {given.dataset}"
    write_bytes(place / "README.md", README.format(title=title).encode())
    return f"{layout.provenance.name}/{copy}" if copy else ""


def located(layout: Layout, url: str) -> tuple[str, str]:
    """Where the images lie as seen from the results, and their name; "": it cannot be said."""
    place, name = seen_from(url, layout.root)
    # From a bucket, no path leads to a folder.
    return ("" if layout.store and place != url else place), name


def _sheet(layout: Layout, given: Given, plate_map: str) -> str:
    place, name = located(layout, given.url)
    # A sheet's paths are as seen from the sheet.
    url = place or name
    if place and place != given.url:
        url = f"../{place}"
    head, line = ["dataset", "url"], [given.dataset, url]
    if plate_map:
        head, line = [*head, "plate_map"], [*line, plate_map]
    return "\t".join(head) + "\n" + "\t".join(line) + "\n"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}). Check the path") from None
