"""Section ``dump`` of a configuration: where new datasets come in, and who is told about them.

Pure: the model, and how a dataset is called in the sheet.
"""

import re
import shlex
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from voxelmill.execution import Model
from voxelmill.storeoptions import is_url

WEBHOOK = "VOXELMILL_WEBHOOK"
"""Environment variable: the address to post to, before that of the configuration."""
SUFFIXES = (".ome.zarr", ".zarr", ".ozx")
MOST_BYTES = 200
"""Longest name: file systems take 255 bytes."""


class Incoming(Model):
    """Where new datasets come in, when one is taken, and who is told."""

    folder: str = Field(
        min_length=1, description="Folder that datasets arrive in, or s3://bucket/prefix."
    )
    patterns: tuple[Annotated[str, StringConstraints(pattern=r"^[^/]+$")], ...] = Field(
        default=("*.zarr", "*.ozx"),
        min_length=1,
        description="Names of datasets, with * and ?; hidden ones are passed over.",
    )
    depth: int = Field(default=3, ge=1, le=9, description="Folders down that they may lie.")
    names: Literal["path", "name"] = Field(
        default="path",
        description="What a dataset is called: its path below the folder, or its last part alone.",
    )
    settled_minutes: float = Field(
        default=60, ge=0, description="A dataset is taken when nothing in it changed for so long."
    )
    incomplete_days: float | None = Field(
        default=None,
        ge=0,
        description="One with absent chunks or images that has not changed for so long is taken as "
        "it is, and what is damaged is quarantined. Default: it waits until it is complete.",
    )
    hours: float = Field(
        default=144, gt=0, description="For so long, what arrives meanwhile is taken as well."
    )
    webhook: str | None = Field(
        default=None,
        description="Address that a JSON summary is posted to. One that is a secret goes into "
        "VOXELMILL_WEBHOOK.",
    )
    command: str | None = Field(
        default=None,
        description="Command that gets the summary as its input, such as mail. No shell runs it.",
    )

    @field_validator("folder")
    @classmethod
    def _listable(cls, value: str) -> str:
        if is_url(value) and (not value.startswith("s3://") or any(c in value for c in "@?#")):
            raise ValueError("allowed: a folder, or s3://bucket/prefix")
        return value

    @field_validator("command")
    @classmethod
    def _words(cls, value: str | None) -> str | None:
        try:
            if value is not None and not shlex.split(value):
                raise ValueError("allowed: a program and its arguments")
        except ValueError as error:
            raise ValueError(f"no command ({error})") from None
        return value

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        # Not of the field alone: its error would show the address.
        if self.webhook is not None and not re.fullmatch(r"https?://[^@?#\s]+", self.webhook):
            raise ValueError(
                "webhook: allowed: an http(s) address without a user, a query and a fragment. Give "
                f"one that is a secret in {WEBHOOK}"
            )
        return self

    def wants(self, name: str) -> bool:
        """Whether a folder or file of this name is a dataset."""
        return not name.startswith(".") and any(fnmatchcase(name, p) for p in self.patterns)


def dataset_name(place: str, taken: Collection[str], names: Literal["path", "name"]) -> str:
    """Name of a new dataset: what the sheet allows, and nobody else's.

    Parameters
    ----------
    place : str
        Path below the folder, with '/'.
    taken : collection of str
        Names that others have.
    names : {'path', 'name'}
        What it is made of.
    """
    stem = place if names == "path" else place.rpartition("/")[2]
    stem = next((stem.removesuffix(s) for s in SUFFIXES if stem.endswith(s)), stem)
    fit = "".join(c if c.isalnum() or c in "._-" else "_" for c in stem).lstrip(".")
    name = base = fit.encode()[:MOST_BYTES].decode(errors="ignore") or "dataset"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name
