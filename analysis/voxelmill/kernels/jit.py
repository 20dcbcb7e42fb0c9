"""The one way to compile a kernel: nopython, GIL released, cached on disk, types preserved."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with numba (nopython, ``nogil``, cached); its signature is kept."""
    return cast("Callable[P, R]", njit(nogil=True, cache=True)(function))
