"""`voxelmill inspect URL`: what a dataset holds, from its metadata and a count of its chunks.

In: a dataset's address. Out: plain text (`inspect`) or a dictionary for JSON (`inspect_json`). No
pixel is read. An image that cannot be read is listed with its reason.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from voxelmill.ngff import Dataset, Image, ImageRef, place_of
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable, VoxelmillError
from voxelmill.store import inventory, is_url, open_dataset, open_image

NAMED = 10
"""Images that are named of those with missing chunks or problems."""


def inspect(url: str, fields: bool = False) -> str:
    """Describe a dataset for a terminal.

    Parameters
    ----------
    url : str
        Local path or http(s) address.
    fields : bool
        Add a line for each image.

    Raises
    ------
    BadInput
        Not OME-Zarr, or none of its images can be read.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    found = inspect_json(url)
    lines = [f"{found['name']}: OME-Zarr {found['version']} {found['kind']}", ""]
    lines += [f"{label:<14}{text}" for label, text in _summary(found)]
    if fields:
        lines += ["", *_field_lines(found["fields"])]
    return "\n".join(map(_printable, lines))


def inspect_json(url: str) -> dict[str, Any]:
    """Describe a dataset as a dictionary of JSON types.

    Raises
    ------
    BadInput
        Not OME-Zarr, or none of its images can be read.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    dataset = open_dataset(url)
    fields = _each(dataset, lambda ref: _field(dataset, ref))
    good = [field for field in fields if "problem" not in field]
    problems = [{"path": path, "problem": reason} for path, reason in dataset.problems]
    problems += [field for field in fields if "problem" in field]
    if not good:
        first = problems[0]["problem"] if problems else "it lists none"
        raise BadInput(f"{place_of(dataset.url)}: no image can be read; first problem: {first}")
    kinds = ("axes", "shape", "dtype", "channels", "spacing_um", "levels", "chunks", "shards")
    return {
        "url": dataset.url,
        "name": place_of(dataset.url),
        "kind": dataset.kind,
        "version": dataset.version,
        "rows": list(dataset.rows),
        "columns": list(dataset.columns),
        "wells": len({ref.well for ref in dataset.images if ref.well}),
        "images": len(dataset.images),
        **{key: _distinct([field[key] for field in good]) for key in (*kinds, "codecs")},
        "chunks_stored": sum(field["chunks_stored"] for field in good),
        "chunks_expected": sum(field["chunks_expected"] for field in good),
        "bytes": sum(field["bytes"] for field in good),
        "incomplete": [
            {"path": f["path"], "missing": f["missing"][0]} for f in good if f["missing"]
        ],
        "problems": problems,
        "warnings": _gathered([list(dataset.warnings)] + [f["warnings"] for f in good]),
        "notes": _gathered([field["notes"] for field in good]),
        "fields": fields,
    }


def _each(dataset: Dataset, look: Callable[[ImageRef], dict[str, Any]]) -> list[dict[str, Any]]:
    if not is_url(dataset.url):
        return [look(ref) for ref in dataset.images]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(look, dataset.images))


def _field(dataset: Dataset, ref: ImageRef) -> dict[str, Any]:
    try:
        return _described(open_image(dataset.url, ref.path), ref)
    except (BadInput, StoreUnavailable, AccessDenied) as error:
        if dataset.kind == "image":
            raise
        return {"path": ref.path, "well": ref.well, "problem": _line(error)}


def _described(image: Image, ref: ImageRef) -> dict[str, Any]:
    chunks = inventory(image)
    array = image.levels[0].array
    return {
        "path": ref.path,
        "well": ref.well,
        "axes": image.axes,
        "shape": list(image.levels[0].shape),
        "dtype": image.dtype,
        "channels": list(image.channels),
        "spacing_um": list(image.spacing_um),
        "levels": len(image.levels),
        "chunks": list(array.chunks),
        "shards": list(array.shards) if array.shards else None,
        "codecs": list(array.codecs),
        "chunks_stored": chunks.stored,
        "chunks_expected": chunks.expected,
        "bytes": chunks.bytes,
        "missing": list(chunks.missing),
        "warnings": list(image.warnings),
        "notes": list(image.notes),
    }


def _line(error: VoxelmillError) -> str:
    return " ".join(str(error).split())


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Return the different values, in the order they come."""
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def _gathered(texts: list[list[str]]) -> list[dict[str, Any]]:
    """Return each different text with the number of images it is said of."""
    counts: dict[str, int] = {}
    for text in (text for each in texts for text in each):
        counts[text] = counts.get(text, 0) + 1
    return [{"text": text, "images": count} for text, count in counts.items()]


def _summary(found: dict[str, Any]) -> list[tuple[str, str]]:
    wells = f"{found['wells']} of {len(found['rows']) * len(found['columns'])}"
    rows = [("wells", wells)] if found["kind"] == "plate" else []
    rows += [
        ("images", f"{found['images']:,}"),
        ("axes", _or(found["axes"])),
        ("shape", _or(map(_extent, found["shape"]))),
        ("data type", _or(found["dtype"])),
        ("channels", _or(", ".join(names) for names in found["channels"])),
        ("pixel size", _or(map(_size, found["spacing_um"]))),
        ("levels", _or(map(str, found["levels"]))),
        ("chunks", _or(map(_extent, found["chunks"]))),
        ("shards", _or(_extent(s) if s else "none" for s in found["shards"])),
        ("compression", _or(", ".join(names) or "none" for names in found["codecs"])),
        ("stored", f"{found['chunks_stored']:,} of {found['chunks_expected']:,} chunks of level 0"),
        ("bytes", f"{found['bytes']:,} of level 0"),
    ]
    gaps = [f"{entry['path'] or '.'}: first {entry['missing']}" for entry in found["incomplete"]]
    rows += _listed("missing", gaps)
    rows += _listed("problem", [entry["problem"] for entry in found["problems"]])
    many = found["images"] > 1
    for label in ("warning", "note"):
        entries = found[f"{label}s"]
        rows += _listed(
            label, [e["text"] + (f" (x{e['images']})" if many else "") for e in entries]
        )
    return rows


def _listed(label: str, texts: list[str]) -> list[tuple[str, str]]:
    rows = [(label, text) for text in texts[:NAMED]]
    return rows + ([(label, f"and {len(texts) - NAMED} more")] if len(texts) > NAMED else [])


def _or(texts: Iterable[str]) -> str:
    return "  or  ".join(texts)


def _extent(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _size(spacing: Sequence[float]) -> str:
    return " x ".join(f"{value:.6g}" for value in spacing) + " µm (z, y, x)"


def _printable(line: str) -> str:
    """Names come from the data: none may move the cursor or colour the terminal."""
    return "".join(char if char.isprintable() else "?" for char in line)


def _field_lines(fields: list[dict[str, Any]]) -> list[str]:
    width = max(5, *(len(field["path"]) for field in fields)) + 2
    lines = [f"{'image':<{width}}{'well':<6}{'shape':<26}{'chunks':<14}bytes"]
    for field in fields:
        start = f"{field['path'] or '.':<{width}}{field['well']:<6}"
        if "problem" in field:
            lines.append(start + field["problem"])
            continue
        chunks = f"{field['chunks_stored']}/{field['chunks_expected']}"
        lines.append(f"{start}{_extent(field['shape']):<26}{chunks:<14}{field['bytes']}")
    return lines
