"""Where a step of small images keeps its scratch files: on a disk of this node, if one will do.

In: the step's folder among the results, the bytes it will need, the environment. Out: a `Place`.
``VOXELMILL_SCRATCH`` names the disk, else ``LOCAL_SCRATCH``, else (in a SLURM job)
``SLURM_TMPDIR`` or ``TMPDIR``. Without any of them, or where the disk named will not do, scratch
lies among the results, on a file system that may count files.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

CHOSEN = "VOXELMILL_SCRATCH"
"""Empty: none, whatever else is set."""
OF_A_JOB = ("SLURM_TMPDIR", "TMPDIR")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
MIB = 2**20
VOXEL = {"segment": 0.5, "measure": 2.0}
"""Bytes of scratch files a voxel and object set, about ten times what plates of cells were seen to
take; a step that is not here leaves none."""
STAGED_VOXEL = 0.5
"""Bytes of staged labels, likewise."""
LEAST = 1 << 26
"""Bytes that must be free in any case."""


@dataclass(frozen=True)
class Place:
    """A folder on a local disk, or None; `note` says why a disk that was named is not used."""

    folder: Path | None
    note: str = ""


def scratch_bytes(step: str, voxels: int, sets: int, *, zipped: bool) -> int:
    """Bytes that a step's scratch files may take, for so many voxels of one channel.

    Parameters
    ----------
    step : str
    voxels : int
    sets : int
        Object sets.
    zipped : bool
        Labels are staged among the scratch files.
    """
    if step not in VOXEL:
        return 0
    staged = STAGED_VOXEL if step == "segment" and zipped else 0.0
    return LEAST + int(voxels * sets * (VOXEL[step] + staged))


def local_place(
    shared: Path, size: int, environment: Mapping[str, str], mounts: Path = Path("/proc/mounts")
) -> Place:
    """Choose where scratch files go.

    Parameters
    ----------
    shared : Path
        The step's folder among the results. The same one gives the same place on the same disk, so
        that what a killed step has left is found again.
    size : int
        Bytes that must be free.
    environment : mapping
        As ``os.environ``.
    mounts : Path
        Table of mounted file systems; where there is none, every place is a disk.
    """
    name, base = _named(environment)
    if not base:
        return Place(None)
    key = sha256(str(shared.resolve()).encode()).hexdigest()[:16]
    folder = Path(base) / f"voxelmill-{os.getuid()}-{key}"
    if why := _unfit(Path(base), name, mounts) or _strange(folder) or _full(folder, size):
        return Place(None, f"scratch: {name}={base}: {why}; scratch files go to {shared}")
    return Place(folder)


def _named(environment: Mapping[str, str]) -> tuple[str, str]:
    """Variable that decides, and its value; empty if none does."""
    if CHOSEN in environment:
        return CHOSEN, environment[CHOSEN]
    names = ("LOCAL_SCRATCH", *(OF_A_JOB if "SLURM_JOB_ID" in environment else ()))
    return next(((n, environment[n]) for n in names if environment.get(n)), ("", ""))


def _unfit(base: Path, name: str, mounts: Path) -> str:
    if not base.is_dir():
        return "no such folder"
    if not os.access(base, os.W_OK | os.X_OK):
        return "not writable"
    # A job's files there would count as its memory, of which the plan knows nothing.
    if name in OF_A_JOB and _file_system(base, mounts) in IN_MEMORY:
        return f"lies in memory (name it {CHOSEN} to use it all the same)"
    return ""


def _strange(folder: Path) -> str:
    """Make the folder, for this user alone; say why it cannot be trusted."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return str(error.strerror)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return f"{folder.name} belongs to somebody else"
    return ""


def _full(folder: Path, size: int) -> str:
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free + held
    if free >= size:
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    return f"{free // MIB} MiB free, {-(-size // MIB)} MiB needed"


def _file_system(path: Path, mounts: Path) -> str:
    """Type of the file system that holds `path`; empty where the system does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    found = [(len(f[1]), f[2]) for f in lines if len(f) > 2 and real.is_relative_to(f[1])]
    return max(found, default=(0, ""))[1]
