"""One `voxelmill run` at a time works in a results folder, and goes on where a killed one stopped.

A killed Snakemake leaves its own lock, which it then refuses to pass. Here that lock is taken away
if nobody can be behind it: the file ``results/.running`` is free, so no `voxelmill run` lives; it
names this working directory as that of a run that was killed; and no Snakemake runs here. A lock
that a plain `snakemake` call left is none of our business.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from voxelmill.joblog import beating, me, now_text
from voxelmill.layout import running
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import OutputExists, VoxelmillError

LOCKS = ("locks/*", "metadata.db")
"""Where Snakemake keeps its lock: files, or the database of a cluster's profile."""
APART = ("labels.ome.zarr", "scratch")
"""Folders without files written by way of a ``.part``, or that are emptied by their owner."""
STALE_S = 60.0
"""Age in seconds of a ``.part`` file that nobody writes any more."""


@contextmanager
def hold(
    results: Path, unlock: Callable[[], object], clear: Callable[[], object] | None = None
) -> Iterator[LockFile]:
    """Hold a results folder; first put right what a killed run has left.

    Parameters
    ----------
    results : Path
        Made if it is absent.
    unlock : callable
        Makes Snakemake remove its lock on the working directory.
    clear : callable, optional
        Ends jobs that an earlier run has left on other machines; called in any case.

    Yields
    ------
    LockFile
        To be kept if Snakemake is killed.

    Raises
    ------
    OutputExists
        Another run works there.
    """
    here = Path.cwd()
    try:
        lock = LockFile(running(results), f"{me()} since {now_text()} in {here}")
    except Held as holder:
        raise OutputExists(
            f"{results}: another run works there ({holder}). Let it finish or end it"
        ) from None
    try:
        if clear is not None:
            clear()
        if lock.before:
            sweep(results)
            if lock.before.endswith(f" in {here}") and is_stale(here):
                unlock()
        with beating(lock.touch):
            yield lock
    except VoxelmillError:
        raise
    except BaseException:
        # Snakemake may have had no chance to remove its lock.
        lock.keep = True
        raise
    finally:
        lock.release()


def is_stale(folder: Path) -> bool:
    """Whether a Snakemake lock lies in `folder` and no process that may hold it lives."""
    if not any(any((folder / ".snakemake").glob(place)) for place in LOCKS):
        return False
    return not any(_is_snakemake(process, folder) for process in Path("/proc").glob("[0-9]*"))


def _is_snakemake(process: Path, folder: Path) -> bool:
    try:
        if b"snakemake" not in (process / "cmdline").read_bytes():
            return False
        return (process / "cwd").samefile(folder)
    except OSError:
        return False


def sweep(results: Path) -> None:
    """Remove files that killed processes were writing when they died."""
    for folder, folders, files in os.walk(results):
        folders[:] = [name for name in folders if name not in APART]
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") and name.endswith(".part"):
                _remove_if_old(path)


def _remove_if_old(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > STALE_S:
            path.unlink()
    except FileNotFoundError:
        return
