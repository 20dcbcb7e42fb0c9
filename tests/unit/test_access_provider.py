"""Discovery, addresses, certificates: what is no secure OpenID provider is refused in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from access_tokens import KEY, OTHER, claims, publish, signed
from voxelmill.access.provider import Keys, discover, endpoint
from voxelmill.access.tokens import decode
from voxelmill.access.web import Web, brief, printable, secure
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable
from webserver import Server, serve


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path) as server:
        publish(tmp_path, server.url)
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.mark.parametrize(
    "url",
    ["https://a.org", "https://a.org:8443/oidc/", "http://localhost:1", "http://127.0.0.1:1/x",
     "http://127.9.9.9", "http://[::1]:80"],
)  # fmt: skip
def test_addresses_that_nobody_can_listen_to(url: str) -> None:
    assert secure(url, "x") == url


@pytest.mark.parametrize(
    "url",
    ["http://a.org", "http://localhost.a.org", "http://10.0.0.1", "ftp://localhost", "a.org", "",
     "https://", "https://me:secret@a.org", "https:/a.org", "http://127.0.0.1.nip.io",
     "https://[bad", "https://127.0.0.1:abc", "https://a.org:99999", "https://a..b.org",
     f"https://{'a' * 64}.org", "https://a.org/\n"],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(BadConfig, match="allowed: https"):
        secure(url, "x")


def test_a_provider_is_discovered_and_its_keys_are_fetched_once(server: Server, web: Web) -> None:
    found = discover(web, server.url)
    assert found.token_endpoint == f"{server.url}/token"
    with pytest.raises(BadConfig, match="no userinfo_endpoint"):
        endpoint(found, "userinfo_endpoint")
    keys = Keys(web, found.jwks_uri)
    for _ in range(2):
        decode(signed(claims()), keys)
    assert [path for _, path in server.requests].count("jwks") == 1
    publish(server.folder, server.url, OTHER)
    decode(signed(claims(), OTHER), keys)
    assert [path for _, path in server.requests].count("jwks") == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"issuer": "https://issuer.org"}, "Give that: --issuer https://issuer.org"),
        ({"issuer": None}, "bad or missing issuer"),
        ({"jwks_uri": None}, "bad or missing jwks_uri"),
        ({"token_endpoint": "http://a.org/token"}, "token_endpoint: 'http://a.org/token'"),
        ({"jwks_uri": "http://a.org/jwks"}, "jwks_uri"),
        ({"device_authorization_endpoint": "//a.org"}, "device_authorization_endpoint"),
        ({"revocation_endpoint": "http://a.org"}, "revocation_endpoint"),
        ({"userinfo_endpoint": "https://[bad"}, "userinfo_endpoint"),
        ({"token_endpoint": "https://a..b.org/token"}, "token_endpoint"),
    ],
)
def test_a_document_that_cannot_be_trusted(
    server: Server, web: Web, changes: dict[str, object], word: str
) -> None:
    publish(server.folder, server.url, **changes)
    with pytest.raises(BadConfig, match=word):
        discover(web, server.url)


def test_a_null_says_nothing(server: Server, web: Web) -> None:
    publish(server.folder, server.url, userinfo_endpoint=None, scopes_supported=None)
    assert discover(web, server.url).userinfo_endpoint == ""


def test_a_document_that_is_too_deep_is_none(server: Server, web: Web) -> None:
    file = server.folder / ".well-known/openid-configuration"
    file.write_text('{"issuer": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(BadConfig, match="bad or missing issuer"):
        discover(web, server.url)


@pytest.mark.parametrize("url", ["https://127.0.0.1:abc", "https://a.org/\x01", "http://a..b.org"])
def test_an_address_that_cannot_be_asked_is_one_line(web: Web, url: str) -> None:
    with pytest.raises(BadConfig, match="no request can be sent there"):
        web.get(url)


@pytest.mark.parametrize(
    "proxy",
    ["socks5://127.0.0.1:1", "foo://me:hush@proxy", "http://me:hush/word@proxy"],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    if find_spec("socksio") and proxy.startswith("socks5"):
        pytest.skip("socksio is installed")
    for other in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, proxy)
    with pytest.raises(BadConfig, match=rf"^{name}: no proxy that can be used") as caught:
        Web()
    assert "hush" not in str(caught.value)


def test_the_issuer_has_to_be_the_very_same(server: Server, web: Web) -> None:
    with pytest.raises(BadConfig, match=f"Give that: --issuer {server.url}$"):
        discover(web, f"{server.url}/")


def test_what_is_no_provider(server: Server, web: Web) -> None:
    for status, kind in ((404, BadConfig), (302, BadConfig), (503, StoreUnavailable)):
        server.faults = {"openid-configuration": status}
        with pytest.raises(kind, match=str(status)):
            discover(web, server.url)


def test_keys_that_are_none(server: Server, web: Web) -> None:
    for text in ("", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', '{"keys": 5}',
                 '{"keys": [5]}'):  # fmt: skip
        (server.folder / "jwks").write_text(text)
        with pytest.raises(AccessDenied, match="no keys"):
            Keys(web, f"{server.url}/jwks").now()


def test_a_key_of_a_kind_that_is_not_known_is_passed_over(server: Server, web: Web) -> None:
    strange = [{"kty": "AKP", "alg": "ML-DSA-44"}, {"kty": "EC", "crv": "P-1"}, 5]
    keys = [*strange, KEY.as_dict(private=False)]
    (server.folder / "jwks").write_text(json.dumps({"keys": keys}))
    assert decode(signed(claims()), Keys(web, f"{server.url}/jwks"))


def test_keys_for_other_uses_sign_nothing(server: Server, web: Web) -> None:
    other = type(KEY).import_key(KEY.as_dict(private=True) | {"use": "enc"})
    publish(server.folder, server.url, other)
    with pytest.raises(AccessDenied, match="no keys"):
        decode(signed(claims()), Keys(web, f"{server.url}/jwks"))


def test_a_ca_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no PEM")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(BadConfig, match=f"{name}: no certificates"):
            Web(str(tmp_path / name))


def test_control_characters_of_others_reach_no_terminal() -> None:
    assert printable("a\x1b[31mb\nc\u202ed") == "a [31mb c d"
    assert len(printable("x" * 9999)) == 9999
    assert brief("a\n" + "x" * 9999) == "a " + "x" * 198


@pytest.mark.parametrize("absent", ["httpx", "joserfc", "qrcode"])
def test_an_absent_library_is_one_line_with_the_command(absent: str, tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == {absent!r} else real(name, *a)\n"
        "sys.argv = ['voxelmill', 'login', '--client-id', 'x', '--issuer', 'http://127.0.0.1:9']\n"
        "from voxelmill.cli import main; main()"
    )
    env = dict(os.environ) | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    expected = f"voxelmill: login: {absent} not installed. pip install 'voxelmill[login]'\n"
    assert (done.returncode, done.stderr) == (2, expected)
    assert list(tmp_path.iterdir()) == []
