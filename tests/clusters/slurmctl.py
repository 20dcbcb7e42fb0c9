"""The test cluster: up, down, and what SLURM says of jobs. Its recipe is ``slurm/up``."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).parent / "slurm"
SITE = HERE / "site.yaml"
ACCOUNT, OTHER_ACCOUNT = "project_2001234", "project_2005678"
NODES = ("node1", "node2", "node3")
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "slurmstepd", "mariadbd", "munged")


def missing() -> str:
    """Why SLURM cannot be installed here; empty if it can."""
    if os.geteuid() != 0:
        return "a SLURM cluster needs root to be installed and started"
    if shutil.which("apt-get") is None and shutil.which("slurmctld") is None:
        return "SLURM is installed from Debian's packages: no apt-get here"
    return ""


def up() -> None:
    subprocess.run([HERE / "up"], check=True, timeout=600, stdout=subprocess.DEVNULL)


def down() -> None:
    subprocess.run([HERE / "down", "--purge"], check=True, timeout=120, stdout=subprocess.DEVNULL)


def left_running(daemons: Sequence[str]) -> list[str]:
    """Daemons that still run; those of another installation would count too."""
    names = (Path(p, "comm") for p in Path("/proc").glob("[0-9]*"))
    return [name for name in map(_text, names) if name in daemons]


def _text(path: Path) -> str:
    try:
        state = path.with_name("stat").read_text().rpartition(")")[2].split()[0]
        return "" if state == "Z" else path.read_text().strip()
    except OSError:
        return ""


def ask(*call: str) -> str:
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def tidy() -> None:
    """Cancel all jobs, wait for their end, bring all nodes up."""
    ask("scancel", "--user", "root")
    until(lambda: not ask("squeue", "--noheader"), 60)
    for node in NODES:
        state = ask("sinfo", "--noheader", "--nodes", node, "--format", "%T")
        if "down" in state or "drain" in state:
            ask("scontrol", "update", f"nodename={node}", "state=resume")
    until(lambda: ask("sinfo", "--noheader", "--Node", "--format", "%T").split().count("idle") >= 3)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `true`; fail after so long."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds:.0f} s")
        time.sleep(0.3)


@dataclass(frozen=True)
class Ran:
    """One execution of a job: what accounting knows of it."""

    job: str
    comment: str
    state: str
    start: datetime | None
    end: datetime | None
    account: str
    partition: str
    minutes: str
    memory: str
    cores: int
    node: str


FIELDS = "JobIDRaw,Comment,State,Start,End,Account,Partition,Timelimit,ReqMem,AllocCPUS,NodeList"


def executions(since: float, comment: str = "") -> list[Ran]:
    """All executions since a time, also those before a requeue."""
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
    lines = ask("sacct", "--allocations", "--duplicates", "--noheader", "--parsable2",
                "--starttime", start, "--format", FIELDS).splitlines()  # fmt: skip
    found = []
    for line in lines:
        job, text, state, begun, ended, *rest = line.split("|")
        account, partition, minutes, memory, cores, node = rest
        if comment in text:
            found.append(Ran(job, text, state, _time(begun), _time(ended), account, partition,
                             minutes, memory, int(cores), node))  # fmt: skip
    return found


def _time(text: str) -> datetime | None:
    return None if text in ("Unknown", "None") else datetime.fromisoformat(text)


def overlaps(ran: Sequence[Ran]) -> list[tuple[Ran, Ran]]:
    """Pairs of executions of the same rule and wildcards that ran at the same time."""
    known = [r for r in ran if r.start and r.end and r.comment]
    return [
        (a, b)
        for i, a in enumerate(known)
        for b in known[i + 1 :]
        if a.comment == b.comment and a.start < b.end and b.start < a.end  # type: ignore[operator]
    ]
