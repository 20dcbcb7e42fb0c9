"""Reading from a real object store on loopback, against other clients; and segmenting from it.

    python -m benchmarks.objectstore

Brings up the Ceph RadosGW of ``tests/clusters/ceph-rgw`` (root on Debian; elsewhere no rows) and
puts an image of 8192² there, as one file a chunk and in shards. The same chunks are read by all,
with `CONCURRENCY` requests at a time: zarr-python over obstore and over s3fs, tensorstore, ours.
The gateway runs on the same cores as its clients.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml
import zarr

from benchmarks.large import write_large
from benchmarks.timing import Row, interleaved, less_is_better, table
from voxelmill.blocks import Box
from voxelmill.ngff import Image
from voxelmill.store.cache import chunk_cache
from voxelmill.store.documents import Version
from voxelmill.store.open import open_image
from voxelmill.store.read import read_box
from voxelmill.store.remote import CONNECTIONS
from voxelmill.store.s3 import S3Objects
from voxelmill.storeoptions import StoreOptions, use_stores

SIZE, BLOCK, CONCURRENCY = 8192, 4096, CONNECTIONS
CASES: tuple[tuple[str, Version, int], ...] = (("files", "0.4", 1024), ("shards", "0.5", 512))
CLUSTER = Path(__file__).parents[1] / "tests" / "clusters" / "ceph-rgw"
ENDPOINT = "http://127.0.0.1:17480"
KEYS = ("BIOACCESSKEY0000001", "biosecretkeybiosecretkeybiosecretkey0001")
CONFIG: dict[str, Any] = {
    "datasets": "sheet.tsv",
    "objects": {"nuclei": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_px": 27}}},
    "stores": {"s3://": {"endpoint": ENDPOINT}},
}


@contextmanager
def gateway() -> Iterator[None]:
    """A running gateway, and the keys of its user in the environment."""
    subprocess.run([CLUSTER / "up"], check=True, stdout=subprocess.DEVNULL)
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = KEYS
    use_stores({"s3://": StoreOptions(endpoint=ENDPOINT)})
    try:
        yield
    finally:
        subprocess.run([CLUSTER / "down", "--purge"], check=True)


def upload(folder: Path, bucket: str) -> None:
    """Make a bucket and copy a folder into it."""
    from botocore.session import Session

    s3 = Session().create_client("s3", endpoint_url=ENDPOINT, region_name="us-east-1")
    s3.create_bucket(Bucket=bucket)
    objects = S3Objects(f"s3://{bucket}")
    for path in (p for p in folder.rglob("*") if p.is_file()):
        objects.put(path.relative_to(folder).as_posix(), path.read_bytes())


def boxes() -> Iterator[Box]:
    """Blocks of the image."""
    for y in range(0, SIZE, BLOCK):
        for x in range(0, SIZE, BLOCK):
            yield Box((0, y, x), (1, y + BLOCK, x + BLOCK))


def ours(image: Image) -> None:
    """Read all blocks, from an empty cache."""
    chunk_cache().resize(0)
    for box in boxes():
        read_box(image, 0, [0], box, halo=(0, 0, 0))


def by_zarr(array: Any) -> None:  # noqa: ANN401 - of either version
    """Read all blocks with zarr-python."""
    for box in boxes():
        array[box.slices[1:]]


def by_tensorstore(array: Any) -> None:  # noqa: ANN401 - untyped library
    """Read all blocks with tensorstore."""
    for box in boxes():
        array[box.slices[1:]].read().result()


def peers(bucket: str, version: Version) -> dict[str, Callable[[], None]]:
    """Other clients, opened."""
    import tensorstore
    from obstore.store import S3Store
    from zarr.storage import FsspecStore, ObjectStore

    zarr.config.set({"async.concurrency": CONCURRENCY})
    place = f"s3://{bucket}/image.zarr/0"
    plain: Any = {"allow_http": True}
    store = S3Store.from_url(place, endpoint=ENDPOINT, region="us-east-1", client_options=plain,
                             virtual_hosted_style_request=False)  # fmt: skip
    fs = FsspecStore.from_url(
        place, read_only=True,
        storage_options={"endpoint_url": ENDPOINT,
                         "config_kwargs": {"max_pool_connections": CONCURRENCY}},
    )  # fmt: skip
    spec = {
        "driver": "zarr" if version == "0.4" else "zarr3",
        "kvstore": {"driver": "s3", "bucket": bucket, "path": "image.zarr/0/",
                    "endpoint": ENDPOINT, "aws_region": "us-east-1",
                    "aws_credentials": {"type": "environment"}},
        "context": {"s3_request_concurrency": {"limit": CONCURRENCY}, "cache_pool": {}},
    }  # fmt: skip
    return {
        "zarr-python over obstore": partial(by_zarr, zarr.open_array(ObjectStore(store), mode="r")),
        "zarr-python over s3fs": partial(by_zarr, zarr.open_array(fs, mode="r")),
        "tensorstore": partial(by_tensorstore, tensorstore.open(spec, open=True).result()),
    }


def measure() -> list[Row]:
    """Rows of seconds a pass over the image, and of *segment*."""
    if os.geteuid() != 0:
        return []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, gateway():
        for stored, version, chunk in CASES:
            folder, bucket = Path(name, stored), f"bench-{stored}"
            write_large(folder / "image.zarr", SIZE, chunk, version)
            upload(folder, bucket)
            image = open_image(f"s3://{bucket}/image.zarr")
            candidates = {"ours": partial(ours, image)} | peers(bucket, version)
            seconds = interleaved(candidates)
            own = seconds.pop("ours")
            for peer, taken in seconds.items():
                title = f"read blocks of {BLOCK} from an object store, {stored}, chunks of {chunk}"
                rows.append(less_is_better(title, own, taken, peer, "s", 0.7, 1.0))
            rows.append(segmented(folder, bucket, stored))
    return rows


def segmented(folder: Path, bucket: str, stored: str) -> Row:
    """The step from the store, against the same from a local disk."""
    places = {"store": f"s3://{bucket}/image.zarr", "disk": str(folder / "image.zarr")}
    calls = {}
    for kind, url in places.items():
        here = folder / f"run-{kind}"
        here.mkdir()
        (here / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        (here / "sheet.tsv").write_text(f"dataset\turl\nimage\t{url}\n")
        _step(here, "scan", "config.yaml")
        calls[kind] = partial(
            _step, here, "segment", "results/image/batches/0000.json", "--record",
            "results/image/records/segment/0000.json", "--config", "config.yaml", "--workers",
            str(os.cpu_count()),
        )  # fmt: skip
    s = interleaved(calls, 3)
    title = f"segment {SIZE}² from an object store, {stored}"
    return less_is_better(title, s["store"], s["disk"], "from local disk", "s", 0.85, 1.0)


def _step(folder: Path, *words: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "voxelmill", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(table(measure()))
