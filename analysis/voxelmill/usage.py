"""What a job has used and what it was given: processor time, cores and memory.

In: this process and the environment of its job. Out: a line for its log, read back by `read_used`.
Only what a scheduler has promised is known as given: SLURM says it in the environment.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

TEXT = re.compile(r"([\d.]+) core-seconds(?: of (\d+) cores, ([\d.]+) GiB)?")


@dataclass(frozen=True)
class Used:
    """Processor time in seconds; cores and GiB that the job was given, 0 where nobody says."""

    core_s: float = 0.0
    cores: int = 0
    gib: float = 0.0


NOTHING = Used()


def used_text(environment: Mapping[str, str] = os.environ) -> str:
    """``12.3 core-seconds of 4 cores, 8.0 GiB``: this process and those that it waited for."""
    times = os.times()
    seconds = times.user + times.system + times.children_user + times.children_system
    cores, gib = given(environment)
    return f"{seconds:.1f} core-seconds" + (f" of {cores} cores, {gib:.2f} GiB" if cores else "")


def given(environment: Mapping[str, str]) -> tuple[int, float]:
    """Cores and GiB of the job as SLURM tells them; zeros elsewhere."""

    def number(name: str) -> float:
        text = environment.get(name, "")
        return float(text) if text.isdigit() else 0.0

    cores = number("SLURM_CPUS_PER_TASK") or number("SLURM_CPUS_ON_NODE")
    mib = number("SLURM_MEM_PER_NODE") or number("SLURM_MEM_PER_CPU") * cores
    return int(cores), mib / 1024


def read_used(text: str) -> Used:
    """Read back what `used_text` wrote; zeros of any other text."""
    found = TEXT.search(text)
    if found is None:
        return NOTHING
    return Used(float(found[1]), int(found[2] or 0), float(found[3] or 0))
