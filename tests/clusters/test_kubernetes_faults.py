"""What goes wrong in pods, on a real Kubernetes: each ends in the same bytes or a named failure."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from clusters.test_rgw_run import stored
from voxelmill.kubeobjects import target

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
    # The cluster replaces a deleted pod; so it does with those of the Job that Snakemake gives up.
    assert len(run.starts("0002")) >= 2
    assert len({pod.rpartition("-")[0] for pod in run.starts("0002")}) <= 2
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


def test_a_node_that_runs_out_of_memory_evicts_a_pod_and_the_run_goes_on(
    run: kuberuns.Run, here: dict[str, str]
) -> None:
    run.fault("0002", "sleep")
    run.start()
    pod = working(run, "0002")
    # What takes the memory is no pod: no limit stops it.
    with memory_taken():
        until(lambda: state(pod) in ("Evicted", "gone"), 200)
        evicted = kubectl.get("events", "--field-selector", "reason=Evicted")
    assert pod in {event["involvedObject"]["name"] for event in evicted}
    assert run.ended() == 0, run.said
    assert len(run.starts("0002")) >= 2
    assert results(name_of(run)) == here
    assert kuberuns.left() == []


@contextmanager
def memory_taken() -> Iterator[None]:
    """Leave less memory free than the node wants to have: a third of the machine's."""
    node = json.loads(kubectl.kubectl("get", "--raw", "/api/v1/nodes/node0/proxy/stats/summary"))
    memory = node["node"]["memory"]
    total = memory["availableBytes"] + memory["workingSetBytes"]
    code = "import sys; taken = b'1' * int(sys.argv[1]); sys.stdin.read()"
    size = memory["availableBytes"] - total // 3 + (2 << 30)
    taker = subprocess.Popen([sys.executable, "-c", code, str(size)], stdin=subprocess.PIPE)
    with taker:
        yield
        taker.kill()


def state(pod: str) -> str:
    """Why a pod failed, or its phase; `gone` if it is deleted."""
    found = [p for p in kubectl.get("pods") if p["metadata"]["name"] == pod]
    status = found[0]["status"] if found else {"phase": "gone"}
    return str(status.get("reason") or status["phase"])


def test_steps_that_want_a_gpu_get_the_one_there_is(
    run: kuberuns.Run, here: dict[str, str]
) -> None:
    """The node says that it has one; its pods wait for each other."""
    kubectl.offer("nvidia.com/gpu", 1)
    process = run.start("--set-resources", "segment:gpu=1", "segment:gpu_manufacturer=nvidia")
    seen: dict[str, dict[str, int]] = {}
    at_once = 0
    while process.poll() is None:
        pods = kubectl.get("pods")
        for pod in pods:
            seen.setdefault(rule(pod), {})[pod["metadata"]["name"]] = gpus(pod)
        at_once = max(at_once, sum(gpus(p) for p in pods if p["status"]["phase"] == "Running"))
    assert process.returncode == 0, run.said
    assert [*seen["segment"].values()] == [1, 1, 1, 1]
    assert {n for name in seen.keys() - {"segment"} for n in seen[name].values()} == {0}
    assert at_once == 1
    assert results(name_of(run)) == here


def gpus(pod: dict[str, Any]) -> int:
    """GPUs that a pod holds, which Kubernetes gives only where a toleration lets it to them."""
    spec = pod["spec"]
    wanted = int(spec["containers"][0]["resources"]["limits"].get("nvidia.com/gpu", 0))
    tolerated = [t for t in spec["tolerations"] if t.get("key") == "nvidia.com/gpu"]
    assert bool(tolerated) == bool(wanted)
    return wanted


def rule(pod: dict[str, Any]) -> str:
    return target(pod).partition(":")[0]
