"""Small report data for the tests: a plate with every kind of verdict, and hostile names."""

from dataclasses import replace

import numpy as np

from voxelmill.report import Entry, FieldRow, IndexData, ReportData, Thumbnail
from voxelmill.report.index import Took
from voxelmill.report.model import Finding, FlatField, Histogram

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


def judged() -> ReportData:
    """The plate after everything: judged, treated, approved, one field failed, one excluded."""
    data = plate()
    names = [str(n) for n in data.wells["Metadata_Well"]]
    changed = {
        "A/03/1": {"verdict": "fail", "flags": ("AGP: Saturated",)},
        "A/04/0": {"status": "excluded", "reason": "bubble; by A. Person", "verdict": "fail"},
    }
    fields = tuple(replace(f, **changed.get(f.image, {})) for f in data.fields)
    y, x = np.mgrid[0:30, 0:40].astype(np.float32)
    flat = 1.1 - ((y - 15) ** 2 + (x - 20) ** 2) / 3000
    wells = {
        **data.wells,
        "Metadata_Compound": ["DMSO" if n[0] == "A" else "taxol" for n in names],
        "Metadata_Dose_nM": [str(10 * (i % 3)) for i in range(len(names))],
        "Metadata_Flags": ["count far below its neighbours" if n == "C02" else "" for n in names],
        "Metadata_Verdict": ["warn" if n in ("C01", "C02") else "pass" for n in names],
    }
    return replace(
        data,
        fields=fields,
        wells=wells,
        verdict="warn",
        reasons=("Fewer nuclei in the outer wells",),
        findings=(
            Finding("Edge effect", -12.5, "%", "warn", "outer wells against inner ones"),
            Finding("Z prime", 0.62, "1", "pass", "positive against negative controls"),
            Finding("Drift", float("nan"), "", "pass", "no column has enough wells"),
        ),
        flatfields=tuple(FlatField(c, flat, 90 + 0 * flat, 48) for c in CHANNELS),
        histograms={"Nuclei_AreaShape_Area": Histogram(50.0, 150.0, (2, 8, 20, 9, 1), 1, 2)},
        sampled="Histograms of objects are of a sample: one of 2 nuclei of each image.",
        approval={"who": "A. Person", "when": "2026-11-26", "why": "bubble in A04"},
        effort={"Run time": "12 min", "Images an hour": "1,200"},
        citation="The voxelmill developers (2026). voxelmill.",
        thumbnails=tuple(
            replace(t, note="maximum of 12 planes") if t.well == "A01" else t
            for t in data.thumbnails
        ),
    )


def weekly() -> IndexData:
    """Three finished datasets and one that is not."""
    counts = {"pass": 40, "warn": 5, "fail": 1, "excluded": 1, "quarantined": 1}
    links = {"report": "./plate10/report.html"}
    took = Took(600, 1.5, 288, 33, 4.5, 1.8e9)
    fine = Entry("plate10", "pass", (), 48, {"pass": 48}, {"Nuclei": 4000}, links, took)
    return IndexData(
        "results",
        (
            fine,
            replace(fine, dataset="plate2", level="warn", reasons=("Edge effect",),
                    links={"report": "./plate2/report.html", "QC report": "./plate2/qc.html"}),
            replace(fine, dataset="plate3", level="fail", counts=counts,
                    links={"report": "./plate3/report.html"},
                    took=Took(1200, 3.0, 144, 16, 9.0, 1.8e9 + 60)),
            Entry("plate4", images=48),
        ),
        replace(fine, dataset="", images=192, counts=counts),
        "0.1.0",
    )  # fmt: skip


def hostile_index() -> IndexData:
    """The index with hostile text wherever a name or message can stand."""
    data, bad = weekly(), "".join(HOSTILE)
    entries = tuple(
        replace(e, dataset=bad, reasons=(bad,), objects={bad: 3}, links={**e.links, bad: "./x"})
        for e in data.entries
    )
    return replace(data, title=bad, entries=entries, version=bad)


def hostile() -> ReportData:
    """The plate with hostile text wherever a name or message can stand."""
    data, bad = judged(), "".join(HOSTILE)
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
            note=bad,
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
        wells={
            "Metadata_Well": names,
            bad: list(range(len(names))),
            f"Metadata_{bad}": [bad, "b"] + [bad + "c"] * (len(names) - 2),
            "Metadata_Flags": [bad] * len(names),
            "Metadata_Excluded": [bad if i == 3 else "" for i in range(len(names))],
        },
        reasons=(bad,),
        findings=(Finding(bad, 1.0, bad, "warn", bad),),
        flatfields=tuple(replace(f, channel=bad) for f in data.flatfields),
        histograms={bad: Histogram(0.0, 1.0, (1, 2))},
        sampled=bad,
        approval={bad: bad},
        effort={bad: bad},
        citation=bad,
        parameters={bad: {bad: bad}},
        fitted={bad: bad},
        versions={bad: bad},
        warnings=(bad,),
        links={bad: "javascript:alert(4)", "Data": "data:text/html,<script>alert(5)</script>"},
        units={bad: bad},
        command=bad,
    )
