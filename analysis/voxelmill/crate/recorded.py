"""What a crate says of the run of one dataset: enough to check its results, and to make them anew.

All paths are as seen from the crate's own folder, with ``/``; images are named as in the dataset
(``B/03/0``; empty for a single image).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """A file of the results."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Recorded:
    """Contents of one ``ro-crate-metadata.json``.

    Attributes
    ----------
    root : str
        Folder or address of the crate: what its paths start from.
    dataset : str
        Name of the dataset.
    url : str
        Where the input lay: an address, or a path as seen from the crate; empty where only an
        absolute path could say it.
    name : str
        Last part of the input's path, such as ``plate.zarr``.
    config : mapping
        JSON of the configuration as it is kept in the crate: all that changes a result, how stores
        are reached, and the study.
    plate_map : str
        Path of the copy of the plate map; empty: there was none.
    versions : mapping of str to str
        Package to version; ``python`` and ``voxelmill`` among them.
    lock : str
        SHA-256 of ``requirements.lock``.
    inputs : mapping of str to str
        Image to digest of its inventory (see ``store.inventory``).
    labels : mapping of (image, object set) to str
        SHA-256 of the labels, as records of *segment* have it.
    batches : mapping of str to tuple of str
        Batch to its images, in any order.
    left_out : mapping of str to str
        Quarantined and excluded images, and why.
    files : mapping of str to StoredFile
        Tables, pages, records and the list of checksums; not the files of labels.
    """

    root: str
    dataset: str
    url: str
    name: str
    config: Mapping[str, Any]
    plate_map: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    lock: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[tuple[str, str], str] = field(default_factory=dict)
    batches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, StoredFile] = field(default_factory=dict)
