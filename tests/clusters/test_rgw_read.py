"""Pixels from a real object store: the same bytes as from a folder, or an error that says why."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clusters import rgw
from faultproxy import Fault, Proxy, proxied
from trees import digests, record_of_pixels
from voxelmill.blocks import Box
from voxelmill.ngff import Image
from voxelmill.plugin import AccessDenied, Pixels, StoreUnavailable, VoxelmillError
from voxelmill.steps.demo import write_demo_plate
from voxelmill.store import inventory, open_dataset, open_image, read_box, remote
from voxelmill.storeoptions import StoreOptions, use_stores

pytestmark = [pytest.mark.rgw, pytest.mark.timeout(600)]
FIELD = "A/01/0"
CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
"""


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plate") / "plate.zarr"
    write_demo_plate(path, wells=2, fields=2, size=300, faults=False)
    return path


@pytest.fixture(scope="module")
def bucket(rados: None, plate: Path) -> str:
    """A bucket with the plate."""
    rgw.fill("images", plate, "screen/plate.zarr")
    return "s3://images/screen/plate.zarr"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rgw.KEYS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rgw.KEYS[1])
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    use_stores({"s3://": StoreOptions(endpoint=rgw.ENDPOINT)})


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """All requests pass it; what fails is tried again for six seconds, not two minutes."""
    with proxied("127.0.0.1", rgw.PORT) as proxy:
        hasty = remote.RETRY | {"retry_timeout": remote.timedelta(seconds=6)}
        monkeypatch.setattr("voxelmill.store.s3client.RETRY", hasty)
        monkeypatch.setattr(remote, "STALL_S", "2s")
        use_stores({"s3://": StoreOptions(endpoint=proxy.url)})
        yield proxy


def whole(image: Image) -> Pixels:
    z, y, x = image.shape[2:]
    return read_box(image, 0, range(image.shape[1]), Box((0, 0, 0), (z, y, x)))


@pytest.mark.smoke
@pytest.mark.parametrize("tls", [False, True])
def test_the_same_pixels_as_from_a_folder(bucket: str, plate: Path, tls: bool) -> None:
    if tls:
        ca = str(rgw.root() / "tls/ca.pem")
        use_stores({"s3://images": StoreOptions(endpoint=rgw.TLS_ENDPOINT, ca=ca)})
    here, there = open_dataset(str(plate)), open_dataset(bucket)
    assert [i.path for i in there.images] == [i.path for i in here.images]
    for ref in here.images:
        near, far = open_image(str(plate), ref.path), open_image(bucket, ref.path)
        np.testing.assert_array_equal(whole(far), whole(near))
        assert inventory(far) == inventory(near)


def test_a_certificate_of_nobody_known_is_refused(bucket: str, proxy: Proxy) -> None:
    use_stores({"s3://": StoreOptions(endpoint=rgw.TLS_ENDPOINT)})
    with pytest.raises(StoreUnavailable, match=f"^{bucket}"):
        open_dataset(bucket)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["503", "500", "429", "reset", "cut", "stall"])
def test_a_passing_fault_is_passed(bucket: str, plate: Path, proxy: Proxy, kind: str) -> None:
    image = open_image(bucket, FIELD)
    proxy.faults.append(Fault(kind, f"{FIELD}/0/", times=1))
    np.testing.assert_array_equal(whole(image), whole(open_image(str(plate), FIELD)))
    assert proxy.hit


@pytest.mark.smoke
@pytest.mark.parametrize(
    "kind",
    ["503", "500", "429", "403", "403-signature", "404-key", "404-bucket", "404-page", "cut",
     "short", "empty", "page", "reset", "stall"],
)  # fmt: skip
def test_a_lasting_fault_is_an_error_never_zeros(bucket: str, proxy: Proxy, kind: str) -> None:
    image = open_image(bucket, FIELD)
    proxy.faults.append(Fault(kind, f"{FIELD}/0/"))
    with pytest.raises((StoreUnavailable, AccessDenied)) as caught:
        whole(image)
    assert "\n" not in str(caught.value)
    assert f"{FIELD}/0" in str(caught.value)
    assert isinstance(caught.value, AccessDenied) == kind.startswith("403")


@pytest.mark.parametrize("kind", ["404-page", "404-bucket"])
def test_only_the_store_itself_can_say_that_a_chunk_is_background(
    bucket: str, proxy: Proxy, kind: str
) -> None:
    image = open_image(bucket, FIELD)
    proxy.faults.append(Fault(kind, f"{FIELD}/0/"))
    with pytest.raises(StoreUnavailable, match=r"404|no such bucket"):
        read_box(image, 0, [0], Box((0, 0, 0), (1, 8, 8)), sparse=True)


def test_one_block_costs_its_chunks(rados: None, tmp_path: Path, proxy: Proxy) -> None:
    from benchmarks.large import write_large

    write_large(tmp_path / "big.zarr", 2048)
    rgw.fill("large", tmp_path)
    image = open_image("s3://large/big.zarr")
    chunk = image.levels[0].array.chunks[-1]
    asked, passed = len(proxy.requests), proxy.bytes
    read_box(image, 0, [0], Box((0, 10, 10), (1, 20, 20)))
    keys = [path for _, path in proxy.requests[asked:]]
    assert len(keys) <= 2, keys
    stored = sum(f.stat().st_size for f in (tmp_path / "big.zarr/0").rglob("*") if f.is_file())
    share = (chunk / 2048) ** 2
    assert proxy.bytes - passed < 2 * share * stored


@pytest.mark.parametrize("damage", ["absent", "empty"])
def test_a_chunk_that_is_not_stored_is_missed_before_anything_is_read(
    rados: None, plate: Path, damage: str
) -> None:
    name = f"damaged-{damage}"
    rgw.fill(name, plate)
    key = rgw.client().list_objects_v2(Bucket=name, Prefix=f"{FIELD}/0/c/")["Contents"][0]["Key"]
    if damage == "absent":
        rgw.client().delete_object(Bucket=name, Key=key)
    else:
        rgw.client().put_object(Bucket=name, Key=key, Body=b"")
    image = open_image(f"s3://{name}", FIELD)
    assert inventory(image).missing
    with pytest.raises(StoreUnavailable, match=r"missing|empty"):
        whole(image)


def test_who_may_only_get_objects_reads_but_cannot_be_told_what_is_missing(
    rados: None, plate: Path
) -> None:
    rgw.fill("getonly", plate)
    rgw.allow("getonly", "s3:GetObject")
    use_stores({"s3://": StoreOptions(endpoint=rgw.ENDPOINT, anonymous=True)})
    image = open_image("s3://getonly", FIELD)
    np.testing.assert_array_equal(whole(image), whole(open_image(str(plate), FIELD)))
    assert inventory(image).complete
    web = open_image(f"{rgw.ENDPOINT}/getonly", FIELD)
    np.testing.assert_array_equal(whole(web), whole(image))
    gone = rgw.client().list_objects_v2(Bucket="getonly", Prefix=f"{FIELD}/0/c/")["Contents"][-1]
    rgw.client().delete_object(Bucket="getonly", Key=gone["Key"])
    with pytest.raises(AccessDenied):
        inventory(image)


@pytest.mark.smoke
def test_a_gateway_that_is_away_for_half_a_minute_is_waited_for(bucket: str, plate: Path) -> None:
    image = open_image(bucket, FIELD)
    gone = threading.Event()

    def outage() -> None:
        with rgw.gateway_gone():
            gone.set()
            time.sleep(30)

    thread = threading.Thread(target=outage)
    thread.start()
    gone.wait(30)
    began = time.monotonic()
    found = whole(image)
    thread.join()
    assert time.monotonic() - began > 20
    np.testing.assert_array_equal(found, whole(open_image(str(plate), FIELD)))


@pytest.mark.parametrize(
    ("keys", "url", "word"),
    [
        ((rgw.KEYS[0], "wrong"), "s3://images/screen/plate.zarr", "refuses"),
        (("NOSUCHKEY0000000001", "wrong"), "s3://images/screen/plate.zarr", "refuses"),
        (rgw.GUEST, "s3://images/screen/plate.zarr", "refuses"),
        (rgw.KEYS, "s3://nosuchbucket/plate.zarr", "no such bucket"),
        (rgw.KEYS, "s3://images/elsewhere.zarr", "no zarr.json or .zattrs"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    bucket: str, keys: tuple[str, str], url: str, word: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voxelmill", "inspect", url], text=True, capture_output=True,
        check=False, timeout=120, env=rgw.environment(keys) | {"AWS_ENDPOINT_URL": rgw.ENDPOINT},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert word in done.stderr
    assert keys[1] not in done.stderr


def test_a_run_over_a_bucket_gives_the_same_bytes(bucket: str, plate: Path, tmp_path: Path) -> None:
    trees = []
    for name, url in (("here", str(plate)), ("there", bucket)):
        folder = tmp_path / name
        folder.mkdir()
        stores = json.dumps({"s3://images": {"endpoint": rgw.ENDPOINT}})
        (folder / "config.yaml").write_text(f"{CONFIG}stores: {stores}\n")
        (folder / "sheet.tsv").write_text(f"dataset\turl\nplate\t{url}\n")
        done = subprocess.run(
            [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "2"],
            cwd=folder, env=rgw.environment(), check=False, text=True, capture_output=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        written = [p for p in folder.rglob("*") if p.is_file()]
        assert not [p for p in written if rgw.KEYS[1].encode() in p.read_bytes()]
        results = folder / "results/plate"
        records = results.glob("records/segment/*.json")
        told = {str(r.relative_to(results)): record_of_pixels(r) for r in records}
        trees.append(digests(results) | told)
    here, there = trees
    assert here.keys() == there.keys()
    differ = {name for name in here if here[name] != there[name]}
    # These name the place of the images.
    ends = ("labels/nuclei/zarr.json", "labels/cells/zarr.json")
    named = {name for name in here if name.startswith("batches/") or name.endswith(ends)}
    named |= {"provenance/datasets.tsv", "checksums.md5", "records/provenance.json"}
    assert differ <= named, differ - named


def test_without_credentials_the_next_step_is_named(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(VoxelmillError, match=r"no credentials.*anonymous"):
        open_dataset(bucket)
