"""The configuration file as frozen pydantic models; the JSON schema is generated from them.

``Settings`` is what a step may depend on; ``Config`` adds where the data are and how to run.
``Settings.part(step)`` is the JSON of exactly the settings that change what `step` computes:
Snakemake tracks it as a parameter, so a change elsewhere reruns nothing.
"""

import re
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from voxelmill.choice import DEFAULT_METRICS, AnyFeature, AnyMetric, Level, with_defaults
from voxelmill.execution import Batches, Blocks, Compute, Model
from voxelmill.illumination import Illumination
from voxelmill.incoming import Incoming
from voxelmill.objectsets import Name, ObjectSet, Segmented
from voxelmill.qc import Metric, ObjectMetric
from voxelmill.storeoptions import Stores, is_url
from voxelmill.study import Study

MIRROR = ".snakemake/storage/results"
"""Where Snakemake keeps copies of what it stores under the tag ``results``."""

PARTS: dict[str, tuple[str, ...]] = {
    "qc": ("qc", "sparse"),
    "review": ("qc", "sparse"),
    "illumination": ("illumination", "sparse"),
    "segment": ("objects", "sparse", "labels", "illumination"),
    "measure": ("objects", "features", "relations", "sparse", "illumination"),
    "aggregate": ("objects", "features", "relations", "qc"),
    "report": ("objects", "features", "qc", "sparse", "illumination"),
    "provenance": (
        "objects",
        "features",
        "relations",
        "qc",
        "sparse",
        "illumination",
        "labels",
        "batches",
        "stores",
        "study",
    ),
}
"""Which settings change the result of which step."""
GATED = ("review", "report", "provenance")
"""Steps whose result shows `qc.gate`."""


class Relation(Model):
    """Two object sets, of which objects of one lie in objects of the other."""

    parent: Name
    child: Name


class QC(Model):
    """Quality control."""

    metrics: Annotated[tuple[AnyMetric, ...], BeforeValidator(with_defaults)] = Field(
        default=DEFAULT_METRICS, validate_default=True
    )
    gate: Literal["report", "ask", "auto"] = Field(
        default="report",
        description="report: flag images, and go on with all of them. ask: stop at the QC report "
        "until `voxelmill approve`. auto: leave out images whose verdict is fail.",
    )

    def of(self, level: type[Level]) -> tuple[Level, ...]:
        """Metrics of one level: `Metric`, `ObjectMetric` or `PlateMetric`."""
        return tuple(metric for metric in self.metrics if isinstance(metric, level))


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
    illumination: Illumination | None = Field(
        default=None,
        description="Corrects uneven light in segment and measure; QC judges pixels as they are.",
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
        for metric in self.qc.of(ObjectMetric):
            for name in metric.sets:
                if name not in self.objects:
                    allowed = ", ".join(self.objects) or "none"
                    raise ValueError(f"qc.metrics: no object set '{name}'; there are: {allowed}")
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

    def lacking(self, have: Sequence[str]) -> tuple[str, str] | None:
        """Object set, and the channel it needs, of an image that only has these; None: all fit."""
        for name, spec in self.objects.items():
            for channel in spec.channels if isinstance(spec, Segmented) else ():
                by_index = channel.isdigit() and int(channel) < len(have)
                if have and channel not in have and not by_index:
                    return name, channel
        return None

    def part(self, step: str) -> dict[str, Any]:
        """Return the settings that change what `step` computes, as JSON values."""
        off = {"illumination"} if self.illumination is None else set()
        less = {} if step in GATED else {"qc": {"gate"}}
        found = self.model_dump(mode="json", include=set(PARTS[step]) - off, exclude=less)
        if step in ("qc", "review"):  # Limits of objects and plates must not read pixels again.
            found["qc"]["metrics"] = [m.model_dump(mode="json") for m in self.qc.of(Metric)]
        return found


class Config(Settings):
    """A whole configuration file."""

    datasets: str = Field(description="Sheet with columns dataset, url [, plate_map].")
    results: str = Field(
        default="results",
        description="Folder that everything is written to, or s3://bucket/prefix.",
    )
    stores: Stores = Field(
        default={},
        description="How object stores are reached, by the start of their addresses (`s3://` or "
        "`s3://bucket`); keys come from the environment or a login, never from here.",
    )
    dump: Incoming | None = Field(
        default=None, description="Where `voxelmill dump` finds new datasets, and whom it tells."
    )
    study: Study = Field(
        default=Study(), description="Authors, licence and REMBI fields, for what is published."
    )
    site: str | None = Field(
        default=None, description="Partition file: a name such as roihu or rahti, or a path."
    )
    container: str | None = Field(
        default=None,
        description="Image that steps run in with `--software-deployment-method apptainer`: a .sif "
        "file, or docker://…",
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

    @field_validator("results")
    @classmethod
    def _writable(cls, value: str) -> str:
        if is_url(value) and not re.fullmatch(r"s3://[^/@?#]{3,}/[^@?#]*[^/@?#]", value):
            raise ValueError("allowed: a folder, or s3://bucket/prefix")
        return value

    @model_validator(mode="after")
    def _one_place_for_labels(self) -> Self:
        if self.store and self.labels == "zip":
            raise ValueError("labels: zip saves files of a folder; a store takes `labels: folder`")
        if self.store and self.compute.kind not in ("local", "kubernetes"):
            raise ValueError(
                "compute: results on a store are computed with `kind: local` or `kubernetes`"
            )
        if not self.store and self.compute.kind == "kubernetes":
            raise ValueError(
                "compute: {kind: kubernetes} needs results: s3://bucket/prefix, since pods share "
                "no folder"
            )
        return self

    @property
    def store(self) -> str:
        """Address of the results on an object store; empty if they go to a folder."""
        return self.results if is_url(self.results) else ""

    @property
    def folder(self) -> Path:
        """Folder of the results; of those on a store, what is not pixels, while it is worked on."""
        return Path(MIRROR, self.store.removeprefix("s3://")) if self.store else Path(self.results)
