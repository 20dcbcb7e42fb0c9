"""What computes: versions of voxelmill, Python and packages, and the digest of the lock.

In: the plugins in use. Out: text values. The lock lies in the package, or in the checkout.
"""

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, metadata, version

from voxelmill.home import home
from voxelmill.ledger import sha256_of
from voxelmill.plugin import ENTRY_POINTS, Plugin

VERSIONS = ("voxelmill", "numpy", "scipy", "numba", "opencv-python-headless", "zarr", "snakemake")
"""Packages that results depend on, whatever plugins are in use."""
LOCK = "requirements.lock"


def versions(plugins: Iterable[Plugin] = ()) -> dict[str, str]:
    """Versions of the packages that compute: of those of plugins, what is installed here."""
    found = {name: version(name) for name in VERSIONS}
    used = list(plugins)
    for name in (name for plugin in used for name in plugin.packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # Its step runs in an environment of its own.
            continue
    return found | _of_others(used)


def python() -> str:
    """Version of Python."""
    return platform.python_version()


def addresses(names: Iterable[str]) -> dict[str, str]:
    """Home pages of installed packages, as far as they name one."""
    found = {name: _address(name) for name in names}
    return {name: address for name, address in found.items() if address}


@cache
def lock() -> str:
    """SHA-256 of ``requirements.lock``."""
    return sha256_of(home(LOCK))


def _of_others(plugins: Iterable[Plugin]) -> dict[str, str]:
    """Distributions of plugins that are not ours."""
    modules = {type(plugin).__module__.partition(".")[0] for plugin in plugins} - {"voxelmill"}
    return {
        point.dist.name: point.dist.version
        for point in (entry_points(group=ENTRY_POINTS) if modules else ())
        if point.dist and point.value.partition(":")[0].partition(".")[0] in modules
    }


def _address(name: str) -> str:
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    pages = dict(_page(text) for text in found.get_all("Project-URL") or [])
    # A backport, where it is imported, raises KeyError for what is absent.
    return next(iter(found.get_all("Home-page") or [""])) or _best(pages)


def _best(pages: Mapping[str, str]) -> str:
    wanted = ("homepage", "home", "source", "repository", "documentation")
    return next((pages[key] for key in wanted if key in pages), next(iter(pages.values()), ""))


def _page(text: str) -> tuple[str, str]:
    name, _, address = text.partition(",")
    return name.strip().lower(), address.strip()
