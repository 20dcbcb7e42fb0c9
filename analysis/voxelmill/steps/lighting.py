"""Which profile of light corrects which image, as the record of *illuminate* says.

In: that record. Out: for `Work`, the pixels of an image, corrected; for the report, what there is.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from voxelmill.config import PARTS, Settings
from voxelmill.corrected import Corrected, StoredProfile
from voxelmill.ends import Source
from voxelmill.illumination import LEAST
from voxelmill.layout import ILLUMINATION, Layout
from voxelmill.ledger import digest
from voxelmill.plugin import BadInput
from voxelmill.store.read import Image


@dataclass(frozen=True)
class Lighting:
    """Profiles of one dataset; without a record nothing is corrected."""

    root: str = ""
    record: Any = None

    @classmethod
    def of(cls, layout: Layout, settings: Settings, step: str) -> "Lighting":
        """Profiles that a step corrects with: none where it is switched off.

        Raises
        ------
        BadInput
            The record of *illuminate* is absent.
        """
        if settings.illumination is None or ILLUMINATION not in PARTS[step]:
            return cls()
        return cls(layout.illumination_address, read_profiles(layout))

    @property
    def told(self) -> str:
        """Digest of the profiles; empty if nothing is corrected."""
        return digest(self.record["profiles"]) if self.record else ""

    def refusal(self, image: Image, plate: str) -> str:
        """Why an image cannot be corrected; empty if it can, or need not be."""
        if not self.record or _key(image, plate) in self._found:
            return ""
        y, x = image.shape[3:]
        return (
            f"{image.place}: no illumination profile for images of {y} x {x}"
            f"{f' of plate {plate}' if plate else ''} with its channels: fewer than {LEAST} fields "
            "of them in the sample. Raise illumination.fields, or leave `illumination` out"
        )

    def source(self, source: Source, image: Image, plate: str) -> Source:
        """Pixels of an image, corrected where that is switched on."""
        return Corrected(source, self._found[_key(image, plate)]) if self.record else source

    @cached_property
    def _found(self) -> dict[tuple[object, ...], StoredProfile]:
        return {
            (p["plate"], *p["shape"], *(c["name"] for c in p["channels"])): StoredProfile(
                self.root, p["path"], p["sha256"]
            )
            for p in self.record["profiles"]
        }


def read_profiles(layout: Layout) -> dict[str, Any]:
    """Read the record of *illuminate*.

    Raises
    ------
    BadInput
        It is absent or damaged.
    """
    path = layout.record(ILLUMINATION)
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no record of illuminate ({error}). Run illuminate first") from None
    return found


def _key(image: Image, plate: str) -> tuple[object, ...]:
    return plate, *image.shape[3:], *image.channels
