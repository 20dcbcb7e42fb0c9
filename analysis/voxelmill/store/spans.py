"""What of which chunks makes up a box: along each axis, the chunks it touches. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Along one axis: a chunk, what is taken of it, and where that goes."""

    chunk: int
    source: slice
    target: slice


def spans(pick: range, chunk: int) -> Iterator[Span]:
    """Cut an ascending range into spans, one a chunk that it touches."""
    for number in range(pick[0] // chunk, pick[-1] // chunk + 1):
        start = number * chunk
        first = max(0, -(-(start - pick.start) // pick.step))
        last = min(len(pick), -(-(start + chunk - pick.start) // pick.step))
        if first < last:
            source = slice(pick[first] - start, pick[last - 1] - start + 1, pick.step)
            yield Span(number, source, slice(first, last))
