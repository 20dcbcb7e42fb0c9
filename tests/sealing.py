"""A list of checksums and a crate for any folder, by other means than voxelmill's own."""

import json
from hashlib import md5, sha256
from pathlib import Path

from voxelmill.crate import ids
from voxelmill.verification import LIST, UNLISTED

NOT_RESULTS = ("logs", "scratch")


def listed(folder: Path) -> list[str]:
    """All files that a list must name."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(
        path.as_posix()
        for path in found
        if path.parts[0] not in NOT_RESULTS
        and path.as_posix() not in UNLISTED
        and not any(part.startswith(".") for part in path.parts)
    )


def md5_of(content: bytes) -> str:
    """MD5 in hexadecimal digits."""
    return md5(content, usedforsecurity=False).hexdigest()


def write_list(folder: Path) -> None:
    """Write the list of a folder as `md5sum` does."""
    sums = ((md5_of((folder / path).read_bytes()), path) for path in listed(folder))
    (folder / LIST).write_text("".join(f"{digest}  {path}\n" for digest, path in sums))


def seal(folder: Path) -> None:
    """Write a list and a crate that names it, and all but the files of labels."""
    write_list(folder)
    named = [path for path in listed(folder) if not path.startswith("labels")]
    files = [
        {
            "@id": ids.file(path),
            "@type": "File",
            "contentSize": str((folder / path).stat().st_size),
            "sha256": sha256((folder / path).read_bytes()).hexdigest(),
        }
        for path in (*named, LIST)
    ]
    most = [
        {"@id": ids.ROOT, "@type": "Dataset", "alternateName": folder.name},
        {"@id": ids.INPUT, "@type": "Dataset", "name": "plate.zarr"},
        {"@id": ids.CONFIG, "@type": "File", "text": "{}"},
        {"@id": ids.WORKFLOW, "@type": "File", "softwareRequirements": []},
        {"@id": ids.LOCK, "@type": "PropertyValue", "value": "0"},
    ]
    (folder / ids.METADATA).write_text(json.dumps({"@graph": [*most, *files]}))
