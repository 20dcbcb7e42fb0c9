"""What is installed here, and how that differs from what a crate records.

In: recorded versions and the digest of the lock. Out: one line for each difference.
"""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from voxelmill import __version__
from voxelmill.crate.recorded import Recorded
from voxelmill.home import home
from voxelmill.ledger import sha256_of

OWN = {"voxelmill": __version__, "python": platform.python_version()}


def differences(recorded: Recorded) -> Iterator[str]:
    """Lines on software that is another one here; voxelmill's own first."""
    for name in sorted(recorded.versions, key=lambda n: (n not in OWN, n)):
        then, now = recorded.versions[name], _installed(name)
        if then != now:
            hint = f": pip install voxelmill=={then}" if name == "voxelmill" else ""
            yield f"{name} {then} is recorded, here is {now or 'none'}{hint}"
    lock = home("requirements.lock")
    if recorded.lock and lock.is_file() and sha256_of(lock) != recorded.lock:
        yield "requirements.lock is another one here"


def _installed(name: str) -> str:
    if name in OWN:
        return OWN[name]
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
