"""Megapixels a second of every segmenter on one thread; docs/segmenters.md quotes them.

    python -m benchmarks.segmenters

A plane of 2048² with 1 800 nuclei of 27 px in uint16, fit and call; `propagate` grows the true
nuclei. Cellpose, where it is installed and its weights are at hand, on 512² of it without a GPU.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks.features import DIAMETER, SPACING, scene
from benchmarks.timing import Row, interleaved, table
from voxelmill.plugin import Labels, Pixels
from voxelmill.segmenters import segmenters

WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "models" / "nuclei_cellpose3"
ARGUMENTS: Mapping[str, object] = {
    "diameter_px": DIAMETER,
    "seeds": "nuclei",
    "above": 500,
    "model": str(WEIGHTS),
}
NETWORK, SMALL = "cellpose", 512
HEAD = "segmenter "


def measure() -> list[Row]:
    """Return a row for each segmenter that can run here."""
    labels, image = scene()
    ready = find_spec(NETWORK) is not None and WEIGHTS.exists()
    return [
        _row(kind, image["DNA"], labels)
        for kind, cls in segmenters().items()
        if "model" not in cls.model_fields or (kind == NETWORK and ready)
    ]


def _row(kind: str, pixels: Pixels, labels: Labels) -> Row:
    cls = segmenters()[kind]
    network = "model" in cls.model_fields
    part = slice(0, SMALL if network else None)
    plane, seeds = pixels[:, part, part], labels[:, part, part]
    segmenter = cls.model_validate({k: v for k, v in ARGUMENTS.items() if k in cls.model_fields})
    segmenter = segmenter.sized(SPACING)

    def call() -> Labels:
        fitted = segmenter.fit(plane[None], SPACING)
        return fitted(plane[None], SPACING, seeds if cls.keeps_ids else None)

    seconds = interleaved({kind: call}, 1 if network else 5)[kind]
    name = f"{HEAD}{kind}, {plane.shape[1]}², one thread" + (", no GPU" if network else "")
    return Row(name, round(plane.size / seconds / 1e6, 3), None, None, "Mpx/s", None, None, None)


def speeds(rows: list[Row]) -> dict[str, str]:
    """Text by kind, from the rows that are kept."""
    found = [row for row in rows if row.name.startswith(HEAD)]
    return {
        row.name.removeprefix(HEAD).partition(",")[0]: (
            f"{row.ours:g} Mpx/s ({row.name.partition(', ')[2]})"
        )
        for row in found
    }


if __name__ == "__main__":
    print(table(measure()))
