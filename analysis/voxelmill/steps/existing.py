"""Results of another run, to compare a crate with: nothing is computed.

In: a folder of results. Out: what they are of, and their layout; or a refusal, where input or
configuration are not those that the crate records.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.config import Config, Settings
from voxelmill.configfile import parse
from voxelmill.crate.recorded import Recorded
from voxelmill.layout import BATCH_STEPS, Layout
from voxelmill.plugin import BadInput
from voxelmill.steps.gather import gather, read_record
from voxelmill.steps.originals import refuse_others


@dataclass(frozen=True)
class Chose:
    """What is compared: images, their wells, and the seed that drew them (None: all)."""

    url: str
    images: tuple[str, ...]
    wells: tuple[str, ...]
    seed: int | None


def settings_of(config: Config) -> Settings:
    """What steps compute."""
    return Settings(**{name: getattr(config, name) for name in Settings.model_fields})


def existing(recorded: Recorded, results: Path, config: Config) -> tuple[Chose, Layout]:
    """Find the results of a dataset in their folder, or in that of all datasets.

    Raises
    ------
    BadInput
        They are not there or not finished, of other images or of another configuration.
    """
    inside = results / recorded.dataset
    layout = Layout(inside if (inside / "batches").is_dir() else results)
    files = sorted((layout.root / "batches").glob("*.json"))
    if not files:
        raise BadInput(f"--against {results}: no results of dataset '{recorded.dataset}' there")
    found = gather(files)
    inputs: dict[str, str] = {}
    for batch in found.batches:
        for step in BATCH_STEPS:
            told = read_record(layout.record(step, batch.name))
            _same_settings(layout.record(step, batch.name), told, config, step)
            inputs |= {p: i["input"] for p, i in told["images"].items() if "input" in i}
    last = layout.record("aggregate")
    _same_settings(last, read_record(last), config, "aggregate")
    there, known = {item.path for item in found.items}, {*recorded.inputs, *recorded.left_out}
    if there != known:
        raise BadInput(
            f"--against {results}: {len(there)} images, the crate records {len(known)}, of which "
            f"{len(there & known)} are the same; allowed: the same. Compare runs of one dataset"
        )
    refuse_others(
        recorded, str(layout.root), {p: d for p, d in inputs.items() if p in recorded.inputs}
    )
    wells = dict.fromkeys(item.well for item in found.items if item.well)
    images = tuple(item.path for item in found.items)
    return Chose(found.batches[0].url, images, tuple(wells), None), layout


def _same_settings(record: Path, told: dict[str, Any], config: Config, step: str) -> None:
    said = parse(Settings, told["settings"], str(record)).part(step)
    mine = settings_of(config).part(step)
    if {**said, "labels": ""} != {**mine, "labels": ""}:
        raise BadInput(f"{record}: another configuration than the crate's; allowed: the same")
