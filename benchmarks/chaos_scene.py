"""What `chaos` kills: an image on disk, a segmenter that notes each call, and the step's command.

The segmenter is a plugin in a folder on ``PYTHONPATH``, as an installed package would be. It finds
connected components, takes its time, and appends the origin of every block to a file; it dies with
its process on the block that a file ``deadly`` names.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelmill.blocks import Grid
from voxelmill.store.write import write_image

SIZE, BLOCK, HALO = 512, 64, 16
PLUGIN = """
import os, time
from pathlib import Path
from typing import Literal
import numpy as np
from scipy import ndimage
from voxelmill.segmenters import Segmenter

class Noted(Segmenter):
    kind: Literal["noted"] = "noted"
    folder: str
    delay_s: float = 0.02
    origin: tuple[int, int, int] = (0, 0, 0)

    def at(self, origin, extent):
        return self.replace(origin=tuple(origin))

    def halo(self, spacing_um):
        return 0, HALO, HALO

    def __call__(self, image, spacing_um, seeds=None):
        here = ",".join(map(str, self.origin))
        with (Path(self.folder) / "calls").open("a") as file:
            file.write(here + "\\n")
        deadly = Path(self.folder) / "deadly"
        if deadly.exists() and deadly.read_text() == here:
            os.kill(os.getpid(), 9)
        time.sleep(self.delay_s)
        return ndimage.label(image[0] > 100, np.ones((3, 3, 3)))[0].astype(np.int32)
"""
CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {{channel: 0, segmenter: {{kind: noted, folder: {folder}, delay_s: {delay_s}}}}}
features: [{{kind: shape}}]
qc: {{metrics: [{{kind: saturation}}]}}
blocks: {{size: {block}}}
batches: {{images: 1}}
compute: {{processes: {processes}}}
"""


@dataclass(frozen=True)
class Scene:
    """A folder with everything that a run needs; results come and go."""

    folder: Path
    processes: bool

    @property
    def results(self) -> Path:
        """Where the run writes."""
        return self.folder / "results"

    @property
    def record(self) -> Path:
        """Record of the step: there when it is finished."""
        return self.results / "image" / "records" / "segment" / "0000.json"

    @property
    def ledger(self) -> Path:
        """Ledger of the step."""
        return self.results / "image" / "scratch" / "segment-0000" / "ledger.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which the plugin is found."""
        path = os.pathsep.join([str(self.folder / "plugins"), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}

    def command(self, *arguments: str) -> list[str]:
        """Command line of ``voxelmill``."""
        return [sys.executable, "-m", "voxelmill", *arguments]

    def step(self) -> list[str]:
        """Command line of the step *segment*."""
        batch = self.results / "image" / "batches" / "0000.json"
        files = ("--record", str(self.record), "--config", "config.yaml", "--run", "run.json")
        return self.command("segment", str(batch), *files, "--workers", "2")

    def scan(self) -> None:
        """Make the batch file anew."""
        command = self.command("scan", "config.yaml")
        subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, capture_output=True
        )

    def calls(self) -> list[str]:
        """Origins of all blocks that were segmented, in the order of their start."""
        file = self.folder / "calls"
        return file.read_text().split() if file.exists() else []

    def finished(self) -> set[str]:
        """Origins of the blocks that the ledger holds."""
        text = self.ledger.read_text(errors="replace") if self.ledger.exists() else ""
        found = re.findall(r'^\{"key": "nuclei: segment [^"]* (\d+),(\d+),(\d+)".*\}\n', text, re.M)
        grid = Grid((1, SIZE, SIZE), (64, BLOCK, BLOCK), (0, HALO, HALO))
        starts = (grid.block((int(z), int(y), int(x))).read.start for z, y, x in found)
        return {",".join(map(str, start)) for start in starts}

    def lines(self) -> int:
        """Whole lines in the ledger."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file of the results, but logs and what a kill may leave behind."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and not _apart(path.relative_to(self.results))
        }


def _apart(path: Path) -> bool:
    timed = path.name in ("index.html", "ro-crate-metadata.json")
    timed = timed or path.suffix == ".log" or "logs" in path.parts
    return timed or path.name.startswith(".") or path.parts[1:2] == ("scratch",)


def make_scene(folder: Path, *, processes: bool = False, delay_s: float = 0.02) -> Scene:
    """Write image, plugin and configuration."""
    plugins = folder / "plugins"
    info = plugins / "noted-1.dist-info"
    info.mkdir(parents=True)
    (plugins / "noted.py").write_text(PLUGIN.replace("HALO", str(HALO)))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noted\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[voxelmill.plugins]\nnoted = noted:Noted\n")
    write_image(str(folder / "image.zarr"), squares(), "cyx", (1.0, 1.0, 1.0), ["0"])
    (folder / "sheet.tsv").write_text("dataset\turl\nimage\timage.zarr\n")
    settings: Mapping[str, object] = {
        "folder": folder, "delay_s": delay_s, "block": BLOCK, "processes": str(processes).lower(),
    }  # fmt: skip
    (folder / "config.yaml").write_text(CONFIG.format(**settings))
    run = {"blocks": {"size": BLOCK}, "compute": {"processes": processes}}
    (folder / "run.json").write_text(json.dumps(run))
    return Scene(folder, processes)


def squares() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Image (t, c, z, y, x) full of small rectangles, many across the seams of blocks."""
    rng = np.random.default_rng(0)
    image = np.zeros((SIZE, SIZE), np.uint8)
    for y, x in rng.integers(0, SIZE - 12, (900, 2)):
        height, width = rng.integers(3, 12, 2)
        image[y : y + height, x : x + width] = 200
        image[max(y - 1, 0), x : x + width] = 0
    return image[None, None, None]
