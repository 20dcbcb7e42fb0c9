"""Verdicts: pass, warn or fail, of an image, a well or a plate, and how they follow from faults.

Pure. A fault is a text, ``<Channel>: <Fault>`` where it belongs to one channel. Which faults make
what they are found in useless is said by the metric that names them (`Metric.fails`).
"""

from collections.abc import Iterable, Sequence, Set
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


def well_verdict(verdicts: Sequence[Verdict], excluded: int = 0) -> tuple[Verdict, str]:
    """Verdict of a well by its images, and the reason.

    A well fails if at least half of its images fail: its medians are then theirs. Lost images fail.
    So does a well of which nothing is left.

    Parameters
    ----------
    verdicts : sequence of str
        Of the images that are not excluded.
    excluded : int
        How many are.

    Returns
    -------
    verdict : str
    reason : str
        ``3 of 4 images fail``; empty if all pass.
    """
    if excluded and not verdicts:
        return "fail", f"{excluded} of {excluded} images excluded"
    failed = sum(v == "fail" for v in verdicts)
    if failed:
        found: Verdict = "fail" if 2 * failed >= len(verdicts) else "warn"
        return found, f"{failed} of {len(verdicts)} images fail"
    warned = sum(v == "warn" for v in verdicts)
    return ("warn", f"{warned} of {len(verdicts)} images flagged") if warned else ("pass", "")
