"""What a network does to requests: what passes is passed, what lasts is an error, never zeros."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from faultproxy import Fault, Proxy, proxied
from trees import write_image
from voxelmill.blocks import Box
from voxelmill.ngff import Image
from voxelmill.plugin import AccessDenied, Pixels, StoreUnavailable
from voxelmill.store import open_image, read_box, remote
from webserver import serve

PIXELS = np.arange(1, 1 + 12 * 12, dtype="<u2").reshape(12, 12)
CHUNK = "i.zarr/0/1/1"


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    write_image(tmp_path / "i.zarr", PIXELS, "yx", "0.4", chunks=(6, 6),
                array_options={"compressors": None})  # fmt: skip
    monkeypatch.setitem(remote.RETRY, "retry_timeout", timedelta(seconds=3))
    monkeypatch.setattr(remote, "STALL_S", "1s")
    with serve(tmp_path) as server:
        port = urlsplit(server.url).port
        assert port
        with proxied("127.0.0.1", port) as proxy:
            yield proxy


def pixels(image: Image, *, sparse: bool = False) -> Pixels:
    return read_box(image, 0, [0], Box((0, 0, 0), (1, 12, 12)), sparse=sparse)[0, 0]


@pytest.mark.parametrize("kind", ["503", "500", "429", "reset", "cut", "stall"])
def test_a_passing_fault_is_passed(proxy: Proxy, kind: str) -> None:
    image = open_image(f"{proxy.url}/i.zarr")
    proxy.faults.append(Fault(kind, CHUNK, times=1))
    np.testing.assert_array_equal(pixels(image), PIXELS)
    assert proxy.hit


@pytest.mark.parametrize(
    "kind", ["503", "500", "429", "403", "404-page", "cut", "short", "empty", "page", "reset",
             "stall"]
)  # fmt: skip
def test_a_lasting_fault_is_one_line(proxy: Proxy, kind: str) -> None:
    image = open_image(f"{proxy.url}/i.zarr")
    proxy.faults.append(Fault(kind, CHUNK))
    with pytest.raises((StoreUnavailable, AccessDenied)) as caught:
        pixels(image)
    assert "\n" not in str(caught.value)
    assert "0/1/1" in str(caught.value) or "/0" in str(caught.value)
    assert isinstance(caught.value, AccessDenied) == (kind == "403")


def test_a_lasting_fault_takes_no_longer_than_it_may(proxy: Proxy) -> None:
    """Requests are made again, but not for ever."""
    image = open_image(f"{proxy.url}/i.zarr")
    proxy.faults.append(Fault("503", CHUNK))
    with pytest.raises(StoreUnavailable):
        pixels(image)
    asked = [path for _, path in proxy.requests if CHUNK in path]
    assert 2 < len(asked) <= 100


def test_a_server_that_is_not_there_is_told_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote.RETRY, "retry_timeout", timedelta(seconds=1))
    with pytest.raises(StoreUnavailable, match=r"no answer in \d+ s, tried \d+ times: Connection"):
        open_image("http://127.0.0.1:9/gone.zarr")
