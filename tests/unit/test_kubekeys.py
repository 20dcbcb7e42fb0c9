"""What pods enter stores with: one end writes a Secret, the other reads it; a pod's own shell."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from entrances import Sts, log_in, sts
from voxelmill.access import supply
from voxelmill.access.given import TOKEN, VARIABLE, Given
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Wanted
from voxelmill.access.session import Vault
from voxelmill.access.supply import Supply
from voxelmill.config import Config
from voxelmill.kubeapi import Api
from voxelmill.plugin import BadConfig, NoCredentials, SessionEnded, StoreUnavailable
from voxelmill.steps.kubejobs import Kubernetes
from voxelmill.steps.kubekeys import ENTRY, SECRET, SESSION, KeySecret
from voxelmill.storeoptions import Oidc, StoreOptions, use_stores
from webserver import serving

ROLE = "arn:aws:iam:::role/r"
STORE = "s3://bucket/week 47"


@dataclass
class Secrets:
    """Secrets of a namespace, behind the calls of `Api`."""

    data: dict[str, dict[str, bytes]] = field(default_factory=dict)
    rights: set[str] = field(default_factory=set)
    changes: int = 0

    def secret(self, name: str) -> dict[str, bytes]:
        """Entries."""
        return dict(self.data.get(name, {}))

    def put_secret(self, name: str, entries: Mapping[str, bytes | None]) -> None:
        """Merge."""
        self.changes += 1
        merged = {**self.data.get(name, {}), **entries}
        self.data[name] = {key: value for key, value in merged.items() if value is not None}

    def may(self, verb: str, resource: str, group: str = "", name: str = "") -> bool:
        """Whether it is among the rights."""
        return f"{verb} {resource}/{name}" in self.rights


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.delenv(SESSION, raising=False)
    log_in()
    with sts() as found:
        yield found


def ends(api: Secrets, store: str = STORE) -> tuple[KeySecret, Given]:
    """The driver's end, and that of its pods."""
    secret = KeySecret(api, store)  # type: ignore[arg-type]
    return secret, Given(SECRET, secret.given.run, api)  # type: ignore[arg-type]


def test_pods_find_what_the_driver_puts(service: Sts) -> None:
    api, want = Secrets(), Wanted(service.url, ROLE, 3600)
    driver, pod = ends(api)
    keys, token = Keychain().keys(want), Keychain().token()
    driver.put({want.name(): keys.revealed(), TOKEN: token.revealed()})
    assert pod.keys(want) == keys
    assert pod.token() == token
    assert "refresh" not in str(api.data)
    before = api.changes
    driver.put({want.name(): keys.revealed()})
    assert api.changes == before, "nothing new, no request"
    driver.end()
    assert api.data[SECRET] == {}


def test_runs_do_not_take_from_each_other(service: Sts) -> None:
    api, want = Secrets(), Wanted(service.url, ROLE, 3600)
    one, _ = ends(api, "s3://bucket/a")
    other, pod = ends(api, "s3://bucket/b")
    keys = Keychain().keys(want).revealed()
    one.put({want.name(): keys})
    with pytest.raises(StoreUnavailable, match="nothing for role"):
        pod.keys(want)
    other.put({want.name(): keys})
    one.end()
    assert pod.keys(want).revealed() == keys


def test_a_login_that_has_ended_is_told_to_pods_until_the_next_run(service: Sts) -> None:
    api, want = Secrets(), Wanted(service.url, ROLE, 3600)
    driver, pod = ends(api)
    driver.put({want.name(): Keychain().keys(want).revealed()})
    driver.end("login: the session of x has ended")
    with pytest.raises(SessionEnded, match="has ended"):
        pod.keys(want)
    driver.put({want.name(): Keychain().keys(want).revealed()})
    assert pod.keys(want).fresh


def test_a_pod_waits_for_the_driver(service: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that have ended, or are not there yet, may be there soon."""
    api, want = Secrets(), Wanted(service.url, ROLE, 3600)
    driver, pod = ends(api)
    monkeypatch.setenv(VARIABLE, pod.told)
    monkeypatch.setattr(supply, "source", lambda: pod)
    options = StoreOptions(endpoint=service.url, auth=Oidc(kind="oidc", role_arn=ROLE))
    entries = {want.name(): Keychain().keys(want).revealed()}
    threading.Timer(0.8, driver.put, (entries,)).start()
    assert Supply().keys(options) == Keychain().keys(want)
    driver.end()
    monkeypatch.setattr(supply, "PATIENCE_S", 0.5)
    with pytest.raises(NoCredentials, match="the run still goes on"):
        Supply().keys(options)


def test_the_login_of_a_driver_in_a_pod_goes_back_when_it_changes(
    service: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Vault().path.read_bytes()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "pod"))
    monkeypatch.setenv(SESSION, "voxelmill-session")
    api = Secrets({"voxelmill-session": {ENTRY: left, "other": b"x"}})
    driver, _ = ends(api)
    driver.arrive()
    assert Vault().path.read_bytes() == left
    assert Vault().path.stat().st_mode & 0o777 == 0o600
    driver.put({})
    assert api.changes == 0
    log_in(access_token="SECRET-second")  # noqa: S106 - of nobody
    driver.put({})
    assert b"SECRET-second" in api.data["voxelmill-session"][ENTRY]
    assert api.data["voxelmill-session"]["other"] == b"x"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "empty"))
    with pytest.raises(SessionEnded, match=r"no session\.json in it"):
        ends(Secrets())[0].arrive()


def test_rights_that_are_lacking_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SESSION, raising=False)
    api = Secrets(rights={f"get secrets/{SECRET}"})
    assert ends(api)[0].lacking() == [f"patch secrets/{SECRET}"]
    monkeypatch.setenv(SESSION, "mine")
    assert "get secrets/mine" in ends(api)[0].lacking()


def test_the_shell_of_a_pod_tells_botocore_and_steps(service: Sts, tmp_path: Path) -> None:
    """What is put before Snakemake's own command, run as a pod's shell does."""
    auth = Oidc(kind="oidc", role_arn=ROLE)
    use_stores({"s3://": StoreOptions(endpoint="https://a.org/it's", auth=auth)})
    driver, pod = ends(Secrets())
    show = ("import os, json; print(json.dumps({n: os.environ.get(n) for n in ('VOXELMILL_KEYS', "
            "'VOXELMILL_STORES', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE')}))")  # fmt: skip
    (tmp_path / "show.py").write_text(show)
    (tmp_path / "work dir").mkdir()
    text = f"cd 'work dir' && {driver.precommand()} && {sys.executable} ../show.py"
    done = subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, capture_output=True, text=True,
                          check=True)  # fmt: skip
    found = json.loads(done.stdout)
    assert found["VOXELMILL_KEYS"] == pod.told
    assert json.loads(found["VOXELMILL_STORES"])["s3://"]["endpoint"] == "https://a.org/it's"
    assert found["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    config = Path(found["AWS_CONFIG_FILE"])
    assert config.parent == tmp_path / "work dir"
    assert config.read_text().splitlines() == [
        "[default]", "credential_process = python -m voxelmill keys 's3://bucket/week 47'"
    ]  # fmt: skip


def config(**more: object) -> Config:
    auth = {"kind": "oidc", "role_arn": ROLE}
    return Config.model_validate({
        "datasets": "sheet.tsv", "results": "s3://bucket/x",
        "stores": {"s3://": {"endpoint": "https://a.org", "auth": auth}},
        "objects": {"n": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_px": 9}}},
        **more,
    })  # fmt: skip


def test_snakemake_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Kubernetes.of(config(), tmp_path / "c.yaml", {"container-image": "x:1",
                         "kubernetes-namespace": "n"}, [])  # fmt: skip
    options = runs.options()
    assert "export VOXELMILL_KEYS=voxelmill-keys/" in options[options.index("--precommand") + 1]
    assert runs.share is runs.keys
    with pytest.raises(BadConfig, match="--precommand"):
        Kubernetes.of(config(), tmp_path / "c.yaml", {}, ["--precommand", "true"])
    plain = Kubernetes.of(config(stores={}), tmp_path / "c.yaml", {"container-image": "x:1",
                          "kubernetes-namespace": "n"}, [])  # fmt: skip
    assert "--precommand" not in plain.options()
    assert plain.share is None


def test_secrets_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests as an API server wants them: a merge, and a Secret made where there is none."""
    kept: dict[str, dict[str, str]] = {}
    kinds: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _named(self) -> str:
            kinds.append((self.command, self.headers.get("Content-Type")))
            return self.path.rpartition("/")[2]

        def do_GET(self) -> None:
            name = self._named()
            self._answer(200 if name in kept else 404, {"data": kept.get(name)})

        def do_PATCH(self) -> None:
            name = self._named()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if name not in kept:
                return self._answer(404, {})
            merged = {**kept[name], **body["data"]}
            kept[name] = {key: value for key, value in merged.items() if value is not None}
            return self._answer(200, {"data": kept[name]})

        def do_POST(self) -> None:
            self._named()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept[body["metadata"]["name"]] = body["data"]
            self._answer(201, body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        (tmp_path / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "t",
            "clusters": [{"name": "t", "cluster": {"server": url}}],
            "users": [{"name": "t", "user": {"token": "x"}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t",
                                                   "namespace": "n"}}]}))  # fmt: skip
        # Not KUBECONFIG: the library reads that when it is imported, by whichever test comes first.
        default = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(default, str(tmp_path / "kubeconfig"))
        api = Api()
        assert api.secret("a") == {}
        api.put_secret("a", {"x": b"\x00secret", "y": None})
        assert api.secret("a") == {"x": b"\x00secret"}
        api.put_secret("a", {"x": None, "z": b"1"})
        assert api.secret("a") == {"z": b"1"}
    assert ("PATCH", "application/merge-patch+json") in kinds
