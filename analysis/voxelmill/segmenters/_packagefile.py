"""Where a package of the BioImage Model Zoo lies, and the digest of its files."""

import hashlib
from functools import lru_cache
from pathlib import Path

from voxelmill.plugin import BadConfig

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


@lru_cache(maxsize=64)
def digest(path: Path, size: int, changed_ns: int) -> str:
    """SHA-256 of a file; computed again where its size or age differs."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of an rdf.yaml, over names and digests of all files in its folder."""
    if path.name not in NAMES:
        return _of_file(path)
    whole = hashlib.sha256()
    for name in sorted(f.relative_to(path.parent).as_posix() for f in path.parent.rglob("*")):
        if (path.parent / name).is_file():
            whole.update(f"{name}\0{_of_file(path.parent / name)}\0".encode())
    return whole.hexdigest()


def _of_file(path: Path) -> str:
    found = path.stat()
    return digest(path, found.st_size, found.st_mtime_ns)
