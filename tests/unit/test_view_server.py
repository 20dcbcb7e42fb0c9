"""What the server of `voxelmill view` gives, and what it refuses."""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from view_samples import HOSTILE, results
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable
from voxelmill.steps.viewdata import Results, results_at
from voxelmill.steps.viewsite import Site
from voxelmill.store.objects import objects_at
from voxelmill.viewing.answers import for_us, parts_of, wanted
from voxelmill.viewing.client import client_file, client_folder
from voxelmill.viewing.server import Document, Found, Server, Stored

CONTENT = bytes(range(200))


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()


Ask = Callable[..., Answer]


@contextmanager
def asking(routes: Callable[..., Found]) -> Iterator[Ask]:
    with Server(0, "token", routes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        address = urlsplit(server.url)

        def ask(path: str, method: str = "GET", **headers: str) -> Answer:
            client = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
            try:
                client.putrequest(method, path, skip_host="Host" in headers)
                for name, value in headers.items():
                    client.putheader(name, value)
                client.endheaders()
                return Answer(client.getresponse())
            finally:
                client.close()

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A server of one folder."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "shard").write_bytes(CONTENT)

    def routes(parts: list[str], _: Mapping[str, str], __: str) -> Found:
        match parts:
            case ["denied"]:
                raise AccessDenied("the store refuses it")
            case ["away"]:
                raise StoreUnavailable("no answer")
            case ["page"]:
                return Document("text/html", b"<p>", "default-src 'none'; img-src data:")
        return Stored(objects_at(str(folder)), "/".join(parts))

    with asking(routes) as ask:
        yield ask


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=10-10", 10, 10), ("bytes=190-", 190, 199),
     ("bytes=-7", 193, 199), ("bytes=-500", 0, 199), ("bytes=150-999", 150, 199)],
)  # fmt: skip
def test_ranges(stored: Ask, header: str, first: int, last: int) -> None:
    answer = stored("/token/shard", Range=header)
    assert answer.status == 206
    assert answer.body == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/*"
    assert int(answer.headers["Content-Length"]) == last - first + 1


@pytest.mark.parametrize("header", ["bytes=1-2,4-5", "items=0-1", "bytes=9-3", "bytes=-", "x"])
def test_what_is_no_range_gets_all(stored: Ask, header: str) -> None:
    answer = stored("/token/shard", Range=header)
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("header", ["bytes=200-", "bytes=500-600"])
def test_a_range_beyond_the_end(stored: Ask, header: str) -> None:
    assert stored("/token/shard", Range=header).status == 416


def test_head_says_how_long(stored: Ask) -> None:
    answer = stored("/token/shard", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "200"
    assert stored("/token/none", "HEAD").status == 404


def test_errors_of_a_store_are_told_apart(stored: Ask) -> None:
    assert stored("/token/none").status == 404
    assert stored("/token/none", Range="bytes=0-1").status == 404
    assert stored("/token/denied").status == 403
    assert stored("/token/away").status == 502


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_written(stored: Ask, method: str) -> None:
    assert stored("/token/shard", method).status == 501


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.1:80"])
def test_other_hosts_are_refused(stored: Ask, host: str) -> None:
    answer = stored("/token/shard", Host=host)
    assert answer.status == 421
    assert CONTENT not in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9999", "localhost", "[::1]:80"])
def test_a_tunnel_may_have_any_port(stored: Ask, host: str) -> None:
    assert stored("/token/shard", Host=host).status == 200


@pytest.mark.parametrize("path", ["/", "/shard", "/toke/shard", "/tokens/shard"])
def test_without_the_token_nothing_is_there(stored: Ask, path: str) -> None:
    assert stored(path).status == 404


def test_no_answer_may_be_used_by_another_site(stored: Ask) -> None:
    for path in ("/token/shard", "/token/page", "/other"):
        headers = stored(path, Origin="http://evil.example").headers
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_parts_never_lead_elsewhere(names: list[str]) -> None:
    from urllib.parse import quote

    found = parts_of("/" + "/".join(quote(name, safe="") for name in names))
    safe = all(n not in (".", "..") and not set(n) & set("/\\\0") for n in names)
    assert found == (names if safe else None)


@given(st.text(max_size=30))
def test_any_header_is_understood_or_ignored(text: str) -> None:
    for_us(text)
    found = wanted(text)
    assert found is None or found != (None, None)


@pytest.fixture(scope="module", params=[False, True], ids=["folder", "zip"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A server of the results of a plate."""
    folder = tmp_path_factory.mktemp("site")
    there = results(folder, zipped=request.param)
    client = folder / "client"
    client.mkdir()
    (client / "index.html").write_text("<!doctype html>")
    (client / "main.js").write_text("1")
    (client / "main.js.map").write_text("{}")
    with asking(Site(Results(there), ["p"], client, "token")) as ask:
        yield ask


def test_the_list_says_verdicts_and_escapes_names(site: Ask) -> None:
    assert site("/token/").headers["Location"] == "d/p/"
    answer = site("/token/d/p/")
    text = answer.body.decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert 'href="../../open/p/1">B/03/1</a>' in text
    assert "1 of 4 chunks absent" in text
    assert "2 of 2 images" in text


def test_the_list_is_filtered(site: Ask) -> None:
    failed = site("/token/d/p/?verdict=fail").body.decode()
    assert "1 of 2 images" in failed
    assert "B/03/0" not in failed
    assert "2 of 2 images" in site("/token/d/p/?well=b03").body.decode()
    assert "0 of 2 images" in site("/token/d/p/?well=%22%3E%3Cscript%3E").body.decode()
    assert b"<script" not in site("/token/d/p/?well=%22%3E%3Cscript%3E&page=x").body


def test_an_image_leads_to_the_viewer(site: Ask) -> None:
    answer = site("/token/open/p/0", Host="localhost:1234")
    base = "http://localhost:1234/token"
    assert answer.headers["Location"] == f"{base}/v/view/#!{base}/scene/p/0"
    assert site("/token/v/view/").body == b"<!doctype html>"
    assert site("/token/v/view/main.js").headers["Content-Type"].startswith("text/javascript")
    assert site("/token/v/view/main.js.map").status == 404


def test_the_scene_names_the_labels_of_the_image(site: Ask) -> None:
    import json

    state = json.loads(site("/token/scene/p/0", Host="localhost:1234").body)
    layers = {layer["name"]: layer for layer in state["layers"]}
    assert list(layers) == ["DNA", "nuclei", "cells"]
    assert [layer["visible"] for layer in layers.values()] == [True, True, False]
    base = "http://localhost:1234/token/data/p/0"
    assert layers["DNA"]["source"] == f"{base}/image/|zarr3:"
    assert layers["nuclei"]["source"] == f"{base}/labels/nuclei/|zarr3:"
    assert state["dimensions"] == {"x": [5e-7, "m"], "y": [5e-7, "m"]}
    alone = json.loads(site("/token/scene/p/1").body)
    assert [layer["name"] for layer in alone["layers"]] == ["DNA"]


def test_levels_are_there_and_nothing_else(site: Ask) -> None:
    for root in ("image", "labels/nuclei"):
        assert site(f"/token/data/p/0/{root}/zarr.json").status == 200
        assert site(f"/token/data/p/0/{root}/0/zarr.json").status == 200
    for path in (
        "/token/data/p/0/labels/none/zarr.json", "/token/data/p/9/image/zarr.json",
        "/token/data/p/-1/image/zarr.json", "/token/data/q/0/image/zarr.json",
        "/token/data/p/0/image/../1/zarr.json", "/token/data/p/0/image/%2e%2e/1/zarr.json",
        "/token/data/p/0/image/0/..%2f..%2f1/zarr.json", "/token/data/p/0/image/README",
        "/token/results/p/secret.json", "/token/results/p/images.parquet",
        "/token/results/../plate.zarr/zarr.json", "/token/results/%2e%2e/report.html",
        "/token/results/q/report.html",
    ):  # fmt: skip
        assert site(path).status == 404, path
    assert site("/token/results/p/report.html").status == 200


def test_chunks_are_the_stored_bytes(site: Ask) -> None:
    import json

    document = json.loads(site("/token/data/p/0/labels/nuclei/0/zarr.json").body)
    assert document["data_type"] == "int32"
    whole = site("/token/data/p/0/labels/nuclei/0/c/0/0").body
    part = site("/token/data/p/0/labels/nuclei/0/c/0/0", Range="bytes=-20").body
    assert len(whole) > 20
    assert part == whole[-20:]


def test_links_do_not_lead_out_of_the_results(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "report.html").write_text("private")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "p").symlink_to(tmp_path / "outside")
    assert Results(tmp_path / "results").page("p/report.html") is None


def test_no_results_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results there"):
        results_at(str(tmp_path), tmp_path / "copy")


def test_without_the_package_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxelmill.viewing.client.find_spec", lambda _: None)
    with pytest.raises(BadConfig, match="pip install"):
        client_folder()


def test_the_published_client_is_whole() -> None:
    pytest.importorskip("neuroglancer.static", reason="neuroglancer is not installed")
    folder = client_folder()
    kind, page = client_file(folder, "index.html") or ("", b"")
    assert kind.startswith("text/html")
    assert b"//" not in page.replace(b"</", b"")
    assert client_file(folder, "../__init__.py") is None
