"""One image on Dask workers that are SLURM jobs, driven by a job too: deaths lose nothing."""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from benchmarks.large import write_large
from clusters import scripted, slurmctl
from clusters.slurmctl import ask, until
from trees import digests
from voxelmill.ledger import read_lines

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
CONFIG = """
datasets: sheet.tsv
objects: {nuclei: {channel: "0", segmenter: {kind: slow, diameter_um: 14}}}
blocks: {size: 256}
"""
BATCH, RECORD = "results/big/batches/0000.json", "results/big/records/segment/0000.json"
LEDGER = "results/big/scratch/segment-0000/ledger.jsonl"
# Three of four cores: no two jobs on one node, and the driver beside one of them.
WORKERS = {"jobs": 3, "cores": 3, "memory_gib": 3, "minutes": 10, "interface": "lo"}
NAME = "voxelmill-worker"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an image of 144 blocks, scanned."""
    folder = tmp_path_factory.mktemp("big")
    scripted.install(folder / "site")
    write_large(folder / "big.zarr", 3072)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "sheet.tsv").write_text("dataset\turl\nbig\tbig.zarr\n")
    ask("env", "--chdir", str(folder), f"PYTHONPATH={folder / 'site'}", sys.executable, "-m",
        "voxelmill", "scan", "config.yaml")  # fmt: skip
    for kind in ("local", "slurm"):
        compute = {"kind": kind} | ({"slurm": WORKERS} if kind == "slurm" else {})
        run = {"blocks": {"size": 256}, "compute": compute}
        (folder / f"{kind}.json").write_text(json.dumps(run))
    return folder


@pytest.fixture
def folder(idle: None, image: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(image, tmp_path / "run"))


def driver(folder: Path, run: str, pause_s: float = 0) -> str:
    """Submit the step as a batch job, slowed by so much for each block; return its id."""
    call = (f"{sys.executable} -m voxelmill segment {BATCH} --record {RECORD} "
            f"--config config.yaml --run {run}.json --workers 2")  # fmt: skip
    site = f"ALL,PYTHONPATH={folder / 'site'},VOXELMILL_PAUSE_S={pause_s}"
    return ask("sbatch", "--parsable", "--chdir", str(folder), "--account", slurmctl.OTHER_ACCOUNT,
               "--partition", "small", "--time", "10", "--output", str(folder / "driver.txt"),
               "--open-mode", "append", "--export", site, "--wrap", call).strip()  # fmt: skip


def ended(job: str, seconds: float = 480) -> str:
    """State in which a job ends, by the accounting: that hears of it after the queue has."""
    until(lambda: job not in ask("squeue", "--noheader", "--format", "%A"), seconds)
    until(lambda: accounted(job) not in (None, "PENDING", "RUNNING", "COMPLETING"), 120)
    return str(accounted(job))


def accounted(job: str) -> str | None:
    words = ask(
        "sacct", "--allocations", "--noheader", "--jobs", job, "--format", "State%20"
    ).split()
    return words[0] if words else None


def finished_blocks(folder: Path) -> int:
    return max(0, len(read_lines(folder / LEDGER)[0]) - 1) if (folder / LEDGER).exists() else 0


def workers() -> list[str]:
    return ask("squeue", "--noheader", "--states", "running", "--name", NAME,
               "--format", "%A").split()  # fmt: skip


@pytest.fixture(scope="module")
def local(slurm: None, image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of what the step leaves without a cluster."""
    folder = Path(shutil.copytree(image, tmp_path_factory.mktemp("here") / "run"))
    assert ended(driver(folder, "local")) == "COMPLETED"
    return digests(folder / "results")


def test_a_worker_that_is_killed_is_replaced(folder: Path, local: dict[str, str]) -> None:
    job = driver(folder, "slurm", 2)
    until(lambda: len(workers()) == 3 and finished_blocks(folder) > 5, 240)
    first = workers()
    ask("scancel", "--signal", "KILL", "--full", first[0])
    until(lambda: len(set(workers()) - {first[0]}) == 3, 60)
    assert ended(job) == "COMPLETED", (folder / "driver.txt").read_text()
    assert digests(folder / "results") == local
    nodes = [r.node for r in slurmctl.executions(time.time() - 600) if r.job in first]
    assert set(nodes) == set(slurmctl.NODES)
    accounts = {r.account for r in slurmctl.executions(time.time() - 600) if r.job in first}
    assert accounts == {slurmctl.OTHER_ACCOUNT}, "workers are billed to the driver's account"
    until(lambda: not workers(), 30)


def test_a_driver_that_dies_goes_on_with_what_is_finished(
    folder: Path, local: dict[str, str]
) -> None:
    """The scheduler is in it: its death, a time limit and a preemption are the same to the step."""
    job = driver(folder, "slurm", 0.5)
    until(lambda: finished_blocks(folder) > 20, 240)
    ask("scancel", "--signal", "KILL", "--full", job)
    assert ended(job) != "COMPLETED"
    until(lambda: not workers(), 90)
    before = {line["key"] for line in read_lines(folder / LEDGER)[0][1:]}
    again = driver(folder, "slurm")
    until(lambda: finished_blocks(folder) > len(before), 240)
    lines = [line["key"] for line in read_lines(folder / LEDGER)[0][1:]]
    assert lines[: len(before)] == [*dict.fromkeys(lines)][: len(before)]
    assert before <= set(lines)
    assert ended(again) == "COMPLETED", (folder / "driver.txt").read_text()
    assert digests(folder / "results") == local


def test_workers_that_never_come_end_in_an_error(folder: Path) -> None:
    run = json.loads((folder / "slurm.json").read_text())
    run["compute"]["slurm"]["python"] = "/nowhere/python"
    (folder / "lost.json").write_text(json.dumps(run))
    job = driver(folder, "lost")
    assert ended(job) == "FAILED"
    said = (folder / "driver.txt").read_text()
    assert "ended before one had come" in said
    assert said.count("Traceback") == 0
