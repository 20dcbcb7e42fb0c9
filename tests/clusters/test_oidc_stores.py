"""Runs on buckets behind a login: a real provider, a real RadosGW, and what goes wrong."""

import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from clusters import loginruns, logins, oidc, protected, rgw
from clusters.loginruns import prepare, run, said, start
from clusters.protected import Witness, auth, role
from clusters.slurmctl import until
from clusters.test_rgw_run import stored
from trees import digests
from voxelmill.access.keychain import Keychain
from voxelmill.access.session import Vault
from voxelmill.home import home
from voxelmill.steps.demo import write_demo_plate
from webserver import serving

pytestmark = [pytest.mark.oidc, pytest.mark.timeout(900)]
KEYS = protected.KEYS
TOLD = {"provenance/config.yaml", "records/provenance.json", "checksums.md5"}
"""Results that tell how stores were entered: by which role, never with what."""


@pytest.fixture(scope="module")
def state(protected: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """State folder of a user who is logged in as alice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OIDC_TEST_ROOT", str(oidc.root()))
        patch.setenv("RGW_TEST_ROOT", str(rgw.root()))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        oidc.tell()
        logins.log_in()
        yield Vault().folder


@pytest.fixture(scope="module")
def plate(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of two batches, here and in a bucket that only alice may enter."""
    folder = tmp_path_factory.mktemp("plate")
    loginruns.put_plate(folder, "alice-in", **loginruns.SMALL)
    protected.client().create_bucket(Bucket="alice-out")
    rgw.client().create_bucket(Bucket="bob-in")
    return folder


@contextmanager
def aging(vault: Vault, period_s: float) -> Iterator[None]:
    """Do so every now and then."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(period_s):
            with suppress(FileNotFoundError):
                protected.age(vault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def here(plate: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results in a folder: what is read, records name, so it is the same."""
    where = tmp_path_factory.mktemp("local")
    folder = prepare(where / "run", "s3://alice-in/plate.zarr", "results", {"s3://": auth()})
    assert run(folder) == 0, said(folder)
    return digests(folder / "results/plate")


@dataclass
class Long:
    """A run that has outlasted its tokens, and what was seen of it."""

    folder: Path
    code: int
    seconds: float
    witness: Witness
    refreshes: int


@pytest.fixture(scope="module")
def long(plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Long:
    """From a bucket into a bucket with Dask's processes; tokens last a minute, keys little more."""
    folder = prepare(
        tmp_path_factory.mktemp("long") / "run", "s3://alice-in/plate.zarr", "s3://alice-out/long",
        {"s3://": auth()}, compute={"kind": "local", "processes": True},
    )  # fmt: skip
    oidc.tell(access_s=60, id_s=60)
    vault = logins.log_in()
    witness = Witness(vault)
    began = time.monotonic()
    with witness.watching(), aging(vault, 50):
        code = run(folder, "--", "--verbose", pause_s=42)
    seconds, refreshes = time.monotonic() - began, oidc.counts().get("refresh granted", 0)
    oidc.tell()
    logins.log_in()
    return Long(folder, code, seconds, witness, refreshes)


@pytest.mark.smoke
def test_a_run_outlasts_its_tokens_and_its_keys(long: Long) -> None:
    assert long.code == 0, said(long.folder)[-4000:]
    assert long.seconds > 180
    assert long.refreshes >= 3
    ids = {secret for secret in long.witness.secrets if re.fullmatch(r"[A-Za-z0-9]{19,20}", secret)}
    assert len(ids) >= 3, "keys were renewed"


@pytest.mark.smoke
def test_the_same_bytes_from_bucket_to_bucket_as_in_a_folder(
    long: Long, here: dict[str, str]
) -> None:
    found = stored("alice-out", "long/plate/", protected.client())
    timed = {"report.html"}
    assert {n: d for n, d in found.items() if n not in timed} == {
        n: d for n, d in here.items() if n not in timed
    }


def test_the_demo_plate_with_its_faults_from_bucket_to_bucket(state: Path, tmp_path: Path) -> None:
    """The plate and the configuration of `voxelmill demo`: all wells, and all that is amiss."""
    url = loginruns.put_plate(tmp_path / "plate", "alice-demo")
    text = (home("configs") / "demo.yaml").read_text().replace("demo.tsv", "sheet.tsv")
    text += f"stores: {json.dumps({'s3://': auth()})}\n"
    for name, results in (("here", "results"), ("there", "s3://alice-demo/x")):
        folder = prepare(tmp_path / name, url, results, {})
        (folder / "config.yaml").write_text(text.replace("demo/results", results))
        assert run(folder) == 0, said(folder)[-4000:]
    found = stored("alice-demo", "x/plate/", protected.client())
    found.pop("report.html")
    near = digests(tmp_path / "here/results/plate")
    assert near.pop("report.html")
    assert found == near
    assert len(found) > 300


@pytest.mark.smoke
def test_nothing_leaks(long: Long) -> None:
    """Not into logs, records, Snakemake's metadata, reports, command lines, dashboards."""
    witness = long.witness
    assert len(witness.secrets) > 10
    assert len(witness.processes) > 5
    assert witness.leaks(long.folder) == []
    assert witness.shown == []
    assert witness.pages
    assert not any(map(witness.found_in, witness.pages))
    names = " ".join(str(path) for path in long.folder.rglob("*"))
    assert not witness.found_in(names.encode())
    s3 = protected.client()
    for name in stored("alice-out", "long/", s3):
        body = s3.get_object(Bucket="alice-out", Key=f"long/{name}")["Body"].read()
        assert not witness.found_in(body), name
    assert len(list(long.folder.rglob("*"))) > 50


@pytest.mark.smoke
def test_a_leak_would_be_seen(long: Long, tmp_path: Path) -> None:
    secret = max(long.witness.secrets, key=len)
    (tmp_path / "a.log").write_text(f"Authorization: Bearer {secret}\n")
    assert long.witness.leaks(tmp_path) == [str(tmp_path / "a.log")]


def test_nothing_leaks_where_a_job_dies_with_a_traceback(plate: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", "s3://alice-in/plate.zarr", "s3://alice-out/broken",
                     {"s3://": auth()}, kind="broken")  # fmt: skip
    witness = Witness(Vault())
    with witness.watching():
        code = run(folder, "--", "--verbose", "--show-failed-logs")
    assert code == 1
    text = "".join(path.read_text() for path in folder.rglob("*.log")) + said(folder)
    assert "Traceback" in text
    assert "a mistake in a plugin" in text
    assert witness.secrets
    assert witness.leaks(folder) == []
    assert witness.shown == []


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("options", "results", "words"),
    [
        (auth("bob"), "s3://alice-out/x", ["no keys for role", role("bob"), "Check role_arn"]),
        (auth("nobody"), "s3://alice-out/x", ["no keys for role", "AccessDenied"]),
        (auth(duration_s=7200), "s3://alice-out/x", ["InvalidArgument", "MaxSessionDuration"]),
        (auth(), "s3://bob-in/x", ["s3://bob-in", "refuses it", role("alice"), "may not"]),
    ],
    ids=["a role of another", "no such role", "too long", "a bucket of another"],
)
def test_a_refusal_is_one_line_before_any_job(
    plate: Path, tmp_path: Path, options: object, results: str, words: list[str]
) -> None:
    folder = prepare(tmp_path / "run", "s3://alice-in/plate.zarr", results, {"s3://": options})
    assert run(folder) == 2
    assert said(folder).count("\n") == 1
    for word in words:
        assert word in said(folder)
    assert not (folder / ".snakemake/log").exists()


@pytest.mark.smoke
def test_without_a_login_it_is_one_line(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = prepare(tmp_path / "run", "s3://alice-in/plate.zarr", "s3://alice-out/none",
                     {"s3://": auth()})  # fmt: skip
    assert run(folder) == 2
    assert said(folder).count("\n") == 1
    assert "nobody is logged in" in said(folder)
    assert "Run `voxelmill login`, then the same command again" in said(folder)


def test_a_session_that_is_revoked_in_mid_run(
    plate: Path, tmp_path: Path, here: dict[str, str]
) -> None:
    folder = prepare(tmp_path / "run", "s3://alice-in/plate.zarr", "s3://alice-out/revoked",
                     {"s3://": auth()})  # fmt: skip
    vault = Vault()
    process = start(folder, pause_s=3, cores=1)
    records = folder / ".snakemake/storage/results/alice-out/revoked/plate/records/segment"
    protected.wait_for(records / "0000.json")
    protected.revoke(vault)
    logins.expire(vault)
    protected.age(vault)
    assert process.wait(200) == 2
    last = said(folder).splitlines()[-1]
    assert re.fullmatch(
        r"voxelmill: login: the session of Dr\. alice .*has ended.* Run `voxelmill login`, "
        r"then the same command again.*", last,
    )  # fmt: skip
    assert said(folder).count("then the same command again") == 1

    logins.log_in()
    s3 = protected.client()
    done = stamps(s3, "revoked/plate/records/")
    assert not any("aggregate" in name for name in done), "it was stopped early"
    assert any("segment" in name for name in done)
    assert run(folder) == 0, said(folder)[-4000:]
    after = stamps(s3, "revoked/plate/records/")
    assert done.items() <= after.items(), "what was finished is not made again"
    assert "quarantined" not in said(folder)
    found = stored("alice-out", "revoked/plate/", s3)
    assert {n: d for n, d in found.items() if n != "report.html"} == {
        n: d for n, d in here.items() if n != "report.html"
    }


def stamps(s3: object, prefix: str) -> dict[str, str]:
    """When each object was written."""
    found = s3.list_objects_v2(Bucket="alice-out", Prefix=prefix)["Contents"]  # type: ignore[attr-defined]
    return {one["Key"]: str(one["LastModified"]) for one in found}


def test_many_processes_ask_once(plate: Path) -> None:
    """Of a hundred jobs one asks the provider and the STS; the others read what it has got."""
    vault = Vault()
    logins.expire(vault)
    protected.age(vault)
    oidc.tell()
    code = (
        "from clusters.test_oidc_stores import KEYS\n"
        "from voxelmill.access.keychain import Keychain\n"
        "print(Keychain().keys(KEYS).access_key_id.get_secret_value())"
    )
    many = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                         env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        for _ in range(6)
    ]  # fmt: skip
    found = {process.communicate(timeout=100)[0] for process in many}
    assert len(found) == 1
    assert oidc.counts()["refresh granted"] == 1


def test_a_provider_that_is_down_does_not_matter_while_keys_last(plate: Path) -> None:
    vault = Vault()
    before = Keychain().keys(KEYS)
    logins.expire(vault)
    protected.age(vault)
    oidc.tell(listening=False)
    try:
        assert Keychain().keys(KEYS).id == before.id
    finally:
        oidc.tell()
    until(lambda: Keychain().keys(KEYS).id != before.id, 20)


def test_a_data_service_that_asks_for_the_token(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks the provider whose token it is, as such services do; it serves no one else."""
    write_demo_plate(tmp_path / "plate.zarr", wells=1, fields=1, size=256, faults=False)
    found = []
    with guarded(tmp_path) as service:
        for name, stores in (("with", {service.url: {"auth": {"kind": "bearer"}}}), ("open", {})):
            service.open = name == "open"
            folder = prepare(tmp_path / name, f"{service.url}/plate.zarr", "results", stores)
            assert run(folder) == 0, said(folder)[-4000:]
            whole = digests(folder / "results/plate")
            found.append({n: d for n, d in whole.items() if n not in TOLD})
        assert service.people == {"alice"}
        assert service.refused == 0
        folder = prepare(tmp_path / "without", f"{service.url}/plate.zarr", "results", {})
        service.open = False
        assert run(folder) == 2
        assert "401 Unauthorized" in said(folder)
    assert found[0] == found[1]


class Guarded:
    """A web server for people who are logged in."""

    def __init__(self) -> None:
        self.url, self.open = "", False
        self.people: set[str] = set()
        self.refused = 0
        self.known: dict[str, str] = {}

    def lets_in(self, header: str | None) -> bool:
        """Whether the provider knows the token of a request."""
        if header and header not in self.known:
            context = ssl.create_default_context(cafile=oidc.ca())
            answer = httpx.get(
                f"{oidc.ISSUER}/me", headers={"Authorization": header}, verify=context
            )
            self.known[header] = answer.json().get("sub", "")
        person = self.known.get(header or "", "")
        self.people |= {person} - {""}
        self.refused += not (person or self.open)
        return bool(person) or self.open


@contextmanager
def guarded(folder: Path) -> Iterator[Guarded]:
    service = Guarded()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as the server calls it
            super().__init__(*arguments, directory=str(folder))

        def send_head(self) -> Any:  # noqa: ANN401 - a file
            if service.lets_in(self.headers.get("Authorization")):
                return super().send_head()
            self.send_error(401)
            return None

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as service.url:
        yield service


def test_another_login_gets_other_keys(plate: Path, tmp_path: Path) -> None:
    """What is left of the one before opens nothing to the next."""
    logins.log_in("bob")
    try:
        folder = prepare(tmp_path / "run", "s3://alice-in/plate.zarr", "s3://alice-out/theirs",
                         {"s3://": auth()})  # fmt: skip
        assert run(folder) == 2
        assert "no keys for role arn:aws:iam:::role/alice" in said(folder)
    finally:
        logins.log_in("alice")
