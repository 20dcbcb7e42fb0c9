"""Runs whose stores are entered with a login: a plate in a bucket, a folder, the command."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clusters import protected, scripted
from voxelmill.steps.demo import write_demo_plate

CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: KIND, diameter_um: 12}}
  cells: {channel: AGP, segmenter: {kind: propagate, seeds: nuclei}}
batches: {images: 4}
"""
SMALL = {"wells": 4, "fields": 2, "size": 256, "faults": False}
"""A plate of two batches."""


def put_plate(folder: Path, bucket: str, **options: Any) -> str:  # noqa: ANN401 - a plate's
    """Write a demo plate into a folder, and into a new bucket of alice's; its address there."""
    folder.mkdir(exist_ok=True)
    write_demo_plate(folder / "plate.zarr", **options)
    s3 = protected.client()
    s3.create_bucket(Bucket=bucket)

    def put(path: Path) -> None:
        key = path.relative_to(folder).as_posix()
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, (p for p in folder.rglob("*") if p.is_file())))
    return f"s3://{bucket}/plate.zarr"


def prepare(folder: Path, url: str, results: str, stores: object, kind: str = "slow",
            **more: object) -> Path:  # fmt: skip
    folder.mkdir()
    text = CONFIG.replace("KIND", kind) + f"results: {results}\nstores: {json.dumps(stores)}\n"
    text += "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items())
    (folder / "config.yaml").write_text(text)
    (folder / "sheet.tsv").write_text(f"dataset\turl\nplate\t{url}\n")
    scripted.install(folder / "site")
    return folder


def start(folder: Path, *more: str, pause_s: float = 0, cores: int = 2) -> "subprocess.Popen[str]":
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env |= {"PYTHONPATH": os.pathsep.join([str(folder / "site"), *sys.path]),
            "VOXELMILL_PAUSE_S": str(pause_s)}  # fmt: skip
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml"]
    command += ["--cores", str(cores), *more]
    return subprocess.Popen(command, cwd=folder, env=env, text=True,
                            stdout=(folder / "out.txt").open("a"),
                            stderr=(folder / "err.txt").open("a"))  # fmt: skip


def run(folder: Path, *more: str, pause_s: float = 0) -> int:
    return start(folder, *more, pause_s=pause_s).wait(800)


def said(folder: Path) -> str:
    return (folder / "err.txt").read_text()
