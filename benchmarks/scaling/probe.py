"""Run one step as the workflow does, in this process, and note what each of its tasks cost.

    python -m benchmarks.scaling.probe [--apart] NOTES segment BATCH --record … --workers 1

With `--apart` no decoded chunk is kept for the next block, as if another process did that.
In: the command line of a step, with threads as workers. Out: the file NOTES, JSON:

    {"wall": s, "cpu": s, "stages": [{"title", "wall", "tasks": [[key, wall, cpu], …]}, …]}

`wall` and `cpu` are the whole process's, from before its imports. What the stages leave of it is
the step's serial part: start, ids, tables.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


class Notes:
    """Stands in for `Pool.run` and keeps the times of stages and tasks."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []

    def install(self) -> None:
        """Take the place of `Pool.run`."""
        from voxelmill.run import Pool

        original, stages = Pool.run, self.stages

        def run(
            pool: Pool,
            title: str,
            function: Callable[..., Any],
            tasks: Mapping[str, tuple[Any, ...]],
            *more: Any,  # noqa: ANN401 - whatever Pool.run takes
        ) -> Any:  # noqa: ANN401
            noted: list[tuple[str, float, float]] = []
            start, spent = time.perf_counter(), time.process_time()

            def timed(key: str, *arguments: object) -> Any:  # noqa: ANN401
                wall, cpu = time.perf_counter(), time.thread_time()
                try:
                    return function(*arguments)
                finally:
                    spent_here = time.perf_counter() - wall, time.thread_time() - cpu
                    noted.append((key, *spent_here))

            calls = {key: (key, *arguments) for key, arguments in tasks.items()}
            found = original(pool, title, timed, calls, *more)
            stages.append({"title": title, "wall": time.perf_counter() - start,
                           "cpu": time.process_time() - spent, "tasks": noted})  # fmt: skip
            return found

        Pool.run = run  # type: ignore[assignment, method-assign]

    def save(self, path: Path) -> None:
        """Write the notes."""
        found = {"wall": time.perf_counter() - STARTED, "cpu": time.process_time()}
        path.write_text(json.dumps({**found, "stages": self.stages}))


def main() -> None:
    """Run the step that the command line names."""
    from voxelmill import cli
    from voxelmill.store.cache import chunk_cache

    if sys.argv[1] == "--apart":
        sys.argv.pop(1)
        chunk_cache().resize(0)
    path = Path(sys.argv.pop(1)).resolve()
    notes = Notes()
    notes.install()
    try:
        cli.main()
    finally:
        notes.save(path)


if __name__ == "__main__":
    main()
