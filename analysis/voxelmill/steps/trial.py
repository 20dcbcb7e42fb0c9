"""One variant of a run: the real steps *segment* and *measure* on one stored image.

In: ``<folder>/<storage>/image.ome.zarr``. Out: the results under ``<folder>/<storage>/<name>``, so
that all variants lie equally far from their image and may be compared byte by byte.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.execution import Compute
from voxelmill.layout import Layout
from voxelmill.ledger import write_json
from voxelmill.plugin import BadInput
from voxelmill.progress import Progress
from voxelmill.run import pool
from voxelmill.steps.gather import read_record
from voxelmill.steps.measure import measure
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.variants import Variant

BATCH = "0000"


@contextmanager
def workers(number: int, *, processes: bool) -> Iterator[None]:
    """Workers that all variants tried meanwhile share: steps use a pool that is there."""
    with pool(Compute(processes=processes), number, Progress(show=False)):
        yield


def attempt(folder: Path, name: str, variant: Variant, settings: Settings) -> Layout:
    """Segment and measure one stored image in one way.

    Parameters
    ----------
    folder : Path
        Holds the stored images; results go to ``<folder>/<storage>/<name>``.
    name : str
        Of the results' folder.
    variant : Variant
        How to run; `workers` may be open already.
    settings : Settings
        What to compute.

    Returns
    -------
    Layout
        Where the results lie.

    Raises
    ------
    BadInput
        The image was quarantined: its reason.
    BlocksFailed
        Blocks failed for another reason than their data.
    """
    home = folder / variant.storage
    layout = Layout(home / name)
    item = Item("", "", "", "", "", "", None, 0)
    batch = Batch("image", str(home / "image.ome.zarr"), BATCH, (item,))
    write_json(layout.batch(BATCH), batch.as_json())
    execution = Execution(
        blocks=variant.blocks,
        compute=Compute(processes=variant.processes),
        workers=variant.workers,
    )
    segmented, measured = (layout.record(step, BATCH) for step in ("segment", "measure"))
    segment(layout.batch(BATCH), segmented, settings, execution)
    measure(layout.batch(BATCH), segmented, measured, settings, execution)
    for record in (segmented, measured):
        found = read_record(record)["images"][""]
        if found["status"] != "ok":
            raise BadInput(found["reason"])
    return layout
