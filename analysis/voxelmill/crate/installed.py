"""How what is installed here differs from what a crate records.

In: recorded versions and the digest of the lock. Out: one line for each difference.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from voxelmill.crate.recorded import Recorded
from voxelmill.software import lock, python


def differences(recorded: Recorded) -> Iterator[str]:
    """Lines on software that is another one here, voxelmill first."""
    for name in sorted(recorded.versions, key=lambda n: (n != "voxelmill", n)):
        then, now = recorded.versions[name], _installed(name)
        if then != now:
            hint = f": pip install voxelmill=={then}" if name == "voxelmill" else ""
            yield f"{name} {then} is recorded, here is {now or 'none'}{hint}"
    if recorded.lock and lock() != recorded.lock:
        yield "requirements.lock is another one here"


def _installed(name: str) -> str:
    if name == "python":
        return python()
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
