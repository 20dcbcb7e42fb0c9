"""Step *scan*: the sheet of datasets → manifest and batch files, before Snakemake builds its DAG.

Concurrent (images are opened by threads), incremental (a dataset that the manifest has, with the
same URL, is not opened again) and quiet: a batch file is only rewritten when its content changes.
Rows of the manifest stay in Arrow, and only those of one dataset at a time become Python values.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from voxelmill.batchtable import BatchLoad, BatchTable, Entry, Key
from voxelmill.config import Config
from voxelmill.configfile import Row, load_sheet
from voxelmill.features import check_features
from voxelmill.layout import Layout, manifest
from voxelmill.ledger import sha256_of
from voxelmill.plugin import AccessDenied, BadConfig, BadInput, StoreUnavailable
from voxelmill.sizing import rule
from voxelmill.steps.cutting import Cutter
from voxelmill.steps.gather import read_plate_map
from voxelmill.store.read import Image, open_dataset, open_image
from voxelmill.tables import Frame, TableWriter

THREADS = 16
INTEGERS = ("acquisition",)
"""Columns of the manifest that are not text."""
COLUMNS = ("dataset", "url", "image", "plate", "well", "row", "column", "site", "acquisition",
           "axes", "shape", "dtype", "channels", "spacing_um", "reason", "warnings")  # fmt: skip
"""Columns of the manifest; scan adds ``batch``."""


@dataclass(frozen=True)
class Scanned:
    """What is to be run: batch names by dataset."""

    batches: Mapping[str, tuple[str, ...]]
    images: int
    opened: int
    """Datasets that were opened now, not taken from the manifest."""


def scan(config: Config, config_path: str | Path, *, fresh: bool = False) -> Scanned:
    """Find all images of all datasets and cut them into batches.

    Parameters
    ----------
    config : Config
    config_path : path
        File of `config`; the sheet is looked for beside it.
    fresh : bool
        Open every dataset again, also those the manifest has.

    Returns
    -------
    Scanned
        What a run leaves out is in it as it was: nothing of it is opened or cut.

    Raises
    ------
    BadConfig
        The sheet breaks a rule, images lack a channel that the configuration names, or features
        cannot make a table together.
    BadInput
        A dataset is no OME-Zarr, the manifest is none, or a plate map breaks a rule.
    """
    sheet = load_sheet(config, config_path)
    results = config.folder
    cutter, before = Cutter(results, rule(config)), BatchTable.read(results)
    kept = {} if fresh and not any(row.left_out for row in sheet) else _known(results)
    known = {} if fresh else kept
    # By name: the address of what is gone may read otherwise than it did.
    named = {key[0]: key for key in kept}
    found: dict[Key, Frame] = {}
    opened: set[Key] = set()
    idle: set[Key] = set()
    for row in sheet:
        key = row.dataset, row.url
        if row.left_out:
            if there := named.get(row.dataset):
                found[there] = kept[there]
                idle.add(there)
            continue
        if row.plate_map:
            read_plate_map(Path(row.plate_map))
        if key not in known or _removed(results, key, before):
            opened.add(key)
        found[key] = _open(row) if key in opened else known[key]
        _check_channels(config, config_path, row, found[key])
        _check_features(config, config_path, found[key])
    # Batch files need no look at their rows where these are those that they were made of.
    whole = bool(known) and before.manifest == sha256_of(manifest(results))
    entries = {}
    for key, frame in found.items():
        old = before.entries.get(key, ())
        same = key in idle or (whole and key not in opened and cutter.unchanged(key, old))
        entries[key] = old if old and same else cutter.cut(key, frame, old)
    if whole and not opened and list(entries.items()) == list(before.entries.items()):
        manifest(results).touch()
    else:
        _write(results, found, entries)
    batches = {key[0]: tuple(e.batch for e in each) for key, each in entries.items()}
    return Scanned(batches, sum(map(len, found.values())), len(opened))


def _write(
    results: Path, found: Mapping[Key, Frame], entries: Mapping[Key, tuple[Entry, ...]]
) -> None:
    """Write the manifest, then the table of batches, which names its digest."""
    with TableWriter(manifest(results)) as writer:
        for key, frame in found.items():
            batches = [e.batch for e in entries[key] for _ in range(e.images)]
            writer.add(frame.having("batch", batches))
    BatchTable(entries, sha256_of(manifest(results))).write(results)


def _known(results: Path) -> dict[Key, Frame]:
    """Rows of the manifest by dataset and URL."""
    path = manifest(results)
    if not path.exists():
        return {}
    table = Frame.read(path, INTEGERS)
    if lacks := [name for name in COLUMNS if name not in table.names]:
        raise BadInput(f"{path}: no column {', '.join(lacks)}. Delete it and run `voxelmill scan`")
    found: dict[Key, Frame] = {}
    start = 0
    for key, group in groupby(zip(table.column("dataset"), table.column("url"), strict=True)):
        stop = start + sum(1 for _ in group)
        if key in found:
            raise BadInput(
                f"{path}: rows of dataset '{key[0]}' in two places; allowed: all of a dataset "
                "together. Sort them, or delete it and run `voxelmill scan`"
            )
        found[key] = table.part(start, stop)
        start = stop
    return found


def _removed(results: Path, key: Key, before: BatchTable) -> bool:
    """Whether there were batch files and somebody has removed them all: to start anew."""
    layout = Layout(results / key[0])
    batches = [layout.batch(entry.batch) for entry in before.entries.get(key, ())]
    return bool(batches) and not any(path.exists() for path in batches)


def _open(row: Row) -> Frame:
    dataset = open_dataset(row.url)
    refs = [*dataset.images]
    with ThreadPoolExecutor(THREADS) as threads:
        images = list(threads.map(lambda r: _try(row.url, r.path), refs))
    found = [
        {
            "dataset": row.dataset,
            "url": row.url,
            "image": ref.path,
            "plate": ref.plate,
            "well": ref.well,
            "row": ref.row,
            "column": ref.column,
            "site": ref.site,
            "acquisition": ref.acquisition,
            **_facts(image),
        }
        for ref, image in zip(refs, images, strict=True)
    ]
    # A well that cannot be read stays in the run, so that it is reported as quarantined.
    for path, reason in dataset.problems:
        place = dict.fromkeys(("plate", "well", "row", "column", "site"), "")
        found.append({"dataset": row.dataset, "url": row.url, "image": path, **place,
                      "acquisition": None, **_facts(reason)})  # fmt: skip
    if not found:
        raise BadInput(f"{row.url}: no images in it. Remove dataset '{row.dataset}' from the sheet")
    return Frame.of({name: [image[name] for image in found] for name in COLUMNS}, INTEGERS)


def _try(url: str, path: str) -> Image | str:
    try:
        return open_image(url, path)
    except (BadInput, StoreUnavailable, AccessDenied) as error:
        return str(error)


def _facts(image: Image | str) -> dict[str, Any]:
    if isinstance(image, str):
        return {"axes": "", "shape": "[]", "dtype": "", "channels": "[]", "spacing_um": "[]",
                "reason": image, "warnings": ""}  # fmt: skip
    return {
        "axes": image.axes,
        "shape": json.dumps(image.shape),
        "dtype": image.dtype,
        "channels": json.dumps(image.channels),
        "spacing_um": json.dumps(image.spacing_um),
        "reason": "",
        "warnings": "; ".join(image.warnings),
    }


def _check_channels(config: Config, config_path: str | Path, row: Row, found: Frame) -> None:
    """Refuse a channel that images lack, before any job starts."""
    texts = found.column("channels")
    for text in dict.fromkeys(texts):
        have = json.loads(text)
        if lacks := config.lacking(have):
            name, channel = lacks
            image = found.column("image")[texts.index(text)]
            place = f"{row.dataset}/{image}".rstrip("/")
            raise BadConfig(
                f"{place}: no channel '{channel}'; it has {', '.join(map(repr, have))}. "
                f"Set objects.{name}.channel in {config_path}"
            )


def _check_features(config: Config, config_path: str | Path, found: Frame) -> None:
    """Refuse features that *measure* would refuse, before any job starts."""
    texts = dict.fromkeys(found.column("channels"))
    channels = list(dict.fromkeys(channel for text in texts for channel in json.loads(text)))
    # Without any image that opens, there is nothing to measure.
    if channels:
        try:
            check_features(config.features, channels)
        except BadConfig as error:
            raise BadConfig(f"{config_path}: {error}") from None


def listed(config: Config) -> dict[str, dict[str, BatchLoad]]:
    """Batches by dataset as the last scan has left them: what a job on another machine needs."""
    return {
        dataset: {entry.batch: entry.load for entry in entries}
        for (dataset, _), entries in BatchTable.read(config.folder).entries.items()
    }
