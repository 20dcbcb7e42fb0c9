"""The configuration file as frozen pydantic models; the JSON schema is generated from them.

``Settings`` is what a step may depend on; ``Config`` adds where the data are and how to run.
``Settings.part(step)`` is the JSON of exactly the settings that change what `step` computes:
Snakemake tracks it as a parameter, so a change elsewhere reruns nothing.
"""

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from voxelmill.choice import AnyFeature, AnyMetric, AnySegmenter, tagged

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]

PARTS: dict[str, tuple[str, ...]] = {
    "qc": ("qc", "sparse"),
    "segment": ("objects", "sparse", "labels"),
    "measure": ("objects", "features", "relations", "sparse"),
    "aggregate": ("objects", "features", "relations", "qc"),
    "report": ("objects", "features", "qc", "sparse"),
}
"""Which settings change the result of which step."""


class Model(BaseModel):
    """Frozen, strict base: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Segmented(Model):
    """Objects found in one channel, or in several together."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
    channel: str | tuple[str, ...] = Field(
        description="Channel name as in `voxelmill inspect`, or its index; a list of them where "
        "the segmenter takes several."
    )
    segmenter: AnySegmenter
    halo_px: int = Field(
        default=0,
        ge=0,
        description="Least context of a block along y and x (along z as far in µm), for objects "
        "longer than the segmenter expects; the report says when it is needed.",
    )

    @model_validator(mode="after")
    def _not_too_many_channels(self) -> Self:
        most, given = self.segmenter.most_channels, len(self.channels)
        if not 1 <= given <= most:
            raise ValueError(f"{given} channels; this segmenter takes 1 to {most}")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """The channel, or all of them."""
        return (self.channel,) if isinstance(self.channel, str) else self.channel

    @property
    def needs(self) -> tuple[str, ...]:
        """Object sets that must exist before."""
        seeds = getattr(self.segmenter, "seeds", None)
        return (seeds,) if isinstance(seeds, str) else ()


class Subtracted(Model):
    """Objects of one set minus those of another, with the ids of the first."""

    subtract: tuple[Name, Name] = Field(description="[cells, nuclei] gives the cytoplasm.")

    @property
    def needs(self) -> tuple[str, ...]:
        """Object sets that must exist before."""
        return self.subtract


def _object_set_kind(value: object) -> str:
    subtracts = "subtract" in value if isinstance(value, dict) else isinstance(value, Subtracted)
    return "subtract" if subtracts else "segment"


if TYPE_CHECKING:
    ObjectSet: TypeAlias = Segmented | Subtracted
else:
    ObjectSet = tagged({"segment": Segmented, "subtract": Subtracted}, _object_set_kind, "set")


class Relation(Model):
    """Two object sets, of which objects of one lie in objects of the other."""

    parent: Name
    child: Name


class QC(Model):
    """Quality control."""

    metrics: tuple[AnyMetric, ...] = Field(
        default=("focus", "saturation", "background", "empty"), validate_default=True
    )
    gate: Literal["report"] = Field(
        default="report", description="report: flag images, and go on with all of them."
    )


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


class Compute(Model):
    """Where blocks run."""

    kind: Literal["local", "address", "slurm"] = "local"
    processes: bool = Field(default=False, description="local: worker processes, not threads.")
    address: str | None = Field(default=None, description="address: of a Dask scheduler.")
    slurm: SlurmWorkers | None = Field(default=None, description="slurm: jobs of workers.")
    memory_gib: float | None = Field(
        default=None,
        gt=0,
        description="GiB that may be used at once; without it, what the machine allows.",
    )

    @model_validator(mode="after")
    def _address_given(self) -> Self:
        if (self.kind == "address") != (self.address is not None):
            raise ValueError("`address` belongs to `kind: address`, and is needed there")
        if (self.kind == "slurm") != (self.slurm is not None):
            raise ValueError("`slurm` belongs to `kind: slurm`, and is needed there")
        return self


class Settings(Model):
    """What steps compute."""

    objects: dict[Name, ObjectSet] = Field(
        default={}, description="Object sets by name; order does not matter."
    )
    features: tuple[AnyFeature, ...] = Field(default=("shape", "intensity"), validate_default=True)
    relations: tuple[Relation, ...] = Field(
        default=(),
        description="[{parent: cells, child: spots}] gives each spot its cell, each cell its count "
        "of spots.",
    )
    qc: QC = QC()
    sparse: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="refuse: an image with absent chunks is quarantined. allow: absent = 0.",
    )
    labels: Literal["folder", "zip"] = Field(
        default="folder",
        description="folder: one sidecar OME-Zarr. zip: one zipped OME-Zarr a batch, for file "
        "systems that count files.",
    )

    @model_validator(mode="after")
    def _sets_exist(self) -> Self:
        for name, spec in self.objects.items():
            for other in spec.needs:
                if other not in self.objects:
                    allowed = ", ".join(n for n in self.objects if n != name) or "none"
                    raise ValueError(
                        f"objects.{name}: no object set '{other}'; there are: {allowed}"
                    )
        for relation in self.relations:
            for name in (relation.parent, relation.child):
                if name not in self.objects:
                    allowed = ", ".join(self.objects) or "none"
                    raise ValueError(f"relations: no object set '{name}'; there are: {allowed}")
            if relation.parent == relation.child:
                raise ValueError(f"relations: '{relation.parent}' is its own parent; name two sets")
        self.order()
        return self

    def order(self) -> list[str]:
        """Object sets, each after those it needs, otherwise as written.

        Raises
        ------
        ValueError
            Object sets need each other in a circle.
        """
        graph = {name: spec.needs for name, spec in self.objects.items()}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ValueError(f"objects: {' → '.join(error.args[1])} need each other") from None

    def prepared(self) -> Self:
        """Make every segmenter ready for a run, before any job starts; see the contract."""
        objects = {
            name: spec.model_copy(update={"segmenter": spec.segmenter.prepared()})
            if isinstance(spec, Segmented)
            else spec
            for name, spec in self.objects.items()
        }
        return self.model_copy(update={"objects": objects})

    def environment(self) -> str:
        """Environment of the workflow in which objects are segmented.

        Raises
        ------
        ValueError
            Segmenters need different ones.
        """
        found = {
            spec.segmenter.environment()
            for spec in self.objects.values()
            if isinstance(spec, Segmented)
        } - {"voxelmill"}
        if len(found) > 1:
            raise ValueError(f"objects: segmenters for {' and '.join(sorted(found))}; one a run")
        return found.pop() if found else "voxelmill"

    def channels(self) -> list[str]:
        """Channels that segmentation reads, each once."""
        found = (s.channels for s in self.objects.values() if isinstance(s, Segmented))
        return list(dict.fromkeys(c for channels in found for c in channels))

    def part(self, step: str) -> dict[str, Any]:
        """Return the settings that change what `step` computes, as JSON values."""
        return self.model_dump(mode="json", include=set(PARTS[step]))


class Config(Settings):
    """A whole configuration file."""

    datasets: str = Field(description="Sheet with columns dataset, url [, plate_map].")
    results: str = Field(default="results", description="Folder that everything is written to.")
    stores: dict[str, Any] = Field(
        default={},
        max_length=0,
        description="Endpoints of object stores; none can be set yet, http(s) needs none.",
    )
    site: str | None = Field(
        default=None, description="Partition file: a name in profiles/slurm, or a path."
    )
    blocks: Blocks = Blocks()
    batches: Batches = Batches()
    compute: Compute = Compute()
    max_quarantined: int = Field(
        default=0, ge=0, description="Images; beyond it the run ends non-zero, after all else."
    )
    objects: dict[Name, ObjectSet] = Field(
        min_length=1, description="Object sets by name; order does not matter."
    )
