"""File lists of a submission to the BioImage Archive, and the files that they list.

    file_list.tsv           the study component: images on request, tables, reports, crates
    file_list_<set>.tsv     annotations of one object set: label images, each with its source image

First column ``Files``: paths from the folder of the submission, with ``/``, files only (the archive
wants every OME-Zarr zipped, `store.packing`). Source: https://www.ebi.ac.uk/bioimage-archive/
help-file-list and help-zarr; terms of annotations by MIFA (doi 10.1038/s41592-025-02835-8).
"""

import csv
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from voxelmill.export.finished import Finished, Labelled
from voxelmill.plugin import BadInput
from voxelmill.store.packing import SUFFIX, pack_image
from voxelmill.store.read import Image, open_image
from voxelmill.tables import read_table, rows
from voxelmill.verdict import worst

Row = dict[str, Any]
Done = Callable[[], None]

STUDY = ("Files", "type", "dataset", "image", "plate", "well", "site", "object_set", "axes",
         "shape", "dtype", "pixel_size_um", "channels", "objects", "qc_verdict",
         "qc_flags")  # fmt: skip
ANNOTATIONS = ("Files", "source_image", "annotation_type", "annotation_id", "spatial_information",
               "dataset", "image", "plate", "well", "site", "time_points", "objects", "qc_verdict",
               "qc_flags")  # fmt: skip
MASK = "segmentation_mask"
"""Type of annotation, by the archive's glossary."""
SAME_PIXELS = "pixels as in the source image; the value of a pixel is the number of its object"
NOT_ALLOWED = re.compile(r"[^A-Za-z0-9!_.*'()-]")
"""In names of files."""


class Writer:
    """Puts the files of one dataset into a submission, and gives the rows of its lists.

    Parameters
    ----------
    found : Finished
    folder : Path
        Of the submission.
    url : str
        Address of the input whose images are taken in; empty: they are not.
    """

    def __init__(self, found: Finished, folder: Path, url: str) -> None:
        self._found, self._folder, self._url = found, folder, url
        self._sparse = found.settings.get("sparse") == "allow"
        self._judged = _judged(found)
        self._names = _file_names(found)

    def images(self, done: Done) -> Iterator[Row]:
        """Pack the images that the run could use, where they are asked for."""
        for item in self._found.items if self._url else ():
            if item.path not in self._found.left_out or self._excluded(item.path):
                image = open_image(self._url, item.path)
                path = self._image_file(item.path)
                pack_image(image, self._folder / path, sparse=self._sparse)
                yield {"Files": path, "type": "image", **self._place(item), **_pixels(image)}
            done()

    def masks(self, labelled: Labelled, name: str) -> Row:
        """Pack the label image of an object set."""
        image = labelled.labels(name)
        own = f"{self._names[labelled.item.path]}_{name}"
        path = f"{self._found.dataset}/labels/{own}{SUFFIX}.zip"
        pack_image(image, self._folder / path)
        return {
            "Files": path,
            "source_image": self._source(labelled.item.path),
            "annotation_type": MASK,
            "annotation_id": f"{self._found.dataset}/{own}",
            "spatial_information": SAME_PIXELS,
            **self._place(labelled.item),
            "time_points": labelled.times,
            "objects": sum(labelled.counts[name]),
        }

    def tables(self, done: Done) -> Iterator[Row]:
        """Copy tables, report and crate as they are."""
        found, layout = self._found, self._found.layout
        about = {"dataset": found.dataset}
        for name in found.sets:
            for batch in found.batches:
                rows = found.rows[batch.name, name]
                file = layout.objects(name, batch.name)
                path = self._copy(file, f"tables/{name}_{file.name}")
                yield {"Files": path, "type": "table", **about, "object_set": name, "objects": rows}
                done()
        for file in (layout.images, layout.wells):
            yield {"Files": self._copy(file, f"tables/{file.name}"), "type": "table", **about}
        for file, kind in ((layout.report, "report"), (layout.crate, "provenance")):
            if file.is_file():
                yield {"Files": self._copy(file, file.name), "type": kind, **about}

    def _copy(self, file: Path, path: str) -> str:
        to = self._folder / self._found.dataset / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
        return f"{self._found.dataset}/{path}"

    def _excluded(self, path: str) -> bool:
        """Whether an image is left out for what it shows, not for what it lacks."""
        return bool(self._judged[path]["Metadata_Excluded"])

    def _image_file(self, path: str) -> str:
        return f"{self._found.dataset}/images/{self._names[path]}{SUFFIX}.zip"

    def _source(self, path: str) -> str:
        """Where the image of an annotation is: in the submission, or as the input calls it."""
        if self._url:
            return self._image_file(path)
        accession = self._found.provenance.study.accession
        return "/".join(p for p in (accession, self._found.input, path) if p)

    def _place(self, item: Any) -> Row:  # noqa: ANN401 - Item
        judged = self._judged[item.path]
        return {
            "dataset": self._found.dataset,
            "image": item.path,
            "plate": item.plate,
            "well": item.well,
            "site": item.site,
            "qc_verdict": judged["Metadata_Verdict"],
            "qc_flags": judged["Metadata_Flags"],
        }


def write_list(file: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a file list: tab separated, one file a line."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        lines = csv.DictWriter(opened, columns, delimiter="\t", lineterminator="\n", restval="")
        lines.writeheader()
        lines.writerows(rows)


def _pixels(image: Image) -> Row:
    axes = dict(zip("tczyx", image.shape, strict=True))
    spacing = dict(zip("zyx", image.spacing_um, strict=True))
    return {
        "axes": image.axes,
        "shape": " x ".join(str(axes[a]) for a in image.axes),
        "dtype": image.dtype.lstrip("<>|="),
        "pixel_size_um": " x ".join(str(spacing[a]) for a in image.axes if a in spacing),
        "channels": ", ".join(image.channels),
    }


def _judged(found: Finished) -> Mapping[str, Row]:
    """Row of each image in the table of images; of a time series the worst verdict, all flags."""
    judged: dict[str, Row] = {}
    for row in rows(read_table(found.layout.images)):
        before = judged.setdefault(row["Metadata_Image"], row)
        if before is not row:
            flags = dict.fromkeys(f for r in (before, row) for f in r["Metadata_Flags"].split("; "))
            before["Metadata_Flags"] = "; ".join(f for f in flags if f)
            before["Metadata_Verdict"] = worst(
                (before["Metadata_Verdict"], row["Metadata_Verdict"])
            )
    return judged


def _file_names(found: Finished) -> dict[str, str]:
    """Name of each image in those of files: ``A_01_0``; of a single one the dataset's."""
    names = {i.path: NOT_ALLOWED.sub("_", i.path) or found.dataset for i in found.items}
    if len(set(names.values())) < len(names):
        raise BadInput(
            f"{found.dataset}: images whose names differ only in characters that the archive does "
            "not allow; allowed: letters, digits and !-_.*'(). Rename them in the input"
        )
    return names
