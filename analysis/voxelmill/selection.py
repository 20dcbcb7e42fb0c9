"""Which datasets of the sheet a run works on: all of them, unless `choosing` names some.

Said in the environment, since Snakemake prepares the run again in a process of its own.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

VARIABLE = "VOXELMILL_DATASETS"


def chosen(dataset: str) -> bool:
    """Whether a run works on this dataset."""
    text = os.environ.get(VARIABLE)
    return text is None or dataset in _names(text)


@lru_cache(maxsize=4)
def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


@contextmanager
def choosing(datasets: Iterable[str]) -> Iterator[None]:
    """Work on these datasets only, here and in processes started here."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = " ".join(datasets)
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before
