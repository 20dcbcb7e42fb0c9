"""Pods behind a login: they get keys that end soon, by a Secret, and nothing in what others see."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import kubectl, kuberuns, loginruns, logins, oidc, protected, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored
from trees import digests
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Wanted
from voxelmill.access.session import Vault
from voxelmill.steps.kubekeys import SECRET

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900, func_only=True)]
# Pods reach the store by another address than its STS is asked at, which here is this machine's.
STORES = {"s3://": {"endpoint": kubectl.STORE,
                    "auth": {"kind": "oidc", "role_arn": protected.role("alice"),
                             "sts": rgw.ENDPOINT}}}  # fmt: skip
TOLD = {"report.html", "provenance/config.yaml", "records/provenance.json", "checksums.md5"}
"""Results that tell by which command, or at which address of the store, they were made."""
OBJECTS = {"nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}}}


@pytest.fixture(autouse=True)
def tidy(project: str, protected: None) -> Iterator[None]:
    yield
    kubectl.tidy()


@pytest.fixture
def plate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plate in a bucket of alice's, who is logged in."""
    monkeypatch.setenv("OIDC_TEST_ROOT", str(oidc.root()))
    monkeypatch.setenv("RGW_TEST_ROOT", str(rgw.root()))
    monkeypatch.setenv("K8S_TEST_ROOT", str(kubectl.root()))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    oidc.tell()
    logins.log_in()
    protected.client().create_bucket(Bucket="alice-results")
    return loginruns.put_plate(tmp_path / "plate", "alice-pods", **loginruns.SMALL | {"wells": 2})


@pytest.mark.smoke
def test_pods_get_keys_and_nobody_else_sees_them(plate: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    kuberuns.write_config(folder, plate, "s3://alice-results/x", stores=STORES, objects=OBJECTS)
    witness = protected.Witness(Vault())
    seen: list[str] = []
    with witness.watching():
        run = kuberuns.Run(folder, "login-script")
        process = run.start()
        until(lambda: kubectl.get("pods") or process.poll() is not None, 200)
        while process.poll() is None:
            shown = [one for kind in ("jobs", "pods", "events", "configmaps")
                     for one in kubectl.get(kind)]  # fmt: skip
            shown += [one for one in kubectl.get("secrets")
                      if kubectl.UUID.fullmatch(one["metadata"]["name"])]  # fmt: skip
            seen += map(json.dumps, shown)
    assert process.returncode == 0, run.said
    assert witness.secrets
    assert not any(witness.found_in(text.encode()) for text in seen)
    assert witness.leaks(folder) == []
    (keys,) = kubectl.get("secrets", SECRET)
    assert not keys.get("data"), "what was handed on is taken away at the end"
    assert kuberuns.left() == []

    local = tmp_path / "local"
    local.mkdir()
    near = {"s3://": STORES["s3://"] | {"endpoint": rgw.ENDPOINT}}
    kuberuns.write_config(local, plate, "results", stores=near, objects=OBJECTS)
    kuberuns.local(local)
    found = stored("alice-results", "x/plate/", protected.client())
    here = digests(local / "results/plate")
    assert {n: d for n, d in found.items() if n not in TOLD} == {
        n: d for n, d in here.items() if n not in TOLD
    }


def test_a_login_that_is_revoked_ends_the_run_and_its_pods(plate: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    slow = {"nuclei": {"channel": "DNA", "segmenter": {"kind": "slow", "diameter_um": 12}}}
    kuberuns.write_config(folder, plate, "s3://alice-results/y", stores=STORES, objects=slow)
    run = kuberuns.Run(folder, "revoked-script")
    process = run.start(VOXELMILL_PAUSE_S="60")
    until(lambda: "segment" in json.dumps(kubectl.get("jobs")), 300)
    vault = Vault()
    protected.revoke(vault)
    logins.expire(vault)
    protected.age(vault)
    assert process.wait(200) == 2
    assert "then the same command again" in run.said.splitlines()[-1]
    assert kuberuns.left() == []
    logins.log_in()
    assert run.start(VOXELMILL_PAUSE_S="0").wait(500) == 0, run.said
    assert Keychain().keys(Wanted(rgw.ENDPOINT, protected.role("alice"), 3600)).fresh
