"""A full disk, and a folder that cannot be made: how they are recognised, and how they are told.

Whatever writes may meet it, so it is handled where a step or a run ends, not at every write.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxelmill.plugin import BadConfig, BlocksFailed

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space, quota used up, file larger than allowed."""


def is_full(error: BaseException) -> bool:
    """Whether `error`, or what caused it, says that nothing more can be written."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return error.__cause__ is not None and is_full(error.__cause__)


def full(place: object, error: BaseException, *, kept: bool = True) -> BlocksFailed:
    """Return the error to raise instead: one line with what to do."""
    reason = getattr(error, "strerror", None) or error
    kept_text = ": what is finished is kept and not done again" if kept else ""
    return BlocksFailed(
        f"{place}: disk full ({reason}). Make room or raise the quota there, then run again"
        f"{kept_text}"
    )


@contextmanager
def room(place: Path) -> Iterator[None]:
    """Turn the error of a full disk into one line.

    Raises
    ------
    BlocksFailed
        Something in the ``with`` block could not be written for lack of space.
    """
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise full(place, error) from error
        raise


def make_folder(folder: Path, option: str, out: Path) -> None:
    """Make a folder for the output that an option names.

    Raises
    ------
    BadConfig
        It cannot be made: a file is in the way, or nothing may be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_full(error):
            raise
        raise BadConfig(
            f"{option} {out}: {folder} cannot be made a folder ({error.strerror or error}); "
            "allowed: a place in a folder that can be written to. Name another"
        ) from None
