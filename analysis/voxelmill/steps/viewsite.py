"""What the server of `voxelmill view` has at which path.

::

    /                            datasets, or the images of the only one
    /d/<dataset>/                its images, with verdicts
    /open/<dataset>/<number>     leads to the viewer with one image
    /v/view/                     the viewer; /events/view is how its client is configured
    /scene/<dataset>/<number>    what it is to show
    /data/<dataset>/<number>/    image/… and labels/<set>/…: metadata and chunks
    /results/…                   reports

Nothing else is there: of an image only its own levels, of the results only pages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from voxelmill.ngff import Image, parse_group
from voxelmill.ngff.group import DOCUMENTS, Group
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.steps.viewdata import Entry, Results, object_sets
from voxelmill.store import open_image
from voxelmill.store.objects import join, objects_at
from voxelmill.viewing import page
from voxelmill.viewing.channels import channels_of
from voxelmill.viewing.client import PAGE, client_file
from voxelmill.viewing.metadata import group_documents, has_units
from voxelmill.viewing.scene import Labels, check_shown, scene
from voxelmill.viewing.server import Document, Events, Found, Redirect, Stored

HTML = "text/html; charset=utf-8"
JSON = "application/json"
CONFIGURED = json.dumps({"k": "c", "s": {}, "g": "1"}).encode()
"""Event that tells the viewer's client that it has no configuration of its own."""
KEPT = 256
"""Opened images that are remembered."""


@dataclass(frozen=True)
class Opened:
    """An image or label image: its metadata, and the documents of its group as they are served."""

    image: Image
    group: Group
    documents: Mapping[str, bytes]


class Site:
    """Pages and data of some results.

    Parameters
    ----------
    results : Results
    names : sequence of str
        Datasets that are shown.
    client : Path
        Folder of the viewer's files.
    token : str
        First part of all paths.
    """

    def __init__(self, results: Results, names: list[str], client: Path, token: str) -> None:
        self._results, self._names, self._client, self._token = results, names, client, token
        self.entries = lru_cache(maxsize=None)(results.entries)
        self._opened = lru_cache(KEPT)(_opened)
        self._sets = lru_cache(KEPT)(object_sets)
        self._scene = lru_cache(KEPT)(self._new_scene)

    def __call__(self, parts: list[str], query: Mapping[str, str], origin: str) -> Found:
        """Find what is at a path; None: nothing."""
        match parts:
            case [""]:
                return self._home(query)
            case ["d", name, ""] if name in self._names:
                return self._dataset(name, query)
            case ["results", *path]:
                content = self._results.page("/".join(path)) if self._named(path) else None
                return Document(HTML, content, page.REPORT_POLICY) if content else None
            case ["v", "view", file]:
                found = client_file(self._client, file or PAGE)
                return Document(*found, page.VIEWER_POLICY) if found else None
            case ["events", "view"]:
                return Events(CONFIGURED)
            case ["open" | "scene" | "data" as what, name, number, *rest] if name in self._names:
                if (entry := self._entry(name, number)) is None:
                    return None
                if what == "data":
                    return self._data(entry, rest)
                return self._open(what, name, entry, origin) if not rest else None
        return None

    def _named(self, path: list[str]) -> bool:
        """Whether a page belongs to a dataset that is shown, or to all."""
        return len(path) == 1 or path[0] in self._names

    def _home(self, query: Mapping[str, str]) -> Found:
        if len(self._names) == 1:
            return Redirect(f"d/{quote(self._names[0], safe='')}/")
        content = page.datasets_page(self._results.name, self._names, self._results.pages())
        return Document(HTML, content, page.POLICY)

    def _dataset(self, name: str, query: Mapping[str, str]) -> Document:
        lines = [entry.line for entry in self.entries(name)]
        files = [*self._results.pages(), *self._results.pages(name)]
        choice, alone = page.Choice.of(query), len(self._names) == 1
        return Document(
            HTML, page.images_page(name, lines, choice, files, alone=alone), page.POLICY
        )

    def _entry(self, name: str, number: str) -> Entry | None:
        entries = self.entries(name)
        known = number.isascii() and number.isdigit() and len(number) < 9
        return entries[int(number)] if known and int(number) < len(entries) else None

    def _open(self, what: str, name: str, entry: Entry, origin: str) -> Found:
        """Lead to the viewer where the image can be shown, else say why not."""
        base = f"{origin}/{self._token}"
        at = f"{quote(name, safe='')}/{entry.line.number}"
        try:
            state = self._scene(name, entry, f"{base}/data/{at}/")
        except (BadInput, StoreUnavailable) as error:
            content = page.problem_page(f"{name}/{entry.item.path}", str(error))
            return Document(HTML, content, page.POLICY, HTTPStatus.CONFLICT)
        if what == "scene":
            return Document(JSON, state)
        return Redirect(f"{base}/v/view/#!{base}/scene/{at}")

    def _new_scene(self, name: str, entry: Entry, base: str) -> bytes:
        shown = self._opened(entry.url, entry.item.path, None)
        check_shown(shown.image)
        units = has_units(shown.group)
        sets = [
            Labels(one, self._labels(entry, one).image.version, f"{base}labels/{quote(one)}/")
            for one in self._sets(entry)
        ]
        channels = channels_of(shown.image, shown.group)
        title = f"{name} {entry.item.path}".strip()
        state = scene(shown.image, f"{base}image/", channels, sets, title=title, units=units)
        return json.dumps(state).encode()

    def _labels(self, entry: Entry, name: str) -> Opened:
        image = self._opened(entry.url, entry.item.path, None)
        path = join(entry.item.path, "labels", name)
        return self._opened(entry.labels, path, has_units(image.group))

    def _data(self, entry: Entry, rest: list[str]) -> Found:
        match rest:
            case ["image", *key]:
                return _bytes(self._opened(entry.url, entry.item.path, None), "/".join(key))
            case ["labels", name, *key] if name in self._sets(entry):
                return _bytes(self._labels(entry, name), "/".join(key))
        return None


def _opened(url: str, path: str, units: bool | None) -> Opened:
    """Open an image; `units` None: as its own metadata say."""
    image = open_image(url, path)
    content = objects_at(image.url).get(join(path, DOCUMENTS[image.version]))
    if content is None:
        raise StoreUnavailable(f"{image.place}: gone since it was opened")
    group = parse_group(content, image.version, image.place)
    sized = has_units(group) if units is None else units
    return Opened(image, group, group_documents(image, group, units=sized))


def _bytes(opened: Opened, key: str) -> Found:
    if key in opened.documents:
        return Document(JSON, opened.documents[key])
    if not any(key.startswith(f"{level.path}/") for level in opened.image.levels):
        return None
    return Stored(objects_at(opened.image.url), join(opened.image.path, key))


def number_of(entries: list[Entry], image: str | None, well: str, place: str) -> int:
    """Place of the image at the path `image`, else of the first of `well`.

    Raises
    ------
    BadInput
        There is none.
    """
    for entry in entries:
        named = image is not None and entry.item.path == image.strip("/")
        if named or (well and entry.item.well.lower() == well.lower()):
            return entry.line.number
    some = ", ".join(entry.item.path for entry in entries[:5])
    raise BadInput(f"{place}: no image '{image or well}'; it has {some} … Leave it out to see all")
