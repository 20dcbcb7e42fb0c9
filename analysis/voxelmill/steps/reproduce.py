"""`voxelmill reproduce CRATE`: does what a crate records come out when it is computed again.

In: what the crate says (`Recorded`); its results, as far as they are there; the input, checked
against the recorded digests before anything is computed. Out: `Reproduced`: a finding for each
label image and column. Nothing is written but to a folder of our own.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voxelmill import __version__
from voxelmill.config import Config
from voxelmill.configfile import parse
from voxelmill.cores import usable_cores
from voxelmill.crate.installed import differences
from voxelmill.crate.recorded import Recorded
from voxelmill.disk import make_folder
from voxelmill.layout import Layout
from voxelmill.ledger import digest, write_json
from voxelmill.ngff import place_of
from voxelmill.plugin import BadConfig, BadInput, OutputExists
from voxelmill.reproduction import DIFFERENT, IDENTICAL, NOT_COMPARED, Finding, Verdict, worst
from voxelmill.steps.crateresults import CrateResults
from voxelmill.steps.existing import Chose, existing, settings_of
from voxelmill.steps.gather import Gathered, gather, read_record
from voxelmill.steps.jobfacts import reason_told
from voxelmill.steps.originals import (
    check_inputs,
    choose,
    find_input,
    items_of,
    open_originals,
)
from voxelmill.steps.rerun import Rerun, cut, lit_by, rerun
from voxelmill.steps.samelabels import Remade, compare_labels
from voxelmill.steps.sametables import Chosen, compare_tables
from voxelmill.storeoptions import is_url, use_stores

PLAN = "reproduce.json"
"""File in ``--out`` that says what is rerun there."""


@dataclass(frozen=True)
class Asked:
    """Options of the command."""

    data: str = ""
    sample: int | None = None
    seed: int | None = None
    out: Path | None = None
    against: Path | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Reproduced:
    """What was compared, and how it came out."""

    findings: tuple[Finding, ...]
    url: str
    images: tuple[str, ...]
    wells: tuple[str, ...]
    seed: int | None
    """Of the sample; None: everything was compared."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        return worst(self.findings)


def reproduce(recorded: Recorded, asked: Asked, say: Callable[[str], None]) -> Reproduced:
    """Compute what a crate records again, all or a sample of it, and compare.

    Parameters
    ----------
    recorded : Recorded
    asked : Asked
    say : callable
        Takes lines that are no result: warnings, and what is going on.

    Raises
    ------
    BadConfig, OutputExists
        Options that do not fit together, or a folder that is used for something else or cannot be
        made.
    BadInput
        The input is not there or not the recorded one; nothing can be compared.
    VoxelmillError
        As the steps of the workflow.
    """
    _check(recorded, asked)
    config = parse(
        Config, {"datasets": "datasets.tsv", **recorded.config}, f"{recorded.root}: config"
    )
    use_stores(config.stores)
    for line in differences(recorded):
        say(f"warning: {line}")
    with TemporaryDirectory(prefix="voxelmill-reproduce-") as temporary:
        published = CrateResults(recorded, Path(temporary, "crate"))
        folder = asked.out or Path(temporary, "rerun")
        if asked.against is not None:
            chose, layout = existing(recorded, asked.against, config)
        else:
            chose, layout = _made(published, asked, config, folder, say)
        found = gather(sorted((layout.root / "batches").glob("*.json")))
        findings = tuple(_findings(published, found, chose, config, asked.cores or usable_cores()))
        for path in published.changed:
            say(f"warning: {path} is not the file that the crate records: see `voxelmill verify`")
    if worst(findings) == NOT_COMPARED:
        raise BadInput(
            f"{recorded.root}: nothing to compare: no results are recorded of {chose.url}"
        )
    return Reproduced(findings, chose.url, chose.images, chose.wells, chose.seed)


def _check(recorded: Recorded, asked: Asked) -> None:
    if asked.against is not None and (asked.data or asked.out or asked.sample is not None):
        raise BadConfig(
            "--against: compares results that are there; allowed: without --data, --sample, --out. "
            "Leave one of them out"
        )
    if asked.seed is not None and asked.sample is None:
        raise BadConfig("--seed: without --sample; allowed: with it. Say how many wells to draw")
    root = None if is_url(recorded.root) else Path(recorded.root).resolve()
    if root and asked.out and root in (asked.out.resolve(), *asked.out.resolve().parents):
        raise BadConfig(f"--out {asked.out}: in the crate, which stays as it is. Name another")


def _made(
    published: CrateResults, asked: Asked, config: Config, folder: Path, say: Callable[[str], None]
) -> tuple[Chose, Layout]:
    """Rerun the chosen images; their results are in the layout."""
    recorded = published.recorded
    url = find_input(recorded, asked.data)
    seed = _plan(recorded, asked, folder)
    originals = open_originals(recorded, _as_named(url, recorded.name, folder))
    images, wells = choose(originals, asked.sample, seed)
    chose = Chose(url, tuple(images), tuple(wells), None if asked.sample is None else seed)
    if chose.seed is not None:
        say(f"sample: {', '.join(wells or images)} (--sample {asked.sample} --seed {seed})")
    settings = settings_of(config).prepared()
    everything = chose.seed is None or settings.illumination is not None
    items = items_of(originals, [r.path for r in originals.refs] if everything else images)
    lit = lit_by(items, settings)
    check_inputs(recorded, url, [*dict.fromkeys([*images, *lit])])
    mine = [item for item in items if item.path in set(images)]
    layout = Layout(folder / recorded.dataset)
    plate_map = published.file(recorded.plate_map) if recorded.plate_map else None
    what = Rerun(
        layout=layout,
        settings=settings,
        batches=cut(recorded.dataset, originals.url, mine, recorded.batches),
        whole=cut(recorded.dataset, originals.url, items, recorded.batches) if lit else (),
        left_out=recorded.left_out,
        plate_map=plate_map,
        cores=asked.cores or usable_cores(),
    )
    rerun(what, say)
    return chose, layout


def _plan(recorded: Recorded, asked: Asked, folder: Path) -> int:
    """Seed of the sample: as asked, or of the interrupted rerun that goes on, or a new one."""
    what = {
        "crate": digest([dict(recorded.config), dict(recorded.inputs), recorded.dataset]),
        "sample": asked.sample,
        "voxelmill": __version__,
    }
    file = folder / PLAN
    before = _seed_before(file, what) if file.exists() else None
    if before is not None and asked.seed in (None, before):
        return before
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExists(
            f"--out {folder}: holds something else than this rerun; allowed: a new folder, or that "
            "of the same rerun, which goes on. Name another one"
        )
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    make_folder(folder, "--out", folder)
    write_json(file, {**what, "seed": seed})
    return seed


def _seed_before(file: Path, what: dict[str, Any]) -> int | None:
    """Seed of the rerun that a folder holds; None: of another one, or the file is damaged."""
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    seed = before.pop("seed", None) if isinstance(before, dict) else None
    return seed if isinstance(seed, int) and before == what else None


def _as_named(url: str, name: str, folder: Path) -> str:
    """Address under which the input has its recorded name, which stands in tables and reasons."""
    here = Path(url)
    if is_url(url) or not name or here.name == name or not here.is_dir():
        return url
    link = folder / "input" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(here.resolve(), target_is_directory=True)
    return str(link)


def _findings(
    published: CrateResults, found: Gathered, chose: Chose, config: Config, cores: int
) -> Iterator[Finding]:
    recorded, layout = published.recorded, found.layout
    alias = place_of(chose.url) != recorded.name and is_url(chose.url)
    yield from _left_out(recorded, found, chose.images, chose.url if alias else "")
    records: dict[str, Any] = {}
    for batch in found.batches:
        records |= read_record(layout.record("segment", batch.name))["images"]
    remade = Remade.of(layout, records)
    yield from compare_labels(published, remade, list(config.objects), chose.images, cores)
    chosen = Chosen(frozenset(chose.images), frozenset(chose.wells), chose.seed is not None, alias)
    yield from compare_tables(published, layout, found, config.objects, chosen)


def _left_out(
    recorded: Recorded, found: Gathered, images: Sequence[str], url: str
) -> Iterator[Finding]:
    """Compare images without results, and why; `url` of an input that has another name here."""
    here = found.batches[0].url
    now = {p: reason_told(why, here) for p, why in {**found.quarantined, **found.excluded}.items()}
    if url:
        now = {p: why.replace(place_of(url), recorded.name) for p, why in now.items()}
    for image in images:
        then, why = recorded.left_out.get(image, ""), now.get(image, "")
        if then or why:
            note = then if then == why else f"{then or 'it was not'}; here {why or 'it is not'}"
            yield Finding("left out", image, IDENTICAL if then == why else DIFFERENT, note)
