"""Small report data for the tests: a plate with every kind of verdict, and hostile names."""

from dataclasses import replace

import numpy as np

from voxelmill.report import FieldRow, ReportData, Thumbnail

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\"' onmouseover=alert(3) x='",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "\u2028\u202e&lt;b&gt;",
)
SETS = ("nuclei", "cells")
CHANNELS = ("DNA", "AGP")


def thumbnail(image: str, well: str, site: str, seed: int, size: int = 96) -> Thumbnail:
    """Two channels with nine square objects in each of two object sets."""
    rng = np.random.default_rng(seed)
    labels = {name: np.zeros((size, size), np.int32) for name in SETS}
    for i in range(9):
        y, x = 8 + 30 * (i // 3), 8 + 30 * (i % 3)
        labels["nuclei"][y + 5 : y + 13, x + 5 : x + 13] = i + 1
        labels["cells"][y : y + 20, x : x + 20] = i + 1
    planes = [rng.poisson(100 + 400 * (labels[name] > 0)) for name in SETS]
    return Thumbnail(image, well, site, np.stack(planes).astype(np.uint16), labels, CHANNELS, 0.65)


def plate(sites: int = 2) -> ReportData:
    """Three by four wells without C04; one out of focus, one with a quarantined field."""
    wells = [row + column for row in "ABC" for column in ("01", "02", "03", "04")][:-1]
    fields, thumbs = [], []
    for w, well in enumerate(wells):
        for s in range(sites):
            image = f"{well[0]}/{well[1:]}/{s}"
            if (well, s) == ("B02", 0):
                reason = f"{image}: 1 of 9 chunks is not stored"
                fields.append(FieldRow(image, well, str(s), "quarantined", reason))
                continue
            flags = ("DNA: OutOfFocus",) if well == "C01" else ()
            focus = 0.1 if flags else 0.5 + 0.01 * w
            qc = {f"ImageQuality_Focus_{c}": focus for c in CHANNELS}
            counts = {"nuclei": 10 * w + s, "cells": 5 * w + s}
            fields.append(FieldRow(image, well, str(s), "ok", "", counts, qc, flags))
            thumbs.append(thumbnail(image, well, str(s), w))
    return ReportData(
        dataset="screen",
        plate="P1",
        rows=tuple("ABC"),
        columns=("01", "02", "03", "04"),
        fields=tuple(fields),
        wells={
            "Metadata_Well": wells,
            "Metadata_Dose": [float(i) for i in range(len(wells))],
            "Nuclei_AreaShape_Area": [100.0 + i for i in range(len(wells))],
            "Comment": ["text"] * len(wells),
        },
        thumbnails=tuple(thumbs),
        parameters={"objects": {"nuclei": {"channel": "DNA"}}},
        versions={"voxelmill": "0.1.0"},
        units={"Nuclei_AreaShape_Area": "µm²"},
        limits={"ImageQuality_Focus_DNA": (0.3, None)},
        links={"Table": "wells.parquet"},
        command="voxelmill run configs/screen.yaml",
    )


def hostile() -> ReportData:
    """The plate with hostile text wherever a name or message can stand."""
    data, bad = plate(), "".join(HOSTILE)
    well = "A" + bad
    fields = tuple(
        replace(
            f,
            image=f.image + bad,
            well=well if f.well == "A01" else f.well,
            site=f.site + bad,
            reason=f.reason + bad if f.reason else "",
            counts={bad: 3, **f.counts},
            qc={bad: 1.0, f"ImageQuality_Focus_{bad}": 2.0},
            flags=(f"{bad}: {bad}",) if f.flags else (),
        )
        for f in data.fields
    )
    thumbs = tuple(
        replace(
            t,
            image=t.image + bad,
            well=well if t.well == "A01" else t.well,
            site=t.site + bad,
            channels=(bad, "AGP"),
            labels={bad: t.labels["nuclei"], **t.labels},
        )
        for t in data.thumbnails
    )
    names = [well if n == "A01" else n for n in map(str, data.wells["Metadata_Well"])]
    return replace(
        data,
        dataset=bad,
        plate=bad,
        columns=("01" + bad, *data.columns[1:]),
        fields=fields,
        thumbnails=thumbs,
        wells={"Metadata_Well": names, bad: list(range(len(names)))},
        parameters={bad: {bad: bad}},
        fitted={bad: bad},
        versions={bad: bad},
        warnings=(bad,),
        links={bad: "javascript:alert(4)", "Data": "data:text/html,<script>alert(5)</script>"},
        units={bad: bad},
        command=bad,
    )
