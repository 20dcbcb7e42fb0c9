"""Results on a real object store: the same bytes as in a folder, and nothing that only looks so."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from clusters import rgw
from faultproxy import Fault, proxied
from trees import digests
from voxelmill.crate.read import read_crate
from voxelmill.steps.demo import write_demo_plate

pytestmark = [pytest.mark.rgw, pytest.mark.timeout(600)]
CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
batches: {images: 4}
"""
LABELS = "labels.ome.zarr/"


@pytest.fixture(scope="module")
def images(rados: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bucket with a plate of two batches."""
    folder = tmp_path_factory.mktemp("plate")
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=256, faults=False)
    rgw.fill("plates", folder)
    return "s3://plates/plate.zarr"


def prepare(
    folder: Path, url: str, results: str, endpoint: str = rgw.ENDPOINT, **more: str
) -> Path:
    folder.mkdir()
    stores = json.dumps({"s3://": {"endpoint": endpoint, **more}})
    (folder / "config.yaml").write_text(f"{CONFIG}results: {results}\nstores: {stores}\n")
    (folder / "sheet.tsv").write_text(f"dataset\turl\nplate\t{url}\n")
    return folder


def run(
    folder: Path, *more: str, keys: tuple[str, str] = rgw.KEYS
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "2", *more]
    return subprocess.run(command, cwd=folder, env=rgw.environment(keys), check=False, text=True,
                          capture_output=True, timeout=400)  # fmt: skip


def stored(bucket: str, prefix: str, s3: Any = None) -> dict[str, str]:  # noqa: ANN401 - untyped
    """Digest of each object but crates, which tell times, by a client that is not ours."""
    s3 = s3 or rgw.client()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = {}
    for entry in (e for page in pages for e in page.get("Contents", ())):
        if entry["Key"].endswith("/ro-crate-metadata.json"):
            continue
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        found[entry["Key"].removeprefix(prefix)] = sha256(body).hexdigest()
    return found


def untold(found: dict[str, str]) -> dict[str, str]:
    """Digests of all results but those that tell at which endpoint the store was."""
    told = {"provenance/config.yaml", "records/provenance.json", "checksums.md5"}
    return {name: digest for name, digest in found.items() if name not in told}


@pytest.fixture(scope="module")
def here(images: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of what the same run leaves in a folder."""
    folder = prepare(tmp_path_factory.mktemp("runs") / "here", images, "results")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return digests(folder / "results/plate")


@pytest.fixture(scope="module")
def there(images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run whose results are in the bucket ``results``."""
    rgw.client().create_bucket(Bucket="results")
    folder = prepare(tmp_path_factory.mktemp("runs") / "there", images, "s3://results/week/47")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.smoke
def test_the_same_bytes_on_a_store_as_in_a_folder(here: dict[str, str], there: Path) -> None:
    assert stored("results", "week/47/plate/") == here
    assert any(name.startswith(LABELS) for name in here)
    assert {"manifest.parquet", "batches.parquet", "check.json"} <= stored(
        "results", "week/47/").keys()  # fmt: skip
    local = there / ".snakemake/storage"
    assert not list(local.rglob("labels.ome.zarr")), "pixels pass through no copy"
    texts = [p for p in there.rglob("*") if p.is_file()]
    assert not [p for p in texts if rgw.KEYS[1].encode() in p.read_bytes()], "no secret anywhere"


def test_a_crate_is_read_from_the_store(
    images: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files that it names are there as it says; the list has every object but itself."""
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), rgw.KEYS, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", rgw.ENDPOINT)
    crate = read_crate("s3://results/week/47/plate/ro-crate-metadata.json")
    found = stored("results", "week/47/plate/")
    assert {path: found[path] for path in crate.files} == {
        path: file.sha256 for path, file in crate.files.items()
    }
    assert "labels.ome.zarr/zarr.json" not in crate.files
    copies = there / ".snakemake/storage/results/results/week/47/plate/checksums.md5"
    listed = {line[34:] for line in copies.read_text().splitlines()}
    assert found.keys() - listed == {"checksums.md5", "records/provenance.json"}
    assert crate.url == images


def test_the_same_over_tls_with_a_private_ca(
    images: str, here: dict[str, str], there: Path, tmp_path: Path
) -> None:
    """What clients send besides over TLS, this RadosGW refuses unless they are told not to."""
    ca = str(rgw.root() / "tls/ca.pem")
    done = run(prepare(tmp_path / "run", images, "s3://results/tls", rgw.TLS_ENDPOINT, ca=ca))
    assert done.returncode == 0, done.stderr
    assert untold(stored("results", "tls/plate/")) == untold(here)


def test_whoever_goes_on_elsewhere_finds_nothing_left_to_do(
    images: str, there: Path, tmp_path: Path
) -> None:
    before = stored("results", "week/47/")
    again = run(prepare(tmp_path / "elsewhere", images, "s3://results/week/47"))
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stdout + again.stderr
    after = stored("results", "week/47/")
    assert {n: d for n, d in after.items() if n != "index.html"} == {
        n: d for n, d in before.items() if n != "index.html"
    }, "only the page that tells the time is written again"
    assert "index.html" in after


def test_light_and_an_approval_on_a_store_as_in_a_folder(rados: None, tmp_path: Path) -> None:
    """Profiles, reviews, the approval and what each batch leaves out lie on the store, too."""
    (tmp_path / "lit").mkdir()
    write_demo_plate(tmp_path / "lit/plate.zarr", wells=4, fields=5, size=256, faults=False)
    rgw.fill("lit", tmp_path / "lit")
    rgw.client().create_bucket(Bucket="gated")
    found = []
    for name, results in (("here", "results"), ("there", "s3://gated/run")):
        folder = prepare(tmp_path / name, "s3://lit/plate.zarr", results)
        with (folder / "config.yaml").open("a") as file:
            file.write("illumination: {kind: flatfield}\nqc: {gate: ask}\n")
        waiting = run(folder)
        assert waiting.returncode == 0, waiting.stderr
        assert "waits for your approval" in waiting.stdout
        approve = ["approve", results, "--dataset", "plate", "--exclude", "A02", "--who", "ada"]
        done = subprocess.run(
            [sys.executable, "-m", "voxelmill", *approve, "--why", "fibre"],
            cwd=folder, env=rgw.environment(rgw.KEYS) | {"AWS_ENDPOINT_URL": rgw.ENDPOINT},
            check=False, text=True, capture_output=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        done = run(folder)
        assert done.returncode == 0, done.stderr
        assert "5 excluded" in done.stdout
        found.append(digests(folder / "results/plate") if name == "here" else
                     stored("gated", "run/plate/"))  # fmt: skip
    here, there = found
    timed = {"approval.json", "report.html", "checksums.md5", "records/provenance.json"}
    assert {n: d for n, d in there.items() if n not in timed} == {
        n: d for n, d in here.items() if n not in timed
    }
    assert {"qc.html", *timed} <= there.keys()
    assert any(name.startswith("illumination.ome.zarr/") for name in there)
    assert any(name.startswith("gate/") for name in there)


def test_images_and_labels_on_a_store_are_shown(there: Path) -> None:
    """`voxelmill view` passes on, byte for byte, what the viewer asks for."""
    command = [sys.executable, "-m", "voxelmill", "view", "s3://results/week/47", "--no-browser",
               "--config", "config.yaml"]  # fmt: skip
    s3 = rgw.client()
    labels, image = f"week/47/plate/{LABELS}A/01/0/labels/nuclei/", "plate.zarr/A/01/0/"
    shard, chunk = (
        s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}0/c/")["Contents"][0]["Key"]
        for bucket, prefix in (("results", labels), ("plates", image))
    )
    with subprocess.Popen(command, cwd=there, env=rgw.environment(rgw.KEYS), text=True,
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            address = re.search(r"http://127\.0\.0\.1:\d+/[^/\s]+/", process.stdout.readline())
            assert address
            data = f"{address[0]}data/plate/0"
            page = got(f"{address[0]}d/plate/").decode()
            found = got(f"{data}/labels/nuclei/{shard.removeprefix(labels)}")
            pixels = got(f"{data}/image/{chunk.removeprefix(image)}")
        finally:
            process.terminate()
    assert "A/01/0" in page
    assert found == s3.get_object(Bucket="results", Key=shard)["Body"].read()
    assert pixels == s3.get_object(Bucket="plates", Key=chunk)["Body"].read()


@pytest.mark.smoke
def test_what_lies_there_is_verified(there: Path) -> None:
    """The store's own sums are no proof: an object is put anew as long as it was, and named."""
    command = [sys.executable, "-m", "voxelmill", "verify", "s3://results/week/47", "--json",
               "--config", "config.yaml"]  # fmt: skip
    s3, prefix = rgw.client(), f"week/47/plate/{LABELS}A/01/0/labels/nuclei/0/c/"
    key = s3.list_objects_v2(Bucket="results", Prefix=prefix)["Contents"][0]["Key"]
    content = s3.get_object(Bucket="results", Key=key)["Body"].read()

    def findings() -> list[tuple[str, str]]:
        done = subprocess.run(command, cwd=there, env=rgw.environment(rgw.KEYS), check=False,
                              text=True, capture_output=True, timeout=100)  # fmt: skip
        found = json.loads(done.stdout)["datasets"]["plate"]["findings"]
        assert done.returncode == (1 if found else 0), done.stderr
        return [(each["kind"], each["path"]) for each in found]

    assert findings() == []
    path = key.removeprefix("week/47/plate/")
    try:
        s3.put_object(Bucket="results", Key=key, Body=bytes([content[0] ^ 1]) + content[1:])
        assert findings() == [("changed", path)]
        s3.delete_object(Bucket="results", Key=key)
        assert findings() == [("missing", path)]
    finally:
        s3.put_object(Bucket="results", Key=key, Body=content)


def got(url: str) -> bytes:
    """What a browser is answered."""
    at = urlsplit(url)
    client = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
    client.request("GET", at.path)
    return client.getresponse().read()


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_labels_that_are_not_those_of_their_record_are_not_read(
    images: str, there: Path, tmp_path: Path, damage: str
) -> None:
    s3, prefix = rgw.client(), f"damaged/{damage}"
    for key in stored("results", "week/47/"):
        s3.copy_object(Bucket="results", Key=f"{prefix}/{key}",
                       CopySource={"Bucket": "results", "Key": f"week/47/{key}"})  # fmt: skip
    labels = f"{prefix}/plate/{LABELS}A/01/0/labels/nuclei/0/c/0/0"
    s3.delete_object(Bucket="results", Key=labels)
    if damage == "changed":
        s3.copy_object(Bucket="results", Key=labels, CopySource={
            "Bucket": "results", "Key": labels.replace("A/01/0", "A/01/1")})  # fmt: skip
    for name in ("measure/0000.json", "aggregate.json", "report.json"):
        s3.delete_object(Bucket="results", Key=f"{prefix}/plate/records/{name}")
    done = run(prepare(tmp_path / "run", images, f"s3://results/{prefix}"))
    assert done.returncode == 1
    assert "A/01/0/labels" in done.stdout + done.stderr
    assert "segment left" in done.stdout + done.stderr
    assert f"{prefix}/plate/records/measure/0000.json" not in stored("results", "")


@pytest.mark.parametrize(
    ("results", "keys", "word"),
    [
        ("s3://results/x", (rgw.KEYS[0], "wrong"), "refuses"),
        ("s3://nosuchbucket/x", rgw.KEYS, "no such bucket"),
        ("s3://results/x", rgw.GUEST, "refuses"),
    ],
)
def test_a_store_that_cannot_be_written_is_one_line_before_any_job(
    images: str, there: Path, tmp_path: Path, results: str, keys: tuple[str, str], word: str
) -> None:
    done = run(prepare(tmp_path / "run", images, results), keys=keys)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def test_a_bucket_that_is_read_only(images: str, tmp_path: Path) -> None:
    rgw.client().create_bucket(Bucket="readonly")
    rgw.allow("readonly", "s3:GetObject", "s3:ListBucket")
    rgw.allow("plates", "s3:GetObject", "s3:ListBucket")
    done = run(prepare(tmp_path / "run", images, "s3://readonly/x"), keys=rgw.GUEST)
    assert done.returncode == 2
    assert "refuses" in done.stderr
    assert stored("readonly", "") == {}


def test_a_quota_that_is_exceeded_leaves_nothing_that_looks_complete(
    images: str, tmp_path: Path
) -> None:
    rgw.client().create_bucket(Bucket="small")
    rgw.admin("quota", "set", "--quota-scope=bucket", "--uid=bio", "--bucket=small",
              "--max-objects=30")  # fmt: skip
    rgw.admin("quota", "enable", "--quota-scope=bucket", "--uid=bio", "--bucket=small")
    folder = prepare(tmp_path / "run", images, "s3://small/x")
    done = run(folder)
    assert done.returncode == 1
    assert "quota" in (done.stdout + done.stderr).lower()
    assert not [name for name in stored("small", "x/plate/") if name.startswith("records/measure")]
    rgw.admin("quota", "disable", "--quota-scope=bucket", "--uid=bio", "--bucket=small")


def test_a_gateway_that_restarts_in_mid_run(
    images: str, here: dict[str, str], there: Path, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "run", images, "s3://results/restart")
    log = folder / ".snakemake/storage/results/results/restart/plate/logs/segment/0000.log"

    def outage() -> None:
        while not log.exists():
            time.sleep(0.1)
        time.sleep(1.5)
        with rgw.gateway_gone():
            time.sleep(30)

    thread = threading.Thread(target=outage, daemon=True)
    thread.start()
    done = run(folder)
    assert done.returncode == 0, done.stderr
    thread.join(60)
    assert stored("results", "restart/plate/") == here


@pytest.mark.parametrize("kind", ["503", "reset", "stall"])
def test_a_fault_while_writing_passes(
    images: str, here: dict[str, str], there: Path, tmp_path: Path, kind: str
) -> None:
    with proxied("127.0.0.1", rgw.PORT) as proxy:
        proxy.faults.append(Fault(kind, f"{LABELS}A/01/0/labels/nuclei/0/c", 1, ("PUT",)))
        folder = prepare(tmp_path / "run", images, f"s3://results/{kind}-put", proxy.url)
        done = run(folder)
    assert done.returncode == 0, done.stderr
    assert proxy.hit
    assert untold(stored("results", f"{kind}-put/plate/")) == untold(here)
