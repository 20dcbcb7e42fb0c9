"""Verdicts: pass, warn or fail, of an image, a well or a plate, and how they follow from faults.

Pure. A fault is a text, ``<Channel>: <Fault>`` where it belongs to one channel. Which faults make
what they are found in useless is said by the metric that names them (`Metric.fails`).
"""

from collections.abc import Iterable, Set
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["pass", "warn", "fail"]
ORDER: tuple[Verdict, ...] = ("pass", "warn", "fail")
"""From the best to the worst."""


def verdict_of(faults: Iterable[str], fails: Set[str]) -> Verdict:
    """Verdict that follows from faults, of which those in `fails` are fatal."""
    names = [fault.rpartition(": ")[2] for fault in faults]
    return "fail" if fails & {*names} else "warn" if names else "pass"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; ``pass`` of none."""
    return max(verdicts, key=ORDER.index, default="pass")
