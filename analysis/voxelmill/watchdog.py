"""A step ends when the `voxelmill run` that started it is dead.

Snakemake and a shell lie between the two, and a killed Snakemake takes nothing down with it: its
jobs would go on writing while the next run starts. So `voxelmill run` puts a name of its process
into the environment (`mark`), and every step looks whether that process lives.
"""

import os
import threading
import time
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "VOXELMILL_RUN"
ELSEWHERE = "elsewhere"
"""Value of it where a cluster runs the steps: its jobs outlive the run that has submitted them."""
PERIOD_S = 0.5


def mark(environment: MutableMapping[str, str]) -> None:
    """Name this process in the environment of what it starts, unless that runs elsewhere."""
    if environment.get(VARIABLE) == ELSEWHERE:
        return
    if found := _name(os.getpid()):
        environment[VARIABLE] = found


def end_with_the_run() -> None:
    """Start to watch the run that this step belongs to, if it has one on this machine."""
    name = os.environ.get(VARIABLE, "")
    pid, _, rest = name.partition(" ")
    if rest.partition(" ")[2] == _where() != "":
        threading.Thread(target=_watch, args=(int(pid), name), daemon=True).start()


def _watch(pid: int, name: str) -> None:
    while _name(pid) == name:
        time.sleep(PERIOD_S)
    # As if killed: what is written is whole at any moment, and workers end with their parent.
    os._exit(1)


def _name(pid: int) -> str | None:
    """Process id, start time and place: no two processes share it. None: it is dead."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else f"{pid} {fields[18]} {_where()}"


def _where() -> str:
    """Machine since its last start, and process namespace; empty where the system cannot tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
