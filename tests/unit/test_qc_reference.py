"""docs/image-quality.md is what the image metrics say of themselves."""

from pathlib import Path

import numpy as np
import pytest

from qc_scenes import field, measured
from voxelmill.metricreference import metric_tables
from voxelmill.plugin import Array
from voxelmill.qc import Metric, metrics
from voxelmill.reference import update

PAGE = Path(__file__).resolve().parents[2] / "docs" / "image-quality.md"
IMAGE = {kind: cls for kind, cls in metrics().items() if cls.level == "image"}
every = pytest.mark.parametrize("cls", IMAGE.values(), ids=list(IMAGE))


def test_the_page_is_up_to_date() -> None:
    """Mend with: PYTHONPATH=tests python tests/unit/test_qc_reference.py."""
    text = PAGE.read_text(encoding="utf-8")
    assert update(text, metric_tables()) == text


@every
def test_every_column_limit_and_fault_is_explained(cls: type[Metric]) -> None:
    metric = cls()
    assert set(metric.describe()) == set(metric.columns())
    assert cls.source
    fields = {n: f for n, f in cls.model_fields.items() if n != "kind"}
    assert [name for name, field_ in fields.items() if not field_.description] == []
    assert cls.fails <= set(cls.faults)
    for fault, when in cls.faults.items():
        assert any(f"`{name}`" in when for name in fields), f"{fault}: names no limit"


@pytest.mark.parametrize("limits", ["default", "set"])
@every
def test_no_metric_has_a_fault_that_is_not_explained(cls: type[Metric], limits: str) -> None:
    optional = {n: 1.0 for n, f in cls.model_fields.items() if f.default is None}
    metric = cls.model_validate(optional if limits == "set" else {})
    values: dict[str, Array] = measured(metric, [field(), field(blur=6)])
    found = metric.flags({c: np.asarray(v) for c, v in values.items()})
    assert set(found) <= set(cls.faults)
    if limits == "set":
        assert set(found) == set(cls.faults)


def test_the_page_says_what_is_default_and_what_fails() -> None:
    assert "(not a default)" not in metric_tables()
    assert "| `OutOfFocus` | fail |" in metric_tables()


if __name__ == "__main__":
    PAGE.write_text(update(PAGE.read_text(encoding="utf-8"), metric_tables()), encoding="utf-8")
