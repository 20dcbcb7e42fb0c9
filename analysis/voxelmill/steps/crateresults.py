"""What of a crate's results is there: its tables, batches and labels, beside its metadata or afar.

In: what the crate says. Out: files on this machine, or None where it has only metadata. Nothing is
written to the crate: what lies afar is fetched to a folder of ours.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from voxelmill.crate.recorded import Recorded
from voxelmill.labelsource import LabelImage, labelled_images, stored_labels
from voxelmill.layout import Layout
from voxelmill.ledger import sha256_of, write_bytes
from voxelmill.plugin import AccessDenied, BadInput
from voxelmill.store.objects import join, objects_at
from voxelmill.storeoptions import is_url


@dataclass(frozen=True)
class CrateResults:
    """The results that a crate is about.

    `cache` takes what is fetched; `changed` collects files that are not what the crate records.
    """

    recorded: Recorded
    cache: Path
    changed: list[str] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        """Paths of the results; none is there where they lie afar."""
        return Layout(self.cache if self.afar else Path(self.recorded.root))

    @property
    def afar(self) -> bool:
        """Whether it is no folder of this machine."""
        return is_url(self.recorded.root)

    def file(self, path: str) -> Path | None:
        """Return a file of the results; None where it is not there."""
        found = self._fetched(path) if self.afar else Path(self.recorded.root, path)
        if found is None or not found.is_file():
            return None
        said = self.recorded.files.get(path)
        if said is not None and path not in self.changed and sha256_of(found) != said.sha256:
            self.changed.append(path)
        return found

    @property
    def lacks_plate_map(self) -> bool:
        """Whether there was a plate map, and it is not there."""
        return bool(self.recorded.plate_map) and self.file(self.recorded.plate_map) is None

    def drop(self, path: str) -> None:
        """Forget a file that was fetched."""
        if self.afar:
            (self.cache / path).unlink(missing_ok=True)

    def _fetched(self, path: str) -> Path | None:
        copy = self.cache / path
        if not copy.exists():
            try:
                content = objects_at(self.recorded.root).get(path)
            except AccessDenied:
                # So a store answers for what is not there, if it may not be listed.
                return None
            if content is None:
                return None
            write_bytes(copy, content)
        return copy

    def tables(self, folder: str) -> list[str]:
        """Paths of the tables of one folder, one a batch, as the crate names them."""
        return sorted(
            path
            for path in self.recorded.files
            if path.rpartition("/")[0] == folder and path.endswith(".parquet")
        )

    def labels(self, image: str, name: str) -> LabelImage | None:
        """Label image of an image and object set; None where it is not there.

        Raises
        ------
        BadInput, StoreUnavailable
            It is there, and damaged.
        """
        if not self.afar:
            root, sets = self.labelled.get(image, (Path(), set()))
            return stored_labels(str(root), join(image, "labels", name)) if name in sets else None
        try:
            address = f"{self.recorded.root}/{self.layout.labels.name}"
            return stored_labels(address, join(image, "labels", name))
        except (BadInput, AccessDenied):
            return None

    @cached_property
    def labelled(self) -> dict[str, tuple[Path, set[str]]]:
        """Images that have labels on this machine: root of these, and object sets."""
        return labelled_images(self.layout)
