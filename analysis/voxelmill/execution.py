"""The part of a configuration that never changes a result: blocks, batches, where they run."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Frozen, strict base: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Blocks(Model):
    """Block size of the engine: bounds memory, never changes a result."""

    size: int = Field(default=2048, ge=16, description="Voxels along y and x.")
    depth: int = Field(default=64, ge=1, description="Voxels along z.")


class Batches(Model):
    """How many images one Snakemake job processes: a number, or what a job does in some time.

    Without either, 48 images; at a site, as many as take its ``job_minutes``.
    """

    images: int | None = Field(default=None, ge=1, description="Most images in one batch.")
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="What the longest job of a batch takes, by the calibrated speed.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.images is not None and self.minutes is not None:
            raise ValueError("`images` and `minutes` exclude each other; give one")
        return self


class SlurmWorkers(Model):
    """Dask workers as SLURM jobs, for an image that outgrows a node."""

    jobs: int = Field(ge=1, description="Jobs, each on one node.")
    cores: int = Field(ge=1, description="Cores of a job: blocks worked on at once there.")
    memory_gib: float = Field(gt=0, description="GiB of a job.")
    minutes: int = Field(default=720, ge=1, description="Time limit; lost jobs are replaced.")
    account: str | None = Field(default=None, description="Default: that of the calling job.")
    partition: str | None = Field(default=None, description="Default: that of the cluster.")
    interface: str | None = Field(default=None, description="Network interface, such as ib0.")
    python: str | None = Field(
        default=None,
        description="How a job starts Python, such as `apptainer exec voxelmill.sif python`; "
        "default: the one that runs now.",
    )
    extra: tuple[str, ...] = Field(default=(), description="More options for sbatch.")

    @property
    def all_cores(self) -> int:
        """Cores of all jobs together."""
        return self.jobs * self.cores


class KubernetesWorkers(Model):
    """Dask workers as Jobs of Kubernetes, for an image that outgrows a pod."""

    pods: int = Field(ge=1, description="Pods of workers; lost ones are replaced.")
    cores: int = Field(ge=1, description="Cores of a pod: blocks worked on at once there.")
    memory_gib: float = Field(gt=0, description="GiB of a pod.")

    @property
    def all_cores(self) -> int:
        """Cores of all pods together."""
        return self.pods * self.cores


class Compute(Model):
    """Where blocks run."""

    kind: Literal["local", "address", "slurm", "kubernetes"] = "local"
    processes: bool = Field(default=False, description="local: worker processes, not threads.")
    address: str | None = Field(default=None, description="address: of a Dask scheduler.")
    slurm: SlurmWorkers | None = Field(default=None, description="slurm: jobs of workers.")
    kubernetes: KubernetesWorkers | None = Field(
        default=None, description="kubernetes: pods of workers."
    )
    memory_gib: float | None = Field(
        default=None,
        gt=0,
        description="GiB that may be used at once; without it, what the machine allows.",
    )

    @model_validator(mode="after")
    def _given_where_it_belongs(self) -> Self:
        for kind in ("address", "slurm", "kubernetes"):
            if (self.kind == kind) != (getattr(self, kind) is not None):
                raise ValueError(f"`{kind}` belongs to `kind: {kind}`, and is needed there")
        return self

    @property
    def elsewhere(self) -> SlurmWorkers | KubernetesWorkers | None:
        """Workers on other nodes, which the driver of a large image asks for."""
        return self.slurm or self.kubernetes
