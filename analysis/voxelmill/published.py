"""The part of a configuration that goes into what is published, without what is of one machine.

In: settings, how stores are reached, the study. Out: JSON values in which no absolute path is left,
and no name of a profile of credentials: another place has its own.
"""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import Field

from voxelmill.config import Settings
from voxelmill.execution import Batches
from voxelmill.storeoptions import Prefix, StoreOptions, is_url
from voxelmill.study import Study

OWN = ("profile", "ca")
"""Options of a store that mean something on one machine only."""
_FOLDERS = re.compile(r"(?<![\w.:/~-])(?:file://|~)?/(?=\w)(?:[^\s'\"(),:;/]+/)*")


class Published(Settings):
    """What changes a result, and what is said of it."""

    batches: Batches = Batches()
    stores: dict[Prefix, StoreOptions] = Field(default={})
    study: Study = Study()

    def public(self) -> dict[str, Any]:
        """JSON value of it; of an absolute path, as of weights, its last part is left."""
        found = self.model_dump(mode="json", exclude={"stores", "study"})
        stores = {
            prefix: options.model_dump(mode="json", exclude_defaults=True, exclude=set(OWN))
            for prefix, options in self.stores.items()
        }
        study = self.study.model_dump(mode="json", exclude_defaults=True)
        return {**_bare(found), "stores": stores, "study": study}


def bare(text: str) -> str:
    """Text in which of absolute paths only the last part is left, as in the reasons of errors."""
    return _FOLDERS.sub("", text)


def seen_from(place: str, folder: Path) -> tuple[str, str]:
    """Where something lies as seen from a folder, and its name.

    An address is given as it is. Of a path that has no folder in common with `folder`, only the
    name is given: "" and the name.
    """
    if is_url(place):
        return place, place.rstrip("/").rpartition("/")[2]
    path, here = Path(place).resolve(), folder.resolve()
    common = Path(os.path.commonpath((path, here)))
    # What only the root directory holds both of may be on another disk.
    return (os.path.relpath(path, here) if common != Path(common.anchor) else ""), path.name


def _bare(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _bare(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, str) and (value.startswith(("/", "~", "file:/"))):
        return Path(value).name
    return value
