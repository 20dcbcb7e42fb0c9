"""Runs on Kubernetes, as far as no cluster is needed: refusals, options, hopeless and left jobs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from voxelmill.home import home
from voxelmill.steps.guard import Hopeless
from voxelmill.steps.kubejobs import SOURCES, Kubernetes

CONFIG = {
    "datasets": "sheet.tsv",
    "results": "s3://bucket/week47",
    "stores": {"s3://bucket": {"endpoint": "http://127.0.0.1:9"}},
    "objects": {"nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 9}}},
}
STORE = CONFIG["results"]
MANIFESTS = sorted((home("profiles") / "kubernetes/manifests").glob("*.yaml"))


def run(folder: Path, *extra: str, config: str = "config.yaml", **more: object) -> str:
    """Start a run that is refused; what it says."""
    (folder / config).write_text(json.dumps(CONFIG | more))
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\ts3://bucket/plate.zarr\n")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "AWS_ACCESS_KEY_ID": "key"}
    command = [sys.executable, "-m", "voxelmill", "run", config, "--profile", "kubernetes"]
    done = subprocess.run([*command, *extra], cwd=folder, env=env, check=False, text=True,
                          capture_output=True, timeout=60)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_pods_share_no_folder(tmp_path: Path) -> None:
    assert "results: results; allowed with the kubernetes profile: s3://" in run(
        tmp_path, results="results"
    )


def test_keys_come_from_the_environment(tmp_path: Path) -> None:
    stores = {"s3://bucket": {"profile": "lab"}}
    assert "stores.s3://bucket.profile: pods have no ~/.aws" in run(tmp_path, stores=stores)


def test_a_configuration_elsewhere_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert "outside of the working directory" in run(
        tmp_path / "here", config="../config.yaml", datasets="here/sheet.tsv"
    )


def test_without_a_cluster_it_says_how_to_find_one(tmp_path: Path) -> None:
    assert "no cluster is known here" in run(tmp_path, "--", "--container-image", "voxelmill:1")


def test_outside_of_a_cluster_an_image_has_to_be_named(tmp_path: Path) -> None:
    assert "no image for the pods; allowed: the tag of an image" in run(tmp_path)


@dataclass
class FakeApi:
    """Answers as the API server gave them, cut to what is looked at."""

    found: list[dict[str, Any]]
    deleted: list[str] = field(default_factory=list)
    orphans: list[dict[str, Any]] = field(default_factory=list)
    namespace: str = "rahti"

    def jobs(self, label: str) -> list[dict[str, Any]]:
        """Jobs that are not deleted."""
        assert label == "app=snakemake"
        return [job for job in self.found if job["metadata"]["name"] not in self.deleted]

    def pods(self, label: str = "", name: str = "") -> list[dict[str, Any]]:
        """Pods without a Job, that are not deleted."""
        assert label == "job-name"
        return [pod for pod in self.orphans if pod["metadata"]["name"] not in self.deleted]

    def delete_pod(self, name: str) -> None:
        """Note it."""
        self.deleted.append(name)

    def events(self, name: str) -> list[str]:
        """Oldest first."""
        return ["older", f"{name}: exceeded quota"]

    def delete_job(self, name: str) -> None:
        """Note it."""
        self.deleted.append(name)

    def delete_secret(self, name: str) -> None:
        """Note it."""
        self.deleted.append(f"secret {name}")


def job(
    name: str, store: str = STORE, age_s: float = 600, more: str = "", **status: int
) -> dict[str, Any]:
    """A Job as Snakemake's plugin makes it."""
    made = datetime.now(UTC) - timedelta(seconds=age_s)
    reference = {"valueFrom": {"secretKeyRef": {"name": "uuid", "key": "aws_access_key_id"}}}
    command = f"python -m snakemake --default-storage-prefix {store}/{SOURCES} --mode remote {more}"
    container = {"args": ["-c", command], "env": [{"name": "A", **reference}]}
    return {
        "metadata": {"name": name, "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": status,
    }


def cluster(*jobs: dict[str, Any]) -> tuple[Kubernetes, FakeApi]:
    api = FakeApi(list(jobs))
    return Kubernetes(api, STORE, "voxelmill:1", None), api  # type: ignore[arg-type]


def test_jobs_of_other_results_are_let_alone() -> None:
    runs, api = cluster(
        job("mine", active=1), job("ended", succeeded=1), job("lost", failed=1),
        job("other", "s3://bucket/week4", active=1), job("longer", f"{STORE}8", active=1),
    )  # fmt: skip
    assert runs.jobs() == ["mine"]
    assert runs.cancel_leftovers() == 1
    assert api.deleted == ["mine", "ended", "lost", "secret uuid"]
    assert runs.cancel_leftovers() == 0


def test_a_job_that_another_replaces_is_deleted() -> None:
    """The plugin leaves a Job whose pod is gone, and that goes on beside the next attempt."""
    target = "--target-jobs 'segment:dataset=plate,batch={:04d}'".format
    runs, api = cluster(
        job("second", age_s=30, more=target(1), active=1), job("first", more=target(1), active=1),
        job("other", more=target(2), active=1),
    )  # fmt: skip
    runs.mend()
    assert api.deleted == ["first"]


@pytest.mark.parametrize("way", ["mend", "sweep"])
def test_pods_whose_job_is_gone_are_deleted(way: str) -> None:
    """The plugin deletes a Job so that pods which it does not know of stay."""
    runs, api = cluster(job("a", active=1))
    for store in (STORE, "s3://bucket/other"):
        pod = job(f"pod of {store}", store)
        api.orphans.append({"metadata": pod["metadata"], "spec": pod["spec"]["template"]["spec"]})
    getattr(runs, way)()
    assert set(api.deleted) - {"a", "secret uuid"} == {f"pod of {STORE}"}


def test_a_namespace_that_takes_no_pod_ends_the_run() -> None:
    runs, _ = cluster(job("a"), job("b"))
    with pytest.raises(Hopeless, match=r"no pod can be made for 2 jobs: a: exceeded quota\. Ask"):
        runs.mend()


@pytest.mark.parametrize(("age_s", "status"), [(600, {"active": 1}), (20, {})])
def test_pods_that_wait_for_room_are_waited_for(age_s: float, status: dict[str, int]) -> None:
    runs, _ = cluster(job("a"), job("b", age_s=age_s, **status))
    runs.mend()
    assert runs.jobs() == ["b"] * bool(status)


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for number, document in enumerate(yaml.safe_load_all(path.read_text())):
            if path.stem not in ("kustomization", "config"):
                yield f"{path.stem}-{number}", document


@pytest.mark.parametrize(("name", "document"), list(documents()))
def test_manifests_are_valid(name: str, document: dict[str, Any]) -> None:
    for version in ("1.30", kubernetes_validate.latest_version().rpartition(".")[0]):
        kubernetes_validate.validate(document, version, strict=True)


def test_manifests_that_are_not_valid_are_found() -> None:
    role = dict(documents())["role-1"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(role | {"rule": []}, "1.30", strict=True)
