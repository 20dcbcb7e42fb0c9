"""A site: what a cluster gives and what it allows, as its partition file says.

In: the name of a file in ``profiles/slurm`` or ``profiles/kubernetes``, or a path. Out: `Site`. One
YAML file serves two readers: Snakemake's SLURM plugin reads ``partitions``, voxelmill reads
``site`` (and the limits of the partitions, to refuse what no partition takes; a pod of Kubernetes
is one partition). Pure data; the only file that is read here.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from voxelmill.configfile import parse, read_yaml
from voxelmill.execution import Model
from voxelmill.home import home
from voxelmill.plugin import BadConfig


class Storage(Model):
    """A file system or an object store with its quota; None: no limit known."""

    files: int | None = Field(default=None, description="Files (objects a bucket).")
    gib: float | None = Field(default=None, description="GiB.")
    buckets: int | None = Field(default=None, description="Buckets of an object store.")
    units_tib_hour: float = Field(default=0.0, description="Billing units a TiB and hour.")


class Billing(Model):
    """Billing units; a job pays the larger of what its cores and its memory cost."""

    core_hour: float = 0.0
    gib_hour: float = 0.0


class Site(Model):
    """Section ``site`` of a partition file."""

    name: str
    max_jobs: int = Field(ge=1, description="Jobs in flight.")
    cores: int = Field(ge=1, description="Cores of the job of one batch.")
    job_minutes: float = Field(
        default=40, gt=0, description="What the longest job of a batch takes."
    )
    queue_minutes: float = Field(default=5, ge=0, description="Typical wait of a job in the queue.")
    scratch: Storage = Storage()
    objects: Storage = Storage()
    billing: Billing = Billing()


class Partition(BaseModel):
    """Limits of one partition, in the words of Snakemake's SLURM plugin."""

    model_config = ConfigDict(frozen=True, extra="allow")
    max_runtime: int | str | None = None
    max_mem_mb: int | None = None
    max_threads: int | None = None


class SiteFile(Model):
    """A whole partition file."""

    partitions: dict[str, Partition] = Field(min_length=1)
    site: Site


def site_path(name: str) -> Path:
    """File of a site: a path that ends in ``.yaml``, or the name of one among the profiles.

    Raises
    ------
    BadConfig
        There is none; the text names those there are.
    """
    found = {p.stem: p for p in home("profiles").glob("*/*.yaml") if p.stem != "config"}
    path = Path(name) if name.endswith((".yaml", ".yml")) else found.get(name)
    if path is None or not path.is_file():
        raise BadConfig(
            f"site: no file {path or f'{name}.yaml'}; allowed: {', '.join(sorted(found))}, or the "
            "path of a partition file"
        )
    return path


def load_site(name: str) -> SiteFile:
    """Read the partition file of a site.

    Raises
    ------
    BadConfig
        It is absent, no YAML, has a key twice, or breaks a rule.
    """
    path = site_path(name)
    try:
        data = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, yaml.YAMLError) as error:
        raise BadConfig(f"{path}: {' '.join(str(error).split())}") from None
    return parse(SiteFile, data, str(path))
