"""Somebody else's segmenter: a package of its own, installed with pip, named in a configuration."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from voxelmill.store.write import Channel, write_image
from voxelmill.synthetic import nuclei_image
from voxelmill.tables import read_table

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "bright-spots"
version = "1.0"

[project.entry-points."voxelmill.plugins"]
bright = "bright_spots:Bright"
"""
CODE = '''
"""Everything brighter than a level."""

from typing import ClassVar, Literal

import numpy as np
from scipy import ndimage as ndi

from voxelmill.segmenters import Segmenter


class Bright(Segmenter):
    """Connected voxels above a level."""

    kind: Literal["bright"] = "bright"
    source: ClassVar[str] = "Rosenfeld & Pfaltz 1966, doi:10.1145/321356.321357"
    level: float

    def halo(self, spacing_um):
        return 0, 40, 40

    def __call__(self, image, spacing_um, seeds=None):
        return ndi.label(image[0] > self.level)[0].astype(np.int32)
'''
CONFIG = """
datasets: sheet.tsv
objects: {spots: {channel: DNA, segmenter: {kind: bright, level: LEVEL}}}
"""


def voxelmill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "voxelmill", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_package_brings_a_segmenter(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "bright_spots").mkdir(parents=True)
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "bright_spots" / "__init__.py").write_text(CODE)
    pixels, labels = nuclei_image((1, 150, 150), 10, 16.0, 3)
    write_image(
        str(tmp_path / "image.zarr"), pixels[None, None], "cyx", (1.0, 0.5, 0.5), [Channel("DNA")]
    )
    level = int(np.percentile(pixels[labels > 0], 10))
    (tmp_path / "config.yaml").write_text(CONFIG.replace("LEVEL", str(level)))
    (tmp_path / "sheet.tsv").write_text("dataset\turl\nimage\timage.zarr\n")
    before = voxelmill(tmp_path, "run", "--cores", "1", "config.yaml")
    assert before.returncode != 0
    assert "no such segmenter kind" in before.stdout + before.stderr

    install = "install --quiet --no-deps --no-build-isolation --disable-pip-version-check --target"
    command = [sys.executable, "-m", "pip", *install.split(), str(tmp_path / "site"), str(package)]
    subprocess.run(command, check=True)
    assert "Bright:" in voxelmill(tmp_path, "schema").stdout
    done = voxelmill(tmp_path, "run", "--cores", "1", "config.yaml")
    assert done.returncode == 0, done.stderr
    found = read_table(tmp_path / "results" / "image" / "objects" / "spots" / "0000.parquet")
    assert len(found["Metadata_ObjectNumber"]) >= 3
