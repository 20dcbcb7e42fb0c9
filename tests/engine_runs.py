"""Run the engine on arrays in memory, and say what it made."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plain_target import PlainTarget
from voxelmill.arrayends import ArraySource
from voxelmill.engine import Engine, Result
from voxelmill.execution import Blocks, Compute
from voxelmill.ledger import Ledger
from voxelmill.objectsets import ObjectSet, Segmented
from voxelmill.plugin import Pixels
from voxelmill.progress import Progress
from voxelmill.run import Pool, pool
from voxelmill.segmenters import Segmenter
from voxelmill.stages import Frame


@dataclass(frozen=True)
class Made:
    """Labels by object set, (t, z, y, x), and what the engine returned."""

    labels: dict[str, NDArray[np.int32]]
    result: Result
    indexes: dict[tuple[str, str], NDArray[np.int64]]

    def index(self, name: str = "nuclei", t: int = 0) -> NDArray[np.int64]:
        """Rows of `INDEX_COLUMNS`."""
        return self.indexes[f"image@{t}", name]


def one_set(segmenter: Segmenter, name: str = "nuclei") -> dict[str, ObjectSet]:
    return {name: segmented(segmenter)}


def segmented(segmenter: Segmenter, channel: int = 0) -> Segmented:
    return Segmented.model_construct(channel=str(channel), segmenter=segmenter)


def workers(number: int = 2, *, processes: bool = False) -> AbstractContextManager[Pool]:
    return pool(Compute(processes=processes), number, Progress(show=False))


def run_engine(
    folder: Path,
    pixels: Pixels,
    objects: Mapping[str, ObjectSet],
    crew: Pool,
    *,
    block: tuple[int, int] = (64, 2048),
    shard: tuple[int, int, int] = (64, 2048, 2048),
    identity: object = "test",
) -> Made:
    """Segment (t, c, z, y, x) pixels in blocks of (depth, size); the ledger stays."""
    times, _, *space = pixels.shape
    folder.mkdir(parents=True, exist_ok=True)
    source = ArraySource(pixels, (1.0, 1.0, 1.0))
    target = PlainTarget(str(folder), times, (space[0], space[1], space[2]), shard)
    frames = [Frame(f"image@{t}", source, target, t) for t in range(times)]
    for name in objects:
        if not target.file(name).exists():
            target.create(name)
    depth, size = block
    with Ledger(folder / "scratch", identity) as ledger:
        engine = Engine(crew, ledger, Blocks.model_construct(depth=depth, size=size))
        result = engine.segment(frames, objects, list(objects), {
            f.key: {
                n: [int(c) for c in s.channels]
                for n, s in objects.items()
                if isinstance(s, Segmented)
            }
            for f in frames
        })  # fmt: skip
    return Made(
        {name: np.array(target.open(name)) for name in objects},
        result,
        {key: f.objects.index for key, f in result.found.items()},
    )
