"""What goes wrong in pods, on a real Kubernetes: each ends in the same bytes or a named failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900, func_only=True)]
RESULTS = "faults"


@pytest.fixture(scope="module")
def images(project: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plate of four batches on the store."""
    rgw.client().create_bucket(Bucket=RESULTS)
    return kuberuns.plate("images", tmp_path_factory.mktemp("plate"))


@pytest.fixture(scope="module")
def here(images: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of what the same run leaves without a cluster."""
    folder = tmp_path_factory.mktemp("here")
    kuberuns.write_config(folder, images, f"s3://{RESULTS}/here", objects=kuberuns.SCRIPTED)
    kuberuns.scripted.install(folder / "site")
    kuberuns.local(folder)
    return results("here")


def results(name: str) -> dict[str, str]:
    return stored(RESULTS, f"{name}/plate/")


@pytest.fixture
def run(images: str, tmp_path: Path) -> Iterator[kuberuns.Run]:
    name = tmp_path.name.replace("_", "-")
    kuberuns.write_config(tmp_path, images, f"s3://{RESULTS}/{name}", objects=kuberuns.SCRIPTED)
    run = kuberuns.Run(tmp_path, f"script-{name}")
    yield run
    if run.process:
        run.process.kill()
    kubectl.tidy()


def name_of(run: kuberuns.Run) -> str:
    return run.script.removeprefix("s3://script-")


def working(run: kuberuns.Run, batch: str) -> str:
    """Name of the pod that works on a batch, when the step has begun."""
    until(lambda: run.starts(batch), 240)
    return run.starts(batch)[-1]


def test_what_goes_wrong_in_pods_ends_in_the_same_bytes(
    run: kuberuns.Run, here: dict[str, str]
) -> None:
    """A step that fails, one that takes all memory, one whose pod is deleted: in one run."""
    for batch, what in (("0000", "eat"), ("0001", "exit"), ("0002", "sleep")):
        run.fault(batch, what)
    run.start()
    kubectl.kubectl("delete", "pod", working(run, "0002"), "--grace-period=2", "--wait=false")
    assert run.ended() == 0, run.said
    assert len(run.starts("0000")) == 2
    assert len(run.starts("0001")) == 2
    # The cluster replaces a deleted pod, and Snakemake its Job.
    assert len(run.starts("0002")) in (2, 3)
    assert len(run.starts("0003")) == 1
    assert "the script says so" in run.said
    assert results(name_of(run)) == here
    assert kuberuns.left() == []


def test_a_run_that_was_killed_is_gone_on_with_past_what_fails(
    run: kuberuns.Run, here: dict[str, str]
) -> None:
    run.fault("0001", "exit always")
    run.fault("0003", "sleep")
    process = run.start("--retries", "0")
    working(run, "0003")
    process.kill()
    process.wait()
    assert kuberuns.left()
    run.start("--retries", "0")
    assert run.ended() == 1
    assert "jobs of an earlier run are cancelled" in run.said
    found = results(name_of(run))
    assert "records/segment/0001.json" not in found
    assert {f"records/measure/{n:04d}.json" for n in (0, 2, 3)} <= found.keys()
    assert {name: digest for name, digest in found.items() if here.get(name) != digest} == {}
    assert kuberuns.left() == []
