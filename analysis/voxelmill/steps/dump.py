"""`voxelmill dump`: the facility's weekly run. What is new is found, listed and processed.

    look   at what the sheet does not have (``arrivals``): what is whole and has settled gets a line
    run    `voxelmill run` on the datasets that are not finished, and on no other
    again  as long as more has become ready meanwhile
    tell   one line, and whoever is to be told (``notify``)

Nobody looks on: no dataset stops the others, whatever is wrong with it.
"""

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from voxelmill.config import Config
from voxelmill.configfile import Row, load_config, locate
from voxelmill.incoming import WEBHOOK, Incoming
from voxelmill.joblog import me, now_text
from voxelmill.jobstates import look as who_runs
from voxelmill.layout import dumping
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import BadConfig, OutputExists, VoxelmillError
from voxelmill.selection import choosing
from voxelmill.steps.arrivals import Arrival, Round, look
from voxelmill.steps.dumpresult import Outcome, conclude
from voxelmill.steps.dumpsheet import Sheet
from voxelmill.steps.dumpstate import Memory, read_memory, write_memory
from voxelmill.steps.dumptext import PROGRAM, as_json, details, printable, state, summary
from voxelmill.steps.mirror import pull
from voxelmill.steps.notify import tell
from voxelmill.steps.plan import refuse, refuse_at
from voxelmill.steps.prepare import prepare
from voxelmill.steps.run import Where, run
from voxelmill.store.trees import top
from voxelmill.storeoptions import is_url

BUSY = 75
"""Exit code where another one works there: EX_TEMPFAIL of ``sysexits.h``."""
MOST_BYTES = 100_000
"""Paths of one record a dataset that go into one command line; Linux takes 131 072 bytes."""
THREADS = 16
HOUR_S = 3600.0


def dump(config_path: Path, where: Where, *, only_look: bool = False) -> int:
    """Find what is new, process it, and say what has happened; the last line says it all.

    Parameters
    ----------
    config_path : Path
        With a section ``dump``.
    where : Where
        Where jobs run.
    only_look : bool
        Say what would be taken; nothing is taken, run or told. What was seen is remembered.

    Returns
    -------
    int
        0: all is well, whatever waits; 1: something failed, or too many images are quarantined; 2:
        a mistake in the configuration; 75: another one works there, and nothing was done.

    Raises
    ------
    BadConfig
        The configuration cannot be read, or has no section ``dump``.
    """
    # Nothing that is started here needs to know it.
    webhook = os.environ.pop(WEBHOOK, "")
    config = load_config(config_path)
    incoming = _incoming(config, config_path)
    results = config.folder
    try:
        lock = LockFile(dumping(results), f"{me()} since {now_text()}")
    except Held as holder:
        return _busy(results, str(holder))
    try:
        if runner := who_runs(results, time.time()).run:
            return _busy(results, runner)
        work = Work(config, config_path, incoming, where)
        if only_look:
            return work.show()
        outcome = Outcome(config.store or str(results), config.max_quarantined)
        try:
            work.rounds(outcome)
        except VoxelmillError as error:
            if isinstance(error, OutputExists) and not outcome.runs:
                return _busy(results, "another run")
            outcome.error = error
        conclude(outcome, config)
    finally:
        lock.release()
    line, facts = summary(outcome), as_json(outcome)
    lines = details(outcome)
    tell(webhook or incoming.webhook or "", incoming.command or "", [line, *lines], facts)
    _say(*lines, line)
    return outcome.exit_code


def _incoming(config: Config, config_path: Path) -> Incoming:
    """Section ``dump`` with its folder as it is seen from here."""
    if config.dump is None:
        raise BadConfig(f"{config_path}: no section dump. Add one, see configs/weekly-dump.yaml")
    folder = locate(config.dump.folder, config_path.parent)
    return config.dump.model_copy(update={"folder": folder})


def _busy(results: Path, who: str) -> int:
    _say(f"{PROGRAM}: busy: {printable(who)} works in {results}; nothing was run")
    return BUSY


def _say(*lines: str) -> None:
    # Whole before Snakemake writes there.
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


@dataclass(frozen=True)
class Work:
    """One weekly run."""

    config: Config
    config_path: Path
    incoming: Incoming
    where: Where

    @property
    def sheet(self) -> Sheet:
        """The sheet as it is now."""
        return Sheet(self.config, self.config_path, self.incoming)

    @property
    def results(self) -> str:
        """Where results go."""
        return self.config.store or str(self.config.folder)

    def show(self) -> int:
        """Say what would be taken."""
        self._fetch()
        found = self._look()
        ready = [f"{a.place}: ready{f', but {a.why}' if a.why else ''}" for a in found.of("ready")]
        others = [state(a) for a in found.of("changing", "incomplete", "unfit")]
        names = [row.dataset for row in self.sheet.sorted().open]
        _say(*map(printable, [*ready, *others, *(f"{name}: not finished" for name in names)]))
        _say(f"{PROGRAM}: {len(ready) + len(names)} to do, {len(others)} not; nothing was done")
        return 0

    def rounds(self, outcome: Outcome) -> None:
        """Look and run until there is nothing more to do."""
        self._fetch()
        outcome.before = len(self.sheet.sorted().finished)
        outcome.changed = self._changed()
        while True:
            late = time.time() - outcome.began > HOUR_S * self.incoming.hours
            names = self._take(outcome, self._look(), late=bool(outcome.tried) and late)
            if not names:
                return
            self._run(names, outcome)

    def _fetch(self) -> None:
        """Records of results on a store say what is finished."""
        if self.config.store:
            pull(self.config)

    def _take(self, outcome: Outcome, found: Round, *, late: bool) -> list[str]:
        """Give what is ready a line in the sheet; return what is to be run now."""
        outcome.waiting, outcome.unfit = found.of("changing", "incomplete"), found.of("unfit")
        outcome.closed = found.closed
        ready = found.of("ready")
        if late:
            outcome.left = ready
            return []
        added = self.sheet.add(ready)
        self._remember(added)
        _say(*(f"new: {name}: {printable(a.url)}" for name, a in added.items()))
        now = self.sheet.sorted()
        outcome.asked = [row.dataset for row in now.asked if row.dataset not in outcome.tried]
        outcome.failed |= {row.dataset: "gone before it was finished" for row in now.gone}
        names = [row.dataset for row in now.open if row.dataset not in outcome.tried]
        portion = _fitting(self.results, names)
        outcome.new += added
        outcome.tried += portion
        return portion

    def _run(self, names: Sequence[str], outcome: Outcome) -> None:
        try:
            with choosing(names):
                code = run(self.config_path, self.where)
        except OutputExists:
            raise
        except VoxelmillError:
            bad = self._faults(names)
            # The same of all: no dataset is at fault.
            if not bad or (len(bad) == len(names) and len(set(bad.values())) == 1):
                raise
            outcome.failed |= bad
            rest = [name for name in names if name not in bad]
            with choosing(rest):
                code = run(self.config_path, self.where) if rest else 0
        outcome.runs, outcome.code = outcome.runs + 1, code or outcome.code

    def _faults(self, names: Sequence[str]) -> dict[str, str]:
        """Which datasets cannot be prepared, each on its own, and why."""
        found = {}
        for name in names:
            with choosing([name]):
                try:
                    prepared = prepare(self.config.model_dump(mode="json"), self.config_path)
                    if self.where.profile is None:
                        refuse(prepared, self.where.cores)
                    else:
                        refuse_at(prepared)
                except VoxelmillError as error:
                    found[name] = str(error)
        return found

    def _look(self) -> Round:
        folder = self.incoming.folder
        if not is_url(folder) and not Path(folder).is_dir():
            raise BadConfig(f"{self.config_path}: dump.folder: {folder} is no folder. Mount it")
        memory = read_memory(self.results)
        found = look(self.config, self.incoming, self.sheet.knows(), memory.coming)
        write_memory(self.results, Memory(found.coming, memory.taken))
        return found

    def _remember(self, added: dict[str, Arrival]) -> None:
        """Keep how the datasets looked when they were taken."""
        if added:
            memory = read_memory(self.results)
            taken = {**memory.taken, **{name: top(a.url) for name, a in added.items()}}
            places = {a.place for a in added.values()}
            coming = {p: seen for p, seen in memory.coming.items() if p not in places}
            write_memory(self.results, Memory(coming, taken))

    def _changed(self) -> list[str]:
        """Finished datasets that do not look as when they were taken."""
        memory, rows = read_memory(self.results), self.sheet.sorted().finished
        with ThreadPoolExecutor(THREADS) as threads:
            now = dict(zip((r.dataset for r in rows), threads.map(_top, rows), strict=True))
        # One that was not taken here is as it is now.
        seen = {name: digest for name, digest in now.items() if digest}
        before = {row.dataset: memory.taken.get(row.dataset, "") for row in self.sheet.rows()}
        known = {n: before[n] or seen.get(n, "") for n in before}
        write_memory(self.results, Memory(memory.coming, {n: d for n, d in known.items() if d}))
        return [name for name, digest in seen.items() if known[name] != digest]


def _top(row: Row) -> str:
    """Digest of the first level; empty where it is gone, or cannot be listed."""
    if row.url.startswith(("http://", "https://")):
        return ""
    try:
        return top(row.url)
    except VoxelmillError:
        return ""


def _fitting(results: str, names: Sequence[str]) -> list[str]:
    """As many datasets as one run can have."""
    found: list[str] = []
    size = 0
    for name in names:
        size += len(f"{results}/{name}/records/aggregate.json".encode()) + 3
        if found and size > MOST_BYTES:
            break
        found.append(name)
    return found
