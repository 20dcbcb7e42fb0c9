"""Peak memory of measuring one block, as the kernel counts it, against the block's pixels.

    python -m benchmarks.features_memory            # the rows
    python -m benchmarks.features_memory KIND ...   # bytes of these families, as JSON

A block of 2048² in three channels of uint16 with 1 800 nuclei. A fresh process measures it once to
compile and load, forgets its peak, and measures it again; what the second call adds counts.
"""

import ctypes
import gc
import json
import sys
from pathlib import Path

from benchmarks.features import ours, scene
from benchmarks.timing import Row, fresh, less_is_better, memory, status, table
from voxelmill.features import features

MOST = 3.0
"""Times the block's pixels that measuring may take."""


def added(kinds: list[str]) -> dict[str, float]:
    """Bytes that these families add at their peak, and those of the pixels."""
    labels, image = scene()
    families = tuple(features()[kind]() for kind in kinds)
    ours(labels, image, families)
    gc.collect()
    # What was freed but kept for later would hide what is allocated.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = memory(status(), "VmRSS")
    ours(labels, image, families)
    return {
        "added": memory(status(), "VmHWM") - before,
        "pixels": sum(pixels.nbytes for pixels in image.values()),
    }


def measure() -> list[Row]:
    """Return a row for shape + intensity and one for all families at once."""
    chosen = {
        "shape + intensity": ["shape", "intensity"],
        "all families": [kind for kind in features() if kind != "neighbors"],
    }
    rows = []
    for what, kinds in chosen.items():
        found = fresh("benchmarks.features_memory", *kinds)
        name = f"features, memory beside a block of 2048² in 3 channels: {what}"
        used, pixels = found["added"] / 2**20, found["pixels"] / 2**20
        rows.append(less_is_better(name, used, pixels, "the pixels", "MiB", round(1 / MOST, 3), 1))
    return rows


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(added(sys.argv[1:])))
    else:
        print(table(measure()))
