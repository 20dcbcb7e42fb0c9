"""Where a package of the BioImage Model Zoo lies, and the digest of its files."""

import hashlib
from pathlib import Path

from voxelmill.plugin import BadConfig
from voxelmill.segmenters._weights import fingerprint as digest_of

NAMES = ("rdf.yaml", "bioimageio.yaml")


def package(model: str) -> Path:
    """The package's rdf.yaml, or its .zip.

    Raises
    ------
    BadConfig
        It is not there; the text says what to fetch.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        found = next((path / name for name in NAMES if (path / name).is_file()), None)
        if found is None:
            raise BadConfig(f"bioimageio: {model} has no {' or '.join(NAMES)}. Unpack it anew")
        return found
    what = model if "://" in model else f"the package '{path.name}' from https://bioimage.io"
    raise BadConfig(
        f"bioimageio: no file {model} (jobs never download); allowed: a .zip, a folder or an "
        f"rdf.yaml on disk. Fetch {what}, put it where all jobs can read it, and set model: to its "
        "path"
    )


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of an rdf.yaml, over names and digests of all files in its folder."""
    if path.name not in NAMES:
        return digest_of(path)
    whole = hashlib.sha256()
    for name in sorted(f.relative_to(path.parent).as_posix() for f in path.parent.rglob("*")):
        if (path.parent / name).is_file():
            whole.update(f"{name}\0{digest_of(path.parent / name)}\0".encode())
    return whole.hexdigest()
