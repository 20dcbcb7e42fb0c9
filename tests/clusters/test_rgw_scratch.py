"""Scratch files and a ledger on a real object store, for workers that share no folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from clusters import rgw
from faultproxy import Fault, proxied
from voxelmill import ledger
from voxelmill.ledger import Ledger
from voxelmill.scratch import ScratchError, load, load_all, save
from voxelmill.store import remote
from voxelmill.store.place import Place, listing, place_at
from voxelmill.storeoptions import StoreOptions, use_stores

pytestmark = [pytest.mark.rgw, pytest.mark.timeout(300)]
BUCKET = "scratch"


@pytest.fixture(scope="module")
def bucket(rados: None) -> str:
    rgw.client().create_bucket(Bucket=BUCKET)
    return BUCKET


@pytest.fixture
def place(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A folder of its own on the store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rgw.KEYS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rgw.KEYS[1])
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    use_stores({"s3://": StoreOptions(endpoint=rgw.ENDPOINT)})
    return place_at(f"s3://{bucket}/{tmp_path.name}")


def test_arrays_come_back_as_they_were(place: Place) -> None:
    # As the engine names them: keys of images with slashes in them, quoted.
    file = place / "nuclei" / "A%2F01%2F0@0" / "0_0_0.block"
    arrays = {"runs": np.arange(30000, dtype=np.int32).reshape(-1, 3), "none": np.zeros((0, 10))}
    save(file, **arrays)
    for name, found in load_all(file).items():
        np.testing.assert_array_equal(found, arrays[name])
        assert found.dtype == arrays[name].dtype
    (runs,) = load(file, "runs")
    np.testing.assert_array_equal(runs, arrays["runs"])
    assert list(listing(place)) == ["nuclei/A%2F01%2F0@0/0_0_0.block"]


@pytest.mark.parametrize("damage", ["absent", "cut", "other"])
def test_what_is_not_what_was_written_is_an_error(place: Place, damage: str) -> None:
    file = place / "0_0_0.block"
    save(file, ids=np.arange(10000))
    key = f"{str(place).removeprefix(f's3://{BUCKET}/')}/0_0_0.block"
    body = rgw.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    if damage == "absent":
        rgw.client().delete_object(Bucket=BUCKET, Key=key)
    else:
        changed = body[:-9] if damage == "cut" else body[:-9] + bytes(9)
        rgw.client().put_object(Bucket=BUCKET, Key=key, Body=changed)
    with pytest.raises(ScratchError, match="absent or damaged"):
        load(file, "ids")


def test_a_store_that_fails_is_no_fault_of_the_image(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images would be quarantined for `StoreUnavailable`."""
    save(place / "a.block", ids=np.arange(4))
    hasty = remote.RETRY | {"retry_timeout": remote.timedelta(seconds=1)}
    monkeypatch.setattr("voxelmill.store.s3client.RETRY", hasty)
    with proxied("127.0.0.1", rgw.PORT) as proxy:
        proxy.faults.append(Fault("503", "a.block"))
        use_stores({"s3://": StoreOptions(endpoint=proxy.url)})
        with pytest.raises(ScratchError):
            load(place / "a.block", "ids")


def test_a_ledger_outlives_its_machine(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "COPY_S", 0.0)
    folder = tmp_path / "pod"
    with Ledger(folder, "run", scratch=lambda: place) as first:
        first.add("a", 1)
        first.add("b", [2])
        first.sync()
        assert first.scratch == place
        assert first.kept
        # As if killed now: nothing is closed, and the disk is gone.
        shutil.rmtree(folder)
        with Ledger(folder, "run", scratch=lambda: place) as second:
            assert second.done == {"a": 1, "b": [2]}
    shutil.rmtree(folder, ignore_errors=True)
    with Ledger(folder, "another run", scratch=lambda: place) as third:
        assert third.done == {}
        save(place / "x.block", ids=np.arange(3))
        third.discard()
    assert listing(place) == {}
