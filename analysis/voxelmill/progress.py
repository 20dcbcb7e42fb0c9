"""Progress of a step: a bar where a person looks on, nothing where nobody does."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Shows stages on stderr if it is a terminal and `show` is set."""

    def __init__(self, *, show: bool = True) -> None:
        self._show = show and sys.stderr.isatty()

    @contextmanager
    def stage(self, title: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        """Yield a function that moves the stage's bar by one task."""
        if not self._show or total == done:
            yield lambda: None
            return
        # Jobs, which nobody looks at, start without it.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(title, total=total, completed=done)
            yield lambda: bars.advance(task)
