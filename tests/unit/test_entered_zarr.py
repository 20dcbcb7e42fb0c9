"""What is taken back while zarr reads itself, and while nothing else would tell."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from pydantic import SecretStr
from zarr.core.buffer import default_buffer_prototype

from entrances import end, log_in, sts
from trees import write_image
from voxelmill.access import supply
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Token
from voxelmill.access.session import Vault
from voxelmill.blocks import Box
from voxelmill.plugin import AccessDenied, SessionEnded
from voxelmill.store import open_image, read_box
from voxelmill.store.objects import objects_at
from voxelmill.storeoptions import Bearer, Oidc, StoreOptions, use_stores
from webserver import serving

PIXELS = np.arange(1, 1 + 8 * 8, dtype="<u2").reshape(8, 8)


@dataclass
class Service:
    """A data service that takes one token only."""

    wanted: str = "first"
    url: str = ""
    asked: Callable[[], object] = lambda: None


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked()
            file = tmp_path / self.path.lstrip("/")
            status = 200 if file.is_file() else 404
            if self.headers.get("Authorization") != f"Bearer {found.wanted}":
                status = 401
            body = file.read_bytes() if status == 200 else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    monkeypatch.setattr(Keychain, "look_s", 0.0)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    # An order that only zarr reads.
    write_image(tmp_path / "i.zarr", PIXELS, "yx", "0.4", chunks=(4, 4),
                array_options={"order": "F"})  # fmt: skip
    with serving(Handler) as found.url:
        use_stores({found.url: StoreOptions(auth=Bearer(kind="bearer"))})
        yield found


@dataclass(eq=False)
class Source:
    """A login whose token is renewed where it is refused."""

    age_s: int = 600
    ended: bool = False
    refused: list[SecretStr] = field(default_factory=list)
    look_s: ClassVar[float] = 0.0

    def token(self, refused: SecretStr | None = None) -> Token:
        """The first one, or after its refusal the second."""
        if refused:
            self.refused.append(refused)
        if self.refused and self.ended:
            raise SessionEnded("login: the session of x has ended")
        now = int(time.time())
        name, age_s = ("second", 0) if self.refused else ("first", self.age_s)
        return Token(
            access_token=SecretStr(name), received_at=now - age_s, expires_at=now - age_s + 3600
        )


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    found = Source()
    monkeypatch.setattr(supply, "source", lambda: found)
    return found


def read(service: Service) -> Callable[[], object]:
    """Open an image; what reads it."""
    image = open_image(f"{service.url}/i.zarr")
    return lambda: read_box(image, 0, [0], Box((0, 0, 0), (1, 8, 8)))[0, 0]


def test_zarr_asks_once_more_with_another_token(service: Service, source: Source) -> None:
    ask = read(service)
    service.wanted = "second"
    np.testing.assert_array_equal(ask(), PIXELS)
    assert {one.get_secret_value() for one in source.refused} == {"first"}


def test_a_session_that_was_revoked_is_no_fault_of_the_data(
    service: Service, source: Source
) -> None:
    ask = read(service)
    service.wanted, source.ended = "nobody's", True
    with pytest.raises(SessionEnded):
        ask()


def test_a_service_that_refuses_the_new_one_too_means_it(service: Service, source: Source) -> None:
    ask = read(service)
    service.wanted = "nobody's"
    with pytest.raises(AccessDenied, match="401"):
        ask()


def test_a_young_token_is_not_made_anew(service: Service, source: Source) -> None:
    ask = read(service)
    service.wanted, source.age_s = "nobody's", 10
    with pytest.raises(AccessDenied, match="401"):
        ask()
    assert source.refused == []


def test_a_session_that_ends_during_a_request_that_is_refused(service: Service) -> None:
    """The token is young, so no other is made, but the login is looked at."""
    vault = log_in(access_token=SecretStr("first"))

    def lose() -> None:
        service.asked = lambda: None
        end(Vault())

    service.wanted, service.asked = "nobody's", lose
    with pytest.raises(SessionEnded):
        objects_at(service.url).get("i.zarr/.zattrs")
    assert vault.read().tokens is None


def test_zarr_asks_an_s3_service_once_more_with_other_keys(service: Service) -> None:
    log_in()
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bodies.append(self.headers["Authorization"].partition("Credential=")[2][:4])
            spent = bodies[-1] == "KEY1"
            text = "<Error><Code>ExpiredToken</Code></Error>" if spent else "data"
            self.send_response(400 if spent else 200)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("ETag", "x")
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with sts() as keys, serving(Handler) as endpoint:
        auth = Oidc(kind="oidc", role_arn="arn:aws:iam:::role/r", sts=keys.url)
        use_stores({"s3://": StoreOptions(endpoint=endpoint, auth=auth)})
        store = objects_at("s3://bucket").zarr_store()
        found = asyncio.run(store.get("a", default_buffer_prototype()))
        assert found
        assert found.to_bytes() == b"data"
    assert bodies == ["KEY1", "KEY2"]
