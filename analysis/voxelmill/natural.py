"""The order in which people read names: ``site 2`` before ``site 10``."""

import re
from typing import TypeAlias

Key: TypeAlias = tuple[tuple[int, int, str], ...]


def natural(text: str) -> Key:
    """Sort key that takes runs of digits as numbers; different texts have different keys."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    # The text itself comes last: "1" and "01" are the same number.
    return (*((0, int(n), "") if n else (1, 0, t) for n, t in parts), (-1, 0, text))


def shorter_first(name: str) -> tuple[int, str]:
    """Sort key of rows and columns of a plate: 2 before 10, Z before AA."""
    text = name.lstrip("0")
    return len(text), text
