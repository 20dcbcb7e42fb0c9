"""What a second core of this machine can give at best: arithmetic, and streaming through memory.

No program gains more from a second worker than the machine has to give; beside the row of
``overhead`` this says how near it is. ``python -m benchmarks.limits``.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import Row, interleaved, table
from voxelmill.kernels.jit import kernel

STEPS, VALUES = 3_000_000_000, 1 << 28


@kernel
def count(steps: int) -> int:
    """Arithmetic in registers: a generator of random numbers."""
    state = 1
    for _ in range(steps):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFF
    return state


@kernel
def total(values: NDArray[np.int32]) -> int:
    """Sum: as fast as memory delivers."""
    found = 0
    for value in values:
        found += value
    return found


def both(work: Callable[[], object], threads: int) -> None:
    """Do the work twice, on so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()


def measure() -> list[Row]:
    """Seconds of two pieces of work one after the other, and at once."""
    values = np.ones(VALUES, np.int32)
    rows = []
    for name, work in (("arithmetic", partial(count, STEPS)), ("memory", partial(total, values))):
        s = interleaved({"one": partial(both, work, 1), "two": partial(both, work, 2)})
        one, two = s["one"], s["two"]
        rows.append(Row(f"this machine, {name}: 2 threads against 1", round(two, 4), round(one, 4),
                        "one thread", "s", round(one / two, 3), None, None))  # fmt: skip
    return rows


if __name__ == "__main__":
    print(table(measure()))
