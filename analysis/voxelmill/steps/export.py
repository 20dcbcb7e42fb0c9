"""`voxelmill export`: finished results in the forms that others read.

In: results, in a folder or on a store, and where each form goes. Out: new files and folders; each
appears under its name when it is whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from voxelmill.disk import make_folder
from voxelmill.export import anndata, bia, csvtables, spatialdata
from voxelmill.export.finished import Finished
from voxelmill.plugin import BadConfig, BadInput, OutputExists
from voxelmill.progress import Progress
from voxelmill.steps.finished import finished
from voxelmill.steps.viewdata import Results, results_at
from voxelmill.store.documents import whole_folder
from voxelmill.storeoptions import is_url
from voxelmill.study import Study

NOT_FETCHED = ("labels.ome.zarr", "illumination.ome.zarr", "logs", "scratch", "qc", "gate")
"""Of a dataset on a store: read in place, or not at all."""


@dataclass(frozen=True)
class Wanted:
    """What to export, and where to; `study` None: the one that the results have."""

    csv: Path | None = None
    anndata: Path | None = None
    spatialdata: Path | None = None
    bia: Path | None = None
    datasets: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    images: bool = False
    study: Study | None = None

    @property
    def outputs(self) -> dict[str, Path]:
        """Where the forms go that are wanted, by option."""
        every = {"--csv": self.csv, "--anndata": self.anndata, "--spatialdata": self.spatialdata,
                 "--bia": self.bia}  # fmt: skip
        return {option: out for option, out in every.items() if out is not None}


def export(address: str, wanted: Wanted, say: Callable[[str], None]) -> None:
    """Write results in other forms.

    Parameters
    ----------
    address : str
        Folder of results, or of one dataset in them, or s3://bucket/prefix of results.
    wanted : Wanted
    say : callable
        Gets lines for the user.

    Raises
    ------
    BadInput
        No results there, a dataset that is not finished, or something that is not in it.
    BadConfig
        Options that do not fit together, a library that is not installed, or an output for which
        no folder can be made.
    OutputExists
        An output is there already.
    StoreUnavailable, AccessDenied
        Something is absent or damaged, or a store did not answer.
    """
    _refuse(wanted)
    with TemporaryDirectory(prefix="voxelmill-") as copies:
        results, names = _datasets(address, wanted.datasets, Path(copies))
        found = [finished(results, name, wanted.sets, wanted.study) for name in names]
        _refuse_many(found, wanted)
        for option, out in wanted.outputs.items():
            make_folder(out.parent, option, out)
        for line in _written(results, found, wanted, Progress()):
            say(line)


def _written(
    results: Results, found: Sequence[Finished], wanted: Wanted, progress: Progress
) -> Iterator[str]:
    """Write one form after the other; yield what to tell of each."""
    urls = {f.dataset: results.located(f.batches[0].url) for f in found} if wanted.images else {}
    if wanted.csv:
        with whole_folder(wanted.csv) as folder:
            for each in found:
                csvtables.write(each, folder / each.dataset, progress)
        yield f"CSV: {wanted.csv}"
    if wanted.anndata:
        _anndata(found, wanted.anndata, progress)
        yield f"AnnData: {wanted.anndata}"
    if wanted.spatialdata:
        _spatialdata(found, urls, wanted.spatialdata, progress)
        yield f"SpatialData: {wanted.spatialdata}"
    if wanted.bia:
        told = bia.write(found, urls, wanted.bia, progress)
        yield f"BioImage Archive: {wanted.bia}"
        yield from told


def _anndata(found: Sequence[Finished], out: Path, progress: Progress) -> None:
    """One file, or in a folder one for each dataset and object set."""
    if out.suffix:
        anndata.write(found[0], found[0].sets[0], out, progress)
        return
    with whole_folder(out) as folder:
        for each in found:
            (folder / each.dataset).mkdir(parents=True)
            for name in each.sets:
                anndata.write(each, name, folder / each.dataset / f"{name}.h5ad", progress)


def _spatialdata(
    found: Sequence[Finished], urls: Mapping[str, str], out: Path, progress: Progress
) -> None:
    """One store, or in a folder one for each dataset."""
    if out.suffix:
        spatialdata.write(found[0], urls.get(found[0].dataset, ""), out, progress)
        return
    with whole_folder(out) as folder:
        folder.mkdir()
        for each in found:
            url = urls.get(each.dataset, "")
            spatialdata.write(each, url, folder / f"{each.dataset}.zarr", progress)


def _refuse(wanted: Wanted) -> None:
    """Refuse before anything is read."""
    if not wanted.outputs:
        raise BadConfig("export: no form named; --csv, --anndata, --spatialdata, --bia. Name one")
    if wanted.images and not (wanted.spatialdata or wanted.bia):
        raise BadConfig("--images: for --spatialdata and --bia. Leave it out, or name one of them")
    for option, out in wanted.outputs.items():
        if out.exists():
            raise OutputExists(f"{option} {out}: is there already. Remove it, or name another")
    for option, endings in (("--anndata", (".h5ad", ".zarr")), ("--spatialdata", (".zarr",))):
        place = wanted.outputs.get(option, Path())
        if place.suffix and place.suffix not in endings:
            raise BadConfig(
                f"{option} {place}: ends in '{place.suffix}'; {' or '.join(endings)}, or a folder "
                "without an ending: one a dataset"
            )
    if wanted.anndata:
        anndata.require()
    if wanted.spatialdata:
        spatialdata.require()


def _refuse_many(found: Sequence[Finished], wanted: Wanted) -> None:
    """Refuse several things where there is place for one."""
    for option, out in (("--anndata", wanted.anndata), ("--spatialdata", wanted.spatialdata)):
        if out is not None and out.suffix and len(found) > 1:
            raise BadConfig(
                f"{option} {out}: {len(found)} datasets; one. Add --dataset {found[0].dataset}, or "
                "name a folder without an ending: one a dataset"
            )
    names = found[0].sets
    if wanted.anndata and wanted.anndata.suffix and len(names) > 1:
        raise BadConfig(
            f"--anndata {wanted.anndata}: {len(names)} object sets ({', '.join(names)}); one. Add "
            f"--set {names[0]}, or name a folder without an ending: one file a set"
        )
    others = [f.dataset for f in found if f.sets != names]
    if wanted.bia and others:
        raise BadConfig(
            f"--bia {wanted.bia}: {others[0]} has other object sets than {found[0].dataset}; the "
            "same in a submission. Add --set or --dataset"
        )


def _datasets(address: str, chosen: Sequence[str], copies: Path) -> tuple[Results, Sequence[str]]:
    """Results, and the datasets of them that are wanted."""
    folder = Path(address)
    if not is_url(address) and (folder / "batches").is_dir():
        folder = folder.resolve()
        return Results(folder.parent), _chosen(address, [folder.name], chosen)
    results = results_at(address, copies, partial(_fetched, chosen))
    return results, _chosen(address, results.datasets(), chosen)


def _chosen(address: str, known: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    for name in chosen:
        if name not in known:
            raise BadInput(f"{address}: no dataset '{name}'; it has {', '.join(known)}")
    return chosen or known


def _fetched(chosen: Sequence[str], parts: list[str]) -> bool:
    """Whether an object on a store is copied before it is read."""
    if len(parts) == 1:
        return parts == ["manifest.parquet"]
    return (not chosen or parts[0] in chosen) and parts[1] not in NOT_FETCHED
