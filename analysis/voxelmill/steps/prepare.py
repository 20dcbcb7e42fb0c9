"""What the Snakefile needs to know: batches, paths and parameters. Runs before the DAG is built.

In: the configuration as Snakemake has read it. Out: `Prepared`; the rules hold no logic.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from voxelmill.batchtable import BatchLoad, total
from voxelmill.config import Config, Settings
from voxelmill.configfile import Row, load_sheet, parse
from voxelmill.layout import ILLUMINATION, PROVENANCE, RESULTS, REVIEW, Layout, batch_table, verdict
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.selection import choosing
from voxelmill.steps.containerimage import told as told_image
from voxelmill.steps.gate import WAITS, Shut, key, set_gates, shut
from voxelmill.steps.mirror import forget, pull, pull_table, push, stored
from voxelmill.steps.scan import listed, scan
from voxelmill.steps.signing import signed
from voxelmill.storeoptions import (
    OPEN,
    PASSED,
    VARIABLE,
    is_url,
    options_of,
    service_of,
    told,
    use_stores,
)

Loads: TypeAlias = Mapping[str, Mapping[str, BatchLoad]]
"""Dataset → batch → what its job has to do."""


@dataclass(frozen=True)
class Prepared:
    """A checked configuration and the batches of its datasets."""

    config: Config
    batches: Mapping[str, tuple[str, ...]]
    plate_maps: Mapping[str, str]
    loads: Loads = field(default_factory=dict)
    shut: Mapping[str, Shut] = field(default_factory=dict)
    """What a dataset waits for before it is segmented; not in it: nothing."""
    apart: bool = False
    """Whether files of the results are on the store only: in a pod."""

    def load(self, dataset: str, batch: str) -> BatchLoad:
        """What the job of a batch has to do: images, the largest of them, bytes."""
        return self.loads[dataset][batch]

    @cached_property
    def totals(self) -> Mapping[str, BatchLoad]:
        """The same of each whole dataset."""
        return {name: total([*each.values()]) for name, each in self.loads.items()}

    @cached_property
    def jobs(self) -> int:
        """Number of batches."""
        return sum(map(len, self.batches.values()))

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets."""
        return list(self.batches)

    @property
    def objects(self) -> list[str]:
        """Names of the object sets."""
        return list(self.config.objects)

    @property
    def environment(self) -> str:
        """File in ``workflow/envs`` for the rule that segments."""
        return f"{self.config.environment()}.yaml"

    @property
    def container(self) -> str:
        """Image that steps run in where Snakemake is told to use containers; empty: none."""
        named = self.config.container or ""
        return named if is_url(named) or not named else str(Path(named).resolve())

    @cached_property
    def container_told(self) -> str:
        """Name of that image, and the digest of a file."""
        return told_image(self.config.container or "")

    @property
    def execution(self) -> str:
        """File with the settings that never change a result.

        Rules have its path as a parameter, not its content, so a new block size reruns nothing.
        """
        return str(self.config.folder / "execution.json")

    @property
    def exports(self) -> dict[str, str]:
        """Environment variables of every job: no secrets."""
        found = {RESULTS: self.config.store, VARIABLE: told(self.config.stores)}
        return {name: value for name, value in found.items() if value}

    def settings(self, step: str) -> str:
        """JSON of the settings that change what `step` computes."""
        return _json(self.config.part(step))

    def layout(self, dataset: str) -> Layout:
        """Paths of one dataset's results."""
        return Layout(self.config.folder / dataset)

    def threads(self, cores: int) -> int:
        """Threads a job: more than one only where there are fewer batches than cores."""
        return max(1, cores // max(1, self.jobs))

    def outputs(self, dataset: str) -> Iterator[tuple[Path, Path]]:
        """Yield every file that Snakemake tracks, with a record made from it later (or itself)."""
        layout = self.layout(dataset)
        if self.config.qc.gate != "report":
            yield from ((p, p) for p in (layout.record(REVIEW), layout.qc_report))
        if dataset in self.shut:
            for batch in self.batches[dataset]:
                yield from ((p, layout.record(REVIEW)) for p in _quality(layout, batch))
            return
        aggregated, reported = layout.record("aggregate"), layout.record("report")
        if self.config.illumination and self.batches[dataset]:
            first = layout.record("segment", self.batches[dataset][0])
            yield layout.record(ILLUMINATION), first
        for batch in self.batches[dataset]:
            measured = layout.record("measure", batch)
            yield from (
                (p, measured) for p in (layout.record("segment", batch), layout.index(batch))
            )
            tables = [layout.objects(name, batch) for name in self.objects]
            yield from ((p, aggregated) for p in (measured, *tables, *_quality(layout, batch)))
        last = layout.record(PROVENANCE)
        yield from ((p, reported) for p in (aggregated, layout.images, layout.wells))
        yield from ((p, last) for p in (reported, layout.report))
        yield from ((p, last) for p in (layout.crate, layout.checksums, last))

    def tracked(self, dataset: str) -> Iterator[str]:
        """Yield the same as seen from the folder of the results."""
        for path, _ in self.outputs(dataset):
            yield path.relative_to(self.config.folder).as_posix()

    def gate(self, dataset: str, batch: str) -> str:
        """File of what a batch leaves out, seen from there; empty: it has none.

        Raises
        ------
        BadInput
            The dataset may not be segmented yet.
        """
        if dataset in self.shut:
            raise BadInput(f"{dataset}: {WAITS[self.shut[dataset]]}")
        name = key(dataset, batch)
        there = stored(self.config, name) if self.apart else (self.config.folder / name).exists()
        return name if there else ""

    @property
    def service(self) -> dict[str, str]:
        """How Snakemake's storage plugin reaches the results: `endpoint_url` and `region`."""
        return service_of(self.config.store)

    @property
    def ambient(self) -> dict[str, str]:
        """The rest of it, which that plugin takes from the environment; but see `signed`."""
        options = options_of(self.config.store)
        found = {"AWS_PROFILE": options.profile, "AWS_CA_BUNDLE": options.ca}
        return {name: value for name, value in found.items() if value}

    def signed(self) -> AbstractContextManager[None]:
        """While this lasts, a client of botocore that is made gets the keys of a login, if any."""
        return signed(self.config.store)

    @property
    def passed(self) -> tuple[str, ...]:
        """Environment variables that jobs in pods get, and that this process has."""
        names = PASSED if options_of(self.config.store).auth is None else OPEN
        return tuple(name for name in names if os.environ.get(name))

    def holes(self) -> list[Path]:
        """Absent files whose successors are there: re-made on their own, since bytes recur."""
        if self.config.store:
            # Copies of them are nowhere complete, and Snakemake sees those on the store.
            return []
        found = (pair for dataset in self.datasets for pair in self.outputs(dataset))
        return [p for p, later in found if not p.exists() and later.exists() and later != p]

    @property
    def verdict(self) -> Path:
        """Record of the final check."""
        return verdict(self.config.folder)


def _quality(layout: Layout, batch: str) -> tuple[Path, Path]:
    return layout.record("qc", batch), layout.qc(batch)


def prepare(config: Mapping[str, Any], config_path: str | Path, *, main: bool = True) -> Prepared:
    """Check the configuration and find the batches.

    Parameters
    ----------
    config : mapping
        As Snakemake has read it; empty (``snakemake --lint``) means no datasets.
    config_path : path
        File it came from.
    main : bool
        Whether this is Snakemake's main process, which scans; jobs only list.

    Raises
    ------
    BadConfig, BadInput
        A mistake, before any job starts.
    """
    if not config:
        return Prepared(Config.model_construct(datasets="", **dict(Settings())), {}, {})
    checked = parse(Config, dict(config), str(config_path)).prepared()
    use_stores(checked.stores)
    try:
        checked.environment()
    except ValueError as error:
        raise BadConfig(f"{config_path}: {error}. Make two runs of it") from None
    here = batch_table(checked.folder).exists()
    if not main and not here and checked.store:
        return _in_a_pod(checked)
    scans = main or not here
    if checked.store and scans:
        pull(checked)
    # A job must not fail for what another dataset lacks.
    with nullcontext() if scans else choosing(()):
        rows = load_sheet(checked, config_path)
    if scans:
        scan(checked, config_path)
    found: Loads = listed(checked)
    if scans:
        found = _to_do(found, rows, config_path)
    plate_maps = {row.dataset: row.plate_map for row in rows if row.plate_map}
    prepared = Prepared(checked, _names(found), plate_maps, found)
    if scans:
        prepared = replace(prepared, shut=_gates(prepared))
        _write_execution(prepared)
        if checked.store:
            push(checked)
    return prepared


def _to_do(found: Loads, rows: Iterable[Row], config_path: str | Path) -> Loads:
    """Datasets that are not left out."""
    names = {row.dataset for row in rows if not row.left_out}
    if not names:
        raise BadConfig(
            f"{config_path}: datasets: all are finished, and their images are gone. Add some"
        )
    return {dataset: each for dataset, each in found.items() if dataset in names}


def _in_a_pod(config: Config) -> Prepared:
    """The same for a job that has no file but the configuration."""
    pull_table(config)
    found = listed(config)
    prepared = Prepared(config, _names(found), {}, found, apart=True)
    _write_execution(prepared)
    return prepared


def _gates(prepared: Prepared) -> dict[str, Shut]:
    """Find out what each dataset waits for; write what is left out of those that may go on."""
    closed: dict[str, Shut] = {}
    for dataset, batches in prepared.batches.items():
        layout = prepared.layout(dataset)
        if prepared.config.qc.gate == "report" and layout.record(REVIEW).exists():
            # Where nobody is asked any more, nothing waits for an answer.
            forget(prepared.config, layout.record(REVIEW))
            layout.log(REVIEW).unlink(missing_ok=True)
        if waits := shut(layout, batches, prepared.config):
            closed[dataset] = waits
        else:
            set_gates(layout, batches, prepared.config)
    return closed


def _names(found: Mapping[str, Mapping[str, BatchLoad]]) -> dict[str, tuple[str, ...]]:
    return {dataset: tuple(each) for dataset, each in found.items()}


def _write_execution(prepared: Prepared) -> None:
    settings = prepared.config.model_dump(mode="json", include={"blocks", "compute", "stores"})
    write_json(Path(prepared.execution), settings)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
