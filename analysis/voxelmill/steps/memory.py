"""What every step asks before it starts: does this batch fit, and what to say if it did not.

In: a batch, and how the step runs. Out: a refusal in one line, or advice for a later failure. Only
the metadata of the largest image are read.
"""

from collections.abc import Mapping

from voxelmill.batch import Batch
from voxelmill.extent import Extent
from voxelmill.machine import limit
from voxelmill.plan import Load, bound, check
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.store.read import open_image


def largest(batch: Batch) -> dict[str, Extent]:
    """Extent of the largest image of a batch by its name; empty if it cannot be opened."""
    item = max(batch.items, key=lambda each: each.voxels, default=None)
    if item is None:
        return {}
    try:
        image = open_image(batch.url, item.path)
    except (BadInput, StoreUnavailable, AccessDenied):
        # Whoever reads it says so, and goes on with the others.
        return {}
    return {f"{batch.dataset}/{item.path}".rstrip("/"): Extent.of(image, len(batch.items))}


def refuse(extents: Mapping[str, Extent], load: Load) -> None:
    """Refuse a step that cannot fit into the memory of this machine.

    Raises
    ------
    BadConfig
        It does not fit; the text says what would.
    """
    check(extents, load, bound(load.compute, limit()))
