"""The demo plate through the profile that ships, on a real SLURM; and what SLURM refuses."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clusters import slurmctl
from trees import digests
from voxelmill.configfile import load_config
from voxelmill.home import home
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.jobs import Jobs
from voxelmill.steps.prepare import prepare

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
# Only so that the test waits less; all else is the profile's.
FAST = ("--slurm-init-seconds-before-status-checks", "3")
SLURM = ("--profile", "slurm", "--site", str(slurmctl.SITE), "--account", slurmctl.OTHER_ACCOUNT)


def voxelmill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "voxelmill", *words], cwd=folder, text=True,
                          capture_output=True, timeout=600, check=False)  # fmt: skip


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the demo plate and its configuration."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo_plate(folder / "plate.zarr")
    text = (home("configs") / "demo.yaml").read_text()
    (folder / "demo.yaml").write_text(text.replace("demo/results", "results"))
    (folder / "demo.tsv").write_text("dataset\turl\ndemo\tplate.zarr\n")
    return folder


@pytest.mark.smoke
def test_the_demo_plate_gives_the_same_bytes_as_on_one_machine(
    idle: None, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (Path(shutil.copytree(plate, tmp_path / name)) for name in ("here", "there"))
    done = voxelmill(here, "run", "demo.yaml", "--cores", "2")
    assert done.returncode == 0, done.stderr
    begun = time.time() - 1
    done = voxelmill(there, "run", "demo.yaml", *SLURM, "--", *FAST)
    assert done.returncode == 0, done.stderr[-4000:]
    assert digests(there / "results/demo") == digests(here / "results/demo")
    ran = slurmctl.executions(begun, "rule_")
    assert {r.state for r in ran} == {"COMPLETED"}
    assert {r.account for r in ran} == {slurmctl.OTHER_ACCOUNT}
    rules = sorted(r.comment.split("_")[1] for r in ran)
    assert rules == sorted(["qc", "segment", "measure"] * 2)
    monkeypatch.chdir(there)
    check_resources(there, ran)
    # Nothing is left to do, and nothing is submitted for it.
    begun = time.time() + 1
    again = voxelmill(there, "run", "demo.yaml", *SLURM, "--", *FAST)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr
    assert slurmctl.executions(begun, "rule_") == []


def check_resources(folder: Path, ran: list[slurmctl.Ran]) -> None:
    """Each job got the cores, memory and time that its batch asks for, where they fit."""
    config = load_config(folder / "demo.yaml").model_copy(update={"site": str(slurmctl.SITE)})
    jobs = Jobs(prepare(config.model_dump(mode="json"), folder / "demo.yaml", main=False))
    for one in ran:
        _, step, _, dataset, batch = one.comment.split("_")
        asked = jobs.ask(step, dataset, batch, 1)
        assert one.cores == jobs.threads(step, dataset, batch, None), one
        assert minutes(one.minutes) == asked.runtime, one
        assert abs(megabytes(one.memory) - asked.mem_mb) <= 1, one
        assert one.partition == "test", one
    assert {one.cores for one in ran} == {1, 2}


def minutes(text: str) -> int:
    hours, rest, _ = text.split(":")
    return 60 * int(hours) + int(rest)


def megabytes(text: str) -> float:
    return float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--account", "project_nosuch"), "Invalid account"),
        (("--account", slurmctl.ACCOUNT, "--site", "short.yaml"), "no partition"),
    ],
)
def test_what_the_cluster_would_refuse_is_refused_before_any_job(
    idle: None, plate: Path, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    folder = Path(shutil.copytree(plate, tmp_path / "run"))
    site = slurmctl.SITE.read_text().replace("max_runtime: 15,", "max_runtime: 5,")
    (folder / "short.yaml").write_text(site.replace("max_runtime: 4320,", "max_runtime: 5,"))
    begun = time.time() - 1
    done = voxelmill(folder, "run", "demo.yaml", "--profile", "slurm", "--site",
                     str(slurmctl.SITE), *options)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
    assert slurmctl.executions(begun, "rule_") == []


def test_plain_snakemake_with_the_profile_says_why_a_job_is_refused(
    idle: None, plate: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(plate, tmp_path / "run"))
    command = ["snakemake", "--snakefile", str(home("workflow") / "Snakefile"),
               "--workflow-profile", str(home("profiles") / "slurm"), "--configfile", "demo.yaml",
               "--slurm-partition-config", str(slurmctl.SITE), "--retries", "0",
               "--default-resources", f"slurm_account={slurmctl.ACCOUNT}",
               "--set-resources", "qc:runtime=100000", "--", "results/demo/records/qc/0000.json",
               ]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, text=True, timeout=120,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "Requested time limit is invalid" in done.stderr
    assert json.loads((folder / "results/execution.json").read_text())
