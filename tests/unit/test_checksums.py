"""The list of checksums: every file once, as md5sum sees it; labels are what was recorded."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from voxelmill.layout import Layout
from voxelmill.plugin import StoreUnavailable
from voxelmill.steps.checksums import check_written, checksums_text, look
from voxelmill.store.place import facts, listing

LEFT_OUT = (
    "logs/times.json", "logs/qc/0000.log", "scratch/segment-0000/ledger.jsonl", ".hidden",
    "records/.part", ".git/config", "ro-crate-metadata.json", "checksums.md5",
    "records/provenance.json",
)  # fmt: skip
LISTED = (
    "report.html", "objects/logs/0000.parquet", "labels.ome.zarr/zarr.json", "a b/ü",
    "labels.ome.zarr/A/01/0/labels/nuclei/0/c/0/0", "records/qc/0000.json", "empty",
)  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for n, path in enumerate((*LEFT_OUT, *LISTED)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        # One is longer than what is read at a time.
        (tmp_path / path).write_bytes(b"" if path == "empty" else bytes([n]) * (n * 200_000 + 1))
    return Layout(tmp_path)


def test_every_file_is_listed_as_md5sum_sees_it(layout: Layout) -> None:
    found = {path: file.stored for path, file in look(layout).items()}
    assert list(found) == sorted(LISTED)
    for path, stored in found.items():
        data = (layout.root / path).read_bytes()
        assert (stored.size, stored.etag) == (len(data), hashlib.md5(data).hexdigest())  # noqa: S324
    for path, file in look(layout).items():
        data = (layout.root / path).read_bytes()
        part = path.startswith("labels.ome.zarr/")
        assert file.sha256 == ("" if part else hashlib.sha256(data).hexdigest())
    layout.checksums.write_text(checksums_text(found))
    command = ["md5sum", "--strict", "--quiet", "-c", "checksums.md5"]
    subprocess.run(command, cwd=layout.root, check=True)
    made = subprocess.run(["md5sum", *sorted(LISTED)], cwd=layout.root, check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert layout.checksums.read_text() == made


def recorded(layout: Layout) -> dict[str, Any]:
    stored = facts(listing(layout.labels / "A/01/0/labels")).as_json()
    return {"images": {"A/01/0": {"stored": stored}, "lost": {"status": "quarantined"}}}


def test_labels_that_are_as_recorded(layout: Layout) -> None:
    check_written(layout, look(layout), {"0000": recorded(layout)})


@pytest.mark.parametrize("damage", ["changed", "lost", "added"])
def test_labels_that_are_not(layout: Layout, damage: str) -> None:
    record = recorded(layout)
    part = layout.labels / "A/01/0/labels/nuclei/0/c/0/0"
    if damage == "changed":
        part.write_bytes(b"x" + part.read_bytes()[1:])
    elif damage == "lost":
        part.unlink()
    else:
        part.with_name("1").write_bytes(b"x")
    with pytest.raises(
        StoreUnavailable, match=r"labels\.ome\.zarr/A/01/0: .* files of labels"
    ) as e:
        check_written(layout, look(layout), {"0000": record})
    assert "Delete records/segment/0000.json and run again" in str(e.value)


def test_archives_of_labels(layout: Layout) -> None:
    archive = layout.archive("0000")
    archive.parent.mkdir()
    archive.write_bytes(b"zip")
    said = {"file": "labels/0000.ozx", "sha256": hashlib.sha256(b"zip").hexdigest()}
    record = {"images": {}, "labels": said}
    check_written(layout, look(layout), {"0000": record})
    archive.write_bytes(b"zap")
    with pytest.raises(StoreUnavailable, match=r"labels/0000\.ozx: absent, or not what"):
        check_written(layout, look(layout), {"0000": record})
    archive.unlink()
    with pytest.raises(StoreUnavailable, match=r"labels/0000\.ozx: absent, or not what"):
        check_written(layout, look(layout), {"0000": record})
