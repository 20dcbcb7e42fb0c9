"""What a weekly run has done: gathered while it runs, judged by the records that it leaves.

In: datasets that were worked on. Out: an `Outcome`, from which text, JSON and exit code follow.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voxelmill.batchtable import BatchTable
from voxelmill.config import Config
from voxelmill.jobstates import Now
from voxelmill.layout import Layout, index_page
from voxelmill.plugin import BadConfig, VoxelmillError
from voxelmill.steps.arrivals import Arrival
from voxelmill.steps.gate import waits
from voxelmill.steps.gather import read_record
from voxelmill.steps.jobsurvey import RECORDS, standing
from voxelmill.tally import Tally, batches_of


@dataclass
class Outcome:
    """What has happened.

    Attributes
    ----------
    new, tried : list of str
        Datasets that were taken now, and those that were worked on.
    finished, asked : list of str
        Of the latter, which are finished; which wait for an approval, older ones too.
    failed : dict of str to str
        Datasets that could not be finished, and why.
    before : int
        Datasets that were finished before.
    waiting, unfit, left : list of Arrival
        What is not whole or not settled; what cannot be taken; what is ready, but came too late.
    changed : list of str
        Finished datasets of which something has changed since they were taken.
    quarantined : dict of str to int
        Images by dataset, of those that are finished.
    closed : mapping of str to str
        Folders that cannot be listed, and why.
    runs, code : int
        Runs that have ended, and the exit code of the last one that failed.
    error : VoxelmillError, optional
        What has stopped all of it.
    """

    results: str
    allowed: int
    began: float = field(default_factory=time.time)
    new: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    before: int = 0
    waiting: list[Arrival] = field(default_factory=list)
    unfit: list[Arrival] = field(default_factory=list)
    left: list[Arrival] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0
    """Pixels of what is finished, decoded."""
    seconds: float = 0.0
    index: str = ""
    runs: int = 0
    code: int = 0
    error: VoxelmillError | None = None

    @property
    def again(self) -> list[str]:
        """Unfinished datasets of before that were worked on."""
        return [name for name in self.tried if name not in self.new]

    @property
    def lost(self) -> int:
        """Quarantined images."""
        return sum(self.quarantined.values())

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: something failed; 2: the configuration is wrong."""
        if self.error is not None:
            return 2 if isinstance(self.error, BadConfig) else 1
        bad = self.failed or self.unfit or self.code or self.lost > self.allowed
        return 1 if bad else 0


def conclude(outcome: Outcome, config: Config) -> None:
    """Find out what became of the datasets that were worked on."""
    outcome.seconds = time.time() - outcome.began
    page = index_page(config.folder)
    if page.exists():
        outcome.index = f"{outcome.results}/{page.name}"
    sizes = _sizes(config, outcome.tried)
    ended = [name for name in outcome.tried if name not in outcome.failed]
    for name in ended:
        layout = Layout(config.folder / name)
        if layout.finished:
            outcome.finished.append(name)
            outcome.bytes += sizes.get(name, 0)
            if found := read_record(layout.record("aggregate"))["quarantined"]:
                outcome.quarantined[name] = len(found)
        elif waits(layout.root):
            outcome.asked.append(name)
        elif outcome.error is None:
            outcome.failed[name] = reason(config, name)


def _sizes(config: Config, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    if not names:
        return found
    for (dataset, _), entries in BatchTable.read(config.folder).entries.items():
        found[dataset] = sum(entry.bytes for entry in entries)
    return found


def reason(config: Config, dataset: str) -> str:
    """Why a dataset is not finished: what its first failed job says, where jobs leave logs."""
    batches = batches_of(config.folder)
    if dataset not in batches:
        return "not started"
    tally = Tally(config.folder, {dataset: batches[dataset]})
    found = standing(tally, dataset, Now(time.time()), RECORDS).stopped
    if not found:
        return f"not finished; `voxelmill status {config.folder}` says what is left"
    more = f" (and {len(found) - 1} jobs more)" if len(found) > 1 else ""
    return f"{found[0].step} {found[0].batch}: {found[0].reason}{more}".replace(" :", ":")
