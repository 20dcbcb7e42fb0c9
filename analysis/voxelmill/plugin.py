"""What every plugin stands on: the error tree, the array aliases and the frozen base model.

    VoxelmillError
    ├── BadInput (ValueError)           data that breaks a rule
    ├── BadConfig (ValueError)          a setting that breaks a rule
    ├── OutputExists (FileExistsError)
    ├── NotFitted                       a data-dependent number is missing: call ``fit``
    ├── BlocksFailed                    some blocks failed; names them
    ├── StoreUnavailable                a store did not answer, or lost a chunk
    ├── AccessDenied (PermissionError)
    └── NoCredentials                   what a store is entered with cannot be had
        └── SessionEnded                a person has to log in

Error texts read ``place: found; allowed. next step``. This is the lowest layer: it imports
nothing of voxelmill.
"""

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array: TypeAlias = NDArray[Any]
"""Any numeric array."""
Pixels: TypeAlias = NDArray[Any]
"""Image data, (c, z, y, x) unless said otherwise, numeric, native byte order."""
Labels: TypeAlias = NDArray[np.int32]
"""Objects, (z, y, x), 0 = background."""
Spacing: TypeAlias = tuple[float, float, float]
"""Voxel size along z, y, x in micrometres."""
Index: TypeAlias = tuple[int, int, int]
"""A position or extent along z, y, x in voxels."""

ENTRY_POINTS = "voxelmill.plugins"


class VoxelmillError(Exception):
    """Base of every error a user can mend; the command line prints it as one line."""


class BadInput(VoxelmillError, ValueError):  # noqa: N818
    """Data that breaks a rule of its format."""


class BadConfig(VoxelmillError, ValueError):  # noqa: N818
    """A setting that breaks a rule."""


class OutputExists(VoxelmillError, FileExistsError):  # noqa: N818
    """The output is there already and would be overwritten."""


class NotFitted(VoxelmillError):  # noqa: N818
    """A plugin was called before ``fit`` gave it its data-dependent numbers."""


class BlocksFailed(VoxelmillError):  # noqa: N818
    """Some blocks of a step failed."""


class StoreUnavailable(VoxelmillError):  # noqa: N818
    """A store did not answer, or does not hold what its metadata promise."""


class AccessDenied(VoxelmillError, PermissionError):  # noqa: N818
    """A store refused to serve an object."""


class NoCredentials(VoxelmillError):  # noqa: N818
    """No keys or token for a store: nothing is known of its data, so none are quarantined for it.

    For that reason it is neither AccessDenied nor StoreUnavailable.
    """


class SessionEnded(NoCredentials):
    """Nobody is logged in any more; whatever is tried next fares alike."""


class Plugin(BaseModel):
    """A frozen configuration that *is* the algorithm.

    Subclasses carry ``kind: Literal["name"] = "name"``, parameters with their unit in the name, and
    a ``__call__`` that is a pure function of arrays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: ClassVar[str] = ""
    """Paper or specification that defines the algorithm."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions that compute it, besides those that voxelmill needs: named in the crate."""

    def replace(self, **changes: object) -> "Plugin":
        """Copy with `changes`, validated (pydantic's ``model_copy`` does not validate)."""
        return type(self).model_validate({**self.model_dump(), **changes})


P = TypeVar("P", bound=Plugin)


def discover(package: ModuleType, base: type[P]) -> dict[str, type[P]]:
    """Find all plugins of one contract: files of `package`, then installed entry points.

    Parameters
    ----------
    package : module
        Package whose modules are imported one by one; a new file needs no registration.
    base : type
        Contract; concrete subclasses that carry a ``kind`` are returned.

    Returns
    -------
    dict of str to type
        Class by its ``kind``, sorted by kind.

    Raises
    ------
    BadConfig
        Two classes claim the same kind.
    """
    names = [f"{package.__name__}.{m.name}" for m in iter_modules(package.__path__)]
    modules = [import_module(name) for name in names]
    members = [obj for module in modules for obj in vars(module).values()]
    members += [point.load() for point in entry_points(group=ENTRY_POINTS)]
    found: dict[str, type[P]] = {}
    for member in members:
        if not (isinstance(member, type) and issubclass(member, base)):
            continue
        field = member.model_fields.get("kind")
        if field is None or member is base:
            continue
        kind = str(field.default)
        if found.setdefault(kind, member) is not member:
            other = found[kind].__module__
            raise BadConfig(
                f"plugin '{kind}': defined in {other} and {member.__module__}; "
                "a kind names one class. Rename one of them."
            )
    return dict(sorted(found.items()))
