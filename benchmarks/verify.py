"""Re-reading labels: `voxelmill verify` against decoding the same labels with zarr-python.

One image of 8192 x 8192 with its pyramid (few files), and a plate of fields (many). Both read all
files of all levels with as many threads; MB/s are those of the stored bytes, for both. Arrays are
opened beforehand for zarr; verify goes through the list. ``python -m benchmarks.verify``.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import zarr

from benchmarks.labels import ours as write_labels
from benchmarks.labels import sample
from benchmarks.timing import Row, interleaved, table
from voxelmill.crate.recorded import StoredFile
from voxelmill.plugin import Labels
from voxelmill.progress import Progress
from voxelmill.steps.verifying import Checked, check, threads
from voxelmill.verification import LIST

FIELD, FIELDS = 1080, 96
MUST, AIM = 0.8, 2.0
Arrays = Sequence["zarr.Array[Any]"]


def fields(folder: Path, labels: Labels) -> None:
    """Write a plate's worth of labels, each another part of an image."""
    most = labels.shape[1] // FIELD
    for number in range(FIELDS):
        y, x = (FIELD * n for n in divmod(number % most**2, most))
        write_labels(folder / f"{number}", labels[:, y : y + FIELD, x : x + FIELD])


def write_list(folder: Path) -> StoredFile:
    """Write the list of all files; what a crate would say of it."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    text = "".join(
        f"{md5((folder / path).read_bytes(), usedforsecurity=False).hexdigest()}  {path}\n"
        for path in files
        if (folder / path).is_file()
    ).encode()
    (folder / LIST).write_bytes(text)
    return StoredFile(len(text), sha256(text).hexdigest())


def ours(folder: Path, named: StoredFile) -> Checked:
    """Verify all files."""
    checked = Checked("labels")
    check(checked, str(folder), {LIST: named}, Progress(show=False).stage)
    return checked


def by_zarr(arrays: Arrays, workers: int) -> int:
    """Decode all chunks of all levels; bytes of the labels."""
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(lambda array: array[...].nbytes, arrays))


def measure() -> list[Row]:
    """Rows of MB/s of stored bytes."""
    labels = sample()
    with tempfile.TemporaryDirectory() as scratch:
        one, many = Path(scratch) / "one", Path(scratch) / "many"
        write_labels(one, labels)
        fields(many, labels)
        return [
            _row(one, "verify labels of 8192²"),
            _row(many, f"verify labels of {FIELDS} fields of {FIELD}²"),
        ]


def _row(folder: Path, name: str) -> Row:
    named, workers = write_list(folder), threads(str(folder))
    arrays = [
        zarr.open_array(path.parent, mode="r")
        for path in sorted(folder.rglob("zarr.json"))
        if b'"array"' in path.read_bytes()
    ]
    checked = ours(folder, named)
    if checked.kinds or checked.files < len(arrays):
        raise RuntimeError(f"{folder}: {checked.kinds}, {checked.files} files")
    with zarr.config.set({"threading.max_workers": workers, "async.concurrency": workers}):
        seconds = interleaved(
            {"ours": partial(ours, folder, named), "zarr": partial(by_zarr, arrays, workers)}
        )
    speed = {who: round(checked.bytes / 1e6 / s, 1) for who, s in seconds.items()}
    decoded = by_zarr(arrays, workers) / 1e6
    print(f"{name}: {checked.files} files, {checked.bytes / 1e6:.1f} MB, decoded {decoded:.0f} MB; "
          f"{workers} threads; seconds {seconds}")  # fmt: skip
    ratio = round(speed["ours"] / speed["zarr"], 2)
    peer = "decoding them with zarr-python"
    return Row(name, speed["ours"], speed["zarr"], peer, "MB/s", ratio, MUST, AIM)


if __name__ == "__main__":
    print(table(measure()))
