"""`voxelmill reproduce --out`: a place that cannot be used is refused in one line."""

from pathlib import Path

import pytest

from voxelmill.crate.recorded import Recorded
from voxelmill.plugin import BadConfig, OutputExists
from voxelmill.steps.reproduce import PLAN, Asked, _plan

CRATE = Recorded("crate", "p", "plate.zarr", "plate.zarr", {})


def test_the_same_rerun_goes_on_with_its_seed(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    seed = _plan(CRATE, Asked(sample=1), out)
    assert _plan(CRATE, Asked(sample=1), out) == seed
    with pytest.raises(OutputExists, match="something else than this rerun"):
        _plan(CRATE, Asked(sample=2), out)


@pytest.mark.parametrize("text", ["{", "[]", "null", "{}", '{"seed": null}', '{"seed": "a"}'])
def test_a_damaged_plan_is_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(OutputExists, match="something else than this rerun") as told:
        _plan(CRATE, Asked(), tmp_path)
    assert "\n" not in str(told.value)
    assert (tmp_path / PLAN).read_text() == text


def test_a_file_is_no_folder_to_write_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputExists, match=r"--out .*file: holds something else"):
        _plan(CRATE, Asked(), file)
    with pytest.raises(BadConfig, match=r"--out .*file/x: .* cannot be made a folder"):
        _plan(CRATE, Asked(), file / "x")
    assert file.read_text() == "mine"
