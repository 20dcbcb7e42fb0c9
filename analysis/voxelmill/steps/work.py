"""What all steps over a batch share: open its images, take inventories, start workers.

An image that cannot be used (invalid metadata, absent chunks) gets a reason instead of pixels; the
step records it as quarantined and goes on with the others.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from voxelmill import __version__
from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.ends import Source, StoreSource
from voxelmill.execution import Blocks, Compute
from voxelmill.layout import Layout
from voxelmill.ledger import Ledger
from voxelmill.need import whole
from voxelmill.plan import Load, advice
from voxelmill.plugin import BadConfig, BadInput, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.run import Pool, pool
from voxelmill.slots import reads_first
from voxelmill.steps.lighting import Lighting
from voxelmill.steps.local import scratch_place
from voxelmill.steps.memory import largest, refuse
from voxelmill.store.inventory import inventory
from voxelmill.store.place import Place, place_at
from voxelmill.store.read import Image, open_image
from voxelmill.storeoptions import Stores, use_stores


class Execution(BaseModel):
    """How a step runs: what never changes its results."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    blocks: Blocks = Blocks()
    compute: Compute = Compute()
    stores: Stores = {}
    workers: int = 1


@dataclass(frozen=True)
class Opened:
    """One image of a batch: its metadata and inventory digest, or why it is quarantined."""

    item: Item
    image: Image | None
    digest: str = ""
    reason: str = ""
    excluded: bool = False
    """Left out before it was opened, for that reason."""


@dataclass(frozen=True)
class Work:
    """A started step."""

    batch: Batch
    layout: Layout
    settings: Settings
    execution: Execution
    pool: Pool
    ledger: Ledger
    images: tuple[Opened, ...]
    advice: str = ""
    """What to change where memory did not suffice."""
    lighting: Lighting = field(default_factory=Lighting)

    def source(self, opened: Opened, image: Image) -> Source:
        """Pixels of an image, under even light where the step works on such.

        Absent chunks are an error unless the settings say otherwise.
        """
        source = StoreSource(image, sparse=self.settings.sparse == "allow")
        return self.lighting.source(source, image, opened.item.plate)

    @property
    def usable(self) -> list[tuple[Opened, Image]]:
        """Images that could be opened."""
        return [(o, o.image) for o in self.images if o.image is not None]


def read_batch(path: Path) -> Batch:
    """Read a batch file.

    Raises
    ------
    BadInput
        It is absent or no batch file.
    """
    try:
        return Batch.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}). Run `voxelmill scan`") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: no batch file. Run `voxelmill scan` to make it anew") from None


def read_execution(file: Path | None, workers: int) -> Execution:
    """Read the file that the ``--run`` option of a step names; stores are reached as it says.

    Raises
    ------
    BadConfig
        It cannot be read, or is not the JSON of an `Execution`.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else {}
        execution = Execution.model_validate({**found, "workers": workers})
    except (OSError, ValueError) as error:
        raise BadConfig(f"--run {file}: {' '.join(str(error).split())}") from None
    if file:
        use_stores(execution.stores)
    return execution


@contextmanager
def start(
    step: str,
    batch_file: Path,
    settings: Settings,
    execution: Execution,
    before: str = "",
    excluded: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Work]:
    """Open a batch for a step: workers, ledger and images; not those `excluded` for a reason.

    What an interrupted run has finished is kept only if the images, and the record `before` that
    the step builds on (its digest), are still the same.
    """
    batch, layout = read_batch(batch_file), Layout.of_batch(batch_file)
    lighting = Lighting.of(layout, settings, step)
    load = Load(settings, execution.blocks, execution.compute, execution.workers, steps=(step,))
    extents = largest(batch)
    refuse(extents, load)
    identity = {
        "step": step,
        "batch": batch.as_json(),
        "settings": settings.part(step),
        "blocks": execution.blocks.model_dump(),
        "version": __version__,
        "before": before + lighting.told,
        "excluded": dict(excluded),
    }
    alike = all(whole(extent, execution.blocks) for extent in extents.values())
    compute = execution.compute
    if alike and compute.elsewhere is not None:
        # Fields need no workers of their own: there are as many jobs as batches.
        compute = Compute()
    afar = any(extent.afar for extent in extents.values())
    with pool(
        compute, execution.workers, Progress(), alike, layout.worker_logs, ahead=afar
    ) as workers:
        images = tuple(
            _lit(image, lighting) for image in _open(step, batch, settings, workers, excluded)
        )
        identity["input"] = [image.digest for image in images]
        # Blocks of a large image may run on other nodes; what they leave is worth keeping.
        local = partial(scratch_place, step, batch, layout, settings, compute)
        scratch = local if alike else partial(_shared_scratch, step, batch, layout, compute)
        with Ledger(layout.scratch(step, batch.name), identity, scratch=scratch) as ledger:
            hint = advice(extents, load)
            yield Work(batch, layout, settings, execution, workers, ledger, images, hint, lighting)


def _lit(opened: Opened, lighting: Lighting) -> Opened:
    """The same image, or why it cannot be corrected as the settings ask."""
    refusal = lighting.refusal(opened.image, opened.item.plate) if opened.image else ""
    return Opened(opened.item, None, reason=refusal) if refusal else opened


def _open(
    step: str, batch: Batch, settings: Settings, workers: Pool, excluded: Mapping[str, str]
) -> tuple[Opened, ...]:
    """Open the images of a batch; in its order."""
    wanted = [i for i in batch.items if i.path not in excluded]
    tasks = {i.path: (batch.url, i, settings.sparse) for i in wanted}
    found = workers.run(f"{step}: open", open_item, tasks)
    opened = {
        i.path: o.value if o.reason is None else Opened(i, None, reason=o.reason)
        for i, o in zip(wanted, found.values(), strict=True)
    }
    return tuple(
        opened[i.path]
        if i.path in opened
        else Opened(i, None, reason=excluded[i.path], excluded=True)
        for i in batch.items
    )


def _shared_scratch(step: str, batch: Batch, layout: Layout, compute: Compute) -> Place | None:
    """Where workers on other nodes leave their scratch files, if they share no folder."""
    if compute.kubernetes is None:
        return None
    return place_at(f"{layout.store}/scratch/{step}-{batch.name}")


@reads_first
def open_item(url: str, item: Item, sparse: str) -> Opened:
    """Open one image and check that all its chunks are stored.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        It cannot be used; the text says why.
    """
    image = open_image(url, item.path)
    found = inventory(image)
    if found.stored < found.expected and sparse == "refuse":
        raise StoreUnavailable(
            f"{image.place}: {found.expected - found.stored} of {found.expected} chunks absent "
            f"(first: {found.missing[0]}). Restore them, or set `sparse: allow` if absent means 0"
        )
    return Opened(item, image, found.digest)


def record(work: Work, step: str, images: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return what every record carries: no time, no host, no absolute path."""
    return {
        "step": step,
        "dataset": work.batch.dataset,
        "batch": work.batch.name,
        "voxelmill": __version__,
        "settings": work.settings.part(step),
        "images": images,
        **({"illumination": work.lighting.told} if work.lighting.told else {}),
        **more,
    }


def channel_index(image: Image, channel: str) -> int:
    """Index of a channel by its name, or by its number where no name is that number.

    Raises
    ------
    BadInput
        The image has no such channel.
    """
    if channel in image.channels:
        return image.channels.index(channel)
    if channel.isdigit() and int(channel) < len(image.channels):
        return int(channel)
    have = ", ".join(f"'{c}'" for c in image.channels)
    raise BadInput(f"{image.place}: no channel '{channel}'; it has {have}. Set objects.*.channel")
