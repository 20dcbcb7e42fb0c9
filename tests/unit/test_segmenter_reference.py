"""docs/segmenters.md is what the segmenters say of themselves, and what was measured."""

import json
from pathlib import Path

from benchmarks.__main__ import RESULTS
from benchmarks.segmenters import speeds
from benchmarks.timing import Row
from simple_segmenters import Flooded
from voxelmill.reference import update
from voxelmill.segmenterreference import claim, segmenter_tables
from voxelmill.segmenters import segmenters
from voxelmill.segmenters.components import Components
from voxelmill.segmenters.propagate import Propagate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "segmenters.md"


def current() -> str:
    rows = [Row(**row) for row in json.loads(RESULTS.read_text(encoding="utf-8"))]
    return segmenter_tables(speeds(rows))


def test_the_page_is_up_to_date() -> None:
    """Mend with: python tests/unit/test_segmenter_reference.py."""
    text = PAGE.read_text(encoding="utf-8")
    assert update(text, current()) == text


def test_every_segmenter_says_what_it_is_and_how_fast() -> None:
    page = current()
    for kind, cls in segmenters().items():
        section = page.partition(f"### `{kind}`")[2].partition("### ")[0]
        assert cls.source in section
        assert "Mpx/s" in section, f"{kind}: python -m benchmarks segmenters"
        assert "| `" in section


def test_claims_follow_from_the_contract() -> None:
    assert "any size" in claim(Components)
    assert "seeds" in claim(Propagate)
    assert "overlap" in claim(Flooded)


if __name__ == "__main__":
    PAGE.write_text(update(PAGE.read_text(encoding="utf-8"), current()), encoding="utf-8")
