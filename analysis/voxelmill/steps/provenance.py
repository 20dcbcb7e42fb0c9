"""Step *provenance*: a finished dataset → ``ro-crate-metadata.json``, checksums, ``provenance/``.

In: batch files and the records of all steps. Everything that was written is listed, and labels are
compared with their records. The crate says when jobs ran, so its bytes differ from run to run;
those of all else are the same anywhere.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from voxelmill import __version__
from voxelmill.citation import citation
from voxelmill.config import PARTS
from voxelmill.crate.document import document
from voxelmill.crate.facts import Facts, Software, Source
from voxelmill.crate.recorded import StoredFile
from voxelmill.crate.works import LABELS, LIGHT
from voxelmill.fingerprint import fingerprint
from voxelmill.layout import BATCH_STEPS, PROVENANCE, Layout
from voxelmill.ledger import write_bytes, write_json
from voxelmill.objectsets import Segmented
from voxelmill.plugin import Plugin, StoreUnavailable
from voxelmill.published import Published
from voxelmill.software import addresses, lock, python, versions
from voxelmill.steps.checksums import File, check_written, checksums_text, look
from voxelmill.steps.containerimage import container
from voxelmill.steps.gate import read_approval
from voxelmill.steps.gather import gather, read_record
from voxelmill.steps.jobfacts import batch_facts, jobs_of
from voxelmill.steps.provenancefiles import Given, config_text, located, write_folder
from voxelmill.store.place import content, etag, place_at
from voxelmill.store.remote import side_by_side

FOLDERS = (LABELS, LIGHT)


def provenance(
    batch_files: Sequence[Path],
    out: Path,
    settings: Published,
    plate_map: Path | None = None,
    pixel_bytes: int = 0,
    image: str = "",
) -> None:
    """Write the crate of one dataset, and the record `out`.

    `pixel_bytes` are those of all images, decoded, 0 where that is not known; `image` is the
    configured container image as `containerimage.told` has it.

    Raises
    ------
    BadInput
        A record or the plate map cannot be read.
    StoreUnavailable, AccessDenied
        Labels are not what was written; the store does not answer, or refuses to.
    """
    gathered = gather(batch_files)
    layout, batches = gathered.layout, gathered.batches
    copy = write_folder(layout, Given(gathered.dataset, batches[0].url, settings, plate_map))
    records = {
        step: {b.name: read_record(layout.record(step, b.name)) for b in batches}
        for step in BATCH_STEPS
    }
    found = look(layout)
    check_written(layout, found, records["segment"])
    told = checksums_text({path: file.stored for path, file in found.items()}).encode()
    write_bytes(layout.checksums, told)
    place, name = located(layout, batches[0].url)
    facts = Facts(
        dataset=gathered.dataset,
        source=Source(place, name, len(gathered.items), pixel_bytes),
        study=settings.study,
        config=settings.public(),
        config_text=config_text(settings),
        parts={step: part for step, part in PARTS.items() if step != PROVENANCE},
        jobs=tuple(jobs_of(layout, records, found)),
        batches=tuple(batch_facts(batch, records, gathered) for batch in batches),
        files={**_files(layout, found), layout.checksums.name: _stored(told)},
        folders=tuple(f for f in FOLDERS if any(path.startswith(f) for path in found)),
        software=_software(settings, image),
        plate_map=copy,
        approval=_approval(layout, settings),
    )
    text = json.dumps(document(facts), indent=1, ensure_ascii=False)
    write_bytes(layout.crate, f"{text}\n".encode())
    write_json(out, _record(facts, settings, found, sha256(told).hexdigest()))


def _record(
    facts: Facts, settings: Published, found: Mapping[str, File], checksums: str
) -> dict[str, Any]:
    """What is the same everywhere: no version of Python or of what only one step needs."""
    return {
        "step": PROVENANCE,
        "dataset": facts.dataset,
        "voxelmill": __version__,
        "settings": settings.public(),
        "versions": versions(),
        "lock": facts.software.lock,
        "files": len(found),
        "bytes": sum(file.stored.size for file in found.values()),
        "checksums": checksums,
    }


def _software(settings: Published, image: str) -> Software:
    found = {"python": python(), **versions(_plugins(settings))}
    pages = addresses(found) | {"python": "https://www.python.org"}
    return Software(found, pages, fingerprint(), lock(), citation(), container(image))


def _plugins(settings: Published) -> list[Plugin]:
    specs = settings.objects.values()
    segmenters = [spec.segmenter for spec in specs if isinstance(spec, Segmented)]
    return [*segmenters, *settings.features, *settings.qc.metrics]


def _approval(layout: Layout, settings: Published) -> Mapping[str, Any]:
    return (read_approval(layout.root) or {}) if settings.qc.gate == "ask" else {}


def _files(layout: Layout, found: Mapping[str, File]) -> dict[str, StoredFile]:
    """Size and SHA-256 of all files but parts of OME-Zarr."""
    named = {path: file for path, file in found.items() if not path.startswith(FOLDERS)}
    unread = [path for path, file in named.items() if not file.sha256]
    there = side_by_side(partial(_sha256, layout, found), unread)
    sums = dict(zip(unread, there, strict=True))
    return {
        path: StoredFile(file.stored.size, file.sha256 or sums[path])
        for path, file in named.items()
    }


def _sha256(layout: Layout, found: Mapping[str, File], path: str) -> str:
    """Of an object: from the copy that is here, if it is that, or from the store."""
    here = layout.root / path
    data = here.read_bytes() if here.is_file() else b""
    if etag(data) != found[path].stored.etag:
        kept = content(place_at(f"{layout.store}/{path}"))
        if kept is None:
            raise StoreUnavailable(f"{layout.store}/{path}: gone while it was read. Run it again")
        data = kept
    return sha256(data).hexdigest()


def _stored(data: bytes) -> StoredFile:
    return StoredFile(len(data), sha256(data).hexdigest())
