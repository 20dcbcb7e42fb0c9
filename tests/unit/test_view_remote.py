"""`voxelmill view` of images that are elsewhere, and how long stored objects are."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucketserver import serve_bucket
from faultproxy import Fault, proxied
from view_samples import results
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.steps.viewdata import Results, object_sets, results_at
from voxelmill.steps.viewsite import Site
from voxelmill.store.objects import objects_at
from voxelmill.viewing.server import Document, Redirect, Stored
from webserver import Server, serve

CHUNK = "0/c/0/0/0"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path) as server:
        yield server


def test_an_image_on_a_web_server_is_passed_on_part_by_part(tmp_path: Path, web: Server) -> None:
    there = results(tmp_path, url=f"{web.url}/plate.zarr")
    site = Site(Results(there), ["p"], tmp_path, "token")
    assert isinstance(site(["open", "p", "0"], {}, "http://localhost"), Redirect)
    found = site(["data", "p", "0", "image", *CHUNK.split("/")], {}, "http://localhost")
    assert isinstance(found, Stored)
    content = (tmp_path / "plate.zarr" / "B" / "03" / "0" / CHUNK).read_bytes()
    before = web.bytes
    assert found.objects.get_range(found.key, 5, 10) == content[5:15]
    assert web.bytes - before == 10
    assert found.objects.size(found.key) == len(content)


def test_an_image_that_is_gone_is_said(tmp_path: Path, web: Server) -> None:
    there = results(tmp_path, url=f"{web.url}/other.zarr")
    found = Site(Results(there), ["p"], tmp_path, "token")(["open", "p", "0"], {}, "http://x")
    assert isinstance(found, Document)
    assert b"cannot be shown" in found.content
    with pytest.raises(BadInput, match="where the run was started"):
        Results(results(tmp_path / "again", url="other.zarr")).entries("p")


def test_relative_input_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = results(tmp_path)
    monkeypatch.chdir("/")
    (one, _) = Results(there).entries("p")
    assert Path(one.url) == tmp_path / "plate.zarr"
    assert object_sets(one) == ["nuclei", "cells"]


def test_sizes(tmp_path: Path, web: Server) -> None:
    there = results(tmp_path, zipped=True)
    key = "B/03/0/labels/nuclei/zarr.json"
    objects = objects_at(str(there / "p" / "labels" / "0000.ozx"))
    content = objects.get(key)
    assert content
    assert json.loads(content)["node_type"] == "group"
    assert objects.size(key) == len(content)
    (tmp_path / "some").write_bytes(b"12345")
    for root in (str(tmp_path), web.url):
        assert objects_at(root).size("some") == 5
    for root in (str(there / "p" / "labels" / "0000.ozx"), str(tmp_path), web.url):
        assert objects_at(root).size("none") is None
    assert objects_at(str(tmp_path)).size("results") is None


def test_sizes_in_a_bucket(tmp_path: Path, web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absent object is told from an answer that a gateway gives."""
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "some").write_bytes(b"12345")
    address = urlsplit(web.url)
    with proxied(str(address.hostname), address.port or 0) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        objects = objects_at("s3://bucket")
        assert objects.size("some") == 5
        with pytest.raises(StoreUnavailable, match="not from an S3 service"):
            objects.size("none")
        proxy.faults.append(Fault("404-key", "none"))
        assert objects.size("none") is None


def test_results_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, tables and batches are copied; labels and pixels are passed on from there."""
    there = tmp_path / "bucket"
    results(there, url="s3://bucket/plate.zarr")
    with serve_bucket(there) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        found = results_at("s3://bucket/results/", tmp_path / "copy")
        copied = sorted(p.name for p in (tmp_path / "copy").rglob("*") if p.is_file())
        assert copied == ["0000.json", "images.parquet", "report.html"]
        assert [e.line.verdict for e in found.entries("p")] == ["warn", "fail"]
        site = Site(found, ["p"], tmp_path, "token")
        state = site(["scene", "p", "0"], {}, "http://localhost")
        assert isinstance(state, Document)
        layers = json.loads(state.content)["layers"]
        assert [layer["name"] for layer in layers] == ["DNA", "nuclei", "cells"]
        part = site(["data", "p", "0", "labels", "nuclei", "0", "c", "0", "0"], {}, "http://x")
        assert isinstance(part, Stored)
        shard = there / "results/p/labels.ome.zarr/B/03/0/labels/nuclei/0/c/0/0"
        assert part.objects.size(part.key) == shard.stat().st_size
        assert part.objects.get_range(part.key, 4, 8) == shard.read_bytes()[4:12]
