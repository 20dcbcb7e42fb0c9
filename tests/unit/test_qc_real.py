"""Image QC with its defaults on real images: the numbers that docs/image-quality.md states."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from qc_scenes import SPACING, field, measured
from shared import SHARED, needs_shared
from voxelmill.config import QC
from voxelmill.plugin import Array
from voxelmill.qc import Metric
from voxelmill.qc.blur import BLUR, Blur
from voxelmill.qc.debris import Debris
from voxelmill.qc.focus import SHARPNESS, Focus
from voxelmill.qc.saturation import Saturation
from voxelmill.verdict import verdict_of

DATA = SHARED / "data"
CEILING = 0.9431
"""Spearman's coefficient of three blurs, 13 images each, with values of which no two are equal,
where every image is in the right order."""

pytestmark = needs_shared


@cache
def load(folder: str) -> tuple[list[str], list[NDArray[Any]]]:
    cv2 = pytest.importorskip("cv2")
    files = sorted(p for p in (DATA / folder).iterdir() if p.suffix.lower() in (".tif", ".png"))
    assert files
    return [p.name for p in files], [_plane(cv2.imread(str(Path(p)), -1)) for p in files]


def _plane(image: NDArray[Any]) -> NDArray[Any]:
    return (image[..., :3].max(axis=-1) if image.ndim == 3 else image)[None]


def faults(images: list[NDArray[Any]]) -> dict[str, list[int]]:
    """Images of a plate by fault, all metrics with their defaults."""
    metrics = QC().of(Metric)
    values: dict[str, Array] = {}
    for metric in metrics:
        values |= measured(metric, images)
    found = {f: hits for metric in metrics for f, hits in metric.flags(values).items()}
    return {f: np.flatnonzero(hits).tolist() for f, hits in found.items() if hits.any()}


def known_blur() -> tuple[list[int], list[NDArray[Any]]]:
    names, images = load("qc_focus/bbbc005")
    with (DATA / "qc_focus" / "bbbc005" / "labels.csv").open(encoding="utf-8") as file:
        blur = {row["image_name"]: int(row["blur"]) for row in csv.DictReader(file)}
    return [blur[name] for name in names], images


def test_blur_ranks_bbbc005() -> None:
    truth, images = known_blur()
    assert spearmanr(truth, measured(Blur(), images)[BLUR])[0] >= 0.98


@pytest.mark.parametrize("metric", [Focus(), Blur(steps_per_octave=100)], ids=lambda m: m.kind)
def test_no_two_images_of_different_blur_are_in_the_wrong_order(metric: Focus | Blur) -> None:
    truth, images = known_blur()
    column = SHARPNESS if isinstance(metric, Focus) else BLUR
    found = abs(spearmanr(truth, measured(metric, images)[column])[0])
    assert found == pytest.approx(CEILING, abs=2e-3)


@pytest.mark.parametrize("with_sharp_ones", [False, True])
def test_every_bbbc006_field_out_of_focus_fails(with_sharp_ones: bool) -> None:
    blurred = load("qc_focus/bbbc006_z00")[1]
    sharp = load("qc_focus/bbbc006_z10")[1] if with_sharp_ones else []
    assert faults(blurred + sharp) == {"OutOfFocus": list(range(len(blurred)))}
    assert set(measured(Blur(), blurred)[BLUR]) == {8}


def test_bbbc039_is_in_focus_and_what_is_flagged_deserves_it() -> None:
    """A field without cells, 1 of 90; with stricter limits a fibre and a clump, both saturated."""
    found = [load(f"nuclei2d/bbbc039_{part}/images") for part in ("training", "validation")]
    names, images = ([x for part in found for x in part[i]] for i in (0, 1))
    flagged = {f: [names[i].split("_w")[0] for i in hits] for f, hits in faults(images).items()}
    spoilt = ["IXMtest_F22_s6", "IXMtest_L11_s4"]
    assert flagged == {"Empty": ["IXMtest_L10_s6"]}
    for strict, fault in (
        (Saturation(max_percent=0.1), "Saturated"),
        (Debris(max_percent=0.1), "Debris"),
    ):
        hits = np.flatnonzero(strict.flags(measured(strict, images))[fault])
        assert [names[i].split("_w")[0] for i in hits] == spoilt
    assert {verdict_of(flagged, metric.fails) for metric in QC().of(Metric)} == {"warn"}
    blur = measured(Blur(), images)[BLUR]
    assert set(blur[~np.isnan(blur)]) == {1}
    assert np.isnan(blur).sum() == 2, "the two fields without nuclei"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("nuclei2d/bbbc038_fluo_train_A/images", {"Saturated": 5}),
        ("hcs/sbs_translocation_plate/images", {}),
    ],
)
def test_other_sound_images_pass(folder: str, expected: dict[str, int]) -> None:
    assert {f: len(hits) for f, hits in faults(load(folder)[1]).items()} == expected


def test_planted_faults_are_found_exactly() -> None:
    """Real fields exposed until so many pixels reach the full scale of 12 bits; and noise."""
    _, images = load("nuclei2d/bbbc039_training/images")
    plate = [image.copy() for image in images[:20]]
    size = plate[0].size
    planted = {}
    for i, pixels in ((3, 1000), (7, 1200), (11, 4000)):
        clipped = plate[i] >= np.sort(plate[i], axis=None)[-pixels]
        exposed = np.minimum(plate[i] * (4094.0 / plate[i][~clipped].max()), 4094)
        plate[i] = np.where(clipped, 4095, exposed).astype(np.uint16)
        planted[i] = int(clipped.sum())
    plate[15], plate[17] = field(nuclei=0), field(nuclei=0, falloff=0.8)
    assert faults(plate) == {"Saturated": [7, 11], "Empty": [15, 17]}
    for i, pixels in planted.items():
        found = Saturation()(plate[i], SPACING)["ImageQuality_PercentSaturated"]
        assert found == pytest.approx(100 * pixels / size, rel=1e-12)
