"""One image on Dask pods, driven by a pod: deaths of any of them lose nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.large import write_large
from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
RESULTS = "large-results"
OBJECTS = {"nuclei": {"channel": "0", "segmenter": {"kind": "slow", "diameter_um": 14}}}
WORKERS = {"pods": 2, "cores": 1, "memory_gib": 1}
LEDGER = "plate/scratch/segment-0000/ledger.jsonl"


@pytest.fixture(scope="module")
def image_url(
    kubernetes: None, rados: None, image: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An image of 64 blocks on the store."""
    kubectl.load(image)
    kuberuns.apply_role()
    folder = tmp_path_factory.mktemp("large")
    write_large(folder / "large.zarr", 2048)
    rgw.client().create_bucket(Bucket=RESULTS)
    rgw.fill("large-images", folder)
    return "s3://large-images/large.zarr"


def configure(folder: Path, url: str, compute: object) -> None:
    kuberuns.write_config(folder, url, f"s3://{RESULTS}/{folder.name.replace('_', '-')}",
                          objects=OBJECTS, blocks={"size": 256}, compute=compute,
                          qc={"metrics": []})  # fmt: skip


def results(folder: Path) -> dict[str, str]:
    return stored(RESULTS, f"{folder.name.replace('_', '-')}/plate/")


@pytest.fixture(scope="module")
def here(image_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("here")
    configure(folder, image_url, {"kind": "local"})
    kuberuns.scripted.install(folder / "site")
    kuberuns.local(folder)
    return results(folder)


@pytest.fixture
def run(image_url: str, tmp_path: Path) -> Iterator[kuberuns.Run]:
    configure(tmp_path, image_url, {"kind": "kubernetes", "kubernetes": WORKERS})
    run = kuberuns.Run(tmp_path, f"script-{tmp_path.name.replace('_', '-')}")
    yield run
    if run.process:
        run.process.kill()
    kubectl.tidy()


def pods(role: str) -> list[str]:
    """Running pods of a role: scheduler, worker."""
    found = kubectl.get("pods", "--selector", "app=voxelmill-dask")
    return [
        p["metadata"]["name"] for p in found
        if p["metadata"]["labels"]["job-name"].endswith(role) and p["status"]["phase"] == "Running"
        and "deletionTimestamp" not in p["metadata"]
    ]  # fmt: skip


def finished(run: kuberuns.Run) -> int:
    """Blocks that the copy of the ledger knows of."""
    key = f"{run.folder.name.replace('_', '-')}/{LEDGER}"
    try:
        body = rgw.client().get_object(Bucket=RESULTS, Key=key)["Body"].read()
    except rgw.client().exceptions.NoSuchKey:
        return 0
    return body.count(b"segment")


@pytest.mark.parametrize("role", ["worker", "scheduler", "driver"])
def test_a_pod_that_is_lost_is_replaced(run: kuberuns.Run, here: dict[str, str], role: str) -> None:
    run.start(VOXELMILL_PAUSE_S="1")
    until(lambda: pods("worker") and finished(run) > 5, 400)
    if role == "driver":
        (lost,) = [p["metadata"]["name"] for p in kubectl.get("pods")
                   if p["metadata"]["labels"]["job-name"].startswith("snakejob")]  # fmt: skip
    else:
        lost = pods(role)[0]
    kubectl.kubectl("delete", "pod", lost, "--grace-period=1", "--wait=false")
    assert run.ended() == 0, run.said
    assert results(run.folder) == here
    until(lambda: kuberuns.left() == [], 60)
