"""Visas and entitlements: who has signed what, and where keys are fetched from."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from access_tokens import OTHER, claims, part, publish, signed
from voxelmill.access.identity import identity
from voxelmill.access.passport import Issuers, Visa, iso, read_visa
from voxelmill.access.web import Web
from webserver import Server, serve

SAYS = {"type": "ControlledAccessGrants", "value": "https://d.org/7", "source": "https://s.org",
        "by": "dac", "asserted": 1700000000}  # fmt: skip
DEEP = urlsafe_b64encode(b'{"a": ' + b"[" * 99_999 + b"]" * 99_999 + b"}").decode()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "own").mkdir()
    with serve(tmp_path / "own") as server:
        publish(server.folder, server.url)
        yield server


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "other").mkdir()
    with serve(tmp_path / "other") as server:
        publish(server.folder, server.url, OTHER)
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


def visa(issuer: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - claims may be anything
    return claims(iss=issuer, aud=None, ga4gh_visa_v1=SAYS, **changes)


def read(token: str, web: Web, own: Server, *known: str) -> Visa:
    return read_visa(token, Issuers(web, own.url, known), "alice")


def test_a_visa_says_what_it_says_and_is_verified(own: Server, other: Server, web: Web) -> None:
    found = read(signed(visa(own.url, exp=2_000_000_000)), web, own)
    assert found == Visa(
        type="ControlledAccessGrants",
        value="https://d.org/7",
        source="https://s.org",
        by="dac",
        issuer=own.url,
        asserted="2023-11-14T22:13:20Z",
        expires="2033-05-18T03:33:20Z",
    )
    assert found.verified
    token = signed(visa(other.url, sub="other name"), OTHER, jku=f"{other.url}/jwks")
    assert read(token, web, own, other.url).verified


def test_an_issuer_that_nobody_named_is_asked_nothing(own: Server, other: Server, web: Web) -> None:
    found = read(signed(visa(other.url), OTHER), web, own)
    assert "not known" in found.why_not
    assert found.value == "https://d.org/7"
    assert other.requests == []


def test_a_jku_elsewhere_is_not_followed(own: Server, other: Server, web: Web) -> None:
    """The key is there, the signature is good, and it proves nothing."""
    token = signed(visa(own.url), OTHER, jku=f"{other.url}/jwks")
    assert "jku" in read(token, web, own).why_not
    assert "jku" in read(token, web, own, other.url).why_not
    assert other.requests == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"exp": 1}, "expired"), ({"exp": None}, "exp"), ({"iat": 4_000_000_000}, "future"),
     ({"sub": "bob"}, "somebody else"), ({"sub": None}, "somebody else")],
)  # fmt: skip
def test_a_visa_that_is_not_valid(
    own: Server, web: Web, changes: dict[str, object], why: str
) -> None:
    assert why in read(signed(visa(own.url, **changes)), web, own).why_not


def test_forged_visas(own: Server, web: Web) -> None:
    content = visa(own.url)
    head, body, signature = signed(content).split(".")
    changed = part(content | {"ga4gh_visa_v1": SAYS | {"value": "all"}})
    for token in (
        f"{head}.{changed}.{signature}",
        f"{part({'alg': 'none'})}.{body}.",
        signed(content, OTHER, kid="a"),
    ):
        found = read(token, web, own)
        assert not found.verified
        assert found.type == "ControlledAccessGrants"


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "....", signed(claims()), signed(claims(ga4gh_visa_v1="x")),
     f"{DEEP}.{part({'ga4gh_visa_v1': SAYS})}.c", f"{part({})}.{DEEP}.c"],
)  # fmt: skip
def test_what_is_no_visa(own: Server, web: Web, token: str) -> None:
    assert read(token, web, own).why_not == "it is no visa"


def test_an_issuer_that_is_down_leaves_its_visas_unverified(
    own: Server, other: Server, web: Web
) -> None:
    other.faults = {"": 503}
    assert "503" in read(signed(visa(other.url), OTHER), web, own, other.url).why_not


@pytest.mark.parametrize("down", ["openid-configuration", "jwks"])
def test_an_issuer_that_is_down_is_waited_for_once(
    own: Server, other: Server, web: Web, down: str
) -> None:
    other.faults = {down: 503}
    issuers = Issuers(web, own.url, [other.url])
    for _ in range(3):
        found = read_visa(signed(visa(other.url), OTHER), issuers, "alice")
        assert "503" in found.why_not
    assert [path.rpartition("/")[2] for _, path in other.requests].count(down) == 1


def test_long_claims_are_whole(own: Server, web: Web) -> None:
    url = "https://d.org/" + "7" * 400
    content = visa(own.url) | {"ga4gh_visa_v1": SAYS | {"value": url}}
    assert read(signed(content), web, own).value == url
    assert identity({"entitlements": url}).entitlements == (url,)


def test_a_visa_cannot_write_to_a_terminal(own: Server, web: Web) -> None:
    content = visa(own.url) | {"ga4gh_visa_v1": SAYS | {"value": "a\x1b[2Jb\nc"}}
    assert read(signed(content), web, own).value == "a [2Jb c"


def test_entitlements_of_either_name_are_joined() -> None:
    found = identity({"sub": "s", "eduperson_entitlement": ["b", "a"], "entitlements": "a"})
    assert found.entitlements == ("a", "b")
    assert found.passport is None
    assert identity({"ga4gh_passport_v1": []}).passport == ()
    assert identity({"preferred_username": "p\n"}).name == "p"


@pytest.mark.parametrize("seconds", [None, "", "x", float("inf"), float("nan"), 1e99])
def test_a_time_that_is_none(seconds: object) -> None:
    assert iso(seconds) == ""
