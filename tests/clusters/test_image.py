"""The image: who it runs as, what is in it, and that it computes what the checkout computes."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from clusters.image import UID, inspect, run
from trees import digests
from voxelmill.features import features
from voxelmill.fingerprint import fingerprint
from voxelmill.steps.demo import write_demo_plate

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1800), pytest.mark.usefixtures("image")]
ROOT = Path(__file__).parents[2]


def printed(*words: str, **more: object) -> str:
    done = run(*words, **more)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_what_it_says_of_itself() -> None:
    found = inspect()
    labels = {k.removeprefix("org.opencontainers.image."): v for k, v in found["Labels"].items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout.strip()  # fmt: skip
    assert labels["title"] == project["name"]
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels["description"]
    assert labels["revision"].removesuffix("-dirty") == head
    assert found["Size"] <= 1.5 * 2**30
    # A pod's command is a shell's, and a shell needs no entry point.
    assert not found["Config"].get("Entrypoint")


def test_nobody_is_root() -> None:
    assert printed("id", "-u", uid=None) == "10001"
    assert printed("id", "-u") == str(UID)
    assert printed("python", "-c", "import getpass; print(getpass.getuser())") == "voxelmill"


def test_help_from_a_read_only_root() -> None:
    assert "Run the whole workflow" in printed("voxelmill", "--help")
    assert "Read-only file system" in run("sh", "-c", "touch $HOME/x").stderr


def test_everything_has_its_byte_code() -> None:
    without = (
        "import os, sys, snakemake.cli, voxelmill.cli, voxelmill.api\n"
        "cached = [getattr(m, '__cached__', None) for m in [*sys.modules.values()]]\n"
        "print([c for c in cached if c and not os.path.exists(c)])"
    )
    assert printed("python", "-c", without) == "[]"


def test_a_job_installs_the_storage_plugin_without_a_network() -> None:
    """As Snakemake's jobs on Kubernetes begin; the version is that of the image's packages."""
    named = "ls | sed -n 's/^snakemake_storage_plugin_s3-\\(.*\\)[.]dist-info$/\\1/p'"
    installed = printed(
        "/bin/sh", "-c",
        "pip install --quiet --target .snakemake/pip-deployments snakemake-storage-plugin-s3 "
        f"&& cd .snakemake/pip-deployments && {named}",
    )  # fmt: skip
    version = "from importlib.metadata import version as v; print(v('snakemake-storage-plugin-s3'))"
    assert installed == printed("python", "-c", version)


def test_git_lists_the_files_of_another_users_checkout(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    for words in (["init", "--quiet"], ["add", "config.yaml"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    tmp_path.chmod(0o755)
    assert printed("git", "ls-files", mounts={"/workdir": tmp_path}) == "config.yaml"


def test_a_pod_runs_what_the_checkout_runs() -> None:
    code = "from voxelmill.fingerprint import fingerprint; print(fingerprint())"
    assert printed("python", "-c", code) == fingerprint()
    plugins = "import snakemake_executor_plugin_kubernetes, snakemake_storage_plugin_s3"
    assert printed("python", "-c", plugins) == ""


def workflow(folder: Path) -> Path:
    """A folder for a run that measures all families of features."""
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=256, faults=False)
    config = {
        "datasets": "sheet.tsv",
        "results": "results",
        "objects": {
            "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}},
            "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
        },
        "features": [{"kind": kind} for kind in features()],
        "batches": {"images": 4},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    folder.chmod(0o775)
    return folder


def test_the_same_bytes_as_outside_and_no_kernel_compiled(tmp_path: Path) -> None:
    """Whatever Python the checkout runs on, and by kernels that are for any processor."""
    here, there, tmp = tmp_path / "here", tmp_path / "there", tmp_path / "tmp"
    for folder in (here, there, tmp):
        folder.mkdir()
    tmp.chmod(0o1777)
    command = ["voxelmill", "run", "config.yaml", "--cores", "2"]
    subprocess.run([sys.executable, "-m", *command], cwd=workflow(here), check=True, timeout=400,
                   capture_output=True)  # fmt: skip
    mounts = {"/workdir": workflow(there), "/tmp": tmp}  # noqa: S108 - the container's
    printed(*command, mounts=mounts, seconds=400)
    outside, inside = digests(here / "results"), digests(there / "results")
    assert {k for k in outside.keys() | inside.keys() if outside.get(k) != inside.get(k)} == set()
    kernels = list((tmp / ".cache/numba").rglob("*.nb[ic]"))
    assert len([p for p in kernels if p.is_symlink()]) > 100
    assert [p.name for p in kernels if not p.is_symlink()] == []
