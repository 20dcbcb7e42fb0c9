"""docs/features.md says what the plugins say."""

from pathlib import Path

import pytest

from voxelmill.plugin import BadInput
from voxelmill.reference import tables, update

DOCS = Path(__file__).resolve().parents[2] / "docs" / "features.md"
REMAKE = (
    "from pathlib import Path; from voxelmill.reference import tables, update; "
    "p = Path('docs/features.md'); p.write_text(update(p.read_text(), tables()))"
)


def test_page_is_up_to_date() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert update(text, tables()) == text, f'remake it: python -c "{REMAKE}"'


def test_every_column_is_defined() -> None:
    rows = [line for line in tables().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [cell for cell in cells if len(cell) != 3 or not all(cell)] == []


def test_marks_are_needed() -> None:
    with pytest.raises(BadInput, match="no marks"):
        update("text", "")
