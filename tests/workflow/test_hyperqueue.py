"""The HyperQueue profile on a real HyperQueue server, as far as its Python package goes.

The package has server, workers and client, but not the command `hq`: a script of that name takes
its place, submits to the server by the client, and knows only the options that the profile uses.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trees import digests
from voxelmill.steps.demo import write_demo_plate

HQ = """#!{python}
import argparse, contextlib, io, os, sys

from hyperqueue import Client, Job
from hyperqueue.ffi.protocol import ResourceRequest

parser = argparse.ArgumentParser()
parser.add_argument("--output-mode", choices=["quiet"])
commands = parser.add_subparsers(required=True)
submit = commands.add_parser("submit")
submit.add_argument("--name")
submit.add_argument("--cpus", type=int)
submit.add_argument("--stdout", choices=["none"])
submit.add_argument("--stderr", choices=["none"])
submit.add_argument("script")
given = parser.parse_args()
job = Job()
job.program([given.script], name=given.name, cwd=os.getcwd(), env=dict(os.environ), stdout=None,
            stderr=None, resources=ResourceRequest(cpus=given.cpus))
print(Client(os.environ["HQ_SERVER_DIR"]).submit(job).id)
"""
CONFIG = """
datasets: sheet.tsv
objects: {nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}}
batches: {images: 4}
"""


def test_a_plate_on_hyperqueue_gives_the_same_bytes(tmp_path: Path) -> None:
    cluster = pytest.importorskip("hyperqueue.cluster", reason="HyperQueue is not installed")
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write_demo_plate(tmp_path / name / "plate.zarr", wells=2, fields=2, size=256, faults=False)
        (tmp_path / name / "config.yaml").write_text(CONFIG)
        (tmp_path / name / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    hq = tmp_path / "bin" / "hq"
    hq.parent.mkdir()
    hq.write_text(HQ.replace("{python}", sys.executable))
    hq.chmod(0o755)
    run(tmp_path / "here", {}, "--cores", "2")
    with cluster.LocalCluster(str(tmp_path / "server")) as server:
        server.start_worker(cluster.WorkerConfig(cores=4))
        path = f"{hq.parent}{os.pathsep}{os.environ['PATH']}"
        found = {"HQ_SERVER_DIR": str(tmp_path / "server"), "PATH": path}
        said = run(tmp_path / "there", found, "--profile", "hyperqueue")
    assert said.count("with external jobid") == 3
    assert digests(tmp_path / "there/results/plate") == digests(tmp_path / "here/results/plate")


def run(folder: Path, environment: dict[str, str], *options: str) -> str:
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", *options]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, text=True,
                          capture_output=True, timeout=280, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
