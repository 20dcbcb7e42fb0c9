"""Runs on a real Kubernetes under a project's limits: the same bytes, and nothing left behind."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters import kubectl, kuberuns, rgw
from clusters.slurmctl import until
from voxelmill.steps.demo import write_demo_plate

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900, func_only=True)]
DEMO = Path(__file__).parents[2] / "configs/demo.yaml"
RESULTS = "results"


@pytest.fixture(scope="module", autouse=True)
def results(project: str) -> None:
    """A bucket."""
    rgw.client().create_bucket(Bucket=RESULTS)


@pytest.fixture(autouse=True)
def tidy(project: str) -> Iterator[None]:
    yield
    kubectl.tidy()


@pytest.mark.parametrize("path", sorted(kuberuns.MANIFESTS.glob("*.yaml")), ids=lambda p: p.stem)
def test_the_api_server_takes_the_manifests(path: Path) -> None:
    if path.stem == "config":
        pytest.skip("a configuration of voxelmill, not an object")
    words = ["apply", "--dry-run=server"]
    if path.stem == "kustomization":
        kubectl.kubectl(*words, "--kustomize", str(path.parent))
    else:
        kubectl.kubectl(*words, "--filename", str(path))


def test_the_api_server_refuses_what_no_validator_sees() -> None:
    job = yaml.safe_load((kuberuns.MANIFESTS / "run.yaml").read_text())
    job["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    with pytest.raises(RuntimeError, match="restartPolicy"):
        kubectl.kubectl("apply", "--dry-run=server", "--filename", "-", input=json.dumps(job))


def test_the_demo_plate_by_a_job_in_the_cluster(tmp_path: Path) -> None:
    """Its pod runs Snakemake, whose jobs are pods too, all as a random user.

    Pods correct the light by profiles on the store, and leave out what the review there fails.
    """
    write_demo_plate(tmp_path / "plate.zarr")
    rgw.fill("demo", tmp_path)
    settings = yaml.safe_load(DEMO.read_text()) | {"batches": {"images": 16}}
    settings |= {"illumination": {"kind": "flatfield"}, "qc": {"gate": "auto"}}
    for key in ("datasets", "results"):
        settings.pop(key, None)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        kuberuns.write_config(
            tmp_path / name, "s3://demo/plate.zarr", f"s3://{RESULTS}/{name}", **settings
        )
    there = yaml.safe_load((tmp_path / "there/config.yaml").read_text())
    (tmp_path / "there/config.yaml").write_text(yaml.safe_dump(there | {"site": "site.yaml"}))
    kuberuns.apply_run(tmp_path / "there")
    until(lambda: ended("voxelmill"), 800)
    said = kubectl.kubectl("logs", "job/voxelmill")
    (job,) = kubectl.get("jobs", "voxelmill")
    assert job["status"].get("succeeded") == 1, said
    (pod,) = kubectl.get("pods")
    assert pod["metadata"]["labels"]["job-name"] == "voxelmill", "pods of jobs are removed"
    assert rgw.KEYS[1] not in said
    kubectl.kubectl("delete", "job", "voxelmill")
    until(lambda: not kuberuns.left(), 60)
    kuberuns.local(tmp_path / "here")
    found = etags("there/plate/")
    assert found == etags("here/plate/")
    assert len(found) > 1000
    assert {"records/illumination.json", "qc.html"} <= found.keys()
    assert any(name.startswith("gate/") for name in found)


def etags(prefix: str) -> dict[str, str]:
    """The MD5 of each result but the crate, as the store tells it: 40 ms an object."""
    pages = rgw.client().get_paginator("list_objects_v2").paginate(Bucket=RESULTS, Prefix=prefix)
    found = (entry for page in pages for entry in page.get("Contents", ()))
    etags = {entry["Key"].removeprefix(prefix): entry["ETag"] for entry in found}
    return {name: etag for name, etag in etags.items() if name != "ro-crate-metadata.json"}


def ended(job: str) -> bool:
    (found,) = kubectl.get("jobs", job)
    return bool({"succeeded", "failed"} & {*found.get("status", {})})


def test_rights_that_are_missing_are_named_before_any_job(tmp_path: Path) -> None:
    kuberuns.write_config(tmp_path, "s3://demo/plate.zarr", f"s3://{RESULTS}/rights",
                          objects=kuberuns.SCRIPTED)  # fmt: skip
    nobody = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    kubectl.kubectl("apply", "--filename", "-", input=json.dumps(nobody))
    run = kuberuns.Run(tmp_path, "rights")
    kubectl.kubeconfig("nobody", tmp_path / "kubeconfig")
    run.start()
    assert run.ended() == 2
    assert "not allowed: create secrets, delete secrets" in run.said
    assert run.said.count("\n") == 1


def test_a_namespace_that_takes_no_pod_ends_the_run(tmp_path: Path) -> None:
    url = kuberuns.plate("barren-images", tmp_path)
    kuberuns.write_config(tmp_path, url, f"s3://{RESULTS}/barren", objects=kuberuns.SCRIPTED)
    run = kuberuns.Run(tmp_path, "barren")
    began = time.monotonic()
    run.start("--set-resources", "segment:mem_mb=20000", "qc:mem_mb=20000", VOXELMILL_IDLE_S="200")
    assert run.ended() == 2
    assert time.monotonic() - began < 300
    assert "no pod can be made for" in run.said
    assert "16Gi" in run.said
    until(lambda: not kuberuns.left(), 60)
