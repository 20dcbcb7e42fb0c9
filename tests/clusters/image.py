"""The product's image: built from the checkout, run as a pod. Its recipe is ``image/build``."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "image"
NAME = "localhost/voxelmill:test"
UID = 1000620000
"""A user id as OpenShift gives one: not known in the image, in group 0."""


def missing() -> str:
    """Why no image can be built here; empty if it can."""
    if os.geteuid() != 0:
        return "an image is built and run as root"
    if shutil.which("apt-get") is None:
        return "an image is built from Debian's packages: no apt-get here"
    return ""


def build() -> str:
    """Build the image: minutes from nothing, seconds if nothing changed; its name."""
    subprocess.run([HERE / "build"], check=True, timeout=1500, stdout=subprocess.DEVNULL)
    return NAME


def inspect() -> dict[str, Any]:
    """What podman knows of the image."""
    done = _podman("image", "inspect", NAME)
    done.check_returncode()
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def run(
    *words: str,
    uid: int | None = UID,
    read_only: bool = True,
    network: str = "none",
    env: Mapping[str, str] | None = None,
    mounts: Mapping[str, Path] | None = None,
    seconds: int = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a new container, as a pod with the least rights would.

    Parameters
    ----------
    uid : int, optional
        User, in group 0 and without an entry in /etc/passwd; None for that of the image.
    read_only : bool
        Only /tmp and /workdir can be written to.
    mounts : mapping, optional
        Folders by their path in the container, which may end with ``:ro``.
    """
    folders = dict(mounts or {})
    options = [f"--volume={folder}:{place}" for place, folder in folders.items()]
    options += [f"--tmpfs={place}" for place in ("/tmp", "/workdir") if place not in folders]  # noqa: S108
    options += [f"--env={name}={value}" for name, value in (env or {}).items()]
    options += [f"--user={uid}:0"] if uid is not None else []
    options += ["--read-only", "--read-only-tmpfs=false"] if read_only else []
    return _podman(
        "run", "--rm", "--pull=never", f"--network={network}", f"--timeout={seconds}",
        "--passwd=false", "--cap-drop=ALL", "--security-opt=no-new-privileges", *options, NAME,
        *words, seconds=seconds + 30,
    )  # fmt: skip


def _podman(*words: str, seconds: int = 60) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"CONTAINERS_CONF": str(HERE / "containers.conf")}
    return subprocess.run(["podman", *words], env=env, capture_output=True, text=True, check=False,
                          timeout=seconds)  # fmt: skip
