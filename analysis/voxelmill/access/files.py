"""Files that only their owner can read, in folders of which the same is true.

A path is safe if

- the file is a regular one, is ours, and gives nobody else any right (mode 0600);
- its folder is ours and gives nobody else any right (mode 0700), so that nobody gets to the file
  however its own mode may be changed: no path through it is readable by the world;
- nobody but its owner can move one of the folders above it: none can be written to by the world,
  unless it has the sticky bit, as ``/tmp`` has.

Links are followed first. POSIX access control lists show in the mode; those of NFSv4 do not, and
are not seen.
"""

import os
import stat
from pathlib import Path

from voxelmill.plugin import AccessDenied

OTHERS = stat.S_IRWXG | stat.S_IRWXO
FILE_MODE, FOLDER_MODE = 0o600, 0o700


def check_folder(folder: Path) -> None:
    """Refuse a folder that others can get into; one that is not there yet is judged by its parents.

    Raises
    ------
    AccessDenied
        Names the command that mends it.
    """
    real = folder.resolve()
    for above in real.parents:
        if not above.exists():
            continue
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise AccessDenied(
                f"{above}: everybody can replace what is in it (mode {mode & 0o7777:04o}); not a "
                f"place for a login. chmod o-w {above}, or set XDG_STATE_HOME"
            )
    if real.exists():
        _check(real, real.stat(), FOLDER_MODE)


def read_private(path: Path) -> bytes | None:
    """Content of a file; None if there is none.

    Raises
    ------
    AccessDenied
        Others can read it, or get to it.
    """
    check_folder(path.parent)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AccessDenied(
            f"{path}: {error.strerror}; a regular file of yours is allowed. Remove it"
        ) from None
    with os.fdopen(file, "rb") as opened:
        # Of what was opened, not of what has the name by now.
        _check(path, os.fstat(file), FILE_MODE)
        return opened.read()


def write_private(path: Path, data: bytes) -> None:
    """Write a file atomically; one writer at a time.

    Raises
    ------
    AccessDenied
        Others can get to the folder.
    """
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.part")
    # What a killed writer has left.
    part.unlink(missing_ok=True)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(file, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(file)
    part.replace(path)
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def make_folder(folder: Path) -> None:
    """Make a private folder, if it is not there.

    Raises
    ------
    AccessDenied
        It is there, and others can get to it.
    """
    for above in (*reversed(folder.parents), folder):
        # The mode of the XDG specification, for all that is missing.
        above.mkdir(mode=FOLDER_MODE, exist_ok=True)
    check_folder(folder)


def _check(path: Path, found: os.stat_result, mode: int) -> None:
    if found.st_uid != os.geteuid():
        raise AccessDenied(
            f"{path}: belongs to user {found.st_uid}, not to {os.geteuid()}. Set XDG_STATE_HOME to "
            "a folder of yours"
        )
    if found.st_mode & OTHERS:
        raise AccessDenied(
            f"{path}: others have access (mode {found.st_mode & 0o7777:04o}); allowed: {mode:04o}. "
            f"chmod {mode:o} {path}; if others may have read it: voxelmill logout, and log in anew"
        )
