"""Peak memory of every plugin on a plane and a volume, as the kernel counts it: one JSON object.

Run in a process of its own: compiled code allocates where Python's tracer does not look, and what
other tests have left would be counted.
"""

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

import samples
import stand_ins
from voxelmill.features import features
from voxelmill.plugin import Index, Labels, Pixels
from voxelmill.segmenters import segmenters

SHAPES: dict[str, Index] = {"plane": (1, 128, 128), "volume": (24, 128, 128)}
REPEATS = {"plane": 11, "volume": 3}
SPACING = samples.PLANE


def resident(field: str) -> int:
    """Bytes of a line of ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def peak(call: Callable[[], object]) -> int:
    """Bytes that the second call adds to what the process holds; the first one compiles."""
    call()
    gc.collect()
    # What was freed but kept for later would hide what is allocated.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    call()
    return resident("VmHWM") - before


def scene(name: str) -> tuple[Pixels, Labels]:
    """Image (1, z, y, x) and labels, of many equal tiles."""
    one = samples.balls(SHAPES[name], SPACING, samples.DIAMETER_PX)
    n = REPEATS[name]
    number = np.kron(np.arange(n * n, dtype=np.int32).reshape(1, n, n), np.ones_like(one))
    labels = np.tile(one, (1, n, n))
    return np.tile(samples.photograph(one), (1, 1, n, n)), labels + number * one.max() * (
        labels > 0
    )


def measure(name: str) -> dict[str, tuple[float, float]]:
    """Bytes per voxel, as said and as found, by plugin."""
    image, labels = scene(name)
    found = {}
    stand_ins.install()
    for kind, cls in segmenters().items():
        if cls.planes and name == "volume":
            continue
        segmenter = samples.minimal(cls).fit(image, SPACING)
        grown = labels if "seeds" in cls.model_fields else None
        used = max(
            peak(partial(samples.minimal(cls).fit, image, SPACING)),
            peak(partial(segmenter, image, SPACING, grown)),
        )
        found[f"segmenter {kind} {name}"] = cls.voxel_bytes, used / labels.size
    channels = {"DNA": image[0], "AGP": image[0][::-1].copy()}
    for kind, family in features().items():
        used = peak(partial(samples.minimal(family), labels, channels, SPACING))
        found[f"feature {kind} {name}"] = family.voxel_bytes, used / labels.size
    return found


def main() -> None:
    """Measure all plugins on both scenes."""
    cv2.setNumThreads(1)
    found = {key: row for name in SHAPES for key, row in measure(name).items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
