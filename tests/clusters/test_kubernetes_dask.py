"""One image on Dask pods, driven by a pod: deaths of any of them lose nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.large import write_large
from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900, func_only=True)]
RESULTS = "large-results"
OBJECTS = {"nuclei": {"channel": "0", "segmenter": {"kind": "slow", "diameter_um": 14}}}
WORKERS = {"pods": 2, "cores": 1, "memory_gib": 1}
LEDGER = "plate/scratch/segment-0000/ledger.jsonl"


@pytest.fixture(scope="module")
def image_url(project: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of 64 blocks on the store."""
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
    s3 = rgw.client()
    try:
        body = s3.get_object(Bucket=RESULTS, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return 0
    return body.count(b": segment")


def drivers() -> list[str]:
    """Running pods of Snakemake's Jobs."""
    found = (p for p in kubectl.get("pods") if "deletionTimestamp" not in p["metadata"])
    return [
        p["metadata"]["name"]
        for p in found
        if p["metadata"]["labels"]["job-name"].startswith("snakejob")
        and p["status"]["phase"] == "Running"
    ]


def lose(pod: str) -> None:
    kubectl.kubectl("delete", "pod", pod, "--grace-period=1", "--wait=false")


def test_pods_that_are_lost_are_replaced(run: kuberuns.Run, here: dict[str, str]) -> None:
    """A worker, the scheduler, the driver: one after the other, in one run."""
    # Five pods share the two cores of the node.
    run.start("--kubernetes-cpu-scalar", "0.25", VOXELMILL_PAUSE_S="2")
    until(lambda: pods("worker") and finished(run) > 3, 400)
    first = pods("worker")[0]
    lose(first)
    until(lambda: len({*pods("worker")} - {first}) == WORKERS["pods"], 60)
    before, scheduler = finished(run), pods("scheduler")[0]
    lose(scheduler)
    until(lambda: {*pods("scheduler")} - {scheduler} and finished(run) > before, 200)
    before, (driver,) = finished(run), drivers()
    lose(driver)
    until(lambda: [*{*drivers()} - {driver}], 120)
    until(lambda: finished(run) > before or (run.process and run.process.poll() is not None), 200)
    assert run.ended() == 0, run.said
    assert results(run.folder) == here
    assert run.said.count("Trying to restart job") == 1
    until(lambda: kuberuns.left() == [], 60)
