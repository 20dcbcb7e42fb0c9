"""A whole 384-well plate in one page: every well shown, and no more than 15 MB."""

import numpy as np

from voxelmill.report import FieldRow, ReportData, Thumbnail, render
from voxelmill.report.model import Histogram
from voxelmill.sizes import THUMBNAILS, edge_for

CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
SETS = ("nuclei", "cells", "cytoplasm")
ROWS, COLUMNS, SITES, FEATURES = "ABCDEFGHIJKLMNOP", range(1, 25), 9, 1000


def noisy(well: str, seed: int) -> Thumbnail:
    """Noise, the worst for JPEG, with a hundred objects."""
    rng = np.random.default_rng(seed)
    edge = edge_for(384, len(CHANNELS), len(SETS))
    labels = np.kron(rng.permutation(100).reshape(10, 10) + 1, np.ones((edge // 10,) * 2, int))
    labels[:: edge // 10], labels[:, :: edge // 10] = 0, 0
    labels = labels.astype(np.int32)
    pixels = rng.poisson(200, (len(CHANNELS), *labels.shape)).astype(np.uint16)
    image = f"{well[0]}/{well[1:]}/0"
    return Thumbnail(image, well, "0", pixels, dict.fromkeys(SETS, labels), CHANNELS, 1.3)


def test_a_large_plate_fits_and_shows_every_well() -> None:
    rng = np.random.default_rng(0)
    wells = [f"{row}{column:02d}" for row in ROWS for column in COLUMNS]
    names = [f"ImageQuality_{m}_{c}" for m in ("Sharpness", "Noise", "Haze") for c in CHANNELS]
    fields = tuple(
        FieldRow(
            f"{well[0]}/{well[1:]}/{site}", well, str(site), counts=dict.fromkeys(SETS, 150 + site),
            qc=dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True)),
        )
        for well in wells for site in range(SITES)
    )  # fmt: skip
    features = [f"Cells_Texture_InfoMeas1_3_{i:04d}_ER" for i in range(FEATURES)]
    bins = tuple(rng.integers(0, 2000, 32).tolist())
    page = render(
        ReportData(
            "plate",
            rows=tuple(ROWS),
            columns=tuple(f"{c:02d}" for c in COLUMNS),
            fields=fields,
            wells={"Metadata_Well": wells} | {f: rng.normal(size=384) for f in features},
            thumbnails=tuple(noisy(well, i) for i, well in enumerate(wells)),
            histograms=dict.fromkeys(features, Histogram(-1.234, 5.678, bins)),
            channels=CHANNELS,
        )
    )
    assert len(page.encode()) <= 15_000_000
    assert page.count("<figure") == THUMBNAILS == 384
    assert "left out" not in page.split('id="gallery"')[0].split("Images and objects")[1]
