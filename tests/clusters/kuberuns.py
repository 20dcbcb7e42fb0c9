"""Runs on the test Kubernetes, and the same without it: folders, configurations, what is left.

A run is started here, as from a laptop, with the rights of the product's service account, or in
the cluster by its Job. Results lie in the test store in both cases.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from clusters import kubectl, rgw, scripted
from clusters.image import NAME
from voxelmill.steps.demo import write_demo_plate

MANIFESTS = Path(__file__).parents[2] / "profiles/kubernetes/manifests"
SITE = Path(__file__).parent / "kubernetes/site.yaml"
ACCOUNT = "voxelmill"
IMAGE = NAME
SCRIPTED = {"nuclei": {"channel": "DNA", "segmenter": {"kind": "scripted", "level": 900}}}


def write_config(folder: Path, url: str, results: str, **more: object) -> None:
    """Write ``config.yaml`` and its sheet for a dataset ``plate``."""
    config = {"datasets": "sheet.tsv", "results": results, "batches": {"images": 2},
              "stores": {"s3://": {"endpoint": kubectl.STORE}}, **more}  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "sheet.tsv").write_text(f"dataset\turl\nplate\t{url}\n")


def plate(bucket: str, folder: Path) -> str:
    """Put a plate of four batches into a new bucket; its address."""
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=256, faults=False)
    rgw.fill(bucket, folder)
    return f"s3://{bucket}/plate.zarr"


def local(folder: Path) -> None:
    """Run what is in a folder on this machine."""
    env = scripted.environment(Path("site")) | rgw.environment()
    env["PYTHONPATH"] = "site"
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "2"]
    done = subprocess.run(command, cwd=folder, env=env, check=False, text=True,
                          capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


class Run:
    """A run started here whose jobs are pods, and the script of its faults.

    Parameters
    ----------
    folder : Path
        A new one, with ``config.yaml`` in it.
    script : str
        Bucket for the script; made here.
    """

    def __init__(self, folder: Path, script: str) -> None:
        self.folder, self.script = folder, f"s3://{script}"
        rgw.client().create_bucket(Bucket=script)
        scripted.install(folder / "site")
        # Snakemake sends pods what git knows.
        for words in (["init", "--quiet"], ["add", "site", "config.yaml", "sheet.tsv"]):
            subprocess.run(["git", *words], cwd=folder, check=True)
        kubectl.kubeconfig(ACCOUNT, folder / "kubeconfig")
        self.process: subprocess.Popen[str] | None = None

    def fault(self, batch: str, what: str) -> None:
        """Have the first execution for a batch `exit`, `sleep` or `eat`; see ``scripted``."""
        rgw.client().put_object(
            Bucket=self.script.removeprefix("s3://"), Key=f"{batch}.fault", Body=what.encode()
        )

    def start(self, *options: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `voxelmill run` with options for Snakemake."""
        more = {"KUBECONFIG": str(self.folder / "kubeconfig"), "PYTHONPATH": "site",
                "VOXELMILL_SCRIPT": self.script, **variables}  # fmt: skip
        command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--profile",
                   "kubernetes", "--site", str(SITE), "--", "--container-image", IMAGE,
                   "--seconds-between-status-checks", "2", "--envvars", "PYTHONPATH",
                   "VOXELMILL_SCRIPT", *variables, *options]  # fmt: skip
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=rgw.environment() | more,
            stdout=(self.folder / "out.txt").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def ended(self, seconds: float = 400) -> int:
        """Exit code of the run."""
        if self.process is None:
            raise AssertionError("not started")
        return self.process.wait(seconds)

    @property
    def said(self) -> str:
        """What all runs in the folder have printed."""
        return (self.folder / "out.txt").read_text()

    def starts(self, batch: str) -> list[str]:
        """Executions of *segment* for a batch: the pods, as the step has counted them."""
        s3, bucket = rgw.client(), self.script.removeprefix("s3://")
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{batch}.starts/").get("Contents", ())
        bodies = [s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found]
        return [body.decode().split()[1] for body in bodies]


def left() -> list[str]:
    """Jobs, pods and Secrets of runs that are still there."""
    found = [f"{kind}/{one['metadata']['name']}" for kind in ("jobs", "pods")
             for one in kubectl.get(kind)]  # fmt: skip
    secrets = (one["metadata"]["name"] for one in kubectl.get("secrets"))
    return found + [f"secrets/{name}" for name in secrets if kubectl.UUID.fullmatch(name)]


def apply_role() -> None:
    """Give the namespace the product's account and its rights."""
    kubectl.kubectl("apply", "--filename", str(MANIFESTS / "role.yaml"))


def apply_run(folder: Path) -> None:
    """Run ``config.yaml`` of a folder in the cluster, as the README of the manifests says."""
    base = folder / "manifests"
    base.mkdir()
    for path in MANIFESTS.glob("*.yaml"):
        (base / path.name).write_bytes(path.read_bytes())
    kustomization: dict[str, Any] = yaml.safe_load((base / "kustomization.yaml").read_text())
    name, tag = IMAGE.split(":")
    kustomization["images"] = [{"name": "voxelmill", "newName": name, "newTag": tag}]
    kustomization["configMapGenerator"][0]["files"] = ["config.yaml", "sheet.tsv", "site.yaml"]
    (base / "kustomization.yaml").write_text(json.dumps(kustomization))
    for path in (folder / "config.yaml", folder / "sheet.tsv", SITE):
        (base / path.name).write_bytes(path.read_bytes())
    keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), rgw.KEYS, strict=True))
    secret = yaml.safe_load((base / "secret.yaml").read_text()) | {"stringData": keys}
    kubectl.kubectl("apply", "--filename", "-", input=json.dumps(secret))
    kubectl.kubectl("apply", "--kustomize", str(base))
