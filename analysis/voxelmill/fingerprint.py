"""Whether two machines run the same voxelmill: its version, and a digest of its sources.

The workflow comes from where a run is started, the steps from the image of its pods.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path

from voxelmill import __version__
from voxelmill.plugin import BadConfig


@cache
def fingerprint() -> str:
    """Version and digest of all modules of the package."""
    package = Path(__file__).parent
    found = sha256()
    for path in sorted(package.rglob("*.py")):
        found.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return f"{__version__}+{found.hexdigest()[:12]}"


def same(other: str) -> None:
    """Check that this is the voxelmill that a run was started with.

    Raises
    ------
    BadConfig
        It is not.
    """
    if other != (here := fingerprint()):
        raise BadConfig(
            f"the image has voxelmill {here}, the run was started with {other}. Build the image "
            "from the same version, or start the run in it"
        )
