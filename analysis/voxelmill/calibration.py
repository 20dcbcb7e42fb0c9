"""What `voxelmill calibrate` has measured on one kind of node, and where it is kept.

In: a site's name, or none for this machine. Out: `Calibration`, a JSON file beside the site's
partition file; where nothing was measured, numbers of a slow core (`assumed.json`). Pure data.
"""

import json
import os
import platform
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from voxelmill.configfile import parse
from voxelmill.execution import Model
from voxelmill.home import home
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, OutputExists
from voxelmill.site import site_path

ASSUMED = Path(__file__).with_name("assumed.json")
LOCAL = "calibration.json"


class Rate(Model):
    """What one plugin costs."""

    voxel: float = Field(
        default=0.0,
        ge=0,
        description="Core-seconds a voxel: of each channel a QC metric reads, of what a segmenter "
        "is given, of each object set a feature family measures.",
    )
    column: float = Field(
        default=0.0, ge=0, description="And a voxel for every column that a feature family makes."
    )
    start: float = Field(
        default=0.0, ge=0, description="Seconds of a job to load it, once; 0: the step's own."
    )


class Calibration(Model):
    """Costs on one kind of node, with all of its cores busy."""

    voxelmill: str = Field(description="Version that was measured.")
    cpu: str = Field(description="Model of the processor.")
    cores: int = Field(ge=1, description="Cores that were busy.")
    quiet: bool = Field(
        default=True,
        description="No other programs ran, so waiting for the file system counts too.",
    )
    start: dict[str, float] = Field(description="Seconds of a job of a step, without images.")
    image: dict[str, float] = Field(
        description="Core-seconds an image by step; `set` for each object set besides, "
        "`column` for each column of its table, `thumbnail` of the report."
    )
    voxel: dict[str, float] = Field(
        description="Core-seconds a voxel: `read` (and channel), `write` a set, `subtract` one, "
        "`measure` one whatever is measured."
    )
    value: float = Field(ge=0, description="Core-seconds of aggregate for a value of a table.")
    plugins: dict[str, Rate] = Field(description="By group and kind, such as `segmenter watershed`")
    serial: dict[str, float] = Field(
        default={}, description="Share of a step's work that only one thread of a job does."
    )
    snakemake: dict[str, float] = Field(
        description="Seconds of a whole run: `start`, and `job` for each job of it."
    )
    bytes: dict[str, float] = Field(
        description="Bytes written: `label` for each object and pixel of its diameter, `value` of "
        "a table, `index` and `record` for each object and image."
    )

    @model_validator(mode="after")
    def _knows_all_steps(self) -> Self:
        for step in (*BATCH_STEPS, *DATASET_STEPS):
            if step not in self.start or step not in self.image:
                raise ValueError(f"'{step}' is not measured. Run `voxelmill calibrate` again")
        return self


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name of this machine's processor."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine() or "unknown"


def calibration_path(site: str | None) -> Path:
    """File in which the calibration of a site, or of this machine, is kept.

    Raises
    ------
    BadConfig
        There is no such site.
    """
    if site is not None:
        return site_path(site).with_suffix(".calibration.json")
    beside = home("profiles") / "local" / LOCAL
    return beside if beside.exists() or os.access(beside.parent, os.W_OK) else _cache() / LOCAL


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "voxelmill"


def load_calibration(site: str | None) -> Calibration | None:
    """What was measured for a site, or this machine; None if nothing was.

    Raises
    ------
    BadConfig
        The file is damaged, or there is no such site.
    """
    path = calibration_path(site)
    return _read(path) if path.exists() else None


@cache
def assumed() -> Calibration:
    """Numbers that stand in where nothing was measured."""
    return _read(ASSUMED)


def save_calibration(path: Path, found: Calibration) -> None:
    """Write a calibration.

    Raises
    ------
    OutputExists
        The file cannot be written there.
    """
    try:
        write_json(path, found.model_dump(mode="json"))
    except OSError as error:
        raise OutputExists(
            f"{path}: cannot be written ({error.strerror}). Name another file with --out"
        ) from None


def _read(path: Path) -> Calibration:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(
            f"{path}: no calibration ({' '.join(str(error).split())}). Run `voxelmill calibrate`"
        ) from None
    return parse(Calibration, data, str(path))
