"""What `voxelmill view` finds under results: datasets, their images, where pixels and labels lie.

In: a folder of results, or their address on a store, of which tables, batch files and reports are
fetched into a folder. Out: one `Entry` an image. Nothing is opened; a run may still go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from voxelmill.batch import Item
from voxelmill.layout import Layout
from voxelmill.ledger import write_bytes
from voxelmill.ngff.node import parse_json
from voxelmill.plugin import BadInput
from voxelmill.steps.work import read_batch
from voxelmill.store.objects import join, objects_at
from voxelmill.store.remote import side_by_side
from voxelmill.store.s3 import S3Objects
from voxelmill.storeoptions import is_url
from voxelmill.tables import read_table, rows
from voxelmill.viewing.page import Line

PAGES = ("index.html", "report.html")
Wanted: TypeAlias = Callable[[list[str]], bool]
"""Whether an object is fetched, by the parts of its key."""


@dataclass(frozen=True)
class Entry:
    """One image: where its dataset and the root of its labels are, and its line in the list."""

    item: Item
    url: str
    labels: str
    line: Line


@dataclass(frozen=True)
class Results:
    """Results as they lie in a folder; `store` is where they really are, if that is elsewhere."""

    folder: Path
    store: str = ""

    @property
    def name(self) -> str:
        """What they are called."""
        return self.store or str(self.folder)

    def datasets(self) -> list[str]:
        """Names of the datasets that have been cut into batches."""
        return sorted({file.parents[1].name for file in self.folder.glob("*/batches/*.json")})

    def layout(self, dataset: str) -> Layout:
        """Paths of a dataset."""
        return Layout(self.folder / dataset, f"{self.store}/{dataset}" if self.store else "")

    def entries(self, dataset: str) -> list[Entry]:
        """All images of a dataset, in the order of its batches.

        Raises
        ------
        BadInput, StoreUnavailable
            A batch file or table is damaged; the input is not where the run found it.
        """
        layout = self.layout(dataset)
        judged = _judged(layout)
        found: list[Entry] = []
        for file in sorted((layout.root / "batches").glob("*.json")):
            batch = read_batch(file)
            url = self.located(batch.url)
            labels = layout.labels_of(batch.name)
            for item in batch.items:
                line = _line(len(found), item, judged.get(item.path, {}))
                found.append(Entry(item, url, labels, line))
        return found

    def pages(self, dataset: str = "") -> list[str]:
        """Pages of the results, by path in them: of all, or of one dataset."""
        prefix = f"{dataset}/" if dataset else ""
        return [f"{prefix}{name}" for name in PAGES if (self.folder / prefix / name).is_file()]

    def page(self, path: str) -> bytes | None:
        """Content of one of `pages`; links do not lead out of the results."""
        file, root = (self.folder / path).resolve(), self.folder.resolve()
        if file.name not in PAGES or not file.is_relative_to(root) or not file.is_file():
            return None
        return file.read_bytes()

    def located(self, url: str) -> str:
        """Address of the input: a relative one is seen from where the run was started.

        Raises
        ------
        BadInput
            It is not there.
        """
        if is_url(url) or Path(url).is_absolute():
            return url
        for base in (Path(), *self.folder.resolve().parents):
            if (base / url).exists():
                return str(base / url)
        raise BadInput(
            f"{self.name}: the input {url} is not there. Call voxelmill in the folder where the "
            "run was started"
        )


def results_at(address: str, folder: Path, wanted: Wanted | None = None) -> Results:
    """Find results; of those on a store, small files are copied into `folder`.

    `wanted` says which, by the parts of their keys; default: batches, tables of images, reports.

    Raises
    ------
    BadInput
        There are none.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    copied = is_url(address)
    found = (
        _fetched(address.rstrip("/"), folder, wanted or _small)
        if copied
        else Results(Path(address))
    )
    if not found.datasets():
        raise BadInput(f"{address}: no results there; allowed: the `results` of a run")
    return found


def object_sets(entry: Entry) -> list[str]:
    """Names of the label images that an image has, in the order of the configuration."""
    key = join(entry.item.path, "labels", "zarr.json")
    content = objects_at(entry.labels).get(key)
    if content is None:
        return []
    ome = parse_json(content, key).need("attributes").need("ome")
    return [name.inner_path() for name in ome.need("labels").each()]


def _fetched(address: str, folder: Path, wanted: Wanted) -> Results:
    objects = objects_at(address)
    if not isinstance(objects, S3Objects):
        raise BadInput(f"{address}: results are in a folder or at s3://bucket/prefix")
    keys = [key for key in objects.listing() if wanted(key.split("/"))]

    def fetch(key: str) -> None:
        if (content := objects.get(key)) is not None:
            write_bytes(folder / key, content)

    side_by_side(fetch, keys)
    return Results(folder, address)


def _small(parts: list[str]) -> bool:
    if parts[-1] in PAGES or parts[-1] == "images.parquet":
        return len(parts) <= 2
    return len(parts) == 3 and parts[1] == "batches" and parts[2].endswith(".json")


def _judged(layout: Layout) -> dict[str, dict[str, Any]]:
    """Rows of the table of images by path; none before *aggregate* is done."""
    if not layout.images.is_file():
        return {}
    return {row["Metadata_Image"]: row for row in rows(read_table(layout.images))}


def _line(number: int, item: Item, row: Mapping[str, Any]) -> Line:
    said = (row.get(f"Metadata_{name}") or "" for name in ("Flags", "Excluded", "Reason"))
    return Line(
        number,
        item.path,
        item.well,
        item.site,
        str(row.get("Metadata_Status") or ""),
        str(row.get("Metadata_Verdict") or ""),
        "; ".join(str(words) for words in said if words),
    )
