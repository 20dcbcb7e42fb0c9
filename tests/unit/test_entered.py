"""What goes to a data service: the token to the listed hosts only; and what a lost login does."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import numpy as np
import pytest

import webserver
from entrances import end, log_in, sts
from trees import write_image
from voxelmill.access import supply
from voxelmill.access.keychain import Keychain
from voxelmill.access.session import Vault
from voxelmill.batch import Item
from voxelmill.blocks import Box
from voxelmill.configfile import Row
from voxelmill.execution import Compute
from voxelmill.plugin import AccessDenied, NoCredentials, SessionEnded
from voxelmill.progress import Progress
from voxelmill.run import pool
from voxelmill.steps.scan import _open
from voxelmill.steps.work import open_item
from voxelmill.store import open_image, read_box
from voxelmill.store.objects import objects_at
from voxelmill.store.s3 import S3Objects
from voxelmill.storeoptions import Bearer, Oidc, StoreOptions, gets_token, use_stores

PIXELS = np.arange(1, 1 + 8 * 8, dtype="<u2").reshape(8, 8)


class Service:
    """A data service: what it was asked with, and what it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.moved: dict[str, str] = {}
        self.wanted: str | None = None
        self.url = ""

    @property
    def headers(self) -> list[str | None]:
        """Header of each request."""
        return [header for _, header in self.asked]


@contextmanager
def serving(folder: Path, certificate: Path | None = None) -> Iterator[Service]:
    state = Service(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            header = self.headers.get("Authorization")
            state.asked.append((self.path, header))
            body, status = b"", 200
            if self.path in state.moved:
                status = 302
            elif state.wanted is not None and header != state.wanted:
                status = 401
            elif (file := state.folder / self.path.lstrip("/")).is_file():
                body = file.read_bytes()
            else:
                status = 404
            self.send_response(status)
            if status == 302:
                self.send_header("Location", state.moved[self.path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    name = "https://localhost" if certificate else "http://127.0.0.1"
    state.url = f"{name}:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    # As if some seconds had passed between any two requests.
    monkeypatch.setattr(Keychain, "look_s", 0.0)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    return log_in()


@pytest.fixture
def service(vault: Vault, tmp_path: Path) -> Iterator[Service]:
    write_image(tmp_path / "i.zarr", PIXELS, "yx", "0.4", chunks=(4, 4))
    with serving(tmp_path) as found:
        use_stores({found.url: StoreOptions(auth=Bearer(kind="bearer"))})
        yield found


def test_the_token_of_the_login_opens_a_service(service: Service) -> None:
    service.wanted = "Bearer SECRET-access"
    image = open_image(f"{service.url}/i.zarr")
    found = read_box(image, 0, [0], Box((0, 0, 0), (1, 8, 8)))[0, 0]
    np.testing.assert_array_equal(found, PIXELS)
    assert set(service.headers) == {"Bearer SECRET-access"}


def test_also_where_zarr_reads_itself(service: Service, vault: Vault) -> None:
    """Its arrays stay open for hours; a token does not."""
    store = objects_at(service.url).zarr_store()
    assert store.store is store.store
    before = store.store
    log_in(vault, access_token="SECRET-second")  # noqa: S106 - of nobody
    assert store.store is not before


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_redirect_to_another_host_or_port_takes_no_token_along(
    vault: Vault, tmp_path: Path, secure: bool
) -> None:
    (tmp_path / "x").write_text("data")
    pem = certificate(tmp_path) if secure else None
    with serving(tmp_path, pem) as first, serving(tmp_path) as second:
        ca = {"ca": str(tmp_path / "ca.crt")} if pem else {}
        use_stores({first.url: StoreOptions(auth=Bearer(kind="bearer"), **ca)})  # type: ignore[arg-type]
        other = first.url.replace("127.0.0.1", "localhost")
        first.moved = {"/port": f"{second.url}/x", "/name": f"{other}/x", "/same": "/x",
                       "/back": f"{second.url}/back"}  # fmt: skip
        second.moved = {"/back": f"{first.url}/x"}
        objects = objects_at(first.url)
        for key in ("x", "port", "same", "back", *([] if secure else ["name"])):
            assert objects.get(key) == b"data"
    assert second.headers == [None, None]
    asked = {path: [h for p, h in first.asked if p == path] for path, _ in first.asked}
    token = "Bearer SECRET-access"  # noqa: S105 - of nobody
    assert asked.pop("/x") == [token, token, None, *([] if secure else [None])]
    assert all(headers == [token] for headers in asked.values())


def certificate(folder: Path) -> Path:
    """Key and certificate of a server, after that of the CA which has signed it."""
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    (folder / "more").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    for call in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key",
         "-out", "ca.crt"],
        [*new, "-subj", "/CN=localhost", "-keyout", "own.key", "-out", "own.csr"],
        ["openssl", "x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
         "-CAcreateserial", "-days", "2", "-extfile", "more", "-out", "own.crt"],
    ):  # fmt: skip
        subprocess.run(call, cwd=folder, check=True, capture_output=True)
    pem = folder / "server.pem"
    pem.write_text((folder / "own.key").read_text() + (folder / "own.crt").read_text())
    return pem


@pytest.mark.parametrize(
    ("stores", "url", "sent"),
    [
        ({"https://a.org": ()}, "https://a.org/x", True),
        ({"https://a.org": ()}, "https://a.org:8443/x", False),
        ({"https://a.org": ()}, "https://a.org.evil.net/x", False),
        ({"https://": ("a.org", "b.org:8443")}, "https://a.org/x", True),
        ({"https://": ("a.org", "b.org:8443")}, "https://b.org:8443/x", True),
        ({"https://": ("a.org", "b.org:8443")}, "https://b.org/x", False),
        ({"https://": ("a.org",)}, "https://c.org/x", False),
        ({"https://": ("a.org",)}, "http://a.org/x", False),
        ({"https://": ("a.org",)}, "https://[bad/x", False),
        ({"http://": ("data.example.org",)}, "http://data.example.org/x", False),
        ({"http://127.0.0.1:1": ()}, "http://127.0.0.1:1/x", True),
        ({"https://": ("a.org",)}, "s3://a.org/x", False),
    ],
)
def test_only_listed_hosts_get_the_token(
    vault: Vault, stores: dict[str, tuple[str, ...]], url: str, sent: bool
) -> None:
    use_stores({prefix: StoreOptions(auth=Bearer(kind="bearer", hosts=hosts))
                for prefix, hosts in stores.items()})  # fmt: skip
    assert gets_token(url) == sent


def test_a_service_that_refuses_the_token_is_one_line(service: Service) -> None:
    service.wanted = "Bearer other"
    with pytest.raises(
        AccessDenied, match=r"refuses it \(401 Unauthorized\).*token of the login"
    ) as e:
        open_image(f"{service.url}/i.zarr")
    assert "SECRET" not in str(e.value)
    assert "\n" not in str(e.value)


def test_a_token_that_was_taken_back_is_made_anew(
    service: Service, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service knows of an end before we do; here the provider cannot be asked."""
    monkeypatch.setattr(supply, "PATIENCE_S", 0.1)
    service.wanted = "Bearer other"
    log_in(vault, received_at=int(time.time()) - 600)
    with pytest.raises(NoCredentials, match=r"https://localhost:1/.*no answer"):
        objects_at(service.url).get("i.zarr/.zattrs")


def test_a_lost_login_is_no_fault_of_the_data(service: Service, vault: Vault) -> None:
    """No image is quarantined for it: it ends the step, and the scan."""
    end(vault)
    item = Item("", "", "", "", "", "", None, 1)
    with pool(Compute(), 2, Progress(show=False)) as workers:
        tasks = {str(n): (f"{service.url}/i.zarr", item, "refuse") for n in range(40)}
        with pytest.raises(SessionEnded, match="has ended"):
            workers.run("open", open_item, tasks)
    with pytest.raises(SessionEnded):
        _open(Row("d", f"{service.url}/i.zarr", ""))
    assert service.asked == []


def test_a_login_that_is_lost_between_opening_and_reading(service: Service, vault: Vault) -> None:
    image = open_image(f"{service.url}/i.zarr")
    end(vault)
    with pytest.raises(SessionEnded):
        read_box(image, 0, [0], Box((0, 0, 0), (1, 8, 8)))


def test_keys_that_a_store_takes_back_are_renewed_and_the_request_is_made_again(
    vault: Vault, tmp_path: Path
) -> None:
    spent = ["ExpiredToken"]
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bodies.append(self.headers["Authorization"].partition("Credential=")[2][:4])
            code = spent.pop() if spent else ""
            text = f"<Error><Code>{code}</Code></Error>" if code else "data"
            self.send_response(400 if code else 200)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("ETag", "x")
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with sts() as keys, webserver.serving(Handler) as endpoint:
        auth = Oidc(kind="oidc", role_arn="arn:aws:iam:::role/r", sts=keys.url)
        use_stores({"s3://": StoreOptions(endpoint=endpoint, auth=auth)})
        objects = objects_at("s3://bucket")
        assert isinstance(objects, S3Objects)
        assert objects.get("a") == b"data"
        assert objects.get("a") == b"data"
    assert bodies == ["KEY1", "KEY2", "KEY2"]
    assert len(keys.asked) == 2


def test_the_options_of_a_store_say_nothing_secret(vault: Vault) -> None:
    auth = Oidc(kind="oidc", role_arn="arn:aws:iam:::role/r")
    use_stores({"s3://": StoreOptions(endpoint="https://a.org", auth=auth)})
    said = {"kind": "oidc", "role_arn": "arn:aws:iam:::role/r"}
    found = json.loads(os.environ["VOXELMILL_STORES"])
    assert found == {"s3://": {"endpoint": "https://a.org", "auth": said}}
