"""Step *segment*: pixels of a batch → label images and the index of objects.

In: batch file, what the gate leaves out of it, settings ``objects`` and ``labels``. Out:
``labels.ome.zarr/<image>/labels/<set>``, or the same in ``labels/<batch>.ozx``;
``index/<batch>.parquet``; and the record with fitted parameters, counts and digests.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

from voxelmill.config import Settings
from voxelmill.ends import StoreTarget
from voxelmill.engine import Engine, Found, Result
from voxelmill.ledger import write_json
from voxelmill.objectindex import Place, Rows, write_index
from voxelmill.objectsets import Segmented
from voxelmill.stages import Frame
from voxelmill.steps.gate import read_gate
from voxelmill.steps.labelplace import labels_root, publish, written
from voxelmill.steps.work import Execution, Opened, Work, channel_index, record, start
from voxelmill.store.labels import create_labels
from voxelmill.store.objects import objects_at
from voxelmill.store.read import Image
from voxelmill.storeoptions import is_url


def segment(
    batch_file: Path,
    out: Path,
    settings: Settings,
    execution: Execution,
    gate: Path | None = None,
) -> None:
    """Segment all images of a batch but those that `gate` excludes; write the record `out`.

    Raises
    ------
    BadInput
        The file of the gate is damaged.
    BlocksFailed
        Blocks failed for another reason than their data; finished ones are kept.
    """
    excluded = read_gate(gate)
    with start("segment", batch_file, settings, execution, excluded=excluded) as work:
        each = objects_at(labels_root(work)).each
        made = each(lambda one: _frames(work, *one), work.usable)
        frames = [frame for frames in made for frame in frames]
        channels = {
            _key(opened, t): {
                name: [channel_index(image, channel) for channel in spec.channels]
                for name, spec in settings.objects.items()
                if isinstance(spec, Segmented)
            }
            for opened, image in work.usable
            for t in range(image.shape[0])
        }
        _say(work)
        engine = Engine(work.pool, work.ledger, execution.blocks, work.advice)
        result = engine.segment(frames, settings.objects, settings.order(), channels)
        records = each(lambda opened: _image_record(work, opened, result), work.images)
        images = {o.item.path: record for o, record in zip(work.images, records, strict=True)}
        write_index(work.layout.index(work.batch.name), _portions(work, images, result))
        write_json(out, record(work, "segment", images, **publish(work)))
        work.ledger.discard()


def _say(work: Work) -> None:
    """What segmenters have to say before they start, on stderr: the log of the job."""
    voxels = sum(prod(image.shape) // image.shape[1] for _, image in work.usable)
    for name, spec in work.settings.objects.items():
        if isinstance(spec, Segmented) and (
            note := spec.segmenter.note(voxels, work.execution.workers)
        ):
            sys.stderr.write(f"{name}: {note}\n")


def _key(opened: Opened, t: int) -> str:
    return f"{opened.item.path or 'image'}@{t}"


def _frames(work: Work, opened: Opened, image: Image) -> list[Frame]:
    _, _, z, y, x = image.shape
    root = labels_root(work)
    target = StoreTarget(root, opened.item.path, (z, y, x))
    if not work.ledger.done:
        target.remove()
    for name in work.settings.objects:
        place = work.layout.labels / opened.item.path / "labels" / name
        create_labels(
            root,
            opened.item.path,
            axes="".join(a for a in "tzyx" if a in image.axes),
            shape=image.shape,
            spacing_um=image.spacing_um,
            names=list(work.settings.objects),
            name=name,
            source=_source(work.batch.url, opened.item.path, place, work.layout.store),
            levels=_levels(image),
        )
    source = work.source(opened, image)
    return [Frame(_key(opened, t), source, target, t) for t in range(image.shape[0])]


def _levels(image: Image) -> list[tuple[int, int, int]] | None:
    """Shapes of the image's pyramid, which that of its labels follows; None: it has none."""
    if len(image.levels) == 1:
        return None
    shapes = (image.shape_at(level) for level in range(len(image.levels)))
    return [(z, y, x) for _, _, z, y, x in shapes]


def _source(url: str, path: str, place: Path, store: str) -> str:
    """Where the image lies, as seen from its label image in the folder, or unpacked there."""
    if is_url(url) or store:
        return f"{url.rstrip('/')}/{path}".rstrip("/")
    return os.path.relpath(Path(url).resolve() / path, place.resolve())


def _image_record(work: Work, opened: Opened, result: Result) -> dict[str, Any]:
    frames = range(opened.image.shape[0]) if opened.image else ()
    keys = [_key(opened, t) for t in frames]
    reason = opened.reason or next((result.refused[k] for k in keys if k in result.refused), "")
    path = opened.item.path
    if reason:
        # Nothing half-written may look finished.
        StoreTarget(labels_root(work), path, (1, 1, 1)).remove()
        status = "excluded" if opened.excluded else "quarantined"
        return {"status": status, "reason": reason}
    sets = {
        name: _set_record([result.found[key, name] for key in keys])
        for name in work.settings.objects
    }
    more = {} if work.settings.labels == "zip" else {"stored": written(work, path)}
    return {"status": "ok", "input": opened.digest, "objects": sets, **more}


def _set_record(frames: Sequence[Found]) -> dict[str, Any]:
    """What the record says of one object set, one entry a time point."""
    return {
        "counts": [found.objects.count for found in frames],
        "fitted": [dict(found.fitted) for found in frames],
        "halo": [list(found.halo) for found in frames],
        "seams": [found.objects.seams for found in frames],
        "longest": [list(found.objects.longest) for found in frames],
        "sha256": sha256("".join(found.digest for found in frames).encode()).hexdigest(),
    }


def _portions(work: Work, images: dict[str, Any], result: Result) -> Iterator[tuple[Place, Rows]]:
    """Rows of the index in its order."""
    for opened in work.images:
        if images[opened.item.path]["status"] != "ok" or opened.image is None:
            continue
        for name in work.settings.objects:
            for t in range(opened.image.shape[0]):
                for rows in result.found[_key(opened, t), name].objects:
                    yield (opened.item.path, t, name), rows
