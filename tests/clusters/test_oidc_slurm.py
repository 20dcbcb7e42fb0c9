"""Runs behind a login on a real SLURM: jobs find it where its user has it, and nobody else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import loginruns, logins, oidc, protected, rgw, slurmctl
from clusters.loginruns import prepare, said
from clusters.protected import Witness, auth
from clusters.test_rgw_run import stored
from trees import digests
from voxelmill.access.session import Vault

pytestmark = [pytest.mark.oidc, pytest.mark.timeout(900)]
SLURM = ("--profile", "slurm", "--site", str(slurmctl.SITE), "--account", slurmctl.ACCOUNT,
         "--", "--slurm-init-seconds-before-status-checks", "3")  # fmt: skip
STORES = {"s3://": auth()}


@pytest.fixture
def plate(
    idle: None, protected: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[str]:  # fmt: skip
    """A plate in a bucket of alice's, who is logged in on all nodes; tokens last a minute."""
    monkeypatch.setenv("OIDC_TEST_ROOT", str(oidc.root()))
    monkeypatch.setenv("RGW_TEST_ROOT", str(rgw.root()))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    oidc.tell(access_s=60, id_s=60)
    logins.log_in()
    bucket = f"alice-{request.node.name.split('_')[-1]}"
    yield loginruns.put_plate(tmp_path / "plate", bucket, **loginruns.SMALL)
    oidc.tell()


def test_jobs_enter_buckets_with_a_login_and_nothing_leaks(plate: str, tmp_path: Path) -> None:
    """Neither into what SLURM shows of jobs, nor into its logs; and the bytes are the same."""
    results = plate.replace("plate.zarr", "x")
    there = prepare(tmp_path / "there", plate, results, STORES)
    witness = Witness(Vault())
    begun, shown = time.time() - 1, []
    with witness.watching():
        process = loginruns.start(there, *SLURM, pause_s=5)
        while process.poll() is None:
            shown.append(slurmctl.ask("scontrol", "show", "job", "--details"))
            time.sleep(2)
    assert process.returncode == 0, said(there)[-4000:]
    ran = slurmctl.executions(begun, "rule_")
    assert {r.state for r in ran} == {"COMPLETED"}
    assert {r.comment.split("_")[1] for r in ran} == {"qc", "segment", "measure"}
    assert len(witness.secrets) > 5
    assert witness.shown == []
    shown.append(slurmctl.ask("sacct", "--parsable2", "--duplicates", "--format", "ALL"))
    assert any("voxelmill-" in text for text in shown), "jobs were looked at"
    assert not any(witness.found_in(text.encode()) for text in shown)
    assert len([*there.rglob("*.log")]) >= 5
    assert witness.leaks(there) == []

    here = prepare(tmp_path / "here", plate, "results", STORES)
    assert loginruns.run(here) == 0, said(here)
    bucket, prefix = results.removeprefix("s3://").split("/")
    told = {"report.html"}
    found = stored(bucket, f"{prefix}/plate/", protected.client())
    near = digests(here / "results/plate")
    assert {n: d for n, d in found.items() if n not in told} == {
        n: d for n, d in near.items() if n not in told
    }


def test_a_login_that_is_revoked_cancels_the_jobs(plate: str, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", plate, plate.replace("plate.zarr", "y"), STORES)
    vault = Vault()
    process = loginruns.start(folder, *SLURM, pause_s=30)
    slurmctl.until(lambda: running("segment"), 200)
    protected.revoke(vault)
    logins.expire(vault)
    protected.age(vault)
    slurmctl.until(lambda: not slurmctl.ask("squeue", "--noheader"), 60)
    assert process.wait(400) == 2
    assert "then the same command again" in said(folder).splitlines()[-1]
    assert "quarantined" not in said(folder)
    logins.log_in()
    assert loginruns.run(folder, *SLURM) == 0, said(folder)[-4000:]


def running(rule: str) -> bool:
    """Whether a job of a rule runs."""
    jobs = slurmctl.ask("squeue", "--noheader", "--format", "%T %k").splitlines()
    return any(job.startswith("RUNNING") and f"rule_{rule}_" in job for job in jobs)
