"""Where everything lies under ``results/``: the one place that knows.

results/manifest.parquet                 one row an image, all datasets
results/batches.parquet                  one row a batch, all datasets
results/<dataset>/batches/<batch>.json
results/<dataset>/labels.ome.zarr/<image>/labels/<object set>
results/<dataset>/labels/<batch>.ozx     the same, one zipped OME-Zarr a batch (`labels: zip`)
results/<dataset>/objects/<object set>/<batch>.parquet
results/<dataset>/qc/<batch>.parquet
results/<dataset>/index/<batch>.parquet  where each object lies
results/<dataset>/{images,wells}.parquet, report.html
results/<dataset>/qc.html                the QC report, where a gate follows QC (`qc.gate`)
results/<dataset>/approval.json          who let the run go on, and without which images
results/<dataset>/gate/<batch>.json      images that segment leaves out; absent: none
results/<dataset>/illumination.ome.zarr  profiles of light, where it is to be corrected
results/<dataset>/records/<step>/<batch>.json, and records/<step>.json of the whole dataset:
                                         review, illumination, aggregate, report, provenance
results/<dataset>/ro-crate-metadata.json  provenance of all this: the folder is an RO-Crate
results/<dataset>/checksums.md5          every file of the results, as `md5sum` writes them
results/<dataset>/provenance/            what a rerun needs: config.yaml, datasets.tsv, workflow
results/<dataset>/logs/                  as the records; how each job is, see `joblog`
results/<dataset>/scratch/               of running steps; gone when they finish
results/check.json, check.log            the verdict over all datasets
results/index.html                       all datasets, with run time and cost
results/dump.json                        what `voxelmill dump` has seen
results/.running, .dump                  held by the `voxelmill run`, or `dump`, that works there

On an object store the same keys; what is not pixels is worked on in a folder with that tree.
"""

import os
from dataclasses import dataclass
from pathlib import Path

BATCH_STEPS = ("qc", "segment", "measure")
"""Steps with one job a batch."""
RESULTS = "VOXELMILL_RESULTS"
"""Environment variable: ``s3://bucket/prefix`` where results are kept on a store."""
PROVENANCE = "provenance"
"""Step that writes the crate, and the folder of what a rerun needs."""
DATASET_STEPS = ("aggregate", "report", PROVENANCE)
"""Steps with one job a dataset, in the order they follow each other."""
REVIEW = "review"
"""The same after *qc*, where a gate follows it."""
APPROVAL, GATES = "approval.json", "gate"
"""Of a dataset: the approval, and the folder of what each batch leaves out."""
DUMP = "dump.json"
"""What `voxelmill dump` has seen, of all datasets."""
ILLUMINATION = "illumination"
"""Step with one job a dataset before all others, only where light is to be corrected."""


@dataclass(frozen=True)
class Layout:
    """Paths of one dataset's results."""

    root: Path
    store: str = ""
    """Address of the same on an object store, where results go to one: there lie the labels."""

    @classmethod
    def of_batch(cls, batch_file: Path) -> "Layout":
        """Layout that a batch file ``<root>/batches/<batch>.json`` belongs to."""
        root = batch_file.parent.parent
        results = os.environ.get(RESULTS, "")
        return cls(root, f"{results}/{root.name}" if results else "")

    def batch(self, batch: str) -> Path:
        """Batch file."""
        return self.root / "batches" / f"{batch}.json"

    @property
    def labels(self) -> Path:
        """Root of the labels in a folder."""
        return self.root / "labels.ome.zarr"

    @property
    def archives(self) -> Path:
        """Folder of the zipped labels."""
        return self.root / "labels"

    def archive(self, batch: str) -> Path:
        """Zipped labels of one batch."""
        return self.archives / f"{batch}.ozx"

    @property
    def labels_address(self) -> str:
        """Root of the labels that are not zipped."""
        return f"{self.store}/{self.labels.name}" if self.store else str(self.labels)

    @property
    def illumination_address(self) -> str:
        """Root of the profiles of light."""
        return f"{self.store or self.root}/illumination.ome.zarr"

    def labels_of(self, batch: str) -> str:
        """Root of the labels of one batch as they are: zipped, or in the folder."""
        archive = self.archive(batch)
        return str(archive) if archive.exists() else self.labels_address

    def objects(self, name: str, batch: str) -> Path:
        """Table of one object set and batch."""
        return self.root / "objects" / name / f"{batch}.parquet"

    def qc(self, batch: str) -> Path:
        """QC table of one batch."""
        return self.root / "qc" / f"{batch}.parquet"

    def index(self, batch: str) -> Path:
        """Table of where the objects of one batch lie."""
        return self.root / "index" / f"{batch}.parquet"

    @property
    def images(self) -> Path:
        """One row an image: status, counts, QC, flags."""
        return self.root / "images.parquet"

    @property
    def wells(self) -> Path:
        """One row a well."""
        return self.root / "wells.parquet"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def qc_report(self) -> Path:
        """The QC report, which a person looks at before the run goes on."""
        return self.root / "qc.html"

    @property
    def approval(self) -> Path:
        """Who let the run go on."""
        return self.root / APPROVAL

    def gate(self, batch: str) -> Path:
        """Images of one batch that are left out."""
        return self.root / GATES / f"{batch}.json"

    @property
    def crate(self) -> Path:
        """Metadata of the RO-Crate that the results are."""
        return self.root / "ro-crate-metadata.json"

    @property
    def checksums(self) -> Path:
        """MD5 of every file of the results."""
        return self.root / "checksums.md5"

    @property
    def provenance(self) -> Path:
        """Folder of what a rerun needs."""
        return self.root / PROVENANCE

    @property
    def finished(self) -> bool:
        """Whether all steps are done, whatever they have found."""
        return all(self.record(step).exists() for step in DATASET_STEPS)

    def record(self, step: str, batch: str = "") -> Path:
        """Record of a step, of one batch or of the dataset."""
        records = self.root / "records"
        return records / step / f"{batch}.json" if batch else records / f"{step}.json"

    def log(self, step: str, batch: str = "") -> Path:
        """Log of a step, of one batch or of the dataset."""
        logs = self.root / "logs"
        return logs / step / f"{batch}.log" if batch else logs / f"{step}.log"

    @property
    def times(self) -> Path:
        """When each job ran and what it used, of logs that are gone."""
        return self.root / "logs" / "times.json"

    @property
    def worker_logs(self) -> Path:
        """Folder for what workers on other nodes print."""
        return self.root / "logs" / "workers"

    def scratch(self, step: str, batch: str) -> Path:
        """Ledger and scratch files of a running step."""
        return self.root / "scratch" / f"{step}-{batch}"


def manifest(results: Path) -> Path:
    """Table of all images of all datasets."""
    return results / "manifest.parquet"


def batch_table(results: Path) -> Path:
    """Table of all batches of all datasets."""
    return results / "batches.parquet"


def verdict(results: Path) -> Path:
    """Record of the final check."""
    return results / "check.json"


def verdict_log(results: Path) -> Path:
    """Log of the final check."""
    return results / "check.log"


def running(results: Path) -> Path:
    """File that a `voxelmill run` holds."""
    return results / ".running"


def dumping(results: Path) -> Path:
    """File that a `voxelmill dump` holds."""
    return results / ".dump"


def index_page(results: Path) -> Path:
    """Page over all datasets."""
    return results / "index.html"
