"""`voxelmill index`: all datasets of a results folder on one page, ``index.html``.

In: records, and logs for the effort; nothing else is read, so hundreds of datasets take seconds.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from voxelmill.layout import PROVENANCE, Layout, index_page, manifest
from voxelmill.ledger import write_bytes
from voxelmill.report.index import Entry, IndexData, Level, Took, render_index
from voxelmill.site import load_site
from voxelmill.steps.effort import Effort, effort
from voxelmill.steps.plateverdict import plate_verdict
from voxelmill.tables.counts import counted
from voxelmill.tally import Portion, batches_of, total

THREADS = 16


def index(results: Path, site: str | None = None) -> Path:
    """Write the index of a results folder.

    Parameters
    ----------
    results : Path
    site : str, optional
        Where jobs ran, for what they cost: the site's name, or its partition file.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    BadInput
        `results` is no folder of a run.
    BadConfig
        No such site.
    """
    billing = load_site(site).site.billing if site else None
    batches = batches_of(results)
    size = _bytes(results)

    def look(dataset: str) -> tuple[Entry, Effort]:
        layout = Layout(results / dataset)
        spent = effort(layout, len(batches[dataset]), billing)
        whole = total(batches[dataset])
        return _entry(dataset, layout, whole, spent, size.get(dataset, 0)), spent

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(look, batches))
    entries = [entry for entry, _ in found]
    data = IndexData(
        results.resolve().name, entries, _sum(entries, [e for _, e in found], size),
        version("voxelmill"),
    )  # fmt: skip
    page = index_page(results)
    write_bytes(page, render_index(data).encode())
    return page


def _entry(dataset: str, layout: Layout, whole: Portion, spent: Effort, size: int) -> Entry:
    aggregated, reported = _read(layout.record("aggregate")), _read(layout.record("report"))
    counts = _counts(aggregated, reported)
    # On a store the pages themselves may have no copy here; their records do.
    pages = (
        ("report", layout.report.name, "report"),
        ("QC report", layout.qc_report.name, "review"),
        ("provenance", layout.crate.name, PROVENANCE),
    )
    links = {
        text: f"./{quote(dataset)}/{name}"
        for text, name, step in pages
        if layout.record(step).exists() or (layout.root / name).exists()
    }
    done = whole.images if aggregated else 0
    return Entry(
        dataset,
        _level(aggregated, reported, counts),
        plate_verdict(aggregated)[1],
        whole.images,
        counts,
        dict(aggregated.get("counts", {})),
        links,
        _took(spent, done, size if aggregated else 0),
    )


def _took(spent: Effort, images: int, size: int) -> Took:
    seconds = spent.run_s
    return Took(
        seconds or None,
        spent.core_s / 3600 or None,
        3600 * images / seconds if seconds and images else None,
        size / 1e6 / seconds if seconds and size else None,
        spent.units,
        spent.ended or None,
    )


def _counts(aggregated: Mapping[str, Any], reported: Mapping[str, Any]) -> dict[str, int]:
    """Images by state; without a report, what *aggregate* counts as flagged is a warning."""
    if "states" in reported:
        return dict(reported["states"])
    names = {"ok": "pass", "flagged": "warn"}
    return {names.get(s, s): n for s, n in aggregated.get("images", {}).items()}


def _level(
    aggregated: Mapping[str, Any], reported: Mapping[str, Any], counts: Mapping[str, int]
) -> Level:
    if not aggregated:
        return ""
    given: Level | None = plate_verdict(aggregated)[0] or reported.get("verdict")
    if given:
        return given
    if counts.get("fail") or counts.get("quarantined"):
        return "fail"
    return "warn" if counts.get("warn") else "pass"


def _sum(entries: list[Entry], spent: list[Effort], size: Mapping[str, int]) -> Entry:
    done = [e for e in entries if e.level]
    states = dict.fromkeys(s for e in entries for s in e.counts)
    spans = tuple(span for each in spent for span in each.spans)
    prices = [e.units for e in spent if e.units is not None]
    whole = Effort(spans, sum(e.core_s for e in spent), sum(prices) if prices else None)
    return Entry(
        "",
        images=sum(e.images for e in entries),
        counts={s: sum(e.counts.get(s, 0) for e in entries) for s in states},
        took=_took(whole, sum(e.images for e in done), sum(size.get(e.dataset, 0) for e in done)),
    )


def _bytes(results: Path) -> dict[str, int]:
    """Bytes of the pixels of each dataset, uncompressed."""
    found: dict[str, int] = {}
    if not manifest(results).exists():
        return found
    table = counted(manifest(results), ("dataset", "shape", "dtype"), "image")
    columns = (table[c] for c in ("dataset", "shape", "dtype", "count"))
    for dataset, shape, dtype, count in zip(*columns, strict=True):
        if shape and json.loads(shape):
            each = prod(json.loads(shape)) * np.dtype(dtype).itemsize
            found[dataset] = found.get(dataset, 0) + each * count
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found
