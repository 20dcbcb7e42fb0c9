"""Step *segment*: pixels of a batch → label images and the index of objects.

In: batch file, settings ``objects``. Out: ``labels.ome.zarr/<image>/labels/<set>``,
``index/<batch>.parquet``, and the record with fitted parameters, counts and digests.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.config import Segmented, Settings
from voxelmill.configfile import is_url
from voxelmill.ends import StoreTarget
from voxelmill.engine import Engine, Result
from voxelmill.ledger import write_json
from voxelmill.stages import INDEX_COLUMNS, Frame
from voxelmill.steps.work import Execution, Opened, Work, channel_index, record, start
from voxelmill.store.labels import create_labels, labels_digest
from voxelmill.store.read import Image
from voxelmill.tables import write_table


def segment(batch_file: Path, out: Path, settings: Settings, execution: Execution) -> None:
    """Segment all images of a batch and write the record `out`.

    Raises
    ------
    BlocksFailed
        Blocks failed for another reason than their data; finished ones are kept.
    """
    with start("segment", batch_file, settings, execution) as work:
        frames = [f for opened, image in work.usable for f in _frames(work, opened, image)]
        channels = {
            _key(opened, t): {
                name: channel_index(image, spec.channel)
                for name, spec in settings.objects.items()
                if isinstance(spec, Segmented)
            }
            for opened, image in work.usable
            for t in range(image.shape[0])
        }
        engine = Engine(work.pool, work.ledger, execution.blocks)
        result = engine.segment(frames, settings.objects, settings.order(), channels)
        images = {o.item.path: _image_record(work, o, result) for o in work.images}
        _write_index(work, images, result)
        write_json(out, record(work, "segment", images))
        work.ledger.discard()


def _key(opened: Opened, t: int) -> str:
    return f"{opened.item.path or 'image'}@{t}"


def _frames(work: Work, opened: Opened, image: Image) -> list[Frame]:
    _, _, z, y, x = image.shape
    target = StoreTarget(str(work.layout.labels), opened.item.path, (z, y, x))
    if not work.ledger.done:
        target.remove()
    for name in work.settings.objects:
        place = work.layout.labels / opened.item.path / "labels" / name
        create_labels(
            str(work.layout.labels),
            opened.item.path,
            axes=image.axes.replace("c", ""),
            shape=image.shape,
            spacing_um=image.spacing_um,
            names=list(work.settings.objects),
            name=name,
            source=_source(work.batch.url, opened.item.path, place),
            levels=_levels(image),
        )
    source = work.source(image)
    return [Frame(_key(opened, t), source, target, t) for t in range(image.shape[0])]


def _levels(image: Image) -> list[tuple[int, int, int]] | None:
    """Shapes of the image's pyramid, which that of its labels follows; None: it has none."""
    if len(image.levels) == 1:
        return None
    shapes = (image.shape_at(level) for level in range(len(image.levels)))
    return [(z, y, x) for _, _, z, y, x in shapes]


def _source(url: str, path: str, place: Path) -> str:
    """Where the image lies, as seen from its label image."""
    if is_url(url):
        return f"{url.rstrip('/')}/{path}".rstrip("/")
    return os.path.relpath(Path(url).resolve() / path, place.resolve())


def _image_record(work: Work, opened: Opened, result: Result) -> dict[str, Any]:
    frames = range(opened.image.shape[0]) if opened.image else ()
    keys = [_key(opened, t) for t in frames]
    reason = opened.reason or next((result.refused[k] for k in keys if k in result.refused), "")
    path = opened.item.path
    if reason:
        # Nothing half-written may look finished.
        StoreTarget(str(work.layout.labels), path, (1, 1, 1)).remove()
        return {"status": "quarantined", "reason": reason}
    sets = {
        name: {
            "counts": [len(result.found[key, name].index) for key in keys],
            "fitted": [dict(result.found[key, name].fitted) for key in keys],
            "seams": [int(result.found[key, name].index[:, -1].sum()) for key in keys],
            "sha256": labels_digest(str(work.layout.labels), path, name),
        }
        for name in work.settings.objects
    }
    return {"status": "ok", "input": opened.digest, "objects": sets}


def _write_index(work: Work, images: dict[str, Any], result: Result) -> None:
    columns: dict[str, list[Any]] = {"image": [], "t": [], "set": []}
    tables = [np.zeros((0, len(INDEX_COLUMNS)), np.int64)]
    for opened in work.images:
        if images[opened.item.path]["status"] != "ok" or opened.image is None:
            continue
        for name in work.settings.objects:
            for t in range(opened.image.shape[0]):
                index = result.found[_key(opened, t), name].index
                tables.append(index)
                columns["image"] += [opened.item.path] * len(index)
                columns["t"] += [t] * len(index)
                columns["set"] += [name] * len(index)
    numbers = np.concatenate(tables)
    rows = dict(zip(INDEX_COLUMNS, numbers.T, strict=True))
    write_table(
        work.layout.index(work.batch.name),
        {
            "image": columns["image"],
            "t": np.asarray(columns["t"], np.int64),
            "set": columns["set"],
            **rows,
        },
    )
