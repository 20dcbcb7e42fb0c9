"""The one way to compile a kernel: nopython, GIL released, cached on disk, types preserved.

numba itself is imported when a kernel is first called: commands that only read settings or
records start in half the time.
"""

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Kernel(Generic[P, R]):
    """A function, compiled when it is first called, from Python or from another kernel."""

    def __init__(self, function: Callable[P, R]) -> None:
        update_wrapper(self, function)
        self._function = function

    @cached_property
    def _compiled(self) -> Any:  # noqa: ANN401 - numba has no types
        from numba import njit

        return njit(nogil=True, cache=True)(self._function)

    @property
    def _numba_type_(self) -> Any:  # noqa: ANN401 - numba has no types
        """What numba asks a global for that a kernel refers to."""
        return self._compiled._numba_type_

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function."""
        result: R = self._compiled(*args, **kwargs)
        return result


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with numba (nopython, ``nogil``, cached); its signature is kept."""
    return Kernel(function)
