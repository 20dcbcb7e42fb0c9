"""What goes wrong in pods, on a real Kubernetes: each ends in the same bytes or a named failure."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
RESULTS = "faults"


@pytest.fixture(scope="module")
def images(
    kubernetes: None, rados: None, image: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A plate of four batches on the store, and a namespace that can run jobs on it."""
    kubectl.load(image)
    kuberuns.apply_role()
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


def test_a_rule_that_fails_is_tried_again_while_others_go_on(
    run: kuberuns.Run, here: dict[str, str]
) -> None:
    run.fault("0001", "exit")
    run.start()
    assert run.ended() == 0, run.said
    assert len(run.starts("0001")) == 2
    assert [len(run.starts(f"{n:04d}")) for n in (0, 2, 3)] == [1, 1, 1]
    assert "the script says so" in run.said
    assert results(name_of(run)) == here
    assert kuberuns.left() == []


def test_a_rule_that_always_fails_leaves_the_rest_finished(run: kuberuns.Run) -> None:
    run.fault("0001", "exit")
    run.start("--retries", "0")
    assert run.ended() == 1
    found = results(name_of(run))
    assert "records/segment/0001.json" not in found
    assert {f"records/measure/{n:04d}.json" for n in (0, 2, 3)} <= found.keys()
    assert "the script says so" in run.said
    assert kuberuns.left() == []


def test_a_pod_that_is_deleted_in_mid_run(run: kuberuns.Run, here: dict[str, str]) -> None:
    run.fault("0002", "sleep")
    run.start()
    pod = working(run, "0002")
    kubectl.kubectl("delete", "pod", pod, "--grace-period=5", "--wait=false")
    assert run.ended() == 0, run.said
    assert len(run.starts("0002")) == 2
    assert results(name_of(run)) == here
    assert kuberuns.left() == []


def test_a_pod_without_memory_gets_more(run: kuberuns.Run, here: dict[str, str]) -> None:
    run.fault("0000", "eat")
    run.start()
    assert run.ended() == 0, run.said
    assert len(run.starts("0000")) == 2
    assert results(name_of(run)) == here
    assert kuberuns.left() == []


def test_a_run_that_was_killed_is_gone_on_with(run: kuberuns.Run, here: dict[str, str]) -> None:
    run.fault("0003", "sleep")
    process = run.start()
    working(run, "0003")
    process.kill()
    process.wait()
    assert kuberuns.left()
    time.sleep(1)
    run.start()
    assert run.ended() == 0, run.said
    assert "jobs of an earlier run are cancelled" in run.said
    assert results(name_of(run)) == here
    assert kuberuns.left() == []
