"""A segmenter that fails as a script says and counts how often it is started, and a slow one.

They are installed as a package of a third party: a folder on PYTHONPATH. The script is a folder
named by VOXELMILL_SCRIPT: ``<batch>.fault`` says what the first execution for a batch does (exit,
sleep, eat: take all memory), or what all do (`exit always`); every execution adds a line "process
node" to ``<batch>.starts``. For pods, which share no folder, it is a prefix in a bucket, with an
object for each execution.
"""

import os
from pathlib import Path

CODE = '''
import os
import socket
import sys
import time
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from scipy import ndimage as ndi

from voxelmill.segmenters import Segmenter
from voxelmill.segmenters.watershed import Watershed


class Scripted(Segmenter):
    """Connected voxels above a level, and what a script adds."""

    kind: Literal["scripted"] = "scripted"
    source: ClassVar[str] = "Rosenfeld & Pfaltz 1966, doi:10.1145/321356.321357"
    level: float

    def halo(self, spacing_um):
        return 0, 40, 40

    def __call__(self, image, spacing_um, seeds=None):
        act()
        return ndi.label(image[0] > self.level)[0].astype(np.int32)


class Slow(Watershed):
    """Takes VOXELMILL_PAUSE_S longer for a block, so that there is time for what the test does."""

    kind: Literal["slow"] = "slow"

    def __call__(self, image, spacing_um, seeds=None):
        time.sleep(float(os.environ.get("VOXELMILL_PAUSE_S", "0")))
        return super().__call__(image, spacing_um, seeds)


class Broken(Watershed):
    """Has a mistake in its program, of which a job dies with a traceback."""

    kind: Literal["broken"] = "broken"

    def halo(self, spacing_um):
        raise RuntimeError("a mistake in a plugin")


def act(done=[]):
    script = os.environ.get("VOXELMILL_SCRIPT")
    if not script or done:
        return
    done.append(True)
    batch = next((Path(a).stem for a in sys.argv if "/batches/" in a), "unknown")
    who = f"{os.getpid()} {os.environ.get('SLURMD_NODENAME', socket.gethostname())}\\n"
    read = on_store if "://" in script else in_folder
    text, number = read(script, batch, who)
    fault, _, always = text.partition(" ")
    if number > 1 and not always:
        return
    if fault == "exit":
        sys.stderr.write("the script says so\\n")
        sys.stderr.flush()
        os._exit(3)
    eaten = []
    while fault == "eat":
        eaten.append(np.ones(1 << 24))
    if fault:
        time.sleep(3600)


def in_folder(script, batch, who):
    starts = Path(script, batch + ".starts")
    with starts.open("a") as file:
        file.write(who)
    fault = Path(script, batch + ".fault")
    return fault.read_text() if fault.exists() else "", len(starts.read_text().splitlines())


def on_store(script, batch, who):
    from voxelmill.store.place import listing, place_at

    place = place_at(script)
    starts = place / (batch + ".starts")
    one = starts / str(time.time_ns())
    one.objects.put(one.key, who.encode())
    fault = place / (batch + ".fault")
    return (fault.objects.get(fault.key) or b"").decode(), len(listing(starts))
'''


def install(site: Path) -> None:
    """Write the package into a folder for PYTHONPATH."""
    info = site / "scripted_faults-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "scripted_faults.py").write_text(CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted-faults\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[voxelmill.plugins]\nscripted = scripted_faults:Scripted\nslow = scripted_faults:Slow\n"
        "broken = scripted_faults:Broken\n"
    )


def environment(site: Path, script: Path | None = None) -> dict[str, str]:
    """Environment of a run with the package; `script` is the folder of the script."""
    before = os.environ.get("PYTHONPATH", "")
    found = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{before}".rstrip(os.pathsep)}
    return found | ({"VOXELMILL_SCRIPT": str(script)} if script else {})


def starts(script: Path, batch: str) -> list[tuple[int, str]]:
    """Executions so far: process and node."""
    file = script / f"{batch}.starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]
