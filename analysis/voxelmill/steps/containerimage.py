"""The container image that steps ran in, with its digest where anybody tells it.

In: what the main process knows of the configured image, the environment of this process. Out: a
`Container`; None outside of any. Apptainer says in the environment that it is there, a pod asks
its cluster what it was made from.
"""

import os
from pathlib import Path

from voxelmill.crate.facts import Container
from voxelmill.ledger import sha256_of
from voxelmill.plugin import VoxelmillError

APPTAINER = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
"""Variables that Apptainer sets inside a container to the path of its image."""
POD = "KUBERNETES_SERVICE_HOST"
MARK = "@sha256:"


def told(image: str) -> str:
    """Name and digest of a configured image, without its folder; empty where there is none.

    Parameters
    ----------
    image : str
        Path of a .sif file, or ``docker://…``.
    """
    path = Path(image)
    if "://" in image or not image:
        return image
    return f"{path.name}{MARK}{sha256_of(path)}" if path.is_file() else path.name


def container(configured: str) -> Container | None:
    """Container of this process.

    Parameters
    ----------
    configured : str
        As `told` has it: believed where this process is in an Apptainer container.
    """
    inside = next((os.environ[name] for name in APPTAINER if os.environ.get(name)), "")
    if inside:
        return named(configured or Path(inside).name)
    return _of_pod() if os.environ.get(POD) else None


def named(text: str) -> Container:
    """Parts of the name of an image."""
    scheme, _, rest = text.rpartition("://")
    whole, _, digest = rest.partition(MARK)
    if not scheme and (whole.endswith((".sif", ".simg")) or "/" not in whole):
        return Container(whole, sha256=digest, sif=True)
    first, slash, path = whole.partition("/")
    # As Docker reads it: a first part without a dot or a port is no registry.
    registry, path = (first, path) if slash and set(first) & set(".:") else ("docker.io", whole)
    name, _, tag = path.partition(":")
    return Container(name, registry, tag, digest)


def _of_pod() -> Container | None:
    from voxelmill.kubeapi import Api

    try:
        pod = Api().own_pod()
    except VoxelmillError:
        # Without the right to read pods, nobody tells it.
        return None
    states = pod["status"].get("containerStatuses") if pod else None
    if not pod or not states:
        return None
    image = named(f"docker://{pod['spec']['containers'][0]['image'].partition(MARK)[0]}")
    digest = str(states[0].get("imageID") or "").rpartition("sha256:")[2]
    return Container(image.name, image.registry, image.tag, digest)
