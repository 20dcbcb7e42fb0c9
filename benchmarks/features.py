"""Feature families on one thread against regionprops, cp_measure and nyxus, same labels and pixels.

    python -m benchmarks.features [--fields 96]

One field of 2048² with 1 800 nuclei and three channels; then a plate of such fields, of which the
peers measure every sixteenth. Ours is ``measure_objects``, what the engine calls for a block. The
peers get what they want: consecutive ids, pixels scaled to 0…1 as float64.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import skimage
from cp_measure import bulk
from numpy.typing import NDArray
from nyxus import Nyxus

from benchmarks.timing import Row, interleaved, less_is_better, table
from voxelmill.factory import feature
from voxelmill.features import Feature, features
from voxelmill.measurement import measure_objects
from voxelmill.plugin import Labels, Pixels
from voxelmill.synthetic import nuclei_image

SIZE, NUCLEI, DIAMETER = 2048, 1800, 27.0
CHANNELS = ("DNA", "ER", "AGP")
SPACING = (1.0, 1.0, 1.0)
FIELDS, EVERY = 96, 16
LIGHT = ("Area", "BoundingBox*", "Center_*", "MajorAxisLength", "MinorAxisLength", "Eccentricity",
         "Orientation", "Extent")  # fmt: skip
MORE = ("EquivalentDiameter", "EulerNumber", "Perimeter", "ConvexArea", "Solidity",
        "MaxFeretDiameter")  # fmt: skip
BRIGHT = ("Mean", "Std", "Min", "Max")
LIGHT_REGION = ("area", "area_bbox", "bbox", "centroid", "axis_major_length", "axis_minor_length",
                "eccentricity", "orientation", "extent", "intensity_mean", "intensity_std",
                "intensity_min", "intensity_max")  # fmt: skip
MORE_REGION = ("equivalent_diameter_area", "euler_number", "perimeter", "area_convex", "solidity",
               "feret_diameter_max")  # fmt: skip
NYXUS_SHAPE = ("AREA_PIXELS_COUNT", "BBOX_YMIN", "BBOX_XMIN", "BBOX_HEIGHT", "BBOX_WIDTH",
               "CENTROID_X", "CENTROID_Y", "MAJOR_AXIS_LENGTH", "MINOR_AXIS_LENGTH", "ECCENTRICITY",
               "ORIENTATION", "EXTENT")  # fmt: skip
NYXUS_INTENSITY = ("MEAN", "STANDARD_DEVIATION_BIASED", "MIN", "MAX")

Images = Mapping[str, Pixels]


def scene(seed: int = 7) -> tuple[Labels, Images]:
    """Labels (1, y, x) and three channels of uint16."""
    image, labels = nuclei_image((1, SIZE, SIZE), NUCLEI, DIAMETER, seed, touching=0.5)
    rng = np.random.default_rng(seed)
    others = (image // 2 + rng.poisson(200 + 30 * k, image.shape) for k in (1, 2))
    return labels, dict(zip(CHANNELS, (image, *(o.astype(np.uint16) for o in others)), strict=True))


def ours(labels: Labels, image: Images, families: tuple[Feature, ...]) -> dict[str, Any]:
    """Measure one box, with what needs the whole frame."""
    table = measure_objects(labels, image, families, SPACING)
    for family in families:
        if family.frame_columns(CHANNELS):
            table |= family.over_frame(table["ObjectNumber"], table["centre"])
    return table


def shape_and_intensity(*, more: bool) -> tuple[Feature, ...]:
    """Families with the columns that regionprops has too."""
    shape = tuple(f"AreaShape_{c}" for c in LIGHT + (MORE if more else ()))
    bright = tuple(f"Intensity_{c}Intensity_*" for c in BRIGHT)
    return feature("shape", only=shape), feature("intensity", only=bright)


def regionprops(labels: Labels, image: Images, *, more: bool) -> dict[str, Any]:
    """Measure the same with scikit-image."""
    sk: Any = skimage  # without annotations
    stack = np.stack([image[c][0] for c in CHANNELS], axis=-1)
    properties = LIGHT_REGION + (MORE_REGION if more else ())
    found: dict[str, Any] = sk.measure.regionprops_table(labels[0], stack, properties=properties)
    return found


@cache
def _nyxus(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - without annotations
    return Nyxus(list(names), n_feature_calc_threads=1)


def nyxus(labels: Labels, image: Images) -> None:
    """Measure the same with nyxus: shape once, brightness in every channel."""
    mask = labels[0].astype(np.uint32)
    for channel in CHANNELS:
        names = NYXUS_INTENSITY + (NYXUS_SHAPE if channel == CHANNELS[0] else ())
        _nyxus(names).featurize(image[channel][0].astype(np.uint32), mask)


def nyxus_texture(labels: Labels, pixels: Pixels) -> None:
    """Grey-level co-occurrence of one channel with nyxus."""
    _nyxus(("*ALL_GLCM*",)).featurize(pixels[0].astype(np.uint32), labels[0].astype(np.uint32))


def cp_measure(labels: NDArray[Any], image: Images) -> None:
    """All of cp_measure that voxelmill has too."""
    core, pairs = bulk.get_core_measurements(), bulk.get_correlation_measurements()
    scaled = [image[c][0] / 65535 for c in CHANNELS]
    for number, pixels in enumerate(scaled):
        for name, call in core.items():
            if number == 0 or name not in ("sizeshape", "zernike", "feret"):
                call(labels[0], pixels)
    for i, first in enumerate(scaled):
        for second in scaled[i + 1 :]:
            for name in ("pearson", "manders_fold", "rwc"):
                pairs[name](first, second, labels[0])


def cp_texture(labels: Labels, pixels: Pixels) -> None:
    """Texture of one channel with cp_measure."""
    bulk.get_core_measurements()["texture"](labels[0], pixels[0] / 65535)


def every_family() -> tuple[Feature, ...]:
    """All families with their defaults; neighbours are not in cp_measure's bulk interface."""
    return tuple(cls() for kind, cls in features().items() if kind != "neighbors")


def field_rows() -> list[Row]:
    """One field, all candidates in turn."""
    labels, image = scene()
    count, dna = int(labels.max()), image["DNA"]
    light, full = shape_and_intensity(more=False), shape_and_intensity(more=True)
    texture, alls = (feature("texture"),), every_family()
    first = {"DNA": dna}
    s = interleaved(
        {
            "light": lambda: ours(labels, image, light),
            "full": lambda: ours(labels, image, full),
            "texture": lambda: ours(labels, first, texture),
            "all": lambda: ours(labels, image, alls),
            "regionprops light": lambda: regionprops(labels, image, more=False),
            "regionprops full": lambda: regionprops(labels, image, more=True),
            "nyxus": lambda: nyxus(labels, image),
            "nyxus texture": lambda: nyxus_texture(labels, dna),
            "cp_measure texture": lambda: cp_texture(labels, dna),
            "cp_measure": lambda: cp_measure(labels, image),
        }
    )
    what = f"features, {SIZE}² with {count} nuclei, 3 channels: "
    name = f"texture, {SIZE}² with {count} nuclei, 13 features x 4 angles, 1 channel"
    sk, nyx, cp = "scikit-image regionprops_table", "nyxus", "cp_measure"
    return [
        less_is_better(what + "shape + intensity", s["light"], s["regionprops light"], sk, "s",
                       20, 50),
        less_is_better(what + "shape + intensity", s["light"], s["nyxus"], nyx, "s", 15, 40),
        less_is_better(what + "the same with perimeter, hull, Feret, Euler number", s["full"],
                       s["regionprops full"], sk, "s", 20, 50),
        less_is_better(what + "all families", s["all"], s["cp_measure"], cp, "s", 15, 40),
        less_is_better(name, s["texture"], s["cp_measure texture"], cp, "s", 8, 20),
        less_is_better(name, s["texture"], s["nyxus texture"], nyx, "s", 8, 20),
    ]  # fmt: skip


def plate_rows(fields: int) -> list[Row]:
    """Return objects a second over many fields, each seen once: no second call warms a cache."""
    light = shape_and_intensity(more=False)
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for number, (labels, image) in enumerate(scene(100 + n) for n in range(fields)):
        calls: dict[str, Callable[[], object]] = {"ours": _call(labels, image, light)}
        if number % EVERY == 0:
            calls["peer"] = _region_call(labels, image)
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            rates[name].append(int(labels.max()) / (time.perf_counter() - start))
    mine, theirs = median(rates["ours"]), median(rates["peer"])
    what = f"features, plate of {fields} such fields: shape + intensity"
    return [Row(what, round(mine), round(theirs), "scikit-image regionprops_table", "objects/s",
                round(mine / theirs, 3), 20, 50)]  # fmt: skip


def _call(labels: Labels, image: Images, families: tuple[Feature, ...]) -> Callable[[], object]:
    return lambda: ours(labels, image, families)


def _region_call(labels: Labels, image: Images) -> Callable[[], object]:
    return lambda: regionprops(labels, image, more=False)


def measure(fields: int = FIELDS) -> list[Row]:
    """Return the rows of one field and of a plate."""
    return field_rows() + plate_rows(fields)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=FIELDS)
    print(table(measure(parser.parse_args().fields)))
