"""What the steps are timed on: a made-up plate, a made-up volume, and the folder of a run on it.

In: sizes. Out: `Scene`, whose commands are those of the workflow's jobs.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.configfile import load_config
from voxelmill.ledger import write_json
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.scan import scan
from voxelmill.store.write import write_image
from voxelmill.synthetic import nuclei_image

SIZE, CHANNELS, FIELDS = 1080, 5, 4
PLATE: dict[str, Any] = {
    "objects": {
        "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}},
        "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
        "cytoplasm": {"subtract": ["cells", "nuclei"]},
    },
    "features": [{"kind": "shape"}, {"kind": "intensity"}],
}
VOLUME: dict[str, Any] = {
    "objects": {
        "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_px": 12}}
    },
    "features": [{"kind": "shape"}, {"kind": "intensity"}],
}
PATCH, DENSITY = (64, 256, 256), 3e-4
"""Voxels of the patch that a volume repeats, mirrored; objects a voxel."""
CHUNK, SHARD = (32, 128, 128), (64, 512, 512)


@dataclass(frozen=True)
class Scene:
    """One dataset with a configuration, in a folder of its own; `data` is the image's name."""

    folder: Path
    data: str
    config: dict[str, Any]

    @property
    def path(self) -> Path:
        """Configuration file; it names the data relative to its folder."""
        return self.folder / "config.yaml"

    def prepare(self, execution: dict[str, Any] | None = None) -> list[str]:
        """Write configuration and batches; return the names of the batches."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "sheet.tsv").write_text(f"dataset\turl\nscene\t{self.data}\n")
        more = {"datasets": "sheet.tsv", "results": str(self.folder / "results")}
        self.path.write_text(json.dumps({**self.config, **more}))
        write_json(self.folder / "execution.json", execution or {})
        return list(scan(load_config(self.path), self.path).batches["scene"])

    def with_features(self, features: list[dict[str, str]]) -> "Scene":
        """Same scene, in the same folder, with other features."""
        return Scene(self.folder, self.data, self.config | {"features": features})

    def step(self, step: str, batch: str, workers: int) -> list[str]:
        """Arguments of the job of one step and batch."""
        results = self.folder / "results" / "scene"
        records = results / "records"
        found = [step, str(results / "batches" / f"{batch}.json")]
        if step == "measure":
            found += ["--segmented", str(records / "segment" / f"{batch}.json")]
        found += ["--record", str(records / step / f"{batch}.json"), "--config", str(self.path)]
        return [*found, "--run", str(self.folder / "execution.json"), "--workers", str(workers)]

    def check(self, step: str, batch: str) -> None:
        """Fail where an image could not be used: its time would be that of nothing.

        Raises
        ------
        RuntimeError
            An image was quarantined.
        """
        record = self.folder / "results" / "scene" / "records" / step / f"{batch}.json"
        images = json.loads(record.read_text(encoding="utf-8"))["images"]
        for path, image in images.items():
            if image["status"] != "ok":
                raise RuntimeError(f"{step} {path}: {image['reason']}")


def command(*arguments: str) -> list[str]:
    """Command line of voxelmill."""
    return [sys.executable, "-m", "voxelmill", *arguments]


def environment() -> dict[str, str]:
    """Environment in which Snakemake's jobs find the voxelmill beside this Python."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}


def write_plate(out: Path, wells: int, size: int = SIZE, seed: int = 0) -> Path:
    """Write a plate of `wells` x 4 fields in five channels."""
    write_demo_plate(
        out, wells=wells, fields=FIELDS, size=size, channels=CHANNELS, faults=False, seed=seed
    )
    return out


def write_volume(out: Path, counts: tuple[int, int, int], seed: int = 0) -> Path:
    """Write a volume of nuclei, `counts` patches along z, y, x."""
    pixels, _ = nuclei_image(PATCH, round(np.prod(PATCH) * DENSITY), 12.0, seed)
    for axis, count in enumerate(counts):
        copies = [np.flip(pixels, axis) if i % 2 else pixels for i in range(count)]
        pixels = np.concatenate(copies, axis)
    write_image(
        str(out), pixels[None, None], "czyx", (1.0, 1.0, 1.0), ["DNA"],
        chunk=(1, 1, *CHUNK), shard=(1, 1, *SHARD), version="0.5",
    )  # fmt: skip
    return out
