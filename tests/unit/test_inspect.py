"""`inspect`: what it says, of what is broken too, and how long it takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared import SHARED, needs_shared
from trees import put_group, put_plate, write_image
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.steps.inspect import inspect, inspect_json
from webserver import serve

PIXELS = np.arange(1, 3 * 20 * 30 + 1).reshape(3, 20, 30).astype("<u2")
OMERO = {"channels": [{"label": name} for name in ("DNA", "ER", "AGP")]}


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    root = tmp_path / "screen.zarr"
    put_plate(root, "0.5", {"A/1": ["0", "1"], "A/2": ["0"], "B/1": ["0"], "B/2": ["0"]})
    for path in ("A/1/0", "A/1/1", "A/2/0", "B/1/0"):
        write_image(root / path, PIXELS, "cyx", "0.5", (1, 10, 10), paths=("0", "1"), omero=OMERO)
    (root / "A/1/1/0/c/2/1/0").unlink()
    (root / "A/2/0/zarr.json").write_text("no")
    (root / "B/2/zarr.json").unlink()
    return root


def test_plate(plate: Path) -> None:
    found = inspect_json(str(plate))
    json.dumps(found)
    assert (found["kind"], found["version"], found["wells"], found["images"]) == (
        "plate",
        "0.5",
        3,
        4,
    )
    assert (found["chunks_stored"], found["chunks_expected"]) == (53, 54)
    assert found["incomplete"] == [{"path": "A/1/1", "missing": "A/1/1/0/c/2/1/0"}]
    assert [entry["path"] for entry in found["problems"]] == ["B/2", "A/2/0"]
    assert found["channels"] == [["DNA", "ER", "AGP"]]
    text = inspect(str(plate))
    for part in (
        "OME-Zarr 0.5 plate",
        "3 of 4",
        "3 x 20 x 30",
        "<u2",
        "DNA, ER, AGP",
        "1 x 0.5 x 0.5 µm",
        "1 x 10 x 10",
        "zstd",
        "53 of 54 chunks",
        "A/1/1: first A/1/1/0/c/2/1/0",
        "screen.zarr/B/2: no zarr.json; the plate lists this well",
        "screen.zarr/A/2/0",
        "must be JSON",
    ):
        assert part in text
    assert "\x1b" not in text
    lines = inspect(str(plate), fields=True).splitlines()
    assert sum(line.startswith(("A/1", "A/2", "B/1")) for line in lines) == 4


def test_same_over_http(plate: Path) -> None:
    with serve(plate.parent) as server:
        far = inspect_json(f"{server.url}/screen.zarr")
    near = inspect_json(str(plate))
    assert {k: v for k, v in far.items() if k != "url"} == {
        k: v for k, v in near.items() if k != "url"
    }


def test_names_cannot_reach_the_terminal(tmp_path: Path) -> None:
    omero = {"channels": [{"label": "\x1b[31mDNA\n"}, {"label": "b"}, {"label": "c"}]}
    write_image(tmp_path / "i.zarr", PIXELS, "cyx", "0.4", omero=omero)
    text = inspect(str(tmp_path / "i.zarr"))
    assert "?[31mDNA?, b, c" in text
    assert "\x1b" not in text


def test_nothing_readable(tmp_path: Path) -> None:
    root = tmp_path / "screen.zarr"
    put_plate(root, "0.4", {"A/1": ["0"]})
    with pytest.raises(BadInput, match=r"no image can be read; first problem: screen\.zarr/A/1/0"):
        inspect(str(root))
    put_group(tmp_path / "i.zarr", {"multiscales": []}, "0.4")
    with pytest.raises(BadInput, match="at least 1 entries"):
        inspect(str(tmp_path / "i.zarr"))


def test_server_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voxelmill.store import remote

    monkeypatch.setitem(remote.RETRY, "max_retries", 0)
    with serve(tmp_path) as server:
        url = f"{server.url}/i.zarr"
    with pytest.raises(StoreUnavailable):
        inspect(url)


def test_imports_no_zarr_and_is_quick(tmp_path: Path) -> None:
    wells = {f"{row}/{column}": ["0"] for row in "ABCDEFGH" for column in range(1, 13)}
    root = tmp_path / "screen.zarr"
    put_plate(root, "0.5", wells)
    first = root / "A/1/0"
    write_image(first, PIXELS, "cyx", "0.5", (1, 10, 10), paths=("0", "1"), omero=OMERO)
    for path in list(wells)[1:]:
        (root / path / "0").symlink_to(first)
    code = (
        "import sys; from voxelmill.steps.inspect import inspect; text = inspect(sys.argv[1]);"
        "print('zarr' in sys.modules, 'images        96' in text)"
    )
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    assert spent < 2  # s of processor time: wall time depends on what else runs


@needs_shared
def test_fractal_lacks_its_pixels() -> None:
    root = next((SHARED / "data" / "zarr" / "fractal").glob("*.zarr"))
    found = inspect_json(str(root))
    assert (found["chunks_stored"], found["chunks_expected"]) == (0, 3)
    assert found["incomplete"] == [{"path": "", "missing": "0/0/0/0/0"}]
    assert "DAPI, nanog, Lamin B1" in inspect(str(root))
