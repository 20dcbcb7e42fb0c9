"""`voxelmill verify` of results in a bucket: bytes are read, and faults are told from changes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bucketserver import serve_bucket
from faultproxy import Fault, Proxy, proxied
from sealing import seal
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.steps import verify, verifying
from voxelmill.store import remote
from voxelmill.tables import write_table
from voxelmill.verification import CRATE, LIST

CHUNK, TABLE = "labels.ome.zarr/0/labels/nuclei/0/c/0/0", "objects/nuclei/0000.parquet"
RESULTS = "s3://bucket/some/results"


def dataset(folder: Path) -> None:
    """Write files that stand for results."""
    for number, path in enumerate(
        [CHUNK, TABLE, "report.html", "é & <x>+ y", *map(str, range(40))]
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"%d" % number * (number + 1))
    seal(folder)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Results of two datasets, of which a third has not been finished."""
    results = tmp_path / "some" / "results"
    dataset(results / "a")
    dataset(results / "b")
    (results / "c" / "batches").mkdir(parents=True)
    (results / "c" / "batches" / "0000.json").write_text("{}")
    return results


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setitem(remote.RETRY, "retry_timeout", timedelta(seconds=1))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with (
        serve_bucket(tmp_path) as server,
        proxied("127.0.0.1", urlsplit(server).port or 0) as proxy,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def findings(address: str) -> dict[str, str]:
    """Kind of each finding by dataset and path."""
    found = verify.verify(address, None)
    return {f"{one.name}/{each.path}": each.kind for one in found.datasets for each in one.findings}


def test_all_datasets_and_one(there: Path, proxy: Proxy) -> None:
    found = verify.verify(RESULTS)
    assert [one.name for one in found.datasets] == ["a", "b"]
    assert found.exit_code == 0
    assert found.files == 88
    assert found.bytes < proxy.bytes, "all were read"
    write_table(there / "batches.parquet", {"dataset": ["a", "b", "c"]})
    assert findings(RESULTS) == {"c/": "unfinished"}
    assert findings(f"{RESULTS}/b/") == {}
    with pytest.raises(BadInput, match="finish the run"):
        verify.verify("s3://bucket/some/results/c")


def test_what_is_done_to_an_object(there: Path, proxy: Proxy) -> None:
    content = (there / "a" / CHUNK).read_bytes()
    (there / "a" / CHUNK).write_bytes(bytes(reversed(content)) + b"!")
    (there / "a" / TABLE).unlink()
    (there / "b" / "zz").write_text("new")
    (there / "b" / "é & <x>+ y").write_bytes(b"")
    assert findings(RESULTS) == {
        f"a/{CHUNK}": "changed",
        f"a/{TABLE}": "missing",
        "b/zz": "unexpected",
        "b/é & <x>+ y": "changed",
    }
    (there / "b" / CRATE).unlink()
    assert findings(f"{RESULTS}/b")[f"b/{CRATE}"] == "missing"


@pytest.mark.parametrize("kind", ["503", "reset", "cut"])
def test_a_passing_fault_is_no_finding(there: Path, proxy: Proxy, kind: str) -> None:
    proxy.faults += [Fault(kind, CHUNK, times=1), Fault(kind, LIST, times=1)]
    assert findings(f"{RESULTS}/a") == {}
    assert proxy.hit


def test_what_a_store_refuses_or_loses_is_unreadable(there: Path, proxy: Proxy) -> None:
    proxy.faults += [Fault("403", CHUNK), Fault("500", TABLE)]
    found = findings(f"{RESULTS}/a")
    assert found == {f"a/{path}": "unreadable" for path in (CHUNK, TABLE)}
    proxy.faults[:] = [Fault("403", LIST)]
    assert findings(f"{RESULTS}/a") == {f"a/{LIST}": "unreadable"}
    proxy.faults[:] = [Fault("403", CRATE)]
    with pytest.raises(AccessDenied, match=f"a/{CRATE}: the store refuses it"):
        verify.verify(f"{RESULTS}/a")


def test_a_store_that_answers_nothing_any_more_ends_it(
    there: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "CONNECTIONS", 4)
    proxy.faults += [Fault("500", f"/a/{number}") for number in range(10)]
    with pytest.raises(StoreUnavailable, match="InternalError"):
        verify.verify(f"{RESULTS}/a")
