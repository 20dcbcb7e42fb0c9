"""Step *scan*: the sheet of datasets → manifest and batch files, before Snakemake builds its DAG.

Concurrent (images are opened by threads), incremental (a dataset that the manifest has, with the
same URL, is not opened again) and quiet: a batch file is only rewritten when its content changes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.batch import IMAGES, Batch, Item, split
from voxelmill.config import Config
from voxelmill.configfile import Row, load_sheet
from voxelmill.layout import Layout, manifest
from voxelmill.ledger import write_json
from voxelmill.plugin import AccessDenied, BadConfig, BadInput, StoreUnavailable
from voxelmill.store.read import Image, open_dataset, open_image
from voxelmill.tables import read_table, rows, write_table

THREADS = 16


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

    Raises
    ------
    BadConfig
        The sheet breaks a rule, or images lack a channel that the configuration names.
    BadInput
        A dataset is no OME-Zarr.
    """
    sheet = load_sheet(config, config_path)
    results = Path(config.results)
    known = {} if fresh else _known(results, config)
    table: list[dict[str, Any]] = []
    batches: dict[str, tuple[str, ...]] = {}
    for row in sheet:
        found = known.get((row.dataset, row.url)) or _open(row)
        _check_channels(config, config_path, row, found)
        cut = split(
            row.dataset, row.url, [_item(f) for f in found], config.batches.images or IMAGES
        )
        _write_batches(Layout(results / row.dataset), cut)
        batches[row.dataset] = tuple(b.name for b in cut)
        name = {i.path: b.name for b in cut for i in b.items}
        table += [{**f, "batch": name[f["image"]]} for f in found]
    if table != [r for rows_ in known.values() for r in rows_]:
        columns = {c: [r[c] for r in table] for c in table[0]}
        write_table(manifest(results), columns)
    else:
        manifest(results).touch()
    opened = sum((r.dataset, r.url) not in known for r in sheet)
    return Scanned(batches, len(table), opened)


def _known(results: Path, config: Config) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Manifest rows by dataset and URL, of datasets all of whose batch files are there."""
    if not manifest(results).exists():
        return {}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows(read_table(manifest(results))):
        found.setdefault((row["dataset"], row["url"]), []).append(row)
    return {
        key: value
        for key, value in found.items()
        if all(Layout(results / key[0]).batch(r["batch"]).exists() for r in value)
    }


def _open(row: Row) -> list[dict[str, Any]]:
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
    return found


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


def _item(found: Mapping[str, Any]) -> Item:
    shape = json.loads(found["shape"])
    voxels = 1
    for i, n in enumerate(shape):
        voxels *= n if i != 1 else 1
    place = {k: found[k] for k in ("plate", "well", "row", "column", "site", "acquisition")}
    return Item(path=found["image"], **place, voxels=voxels if shape else 0)


def _check_channels(
    config: Config, config_path: str | Path, row: Row, found: Iterable[Mapping[str, Any]]
) -> None:
    """Refuse a channel that images lack, before any job starts."""
    for name, spec in config.objects.items():
        channel = getattr(spec, "channel", None)
        for image in found if channel is not None else ():
            have = json.loads(image["channels"])
            by_index = str(channel).isdigit() and int(str(channel)) < len(have)
            if have and channel not in have and not by_index:
                place = f"{row.dataset}/{image['image']}".rstrip("/")
                raise BadConfig(
                    f"{place}: no channel '{channel}'; it has {', '.join(map(repr, have))}. "
                    f"Set objects.{name}.channel in {config_path}"
                )


def _write_batches(layout: Layout, batches: Sequence[Batch]) -> None:
    wanted = {layout.batch(b.name): b.as_json() for b in batches}
    folder = layout.batch("x").parent
    for path in folder.glob("*.json") if folder.exists() else ():
        if path not in wanted:
            path.unlink()
    for path, value in wanted.items():
        if not path.exists() or json.loads(path.read_text(encoding="utf-8")) != value:
            write_json(path, value)


def listed(config: Config, config_path: str | Path) -> dict[str, tuple[str, ...]]:
    """Batches by dataset as the last scan has left them: what a job on another machine needs."""
    known = _known(Path(config.results), config)
    return {
        row.dataset: tuple(dict.fromkeys(r["batch"] for r in known.get((row.dataset, row.url), ())))
        for row in load_sheet(config, config_path)
    }
