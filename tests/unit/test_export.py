"""Exports: what is refused, CSV and AnnData, read back and compared with the tables."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exports import IMAGE, PLATE, damaged_results, link, process, same_bits, table, write_nuclei
from voxelmill.export.anndata import save_zarr
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig, BadInput, OutputExists, StoreUnavailable
from voxelmill.steps.export import Wanted, export
from voxelmill.tables import read_table, units, write_table
from voxelmill.tables.delimited import merged, write_csv

anndata = pytest.importorskip("anndata", reason="anndata is not installed: extra export")
SETS = ("cells", "cytoplasm", "nuclei")


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with results of a plate of which one image is damaged, in batches of 3."""
    return damaged_results(tmp_path_factory.mktemp("plate"), 3)


@pytest.fixture(autouse=True)
def _here(plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link(plate, tmp_path)
    monkeypatch.chdir(tmp_path)


def run(wanted: Wanted, results: str = "results") -> list[str]:
    told: list[str] = []
    export(results, wanted, told.append)
    return told


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def check_csv(file: Path, expected: dict[str, Any]) -> None:
    rows = rows_of(file)
    assert list(rows[0]) == list(expected)
    for column, values in expected.items():
        read = [row[column] for row in rows]
        kind = getattr(values, "dtype", np.dtype(object)).kind
        if kind == "f":
            assert same_bits(np.array([float(v) for v in read]), values), column
        elif kind == "b":
            assert read == [str(v).lower() for v in values.tolist()], column
        else:
            assert read == ["" if v is None else str(v) for v in list(values)], column


def test_csv_reads_back_as_the_tables_are() -> None:
    assert run(Wanted(csv=Path("out"))) == ["CSV: out"]
    layout = Layout(Path("results/p"))
    assert sorted(p.name for p in Path("out/p").iterdir()) == [
        "cells.csv", "cytoplasm.csv", "images.csv", "nuclei.csv", "units.csv", "wells.csv",
    ]  # fmt: skip
    for name in SETS:
        check_csv(Path(f"out/p/{name}.csv"), table(layout, name))
    check_csv(Path("out/p/images.csv"), read_table(layout.images))
    check_csv(Path("out/p/wells.csv"), read_table(layout.wells))
    told = {(r["table"], r["column"]): r["unit"] for r in rows_of(Path("out/p/units.csv"))}
    assert told["nuclei", "Nuclei_AreaShape_Area"] == "px"
    assert len({t for t, _ in told}) == 5


def test_csv_has_the_same_bytes_whatever_the_batches_are(plate: Path) -> None:
    shutil.copy(plate / "sheet.tsv", "sheet.tsv")
    process(PLATE + "batches: {images: 8}\n", "others")
    run(Wanted(csv=Path("a")))
    run(Wanted(csv=Path("b")), "others")
    assert len(list(Path("others/p/batches").iterdir())) < len(
        list(Path("results/p/batches").iterdir())
    )
    files = sorted(p.relative_to("a") for p in Path("a").rglob("*.csv"))
    assert len(files) == 6
    assert all((Path("a") / f).read_bytes() == (Path("b") / f).read_bytes() for f in files)


def test_csv_keeps_hard_numbers_and_texts() -> None:
    hard = np.array([0.1, -0.0, 5e-324, 1.7976931348623157e308, np.nan, np.inf, 1 / 3, 1e22, 123.0])
    words = ['a,"b"', "", "line\nbreak", "µ", "nan", "1", " x ", "'", "=1+1"]
    write_table(Path("a.parquet"), {"Metadata_Text": words, "x": hard})
    write_csv(Path("a.csv"), [Path("a.parquet")], lambda: None)
    check_csv(Path("a.csv"), {"Metadata_Text": words, "x": hard})


def test_a_column_that_a_batch_lacks_is_absent_there() -> None:
    write_table(Path("0.parquet"), {"i": ["a"], "x_A": np.ones(1), "y_A": np.ones(1)})
    more = {"i": ["b"], "x_A": np.ones(1), "x_B": np.ones(1), "y_A": np.ones(1), "y_B": np.ones(1)}
    write_table(Path("1.parquet"), more)
    write_csv(Path("a.csv"), [Path("0.parquet"), Path("1.parquet")], lambda: None)
    first, second = rows_of(Path("a.csv"))
    assert list(first) == ["i", "x_A", "x_B", "y_A", "y_B"]
    assert (first["x_B"], first["y_B"], second["y_B"]) == ("nan", "nan", "1")
    assert merged([["a", "b"], [], ["b", "c"], ["z", "a"]]) == ["z", "a", "b", "c"]


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_anndata_reads_back_bit_by_bit(ending: str) -> None:
    out = Path(f"nuclei.{ending}")
    run(Wanted(anndata=out, sets=("nuclei",)))
    read = anndata.read_h5ad(out) if ending == "h5ad" else anndata.read_zarr(out)
    layout = Layout(Path("results/p"))
    expected = table(layout, "nuclei")
    features = [c for c in expected if not c.startswith("Metadata_")]
    assert read.X.dtype == np.float64
    assert list(read.var_names) == features
    assert same_bits(read.X, np.column_stack([expected[f] for f in features]))
    for column in (c for c in expected if c.startswith("Metadata_")):
        assert read.obs[column].tolist() == list(expected[column]), column
    assert read.obs["Metadata_Well"].dtype == "category"
    where = zip(expected["Metadata_Image"], expected["Metadata_ObjectNumber"], strict=True)
    assert list(read.obs_names) == [f"p/{image}/{number}" for image, number in where]
    assert read.obs_names.is_unique
    known = units(layout.objects("nuclei", "0000"))
    assert read.var["unit"].tolist() == [known[f] for f in features]
    area, mean = read.var.loc["Nuclei_AreaShape_Area"], "Nuclei_Intensity_MeanIntensity_AGP"
    assert (area["family"], area["channel"]) == ("AreaShape", "")
    assert read.var.loc[mean, "channel"] == "AGP"
    centre = np.column_stack([expected[f"Nuclei_AreaShape_Center_{a}"] for a in "XY"])
    assert np.allclose(read.obsm["spatial"], centre * 0.65, rtol=1e-15)
    assert read.uns["voxelmill"]["dataset"] == "p"
    assert read.uns["voxelmill"]["version"] == "0.1.0"


def test_a_folder_has_one_file_for_each_dataset_and_set() -> None:
    run(Wanted(anndata=Path("all")))
    files = sorted(p.relative_to("all").as_posix() for p in Path("all").rglob("*.h5ad"))
    assert files == [f"p/{name}.h5ad" for name in SETS]


def test_a_large_table_is_few_files(tmp_path: Path) -> None:
    rows = 200_000
    values = np.zeros((rows, 60))
    about = {"Metadata_Well": ["A01", "A02"] * (rows // 2), "n": np.arange(rows)}
    save_zarr(anndata.AnnData(values, obs=about), tmp_path / "large.zarr")
    assert sum(p.is_file() for p in (tmp_path / "large.zarr").rglob("*")) < 60


def test_time_points_and_single_images_have_names_of_their_own(tmp_path: Path) -> None:
    write_nuclei("tcyx", frames=3)
    process(IMAGE, "series")
    run(Wanted(anndata=Path("series.h5ad"), csv=Path("c")), "series")
    read = anndata.read_h5ad("series.h5ad")
    assert read.obs_names.is_unique
    assert read.obs_names[0] == "image/t0/1"
    assert read.obs_names[-1].startswith("image/t2/")
    assert len(rows_of(Path("c/image/nuclei.csv"))) == read.n_obs


def test_volumes_have_three_coordinates_also_without_shape(tmp_path: Path) -> None:
    write_nuclei("czyx", depth=12)
    process(IMAGE, "volume")
    run(Wanted(anndata=Path("volume.h5ad")), "volume")
    exact = anndata.read_h5ad("volume.h5ad")
    process(IMAGE + "features: [{kind: intensity}]\n", "boxes")
    run(Wanted(anndata=Path("boxes.h5ad")), "boxes")
    boxes = anndata.read_h5ad("boxes.h5ad")
    assert exact.obsm["spatial"].shape == boxes.obsm["spatial"].shape == (exact.n_obs, 3)
    assert exact.n_obs > 3
    low, high = (
        np.column_stack([exact[:, f"Nuclei_AreaShape_BoundingBox{e}_{a}"].X[:, 0] for a in "XYZ"])
        for e in ("Minimum", "Maximum")
    )
    assert np.array_equal(boxes.obsm["spatial"], (low + high - 1) / 2 * 0.5)
    assert np.abs(boxes.obsm["spatial"] - exact.obsm["spatial"]).max() < 1.5


@pytest.mark.parametrize("number", range(3))
def test_what_the_guide_shows_runs(number: int) -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "export.md"
    code = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 3
    for library in re.findall(r"^import (\w+)", code[number], re.MULTILINE):
        pytest.importorskip(library, reason=f"{library} is not installed")
    if "read_h5ad" in code[number]:
        run(Wanted(anndata=Path("nuclei.h5ad"), sets=("nuclei",)))
    else:
        run(Wanted(spatialdata=Path("plate1.zarr"), sets=("nuclei",)))
    exec(compile(code[number], "docs/export.md", "exec"), {})  # noqa: S102


def test_one_dataset_can_be_named_by_its_folder(plate: Path) -> None:
    run(Wanted(csv=Path("a"), sets=("nuclei",)), str(plate / "results" / "p"))
    assert Path("a/p/nuclei.csv").exists()
    assert not Path("a/p/cells.csv").exists()


def test_what_is_not_finished_is_refused(plate: Path) -> None:
    shutil.copytree(plate / "results", "half", symlinks=True)
    Path("half/p/records/measure/0001.json").unlink()
    Path("half/p/records/report.json").unlink()
    with pytest.raises(BadInput, match=r"p: not finished, 2 of \d+ jobs .*first: measure 0001"):
        run(Wanted(csv=Path("out")), "half")
    assert not Path("out").exists()


def test_nothing_is_overwritten() -> None:
    Path("there").mkdir()
    for option in ("csv", "anndata", "bia"):
        with pytest.raises(OutputExists, match="is there already"):
            run(Wanted(**{option: Path("there")}))
    assert list(Path("there").iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "anndata", "bia"])
def test_what_fails_leaves_nothing_behind(plate: Path, form: str) -> None:
    shutil.copytree(plate / "results", "bad", symlinks=True)
    file = Path("bad/p/objects/nuclei/0001.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    if form == "bia":
        next(p for p in Path("bad/p/labels.ome.zarr").rglob("c/**/*") if p.is_file()).unlink()
    with pytest.raises(StoreUnavailable):
        run(Wanted(**{form: Path("made")}), "bad")
    assert sorted(p.name for p in Path().iterdir()) == ["bad", "plate.zarr", "results"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(), "no form named"),
        (Wanted(csv=Path("a"), images=True), "--images: for --spatialdata and --bia"),
        (Wanted(anndata=Path("a.h5ad")), r"3 object sets \(cells, cytoplasm, nuclei\); one"),
        (Wanted(anndata=Path("a.loom")), "ends in '.loom'; .h5ad or .zarr"),
        (Wanted(csv=Path("a"), sets=("blobs",)), "--set blobs: p has cells, cytoplasm, nuclei"),
    ],
)
def test_options_that_do_not_fit_are_refused(wanted: Wanted, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        run(wanted)


@pytest.mark.parametrize("option", ["csv", "bia"])
@pytest.mark.parametrize("out", ["file/x", "file/x/y", "/proc/x/y"])
def test_a_place_that_can_be_no_folder_is_refused(option: str, out: str) -> None:
    Path("file").write_text("mine")
    with pytest.raises(BadConfig, match=f"--{option} {out}: .* cannot be made a folder") as told:
        run(Wanted(**{option: Path(out)}))
    assert "\n" not in str(told.value)


def test_a_dataset_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="no dataset 'q'; it has p"):
        run(Wanted(csv=Path("a"), datasets=("q",)))
    with pytest.raises(BadInput, match="no results there"):
        run(Wanted(csv=Path("a")), "nowhere")


def test_the_command_says_what_it_wrote_and_refuses_in_one_line() -> None:
    command = [sys.executable, "-m", "voxelmill", "export", "results", "--csv", "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "CSV: out\n", "")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "--csv out: is there already" in again.stderr
