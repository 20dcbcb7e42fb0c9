"""The schema in the repository is the one that the models make."""

from pathlib import Path

from voxelmill.schema import schema_yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_schema_is_up_to_date() -> None:
    """Mend with: voxelmill schema > workflow/schemas/config.schema.yaml."""
    assert (ROOT / "workflow/schemas/config.schema.yaml").read_text() == schema_yaml()
