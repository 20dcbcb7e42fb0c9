"""What a record says of an image's label files: all of them, and that none is lost."""

from hashlib import md5, sha256
from pathlib import Path

import numpy as np
import pytest

from voxelmill.blocks import Box
from voxelmill.plugin import BadConfig, StoreUnavailable
from voxelmill.store.label_facts import label_facts
from voxelmill.store.labels import create_labels, write_coarse_labels, write_labels
from voxelmill.store.place import StorePath, place_at

SHAPE = (1, 700, 600)
SETS = ["nuclei", "cells"]


@pytest.fixture
def root(tmp_path: Path) -> str:
    rng = np.random.default_rng(1)
    place = str(tmp_path / "labels.ome.zarr")
    for name in SETS:
        create_labels(place, "A/01/0", "yx", (1, 1, *SHAPE), (1, 0.5, 0.5), SETS, name, "x")
        labels = rng.integers(0, 90, SHAPE, dtype=np.int32)
        write_labels(place, "A/01/0", name, 0, Box((0, 0, 0), SHAPE), labels)
        write_coarse_labels(place, "A/01/0", name, 0)
    return place


def test_every_file_counts(root: str) -> None:
    folder = Path(root, "A/01/0/labels")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    found = label_facts(root, "A/01/0", SETS)
    assert found.objects == len(files)
    assert found.bytes == sum(p.stat().st_size for p in files)
    lines = [(p.relative_to(folder).as_posix(), p.read_bytes()) for p in files]
    text = "".join(f"{n} {len(c)} {md5(c).hexdigest()}\n" for n, c in sorted(lines))  # noqa: S324
    assert found.sha256 == sha256(text.encode()).hexdigest()


def test_what_a_killed_writer_left_does_not_count(root: str) -> None:
    before = label_facts(root, "A/01/0", SETS)
    (Path(root) / "A/01/0/labels/nuclei/0/.x.partial").write_text("half")
    assert label_facts(root, "A/01/0", SETS) == before


def test_a_lost_file_is_named(root: str) -> None:
    folder = Path(root, "A/01/0/labels")
    for path in sorted(p for p in (folder / "cells").rglob("*") if p.is_file()):
        content = path.read_bytes()
        for damage in (path.unlink, lambda p=path: p.write_bytes(b"")):
            damage()
            with pytest.raises(StoreUnavailable):
                label_facts(root, "A/01/0", SETS)
            path.write_bytes(content)
    label_facts(root, "A/01/0", SETS)


def test_places(tmp_path: Path) -> None:
    assert place_at(str(tmp_path)) == tmp_path
    there = place_at("s3://bucket/a/b/")
    assert there == StorePath("s3://bucket", "a/b")
    assert str(there / "c" / "") == "s3://bucket/a/b/c"
    assert str(there.joinpath("0", "c", "1")) == "s3://bucket/a/b/0/c/1"
    with pytest.raises(BadConfig, match="read only"):
        place_at("https://x.org/a")
