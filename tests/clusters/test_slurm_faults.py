"""What goes wrong on a cluster, on a real one: each ends in the same bytes or a named failure.

Every execution is counted, by the step itself and by SLURM's accounting: none runs twice at once.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import scripted, slurmctl
from clusters.slurmctl import ask, until
from trees import digests
from voxelmill.steps.demo import write_demo_plate

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
CONFIG = """
datasets: sheet.tsv
objects: {nuclei: {channel: DNA, segmenter: {kind: scripted, level: 900}}}
batches: {images: 2}
"""
FAST = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")
RECORDS = [f"results/plate/records/segment/{n:04d}.json" for n in range(4)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the scripted segmenter, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    scripted.install(folder)
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, site: Path) -> dict[str, str]:
    """Digests of what the same run leaves on one machine."""
    folder = tmp_path_factory.mktemp("local")
    prepare(folder)
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "2"]
    subprocess.run([*command, "--", *RECORDS], cwd=folder, check=True, capture_output=True,
                   env=scripted.environment(site), timeout=300)  # fmt: skip
    return digests(folder / "results/plate")


def prepare(folder: Path) -> None:
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=256, faults=False)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")


class Run:
    """A run in a folder of its own, and the script of its faults."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self.script, self.site = folder, folder / "script", site
        self.script.mkdir(parents=True)
        prepare(folder)
        self.begun = time.time() - 1
        self.processes: list[subprocess.Popen[str]] = []

    def fault(self, batch: str, what: str) -> None:
        """Have the first execution for a batch `exit` or `sleep`."""
        (self.script / f"{batch}.fault").write_text(what)

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """Start `voxelmill run` with options for Snakemake."""
        command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--profile", "slurm",
                   "--site", str(slurmctl.SITE), "--account", slurmctl.ACCOUNT]  # fmt: skip
        process = subprocess.Popen(
            [*command, "--", *FAST, *options],
            cwd=self.folder,
            env=scripted.environment(self.site, self.script),
            stdout=(self.folder / "out.txt").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    @property
    def said(self) -> str:
        """What all runs in the folder have printed."""
        return (self.folder / "out.txt").read_text()

    def starts(self, batch: str) -> list[tuple[int, str]]:
        """Executions of *segment* for a batch, as the step has counted them."""
        return scripted.starts(self.script, batch)

    def job(self, batch: str) -> str:
        """SLURM's id of the segment job of a batch."""
        comment = f"rule_segment_wildcards_plate_{batch}"
        lines = ask("squeue", "--noheader", "--states", "running", "--format", "%A %k").split("\n")
        return next(line.split()[0] for line in lines if line.endswith(comment))

    def executions(self, batch: str = "") -> list[slurmctl.Ran]:
        """The same as SLURM has counted them."""
        return slurmctl.executions(self.begun, f"rule_segment_wildcards_plate_{batch}")

    def ends(self, batch: str) -> list[str]:
        """States in which the executions for a batch ended.

        A launch that SLURM gave up itself (REQUEUED, or no node yet) is none: no step began.
        """
        ran = [r for r in self.executions(batch) if r.node in slurmctl.NODES]
        return [r.state.split()[0] for r in ran if r.state != "REQUEUED"]


@pytest.fixture
def run(idle: None, tmp_path: Path, site: Path) -> Iterator[Run]:
    run = Run(tmp_path, site)
    yield run
    for process in run.processes:
        process.kill()


def finish(process: "subprocess.Popen[str]", run: Run, seconds: float = 480) -> int:
    """Exit code; a run that hangs is killed, and fails the test."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"the run hangs:\n{run.said[-3000:]}\n{ask('squeue')}")


@pytest.mark.smoke
def test_four_faults_at_once_and_the_same_bytes(run: Run, local: dict[str, str]) -> None:
    """A job fails, one runs out of time, one is cancelled, one loses its node."""
    for batch, what in zip(("0000", "0001", "0002", "0003"), ("exit", *["sleep"] * 3), strict=True):
        run.fault(batch, what)
    # Three of four cores: no two jobs on one node.
    process = run.start("--set-resources", "segment:runtime=1 if attempt == 1 else 10",
                        "--set-threads", "segment=3", "--", *RECORDS)  # fmt: skip
    until(lambda: run.starts("0002"), 240)
    ask("scancel", run.job("0002"))
    until(lambda: run.starts("0003"), 240)
    job, ((process_id, node),) = run.job("0003"), run.starts("0003")
    ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    start_again(job, process_id)
    assert finish(process, run) == 0, run.said[-4000:]
    same(run, local, *RECORDS)
    faults = ("FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")
    assert [run.ends(b) for b in run_batches()] == [[fault, "COMPLETED"] for fault in faults]
    assert [len(run.starts(b)) for b in run_batches()] == [2, 2, 2, 2]
    assert slurmctl.overlaps(run.executions()) == []


def same(run: Run, local: dict[str, str], *records: str) -> None:
    """Check that these records are there, and all files that came with them as on one machine."""
    found = digests(run.folder / "results/plate")
    assert {record.removeprefix("results/plate/") for record in records} <= found.keys()
    assert found.items() <= local.items()


def start_again(job: str, process_id: int) -> None:
    """Have a requeued job start once its first processes are gone; SLURM would wait two minutes."""
    until(lambda: not Path(f"/proc/{process_id}").exists(), 60)
    # Its batch script ends a little later than its process, and only then it is in the queue again.
    until(lambda: "Reason=BeginTime" in ask("scontrol", "show", "job", job), 60)
    time.sleep(3)
    ask("scontrol", "update", f"jobid={job}", "StartTime=now")


def run_batches() -> list[str]:
    return [Path(record).stem for record in RECORDS]


def test_a_preempted_job_starts_again_by_itself(run: Run, local: dict[str, str]) -> None:
    run.fault("0000", "sleep")
    process = run.start("--set-resources", "segment:slurm_partition='preempt'",
                        "--", RECORDS[0])  # fmt: skip
    until(lambda: run.starts("0000"), 240)
    job, ((process_id, node),) = run.job("0000"), run.starts("0000")
    urgent = ask("sbatch", "--parsable", "--partition", "urgent", "--account", slurmctl.ACCOUNT,
                 "--nodelist", node, "--exclusive", "--time", "1", "--output", "/dev/null",
                 "--wrap", "sleep 1").strip()  # fmt: skip
    until(lambda: urgent not in ask("squeue", "--noheader", "--format", "%A"), 60)
    start_again(job, process_id)
    assert finish(process, run) == 0, run.said[-4000:]
    same(run, local, RECORDS[0])
    assert run.ends("0000") == ["PREEMPTED", "COMPLETED"]
    assert len(run.starts("0000")) == 2
    assert slurmctl.overlaps(run.executions()) == []


def test_a_batch_that_always_fails_is_named_and_the_others_finish(run: Run) -> None:
    (run.script / "0001.starts").mkdir()
    process = run.start("--retries", "1", "--", *RECORDS[:2])
    assert finish(process, run) not in (0, 2)
    assert "rule_segment" in run.said or "Error in rule segment" in run.said
    assert "IsADirectoryError" in run.said
    assert (run.folder / RECORDS[0]).exists()
    assert not (run.folder / RECORDS[1]).exists()
    assert run.ends("0001") == ["FAILED", "FAILED"]


def test_a_killed_run_leaves_jobs_that_the_next_one_ends_first(
    run: Run, local: dict[str, str]
) -> None:
    run.fault("0000", "sleep")
    process = run.start("--", RECORDS[0])
    until(lambda: run.starts("0000"), 240)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    again = run.start("--", RECORDS[0])
    assert finish(again, run) == 0, run.said[-4000:]
    same(run, local, RECORDS[0])
    assert len(run.starts("0000")) == 2
    assert slurmctl.overlaps(run.executions()) == []


def test_a_snakemake_that_waits_for_nothing_is_started_anew(
    run: Run, local: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sacct the plugin does not understand that somebody cancelled a job.

    The time is longer than it takes to ask about the second one, which ends well.
    """
    monkeypatch.setenv("VOXELMILL_IDLE_S", "40")
    run.fault("0000", "sleep")
    process = run.start("--slurm-status-command", "sacct", "--", RECORDS[0])
    until(lambda: run.starts("0000"), 240)
    ask("scancel", run.job("0000"))
    assert finish(process, run) == 0, run.said[-4000:]
    assert "waits for nothing" in run.said
    same(run, local, RECORDS[0])
    assert len(run.starts("0000")) == 2
    assert run.ends("0000") == ["CANCELLED", "COMPLETED"]
