"""Arrays in scratch files: what tasks leave on disk for later tasks of the same step.

One file holds several named arrays, each compressed on its own where that saves space, so that a
reader takes what it needs. A file is there whole or not at all. Where tasks run on machines that
share no disk, the files are objects on a store. The header is JSON, not numpy's:
numpy reads its own with ``ast``, which fails at random in threads of CPython before 3.11.5
(gh-106905).

    VMS1 | length of header | header: name → dtype, shape, pieces (offset, bytes, crc) | pieces
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import imagecodecs
import numpy as np

from voxelmill.plugin import AccessDenied, Array, StoreUnavailable, VoxelmillError
from voxelmill.store.place import Place, StorePath

LZ4: Any = imagecodecs  # its stubs do not know that it takes any buffer
MAGIC = b"VMS1"
PIECE = 1 << 26
"""Bytes compressed at once; LZ4 takes less than 2 GiB."""
SMALL = 1 << 12
"""Bytes of an array below which compressing costs more time than it saves."""

Header: TypeAlias = dict[str, dict[str, Any]]
Read: TypeAlias = Callable[[int, int], bytes]
"""Gives bytes of a file: from where, and how many."""


class ScratchError(VoxelmillError):
    """A scratch file is absent or not what was written."""


def save(path: Place, **arrays: Array) -> None:
    """Write arrays by name, atomically."""
    header: Header = {}
    pieces: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        places = []
        for start in range(0, flat.size, PIECE):
            piece = _packed(flat[start : start + PIECE])
            places.append((offset, len(piece), zlib.crc32(piece)))
            pieces.append(piece)
            offset += len(piece)
        header[name] = {"dtype": array.dtype.str, "shape": array.shape, "pieces": places}
    text = json.dumps(header).encode()
    _write(path, [MAGIC, len(text).to_bytes(4, "little"), text, *pieces])


def _write(path: Place, parts: Sequence[bytes]) -> None:
    if not isinstance(path, Path):
        path.objects.put(path.key, b"".join(parts))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.writelines(parts)
    part.replace(path)


def _packed(plain: Array) -> bytes:
    """Compressed bytes; the plain ones where that saves nothing: as many as there were."""
    packed = bytes(LZ4.lz4_encode(plain)) if plain.size >= SMALL else b""
    return packed if 0 < len(packed) < plain.size else plain.tobytes()


def load(path: Place, *names: str) -> list[Array]:
    """Read arrays by name.

    Raises
    ------
    ScratchError
        The file is absent, or not what was written.
    """
    found = load_all(path, names)
    return [found[name] for name in names]


def load_all(path: Place, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Read all arrays of a file, or those named; see `load`."""
    try:
        if not isinstance(path, Path):
            return _arrays(_content(path), names)
        with path.open("rb") as file:
            return _arrays(lambda start, size: os.pread(file.fileno(), size, start), names)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        StoreUnavailable,
        AccessDenied,
    ) as error:
        raise ScratchError(
            f"{path}: scratch file absent or damaged ({error}). Remove its folder and run again"
        ) from error


def _content(path: StorePath) -> Read:
    """Reader of an object, which is fetched whole: most of it is wanted."""
    content = path.objects.get(path.key)
    if content is None:
        raise ValueError("no such object")
    return lambda start, size: content[start : start + size]


def _arrays(read: Read, names: Sequence[str] | None) -> dict[str, Array]:
    start = read(0, 8)
    if start[:4] != MAGIC:
        raise ValueError("no scratch file")
    length = int.from_bytes(start[4:], "little")
    header: Header = json.loads(read(8, length))
    wanted = header if names is None else names
    return {name: _array(read, 8 + length, header[name]) for name in wanted}


def _array(read: Read, base: int, entry: Mapping[str, Any]) -> Array:
    array: Array = np.empty(entry["shape"], np.dtype(entry["dtype"]))
    flat = array.reshape(-1).view(np.uint8)
    for number, (offset, size, crc) in enumerate(entry["pieces"]):
        piece = read(base + offset, size)
        if len(piece) != size or zlib.crc32(piece) != crc:
            raise ValueError("checksum does not match")
        out = flat[number * PIECE : (number + 1) * PIECE]
        if size == out.size:
            out[:] = np.frombuffer(piece, np.uint8)
        else:
            LZ4.lz4_decode(piece, out=out)
    return array
