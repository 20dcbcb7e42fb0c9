"""Megapixels a second of every segmenter on one thread; docs/segmenters.md quotes them.

    python -m benchmarks.segmenters

A plane of 2048² with 1 800 nuclei of 27 px in uint16, fit and call; `propagate` grows the true
nuclei. Networks where they are installed and at hand: Cellpose on 512² of it without a GPU, and a
package with one layer, which shows what is around a network.
"""

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks.features import DIAMETER, SIZE, SPACING, scene
from benchmarks.timing import Row, interleaved, table
from voxelmill.plugin import Labels, Pixels
from voxelmill.segmenters import segmenters

WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "models" / "nuclei_cellpose3"
ARGUMENTS: Mapping[str, object] = {"diameter_px": DIAMETER, "seeds": "nuclei", "above": 500}
SMALL = 512
HEAD = "segmenter "


def measure() -> list[Row]:
    """Return a row for each segmenter that can run here."""
    labels, image = scene()
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder))
        return [
            _row(kind, image["DNA"], labels, models.get(kind))
            for kind, cls in segmenters().items()
            if "model" not in cls.model_fields or kind in models
        ]


def _models(folder: Path) -> dict[str, tuple[Path, int, str]]:
    """Networks that are at hand: file, edge of the image, what to say of them."""
    found = {}
    if find_spec("cellpose") and WEIGHTS.exists():
        found["cellpose"] = WEIGHTS, SMALL, ", Cellpose 3, no GPU"
    if find_spec("onnx") and find_spec("bioimageio"):
        from tests.model_packages import package

        found["bioimageio"] = package(folder / "package"), SIZE, ", a network of one layer, no GPU"
    return found


def _row(kind: str, pixels: Pixels, labels: Labels, model: tuple[Path, int, str] | None) -> Row:
    cls = segmenters()[kind]
    file, size, remark = model or (None, SIZE, "")
    plane, seeds = pixels[:, :size, :size], labels[:, :size, :size]
    given = {**ARGUMENTS, "model": str(file)}
    segmenter = cls.model_validate({k: v for k, v in given.items() if k in cls.model_fields})
    segmenter = segmenter.sized(SPACING)

    def call() -> Labels:
        fitted = segmenter.fit(plane[None], SPACING)
        return fitted(plane[None], SPACING, seeds if cls.keeps_ids else None)

    seconds = interleaved({kind: call}, 1 if size < SIZE else 5)[kind]
    name = f"{HEAD}{kind}, {size}², one thread{remark}"
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
