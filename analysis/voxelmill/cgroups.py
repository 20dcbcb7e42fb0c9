"""Control groups of Linux: the folders in which a container or a job finds what it is allowed.

In: a controller, such as ``memory``. Out: for this process's group and all above it, the folder
with its files, and whether they are those of version 2.
"""

from collections.abc import Iterator
from pathlib import Path


def groups(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield the folders; none where the system has no such thing.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.
    controller : str
    """
    for line in text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            mounts = [f"sys/fs/cgroup/{controller}"]
        else:
            continue
        inside = Path(path.lstrip("/"))
        for mount in mounts:
            # In a container the path may be that of the host: its own group is then the root.
            for group in (inside, *inside.parents):
                yield root / mount / group, number == "0"


def text(path: Path) -> str:
    """Content of a file of the system; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
