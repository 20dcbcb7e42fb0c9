"""`voxelmill compare`: every kind of address, its table, and every way it refuses."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from benchmarks.matching import compare as dense
from benchmarks.matching import pool
from samples import balls
from shared import SHARED, needs_shared
from trees import put_plate, write_image
from voxelmill.cli import main
from voxelmill.plugin import BadConfig, BadInput, Index, Labels, StoreUnavailable
from voxelmill.steps.compare import Row, check_out, compare, text
from voxelmill.store.label_layout import label_shards
from voxelmill.store.labels import create_labels, write_labels
from voxelmill.tables import read_table

SHAPE: Index = (1, 130, 150)
PATHS = ("A/01/0", "A/01/1", "A/02/0")


def truth(seed: int = 0) -> Labels:
    return np.roll(balls(SHAPE, (1, 1, 1), 12), 7 * seed, axis=2)


def changed(labels: Labels, seed: int) -> Labels:
    """Some objects lost, some merged, all moved by a pixel and numbered anew."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(int(labels.max()) + 1).astype(np.int32) + 1
    ids[:2], ids[9], ids[17] = 0, 0, ids[13]
    return np.roll(ids[labels], 1, axis=1)


def put_set(root: Path, path: str, name: str, labels: Labels) -> None:
    """One label image of a run, of time points if `labels` is (t, z, y, x)."""
    z, y, x = labels.shape[-3:]
    films = labels.reshape(-1, z, y, x)
    axes = ("t" if len(films) > 1 else "") + ("z" if z > 1 else "") + "yx"
    folder, shape = str(root / "labels.ome.zarr"), (len(films), 1, z, y, x)
    create_labels(folder, path, axes, shape, None, ["nuclei", "cells"], name, "../x")
    for t, film in enumerate(films):
        for shard in label_shards((z, y, x)):
            write_labels(folder, path, name, t, shard.core, film[shard.core.slices])


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    root = tmp_path / "results" / "plate"
    for seed, path in enumerate(PATHS):
        put_set(root, path, "nuclei", truth(seed))
        put_set(root, path, "cells", changed(truth(seed), seed))
    return root


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["voxelmill", "compare", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0)


def counts(rows: Sequence[Row]) -> list[Any]:
    return [row.counts for row in rows]


def test_two_sets_of_a_run(plate: Path) -> None:
    rows = compare(f"{plate}:nuclei", f"{plate}:cells")
    wanted = [dense(truth(seed), changed(truth(seed), seed)) for seed in range(3)]
    assert [row.image for row in rows] == [*PATHS, "all"]
    assert counts(rows) == [*wanted, pool(wanted)]
    assert 0 < wanted[0].matched[0] < wanted[0].found < wanted[0].truth
    assert wanted[0].merges > 0
    assert compare(f"{plate}:nuclei", f"{plate}:nuclei")[-1].counts.average_precision() == 1


def test_boxes_change_nothing(plate: Path) -> None:
    sides = f"{plate}:nuclei", f"{plate}:cells"
    assert compare(*sides, plane=(1, 17, 23)) == compare(*sides)


def test_volumes_in_boxes(tmp_path: Path) -> None:
    one = balls((20, 100, 90), (1, 1, 1), 12)
    other = changed(one, 1)
    for name, labels in (("nuclei", one), ("cells", other)):
        put_set(tmp_path, "", name, labels)
    rows = compare(f"{tmp_path}:nuclei", f"{tmp_path}:cells", volume=(7, 13, 90))
    assert [row.image for row in rows] == [tmp_path.name, "all"]
    assert rows[0].counts == rows[1].counts == dense(one, other)


def test_time_points_are_images(tmp_path: Path) -> None:
    film = np.stack([truth(seed) for seed in range(2)])
    put_set(tmp_path, "A/01/0", "nuclei", film)
    tifffile.imwrite(tmp_path / "a.tif", film[:, 0].astype(np.uint16), metadata={"axes": "TYX"})
    image = tmp_path / "labels.ome.zarr" / "A/01/0/labels/nuclei"
    rows = compare(str(tmp_path / "a.tif"), str(image))
    assert [row.image for row in rows] == ["a@0", "a@1", "all"]
    n = [np.unique(labels).size - 1 for labels in film]
    assert [row.counts.matched[9] for row in rows] == [*n, sum(n)]


@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u4", "int64", "uint64"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_of_other_tools(plate: Path, tmp_path: Path, dtype: str, version: str) -> None:
    write_image(tmp_path / "l.zarr", truth()[0].astype(dtype), "yx", version, (32, 32))
    rows = compare(str(tmp_path / "l.zarr"), f"{plate}/labels.ome.zarr/A/01/0/labels/cells")
    assert [row.image for row in rows] == ["l", "all"]
    assert rows[0].counts == dense(truth(), changed(truth(), 0))


def test_a_plate_of_label_images(plate: Path, tmp_path: Path) -> None:
    root = tmp_path / "truth.zarr"
    put_plate(root, "0.5", {"A/01": ["0", "1"], "A/02": ["0"]})
    for seed, path in enumerate(PATHS):
        write_image(root / path, truth(seed).astype(np.uint16), "cyx", "0.5")
    assert compare(str(root), f"{plate}:cells") == compare(f"{plate}:nuclei", f"{plate}:cells")


def test_folders_of_files(plate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "notes.txt").write_text("by hand")
    tifffile.imwrite(folder / "A_01_0.tif", truth(0)[0].astype(np.uint16))
    tifffile.imwrite(folder / "A_01_1.tiff", truth(1))
    png = imagecodecs.png_encode(truth(2)[0].astype(np.uint8))
    (folder / "A_02_0.png").write_bytes(png)
    rows = compare(str(folder), f"{plate}:cells")
    assert counts(rows) == counts(compare(f"{plate}:nuclei", f"{plate}:cells"))
    assert [row.image for row in rows] == ["A_01_0", "A_01_1", "A_02_0", "all"]
    assert compare(str(folder), str(folder))[-1].counts.f1() == 1


def test_the_command(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = f"{plate}:nuclei", f"{plate}:cells"
    rows = compare(*sides)
    out = tmp_path / "new" / "agreement.tsv"
    assert command(monkeypatch, *sides, "--out", out) == 0
    assert capsys.readouterr().out == text(rows) + "\n"
    head, *lines = (line.split("\t") for line in out.read_text().splitlines())
    assert [dict(zip(head, line, strict=True))["matched"] for line in lines] == [
        str(row.counts.matched[0]) for row in rows
    ]
    assert command(monkeypatch, *sides, "--out", tmp_path / "a.parquet", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"a": sides[0], "b": sides[1], "rows": [row.values() for row in rows]}
    table = read_table(tmp_path / "a.parquet")
    assert table["f1"].tolist() == [row.counts.f1() for row in rows]
    assert table["image"] == [row.image for row in rows]
    assert command(monkeypatch, *sides, "--out", tmp_path / "a.json") == 0
    assert json.loads((tmp_path / "a.json").read_text()) == shown


def test_the_table_lines_up(plate: Path) -> None:
    first, *lines = text(compare(f"{plate}:nuclei", f"{plate}:cells")).splitlines()
    assert {len(line) for line in lines} == {len(first)}
    assert [line.split()[0] for line in lines] == [*PATHS, "all"]


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> str:
    assert command(monkeypatch, *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_refusals_are_one_line(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nuclei = f"{plate}:nuclei"
    assert "cellz'; it has cells, nuclei" in refused(monkeypatch, capsys, nuclei, f"{plate}:cellz")
    out = refused(monkeypatch, capsys, nuclei, nuclei, "--out", tmp_path / "a.csv")
    assert "ends in '.csv'; .tsv, .parquet or .json" in out


def test_an_image_on_one_side_only_is_named(plate: Path) -> None:
    put_set(plate, "B/01/0", "nuclei", truth())
    for number in range(7):
        put_set(plate, f"C/01/{number}", "cells", truth())
    found = r"only in .*:nuclei: B_01_0, only in .*:cells: C_01_0, .*C_01_4 and 2 more; the same"
    with pytest.raises(BadInput, match=found):
        compare(f"{plate}:nuclei", f"{plate}:cells")
    one = f"{plate}/labels.ome.zarr/B/01/0/labels/nuclei"
    with pytest.raises(BadInput, match=r"1 images, .*:nuclei: 4; as many in both"):
        compare(one, f"{plate}:nuclei")


def test_shapes_must_be_equal(plate: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", truth()[0, 1:].astype(np.uint16))
    one = f"{plate}/labels.ome.zarr/A/01/0/labels/nuclei"
    with pytest.raises(
        BadInput, match=r"shape 1 x 1 x 130 x 150 in .*1 x 1 x 129 x 150 in .*a\.tif"
    ):
        compare(one, str(tmp_path / "a.tif"))


def test_what_is_no_label_image(plate: Path, tmp_path: Path) -> None:
    one = f"{plate}/labels.ome.zarr/A/01/0/labels/nuclei"
    grey = truth()[0]
    write_image(tmp_path / "float.zarr", grey.astype(np.float32), "yx", "0.5")
    write_image(tmp_path / "two.zarr", np.stack([grey, grey]), "cyx", "0.5")
    write_image(tmp_path / "below.zarr", grey - 5, "yx", "0.5")
    high = grey.astype(np.uint64) << np.uint64(63)
    write_image(tmp_path / "high.zarr", high, "yx", "0.5")
    tifffile.imwrite(tmp_path / "float.tif", grey.astype(np.float32))
    stacked = np.stack([grey, grey]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "two.tif", stacked, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "below.tif", grey - 5)
    colours = imagecodecs.png_encode(np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "colours.png").write_bytes(colours)
    (tmp_path / "text.png").write_text("no")
    (tmp_path / "text.tif").write_text("no")
    (tmp_path / "nothing").mkdir()
    put_plate(tmp_path / "empty.zarr", "0.5", {"A/01": []})
    for name, message in (
        ("float.zarr", "<f4; integers"),
        ("two.zarr", "2 channels; one"),
        ("below.zarr", "id -5; 1 to"),
        ("high.zarr", r"id \d+; 1 to"),
        ("float.tif", "1 channels of float32; one, of integers"),
        ("two.tif", "2 channels of uint16; one"),
        ("below.tif", "id -5; 1 to"),
        ("colours.png", "colours; grey numbers"),
        ("text.png", "not readable as PNG"),
        ("text.tif", "not readable as TIFF"),
        ("nothing", r"no label images; files named \.png"),
        ("absent", "absent: not there; a label image"),
        ("absent:nuclei", "not there; a label image"),
        ("absent.zarr", "no zarr.json or .zattrs there"),
        ("empty.zarr", r"well\.images: .*at least 1 entries"),
        ("nothing:nuclei", "object set 'nuclei'; it has none"),
    ):
        with pytest.raises(BadInput, match=message):
            compare(str(tmp_path / name), one)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tiff"):
        tifffile.imwrite(tmp_path / name, truth()[0])
    with pytest.raises(BadInput, match="a is there twice"):
        compare(str(tmp_path), str(tmp_path))


def test_a_broken_well_is_not_left_out(plate: Path, tmp_path: Path) -> None:
    put_plate(tmp_path / "t.zarr", "0.5", {"A/01": ["0"], "A/02": ["0"]})
    (tmp_path / "t.zarr" / "A" / "02" / "zarr.json").unlink()
    with pytest.raises(BadInput, match=r"A/02: no zarr\.json; the plate lists this well"):
        compare(str(tmp_path / "t.zarr"), f"{plate}:nuclei")


def test_lost_chunks_are_no_background(plate: Path, tmp_path: Path) -> None:
    one = f"{plate}/labels.ome.zarr/A/01/0/labels/nuclei"
    next(p for p in Path(one, "0", "c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(StoreUnavailable, match="is missing"):
        compare(one, one)
    with pytest.raises(BadInput, match=r"id -1; .* a chunk may be lost"):
        compare(one, one, sparse=True)


def test_absent_chunks_of_other_tools(plate: Path, tmp_path: Path) -> None:
    thin = truth()[0].copy()
    thin[:32, :32] = 0
    write_image(tmp_path / "l.zarr", thin, "yx", "0.5", (32, 32), empty=False)
    other = f"{plate}/labels.ome.zarr/A/01/0/labels/cells"
    with pytest.raises(StoreUnavailable, match="sparse: allow"):
        compare(str(tmp_path / "l.zarr"), other)
    rows = compare(str(tmp_path / "l.zarr"), other, sparse=True)
    assert rows[0].counts == dense(thin[None], changed(truth(), 0))


@pytest.mark.parametrize("name", ["a.tsv", "a.parquet", "a.json"])
def test_endings_of_tables(name: str) -> None:
    check_out(Path(name))
    with pytest.raises(BadConfig, match="ends in"):
        check_out(Path(name[:3]))


@needs_shared
def test_annotated_nuclei_in_files() -> None:
    folder = str(SHARED / "data" / "nuclei2d" / "bbbc039_validation" / "labels")
    rows = compare(folder, folder)
    assert (len(rows), rows[-1].counts.truth, rows[-1].counts.matched) == (51, 5896, (5896,) * 10)
