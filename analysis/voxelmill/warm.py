"""Compile all kernels once, so that the first run does not: ``python -m voxelmill.warm``.

Every plugin is run on a small made-up field, then the engine on a plane and a volume in blocks;
numba keeps what it compiles on disk. Compiled by the first job that needs it otherwise, in each of
the jobs that start together.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

import numpy as np
from pydantic import ValidationError

from voxelmill.features import features
from voxelmill.kernels.objects import keep
from voxelmill.plugin import Index, Labels, Pixels
from voxelmill.qc import metrics
from voxelmill.segmenters import Segmenter, segmenters
from voxelmill.synthetic import nuclei_image

SPACING = (1.0, 0.65, 0.65)
ARGUMENTS = {"diameter_um": 12.0, "seeds": "nuclei"}
GROUPS: Mapping[str, Callable[[], Mapping[str, object]]] = {
    "segmenters": segmenters,
    "features": features,
    "metrics": metrics,
}
SHAPES: tuple[Index, ...] = ((1, 300, 300), (8, 96, 96))
BLOCK = 256


def main() -> None:
    """Run every plugin in 2-D on 16-bit pixels, on all cores; then the engine."""
    kinds = [(group, kind) for group, found in GROUPS.items() for kind in found()]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_run, *zip(*kinds, strict=True)))
        # Only now: it would compile at the same time what the plugins do.
        list(pool.map(_engine, SHAPES))


def _engine(shape: Index) -> None:
    """Segment and measure one image with all families."""
    from voxelmill.api import measure, segment
    from voxelmill.factory import segmenter

    pixels, _ = nuclei_image(shape, 12, 18.0, 0)
    nuclei = segment(pixels[None], segmenter("watershed", diameter_px=18), block=BLOCK)
    grown = segmenter("propagate", seeds="nuclei", max_distance_px=5)
    segment(pixels[None], grown, seeds=nuclei, block=BLOCK)
    channels = np.stack([pixels, pixels])
    measure(nuclei, channels, [family() for family in features().values()], block=BLOCK)


def _run(group: str, kind: str) -> None:
    pixels, labels = nuclei_image((1, 200, 200), 12, 18.0, 0)
    if group == "segmenters":
        cls = segmenters()[kind]
        needed = {k: v for k, v in ARGUMENTS.items() if k in cls.model_fields}
        # Somebody else's plugin may need settings that are not known here.
        with suppress(ValidationError):
            _segment(cls.model_validate(needed), pixels, labels)
        keep(labels, np.ones(1, np.int64))
    elif group == "features":
        features()[kind]()(labels, {"DNA": pixels, "AGP": pixels}, SPACING)
    else:
        metrics()[kind]()(pixels, SPACING)


def _segment(segmenter: Segmenter, pixels: Pixels, labels: Labels) -> None:
    segmenter.fit(pixels[None], SPACING)(pixels[None], SPACING, labels)


if __name__ == "__main__":
    main()
