"""What an interrupted step keeps, and when it forgets it."""

import json
from pathlib import Path

import pytest

from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.execution import Blocks
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.work import Execution, start


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    write_demo_plate(tmp_path / "p.zarr", wells=1, fields=1, size=64, channels=1, faults=False)
    item = Item("A/01/0", "", "A01", "A", "01", "0", None, 64 * 64)
    path = tmp_path / "d" / "batches" / "0000.json"
    path.parent.mkdir(parents=True)
    value = Batch("d", str(tmp_path / "p.zarr"), "0000", (item,)).as_json()
    path.write_text(json.dumps(value))
    return path


def kept(
    batch: Path,
    settings: Settings | None = None,
    execution: Execution | None = None,
    before: str = "",
) -> bool:
    """Start a step; say whether it remembers the last one, and leave something to remember."""
    with start("measure", batch, settings or Settings(), execution or Execution(), before) as work:
        found = "block" in work.ledger.done
        work.ledger.add("block", 1)
    return found


def test_the_same_step_goes_on(batch: Path) -> None:
    assert [kept(batch), kept(batch)] == [False, True]
    assert kept(batch, Settings(qc={"metrics": ["focus"]})), "not a setting of this step"
    assert kept(batch, execution=Execution(workers=2))


def test_other_settings_blocks_or_labels_start_anew(batch: Path) -> None:
    kept(batch)
    assert not kept(batch, Settings(features=["shape"]))
    assert not kept(batch, execution=Execution(blocks=Blocks(size=64)))
    assert not kept(batch)
    assert not kept(batch, before="labels made since")
    assert kept(batch, before="labels made since")


def test_a_changed_image_starts_anew(batch: Path, tmp_path: Path) -> None:
    kept(batch)
    chunk = next(p for p in (tmp_path / "p.zarr/A/01/0/0/c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes() + b"more")
    assert not kept(batch)
