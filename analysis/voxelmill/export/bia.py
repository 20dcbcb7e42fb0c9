"""A submission to the BioImage Archive: one folder to upload as it is.

file_list.tsv, file_list_<set>.tsv, rembi.yaml, mifa.yaml
<dataset>/labels/<image>_<set>.ome.zarr.zip
<dataset>/images/<image>.ome.zarr.zip        on request: the input may be large
<dataset>/tables/*.parquet, report.html, ro-crate-metadata.json
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from voxelmill.export.filelist import ANNOTATIONS, STUDY, Row, Writer, write_list
from voxelmill.export.finished import Finished
from voxelmill.export.rembi import LICENSES, mifa, missing, rembi
from voxelmill.progress import Progress
from voxelmill.store.documents import whole_folder
from voxelmill.study import Study


def write(
    found: Sequence[Finished], urls: Mapping[str, str], out: Path, progress: Progress
) -> list[str]:
    """Write a submission into a new folder.

    Parameters
    ----------
    found : sequence of Finished
        All with the same object sets and study.
    urls : mapping of str to str
        Address of the input by dataset, where images are taken in.
    out : Path
    progress : Progress

    Returns
    -------
    list of str
        What is still to be said or done, for the terminal.

    Raises
    ------
    OutputExists
        `out` is there.
    BadInput, StoreUnavailable, AccessDenied
        Something is absent or damaged, or a store did not answer.
    """
    with whole_folder(out) as beside:
        beside.mkdir(parents=True)
        files: list[Row] = []
        masks: dict[str, list[Row]] = {name: [] for name in found[0].sets}
        for dataset in found:
            _add(dataset, urls.get(dataset.dataset, ""), beside, files, masks, progress)
        write_list(beside / "file_list.tsv", STUDY, files)
        for name, listed in masks.items():
            write_list(beside / f"file_list_{name}.tsv", ANNOTATIONS, listed)
        for name, document in (("rembi", rembi(found)), ("mifa", mifa(found))):
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
            (beside / f"{name}.yaml").write_text(text, encoding="utf-8")
    return _open(found[0].provenance.study, bool(urls))


def _add(
    found: Finished,
    url: str,
    folder: Path,
    files: list[Row],
    masks: dict[str, list[Row]],
    progress: Progress,
) -> None:
    writer = Writer(found, folder, url)
    images = sum(1 for _ in found.items) if url else 0
    total = images + len(found.images) + len(found.batches) * len(found.sets)
    with progress.stage(f"{found.dataset}: BioImage Archive", total) as done:
        files += writer.images(done)
        for labelled in found.images:
            for name, listed in masks.items():
                listed.append(writer.masks(labelled, name))
            done()
        files += writer.tables(done)


def _open(study: Study, images: bool) -> list[str]:
    """What a submitter has to add."""
    told = []
    if lacks := missing(study):
        told.append(
            f"missing: {', '.join(lacks)}: set them in the configuration, and export again with "
            "--config"
        )
    if study.license and study.license not in LICENSES:
        told.append(f"licence {study.license}: the archive takes {' or '.join(LICENSES)}")
    if not images and not study.accession:
        told.append(
            "the images are not in it: add them with --images, or say where they are published "
            "(study.accession)"
        )
    told.append(
        "in the web form: release date, roles of authors, NCBI taxon, term of the imaging method, "
        "date of the annotations"
    )
    return told
