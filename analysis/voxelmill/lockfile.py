"""A file that one process at a time holds; the kernel lets go of it when that process dies.

In: a path. Out: a `LockFile`, or the error `Held` with what the holder wrote into it. A holder that
ends as it should removes the file; one that was killed leaves it behind, and the next holder can
read what it said.
"""

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

UNSUPPORTED = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK})
"""Answers of file systems without locks (Lustre mounted without ``flock``)."""
PERIOD_S = 0.2


class Held(Exception):  # noqa: N818 - as the standard library names FileExists…, not an error here
    """Another process holds the file; the text is what it wrote."""


class LockFile:
    """A held lock file.

    Parameters
    ----------
    path : Path
        File to make, with its folder.
    text : str
        What to write into it for others to read; default: process and host.
    patience_s : float
        How long to wait for another holder, in seconds.

    Raises
    ------
    Held
        Another process still holds it.
    """

    def __init__(self, path: Path, text: str = "", patience_s: float = 0.0) -> None:
        self.path = path
        deadline = time.monotonic() + patience_s
        while (found := _try(path)) is None:
            if time.monotonic() >= deadline:
                raise Held(_read(path))
            time.sleep(PERIOD_S)
        self._file = found
        self.before = os.pread(found, 1 << 16, 0).decode(errors="replace")
        """What a holder that was killed has left; empty if there was none."""
        text = text or f"process {os.getpid()} on {socket.gethostname()}"
        os.ftruncate(found, 0)
        os.pwrite(found, text.encode(), 0)

        self.keep = False
        """Whether the file stays behind when it is let go, as after a kill."""

    def touch(self) -> None:
        """Renew the time of the file: its holder lives."""
        os.utime(self._file)

    def release(self) -> None:
        """Let go."""
        if not self.keep:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _try(path: Path) -> int | None:
    """Descriptor of the locked file, or None if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        # The holder before has just removed the folder.
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            os.close(file)
            raise
    # The holder before may have removed the file after it was opened here.
    same = path.exists() and os.path.samestat(os.fstat(file), path.stat())
    if same:
        return file
    os.close(file)
    return None


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else "it has just ended"
