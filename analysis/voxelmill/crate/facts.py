"""What a finished dataset says of itself, before it becomes JSON-LD. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxelmill.crate.recorded import StoredFile
from voxelmill.study import Study


@dataclass(frozen=True)
class Source:
    """The images.

    Attributes
    ----------
    url, name : str
        As `Recorded` has them.
    images, bytes : int
        How many, and of their pixels, decoded; 0 where that is not known.
    """

    url: str
    name: str
    images: int
    bytes: int = 0


@dataclass(frozen=True)
class Job:
    """One execution of one step.

    Attributes
    ----------
    step : str
    batch : str
        Empty: of the whole dataset.
    start, end : float
        Seconds since 1970; start 0 where only the end is known.
    core_s, cores, gib : float
        Processor time, and what it was given; 0 where that is not known.
    voxelmill : str
        Version that its record names.
    text : str
        What it had to do.
    """

    step: str
    batch: str
    end: float
    start: float = 0.0
    core_s: float = 0.0
    cores: float = 0.0
    gib: float = 0.0
    voxelmill: str = ""
    text: str = ""

    @property
    def name(self) -> str:
        """Step and batch."""
        return f"{self.step}-{self.batch}" if self.batch else self.step


@dataclass(frozen=True)
class Container:
    """Image that steps ran in; its digest is empty where nobody tells it."""

    name: str
    registry: str = ""
    tag: str = ""
    sha256: str = ""
    sif: bool = False


@dataclass(frozen=True)
class Software:
    """What computed."""

    versions: Mapping[str, str]
    """Python, voxelmill and packages."""
    addresses: Mapping[str, str]
    """Of packages, as they name them themselves."""
    fingerprint: str
    """Version of voxelmill and digest of its sources."""
    lock: str
    """SHA-256 of ``requirements.lock``."""
    citation: str
    container: Container | None = None


@dataclass(frozen=True)
class BatchFacts:
    """Lines on the images of one batch."""

    name: str
    images: int
    inputs: Mapping[str, str]
    labels: Mapping[tuple[str, str], str]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """All of it.

    Attributes
    ----------
    config : mapping
        What changes a result, stores and study; as JSON.
    config_text : str
        The same as the file ``provenance/config.yaml`` has it.
    parts : mapping of str to sequence of str
        Step to the keys of `config` that it depends on.
    files : mapping of str to StoredFile
        Files of the crate but those of labels.
    folders : tuple of str
        Folders of many files that are named as a whole.
    plate_map : str
        Path of its copy; empty: none.
    approval : mapping
        Content of ``approval.json``; empty: nobody was asked.
    """

    dataset: str
    source: Source
    study: Study
    config: Mapping[str, Any]
    config_text: str
    parts: Mapping[str, tuple[str, ...]]
    jobs: tuple[Job, ...]
    batches: tuple[BatchFacts, ...]
    files: Mapping[str, StoredFile]
    folders: tuple[str, ...]
    software: Software
    plate_map: str = ""
    approval: Mapping[str, Any] = field(default_factory=dict)
